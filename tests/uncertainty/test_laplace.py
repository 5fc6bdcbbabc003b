"""Intervals from the curvature against the formulas of linear regression, and refits."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from uncertain_models import disturbed, linear, simulated

from cisreg.data import Dataset
from cisreg.interpret.read_out import scan_model
from cisreg.losses import Poisson
from cisreg.trained_model import Model
from cisreg.uncertainty import estimate_certainty, parameter_intervals, refit, refitting
from cisreg.uncertainty.coordinates import Coordinates
from cisreg.uncertainty.effects import effect_slopes, site_effects
from cisreg.uncertainty.refitting import Refit, warn_unless_converged

LINEAR = ["activity", "bias"]


def design(model, data):
    """The columns that activities and bias multiply, [N, M + 1]."""
    binding = scan_model(model, data.sequence).acting.sum(axis=1)
    return np.column_stack([binding, np.ones(len(data))])


@pytest.fixture(scope="module")
def regression():
    return linear(count=400)


def test_a_linear_model_has_the_estimates_and_errors_of_linear_regression(regression):
    truth, data = regression
    x, y = design(truth, data), data.expression.astype(float)
    expected, residuals, *_ = np.linalg.lstsq(x, y)
    covariance = np.linalg.inv(x.T @ x) * residuals[0] / (len(x) - x.shape[1])
    certainty = estimate_certainty(disturbed(truth), data, parameters=LINEAR)
    # `disturbed` changes concentrations, too, which are held: give it those of the truth.
    held = replace(
        certainty.model,
        parameters={**certainty.model.parameters, "log_concentration": truth.log_concentration},
    )
    certainty = estimate_certainty(held, data, parameters=LINEAR)
    np.testing.assert_allclose(certainty.parameters().estimate, expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(certainty.covariance, covariance, rtol=1e-4, atol=1e-7)
    found = certainty.predict(data, 0.95)
    errors = np.sqrt(np.einsum("ni,ij,nj->n", x, covariance, x))
    np.testing.assert_allclose(found.standard_error, errors, rtol=1e-4)
    # Student's t of 400 - 5 degrees of freedom, from a printed table.
    np.testing.assert_allclose(found.upper - found.expression, 1.96600 * errors, rtol=2e-4)
    change = certainty.difference(data[:10], data[10:20])
    errors = np.sqrt(np.einsum("ni,ij,nj->n", x[10:20] - x[:10], covariance, x[10:20] - x[:10]))
    np.testing.assert_allclose(change.standard_error, errors, rtol=1e-4, atol=1e-7)


def test_weights_count_as_so_many_rows(regression):
    truth, data = regression
    weight = np.random.default_rng(0).integers(0, 3, len(data))
    weighted = Dataset(data.sequence, data.expression, weight)
    repeated = data.take(np.repeat(np.arange(len(data)), weight))
    first, second = (
        refit(disturbed(truth), each, parameters=LINEAR) for each in (weighted, repeated)
    )
    for name in LINEAR:
        np.testing.assert_allclose(
            first.model.parameters[name], second.model.parameters[name], atol=1e-3
        )
    assert first.loss == pytest.approx(second.loss, rel=1e-6)


def test_the_noise_is_the_root_of_the_mean_variance_of_means_of_one_and_of_two(regression):
    truth, data = regression
    values = np.stack([data.expression, data.expression], axis=1)
    values[: len(data) // 2, 1] = np.nan
    x, y = design(truth, data), data.expression.astype(float)
    weight = np.where(np.arange(len(data)) < len(data) // 2, 0.5, 1.0)
    root = np.sqrt(weight)
    _, loss, *_ = np.linalg.lstsq(x * root[:, None], y * root)
    variance = loss[0] / (len(x) - x.shape[1])
    found = estimate_certainty(truth, Dataset(data.sequence, values), parameters=LINEAR)
    # Half of the means have twice the variance of the others: 1.5 on average.
    assert found.noise == pytest.approx(np.sqrt(1.5 * variance), rel=1e-3)


def test_robust_errors_are_those_of_regression_with_families(regression):
    truth, data = regression
    # Each of the first hundred sequences twice, with the same deviation.
    rows = np.concatenate([np.arange(300), np.arange(100)])
    data = data.take(rows)
    x, y = design(truth, data), data.expression.astype(float)
    bread = np.linalg.inv(x.T @ x)
    estimate = bread @ x.T @ y
    scores = x * (y - x @ estimate)[:, None]
    by_family = np.zeros((300, x.shape[1]))
    np.add.at(by_family, rows, scores)
    factor = 300 / 299 * (len(x) - 1) / (len(x) - x.shape[1])
    expected = factor * bread @ by_family.T @ by_family @ bread
    certainty = estimate_certainty(truth, data, parameters=LINEAR, robust=True)
    np.testing.assert_allclose(certainty.covariance, expected, rtol=0.01, atol=1e-6)


def test_the_refit_finds_the_least_error_from_elsewhere():
    truth, data = simulated()
    first, second = (refit(disturbed(truth, seed=seed), data) for seed in (1, 2))
    assert first.converged
    assert second.converged
    assert first.start_distance > 5 > 0.1 > first.distance
    assert first.loss == pytest.approx(second.loss, rel=1e-5)
    error = (truth.predict(data).expression - data.expression) ** 2
    assert first.loss < error.sum(dtype=float)
    assert (first.model.parameters["log_kd"] == truth.parameters["log_kd"]).all()


def warnings(caplog):
    ours = [each for each in caplog.records if each.name.startswith("cisreg")]
    return [each.getMessage() for each in ours if each.levelno == logging.WARNING]


def test_a_refit_that_ends_early_is_said_once_with_what_to_do(monkeypatch, caplog):
    truth, data = simulated(count=300, motifs=3)
    start = disturbed(truth)
    monkeypatch.setattr("cisreg.uncertainty.laplace._STEPS", 2)
    certainty = estimate_certainty(start, data)
    assert not certainty.refit.converged
    (said,) = warnings(caplog)
    assert said.startswith("estimate_certainty: after 2 steps the least squared error is still")
    assert f"about {certainty.refit.distance:.2g} standard errors away" in said
    assert "cisreg.uncertainty.refit(model, dataset, steps=1000).model" in said
    # That remedy works: from there, two steps are enough.
    caplog.clear()
    better = refit(start, data, steps=1000).model
    assert estimate_certainty(better, data).refit.converged
    assert warnings(caplog) == []
    refit(start, data, steps=1)
    (said,) = warnings(caplog)
    assert said.startswith("refit: after 1 steps")
    assert said.endswith("give more steps")
    # Without a refit there is nothing to say.
    caplog.clear()
    estimate_certainty(start, data, refit=False)
    assert warnings(caplog) == []


def test_a_step_beyond_float32_is_taken_back(monkeypatch):
    truth, data = simulated(count=300, motifs=3)
    start = disturbed(truth)
    expected = refit(start, data).loss
    own, far = refitting._step, [1e200]

    def step(sums, free, damping):
        # With hardly any damping it only says how far the optimum is.
        return own(sums, free, damping) * (far.pop() if far and damping > 1e-6 else 1.0)

    monkeypatch.setattr(refitting, "_step", step)
    found = refit(start, data)
    assert not far
    assert found.loss == pytest.approx(expected, rel=1e-3)


def test_motifs_that_were_trained_are_not_taken_for_known_without_a_word(caplog):
    truth, data = linear(count=200, motifs=2)
    same = replace(truth, initial_motifs=truth.motifs)
    estimate_certainty(same, data)
    assert warnings(caplog) == []
    log_kd = truth.parameters["log_kd"] + np.float32(0.01)
    moved = replace(same, parameters={**truth.parameters, "log_kd": log_kd}, column_range=None)
    estimate_certainty(moved, data, refit=False)
    (said,) = warnings(caplog)
    assert "the motifs were trained and are taken for known" in said
    caplog.clear()
    names = ["log_kd", *estimate_certainty(same, data).coordinates.names]
    estimate_certainty(moved, data, refit=False, parameters=names)
    assert warnings(caplog) == []


def test_more_steps_are_not_advised_where_none_is_better(caplog):
    truth, _ = linear(count=20, motifs=2)
    warn_unless_converged(Refit(truth, 1.0, 3.0, 9.0, 7, False), 100, "refit", "give more steps")
    (said,) = warnings(caplog)
    assert "no further step lowers" in said
    assert "more steps" not in said


def test_few_measurements_make_intervals_wider():
    truth, data = linear(count=8, motifs=4)
    certainty = estimate_certainty(truth, data, parameters=LINEAR, refit=False)
    of = certainty.parameters(0.9)
    # Student's t of 3 degrees of freedom, from a printed table.
    np.testing.assert_allclose(of.upper - of.estimate, 2.3534 * of.standard_error, rtol=1e-4)
    effects = certainty.effects(0.9)
    np.testing.assert_allclose(
        effects.estimate - effects.lower, 2.3534 * effects.standard_error, rtol=1e-4
    )


def test_what_data_do_not_determine_has_no_end():
    truth, data = linear(count=300, motifs=3)
    twice = {
        name: np.concatenate([value, value[..., :1]], axis=-1) if value.ndim else value
        for name, value in truth.parameters.items()
    }
    model = Model(replace(truth.spec, motif_count=4), twice, (*truth.motif_names, "copy"))
    certainty = estimate_certainty(model, data, parameters=LINEAR)
    assert certainty.open_directions.shape[1] == 1
    error = certainty.parameters().standard_error
    assert np.isinf(error).tolist() == [True, False, False, True, False]
    assert np.isfinite(certainty.predict(data).standard_error).all()
    absent = {**truth.parameters, "log_concentration": truth.log_concentration.copy()}
    absent["log_concentration"][1] = -np.inf
    table = parameter_intervals(replace(truth, parameters=absent), data, parameters=LINEAR)
    assert np.isinf(table.standard_error).tolist() == [False, True, False, False]


@pytest.mark.parametrize("stranded", [False, True])
def test_slopes_of_effects_are_those_of_small_steps(stranded):
    from interpret_models import make_model

    model = make_model(stranded=stranded, positional=True)
    names = ["log_kd", "log_concentration", "potentiation", "activity"]
    coordinates = Coordinates.of(model, names + ["activity_difference"] * stranded)
    found = effect_slopes(model, coordinates)
    for index in range(len(coordinates)):
        step = np.zeros(len(coordinates))
        step[index] = 0.01
        above, below = (
            np.concatenate(list(site_effects(coordinates.moved(model, each)).values()))
            for each in (step, -step)
        )
        np.testing.assert_allclose(found[:, index], (above - below) / 0.02, atol=1e-3)


def test_tables_and_errors():
    truth, data = linear(count=60, motifs=2)
    certainty = estimate_certainty(truth, data)
    table = certainty.parameters(0.5).to_table()
    assert table.column_names == [
        *("parameter", "factor", "estimate", "standard_error", "lower", "upper"),
    ]
    assert table["factor"].to_pylist()[-1] is None
    assert certainty.effects().to_table()["parameter"].to_pylist() == ["effect"] * 2
    named = Dataset(data.sequence, data.expression, name=[f"s{i}" for i in range(60)])
    assert certainty.predict(named).to_table()["name"].to_pylist()[1] == "s1"
    assert "Intervals(5 numbers" in certainty.parameters()._repr_html_()
    with pytest.raises(ValueError, match="level: expected a share between 0 and 1"):
        certainty.parameters(90)
    with pytest.raises(ValueError, match=r"second: expected 2 sequences.* got 3"):
        certainty.difference(data[:2], data[:3])
    with pytest.raises(ValueError, match="expected more measurements than the 5 numbers"):
        estimate_certainty(truth, data[:5])
    with pytest.raises(TypeError, match=r"dataset: expected a cisreg.Dataset, got ndarray"):
        estimate_certainty(truth, data.sequence)
    of_counts = replace(truth, noise=Poisson(library_size=(1.0,)))
    with pytest.raises(ValueError, match=r"continuous scale.* got the noise model poisson; use"):
        estimate_certainty(of_counts, data)
