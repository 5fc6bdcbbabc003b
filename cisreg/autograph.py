"""AutoGraph, which rewrites Python for graphs, has nothing to do in this package."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import tensorflow as tf

F = TypeVar("F", bound=Callable[..., object])


def as_written(function: F) -> F:
    """The same function, which AutoGraph leaves as it is when it is called in a tf.function.

    Rewriting takes seconds, warns of statements that AutoGraph does not know, and puts lines of
    this package before messages of errors.

    Example:
        >>> as_written(abs)(-1)
        1
    """
    return cast(F, tf.autograph.experimental.do_not_convert(function))
