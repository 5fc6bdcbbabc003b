"""Types of options that several modules have, a check of their values, and some defaults."""

from __future__ import annotations

from typing import Literal, get_args

Reduction = Literal["expected", "probability", "log_unbound"]
Padding = Literal["same", "valid"]
ConstantEnds = Literal["context", "trim", "keep"]
ComputeDtype = Literal["float32", "bfloat16", "float16"]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]

# Bases at which effects of pairs of factors end, and the number of their knots.
PAIR_DISTANCE, PAIR_KNOTS = 60, 23


def check_choice(argument: str, value: object, choices: object) -> None:
    """Checks that an option has one of the values that a `Literal` type lists.

    Raises:
        ValueError: it has a different value; the message names the argument and the choices.

    Example:
        >>> check_choice("padding", "valid", Padding)
    """
    allowed = get_args(choices)
    if value not in allowed:
        raise ValueError(
            f"{argument}: expected one of {', '.join(map(repr, allowed))}, got {value!r}"
        )
