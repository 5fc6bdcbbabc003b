"""Trains the members of an ensemble, here or in several processes that end with this one."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from cisreg.data import Dataset, DatasetFiles
from cisreg.limits import available_cores
from cisreg.processes.signals import RESUMABLE_STATUS, StopRequest, signal_name
from cisreg.trained_model import Model

# How often the processes are looked at, and how long they get to write a checkpoint.
_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 60.0


class EnsembleStoppedError(RuntimeError):
    """A signal asked to stop while members were trained; what they have is kept.

    Attributes:
        exit_status: 75, the exit status of the command.
    """

    exit_status = RESUMABLE_STATUS


@dataclass(frozen=True)
class Task:
    """One member to train.

    Attributes:
        number: from 0.
        data: all rows, of which a bootstrap takes some.
        rows: int [K], rows to take; None: all.
        arguments: the other arguments of `cisreg.train`.
    """

    number: int
    data: Dataset | DatasetFiles
    rows: np.ndarray | None
    arguments: Mapping[str, Any] = field(default_factory=dict)


def train_all(
    tasks: Sequence[Task], folders: Sequence[Path | None], processes: int, threads: int | None
) -> Iterator[tuple[int, Model]]:
    """Trains members, and yields the number and the model of each as it is finished.

    Args:
        tasks: the members.
        folders: of all members by their numbers; None: nothing is written.
        processes: how many are trained at a time.
        threads: of each process, where there are several; None: its share of the cores.

    Raises:
        EnsembleStoppedError: one of the stop signals came.
        RuntimeError: a process ended early.
        ValueError: something that other processes cannot be sent.
    """
    if processes > 1 and len(tasks) > 1:
        yield from _train_in_processes(tasks, folders, min(processes, len(tasks)), threads)
        return
    from cisreg.training.errors import StoppedError

    for task in tasks:
        try:
            model = train_member(task, folders[task.number])
        except StoppedError as error:
            raise EnsembleStoppedError(
                f"member {task.number}: {error}; {_advice(folders)}"
            ) from error
        yield task.number, model


def train_member(task: Task, folder: Path | None) -> Model:
    """Trains one member; goes on from its checkpoint, if there is one.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    from cisreg.recipes import train

    data = task.data
    if task.rows is not None:
        assert isinstance(data, Dataset)  # a bootstrap has its rows in memory
        data = data.take(task.rows)
    trained = train(
        data,
        **task.arguments,
        output=folder,
        resume=folder is not None,
        progress=False,
        metadata={"member": task.number},
    )
    if trained.fit.interrupted:
        raise KeyboardInterrupt
    return trained.model


def _train_in_processes(
    tasks: Sequence[Task], folders: Sequence[Path | None], processes: int, threads: int | None
) -> Iterator[tuple[int, Model]]:
    _check_sent(tasks[0])
    signals = tasks[0].arguments.get("stop_signals", ())
    threads = threads or max(1, available_cores() // processes)
    # A process that is forked from one that has used TensorFlow cannot compute.
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        processes, mp_context=context, initializer=_begin_process, initargs=(threads, os.getpid())
    )
    own: set[BaseProcess] = set()
    complete = False
    with StopRequest(signals) as request:
        try:
            number = {
                pool.submit(_train_here, task, folders[task.number]): task.number for task in tasks
            }
            own = set(multiprocessing.active_children()) - before
            yield from _finished(number, request)
            complete = request.received is None
        except BrokenProcessPool:
            if request.received is None:
                raise RuntimeError(_BROKEN) from None
        finally:
            if complete:
                pool.shutdown()
            else:
                _end(pool, own)
        if request.received is not None:
            raise EnsembleStoppedError(
                f"stopped by {signal_name(request.received)}; {_advice(folders)}"
            )


_BROKEN = (
    "a process that trains a member ended early: it was killed, had too little memory, or the "
    'script has no `if __name__ == "__main__":`; with a folder, finished members are kept when '
    "fit_ensemble is called again"
)


def _check_sent(task: Task) -> None:
    # Rows in memory may be large, and arrays can always be sent.
    data = None if isinstance(task.data, Dataset) else task.data
    try:
        pickle.dumps((data, task.arguments))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"processes: expected options that other processes can be sent, got one that cannot "
            f"({error}); give 1 process, or functions of a module instead of lambdas"
        ) from None


def _finished(
    number: dict[Future[Model], int], request: StopRequest
) -> Iterator[tuple[int, Model]]:
    """The models as they are finished, until a signal comes."""
    left: set[Future[Model]] = set(number)
    while left and request.received is None:
        done, left = wait(left, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
        for future in sorted(done, key=number.__getitem__):
            yield number[future], future.result()


def _end(pool: ProcessPoolExecutor, own: set[BaseProcess]) -> None:
    """Lets processes that still train write a checkpoint, and ends them."""
    pool.shutdown(wait=False, cancel_futures=True)
    for process in own:
        if process.is_alive():
            process.terminate()
    for process in own:
        process.join(_PATIENCE_SECONDS)
        if process.is_alive():
            process.kill()


def _begin_process(threads: int, parent: int) -> None:
    from cisreg.processes.workers import end_with_parent
    from cisreg.quiet import start_tensorflow

    # Ctrl-C reaches all processes of a terminal; the first one passes it on once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(parent)
    start_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _train_here(task: Task, folder: Path | None) -> Model:
    """`train_member` in a process of its own, which SIGTERM ends behind a checkpoint."""
    from cisreg.training.errors import StoppedError

    arguments = {**task.arguments, "stop_signals": (signal.SIGTERM,)}
    try:
        return train_member(Task(task.number, task.data, task.rows, arguments), folder)
    except StoppedError:
        os._exit(RESUMABLE_STATUS)


def _advice(folders: Sequence[Path | None]) -> str:
    if any(folder is None for folder in folders):
        return "without a folder nothing is kept"
    return "finished members and checkpoints are kept, and the same call or command goes on"
