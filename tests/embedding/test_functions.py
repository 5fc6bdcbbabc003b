"""The operation in functions of TensorFlow: graphs, loops, maps, Jacobians, forward mode."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import tensorflow as tf
from test_occupancy import example, random_range, relative_error

from cisreg.occupancy import occupancy

SHAPE = (6, 20, 5, 7)
SEQUENCE = example(SHAPE)["sequence"]
LOG_KD, LOG_CONCENTRATION, WEIGHT = [
    tf.constant(value) for name, value in example(SHAPE).items() if name != "sequence"
]
RANGE = random_range(5, 7)
SPAN = np.array([[0, 20], [3, 9], [5, 5], [19, 20], [2, 11], [0, 1]], np.int32)
LENGTH = np.array([20, 4, 0, 1, 13, 7], np.int32)
# Three batches of two rows, which are mapped one batch after the other.
ROWS = tf.reshape(SEQUENCE, [3, 2, 20])


def fused(sequence, log_kd=LOG_KD, log_concentration=LOG_CONCENTRATION, **options):
    return occupancy(sequence, log_kd, log_concentration, implementation="fused", **options)


def assert_same_bits(one, other):
    tf.nest.map_structure(np.testing.assert_array_equal, one, other)


def assert_equal(one, other):
    """But for the last bits, which differ where motifs of other ranges are computed together."""
    for found, expected in zip(one, other, strict=True):
        assert found is expected is None or relative_error(found, expected) <= 1e-6


def in_batches(sums):
    return tf.nest.map_structure(lambda each: tf.reshape(each, [3, 2, *each.shape[1:]]), sums)


def one_by_one(function, *stacked):
    """What a map must give: a call for each, stacked."""
    results = [function(*rows) for rows in zip(*stacked, strict=True)]
    return tf.nest.map_structure(
        lambda *each: None if each[0] is None else tf.stack(each), *results
    )


def mapped(function, stacked):
    """Raises an error where TensorFlow would put a loop around an operation that it cannot map."""
    return tf.vectorized_map(function, stacked, fallback_to_while_loop=False)


def test_names():
    @tf.function
    def run():
        occupancy(SEQUENCE, LOG_KD, LOG_CONCENTRATION, implementation="standard")
        return fused(SEQUENCE, name="binding").bound

    graph = run.get_concrete_function().graph
    names = {each.name.partition("/")[0] for each in graph.get_operations() if "/" in each.name}
    assert names == {"binding", "occupancy"}


@pytest.mark.parametrize("implementation", ["fused", "standard"])
def test_graphs_of_unknown_sizes_keep_what_is_known(implementation):
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None, 4, None], tf.float32),
            tf.TensorSpec([None], tf.float32),
            tf.TensorSpec([None], tf.int32),
        ]
    )
    def run(sequence, log_kd, log_concentration, span):
        return occupancy(
            *(sequence, log_kd, log_concentration), span=span, implementation=implementation
        ).bound

    assert run.get_concrete_function().output_shapes.as_list() == [None, 2, None]
    for shape in (SHAPE, (0, 3, 2, 1), (2, 0, 9, 3), (1, 1, 1, 1)):
        inputs = list(example(shape).values())[:3]
        span = (0, shape[1] // 2)
        expected = occupancy(*inputs, span=span).bound
        assert relative_error(run(*inputs, tf.constant(span)), expected) <= 2e-6


@pytest.mark.parametrize("implementation", ["fused", "standard"])
def test_loops(implementation):
    def bound_of(rows, log_kd=LOG_KD):
        return occupancy(rows, log_kd, LOG_CONCENTRATION, implementation=implementation).bound

    expected = in_batches(bound_of(SEQUENCE))
    found = tf.map_fn(bound_of, ROWS, fn_output_signature=tf.float32)
    assert_same_bits(found, expected)

    @tf.function
    def descended(log_kd):
        for _ in tf.range(3):
            with tf.GradientTape() as tape:
                tape.watch(log_kd)
                total = tf.reduce_sum(bound_of(SEQUENCE, log_kd))
            log_kd -= 0.01 * tape.gradient(total, log_kd)
        return log_kd

    eager = LOG_KD
    for _ in range(3):
        with tf.GradientTape() as tape:
            tape.watch(eager)
            total = tf.reduce_sum(bound_of(SEQUENCE, eager))
        eager -= 0.01 * tape.gradient(total, eager)
    np.testing.assert_allclose(descended(LOG_KD), eager, rtol=1e-5, atol=1e-6)

    @tf.function
    def through_a_loop(log_kd):
        with tf.GradientTape() as tape:
            tape.watch(log_kd)
            total = tf.constant(0.0)
            for index in tf.range(3):
                total += tf.reduce_sum(bound_of(ROWS[index], log_kd))
        return tape.gradient(total, log_kd)

    with tf.GradientTape() as tape:
        tape.watch(LOG_KD)
        total = tf.reduce_sum(bound_of(SEQUENCE))
    assert relative_error(through_a_loop(LOG_KD), tape.gradient(total, LOG_KD)) <= 1e-5


def test_recomputed_gradients():
    def total(log_kd):
        return tf.reduce_sum(fused(SEQUENCE, log_kd).bound ** 2)

    def gradient(function):
        with tf.GradientTape() as tape:
            tape.watch(LOG_KD)
            value = function(LOG_KD)
        return tape.gradient(value, LOG_KD)

    expected = gradient(total)
    assert_same_bits(gradient(tf.recompute_grad(total)), expected)
    assert_same_bits(tf.function(gradient)(tf.recompute_grad(total)), expected)


def several(value, count=3, seed=8):
    noise = np.random.default_rng(seed).normal(0, 0.2, (count, *value.shape)).astype(np.float32)
    return value + noise


CONDITIONS = several(LOG_CONCENTRATION, 4).numpy()
MAPPED_ROWS = {
    "sequences": {},
    "a span of all": {"span": np.array([3, 15], np.int32)},
    "a span of each batch": {"span": tf.constant([[0, 20], [4, 9], [7, 7]])},
    "spans of rows": {"span": SPAN[:2]},
    "spans of rows of each batch": {"span": tf.reshape(SPAN, [3, 2, 2])},
    "lengths": {"length": tf.reshape(LENGTH, [3, 2])},
    "lengths and spans": {"length": LENGTH[:2], "span": tf.reshape(SPAN, [3, 2, 2])},
    "weights and ranges": {"position_weight": WEIGHT, "column_range": RANGE},
    "conditions": {
        "log_concentration": CONDITIONS,
        "condition": tf.constant([[0, 3], [1, 1], [2, 0]]),
    },
    "all conditions": {"log_concentration": CONDITIONS},
}


@pytest.mark.parametrize("reduction", ["expected", "probability"])
@pytest.mark.parametrize("name", MAPPED_ROWS)
def test_mapped_sequences_are_more_rows(name, reduction):
    options = MAPPED_ROWS[name]
    each = {name: value for name, value in options.items() if isinstance(value, tf.Tensor)}
    each.pop("position_weight", None)
    fixed = {name: value for name, value in options.items() if name not in each}

    def sums(rows, others):
        return fused(rows, **fixed, **others, reduction=reduction)

    found = mapped(lambda both: sums(*both), (ROWS, each))
    others = [{name: value[i] for name, value in each.items()} for i in range(3)]
    assert_equal(found, one_by_one(sums, ROWS, others))


def test_spans_alone_are_mapped():
    spans = tf.constant([[0, 20], [4, 9]])
    found = mapped(lambda span: fused(SEQUENCE, span=span).bound, spans)
    assert_same_bits(found, one_by_one(lambda span: fused(SEQUENCE, span=span).bound, spans))


MAPPED_MOTIFS = {
    "motifs": {"log_kd": several(LOG_KD)},
    "concentrations": {"log_concentration": several(LOG_CONCENTRATION)},
    "motifs and weights": {"log_kd": several(LOG_KD), "position_weight": several(WEIGHT)},
    "conditions and sets": {
        "log_concentration": several(CONDITIONS),
        "position_weight": several(several(WEIGHT, 2)),
    },
    "ranges": {"column_range": tf.stack([random_range(5, 7, seed) for seed in range(3)])},
}


def motif_sums(inputs, sequence=SEQUENCE, span=None):
    weight = inputs.get("position_weight", WEIGHT)
    others = {name: value for name, value in inputs.items() if name != "position_weight"}
    return fused(sequence, position_weight=weight, span=SPAN if span is None else span, **others)


@pytest.mark.parametrize("name", MAPPED_MOTIFS)
def test_mapped_parameters_are_more_motifs(name):
    stacked = MAPPED_MOTIFS[name]
    found = mapped(motif_sums, stacked)
    each = [{name: value[i] for name, value in stacked.items()} for i in range(3)]
    assert_equal(found, one_by_one(motif_sums, each))


def test_nothing_to_map_is_no_error():
    log_kd = tf.zeros([0, *LOG_KD.shape])
    found = mapped(lambda each: motif_sums({"log_kd": each}), log_kd)
    assert found.bound.shape == (0, len(SEQUENCE), 2, LOG_KD.shape[2])

    def gradient(each):
        with tf.GradientTape() as tape:
            tape.watch(each)
            total = tf.reduce_sum(fused(SEQUENCE, each).bound)
        return tape.gradient(total, each)

    assert mapped(gradient, log_kd).shape == log_kd.shape


def test_both_mapped():
    def sums(both):
        rows, log_kd = both
        return motif_sums({"log_kd": log_kd}, rows, SPAN[:2])

    stacked = (ROWS, several(LOG_KD))
    expected = one_by_one(lambda *both: sums(both), *stacked)
    assert_same_bits(mapped(sums, stacked), expected)
    assert_same_bits(tf.function(lambda: mapped(sums, stacked))(), expected)


def gradients_of(rows, inputs, length):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        sums = fused(rows, **inputs, length=length)
        total = tf.reduce_sum(sums.bound**2) + tf.reduce_sum(tf.sin(sums.weighted))
    return tape.gradient(total, inputs)


PARAMETERS = {
    "log_kd": LOG_KD,
    "log_concentration": LOG_CONCENTRATION,
    "position_weight": WEIGHT,
}


def test_gradients_of_each_example():
    single, lengths = tf.constant(SEQUENCE[:, None]), tf.constant(LENGTH[:, None])

    def each(rows, length):
        return gradients_of(rows, PARAMETERS, length)

    found = mapped(lambda both: each(*both), (single, lengths))
    assert_same_bits(found, one_by_one(each, single, lengths))
    total = gradients_of(SEQUENCE, PARAMETERS, LENGTH)
    for name, value in found.items():
        assert relative_error(tf.reduce_sum(value, axis=0), total[name]) <= 1e-5


def test_gradients_of_several_models():
    models = {name: several(value) for name, value in PARAMETERS.items()}

    def each(model):
        return gradients_of(SEQUENCE, model, LENGTH)

    expected = one_by_one(
        each, [{name: value[i] for name, value in models.items()} for i in range(3)]
    )
    assert_same_bits(mapped(each, models), expected)


@pytest.mark.parametrize("use_pfor", [True, False])
def test_jacobians(use_pfor):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(PARAMETERS)
        bound = fused(SEQUENCE[:2], **PARAMETERS, length=LENGTH[:2]).weighted
        of_rows = tf.reduce_sum(bound, axis=[1, 2])
    found = tape.jacobian(of_rows, PARAMETERS, experimental_use_pfor=use_pfor)
    for row in range(2):
        with tf.GradientTape() as alone:
            alone.watch(PARAMETERS)
            sums = fused(SEQUENCE[row : row + 1], **PARAMETERS, length=LENGTH[row : row + 1])
            total = tf.reduce_sum(sums.weighted)
        for name, value in alone.gradient(total, PARAMETERS).items():
            assert relative_error(found[name][row], value) <= 1e-6


def test_forward_mode():
    """The fused operation refuses it; standard operations have it."""
    tangent = tf.ones_like(LOG_KD)

    def directional(implementation):
        with tf.autodiff.ForwardAccumulator(LOG_KD, tangent) as accumulator:
            bound = occupancy(
                *(SEQUENCE, LOG_KD, LOG_CONCENTRATION), implementation=implementation
            ).bound
        return accumulator.jvp(bound)

    with pytest.raises(LookupError, match='use implementation="standard" for second derivatives'):
        directional("fused")
    step = 1e-2
    above, below = (
        occupancy(SEQUENCE, LOG_KD + sign * step, LOG_CONCENTRATION).bound for sign in (1, -1)
    )
    assert relative_error(directional("standard"), (above - below) / (2 * step)) <= 1e-3


def test_distributed_tensors_are_refused_in_a_sentence():
    from tensorflow.experimental import dtensor

    mesh = dtensor.create_mesh([("rows", 1)], devices=["CPU:0"])
    layout = dtensor.Layout.replicated(mesh, 2)
    rows = dtensor.copy_to_mesh(tf.constant(SEQUENCE), layout)
    with pytest.raises(
        ValueError, match="sequence: expected a tensor on one device, got one of DT"
    ):
        fused(rows)
    [part] = dtensor.unpack(rows)
    assert_same_bits(fused(part), fused(SEQUENCE))


def test_autograph_leaves_the_package_as_it_is(caplog):
    """It would take long, and warn of statements that it does not know."""

    @tf.function
    def run(rows):
        return occupancy(rows, LOG_KD.numpy(), LOG_CONCENTRATION.numpy()).bound

    with caplog.at_level(logging.WARNING):
        assert_same_bits(run(tf.constant(SEQUENCE)), fused(SEQUENCE).bound)
    assert "AutoGraph" not in caplog.text
