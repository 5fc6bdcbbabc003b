"""Training: stages, schedules, `fit`, checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cisreg.lazy import names_at_first_use

if TYPE_CHECKING:
    from cisreg.choices import Precision
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
    from cisreg.training.pictures import Plots
    from cisreg.training.plan import TrainingPlan
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

_MODULES = {
    "cisreg.choices": ("Precision",),
    "cisreg.training.checkpoint": ("checkpoint_parameters",),
    "cisreg.training.errors": (
        *("FitInterrupt", "NonFiniteLossError", "StoppedError", "WorkerLostError"),
    ),
    "cisreg.training.feeds": ("Cache",),
    "cisreg.training.loop": ("fit", "run"),
    "cisreg.training.options": ("RunOptions",),
    "cisreg.training.pictures": ("Plots",),
    "cisreg.training.plan": ("TrainingPlan",),
    "cisreg.training.replicas": ("StrategyName", "find_strategy"),
    "cisreg.training.reports": ("StepRecord",),
    "cisreg.training.result": ("FitResult",),
    "cisreg.training.schedules": (
        *("Constant", "CosineWarmup", "ExponentialDecay", "Schedule", "TriangularCycle"),
    ),
    "cisreg.training.stages": ("Stage",),
    "cisreg.training.state": ("EpochRecord",),
    "cisreg.training.step": ("Loss",),
}
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
    "Plots",
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

__getattr__ = names_at_first_use(__name__, _MODULES)


def __dir__() -> list[str]:
    return __all__
