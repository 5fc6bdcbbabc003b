"""Detects interactive sessions and notebooks."""

from __future__ import annotations

import sys


def is_interactive() -> bool:
    """Whether this is an interactive session: a notebook, IPython, or the Python prompt."""
    return hasattr(sys, "ps1") or _ipython() is not None


def in_notebook() -> bool:
    """Whether this runs in a notebook kernel."""
    return getattr(_ipython(), "kernel", None) is not None


def _ipython() -> object | None:
    """The IPython shell that this runs in, or None."""
    # Inside IPython the module is always imported.
    module = sys.modules.get("IPython")
    return None if module is None else module.get_ipython()
