"""`cisreg explain design` and the plot of designs."""

from __future__ import annotations

import interpret_models
import pyarrow.csv
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

import cisreg
from cisreg.cli import app
from cisreg.interpret import Constraints, design
from cisreg.report import plot_designs
from cisreg.sequences import decode
from cisreg.trained_model import Model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = interpret_models.make_model(seed=3)
    model = Model(
        *(made.spec, made.parameters, made.motif_names, {"measured_range": [50.0, 100.0]}),
        column_range=made.column_range,
        table_columns={"sequence": "seq", "expression": ["level"]},
    )
    path = tmp_path_factory.mktemp("design")
    cisreg.save_model(path / "model", model)
    return path


def run(*words):
    result = CliRunner().invoke(app, ["explain", "design", *map(str, words)])
    assert result.exit_code == 0, result.output
    return result


def starts_table(path, texts):
    rows = "".join(f"p{number}\t{text}\n" for number, text in enumerate(texts))
    path.write_text("name\tsequence\n" + rows)
    return path


def test_the_table_is_that_of_the_function(folder, tmp_path):
    texts = decode(interpret_models.make_codes(3, unknown=False))
    table = starts_table(tmp_path / "starts.tsv", texts)
    output = tmp_path / "designs.parquet"
    words = ["--target", "min", "--changes", 4, "--gc", "0.2:0.8", "--protect", "0:3"]
    words += ["--forbid", "GGTCTC", "--longest-run", 6, "--forbid-factor", "Reb1=0.999", "--repair"]
    run(folder / "model", table, *words, "--output", output)
    limits = Constraints(
        changes=4,
        gc=(0.2, 0.8),
        protect=[(0, 3)],
        forbid=["GGTCTC"],
        longest_run=6,
        forbid_factors={"Reb1": 0.999},
    )
    expected = design(
        *(cisreg.load_model(folder / "model"), texts, "min"),
        constraints=limits,
        repair_starts=True,
        names=["p0", "p1", "p2"],
    ).to_table()
    assert pyarrow.parquet.read_table(output).equals(expected)
    assert expected["start"].to_pylist() == ["p0", "p1", "p2"]
    assert expected["extrapolation"].to_pylist() == [
        not 50 <= value <= 100 for value in expected["expression"].to_pylist()
    ]


def test_random_starts_go_to_fasta(folder, tmp_path):
    output = tmp_path / "designs.fasta"
    words = ["--target", 90, "--count", 4, "--method", "beam", "--width", 3, "--steps", 2]
    said = run(folder / "model", *words, "--output", output).output
    assert "4 designs, 0 of them beyond what training saw" in said
    lines = output.read_text().splitlines()
    assert lines[::2][0].startswith(">design0 start=random_0 expression=")
    expected = design(
        cisreg.load_model(folder / "model"), 4, 90, method=cisreg.interpret.Beam(width=3), steps=2
    )
    assert lines[1::2] == list(expected.sequence)


def test_the_training_table_tells_what_lies_beyond_it(folder, tmp_path):
    codes = interpret_models.make_codes(50, unknown=False)
    rows = "".join(f"{text}\t80\n" for text in decode(codes))
    (tmp_path / "train.tsv").write_text("seq\tlevel\n" + rows)
    table = starts_table(tmp_path / "starts.tsv", decode(codes[:1]))
    words = ["--training", tmp_path / "train.tsv", "--output", tmp_path / "designs.tsv"]
    run(folder / "model", table, *words)
    reason = pyarrow.csv.read_csv(
        tmp_path / "designs.tsv", parse_options=pyarrow.csv.ParseOptions(delimiter="\t")
    )["why"][0].as_py()
    assert "is above 80, the largest measured in training" in reason
    assert "binds" in reason


def test_lower_case_letters_stay_and_designs_are_shown(folder, tmp_path):
    table = starts_table(tmp_path / "starts.tsv", ["acgtNNNNNNNNNNNNNNNNNNNN"])
    shown = run(folder / "model", table, "--protect", "lower", "--steps", 1).output
    assert "\tACGT" in shown and "design0\tp0\t" in shown


def wrong():
    yield ["--protect", "5"], "--protect: expected BEGIN:END"
    yield ["--gc", "0.5"], "--gc: expected LOW:HIGH"
    yield ["--target", "most"], "--target: expected max, min or a number"
    yield ["--forbid-factor", "Reb1"], "--forbid-factor: expected FACTOR=OCCUPANCY"
    yield ["--width", "3"], "expected --width with --method beam alone"
    yield ["--population", "30", "--method", "beam"], "with --method genetic alone"
    yield ["--output", "designs.txt"], "expected a name that ends in"


@pytest.mark.parametrize(("words", "message"), list(wrong()))
def test_wrong_options_are_named(folder, words, message):
    result = CliRunner().invoke(app, ["explain", "design", str(folder / "model"), *words])
    assert result.exit_code != 0
    said = " ".join((result.output + str(result.exception)).split())
    assert message in said


def test_a_plot_shows_the_way_of_every_start(folder, tmp_path):
    model = cisreg.load_model(folder / "model")
    found = design(model, 3, 90, method="beam", count=2, steps=3)
    for ending in ("png", "svg"):
        plot_designs(tmp_path / f"designs.{ending}", found)
    drawn = (tmp_path / "designs.svg").read_text()
    assert "Beam search from 3 starts" in drawn or drawn.count("<path") > 20
    assert (tmp_path / "designs.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(FileExistsError):
        plot_designs(tmp_path / "designs.png", found)
