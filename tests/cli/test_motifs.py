"""cisreg motifs: convert, info, logo, compare, as a user would type them."""

from __future__ import annotations

import logging
import shlex

import numpy as np
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.cli.motifs import COMMANDS
from cisreg.motifs import demo_motifs, random_motifs, read_motifs, write_motif_file

RUNNER = CliRunner()
JASPAR = """>MA0004.1\tArnt
A  [ 4 19  0  0  0  0 ]
C  [16  0 20  0  0  0 ]
G  [ 0  1  0 20  0 20 ]
T  [ 0  0  0  0 20  0 ]
>MA0006.1\tAhr::Arnt
A  [ 3  0  0  0  0  0 ]
C  [ 8  0 23  0  0  0 ]
G  [ 2 23  0 23  0 24 ]
T  [11  1  1  1 24  0 ]
"""
ARNT = (
    *((4, 16, 0, 0), (19, 0, 1, 0), (0, 20, 0, 0), (0, 0, 20, 0), (0, 0, 0, 20)),
    (0, 0, 20, 0),
)


@pytest.fixture(autouse=True)
def log_as_before():
    """Restores the log settings, which commands change for the whole test process."""
    logger = logging.getLogger("cisreg")
    before = logger.level, logger.handlers
    yield
    logger.setLevel(before[0])
    logger.handlers = before[1]


def run(status, *arguments):
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result


def fail(*arguments):
    return " ".join(run(1, *arguments).output.split())


@pytest.fixture
def jaspar(tmp_path):
    path = tmp_path / "two.jaspar"
    path.write_text(JASPAR)
    return path


@pytest.mark.parametrize("example", [example for _, example in COMMANDS])
def test_examples_run(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(example)
    assert words[:2] == ["cisreg", "motifs"]
    if words[2] == "logo":
        pytest.importorskip("matplotlib")
    run(0, *words[1:])


@pytest.mark.parametrize("format", ["meme", "jaspar", "transfac", "homer"])
def test_convert_to_and_back(tmp_path, jaspar, format):
    there, back = tmp_path / f"a.{format}", tmp_path / "back.jaspar"
    said = run(0, "motifs", "convert", jaspar, there)
    assert f"2 motifs written to {there} ({format})" in said.stdout
    run(0, "motifs", "convert", there, back)
    assert read_motifs(back).details[0].matrix == ARNT
    assert read_motifs(back).names == ("Arnt", "Ahr::Arnt")


def test_convert_to_a_folder_and_to_standard_output(tmp_path, jaspar):
    run(0, "motifs", "convert", jaspar, tmp_path / "folder", "--format", "folder")
    read = read_motifs(tmp_path / "folder" / "motif_list.txt")
    assert set(read.names) == {"Arnt", "Ahr::Arnt"}
    np.testing.assert_allclose(
        read["Arnt"].probabilities()[0][2], [0.001 / 1.004, 1.001 / 1.004] + [0.001 / 1.004] * 2,
        rtol=1e-6,
    )  # fmt: skip
    said = run(0, "motifs", "convert", jaspar, "-", "--format", "transfac", "--name", "Arnt")
    assert "01  4  16  0  0  C\n" in said.stdout and "Ahr" not in said.stdout


def test_convert_chooses_turns_and_trims(tmp_path, jaspar):
    out = tmp_path / "out.jaspar"
    run(0, "motifs", "convert", jaspar, out, "--name", "MA0004*", "--reverse-complement")
    (details,) = read_motifs(out).details
    assert details.matrix[0] == (0, 20, 0, 0) and details.matrix[-1] == (0, 0, 16, 4)
    run(0, "motifs", "convert", jaspar, out, "--trim", 1.5, "--overwrite", "--name", "Ahr::Arnt")
    assert len(read_motifs(out).details[0].matrix) == 5


def test_names_are_chosen_exactly_before_they_are_patterns(tmp_path):
    write_motif_file(tmp_path / "a.meme", demo_motifs())
    listed = run(0, "motifs", "info", tmp_path / "a.meme", "--name", "R*,Abf1", "--name", "Gcn?")
    names = [line.split("\t")[0] for line in listed.stdout.splitlines()[1:]]
    assert names == ["Abf1", "Gcn4", "Rap1", "Reb1"]
    said = fail("motifs", "info", tmp_path / "a.meme", "--name", "Foo")
    assert "--name: expected a name or accession of one of 16 motifs" in said and "'Foo'" in said


def test_info_lists_what_is_known(tmp_path, jaspar):
    shown = run(0, "motifs", "info", jaspar).stdout.splitlines()
    assert shown[0].split("\t") == [
        *("name", "accession", "width", "bits", "consensus", "strongest site", "lowest log Kd"),
        "sites",
    ]
    assert shown[1].split("\t") == [
        *("Arnt", "MA0004.1", "6", "10.99", "CACGTG", "CACGTG", "-8.03", "20"),
    ]
    assert "accession" not in run(0, "motifs", "info", "demo").stdout
    for name in ("a.tsv", "a.csv", "a.parquet"):
        run(0, "motifs", "info", jaspar, "--output", tmp_path / name)
    table = pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pydict()
    motifs = read_motifs(jaspar)
    assert table["name"] == list(motifs.names) and table["sites"] == [20.0, 24.0]
    assert table["lowest_log_kd"] == motifs.lowest_log_kd().tolist()
    assert (tmp_path / "a.tsv").read_text().startswith("name\taccession\twidth\tinformation\t")


def test_logo_writes_pages(tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "a.svg"
    said = run(0, "motifs", "logo", "demo", "--output", out, "--name", "R*", "--both-strands")
    assert "Logos of 2 motifs written to" in said.stdout and "(1 page)" in said.stdout
    assert out.read_text().startswith("<?xml")
    said = fail("motifs", "logo", "demo", "--output", tmp_path / "a.txt")
    assert "expected a name that ends in .png, .pdf, .svg" in said


def test_compare_finds_what_is_alike(tmp_path):
    write_motif_file(tmp_path / "all.meme", random_motifs(60, width=12))
    motifs = read_motifs(tmp_path / "all.meme")
    write_motif_file(tmp_path / "query.meme", motifs[:3].reverse_complement())
    compare = ("motifs", "compare", tmp_path / "query.meme", tmp_path / "all.meme")
    said = run(0, *compare, "--best", 1)
    rows = [line.split("\t") for line in said.stdout.splitlines() if "\t" in line]
    assert rows[0][:4] == ["query", "target", "p-value", "E-value"]
    assert [row[:2] for row in rows[1:]] == [[each, each] for each in motifs.names[:3]]
    assert {row[6] for row in rows[1:]} == {"-"}
    said = run(0, *compare, "--output", tmp_path / "a.parquet", "--q-value", 0.05)
    table = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert table.num_rows and max(table["q_value"].to_pylist()) <= 0.05
    assert "3 of 3 motifs are like one of 60" in said.stdout


def test_errors_name_what_is_wrong(tmp_path, jaspar):
    assert "expected a name that ends in" in fail("motifs", "convert", jaspar, tmp_path / "a.txt")
    said = fail("motifs", "convert", jaspar, jaspar, "--overwrite")
    assert "same file as the input" in said and jaspar.read_text() == JASPAR
    assert "expected one motif" in fail("motifs", "convert", jaspar, tmp_path / "a.pkdm")
    assert "--background" in fail("motifs", "info", jaspar, "--background", "a,b")


def test_motifs_of_the_jaspar_database(tmp_path):
    pytest.importorskip("pyjaspar")
    said = run(0, "motifs", "convert", "jaspar:2024:MA0004.1", "-", "--format", "jaspar")
    assert said.stdout.startswith(">MA0004.1\tArnt\nA  [  4 19  0  0  0  0 ]\n")
    listed = run(0, "motifs", "info", "jaspar:2024:MA0004.1,MA0006.1").stdout.splitlines()
    assert [line.split("\t")[:3] for line in listed[1:]] == [
        ["Arnt", "MA0004.1", "6"],
        ["Ahr::Arnt", "MA0006.1", "6"],
    ]
