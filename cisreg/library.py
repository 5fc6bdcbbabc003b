"""Finds, checks and loads the compiled libraries; errors say why one cannot be loaded.

`libcisreg_kernels.so` has the kernels; `_native` calls them on NumPy arrays, `_ops_2_21.so` from
TensorFlow 2.21, `_xla_2_21.so` from programs that its XLA compiles, and so on: TensorFlow's C++
interface changes with every minor version.
"""

from __future__ import annotations

import functools
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from cisreg.tensorflow_package import installed_tensorflow, minor_version

# Where the compiled libraries lie, all in one folder: they find each other there.
FOLDER = Path(__file__).parent
NO_TENSORFLOW = (
    "this part of cisreg needs TensorFlow, which is not installed: run pip install "
    "'cisreg[tensorflow]'"
)
_BUILD = (
    "in an environment with that TensorFlow, run pip install . in the folder of cisreg's sources"
)


class LibraryError(ImportError):
    """A compiled library is missing, damaged, or there is none for this TensorFlow."""


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
    """What the libraries were built with: keys `tensorflow`, `cuda` and `compiler`.

    `tensorflow` has the minor versions that the operation was built for, "2.20, 2.21", or "none".
    `cuda` is "off", or the version of CUDA and the architectures: "13.0 (75 80 86 89 90)".
    """
    return {"tensorflow": ", ".join(built_versions()) or "none", **native_module().build_info()}


def built_versions() -> tuple[str, ...]:
    """The minor versions of TensorFlow that the operation was built for, in ascending order.

    Example:
        >>> built_versions()
        ('2.20', '2.21')
    """
    numbers = [path.stem.split("_")[2:] for path in FOLDER.glob("_ops_*_*.so")]
    ascending = sorted((int(major), int(minor)) for major, minor in numbers)
    return tuple(f"{major}.{minor}" for major, minor in ascending)


def ops_library(tensorflow_version: str | None = None) -> str:
    """Path of the operation's library, for `tf.load_op_library`, C and other programs.

    It finds `libcisreg_kernels.so` in its own folder: where one is copied to, copy both.

    Args:
        tensorflow_version: of the TensorFlow that will load it, such as "2.20" or "2.20.0"; None is
            the one that this Python imports, which is not imported for this.

    Raises:
        LibraryError: there is no TensorFlow, or the operation was not built for this one; the
            message says which are there, and what to do.

    Example:
        >>> cisreg.ops_library()
        '/opt/venv/lib/python3.12/site-packages/cisreg/_ops_2_21.so'
    """
    if tensorflow_version is None:
        package = installed_tensorflow()
        if package is None:
            raise LibraryError(NO_TENSORFLOW)
        tensorflow_version = package.version
    minor = minor_version(tensorflow_version)
    path = FOLDER / f"_ops_{minor.replace('.', '_')}.so"
    if path.exists():
        return str(path)
    built = built_versions()
    if not built:
        raise LibraryError(
            f"cisreg was built without TensorFlow, and TensorFlow {tensorflow_version} is here: "
            f"{_BUILD}"
        )
    raise LibraryError(
        f"cisreg's operation was built for TensorFlow {', '.join(built)}, and TensorFlow "
        f'{tensorflow_version} is here: run pip install "tensorflow=={built[-1]}.*", or, {_BUILD}'
    )


class XlaSupport(NamedTuple):
    """Where XLA can compile the operation.

    Attributes:
        platforms: "Host" for programs on the CPU, "CUDA" for those on a GPU; empty for neither.
        reason: why there are none, in one sentence; empty where there is one.
    """

    platforms: tuple[str, ...]
    reason: str


@functools.cache
def xla_support() -> XlaSupport:
    """Loads the XLA kernels of the operation once, if they were built and XLA takes them.

    Example:
        >>> xla_support().platforms
        ('Host',)
    """
    import ctypes

    import tensorflow as tf

    ops = Path(ops_library(tf.__version__))
    path = ops.with_name(ops.name.replace("_ops", "_xla"))
    if not path.exists():
        return XlaSupport((), f"{path} is missing")
    try:
        tf.load_library(str(path))
        told = ctypes.CDLL(str(path)).cisreg_xla_platforms
    except (tf.errors.OpError, OSError, AttributeError) as error:
        return XlaSupport((), f"TensorFlow {tf.__version__} cannot load {path}: {error}")
    told.restype = ctypes.c_char_p
    platforms = tuple(told().decode().split())
    reason = "" if platforms else f"XLA of TensorFlow {tf.__version__} refused the handlers"
    return XlaSupport(platforms, reason)


@functools.cache
def load_ops() -> Any:
    """Loads the TensorFlow ops once and returns the module of their generated wrappers.

    Raises:
        LibraryError: there is no TensorFlow, or the library for it is missing or damaged; the
            message says what to do.

    Example:
        >>> bound, weighted = load_ops().cisreg_occupancy(...)
    """
    try:
        import tensorflow as tf
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            raise
        raise LibraryError(NO_TENSORFLOW) from error
    path = ops_library(tf.__version__)
    try:
        ops = tf.load_op_library(path)
    except (tf.errors.OpError, OSError) as error:
        raise LibraryError(
            f"TensorFlow {tf.__version__} cannot load {path}: {error}; build cisreg again with "
            "pip install --force-reinstall --no-deps ."
        ) from error
    xla_support()  # Now, so that programs which XLA compiles find the operation too.
    return ops


def registered_devices(operation: str) -> list[str]:
    """Types of the devices that TensorFlow has kernels of the operation for.

    For the fused operation: ["CPU"], or ["CPU", "GPU"] in a build with CUDA kernels, even on a
    machine without a GPU.

    Example:
        >>> registered_devices("MatMul")
        ['CPU', 'GPU']
    """
    from tensorflow.python.framework import kernels

    found = kernels.get_registered_kernels_for_op(operation).kernel
    types = {kernel.device_type for kernel in found}
    # TensorFlow lists XLA's compilers too, once it has compiled something.
    return sorted(each for each in types if not each.startswith("XLA_"))
