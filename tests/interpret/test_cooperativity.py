"""The screen for pairs of factors: against loops, and on promoters whose pairs are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pair_models import simulated, without_pairs

from cisreg.data import Dataset
from cisreg.interpret import PairScreen, read_out, scan_model, screen_pairs
from cisreg.interpret.cooperativity import _of_products, _q_values
from cisreg.losses import Poisson
from cisreg.trained_model import Model


def test_z_scores_are_those_of_centred_products_one_by_one():
    random = np.random.default_rng(0)
    binding, residual = random.gamma(1, 1, (50, 3)), random.normal(0, 1, 50)
    weight = random.uniform(0.2, 1, 50)
    residual -= residual.mean()
    z = _of_products(binding, residual, weight)
    centred = binding - binding.mean(axis=0)
    for a in range(3):
        for b in range(3):
            product = centred[:, a] * centred[:, b] * weight
            product = product - product.mean()
            expected = (residual * product).sum() / np.sqrt(residual.var() * (product**2).sum())
            assert z[a, b] == pytest.approx(expected)


def test_q_values_are_those_of_benjamini_and_hochberg():
    assert _q_values(np.array([0.5, 0.01, 0.02])).tolist() == pytest.approx([0.5, 0.03, 0.03])


@pytest.mark.parametrize("link", ["identity", "logistic"])
def test_planted_pairs_are_found_where_they_act(link):
    made = simulated(2, sequence_count=4000, seed=1, noise=0.1, link=link)
    found = screen_pairs(without_pairs(made), Dataset(made.sequence, made.expression), most=5)
    true = [tuple(made.motif_names[each] for each in pair) for pair in made.spec.pairs]
    assert found.tested == 6 * 7 // 2
    assert set(map(frozenset, found.candidates(0.01))) >= set(map(frozenset, true))
    table = found.to_frame()
    for pair, effect in zip(true, made.parameters["pair_effect"], strict=True):
        row = table[(table[["first", "second"]].isin(pair)).all(axis=1)].iloc[0]
        orientation, knot = np.unravel_index(np.abs(effect).argmax(), effect.shape)
        distance = found.distance[knot]
        if orientation == 0 and row["first"] != pair[0]:
            distance = -distance
        assert row["orientation"] == ("same", "opposite")[orientation]
        assert abs(row["distance"] - distance) <= 10
        assert np.sign(row["z_there"]) == np.sign(effect[orientation, knot])


def test_a_place_is_named_only_where_there_are_enough_sequences():
    profile = np.zeros((2, 2, 3))
    profile[1, 1, 2] = -2.5
    screen = PairScreen(
        factors=(("A", "B"), ("A", "C")),
        **{name: np.full(2, 0.5) for name in ("z", "p_value", "q_value")},
        spread=1.0,
        tested=2,
        pair_distance=10,
        distance=np.array([-5, 0, 5]),
        profile=profile,
        count=100,
    )
    columns = ("orientation", "distance", "z_there")
    rows = [[row[name] for name in columns] for row in screen.to_table().to_pylist()]
    assert rows == [[None, None, None], ["opposite", 5, -2.5]]


def test_no_pair_is_a_candidate_where_none_acts_or_the_model_has_them():
    none = simulated(0, noise=0.3, seed=2)
    assert (
        screen_pairs(without_pairs(none), Dataset(none.sequence, none.expression)).candidates()
        == []
    )
    made = simulated(1, noise=0.3, seed=3)
    model = Model(made.spec, made.parameters, made.motif_names)
    found = screen_pairs(model, Dataset(made.sequence, made.expression))
    assert found.candidates() == [] and found.tested == 6 * 7 // 2 - 1
    scan = scan_model(model, made.sequence)
    np.testing.assert_allclose(
        read_out(model, scan).expression, made.noiseless_expression, atol=1e-4
    )


def test_counts_without_exposure_are_left_out():
    made = simulated(0, sequence_count=300)
    # Counts are above 0, and so are predictions behind this link.
    spec = replace(made.spec, link="softplus")
    parameters = {**without_pairs(made).parameters, "link_scale": np.float32(1)}
    noise = Poisson(exposure=True, library_size=(1.0,))
    model = Model(spec, parameters, made.motif_names, noise=noise)
    counts = np.random.default_rng(0).integers(1, 30, (300, 2)).astype(np.float32)
    kept = np.arange(300) != 7
    counts[~kept, 0] = 0
    found = screen_pairs(model, Dataset(made.sequence, counts))
    expected = screen_pairs(model, Dataset(made.sequence[kept], counts[kept]))
    assert found.count == 299 and found.z.any()
    np.testing.assert_allclose(found.z, expected.z)
    np.testing.assert_allclose(found.profile, expected.profile)


def test_measurements_are_needed():
    made = simulated(0, sequence_count=20)
    with pytest.raises(ValueError, match="expected a Dataset with measured expression"):
        screen_pairs(without_pairs(made), made.sequence)


def test_sites_that_exclude_each_other_are_refused():
    made = simulated(0, sequence_count=20)
    model = without_pairs(made)
    ranges = np.array([[0], [made.spec.motif_width]]).repeat(made.spec.motif_count, axis=1)
    spec = replace(model.spec, competition=True)
    competing = replace(model, spec=spec, column_range=ranges)
    with pytest.raises(ValueError, match="expected one of independent sites"):
        screen_pairs(competing, Dataset(made.sequence, made.expression))
