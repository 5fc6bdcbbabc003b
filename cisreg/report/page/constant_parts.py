"""Factors that add nearly the same to every sequence, such as one that reads a primer site.

The diagnosis looks at binding to whole sequences. In a positional model a site at one place may
count for much more than all others: what counts here is what each factor adds to expression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cisreg.data import Dataset
from cisreg.interpret.batches import batches
from cisreg.interpret.diagnosis_checks import CONSTANT_EFFECT, CONSTANT_VARIATION
from cisreg.interpret.read_out import scan_model, strand_contribution
from cisreg.links import effect_of_score
from cisreg.trained_model import Model


@dataclass(frozen=True)
class ConstantPart:
    """What a factor adds to nearly every sequence.

    Attributes:
        factor: its name.
        mean: of what it adds to expression, in open chromatin; with a link, where that is
            steepest.
        variation: its standard deviation by its mean.
    """

    factor: str
    mean: float
    variation: float


def constant_parts(
    model: Model, data: Dataset, spread: float, *, threads: int | None = None
) -> Sequence[ConstantPart]:
    """Factors that matter and add nearly the same to every sequence, the largest first.

    Args:
        model: the model.
        data: two or more sequences.
        spread: the standard deviation of expression, which says what matters.
        threads: how many threads compute; None: one for each core.

    Example:
        >>> constant_parts(model, data, 4.4)  # doctest: +SKIP
        [ConstantPart(factor='REB1', mean=7.2, variation=0.06)]
    """
    sums = np.zeros((2, model.spec.motif_count))
    for _, codes in batches(model, data.sequence):
        scan = scan_model(model, codes, threads=threads)
        added = strand_contribution(model, scan, np.ones(len(codes))).sum(axis=1)
        added *= effect_of_score(model.spec.link, model.parameters)
        sums += np.stack([added.sum(axis=0), (added**2).sum(axis=0)])
    mean, square = sums / len(data)
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    variation = np.divide(deviation, np.abs(mean), out=np.full_like(mean, np.inf), where=mean != 0)
    matters = (np.abs(mean) > CONSTANT_EFFECT * spread) & (variation < CONSTANT_VARIATION)
    order = np.flatnonzero(matters)[np.argsort(-np.abs(mean[matters]), kind="stable")]
    return [
        ConstantPart(model.motif_names[place], float(mean[place]), float(variation[place]))
        for place in order
    ]
