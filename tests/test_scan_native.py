"""Motif scanning kernels of every instruction set against sums taken one column at a time."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_oracle import (
    UNKNOWN,
    assert_same,
    oracle_best,
    oracle_hits,
    random_motifs,
    random_sequence,
    site_log_kd,
    thresholds_of_share,
)
from shared_data import shared_data

from cisreg import _native
from cisreg.motifs import MotifSet, demo_motifs, read_motifs
from cisreg.scan import p_value_threshold
from cisreg.sequences import encode

INSTRUCTION_SETS = ["portable", "avx2", "avx512"]
CHUNK = 16384  # windows that the kernels take at once


@pytest.fixture(params=INSTRUCTION_SETS)
def instruction_set(request):
    if request.param not in _native.scan_instruction_sets():
        pytest.skip(f"this processor has no {request.param} instructions for motif scanning")
    return request.param


def native_hits(sequence, motifs, threshold, instruction_set, threads=1, limit=10**9):
    return _native.scan_hits(
        *(sequence, motifs.log_kd, motifs.column_range(), threshold),
        limit=limit,
        threads=threads,
        instruction_set=instruction_set,
    )


def native_best(sequence, motifs, instruction_set, threads=1):
    return _native.best_sites(
        *(sequence, motifs.log_kd, motifs.column_range()),
        threads=threads,
        instruction_set=instruction_set,
    )


def check_both(sequence, motifs, threshold, instruction_set, threads=1) -> None:
    hits = native_hits(sequence, motifs, threshold, instruction_set, threads)
    assert_same(hits, oracle_hits(sequence, motifs, threshold))
    best = native_best(sequence, motifs, instruction_set, threads)
    for one, other in zip(best, oracle_best(sequence, motifs), strict=True):
        np.testing.assert_array_equal(one, other)


SHAPES = [(1, 1), (1, 2), (3, 40), (2, 255), (1, 256), (1, 257), (150, 110), (1, CHUNK + 5)]


@pytest.mark.parametrize("unknown", [0.0, 0.02])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_site_is_found(instruction_set, shape, unknown):
    random = np.random.default_rng(sum(shape))
    sequence = random_sequence(random, *shape, unknown)
    motifs = random_motifs(random, [1, 2, 3, 4, 5, 6, 7, 9, 13, 22, 40])
    for share in (0.0, 0.003, 0.4):
        threshold = thresholds_of_share(sequence, motifs, share)
        check_both(sequence, motifs, threshold, instruction_set)


@pytest.mark.parametrize("width", range(1, 41))
def test_widths(instruction_set, width):
    random = np.random.default_rng(width)
    sequence = random_sequence(random, 2, 600, 0.01)
    motifs = random_motifs(random, [width])
    threshold = thresholds_of_share(sequence, motifs, 0.01)
    check_both(sequence, motifs, threshold, instruction_set)


def test_matrices_of_every_kind(instruction_set):
    random = np.random.default_rng(0)
    sequence = random_sequence(random, 4, 500, 0.1)
    sequence[1] = UNKNOWN
    kinds = {
        "zeros": np.zeros((5, 4)),
        "positive": random.uniform(1, 5, (7, 4)),
        "negative": random.uniform(-5, -1, (7, 4)),
        "huge": random.normal(0, 1e30, (7, 4)),
        "tiny": random.normal(0, 1e-30, (7, 4)),
        "one column decides": np.vstack([np.full((4, 4), 0.25), [[-50, 0, 50, 0]]]),
        "ties": random.integers(-1, 2, (6, 4)),
        "wide": random.normal(0, 1, (300, 4)),
    }
    motifs = MotifSet.from_matrices(list(kinds), list(kinds.values()), width=300)
    for share in (0.0, 0.01, 0.5, 1.0):
        threshold = thresholds_of_share(sequence, motifs, share)
        check_both(sequence, motifs, threshold, instruction_set)


def test_thresholds_are_met_exactly(instruction_set):
    random = np.random.default_rng(1)
    sequence = random_sequence(random, 1, 3000)
    motifs = random_motifs(random, [6, 8, 11, 17])
    lowest = np.array(
        [site_log_kd(sequence, motifs, index).min() for index in range(len(motifs))], np.float32
    )
    hits = native_hits(sequence, motifs, lowest, instruction_set)
    assert set(hits[3]) == {0, 1, 2, 3}
    np.testing.assert_array_equal(hits[4], lowest[hits[3]])
    below = np.nextafter(lowest, np.float32(-np.inf))
    assert len(native_hits(sequence, motifs, below, instruction_set)[0]) == 0


def test_all_sites_and_none(instruction_set):
    random = np.random.default_rng(2)
    sequence = random_sequence(random, 3, 50, 0.1)
    motifs = random_motifs(random, [4, 9])
    everything = native_hits(sequence, motifs, np.full(2, np.inf), instruction_set)
    assert len(everything[0]) == 3 * 2 * (47 + 42)
    assert_same(everything, oracle_hits(sequence, motifs, np.full(2, np.inf)))
    assert len(native_hits(sequence, motifs, np.full(2, -np.inf), instruction_set)[0]) == 0
    first_only = native_hits(sequence, motifs, np.array([np.inf, -np.inf]), instruction_set)
    assert set(first_only[3]) == {0}


def test_same_for_every_thread_count(instruction_set):
    random = np.random.default_rng(3)
    for shape in [(1, 5 * CHUNK + 77), (900, 110)]:
        sequence = random_sequence(random, *shape, 0.001)
        motifs = random_motifs(random, [5, 8, 20])
        threshold = thresholds_of_share(sequence, motifs, 0.005)
        for threads in (1, 2, 7):
            check_both(sequence, motifs, threshold, instruction_set, threads)


def test_sites_over_the_borders_of_chunks(instruction_set):
    motifs = random_motifs(np.random.default_rng(4), [10])
    site = encode(motifs.strongest_site())[0]
    sequence = np.full((1, 2 * CHUNK + 100), UNKNOWN, np.uint8)
    starts = [CHUNK - 5, CHUNK + 10, 2 * CHUNK - 1, 2 * CHUNK + 90]
    for start in starts:
        sequence[0, start : start + 10] = site
    lowest = native_best(sequence, motifs, instruction_set)[2][0]
    hits = native_hits(sequence, motifs, lowest, instruction_set)
    assert hits[1].tolist() == starts


def test_a_slightly_stronger_site_in_a_later_chunk(instruction_set):
    # Penalties of 1.001 and 1 nats are the same byte where the weakest site's are 50.
    motifs = MotifSet.from_matrices(["a"], [[[1.001, 1, 50, 50]]], width=1)
    sequence = np.zeros((1, CHUNK + 10), np.uint8)
    sequence[0, CHUNK + 5] = 1
    position, strand, _ = native_best(sequence, motifs, instruction_set)
    assert (position.tolist(), strand.tolist()) == ([[CHUNK + 5]], [[0]])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 4),
    length=st.integers(0, 400),
    widths=st.lists(st.integers(1, 33), min_size=1, max_size=6),
    unknown=st.sampled_from([0.0, 0.01, 0.3, 1.0]),
    share=st.floats(0, 1),
    threads=st.integers(1, 3),
)
def test_any_shape(seed, count, length, widths, unknown, share, threads):
    random = np.random.default_rng(seed)
    sequence = random_sequence(random, count, length, unknown)
    motifs = random_motifs(random, widths, spread=random.choice([0.01, 1, 100]))
    threshold = thresholds_of_share(sequence, motifs, share)
    for name in _native.scan_instruction_sets():
        check_both(sequence, motifs, threshold, name, threads)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"column_range": np.array([[0], [9]])}, "column ranges with 0 <= first < end <= W"),
        ({"column_range": np.array([[2], [2]])}, "column ranges with 0 <= first < end <= W"),
        ({"column_range": np.zeros((2, 2))}, r"motifs: expected a column range \[2, M\]"),
        ({"log_kd": np.zeros((5, 4))}, r"motifs: expected log Kd \[W, 4, M\]"),
        ({"sequence": np.zeros(7)}, r"sequence: expected \[N, L\]"),
        ({"threads": 0}, "threads: expected 1 or more, got 0"),
        ({"instruction_set": "sse9"}, "no 'sse9' kernels for motif scanning"),
    ],
)
def test_refusals_of_the_native_module(options, message):
    arguments = {
        "sequence": np.zeros((1, 7)),
        "log_kd": np.zeros((5, 4, 1)),
        "column_range": np.array([[0], [5]]),
        **options,
    }
    with pytest.raises(ValueError, match=message):
        _native.best_sites(**arguments)
    with pytest.raises(ValueError, match=message):
        _native.scan_hits(**arguments, threshold=np.zeros(1), limit=1)


def test_real_motifs(instruction_set):
    folder = shared_data("gpra_example")
    motifs = read_motifs(folder / "motifs")
    sequence = random_sequence(np.random.default_rng(15), 1, 40_000)
    threshold = np.maximum(p_value_threshold(motifs, 1e-4), -1e30)
    hits = native_hits(sequence, motifs, threshold, instruction_set)
    assert_same(hits, oracle_hits(sequence, motifs, threshold))
    assert len(hits[0]) > 500


@pytest.mark.parametrize("name", [*INSTRUCTION_SETS, "sse9"])
def test_environment_chooses_the_instruction_set(name):
    code = (
        "import numpy as np, cisreg; from cisreg.motifs import demo_motifs;"
        "print(len(cisreg.scan(np.zeros((1, 99), np.uint8), demo_motifs(), np.inf)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "CISREG_INSTRUCTION_SET": name},
    )
    known = name in _native.scan_instruction_sets()
    assert (f"CISREG_INSTRUCTION_SET={name} is not among" in done.stderr) != known
    assert int(done.stdout) == sum(2 * (100 - width) for width in demo_motifs().widths)


MEMORY_OF_A_LONG_SCAN = """
import numpy as np
from cisreg import _native
def peak():
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM"))
random = np.random.default_rng(0)
sequence = random.integers(0, 4, (1, 2_000_000), np.uint8)
log_kd = random.normal(0, 1, (10, 4, 100)).astype(np.float32)
column_range = np.repeat(np.array([[0], [10]], np.int32), 100, axis=1)
lowest = log_kd.min(axis=1).sum(axis=0)
before = peak()
_native.scan_hits(sequence, log_kd, column_range, lowest + 1, limit=10**6, threads=2)
_native.best_sites(sequence, log_kd, column_range, threads=2)
print((peak() - before) / 1024)
"""


def test_memory_does_not_grow_with_positions_times_motifs():
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_OF_A_LONG_SCAN], check=True, capture_output=True, text=True
    )
    # All sites would take 1.6 GB, and even a byte for each of one motif 4 MB.
    assert float(done.stdout) < 20


ENDLESS_SCAN = """
import signal
import sys
import numpy as np
from cisreg import _native
random = np.random.default_rng(0)
log_kd = random.normal(0, 1, (30, 4, 500)).astype(np.float32)
column_range = np.repeat(np.array([[0], [30]], np.int32), 500, axis=1)
sequence = np.resize(random.integers(0, 4, 10**6).astype(np.uint8), (1, 10**8))
arguments = sequence, log_kd, column_range
options = {"threads": 2, "instruction_set": "portable"}
# As Ctrl-C does, but surely when the scan has begun.
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.5)
if sys.argv[1] == "hits":
    _native.scan_hits(*arguments, log_kd.min(axis=1).sum(axis=0), limit=10, **options)
else:
    _native.best_sites(*arguments, **options)
"""


@pytest.mark.parametrize("question", ["hits", "best"])
def test_keyboard_interrupt_ends_a_scan(question):
    command = [sys.executable, "-c", ENDLESS_SCAN, question]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "KeyboardInterrupt" in done.stderr
