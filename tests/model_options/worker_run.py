"""One worker that trains every row of the table: worker_run.py FOLDER; TF_CONFIG says which."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from model_options.rows import ROWS, case_of


def main(folder: str) -> None:
    # Before any other operation.
    workers = "TF_CONFIG" in os.environ
    strategy = tf.distribute.MultiWorkerMirroredStrategy() if workers else None
    for row in ROWS:
        if "workers" in row.refuses:
            continue
        result = case_of(row.name).fit(strategy=strategy)
        numbers = {} if result.noise is None else vars(result.noise)
        trained = {name: each for name, each in numbers.items() if each is not None}
        np.savez(Path(folder) / f"{row.name} {os.getpid()}.npz", **result.parameters, **trained)


if __name__ == "__main__":
    main(sys.argv[1])
