"""Candidates for pairs of factors, accepted where rows that were held out become more likely."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from pair_models import sharp_motifs, simulated, without_pairs
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.data import Dataset
from cisreg.interpret import screen_pairs
from cisreg.losses import Gaussian
from cisreg.pairs import pair_curves
from cisreg.recipes import accept_pairs
from cisreg.recipes.cooperativity import Gain, row_log_likelihood
from cisreg.report import plot_pair_curves, plot_pair_screen
from cisreg.sequences import decode
from cisreg.storage import save_model
from cisreg.trained_model import Model
from cisreg.writing import open_table


def test_a_gain_is_clear_above_two_standard_errors():
    assert Gain(0.21, 0.1).is_clear and not Gain(0.19, 0.1).is_clear


def test_the_likelihood_without_a_noise_model_is_normal():
    made = simulated(0, sequence_count=5)
    data = Dataset(made.sequence, made.noiseless_expression + 2)
    found = row_log_likelihood(without_pairs(made), data, 2.0)
    np.testing.assert_allclose(found, -0.5 - np.log(2 * np.sqrt(2 * np.pi)), rtol=1e-5)


def test_a_row_scatters_by_its_weight_and_its_replicates():
    made = simulated(0, sequence_count=4)
    both = np.stack([made.noiseless_expression + 2] * 2, axis=1)
    both[2:, 0] = np.nan
    data = Dataset(made.sequence, both, np.array([1, 4, 1, 4], np.float32))
    found = row_log_likelihood(without_pairs(made), data, 2.0)
    own = 2.0 / np.sqrt([1, 4, 0.5, 2])
    expected = -0.5 * (2 / own) ** 2 - np.log(own * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_weights_multiply_the_likelihood_of_a_noise_model():
    made = simulated(0, sequence_count=4)
    model = replace(without_pairs(made), noise=Gaussian(deviation=2.0))
    measured, weight = made.expression, np.array([1, 2, 3, 6], np.float32)
    alike = row_log_likelihood(model, Dataset(made.sequence, measured), 1.0)
    found = row_log_likelihood(model, Dataset(made.sequence, measured, weight), 1.0)
    np.testing.assert_allclose(found, alike * weight / 3, rtol=1e-6)


def test_rows_of_weight_0_are_none_to_train_on(caplog):
    made = simulated(0, sequence_count=40)
    weight = (np.arange(40) < 20).astype(np.float32)
    training = Dataset(made.sequence, made.expression, weight)
    held_out = Dataset(made.sequence[20:], made.expression[20:])
    options = {"recipe": "quick", "epochs": 1}
    accept_pairs(without_pairs(made), training, held_out, [("F0", "F1")], **options)
    assert "held-out rows" not in caplog.text


def test_rows_of_weight_0_decide_nothing():
    made = simulated(0, sequence_count=60)
    weight = np.ones(60, np.float32)
    weight[50:] = 0
    data = Dataset(made.sequence, made.expression, weight)
    options = {"recipe": "quick", "epochs": 1}
    model, training = without_pairs(made), data.take(np.arange(30))
    judged = [
        accept_pairs(model, training, data[30:end], [("F0", "F1")], **options) for end in (50, 60)
    ]
    assert [each.count for each in judged] == [20, 20]
    assert judged[0].gains == judged[1].gains and np.isfinite(judged[0].gains[0].mean)
    with pytest.raises(ValueError, match="held_out: expected sequences with a weight above 0"):
        accept_pairs(model, training, data[50:], [("F0", "F1")], **options)


def test_the_likelihood_of_a_row_is_of_all_its_measurements():
    made = simulated(0, sequence_count=5)
    model = replace(without_pairs(made), noise=Gaussian(deviation=2.0))
    measured = made.noiseless_expression
    one, two = (
        row_log_likelihood(model, Dataset(made.sequence, each), 1.0)
        for each in (measured, np.stack([measured, measured], axis=1))
    )
    np.testing.assert_allclose(two, 2 * one)


def test_held_out_rows_that_are_trained_on_are_said(caplog):
    made = simulated(0, sequence_count=40)
    data = Dataset(made.sequence, made.expression)
    rows = np.arange(40)
    options = {"recipe": "quick", "epochs": 1}
    model, held_out = without_pairs(made), data.take(rows >= 20)
    accept_pairs(model, data.take(rows < 20), held_out, [("F0", "F1")], **options)
    assert "held-out rows" not in caplog.text
    accept_pairs(model, data.take(rows < 23), held_out, [("F0", "F1")], **options)
    assert "3 of 20 held-out rows have the sequence" in caplog.text


@pytest.mark.slow
def test_the_true_pair_is_accepted_and_another_is_not(tmp_path):
    made = simulated(1, sequence_count=3000, seed=1, noise=0.2)
    model = without_pairs(made)
    training = Dataset(made.sequence[:2000], made.expression[:2000])
    held_out = Dataset(made.sequence[2000:], made.expression[2000:])
    (a, b) = (made.motif_names[each] for each in made.spec.pairs[0])
    others = [name for name in made.motif_names if name not in (a, b)]
    candidates = [(b, a), (others[0], others[1])]
    judged = accept_pairs(model, training, held_out, candidates, recipe="quick", epochs=6)
    assert judged.accepted == ((b, a),)
    assert judged.gain is not None and judged.gain.is_clear
    assert judged.to_table()["accepted"].to_pylist() == [True, False]
    assert judged.model.spec.pairs == (tuple(model.motif_names.index(name) for name in (b, a)),)
    plot_pair_curves(tmp_path / "curves.png", judged.model)
    assert (tmp_path / "curves.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="expected pairs that the model has not"):
        accept_pairs(judged.model, training, held_out, [(a, b)])


def test_a_plot_shows_what_two_strongest_sites_do():
    made = simulated(1, sequence_count=5)
    model = Model(made.spec, made.parameters, made.motif_names)
    lines = plot_pair_curves(None, model).axes[0].get_lines()
    ((a, b),) = made.spec.pairs
    _, curves = pair_curves(made.spec, made.parameters["pair_effect"])
    occupancy = [
        1
        / (
            1
            + np.exp(
                model.parameters["log_kd"][:, :, each].min(axis=1).sum()
                - model.parameters["log_concentration"][each]
            )
        )
        for each in (a, b)
    ]
    for line, curve in zip(lines, curves[0], strict=False):
        expected = curve * occupancy[0] * occupancy[1]
        np.testing.assert_allclose(line.get_ydata(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["weight", "precision"])
def test_the_command_weighs_rows_by_the_column_of_training(tmp_path, name):
    made = simulated(1, sequence_count=300, seed=1, noise=0.2)
    model = replace(without_pairs(made), table_columns={"sequence": "sequence", "weight": name})
    save_model(tmp_path / "model", model)
    weight = np.arange(300) % 4
    with open_table(tmp_path / "t.tsv") as write:
        table = {"sequence": decode(made.sequence), "expression": made.expression}
        write({**table, name: weight.astype(np.float32)})
    command = ["explain", "cooperativity", str(tmp_path / "model"), str(tmp_path / "t.tsv")]
    result = CliRunner().invoke(app, [*command, "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["results"]["rows"]
    data = Dataset(made.sequence, made.expression, weight.astype(np.float32))
    found = screen_pairs(model, data)
    assert [row["z"] for row in rows] == pytest.approx(found.z.tolist(), rel=1e-4)
    alike = screen_pairs(model, Dataset(made.sequence, made.expression))
    assert abs(alike.z[0] - found.z[0]) > 0.01


@pytest.mark.slow
def test_the_command_lists_plots_and_judges(tmp_path):
    made = simulated(1, sequence_count=3000, seed=1, noise=0.2)
    save_model(tmp_path / "model", without_pairs(made))
    tables = []
    for name, rows in (("train", slice(2000)), ("test", slice(2000, None))):
        tables.append(tmp_path / f"{name}.tsv")
        with open_table(tables[-1]) as write:
            write({"sequence": decode(made.sequence[rows]), "expression": made.expression[rows]})
    command = ["explain", "cooperativity", tmp_path / "model", tables[0]]
    plot = tmp_path / "pairs.png"
    result = CliRunner().invoke(app, [*map(str, command), "--plot", str(plot), "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["results"]["rows"]
    assert plot.stat().st_size > 1000
    true = {made.motif_names[each] for each in made.spec.pairs[0]}
    assert {rows[0]["first"], rows[0]["second"]} == true
    more = ["--held-out", tables[1], "--recipe", "quick", "--epochs", 5, "--candidates", 2]
    result = CliRunner().invoke(app, [*map(str, (*command, *more)), "--json"])
    assert result.exit_code == 0, result.output
    judged = json.loads(result.stdout)["results"]["rows"]
    assert judged[0]["accepted"] is True
    assert "--pair" in result.stderr


@pytest.mark.parametrize(
    "words", [("--epochs", "3"), ("--recipe", "quick"), ("--candidates", "2"), ("--q-value", "0.1")]
)
def test_options_of_held_out_rows_are_refused_without_them(words):
    result = CliRunner().invoke(app, ["explain", "cooperativity", "model", "t.tsv", *words])
    assert result.exit_code == 2
    assert f"{words[0]}: expected --held-out too" in " ".join(result.stderr.split())


def test_what_takes_no_pairs_is_refused_before_the_screen(tmp_path, monkeypatch):
    made = simulated(0, sequence_count=40)
    model = without_pairs(made)
    table = tmp_path / "t.tsv"
    with open_table(table) as write:
        write({"sequence": decode(made.sequence), "expression": made.expression})
    width = model.spec.motif_width
    exclusive = replace(
        model,
        spec=replace(model.spec, competition=True),
        column_range=np.array([[0] * len(made.motif_names), [width] * len(made.motif_names)]),
    )
    save_model(tmp_path / "model", model)
    save_model(tmp_path / "exclusive", exclusive)

    def screened(*_, **__):
        raise RuntimeError("screened")

    monkeypatch.setattr("cisreg.interpret.cooperativity.screen_pairs", screened)
    for folder, options, message in (
        ("exclusive", (), "pairs: expected none with competition=True"),
        ("model", ("--recipe", "no recipe"), "no recipe"),
        ("model", ("--pair-knots", "1000"), "pair_knots"),
        ("model", (), "screened"),
    ):
        command = ["explain", "cooperativity", tmp_path / folder, table, "--held-out", table]
        result = CliRunner().invoke(app, [*map(str, command), *options])
        assert result.exit_code != 0
        said = f"{result.output} {result.exception!r}"
        assert message in said and ("screened" in said) == (message == "screened")


def test_a_plot_needs_pairs(tmp_path):
    made = simulated(0, sequence_count=5)
    with pytest.raises(ValueError, match="expected a model with pairs"):
        plot_pair_curves(tmp_path / "curves.png", without_pairs(made))
    assert len(sharp_motifs()) == 6 and plot_pair_screen is not None
