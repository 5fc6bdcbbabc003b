"""Intervals: BED files as they are met, tables, and what is wrong with them."""

from __future__ import annotations

import gzip
import logging

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisreg.genome import Intervals, open_genome
from cisreg.sequences import encode

TEXT = {"chr1": "ACGTTGCANN" * 30, "chr2": "GATTACA" * 9, "chrM": "C" * 16}
CODES = {name: np.asarray(encode([text]))[0] for name, text in TEXT.items()}


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "genome.fa"
    lines = [
        f">{name} x\n" + "\n".join(text[i : i + 13] for i in range(0, len(text), 13))
        for name, text in TEXT.items()
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def bed(tmp_path, text, name="x.bed"):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows(intervals):
    return list(intervals)


def test_bed_of_every_width_and_with_all_that_is_not_an_interval(tmp_path):
    text = (
        "\ufeff# made by hand\r\n"
        "browser position chr1:1-100\r\n"
        'track name="peaks" description="x"\r\n'
        "\r\n"
        "chr1\t0\t10\r\n"
        "chr1\t5\t20\tpeak 2\r\n"
        "chr2\t3\t9\t.\t0\t-\r\n"
        "chrM\t1\t16\tgene\t960\t+\t1\t16\t0,0,0\t2\t3,4\t0,11\r\n"
        "chr1\t0\t10\tpeak\t1000\t.\t9.1\t5.2\t3.3\t55"
    )
    found = Intervals.from_bed(bed(tmp_path, text))
    assert rows(found) == [
        ("chr1", 0, 10, "chr1:0-10", None),
        ("chr1", 5, 20, "peak 2", None),
        ("chr2", 3, 9, "chr2:3-9", "-"),
        ("chrM", 1, 16, "gene", "+"),
        ("chr1", 0, 10, "peak", None),
    ]
    assert found.line.tolist() == [5, 6, 7, 8, 9]
    assert found.total == 10 + 15 + 6 + 15 + 10


def test_bed_with_blanks_and_compressed(tmp_path):
    content = gzip.compress(b"chr1  0 10 a  0 -\nchr2 3   4\n")
    found = Intervals.from_bed(bed(tmp_path, content, "x.bed.gz"))
    assert rows(found) == [("chr1", 0, 10, "a", "-"), ("chr2", 3, 4, "chr2:3-4", None)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chrom\tstart\tend", "expected whole numbers .* is it a header line"),
        ("chr1\t5", "expected at least the columns"),
        ("chr1:5-10", "the start is 99"),
        (">chr1", "is it FASTA"),
        ("chr1\thavana\tgene\t5\t10\t.\t+\t.\tx", "is it GFF or GTF"),
        ("chr1\t55\t.\tA\tG\t9", "is it VCF"),
        ("@HD\tVN:1.6", "Picard"),
        ("chr1\t10\t5", "got 10 to 5; exchange them"),
        ("chr1\t5\t5", "got 5 to 5, which has no base; .* subtract 1"),
        ("chr1\t-1\t5", "got -1 to 5; positions count from 0"),
        ("chr1\t1.0\t5", "expected whole numbers"),
        ("chr1\t1_0\t50", "expected whole numbers"),
        ("chr1\t1e3\t5000", "expected whole numbers"),
        ("chr1\t1\t99999999999999999999999", "expected 0 <= start < end"),
        ("chr1\t1\t5\ta\t0\tplus", "strand .*got 'plus'"),
        ("ch\x1br1\t1\t5", "control characters"),
    ],
)
def test_what_is_no_bed_is_refused_with_its_line(tmp_path, line, message):
    path = bed(tmp_path, f"# x\nchr1\t1\t5\n{line}\n")
    with pytest.raises(ValueError, match=rf"x.bed:3: .*{message}"):
        Intervals.from_bed(path)


def test_a_file_without_intervals_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"x.bed: expected a BED file with intervals"):
        Intervals.from_bed(bed(tmp_path, "# nothing\ntrack x\n"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1\t1\t5", "got '1'; it has 'chr1': use the names of one source"),
        ("MT\t1\t5", "got 'MT'; it has 'chrM'"),
        ("CHR2\t1\t5", "got 'CHR2'; it has 'chr2'"),
        ("plasmid\t1\t5", "got 'plasmid'; it has 'chr1', 'chr2', 'chrM'"),
        ("chrM\t1\t17", "chrM, which has 16 bases, got 1 to 17; if positions count from 1"),
        ("chrM\t1\t18", "chrM, which has 16 bases, got 1 to 18; is it of another assembly"),
    ],
)
def test_intervals_outside_the_genome_are_refused_with_their_line(tmp_path, genome, line, message):
    path = bed(tmp_path, f"chr1\t1\t5\n\n{line}\n")
    with pytest.raises(ValueError, match=rf"x.bed:3: .*{message}"):
        open_genome(genome, intervals=path)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.sampled_from(list(TEXT)).flatmap(
            lambda name: st.tuples(
                st.just(name),
                st.integers(0, len(TEXT[name]) - 1),
                st.integers(1, 80),
            )
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 9),
    st.integers(1, 40),
)
def test_portions_are_those_of_each_interval_for_itself(tmp_path_factory, wanted, overlap, own):
    folder = tmp_path_factory.mktemp("x")
    path = folder / "x.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in TEXT.items()))
    wanted = [(name, start, min(start + size, len(TEXT[name]))) for name, start, size in wanted]
    table = {
        "chrom": [name for name, _, _ in wanted],
        "start": [start for _, start, _ in wanted],
        "end": [end for _, _, end in wanted],
        "name": [f"r{number}" for number in range(len(wanted))],
    }
    with open_genome(path, intervals=table) as source:
        parts = list(source.portions(overlap=overlap, own=own))
        assert source.total == sum(end - start for _, start, end in wanted)
    for number, (name, start, end) in enumerate(wanted):
        mine = [part for part in parts if part.region == f"r{number}"]
        assert [part.last for part in mine] == [False] * (len(mine) - 1) + [True]
        assert np.concatenate([part.codes[: part.own] for part in mine]).tolist() == (
            CODES[name][start:end].tolist()
        )
        for part in mine:
            assert part.sequence == name
            np.testing.assert_array_equal(part.codes, CODES[name][part.start : part.end])
        assert mine[0].start == start
        assert mine[-1].end == end
    assert [part.region for part in parts if part.last] == table["name"], "in their own order"


def test_tables_of_pandas_and_arrow_and_their_names(genome):
    pandas = pytest.importorskip("pandas")
    columns = {
        "Chromosome": ["chr2", "chr1"],
        "Start": [4, 0],
        "End": [9, 3],
        "Name": ["a", None],
        "Strand": ["-", "."],
    }
    expected = [("chr2", 4, 9, "a", "-"), ("chr1", 0, 3, "chr1:0-3", None)]
    for table in (pandas.DataFrame(columns), pa.table(columns), columns):
        found = Intervals.from_table(table)
        assert rows(found) == expected
        with open_genome(genome, intervals=table) as source:
            parts = list(source.portions(overlap=2))
        assert [(part.region, part.region_strand) for part in parts] == [
            ("a", "-"),
            ("chr1:0-3", None),
        ]
    assert rows(found.sorted(["chr1", "chr2"])) == expected[::-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"end": [4]}, "table: row 0: expected 0 <= start < end, got 4 to 4"),
        ({"start": [-4]}, "table: row 0: expected 0 <= start < end"),
        ({"start": [1.0]}, "table: row 0: expected a whole number as start, got 1.0"),
        ({"strand": ["*"]}, "table: row 0: expected the strand"),
        ({"chromosome": ["chr1"]}, "expected one column for the sequence .*chromosome"),
        ({"end": [5, 6]}, "columns of one length"),
        ({"chrom": ["ch\x1br"]}, "table: expected names without"),
    ],
)
def test_tables_that_are_no_intervals_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Intervals.from_table({"chrom": ["chr1"], "start": [4], "end": [9]} | change)
    with pytest.raises(ValueError, match="expected one column for the end"):
        Intervals.from_table({"chrom": ["chr1"], "start": [4]})
    with pytest.raises(TypeError, match="intervals: expected a BED file, or a table"):
        Intervals.from_table(5)


def test_blocks_of_bed12_are_not_taken_apart_and_the_log_says_so(tmp_path, caplog):
    with caplog.at_level(logging.INFO, "cisreg.genome"):
        Intervals.from_bed(bed(tmp_path, "chrM\t1\t16\tg\t0\t+\t1\t16\t0\t2\t3,4\t0,11\n"))
    assert "blocks of BED12 are not taken apart" in caplog.text


def test_more_intervals_than_memory_holds_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("cisreg.genome.bed.MOST_INTERVALS", 3)
    path = bed(tmp_path, "chr1\t1\t2\n" * 4)
    with pytest.raises(ValueError, match=r"x.bed:4: expected 3 intervals at most"):
        Intervals.from_bed(path)


def test_genome_and_intervals_are_not_both_standard_input():
    with pytest.raises(ValueError, match="intervals: expected another file"):
        open_genome("-", intervals="-")
