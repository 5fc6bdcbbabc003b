"""Differences between outputs: where nothing is shared they are those of two fits, else smaller."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from uncertain_models import linear, simulated

from cisreg.data import Dataset
from cisreg.spec import DIFFERING
from cisreg.trained_model import Model
from cisreg.uncertainty import difference_intervals, estimate_certainty, refit

CHANGED = np.array([[0, 0, 0, 0], [0.8, 0, 0, -0.6]], np.float32)


def two_outputs(make, name, differ, seed=0, noise=0.4, **options):
    """A true model of two outputs in which `name` of two factors differs, and measurements."""
    truth, data = make(seed, **options)
    spec = replace(truth.spec, output_count=2, differ=tuple(differ))
    parameters = {
        each: np.stack([value] * 2) if each in differ else value
        for each, value in truth.parameters.items()
    }
    parameters[name] = parameters[name] + CHANGED
    both = Model(spec, parameters, truth.motif_names, output_names=("first", "second"))
    random = np.random.default_rng(seed + 100)
    measured = both.predict(data).expression + random.normal(0, noise, (len(data), 2))
    measured[::5, 1] = np.nan
    return both, Dataset(data.sequence, measured.astype(np.float32))


def test_where_nothing_is_shared_the_outputs_are_fitted_apart():
    one, _ = linear()
    all_of_it = [name for name in DIFFERING if name in one.spec.parameter_shapes]
    truth, data = two_outputs(linear, "activity", all_of_it)
    varying = ["activity", "bias"]
    found = difference_intervals(truth, data, parameters=varying, level=0.9)
    apart = []
    for index, name in enumerate(truth.output_names):
        there = np.isfinite(data.expression[:, index])
        rows = Dataset(data.sequence[there], data.expression[there, index])
        apart.append(estimate_certainty(truth.output(name), rows, parameters=varying))
    first, second = (each.parameters().estimate for each in apart)
    np.testing.assert_allclose(found.estimate, second - first, atol=2e-4)
    # All measurements together say how large the noise is.
    noise = [each.noise for each in apart]
    pooled = np.sqrt(
        sum((each.count - 5) * each.noise**2 for each in apart)
        / sum(each.count - 5 for each in apart)
    )
    errors = [pooled / each * one.standard_error for each, one in zip(noise, apart, strict=True)]
    np.testing.assert_allclose(found.standard_error, np.hypot(*errors), rtol=1e-3)
    assert found.parameter == ["activity"] * 4 + ["bias"]
    assert found.factor == [*truth.motif_names, ""]
    assert set(found.output) == {"second"} and found.reference == "first"


def test_slopes_of_shared_and_own_numbers_lie_where_they_belong():
    truth, data = two_outputs(simulated, "log_concentration", ["log_concentration", "bias"])
    exact = Dataset(data.sequence, truth.predict(data).expression)
    moved = dict(truth.parameters)
    moved["log_concentration"] = moved["log_concentration"] + np.float32(0.05) * CHANGED
    moved["activity"] = moved["activity"] * np.float32(1.02)
    start = replace(truth, parameters=moved)
    found = difference_intervals(start, exact)
    of_kind = np.array([name == "log_concentration" for name in found.parameter])
    np.testing.assert_allclose(found.estimate[of_kind], CHANGED[1], atol=2e-3)


def test_differences_are_surer_than_what_they_are_of():
    truth, data = two_outputs(simulated, "log_concentration", ["log_concentration", "bias"])
    found = difference_intervals(truth, data, level=0.99)
    of_kind = np.array([name == "log_concentration" for name in found.parameter])
    held = (found.lower <= np.append(CHANGED[1], 0)) & (np.append(CHANGED[1], 0) <= found.upper)
    assert held[of_kind].all()
    one = truth.output("first")
    rows = Dataset(data.sequence, data.expression[:, 0])
    alone = estimate_certainty(one, rows, parameters=["log_concentration", "activity", "bias"])
    assert (found.standard_error[of_kind] < alone.standard_error[:4]).all()
    other = difference_intervals(truth, data, level=0.99, reference="second")
    np.testing.assert_allclose(other.estimate, -found.estimate, atol=1e-3)
    robust = difference_intervals(truth, data, level=0.99, robust=True)
    np.testing.assert_allclose(robust.standard_error, found.standard_error, rtol=0.25)
    table = found.to_table()
    assert table.column_names[:4] == ["output", "reference", "parameter", "factor"]
    assert table["factor"].to_pylist()[-1] is None
    assert "from 'first'" in repr(found)


def test_refusals(caplog):
    truth, data = two_outputs(simulated, "activity", ["activity"])
    with pytest.raises(ValueError, match="expected one of several outputs"):
        difference_intervals(truth.output("first"), data)
    with pytest.raises(ValueError, match=r"got differ=\('activity',\)"):
        difference_intervals(truth, data, parameters=["bias"])
    with pytest.raises(ValueError, match="expected the name of an output"):
        difference_intervals(truth, data, reference="third")
    with pytest.raises(ValueError, match=r"expected measurements \[N, 2\]"):
        difference_intervals(truth, Dataset(data.sequence, np.zeros(len(data))))
    for function in (estimate_certainty, refit):
        with pytest.raises(ValueError, match=r"model.output\('first'\)"):
            function(truth, data)
    learned = replace(truth, initial_motifs=truth.motifs)
    changed = {**learned.parameters, "log_kd": learned.parameters["log_kd"] + np.float32(0.01)}
    with caplog.at_level(logging.WARNING):
        difference_intervals(replace(learned, parameters=changed), data)
    assert "difference_intervals: the motifs were trained" in caplog.text
    assert "tell which factors differ, but are too narrow to say by how much" in caplog.text
    assert "far too narrow" not in caplog.text
