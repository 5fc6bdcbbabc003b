"""The files that a source of motifs names: a file, a folder, a list file or a list of paths."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

from cisreg.motifs.text import table_rows
from cisreg.names import ACTING

logger = logging.getLogger("cisreg.motifs")

_BACKUP = re.compile(r"#.*#|.*(~|\.(bak|swp|orig|tmp|partial))")
FORMATS = "JASPAR, MEME, TRANSFAC, HOMER, HOCOMOCO, CIS-BP, UniPROBE, ProBound, .pkdm, a table"


def folder_files(folder: Path) -> list[Path]:
    """The files of a folder sorted by name, without hidden ones, backups and folders.

    Editors and file managers leave hidden files; those that are named like motifs are logged.

    Raises:
        OSError: the folder cannot be read.
    """
    found = sorted(path for path in folder.iterdir() if path.is_file())
    hidden = [path.name for path in found if path.name.startswith(".") and path.suffix == ".pkdm"]
    if hidden:
        logger.warning("%s: hidden files are no motifs: %s", folder, ", ".join(hidden))
    return [
        path for path in found if not path.name.startswith(".") and not _BACKUP.fullmatch(path.name)
    ]


def several_paths(source: Sequence[str | os.PathLike[str]]) -> list[str]:
    """The items of a list of paths, as text.

    Raises:
        TypeError: neither a path nor a sequence of paths.
    """
    try:
        return [os.fspath(Path(path)) if not isinstance(path, str) else path for path in source]
    except TypeError:
        raise TypeError(
            "source: expected the path of a motif file, of a folder or of a list of motif files, "
            f"jaspar:..., or a sequence of paths, got {source!r:.80}"
        ) from None


def listed_files(list_file: Path) -> list[tuple[Path, str]]:
    """The files that a list names, one a line, and the place ("file:line") of each.

    Raises:
        ValueError: a line that is no path, or the same path twice.
        FileNotFoundError: a file that does not exist.
    """
    places: dict[Path, str] = {}
    for place, fields in table_rows(list_file):
        path = _listed_file(list_file.parent, fields[0], place)
        if path in places:
            raise ValueError(
                f"{place}: expected each motif file once, got {fields[0]!r} again after "
                f"{places[path]}; remove one"
            )
        places[path] = place
    return list(places.items())


def first_listed(path: Path) -> Path | None:
    """The file that the first line of a file names; None if it names no file that exists."""
    try:
        first = next(((fields[0], place) for place, fields in table_rows(path)), None)
        return None if first is None else _listed_file(path.parent, *first)
    except (OSError, ValueError):
        return None


def _listed_file(folder: Path, listed: str, place: str) -> Path:
    """The file of a line: relative to the list or, as in CisRegModels, to the working folder."""
    if ACTING.search(listed):
        raise ValueError(
            f"{place}: expected the path of a motif file in each line, got {listed[:20]!r}; give "
            f"motifs in one of the formats that are recognised ({FORMATS}), a folder of such "
            "files, or a text file that lists them"
        )
    beside, here = folder / listed, Path(listed)
    for path in (beside, here):
        if is_motif_file(path, place):
            return path
    tried = repr(str(beside)) if beside == here else f"{str(beside)!r} nor {str(here)!r}"
    neither = "" if beside == here else "neither "
    raise FileNotFoundError(
        f"{place}: expected motifs, but {neither}{tried[:500]} exists; give motifs in one of the "
        f"formats that are recognised ({FORMATS}), or paths relative to the list or to the working "
        "folder"
    )


def existing_file(path: Path, place: str) -> Path:
    """The path, if it is a file.

    Raises:
        FileNotFoundError: there is nothing.
        IsADirectoryError: it is a folder.
    """
    if is_motif_file(path, place):
        return path
    if path.is_dir():
        raise IsADirectoryError(
            f"{place}: expected the path of a motif file, got the folder {str(path)!r}; give a "
            "folder by itself, or the files in it"
        )
    raise FileNotFoundError(
        f"{place}: expected motifs, but {str(path)!r} does not exist; check the path"
    )


def is_motif_file(path: Path, place: str) -> bool:
    """Whether a file exists at a path that was read at `place` ("file:line").

    Raises:
        OSError: the path is not valid, or in a folder that cannot be read; the message begins with
            `place`.
    """
    try:
        return path.is_file()
    except OSError as error:
        raise OSError(f"{place}: expected the path of a motif, got another one ({error})") from None
