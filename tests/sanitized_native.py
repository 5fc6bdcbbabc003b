"""Plugin of pytest for `make sanitize`: the native code that tests use is the sanitized build.

Without it the tests would load cisreg/_native*.so, as everyone else does.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

NAME, PATH = "cisreg._native", os.environ["CISREG_SANITIZED"]


class Finder(MetaPathFinder):
    """Finds the sanitized library under the name of the usual one."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """The specification of the module, or None for any other module."""
        return importlib.util.spec_from_file_location(NAME, PATH) if fullname == NAME else None


assert NAME not in sys.modules, "the usual library is already loaded"
sys.meta_path.insert(0, Finder())


def pytest_report_header() -> str:
    """The library, so that the log shows which one was tested."""
    return f"native code: {PATH}"


def pytest_sessionfinish() -> None:
    """Fails if the module did not load the sanitized kernels, which have a name of their own."""
    if NAME in sys.modules:
        kernels = Path(PATH).with_name("libcisreg_kernels_sanitized.so")
        assert str(kernels) in Path("/proc/self/maps").read_text()
