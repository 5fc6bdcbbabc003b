"""The numbers of motifs as motif files have them: counts and probabilities, to the last digit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from cisreg.motifs.details import MotifDetails

# What division and rounding can change a probability of 64 bits by.
_ROUNDING = Decimal(2) ** -52


@dataclass(frozen=True, eq=False)
class WrittenMotif:
    """A motif that is written to a file.

    Attributes:
        name: its name.
        details: what is known of it.
        log_kd: float32 [width, 4].
        probabilities: float64 [width, 4].
        consensus: letters of the IUPAC code.
        threshold: the lowest log odds of a hit, nats; None where it is not known.
    """

    name: str
    details: MotifDetails
    log_kd: np.ndarray
    probabilities: np.ndarray
    consensus: str
    threshold: float | None

    @property
    def has_probabilities(self) -> bool:
        """Whether the motif was made from counts or probabilities, and they are kept."""
        return self.details.matrix is not None and self.details.kind in ("counts", "probabilities")


class Counts(NamedTuple):
    """Counts as text, a row of A, C, G and T per column, and whether the number of sites is known.

    Attributes:
        rows: [width][4].
        assumed: whether the number of sites is none that the motif's file states.
    """

    rows: list[list[str]]
    assumed: bool


def plain(value: float) -> str:
    """A number with as many digits as tell it from all others, without a point if it is whole.

    Example:
        >>> plain(12.0), plain(0.1), plain(1e-05)
        ('12', '0.1', '1e-05')
    """
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def probability_rows(motif: WrittenMotif) -> list[list[str]]:
    """Probabilities as text: the digits of the file if it holds probabilities.

    Those that are computed from log Kd, which is float32, have as many digits as float32 has.
    """
    kept = motif.details.matrix if motif.details.kind == "probabilities" else None
    if kept is None and not motif.has_probabilities:
        return [[str(value) for value in row] for row in motif.probabilities.astype(np.float32)]
    rows = motif.probabilities.tolist() if kept is None else kept
    return [[repr(float(value)) for value in row] for row in rows]


def count_rows(motif: WrittenMotif, site_count: float) -> Counts:
    """Counts as text: those of the file, or probabilities times the number of sites.

    The product is exact. If it is that of whole counts, but for the digits that were rounded off
    the probabilities, these counts are written.

    Args:
        motif: the motif.
        site_count: number of sites of motifs whose details do not say it.
    """
    details = motif.details
    if details.matrix is not None and details.kind == "counts":
        return Counts([[plain(value) for value in row] for row in details.matrix], False)
    known = details.site_count is not None and details.site_count > 0
    number = Decimal(plain(details.site_count if known else site_count))  # type: ignore[arg-type]
    exact = [[Decimal(text) for text in row] for row in probability_rows(motif)]
    product = [[value * number for value in row] for row in exact]
    whole = _whole_counts(exact, number) if known and motif.has_probabilities else None
    rows = [[_text(value) for value in row] for row in (product if whole is None else whole)]
    return Counts(rows, not known)


def _whole_counts(exact: list[list[Decimal]], number: Decimal) -> list[list[Decimal]] | None:
    """The counts that these rounded probabilities were made from; None if there are none such."""
    digits = max(-int(value.as_tuple().exponent) for row in exact for value in row)
    unsure = number * (Decimal(10) ** -digits / 2 + _ROUNDING)
    if unsure >= Decimal("0.25"):
        return None
    whole = [[(value * number).to_integral_value() for value in row] for row in exact]
    close = all(
        abs(value * number - count) <= unsure
        for row, counts in zip(exact, whole, strict=True)
        for value, count in zip(row, counts, strict=True)
    )
    return whole if close and all(sum(row) == number for row in whole) else None


def _text(value: Decimal) -> str:
    """The number without zeros at its end, and without an exponent where that is short."""
    plain_value = value.normalize()
    return format(plain_value, "f" if -18 < plain_value.adjusted() < 18 else "")
