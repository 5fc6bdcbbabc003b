"""DNA sequences as base codes: 0 A, 1 C, 2 G, 3 T, 4 an unknown base or padding."""

from __future__ import annotations

import logging
import reprlib
from collections.abc import Iterable, Mapping, Set
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cisreg.arrays import as_array
from cisreg.library import native_module
from cisreg.limits import check_memory

__all__ = ["EncodedSequences", "decode", "encode", "reverse_complement"]


def __dir__() -> list[str]:
    return __all__


logger = logging.getLogger("cisreg.sequences")

Side = Literal["left", "right"]
# How to treat a window that holds an unknown base.
Unknown = Literal["skip", "neutral", "worst"]

# The nucleotide codes of IUPAC; all except the first five letters mean an unknown base.
NUCLEOTIDES = "ACGTUNRYSWKMBDHV"
_FOREIGN = f"[^{NUCLEOTIDES}{NUCLEOTIDES.lower()}]"
_FOREIGN_FAULT = 2  # the code that `sequence_faults` returns for a foreign letter
_LETTERS = np.frombuffer(b"ACGTN", np.uint8)
_COMPLEMENT = np.array([3, 2, 1, 0, 4], np.uint8)
_OTHER_SIDE: dict[Side, Side] = {"left": "right", "right": "left"}
# Warn of a row that is this many times longer than the median: the others become mostly padding.
_FAR_ABOVE_MEDIAN = 10

_padding_was_said = False


class EncodedSequences(np.ndarray):
    """Base codes, uint8 [N, L], with the length of each sequence.

    `encode` returns this type. It is a NumPy array with the lengths as attributes, from which the
    scanner knows what is padding. Selected rows, copies and pickles keep the lengths: `codes[5]`,
    `codes[:100]`, `codes[[3, 1]]`, `codes[mask]`. Results of anything else, such as a slice of
    columns, a sum or a reshaped view, are plain arrays or have `length` None. The whole row is then
    sequence, and padding counts as unknown bases.

    Attributes:
        length: int64 [N], number of bases of each sequence before encoding: fewer than L if the row
            was padded, more if it was trimmed. One number for a single row. None if not known.
        side: "left" or "right", where rows were padded or trimmed.

    Example:
        >>> codes = encode(["ACGT", "GA"])
        >>> codes[1], codes[1:].length
        (EncodedSequences([4, 4, 2, 0], dtype=uint8), array([2]))
        >>> (codes == 4).sum(axis=1)
        array([0, 2])
    """

    length: np.ndarray | None
    side: Side | None

    def __array_finalize__(self, source: Any) -> None:
        self.length, self.side = None, None

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        # Plain arrays, since functions such as np.sort change a copy, and lengths would be wrong.
        return function(*_plain(args), **_plain(kwargs))

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return np.asarray(array)[()]

    def __getitem__(self, index: Any) -> Any:
        result = super().__getitem__(index)
        if not isinstance(result, EncodedSequences):
            return result
        if self.length is None or self.ndim != 2 or not _chooses_rows(index):
            return np.asarray(result)
        rows = index[0] if isinstance(index, tuple) else index
        return _with_lengths(result, self.length[rows], self.side)

    def copy(self, order: Literal["K", "A", "C", "F"] | None = "C") -> EncodedSequences:
        """A copy of the codes and lengths."""
        length = None if self.length is None else self.length.copy()
        return _with_lengths(super().copy(order), length, self.side)

    def __copy__(self) -> EncodedSequences:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> EncodedSequences:
        return self.copy()

    def __reduce__(self) -> Any:
        rebuild, arguments, state = cast(tuple, super().__reduce__())
        return rebuild, arguments, (state, self.length, self.side)

    def __setstate__(self, state: Any) -> None:
        own, self.length, self.side = state
        super().__setstate__(own)


class SequenceRows(NamedTuple):
    """Sequences as rows of codes, for code that scans them.

    Attributes:
        codes: uint8 [N, L], a plain array.
        row_range: int64 [2, N], the first column of each row that belongs to its sequence and the
            one after the last; None if no row has padding.
        origin: int64 [N], position of the row's first column in its sequence, negative if the row
            begins with padding; None if it is 0 for all.
    """

    codes: np.ndarray
    row_range: np.ndarray | None
    origin: np.ndarray | None


def encode(
    sequences: Iterable[str] | pa.Array | pa.ChunkedArray,
    length: int | None = None,
    *,
    side: Side = "left",
    unknown: Literal["error", "count", "allow"] = "error",
) -> EncodedSequences:
    """Encodes DNA text as base codes of one length.

    Letters may be in upper or lower case, and U counts as T. N and the other ambiguous letters of
    IUPAC become code 4, an unknown base. Blanks and ends of lines around a sequence are dropped.
    Shorter sequences are padded with code 4, longer ones trimmed; the log warns of both (of padding
    only once).

    Args:
        sequences: strings: a list, a pandas Series, which is read by position, or an Arrow array,
            whose strings are not copied one by one.
        length: L, the length of every row; None for the length of the longest sequence.
        side: where sequences are padded or trimmed.
        unknown: what to do with letters that are not nucleotide codes, such as those of a protein,
            a gap or a blank inside a sequence: "error"; "count": they become unknown bases, and the
            log says how many there are; or "allow": they become unknown bases without a message.

    Returns:
        uint8 [N, L], with the lengths of the sequences.

    Raises:
        ValueError: a letter that is not a nucleotide code, a missing sequence, a negative length,
            or a wrong `side` or `unknown`; the message shows the row.
        TypeError: not a list of strings, for example one string or a dict.

    Example:
        >>> codes = encode(["ACGT", "nT"])
        >>> codes.tolist(), codes.length.tolist()
        ([[0, 1, 2, 3], [4, 4, 4, 3]], [4, 2])
    """
    if length is not None and length < 0:
        raise ValueError(f"length: expected 0 or more bases, or None, got {length}")
    codes = encode_text(_text(sequences), length, side=side, unknown=unknown)
    lengths, width = np.asarray(codes.length), codes.shape[1]
    padded, trimmed = int((lengths < width).sum()), int((lengths > width).sum())
    log_lengths(len(codes), width, padded, trimmed, side)
    median = np.median(lengths) if padded else width
    if length is None and width > _FAR_ABOVE_MEDIAN * max(median, 1):
        logger.warning(
            "the longest sequence, in row %d, has %d bases, the median one %g: all rows became as "
            "long, %.3g MB; leave it out, or give `length`",
            *(lengths.argmax(), width, median, codes.nbytes / 1e6),
        )
    return codes


def encode_text(
    text: pa.Array, length: int | None, *, side: Side = "left", unknown: str = "error"
) -> EncodedSequences:
    """Like `encode`, for Arrow strings and without warnings of padding and trimming.

    Raises:
        ValueError: see `encode`.

    Example:
        >>> encode_text(pa.array(["GA"]), 3).tolist()
        [[4, 2, 0]]
    """
    check_side(side)
    if unknown not in ("error", "count", "allow"):
        raise ValueError(f'unknown: expected "error", "count" or "allow", got {unknown!r}')
    text = _checked_letters(text.cast(pa.large_string()), unknown)
    data, offsets = text_buffers(text)
    lengths = np.diff(offsets)
    if length is None:
        length = int(lengths.max(initial=0))
    check_memory(
        f"length: {len(text):,} sequences of {length:,} bases",
        len(text) * length,
        "give a smaller length, or encode fewer sequences at once",
    )
    codes, _, _ = native_module().encode(data, offsets, length, side == "left")
    return _with_lengths(codes.view(EncodedSequences), lengths, side)


def check_side(side: str) -> None:
    """Checks where rows are to be padded or trimmed.

    Raises:
        ValueError: neither "left" nor "right".

    Example:
        >>> check_side("left")
    """
    if side not in ("left", "right"):
        raise ValueError(f'side: expected "left" or "right", got {side!r}')


def decode(codes: Any) -> list[str]:
    """The text of base codes, with N for code 4.

    Args:
        codes: [N, L], base codes 0 to 4.

    Returns:
        N strings. If the lengths of the sequences are known, they are without padding; otherwise
        they have L letters.

    Raises:
        ValueError: codes of a different shape or type, or a number that is not a base code.

    Example:
        >>> decode([[0, 1, 4]]), decode(encode(["ACGT", "GA"]))
        (['ACN'], ['ACGT', 'GA'])
    """
    rows = sequence_rows("codes", codes, batch_only=True)
    letters = _LETTERS[rows.codes]
    if rows.row_range is None:
        return [row.tobytes().decode("ascii") for row in letters]
    return [
        row[first:end].tobytes().decode("ascii")
        for row, first, end in zip(letters, *rows.row_range, strict=True)
    ]


def reverse_complement(codes: Any) -> np.ndarray:
    """The reverse complements of sequences.

    Args:
        codes: [N, L], base codes 0 to 4.

    Returns:
        uint8 [N, L]. Padding on the left is now on the right and vice versa; the lengths are kept
        if they are known.

    Raises:
        ValueError: codes of a different shape or type, or a number that is not a base code.

    Example:
        >>> decode(reverse_complement(encode(["AACG", "CA"])))
        ['CGTT', 'TG']
    """
    rows = sequence_rows("codes", codes, batch_only=True)
    reverse = np.ascontiguousarray(_COMPLEMENT[rows.codes][:, ::-1])
    if not isinstance(codes, EncodedSequences) or codes.length is None or codes.side is None:
        return reverse
    return _with_lengths(
        reverse.view(EncodedSequences), codes.length.copy(), _OTHER_SIDE[codes.side]
    )


def sequence_rows(argument: str, sequence: Any, *, batch_only: bool = False) -> SequenceRows:
    """Converts base codes to a plain array, and finds which part of each row is sequence.

    Args:
        argument: name of the argument, for errors.
        sequence: base codes [N, L], or [L] for one sequence.
        batch_only: whether [L] is an error.

    Raises:
        ValueError: a different shape, or values that are not base codes.

    Example:
        >>> rows = sequence_rows("sequence", encode(["ACGT", "GA"]))
        >>> rows.row_range.tolist(), rows.origin.tolist()
        ([[0, 2], [4, 4]], [0, -2])
    """
    shape = "[N, L]" if batch_only else "[N, L] or [L]"
    expected = f"{argument}: expected base codes 0 to 4 of shape {shape}"
    try:
        codes = as_array(sequence, argument, np.uint8, (...,))
    except ValueError as error:
        got = str(error).partition(", got ")[2]
        raise ValueError(f"{expected}, got {got}; encode text with cisreg.encode") from None
    if codes.ndim not in ((2,) if batch_only else (1, 2)):
        raise ValueError(f"{expected}, got shape {list(codes.shape)}")
    if codes.size and codes.max() > 4:
        place = np.argwhere(codes > 4)[0].tolist()
        raise ValueError(
            f"{expected}, got {codes.max()} at {place}; encode text with cisreg.encode"
        )
    width = codes.shape[-1]
    length = sequence.length if isinstance(sequence, EncodedSequences) else None
    plain = np.atleast_2d(np.asarray(codes))
    if length is None or (length == width).all():
        return SequenceRows(plain, None, None)
    origin = np.atleast_1d(length) - width
    missing = np.maximum(-origin, 0)
    if sequence.side == "left":
        return SequenceRows(plain, np.stack([missing, np.full_like(missing, width)]), origin)
    return SequenceRows(plain, np.stack([np.zeros_like(missing), width - missing]), None)


def log_lengths(count: int, length: int, padded: int, trimmed: int, side: str) -> None:
    """Warns of trimmed sequences every time, and of padding, which is harmless, only once.

    Args:
        count: number of all sequences.
        length: length of the encoded rows.
        padded: how many sequences were shorter.
        trimmed: how many sequences were longer.
        side: where they were padded or trimmed.
    """
    global _padding_was_said
    if trimmed:
        logger.warning(
            "%d of %d sequences are longer than %d bases and were trimmed on the %s",
            *(trimmed, count, length, side),
        )
    if padded:
        logger.log(
            logging.INFO if _padding_was_said else logging.WARNING,
            "%d of %d sequences are shorter than %d bases and were padded on the %s",
            *(padded, count, length, side),
        )
        _padding_was_said = True


def text_buffers(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The buffers of Arrow strings or bytes with 64-bit offsets, without a copy.

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


def _plain(arguments: Any) -> Any:
    """Arguments of a function, with encoded sequences replaced by plain arrays."""
    if isinstance(arguments, EncodedSequences):
        return arguments.view(np.ndarray)
    if type(arguments) in (list, tuple):
        return type(arguments)(_plain(each) for each in arguments)
    if isinstance(arguments, dict):
        return {name: _plain(value) for name, value in arguments.items()}
    return arguments


def _with_lengths(
    codes: EncodedSequences, length: np.ndarray | None, side: Side | None
) -> EncodedSequences:
    codes.length = None if length is None else np.asarray(length)
    codes.side = side
    return codes


def _chooses_rows(index: Any) -> bool:
    """Whether an index selects whole rows: one, a slice, or a list of numbers or booleans."""
    if isinstance(index, tuple):
        whole = all(each is Ellipsis or each == slice(None) for each in index[1:])
        return bool(index) and len(index) == 2 and whole and _chooses_rows(index[0])
    if isinstance(index, (slice, int, np.integer)):
        return not isinstance(index, bool)
    return index is not None and index is not Ellipsis and np.ndim(index) == 1


def _text(sequences: Any) -> pa.Array:
    """The strings as one Arrow array with 64-bit offsets."""
    if isinstance(sequences, (pa.Array, pa.ChunkedArray)):
        return _arrow_text(sequences)
    if isinstance(sequences, (str, bytes)):
        raise TypeError("sequences: expected a list of strings, got one string; put it in a list")
    if isinstance(sequences, (Mapping, Set)):
        raise TypeError(
            f"sequences: expected a list of strings, got a {type(sequences).__name__}; give the "
            "sequences in their order, such as list(sequences.values()), and keep the names apart"
        )
    if hasattr(sequences, "columns"):
        raise TypeError("sequences: expected a list of strings, got a table; give one column of it")
    if not isinstance(sequences, Iterable):
        raise TypeError(f"sequences: expected a list of strings, got {reprlib.repr(sequences)}")
    rows = list(sequences)
    for row, sequence in enumerate(rows):
        if not isinstance(sequence, str):
            raise TypeError(
                f"sequences: expected strings, got {reprlib.repr(sequence)} in row {row}"
            )
    return pa.array(rows, pa.large_string())


def _arrow_text(sequences: pa.Array | pa.ChunkedArray) -> pa.Array:
    kind = sequences.type
    values = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    if not any(is_kind(values) for is_kind in is_text):
        raise TypeError(f"sequences: expected an Arrow array of strings, got one of {kind}")
    if sequences.null_count:
        row = int(np.flatnonzero(sequences.is_null().to_numpy(zero_copy_only=False))[0])
        raise ValueError(
            f"sequences: expected text in every row, got none in row {row}; remove such rows"
        )
    # 64-bit offsets hold any number of bases, so joining chunks cannot overflow.
    sequences = sequences.cast(pa.large_string())
    return sequences.combine_chunks() if isinstance(sequences, pa.ChunkedArray) else sequences


def _checked_letters(text: pa.Array, unknown: str) -> pa.Array:
    """The text without blanks around it; treats foreign letters as `unknown` says."""
    if not len(_foreign_rows(text)):
        return text
    text = pc.utf8_trim_whitespace(text)
    rows = _foreign_rows(text)
    if not len(rows):
        return text
    found = text.take(pa.array(rows))
    first = found[0].as_py()
    place, letter = next(
        (place, letter)
        for place, letter in enumerate(first)
        if letter.upper() not in NUCLEOTIDES or not letter.isascii()
    )
    shown = first if len(first) <= 40 else f"{first[max(place - 15, 0) : place + 15]}"
    example = f"{letter!r} at position {place} of row {rows[0]} ({shown!r})"
    if unknown == "error":
        others = f", the first of {len(rows):,} such rows" if len(rows) > 1 else ""
        raise ValueError(
            f"sequences: expected the nucleotide codes {NUCLEOTIDES}, got {example}{others}; "
            'correct them, or take such letters for unknown bases with unknown="count"'
        )
    if unknown == "count":
        letters = pc.sum(pc.count_substring_regex(found, _FOREIGN)).as_py()
        logger.warning(
            "%d letters of %d of %d sequences are no nucleotide codes and count as unknown bases: "
            "%s is the first",
            *(letters, len(rows), len(text), example),
        )
    # One byte for each letter, also for letters outside ASCII.
    return pc.replace_substring_regex(text, r"[^\x00-\x7F]", "?")


def _foreign_rows(text: pa.Array) -> np.ndarray:
    faults = native_module().sequence_faults(*text_buffers(text))
    return np.flatnonzero(faults == _FOREIGN_FAULT)
