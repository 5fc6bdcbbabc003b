"""One-hot text, the input of CisRegModels: a label and 4 L zeros and ones in each line.

The first L numbers are 1 where the sequence has A, the next L where it has C, then G, then T.
Padding and unknown bases are 0 in all four. Text is read and written a block at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute

from cisreg.library import native_module
from cisreg.sequences import text_buffers

_BLOCK = 1 << 22
_BASES = 4
_FIRST_LINE = re.compile(rb"[^\t\r\n]+((?:\t[01])+)\r?\n?")


class OneHotRows(NamedTuple):
    """Some lines of one-hot text.

    Attributes:
        codes: uint8 [n, L] base codes; padding and unknown bases are 4.
        label: Arrow strings [n], unchanged from the file.
        line: int64 [n], line numbers in the file, from 1.
    """

    codes: np.ndarray
    label: pa.Array
    line: np.ndarray


class OneHotFault(NamedTuple):
    """A line that is not one-hot text.

    Attributes:
        line: line number in the file, from 1.
        message: what was expected, what came, and what to do.
    """

    line: int
    message: str


def one_hot_length(line: bytes) -> int | None:
    r"""L if this line is one-hot text, else None.

    Example:
        >>> one_hot_length(b"5.5\t1\t0\t0\t0\t0\t0\t0\t1\n")
        2
    """
    match = _FIRST_LINE.fullmatch(line)
    if match is None:
        return None
    length, rest = divmod(len(match[1]) // 2, _BASES)
    return None if rest else length


def starts_one_hot(start: bytes) -> bool:
    r"""Whether a text with this beginning is one-hot text.

    Blank lines and comments (#) are skipped; the first other line may be incomplete.

    Example:
        >>> starts_one_hot(b"5.5\t1\t0\t0\t0\t"), starts_one_hot(b"ACGT\t1\n")
        (True, False)
    """
    line, end, rest = start.partition(b"\n")
    while end and (line.startswith(b"#") or not line.strip()):
        line, end, rest = rest.partition(b"\n")
    if end:
        return one_hot_length(line) is not None
    return _FIRST_LINE.fullmatch(line.rpartition(b"\t")[0]) is not None


def format_one_hot(codes: np.ndarray, label: pa.Array) -> bytes:
    r"""Formats sequences as lines of one-hot text.

    Args:
        codes: uint8 [N, L], L of 1 or more.
        label: N Arrow strings without tabs and line ends.

    Returns:
        N lines.

    Raises:
        ValueError: the number of labels is not N, or L is 0.

    Example:
        >>> format_one_hot(np.array([[0, 3]], np.uint8), pa.array(["5.5"]))
        b'5.5\t1\t0\t0\t0\t0\t0\t0\t1\n'
    """
    label = label.cast(pa.large_string())
    if len(label) == 0:
        return b""
    broken = compute.index(compute.match_substring_regex(label, r"[\t\r\n]"), True).as_py()
    if broken >= 0:
        raise ValueError(
            f"label: expected text without tabs and line ends, got {label[broken].as_py()!r}"
        )
    text, offsets = text_buffers(label)
    return native_module().format_one_hot(text, offsets, codes)


def whole_lines(stream: BinaryIO, block_size: int) -> Iterator[bytes]:
    r"""Reads a stream in blocks of whole lines; only the last block may lack its line end.

    Args:
        stream: the text, as `cisreg.streams.decompressed` gives it, which limits its lines.
        block_size: bytes of a block; a block with a longer line is longer.

    Example:
        >>> list(whole_lines(io.BytesIO(b"a\nbc\nd"), 4))
        [b'a\n', b'bc\n', b'd']
    """
    rest = b""
    while block := stream.read(block_size):
        cut = block.rfind(b"\n") + 1
        if cut:
            yield rest + block[:cut]
            rest = block[cut:]
        else:
            rest += block
    if rest:
        yield rest


def parse_lines(
    block: bytes, length: int, first_line: int
) -> tuple[OneHotRows, OneHotFault | None]:
    r"""Parses lines of one-hot text up to the first line that is not one-hot text.

    Args:
        block: whole lines; the last may lack its line end.
        length: L, the same for every line.
        first_line: number of the block's first line.

    Returns:
        The rows before the fault, and the fault or None.

    Example:
        >>> parse_lines(b"5.5\t1\t0\t0\t2\n", 1, first_line=7)[1].line
        7
    """
    parsed = native_module().parse_one_hot(block, length)
    rows = parsed["rows"]
    begin, end = parsed["label_begin"][:rows], parsed["label_end"][:rows]
    found = OneHotRows(
        parsed["codes"][:rows], _labels(block, begin, end), parsed["line"][:rows] + first_line
    )
    if not parsed["fault"]:
        return found, None
    message = f"{_reason(parsed, length)}; is the line complete?"
    return found, OneHotFault(first_line + parsed["fault_line"], message)


def _reason(parsed: dict[str, Any], length: int) -> str:
    field = parsed["fault_field"]
    if parsed["fault"] == "field count":
        return (
            f"expected {_BASES * length + 1} fields, a label and 4 for each of {length} bases, got "
            f"{field}"
        )
    if parsed["fault"] == "field":
        return f"expected 0 or 1 in field {field}, got something else"
    return f"expected one base at each position, got a second one in field {field}"


def _labels(block: bytes, begin: np.ndarray, end: np.ndarray) -> pa.Array:
    """The parts of the block from each `begin` to its `end`, as text."""
    try:
        return pa.array(
            [block[first:last] for first, last in zip(begin.tolist(), end.tolist(), strict=True)],
            pa.binary(),
        ).cast(pa.large_string())
    except pa.ArrowInvalid:
        # Bytes that are not UTF-8 become U+FFFD; reading the number then reports them.
        texts = [
            block[first:last].decode("utf-8", "replace")
            for first, last in zip(begin.tolist(), end.tolist(), strict=True)
        ]
        return pa.array(texts, pa.large_string())


def decode_padded(codes: np.ndarray, *, strip: str | None = None) -> pa.Array:
    """The text of base codes as Arrow strings, N for code 4.

    Args:
        codes: uint8 [N, L].
        strip: "left" or "right" to remove the unknown bases at that end; None: keep all.

    Returns:
        N strings.

    Example:
        >>> decode_padded(np.array([[4, 0, 3]], np.uint8), strip="left").to_pylist()
        ['AT']
    """
    letters = np.frombuffer(b"ACGTN", np.uint8)[codes]
    count, length = codes.shape
    offsets = np.arange(count + 1, dtype=np.int64) * length
    text = pa.LargeStringArray.from_buffers(
        count, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(letters))
    )
    if strip is None:
        return text
    return compute.utf8_ltrim(text, "N") if strip == "left" else compute.utf8_rtrim(text, "N")
