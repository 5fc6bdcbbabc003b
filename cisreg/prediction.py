"""Predictions of a trained model for any number of sequences, in batches of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from cisreg.choices import ComputeDtype
from cisreg.model import predict, strand_binding
from cisreg.occupancy import Implementation
from cisreg.storage import Model


class BatchPrediction(NamedTuple):
    """What a model says of n sequences that follow one another.

    Attributes:
        expression: float32 [n], in the unit of the training data.
        accessibility: float32 [n]; None without the potentiation layer.
        binding: float32 [n, 2, M], accessible binding of each motif to each strand; None where it
            was not asked for.
    """

    expression: np.ndarray
    accessibility: np.ndarray | None
    binding: np.ndarray | None


def predict_batches(
    model: Model,
    sequence: np.ndarray,
    *,
    binding: bool = False,
    batch_size: int = 1024,
    compute_dtype: ComputeDtype = "float32",
    implementation: Implementation = "auto",
) -> Iterator[BatchPrediction]:
    """Predicts batch after batch, in the order of the sequences.

    Args:
        model: the model.
        sequence: uint8 [N, L] base codes, L the model's sequence_length.
        binding: give the binding of each motif too, see `cisreg.model.strand_binding`.
        batch_size: sequences per batch at most, 1 or more.
        compute_dtype: of the occupancy operation, see `cisreg.occupancy`.
        implementation: of the occupancy operation, see `cisreg.occupancy`.

    Raises:
        ValueError: sequences of another length, an unknown option, or a batch size below 1.

    Example:
        >>> for batch in predict_batches(model, sequence):  # doctest: +SKIP
        ...     print(batch.expression.mean())
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: expected 1 or more, got {batch_size}")
    spec = model.spec
    if sequence.ndim != 2 or sequence.shape[1] != spec.sequence_length:
        raise ValueError(
            f"sequence: expected shape [N, {spec.sequence_length}] as the model was made for, got "
            f"{list(sequence.shape)}; encode with length={spec.sequence_length}"
        )
    parameters = {name: tf.constant(value) for name, value in model.parameters.items()}
    options: Any = {"compute_dtype": compute_dtype, "implementation": implementation}

    @tf.function(
        input_signature=[tf.TensorSpec([None, spec.sequence_length], tf.uint8)], autograph=False
    )
    def predict_batch(codes: tf.Tensor) -> dict[str, tf.Tensor]:
        prediction = predict(spec, parameters, codes, **options)
        outputs = {"expression": prediction.expression}
        if prediction.accessibility is not None:
            outputs["accessibility"] = prediction.accessibility
        if binding:
            outputs["binding"] = strand_binding(spec, parameters, codes, **options)
        return outputs

    for start in range(0, len(sequence), batch_size):
        outputs = predict_batch(tf.constant(sequence[start : start + batch_size]))
        arrays = {name: value.numpy() for name, value in outputs.items()}
        yield BatchPrediction(
            arrays["expression"], arrays.get("accessibility"), arrays.get("binding")
        )


def predict_expression(
    model: Model,
    sequence: np.ndarray,
    *,
    compute_dtype: ComputeDtype = "float32",
    implementation: Implementation = "auto",
) -> np.ndarray:
    """Predicted expression, float32 [N], of all sequences; arguments as `predict_batches`.

    Example:
        >>> predict_expression(model, encode(["ACGT"], 110)).shape  # doctest: +SKIP
        (1,)
    """
    batches = predict_batches(
        model, sequence, compute_dtype=compute_dtype, implementation=implementation
    )
    return np.concatenate([np.empty(0, np.float32), *(batch.expression for batch in batches)])
