"""How expression follows from the score of a model, in NumPy; `cisreg.layers` has the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cisreg.spec import Link


def link_value(link: Link, parameters: Mapping[str, Any], score: np.ndarray) -> np.ndarray:
    """Expression, from the score.

    Args:
        link: see `cisreg.ModelSpec`.
        parameters: of the model, by name; those of the link are scalars.
        score: float64, any shape.

    Returns:
        float64, the same shape.

    Example:
        >>> ends = {"link_floor": 0.0, "link_ceiling": 8.0}
        >>> link_value("logistic", ends, np.zeros(1))
        array([4.])
    """
    if link == "identity":
        return score
    if link == "logistic":
        floor, ceiling = _ends(parameters)
        return floor + (ceiling - floor) * sigmoid(score)
    scale = float(parameters["link_scale"])
    return scale * (np.logaddexp(0.0, score) if link == "softplus" else np.exp(score))


def link_slope(link: Link, parameters: Mapping[str, Any], score: np.ndarray) -> np.ndarray:
    """The slope of expression by the score, float64 of its shape.

    Example:
        >>> link_slope("exponential", {"link_scale": 2.0}, np.zeros(1))
        array([2.])
    """
    if link == "identity":
        return np.ones_like(score)
    if link == "logistic":
        floor, ceiling = _ends(parameters)
        return (ceiling - floor) * sigmoid(score) * sigmoid(-score)
    scale = float(parameters["link_scale"])
    return scale * (sigmoid(score) if link == "softplus" else np.exp(score))


def link_parameter_slopes(
    link: Link, parameters: Mapping[str, Any], score: np.ndarray
) -> dict[str, np.ndarray]:
    """The slopes of expression by the parameters of the link, by name, each of the score's shape.

    Example:
        >>> link_parameter_slopes("identity", {}, np.zeros(1))
        {}
    """
    if link == "identity":
        return {}
    if link == "logistic":
        return {"link_floor": sigmoid(-score), "link_ceiling": sigmoid(score)}
    return {"link_scale": link_value(link, {"link_scale": 1.0}, score)}


def effect_of_score(link: Link, parameters: Mapping[str, Any]) -> float:
    """What a score of 1 does to expression, to compare small effects with measurements.

    The steepest slope of a logistic or softplus link; that with nothing bound of an exponential
    link, which has no steepest one.

    Example:
        >>> effect_of_score("logistic", {"link_floor": 0.0, "link_ceiling": 8.0})
        2.0
    """
    if link == "logistic":
        floor, ceiling = _ends(parameters)
        return abs(ceiling - floor) / 4
    if link == "softplus":
        return abs(float(parameters["link_scale"]))
    if link == "exponential":
        return abs(float(link_slope(link, parameters, np.float64(parameters["bias"]))))
    return 1.0


def score_unit(link: Link, unit: str) -> str:
    """The unit of the score, in which contributions are, as text; that of expression, if equal.

    Example:
        >>> score_unit("identity", "log2"), score_unit("logistic", "log2")
        ('log2', 'log odds before the logistic link')
    """
    return {
        "identity": unit,
        "logistic": "log odds before the logistic link",
        "softplus": "score before the softplus link",
        "exponential": "natural log, before the exponential link",
    }[link]


def of_score(link: Link) -> str:
    """What a title says of numbers on the scale of the score: nothing with the link "identity".

    Example:
        >>> of_score("logistic")
        ', on the scale of the score before the logistic link'
    """
    return "" if link == "identity" else f", on the scale of the score before the {link} link"


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), written so that neither end overflows."""
    return np.exp(-np.logaddexp(0.0, -x))


def _ends(parameters: Mapping[str, Any]) -> tuple[float, float]:
    return float(parameters["link_floor"]), float(parameters["link_ceiling"])
