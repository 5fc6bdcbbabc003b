"""The commands on tiny data, in the order in which a user runs them."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import json
import re
import shutil

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
import tensorflow as tf
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.cli.commands import message_of
from cisreg.cli.options import column
from cisreg.cli.train_start import carried_over, load_earlier
from cisreg.data import read_dataset
from cisreg.model import strand_binding
from cisreg.motifs import demo_motifs, write_motifs
from cisreg.storage import load_model

RUNNER = CliRunner()
SIMULATE = ("simulate", "--motifs", "demo", "--train", "300", "--test", "60", "--length", "40")
TRAIN = ("train", "--motifs", "demo", "--recipe", "quick", "--epochs", "2")


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
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "data"
    succeed(*SIMULATE, "--output", folder)
    return folder


@pytest.fixture(scope="module")
def model(data):
    folder = data.parent / "model"
    output = succeed(*TRAIN, data / "train.tsv.gz", "--output", folder)
    training, validation = part_sizes(output)
    assert training + validation == 300
    assert 10 <= validation <= 60
    return folder


def part_sizes(output):
    """Number of sequences for training and for validation, from the output of train."""
    return [int(count) for count in re.findall(r"(\d+) for (?:training|validation)", output)]


def test_simulate_writes_what_the_truth_model_predicts_plus_noise(data):
    truth = load_model(data / "truth")
    test = read_dataset(data / "test.tsv.gz")
    assert len(read_dataset(data / "train.tsv.gz")) == 300
    assert test.sequence.shape == (60, 40)
    r = np.corrcoef(truth.predict(test.sequence).expression, test.expression)[0, 1]
    assert 0.85 < r < 0.999
    factors = (data / "factors.tsv").read_text().splitlines()
    assert factors[0].split("\t") == ["motif", "log_concentration", "activity", "potentiation"]
    name, *numbers = factors[1].split("\t")
    assert name == truth.motif_names[0]
    assert float(numbers[1]) == pytest.approx(float(truth.parameters["activity"][0]), rel=1e-6)


def test_train_leaves_model_recipe_metrics_and_checkpoint(model):
    records = [json.loads(line) for line in (model / "metrics.jsonl").read_text().splitlines()]
    assert [(record["stage"], record["epoch"]) for record in records] == [
        *((1, 1), (1, 2), (2, 1), (2, 2))
    ]
    assert load_model(model).metadata["padding_side"] == "left"
    assert list((model / "checkpoint").glob("checkpoint-*.ckpt"))


def test_a_run_repeated_with_its_own_recipe_gives_the_same_bits(data, model, tmp_path):
    again = tmp_path / "again"
    succeed(
        *("train", data / "train.tsv.gz", "--motifs", "demo", "--recipe", model / "recipe.toml"),
        *("--output", again),
    )
    assert_same_parameters(again, model)


def test_fasta_with_a_table_trains_as_the_table_with_both(data, model, tmp_path):
    with gzip.open(data / "train.tsv.gz", "rt") as lines:
        rows = [line.split() for line in lines if line.startswith(("A", "C", "G", "T"))]
    fasta, table = tmp_path / "train.fa", tmp_path / "measured.tsv"
    fasta.write_text("".join(f">promoter{at}\n{row[0]}\n" for at, row in enumerate(rows)))
    table.write_text("".join(f"promoter{at}\t{row[1]}\n" for at, row in enumerate(rows)))
    folder = tmp_path / "model"
    succeed(*TRAIN, fasta, "--measurements", table, "--output", folder)
    assert_same_parameters(folder, model)


def test_resume_after_the_end_gives_the_same_model(data, model, tmp_path):
    before = load_model(model)
    (model / "model.json").rename(tmp_path / "model.json")
    succeed(*TRAIN, data / "train.tsv.gz", "--output", model, "--resume")
    after = load_model(model)
    for name, value in before.parameters.items():
        np.testing.assert_array_equal(value, after.parameters[name])


def assert_same_parameters(first, second):
    first, second = load_model(first), load_model(second)
    assert first.spec == second.spec
    for name, value in first.parameters.items():
        np.testing.assert_array_equal(value, second.parameters[name], err_msg=name)


def test_layers_and_penalties_override_the_recipe(data, tmp_path):
    printed = succeed(
        *(*TRAIN, data / "train.tsv.gz", "--output", tmp_path, "--epochs", 1, "--validation", 0),
        *("--positional", "--position-knots", 5, "--stranded", "--no-potentiation"),
        *("--patience", 7, "--motif-pull", 0.25, "--motif-width", 18, "--json"),
    )
    content = json.loads(printed)
    assert [each["stage"] for each in content["results"]["stages"]] == [1, 2]
    assert content["results"]["stages"][0]["validation_r"] is None
    (training,) = content["results"]["expression"]
    assert (training["sequences"], training["count"]) == ("training", 300)
    assert content["messages"][0].startswith(f"Model written to {tmp_path}")
    spec = load_model(tmp_path).spec
    assert (spec.positional, spec.position_knots, spec.stranded) == (True, 5, True)
    assert not spec.potentiation
    assert spec.motif_width == 18
    recipe = (tmp_path / "recipe.toml").read_text()
    assert "motif_pull = 0.25" in recipe and recipe.count("patience = 7") == 1
    assert "validation = 0.0" in recipe


def test_pairs_are_trained_stored_and_start_from_an_earlier_model(data, tmp_path):
    table, first, second = data / "train.tsv.gz", tmp_path / "first", tmp_path / "second"
    short = ("--epochs", 1, "--validation", 0, "--pair-distance", 30, "--pair-knots", 11)
    a, b, c = load_model(data / "truth").motif_names[:3]
    succeed(*TRAIN, table, "--output", first, *short, "--pair", f"{a}:{b}", "--pair-l1", 0.01)
    model = load_model(first)
    assert model.spec.pairs == ((0, 1),) and np.abs(model.parameters["pair_effect"]).max() > 0
    assert json.loads((first / "model.json").read_text())["pairs"] == [[a, b]]
    assert f'pairs = [["{a}", "{b}"]]' in (first / "recipe.toml").read_text()
    # The earlier pair, named the other way round, keeps its curves; the new one begins at 0.
    pairs = ("--pair", f"{c}:{c}", "--pair", f"{b}:{a}")
    succeed(*TRAIN, table, "--output", second, *short, *pairs, "--start", first)
    assert load_model(second).spec.pairs == ((2, 2), (1, 0))
    carried = carried_over(load_earlier(str(first)), load_model(second).spec)["pair_effect"]
    same, opposite = model.parameters["pair_effect"][0]
    np.testing.assert_allclose(carried[1], [same[::-1], opposite], atol=1e-6)
    assert not carried[0].any()
    message = fail(1, *TRAIN, table, "--output", tmp_path / "third", "--pair", f"{a}-{b}")
    assert "--pair: expected two names of motifs" in message and "no two of them" in message


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_train_in_mixed_precision(data, tmp_path, precision):
    arguments = (*TRAIN, data / "train.tsv.gz", "--output", tmp_path, "--epochs", 1)
    succeed(*arguments, "--precision", precision)
    assert f'precision = "{precision}"' in (tmp_path / "recipe.toml").read_text()
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [record["loss_scale"] is not None for record in records] == [
        precision == "mixed_float16"
    ] * 2
    # The recipe saved with the model contains the precision, so the run resumes with it.
    (tmp_path / "model.json").unlink()
    succeed("train", data / "train.tsv.gz", "--motifs", "demo", "--output", tmp_path, "--resume")
    refused = fail(1, *arguments, "--resume", "--precision", "float32")
    assert "another precision" in refused


def test_precision_of_another_name_is_refused(data, tmp_path):
    fail(2, *TRAIN, data / "train.tsv.gz", "--output", tmp_path, "--precision", "float16")


def test_predict_and_evaluate_compute_in_16_bits_where_asked(data, model, tmp_path):
    table = data / "test.tsv.gz"
    expression, reports = {}, []
    for dtype in ("float32", "bfloat16"):
        output = tmp_path / f"{dtype}.tsv"
        options = ("--compute-dtype", dtype, "--implementation", "standard")
        succeed("predict", model, table, "--output", output, *options)
        lines = output.read_text().splitlines()[1:]
        expression[dtype] = np.array([line.split("\t")[1] for line in lines], float)
        reports.append(succeed("evaluate", model, table, "--json", *options))
    assert reports[0] != reports[1]
    difference = np.abs(expression["bfloat16"] - expression["float32"]).max()
    assert 0 < difference < 0.1 * np.ptp(expression["float32"])


def test_tensorboard_logs_are_written_beside_the_model(data, tmp_path):
    pytest.importorskip("tensorboard")
    succeed(*(*TRAIN, data / "train.tsv.gz", "--output", tmp_path, "--epochs", 1, "--tensorboard"))
    assert list((tmp_path / "tensorboard").iterdir())


def test_missing_tensorboard_is_said_before_training(data, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    arguments = (*TRAIN, data / "train.tsv.gz", "--output", tmp_path / "model", "--tensorboard")
    assert "pip install tensorboard" in fail(1, *arguments)
    assert not (tmp_path / "model").exists()


def test_train_reads_concentrations_and_the_table_of_the_likelihood(data, tmp_path):
    factors = [line.split("\t")[:2] for line in (data / "factors.tsv").read_text().splitlines()]
    concentrations, deviations = tmp_path / "concentrations.tsv", tmp_path / "deviations.tsv"
    concentrations.write_text("".join("\t".join(each) + "\n" for each in factors[1:]))
    deviations.write_text("".join(f"{mean}\t0.5\n" for mean in range(20)))
    arguments = (*TRAIN, data / "train.tsv.gz", "--epochs", 1, "--concentrations", concentrations)
    output = tmp_path / "model"
    succeed(*arguments, "--likelihood", deviations, "--output", output)
    # In each of these few steps, Adam moves a parameter by at most its learning rate.
    learned = load_model(output).parameters["log_concentration"]
    np.testing.assert_allclose(learned, [float(each[1]) for each in factors[1:]], atol=0.1)
    deviations.write_text("0\t0.5\nmany\t0.5\n")
    message = fail(1, *arguments, "--likelihood", deviations, "--output", tmp_path / "other")
    assert f"{deviations}:2: " in message


def test_predict_writes_expression_accessibility_and_binding_of_both_strands(data, model, tmp_path):
    table = data / "test.tsv.gz"
    learned, dataset = load_model(model), read_dataset(table)
    expected = learned.predict(dataset.sequence).expression
    # The batches differ in size from the table, and the last one is smaller.
    for name, read in (
        ("p.tsv", lambda path: pyarrow.csv.read_csv(path, parse_options=TABS)),
        ("p.tsv.gz", lambda path: pyarrow.csv.read_csv(path, parse_options=TABS)),
        ("p.parquet", pyarrow.parquet.read_table),
    ):
        path = tmp_path / name
        succeed("predict", model, table, "--output", path, "--binding", "--batch-size", 25)
        written = read(path)
        np.testing.assert_allclose(written["expression"], expected, rtol=1e-6)
        binding = strand_binding(learned.spec, learned.parameters, dataset.sequence).numpy()
        for index, motif in enumerate(learned.motif_names):
            for strand, direction in enumerate(("forward", "reverse")):
                np.testing.assert_allclose(
                    written[f"{direction}_{motif}"], binding[:, strand, index], rtol=1e-5
                )
        accessibility = np.asarray(written["accessibility"])
        assert ((accessibility > 0) & (accessibility < 1)).all()
        with gzip.open(table, "rt") as lines:
            sequences = [line.split("\t")[0] for line in lines][1:]
        assert written["sequence"].to_pylist() == sequences


TABS = pyarrow.csv.ParseOptions(delimiter="\t")


def test_predict_needs_sequences_alone_and_pads_them_as_in_training(model, tmp_path):
    table, output = tmp_path / "sequences.txt", tmp_path / "predictions.csv"
    table.write_text("ACGTACGTAC\n" + "A" * 30 + "ACGTACGTAC\n")
    succeed("predict", model, table, "--output", output)
    header, padded, _ = output.read_text().splitlines()
    assert header == "sequence,expression,accessibility"
    codes = np.array([[4] * 30 + [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]], np.uint8)
    expected = load_model(model).predict(codes).expression
    sequence, expression, _ = padded.split(",")
    assert sequence == "ACGTACGTAC"
    assert float(expression) == pytest.approx(float(expected[0]), rel=1e-5)


def test_evaluate_agrees_with_numpy(data, model):
    content = json.loads(
        succeed("evaluate", model, data / "test.tsv.gz", "--json", "--truth", data / "truth")
    )
    dataset = read_dataset(data / "test.tsv.gz")
    predicted = load_model(model).predict(dataset.sequence).expression
    measured = content["results"]["expression"][0]
    assert (measured["against"], measured["count"]) == ("measured", 60)
    assert measured["pearson"] == pytest.approx(np.corrcoef(predicted, dataset.expression)[0, 1])
    error = np.mean((predicted - dataset.expression) ** 2)
    assert measured["mean_squared_error"] == pytest.approx(error, rel=1e-5)
    effects = content["results"]["effects"]
    assert {each["effect"] for each in effects} == {"activity", "potentiation"}


def test_the_same_sequences_in_any_kind_of_file(data, model, tmp_path, monkeypatch):
    table, folder = data / "test.tsv.gz", tmp_path / "converted"
    succeed("convert", table, "--output", folder, "--order", "kept", "--rows-per-file", 25)
    sources = [
        folder,
        f"{folder}/*.parquet",
        f"file://{folder}",
        f"{data}/tes[t].tsv.gz",
        f"file://{table}",
    ]
    succeed("predict", model, table, "--output", tmp_path / "0.csv", "--measured-column", 2)
    expected = (tmp_path / "0.csv").read_text()
    report = succeed("evaluate", model, table, "--json")
    for source in sources:
        output = tmp_path / "1.csv"
        options = ("--output", output, "--overwrite", "--measured-column", "expression")
        succeed("predict", model, source, *options)
        assert output.read_text() == expected
        assert succeed("evaluate", model, source, "--json") == report
    single = folder / "part-00000.parquet"
    assert measured_metrics(succeed("evaluate", model, single, "--json"))["count"] == 25
    fasta = tmp_path / "x.fa"
    sequences = [line.split(",")[0] for line in expected.splitlines()[1:]]
    fasta.write_text("".join(f">{row}\n{text}\n" for row, text in enumerate(sequences)))
    succeed("predict", model, fasta, "--output", tmp_path / "2.csv")
    succeed("predict", model, table, "--output", tmp_path / "3.csv")
    assert (tmp_path / "2.csv").read_text().startswith("name,sequence,")
    assert without_names(tmp_path / "2.csv") == without_names(tmp_path / "3.csv")


def measured_metrics(printed):
    """The metrics against what was measured, of `evaluate --json`."""
    return json.loads(printed)["results"]["expression"][0]


def without_names(predictions):
    """The rows of a table that predict wrote, without the column of names."""
    rows = csv.DictReader(predictions.read_text().splitlines())
    return [{column: row[column] for column in row if column != "name"} for row in rows]


def test_all_commands_find_the_same_columns(data, model, tmp_path):
    rows = data.joinpath("test.tsv.gz")
    with gzip.open(rows, "rt") as lines:
        fields = [line.split() for line in list(lines)[1:]]
    # Neither column is where it would be in a table without a header. The name "dna" consists of
    # nucleotide codes.
    table = tmp_path / "x.tsv"
    table.write_text(
        "id\tExpression\tW\tSequence\n"
        + "".join(f"{row}\t{y}\t1\t{text}\n" for row, (text, y) in enumerate(fields))
    )
    named = tmp_path / "named.tsv"
    named.write_text("dna\tlevel\n" + "".join(f"{text}\t{y}\n" for text, y in fields))
    report = succeed("evaluate", model, rows, "--json")
    assert succeed("evaluate", model, table, "--json") == report
    assert succeed("evaluate", model, named, "--json") == report
    texts = []
    for source in (rows, table, named):
        output = tmp_path / "predictions.csv"
        succeed("predict", model, source, "--output", output, "--overwrite")
        texts.append(without_names(output))
    assert texts[0] == texts[1] == texts[2]
    # A column that no option gives is still found by its name.
    output = succeed(*TRAIN, table, "--weight-column", "W", "--output", tmp_path / "1")
    assert sum(part_sizes(output)) == 60
    output = succeed(*TRAIN, named, "--strict", "--output", tmp_path / "2")
    assert sum(part_sizes(output)) == 60


def test_evaluate_leaves_out_what_was_not_measured(data, model, tmp_path):
    with gzip.open(data / "test.tsv.gz", "rt") as lines:
        fields = [line.split() for line in list(lines)[1:]]
    # Measured twice, and 1 apart, but some rows once or not at all.
    twice = [[text, f"{float(y) - 0.5}", f"{float(y) + 0.5}"] for text, y in fields]
    twice[0][1:], twice[1][2], twice[2][1], twice[3][0] = ["", "NA"], "", "nan", ""
    mean = [(text, y) for text, y in fields[4:]]
    mean += [(twice[1][0], twice[1][1]), (twice[2][0], twice[2][2])]
    tables = tmp_path / "twice.tsv", tmp_path / "mean.tsv"
    for path, rows in zip(tables, (twice, mean), strict=True):
        head = "\t".join(["sequence", "expression_1", "expression_2"][: len(rows[0])])
        lines = ["\t".join(row) for row in rows]
        path.write_text("\n".join([head, *lines]) + "\n")
    found, expected = (
        measured_metrics(succeed("evaluate", model, table, "--json", "--expression-column", "2"))
        if table == tables[1]
        else measured_metrics(succeed("evaluate", model, table, "--json"))
        for table in tables
    )
    assert found["count"] == expected["count"] == len(fields) - 2
    for metric in ("pearson", "r_squared", "mean_squared_error", "spearman"):
        assert found[metric] == pytest.approx(expected[metric], rel=1e-5), metric
    log = CliRunner().invoke(app, ["evaluate", str(model), str(tables[0])]).stderr
    assert "2 rows were left out: 1 with an empty sequence" in log
    assert "1 with no finite number as expression" in log
    assert "2 rows lack some of the 2 measurements; the others of these rows are used" in log
    # Training uses the same rows.
    output = succeed(*TRAIN, tables[0], "--output", tmp_path / "model")
    assert sum(part_sizes(output)) == len(fields) - 2


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "convert", "encode"])
def test_no_command_takes_a_column_because_of_where_it_stands(model, tmp_path, command):
    table, output = tmp_path / "x.csv", tmp_path / "out.tsv"
    words = {
        "train": (*TRAIN, table, "--output", output),
        "evaluate": ("evaluate", model, table),
        "predict": ("predict", model, table, "--output", output),
        "convert": ("convert", table, "--output", output),
        "encode": ("encode", table, "--length", "10", "--output", output),
    }[command]
    table.write_text("# made by hand\npart,reads,y,x\na,28,0.02,GGAG\nb,9,-0.07,AGTG\n")
    said = fail(1, *words)
    assert f"{table}:2: expected one column named sequence" in said
    assert "'reads' (28), 'y' (0.02), 'x' (GGAG)" in said
    assert "--sequence-column" in said
    table.write_text(",sequence,y\n0,GGAGTGATG,0.02\n1,AGTGAGCAA,-0.07\n")
    if command != "predict":  # predict reads no measurement
        said = fail(1, *words)
        assert "'' (0), 'sequence' (GGAGTGATG), 'y' (0.02)" in said
        assert ("--label-column" if command == "encode" else "--expression-column") in said
    assert not output.exists() or not any(output.iterdir())


def test_a_model_keeps_which_columns_it_was_trained_on(data, tmp_path):
    with gzip.open(data / "test.tsv.gz", "rt") as lines:
        fields = [line.split() for line in list(lines)[1:]]
    table = tmp_path / "x.csv"
    rows = "".join(f"{text};9;{y.replace('.', ',')}\n" for text, y in fields)
    table.write_text(f"seq;reads;log2 ratio\n{rows}")
    words = ("--decimal-comma", "--expression-column", "log2 ratio")
    succeed(*TRAIN, table, *words, "--output", tmp_path / "model")
    kept = json.loads((tmp_path / "model" / "model.json").read_text())["table_columns"]
    assert kept["sequence"] == "seq"
    assert kept["expression"] == ["log2 ratio"]
    assert kept["weight"] is None
    report = measured_metrics(succeed("evaluate", tmp_path / "model", table, *words, "--json"))
    assert report["count"] == len(fields)


def test_the_mean_of_several_measurements_is_compared(data, model, tmp_path):
    with gzip.open(data / "test.tsv.gz", "rt") as lines:
        fields = [line.split() for line in list(lines)[1:]]
    table = tmp_path / "x.tsv"
    # The weights are not used here, so they need not be numbers.
    table.write_text(
        "sequence\texpression_1\texpression_2\tweight\n"
        + "".join(f"{text}\t{float(y) - 1}\t{float(y) + 1}\tx\n" for text, y in fields)
    )
    report = measured_metrics(succeed("evaluate", model, data / "test.tsv.gz", "--json"))
    found = measured_metrics(succeed("evaluate", model, table, "--json"))
    for metric in ("pearson", "r_squared", "mean_squared_error", "spearman"):
        assert found[metric] == pytest.approx(report[metric], rel=1e-4), metric
    one = succeed("evaluate", model, table, "--json", "--expression-column", "expression_2")
    error = measured_metrics(one)["mean_squared_error"]
    replicates = [w for n in (1, 2) for w in ("--expression-column", f"expression_{n}")]
    both = measured_metrics(succeed("evaluate", model, table, "--json", *replicates))
    assert both == found
    assert error != pytest.approx(report["mean_squared_error"], rel=1e-2)
    table.write_text(table.read_text().replace("\tx\n", "\t1\n"))
    output = succeed(*TRAIN, table, *replicates, "--output", tmp_path / "model")
    assert sum(part_sizes(output)) == 60
    kept = json.loads((tmp_path / "model" / "model.json").read_text())["table_columns"]
    assert kept["expression"] == ["expression_1", "expression_2"]


def test_predict_names_the_line_that_is_no_sequence(model, tmp_path):
    table, output = tmp_path / "x.tsv", tmp_path / "y.tsv"
    table.write_text("ACGT\tx\nACXT\ty\n")
    assert f"{table}:2: expected a sequence" in fail(1, "predict", model, table, "--output", output)
    table.write_text("sequence\n")
    assert "got none; there are no rows" in fail(1, "predict", model, table, "--output", output)
    assert not output.exists()


def test_evaluating_the_truth_finds_itself(data, tmp_path):
    plot = tmp_path / "truth.png"
    truth = data / "truth"
    output = succeed("evaluate", truth, data / "test.tsv.gz", "--truth", truth, "--plot", plot)
    rows = {line.split()[0]: line.split() for line in output.splitlines() if line.strip()}
    assert rows["activity"] == ["activity", "1.0000", "16"]
    assert rows["without"][2] == "1.0000"
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_doctor_finds_the_fused_operation():
    output = succeed("doctor")
    for subject in ("library", "instruction set", "kernels", "agreement", "forward + backward"):
        assert subject in output
    assert "The fused operation works" in output


def test_columns_are_counted_from_one_or_named():
    assert column("1") == 0
    assert column("expression") == "expression"


def test_a_used_folder_is_not_overwritten_unasked(data, model):
    output = fail(1, *TRAIN, data / "train.tsv.gz", "--output", model)
    assert "--resume" in output
    assert "--overwrite" in output
    assert "--overwrite" in fail(1, *SIMULATE, "--output", data)
    succeed(*SIMULATE, "--output", data, "--overwrite")


def test_errors_in_input_are_one_message_with_status_1(data, model, tmp_path):
    table = tmp_path / "table.tsv"
    table.write_text("ACGT\t1.5\nACXT\t2.5\n")
    output = tmp_path / "output"
    assert f"{table}:2: " in fail(1, *TRAIN, table, "--strict", "--output", output)
    assert f"(first: {table}:2)" in fail(1, *TRAIN, table, "--output", output)
    missing = tmp_path / "missing.tsv"
    assert f"{missing}: no such file" in fail(1, *TRAIN, missing, "--output", output)
    assert "model.json" in fail(1, "evaluate", tmp_path, data / "test.tsv.gz")
    assert ".parquet" in fail(1, "predict", model, data / "test.tsv.gz", "--output", "p.xlsx")
    motifs = fail(1, "simulate", "--motifs", tmp_path / "none", "--output", output)
    assert "--motifs: expected a file" in motifs
    single = tmp_path / "single.tsv"
    single.write_text("ACGT\t1.5\n")
    assert f"{single}: expected at least 2 rows" in fail(1, "evaluate", model, single)
    assert not output.exists()


def test_predictions_are_not_overwritten_unasked(data, model, tmp_path):
    output = tmp_path / "predictions.tsv"
    output.write_text("mine")
    arguments = ("predict", model, data / "test.tsv.gz", "--output", output)
    assert f"{output}: expected a new file" in fail(1, *arguments)
    assert output.read_text() == "mine"
    succeed(*arguments, "--overwrite")
    assert output.read_text().startswith("sequence")


def test_a_plot_without_a_folder_is_refused_before_predicting(data, model, tmp_path, monkeypatch):
    def predict(*arguments, **options):
        raise AssertionError("predicted first")

    monkeypatch.setattr("cisreg.trained_model.Model.predict", predict)
    plot = tmp_path / "none" / "x.png"
    message = fail(1, "evaluate", model, data / "test.tsv.gz", "--plot", plot)
    assert f"{plot}: expected an existing folder" in message


def test_a_refused_run_leaves_the_earlier_one_as_it_was(data, model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    arguments = (data / "train.tsv.gz", "--motifs", "demo", "--output", folder)
    assert "checkpoint" in fail(1, "train", *arguments, "--resume", "--motif-pull", 0.5)
    foreign = tmp_path / "foreign.toml"
    foreign.write_text('[[stage]]\ntrainable = ["position_weight"]\nepochs = 1\n')
    assert "stages" in fail(1, "train", *arguments, "--overwrite", "--recipe", foreign)
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    # Without a different recipe, the run resumes with the saved one.
    succeed("train", *arguments, "--resume")
    assert (folder / "recipe.toml").read_bytes() == before[folder / "recipe.toml"]
    assert_same_parameters(folder, model)


def test_messages_of_operations_lose_what_tensorflow_puts_around_them():
    before = "{{function_node __wrapped__Cisreg>Occupancy_range_count_3_device_/job:x}} "
    message = "width: expected 1, got [2]"
    text = f"{before}{message} [Op:Cisreg>Occupancy] name: "
    assert message_of(tf.errors.InvalidArgumentError(None, None, text)) == message


def test_errors_in_usage_have_status_2(data, tmp_path):
    assert "--motifs" in fail(2, "train", data / "train.tsv.gz", "--output", tmp_path)
    resume_and_overwrite = ("--resume", "--overwrite", "--output", tmp_path)
    fail(2, *TRAIN, data / "train.tsv.gz", *resume_and_overwrite)
    fail(2, "predict")


def test_debug_shows_where_an_error_comes_from(tmp_path):
    result = RUNNER.invoke(app, ["--debug", "evaluate", str(tmp_path), str(tmp_path)])
    assert isinstance(result.exception, FileNotFoundError)


@pytest.mark.parametrize(
    "command", ["train", "predict", "evaluate", "simulate", "import", "export", "encode", "doctor"]
)
def test_help_ends_in_an_example(command):
    lines = [line.strip() for line in succeed(command, "--help").splitlines() if line.strip()]
    assert lines[-1].startswith(f"Example: cisreg {command}")


def test_going_on_from_a_model_of_the_same_motifs(data, model, tmp_path):
    words = (*TRAIN, data / "train.tsv.gz", "--epochs", 1)
    succeed(*words, "--start", model, "--output", tmp_path / "more")
    by_itself = [word for word in words if word not in ("--motifs", "demo")]
    succeed(
        *(*by_itself, "--start", model, "--motif-flank", 0, "--output", tmp_path / "alone"),
    )
    first, second = load_model(tmp_path / "more"), load_model(tmp_path / "alone")
    earlier = load_model(model)
    assert first.motif_names == second.motif_names == earlier.motif_names
    # The columns that the earlier model trained are now the motifs' own columns.
    assert (earlier.column_range[1] - earlier.column_range[0]).max() < earlier.spec.motif_width
    np.testing.assert_array_equal(second.column_range, earlier.column_range)


def test_motifs_in_another_order_are_not_those_of_the_earlier_model(data, model, tmp_path):
    folder = tmp_path / "motifs"
    names = load_model(model).motif_names
    write_motifs(folder, demo_motifs(width=30)[[*names[1:], names[0]]])
    words = [word for word in TRAIN if word not in ("--motifs", "demo")]
    message = fail(
        *(1, *words, data / "train.tsv.gz", "--motifs", folder / "motif_list.txt"),
        *("--start", model, "--output", tmp_path / "out"),
    )
    assert f"got {names[0]} as number 1, which is {names[1]} here" in message


def test_initial_values_of_layers_that_the_model_lacks(data, tmp_path):
    message = fail(
        *(1, *TRAIN, data / "train.tsv.gz", "--output", tmp_path / "out"),
        *("--initial-binding-limit", 5),
    )
    assert "--initial-binding-limit: expected a model with this layer" in message


def test_random_motifs_alone(data, tmp_path):
    words = [word for word in TRAIN if word not in ("--motifs", "demo")]
    succeed(*words, data / "train.tsv.gz", "--random-motifs", 3, "--output", tmp_path / "out")
    assert load_model(tmp_path / "out").motif_names == ("motif_0", "motif_1", "motif_2")


def test_a_run_that_lost_its_recipe_is_resumed_with_the_one_that_is_given(tmp_path, data):
    arguments = (*TRAIN[:3], data / "train.tsv.gz", "--epochs", 1, "--output", tmp_path / "model")
    succeed(*arguments, "--recipe", "quick")
    recipe = tmp_path / "model" / "recipe.toml"
    text = recipe.read_text()
    recipe.unlink()
    message = fail(1, *arguments, "--resume")
    assert "expected recipe.toml beside the checkpoints of the run, found none; give the" in message
    assert "give --resume to go on with that run, --overwrite to" in fail(1, *arguments)
    succeed(*arguments, "--resume", "--recipe", "quick")
    assert recipe.read_text() == text
