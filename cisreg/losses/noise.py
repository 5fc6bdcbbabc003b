"""Noise models: the likelihood of measurements, given what a model predicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeVar

import numpy as np

from cisreg.losses.arguments import known_number

if TYPE_CHECKING:
    import tensorflow as tf

_Own = TypeVar("_Own", bound="Noise")

# How the parameters of a noise model begin among those of training.
PREFIX = "noise_"


class Form(NamedTuple):
    """How a number of a noise model is trained: as another number without bounds.

    Attributes:
        to_free: the number (an array, float64) to the one that is trained.
        from_free: back; takes and gives tensors.
        trained: whether it is trained; otherwise it is taken from the data and held.
    """

    to_free: Callable[[np.ndarray], np.ndarray]
    from_free: Callable[[tf.Tensor], tf.Tensor]
    trained: bool = True


def _exp(value: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    return tf.exp(value)


# Above 0, so trained as a logarithm: a step means the same in every unit.
POSITIVE = Form(np.log, _exp)
ANY = Form(lambda value: value, lambda value: value)
OF_THE_DATA = Form(lambda value: value, lambda value: value, trained=False)


@dataclasses.dataclass(frozen=True)
class Noise:
    """A noise model, which is also a loss: the mean of -log likelihood over the sequences.

    Each field is a number of the noise model. One that is None is trained with the parameters of
    the model, or taken from the training data where the class says so; one that is given is held.
    `fitted` gives the same noise model with all of its numbers.

    Attributes:
        name: for recipes and the command line.
        counts: whether measurements are counts.
        takes_missing: see `cisreg.losses.takes_missing`.
    """

    name: ClassVar[str]
    counts: ClassVar[bool] = False
    takes_missing: ClassVar[bool] = True
    # By field, for those that may be None.
    forms: ClassVar[Mapping[str, Form]] = {}

    @property
    def counted(self) -> Literal["bins", "exposure"] | None:
        """What the columns of measurements are, where tables of known origin have several kinds.

        "bins": counts of sorting bins; "exposure": counts, behind those that they are relative to.
        """
        return None

    @property
    def unknown(self) -> tuple[str, ...]:
        """The fields that are None.

        Example:
            >>> Gaussian().unknown, Gaussian(deviation=1.0).unknown
            (('deviation',), ())
        """
        return tuple(field for field in self.forms if getattr(self, field) is None)

    @property
    def trained(self) -> tuple[str, ...]:
        """The parameters that are trained, by their names in training.

        Example:
            >>> Gaussian().trained
            ('noise_deviation',)
        """
        return tuple(PREFIX + field for field in self.unknown if self.forms[field].trained)

    def start(self, measured: np.ndarray) -> dict[str, np.ndarray]:
        """Where training starts: the parameters of all fields that are None.

        Args:
            measured: float [N] or [N, K], the training data, NaN where nothing was measured.

        Returns:
            float32 arrays by their names in training.
        """
        values = self._begin(np.asarray(measured, np.float64))
        return {
            PREFIX + field: np.asarray(self.forms[field].to_free(np.asarray(values[field])), "f4")
            for field in self.unknown
        }

    def fitted(self: _Own, parameters: Mapping[str, Any], *, trained: bool = True) -> _Own:
        """The noise model with the numbers that training found.

        Args:
            parameters: arrays by their names in training; others are ignored.
            trained: False: only numbers that were taken from the data are set.

        Example:
            >>> Gaussian().fitted({"noise_deviation": np.float32(0.0)})
            Gaussian(deviation=1.0)
        """
        import tensorflow as tf

        found = {}
        for field in self.unknown:
            if self.forms[field].trained and not trained:
                continue
            free = tf.constant(parameters[PREFIX + field], tf.float64)
            value = self.forms[field].from_free(free).numpy()
            found[field] = tuple(value.tolist()) if np.ndim(value) else float(value)
        return dataclasses.replace(self, **found)

    def log_likelihood(
        self,
        predicted: tf.Tensor,
        measured: tf.Tensor,
        parameters: Mapping[str, tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """The log likelihood of each measurement, in nats; differentiable.

        Args:
            predicted: float [N], or [N, T] for as many measurements.
            measured: float [N] or [N, K], in the unit of the predictions, or counts; NaN where
                nothing was measured.
            parameters: by their names in training; None: every field is given.

        Returns:
            A tensor of the shape of `measured` (of `SortBins`: [N]); 0 where nothing was measured.

        Raises:
            ValueError: shapes that do not fit, or a field that is None without parameters.
        """
        import tensorflow as tf

        predicted, measured = tf.convert_to_tensor(predicted), tf.convert_to_tensor(measured)
        self._check_shapes(predicted.shape, measured.shape)
        several = predicted.shape.rank == 1 and measured.shape.rank == 2
        numbers = {field: self._number(field, parameters, predicted) for field in self.forms}
        return self._log_likelihood(
            predicted[:, tf.newaxis] if several else predicted, measured, numbers
        )

    def __call__(
        self,
        predicted: tf.Tensor,
        measured: tf.Tensor,
        weight: tf.Tensor | None = None,
        parameters: Mapping[str, tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """The loss: minus the mean over the sequences of the weighted log likelihood, in nats.

        The log likelihoods of the K measurements of a sequence are added up and divided by K,
        also where some are missing.

        Returns:
            float32 scalar.
        """
        import tensorflow as tf

        each = self.log_likelihood(predicted, measured, parameters)
        if each.shape.rank == 2:
            # The gradient of a product, unlike that of a mean, asks for no shapes on the host.
            count = each.shape[1]
            each = tf.linalg.matvec(each, tf.constant(1.0 / count, each.dtype, [count]))
        each = tf.cast(each, tf.float32)
        return mean_on_device(-each if weight is None else -each * weight)

    def of_output(self: _Own, index: int) -> _Own:
        """The noise model of one output, from 0, of a model of several; most are of all alike."""
        return self

    def levels(self, measured: np.ndarray) -> np.ndarray:
        """The measurements in the unit of the predictions, for correlations: those of counts.

        Args:
            measured: float [N] or [N, K].

        Returns:
            float64 [N] or [N, K']; NaN where nothing was measured.
        """
        return np.asarray(measured, np.float64)

    def mean_level(self, measured: np.ndarray) -> np.ndarray:
        """The mean of `levels` over the measurements of each sequence, float64 [N], or NaN."""
        levels = self.levels(measured)
        if levels.ndim == 1:
            return levels
        there = np.isfinite(levels)
        with np.errstate(invalid="ignore"):
            return np.where(there, levels, 0.0).sum(axis=1) / there.sum(axis=1)

    def check(self, measured: np.ndarray) -> None:
        """Raises ValueError where measurements, float [N] or [N, K], are none of this kind."""

    def sample(
        self, predicted: np.ndarray, random: np.random.Generator, reads: np.ndarray | None = None
    ) -> np.ndarray:
        """Draws measurements.

        Args:
            predicted: float [N].
            random: the source of random numbers.
            reads: of `SortBins`: int [N], reads of each sequence.

        Returns:
            float64 [N], or [N, K] where the noise model has K measurements of a sequence.

        Raises:
            ValueError: a field is None.
        """
        if self.unknown:
            raise ValueError(
                f"{type(self).__name__}: expected all numbers in order to draw measurements, got "
                f"none for {', '.join(self.unknown)}; give them"
            )
        numbers = {field: np.asarray(getattr(self, field)) for field in self.forms}
        return self._sample(np.asarray(predicted, np.float64), random, numbers, reads)

    def to_dict(self) -> dict[str, Any]:
        """The noise model as JSON values, for model.json and recipes; without fields of None.

        Example:
            >>> Gaussian(deviation=0.5).to_dict()
            {'name': 'gaussian', 'deviation': 0.5}
        """
        given = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return {
            "name": self.name,
            **{
                field: list(value) if isinstance(value, tuple) else value
                for field, value in given.items()
                if value is not None
            },
        }

    def _number(
        self, field: str, parameters: Mapping[str, tf.Tensor] | None, like: tf.Tensor
    ) -> tf.Tensor:
        import tensorflow as tf

        given = getattr(self, field)
        if given is not None:
            return tf.constant(given, like.dtype)
        if parameters is None or PREFIX + field not in parameters:
            raise ValueError(
                f"{type(self).__name__}: expected {field}, or parameters with {PREFIX + field}, "
                "got neither; give it, or train with this loss and take `fitted`"
            )
        free = tf.cast(tf.convert_to_tensor(parameters[PREFIX + field]), like.dtype)
        return self.forms[field].from_free(free)

    def _check_shapes(self, predicted: tf.TensorShape, measured: tf.TensorShape) -> None:
        good = (
            predicted.rank in (1, 2)
            and measured.rank in (1, 2)
            and measured.rank >= predicted.rank
            and predicted.is_compatible_with(measured[: predicted.rank])
        )
        if not good:
            raise ValueError(
                "measured: expected shape [N] or [N, K] with predictions [N], or [N, T] with "
                f"predictions [N, T], got {measured} with predictions {predicted}"
            )

    def _check_positive(self, *fields: str) -> None:
        """Raises ValueError where a given number is not finite or not above 0."""
        for field in fields:
            value = getattr(self, field)
            if value is None:
                continue
            if isinstance(value, list | tuple | np.ndarray):
                object.__setattr__(self, field, tuple(float(each) for each in value))
            numbers = np.asarray(value, np.float64)
            if not (np.isfinite(numbers).all() and (numbers > 0).all()):
                raise ValueError(
                    f"{type(self).__name__}.{field}: expected finite numbers above 0, got {value!r}"
                )

    def _begin(self, measured: np.ndarray) -> dict[str, Any]:
        """Numbers to start with, by field."""
        raise NotImplementedError

    def _log_likelihood(
        self, predicted: tf.Tensor, measured: tf.Tensor, numbers: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        raise NotImplementedError

    def _sample(
        self,
        predicted: np.ndarray,
        random: np.random.Generator,
        numbers: Mapping[str, np.ndarray],
        reads: np.ndarray | None,
    ) -> np.ndarray:
        raise NotImplementedError


def split_noise(
    parameters: Mapping[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Parameters of training, divided in those of the model and those of the noise.

    Example:
        >>> split_noise({"bias": np.float32(1.0), "noise_scale": np.float32(0.0)})[0]
        {'bias': np.float32(1.0)}
    """
    noise = {name: value for name, value in parameters.items() if name.startswith(PREFIX)}
    return {name: value for name, value in parameters.items() if name not in noise}, noise


def mean_on_device(values: tf.Tensor) -> tf.Tensor:
    """The mean of values [N], with a gradient that takes no shape from the memory of the host."""
    import tensorflow as tf

    @tf.custom_gradient
    def mean(values: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            ones = tf.ones_like(values)
            known = known_number(upstream)
            return ones * ((upstream if known is None else known) / tf.reduce_sum(ones))

        return tf.reduce_mean(values), gradient

    return mean(values)


def spread_of(measured: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of what was measured; the deviation is 1 where it would be 0."""
    there = measured[np.isfinite(measured)]
    deviation = float(there.std()) if there.size else 0.0
    return (float(there.mean()) if there.size else 0.0), deviation if deviation > 0 else 1.0
