"""Tasks by priority within a number of seconds, and what was left out.

A script for a machine that is lent for minutes must end in time with what matters most. Each task
says how long it may take; it is not begun where less is left.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Result = dict[str, Any]


class TaskError(Exception):
    """A task gave no result; the message says why."""


class ImpossibleError(TaskError):
    """This machine cannot do the task, which is no fault of anything."""


@dataclasses.dataclass(frozen=True)
class Task:
    """One measurement or check.

    Attributes:
        name: tells it from all others, also in a recorded run.
        part: what it belongs to, such as "times".
        priority: tasks with smaller numbers come first.
        seconds: what it may take.
        perform: does it within the seconds that it is given, or raises an error that says why not;
            TaskError where that was to be expected.
    """

    name: str
    part: str
    priority: int
    seconds: float
    perform: Callable[[float], Result] = dataclasses.field(compare=False, repr=False)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a task: a result, or the reason why there is none.

    Attributes:
        name: of the task.
        part: of the task.
        seconds: that it took.
        result: what it gave, or None.
        missing: why there is no result, or None.
        impossible: whether that is because this machine cannot do it.
    """

    name: str
    part: str
    seconds: float
    result: Result | None = None
    missing: str | None = None
    impossible: bool = False

    @property
    def left_out(self) -> bool:
        """Whether the task was not begun for want of time."""
        return self.missing == LEFT_OUT


LEFT_OUT = "left out: no time was left"


class Deadline:
    """When a task that asks several times must be done.

    Args:
        seconds: from now on.
        clock: seconds of a clock that does not jump.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._at = clock, clock() + seconds

    def left(self) -> float:
        """Seconds that are left; 0 afterwards."""
        return max(0.0, self._at - self._clock())


def run_tasks(
    tasks: Iterable[Task],
    seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Outcome]:
    """Performs tasks in order of priority, each that still has the time it may take.

    A large task that no longer fits does not keep smaller ones behind it from running.

    Args:
        tasks: what to do; tasks of one priority keep their order.
        seconds: for all of them together.
        clock: seconds of a clock that does not jump.
        tell: is told the name of each task that begins.

    Returns:
        An outcome per task, in the order in which they were tried.
    """
    began = clock()
    outcomes = []
    for task in sorted(tasks, key=lambda task: task.priority):
        at = clock()
        left = began + seconds - at
        if left < task.seconds:
            outcomes.append(Outcome(task.name, task.part, 0.0, missing=LEFT_OUT))
            continue
        tell(task.name)
        outcomes.append(_outcome_of(task, at, clock))
    return outcomes


def _outcome_of(task: Task, began: float, clock: Callable[[], float]) -> Outcome:
    result, missing, impossible = None, None, False
    try:
        result = task.perform(task.seconds)
    except TaskError as error:
        missing, impossible = str(error), isinstance(error, ImpossibleError)
    except Exception as error:  # What is measured already must not be lost with it.
        missing = f"{type(error).__name__}: {error}"
    return Outcome(task.name, task.part, clock() - began, result, missing, impossible)


def unanswered(outcomes: Iterable[Outcome], part: str) -> list[Outcome]:
    """Tasks of a part that were begun, and could have been done, but gave no result."""
    return [
        outcome
        for outcome in outcomes
        if outcome.part == part
        and outcome.result is None
        and not (outcome.left_out or outcome.impossible)
    ]


def results_of(outcomes: Iterable[Outcome], part: str) -> list[Result]:
    """The results of a part, each with its task's name."""
    return [
        {"name": outcome.name, **outcome.result}
        for outcome in outcomes
        if outcome.part == part and outcome.result is not None
    ]


def reasons_of(outcomes: Iterable[Outcome]) -> list[tuple[str, str]]:
    """Names and reasons of tasks without a result; those of one reason and part are counted."""
    groups: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        if outcome.missing is not None:
            groups.setdefault((outcome.part, outcome.missing), []).append(outcome.name)
    return [(_several(part, names), reason) for (part, reason), names in groups.items()]


def _several(part: str, names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} of {part}, such as {names[0]}"
