"""A process that saves checkpoints in an endless loop, for the test of killing it."""

from __future__ import annotations

from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from cisreg.locks import hold_folder
from cisreg.training.checkpoint import Checkpoints
from cisreg.training.state import TrainingState


def save_without_end(folder: Path, told: Connection) -> None:
    """Saves states in which every number is the step, and reports each step after saving it."""
    checkpoints = Checkpoints(folder, {}, keep=2)
    state = checkpoints.load()
    with hold_folder(folder):
        for step in count(1 if state is None else state.step + 1):
            checkpoints.save(TrainingState({"x": np.full(100_000, step, np.float32)}, step=step))
            told.send(step)
