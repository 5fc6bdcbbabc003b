"""The trained models that are stored next to the repository, read from the original's files."""

from __future__ import annotations

import gzip

import numpy as np
from shared_data import shared_data

from cisreg.legacy import import_model
from cisreg.model import ModelSpec

LENGTH = 110


def positional_stranded() -> tuple[ModelSpec, dict[str, np.ndarray]]:
    """The model of all three stages, from its text files."""
    return _imported("positional_stranded")


def second_stage() -> tuple[ModelSpec, dict[str, np.ndarray]]:
    """The model after two stages, from its checkpoint."""
    return _imported("stage2.ckpt")


def _imported(name: str) -> tuple[ModelSpec, dict[str, np.ndarray]]:
    source = shared_data("trained_reference") / name
    model = import_model(source, binding="expected", sequence_length=LENGTH)
    return model.spec, dict(model.parameters)


def predictions() -> np.ndarray:
    """What the original software predicts with `positional_stranded`, float64 [9982]."""
    with gzip.open(shared_data("trained_reference") / "positional_stranded.pred.gz", "rt") as file:
        return np.loadtxt(file, skiprows=1, usecols=1)
