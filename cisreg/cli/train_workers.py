"""`cisreg train --workers`: several processes of the same command, restarted if one is lost."""

from __future__ import annotations

import logging
import signal
from collections.abc import Collection, Sequence
from pathlib import Path

import typer

from cisreg.cli.terminal import new_console
from cisreg.limits import available_cores
from cisreg.processes.cluster import cluster_size
from cisreg.processes.signals import RESUMABLE_STATUS
from cisreg.processes.workers import WorkersResult, own_command, run_workers

logger = logging.getLogger("cisreg.cli")

_SIGNAL_STATUS = 128


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
    for left in range(restarts, -1, -1):
        result = run_workers(command, workers)
        if result.status == 0:
            return
        if left and _may_go_on(result):
            logger.warning("%s; continuing from the last checkpoint", _describe(result, workers))
            # If recipe.toml is unchanged, the run had not begun: what is in the folder is an
            # earlier run, which must not be resumed.
            if _identity(output / "recipe.toml") != before:
                command = without_options(command, (), flags=("--resume", "--overwrite"))
                command = with_options(command, "--resume")
        else:
            break
    if not (result.asked or result.worker == 0 < result.status < _SIGNAL_STATUS):
        # Not if the first process failed with an error: it printed the message itself.
        console = new_console(stderr=True)
        console.print("error:", style="bold red", end=" ")
        text = f"{_describe(result, workers)}; checkpoints are kept, --resume continues"
        for line in text.splitlines():
            console.print(line)
    lost = result.status > _SIGNAL_STATUS
    raise typer.Exit(RESUMABLE_STATUS if lost else result.status)


def _may_go_on(result: WorkersResult) -> bool:
    lost = result.status > _SIGNAL_STATUS or result.status == RESUMABLE_STATUS
    return lost and not result.asked


def _describe(result: WorkersResult, workers: int) -> str:
    who = f"worker {result.worker + 1} of {workers}"
    if result.status > _SIGNAL_STATUS:
        return f"{who} was ended by {signal.Signals(result.status - _SIGNAL_STATUS).name}"
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
