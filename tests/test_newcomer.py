"""The commands of the pages on genomes and motifs run as typed, and do what the pages say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import typer.main
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.sequences import decode, encode, reverse_complement
from cisreg.storage import load_model

pytest.importorskip("pyjaspar", reason="holds the motifs of the pages")
pytest.importorskip("pysam", reason="writes the index of the page")

DOCS = Path(__file__).parents[1] / "docs"
GENOMES = (DOCS / "howto" / "genomes.md").read_text(encoding="utf-8")
GENOME_FILES = (DOCS / "reference" / "genome_files.md").read_text(encoding="utf-8")
MOTIFS = (DOCS / "howto" / "motif_files.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"^    cisreg (.+)$", re.MULTILINE)
STEP = re.compile(r"^```python\n(.+?)^```|^    cisreg ([^\n]+)$", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```(\w*)\n(.+?)^```$", re.MULTILINE | re.DOTALL)
PLANTED = {
    ("chrI", 1050, "REB1", "+"),
    ("chrI", 1100, "REB1", "-"),
    ("chrI", 1150, "GCN4", "+"),
    ("chrII", 4050, "RAP1", "+"),
    ("chrII", 4110, "ABF1", "+"),
}


def run(words):
    result = CliRunner().invoke(app, shlex.split(words))
    assert result.exit_code == 0, f"{words}: {result.output}"
    return result.stdout


def shown(page, number):
    """Rows of fields of a table that a page shows."""
    tables = [text for language, text in FENCED.findall(page) if not language]
    return [re.split(r"\s{2,}", line) for line in tables[number].splitlines()]


def rows_of(text):
    """Rows of fields of tab-separated text, without comments."""
    return [line.split("\t") for line in text.splitlines() if not line.startswith("# ")]


def assert_rows_are(rows, expected):
    """Names and positions are equal, other numbers up to their last digits."""
    assert [row[:3] for row in rows] == [row[:3] for row in expected]
    for row, other in zip(rows, expected, strict=True):
        assert len(row) == len(other)
        for field, value in zip(row, other, strict=True):
            if re.fullmatch(r"-?[\d.]+(e-?\d+)?", value):
                assert float(field) == pytest.approx(float(value), rel=1e-5), (row, other)
            else:
                assert field == value


@pytest.fixture(scope="module")
def tour(tmp_path_factory):
    """The folder after all steps of the page, what each command said, the names of its Python."""
    folder = tmp_path_factory.mktemp("newcomer")
    said, names = {}, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for code, command in STEP.findall(GENOMES):
            if code:
                exec(code, names)
            else:
                said[command] = run(command)
    return SimpleNamespace(folder=folder, said=said, names=names)


def said_by(tour, start):
    (text,) = [text for command, text in tour.said.items() if command.startswith(start)]
    return text


def test_the_page_has_all_steps(tour):
    commands = [" ".join(command.split()[:2]) for command in tour.said]
    for wanted in ("motifs info", "motifs logo", "scan genome.fa", "train library/train.tsv.gz"):
        assert wanted in commands
    assert commands.count("scan genome.fa") == 5
    assert commands.count("predict model") == 2


def test_motifs_are_those_that_are_shown(tour):
    assert_rows_are(rows_of(said_by(tour, "motifs info")), shown(GENOMES, 0))


def test_the_logos_are_a_picture_like_that_of_the_page(tour):
    image = pytest.importorskip("matplotlib.image", reason="reads the picture")
    picture, page = (
        image.imread(path) for path in (tour.folder / "logos.png", DOCS / "images" / "logos.png")
    )
    assert picture.shape[0] > 300
    assert picture.std() > 0.1
    np.testing.assert_allclose(picture.shape, page.shape, rtol=0.02)


def test_hits_are_those_that_are_shown(tour):
    rows = rows_of((tour.folder / "hits.bed").read_text())
    assert_rows_are(rows, shown(GENOMES, 1))
    assert {(row[0], int(row[1]), row[3], row[5]) for row in rows[1:]} > PLANTED


def test_hits_that_are_more_than_chance_are_indexed(tour):
    pysam = pytest.importorskip("pysam", reason="reads the index")
    with pysam.TabixFile(str(tour.folder / "fungi.bed.gz")) as file:
        rows = [line.split("\t") for line in file.fetch("chrII", 4000, 4200)]
        everything = [line.split("\t") for line in file.fetch()]
    assert {("RAP1", "4050"), ("ABF1", "4110")} <= {(row[3], row[1]) for row in rows}
    assert len(everything) > len(rows)
    assert all(float(row[8]) <= 0.05 for row in everything)


def test_hits_in_python(tour):
    frame = tour.names["hits"]
    found = set(
        zip(frame["sequence"], frame["start"], frame["motif"], frame["strand"], strict=True)
    )
    assert found > PLANTED


def test_the_model_predicts_what_was_held_out(tour):
    (measured,) = [
        line for line in said_by(tour, "evaluate").splitlines() if line.startswith("measured")
    ]
    assert float(measured.split("\t")[1]) > 0.9


def test_bound_sites_of_the_model(tour):
    rows = rows_of((tour.folder / "bound.bed").read_text())[1:]
    for sequence, start, motif, strand in PLANTED:
        assert any(
            (row[0], row[3], row[5]) == (sequence, motif, strand)
            and int(row[1]) <= start < int(row[2])
            for row in rows
        ), (sequence, start, motif)


def test_tracks_of_the_model(tour):
    bigwig = pytest.importorskip("pyBigWig", reason="reads the tracks")
    files = {path.name for path in (tour.folder / "tracks").iterdir() if path.suffix == ".bw"}
    assert files == {f"{motif}.bw" for motif in ("ABF1", "GCN4", "RAP1", "REB1")}
    with bigwig.open(str(tour.folder / "all.bw")) as every:
        for sequence, start, motif, _ in PLANTED:
            with bigwig.open(str(tour.folder / "tracks" / f"{motif}.bw")) as track:
                own = track.values(sequence, start, start + 6)
            assert min(own) >= 0.3
            together = every.values(sequence, start, start + 6)
            assert np.all(np.array(together) >= np.array(own) - 1e-6)


def test_predictions_along_the_genome(tour):
    bigwig = pytest.importorskip("pyBigWig", reason="reads the track")
    model = load_model(tour.folder / "model")
    text = "".join(tour.names["genome"]["chrI"])
    with bigwig.open(str(tour.folder / "expression.bw")) as track:
        # The 10 bases around the centre of the window of 110 bases that begins at 1,000.
        found = track.values("chrI", 1050, 1060)
        assert track.values("chrII", 190, 200) != track.values("chrII", 190, 200)  # NaN: N
    expected = model.predict([text[1000:1110]]).expression[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_predictions_of_intervals(tour):
    model = load_model(tour.folder / "model")
    head, *rows = rows_of((tour.folder / "promoters.tsv").read_text())
    assert head == ["sequence", "start", "end", "name", "strand", "expression", "accessibility"]
    assert [row[3:5] for row in rows] == [["first", "+"], ["second", "-"]]
    for row in rows:
        text = "".join(tour.names["genome"][row[0]])[int(row[1]) : int(row[2])]
        if row[4] == "-":
            text = decode(reverse_complement(encode([text])))[0]
        assert len(text) == 110
        assert float(row[5]) == pytest.approx(model.predict([text]).expression[0], rel=1e-4)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """What the commands of the page on motifs said; simulation and training of few sequences."""
    small = {"simulate": " --train 60 --test 20", "train": " --recipe quick --epochs 1"}
    said = {}
    folder = tmp_path_factory.mktemp("motifs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in COMMAND.findall(MOTIFS):
            said[command] = run(command + small.get(command.split()[0], ""))
    return SimpleNamespace(folder=folder, said=said)


def test_motif_files_on_the_command_line(converted):
    info = [text for command, text in converted.said.items() if command.startswith("motifs info")]
    assert_rows_are(rows_of(info[0]), shown(MOTIFS, 0))
    alike = said_by(converted, "motifs compare")
    table, expected = rows_of(alike), shown(MOTIFS, 1)
    assert_rows_are(table[: len(expected)], expected)
    assert "REB1" in (converted.folder / "reb1.jaspar").read_text()
    assert (converted.folder / "logos.pdf").read_bytes().startswith(b"%PDF")
    assert load_model(converted.folder / "model").spec.motif_count == 178


@pytest.mark.parametrize("page", [GENOMES + GENOME_FILES, MOTIFS], ids=["genomes", "motifs"])
def test_every_option_of_a_page_is_one_of_the_command(page):
    known = set(options_of(typer.main.get_command(app)))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page))
    assert len(named) >= 7
    assert named <= known


def options_of(command):
    for parameter in command.params:
        yield from parameter.opts
        yield from parameter.secondary_opts
    for each in getattr(command, "commands", {}).values():
        yield from options_of(each)
