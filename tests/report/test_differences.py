"""What differs between outputs, in the report and as a plot."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from interpret_models import make_codes, make_model
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.data import Dataset
from cisreg.report import plot_differences, write_report
from cisreg.report.differences import learned_differences
from cisreg.report.page.run import Run
from cisreg.spec import ModelSpec
from cisreg.start import init_parameters
from cisreg.storage import save_model
from cisreg.trained_model import Model
from cisreg.uncertainty import difference_intervals
from cisreg.writing import open_table

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

NAMES = ("glucose", "<b>galactose", "raffinose")
CHANGE = np.array([[0, 0, 0, 0, 0], [0, 1, -2, 0.5, 0], [0, 0, 0, 0, 3]], np.float32)


def several(differ=("activity", "bias")):
    """A model of three outputs; in the last two, activities or concentrations differ."""
    model = make_model()
    parameters = dict(model.parameters)
    for name in differ:
        shape = CHANGE if name != "bias" else np.array([0, 0.25, -0.5], np.float32)
        parameters[name] = parameters[name] + shape
    spec = replace(model.spec, output_count=3, differ=differ)
    return replace(model, spec=spec, parameters=parameters, output_names=NAMES)


def measured(model, count=200):
    codes = make_codes(count, seed=3)
    noise = np.random.default_rng(1).normal(0, 0.1, (count, 3))
    return Dataset(codes, model.predict(codes).expression + noise)


def test_rows_are_the_learned_differences_the_largest_first():
    model = several()
    found = learned_differences(model)
    assert (found.reference, found.outputs) == (NAMES[0], NAMES[1:])
    factors = [row.factor for row in found.rows if row.parameter == "activity"]
    names = model.motif_names
    assert factors[:3] == [names[4], names[2], names[1]]
    np.testing.assert_allclose(
        [row.differences for row in found.rows if row.parameter == "activity"][:2],
        [(0, 3), (-2, 0)],
        atol=1e-6,
    )
    (bias,) = (row for row in found.rows if row.parameter == "bias")
    assert bias.factor == "" and bias.differences == pytest.approx((0.25, -0.5))
    assert not found.has_intervals
    records = found.records()
    assert len(records) == 2 * len(found.rows)
    assert records[-1]["factor"] is None and records[-1]["lower"] is None


def test_a_bias_is_of_no_factor_of_a_model_with_one():
    spec = ModelSpec(1, 4, 20, output_count=2, differ=("activity", "bias"))
    parameters = init_parameters(spec, np.zeros((4, 4, 1), np.float32), np.zeros(1, np.float32))
    parameters["bias"] = np.array([0, 1], np.float32)
    found = learned_differences(Model(spec, parameters, ("only",), output_names=("a", "b")))
    assert [(row.parameter, row.factor) for row in found.rows] == [
        ("activity", "only"),
        ("bias", ""),
    ]


def test_intervals_are_those_of_their_rows_and_their_reference():
    model = several()
    table = difference_intervals(model, measured(model), reference=NAMES[2], refit=False).to_table()
    for source in (table, table.to_pandas()):
        found = learned_differences(model, source)
        assert (found.reference, found.outputs) == (NAMES[2], NAMES[:2])
        expected = {
            (row["output"], row["parameter"], row["factor"] or ""): (row["lower"], row["upper"])
            for row in table.to_pylist()
        }
        for row in found.rows:
            for output, ends, difference in zip(
                found.outputs, row.intervals, row.differences, strict=True
            ):
                assert ends == expected[output, row.parameter, row.factor]
                # Around the model as it is.
                assert np.isclose(sum(ends) / 2, difference, atol=1e-5)


def test_what_does_not_fit_is_refused():
    model = several()
    with pytest.raises(ValueError, match="expected a model of several outputs"):
        learned_differences(make_model())
    row = {"output": NAMES[1], "reference": NAMES[0], "parameter": "bias", "factor": None}
    ends = {"lower": 0.0, "upper": 1.0}
    for wrong, message in (
        ({"output": "fructose"}, "expected intervals of the outputs glucose, .*got those of fruct"),
        ({"lower": 2.0}, "expected numbers, lower not above upper, got 2.0 and 1.0 of 'bias'"),
        ({"lower": None}, "expected numbers, lower not above upper, got None"),
    ):
        with pytest.raises(ValueError, match=message):
            learned_differences(model, pa.Table.from_pylist([row | ends | wrong]))
    with pytest.raises(ValueError, match="found none"):
        learned_differences(model, pa.Table.from_pylist([ends]))
    with pytest.raises(ValueError, match=r"a parameter of factors differs .* got bias"):
        plot_differences(None, several(("bias",)))
    with pytest.raises(ValueError, match="most"):
        plot_differences(None, model, most=0)


def test_the_plot_has_a_panel_for_each_parameter_and_a_point_for_each_output():
    model = several(("log_concentration", "activity"))
    table = difference_intervals(model, measured(model), refit=False)
    figure = plot_differences(None, model, table, most=3)
    assert [axes.get_title() for axes in figure.axes] == ["log concentration", "activity"]
    for axes in figure.axes:
        assert [label.get_text() for label in axes.get_yticklabels()] == [
            model.motif_names[at] for at in (4, 2, 1)
        ]
        points = [each.get_offsets() for each in axes.collections]
        assert [len(each) for each in points] == [3, 3]
        np.testing.assert_allclose(points[0][:, 0], [0, -2, 1], atol=1e-5)
        np.testing.assert_allclose(points[1][:, 0], [3, 0, 0], atol=1e-5)
        # Zero, and an interval of each point.
        assert len(axes.lines) == 1 + 6
    assert len(plot_differences(None, model, most=3).axes[0].lines) == 1


def test_the_page_has_a_section_of_differences(tmp_path):
    model = several()
    run = Run("model", model, given={"held out": measured(model)})
    plain = write_report(tmp_path / "plain.html", run, output=NAMES[1])
    text = (tmp_path / "plain.html").read_text()
    section = text[text.index('<section id="outputs">') :].split("</section>")[0]
    assert "<b>galactose" not in text and "&lt;b&gt;galactose" in section
    assert section.count("<svg viewBox") == 1 and "lower" not in section
    rows = re.findall(r'<tr><td>(\w+)</td><th scope="row">(\w*)</th>(.*?)</tr>', section)
    assert [row[0] for row in rows] == ["activity"] * 5 + ["bias"]
    assert rows[0][1] == model.motif_names[4] and ">3<" in rows[0][2]
    assert any("--differences adds" in note for note in plain.content.notes)
    found = plain.tables()["output_differences"]
    assert len(found) == 12 and found[0]["run"] == f"model, {NAMES[1]}"
    table = difference_intervals(model, measured(model), refit=False)
    given = write_report(tmp_path / "given.html", run, output=NAMES[1], differences=table)
    assert not any("--differences adds" in note for note in given.content.notes)
    assert (tmp_path / "given.html").read_text().count(">lower</th>") == 2
    one = Run("model", make_model(), given={})
    write_report(tmp_path / "one.html", one)
    assert 'id="outputs"' not in (tmp_path / "one.html").read_text()
    with pytest.raises(ValueError, match="expected a model of several outputs"):
        write_report(tmp_path / "two.html", one, differences=table)


def test_the_command_reads_the_table_of_the_other_command(tmp_path):
    model = several()
    save_model(tmp_path / "model", model)
    table = difference_intervals(model, measured(model), refit=False).to_table()
    with open_table(tmp_path / "d.tsv") as write:
        write(dict(zip(table.column_names, table.columns, strict=True)))
    words = ["report", tmp_path / "model", "--model-output", "raffinose", "--json"]
    words += ["--output", tmp_path / "r.html", "--differences", tmp_path / "d.tsv"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["results"]["output_differences"]
    assert [row["lower"] is not None for row in rows] == [True] * 12
    (tmp_path / "d.tsv").write_text("a\tb\n1\t2\n")
    result = CliRunner().invoke(app, [str(word) for word in [*words, "--overwrite"]])
    assert result.exit_code == 1
    assert "expected a table with the column output" in " ".join(result.output.split())
