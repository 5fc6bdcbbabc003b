"""Input files of CisRegModels' command lines: motif lists, values by order, one-hot text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cisreg.motifs.motif_files import motif_name, name_of_motif_file
from cisreg.motifs.pkdm import SUFFIX
from cisreg.motifs.sources import is_motif_file
from cisreg.motifs.text import parse_number
from cisreg.names import join_fields
from cisreg.number_text import is_float
from cisreg.streams import open_input


def count_sequences(path: str) -> int:
    """Number of lines with a sequence: all except blank lines and comments (#).

    Raises:
        OSError, ValueError: as `cisreg.streams.open_input`.
    """
    with open_input(path) as stream:
        return sum(1 for line in stream if line.strip() and not line.startswith(b"#"))


def list_motifs(path: str) -> list[tuple[str, Path]]:
    """Name and path of each motif in a list.

    CisRegModels takes paths relative to the current folder, cisreg relative to the folder of the
    list; both are tried.

    Raises:
        FileNotFoundError: a motif is in neither folder.
        ValueError: the list is empty.
    """
    folder = Path(path).parent
    motifs = []
    with open_input(path) as stream:
        for number, line in enumerate(stream, start=1):
            text = line.decode("utf-8", "replace").rstrip()
            if not text or text.startswith("#"):
                continue
            name = text.split("\t")[0]
            place = f"{path}:{number}"
            found = [each for each in (folder / name, Path(name)) if is_motif_file(each, place)]
            if not found:
                raise FileNotFoundError(
                    f"{place}: expected a motif, but {name} is neither beside the list nor "
                    "in this folder; check the path"
                )
            motifs.append((name_of_motif_file(found[0]), found[0]))
    if not motifs:
        raise ValueError(f"{path}: expected a motif in each line, got none; is it the list (-dm)?")
    return motifs


def match_motif_list(
    path: str, motifs: Sequence[tuple[str, Path]], prefix: str, files: dict[str, str]
) -> str:
    """A list that cisreg reads: the old one, or a new one if its paths need to be changed."""
    folder = Path(path).parent
    if all(_is_beside(motif, folder) and motif.suffix == SUFFIX for _, motif in motifs):
        return path
    own = f"{prefix}.motif_list.txt"
    start = Path(own).parent
    files[own] = "".join(f"{os.path.relpath(motif, start)}\n" for _, motif in motifs)
    return own


def _is_beside(motif: Path, folder: Path) -> bool:
    return motif.is_relative_to(folder)


def match_values(
    source: str,
    option: str,
    names: Sequence[str],
    own: str,
    files: dict[str, str],
    *,
    number_allowed: bool,
) -> str:
    """A number, or a file with a number for each motif by name.

    CisRegModels reads the numbers by order and ignores the names beside them. If the names are not
    those of the motifs, a new file is written with the same numbers and the right names.

    Args:
        source: a number or the path of a file with two columns.
        option: the old option, for errors.
        names: of all motifs, in order.
        own: path of the new file, without its ending.
        files: the text of the new file is added here.
        number_allowed: whether one number for all motifs is allowed.

    Raises:
        ValueError: a line cannot be parsed, or there are more numbers than motifs.
        OSError: the file cannot be read.
    """
    if not Path(source).exists():
        if number_allowed and is_float(source):
            return source
        what = "a number or a file" if number_allowed else "a file"
        raise FileNotFoundError(f"{option}: expected {what}, got {source}, which does not exist")
    rows = _value_rows(source)
    if len(rows) > len(names):
        raise ValueError(
            f"{option}: expected numbers for {len(names)} motifs at most, got {len(rows)} in "
            f"{source}"
        )
    if [motif_name(name) for name, _ in rows] == list(names[: len(rows)]) and _has_tabs(source):
        return source
    files[f"{own}.tsv"] = "".join(
        join_fields([name, value]) + "\n" for name, (_, value) in zip(names, rows, strict=False)
    )
    return f"{own}.tsv"


def _value_rows(path: str) -> list[tuple[str, str]]:
    rows = []
    with open_input(path) as stream:
        for number, line in enumerate(stream, start=1):
            text = line.decode("utf-8", "replace").strip()
            if not text or text.startswith("#"):
                continue
            fields = text.split("\t") if "\t" in text else text.split()
            place = f"{path}:{number}"
            if len(fields) < 2:
                raise ValueError(f"{place}: expected a motif and a number, got {len(fields)} field")
            parse_number(fields[1], place, 2)
            rows.append((fields[0], fields[1]))
    return rows


def _has_tabs(path: str) -> bool:
    """Whether each line is as cisreg expects it: two fields separated by a tab."""
    with open_input(path) as stream:
        return all(line.count(b"\t") == 1 for line in stream if line.strip())
