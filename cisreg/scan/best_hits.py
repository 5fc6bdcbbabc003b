"""The n strongest hits of each motif, kept while hits are found."""

from __future__ import annotations

from typing import Literal

import numpy as np

from cisreg.choices import check_choice
from cisreg.limits import check_range
from cisreg.scan.search import Found, Search

BestPer = Literal["sequence", "motif"]
# Hits after which limits are lowered to what may still be among the strongest.
ENOUGH = 2**18


class BestHits:
    """The n strongest hits of each motif, on each sequence or on all of them.

    Of equally strong hits, the first in the order of sequence, position and strand is stronger.

    Args:
        best: n.
        per: "sequence" or "motif".
        search: what finds the hits; its limits are lowered.

    Raises:
        ValueError: an option out of range.
    """

    def __init__(self, best: int, per: str, search: Search) -> None:
        check_choice("best_per", per, BestPer)
        check_range("best", best, 1, 2**31)
        self._best, self._per, self._search = best, per, search
        self._widest = search.limits
        self._kept: Found | None = None
        self._done: list[Found] = []

    @property
    def per_sequence(self) -> bool:
        """Whether each sequence has its own strongest hits."""
        return self._per == "sequence"

    def add(self, found: Found, *, more: bool) -> None:
        """Further hits, behind all earlier ones; `more`: others of the same text follow."""
        if self._kept is not None:
            found = Found.joined([self._kept, found], p_values=self._search.p_values)
        self._kept = kept = found.chosen(self._strongest(found))
        if self.per_sequence and len(kept.sequence):
            last = kept.sequence == kept.sequence[-1]
            self._done.append(kept.chosen(~last))
            self._kept = kept.chosen(last)
        if more and len(self._kept.sequence):
            self._tighten()

    def take(self) -> Found:
        """The hits kept, sorted; from now on, others are."""
        parts = [*self._done, *([self._kept] if self._kept is not None else [])]
        self._kept, self._done = None, []
        self._search.widen()
        return Found.joined(parts, p_values=self._search.p_values)

    def _groups(self, found: Found) -> np.ndarray:
        if not self.per_sequence:
            return found.motif
        return found.sequence * self._search.motifs.number + found.motif

    def _strongest(self, found: Found) -> np.ndarray:
        """Indices of the strongest hits of each group, in rising order."""
        groups = self._groups(found)
        # Stable: hits come in the order of sequence, position and strand.
        order = np.lexsort((found.log_kd, groups))
        ordered = groups[order]
        first = np.flatnonzero(np.diff(ordered, prepend=-1))
        rank = np.arange(len(order)) - np.repeat(first, np.diff(first, append=len(order)))
        return np.sort(order[rank < self._best])

    def _tighten(self) -> None:
        """Later hits must be at least as strong as the weakest that is kept."""
        assert self._kept is not None
        kept = self._kept
        number = self._search.motifs.number
        full = np.bincount(kept.motif, minlength=number) >= self._best
        weakest = np.full(number, -np.inf, np.float32)
        np.maximum.at(weakest, kept.motif, kept.log_kd)
        limits = np.where(full, np.minimum(self._widest, weakest), self._widest)
        sequence = int(kept.sequence[-1]) if self.per_sequence else None
        self._search.tighten(limits.astype(np.float32), sequence)
