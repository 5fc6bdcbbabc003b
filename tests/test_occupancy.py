"""The fused operation against the float64 oracle, and how it behaves inside TensorFlow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from forked import Forked
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.shared.cuda_cases import random_range, random_upstream
from cisreg.occupancy import occupancy
from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient
from cisreg.reference import bound_probability
from cisreg.sequences import decode, encode
from cisreg.spec import window_count

REDUCTIONS = ["expected", "probability", "log_unbound"]
# (sequences, length, width, motifs): lengths and widths of 1, motifs wider than the sequences,
# motif counts next to every multiple of a vector, sequences cut into several segments.
SHAPES = [
    (0, 10, 3, 2),
    (1, 1, 1, 1),
    (3, 1, 6, 2),
    (2, 5, 12, 2),
    (5, 13, 30, 9),
    (3, 20, 5, 7),
    (3, 20, 4, 8),
    (3, 20, 3, 31),
    (2, 23, 7, 33),
    (130, 11, 2, 17),
    (2, 1100, 31, 3),
    (1, 700, 600, 2),
]
CASES = [
    (shape, padding)
    for shape in SHAPES
    for padding in ("same", "valid")
    if padding == "same" or shape[1] >= shape[2]
]


def example(shape, padding="same", seed=0):
    """Random arguments of the operation by name; a fifth of the bases are unknown."""
    count, length, width, motifs = shape
    random = np.random.default_rng(seed)
    windows = window_count(length, width, padding)
    # Log Kd of a whole site is within a few tens of nats for every width.
    scale = 1.5 / np.sqrt(width / 5 + 1)
    return {
        "sequence": random.integers(0, 5, (count, length)).astype(np.uint8),
        "log_kd": random.normal(0, scale, (width, 4, motifs)).astype(np.float32),
        "log_concentration": random.normal(-2, 2, motifs).astype(np.float32),
        "position_weight": random.normal(1, 1, (2, windows, motifs)).astype(np.float32),
    }


def relative_error(actual, expected):
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected)
    assert actual.shape == expected.shape
    norm = np.linalg.norm(expected)
    return np.linalg.norm(actual - expected) / norm if norm > 0 else np.abs(actual).sum()


def value_and_gradient(arguments, upstream, *, implementation="fused", **options):
    """Outputs, and gradients of their sums weighted by `upstream`."""
    sequence = arguments["sequence"]
    trained = {k: tf.constant(v) for k, v in arguments.items() if k != "sequence"}
    with tf.GradientTape() as tape:
        tape.watch(trained)
        outputs = occupancy(sequence, **trained, implementation=implementation, **options)
        total = tf.add_n(
            [
                tf.reduce_sum(output * weight)
                for output, weight in zip(outputs, upstream, strict=True)
                if output is not None
            ]
        )
    return outputs, tape.gradient(total, trained)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("shape", "padding"), CASES)
def test_against_oracle(shape, padding, reduction, weighted):
    arguments = example(shape, padding)
    if not weighted:
        del arguments["position_weight"]
    options = {"reduction": reduction, "padding": padding}
    expected = occupancy_oracle(**arguments, **options)
    upstream = random_upstream(expected)
    outputs, gradient = value_and_gradient(arguments, upstream, **options)
    assert relative_error(outputs.bound, expected[0]) <= 2e-6
    assert (outputs.weighted is None) == (not weighted)
    if weighted:
        assert relative_error(outputs.weighted, expected[1]) <= 2e-6
    expected_gradient = occupancy_oracle_gradient(
        **arguments, **options, grad_bound=upstream[0], grad_weighted=upstream[1]
    )
    assert gradient.keys() == expected_gradient.keys()
    for name, value in expected_gradient.items():
        assert relative_error(gradient[name], value) <= 1e-5, name


def test_both_implementations_end_with_the_same_formula():
    arguments = example((8, 40, 5, 9))
    del arguments["position_weight"]
    unbound = occupancy(**arguments, reduction="log_unbound").bound
    probability = occupancy(**arguments, reduction="probability").bound
    expected = bound_probability(tf.reduce_sum(unbound, axis=1))
    np.testing.assert_array_equal(probability, expected)


@pytest.mark.parametrize("implementation", ["fused", "standard"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_columns_outside_the_range_are_held(shape, reduction, implementation):
    arguments = example(shape)
    held = random_range(shape[2], shape[3])
    column = np.arange(shape[2])[:, None]
    inside = ((column >= held[0]) & (column < held[1]))[:, None]
    masked = dict(arguments, log_kd=np.where(inside, arguments["log_kd"], np.float32(0)))
    expected = occupancy_oracle(**masked, reduction=reduction)
    upstream = random_upstream(expected)
    options = {"reduction": reduction, "implementation": implementation}
    outputs, gradient = value_and_gradient(arguments, upstream, column_range=held, **options)
    for output, value in zip(outputs, expected, strict=True):
        assert relative_error(output, value) <= 2e-6
    expected_gradient = occupancy_oracle_gradient(
        **masked, reduction=reduction, grad_bound=upstream[0], grad_weighted=upstream[1]
    )
    expected_gradient["log_kd"] = np.where(inside, expected_gradient["log_kd"], 0)
    for name, value in expected_gradient.items():
        assert relative_error(gradient[name], value) <= 1e-5, name
    assert not np.where(inside, 0, gradient["log_kd"]).any()


@given(st.integers(0, 1000), st.integers(1, 30), st.integers(1, 20))
def test_zero_columns_change_no_bit(seed, width, motifs):
    arguments = example((2, 15, width, motifs), seed=seed)
    held = random_range(width, motifs, seed)
    column = np.arange(width)[:, None]
    inside = (column >= held[0]) & (column < held[1])
    arguments["log_kd"] *= inside[:, None]
    one = occupancy(**arguments, implementation="fused")
    other = occupancy(**arguments, column_range=held, implementation="fused")
    np.testing.assert_array_equal(one.bound, other.bound)


@pytest.mark.parametrize("level", [-80.0, 80.0])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_extreme_log_kd(level, reduction):
    arguments = example((2, 9, 1, 3))
    del arguments["position_weight"]
    arguments["log_kd"] = np.full((1, 4, 3), level, np.float32)
    arguments["log_concentration"] = np.array([-5.0, 0.0, 5.0], np.float32)
    expected, _ = occupancy_oracle(**arguments, reduction=reduction)
    upstream = [np.ones(expected.shape, np.float32), None]
    outputs, gradient = value_and_gradient(arguments, upstream, reduction=reduction)
    # The error is relative for each motif, since the sums of weak motifs are small.
    np.testing.assert_allclose(outputs.bound, expected, rtol=2e-5)
    expected_gradient = occupancy_oracle_gradient(
        **arguments, reduction=reduction, grad_bound=upstream[0]
    )
    for name, value in expected_gradient.items():
        np.testing.assert_allclose(gradient[name], value, rtol=2e-5, atol=1e-30)


@pytest.mark.parametrize("reduction", ["expected", "log_unbound"])
def test_energies_beyond_the_range_of_exponentials(reduction):
    arguments = example((3, 40, 30, 9))
    del arguments["position_weight"]
    arguments["log_kd"] = arguments["log_kd"] * np.float32(80)
    expected, _ = occupancy_oracle(**arguments, reduction=reduction)
    outputs, gradient = value_and_gradient(
        arguments, [np.ones(expected.shape, np.float32), None], reduction=reduction
    )
    np.testing.assert_allclose(outputs.bound, expected, rtol=2e-5, atol=1e-30)
    assert all(np.isfinite(value).all() for value in gradient.values())


def test_sequences_without_a_known_base():
    arguments = example((2, 12, 5, 3))
    arguments["sequence"][:] = 4
    outputs = occupancy(**arguments, implementation="fused")
    occupied = 1 / (1 + np.exp(-arguments["log_concentration"].astype(np.float64)))
    np.testing.assert_allclose(outputs.bound, np.broadcast_to(12 * occupied, (2, 2, 3)), rtol=1e-6)


def test_sequences_without_a_base():
    arguments = example((2, 3, 1, 3))
    arguments["sequence"] = arguments["sequence"][:, :0]
    del arguments["position_weight"]
    assert occupancy(**arguments, implementation="fused").bound.numpy().sum() == 0.0


@pytest.mark.parametrize("reduction", ["expected", "log_unbound"])
def test_numeric_gradient(reduction):
    arguments = example((2, 7, 3, 2))
    names = ["log_kd", "log_concentration", "position_weight"]

    def outputs_of(*values):
        bound, weighted = occupancy(
            arguments["sequence"],
            **dict(zip(names, values, strict=True)),
            reduction=reduction,
            implementation="fused",
        )
        return tf.concat([bound, weighted], axis=1)

    values = [arguments[name] for name in names]
    theoretical, numeric = tf.test.compute_gradient(outputs_of, values, delta=1e-2)
    for one, other in zip(theoretical, numeric, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)


lengths = st.integers(1, 40)


@st.composite
def arguments_strategy(draw):
    shape = (
        draw(st.integers(1, 4)),
        draw(lengths),
        draw(st.integers(2, 12)),
        draw(st.integers(1, 20)),
    )
    return example(shape, seed=draw(st.integers(0, 1000)))


@given(arguments_strategy())
def test_reverse_complement_swaps_strands(arguments):
    # Even widths place "same" windows off centre: the mirror symmetry holds for odd widths only.
    width = len(arguments["log_kd"])
    arguments["log_kd"] = arguments["log_kd"][: width - 1 + width % 2]
    sequence = arguments["sequence"]
    mirrored = np.where(sequence == 4, 4, 3 - sequence)[:, ::-1].astype(np.uint8)
    forward = occupancy(**arguments, implementation="fused")
    arguments["sequence"] = mirrored
    arguments["position_weight"] = arguments["position_weight"][::-1, ::-1]
    backward = occupancy(**arguments, implementation="fused")
    np.testing.assert_allclose(forward.bound, backward.bound[:, ::-1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(forward.weighted, backward.weighted[:, ::-1], rtol=1e-5, atol=1e-5)


@given(arguments_strategy(), st.floats(-5, 5, width=32))
def test_concentration_shifts_like_log_kd(arguments, shift):
    # If all bases are known, adding a number to a whole column is a shift of the concentration.
    arguments["sequence"] %= 4
    arguments["log_kd"] = arguments["log_kd"][:1]
    moved = dict(arguments, log_kd=arguments["log_kd"] + np.float32(shift))
    arguments["log_concentration"] = arguments["log_concentration"] - np.float32(shift)
    one, other = occupancy(**arguments), occupancy(**moved)
    np.testing.assert_allclose(one.bound, other.bound, rtol=1e-5)


@given(arguments_strategy(), st.randoms(use_true_random=False))
def test_motifs_do_not_know_each_other(arguments, random):
    order = list(range(arguments["log_kd"].shape[2]))
    random.shuffle(order)
    shuffled = dict(arguments)
    for name in ("log_kd", "log_concentration", "position_weight"):
        shuffled[name] = arguments[name][..., order]
    one = occupancy(**arguments, implementation="fused")
    other = occupancy(**shuffled, implementation="fused")
    np.testing.assert_array_equal(one.bound.numpy()[..., order], other.bound)
    np.testing.assert_array_equal(one.weighted.numpy()[..., order], other.weighted)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_repeats_to_the_bit(reduction):
    arguments = example((130, 60, 9, 40))
    expected = occupancy_oracle(**arguments, reduction=reduction)
    upstream = random_upstream(expected)
    first = value_and_gradient(arguments, upstream, reduction=reduction)
    second = value_and_gradient(arguments, upstream, reduction=reduction)
    tf.nest.map_structure(lambda a, b: np.testing.assert_array_equal(a, b), first, second)


PRINT_DIGEST = """
import hashlib, sys
import numpy as np, tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
from test_occupancy import example, value_and_gradient
arguments = example((300, 60, 9, 40))
upstream = [np.ones((300, 2, 40), np.float32)] * 2
outputs, gradient = value_and_gradient(arguments, upstream)
digest = hashlib.sha256()
for value in (*outputs, *(gradient[name] for name in sorted(gradient))):
    digest.update(value.numpy().tobytes())
print(digest.hexdigest())
"""


def test_same_bits_for_every_thread_count(tmp_path):
    program = tmp_path / "print_digest.py"
    program.write_text(PRINT_DIGEST)
    digests = [Forked(program, threads).communicate()[0] for threads in (1, 2, 7)]
    assert len(digests[0]) > 60
    assert digests == digests[:1] * 3


def test_graph_with_unknown_sizes():
    traces = []

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.uint8),
            tf.TensorSpec([None, 4, None], tf.float32),
            tf.TensorSpec([None], tf.float32),
        ]
    )
    def bound_of(sequence, log_kd, log_concentration):
        traces.append(1)
        return occupancy(sequence, log_kd, log_concentration, implementation="fused").bound

    for shape in [(3, 20, 5, 7), (2, 31, 8, 3)]:
        arguments = example(shape)
        weightless = {k: v for k, v in arguments.items() if k != "position_weight"}
        expected = occupancy(**weightless).bound
        np.testing.assert_array_equal(bound_of(*weightless.values()), expected)
    assert len(traces) == 1


def test_static_shapes():
    def shapes_of(sequence, log_kd, weight, padding):
        graph = tf.Graph()
        with graph.as_default():
            outputs = occupancy(
                tf.compat.v1.placeholder(tf.uint8, sequence),
                tf.compat.v1.placeholder(tf.float32, log_kd),
                tf.compat.v1.placeholder(tf.float32, [None]),
                position_weight=tf.compat.v1.placeholder(tf.float32, weight),
                padding=padding,
                implementation="fused",
            )
        return [output.shape.as_list() for output in outputs]

    assert shapes_of([8, 20], [5, 4, 3], [2, None, None], "same") == [[8, 2, 3]] * 2
    assert shapes_of([None, 20], [5, 4, None], [2, 16, 3], "valid") == [[None, 2, 3]] * 2
    with pytest.raises(ValueError, match=r"position_weight: .* = \[2, 16, 3\]"):
        shapes_of([8, 20], [5, 4, 3], [2, 20, 3], "valid")
    with pytest.raises(ValueError, match="'valid' expects sequences at least as long"):
        shapes_of([8, 3], [5, 4, 3], [2, None, 3], "valid")


def test_saved_model(tmp_path):
    arguments = example((3, 20, 5, 7))

    class Module(tf.Module):
        def __init__(self):
            self.log_kd = tf.Variable(arguments["log_kd"])

        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.uint8)])
        def bound(self, sequence):
            with tf.GradientTape() as tape:
                bound = occupancy(
                    sequence,
                    self.log_kd,
                    arguments["log_concentration"],
                    implementation="fused",
                ).bound
            return bound, tape.gradient(bound, self.log_kd)

    module = Module()
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    expected = module.bound(arguments["sequence"])
    for one, other in zip(loaded.bound(arguments["sequence"]), expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_vectorized_map():
    arguments = example((6, 20, 5, 7))
    del arguments["position_weight"]
    sequence = arguments.pop("sequence")
    expected = occupancy(sequence, **arguments, implementation="fused").bound
    mapped = tf.vectorized_map(
        lambda rows: occupancy(rows, **arguments, implementation="fused").bound,
        tf.reshape(sequence, [3, 2, 20]),
    )
    np.testing.assert_array_equal(tf.reshape(mapped, [6, 2, 7]), expected)


def test_second_derivative_is_refused_with_the_way_out():
    arguments = example((2, 7, 3, 2))
    log_kd = tf.constant(arguments["log_kd"])
    with (
        pytest.raises(LookupError, match='use implementation="standard"'),
        tf.GradientTape() as outer,
    ):
        outer.watch(log_kd)
        with tf.GradientTape() as inner:
            inner.watch(log_kd)
            bound = occupancy(
                arguments["sequence"],
                log_kd,
                arguments["log_concentration"],
                implementation="fused",
            ).bound
        outer.gradient(inner.gradient(bound, log_kd), log_kd)


@pytest.mark.parametrize("implementation", ["fused", "standard"])
def test_numbers_of_every_kind(implementation):
    arguments = example((2, 7, 3, 2))
    expected = occupancy(**arguments, implementation=implementation).bound
    for change in (
        {name: value.tolist() for name, value in arguments.items()},
        {name: value.astype(np.float64) for name, value in arguments.items()},
        {"sequence": pd.DataFrame(arguments["sequence"], index=[1, 0])},
        {"sequence": encode(decode(arguments["sequence"]))},
        {"log_concentration": pd.Series(arguments["log_concentration"], index=[1, 0])},
        {"log_concentration": pa.array(arguments["log_concentration"])},
        {"log_concentration": [tf.constant(each) for each in arguments["log_concentration"]]},
    ):
        actual = occupancy(**{**arguments, **change}, implementation=implementation).bound
        np.testing.assert_array_equal(actual, expected)
    for change, message in (
        ({"sequence": ["ACGT"]}, "sequence: expected base codes .* got <U4 such as 'ACGT'"),
        ({"sequence": arguments["sequence"] + 0.5}, "sequence: .* which it cannot hold"),
        ({"log_kd": np.full((3, 4, 2), 1e300)}, "log_kd: .* got 1e"),
    ):
        with pytest.raises(ValueError, match=message):
            occupancy(**{**arguments, **change}, implementation=implementation)


def test_gradients_flow_through_lists_of_tensors():
    arguments = example((2, 7, 3, 2))
    first, second = (tf.Variable(each) for each in arguments.pop("log_concentration"))
    with tf.GradientTape() as tape:
        bound = occupancy(**arguments, log_concentration=[first, second]).bound
    assert all(gradient is not None for gradient in tape.gradient(bound, [first, second]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reduction": "mean"}, "reduction: expected one of .* got 'mean'"),
        ({"padding": "full"}, "padding: expected one of"),
        ({"implementation": "fast"}, "implementation: expected one of"),
    ],
)
def test_bad_option(change, message):
    arguments = {**example((2, 7, 3, 2)), "implementation": "fused", **change}
    with pytest.raises(ValueError, match=message):
        occupancy(**arguments)
