"""What is measured: a point of the grid, and the arrays that stand for it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cisreg.motifs import MotifSet, read_motifs, strongest_site_log_concentration

# Motif sets that a point can name instead of a folder of data.
LIKE_YEAST = "like yeast"
EVERY_COLUMN = "every column"


class Point(NamedTuple):
    """One shape of the problem, computed by one implementation.

    Attributes:
        implementation: a name of `rivals.ALL`.
        sequence_count: sequences per call, and the batch of a training step.
        length: bases per sequence.
        width: columns the motifs are stored in.
        motif_count: motifs.
        threads: cores that the process may use.
        dtype: what sites are computed in; sums and parameters are float32.
        motifs: a folder with motif_list.txt, whose motifs are used; "like yeast", random motifs of
            the widths described in `random_motifs`; or "every column", random motifs as wide as
            they are stored.
        steps: batches in an epoch of training.
    """

    implementation: str
    sequence_count: int = 1024
    length: int = 110
    width: int = 30
    motif_count: int = 245
    threads: int = 2
    dtype: str = "float32"
    motifs: str = LIKE_YEAST
    steps: int = 1


class Problem(NamedTuple):
    """Arrays of a point.

    Attributes:
        sequence: uint8 [N, L]; for training all the sequences of an epoch.
        log_kd: float32 [W, 4, M].
        log_concentration: float32 [M].
        column_range: int32 [2, M], first column of each motif and the one behind its last.
        expression: float32 [N], what training fits.
        batch: sequences per training step.
        dtype: what sites are computed in.
    """

    sequence: np.ndarray
    log_kd: np.ndarray
    log_concentration: np.ndarray
    column_range: np.ndarray
    expression: np.ndarray
    batch: int
    dtype: str = "float32"


def random_motifs(count: int, width: int) -> MotifSet:
    """Motifs of widths like those of the 245 motifs of yeast, entries normal(0, 1.5).

    Two thirds are 5 to 10 columns wide and one third 11 to 22, evenly; none is wider than `width`.
    """
    random = np.random.default_rng(0)
    narrow = random.random(count) < 2 / 3
    own = np.where(narrow, random.integers(5, 11, count), random.integers(11, 23, count))
    matrices = [random.normal(0, 1.5, (min(columns, width), 4)) for columns in own]
    return MotifSet.from_matrices([f"motif {i}" for i in range(count)], matrices, width=width)


def make_motifs(source: str, count: int, width: int) -> MotifSet:
    """Motifs of a source that `Point.motifs` names, as many as asked for.

    Fewer than a folder has are taken evenly from its list; where more are asked for, they repeat.
    """
    if source == LIKE_YEAST:
        return random_motifs(count, width)
    if source == EVERY_COLUMN:
        matrices = np.random.default_rng(0).normal(0, 1.5, (count, width, 4))
        names = [f"motif {i}" for i in range(count)]
        return MotifSet.from_matrices(names, list(matrices), width=width)
    # Motifs wider than W must be trimmed.
    logging.getLogger("cisreg.motifs").setLevel(logging.ERROR)
    motifs = read_motifs(Path(source) / "motif_list.txt", width=width)
    index = np.arange(count) % len(motifs)
    if count < len(motifs):
        index = np.arange(count) * len(motifs) // count
    return MotifSet(
        tuple(f"{motifs.names[i]} {copy}" for copy, i in enumerate(index)),
        motifs.log_kd[:, :, index],
        motifs.first_column[index],
        motifs.widths[index],
    )


def make_problem(point: Point, *, training: bool = False) -> Problem:
    """Random sequences under the point's motifs; measurements that are random as well."""
    random = np.random.default_rng(1)
    motifs = make_motifs(point.motifs, point.motif_count, point.width)
    count = point.sequence_count * (point.steps if training else 1)
    return Problem(
        random.integers(0, 4, (count, point.length)).astype(np.uint8),
        np.array(motifs.log_kd),
        strongest_site_log_concentration(motifs),
        motifs.column_range(),
        random.normal(10, 2, count).astype(np.float32),
        point.sequence_count,
        point.dtype,
    )
