"""Predictions for any number of sequences, in batches, so that memory stays bounded."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from cisreg.batch_prediction import BATCH_SIZE, BatchPrediction, join_predictions
from cisreg.choices import ComputeDtype
from cisreg.devices import gpu_here
from cisreg.forking import check_not_forked
from cisreg.limits import MOST_ROWS_AT_ONCE, check_range
from cisreg.model import Parameters, predict, strand_binding
from cisreg.occupancy import Implementation
from cisreg.spec import ModelSpec

_Outputs = dict[str, tf.Tensor]


def predict_batches(
    spec: ModelSpec,
    parameters: Parameters,
    sequence: np.ndarray,
    *,
    column_range: np.ndarray | None = None,
    binding: bool = False,
    batch_size: int = BATCH_SIZE,
    compute_dtype: ComputeDtype = "float32",
    implementation: Implementation = "auto",
) -> Iterator[BatchPrediction]:
    """Predicts in batches, in the order of the sequences; no sequences give one empty batch.

    The model is compiled at its first use in a process, once for each spec and set of options. The
    same graph then serves any number of sequences and any parameters.

    Args:
        spec: the layers.
        parameters: arrays, tensors or variables by name, see `ModelSpec.parameter_shapes`.
        sequence: uint8 [N, L] base codes, L the spec's sequence_length.
        column_range: int32 [2, M], the columns of each motif that training could change. They
            decide which sites at constant ends count; without constant ends they have no effect.
        binding: also compute the binding of each motif, see `cisreg.model.strand_binding`.
        batch_size: maximum number of sequences per batch, 1 or more.
        compute_dtype: of the occupancy operation, see `cisreg.occupancy`.
        implementation: of the occupancy operation, see `cisreg.occupancy`.

    Raises:
        ValueError: sequences of the wrong length, an unknown option, or a batch size below 1.

    Example:
        >>> for batch in predict_batches(model.spec, model.parameters, codes):  # doctest: +SKIP
        ...     print(batch.expression.mean())
    """
    check_not_forked()
    check_range("batch_size", batch_size, 1, MOST_ROWS_AT_ONCE)
    if sequence.ndim != 2 or sequence.shape[1] != spec.sequence_length:
        raise ValueError(
            f"sequence: expected shape [N, {spec.sequence_length}] as the model was made for, got "
            f"{list(sequence.shape)}; encode with length={spec.sequence_length}"
        )
    compiled = _compiled(spec, binding, compute_dtype, implementation, gpu_here())
    tensors = {
        name: tf.convert_to_tensor(parameters[name], tf.float32) for name in spec.parameter_shapes
    }
    scanned = scanned_columns(spec, column_range)
    columns = [] if scanned is None else [tf.constant(scanned, tf.int32)]
    for start in range(0, max(len(sequence), 1), batch_size):
        codes = tf.constant(sequence[start : start + batch_size], tf.uint8)
        arrays = {name: value.numpy() for name, value in compiled(tensors, codes, *columns).items()}
        yield BatchPrediction(**arrays)


def predicted(
    spec: ModelSpec, parameters: Parameters, codes: tf.Tensor, *, binding: bool, **options: Any
) -> dict[str, tf.Tensor]:
    """The arrays of a `BatchPrediction` as tensors by name; for use in a graph.

    Args:
        spec: the layers.
        parameters: by name, see `ModelSpec.parameter_shapes`.
        codes: uint8 [N, L].
        binding: whether binding is one of them.
        options: further arguments of `cisreg.model.predict`.

    Example:
        >>> predicted(spec, parameters, codes, binding=False)["expression"]  # doctest: +SKIP
    """
    prediction = predict(spec, parameters, codes, **options)
    outputs = {"expression": prediction.expression}
    if prediction.accessibility is not None:
        outputs["accessibility"] = prediction.accessibility
    if binding:
        outputs["binding"] = strand_binding(spec, parameters, codes, **options)
    return outputs


def scanned_columns(spec: ModelSpec, column_range: np.ndarray | None) -> np.ndarray | None:
    """The column range that a prediction depends on, int32 [2, M].

    None where it does not: without constant ends and competition.

    Example:
        >>> spec = ModelSpec(motif_count=2, motif_width=3, sequence_length=9, constant_left=1)
        >>> scanned_columns(spec, None).tolist()
        [[0, 0], [3, 3]]
    """
    if not spec.needs_columns:
        return None
    whole = np.repeat([[0], [spec.motif_width]], spec.motif_count, axis=1)
    return np.asarray(whole if column_range is None else column_range, np.int32)


def predict_all(
    spec: ModelSpec, parameters: Parameters, sequence: np.ndarray, **options: Any
) -> BatchPrediction:
    """The predictions of all sequences in one object; arguments as for `predict_batches`.

    Example:
        >>> predict_all(model.spec, model.parameters, codes).expression.shape  # doctest: +SKIP
        (8982,)
    """
    return join_predictions(predict_batches(spec, parameters, sequence, **options))


@functools.lru_cache(maxsize=32)
def _compiled(
    spec: ModelSpec,
    binding: bool,
    compute_dtype: ComputeDtype,
    implementation: Implementation,
    gpu: str,
) -> Callable[..., _Outputs]:
    """The compiled prediction of one batch; models share it, since parameters are an input.

    Where it matters, the column range is a third input. What "auto" chooses depends on the GPU.
    """
    signature: list[Any] = [
        {
            name: tf.TensorSpec(shape, tf.float32, name=name)
            for name, shape in spec.parameter_shapes.items()
        },
        tf.TensorSpec([None, spec.sequence_length], tf.uint8),
    ]
    if spec.needs_columns:
        signature.append(tf.TensorSpec([2, spec.motif_count], tf.int32))
    options: Any = {"compute_dtype": compute_dtype, "implementation": implementation}

    @tf.function(input_signature=signature, autograph=False)
    def predict_batch(
        parameters: Mapping[str, tf.Tensor], codes: tf.Tensor, columns: tf.Tensor | None = None
    ) -> _Outputs:
        asked = {**options, "column_range": columns, "binding": binding}
        return predicted(spec, parameters, codes, **asked)

    return predict_batch
