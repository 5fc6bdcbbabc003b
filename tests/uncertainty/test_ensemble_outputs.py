"""Ensembles of several outputs: what members say of each output, and the rows that they are of."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from interpret_models import make_codes, make_model
from typer.testing import CliRunner
from uncertain_models import linear

from cisreg.cli import app
from cisreg.data import Columns, Dataset, convert, open_dataset
from cisreg.losses import SortBins
from cisreg.metrics import agreement
from cisreg.motifs import write_motifs
from cisreg.outputs import data_of_outputs
from cisreg.recipes import Recipe
from cisreg.recipes.writing import format_recipe
from cisreg.sequences import decode
from cisreg.training import Stage
from cisreg.uncertainty import Ensemble, fit_ensemble, load_ensemble

NAMES = ("glucose", "galactose")
RECIPE = Recipe(
    (Stage(("activity", "bias"), epochs=3, learning_rate=0.1, batch_size=50),),
    model={"potentiation": False, "differ": ["activity", "bias"]},
    motif_width=8,
    validation=0.0,
    outputs=NAMES,
)


def members(count=4):
    """Models of two outputs whose activities and biases differ."""
    model, random = make_model(), np.random.default_rng(0)
    spec = replace(model.spec, output_count=2, differ=("activity", "bias"))
    return [
        replace(
            model,
            spec=spec,
            parameters={
                **model.parameters,
                "activity": random.normal(2, 1, (2, 5)).astype(np.float32),
                "bias": random.normal(2, 1, 2).astype(np.float32),
            },
            output_names=NAMES,
        )
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def problem():
    """Motifs, and measurements in two conditions, of which a quarter lack one."""
    truth, data = linear(count=160, motifs=2)
    measured = np.stack([data.expression, 3 - data.expression / 2], axis=1)
    random = np.random.default_rng(2)
    lacking = np.flatnonzero(random.random(160) < 0.25)
    measured[lacking, random.integers(0, 2, len(lacking))] = np.nan
    return truth.motifs, Dataset(data.sequence, measured)


def test_predictions_of_each_output_are_those_of_its_ensemble():
    ensemble, codes = Ensemble(tuple(members()), "bootstrap"), make_codes()
    assert ensemble.expression(codes).shape == (4, len(codes), 2)
    found, change = ensemble.predict(codes), ensemble.difference(codes[:3], codes[3:6])
    for index, name in enumerate(NAMES):
        one = ensemble.output(name)
        assert not one.output_names
        alone, change_alone = one.predict(codes), one.difference(codes[:3], codes[3:6])
        for field in ("expression", "standard_error", "lower", "upper"):
            column = found.to_table()[f"{field}_{name}"].to_numpy()
            np.testing.assert_allclose(column, getattr(alone, field), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(
                getattr(change, field)[:, index], getattr(change_alone, field), atol=1e-5
            )
        activity = [model.parameters["activity"][index] for model in ensemble.models]
        effects = one.parameters()
        place = [at for at, each in enumerate(effects.parameter) if each == "activity"]
        np.testing.assert_allclose(
            effects.estimate[place], np.mean(activity, axis=0, dtype=float), rtol=1e-6
        )
    assert "layers of member" in ensemble._repr_html_()


def test_differences_are_those_of_the_members():
    models = members()
    ensemble = Ensemble(tuple(models), "bootstrap")
    found = ensemble.differences(0.9, reference="galactose")
    assert found.reference == "galactose" and set(found.output) == {"glucose"}
    assert (
        list(found.parameter) == ["activity"] * 5 + ["bias"]
        or list(found.parameter) == ["bias"] + ["activity"] * 5
    )
    for name in ("activity", "bias"):
        place = [at for at, each in enumerate(found.parameter) if each == name]
        values = np.stack([model.parameters[name] for model in models]).astype(float)
        change = (values[:, 0] - values[:, 1]).reshape(4, -1)
        error = change.std(axis=0, ddof=1) * np.sqrt(1.25)
        np.testing.assert_allclose(found.estimate[place], change.mean(axis=0), rtol=1e-6)
        # Student's quantile of 3 degrees of freedom.
        np.testing.assert_allclose(
            found.upper[place], change.mean(axis=0) + 2.35336 * error, rtol=1e-4, atol=1e-4
        )
    assert found.to_table().column_names[:4] == ["output", "reference", "parameter", "factor"]
    with pytest.raises(ValueError, match="expected one of several outputs"):
        ensemble.output("glucose").differences()
    with pytest.raises(ValueError, match="expected the name of an output"):
        ensemble.differences(reference="fructose")


def test_each_output_is_compared_with_its_own_measurements():
    ensemble, codes = Ensemble(tuple(members()), "seeds"), make_codes(30, seed=4)
    measured = np.random.default_rng(5).normal(size=(30, 2))
    measured[:7, 0] = measured[20:, 1] = np.nan
    predicted = ensemble.expression(codes).mean(axis=0)
    outputs = data_of_outputs(ensemble, Dataset(codes, measured))
    assert [name for name, _, _ in outputs] == [*NAMES]
    for index, (_, one, rows) in enumerate(outputs):
        there = np.isfinite(measured[:, index])
        expected = agreement(predicted[there, index], measured[there, index].astype("f4"))
        np.testing.assert_allclose(one.evaluate(rows).mean, expected, rtol=1e-4)


def test_what_is_of_one_output_says_how_to_take_one():
    ensemble, codes = Ensemble(tuple(members()), "seeds"), make_codes(4)
    for call in (
        ensemble.parameters,
        ensemble.effects,
        ensemble.to_table,
        lambda: ensemble.evaluate(Dataset(codes, np.ones((4, 2)))),
    ):
        with pytest.raises(ValueError, match=r"ensemble\.output\('glucose'\).*--model-output"):
            call()
    with pytest.raises(ValueError, match="values: expected"):
        ensemble.intervals_of(np.ones((4, 3)))
    with pytest.raises(ValueError, match="expected the name of an output"):
        ensemble.output("fructose")


def test_members_have_the_same_outputs():
    first, second = members(2)
    other = replace(second, output_names=("glucose", "fructose"))
    with pytest.raises(ValueError, match=r"same motifs, outputs and length .* in number 1"):
        Ensemble((first, other), "seeds")
    with pytest.raises(ValueError, match="same motifs, outputs"):
        Ensemble((first, second.output("glucose")), "seeds")


def test_tables_files_and_rows_give_the_same_members(problem, tmp_path):
    motifs, data = problem
    columns = dict(zip(NAMES, data.expression.T, strict=True))
    table = pa.table({"sequence": decode(data.sequence), **columns})
    pq.write_table(table, tmp_path / "t.parquet")
    asked = Columns(expression=NAMES)
    opened = open_dataset(tmp_path / "t.parquet", columns=asked, partly_measured=True)
    convert(opened, tmp_path / "files", order="kept")
    expected, *others = (
        fit_ensemble(source, motifs, RECIPE, members=2)
        for source in (data, tmp_path / "t.parquet", tmp_path / "files", table)
    )
    activity = [model.parameters["activity"] for model in expected.models]
    assert not np.allclose(*activity)
    for other in others:
        found = [model.parameters["activity"] for model in other.models]
        np.testing.assert_array_equal(found, activity)
    assert expected.output_names == NAMES
    assert not np.allclose(activity[0][0], activity[0][1])


def test_a_table_of_counts_is_read_as_training_reads_it(problem, tmp_path):
    motifs, data = problem
    counts = np.random.default_rng(3).poisson(5, (len(data), 3))
    # As MAVE-NN writes it.
    lines = ["set\tct_0\tct_1\tct_2\tx"]
    for text, row in zip(decode(data.sequence), counts.tolist(), strict=True):
        lines.append("\t".join(["training", *map(str, row), text]))
    (tmp_path / "t.tsv").write_text("\n".join(lines) + "\n")
    recipe = replace(RECIPE, outputs=(), model={"potentiation": False}, loss=SortBins())
    ensemble = fit_ensemble(tmp_path / "t.tsv", motifs, recipe, members=2)
    assert len(ensemble.models[0].noise.borders) == 2


def run(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else " ".join(result.output.replace("│", " ").split())


def test_the_commands(problem, tmp_path):
    motifs, data = problem
    write_motifs(tmp_path / "motifs", motifs)
    (tmp_path / "recipe.toml").write_text(format_recipe(RECIPE))
    rows = zip(decode(data.sequence), data.expression.tolist(), strict=True)
    lines = [f"{text}\t{one}\t{two}\n" for text, (one, two) in rows]
    table, made = tmp_path / "t.tsv", tmp_path / "made"
    table.write_text("sequence\tglucose\tgalactose\n" + "".join(lines))
    words = ("--motifs", tmp_path / "motifs", "--recipe", tmp_path / "recipe.toml")
    run("ensemble", "train", table, *words, "--members", 3, "--output", made)
    ensemble = load_ensemble(made)
    expected = fit_ensemble(data, motifs, RECIPE, members=3)
    for one, other in zip(ensemble.models, expected.models, strict=True):
        np.testing.assert_array_equal(one.parameters["activity"], other.parameters["activity"])
    text = run("ensemble", "predict", made, table, "--output", "-", "--members")
    shown = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    values = ensemble.expression(data.sequence)
    for index, name in enumerate(NAMES):
        column = [float(row[f"expression_{name}"]) for row in shown]
        np.testing.assert_allclose(column, values[..., index].mean(axis=0), rtol=1e-4)
        member = [float(row[f"member_2_{name}"]) for row in shown]
        np.testing.assert_allclose(member, values[2, :, index], rtol=1e-4)
    text = run(
        *("ensemble", "predict", made, table, "--output", "-", "--model-output", "galactose")
    )
    (first, *_) = csv.DictReader(text.splitlines(), delimiter="\t")
    assert [*first] == ["sequence", "expression", "standard_deviation", "lower", "upper"]
    results = json.loads(run("ensemble", "evaluate", made, table, "--json"))["results"]
    assert [row["output"] for row in results["members"]] == ["glucose"] * 3 + ["galactose"] * 3
    galactose = data_of_outputs(ensemble, data)[1]
    evaluated = galactose[1].evaluate(galactose[2])
    (row,) = (
        row
        for row in results["expression"]
        if (row["output"], row["sequences"]) == ("galactose", "mean of 3 members")
    )
    assert row["pearson"] == pytest.approx(evaluated.mean.pearson, rel=1e-6)
    assert row["count"] == len(galactose[2]) < len(data)
    one = json.loads(
        run("ensemble", "evaluate", made, table, "--json", "--model-output", "galactose")
    )["results"]
    assert one["expression"][0]["pearson"] == pytest.approx(row["pearson"], rel=1e-6)
    intervals = run("explain", "certainty", made, "--model-output", "galactose")
    assert "activity" in intervals
    assert "--model-output glucose" in run("explain", "certainty", made, code=1)
    text = run("explain", "differences", made, "--output", "-")
    shown = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    found = ensemble.differences()
    np.testing.assert_allclose([float(row["lower"]) for row in shown], found.lower, rtol=1e-4)
    for word in (table, "--decimal-comma"):
        assert "expected no TABLE" in run("explain", "differences", made, word, code=2)
    assert "expected the TABLE" in run("explain", "differences", made / "member_0", code=2)
