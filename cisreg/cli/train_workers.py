"""`cisreg train --workers`: the same command in several processes, begun again where one dies."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Collection, Sequence

import typer
from rich.console import Console

from cisreg.workers import WorkersResult, own_command, run_workers

logger = logging.getLogger("cisreg.cli")

_RESUMABLE_STATUS = 75
_SIGNAL_STATUS = 128


def train_in_processes(workers: int, restarts: int, threads: int | None) -> None:
    """Runs this process' own command in `workers` processes.

    Args:
        workers: how many.
        restarts: how often to go on from the last checkpoint where one is lost.
        threads: of each; None: the cores are divided.

    Raises:
        typer.Exit: with the status of the first that failed.
    """
    command = without_options(own_command(), ("--workers", "--restarts"))
    if threads is None:
        command += ["--threads", str(max(1, len(os.sched_getaffinity(0)) // workers))]
    for left in range(restarts, -1, -1):
        result = run_workers(command, workers)
        if result.status == 0:
            return
        if left and _may_go_on(result):
            logger.warning("%s; going on from the last checkpoint", _describe(result, workers))
            command = [each for each in command if each not in ("--resume", "--overwrite")]
            command.append("--resume")
        else:
            break
    if not (result.asked or result.worker == 0 < result.status < _SIGNAL_STATUS):
        # The first process has said what was wrong with itself.
        console = Console(stderr=True)
        console.print("error:", style="bold red", end=" ")
        console.print(
            f"{_describe(result, workers)}; what was saved is kept, --resume goes on from it",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    lost = result.status > _SIGNAL_STATUS
    raise typer.Exit(_RESUMABLE_STATUS if lost else result.status)


def _may_go_on(result: WorkersResult) -> bool:
    lost = result.status > _SIGNAL_STATUS or result.status == _RESUMABLE_STATUS
    return lost and not result.asked


def _describe(result: WorkersResult, workers: int) -> str:
    who = f"worker {result.worker + 1} of {workers}"
    if result.status > _SIGNAL_STATUS:
        return f"{who} was ended by {signal.Signals(result.status - _SIGNAL_STATUS).name}"
    said = f":\n{result.message}\n" if result.message else ""
    return f"{who} ended with status {result.status}{said}"


def without_options(command: Sequence[str], names: Collection[str]) -> list[str]:
    """The command without these options and their values.

    Example:
        >>> without_options(["train", "--workers", "2", "--restarts=1", "x"], ["--workers"])
        ['train', '--restarts=1', 'x']
    """
    kept: list[str] = []
    arguments = iter(command)
    for argument in arguments:
        if argument in names:
            next(arguments, None)
        elif argument.partition("=")[0] not in names:
            kept.append(argument)
    return kept
