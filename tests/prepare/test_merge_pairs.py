"""Merging of read pairs, against plain Python."""

from __future__ import annotations

import csv
import gzip
import io
import math
import random
import sys
from fractions import Fraction

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

import cisreg.prepare.merge_pairs as module
from cisreg import _native
from cisreg.prepare.merge_pairs import MergeCounts, merge_pairs
from cisreg.prepare.reading import without_blank_end

COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}


def reverse_complement(text):
    return "".join(COMPLEMENT.get(letter.upper(), "N") for letter in reversed(text))


def difference(a, b):
    """The probability that two readings of one base differ, from their quality letters."""
    errors = [min(0.75, 10 ** (-(ord(mark) - 33) / 10) + 1e-3) for mark in (a, b)]
    return errors[0] + errors[1] - 4 / 3 * errors[0] * errors[1]


def lines_of(bases, quality, size):
    """Both reads on common positions, read 1 from 0 on: base, quality and read by position."""
    start = len(bases[0]) - size
    return [
        {start_ + i: (base, mark) for i, (base, mark) in enumerate(zip(*each, strict=True))}
        for start_, *each in ((0, bases[0], quality[0]), (start, bases[1], quality[1]))
    ]


def differences(bases, quality, size):
    """(index in read 1, index in read 2, evidence) of each base that differs in this overlap."""
    first, second = lines_of(bases, quality, size)
    start = len(bases[0]) - size
    found = []
    for i in first.keys() & second.keys():
        (a, mark_a), (b, mark_b) = first[i], second[i]
        if "N" not in (a, b) and a != b:
            different = difference(mark_a, mark_b)
            found.append((i, i - start, math.log((1 - different) / (different / 3))))
    return found


def free_evidence(bases, found, other):
    """Evidence of the differences at bases that the other overlap does not compare."""
    start = len(bases[0]) - other
    free = []
    for i, j, evidence in found:
        opposite = (
            bases[1][i - start] if 0 <= i - start < len(bases[1]) else None,
            bases[0][j + start] if 0 <= j + start < len(bases[0]) else None,
        )
        if None in opposite and all(
            there in (None, own)
            for there, own in zip(opposite, (bases[0][i], bases[1][j]), strict=True)
        ):
            free.append(evidence)
    return sum(sorted(free)[-2:])


def oracle(forward, reverse, *, overlap, slack, minimum_overlap, minimum_identity):
    """(sequence, quality, overlap) from (bases, qualities) of both reads, or why there is none."""
    bases = [
        "".join(letter if letter in "ACGT" else "N" for letter in forward[0].upper()),
        reverse_complement(reverse[0]),
    ]
    quality = [forward[1], reverse[1][::-1]]
    possible = {}
    for size in range(max(1, overlap - slack), overlap + slack + 1):
        lines = lines_of(bases, quality, size)
        both = [(lines[0][i][0], lines[1][i][0]) for i in lines[0] if i in lines[1]]
        known = [pair for pair in both if "N" not in pair]
        if len(known) < minimum_overlap:
            continue
        if float(Fraction(sum(a == b for a, b in known), len(known))) >= minimum_identity:
            possible[size] = differences(bases, quality, size)
    if not possible:
        return "no_overlap"

    def cost(size, other):
        rarity = 0 if size == overlap else -math.log(2e-4 / (2 * slack + 1))
        found = possible[size]
        return rarity + sum(each[2] for each in found) - free_evidence(bases, found, other)

    sure = [
        size
        for size in possible
        if sum(math.exp(cost(size, each) - cost(each, size)) for each in possible if each != size)
        <= 0.001 / 0.999
    ]
    if not sure:
        return "ambiguous"
    (size,) = sure
    lines = lines_of(bases, quality, size)
    consensus = []
    for i in range(len(bases[0]) - size + len(bases[1])):
        there = [line[i] for line in reversed(lines) if i in line]
        if len({base for base, _ in there}) > 1:
            there = [each for each in there if each[0] != "N"]
        consensus.append(max(there, key=lambda each: each[1]))
    return "".join(base for base, _ in consensus), "".join(mark for _, mark in consensus), size


def fastq(reads, *, suffix="", end="\n"):
    return "".join(
        end.join((f"@r{index}{suffix} x", bases, "+", quality, ""))
        for index, (bases, quality) in enumerate(reads)
    ).encode()


def native(forward, reverse, *, format="fastq", minimum_length=0, maximum_unknown=1000, **options):
    return _native.merge_pairs(
        *(fastq([forward]), fastq([reverse])),
        minimum_length=minimum_length,
        maximum_unknown=maximum_unknown,
        format=format,
        **options,
    )


def read(length, letters):
    return st.tuples(
        st.text(letters, min_size=length, max_size=length),
        st.text("!#+5I~", min_size=length, max_size=length),
    )


@st.composite
def pairs(draw):
    """Reads of one molecule with errors, or reads that have nothing in common."""
    letters = draw(st.sampled_from(["ACGTNacgtnR.", "AC", "ACGT", "A"]))
    lengths = draw(st.tuples(*[st.integers(0, 150)] * 2))
    reads = [list(draw(read(length, letters))) for length in lengths]
    molecule = draw(st.integers(0, sum(lengths)))
    if draw(st.booleans()):
        period = draw(st.sampled_from([1, 2, 5, 8, 300]))
        bases = draw(st.text("ACGT", min_size=min(period, molecule), max_size=period))
        bases = (bases * molecule)[:molecule]
        for each, text in zip(reads, (bases, reverse_complement(bases)), strict=True):
            wrong, unknown = (draw(st.sets(st.integers(0, 150), max_size=8)) for _ in range(2))
            each[0] = "".join(
                "N" if i in unknown else own if i in wrong or i >= molecule else text[i]
                for i, own in enumerate(each[0])
            )
    expected = max(1, sum(lengths) - molecule + draw(st.integers(-3, 3)))
    return tuple(reads[0]), tuple(reads[1]), expected


@settings(max_examples=300, deadline=None)
@given(pairs(), st.integers(0, 12), st.integers(1, 12), st.sampled_from([0.0, 0.75, 0.9, 1.0]))
def test_a_pair_merges_as_in_plain_python(pair, slack, minimum_overlap, minimum_identity):
    forward, reverse, overlap = pair
    options = {
        "overlap": overlap,
        "slack": slack,
        "minimum_overlap": minimum_overlap,
        "minimum_identity": minimum_identity,
    }
    text, counts, fault = native(forward, reverse, **options)
    assert fault is None
    expected = oracle(forward, reverse, **options)
    if isinstance(expected, str):
        assert (text, counts[expected], counts["merged"]) == (b"", 1, 0)
        return
    sequence, quality, size = expected
    assert text.decode() == f"@r0\n{sequence}\n+\n{quality}\n"
    table, _, _ = native(forward, reverse, format="table", **options)
    assert table.decode() == f"r0\t{sequence}\t{size}\n"
    assert counts["read_through"] == (len(sequence) < max(len(forward[0]), len(reverse[0])))


def merged(tmp_path, forward, reverse, **options):
    """Merges reads (bases, qualities); returns the lines of the output and the counts."""
    (tmp_path / "1.fastq").write_bytes(fastq(forward))
    (tmp_path / "2.fastq").write_bytes(fastq(reverse))
    paths = (tmp_path / "1.fastq", tmp_path / "2.fastq", tmp_path / "out")
    counts = merge_pairs(*paths, overwrite=True, **options)
    return (tmp_path / "out").read_text().splitlines(), counts


def good(bases):
    return bases, "I" * len(bases)


def test_what_runs_through_the_molecule_is_cut_on_both_sides(tmp_path):
    molecule = "ACCGTAGGCTTAACGATTGC"
    forward, reverse = molecule + "AGATCGG", reverse_complement(molecule) + "CTGTC"
    lines, counts = merged(
        tmp_path, [good(forward)], [good(reverse)], overlap=30, slack=4, format="table"
    )
    assert lines == [f"r0\t{molecule}\t32"]
    assert counts == MergeCounts(1, 1, read_through=1, compared_bases=20)


def test_the_best_overlap_is_taken_and_not_the_first_that_will_do(tmp_path):
    # The period is 4 except for three bases, so an overlap of 16 agrees in 13 of 16 bases.
    molecule = "TTGCACAC" + "ACGT" * 4 + "AGCA" + "GGATCCTA"
    forward, reverse = good(molecule[:28]), good(reverse_complement(molecule[8:]))
    lines, _ = merged(tmp_path, [forward], [reverse], overlap=16, slack=4, format="table")
    assert lines == [f"r0\t{molecule}\t20"]


# Read 1 ends, and read 2 begins, within five tandem sites of 12 bases; read 1 has an error there.
TANDEM = "TGCATTTTTTTCACATCTGCTGAC" + "TCATCGAATGAC" * 5 + "TCATCGAATG" + "GTAGGTTACGGCTGTT"


def tandem_pair(errors, mark):
    """Reads of 75 bases; read 1 has errors at these places, with this quality."""
    bases, quality = list(TANDEM[:75]), ["F"] * 75
    for place in errors:
        bases[place] = {"A": "G", "G": "A", "C": "T", "T": "C"}[bases[place]]
        quality[place] = mark
    return ("".join(bases), "".join(quality)), (reverse_complement(TANDEM)[:75], "F" * 75)


@pytest.mark.parametrize("mark", "#F")
@pytest.mark.parametrize("errors", [[36], [36, 40], [48], [70], [25], [36, 48, 70]])
def test_errors_of_sequencing_invent_no_unit_of_a_repeat(tmp_path, errors, mark):
    forward, reverse = tandem_pair(errors, mark)
    lines, counts = merged(tmp_path, [forward], [reverse], overlap=40, slack=14)
    assert counts.merged + counts.ambiguous == 1
    assert [len(line) for line in lines] == [len(TANDEM)] * counts.merged
    assert counts.merged == 1 or len(errors) > 1


def random_bases(length, generator):
    return "".join(generator.choices("ACGT", k=length))


def reads_of(molecules, generator, rate):
    """Pairs of reads of 75 bases with errors at this rate; all bases have the same quality."""
    pairs = [], []
    for molecule in molecules:
        for reads, bases in zip(pairs, (molecule, reverse_complement(molecule)), strict=True):
            text = "".join(
                generator.choice([each for each in "ACGT" if each != base])
                if generator.random() < rate
                else base
                for base in bases[:75]
            )
            reads.append((text, "F" * 75))
    return pairs


@pytest.mark.parametrize("unit", ["T", "CA", "ACGGATCT", "TTGACCGATA", "TCATCGAATGAC"])
@pytest.mark.parametrize("seed", [1, 2])
def test_repeats_keep_their_length_or_are_said_to_be_ambiguous(tmp_path, unit, seed):
    generator = random.Random(seed)
    molecules = ["TGCATTCTTTGCACATC" + (unit * 80)[:80] + "GGTTACGGCTGTT"] * 500
    reads = reads_of(molecules, generator, 0.005)
    lines, counts = merged(tmp_path, *reads, overlap=40, slack=14)
    assert {len(line) for line in lines} == {110}
    assert counts.merged + counts.ambiguous == 500
    assert counts.merged > 450


@pytest.mark.parametrize("count", [60, 1000])
def test_repeats_of_a_library_of_several_lengths_are_ambiguous(tmp_path, count):
    """A tenth of the random promoters lack up to 12 bases, so a repeat may lack a unit too."""
    generator = random.Random(5)
    ends = "TGCATTCTTTGCACATC", "GGTTACGGCTGTT"
    sizes = [generator.randint(68, 79) if index % 10 == 0 else 80 for index in range(count)]
    molecules = [random_bases(size, generator).join(ends) for size in sizes]
    molecules += [("TCATCGAATGAC" * 7)[:size].join(ends) for size in (68, 80)]
    reads = reads_of(molecules, generator, 0)
    lines, counts = merged(tmp_path, *reads, overlap=40, slack=14)
    assert lines == molecules[:count]
    assert counts.ambiguous == 2


def test_what_is_common_in_a_run_is_preferred_to_what_was_expected(tmp_path):
    """All promoters have 112 bases, so a repeat is given 112 too, not the expected 110."""
    generator = random.Random(6)
    ends = "TGCATTCTTTGCACATC", "GGTTACGGCTGTT"
    molecules = [random_bases(82, generator).join(ends) for _ in range(2000)]
    molecules += [("CA" * 41).join(ends)]
    reads = reads_of(molecules, generator, 0)
    lines, counts = merged(tmp_path, *reads, overlap=40, slack=8)
    assert (lines, counts.ambiguous) == (molecules, 0)


def test_the_end_of_a_repeat_says_how_long_it_is(tmp_path):
    """Both reads contain the first and last base of the four sites, so the length is certain."""
    generator = random.Random(7)
    molecule = random_bases(39, generator) + "ACGGATCT" * 4 + random_bases(39, generator)
    for overlap in (40, 48, 32):
        reads = reads_of([molecule], generator, 0)
        lines, _ = merged(tmp_path, *reads, overlap=overlap, slack=14)
        assert lines == [molecule]


def test_more_errors_than_qualities_say_are_noticed():
    generator = random.Random(8)
    molecules = [random_bases(110, generator) for _ in range(1000)]
    options = {"overlap": 40, "slack": 5, "minimum_overlap": 10, "minimum_identity": 0.75}
    for rate, least, most in ((0, 0.001, 0.001), (0.03, 0.025, 0.035)):
        forward, reverse = reads_of(molecules, generator, rate)
        survey = _native.survey_pairs(fastq(forward), fastq(reverse), **options)
        assert survey.pairs > 990
        assert survey.pairs_by_overlap[5] == survey.pairs
        assert least <= survey.extra_error <= most


@pytest.mark.parametrize("taken", [12, 16, 20, 24])
def test_of_equal_overlaps_the_expected_one_is_taken(tmp_path, taken):
    # All overlaps that are multiples of 4 agree in all bases.
    reads = [good("ACGT" * 5)], [good("ACGT" * 5)]
    lines, _ = merged(tmp_path, *reads, overlap=taken, slack=9, format="table")
    assert lines == [f"r0\t{'ACGT' * (10 - taken // 4)}\t{taken}"]


@pytest.mark.parametrize(("overlap", "slack"), [(13, 4), (14, 2), (18, 3), (21, 9)])
def test_equal_overlaps_of_which_none_is_expected_are_ambiguous(tmp_path, overlap, slack):
    reads = [good("ACGT" * 5)], [good("ACGT" * 5)]
    lines, counts = merged(tmp_path, *reads, overlap=overlap, slack=slack)
    assert (lines, counts) == ([], MergeCounts(1, ambiguous=1))


def test_the_base_of_higher_quality_is_taken_and_of_the_same_that_of_read_2(tmp_path):
    forward = "TT" + "ACGTACGTAC", "IIIII5I+IIIN"
    reverse = reverse_complement("CCCTACGTAT" + "GG"), ("I5II5IIIIIII")[::-1]
    lines, counts = merged(
        tmp_path, [forward], [reverse], overlap=10, slack=0, minimum_identity=0.6, format="fastq"
    )
    # Positions 2, 4 and 11 differ. At 2 and 4 the qualities are equal, at 11 read 1's is higher.
    assert lines == ["@r0", "TTCCCTACGTACGG", "+", "IIIIIIIIIIINII"]
    assert (counts.compared_bases, counts.different_bases) == (10, 3)


@pytest.mark.parametrize("letter", "NnR.")
@pytest.mark.parametrize("file", [0, 1])
def test_unknown_bases_count_neither_for_nor_against(tmp_path, letter, file):
    # The unknown bases have the highest quality, the bases opposite to them the lowest.
    shared = ["ACGTTAACTTGC", letter * 6 + "ACTTGC"]
    quality = ["#" * 12, "I" * 12]
    first, second = (0, 1) if file else (1, 0)
    forward = "GG" + shared[first], "II" + quality[first]
    bases = "".join(each if each == letter else COMPLEMENT[each] for each in shared[second][::-1])
    reverse = bases, quality[second]
    options = {"overlap": 12, "slack": 0, "minimum_identity": 1.0}
    lines, _ = merged(tmp_path, [forward], [reverse], minimum_overlap=6, **options)
    assert lines == ["GGACGTTAACTTGC"]
    _, counts = merged(tmp_path, [forward], [reverse], minimum_overlap=7, **options)
    assert counts == MergeCounts(1, no_overlap=1)


@pytest.mark.parametrize(("overlap", "needed"), [(1, 1), (9, 4), (20, 10), (60, 10)])
def test_the_shortest_overlap_that_counts_unless_it_is_given(tmp_path, overlap, needed):
    for known in (needed - 1, needed):
        bases = "A" * known + "N" * (overlap - known)
        reads = [good(bases)], [good(reverse_complement(bases))]
        _, counts = merged(tmp_path, *reads, overlap=overlap, slack=0)
        assert counts.merged == (known == needed)


def test_pairs_are_left_out_by_length_and_unknown_bases(tmp_path):
    molecules = ["ACGTTGCATG" * 2, "ACGTTGCATG" * 2 + "A", "NN" + "ACGTTGCATG" * 2]
    forward = [good(molecule[:20]) for molecule in molecules] + [good("A" * 20)]
    reverse = [good(reverse_complement(each)[:20]) for each in molecules] + [good("C" * 20)]
    options = {"overlap": 19, "slack": 1, "minimum_length": 21}
    lines, counts = merged(tmp_path, forward, reverse, maximum_unknown=1, **options)
    assert lines == [molecules[1]]
    assert (counts.pairs, counts.merged, counts.no_overlap, counts.too_short) == (4, 1, 1, 1)
    assert counts.too_many_unknown == 1
    lines, counts = merged(tmp_path, forward, reverse, **options)
    assert lines == molecules[1:]
    assert counts.too_many_unknown == 0


def test_names_with_quotes_are_fields_of_a_table():
    for name, field in (('"r"1', '"""r""1"'), ("r'1,", "r'1,")):
        text = f"@{name} x\nACGT\n+\nIIII\n".encode()
        options = {"overlap": 4, "slack": 0, "minimum_overlap": 1, "minimum_identity": 1}
        limits = {"minimum_length": 0, "maximum_unknown": 0}
        table, _, _ = _native.merge_pairs(text, text, format="table", **options, **limits)
        assert table.decode() == f"{field}\tACGT\t4\n"
        assert next(csv.reader([table.decode()], delimiter="\t")) == [name, "ACGT", "4"]


def test_fasta(tmp_path):
    lines, _ = merged(
        tmp_path, [good("ACGTAC")], [good("GTACGT")], overlap=6, slack=0, format="fasta"
    )
    assert lines == [">r0", "ACGTAC"]


@pytest.fixture
def many(monkeypatch):
    """Pairs that need many batches: reads 1, reads 2 and the merged sequences."""
    monkeypatch.setattr(module, "_RECORDS", 7)
    generator = random.Random(0)
    molecules = ["".join(generator.choices("ACGT", k=60)) for _ in range(300)]
    forward = [good(molecule[: 45 + index % 15]) for index, molecule in enumerate(molecules)]
    reverse = [good(reverse_complement(molecule)[:40]) for molecule in molecules]
    return forward, reverse, molecules


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_output_has_the_order_of_the_input_for_every_number_of_threads(tmp_path, many, threads):
    forward, reverse, molecules = many
    lines, counts = merged(tmp_path, forward, reverse, overlap=32, slack=8, threads=threads)
    assert lines == molecules
    assert counts.pairs == counts.merged == len(molecules)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress])
@pytest.mark.parametrize("change", ["as it is", "CR LF", "no last line end"])
def test_files_as_they_come(tmp_path, many, compress, change):
    forward, reverse, molecules = many
    end = "\r\n" if change == "CR LF" else "\n"
    texts = [fastq(forward, suffix="/1", end=end), fastq(reverse, suffix="/2", end=end)]
    if change == "no last line end":
        texts[0] = texts[0].removesuffix(b"\n")
    paths = [tmp_path / name for name in ("1", "2")]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(compress(text))
    counts = merge_pairs(*paths, tmp_path / "out.gz", overlap=32, slack=8, threads=2)
    assert gzip.decompress((tmp_path / "out.gz").read_bytes()).decode().split() == molecules
    assert counts.merged == len(molecules)


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("end", ["\n", "\n\n\n", "\r\n\r\n", "\n  \n\t\n", "\n \n\n "])
@pytest.mark.parametrize("files", [(0, 1), (0,), (1,)])
def test_blank_lines_after_the_last_record_are_no_records(tmp_path, many, end, compress, files):
    forward, reverse, molecules = many
    texts = [fastq(forward), fastq(reverse)]
    for file in files:
        texts[file] += end.encode()
    paths = [tmp_path / name for name in ("1", "2")]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(compress(text))
    merge_pairs(*paths, tmp_path / "out", overlap=32, slack=8)
    assert (tmp_path / "out").read_text().split() == molecules


@pytest.mark.parametrize("size", [1, 2, 5, 16, 1 << 18])
@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (b"", b""),
        (b"\n\n", b"\n\n"),
        (b"@r\nAC\n+\nII", b"@r\nAC\n+\nII\n"),
        (b"@r\nAC\n+\nII\n\n\n", b"@r\nAC\n+\nII\n"),
        (b"@r\r\nAC\r\n+\r\nII\r\n\r\n", b"@r\r\nAC\r\n+\r\nII\n"),
        # The quality line of an empty read is blank.
        (b"@r\n\n+\n\n", b"@r\n\n+\n\n"),
        (b"@q\nAC\n+\nII\n@r\n\n+\n\n\n\n", b"@q\nAC\n+\nII\n@r\n\n+\n\n"),
        # Truncated records.
        (b"@r\nAC\n+\n\n\n", b"@r\nAC\n+\n\n\n"),
        (b"@r\nAC\n\n\n", b"@r\nAC\n\n\n"),
        (b"@r\nAC\n+\nI\n\n", b"@r\nAC\n+\nI\n\n"),
        (b"@q\nAC\n+\n@I\n@r\nAC\n\n", b"@q\nAC\n+\n@I\n@r\nAC\n\n"),
    ],
)
def test_blank_lines_are_left_out_behind_a_whole_record_alone(text, kept, size, monkeypatch):
    monkeypatch.setattr("cisreg.prepare.reading._READ_BYTES", size)
    assert without_blank_end(io.BytesIO(text)).read() == kept


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_a_cut_record_before_blank_lines_is_an_error(tmp_path, many, lines):
    forward, reverse, _ = many
    texts = [fastq(forward), fastq(reverse)]
    texts[1] += b"".join(b"@r300 x\nACGT\n+\n".splitlines(keepends=True)[:lines]) + b"\n\n"
    paths = [tmp_path / name for name in ("1", "2")]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text)
    with pytest.raises(ValueError, match=r"2:120\d: expected four lines .* record 301 damaged"):
        merge_pairs(*paths, tmp_path / "out", overlap=32, slack=8)


def test_standard_input_and_output(tmp_path, many, monkeypatch, capfdbinary):
    forward, reverse, molecules = many
    (tmp_path / "2.fastq").write_bytes(fastq(reverse))
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(fastq(forward))))
    monkeypatch.setattr(sys, "stdin", stdin)
    merge_pairs("-", tmp_path / "2.fastq", "-", overlap=32, slack=8)
    assert capfdbinary.readouterr().out.decode().split() == molecules


def test_no_pairs_and_empty_reads(tmp_path):
    assert merged(tmp_path, [], [], overlap=5) == ([], MergeCounts())
    reads = [good(""), good("ACGTACGTACGT"), good("")]
    lines, counts = merged(tmp_path, reads, reads, overlap=12)
    assert lines == ["ACGTACGTACGT"]
    assert counts == MergeCounts(3, 1, 2, compared_bases=12)


def replace_record(index, text):
    """Replaces a record of reads 2 by a text."""

    def change(texts):
        records = texts[1].split(b"@")
        records[index + 1] = text
        texts[1] = b"@".join(records)

    return change


def cut(file, bytes_off):
    def change(texts):
        texts[file] = texts[file][:-bytes_off]

    return change


def drop_last(file, records=1):
    def change(texts):
        texts[file] = b"@".join(texts[file].split(b"@")[:-records])

    return change


FAULTS = {
    "one line too few": (cut(1, 42), r"2:1199: expected four lines .* record 300 damaged"),
    "half a line": (cut(0, 5), r"1:1200: expected four lines .* record 300 damaged .*differ"),
    "fewer reads 1": (drop_last(0), r"1: expected as many records as in .*2, got 299 and no more"),
    "fewer reads 2": (drop_last(1, 90), r"2: expected as many .*1, got 210 and no more"),
    "another mate": (
        replace_record(250, b"r7 x\nACGT\n+\nIIII\n"),
        r"2:1001: expected the mate of '@r250 x', got '@r7 x' in record 251; both",
    ),
    "qualities": (
        replace_record(250, b"r250\nACGT\n+\nIII\n"),
        r"2:1004: expected four lines .* record 251 damaged .*qualities differ",
    ),
    "no separator": (
        replace_record(250, b"r250\nACGT\nIIII\nIIII\n"),
        r"2:1003: expected four lines .* record 251 damaged .*start with '\+'",
    ),
    "no name": (
        replace_record(250, b"r250\nACGT\n+\nIIII\nr251\nACGT\n+\nIIII\n"),
        r"2:1005: expected four lines .* record 252 damaged .*start with '@'",
    ),
}


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_files_are_errors_with_file_and_line(tmp_path, many, fault, threads):
    forward, reverse, _ = many
    change, message = FAULTS[fault]
    texts = [fastq(forward), fastq(reverse)]
    change(texts)
    paths = [tmp_path / name for name in ("1", "2")]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text)
    with pytest.raises(ValueError, match=message):
        merge_pairs(*paths, tmp_path / "out", overlap=32, slack=8, threads=threads)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize("threads", [1, 4])
def test_the_first_of_several_faults_is_said(tmp_path, many, threads, monkeypatch):
    monkeypatch.setattr("cisreg.prepare.merge_pairs._RECORDS", 7)
    forward, reverse, _ = many
    texts = [fastq(forward), fastq(reverse)]
    replace_record(250, b"r1\nACGT\n+\nIIII\n")(texts)
    cut(1, 42)(texts)
    paths = [tmp_path / name for name in ("1", "2")]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text)
    with pytest.raises(ValueError, match=r"2:1001: expected the mate"):
        merge_pairs(*paths, tmp_path / "out", overlap=32, slack=8, threads=threads)


def test_other_formats_are_said_to_be_none(tmp_path):
    (tmp_path / "1").write_bytes(b">r0\nACGT\n")
    (tmp_path / "2").write_bytes(b">r0\nACGT\n")
    with pytest.raises(ValueError, match=r"1:\d: expected four lines for each record"):
        merge_pairs(tmp_path / "1", tmp_path / "2", tmp_path / "out", overlap=4)


@pytest.mark.parametrize(
    ("names", "mates"),
    [
        (("a b", "a c"), True),
        (("a\tb", "a"), True),
        (("a/1 b", "a/2 b"), True),
        (("a/2", "a/1"), False),
        (("a/1", "a/3"), False),
        (("a/1", "b/2"), False),
        (("a3", "a4"), False),
        (("a", "ab"), False),
        (("", ""), True),
        (("1", ""), False),
    ],
)
def test_names_of_a_pair(names, mates):
    texts = [f"@{name}\nACGT\n+\nIIII\n".encode() for name in names]
    _, _, fault = _native.merge_pairs(
        *texts,
        overlap=4,
        slack=0,
        minimum_overlap=1,
        minimum_identity=0.5,
        minimum_length=0,
        maximum_unknown=0,
        format="table",
    )
    assert (fault is None) == mates


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlap": 0}, "overlap: expected 1 or more, got 0"),
        ({"slack": -1}, "slack: expected 0 or more, got -1"),
        ({"minimum_overlap": 0}, "minimum_overlap: expected 1 or more, got 0"),
        ({"minimum_overlap": 26}, "minimum_overlap: expected at most 25, the largest overlap"),
        ({"minimum_identity": 1.5}, "minimum_identity: expected 0 to 1, got 1.5"),
        ({"minimum_identity": float("nan")}, "minimum_identity: expected 0 to 1, got nan"),
        ({"overlap": 10**30}, "overlap: expected at most 131,070, got 1,000"),
        ({"slack": 2**62}, "slack: expected at most 131,070, got 4,611"),
        ({"minimum_length": -1}, "minimum_length: expected 0 or more"),
        ({"maximum_unknown": -1}, "maximum_unknown: expected 0 or more"),
        ({"format": "sam"}, "format: expected sequences, table, fasta or fastq, got 'sam'"),
        ({"threads": 0}, "threads: expected 1 or more, or None, got 0"),
    ],
)
def test_options_out_of_range(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        merged(tmp_path, [], [], **{"overlap": 20, "slack": 5, **options})


def test_one_file_is_no_pair(tmp_path):
    with pytest.raises(ValueError, match=r"reverse: expected each file once, got .* twice"):
        merge_pairs("reads", "reads", tmp_path / "out", overlap=4)
