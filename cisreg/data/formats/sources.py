"""Finds the files of a dataset: paths, globs, folders, lists and URLs of any filesystem."""

from __future__ import annotations

import fnmatch
import importlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs

from cisreg.data.formats.manifest import MANIFEST, WORK_FOLDER, Manifest, load_manifest
from cisreg.delayed_signals import delayed_signals
from cisreg.limits import LONGEST_LINE
from cisreg.locks import identity_of
from cisreg.streams import STANDARD, decompressed

PathLike = str | os.PathLike[str]
_SPOOL_BLOCK = 1 << 20
_PARQUET_ENDINGS = (".parquet", ".pq", ".parq")
_GLOB_MARKS = "*?["
# Without the question mark: in a URL it begins the options of the filesystem.
_URL_GLOB_MARKS = "*["


@dataclass(frozen=True)
class SourceFile:
    """One file of a dataset.

    Attributes:
        name: its name in errors.
        filesystem: the filesystem of the file.
        path: path of the file in that filesystem.
        size: size in bytes when the dataset was opened.
        modified: time of the last change in ns, or None if the filesystem does not tell.
        holder: keeps the temporary file with the content from being deleted, or None.
    """

    name: str
    filesystem: pafs.FileSystem
    path: str
    size: int
    modified: int | None
    holder: object = field(default=None, compare=False, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return isinstance(self.filesystem, pafs.LocalFileSystem)

    @contextmanager
    def open(self) -> Iterator[pa.NativeFile]:
        """Opens the file for random access.

        Raises:
            FileNotFoundError, ValueError: the file does not exist or cannot be read; the message
                names it.
        """
        with named_faults(self.name), self.filesystem.open_input_file(self.path) as stream:
            yield stream

    @contextmanager
    def open_text(self, longest_line: int | None = LONGEST_LINE) -> Iterator[BinaryIO]:
        """Opens the file as a stream, decompressed; raises the same errors as `open`.

        Args:
            longest_line: bytes of a line, a longer one is an error; None for any length.
        """
        # Arrow would choose the compression by the name, and detect less damage.
        raw = self.filesystem.open_input_stream
        with named_faults(self.name), raw(self.path, compression=None) as stream:
            yield decompressed(stream, self.name, whole=True, longest_line=longest_line)


class WholeFiles:
    """Files that are read from beginning to end: each file is a part of its dataset.

    Attributes:
        files: the files, in the order of reading.
    """

    def __init__(self, files: Sequence[SourceFile]) -> None:
        self.files = tuple(files)

    @property
    def part_count(self) -> int:
        """Number of files."""
        return len(self.files)

    def file_name(self, part: int) -> str:
        """The name of a file, also in errors."""
        return self.files[part].name

    part_name = file_name


class Source(NamedTuple):
    """The files of a dataset, sorted by name, and the manifest of their folder or None."""

    files: tuple[SourceFile, ...]
    manifest: Manifest | None


@contextmanager
def named_faults(name: str) -> Iterator[None]:
    """Turns errors of filesystems and Arrow into errors that name the file."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"{name}: no such file; check the path") from None
    except UnicodeEncodeError:
        # Arrow and fsspec take no other names.
        raise ValueError(f"{name}: expected a file name in UTF-8; rename the file") from None
    except (OSError, pa.ArrowException, EOFError, UnicodeError, MemoryError) as error:
        if isinstance(error, OSError) and str(error).startswith(name):
            raise
        raise ValueError(
            f"{name}: cannot be read ({_first_line(error)}); is the file complete?"
        ) from None


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def find_files(source: PathLike | Sequence[PathLike], filesystem: Any = None) -> Source:
    """The files of a path, a glob, a folder, a URL or a list of them.

    Args:
        source: see `open_dataset`.
        filesystem: the pyarrow or fsspec filesystem of the paths; None: found from the paths.

    Raises:
        FileNotFoundError: a path does not exist, or a glob matches no file.
        ValueError: a folder without Parquet files, the same file twice, no file at all.
        ImportError: a URL that needs fsspec or a package for its protocol, which is not installed.
    """
    places = [source] if isinstance(source, str | os.PathLike) else list(source)
    if filesystem is not None:
        filesystem = _arrow_filesystem(filesystem)
    found = [_expand(_text(place), filesystem) for place in places]
    if len(found) == 1 and found[0].manifest is not None:
        return found[0]
    files = sorted((file for part in found for file in part.files), key=lambda file: file.name)
    if not files:
        raise ValueError("source: expected at least one file, got an empty list")
    by_identity: dict[object, SourceFile] = {}
    for file in files:
        other = by_identity.setdefault(_identity(file), file)
        if other is not file and other.filesystem.equals(file.filesystem):
            raise ValueError(f"{file.name}: expected every file once, got this one twice")
    return Source(tuple(files), None)


def _identity(file: SourceFile) -> object:
    """Equal for two names of one file of a filesystem; on this machine links give it several."""
    if not file.is_local:
        return file.path
    with named_faults(file.name):
        return identity_of(os.stat(file.path))  # noqa: PTH116


def _text(place: PathLike) -> str:
    text = os.fspath(place)
    if not isinstance(text, str) or not text:
        raise ValueError(f"source: expected paths, globs or URLs as text, got {place!r}")
    return text


def _arrow_filesystem(filesystem: Any) -> pafs.FileSystem:
    if isinstance(filesystem, pafs.FileSystem):
        return filesystem
    if not (hasattr(filesystem, "ls") and hasattr(filesystem, "open")):
        raise ValueError(
            f"filesystem: expected one of pyarrow or fsspec, got {type(filesystem).__name__}"
        )
    return pafs.PyFileSystem(pafs.FSSpecHandler(filesystem))


def _expand(place: str, filesystem: pafs.FileSystem | None) -> Source:
    """The files of one path, glob, folder or URL."""
    if place == STANDARD and filesystem is None:
        return Source((_spooled("standard input", sys.stdin.buffer),), None)
    is_url = "://" in place
    if is_url and filesystem is not None:
        raise ValueError(
            f"{place}: expected a path within the filesystem that was given, got a URL; leave one "
            "of the two out"
        )
    marks = _URL_GLOB_MARKS if is_url else _GLOB_MARKS
    if any(mark in place for mark in marks):
        # A file whose name contains a mark such as * is preferred to the glob.
        literal = None if is_url else _info(*_located(place, filesystem), place)
        if literal is None or literal.type == pafs.FileType.NotFound:
            return Source(tuple(_matching(place, marks, filesystem)), None)
    where, path = _located(place, filesystem)
    info = _info(where, path, place)
    if info.type == pafs.FileType.NotFound:
        raise FileNotFoundError(f"{place}: no such file or folder; check the path")
    if info.type == pafs.FileType.Directory:
        return _folder(place, where, path)
    return Source((_source_file(place, where, path, info),), None)


def _located(place: str, filesystem: pafs.FileSystem | None) -> tuple[pafs.FileSystem, str]:
    """The filesystem of a path or URL, and the path in it."""
    if filesystem is None:
        if "://" in place:
            return _from_url(place)
        filesystem = pafs.LocalFileSystem()
    if not isinstance(filesystem, pafs.LocalFileSystem):
        return filesystem, place
    # Absolute, so that it stays the same file if the working folder changes.
    return filesystem, os.path.abspath(place)  # noqa: PTH100, keeps links as they are


def _from_url(url: str) -> tuple[pafs.FileSystem, str]:
    try:
        return pafs.FileSystem.from_uri(url)
    except OSError as error:
        raise OSError(f"{url}: cannot be reached ({_first_line(error)})") from None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass  # Arrow does not know the filesystem; fsspec may.
    try:
        fsspec_core = importlib.import_module("fsspec.core")
        found, path = fsspec_core.url_to_fs(url)
    except ImportError as error:
        raise ImportError(
            f"{url}: expected fsspec, and its package for this kind of URL, to be installed, got "
            f"none ({error}); run pip install 'cisreg[remote]'"
        ) from None
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{url}: expected a URL that pyarrow or fsspec knows, such as s3://, gs:// or hdfs://, "
            f"got another ({error})"
        ) from None
    kinds = (found.protocol,) if isinstance(found.protocol, str) else found.protocol
    if "file" in kinds:
        # The path of a URL with characters that Arrow would need as %XX.
        return pafs.LocalFileSystem(), path
    return _arrow_filesystem(found), path


def _info(filesystem: pafs.FileSystem, path: str, name: str) -> pafs.FileInfo:
    with named_faults(name):
        return filesystem.get_file_info(path)


def _regular_file(name: str, filesystem: pafs.FileSystem, info: pafs.FileInfo) -> SourceFile:
    """A file that a listing found; a pipe is read only if it is asked for by its path."""
    if info.type != pafs.FileType.File:
        raise ValueError(f"{name}: expected a regular file, got something else; move it away")
    return SourceFile(name, filesystem, info.path, info.size, info.mtime_ns)


def _source_file(
    name: str, filesystem: pafs.FileSystem, path: str, info: pafs.FileInfo
) -> SourceFile:
    if info.type == pafs.FileType.File:
        return SourceFile(name, filesystem, path, info.size, info.mtime_ns)
    is_local = isinstance(filesystem, pafs.LocalFileSystem)
    if not (is_local and stat.S_ISFIFO(os.stat(path).st_mode)):  # noqa: PTH116
        raise ValueError(f"{name}: expected a file or a pipe, got something else")
    # A pipe, for example from <(command) in a shell.
    with named_faults(name), open(path, "rb") as stream:  # noqa: PTH123
        return _spooled(name, stream)


def _spooled(name: str, stream: BinaryIO) -> SourceFile:
    """Copies a stream to a temporary file, which is deleted after its last use."""
    with delayed_signals():
        holder = tempfile.NamedTemporaryFile(prefix="cisreg-")  # noqa: SIM115
    with named_faults(name):
        shutil.copyfileobj(stream, holder, _SPOOL_BLOCK)
        holder.flush()
    size = holder.tell()
    return SourceFile(name, pafs.LocalFileSystem(), holder.name, size, None, holder)


def _folder(name: str, filesystem: pafs.FileSystem, path: str) -> Source:
    """The files of the folder's manifest, or without one its Parquet files."""
    name, path = name.rstrip("/") or name, path.rstrip("/") or path
    if _info(filesystem, f"{path}/{MANIFEST}", name).type != pafs.FileType.NotFound:
        manifest = load_manifest(path, filesystem)
        paths = [f"{path}/{file.name}" for file in manifest.files]
        files = tuple(
            _source_file(f"{name}/{file.name}", filesystem, place, info)
            for file, place, info in zip(
                manifest.files, paths, filesystem.get_file_info(paths), strict=True
            )
        )
        return Source(files, manifest)
    # A conversion was interrupted: the files are complete, but some may be missing.
    if _info(filesystem, f"{path}/{WORK_FOLDER}", name).type == pafs.FileType.Directory:
        raise ValueError(
            f"{name}: expected a dataset, got one that cisreg convert has not finished; go on with "
            "--resume"
        )
    files = tuple(
        _regular_file(f"{name}/{info.base_name}", filesystem, info)
        for info in _listed(name, filesystem, path, recursive=False)
        if info.base_name.lower().endswith(_PARQUET_ENDINGS) and info.base_name[0] not in "._"
    )
    if not files:
        raise ValueError(
            f"{name}: expected a folder with Parquet files, got none; other files are given by a "
            f"glob, such as {name}/*.tsv.gz"
        )
    return Source(files, None)


def _listed(
    name: str, filesystem: pafs.FileSystem, path: str, *, recursive: bool
) -> list[pafs.FileInfo]:
    selector = pafs.FileSelector(path, allow_not_found=True, recursive=recursive)
    with named_faults(name):
        return filesystem.get_file_info(selector)


def _matching(glob: str, marks: str, filesystem: pafs.FileSystem | None) -> Iterator[SourceFile]:
    """The files that match a glob; ** stands for any folders."""
    scheme, separator, rest = glob.rpartition("://")
    parts = rest.split("/")
    first = _first_pattern(scheme + separator, parts, marks, filesystem)
    base, patterns = scheme + separator + "/".join(parts[:first]), parts[first:]
    prefix = base if base.endswith("://") else f"{base}/" if first else ""
    if not base and (filesystem is None or isinstance(filesystem, pafs.LocalFileSystem)):
        base = "/" if first else "."
    where, path = _located(base, filesystem)
    found, folders = False, 0
    for info in _listed(glob, where, path, recursive=len(patterns) > 1):
        relative = info.path.strip("/").removeprefix(path.strip("/")).strip("/")
        if not _matches(relative.split("/"), patterns):
            continue
        folders += info.type == pafs.FileType.Directory
        if info.type == pafs.FileType.File:
            found = True
            yield _source_file(prefix + relative, where, info.path, info)
    if not found:
        got = f"{folders} folder(s); add what is in them, as in {glob}/*.parquet" if folders else ""
        raise FileNotFoundError(
            f"{glob}: expected files of such names, got {got or 'none; check the glob'}"
        )


def _first_pattern(
    scheme: str, parts: list[str], marks: str, filesystem: pafs.FileSystem | None
) -> int:
    """Index of the first part of a glob that is a pattern, not the name of an existing folder."""
    marked = [index for index, part in enumerate(parts) if any(mark in part for mark in marks)]
    for index in marked[:-1]:
        name = scheme + "/".join(parts[: index + 1])
        if _info(*_located(name, filesystem), name).type != pafs.FileType.Directory:
            return index
    return marked[-1]


def _matches(parts: list[str], patterns: list[str]) -> bool:
    """Whether the parts of a path (folders and name) match the patterns one by one."""
    if not patterns or not parts:
        return not patterns and not parts
    if patterns[0] == "**":
        return _matches(parts, patterns[1:]) or (
            parts[0][:1] != "." and _matches(parts[1:], patterns)
        )
    hidden = parts[0].startswith(".") and not patterns[0].startswith(".")
    return (
        not hidden
        and fnmatch.fnmatchcase(parts[0], patterns[0])
        and _matches(parts[1:], patterns[1:])
    )
