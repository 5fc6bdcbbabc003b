"""The table TF_Information.txt of CIS-BP, which says whose motifs the files beside it are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cisreg.motifs.details import MotifDetails
from cisreg.motifs.formats.found import FoundMotif, MotifFile
from cisreg.streams import text_lines

_FILE = "TF_Information.txt"
_COLUMNS = ("Motif_ID", "TF_Name", "Family_Name", "TF_Species")


def read_tf_information(folder: Path) -> dict[str, MotifDetails]:
    """Details by the identifier of a motif, from TF_Information.txt in a folder or above it.

    Several transcription factors may have one motif; all are alternate names.

    Returns:
        None at all if there is no such file, or it is another table.
    """
    path = next((each for each in (folder / _FILE, folder.parent / _FILE) if each.is_file()), None)
    if path is None:
        return {}
    lines = (line.rstrip("\r\n").split("\t") for line in text_lines(path))
    header = next(lines, [])
    if not set(_COLUMNS) <= set(header):
        return {}
    places = [header.index(column) for column in _COLUMNS]
    found: dict[str, MotifDetails] = {}
    for fields in lines:
        if len(fields) <= max(places):
            continue
        motif, name, family, species = (fields[place].strip() for place in places)
        known = found.get(motif, MotifDetails(family=family, description=species))
        names = tuple(dict.fromkeys((*known.alternate_names, name)))
        found[motif] = replace(known, alternate_names=names)
    return found


def with_tf_information(file: MotifFile, information: Mapping[str, MotifDetails]) -> MotifFile:
    """A file of CIS-BP with what the table says of its motifs; other files as they are."""
    if file.format != "CIS-BP" or not information:
        return file
    return file._replace(motifs=[_known(motif, information) for motif in file.motifs])


def _known(motif: FoundMotif, information: Mapping[str, MotifDetails]) -> FoundMotif:
    own, known = motif.details, information.get(str(motif.details.accession or motif.name))
    if known is None:
        return motif
    details = replace(
        own,
        accession=own.accession or motif.name,
        alternate_names=own.alternate_names or known.alternate_names,
        family=own.family or known.family,
        description=own.description or known.description,
    )
    return replace(motif, details=details)
