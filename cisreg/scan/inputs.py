"""What can be scanned, and with what: sequences of every kind, and motifs as arrays."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cisreg.arrays import as_array
from cisreg.motifs import MotifSet
from cisreg.sequences import encode_text, sequence_rows

_BASES = re.compile(r"[ACGTURYSWKMBDHVNacgturyswkmbdhvn]*")


# Bytes of padding that joining strings of several lengths may take.
_MOST_PADDED = 1 << 24


class Motifs(NamedTuple):
    """Motifs as the native code takes them.

    Attributes:
        log_kd: float32 [W, 4, M], nats.
        column_range: int32 [2, M], the first of each motif's own columns, and the one behind.
        names: M names; None if the motifs were given as an array.
    """

    log_kd: np.ndarray
    column_range: np.ndarray
    names: tuple[str, ...] | None

    @property
    def number(self) -> int:
        """M, the number of motifs."""
        return int(self.log_kd.shape[2])

    @property
    def widths(self) -> np.ndarray:
        """int32 [M], the number of each motif's own columns."""
        return np.asarray(self.column_range[1] - self.column_range[0])

    def matrices(self) -> list[np.ndarray]:
        """The own columns of each motif, float32 [own width, 4]."""
        return [
            self.log_kd[first:end, :, motif]
            for motif, (first, end) in enumerate(self.column_range.T)
        ]


def as_motifs(motifs: MotifSet | npt.ArrayLike) -> Motifs:
    """A motif set, or an array [W, 4, M] all of whose columns count as the motif's own.

    Raises:
        ValueError: an array of a different shape or type; the message begins with "motifs".

    Example:
        >>> as_motifs(np.zeros((3, 4, 2))).widths
        array([3, 3], dtype=int32)
    """
    if isinstance(motifs, MotifSet):
        return Motifs(motifs.log_kd, motifs.column_range(), motifs.names)
    log_kd = as_array(motifs, "motifs", np.float32, (...,), finite=True)
    if log_kd.ndim != 3 or 0 in log_kd.shape or log_kd.shape[1] != 4:
        raise ValueError(
            "motifs: expected a MotifSet or shape [W, 4, M] with W and M of 1 or more, got "
            f"{list(log_kd.shape)}"
        )
    width, _, count = log_kd.shape
    return Motifs(log_kd, np.repeat(np.array([[0], [width]], np.int32), count, axis=1), None)


class Rows(NamedTuple):
    """Sequences joined to one text.

    Attributes:
        codes: uint8 [T], base codes, 4 for an unknown base.
        bounds: int64 [2, N], the first code of each sequence, and the one behind its last; they
            rise and do not overlap.
        origin: int64 [N], position of the first code in its sequence; None if it is 0 for all.
    """

    codes: np.ndarray
    bounds: np.ndarray
    origin: np.ndarray | None


def is_source(sequence: Any) -> bool:
    """Whether sequences come in portions: a source, a portion, or an iterator of portions.

    Example:
        >>> is_source("ACGT"), is_source(iter([]))
        (False, True)
    """
    return is_portion(sequence) or hasattr(sequence, "portions") or isinstance(sequence, Iterator)


def is_portion(sequence: Any) -> bool:
    """Whether this is a `cisreg.genome.Portion`, or looks like one.

    Example:
        >>> is_portion("ACGT")
        False
    """
    return hasattr(sequence, "codes") and hasattr(sequence, "own")


def path_of(sequence: Any) -> Path | None:
    """The path that was given instead of bases; None if it is no path.

    A string of nothing but base letters is a sequence, any other string a path.

    Raises:
        ValueError: a string of base letters is also the name of a file.

    Example:
        >>> path_of("ACGT"), path_of("genome.fa")
        (None, PosixPath('genome.fa'))
    """
    if isinstance(sequence, os.PathLike):
        return Path(sequence)
    if not isinstance(sequence, str):
        return None
    if not _BASES.fullmatch(sequence):
        return Path(sequence)
    # Longer names than this are no files.
    if 0 < len(sequence) < 256 and Path(sequence).exists():
        raise ValueError(
            f"sequence: expected bases or a path, got {sequence!r}, which is both; give bases as "
            f"[{sequence!r}], the file as pathlib.Path({sequence!r})"
        )
    return None


def as_rows(sequence: Any) -> Rows:
    """Text or base codes, joined without padding that is known.

    Raises:
        ValueError: codes of a different shape or type, or a letter that is no nucleotide; the
            message begins with "sequence".

    Example:
        >>> as_rows(["ACGT", "GA"]).bounds.tolist()
        [[0, 4], [4, 6]]
    """
    text = _text(sequence)
    if text is not None:
        return _joined_text(text)
    return _array_rows(sequence)


def _array_rows(sequence: Any) -> Rows:
    rows = sequence_rows("sequence", sequence)
    count, length = rows.codes.shape
    first = np.arange(count, dtype=np.int64) * length
    bounds = np.stack([first, first + length]) if rows.row_range is None else rows.row_range + first
    origin = None if rows.origin is None else np.maximum(rows.origin, 0)
    return Rows(np.ascontiguousarray(rows.codes).reshape(-1), bounds, origin)


def _text(sequence: Any) -> Any:
    """The sequences as a list or Arrow array of strings; None if they are not text."""
    if isinstance(sequence, str):
        return [sequence]
    if isinstance(sequence, (pa.Array, pa.ChunkedArray)):
        string = pa.types.is_string(sequence.type) or pa.types.is_large_string(sequence.type)
        return sequence if string else None
    if isinstance(sequence, (np.ndarray, Sequence)) or hasattr(sequence, "to_numpy"):
        if getattr(sequence, "ndim", 1) != 1 or not len(sequence):
            return None
        first = next(iter(sequence)) if isinstance(sequence, Iterable) else None
        return list(sequence) if isinstance(first, str) else None
    return None


def _joined_text(text: Any) -> Rows:
    """Encodes strings together where they are about as long as each other, else one by one."""
    texts = text.to_pylist() if isinstance(text, (pa.Array, pa.ChunkedArray)) else text
    longest = max((len(each or "") for each in texts), default=0)
    total = sum(len(each or "") for each in texts)
    try:
        if longest * len(texts) <= _MOST_PADDED + 2 * total:
            return _array_rows(encode_text(pa.array(texts, pa.large_string()), None))
        parts = [encode_text(pa.array([each], pa.large_string()), None)[0] for each in texts]
    except (ValueError, pa.ArrowException) as error:
        raise ValueError(f"sequence: {error}") from None
    end = np.cumsum([len(each) for each in parts], dtype=np.int64)
    return Rows(np.concatenate(parts), np.stack([np.append(0, end[:-1]), end]), None)
