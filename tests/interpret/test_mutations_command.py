"""`cisreg explain mutations`, and heat maps of mutations."""

from __future__ import annotations

import matplotlib.image
import numpy as np
import pyarrow.csv
import pytest
from interpret_models import LENGTH, MOTIFS, NAMES, make_codes, make_model
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.interpret import mutagenesis
from cisreg.report.mutations import plot_mutations
from cisreg.sequences import decode
from cisreg.storage import save_model

CODES = make_codes(5, unknown=False)[3:]


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def files(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("mutations")
    save_model(folder / "model", model)
    records = (f">promoter {i}\n{text}\n" for i, text in enumerate(decode(CODES)))
    (folder / "promoters.fasta").write_text("".join(records).replace("promoter ", "promoter"))
    return folder


def run(*words):
    result = CliRunner().invoke(app, ["explain", "mutations", *map(str, words)])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_table_and_the_plot_are_written(files, model):
    table, plot = files / "mutations.tsv", files / "mutations.png"
    arguments = files / "model", files / "promoters.fasta"
    run(*arguments, "--output", table, "--plot", plot, "--deletions", "--insertions")
    rows = pyarrow.csv.read_csv(table, parse_options=pyarrow.csv.ParseOptions(delimiter="\t"))
    expected = mutagenesis(model, CODES, deletions=True, insertions=True).to_table()
    assert len(rows) == len(expected) == 2 * (3 * LENGTH + LENGTH + 4 * (LENGTH + 1))
    assert set(rows["sequence"].to_pylist()) == {"promoter0", "promoter1"}
    np.testing.assert_allclose(rows["effect"], expected["effect"], rtol=1e-5)
    assert matplotlib.image.imread(plot).std() > 0.05


def test_the_strongest_are_shown_and_factors_are_written(files, model):
    arguments = files / "model", files / "promoters.fasta"
    shown = run(*arguments)
    effect = mutagenesis(model, CODES).effect
    strongest = effect.flat[np.abs(effect).argmax()]
    assert f"{strongest:+.4g}" in shown
    table = files / "factors.tsv"
    run(*arguments, "--by-factor", "--output", table)
    rows = pyarrow.csv.read_csv(table, parse_options=pyarrow.csv.ParseOptions(delimiter="\t"))
    assert len(rows) == 2 * 3 * LENGTH * (MOTIFS + 1)
    assert rows["factor"][: MOTIFS + 1].to_pylist() == [*NAMES, "accessibility"]
    result = CliRunner().invoke(app, ["explain", "mutations", *map(str, arguments), "--by-factor"])
    assert result.exit_code != 0


def test_plots_refuse_what_cannot_be_drawn(tmp_path, model):
    unknown = np.full((1, LENGTH), 4, np.uint8)
    with pytest.raises(ValueError, match="expected sequences with known bases, 0 has none"):
        plot_mutations(tmp_path / "a.png", mutagenesis(model, unknown))
    with pytest.raises(ValueError, match="rows: expected 1 to 12 sequences, got 0"):
        plot_mutations(tmp_path / "a.png", mutagenesis(model, CODES), rows=())
    assert not list(tmp_path.iterdir())
