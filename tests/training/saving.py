"""A process that saves checkpoints without end, for the test of killing it."""

from __future__ import annotations

from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from cisreg.training.checkpoint import Checkpoints
from cisreg.training.state import TrainingState


def save_without_end(folder: Path, told: Connection) -> None:
    """Saves states whose every number is their step, and tells of each that is saved."""
    checkpoints = Checkpoints(folder, {}, keep=2)
    state = checkpoints.load()
    for step in count(1 if state is None else state.step + 1):
        checkpoints.save(TrainingState({"x": np.full(100_000, step, np.float32)}, step=step))
        told.send(step)
