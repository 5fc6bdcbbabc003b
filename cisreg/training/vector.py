"""The parameters that a stage trains, end to end in one variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf


class ParameterVector:
    """A variable that holds the values of several parameters one after the other.

    An optimizer starts a dozen operations for each of its variables, which for small parameters
    takes longer than the operations themselves. On one variable it starts them once, and the
    results are the same.

    Args:
        parameters: float32 variables by name.
        trainable: names of those in the vector, in their order there.

    Attributes:
        variable: float32 [K], the values.

    Example:
        >>> parameters = {"activity": tf.Variable([1.0, 2.0]), "bias": tf.Variable(3.0)}
        >>> ParameterVector(parameters, ("bias", "activity")).variable.numpy()
        array([3., 1., 2.], dtype=float32)
    """

    def __init__(self, parameters: Mapping[str, tf.Variable], trainable: Sequence[str]) -> None:
        self._parameters = {name: parameters[name] for name in trainable}
        self.variable = tf.Variable(self._joined(), name="trained")

    def read(self) -> None:
        """Takes the values of the parameters into the vector."""
        self.variable.assign(self._joined())

    def write(self) -> None:
        """Assigns the values in the vector to the parameters."""
        for name, value in self.split(self.variable).items():
            self._parameters[name].assign(value)

    def split(self, vector: tf.Tensor) -> dict[str, tf.Tensor]:
        """The parameters by name, each in its shape, that `vector` [K] holds; differentiable."""
        shapes = [parameter.shape for parameter in self._parameters.values()]
        parts = tf.split(vector, [shape.num_elements() for shape in shapes])
        return {
            name: tf.reshape(part, shape)
            for name, part, shape in zip(self._parameters, parts, shapes, strict=True)
        }

    def _joined(self) -> tf.Tensor:
        return tf.concat([tf.reshape(each, [-1]) for each in self._parameters.values()], axis=0)
