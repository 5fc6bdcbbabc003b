"""The text of a FASTA file as base codes, block by block, and as portions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from cisreg.genome.portions import Portion
from cisreg.library import native_module
from cisreg.names import ACTING, check_shown, first_word
from cisreg.number_text import shown
from cisreg.sequences import NUCLEOTIDES

_BLOCK = 1 << 20
LONGEST_HEADER = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NOTHING = np.empty(0, np.uint8)
_LINE_BITS = 44
# What files begin with that are taken for FASTA.
_OTHER_KINDS = (
    (b"@SQ\t", "SAM"),
    (b"@HD\t", "SAM"),
    (b"@", "FASTQ"),
    (b"<", "a web page"),
    (b"LOCUS ", "GenBank, which converters such as seqret make FASTA of"),
    (b"ID   ", "EMBL, which converters such as seqret make FASTA of"),
    (b"\x43\x27\x41\x1a", "2bit, which is read from a file, not compressed"),
)


class Place(IntEnum):
    """Where in a line the text goes on."""

    LINE_START = 0
    SEQUENCE = 1
    BLANK = 2
    COMMENT = 3


class Stop(IntEnum):
    """Why a block of text was left."""

    TEXT_END = 0
    HEADER = 1
    FULL = 2
    FOREIGN = 3


class Header(NamedTuple):
    """A header: its name, the number of its line, codes before it, where its text ends."""

    name: str
    line: int
    codes: int
    end: int


class Encoded(NamedTuple):
    """What a step gave: codes so far, the headers among them, whether there is no more room."""

    filled: int
    headers: list[Header]
    full: bool
    ended: bool


class FastaText:
    """The text of one FASTA file on its way to base codes.

    Args:
        read: gives the next bytes, as many as it is asked for; fewer only at the end.
        name: of the file, for errors.
        masked_unknown: whether letters in lower case are unknown bases.
        block: bytes that are read at a time.

    Attributes:
        line: number of the line in which the text goes on, from 1.
        place: where in that line.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        name: str,
        *,
        masked_unknown: bool,
        block: int = _BLOCK,
    ) -> None:
        self.line, self.place = 1, Place.LINE_START
        self._read, self._name, self._block = read, name, block
        self._masked_unknown = masked_unknown
        self._text, self._at = b"", 0
        self._before = 0  # bytes of the file before `_text`
        self._sequence: str | None = None
        self._ended = False

    @property
    def offset(self) -> int:
        """Bytes of the file before the place in which the text goes on."""
        return self._before + self._at

    def encode(self, codes: np.ndarray, filled: int) -> Encoded:
        """Encodes what is left of the block, or another one, behind `codes[:filled]`.

        Raises:
            ValueError: "file:line: expected …, got …": no FASTA, a letter that is no nucleotide
                code, a header without a name.
        """
        if self._at == len(self._text) and not self._ended:
            self._more()
        text = np.frombuffer(self._text, np.uint8)
        # Before the first header there is no room for bases.
        room = codes if self._sequence is not None else _NOTHING
        first = filled if self._sequence is not None else 0
        stop, place, at, reached, lines, found = native_module().encode_fasta(
            text, room, self._at, first, self.place, self._masked_unknown
        )
        headers = [
            self._header(begin, end, line, codes_before + filled - first)
            for begin, end, codes_before, line in found
        ]
        if self._sequence is None and stop in (Stop.FULL, Stop.FOREIGN):
            self._refuse_kind(at)
        self.line += lines
        self.place, self._at = Place(place), at
        if stop == Stop.FOREIGN:
            self._refuse_letter()
        if stop == Stop.HEADER:
            self._carry()
        ended = self._ended and self._at == len(self._text)
        if ended and self._sequence is None:
            raise ValueError(
                f"{self._name}: expected FASTA, got no sequence; is the file complete?"
            )
        return Encoded(reached + filled - first, headers, stop == Stop.FULL, ended)

    def _more(self) -> None:
        self._before += len(self._text)
        self._text, self._at = self._read(self._block), 0
        if not self._before and self._text.startswith(_BYTE_ORDER_MARK):
            self._at = len(_BYTE_ORDER_MARK)
        self._end_if_short(len(self._text))

    def _carry(self) -> None:
        """Reads on until the header is whole."""
        rest = self._text[self._at :]
        if len(rest) > LONGEST_HEADER:
            raise ValueError(
                f"{self._name}:{self.line}: expected a header of {LONGEST_HEADER:,} bytes at most, "
                "got a longer one; is it the right file?"
            )
        self._before += self._at
        more = self._read(self._block)
        self._text, self._at = rest + more, 0
        self._end_if_short(len(more))

    def _end_if_short(self, size: int) -> None:
        if size < self._block:
            self._ended = True
            # The last line may be a header.
            self._text += b"\n"

    def _header(self, begin: int, end: int, line: int, codes: int) -> Header:
        header = self._text[begin:end].decode(errors="replace")
        name = first_word(header)
        if not name or ACTING.search(header):
            self._refuse_header(header, name, self.line + line)
        self._sequence = name
        return Header(name, self.line + line, codes, self._before + end)

    def _refuse_header(self, header: str, name: str, line: int) -> None:
        place = f"{self._name}:{line}"
        if "\r" in header:
            raise ValueError(
                f"{place}: expected lines that end in LF or CR LF, got CR alone, as old Macs wrote "
                "them; convert the file, for example with tr '\\r' '\\n'"
            )
        if not name:
            raise ValueError(f"{place}: expected a name behind >, got {shown(header)}; name it")
        check_shown(place, [name])

    def _refuse_kind(self, at: int) -> None:
        end = self._text.find(b"\n", at)
        line = self._text[at : end if end >= 0 else len(self._text)][:200]
        kind = next((kind for start, kind in _OTHER_KINDS if line.startswith(start)), "")
        number = self.line + self._text.count(b"\n", self._at, at)
        raise ValueError(
            f"{self._name}:{number}: is not FASTA: expected a header that begins with >, got "
            f"{shown(line.decode(errors='replace'))}{f'; it looks like {kind}' if kind else ''}"
        )

    def _refuse_letter(self) -> None:
        begin = self._text.rfind(b"\n", 0, self._at) + 1
        end = self._text.find(b"\n", self._at)
        near = self._text[max(begin, self._at - 15) : end if end >= 0 else None][:30].strip()
        got = f"{chr(self._text[self._at])!r} in {shown(near.decode('latin-1'))}"
        if self.place == Place.BLANK:
            got = f"a blank inside a line, {shown(near.decode('latin-1'))}"
        raise ValueError(
            f"{self._name}:{self.line}: expected the nucleotide codes {NUCLEOTIDES} in the "
            f"sequence {self._sequence}, got {got}; is it DNA, and the file whole?"
        )


class Names:
    """The names of the sequences that a pass has met, with their files and lines.

    Example:
        >>> names = Names()
        >>> names.start("a.fa")
        >>> names.add("chr1", 1)
    """

    def __init__(self) -> None:
        self._files: list[str] = []
        # One number for file and line: there may be millions of names.
        self._places: dict[str, int] = {}

    def start(self, file: str) -> None:
        """Begins the names of another file."""
        self._files.append(file)

    def add(self, name: str, line: int) -> None:
        """Notes a name of the file that was started last.

        Raises:
            ValueError: it was there already; the message shows both places.
        """
        place = (len(self._files) - 1) << _LINE_BITS | line
        other = self._places.setdefault(name, place)
        if other != place:
            raise ValueError(
                f"{self._text(place)}: expected every name once, got {name!r} again, which is at "
                f"{self._text(other)} too; rename or remove one"
            )

    def _text(self, place: int) -> str:
        return f"{self._files[place >> _LINE_BITS]}:{place & ((1 << _LINE_BITS) - 1)}"


def fasta_portions(text: FastaText, names: Names, *, overlap: int, own: int) -> Iterator[Portion]:
    """The sequences of a FASTA text in portions.

    Short sequences share the memory of one portion.

    Args:
        text: the text, from its beginning.
        names: the names that were met before; those of this text are added.
        overlap: bases that a portion shares with the next one.
        own: positions of a portion at which its own windows begin.
    """
    room = own + overlap
    codes = np.empty(room, np.uint8)
    filled = begin = start = 0  # the sequence began at codes[begin], its position `start` is there
    name: str | None = None
    ended = False
    while not ended:
        filled, headers, full, ended = text.encode(codes, filled)
        for header in headers:
            if name is not None:
                yield _last(name, start, codes[begin : header.codes])
            names.add(header.name, header.line)
            name, begin, start = header.name, header.codes, 0
        if full and name is not None and filled == room:
            kept = codes[begin:]
            if begin == 0:
                yield Portion(name, start, codes, own)
                kept = codes[own:]
                start += own
            codes = np.empty(room, np.uint8)
            codes[: len(kept)] = kept
            begin, filled = 0, len(kept)
    if name is not None:
        yield _last(name, start, codes[begin:filled])


def _last(name: str, start: int, codes: np.ndarray) -> Portion:
    return Portion(name, start, codes, len(codes), last=True)
