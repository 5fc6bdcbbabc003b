"""A model of gene regulation as a Keras model, convertible to and from `cisreg.Model`."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cisreg.choices import ComputeDtype, check_choice
from cisreg.devices import for_any_device
from cisreg.keras.description import describe_array, describe_motifs, described_motifs
from cisreg.keras.inputs import check_sequence_shape, is_text, model_codes
from cisreg.keras.weights import load_by_name, save_by_name
from cisreg.losses import Noise, Penalty
from cisreg.losses import penalty as penalty_of
from cisreg.losses.named import noise_from_dict
from cisreg.model import ModelSpec, predict
from cisreg.motifs import MotifSet
from cisreg.motifs.random import unused_names
from cisreg.occupancy import Implementation
from cisreg.products import for_this_machine
from cisreg.trained_model import Model


@keras.saving.register_keras_serializable(package="cisreg")
class ThermodynamicModel(keras.Model):
    """`cisreg.predict` as a Keras model: sequences to expression, [N, 1].

    Its weights are the parameters that `spec.parameter_shapes` lists, by those names. They are
    float32 and the model computes in float32 under every dtype policy; its output has the policy's
    compute dtype. With float32 it gives the bits of `cisreg.predict`, [N], in a column: losses of
    Keras average over the last axis, and of predictions [N] they would make one number before
    sample weights and strategies can act on each sequence. Measurements are [N], [N, 1] or, K for
    each sequence, [N, K]. A model of T outputs gives [N, T].

    Input: base codes [N, L], integers of any width or floating-point numbers that are whole;
    soft sequences, floating-point [N, L, 4]; or text, strings [N] or [N, 1], which is padded or
    trimmed as `cisreg.Model.predict` does. L is the spec's sequence_length.

    `compile` and `fit` are those of Keras. They train in the unit of the measurements: learning
    rates, penalties and the values that `init_parameters` chooses are numbers in the standard unit
    (docs/explanation/training.md), so bring measurements to it, or choose your own.

    Args:
        spec: the layers.
        parameters: float32 arrays by name, where training starts, such as from `init_parameters`.
        motif_names: M names; None: motif_0, motif_1 and so on.
        column_range: int32 [2, M], columns outside of which motifs are held at zero, as in
            `cisreg.fit`; None: none.
        trainable_parameters: names of the parameters that train; None: all. See `train_only`.
        penalty: added to the loss in every step, as in `cisreg.fit`; `motif_pull` pulls towards
            `parameters`.
        initial_motifs, metadata, table_columns, unit, output_names: kept for `to_model`, see
            `cisreg.Model`.
        noise: kept for `to_model` too: a noise model whose numbers `fit` of Keras does not train.
        site_dtype: dtype in which sites may be computed, the `compute_dtype` of `cisreg.occupancy`.
        implementation: see `cisreg.occupancy`.
        **kwargs: of every Keras model: name, dtype, trainable.

    Raises:
        ValueError: the parts do not fit together, see `cisreg.Model`.

    Example:
        >>> from cisreg.model import init_parameters
        >>> spec = ModelSpec(motif_count=1, motif_width=3, sequence_length=10)
        >>> start = init_parameters(spec, np.full((3, 4, 1), 0.5), np.zeros(1))
        >>> model = ThermodynamicModel(spec, start)
        >>> model.compile(optimizer="adam", loss="mse")
        >>> model.predict(np.zeros((2, 10), np.uint8), verbose=0).shape
        (2, 1)
    """

    def __init__(
        self,
        spec: ModelSpec,
        parameters: Mapping[str, Any],
        *,
        motif_names: Sequence[str] | None = None,
        column_range: Any = None,
        trainable_parameters: Sequence[str] | None = None,
        penalty: Penalty | None = None,
        initial_motifs: MotifSet | None = None,
        metadata: Mapping[str, Any] | None = None,
        table_columns: Mapping[str, Any] | None = None,
        unit: str = "",
        noise: Noise | None = None,
        output_names: Sequence[str] = (),
        site_dtype: ComputeDtype = "float32",
        implementation: Implementation = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        check_choice("site_dtype", site_dtype, ComputeDtype)
        check_choice("implementation", implementation, Implementation)
        names = unused_names((), spec.motif_count) if motif_names is None else motif_names
        self._start = Model(
            spec,
            {name: np.array(value, np.float32) for name, value in parameters.items()},
            tuple(names),
            metadata or {},
            initial_motifs,
            column_range,
            table_columns or {},
            unit,
            noise,
            output_names=tuple(output_names),
        )
        self.penalty = penalty
        self.site_dtype, self.implementation = site_dtype, implementation
        self._trained = self._checked_names(trainable_parameters)
        self.build((None, spec.sequence_length))

    @classmethod
    def from_model(cls, model: Model, **options: Any) -> ThermodynamicModel:
        """A Keras model with the layers, parameters and origin of a trained model.

        Args:
            model: a `cisreg.Model`, such as from `cisreg.load_model`.
            **options: further arguments of the class, such as `penalty`.

        Example:
            >>> ThermodynamicModel.from_model(cisreg.load_model("model"))  # doctest: +SKIP
        """
        return cls(
            model.spec,
            model.parameters,
            motif_names=model.motif_names,
            column_range=model.column_range,
            initial_motifs=model.initial_motifs,
            metadata=model.metadata,
            table_columns=model.table_columns,
            unit=model.unit,
            noise=model.noise,
            output_names=model.output_names,
            **options,
        )

    def to_model(self) -> Model:
        """A `cisreg.Model` with the parameters as they are now, for `save_model` and all else.

        Raises:
            ValueError: a parameter is not finite.

        Example:
            >>> cisreg.save_model("model", keras_model.to_model())  # doctest: +SKIP
        """
        return dataclasses.replace(
            self._start,
            parameters={
                name: np.array(np.asarray(variable)) for name, variable in self._weights().items()
            },
        )

    @property
    def spec(self) -> ModelSpec:
        """The layers."""
        return self._start.spec

    def train_only(self, *names: str) -> None:
        """Chooses the parameters that train; all others are held. Compile the model afterwards.

        Raises:
            ValueError: a name that is no parameter of this model.

        Example:
            >>> model.train_only("activity", "bias")  # doctest: +SKIP
        """
        self._trained = self._checked_names(names)
        self._choose_trained()

    def _choose_trained(self) -> None:
        for name, variable in self._weights().items():
            variable.trainable = self.trainable and name in self._trained

    @property
    def trainable(self) -> bool:
        """Whether anything trains; where it does, the parameters that were chosen."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        # Keras would let all weights train that did when they were made.
        keras.Model.trainable.fset(self, value)
        self._choose_trained()

    def _checked_names(self, names: Sequence[str] | None) -> list[str]:
        known = list(self.spec.parameter_shapes)
        if names is None:
            return known
        foreign = [name for name in names if name not in known]
        if foreign or isinstance(names, str):
            raise ValueError(
                f"trainable_parameters: expected some of {', '.join(known)}, got {names!r}"
            )
        return list(names)

    def build(self, sequence_shape: tuple[int | None, ...]) -> None:
        """Makes the weights; called when the model is made."""
        if "log_kd" in self.__dict__:
            return
        for name, start in self._start.parameters.items():
            variable = self.add_weight(
                name=name,
                shape=start.shape,
                initializer=keras.initializers.Constant(start),
                dtype="float32",
                autocast=False,
            )
            setattr(self, name, variable)
        # Chosen afterwards: Keras sorts weights by what they were made as, and `get_weights` has
        # one order whatever trains.
        self._choose_trained()
        self.built = True

    def _weights(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.spec.parameter_shapes}

    def call(self, sequence: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The expression of sequences, [N, 1] or [N, T]; adds the penalty to the losses."""
        start = self._start
        parameters = {name: variable.value for name, variable in self._weights().items()}
        if self.penalty is not None:
            initial = {"log_kd": start.parameters["log_kd"]}
            self.add_loss(penalty_of(parameters, self.penalty, initial=initial))
        with for_this_machine() if training else contextlib.nullcontext():
            prediction = predict(
                start.spec,
                parameters,
                model_codes(self.name, sequence, start.spec.sequence_length, start.padding_side),
                column_range=start.column_range,
                compute_dtype=self.site_dtype,
                implementation=self.implementation,
            )
        columns = tf.reshape(prediction.expression, [-1, start.spec.output_count])
        return tf.cast(columns, self.compute_dtype)

    def export(self, *args: Any, **kwargs: Any) -> None:
        """As for every Keras model: what is saved is for other machines too."""
        with for_any_device():
            super().export(*args, **kwargs)

    def compute_output_spec(self, sequence: Any, *args: Any, **kwargs: Any) -> Any:
        """Shape and dtype of the output; a model of text is not compiled by XLA."""
        if is_text(sequence):
            self.supports_jit = False
        return super().compute_output_spec(sequence, *args, **kwargs)

    def compute_output_shape(self, sequence_shape: tuple[int | None, ...]) -> Any:
        """[N, 1], or [N, T] of T outputs."""
        check_sequence_shape(self.name, sequence_shape)
        return (sequence_shape[0], self.spec.output_count)

    def save_own_variables(self, store: MutableMapping[str, np.ndarray]) -> None:
        """Saves the parameters by name."""
        save_by_name(self._weights(), store)

    def load_own_variables(self, store: Mapping[str, np.ndarray]) -> None:
        """Loads the parameters by name."""
        load_by_name(self.name, self._weights(), store)

    def get_config(self) -> dict[str, Any]:
        """All arguments as plain values; `from_config` makes the model as it started."""
        start = self._start
        motifs, columns = start.initial_motifs, start.column_range
        config = {
            "spec": start.spec.to_dict(),
            "parameters": {name: describe_array(each) for name, each in start.parameters.items()},
            "motif_names": list(start.motif_names),
            "column_range": None if columns is None else columns.tolist(),
            "trainable_parameters": list(self._trained),
            "penalty": None if self.penalty is None else dataclasses.asdict(self.penalty),
            "initial_motifs": None if motifs is None else describe_motifs(motifs),
            "metadata": dict(start.metadata),
            "table_columns": dict(start.table_columns),
            "unit": start.unit,
            "noise": None if start.noise is None else start.noise.to_dict(),
            "output_names": list(start.output_names),
            "site_dtype": self.site_dtype,
            "implementation": self.implementation,
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
        }
        return config

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Any = None
    ) -> ThermodynamicModel:
        """The model that `get_config` described, as it started."""
        motifs, weights = config.get("initial_motifs"), config.get("penalty")
        noise = config.get("noise")
        dtype = config.get("dtype")
        return cls(
            **{
                **config,
                "spec": ModelSpec.from_dict(config["spec"]),
                "initial_motifs": None if motifs is None else described_motifs(motifs),
                "penalty": None if weights is None else Penalty(**weights),
                "noise": None if noise is None else noise_from_dict(noise),
                "dtype": None if dtype is None else keras.dtype_policies.deserialize(dtype),
            }
        )
