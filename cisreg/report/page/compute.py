"""Computes what a report says of one run."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from cisreg.data import Dataset
from cisreg.data.replicates import highest_r
from cisreg.interpret.bases import base_contributions
from cisreg.interpret.diagnosis import diagnose_model
from cisreg.interpret.factors import factor_effects
from cisreg.interpret.mutagenesis import mutagenesis
from cisreg.interpret.sites import site_contributions
from cisreg.metrics import Metrics, agreement
from cisreg.quantiles import normal_width
from cisreg.report.dataset_plot import gc_content
from cisreg.report.differences import OutputDifferences
from cisreg.report.page.constant_parts import ConstantPart, constant_parts
from cisreg.report.page.content import Examples, Interval, Predicted, RunContent
from cisreg.report.page.data import Found, Part
from cisreg.report.page.run import Run
from cisreg.report.page.settings import settings_of
from cisreg.report.page.verdict import doubts_of, sentences_of
from cisreg.report.page.words import predict_by_words
from cisreg.trained_model import Model

_LEVEL = 0.95
# What factors do is averaged over so many sequences; fewer where every site is computed.
_FACTOR_ROWS, _FACTOR_ROWS_OF_SITES = 4096, 256
# A quantity with no more values than these has a group for each; text with more is left out.
_MOST_CATEGORIES = 24
_DRAWN_OCCUPANCY = 0.05


def describe_run(
    run: Run,
    found: Found,
    *,
    intervals: Any = None,
    differences: OutputDifferences | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> RunContent:
    """Predicts, explains and diagnoses; the numbers of a report of one run.

    Args:
        run: the model and its training.
        found: its data.
        intervals: a table of `cisreg.uncertainty.Certainty.effects`, or None.
        differences: what differs between the outputs, of which the run is one; or None.
        threads: how many threads compute; None: one for each core.
        progress: whether to show progress bars.
    """
    found = _in_levels(run.model, found)
    judged = found.judged
    parts = sorted(found.parts, key=lambda part: part is not judged)
    predicted = tuple(predict_part(run.model, part) for part in parts)
    rows = None if judged is None else _spread(judged.data, _most_rows(run.model))
    how: dict[str, Any] = {"threads": threads, "progress": progress}
    effects = factor_effects(run.model, rows, **how)
    diagnosis = diagnose_model(run.model, None if judged is None else judged.data, **how)
    baseline = _baseline(found)
    known = {} if intervals is None else read_intervals(intervals)
    examples = None if judged is None else _examples(run.model, judged, predicted[0], threads)
    constant: Sequence[ConstantPart] = ()
    if rows is not None and predicted[0].measured.std() > 0:
        constant = constant_parts(
            run.model, rows, float(predicted[0].measured.std()), threads=threads
        )
    doubts = doubts_of(run, predicted, baseline, diagnosis, constant)
    return RunContent(
        run=run,
        predicted=predicted,
        baseline=baseline,
        effects=effects,
        intervals=known,
        differences=differences if differences is not None and differences.rows else None,
        diagnosis=diagnosis,
        examples=examples,
        doubts=doubts,
        sentences=sentences_of(run, predicted, baseline, doubts),
        settings=settings_of(run),
        notes=(
            *(*run.notes, *found.notes, *_missing(run, known, differences)),
            *_without_bases(judged, examples),
        ),
    )


def _in_levels(model: Model, found: Found) -> Found:
    """The parts with one number for each sequence, in the unit of the predictions."""
    parts = [
        replace(
            part,
            data=model.with_levels(part.data),
            places={
                name: column.filter(pa.array(there)) if not there.all() else column
                for name, column in part.places.items()
            },
            highest=highest_r(part.data.sequence, levels),
        )
        for part in found.parts
        for levels in [model.levels(part.data)]
        for there in [np.isfinite(levels.reshape(len(levels), -1)).any(axis=1)]
    ]
    return replace(found, parts=tuple(parts))


def _most_rows(model: Model) -> int:
    return _FACTOR_ROWS if model.spec.fused else _FACTOR_ROWS_OF_SITES


def _spread(data: Dataset, most: int) -> Dataset:
    return data[:: -(-len(data) // most)]


def predict_part(model: Model, part: Part) -> Predicted:
    """Predictions of a part, their metrics, and what residuals may depend on."""
    measured = part.data.expression.astype(np.float64)
    predicted = model.predict(part.data).expression.astype(np.float64)
    metrics = agreement(predicted, measured)
    along, categories = _along(part, predicted)
    return Predicted(
        *(part.name, part.role, predicted, measured, metrics),
        interval=correlation_interval(metrics.pearson, len(measured)),
        highest=part.highest,
        along=along,
        categories=categories,
    )


def correlation_interval(r: float, count: int, level: float = _LEVEL) -> tuple[float, float]:
    """The interval of a correlation of a sample from a normal distribution, by Fisher's z.

    Fisher (1921), Metron 1, 3-32: atanh(r) scatters by 1 / sqrt(count - 3).

    Args:
        r: Pearson's correlation of the sample.
        count: number of pairs.
        level: of the interval.

    Returns:
        Both ends; NaN where there are fewer than 4 pairs, or r is undefined.

    Example:
        >>> [round(each, 3) for each in correlation_interval(0.5, 103)]
        [0.339, 0.632]
    """
    if count < 4 or not math.isfinite(r) or abs(r) >= 1:
        return (math.nan, math.nan)
    width = normal_width(level) / math.sqrt(count - 3)
    return math.tanh(math.atanh(r) - width), math.tanh(math.atanh(r) + width)


def _along(
    part: Part, predicted: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, tuple[str, ...]]]:
    codes = part.data.sequence
    known = (codes < 4).sum(axis=1)
    along: dict[str, np.ndarray] = {
        "predicted expression": predicted,
        "GC, share of known bases": np.nan_to_num(gc_content(codes)),
    }
    if len(known) and known.min() < known.max():
        along["length, known bases"] = known.astype(np.float64)
    categories: dict[str, tuple[str, ...]] = {}
    for name, column in part.places.items():
        values, names = _place_values(column)
        if values is not None and len(np.unique(values)) > 1:
            along[str(name)] = values
            if names:
                categories[str(name)] = names
    return along, categories


def _place_values(column: pa.Array) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """A column as numbers; text as places among its values; None if it cannot be drawn."""
    if column.null_count:
        return None, ()
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        values = column.to_numpy(zero_copy_only=False).astype(np.float64)
        return (values, ()) if np.isfinite(values).all() else (None, ())
    texts = column.cast(pa.string()).to_numpy(zero_copy_only=False).astype(str)
    names, values = np.unique(texts, return_inverse=True)
    if len(names) <= _MOST_CATEGORIES:
        return values.astype(np.float64), tuple(names.tolist())
    return None, ()


def _baseline(found: Found) -> Metrics | None:
    training, judged = found.of("training"), found.judged
    if training is None or judged is None:
        return None
    fitted = training.data.rows_that_count()
    if len(fitted) < 2:
        return None
    measured = judged.data.mean_expression.astype(np.float64)
    predicted = predict_by_words(
        *(fitted.sequence, fitted.mean_expression, judged.data.sequence), fitted.mean_weight
    )
    return agreement(predicted, measured)


def read_intervals(table: Any) -> dict[tuple[str, str], Interval]:
    """Intervals by effect and factor.

    Args:
        table: as of `cisreg.uncertainty.Certainty.effects`, or what `cisreg explain certainty`
            writes: columns parameter, factor, lower and upper; an Arrow table or a DataFrame too.

    Raises:
        ValueError: a column is missing, or has no numbers; or a lower end is above the upper one.

    Example:
        >>> import pyarrow as pa
        >>> row = {"parameter": "effect", "factor": "Reb1", "lower": 1.0, "upper": 2.0}
        >>> read_intervals(pa.Table.from_pylist([row]))[("effect", "Reb1")].upper
        2.0
    """
    if hasattr(table, "to_table"):
        table = table.to_table()
    names = ("parameter", "factor", "lower", "upper")
    columns = [_values(table, name) for name in names]
    return {
        (str(parameter), str(factor)): _interval(lower, upper, str(factor))
        for parameter, factor, lower, upper in zip(*columns, strict=True)
        if not (factor is None or lower is None or upper is None)
    }


def _interval(lower: Any, upper: Any, factor: str) -> Interval:
    is_number = isinstance(lower, numbers.Real) and isinstance(upper, numbers.Real)
    if not is_number or lower > upper:
        raise ValueError(
            f"intervals: expected numbers, lower not above upper, got {lower!r:.40} and "
            f"{upper!r:.40} of the factor {factor!r:.60}"
        )
    return Interval(float(lower), float(upper))


def _values(table: Any, name: str) -> Sequence[Any]:
    try:
        column = table[name]
    except (KeyError, ValueError):
        raise ValueError(
            f"intervals: expected a table with the column {name}, as cisreg explain certainty "
            "writes it, found none"
        ) from None
    return column.to_pylist() if hasattr(column, "to_pylist") else list(column)


def _examples(
    model: Model, judged: Part, predicted: Predicted, threads: int | None
) -> Examples | None:
    """The best, the worst and a random sequence of the judged part; None without known bases."""
    known = np.flatnonzero((judged.data.sequence < 4).any(axis=1))
    if not len(known):
        return None
    rows = example_rows(predicted, known)
    data = judged.data.take(list(rows.values()))
    how: dict[str, Any] = {"threads": threads}
    names = [_name(judged, row) for row in rows.values()]
    return Examples(
        kinds=tuple(rows),
        names=tuple(names),
        measured=predicted.measured[list(rows.values())],
        bases=base_contributions(model, data, **how),
        sites=site_contributions(model, data, least_occupancy=_DRAWN_OCCUPANCY, **how),
        mutations=mutagenesis(model, data[:1], names=names[:1], **how),
    )


def example_rows(predicted: Predicted, among: np.ndarray) -> Mapping[str, int]:
    """Places of the sequences that are shown, of those in `among`, int64 [n], by what they are.

    Best is the smallest error among the upper half of the measurements, since a promoter without
    sites is easy and shows nothing; worst is the largest error of all; random is always the same.
    """
    error, measured = np.abs(predicted.residual), predicted.measured
    upper = among[measured[among] >= np.median(measured[among])]
    best, worst = upper[np.argmin(error[upper])], among[np.argmax(error[among])]
    found = {"best": int(best), "worst": int(worst)}
    others = np.setdiff1d(among, list(found.values()))
    if len(others):
        found["random"] = int(np.random.default_rng(0).choice(others))
    return found


def _name(part: Part, row: int) -> str:
    if part.data.name is not None and (name := part.data.name[row].as_py()):
        return str(name)
    places = part.data.places
    return f"row {row} of those looked at" if places is None else places.said(row)


def _without_bases(judged: Part | None, examples: Examples | None) -> list[str]:
    if judged is None or examples is not None:
        return []
    return [f"No sequence ({judged.name}) has a known base: example sequences are left out."]


def _missing(
    run: Run,
    intervals: Mapping[tuple[str, str], Interval],
    differences: OutputDifferences | None,
) -> list[str]:
    notes = []
    if not intervals:
        notes.append(
            "Effects have no intervals: cisreg explain certainty makes a table of them, which the "
            "option --certainty adds."
        )
    elif not {factor for _, factor in intervals} & {*run.model.motif_names}:
        notes.append("The intervals are of other factors than those of the model: none is shown.")
    if differences is not None and differences.rows and not differences.has_intervals:
        notes.append(
            "Differences between outputs have no intervals: cisreg explain differences makes a "
            "table of them, which the option --differences adds."
        )
    if run.history is None and not run.notes:
        notes.append("How training went is not known: its curves are left out.")
    if run.model.initial_motifs is None:
        notes.append("The motifs before training are not known: only the trained ones are shown.")
    if not (run.model.spec.positional or run.model.spec.positional_potentiation):
        notes.append("The model has no position weights, so there are no curves by position.")
    if not run.model.spec.potentiation:
        notes.append("The model has no potentiation, so there is no plot of it.")
    return notes
