"""The kernels of every instruction set, without TensorFlow, against the float64 oracle."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from test_occupancy import CASES, example, random_upstream, relative_error

from cisreg import _native
from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient

INSTRUCTION_SETS = ["portable", "avx2", "avx512"]


@pytest.fixture(params=INSTRUCTION_SETS)
def instruction_set(request):
    if request.param not in _native.instruction_sets():
        pytest.skip(f"this processor has no {request.param} instructions")
    return request.param


@pytest.mark.parametrize("reduction", ["expected", "log_unbound"])
@pytest.mark.parametrize(("shape", "padding"), CASES)
def test_against_oracle(instruction_set, shape, padding, reduction):
    arguments = example(shape, padding)
    options = {"reduction": reduction, "padding": padding}
    native = {**options, "instruction_set": instruction_set}
    expected = occupancy_oracle(**arguments, **options)
    outputs = _native.occupancy_forward(*arguments.values(), **native)
    for actual, value in zip(outputs, expected, strict=True):
        assert relative_error(actual, value) <= 2e-6
    upstream = random_upstream(expected)
    gradients = _native.occupancy_backward(*arguments.values(), *upstream, **native)
    expected_gradients = occupancy_oracle_gradient(
        **arguments, **options, grad_bound=upstream[0], grad_weighted=upstream[1]
    )
    names = ["log_kd", "log_concentration", "position_weight"]
    for name, actual in zip(names, gradients, strict=True):
        assert relative_error(actual, expected_gradients[name]) <= 1e-5, name


def per_motif_error(actual, expected):
    """Largest relative error of a motif, where a motif's numbers are compared as one vector."""
    actual, expected = (np.moveaxis(x, -1, 0).astype(np.float64) for x in (actual, expected))
    axes = tuple(range(1, actual.ndim))
    # Sites too weak for a normal float32, below 1.2e-38, count as zero.
    norm = np.maximum(np.sqrt((expected**2).sum(axes)), 1e-30)
    return (np.sqrt(((actual - expected) ** 2).sum(axes)) / norm).max()


# Log2 odds of the strongest site. Below 60, odds are products and two sites share a division;
# above, odds are exponentials of sums.
@pytest.mark.parametrize("reduction", ["expected", "log_unbound"])
@pytest.mark.parametrize(
    "strongest", [[-150], [-100], [0], [30], [59.9], [60.1], [300], [-90, 0, 30, 59, 90]]
)
def test_weak_and_strong_motifs(instruction_set, strongest, reduction):
    motifs = 11
    arguments = example((6, 50, 13, motifs))
    log_kd = arguments["log_kd"] = 4 * arguments["log_kd"]
    strongest_log_kd = np.minimum(log_kd.min(axis=1), 0).sum(axis=0)
    arguments["log_concentration"] = (
        np.resize(strongest, motifs) * np.log(2) + strongest_log_kd
    ).astype(np.float32)
    options = {"reduction": reduction}
    native = {**options, "instruction_set": instruction_set}
    expected = occupancy_oracle(**arguments, **options)
    outputs = _native.occupancy_forward(*arguments.values(), **native)
    for actual, value in zip(outputs, expected, strict=True):
        assert per_motif_error(actual, value) <= 1e-5
    upstream = random_upstream(expected)
    gradients = _native.occupancy_backward(*arguments.values(), *upstream, **native)
    expected_gradients = occupancy_oracle_gradient(
        **arguments, **options, grad_bound=upstream[0], grad_weighted=upstream[1]
    )
    names = ["log_kd", "log_concentration", "position_weight"]
    for name, actual in zip(names, gradients, strict=True):
        assert per_motif_error(actual, expected_gradients[name]) <= 3e-5, name


def test_long_sites_neither_overflow_nor_underflow_on_the_way(instruction_set):
    """The partial products reach 2^400 in both directions, beyond the range of a float."""
    width = 40
    log_kd = np.zeros((width, 4, 3), np.float32)
    log_kd[: width // 2, 0] = -14.0
    log_kd[width // 2 :, 0] = 14.0
    log_kd[:, 1:] = 0.25
    sequence = np.zeros((2, 60), np.uint8)
    sequence[1] = np.arange(60) % 4
    arguments = [sequence, log_kd, np.array([-1, 0, 1], np.float32)]
    expected = occupancy_oracle(*arguments)[0]
    actual = _native.occupancy_forward(*arguments, None, instruction_set=instruction_set)[0]
    np.testing.assert_allclose(actual, expected, rtol=2e-4)


def test_weak_sites_of_strong_motifs_are_not_lost_on_the_way(instruction_set):
    """The product of the first bases is too small for a float; later bases make up for it."""
    width, ln2 = 60, np.log(2)
    log_kd = np.zeros((width, 4, 2), np.float32)
    log_kd[:, 0] = -1e-3
    log_kd[0, 1] = [140 * ln2, 80 * ln2]
    log_kd[3, 1, 1] = 60 * ln2
    sequence = np.zeros((1, width), np.uint8)
    sequence[0, [0, 3]] = 1
    options = {"padding": "valid"}
    arguments = [sequence, log_kd, np.full(2, 58 * ln2, np.float32)]
    expected = occupancy_oracle(*arguments, **options)[0]
    assert (expected[:, 0] < 1e-20).all()
    actual = _native.occupancy_forward(*arguments, instruction_set=instruction_set, **options)[0]
    np.testing.assert_allclose(actual, expected, rtol=1e-4)


@pytest.mark.parametrize("log_concentration", [-0.3465736, -0.34657356, -77.28591])
def test_rows_weaker_than_floats(instruction_set, log_concentration):
    """Half powers of two: each factor of a row is rounded down as far as possible."""
    log_kd = np.zeros((3, 4, 1), np.float32)
    log_kd[:, 1] = 77.28591
    sequence = np.ones((1, 3), np.uint8)
    arguments = [sequence, log_kd, np.array([log_concentration], np.float32)]
    options = {"padding": "valid"}
    expected = occupancy_oracle(*arguments, **options)[0]
    actual = _native.occupancy_forward(*arguments, instruction_set=instruction_set, **options)[0]
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-36)


def test_gradient_of_repetitive_sequences(instruction_set):
    """Thousands of sites with the same bases are not added one after the other."""
    arguments = example((30, 512, 9, 8))
    arguments["sequence"][:] = 0
    arguments["position_weight"] = None
    upstream = np.ones((30, 2, 8), np.float32)
    actual = _native.occupancy_backward(
        *arguments.values(), upstream, instruction_set=instruction_set
    )[0]
    del arguments["position_weight"]
    expected = occupancy_oracle_gradient(**arguments, grad_bound=upstream)["log_kd"]
    assert relative_error(actual, expected) <= 2e-6


@pytest.mark.parametrize("shape", [(300, 60, 9, 40), (1, 900, 5, 100), (700, 40, 6, 3)])
def test_same_bits_for_every_thread_count(instruction_set, shape):
    arguments = list(example(shape).values())
    upstream = random_upstream([np.empty((shape[0], 2, shape[3]))] * 2)
    results = []
    for threads in (1, 2, 7):
        options = {"threads": threads, "instruction_set": instruction_set}
        outputs = _native.occupancy_forward(*arguments, **options)
        gradients = _native.occupancy_backward(*arguments, *upstream, **options)
        results.append((*outputs, *gradients))
    for one, other in itertools.pairwise(results):
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(("count", "motifs"), [(2100, 3), (2700, 3), (2700, 75)])
def test_sequences_beyond_the_shared_tiles(instruction_set, count, motifs):
    """Up to 2^18 rows all motifs share the encoded sequences; beyond, each item encodes its own."""
    arguments = example((count, 90, 9, motifs))
    arguments["position_weight"] = None
    options = {"instruction_set": instruction_set, "threads": 2}
    upstream = random_upstream([np.empty((count, 2, motifs))])
    bound, _ = _native.occupancy_forward(*arguments.values(), **options)
    gradients = _native.occupancy_backward(*arguments.values(), *upstream, **options)
    del arguments["position_weight"]
    chosen = np.array([0, motifs // 2, motifs - 1])
    few = {**arguments, "log_kd": arguments["log_kd"][..., chosen]}
    few["log_concentration"] = arguments["log_concentration"][chosen]
    expected = occupancy_oracle(**few)[0]
    assert relative_error(bound[..., chosen], expected) <= 2e-6
    expected = occupancy_oracle_gradient(**few, grad_bound=upstream[0][..., chosen])
    assert relative_error(gradients[0][..., chosen], expected["log_kd"]) <= 1e-5


@pytest.mark.parametrize("unknown", [False, True])
def test_tables_of_the_rows_that_few_sequences_read(instruction_set, unknown):
    """Sequences of few different k-mers, with and without unknown bases."""
    arguments = example((2, 64, 11, 20))
    arguments["position_weight"] = None
    sequence = np.tile(np.array([0, 3, 3], np.uint8), (2, 22))[:, :64]
    if unknown:
        sequence[0, 40:50] = 4
    arguments["sequence"] = sequence
    upstream = random_upstream([np.empty((2, 2, 20))])
    options = {"instruction_set": instruction_set}
    bound, _ = _native.occupancy_forward(*arguments.values(), **options)
    gradients = _native.occupancy_backward(*arguments.values(), *upstream, **options)
    del arguments["position_weight"]
    assert relative_error(bound, occupancy_oracle(**arguments)[0]) <= 2e-6
    expected = occupancy_oracle_gradient(**arguments, grad_bound=upstream[0])
    assert relative_error(gradients[0], expected["log_kd"]) <= 1e-5


def test_unknown_instruction_set_is_refused():
    arguments = list(example((2, 7, 3, 2)).values())
    with pytest.raises(ValueError, match="no 'sse9' kernels"):
        _native.occupancy_forward(*arguments, instruction_set="sse9")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "threads: expected 1 to 1024, got 0"),
        ({"threads": -3}, "threads: expected 1 to 1024, got -3"),
        ({"column_range": np.array([[-50] * 9, [90000] * 9])}, "column_range: expected 0 <= first"),
        ({"column_range": np.array([[2] * 9, [1] * 9])}, "column_range: expected 0 <= first"),
        (
            {"column_range": np.zeros((2, 3))},
            r"column_range: expected shape \[2, M\] = \[2,9\], got \[2,3\]",
        ),
        ({"log_concentration": np.zeros((3, 3))}, r"log_concentration: expected shape \[C, M\]"),
        ({"position_weight": np.zeros((7, 2, 9))}, r"position_weight: expected shape \[2, P, M\]"),
        ({"padding": "valid", "log_kd": np.zeros((8, 4, 9))}, "'valid' expects .* L = 7 and W = 8"),
    ],
)
def test_bad_arguments(options, message):
    arguments = {**example((2, 7, 3, 9)), **options}
    with pytest.raises(ValueError, match=message):
        _native.occupancy_forward(**arguments)


def cuda_function(name):
    if _native.build_info()["cuda"] == "off":
        pytest.skip("this build has no CUDA kernels")
    return getattr(_native, name)


@pytest.mark.parametrize("name", ["cuda_occupancy_forward", "cuda_time"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sequence": np.full((2, 7), 5)}, "sequence: expected base codes 0 to 4"),
        ({"column_range": np.array([[2] * 9, [1] * 9])}, "column_range: expected 0 <= first"),
        ({"log_concentration": np.zeros((3, 3))}, r"log_concentration: expected shape \[C, M\]"),
        ({"position_weight": np.zeros((7, 2, 9))}, r"position_weight: expected shape \[2, P, M\]"),
        ({"compute_dtype": "half"}, "compute_dtype: expected 'float32'"),
    ],
)
def test_bad_arguments_for_a_gpu(name, options, message):
    with pytest.raises(ValueError, match=message):
        cuda_function(name)(**{**example((2, 7, 3, 9)), **options})


def test_bad_arguments_of_the_gradient_and_of_times_on_a_gpu():
    arguments = list(example((2, 7, 3, 9)).values())
    sums = np.zeros((2, 2, 9))
    backward = cuda_function("cuda_occupancy_backward")
    with pytest.raises(ValueError, match=r"bound_gradient: expected shape \[N, 2, M\]"):
        backward(*arguments, sums[:1], sums)
    with pytest.raises(ValueError, match=r"weighted_gradient: .* exactly where"):
        backward(*arguments, sums)
    time = cuda_function("cuda_time")
    with pytest.raises(ValueError, match="direction: expected 'forward' or 'backward'"):
        time(*arguments, direction="sideways")
    with pytest.raises(ValueError, match="repeats: expected 1 or more, got 0"):
        time(*arguments, repeats=0)


def test_devices_are_listed_and_no_device_is_said():
    devices = _native.cuda_devices()
    for device in devices:
        assert {"name", "compute_capability", "multiprocessor_count", "memory"} <= set(device)
    forward = cuda_function("cuda_occupancy_forward")
    with pytest.raises(RuntimeError, match="choose the device: "):
        forward(**example((2, 7, 3, 2)), device=len(devices))


MEMORY_OF_LONG_WEIGHTED_GRADIENTS = """
import sys
import numpy as np
from cisreg import _native
def peak():
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM"))
random = np.random.default_rng(0)
count, length, width, motifs = 48, 4000, 3, 64
arguments = [
    random.integers(0, 4, (count, length)).astype(np.uint8),
    np.zeros((width, 4, motifs), np.float32), np.zeros(motifs, np.float32),
    np.ones((2, length, motifs), np.float32),
]
upstream = [np.ones((count, 2, motifs), np.float32)] * 2
before = peak()
_native.occupancy_backward(*arguments, *upstream, threads=2)
print((peak() - before) / 1024)
"""


def test_memory_of_position_gradients_does_not_grow_with_the_sequences():
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_OF_LONG_WEIGHTED_GRADIENTS],
        check=True,
        capture_output=True,
        text=True,
    )
    # The weights and their gradient take 2 MB each; all sites would take 98 MB.
    assert float(done.stdout) < 40
