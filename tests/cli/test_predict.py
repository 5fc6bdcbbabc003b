"""`cisreg predict`: the columns that it keeps, and where it reads and writes."""

from __future__ import annotations

import csv
import io
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from tiny_model import LENGTH, SPEC, make_dataset, start_parameters
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.sequences import decode
from cisreg.storage import save_model
from cisreg.trained_model import Model

SEQUENCES = decode(np.where(make_dataset(4).sequence == 4, 0, make_dataset(4).sequence))
NAMES = ["chr1:5-25(+)", "Pitx1:Ebox(Homeobox,bHLH)", 'the "other" one', "[bold]x[/bold]"]
EXPECTED = Model(SPEC, start_parameters(), ("a", "b", "c")).predict(SEQUENCES)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "model"
    save_model(folder, Model(SPEC, start_parameters(), ("Abf1", "bHLH,Zip", "x\ty")))
    return folder


def predict(*arguments, given=None):
    words = ["predict", *map(str, arguments), "--implementation", "standard"]
    result = CliRunner().invoke(app, words, input=given)
    assert result.exit_code == 0, result.output
    return result


def rows_of(text, delimiter):
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def check(rows, names=NAMES):
    assert [row.get("name") for row in rows] == list(names)
    assert [row["sequence"] for row in rows] == SEQUENCES
    np.testing.assert_allclose(
        [float(row["expression"]) for row in rows], EXPECTED.expression, rtol=1e-5
    )


def write_table(path, columns, delimiter="\t"):
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def test_names_of_fasta_records_are_kept(model, tmp_path):
    names = ["chr1:5-25(+)", "a,b", 'x"y', "last"]
    fasta = tmp_path / "in.fa"
    records = zip(names, SEQUENCES, strict=True)
    fasta.write_text("".join(f">{name} and a comment\n{text}\n" for name, text in records))
    predict(model, fasta, "--output", tmp_path / "out.csv")
    check(rows_of((tmp_path / "out.csv").read_text(), ","), names)


@pytest.mark.parametrize(("ending", "delimiter"), [("tsv", "\t"), ("csv", ",")])
@pytest.mark.parametrize("header", ["id", "name", "Sequence_ID"])
def test_the_column_of_names_is_kept_and_quoted(model, tmp_path, ending, delimiter, header):
    table = write_table(
        tmp_path / f"in.{ending}",
        {header: NAMES, "sequence": SEQUENCES, "reads": range(4)},
        delimiter,
    )
    output = tmp_path / f"out.{ending}"
    predict(model, table, "--output", output)
    rows = rows_of(output.read_text(), delimiter)
    check(rows)
    assert list(rows[0]) == ["name", "sequence", "expression", "accessibility"]


def test_a_column_is_named_and_others_are_kept_beside_what_is_predicted(model, tmp_path):
    table = tmp_path / "in.parquet"
    columns = {
        "promoter": NAMES,
        "bases": SEQUENCES,
        "expression": [1.5, 2.5, 3.5, 4.5],
        "table_expression": ["a", "b", "c", "d"],
        "reads": [3, 2, 1, 0],
    }
    pyarrow.parquet.write_table(pa.table(columns), table)
    output = tmp_path / "out.parquet"
    predict(
        *(model, table, "--output", output, "--sequence-column", "bases"),
        *("--name-column", "promoter", "--keep-columns"),
    )
    written = pyarrow.parquet.read_table(output)
    check(written.to_pylist())
    assert written["reads"].to_pylist() == [3, 2, 1, 0]
    assert written["table_expression"].to_pylist() == ["a", "b", "c", "d"]
    assert written["table_table_expression"].to_pylist() == [1.5, 2.5, 3.5, 4.5]


def test_names_of_motifs_are_quoted_in_the_header(model, tmp_path):
    table = write_table(tmp_path / "in.tsv", {"sequence": SEQUENCES})
    for ending, delimiter in (("tsv", "\t"), ("csv", ",")):
        output = tmp_path / f"out.{ending}"
        predict(model, table, "--output", output, "--binding")
        rows = rows_of(output.read_text(), delimiter)
        assert list(rows[0])[-4:] == [
            *("forward_bHLH,Zip", "reverse_bHLH,Zip", "forward_x\ty", "reverse_x\ty")
        ]
        read = pyarrow.csv.read_csv(
            output, parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter)
        )
        assert read.column_names == list(rows[0])


def test_a_name_is_text_on_the_terminal(model, tmp_path):
    table = write_table(tmp_path / "in.tsv", {"sequence": SEQUENCES})
    output = tmp_path / "[red]out[/red].tsv"
    output.parent.mkdir(parents=True, exist_ok=True)
    assert str(output.name) in predict(model, table, "--output", output).output.replace("\n", "")


def test_standard_input_and_output(model, tmp_path):
    table = write_table(tmp_path / "in.tsv", {"name": NAMES, "sequence": SEQUENCES})
    command = [sys.executable, "-m", "cisreg", "predict", model, "-", "--output", "-"]
    done = subprocess.run(
        [*map(str, command), "--implementation", "standard"],
        input=table.read_bytes(),
        capture_output=True,
        check=True,
    )
    check(rows_of(done.stdout.decode(), "\t"))
    assert "4 predictions written to standard output" in done.stderr.decode()
    assert len(SEQUENCES[0]) == LENGTH


def test_columns_whose_names_act_are_not_copied_to_text(model, tmp_path):
    columns = {"sequence": SEQUENCES, "y\x1b[31m\n": range(4), "z": ["a", "two\nlines", "b", "c"]}
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "in.parquet")
    words = ["predict", model, tmp_path / "in.parquet", "--keep-columns", "--output"]
    refused = CliRunner().invoke(app, [*map(str, words), str(tmp_path / "out.tsv")])
    assert refused.exit_code == 1
    assert r"columns: expected names without line ends" in refused.output
    assert "\x1b" not in refused.output
    assert not (tmp_path / "out.tsv").exists()
    predict(*words[1:], tmp_path / "out.parquet")
    assert "y\x1b[31m\n" in pyarrow.parquet.read_table(tmp_path / "out.parquet").column_names
    del columns["y\x1b[31m\n"]
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "in.parquet")
    predict(*words[1:], tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["z"] for row in rows] == columns["z"]
    check(rows, [None] * 4)
