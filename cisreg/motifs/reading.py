"""Reads motif sets from files, folders and lists of files."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from cisreg.motifs.kinds import MatrixKind, may_be_log_odds
from cisreg.motifs.motif_set import MotifSet
from cisreg.motifs.pkdm import SUFFIX, name_in_pkdm, read_pkdm
from cisreg.motifs.text import table_rows
from cisreg.names import ACTING, is_cut, name_digest, name_of_stem

logger = logging.getLogger("cisreg.motifs")


def read_motifs(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    width: int = 30,
    kind: MatrixKind = "log_kd",
) -> MotifSet:
    """Reads motifs and centres them in `width` columns; wider ones are trimmed.

    Each motif is named after its file, without folder and suffix. Escapes that `write_motifs` put
    into a file name are reverted.

    Args:
        source: one of
            a .pkdm file;
            a folder: all of its .pkdm files, sorted by name, except hidden ones (.x.pkdm), which
            the log names;
            a list file, one path per line, in this order. Paths are relative to the folder of the
            list or, if there is no such file, to the working folder. Only the first tab-separated
            field of a line counts, so a table of log concentrations can serve as a list. Blank
            lines and lines that begin with # are skipped;
            a sequence of paths of .pkdm files, in this order.
        width: W, the columns of the result; see `MotifSet.from_matrices` for trimming and centring.
        kind: what the numbers of the files are: "log_kd"; or "counts", "probabilities" or
            "log_odds" (in bits), which are converted.

    Returns:
        A MotifSet with `log_kd` float32 [width, 4, M], M the number of motifs.

    Raises:
        ValueError: a file or line that cannot be parsed, numbers of a different kind, a name given
            twice, or no motif.
        FileNotFoundError: a file that does not exist.
        IsADirectoryError: a folder among several paths.
        TypeError: neither a path nor a sequence of paths.

    Example:
        >>> motifs = read_motifs("motif_list.txt", width=30)  # doctest: +SKIP
        >>> len(motifs), motifs.log_kd.shape  # doctest: +SKIP
        (245, (30, 4, 245))
    """
    paths = _motif_paths(source)
    matrices = [read_pkdm(path, kind=kind) for path in paths]
    names = [name_of_motif_file(path) for path in paths]
    doubtful = [
        name for name, matrix in zip(names, matrices, strict=True) if may_be_log_odds(matrix)
    ]
    if doubtful:
        logger.warning(
            "%d of %d motifs have columns whose mean is below 0 throughout, as of log odds, where "
            "log Kd is low for strong binding; give kind='log_odds' if these are: %s",
            *(len(doubtful), len(names), ", ".join(doubtful)),
        )
    return MotifSet.from_matrices(names, matrices, width=width)


def motif_name(path: str | os.PathLike[str]) -> str:
    """The name of the motif in a file: the file name without folder, .pkdm and escapes.

    Example:
        >>> motif_name("motifs/YIL056W_2091.pkdm")
        'YIL056W_2091'
    """
    return name_of_stem(Path(path).name.removesuffix(SUFFIX))


def name_of_motif_file(path: Path) -> str:
    """The name of the motif in a file that exists: `motif_name`, or the name that the file holds.

    `write_motifs` puts it there where the file name is cut and ends in the hash of the name.
    """
    stem = path.name.removesuffix(SUFFIX)
    held = name_in_pkdm(path) if is_cut(stem) else None
    return held if held is not None and stem.endswith(name_digest(held)) else motif_name(path)


def _motif_paths(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> list[Path]:
    if not isinstance(source, (str, os.PathLike)):
        return [_motif_file(path, "source") for path in _several_paths(source)]
    path = Path(source)
    if path.is_dir():
        paths = _files_of_folder(path)
    elif path.suffix == SUFFIX or not path.exists():
        paths = [_motif_file(path, "source")]
    else:
        paths = _listed_paths(path)
    if not paths:
        raise ValueError(
            f"{path}: expected {SUFFIX} files or a list of them, got none; check the path"
        )
    return paths


def _several_paths(source: Sequence[str | os.PathLike[str]]) -> list[Path]:
    try:
        return [Path(path) for path in source]
    except TypeError:
        raise TypeError(
            "source: expected the path of a motif file, of a folder or of a list of motif files, "
            f"or a sequence of paths, got {source!r:.80}"
        ) from None


def _files_of_folder(folder: Path) -> list[Path]:
    """The folder's .pkdm files, except hidden ones: editors and file managers leave such files."""
    found = sorted(folder.glob("*" + SUFFIX))
    hidden = [path.name for path in found if path.name.startswith(".")]
    if hidden:
        logger.warning("%s: hidden files are no motifs: %s", folder, ", ".join(hidden))
    return [path for path in found if not path.name.startswith(".")]


def _listed_paths(list_file: Path) -> list[Path]:
    places: dict[str, str] = {}
    paths = []
    for place, fields in table_rows(list_file):
        path = _listed_file(list_file.parent, fields[0], place)
        name = name_of_motif_file(path)
        if name in places:
            raise ValueError(
                f"{place}: expected each motif once, got {name!r} again after {places[name]}; "
                "remove or rename one"
            )
        places[name] = place
        paths.append(path)
    return paths


def _listed_file(folder: Path, listed: str, place: str) -> Path:
    """The file of a line: relative to the list or, as in CisRegModels, to the working folder."""
    if ACTING.search(listed):
        raise ValueError(
            f"{place}: expected the path of a motif file in each line, got {listed[:20]!r}; give a "
            ".pkdm file, a folder of them, or a text file that lists them"
        )
    beside, here = folder / listed, Path(listed)
    for path in (beside, here):
        if is_motif_file(path, place):
            return _motif_file(path, place)
    tried = repr(str(beside)) if beside == here else f"{str(beside)!r} nor {str(here)!r}"
    neither = "" if beside == here else "neither "
    raise FileNotFoundError(
        f"{place}: expected motifs, but {neither}{tried} exists; give paths relative to the list "
        "or to the working folder"
    )


def _motif_file(path: Path, place: str) -> Path:
    if not is_motif_file(path, place):
        if path.is_dir():
            raise IsADirectoryError(
                f"{place}: expected the path of a {SUFFIX} file, got the folder {str(path)!r}; "
                "give a folder by itself, or the files in it"
            )
        raise FileNotFoundError(
            f"{place}: expected motifs, but {str(path)!r} does not exist; check the path"
        )
    if path.suffix != SUFFIX:
        raise ValueError(
            f"{place}: expected the path of a {SUFFIX} file, got {str(path)!r}; give motif files, "
            "a folder of them, or a list file with one path per line"
        )
    return path


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
