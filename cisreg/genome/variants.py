"""Variants of a genome: the records of VCF and BCF files."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from cisreg.choices import check_choice
from cisreg.display import counted, printable
from cisreg.file_checks import STANDARD
from cisreg.genome.sequence_files import COMPRESSED, PathLike, SequenceFile
from cisreg.genome.tabix import load_pysam
from cisreg.names import ACTING
from cisreg.streams import BGZF_END

logger = logging.getLogger("cisreg.genome")

Unusable = Literal["skip", "error"]

_BASES = re.compile("[ACGTNacgtn]+")
_SHOWN_ALLELE = 24


@dataclass(frozen=True)
class Variant:
    """One alternative allele of one record: the bases of the reference, and what replaces them.

    Attributes:
        sequence: name of the chromosome.
        position: of the first base of `reference`, from 1 as in VCF.
        identifier: the record's ID; "." if it has none.
        reference: bases of the reference on the forward strand, in upper case.
        alternative: bases that replace them, in upper case.
        record: number of the record in its file, from 1.
        source: the file, for errors.
        haplotypes: numbers, from 0, of the haplotypes of the chosen sample that have the allele;
            () where no sample is chosen.

    Example:
        >>> deletion = Variant("chrI", 10, "rs1", "CAT", "C")
        >>> deletion.change, str(deletion)
        ((10, 12, ''), 'chrI:10 CAT>C')
    """

    sequence: str
    position: int
    identifier: str
    reference: str
    alternative: str
    record: int = 1
    source: str = "variants"
    haplotypes: tuple[int, ...] = ()

    def __str__(self) -> str:
        alleles = f"{_short(self.reference)}>{_short(self.alternative)}"
        return printable(f"{self.sequence}:{self.position} {alleles}")

    @property
    def place(self) -> str:
        """Where it is written, for errors.

        Example:
            >>> Variant("chrI", 10, ".", "A", "G", record=3, source="x.vcf").place
            'x.vcf: record 3 (chrI:10 A>G)'
        """
        return f"{self.source}: record {self.record} ({self})"

    @property
    def change(self) -> tuple[int, int, str]:
        """Begin and end, from 0, of the bases that are replaced, and the bases that replace them.

        What both alleles begin or end with is no change: VCF writes an insertion or a deletion
        with the base before it. An insertion replaces no base: its begin is its end.
        """
        first, second = self.reference, self.alternative
        same = _common(first, second)
        behind = _common(first[same:][::-1], second[same:][::-1])
        begin = self.position - 1 + same
        end = self.position - 1 + len(first) - behind
        return begin, end, second[same : len(second) - behind]


def _common(first: str, second: str) -> int:
    """How many letters two texts begin with in common."""
    pairs = zip(first, second, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))


def _short(bases: str) -> str:
    if len(bases) <= _SHOWN_ALLELE:
        return bases
    return f"{bases[: _SHOWN_ALLELE // 2]}...({len(bases):,} bases)"


class LeftOut:
    """What is left out and why, to be said once.

    Example:
        >>> left_out = LeftOut()
        >>> left_out.add("of the allele *", "x.vcf: record 3")
        >>> left_out.count("of the allele *")
        1
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def add(self, why: str, place: str) -> None:
        """Counts one more; the first of each kind is kept for the log."""
        self._counts[why] = self._counts.get(why, 0) + 1
        self._first.setdefault(why, place)

    def count(self, why: str | None = None) -> int:
        """How many were left out for a reason, or for any."""
        return sum(self._counts.values()) if why is None else self._counts.get(why, 0)

    def report(self) -> None:
        """Writes one warning for each reason."""
        for why, count in self._counts.items():
            logger.warning(
                "%s left out: %s; the first is %s",
                *(counted(count, "variant"), why, self._first[why]),
            )


def read_variants(
    path: PathLike,
    *,
    unusable: Unusable = "skip",
    sample: str | None = None,
    left_out: LeftOut | None = None,
) -> Iterator[Variant]:
    """Reads the records of a VCF or BCF file, one variant for each alternative allele.

    Alleles that are no bases have no sequence: `*` (the allele of a deletion that begins before),
    symbols such as `<DEL>`, breakends, and `.` (no alternative allele).

    Args:
        path: VCF, plain or compressed (bgzip, gzip, zstd, bzip2), or BCF; a path, a URL, or "-" for
            standard input. It need not be sorted, and has no need of an index.
        unusable: what to do with such alleles: "skip" and count them, or "error".
        sample: only the alleles that this sample has, with their haplotypes. Genotypes must be
            phased (0|1), unless all alleles of the record are the same.
        left_out: counts what is left out; None: the log says it after the last record.

    Yields:
        Variants in the order of the file; of a record with several alternatives in their order.

    Raises:
        ImportError: pysam is not installed.
        FileNotFoundError: no such file.
        ValueError: "file: record 3 (chrI:10): expected …, got …": no VCF, a damaged record, an
            allele that is not usable, a sample that is not there or not phased.

    Example:
        >>> for variant in read_variants("strain.vcf.gz"):  # doctest: +SKIP
        ...     print(variant.sequence, variant.position, variant.reference, variant.alternative)
    """
    check_choice("unusable", unusable, Unusable)
    own = LeftOut() if left_out is None else left_out
    name = "standard input" if os.fspath(path) == STANDARD else os.fspath(path)
    with _opened(path, name) as file:
        if sample is not None and sample not in file.header.samples:
            known = ", ".join(map(repr, list(file.header.samples)[:5])) or "none"
            raise ValueError(f"{name}: expected the sample {sample!r}, got a file with {known}")
        for number, record in enumerate(_records(file, name), start=1):
            yield from _of_record(record, number, name, sample, own, unusable)
    if left_out is None:
        own.report()


@contextmanager
def _opened(path: PathLike, name: str) -> Iterator[Any]:
    pysam = load_pysam("VCF and BCF files are read by")
    with ExitStack() as stack:
        readable = _readable(os.fspath(path), stack)
        # The library below pysam writes notices to standard error; faults come as exceptions too.
        stack.callback(pysam.set_verbosity, pysam.set_verbosity(0))
        try:
            file = stack.enter_context(pysam.VariantFile(readable))
        except (ValueError, OSError) as error:
            raise ValueError(
                f"{name}: expected a whole VCF or BCF file with its header (##fileformat, #CHROM), "
                f"got something else ({error})"
            ) from None
        except NotImplementedError as error:
            raise ValueError(
                f"{name}: expected text, or what bgzip compressed, through a pipe, got another "
                f"compression ({error}); give the file itself, or decompress it"
            ) from None
        yield file


def _readable(path: str, stack: ExitStack) -> str:
    """The file itself, or a decompressed copy where pysam does not read its compression."""
    if path == STANDARD:
        return path
    file = SequenceFile(path)
    stack.callback(file.close)
    start = file.start(len(BGZF_END))
    is_bgzip = start[:4] == BGZF_END[:4] and start[12:16] == BGZF_END[12:16]
    if is_bgzip or not start.startswith(COMPRESSED):
        return path
    return file.spool("is compressed, but not by bgzip")


def _records(file: Any, name: str) -> Iterator[Any]:
    records, number = iter(file), 0
    while True:
        try:
            record = next(records)
        except StopIteration:
            return
        except (OSError, ValueError, UnicodeDecodeError) as error:
            raise ValueError(
                f"{name}: record {number + 1}: expected columns CHROM POS ID REF ALT ... separated "
                f"by tabs, got a damaged or cut record ({error})"
            ) from None
        number += 1
        yield record


def _of_record(
    record: Any, number: int, name: str, sample: str | None, left_out: LeftOut, unusable: str
) -> Iterator[Variant]:
    place = f"{name}: record {number} ({printable(f'{record.contig}:{record.pos}')})"
    carriers = None if sample is None else _haplotypes(record, sample, place, left_out)
    if carriers is not None and not carriers:
        return
    if record.pos < 1:
        raise ValueError(f"{place}: expected a position from 1, got {record.pos}; remove it")
    reference = record.ref or ""
    if not reference or ACTING.search(f"{record.contig}{record.id or ''}"):
        raise ValueError(f"{place}: expected a reference allele and names of plain text, got none")
    for allele, alternative in enumerate(record.alts or (".",), start=1):
        if carriers is not None and allele not in carriers:
            continue
        why = _why_unusable(reference, alternative)
        if why and unusable == "error":
            raise ValueError(
                f"{place}: expected alleles of bases, got {_short(reference)} and "
                f"{_short(alternative)}, {why}; remove it, or skip such alleles"
            )
        if why:
            left_out.add(why, place)
            continue
        yield Variant(
            record.contig,
            record.pos,
            record.id or ".",
            reference.upper(),
            alternative.upper(),
            number,
            name,
            () if carriers is None else carriers[allele],
        )


def _why_unusable(reference: str, alternative: str) -> str:
    """Why an allele has no sequence, or is none; "" if it is one."""
    if alternative == ".":
        return "no alternative allele (.)"
    if alternative in ("*", "<*>", "<NON_REF>"):
        return f"the allele {alternative}, which has no bases of its own"
    if alternative.startswith("<"):
        return "symbolic alleles such as <DEL>"
    if any(mark in alternative for mark in "[].") and alternative != ".":
        return "breakends"
    if not _BASES.fullmatch(alternative):
        return "an alternative allele with letters other than A C G T N"
    return "an alternative allele equal to the reference" * (
        reference.upper() == alternative.upper()
    )


def _haplotypes(
    record: Any, sample: str, place: str, left_out: LeftOut
) -> dict[int, tuple[int, ...]]:
    """For each allele that is not the reference, the haplotypes of the sample that have it."""
    genotype = record.samples[sample]
    alleles = genotype.allele_indices or ()
    if any(each is None for each in alleles) or not alleles:
        left_out.add(f"the genotype of {sample} is not known (.)", place)
        return {}
    if len(set(alleles)) > 1 and not genotype.phased:
        raise ValueError(
            f"{place}: expected a phased genotype of {sample} such as 0|1, got "
            f"{'/'.join(map(str, alleles))}; phase the variants first, or leave the sample out"
        )
    return {
        each: tuple(number for number, allele in enumerate(alleles) if allele == each)
        for each in sorted(set(alleles) - {0})
    }
