"""What a run of `launchers` found: from outcomes of tasks to a verdict, tables, JSON and a page."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.gpu import rates
from benchmarks.gpu.budget import Outcome, reasons_of, results_of, unanswered
from benchmarks.gpu.limit import PLAIN, Axes, Size
from benchmarks.gpu.report import (
    BACKWARD,
    FORWARD,
    FORWARD_BACKWARD,
    Table,
    draw,
    make_row,
    make_tables,
    print_tables,
    size_of,
    write_page,
)
from benchmarks.shared.suite import Row, number, write_json

KERNELS = "kernels"
MARKS = {"": KERNELS, "weighted": "kernels, position weights", "held": "kernels, columns held"}
COLD = ", cold cache"


class Timed(NamedTuple):
    """What is timed: a direction of the kernels at a size.

    Attributes:
        task: FORWARD or BACKWARD.
        size: the shape.
        marks: as in `cuda_cases.Case`: "weighted", "held" or nothing.
        cold: whether nothing is in the second-level cache when a launch begins.
        axes: several sets of position weights, which `marks` must have, or conditions.
    """

    task: str
    size: Size
    marks: str = ""
    cold: bool = False
    axes: Axes = PLAIN

    def __str__(self) -> str:
        return f"{self.task} {self.implementation} {words_of(self.size)}"

    @property
    def implementation(self) -> str:
        """Its name in tables."""
        if self.axes != PLAIN:
            return f"{KERNELS}, {self.axes}"
        return MARKS[self.marks] + (COLD if self.cold else "")

    def describe(self) -> Row:
        """The columns of tables that tell it from others."""
        return {"task": self.task, "implementation": self.implementation, **self.size._asdict()}


def words_of(size: Size) -> str:
    """A size as text."""
    return f"{size.sequence_count}x{size.length}x{size.width}x{size.motif_count} {size.dtype}"


def is_right(outcomes: Sequence[Outcome]) -> bool:
    """Whether every check that there was time for has an answer, and the right one.

    A check that hangs or fails is no less a fault than a wrong number. A sanitizer that is not
    installed is none.
    """
    found = [*results_of(outcomes, "checks"), *results_of(outcomes, "sanitizer")]
    return all(each["right"] for each in found) and not unanswered(outcomes, "checks")


def sparse_factor(outcomes: Sequence[Outcome]) -> float | None:
    """The measured rate of sparse products, in units of that of dense ones."""
    measured = results_of(outcomes, "rates")
    return rates.sparse_factor(measured[0]["rows"]) if measured else None


def timed_rows(device: dict[str, Any], outcomes: Sequence[Outcome]) -> list[Row]:
    """A row per measurement of time; forward and backward of the kernels also together."""
    factor = sparse_factor(outcomes)
    rows = []
    for found in results_of(outcomes, "times"):
        size = size_of(found)
        arguments = (found["task"], found["implementation"], size, found["milliseconds"], device)
        rows.append(make_row(*arguments, sparse_factor=factor))
    return rows + _both_directions(rows, device, factor)


def _both_directions(
    rows: Sequence[Row], device: dict[str, Any], factor: float | None
) -> list[Row]:
    """The sum of medians, beside which those of rivals stand."""
    of_kernels = {
        (row["task"], size_of(row)): row["median_milliseconds"]
        for row in rows
        if row["implementation"] == KERNELS
    }
    wanted = {size_of(row) for row in rows if row["task"] == FORWARD_BACKWARD}
    both = []
    for size in sorted(wanted):
        times = [of_kernels.get((task, size)) for task in (FORWARD, BACKWARD)]
        if None not in times:
            arguments = (FORWARD_BACKWARD, KERNELS, size, [sum(filter(None, times))], device)
            both.append(make_row(*arguments, sparse_factor=factor))
    return both


def checks_table(outcomes: Sequence[Outcome]) -> Table:
    """All problems that are wrong, or else the largest errors of each type."""
    found = results_of(outcomes, "checks")
    wrong = [each for each in found if not each["right"]]
    worst = [max(found, key=lambda each: each[kind]) for kind in ("sums", "gradients") if found]
    cells = [
        [
            each["name"].removeprefix("right: "),
            f"{each['sums']:.1e}",
            f"{each['gradients']:.1e}",
            "same bits" if each["repeats"] else "OTHER BITS",
            "right" if each["right"] else "WRONG",
        ]
        for each in wrong or worst
    ]
    title = f"against the oracle: {len(found) - len(wrong)} right, {len(wrong)} wrong"
    columns = ("problem", "error of sums", "of gradients", "again", "")
    return Table(f"{title}; {'all wrong ones' if wrong else 'the largest errors'}", columns, cells)


def other_tables(outcomes: Sequence[Outcome], facts: dict[str, Any]) -> list[Table]:
    """Rates, errors of rivals, sanitizers, clocks, what is missing; without empty tables."""
    measured = results_of(outcomes, "rates")
    tables = [Table(*rates.make_table(each["rows"])) for each in measured]
    errors = results_of(outcomes, "rival errors")
    cells = [[each["implementation"], f"{each['error']:.1e}"] for each in errors]
    tables.append(Table("errors of rivals' sums", ("", "of the sum's terms, at most"), cells))
    cells = [
        [each["tool"], "nothing found" if each["right"] else "; ".join(each["said"][-5:])]
        for each in results_of(outcomes, "sanitizer")
    ]
    tables.append(Table("compute-sanitizer", ("tool", ""), cells))
    cells = [[name, *map(number, of)] for name, of in facts.get("watched", {}).items()]
    tables.append(Table("the GPU meanwhile", ("", "least", "median", "most"), cells))
    cells = [list(each) for each in reasons_of(outcomes)]
    tables.append(Table("no result", ("", "why"), cells))
    return [table for table in tables if table.rows]


def notes(facts: dict[str, Any], outcomes: Sequence[Outcome]) -> list[str]:
    """The verdict in a few sentences."""
    checks = [each for each in outcomes if each.part == "checks"]
    done = [each for each in checks if not each.left_out]
    wrong = [each for each in done if each.result is None or not each.result["right"]]
    lines = [
        f"{len(done) - len(wrong)} of {len(checks)} problems are right, {len(wrong)} are wrong or "
        f"without an answer, {len(checks) - len(done)} were left out."
    ]
    factor = sparse_factor(outcomes)
    if factor is not None:
        lines.append(
            f"Sparse products through mma.sync have {factor:.2f} times the rate of dense ones; "
            "shares of the limit below are of the limit with this rate."
        )
    left_out = [each for each in outcomes if each.left_out]
    if left_out:
        lines.append(f"{len(left_out)} of {len(outcomes)} tasks were left out for want of time.")
    seconds = statistics.fsum(each.seconds for each in outcomes)
    lines.append(f"Tasks took {seconds:.0f} s. Clocks: {facts.get('clocks', 'unknown')}.")
    return lines


def write_findings(
    facts: dict[str, Any], outcomes: Sequence[Outcome], json: Path | None, page: Path | None
) -> None:
    """Prints everything, and writes what is asked for."""
    rows = timed_rows(facts, outcomes)
    tables = [checks_table(outcomes), *make_tables(rows, KERNELS), *other_tables(outcomes, facts)]
    print("\n".join(notes(facts, outcomes)))
    print_tables(tables)
    write_json(json, facts, [dataclasses.asdict(each) for each in outcomes])
    title = f"The CUDA kernels on {facts['device']}"
    shown = {key: value for key, value in facts.items() if key != "watched"}
    write_page(page, title, shown, tables, draw(rows, facts), notes(facts, outcomes))
