"""Runs commands with standard streams that are closed, full or left by their reader.

All cases of a module are children of one process that has imported what they need, which saves a
second each. A child sets its streams and its environment as a shell does, then runs the command.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

FULL = Path("/dev/full")
_NAMES = ("stdin", "stdout", "stderr")
_IMPORTED = (
    *("cisreg.cli.app", "cisreg.data.conversion.convert", "cisreg.data.formats.one_hot"),
    *("cisreg.sequences", "cisreg.prepare.collapse", "typer.rich_utils", "duckdb", "pandas"),
    *("pydantic", "pyarrow.pandas_compat"),
)


@dataclass
class Case:
    """Words of a command, and its streams: closed, full, gone (nobody reads), kept, or a path."""

    words: list[str]
    stdin: str = os.devnull
    stdout: str = "kept"
    stderr: str = "kept"
    environment: dict[str, str] = field(default_factory=dict)


@dataclass
class Ended:
    status: int
    output: bytes
    errors: bytes


class Cases:
    """The process whose children the commands are."""

    def __init__(self, folder: Path):
        self._folder = folder
        words = [sys.executable, __file__, str(folder)]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, *cases: Case) -> list[Ended]:
        """What each case wrote, and its exit status."""
        return [self._run(case) for case in cases]

    def _run(self, case: Case) -> Ended:
        for name in _NAMES[1:]:
            (self._folder / name).write_bytes(b"")
        self._process.stdin.write(json.dumps(asdict(case)) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        return Ended(status, *((self._folder / name).read_bytes() for name in _NAMES[1:]))

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def _set_streams(case: Case, folder: Path) -> None:
    """In a child: the streams as a shell sets them, and then as Python opens them."""
    encoding = case.environment.get("PYTHONIOENCODING", "utf-8")
    for number, name in enumerate(_NAMES):
        what = getattr(case, name)
        os.close(number)
        setattr(sys, name, None)
        if what == "closed":
            continue
        if what == "gone":
            reading, opened = os.pipe()
            os.close(reading)
        else:
            path = {"full": FULL, "kept": folder / name}.get(what, what)
            opened = os.open(path, os.O_WRONLY | os.O_APPEND if number else os.O_RDONLY)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        stream = os.fdopen(number, "w" if number else "r", encoding=encoding, closefd=False)
        setattr(sys, name, stream)


def _end(main) -> None:
    """Runs the command and ends as Python does, without the time that it takes to free memory."""
    status = 99
    try:
        main()
    except SystemExit as end:
        status = end.code
    try:
        sys.stdout.flush()
    except OSError:
        status = 120
    os._exit(status)


def _main(folder: Path) -> None:
    from cisreg.cli import main

    for module in _IMPORTED:
        importlib.import_module(module)
    for line in sys.stdin:
        case = Case(**json.loads(line))
        child = os.fork()
        if not child:
            os.environ.update(case.environment)
            _set_streams(case, folder)
            sys.argv = ["cisreg", *case.words]
            _end(main)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
