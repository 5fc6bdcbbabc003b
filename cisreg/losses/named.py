"""Noise models by name, for recipes, the command line and model.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from cisreg.losses.bins import SortBins
from cisreg.losses.continuous import Gaussian, Heteroscedastic, Huber, StudentT
from cisreg.losses.counts import NegativeBinomial, Poisson
from cisreg.losses.noise import Noise

_KINDS: tuple[type[Noise], ...] = (
    *(Gaussian, Heteroscedastic, StudentT, Huber, Poisson, NegativeBinomial, SortBins),
)
NOISES: dict[str, type[Noise]] = {kind.name: kind for kind in _KINDS}


def named_noise(name: str, **given: Any) -> Noise:
    """The noise model of a name.

    Args:
        name: "gaussian", "heteroscedastic", "student_t", "huber", "poisson", "negative_binomial" or
            "sort_bins".
        **given: its fields that are given; lists are taken for tuples.

    Raises:
        ValueError: another name, an unknown field, or a value of another type or out of range.

    Example:
        >>> named_noise("student_t", degrees=4.0)
        StudentT(scale=None, degrees=4.0)
    """
    if name not in NOISES:
        raise ValueError(f"loss: expected one of {', '.join(NOISES)}, got {name!r}")
    kind = NOISES[name]
    known = [each.name for each in fields(kind)]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(
            f"loss {name}: expected {', '.join(known) or 'no fields'}, got {', '.join(unknown)}"
        )
    hints = get_type_hints(kind)
    for field, value in given.items():
        if not _fits(value, str(hints[field])):
            raise ValueError(
                f"loss {name}: expected {_wanted(str(hints[field]))} for {field}, got {value!r}"
            )
    return kind(**given)


def noise_from_dict(content: Mapping[str, Any]) -> Noise:
    """The noise model that `Noise.to_dict` described.

    Raises:
        ValueError: another content.

    Example:
        >>> noise_from_dict({"name": "gaussian", "deviation": 2.0})
        Gaussian(deviation=2.0)
    """
    if not isinstance(content, Mapping) or not isinstance(content.get("name"), str):
        raise ValueError(f"loss: expected a table with its name, got {content!r}")
    return named_noise(**content)


def _fits(value: Any, hint: str) -> bool:
    def number(each: Any) -> bool:
        return isinstance(each, int | float) and not isinstance(each, bool)

    if "tuple" in hint:
        return isinstance(value, list | tuple) and bool(value) and all(map(number, value))
    return isinstance(value, bool) if "bool" in hint else number(value)


def _wanted(hint: str) -> str:
    return (
        "a list of numbers"
        if "tuple" in hint
        else "true or false"
        if "bool" in hint
        else ("a number")
    )
