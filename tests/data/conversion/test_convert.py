"""Datasets to Parquet files: the rows and their order, from every kind of source."""

from __future__ import annotations

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conversion_case import SIZES, contents, in_blocks, make_small, numbered, rows_of, sequences

from cisreg.data import Columns, open_dataset
from cisreg.data.conversion import stages
from cisreg.data.conversion.convert import convert
from cisreg.data.files import DatasetFiles
from cisreg.data.formats.manifest import read_manifest, verify
from cisreg.data.formats.one_hot import format_one_hot
from cisreg.sequences import encode

COUNT = 5000


@pytest.fixture(autouse=True)
def small_runs(monkeypatch):
    make_small(monkeypatch.setattr)


@pytest.fixture
def table(tmp_path):
    """5,000 rows whose expression is the row number."""
    path = tmp_path / "a.tsv"
    return path, numbered(path, COUNT)


def shuffled_numbers(path, folder, seed=0):
    convert(open_dataset(path), folder, seed=seed, **SIZES)
    return rows_of(folder)[0]["expression"].to_numpy().astype(int)


def test_every_row_is_there_once_with_what_belongs_to_it(table, tmp_path):
    path, text = table
    manifest = convert(open_dataset(path), tmp_path / "out", **SIZES)
    found, names = rows_of(tmp_path / "out")
    number = found["expression"].to_numpy().astype(int)
    assert sorted(number.tolist()) == list(range(COUNT))
    assert found["sequence"].to_pylist() == [text[row] for row in number]
    assert names == [f"part-{part:05d}.parquet" for part in range(8)]
    assert [file.rows for file in manifest.files] == [700] * 7 + [100]
    assert (manifest.rows, manifest.order, manifest.unusable) == (COUNT, "shuffled", {})
    lengths = [len(each) for each in text]
    assert (manifest.shortest, manifest.longest) == (min(lengths), max(lengths))
    assert manifest.columns == Columns("sequence", ("expression",), weight=False)
    assert verify(tmp_path / "out") == read_manifest(tmp_path / "out") == manifest


def test_the_folder_is_a_dataset(table, tmp_path):
    path, text = table
    convert(open_dataset(path), tmp_path / "out", order="kept", **SIZES)
    data = open_dataset(tmp_path / "out").load()
    assert np.array_equal(data.expression, np.arange(COUNT))
    assert np.array_equal(data.sequence, encode(text))


def test_the_shuffle_leaves_nothing_of_the_order(table, tmp_path):
    number = shuffled_numbers(table[0], tmp_path / "out")
    # The rank correlation of two random orders has a standard deviation of 1 / sqrt(n - 1).
    assert abs(np.corrcoef(number, np.arange(COUNT))[0, 1]) < 4 / np.sqrt(COUNT - 1)
    # Rows that still follow each other: about 1 is expected in a random order (Poisson's law).
    assert (np.diff(number) == 1).sum() <= 6
    # 500 rows that were together are spread evenly over the files of 700 rows.
    for first in range(0, COUNT, 500):
        share = np.histogram(
            np.flatnonzero((number >= first) & (number < first + 500)), np.arange(0, 5000, 700)
        )[0]
        expected = 500 * 700 / COUNT
        assert np.abs(share - expected).max() < 4 * np.sqrt(expected * (1 - 700 / COUNT))


def test_the_shuffle_is_of_its_seed(table, tmp_path):
    first, again, other = (
        shuffled_numbers(table[0], tmp_path / name, seed)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert np.array_equal(first, again)
    assert abs(np.corrcoef(first, other)[0, 1]) < 4 / np.sqrt(COUNT - 1)


def test_sorted_is_by_sequence_then_expression_then_place(tmp_path):
    generator = np.random.default_rng(1)
    text = sequences(COUNT, generator, 4)
    level = generator.integers(-3, 3, COUNT).astype(np.float32)
    # The weight is the original row number.
    source = pa.table({"sequence": text, "expression": level, "weight": np.arange(COUNT) / 1.0})
    pq.write_table(source, tmp_path / "a.parquet")
    convert(open_dataset(tmp_path / "a.parquet"), tmp_path / "out", order="sorted", **SIZES)
    found, _ = rows_of(tmp_path / "out")
    expected = sorted(zip(text, level.tolist(), range(COUNT), strict=True))
    assert list(zip(*(column.to_pylist() for column in found.columns), strict=True)) == expected


@pytest.mark.parametrize("order", ["shuffled", "sorted", "kept"])
def test_measurements_that_some_outputs_lack_stay_missing(tmp_path, order):
    generator = np.random.default_rng(2)
    text, measured = sequences(COUNT, generator, 4), generator.integers(-3, 3, (COUNT, 2)) / 2
    measured[generator.random((COUNT, 2)) < 0.2] = np.nan
    names = ("glucose", "galactose")
    levels = [pa.array(column, pa.float32(), from_pandas=True) for column in measured.T]
    source = pa.table([text, *levels, np.arange(COUNT) / 1.0], names=["seq", *names, "weight"])
    pq.write_table(source, tmp_path / "a.parquet")
    asked = Columns("seq", names, "weight")
    opened = open_dataset(tmp_path / "a.parquet", columns=asked, partly_measured=True)
    manifest = convert(opened, tmp_path / "out", order=order, **SIZES)
    there = np.flatnonzero(np.isfinite(measured).any(axis=1))
    assert manifest.unusable == {"no finite number as expression": COUNT - len(there)}
    assert manifest.columns.expression == names
    found, _ = rows_of(tmp_path / "out")
    row = found["weight"].to_numpy().astype(int)
    assert sorted(row.tolist()) == there.tolist()
    for name, level in zip(names, levels, strict=True):
        # Missing, not NaN.
        assert found[name].to_pylist() == level.take(pa.array(row)).to_pylist()
    if order == "kept":
        assert (np.diff(row) > 0).all()
    if order == "sorted":
        keys = [(text[at], *np.nan_to_num(measured[at], nan=np.inf), at) for at in row.tolist()]
        assert keys == sorted(keys)


def test_a_conversion_of_outputs_is_not_resumed_as_one_of_replicates(tmp_path, monkeypatch):
    text = sequences(COUNT, np.random.default_rng(3), 4)
    source = pa.table({"sequence": text, "a": np.arange(COUNT) / 1.0, "b": np.ones(COUNT)})
    pq.write_table(source, tmp_path / "a.parquet")
    opened = {
        several: open_dataset(
            *[tmp_path / "a.parquet"],
            columns=Columns("sequence", ("a", "b")),
            partly_measured=several,
        )
        for several in (True, False)
    }
    with monkeypatch.context() as patch:
        patch.setattr(stages.Conversion, "_write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            convert(opened[True], tmp_path / "out", **SIZES)
    with pytest.raises(ValueError, match=r"partly_measured: expected True .* got False"):
        convert(opened[False], tmp_path / "out", resume=True, **SIZES)
    assert convert(opened[True], tmp_path / "out", resume=True, **SIZES).rows == COUNT


def test_kept_is_as_it_was(table, tmp_path):
    path, text = table
    convert(open_dataset(path), tmp_path / "out", order="kept", **SIZES)
    found, _ = rows_of(tmp_path / "out")
    assert found["sequence"].to_pylist() == text
    assert found["expression"].to_pylist() == list(range(COUNT))


@pytest.mark.parametrize("order", ["shuffled", "sorted", "kept"])
def test_the_bytes_are_those_of_rows_and_options_alone(table, tmp_path, order, monkeypatch):
    def converted(name, threads):
        convert(
            open_dataset(table[0]), tmp_path / name, order=order, threads=threads, seed=3, **SIZES
        )
        return contents(tmp_path / name)

    one = converted("one", 1)
    assert len(one) == 9
    assert converted("four", 4) == one
    monkeypatch.setattr(stages, "_RUN_BYTES", 1 << 20)
    monkeypatch.setattr(stages, "_UNIT_BYTES", 1 << 20)
    assert converted("one run", 2) == one
    monkeypatch.setattr(stages, "_RUN_BYTES", 3000)
    monkeypatch.setattr(DatasetFiles, "blocks", in_blocks(37, DatasetFiles.blocks))
    assert converted("small blocks", 2) == one


def test_how_the_files_are_written(table, tmp_path):
    convert(open_dataset(table[0]), tmp_path / "out", **SIZES)
    path = tmp_path / "out" / "part-00000.parquet"
    file = pq.ParquetFile(path)
    assert file.schema_arrow == pa.schema([("sequence", pa.string()), ("expression", pa.float32())])
    footer = file.metadata
    assert [footer.row_group(group).num_rows for group in range(7)] == [100] * 7
    sequence = footer.row_group(0).column(0)
    assert sequence.compression == "ZSTD"
    assert "DELTA_LENGTH_BYTE_ARRAY" in sequence.encodings
    assert not sequence.has_dictionary_page
    # A flipped bit in a page is noticed even without the manifest.
    content = bytearray(path.read_bytes())
    content[sequence.data_page_offset + sequence.total_compressed_size - 1] ^= 1
    path.write_bytes(content)
    with pytest.raises(OSError, match="CRC"):
        pq.ParquetFile(path, page_checksum_verification=True).read_row_group(0)
    with pytest.raises(ValueError, match=r"part-00000\.parquet: expected the checksum"):
        verify(tmp_path / "out")


def test_groups_that_do_not_divide_the_file(table, tmp_path):
    sizes = {"rows_per_file": 1234, "rows_per_group": 500}
    convert(open_dataset(table[0]), tmp_path / "out", order="kept", **sizes)
    footers = [pq.read_metadata(path) for path in sorted((tmp_path / "out").glob("*.parquet"))]
    groups = [
        [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
        for footer in footers
    ]
    assert groups == [[500, 500, 234]] * 4 + [[64]]
    assert rows_of(tmp_path / "out")[0]["expression"].to_pylist() == list(range(COUNT))


def test_one_hot_text(tmp_path):
    codes = np.random.default_rng(0).integers(0, 5, (300, 12)).astype(np.uint8)
    labels = pa.array([str(row) for row in range(300)])
    (tmp_path / "a.ohc.gz").write_bytes(gzip.compress(format_one_hot(codes, labels)))
    manifest = convert(open_dataset(tmp_path / "a.ohc.gz"), tmp_path / "out", **SIZES)
    assert (manifest.longest, manifest.shortest) == (12, 12)
    data = open_dataset(tmp_path / "out").load()
    order = data.expression.astype(int)
    assert sorted(order.tolist()) == list(range(300))
    assert np.array_equal(data.sequence, codes[order])


def test_fasta_with_a_table(tmp_path):
    (tmp_path / "a.fasta").write_text(">one first\nACGT\nAC\n>two\nTTT\n>three\nGG\n")
    (tmp_path / "m.tsv").write_text("name\texpression\tweight\nthree\t3\t1\none\t1\t0.5\n")
    source = open_dataset(tmp_path / "a.fasta", measurements=tmp_path / "m.tsv")
    manifest = convert(source, tmp_path / "out", order="sorted")
    found, _ = rows_of(tmp_path / "out")
    assert found.to_pydict() == {
        "sequence": ["ACGTAC", "GG"],
        "expression": [1.0, 3.0],
        "weight": [0.5, 1.0],
    }
    assert manifest.unusable == {"no measurement of that name": 1}
    assert manifest.columns.weight == "weight"


def test_fasta_without_measurements(tmp_path):
    (tmp_path / "a.fasta").write_text(">one\nACGT\n>two\nTTT\n")
    manifest = convert(open_dataset(tmp_path / "a.fasta"), tmp_path / "out", order="kept")
    assert manifest.columns == Columns("sequence", (), weight=False)
    assert rows_of(tmp_path / "out")[0].to_pydict() == {"sequence": ["ACGT", "TTT"]}
    assert sum(map(len, open_dataset(tmp_path / "out").blocks())) == 2


@pytest.mark.parametrize(
    ("names", "written"),
    [
        (("low", "high"), ("low", "high")),
        (("low", "Weight"), ("expression_1", "expression_2")),
        (("low", "LOW"), ("expression_1", "expression_2")),
        (("low", "high\x1b[31m"), ("expression_1", "expression_2")),
    ],
)
def test_several_measurements(tmp_path, names, written, caplog):
    source = pa.table([["ACGT", "C", "GG"], [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], ["dna", *names])
    pq.write_table(source, tmp_path / "a.parquet")
    data = open_dataset(tmp_path / "a.parquet", columns=Columns("dna", names))
    manifest = convert(data, tmp_path / "out", order="kept")
    assert manifest.columns == Columns("sequence", written, weight=False)
    found, _ = rows_of(tmp_path / "out")
    assert found.column_names == ["sequence", *written]
    renamed = "expression_1 (low), expression_2 ("
    assert (renamed in caplog.text) == (written != names)
    assert open_dataset(tmp_path / "out").load().expression.tolist() == [[1, 4], [2, 5], [3, 6]]


def test_many_files_are_one_dataset(tmp_path):
    for index, compress in enumerate([bytes, gzip.compress]):
        text = "".join(f"ACGT\t{index * 10 + row}\n" for row in range(10))
        (tmp_path / f"{index}.tsv").write_bytes(compress(text.encode()))
    convert(open_dataset(str(tmp_path / "*.tsv")), tmp_path / "out", order="kept")
    assert rows_of(tmp_path / "out")[0]["expression"].to_pylist() == list(range(20))


def test_rows_that_cannot_be_used_are_counted(tmp_path):
    (tmp_path / "a.tsv").write_text("ACGT\t1\nACXT\t2\nACGT\tnan\n\t3\nACGT\t4\nAC!T\t5\n")
    manifest = convert(open_dataset(tmp_path / "a.tsv"), tmp_path / "out", order="kept")
    assert rows_of(tmp_path / "out")[0]["expression"].to_pylist() == [1, 4]
    assert sum(manifest.unusable.values()) == 4
    assert manifest.unusable["letters that are no nucleotide codes"] == 2
    assert read_manifest(tmp_path / "out").unusable == manifest.unusable


def test_memory_is_that_of_runs_and_units_not_of_the_rows(tmp_path, monkeypatch):
    generator, count = np.random.default_rng(0), 200_000
    letters = np.frombuffer(b"ACGT", np.uint8)[generator.integers(0, 4, (count, 110))]
    text = pa.LargeStringArray.from_buffers(
        *(count, pa.py_buffer(np.arange(count + 1) * 110), pa.py_buffer(letters))
    )
    source = pa.table({"sequence": text, "expression": generator.normal(size=count)})
    pq.write_table(source, tmp_path / "a.parquet", row_group_size=5000)
    monkeypatch.setattr(stages, "_RUN_BYTES", 1 << 20)
    monkeypatch.setattr(stages, "_UNIT_BYTES", 1 << 20)
    del source, text, letters
    for order in ("shuffled", "sorted", "kept"):
        before = pa.default_memory_pool()
        pool = pa.proxy_memory_pool(before)
        pa.set_memory_pool(pool)
        try:
            convert(
                open_dataset(tmp_path / "a.parquet"),
                *(tmp_path / order,),
                order=order,
                rows_per_file=50_000,
                rows_per_group=5000,
                threads=2,
            )
        finally:
            pa.set_memory_pool(before)
        # The rows take 24 MB. In memory: a few runs and units of 1 MB each, and one row group.
        assert 0 < pool.max_memory() < 10 << 20, order


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"order": "random"}, "order: expected one of"),
        ({"seed": -1}, "seed: expected 0 or more"),
        ({"rows_per_file": 0}, "rows_per_file: expected 1 or more"),
        ({"rows_per_group": 0}, "rows_per_group: expected 1 or more"),
        ({"threads": 0}, "threads: expected 1 or more"),
    ],
)
def test_wrong_options(table, tmp_path, option, message):
    with pytest.raises(ValueError, match=message):
        convert(open_dataset(table[0]), tmp_path / "out", **option)
    assert not (tmp_path / "out").exists()


def test_it_shows_nothing_where_there_is_no_terminal(table, tmp_path, capfd):
    convert(open_dataset(table[0]), tmp_path / "out", progress=True)
    assert capfd.readouterr() == ("", "")
