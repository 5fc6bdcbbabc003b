"""Trains the model `demo` that comes with cisreg, and stores it: python tests/store_demo_model.py

After a change of the simulation, of the demo motifs or of the default recipe. The test of
`datasets/test_demo.py` trains it again and compares.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import cisreg
from cisreg.datasets.simulated import DEMO_MODEL, DEMO_MODEL_FOLDER
from cisreg.motifs import demo_motifs


def train(folder: Path | None = None) -> cisreg.Model:
    """The model as it is stored, trained anew; saved where a folder is given."""
    trained = cisreg.train(
        cisreg.datasets.load("yeast_gpra_demo"),
        demo_motifs(),
        "default",
        seed=0,
        progress=False,
        metadata={"description": DEMO_MODEL.description, "licence": DEMO_MODEL.licence},
    )
    if folder is not None:
        cisreg.save_model(folder, trained.model)
    return trained.model


if __name__ == "__main__":
    shutil.rmtree(DEMO_MODEL_FOLDER, ignore_errors=True)
    train(DEMO_MODEL_FOLDER)
