"""Profiles of the loss against the parabola of linear regression, and what is undetermined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from uncertain_models import linear, simulated

from cisreg.trained_model import Model
from cisreg.uncertainty import estimate_certainty, profile, undetermined
from cisreg.uncertainty.findings import _alike, motif_similarity

LINEAR = ["activity", "bias"]


def test_the_profile_of_a_linear_parameter_is_a_parabola():
    truth, data = linear(count=300)
    certainty = estimate_certainty(truth, data, parameters=LINEAR)
    of = certainty.parameters(0.9)
    name = truth.motif_names[2]
    found = profile(truth, data, "activity", name, parameters=LINEAR)
    expected = ((found.value - of.estimate[2]) / of.standard_error[2]) ** 2
    np.testing.assert_allclose(found.excess, expected, atol=0.01, rtol=0.01)
    np.testing.assert_allclose(found.interval(0.9), (of.lower[2], of.upper[2]), rtol=0.02)
    assert found.to_table().column_names == ["value", "loss", "excess"]


def test_a_profile_that_ends_within_its_limit_has_no_bound():
    truth, data = linear(count=300)
    name = truth.motif_names[0]
    of = estimate_certainty(truth, data, parameters=LINEAR).parameters()
    near = of.estimate[0] + of.standard_error[0] * np.array([0.5, 3.0])
    low, high = profile(truth, data, "activity", name, near, parameters=LINEAR).interval(0.9)
    assert low == -np.inf
    assert near[0] < high < near[1]


def test_the_profile_of_a_concentration_is_not_below_the_parabola_of_its_valley():
    """At its own estimate the loss is the least, on both sides it rises."""
    truth, data = simulated(count=500, motifs=3)
    found = profile(
        truth,
        data,
        "log_concentration",
        truth.motif_names[0],
        np.linspace(-1, 1, 5) + float(truth.log_concentration[0]),
    )
    assert (found.excess > -0.05).all()
    assert found.excess[0] > found.excess[np.abs(found.value - found.estimate).argmin()]


def doubled(truth):
    """The model with a copy of its first factor."""
    twice = {
        name: np.concatenate([value, value[..., :1]], axis=-1) if value.ndim else value
        for name, value in truth.parameters.items()
    }
    spec = replace(truth.spec, motif_count=truth.spec.motif_count + 1)
    return Model(spec, twice, (*truth.motif_names, "copy"))


def kinds(found):
    return [(each.check, each.factors) for each in found]


def test_nothing_is_found_where_all_is_determined():
    truth, data = simulated(count=800, motifs=4, seed=1)
    assert kinds(undetermined(truth, data)) == []


def test_factors_that_bind_alike_are_named():
    truth, data = simulated(count=400, motifs=3, seed=1)
    found = list(undetermined(doubled(truth), data))
    alike = [each for each in found if each.check == "alike"]
    assert [each.factors for each in alike] == [(truth.motif_names[0], "copy")]
    assert alike[0].number == pytest.approx(1, abs=1e-4)
    assert f"{truth.motif_names[0]} and copy bind alike" in alike[0].sentence
    assert "Their motifs are the same (correlation of their energies 1.00)" in alike[0].sentence
    directions = [each for each in found if each.check == "direction"]
    assert directions
    assert all(set(each.factors) == {truth.motif_names[0], "copy"} for each in directions)


@pytest.mark.parametrize(
    ("sign", "kind", "said"),
    [(1, "alike", "bind alike: "), (-1, "opposite", "bind to opposite sequences: ")],
)
def test_other_motifs_that_these_sequences_bind_alike_are_told_from_equal_ones(sign, kind, said):
    truth, _ = simulated(count=10, motifs=2, seed=1)
    first = np.random.default_rng(0).uniform(0.1, 1, 50)
    binding = np.column_stack([first, 2 + sign * first])
    (found,) = _alike(truth, binding, np.zeros(2, bool), 0.9)
    assert (found.check, found.factors) == (kind, truth.motif_names)
    assert found.number == pytest.approx(sign)
    assert said in found.sentence
    assert f"know the {'sum' if sign > 0 else 'difference'} of what they do" in found.sentence
    assert "Their motifs differ (correlation of their energies" in found.sentence


def test_motifs_are_compared_on_their_best_alignment():
    random = np.random.default_rng(0)
    first = random.normal(0, 1, (6, 4))
    shifted = np.concatenate([np.zeros((3, 4)), first, np.zeros((1, 4))])
    constant = random.normal(0, 5, (len(shifted), 1))  # the same for all bases
    assert motif_similarity(first, shifted + constant) == pytest.approx(1)
    assert motif_similarity(first, shifted[::-1, ::-1]) == pytest.approx(1)
    assert motif_similarity(first, np.zeros((5, 4))) == 0
    # Against Pearson's r of every alignment, columns that lie beyond the other motif being 0.
    other = random.normal(0, 1, (4, 4))
    found = []
    for strand in (other, other[::-1, ::-1]):
        for offset in range(-3, 6):
            both = np.zeros((2, 12, 4))
            both[0, 3:9] = first - first.mean(axis=1, keepdims=True)
            both[1, 3 + offset : 7 + offset] = strand - strand.mean(axis=1, keepdims=True)
            found.append(np.corrcoef(both[0].ravel(), both[1].ravel())[0, 1])
    assert motif_similarity(first, other) == pytest.approx(max(found))


def test_saturated_accessibility_absent_factors_and_weak_binding_are_named():
    truth, data = simulated(count=400, motifs=3, seed=1)

    def changed(**values):
        return replace(truth, parameters={**truth.parameters, **values})

    bias = truth.parameters["potentiation_bias"]
    (found,) = [
        each
        for each in undetermined(changed(potentiation_bias=bias + np.float32(20)), data)
        if each.check == "saturated accessibility"
    ]
    assert found.number > 0.95
    assert "above 0.98" in found.sentence
    concentration = truth.log_concentration.copy()
    concentration[1] -= 20
    found = list(undetermined(changed(log_concentration=concentration), data))
    assert kinds(found) == [("no binding", (truth.motif_names[1],))]
    concentration[1] += 20 - 5
    activity = truth.parameters["activity"] * np.float32([1, np.exp(5), 1])
    potentiation = truth.parameters["potentiation"] * np.float32([1, np.exp(5), 1])
    weak = changed(log_concentration=concentration, activity=activity, potentiation=potentiation)
    assert ("concentration against activity", (truth.motif_names[1],)) in kinds(
        undetermined(weak, data)
    )
    assert "correlation of -" in str(undetermined(weak, data))


def test_arguments_out_of_range():
    truth, data = linear(count=60, motifs=2)
    with pytest.raises(ValueError, match="correlation: expected a share"):
        undetermined(truth, data, correlation=0)
    with pytest.raises(ValueError, match="factor: expected one of"):
        profile(truth, data, "activity", "Abf1")
    with pytest.raises(ValueError, match=r"values: expected float64 .* of finite numbers"):
        profile(truth, data, "bias", values=[np.nan])
