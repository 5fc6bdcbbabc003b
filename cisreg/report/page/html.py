"""Fills the templates of the page: every name and sequence is escaped by the template engine."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from cisreg.display import counted, printable
from cisreg.links import of_score
from cisreg.metrics import Metrics
from cisreg.report.labels import fixed
from cisreg.report.logo import letter_paths
from cisreg.report.page.content import Comparison, Predicted, RunContent
from cisreg.report.page.factor_rows import Column, FactorRow, factor_columns, factor_rows
from cisreg.report.page.figures import Pictures
from cisreg.version import __version__

_PACKAGE = "cisreg.report.page"
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


@dataclass(frozen=True)
class Score:
    """A row of the table at the beginning."""

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class TableRow:
    """A row of the table of factors, with the text that it is found by."""

    rank: int
    name: str
    consensus: str
    logos: tuple[Any, ...]
    numbers: Mapping[str, float | None]
    verdicts: Sequence[tuple[str, str]]

    @property
    def search(self) -> str:
        """All that the filter looks through."""
        words = [self.name, self.consensus, *(check for check, _ in self.verdicts)]
        return printable(" ".join(words)).lower()

    @property
    def checks(self) -> str:
        """The checks that name the factor."""
        return "|".join(check for check, _ in self.verdicts)


@dataclass(frozen=True)
class FactorTable:
    """The table of factors as the template shows it."""

    caption: str
    logo_heading: str
    columns: Sequence[Column]
    rows: Sequence[TableRow]

    @property
    def checks(self) -> list[str]:
        """All checks that name a factor."""
        return sorted({check for row in self.rows for check, _ in row.verdicts})


def run_page(content: RunContent) -> str:
    """The page about one run.

    Raises:
        ImportError: matplotlib or Jinja is not installed.
    """
    draw = Pictures()
    examples = content.examples
    unit = content.run.model.unit
    parts: dict[str, Any] = {
        "training": draw.training(content),
        "predictions": draw.predictions(content),
        "residuals": draw.residuals(content),
        "factors": draw.factors(content),
        "outputs": draw.differences(content),
        "examples": [] if examples is None else list(draw.examples(examples)),
        "mutations": None if examples is None else draw.mutations(examples, unit),
    }
    shown = {"factors", "diagnosis", "settings", "doubts"}
    shown |= {name for name, each in parts.items() if each}
    if content.differences is not None:
        shown.add("outputs")
    sections = [
        ("doubts", "What to doubt"),
        ("training", "Training"),
        ("predictions", "Predictions"),
        ("residuals", "Errors"),
        ("factors", "Factors"),
        ("outputs", "Differences between outputs"),
        ("examples", "Example sequences"),
        ("diagnosis", "Diagnosis"),
        ("settings", "Settings"),
    ]
    return _filled(
        "run.html",
        title=f"Report of {content.run.name}",
        about=_about(content),
        content=content,
        scores=_scores(content),
        table=_factor_table(content),
        stages=_stages(content),
        judged="" if content.judged is None else _judged_text(content.judged),
        sections=[each for each in sections if each[0] in shown],
        **parts,
    )


def comparison_page(content: Comparison) -> str:
    """The page about two runs beside each other.

    Raises:
        ImportError: matplotlib or Jinja is not installed.
    """
    runs: list[dict[str, Any]] = []
    for place, each in enumerate((content.first, content.second)):
        draw = Pictures("ab"[place])
        runs.append(
            {
                "name": f"{each.run.name} ({('first', 'second')[place]})",
                "content": each,
                "stages": _stages(each),
                "pictures": {
                    "training": draw.training(each),
                    "predictions": draw.predictions(each),
                    "residuals": draw.residuals(each),
                    "factor-plots": draw.factors(each),
                },
            }
        )
    left_out = list(content.notes)
    for run in runs:
        left_out += [f"{run['name']}: {note}" for note in run["content"].notes]
    return _filled(
        "comparison.html",
        title=f"{content.first.run.name} and {content.second.run.name}",
        about=f"Two runs side by side. {_about(content.first)}",
        content=content,
        runs=runs,
        left_out=left_out,
        scores=_compared_scores(content),
        pairs=Pictures("c").comparison(content),
        table=_compared_table(content),
        sections=[
            ("doubts", "What to doubt"),
            ("differences", "Differences"),
            ("factors", "Factors"),
            ("training", "Training"),
            ("predictions", "Predictions"),
            ("residuals", "Errors"),
            ("diagnosis", "Diagnosis"),
            ("settings", "Settings"),
        ],
    )


def _filled(template: str, **values: Any) -> str:
    try:
        import jinja2
    except ImportError as error:
        raise ImportError(
            f"reports need Jinja ({error}): run pip install 'cisreg[report]'"
        ) from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(_PACKAGE, ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    filters = {"shown": _shown, "sentence": _sentence, "number": _number, "exact": _exact}
    environment.filters |= filters
    script = _file("page.js")
    digest = hashlib.sha256(script.encode()).digest()
    return environment.get_template(template).render(
        style=_file("page.css"),
        script=script,
        script_digest=base64.b64encode(digest).decode(),
        letters=letter_paths(),
        version=__version__,
        **values,
    )


def _file(name: str) -> str:
    return resources.files(_PACKAGE).joinpath(name).read_text(encoding="utf-8")


def _shown(text: Any) -> str:
    """Text of which no character acts on the page; the template escapes it then."""
    return printable(str(text)).replace(" %", "\N{NO-BREAK SPACE}%")


def _sentence(text: Any) -> Any:
    """`_shown`, escaped, with options such as --data in one piece each."""
    from markupsafe import Markup, escape  # of Jinja

    escaped = str(escape(_shown(text)))
    return Markup(_OPTION.sub(r'<span class="option">\g<0></span>', escaped))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e")


def _exact(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def _about(content: RunContent) -> str:
    model = content.run.model
    parts = [counted(model.spec.motif_count, "factor"), f"{model.spec.sequence_length:,} bases"]
    table = model.metadata.get("table")
    if table:
        names = [table] if isinstance(table, str) else map(str, table)
        parts.append(f"trained on {', '.join(name.rpartition('/')[2] for name in names)}")
    if model.unit:
        parts.append(f"expression in {model.unit}")
    return "; ".join(parts)


def _scores(content: RunContent) -> list[Score]:
    rows = [_score(each.name, each) for each in content.predicted]
    if content.baseline is not None and content.judged is not None:
        name = f"counts of words of 3 bases, {content.judged.name}"
        rows.insert(1, Score(name, _cells(content.judged.count, content.baseline, None)))
    return rows


def _judged_text(part: Predicted) -> str:
    where = {
        "held out": "that were held out",
        "training": "of training",
        "other": f"of {part.name}",
    }[part.role]
    return f"{counted(part.count, 'sequence')} {where}"


def _stages(content: RunContent) -> list[tuple[str, ...]]:
    """Rows of the table of stages, each with the numbers at its end."""
    history = content.run.history
    if history is None:
        return []
    names = ("stage", "epoch", "seconds", "loss", "validation_loss", "validation_r")
    columns = [
        each.to_pylist() if hasattr(each, "to_pylist") else list(each)
        for each in (history[name] for name in names)
    ]
    last, seconds = {}, dict.fromkeys(columns[0], 0.0)
    for stage, epoch, took, *losses in zip(*columns, strict=True):
        seconds[stage] += took
        last[stage] = (epoch, losses)
    return [
        (
            *(str(stage), str(epoch), f"{seconds[stage]:.1f}"),
            *("" if each is None else f"{each:.4g}" for each in losses),
        )
        for stage, (epoch, losses) in last.items()
    ]


def _score(name: str, part: Predicted) -> Score:
    return Score(name, _cells(part.count, part.metrics, part.interval, part.highest))


def _cells(
    count: int,
    metrics: Metrics,
    interval: tuple[float, float] | None,
    highest: float = math.nan,
) -> tuple[str, ...]:
    between = ""
    if interval is not None and math.isfinite(interval[0]):
        between = f"{interval[0]:.3f} to {interval[1]:.3f}"
    return (
        *(f"{count:,}", fixed(metrics.pearson), between),
        *(fixed(highest) if math.isfinite(highest) else "", fixed(metrics.r_squared)),
        *(f"{math.sqrt(metrics.mean_squared_error):.3g}", fixed(metrics.spearman)),
    )


def _compared_scores(content: Comparison) -> list[Score]:
    rows = []
    runs = (content.first, content.second)
    judged = [each.judged for each in runs]
    # If all sequences of both are compared, the rows below say the same.
    partly = any(each is not None and each.count != len(content.measured) for each in judged)
    if content.metrics is not None and partly:
        for each, metrics in zip(runs, content.metrics, strict=True):
            name = f"{each.run.name}, held out of both"
            rows.append(Score(name, _cells(len(content.measured), metrics, None)))
    for each in runs:
        rows += [_score(f"{each.run.name}, {part.name}", part) for part in each.predicted]
    return rows


def _factor_table(content: RunContent) -> FactorTable:
    rows = factor_rows(content)
    has_before = any(row.before is not None for row in rows)
    over = "by importance in these sequences" if content.effects.count else "by their effects"
    unit = content.run.model.unit or "the unit of the table"
    link = content.run.model.spec.link
    scale = f"; effects in {unit}"
    if link != "identity":
        scale = f"; importance and mean effect in {unit}, effects of sites{of_score(link)[1:]}"
    return FactorTable(
        f"All {counted(len(rows), 'factor')}, ranked {over}{scale}.",
        "before and after training" if has_before else "motif",
        factor_columns(content),
        [_table_row(row) for row in rows],
    )


def _table_row(row: FactorRow) -> TableRow:
    logos = (row.after,) if row.before is None else (row.before, row.after)
    return TableRow(row.rank, row.name, row.consensus, logos, row.numbers, row.verdicts)


_COMPARED = ("importance", "effect", "effect_reverse", "potentiation_effect", "site_occupancy")


def _compared_table(content: Comparison) -> FactorTable:
    """Rows of the factors of either run: numbers of both, and by how much the effect differs."""
    both = (content.first, content.second)
    runs = [{row.name: row for row in factor_rows(each)} for each in both]
    columns = []
    for column in factor_columns(content.first):
        if column.name in _COMPARED:
            columns += [
                Column(
                    f"{column.name}_{which}",
                    f"{column.heading}, {which}",
                    f"{column.explained}, in the {which} run",
                )
                for which in ("first", "second")
            ]
    columns.insert(
        0, Column("difference", "effect: second - first", "difference of the effects of a site")
    )
    names = [*runs[0], *(name for name in runs[1] if name not in runs[0])]
    rows = [_compared_row(rank, name, runs, columns) for rank, name in enumerate(names, 1)]
    return FactorTable(
        f"All {counted(len(rows), 'factor')} of both runs, in the order of the first.",
        "motif in the first and the second run",
        columns,
        rows,
    )


def _compared_row(
    rank: int, name: str, runs: Sequence[Mapping[str, FactorRow]], columns: Sequence[Column]
) -> TableRow:
    there = [run.get(name) for run in runs]
    numbers: dict[str, float | None] = dict.fromkeys(column.name for column in columns)
    for which, row in zip(("first", "second"), there, strict=True):
        if row is not None:
            numbers |= {
                f"{key}_{which}": row.numbers.get(key)
                for key in _COMPARED
                if f"{key}_{which}" in numbers
            }
    effects = [None if row is None else row.numbers.get("effect") for row in there]
    if effects[0] is not None and effects[1] is not None:
        numbers["difference"] = effects[1] - effects[0]
    known = [row for row in there if row is not None]
    verdicts = list(dict.fromkeys(each for row in known for each in row.verdicts))
    return TableRow(
        *(rank, name, known[-1].consensus, tuple(row.after for row in known), numbers, verdicts)
    )
