"""What a diagnosis finds: each a state, a number and a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "warning"]

# Names that a sentence shows; the others are in `Finding.factors`.
_SHOWN = 6


@dataclass(frozen=True)
class Finding:
    """One result of a diagnosis.

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
