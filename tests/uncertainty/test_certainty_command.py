"""`cisreg explain certainty`, the bootstrap of refits, and the plot of a profile."""

from __future__ import annotations

import numpy as np
import pyarrow.csv
import pytest
from typer.testing import CliRunner
from uncertain_models import linear, simulated

from cisreg.cli import app
from cisreg.interpret import factor_effects
from cisreg.report import plot_profile
from cisreg.sequences import decode
from cisreg.storage import save_model
from cisreg.uncertainty import estimate_certainty, profile, refit_ensemble, site_effects
from cisreg.writing import open_table


@pytest.fixture(scope="module")
def problem():
    return simulated(count=400, motifs=3, seed=1)


def test_the_command_writes_the_intervals_and_says_what_is_open(problem, tmp_path):
    truth, data = problem
    save_model(tmp_path / "model", truth)
    with open_table(tmp_path / "data.tsv") as write:
        write({"sequence": decode(data.sequence), "expression": data.expression})
    words = [
        *("explain", "certainty", str(tmp_path / "model"), str(tmp_path / "data.tsv")),
        *("--output", str(tmp_path / "intervals.tsv"), "--level", "0.5"),
    ]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "Measurements scatter around the model by" in done.output
    options = pyarrow.csv.ParseOptions(delimiter="\t")
    table = pyarrow.csv.read_csv(tmp_path / "intervals.tsv", parse_options=options)
    certainty = estimate_certainty(truth, data)
    expected = np.concatenate([certainty.effects(0.5).upper, certainty.parameters(0.5).upper])
    np.testing.assert_allclose(table["upper"].to_numpy(), expected, rtol=1e-6)
    assert table["parameter"].to_pylist()[0] == "effect"
    wrong = CliRunner().invoke(app, [*words[:4], "--level", "90"])
    assert wrong.exit_code == 1
    assert "level: expected a share between 0 and 1" in wrong.output


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
