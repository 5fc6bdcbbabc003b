"""`cisreg ensemble train`, `predict` and `evaluate`, against what Python and NumPy say."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pyarrow.csv
import pytest
from typer.testing import CliRunner
from uncertain_models import linear

from cisreg.cli import app
from cisreg.motifs import write_motifs
from cisreg.quantiles import student_width
from cisreg.recipes import Recipe
from cisreg.recipes.writing import format_recipe
from cisreg.run_folder import MODEL_FILE
from cisreg.sequences import decode
from cisreg.storage import load_model
from cisreg.training import Stage
from cisreg.training.training_run import TrainingRun
from cisreg.uncertainty import fit_ensemble, load_ensemble, member_processes

RECIPE = Recipe(
    (Stage(("activity", "bias"), epochs=3, learning_rate=0.1, batch_size=50),),
    model={"potentiation": False},
    motif_width=8,
    validation=0.0,
)


@pytest.fixture(scope="module")
def problem():
    truth, data = linear(count=150, motifs=2)
    return truth.motifs, data


@pytest.fixture(scope="module")
def folder(problem, tmp_path_factory):
    """A table with families, motifs, a recipe, and an ensemble of 3 that a command trained."""
    motifs, data = problem
    folder = tmp_path_factory.mktemp("ensemble")
    write_motifs(folder / "motifs", motifs)
    rows = zip(decode(data.sequence), data.expression, strict=True)
    lines = [f"{text}\t{number}\tfamily {i // 3}\n" for i, (text, number) in enumerate(rows)]
    (folder / "table.tsv").write_text("sequence\texpression\tplate\n" + "".join(lines))
    records = [f">p{i}\n{text}\n" for i, text in enumerate(decode(data.sequence[:40]))]
    (folder / "some.fa").write_text("".join(records))
    (folder / "recipe.toml").write_text(format_recipe(RECIPE))
    run(*train_words(folder, folder / "made"), "--members", 3)
    return folder


def train_words(folder, output):
    return (
        *("train", folder / "table.tsv", "--motifs", folder / "motifs"),
        *("--recipe", folder / "recipe.toml", "--output", output),
    )


def run(*words, code=0, stdout=False):
    result = CliRunner().invoke(app, ["ensemble", *map(str, words)])
    assert result.exit_code == code, result.output
    return " ".join((result.stdout if stdout else result.output).split())


def activities(folder, count=3):
    models = [load_model(folder / f"member_{number}") for number in range(count)]
    return np.stack([model.parameters["activity"] for model in models])


def test_members_are_those_of_the_function(problem, folder):
    motifs, data = problem
    expected = fit_ensemble(data, motifs, RECIPE, members=3)
    values = [model.parameters["activity"] for model in expected.models]
    np.testing.assert_array_equal(activities(folder / "made"), values)
    assert load_ensemble(folder / "made").resampling == "bootstrap"


def test_the_same_command_keeps_members_and_adds_more(folder, tmp_path, monkeypatch):
    run(*train_words(folder, tmp_path / "made"), "--members", 2, "--checkpoint-every", 1)
    before = activities(tmp_path / "made", 2)
    trained = []
    train = member_processes.train_member
    monkeypatch.setattr(
        member_processes,
        "train_member",
        lambda task, place: trained.append(task.number) or train(task, place),
    )
    run(*train_words(folder, tmp_path / "made"), "--members", 3)
    assert trained == [2]
    np.testing.assert_array_equal(activities(tmp_path / "made", 2), before)
    np.testing.assert_array_equal(activities(tmp_path / "made"), activities(folder / "made"))
    said = run(*train_words(folder, tmp_path / "made"), "--seed", 1, code=1)
    assert "expected an ensemble of the same seed" in said


def test_a_signal_keeps_a_checkpoint_and_the_same_command_goes_on(folder, tmp_path, monkeypatch):
    report, calls = TrainingRun._report, []

    def signalled(self, *words):
        report(self, *words)
        calls.append(1)
        if len(calls) == 5:  # of the second member
            signal.raise_signal(signal.SIGTERM)

    words = (*train_words(folder, tmp_path / "made"), "--members", 3)
    with monkeypatch.context() as changed:
        changed.setattr(TrainingRun, "_report", signalled)
        said = run(*words, code=75)
    assert "stopped: member 1: stopped by SIGTERM" in said
    assert "the same call or command goes on" in said
    assert not (tmp_path / "made" / "member_1" / MODEL_FILE).exists()
    assert list((tmp_path / "made" / "member_1" / "checkpoint").glob("*.ckpt"))
    run(*words)
    np.testing.assert_array_equal(activities(tmp_path / "made"), activities(folder / "made"))


@pytest.mark.slow
def test_a_signal_reaches_the_processes_of_members(folder, tmp_path, monkeypatch):
    """A call that trains in 2 processes ends with checkpoints, and leaves no process behind."""
    started = []
    finished = member_processes._finished

    def signalled(number, request):
        for each in finished(number, request):
            yield each
            if not started:
                started.append(1)
                os.kill(os.getpid(), signal.SIGTERM)

    words = (*train_words(folder, tmp_path / "made"), "--members", 3, "--processes", 2)
    with monkeypatch.context() as changed:
        changed.setattr(member_processes, "_finished", signalled)
        said = run(*words, code=75)
    assert "stopped: stopped by SIGTERM; finished members" in said
    run(*words)
    np.testing.assert_array_equal(activities(tmp_path / "made"), activities(folder / "made"))


def test_families_are_drawn_whole(folder, tmp_path, monkeypatch):
    drawn = []

    def noted(task, place):
        drawn.append(task.rows)
        raise ValueError("enough")

    monkeypatch.setattr(member_processes, "train_member", noted)
    run(*train_words(folder, tmp_path / "made"), "--family-column", "plate", code=1)
    times = np.bincount(drawn[0], minlength=150).reshape(50, 3)
    assert (times == times[:, :1]).all()
    assert times[:, 0].max() > 1


def table_of(path):
    return pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(delimiter="\t"))


def test_predictions_have_the_mean_the_scatter_and_students_interval(problem, folder, tmp_path):
    output = tmp_path / "out.tsv"
    words = ("predict", folder / "made", folder / "some.fa", "--output", output)
    said = run(*words, "--level", 0.8, "--members")
    assert "40 predictions of 3 members, with 80 % intervals, written to" in said
    table = table_of(output)
    codes = problem[1].sequence[:40]
    each = np.stack(
        [load_model(folder / "made" / f"member_{i}").predict(codes).expression for i in range(3)]
    ).astype(float)
    deviation = each.std(axis=0, ddof=1)
    reach = student_width(0.8, 2) * deviation * np.sqrt(1 + 1 / 3)
    assert table["name"].to_pylist() == [f"p{i}" for i in range(40)]
    for name, expected in (
        ("expression", each.mean(axis=0)),
        ("standard_deviation", deviation),
        ("lower", each.mean(axis=0) - reach),
        ("upper", each.mean(axis=0) + reach),
        ("member_2", each[2]),
    ):
        np.testing.assert_allclose(table[name], expected, rtol=1e-5)


def test_the_mean_of_the_members_is_compared_with_measurements(problem, folder):
    data = problem[1]
    found = json.loads(
        run("evaluate", folder / "made", folder / "table.tsv", "--json", stdout=True)
    )
    each = [load_model(folder / "made" / f"member_{i}").predict(data).expression for i in range(3)]
    mean, members = found["results"]["expression"][0], found["results"]["members"]
    for numbers, predicted in zip((mean, *members), (np.mean(each, axis=0), *each), strict=True):
        r = np.corrcoef(predicted, data.expression)[0, 1]
        assert np.isclose(numbers["pearson"], r, rtol=1e-5)
    shown = run("evaluate", folder / "made", folder / "table.tsv")
    assert f"{mean['pearson']:.4f}" in shown
    middle = sorted(member["pearson"] for member in members)[1]
    assert "members, median" in shown and f"{middle:.4f}" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--resume"], "run the same command again"),
        (["--overwrite"], "name another --output"),
        (["--workers=2"], "give --processes"),
        (["--family-column", "plate", "--resampling", "seeds"], "expected no --family-column"),
        (["--members", "1"], "Invalid value for '--members'"),
    ],
)
def test_options_of_a_single_run_are_refused_with_a_word(folder, tmp_path, words, message):
    said = run(*train_words(folder, tmp_path / "new"), *words, code=2)
    assert message in said.replace("│ ", "")
    assert not (tmp_path / "new").exists()


def test_folders_of_other_things_are_refused_before_anything_is_read(folder, tmp_path):
    words = ("train", tmp_path / "none.tsv", "--random-motifs", 2, "--output")
    for place, message in (
        (folder / "made" / "member_0", "got that of a single model"),
        (folder / "table.tsv", "expected a folder, or a new name for one, got a file"),
    ):
        assert message in run(*words, place, code=1)
    (tmp_path / "member_3").mkdir()
    assert "it holds member_3 and no ensemble.json" in run(*words, tmp_path, code=1)
    said = run("predict", tmp_path, folder / "some.fa", "--output", tmp_path / "a.tsv", code=1)
    assert "or of cisreg ensemble train" in said
