"""Registration with TensorFlow that may be repeated."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any


def once(register: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A decorator of TensorFlow's that registers a function, where none is registered yet.

    TensorFlow takes one for each operation. A module that is imported again, as by
    `importlib.reload`, leaves the first, which does the same.

    Example:
        >>> @once(tf.RegisterGradient("Cisreg>Occupancy"))  # doctest: +SKIP
        ... def gradient(op, *upstream): ...
    """

    def register_once(function: Any) -> Any:
        # What TensorFlow raises for a second one.
        with contextlib.suppress(KeyError, AssertionError):
            register(function)
        return function

    return register_once
