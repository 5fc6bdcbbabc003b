"""`cisreg explain certainty`, the bootstrap of refits, and the plot of a profile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow.csv
import pytest
from typer.testing import CliRunner
from uncertain_models import disturbed, linear, simulated

from cisreg.cli import app
from cisreg.interpret import factor_effects
from cisreg.report import plot_profile
from cisreg.sequences import decode
from cisreg.storage import save_model
from cisreg.uncertainty import estimate_certainty, profile, refit_ensemble, site_effects
from cisreg.uncertainty.coordinates import Coordinates
from cisreg.uncertainty.member_training import ENSEMBLE_FILE
from cisreg.uncertainty.normal_equations import Measured
from cisreg.uncertainty.refitting import least_squares
from cisreg.writing import open_table


@pytest.fixture(scope="module")
def problem():
    return simulated(count=400, motifs=3, seed=1)


@pytest.fixture(scope="module")
def folder(problem, tmp_path_factory):
    """The true model, what it was measured on, and an ensemble of it and two others."""
    truth, data = problem
    folder = tmp_path_factory.mktemp("certainty")
    save_model(folder / "model", truth)
    with open_table(folder / "data.tsv") as write:
        write({"sequence": decode(data.sequence), "expression": data.expression})
    (folder / "made").mkdir()
    (folder / "made" / ENSEMBLE_FILE).write_text('{"resampling": "bootstrap"}')
    for number in range(3):
        save_model(folder / "made" / f"member_{number}", disturbed(truth, seed=number))
    return folder


def run(*words, code=0):
    result = CliRunner().invoke(app, ["explain", "certainty", *map(str, words)])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def table_of(path):
    return pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(delimiter="\t"))


def test_rows_that_training_left_out_are_left_out(folder, tmp_path):
    head, *rows = (folder / "data.tsv").read_text().splitlines()
    gaps = [f"{row.split()[0]}\t" if place < 3 else row for place, row in enumerate(rows)]
    for name, lines in (("gaps.tsv", gaps), ("whole.tsv", rows[3:])):
        (tmp_path / name).write_text("\n".join([head, *lines]) + "\n")
        output = tmp_path / f"of_{name}"
        said = run(folder / "model", tmp_path / name, "--numbers", "effects", "--output", output)
        assert ("3 rows were left out" in said) == (name == "gaps.tsv")
    assert table_of(tmp_path / "of_gaps.tsv").equals(table_of(tmp_path / "of_whole.tsv"))


def test_rows_weigh_by_the_column_that_training_took(problem, folder, tmp_path):
    truth, data = problem
    rows = {"sequence": decode(data.sequence), "expression": data.expression}
    weight = np.arange(len(data)) % 3 + 1.0
    for name, own in (("weight", None), ("precision", "precision")):
        columns = {"sequence": "sequence"} | ({} if own is None else {"weight": own})
        save_model(tmp_path / name, replace(truth, table_columns=columns))
        with open_table(tmp_path / f"{name}.tsv") as write:
            write({**rows, name: weight})
        output = tmp_path / f"of_{name}.tsv"
        run(tmp_path / name, tmp_path / f"{name}.tsv", "--numbers", "effects", "--output", output)
    found = table_of(tmp_path / "of_weight.tsv")
    assert table_of(tmp_path / "of_precision.tsv").equals(found)
    run(
        folder / "model",
        folder / "data.tsv",
        "--numbers",
        "effects",
        "--output",
        tmp_path / "none.tsv",
    )
    assert not table_of(tmp_path / "none.tsv").equals(found)


def test_the_command_writes_the_intervals_and_says_what_is_open(problem, folder, tmp_path):
    truth, data = problem
    words = (folder / "model", folder / "data.tsv", "--output", tmp_path / "intervals.tsv")
    said = run(*words, "--level", "0.5")
    assert "Measurements scatter around the model by" in said
    table = table_of(tmp_path / "intervals.tsv")
    certainty = estimate_certainty(truth, data)
    expected = np.concatenate([certainty.effects(0.5).upper, certainty.parameters(0.5).upper])
    np.testing.assert_allclose(table["upper"].to_numpy(), expected, rtol=1e-6)
    assert table["parameter"].to_pylist()[0] == "effect"
    wrong = run(*words[:2], "--level", "90", code=1)
    assert "level: expected a share between 0 and 1" in wrong


def test_intervals_of_an_ensemble_are_those_of_its_members(problem, folder, tmp_path):
    run(folder / "made", "--numbers", "parameters", "--output", tmp_path / "intervals.tsv")
    table = table_of(tmp_path / "intervals.tsv").to_pydict()
    each = [disturbed(problem[0], seed=number).parameters for number in range(3)]
    values = np.stack([parameters["activity"] for parameters in each]).astype(float)
    rows = [row for row, name in enumerate(table["parameter"]) if name == "activity"]
    np.testing.assert_allclose(np.array(table["estimate"])[rows], values.mean(axis=0), rtol=1e-5)
    # Student's t of 2 degrees of freedom at 0.95.
    reach = 2.91999 * values.std(axis=0, ddof=1) * np.sqrt(4 / 3)
    np.testing.assert_allclose(
        np.array(table["upper"])[rows] - np.array(table["estimate"])[rows], reach, rtol=1e-4
    )


def test_a_profile_is_that_of_fits_at_each_value(problem, folder, tmp_path):
    truth, data = problem
    name, plot = truth.motif_names[0], tmp_path / "profile.png"
    best = estimate_certainty(truth, data)
    place = best.coordinates.index("activity", name)
    near = best.coordinates.values(best.model)[place] + best.standard_error[place] * np.r_[-2, 1]
    said = run(
        *(folder / "model", folder / "data.tsv", "--profile", "activity", "--factor", name),
        *("--values", f"{near[0]},{near[1]}", "--output", tmp_path / "profile.tsv", "--plot", plot),
    )
    table = table_of(tmp_path / "profile.tsv")
    np.testing.assert_allclose(table["value"], near)
    for value, loss in zip(near, table["loss"].to_pylist(), strict=True):
        held = {**truth.parameters, "activity": truth.parameters["activity"].copy()}
        held["activity"][0] = value
        start = replace(truth, parameters=held)
        coordinates, measured = Coordinates.of(start, None), Measured.of(start, data)
        free = np.delete(np.arange(len(coordinates)), coordinates.index("activity", name))
        again = least_squares(start, measured, coordinates, free, steps=50, threads=None)
        assert loss == pytest.approx(again.loss, rel=1e-3)
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert f"activity of {name}: " in said and "90 % interval" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model"], "expected the TABLE that the model was trained on"),
        (["made", "data.tsv"], "expected no TABLE, none of its columns, no --robust and no"),
        (["made", "--robust"], "expected no TABLE, none of its columns, no --robust and no"),
        (["made", "--decimal-comma"], "expected no TABLE, none of its columns, no --robust and no"),
        (["model", "data.tsv", "--factor", "motif_0"], "expected --profile too"),
    ],
)
def test_what_does_not_go_together_is_refused(folder, monkeypatch, words, message):
    monkeypatch.chdir(folder)
    assert message in run(*words, code=2).replace("│ ", "")


def test_effects_are_those_of_the_table_of_factors(problem):
    truth, _ = problem
    rows = factor_effects(truth).to_table().to_pylist()
    expected = {row["factor"]: row["effect"] for row in rows}
    found = dict(zip(truth.motif_names, site_effects(truth)["effect"], strict=True))
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_bootstrap_of_refits_is_as_wide_as_the_curvature_says():
    truth, data = linear(count=400)
    names = ["activity", "bias"]
    members = 60
    bootstrap = refit_ensemble(truth, data, members=members, parameters=names).parameters()
    kept = np.array([name in names for name in bootstrap.parameter])
    error = bootstrap.standard_error[kept] / np.sqrt(1 + 1 / members)
    curvature = estimate_certainty(truth, data, parameters=names).standard_error
    # A standard deviation of 60 has a standard error of 9 %; four of them, for each of five.
    np.testing.assert_allclose(error / curvature, 1, atol=4 / np.sqrt(2 * (members - 1)))
    assert (bootstrap.standard_error[~kept] == 0).all()
    with pytest.raises(ValueError, match="members: expected 2 or more"):
        refit_ensemble(truth, data, members=1)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_profile_is_drawn(ending, tmp_path):
    truth, data = linear(count=200, motifs=2)
    found = profile(truth, data, "activity", truth.motif_names[0])
    plot_profile(tmp_path / f"profile.{ending}", found)
    assert (tmp_path / f"profile.{ending}").stat().st_size > 4000
    with pytest.raises(FileExistsError):
        plot_profile(tmp_path / f"profile.{ending}", found)
