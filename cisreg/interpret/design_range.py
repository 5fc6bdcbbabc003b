"""Whether designed sequences lie beyond what the training of the model saw."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cisreg.data import Dataset
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import batches
from cisreg.interpret.read_out import ModelScan, read_out, scan_model

logger = logging.getLogger("cisreg.interpret")

# Training sequences that are scanned, spread over the data set.
_SAMPLE = 10_000
# Less than this share of a range beyond its ends is not beyond it.
_MARGIN = 0.01
# Factors that a reason names.
_NAMED = 3


@dataclass(frozen=True)
class Seen:
    """What training saw.

    Attributes:
        measured: the smallest and largest measured expression; None if not known.
        predicted: the same of the predictions for training sequences; None without these.
        accessibility: the same of accessibility; None without these, or without that layer.
        binding: float64 [M], the largest binding of each motif to one of them; None without these.
    """

    measured: tuple[float, float] | None
    predicted: tuple[float, float] | None = None
    accessibility: tuple[float, float] | None = None
    binding: np.ndarray | None = None


def what_training_saw(
    model: AnyModel, training: Dataset | None, threads: int | None = None
) -> Seen | None:
    """What is known of the range of the training data.

    Args:
        model: a trained model; its metadata may have the range of the measurements.
        training: the training data; None: only the metadata are used.
        threads: of the scan.

    Returns:
        The ranges; None, and the log says so, if nothing is known.

    Raises:
        ValueError: training data without sequences of a weight above 0.
    """
    if training is not None:
        return _of_training(model, training.rows_that_count(), threads)
    measured = measured_range(model.metadata)
    if measured is None:
        logger.warning(
            "the model does not say which expressions were measured in training, so designs beyond "
            "them are not marked; give the training data (training=, --training)"
        )
        return None
    return Seen(measured)


def measured_range(metadata: Mapping[str, Any]) -> tuple[float, float] | None:
    """The smallest and largest measured expression that a model's metadata state, if they do.

    Example:
        >>> measured_range({"measured_range": [1.0, 16.5]})
        (1.0, 16.5)
    """
    stated = metadata.get("measured_range")
    if not isinstance(stated, (list, tuple)) or len(stated) != 2:
        return None
    if not all(isinstance(each, (int, float)) and math.isfinite(each) for each in stated):
        return None
    return float(stated[0]), float(stated[1])


def with_margin(limits: tuple[float, float]) -> tuple[float, float]:
    """Ends beyond which a number is clearly outside of a range: 1 % of the range farther out.

    Example:
        >>> with_margin((0.0, 100.0))
        (-1.0, 101.0)
    """
    low, high = limits
    margin = _MARGIN * (high - low)
    return low - margin, high + margin


def _of_training(model: AnyModel, training: Dataset, threads: int | None) -> Seen:
    if not len(training):
        raise ValueError("training: expected sequences with a weight above 0, got none")
    rows = np.linspace(0, len(training) - 1, min(len(training), _SAMPLE)).astype(np.int64)
    codes = model.encode(training)[np.unique(rows)]
    predicted, accessibility = [], []
    binding = np.zeros(model.spec.motif_count)
    for _, part in batches(model, codes):
        scanned = scan_model(model, part, threads=threads)
        result = read_out(model, scanned)
        predicted.append(result.expression)
        accessibility.append(result.accessibility)
        binding = np.maximum(binding, scanned.binding.max(axis=0))
    measured = training.mean_expression
    if model.noise is not None:
        measured = model.noise.mean_level(training.expression)
    return Seen(
        _ends(measured[np.isfinite(measured)]),
        _ends(np.concatenate(predicted)),
        _ends(np.concatenate(accessibility)) if model.spec.potentiation else None,
        binding,
    )


def _ends(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def reasons_of_extrapolation(
    model: AnyModel, seen: Seen, codes: np.ndarray, threads: int | None = None
) -> list[str]:
    """Why each sequence lies beyond what training saw; "" if nothing says so.

    What lies beyond a range by less than 1 % of it does not count.

    Args:
        model: the model.
        seen: the ranges.
        codes: uint8 [K, L].
        threads: of the scan.

    Returns:
        K texts.
    """
    reasons: list[str] = []
    for _, part in batches(model, codes):
        scanned = scan_model(model, part, threads=threads)
        result = read_out(model, scanned)
        for row, expression in enumerate(result.expression.tolist()):
            opened = float(result.accessibility[row])
            parts = [
                _beyond("expression", "measured", seen.measured, expression),
                _beyond("accessibility", "predicted", seen.accessibility, opened),
                _binding_beyond(model, seen, _row(scanned, row), expression),
            ]
            reasons.append("; ".join(filter(None, parts)))
    return reasons


def _beyond(name: str, how: str, limits: tuple[float, float] | None, value: float) -> str:
    if limits is None:
        return ""
    low, high = limits
    lowest, highest = with_margin(limits)
    if value > highest:
        return f"{name} {value:.4g} is above {high:.4g}, the largest {how} in training"
    if value < lowest:
        return f"{name} {value:.4g} is below {low:.4g}, the smallest {how} in training"
    return ""


def _row(scanned: ModelScan, row: int) -> ModelScan:
    return scanned.changed(lambda each: each[row : row + 1])


def _binding_beyond(model: AnyModel, seen: Seen, scanned: ModelScan, expression: float) -> str:
    """Factors that bind more than to any training sequence, if expression depends on it."""
    if seen.binding is None or seen.predicted is None:
        return ""
    bound = scanned.binding[0]
    beyond = np.flatnonzero(bound > seen.binding).tolist()
    effect = np.array(
        [
            abs(expression - _expression_at(model, scanned, factor, seen.binding[factor]))
            for factor in beyond
        ]
    )
    margin = _MARGIN * (seen.predicted[1] - seen.predicted[0])
    named = [beyond[each] for each in np.argsort(-effect, kind="stable") if effect[each] > margin]
    texts = [
        f"{model.motif_names[factor]} binds {bound[factor]:.3g}, in training at most "
        f"{seen.binding[factor]:.3g}"
        for factor in named[:_NAMED]
    ]
    more = [f"and {len(named) - _NAMED} more factors"] * (len(named) > _NAMED)
    return ", ".join(texts + more)


def _expression_at(model: AnyModel, scanned: ModelScan, factor: int, most: float) -> float:
    """Expression if a factor were bound only so much, equally less at all of its sites."""
    share = np.ones(model.spec.motif_count)
    share[factor] = most / scanned.binding[0, factor]
    less = scanned.scaled(model.spec, share)
    return float(read_out(model, less).expression[0])
