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


@pytest.mark.parametrize("weighted", [False, True])
def test_z_scores_are_those_of_centred_products_one_by_one(weighted):
    random = np.random.default_rng(0)
    binding, residual = random.gamma(1, 1, (50, 3)), random.normal(0, 1, 50)
    open_by = random.uniform(0.2, 1, 50)
    certainty = random.uniform(0.1, 2, 50) if weighted else np.ones(50)
    certainty /= certainty.mean()
    root = np.sqrt(certainty)
    residual -= np.average(residual, weights=certainty)
    z = _of_products(binding, residual * root, open_by * root, root)
    centred = binding - np.average(binding, axis=0, weights=certainty)
    variance = np.mean(certainty * residual**2)
    for a in range(3):
        for b in range(3):
            product = centred[:, a] * centred[:, b] * open_by
            product = product - np.average(product, weights=certainty)
            total = (certainty * residual * product).sum()
            expected = total / np.sqrt(variance * (certainty * product**2).sum())
            assert z[a, b] == pytest.approx(expected)


def test_a_row_that_weighs_twice_counts_as_two():
    made = simulated(1, sequence_count=600, seed=4, noise=0.1)
    model = without_pairs(made)
    weight = np.random.default_rng(0).integers(0, 4, 600).astype(np.float32)
    once = screen_pairs(model, Dataset(made.sequence, made.expression, weight))
    rows = np.repeat(np.arange(600), weight.astype(int))
    often = screen_pairs(model, Dataset(made.sequence[rows], made.expression[rows]))
    assert once.factors[0] == often.factors[0] and once.count == np.count_nonzero(weight)
    # Twice the weight for all is no more data.
    more = len(rows) / once.count
    z = dict(zip(often.factors, often.z * often.spread, strict=True))
    for pair, each in zip(once.factors, once.z * once.spread, strict=True):
        assert each * np.sqrt(more) == pytest.approx(z[pair], rel=1e-4)
    # A copy is another sequence where a place needs some.
    first, second = once.profile[0] * once.spread, often.profile[0] * often.spread
    enough = first != 0
    assert enough.sum() > 10
    np.testing.assert_allclose(first[enough] * np.sqrt(more), second[enough], rtol=1e-4)


def test_rows_that_lack_replicates_weigh_by_those_they_have():
    made = simulated(1, sequence_count=400, seed=5, noise=0.1)
    model = without_pairs(made)
    both = np.stack([made.expression, made.expression], axis=1)
    both[::3, 1] = np.nan
    share = np.where(np.arange(400) % 3, 1.0, 0.5).astype(np.float32)
    found = screen_pairs(model, Dataset(made.sequence, both))
    expected = screen_pairs(model, Dataset(made.sequence, made.expression, share))
    np.testing.assert_allclose(found.z, expected.z, rtol=1e-6)
    np.testing.assert_allclose(found.profile, expected.profile, rtol=1e-6)
    alike = screen_pairs(model, Dataset(made.sequence, made.expression))
    assert abs(found.z[0] - alike.z[0]) > 1e-3


def test_counts_weigh_by_the_libraries_that_they_have():
    made = simulated(0, sequence_count=300)
    spec = replace(made.spec, link="softplus")
    parameters = {**without_pairs(made).parameters, "link_scale": np.float32(1)}
    model = Model(spec, parameters, made.motif_names, noise=Poisson(library_size=(1.0, 1.0)))
    counts = np.random.default_rng(0).integers(1, 30, (300, 2)).astype(np.float32)
    counts[:, 1] = counts[:, 0]
    lacking = counts.copy()
    lacking[::2, 1] = np.nan
    share = np.where(np.arange(300) % 2, 1.0, 0.5).astype(np.float32)
    found = screen_pairs(model, Dataset(made.sequence, lacking))
    expected = screen_pairs(model, Dataset(made.sequence, counts, share))
    np.testing.assert_allclose(found.z, expected.z, rtol=1e-6)
    assert abs(found.z[0] - screen_pairs(model, Dataset(made.sequence, counts)).z[0]) > 1e-3


def test_rows_without_weight_are_refused_where_there_are_no_others():
    made = simulated(0, sequence_count=20)
    data = Dataset(made.sequence, made.expression, np.zeros(20, np.float32))
    with pytest.raises(ValueError, match="with a weight above 0, got none of 20"):
        screen_pairs(without_pairs(made), data)


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
