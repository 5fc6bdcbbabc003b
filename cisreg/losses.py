"""The objective of training: losses of the prediction and penalties on the parameters."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cisreg.number_text import parse_float
from cisreg.streams import text_lines

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = [
    "Penalty",
    "mean_squared_error",
    "negative_log_likelihood",
    "penalty",
    "read_mean_standard_deviation",
]


def __dir__() -> list[str]:
    return __all__


def mean_squared_error(
    predicted: tf.Tensor, measured: tf.Tensor, weight: tf.Tensor | None = None
) -> tf.Tensor:
    """Mean over sequences of weight (predicted - measured)^2.

    Args:
        predicted: float32 [N].
        measured: float32 [N], same unit; [N, K]: K measurements per sequence, over which the loss
            is averaged.
        weight: float32 [N]; None: 1 for all. The sum is divided by N, not by the sum of weights.

    Returns:
        float32 scalar.

    Raises:
        ValueError: other shapes. TensorFlow would broadcast some of them, such as predictions
            [N, 1] to [N, N].

    Example:
        >>> float(mean_squared_error(tf.constant([1.0, 2.0]), tf.constant([1.0, 4.0])))
        2.0
    """
    import tensorflow as tf

    predicted, measured, weight = _tensors(predicted, measured, weight, several=True)
    if measured.shape.rank == 1 and weight is None:
        return _mean_of_squares(predicted, measured)
    if measured.shape.rank == 2:
        difference = tf.math.squared_difference(predicted[:, None], measured)
        # The gradient of a mean that drops its axis computes shapes on a GPU, for which the host
        # waits.
        squared = tf.squeeze(tf.reduce_mean(difference, axis=1, keepdims=True), axis=1)
    else:
        squared = tf.math.squared_difference(predicted, measured)
    return tf.reduce_mean(squared if weight is None else weight * squared)


mean_squared_error.unit_exponent = 2  # type: ignore[attr-defined]


def _mean_of_squares(predicted: tf.Tensor, measured: tf.Tensor) -> tf.Tensor:
    """Mean of (predicted - measured)^2, [N] both, with a gradient that stays on the device.

    TensorFlow's own gradient of a mean takes the number of values from a shape, which lies in the
    memory of the host even if the values are on a GPU; this one counts them where they are.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def mean(
        predicted: tf.Tensor, measured: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        difference = predicted - measured

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            half_count = tf.reduce_sum(tf.fill(tf.shape(difference), 0.5))
            half_count = tf.cast(half_count, difference.dtype)
            if _constant(upstream) == 1.0:
                of_predicted = difference / half_count
            else:
                of_predicted = difference * (upstream / half_count)
            return of_predicted, -of_predicted

        return tf.reduce_mean(tf.square(difference)), gradient

    return mean(predicted, measured)


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
        predicted: float32 [N].
        measured: float32 [N], same unit.
        weight: float32 [N]; None: 1 for all.
        table: float [K, 2], mean and standard deviation of the measurement, in its unit; means
            must increase in even steps. See `read_mean_standard_deviation`.

    Returns:
        float32 scalar, a sum over sequences, while `mean_squared_error` is a mean.

    Raises:
        ValueError: the table is not [K, 2], its means do not increase in even steps, or a standard
            deviation is not a finite number above 0; shapes other than [N], such as [N, K]
            measurements.

    Example:
        >>> table = np.array([[0.0, 1.0], [1.0, 2.0]])
        >>> float(negative_log_likelihood(tf.constant([1.0]), tf.constant([5.0]), table=table))
        4.0
    """
    import tensorflow as tf

    table = _check_table(table)
    predicted, measured, weight = _tensors(predicted, measured, weight, several=False)
    rows = len(table)
    first, last = table[0, 0], table[-1, 0]
    row = tf.round((predicted - first) * (rows / (last - first)))
    # Clipped before the cast, which is undefined for numbers that an integer cannot hold.
    row = tf.cast(tf.clip_by_value(row, 0.0, rows - 1.0), tf.int32)
    deviation = tf.gather(tf.constant(table[:, 1], tf.float32), row)
    squared = tf.square((predicted - measured) / deviation)
    return tf.reduce_sum(squared if weight is None else weight * squared)


negative_log_likelihood.is_sum = True  # type: ignore[attr-defined]


def _tensors(
    predicted: tf.Tensor, measured: tf.Tensor, weight: tf.Tensor | None, *, several: bool
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """The arguments of a loss, all [N]; `measured` may be [N, K] with `several`.

    Raises:
        ValueError: other shapes, so that nothing is broadcast along the sequences.
    """
    import tensorflow as tf

    given = {"predicted": predicted, "measured": measured, "weight": weight}
    tensors = {name: tf.convert_to_tensor(each) for name, each in given.items() if each is not None}
    for name, tensor in tensors.items():
        ranks = (1, 2) if several and name == "measured" else (1,)
        shape, count = tensor.shape, tensors["predicted"].shape[:1]
        if shape.rank is None or (shape.rank in ranks and shape[:1].is_compatible_with(count)):
            continue
        expected = "[N] or [N, K]" if len(ranks) > 1 else "[N]"
        raise ValueError(
            f"{name}: expected shape {expected} with predictions [N], got {shape} with predictions "
            f"{tensors['predicted'].shape}"
        )
    return tensors["predicted"], tensors["measured"], tensors.get("weight")


def is_sum(loss: Callable[..., tf.Tensor]) -> bool:
    """Whether a loss is a sum over sequences (its attribute `is_sum` is True) or a mean.

    Training needs this to combine the losses of replicas that share a batch.

    Args:
        loss: a function, or a `functools.partial` of one.

    Example:
        >>> is_sum(mean_squared_error), is_sum(negative_log_likelihood)
        (False, True)
    """
    return bool(getattr(_function(loss), "is_sum", False))


def unit_exponent(loss: Callable[..., tf.Tensor]) -> int | None:
    """How a loss scales with the unit of expression: its attribute `unit_exponent`, or None.

    A loss with exponent k depends only on predicted - measured, and is multiplied by s^k if both
    are multiplied by s. Training then computes it in the standard unit, like the penalties. Without
    the attribute (None) it is computed in the unit of the measurements.

    Args:
        loss: a function, or a `functools.partial` of one.

    Example:
        >>> unit_exponent(mean_squared_error), unit_exponent(negative_log_likelihood)
        (2, None)
    """
    return getattr(_function(loss), "unit_exponent", None)


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
    count = int(((numbers < first) | (numbers > last)).sum())
    if not count:
        return ""
    return (
        f"{count:,} of {numbers.size:,}, of {numbers.min():g} to {numbers.max():g}, beyond the "
        f"means {first:g} to {last:g} of the table"
    )


def _function(loss: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    while isinstance(loss, functools.partial):
        loss = loss.func
    return loss


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


@dataclasses.dataclass(frozen=True)
class Penalty:
    """Weights of the penalties on the parameters; 0 leaves a penalty out.

    Attributes:
        activity_l1: weight of the sum of `|activity|`; in a stranded model, of its mean over both
            strands.
        potentiation_l1: weight of the sum of `|potentiation|`.
        motif_l2: weight of half the sum of log_kd^2.
        motif_pull: weight of half the sum of (log_kd - initial log_kd)^2, which keeps motifs near
            their initial matrices.
        position_smoothness: weight of the sum of squared differences between neighbouring position
            weights (or knots) of both strands.

    Raises:
        ValueError: a weight that is negative or not finite.

    Example:
        >>> Penalty(motif_pull=5e-4).motif_pull
        0.0005
    """

    activity_l1: float = 0.0
    potentiation_l1: float = 0.0
    motif_l2: float = 0.0
    motif_pull: float = 0.0
    position_smoothness: float = 0.0

    def __post_init__(self) -> None:
        for name, weight in dataclasses.asdict(self).items():
            if not (np.isfinite(weight) and weight >= 0):
                raise ValueError(f"{name}: expected a finite weight of at least 0, got {weight!r}")


def penalty(
    parameters: Mapping[str, tf.Tensor],
    weights: Penalty,
    *,
    initial: Mapping[str, tf.Tensor] | None = None,
) -> tf.Tensor:
    """Penalty on the parameters, to be added to a loss.

    Args:
        parameters: by name; parameters that the model does not have add nothing.
        weights: of the penalties.
        initial: the initial log_kd; needed only for `motif_pull`.

    Returns:
        float32 scalar.

    Raises:
        ValueError: `motif_pull` is asked for without the initial motifs.

    Example:
        >>> float(penalty({"activity": tf.constant([-1.0, 2.0])}, Penalty(activity_l1=0.5)))
        1.5
    """
    import tensorflow as tf

    terms = []
    if weights.activity_l1 and "activity" in parameters:
        terms.append(weights.activity_l1 * _absolute_activity(parameters))
    if weights.potentiation_l1 and "potentiation" in parameters:
        terms.append(weights.potentiation_l1 * tf.reduce_sum(tf.abs(parameters["potentiation"])))
    if weights.motif_l2:
        terms.append(_half_squares(parameters["log_kd"], weights.motif_l2))
    if weights.motif_pull:
        if initial is None or "log_kd" not in initial:
            raise ValueError(
                "initial: expected the log_kd that motif_pull pulls towards, got none; "
                "pass initial={'log_kd': ...}"
            )
        pulled = parameters["log_kd"] - initial["log_kd"]
        terms.append(_half_squares(pulled, weights.motif_pull))
    if weights.position_smoothness and "position_weight" in parameters:
        weight = tf.convert_to_tensor(parameters["position_weight"])
        step = weight[:, 1:] - weight[:, :-1]
        terms.append(weights.position_smoothness * tf.reduce_sum(tf.square(step)))
    return tf.add_n(terms) if terms else tf.constant(0.0)


def _constant(upstream: tf.Tensor) -> np.ndarray | None:
    """The number that an upstream gradient always is, as a graph knows it; else None.

    Outside of graphs every number is known, but may be one that something else is differentiated
    by, such as a weight of the loss.
    """
    import tensorflow as tf

    return None if tf.executing_eagerly() else tf.get_static_value(upstream)


def _half_squares(values: tf.Tensor, weight: float) -> tf.Tensor:
    """`weight` times half the sum of squares, with one product in its gradient."""
    import tensorflow as tf

    @tf.custom_gradient
    def half_squares(values: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            known = _constant(upstream)
            return values * (weight * (upstream if known is None else known))

        return weight * tf.nn.l2_loss(values), gradient

    return half_squares(tf.convert_to_tensor(values))


def _absolute_activity(parameters: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Mean over strands; a penalty on the forward strand only would move activity to the other."""
    import tensorflow as tf

    activity = tf.convert_to_tensor(parameters["activity"])
    total = tf.reduce_sum(tf.abs(activity))
    if "activity_difference" not in parameters:
        return total
    reverse = tf.reduce_sum(tf.abs(activity + parameters["activity_difference"]))
    return (total + reverse) / 2
