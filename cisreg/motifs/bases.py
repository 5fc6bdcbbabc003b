"""The order of bases in all matrices, and tables that name their bases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

BASES = "ACGT"


def in_base_order(argument: str, values: Any) -> Any:
    """Sorts values whose columns or rows are named after the bases into the order A C G T.

    Names may be in upper or lower case, and U counts as T. Values without such names are returned
    unchanged, to be read by position.

    Args:
        argument: name of the argument, for errors.
        values: a pandas DataFrame or an Arrow table with a column for each base, or a DataFrame
            with a row for each base, in any order; a Series or a dict with a value, or a list of
            values, for each base; or anything else.

    Returns:
        A frame or array [..., 4], or `values`.

    Raises:
        ValueError: only some of the bases are named, or one of them more than once, or both the
            rows and the columns are named after all bases.

    Example:
        >>> in_base_order("matrix", {"T": [4], "G": [3], "C": [2], "A": [1]})
        array([[1, 2, 3, 4]])
    """
    if isinstance(values, Mapping):
        labels = list(values)
        order = _base_order(argument, "keys", labels)
        if order is None:
            raise ValueError(f"{argument}: expected the keys A, C, G and T, got {labels}")
        return np.stack([np.asarray(values[labels[index]]) for index in order], axis=-1)
    if isinstance(values, (pa.Table, pa.RecordBatch)):
        order = _base_order(argument, "columns", values.column_names)
        return values if order is None else values.select(order)
    if not hasattr(values, "iloc"):
        return values
    if values.ndim == 1:
        by_row = _base_order(argument, "rows", list(values.index))
        return values if by_row is None else values.iloc[by_row]
    by_column = _base_order(argument, "columns", list(values.columns))
    if by_column is None:
        by_row = _base_order(argument, "rows", list(values.index))
        return values if by_row is None else values.iloc[by_row].T
    if sorted(_base_names(values.index)) == list(BASES):
        raise ValueError(
            f"{argument}: expected bases as the names of the columns or of the rows, got both: "
            f"{list(values.columns)} and {list(values.index)}; drop one with reset_index"
        )
    return values.iloc[:, by_column]


def _base_names(labels: Iterable[Any]) -> list[str]:
    texts = [label if isinstance(label, str) else "" for label in labels]
    return [text.strip().upper().replace("U", "T") for text in texts]


def _base_order(argument: str, what: str, labels: Sequence[Any]) -> list[int] | None:
    """Positions of A, C, G and T among labels that name each once; None if no base is named."""
    names = _base_names(labels)
    if not any(name in tuple(BASES) for name in names):
        return None
    if sorted(names) != list(BASES):
        raise ValueError(
            f"{argument}: expected {what} named A, C, G and T, each once and nothing else, got "
            f"{list(labels)}; choose or rename them"
        )
    return [names.index(base) for base in BASES]
