"""Training on counts and with noise models by the commands."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.losses import SortBins, StudentT
from cisreg.motifs import demo_motifs
from cisreg.sequences import decode
from cisreg.simulate import simulate
from cisreg.storage import load_model
from cisreg.writing import open_table

RUNNER = CliRunner()
TRAIN = ("train", "--motifs", "demo", "--recipe", "quick", "--epochs", "3")


def succeed(*arguments: object) -> str:
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def fail(status: int, *arguments: object) -> str:
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The same promoters as MAVE-NN has sort-seq counts, with outliers, and with replicates."""
    folder = tmp_path_factory.mktemp("tables")
    made = simulate(demo_motifs(width=30), sequence_count=1500, sequence_length=40)
    random, level = np.random.default_rng(0), made.noiseless_expression
    bins = SortBins(borders=tuple(np.quantile(level, [0.25, 0.5, 0.75])), scale=0.4)
    reads = bins.sample(level, random, random.poisson(6, 1500)).astype(int)
    sequence = pa.array(decode(made.sequence))
    several = level[:, None] + random.normal(size=(1500, 2))
    columns = {
        "bins.csv": {
            "set": pa.array(["training"] * 1400 + ["test"] * 100),
            **{f"ct_{number}": reads[:, number] for number in (1, 0, 3, 2)},
            "x": sequence,
        },
        "outliers.tsv": {
            "sequence": sequence,
            "expression": StudentT(scale=0.5, degrees=2.0).sample(level, random),
        },
        "replicates.tsv": {
            "sequence": sequence,
            "expression_1": several[:, 0],
            "expression_2": several[:, 1],
        },
        "counts.csv": {
            "set": pa.array(["training"] * 1500),
            "tot_ct": random.poisson(50, 1500),
            "ex_ct": random.poisson(20, 1500),
            "y": random.normal(size=1500),
            "x": sequence,
        },
    }
    for name, table in columns.items():
        with open_table(folder / name) as write:
            write(table)
    return folder


def rows_of(output: str, name: str) -> list[dict]:
    return json.loads(output)["results"][name]


def test_counts_of_bins_train_and_are_judged(tables, tmp_path):
    model = tmp_path / "model"
    long = ("--epochs", "15", "--loss", "sort_bins")
    succeed(*TRAIN, tables / "bins.csv", *long, "--output", model)
    loaded = load_model(model)
    assert loaded.table_columns["expression"] == ["ct_0", "ct_1", "ct_2", "ct_3"]
    assert loaded.noise.unknown == () and len(loaded.noise.borders) == 3
    assert '[loss]\nname = "sort_bins"' in (model / "recipe.toml").read_text()
    output = succeed("evaluate", model, tables / "bins.csv", "--json")
    quantities = {row["quantity"]: row for row in rows_of(output, "noise")}
    assert quantities["log_likelihood"]["nats"] < 0
    variational, predictive = (
        quantities[f"{name}_information"]["nats"] for name in ("variational", "predictive")
    )
    assert 0.1 < variational < predictive + 0.1
    text = succeed("evaluate", model, tables / "bins.csv")
    assert "variational information" in text and "bits per read" in text
    assert rows_of(output, "expression")[0]["pearson"] > 0.5
    succeed("report", model, "--output", tmp_path / "report.html")


def test_a_run_with_a_noise_model_is_resumed_by_its_recipe(tables, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = (tables / "outliers.tsv", "--loss", "student_t", "--output")
    longer = (*TRAIN[:-1], "10")
    succeed(*longer, *options, whole)
    succeed(*longer, *options, parts)
    newest = max((parts / "checkpoint").iterdir())
    newest.unlink()
    succeed(*longer, *options, parts, "--resume")
    first, second = load_model(whole), load_model(parts)
    assert first.noise == second.noise and first.noise.degrees < 6
    for name, value in first.parameters.items():
        assert value.tobytes() == second.parameters[name].tobytes(), name


def test_the_highest_r_stands_beside_r(tables, tmp_path):
    model = tmp_path / "model"
    succeed(*TRAIN, tables / "replicates.tsv", "--output", model)
    output = succeed("evaluate", model, tables / "replicates.tsv", "--json")
    (row,) = rows_of(output, "expression")
    assert 0.9 < row["highest_pearson"] < 1
    assert "highest r" in succeed("evaluate", model, tables / "replicates.tsv")
    succeed("report", model, "--output", tmp_path / "report.html")
    assert "no model reaches more than" in (tmp_path / "report.html").read_text()


def test_counts_relative_to_others_train(tables, tmp_path):
    model = tmp_path / "model"
    columns = ("--exposure-column", "tot_ct", "--expression-column", "ex_ct")
    linked = ("--loss", "negative_binomial", "--link", "exponential")
    succeed(*TRAIN, tables / "counts.csv", *columns, *linked, "--output", model)
    loaded = load_model(model)
    assert loaded.noise.exposure and loaded.noise.unknown == ()
    assert loaded.table_columns["expression"] == ["tot_ct", "ex_ct"]
    output = succeed("evaluate", model, tables / "counts.csv", "--json")
    # These counts have nothing to do with the sequences.
    predictive = rows_of(output, "noise")[2]
    assert predictive["quantity"] == "predictive_information" and abs(predictive["nats"]) < 0.1


def test_options_that_do_not_fit_are_refused(tables, tmp_path):
    table, output = tables / "bins.csv", ("--output", tmp_path / "model")
    said = fail(2, *TRAIN, table, *output, "--exposure-column", "ct_0", "--loss", "poisson")
    assert "expected --expression-column with the counts" in said
    columns = ("--expression-column", "ct_1", "--exposure-column", "ct_0")
    said = fail(1, *TRAIN, table, *output, *columns, "--loss", "huber")
    assert "expected --loss poisson or negative_binomial, got huber" in said
    said = fail(1, *TRAIN, table, *output)
    assert "--loss sort_bins" in said
    said = fail(1, *TRAIN, tables / "outliers.tsv", *output, "--loss", "poisson")
    assert "--link exponential" in said
    linked = ("--loss", "poisson", "--link", "exponential")
    said = fail(1, *TRAIN, tables / "outliers.tsv", *output, *linked)
    assert "expected counts (whole numbers of 0 or more) for poisson" in said
