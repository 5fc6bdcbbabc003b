"""Whether a person types the commands, and where."""

from __future__ import annotations

import sys


def is_interactive() -> bool:
    """Whether a person types the commands: a notebook, IPython, or Python's own prompt."""
    return hasattr(sys, "ps1") or _ipython() is not None


def in_notebook() -> bool:
    """Whether this runs in the kernel of a notebook, which is not a terminal."""
    return getattr(_ipython(), "kernel", None) is not None


def _ipython() -> object | None:
    """The IPython shell that this runs in, or None."""
    # Whoever runs within one has it imported.
    module = sys.modules.get("IPython")
    return None if module is None else module.get_ipython()
