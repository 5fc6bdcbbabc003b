"""What a check of a data set finds: each a state, a sentence, a number and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["error", "warning", "note", "ok"]
# Worst first.
STATES: tuple[State, ...] = ("error", "warning", "note", "ok")


@dataclass(frozen=True)
class Finding:
    """One result of a check.

    Attributes:
        check: what was looked at, such as "repeats".
        state: "ok"; "note", to keep in mind; "warning", look at it before training, since numbers
            mislead otherwise; or "error", nothing can be trained on this table as it is.
        sentence: what was found.
        number: what the check counts or measures; NaN where there is no such number.
        advice: what to do, with the name of the option; "" where there is nothing to do.
    """

    check: str
    state: State
    sentence: str
    number: float = float("nan")
    advice: str = ""


def percent(part: float, whole: float = 1.0) -> str:
    """A share in words, such as "12.5 %"; "below 0.1 %" where digits would say none.

    Example:
        >>> percent(1, 8), percent(1, 100_000)
        ('12.5 %', 'below 0.1 %')
    """
    share = 100 * part / whole if whole else 0.0
    return "below 0.1 %" if 0 < share < 0.05 else f"{share:.1f} %"
