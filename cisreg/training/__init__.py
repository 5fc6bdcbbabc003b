"""Training: stages, schedules, `fit`, checkpoints."""

from cisreg.training.checkpoint import checkpoint_parameters
from cisreg.training.feeds import Cache
from cisreg.training.interruption import StoppedError, WorkerLostError
from cisreg.training.loop import FitResult, fit
from cisreg.training.precision import Precision
from cisreg.training.replicas import StrategyName, find_strategy
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
    "Cache",
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
    "StoppedError",
    "StrategyName",
    "TriangularCycle",
    "WorkerLostError",
    "checkpoint_parameters",
    "find_strategy",
    "fit",
]
