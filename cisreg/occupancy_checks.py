"""What `occupancy` expects of its arguments, without TensorFlow: shapes, and the values of arrays.

Shapes may be known in part, as those of tensors in a graph: None stands for a dimension, or a whole
shape, that is not known, and fits everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

UNKNOWN = 4  # the code of padding and of every letter except A, C, G and T
STRANDS, BASES = 2, 4
# What a log concentration may be.
CONCENTRATION = "finite numbers, or -inf where there is no factor"

Shape = Sequence[int | None] | None


def check_shapes(shapes: Mapping[str, Shape], padding: str) -> None:
    """Checks the shapes of arguments, by name.

    Args:
        shapes: of `sequence`, `log_kd` and `log_concentration`, and of those optional arguments
            that are given: `position_weight`, `column_range`, `span`, `length`, `condition`.
        padding: "same" or "valid".

    Raises:
        ValueError: they do not fit; the message names the argument, what was expected, what came.

    Example:
        >>> shapes = {"sequence": (8, 110), "log_kd": (30, 4, 5), "log_concentration": (5,)}
        >>> check_shapes(shapes, "same")
    """
    count, length = _codes_shape(shapes["sequence"])
    width, motifs = _motifs_shape(shapes["log_kd"])
    if padding == "valid" and None not in (length, width) and length < width:  # type: ignore[operator]
        raise ValueError(
            "padding: 'valid' expects sequences at least as long as the motifs, got "
            f"L = {length} and W = {width}; use padding = 'same'"
        )
    _check_concentration_shape(shapes, motifs)
    windows = length
    if padding == "valid":
        windows = None if length is None or width is None else length - width + 1
    _check_stacked("position_weight", shapes, "[K, 2, P, M]", (STRANDS, windows, motifs))
    _check_shape("column_range", shapes, "[2, M]", (STRANDS, motifs))
    _check_shape("length", shapes, "[N]", (count,))
    _check_shape("condition", shapes, "[N]", (count,))
    span = shapes.get("span")
    if not (_fits(span, (2,)) or _fits(span, (count, 2))):
        raise ValueError(
            "span: expected shape [2], begin and end for all sequences, or [N, 2] = "
            f"{_shown((count, 2))}, one pair for each, got {_shown(span)}"
        )


def check_values(arrays: Mapping[str, np.ndarray]) -> None:
    """Checks the values of arguments whose shapes fit, by the names of `check_shapes`.

    Raises:
        ValueError: a value is not allowed; the message names the argument, the place and the value.

    Example:
        >>> check_values({"sequence": np.zeros((8, 110), np.uint8)})
    """
    _check_codes(arrays["sequence"])
    _check_finite("log_kd", arrays["log_kd"])
    check_concentration(arrays["log_concentration"])
    if "position_weight" in arrays:
        _check_finite("position_weight", arrays["position_weight"])
    if "column_range" in arrays:
        check_column_range(arrays["column_range"], arrays["log_kd"].shape[0])
    if "span" in arrays:
        _check_span(arrays["span"], arrays["sequence"].shape[1])
    if "length" in arrays:
        _check_length(arrays["length"], arrays["sequence"].shape[1])
    if "condition" in arrays:
        _check_condition(arrays["condition"], len(arrays["log_concentration"]))


def check_concentration(values: np.ndarray) -> None:
    """Checks log concentrations: numbers, or minus infinity for a factor that is knocked out.

    Raises:
        ValueError: NaN or infinity; the message names the place and the value.

    Example:
        >>> check_concentration(np.array([-2.5, -np.inf]))
    """
    _check_numbers("log_concentration", values, CONCENTRATION, values < np.inf)


def check_column_range(column_range: np.ndarray, width: int) -> None:
    """Checks that 0 <= first <= end <= W for every motif.

    Args:
        column_range: integers [2, M].
        width: W.

    Raises:
        ValueError: a range out of bounds; the message names the motif.

    Example:
        >>> check_column_range(np.array([[0], [2]]), 3)
    """
    first, end = column_range
    wrong = (first < 0) | (first > end) | (end > width)
    if wrong.any():
        motif = int(np.argmax(wrong))
        raise ValueError(
            f"column_range: expected 0 <= first <= end <= W = {width}, got {first[motif]} and "
            f"{end[motif]} for motif {motif}"
        )


def _codes_shape(shape: Shape) -> Sequence[int | None]:
    if shape is None:
        return None, None
    if len(shape) != 2:
        raise ValueError(f"sequence: expected base codes [N, L], got shape {_shown(shape)}")
    return shape


def _motifs_shape(shape: Shape) -> tuple[int | None, int | None]:
    """W and M."""
    if shape is None:
        return None, None
    if not _fits(shape, (None, BASES, None)) or 0 in shape:
        raise ValueError(
            f"log_kd: expected [W, 4, M] with W and M of at least 1, got shape {_shown(shape)}"
        )
    return shape[0], shape[2]


def _check_concentration_shape(shapes: Mapping[str, Shape], motifs: int | None) -> None:
    given = shapes.get("log_concentration")
    if "condition" in shapes and given is not None and len(given) != 2:
        raise ValueError(
            "condition: expected log_concentration [C, M], a row for each condition, got "
            f"{_shown(given)}; leave condition out where there is only one"
        )
    _check_stacked("log_concentration", shapes, "[C, M]", (motifs,))


def _check_stacked(
    name: str, shapes: Mapping[str, Shape], letters: str, each: Sequence[int | None]
) -> None:
    """Checks the shape of one, or of several of them: `letters` are those of several."""
    given = shapes.get(name)
    if given is None or len(given) != len(each) + 1:
        _check_shape(name, shapes, f"[{letters[4:]}", each)
        return
    if given[0] == 0:
        raise ValueError(
            f"{name}: expected {letters} with {letters[1]} of at least 1, got shape {_shown(given)}"
        )
    _check_shape(name, shapes, letters, (given[0], *each))


def _check_shape(
    name: str, shapes: Mapping[str, Shape], letters: str, expected: Sequence[int | None]
) -> None:
    if not _fits(shapes.get(name), expected):
        raise ValueError(
            f"{name}: expected shape {letters} = {_shown(expected)}, got {_shown(shapes[name])}"
        )


def _fits(shape: Shape, expected: Sequence[int | None]) -> bool:
    return shape is None or (
        len(shape) == len(expected)
        and all(None in pair or pair[0] == pair[1] for pair in zip(shape, expected, strict=True))
    )


def _shown(shape: Shape) -> str:
    return "?" if shape is None else f"[{', '.join('?' if n is None else str(n) for n in shape)}]"


def _check_codes(codes: np.ndarray) -> None:
    if codes.max(initial=0) <= UNKNOWN:
        return
    row, base = np.argwhere(codes > UNKNOWN)[0]
    raise ValueError(
        f"sequence: expected base codes 0 to 4 (A C G T other), got {codes[row, base]} in sequence "
        f"{row} at base {base}; encode text with cisreg.encode"
    )


def _check_finite(name: str, values: np.ndarray) -> None:
    _check_numbers(name, values, "finite numbers", np.isfinite(values))


def _check_numbers(name: str, values: np.ndarray, expected: str, allowed: np.ndarray) -> None:
    if allowed.all():
        return
    at = int(np.argmin(allowed))
    raise ValueError(
        f"{name}: expected {expected}, got {values.flat[at]} at flat index {at} of shape "
        f"{_shown(values.shape)}"
    )


def _check_span(span: np.ndarray, length: int) -> None:
    pairs = np.atleast_2d(span)
    wrong = ((pairs < 0) | (pairs > length)).any(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        where = "" if span.ndim == 1 else f" for sequence {row}"
        raise ValueError(
            f"span: expected begin and end between 0 and L = {length}, got {pairs[row, 0]} and "
            f"{pairs[row, 1]}{where}"
        )


def _check_length(length: np.ndarray, most: int) -> None:
    wrong = (length < 0) | (length > most)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"length: expected 0 to L = {most} bases for each sequence, got {length[row]} for "
            f"sequence {row}; count the bases before the padding"
        )


def _check_condition(condition: np.ndarray, count: int) -> None:
    wrong = (condition < 0) | (condition >= count)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"condition: expected 0 to C - 1 = {count - 1} for each sequence, got {condition[row]} "
            f"for sequence {row}; conditions are rows of log_concentration, counted from 0"
        )
