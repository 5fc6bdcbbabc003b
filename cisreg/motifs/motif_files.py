"""Reads one motif file of any format, recognised by its content."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from pathlib import Path

from cisreg.motifs.details import MotifDetails
from cisreg.motifs.formats import recognise_format
from cisreg.motifs.formats.found import (
    FoundMotif,
    MotifFile,
    NoMotifError,
    NotTextError,
    is_significant,
    motif_text,
)
from cisreg.motifs.formats.rows import parse_row
from cisreg.motifs.formats.tables import read_tables
from cisreg.motifs.kinds import MatrixKind
from cisreg.motifs.pkdm import (
    SUFFIX,
    check_is_log_kd,
    is_marked,
    name_in_pkdm,
    pkdm_matrix,
)
from cisreg.motifs.sources import first_listed
from cisreg.names import is_cut, name_digest, name_of_stem
from cisreg.streams import open_input, text_lines

# Letters that are looked at to recognise a format.
_HEAD = 1 << 16
_COMPRESSED = (".gz", ".bgz", ".zst", ".bz2")
_SUFFIXES = (
    *(SUFFIX, ".pfm", ".pcm", ".ppm", ".pwm", ".meme", ".jaspar", ".transfac", ".tf", ".homer"),
    *(".motif", ".motifs", ".mat", ".txt", ".tsv", ".tab", ".csv", ".dat", ".cb", ".json"),
)


def motif_name(path: str | os.PathLike[str]) -> str:
    """The name of the motif in a file: the file name without folder, usual endings and escapes.

    Example:
        >>> motif_name("motifs/YIL056W_2091.pkdm"), motif_name("MA0271.1.PFM.gz")
        ('YIL056W_2091', 'MA0271.1')
    """
    return name_of_stem(_stem(Path(path)))


def _stem(path: Path) -> str:
    """The file name without the endings of compression and of motif files, in any case."""
    name = path.name
    for endings in (_COMPRESSED, _SUFFIXES):
        ending = next((each for each in endings if name.lower().endswith(each)), "")
        name = name[: len(name) - len(ending)] or name
    return name


def is_named_pkdm(path: Path) -> bool:
    """Whether a file name ends in .pkdm in any case, perhaps before that of compression.

    Example:
        >>> is_named_pkdm(Path("a.PKDM.gz")), is_named_pkdm(Path("a.txt"))
        (True, False)
    """
    name = path.name.lower()
    ending = next((each for each in _COMPRESSED if name.endswith(each)), "")
    return name.removesuffix(ending).endswith(SUFFIX)


def name_of_motif_file(path: Path) -> str:
    """The name of the motif in a .pkdm file that exists: `motif_name`, or the one that it holds.

    `write_motifs` puts it there where the file name is cut and ends in the hash of the name.
    """
    stem = _stem(path)
    held = name_in_pkdm(path) if is_cut(stem) else None
    return held if held is not None and stem.endswith(name_digest(held)) else motif_name(path)


def read_motif_file(path: Path, kind: MatrixKind | None) -> MotifFile | None:
    """The motifs of a file, as it has them; None if its content is of no format of motifs.

    Args:
        path: the file, plain or compressed.
        kind: what the user says that the numbers are.

    Raises:
        ValueError: a file that is empty, no text, or not complete; the message names file and line.
        OSError: the file cannot be read.
    """
    head = _head(path)
    lines = motif_text(str(path), head.splitlines()).lines
    first = next((line for line in lines if is_significant(line.text)), None)
    listed = first_listed(path)
    if listed is not None and is_named_pkdm(listed):
        # Whatever the names of motifs are: a list of their files may look like anything.
        return None
    row = None if first is None else parse_row(first)
    if is_named_pkdm(path) and (row is None or row.label) and _is_only_pkdm(path, head):
        return _pkdm(path, kind)
    found = recognise_format(str(path), head)
    if first is None:
        raise NoMotifError(
            f"{path}: expected motifs or a list of motif files, got an empty file; check the path"
        )
    if found is None:
        return None
    text = motif_text(str(path), text_lines(path))
    name = found.name(text)
    motifs = _all_named(path, list(found.read(text)))
    if name == "table" and is_marked(path):
        motifs = [replace(each, kind="log_kd") for each in motifs]
        return MotifFile(str(path), name, motifs, "pkdm")
    if not motifs:
        raise ValueError(f"{path}: expected motifs of the format {name}, got none; check the file")
    return MotifFile(str(path), name, motifs)


def _is_only_pkdm(path: Path, head: str) -> bool:
    """Whether a file that is named .pkdm is of no other format, if not of this one."""
    try:
        found = recognise_format(str(path), head)
    except NotTextError:
        return True
    return found is None or found.read is read_tables


def _head(path: Path) -> str:
    """The beginning of a file, whole lines of it."""
    with open_input(path) as stream:
        content = stream.read(_HEAD)
    head = content.decode("utf-8-sig", errors="replace")
    return head if len(content) < _HEAD else head.rpartition("\n")[0] or head


def _pkdm(path: Path, kind: MatrixKind | None) -> MotifFile:
    """A .pkdm file, which holds one motif of log Kd unless the user says otherwise."""
    matrix, is_said = pkdm_matrix(path), is_marked(path)
    if kind is None and not is_said:
        check_is_log_kd(path, matrix)
    stated: MatrixKind | None = "log_kd" if is_said or kind is None else None
    motif = FoundMotif(
        *(matrix, str(path), name_of_motif_file(path), stated),
        details=MotifDetails(source=str(path)),
    )
    return MotifFile(str(path), SUFFIX, [motif], "pkdm")


def _all_named(path: Path, motifs: list[FoundMotif]) -> list[FoundMotif]:
    """Motifs without a name get that of the file, with a number if there are several of them."""
    unnamed = sum(each.name is None for each in motifs)
    number = itertools.count(1)
    stem = motif_name(path)
    return [
        each
        if each.name is not None
        else replace(each, name=stem if unnamed == 1 else f"{stem}_{next(number)}")
        for each in motifs
    ]
