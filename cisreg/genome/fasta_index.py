"""Where each sequence of a FASTA file begins: from its .fai file, or from a pass over the file."""

from __future__ import annotations

import logging
from array import array
from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from cisreg.genome.fasta_text import LONGEST_HEADER, FastaText, Names, Place, Stop
from cisreg.genome.sequence_files import RandomText, SequenceFile
from cisreg.library import native_module
from cisreg.names import first_word
from cisreg.number_text import is_integer, shown

logger = logging.getLogger("cisreg.genome")

# Text between two marks of the index: a stretch is read from the mark before it.
_MARK_BYTES = 1 << 14
_FAI_COLUMNS = 5
_LARGEST_FILE = 2**62
_MOST_READ = 1 << 20
_AROUND = 1 << 12  # bytes before and behind a sequence that are looked at


class Seek(NamedTuple):
    """A place in the text: byte offset, position of the base that follows, place in the line."""

    offset: int
    position: int
    place: Place


class FastaIndex(Protocol):
    """Where the sequences of one file are.

    Attributes:
        lengths: bases of each sequence by its name, in the order of the file.
        origin: what it was made from, for errors.
    """

    lengths: dict[str, int]
    origin: str

    def check(self, text: RandomText, name: str) -> None:
        """Checks that it fits the file where a sequence is."""

    def seek(self, name: str, position: int) -> Seek:
        """A place at or before a position of a sequence."""


class MarkIndex:
    """An index in memory, from a pass over the file: marks every 16 KiB, for any layout of lines.

    Args:
        file: the file.
        names: the names of earlier files; this one's are added.

    Raises:
        ValueError: it is no FASTA, see `FastaText`.
    """

    def __init__(self, file: SequenceFile, names: Names) -> None:
        self.lengths: dict[str, int] = {}
        self.origin = f"a pass over {file.name}"
        self._begin: dict[str, int] = {}  # bases of all sequences before it
        self._base, self._offset, self._place = array("q"), array("q"), array("b")
        names.start(file.name)
        with file.open() as stream:
            text = FastaText(stream.read, file.name, masked_unknown=False, block=_MARK_BYTES)
            self._pass(text, names)

    def check(self, text: RandomText, name: str) -> None:
        """Nothing: it was made from the file itself."""

    def seek(self, name: str, position: int) -> Seek:
        """The last mark at or before a position."""
        begin = self._begin[name]
        mark = bisect_right(self._base, begin + position) - 1
        return Seek(self._offset[mark], self._base[mark] - begin, Place(self._place[mark]))

    def _pass(self, text: FastaText, names: Names) -> None:
        codes = np.empty(_MARK_BYTES, np.uint8)
        total, name, ended = 0, "", False
        while not ended:
            if name:
                self._mark(total, text.offset, text.place)
            filled, headers, _full, ended = text.encode(codes, 0)
            for header in headers:
                names.add(header.name, header.line)
                if name:
                    self.lengths[name] = total + header.codes - self._begin[name]
                name = header.name
                self._begin[name] = total + header.codes
                # Behind the text of the header, of which nothing is left to read but its line end.
                self._mark(total + header.codes, header.end, Place.COMMENT)
            total += filled
        self.lengths[name] = total - self._begin[name]

    def _mark(self, base: int, offset: int, place: Place) -> None:
        self._base.append(base)
        self._offset.append(offset)
        self._place.append(place)


class FaiIndex:
    """The index of a .fai file, as samtools faidx writes it.

    Args:
        path: the .fai file.

    Raises:
        ValueError: it is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.lengths: dict[str, int] = {}
        self.origin = str(path)
        self._rows: dict[str, tuple[int, int, int]] = {}
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            fields = line.split("\t")
            numbers = fields[1:_FAI_COLUMNS]
            whole = len(numbers) == _FAI_COLUMNS - 1 and all(map(is_integer, numbers))
            length, offset, bases, width = map(int, numbers) if whole else (-1, 0, 0, 0)
            sound = min(length, offset) >= 0 and (0 < bases <= width or length == 0)
            end = offset + (length // max(bases, 1) + 1) * width
            sound = sound and max(end, length, bases) <= _LARGEST_FILE
            if not sound or fields[0] in self.lengths:
                raise ValueError(
                    f"{path}:{number}: expected a name of its own, length, offset, bases and bytes "
                    f"of a line, got {shown(line)}; make it again with samtools faidx"
                )
            self.lengths[fields[0]] = length
            self._rows[fields[0]] = (offset, bases, width)

    def check(self, text: RandomText, name: str) -> None:
        """Checks that the header is before the sequence, and nothing more of it behind it.

        Raises:
            ValueError: the index was made from another file.
        """
        begin = self._rows[name][0]
        for size in (_AROUND, LONGEST_HEADER):  # few headers are long
            before = text.read(max(begin - size, 0), min(begin, size)).rstrip(b"\r\n")
            if b"\n" in before or begin <= size:
                break
        header = before.rpartition(b"\n")[2]
        words = header.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
        if not words.startswith(">") or first_word(words[1:]) != name:
            raise _unfit(self, name)
        end = self.seek(name, self.lengths[name])
        rest = np.frombuffer(text.read(end.offset, _AROUND), np.uint8)
        no_room = np.empty(0, np.uint8)
        stop, *_, headers = native_module().encode_fasta(rest, no_room, 0, 0, end.place, False)
        if not headers and stop in (Stop.FULL, Stop.FOREIGN):
            raise _unfit(self, name)

    def seek(self, name: str, position: int) -> Seek:
        """The very place of a position."""
        offset, bases, width = self._rows[name]
        lines, rest = divmod(position, bases) if bases else (0, 0)
        place = Place.SEQUENCE if rest else Place.LINE_START
        return Seek(offset + lines * width + rest, position, place)


def _unfit(index: FastaIndex, name: str) -> ValueError:
    return ValueError(
        f"{index.origin}: expected the sequence {name} of {index.lengths[name]:,} bases where the "
        "index says, got something else there: the index is of another file, or the file was "
        "changed; make it again with samtools faidx, or remove it"
    )


def fai_of(file: SequenceFile) -> FaiIndex | None:
    """The index of the .fai file beside a file, unless there is none or it is older."""
    if file.once or "://" in file.path:
        return None
    path = Path(f"{file.path}.fai")
    if not path.is_file():
        return None
    if path.stat().st_mtime_ns < Path(file.path).stat().st_mtime_ns:
        logger.warning(
            "%s is older than the file itself and is not used; make it again with samtools faidx",
            path,
        )
        return None
    return FaiIndex(path)


def read_codes(
    text: RandomText, index: FastaIndex, name: str, start: int, end: int, *, masked_unknown: bool
) -> np.ndarray:
    """Base codes of a stretch of a sequence.

    Args:
        text: the text of the file.
        index: where its sequences are.
        name: of the sequence.
        start: position of the first base.
        end: position after the last one, at most the length of the sequence.
        masked_unknown: whether letters in lower case are unknown bases.

    Returns:
        uint8 [end - start].

    Raises:
        ValueError: the index does not fit the file, or a letter that is no nucleotide code.
    """
    if start == end:
        return np.empty(0, np.uint8)
    offset, position, place = index.seek(name, start)
    codes = np.empty(end - position, np.uint8)
    filled, encode = 0, native_module().encode_fasta
    while filled < len(codes):
        wanted = len(codes) - filled
        block = text.read(offset, min(wanted + wanted // 32 + 64, _MOST_READ))
        array_ = np.frombuffer(block, np.uint8)
        stop, place, read, filled, _, headers = encode(
            array_, codes, 0, filled, place, masked_unknown
        )
        offset += read
        cut = filled < len(codes) and (stop in (Stop.FOREIGN, Stop.HEADER) or not block)
        if cut or (headers and headers[0][2] < len(codes)):
            raise _unfit(index, name)
    return codes[start - position :]
