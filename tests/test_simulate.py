"""Simulated data: the documented scale, noise, true parameters and repeatability."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cisreg.model import predict
from cisreg.motifs import MotifSet, demo_motifs
from cisreg.numpy import exclusive_occupancy
from cisreg.simulate import simulate
from cisreg.trained_model import Model


@pytest.fixture(scope="module")
def motifs():
    return demo_motifs(width=17)


@pytest.fixture(scope="module")
def simulation(motifs):
    return simulate(motifs, sequence_count=2500, seed=3, noise=0.2)


def test_shapes_types_and_names_follow_the_specification(simulation, motifs):
    assert simulation.sequence.shape == (2500, 110)
    assert simulation.sequence.dtype == np.uint8
    assert simulation.sequence.max() == 3
    assert simulation.expression.dtype == simulation.noiseless_expression.dtype == np.float32
    assert simulation.motif_names == motifs.names
    shapes = {name: value.shape for name, value in simulation.parameters.items()}
    assert shapes == {
        name: tuple(shape) for name, shape in simulation.spec.parameter_shapes.items()
    }
    assert {value.dtype for value in simulation.parameters.values()} == {np.dtype(np.float32)}


def test_expression_is_the_models_prediction_plus_the_stated_noise(simulation):
    prediction = predict(simulation.spec, simulation.parameters, simulation.sequence)
    np.testing.assert_allclose(
        simulation.noiseless_expression, np.asarray(prediction.expression), atol=1e-4
    )
    noise = simulation.expression - simulation.noiseless_expression
    assert noise.var() / simulation.expression.var() == pytest.approx(0.2, abs=0.03)
    correlation = np.corrcoef(noise, simulation.noiseless_expression)[0, 1]
    assert abs(correlation) < 4 / np.sqrt(len(noise))


@pytest.mark.parametrize("link", ["identity", "logistic", "softplus", "exponential"])
def test_models_with_links_and_positions_are_predicted_alike(motifs, link):
    layers = {"link": link, "positional_potentiation": True}
    made = simulate(motifs, sequence_count=400, seed=2, **layers)
    assert made.spec.link == link and made.spec.positional_potentiation
    found = predict(made.spec, made.parameters, made.sequence)
    scale = made.noiseless_expression.std()
    np.testing.assert_allclose(found.expression, made.noiseless_expression, atol=1e-4 * scale)
    weight = made.parameters["potentiation_position_weight"]
    np.testing.assert_allclose(weight.mean(axis=1), 1, rtol=1e-5)
    assert (weight.max(axis=1) > 2).all()
    # Neither end of a link holds most of the promoters.
    low, high = np.quantile(made.noiseless_expression, [0.05, 0.95])
    spread = np.ptp(made.noiseless_expression)
    assert high - low > {"exponential": 0.05}.get(link, 0.3) * spread


@pytest.mark.parametrize("nucleosome", [False, True])
def test_competition_is_predicted_alike(motifs, nucleosome):
    made = simulate(
        motifs, sequence_count=400, sequence_length=160, competition=True, nucleosome=nucleosome
    )
    assert made.spec.competition and made.spec.nucleosome == nucleosome
    np.testing.assert_array_equal(made.column_range, motifs.column_range())
    found = predict(made.spec, made.parameters, made.sequence, column_range=made.column_range)
    np.testing.assert_allclose(found.expression, made.noiseless_expression, atol=1e-4)
    if nucleosome:
        bound = exclusive_occupancy(
            *(made.sequence, made.parameters["log_kd"], made.parameters["log_concentration"]),
            column_range=made.column_range,
            competitor_width=[147],
            competitor_log_odds=[made.parameters["nucleosome_log_odds"]],
        ).competitors
        # One fits.
        assert bound.mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_accessibility_and_expression_spread_without_saturating(motifs, seed):
    simulation = simulate(motifs, sequence_count=1500, seed=seed)
    prediction = predict(simulation.spec, simulation.parameters, simulation.sequence)
    accessibility = np.asarray(prediction.accessibility)
    assert 0.3 < np.median(accessibility) < 0.7
    assert accessibility.std() > 0.15
    assert np.mean((accessibility < 0.005) | (accessibility > 0.995)) < 0.02
    assert np.mean((simulation.expression > 0) & (simulation.expression < 17)) > 0.9
    assert simulation.expression.std() > 1.5


def test_every_factor_has_an_effect_to_learn_from(simulation):
    binding = np.asarray(
        predict(
            dataclasses.replace(simulation.spec, potentiation=False),
            {
                name: value
                for name, value in simulation.parameters.items()
                if not name.startswith("potentiation")
            },
            simulation.sequence,
        ).binding
    )
    assert (np.mean(binding > 0.3, axis=0) > 0.02).all()
    assert (np.mean(binding < 0.3, axis=0) > 0.02).all()


def test_planted_sites_are_on_both_strands_and_raise_binding(motifs):
    reb1 = motifs["Reb1"]
    planted = simulate(reb1, sequence_count=400, planted_sites=3, seed=1)
    background = simulate(reb1, sequence_count=400, planted_sites=0, seed=1)
    text = ["".join("ACGT"[code] for code in row) for row in planted.sequence]
    forward = sum(row.count("TTACCCG") for row in text)
    reverse = sum(row.count("CGGGTAA") for row in text)
    # 3 sites in each of 400 promoters, on either strand; 0.94 of the bases are intact.
    assert forward + reverse == pytest.approx(1200 * 0.94**7, rel=0.15)
    assert forward / (forward + reverse) == pytest.approx(0.5, abs=0.08)
    letters = "".join("".join("ACGT"[code] for code in row) for row in background.sequence)
    assert letters.count("TTACCCG") < 20


def test_the_same_seed_repeats_and_another_does_not(motifs):
    first, again, other = (simulate(motifs, sequence_count=50, seed=seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.sequence, again.sequence)
    np.testing.assert_array_equal(first.expression, again.expression)
    assert (first.sequence != other.sequence).any()
    assert (first.parameters["activity"] != other.parameters["activity"]).all()


def test_the_factors_do_not_depend_on_the_number_of_sequences(motifs):
    few, many = (simulate(motifs, sequence_count=count, seed=7) for count in (1, 60))
    for name, value in few.parameters.items():
        np.testing.assert_array_equal(value, many.parameters[name])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sequence_count": 0}, "sequence_count: expected 1 or more, got 0"),
        ({"sequence_length": 16}, "sequence_length: expected 17 or more, the widest motif, got 16"),
        ({"noise": 1.0}, "noise: expected a share of the variance, 0 <= noise < 1, got 1.0"),
        ({"noise": float("nan")}, "noise: expected"),
        ({"planted_sites": -1}, "planted_sites: expected 0 to 110 per promoter, got -1"),
    ],
)
def test_bad_arguments_are_named(motifs, arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate(motifs, **{"sequence_count": 10, **arguments})


@pytest.mark.parametrize(
    "matrix",
    [np.zeros((3, 4)), np.full((3, 4), 30.0), np.full((5, 4), -1e30)],
)
def test_motifs_that_bind_alike_everywhere_are_refused(matrix):
    motifs = MotifSet.from_matrices(["a", "b"], [matrix] * 2)
    with pytest.raises(ValueError, match="motif_set: expected motifs"):
        simulate(motifs, sequence_count=5)


@pytest.mark.parametrize("name", ["heteroscedastic", "student_t", "huber", "sort_bins"])
def test_other_noise_has_the_likelihood_of_its_noise_model(motifs, name):
    made = simulate(motifs, sequence_count=3000, noise=0.3, measured_as=name)
    assert made.noise.name == name
    logs = made.noise.log_likelihood(made.noiseless_expression, made.expression).numpy()
    shuffled = made.noise.log_likelihood(made.noiseless_expression[::-1], made.expression).numpy()
    assert logs.mean() > shuffled.mean() + 0.1
    assert np.isfinite(made.expression).all()


@pytest.mark.parametrize("name", ["poisson", "negative_binomial"])
def test_counts_of_two_libraries(motifs, name):
    made = simulate(
        motifs, sequence_count=3000, link="exponential", measured_as=name, reads=30, noise=0.2
    )
    assert made.spec.link == "exponential"
    assert made.expression.shape == (3000, 2)
    np.testing.assert_array_equal(made.expression, np.rint(made.expression))
    assert made.expression.sum(axis=1).mean() == pytest.approx(30, rel=0.1)
    prediction = predict(made.spec, made.parameters, made.sequence).expression
    np.testing.assert_allclose(made.noiseless_expression, prediction, rtol=1e-3)


def test_reads_of_sequences_are_uneven(motifs):
    made = simulate(motifs, sequence_count=2000, measured_as="sort_bins", reads=10)
    reads = made.expression.sum(axis=1)
    assert made.expression.shape == (2000, 10)
    assert reads.min() >= 1 and reads.mean() == pytest.approx(10, rel=0.1)
    assert reads.std() > 5


def test_counts_need_expression_above_0(motifs):
    with pytest.raises(ValueError, match=r"expected expression above 0 for counts.*exponential"):
        simulate(motifs, sequence_count=500, measured_as="poisson")


def test_pairs_act_in_the_true_model_and_leave_all_else_as_it_is():
    motifs = demo_motifs(width=30)
    how = {"sequence_count": 300, "noise": 0.0, "seed": 3}
    plain, made = simulate(motifs, **how), simulate(motifs, pairs=2, **how)
    assert len(made.spec.pairs) == 2 and len(set(sum(made.spec.pairs, ()))) == 4
    predicted = Model(made.spec, made.parameters, made.motif_names).predict(made.sequence)
    np.testing.assert_allclose(predicted.expression, made.noiseless_expression, atol=1e-4)
    effect = made.parameters["pair_effect"]
    assert (np.abs(effect).max(axis=2) > 0).sum(axis=1).tolist() == [1, 1]  # one orientation
    assert effect[0].max() > 0 > effect[1].min()
    unchanged = (plain.sequence == made.sequence).all(axis=1).mean()
    assert 0.15 < unchanged < 0.4  # sites of each pair in half of the promoters
    assert simulate(motifs, pairs=2, **how).expression.tolist() == made.expression.tolist()
    with pytest.raises(ValueError, match="expected 0 to 120 pairs of 16 motifs, got 121"):
        simulate(motifs, pairs=121, **how)
