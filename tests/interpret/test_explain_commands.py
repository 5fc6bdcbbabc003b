"""`cisreg explain factors`, `sequences` and `dose`, and their plots."""

from __future__ import annotations

import html
import json
import sys
from dataclasses import replace

import numpy as np
import pandas
import pyarrow.csv
import pyarrow.parquet
import pytest
from interpret_models import NAMES, make_bound_model, make_codes
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.interpret import (
    base_contributions,
    change_concentration,
    contributions,
    dose_response,
    explain_difference,
    factor_effects,
    site_contributions,
)
from cisreg.report import plot_doses, plot_factors, plot_sequence
from cisreg.sequences import decode
from cisreg.storage import save_model

CODES = make_codes(unknown=True)[3:]
TEXTS = decode(CODES)


@pytest.fixture(scope="module")
def model():
    return make_bound_model(stranded=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory, model):
    """The model, a FASTA file of its sequences, and a table of measurements."""
    folder = tmp_path_factory.mktemp("explain")
    save_model(folder / "model", model)
    records = [f">p{place}\n{text}\n" for place, text in enumerate(TEXTS)]
    (folder / "all.fa").write_text("".join(records))
    (folder / "one.fa").write_text(records[4])
    measured = model.predict(CODES).expression + np.arange(len(CODES)) % 3
    rows = [f"{text}\t{number}\n" for text, number in zip(TEXTS, measured, strict=True)]
    (folder / "measured.tsv").write_text("sequence\tlog2\n" + "".join(rows))
    return folder


def explain(*words):
    return CliRunner().invoke(app, ["explain", *map(str, words)])


def table_of(path):
    options = pyarrow.csv.ParseOptions(delimiter="\t")
    return pyarrow.csv.read_csv(path, parse_options=options).to_pandas()


def run(files, tmp_path, *words):
    """The table that a command writes."""
    output = tmp_path / "out.tsv"
    result = explain(words[0], files / "model", *words[1:], "--output", output)
    assert result.exit_code == 0, result.output
    assert f"rows written to {output}" in result.output.replace("\n", "")
    return table_of(output)


def test_shown_tables_are_the_rows_of_json(files, tmp_path):
    expected = run(files, tmp_path, "factors", files / "measured.tsv")
    result = explain("factors", files / "model", files / "measured.tsv", "--json")
    rows = pandas.DataFrame(json.loads(result.stdout)["results"]["rows"])
    # Of the columns that are shown, with all digits.
    assert 3 < len(rows.columns) <= len(expected.columns)
    for name in rows:
        shown = expected[name] if name in expected else expected[name.replace(" ", "_")]
        numbers = shown.dtype.kind == "f"
        assert rows[name].tolist() == (
            pytest.approx(shown.tolist(), rel=1e-6, nan_ok=True) if numbers else shown.tolist()
        )


def test_factors_over_sequences_with_measurements(files, tmp_path, model):
    words = ("factors", files / "measured.tsv", "--measured-column", "log2")
    table = run(files, tmp_path, *words)
    expected = factor_effects(model, CODES).to_frame()
    assert table["factor"].tolist() == expected["factor"].tolist()
    for name in ("effect_reverse", "importance", "occupancy_50_percent"):
        np.testing.assert_allclose(table[name], expected[name], rtol=1e-6)
    assert table["lost_pearson"].max() > 0


def test_another_concentration_of_each_factor(files, tmp_path, model):
    table = run(files, tmp_path, "factors", files / "all.fa", "--times", "3")
    before = model.predict(CODES).expression.astype(float)
    assert set(table["factor"]) == set(NAMES)
    for row in table.itertuples():
        more = change_concentration(model, {row.factor: 3.0}).predict(CODES).expression - before
        np.testing.assert_allclose(row.mean_effect, more.mean(), atol=1e-5)
        np.testing.assert_allclose(row.importance, np.abs(more).mean(), atol=1e-5)
        assert row.times == 3


def test_factors_without_sequences_are_shown(files, model):
    result = explain("factors", files / "model", "--factor", "Reb1", "--factor", "Mcm1")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split("\t")[:2] == ["factor", "consensus"]
    assert {line.split("\t")[0] for line in lines[1:]} == {"Reb1", "Mcm1"}
    effect = factor_effects(model).effect[NAMES.index("Reb1")]
    assert f"{effect:.4g}" in result.stdout


def test_parts_of_sequences(files, tmp_path, model):
    table = run(files, tmp_path, "sequences", files / "all.fa", "--shapley", "--largest", "2")
    whole = contributions(model, CODES, accessibility="shapley")
    totals = table.groupby("sequence", sort=False)["effect"].sum()
    assert totals.index.tolist() == [f"p{place}" for place in range(len(CODES))]
    np.testing.assert_allclose(totals, whole.expression, rtol=1e-9)
    assert table["part"].tolist()[:2] == ["no factors", "other factors"]


def test_sites_and_bases_of_sequences(files, tmp_path, model):
    words = ("sequences", files / "all.fa", "--sites", "--least-occupancy", "0.3")
    sites = run(files, tmp_path, *words)
    expected = site_contributions(model, CODES, least_occupancy=0.3, largest=10)
    np.testing.assert_allclose(sites["effect"], expected.effect, rtol=1e-9)
    (tmp_path / "out.tsv").unlink()
    bases = run(files, tmp_path, "sequences", files / "all.fa", "--bases")
    np.testing.assert_allclose(
        bases["effect"], base_contributions(model, CODES).effect.ravel(), rtol=1e-9
    )


@pytest.mark.parametrize("kind", [["--sites"], ["--bases"], ["--versus"]])
def test_many_sequences_are_written_batch_after_batch(files, tmp_path, monkeypatch, kind):
    words = ["sequences", files / "all.fa", *kind]
    words += [files / "one.fa"] if kind == ["--versus"] else []
    whole = run(files, tmp_path, *words)
    (tmp_path / "out.tsv").unlink()
    monkeypatch.setattr("cisreg.interpret.batches._MOST_ROWS", 4)
    # What holds all sequences at once is refused.
    module = sys.modules["cisreg.interpret.contributions"]
    monkeypatch.setattr(module, "check_memory", pytest.fail)
    assert run(files, tmp_path, *words).equals(whole)


def test_a_difference_to_one_sequence(files, tmp_path, model):
    words = ("sequences", files / "all.fa", "--versus", files / "one.fa")
    table = run(files, tmp_path, *words)
    expected = explain_difference(model, CODES[4:5], CODES)
    first = table[table["part"] == "first sequence"]
    np.testing.assert_allclose(first["effect"], np.full(len(CODES), expected.baseline[0]))
    parts = table[table["part"] != "first sequence"].groupby("sequence", sort=False)
    np.testing.assert_allclose(
        parts["effect"].sum(), expected.expression - expected.baseline, atol=1e-9
    )
    assert table["sequence"].unique()[0] == "p0"


@pytest.mark.parametrize("words", [("sequences",), ("dose", "--factor", "Reb1", "--times", "0")])
def test_names_are_those_of_the_column_asked_for(files, tmp_path, words):
    rows = [f"{text}\tx\tp {place}\n" for place, text in enumerate(TEXTS)]
    (tmp_path / "named.tsv").write_text("sequence\tname\tpromoter\n" + "".join(rows))
    for more, expected in (((), "x"), (("--name-column", "promoter"), "p 0")):
        table = run(files, tmp_path, words[0], tmp_path / "named.tsv", *words[1:], *more)
        assert table["sequence"][0] == expected
        (tmp_path / "out.tsv").unlink()


def test_doses(files, tmp_path, model):
    words = ("dose", files / "all.fa", "--factor", "Reb1", "--times", "0,1,10")
    table = run(files, tmp_path, *words)
    expected = dose_response(model, CODES, "Reb1", (0, 1, 10))
    np.testing.assert_allclose(table["expression"], expected.expression.T.ravel(), rtol=1e-9)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sequences", "all.fa", "--sites", "--bases"), "expected one of --sites, --bases"),
        (
            ("sequences", "all.fa", "--versus", "one.fa", "--shapley"),
            "expected no --shapley with --versus",
        ),
        (("factors", "--measured-column", "log2"), "expected SEQUENCES with --measured-column"),
        (("factors", "--times", "2"), "expected SEQUENCES with --times"),
        (("factors", "all.fa", "--times", "2", "--plot", "x.png"), "expected no --plot with"),
        (("factors", "all.fa", "--times", "1"), "times: expected another number than 1"),
        (("factors", "all.fa", "--plot", "x.gif"), "expected a name that ends in .png"),
        (("dose", "all.fa", "--factor", "Reb"), "got 'Reb'"),
        (("dose", "all.fa", "--factor", "Reb1", "--times", "1,a"), "--times: expected numbers"),
    ],
)
def test_what_cannot_be_is_refused(files, monkeypatch, words, message):
    monkeypatch.chdir(files)
    result = explain(words[0], "model", *words[1:])
    assert result.exit_code != 0
    shown = " ".join(result.output.replace("│", " ").split())
    assert message in shown, shown


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_commands_write_plots(files, tmp_path, ending):
    pytest.importorskip("matplotlib")
    for words in (
        ("factors", files / "all.fa"),
        ("sequences", files / "all.fa"),
        ("dose", files / "all.fa", "--factor", "Reb1", "--times", "0,0.1,1,10"),
    ):
        path = tmp_path / f"{words[0]}.{ending}"
        result = explain(words[0], files / "model", *words[1:], "--plot", path)
        assert result.exit_code == 0, result.output
        assert path.stat().st_size > 1000


def drawn_text(path, draw):
    """The text of an SVG file that a function draws."""
    matplotlib = pytest.importorskip("matplotlib")
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        draw(path)
    return html.unescape(path.read_text())


def test_plots_name_factors_as_they_are(tmp_path):
    odd = ("$x$", "<b>", "Pitx1:Ebox(Homeobox,bHLH)", "a_b", "Mcm1")
    model = replace(make_bound_model(stranded=True), motif_names=odd)
    sites = site_contributions(model, CODES[:1], least_occupancy=0.5)
    shown = drawn_text(
        tmp_path / "a.svg", lambda path: plot_factors(path, factor_effects(model, CODES))
    )
    assert all(name in shown for name in ("$x$", "<b>", "Pitx1:Ebox(Homeobox,bHL…", "a_b"))
    assert "lowers expression" in shown
    bases = base_contributions(model, CODES[:1])
    shown = drawn_text(tmp_path / "b.svg", lambda path: plot_sequence(path, bases, sites))
    strongest = np.argsort(-np.abs(sites.effect))[:3]
    for site in strongest:
        assert f"{odd[sites.factor[site]][:20]}" in shown
    assert f"expression {bases.whole.expression[0]:.2f}" in shown
    dose = dose_response(model, CODES, "$x$", (0, 1, 2))
    shown = drawn_text(tmp_path / "c.svg", lambda path: plot_doses(path, dose))
    assert "$x$, n = 9" in shown
    assert "knocked out" in shown


def test_a_plot_without_sequences_has_the_largest_effects(tmp_path):
    effects = factor_effects(make_bound_model())
    shown = drawn_text(tmp_path / "a.svg", lambda path: plot_factors(path, effects, most=2))
    named = [name for name in NAMES if f">{name}<" in shown]
    assert sorted(named) == sorted(effects.to_frame()["factor"][:2])
    assert "Importance" not in shown


def test_plots_refuse_what_does_not_fit(tmp_path, model):
    pytest.importorskip("matplotlib")
    bases, sites = base_contributions(model, CODES[:2]), site_contributions(model, CODES[:1])
    with pytest.raises(ValueError, match="sites: expected those of the same 2 sequences"):
        plot_sequence(tmp_path / "a.png", bases, sites)
    with pytest.raises(ValueError, match="row: expected at most 0, got 1"):
        plot_sequence(tmp_path / "a.png", base_contributions(model, CODES[:1]), sites, row=1)
    with pytest.raises(ValueError, match="2 or more concentrations above 0"):
        plot_doses(tmp_path / "a.png", dose_response(model, CODES, "Reb1", (0, 1)))
    assert not list(tmp_path.iterdir())
