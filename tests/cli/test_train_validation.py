"""`cisreg train`: the held-out rows, and the messages about constant ends."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.storage import load_model

RUNNER = CliRunner()
TRAIN = ("train", "--motifs", "demo", "--recipe", "quick", "--epochs", "1")
LEFT = "GATTACAGG"


def run(status, *arguments):
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def write(path, count=80, seed=0, left=LEFT):
    random = np.random.default_rng(seed)
    lines = ["sequence\texpression\tclone\tpart\tfold"]
    parts = ["train"] * 5 + ["validation"] * 2 + ["test"]
    for row in range(count):
        sequence = left + "".join(random.choice(list("ACGT"), 34 - len(left)))
        lines.append(f"{sequence}\t{random.normal():.3f}\t{row % 10}\t{parts[row % 8]}\t{row % 4}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write(tmp_path_factory.mktemp("tables") / "train.tsv")


@pytest.mark.parametrize(
    ("options", "trained", "held_out"),
    [
        (("--split-column", "part"), 50, 20),
        (("--split-column", "4"), 50, 20),
        (("--split-column", "fold", "--fold", "2"), 60, 20),
    ],
)
def test_a_column_says_what_is_held_out(table, tmp_path, options, trained, held_out):
    output = run(0, *TRAIN, table, "--output", tmp_path / "model", *options)
    assert f"{trained} for training" in output
    assert f"{held_out} for validation" in output


def test_groups_are_held_out_whole(table, tmp_path):
    options = ("--group-column", "clone", "--validation", 0.3)
    output = run(0, *TRAIN, table, "--output", tmp_path / "model", *options)
    held_out = int(output.split(" for validation")[0].split()[-1])
    assert held_out % 8 == 0
    assert 0 < held_out < 80


@pytest.mark.parametrize("groups", [(), ("--group-column", "clone")])
def test_a_split_seed_holds_out_the_same_rows_for_every_seed(table, tmp_path, groups):
    def held_out(*seeds):
        folder = tmp_path / "_".join(map(str, seeds))
        options = ("--validation", 0.3, *groups, *seeds)
        run(0, *TRAIN, table, "--output", folder, *options)
        data = json.loads((folder / "model.json").read_text())["metadata"]["data"]
        return data["validation"]

    alone = held_out("--seed", 3)
    assert held_out("--seed", 1, "--split-seed", 3) == alone
    assert held_out("--seed", 2, "--split-seed", 3) == alone
    assert held_out("--seed", 2) != alone


def test_a_file_is_validated_with_and_shared_sequences_are_said(table, tmp_path):
    other = write(tmp_path / "other.tsv", count=30, seed=1)
    output = run(0, *TRAIN, table, "--output", tmp_path / "model", "--validation", other)
    assert "80 for training" in output
    assert "30 for validation" in output
    assert "rows to train on have the sequence" not in output
    output = run(0, *TRAIN, table, "--output", tmp_path / "same", "--validation", table)
    assert "80 rows to train on have the sequence" in output


def test_a_file_with_decimal_commas_is_read_like_the_table(table, tmp_path):
    lines = [line.split("\t") for line in table.read_text().splitlines()]
    comma = tmp_path / "comma.csv"
    comma.write_text("".join(f"{row[0]};{row[1].replace('.', ',')}\n" for row in lines))
    words = ("--decimal-comma", "--validation", comma, "--output", tmp_path / "model")
    assert "80 for validation" in run(0, *TRAIN, comma, *words)


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--fold", 2), 2, "--fold is a value of --split-column"),
        (("--split-column", "part", "--group-column", "clone"), 2, "got both"),
        (("--split-column", "part", "--validation", 0.1), 2, "got both"),
        (("--group-column", "clone", "--validation", "x.tsv"), 2, "got both"),
        (("--group-column", "clone", "--validation", 0), 2, "share above 0"),
        (("--split-seed", 1, "--split-column", "part"), 2, "expected no --split-seed"),
        (("--split-seed", 1, "--validation", "x.tsv"), 2, "expected no --split-seed"),
        (("--split-seed", 1, "--validation", 0), 2, "expected a share to hold out, got 0"),
        (("--split-column", "fold"), 1, "got 0 (20 rows), 1 (20 rows), 2 (20 rows), 3 (20 rows)"),
        (("--split-column", "fold", "--fold", 7), 1, "fold: expected one of 0 (20 rows)"),
        (("--split-column", "colour"), 1, "colour"),
        (("--validation", "missing.tsv"), 1, "expected a share or a file: missing.tsv"),
        (("--constant-left", "TTTTTTT"), 1, "constant_left: expected bases that the sequences"),
        (("--constant-left", "12x"), 1, "constant_left: expected a number of bases, or the bases"),
    ],
)
def test_what_can_mean_two_things_is_refused(table, tmp_path, options, status, message):
    output = run(status, *TRAIN, table, "--output", tmp_path / "model", *options)
    assert message in output.replace("│ ", "").replace(" │", "")


def test_constant_ends_are_chosen_said_and_kept(table, tmp_path):
    output = run(0, *TRAIN, table, "--output", tmp_path / "own")
    assert f"100.0 % of the sequences begin with {LEFT} (9 bases)" in output
    assert "--constant-ends keep" in output
    model = load_model(tmp_path / "own")
    assert (model.spec.constant_left, model.spec.constant_right) == (9, 0)
    assert model.spec.constant_ends == "context"
    kept = json.loads((tmp_path / "own" / "model.json").read_text())["metadata"]["constant_ends"]
    assert kept == {"left": {"bases": 9, "sequence": LEFT}}
    options = ("--constant-left", "gattac", "--constant-ends", "trim")
    run(0, *TRAIN, table, "--output", tmp_path / "named", *options)
    spec = load_model(tmp_path / "named").spec
    assert (spec.constant_left, spec.constant_ends) == (6, "trim")


def test_evaluate_says_where_ends_are_others_than_in_training(table, tmp_path):
    plain = write(tmp_path / "plain.tsv", left="")
    run(0, *TRAIN, plain, "--output", tmp_path / "plain")
    run(0, *TRAIN, table, "--output", tmp_path / "ends")
    output = run(0, "evaluate", tmp_path / "plain", write(tmp_path / "test.tsv", seed=3))
    assert "begin with GATTACAGG (9 bases): a motif that matches them is bound alike" in output
    output = run(0, "evaluate", tmp_path / "ends", table)
    assert "constant" not in output
    output = run(0, "evaluate", tmp_path / "ends", plain)
    assert "0.0 % of the sequences begin with GATTACAGG, a constant end of" in output
