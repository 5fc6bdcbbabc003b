"""A model and data so small that training takes no time, shared by the tests of training."""

from __future__ import annotations

import numpy as np

from cisreg.data import Dataset
from cisreg.losses import Penalty
from cisreg.model import ModelSpec, init_parameters, predict
from cisreg.training import CosineWarmup, FitResult, Stage, fit

MOTIFS, WIDTH, LENGTH = 3, 4, 20
SPEC = ModelSpec(motif_count=MOTIFS, motif_width=WIDTH, sequence_length=LENGTH)
STAGES = (
    Stage(
        ("activity", "potentiation", "potentiation_bias", "bias"),
        epochs=3,
        learning_rate=0.05,
        schedule=CosineWarmup(warmup=1.0, final=0.2),
        batch_size=30,
        average_decay=0.8,
    ),
    Stage(
        ("activity", "bias", "log_kd", "log_concentration"),
        epochs=4,
        learning_rate=0.02,
        batch_size=50,
        optimizer="rmsprop",
        momentum=0.5,
        patience=3,
        penalty=Penalty(motif_pull=0.1),
    ),
)


def start_parameters(seed: int = 0, spec: ModelSpec = SPEC) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    log_kd = random.normal(0, 1.5, (WIDTH, 4, MOTIFS)).astype(np.float32)
    return init_parameters(spec, log_kd, np.full(MOTIFS, -4.0, np.float32), seed=seed)


def make_dataset(count: int = 200, seed: int = 0) -> Dataset:
    """Random sequences measured without noise by a model that training can recover."""
    random = np.random.default_rng(seed)
    sequence = random.integers(0, 5, (count, LENGTH), dtype=np.uint8)
    truth = start_parameters()
    truth["activity"] = np.array([3.0, -2.0, 1.0], np.float32)
    truth["bias"] = np.float32(1.0)
    return Dataset(sequence, predict(SPEC, truth, sequence, implementation="standard")[0].numpy())


def fit_tiny(dataset: Dataset | None = None, stages=STAGES, **options) -> FitResult:
    """`fit` on the standard operations, so that these tests need no compiled library."""
    parameters = options.pop("parameters", None) or start_parameters()
    options = {"validation": 0.2, "progress": False, "implementation": "standard"} | options
    dataset = make_dataset() if dataset is None else dataset
    return fit(options.pop("spec", SPEC), parameters, dataset, stages, **options)


def assert_same_bits(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert list(first) == list(second)
    for name, value in first.items():
        assert value.tobytes() == second[name].tobytes(), name
