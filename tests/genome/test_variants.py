"""Variants: what is read of VCF and BCF, and the pairs of sequences that they make."""

from __future__ import annotations

import gzip
import logging

import numpy as np
import pyarrow as pa
import pytest
from genome.variant_files import vcf_text, write_genome
from hypothesis import given, settings
from hypothesis import strategies as st

from cisreg.genome import Intervals, Variant, open_genome, read_variants, variant_pairs
from cisreg.genome.variants import LeftOut

pysam = pytest.importorskip("pysam", reason="reads VCF and BCF")

RANDOM = np.random.default_rng(5)
CHR1 = "".join(RANDOM.choice(list("ACGT"), 200))
CHR1 = CHR1[:150] + "NNNN" + CHR1[154:160].lower() + CHR1[160:]
TEXT = {"chr1": CHR1, "chr2": "GATTACA" * 9}
UPPER = {name: text.upper() for name, text in TEXT.items()}
COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A", "N": "N"}


def reverse_complement(text):
    return "".join(COMPLEMENT[base] for base in reversed(text))


@pytest.fixture
def genome(tmp_path):
    with open_genome(write_genome(tmp_path / "genome.fa", TEXT)) as opened:
        yield opened


def at(position, length=1, sequence="chr1"):
    """Bases of the genome from a position that counts from 1."""
    return UPPER[sequence][position - 1 : position - 1 + length]


def other(base):
    return "ACGT"[("ACGT".index(base) + 1) % 4]


def snv(position, sequence="chr1", **more):
    base = at(position, sequence=sequence)
    return Variant(sequence, position, ".", base, other(base), **more)


def intervals(*rows):
    names = ("chrom", "start", "end", "name", "strand")
    return Intervals.from_table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def found(pairs):
    """The rows of all batches: (reference, alternative, place)."""
    return [
        (*texts, tuple(place.values()))
        for batch in pairs
        for *texts, place in zip(
            batch.reference, batch.alternative, batch.places.to_pylist(), strict=True
        )
    ]


def read(tmp_path, *records, name="x.vcf", samples=(), **options):
    path = tmp_path / name
    path.write_text(vcf_text(*records, samples=samples))
    return list(read_variants(path, **options))


def test_each_alternative_allele_is_a_variant(tmp_path):
    variants = read(tmp_path, "chr1 7 rs1 a G,t", "chr2 3 . TTA T", "chr1 2 . C CGG")
    rows = [
        (v.sequence, v.position, v.identifier, v.reference, v.alternative, v.record)
        for v in variants
    ]
    assert rows == [
        ("chr1", 7, "rs1", "A", "G", 1),
        ("chr1", 7, "rs1", "A", "T", 1),
        ("chr2", 3, ".", "TTA", "T", 2),
        ("chr1", 2, ".", "C", "CGG", 3),
    ]
    assert [v.change for v in variants] == [(6, 7, "G"), (6, 7, "T"), (3, 5, ""), (2, 2, "GG")]


@pytest.mark.parametrize(
    ("reference", "alternative", "change"),
    [
        ("A", "G", (9, 10, "G")),
        ("CAT", "C", (10, 12, "")),
        ("C", "CAT", (10, 10, "AT")),
        ("ATTC", "AGGC", (10, 12, "GG")),
        ("AA", "AAA", (11, 11, "A")),
        ("AAA", "AA", (11, 12, "")),
        ("CA", "GT", (9, 11, "GT")),
        ("GCA", "TCGA", (9, 11, "TCG")),
    ],
)
def test_the_change_leaves_out_what_both_alleles_share(reference, alternative, change):
    variant = Variant("c", 10, ".", reference, alternative)
    assert variant.change == change
    begin, end, bases = change
    text = "T" * 9 + reference + "GGG"
    assert text[:begin] + bases + text[end:] == "T" * 9 + alternative + "GGG"


UNUSABLE = ["*", "<DEL>", "<*>", ".", "G]chr2:5]", "[chr2:5[G", ".G", "R"]


@pytest.mark.parametrize("allele", UNUSABLE)
def test_alleles_without_bases_are_counted_or_an_error(tmp_path, caplog, allele):
    records = ("chr1 1 . A T", f"chr1 5 x A {allele}", "chr1 9 . A C")
    with caplog.at_level(logging.WARNING, "cisreg"):
        kept = read(tmp_path, *records)
    assert [v.position for v in kept] == [1, 9]
    (message,) = [r.getMessage() for r in caplog.records]
    assert message.startswith("1 variant left out: ")
    assert "x.vcf: record 2 (chr1:5)" in message
    with pytest.raises(ValueError, match=r"x\.vcf: record 2 \(chr1:5\): expected alleles of bases"):
        read(tmp_path, *records, unusable="error")


def test_a_usable_allele_beside_one_that_is_not_is_kept(tmp_path):
    left_out = LeftOut()
    kept = read(tmp_path, "chr1 5 . A *,G,<DEL>", "chr1 6 . A .", left_out=left_out)
    assert [(v.position, v.alternative) for v in kept] == [(5, "G")]
    assert left_out.count() == 3


@pytest.mark.parametrize("kind", ["vcf", "gz", "bgz", "bcf"])
def test_every_form_of_file_gives_the_same(tmp_path, kind):
    text = vcf_text("chr2 9 a T C", "chr1 5 b A G,C", "chr1 2 . C CA").replace(
        "#CHROM", "##contig=<ID=chr1>\n##contig=<ID=chr2>\n#CHROM"
    )
    plain = tmp_path / "x.vcf"
    plain.write_text(text)
    path = {"vcf": plain, "gz": tmp_path / "x.vcf.gz"}.get(kind, tmp_path / f"x.{kind}")
    if kind == "gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif kind == "bgz":
        pysam.tabix_compress(str(plain), str(path), force=True)
    elif kind == "bcf":
        with (
            pysam.VariantFile(str(plain)) as source,
            pysam.VariantFile(str(path), "wb", header=source.header) as copy,
        ):
            for record in source:
                copy.write(record)
    rows = [(v.sequence, v.position, v.identifier, v.alternative) for v in read_variants(path)]
    assert rows == [
        ("chr2", 9, "a", "C"),
        ("chr1", 5, "b", "G"),
        ("chr1", 5, "b", "C"),
        ("chr1", 2, ".", "CA"),
    ]


def test_a_file_of_bgzip_that_is_cut_is_an_error(tmp_path):
    plain, path = tmp_path / "x.vcf", tmp_path / "x.vcf.gz"
    plain.write_text(vcf_text("chr1 5 . A G"))
    pysam.tabix_compress(str(plain), str(path), force=True)
    path.write_bytes(path.read_bytes()[:-28])
    with pytest.raises(ValueError, match=r"expected a whole VCF .*no BGZF EOF marker"):
        list(read_variants(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a whole VCF or BCF file with its header"),
        (">chr1\nACGT\n", "expected a whole VCF or BCF file with its header"),
        ("chr1\t5\t.\tA\tG\n", "expected a whole VCF or BCF file with its header"),
        (vcf_text("chr1 5 . A G") + "chr1\t6\n", r"x\.vcf: record 2: expected columns CHROM POS"),
        (vcf_text("chr1 five . A G"), r"x\.vcf: record 1: expected columns CHROM POS"),
        (vcf_text("chr1 0 . N A"), r"record 1 \(chr1:0\): expected a position from 1"),
    ],
)
def test_damaged_files_name_the_record(tmp_path, capfd, text, message):
    (tmp_path / "x.vcf").write_text(text)
    with pytest.raises(ValueError, match=message):
        list(read_variants(tmp_path / "x.vcf"))
    assert capfd.readouterr() == ("", "")


def test_a_record_that_is_cut_in_a_compressed_file(tmp_path):
    text = vcf_text(*(f"chr1 {position} . A G" for position in range(1, 9000)))
    whole = gzip.compress(text.encode())
    (tmp_path / "x.vcf.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"x\.vcf\.gz: "):
        list(read_variants(tmp_path / "x.vcf.gz"))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.vcf: no such file"):
        list(read_variants(tmp_path / "none.vcf"))
    with pytest.raises(ValueError, match="got a folder"):
        list(read_variants(tmp_path))


def test_no_variants_give_one_empty_batch(tmp_path, genome):
    variants = read(tmp_path)
    (batch,) = variant_pairs(variants, genome, window=20)
    assert len(batch) == 0
    assert batch.places.schema.field("position").type == pa.int64()


def mutated(variant, text, start=0):
    """The definition: the reference allele is cut out of the text, the alternative put in."""
    begin = variant.position - 1 - start
    assert text[begin : begin + len(variant.reference)] == variant.reference
    return text[:begin] + variant.alternative + text[begin + len(variant.reference) :]


def test_constructs_on_both_strands_one_variant_at_a_time(genome):
    constructs = intervals(
        ("chr1", 10, 60, "b", "-"),
        ("chr1", 40, 90, "a", "+"),
        ("chr2", 0, 30, "c", None),
        ("chr1", 10, 200, "long", "+"),
    )
    variants = [
        snv(45),
        Variant("chr1", 50, "del", at(50, 4), at(50)),
        Variant("chr2", 5, "ins", at(5, 1, "chr2"), at(5, 1, "chr2") + "GGCC"),
    ]
    rows = found(variant_pairs(variants, genome, constructs=constructs))
    names = [row[2][0] for row in rows]
    assert names == ["b", "a", "long", "b", "a", "long", "c"]
    for text, changed, (name, chromosome, position, _, reference, _) in rows:
        place = constructs.name.index(name)
        start, end = int(constructs.start[place]), int(constructs.end[place])
        (variant,) = [v for v in variants if (v.sequence, v.position) == (chromosome, position)]
        forward = UPPER[chromosome][start:end]
        expected = [forward, mutated(variant, forward, start)]
        if name == "b":
            expected = [reverse_complement(each) for each in expected]
        assert [text, changed] == expected
        assert reference == variant.reference


def test_repeated_records_have_a_row_each(genome):
    constructs = intervals(("chr1", 0, 50, "a", "+"))
    rows = found(variant_pairs([snv(20), snv(20)], genome, constructs=constructs))
    assert len(rows) == 2
    assert rows[0] == rows[1]


def test_lower_case_and_unknown_bases_of_the_genome(genome):
    constructs = intervals(("chr1", 140, 170, "a", "+"))
    soft = Variant("chr1", 155, ".", at(155, 3), "G")
    unknown = Variant("chr1", 150, ".", at(150, 3), at(150))
    assert unknown.reference.endswith("NN")
    rows = found(variant_pairs([soft, unknown], genome, constructs=constructs))
    text = UPPER["chr1"][140:170]
    assert [row[:2] for row in rows] == [
        (text, mutated(soft, text, 140)),
        (text, mutated(unknown, text, 140)),
    ]


def test_the_reference_allele_must_be_that_of_the_genome(genome, caplog):
    good, wrong = snv(21), Variant("chr1", 22, ".", other(at(22)), at(22), 7, "x.vcf")
    message = (
        rf"x\.vcf: record 7 \(chr1:22 {wrong.reference}>{at(22)}\): expected the bases of the "
        rf"genome as the reference allele, {at(22)} at chr1:22, got {wrong.reference}; are the "
        "variants of another assembly"
    )
    constructs = intervals(("chr1", 0, 50, "a", "+"))
    with pytest.raises(ValueError, match=message):
        list(variant_pairs([good, wrong], genome, constructs=constructs))
    with caplog.at_level(logging.WARNING, "cisreg"):
        rows = found(variant_pairs([good, wrong], genome, constructs=constructs, mismatch="skip"))
    assert len(rows) == 1
    assert "1 variant left out: a reference allele that is not that of the genome" in caplog.text
    masked = Variant("chr1", 151, ".", "A", "G")
    with pytest.raises(ValueError, match="N at chr1:151, got A"):
        list(variant_pairs([masked], genome, constructs=constructs))


def test_a_mismatch_within_a_long_allele_is_shown_where_it_is(genome):
    wrong = at(30, 2) + other(at(32)) + at(33, 2)
    with pytest.raises(ValueError, match=rf"{at(32)}\w* at chr1:32, got {other(at(32))}"):
        list(variant_pairs([Variant("chr1", 30, ".", wrong, "A")], genome, window=20))


def test_places_that_the_genome_has_not(genome):
    with pytest.raises(ValueError, match=r"expected a sequence of the genome, got '1'.*'chr1'"):
        list(variant_pairs([Variant("1", 5, ".", "A", "G")], genome, window=20))
    with pytest.raises(ValueError, match=r"within chr2, which has 63 bases, got one that ends at"):
        list(variant_pairs([Variant("chr2", 63, ".", "AC", "G")], genome, window=20))


def test_what_is_outside_and_over_an_edge_is_counted(genome, caplog):
    constructs = intervals(("chr1", 20, 50, "a", "+"), ("chr1", 90, 120, "b", "-"))
    before_start = Variant("chr1", 20, ".", at(20, 2), at(20))  # deletes base 20, the first one
    over_start = Variant("chr1", 19, ".", at(19, 3), at(19))  # deletes bases 19 and 20
    at_start = Variant("chr1", 20, ".", at(20), at(20) + "TTT")
    over_end = Variant("chr1", 50, ".", at(50, 2), other(at(50)))
    behind = Variant("chr1", 51, ".", at(51), other(at(51)))
    variants = [before_start, over_start, at_start, over_end, behind, snv(130), snv(119)]
    left_out = LeftOut()
    rows = found(variant_pairs(variants, genome, constructs=constructs, left_out=left_out))
    assert [row[2][:3] for row in rows] == [("a", "chr1", 20), ("b", "chr1", 119)]
    assert rows[0][1] == UPPER["chr1"][21:50]
    assert left_out.count("outside of every construct") == 2
    assert left_out.count() == 5
    with caplog.at_level(logging.WARNING, "cisreg"):
        list(variant_pairs(variants, genome, constructs=constructs))
    assert "2 variants left out: outside of every construct" in caplog.text
    assert "3 variants left out: reaching over, or inserting at, the edge" in caplog.text


def test_several_variants_of_a_construct_together(genome):
    constructs = intervals(("chr1", 10, 60, "b", "-"), ("chr1", 0, 9, "none", "+"))
    deletion = Variant("chr1", 30, "d", at(30, 4), at(30))
    insertion = Variant("chr1", 40, "i", at(40), at(40) + "ACGT")
    anchor = snv(30)  # the base that the deletion is written with, which it does not delete
    rows = found(
        variant_pairs(
            [insertion, deletion, snv(20), anchor, snv(20)],
            genome,
            constructs=constructs,
            together=True,
        )
    )
    text = UPPER["chr1"]
    by_hand = (
        text[10:19]
        + other(text[19])
        + text[20:29]
        + other(text[29])
        + text[33:40]
        + "ACGT"
        + text[40:60]
    )
    ((before, after, place),) = rows
    assert before == reverse_complement(text[10:60])
    assert after == reverse_complement(by_hand)
    assert place[:2] == ("b", "chr1")
    assert place[2].split(",")[0] == f"20:{at(20)}>{other(at(20))}"
    assert len(place[2].split(",")) == 4


@pytest.mark.parametrize(
    "second",
    [
        Variant("chr1", 31, ".", at(31), other(at(31)), 9, "x.vcf"),
        Variant("chr1", 31, ".", at(31), at(31) + "G", 9, "x.vcf"),
        Variant("chr1", 28, ".", at(28, 5), at(28), 9, "x.vcf"),
    ],
)
def test_overlapping_variants_are_not_applied_together(genome, second):
    deletion = Variant("chr1", 30, ".", at(30, 4), at(30), 3, "x.vcf")
    constructs = intervals(("chr1", 10, 60, "promoter", "+"))
    for variants in ([deletion, second], [second, deletion]):
        with pytest.raises(ValueError, match=r"do not overlap.*construct promoter") as caught:
            list(variant_pairs(variants, genome, constructs=constructs, together=True))
        assert "x.vcf: record 3 (chr1:30" in str(caught.value)
        assert "x.vcf: record 9 (chr1:" in str(caught.value)
    assert len(found(variant_pairs([deletion, second], genome, constructs=constructs))) == 2


def test_two_insertions_at_one_place_have_no_order(genome):
    base = at(30)
    both = [Variant("chr1", 30, ".", base, base + more) for more in ("GG", "TT")]
    constructs = intervals(("chr1", 10, 60, "promoter", "+"))
    with pytest.raises(ValueError, match="do not overlap"):
        list(variant_pairs(both, genome, constructs=constructs, together=True))


def test_haplotypes_of_a_sample(tmp_path, genome):
    records = [
        f"chr1 20 . {at(20)} {other(at(20))} 0|1 1|1",
        f"chr1 25 . {at(25)} {other(at(25))},{at(25)}GG 2|1 0|0",
        f"chr1 30 . {at(30)} {other(at(30))} 1/1 0/0",
    ]
    constructs = intervals(("chr1", 10, 60, "promoter", "+"))
    variants = read(tmp_path, *records, samples=("s1", "s2"), sample="s1")
    rows = found(
        variant_pairs(variants, genome, constructs=constructs, together=True, by_haplotype=True)
    )
    text, new = UPPER["chr1"], {place: other(at(place)) for place in (20, 25, 30)}
    first = text[10:25] + "GG" + text[25:29] + new[30] + text[30:60]
    second = (*(text[10:19], new[20], text[20:24], new[25], text[25:29], new[30], text[30:60]),)
    assert [(row[1], row[2][3]) for row in rows] == [(first, 1), ("".join(second), 2)]
    of_other = read(tmp_path, *records, samples=("s1", "s2"), sample="s2")
    assert [(v.position, v.haplotypes) for v in of_other] == [(20, (0, 1))]


def test_genotypes_that_say_nothing_of_haplotypes(tmp_path, caplog):
    with pytest.raises(ValueError, match=r"record 1 \(chr1:5\): expected a phased genotype of s1"):
        read(tmp_path, "chr1 5 . A G 0/1", samples=("s1",), sample="s1")
    with pytest.raises(ValueError, match=r"expected the sample 'x', got a file with 's1'"):
        read(tmp_path, "chr1 5 . A G 0/1", samples=("s1",), sample="x")
    with caplog.at_level(logging.WARNING, "cisreg"):
        assert read(tmp_path, "chr1 5 . A G ./.", samples=("s1",), sample="s1") == []
    assert "1 variant left out: the genotype of s1 is not known" in caplog.text


@pytest.mark.parametrize("side", ["left", "right"])
def test_windows_keep_their_length(genome, side):
    variants = [
        snv(100),
        Variant("chr1", 100, ".", at(100, 6), at(100)),
        Variant("chr1", 100, ".", at(100), at(100) + "ACGTT"),
    ]
    rows = found(variant_pairs(variants, genome, window=40, padding_side=side))
    assert len(rows) == 3
    for variant, (text, changed, place) in zip(variants, rows, strict=True):
        start, end = map(int, place[0].split(":")[1].split("-"))
        whole = mutated(variant, UPPER["chr1"])
        assert text == UPPER["chr1"][start:end]
        # On the other side of the variant, the bases stay where they are.
        moved = len(whole) - len(UPPER["chr1"])
        first = start + moved if side == "left" else start
        assert changed == whole[first : first + 40]
        begin, stop, _ = variant.change
        assert abs((begin - start) - (end - stop)) <= 1


def test_windows_beyond_a_chromosome_have_unknown_bases(genome, caplog):
    first, last = snv(3, "chr2"), snv(63, "chr2")
    with caplog.at_level(logging.WARNING, "cisreg"):
        rows = found(variant_pairs([first, last], genome, window=20))
    text = UPPER["chr2"]
    assert rows[0][:2] == ("N" * 8 + text[:12], "N" * 8 + mutated(first, text)[:12])
    assert rows[1][:2] == (text[52:] + "N" * 9, mutated(last, text)[52:] + "N" * 9)
    assert "2 windows reach beyond the end of a chromosome" in caplog.text


def test_a_variant_longer_than_the_window_is_counted(genome):
    left_out = LeftOut()
    deletion = Variant("chr1", 50, ".", at(50, 30), at(50))
    (batch,) = variant_pairs([deletion], genome, window=20, left_out=left_out)
    assert len(batch) == 0
    assert left_out.count("longer than the window of 20 bases") == 1


def test_batches_hold_no_more_than_asked_for_and_read_no_further(genome):
    asked = []

    def variants():
        for position in range(20, 60):
            asked.append(position)
            yield snv(position)

    batches = variant_pairs(variants(), genome, window=20, batch_size=7)
    assert len(next(batches)) == 7
    assert len(asked) == 7
    assert [len(batch) for batch in batches] == [7, 7, 7, 7, 5]


def test_arguments_that_do_not_go_together(genome):
    constructs = intervals(("chr1", 10, 60, "promoter", "+"))
    for options in ({}, {"constructs": constructs, "window": 20}):
        with pytest.raises(ValueError, match="constructs, window: expected one of them"):
            list(variant_pairs([], genome, **options))
    with pytest.raises(ValueError, match="together: expected constructs"):
        list(variant_pairs([], genome, window=20, together=True))
    with pytest.raises(ValueError, match=r"table: row 0: .*which has 63 bases"):
        list(variant_pairs([], genome, constructs=intervals(("chr2", 0, 70, "x", "+"))))


BASES = st.text("ACGT", min_size=1, max_size=5)


@settings(max_examples=40)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 190), st.integers(1, 60), st.sampled_from("+-")),
        min_size=1,
        max_size=8,
    ),
    changes=st.lists(st.tuples(st.integers(1, 146), st.integers(1, 4), BASES), max_size=12),
)
def test_every_variant_meets_every_construct_that_holds_it(tmp_path_factory, rows, changes):
    """Against a search through all constructs, and cutting the text by hand."""
    path = write_genome(tmp_path_factory.mktemp("genome") / "genome.fa", TEXT)
    constructs = intervals(
        *(
            ("chr1", start, min(start + length, 200), f"c{number}", strand)
            for number, (start, length, strand) in enumerate(rows)
        )
    )
    variants = [
        Variant("chr1", position, ".", at(position, length), bases)
        for position, length, bases in changes
        if at(position, length) != bases
    ]
    expected = []
    for variant in variants:
        begin, end, _ = variant.change
        for _, start, stop, name, strand in constructs:
            inside = start <= begin and end <= stop
            if begin == end:
                inside = start < begin < stop
            if inside:
                whole = mutated(variant, UPPER["chr1"])
                moved = len(whole) - len(UPPER["chr1"])
                pair = [UPPER["chr1"][start:stop], whole[start : stop + moved]]
                if strand == "-":
                    pair = [reverse_complement(each) for each in pair]
                expected.append((*pair, name))
    with open_genome(path) as genome:
        got = found(variant_pairs(variants, genome, constructs=constructs, batch_size=5))
    assert [(*row[:2], row[2][0]) for row in got] == expected
