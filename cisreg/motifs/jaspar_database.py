"""Motifs of the JASPAR database, which the package pyjaspar holds; nothing is downloaded."""

from __future__ import annotations

import logging
import re
from contextlib import closing
from typing import Any, TypeGuard

import numpy as np

from cisreg.display import counted
from cisreg.motifs.bases import BASES
from cisreg.motifs.details import MotifDetails
from cisreg.motifs.formats.found import FoundMotif, MotifFile

logger = logging.getLogger("cisreg.motifs")

PREFIX = "jaspar:"
_RELEASE = re.compile(r"(?:JASPAR)?(20[0-9]{2})", re.IGNORECASE)
_MATRIX = re.compile(r"([A-Z]{2,8}[0-9]{3,})(\.[0-9]+)?", re.IGNORECASE)
_CORE = "CORE"


def is_jaspar(source: Any) -> TypeGuard[str]:
    """Whether a source of motifs is the JASPAR database.

    Example:
        >>> is_jaspar("jaspar:fungi"), is_jaspar("motifs/jaspar.txt")
        (True, False)
    """
    return isinstance(source, str) and source.lower().startswith(PREFIX)


def read_jaspar(source: str) -> MotifFile:
    """Motifs of the JASPAR database.

    Args:
        source: "jaspar:" and, separated by commas, names of taxonomic groups (fungi), accessions
            (MA0271.1, or MA0271 for its latest version), names of transcription factors (ARG80) or
            of collections (CORE, UNVALIDATED), in any case. Before these, a release: "2024:". The
            default is the newest release. Groups, factors and collections mean the latest version
            of each motif; groups and factors those of CORE.

    Returns:
        The motifs as counts, in the order of the source and of the database.

    Raises:
        ImportError: pyjaspar is not installed.
        ValueError: a release or name that does not exist; the message lists what does.
    """
    text = source[len(PREFIX) :].strip()
    first, colon, rest = text.partition(":")
    found = _RELEASE.fullmatch(first.strip())
    if colon and found is None:
        raise ValueError(f"{source}: expected a release such as 2024 before ':', got {first!r}")
    year, wanted = (found[1], rest) if found else (None, text)
    database, release = _open(source, year)
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    if not names:
        raise ValueError(f"{source}: expected what to take, got nothing; {_choices(database)}")
    motifs: dict[str, Any] = {}
    with closing(database.conn):
        for name in names:
            for motif in _fetched(database, source, name):
                motifs.setdefault(motif.matrix_id, motif)
    title = f"JASPAR {release}"
    logger.info("%s: %s of %s, from pyjaspar", source, counted(len(motifs), "motif"), title)
    return MotifFile(title, title, [_found(each, title) for each in motifs.values()])


def _open(source: Any, year: str | None) -> tuple[Any, str]:
    """The database of a release, the newest if none is given, and the year of the release."""
    try:
        import pyjaspar
    except ImportError:
        raise ImportError(
            f"{source}: motifs of JASPAR need pyjaspar, which holds the database: run "
            "pip install 'cisreg[motifs]'"
        ) from None
    years = sorted(
        (release.removeprefix("JASPAR") for release in pyjaspar.jaspar_releases), reverse=True
    )
    if year is not None and year not in years:
        raise ValueError(
            f"{source}: expected a release of JASPAR that pyjaspar holds, one of "
            f"{', '.join(years)}, got {year}"
        )
    release = year or years[0]
    return pyjaspar.jaspardb(release=f"JASPAR{release}"), release


def _column(database: Any, query: str) -> list[str]:
    return [str(row[0]) for row in database.conn.execute(query)]


def _groups(database: Any) -> list[str]:
    return _column(
        database,
        "select distinct val from MATRIX_ANNOTATION where tag = 'tax_group' order by val",
    )


def _collections(database: Any) -> list[str]:
    return _column(database, "select distinct collection from MATRIX order by collection")


def _choices(database: Any) -> str:
    return (
        f"give a group ({', '.join(_groups(database))}), a collection "
        f"({', '.join(_collections(database))}), an accession such as MA0271.1, or the name of a "
        "transcription factor, several separated by commas"
    )


def _fetched(database: Any, source: Any, name: str) -> list[Any]:
    """The motifs of pyjaspar that a name means.

    Raises:
        ValueError: there are none.
    """
    groups = {each.lower(): each for each in _groups(database)}
    collections = {each.lower(): each for each in _collections(database)}
    matrix = _MATRIX.fullmatch(name)
    found: list[Any] = []
    if name.lower() in groups:
        found = database.fetch_motifs(collection=_CORE, tax_group=groups[name.lower()])
    elif name.lower() in collections:
        found = database.fetch_motifs(collection=collections[name.lower()])
    elif matrix is not None and _exists(database, matrix):
        found = [database.fetch_motif_by_id(name.upper())]
    else:
        found = _of_factor(database, name)
    if not found:
        raise ValueError(
            f"{source}: expected something that {database.release} has, got {name!r}; "
            f"{_versions(database, matrix)}{_choices(database)}"
        )
    return found


def _exists(database: Any, matrix: re.Match[str]) -> bool:
    return bool(_known_versions(database, matrix)) and (
        matrix[2] is None or matrix[2][1:] in _known_versions(database, matrix)
    )


def _known_versions(database: Any, matrix: re.Match[str]) -> list[str]:
    rows = database.conn.execute(
        "select version from MATRIX where base_id = ? order by version", (matrix[1].upper(),)
    )
    return [str(row[0]) for row in rows]


def _versions(database: Any, matrix: re.Match[str] | None) -> str:
    versions = [] if matrix is None else _known_versions(database, matrix)
    name = "" if matrix is None else matrix[1].upper()
    return f"there are {', '.join(f'{name}.{each}' for each in versions)}; " if versions else ""


def _of_factor(database: Any, name: str) -> list[Any]:
    """Motifs of CORE whose factor has this name, in any case."""
    rows = database.conn.execute(
        "select distinct name from MATRIX where collection = ? and lower(name) = ?",
        (_CORE, name.lower()),
    )
    names = [row[0] for row in rows]
    return list(database.fetch_motifs(collection=_CORE, tf_name=names)) if names else []


def _found(motif: Any, title: str) -> FoundMotif:
    """A motif of pyjaspar as the other readers give them."""
    matrix = np.array([motif.counts[base] for base in BASES], np.float64).T
    family = motif.tf_family
    details = MotifDetails(
        accession=motif.matrix_id,
        source=f"{title}, {motif.collection}",
        family=("::".join(family) if isinstance(family, list) else family) or None,
        description=", ".join(
            str(each) for each in (motif.tax_group, motif.data_type) if each is not None
        )
        or None,
    )
    return FoundMotif(
        *(matrix, f"{title} {motif.matrix_id}", motif.name),
        kind="counts",
        details=details,
    )
