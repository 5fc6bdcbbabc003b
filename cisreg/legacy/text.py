"""The text files of a trained CisRegModels model: PREFIX.params, .pkdms and .positional.gz.

All numbers are written with six digits (C's %g), so a model that is read back differs in the
seventh digit.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from cisreg.motifs.motif_set import BASES
from cisreg.motifs.text import parse_number
from cisreg.streams import open_input, open_output

PARAMS, PKDMS, POSITIONAL = ".params", ".pkdms", ".positional.gz"
# Files of checkpoints, which are not text, and of SavedModels.
INDEX, DATA, META, SAVED_MODEL = ".index", ".data-00000-of-00001", ".meta", "saved_model.pb"

Arrays = dict[str, np.ndarray]

# Columns of the params file: the parameter in the rows of the motifs, and the parameter in row -1.
# Columns that are not required exist only if the model has the layer.
_COLUMNS: dict[str, tuple[str, str | None]] = {
    "logConc": ("log_concentration", "accessibility_activity"),
    "activity": ("activity", "bias"),
    "potentiations": ("potentiation", "potentiation_bias"),
    "bindingLimits": ("log_binding_limit", None),
    "activityDiffs": ("activity_difference", None),
}
_REQUIRED = ("logConc", "activity")
_NONE = "NA"
_POSITIONAL_COLUMNS = ["TF", "position", "positionalActivityBias", "positionalActivityBiasRC"]


def read_params(path: str | os.PathLike[str]) -> Arrays:
    r"""Reads PREFIX.params: one row of numbers for each motif, and row -1 for the constants.

    The columns are i, logConc, activity and, where the model has these layers, potentiations,
    bindingLimits (of bound molecules, not their log) and activityDiffs. Row -1 holds the activity
    of accessibility, the bias of expression and the bias of potentiation; NA where there is none.

    Args:
        path: the file, plain or compressed.

    Returns:
        float32 arrays by the names of `cisreg.ModelSpec.parameter_shapes`.

    Raises:
        ValueError: an unexpected header, a row that is truncated or out of order, or a field that
            is not a number; the message names file and line.
        OSError: the file cannot be read.

    Example:
        >>> with open("m.params", "w") as file:
        ...     _ = file.write("i\tlogConc\tactivity\n-1\tNA\t0.5\n0\t-9\t1\n1\t-8\t2\n")
        >>> read_params("m.params")["activity"]
        array([1., 2.], dtype=float32)
    """
    rows = _rows(path)
    place, header = next(rows, (os.fspath(path), []))
    optional = [name for name in _COLUMNS if name not in _REQUIRED and name in header]
    expected = ["i", *_REQUIRED, *optional]
    if header != expected:
        raise ValueError(
            f"{place}: expected the columns i, {', '.join(_COLUMNS)} (the last three where the "
            f"model has them), got {', '.join(header) or 'none'}; is it a .params file?"
        )
    columns: dict[str, list[float]] = {name: [] for name in header[1:]}
    arrays: Arrays = {}
    for index, (place, fields) in enumerate(rows, start=-1):
        _check_row(place, fields, len(header), str(index))
        if index == -1:
            arrays |= _constants(place, dict(zip(header, fields, strict=True)))
            continue
        for column, (name, field) in enumerate(zip(header[1:], fields[1:], strict=True), start=2):
            columns[name].append(_limited(name, parse_number(field, place, column), place))
    if not columns["activity"]:
        raise ValueError(f"{os.fspath(path)}: expected a row -1 and one for each motif, got none")
    for name, values in columns.items():
        numbers = np.array(values)
        arrays[_COLUMNS[name][0]] = np.float32(
            np.log(numbers) if name == "bindingLimits" else numbers
        )
    return arrays


def _limited(column: str, value: float, place: str) -> float:
    if column == "bindingLimits" and value <= 0:
        raise ValueError(f"{place}: expected a binding limit above 0, got {value:g}; correct it")
    return value


def _constants(place: str, row: Mapping[str, str]) -> Arrays:
    """The numbers of row -1, shape []."""
    constants: Arrays = {}
    for column, name in enumerate(row, start=1):
        parameter = _COLUMNS[name][1] if name in _COLUMNS else None
        if parameter is None:
            continue
        if parameter == "accessibility_activity" and row[name] == _NONE:
            continue
        constants[parameter] = np.array(parse_number(row[name], place, column), np.float32)
    return constants


def read_pkdms(path: str | os.PathLike[str]) -> np.ndarray:
    r"""Reads PREFIX.pkdms: position Kd matrices, each a line `#Motif i` and four rows of numbers.

    Args:
        path: the file, plain or compressed.

    Returns:
        float32 [W, 4, M], bases in the order A C G T; nats, as the original uses them.

    Raises:
        ValueError: a motif or base out of order, rows of different widths, a field that is not a
            number, or a truncated file; the message names file and line.
        OSError: the file cannot be read.

    Example:
        >>> with open("m.pkdms", "w") as file:
        ...     _ = file.write("#Motif 0\n#A\t-1\n#C\t1\n#G\t1\n#T\t1\n\n")
        >>> read_pkdms("m.pkdms").shape
        (1, 4, 1)
    """
    matrices: list[list[list[float]]] = []
    place = os.fspath(path)
    labels = _pkdm_labels()
    label, width = next(labels), 0
    for place, fields in _rows(path):
        if fields[0] != label:
            raise ValueError(f"{place}: expected a line that begins with {label}, got {fields[0]}")
        if label.startswith("#Motif"):
            matrices.append([])
        else:
            width = width or len(fields) - 1
            _check_row(place, fields, width + 1, label)
            matrices[-1].append(
                [parse_number(field, place, column) for column, field in enumerate(fields[1:], 2)]
            )
        label = next(labels)
    if not matrices or not label.startswith("#Motif"):
        raise ValueError(
            f"{place}: expected a line that begins with {label}, got the end of the file; is it "
            "complete?"
        )
    if not width:
        raise ValueError(f"{os.fspath(path)}: expected numbers after each base, got none")
    return np.array(matrices, np.float32).transpose(2, 1, 0)


def _pkdm_labels() -> Iterator[str]:
    """The first fields of the lines of a .pkdms file (infinite)."""
    motif = 0
    while True:
        yield f"#Motif {motif}"
        yield from (f"#{base}" for base in BASES)
        motif += 1


def read_positional(path: str | os.PathLike[str]) -> np.ndarray:
    """Reads PREFIX.positional.gz: the weight of each motif's sites at each position.

    Args:
        path: the file, plain or compressed; columns TF, position, positionalActivityBias and, for
            models with strands, positionalActivityBiasRC; all positions of motif 0 come first.

    Returns:
        float32 [S, L, M], S the number of strands, 1 or 2.

    Raises:
        ValueError: an unexpected header, a row that is truncated or out of order, a field that is
            not a number, or motifs with different numbers of positions; the message names file and
            line.
        OSError: the file cannot be read.

    Example:
        >>> read_positional("model.positional.gz").shape  # doctest: +SKIP
        (2, 110, 250)
    """
    rows = _rows(path)
    place, header = next(rows, (os.fspath(path), []))
    if header not in (_POSITIONAL_COLUMNS[:3], _POSITIONAL_COLUMNS):
        raise ValueError(
            f"{place}: expected the columns {', '.join(_POSITIONAL_COLUMNS)} (the last one where "
            f"strands differ), got {', '.join(header) or 'none'}; is it a .positional file?"
        )
    weights: list[list[list[float]]] = []
    for place, fields in rows:
        _check_row(place, fields, len(header))
        if fields[:2] == [str(len(weights)), "0"]:
            _check_positions(place, weights)
            weights.append([])
        expected = [str(len(weights) - 1), str(len(weights[-1]))] if weights else ["0", "0"]
        if fields[:2] != expected:
            raise ValueError(
                f"{place}: expected motif {expected[0]}, position {expected[1]}, got "
                f"{fields[0]}, {fields[1]}; is the file complete?"
            )
        weights[-1].append(
            [parse_number(field, place, column) for column, field in enumerate(fields[2:], 3)]
        )
    if not weights:
        raise ValueError(f"{place}: expected a row for each motif and position, got none")
    _check_positions(place, weights)
    return np.array(weights, np.float32).transpose(2, 1, 0)


def _check_positions(place: str, weights: Sequence[Sequence[object]]) -> None:
    """Raises ValueError if the last motif has fewer or more positions than the first."""
    if weights and len(weights[-1]) != len(weights[0]):
        raise ValueError(
            f"{place}: expected {len(weights[0])} positions for motif {len(weights) - 1} as for "
            f"motif 0, got {len(weights[-1])}; is the file complete?"
        )


def _rows(path: str | os.PathLike[str]) -> Iterator[tuple[str, list[str]]]:
    """("file:line", fields) of the lines that are not blank."""
    with open_input(path) as stream:
        for number, line in enumerate(stream, start=1):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if not line.endswith(b"\n"):
                raise ValueError(
                    f"{os.fspath(path)}:{number}: expected a whole line, got {text!r} and the end "
                    "of the file; is it complete?"
                )
            if text.strip():
                yield f"{os.fspath(path)}:{number}", text.split("\t")


def _check_row(place: str, fields: Sequence[str], count: int, label: str | None = None) -> None:
    if label is not None and fields[0] != label:
        raise ValueError(f"{place}: expected row {label}, got {fields[0]}; is the file complete?")
    if len(fields) != count:
        raise ValueError(
            f"{place}: expected {count} fields, got {len(fields)}; is the line complete?"
        )


def write_params(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], *, overwrite: bool = False
) -> None:
    """Writes the file that `read_params` reads, byte for byte as CisRegModels does.

    Args:
        path: the file.
        arrays: parameters by name, without those of layers that the model does not have.
        overwrite: whether it may replace a file that exists.

    Raises:
        FileExistsError: the file exists, and `overwrite` is False.
        OSError: the file cannot be written.

    Example:
        >>> write_params("model.params", model.parameters)  # doctest: +SKIP
    """
    columns = {name: pair for name, pair in _COLUMNS.items() if pair[0] in arrays}
    constants = [
        f"{float(arrays[constant]):g}" if constant is not None and constant in arrays else _NONE
        for _, constant in columns.values()
    ]
    values = [
        np.exp(np.float64(arrays[name])) if name == "log_binding_limit" else arrays[name]
        for name, _ in columns.values()
    ]
    lines = ["\t".join(["i", *columns]), "\t".join(["-1", *constants])]
    for index, row in enumerate(zip(*values, strict=True)):
        lines.append("\t".join([str(index), *(f"{number:g}" for number in row)]))
    _write(path, lines, overwrite)


def write_pkdms(
    path: str | os.PathLike[str], log_kd: np.ndarray, *, overwrite: bool = False
) -> None:
    """Writes the file that `read_pkdms` reads, byte for byte as CisRegModels does.

    Args:
        path: the file.
        log_kd: float [W, 4, M].
        overwrite: whether it may replace a file that exists.

    Raises:
        FileExistsError: the file exists, and `overwrite` is False.
        OSError: the file cannot be written.

    Example:
        >>> write_pkdms("model.pkdms", model.parameters["log_kd"])  # doctest: +SKIP
    """
    lines = []
    for index, motif in enumerate(log_kd.transpose(2, 1, 0)):
        lines.append(f"#Motif {index}")
        lines += [
            "\t".join([f"#{base}", *(f"{number:g}" for number in row)])
            for base, row in zip(BASES, motif, strict=True)
        ]
    _write(path, [*lines, ""], overwrite)


def write_positional(
    path: str | os.PathLike[str], position_weight: np.ndarray, *, overwrite: bool = False
) -> None:
    """Writes the file that `read_positional` reads; its text is byte for byte CisRegModels'.

    Args:
        path: the file, compressed where its name ends in .gz.
        position_weight: float [S, L, M], S of 1 or 2 strands.
        overwrite: whether it may replace a file that exists.

    Raises:
        FileExistsError: the file exists, and `overwrite` is False.
        OSError: the file cannot be written.

    Example:
        >>> write_positional("model.positional.gz", weight)  # doctest: +SKIP
    """
    lines = ["\t".join(_POSITIONAL_COLUMNS[: 2 + len(position_weight)])]
    for motif, positions in enumerate(position_weight.transpose(2, 1, 0)):
        lines += [
            "\t".join([str(motif), str(position), *(f"{number:g}" for number in strands)])
            for position, strands in enumerate(positions)
        ]
    _write(path, lines, overwrite)


def _write(path: str | os.PathLike[str], lines: Iterable[str], overwrite: bool) -> None:
    with open_output(path, overwrite=overwrite) as stream:
        stream.write("".join(line + "\n" for line in lines).encode())
