"""Initial parameters, from which a model trains well."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cisreg.arrays import as_array
from cisreg.spec import NUCLEOSOME_WIDTH, ModelSpec, check_finite

# Training computes in a unit in which the measurements have this mean and standard deviation: those
# of the promoters that the recipes were tuned on (docs/measurements/accuracy.md).
STANDARD_MEAN = 8.93
STANDARD_DEVIATION = 4.37


class StartParameters(dict[str, np.ndarray]):
    """Parameters by name; `chosen` are those that were chosen without knowing the measurements.

    `cisreg.fit` converts the chosen ones to the unit of the measurements. Parameters that a user
    sets are not converted.

    Attributes:
        chosen: float32 arrays by name, the values that were chosen. A parameter that was assigned
            or changed afterwards counts as set by the user.
    """

    def __init__(self, values: Mapping[str, np.ndarray], chosen: Collection[str] = ()) -> None:
        super().__init__(values)
        self.chosen = {name: self[name].copy() for name in chosen}

    def __setitem__(self, name: str, value: np.ndarray) -> None:
        self.chosen.pop(name, None)
        super().__setitem__(name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return StartParameters, (dict(self), tuple(chosen_parameters(self)))


def chosen_parameters(parameters: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The parameters, by name, that `init_parameters` chose and that have not been changed."""
    chosen = getattr(parameters, "chosen", {})
    return {
        name: value
        for name, value in chosen.items()
        if name in parameters and np.array_equal(parameters[name], value)
    }


def init_parameters(
    spec: ModelSpec,
    log_kd: npt.ArrayLike,
    log_concentration: npt.ArrayLike,
    *,
    seed: int = 0,
    bias: float | None = None,
    activity_scale: float = 0.01,
    log_binding_limit: float | None = None,
) -> StartParameters:
    """Initial parameters, from which a model trains well.

    Motifs and concentrations are used as given. Activities and potentiations are small numbers from
    a normal distribution, so that all motifs start differently; position weights are 1, differences
    between strands and effects of pairs 0, and binding limits ten bound molecules, which few
    promoters reach. The odds of a nucleosome at all of its places together begin at 1. The bias is
    0, two standard deviations below the mean: a bias at the mean leads to worse optima, since then
    the activities do not explain it at first. Floor and ceiling of a logistic link begin two
    standard deviations below and above the mean, the scale of a softplus link at 1. That of an
    exponential link begins at the mean: from far below it, activities rise together, and the
    exponential of their sum goes beyond all measurements.

    Outputs of a model of several begin alike.

    Bias and activities, or floor, ceiling and scale of the link, are in the standard unit, in which
    measurements have the mean 8.93 and the standard deviation 4.37
    (docs/explanation/training.md). `cisreg.fit` converts them to the unit of its measurements,
    unless they were changed or copied to a plain dictionary.

    Args:
        spec: the model.
        log_kd: float [W, 4, M], nats.
        log_concentration: float [M], nats; may also be a list or a column of a table. Where those
            of T outputs differ, also [T, M].
        seed: of the activities and potentiations.
        bias: expression with nothing bound, in the unit of the measurements; None: 0 in the
            standard unit. With another link than "identity": the score with nothing bound, which
            has no unit; None: 0.
        activity_scale: standard deviation of the activities, in the standard unit, and of the
            potentiations.
        log_binding_limit: log of the number of bound molecules above which the effect does not
            increase; None: log 10.

    Returns:
        float32 arrays by name, as `spec.parameter_shapes` lists them.

    Raises:
        ValueError: the shape of log_kd or log_concentration differs from the spec's, or a number is
            not finite.

    Example:
        >>> spec = ModelSpec(motif_count=2, motif_width=3, sequence_length=10)
        >>> sorted(init_parameters(spec, np.zeros((3, 4, 2)), np.zeros(2)))
        ['activity', 'bias', 'log_concentration', 'log_kd', 'potentiation', 'potentiation_bias']
    """
    random = np.random.default_rng(seed)
    shapes = spec.parameter_shapes
    start = {
        "log_kd": as_array(log_kd, "log_kd", np.float32, shapes["log_kd"]),
        "log_concentration": _concentrations(spec, log_concentration),
        "activity": random.normal(0.0, activity_scale, spec.motif_count),
        "potentiation": random.normal(0.0, activity_scale, spec.motif_count),
        "position_weight": 1.0,
        "potentiation_position_weight": 1.0,
        "link_floor": STANDARD_MEAN - 2 * STANDARD_DEVIATION,
        "link_ceiling": STANDARD_MEAN + 2 * STANDARD_DEVIATION,
        "link_scale": STANDARD_MEAN if spec.link == "exponential" else 1.0,
        "nucleosome_log_odds": -math.log(max(1, spec.sequence_length - NUCLEOSOME_WIDTH + 1)),
        "log_binding_limit": math.log(10.0) if log_binding_limit is None else log_binding_limit,
        "bias": 0.0 if bias is None else bias,
    }
    given = {"log_kd", "log_concentration"}
    parameters = {}
    for name, shape in shapes.items():
        value = np.asarray(start.get(name, 0.0), np.float32)
        parameters[name] = np.broadcast_to(value, shape).copy()
    check_finite(parameters)
    if bias is not None:
        given.add("bias")
    if log_binding_limit is not None:
        given.add("log_binding_limit")
    return StartParameters(parameters, set(parameters) - given)


def _concentrations(spec: ModelSpec, given: npt.ArrayLike) -> np.ndarray:
    """The given log concentrations, of all outputs together or of each."""
    shape = spec.parameter_shapes["log_concentration"]
    ranks = shape if np.ndim(given) == len(shape) else shape[-1:]
    return as_array(given, "log_concentration", np.float32, ranks)
