"""Builds the compiled part of cisreg with CMake; everything else is in pyproject.toml.

Environment: CISREG_CUDA=auto|on|off (auto builds without CUDA kernels: this version has none, and
`on` says so), CISREG_WARNINGS_AS_ERRORS=1 for contributors.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent.resolve()
CUDA_CHOICES = ("auto", "on", "off")


def cuda_choice() -> str:
    """What CISREG_CUDA asks for, resolved to what this version can build."""
    choice = os.environ.get("CISREG_CUDA", "auto")
    if choice not in CUDA_CHOICES:
        raise SystemExit(f"CISREG_CUDA: expected one of {', '.join(CUDA_CHOICES)}, got {choice!r}")
    if choice == "on":
        raise SystemExit(
            "CISREG_CUDA=on: this version of cisreg has no CUDA kernels; use auto or off"
        )
    return "off"


class CMakeBuild(build_ext):
    """Runs CMake once for both libraries."""

    def get_ext_filename(self, fullname: str) -> str:
        """The op library is no Python module: its name carries no Python version."""
        if fullname.endswith("_ops"):
            return str(Path(*fullname.split(".")).with_suffix(".so"))
        return super().get_ext_filename(fullname)

    def build_extension(self, extension: Extension) -> None:
        """Configures and builds; the second library finds nothing left to do."""
        output = Path(self.get_ext_fullpath(extension.name)).parent.resolve()
        build = Path(self.build_temp).resolve()
        build.mkdir(parents=True, exist_ok=True)
        strict = "ON" if os.environ.get("CISREG_WARNINGS_AS_ERRORS") == "1" else "OFF"
        configure = [
            "cmake",
            str(ROOT),
            f"-DPython3_EXECUTABLE={sys.executable}",
            f"-DCISREG_OUTPUT={output}",
            f"-DCISREG_CUDA={cuda_choice()}",
            f"-DCISREG_WARNINGS_AS_ERRORS={strict}",
        ]
        target = extension.name.rpartition(".")[2]
        subprocess.run(configure, cwd=build, check=True)
        subprocess.run(
            ["cmake", "--build", ".", "--target", target, "--parallel", str(os.cpu_count() or 1)],
            cwd=build,
            check=True,
        )


setup(
    ext_modules=[Extension("cisreg._native", sources=[]), Extension("cisreg._ops", sources=[])],
    cmdclass={"build_ext": CMakeBuild},
)
