"""The model of gene regulation, as pure functions of parameters and sequences.

A `ModelSpec` says which layers there are, `init_parameters` makes a dictionary of float32 arrays
for it, and `predict` turns sequences into accessibility, binding and expression::

    binding       = occupancy of each motif, summed over sites (or the probability of any)
    accessibility = sigmoid(potentiation_bias + sum over motifs of potentiation * binding)
    bound         = accessibility * binding
    expression    = bias + sum over motifs of activity * bound
                    (+ accessibility_activity * accessibility)

Each layer but binding is optional; see `ModelSpec` for what each option changes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import tensorflow as tf

from cisreg.layers import (
    Parameters,
    accessibility_of,
    acting_binding,
    bound_before_limits,
    limited_contribution,
    linear_layers,
    per_sequence,
    reported_binding,
    scan_motifs,
)
from cisreg.occupancy import Implementation
from cisreg.reference import ComputeDtype, Padding, hold_columns, window_count

Binding = Literal["expected", "probability"]


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """Which layers a model has, and its sizes.

    Attributes:
        motif_count: number of motifs, M.
        motif_width: width of the motifs in bases, W.
        sequence_length: length of the sequences in bases, L.
        binding: "expected", the occupancy summed over all sites, or "probability", that of at least
            one site being occupied. Position weights always weigh expected occupancies.
        potentiation: bound factors open or close the chromatin; without it all is accessible.
        accessibility_activity: accessibility acts on expression by itself as well.
        binding_limit: a motif's contribution stays between 0 and activity * exp(log_binding_limit);
            with positional weights no single site counts for more than the limit either.
        positional: sites are weighted by their window for expression, not for accessibility.
        stranded: reverse-strand sites have activity + activity_difference, and position weights of
            their own.
        padding: "same" also scans windows over the ends of the sequence, "valid" does not.
        position_knots: make the position weights a smooth curve through this many knots; None for
            one free weight for each window.

    Raises:
        ValueError: a size or an option that makes no model.

    Example:
        >>> spec = ModelSpec(motif_count=245, motif_width=30, sequence_length=110, stranded=True)
        >>> spec.parameter_shapes["activity_difference"]
        (245,)
    """

    motif_count: int
    motif_width: int
    sequence_length: int
    binding: Binding = "expected"
    potentiation: bool = True
    accessibility_activity: bool = False
    binding_limit: bool = False
    positional: bool = False
    stranded: bool = False
    padding: Padding = "same"
    position_knots: int | None = None

    def __post_init__(self) -> None:
        for name in ("motif_count", "motif_width", "sequence_length"):
            size = getattr(self, name)
            if not isinstance(size, int) or size < 1:
                raise ValueError(f"{name}: expected an integer of at least 1, got {size!r}")
        if self.binding not in get_args(Binding):
            raise ValueError(f'binding: expected "expected" or "probability", got {self.binding!r}')
        if self.accessibility_activity and not self.potentiation:
            raise ValueError(
                "accessibility_activity: expected potentiation=True beside it, got False; "
                "accessibility is the output of the potentiation layer"
            )
        self._check_position_knots()

    def _check_position_knots(self) -> None:
        windows = self.window_count
        if self.position_knots is None:
            return
        if not self.positional:
            raise ValueError(
                "position_knots: expected positional=True beside it, got False; "
                "leave position_knots out or ask for position weights"
            )
        if not 2 <= self.position_knots <= windows:
            raise ValueError(
                f"position_knots: expected 2 to {windows} (one for each window), "
                f"got {self.position_knots}"
            )

    @property
    def window_count(self) -> int:
        """Windows scanned in each sequence, P."""
        return window_count(self.sequence_length, self.motif_width, self.padding)

    @property
    def fused(self) -> bool:
        """Whether the fused operation computes all of the model.

        A limit inside a positional sum needs each site by itself; that sum runs through standard
        TensorFlow operations, slower and with memory for every site.
        """
        return not (self.positional and self.binding_limit)

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter the model has, in the order of the layers."""
        motifs = (self.motif_count,)
        shapes: dict[str, tuple[int, ...]] = {
            "log_kd": (self.motif_width, 4, self.motif_count),
            "log_concentration": motifs,
        }
        if self.potentiation:
            shapes |= {"potentiation": motifs, "potentiation_bias": ()}
        if self.positional:
            positions = self.position_knots or self.window_count
            shapes["position_weight"] = (2 if self.stranded else 1, positions, self.motif_count)
        if self.binding_limit:
            shapes["log_binding_limit"] = motifs
        shapes["activity"] = motifs
        if self.stranded:
            shapes["activity_difference"] = motifs
        if self.accessibility_activity:
            shapes["accessibility_activity"] = ()
        shapes["bias"] = ()
        return shapes

    def to_dict(self) -> dict[str, Any]:
        """The options as plain values that JSON can hold; `from_dict` reads them back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, options: Mapping[str, Any]) -> ModelSpec:
        """The spec that `to_dict` wrote.

        Raises:
            ValueError: an option this version does not know, one of the sizes missing, or something
                else than true or false for a layer.

        Example:
            >>> spec = ModelSpec(motif_count=2, motif_width=3, sequence_length=4)
            >>> ModelSpec.from_dict(spec.to_dict()) == spec
            True
        """
        fields = dataclasses.fields(cls)
        unknown = sorted(set(options) - {field.name for field in fields})
        required = {field.name for field in fields if field.default is dataclasses.MISSING}
        missing = sorted(required - set(options))
        if unknown or missing:
            raise ValueError(
                f"model options: expected {', '.join(field.name for field in fields)}; "
                f"unknown: {unknown or 'none'}; missing: {missing or 'none'}"
            )
        for field in fields:
            value = options.get(field.name, field.default)
            if isinstance(field.default, bool) and not isinstance(value, bool):
                raise ValueError(f"{field.name}: expected true or false, got {value!r}")
        return cls(**options)


class Prediction(NamedTuple):
    """What a model says of N sequences.

    Attributes:
        expression: float32 [N], in the unit of the training data.
        accessibility: float32 [N], between 0 and 1; None without the potentiation layer.
        binding: accessible binding of each motif. float32 [N, M], both strands together and capped
            at the limits where the model has them; for a stranded model [N, 2, M], each strand
            before the limit, which acts on both strands together. None for a positional model,
            whose sites count by position.
    """

    expression: tf.Tensor
    accessibility: tf.Tensor | None
    binding: tf.Tensor | None


def init_parameters(
    spec: ModelSpec,
    log_kd: np.ndarray,
    log_concentration: np.ndarray,
    *,
    seed: int = 0,
    bias: float = 0.0,
    activity_scale: float = 0.01,
    log_binding_limit: float = math.log(10.0),
) -> dict[str, np.ndarray]:
    """Parameters from which a model trains well.

    Motifs and concentrations are taken as they are. Activities and potentiations start as small
    normal numbers, so that no two motifs start alike; position weights at 1, differences between
    strands at 0, and limits at ten bound molecules, which few promoters reach. A bias at 0, not at
    the mean of the data, makes the activities explain the mean at first, which leads to better
    optima.

    Args:
        spec: what to make parameters for.
        log_kd: float [W, 4, M], nats.
        log_concentration: float [M], nats.
        seed: of the activities and potentiations.
        bias: expression with nothing bound.
        activity_scale: standard deviation of the activities and potentiations.
        log_binding_limit: log of the number of bound molecules that has the full effect.

    Returns:
        float32 arrays by name, as `spec.parameter_shapes` lists them.

    Raises:
        ValueError: log_kd or log_concentration of another shape than the spec's.

    Example:
        >>> spec = ModelSpec(motif_count=2, motif_width=3, sequence_length=10)
        >>> sorted(init_parameters(spec, np.zeros((3, 4, 2)), np.zeros(2)))
        ['activity', 'bias', 'log_concentration', 'log_kd', 'potentiation', 'potentiation_bias']
    """
    random = np.random.default_rng(seed)
    start = {
        "log_kd": log_kd,
        "log_concentration": log_concentration,
        "activity": random.normal(0.0, activity_scale, spec.motif_count),
        "potentiation": random.normal(0.0, activity_scale, spec.motif_count),
        "position_weight": 1.0,
        "log_binding_limit": log_binding_limit,
        "bias": bias,
    }
    given = {"log_kd", "log_concentration"}
    parameters = {}
    for name, shape in spec.parameter_shapes.items():
        value = np.array(start.get(name, 0.0), np.float32)
        parameters[name] = value if name in given else np.broadcast_to(value, shape).copy()
    check_parameters(spec, parameters)
    return parameters


def check_parameters(spec: ModelSpec, parameters: Mapping[str, Any]) -> None:
    """Makes sure that a model's parameters are there and have their shapes.

    Raises:
        ValueError: the first parameter that is missing or has another shape.
    """
    for name, shape in spec.parameter_shapes.items():
        if name not in parameters:
            raise ValueError(f"parameters: expected {name} of shape {shape}, got none of that name")
        actual = tuple(parameters[name].shape)
        if actual != shape:
            raise ValueError(f"parameters: expected {name} of shape {shape}, got shape {actual}")


def predict(
    spec: ModelSpec,
    parameters: Parameters,
    sequence: tf.Tensor,
    *,
    column_range: np.ndarray | tf.Tensor | None = None,
    compute_dtype: ComputeDtype = "float32",
    implementation: Implementation = "auto",
) -> Prediction:
    """Expression, accessibility and binding of sequences.

    A pure function, differentiable with respect to every parameter; use it as it is or in a
    `tf.function`.

    Args:
        spec: the model's layers.
        parameters: float32 tensors, variables or arrays, as `spec.parameter_shapes` lists them.
        sequence: uint8 [N, L] base codes, or soft float32 [N, L, 4] in standard operations.
        column_range: int32 [2, M], columns outside of which motifs are held at zero, see
            `cisreg.occupancy`; it speeds up gradients. None: none are.
        compute_dtype: of the occupancy operation, see `cisreg.occupancy`; all else is float32.
        implementation: of the occupancy operation, see `cisreg.occupancy`.

    Raises:
        ValueError: a parameter missing or of the wrong shape, or sequences of another length.

    Example:
        >>> spec = ModelSpec(motif_count=2, motif_width=3, sequence_length=10)
        >>> parameters = init_parameters(spec, np.zeros((3, 4, 2)), np.zeros(2))
        >>> predict(spec, parameters, tf.zeros([5, 10], tf.uint8)).expression.shape
        TensorShape([5])
    """
    check_parameters(spec, parameters)
    sequence = _check_sequence(spec, sequence)
    scan = scan_motifs(spec, parameters, sequence, column_range, compute_dtype, implementation)
    if column_range is not None and not spec.fused:
        # The operation holds the columns by itself; sites that are computed outside of it do not.
        held = hold_columns(tf.convert_to_tensor(parameters["log_kd"]), column_range)
        parameters = {**parameters, "log_kd": held}
    if spec.binding_limit:
        accessibility = accessibility_of(spec, parameters, scan)
        bound = bound_before_limits(spec, parameters, sequence, scan, accessibility, compute_dtype)
        effect = tf.reduce_sum(limited_contribution(spec, parameters, bound), axis=1)
    else:
        accessibility, effect = linear_layers(spec, parameters, scan)
        bound = per_sequence(accessibility, 3) * acting_binding(spec, scan)
    expression = parameters["bias"] + effect
    if spec.accessibility_activity:
        expression += parameters["accessibility_activity"] * accessibility
    return Prediction(expression, accessibility, reported_binding(spec, parameters, bound))


def strand_binding(
    spec: ModelSpec,
    parameters: Parameters,
    sequence: tf.Tensor,
    *,
    compute_dtype: ComputeDtype = "float32",
    implementation: Implementation = "auto",
) -> tf.Tensor:
    """Accessible binding of each motif to each strand, whatever the model's options.

    Args:
        spec: the model's layers.
        parameters: by name, as for `predict`.
        sequence: uint8 [N, L] base codes.
        compute_dtype: of the occupancy operation, see `cisreg.occupancy`.
        implementation: of the occupancy operation, see `cisreg.occupancy`.

    Returns:
        float32 [N, 2, M]: accessibility times the expected occupancy (or probability) of each
        strand, before limits and without position weights.

    Raises:
        ValueError: as `predict`.
    """
    check_parameters(spec, parameters)
    sequence = _check_sequence(spec, sequence)
    scan = scan_motifs(spec, parameters, sequence, None, compute_dtype, implementation)
    return per_sequence(accessibility_of(spec, parameters, scan), 3) * scan.by_strand


def _check_sequence(spec: ModelSpec, sequence: tf.Tensor) -> tf.Tensor:
    sequence = tf.convert_to_tensor(sequence)
    length = sequence.shape[1] if (sequence.shape.rank or 0) > 1 else None
    if length not in (None, spec.sequence_length):
        raise ValueError(
            f"sequence: expected {spec.sequence_length} bases each, as the model was made for, "
            f"got {length}; encode them with length={spec.sequence_length}"
        )
    return sequence
