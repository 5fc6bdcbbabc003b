"""Noise models against the textbook formulas, sums over all outcomes, and what they draw."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from cisreg.losses import (
    Gaussian,
    Heteroscedastic,
    Huber,
    NegativeBinomial,
    Poisson,
    SortBins,
    StudentT,
    named_noise,
)
from cisreg.losses.named import NOISES, noise_from_dict

CONTINUOUS = [
    Gaussian(deviation=0.7),
    Heteroscedastic(center=1.0, spread=2.0, coefficients=(-0.3, 0.4, -0.2)),
    StudentT(scale=0.7, degrees=3.0),
    StudentT(scale=0.7, degrees=100.0),
    Huber(scale=0.7),
    Huber(scale=1.3, threshold=0.5),
]
COUNTS = [
    Poisson(library_size=(1.5,)),
    NegativeBinomial(library_size=(1.5,), dispersion=0.4),
    NegativeBinomial(library_size=(1.5,), dispersion=1e-3),
]
BINS = SortBins(borders=(-1.0, 0.0, 0.5, 2.0), scale=0.4, depth=(1.0, 2.0, 0.5, 1.0, 1.5))
# Of each, with everything to be trained, and measurements of 60 sequences.
UNKNOWN = [kind() for kind in NOISES.values()]
RANDOM = np.random.default_rng(5)
PREDICTED = RANDOM.uniform(0.5, 3, 60)


def measurements(noise):
    if noise.name == "sort_bins":
        return np.random.default_rng(6).poisson(4, (60, 4)).astype(float)
    return PREDICTED + RANDOM.normal(size=60) if not noise.counts else RANDOM.poisson(PREDICTED)


def likelihood(noise, predicted, measured, dtype="f4"):
    arguments = (np.asarray(each, dtype) for each in (predicted, measured))
    return noise.log_likelihood(*arguments).numpy()


@pytest.mark.parametrize("noise", CONTINUOUS, ids=str)
@pytest.mark.parametrize("predicted", [-1.0, 2.0, 30.0])
def test_densities_have_the_area_1(noise, predicted):
    # A grid that is even in the hyperbolic sine reaches tails of a power law.
    step = np.linspace(-30, 30, 200_001)
    y, width = predicted + np.sinh(step), np.cosh(step) * (step[1] - step[0])
    density = np.exp(likelihood(noise, np.full_like(y, predicted), y, "f8"))
    assert (density * width).sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("noise", COUNTS, ids=str)
def test_probabilities_of_all_counts_add_up_to_1(noise):
    counts = np.arange(2000.0)
    logs = likelihood(noise, np.full_like(counts, 40.0), counts)
    assert np.exp(logs, dtype=np.float64).sum() == pytest.approx(1, abs=1e-4)
    # The mean, and of these noises the variance, too.
    share = np.exp(logs.astype(np.float64))
    assert (share * counts).sum() == pytest.approx(60, rel=1e-3)
    dispersion = getattr(noise, "dispersion", 0.0)
    variance = (share * (counts - 60) ** 2).sum()
    assert variance == pytest.approx(60 + dispersion * 60**2, rel=1e-2)


def test_normal_and_poisson_are_those_of_the_textbook():
    normal = likelihood(Gaussian(deviation=2.0), [1.0], [4.0])[0]
    assert normal == pytest.approx(-math.log(2 * math.sqrt(2 * math.pi)) - 9 / 8, rel=1e-6)
    poisson = likelihood(Poisson(library_size=(10.0,)), [0.5], [3.0])[0]
    assert poisson == pytest.approx(math.log(5**3 * math.exp(-5) / 6), rel=1e-6)
    # (k + r - 1 choose k) p^r (1 - p)^k with r = 1 / dispersion = 2, p = r / (r + mean) = 2 / 5.
    binomial = likelihood(NegativeBinomial(library_size=(1.0,), dispersion=0.5), [3.0], [2.0])[0]
    assert binomial == pytest.approx(math.log(3 * 0.4**2 * 0.6**2), rel=1e-6)


def test_bins_of_all_outcomes_add_up_to_1():
    outcomes = np.array([[a, b, 3 - a - b] for a in range(4) for b in range(4 - a)], float)
    noise = SortBins(borders=(0.0, 1.0), scale=0.3, depth=(1.0, 3.0, 2.0))
    logs = likelihood(noise, np.full(len(outcomes), 0.2), outcomes)
    assert np.exp(logs.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)


def test_a_bin_has_the_share_of_cells_between_its_borders():
    share = np.exp(BINS.log_shares(np.array([0.3])))[0]
    below = [0.0, *(1 / (1 + np.exp(-(np.array(BINS.borders) - 0.3) / 0.4))), 1.0]
    cells = np.diff(below) * np.array(BINS.depth)
    np.testing.assert_allclose(share, cells / cells.sum(), rtol=1e-9)


@pytest.mark.parametrize("far", [-80.0, 80.0])
def test_bins_far_from_a_prediction_have_finite_likelihoods_and_gradients(far):
    predicted = tf.constant([far])
    with tf.GradientTape() as tape:
        tape.watch(predicted)
        loss = BINS(predicted, tf.constant([[1.0, 1.0, 1.0, 1.0, 1.0]]))
    gradient = tape.gradient(loss, predicted).numpy()
    assert np.isfinite(float(loss)) and np.isfinite(gradient).all()
    # A step against the gradient brings the prediction back to the bins.
    assert np.sign(gradient[0]) == np.sign(far)


@pytest.mark.parametrize("noise", [*CONTINUOUS, *COUNTS, BINS], ids=str)
def test_what_is_drawn_has_the_likelihood_that_is_computed(noise):
    """The cross entropy of other numbers is larger, and no moment is off."""
    random, predicted = np.random.default_rng(1), np.full(20_000, 1.3)
    reads = np.full(20_000, 3) if noise.name == "sort_bins" else None
    drawn = noise.sample(predicted, random, reads)
    own = likelihood(noise, predicted, drawn)
    for shift in (-0.3, 0.3):
        assert likelihood(noise, predicted + shift, drawn).mean() < own.mean()
    for field in ("deviation", "scale", "dispersion"):
        for factor in (0.7, 1.4):
            number = vars(noise).get(field)
            # At a dispersion this low, nothing but the chance of counting is seen.
            if number is None or number < 1e-2:
                continue
            other = type(noise)(**{**vars(noise), field: factor * number})
            assert likelihood(other, predicted, drawn).mean() < own.mean(), (field, factor)


@pytest.mark.parametrize("noise", UNKNOWN, ids=lambda noise: noise.name)
def test_gradients_are_those_of_differences(noise):
    measured = measurements(noise)
    start = {name: value + 0.1 for name, value in noise.start(measured).items()}
    names = [name for name in noise.trained if start[name].size]
    values = [
        tf.constant(PREDICTED, tf.float64),
        *(tf.constant(start[n], tf.float64) for n in names),
    ]

    def loss(*values):
        given = start | dict(zip(names, values[1:], strict=True))
        each = noise.log_likelihood(values[0], tf.constant(measured, tf.float64), given)
        return tf.reduce_sum(tf.cast(each, tf.float64))

    theoretical, numerical = tf.test.compute_gradient(loss, values, delta=1e-2)
    for exact, difference in zip(theoretical, numerical, strict=True):
        np.testing.assert_allclose(exact, difference, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("noise", UNKNOWN, ids=lambda noise: noise.name)
def test_in_a_graph_the_loss_and_its_gradients_are_the_same(noise):
    measured = tf.constant(measurements(noise), tf.float32)
    start = {name: tf.constant(value) for name, value in noise.start(measured.numpy()).items()}
    weight = tf.linspace(0.0, 2.0, 60)

    def run(predicted):
        with tf.GradientTape() as tape:
            tape.watch([predicted, start])
            loss = noise(predicted, measured, weight, start)
        return loss, tape.gradient(loss, [predicted, start], unconnected_gradients="zero")

    predicted = tf.constant(PREDICTED, tf.float32)
    eager, compiled = run(predicted), tf.function(run)(predicted)
    for one, other in zip(tf.nest.flatten(eager), tf.nest.flatten(compiled), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("noise", UNKNOWN, ids=lambda noise: noise.name)
def test_numbers_go_through_training_and_back(noise):
    measured = measurements(noise)
    start = noise.start(measured)
    assert set(noise.trained) <= set(start)
    known = noise.fitted(start)
    assert known.unknown == ()
    assert known.start(measured) == {}
    np.testing.assert_allclose(
        known.log_likelihood(tf.constant(PREDICTED, tf.float32), tf.constant(measured, tf.float32)),
        noise.log_likelihood(
            tf.constant(PREDICTED, tf.float32), tf.constant(measured, tf.float32), start
        ),
        rtol=1e-5,
        atol=1e-5,
    )
    assert noise_from_dict(known.to_dict()) == known
    assert noise_from_dict(noise.to_dict()) == noise


def test_weights_multiply_and_missing_measurements_are_left_out():
    noise, predicted = Gaussian(deviation=1.0), tf.constant([0.0, 1.0])
    measured = tf.constant([[1.0, np.nan], [3.0, 2.0]])
    each = noise.log_likelihood(predicted, measured).numpy()
    assert each[0, 1] == 0
    weight = tf.constant([2.0, 0.5])
    expected = -(2.0 * each[0].sum() / 2 + 0.5 * each[1].sum() / 2) / 2
    assert float(noise(predicted, measured, weight)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("noise", UNKNOWN, ids=lambda noise: noise.name)
def test_a_missing_measurement_has_no_gradient(noise):
    measured = np.array(measurements(noise), np.float32)
    start = noise.start(measured)
    measured[7] = np.nan
    predicted = tf.constant(PREDICTED, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(predicted)
        loss = noise(predicted, tf.constant(measured), None, start)
    gradient = tape.gradient(loss, predicted).numpy()
    assert np.isfinite(float(loss)) and np.isfinite(gradient).all()
    assert gradient[7] == 0 and (gradient[:7] != 0).all()


def test_outputs_meet_their_own_measurements():
    noise = Gaussian(deviation=1.0)
    both = noise.log_likelihood(tf.constant([[0.0, 5.0]]), tf.constant([[0.0, 5.0]])).numpy()
    assert both[0, 0] == both[0, 1] == both.max()


def test_an_exposure_multiplies_the_mean_row_by_row():
    noise = Poisson(library_size=(1.0, 2.0), exposure=True)
    measured = [[10.0, 4.0, 9.0], [0.0, 0.0, 0.0]]
    each = likelihood(noise, [0.5, 0.5], measured)
    means = [5.0, 10.0]
    expected = [
        count * math.log(mean) - mean - math.lgamma(count + 1)
        for count, mean in zip((4, 9), means, strict=True)
    ]
    np.testing.assert_allclose(each, [expected, [0, 0]], rtol=1e-6)
    levels = noise.levels(np.array(measured))
    np.testing.assert_allclose(levels, [[0.4, 0.45], [np.nan, np.nan]])


def test_levels_of_bins_are_their_middles():
    noise = SortBins(borders=(0.0, 1.0, 3.0))
    reads = np.array([[2, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]], float)
    np.testing.assert_allclose(noise.levels(reads), [-0.5, 1.25, np.nan])
    np.testing.assert_allclose(SortBins().levels(reads), [0, 1.5, np.nan])


def test_library_sizes_begin_with_the_totals_of_the_data():
    counts = np.array([[10.0, 30.0], [10.0, 30.0]])
    known = Poisson().fitted(Poisson().start(counts))
    np.testing.assert_allclose(known.library_size, (0.5, 1.5), rtol=1e-6)
    np.testing.assert_allclose(known.levels(counts), 20, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gaussian(deviation=0.0), r"Gaussian.deviation: expected finite numbers above 0"),
        (lambda: Gaussian(deviation=math.nan), r"got nan"),
        (lambda: StudentT(degrees=0.5), r"StudentT.degrees: expected 1 to 100, got 0.5"),
        (lambda: Heteroscedastic(coefficients=(1.0,)), r"expected three finite numbers"),
        (lambda: Heteroscedastic(center=math.inf), r"center: expected a finite number"),
        (lambda: SortBins(borders=(1.0, 1.0)), r"borders: expected finite numbers that rise"),
        (lambda: SortBins(borders=(1.0,), depth=(1.0,)), r"expected 2 numbers, one more"),
        (lambda: NegativeBinomial(dispersion=-1.0), r"dispersion: expected finite numbers above"),
        (lambda: named_noise("cauchy"), r"loss: expected one of gaussian, .*got 'cauchy'"),
        (lambda: named_noise("huber", degrees=1), r"loss huber: expected scale, threshold, got"),
        (lambda: named_noise("gaussian", deviation="1"), r"expected a number for deviation"),
        (lambda: named_noise("sort_bins", borders=1.0), r"expected a list of numbers for borders"),
        (lambda: named_noise("poisson", exposure=1), r"expected true or false for exposure"),
        (lambda: Gaussian()(tf.zeros(1), tf.zeros(1)), r"expected deviation, or parameters with"),
        (lambda: Gaussian().sample(np.zeros(1), RANDOM), r"expected all numbers .* deviation"),
        (lambda: Heteroscedastic().deviation(np.zeros(1)), r"expected all numbers"),
        (lambda: BINS.sample(np.zeros(1), RANDOM), r"reads: expected the number of reads"),
        (lambda: likelihood(CONTINUOUS[0], np.zeros((3, 1)), np.zeros(3)), r"\[N, T\]"),
        (lambda: likelihood(CONTINUOUS[0], np.zeros(3), np.zeros((4, 2))), r"got \(4, 2\) with"),
        (lambda: likelihood(BINS, np.zeros(3), np.zeros(3)), r"expected counts \[N, B\]"),
    ],
)
def test_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("noise", "measured", "message"),
    [
        (Poisson(), [1.0, 2.5], r"expected counts .* for poisson, got 2.5"),
        (Poisson(), [-1.0], r"got -1"),
        (Poisson(library_size=(1.0,)), [[1.0, 2.0]], r"each of 2 columns of counts, got 1"),
        (Poisson(exposure=True), [1.0], r"behind that of the exposure, got 1"),
        (SortBins(), [[1.0, 2.0]], r"expected counts of 3 bins or more, got 2 columns"),
        (SortBins(borders=(1.0, 2.0)), [[1.0, 2.0]], r"expected counts of 3 bins, as the loss has"),
        (SortBins(), [[1.0, 0.5, 2.0]], r"expected counts .* for sort_bins, got 0.5"),
    ],
)
def test_measurements_of_another_kind_are_refused(noise, measured, message):
    with pytest.raises(ValueError, match=message):
        noise.check(np.array(measured))
