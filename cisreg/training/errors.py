"""Exceptions that end a training run early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cisreg.processes.signals import RESUMABLE_STATUS

if TYPE_CHECKING:
    from cisreg.training.result import FitResult


class NonFiniteLossError(ArithmeticError):
    """A loss, gradient, parameter or prediction became infinite or not a number."""


class StoppedError(RuntimeError):
    """Training was asked to stop; it has written a checkpoint to resume from.

    Attributes:
        exit_status: 75, the exit status of the command.
    """

    exit_status = RESUMABLE_STATUS


class WorkerLostError(RuntimeError):
    """Another worker of the run was lost; the run can be resumed from the last checkpoint.

    Attributes:
        exit_status: 75, the exit status of the command.
    """

    exit_status = RESUMABLE_STATUS


class FitInterrupt(KeyboardInterrupt):
    """An interrupt (Ctrl-C) ended training in a program that is not interactive.

    Attributes:
        result: the `FitResult` with the parameters at the interrupt.
    """

    result: FitResult

    @classmethod
    def with_result(cls, result: FitResult) -> FitInterrupt:
        """The interrupt of a training that has this result so far."""
        interrupt = cls("training was interrupted; `result` of this exception holds what it has")
        interrupt.result = result
        return interrupt
