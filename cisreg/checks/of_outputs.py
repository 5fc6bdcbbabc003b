"""Measurements of several outputs: what each lacks, and how they agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cisreg.checks.findings import Finding, State, percent
from cisreg.display import counted

# Fewer rows that were measured in two outputs say nothing about how these agree.
_FEWEST_SHARED = 3


class Agreement(NamedTuple):
    """How many rows two outputs share, and how their measurements agree there.

    Attributes:
        rows: number of rows.
        measured: int64 [T, T], rows with measurements of both outputs; of one, on the diagonal.
        correlation: float64 [T, T], Pearson's r on these rows; NaN where it is not defined.
    """

    rows: int
    measured: np.ndarray
    correlation: np.ndarray


def agreement_of(measured: np.ndarray) -> Agreement:
    """Compares outputs.

    Args:
        measured: float [N, T], NaN where a measurement is missing.

    Example:
        >>> found = agreement_of(np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0], [4.0, np.nan]]))
        >>> found.measured.tolist(), found.correlation.round(3).tolist()
        ([[4, 3], [3, 3]], [[1.0, 1.0], [1.0, 1.0]])
    """
    there = np.isfinite(measured)
    outputs = measured.shape[1]
    shared = there.T.astype(np.int64) @ there.astype(np.int64)
    correlation = np.full((outputs, outputs), np.nan)
    for one in range(outputs):
        for other in range(outputs):
            both = there[:, one] & there[:, other]
            values = measured[both][:, [one, other]].astype(np.float64)
            if shared[one, other] >= _FEWEST_SHARED and np.ptp(values, axis=0).all():
                correlation[one, other] = np.corrcoef(values.T)[0, 1]
    return Agreement(len(measured), shared, correlation)


def check_agreement(found: Agreement, names: Sequence[str]) -> Finding:
    """What each output lacks, and how they agree; the number is the share that is missing.

    Args:
        found: of the rows that were kept.
        names: of the outputs.
    """
    lacking = found.rows - np.diag(found.measured)
    text = "; ".join(
        f"{name} lacks {missing:,} of {counted(found.rows, 'row')} ({percent(missing, found.rows)})"
        for name, missing in zip(names, lacking.tolist(), strict=True)
    )
    upper = np.triu_indices(len(names), 1)
    known = np.isfinite(found.correlation[upper])
    shared, correlation = found.measured[upper][known], found.correlation[upper][known]
    state: State = "ok"
    advice = "--differ says what may differ between outputs; replicates of one output are columns "
    advice += "of --expression-column."
    if len(shared):
        text += f". Where two were measured, they agree with r = {correlation.min():.2f}"
        text += f" to {correlation.max():.2f}" if len(shared) > 1 else ""
        text += f" ({shared.min():,} rows{' or more' if len(shared) > 1 else ''})"
    apart = [
        f"{names[one]} and {names[other]}"
        for one, other in zip(*(each.tolist() for each in upper), strict=True)
        if found.measured[one, other] < _FEWEST_SHARED
    ]
    if apart:
        state = "note"
        text += f". Hardly any row has both {', '.join(apart)}: whether they agree is not known"
    return Finding(
        "outputs", state, f"{text}.", float(lacking.sum()) / found.rows / len(names), advice
    )
