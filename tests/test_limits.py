"""Limits of memory, threads and numbers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cisreg import limits
from cisreg.limits import available_cores, check_columns, check_memory, check_range, thread_count


@pytest.fixture(autouse=True)
def nothing_was_said():
    limits._say_fewer.cache_clear()


def test_threads_are_those_that_help(caplog):
    assert thread_count(None) == available_cores()
    assert thread_count(1) == 1
    assert not caplog.messages
    for _ in range(2):
        assert thread_count(10**9) == available_cores()
    (message,) = caplog.messages
    assert message.startswith(
        f"threads: {available_cores()} are used instead of 1,000,000,000, since this process may"
    )


@pytest.mark.parametrize("threads", [0, -1])
def test_no_thread_is_refused(threads):
    with pytest.raises(ValueError, match=f"threads: expected 1 or more, or None, got {threads}"):
        thread_count(threads)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux limits a process to cores")
def test_cores_are_those_that_the_process_may_use():
    count = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    count += "from cisreg.limits import available_cores, thread_count\n"
    count += "print(available_cores(), thread_count(64))"
    process = subprocess.run([sys.executable, "-c", count], capture_output=True, text=True)
    assert process.stdout.split() == ["1", "1"], process.stderr


def test_memory_is_compared_before_it_is_taken(monkeypatch):
    monkeypatch.setattr(limits, "host_memory", lambda: 10**10)
    check_memory("length: 1 row", 5 * 10**9, "give less")
    with pytest.raises(
        ValueError,
        match=r"length: 2 rows: expected at most 5\.0 GB, half of this machine's memory, got "
        r"1,000\.0 GB; give less",
    ):
        check_memory("length: 2 rows", 10**12, "give less")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1, "slack: expected 0 or more, got -1"),
        (11, "slack: expected at most 10, got 11"),
        (10**9, "slack: expected at most 10, got 1,000,000,000"),
    ],
)
def test_a_number_out_of_range_is_said(value, message):
    check_range("slack", 0, 0, 10)
    check_range("slack", 10, 0, 10)
    with pytest.raises(ValueError, match=message):
        check_range("slack", value, 0, 10)


def test_a_table_of_too_many_columns_is_said():
    check_columns("x.tsv:1", 1 << 16)
    with pytest.raises(ValueError, match=r"x.tsv:1: expected 65,536 columns at most, got more"):
        check_columns("x.tsv:1", (1 << 16) + 1)


@pytest.mark.parametrize("threads", [2.5, "2", float("nan")])
def test_threads_are_a_whole_number(threads):
    with pytest.raises(TypeError, match="threads: expected a whole number, or None, got "):
        thread_count(threads)
