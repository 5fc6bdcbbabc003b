"""One pass over a data set, which keeps a few bytes of each row and the sequences of a sample."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from cisreg.checks.blocks import Block
from cisreg.checks.families import MOST_ROWS as MOST_COMPARED
from cisreg.checks.families import Relatives, Sketcher, find_relatives
from cisreg.checks.kept import KeptRows, SequenceSample
from cisreg.checks.measured import Composition, Extremes, Moments, complexity
from cisreg.checks.of_outputs import Agreement, agreement_of
from cisreg.checks.repeats import ROW, Repeats, find_repeats
from cisreg.checks.tried_split import SEED, TriedSplit
from cisreg.data import HoldOut
from cisreg.data.ends import ConstantEnds, find_constant_ends
from cisreg.data.splitting import sequence_hashes
from cisreg.library import native_module

logger = logging.getLogger("cisreg.checks")


@dataclass(frozen=True, eq=False)
class Survey:
    """What one pass found.

    Attributes:
        count: number of usable rows.
        lengths: number of rows by their number of bases.
        composition: bases, and how they go with expression.
        measurements: means and covariances of the K measurements of a row, of the rows that have
            all of them.
        measured: how many of them a row has, the harmonic mean.
        extremes: of all measurements.
        repeats: rows of the same sequence.
        kept_share: share of the sequences that `repeats` and `expression` are of.
        expression: float32, the mean measurement of each row that was kept, ascending.
        relatives: sequences that are alike; None with `families` off.
        compared_rows: number of rows, from the first on, among which relatives were looked for.
        rows_by_side: rows to train on, held out, and of neither side.
        split_problem: why training would refuse the split; "" where it would not.
        sample: uint8 [S, L], different sequences drawn by their hash; each begins with its first
            base and ends with codes 4.
        sample_length: int64 [S].
        sample_expression: float32 [S].
        sample_complexity: float64 [S], see `cisreg.checks.measured.complexity`.
        ends: the constant ends of the sample.
        of_outputs: the survey of the rows that were measured in each output, where there are
            several; the whole is then of the mean of the outputs of a row, without `measurements`.
        agreement: of these outputs; None for a single one.
    """

    count: int
    lengths: Counter[int]
    composition: Composition
    measurements: Moments
    measured: float
    extremes: Extremes
    repeats: Repeats
    kept_share: float
    expression: np.ndarray
    relatives: Relatives | None
    compared_rows: int
    rows_by_side: np.ndarray
    split_problem: str
    sample: np.ndarray
    sample_length: np.ndarray
    sample_expression: np.ndarray
    sample_complexity: np.ndarray
    ends: ConstantEnds
    of_outputs: tuple[Survey, ...] = ()
    agreement: Agreement | None = None


class _Measured:
    """What is added up over the rows of one output, or of all."""

    def __init__(self, measurements: int) -> None:
        self.count = 0
        self.composition, self.extremes = Composition(), Extremes()
        self.moments, self.columns = Moments(measurements), measurements
        self._inverse = 0.0

    @property
    def measured(self) -> float:
        """The harmonic mean of the number of measurements of a row."""
        return self.count / self._inverse if self._inverse else float(self.columns)

    def add(self, codes: np.ndarray, length: np.ndarray, expression: np.ndarray) -> None:
        """Adds rows of measurements, float [n, K], NaN where one is missing, but not all."""
        there = np.isfinite(expression)
        self.count += len(length)
        self.composition.add(codes, length, _mean(expression))
        self.moments.add(expression[there.all(axis=1)])
        self.extremes.add(expression[there])
        if self.columns:
            self._inverse += float((1 / there.sum(axis=1)).sum())


def take_survey(
    blocks: Iterable[Block],
    measurements: int,
    hold_out: HoldOut,
    *,
    families: bool = True,
    outputs: bool = False,
    advance: Callable[[int], None] = lambda rows: None,
) -> Survey:
    """Looks at every row once.

    Args:
        blocks: the rows.
        measurements: K.
        hold_out: the split that is tried.
        families: whether to look for relatives.
        outputs: whether the measurements are those of K outputs, NaN where one is missing.
        advance: is told how many rows were looked at.

    Raises:
        ValueError: a row without the group or fold that `hold_out` needs.
    """
    lengths: Counter[int] = Counter()
    # Of outputs, those that a row lacks leave no sums of all.
    every_one = _Measured(0 if outputs else measurements)
    of_one = [_Measured(1) for _ in range(measurements if outputs else 0)]
    row_type = _row_type(len(of_one))
    kept, sample, sketcher = KeptRows(), SequenceSample(), Sketcher()
    sketches: list[np.ndarray] = []
    compared = count = 0
    split = TriedSplit(hold_out)
    for block in blocks:
        count += len(block.length)
        lengths.update(dict(zip(*map(np.ndarray.tolist, _counted(block.length)), strict=True)))
        expression = _mean(block.expression)
        every_one.add(block.codes, block.length, block.expression[:, : every_one.columns])
        for one, column in zip(of_one, block.expression.T, strict=False):
            there = np.isfinite(column)
            one.add(block.codes[there], block.length[there], column[there, None])
        rows = _rows(block, expression, split, row_type)
        kept.add(rows)
        sample.add(rows["hash"], block.codes, expression)
        if families and compared < MOST_COMPARED:
            sketches.append(_with_sketch(rows, sketcher.add(block.codes, block.length)))
            compared += len(rows)
        advance(len(rows))
    every = kept.sorted(row_type)
    codes, sample_length, sample_expression = sample.sequences()
    found = Survey(
        count=count,
        lengths=lengths,
        composition=every_one.composition,
        measurements=every_one.moments,
        measured=every_one.measured,
        extremes=every_one.extremes,
        repeats=find_repeats(every),
        kept_share=kept.share,
        expression=np.sort(every["expression"]),
        relatives=_relatives(sketches) if sketches else None,
        compared_rows=compared,
        rows_by_side=split.rows_by_side,
        split_problem=split.problem,
        sample=codes,
        sample_length=sample_length,
        sample_expression=sample_expression,
        sample_complexity=complexity(codes),
        ends=find_constant_ends(codes),
    )
    if not of_one:
        return found
    surveys = [_of_output(found, one, every, index) for index, one in enumerate(of_one)]
    agreement = agreement_of(every["outputs"])
    return replace(found, of_outputs=tuple(surveys), agreement=agreement)


def _of_output(whole: Survey, measured: _Measured, rows: np.ndarray, index: int) -> Survey:
    """The survey of the rows that were measured in one output."""
    own = rows[np.isfinite(rows["outputs"][:, index])].copy()
    own["expression"] = own["outputs"][:, index]
    return replace(
        whole,
        count=measured.count,
        composition=measured.composition,
        measurements=measured.moments,
        measured=measured.measured,
        extremes=measured.extremes,
        repeats=find_repeats(own),
        expression=np.sort(own["expression"]),
    )


def _counted(length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.unique(length, return_counts=True)


def _mean(expression: np.ndarray) -> np.ndarray:
    """The mean of the measurements of each row that are there, float32 [n]; NaN without any."""
    there = np.isfinite(expression)
    total = np.where(there, expression, 0).sum(axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return (total / there.sum(axis=1)).astype(np.float32)


def _row_type(outputs: int) -> np.dtype:
    """What is kept of each row; of several outputs, each measurement too."""
    return np.dtype([*ROW.descr, ("outputs", "f4", (outputs,))]) if outputs else ROW


def _rows(block: Block, expression: np.ndarray, split: TriedSplit, kind: np.dtype) -> np.ndarray:
    rows = np.empty(len(block.length), kind)
    if kind != ROW:
        rows["outputs"] = block.expression
    rows["hash"] = sequence_hashes(block.codes, SEED)
    rows["strand"] = _strand_hashes(block)
    rows["expression"] = expression
    rows["side"] = split.sides(rows["hash"], block.held_out_by)
    return rows


def _strand_hashes(block: Block) -> np.ndarray:
    """A hash of each sequence, which differs from that of its reverse complement; uint32 [n]."""
    first = int(block.length[0])
    if (block.length == first).all():
        text = np.ascontiguousarray(block.codes[:, :first]).ravel()
    else:
        text = block.codes[np.arange(block.codes.shape[1]) < block.length[:, None]]
    offsets = np.concatenate([[0], np.cumsum(block.length)]).astype(np.int64)
    return native_module().text_hashes(text, offsets, SEED).astype(np.uint32)


_SKETCHED = np.dtype([("hash", "u8"), ("side", "u1"), ("sketch", "u4", 4)])


def _with_sketch(rows: np.ndarray, sketch: np.ndarray) -> np.ndarray:
    found = np.empty(len(rows), _SKETCHED)
    found["hash"], found["side"], found["sketch"] = rows["hash"], rows["side"], sketch
    return found


def _relatives(sketches: list[np.ndarray]) -> Relatives:
    every = np.concatenate(sketches)
    _, first = np.unique(every["hash"], return_index=True)
    return find_relatives(every["sketch"][first], every["side"][first])
