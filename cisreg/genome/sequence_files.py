"""Files of sequences: found by path, pattern or folder, and read from the start or the middle."""

from __future__ import annotations

import bisect
import logging
import os
import re
import stat
import tempfile
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from isal import isal_zlib

from cisreg.data.formats.sources import find_files
from cisreg.delayed_signals import delayed_signals
from cisreg.file_checks import STANDARD
from cisreg.streams import open_input

logger = logging.getLogger("cisreg.genome")

PathLike = str | os.PathLike[str]
_BLOCK = 1 << 20
_BLOCKS_KEPT = 64  # of BGZF, 64 KiB each
_ENDINGS = (".fa", ".fasta", ".fna", ".ffn", ".fas", ".2bit")
_COMPRESSIONS = (".gz", ".bgz", ".zst", ".bz2")
_GZIP = b"\x1f\x8b\x08\x04"
# Header, its field of the size, and the end of a block of BGZF.
_SMALLEST_BLOCK = 26
COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh")


class RandomText(Protocol):
    """Text that can be read from anywhere."""

    def read(self, offset: int, size: int) -> bytes:
        """The bytes from `offset` on, fewer only at the end."""

    def close(self) -> None:
        """Closes the file."""


class PlainText:
    """A file, or a temporary one, read by offset.

    Args:
        file: the opened file; it is closed with this.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, offset: int, size: int) -> bytes:
        """The bytes from `offset` on."""
        return os.pread(self._file.fileno(), size, offset)

    def close(self) -> None:
        """Closes the file; a temporary one is deleted."""
        self._file.close()


class BgzfText:
    """A BGZF file (bgzip), read by offsets of what is compressed in it.

    The table of its blocks is made when it is opened, from the sizes that they state; an index
    file (.gzi) is not needed.

    Args:
        file: the opened file; it is closed with this.
        name: of the file, for errors.

    Raises:
        ValueError: a block that is not BGZF or damaged.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name = file, name
        self._compressed: list[tuple[int, int]] = []  # offset and size of each block in the file
        self._plain = [0]  # offset of its content, and the end of the last
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._find_blocks()

    def read(self, offset: int, size: int) -> bytes:
        """The bytes from `offset` on.

        Raises:
            ValueError: a damaged block.
        """
        parts = []
        block = bisect.bisect_right(self._plain, offset) - 1
        begin = offset - self._plain[block]
        while size > 0 and block < len(self._compressed):
            part = self._content(block)[begin : begin + size]
            parts.append(part)
            size -= len(part)
            block, begin = block + 1, 0
        return b"".join(parts)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _find_blocks(self) -> None:
        at, size = 0, os.fstat(self._file.fileno()).st_size
        start = os.pread(self._file.fileno(), 64, 0)
        while at < size:
            block = _bgzf_size(start)
            if block is None or block < _SMALLEST_BLOCK or at + block > size:
                raise ValueError(
                    f"{self._name}: expected a block of BGZF at byte {at:,}, got something else or "
                    "the end of the file; copy the file again, or compress it anew with bgzip"
                )
            # The size of the content ends a block, and the next one follows.
            behind = os.pread(self._file.fileno(), 68, at + block - 4)
            self._compressed.append((at, block))
            self._plain.append(self._plain[-1] + int.from_bytes(behind[:4], "little"))
            at, start = at + block, behind[4:]

    def _content(self, block: int) -> bytes:
        """What is in a block; those that were read last stay in memory."""
        with self._lock:
            if block in self._kept:
                self._kept.move_to_end(block)
                return self._kept[block]
        at, size = self._compressed[block]
        data = os.pread(self._file.fileno(), size, at)
        try:
            content = isal_zlib.decompress(data, wbits=31)
            if len(content) != self._plain[block + 1] - self._plain[block]:
                raise ValueError("its content has another size than it states")
        except Exception as error:
            raise ValueError(
                f"{self._name}: the block of BGZF at byte {at:,} cannot be decompressed ({error}); "
                "copy the file again"
            ) from None
        with self._lock:
            self._kept[block] = content
            if len(self._kept) > _BLOCKS_KEPT:
                self._kept.popitem(last=False)
        return content


def _bgzf_size(start: bytes) -> int | None:
    """The size of a block of BGZF from its first bytes; None if it is another kind of gzip."""
    extra = start[12 : 12 + int.from_bytes(start[10:12], "little")]
    if not start.startswith(_GZIP):
        return None
    while len(extra) >= 6:
        length = int.from_bytes(extra[2:4], "little")
        if extra[:2] == b"BC" and length == 2:
            return int.from_bytes(extra[4:6], "little") + 1
        extra = extra[4 + length :]
    return None


class SequenceFile:
    """One file of sequences.

    Args:
        path: the path, a URL, or "-" for standard input.

    Attributes:
        path: as it was given.
        name: its name in errors.
        once: whether it can be read only once, such as standard input and pipes.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = "standard input" if path == STANDARD else path
        self._remote = None
        if "://" in path:
            self._remote = find_files(path).files[0]
        self.once = path == STANDARD or (
            self._remote is None and not stat.S_ISREG(_stat(path).st_mode)
        )
        self._read_before = False
        self._copy: tempfile._TemporaryFileWrapper[bytes] | None = None
        self._random: RandomText | None = None

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Opens the file from its start, decompressed.

        Raises:
            ValueError: it can be read only once, and was; or as `open_input`.
        """
        if self._copy is not None:
            with Path(self._copy.name).open("rb") as stream:
                yield stream
            return
        if self.once and self._read_before:
            raise ValueError(
                f"{self.name}: expected a file that can be read again, got one that was read "
                "already; write it to a file first"
            )
        self._read_before = True
        if self._remote is not None:
            with self._remote.open_text(None) as stream:
                yield stream
            return
        with open_input(self.path, longest_line=None) as stream:
            yield stream

    def start(self, size: int) -> bytes:
        """Its first bytes, as they are in the file; none if it can be read only once."""
        if self.once or self._remote is not None:
            return b""
        with Path(self.path).open("rb") as file:
            return file.read(size)

    def hold(self) -> None:
        """Copies it, decompressed, to a temporary file if it cannot be read again."""
        if self.once:
            self.spool("can be read only once")

    def random(self) -> RandomText:
        """Its decompressed text, to be read from anywhere; the same one at every call.

        Files that are compressed in one piece are copied, decompressed, to a temporary file.
        """
        if self._random is None:
            self._random = self._open_random()
        return self._random

    def close(self) -> None:
        """Closes the files; a temporary copy is deleted."""
        if self._random is not None:
            self._random.close()
        if self._copy is not None:
            self._copy.close()
        self._random = self._copy = None

    def _open_random(self) -> RandomText:
        start = self.start(64)
        if start and not start.startswith(COMPRESSED):
            return PlainText(Path(self.path).open("rb"))
        if _bgzf_size(start) is not None:
            return BgzfText(Path(self.path).open("rb"), self.name)
        return PlainText(Path(self.spool("cannot be read from the middle")).open("rb"))

    def spool(self, reason: str) -> str:
        """Copies it, decompressed, to a temporary file, which `close` deletes.

        Args:
            reason: why, for the log.

        Returns:
            The path of the copy.
        """
        if self._copy is not None:
            return self._copy.name
        with delayed_signals():
            copy = tempfile.NamedTemporaryFile(prefix="cisreg-")  # noqa: SIM115, closed by `close`
        size = 0
        with self.open() as stream:
            while block := stream.read(_BLOCK):
                copy.write(block)
                size += len(block)
        copy.flush()
        logger.info(
            "%s %s: it was copied to a temporary file of %.3g MB in %s; plain files and those of "
            "bgzip need none",
            *(self.name, reason, size / 1e6, tempfile.gettempdir()),
        )
        self._copy = copy
        return copy.name


def find_sequence_files(source: PathLike | Sequence[PathLike]) -> list[SequenceFile]:
    """The files of a path, a pattern with * ? or [, a folder, or a list of these.

    Args:
        source: in a folder, files whose names end in .fa, .fasta, .fna, .ffn, .fas or .2bit, and
            perhaps .gz, .bgz, .zst or .bz2, sorted by name with numbers by value: chr2 before
            chr10. A pattern's files are sorted in the same way.

    Raises:
        FileNotFoundError: no such file, or none that matches.
        ValueError: no file at all, or the same one twice.
    """
    places = [source] if isinstance(source, str | os.PathLike) else list(source)
    paths = [path for place in places for path in _paths(os.fspath(place))]
    if not paths:
        raise ValueError("source: expected at least one file, got an empty list")
    twice = next((path for path, count in Counter(paths).items() if count > 1), None)
    if twice is not None:
        raise ValueError(f"{twice}: expected every file once, got this one twice")
    return [SequenceFile(path) for path in paths]


def _paths(place: str) -> list[str]:
    if place == STANDARD or "://" in place:
        return [place]
    path = Path(place)
    if path.is_dir():
        found = [str(each) for each in path.iterdir() if _is_sequence_file(each)]
        if not found:
            raise FileNotFoundError(
                f"{place}: expected a folder with FASTA or 2bit files (such as *.fa, *.fa.gz), got "
                "none; name the files, or give a pattern"
            )
        return sorted(found, key=_by_number)
    if any(mark in place for mark in "*?[") and not path.exists():
        root = Path(path.anchor) if path.anchor else Path()
        pattern = str(path.relative_to(path.anchor)) if path.anchor else place
        found = [str(each) for each in root.glob(pattern) if each.is_file()]
        if not found:
            raise FileNotFoundError(f"{place}: expected files of such names, got none; check it")
        return sorted(found, key=_by_number)
    _stat(place)
    return [place]


def _is_sequence_file(path: Path) -> bool:
    name = path.name.lower()
    for ending in _COMPRESSIONS:
        name = name.removesuffix(ending)
    return not name.startswith(".") and name.endswith(_ENDINGS) and path.is_file()


def _by_number(path: str) -> list[tuple[int, str]]:
    """A key of sorting by which numbers within names count by their value."""
    parts = re.split("([0-9]+)", path)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _stat(path: str) -> os.stat_result:
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; check the path") from None
    if stat.S_ISDIR(found.st_mode):
        raise ValueError(f"{path}: expected a file, got a folder")
    return found
