"""Sorted runs in a file, and sorted ranges of rows from all of them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisreg.data.conversion.spill import Spill, shuffle_keys, sorted_table, sound_runs, write_run
from cisreg.data.formats.rows import Rows

ORDERS = ("shuffled", "sorted", "kept")


def rows_of(pairs):
    sequence = pa.array([sequence for sequence, _ in pairs], pa.large_string())
    expression = np.array([number for _, number in pairs], np.float32).reshape(-1, 1)
    return Rows(sequence, expression, None)


def spilled(path, runs, order):
    """The spill of these runs, all rows with their numbers as weights, and the written runs."""
    made, start, first, numbered = [], 0, 0, []
    for pairs in runs:
        numbers = np.arange(first, first + len(pairs), dtype=np.float32)
        rows = replace(rows_of(pairs), weight=numbers)
        made.append(write_run(path, start, sorted_table([rows], order, 7, first)))
        numbered += [(*pair, row) for pair, row in zip(pairs, numbers.tolist(), strict=True)]
        start, first = made[-1].stop, first + len(pairs)
    return Spill(path, made, order), numbered, made


def in_order(numbered, order):
    if order == "kept":
        return numbered
    if order == "sorted":
        # Missing measurements are last.
        return sorted(numbered, key=lambda row: (row[0], math.inf if row[1] is None else row[1]))
    keys = shuffle_keys(7, 0, len(numbered))
    return [numbered[row] for row in np.argsort(keys).tolist()]


def gathered(table):
    columns = [table[name].to_pylist() for name in ("sequence", "0", "weight")]
    rows = zip(*columns, strict=True)
    return [(text, None if np.isnan(level) else level, weight) for text, level, weight in rows]


PAIRS = st.tuples(st.sampled_from(["A", "C", "CA", "T"]), st.sampled_from([-1.0, None, 2.0]))
RUNS = st.lists(st.lists(PAIRS, min_size=1, max_size=12), min_size=1, max_size=8)


@settings(deadline=None, max_examples=150)
@given(runs=RUNS, order=st.sampled_from(ORDERS), data=st.data())
def test_stretches_are_those_of_all_rows_sorted(tmp_path_factory, runs, order, data):
    path = tmp_path_factory.mktemp("spill") / "rows.arrow"
    spill, numbered, _ = spilled(path, runs, order)
    expected = in_order(numbered, order)
    ranks = st.lists(st.integers(0, spill.rows), max_size=4)
    bounds = sorted({0, spill.rows, *data.draw(ranks)})
    positions = [spill.positions(0)]
    for rank in bounds[1:]:
        positions.append(spill.positions(rank, positions[-1]))
        assert positions[-1].tolist() == spill.positions(rank).tolist()
        assert positions[-1].sum() == rank
    for first, start, last, stop in zip(bounds, positions, bounds[1:], positions[1:], strict=False):
        assert gathered(spill.gather(start, stop)) == expected[first:last]


@pytest.mark.parametrize("order", ORDERS)
def test_a_search_takes_few_steps_however_the_runs_lie(tmp_path, order, monkeypatch):
    # Either each run's numbers follow those of the run before, or all runs have the same numbers.
    follow = [[("A", float(run * 20 + row)) for row in range(20)] for run in range(100)]
    same = [[("A", float(row)) for row in range(20)] for _ in range(100)]
    for name, runs in (("follow", follow), ("same", same)):
        spill, _, _ = spilled(tmp_path / f"{name}.arrow", runs, order)
        steps, before = 0, spill._before

        def counted(*arguments, before=before):
            nonlocal steps
            steps += 1
            return before(*arguments)

        monkeypatch.setattr(spill, "_before", counted)
        for rank in (1, 700, 1000, 1999):
            steps = 0
            spill.positions(rank)
            # Four times the base-2 logarithm of the number of rows.
            assert steps <= 44, (name, rank)


def test_keys_are_a_function_of_seed_and_row():
    keys = shuffle_keys(3, 0, 1000)
    assert np.array_equal(shuffle_keys(3, 417, 200), keys[417:617])
    assert not np.isin(shuffle_keys(4, 0, 1000), keys).any()
    # These keys are fixed, so that a conversion of an older version can be resumed.
    assert keys[:2].tolist() == [8088352411278491514, 5879586239855263611]


def test_runs_are_sound_up_to_the_first_that_is_damaged(tmp_path):
    path = tmp_path / "rows.arrow"
    _, _, runs = spilled(path, [[("ACGT", 1.0)] * 5] * 4, "sorted")
    content = path.read_bytes()
    assert sound_runs(path, runs) == runs
    for position in range(runs[2].start, runs[2].stop):
        damaged = bytearray(content)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        assert sound_runs(path, runs) == runs[:2]
    path.write_bytes(content[:-1])
    assert sound_runs(path, runs) == runs[:3]
    path.unlink()
    assert sound_runs(path, runs) == []


def test_a_run_takes_the_place_of_what_was_cut_short(tmp_path):
    path = tmp_path / "rows.arrow"
    _, _, runs = spilled(path, [[("ACGT", 1.0)] * 5] * 2, "sorted")
    content = path.read_bytes()
    path.write_bytes(content + b"half a run, of a process that was killed" * 50)
    rows = replace(rows_of([("ACGT", 1.0)] * 5), weight=np.ones(5, np.float32))
    table = sorted_table([rows], "sorted", 7, 0)
    run = write_run(path, runs[0].stop, table)
    assert path.stat().st_size == run.stop
    assert path.read_bytes()[: runs[0].stop] == content[: runs[0].stop]
