"""Datasets, their splits and the order of their epochs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from cisreg.data import Dataset, epoch_order, join, read_dataset


def make_dataset(count):
    codes = (np.arange(count)[:, None] + np.arange(4)) % 5
    return Dataset(codes.astype(np.uint8), np.arange(count, dtype=np.float32))


@pytest.mark.parametrize(
    ("sequence", "expression", "message"),
    [
        (np.full((2, 3), 0.5), np.zeros(2), "sequence: expected uint8 .*, got 0.5"),
        (np.zeros(3, np.uint8), np.zeros(3, np.float32), "sequence: expected uint8 of shape"),
        (np.zeros((2, 3), np.uint8), np.zeros((2, 1, 1)), "expression: expected float32 of shape"),
        (np.zeros((2, 3), np.uint8), ["1", "2"], "expression: expected float32 .*, got"),
        (np.zeros((2, 3), np.uint8), np.zeros(3, np.float32), "each of 2 sequences, got 3"),
        (np.full((2, 3), 5, np.uint8), np.zeros(2, np.float32), "codes 0 to 4, got 5"),
        (
            np.zeros((2, 3), np.uint8),
            np.array([0, np.nan], np.float32),
            r"finite numbers, got nan at \[1\]",
        ),
    ],
)
def test_a_dataset_refuses_what_is_none(sequence, expression, message):
    with pytest.raises(ValueError, match=message):
        Dataset(sequence, expression)


def test_take_picks_rows_in_order():
    part = make_dataset(6).take(np.array([4, 1]))
    np.testing.assert_array_equal(part.expression, [4, 1])
    np.testing.assert_array_equal(part.sequence, [[4, 0, 1, 2], [1, 2, 3, 4]])


def test_the_order_of_an_epoch_is_fixed_for_good():
    """Fixed numbers: a run of an older version must be resumable."""
    assert epoch_order(8, seed=0, epoch=1).tolist() == [7, 4, 5, 1, 6, 2, 0, 3]
    assert epoch_order(8, seed=7, epoch=3).tolist() == [2, 4, 7, 3, 5, 1, 0, 6]


def test_the_order_changes_with_seed_and_epoch():
    orders = {tuple(epoch_order(20, seed, epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert epoch_order(0, 0, 1).shape == (0,)


def test_read_dataset_encodes_to_the_length_asked_for(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_text("ACGT\t1\nGG\t2\n")
    dataset = read_dataset(path, 3)
    np.testing.assert_array_equal(dataset.sequence, [[1, 2, 3], [4, 2, 2]])
    np.testing.assert_array_equal(dataset.expression, [1, 2])
    dataset = read_dataset(path, side="right")
    np.testing.assert_array_equal(dataset.sequence, [[0, 1, 2, 3], [2, 2, 4, 4]])


def named_dataset(count=6, measurements=1):
    numbers = np.arange(count * measurements, dtype=np.float32).reshape(count, measurements)
    return Dataset(
        np.tile((np.arange(count) % 5).astype(np.uint8)[:, None], (1, 3)),
        numbers,
        numbers[:, 0] + 0.5,
        pa.array([f"s{row}" for row in range(count)], pa.large_string()),
    )


CHOICES = {
    "slice": slice(1, 4),
    "empty": slice(3, 1),
    "steps": slice(None, None, -2),
    "end": slice(-2, None),
    "numbers": np.array([4, 0, 0]),
    "list": [5, 1],
    "marks": np.array([True, False, True, False, False, True]),
}


@pytest.mark.parametrize("measurements", [1, 2])
@pytest.mark.parametrize("rows", CHOICES.values(), ids=CHOICES)
def test_rows_are_chosen_alike_in_every_field(rows, measurements):
    data = named_dataset(measurements=measurements)
    part = data[rows]
    expected = np.arange(len(data))[rows]
    assert part.name.to_pylist() == [f"s{row}" for row in expected]
    np.testing.assert_array_equal(part.sequence[:, 0], expected % 5)
    np.testing.assert_array_equal(part.expression, data.expression[expected])
    np.testing.assert_array_equal(part.weight, data.weight[expected])
    assert part.expression.shape == (len(expected), 2)[:measurements]


def test_joined_parts_are_the_whole():
    data = named_dataset()
    whole = join([data[:2], data[2:2], data[2:]])
    assert whole.fingerprint() == data.fingerprint()
    assert whole.name.equals(data.name)
    bare = Dataset(data.sequence, data.expression)
    assert join([data, bare]).name is None
    assert join([data, bare]).weight is None
    with pytest.raises(ValueError, match="datasets of one length"):
        join([data, Dataset(data.sequence[:, :2], data.expression)])


@pytest.mark.parametrize("rows", ["expression", ["a"], [0.5]])
def test_rows_are_taken_by_number(rows):
    data = Dataset(np.zeros((3, 4), np.uint8), np.zeros(3, np.float32))
    with pytest.raises(TypeError, match="rows: expected integers or booleans"):
        data[rows]
    assert len(data[[]]) == 0


@pytest.mark.parametrize("row", [2, -3, 400, np.int64(2)])
def test_a_row_that_is_not_there_is_named(row):
    with pytest.raises(IndexError, match=f"rows: expected a row of 2, counted from 0, got {row}"):
        Dataset(["AC", "GT"], [1, 2])[row]


def test_as_many_measurements_as_sequences_are_said(caplog):
    sequences = ["ACGT", "TTGC", "GATT"]
    for shape in ((3, 2), (3, 1), (3,)):
        Dataset(sequences, np.ones(shape))
    Dataset(sequences[:1], [[1.0]])
    assert not caplog.records
    Dataset(sequences, np.ones((3, 3)))
    assert "as many measurements as sequences, 3: each row is taken for" in caplog.text
    with pytest.raises(ValueError, match="expression: expected one for each of 3 sequences, got 2"):
        Dataset(sequences, np.ones((2, 3)))


def test_the_mean_of_large_measurements_does_not_overflow(recwarn):
    data = Dataset(["ACGT", "TTGC"], np.full((2, 3), 3e38))
    assert data.mean_expression.dtype == np.float32
    assert data.mean_expression.tolist() == np.full(2, 3e38, np.float32).tolist()
    assert not list(recwarn)
