"""The manifest of a folder that `cisreg convert` wrote: rows, sizes and checksums of its files.

The manifest is written last, so a folder that has one is complete.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from cisreg.data.formats.rows import Columns
from cisreg.files import read_regular_file, replace_file
from cisreg.progress import progress_bar
from cisreg.strict_json import parse_json

logger = logging.getLogger("cisreg.data")

MANIFEST = "manifest.json"
# Work folder of `cisreg convert` inside the dataset's folder; deleted once the dataset is complete.
WORK_FOLDER = ".cisreg-convert"
FORMAT_VERSION = 1
_KIND = "cisreg dataset"
# Largest manifest in bytes; one of 100,000 files has a quarter of this.
_LARGEST = 1 << 26
_BLOCK = 1 << 20
_SHA256_DIGITS = 64

Order = Literal["shuffled", "sorted", "kept"]


@dataclass(frozen=True)
class ManifestFile:
    """One file of a dataset.

    Attributes:
        name: name of the file, without its folder.
        rows: number of rows.
        bytes: size.
        sha256: checksum of the content, 64 hexadecimal digits.
    """

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The content of a folder of Parquet files.

    Attributes:
        rows: number of rows of all files.
        order: order of the rows.
        longest: bases of the longest sequence; 0 if there are no rows.
        shortest: bases of the shortest sequence.
        columns: the column of each role in the files, by name.
        files: the files, in the order of the rows.
        unusable: numbers of rows of the source that were left out, by reason.

    Raises:
        ValueError: values that are not possible, such as a number of rows that differs from the sum
            over the files, or a file outside the folder.

    Example:
        >>> files = (ManifestFile("part-00000.parquet", 3, 1200, "0" * 64),)
        >>> columns = Columns("sequence", ("expression",))
        >>> Manifest(3, "kept", longest=110, shortest=98, columns=columns, files=files).rows
        3
    """

    rows: int
    order: Order
    longest: int
    shortest: int
    columns: Columns
    files: tuple[ManifestFile, ...]
    unusable: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("rows", "longest", "shortest"):
            _check_count(getattr(self, name), name)
        if self.order not in get_args(Order):
            raise ValueError(f"order: expected one of {get_args(Order)}, got {self.order!r}")
        if self.shortest > self.longest:
            raise ValueError(
                f"shortest: expected at most the longest, {self.longest}, got {self.shortest}"
            )
        for file in self.files:
            _check_file(file)
        names = [file.name for file in self.files]
        if len(set(names)) < len(names):
            raise ValueError("files: expected every name once, got one twice")
        rows = sum(file.rows for file in self.files)
        if rows != self.rows:
            raise ValueError(f"rows: expected those of its files, {rows}, got {self.rows}")
        for reason, count in self.unusable.items():
            _check_count(count, f"unusable: {reason}")


def _check_file(file: ManifestFile) -> None:
    name = file.name
    _check_type(name, str, "name")
    if not name or name in (".", "..") or any(mark in name for mark in "/\\:\0"):
        raise ValueError(f"name: expected that of a file in the folder itself, got {name!r}")
    _check_count(file.rows, f"{name}: rows")
    _check_count(file.bytes, f"{name}: bytes")
    _check_type(file.sha256, str, f"{name}: sha256")
    if len(file.sha256) != _SHA256_DIGITS or set(file.sha256) - set("0123456789abcdef"):
        raise ValueError(
            f"{name}: sha256: expected {_SHA256_DIGITS} digits of 0-9 and a-f, got {file.sha256!r}"
        )


def _check_count(value: object, name: str) -> None:
    _check_type(value, int, name)
    assert isinstance(value, int)  # was just checked
    if not 0 <= value < 1 << 62:
        raise ValueError(f"{name}: expected a number of 0 or more, got {str(value)[:30]}")


def _check_type(value: object, kind: type, name: str) -> None:
    # In Python, True is an int too.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name}: expected {kind.__name__}, got {_shown(value)}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def write_manifest(folder: str | os.PathLike[str], manifest: Manifest) -> None:
    """Writes `manifest.json` into the folder; the file appears only once it is complete.

    Raises:
        OSError: the folder cannot be written.

    Example:
        >>> write_manifest("train", manifest)  # doctest: +SKIP
    """
    columns = manifest.columns
    content = {
        "format_version": FORMAT_VERSION,
        "kind": _KIND,
        "rows": manifest.rows,
        "order": manifest.order,
        "longest": manifest.longest,
        "shortest": manifest.shortest,
        "columns": {
            "sequence": columns.sequence,
            "expression": list(columns.expression or ()),
            "weight": columns.weight if isinstance(columns.weight, str) else None,
        },
        "unusable": manifest.unusable,
        "files": [vars(file) for file in manifest.files],
    }
    with replace_file(Path(folder) / MANIFEST) as file:
        file.write((json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def read_manifest(
    folder: str | os.PathLike[str], filesystem: pafs.FileSystem | None = None
) -> Manifest:
    """Reads the folder's `manifest.json` and checks it against the files, except for their content.

    Args:
        folder: folder with the manifest and its files.
        filesystem: filesystem of the folder; None: the local one.

    Raises:
        FileNotFoundError: there is no manifest, or one of its files is missing.
        ValueError: a different version or kind of manifest; fields that are missing or of a
            different type; a file outside the folder, or whose size or number of rows differs from
            the manifest. The message names the manifest or the file.

    Example:
        >>> read_manifest("train").rows  # doctest: +SKIP
        100000000
    """
    filesystem = filesystem or pafs.LocalFileSystem()
    manifest = load_manifest(folder, filesystem)
    for file in manifest.files:
        path = f"{os.fspath(folder)}/{file.name}"
        try:
            with filesystem.open_input_file(path) as stream:
                rows = pq.ParquetFile(stream).metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path}: cannot be read as Parquet ({error})") from None
        check_row_count(file, path, rows)
    return manifest


def check_row_count(file: ManifestFile, path: str, rows: int) -> None:
    """Raises ValueError if the file's number of rows differs from the manifest's."""
    if rows != file.rows:
        raise ValueError(
            f"{path}: expected {file.rows} rows as in {MANIFEST}, got {rows}; is it of another "
            "dataset?"
        )


def load_manifest(folder: str | os.PathLike[str], filesystem: pafs.FileSystem) -> Manifest:
    """The folder's manifest, checked against names and sizes of the files; see `read_manifest`."""
    path = f"{os.fspath(folder)}/{MANIFEST}"
    manifest = _parsed(path, _read(path, filesystem))
    paths = [f"{os.fspath(folder)}/{file.name}" for file in manifest.files]
    try:
        infos = filesystem.get_file_info(paths)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: has a name that no file can have ({error})") from None
    for file, place, info in zip(manifest.files, paths, infos, strict=True):
        if info.type == pafs.FileType.NotFound:
            raise FileNotFoundError(f"{place}: no such file, but {MANIFEST} has it")
        if info.type != pafs.FileType.File or info.size != file.bytes:
            raise ValueError(
                f"{place}: expected a file of {file.bytes} bytes as in {MANIFEST}, got "
                f"{info.size if info.is_file else 'no file'}; is the copy complete?"
            )
        if isinstance(filesystem, pafs.LocalFileSystem):
            _check_inside(Path(folder), file.name)
    return manifest


def files_of_dataset(folder: Path) -> dict[str, int] | None:
    """Sizes of the files that the manifest of a local folder names; empty without a manifest.

    Returns:
        Sizes in bytes by name; None if the manifest is damaged, which is said.

    Example:
        >>> from pathlib import Path
        >>> files_of_dataset(Path("a new folder"))
        {}
    """
    path = folder / MANIFEST
    if not os.path.lexists(path):
        return {}
    try:
        manifest = _parsed(os.fspath(path), read_regular_file(path))
    except (OSError, ValueError) as error:
        logger.warning("%s; files of the dataset that it was of are kept", error)
        return None
    return {file.name: file.bytes for file in manifest.files}


def _check_inside(folder: Path, name: str) -> None:
    target = (folder / name).resolve()
    if target.parent != folder.resolve():
        raise ValueError(
            f"{folder / name}: expected a file of the folder itself, got a link to {target}"
        )


def _read(path: str, filesystem: pafs.FileSystem) -> bytes:
    try:
        # A named pipe, which could make the reader wait for ever, is of no known type.
        if filesystem.get_file_info(path).type == pafs.FileType.Unknown:
            raise ValueError(f"{path}: expected a regular file, got something else")
        with filesystem.open_input_file(path) as stream:
            if stream.size() > _LARGEST:
                raise ValueError(
                    f"{path}: expected a manifest of at most {_LARGEST} bytes, got {stream.size()}"
                )
            return stream.read()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path}: no such file; a folder that `cisreg convert` finished has one"
        ) from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None


def _parsed(path: str, content: bytes) -> Manifest:
    try:
        fields = parse_json(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON, got something else ({error})") from None
    try:
        return _manifest(fields)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _manifest(fields: Any) -> Manifest:
    _check_type(fields, dict, "manifest")
    if fields.get("kind") != _KIND:
        raise ValueError(f"kind: expected {_KIND!r}, got {_shown(fields.get('kind'))}")
    version = fields.get("format_version")
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise ValueError(
            f"format_version: expected {FORMAT_VERSION}, got {_shown(version)}; a later cisreg may "
            "read it"
        )
    files = _field(fields, "files", list)
    unusable = fields.get("unusable", {})
    _check_type(unusable, dict, "unusable")
    return Manifest(
        rows=_field(fields, "rows", int),
        order=_field(fields, "order", str),
        longest=_field(fields, "longest", int),
        shortest=_field(fields, "shortest", int),
        columns=_columns(_field(fields, "columns", dict)),
        files=tuple(_file(file) for file in files),
        unusable=unusable,
    )


def _file(fields: Any) -> ManifestFile:
    _check_type(fields, dict, "files")
    name = _field(fields, "name", str)
    return ManifestFile(
        name,
        _field(fields, "rows", int),
        _field(fields, "bytes", int),
        _field(fields, "sha256", str),
    )


def _columns(fields: dict[str, Any]) -> Columns:
    expression: Sequence[Any] = _field(fields, "expression", list)
    for name in expression:
        _check_type(name, str, "columns: expression")
    weight = fields.get("weight")
    if weight is not None:
        _check_type(weight, str, "columns: weight")
    return Columns(
        _field(fields, "sequence", str), tuple(expression), False if weight is None else weight
    )


def _field(fields: dict[str, Any], name: str, kind: type) -> Any:
    if name not in fields:
        raise ValueError(f"{name}: expected such a field, got none")
    _check_type(fields[name], kind, name)
    return fields[name]


def verify(
    folder: str | os.PathLike[str],
    filesystem: pafs.FileSystem | None = None,
    *,
    progress: bool = False,
) -> Manifest:
    """Compares sizes, rows and checksums of all files with the folder's manifest.

    Args:
        folder: a folder that `cisreg convert` wrote.
        filesystem: filesystem of the folder; None: the local one.
        progress: whether to show a progress bar on standard error.

    Returns:
        The manifest, if all files agree with it.

    Raises:
        FileNotFoundError, ValueError: as `read_manifest`; or a checksum differs, and the message
            names the file.

    Example:
        >>> verify("train").rows  # doctest: +SKIP
        100000000
    """
    filesystem = filesystem or pafs.LocalFileSystem()
    manifest = read_manifest(folder, filesystem)
    with progress_bar(show=progress, transient=True) as bar:
        task = bar.add_task("checking", total=sum(file.bytes for file in manifest.files))
        for file in manifest.files:
            path = f"{os.fspath(folder)}/{file.name}"
            found = hashlib.sha256()
            try:
                with filesystem.open_input_stream(path) as stream:
                    while block := stream.read(_BLOCK):
                        found.update(block)
                        bar.advance(task, len(block))
            except OSError as error:
                raise ValueError(f"{path}: cannot be read ({error})") from None
            if found.hexdigest() != file.sha256:
                raise ValueError(
                    f"{path}: expected the checksum {file.sha256} as in {MANIFEST}, got "
                    f"{found.hexdigest()}; the file was changed or damaged: copy it again"
                )
    return manifest
