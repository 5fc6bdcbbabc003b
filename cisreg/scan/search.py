"""Motifs and thresholds, ready to scan one text after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from cisreg.choices import check_choice
from cisreg.library import native_module
from cisreg.limits import thread_count
from cisreg.scan.inputs import Motifs, Rows
from cisreg.scan.p_values import distributions_within
from cisreg.scan.thresholds import Threshold
from cisreg.sequences import Unknown

Strands = Literal["both", "forward", "reverse"]
STRANDS_OF = {"both": 2, "forward": 1, "reverse": 1}
_DTYPES = ("int64", "int64", "int8", "int32", "float32")


class Found(NamedTuple):
    """Hits as arrays; see `Hits` for each.

    Attributes:
        sequence: int64 [hits].
        position: int64 [hits].
        strand: int8 [hits].
        motif: int32 [hits].
        log_kd: float32 [hits].
        p_value: float64 [hits], or None.
    """

    sequence: np.ndarray
    position: np.ndarray
    strand: np.ndarray
    motif: np.ndarray
    log_kd: np.ndarray
    p_value: np.ndarray | None

    def chosen(self, which: np.ndarray) -> Found:
        """Some of the hits, by indices or booleans."""
        sequence, position, strand, motif, log_kd = (field[which] for field in self[:5])
        p_value = None if self.p_value is None else self.p_value[which]
        return Found(sequence, position, strand, motif, log_kd, p_value)

    @classmethod
    def joined(cls, parts: list[Found], *, p_values: bool) -> Found:
        """The hits of several parts, one after the other."""
        columns = zip(*(part[:5] for part in parts), strict=True) if parts else [()] * len(_DTYPES)
        sequence, position, strand, motif, log_kd = (
            np.concatenate([np.empty(0, dtype), *column])
            for dtype, column in zip(_DTYPES, columns, strict=True)
        )
        of_parts = [part.p_value for part in parts if part.p_value is not None]
        p_value = np.concatenate([np.empty(0), *of_parts]) if p_values else None
        return cls(sequence, position, strand, motif, log_kd, p_value)


class Search:
    """Motifs and thresholds, ready to scan one text after the other.

    Args:
        motifs: the motifs.
        threshold: which sites are hits.
        strands: on which strand they are.
        unknown: how windows with an unknown base are treated.
        p_values: whether hits have p-values; those of a threshold by p-value always do.
        background: for p-values; see `p_value_threshold`.
        threads: number of threads.

    Raises:
        ValueError: an option that does not exist.
    """

    def __init__(
        self,
        motifs: Motifs,
        threshold: Threshold,
        *,
        strands: str = "both",
        unknown: str = "skip",
        p_values: bool = False,
        background: Any = None,
        threads: int | None = None,
    ) -> None:
        check_choice("strands", strands, Strands)
        check_choice("unknown", unknown, Unknown)
        self.motifs, self.threshold = motifs, threshold
        self.strands, self.unknown = strands, unknown
        self._threads = thread_count(threads)
        self.limits = self._widest = threshold.limits(strands)
        self._sequence: int | None = None
        self._scanner: Any = None
        self._distributions = threshold.distributions
        if p_values and self._distributions is None:
            self._distributions = distributions_within(motifs, self.limits, background)

    @property
    def p_values(self) -> bool:
        """Whether hits have p-values."""
        return self._distributions is not None

    def tighten(self, limits: np.ndarray, sequence: int | None = None) -> None:
        """Scans with lower limits from now on.

        Args:
            limits: float32 [2, M].
            sequence: the only one that they are for; None: all.
        """
        self.limits, self._sequence, self._scanner = limits, sequence, None

    def widen(self) -> None:
        """Scans with the threshold's limits again."""
        if self.limits is not self._widest:
            self.tighten(self._widest)

    def parts(
        self,
        rows: Rows,
        sequences: np.ndarray,
        *,
        end: int,
        enough: int,
        stopped: Callable[[], bool] | None = None,
    ) -> Iterator[tuple[Found, bool]]:
        """The hits of a text in parts; limits may be lowered between them.

        Args:
            rows: the text.
            sequences: int64 [N], the sequence of each row.
            end: the window behind the last.
            enough: see `find`.
            stopped: see `find`.

        Yields:
            Some hits, and whether windows follow that are not scanned yet.
        """
        first, more = 0, True
        while more:
            row = int(np.searchsorted(rows.bounds[1], first, "right"))
            if self._sequence is not None and self._sequence not in sequences[row : row + 1]:
                self.widen()
            # Limits of one sequence must not meet the next one.
            stop = end if self._sequence is None else min(end, int(rows.bounds[1, row]))
            found, first = self.find(rows, first=first, end=stop, enough=enough, stopped=stopped)
            more = first < end
            yield found._replace(sequence=sequences[found.sequence]), more

    def find(
        self,
        rows: Rows,
        *,
        first: int = 0,
        end: int | None = None,
        enough: int,
        stopped: Callable[[], bool] | None = None,
    ) -> tuple[Found, int]:
        """The hits that begin at codes [first, end) of a text.

        Args:
            rows: the text.
            first: the first window.
            end: the window behind the last; None: the end of the text.
            enough: after so many hits no further part of the text is begun.
            stopped: asked from time to time whether to stop, in threads other than the main one.

        Returns:
            The hits, sorted, and the end of what was scanned, which is lower than `end` if there
            were more than enough hits.
        """
        if self._scanner is None:
            self._scanner = native_module().SiteScanner(
                self.motifs.log_kd,
                self.motifs.column_range,
                self.limits,
                distributions=self._distributions,
                unknown=self.unknown,
            )
        *fields, p_value, reached = self._scanner.hits(
            rows.codes,
            rows.bounds,
            first=first,
            end=end,
            enough=enough,
            threads=self._threads,
            stop=stopped,
        )
        number, position, strand, motif, log_kd = fields
        if rows.origin is not None:
            position += rows.origin[number]
        return Found(number, position, strand, motif, log_kd, p_value), reached
