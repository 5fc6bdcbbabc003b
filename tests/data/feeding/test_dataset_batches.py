"""Batches of one length or of several, and their conversion for TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cisreg.data import Columns, Dataset, open_dataset
from cisreg.data.feeding.tensors import to_tf
from cisreg.sequences import encode


@pytest.fixture
def path(tmp_path):
    lines = [f"{'ACGT' * 3}"[: 1 + row % 9] + f"\t{row}\t{row / 2}" for row in range(25)]
    path = tmp_path / "x.tsv"
    path.write_text("sequence\texpression\tweight\n" + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("batch_size", [1, 7, 25, 100])
def test_batches_hold_every_row_in_order(path, batch_size):
    data = open_dataset(path)
    batches = list(data.batches(batch_size))
    sizes = [len(batch) for batch in batches]
    assert sizes == [min(batch_size, 25 - first) for first in range(0, 25, batch_size)]
    loaded = data.load()
    np.testing.assert_array_equal(np.concatenate([b.sequence for b in batches]), loaded.sequence)
    numbers = np.concatenate([batch.expression for batch in batches])
    np.testing.assert_array_equal(numbers, loaded.expression)
    weights = np.concatenate([batch.weight for batch in batches])
    np.testing.assert_array_equal(weights, loaded.weight)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=40),
    st.sets(st.integers(1, 13), min_size=1, max_size=4),
    st.integers(1, 9),
    st.sampled_from(["left", "right"]),
)
def test_buckets(tmp_path, sizes, lengths, batch_size, side):
    lengths = sorted(lengths)
    texts = [("GATTACA" * 2)[:size] for size in sizes]
    path = tmp_path / "x.tsv"
    path.write_text("".join(f"{text}\t{row}\n" for row, text in enumerate(texts)))
    batches = list(open_dataset(path, side=side).batches(batch_size, bucket_lengths=lengths))
    rows = []
    for batch in batches:
        length = batch.sequence.shape[1]
        numbers = batch.expression.astype(int).tolist()
        for row in numbers:
            held = [each for each in lengths if each >= sizes[row]]
            assert length == (held[0] if held else lengths[-1])
        expected = encode([texts[row] for row in numbers], length, side=side)
        np.testing.assert_array_equal(batch.sequence, expected)
        assert numbers == sorted(numbers)
        rows += numbers
    assert sorted(rows) == list(range(len(texts)))
    # Among batches of one length, only the last one may be incomplete.
    for length in lengths:
        counts = [len(batch) for batch in batches if batch.sequence.shape[1] == length]
        assert all(count == batch_size for count in counts[:-1])


def test_refusals(path):
    data = open_dataset(path)
    with pytest.raises(ValueError, match="batch_size: expected 1 or more, got 0"):
        data.batches(0)
    for lengths in ((), (3, 3), (4, 2), (0, 5)):
        with pytest.raises(ValueError, match="bucket_lengths: expected rising lengths"):
            data.batches(2, bucket_lengths=lengths)
    with pytest.raises(ValueError, match="epochs: expected 1 or more, got 0"):
        data.as_tf(2, epochs=0)


def test_as_tf(path):
    data = open_dataset(path)
    dataset = data.as_tf(10, epochs=2)
    assert dataset.element_spec == (
        tf.TensorSpec([None, 9], tf.uint8),
        tf.TensorSpec([None], tf.float32),
        tf.TensorSpec([None], tf.float32),
    )
    # A second iteration starts from the beginning.
    for _ in range(2):
        elements = list(dataset.as_numpy_iterator())
        assert [len(element[1]) for element in elements] == [10, 10, 5] * 2
        loaded = data.load()
        np.testing.assert_array_equal(
            np.concatenate([element[0] for element in elements[:3]]), loaded.sequence
        )
        np.testing.assert_array_equal(
            np.concatenate([element[2] for element in elements[3:]]), loaded.weight
        )
    buckets = data.as_tf(4, bucket_lengths=(3, 9))
    assert {element[0].shape[1] for element in buckets} == {3, 9}
    assert buckets.element_spec[0].shape == [None, None]


def test_several_measurements_as_tf(path):
    columns = Columns("sequence", ("expression", "weight"))
    dataset = open_dataset(path, columns=columns).as_tf(25)
    assert dataset.element_spec[1].shape == [None, 2]
    (element,) = dataset.as_numpy_iterator()
    assert len(element) == 2
    np.testing.assert_array_equal(element[1][:, 0], np.arange(25))
    rows = Dataset(np.zeros((2, 3), np.uint8), np.zeros((2, 0), np.float32))
    (element,) = to_tf(
        lambda number: iter([rows]), length=3, measurements=0, weighted=False, count=1
    ).as_numpy_iterator()
    assert element[1].shape == (2, 0)
