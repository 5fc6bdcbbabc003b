"""Compares two runs on sequences that neither was trained on."""

from __future__ import annotations

import math

import numpy as np

from cisreg.data.splitting import sequence_hashes
from cisreg.display import counted
from cisreg.metrics import Metrics, agreement
from cisreg.quantiles import normal_width
from cisreg.report.labels import fixed
from cisreg.report.page.content import Comparison, Predicted, RunContent
from cisreg.report.page.data import Found, Part
from cisreg.report.page.verdict import percent

_LEVEL = 0.95


def compare_runs(first: RunContent, second: RunContent, data: tuple[Found, Found]) -> Comparison:
    """Two runs beside each other.

    They are compared on the sequences by which both are judged: the same sequence, or its reverse
    complement, once.

    Args:
        first: one run.
        second: the other one.
        data: of both.
    """
    notes: list[str] = []
    measured, predictions = _shared_predictions(first, second, data, notes)
    metrics, difference = None, None
    if len(measured):
        metrics = (agreement(predictions[0], measured), agreement(predictions[1], measured))
        difference = error_difference(measured, *predictions)
    names = set(second.effects.factor)
    shared = tuple(name for name in first.effects.factor if name in names)
    return Comparison(
        *(first, second, measured, predictions, metrics, difference, shared),
        settings=_differences(first, second),
        sentences=_sentences(first, second, len(measured), metrics, difference, shared),
        notes=tuple(notes),
    )


def error_difference(
    measured: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[float, float, float]:
    """Mean squared error of the second minus that of the first predictions, with its interval.

    The same sequences have both errors, so the difference is known better than either: its standard
    error is that of the mean of the differences of squares.

    Args:
        measured: float64 [N].
        first: float64 [N], predictions.
        second: float64 [N], predictions.

    Returns:
        The difference, and both ends of its 95 % interval; NaN with fewer than 2 sequences.

    Example:
        >>> zero, one = np.zeros(4), np.ones(4)
        >>> error_difference(zero, one, zero)
        (-1.0, -1.0, -1.0)
    """
    each = (second - measured) ** 2 - (first - measured) ** 2
    mean = float(each.mean())
    if len(each) < 2:
        return mean, math.nan, math.nan
    width = normal_width(_LEVEL) * float(each.std(ddof=1)) / math.sqrt(len(each))
    return mean, mean - width, mean + width


def _shared_predictions(
    first: RunContent, second: RunContent, data: tuple[Found, Found], notes: list[str]
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    nothing = np.zeros(0)
    judged = [each.judged for each in data]
    if judged[0] is None or judged[1] is None:
        notes.append("One of the runs has no measured sequences: predictions are not compared.")
        return nothing, (nothing, nothing)
    if "training" in (judged[0].role, judged[1].role):
        notes.append(
            "One of the runs is judged by its training sequences: predictions are not compared. "
            "Give sequences that neither was trained on with --data."
        )
        return nothing, (nothing, nothing)
    common, rows, others = np.intersect1d(
        _hashes(judged[0]), _hashes(judged[1]), return_indices=True
    )
    if not len(common):
        notes.append(
            "The runs held out different sequences: predictions are not compared. Give sequences "
            "that neither was trained on with --data."
        )
        return nothing, (nothing, nothing)
    trained = [each.of("training") for each in data]
    seen = [
        np.isin(common, sequence_hashes(part.data.sequence)) for part in trained if part is not None
    ]
    kept = ~np.any(seen, axis=0) if seen else np.ones(len(common), bool)
    one, other = _judged(first), _judged(second)
    rows, others = rows[kept], others[kept]
    same = np.isclose(one.measured[rows], other.measured[others], rtol=1e-5)
    if not same.all():
        notes.append(
            f"{counted(int((~same).sum()), 'sequence')} were measured otherwise in the table of "
            f"the second run: the measurements are those of {first.run.name}."
        )
    return one.measured[rows], (one.predicted[rows], other.predicted[others])


def _hashes(part: Part) -> np.ndarray:
    return sequence_hashes(part.data.sequence)


def _judged(content: RunContent) -> Predicted:
    judged = content.judged
    assert judged is not None  # its data were looked at
    return judged


def _differences(first: RunContent, second: RunContent) -> tuple[tuple[str, str, str], ...]:
    left, right = dict(first.settings), dict(second.settings)
    names = [*left, *(name for name in right if name not in left)]
    rows = [(name, left.get(name, "not known"), right.get(name, "not known")) for name in names]
    if first.run.recipe != second.run.recipe:
        rows += _recipe_differences(first.run.recipe or "", second.run.recipe or "")
    return tuple(row for row in rows if row[1] != row[2])


def _recipe_differences(first: str, second: str) -> list[tuple[str, str, str]]:
    """Settings of two recipes by their sections, as text."""
    left, right = _settings(first), _settings(second)
    names = [*left, *(name for name in right if name not in left)]
    return [(f"recipe: {name}", left.get(name, "none"), right.get(name, "none")) for name in names]


def _settings(recipe: str) -> dict[str, str]:
    found: dict[str, str] = {}
    section, stages = "", 0
    for line in recipe.splitlines():
        text = line.strip()
        if text.startswith("[["):
            stages += 1
            section = f"stage {stages} "
        elif text.startswith("["):
            section = f"{text.strip('[]')} "
        elif "=" in text and not text.startswith("#"):
            name, _, value = text.partition("=")
            found[f"{section}{name.strip()}"] = value.strip()
    return found


def _sentences(
    first: RunContent,
    second: RunContent,
    count: int,
    metrics: tuple[Metrics, Metrics] | None,
    difference: tuple[float, float, float] | None,
    shared: tuple[str, ...],
) -> tuple[str, str, str]:
    names = (first.run.name, second.run.name)
    if metrics is None or difference is None:
        one = "Which model predicts better was not found out: see what is left out below."
        two = " ".join(f"{name}: {content.sentences[0]}" for name, content in _pairs(first, second))
    else:
        one = _better(names, count, difference)
        two = (
            f"r is {fixed(metrics[0].pearson)} in the first and {fixed(metrics[1].pearson)} in the "
            f"second, the explained variance {percent(metrics[0].r_squared)} and "
            f"{percent(metrics[1].r_squared)}; the models share {counted(len(shared), 'factor')}."
        )
    doubts = [f"{name}: {content.sentences[2]}" for name, content in _pairs(first, second)]
    return one, two, " ".join(doubts)


def _pairs(first: RunContent, second: RunContent) -> list[tuple[str, RunContent]]:
    return [(f"{first.run.name} (first)", first), (f"{second.run.name} (second)", second)]


def _better(names: tuple[str, str], count: int, difference: tuple[float, float, float]) -> str:
    mean, low, high = difference
    where = f"on {counted(count, 'sequence')} that neither was trained on"
    from_to = (
        f"from the first to the second, the mean squared error changes by {mean:+.3g} (95 % "
        f"interval {low:+.3g} to {high:+.3g})"
    )
    if low <= 0 <= high or math.isnan(low):
        return f"Neither model predicts better beyond chance {where}: {from_to}."
    place = 1 if mean < 0 else 0
    which = ("first", "second")[place]
    return f"{names[place]} (the {which}) predicts better {where}: {from_to}."
