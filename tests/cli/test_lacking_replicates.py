"""Rows that lack some of several replicates: every command uses the mean of the others."""

from __future__ import annotations

import json
import logging

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.data import Columns, Dataset, open_dataset
from cisreg.losses import StudentT
from cisreg.motifs import demo_motifs
from cisreg.sequences import decode
from cisreg.simulate import simulate
from cisreg.storage import load_model
from cisreg.writing import open_table

RUNNER = CliRunner()
COLUMNS = [word for name in ("a", "b", "c") for word in ("--expression-column", name)]
TRAIN = ("--motifs", "demo", "--recipe", "quick", "--epochs", "2")
COUNT, LACKING = 300, 90
SAID = f"{LACKING} rows lack some of the 3 measurements; the others of these rows are used"


def succeed(*words):
    result = RUNNER.invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


def rows_of(output, name):
    return json.loads(output)["results"][name]


@pytest.fixture(scope="module")
def measured():
    """Sequences, and three replicates of each, of which the first rows lack one or two."""
    made = simulate(demo_motifs(width=30), sequence_count=COUNT, sequence_length=40)
    random = np.random.default_rng(0)
    level = np.asarray(made.noiseless_expression, np.float64)
    several = np.round(level[:, None] + random.normal(size=(COUNT, 3)), 3)
    several[:60, 1] = np.nan
    several[30:LACKING, 2] = np.nan
    return decode(made.sequence), several


@pytest.fixture(scope="module")
def folder(measured, tmp_path_factory):
    """The table, and a model of it."""
    folder = tmp_path_factory.mktemp("replicates")
    sequence, several = measured
    write_table(folder / "table.tsv", sequence, several)
    succeed("train", folder / "table.tsv", *COLUMNS, *TRAIN, "--output", folder / "model")
    return folder


def write_table(path, sequences, several, gap="NA"):
    rows = [
        "\t".join([text, *(gap if np.isnan(each) else f"{each:.3f}" for each in values)])
        for text, values in zip(sequences, several, strict=True)
    ]
    path.write_text("\n".join(["sequence\ta\tb\tc", *rows]) + "\n")


def parameters_of(folder):
    return {name: each.tobytes() for name, each in load_model(folder).parameters.items()}


def test_training_uses_them_and_says_once_how_many(folder, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        words = ("train", folder / "table.tsv", *COLUMNS, *TRAIN, "--output", tmp_path / "m")
        succeed(*words)
    assert caplog.text.count("lack some of") == 1 and SAID in caplog.text
    assert "rows were left out" not in caplog.text
    described = load_model(tmp_path / "m").metadata["data"]
    assert described["training"]["rows"] + described["validation"]["rows"] == COUNT


def test_converted_files_give_the_same_training_to_the_bit(folder, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        succeed(
            *("convert", folder / "table.tsv", *COLUMNS, "--order", "kept"),
            *("--output", tmp_path / "files"),
        )
    assert SAID in caplog.text
    succeed("train", tmp_path / "files", *TRAIN, "--output", tmp_path / "m")
    assert parameters_of(tmp_path / "m") == parameters_of(folder / "model")
    succeed("train", tmp_path / "files", *TRAIN, "--cache", "none", "--output", tmp_path / "stream")
    streamed = load_model(tmp_path / "stream").metadata["data"]
    assert streamed["training"]["rows"] + streamed["validation"]["rows"] == COUNT


@pytest.mark.parametrize("word", ["low", "inf", "1e99"])
def test_what_is_no_number_is_a_fault_and_not_missing(word, folder, tmp_path, caplog):
    head, first, *others = (folder / "table.tsv").read_text().splitlines()
    fields = first.split("\t")
    wrong = "\t".join([*fields[:2], word, fields[3]])
    (tmp_path / "t.tsv").write_text("\n".join([head, wrong, *others]) + "\n")
    words = ("train", tmp_path / "t.tsv", *COLUMNS, *TRAIN, "--output", tmp_path / "m")
    with caplog.at_level(logging.INFO):
        succeed(*words)
    reason = "a measurement that is neither a finite number nor missing"
    assert f"1 rows were left out: 1 with {reason} (first: {tmp_path}/t.tsv:2)" in caplog.text
    result = RUNNER.invoke(app, [str(each) for each in (*words, "--strict", "--overwrite")])
    assert result.exit_code == 1
    assert "t.tsv:2: expected finite numbers, or an empty field or NA" in result.output


def test_certainty_is_that_of_the_means_with_the_weights_of_their_numbers(
    folder, measured, tmp_path, caplog
):
    """Least squares of replicates is that of their means, of k with the weight k."""
    sequence, several = measured
    known = np.isfinite(several).sum(axis=1)
    with open_table(tmp_path / "means.tsv") as write:
        mean = np.nanmean(np.float32(several).astype(np.float64), axis=1)
        write({"sequence": pa.array(sequence), "expression": mean, "weight": known / 3})
    with caplog.at_level(logging.INFO):
        succeed(
            *("explain", "certainty", folder / "model", folder / "table.tsv", *COLUMNS),
            *("--output", tmp_path / "own.tsv"),
        )
    assert SAID in caplog.text
    succeed(
        *("explain", "certainty", folder / "model", tmp_path / "means.tsv"),
        *("--output", tmp_path / "expected.tsv"),
    )
    own, expected = (
        pyarrow.csv.read_csv(
            tmp_path / name, parse_options=pyarrow.csv.ParseOptions(delimiter="\t")
        )
        for name in ("own.tsv", "expected.tsv")
    )
    assert len(own) > 16
    for name in ("estimate", "lower", "upper"):
        np.testing.assert_allclose(own[name], expected[name], rtol=2e-3, atol=2e-3)


def test_evaluate_keeps_them_with_a_noise_model_too(folder, measured, tmp_path):
    _, several = measured
    table = folder / "table.tsv"
    for loss in ((), ("--loss", "gaussian")):
        model = tmp_path / f"model{len(loss)}"
        succeed("train", table, *COLUMNS, *TRAIN, *loss, "--output", model)
        output = succeed("evaluate", model, table, *COLUMNS, "--json")
        (row,) = rows_of(output, "expression")
        assert row["count"] == COUNT and 0.5 < row["highest_pearson"] < 1
        if loss:
            (likelihood, *_) = rows_of(output, "noise")
            assert likelihood["measurements"] == np.isfinite(several).sum()
        page = tmp_path / f"{len(loss)}.html"
        succeed("report", model, "--output", page)
        assert "does not hold the rows" not in page.read_text()


def test_an_ensemble_uses_them(folder, tmp_path, caplog):
    table = folder / "table.tsv"
    with caplog.at_level(logging.INFO):
        succeed(
            *("ensemble", "train", table, *COLUMNS, *TRAIN, "--members", 2),
            *("--output", tmp_path / "e"),
        )
        succeed("ensemble", "evaluate", tmp_path / "e", table, *COLUMNS)
    assert caplog.text.count(SAID) == 2 and "were left out" not in caplog.text


def test_check_says_how_many_lack_some_and_how_the_others_agree(folder, tmp_path):
    output = succeed("check", folder / "table.tsv", *COLUMNS, "--json")
    findings = {row["check"]: row for row in rows_of(output, "findings")}
    assert findings["rows left out"]["finding"] == "All rows can be used."
    said = findings["replicates"]
    assert f"{LACKING} of {COUNT} rows (30.0 %) lack some of them" in said["finding"]
    assert "give them as --outputs" in said["advice"]
    assert 0.5 < said["number"] < 1
    lines = ["sequence\ta\tb\tc", "ACGTACGT\t1\t\t2", "ACGTTTGT\t\t3\t2", "ACCTACGT\t1\t2\t"]
    (tmp_path / "none.tsv").write_text("\n".join(lines) + "\n")
    output = RUNNER.invoke(app, ["check", str(tmp_path / "none.tsv"), *COLUMNS]).output
    assert "Whether the 3 measurements of a sequence agree is not known" in output


def test_bins_and_exposures_are_no_replicates(tmp_path):
    lines = ["sequence\ta\tb\tc", "ACGT\t5\t1\t2", "ACGT\t5\t\t2", "ACGT\t\t1\t2", "ACGT\t5\t\t"]
    (tmp_path / "t.tsv").write_text("\n".join(lines) + "\n")
    kept = {}
    for counted in (None, "exposure", "bins"):
        columns = Columns(expression=("a", "b", "c"), counted=counted)
        data = open_dataset(tmp_path / "t.tsv", columns=columns, partly_measured=True)
        kept[counted] = len(data.load())
    assert kept == {None: 4, "exposure": 2, "bins": 1}


def test_a_word_beside_the_records_of_fasta_is_a_fault(tmp_path):
    records = "".join(f">r{number}\nACGT\n" for number in range(4))
    (tmp_path / "s.fa").write_text(records)
    rows = ["name\ta\tb", "r0\t1\t2", "r1\t\t2", "r2\tlow\t2", "r3\t\t"]
    (tmp_path / "m.tsv").write_text("\n".join(rows) + "\n")
    how = {"columns": Columns(expression=("a", "b")), "measurements": tmp_path / "m.tsv"}
    data = open_dataset(tmp_path / "s.fa", partly_measured=True, **how).load()
    np.testing.assert_array_equal(data.expression, [[1, 2], [np.nan, 2]])
    with pytest.raises(ValueError, match=r"m\.tsv:4: expected finite numbers, .*'low'"):
        open_dataset(tmp_path / "s.fa", partly_measured=True, strict=True, **how)


def test_a_function_of_ones_own_says_whether_it_takes_them(measured):
    import tensorflow as tf

    from cisreg import train

    def loss(predicted, measured):
        there = tf.math.is_finite(measured)
        known = tf.where(there, measured, tf.zeros_like(measured))
        squared = tf.where(there, (predicted[:, None] - known) ** 2, tf.zeros_like(known))
        return tf.reduce_mean(tf.reduce_mean(squared, axis=1))

    sequence, several = measured
    data = Dataset(sequence, several)
    from cisreg.recipes import read_recipe

    recipe = read_recipe("quick").override(epochs=1)
    with pytest.raises(ValueError, match="takes_missing"):
        train(data, demo_motifs(width=30), recipe, loss=loss, progress=False)
    loss.takes_missing = True
    own = train(data, demo_motifs(width=30), recipe, loss=loss, progress=False)
    assert len(own.training) + len(own.validation) == COUNT
    noisy = train(data, demo_motifs(width=30), recipe, loss=StudentT(), progress=False)
    assert np.isfinite(noisy.model.parameters["bias"])


def test_a_replicate_without_any_measurement_is_refused(measured, tmp_path):
    sequence, several = measured
    write_table(tmp_path / "table.tsv", sequence, np.where([True, False, True], several, np.nan))
    words = ("train", tmp_path / "table.tsv", *COLUMNS, *TRAIN, "--output", tmp_path / "model")
    result = RUNNER.invoke(app, [str(word) for word in words])
    assert result.exit_code == 1
    expected = "expected measurements of every replicate, got none in column 2 of 3; leave this"
    assert expected in " ".join(result.output.replace("│", "").split())
