"""One long sequence among short ones: a warning, or an error before memory is allocated."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cisreg.data import convert, open_dataset, read_dataset
from cisreg.data.feeding import lengths


def write(path, texts):
    lines = [f"{text}\t{row}" for row, text in enumerate(texts)]
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.fixture
def warnings(caplog):
    return lambda: [each.message for each in caplog.records if "the median is" in each.message]


@pytest.mark.parametrize("name", ["x.tsv", "x.tsv.gz"])
def test_a_row_of_megabases_is_named_before_memory_is_taken(tmp_path, name):
    # Padded to this length, the dataset would take 30 GB.
    path = write(tmp_path / name, ["ACGT" * 20] * 5000 + ["ACG" * 1_000_000] + ["TTGA" * 20] * 5000)
    message = (
        rf"{name}:5001: .*10,001 sequences .*of 3,000,000 bases, the median being 80: 27.9 GB; "
        "give a length"
    )
    for strict in (False, True):
        data = open_dataset(path, strict=strict)
        with pytest.raises(ValueError, match=message):
            data.load()
    with pytest.raises(ValueError, match=message):
        assert data.length
    # With a given length, it is a row like the others.
    assert read_dataset(path, 110).sequence.shape == (10_001, 110)
    assert max(map(len, data.blocks())) > 1000


def test_a_long_row_of_parquet_is_named(tmp_path):
    texts = ["ACGT" * 20] * 50_000
    texts[7] = "ACGT" * 250_000
    table = pa.table({"sequence": texts, "expression": range(len(texts))})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=5)
    with pytest.raises(ValueError, match=r"x\.parquet, row 7: .*of 1,000,000 bases, the median"):
        open_dataset(tmp_path / "x.parquet").load()


@pytest.mark.parametrize(("longest", "said"), [(90, False), (400, True)])
def test_a_length_far_above_the_median_is_said(tmp_path, warnings, longest, said):
    path = write(tmp_path / "x.tsv", ["A" * 100] * 9 + ["C" * longest])
    data = open_dataset(path)
    assert data.load().sequence.shape[1] == max(longest, 100)
    expected = (
        f"{path}:10: the longest of 10 sequences has 400 bases, and all are padded to it; the "
        "median is 100; give a length to trim to, or remove the row"
    )
    assert warnings() == [expected] * said
    assert read_dataset(path, 100).sequence.shape[1] == 100
    assert warnings() == [expected] * said
    assert open_dataset(path).length == max(longest, 100)
    assert warnings() == [expected] * said * 2


def test_a_conversion_says_so_too(tmp_path, warnings):
    path = write(tmp_path / "x.tsv", ["A" * 100] * 9 + ["C" * 500])
    convert(open_dataset(path), tmp_path / "out", progress=False)
    (said,) = warnings()
    assert "the longest of 10 sequences has 500 bases" in said


def test_the_median_of_counted_lengths(tmp_path):
    path = write(tmp_path / "x.tsv", ["A" * size for size in (1, 2, 2, 5, 9)])
    counted, other = lengths.Lengths(), lengths.Lengths()
    for rows in open_dataset(path).blocks():
        counted.add(rows.slice(0, 3))
        other.add(rows.slice(3))
    counted.add_all(other)
    assert (counted.count, counted.median, counted.longest) == (5, 2, 9)
    assert counted.place == f"{path}:5"
