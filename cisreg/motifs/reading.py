"""Reads motif sets from files, folders, lists of files and the JASPAR database."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy.typing as npt

from cisreg.motifs.conversion import LogKdConvention
from cisreg.motifs.converting import Converted, Options, convert_files
from cisreg.motifs.formats.cisbp import read_tf_information, with_tf_information
from cisreg.motifs.formats.found import FoundMotif, MotifFile, NoMotifError, NotTextError
from cisreg.motifs.jaspar_database import is_jaspar, read_jaspar
from cisreg.motifs.kinds import MatrixKind, may_be_log_odds
from cisreg.motifs.motif_files import read_motif_file
from cisreg.motifs.motif_set import MotifSet
from cisreg.motifs.sources import (
    FORMATS,
    existing_file,
    first_listed,
    folder_files,
    listed_files,
    several_paths,
)

__all__ = ["read_motifs"]

logger = logging.getLogger("cisreg.motifs")

_SHOWN = 10


def read_motifs(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    width: int | None = None,
    kind: MatrixKind | None = None,
    convention: LogKdConvention | None = None,
    pseudocount: float = 0.001,
    background: npt.ArrayLike | Literal["file"] | None = None,
) -> MotifSet:
    r"""Reads motifs of any usual format and centres them in `width` columns.

    Formats are recognised by their content: JASPAR, MEME (minimal and full output), TRANSFAC,
    HOMER, HOCOMOCO, CIS-BP, UniPROBE, ProBound and MotifCentral (JSON), .pkdm, and tables of
    numbers with bases as rows or as columns. What a matrix holds is told by its format and its
    numbers. Everything else than log Kd is converted; the log (cisreg.motifs, level INFO) says how.

    Args:
        source: one of
            a file with one motif or many, plain or compressed (gzip, zstd, bzip2);
            a folder: all of its motif files, sorted by name, of any formats. Other files, which the
            log names, and hidden ones are left out;
            a list file, one path per line, in this order. Paths are relative to the folder of the
            list or, if there is no such file, to the working folder. Only the first tab-separated
            field of a line counts, so a table of log concentrations can serve as a list. Blank
            lines and lines that begin with # are skipped;
            "jaspar:" and what to take of the JASPAR database, which comes with the package
            pyjaspar: "jaspar:vertebrates", "jaspar:MA0271.1", "jaspar:2024:fungi";
            a sequence of paths of files and of "jaspar:...", in this order.
        width: W, the columns of the result; None: those of the widest motif. A motif that is wider
            is cut as in `MotifSet.from_matrices`, which a warning says.
        kind: what the numbers are: "log_kd" (nats), "log_odds" (bits, unless the numbers are
            clearly natural logarithms), "probabilities" or "counts"; None: format and numbers tell
            it, and numbers that do not are an error.
        convention: of log Kd, see `cisreg.motifs.conversion`; None: "pkdm" for .pkdm files and
            "natural" for everything else. It does not change what is log Kd already.
        pseudocount: added to each probability.
        background: [4], probabilities of A, C, G and T that log Kd is relative to; None: 1/4 each;
            "file": those that each file states (MEME).

    Returns:
        A MotifSet with `log_kd` float32 [W, 4, M], M the number of motifs, and `details` as the
        files have them. A motif is named as its file does, or after the file. Motifs whose names
        are equal get their accession added (`CTCF_MA0139.2`).

    Raises:
        ValueError: a file or line that cannot be parsed, numbers whose kind is not clear or that
            contradict the kind, equal names without accessions, or no motif.
        FileNotFoundError: a file that does not exist.
        IsADirectoryError: a folder among several paths.
        TypeError: neither a path nor a sequence of paths.
        ImportError: "jaspar:" without the package pyjaspar.

    Example:
        >>> with open("ARG80.jaspar", "w") as file:
        ...     _ = file.write(">MA0271.1 ARG80\nA [0 9 0]\nC [0 0 1]\nG [9 0 8]\nT [0 0 0]\n")
        >>> motifs = read_motifs("ARG80.jaspar")
        >>> motifs.names, motifs.strongest_site(), motifs.details[0].accession
        (('ARG80',), ('GAG',), 'MA0271.1')
    """
    options = Options(kind, convention, pseudocount, background)
    files = _files(source, kind)
    motifs = [motif for file in files for motif in file.motifs]
    if not motifs:
        raise ValueError(
            f"{source}: expected motif files or a list of them, got none; check the path"
        )
    names = _distinct_names(motifs)
    converted = convert_files(files, options)
    log_kd = [each.log_kd for each in converted]
    _say_doubtful(names, converted)
    return MotifSet.from_matrices(
        *(names, log_kd),
        width=max(map(len, log_kd)) if width is None else width,
        details=[each.details for each in converted],
    )


def _files(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], kind: MatrixKind | None
) -> list[MotifFile]:
    """The files that a source names, with the motifs that they hold."""
    if is_jaspar(source):
        return [read_jaspar(source)]
    if not isinstance(source, (str, os.PathLike)):
        return [
            read_jaspar(each)
            if is_jaspar(each)
            else _motif_file(existing_file(Path(each), "source"), "source", kind)
            for each in several_paths(source)
        ]
    path = Path(source)
    if path.is_dir():
        return _files_of_folder(path, kind)
    found = read_motif_file(existing_file(path, "source"), kind)
    if found is not None:
        return [found]
    return [_motif_file(listed, place, kind) for listed, place in listed_files(path)]


def _motif_file(path: Path, place: str, kind: MatrixKind | None) -> MotifFile:
    found = read_motif_file(path, kind)
    if found is None:
        raise ValueError(
            f"{place}: expected the path of a motif file, got {str(path)!r}, whose content is of "
            f"none of the formats {FORMATS}; remove it from the list"
        )
    return found


def _files_of_folder(folder: Path, kind: MatrixKind | None) -> list[MotifFile]:
    """The motif files of a folder; the log names the other ones."""
    files, others, empty = [], [], []
    for path in folder_files(folder):
        try:
            found = read_motif_file(path, kind)
        except NoMotifError:
            empty.append(path.name)
            continue
        except NotTextError:
            others.append(path.name)
            continue
        if found is not None:
            files.append(found)
        elif first_listed(path) is None:
            others.append(path.name)
    if empty:
        logger.warning("%s: files without motifs are left out: %s", folder, _some(empty))
    if others:
        logger.warning("%s: files that hold no motifs are left out: %s", folder, _some(others))
    information = read_tf_information(folder)
    return [with_tf_information(file, information) for file in files]


def _some(names: Sequence[str]) -> str:
    """The names, the first ones if there are many."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _distinct_names(motifs: Sequence[FoundMotif]) -> list[str]:
    """The names of the motifs; those that are equal get their accessions added."""
    count = Counter(each.name for each in motifs)
    names = [
        f"{each.name}_{each.details.accession}"
        if count[each.name] > 1 and each.details.accession
        else str(each.name)
        for each in motifs
    ]
    changed = [new for new, each in zip(names, motifs, strict=True) if new != each.name]
    if changed:
        logger.info(
            "%d of %d motifs have the name of another one, and get their accession added: %s",
            *(len(changed), len(names), _some(changed)),
        )
    places: dict[str, str] = {}
    for name, motif in zip(names, motifs, strict=True):
        if name in places:
            raise ValueError(
                f"names: expected distinct names, got {name!r} twice, in {places[name]} and in "
                f"{motif.place}; rename or drop one"
            )
        places[name] = motif.place
    return names


def _say_doubtful(names: Sequence[str], converted: Sequence[Converted]) -> None:
    """Warns of log Kd that looks like log odds."""
    doubtful = [
        name
        for name, each in zip(names, converted, strict=True)
        if each.details.kind == "log_kd" and may_be_log_odds(each.log_kd)
    ]
    if doubtful:
        logger.warning(
            "%d of %d motifs have columns whose mean is below 0 throughout, as of log odds, where "
            "log Kd is low for strong binding; give kind='log_odds' if these are: %s",
            *(len(doubtful), len(names), _some(doubtful)),
        )
