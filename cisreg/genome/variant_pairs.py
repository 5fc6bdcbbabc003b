"""Pairs of sequences, without and with variants: constructs of a genome, or windows around them."""

from __future__ import annotations

import bisect
import functools
import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from cisreg.choices import check_choice
from cisreg.display import counted
from cisreg.genome.intervals import Intervals
from cisreg.genome.source import GenomeSource, unknown_name
from cisreg.genome.variants import LeftOut, Variant
from cisreg.limits import MOST_ROWS_AT_ONCE, check_range
from cisreg.sequences import Side, check_side, decode, encode_text

logger = logging.getLogger("cisreg.genome")

Mismatch = Literal["error", "skip"]

OUTSIDE = "outside of every construct"
OVER_EDGE = "reaching over, or inserting at, the edge of a construct"
_SHOWN_BASES = 24
_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
_TEXTS_KEPT = 1 << 12


@dataclass(frozen=True, eq=False)
class VariantPairs:
    """Pairs of sequences as text, on the strand that is read, and what each pair is.

    Attributes:
        reference: N sequences of the genome.
        alternative: the same with the variant, or with all variants of a construct.
        places: Arrow table of N rows. One variant at a time: construct, chromosome, position (of
            the first base of the reference allele, from 1 as in VCF), identifier, reference and
            alternative (alleles, on the forward strand). Several together: construct, chromosome,
            variants (such as "101:A>G,120:CT>C") and, for a sample, haplotype (from 1).

    Example:
        >>> VariantPairs(["ACG"], ["ATG"], pa.table({"construct": ["p1"]})).reference
        ['ACG']
    """

    reference: list[str]
    alternative: list[str]
    places: pa.Table

    def __len__(self) -> int:
        """N, the number of pairs."""
        return len(self.reference)


class _Pair(NamedTuple):
    reference: str
    alternative: str
    place: tuple[Any, ...]


_ONE = {
    "construct": pa.string(),
    "chromosome": pa.string(),
    "position": pa.int64(),
    "identifier": pa.string(),
    "reference": pa.string(),
    "alternative": pa.string(),
}
_SEVERAL = {"construct": pa.string(), "chromosome": pa.string(), "variants": pa.string()}
_OF_SAMPLE = {**_SEVERAL, "haplotype": pa.int64()}


def variant_pairs(
    variants: Iterable[Variant],
    genome: GenomeSource,
    *,
    constructs: Intervals | None = None,
    window: int | None = None,
    padding_side: Side = "left",
    mismatch: Mismatch = "error",
    together: bool = False,
    by_haplotype: bool = False,
    batch_size: int = 1024,
    left_out: LeftOut | None = None,
) -> Iterator[VariantPairs]:
    """The sequences without and with each variant, batch after batch.

    Args:
        variants: of `read_variants`, in any order. One at a time they are read as they are needed;
            with `together` those within constructs are kept in memory.
        genome: of `open_genome`, without intervals.
        constructs: the stretches of the genome that are read, each on its strand: "-" is the
            reverse complement. Indels make a construct longer or shorter. A variant within several
            constructs has a pair for each; what is within none, or reaches over an edge, is left
            out and counted.
        window: without constructs: bases of a window on the forward strand around each variant.
            Both sequences have this length: an indel moves the bases on `padding_side` of it. Bases
            beyond the end of a chromosome are unknown.
        padding_side: see `window`.
        mismatch: where the reference allele is not that of the genome: "error", or "skip" and
            count it.
        together: apply all variants of a construct together; none of them may overlap.
        by_haplotype: with `together`, apart for each haplotype of the variants' sample.
        batch_size: pairs of a batch.
        left_out: counts what is left out; None: the log says it after the last batch.

    Yields:
        Batches; one empty batch if there are no pairs.

    Raises:
        ValueError: a variant that does not fit the genome, or overlaps another one that is applied
            with it; the message names the records.

    Example:
        >>> genome = open_genome("yeast.fa")  # doctest: +SKIP
        >>> found = read_variants("strain.vcf.gz")  # doctest: +SKIP
        >>> for pairs in variant_pairs(found, genome, window=110):  # doctest: +SKIP
        ...     print(pairs.reference[0], pairs.alternative[0])
    """
    check_choice("mismatch", mismatch, Mismatch)
    check_side(padding_side)
    check_range("batch_size", batch_size, 1, MOST_ROWS_AT_ONCE)
    if (constructs is None) == (window is None):
        raise ValueError("constructs, window: expected one of them, got both or neither")
    if together and constructs is None:
        raise ValueError("together: expected constructs that hold the variants, got none")
    own = LeftOut() if left_out is None else left_out
    checked = _checked(variants, genome, mismatch, own)
    columns = _ONE
    if constructs is None:
        assert window is not None
        check_range("window", window, 1, MOST_ROWS_AT_ONCE)
        pairs = _in_windows(checked, genome, window, padding_side, own)
    else:
        constructs.check(genome.length_of())
        held = _Constructs(constructs, genome)
        pairs = _each(checked, held, own)
        if together:
            columns = _OF_SAMPLE if by_haplotype else _SEVERAL
            pairs = _together(checked, held, own, by_haplotype)
    yield from _batches(pairs, columns, batch_size)
    if left_out is None:
        own.report()


def _batches(
    pairs: Iterator[_Pair], columns: dict[str, pa.DataType], size: int
) -> Iterator[VariantPairs]:
    is_first = True
    while batch := list(itertools.islice(pairs, size)):
        yield _batch(batch, columns)
        is_first = False
    if is_first:
        yield _batch([], columns)


def _batch(pairs: list[_Pair], columns: dict[str, pa.DataType]) -> VariantPairs:
    by_column = list(zip(*(pair.place for pair in pairs), strict=True)) or [()] * len(columns)
    table = pa.table(
        {
            name: pa.array(values, kind)
            for (name, kind), values in zip(columns.items(), by_column, strict=True)
        }
    )
    return VariantPairs([each.reference for each in pairs], [e.alternative for e in pairs], table)


def _checked(
    variants: Iterable[Variant], genome: GenomeSource, mismatch: str, left_out: LeftOut
) -> Iterator[Variant]:
    """The variants whose reference allele is that of the genome."""
    lengths = genome.length_of()
    for variant in variants:
        if variant.sequence not in lengths:
            raise ValueError(f"{variant.place}: {unknown_name(variant.sequence, lengths)}")
        fault = _fault(variant, genome, lengths[variant.sequence])
        if not fault:
            yield variant
        elif mismatch == "skip":
            left_out.add("a reference allele that is not that of the genome", variant.place)
        else:
            raise ValueError(
                f"{variant.place}: {fault}; are the variants of another assembly of the genome? "
                'Give the genome that they were called on, or leave such variants out with "skip" '
                "(--mismatch skip)"
            )


def _fault(variant: Variant, genome: GenomeSource, length: int) -> str:
    begin = variant.position - 1
    end = begin + len(variant.reference)
    if end > length:
        return (
            f"expected a reference allele within {variant.sequence}, which has {length:,} bases, "
            f"got one that ends at {end:,}"
        )
    there = genome.fetch(variant.sequence, begin, end)
    codes = np.asarray(encode_text(pa.array([variant.reference]), None))[0]
    if np.array_equal(there, codes):
        return ""
    first = int(np.flatnonzero(there != codes)[0])
    part = slice(first, first + _SHOWN_BASES)
    of_genome, of_file = decode(there[np.newaxis])[0][part], variant.reference[part]
    return (
        f"expected the bases of the genome as the reference allele, {of_genome} at "
        f"{variant.sequence}:{begin + 1 + first}, got {of_file}"
    )


class _Constructs:
    """Intervals by their places, and their bases.

    Args:
        intervals: the constructs.
        genome: the genome.
    """

    def __init__(self, intervals: Intervals, genome: GenomeSource) -> None:
        self.intervals = intervals
        self._genome = genome
        self._of: dict[str, tuple[list[int], list[int], list[int]]] = {}
        order = np.lexsort((np.arange(len(intervals)), intervals.start))
        for index in order.tolist():
            starts, furthest, numbers = self._of.setdefault(intervals.sequence[index], ([], [], []))
            starts.append(int(intervals.start[index]))
            furthest.append(max(int(intervals.end[index]), *furthest[-1:], 0))
            numbers.append(index)
        self.bases = functools.lru_cache(_TEXTS_KEPT)(self._bases)

    def touching(self, sequence: str, begin: int, end: int) -> list[int]:
        """Numbers of the constructs that the bases begin to end overlap or touch, in their order.

        Walks back from the last one that begins early enough, as long as any ends late enough.
        """
        starts, furthest, numbers = self._of.get(sequence, ([], [], []))
        found = []
        at = bisect.bisect_right(starts, end) - 1
        while at >= 0 and furthest[at] >= begin:
            if self.intervals.end[numbers[at]] >= begin:
                found.append(numbers[at])
            at -= 1
        return sorted(found)

    def holds(self, number: int, begin: int, end: int) -> bool | None:
        """Whether a construct holds a change of the bases begin to end; None: in part."""
        start, stop = int(self.intervals.start[number]), int(self.intervals.end[number])
        if begin == end:
            return True if start < begin < stop else None
        if start <= begin and end <= stop:
            return True
        return None if begin < stop and end > start else False

    def pair(self, number: int, changes: Sequence[tuple[int, int, str]]) -> tuple[str, str]:
        """The sequences without and with changes that do not overlap, on the construct's strand."""
        text, start = self.bases(number), int(self.intervals.start[number])
        changed = _changed(text, start, changes)
        if self.intervals.strand[number] == "-":
            return _reverse_complement(text), _reverse_complement(changed)
        return text, changed

    def _bases(self, number: int) -> str:
        return _fetch(
            *(self._genome, self.intervals.sequence[number]),
            *(int(self.intervals.start[number]), int(self.intervals.end[number])),
        )


def _placed(
    variants: Iterator[Variant], constructs: _Constructs, left_out: LeftOut
) -> Iterator[tuple[Variant, int]]:
    """Each variant with each construct that holds it."""
    for variant in variants:
        begin, end, _ = variant.change
        near = constructs.touching(variant.sequence, begin, end)
        held = {number: constructs.holds(number, begin, end) for number in near}
        if not any(each or each is None for each in held.values()):
            left_out.add(OUTSIDE, variant.place)
        for number, is_held in held.items():
            if is_held:
                yield variant, number
            elif is_held is None:
                construct = constructs.intervals.name[number]
                left_out.add(OVER_EDGE, f"{variant.place} in {construct}")


def _each(
    variants: Iterator[Variant], constructs: _Constructs, left_out: LeftOut
) -> Iterator[_Pair]:
    names = constructs.intervals.name
    for variant, number in _placed(variants, constructs, left_out):
        yield _Pair(
            *constructs.pair(number, [variant.change]), (names[number], *_columns_of(variant))
        )


def _columns_of(variant: Variant) -> tuple[Any, ...]:
    return (
        *(variant.sequence, variant.position, variant.identifier),
        *(variant.reference, variant.alternative),
    )


def _together(
    variants: Iterator[Variant], constructs: _Constructs, left_out: LeftOut, by_haplotype: bool
) -> Iterator[_Pair]:
    """One pair for each construct with variants, or for each of its haplotypes with variants."""
    held: dict[tuple[int, int], list[Variant]] = {}
    for variant, number in _placed(variants, constructs, left_out):
        for haplotype in variant.haplotypes if by_haplotype else (0,):
            held.setdefault((number, haplotype), []).append(variant)
    for (number, haplotype), found in sorted(held.items()):
        name = constructs.intervals.name[number]
        kept = _apart(found, name, left_out)
        shown = ",".join(f"{e.position}:{e.reference}>{e.alternative}" for e in kept)
        place: tuple[Any, ...] = (name, constructs.intervals.sequence[number], shown)
        changes = [variant.change for variant in kept]
        yield _Pair(
            *constructs.pair(number, changes), (*place, haplotype + 1) if by_haplotype else place
        )


def _apart(variants: list[Variant], construct: str, left_out: LeftOut) -> list[Variant]:
    """The variants by their places, without repetitions; an error if some overlap."""
    kept: list[Variant] = []
    for variant in sorted(variants, key=lambda each: each.change):
        begin, end, bases = variant.change
        if kept:
            first, last, others = kept[-1].change
            if (first, last, others) == (begin, end, bases):
                left_out.add("the same change as another record that is applied", variant.place)
                continue
            both_insert = first == last == begin == end
            if begin < last or both_insert:
                raise ValueError(
                    f"{kept[-1].place} and {variant.place}: expected variants that do not overlap, "
                    f"since they are applied together in the construct {construct}, got two that "
                    "do; take one of them away, take one variant at a time, or those of a "
                    "haplotype of a sample"
                )
        kept.append(variant)
    return kept


def _in_windows(
    variants: Iterator[Variant], genome: GenomeSource, window: int, side: Side, left_out: LeftOut
) -> Iterator[_Pair]:
    lengths, beyond = genome.length_of(), 0
    for variant in variants:
        begin, end, bases = variant.change
        if max(end - begin, len(bases)) > window:
            left_out.add(f"longer than the window of {window} bases", variant.place)
            continue
        start = (begin + end) // 2 - window // 2
        more = max(end - begin - len(bases), 0)
        first, last = (
            (start - more, start + window) if side == "left" else (start, start + window + more)
        )
        text = _fetch(genome, variant.sequence, first, last)
        beyond += first < 0 or last > lengths[variant.sequence]
        changed = _changed(text, first, [variant.change])
        if side == "left":
            pair = text[-window:], changed[-window:]
        else:
            pair = text[:window], changed[:window]
        name = f"{variant.sequence}:{start}-{start + window}"
        yield _Pair(*pair, (name, *_columns_of(variant)))
    if beyond:
        logger.warning(
            "%s beyond the end of a chromosome, where bases are unknown",
            f"{counted(beyond, 'window')} reach{'es' * (beyond == 1)}",
        )


def _fetch(genome: GenomeSource, sequence: str, start: int, end: int) -> str:
    """Bases of a stretch, in upper case; N where the sequence has none."""
    length = genome.length_of()[sequence]
    first, last = min(max(start, 0), length), max(min(end, length), 0)
    bases = decode(genome.fetch(sequence, first, max(first, last))[np.newaxis])[0]
    return "N" * min(max(-start, 0), end - start) + bases + "N" * max(end - max(length, start), 0)


def _changed(text: str, start: int, changes: Sequence[tuple[int, int, str]]) -> str:
    """The text, which begins at `start` of the genome, with changes that are sorted."""
    parts, at = [], 0
    for begin, end, bases in changes:
        parts += [text[at : begin - start], bases]
        at = end - start
    return "".join([*parts, text[at:]])


def _reverse_complement(text: str) -> str:
    return text.translate(_COMPLEMENT)[::-1]
