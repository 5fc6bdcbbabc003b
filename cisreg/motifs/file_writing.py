"""Writes motif sets to files of the formats that people hand on."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from cisreg.arrays import as_array
from cisreg.choices import check_choice
from cisreg.display import counted
from cisreg.motifs.bases import BASES
from cisreg.motifs.conversion import LogKdConvention, log_kd_to_log_odds
from cisreg.motifs.file_numbers import WrittenMotif, count_rows
from cisreg.motifs.file_texts import (
    FileOptions,
    homer_text,
    jaspar_text,
    meme_text,
    one_word,
    transfac_text,
)
from cisreg.motifs.motif_set import MotifSet
from cisreg.motifs.pkdm import pkdm_text
from cisreg.streams import open_output

logger = logging.getLogger("cisreg.motifs")

MotifFormat = Literal["meme", "jaspar", "transfac", "homer", "pkdm"]

_SUFFIXES: Mapping[str, MotifFormat] = {
    ".meme": "meme",
    ".jaspar": "jaspar",
    ".transfac": "transfac",
    ".homer": "homer",
    ".motif": "homer",
    ".motifs": "homer",
    ".pkdm": "pkdm",
}
_COMPRESSED = (".gz", ".zst")
_TEXTS: Mapping[str, Callable[[Sequence[WrittenMotif], FileOptions], Iterator[str]]] = {
    "meme": meme_text,
    "jaspar": jaspar_text,
    "transfac": transfac_text,
    "homer": homer_text,
}
_OF_COUNTS = ("jaspar", "transfac")
# Fields of these end at a blank.
_OF_WORDS = ("meme", "jaspar")
_UNIFORM = (0.25,) * 4


def motif_format(path: str | os.PathLike[str], format: MotifFormat | None = None) -> MotifFormat:
    """The format of a motif file: the one that is asked for, or that of the ending of its name.

    Raises:
        ValueError: a format that cannot be written, or an ending that names none.

    Example:
        >>> motif_format("JASPAR2024.meme.gz"), motif_format("-", "homer")
        ('meme', 'homer')
    """
    if format is not None:
        check_choice("format", format, MotifFormat)
        return format
    suffixes = [each.lower() for each in Path(path).suffixes if each.lower() not in _COMPRESSED]
    if not suffixes or suffixes[-1] not in _SUFFIXES:
        raise ValueError(
            f"{path}: expected a name that ends in {', '.join(_SUFFIXES)} (or .gz, .zst after it); "
            f"rename it, or say the format: {', '.join(get_args(MotifFormat))}"
        )
    return _SUFFIXES[suffixes[-1]]


def write_motif_file(
    path: str | os.PathLike[str],
    motifs: MotifSet,
    *,
    format: MotifFormat | None = None,
    site_count: float = 100,
    threshold: npt.ArrayLike | None = None,
    convention: LogKdConvention | None = None,
    comments: Sequence[str] = (),
    overwrite: bool = False,
) -> None:
    """Writes all motifs to one file, with all digits that they have.

    Counts and probabilities that the motifs were read from (`MotifSet.details`) are written with
    the same digits. What the format wants otherwise is computed: probabilities as in
    `MotifSet.probabilities`; counts as probabilities times the number of sites. The log says what
    was assumed, and so does the file where its format has comments (MEME, TRANSFAC, pkdm).

    Args:
        path: the file, compressed where its name ends in .gz or .zst; "-" is standard output.
        motifs: the motifs. MEME and JASPAR have _ for blanks in their names.
        format: "meme" (minimal), "jaspar", "transfac", "homer", or "pkdm" (one motif; several are
            a folder, by `write_motifs`); None: as the ending of the name says (.meme, .jaspar,
            .transfac, .homer, .motif, .pkdm).
        site_count: JASPAR and TRANSFAC hold counts: number of sites of the motifs whose details do
            not say it.
        threshold: HOMER states the lowest score of a hit: log Kd of the weakest one, nats, a number
            or [M]; None: that of `details`. `cisreg.p_value_threshold` computes such thresholds.
        convention: of log Kd; None: as `details` say, and "natural" where they do not.
        comments: further lines for the file, where its format has comments.
        overwrite: whether it may replace a file that exists.

    Raises:
        ValueError: no such format, several motifs for pkdm, no threshold for HOMER, names that are
            equal once blanks are replaced, or a number of sites that is not above 0.
        FileExistsError: the file exists, and `overwrite` is False.
        OSError: the file cannot be written.

    Example:
        >>> from cisreg.motifs import demo_motifs, read_motifs
        >>> write_motif_file("demo.meme", demo_motifs())
        >>> read_motifs("demo.meme").names == demo_motifs().names
        True
    """
    kind = motif_format(path, format)
    if not 0 < site_count < np.inf:
        raise ValueError(f"site_count: expected a number above 0, got {site_count}")
    if kind == "pkdm" and len(motifs) > 1:
        raise ValueError(
            f"{path}: expected one motif for a .pkdm file, got {counted(len(motifs), 'motif')}; "
            "choose one, or write a folder with write_motifs"
        )
    written = _written(motifs, threshold, convention)
    if kind == "homer":
        _check_thresholds(path, written)
    if kind in _OF_WORDS:
        _check_words(path, written)
    remarks = [*comments, *_assumptions(kind, written, site_count, convention)]
    for remark in remarks:
        logger.info("%s: %s", path, remark)
    options = FileOptions(site_count, _background(motifs), remarks)
    with open_output(path, overwrite=overwrite) as file:
        for text in (
            _pkdm(written[0], options) if kind == "pkdm" else _TEXTS[kind](written, options)
        ):
            file.write(text.encode())


def _pkdm(motif: WrittenMotif, options: FileOptions) -> Iterator[str]:
    """The text of a .pkdm file, with the digits of the file where it held log Kd.

    Otherwise with as many digits as tell a float32 from all others.
    """
    yield "".join(f"# {each}\n" for each in options.comments)
    kept = motif.details.matrix if motif.details.kind == "log_kd" else None
    is_same = kept is not None and np.array_equal(np.array(kept, np.float32), motif.log_kd)
    shortest = [[float(str(value)) for value in row] for row in motif.log_kd]
    yield pkdm_text(np.array(kept if is_same else shortest))


def _written(
    motifs: MotifSet, threshold: npt.ArrayLike | None, convention: LogKdConvention | None
) -> list[WrittenMotif]:
    log_kd = [each.threshold for each in motifs.details]
    if threshold is not None:
        given = as_array(threshold, "threshold", np.float64, (...,))
        log_kd = np.broadcast_to(given, len(motifs)).tolist()
    odds = [
        None if each is None or not np.isfinite(each) else _log_odds(each, convention or known)
        for each, known in zip(log_kd, (each.convention for each in motifs.details), strict=True)
    ]
    columns = (motifs.names, motifs.details, motifs.matrices(), motifs.probabilities(convention))
    return [WrittenMotif(*each) for each in zip(*columns, motifs.consensus(), odds, strict=True)]


def _log_odds(log_kd: float, convention: LogKdConvention | None) -> float:
    row = np.full((1, 4), log_kd)
    return float(log_kd_to_log_odds(row, unit="nats", convention=convention or "natural")[0, 0])


def _check_thresholds(path: str | os.PathLike[str], motifs: Sequence[WrittenMotif]) -> None:
    without = [motif.name for motif in motifs if motif.threshold is None]
    if without:
        raise ValueError(
            f"{path}: expected a threshold of each motif for a HOMER file, got none for "
            f"{len(without)} of {len(motifs)}, such as {without[0]!r}; give threshold=, such as "
            "cisreg.p_value_threshold(motifs, 1e-4), which is finite where a motif has such sites"
        )


def _check_words(path: str | os.PathLike[str], motifs: Sequence[WrittenMotif]) -> None:
    changed = [motif.name for motif in motifs if one_word(motif.name) != motif.name]
    if not changed:
        return
    again = [name for name, n in Counter(one_word(each.name) for each in motifs).items() if n > 1]
    if again:
        raise ValueError(
            f"{path}: expected names that differ in more than blanks, got {again[0]!r} several "
            "times; rename the motifs, or write TRANSFAC or HOMER, whose names may have blanks"
        )
    logger.info("%s: blanks in %s are _: %r", path, counted(len(changed), "name"), changed[0])


def _assumptions(
    kind: MotifFormat,
    motifs: Sequence[WrittenMotif],
    site_count: float,
    convention: LogKdConvention | None,
) -> Iterator[str]:
    """What had to be assumed for a file of this format, in lines of text."""
    if kind == "pkdm":
        own = convention or motifs[0].details.convention
        if own is not None and motifs[0].details.kind not in (None, "log_kd"):
            logarithm = {"natural": "ln", "pkdm": "log2"}[own]
            yield f"log Kd = {logarithm}(background / p) (convention {own})"
        return
    computed = [motif for motif in motifs if not motif.has_probabilities]
    conventions = Counter(convention or each.details.convention or "natural" for each in computed)
    for each, count in conventions.items():
        yield (
            f"probabilities of {counted(count, 'motif')} are computed from log Kd (convention "
            f"{each}) and include its pseudocount"
        )
    if kind in _OF_COUNTS:
        unknown = sum(count_rows(motif, site_count).assumed for motif in motifs)
        if unknown:
            yield (
                f"counts of {counted(unknown, 'motif')}, whose number of sites is not known, are "
                f"probabilities times {site_count:g}"
            )


def _background(motifs: MotifSet) -> tuple[float, ...]:
    """The background of all motifs if they have one in common, otherwise 1/4 each."""
    found = {each.background for each in motifs.details}
    common = found.pop() if len(found) == 1 else None
    return _UNIFORM if common is None or len(common) != len(BASES) else tuple(common)
