"""Datasets from and to tables in memory: pandas, Arrow, polars, and columns by name."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from cisreg.data.formats.columns import TableStart, find_columns, resolved
from cisreg.data.formats.rows import Columns, Rows, Unusable
from cisreg.data.formats.usable import (
    RawRows,
    as_numbers,
    as_text,
    check_types,
    joined,
    tell_gaps,
    to_text,
    usable_rows,
)

logger = logging.getLogger("cisreg.data")

_SAMPLE_ROWS = 200
_OPTION = "{role}=... of cisreg.Dataset.from_frame"


def rows_of_frame(
    frame: Any, asked: Columns, *, partly_measured: bool = False
) -> tuple[Rows, Columns]:
    """The rows of a table in memory, and which columns were used. Every row must be usable.

    Args:
        frame: pandas or polars DataFrame, Arrow table or record batch, or arrays by name. Rows are
            taken by position: an index is ignored.
        asked: the column of each role, as for files.
        partly_measured: whether one of several measurements is enough.

    Raises:
        ValueError: "frame, row N: expected …" for the first row that cannot be used, N from 0;
            columns that are missing, not clear or of a different type.
        TypeError: not a table.
    """
    names, arrays = _columns(frame)
    kept: dict[int, pa.Array] = {}

    def column(position: int) -> pa.Array:
        if position not in kept:
            kept[position] = joined(_arrow(names[position], arrays[position]))
        return kept[position]

    def values(position: int) -> list[str]:
        return to_text(column(position).slice(0, _SAMPLE_ROWS)).to_pylist()

    start = TableStart("frame", names, len(names), values, option=_OPTION)
    places = find_columns(start, asked)
    check_types("frame", places, [(name, column(i).type) for i, name in enumerate(names)])
    raw = RawRows(
        column(places.key),
        [as_numbers(column(each)) for each in places.expression],
        None if places.weight is None else as_numbers(column(places.weight)),
        "frame, row {}".format,
        name=None if places.name is None else column(places.name),
        extra={
            each: as_text(column(at))
            for each, at in zip(places.extra_names, places.extra, strict=True)
        },
    )
    used = resolved(start, places)
    logger.info("frame: %s", used.described)
    rows = usable_rows(raw, Unusable(), strict=True, partly_measured=partly_measured)
    tell_gaps("frame", int(np.isnan(rows.expression).any(axis=1).sum()), len(raw.expression))
    return rows, used


def is_frame(value: Any) -> bool:
    """Whether this is a table in memory: a frame, an Arrow table or arrays by name.

    Example:
        >>> is_frame({"sequence": ["ACGT"]}), is_frame(["ACGT"])
        (True, False)
    """
    return isinstance(value, Mapping) or hasattr(value, "columns")


def named_columns(frame: Any, names: Sequence[Any]) -> tuple[dict[str, pa.ChunkedArray], list[str]]:
    """Those of these columns that a table in memory has exactly once, and the names of all.

    Args:
        frame: a table, see `rows_of_frame`.
        names: columns to take; what is no text names none.

    Raises:
        ValueError: a column that is neither text nor numbers.
        TypeError: not a table.

    Example:
        >>> found, every = named_columns({"seq": ["ACGT"], "y": [1.5]}, ["seq", None])
        >>> found["seq"].to_pylist(), every
        (['ACGT'], ['seq', 'y'])
    """
    every, arrays = _columns(frame)
    once = [name for name in names if isinstance(name, str) and every.count(name) == 1]
    found = {}
    for name in once:
        column = _arrow(name, arrays[every.index(name)])
        found[name] = column.cast(pa.string()) if pa.types.is_null(column.type) else column
    return found, list(every)


def _columns(frame: Any) -> tuple[tuple[str, ...], list[Any]]:
    """Names and arrays of all columns, by position."""
    if hasattr(frame, "to_arrow"):
        frame = frame.to_arrow()
    if isinstance(frame, pa.Table | pa.RecordBatch):
        return tuple(frame.schema.names), list(frame.columns)
    if hasattr(frame, "iloc") and hasattr(frame, "columns"):
        labels = list(frame.columns)
        numbers = [each for each in labels if not isinstance(each, str)]
        if numbers and labels != list(range(len(labels))):
            raise ValueError(
                f"frame: expected columns with text as names, got {numbers[0]!r}; rename them"
            )
        return tuple(map(str, labels)), [frame.iloc[:, i] for i in range(len(labels))]
    if isinstance(frame, Mapping):
        return tuple(frame), list(frame.values())
    raise TypeError(
        "frame: expected a pandas or polars DataFrame, an Arrow table or arrays by name, got "
        f"{type(frame).__name__}"
    )


def _arrow(name: str, values: Any) -> pa.ChunkedArray:
    """A column as an Arrow array, by position; NaN of pandas becomes a missing value."""
    if isinstance(values, str | bytes):
        raise ValueError(
            f"frame: expected several values in the column {name!r}, got one text; put it in a list"
        )
    try:
        if isinstance(values, pa.Array | pa.ChunkedArray):
            found = values
        elif hasattr(values, "iloc"):
            found = pa.Array.from_pandas(values)
        else:
            found = pa.array(np.asarray(values).tolist())
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise ValueError(
            f"frame: expected text or numbers in the column {name!r}, got a mixture ({error})"
        ) from None
    return found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found])


def table_of(columns: Mapping[str, Any], extra: Mapping[str, pa.Array]) -> pa.Table:
    """Columns as an Arrow table; columns that are None are left out.

    Raises:
        ValueError: a further column has the name of one of `columns`.
    """
    found = {name: values for name, values in columns.items() if values is not None}
    for name in extra:
        if name in found:
            raise ValueError(
                f"extra: expected further columns with names of their own, got {name!r} twice; "
                "read it under another name, or leave it out"
            )
    return pa.table({**found, **extra})


def to_pandas(table: pa.Table) -> Any:
    """The table as a pandas DataFrame.

    Raises:
        ImportError: pandas is not installed.
    """
    try:
        return table.to_pandas()
    except ImportError:
        raise ImportError(
            "to_frame: expected pandas to be installed, got none; run pip install pandas, or take "
            "to_table(), which gives an Arrow table"
        ) from None
