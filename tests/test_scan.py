"""Motif scanning, on every instruction set, against sums taken one column at a time."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import shared_data

import cisreg
from cisreg import _native
from cisreg.motifs import MotifSet, consensus_matrix, demo_motifs
from cisreg.scan import BestSites, Hits, best_site, p_value_threshold, scan
from cisreg.sequences import encode, reverse_complement

INSTRUCTION_SETS = ["portable", "avx2", "avx512"]
FIELDS = ["sequence", "position", "strand", "motif", "log_kd"]
UNKNOWN = 4
CHUNK = 16384  # windows that the kernels take at once


@pytest.fixture(params=INSTRUCTION_SETS)
def instruction_set(request):
    if request.param not in _native.scan_instruction_sets():
        pytest.skip(f"this processor has no {request.param} instructions for motif scanning")
    return request.param


def site_log_kd(sequence: np.ndarray, motifs: MotifSet, index: int) -> np.ndarray:
    """Log Kd of every site of one motif, float32 [N, 2, P], added in the documented order."""
    first, end = motifs.column_range()[:, index]
    width, length = end - first, sequence.shape[1]
    table = np.zeros((width, 5), np.float32)
    table[:, :4] = motifs.log_kd[first:end, :, index]
    windows = max(length - width + 1, 0)
    total = np.zeros((len(sequence), 2, windows), np.float32)
    complement = np.array([3, 2, 1, 0, UNKNOWN])
    for column in range(width):
        total[:, 0] += table[column][sequence[:, column : column + windows]]
        right = width - 1 - column
        total[:, 1] += table[column][complement[sequence[:, right : right + windows]]]
    return total


def oracle_hits(sequence: np.ndarray, motifs: MotifSet, threshold: np.ndarray) -> list[np.ndarray]:
    """The fields of Hits, found by looking at every site."""
    rows = []
    for index in range(len(motifs)):
        log_kd = site_log_kd(sequence, motifs, index)
        number, strand, position = np.nonzero(log_kd <= threshold[index])
        motif = np.full_like(number, index)
        rows.append([number, position, strand, motif, log_kd[number, strand, position]])
    fields = [np.concatenate(field) for field in zip(*rows, strict=True)]
    order = np.lexsort(fields[3::-1])
    return [field[order] for field in fields]


def oracle_best(sequence: np.ndarray, motifs: MotifSet) -> list[np.ndarray]:
    """The fields of BestSites, found by looking at every site."""
    shape = (len(sequence), len(motifs))
    position, strand = np.full(shape, -1), np.full(shape, -1)
    value = np.full(shape, np.inf, np.float32)
    for index in range(len(motifs)):
        log_kd = site_log_kd(sequence, motifs, index)
        if log_kd.size:
            # Position first, then strand, decides among equals.
            flat = log_kd.transpose(0, 2, 1).reshape(len(sequence), -1)
            lowest = flat.argmin(axis=1)
            position[:, index], strand[:, index] = np.divmod(lowest, 2)
            value[:, index] = flat.min(axis=1)
    return [position, strand, value]


def random_motifs(random: np.random.Generator, widths: list[int], spread: float = 2) -> MotifSet:
    matrices = [random.normal(0, spread, (width, 4)) for width in widths]
    return MotifSet.from_matrices(
        [f"m{index}" for index in range(len(widths))], matrices, width=max(widths) + 3
    )


def random_sequence(
    random: np.random.Generator, count: int, length: int, unknown: float = 0.0
) -> np.ndarray:
    sequence = random.integers(0, 4, (count, length)).astype(np.uint8)
    sequence[random.random(sequence.shape) < unknown] = UNKNOWN
    return sequence


def thresholds_of_share(sequence: np.ndarray, motifs: MotifSet, share: float) -> np.ndarray:
    """For each motif a log Kd that some site has exactly, and about this share is below."""
    values = [np.sort(site_log_kd(sequence, motifs, i), axis=None) for i in range(len(motifs))]
    return np.array(
        [each[int(share * (each.size - 1))] if each.size else 0 for each in values], np.float32
    )


def assert_same(actual, expected) -> None:
    for name, one, other in zip(FIELDS, actual, expected, strict=False):
        np.testing.assert_array_equal(one, other, err_msg=name)


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


def test_reverse_complement_has_the_same_sites_on_the_other_strand():
    random = np.random.default_rng(5)
    sequence = random_sequence(random, 1, 2000, 0.01)
    motifs = random_motifs(random, [7])
    threshold = thresholds_of_share(sequence, motifs, 0.02)
    hits = scan(sequence, motifs, threshold)
    other = scan(reverse_complement(sequence), motifs, threshold)
    mirrored = np.lexsort([other.strand == 0, 2000 - 7 - other.position])
    np.testing.assert_array_equal(hits.log_kd, other.log_kd[mirrored])
    np.testing.assert_array_equal(hits.position, 2000 - 7 - other.position[mirrored])
    np.testing.assert_array_equal(hits.strand, 1 - other.strand[mirrored])


def test_positions_are_those_of_the_motifs_own_columns():
    sequence = encode(["TTGATATATCTT"])
    for width in (4, 7, 12, 30):
        motifs = MotifSet.from_matrices(["GATA"], [consensus_matrix("GATA")], width=width)
        hits = scan(sequence, motifs, motifs.lowest_log_kd())
        assert hits.position.tolist() == [2, 6]
        assert hits.strand.tolist() == [0, 1]
        best = best_site(sequence, motifs)
        assert (best.position.tolist(), best.strand.tolist()) == ([[2]], [[0]])


def test_plain_arrays_and_single_sequences():
    motifs = demo_motifs()
    sequence = random_sequence(np.random.default_rng(6), 1, 5000)
    threshold = motifs.lowest_log_kd() + 3
    one = scan(sequence[0], motifs, threshold)
    assert isinstance(one, Hits)
    assert len(one) > 0
    assert_same([getattr(one, f) for f in FIELDS], oracle_hits(sequence, motifs, threshold))
    assert set(one.sequence) == {0}
    # Of an array all columns count as the motif's own: windows are W wide.
    whole = MotifSet(
        motifs.names,
        motifs.log_kd,
        np.zeros(len(motifs)),
        np.full(len(motifs), motifs.width),
    )
    array = scan(sequence, motifs.log_kd, 0.0)
    assert_same(
        [getattr(array, f) for f in FIELDS],
        oracle_hits(sequence, whole, np.zeros(len(motifs))),
    )
    best = best_site(sequence[0], motifs)
    assert isinstance(best, BestSites)
    assert best.position.shape == (1, len(motifs))


def test_no_sequences_and_short_ones():
    motifs = random_motifs(np.random.default_rng(7), [3, 8])
    for shape in [(0, 100), (5, 0), (0, 0)]:
        sequence = np.zeros(shape, np.uint8)
        assert len(scan(sequence, motifs, np.inf)) == 0
        best = best_site(sequence, motifs)
        assert best.position.shape == (shape[0], 2)
        assert (best.position == -1).all()
    short = np.zeros((2, 5), np.uint8)
    assert set(scan(short, motifs, np.inf).motif) == {0}
    best = best_site(short, motifs)
    assert best.position[:, 1].tolist() == best.strand[:, 1].tolist() == [-1, -1]
    assert np.isposinf(best.log_kd[:, 1]).all()


def test_dtypes():
    motifs = demo_motifs()
    sequence = random_sequence(np.random.default_rng(8), 2, 300)
    hits = scan(sequence, motifs, 0.0)
    assert [getattr(hits, f).dtype.name for f in FIELDS] == [
        *("int64", "int64", "int8", "int32", "float32")
    ]
    best = best_site(sequence, motifs)
    assert [best.position.dtype.name, best.strand.dtype.name, best.log_kd.dtype.name] == [
        *("int64", "int8", "float32")
    ]


def test_table():
    motifs = MotifSet.from_matrices(["GATA"], [consensus_matrix("GATA")])
    hits = scan(encode(["TTGATATATCTT"]), motifs, motifs.lowest_log_kd())
    table = hits.to_table(sequence_names=["promoter"], motif_names=motifs.names).to_pydict()
    assert table["sequence"] == ["promoter"] * 2
    assert table["position"] == [2, 6]
    assert table["strand"] == ["+", "-"]
    assert table["motif"] == ["GATA"] * 2
    assert hits.to_table().to_pydict()["motif"] == [0, 0]
    with pytest.raises(ValueError, match="motif_names: expected at least 1 names, got 0"):
        hits.to_table(motif_names=[])
    assert scan(encode([]), motifs, 0.0).to_table(motif_names=motifs.names).num_rows == 0


def test_more_hits_than_the_limit_are_refused():
    motifs = demo_motifs()
    sequence = random_sequence(np.random.default_rng(9), 3, 50_000)
    count = len(scan(sequence, motifs, 0.0))
    for threads in (1, 2):
        assert len(scan(sequence, motifs, 0.0, limit=count, threads=threads)) == count
        with pytest.raises(ValueError, match=r"limit: expected at most .* hits, got more"):
            scan(sequence, motifs, 0.0, limit=count - 1, threads=threads)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sequence": ["ACGT"]}, "sequence: expected uint8 base codes of shape"),
        ({"sequence": np.zeros((2, 2, 2), np.uint8)}, r"sequence: .* got uint8 \[2, 2, 2\]"),
        ({"sequence": np.zeros((2, 9))}, r"sequence: .* got float64 \[2, 9\]"),
        ({"sequence": np.full((3, 9), 5, np.uint8)}, r"sequence: .* 0 to 4, got 5 at \[0, 0\]"),
        ({"motifs": np.zeros((5, 4, 2))}, "motifs: .* got one of float64; cast it"),
        ({"motifs": np.zeros((5, 3, 2), np.float32)}, r"motifs: .* got \[5, 3, 2\]"),
        ({"motifs": np.zeros((0, 4, 2), np.float32)}, r"motifs: .* got \[0, 4, 2\]"),
        ({"motifs": np.full((5, 4, 2), np.nan, np.float32)}, "motifs: expected finite"),
        ({"threads": 0}, "threads: expected 1 or more, or None, got 0"),
    ],
)
def test_refusals_of_both(options, message):
    arguments = {"sequence": np.zeros((3, 9), np.uint8), "motifs": demo_motifs(), **options}
    with pytest.raises(ValueError, match=message):
        best_site(**arguments)
    with pytest.raises(ValueError, match=message):
        scan(**arguments, threshold=0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": np.zeros(3)}, r"threshold: expected one number or shape \[5\], .* \[3\]"),
        ({"threshold": np.nan}, "threshold: expected numbers, got NaN"),
        ({"threshold": 0.0, "limit": -1}, "limit: expected 0 or more hits, got -1"),
    ],
)
def test_refusals(options, message):
    motifs = random_motifs(np.random.default_rng(10), [4] * 5)
    with pytest.raises(ValueError, match=message):
        scan(np.zeros((3, 9), np.uint8), motifs, **options)


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


def every_site(width: int) -> np.ndarray:
    return np.indices((4,) * width).reshape(width, -1).T.astype(np.uint8)


@pytest.mark.parametrize("background", [None, [0.3, 0.2, 0.2, 0.3], [0.5, 0.5, 0.0, 0.0]])
@pytest.mark.parametrize("p_value", [1e-4, 0.01, 0.3])
def test_p_value_thresholds(p_value, background):
    motifs = random_motifs(np.random.default_rng(11), [2, 5, 8])
    threshold = p_value_threshold(motifs, p_value, background=background)
    assert threshold.dtype == np.float32
    probability = np.array([0.25] * 4 if background is None else background)
    for index, width in enumerate(motifs.widths):
        sites = every_site(width)
        first, end = motifs.column_range()[:, index]
        columns = motifs.log_kd[first:end, :, index].astype(np.float64)
        log_kd = columns[np.arange(width), sites].sum(axis=1)
        weight = probability[sites].prod(axis=1)

        def chance(limit, log_kd=log_kd, weight=weight):
            return weight[log_kd <= limit].sum()

        assert chance(threshold[index]) <= p_value
        # The next grid point is too likely, and rounding took less than a step from each column.
        step = 0.001
        next_point = max(threshold[index], columns[:, probability > 0].min(axis=1).sum() - step)
        assert chance(next_point + (width + 1) * step + 1e-5) > p_value


def test_p_value_of_motifs_too_weak_for_it(caplog):
    motifs = random_motifs(np.random.default_rng(12), [2, 12])
    with caplog.at_level(logging.WARNING, "cisreg.scan"):
        threshold = p_value_threshold(motifs, 1e-4)
    assert np.isneginf(threshold).tolist() == [True, False]
    assert caplog.messages == [
        "the strongest sites of 1 of 2 motifs are likelier than p-value 0.0001: no site of theirs "
        "can pass it"
    ]


def test_p_values_hold_on_random_sequences():
    motifs = random_motifs(np.random.default_rng(13), [10, 15, 30])
    sequence = random_sequence(np.random.default_rng(14), 1, 1_000_000)
    hits = scan(sequence, motifs, p_value_threshold(motifs, 1e-3))
    # Poisson counts of about 2,000, of which some overlap.
    np.testing.assert_allclose(np.bincount(hits.motif), 2000, rtol=0.15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p_value": 0}, "p_value: expected a number above 0 and below 1, got 0"),
        ({"p_value": 1.0}, "p_value: expected a number above 0 and below 1, got 1.0"),
        ({"p_value": 0.1, "background": [0.5] * 4}, "background: .* which sum to 1, got"),
        ({"p_value": 0.1, "background": [0.5, 0.5]}, "background: expected the probabilities"),
        ({"p_value": 0.1, "background": [1.5, -0.5, 0, 0]}, "background: expected the prob"),
    ],
)
def test_refusals_of_p_values(options, message):
    with pytest.raises(ValueError, match=message):
        p_value_threshold(demo_motifs(), **options)


def test_real_motifs(instruction_set):
    folder = shared_data("gpra_example")
    motifs = cisreg.read_motifs(folder / "motifs")
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
log_kd = random.normal(0, 1, (30, 4, 2000)).astype(np.float32)
column_range = np.repeat(np.array([[0], [30]], np.int32), 2000, axis=1)
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
