"""Predictions of a trained model for windows and intervals of a genome, in bounded memory."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from cisreg.batch_prediction import BATCH_SIZE
from cisreg.choices import check_choice
from cisreg.data.ends import known_end_bases
from cisreg.display import counted
from cisreg.genome.intervals import Intervals
from cisreg.genome.places import Places, taken
from cisreg.genome.portions import SequenceSource
from cisreg.genome.progress import with_progress
from cisreg.genome.track_files import TrackWriter
from cisreg.genome.tracks import sequence_lengths
from cisreg.limits import MOST_ROWS_AT_ONCE, check_range
from cisreg.progress import progress_bar
from cisreg.sequences import encode, reverse_complement
from cisreg.trained_model import Model

__all__ = [
    "Fit",
    "construct_length",
    "predict_intervals",
    "predict_windows",
    "write_predictions",
]

logger = logging.getLogger("cisreg.genome")

Fit = Literal["exact", "centre", "pad"]

_UNKNOWN = 4


def construct_length(model: Model) -> int:
    """Bases of genome that one prediction takes, by default.

    A model that was trained on sequences with constant ends, and knows their bases, takes what lies
    between these ends; any other model takes sequences of the length that it was trained on.

    Example:
        >>> construct_length(model)  # 110 bases with ends of 17 and 13  # doctest: +SKIP
        80
    """
    left, right = _ends(model)
    return model.spec.sequence_length - len(left) - len(right)


def predict_windows(
    model: Model,
    source: SequenceSource,
    *,
    step: int,
    length: int | None = None,
    most_unknown: float = 0.0,
    binding: bool = False,
    batch_size: int = BATCH_SIZE,
    progress: bool = False,
    **options: Any,
) -> Iterator[pa.Table]:
    """Predictions for windows that slide along each sequence, on the forward strand.

    Windows begin at bases 0, step, 2 step … of each sequence, or of each interval of the source;
    none reaches beyond its end.

    Args:
        model: a trained model.
        source: the sequences, see `cisreg.genome.open_genome`.
        step: bases from the beginning of one window to that of the next.
        length: bases of a window: the model's length, for windows that are read as they are; or,
            where the model knows the constant ends of its training sequences, what lies between
            them, for windows that are put between these ends. None for `construct_length`.
        most_unknown: the largest share of unknown bases in a window; others are left out, and the
            log says how many.
        binding: also the accessible binding of each motif to each strand.
        batch_size: windows that are computed at a time.
        progress: show how far it is on standard error, if that is a terminal.
        options: further arguments of `Model.predict_batches`.

    Yields:
        Tables with the columns sequence, start, end and those of `BatchPrediction.columns`, in the
        order of the source; at least one.

    Raises:
        ValueError: windows of a length that the model does not fit, or a wrong argument.

    Example:
        >>> with open_genome("yeast.fa") as genome:  # doctest: +SKIP
        ...     for table in predict_windows(model, genome, step=20):
        ...         print(table["expression"].to_numpy().max())
    """
    check_range("step", step, 1, MOST_ROWS_AT_ONCE)
    width = construct_length(model) if length is None else length
    construct = _Construct(model, width, most_unknown)
    windows = _sliding(source, width, step, batch_size, progress)
    return _predicted(model, construct, windows, batch_size, {"binding": binding, **options})


def predict_intervals(
    model: Model,
    source: SequenceSource,
    intervals: Intervals,
    *,
    fit: Fit = "exact",
    in_genome_order: bool = False,
    most_unknown: float = 0.0,
    binding: bool = False,
    batch_size: int = BATCH_SIZE,
    progress: bool = False,
    **options: Any,
) -> Iterator[pa.Table]:
    """Predictions for intervals of a genome, each on its own strand.

    Args:
        model: a trained model.
        source: the sequences, whole.
        intervals: the intervals; those of the strand "-" are read as reverse complement.
        fit: "exact", all intervals have one of the lengths that `predict_windows` takes; "centre",
            of each the `construct_length` bases around its centre are taken, whatever its length;
            "pad", shorter ones are padded like shorter training sequences.
        in_genome_order: in the order of the source's sequences, then of start, as a track wants
            them; otherwise in the order of the intervals.
        most_unknown: see `predict_windows`, like the further arguments.
        binding: see `predict_windows`.
        batch_size: see `predict_windows`.
        progress: see `predict_windows`.
        options: see `predict_windows`.

    Yields:
        Tables as of `predict_windows`, with the columns name and strand behind end; start and end
        are those of the bases that were taken.

    Raises:
        ValueError: an interval of a length that the model does not fit, or beyond its sequence.

    Example:
        >>> promoters = Intervals.from_bed("promoters.bed")  # doctest: +SKIP
        >>> tables = predict_intervals(model, genome, promoters)  # doctest: +SKIP
    """
    check_choice("fit", fit, Fit)
    lengths = sequence_lengths(source)
    places = _fitted(model, lengths, intervals, fit)
    if in_genome_order:
        rank = {name: number for number, name in enumerate(lengths)}
        number = np.array([rank[name] for name in places.sequence])
        places = taken(places, np.lexsort((places.start, number)))
    longest = int((places.end - places.start).max())
    construct = _Construct(model, longest, most_unknown, pads=fit == "pad")
    stretches = _fetched(source, places, batch_size, progress)
    return _predicted(model, construct, stretches, batch_size, {"binding": binding, **options})


def write_predictions(
    tables: Iterable[pa.Table], track: TrackWriter, *, span: int | None = None
) -> int:
    """Writes the expression of windows or intervals to a track.

    Args:
        tables: of `predict_windows` or `predict_intervals`, sorted.
        track: an open track.
        span: how many bases around the centre of each window get its value: the step, for windows
            that overlap; None for all bases of each.

    Returns:
        The number of predictions.

    Example:
        >>> with open_track("model.bw", "bigwig", lengths) as track:  # doctest: +SKIP
        ...     write_predictions(predict_windows(model, genome, step=20), track, span=20)
    """
    count = 0
    for table in tables:
        start, end = table["start"].to_numpy(), table["end"].to_numpy()
        if span is not None:
            start = start + (end - start - span) // 2
            end = start + span
        names = np.asarray(table["sequence"].to_pylist(), object)
        first = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)]
        for begin, stop in itertools.pairwise(first):
            if begin < stop:
                part = slice(begin, stop)
                value = table["expression"].to_numpy()[part]
                track.write(names[begin], start[part], end[part], value)
        count += len(table)
    return count


class _Construct:
    """How the bases of a window become the input of a model.

    Args:
        model: the model.
        length: bases of a window, or of the longest one.
        most_unknown: the largest share of unknown bases.
        pads: whether windows may be shorter.
    """

    def __init__(
        self, model: Model, length: int, most_unknown: float, *, pads: bool = False
    ) -> None:
        if not 0 <= most_unknown <= 1:
            raise ValueError(f"most_unknown: expected a share from 0 to 1, got {most_unknown!r}")
        self.most_unknown = float(most_unknown)
        self._side = model.padding_side
        self._length = model.spec.sequence_length
        self._left, self._right = _ends(model)
        self.left_out = 0
        between = self._length - len(self._left) - len(self._right)
        fits = length <= between if pads else length in (between, self._length)
        if not fits:
            whole = f"{self._length} bases, the length of the model's sequences"
            inner = f", or {between}, put between its constant ends" * (between < self._length)
            raise ValueError(
                f"length: expected windows of {whole}{inner}, got {length}; give another length, "
                'or fit="centre" (--fit centre) for the bases around the centre of each interval'
            )
        if length == self._length and between < self._length:
            # The window has bases of its own at the ends.
            self._left, self._right = self._left[:0], self._right[:0]
        elif between < self._length:
            logger.info(
                "windows of %d bases are put between the constant ends of the model's training "
                "sequences, %d and %d bases",
                *(between, len(self._left), len(self._right)),
            )

    def usable(self, codes: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Which windows have few enough unknown bases, bool [N]; the others are counted."""
        unknown = (codes == _UNKNOWN).sum(axis=1) - (codes.shape[1] - lengths)
        usable = unknown <= self.most_unknown * lengths
        self.left_out += int((~usable).sum())
        return usable

    def rows(self, codes: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """The model's input, uint8 [N, L], of windows that are filled up behind their bases."""
        rows = np.full((len(codes), self._length), _UNKNOWN, np.uint8)
        left, right = len(self._left), len(self._right)
        for length in np.unique(lengths).tolist():
            chosen = np.flatnonzero(lengths == length)
            begin = self._length - (left + length + right) if self._side == "left" else 0
            middle = begin + left
            rows[chosen, begin:middle] = self._left
            rows[chosen, middle : middle + length] = codes[chosen, :length]
            rows[chosen, middle + length : middle + length + right] = self._right
        return rows


def _ends(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """The constant ends of the training sequences; empty unless the bases of all are known."""
    known = model.metadata.get("constant_ends", {}) if model.spec.has_span else {}
    texts = known_end_bases(known, model.spec.constant_left, model.spec.constant_right)
    left, right = (np.asarray(encode([text])[0], np.uint8) for text in texts)
    return left, right


def _sliding(
    source: SequenceSource, length: int, step: int, batch_size: int, progress: bool
) -> Iterator[tuple[Places, np.ndarray]]:
    """Windows of each sequence, at most a batch at a time."""
    sequence, origin, is_new = None, 0, True
    portions = source.portions(overlap=max(length - 1, 0))
    total = getattr(source, "total", None)
    for portion in with_progress(portions, total=total, show=progress, description="predicting"):
        if is_new or portion.sequence != sequence:
            sequence, origin = portion.sequence, portion.start
        is_new = portion.last
        first = (origin - portion.start) % step
        end = min(portion.own, len(portion.codes) - length + 1)
        starts = np.arange(first, max(end, 0), step)
        if not len(starts):
            continue
        windows = np.lib.stride_tricks.sliding_window_view(portion.codes, length)
        for begin in range(0, len(starts), batch_size):
            part = starts[begin : begin + batch_size]
            places = portion.start + part
            yield (
                Places([portion.sequence] * len(part), places, places + length),
                windows[part],
            )


def _fitted(model: Model, lengths: Mapping[str, int], intervals: Intervals, fit: Fit) -> Places:
    """The stretches to read of intervals, in a genome with sequences of these lengths."""
    if not len(intervals):
        raise ValueError("intervals: expected at least one, got none")
    intervals.check(lengths)
    start, end = intervals.start, intervals.end
    named = list(intervals.name), list(intervals.strand)
    if fit == "exact" and len(np.unique(end - start)) > 1:
        shortest, longest = (end - start).min(), (end - start).max()
        raise ValueError(
            f"intervals: expected all of one length, got {shortest} to {longest} bases; give "
            'fit="centre" (--fit centre) for the bases around the centre of each, or fit="pad" '
            "for shorter ones that are padded"
        )
    if fit != "centre":
        return Places(list(intervals.sequence), start, end, *named)
    length = construct_length(model)
    start = start + (end - start - length) // 2
    end_of = np.array([lengths[name] for name in intervals.sequence])
    inside = (start >= 0) & (start + length <= end_of)
    if not inside.any():
        raise ValueError(
            f"intervals: expected some with {length} bases around their centres, got none"
        )
    if not inside.all():
        logger.warning(
            "%s left out: the bases around the centre reach beyond the end of the sequence",
            counted(int((~inside).sum()), "interval"),
        )
    return _chosen(Places(list(intervals.sequence), start, start + length, *named), inside)


def _chosen(places: Places, chosen: np.ndarray) -> Places:
    """Some of the places, by booleans."""
    return taken(places, np.flatnonzero(chosen))


def _fetched(
    source: SequenceSource, places: Places, batch_size: int, progress: bool
) -> Iterator[tuple[Places, np.ndarray]]:
    """The bases of places on their strands, a batch at a time, filled up behind them."""
    longest = int((places.end - places.start).max())
    with progress_bar(show=progress) as bar:
        for first in bar.track(range(0, len(places.start), batch_size), description="predicting"):
            yield _fetch(source, places, first, batch_size, longest)


def _fetch(
    source: SequenceSource, places: Places, first: int, batch_size: int, longest: int
) -> tuple[Places, np.ndarray]:
    """A batch of places, and their bases on their strands."""
    part = np.zeros(len(places.start), bool)
    part[first : first + batch_size] = True
    batch = _chosen(places, part)
    codes = np.full((len(batch.start), longest), _UNKNOWN, np.uint8)
    for row, sequence, start, end, strand in zip(
        *(codes, batch.sequence, batch.start.tolist(), batch.end.tolist()),
        batch.strand or [None] * len(batch.start),
        strict=True,
    ):
        bases = source.fetch(sequence, start, end)
        is_reverse = strand == "-"
        row[: len(bases)] = reverse_complement(bases[np.newaxis])[0] if is_reverse else bases
    return batch, codes


def _predicted(
    model: Model,
    construct: _Construct,
    windows: Iterable[tuple[Places, np.ndarray]],
    batch_size: int,
    options: dict[str, Any],
) -> Iterator[pa.Table]:
    """Predictions of windows, as tables of at most a batch."""
    parts: list[tuple[Places, np.ndarray]] = []
    waiting = count = 0
    for places, codes in windows:
        lengths = places.end - places.start
        usable = construct.usable(codes, lengths)
        if not usable.any():
            continue
        parts.append((_chosen(places, usable), construct.rows(codes[usable], lengths[usable])))
        waiting += len(parts[-1][1])
        if waiting >= batch_size:
            yield from _tables(model, parts, batch_size, options)
            parts, waiting, count = [], 0, count + waiting
    if parts or not count:
        yield from _tables(model, parts, batch_size, options)
    if construct.left_out:
        logger.warning(
            "%s left out: more than %g of their bases are unknown (most_unknown, --most-unknown)",
            *(counted(construct.left_out, "window"), construct.most_unknown),
        )


def _tables(
    model: Model, parts: list[tuple[Places, np.ndarray]], batch_size: int, options: dict[str, Any]
) -> Iterator[pa.Table]:
    """The tables of some windows."""
    length = model.spec.sequence_length
    codes = np.concatenate([np.zeros((0, length), np.uint8), *(codes for _, codes in parts)])
    columns = [pa.table(places.columns()) for places, _ in parts]
    none = np.zeros(0, np.int64)
    places = pa.concat_tables(columns) if columns else pa.table(Places([], none, none).columns())
    begin = 0
    for batch in model.predict_batches(codes, batch_size=batch_size, **options):
        table = places.slice(begin, len(batch))
        for name, values in batch.columns().items():
            table = table.append_column(name, pa.array(values))
        begin += len(batch)
        yield table
