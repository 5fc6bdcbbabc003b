"""Clocks of the GPU while something is measured: read, and locked where that is wanted.

All through nvidia-smi; where it is missing or refuses, measuring goes on without.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from types import TracebackType

from benchmarks.shared.suite import median

# Fields of nvidia-smi, and what they are called here.
FACTS = {
    "driver_version": "driver",
    "clocks.max.sm": "most_clock_mhz",
    "power.limit": "power_limit_w",
    "ecc.mode.current": "ecc",
    "mig.mode.current": "mig",
}
WATCHED = {
    "clocks.sm": "clock, MHz",
    "clocks.mem": "memory clock, MHz",
    "power.draw": "power, W",
    "temperature.gpu": "temperature, °C",
}
MILLISECONDS = 200


def query(fields: Sequence[str]) -> list[str] | None:
    """Values of the first GPU; None without nvidia-smi, or where it fails."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "-i", "0", f"--query-gpu={','.join(fields)}"]
    done = subprocess.run(
        [*command, "--format=csv,noheader,nounits"], capture_output=True, text=True
    )
    return [value.strip() for value in done.stdout.split(",")] if done.returncode == 0 else None


def facts() -> dict[str, str]:
    """What nvidia-smi says of the first GPU."""
    values = query(list(FACTS))
    return {} if values is None else dict(zip(FACTS.values(), values, strict=False))


@contextlib.contextmanager
def locked(megahertz: int | None) -> Iterator[str]:
    """Locks the clock of the multiprocessors, and frees it at the end; yields what was done."""
    if megahertz is None:
        yield "not locked"
        return
    command = ["nvidia-smi", "-i", "0", f"--lock-gpu-clocks={megahertz},{megahertz}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        yield "not locked: nvidia-smi is not here"
        return
    if done.returncode != 0:
        yield f"not locked: {(done.stdout + done.stderr).strip().splitlines()[0]}"
        return
    try:
        yield f"locked to {megahertz} MHz"
    finally:
        subprocess.run(["nvidia-smi", "-i", "0", "--reset-gpu-clocks"], capture_output=True)


def summarise(lines: Sequence[str]) -> dict[str, list[float]]:
    """Least, median and most of what was watched; lines as nvidia-smi prints them."""
    columns: dict[str, list[float]] = {name: [] for name in WATCHED.values()}
    for line in lines:
        values = line.split(",")
        for name, value in zip(columns, values, strict=False):
            with contextlib.suppress(ValueError):
                columns[name].append(float(value))
    return {
        name: [min(values), median(values), max(values)]
        for name, values in columns.items()
        if values
    }


class Watch:
    """Reads clocks, power and temperature from its beginning to its end.

    Attributes:
        found: what `summarise` makes of them, once it has ended.
    """

    def __enter__(self) -> Watch:
        self.found: dict[str, list[float]] = {}
        self._process: subprocess.Popen[str] | None = None
        if shutil.which("nvidia-smi") is not None:
            command = ["nvidia-smi", "-i", "0", f"--query-gpu={','.join(WATCHED)}"]
            command += ["--format=csv,noheader,nounits", f"--loop-ms={MILLISECONDS}"]
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            said, _ = self._process.communicate()
            self.found = summarise(said.splitlines())
