"""Variables within a replica's part of a step: read and assigned on its own device.

`tf.Variable.assign` of a variable that all replicas have a copy of would ask how their values are
to be combined. Here all replicas assign the same value, each to its own copy.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def handle(variable: Any) -> tf.Tensor:
    """The resource of this replica's copy of a variable of TensorFlow or Keras."""
    own = variable.value if isinstance(variable, keras.Variable) else variable
    return own.handle


def read(variable: Any) -> tf.Tensor:
    """The value of this replica's copy, in the variable's shape."""
    resource = handle(variable)
    value = tf.raw_ops.ReadVariableOp(resource=resource, dtype=tf.as_dtype(variable.dtype))
    return tf.ensure_shape(value, variable.shape) if value.shape.rank is None else value


def assign(variable: Any, value: tf.Tensor) -> None:
    """Assigns to this replica's copy."""
    tf.raw_ops.AssignVariableOp(resource=handle(variable), value=value)
