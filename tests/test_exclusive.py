"""Both implementations of competition against the float64 oracle, and inside TensorFlow."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tensorflow as tf
from test_exclusive_oracle import COMPETITORS, OPTIONS, random_problem
from test_native_exclusive import MANY, upstream_of
from test_occupancy import relative_error

import cisreg
import cisreg.numpy
from cisreg import exclusive
from cisreg.exclusive import exclusive_occupancy
from cisreg.exclusive_oracle import exclusive_oracle, exclusive_oracle_gradient
from cisreg.self_test import SelfTest

SHAPES = [(0, 10, 3, 2), (1, 1, 1, 1), (3, 1, 6, 2), (5, 13, 30, 9), (6, 20, 3, 31)]
IMPLEMENTATIONS = ["fused", "standard"]
ALL = (*MANY[2], "length", "span", *COMPETITORS)
TRAINED = ("log_kd", "log_concentration", "position_weight", "competitor_log_odds")


def value_and_gradient(problem, upstream, **options):
    """Outputs, and gradients of their sums weighted by `upstream`."""
    trained = {name: tf.convert_to_tensor(problem[name]) for name in TRAINED if name in problem}
    with tf.GradientTape() as tape:
        tape.watch(trained)
        outputs = exclusive_occupancy(**{**problem, **trained}, **options)
        total = tf.reduce_sum(outputs.bound * upstream["grad_bound"])
        total += tf.reduce_sum(outputs.log_partition * upstream["grad_log_partition"])
        if outputs.weighted is not None:
            total += tf.reduce_sum(outputs.weighted * upstream["grad_weighted"])
        if outputs.competitors is not None:
            total += tf.reduce_sum(outputs.competitors * upstream["grad_competitors"])
    return outputs, tape.gradient(total, trained)


def check(problem, implementation, padding="same"):
    upstream = upstream_of(problem)
    options = {"implementation": implementation, "padding": padding}
    outputs, gradients = value_and_gradient(problem, upstream, **options)
    expected = exclusive_oracle(**problem, padding=padding)[: len(outputs)]
    for actual, value in zip(outputs, expected, strict=True):
        assert (actual is None) == (value is None)
        if value is not None:
            assert relative_error(actual, value) <= 1e-5
    expected = exclusive_oracle_gradient(**problem, **upstream, padding=padding)
    assert gradients.keys() == expected.keys()
    for name, value in expected.items():
        assert relative_error(gradients[name], value) <= 2e-5, name


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("options", OPTIONS, ids="-".join)
@pytest.mark.parametrize("shape", SHAPES)
def test_against_oracle(implementation, shape, options):
    check(random_problem(shape, options=options), implementation)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_valid_windows_and_all_options_against_oracle(implementation):
    problem = random_problem((6, 20, 7, 9), options=ALL, padding="valid")
    check(problem, implementation, "valid")


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_strong_sites(implementation):
    problem = random_problem((2, 200, 3, 2))
    problem["log_concentration"] += 60
    check(problem, implementation)
    problem["log_concentration"] += 100
    check(problem, implementation)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_absent_factors(implementation):
    problem = random_problem((3, 25, 4, 9), options=("position_weight", "column_range"))
    problem["log_concentration"][[0, 4, 8]] = -np.inf
    check(problem, implementation)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_where_sites_cannot_overlap_they_are_independent(implementation):
    # One window, in which one strand's energy is so high that only the other binds.
    sequence = np.array([[0, 0, 1]], np.uint8)
    log_kd = np.full((3, 4, 1), 30.0, np.float32)
    log_kd[[0, 1, 2], [0, 0, 1]] = 0.1
    arguments = (sequence, log_kd, np.zeros(1, np.float32))
    options = {"padding": "valid", "implementation": implementation}
    alone = cisreg.occupancy(*arguments, **options).bound
    bound = exclusive_occupancy(*arguments, **options).bound
    np.testing.assert_allclose(bound, alone, rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_in_a_graph_of_unknown_sizes(implementation):
    problem = random_problem((5, 13, 6, 9), options=(*MANY[2], "length", *COMPETITORS))
    expected = exclusive_oracle(**problem)[:4]
    signature = {
        name: tf.TensorSpec([None] * value.ndim, value.dtype) for name, value in problem.items()
    }

    @tf.function(input_signature=[signature])
    def sums(arguments):
        return exclusive_occupancy(**arguments, implementation=implementation)

    for actual, value in zip(sums(problem), expected, strict=True):
        assert relative_error(actual, value) <= 1e-5


def test_xla_compiles_standard_operations():
    problem = random_problem((5, 13, 6, 9), options=(*MANY[2], *COMPETITORS))
    upstream = upstream_of(problem)
    known = {name: problem[name] for name in ("footprint", "competitor_width")}

    @tf.function(jit_compile=True)
    def computed(arguments):
        return value_and_gradient({**arguments, **known}, upstream)

    outputs, gradients = computed({k: v for k, v in problem.items() if k not in known})
    for actual, value in zip(outputs, exclusive_oracle(**problem)[:4], strict=True):
        assert relative_error(actual, value) <= 1e-5
    for name, value in exclusive_oracle_gradient(**problem, **upstream).items():
        assert relative_error(gradients[name], value) <= 2e-5, name


def test_standard_has_second_derivatives():
    problem = random_problem((2, 7, 3, 2))
    concentration = tf.constant(problem["log_concentration"])
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(concentration)
        with tf.GradientTape() as inner:
            inner.watch(concentration)
            sums = exclusive_occupancy(
                problem["sequence"], problem["log_kd"], concentration, implementation="standard"
            )
        bound = inner.gradient(sums.log_partition, concentration)
    np.testing.assert_allclose(bound, tf.reduce_sum(sums.bound, axis=[0, 1]), rtol=1e-5)
    curvature = outer.jacobian(bound, concentration, experimental_use_pfor=False)
    expected = [
        exclusive_oracle_gradient(**problem, grad_bound=np.tile(np.eye(2)[motif], (2, 2, 1)))[
            "log_concentration"
        ]
        for motif in range(2)
    ]
    assert relative_error(curvature, np.array(expected)) <= 1e-5


def test_fused_refuses_second_derivatives():
    problem = random_problem((2, 7, 3, 2))
    concentration = tf.constant(problem["log_concentration"])
    with tf.GradientTape() as outer:
        outer.watch(concentration)
        with tf.GradientTape() as inner:
            inner.watch(concentration)
            sums = exclusive_occupancy(problem["sequence"], problem["log_kd"], concentration)
        slope = inner.gradient(sums.log_partition, concentration)
    with pytest.raises(LookupError, match=r'use implementation="standard" for second derivatives'):
        outer.gradient(slope, concentration)


def test_soft_sequences_are_standard():
    problem = random_problem((3, 9, 4, 5))
    soft = tf.one_hot(problem["sequence"], 4)
    expected = exclusive_oracle(**problem)
    sums = exclusive_occupancy(**{**problem, "sequence": soft})
    assert relative_error(sums.bound, expected.bound) <= 1e-5
    with pytest.raises(ValueError, match=r'expected "auto" or "standard" for soft sequences'):
        exclusive_occupancy(**{**problem, "sequence": soft}, implementation="fused")


def test_fused_refuses_xla():
    problem = random_problem((3, 9, 4, 5))
    compiled = tf.function(exclusive_occupancy, jit_compile=True)
    with pytest.raises(tf.errors.UnimplementedError, match=r"XLA cannot compile the fused"):
        compiled(**problem, implementation="fused")


@pytest.fixture
def gpu(monkeypatch):
    """A GPU that computes right, whose kernels this build has; the CPU stands in for it."""
    monkeypatch.setattr(exclusive, "gpu_here", lambda: "/device:GPU:0")
    monkeypatch.setattr(exclusive, "registered_devices", lambda operation: {"CPU", "GPU"})
    monkeypatch.setattr(exclusive, "gpu_limits", lambda gpu: (90, 132, 232448))
    monkeypatch.setattr(exclusive, "_refusal", lambda *sizes: "")
    monkeypatch.setattr(exclusive, "examine", lambda gpu, compute_dtype: SelfTest((), ""))
    monkeypatch.setattr(exclusive, "why_wrong_on", lambda gpu: "")
    exclusive._say_standard.cache_clear()
    return monkeypatch


def kinds(problem):
    graph = tf.function(lambda: exclusive_occupancy(**problem)).get_concrete_function().graph
    return {each.type for each in graph.get_operations()}


def test_a_gpu_takes_the_fused_operation(gpu):
    assert "Cisreg>ExclusiveOccupancy" in kinds(random_problem((3, 9, 4, 5)))


@pytest.mark.parametrize(
    ("name", "found", "message"),
    [
        ("registered_devices", {"CPU"}, "this build of cisreg has no CUDA kernels of sites"),
        ("_refusal", "GPU: expected compute capability 8.0", "GPU:0: GPU: expected compute cap"),
        ("why_wrong_on", "bound of a small problem is wrong", "GPU:0: bound of a small problem"),
        ("examine", SelfTest((), "the driver is older"), "GPU:0: the driver is older"),
    ],
)
def test_a_gpu_that_cannot_takes_standard_operations(gpu, caplog, name, found, message):
    gpu.setattr(exclusive, name, lambda *asked: found)
    problem = random_problem((3, 9, 4, 5))
    assert "Cisreg>ExclusiveOccupancy" not in kinds(problem)
    assert re.search(f"{message}.*: standard operations are used", caplog.text)
    with pytest.raises(tf.errors.UnimplementedError, match=message):
        exclusive_occupancy(**problem, implementation="fused")


def test_without_the_library_a_gpu_is_not_the_reason(gpu, caplog):
    gpu.setattr(exclusive, "fused_available", lambda: False)
    gpu.setattr(exclusive, "registered_devices", lambda operation: [])
    assert "Cisreg>ExclusiveOccupancy" not in kinds(random_problem((3, 9, 4, 5)))
    assert "CUDA" not in caplog.text


def test_the_self_test_of_a_gpu(monkeypatch):
    assert exclusive.why_wrong_on("CPU:0") == ""
    right = exclusive._small_problem("CPU:0")
    assert all(np.isfinite(value).all() and value.any() for value in right.values())
    for name, value in right.items():
        wrong = {**right, name: value + 1e-3 * np.linalg.norm(value)}
        given = iter([wrong, right])
        monkeypatch.setattr(exclusive, "_small_problem", lambda device, given=given: next(given))
        said = exclusive.why_wrong_on(f"GPU with wrong {name}")
        assert said.startswith(f"{name} of a small") and said.endswith("build cisreg again")


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"footprint": [[0, 0], [2, 0]]}, r"footprint: .*first < end.*got 0 and 0 for motif 1"),
        (
            {"footprint": [[-20000, 0], [2, 1]]},
            r"footprint: expected -10000 <= first < end <= 1000",
        ),
        (
            {"column_range": [[0, 2], [3, 2]]},
            r"column_range: expected first < end, .*, got 2 and 2 for motif 1; or give the footp",
        ),
        (
            {"competitor_width": [3, 0], "competitor_log_odds": [0.0, 1.0]},
            r"competitor_width: expected 1 to 10000 bases, got 0 for competitor 1",
        ),
        (
            {"competitor_width": [3], "competitor_log_odds": [np.nan]},
            r"competitor_log_odds: expected finite numbers or minus infinity, got",
        ),
        ({"sequence": np.full((1, 3), 7, np.uint8)}, r"sequence: expected base codes 0 to 4"),
        ({"log_concentration": [np.nan, 0]}, r"log_concentration: expected finite numbers, or"),
    ],
)
def test_numbers_that_are_refused(implementation, changed, message):
    problem = random_problem((1, 10, 4, 2))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        exclusive_occupancy(**{**problem, **changed}, implementation=implementation)


def test_shapes_that_are_refused():
    problem = random_problem((1, 10, 4, 2))
    with pytest.raises(ValueError, match=r"footprint: expected shape \[2, M\] = \[2, 2\], got"):
        exclusive_occupancy(**problem, footprint=[0, 1])
    with pytest.raises(ValueError, match=r"log_concentration: expected shape \[M\]"):
        exclusive_occupancy(**{**problem, "log_concentration": np.zeros(3, np.float32)})
    with pytest.raises(ValueError, match="competitor_width, competitor_log_odds: expected both"):
        exclusive_occupancy(**problem, competitor_width=[3])
    with pytest.raises(ValueError, match=r"expected shape \[Q\] both, got \[1\] and \[2\]"):
        exclusive_occupancy(**problem, competitor_width=[3], competitor_log_odds=[0.0, 1.0])


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_alone_with_a_competitor_it_is_a_row_of_rods(implementation):
    # Nothing binds; of 3 stretches of 3 bases among 5, one at a time can be covered.
    nothing = (np.zeros((1, 5), np.uint8), np.zeros((2, 4, 1)), [-np.inf])
    sums = exclusive_occupancy(
        *nothing,
        competitor_width=[3],
        competitor_log_odds=[np.log(2.0)],
        implementation=implementation,
    )
    np.testing.assert_allclose(sums.competitors, [[6 / 7]], rtol=1e-6)
    np.testing.assert_allclose(sums.log_partition, [np.log(7)], rtol=1e-6)


def test_a_saved_graph_loads_where_only_the_package_is_imported(tmp_path):
    problem = random_problem((3, 9, 4, 5))

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 9], tf.uint8)])
        def bound(self, sequence):
            arguments = {**problem, "sequence": sequence}
            return exclusive_occupancy(**arguments, implementation="fused").bound

    tf.saved_model.save(Module(), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    expected = exclusive_oracle(**problem).bound
    assert relative_error(loaded.bound(problem["sequence"]), expected) <= 1e-5


@pytest.mark.parametrize("options", [(), ALL], ids=["none", "all"])
def test_numpy_gives_the_bits_of_the_operation(options):
    problem = random_problem((6, 20, 7, 9), options=options)
    expected = exclusive_occupancy(**problem, implementation="fused")
    found = cisreg.numpy.exclusive_occupancy(**problem, threads=2)
    for actual, value in zip(found, expected, strict=True):
        assert (actual is None) == (value is None)
        if value is not None:
            np.testing.assert_array_equal(actual, value)


def test_numpy_refuses_what_the_operation_refuses():
    problem = random_problem((2, 9, 3, 2))
    with pytest.raises(ValueError, match=r"footprint: expected shape .* = \[2,2\], got \[2,1\]"):
        cisreg.numpy.exclusive_occupancy(**problem, footprint=[[0], [3]])
    several = {**problem, "log_concentration": np.zeros((2, 2))}
    with pytest.raises(ValueError, match=r"log_concentration: expected shape \[M\]"):
        cisreg.numpy.exclusive_occupancy(**several)
    with pytest.raises(ValueError, match="padding: expected"):
        cisreg.numpy.exclusive_occupancy(**problem, padding="full")
