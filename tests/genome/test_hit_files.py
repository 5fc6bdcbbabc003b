"""Files of hits: what each format says, compressed and indexed, in bounded memory."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import tracemalloc
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from genome.hit_tables import NAMES, P_VALUES, Motifs, hits, random_hits, texts
from hypothesis import given
from hypothesis import strategies as st

from cisreg import _native
from cisreg.genome import hit_files
from cisreg.genome.bgzf import compress_blocks
from cisreg.genome.hit_files import COLUMNS, hit_format, open_hit_writer
from cisreg.streams import BGZF_END

WITH_P = (*COLUMNS, "p_value")
FORMATS = ("bed", "tsv", "gff3", "parquet")


def write(path, *tables, columns=None, **options):
    columns = tables[0].column_names if columns is None else columns
    with open_hit_writer(path, motifs=Motifs(), columns=columns, **options) as writer:
        for table in tables:
            writer.write(table)
    return path


def lines_of(path):
    """Comments, and fields of the other lines."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    lines = text.split("\n")
    assert lines.pop() == ""
    comments = [line for line in lines if line.startswith("#")]
    return comments, [line.split("\t") for line in lines if not line.startswith("#")]


def test_bed_says_where_hits_are_and_how_strong(tmp_path):
    comments, rows = lines_of(write(tmp_path / "hits.bed", hits(p_value=P_VALUES)))
    assert comments[-1] == "#chrom\tstart\tend\tname\tscore\tstrand\tlog_kd\tp_value"
    assert rows == [
        ["chr2", "0", "9", NAMES[0], "1000", "+", "-20", "1e-12"],
        ["chr2", "7", "12", NAMES[1], "291", "+", "0.1", "0.0012345678"],
        ["chr2", "7", "16", NAMES[0], "30", "-", "-12.345678", "0.5"],
        ["chr1", "3", "12", NAMES[2], "1000", "-", "4", "1e-60"],
        ["chr1", "300000000", "300000009", NAMES[0], "0", "+", "-3.4028235e+38", "1"],
    ]


def test_the_score_of_bed_without_p_values_lies_between_weakest_and_strongest(tmp_path):
    log_kd = pa.array([-20.0, 0.0, 20.0, -3.0, -20.0], pa.float32())
    table = hits().set_column(5, "log_kd", log_kd)
    _, rows = lines_of(write(tmp_path / "hits.bed", table))
    assert [row[4] for row in rows] == ["1000", "500", "0", "875", "1000"]
    assert len(rows[0]) == 7


def test_text_has_names_of_columns_and_quotes(tmp_path):
    odd = 'a\t"b"'
    regions = texts(["peak 1", "peak 1", odd, None, "peak 2"])
    table = hits(p_value=P_VALUES, q_value=P_VALUES, region=regions)
    path = write(tmp_path / "hits.tsv", table)
    lines = [line for line in path.read_text().split("\n") if not line.startswith("#")]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines)), delimiter="\t"))
    assert list(rows[0]) == table.column_names
    assert [row["region"] for row in rows] == ["peak 1", "peak 1", odd, ".", "peak 2"]
    assert [row["motif"] for row in rows] == table["motif"].to_pylist()
    for name, kind in (("log_kd", np.float32), ("p_value", float), ("start", int)):
        values = [kind(row[name]) for row in rows]
        # Two roundings: to a float32, and to its digits.
        np.testing.assert_allclose(values, table[name].to_numpy(), rtol=2.0**-23)
    assert np.array_equal([np.float32(row["log_kd"]) for row in rows], table["log_kd"].to_numpy())


def test_gff3_counts_from_one_and_escapes(tmp_path):
    regions = texts(["a=b", "a;b", "a&b,c", "é\t%", None])
    table = hits(p_value=P_VALUES, q_value=P_VALUES, region=regions)
    table = table.set_column(0, "sequence", texts([">a b", "chr|2", "chr|2", "chr1", "chr1"]))
    comments, rows = lines_of(write(tmp_path / "hits.gff3", table))
    assert comments[0] == "##gff-version 3"
    assert [row[0] for row in rows] == ["%3Ea%20b", "chr|2", "chr|2", "chr1", "chr1"]
    assert [(int(row[3]), int(row[4])) for row in rows] == [
        *((1, 9), (8, 12), (8, 16), (4, 12), (300_000_001, 300_000_009))
    ]
    for row, each in zip(rows, table.to_pylist(), strict=True):
        assert (row[1], row[2], row[6], row[7]) == (
            "cisreg",
            "TF_binding_site",
            each["strand"],
            ".",
        )
        assert np.isclose(float(row[5]), each["p_value"], rtol=1e-7, atol=0)
        found = dict(part.split("=") for part in row[8].split(";"))
        assert unquote(found["Name"]) == each["motif"]
        assert unquote(found["region"]) == (each["region"] or ".")
        assert np.float32(found["log_kd"]) == np.float32(each["log_kd"])
    _, rows = lines_of(write(tmp_path / "without.gff3", hits()))
    assert rows[1][5] == "." and rows[1][8] == f"Name={NAMES[1].replace(',', '%2C')};log_kd=0.1"


def test_parquet_keeps_the_table_and_what_was_chosen(tmp_path):
    table = hits(p_value=P_VALUES, region=texts([None, "a", "b", "a", None]))
    path = write(tmp_path / "hits.parquet", table, table, notes={"command": "cisreg scan"})
    read = pyarrow.parquet.read_table(path)
    assert read.to_pylist() == table.to_pylist() * 2
    assert read.column_names == table.column_names
    assert read["start"].type == pa.int64() and read["log_kd"].type == pa.float32()
    assert pa.types.is_dictionary(read["motif"].type)
    said = json.loads(read.schema.metadata[b"cisreg"])
    assert said["command"] == "cisreg scan" and said["coordinates"].startswith("0-based")


@pytest.mark.parametrize("format", ["bed", "tsv", "gff3"])
def test_what_was_chosen_is_in_comments_that_stay_on_one_line(tmp_path, format):
    comments, rows = lines_of(
        write(tmp_path / f"hits.{format}", hits(), notes={"command": "scan 'a\nb\x1b'", "x": "1"})
    )
    assert "# command: scan 'a\\nb\\x1b'" in comments and "# x: 1" in comments
    assert any(line.startswith("# coordinates: start counts from") for line in comments)
    assert len(rows) == 5 + (format == "tsv")


@pytest.mark.parametrize("format", FORMATS)
def test_without_hits_there_is_a_file(tmp_path, format):
    path = tmp_path / f"hits.{format}"
    write(path, columns=WITH_P)
    if format == "parquet":
        assert pyarrow.parquet.read_table(path).num_rows == 0
    else:
        assert len(lines_of(path)[1]) == (format == "tsv")


@pytest.mark.parametrize("name", ["a\tb", "#1"])
@pytest.mark.parametrize("column", ["sequence", "motif"])
def test_bed_refuses_names_that_it_cannot_hold(tmp_path, name, column):
    table = hits()
    at = table.column_names.index(column)
    table = table.set_column(at, column, texts(["chr1"] * 4 + [name]))
    with pytest.raises(ValueError, match=r"BED cannot hold names with a tab"):
        write(tmp_path / "hits.bed", table)
    assert not list(tmp_path.iterdir())
    for format in ("tsv", "gff3", "parquet"):
        write(tmp_path / f"hits.{format}", table)


def test_a_name_with_spaces_is_one_field_of_bed(tmp_path):
    table = hits().set_column(3, "motif", texts([NAMES[2]] * 5))
    _, rows = lines_of(write(tmp_path / "hits.bed", table))
    assert {row[3] for row in rows} == {"the last; 50%=x"} and {len(row) for row in rows} == {7}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("threads", [1, 3])
def test_many_tables_of_any_size_give_the_same_file(tmp_path, format, threads, monkeypatch):
    monkeypatch.setattr(hit_files._TextEncoder, "rows_at_once", 100)
    monkeypatch.setattr(hit_files._ParquetEncoder, "rows_at_once", 100)
    whole = random_hits(1234)
    cuts = [0, 0, 1, 2, 99, 100, 101, 550, 700, 1233, 1234]
    parts = [whole.slice(a, b - a) for a, b in itertools.pairwise(cuts)]
    # Each with a dictionary of its own.
    parts = [part.set_column(3, "motif", texts(part["motif"].to_pylist())) for part in parts]
    one = write(tmp_path / f"one.{format}", whole, threads=threads)
    many = write(tmp_path / f"many.{format}", *parts, threads=threads)
    if format == "parquet":
        assert pyarrow.parquet.read_table(many).to_pylist() == whole.to_pylist()
    else:
        assert many.read_bytes() == one.read_bytes()
        assert len(lines_of(one)[1]) == 1234 + (format == "tsv")


@pytest.mark.parametrize("format", FORMATS)
def test_memory_does_not_grow_with_the_hits(tmp_path, format, monkeypatch):
    """Python's and NumPy's memory, and Arrow's beside it."""
    monkeypatch.setattr(hit_files._TextEncoder, "rows_at_once", 1000)
    monkeypatch.setattr(hit_files._ParquetEncoder, "rows_at_once", 1000)
    table = random_hits(5000)

    def peak(count):
        before = pa.total_allocated_bytes()
        arrow = 0
        tracemalloc.start()
        path = tmp_path / f"{count}.{format}"
        with open_hit_writer(path, motifs=Motifs(), columns=WITH_P, threads=2) as writer:
            for _ in range(count):
                writer.write(table)
                arrow = max(arrow, pa.total_allocated_bytes() - before)
        python = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return python + arrow

    peak(1)
    few, many = peak(5), peak(100)
    # The 95 tables more would take this much.
    assert many - few < 95 * table.nbytes / 20


def test_bgzf_is_what_bgzip_writes(tmp_path):
    pysam = pytest.importorskip("pysam")
    table = random_hits(20_000)
    path = write(tmp_path / "hits.bed.gz", table)
    write(tmp_path / "hits.bed", table)
    text = (tmp_path / "hits.bed").read_bytes()
    assert path.read_bytes().endswith(BGZF_END)
    assert gzip.decompress(path.read_bytes()) == text
    with pysam.BGZFile(str(path)) as file:
        assert file.read(len(text) + 1) == text
    bgzf = pytest.importorskip("Bio.bgzf")
    with path.open("rb") as file:
        blocks = list(bgzf.BgzfBlocks(file))
    assert blocks[-1][3] == 0 and sum(block[3] for block in blocks) == len(text)


@given(st.binary(max_size=200), st.integers(0, 1500))
def test_bgzf_of_any_bytes(part, repeats):
    content = part * repeats
    assert gzip.decompress(compress_blocks(content) + BGZF_END) == content


def test_bgzf_of_bytes_that_cannot_be_compressed():
    content = np.random.default_rng(0).bytes(200_000)
    assert gzip.decompress(compress_blocks(content) + BGZF_END) == content


@pytest.mark.parametrize("format", ["bed", "gff3"])
def test_tabix_finds_the_hits_of_a_stretch(tmp_path, format):
    pysam = pytest.importorskip("pysam")
    tables = [random_hits(30_000, 1, "chrB"), random_hits(2_000, 2, "chrA")]
    path = write(tmp_path / f"hits.{format}.gz", *tables, tabix=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name, f"{path.name}.tbi"]
    with pysam.TabixFile(str(path)) as file:
        assert file.contigs == ["chrB", "chrA"]
        for name, table in zip(("chrB", "chrA"), tables, strict=True):
            start, end = table["start"].to_numpy(), table["end"].to_numpy()
            for first, last in ((0, 50), (5_000, 5_001), (19_000, 25_000), (295_000, 310_000)):
                wanted = np.flatnonzero((start < last) & (end > first))
                found = [line.split("\t") for line in file.fetch(name, first, last)]
                at = (1, 2) if format == "bed" else (3, 4)
                assert [
                    (int(row[at[0]]) - (format == "gff3"), int(row[at[1]])) for row in found
                ] == [(int(start[i]), int(end[i])) for i in wanted]


def test_the_index_of_a_sequence_beyond_512_million_bases(tmp_path):
    pysam = pytest.importorskip("pysam")
    table = hits().slice(3)
    far = table.set_column(1, "start", pa.array([3, 2**31])).set_column(
        2, "end", pa.array([12, 2**31 + 9])
    )
    path = write(tmp_path / "hits.bed.gz", far, tabix=True)
    index = f"{path}.csi"
    with pysam.TabixFile(str(path), index=index) as file:
        (line,) = file.fetch("chr1", 2**31 + 1, 2**31 + 2)
    assert line.split("\t")[1] == str(2**31)


@pytest.mark.parametrize("order", [[1, 0], [0, 3, 1], [0, 4, 3]])
def test_an_index_wants_sorted_hits(tmp_path, order):
    pytest.importorskip("pysam")
    for pieces in ([hits().take(order)], [hits().slice(i, 1) for i in order]):
        with pytest.raises(ValueError, match="index: expected hits by sequence and start"):
            write(tmp_path / "hits.bed.gz", *pieces, tabix=True)
        assert not list(tmp_path.iterdir())
    write(tmp_path / "hits.bed.gz", hits().take(order))


def test_an_old_index_goes_with_its_file(tmp_path):
    pytest.importorskip("pysam")
    path = write(tmp_path / "hits.bed.gz", hits(), tabix=True)
    first = (tmp_path / "hits.bed.gz.tbi").read_bytes()
    write(path, random_hits(3000), tabix=True, overwrite=True)
    assert (tmp_path / "hits.bed.gz.tbi").read_bytes() != first
    write(path, hits(), overwrite=True)
    assert [each.name for each in tmp_path.iterdir()] == ["hits.bed.gz"]


@pytest.mark.parametrize("name", ["hits.bed", "hits.tsv.gz", "hits.parquet", "-"])
def test_only_compressed_bed_and_gff3_have_an_index(tmp_path, name):
    path = name if name == "-" else tmp_path / name
    with pytest.raises(ValueError, match="expected a compressed BED or GFF3 file to index"):
        write(path, hits(), tabix=True)


def test_hits_that_end_early_get_another_name(tmp_path):
    taken = tmp_path / "hits.incomplete.bed.gz"
    for number in range(2):
        with open_hit_writer(tmp_path / "hits.bed.gz", motifs=Motifs()) as writer:
            writer.write(hits())
            writer.end_early("chr1 from 1,000 on is missing")
        if not number:
            first = taken.read_bytes()
    names = sorted(each.name for each in tmp_path.iterdir())
    assert names == ["hits.incomplete-2.bed.gz", "hits.incomplete.bed.gz"]
    assert taken.read_bytes() == first and writer.path == tmp_path / names[0]
    comments, rows = lines_of(taken)
    assert comments[-1] == "# incomplete: chr1 from 1,000 on is missing" and len(rows) == 5


def test_hits_that_end_early_do_not_touch_the_old_ones(tmp_path):
    pytest.importorskip("pysam")
    path = write(tmp_path / "hits.bed.gz", random_hits(100), tabix=True)
    old = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    options = {"motifs": Motifs(), "tabix": True, "overwrite": True}
    with open_hit_writer(path, **options) as writer:
        writer.write(hits())
        writer.end_early("all of chr1")
    now = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    assert {name: now.pop(name) for name in old} == old
    assert sorted(now) == ["hits.incomplete.bed.gz", "hits.incomplete.bed.gz.tbi"]


def test_parquet_that_ends_early_says_so(tmp_path):
    with open_hit_writer(tmp_path / "hits.parquet", motifs=Motifs()) as writer:
        writer.write(hits())
        writer.end_early("chr1 is missing")
    path = tmp_path / "hits.incomplete.parquet"
    metadata = pyarrow.parquet.read_metadata(path).metadata
    assert metadata[b"cisreg.remark"] == b"incomplete: chr1 is missing"
    assert pyarrow.parquet.read_table(path).num_rows == 5


@pytest.mark.parametrize("format", FORMATS)
def test_an_error_leaves_what_was_there(tmp_path, format):
    path = tmp_path / f"hits.{format}"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="--overwrite"):
        write(path, hits())
    with (
        pytest.raises(RuntimeError),
        open_hit_writer(path, motifs=Motifs(), overwrite=True) as writer,
    ):
        writer.write(hits())
        raise RuntimeError
    with pytest.raises(ValueError, match="hits: expected the columns sequence, start"):
        write(path, hits(), columns=WITH_P, overwrite=True)
    assert path.read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("columns", [(), COLUMNS[:-1], (*COLUMNS, "score"), COLUMNS[::-1]])
def test_columns_are_those_of_a_scan(tmp_path, columns):
    with pytest.raises(ValueError, match="columns: expected sequence, start, end"):
        write(tmp_path / "hits.bed", columns=columns)


def test_the_ending_says_the_format():
    assert hit_format("a/b.BED.GZ") == ("bed", True)
    assert hit_format("x.gff") == ("gff3", False) and hit_format("x.tsv.bgz") == ("tsv", True)
    assert hit_format("x.txt.gz", "tsv") == ("tsv", True) and hit_format("-") == ("bed", False)
    for wrong, what in (("hits", "no ending"), ("hits.gz", "no ending"), ("hits.csv", ".csv")):
        with pytest.raises(ValueError, match=f"got {what}; rename it, or give the format"):
            hit_format(wrong)
    with pytest.raises(ValueError, match="compressed in itself"):
        hit_format("hits.parquet.gz")
    with pytest.raises(ValueError, match="format"):
        hit_format("hits.bed", "vcf")


@given(
    st.lists(
        st.tuples(
            st.integers(-(2**63), 2**63 - 1),
            st.floats(width=32, allow_nan=False),
            st.floats(allow_nan=False),
        ),
        max_size=50,
    )
)
def test_numbers_of_lines_are_read_back(rows):
    integers, singles, doubles = (
        np.array([row[i] for row in rows], kind)
        for i, kind in enumerate((np.int64, np.float32, np.float64))
    )
    text = _native.format_lines([integers, singles, doubles], [b" ", b" ", b"\n"], len(rows))
    read = [line.split() for line in text.decode().splitlines()]
    assert [int(row[0]) for row in read] == integers.tolist()
    assert np.array_equal(np.array([row[1] for row in read], np.float32), singles)
    with np.errstate(over="ignore"):
        nearest = doubles.astype(np.float32)
    kept = np.isinf(nearest) | ((np.abs(doubles) < 2.0**-126) & (doubles != 0))
    wanted = np.where(kept, doubles, nearest)
    for row, value, exact in zip(read, wanted, kept, strict=True):
        found = float(row[2])
        assert found == value if exact else np.float32(found) == np.float32(value)


def test_lines_of_wrong_columns_are_refused():
    index = np.array([0, 1], np.int32)
    for columns, after, message in (
        ([(index, [b"a"])], [b"\n"], r"columns\[0\]: expected indices below 1, got 1"),
        ([(-index, [b"a"])], [b"\n"], r"columns\[0\]: expected indices below 1, got -1"),
        ([index.astype(np.int64)[:1]], [b"\n"], r"columns\[0\]: expected shape \[2\]"),
        ([index.astype(np.int64)], [], "after: expected a text for each column"),
        ([index], [b"\n"], r"columns\[0\]: expected indices with texts, or an array"),
    ):
        with pytest.raises(ValueError, match=message):
            _native.format_lines(columns, after, 2)
