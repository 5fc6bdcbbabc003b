"""Chooses the rows to hold out.

Equal sequences stay on one side; otherwise a model would be tested on sequences it was trained on.
The side of a row follows from a hash of its sequence, or of the group that it belongs to, so it
depends only on that row and the seed. It is the same in memory and in streaming, for any order of
the rows and any number of workers.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute

from cisreg.data.dataset import Dataset
from cisreg.data.folds import HELD_OUT, TRAINING, fold_sides
from cisreg.library import native_module
from cisreg.sequences import text_buffers

logger = logging.getLogger("cisreg.data")

MOST_HASH = (1 << 64) - 1


def sequence_hashes(codes: np.ndarray, seed: int = 0) -> np.ndarray:
    """A hash of each sequence, to find equal sequences; the same in any data set on any machine.

    A sequence and its reverse complement have the same hash, and padding does not change it. The
    hash is that of the canonical sequence: of the two, the first in alphabetical order, without the
    codes 4 at its ends.

    Args:
        codes: uint8 [N, L] base codes.
        seed: 0 or more; a different seed gives different hashes.

    Returns:
        uint64 [N], uniformly distributed.

    Raises:
        ValueError: a different shape, or a code above 4.

    Example:
        >>> from cisreg import encode
        >>> forward, reverse, other = sequence_hashes(encode(["AACG", "CGTT", "AACC"]))
        >>> bool(forward == reverse), bool(forward == other)
        (True, False)
    """
    return native_module().sequence_hashes(codes, _checked_seed(seed))


def text_hashes(texts: pa.Array, seed: int = 0) -> np.ndarray:
    """A hash, uint64 [N], of each of N Arrow strings."""
    buffers = text_buffers(texts.cast(pa.large_string()))
    return native_module().text_hashes(*buffers, _checked_seed(seed))


def _checked_seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed: expected an integer of 0 or more, got {seed!r}")
    return int(seed)


def group_hashes(groups: pa.Array, seed: int) -> np.ndarray:
    """A hash, uint64 [N], of the group of each row.

    Raises:
        ValueError: a row without a group. Rows without a value do not belong together.
    """
    blank = compute.equal(compute.utf8_trim_whitespace(groups), "")
    if compute.any(blank).as_py():
        raise ValueError(
            f"groups: expected a value in every row, got {compute.sum(blank)} without; give each "
            "a group, or leave these rows out"
        )
    return text_hashes(groups, seed)


def hash_threshold(fraction: float) -> int:
    """The hash below which rows are held out, so that about `fraction` of all rows are.

    Raises:
        ValueError: `fraction` outside (0, 1).

    Example:
        >>> hash_threshold(0.5) == 2**63
        True
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction: expected a number between 0 and 1, got {fraction}")
    return min(max(int(fraction * (MOST_HASH + 1)), 1), MOST_HASH)


def count_shared(hashes: np.ndarray) -> int:
    """How many of the rows share their hash with another row.

    Example:
        >>> count_shared(np.array([5, 7, 5, 8, 5], np.uint64))
        3
    """
    _, counts = np.unique(hashes, return_counts=True)
    return int(counts[counts > 1].sum())


@dataclass(frozen=True)
class HoldOut:
    """Which rows of a data set to hold out: the arguments of `split`, with names of columns.

    Attributes:
        fraction: fraction of the rows, chosen by a hash; None with `folds`.
        groups: column of groups: rows with the same value stay together.
        folds: column with train, validation and test, or with any values and `fold`.
        fold: the value of `folds` whose rows are held out.
        seed: of the hash that chooses a fraction; None: the seed of training. With one seed, runs
            of different seeds hold out the same rows, so that their validation losses can be
            compared.

    Raises:
        ValueError: neither a fraction nor folds or both, `fold` without folds, or a seed with them.

    Example:
        >>> HoldOut(folds="chromosome", fold="chrIV").column
        'chromosome'
    """

    fraction: float | None = None
    groups: str | int | None = None
    folds: str | int | None = None
    fold: str | int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        _check_asked(self.fraction, self.groups, self.folds, self.fold)
        if self.seed is not None:
            _checked_seed(self.seed)
            if self.folds is not None:
                raise ValueError(
                    f"seed: expected none with folds, which say the side of every row, got "
                    f"{self.seed}"
                )

    def seed_of_split(self, seed: int) -> int:
        """The seed of the hash that chooses rows, in training with this seed."""
        return seed if self.seed is None else self.seed

    @property
    def column(self) -> str | int | None:
        """The column of groups or folds, which is read in addition, or None."""
        return self.folds if self.groups is None else self.groups

    def values(self, dataset: Dataset) -> pa.Array:
        """The values of the column in these rows, as text.

        Raises:
            ValueError: the data set was not opened with this column, or the column is given by
                position instead of by name.
        """
        name = "folds" if self.groups is None else "groups"
        extra = dataset.extra
        if isinstance(self.column, int):
            raise ValueError(
                f"{name}: expected the name of a column among {', '.join(extra) or 'none'}, which "
                f"the data set has as extra ones, got the position {self.column}; a data set that "
                "is open knows its columns by name alone"
            )
        if self.column not in extra:
            raise ValueError(
                f"{name}: expected a column among {', '.join(extra) or 'none'}, which the "
                f"data set has as extra ones, got {self.column!r}; open it with "
                f"columns=Columns(extra=({self.column!r},))"
            )
        return as_texts(extra[str(self.column)], name, len(dataset))

    def split(self, dataset: Dataset, seed: int) -> tuple[Dataset, Dataset]:
        """The other rows, and the rows that are held out; see `split`.

        Args:
            dataset: all rows.
            seed: of training; it chooses the rows unless there is a seed for that.
        """
        seed = self.seed_of_split(seed)
        groups = None if self.groups is None else self.values(dataset)
        folds = None if self.folds is None else self.values(dataset)
        return split(dataset, self.fraction, seed, groups=groups, folds=folds, fold=self.fold)


def _check_asked(fraction: float | None, groups: Any, folds: Any, fold: str | int | None) -> None:
    if fraction is not None:
        hash_threshold(fraction)
    if (fraction is None) == (folds is None):
        raise ValueError("fraction: expected a fraction or folds, got both or neither")
    if groups is not None and folds is not None:
        raise ValueError("groups: expected none with folds, which say the side of every row")
    if fold is not None and folds is None:
        raise ValueError(f"fold: expected folds with it, got {fold!r} alone")


def split(
    dataset: Dataset,
    fraction: float | None = None,
    seed: int = 0,
    *,
    groups: Sequence[Any] | np.ndarray | pa.Array | None = None,
    folds: Sequence[Any] | np.ndarray | pa.Array | None = None,
    fold: str | int | None = None,
) -> tuple[Dataset, Dataset]:
    """Splits a dataset in two; both parts keep the order of the rows.

    With a `fraction`, equal sequences and reverse complements stay on one side; with `groups`, the
    rows of a group do instead. The sides are chosen by a hash, so the part split off has about that
    fraction of the rows, and at least one row. The log says how many.

    Args:
        dataset: N rows.
        fraction: fraction of the rows to split off.
        seed: 0 or more; a different seed splits off different rows.
        groups: N values, for example the names of clones. Rows with the same value stay together;
            their sequences do not matter.
        folds: N values that assign each row to a part, instead of a fraction: "train",
            "validation" or "test" (test rows are in neither part); or any values with `fold`.
        fold: the value of `folds` whose rows are split off.

    Returns:
        (the other rows, the part split off).

    Raises:
        ValueError: `fraction` outside (0, 1), neither fraction nor folds or both, a number of
            values other than N, fewer than two different sequences or groups, or folds that do not
            say which rows to split off.

    Example:
        >>> data = Dataset(np.array([[0, 0], [0, 1], [3, 3]], np.uint8), np.zeros(3, np.float32))
        >>> [len(part) for part in split(data, folds=[1, 2, 1], fold=2)]
        [2, 1]
        >>> rest, part = split(data, 0.5)  # rows 0 and 2 are reverse complements
        >>> sorted([len(rest), len(part)])
        [1, 2]
    """
    _check_asked(fraction, groups, folds, fold)
    if len(dataset) < 2:
        raise ValueError(f"dataset: expected at least 2 rows to split, got {len(dataset)}")
    if folds is not None:
        sides = fold_sides(as_texts(folds, "folds", len(dataset)), fold)
        held_out = sides == HELD_OUT
        logger.info(
            "held out: %d of %d rows (%.1f %%), as the folds say",
            *(held_out.sum(), len(held_out), 100 * held_out.mean()),
        )
        _warn_within(dataset, sides)
        rest, part = (np.flatnonzero(sides == side) for side in (TRAINING, HELD_OUT))
        return dataset.take(rest), dataset.take(part)
    assert fraction is not None  # without folds it is given
    if groups is None:
        hashes, what = sequence_hashes(dataset.sequence, seed), "sequence"
    else:
        hashes, what = group_hashes(as_texts(groups, "groups", len(dataset)), seed), "group"
    lowest, highest = int(hashes.min()), int(hashes.max())
    threshold = at_least_one(hash_threshold(fraction), lowest, highest, what)
    held_out = hashes < np.uint64(threshold)
    logger.info(
        "held out: %d of %d rows (%.1f %%), chosen by a hash of the %s and seed %d; %d rows share "
        "their %s with another row and are on its side",
        *(held_out.sum(), len(held_out), 100 * held_out.mean(), what, seed),
        *(count_shared(hashes), what),
    )
    if groups is not None:
        _warn_within(dataset, np.where(held_out, HELD_OUT, TRAINING))
    return dataset.take(np.flatnonzero(~held_out)), dataset.take(np.flatnonzero(held_out))


def at_least_one(threshold: int, lowest: int, highest: int, what: str) -> int:
    """The threshold, moved if necessary so that there is at least one row on each side.

    Args:
        threshold: rows with lower hashes are held out.
        lowest: lowest hash of all rows.
        highest: highest hash of all rows.
        what: what is hashed, for the error.

    Raises:
        ValueError: all rows have the same hash.
    """
    if lowest == highest:
        raise ValueError(
            f"dataset: expected at least 2 different {what}s to split, got the same {what} in all "
            "rows"
        )
    return min(max(threshold, lowest + 1), highest)


def _warn_within(dataset: Dataset, sides: np.ndarray) -> None:
    """Warns if groups or folds have equal sequences on both sides."""
    hashes = sequence_hashes(dataset.sequence)
    warn_of_shared(hashes[sides == TRAINING], hashes[sides == HELD_OUT])


def warn_of_shared(training: np.ndarray, held_out: np.ndarray) -> None:
    """Warns if training rows have the same sequences as held-out rows, compared by hash."""
    say_shared(int(np.isin(training, held_out).sum()))


def say_shared(count: int) -> None:
    """Warns that `count` training rows share their sequence with a held-out row."""
    if count:
        logger.warning(
            "%d rows to train on have the sequence, or its reverse complement, of a row that is "
            "held out: validation looks better than it is; take these rows out, or hold out a "
            "share, which keeps equal sequences together",
            count,
        )


def as_texts(values: Sequence[Any] | np.ndarray | pa.Array, name: str, count: int) -> pa.Array:
    """The values as Arrow strings, converted one by one: 3, 3.0 and "3" are the same.

    Raises:
        ValueError: a row without a value, a different number of rows, lists or objects.
        TypeError: a single string instead of values.
    """
    if isinstance(values, (str, bytes)):
        raise TypeError(f"{name}: expected a value for each row, got the text {values!r}")
    try:
        array = values if isinstance(values, pa.Array) else pa.array(list(values), from_pandas=True)
        texts = array.cast(pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise ValueError(
            f"{name}: expected text or numbers, and not both, got other values ({error})"
        ) from None
    if len(array) != count:
        raise ValueError(f"{name}: expected a value for each of {count} rows, got {len(array)}")
    if array.null_count:
        raise ValueError(f"{name}: expected a value in every row, got {array.null_count} without")
    is_number = pa.types.is_floating(array.type)
    return compute.replace_substring_regex(texts, r"\.0+$", "") if is_number else texts
