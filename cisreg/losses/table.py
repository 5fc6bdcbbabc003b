"""The likelihood of a table of mean and standard deviation."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cisreg.losses.arguments import loss_tensors, where_measured
from cisreg.number_text import parse_float
from cisreg.streams import text_lines

if TYPE_CHECKING:
    import tensorflow as tf


def negative_log_likelihood(
    predicted: tf.Tensor,
    measured: tf.Tensor,
    weight: tf.Tensor | None = None,
    *,
    table: np.ndarray,
) -> tf.Tensor:
    """Sum over sequences of weight ((predicted - measured) / standard deviation)^2.

    Twice the negative log likelihood of normally distributed measurements, without the terms that
    have no gradient: the standard deviation is looked up at the prediction and treated as constant.
    The table row of a prediction is `round((prediction - first mean) / (last mean - first mean) *
    rows)`, clipped to the table, as in CisRegModels (whose first mean is 0). Training warns of
    measurements and predictions beyond the table.

    Args:
        predicted: float32 [N]; or [N, T], of T outputs, over which the sum goes too.
        measured: float32 [N], same unit; or [N, T], NaN where one is missing, which adds 0.
        weight: float32 [N]; None: 1 for all.
        table: float [K, 2], mean and standard deviation of the measurement, in its unit; means
            must increase in even steps. See `read_mean_standard_deviation`.

    Returns:
        float32 scalar, a sum over sequences, while `mean_squared_error` is a mean.

    Raises:
        ValueError: the table is not [K, 2], its means do not increase in even steps, or a standard
            deviation is not a finite number above 0; other shapes, such as measurements [N, K] with
            predictions [N].

    Example:
        >>> table = np.array([[0.0, 1.0], [1.0, 2.0]])
        >>> float(negative_log_likelihood(tf.constant([1.0]), tf.constant([5.0]), table=table))
        4.0
    """
    import tensorflow as tf

    table = _check_table(table)
    predicted, measured, weight = loss_tensors(predicted, measured, weight, several=False)
    rows = len(table)
    first, last = table[0, 0], table[-1, 0]
    row = tf.round((predicted - first) * (rows / (last - first)))
    # Clipped before the cast, which is undefined for numbers that an integer cannot hold.
    row = tf.cast(tf.clip_by_value(row, 0.0, rows - 1.0), tf.int32)
    deviation = tf.gather(tf.constant(table[:, 1], tf.float32), row)
    if predicted.shape.rank == 1:
        squared = tf.square((predicted - measured) / deviation)
        return tf.reduce_sum(squared if weight is None else weight * squared)
    there, known = where_measured(measured)
    squared = tf.square((predicted - known) / deviation)
    squared = tf.where(there, squared, tf.zeros_like(squared))
    return tf.reduce_sum(squared if weight is None else weight[:, tf.newaxis] * squared)


negative_log_likelihood.is_sum = True  # type: ignore[attr-defined]


def beyond_table(loss: Callable[..., tf.Tensor], numbers: np.ndarray) -> str:
    """How many numbers lie beyond the table of a likelihood; "" for none, or for another loss.

    Args:
        loss: a function, or a `functools.partial` of one.
        numbers: measurements or predictions in the unit of the table.

    Example:
        >>> loss = functools.partial(negative_log_likelihood, table=np.array([[0, 1], [8, 1]]))
        >>> beyond_table(loss, np.array([1, 9]))
        '1 of 2, of 1 to 9, beyond the means 0 to 8 of the table'
    """
    tables = []
    while isinstance(loss, functools.partial):
        tables += [loss.keywords["table"]] if "table" in loss.keywords else []
        loss = loss.func
    if loss is not negative_log_likelihood or not tables:
        return ""
    first, last = tables[0][0][0], tables[0][-1][0]
    numbers = numbers[np.isfinite(numbers)]
    count = int(((numbers < first) | (numbers > last)).sum())
    if not count:
        return ""
    return (
        f"{count:,} of {numbers.size:,}, of {numbers.min():g} to {numbers.max():g}, beyond the "
        f"means {first:g} to {last:g} of the table"
    )


def read_mean_standard_deviation(path: str | Path) -> np.ndarray:
    """Reads the table of `negative_log_likelihood`: mean, a tab, standard deviation on each line.

    Returns:
        float64 [K, 2].

    Raises:
        ValueError: a line that does not hold two numbers (the message names file and line), or a
            table that `negative_log_likelihood` does not accept.
        OSError: the file cannot be read.
    """
    rows = []
    # Bytes that are not UTF-8 fail below, with an error that names the line.
    for number, line in enumerate(text_lines(path), start=1):
        line = line.rstrip("\r\n")
        if not line.strip():
            continue
        try:
            mean, deviation = (parse_float(field.strip(" ")) for field in line.split("\t"))
        except ValueError:
            raise ValueError(
                f"{path}:{number}: expected a mean, a tab and a standard deviation, got {line!r}"
            ) from None
        rows.append((mean, deviation))
    try:
        return _check_table(np.array(rows).reshape(-1, 2))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _check_table(table: np.ndarray) -> np.ndarray:
    table = np.asarray(table, np.float64)
    if table.ndim != 2 or table.shape[1] != 2 or len(table) < 2:
        raise ValueError(
            f"table: expected [K, 2], mean and standard deviation in K >= 2 rows, "
            f"got shape {table.shape}"
        )
    mean, deviation = table.T
    even, span = np.linspace(mean[0], mean[-1], len(table)), mean[-1] - mean[0]
    if not (span > 0 and np.isfinite(span) and np.abs(mean - even).max() <= 1e-3 * span):
        raise ValueError(
            f"table: expected means that rise in even steps, got {mean[0]} to {mean[-1]}; "
            "resample the table at such means"
        )
    if not (np.isfinite(deviation).all() and (deviation > 0).all()):
        raise ValueError(
            f"table: expected standard deviations above 0, got {deviation.min()} in row "
            f"{int(np.argmin(deviation)) + 1}"
        )
    return table
