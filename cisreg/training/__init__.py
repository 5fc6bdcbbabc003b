"""Training: stages, schedules, `fit`, checkpoints."""

from cisreg.training.checkpoint import checkpoint_parameters
from cisreg.training.loop import FitResult, fit
from cisreg.training.precision import Precision
from cisreg.training.reports import StepRecord
from cisreg.training.run import NonFiniteLossError
from cisreg.training.schedules import (
    Constant,
    CosineWarmup,
    ExponentialDecay,
    Schedule,
    TriangularCycle,
)
from cisreg.training.stages import Stage
from cisreg.training.state import EpochRecord
from cisreg.training.step import Loss

__all__ = [
    "Constant",
    "CosineWarmup",
    "EpochRecord",
    "ExponentialDecay",
    "FitResult",
    "Loss",
    "NonFiniteLossError",
    "Precision",
    "Schedule",
    "Stage",
    "StepRecord",
    "TriangularCycle",
    "checkpoint_parameters",
    "fit",
]
