"""A Keras layer: the occupancy of motifs on sequences."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cisreg.arrays import as_array
from cisreg.choices import ComputeDtype, Padding, Reduction, check_choice
from cisreg.keras.description import describe_array, describe_motifs, described_motifs
from cisreg.keras.inputs import (
    apply_mask,
    check_sequence_shape,
    codes_of_text,
    codes_or_soft,
    is_text,
)
from cisreg.keras.weights import load_by_name, save_by_name
from cisreg.limits import MOST_MOTIFS, WIDEST_MOTIF, check_range
from cisreg.motifs import MotifSet
from cisreg.motifs.random import unused_names
from cisreg.occupancy import Implementation, occupancy
from cisreg.occupancy_checks import check_column_range, check_concentration
from cisreg.reference import hold_columns
from cisreg.spec import window_count

Output = Literal["bound", "weighted", "both"]
_PARAMETERS = ("log_kd", "log_concentration", "position_weight")


@keras.saving.register_keras_serializable(package="cisreg")
class MotifOccupancy(keras.layers.Layer):
    """How much of each factor is bound to each sequence: `cisreg.occupancy` as a Keras layer.

    The weights are named as in the rest of the package: `log_kd` [W, 4, M] and `log_concentration`
    [M], in nats, and `position_weight` [2, P, M] or [K, 2, P, M]. They are float32 and the layer
    computes in float32 under every dtype policy; its output has the policy's compute dtype.

    Input, all of them with a batch of N sequences:

    - base codes [N, L], 0 A, 1 C, 2 G, 3 T, 4 anything else: integers of any width, or
      floating-point numbers, as `keras.Input` makes them by default; these must be whole numbers
      from 0 to 4;
    - one-hot or soft sequences, floating-point [N, L, 4];
    - text, strings [N] or [N, 1].

    Args:
        motifs: a `MotifSet`, or float [W, 4, M] log Kd in nats, or M, a number of motifs.
        width: W, with a number of motifs.
        log_concentration: where the concentrations start: [M], or one number for all, in nats;
            None: where each motif's strongest site is bound half of the time.
        position_weight: weights of sites by their window; False: none, True: all 1 at the start,
            or where they start, float [2, P, M], or [K, 2, P, M] for K sets of weights.
        column_range: int [2, M], the columns that belong to each motif, see `cisreg.occupancy`;
            "own": those of the `MotifSet`, and all of an array or a number of motifs; None: all.
            `motifs.column_range(flank=1)` lets motifs grow by a column on each side.
        span: begin and end of the bases that count in all sequences, see `cisreg.occupancy`.
        sequence_length: L. Text is padded to it on the right; None: to the longest of its batch.
            Position weights of text need it.
        reduction: what is computed from the occupancies of all sites, see `cisreg.occupancy`.
        padding: "same" or "valid", see `cisreg.occupancy`.
        output: "bound", "weighted", or "both" for the two of them; None: "weighted" if there are
            position weights, else "bound".
        sum_strands: adds up both strands, so that the output is [N, M].
        site_dtype: dtype in which sites may be computed, the `compute_dtype` of `cisreg.occupancy`.
        implementation: see `cisreg.occupancy`.
        trainable_motifs, trainable_concentrations, trainable_position_weight: whether these train.
        motif_initializer: a Keras initializer of `log_kd`, with a number of motifs; None: normally
            distributed numbers with standard deviation 1.
        log_kd_regularizer, log_concentration_regularizer, position_weight_regularizer: of Keras.
        log_kd_constraint, log_concentration_constraint, position_weight_constraint: of Keras.
        **kwargs: of every Keras layer: name, dtype, trainable.

    Output:
        bound, [N, 2, M] for each strand (0 forward, 1 reverse complement), or [N, M] if strands are
        added up or the reduction is "probability"; weighted likewise, or [N, M]; with sets of
        weights [N, K, 2, M] or [N, K, M].

    Raises:
        ValueError: arguments that do not fit together; the message names them.

    Example:
        >>> from cisreg.motifs import demo_motifs
        >>> layer = MotifOccupancy(demo_motifs(), trainable_motifs=False, sum_strands=True)
        >>> model = keras.Sequential([keras.Input((80,), dtype="uint8"), layer])
        >>> model.output_shape == (None, len(demo_motifs()))
        True
    """

    def __init__(
        self,
        motifs: MotifSet | npt.ArrayLike | int,
        width: int | None = None,
        *,
        log_concentration: npt.ArrayLike | None = None,
        position_weight: bool | npt.ArrayLike = False,
        column_range: Literal["own"] | npt.ArrayLike | None = "own",
        span: tuple[int, int] | None = None,
        sequence_length: int | None = None,
        reduction: Reduction = "expected",
        padding: Padding = "same",
        output: Output | None = None,
        sum_strands: bool = False,
        site_dtype: ComputeDtype = "float32",
        implementation: Implementation = "auto",
        trainable_motifs: bool = True,
        trainable_concentrations: bool = True,
        trainable_position_weight: bool = True,
        motif_initializer: Any = None,
        log_kd_regularizer: Any = None,
        log_concentration_regularizer: Any = None,
        position_weight_regularizer: Any = None,
        log_kd_constraint: Any = None,
        log_concentration_constraint: Any = None,
        position_weight_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        # Inputs keep their dtype: codes are no numbers to round, and sites are float32.
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True
        check_choice("reduction", reduction, Reduction)
        check_choice("padding", padding, Padding)
        check_choice("site_dtype", site_dtype, ComputeDtype)
        check_choice("implementation", implementation, Implementation)
        self.reduction, self.padding = reduction, padding
        self.site_dtype, self.implementation = site_dtype, implementation
        self.sum_strands, self.sequence_length = sum_strands, sequence_length
        self.span = None if span is None else tuple(int(each) for each in span)
        self.trainable_motifs = trainable_motifs
        self.trainable_concentrations = trainable_concentrations
        self.trainable_position_weight = trainable_position_weight
        self._take_motifs(motifs, width, motif_initializer)
        self._concentration = _start_concentration(log_concentration, self.motif_count)
        self._position_weight = _start_position_weight(position_weight, self.motif_count)
        self._column_range = self._resolve_column_range(column_range)
        self.output_kind = self._resolve_output(output)
        regularizers = (log_kd_regularizer, log_concentration_regularizer)
        constraints = (log_kd_constraint, log_concentration_constraint)
        self._regularizers = [
            keras.regularizers.get(each) for each in (*regularizers, position_weight_regularizer)
        ]
        self._constraints = [
            keras.constraints.get(each) for each in (*constraints, position_weight_constraint)
        ]

    def _take_motifs(self, motifs: Any, width: int | None, initializer: Any) -> None:
        """Sets motif_names, motif_width and how `log_kd` starts."""
        self.motifs: MotifSet | None = None
        self.motif_initializer = keras.initializers.get(initializer)
        if isinstance(motifs, (int, np.integer)) and not isinstance(motifs, bool):
            if width is None:
                raise ValueError(
                    f"width: expected the number of columns of {motifs} new motifs, got None"
                )
            check_range("motifs", int(motifs), 1, MOST_MOTIFS)
            check_range("width", int(width), 1, WIDEST_MOTIF)
            self.motif_names = tuple(unused_names((), int(motifs)))
            self.motif_width = int(width)
            if self.motif_initializer is None:
                self.motif_initializer = keras.initializers.RandomNormal(stddev=1.0)
            return
        if width is not None or initializer is not None:
            raise ValueError(
                "width, motif_initializer: expected with a number of motifs only; leave them out "
                "where motifs are given"
            )
        if not isinstance(motifs, MotifSet):
            log_kd = as_array(motifs, "motifs", np.float32, ("W", 4, "M"), finite=True)
            count = log_kd.shape[2]
            whole = np.full(count, len(log_kd))
            motifs = MotifSet(tuple(unused_names((), count)), log_kd, 0 * whole, whole)
        self.motifs = motifs
        self.motif_names, self.motif_width = motifs.names, motifs.width

    @property
    def motif_count(self) -> int:
        """M."""
        return len(self.motif_names)

    def _resolve_column_range(self, columns: Any) -> np.ndarray | None:
        if isinstance(columns, str):
            if columns != "own":
                raise ValueError(
                    f'column_range: expected "own", None or an array [2, M], got {columns!r}'
                )
            return None if self.motifs is None else self.motifs.column_range()
        if columns is None:
            return None
        array = as_array(columns, "column_range", np.int32, (2, self.motif_count))
        check_column_range(array, self.motif_width)
        return array

    def _resolve_output(self, output: Output | None) -> Output:
        weighted = self._position_weight is not None
        if output is None:
            return "weighted" if weighted else "bound"
        check_choice("output", output, Output)
        if output != "bound" and not weighted:
            raise ValueError(
                f'output: expected "bound" without position weights, got {output!r}; give '
                "position_weight=True"
            )
        return output

    def build(self, sequence_shape: tuple[int | None, ...]) -> None:
        """Makes the weights; `sequence_shape` is [N, L], [N, L, 4] or, for text, [N] or [N, 1]."""
        check_sequence_shape(self.name, sequence_shape)
        log_kd = self._start_of_motifs()
        concentration = self._concentration
        if concentration is None:
            # Where the strongest site is bound half of the time.
            concentration = log_kd.min(axis=1).sum(axis=0)
        starts = [(log_kd, self.trainable_motifs), (concentration, self.trainable_concentrations)]
        if self._position_weight is not None:
            weight = self._weights_of(self._position_weight, sequence_shape)
            starts.append((weight, self.trainable_position_weight))
        made = [
            self.add_weight(
                name=name,
                shape=start.shape,
                initializer=keras.initializers.Constant(start),
                dtype="float32",
                autocast=False,
                trainable=trainable,
                regularizer=regularizer,
                constraint=constraint,
            )
            for name, (start, trainable), regularizer, constraint in zip(
                _PARAMETERS, starts, self._regularizers, self._constraints, strict=False
            )
        ]
        self.log_kd, self.log_concentration, *others = made
        self.position_weight = others[0] if others else None
        self.built = True

    def _start_of_motifs(self) -> np.ndarray:
        if self.motifs is not None:
            return self.motifs.log_kd
        shape = (self.motif_width, 4, self.motif_count)
        with tf.init_scope():
            log_kd = np.array(self.motif_initializer(shape, dtype="float32"), np.float32)
            if self._column_range is not None:
                log_kd = hold_columns(tf.constant(log_kd), self._column_range).numpy()
        return log_kd

    def _weights_of(self, start: np.ndarray, sequence_shape: tuple[int | None, ...]) -> np.ndarray:
        """The position weights at the start, [2, P, M] or [K, 2, P, M]."""
        length = self.sequence_length or (sequence_shape[1] if len(sequence_shape) > 1 else None)
        if length is None:
            raise ValueError(
                "position_weight: expected sequences of a known length, since each window has a "
                f"weight, got shape {tuple(sequence_shape)}; give sequence_length"
            )
        windows = window_count(length, self.motif_width, self.padding)
        shape = (*start.shape[:-3], 2, windows, self.motif_count)
        if start.ndim and start.shape != shape:
            raise ValueError(
                f"position_weight: expected shape {list(shape)} for sequences of {length} bases, "
                f"got {list(start.shape)}"
            )
        return np.broadcast_to(start, shape)

    def call(
        self,
        sequence: tf.Tensor,
        length: tf.Tensor | None = None,
        span: tf.Tensor | None = None,
        mask: tf.Tensor | None = None,
    ) -> Any:
        """The occupancy of the motifs.

        Args:
            sequence: see the class.
            length: integers [N], bases of each sequence in a batch that is padded on the right:
                windows outside do not exist, see `cisreg.occupancy`. None: all L, or the lengths of
                text.
            span: int [2] or [N, 2], in place of the layer's.
            mask: bool [N, L], such as from `keras.layers.Masking`: bases that it leaves out are
                unknown, and a sequence ends behind the last one that it keeps.
        """
        sequence, length = self._codes(sequence, length)
        if mask is not None:
            if length is not None:
                raise ValueError(f"{self.name}: expected a length or a mask, got both")
            sequence, length = apply_mask(self.name, sequence, mask)
        span = self.span if span is None else span
        weight = None if self.position_weight is None else self.position_weight.value
        bound, weighted = occupancy(
            sequence,
            self.log_kd.value,
            self.log_concentration.value,
            position_weight=weight if self.output_kind != "bound" else None,
            column_range=self._column_range,
            span=span,
            length=length,
            reduction=self.reduction,
            padding=self.padding,
            compute_dtype=self.site_dtype,
            implementation=self.implementation,
        )
        results = {"bound": (bound,), "weighted": (weighted,), "both": (bound, weighted)}
        outputs = tuple(self._result(each) for each in results[self.output_kind])
        return outputs if len(outputs) > 1 else outputs[0]

    def _result(self, sums: tf.Tensor) -> tf.Tensor:
        if self.sum_strands and sums.shape.rank > 2:
            sums = tf.reduce_sum(sums, axis=-2)
        return tf.cast(sums, self.compute_dtype)

    def _codes(self, sequence: Any, length: tf.Tensor | None) -> tuple[Any, tf.Tensor | None]:
        """Integer codes [N, L] or sequences [N, L, 4], and their lengths."""
        if is_text(sequence):
            if length is not None:
                raise ValueError(f"{self.name}: expected no length with text, which has its own")
            return codes_of_text(self.name, sequence, self._length_of_text(sequence))
        return codes_or_soft(self.name, sequence), length

    def _length_of_text(self, text: tf.Tensor) -> int | tf.Tensor | None:
        """L of text: as given; else that of the longest, but room for a window."""
        if self.sequence_length is not None:
            return self.sequence_length
        if self.position_weight is not None:
            raise ValueError(
                f"{self.name}: expected sequence_length for text and position weights, since each "
                "window has a weight, got None"
            )
        if self.padding == "same":
            return None
        bases = tf.reshape(tf.strings.length(text), [-1])
        return tf.reduce_max(tf.concat([bases, [self.motif_width]], 0))

    def compute_output_spec(self, sequence: Any, *args: Any, **kwargs: Any) -> Any:
        """Shapes and dtypes of the output; a model of text is not compiled by XLA."""
        if is_text(sequence):
            self.supports_jit = False
        return super().compute_output_spec(sequence, *args, **kwargs)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """None: the output has no positions."""
        return None

    def compute_output_shape(self, sequence_shape: tuple[int | None, ...]) -> Any:
        """See the class; two of them for the output "both"."""
        check_sequence_shape(self.name, sequence_shape)
        count, merged = sequence_shape[0], (self.motif_count,)
        sums = merged if self.sum_strands else (2, *merged)
        bound = (count, *(merged if self.reduction == "probability" else sums))
        sets = () if self._position_weight is None else self._position_weight.shape[:-3]
        weighted = (count, *sets, *sums)
        shapes = {"bound": bound, "weighted": weighted, "both": (bound, weighted)}
        return shapes[self.output_kind]

    def to_motif_set(self) -> MotifSet:
        """The motifs as they are now, for `cisreg.scan` and all that takes motifs.

        Raises:
            ValueError: the layer has no weights yet, or a number in them is not finite.

        Example:
            >>> layer = MotifOccupancy(3, 5)
            >>> layer.build((None, 10))
            >>> layer.to_motif_set().names
            ('motif_0', 'motif_1', 'motif_2')
        """
        if not self.built:
            raise ValueError(
                f"{self.name}: expected a layer that was built, got one without weights; call it "
                "once, or build it with the shape of its input"
            )
        log_kd = np.asarray(self.log_kd)
        columns = self._column_range
        if columns is None:
            columns = np.repeat([[0], [self.motif_width]], self.motif_count, axis=1)
        else:
            log_kd = hold_columns(tf.constant(log_kd), columns).numpy()
        first, end = columns
        # A motif has at least one column.
        first = np.minimum(first, self.motif_width - 1)
        return MotifSet(self.motif_names, log_kd, first, np.maximum(end - first, 1))

    def _weights(self) -> dict[str, Any]:
        named = {name: getattr(self, name) for name in _PARAMETERS}
        return {name: variable for name, variable in named.items() if variable is not None}

    def save_own_variables(self, store: MutableMapping[str, np.ndarray]) -> None:
        """Saves the weights by name."""
        save_by_name(self._weights(), store)

    def load_own_variables(self, store: Mapping[str, np.ndarray]) -> None:
        """Loads the weights by name."""
        load_by_name(self.name, self._weights(), store)

    def get_config(self) -> dict[str, Any]:
        """All arguments as plain values; `from_config` makes the layer as it started."""
        weight, columns = self._position_weight, self._column_range
        config = {
            "motifs": self.motif_count if self.motifs is None else describe_motifs(self.motifs),
            "width": self.motif_width if self.motifs is None else None,
            "log_concentration": _described(self._concentration),
            "position_weight": False if weight is None else describe_array(weight),
            "column_range": None if columns is None else columns.tolist(),
            "span": None if self.span is None else list(self.span),
            "sequence_length": self.sequence_length,
            "reduction": self.reduction,
            "padding": self.padding,
            "output": self.output_kind,
            "sum_strands": self.sum_strands,
            "site_dtype": self.site_dtype,
            "implementation": self.implementation,
            "trainable_motifs": self.trainable_motifs,
            "trainable_concentrations": self.trainable_concentrations,
            "trainable_position_weight": self.trainable_position_weight,
            "motif_initializer": None,
        }
        if self.motif_initializer is not None:
            config["motif_initializer"] = keras.initializers.serialize(self.motif_initializer)
        for name, regularizer, constraint in zip(
            _PARAMETERS, self._regularizers, self._constraints, strict=True
        ):
            config[f"{name}_regularizer"] = keras.regularizers.serialize(regularizer)
            config[f"{name}_constraint"] = keras.constraints.serialize(constraint)
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> MotifOccupancy:
        """The layer that `get_config` described, as it started."""
        motifs = config["motifs"]
        if isinstance(motifs, Mapping):
            motifs = described_motifs(motifs)
        return super().from_config({**config, "motifs": motifs})


def _start_concentration(value: Any, motif_count: int) -> np.ndarray | None:
    """Log concentrations at the start, [M], or None for those of the strongest sites."""
    if value is None:
        return None
    array = as_array(value, "log_concentration", np.float32, (...,))
    check_concentration(array)
    if array.shape not in ((), (motif_count,)):
        raise ValueError(
            f"log_concentration: expected one number or shape [{motif_count}], got shape "
            f"{list(array.shape)}"
        )
    return np.broadcast_to(array, motif_count)


def _start_position_weight(value: Any, motif_count: int) -> np.ndarray | None:
    """Position weights at the start, [], [2, P, M] or [K, 2, P, M]; None: there are none."""
    if value is None or value is False:
        return None
    if value is True:
        return np.ones((), np.float32)
    array = as_array(value, "position_weight", np.float32, (...,))
    fits = array.ndim in (3, 4) and array.shape[-3] == 2 and array.shape[-1] == motif_count
    if array.ndim and (not fits or array.size == 0):
        raise ValueError(
            f"position_weight: expected True, False, or shape [2, P, {motif_count}], or [K, 2, P, "
            f"{motif_count}] for K sets, got shape {list(array.shape)}"
        )
    return array


def _described(array: np.ndarray | None) -> Any:
    return None if array is None else describe_array(array)
