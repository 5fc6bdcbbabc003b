"""Imports optional packages that only the preparation of reads needs."""

from __future__ import annotations

import importlib
from typing import Any


def load_package(name: str) -> Any:
    """Imports a package of the extra `prepare`.

    Raises:
        ImportError: it is not installed; the message says how to install it.

    Example:
        >>> load_package("duckdb").__name__
        'duckdb'
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"expected the package {name} to be installed, got none ({error}); run "
            "pip install 'cisreg[prepare]'"
        ) from None
