"""Training: stages, schedules, `fit`, checkpoints."""

from cisreg.training.checkpoint import checkpoint_parameters
from cisreg.training.errors import (
    FitInterrupt,
    NonFiniteLossError,
    StoppedError,
    WorkerLostError,
)
from cisreg.training.feeds import Cache
from cisreg.training.loop import fit, run
from cisreg.training.options import RunOptions
from cisreg.training.plan import TrainingPlan
from cisreg.training.precision import Precision
from cisreg.training.replicas import StrategyName, find_strategy
from cisreg.training.reports import StepRecord
from cisreg.training.result import FitResult
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
    "FitInterrupt",
    "FitResult",
    "Loss",
    "NonFiniteLossError",
    "Precision",
    "RunOptions",
    "Schedule",
    "Stage",
    "StepRecord",
    "StoppedError",
    "StrategyName",
    "TrainingPlan",
    "TriangularCycle",
    "WorkerLostError",
    "checkpoint_parameters",
    "find_strategy",
    "fit",
    "run",
]


def __dir__() -> list[str]:
    return __all__
