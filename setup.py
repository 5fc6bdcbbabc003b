"""Builds the compiled part of cisreg with CMake; everything else is in pyproject.toml.

Environment:
    CISREG_CUDA: auto (default) builds the CUDA kernels where nvcc is found, in CUDACXX, CUDA_HOME,
        PATH or /usr/local/cuda*/bin; on fails where it is not; off builds none.
    CISREG_CUDA_ARCHITECTURES: what to build them for, as CMake names it, such as "90-real" or
        "80 86" or "native"; default: everything since Turing.
    CISREG_WARNINGS_AS_ERRORS: 1 for contributors.
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


def cuda_options() -> list[str]:
    """What the environment says of CUDA, for CMake; always said, for CMake remembers."""
    choice = os.environ.get("CISREG_CUDA", "auto")
    if choice not in CUDA_CHOICES:
        raise SystemExit(f"CISREG_CUDA: expected one of {', '.join(CUDA_CHOICES)}, got {choice!r}")
    architectures = os.environ.get("CISREG_CUDA_ARCHITECTURES", "")
    return [f"-DCISREG_CUDA={choice}", f"-DCISREG_CUDA_ARCHITECTURES={architectures}"]


class CMakeBuild(build_ext):
    """Runs CMake once for both libraries."""

    def get_ext_filename(self, fullname: str) -> str:
        """The op library is no Python module: its name carries no Python version."""
        if fullname.endswith("_ops"):
            return str(Path(*fullname.split(".")).with_suffix(".so"))
        return super().get_ext_filename(fullname)

    def build_extensions(self) -> None:
        """Configures once and builds both libraries, printing each unit as it is compiled."""
        output = Path(self.get_ext_fullpath(self.extensions[0].name)).parent.resolve()
        # Not build_temp, which is new for every editable install: the CUDA kernels take minutes.
        build = ROOT / "build" / f"cmake-{sys.implementation.cache_tag}"
        build.mkdir(parents=True, exist_ok=True)
        strict = "ON" if os.environ.get("CISREG_WARNINGS_AS_ERRORS") == "1" else "OFF"
        configure = [
            "cmake",
            str(ROOT),
            f"-DPython3_EXECUTABLE={sys.executable}",
            f"-DCISREG_OUTPUT={output}",
            *cuda_options(),
            f"-DCISREG_WARNINGS_AS_ERRORS={strict}",
        ]
        targets = [extension.name.rpartition(".")[2] for extension in self.extensions]
        compile_ = ["cmake", "--build", ".", "--parallel", str(os.cpu_count() or 1)]
        subprocess.run(configure, cwd=build, check=True)
        subprocess.run([*compile_, "--target", *targets], cwd=build, check=True)


setup(
    ext_modules=[Extension("cisreg._native", sources=[]), Extension("cisreg._ops", sources=[])],
    cmdclass={"build_ext": CMakeBuild},
)
