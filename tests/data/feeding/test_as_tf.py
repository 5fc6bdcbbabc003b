"""Files as a TensorFlow dataset: orders, number of batches, and where errors are said."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cisreg.data import open_dataset

ROWS, LENGTH = 50, 8


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    random = np.random.default_rng(0)
    table = pa.table(
        {
            "sequence": ["".join(random.choice(list("ACGT"), LENGTH)) for _ in range(ROWS)],
            "expression": np.arange(ROWS, dtype=np.float32),
        }
    )
    path = tmp_path_factory.mktemp("as_tf") / "train.parquet"
    pq.write_table(table, path, row_group_size=10)
    return path


def order(batches):
    return np.concatenate([expression for _, expression in batches]).astype(int).tolist()


def test_every_iteration_has_another_order_that_seed_and_epoch_determine(path):
    data = open_dataset(path, lanes=2)
    dataset = data.as_tf(16, seed=3)
    orders = [order(dataset.as_numpy_iterator()) for _ in range(3)]
    repeated = order(data.as_tf(16, seed=3).repeat(3).as_numpy_iterator())
    at_once = order(data.as_tf(16, seed=3, epochs=3).as_numpy_iterator())
    assert list(itertools.chain(*orders)) == repeated == at_once
    assert len(set(map(tuple, orders))) == 3
    assert all(sorted(each) == list(range(ROWS)) for each in orders)
    later = data.shuffled_batches(16, seed=3, first_epoch=3)
    assert order((rows.sequence, rows.expression) for rows in later) == orders[2]
    assert order(data.as_tf(16, seed=4).as_numpy_iterator()) != orders[0]
    two = data.as_tf(16, seed=3, epochs=2)
    order(two.as_numpy_iterator())
    assert order(two.as_numpy_iterator())[:ROWS] == orders[2]


def test_without_a_seed_every_iteration_is_the_same(path):
    dataset = open_dataset(path).as_tf(16, epochs=2)
    assert order(dataset.as_numpy_iterator()) == [*range(ROWS), *range(ROWS)]
    assert order(dataset.as_numpy_iterator()) == [*range(ROWS), *range(ROWS)]


@pytest.mark.parametrize("options", [{"seed": 0}, {"seed": 0, "epochs": 3}, {}, {"epochs": 2}])
def test_the_number_of_batches_is_known(path, options):
    dataset = open_dataset(path).as_tf(16, **options)
    assert dataset.cardinality() == len(dataset) == sum(1 for _ in dataset)
    assert dataset.repeat(2).cardinality() == 2 * len(dataset)


@pytest.mark.parametrize("batch_size", [1, 4, 7, 100])
def test_the_number_of_batches_of_text_counts_rows_that_can_be_used(tmp_path, batch_size):
    lines = [f"{'ACGTACGTAC'[: 1 + row % 9]}\t{row}" for row in range(25)]
    lines[3], lines[20] = "AC1GT\t7", "ACGT\tnan"
    path = tmp_path / "x.tsv"
    path.write_text("\n".join(lines) + "\n")
    for options in ({}, {"bucket_lengths": (3, 6, 9)}, {"bucket_lengths": (2, 4)}):
        for length in (None, 9):
            dataset = open_dataset(path, length=length).as_tf(batch_size, **options)
            sizes = [len(expression) for _, expression in dataset]
            assert sum(sizes) == 23 and len(dataset) == len(sizes)


def test_fit_sees_an_order_in_every_epoch(path):
    seen = []

    class Recorded(keras.layers.Layer):
        def call(self, sequence):
            return keras.ops.cast(sequence, "float32")

    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            self.recorded = Recorded()

        def call(self, sequence):
            return self.recorded(sequence)[:, 0]

        def train_step(self, data):
            seen.append(data[1].numpy().astype(int).tolist())
            return {"loss": keras.ops.sum(self(data[0]))}

    model = Network()
    model.compile(run_eagerly=True)
    dataset = open_dataset(path).as_tf(16, seed=0)
    model.fit(dataset, epochs=3, verbose=0)
    epochs = [list(itertools.chain(*seen[first : first + 4])) for first in (0, 4, 8)]
    assert len(seen) == 12 and len(set(map(tuple, epochs))) == 3
    assert all(sorted(each) == list(range(ROWS)) for each in epochs)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"batch_size": 0}, "batch_size: expected 1 or more, got 0"),
        ({"batch_size": 0, "seed": 1}, "batch_size: expected 1 or more, got 0"),
        ({"epochs": 0}, "epochs: expected 1 or more, got 0"),
        ({"seed": -1}, "seed: expected 0 or more, got -1"),
        ({"seed": 1, "bucket_lengths": (4, 8)}, "bucket_lengths: expected none with a seed"),
        ({"bucket_lengths": (8, 4)}, "bucket_lengths: expected rising lengths"),
    ],
)
def test_errors_come_at_the_call(path, options, expected):
    with pytest.raises(ValueError, match=expected):
        open_dataset(path).as_tf(**{"batch_size": 4, **options})


def test_files_that_cannot_be_used_are_refused_at_the_call(tmp_path, path):
    text = tmp_path / "x.tsv"
    text.write_text("ACGT\t1\nAC1T\t2\n")
    with pytest.raises(ValueError, match="expected Parquet"):
        open_dataset(text, length=4).as_tf(2, seed=0)
    with pytest.raises(ValueError, match=r"x\.tsv:2: expected"):
        open_dataset(text, length=4, strict=True).as_tf(2)
    with pytest.raises(ValueError, match="first_epoch: expected 1 or more, got 0"):
        open_dataset(path).shuffled_batches(4, seed=0, first_epoch=0)


def test_a_batch_without_a_usable_row_is_refused(tmp_path):
    table = pa.table({"sequence": ["ACGT"] * 8, "expression": [1.0] * 4 + [np.nan] * 4})
    path = tmp_path / "x.parquet"
    pq.write_table(table, path, row_group_size=4)
    dataset = open_dataset(path, lanes=1).as_tf(4, seed=0)
    with pytest.raises(Exception, match="expected usable rows in each batch, got none in batch"):
        list(dataset)
