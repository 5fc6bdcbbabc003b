"""The texts of motif files: MEME, JASPAR, TRANSFAC, HOMER."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cisreg.motifs.bases import BASES
from cisreg.motifs.file_numbers import WrittenMotif, count_rows, plain, probability_rows
from cisreg.motifs.formats.found import ACCESSION

_BLANKS = re.compile(r"\s+")


class FileOptions(NamedTuple):
    """What a file says beside its motifs.

    Attributes:
        site_count: of motifs whose number of sites is not known.
        background: of A, C, G and T, for the head of a MEME file.
        comments: lines that say what was assumed.
    """

    site_count: float
    background: tuple[float, ...]
    comments: Sequence[str]


def one_word(text: str) -> str:
    """The text with _ for blanks, for formats whose fields end at a blank.

    Example:
        >>> one_word("Zfp 423")
        'Zfp_423'
    """
    return _BLANKS.sub("_", text.strip())


def _identifiers(motif: WrittenMotif) -> tuple[str, str]:
    """The first and the second name of a motif: the accession and the name, where it has both.

    An accession that could be taken for a name comes second.
    """
    name, accession = motif.name, motif.details.accession
    if accession is not None and ACCESSION.fullmatch(accession) and accession != name:
        return accession, one_word(name)
    others = [accession] if accession not in (None, name) else motif.details.alternate_names[:1]
    return one_word(name), one_word("".join(filter(None, others)))


def _sites(motif: WrittenMotif) -> float | None:
    """The number of sites: as the file states it, or the largest sum of counts, rounded."""
    details = motif.details
    if details.site_count is not None or details.matrix is None or details.kind != "counts":
        return details.site_count
    return max(1.0, round(max(map(sum, details.matrix))))


def meme_text(motifs: Sequence[WrittenMotif], options: FileOptions) -> Iterator[str]:
    """The minimal format of MEME, https://meme-suite.org/meme/doc/meme-format.html."""
    yield "MEME version 4\n\n"
    yield "".join(f"# {each}\n" for each in options.comments)
    shares = " ".join(
        f"{base} {share!r}" for base, share in zip(BASES, options.background, strict=True)
    )
    yield "\n" if options.comments else ""
    yield f"ALPHABET= {BASES}\n\nstrands: + -\n\nBackground letter frequencies\n{shares}\n"
    for motif in motifs:
        first, second = _identifiers(motif)
        sites = _sites(motif)
        stated = "" if sites is None else f" nsites= {plain(sites)}"
        yield f"\nMOTIF {first} {one_word(second)}".rstrip() + "\n"
        width = len(motif.probabilities)
        yield f"letter-probability matrix: alength= 4 w= {width}{stated} E= 0\n"
        yield "".join(" " + " ".join(row) + "\n" for row in probability_rows(motif))


def jaspar_text(motifs: Sequence[WrittenMotif], options: FileOptions) -> Iterator[str]:
    """The format of JASPAR from 2016 on, https://jaspar.elixir.no/docs."""
    for motif in motifs:
        yield f">{chr(9).join(filter(None, _identifiers(motif)))}\n"
        rows = count_rows(motif, options.site_count).rows
        size = max(len(value) for row in rows for value in row)
        for base, values in zip(BASES, zip(*rows, strict=True), strict=True):
            yield f"{base}  [ {' '.join(value.rjust(size) for value in values)} ]\n"


def transfac_text(motifs: Sequence[WrittenMotif], options: FileOptions) -> Iterator[str]:
    """TRANSFAC's format: keys of two letters, a numbered row of counts per column."""
    for motif in motifs:
        details = motif.details
        lines = [f"AC  {details.accession or motif.name}", "XX", f"ID  {motif.name}", "XX"]
        if details.description:
            lines += [f"DE  {_BLANKS.sub(' ', details.description)}", "XX"]
        counts = count_rows(motif, options.site_count)
        lines += ["P0  " + "  ".join(BASES)]
        lines += [
            f"{number:02d}  {'  '.join(row)}  {letter}"
            for number, (row, letter) in enumerate(
                zip(counts.rows, motif.consensus, strict=True), start=1
            )
        ]
        lines += ["XX"]
        if details.site_count is not None:
            lines += [f"BA  {plain(details.site_count)} sequences", "XX"]
        remarks = [f"tf_family:{details.family}"] if details.family else []
        remarks += options.comments
        if counts.assumed:
            remarks.append(
                f"the number of sites is not known: counts are probabilities times "
                f"{plain(options.site_count)}"
            )
        lines += [f"CC  {remark}" for remark in remarks] + ["XX"] * bool(remarks)
        yield "".join(line + "\n" for line in [*lines, "//"])


def homer_text(motifs: Sequence[WrittenMotif], options: FileOptions) -> Iterator[str]:
    """HOMER's format, http://homer.ucsd.edu/homer/motif/creatingCustomMotifs.html."""
    del options
    for motif in motifs:
        name, sites = _BLANKS.sub(" ", motif.name), motif.details.site_count
        fields = [motif.consensus, name, plain(motif.threshold or 0.0)]
        # A logarithm of a p-value that is not known, a number that HOMER does not use, the sites.
        fields += [] if sites is None else ["0", "0", f"T:{plain(sites)}"]
        yield ">" + "\t".join(fields) + "\n"
        yield "".join("\t".join(row) + "\n" for row in probability_rows(motif))
