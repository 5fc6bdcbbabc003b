"""Detects processes that were forked after TensorFlow had computed something.

Such a process does not have TensorFlow's threads and would wait for them forever.
"""

from __future__ import annotations

import os

from tensorflow.python.eager import context

_state = {"used": False, "forked": False}


class ForkedError(RuntimeError):
    """This process was forked after TensorFlow had computed something."""


def check_not_forked() -> None:
    """Raises ForkedError if TensorFlow cannot compute in this process.

    Example:
        >>> check_not_forked()
    """
    if _state["forked"]:
        raise ForkedError(
            "this process was forked after TensorFlow had computed something, and would wait "
            "forever for threads that it does not have; start processes with "
            'multiprocessing.get_context("spawn"), or fork before anything is computed'
        )


def _before_fork() -> None:
    # TensorFlow creates the context handle when it first computes something.
    current = context.context_safe()
    _state["used"] = getattr(current, "_context_handle", None) is not None


def _after_fork() -> None:
    _state["forked"] = _state["forked"] or _state["used"]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
