"""Changes of sequences: a motif written over bases, inserted, or bases taken out."""

from __future__ import annotations

import difflib
import reprlib
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from cisreg.arrays import as_array
from cisreg.data import Dataset
from cisreg.interpret.any_model import AnyModel
from cisreg.limits import check_range
from cisreg.motifs import MotifSet
from cisreg.occupancy_checks import UNKNOWN
from cisreg.sequences import decode, encode, reverse_complement

_BASES = frozenset("ACGTUN")


class MotifSite(NamedTuple):
    """A site that is written into sequences.

    Attributes:
        name: the factor's name, or the bases.
        codes: uint8 [width], base codes; 4 leaves the base that is there.
    """

    name: str
    codes: np.ndarray

    def reversed(self) -> MotifSite:
        """The site on the other strand."""
        return MotifSite(self.name, reverse_complement(self.codes[np.newaxis])[0])

    def text(self) -> str:
        """The bases, N for one that stays as it is."""
        return decode(self.codes[np.newaxis])[0]


def substitute(sequences: Any, motif: Any, start: int | None = None) -> np.ndarray:
    """Sequences with a motif in place of the bases from `start` on; tangermeme's verb of this name.

    Args:
        sequences: N sequences of one length: text, base codes [N, L] or a `cisreg.Dataset`.
        motif: bases as text; a `MotifSet` of one motif, for its strongest site; or base codes
            [width], or [N, width] for one of each sequence. N (code 4) leaves the base that is
            there.
        start: where the motif begins, counted from 0; None: its middle is the sequence's middle.

    Returns:
        uint8 [N, L], base codes; `cisreg.decode` makes text of them.

    Raises:
        ValueError: sequences of different lengths, a motif that is none, or a place beyond the
            ends.

    Example:
        >>> decode(substitute(["AAAAAAAA", "CCCCCCCC"], "GNT"))
        ['AAAGATAA', 'CCCGCTCC']
    """
    codes = to_codes(sequences)
    written = _motif_rows(motif, len(codes))
    width = written.shape[1]
    start = _place(codes.shape[1] - width, start, codes.shape[1] // 2 - width // 2)
    result = codes.copy()
    part = result[:, start : start + width]
    part[:] = np.where(written == UNKNOWN, part, written)
    return result


def insert(sequences: Any, motif: Any, start: int | None = None) -> np.ndarray:
    """Sequences with a motif between their bases; tangermeme's verb of this name.

    The sequences become longer by the motif. A model takes sequences of its own length only, so
    take as many bases out with `delete`, or cut them off.

    Args:
        sequences: N sequences of one length: text, base codes [N, L] or a `cisreg.Dataset`.
        motif: as in `substitute`; N is an unknown base here.
        start: the motif is inserted before this base, counted from 0; None: in the middle; L: at
            the end.

    Returns:
        uint8 [N, L + width], base codes.

    Raises:
        ValueError: sequences of different lengths, a motif that is none, or a place beyond the
            ends.

    Example:
        >>> decode(insert(["AAAAAAAA"], "GGT", 2))
        ['AAGGTAAAAAA']
    """
    codes = to_codes(sequences)
    written = np.broadcast_to(rows := _motif_rows(motif, len(codes)), (len(codes), rows.shape[1]))
    start = _place(codes.shape[1], start, codes.shape[1] // 2)
    return np.concatenate([codes[:, :start], written, codes[:, start:]], axis=1)


def delete(sequences: Any, start: int, end: int) -> np.ndarray:
    """Sequences without the bases from `start` to before `end`; tangermeme's verb of this name.

    Args:
        sequences: N sequences of one length: text, base codes [N, L] or a `cisreg.Dataset`.
        start: the first base to take out, counted from 0.
        end: the base behind the last one.

    Returns:
        uint8 [N, L - (end - start)], base codes.

    Raises:
        ValueError: sequences of different lengths, or bases that they do not have.

    Example:
        >>> decode(delete(["AACCGGTT"], 2, 6))
        ['AATT']
    """
    codes = to_codes(sequences)
    check_part(codes.shape[1], start, end)
    return np.concatenate([codes[:, :start], codes[:, end:]], axis=1)


def check_part(length: int, start: int, end: int | None) -> int:
    """Checks which part of the sequences is meant, and returns its end.

    Raises:
        ValueError: a part without bases, or beyond the ends.

    Example:
        >>> check_part(110, 20, None)
        110
    """
    check_range("start", start, 0, length)
    end = length if end is None else end
    if not start < end <= length:
        raise ValueError(
            f"end: expected a base behind start={start} and up to the {length} of a sequence, got "
            f"{end}"
        )
    return end


def to_codes(sequences: Any) -> np.ndarray:
    """Sequences of one length as base codes, uint8 [N, L].

    Raises:
        ValueError: different lengths, text that is not DNA, or codes above 4.
        TypeError: one text instead of several.

    Example:
        >>> to_codes(["ACGT"]).tolist()
        [[0, 1, 2, 3]]
    """
    if isinstance(sequences, Dataset):
        return np.asarray(sequences.sequence)
    if not _is_text(sequences):
        codes = as_array(sequences, "sequences", np.uint8, ("N", "L"))
        if codes.size and codes.max() > UNKNOWN:
            raise ValueError(f"sequences: expected codes 0 to 4, got {codes.max()}")
        return np.asarray(codes)
    text = pa.array(list(sequences), pa.string())
    lengths = np.array([len(each) for each in text.to_pylist() if each is not None])
    if len(lengths) and lengths.min() < lengths.max():
        raise ValueError(
            f"sequences: expected one length, got {lengths.min()} to {lengths.max()} bases, so "
            "that a position could count from either end; pad them with cisreg.encode(sequences, "
            'length, side="left") or "right"'
        )
    return np.asarray(encode(text))


def _is_text(sequences: Any) -> bool:
    if isinstance(sequences, str | bytes):
        raise TypeError("sequences: expected several sequences, got one text; put it in a list")
    if getattr(sequences, "ndim", 1) != 1:
        return False
    first = next(iter(sequences), "")
    return isinstance(first.as_py() if isinstance(first, pa.Scalar) else first, str)


def read_motif(motif: Any, model: AnyModel | None = None) -> MotifSite:
    """The site that a motif stands for.

    Args:
        motif: the name of a factor of the model, or a `MotifSet` of one motif, for its strongest
            site; bases as text; or base codes [width].
        model: whose factors are known by name.

    Raises:
        ValueError: none of these, or a name that could also be bases.

    Example:
        >>> read_motif("TTACCCG").codes.tolist()
        [3, 3, 0, 1, 1, 1, 2]
    """
    if isinstance(motif, MotifSet):
        if len(motif) != 1:
            raise ValueError(f"motif: expected a set of one motif, got {motif!r}; choose one of it")
        return _strongest(motif)
    if not isinstance(motif, str):
        codes = as_array(motif, "motif", np.uint8, ("width",))
        _check_site(codes, repr(motif))
        return MotifSite(decode(codes[np.newaxis])[0], np.asarray(codes))
    names = () if model is None else model.motif_names
    letters = motif.strip().upper()
    is_sequence = bool(letters) and set(letters) <= _BASES
    if motif in names and is_sequence:
        raise ValueError(
            f"motif: {motif!r} is a factor of the model and could also be the bases {letters}; "
            f"give model.motifs[{motif!r}] for the factor's strongest site, or "
            f"cisreg.encode([{motif!r}])[0] for the bases"
        )
    if motif in names:
        assert model is not None
        return _strongest(model.motifs[motif])
    if not is_sequence:
        raise ValueError(_no_motif(motif, names))
    codes = np.asarray(encode([letters]))[0]
    _check_site(codes, repr(motif))
    return MotifSite(letters, codes)


def _strongest(motif: MotifSet) -> MotifSite:
    site = motif.strongest_site()[0]
    codes = np.asarray(encode([site]))[0]
    if (codes == UNKNOWN).all():
        raise ValueError(
            f"motif: {motif.names[0]!r} binds all sequences alike, so that it has no strongest "
            "site; give the bases to place"
        )
    return MotifSite(motif.names[0], codes)


def _check_site(codes: np.ndarray, shown: str) -> None:
    if codes.size and codes.max() > UNKNOWN:
        raise ValueError(f"motif: expected base codes 0 to 4, got {codes.max()}")
    if not (codes < UNKNOWN).any():
        raise ValueError(f"motif: expected at least one of the bases A C G T, got {shown}")


def _no_motif(motif: str, names: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(motif, names)
    advice = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    if names and not close:
        advice = f"; the factors are {reprlib.repr(names)[1:-1]}"
    what = "the name of a factor of the model, or bases" if names else "bases"
    return (
        f"motif: expected {what} A C G T (N leaves the base that is there), got {motif!r}{advice}"
    )


def _motif_rows(motif: Any, count: int) -> np.ndarray:
    """The motif of all sequences, uint8 [1, width], or of each, [count, width]."""
    if isinstance(motif, str | MotifSet) or np.ndim(motif) != 2:
        return read_motif(motif).codes[np.newaxis]
    rows = as_array(motif, "motif", np.uint8, ("N", "width"))
    if len(rows) not in (1, count):
        raise ValueError(
            f"motif: expected one for all, or one for each of {count} sequences, got {len(rows)}"
        )
    _check_site(rows, "none")
    return np.asarray(rows)


def _place(most: int, start: int | None, middle: int) -> int:
    if most < 0:
        raise ValueError("motif: expected one that is no longer than the sequences, got more bases")
    start = middle if start is None else start
    check_range("start", start, 0, most)
    return start
