"""Sites at places in sequences, and what a model predicts for the sequences that have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import rows_at_once
from cisreg.interpret.read_out import between_ends, read_out, scan_model
from cisreg.interpret.sequence_edits import MotifSite
from cisreg.interpret.shuffling import known_range
from cisreg.limits import check_memory
from cisreg.occupancy_checks import UNKNOWN
from cisreg.progress import progress_bar
from cisreg.spec import check_finite


class Run(NamedTuple):
    """How predictions are computed.

    Attributes:
        threads: threads to compute with; None: one for each core.
        batch_size: sequences computed at a time; None: as many as take a few hundred megabytes.
        progress: whether to show a progress bar on a terminal.
    """

    threads: int | None = None
    batch_size: int | None = None
    progress: bool = False


class FreeBases(NamedTuple):
    """The bases that an experiment may change in all of its sequences.

    Attributes:
        begin: the first one.
        end: the one behind the last.
        why: what they are, for errors.
        advice: what to do, for errors.
    """

    begin: int
    end: int
    why: str
    advice: str

    def check(self, argument: str, begin: int, end: int) -> None:
        """Refuses bases that may not be changed.

        Raises:
            ValueError: there are some among those from `begin` to before `end`.
        """
        if self.begin <= begin and end <= self.end:
            return
        raise ValueError(
            f"{argument}: expected bases among {self.begin} to {self.end - 1}, {self.why}, got "
            f"{begin} to {end - 1}{self.advice}"
        )


def free_bases(model: AnyModel, codes: np.ndarray, *, change_ends: bool) -> FreeBases:
    """Which bases may be changed in all sequences: no padding, and no constant ends unless asked.

    Args:
        model: the model, which knows about constant ends.
        codes: uint8 [N, L].
        change_ends: whether constant ends may be changed.
    """
    begin, end = known_range(codes)
    why, advice = "which no sequence lacks", "; take sequences of one length"
    span = between_ends(model.spec, codes)[1]
    if span is not None and not change_ends:
        begin, end = span[:, 0], span[:, 1]
        why = "between the constant ends of all sequences"
        advice = "; change_ends=True (--change-ends) allows to change the ends"
    first, last = int(begin.max(initial=0)), int(end.min(initial=codes.shape[1]))
    return FreeBases(first, last, why, advice)


class PlacedSites(NamedTuple):
    """K sites, each at a place of its own.

    Attributes:
        motif: K names of factors, or bases.
        site: K texts, the bases as the forward strand reads them.
        strand: K of "+" and "-".
        start: int [K], the first base of the site, counted from 0 on the forward strand.
        codes: uint8 [K, W], base codes; 4 leaves the base that is there.
    """

    motif: tuple[str, ...]
    site: tuple[str, ...]
    strand: tuple[str, ...]
    start: np.ndarray
    codes: np.ndarray

    @classmethod
    def of(cls, sites: Iterable[tuple[MotifSite, str, int]]) -> PlacedSites:
        """Sites from (site, strand, start) each."""
        chosen = list(sites)
        turned = [site if strand == "+" else site.reversed() for site, strand, _ in chosen]
        width = max((len(each.codes) for each in turned), default=0)
        codes = np.full((len(turned), width), UNKNOWN, np.uint8)
        for row, each in zip(codes, turned, strict=True):
            row[: len(each.codes)] = each.codes
        return cls(
            tuple(each.name for each in turned),
            tuple(each.text() for each in turned),
            tuple(strand for _, strand, _ in chosen),
            np.array([start for _, _, start in chosen], np.int64),
            codes,
        )

    def chosen(self, which: Sequence[int]) -> PlacedSites:
        """Some of the sites, by their numbers."""
        motif, site, strand = (
            tuple(texts[each] for each in which) for texts in (self.motif, self.site, self.strand)
        )
        return PlacedSites(motif, site, strand, self.start[which], self.codes[which])

    def write(self, codes: np.ndarray, which: np.ndarray) -> None:
        """Writes site `which[r]` into row r of sequences, uint8 [R, L], in place."""
        written = self.codes[which]
        row, column = np.nonzero(written != UNKNOWN)
        codes[row, self.start[which[row]] + column] = written[row, column]


def predict_placed(
    model: AnyModel, codes: np.ndarray, groups: Sequence[PlacedSites], run: Run
) -> np.ndarray:
    """Expression of each sequence with the k-th site of every group, float64 [N, K]."""
    count, sites = len(codes), len(groups[0].start)

    def make(rows: np.ndarray) -> np.ndarray:
        which, sequence = np.divmod(rows, max(count, 1))
        changed = codes[sequence]
        for group in groups:
            group.write(changed, which)
        return changed

    return predict_rows(model, count * sites, make, run).reshape(sites, count).T


def predict_rows(
    model: AnyModel, count: int, make: Callable[[np.ndarray], np.ndarray], run: Run
) -> np.ndarray:
    """Expression of sequences that are made batch by batch, float64 [count].

    Args:
        model: the model.
        count: how many sequences.
        make: gives the sequences of these numbers, int [R], as base codes [R, L].
        run: how to compute.

    Raises:
        ValueError: a parameter is not finite, or there are too many sequences for the memory.
    """
    check_finite(model.parameters, model.motif_names)
    at_once = rows_at_once(model.spec, run.batch_size)
    check_memory(f"the expression of {count:,} changed sequences", 8 * count, "take fewer at once")
    expression = np.empty(count)
    with progress_bar(show=run.progress, transient=True) as bar:
        for begin in bar.track(range(0, count, at_once), description="predicting"):
            rows = np.arange(begin, min(begin + at_once, count))
            scan = scan_model(model, make(rows), threads=run.threads)
            expression[rows] = read_out(model, scan).expression
    return expression
