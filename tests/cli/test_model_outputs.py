"""Models of several outputs by the commands, from a simulation to a prediction of each."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.cli.train_start import carried_over, load_earlier
from cisreg.recipes import read_recipe
from cisreg.storage import load_model

RUNNER = CliRunner()
OUTPUTS = ("--outputs", "output_1", "--outputs", "output_2")
DIFFER = ("--differ", "log_concentration", "--differ", "bias")


def succeed(*arguments: object) -> str:
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def fail(*arguments: object) -> str:
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code in (1, 2), result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.replace("│", " ").split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Simulated promoters in two conditions, and a model that was trained on them."""
    folder = tmp_path_factory.mktemp("outputs")
    succeed(
        *("simulate", "--motifs", "demo", "--outputs", 2, *DIFFER, "--missing", 0.1),
        *("--train", 3000, "--test", 400, "--length", 60, "--output", folder / "data"),
    )
    succeed(
        *("train", folder / "data/train.tsv.gz", "--motifs", "demo", "--recipe", "quick"),
        *(*OUTPUTS, *DIFFER, "--difference-l1", 0.003, "--epochs", 12),
        *("--output", folder / "model"),
    )
    return folder


def test_simulated_truth(folder):
    truth = load_model(folder / "data/truth")
    assert truth.spec.differ == ("log_concentration", "bias")
    change = np.diff(truth.parameters["log_concentration"], axis=0)[0]
    assert (change != 0).sum() == 4 and np.abs(change[change != 0]).min() >= 0.7
    with (folder / "data/factors.tsv").open() as file:
        assert "log_concentration_output_2" in next(csv.reader(file, delimiter="\t"))


def test_trained_model_and_its_recipe(folder):
    model = load_model(folder / "model")
    assert model.output_names == ("output_1", "output_2")
    assert model.table_columns["expression"] == ["output_1", "output_2"]
    recipe = read_recipe(folder / "model/recipe.toml")
    assert recipe.outputs == ("output_1", "output_2") and recipe.penalty.difference_l1 == 0.003
    with (folder / "model/factors.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {row["output"] for row in rows} == set(model.output_names) and len(rows) == 32


def test_evaluation_of_each_output(folder):
    shown = json.loads(succeed("evaluate", folder / "model", folder / "data/test.tsv.gz", "--json"))
    rows = {row["against"]: row for row in shown["results"]["expression"]}
    assert set(rows) == {"output_1", "output_2"}
    assert all(row["pearson"] > 0.6 and 300 < row["count"] < 400 for row in rows.values())
    one = json.loads(
        succeed(
            *("evaluate", folder / "model", folder / "data/test.tsv.gz", "--json"),
            *("--model-output", "output_2", "--truth", folder / "data/truth"),
        )
    )
    by_name = {row["against"]: row for row in one["results"]["expression"]}
    assert by_name["measured"]["pearson"] == pytest.approx(rows["output_2"]["pearson"])
    assert by_name["without_noise"]["pearson"] > by_name["measured"]["pearson"]


def test_predictions_of_all_outputs_or_one(folder):
    table = folder / "data/test.tsv.gz"
    both = list(
        csv.DictReader(
            succeed("predict", folder / "model", table, "--output", "-").splitlines(),
            delimiter="\t",
        )
    )
    one = list(
        csv.DictReader(
            succeed(
                *("predict", folder / "model", table, "--output", "-", "--model-output", "output_2")
            ).splitlines(),
            delimiter="\t",
        )
    )
    expression = [float(row["expression_output_2"]) for row in both]
    alone = [float(row["expression"]) for row in one]
    # Sums of terms of a few units, in float32 and another order: near 0 nothing but that is left.
    np.testing.assert_allclose(expression, alone, rtol=1e-5, atol=1e-6 * np.std(alone))


def test_tools_of_one_output_say_what_to_do(folder):
    table = folder / "data/test.tsv.gz"
    for arguments in (
        ("explain", "factors", folder / "model"),
        ("explain", "sequences", folder / "model", table),
        ("scan", table, "--model", folder / "model", "--log-kd", -5, "--output", folder / "x.bed"),
        ("export", folder / "model", "--output", folder / "old"),
        ("report", folder / "model", "--output", folder / "report.html"),
        ("explain", "diagnosis", folder / "model"),
    ):
        assert "--model-output output_1" in fail(*arguments), arguments
    shown = succeed("explain", "factors", folder / "model", "--model-output", "output_1")
    assert "Reb1" in shown
    text = fail("explain", "factors", folder / "model", "--model-output", "output_3")
    assert "expected the name of an output ('output_1', 'output_2'), got 'output_3'" in text


def test_a_saved_model_gives_all_outputs(folder):
    succeed(
        *("export", folder / "model", "--format", "savedmodel", "--output", folder / "served"),
    )
    model, loaded = load_model(folder / "model"), tf.saved_model.load(folder / "served")
    codes = np.random.default_rng(0).integers(0, 4, (3, 60)).astype(np.uint8)
    served = loaded.signatures["codes"](codes=tf.constant(codes))["expression"].numpy()
    np.testing.assert_allclose(served, model.predict(codes).expression, rtol=1e-5)
    description = json.loads((folder / "served/assets/model.json").read_text())
    assert description["outputs"]["expression"]["axes"] == ["sequence", "output_names"]


def test_options_that_mean_two_things_are_refused(folder):
    train = ("train", folder / "data/train.tsv.gz", "--motifs", "demo", "--output", folder / "x")
    assert "got both" in fail(*train, *OUTPUTS, "--expression-column", "output_1")
    assert "differ: expected what differs between the outputs" in fail(*train, *OUTPUTS)
    assert "outputs: expected the columns of two or more outputs" in fail(*train, *DIFFER)
    assert "--differ: expected nothing alone, or among" in fail(*train, *OUTPUTS, "--differ", "x")
    one = ("--outputs", "output_1", "--differ", "bias")
    assert "outputs: expected two or more different names" in fail(*train, *one)


def test_replicates_stay_replicates_and_are_a_start_for_outputs(folder, caplog):
    columns = ("--expression-column", "output_1", "--expression-column", "output_2")
    with caplog.at_level("INFO", logger="cisreg"):
        succeed(
            *("train", folder / "data/train.tsv.gz", "--motifs", "demo", "--recipe", "quick"),
            *(*columns, "--epochs", 1, "--output", folder / "replicates"),
        )
    assert load_model(folder / "replicates").spec.output_count == 1
    assert "(output_1, output_2) are taken for replicates of one number; if" in caplog.text
    # And a model of one output is a start for several.
    succeed(
        *("train", folder / "data/train.tsv.gz", "--start", folder / "replicates"),
        *("--recipe", "quick", *OUTPUTS, "--differ", "nothing", "--epochs", 1),
        *("--output", folder / "further"),
    )
    assert load_model(folder / "further").spec.output_count == 2


def test_differences_with_intervals(folder):
    table = folder / "differences.tsv"
    truth = load_model(folder / "data/truth")
    shown = succeed(
        *("explain", "differences", folder / "data/truth", folder / "data/train.tsv.gz"),
        *("--output", table),
    )
    assert "of 17 intervals leave 0 out; differences are from output_1" in shown
    with table.open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["factor"]]
    true = np.diff(truth.parameters["log_concentration"], axis=0)[0]
    held = [
        float(row["lower"]) <= each <= float(row["upper"])
        for row, each in zip(rows, true, strict=True)
    ]
    assert np.mean(held) > 0.7


def test_outputs_of_a_recipe_and_columns_of_replicates(folder):
    train = ("train", folder / "data/train.tsv.gz", "--motifs", "demo", "--output", folder / "x")
    text = fail(*train, "--recipe", folder / "model/recipe.toml", "--expression-column", "output_1")
    assert "--expression-column: expected none beside the outputs output_1, output_2" in text


def test_outputs_start_from_those_of_the_same_name(folder):
    model = load_model(folder / "model")
    earlier = load_earlier(str(folder / "model"))
    carried = carried_over(earlier, model.spec, ("output_2", "output_1"))
    for name in model.spec.differ:
        np.testing.assert_array_equal(carried[name], model.parameters[name][::-1])
    np.testing.assert_array_equal(carried["log_kd"], model.parameters["log_kd"])
    with pytest.raises(ValueError, match="whose outputs are those that are trained"):
        carried_over(earlier, model.spec, ("output_1", "output_3"))
    with pytest.raises(ValueError, match=r"are trained \(one\)"):
        carried_over(earlier, model.spec.one_output)


def test_a_penalty_on_nothing_is_said(folder):
    train = ("train", folder / "data/test.tsv.gz", "--motifs", "demo", "--recipe", "quick")
    text = RUNNER.invoke(
        app,
        [
            *map(str, train),
            *("--expression-column", "output_1", "--difference-l1", "0.1", "--pair-l1", "0.1"),
            *("--epochs", "1", "--output", str(folder / "idle")),
        ],
    ).output
    for name in ("difference-l1", "pair-l1"):
        assert f"--{name}: the model has no parameters for this penalty" in text


def test_differences_of_one_output_are_refused_before_the_table_is_read(folder):
    differences = ("explain", "differences")
    text = fail(*differences, folder / "data/truth", "nothing.tsv", "--reference", "output_9")
    assert "got 'output_9'" in text
    text = fail(*differences, folder / "idle", "nothing.tsv")
    assert "expected one of several outputs" in text


def test_pairs_are_screened_in_one_output_with_missing_measurements(folder):
    shown = succeed(
        *("explain", "cooperativity", folder / "model", folder / "data/test.tsv.gz"),
        *("--model-output", "output_2", "--factor", "Reb1", "--factor", "Abf1"),
    )
    assert "q value" in shown
