"""Opens the sequences of a genome, whatever their files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from cisreg.choices import check_choice
from cisreg.file_checks import STANDARD
from cisreg.genome.fasta import FastaGenome
from cisreg.genome.interval_source import IntervalSource
from cisreg.genome.intervals import Intervals
from cisreg.genome.portions import SoftMasked
from cisreg.genome.sequence_files import PathLike, find_sequence_files
from cisreg.genome.source import GenomeSource
from cisreg.genome.two_bit import MAGICS, TwoBitGenome


def open_genome(
    path: PathLike | Sequence[PathLike],
    *,
    intervals: PathLike | Intervals | Any | None = None,
    softmasked: SoftMasked = "keep",
) -> GenomeSource:
    """Opens sequences, to be read in portions of bounded memory or as stretches from anywhere.

    Args:
        path: FASTA files, plain or compressed (gzip, bgzip, zstd, bzip2): a path, a pattern such
            as "chr*.fa.gz", a folder, a URL, "-" for standard input, or a list of these; or one
            2bit file.
        intervals: only these: the path of a BED file, `Intervals`, or a table, see
            `Intervals.from_table`. Portions are then those of the intervals, in their order.
        softmasked: what letters in lower case are: "keep", bases like the others, or "unknown".

    Returns:
        A context manager that closes the files.

    Raises:
        FileNotFoundError: no such file.
        ValueError: "file:line: expected …, got …; …".

    Example:
        >>> with open_genome("hg38.fa.gz", intervals="peaks.bed") as genome:  # doctest: +SKIP
        ...     for portion in genome.portions(overlap=29):
        ...         print(portion.region, portion.sequence, portion.start, portion.own)
    """
    check_choice("softmasked", softmasked, SoftMasked)
    if (
        isinstance(path, str)
        and path == STANDARD
        and isinstance(intervals, str)
        and intervals == path
    ):
        raise ValueError(
            "intervals: expected another file than the genome's, got standard input for both"
        )
    wanted = None if intervals is None else _intervals(intervals)
    genome = _open(path, masked_unknown=softmasked == "unknown")
    if wanted is None:
        return genome
    try:
        return IntervalSource(genome, wanted)
    except BaseException:
        genome.close()
        raise


def _open(path: PathLike | Sequence[PathLike], *, masked_unknown: bool) -> GenomeSource:
    files = find_sequence_files(path)
    two_bit = [file.name for file in files if file.start(4) in MAGICS]
    if not two_bit:
        return FastaGenome(files, masked_unknown=masked_unknown)
    if len(files) > 1:
        raise ValueError(
            f"{two_bit[0]}: expected one file where it is 2bit, got {len(files)}; give it alone, "
            "or FASTA files"
        )
    return TwoBitGenome(files[0], masked_unknown=masked_unknown)


def _intervals(intervals: Any) -> Intervals:
    if isinstance(intervals, Intervals):
        return intervals
    if isinstance(intervals, str | os.PathLike):
        return Intervals.from_bed(intervals)
    return Intervals.from_table(intervals)
