"""Which line or row of its file each row is: every row's expression is that number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cisreg.data import Dataset, HoldOut, convert, open_dataset
from cisreg.data.dataset import join
from cisreg.data.formats.one_hot import format_one_hot
from cisreg.sequences import decode

COUNT = 40
RANDOM = np.random.default_rng(0)
SEQUENCES = decode(RANDOM.integers(0, 4, (COUNT, 20), dtype=np.uint8))
if not isinstance(SEQUENCES, list):
    SEQUENCES = SEQUENCES.to_pylist()
# Rows 2 and 5 of the file, counted from 1.
UNUSABLE = (1, 4)


def write_text(path, *, faulty=True, before=0):
    """A table whose rows, but two, have the number of their line as expression."""
    lines = ["# a comment"] * before + ["sequence\texpression"]
    for row, text in enumerate(SEQUENCES):
        number = len(lines) + 1
        fault = faulty and row in UNUSABLE
        lines.append(f"{text}\t{'none' if fault else number}")
    path.write_text("\n".join(lines) + "\n")
    return path


def write_parquet(path, *, group=7):
    """The same of rows, from 0."""
    level = [None if row in UNUSABLE else float(row) for row in range(COUNT)]
    pq.write_table(pa.table({"sequence": SEQUENCES, "expression": level}), path, group)
    return path


def check_text(data, path):
    assert [data.place(row) for row in range(len(data))] == [
        f"{path}:{number:.0f}" for number in data.expression
    ]


def check_parquet(data, path):
    assert [data.place(row) for row in range(len(data))] == [
        f"{path}, row {number:.0f}" for number in data.expression
    ]


SUBSETS = {
    "slice": lambda data: data[3:20],
    "steps": lambda data: data[1:30:4],
    "backwards": lambda data: data[::-1],
    "a slice of a slice": lambda data: data[2:][3:9],
    "integers": lambda data: data.take([5, 1, 1, -1, -2]),
    "booleans": lambda data: data.take(np.arange(len(data)) % 3 == 1),
    "of a choice": lambda data: data.take([9, 3, 6])[1:],
    "copy": lambda data: data[4:].copy(),
    "joined": lambda data: join([data[:5], data[20:], data[7:9]]),
    "joined in order": lambda data: join([data[:5], data[5:]]),
    "held out": lambda data: HoldOut(0.3).split(data, 0)[1],
    "training": lambda data: HoldOut(0.3).split(data, 0)[0],
    "nothing": lambda data: data[:0],
    "replaced": lambda data: replace(data[6:], side="right"),
}


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("faulty", [True, False])
@pytest.mark.parametrize("subset", SUBSETS)
def test_lines_of_text_stay_with_their_rows(subset, faulty, before, tmp_path):
    path = write_text(tmp_path / "t.tsv", faulty=faulty, before=before)
    data = open_dataset(path).load()
    assert len(data) == COUNT - 2 * faulty
    check_text(data, path)
    check_text(SUBSETS[subset](data), path)


@pytest.mark.parametrize("subset", SUBSETS)
def test_rows_of_parquet_stay_with_their_rows(subset, tmp_path):
    path = write_parquet(tmp_path / "t.parquet")
    data = open_dataset(path).load()
    check_parquet(data, path)
    check_parquet(SUBSETS[subset](data), path)


def test_nothing_is_kept_of_each_row_where_none_was_left_out(tmp_path):
    whole = open_dataset(write_text(tmp_path / "t.tsv", faulty=False)).load()
    parts = (whole, whole[5:], join([whole[:4], whole[4:]]), whole.copy(), Dataset(["A"], [1.0]))
    for data in parts:
        assert data.places.number is None and data.places.file is None
    left = open_dataset(write_text(tmp_path / "f.tsv")).load()
    assert left.places.number.dtype == np.int32 and left.places.file is None


def test_several_files_are_told_apart(tmp_path):
    paths = [write_text(tmp_path / "a.tsv"), write_text(tmp_path / "b.tsv", before=3)]
    data = open_dataset([str(path) for path in paths]).load()
    data = data.take(RANDOM.permutation(len(data)))
    for row in range(len(data)):
        number = int(data.expression[row])
        assert data.place(row) in [f"{path}:{number}" for path in paths]
        name, line = data.place(row).rsplit(":", 1)
        found = open(name).read().splitlines()[int(line) - 1].split("\t")  # noqa: PTH123, SIM115
        assert found == [data[row].sequence, line]
    assert len({data.place(row) for row in range(len(data))}) == len(data)
    assert len(np.unique(data.places.along())) == len(data)


def test_row_groups_in_any_order(tmp_path):
    path = write_parquet(tmp_path / "t.parquet")
    data = open_dataset(path)
    rows, _ = data.read_group(0, np.array([4, 3, 6, 5, 0, 1, 2]))
    check_parquet(rows, path)
    assert rows.expression.tolist() == [3, 6, 5, 0, 2]
    check_parquet(data.load(groups=np.array([0, 3])), path)


def test_converted_rows_are_those_of_the_new_file(tmp_path):
    convert(open_dataset(write_text(tmp_path / "t.tsv")), tmp_path / "files", order="kept")
    data = open_dataset(tmp_path / "files").load()
    assert data.place(4).endswith("part-00000.parquet, row 4") and data.places.number is None


def test_one_hot_text_and_fasta(tmp_path):
    (tmp_path / "s.fa").write_text(">a\nAC\nGT\n>b\n\n>c\nTTTT\n>d\nGGGG\n")
    rows = "name\texpression\na\t1\nb\t4\nc\t6\nd\t8\n"
    (tmp_path / "m.tsv").write_text(rows)
    data = open_dataset(tmp_path / "s.fa", measurements=tmp_path / "m.tsv").load()
    check_text(data, tmp_path / "s.fa")
    codes = np.array([[0, 1, 2, 3]] * 4, np.uint8)
    text = format_one_hot(codes, pa.array(["1", "none", "3", "4"]))
    (tmp_path / "o.txt").write_bytes(text)
    check_text(open_dataset(tmp_path / "o.txt").load(), tmp_path / "o.txt")


def test_arrays_and_frames_have_their_own_rows():
    frame = {"sequence": SEQUENCES, "expression": np.arange(COUNT)}
    for data in (Dataset(SEQUENCES, np.arange(COUNT)), Dataset.from_frame(frame)):
        some = data.take([7, 30, 2])[1:]
        assert [some.place(row) for row in (0, 1, -1)] == ["row 30", "row 2", "row 2"]
    with pytest.raises(IndexError, match="expected a row of 2"):
        some.place(2)


def test_batches_do_not_say_what_is_not_known(tmp_path):
    (batch, *_) = open_dataset(write_text(tmp_path / "t.tsv")).batches(8)
    assert batch.places is None
    with pytest.raises(ValueError, match="places: expected rows"):
        batch.place(0)


def test_what_is_not_known_stays_so_where_a_field_is_replaced(tmp_path):
    (batch, *_) = open_dataset(write_text(tmp_path / "t.tsv")).batches(8)
    changed = replace(batch, expression=batch.expression + 1)
    assert changed.places is None
    with pytest.raises(ValueError, match="places: expected rows"):
        changed.place(3)


@pytest.mark.parametrize("from_arrays", [True, False])
def test_another_number_of_rows_has_no_known_places(from_arrays, tmp_path):
    if from_arrays:
        whole = Dataset(SEQUENCES, np.arange(COUNT))
    else:
        whole = open_dataset(write_text(tmp_path / "t.tsv")).load()
    fewer = replace(whole, sequence=whole.sequence[5:], expression=whole.expression[5:])
    assert fewer.places is None
    with pytest.raises(ValueError, match="choose rows with take"):
        fewer.place(0)
    same = replace(whole, expression=whole.expression + 1)
    assert same.place(6) == whole.place(6)
