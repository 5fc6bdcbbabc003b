"""Motif scanning kernels of every instruction set against sums taken one column at a time."""

from __future__ import annotations

import contextlib
import os
import signal
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
CHUNK = 16384  # windows that the kernels process at once
UNKNOWN_CHOICES = ["skip", "neutral", "worst"]


@pytest.fixture(params=INSTRUCTION_SETS)
def instruction_set(request):
    if request.param not in _native.scan_instruction_sets():
        pytest.skip(f"this processor has no {request.param} instructions for motif scanning")
    return request.param


def text_of(sequence, row_range=None):
    """Rows [N, L], of which the range is sequence, as one text; and where each row begins in it."""
    sequence = np.asarray(sequence)
    count, length = sequence.shape
    if row_range is None:
        row_range = np.array([[0], [length]]).repeat(count, axis=1)
    return np.ascontiguousarray(sequence).reshape(-1), row_range + length * np.arange(count)


def native_scanner(motifs, threshold, instruction_set, unknown="skip", **options):
    limits = np.broadcast_to(np.asarray(threshold, np.float32), (2, len(motifs)))
    return _native.SiteScanner(
        *(motifs.log_kd, motifs.column_range(), limits),
        instruction_set=instruction_set,
        unknown=unknown,
        **options,
    )


def native_hits(sequence, motifs, threshold, instruction_set, row_range=None, **options):
    unknown = options.pop("unknown", "skip")
    scanner = native_scanner(motifs, threshold, instruction_set, unknown)
    codes, bounds = text_of(sequence, row_range)
    number, position, *rest = scanner.hits(codes, bounds, **{"enough": 10**9, **options})
    assert rest[-2:] == [None, len(codes)]
    # Positions are counted from the first base of the sequence.
    return number, position + (0 if row_range is None else row_range[0, number]), *rest[:3]


def native_best(sequence, motifs, instruction_set, row_range=None, **options):
    codes, bounds = text_of(sequence, row_range)
    position, strand, log_kd = _native.best_sites(
        *(codes, bounds, motifs.log_kd, motifs.column_range()),
        instruction_set=instruction_set,
        **options,
    )
    first = 0 if row_range is None else row_range[0, :, None]
    return np.where(position < 0, position, position + first), strand, log_kd


def check_both(sequence, motifs, threshold, instruction_set, threads=1, **what) -> None:
    """Checks scan and best site; `what`: unknown and row_range."""
    hits = native_hits(sequence, motifs, threshold, instruction_set, threads=threads, **what)
    assert_same(hits, oracle_hits(sequence, motifs, threshold, **what))
    best = native_best(sequence, motifs, instruction_set, threads=threads, **what)
    for one, other in zip(best, oracle_best(sequence, motifs, **what), strict=True):
        np.testing.assert_array_equal(one, other)


def random_row_range(random, count, length):
    return np.sort(random.integers(0, length + 1, (2, count)), axis=0)


SHAPES = [(1, 1), (1, 2), (3, 40), (2, 255), (1, 256), (1, 257), (150, 110), (1, CHUNK + 5)]


@pytest.mark.parametrize("unknown", UNKNOWN_CHOICES)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_site_is_found(instruction_set, shape, unknown):
    random = np.random.default_rng(sum(shape))
    motifs = random_motifs(random, [1, 2, 3, 4, 5, 6, 7, 9, 13, 22, 40])
    for share_unknown in (0.0, 0.02) if unknown == "skip" else (0.02,):
        sequence = random_sequence(random, *shape, share_unknown)
        for share in (0.0, 0.003, 0.4):
            threshold = thresholds_of_share(sequence, motifs, share, unknown)
            check_both(sequence, motifs, threshold, instruction_set, unknown=unknown)


@pytest.mark.parametrize("width", range(1, 41))
def test_widths(instruction_set, width):
    random = np.random.default_rng(width)
    sequence = random_sequence(random, 2, 600, 0.01)
    motifs = random_motifs(random, [width])
    threshold = thresholds_of_share(sequence, motifs, 0.01)
    check_both(sequence, motifs, threshold, instruction_set)


@pytest.mark.parametrize("unknown", UNKNOWN_CHOICES)
def test_matrices_of_every_kind(instruction_set, unknown):
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
        threshold = thresholds_of_share(sequence, motifs, share, unknown)
        check_both(sequence, motifs, threshold, instruction_set, unknown=unknown)


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
    endless = np.full(2, np.inf)
    for unknown in ("neutral", "worst"):
        everything = native_hits(sequence, motifs, endless, instruction_set, unknown=unknown)
        assert len(everything[0]) == 3 * 2 * (47 + 42)
        assert_same(everything, oracle_hits(sequence, motifs, endless, unknown))
    everything = native_hits(sequence, motifs, endless, instruction_set)
    assert 0 < len(everything[0]) < 3 * 2 * (47 + 42)
    assert_same(everything, oracle_hits(sequence, motifs, endless))
    assert len(native_hits(sequence, motifs, np.full(2, -np.inf), instruction_set)[0]) == 0
    first_only = native_hits(sequence, motifs, np.array([np.inf, -np.inf]), instruction_set)
    assert set(first_only[3]) == {0}


def test_same_for_every_thread_count(instruction_set):
    random = np.random.default_rng(3)
    for shape in [(1, 5 * CHUNK + 77), (900, 110)]:
        sequence = random_sequence(random, *shape, 0.001)
        motifs = random_motifs(random, [5, 8, 20])
        threshold = thresholds_of_share(sequence, motifs, 0.005)
        row_range = random_row_range(random, *shape)
        for threads in (1, 2, 7):
            check_both(sequence, motifs, threshold, instruction_set, threads, row_range=row_range)


def test_sites_over_the_borders_of_chunks(instruction_set):
    motifs = random_motifs(np.random.default_rng(4), [10])
    site = encode(motifs.strongest_site())[0]
    sequence = np.full((1, 2 * CHUNK + 100), UNKNOWN, np.uint8)
    starts = [CHUNK - 5, CHUNK + 10, 2 * CHUNK - 1, 2 * CHUNK + 90]
    for start in starts:
        sequence[0, start : start + 10] = site
    for unknown in UNKNOWN_CHOICES:
        lowest = native_best(sequence, motifs, instruction_set, unknown=unknown)[2][0]
        assert lowest == motifs.lowest_log_kd()
        hits = native_hits(sequence, motifs, lowest, instruction_set, unknown=unknown)
        assert hits[1].tolist() == starts


@pytest.mark.parametrize("share", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("unknown", UNKNOWN_CHOICES)
def test_sequences_that_are_parts_of_their_rows(instruction_set, unknown, share):
    random = np.random.default_rng(20)
    sequence = random_sequence(random, 400, 90, 0.02)
    row_range = random_row_range(random, 400, 90)
    # The padding may have any content, even one that would be a site.
    column = np.arange(90)
    padding = (column < row_range[0, :, None]) | (column >= row_range[1, :, None])
    sequence[:200][padding[:200]] = UNKNOWN
    motifs = random_motifs(random, [1, 2, 5, 8, 20])
    threshold = thresholds_of_share(sequence, motifs, share, unknown)
    what = {"unknown": unknown, "row_range": row_range}
    check_both(sequence, motifs, threshold, instruction_set, **what)


def test_a_long_gap_has_no_site(instruction_set):
    """Whole chunks of unknown bases, as in chromosomes, with thresholds that they would pass."""
    random = np.random.default_rng(21)
    sequence = random_sequence(random, 1, 5 * CHUNK)
    sequence[0, CHUNK - 3 : 4 * CHUNK + 7] = UNKNOWN
    motifs = random_motifs(random, [3, 6, 11])
    for threshold in (np.ones(3), np.full(3, np.inf)):
        hits = native_hits(sequence, motifs, threshold, instruction_set)
        assert_same(hits, oracle_hits(sequence, motifs, threshold))
        # No site overlaps the gap.
        end = hits[1] + motifs.widths[hits[3]]
        assert ((end <= CHUNK - 3) | (hits[1] >= 4 * CHUNK + 7)).all()
    check_both(sequence, motifs, np.zeros(3), instruction_set)
    nothing = np.full((2, 3 * CHUNK), UNKNOWN, np.uint8)
    position, strand, log_kd = native_best(nothing, motifs, instruction_set)
    assert (position == -1).all()
    assert (strand == -1).all()
    assert np.isposinf(log_kd).all()


def test_a_slightly_stronger_site_in_a_later_chunk(instruction_set):
    # Penalties of 1.001 and 1 nats are rounded to the same byte if the weakest site has 50.
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
    treatment=st.sampled_from(UNKNOWN_CHOICES),
    padded=st.booleans(),
)
def test_any_shape(seed, count, length, widths, unknown, share, threads, treatment, padded):
    random = np.random.default_rng(seed)
    sequence = random_sequence(random, count, length, unknown)
    motifs = random_motifs(random, widths, spread=random.choice([0.01, 1, 100]))
    threshold = thresholds_of_share(sequence, motifs, share, treatment)
    row_range = random_row_range(random, count, length) if padded else None
    what = {"unknown": treatment, "row_range": row_range}
    for name in _native.scan_instruction_sets():
        check_both(sequence, motifs, threshold, name, threads, **what)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"column_range": np.array([[0], [9]])}, "column ranges with 0 <= first < end <= W"),
        ({"column_range": np.array([[2], [2]])}, "column ranges with 0 <= first < end <= W"),
        ({"column_range": np.zeros((2, 2))}, r"motifs: expected a column range \[2, M\]"),
        ({"log_kd": np.zeros((5, 4))}, r"motifs: expected log Kd \[W, 4, M\]"),
        ({"codes": np.zeros((1, 7))}, r"sequence: expected base codes \[T\]"),
        ({"codes": np.array([0, 5])}, r"sequence: .* got 5 at \[1\]"),
        ({"threads": 0}, "threads: expected 1 to 1024, got 0"),
        ({"unknown": "n"}, "unknown: expected 'skip', 'neutral' or 'worst', got 'n'"),
        ({"bounds": np.zeros((1, 2))}, r"bounds: expected \[2, N\]"),
        ({"bounds": np.array([[0], [8]])}, "bounds: expected .* sequence 0 has 0 and 8"),
        ({"bounds": np.array([[3], [2]])}, "bounds: expected .* sequence 0 has 3 and 2"),
        ({"bounds": np.array([[0, 2], [3, 5]])}, "bounds: expected .* sequence 1 has 2 and 5"),
        ({"instruction_set": "sse9"}, "no 'sse9' kernels for motif scanning"),
    ],
)
def test_refusals_of_the_native_module(options, message):
    arguments = {
        "codes": np.zeros(7),
        "bounds": np.array([[0], [7]]),
        "log_kd": np.zeros((5, 4, 1)),
        "column_range": np.array([[0], [5]]),
        "threads": 1,
        **options,
    }
    with pytest.raises(ValueError, match=message):
        _native.best_sites(**arguments)
    text = {name: arguments.pop(name) for name in ("codes", "bounds", "threads")}
    with pytest.raises(ValueError, match=message):
        _native.SiteScanner(**arguments, limits=np.zeros((2, 1))).hits(**text, enough=1)


@pytest.mark.parametrize(("first", "end"), [(-1, 7), (3, 2), (0, 8)])
def test_windows_beyond_the_text_are_refused(first, end):
    motifs = random_motifs(np.random.default_rng(0), [3])
    scanner = native_scanner(motifs, 0, "")
    with pytest.raises(ValueError, match="first, end: expected 0 <= first <= end <= T"):
        scanner.hits(np.zeros(7), np.array([[0], [7]]), first=first, end=end, enough=1)


@pytest.mark.parametrize("enough", [0, 10, 1000, 10**6])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_hits_in_parts_are_those_of_the_whole(instruction_set, threads, enough):
    random = np.random.default_rng(22)
    motifs = random_motifs(random, [3, 6, 12])
    sequence = random_sequence(random, 1, 4 * CHUNK + 99, 0.001)
    threshold = thresholds_of_share(sequence, motifs, 0.01)
    expected = native_hits(sequence, motifs, threshold, instruction_set)
    scanner = native_scanner(motifs, threshold, instruction_set)
    text, first, parts = text_of(sequence), 0, []
    while first < sequence.size:
        *found, _, end = scanner.hits(*text, first=first, enough=enough, threads=threads)
        assert end > first
        parts.append(found)
        first = end
    # Five threads may all have begun one of the five chunks before the first of them has ended.
    if threads < 5:
        assert (len(parts) > 1) == (enough < len(expected[0]))
    assert_same([np.concatenate(each) for each in zip(*parts, strict=True)], expected)


def test_each_strand_has_its_own_limit(instruction_set):
    random = np.random.default_rng(23)
    motifs = random_motifs(random, [3, 6, 12, 20])
    sequence = random_sequence(random, 3, 900, 0.01)
    limits = np.float32([[-4, np.inf, -np.inf, -8], [-2, -6, 0, -8]])
    scanner = native_scanner(motifs, limits, instruction_set)
    hits = scanner.hits(*text_of(sequence), enough=10**9)[:5]
    every = oracle_hits(sequence, motifs, np.full(4, np.inf))
    chosen = every[4] <= limits[every[2], every[3]]
    assert_same(hits, [field[chosen] for field in every])


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
codes = random.integers(0, 4, 2_000_000, np.uint8)
bounds = np.array([[0], [len(codes)]])
log_kd = random.normal(0, 1, (10, 4, 100)).astype(np.float32)
column_range = np.repeat(np.array([[0], [10]], np.int32), 100, axis=1)
lowest = log_kd.min(axis=1).sum(axis=0)
before = peak()
scanner = _native.SiteScanner(log_kd, column_range, np.stack([lowest + 1] * 2))
scanner.hits(codes, bounds, enough=10**6, threads=2)
_native.best_sites(codes, bounds, log_kd, column_range, threads=2)
print((peak() - before) / 1024)
"""


def test_memory_does_not_grow_with_positions_times_motifs():
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_OF_A_LONG_SCAN], check=True, capture_output=True, text=True
    )
    # All sites would take 1.6 GB; even one byte for each site of one motif would take 4 MB.
    assert float(done.stdout) < 20


ENDLESS_SCAN = """
import signal
import sys
import numpy as np
from cisreg import _native
random = np.random.default_rng(0)
log_kd = random.normal(0, 1, (30, 4, 500)).astype(np.float32)
column_range = np.repeat(np.array([[0], [30]], np.int32), 500, axis=1)
text = np.resize(random.integers(0, 4, 10**6).astype(np.uint8), 10**8), [[0], [10**8]]
lowest = np.stack([log_kd.min(axis=1).sum(axis=0)] * 2)
scanner = _native.SiteScanner(log_kd, column_range, lowest, instruction_set="portable")
# As Ctrl-C does, but surely when the scan has begun.
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.5)
if sys.argv[1] == "hits":
    scanner.hits(*text, enough=10, threads=2)
else:
    _native.best_sites(*text, log_kd, column_range, threads=2, instruction_set="portable")
"""


@pytest.mark.parametrize("question", ["hits", "best"])
def test_keyboard_interrupt_ends_a_scan(question):
    command = [sys.executable, "-c", ENDLESS_SCAN, question]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "KeyboardInterrupt" in done.stderr


@pytest.mark.parametrize("changed", ["codes", "rows"])
def test_arrays_that_a_signal_handler_changes_are_read_within_their_bounds(changed):
    # The kernels ask for signals, so that a handler runs in the middle of them. `make sanitize`
    # sees an access out of bounds.
    motifs = random_motifs(np.random.default_rng(0), [8, 5, 8])
    clean = np.random.default_rng(1).integers(0, 4, (2000, 100), np.uint8)
    codes, row_range = clean.copy(), np.array([[0], [100]]).repeat(len(clean), axis=1)
    threshold = np.float32([-4] * len(motifs))
    calls = []

    def change(*_):
        calls.append(1)
        if changed == "codes":
            codes.fill(255)
        else:
            row_range[0], row_range[1] = -(10**12), 10**12

    before = signal.signal(signal.SIGALRM, change)
    try:
        for call in range(20):
            codes[:], row_range[0], row_range[1] = clean, 0, 100
            signal.setitimer(signal.ITIMER_REAL, 0.0005 * (call // 2 + 1))
            with contextlib.suppress(ValueError):  # changed before they were checked
                if call % 2:
                    hits = native_hits(codes, motifs, threshold, "", row_range=row_range)
                    assert ((hits[0] >= 0) & (hits[0] < len(clean))).all()
                else:
                    best = native_best(codes, motifs, "", row_range=row_range)
                    assert best[0].shape == (len(clean), len(motifs))
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert calls
