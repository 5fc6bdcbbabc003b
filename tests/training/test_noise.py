"""Training with a noise model: its numbers train too, and are kept like the parameters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_model import SPEC, STAGES, assert_same_bits, fit_tiny, make_dataset, start_parameters

from cisreg.data import Dataset
from cisreg.losses import (
    Gaussian,
    Heteroscedastic,
    NegativeBinomial,
    Poisson,
    SortBins,
    StudentT,
)
from cisreg.model import predict
from cisreg.training import CosineWarmup, Stage, checkpoint_parameters

STAGE = Stage(("activity", "bias"), epochs=12, learning_rate=0.1, batch_size=50)


def noisy(noise, count=2000, reads=None):
    """Measurements of the tiny model with noise, and the expression without it."""
    data = make_dataset(count)
    random = np.random.default_rng(3)
    each = None if reads is None else np.full(count, reads)
    measured = noise.sample(data.expression, random, each)
    return Dataset(data.sequence, measured.astype(np.float32)), data.expression


def test_the_noise_is_found_beside_the_model():
    truth = StudentT(scale=0.3, degrees=2.5)
    data, expression = noisy(truth)
    result = fit_tiny(data, (STAGE,), loss=StudentT())
    assert result.noise.scale == pytest.approx(truth.scale, rel=0.1)
    assert result.noise.degrees == pytest.approx(truth.degrees, rel=0.35)
    assert set(result.parameters) == set(SPEC.parameter_shapes)
    predicted = predict(SPEC, result.parameters, data.sequence, implementation="standard")[0]
    normal = fit_tiny(data, (STAGE,), loss=Gaussian())
    other = predict(SPEC, normal.parameters, data.sequence, implementation="standard")[0]
    error, of_normal = (float(np.std(each.numpy() - expression)) for each in (predicted, other))
    assert error < 0.7 * of_normal
    # Likelihoods of both are nats per measurement, so that they can be compared.
    assert result.history[-1].validation_loss < normal.history[-1].validation_loss - 0.1


def test_the_loss_of_the_history_is_in_nats_per_measurement():
    data, _ = noisy(Gaussian(deviation=0.5))
    result = fit_tiny(data, (STAGE,), loss=Gaussian(), validation=data)
    predicted = predict(SPEC, result.parameters, data.sequence, implementation="standard")[0]
    logs = result.noise.log_likelihood(predicted, data.expression).numpy()
    assert result.history[-1].validation_loss == pytest.approx(-logs.mean(), rel=1e-4)
    assert -logs.mean() == pytest.approx(0.5 * np.log(2 * np.pi * np.e * 0.25), abs=0.05)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_unit_of_the_measurements_changes_only_the_unit_of_the_noise(scale):
    data, _ = noisy(Heteroscedastic(center=1.0, spread=1.0, coefficients=(-1.0, 0.3, 0.0)), 400)
    other = Dataset(data.sequence, data.expression * np.float32(scale) + np.float32(7 * scale))
    one, two = (fit_tiny(each, (STAGE,), loss=Heteroscedastic()) for each in (data, other))
    assert two.noise.coefficients[0] - np.log(scale) == pytest.approx(
        one.noise.coefficients[0], abs=1e-2
    )
    np.testing.assert_allclose(two.noise.coefficients[1:], one.noise.coefficients[1:], atol=1e-2)
    shift = two.history[-1].validation_loss - one.history[-1].validation_loss
    assert shift == pytest.approx(np.log(scale), abs=1e-2)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_precision(precision):
    data, _ = noisy(StudentT(scale=0.3, degrees=3.0))
    result = fit_tiny(data, (STAGE,), loss=StudentT(), precision=precision)
    assert result.noise.scale == pytest.approx(0.3, rel=0.4)


def test_weights_of_0_leave_rows_out():
    data, _ = noisy(Gaussian(deviation=0.3), 600)
    wrong = data.expression.copy()
    wrong[300:] += 100
    weight = np.repeat(np.float32([1, 0]), 300)
    # The unit of training, too, comes from rows of weight above 0.
    result = fit_tiny(
        Dataset(data.sequence, wrong, weight), (STAGE,), loss=Gaussian(), validation=None
    )
    assert result.noise.deviation == pytest.approx(0.3, rel=0.3)


def test_a_resumed_run_gives_the_same_bits(tmp_path, monkeypatch):
    data, _ = noisy(StudentT(scale=0.3, degrees=3.0), 300)
    whole = fit_tiny(data, STAGES, loss=StudentT())
    options = {"loss": StudentT(), "checkpoint_directory": tmp_path, "keep_checkpoints": 20}
    fit_tiny(data, STAGES, **options)
    for path in sorted(tmp_path.iterdir())[3:]:
        path.unlink()
    assert set(checkpoint_parameters(tmp_path)) == set(SPEC.parameter_shapes)
    resumed = fit_tiny(data, STAGES, resume=True, **options)
    assert_same_bits(whole.parameters, resumed.parameters)
    assert whole.noise == resumed.noise
    assert [each.validation_r for each in whole.history] == [
        each.validation_r for each in resumed.history
    ]


def test_another_noise_does_not_resume(tmp_path):
    data, _ = noisy(Gaussian(deviation=0.3), 100)
    fit_tiny(data, (STAGE,), loss=Gaussian(), checkpoint_directory=tmp_path)
    with pytest.raises(ValueError, match="another loss"):
        fit_tiny(data, (STAGE,), loss=StudentT(), checkpoint_directory=tmp_path, resume=True)


def test_bins_and_their_borders():
    data = make_dataset(3000)
    # A tenth of the sequences in each outer bin, a fifth in each other one.
    borders = np.quantile(data.expression, [0.1, 0.3, 0.5, 0.7, 0.9])
    truth = SortBins(borders=tuple(borders), scale=0.2)
    reads = truth.sample(data.expression, np.random.default_rng(3), np.full(3000, 10))
    sorted_cells = Dataset(data.sequence, reads.astype(np.float32))
    result = fit_tiny(sorted_cells, (STAGE,), loss=SortBins())
    assert result.history[-1].validation_r > 0.95
    # Trained borders lie as the true ones do, in another unit: from 0.5 to 4.5.
    unit = 4 / (borders[-1] - borders[0])
    np.testing.assert_allclose(result.noise.borders, 0.5 + unit * (borders - borders[0]), atol=0.06)
    assert result.noise.scale == pytest.approx(0.2 * unit, rel=0.1)
    given = fit_tiny(sorted_cells, (STAGE,), loss=SortBins(borders=truth.borders))
    predicted = predict(SPEC, given.parameters, data.sequence, implementation="standard")[0]
    assert np.std(predicted.numpy() - data.expression) < 0.1
    assert given.noise.scale == pytest.approx(0.2, rel=0.1)


def test_counts_of_libraries_of_different_sizes():
    spec = replace(SPEC, link="exponential")
    data = make_dataset(2500)
    random = np.random.default_rng(4)
    truth = NegativeBinomial(library_size=(2.0, 6.0), dispersion=0.15)
    counts = truth.sample(np.exp(0.2 * data.expression), random)
    # Some are missing.
    counts[::10, 1] = np.nan
    counted = Dataset.unchecked(data.sequence, counts.astype(np.float32))
    # Steps that stay large leave the sizes 5 % off.
    schedule = CosineWarmup(warmup=0.5, final=0.02)
    stage = replace(STAGE, epochs=20, learning_rate=0.03, schedule=schedule)
    result = fit_tiny(
        *(counted, (stage,)),
        spec=spec,
        parameters=start_parameters(spec=spec),
        loss=NegativeBinomial(),
    )
    sizes = np.array(result.noise.library_size)
    assert sizes[1] / sizes[0] == pytest.approx(3, rel=0.03)
    assert result.noise.dispersion == pytest.approx(0.15, rel=0.1)
    assert result.history[-1].validation_r > 0.5


def test_what_does_not_fit_the_loss_is_refused():
    data, spec = make_dataset(50), replace(SPEC, link="softplus")
    with pytest.raises(ValueError, match=r"predictions above 0 for poisson, got the link"):
        fit_tiny(data, (STAGE,), loss=Poisson())
    with pytest.raises(ValueError, match=r"expected counts .* for poisson"):
        fit_tiny(data, (STAGE,), spec=spec, parameters=start_parameters(spec=spec), loss=Poisson())
