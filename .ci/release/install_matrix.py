"""Installs a wheel beside each TensorFlow and checks it there: `make install-matrix`.

For every TensorFlow and at least two Pythons: a new environment, TensorFlow, then the wheel of
cisreg, which must change no package that is there; the operation and its gradient against float64,
under XLA too, a small training, and a SavedModel. Then every SavedModel is read under the other
TensorFlows. And one environment has no TensorFlow. Prints a table and writes JSON.

Needs about 10 GB of disk: one environment of each TensorFlow is kept until all models are written.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

CHECK = Path(__file__).with_name("installed_check.py").resolve()
LONGEST_SECONDS = 1800


class Cell(NamedTuple):
    """An environment: TensorFlow's distribution and minor version, and the Python."""

    tensorflow: str
    distribution: str
    python: str

    @property
    def name(self) -> str:
        """Such as "2.21-cpu-3.13"."""
        suffix = "-cpu" if self.distribution.endswith("-cpu") else ""
        return f"{self.tensorflow}{suffix}-{self.python}"


# The oldest and newest Python of each TensorFlow, or nearly so; one of them with the CPU package.
MATRIX = (
    Cell("2.18", "tensorflow", "3.10"),
    Cell("2.18", "tensorflow-cpu", "3.12"),
    Cell("2.19", "tensorflow", "3.12"),
    Cell("2.19", "tensorflow-cpu", "3.10"),
    Cell("2.20", "tensorflow", "3.11"),
    Cell("2.20", "tensorflow-cpu", "3.13"),
    Cell("2.21", "tensorflow", "3.13"),
    Cell("2.21", "tensorflow-cpu", "3.11"),
)
WITHOUT = Cell("none", "", "3.12")


class Environment:
    """A virtual environment with TensorFlow, if any, and then the wheel."""

    def __init__(self, cell: Cell, folder: Path):
        self.cell = cell
        self.folder = folder

    def python(self, *words: str | Path) -> str:
        """Runs its Python, away from the sources; gives what it prints, or raises with it."""
        command = [str(self.folder / "bin" / "python"), *map(str, words)]
        done = subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def packages(self) -> dict[str, str]:
        """Version by name of all packages but cisreg."""
        listed = json.loads(self.python("-m", "pip", "list", "--format", "json"))
        return {each["name"]: each["version"] for each in listed if each["name"] != "cisreg"}

    def install(self, python: str, wheels: Path) -> int:
        """Makes the environment; gives how many of the packages before the wheel it changed."""
        subprocess.run([python, "-m", "venv", str(self.folder)], check=True)
        pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        if self.cell.distribution:
            self.python(*pip, f"{self.cell.distribution}=={self.cell.tensorflow}.*")
        before = self.packages()
        # By its name and from this folder only, so that pip itself chooses the wheel that fits.
        self.python(
            *("-m", "pip", "download", "--quiet", "--no-deps", "--no-index"),
            *("--find-links", wheels, "--dest", self.folder, "cisreg"),
        )
        (wheel,) = self.folder.glob("cisreg-*.whl")
        self.python(*pip, wheel)
        after = self.packages()
        changed = {name: after.get(name) for name in before if after.get(name) != before[name]}
        if changed:
            raise RuntimeError(f"installing cisreg changed {changed}, of {before}")
        return len(changed)

    def check(self, *words: str | Path) -> dict:
        """What `installed_check.py` says."""
        return json.loads(self.python(CHECK, *words).splitlines()[-1])


def attempt(cell: Cell, work) -> dict:
    """The result of some work, or its error."""
    try:
        return work()
    except (RuntimeError, subprocess.SubprocessError, OSError) as error:
        print(f"{cell.name}: {error}", file=sys.stderr, flush=True)
        return {"error": str(error).strip().splitlines()[-1]}


def run_matrix(cells: list[Cell], pythons: dict[str, str], wheels: Path, scratch: Path) -> dict:
    """Results by the name of the cell."""
    results: dict[str, dict] = {}
    readers: dict[str, Environment] = {}
    for cell in cells:
        print(f"== {cell.name}", flush=True)
        environment = Environment(cell, scratch / cell.name)
        saved = scratch / "saved" / cell.name
        saved.mkdir(parents=True)

        def install_and_check(environment=environment, cell=cell, saved=saved) -> dict:
            changed = environment.install(pythons[cell.python], wheels)
            words = ("write", saved) if cell.distribution else ("alone",)
            return {"changed": changed, **environment.check(*words)}

        results[cell.name] = attempt(cell, install_and_check)
        print(json.dumps(results[cell.name]), flush=True)
        if cell.distribution and cell.tensorflow not in readers:
            readers[cell.tensorflow] = environment
        else:
            shutil.rmtree(environment.folder, ignore_errors=True)
    written = [each for each in (scratch / "saved").iterdir() if (each / "numbers.npz").exists()]
    for environment in readers.values():
        cell = environment.cell
        print(f"== {cell.name} reads {len(written)} models", flush=True)
        read = attempt(cell, lambda e=environment: e.check("read", *written))
        results[cell.name]["reads"] = read
        shutil.rmtree(environment.folder, ignore_errors=True)
    return results


def table(results: dict[str, dict]) -> str:
    """The results as Markdown."""
    lines = [
        "| environment | TensorFlow | Keras | NumPy | checks | XLA | warnings | models read |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        said = result.get("error", "ok")
        reads = result.get("reads", {})
        good = sum(answer == "ok" for answer in reads.values())
        words = [result.get(key, "") for key in ("tensorflow", "keras", "numpy")]
        told = "; ".join(result.get("warnings", [])) or "none"
        count = f"{good} of {len(reads)}" if reads else ""
        cells = [name, *words, said, result.get("xla", ""), told, count]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def find_pythons(given: list[str]) -> dict[str, str]:
    """Pythons by their minor version: those given, else those in PATH."""
    found = {}
    for version in sorted({cell.python for cell in (*MATRIX, WITHOUT)}):
        if path := shutil.which(f"python{version}"):
            found[version] = path
    for path in given:
        ask = "import sys; print('%d.%d' % sys.version_info[:2])"
        found[subprocess.check_output([path, "-c", ask], text=True).strip()] = path
    return found


def main() -> None:
    """Reads the command line and runs the matrix."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheels", type=Path, default=Path("dist"), help="folder of the wheels")
    parser.add_argument(
        "--python", action="append", default=[], help="a Python that is not in PATH"
    )
    parser.add_argument("--only", action="append", default=[], help="a cell, such as 2.21-cpu-3.11")
    parser.add_argument("--json", type=Path, help="file to write the results to")
    parser.add_argument("--scratch", type=Path, help="folder for the environments")
    options = parser.parse_args()
    cells = [cell for cell in (WITHOUT, *MATRIX) if not options.only or cell.name in options.only]
    pythons = find_pythons(options.python)
    if missing := {cell.python for cell in cells} - set(pythons):
        raise SystemExit(f"--python: expected one of version {', '.join(sorted(missing))}")
    if options.scratch:
        options.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        results = run_matrix(cells, pythons, options.wheels.resolve(), Path(scratch))
    print(table(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    failed = [
        name
        for name, result in results.items()
        if "error" in result or not result.get("xla", "Host").startswith("Host")
    ]
    failed += [n for n, r in results.items() if set(r.get("reads", {"": "ok"}).values()) != {"ok"}]
    if failed:
        raise SystemExit(f"failed: {', '.join(dict.fromkeys(failed))}")


if __name__ == "__main__":
    main()
