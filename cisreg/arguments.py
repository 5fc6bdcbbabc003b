"""What users pass to the operation, as tensors: arrays, tensors, variables and ragged rows.

Arrays, lists, pandas and Arrow are converted by value, tensors and variables by their type.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from cisreg.arrays import as_array, numbers
from cisreg.occupancy_checks import UNKNOWN

LARGEST = 2**31 - 1
_CODES_EXPECTED = (
    "sequence: expected base codes 0 to 4 of shape [N, L], which cisreg.encode makes of text"
)
# What is no tensor and what to do instead, by the name of its type.
_REFUSED = {
    "SparseTensor": "make it dense with tf.sparse.to_dense(value, default_value=4)",
    "RaggedTensor": "use value.to_tensor(), and 4 as the default value of base codes",
    "KerasTensor": "it stands for a batch in a functional Keras model; use the layer "
    "cisreg.keras.MotifOccupancy, or call the operation in a layer of your own",
    "TensorArray": "use value.stack()",
}


def as_parameter(argument: str, value: Any) -> tf.Tensor:
    """A float32 tensor; arrays and lists are rounded to it, tensors must have this type.

    Raises:
        ValueError: a different type, or no numbers.

    Example:
        >>> as_parameter("log_concentration", [1, 2.5]).numpy()
        array([1. , 2.5], dtype=float32)
    """
    expected = f"{argument}: expected float32"
    if not _holds_tensors(argument, value):
        value = as_array(value, argument, np.float32, (...,))
    tensor = _tensor(argument, value)
    if tensor.dtype != tf.float32:
        raise ValueError(f"{expected}, got {tensor.dtype.name}; cast it with tf.cast")
    return tensor


def as_integers(argument: str, value: Any) -> tf.Tensor:
    """An int32 tensor from integers of any width; what int32 cannot hold becomes its nearest value.

    Raises:
        ValueError: a different type, or no numbers.

    Example:
        >>> as_integers("span", tf.constant([0, 2**40], tf.int64)).numpy()
        array([         0, 2147483647], dtype=int32)
    """
    if not _holds_tensors(argument, value):
        value = as_array(value, argument, np.int64, (...,))
        return tf.constant(np.clip(value, -LARGEST, LARGEST).astype(np.int32))
    tensor = _tensor(argument, value)
    if not tensor.dtype.is_integer:
        raise ValueError(f"{argument}: expected int32, got {tensor.dtype.name}; cast it to int32")
    if tensor.dtype == tf.int32:
        return tensor
    wide = tf.cast(tensor, tf.int64)
    return tf.cast(tf.clip_by_value(wide, -LARGEST, LARGEST), tf.int32)


def as_sequence(value: Any) -> tf.Tensor:
    """Base codes [N, L] in the integer type that they have, or soft sequences, float32 [N, L, 4].

    Integers of rank 3 are soft sequences, as are all floating-point numbers and booleans. If a
    graph does not know the rank, integers are codes.

    Raises:
        ValueError: numbers of rank 2 that are no integers, or no numbers.

    Example:
        >>> as_sequence([[0, 1, 4]]).dtype.name, as_sequence(np.eye(4)[None]).dtype.name
        ('uint8', 'float32')
    """
    if not _holds_tensors("sequence", value):
        value = _sequence_array(value)
    tensor = _tensor("sequence", value)
    dtype, rank = tensor.dtype, tensor.shape.rank
    if dtype == tf.string:
        raise ValueError(
            f"{_CODES_EXPECTED}, got a tensor of text; use cisreg.sequence_codes for it"
        )
    if not (dtype.is_integer or dtype.is_floating or dtype.is_bool):
        raise ValueError(
            "sequence: expected integer base codes [N, L] or soft sequences [N, L, 4], got "
            f"{dtype.name}"
        )
    if rank == 3 or (rank is None and not dtype.is_integer):
        return tf.cast(tensor, tf.float32)
    if not dtype.is_integer:
        raise ValueError(
            f"sequence: expected integer base codes [N, L], got {dtype.name} of shape "
            f"{tensor.shape.as_list()}; cast codes with tf.cast(sequence, tf.uint8), or give "
            "soft sequences [N, L, 4]"
        )
    return tensor


def is_soft(sequence: tf.Tensor) -> bool:
    """Whether a tensor from `as_sequence` is a soft sequence, float32 [N, L, 4].

    Example:
        >>> is_soft(as_sequence([[0, 1, 4]]))
        False
    """
    return bool(sequence.dtype.is_floating)


def padded_rows(
    sequence: tf.RaggedTensor, length: Any, shortest: int | tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Ragged rows as (a tensor with unknown bases behind each row, int32 [N] lengths of the rows).

    Args:
        sequence: codes [N, (L)], or soft sequences [N, (L), 4].
        length: must be None.
        shortest: the tensor has at least this many bases.

    Raises:
        ValueError: a length, or rows of a different kind.

    Example:
        >>> rows = tf.ragged.constant([[0, 1], [2]], dtype=tf.uint8)
        >>> [part.numpy().tolist() for part in padded_rows(rows, None, 0)]
        [[[0, 1], [2, 4]], [2, 1]]
    """
    if length is not None:
        raise ValueError("length: expected None beside ragged sequences, which have their lengths")
    rank, dtype = sequence.flat_values.shape.rank, sequence.dtype
    is_codes = rank == 1 and dtype.is_integer
    is_one_hot = rank == 2 and (dtype.is_integer or dtype.is_floating or dtype.is_bool)
    if sequence.ragged_rank != 1 or not (is_codes or is_one_hot):
        raise ValueError(
            "sequence: expected ragged rows of integer base codes [N, (L)] or of soft bases "
            f"[N, (L), 4], got {dtype.name} of shape {sequence.shape.as_list()}"
        )
    if is_one_hot:
        sequence = tf.cast(sequence, tf.float32)
    behind = tf.constant(UNKNOWN if is_codes else 0, sequence.dtype)
    padded = sequence.to_tensor(behind)
    missing = tf.maximum(shortest - tf.shape(padded)[1], 0)
    around = [[0, 0], [0, missing], *[[0, 0]] * (rank - 1)]
    padded = tf.pad(padded, around, constant_values=behind)
    return padded, tf.cast(sequence.row_lengths(), tf.int32)


def _sequence_array(value: Any) -> np.ndarray:
    """Codes as uint8 if they are such; integers that are no codes as they are, to be refused."""
    array = np.asarray(numbers(value, _CODES_EXPECTED))
    if array.ndim == 3:
        return as_array(array, "sequence", np.float32, (...,))
    if array.dtype.kind == "f":
        array = as_array(array, "sequence", np.int64, (...,))
    if array.dtype.kind == "b" or not array.size:
        return array
    fit = array.min() >= 0 and array.max() <= UNKNOWN
    return array.astype(np.uint8, copy=False) if fit else array


def _holds_tensors(argument: str, value: Any) -> bool:
    """Whether a value is a tensor or contains tensors, which must not be converted to NumPy.

    Raises:
        ValueError: it is neither numbers nor a tensor.
    """
    if isinstance(value, (int, float, np.ndarray, np.generic)):
        return False
    if isinstance(value, (list, tuple)):
        return any(_holds_tensors(argument, each) for each in value)
    kind = type(value).__name__
    if kind in _REFUSED:
        raise ValueError(f"{argument}: expected numbers, got a {kind}; {_REFUSED[kind]}")
    if value is None or isinstance(value, (dict, set, frozenset, tf.TypeSpec, tf.data.Dataset)):
        raise ValueError(f"{argument}: expected numbers, got {'a ' * bool(value)}{kind}")
    return tf.is_tensor(value) or hasattr(value, "__tf_tensor__")


def _tensor(argument: str, value: Any) -> tf.Tensor:
    try:
        tensor = tf.convert_to_tensor(value)
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        raise ValueError(f"{argument}: expected a tensor, got none: {error}") from error
    if tf.executing_eagerly() and "CUSTOM" in tensor.device:
        raise ValueError(
            f"{argument}: expected a tensor on one device, got one of DTensor, which has "
            "no rule to divide the operation; give its parts, dtensor.unpack(value)"
        )
    return tensor
