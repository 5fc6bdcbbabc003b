"""The standard operations against the oracle, and the oracle against sums written by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient
from cisreg.reference import occupancy_standard, site_occupancy_standard
from cisreg.spec import window_count

REDUCTIONS = ["expected", "probability", "log_unbound"]
# (sequences, length, width, motifs), and the paddings that are possible for them.
SHAPES = [
    (3, 1, 1, 1),
    (2, 9, 1, 3),
    (3, 1, 6, 2),
    (2, 5, 12, 2),
    (3, 5, 5, 1),
    (4, 23, 7, 5),
    (2, 31, 8, 33),
]
CASES = [
    (shape, padding)
    for shape in SHAPES
    for padding in ("same", "valid")
    if padding == "same" or shape[1] >= shape[2]
]


def example(shape, padding="same", seed=0, with_unknown=True):
    """Random inputs of the operation: sequence, log_kd, log_concentration, position_weight."""
    count, length, width, motifs = shape
    random = np.random.default_rng(seed)
    sequence = random.integers(0, 5 if with_unknown else 4, (count, length)).astype(np.uint8)
    log_kd = random.normal(0, 1, (width, 4, motifs)).astype(np.float32)
    log_concentration = random.normal(-1, 1, motifs).astype(np.float32)
    windows = window_count(length, width, padding)
    position_weight = random.normal(1, 1, (2, windows, motifs)).astype(np.float32)
    return sequence, log_kd, log_concentration, position_weight


def assert_close(actual, expected, of_norm=3e-6):
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected)
    assert actual.shape == expected.shape
    assert np.linalg.norm(actual - expected) <= of_norm * np.linalg.norm(expected)


def test_window_count():
    assert window_count(110, 30) == 110
    assert window_count(3, 30) == 3
    assert window_count(110, 30, "valid") == 81
    assert window_count(30, 30, "valid") == 1
    with pytest.raises(ValueError, match=r"width <= length, got width 30 and length 29"):
        window_count(29, 30, "valid")
    with pytest.raises(ValueError, match="padding: expected one of 'same', 'valid', got 'full'"):
        window_count(29, 30, "full")


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_oracle_against_text(width):
    text = "ACGNTTAC"
    base, complement = "ACGT", {"A": "T", "C": "G", "G": "C", "T": "A", "N": "N"}
    sequence = np.array([["ACGTN".index(letter) for letter in text]], np.uint8)
    _, log_kd, log_concentration, weight = example((1, 8, width, 1), seed=width)

    def occupancy_of(site):
        log_site_kd = sum(
            log_kd[column, base.index(letter), 0] if letter in base else 0.0
            for column, letter in enumerate(site)
        )
        return 1 / (1 + math.exp(log_site_kd - log_concentration[0]))

    expected, weighted = [0.0, 0.0], [0.0, 0.0]
    for position in range(len(text)):
        start = position - (width - 1) // 2
        forward = "".join(
            text[i] if 0 <= i < len(text) else "N" for i in range(start, start + width)
        )
        reverse = "".join(complement[letter] for letter in reversed(forward))
        for strand, site in enumerate((forward, reverse)):
            expected[strand] += occupancy_of(site)
            weighted[strand] += weight[strand, position, 0] * occupancy_of(site)
    actual = occupancy_oracle(sequence, log_kd, log_concentration, position_weight=weight)
    np.testing.assert_allclose(actual[0][0, :, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(actual[1][0, :, 0], weighted, rtol=1e-6)


def test_oracle_reductions_agree_with_products():
    sequence, log_kd, log_concentration, _ = example((2, 6, 3, 2))
    occupied = site_occupancy_standard(sequence, log_kd, log_concentration).numpy().astype(float)
    unbound = np.prod(1 - occupied, axis=2)
    inputs = (sequence, log_kd, log_concentration)
    log_unbound, _ = occupancy_oracle(*inputs, reduction="log_unbound")
    np.testing.assert_allclose(np.exp(log_unbound), unbound, rtol=1e-5)
    probability, _ = occupancy_oracle(*inputs, reduction="probability")
    np.testing.assert_allclose(probability, 1 - unbound[:, 0] * unbound[:, 1], rtol=1e-5)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("shape", "padding"), CASES)
def test_standard_against_oracle(shape, padding, reduction):
    sequence, log_kd, log_concentration, weight = example(shape, padding)
    random = np.random.default_rng(1)
    inputs = {"log_kd": log_kd, "log_concentration": log_concentration, "position_weight": weight}
    variables = {name: tf.constant(value) for name, value in inputs.items()}
    options = {"reduction": reduction, "padding": padding}
    oracle = occupancy_oracle(sequence, **inputs, **options)
    grad_bound, grad_weighted = (random.normal(size=output.shape) for output in oracle)
    with tf.GradientTape() as tape:
        tape.watch(variables)
        bound, weighted = occupancy_standard(sequence, **variables, **options)
        total = tf.reduce_sum(bound * grad_bound) + tf.reduce_sum(weighted * grad_weighted)
    gradient = tape.gradient(total, variables)
    assert_close(bound, oracle[0])
    assert_close(weighted, oracle[1])
    expected = occupancy_oracle_gradient(
        sequence, **inputs, **options, grad_bound=grad_bound, grad_weighted=grad_weighted
    )
    assert gradient.keys() == expected.keys()
    for name, value in expected.items():
        assert_close(gradient[name], value, of_norm=1e-5)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_oracle_gradient_against_differences(reduction):
    sequence, *arrays = example((2, 6, 4, 2))
    names = ("log_kd", "log_concentration", "position_weight")
    inputs = {name: array.astype(np.float64) for name, array in zip(names, arrays, strict=True)}
    random = np.random.default_rng(1)
    outputs = occupancy_oracle(sequence, **inputs, reduction=reduction)
    upstream = [random.normal(size=output.shape) for output in outputs]

    def total():
        outputs = occupancy_oracle(sequence, **inputs, reduction=reduction)
        return sum((up * output).sum() for up, output in zip(upstream, outputs, strict=True))

    gradient = occupancy_oracle_gradient(
        sequence, **inputs, reduction=reduction, grad_bound=upstream[0], grad_weighted=upstream[1]
    )
    for name, array in inputs.items():
        for index in np.ndindex(array.shape):
            middle = array[index]
            array[index] = middle + 1e-6
            above = total()
            array[index] = middle - 1e-6
            below = total()
            array[index] = middle
            assert gradient[name][index] == pytest.approx((above - below) / 2e-6, abs=1e-8)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("size", [-80.0, 80.0])
def test_extreme_log_kd_keeps_relative_accuracy(size, reduction):
    sequence = np.array([[0, 1, 2, 3, 4]], np.uint8)
    log_kd = np.zeros((1, 4, 1), np.float32)
    log_kd[0, :3, 0] = size
    log_concentration = np.zeros(1, np.float32)
    bound, _ = occupancy_standard(sequence[:, :3], log_kd, log_concentration, reduction=reduction)
    oracle, _ = occupancy_oracle(sequence[:, :3], log_kd, log_concentration, reduction=reduction)
    assert oracle.all()
    np.testing.assert_allclose(bound, oracle, rtol=2e-5)
    bound, _ = occupancy_standard(sequence, log_kd, log_concentration, reduction=reduction)
    oracle, _ = occupancy_oracle(sequence, log_kd, log_concentration, reduction=reduction)
    np.testing.assert_allclose(bound, oracle, rtol=2e-5)


def test_unknown_bases_and_padding_add_nothing():
    _, log_kd, log_concentration, _ = example((1, 7, 4, 3))
    bound, _ = occupancy_standard(np.full((1, 7), 4, np.uint8), log_kd, log_concentration)
    expected = 7 / (1 + np.exp(-log_concentration.astype(float)))
    np.testing.assert_allclose(bound[0], [expected, expected], rtol=1e-6)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_no_sequences(reduction):
    sequence, log_kd, log_concentration, weight = example((0, 9, 4, 3))
    variables = [tf.constant(log_kd), tf.constant(log_concentration)]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        bound, weighted = occupancy_standard(
            sequence, *variables, position_weight=weight, reduction=reduction
        )
        total = tf.reduce_sum(bound)
    assert bound.shape == ((0, 3) if reduction == "probability" else (0, 2, 3))
    assert weighted.shape == (0, 2, 3)
    for gradient in tape.gradient(total, variables):
        np.testing.assert_array_equal(gradient, 0.0)
    oracle, _ = occupancy_oracle(sequence, log_kd, log_concentration, reduction=reduction)
    assert oracle.shape == bound.shape


def test_soft_sequences():
    sequence, log_kd, log_concentration, _ = example((3, 9, 4, 2))
    soft = np.eye(5, 4, dtype=np.float32)[sequence]
    hard, _ = occupancy_standard(sequence, log_kd, log_concentration)
    np.testing.assert_array_equal(occupancy_standard(soft, log_kd, log_concentration)[0], hard)

    def total(soft):
        return tf.reduce_sum(occupancy_standard(soft, log_kd, log_concentration)[0])

    theoretical, numerical = tf.test.compute_gradient(total, [soft])
    np.testing.assert_allclose(theoretical[0], numerical[0], atol=2e-2)


def test_second_derivative():
    sequence, log_kd, log_concentration, _ = example((3, 9, 4, 2))
    variable = tf.constant(log_concentration)
    with tf.GradientTape() as outer:
        outer.watch(variable)
        with tf.GradientTape() as inner:
            inner.watch(variable)
            total = tf.reduce_sum(occupancy_standard(sequence, log_kd, variable)[0])
        gradient = inner.gradient(total, variable)
    second = outer.gradient(gradient, variable)
    p = site_occupancy_standard(sequence, log_kd, log_concentration).numpy().astype(float)
    np.testing.assert_allclose(second, (p * (1 - p) * (1 - 2 * p)).sum(axis=(0, 1, 2)), rtol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6), st.integers(0, 5))
def test_reverse_complement_swaps_strands(seed, width, longer):
    shape = (2, width + longer, width, 3)
    sequence, log_kd, log_concentration, _ = example(shape, seed=seed)
    swapped = np.array([3, 2, 1, 0, 4], np.uint8)[sequence][:, ::-1]
    bound, _ = occupancy_standard(sequence, log_kd, log_concentration, padding="valid")
    mirrored, _ = occupancy_standard(swapped, log_kd, log_concentration, padding="valid")
    np.testing.assert_allclose(mirrored, bound.numpy()[:, ::-1], rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(-5, 5))
def test_concentration_shifts_like_a_column_of_log_kd(seed, shift):
    sequence, log_kd, log_concentration, _ = example((2, 9, 3, 4), seed=seed, with_unknown=False)
    shifted = log_kd.copy()
    shifted[1] -= np.float32(shift)
    options = {"padding": "valid", "reduction": "log_unbound"}
    by_kd, _ = occupancy_standard(sequence, shifted, log_concentration, **options)
    by_concentration, _ = occupancy_standard(
        sequence, log_kd, log_concentration + np.float32(shift), **options
    )
    np.testing.assert_allclose(by_kd, by_concentration, rtol=2e-5)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(5)))
def test_motifs_are_independent(order):
    sequence, log_kd, log_concentration, weight = example((2, 9, 3, 5))
    bound, weighted = occupancy_standard(
        sequence, log_kd, log_concentration, position_weight=weight
    )
    permuted = occupancy_standard(
        sequence,
        log_kd[..., order],
        log_concentration[order],
        position_weight=weight[..., order],
    )
    np.testing.assert_allclose(permuted[0], bound.numpy()[..., order], rtol=1e-6)
    np.testing.assert_allclose(permuted[1], weighted.numpy()[..., order], rtol=1e-5, atol=1e-6)


def test_unknown_batch_and_length_in_a_graph():
    sequence, log_kd, log_concentration, _ = example((2, 9, 4, 3))

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.uint8)])
    def scan(sequence):
        bound, _ = occupancy_standard(sequence, log_kd, log_concentration)
        assert bound.shape.as_list() == [None, 2, 3]
        return bound

    expected, _ = occupancy_standard(sequence, log_kd, log_concentration)
    np.testing.assert_allclose(scan(sequence), expected, rtol=1e-6)
    np.testing.assert_allclose(scan(sequence[:1]), expected[:1], rtol=1e-6)


def test_refusals():
    sequence, log_kd, log_concentration, weight = example((2, 9, 4, 3))
    inputs = (sequence, log_kd, log_concentration)
    for occupancy in (occupancy_standard, occupancy_oracle):
        with pytest.raises(ValueError, match=r"reduction: expected one of .*got 'sum'"):
            occupancy(*inputs, reduction="sum")
        with pytest.raises(ValueError, match=r"padding: expected one of .*got 'SAME'"):
            occupancy(*inputs, padding="SAME")
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected base codes 0 to 4"):
        occupancy_standard(sequence + np.uint8(4), log_kd, log_concentration)
    with pytest.raises(ValueError, match="position_weight, grad_weighted: expected both"):
        occupancy_oracle_gradient(*inputs, position_weight=weight, grad_bound=np.zeros((2, 2, 3)))
