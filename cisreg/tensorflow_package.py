"""Where TensorFlow's package lies and which version it is, without importing it.

`setup.py` loads this file by itself: it imports nothing of cisreg.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

# What every build of TensorFlow for Linux has, whatever its distribution is called.
FRAMEWORK = "tensorflow/libtensorflow_framework.so.2"


class TensorFlowPackage(NamedTuple):
    """A TensorFlow that is installed, or unpacked from its wheel.

    Attributes:
        version: such as "2.21.0".
        folder: its package, in which `include/` lies.
    """

    version: str
    folder: Path


def minor_version(version: str) -> str:
    """Major and minor version; TensorFlow's C++ interface is stable within one minor version.

    Example:
        >>> minor_version("2.21.0")
        '2.21'
    """
    return ".".join(version.split(".")[:2])


def installed_tensorflow() -> TensorFlowPackage | None:
    """The TensorFlow that this Python would import, or None.

    Example:
        >>> installed_tensorflow().version
        '2.21.0'
    """
    try:
        spec = importlib.util.find_spec("tensorflow")
    except ValueError:  # A module that someone put in its place.
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return package_in(Path(next(iter(spec.submodule_search_locations))))


def package_in(folder: Path) -> TensorFlowPackage | None:
    """The TensorFlow of a folder called `tensorflow`; None if no distribution claims it."""
    from importlib import metadata  # which takes most of the time of an import

    # tensorflow, tensorflow-cpu, tf-nightly, ...; conda's has no file list but the plain name.
    found = [
        distribution
        for distribution in metadata.distributions(path=[str(folder.parent)])
        if (distribution.name or "").lower().startswith(("tensorflow", "tf"))
    ]
    for distribution in found:
        if FRAMEWORK in (distribution.read_text("RECORD") or ""):
            return TensorFlowPackage(distribution.version, folder)
    for distribution in found:
        if distribution.name.lower() == "tensorflow":
            return TensorFlowPackage(distribution.version, folder)
    return None
