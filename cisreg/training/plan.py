"""The plan: everything that determines what a training run computes, checked at the start."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

from cisreg.choices import Precision, check_choice
from cisreg.data import Dataset
from cisreg.data.feeding.feed import Feed, MemoryFeed
from cisreg.data.feeding.stream import FileFeed
from cisreg.links import link_value
from cisreg.losses import Noise, Penalty, Poisson, is_sum, takes_missing
from cisreg.losses.table import beyond_table
from cisreg.model import ModelSpec, check_parameters
from cisreg.occupancy import Implementation
from cisreg.outputs import parameters_of_outputs
from cisreg.reference import hold_columns
from cisreg.spec import check_finite
from cisreg.start import (
    STANDARD_DEVIATION,
    STANDARD_MEAN,
    StartParameters,
    chosen_parameters,
)
from cisreg.training.schedules import Constant
from cisreg.training.stages import Stage
from cisreg.training.step import Loss
from cisreg.training.unit import STANDARD, Unit, unit_of

logger = logging.getLogger("cisreg.training")

# Parameters that are meaningless until they are trained, and their layers.
_LAYERS = {
    "activity": "the effect of every motif",
    "activity_difference": "the stranded layer (no difference between strands)",
    "potentiation": "the accessibility layer",
    "position_weight": "the positional layer (all positions alike)",
    "potentiation_position_weight": "the positional potentiation (all positions alike)",
    "link_floor": "the floor of the logistic link",
    "link_ceiling": "the ceiling of the logistic link",
    "log_binding_limit": "the binding limit",
    "accessibility_activity": "the effect of accessibility itself (none)",
    "pair_effect": "the pairs of factors (no effects)",
    "nucleosome_log_odds": "the odds of a nucleosome",
}
# Warn if the initial bias is this many standard deviations from the mean of the measurements. In
# trained models the distance is at most 10.
_FAR = 30.0
# How many numbers a loss is tried with.
_LOSS_NUMBERS = 64


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """What a run computes; two runs of the same plan give the same parameters.

    Attributes:
        spec: the model.
        initial: float32 arrays by name, where training starts; in the unit of the measurements,
            except values that `init_parameters` chose.
        training: the training data, and their order.
        validation: the data that are held out, or None.
        stages: run one after the other.
        loss: see `fit`.
        penalty: of the stages that have no penalty of their own, or None.
        column_range: int32 [2, M], columns outside of which motifs are held at zero, or None.
        seed: of the validation split and the order of the sequences.
        implementation: of the occupancy operation.
        precision: see `fit`.
        standardize: see `fit`.

    Raises:
        ValueError: the parts do not fit together.
    """

    spec: ModelSpec
    initial: Mapping[str, np.ndarray]
    training: Feed
    validation: Dataset | None
    stages: Sequence[Stage]
    loss: Loss
    penalty: Penalty | None
    column_range: np.ndarray | None
    seed: int
    implementation: Implementation
    precision: Precision = "float32"
    standardize: bool = True

    def __post_init__(self) -> None:
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                f"keras: expected the backend 'tensorflow', got {keras.backend.backend()!r}; set "
                "the environment variable KERAS_BACKEND=tensorflow"
            )
        check_choice("precision", self.precision, Precision)
        check_seed(self.seed)
        self._convert()
        self._check_parameters()
        self._check_data(self.training.count, self.training.sequence_length, "dataset")
        self._check_measurements()
        _check_weights(self.training)
        if self.validation is not None:
            self._check_validation(self.validation)
        self._refuse_trimmed()
        self._check_loss()
        self._check_stages()
        self._check_columns()

    def _convert(self) -> None:
        """Converts arrays of any kind to NumPy arrays of the dtypes above."""
        arrays = {name: np.array(value, np.float32) for name, value in self.initial.items()}
        initial = StartParameters(arrays, chosen_parameters(self.initial))
        object.__setattr__(self, "initial", initial)
        if self.column_range is not None:
            columns = np.asarray(self.column_range, np.int32)
            object.__setattr__(self, "column_range", columns)

    def _check_parameters(self) -> None:
        check_parameters(self.spec, self.initial)
        foreign = sorted(set(self.initial) - set(self.spec.parameter_shapes))
        if foreign:
            raise ValueError(
                f"parameters: expected {', '.join(self.spec.parameter_shapes)}, got "
                f"{', '.join(foreign)} as well"
            )
        check_finite(self.initial)

    def _check_data(self, count: int, length: int, argument: str) -> None:
        if count == 0:
            raise ValueError(f"{argument}: expected sequences, got none")
        if length != self.spec.sequence_length:
            raise ValueError(
                f"{argument}: expected sequences of {self.spec.sequence_length} bases as the model "
                f"has, got {length}; encode them with that length"
            )

    def _check_measurements(self) -> None:
        """Refuses measurements that are not those of the outputs, as far as they are known."""
        feed, outputs = self.training, self.spec.output_count
        in_memory = isinstance(feed, MemoryFeed)
        measured = feed.measurements()[0] if in_memory else feed.sample().expression
        columns = 1 if measured.ndim == 1 else measured.shape[1]
        if outputs > 1 and columns != outputs:
            raise ValueError(
                f"dataset: expected measurements [N, {outputs}] of the model's {outputs} outputs, "
                f"got {_measurements(('N', *measured.shape[1:]))}"
            )
        if columns > 1 and outputs == 1 and not takes_missing(self.loss):
            self._refuse_missing(measured)
        nothing = np.isnan(measured).all(axis=0)
        if columns > 1 and in_memory and nothing.any():
            kind = "output" if outputs > 1 else "replicate"
            raise ValueError(
                f"dataset: expected measurements of every {kind}, got none in column "
                f"{int(nothing.argmax()) + 1} of {columns}; leave this {kind} out"
            )

    def _refuse_missing(self, measured: np.ndarray) -> None:
        """Refuses missing ones of K replicates; of streamed files, those that may come later."""
        feed, got = self.training, f"{np.isnan(measured).sum():,} missing ones"
        less = "leave these rows out"
        if isinstance(feed, FileFeed) and feed.files.partly_measured:
            got, less = "files in which some may be missing", "open them without partly_measured"
        elif not np.isnan(measured).any():
            return
        raise ValueError(
            f"dataset: expected {measured.shape[1]} measurements of each sequence, got {got}, "
            "which this loss does not say that it takes (takes_missing); choose the squared error "
            f"or a noise model, or {less}"
        )

    def _check_validation(self, validation: Dataset) -> None:
        self._check_data(len(validation), validation.sequence.shape[1], "validation")
        measurements = self.training.sample().expression.shape[1:]
        if validation.expression.shape[1:] != measurements:
            raise ValueError(
                "validation: expected as many measurements of each sequence as the dataset has, "
                f"got {_measurements(validation.expression.shape)} and not "
                f"{_measurements(('N', *measurements))}"
            )
        if validation.weight is not None and not validation.weight.any():
            raise ValueError(_no_weight("validation", len(validation)))

    def _refuse_trimmed(self) -> None:
        """Refuses sequences that were trimmed at a constant end; streamed files, as they are read.

        Feeds of the caller's own do not say how their sequences were read.
        """
        feed = self.training
        if not self.spec.has_span or not isinstance(feed, MemoryFeed | FileFeed):
            return
        side = feed.dataset.side if isinstance(feed, MemoryFeed) else feed.files.side
        bases = self.spec.constant_left if side == "left" else self.spec.constant_right
        if not bases:
            return
        why = (
            f"where their {bases} constant bases begin could not be told; read them with a larger "
            f"length (--length), or without constant_{side} (--constant-{side} 0)"
        )
        if isinstance(feed, FileFeed):
            feed.files.refuse_longer(why)
        elif feed.dataset.trimmed:
            raise ValueError(
                f"dataset: expected whole sequences, got some that were trimmed on the {side}: "
                f"{why}"
            )

    def _check_loss(self) -> None:
        if not isinstance(self.loss, Noise):
            _check_loss(self.loss, self.training.sample(), self.spec.output_count)
            return
        if self.spec.output_count > 1 and self.loss.counted is not None:
            raise ValueError(
                f"loss: expected a noise model of one measurement of each output, got "
                f"{self.loss.name}, which takes several columns for one; train a model for each "
                "output"
            )
        above_0 = ("softplus", "exponential")
        if isinstance(self.loss, Poisson) and self.spec.link not in above_0:
            raise ValueError(
                f"loss: expected a model with predictions above 0 for {self.loss.name}, got the "
                f'link "{self.spec.link}"; choose the link "exponential" (--link exponential)'
            )
        self.loss.check(self.training.measurements()[0])
        if self.validation is not None:
            self.loss.check(self.validation.expression)

    def _check_columns(self) -> None:
        if self.column_range is None:
            if self.spec.competition:
                raise ValueError(
                    "column_range: expected the columns that each motif's sites cover with "
                    "competition=True, got None; give MotifSet.column_range(flank), or with a "
                    "recipe its motif_flank"
                )
            return
        shape = (2, self.spec.motif_count)
        if self.column_range.shape != shape:
            raise ValueError(
                f"column_range: expected shape {shape} (first and end, motifs), got "
                f"{self.column_range.shape}"
            )
        held = hold_columns(tf.constant(self.initial["log_kd"]), self.column_range).numpy()
        changed = np.flatnonzero((held != self.initial["log_kd"]).any(axis=(0, 1)))
        if changed.size:
            raise ValueError(
                f"column_range: expected motifs that are zero outside of it, got other numbers in "
                f"motif {changed[0]}; widen its range"
            )

    def _check_stages(self) -> None:
        if not self.stages:
            raise ValueError("stages: expected at least one Stage, got none")
        for number, stage in enumerate(self.stages, start=1):
            foreign = [name for name in stage.trainable if name not in self.initial]
            if foreign:
                raise ValueError(
                    f"stages: expected parameters of this model in stage {number} "
                    f"({', '.join(self.initial)}), got {', '.join(foreign)}"
                )
            out = np.isneginf(self.initial["log_concentration"]).sum()
            if out and "log_concentration" in stage.trainable:
                raise ValueError(
                    "parameters: expected finite numbers in log_concentration, which stage "
                    f"{number} trains, got -inf for {out} of {self.spec.motif_count} motifs; no "
                    "training brings back a factor that is knocked out: do not train "
                    "log_concentration, or leave these motifs out"
                )
            if stage.patience is not None and self.validation is None:
                raise ValueError(
                    f"validation: expected a fraction or a Dataset, since stage {number} has "
                    f"patience={stage.patience}, got None"
                )

    def unit(self) -> Unit:
        """The unit of the measurements; the standard unit if the plan does not standardize."""
        if not self.standardize:
            return STANDARD
        measured, weight = self.training.measurements()
        if self.spec.output_count > 1:
            if isinstance(self.loss, Noise):
                measured = self.loss.levels(measured)
            return unit_of(measured, weight, link=self.spec.link, outputs=True)
        if isinstance(self.loss, Noise):
            measured = self.loss.mean_level(measured)
            there = np.isfinite(measured)
            measured, weight = measured[there], None if weight is None else weight[there]
        return unit_of(measured, weight, link=self.spec.link)

    def noise_start(self) -> dict[str, np.ndarray]:
        """Where the numbers of a noise model start, by their names in training; {} without one."""
        if not isinstance(self.loss, Noise):
            return {}
        return self.loss.start(self.training.measurements()[0])

    def levels(self, parameters: Mapping[str, np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        """Gives for measurements what predictions are compared with, in their unit.

        That is one number [N] for K replicates [N, K], and for T outputs one for each, [N, T].

        Args:
            parameters: of the run, among them what a noise model took from the training data.
        """
        several = self.spec.output_count > 1
        if isinstance(self.loss, Noise):
            noise = self.loss.fitted(parameters, trained=False)
            return noise.levels if several else noise.mean_level
        return np.asarray if several else _mean_measurement

    def start(self, unit: Unit) -> dict[str, np.ndarray]:
        """The parameters at the start, in the standard unit, for measurements of this unit.

        Warns if the initial bias is far from the mean of the measurements, as with parameters that
        were made for different measurements.
        """
        standard = unit.to_standard(self.initial, chosen_parameters(self.initial))
        unbound = [
            float(link_value(self.spec.link, each, np.float64(each["bias"])))
            for each in parameters_of_outputs(self.spec, standard)
        ]
        distance = max(abs(each - STANDARD_MEAN) for each in unbound) / STANDARD_DEVIATION
        if self.standardize and distance > _FAR:
            logger.warning(
                "parameters: the bias begins at %g, %.0f standard deviations away from the mean of "
                "the measurements; start from parameters in their unit, or from those of "
                "init_parameters as they are",
                *(float(np.ravel(self.initial["bias"])[0]), distance),
            )
        return standard

    def warn_of_table(self) -> None:
        """Warns of measurements beyond the table of a likelihood."""
        beyond = beyond_table(self.loss, self.training.measurements()[0])
        if beyond:
            logger.warning(
                "measurements: %s; for these the standard deviation at its end is used: give a "
                "table for all measurements",
                beyond,
            )

    def warn_of_link(self) -> None:
        """Warns of an exponential link without a noise model of counts."""
        if self.spec.link == "exponential" and not isinstance(self.loss, Poisson):
            logger.warning(
                'link: expected a noise model of counts with the link "exponential" (loss poisson '
                "or negative_binomial), got another loss, for which training can fail where the "
                "exponential is steep; or train on log expression with another link"
            )

    def warn_of_untrained(self) -> None:
        """Warns of layers that keep their initial values, since no stage trains them."""
        trained = {name for stage in self.stages for name in stage.trainable}
        chosen = chosen_parameters(self.initial)
        for name, layer in _LAYERS.items():
            if name not in self.initial or name in trained:
                continue
            # Given values, such as those of a trained model, may be held on purpose.
            if name in chosen or np.ptp(self.initial[name]) == 0:
                logger.warning(
                    "no stage trains %s, so that %s stays as it began; add it to the trainable "
                    "parameters of a stage, or leave the layer out of the model",
                    *(name, layer),
                )

    def fingerprint(self) -> dict[str, str]:
        """What distinguishes this plan from other plans, part by part, for checkpoints."""
        validation, columns = self.validation, self.column_range
        return {
            "model": repr(self.spec),
            "set of initial parameters": _digest(
                *(self.initial[name] for name in self.spec.parameter_shapes),
                np.array(sorted(chosen_parameters(self.initial))),
            ),
            "training set": self.training.fingerprint(),
            "validation set": "none" if validation is None else validation.fingerprint(),
            "list of stages": " ".join(map(_describe_stage, self.stages)),
            "loss": _describe_loss(self.loss, self.training.sample(), self.spec.output_count),
            "penalty": repr(self.penalty),
            "column range": "none" if columns is None else _digest(columns),
            "seed": str(self.seed),
            "implementation": self.implementation,
            "precision": self.precision,
            "unit of training": "standard" if self.standardize else "that of the measurements",
        }


def _mean_measurement(measured: np.ndarray) -> np.ndarray:
    return np.nanmean(measured, axis=1) if measured.ndim == 2 else measured


def _measurements(shape: Sequence[int | str]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _check_weights(feed: Feed) -> None:
    """Raises ValueError if all weights are 0, so that the loss is; in files only where it seems so.

    Feeds of the caller's own are not read to the end.
    """
    weight = feed.sample().weight
    if weight is None or weight.any():
        return
    if isinstance(feed, MemoryFeed):
        some = feed.measurements()[1]
        none = some is not None and not some.any()
    else:
        none = isinstance(feed, FileFeed) and not any(
            rows.weight is not None and rows.weight.any()
            for rows in map(feed.read_usable, range(feed.group_count))
        )
    if none:
        raise ValueError(_no_weight("dataset", feed.count))


def _no_weight(argument: str, count: int) -> str:
    return (
        f"{argument}: expected weights of which some are above 0, got 0 for all {count:,} "
        "sequences, whose loss is always 0; check the column of the weights, or leave it out"
    )


def _check_loss(loss: Loss, sample: Dataset, outputs: int) -> None:
    """Raises ValueError for a loss that is no scalar; warns of one that seems to compare pairs."""
    numbers = _numbers_of_loss(sample, outputs)
    whole, *halves = (
        tf.convert_to_tensor(loss(*(each[part] for each in numbers)))
        for part in (slice(None), slice(None, _LOSS_NUMBERS // 2), slice(_LOSS_NUMBERS // 2, None))
    )
    if whole.shape.rank != 0:
        raise ValueError(
            f"loss: expected a scalar, the mean over the sequences, got shape "
            f"{whole.shape.as_list()}; take tf.reduce_mean of it"
        )
    total = float(halves[0] + halves[1]) / (1 if is_sum(loss) else 2)
    if not np.isclose(total, float(whole), rtol=1e-3, equal_nan=True):
        logger.warning(
            "loss: the loss of %d sequences, %g, is not that of its halves together, %g. If it "
            "should be a mean over sequences, look at its shapes: [N, 1] and [N] are broadcast to "
            "[N, N], every prediction against every measurement",
            *(_LOSS_NUMBERS, float(whole), total),
        )


def check_seed(seed: int) -> None:
    """Raises ValueError if the seed is below 0."""
    if seed < 0:
        raise ValueError(f"seed: expected 0 or more, got {seed}")


def _digest(*arrays: np.ndarray) -> str:
    total = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        total.update(f"{array.dtype.str} {array.shape} ".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def _describe_stage(stage: Stage) -> str:
    """All attributes of a stage; a schedule by its name and factors, since it may have no repr."""
    schedule = stage.schedule
    own = type(schedule).__repr__ is not object.__repr__
    name = repr(schedule) if own else type(schedule).__qualname__
    times = tf.linspace(0.0, float(stage.epochs), 33)
    factors = [f"{float(schedule.factor(time, stage.epochs)):.5g}" for time in times]
    return f"{replace(stage, schedule=Constant())} {name} {' '.join(factors)}"


def _describe_loss(loss: Loss, sample: Dataset, outputs: int) -> str:
    """Name of the loss and its value for fixed numbers, since functions cannot be compared.

    Args:
        loss: the function.
        sample: data that determines the shape of the numbers.
        outputs: of the model.
    """
    if isinstance(loss, Noise):
        return repr(loss)
    value = float(loss(*_numbers_of_loss(sample, outputs)))
    return f"{getattr(loss, '__qualname__', type(loss).__name__)} {value:.5g}"


def _numbers_of_loss(sample: Dataset, outputs: int) -> list[tf.Tensor]:
    """Fixed predictions, measurements and, if the sample has some, weights for a loss."""
    predicted = tf.linspace(0.0, 20.0, _LOSS_NUMBERS)
    measured = tf.reverse(predicted, [0])
    if sample.expression.ndim == 2:
        measured = tf.tile(measured[:, None], [1, sample.expression.shape[1]])
    weight = [] if sample.weight is None else [tf.ones_like(predicted)]
    if outputs > 1:
        predicted = tf.tile(predicted[:, None], [1, outputs])
    return [predicted, measured, *weight]
