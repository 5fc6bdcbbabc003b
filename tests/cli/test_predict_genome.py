"""`cisreg predict` along a genome: tables and tracks of windows and intervals."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from tiny_model import LENGTH, SPEC, start_parameters
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.sequences import decode, encode, reverse_complement
from cisreg.storage import save_model
from cisreg.trained_model import Model

pyBigWig = pytest.importorskip("pyBigWig", reason="reads the tracks back")  # noqa: N816

MODEL = Model(SPEC, start_parameters(), ("Abf1", "Reb1", "Rap1"))
RANDOM = np.random.default_rng(0)
GENOME = {
    name: decode(RANDOM.integers(0, 4, (1, length)))[0]
    for name, length in {"chr2": 130, "chr10": 45, "chr1": 7}.items()
}


@pytest.fixture
def files(tmp_path):
    save_model(tmp_path / "model", MODEL)
    lines = [f">{name} of a test\n{text[:50]}\n{text[50:]}\n" for name, text in GENOME.items()]
    (tmp_path / "genome.fa").write_text("".join(lines))
    return tmp_path


def run(files, *words, status=0):
    words = ["predict", files / "model", files / "genome.fa", *words]
    result = CliRunner().invoke(app, [*map(str, words), "--implementation", "standard"])
    assert result.exit_code == status, result.output
    return result.output


def rows_of(path):
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def expected(places):
    texts = [GENOME[name][start:end] for name, start, end in places]
    return MODEL.predict(texts, implementation="standard").expression


WINDOWS = [
    (name, start, start + LENGTH)
    for name, text in GENOME.items()
    for start in range(0, len(text) - LENGTH + 1, 5)
]


def test_windows_become_a_table(files):
    output = files / "out.tsv"
    said = run(files, "--windows", LENGTH, "--step", 5, "--output", output)
    assert f"{len(WINDOWS)} predictions written to" in said
    rows = rows_of(output)
    assert [(r["sequence"], int(r["start"]), int(r["end"])) for r in rows] == WINDOWS
    values = [float(row["expression"]) for row in rows]
    np.testing.assert_allclose(values, expected(WINDOWS), rtol=1e-5)
    assert list(rows[0]) == ["sequence", "start", "end", "expression", "accessibility"]


@pytest.mark.parametrize("ending", ["bw", "bedgraph"])
def test_windows_become_a_track_around_their_centres(files, ending):
    output = files / f"out.{ending}"
    run(files, "--step", 5, "--output", output)
    if ending == "bw":
        with pyBigWig.open(str(output)) as track:
            assert track.chroms() == {name: len(text) for name, text in GENOME.items()}
            found = [(name, *each) for name in GENOME for each in track.intervals(name) or ()]
    else:
        lines = [line.split("\t") for line in output.read_text().splitlines()]
        found = [(name, int(s), int(e), float(v)) for name, s, e, v in lines]
    # The 5 bases in the middle of 20: 7 to 12.
    places = [(name, start + 7, start + 12) for name, start, _ in WINDOWS]
    assert [each[:3] for each in found] == places
    np.testing.assert_allclose([each[3] for each in found], expected(WINDOWS), rtol=1e-5)


def test_intervals_become_a_table_in_their_order(files):
    bed = files / "places.bed"
    bed.write_text(
        "# promoters\n"
        "chr10\t20\t40\tlate\t0\t+\n"
        "chr2\t100\t120\ttwo\t0\t-\n"
        "chr2\t3\t23\tfirst\t0\t+\n"
    )
    output = files / "out.tsv"
    run(files, "--intervals", bed, "--output", output, "--binding")
    rows = rows_of(output)
    assert [row["name"] for row in rows] == ["late", "two", "first"]
    assert [row["strand"] for row in rows] == ["+", "-", "+"]
    reverse = decode(reverse_complement(encode([GENOME["chr2"][100:120]])))[0]
    texts = [GENOME["chr10"][20:40], reverse, GENOME["chr2"][3:23]]
    truth = MODEL.predict(texts, binding=True, implementation="standard").columns()
    for name in ("expression", "forward_Abf1", "reverse_Abf1"):
        values = [float(row[name]) for row in rows]
        np.testing.assert_allclose(values, truth[name], rtol=1e-5)


def test_intervals_become_a_track_in_the_order_of_the_genome(files):
    bed = files / "places.bed"
    bed.write_text("chr10\t20\t40\nchr2\t100\t120\nchr2\t3\t23\n")
    output = files / "out.bw"
    run(files, "--intervals", bed, "--output", output)
    with pyBigWig.open(str(output)) as track:
        found = [(name, *each) for name in GENOME for each in track.intervals(name) or ()]
    places = [("chr2", 3, 23), ("chr2", 100, 120), ("chr10", 20, 40)]
    assert [each[:3] for each in found] == places
    np.testing.assert_allclose([each[3] for each in found], expected(places), rtol=1e-5)


def test_intervals_of_any_length_around_their_centres(files):
    bed = files / "peaks.bed"
    bed.write_text("chr2\t40\t90\tpeak\nchr2\t0\t4\tat the end\n")
    output = files / "out.tsv"
    said = run(files, "--intervals", bed, "--fit", "centre", "--output", output)
    (row,) = rows_of(output)
    assert (row["name"], row["start"], row["end"]) == ("peak", "55", "75")
    assert "1 prediction" in said


@pytest.mark.parametrize(
    ("bed", "ending", "said"),
    [
        ("chr2\t5\t24\n", "tsv", "expected windows of 20 bases"),
        ("chr2\t5\t25\nchr2\t5\t26\n", "tsv", "all of one length, got 20 to 21"),
        ("chr2\t5\n", "tsv", "places.bed:1: expected"),
        ("", "tsv", "expected a BED file with intervals, got none"),
        ("chr3\t5\t25\n", "tsv", "places.bed:1: expected a sequence of the genome, got 'chr3'"),
        ("chr2\t120\t140\n", "tsv", "chr2, which has 130 bases, got 120 to 140"),
        ("chr2\t5\t25\nchr2\t24\t44\n", "bw", "got 24 to 44 behind 25"),
    ],
)
def test_intervals_that_mean_nothing_are_errors(files, bed, ending, said):
    (files / "places.bed").write_text(bed)
    output = files / f"out.{ending}"
    text = run(files, "--intervals", files / "places.bed", "--output", output, status=1)
    assert said in " ".join(text.split())
    assert not output.exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--windows", 9, "--output", "out.tsv"), 1, "expected windows of 20 bases"),
        (("--step", 5, "--binding", "--output", "out.bw"), 1, "expected a table"),
        (("--step", 5, "--keep-columns", "--output", "out.tsv"), 2, "TABLE is a genome"),
        (("--step", 5, "--intervals", "b.bed", "--output", "o.tsv"), 2, "got both"),
        (("--step", 5, "--output", "out.txt"), 1, "expected a name that ends in"),
    ],
)
def test_options_that_do_not_go_together_are_errors(files, monkeypatch, words, status, said):
    monkeypatch.chdir(files)
    (files / "b.bed").write_text("chr2\t5\t25\n")
    assert said in " ".join(run(files, *words, status=status).split())


def test_a_table_of_windows_on_standard_output(files):
    result = CliRunner().invoke(
        app,
        [
            *("predict", str(files / "model"), str(files / "genome.fa"), "--step", "50"),
            *("--output", "-", "--implementation", "standard"),
        ],
    )
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO(result.stdout), delimiter="\t"))
    assert [(row["sequence"], row["start"]) for row in rows] == [
        ("chr2", "0"),
        ("chr2", "50"),
        ("chr2", "100"),
        ("chr10", "0"),
    ]
