"""Work that the simulator of PTX counts, launch by launch, for a chip that is not here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.gpu.limit import PLAIN, Axes
from benchmarks.shared import executors
from benchmarks.shared.problem import Point, Problem, make_problem


class Chip(NamedTuple):
    """What the simulator's table of rates does not have.

    Attributes:
        architecture: compute capability times 100.
        multiprocessors: their number.
        shared_bytes: of shared memory that a block may ask for.
        base_ghz: the clock that the maker promises at the board's power, by lists of boards; the
            boost clock is in the simulator's table.
        cache_bytes: that the second-level cache gives in a second. A100: 5120 a cycle (white
            paper), which is taken for the H100 too; T4: measured by Jia et al. (2019); L4: a guess
            from boards of its kind.
    """

    architecture: int
    multiprocessors: int
    shared_bytes: int
    base_ghz: float
    cache_bytes: float


CHIPS = {
    "H100": Chip(900, 132, 227 << 10, 1.59, 5120 * 1.98e9),
    "A100": Chip(800, 108, 163 << 10, 1.275, 5120 * 1.41e9),
    "L4": Chip(890, 58, 99 << 10, 0.795, 2.3e12),
    "T4": Chip(750, 40, 64 << 10, 0.585, 1.27e12),
}


class Launch(NamedTuple):
    """A kernel's launch: its mangled name, and the simulator's statistics."""

    symbol: str
    stats: Any


@dataclasses.dataclass(frozen=True)
class Work:
    """A problem as the executors expect it."""

    problem: Problem
    compute_dtype: str
    upstream: Sequence[np.ndarray | None]
    column_range: np.ndarray | None = None
    spans: np.ndarray | None = None
    own_length: np.ndarray | None = None
    position_weight: np.ndarray | None = None
    condition: np.ndarray | None = None

    @property
    def weighted(self) -> bool:
        """Whether there are position weights."""
        return self.position_weight is not None

    @property
    def options(self) -> dict[str, str]:
        """What is the same for all rows."""
        return {"reduction": "expected", "padding": "same"}

    @property
    def arguments(self) -> dict[str, np.ndarray]:
        """Inputs by name."""
        names = ("sequence", "log_kd", "log_concentration")
        arguments = {name: np.asarray(getattr(self.problem, name)) for name in names}
        if self.position_weight is not None:
            arguments["position_weight"] = self.position_weight
        return arguments

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, L, W, M."""
        width, _, motifs = self.problem.log_kd.shape
        return (*self.problem.sequence.shape, width, motifs)

    @property
    def sequences(self) -> int:
        """N."""
        return self.shape[0]

    @property
    def motifs(self) -> int:
        """M."""
        return self.shape[3]


def make_work(point: Point, axes: Axes = PLAIN) -> Work:
    """Random sequences, upstream gradients and position weights under the point's motifs.

    Conditions differ by up to a factor of e^3 in each concentration.
    """
    problem = make_problem(point)
    random = np.random.default_rng(2)
    sums: tuple[int, ...] = (2, point.motif_count)
    if axes.conditions > 1:
        less = random.uniform(0, 3, (axes.conditions, point.motif_count)).astype(np.float32)
        problem = problem._replace(log_concentration=problem.log_concentration - less)
        sums = (axes.conditions, *sums)
    upstream = [random.normal(size=(point.sequence_count, *sums)).astype(np.float32), None]
    weight = None
    if axes.sets:
        sets = (axes.sets,) if axes.sets > 1 else ()
        windows = (*sets, 2, point.length, point.motif_count)
        weight = random.normal(1, 1, windows).astype(np.float32)
        of_sets = (point.sequence_count, *sums[:-2], *sets, *sums[-2:])
        upstream[1] = random.normal(size=of_sets).astype(np.float32)
    return Work(problem, point.dtype, upstream, position_weight=weight)


def count_work(
    chip: str,
    sample: int,
    work: Work,
    backward: bool,
    wanted: Callable[[str], bool] = lambda _: True,
) -> list[Launch]:
    """Launches of one direction, on a chip cut down to `sample` multiprocessors.

    Args:
        chip: a name of CHIPS.
        sample: how many of its multiprocessors.
        work: the problem.
        backward: the gradient, else forward.
        wanted: which launches run, by the mangled names of their kernels; counts of the others are
            not returned, and those that run must not depend on what the others compute.
    """
    architecture, _, shared, *_ = CHIPS[chip]
    executors.DEVICES[architecture] = (architecture // 10, sample, shared)
    executor = executors.Simulator(architecture)
    launches: list[Launch] = []

    def launch(_: Any, found: dict[str, Any]) -> None:
        if not wanted(found["symbol"]):
            return
        kernel = executors.ptx_kernels(architecture)[found["symbol"]][found["symbol"]]
        stats = kernel.launch(
            found["grid"],
            found["block"],
            found["shared"],
            [found["params"]],
            racecheck=False,
            global_racecheck=False,
        )
        launches.append(Launch(found["symbol"], stats))

    executor._launch = launch
    (executor.backward if backward else executor.forward)(work)
    return launches
