"""The batches that training reads: each row once an epoch, the same for any number of workers."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from cisreg.ahead import read_ahead
from cisreg.data import Dataset, epoch_order
from cisreg.data.feeding.feed import MemoryFeed, Steps, steps_per_chunk
from cisreg.data.feeding.order import batch_bounds, deal_lanes
from cisreg.data.feeding.stream import FileFeed

LENGTH = 3


class Groups:
    """Row groups in memory: the expression of a row is its number, and some rows are unusable."""

    length = LENGTH

    def __init__(self, rows, unusable=(), weighted=False):
        self.group_rows = np.asarray(rows)
        self._first = np.concatenate([[0], np.cumsum(rows)])
        self._unusable = np.asarray(unusable, int)
        self._weighted = weighted
        self.read = []

    def read_group(self, index, order=None):
        self.read.append(index)
        count = self.group_rows[index]
        numbers = self._first[index] + (np.arange(count) if order is None else order)
        kept = ~np.isin(numbers, self._unusable)
        numbers = numbers[kept]
        sequence = np.tile((numbers % 5).astype(np.uint8)[:, None], (1, LENGTH))
        weight = (numbers + 0.5).astype(np.float32) if self._weighted else None
        return Dataset(sequence, numbers.astype(np.float32), weight), kept

    def fingerprint(self):
        return str(self.group_rows)

    def end_pass(self):
        pass


def numbers_of(chunks):
    """The row numbers of each batch, from its expression; the sequences must match."""
    batches = []
    for chunk in chunks:
        assert chunk.stop == chunk.first_step + len(chunk.start) - 1
        numbers = chunk.expression.astype(int)
        np.testing.assert_array_equal(chunk.sequence, np.tile(numbers[:, None] % 5, (1, LENGTH)))
        batches += np.split(numbers, chunk.start[1:-1])
    return batches


def make_memory(count, weighted=False, **options):
    numbers = np.arange(count)
    sequence = np.tile((numbers % 5).astype(np.uint8)[:, None], (1, LENGTH))
    weight = (numbers + 0.5).astype(np.float32) if weighted else None
    return MemoryFeed(Dataset(sequence, numbers.astype(np.float32), weight), seed=3, **options)


def make_stream(rows=(7, 11, 5, 9, 4, 8, 6), lanes=3, **options):
    return FileFeed(Groups(rows, **options), np.arange(len(rows)), seed=3, lanes=lanes)


FEEDS = {
    "memory": lambda: make_memory(50),
    "files": make_stream,
    "one lane": lambda: make_stream(lanes=1),
    "more lanes than row groups": lambda: make_stream(lanes=99),
    "empty row groups": lambda: make_stream(rows=(0, 20, 0, 0, 29, 1, 0), lanes=2),
}


@pytest.mark.parametrize("kind", FEEDS)
@pytest.mark.parametrize("steps", [1, 4, 7, 50])
@pytest.mark.parametrize("per_chunk", [1, 3, 64])
def test_an_epoch_has_every_row_once_in_even_batches(kind, steps, per_chunk):
    feed = FEEDS[kind]()
    batches = numbers_of(feed.chunks(Steps(1, steps, 0, per_chunk)))
    assert len(batches) == steps
    assert sorted(np.concatenate(batches)) == list(range(50))
    lanes = 1 if kind == "memory" else 7
    assert max(map(len, batches)) - min(map(len, batches)) <= lanes


@pytest.mark.parametrize("kind", FEEDS)
def test_batches_depend_on_the_epoch_alone(kind):
    def batches(epoch, first=0, per_chunk=3):
        return numbers_of(FEEDS[kind]().chunks(Steps(epoch, 8, first, per_chunk)))

    whole = batches(1)
    for first in range(9):
        for per_chunk in (1, 5):
            rest = batches(1, first, per_chunk)
            assert len(rest) == 8 - first
            for one, other in zip(rest, whole[first:], strict=True):
                np.testing.assert_array_equal(one, other)
    assert not np.array_equal(np.concatenate(whole), np.concatenate(batches(2)))


@pytest.mark.parametrize(
    ("kind", "workers"),
    [
        *(("memory", 2), ("memory", 3), ("files", 2), ("files", 3)),
        *(("more lanes than row groups", 2), ("more lanes than row groups", 7)),
        ("empty row groups", 2),
    ],
)
def test_workers_divide_each_batch_among_themselves(kind, workers):
    whole = numbers_of(FEEDS[kind]().chunks(Steps(1, 6, 0, 4)))
    parts = [
        numbers_of(FEEDS[kind]().chunks(Steps(1, 6, 0, 4, worker, workers)))
        for worker in range(workers)
    ]
    for step, batch in enumerate(whole):
        together = np.concatenate([part[step] for part in parts])
        assert sorted(together) == sorted(batch)


@pytest.mark.parametrize("worker", [0, 1])
def test_fewer_lanes_than_workers_are_refused(worker):
    with pytest.raises(ValueError, match="at least 2 lanes, one for each worker, got 1"):
        list(make_stream(lanes=1).chunks(Steps(1, 4, 0, 4, worker, 2)))


@pytest.mark.parametrize("steps", [7, 16, 53, 160])
def test_batches_of_equal_lanes_differ_by_a_row_at_most(steps):
    stream = make_stream(rows=[10] * 16, lanes=16)
    batches = numbers_of(stream.chunks(Steps(1, steps, 0, 5)))
    assert {len(batch) for batch in batches} == {160 // steps, -(-160 // steps)}


def test_a_worker_whose_lanes_have_no_row_gives_empty_batches():
    stream = make_stream(rows=[0, 8], lanes=2)
    sizes = [
        [len(batch) for batch in numbers_of(stream.chunks(Steps(1, 4, 0, 2, worker, 2)))]
        for worker in (0, 1)
    ]
    assert sorted(sizes) == [[0] * 4, [2] * 4]


@pytest.mark.parametrize("steps", [1, 5, 11])
def test_unusable_rows_are_missing_from_their_batches_alone(steps):
    unusable = [0, 7, 8, 9, 30, 49]
    whole = numbers_of(make_stream().chunks(Steps(2, steps, 0, 3)))
    some = numbers_of(make_stream(unusable=unusable).chunks(Steps(2, steps, 0, 3)))
    for one, other in zip(whole, some, strict=True):
        np.testing.assert_array_equal(one[~np.isin(one, unusable)], other)


@pytest.mark.parametrize("kind", ["memory", "files"])
def test_weights_go_with_their_rows(kind):
    feed = make_memory(50, weighted=True) if kind == "memory" else make_stream(weighted=True)
    for chunk in feed.chunks(Steps(1, 7, 0, 3)):
        np.testing.assert_array_equal(chunk.weight, chunk.expression + 0.5)


def test_on_a_device_chunks_are_row_numbers():
    feed, plain = make_memory(50, on_device=True), make_memory(50)
    assert feed.resident is feed.dataset
    assert plain.resident is None
    wanted = Steps(1, 7, 2, 3, 1, 2)
    for chunk, other in zip(feed.chunks(wanted), plain.chunks(wanted), strict=True):
        assert len(chunk.sequence) == len(chunk.expression) == 0
        np.testing.assert_array_equal(chunk.order, other.expression)
        np.testing.assert_array_equal(chunk.start, other.start)


def test_a_stream_reads_each_row_group_once_an_epoch():
    files = Groups((7, 11, 5, 9, 4, 8, 6))
    feed = FileFeed(files, np.array([0, 2, 3, 6]), seed=0, lanes=2)
    assert feed.count == 27
    list(feed.chunks(Steps(1, 5, 0, 2)))
    assert sorted(files.read) == [0, 2, 3, 6]


def test_a_resumed_stream_reads_only_what_is_left():
    files = Groups([10] * 20)
    feed = FileFeed(files, np.arange(20), seed=0, lanes=2)
    list(feed.chunks(Steps(1, 20, 15, 2)))
    assert len(files.read) <= 6


def displacement(order):
    """Mean distance that rows move, as a share of all rows; 1/3 for an exactly random order."""
    places = np.empty(len(order), int)
    places[order] = np.arange(len(order))
    return np.abs(places - np.arange(len(order))).mean() / len(order)


def test_the_window_mixes_rows_as_well_as_an_exact_shuffle():
    """64 row groups of 50 rows, read 16 at a time."""
    count = 3200
    feed = FileFeed(Groups([50] * 64), np.arange(64), seed=1, lanes=16)
    batches = numbers_of(feed.chunks(Steps(1, 100, 0, 16)))
    order = np.concatenate(batches)
    # For 3,200 independent rows, the mean distance is 1/3 with a standard deviation of 0.0042. If
    # row groups of 50 move as a whole, the deviation is up to sqrt(50) times as large.
    assert displacement(order) == pytest.approx(1 / 3, abs=4 * 0.0042 * np.sqrt(50))
    assert displacement(epoch_order(count, 1, 1)) == pytest.approx(1 / 3, abs=4 * 0.0042)
    # Neighbours in the files are rarely in one batch: its 32 rows come from 16 groups of 50.
    together = np.mean([np.isin(batch + 1, batch).mean() for batch in batches])
    assert together < 3 * 2 / 50
    # A batch has rows of all lanes.
    assert {len(np.unique(batch // 50)) for batch in batches} == {16}


def test_batches_of_sorted_files_have_even_means():
    """If files are sorted by expression, the 16 of 64 row groups read at a time cover all of it."""
    feed = FileFeed(Groups([50] * 64), np.arange(64), seed=1, lanes=16)
    means = [batch.mean() for batch in numbers_of(feed.chunks(Steps(1, 100, 0, 16)))]
    # Standard deviation of the mean of 16 row groups out of 64 uniform ones:
    # 3200 / sqrt(12 * 16) * sqrt(48 / 63).
    assert np.std(means) < 1.5 * 3200 / np.sqrt(12 * 16) * np.sqrt(48 / 63)
    # Without shuffling, it would be that of the whole range.
    assert np.std(means) < 0.3 * 3200 / np.sqrt(12)


def test_lanes_hold_every_group_once():
    rows = np.arange(1, 24)
    lanes = deal_lanes(rows, 5, seed=2, epoch=4)
    assert sorted(np.concatenate([lane.groups for lane in lanes])) == list(range(23))
    assert sum(lane.rows for lane in lanes) == rows.sum()
    assert max(len(lane.groups) for lane in lanes) - min(len(lane.groups) for lane in lanes) <= 1


def test_bounds_are_those_of_even_batches():
    np.testing.assert_array_equal(batch_bounds(10, 4, 1, 3), [2, 5, 7])
    assert batch_bounds(2**40, 2**20, 2**20 - 1, 2**20)[-1] == 2**40


def test_chunks_fit_into_memory():
    assert steps_per_chunk(1024, 110, 64) == 64
    assert steps_per_chunk(1 << 20, 110, 64) == 1
    assert steps_per_chunk(4096, 1000, 64) == 4


def test_what_fails_while_reading_ahead_is_raised():
    def chunks():
        yield from FEEDS["memory"]().chunks(Steps(1, 4, 0, 2))
        raise OSError("the disk is gone")

    taken = 0
    with pytest.raises(OSError, match="the disk is gone"):
        for _ in read_ahead(chunks()):
            taken += 1
    assert taken == 2


def test_reading_ahead_ends_with_its_user():
    before = set(threading.enumerate())
    for kind in FEEDS:
        chunks = FEEDS[kind]().chunks(Steps(1, 50, 0, 1))
        next(chunks)
        chunks.close()
    assert set(threading.enumerate()) <= before  # threads of other tests may end meanwhile
