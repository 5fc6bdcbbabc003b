"""What differs between the simulated outputs of a model, and which measurements are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cisreg.spec import OF_FACTORS, SCALARS, ModelSpec

# This share of the factors differ from the first output, at least one.
_SHARE = 0.25
# How far they do: concentrations in nats, activities and potentiations in root mean squares of all.
_NATS = (0.7, 1.6)
_SIZES = (0.5, 1.2)
# Standard deviations of what is one number of each output, in the unit of expression or log odds.
_SCALAR = 1.0


def differing(
    spec: ModelSpec,
    parameters: Mapping[str, np.ndarray],
    outputs: int,
    differ: Sequence[str],
    random: np.random.Generator,
) -> tuple[ModelSpec, dict[str, np.ndarray]]:
    """The spec and the parameters of several outputs, of which the first is the given one.

    In each other output a quarter of the factors, drawn anew for each parameter, have another
    concentration (by 0.7 to 1.6 nats), or another activity or potentiation (by 0.5 to 1.2 times the
    root mean square of all), up or down; biases differ by normal noise.

    Args:
        spec: of one output.
        parameters: of one output, by name.
        outputs: T, 2 or more.
        differ: the parameters that differ.
        random: the source of random numbers.

    Raises:
        ValueError: parameters that the model does not have, or that are of a link.

    Example:
        >>> spec = ModelSpec(motif_count=4, motif_width=3, sequence_length=10)
        >>> one = {"activity": np.ones(4, np.float32)}
        >>> both = differing(spec, one, 2, ["activity"], np.random.default_rng(0))[1]["activity"]
        >>> int((both[1] != both[0]).sum())
        1
    """
    foreign = [name for name in differ if name.startswith("link_")]
    if foreign:
        raise ValueError(
            f"differ: expected parameters that simulations draw, got {', '.join(foreign)}, which "
            "are the same in every simulation; leave them out"
        )
    several = replace(spec, output_count=outputs, differ=tuple(differ))
    made = dict(parameters)
    for name in differ:
        value = np.asarray(parameters[name], np.float64)
        others = [value + _change(name, value, random) for _ in range(outputs - 1)]
        made[name] = np.stack([value, *others]).astype(np.float32)
    return several, made


def _change(name: str, value: np.ndarray, random: np.random.Generator) -> np.ndarray:
    if name in SCALARS:
        return np.asarray(random.normal(0.0, _SCALAR))
    assert name in OF_FACTORS  # the spec has refused all others
    count = max(1, round(_SHARE * len(value)))
    low, high = _NATS if name.startswith("log_") else _SIZES
    unit = 1.0 if name.startswith("log_") else float(np.sqrt(np.mean(value**2)))
    change = np.zeros(len(value))
    places = random.choice(len(value), count, replace=False)
    change[places] = random.choice((-1, 1), count) * random.uniform(low, high, count) * unit
    return change


def leave_out(measured: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """The measurements [N, T] with about this share of them missing (NaN), but not all of a row.

    Example:
        >>> some = leave_out(np.zeros((1000, 2)), 0.3, np.random.default_rng(0))
        >>> bool(np.isnan(some).all(axis=1).any())
        False
    """
    missing = random.random(measured.shape) < share
    kept = random.integers(measured.shape[1], size=len(measured))
    missing[np.arange(len(measured)), kept] &= ~missing.all(axis=1)
    return np.where(missing, np.nan, measured)
