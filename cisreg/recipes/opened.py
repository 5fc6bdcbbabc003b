"""Opens the data of training, and says what their columns of measurements are."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cisreg.data import Columns, Dataset, DatasetFiles, HoldOut, open_dataset
from cisreg.data.formats.rows import Column, Counted
from cisreg.datasets.named import dataset_files
from cisreg.losses import Noise, takes_missing
from cisreg.training.options import PathLike
from cisreg.training.step import Loss

logger = logging.getLogger("cisreg.training")


def check_columns(opened: Dataset | DatasetFiles, outputs: Sequence[str], loss: Loss) -> None:
    """Refuses columns that are not those of the outputs; says what several columns are taken for.

    Args:
        opened: the data.
        outputs: names of the outputs; empty for a model of one.
        loss: counts may have several columns for one number.

    Raises:
        ValueError: another number of columns, or files that were opened with others.

    Example:
        >>> check_columns(Dataset(["ACGT"], [[1.0, 2.0]]), ("glucose", "galactose"), None)
    """
    names: Sequence[str] = ()
    if isinstance(opened, Dataset):
        count = 1 if opened.expression.ndim == 1 else opened.expression.shape[1]
        known = opened.columns_used.get("expression") or []
        names = known if all(isinstance(each, str) for each in known) else []
    else:
        names, count = opened.expression_names, len(opened.expression_names)
    if not outputs:
        if count > 1 and not (isinstance(loss, Noise) and loss.counts):
            called = f" ({', '.join(names)})" if names else ""
            logger.info(
                "%d columns of expression%s are taken for replicates of one number; if they are "
                "outputs of their own, such as conditions, say so with --outputs, in Python "
                "train(outputs=...)",
                *(count, called),
            )
        return
    in_files = isinstance(opened, DatasetFiles)
    if count != len(outputs) or (in_files and list(names) != list(outputs)):
        got = f"{count} columns" if not names else ", ".join(map(repr, names))
        raise ValueError(
            f"outputs: expected the columns {', '.join(map(repr, outputs))} as measurements, in "
            f"this order, got {got}; open the data with "
            f"columns=Columns(expression={tuple(outputs)!r}) and partly_measured=True"
        )
    if isinstance(opened, Dataset):
        there = np.isfinite(opened.expression)
        logger.info(
            "outputs: %s; %d of %d rows lack some of them",
            ", ".join(
                f"{name} ({known:,} measurements)"
                for name, known in zip(outputs, there.sum(axis=0), strict=True)
            ),
            *((~there.all(axis=1)).sum(), len(there)),
        )


def open_data(
    data: Any, column: Column | None, loss: Loss, outputs: tuple[str, ...]
) -> Dataset | DatasetFiles:
    """Opens paths or a table in memory.

    Args:
        data: what was given.
        column: the column that says what is held out, or None.
        loss: says what measurements are, and whether some of a row may be missing.
        outputs: the columns of several outputs, or ().

    Example:
        >>> open_data(Dataset(["ACGT"], [1.0]), None, mean_squared_error, ()).side
        'left'
    """
    extra = () if column is None else (column,)
    counted = counted_by(loss)
    partly = takes_partly_measured(loss, outputs)
    if is_paths(data):
        columns = Columns(expression=outputs or None, extra=extra, counted=counted)
        data = open_dataset(dataset_files(data), columns=columns, partly_measured=partly)
    if isinstance(data, (Dataset, DatasetFiles)):
        return data
    return Dataset.from_frame(
        *(data, None, outputs or None), extra=extra, partly_measured=partly and counted is None
    )


def counted_by(loss: Loss) -> Counted | None:
    """What the columns of measurements are for a loss; see `cisreg.data.Columns`.

    Example:
        >>> counted_by(SortBins())
        'bins'
    """
    return loss.counted if isinstance(loss, Noise) else None


def takes_partly_measured(loss: Loss, outputs: Sequence[str]) -> bool:
    """Whether training takes rows that lack some of several measurements.

    Example:
        >>> takes_partly_measured(mean_squared_error, ())
        True
    """
    return bool(outputs) or takes_missing(loss)


def by_name(how: HoldOut, opened: Dataset | DatasetFiles) -> HoldOut:
    """The HoldOut with the name of its column, the only extra one that `open_data` opened.

    Example:
        >>> by_name(HoldOut(0.1), Dataset(["ACGT"], [1.0])).fraction
        0.1
    """
    if not isinstance(how.column, int):
        return how
    (name,) = opened.extra if isinstance(opened, Dataset) else opened.extra_names
    return replace(how, folds=name) if how.groups is None else replace(how, groups=name)


def is_paths(value: Any) -> bool:
    """Whether this is a path, or a list of paths.

    Example:
        >>> is_paths("train.tsv"), is_paths([1.0])
        (True, False)
    """
    several = isinstance(value, (list, tuple)) and bool(value)
    return all(isinstance(each, (str, os.PathLike)) for each in (value if several else [value]))


def open_like(
    opened: Dataset | DatasetFiles,
    other: PathLike | Any,
    length: int,
    *,
    loss: Loss,
    outputs: Sequence[str],
) -> Dataset:
    """Reads a different file or table in memory in the same way as the opened data.

    Example:
        >>> open_like(opened, "v.tsv", 110, loss=mean_squared_error, outputs=())  # doctest: +SKIP
    """
    # Names are not needed for validation, and the table may not have them.
    columns = replace(Columns(**opened.columns_used), extra=(), name=False)
    side = opened.side or "left"
    counted, partly = counted_by(loss), takes_partly_measured(loss, outputs)
    if not is_paths(other):
        roles = (columns.sequence, columns.expression, columns.weight, False)
        return Dataset.from_frame(
            *(other, *roles), length=length, side=side, partly_measured=partly and counted is None
        )
    return open_dataset(
        other,
        length=length,
        side=side,
        columns=replace(columns, counted=counted),
        strict=isinstance(opened, DatasetFiles) and opened.strict,
        partly_measured=partly,
    ).load()
