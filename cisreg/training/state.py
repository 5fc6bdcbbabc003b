"""The state of a training run between two calls of the compiled function."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cisreg.training.unit import Unit


@dataclass(frozen=True)
class EpochRecord:
    """The results of a finished epoch; one line of metrics.jsonl.

    Attributes:
        stage: counted from 1.
        epoch: of the stage, counted from 1.
        total_epoch: counted from 1 over the whole run.
        step: steps since the start of the run, including those that a loss scale skipped.
        learning_rate: of the epoch's last step.
        loss: mean over the epoch's sequences of the loss of their batch, penalties excluded.
        penalty: mean over the epoch's sequences of the penalty of their batch.
        validation_loss: loss of the validation set after the epoch; None without a validation set.
        validation_r: Pearson's r of the validation set; None without one, or if undefined. Of
            several outputs, the mean of theirs.
        validation_r_squared: explained share of its variance; None in the same cases.
        loss_scale: of "mixed_float16", after the epoch's last step; None otherwise.
        seconds: time that the epoch's steps took, in this process.
        sequences_per_second: sequences trained on in that time, per second.
    """

    stage: int
    epoch: int
    total_epoch: int
    step: int
    learning_rate: float
    loss: float
    penalty: float
    validation_loss: float | None
    validation_r: float | None
    validation_r_squared: float | None
    loss_scale: float | None
    seconds: float
    sequences_per_second: float


@dataclass
class Best:
    """The best parameters of a stage so far.

    Attributes:
        validation_loss: their loss on the validation set.
        total_epoch: the epoch after which the model had them, counted over the whole run.
        parameters: float32 arrays by name.
    """

    validation_loss: float
    total_epoch: int
    parameters: dict[str, np.ndarray]


@dataclass
class TrainingState:
    """Everything that a run needs to continue as if it had never stopped.

    Parameters, losses and penalties are in the standard unit (`cisreg.training.unit`); those of the
    history are in the unit of the measurements.

    Attributes:
        parameters: float32 arrays by name, those of the model and of a noise model.
        scale, shift: the unit of the measurements.
        optimizer: the optimizer's variables in its own order; empty at the start of a stage.
        best: best parameters of the stage; None without early stopping.
        stage: finished stages.
        epoch: finished epochs of this stage.
        step: finished steps of this epoch.
        loss_sum, penalty_sum: sums over the sequences of this epoch so far.
        sequences: number of these sequences.
        window_steps, window_sequences, window_loss: of the steps since the last `StepRecord`.
        result_epoch: the epoch after which the model had the parameters that the last stage ended
            with, counted over the whole run.
        history: one record for each finished epoch.
    """

    parameters: dict[str, np.ndarray]
    scale: float = 1.0
    shift: float = 0.0
    optimizer: list[np.ndarray] = field(default_factory=list)
    best: Best | None = None
    stage: int = 0
    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    penalty_sum: float = 0.0
    sequences: int = 0
    window_steps: int = 0
    window_sequences: int = 0
    window_loss: float = 0.0
    result_epoch: int = 0
    history: list[EpochRecord] = field(default_factory=list)

    @property
    def unit(self) -> Unit:
        """The unit of the measurements."""
        return Unit(self.scale, self.shift)

    @property
    def total_steps(self) -> int:
        """Steps since the start of the run."""
        return (self.history[-1].step if self.history else 0) + self.step
