"""What ends a training run before its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cisreg.processes.signals import RESUMABLE_STATUS

if TYPE_CHECKING:
    from cisreg.training.result import FitResult


class NonFiniteLossError(ArithmeticError):
    """Training met a loss, gradient, parameter or prediction that is infinite or not a number."""


class StoppedError(RuntimeError):
    """Training was asked to stop, and has written a checkpoint to go on from.

    Attributes:
        exit_status: 75, what a command ends with.
    """

    exit_status = RESUMABLE_STATUS


class WorkerLostError(RuntimeError):
    """Another worker of the run is gone; its last checkpoint is there to go on from.

    Attributes:
        exit_status: 75, what a command ends with.
    """

    exit_status = RESUMABLE_STATUS


class FitInterrupt(KeyboardInterrupt):
    """An interrupt (Ctrl-C) ended training in a program that is not interactive.

    Attributes:
        result: a `FitResult` with the parameters so far.
    """

    def __init__(self, result: FitResult) -> None:
        super().__init__("training was interrupted; `result` of this exception holds what it has")
        self.result = result
