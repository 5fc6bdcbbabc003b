"""Whether a model is any good and what to doubt, in words: each limit is a named constant."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cisreg.display import counted
from cisreg.interpret.diagnosis import Diagnosis
from cisreg.interpret.findings import listed
from cisreg.metrics import Metrics, pearson_correlation
from cisreg.report.labels import fixed
from cisreg.report.page.constant_parts import ConstantPart
from cisreg.report.page.content import Doubt, Predicted
from cisreg.report.page.run import Run

# From these shares of explained variance on, in words.
_WORDS = (
    (0.75, "The model predicts well"),
    (0.5, "The model predicts usefully"),
    (0.2, "The model predicts weakly"),
    (0.0, "The model hardly predicts"),
    (-math.inf, "The model predicts worse than the mean of the measurements"),
)
# Held-out error by training error from which on a model has learned its training set by heart.
_OVERFIT = 1.3
# Of fewer sequences r is known to 0.1 at best.
_FEW = 200
# Slopes of measured on predicted expression that are too far from 1.
_SLOPES = (0.9, 1.1)
# Correlation of the residuals with something that they should not depend on. It must also be no
# chance: farther from 0 than so many standard errors.
_TREND, _CHANCE = 0.15, 4.0
# If words of three bases explain this share of what the model explains, it learned composition.
_COMPOSITION = 0.8
# Findings of the diagnosis by their state, and doubts that are grave.
_DIAGNOSED = {"warning": 2.5, "note": 1.0}
_GRAVE = 1.5
# A loss that falls by more than this share from the last tenth but one of the last stage to the
# last tenth still falls.
_FALLING = 0.03


def doubts_of(
    run: Run,
    predicted: Sequence[Predicted],
    baseline: Metrics | None,
    diagnosis: Diagnosis,
    constant: Sequence[ConstantPart],
) -> tuple[Doubt, ...]:
    """What to doubt, the gravest first.

    Args:
        run: the run.
        predicted: predictions, the part that the model is judged by first.
        baseline: metrics of predictions by counts of words.
        diagnosis: of the model.
        constant: factors that add nearly the same to every sequence.
    """
    found = [*_of_evidence(run, predicted), *_of_training(run)]
    if predicted:
        found += _of_fit(predicted, baseline)
        found += _of_residuals(predicted[0])
    warned = {name for each in diagnosis.warnings for name in each.factors}
    found += _of_constants([each for each in constant if each.factor not in warned])
    found += [
        Doubt(_DIAGNOSED[each.state], f"{each.check} (diagnosis)", each.sentence)
        for each in diagnosis.findings
        if each.state in _DIAGNOSED
    ]
    return tuple(sorted(found, key=lambda each: -each.weight))


def _of_evidence(run: Run, predicted: Sequence[Predicted]) -> list[Doubt]:
    if not predicted:
        return [
            Doubt(
                9.0,
                "no measured sequence was there to judge the model by",
                "No measured sequence was there to judge the model by: give a table with --data.",
            )
        ]
    judged = predicted[0]
    if judged.role == "training":
        return [
            Doubt(
                8.0,
                "it is judged by the sequences that it was trained on",
                "The model is judged by the sequences that it was trained on, which says little "
                "about others: train with --validation, or give others with --data.",
            )
        ]
    if judged.count < _FEW:
        low, high = judged.interval
        few = f"{counted(judged.count, 'sequence')} {'judges' if judged.count == 1 else 'judge'}"
        between = f" from {low:.2f} to {high:.2f}" if math.isfinite(low) else ""
        said = f"Only {few} the model: r may be anything{between}."
        return [Doubt(4.0, f"only {few} it", said)]
    return []


def _of_training(run: Run) -> list[Doubt]:
    found = []
    if run.model.metadata.get("interrupted"):
        found.append(
            Doubt(
                6.0,
                "training was interrupted",
                "Training was interrupted, and the model is as it was then: --resume goes on.",
            )
        )
    falling = still_falling(run)
    if falling > _FALLING:
        found.append(
            Doubt(
                3.0,
                "its loss was still falling",
                f"The loss, of validation where there is one, fell by {percent(falling)} over the "
                "last tenth of the last stage: more epochs may make the model better.",
            )
        )
    return found


def percent(share: float) -> str:
    """A share in per cent, as the report writes it.

    Example:
        >>> percent(0.8654)
        '86.5 %'
    """
    return f"{100 * share:.1f} %" if math.isfinite(share) else "not defined"


def still_falling(run: Run) -> float:
    """By which share the loss fell over the last tenth of the last stage; 0 if that is not known.

    The loss of validation where there is one. Means of the last tenth and the one before it are
    compared, since single epochs scatter.
    """
    if run.history is None:
        return 0.0
    columns = {}
    for name in ("stage", "loss", "validation_loss"):
        values = run.history[name]
        listed = values.to_pylist() if hasattr(values, "to_pylist") else values
        columns[name] = np.array([math.nan if each is None else each for each in listed], float)
    loss = columns["validation_loss"]
    loss = loss if np.isfinite(loss).all() else columns["loss"]
    loss = loss[columns["stage"] == columns["stage"].max()]
    tenth = max(1, len(loss) // 10)
    if len(loss) < 2 * tenth:
        return 0.0
    before, last = loss[-2 * tenth : -tenth].mean(), loss[-tenth:].mean()
    return float(1 - last / before) if before > 0 else 0.0


def _of_fit(predicted: Sequence[Predicted], baseline: Metrics | None) -> list[Doubt]:
    judged, found = predicted[0], []
    ratio = error_ratio(predicted)
    if judged.role != "training" and ratio > _OVERFIT:
        found.append(
            Doubt(
                5.0,
                f"its error is {ratio:.2f} times that on the training sequences",
                f"The error is {ratio:.2f} times that on the training sequences: the model has "
                "learned some of them by heart. Train with larger penalties, fewer "
                "epochs or --recipe quick.",
            )
        )
    explained = judged.metrics.r_squared
    if baseline is not None and explained > 0 and baseline.r_squared > _COMPOSITION * explained:
        found.append(
            Doubt(
                5.5,
                "counts of three-letter words predict "
                + ("better" if baseline.r_squared > explained else "nearly as well"),
                f"Counts of words of three bases explain {percent(baseline.r_squared)} of the "
                f"variance, the model {percent(explained)}: it may have learned composition "
                "instead of sites.",
            )
        )
    slope = calibration_slope(judged)
    if math.isfinite(slope) and not _SLOPES[0] <= slope <= _SLOPES[1]:
        how = "too strong" if slope < 1 else "too weak"
        found.append(
            Doubt(
                2.0,
                f"differences between its predictions are {how}",
                f"Differences between predictions are {how}: where they differ by 1, measurements "
                f"differ by {slope:.2f} on average.",
            )
        )
    return found


def error_ratio(predicted: Sequence[Predicted]) -> float:
    """The typical error on the judged part by that on the training sequences; NaN if unknown."""
    training = next((each for each in predicted if each.role == "training"), None)
    if training is None or training is predicted[0] or training.error == 0:
        return math.nan
    return predicted[0].error / training.error


def calibration_slope(part: Predicted) -> float:
    """The slope of measured on predicted expression; NaN where predictions are all alike."""
    centred = part.predicted - part.predicted.mean()
    total = float(centred @ centred)
    return float(centred @ part.measured) / total if total > 0 else math.nan


def _of_constants(constant: Sequence[ConstantPart]) -> list[Doubt]:
    if not constant:
        return []
    said = [
        f"{each.factor} ({each.mean:+.3g}, varies by {percent(each.variation)})"
        for each in constant
    ]
    names = listed(each.factor for each in constant)
    return [
        Doubt(
            2.4,
            f"{names} {'adds' if len(constant) == 1 else 'add'} nearly the same everywhere",
            f"In open chromatin these add nearly the same to every sequence: {listed(said)}. That "
            "is no effect of their sites, but a constant, such as of a primer site that the motif "
            "reaches into: see the example sequences.",
        )
    ]


def _of_residuals(judged: Predicted) -> list[Doubt]:
    found = []
    for name, values in judged.along.items():
        if name in judged.categories or name == "predicted expression":
            continue
        r = pearson_correlation(values, judged.residual)
        if math.isfinite(r) and abs(r) > max(_TREND, _CHANCE / math.sqrt(judged.count)):
            found.append(
                Doubt(
                    1.5 + abs(r),
                    f"its errors depend on {name}",
                    f"Errors depend on {name} (r = {r:.2f}): the model misses something that goes "
                    "along with it.",
                )
            )
    return found


def sentences_of(
    run: Run,
    predicted: Sequence[Predicted],
    baseline: Metrics | None,
    doubts: Sequence[Doubt],
) -> tuple[str, str, str]:
    """The three sentences of the beginning: how good, compared with what, what to doubt."""
    if not predicted:
        return (_without_data(run), _size_of(run), _doubted(doubts))
    return (_how_good(predicted[0]), _compared(run, predicted, baseline), _doubted(doubts))


def _how_good(judged: Predicted) -> str:
    metrics = judged.metrics
    if not math.isfinite(metrics.r_squared):
        return (
            f"How well the model predicts cannot be said: the measurements of the "
            f"{counted(judged.count, 'sequence')} ({judged.name}) are all alike."
        )
    word = next(text for least, text in _WORDS if metrics.r_squared >= least)
    where = {
        "held out": "that were held out of training",
        "other": f"of {judged.name}, which were not trained on",
        "training": "that it was trained on",
    }[judged.role]
    low, high = judged.interval
    between = f", 95 % interval {low:.3f} to {high:.3f}" if math.isfinite(low) else ""
    if math.isfinite(judged.highest):
        between += f"; by its replicates, no model reaches more than {judged.highest:.3f}"
    return (
        f"{word}: on {counted(judged.count, 'sequence')} {where}, it explains "
        f"{percent(metrics.r_squared)} of the variance (r = {fixed(metrics.pearson)}{between})."
    )


def _compared(run: Run, predicted: Sequence[Predicted], baseline: Metrics | None) -> str:
    judged = predicted[0]
    unit = run.model.unit or "in the unit of the table"
    spread = float(judged.measured.std())
    text = f"Its typical error is {judged.error:.3g} ({unit}), measurements spread by {spread:.3g}"
    ratio = error_ratio(predicted)
    if math.isfinite(ratio):
        text += f"; on the training sequences it is {judged.error / ratio:.3g}"
    if baseline is not None and math.isfinite(baseline.r_squared):
        text += (
            "; counts of words of three bases alone explain "
            f"{percent(max(baseline.r_squared, 0))} of the variance"
        )
    return f"{text}."


def _doubted(doubts: Sequence[Doubt]) -> str:
    if not doubts:
        return "Nothing that was checked speaks against it; what was checked is listed on the page."
    first, *others = doubts
    text = f"What to doubt first: {first.phrase}"
    if first.weight < _GRAVE:
        text = f"Nothing grave was found; to keep in mind: {first.phrase}"
    if others:
        text += f"; then: {others[0].phrase}"
    if len(others) > 1:
        text += f"; and {len(others) - 1} more on the page"
    return f"{text}."


def _without_data(run: Run) -> str:
    r = None
    if run.history is not None:
        values = run.history["validation_r"]
        r = (values.to_pylist() if hasattr(values, "to_pylist") else values)[-1]
    if r is None:
        return "How good the model is, is not known: no measured sequences were found."
    return (
        f"How good the model is, was not checked, since no measured sequences were found; at the "
        f"end of training r was {r:.3f} on the sequences that were held out."
    )


def _size_of(run: Run) -> str:
    spec = run.model.spec
    layers = [
        name
        for name, there in (
            ("potentiation", spec.potentiation),
            ("positions", spec.positional),
            ("positions for potentiation", spec.positional_potentiation),
            ("strands", spec.stranded),
            ("competition", spec.competition),
            ("nucleosomes", spec.nucleosome),
            ("pairs of factors", bool(spec.pairs)),
            (f"a {spec.link} link", spec.link != "identity"),
        )
        if there
    ]
    with_layers = f" with {', '.join(layers)}" if layers else ""
    return (
        f"It is a model of {counted(spec.motif_count, 'factor')} on sequences of "
        f"{spec.sequence_length:,} bases{with_layers}."
    )
