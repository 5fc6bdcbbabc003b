"""Random sequences into which sites are written."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cisreg.interpret.any_model import AnyModel
from cisreg.limits import check_memory
from cisreg.motifs.checking import check_background
from cisreg.sequences import encode


def random_backgrounds(
    model: AnyModel,
    count: int,
    *,
    composition: npt.ArrayLike | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Random sequences of a model's length, between the constant ends that it was trained with.

    Bases are drawn independently.

    Args:
        model: a trained model; `metadata` says what its constant ends are.
        count: N, how many sequences.
        composition: [4], probabilities of A, C, G and T; None: 1/4 each.
        seed: the same seed gives the same sequences.

    Returns:
        uint8 [N, L], base codes.

    Raises:
        ValueError: a wrong number or composition; or the model has constant ends, but does not say
            what they are.

    Example:
        >>> random_backgrounds(model, 100, composition=[0.3, 0.2, 0.2, 0.3])  # doctest: +SKIP
    """
    length = model.spec.sequence_length
    if count < 1:
        raise ValueError(f"count: expected 1 or more sequences, got {count}")
    check_memory(f"count: {count:,} sequences", 9 * count * length, "take fewer")
    try:
        shares = check_background(composition, zero_allowed=True)
    except ValueError as error:
        raise ValueError(str(error).replace("background:", "composition:", 1)) from None
    draw = np.random.default_rng(seed).random((count, length))
    codes = np.searchsorted(np.cumsum(shares)[:3], draw, side="right").astype(np.uint8)
    left, right = (constant_end(model, side) for side in ("left", "right"))
    codes[:, : len(left)] = left
    codes[:, length - len(right) :] = right
    return codes


def constant_end(model: AnyModel, side: str) -> np.ndarray:
    """The bases of a constant end, as codes; none if there is no such end.

    Raises:
        ValueError: the model has such an end, but does not say what it is.
    """
    known = (model.metadata.get("constant_ends") or {}).get(side) or {}
    text = known.get("sequence") or ""
    wanted = getattr(model.spec, f"constant_{side}") if model.spec.has_span else 0
    if len(text) < wanted:
        raise ValueError(
            f"model: expected the {wanted} bases of its constant {side} end in "
            f"metadata['constant_ends'], got {text!r}; give sequences with their ends instead of "
            "random ones"
        )
    return np.asarray(encode([text]))[0] if text else np.zeros(0, np.uint8)
