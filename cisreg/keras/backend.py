"""The backend of Keras: these layers contain an operation of TensorFlow."""

from __future__ import annotations

import json
import os
from pathlib import Path


def check_backend() -> None:
    """Checks that Keras computes with TensorFlow, before Keras is imported.

    Raises:
        ImportError: Keras is missing or older than Keras 3, or has another backend.

    Example:
        >>> check_backend()
    """
    backend = _backend()
    if backend != "tensorflow":
        raise ImportError(
            f"cisreg.keras: expected the Keras backend 'tensorflow', got {backend!r}; set the "
            "environment variable KERAS_BACKEND=tensorflow before Keras is imported, or use "
            "cisreg.numpy in a layer of your own"
        )
    import keras

    if int(keras.__version__.split(".")[0]) < 3:
        raise ImportError(
            f"cisreg.keras: expected Keras 3, got {keras.__version__}; install it with "
            'pip install "keras>=3"'
        )


def _backend() -> str:
    """The backend that Keras has, or will have; importing it fails where the backend is missing."""
    import sys

    if (loaded := sys.modules.get("keras")) is not None and hasattr(loaded, "backend"):
        return loaded.backend.backend()
    if named := os.environ.get("KERAS_BACKEND"):
        return named
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return json.loads((home / "keras.json").read_text()).get("backend", "tensorflow")
    except (OSError, ValueError, AttributeError):
        return "tensorflow"
