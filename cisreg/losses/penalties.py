"""Penalties on the parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from cisreg.losses.arguments import known_number
from cisreg.spec import OF_FACTORS

if TYPE_CHECKING:
    import tensorflow as tf


# Weights that checkpoints of before do not know.
_LATER = ("difference_l1", "pair_l1", "pair_smoothness")


@dataclasses.dataclass(frozen=True, repr=False)
class Penalty:
    """Weights of the penalties on the parameters; 0 leaves a penalty out.

    Attributes:
        activity_l1: weight of the sum of `|activity|`; in a stranded model, of its mean over both
            strands, and where it differs between outputs, of its mean over the outputs.
        potentiation_l1: weight of the sum of `|potentiation|`, likewise.
        motif_l2: weight of half the sum of log_kd^2.
        motif_pull: weight of half the sum of (log_kd - initial log_kd)^2, which keeps motifs near
            their initial matrices.
        position_smoothness: weight of the sum of squared differences between neighbouring position
            weights (or knots) of both strands, of activity and of potentiation.
        difference_l1: weight of the distances of the outputs of a model of several from their mean:
            `|parameter - mean over outputs|`, its mean over the outputs, summed over the factors
            and over the parameters of factors that differ (`ModelSpec.differ`). Few factors differ
            then, and these clearly.
        pair_l1: weight of the sum of `|pair_effect|`, the knots of all pairs of factors.
        pair_smoothness: weight of the sum of squared differences between neighbouring knots of
            pairs.

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
    difference_l1: float = 0.0
    pair_l1: float = 0.0
    pair_smoothness: float = 0.0

    def __repr__(self) -> str:
        """The weights. Checkpoints compare this text: those that came later show only if set."""
        shown = {name: value for name, value in vars(self).items() if value or name not in _LATER}
        return f"Penalty({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

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
        terms.append(weights.potentiation_l1 * _absolute(parameters["potentiation"]))
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
    for name in ("position_weight", "potentiation_position_weight"):
        if weights.position_smoothness and name in parameters:
            weight = tf.convert_to_tensor(parameters[name])
            step = weight[:, 1:] - weight[:, :-1]
            terms.append(weights.position_smoothness * tf.reduce_sum(tf.square(step)))
    if weights.difference_l1:
        different = [parameters[name] for name in OF_FACTORS if _differs(name, parameters)]
        terms += [weights.difference_l1 * _distance_from_mean(each) for each in different]
    if "pair_effect" in parameters:
        effect = tf.convert_to_tensor(parameters["pair_effect"])
        if weights.pair_l1:
            terms.append(weights.pair_l1 * tf.reduce_sum(tf.abs(effect)))
        if weights.pair_smoothness:
            step = effect[..., 1:] - effect[..., :-1]
            terms.append(weights.pair_smoothness * tf.reduce_sum(tf.square(step)))
    return tf.add_n(terms) if terms else tf.constant(0.0)


def _half_squares(values: tf.Tensor, weight: float) -> tf.Tensor:
    """`weight` times half the sum of squares, with one product in its gradient."""
    import tensorflow as tf

    @tf.custom_gradient
    def half_squares(values: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            known = known_number(upstream)
            return values * (weight * (upstream if known is None else known))

        return weight * tf.nn.l2_loss(values), gradient

    return half_squares(tf.convert_to_tensor(values))


def _absolute_activity(parameters: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Mean over strands; a penalty on the forward strand only would move activity to the other."""
    import tensorflow as tf

    activity = tf.convert_to_tensor(parameters["activity"])
    total = _absolute(activity)
    if "activity_difference" not in parameters:
        return total
    return (total + _absolute(activity + parameters["activity_difference"])) / 2


def _absolute(values: tf.Tensor) -> tf.Tensor:
    """The sum of absolute values [M], or its mean over outputs of [T, M]."""
    import tensorflow as tf

    values = tf.convert_to_tensor(values)
    total = tf.reduce_sum(tf.abs(values))
    return total if values.shape.rank == 1 else total / values.shape[0]


def _differs(name: str, parameters: Mapping[str, tf.Tensor]) -> bool:
    """Whether a parameter of factors, shared as [M], is there for each output."""
    return name in parameters and len(parameters[name].shape) == 2


def _distance_from_mean(values: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    values = tf.convert_to_tensor(values)
    return _absolute(values - tf.reduce_mean(values, axis=0, keepdims=True))
