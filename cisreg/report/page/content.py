"""What a report says, as plain values: nothing here draws or writes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cisreg.interpret.bases import BaseContributions
from cisreg.interpret.diagnosis import Diagnosis
from cisreg.interpret.factors import FactorEffects
from cisreg.interpret.mutagenesis import Mutagenesis
from cisreg.interpret.sites import SiteContributions
from cisreg.metrics import Metrics
from cisreg.report.differences import OutputDifferences
from cisreg.report.page.run import Run


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions for N sequences beside their measurements.

    Attributes:
        name: of the part, such as "held out".
        role: "training", "held out" or "other".
        predicted: float64 [N], as `Model.predict` gives them.
        measured: float64 [N], the mean of the measurements of each sequence.
        metrics: of these two.
        interval: 95 % interval of Pearson's r (Fisher, 1921, Metron 1, 3-32); NaN where there are
            fewer than 4 sequences.
        highest: the highest r that replicates leave to a model (`cisreg.data.replicates`); NaN
            without any.
        along: float64 [N] by name: what residuals may depend on.
        categories: names of categories, for those of `along` that are places among them.
    """

    name: str
    role: str
    predicted: np.ndarray
    measured: np.ndarray
    metrics: Metrics
    interval: tuple[float, float]
    highest: float = math.nan
    along: Mapping[str, np.ndarray] = field(default_factory=dict)
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """N, the number of sequences."""
        return len(self.predicted)

    @property
    def error(self) -> float:
        """The typical error: the root of the mean squared error, in the unit of expression."""
        return float(np.sqrt(self.metrics.mean_squared_error))

    @property
    def residual(self) -> np.ndarray:
        """Measured minus predicted, float64 [N]."""
        return self.measured - self.predicted


@dataclass(frozen=True)
class Doubt:
    """Something to keep in mind.

    Attributes:
        weight: the larger, the earlier it is said.
        phrase: in a few words, for a sentence that lists several.
        sentence: what it is and what to do.
    """

    weight: float
    phrase: str
    sentence: str


@dataclass(frozen=True, eq=False)
class Interval:
    """An interval of an effect of a factor: its ends, in the unit of the effect."""

    lower: float
    upper: float


@dataclass(frozen=True, eq=False)
class Examples:
    """Some sequences, with all that is drawn of them.

    Attributes:
        kinds: such as "best", one for each sequence.
        names: of the sequences.
        measured: float64 [K].
        bases: what each base adds.
        sites: what each site adds.
        mutations: of the first sequence.
    """

    kinds: tuple[str, ...]
    names: tuple[str, ...]
    measured: np.ndarray
    bases: BaseContributions
    sites: SiteContributions
    mutations: Mutagenesis


@dataclass(frozen=True, eq=False)
class RunContent:
    """What a report says of one run.

    Attributes:
        run: the model and its training.
        predicted: predictions by part, the part that the model is judged by first.
        baseline: metrics of predictions by counts of words of three bases, on the judged part; None
            where the training rows are not known.
        effects: what each factor does; over sequences if there are some.
        intervals: by name of the effect and factor; empty if none were given.
        differences: between the outputs of the model, of which the page is about one; None of a
            model of one output.
        diagnosis: of the model, over the same sequences.
        examples: None without measured sequences.
        doubts: the gravest first.
        sentences: the three that the report begins with.
        settings: rows of (what, value) about the run.
        notes: what the report leaves out, and why.
    """

    run: Run
    predicted: tuple[Predicted, ...]
    baseline: Metrics | None
    effects: FactorEffects
    intervals: Mapping[tuple[str, str], Interval]
    differences: OutputDifferences | None
    diagnosis: Diagnosis
    examples: Examples | None
    doubts: tuple[Doubt, ...]
    sentences: tuple[str, str, str]
    settings: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def judged(self) -> Predicted | None:
        """What the model is judged by."""
        return self.predicted[0] if self.predicted else None

    def verdicts(self, factor: str) -> list[tuple[str, str]]:
        """Checks of the diagnosis that name a factor, each with its state."""
        return [
            (each.check, each.state)
            for each in self.diagnosis.findings
            if each.state != "ok" and factor in each.factors
        ]

    def summary(self) -> dict[str, Any]:
        """The findings as JSON values; numbers that are not defined are None."""
        return {
            "name": self.run.name,
            "sentences": list(self.sentences),
            "parts": {each.name: _summary_of(each) for each in self.predicted},
            "words_of_three_bases": None if self.baseline is None else _numbers(self.baseline),
            "doubts": [each.sentence for each in self.doubts],
            "warnings": [each.sentence for each in self.diagnosis.warnings],
            "left_out": list(self.notes),
            "output_differences": [] if self.differences is None else self.differences.records(),
        }


def _summary_of(part: Predicted) -> dict[str, Any]:
    low, high = (None if np.isnan(each) else each for each in part.interval)
    return {
        "role": part.role,
        "sequences": part.count,
        **_numbers(part.metrics),
        "pearson_interval": [low, high],
        "highest_pearson": None if np.isnan(part.highest) else part.highest,
    }


def _numbers(metrics: Metrics) -> dict[str, float | None]:
    return {
        name: float(value) if np.isfinite(value) else None
        for name, value in metrics._asdict().items()
    }


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two runs beside each other.

    Attributes:
        first: one run.
        second: the other one.
        measured: float64 [K], of the K sequences that neither was trained on.
        predictions: of both, float64 [K] each.
        metrics: of both for these sequences; None without such sequences.
        difference: mean squared error of the second minus that of the first, and its 95 % interval.
        shared: names of factors in both.
        settings: rows of (what, in the first, in the second), where they differ.
        sentences: the three that the report begins with.
        notes: what the report leaves out, and why.
    """

    first: RunContent
    second: RunContent
    measured: np.ndarray
    predictions: tuple[np.ndarray, np.ndarray]
    metrics: tuple[Metrics, Metrics] | None
    difference: tuple[float, float, float] | None
    shared: tuple[str, ...]
    settings: tuple[tuple[str, str, str], ...]
    sentences: tuple[str, str, str]
    notes: tuple[str, ...]

    def summary(self) -> dict[str, Any]:
        """The findings as JSON values."""
        return {
            "sentences": list(self.sentences),
            "sequences": len(self.measured),
            "metrics": None if self.metrics is None else [_numbers(each) for each in self.metrics],
            "difference_of_mean_squared_error": None
            if self.difference is None
            else dict(zip(("estimate", "lower", "upper"), self.difference, strict=True)),
            "runs": [self.first.summary(), self.second.summary()],
            "left_out": list(self.notes),
        }


@dataclass(frozen=True, eq=False)
class Report:
    """A report that was written.

    Attributes:
        content: what it says.
        bytes: the size of the file.
    """

    content: RunContent | Comparison
    bytes: int

    @property
    def sentences(self) -> tuple[str, str, str]:
        """The three sentences that it begins with."""
        return self.content.sentences

    def to_json(self) -> dict[str, Any]:
        """The findings as JSON values; numbers that are not defined are None."""
        return {**self.content.summary(), "bytes": self.bytes}

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """The findings as rows of tables, by their names.

        `expression` has the metrics of each part of the data of each run, `doubts` what to doubt,
        the gravest first, `left_out` what the page leaves out, `output_differences` what differs
        between the outputs of a run, and `difference` by how much the mean squared errors of two
        runs differ.
        """
        summary = self.content.summary()
        runs = summary.get("runs", [summary])
        found: dict[str, list[dict[str, Any]]] = {"expression": [], "doubts": [], "left_out": []}
        for run in runs:
            of_run = {"run": run["name"]}
            for part, metrics in run["parts"].items():
                found["expression"].append({**of_run, "part": part, **metrics})
            found["doubts"] += [{**of_run, "doubt": each} for each in run["doubts"]]
            found["left_out"] += [{**of_run, "note": each} for each in run["left_out"]]
            between = [{**of_run, **each} for each in run["output_differences"]]
            if between:
                found["output_differences"] = found.get("output_differences", []) + between
        if isinstance(self.content, Comparison):
            found["left_out"] += [{"run": None, "note": each} for each in summary["left_out"]]
            if summary["difference_of_mean_squared_error"] is not None:
                found["difference"] = [summary["difference_of_mean_squared_error"]]
        return found

    def __repr__(self) -> str:
        return f"Report({self.bytes / 1e6:.2f} MB: {' '.join(self.sentences)})"
