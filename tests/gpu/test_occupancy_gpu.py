"""The fused operation on a GPU, inside TensorFlow. Skipped where TensorFlow sees no GPU."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from test_compute_dtype import IN_FLOAT32, SIXTEEN_BITS, all_errors
from test_compute_dtype import SHAPES as SHAPES_OF_16_BITS
from test_occupancy import (
    CASES,
    REDUCTIONS,
    SHAPES,
    example,
    random_range,
    random_upstream,
    relative_error,
    value_and_gradient,
)
from tiny_model import STAGES, fit_tiny, make_dataset

from cisreg.occupancy import occupancy
from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient
from cisreg.self_test import LIMITS, run_self_test

DEVICE = "GPU:0"
pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("on_gpu")]


def compiled(arguments, upstream, **options):
    """`value_and_gradient` as one graph."""
    return tf.function(lambda: value_and_gradient(arguments, upstream, **options))()


def assert_sums(actual, expected, terms):
    """Checks sums to 3e-6 of the sums of their terms' absolute values."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected)
    assert actual.shape == expected.shape
    assert np.linalg.norm(actual - expected) <= 3e-6 * np.linalg.norm(terms)


def check_against_oracle(arguments, masked, inside, run, reduction, **options):
    """Runs on `arguments`; the oracle gets `masked`, in which `inside` is trained."""
    law = {"reduction": reduction, "padding": options.get("padding", "same")}
    if "span" in options:
        law |= {"span": options["span"], "column_range": options.get("column_range")}
    if "condition" in options:
        law |= {"condition": options["condition"]}
    expected = occupancy_oracle(**masked, **law)
    absolute = dict(masked)
    if "position_weight" in masked:
        absolute["position_weight"] = np.abs(masked["position_weight"])
    terms = occupancy_oracle(**absolute, **law)
    upstream = random_upstream(expected)
    outputs, gradient = run(arguments, upstream, reduction=reduction, **options)
    assert outputs.bound.device.endswith(DEVICE)
    for actual, value, norm in zip(outputs, expected, terms, strict=True):
        assert (actual is None) == (value is None)
        if value is not None:
            assert_sums(actual, value, norm)
    expected_gradient = occupancy_oracle_gradient(
        **masked,
        **law,
        grad_bound=upstream[0],
        grad_weighted=upstream[1],
    )
    expected_gradient["log_kd"] = np.where(inside, expected_gradient["log_kd"], 0)
    for name, value in expected_gradient.items():
        assert relative_error(gradient[name], value) <= 1e-5, name
    assert not np.where(inside, 0, gradient["log_kd"]).any()


@pytest.mark.parametrize("run", [value_and_gradient, compiled])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("shape", "padding"), CASES)
def test_against_oracle(shape, padding, reduction, weighted, run):
    arguments = example(shape, padding)
    if not weighted:
        del arguments["position_weight"]
    check_against_oracle(arguments, arguments, True, run, reduction, padding=padding)


@pytest.mark.parametrize("run", [value_and_gradient, compiled])
@pytest.mark.parametrize(
    ("sets", "conditions", "assigned"),
    [(2, 0, False), (0, 4, False), (3, 2, False), (2, 3, True), (0, 1, True)],
)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_sets_and_conditions_against_oracle(shape, reduction, sets, conditions, assigned, run):
    arguments, random, options = example(shape), np.random.default_rng(3), {}
    weight = arguments.pop("position_weight")
    if sets:
        size = (sets, *weight.shape)
        arguments["position_weight"] = random.normal(1, 1, size).astype(np.float32)
    if conditions:
        size = (conditions, shape[3])
        arguments["log_concentration"] = random.normal(-2, 2, size).astype(np.float32)
    if assigned:
        options["condition"] = random.integers(0, conditions, shape[0]).astype(np.int32)
    check_against_oracle(arguments, arguments, True, run, reduction, **options)


@pytest.mark.parametrize("run", [value_and_gradient, compiled])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_columns_outside_the_range_are_held(shape, reduction, run):
    arguments = example(shape)
    held = random_range(shape[2], shape[3])
    column = np.arange(shape[2])[:, None]
    inside = ((column >= held[0]) & (column < held[1]))[:, None]
    masked = dict(arguments, log_kd=np.where(inside, arguments["log_kd"], np.float32(0)))
    check_against_oracle(arguments, masked, inside, run, reduction, column_range=held)
    for span in ((shape[1] // 3, shape[1] // 2), np.sort(random_spans(shape), axis=1)):
        options = {"column_range": held, "span": np.array(span, np.int32)}
        check_against_oracle(arguments, masked, inside, run, reduction, **options)


def random_spans(shape):
    return np.random.default_rng(5).integers(0, shape[1] + 1, (shape[0], 2))


@pytest.mark.parametrize("compute_dtype", SIXTEEN_BITS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", [*SHAPES_OF_16_BITS, "yeast"], ids=str)
def test_16_bits_err_at_most_twice_as_much_as_plain_operations(name, reduction, compute_dtype):
    options = {"reduction": reduction, "compute_dtype": compute_dtype}
    with tf.device("CPU:0"):
        plain = all_errors(name, **options, implementation="standard")
    fused = all_errors(name, **options, implementation="fused")
    for output, measures in fused.items():
        for measure, error in measures.items():
            assert error <= 2 * plain[output][measure] + IN_FLOAT32, f"{output}, {measure}"


@pytest.mark.parametrize("shape", [(0, 10, 3, 2), (2, 0, 3, 2)])
def test_no_sequences_and_no_bases(shape):
    arguments = example(shape)
    upstream = [np.ones((shape[0], 2, shape[3]), np.float32)] * 2
    outputs, gradient = value_and_gradient(arguments, upstream)
    assert not any(np.any(value) for value in (*outputs, *gradient.values()))


def test_unknown_sizes():
    """The sizes are int64 and known only at run time."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.uint8),
            tf.TensorSpec([None, 4, None], tf.float32),
            tf.TensorSpec([None], tf.float32),
        ]
    )
    def bound_of(*inputs):
        return occupancy(*inputs, implementation="fused").bound

    for shape in [(3, 20, 5, 7), (2, 31, 8, 3)]:
        inputs = [example(shape)[name] for name in ("sequence", "log_kd", "log_concentration")]
        expected, _ = occupancy_oracle(*inputs)
        assert_sums(bound_of(*inputs), expected, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sequence": np.zeros(5, np.uint8)}, r"sequence: expected base codes \[N, L\], got shape"),
        ({"log_kd": np.zeros((3, 5, 2), np.float32)}, r"log_kd: expected \[W, 4, M\]"),
        ({"log_kd": np.zeros((0, 4, 2), np.float32)}, r"log_kd: expected .* at least 1"),
        ({"log_concentration": np.zeros(3, np.float32)}, r"log_concentration: expected shape"),
        ({"position_weight": np.zeros((2, 6, 2), np.float32)}, r"position_weight: .* \[2, P, M\]"),
        ({"column_range": np.zeros((2, 3), np.int32)}, r"column_range: .* \[2, M\]"),
        ({"padding": "valid", "log_kd": np.zeros((8, 4, 2), np.float32)}, "L = 7 and W = 8"),
    ],
)
def test_bad_shapes(change, message):
    arguments = {**example((2, 7, 3, 2)), **change}
    with pytest.raises(ValueError, match=message):
        occupancy(**arguments, implementation="fused")


def test_a_code_above_4_spoils_its_sequence_alone():
    arguments = example((5, 20, 5, 7))
    clean = occupancy(**arguments, implementation="fused")
    arguments["sequence"][2, 3] = 5
    spoilt = occupancy(**arguments, implementation="fused")
    others = [0, 1, 3, 4]
    for one, other in zip(clean, spoilt, strict=True):
        assert np.isnan(other[2]).all()
        np.testing.assert_array_equal(one.numpy()[others], other.numpy()[others])


def test_a_parameter_that_is_no_number_spoils_its_motif_alone():
    arguments = example((5, 20, 5, 7))
    clean = occupancy(**arguments, implementation="fused").bound.numpy()
    arguments["log_kd"][1, 2, 3] = np.inf
    spoilt = occupancy(**arguments, implementation="fused").bound.numpy()
    others = [0, 1, 2, 4, 5, 6]
    assert np.isnan(spoilt[..., 3]).all()
    np.testing.assert_array_equal(clean[..., others], spoilt[..., others])


def assert_same_bits(one, other):
    tf.nest.map_structure(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize("run", [value_and_gradient, compiled])
@pytest.mark.parametrize("compute_dtype", ["float32", *SIXTEEN_BITS])
def test_repeats_to_the_bit(compute_dtype, run):
    arguments = example((300, 110, 9, 40))
    upstream = random_upstream([np.empty((300, 2, 40))] * 2)
    options = {"compute_dtype": compute_dtype}
    first = run(arguments, upstream, **options)
    for _ in range(5):
        assert_same_bits(run(arguments, upstream, **options), first)


DETERMINISM = """
import numpy as np, tensorflow as tf
from test_occupancy import example, value_and_gradient
tf.config.experimental.enable_op_determinism()
arguments = example((300, 60, 9, 40))
upstream = [np.ones((300, 2, 40), np.float32)] * 2
with tf.device("GPU:0"):
    results = [tf.nest.flatten(value_and_gradient(arguments, upstream)) for _ in range(3)]
for other in results[1:]:
    for one, two in zip(results[0], other, strict=True):
        np.testing.assert_array_equal(one, two)
"""


def test_op_determinism():
    subprocess.run([sys.executable, "-c", DETERMINISM], check=True)


def test_two_operations_at_once_in_a_graph():
    one, other = example((130, 60, 9, 40)), example((70, 110, 30, 33), seed=5)

    @tf.function
    def both():
        return occupancy(**one, implementation="fused"), occupancy(**other, implementation="fused")

    for arguments, found in zip((one, other), both(), strict=True):
        assert_same_bits(found, occupancy(**arguments, implementation="fused"))


def test_two_threads_at_once():
    problems = [example((130, 60, 9, 40)), example((70, 110, 30, 33), seed=5)]
    upstream = [
        random_upstream([np.empty((p["sequence"].shape[0], 2, p["log_kd"].shape[2]))] * 2)
        for p in problems
    ]
    alone = [value_and_gradient(*pair) for pair in zip(problems, upstream, strict=True)]
    failures = []

    def work(index):
        try:
            with tf.device(DEVICE):
                for _ in range(20):
                    found = value_and_gradient(problems[index], upstream[index])
                    assert_same_bits(found, alone[index])
        except AssertionError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_training(precision):
    """Training gives the same result as with the standard operations, on data made by them."""
    tf.config.set_soft_device_placement(True)
    dataset = make_dataset(400)
    options = {"validation": None, "precision": precision}
    stages = [replace(STAGES[0], epochs=12)]
    fused = fit_tiny(dataset, stages, implementation="fused", **options)
    with tf.device("CPU:0"):
        standard = fit_tiny(dataset, stages, validation=None)
    losses = [record.loss for record in fused.history]
    assert losses[-1] < 0.5 * losses[0]
    assert losses[-1] == pytest.approx(standard.history[-1].loss, rel=0.1, abs=1e-3)


def save_module(path):
    """A module that contains the operation and its gradient, saved on the CPU."""
    arguments = example((3, 20, 5, 7))

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.uint8)])
        def bound(self, sequence):
            log_kd = tf.constant(arguments["log_kd"])
            with tf.GradientTape() as tape:
                tape.watch(log_kd)
                bound = occupancy(
                    sequence, log_kd, arguments["log_concentration"], implementation="fused"
                ).bound
            return bound, tape.gradient(bound, log_kd)

    with tf.device("CPU:0"):
        module = Module()
        expected = module.bound(arguments["sequence"])
        tf.saved_model.save(module, str(path))
    return arguments["sequence"], expected


def test_a_saved_model_made_on_the_cpu_runs_on_the_gpu(tmp_path):
    tf.config.set_soft_device_placement(True)
    sequence, expected = save_module(tmp_path)
    for actual, value in zip(
        tf.saved_model.load(str(tmp_path)).bound(sequence), expected, strict=True
    ):
        np.testing.assert_allclose(actual, value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("compute_dtype", LIMITS)
def test_the_self_test_passes(compute_dtype):
    tested = run_self_test(DEVICE, compute_dtype)
    assert tested.reason == ""
    assert max(each.error for each in tested.compared) < LIMITS[compute_dtype] / 4


@pytest.mark.parametrize("enabled", [True, False], ids=["TF32", "FP32"])
def test_standard_operations_keep_float32(enabled):
    """Whatever TensorFlow may do to its own products."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    arguments = example((20, 60, 12, 30))
    expected = occupancy_oracle(**arguments)
    upstream = random_upstream(expected)
    gradients = occupancy_oracle_gradient(
        **arguments, grad_bound=upstream[0], grad_weighted=upstream[1]
    )
    tf.config.experimental.enable_tensor_float_32_execution(enabled)
    try:
        outputs, found = value_and_gradient(arguments, upstream, implementation="standard")
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)
    for actual, value in zip(outputs, expected, strict=True):
        assert relative_error(actual, value) <= 1e-5
    for name, value in gradients.items():
        assert relative_error(found[name], value) <= 2e-5, name
