"""Builds the compiled part of cisreg with CMake; everything else is in pyproject.toml.

Environment:
    CISREG_TENSORFLOW: auto (default) builds the operation for the TensorFlow that is installed, if
        there is one, and never installs or changes it; off builds what needs no TensorFlow; else
        the folders of one or more TensorFlow packages, installed or unpacked, with ':' between,
        such as /opt/venv/lib/python3.12/site-packages/tensorflow: one library for each.
    CISREG_CUDA: auto (default) builds the CUDA kernels where nvcc is found: that of CUDACXX, or of
        CUDA_HOME, or of those in PATH and /usr/local/cuda*/bin the newest of CUDA 12, else the
        oldest of later ones; on fails where there is none; off builds none.
    CISREG_CUDA_ARCHITECTURES: what to build them for, as CMake names it, such as "90-real" or
        "80 86" or "native"; default: everything since Turing.
    CISREG_WARNINGS_AS_ERRORS: 1 for contributors.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent.resolve()
CUDA_CHOICES = ("auto", "on", "off")
FINDER = ROOT / "cisreg" / "tensorflow_package.py"
SUPPORTED = ("2.18", "2.19", "2.20", "2.21")


def check_platform(platform: str) -> None:
    """Says at once what the build would fail with after a minute."""
    if platform != "linux":
        raise SystemExit(
            f"cisreg: expected Linux on x86-64 or 64-bit Arm, got {platform}; on Windows build it "
            "in WSL 2, on a Mac in a Linux container (docs/start/install.md, Platforms)"
        )


def load_finder():
    """The module that finds TensorFlow, without its package."""
    spec = importlib.util.spec_from_file_location("tensorflow_package", FINDER)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def installed_folder() -> list[str]:
    """The folder of the TensorFlow that this Python imports when nothing isolates it, if any.

    pip builds in an environment that hides what is installed, by PYTHONPATH; -E ignores that.
    """
    ask = (
        "import importlib.util; spec = importlib.util.find_spec('tensorflow');"
        "print(*spec.submodule_search_locations if spec else ())"
    )
    # Not in the folder of the sources, which would be searched first.
    asked = [sys.executable, "-E", "-c", ask]
    said = subprocess.run(asked, cwd=sys.prefix, check=True, capture_output=True, text=True).stdout
    return said.splitlines()[:1] if said.strip() else []


def tensorflow_options() -> tuple[str, list[str]]:
    """What CMake is told of TensorFlow, and the names of the libraries that it will make."""
    choice = os.environ.get("CISREG_TENSORFLOW", "auto")
    if choice == "off":
        folders = []
    elif choice == "auto":
        folders = installed_folder()
    else:
        folders = [each for each in choice.split(os.pathsep) if each]
    finder = load_finder()
    packages = {}
    for each in folders:
        package = finder.package_in(Path(each).resolve())
        if package is None:
            raise SystemExit(
                f"CISREG_TENSORFLOW: expected auto, off, or folders of TensorFlow packages with "
                f"their .dist-info beside them, got {each!r}"
            )
        minor = finder.minor_version(package.version)
        if minor not in SUPPORTED:
            said = f"TensorFlow {package.version} in {each}: expected {', '.join(SUPPORTED)}"
            if choice != "auto":
                raise SystemExit(f"CISREG_TENSORFLOW: {said}")
            print(f"{said}; the operation is built without it", file=sys.stderr)
            continue
        packages[minor] = package
    said = ", ".join(package.version for package in packages.values()) or "none"
    print(f"TensorFlow to build the operation for: {said}", flush=True)
    named = ";".join(f"{package.version}={package.folder}" for package in packages.values())
    numbers = [minor.replace(".", "_") for minor in packages]
    files = [f"{name}_{number}.so" for number in numbers for name in ("_ops", "_xla")]
    return f"-DCISREG_TENSORFLOW={named}", files


def cuda_options() -> list[str]:
    """What the environment says of CUDA, for CMake; always said, for CMake remembers."""
    choice = os.environ.get("CISREG_CUDA", "auto")
    if choice not in CUDA_CHOICES:
        raise SystemExit(f"CISREG_CUDA: expected one of {', '.join(CUDA_CHOICES)}, got {choice!r}")
    architectures = os.environ.get("CISREG_CUDA_ARCHITECTURES", "")
    return [f"-DCISREG_CUDA={choice}", f"-DCISREG_CUDA_ARCHITECTURES={architectures}"]


class CMakeBuild(build_ext):
    """Runs CMake once for all libraries."""

    libraries_beside: tuple[Path, ...] | list[Path] = ()

    def build_extensions(self) -> None:
        """Configures and builds, printing each unit as it is compiled.

        The library of kernels and those of the operation are written beside the Python module.
        """
        check_platform(sys.platform)
        output = Path(self.get_ext_fullpath(self.extensions[0].name)).parent.resolve()
        # Not build_temp, which is new for every editable install: the CUDA kernels take minutes.
        # All Pythons share it, for only one module depends on them.
        build = ROOT / "build" / "cmake"
        build.mkdir(parents=True, exist_ok=True)
        strict = "ON" if os.environ.get("CISREG_WARNINGS_AS_ERRORS") == "1" else "OFF"
        tensorflow, op_libraries = tensorflow_options()
        configure = [
            "cmake",
            str(ROOT),
            f"-DPython3_EXECUTABLE={sys.executable}",
            f"-DCISREG_OUTPUT={output}",
            tensorflow,
            *cuda_options(),
            f"-DCISREG_WARNINGS_AS_ERRORS={strict}",
        ]
        compile_ = ["cmake", "--build", ".", "--parallel", str(os.cpu_count() or 1)]
        subprocess.run(configure, cwd=build, check=True)
        subprocess.run(compile_, cwd=build, check=True)
        self.libraries_beside = [output / "libcisreg_kernels.so"]
        self.libraries_beside += [output / name for name in op_libraries]
        self.remove_others(output)

    def copy_extensions_to_source(self) -> None:
        """Puts all libraries into the folder of the sources, for an editable install."""
        super().copy_extensions_to_source()
        for library in self.libraries_beside:
            self.copy_file(str(library), str(ROOT / "cisreg" / library.name))
        self.remove_others(ROOT / "cisreg")

    def remove_others(self, folder: Path) -> None:
        """Removes libraries of an earlier build, for a TensorFlow that this one is not for."""
        kept = {library.name for library in self.libraries_beside}
        for name in ("_ops*.so", "_xla*.so"):
            for library in folder.glob(name):
                if library.name not in kept:
                    library.unlink()


setup(
    ext_modules=[Extension("cisreg._native", sources=[])],
    cmdclass={"build_ext": CMakeBuild},
)
