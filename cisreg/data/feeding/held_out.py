"""Held-out rows of files that are streamed: found in one pass, and left out of every batch."""

from __future__ import annotations

import itertools
import logging
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from cisreg.data.dataset import Dataset, join
from cisreg.data.feeding.loading import core_count
from cisreg.data.feeding.stream import NO_ROWS, RowGroups
from cisreg.data.folds import HELD_OUT, TRAINING, provisional_sides, rows_by_value, sides_by_value
from cisreg.data.splitting import (
    MOST_HASH,
    HoldOut,
    at_least_one,
    count_shared,
    group_hashes,
    hash_threshold,
    say_shared,
    sequence_hashes,
)

logger = logging.getLogger("cisreg.data")

# Validation reads at most this many of the rows that are held out. The limits do not depend on the
# machine's memory: a run may be resumed on a different machine.
_MOST_ROWS = 1 << 20
_MOST_BYTES = 1 << 30


class NotShared:
    """Trains on all rows, and warns if their sequences are also in the validation set.

    Args:
        validation: the validation set, which has its own rows.
    """

    count = None

    def __init__(self, validation: Dataset) -> None:
        self._hashes = np.unique(sequence_hashes(validation.sequence))
        # By row group, so that one that is read twice counts once.
        self._shared: dict[int, int] = {}

    def choose(self, rows: Dataset, group: int) -> np.ndarray:
        """Chooses all rows, and counts those whose sequence is in the validation set."""
        self.look(rows, group, np.ones(len(rows), bool))
        return np.ones(len(rows), bool)

    def look(self, rows: Dataset, group: int, trained: np.ndarray) -> None:
        """Counts the training rows whose sequence is in the validation set."""
        shared = np.isin(sequence_hashes(rows.sequence), self._hashes)
        self._shared[group] = int((shared & trained).sum())

    def fingerprint(self) -> str:
        """Text that differs for a different choice of rows."""
        return "all rows"

    def end_pass(self) -> None:
        """Warns if there are any such rows."""
        say_shared(sum(self._shared.values()))


class Unseen:
    """Trains on the rows that are not held out.

    Args:
        rule: decides which rows are held out.
        count: number of training rows.
        validation: the rows that are held out; their sequences should not be trained on.
    """

    def __init__(self, rule: _ByHash | _ByFold, count: int, validation: Dataset) -> None:
        self.count: int | None = count
        self._rule = rule
        self._watch = None if rule.keeps_sequences else NotShared(validation)

    def choose(self, rows: Dataset, group: int) -> np.ndarray:
        """Which of the n rows to train on, bool [n]."""
        chosen = self._rule.look(rows).sides == TRAINING
        if self._watch is not None:
            self._watch.look(rows, group, chosen)
        return chosen

    def fingerprint(self) -> str:
        """Text that differs for a different choice of rows."""
        return str(self._rule)

    def end_pass(self) -> None:
        """Warns if groups or folds share sequences."""
        if self._watch is not None:
            self._watch.end_pass()


class _Look(NamedTuple):
    """Result of a rule for some rows.

    Attributes:
        sides: the side of each row, uint8 [n].
        found: what the rule collects about these rows, for its `note`.
    """

    sides: np.ndarray
    found: Any


class _ByHash:
    """Holds out rows by a hash of their sequence or group."""

    def __init__(self, how: HoldOut, seed: int) -> None:
        assert how.fraction is not None  # otherwise _ByFold is used
        self._how, self._seed = how, seed
        self._threshold = hash_threshold(how.fraction)
        self._lowest, self._highest = MOST_HASH, 0
        self.keeps_sequences = how.groups is None
        self.what = "sequence" if how.groups is None else "group"

    def look(self, rows: Dataset) -> _Look:
        """The sides of the rows."""
        if self._how.groups is None:
            hashes = sequence_hashes(rows.sequence, self._seed)
        else:
            hashes = group_hashes(self._how.values(rows), self._seed)
        held_out = hashes < np.uint64(self._threshold)
        ends = (int(hashes.min()), int(hashes.max())) if len(hashes) else (MOST_HASH, 0)
        return _Look(np.where(held_out, HELD_OUT, TRAINING).astype(np.uint8), ends)

    def note(self, found: tuple[int, int]) -> None:
        """Records the lowest and highest hash of some rows."""
        self._lowest, self._highest = min(self._lowest, found[0]), max(self._highest, found[1])

    def settle(self) -> bool:
        """Called after all rows; moves the threshold if needed. Returns whether it stayed."""
        before = self._threshold
        self._threshold = at_least_one(before, self._lowest, self._highest, self.what)
        return self._threshold == before

    @property
    def described(self) -> str:
        """How rows are chosen, for the log."""
        column = "" if self._how.groups is None else f" {self._how.groups}"
        return f"a hash of the {self.what}{column} and seed {self._seed}"

    def __str__(self) -> str:
        column = "" if self._how.groups is None else f" {self._how.groups}"
        return f"hashes of the {self.what}{column} from {self._threshold} with seed {self._seed}"


class _ByFold:
    """Holds out the rows that a column of folds names."""

    keeps_sequences = False
    what = "fold"

    def __init__(self, how: HoldOut) -> None:
        self._how = how
        self._rows: Counter[str] = Counter()

    def look(self, rows: Dataset) -> _Look:
        """The sides of the rows."""
        values = self._how.values(rows)
        return _Look(provisional_sides(values, self._how.fold), rows_by_value(values))

    def note(self, found: dict[str, int]) -> None:
        """Records the values of some rows."""
        self._rows.update(found)

    def settle(self) -> bool:
        """Always True; raises ValueError if the values do not say which rows are held out."""
        sides_by_value(self._rows, self._how.fold)
        return True

    @property
    def described(self) -> str:
        """How rows are chosen, for the log."""
        value = "" if self._how.fold is None else f", where it is {self._how.fold}"
        return f"the column {self._how.folds}{value}"

    def __str__(self) -> str:
        return f"folds of {self._how.folds} but {self._how.fold}"


def hold_out_rows(files: RowGroups, how: HoldOut, seed: int) -> tuple[Unseen, Dataset]:
    """Chooses the rows to hold out and reads them, in one pass over the files.

    Validation needs at most 1,048,576 rows or 1 GiB of bases. If more rows are held out, only those
    whose sequences have the lowest hashes are read; the others are still held out. Memory holds
    twice that limit, and the row groups that are being read.

    Args:
        files: Parquet files.
        how: which rows to hold out.
        seed: of training, see `HoldOut.split`.

    Returns:
        (which rows to train on, rows for validation).

    Raises:
        ValueError: fewer than two different sequences or groups, or folds that do not say which
            rows to hold out.
    """
    seed = how.seed_of_split(seed)
    rule = _ByHash(how, seed) if how.folds is None else _ByFold(how)
    found = _Found(files, rule, seed)
    if not rule.settle():
        # All rows were on one side: there are few sequences, so a second pass is fast.
        found = _Found(files, rule, seed)
    trained, held_out = found.rows_of[TRAINING], found.rows_of[HELD_OUT]
    usable = sum(found.rows_of.values())
    logger.info(
        "held out: %d of %d rows (%.1f %%), chosen by %s; validation reads %d of them, of which %d "
        "share their sequence with another one",
        *(held_out, usable, 100 * held_out / usable, rule.described, len(found.hashes)),
        count_shared(found.hashes),
    )
    return Unseen(rule, trained, found.rows), found.rows


class _Found:
    """The held-out rows of files; if they exceed the limit, those with the lowest hashes.

    Args:
        files: Parquet files.
        rule: decides which rows are held out; it sees all rows.
        seed: seed of the hashes.

    Attributes:
        rows_of: number of usable rows by side.
    """

    def __init__(self, files: RowGroups, rule: _ByHash | _ByFold, seed: int) -> None:
        self.rows_of: Counter[int] = Counter()
        self._rule, self._seed, self._limit = rule, seed, MOST_HASH
        self._parts: list[tuple[np.ndarray, Dataset]] = []
        self._count = 0
        self._most = max(min(_MOST_ROWS, _MOST_BYTES // files.length), 1)
        for look, rows in self._read(files):
            self.rows_of.update(look.sides.tolist())
            rule.note(look.found)
            self._add(rows)
        if not self.rows_of:
            raise ValueError(NO_ROWS)

    @property
    def hashes(self) -> np.ndarray:
        """Hashes of the sequences of `rows`, uint64 [n]."""
        return np.concatenate([hashes for hashes, _ in self._parts])

    @property
    def rows(self) -> Dataset:
        """The held-out rows that were kept, in the order of the files."""
        return join([rows for _, rows in self._parts])

    def _read(self, files: RowGroups) -> Iterator[tuple[_Look, Dataset]]:
        """For each row group, the result of the rule and the rows that are held out."""

        def read(group: int) -> tuple[_Look, Dataset]:
            rows, _ = files.read_group(group)
            look = self._rule.look(rows)
            return look, rows.take(look.sides == HELD_OUT)

        groups = iter(range(len(files.group_rows)))
        with ThreadPoolExecutor(core_count()) as threads:
            first = itertools.islice(groups, 2 * core_count())
            waiting = deque(threads.submit(read, group) for group in first)
            while waiting:
                part = waiting.popleft().result()
                waiting.extend(threads.submit(read, each) for each in itertools.islice(groups, 1))
                yield part

    def _add(self, rows: Dataset) -> None:
        self._parts.append(_below(self._limit, sequence_hashes(rows.sequence, self._seed), rows))
        self._count += len(self._parts[-1][0])
        while self._count > self._most and self._limit > 1:
            self._limit //= 2
            self._parts = [_below(self._limit, *part) for part in self._parts]
            self._count = sum(len(part[0]) for part in self._parts)


def _below(limit: int, hashes: np.ndarray, rows: Dataset) -> tuple[np.ndarray, Dataset]:
    kept = hashes <= np.uint64(limit)
    return (hashes, rows) if kept.all() else (hashes[kept], rows.take(kept))
