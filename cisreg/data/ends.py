"""Ends that nearly all sequences share, such as the primer sites of a library."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cisreg.data.splitting import sequence_hashes
from cisreg.sequences import decode

logger = logging.getLogger("cisreg.data")

# A column hardly varies if one base has at least this share of the sequences.
_SHARE = 0.9
# Fewer columns are too short for a motif; fewer sequences may be alike by chance.
_FEWEST_BASES = 4
_FEWEST_SEQUENCES = 50
# Warn if less than this share of the sequences has the end that was constant in training.
_LOWEST_SHARE = 0.5
_UNKNOWN = 4
_BASES = re.compile("[A-Z]*")


class ConstantEnd(NamedTuple):
    """Bases that nearly all sequences begin or end with.

    Attributes:
        sequence: the bases, as text.
        share: share of the sequences that have exactly these bases there.
    """

    sequence: str
    share: float


class ConstantEnds(NamedTuple):
    """The constant ends of a set of sequences; None for an end that varies."""

    left: ConstantEnd | None
    right: ConstantEnd | None


def find_constant_ends(codes: np.ndarray) -> ConstantEnds:
    """Finds constant ends: at least 4 columns in which one base has 90 % of the sequences.

    Columns are counted from the first and from the last base of each sequence; padding is left
    out. Repeated sequences count once. Sequences that hardly vary anywhere, such as the variants
    of one promoter, have no constant ends: too little would be left between them.

    Args:
        codes: uint8 [N, L] base codes; code 4 at the ends of a row is padding.

    Returns:
        The ends; both None for fewer than 50 different sequences.

    Example:
        >>> random = np.random.default_rng(0).integers(0, 4, (200, 20), np.uint8)
        >>> random[:, :6] = [0, 1, 2, 3, 0, 0]
        >>> find_constant_ends(random)
        ConstantEnds(left=ConstantEnd(sequence='ACGTAA', share=1.0), right=None)
    """
    _, first = np.unique(sequence_hashes(codes), return_index=True)
    codes = codes[np.sort(first)]
    if len(codes) < _FEWEST_SEQUENCES:
        return ConstantEnds(None, None)
    from_left, lengths = from_first_base(codes)
    from_right = from_first_base(codes[:, ::-1])[0]
    left, right = _constant_columns(from_left), _constant_columns(from_right)
    if left + right > np.median(lengths) / 2:
        return ConstantEnds(None, None)
    return ConstantEnds(_end(from_left[:, :left]), _end(from_right[:, :right][:, ::-1]))


def describe_ends(ends: ConstantEnds) -> str:
    """The ends in words.

    Example:
        >>> describe_ends(ConstantEnds(ConstantEnd("ACGT", 0.992), None))
        '99.2 % of the sequences begin with ACGT (4 bases)'
    """
    parts = [
        f"{100 * end.share:.1f} % {'of the sequences ' * (side == 0)}{verb} {end.sequence} "
        f"({len(end.sequence)} bases)"
        for side, (end, verb) in enumerate(zip(ends, ("begin with", "end with"), strict=True))
        if end is not None
    ]
    text = " and ".join(parts) or "the sequences have no constant ends"
    return text if ends.left or not ends.right else text.replace(" % ", " % of the sequences ", 1)


def warn_of_ends(codes: np.ndarray) -> None:
    """Warns if nearly all sequences share an end that the model was not told about."""
    ends = find_constant_ends(codes)
    left, right = (0 if end is None else len(end.sequence) for end in ends)
    if left or right:
        logger.warning(
            "%s: a motif that matches them is bound alike in every sequence, so that its activity "
            "is no more than a constant. Train with constant_left=%d, constant_right=%d "
            '(--constant-left, --constant-right), or say constant_ends="keep"',
            *(describe_ends(ends), left, right),
        )


def warn_of_other_ends(known: Mapping[str, Mapping[str, Any]], codes: np.ndarray) -> None:
    """Warns if most sequences lack an end that was constant in training.

    Args:
        known: the constant ends as a model keeps them: for each side, "sequence" is its bases, or
            None.
        codes: uint8 [N, L], the sequences.
    """
    for side, end in known.items():
        if end["sequence"] is None:
            continue
        share = share_with_end(codes, end["sequence"], left=side == "left")
        if share < _LOWEST_SHARE:
            logger.warning(
                "%.1f %% of the sequences %s with %s, a constant end of the sequences that the "
                "model was trained on: it counts no site inside the %s %d bases; add the constant "
                "ends to the sequences",
                *(100 * share, "begin" if side == "left" else "end", end["sequence"]),
                *("first" if side == "left" else "last", end["bases"]),
            )


def known_end_bases(
    known: Mapping[str, Mapping[str, Any]], left: int, right: int
) -> tuple[str, str]:
    """The constant ends of the training sequences, if all their bases are known; otherwise "", "".

    Args:
        known: the constant ends as a model keeps them, see `warn_of_other_ends`.
        left: how many bases the left end has.
        right: how many bases the right end has.

    Example:
        >>> known_end_bases({"left": {"bases": 4, "sequence": "ACGT"}}, 4, 0)
        ('ACGT', '')
        >>> known_end_bases({"left": {"bases": 4, "sequence": "ACGT"}}, 4, 6)
        ('', '')
    """
    ends = [known.get(side, {}).get("sequence") or "" for side in ("left", "right")]
    complete = (len(ends[0]), len(ends[1])) == (left, right)
    return (ends[0], ends[1]) if complete else ("", "")


def check_known_ends(known: Any) -> None:
    """Checks constant ends as a model keeps them; they may come from a file that was edited.

    Raises:
        ValueError: not, for "left" or "right", the number of bases and the bases, or None.

    Example:
        >>> check_known_ends({"left": {"bases": 4, "sequence": "ACGT"}})
    """
    sound = isinstance(known, Mapping) and all(
        side in ("left", "right")
        and isinstance(end, Mapping)
        and {"bases", "sequence"} <= end.keys()
        and type(end["bases"]) is int
        and (end["sequence"] is None or _BASES.fullmatch(str(end["sequence"])) is not None)
        for side, end in known.items()
    )
    if not sound:
        raise ValueError(
            'constant_ends: expected for "left" or "right" the number of "bases" and their '
            f'"sequence", got {known!r:.200}'
        )


def share_with_end(codes: np.ndarray, sequence: str, *, left: bool) -> float:
    """Share of the sequences that begin (or end) with these bases.

    Example:
        >>> share_with_end(np.array([[4, 0, 1], [4, 0, 0]], np.uint8), "AC", left=True)
        0.5
    """
    if not sequence or not len(codes):
        return 1.0
    aligned = from_first_base(codes if left else codes[:, ::-1])[0][:, : len(sequence)]
    ends = decode(aligned if left else aligned[:, ::-1])
    return sum(end == sequence for end in ends) / len(ends)


def from_first_base(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows moved so that each begins with its first base, and their lengths, int64 [N].

    Example:
        >>> from_first_base(np.array([[4, 0, 1], [2, 3, 4]], np.uint8))[0].tolist()
        [[0, 1, 4], [2, 3, 4]]
    """
    known = codes != _UNKNOWN
    begin = np.where(known.any(axis=1), known.argmax(axis=1), codes.shape[1])
    column = begin[:, None] + np.arange(codes.shape[1])
    padded = np.pad(codes, ((0, 0), (0, 1)), constant_values=_UNKNOWN)
    rows = np.take_along_axis(padded, np.minimum(column, codes.shape[1]), axis=1)
    return rows, codes.shape[1] - begin - known[:, ::-1].argmax(axis=1) * known.any(axis=1)


def _constant_columns(aligned: np.ndarray) -> int:
    """How many of the first columns hardly vary; 0 if they are too few."""
    most = np.max([(aligned == base).mean(axis=0) for base in range(4)], axis=0)
    varies = np.append(most < _SHARE, True)
    columns = int(varies.argmax())
    return columns if columns >= _FEWEST_BASES else 0


def _end(aligned: np.ndarray) -> ConstantEnd | None:
    if not aligned.shape[1]:
        return None
    counts = [(aligned == base).sum(axis=0) for base in range(4)]
    bases = np.argmax(counts, axis=0).astype(np.uint8)
    share = float((aligned == bases).all(axis=1).mean())
    return ConstantEnd(decode(bases[None])[0], share)
