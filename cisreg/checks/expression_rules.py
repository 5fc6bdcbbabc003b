"""What is odd about the measurements of a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cisreg.checks.findings import Finding, State, percent
from cisreg.checks.survey import Survey
from cisreg.data.replicates import FEWEST_REPEATS, reliability_of_mean
from cisreg.display import counted

# So many different values, or fewer, are classes such as bins.
_FEW_VALUES = 20
_SKEWED = 2.0
# Shares of equal lowest or highest measurements.
_SATURATED, _MUCH_SATURATED, _FEWEST_SATURATED = 0.01, 0.1, 10
# Robust standard deviations from the median: 6 are one of 500 million of a normal distribution.
_OUTLYING, _FAR_OUTLYING = 6.0, 20.0
# Makes the median absolute deviation the standard deviation of a normal distribution.
_MAD_SCALE = 1.4826
# The highest r of a model that is good, and that is low.
_GOOD_CEILING, _LOW_CEILING = 0.8, 0.5
_OUTPUTS = "If the columns are several outputs, such as conditions, give them as --outputs."


def check_scale(survey: Survey) -> Finding:
    """What kind of numbers the measurements are."""
    found, name = survey.extremes, "expression"
    values = survey.expression
    if not len(values):
        return Finding(
            *(name, "error", "No row has a measurement: there is nothing to learn.", 0),
            "--expression-column, and --outputs, name other columns.",
        )
    if found.least == found.greatest:
        return Finding(
            name,
            "error",
            f"All measurements are {found.least:g}: there is nothing to learn.",
            found.least,
            "--expression-column names another column.",
        )
    middle = float(np.median(values))
    text = f"Measurements are {found.least:.4g} to {found.greatest:.4g}, half of them at most "
    text += f"{middle:.4g}; {percent(found.negative, found.count)} are below 0."
    different = len(np.unique(values))
    if different <= _FEW_VALUES:
        return Finding(
            name,
            "note",
            f"{text} They take {counted(different, 'value')} only, as bins do.",
            different,
            "cisreg prepare expression makes means of the reads in bins.",
        )
    if found.least < 0:
        return Finding(name, "ok", f"{text} They look like logarithms or differences.", middle)
    skewness = _skewness(values)
    if skewness > _SKEWED:
        kind = "counts" if found.whole else "numbers that are no logarithms"
        return Finding(
            name,
            "note",
            f"{text} They look like {kind}: a few are far above the others (skewness "
            f"{skewness:.1f}).",
            skewness,
            "Squared errors of the highest decide what is learned: logarithms, such as "
            "log2(x + 1), weigh all alike.",
        )
    return Finding(name, "ok", f"{text} They are spread evenly enough.", middle)


def _skewness(values: np.ndarray) -> float:
    centred = values.astype(np.float64) - values.mean(dtype=np.float64)
    variance = float((centred**2).mean())
    return float((centred**3).mean()) / variance**1.5 if variance else 0.0


def check_saturation(survey: Survey) -> list[Finding]:
    """Whether many measurements are equal to the lowest or the highest."""
    found, total = survey.extremes, survey.extremes.count
    if len(np.unique(survey.expression)) <= _FEW_VALUES:
        return []
    ends = (
        ("lowest", found.least, found.at_least, "below"),
        ("highest", found.greatest, found.at_greatest, "above"),
    )
    findings = []
    for which, value, count, beyond in ends:
        if count >= max(_SATURATED * total, _FEWEST_SATURATED):
            findings.append(
                Finding(
                    "saturation",
                    "warning" if count >= _MUCH_SATURATED * total else "note",
                    f"{percent(count, total)} of the measurements are the {which} one, {value:g}.",
                    count / total,
                    f"It may be a limit of the assay: what is {beyond} it was not measured. Leave "
                    "such rows out if they are not real.",
                )
            )
    return findings or [
        Finding("saturation", "ok", "Few measurements are equal to the lowest or the highest.", 0)
    ]


def check_outliers(survey: Survey) -> Finding:
    """Measurements far from the median, by the median absolute deviation."""
    values, name = survey.expression.astype(np.float64), "outliers"
    distance = np.abs(values - np.median(values))
    scale = _MAD_SCALE * float(np.median(distance))
    if not scale:
        return Finding(name, "note", "Half of the measurements are equal.", 0)
    far = int((distance > _OUTLYING * scale).sum())
    farthest = float(distance.max()) / scale
    text = f"{far:,} of {len(values):,} measurements are more than {_OUTLYING:g} robust standard "
    text += f"deviations from the median; the farthest {farthest:.3g}."
    if not far:
        return Finding(name, "ok", text, 0)
    return Finding(
        name,
        "warning" if farthest > _FAR_OUTLYING else "note",
        text,
        far,
        "Squared errors of such rows count much: are they real? Logarithms bring them nearer.",
    )


def check_replicates(survey: Survey, names: Sequence[str]) -> Finding:
    """How well measurements agree, and the highest r that any model can reach.

    `cisreg.data.replicates` says how it follows from columns, or from rows of one sequence.
    """
    if len(names) > 1:
        return _columns_agree(survey, names)
    repeats = survey.repeats
    reliability = repeats.reliability
    if repeats.freedom < FEWEST_REPEATS or np.isnan(reliability):
        return Finding(
            "replicates",
            "ok",
            "No replicates, so that the highest r of a model is not known.",
            advice="Several columns of measurements, or rows of one sequence, would tell: "
            "--expression-column names columns.",
        )
    ceiling = reliability**0.5
    return _of_ceiling(
        f"Rows of one sequence differ by {repeats.noise**0.5:.3g} (standard deviation), all rows "
        f"by {repeats.variance**0.5:.3g}: {percent(reliability)} of the variance is not noise. "
        f"No model predicts single rows better than r = {ceiling:.2f}.",
        ceiling,
    )


def _columns_agree(survey: Survey, names: Sequence[str]) -> Finding:
    correlation = survey.measurements.correlation
    pairs = correlation[np.triu_indices(len(names), 1)]
    lacking = survey.count - survey.measurements.count
    gaps = ""
    if lacking:
        gaps = f" {lacking:,} of {counted(survey.count, 'row')} ({percent(lacking, survey.count)}) "
        gaps += "lack some of them: the mean of the others counts."
    complete, varies = survey.measurements.count, bool(np.isfinite(pairs).all())
    few = complete < FEWEST_REPEATS
    if (varies and few) or (lacking and not varies):
        why = "some do not vary in the rows that have all of them"
        if few:
            why = f"{counted(complete, 'row')} of the {FEWEST_REPEATS} that are needed have all"
        text = f"Whether the {len(names)} measurements of a sequence agree is not known: {why}."
        return Finding("replicates", "note", text + gaps, advice=_OUTPUTS)
    if not varies:
        constant = names[int(np.argmax(np.isnan(correlation).all(axis=0)))]
        return Finding(
            "replicates",
            "error",
            f"The measurements of {constant!r} are all equal.",
            advice="--expression-column names the columns to take.",
        )
    count = len(names)
    ceiling = reliability_of_mean(correlation, survey.measured) ** 0.5
    others = (correlation.sum(axis=0) - 1) / (count - 1)
    least = names[int(np.argmin(others))]
    text = (
        f"The {count} measurements of a sequence agree with r = {pairs.min():.2f} to "
        f"{pairs.max():.2f}"
        + (f", {least!r} least" if count > 2 else "")
        + f". If they are replicates, no model predicts their mean better than r = {ceiling:.2f}."
    )
    return _of_ceiling(text + gaps, ceiling, _OUTPUTS if lacking else "")


def _of_ceiling(text: str, ceiling: float, further: str = "") -> Finding:
    state: State = "warning"
    if ceiling >= _LOW_CEILING:
        state = "ok" if ceiling >= _GOOD_CEILING else "note"
    advice = "" if state == "ok" else "Judge the r of a model by this; more reads lower the noise."
    return Finding("replicates", state, text, ceiling, f"{advice} {further}".strip())
