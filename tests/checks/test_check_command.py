"""`cisreg check`, and the drawing of what it finds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import typer
from typer.testing import CliRunner

import cisreg
from cisreg.checks import check_dataset
from cisreg.cli import app
from cisreg.data import Dataset
from cisreg.report import plot_dataset
from cisreg.report.dataset_plot import gc_content

RUNNER = CliRunner()
LETTERS = np.array(list("ACGT"))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, (700, 50))
    values, groups = random.normal(5, 1, (700, 2)), random.integers(0, 9, 700)
    path = tmp_path_factory.mktemp("check") / "t.tsv"
    lines = ["seq\tone\tother\tgroup\n"]
    for row, measured, group in zip(codes, values, groups, strict=True):
        lines.append(f"{''.join(LETTERS[row])}\t{measured[0]}\t{measured[1]}\t{group}\n")
    path.write_text("".join(lines))
    return path


def run(status, *words):
    result = RUNNER.invoke(app, ["check", *map(str, words)])
    assert result.exit_code == status, result.output
    return result


def test_findings_are_shown_and_written(table, tmp_path):
    columns = ("--expression-column", "one", "--expression-column", 3)
    shown = run(0, table, *columns, "--group-column", "group").stdout
    assert shown.startswith("# 700 rows: 0 errors, 1 warning")
    assert "warning\treplicates\tThe 2 measurements of a sequence agree with r = " in shown
    output = tmp_path / "found.parquet"
    run(0, table, *columns, "--output", output)
    written = pyarrow.parquet.read_table(output).to_pylist()
    assert {"check", "state", "finding", "number", "advice"} == set(written[0])
    assert written[0]["check"] == "replicates"


def test_an_error_that_is_found_is_the_exit_status(table, tmp_path):
    plot = tmp_path / "t.png"
    result = run(1, table, "--plot", plot)
    assert "error\treading\t" in result.stdout
    assert "--expression-column" in result.stdout
    assert "error:" not in result.stderr
    assert not plot.exists()


def test_the_options_that_findings_name_are_there():
    commands = typer.main.get_command(app).commands
    options = {
        option
        for name in ("check", "train")
        for parameter in commands[name].params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    folder = Path(cisreg.checks.__file__).parent
    texts = "".join(path.read_text() for path in folder.glob("*.py"))
    named = set(re.findall(r"--[a-z][a-z0-9-]*[a-z0-9]", texts))
    assert len(named) > 10
    assert named <= options


def test_options_that_contradict_each_other(table):
    assert "--split-column" in run(2, table, "--fold", "1").output
    assert "--validation: expected a share" in run(1, table, "--validation", "0").output
    run(2, table, "--split-column", "group", "--fold", "1", "--validation", "0.2")


def test_plots_of_whatever_can_be_read(table, tmp_path):
    pytest.importorskip("matplotlib")
    run(0, table, "--expression-column", "one", "--plot", tmp_path / "t.png")
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    for name, data in (
        ("lengths.svg", Dataset(["ACGT", "ACGTTT", "NN"], [1.0, 2.0, 3.0])),
        ("same.svg", Dataset(["ACGT", "TTTT"], [1.0, 1.0])),
    ):
        plot_dataset(tmp_path / name, check_dataset(data))
        assert (tmp_path / name).exists()
    fasta = tmp_path / "t.fa"
    fasta.write_text(">a\nACGTAC\n>b\nACGTTT\n")
    plot_dataset(tmp_path / "fasta.svg", check_dataset(fasta))
    with pytest.raises(ValueError, match="expected a data set of at least 2 different sequences"):
        plot_dataset(tmp_path / "none.svg", check_dataset(Dataset(["ACGT"], [1.0])))
    assert not (tmp_path / "none.svg").exists()


def test_the_drawing_shows_the_shares_of_the_bases(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    from contextlib import contextmanager

    from matplotlib.figure import Figure

    from cisreg.report import dataset_plot

    figure = Figure()
    keep = contextmanager(lambda *_, **__: iter([figure]))
    monkeypatch.setattr(dataset_plot, "new_figure", keep)
    texts = ["AC", "ACG", "TCGG"]
    plot_dataset("unused.png", check_dataset(Dataset(texts, [1.0, 2.0, 4.0])))
    first, last = ({line.get_label(): line for line in axes.lines} for axes in figure.axes[4:])
    for letter in "ACGT":
        at_first = [text[0] == letter for text in texts]
        at_last = [text[-1] == letter for text in texts]
        assert first[letter].get_ydata()[0] == pytest.approx(np.mean(at_first))
        assert last[letter].get_ydata()[0] == pytest.approx(np.mean(at_last))
    # The third base from the left: two sequences have one.
    assert first["G"].get_ydata()[2] == 1.0


def test_gc_content_is_of_known_bases():
    content = gc_content(np.array([[0, 1, 4, 4], [4, 4, 4, 4]], np.uint8))
    assert content[0] == 0.5
    assert np.isnan(content[1])


def test_outputs_by_name_and_number(tmp_path):
    random = np.random.default_rng(3)
    lines = ["seq\tone\tother"]
    for row, codes in enumerate(random.integers(0, 4, (300, 30))):
        first, second = random.normal(5, 1, 2).round(4).tolist()
        lines.append(f"{''.join(LETTERS[codes])}\t{first}\t{second if row % 3 else 'NA'}")
    path = tmp_path / "t.tsv"
    path.write_text("\n".join(lines) + "\n")
    plot = tmp_path / "t.png"
    shown = run(0, path, "--outputs", "one", "--outputs", 3, "--plot", plot).stdout
    assert shown.startswith("# 300 rows: 0 errors")
    assert "one lacks 0 of 300 rows (0.0 %); other lacks 100 of 300 rows (33.3 %)" in shown
    assert "ok\texpression\tother: Measurements are" in shown
    found = check_dataset(path, outputs=("one", "other"))
    (axes, *_) = plot_dataset(None, found).axes
    assert [each.get_text() for each in axes.get_legend().get_texts()] == [
        "one, 300 rows",
        "other, 200 rows",
    ]
    replicates = ("--expression-column", "one", "--expression-column", "other")
    assert "give them as --outputs" in run(0, path, *replicates).stdout
    assert "--expression-column" in run(2, path, "--outputs", "one", *replicates).stderr
    assert "expected two or more" in run(2, path, "--outputs", "one").stderr
