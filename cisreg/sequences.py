"""DNA sequences as base codes: 0 A, 1 C, 2 G, 3 T, 4 anything else and padding."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa

from cisreg.library import native_module

logger = logging.getLogger("cisreg.sequences")

_LETTERS = np.frombuffer(b"ACGTN", np.uint8)
_COMPLEMENT = np.array([3, 2, 1, 0, 4], np.uint8)


def encode(
    sequences: Sequence[str] | pa.Array | pa.ChunkedArray,
    length: int | None = None,
    *,
    side: Literal["left", "right"] = "left",
) -> np.ndarray:
    """Turns DNA text into base codes of one length.

    Lower case counts as upper case, and U as T; any other letter becomes code 4. Shorter sequences
    are padded with code 4, longer ones trimmed; how many is said in the log.

    Args:
        sequences: strings, or an Arrow array of strings, which is read without a copy of each.
        length: L, the length of every row; None for that of the longest sequence.
        side: where sequences are padded or trimmed.

    Returns:
        uint8 [N, L].

    Raises:
        ValueError: a missing sequence, a negative length or an unknown side.
        TypeError: something other than text.

    Example:
        >>> encode(["ACGT", "nT"])
        array([[0, 1, 2, 3],
               [4, 4, 4, 3]], dtype=uint8)
    """
    if side not in ("left", "right"):
        raise ValueError(f'side: expected "left" or "right", got {side!r}')
    if length is not None and length < 0:
        raise ValueError(f"length: expected 0 or more bases, or None, got {length}")
    is_arrow = isinstance(sequences, (pa.Array, pa.ChunkedArray))
    data, offsets = _arrow_text(sequences) if is_arrow else _string_text(sequences)
    if length is None:
        length = int(np.diff(offsets).max(initial=0))
    codes, padded, trimmed = native_module().encode(data, offsets, length, side == "left")
    if padded:
        logger.info(
            "%d of %d sequences are shorter than %d bases and were padded on the %s",
            *(padded, len(codes), length, side),
        )
    if trimmed:
        logger.info(
            "%d of %d sequences are longer than %d bases and were trimmed on the %s",
            *(trimmed, len(codes), length, side),
        )
    return codes


def decode(codes: np.ndarray) -> list[str]:
    """The text of base codes, with N for code 4.

    Args:
        codes: uint8 [N, L].

    Returns:
        N strings of L letters.

    Raises:
        ValueError: codes of another rank, or a code above 4.

    Example:
        >>> decode(np.array([[0, 1, 4]], np.uint8))
        ['ACN']
    """
    letters = _LETTERS[_check_codes(codes)]
    return [row.tobytes().decode("ascii") for row in letters]


def reverse_complement(codes: np.ndarray) -> np.ndarray:
    """The same sequences read from the other strand.

    Args:
        codes: uint8 [N, L].

    Returns:
        uint8 [N, L].

    Raises:
        ValueError: codes of another rank, or a code above 4.

    Example:
        >>> decode(reverse_complement(encode(["AACG"])))
        ['CGTT']
    """
    return np.ascontiguousarray(_COMPLEMENT[_check_codes(codes)][:, ::-1])


def text_buffers(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The buffers of Arrow strings or bytes whose offsets have 64 bits, not copied.

    Returns:
        (uint8 text, int64 [N + 1] offsets): value i is text[offsets[i] : offsets[i + 1]].

    Example:
        >>> text_buffers(pa.array(["AC", "G"], pa.large_string()))[1]
        array([0, 2, 3])
    """
    if not len(array):
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    _, offset_buffer, text_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[array.offset :][: len(array) + 1]
    text = np.empty(0, np.uint8) if text_buffer is None else np.frombuffer(text_buffer, np.uint8)
    return text, offsets


def _string_text(sequences: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(sequences, str):
        raise TypeError("sequences: expected a list of strings, got one string; put it in a list")
    for row, sequence in enumerate(sequences):
        if not isinstance(sequence, str):
            raise TypeError(f"sequences: expected strings, got {sequence!r} in row {row}")
    offsets = np.zeros(len(sequences) + 1, np.int64)
    np.cumsum([len(sequence) for sequence in sequences], out=offsets[1:])
    # "replace" keeps one byte for each letter; what is not ASCII becomes "?", an unknown base.
    return np.frombuffer("".join(sequences).encode("ascii", "replace"), np.uint8), offsets


def _arrow_text(sequences: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    kind = sequences.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise TypeError(f"sequences: expected an Arrow array of strings, got one of {kind}")
    if sequences.null_count:
        row = int(np.flatnonzero(sequences.is_null().to_numpy(zero_copy_only=False))[0])
        raise ValueError(
            f"sequences: expected text in every row, got none in row {row}; remove such rows"
        )
    # Offsets of 64 bits hold any number of bases, and joining chunks can then not overflow.
    sequences = sequences.cast(pa.large_string())
    if isinstance(sequences, pa.ChunkedArray):
        sequences = sequences.combine_chunks()
    return text_buffers(sequences)


def _check_codes(codes: np.ndarray) -> np.ndarray:
    codes = np.asarray(codes)
    if codes.ndim != 2:
        raise ValueError(f"codes: expected shape [N, L], got {codes.shape}")
    if codes.size and codes.max() > 4:
        raise ValueError(f"codes: expected 0 to 4, got {codes.max()}")
    return codes
