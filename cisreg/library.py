"""Finds, checks and loads the compiled library; errors say why it cannot be loaded."""

from __future__ import annotations

import functools
from pathlib import Path
from types import ModuleType
from typing import Any

OPS_FILE = "_ops.so"


class LibraryError(ImportError):
    """The compiled library is missing or was built for a different TensorFlow version."""


def minor_version(version: str) -> str:
    """Major and minor version; TensorFlow's C++ interface is stable within one minor version.

    Example:
        >>> minor_version("2.21.0")
        '2.21'
    """
    return ".".join(version.split(".")[:2])


def check_versions(built: str, running: str) -> None:
    """Checks that the library was built with the minor version of TensorFlow that is running.

    Raises:
        LibraryError: the minor versions differ.
    """
    if minor_version(built) != minor_version(running):
        raise LibraryError(
            f"cisreg was built with TensorFlow {built} but TensorFlow {running} is installed: "
            f'run pip install "tensorflow=={minor_version(built)}.*", or build cisreg again from '
            "its sources with pip install --no-build-isolation --force-reinstall --no-deps ."
        )


def native_module() -> ModuleType:
    """The module `cisreg._native`, which needs no TensorFlow.

    Raises:
        LibraryError: it is not built, or cannot be loaded.
    """
    try:
        from cisreg import _native
    except ImportError as error:
        raise LibraryError(
            f"cisreg's compiled module does not load ({error}): build it with pip install . "
            "in the folder of cisreg's sources"
        ) from error
    return _native


def build_info() -> dict[str, str]:
    """What the library was built with: keys `tensorflow_version`, `cuda` and `compiler`.

    `cuda` is "off", or the version of CUDA and the architectures: "13.0 (75 80 86 89 90)".
    """
    return dict(native_module().build_info())


@functools.cache
def load_ops() -> Any:
    """Loads the TensorFlow ops once and returns the module of their generated wrappers.

    Raises:
        LibraryError: the library is missing, damaged or built for a different TensorFlow version;
            the message says what to do.

    Example:
        >>> bound, weighted = load_ops().cisreg_occupancy(...)
    """
    import tensorflow as tf

    check_versions(build_info()["tensorflow_version"], tf.__version__)
    path = Path(__file__).with_name(OPS_FILE)
    if not path.exists():
        raise LibraryError(
            f"{path} is missing: build it with pip install . in the folder of cisreg's sources"
        )
    try:
        return tf.load_op_library(str(path))
    except (tf.errors.OpError, OSError) as error:
        raise LibraryError(
            f"TensorFlow {tf.__version__} cannot load {path}: {error}; build cisreg again with "
            "pip install --force-reinstall --no-deps ."
        ) from error
