"""Exit statuses of the commands: the table that code, help, documentation and tests use."""

from __future__ import annotations

from enum import IntEnum

from cisreg.processes.signals import RESUMABLE_STATUS

# A shell shows this, plus the number of the signal, of a program that a signal ended.
SIGNAL_STATUS = 128


class ExitStatus(IntEnum):
    """How a command ended.

    Example:
        >>> ExitStatus.USAGE.value, ExitStatus.USAGE.meaning
        (2, 'the command line is wrong: an option, a value or an argument')
    """

    DONE = 0
    FAILED = 1
    USAGE = 2
    RESUMABLE = RESUMABLE_STATUS
    INTERRUPTED = SIGNAL_STATUS + 2
    NO_READER = SIGNAL_STATUS + 13
    TERMINATED = SIGNAL_STATUS + 15

    @property
    def meaning(self) -> str:
        """What it says, in words."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitStatus.DONE: "done",
    ExitStatus.FAILED: "wrong input or a failure, which is said; cisreg check and cisreg doctor: "
    "an error was found",
    ExitStatus.USAGE: "the command line is wrong: an option, a value or an argument",
    ExitStatus.RESUMABLE: "train was stopped, or lost a worker; the same command with --resume "
    "goes on",
    ExitStatus.INTERRUPTED: "Ctrl-C ended the command",
    ExitStatus.NO_READER: "whoever read standard output had enough of it, as head has",
    ExitStatus.TERMINATED: "SIGTERM ended the command; of another signal, 128 and its number",
}


def listed() -> str:
    """The statuses that a script tells apart, for the help of the program.

    Example:
        >>> listed().startswith("0 done; 1 wrong input")
        True
    """
    return "; ".join(
        f"{each.value} {each.meaning.partition(';')[0]}" for each in list(ExitStatus)[:4]
    )
