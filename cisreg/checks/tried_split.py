"""The split that is tried on a data set: the side of each row, and what training would refuse."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from cisreg.data import HoldOut
from cisreg.data.folds import (
    HELD_OUT,
    TRAINING,
    provisional_sides,
    rows_by_value,
    sides_by_value,
)
from cisreg.data.splitting import MOST_HASH, as_texts, at_least_one, group_hashes, hash_threshold

SEED = 0
# More folds than these are refused anyway, and are not counted.
_MOST_COUNTED = 1 << 12


class TriedSplit:
    """Sides as `cisreg.data.split` with the seed 0 chooses them, block by block.

    Args:
        hold_out: the split.

    Attributes:
        rows_by_side: int64 [3], rows to train on, held out, and of neither side.
    """

    def __init__(self, hold_out: HoldOut) -> None:
        self._hold_out = hold_out
        self.rows_by_side = np.zeros(3, np.int64)
        self._folds: dict[str, int] = {}
        self._lowest, self._highest = MOST_HASH, 0

    def sides(self, hashes: np.ndarray, values: pa.Array | None) -> np.ndarray:
        """The side of each row, uint8 [n].

        Args:
            hashes: uint64 [n], of the sequences.
            values: Arrow values [n] of the column of groups or folds, or None.

        Raises:
            ValueError: a row without the group or fold that is needed.
        """
        how = self._hold_out
        if values is not None and how.folds is not None:
            texts = as_texts(values, "folds", len(hashes))
            if len(self._folds) < _MOST_COUNTED:
                for fold, rows in rows_by_value(texts).items():
                    self._folds[fold] = self._folds.get(fold, 0) + rows
            sides = provisional_sides(texts, how.fold)
        else:
            if values is not None:
                hashes = group_hashes(as_texts(values, "groups", len(hashes)), SEED)
            assert how.fraction is not None  # without folds it is given
            if len(hashes):
                self._lowest = min(self._lowest, int(hashes.min()))
                self._highest = max(self._highest, int(hashes.max()))
            threshold = np.uint64(hash_threshold(how.fraction))
            sides = np.where(hashes < threshold, HELD_OUT, TRAINING).astype(np.uint8)
        self.rows_by_side += np.bincount(sides, minlength=3)
        return sides

    @property
    def problem(self) -> str:
        """Why training would refuse the split of all these rows; "" where it would not."""
        how = self._hold_out
        try:
            if how.folds is not None:
                sides_by_value(self._folds, how.fold)
            else:
                what = "sequence" if how.groups is None else "group"
                at_least_one(0, self._lowest, self._highest, what)
        except ValueError as error:
            return str(error)
        return ""
