"""What is found of a model: each a state, a number and a sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

State = Literal["ok", "note", "warning"]

# Names that a sentence shows; the others are in `Finding.factors`.
_SHOWN = 6


@dataclass(frozen=True)
class Finding:
    """One result of `diagnose_model`, or of `cisreg.uncertainty.undetermined`.

    Attributes:
        check: what was looked at, such as "duplicates".
        state: "ok"; "note", to keep in mind when the model is read; or "warning", something that
            makes answers of the model wrong or without meaning.
        sentence: what was found and what to do.
        factors: the factors that it concerns, worst first.
        number: what the check measures, of the worst factor; NaN where there is no such number.
        limit: the number from which on it is a finding; NaN where there is none.
    """

    check: str
    state: State
    sentence: str
    factors: tuple[str, ...] = ()
    number: float = float("nan")
    limit: float = float("nan")


def finding_columns(findings: Sequence[Finding]) -> dict[str, pa.Array]:
    """Findings as columns: check, state, finding (a sentence), factors, number, limit.

    `factors` are the names, separated by semicolons. Number and limit are missing where there are
    none.

    Example:
        >>> found = Finding("constant ends", "ok", "There are none.", ("Abf1", "Reb1"))
        >>> finding_columns([found])["factors"].to_pylist()
        ['Abf1; Reb1']
    """

    def numbers(values: Iterable[float]) -> pa.Array:
        return pa.array([None if math.isnan(each) else each for each in values], pa.float64())

    return {
        "check": pa.array([each.check for each in findings], pa.string()),
        "state": pa.array([each.state for each in findings], pa.string()),
        "finding": pa.array([each.sentence for each in findings], pa.string()),
        "factors": pa.array(["; ".join(each.factors) for each in findings], pa.string()),
        "number": numbers(each.number for each in findings),
        "limit": numbers(each.limit for each in findings),
    }


def listed(names: Sequence[str] | Iterable[str]) -> str:
    """The first names of a list, and how many more there are.

    Example:
        >>> listed(["Abf1", "Reb1"])
        'Abf1, Reb1'
        >>> listed(str(number) for number in range(8))
        '0, 1, 2, 3, 4, 5 and 2 more'
    """
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more
