"""`cisreg train --workers`: several processes of the same command, restarted if one is lost."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import typer

from cisreg.cli.json_output import current, note_error
from cisreg.cli.terminal import new_console
from cisreg.limits import available_cores
from cisreg.processes.cluster import cluster_size
from cisreg.processes.signals import RESUMABLE_STATUS, signal_name
from cisreg.processes.workers import Workers, WorkersResult, own_command

logger = logging.getLogger("cisreg.cli")


def check_workers(workers: int, restarts: int, strategy: str) -> None:
    """Checks that --workers and --restarts can be used with this strategy.

    Raises:
        typer.BadParameter: the strategy does not train in several processes, or TF_CONFIG already
            lists them.
    """
    if workers > 1 and strategy not in ("auto", "workers"):
        raise typer.BadParameter(
            f"--workers: expected 1 with --strategy {strategy}, got {workers}; leave one of them "
            "out"
        )
    if (workers > 1 or restarts) and strategy in ("auto", "workers") and cluster_size() > 1:
        raise typer.BadParameter(
            "--workers, --restarts: expected neither, because TF_CONFIG already lists the workers; "
            "leave them out, or unset TF_CONFIG"
        )


def train_in_processes(workers: int, restarts: int, threads: int | None, output: Path) -> None:
    """Runs the command of this process in `workers` processes.

    Args:
        workers: number of processes.
        restarts: how many times to restart from the last checkpoint after a process is lost.
        threads: per process; None: the cores are divided.
        output: the folder of the run.

    Raises:
        typer.Exit: with the status of the first process that failed.
    """
    command = without_options(own_command(), ("--workers", "--restarts"))
    if threads is None:
        command = with_options(command, "--threads", str(max(1, available_cores() // workers)))
    before = _identity(output / "recipe.toml")
    with _first_output() as printed, Workers(workers, printed) as processes:
        for left in range(restarts, -1, -1):
            result = processes.run(command)
            _add_document(printed)
            if processes.asked or not result.is_lost or not left:
                break
            logger.warning("%s; continuing from the last checkpoint", _describe(result, workers))
            # If recipe.toml is unchanged, the run had not begun: what is in the folder is an
            # earlier run, which must not be resumed.
            if _identity(output / "recipe.toml") != before:
                command = without_options(command, (), flags=("--resume", "--overwrite"))
                command = with_options(command, "--resume")
        if result.status != 0:
            _say(result, workers, processes.asked)
            raise typer.Exit(RESUMABLE_STATUS if result.is_lost else result.status)


@contextmanager
def _first_output() -> Iterator[BinaryIO | None]:
    """Where the first process prints: with `--json` a file, the document of which is read."""
    if current() is None:
        yield None
        return
    with tempfile.TemporaryFile() as file:
        yield file


def _add_document(printed: BinaryIO | None) -> None:
    """Adds what the first process printed to the document of this command."""
    document = current()
    if printed is None or document is None:
        return
    printed.seek(0)
    document.add_document(printed.read())
    printed.seek(0)
    printed.truncate()


def _say(result: WorkersResult, workers: int, asked: str) -> None:
    """Says on standard error why the processes ended, unless the first one said it."""
    if result.worker == 0 < result.status:
        return
    label, what = "error:", _describe(result, workers)
    if asked and result.is_lost:
        label, what = "stopped:", f"by {asked}"
    note_error(f"{what}; checkpoints are kept, --resume continues")
    console = new_console(stderr=True)
    console.print(label, style="bold red", end=" ")
    for line in f"{what}; checkpoints are kept, --resume continues".splitlines():
        console.print(line)


def _describe(result: WorkersResult, workers: int) -> str:
    who = f"worker {result.worker + 1} of {workers}"
    if result.status < 0:
        return f"{who} was ended by {signal_name(-result.status)}"
    said = f":\n{result.message}\n" if result.message else ""
    return f"{who} ended with status {result.status}{said}"


def _identity(path: Path) -> tuple[int, int] | None:
    """Changes when the file is replaced; None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def with_options(command: Sequence[str], *options: str) -> list[str]:
    """The command with these options at its end, or before the arguments that follow `--`.

    Example:
        >>> with_options(["train", "--", "x"], "--threads", "2")
        ['train', '--threads', '2', '--', 'x']
    """
    end = command.index("--") if "--" in command else len(command)
    return [*command[:end], *options, *command[end:]]


def without_options(
    command: Sequence[str], names: Collection[str], *, flags: Collection[str] = ()
) -> list[str]:
    """The command without these options and their values, and without these flags.

    Example:
        >>> without_options(["train", "--workers", "2", "--restarts=1", "x"], ["--workers"])
        ['train', '--restarts=1', 'x']
    """
    kept: list[str] = []
    arguments = iter(command)
    for argument in arguments:
        if argument == "--":
            return [*kept, argument, *arguments]
        if argument in flags:
            continue
        if argument in names:
            next(arguments, None)
        elif argument.partition("=")[0] not in names:
            kept.append(argument)
    return kept
