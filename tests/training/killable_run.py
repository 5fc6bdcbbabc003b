"""A training process for the test of killing it: killable_run.py FOLDER RESULT [resume]."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from tiny_model import STAGES, fit_tiny

if __name__ == "__main__":
    folder, result_path = map(Path, sys.argv[1:3])
    result = fit_tiny(
        stages=[replace(stage, epochs=60, patience=None) for stage in STAGES],
        checkpoint_directory=folder,
        checkpoint_every=2,
        steps_per_call=1,
        metrics_path=folder / "metrics.jsonl",
        resume="resume" in sys.argv,
    )
    np.savez(result_path, **result.parameters)
