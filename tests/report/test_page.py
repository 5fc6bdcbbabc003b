"""The report of a run: its numbers are those of other ways to them, and its page is safe."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html.parser
import itertools
import json
import re
import shutil
from dataclasses import replace
from importlib import resources

import numpy as np
import pyarrow as pa
import pytest
from interpret_models import make_model
from report_cases import EVIL, QUOTED, evil_motifs
from typer.testing import CliRunner

import cisreg
from cisreg.cli import app
from cisreg.cli.report import _read_intervals
from cisreg.data import Columns, split
from cisreg.interpret import factor_effects
from cisreg.metrics import agreement
from cisreg.report import write_report
from cisreg.report.page import open_run
from cisreg.report.page.compute import read_intervals
from cisreg.report.page.data import find_parts
from cisreg.report.page.factor_rows import factor_columns, factor_rows
from cisreg.report.page.html import _sentence, run_page
from cisreg.report.page.run import Run
from cisreg.report.page.settings import settings_of
from cisreg.uncertainty import Ensemble

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")


class Page(html.parser.HTMLParser):
    """Elements of a page: tag, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        element = (tag, dict(attributes), [])
        self.elements.append(element)
        if tag not in ("meta", "input", "use", "path", "image"):
            self._open.append(element)

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        for _, _, text in self._open:
            text.append(data)

    def texts(self, tag):
        return ["".join(text).strip() for name, _, text in self.elements if name == tag]


def rows_of(text, number):
    """Cells of the rows of the body of a table of the page."""
    body = re.findall(r"<tbody>(.*?)</tbody>", text, re.DOTALL)[number]
    found = []
    for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL):
        cells = re.findall(r"<t[hd]([^>]*)>(.*?)</t[hd]>", row, re.DOTALL)
        found.append([(attributes, html.unescape(cell)) for attributes, cell in cells])
    return found


def held_out(table, model):
    """The rows of validation, split off again by hand."""
    columns = Columns(sequence="sequence", expression=("expression",))
    length = model.spec.sequence_length
    every = cisreg.read_dataset(table, length, side=model.padding_side, columns=columns)
    return split(every, 0.3, seed=0)


def test_metrics_are_those_of_the_rows_that_were_held_out(trained, table, page):
    model = cisreg.load_model(trained[0])
    for name, rows in zip(("training", "held out"), held_out(table, model), strict=True):
        expected = agreement(model.predict(rows).expression, rows.expression)
        said = page[1].to_json()["parts"][name]
        assert said["sequences"] == len(rows)
        assert said["pearson"] == pytest.approx(expected.pearson, rel=1e-12)
        assert said["r_squared"] == pytest.approx(expected.r_squared, rel=1e-12)
        (row,) = [each for each in rows_of(page[0].read_text(), 0) if each[0][1] == name]
        assert row[2][1] == f"{expected.pearson:.3f}" and row[5][1] == f"{expected.r_squared:.3f}"
        assert row[6][1] == f"{np.sqrt(expected.mean_squared_error):.3g}"
    assert f"{expected.pearson:.3f}" in page[1].sentences[0]
    assert page[1].content.judged.name == "held out"


def test_the_table_of_factors_is_what_explain_gives(trained, table, page):
    model = cisreg.load_model(trained[0])
    effects = factor_effects(model, held_out(table, model)[1])
    text = page[0].read_text()
    heads = re.findall(r'data-name="(\w+)" data-kind="number"', text)
    factors = next(
        rows for number in range(9) if len(rows := rows_of(text, number)) == len(model.motif_names)
    )
    assert [row[0][1] for row in factors] == [effects.factor[place] for place in effects.order]
    expected = effects.to_table().to_pydict()
    for number, row in enumerate(factors):
        values = [re.search(r'data-value="([^"]*)"', attributes) for attributes, _ in row]
        numbers = [float(value[1]) for value in values if value]
        shown = dict(zip([name for name in heads if name != "rank"], numbers, strict=True))
        for name in ("importance", "effect", "potentiation_effect", "lost_pearson"):
            assert shown[name] == pytest.approx(expected[name][number], rel=1e-9), name


def test_the_checks_of_the_diagnosis_are_those_of_explain(trained, table, page):
    model = cisreg.load_model(trained[0])
    findings = model.diagnose(held_out(table, model)[1]).findings
    assert [(each.check, each.sentence) for each in page[1].content.diagnosis.findings] == [
        (each.check, each.sentence) for each in findings
    ]
    for each in findings:
        assert each.sentence.replace(" %", "\N{NO-BREAK SPACE}%") in html.unescape(
            page[0].read_text()
        )


@pytest.mark.parametrize("kind", ["page", "comparison"])
def test_names_are_shown_and_do_not_act(kind, request):
    text = request.getfixturevalue(kind)[0].read_text()
    found = Page(text)
    scripts = found.texts("script")
    assert len(scripts) == 1 and "alert(1)" not in scripts[0]
    assert EVIL in found.texts("th") and QUOTED in found.texts("th")
    assert any(EVIL in label for label in svg_texts(found)), "not in a figure"
    for tag, attributes, _ in found.elements:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
    assert "<b>" not in text and "<i>" not in text


def svg_texts(found):
    return found.texts("text")


@pytest.mark.parametrize("kind", ["page", "comparison"])
def test_a_page_loads_nothing(kind, request):
    text = request.getfixturevalue(kind)[0].read_text()
    assert not re.search(r"https?://", text)
    for tag, attributes, _ in Page(text).elements:
        for name in ("src", "href", "xlink:href", "action", "srcset", "data"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/png;base64,")), (tag, name, value[:80])
        assert "url(" not in (attributes.get("style") or "").replace("url(#", "")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert "@import" not in style and "url(" not in style


def test_only_the_script_of_the_page_may_run(page):
    text = page[0].read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    policy = html.unescape(policy)
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")


@pytest.mark.parametrize("kind", ["page", "comparison"])
def test_a_page_can_be_read_without_seeing_it(kind, request):
    text = request.getfixturevalue(kind)[0].read_text()
    found = Page(text)
    assert found.elements[0][:2] == ("html", {"lang": "en"})
    levels = [int(tag[1]) for tag, _, _ in found.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    images = [
        each
        for tag, each, _ in found.elements
        if tag == "svg" and "letters" not in each.get("class", "")
    ]
    assert len(images) > 20
    assert all(each.get("role") == "img" and each.get("aria-label") for each in images)
    scrolled = [each for _, each, _ in found.elements if "scroll" in each.get("class", "").split()]
    assert scrolled and all(each.get("tabindex") == "0" and each["aria-label"] for each in scrolled)
    ids = [each["id"] for _, each, _ in found.elements if "id" in each]
    assert len(ids) == len(set(ids))
    used = re.findall(r'(?:url\(|href=")#([\w-]+)', text)
    assert set(used) <= set(ids)


def luminance(color):
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_have_the_contrast_that_people_need(theme):
    """WCAG 2.1: 4.5 for text, 3 for graphics."""
    style = resources.files("cisreg.report.page").joinpath("page.css").read_text()
    colors = dict(
        re.findall(r"--([\w-]+): (#[0-9a-f]{6})", style.split("prefers-color-scheme")[theme])
    )
    pairs = [
        (name, paper, 4.5) for name in ("ink", "muted", "link") for paper in ("paper", "panel")
    ]
    pairs += [(f"{state}-ink", f"{state}-paper", 4.5) for state in ("warning", "note", "ok")]
    pairs += [(name, "paper", 3.0) for name in ("guide", "focus", "blue", "vermilion", "green")]
    for name, paper, least in pairs:
        both = sorted(luminance(colors[each]) for each in (name, paper))
        assert (both[1] + 0.05) / (both[0] + 0.05) >= least, (name, paper)


def test_a_changed_table_is_not_taken_for_that_of_training(trained, table, tmp_path, page):
    model = cisreg.load_model(trained[0])
    lines = table.read_text().splitlines()
    changed = tmp_path / "measured.tsv"
    # One measurement: the split and the number of rows stay the same.
    name, sequence, _, plate = lines[5].split("\t")
    lines[5] = f"{name}\t{sequence}\t1.2345\t{plate}"
    changed.write_text("\n".join(lines) + "\n")
    metadata = {**model.metadata, "table": str(changed)}
    run = Run("changed", replaced(model, metadata))
    found = find_parts(run)
    assert found.parts == () and "does not hold the rows" in found.notes[0]
    # Given by hand it is taken as it is, without a word of held-out rows.
    found = find_parts(run, [changed])
    assert [part.role for part in found.parts] == ["other"]
    moved = tmp_path / "moved.tsv"
    moved.write_text(table.read_text())
    # The table of training under another name is known by its checksum.
    found = find_parts(run, [moved])
    assert [(part.name, len(part.data)) for part in found.parts] == [
        (each.name, each.count) for each in page[1].content.predicted
    ]


def replaced(model, metadata):
    return cisreg.Model(
        model.spec,
        model.parameters,
        model.motif_names,
        metadata=metadata,
        initial_motifs=model.initial_motifs,
        column_range=model.column_range,
        table_columns=model.table_columns,
    )


def test_further_tables_lose_what_was_trained_on(trained, table, tmp_path):
    model = cisreg.load_model(trained[0])
    training, _ = held_out(table, model)
    texts = ["ACGT" * 20, "GATTACA" * 11]
    seen = cisreg.decode(training.sequence[:1])[0].strip("N")
    lines = [f"{text}\t{place}.5" for place, text in enumerate([*texts, seen])]
    path = tmp_path / "test.tsv"
    path.write_text("sequence\texpression\n" + "\n".join(lines) + "\n")
    found = find_parts(open_run(trained[0]), [path])
    assert [part.role for part in found.parts] == ["held out", "training", "other"]
    assert found.parts[2].name == "test.tsv" and len(found.parts[2].data) == 2
    assert "1 sequence of 3 are also among those of training" in found.notes[0]


@pytest.fixture(scope="module")
def folded(trained, table):
    """A model that says that a column of folds, which no other table has, split its table."""
    model = cisreg.load_model(trained[0])
    part = {"rows": 1, "fingerprint": None}
    data = {"training": part, "validation": part, "held_out": {"folds": "fold", "fold": "1"}}
    return replaced(model, {**model.metadata, "table": "/there/is/none.tsv", "data": data})


def test_a_table_of_other_sequences_needs_no_column_of_folds(folded, table, tmp_path, caplog):
    found = find_parts(Run("folded", folded), [table])
    assert [(part.role, len(part.data)) for part in found.parts] == [("other", 700)]
    # With the column it is split, if it can be.
    lines = table.read_text().splitlines()
    for folds, roles in (("12", ["held out", "training"]), ("22", ["other"])):
        rows = [f"{line}\t{folds[place % 2]}" for place, line in enumerate(lines[1:])]
        (tmp_path / "t.tsv").write_text("\n".join([f"{lines[0]}\tfold", *rows]) + "\n")
        table_of = {**folded.metadata, "data": {**folded.metadata["data"]}}
        for role in ("training", "validation"):
            table_of["data"][role] = {"rows": 350, "fingerprint": None}
        found = find_parts(Run("folded", replaced(folded, table_of)), [tmp_path / "t.tsv"])
        assert [part.role for part in found.parts] == roles


def test_a_page_quotes_no_file_that_is_no_table(trained, tmp_path, caplog):
    (tmp_path / "secret").write_text("password: 1234\n")
    model = cisreg.load_model(trained[0])
    run = Run("received", replaced(model, {**model.metadata, "table": str(tmp_path / "secret")}))
    notes = " ".join(find_parts(run).notes)
    assert "cannot be read; the log says why" in notes and "1234" not in notes
    assert "1234" in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": "x"},
        {"data": [1]},
        {"data": {"training": None}},
        {"data": {"training": {"rows": "<b>", "fingerprint": None}}},
        {"data": {"training": {"rows": 1, "fingerprint": None}, "held_out": {"shares": 1}}},
    ],
)
def test_what_no_training_writes_is_said(trained, changes):
    model = cisreg.load_model(trained[0])
    run = Run("edited", replaced(model, {**model.metadata, **changes}))
    with pytest.raises(ValueError, match=r"model.json: expected the \"seed\", and as \"data\""):
        find_parts(run)


def test_sequences_that_tell_nothing_are_no_reason_to_stop(folded, tmp_path):
    texts = {"one.tsv": ["ACGT" * 20], "unknown.tsv": ["N" * 80] * 3}
    for name, sequences in texts.items():
        rows = [f"{text}\t{place}.5\n" for place, text in enumerate(sequences)]
        (tmp_path / name).write_text("sequence\texpression\n" + "".join(rows))
        page = tmp_path / "page.html"
        report = write_report(page, folded, data=tmp_path / name, overwrite=True)
        left_out = " ".join(report.to_json()["left_out"])
        assert ("example sequences are left out" in left_out) == (name == "unknown.tsv")
        assert not re.search(r"\bnan\b", page.read_text())


def test_a_model_without_data_says_what_is_left_out(trained, tmp_path):
    model = replaced(cisreg.load_model(trained[0]), {})
    report = write_report(tmp_path / "report.html", model)
    assert "no measured sequences were found" in report.sentences[0]
    assert report.sentences[2].startswith("What to doubt first: no measured sequence")
    left_out = " ".join(report.to_json()["left_out"])
    assert "predictions, residuals, example sequences" in left_out
    text = (tmp_path / "report.html").read_text()
    assert 'id="predictions"' not in text and 'id="factors"' in text


def test_the_scale_of_effects_is_said_where_there_is_a_link(trained, tmp_path):
    model = cisreg.load_model(trained[0])
    spec = dataclasses.replace(
        model.spec, link="logistic", positional_potentiation=True, competition=True
    )
    added = {name: (0.0, 20.0)[name == "link_ceiling"] for name in ("link_floor", "link_ceiling")}
    parameters = {
        **{name: np.float32(value) for name, value in added.items()},
        "potentiation_position_weight": model.parameters["position_weight"].copy(),
        **model.parameters,
    }
    linked = dataclasses.replace(model, spec=spec, parameters=parameters, metadata={})
    report = write_report(tmp_path / "report.html", linked)
    text = (tmp_path / "report.html").read_text()
    assert "effects of sites on the scale of the score before the logistic link" in text
    assert "What a strongest site adds to the log odds of accessibility" in text
    assert "link_floor: 0, link_ceiling: 20" in text
    assert (
        "positions for potentiation, strands, competition, a logistic link" in report.sentences[1]
    )


def test_a_model_with_competition_has_all_parts(trained, tmp_path):
    model = cisreg.load_model(trained[0])
    competing = dataclasses.replace(model, spec=dataclasses.replace(model.spec, competition=True))
    alone, report = (
        write_report(tmp_path / f"{name}.html", each)
        for name, each in (("alone", model), ("report", competing))
    )
    assert report.to_json()["parts"].keys() == alone.to_json()["parts"].keys()
    assert report.sentences[0] != alone.sentences[0]


def test_the_settings_say_the_odds_of_a_nucleosome():
    layers = {"competition": True, "nucleosome": True, "sequence_length": 160}
    model = make_model(**layers)
    model.parameters["nucleosome_log_odds"] = np.float32(-1.25)
    rows = dict(settings_of(Run("model", model)))
    assert rows["log odds of a nucleosome as trained"] == "-1.25"


def test_the_curves_of_pairs_are_drawn_and_the_pairs_are_named(trained, tmp_path):
    model = cisreg.load_model(trained[0])
    spec = dataclasses.replace(model.spec, pairs=((0, 1),))
    effect = np.ones(spec.parameter_shapes["pair_effect"], np.float32)
    paired = dataclasses.replace(
        model, spec=spec, parameters={**model.parameters, "pair_effect": effect}, metadata={}
    )
    write_report(tmp_path / "report.html", paired)
    text = html.unescape((tmp_path / "report.html").read_text())
    assert "What the strongest sites of both factors add together" in text
    assert " and ".join(model.motif_names[:2]) in text


def test_what_train_returns_writes_the_same_numbers(trained, tmp_path, page, monkeypatch):
    # What is drawn is that of the page.
    monkeypatch.setattr("cisreg.report.page.run_page", lambda content: "page")
    report = trained[1].report(tmp_path / "report.html")
    assert report.to_json()["parts"] == page[1].to_json()["parts"]
    assert report.sentences == page[1].sentences


def test_intervals_are_shown_where_they_are_given(page):
    content = page[1].content
    names = content.effects.factor
    table = pa.table(
        {
            "parameter": ["effect"] * len(names) + ["bias"],
            "factor": [*names, None],
            "lower": np.arange(len(names) + 1) - 0.25,
            "upper": np.arange(len(names) + 1) + 0.25,
        }
    )
    shown = replace(content, intervals=read_intervals(table))
    assert [each.name for each in factor_columns(shown)].count("effect_lower") == 1
    rows = {row.name: row.numbers for row in factor_rows(shown)}
    for number, name in enumerate(names):
        assert rows[name]["effect_lower"] == number - 0.25
        assert rows[name]["effect_upper"] == number + 0.25
    assert "effect_lower" not in {each.name for each in factor_columns(content)}
    with pytest.raises(ValueError, match="intervals: expected a table with the column lower"):
        read_intervals(table.drop(["lower"]))
    swapped = table.rename_columns(["parameter", "factor", "upper", "lower"])
    for wrong in (swapped, table.set_column(2, "lower", table["parameter"])):
        with pytest.raises(ValueError, match="intervals: expected numbers, lower not above upper"):
            read_intervals(wrong)


def test_intervals_of_some_factors_are_shown(page):
    content = page[1].content
    name = content.effects.factor[0]
    row = {"parameter": "effect", "factor": name, "lower": -7.25, "upper": 9.25}
    shown = replace(content, intervals=read_intervals(pa.Table.from_pylist([row])))
    text = run_page(shown)
    assert text.count('data-value="-7.25"') == text.count('data-value="9.25"') == 1
    numbers = {row.name: row.numbers for row in factor_rows(shown)}
    assert [name for name, each in numbers.items() if each["effect_lower"] is not None] == [name]


def test_intervals_of_another_model_are_said(folded, tmp_path):
    rows = ["parameter\tfactor\tlower\tupper", "effect\t01\t1\t2", "effect\t02\t1\t2"]
    (tmp_path / "c.tsv").write_text("\n".join(rows) + "\n")
    table = _read_intervals(tmp_path / "c.tsv")
    assert set(read_intervals(table)) == {("effect", "01"), ("effect", "02")}
    report = write_report(tmp_path / "page.html", folded, intervals=table)
    assert "The intervals are of other factors" in " ".join(report.to_json()["left_out"])


def test_the_members_of_an_ensemble_give_intervals(trained, other_run, tmp_path):
    (tmp_path / "ensemble.json").write_text('{"resampling": "seeds"}')
    for number, run in enumerate((trained[0], other_run)):
        shutil.copytree(run, tmp_path / f"member_{number}")
    found = read_intervals(_read_intervals(tmp_path))
    models = cisreg.load_model(trained[0]), cisreg.load_model(other_run)
    effects = Ensemble(models, "seeds").effects(0.9).to_table().to_pylist()
    assert len(found) == len(effects) > 10
    for row in effects:
        interval = found[row["parameter"], row["factor"]]
        assert (interval.lower, interval.upper) == (row["lower"], row["upper"])
    (tmp_path / "ensemble.json").unlink()
    with pytest.raises(ValueError, match=r"expected a folder of cisreg\.uncertainty\.fit_ensemble"):
        _read_intervals(tmp_path)


def test_lines_do_not_break_within_options():
    found = str(_sentence("see --data, <b>--resume-all</b>, a--b and 5 %"))
    assert found.count('<span class="option">') == 2
    assert '<span class="option">--data</span>, &lt;b&gt;' in found
    assert "a--b and 5\N{NO-BREAK SPACE}%" in found


def test_two_runs_are_compared_on_what_neither_saw(trained, other_run, table, comparison):
    models = [cisreg.load_model(each) for each in (trained[0], other_run)]
    rows = held_out(table, models[0])[1]
    errors = [
        (each.predict(rows).expression - rows.expression.astype(float)) ** 2 for each in models
    ]
    difference = errors[1] - errors[0]
    said = comparison[1].to_json()
    assert said["sequences"] == len(rows)
    found = said["difference_of_mean_squared_error"]
    assert found["estimate"] == pytest.approx(difference.mean(), rel=1e-5)
    width = 1.959964 * difference.std(ddof=1) / np.sqrt(len(difference))
    assert found["upper"] - found["estimate"] == pytest.approx(width, rel=1e-5)
    assert "first (the first) predicts better" in comparison[1].sentences[0]
    assert [each["parts"]["held out"]["sequences"] for each in said["runs"]] == [len(rows)] * 2
    assert "no training curves" not in comparison[0].read_text()


def test_the_command_writes_and_says_the_same(trained, tmp_path, page):
    path = tmp_path / "report.html"
    words = ["--quiet", "report", str(trained[0]), "--output", str(path)]
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["results"] == page[1].tables()
    assert said["messages"][:3] == list(page[1].sentences) and str(path) in said["messages"][3]
    expression = {row.pop("part"): row for row in said["results"]["expression"]}
    for name, metrics in page[1].to_json()["parts"].items():
        assert expression[name] == {"run": "first", **metrics}
    assert path.read_bytes() == page[0].read_bytes()
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 1 and "--overwrite" in refused.output


def test_a_page_has_its_ending(tmp_path):
    with pytest.raises(ValueError, match=r"expected a name that ends in \.html"):
        write_report(tmp_path / "report.pdf", tmp_path)


def test_a_damaged_record_of_training_is_said(trained, tmp_path):
    model = cisreg.load_model(trained[0])
    cisreg.save_model(tmp_path / "run", model)
    good = (trained[0] / "metrics.jsonl").read_text()
    line = len(good.splitlines()) + 1
    sound = json.loads(good.splitlines()[-1])
    for wrong in ({"stage": "2"}, {"stage": None}, {"seconds": None}, {"loss": 10**400}):
        last = json.dumps({**sound, **wrong})
        (tmp_path / "run" / "metrics.jsonl").write_text(f"{good}{last}\n")
        run = open_run(tmp_path / "run")
        assert run.history is None and f"metrics.jsonl, line {line}" in run.notes[0], wrong
    (tmp_path / "run" / "metrics.jsonl").write_text(f"{good}{json.dumps(sound)}\n")
    assert len(open_run(tmp_path / "run").history["loss"]) == line


def test_a_page_of_245_factors_is_below_5_megabytes(tmp_path):
    from cisreg.motifs import random_motifs
    from cisreg.spec import ModelSpec
    from cisreg.start import init_parameters

    motifs = random_motifs(245, width=20, seed=1)
    spec = ModelSpec(245, 20, 80, positional=True, position_knots=8, stranded=True)
    parameters = init_parameters(spec, 3 * motifs.log_kd, np.full(245, -3.0, np.float32), seed=0)
    # Factors without an effect are not compared with each other, which takes long.
    parameters["activity"][20:] = parameters["activity_difference"][20:] = 0
    parameters["potentiation"][20:] = 0
    model = cisreg.Model(spec, parameters, motifs.names, initial_motifs=motifs)
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, (300, 80), dtype=np.uint8)
    data = cisreg.Dataset(codes, random.normal(0, 1, 300).astype(np.float32))
    path = tmp_path / "report.html"
    report = write_report(path, Run("large", model, given={"held out": data}))
    assert path.read_text().count('class="logo"') == 490
    assert report.bytes == path.stat().st_size < 5e6


def test_rows_are_named_by_their_lines_where_others_were_left_out(trained, table, tmp_path):
    """Rows 2 and 5 cannot be used; what the page says of a line is what the line has."""
    lines = [line.split("\t")[1:3] for line in table.read_text().splitlines()]
    for row in (2, 5):
        lines[row][1] = "none"
    path = tmp_path / "gaps.tsv"
    path.write_text("\n".join("\t".join(line) for line in lines) + "\n")
    recipe = cisreg.read_recipe("quick").override(epochs=1, motif_width=20)
    folder = tmp_path / "run"
    result = cisreg.train(
        str(path), evil_motifs(), recipe, output=folder, validation=0.3, progress=False
    )
    written = write_report(tmp_path / "page.html", folder)
    assert "does not hold the rows" not in (tmp_path / "page.html").read_text()
    examples = written.content.examples
    assert len(examples.names) == 3
    for name, measured in zip(examples.names, examples.measured, strict=True):
        number = re.fullmatch(r"line ([0-9]+) of gaps\.tsv", name)[1]
        assert float(lines[int(number) - 1][1]) == pytest.approx(measured, rel=1e-5)
    found = find_parts(open_run(folder))
    of_lines = {part.name: part.places["line of the table"].to_pylist() for part in found.parts}
    every = sorted(number for numbers in of_lines.values() for number in numbers)
    assert every == [number for number in range(2, len(lines) + 1) if number not in (3, 6)]
    # Rows that are in memory say the same.
    again = write_report(
        tmp_path / "again.html",
        Run(
            "run",
            result.model,
            given={
                "training": result.training,
                "held out": result.validation,
            },
        ),
    )
    assert again.content.examples.names == examples.names
