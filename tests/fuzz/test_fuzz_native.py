"""Native code called with every kind of array and with damaged text: the same result, or an error.

`make sanitize` runs these tests on native code that ends the process at an access out of bounds.
"""

from __future__ import annotations

import numpy as np
import pytest
from fuzz.damage import damaged, fuzz
from hypothesis import example, given
from hypothesis import strategies as st

from cisreg import _native

RANDOM = np.random.default_rng(5)
CODES = RANDOM.integers(0, 5, (7, 13)).astype(np.uint8)
LOG_KD = RANDOM.normal(0, 2, (5, 4, 3)).astype(np.float32)
WEIGHT = RANDOM.normal(0, 1, (2, 13, 3)).astype(np.float32)
SUMS = RANDOM.normal(0, 1, (7, 2, 3)).astype(np.float32)
ROWS = RANDOM.normal(0, 1, 7).astype(np.float32)
COLUMNS = np.array([[0, 1, 0], [5, 4, 3]], np.int32)
NUMBERS = RANDOM.normal(0, 1, 3).astype(np.float32)
SPAN = np.array([[2, 9]] * 7, np.int32)
LENGTH = np.array([13, 0, 1, 4, 5, 12, 7], np.int32)
SETS = RANDOM.normal(0, 1, (2, 2, 13, 3)).astype(np.float32)
CONDITIONS = RANDOM.normal(0, 1, (4, 3)).astype(np.float32)
CONDITION = np.array([0, 3, 1, 1, 2, 0, 3], np.int32)
SUMS_OF_SETS = RANDOM.normal(0, 1, (7, 2, 2, 3)).astype(np.float32)
EFFECT = RANDOM.normal(0, 1, (3, 2, 3)).astype(np.float32)
PAIR = np.array([[0, 2], [1, 1], [2, 1]], np.int32)
BOUNDS = np.array([[0] * 7, [13, 12, 9, 13, 0, 13, 4]]) + 13 * np.arange(7)
LIMITS = np.float32([[0, 1, -1], [0, -2, 3]])
BACKGROUND = np.array([[0.3, 0.2, 0.1, 0.4], [0.4, 0.1, 0.2, 0.3]])
TEXT = np.frombuffer(b"ACGTACGAACGTTTTTGGGNacgtacgt", np.uint8)
OFFSETS = np.array([0, 4, 8, 8, 16, 28])

# Each function with its arrays in order, and its other arguments.
CALLS = {
    "occupancy_forward": ((CODES, LOG_KD, NUMBERS, WEIGHT), {}),
    "occupancy_forward with ranges": (
        (CODES, LOG_KD, NUMBERS, WEIGHT, COLUMNS, SPAN, LENGTH),
        {"names": ("column_range", "span", "length")},
    ),
    "occupancy_backward": (
        (CODES, LOG_KD, NUMBERS, WEIGHT, SUMS, SUMS, COLUMNS, SPAN, LENGTH),
        {"names": ("column_range", "span", "length"), "reduction": "log_unbound"},
    ),
    "occupancy_forward of conditions": ((CODES, LOG_KD, CONDITIONS, SETS), {}),
    "occupancy_backward of conditions": (
        (CODES, LOG_KD, CONDITIONS, SETS, SUMS, SUMS_OF_SETS, SPAN, CONDITION),
        {"names": ("span", "condition")},
    ),
    "exclusive_forward with ranges": (
        (CODES, LOG_KD, NUMBERS, WEIGHT, COLUMNS, COLUMNS, SPAN, LENGTH),
        {"names": ("column_range", "footprint", "span", "length")},
    ),
    "exclusive_backward": (
        (CODES, LOG_KD, NUMBERS, WEIGHT, SUMS, SUMS, ROWS, COLUMNS, COLUMNS, SPAN, LENGTH),
        {"names": ("column_range", "footprint", "span", "length")},
    ),
    "pair_forward with ranges": (
        (CODES, LOG_KD, NUMBERS, EFFECT, PAIR, COLUMNS, SPAN),
        {"names": ("column_range", "span"), "distance": 8},
    ),
    "pair_backward": (
        (CODES, LOG_KD, NUMBERS, EFFECT, PAIR, ROWS, COLUMNS, SPAN),
        {"names": ("column_range", "span"), "distance": 8},
    ),
    "mutation_sums": ((CODES, LOG_KD, NUMBERS, LIMITS, LIMITS, WEIGHT), {}),
    "mutation_changes with ranges": (
        (CODES, LOG_KD, NUMBERS, WEIGHT, COLUMNS, SPAN),
        {"names": ("column_range", "span"), "reduction": "log_unbound"},
    ),
    "scan_hits": ((CODES.reshape(-1), BOUNDS, LOG_KD, COLUMNS, LIMITS, BACKGROUND), {}),
    "best_sites": ((CODES.reshape(-1), BOUNDS, LOG_KD, COLUMNS), {}),
    "encode": ((TEXT, OFFSETS, np.array([3, 0, 4])), {"length": 6, "pad_left": True, "rows": 2}),
    "sequence_faults": ((TEXT, OFFSETS), {}),
    "encode_fasta": (
        (TEXT,),
        {
            **{"codes": np.zeros(30, np.uint8), "begin": 2, "filled": 3, "place": 1},
            "masked_unknown": True,
        },
    ),
    "sequence_hashes": ((CODES,), {"seed": 3}),
    "text_hashes": ((TEXT, OFFSETS), {"seed": 3}),
    "format_one_hot": ((TEXT, np.arange(0, 16, 2), CODES), {}),
    "format_lines": (
        (
            np.array([0, 2, 1], np.int32),
            np.array([-5, 0, 2**60]),
            NUMBERS,
            np.array([0.1, 1e99, 0]),
        ),
        {"count": 3, "texts": [b"chr1", b"", b"chr10"]},
    ),
    "cluster_parents": (
        (TEXT[:16], np.arange(0, 20, 4), np.arange(4, dtype=np.uint32)),
        {"differences": 2, "threads": 2},
    ),
}


def call(name, arrays, options):
    options = dict(options)
    named = options.pop("names", ())
    if options.pop("rows", None):
        named = ("rows",)
    if texts := options.pop("texts", None):
        index, *numbers = arrays
        after = [b"\t"] * len(numbers) + [b"\n"]
        return _native.format_lines([(index, texts), *numbers], after, **options)
    first = len(arrays) - len(named)
    options |= dict(zip(named, arrays[first:], strict=True))
    if name == "scan_hits":
        return scan_hits(*arrays, **options)
    return getattr(_native, name.partition(" ")[0])(*arrays[:first], **options)


def scan_hits(codes, bounds, log_kd, column_range, limits, background, kernels=""):
    """Hits with p-values, from arrays alone."""
    distributions = _native.ScoreDistributions(log_kd, column_range, background, limit=limits)
    scanner = _native.SiteScanner(
        log_kd, column_range, limits, distributions=distributions, instruction_set=kernels
    )
    return scanner.hits(codes, bounds, enough=10**6, threads=2)


def moved(array, by):
    """A copy whose memory begins `by` bytes behind a multiple of 64."""
    memory = np.zeros(array.nbytes + 128, np.uint8)
    start = -memory.ctypes.data % 64 + by
    copy = memory[start : start + array.nbytes].view(np.uint8)
    copy[:] = np.frombuffer(array.tobytes(), np.uint8)
    return np.ndarray(array.shape, array.dtype, copy.data)


def backwards(array):
    """The same numbers with negative strides on every axis."""
    every = (slice(None, None, -1),) * array.ndim
    return np.ascontiguousarray(array[every])[every]


def spread(array):
    """The same numbers with others between them."""
    return np.repeat(array, 3, axis=-1)[..., ::3]


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


class Own(np.ndarray):
    """A class of its own, as `EncodedSequences` is."""


SHAPES = {
    "1 byte behind": lambda array: moved(array, 1),
    "3 bytes behind": lambda array: moved(array, 3),
    "aligned for nothing larger": lambda array: moved(array, array.itemsize),
    "backwards": backwards,
    "spread": spread,
    "in Fortran's order": np.asfortranarray,
    "in the other byte order": lambda array: array.astype(array.dtype.newbyteorder("S")),
    "read-only": read_only,
    "of a class": lambda array: array.view(Own),
    "misaligned and backwards": lambda array: moved(np.asfortranarray(array[::-1]), 1)[::-1],
}


def exact(content):
    """The bytes in memory that ends where they do, unlike that of Python's bytes."""
    return np.frombuffer(content, np.uint8).copy()


def same(found, expected):
    if isinstance(expected, (tuple, list)):
        return len(found) == len(expected) and all(map(same, found, expected))
    return np.array_equal(found, expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", CALLS)
def test_arrays_of_every_layout_give_the_same(name, shape):
    arrays, options = CALLS[name]
    expected = call(name, arrays, options)
    assert same(call(name, [SHAPES[shape](array) for array in arrays], options), expected)
    for index in range(len(arrays)):
        odd = [SHAPES[shape](each) if at == index else each for at, each in enumerate(arrays)]
        assert same(call(name, odd, options), expected)


@pytest.mark.parametrize("name", CALLS)
def test_arrays_without_numbers_are_read_or_said(name):
    arrays, options = CALLS[name]
    for index, array in enumerate(arrays):
        for axis in range(array.ndim):
            empty = np.zeros([0 if at == axis else n for at, n in enumerate(array.shape)])
            odd = list(arrays)
            odd[index] = empty.astype(array.dtype)
            try:
                call(name, odd, options)
            except ValueError as error:
                assert ": expected" in str(error)


@pytest.mark.parametrize("length", [6, 5])
def test_what_is_written_to_is_never_copied_or_too_small(length):
    out = np.zeros((5, 6), np.uint8)
    wrong = {
        "another shape": np.zeros((5, 5), np.uint8),
        "read-only": read_only(out),
        "in Fortran's order": np.zeros((5, 6), np.uint8, order="F"),
        "backwards": np.zeros((5, 6), np.uint8)[::-1],
        "of other numbers": np.zeros((5, 6), np.int64),
    }
    for array in wrong.values():
        with pytest.raises((ValueError, TypeError)):
            _native.encode(TEXT, OFFSETS, 6, True, out=array)
    behind = moved(out, 1)
    codes, *_ = _native.encode(TEXT, OFFSETS, 6, True, out=behind)
    assert np.shares_memory(codes, behind)
    np.testing.assert_array_equal(behind, _native.encode(TEXT, OFFSETS, 6, True)[0])


def test_codes_of_fasta_are_written_where_they_can_be():
    text = np.frombuffer(b">a\nACGT\n", np.uint8)
    for array in (read_only(np.zeros(5, np.uint8)), np.zeros((1, 5), np.uint8), np.zeros(5)):
        with pytest.raises((ValueError, TypeError)):
            _native.encode_fasta(text, array, 0, 0, 0, False)
    codes = moved(np.full(5, 9, np.uint8), 1)
    for wrong in ((-1, 0, 0), (10, 0, 0), (0, -1, 0), (0, 6, 0), (0, 0, -1), (0, 0, 4)):
        with pytest.raises(ValueError, match="expected"):
            _native.encode_fasta(text, codes, *wrong, False)
    _native.encode_fasta(text, codes, 0, 1, 0, False)
    assert codes.tolist() == [9, 0, 1, 2, 3]


@fuzz
@given(st.binary(max_size=60), st.integers(0, 60), st.integers(0, 30), st.integers(0, 3))
@example(b" >a\r\n;\nAC \n> b\n", 0, 5, 0)
def test_any_bytes_as_fasta_stay_within_their_arrays(content, begin, room, place):
    text, codes = exact(content), np.full(room, 9, np.uint8)
    begin = min(begin, len(text))
    for masked in (False, True):
        stop, place, at, filled, lines, headers = _native.encode_fasta(
            text, codes, begin, 0, place, masked
        )
        assert begin <= at <= len(text)
        assert filled <= room
        assert (codes[:filled] <= 4).all()
        assert (at == len(text)) or stop
        assert lines == content[begin:at].count(b"\n")
        for first, last, before, line in headers:
            assert content[first - 1 : first] == b">"
            assert first <= last <= at
            assert before <= filled
            assert line <= lines


FASTQ = b"@r1 1\nACGTACGTNN\n+\nIIIIIIII##\n@r2\nTTTTACGT\n+r2\nABCDEFGH\n"
MATES = b"@r1 2\nNNACGTACGT\n+\n##IIIIIIII\n@r2\r\nACGTAAAA\r\n+\r\nIIIIIIII\r\n"
ONE_HOT = b"# x\n5.5\t1" + b"\t0" * 6 + b"\t1\n\nb" + b"\t0" * 8 + b"\r\n7\t0\t1\t1" + b"\t0" * 5
SEARCH = {"overlap": 6, "slack": 5, "minimum_overlap": 2, "minimum_identity": 0.5}


@fuzz
@given(damaged(FASTQ), damaged(MATES), st.sampled_from(["sequences", "table", "fasta", "fastq"]))
@example(b"", b"", "table")
@example(b"\n\n\n\n", b"\n\n\n\n", "table")
@example(b"@\n\n+\n\n", b"@\n\n+\n\n", "fastq")
@example(FASTQ, MATES, "fastq")
@example(b"@r\n\n+\n\n", b"@r\nACGTACGT\n+\nIIIIIIII\n", "fastq")
@example(b"@r\nACGTACGT\n+\nIIIIIIII\n", b"@r\n\n+\n\n", "fastq")
def test_damaged_pairs(forward, reverse, written):
    try:
        texts = exact(forward), exact(reverse)
        survey = _native.survey_pairs(*texts, **SEARCH)
        text, counts, fault = _native.merge_pairs(
            *texts,
            **SEARCH,
            minimum_length=1,
            maximum_unknown=9,
            format=written,
            survey=survey,
        )
    except ValueError as error:
        assert str(error) == "reverse: expected as many records as in forward"
        return
    assert fault is None or (fault[0] in ("name", "separator", "quality", "mates"))
    assert bool(text) == bool(counts["merged"])


@fuzz
@given(damaged(ONE_HOT), st.integers(1, 3))
@example(b"", 1)
@example(b"\t", 1)
def test_damaged_one_hot_text(text, length):
    parsed = _native.parse_one_hot(text, length)
    rows = parsed["rows"]
    assert (parsed["codes"][:rows] <= 4).all()
    assert (parsed["label_end"][:rows] <= len(text)).all()


@fuzz
@given(
    st.binary(max_size=40),
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 40), max_size=6),
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 6), max_size=4),
    st.integers(0, 9),
)
def test_offsets_and_rows_that_lie(text, offsets, rows, length):
    """Offsets and rows that point anywhere are refused; those that do not are read."""
    data = exact(text)
    ends = np.array(offsets, np.int64)
    calls = [
        lambda: _native.encode(data, ends, length, True, rows=np.array(rows, np.int64)),
        lambda: _native.sequence_faults(data, ends),
        lambda: _native.text_hashes(data, ends, 1),
        lambda: _native.format_one_hot(data, ends, np.zeros((max(len(ends) - 1, 0), 2), np.uint8)),
        lambda: _native.cluster_parents(
            data, ends, np.array(rows).astype(np.uint32), differences=length
        ),
        lambda: _native.sequence_hashes(data.reshape(1, -1), 1),
    ]
    for each in calls:
        try:
            each()
        except ValueError as error:
            assert ": expected" in str(error)


@fuzz
@given(
    st.tuples(*[st.integers(0, 20)] * 2, st.integers(0, 9), st.integers(0, 6)),
    st.sampled_from(["same", "valid"]),
    st.sampled_from(_native.instruction_sets()),
    st.integers(0, 2**32),
)
def test_kernels_of_any_shape(shape, padding, kernels, seed):
    count, length, width, motifs = shape
    random = np.random.default_rng(seed)
    codes = random.integers(0, 5, (count, length)).astype(np.uint8)
    log_kd = random.normal(0, 3, (width, 4, motifs)).astype(np.float32)
    log_concentration = random.normal(0, 3, motifs).astype(np.float32)
    windows = length if padding == "same" else max(length - width + 1, 0)
    weight = random.normal(0, 1, (2, windows, motifs)).astype(np.float32)
    options = {"padding": padding, "instruction_set": kernels, "threads": 2}
    sums = random.normal(0, 1, (count, 2, motifs)).astype(np.float32)
    range_ = np.array([[0] * motifs, [width] * motifs], np.int32)
    if motifs:
        log_concentration[random.integers(motifs)] += random.choice([0, 60, -np.inf])
    limits = {
        "column_range": np.sort(random.integers(0, width + 1, (2, motifs)), axis=0),
        "span": random.integers(0, length + 1, (2,) if random.random() < 0.5 else (count, 2)),
        "length": random.integers(0, length + 1, count),
    }
    options |= {name: value for name, value in limits.items() if random.random() < 0.5}
    try:
        outputs = _native.occupancy_forward(codes, log_kd, log_concentration, weight, **options)
        arrays = codes, log_kd, log_concentration, weight, sums, sums
        gradients = _native.occupancy_backward(*arrays, **options)
        options.pop("length", None)
        changes = _native.mutation_changes(codes, log_kd, log_concentration, weight, **options)
        factors = np.ones((2, motifs), np.float32)
        totals = _native.mutation_sums(
            codes, log_kd, log_concentration, factors, factors, weight, **options
        )
        assert all(np.isfinite(each).all() for each in (*outputs, *gradients, *changes, *totals))
        limit = np.full(motifs, np.inf, np.float32)
        bounds = np.arange(count) * length + np.array([[0], [length]])
        text = codes.reshape(-1), bounds
        scan_hits(*text, log_kd, range_, np.stack([limit] * 2), BACKGROUND, kernels)
        _native.best_sites(*text, log_kd, range_, instruction_set=kernels, threads=2)
    except ValueError as error:
        assert "expect" in str(error)


@pytest.mark.parametrize("threads", [0, -1, 1025, 2**31 - 1])
def test_threads_without_number_are_refused(threads):
    for name in ("occupancy_forward", "best_sites", "cluster_parents"):
        arrays, options = CALLS[name]
        with pytest.raises(ValueError, match=f"threads: expected 1 to 1024, got {threads}"):
            call(name, arrays, options | {"threads": threads})
