"""What a pass over files counts: rows left out, padded and trimmed sequences, missing measurements.

Several threads read parts of files at once, so everything is counted by part.
"""

from __future__ import annotations

import logging

import numpy as np

from cisreg.data.formats.rows import Unusable
from cisreg.data.formats.usable import tell_gaps

logger = logging.getLogger("cisreg.data")


class PassCounts:
    """Counts of the current or last pass, by part.

    Args:
        partly_measured: whether rows that lack some of several measurements are kept.

    Example:
        >>> counts = PassCounts(False)
        >>> counts.fit(0, padded=2, trimmed=1)
        >>> counts.trimmed
        1
    """

    def __init__(self, partly_measured: bool) -> None:
        self._partly_measured = partly_measured
        self._left_out: dict[int, Unusable] = {}
        self._fitted: dict[int, tuple[int, int]] = {}
        self._gaps: dict[int, int] = {}
        self._fit_is_said = False

    def begin(self) -> None:
        """Forgets the counts of the previous pass."""
        self._left_out, self._fitted, self._gaps = {}, {}, {}

    def leave_out(self, part: int, left_out: Unusable) -> None:
        """The rows of a part that are left out; they may be added to `left_out` later."""
        self._left_out[part] = left_out

    def fit(self, part: int, padded: int, trimmed: int) -> None:
        """Counts further sequences of a part that were padded and trimmed."""
        before = self._fitted.get(part, (0, 0))
        self._fitted[part] = (before[0] + padded, before[1] + trimmed)

    def fit_whole(self, part: int, padded: int, trimmed: int) -> None:
        """Counts the sequences of a whole part that were padded and trimmed."""
        self._fitted[part] = (padded, trimmed)

    def begin_gaps(self, part: int) -> None:
        """Forgets the missing measurements of a part, which is read anew."""
        self._gaps.pop(part, None)

    def gaps(self, part: int, expression: np.ndarray) -> None:
        """Counts further rows of a part that lack some of several measurements, float [n, K]."""
        if self._partly_measured:
            lacking = int(np.isnan(expression).any(axis=-1).sum()) if expression.ndim == 2 else 0
            self._gaps[part] = self._gaps.get(part, 0) + lacking

    @property
    def unusable(self) -> Unusable:
        """The rows left out."""
        total = Unusable()
        for _, part in sorted(self._left_out.items()):
            total.add_all(part)
        return total

    @property
    def trimmed(self) -> int:
        """How many sequences were trimmed."""
        return sum(trimmed for _, trimmed in self._fitted.values())

    def tell(self, called: str, fitted_to: str, measurements: int) -> None:
        """Logs the rows left out and missing measurements; once what was padded and trimmed.

        Args:
            called: what the files are called.
            fitted_to: the length and the side, in words.
            measurements: K.
        """
        padded, trimmed = (sum(each) for each in zip((0, 0), *self._fitted.values(), strict=True))
        if (padded or trimmed) and not self._fit_is_said:
            self._fit_is_said = True
            logger.warning(
                "%s: %s sequences were padded and %s trimmed to %s",
                *(called, f"{padded:,}", f"{trimmed:,}", fitted_to),
            )
        tell_gaps(called, sum(self._gaps.values()), measurements)
        unusable = self.unusable
        if unusable.count:
            logger.warning("%s: %s rows were left out: %s", called, f"{unusable.count:,}", unusable)
