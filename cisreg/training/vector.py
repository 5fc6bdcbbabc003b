"""The parameters that a stage trains, concatenated in one variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf

# In what units these parameters train; all others in their own. Adam and RMSprop change every
# number by about the learning rate in a step. That suits numbers of size 1, and effects of pairs
# are ten to twenty standard units, since sites seldom bind together. Steps of SGD, which follow the
# gradient, are 16^2 times as large as without. Powers of 2, so that nothing is rounded.
_UNITS = {"pair_effect": 16.0}


class ParameterVector:
    """One variable that contains the values of several parameters.

    An optimizer starts a dozen operations for each of its variables; for small parameters, starting
    them takes longer than the operations themselves. For one variable it starts them only once. The
    results are the same.

    Args:
        parameters: float32 variables by name.
        trainable: names of the parameters in the vector, in their order in it.

    Attributes:
        variable: float32 [K], the values; effects of pairs of factors in units of 16.

    Example:
        >>> parameters = {"activity": tf.Variable([1.0, 2.0]), "bias": tf.Variable(3.0)}
        >>> ParameterVector(parameters, ("bias", "activity")).variable.numpy()
        array([3., 1., 2.], dtype=float32)
    """

    def __init__(self, parameters: Mapping[str, tf.Variable], trainable: Sequence[str]) -> None:
        self._parameters = {name: parameters[name] for name in trainable}
        self.variable = tf.Variable(self._joined(), name="trained")

    def read(self) -> None:
        """Copies the values of the parameters to the vector."""
        self.variable.assign(self._joined())

    def write(self) -> None:
        """Copies the values in the vector to the parameters."""
        for name, value in self.split(self.variable).items():
            self._parameters[name].assign(value)

    def split(self, vector: tf.Tensor) -> dict[str, tf.Tensor]:
        """The parameters in `vector` [K] by name, each in its shape; differentiable."""
        shapes = [parameter.shape for parameter in self._parameters.values()]
        parts = tf.split(vector, [shape.num_elements() for shape in shapes])
        return {
            name: tf.reshape(part * _UNITS[name] if name in _UNITS else part, shape)
            for name, part, shape in zip(self._parameters, parts, shapes, strict=True)
        }

    def _joined(self) -> tf.Tensor:
        flat = {name: tf.reshape(each, [-1]) for name, each in self._parameters.items()}
        return tf.concat(
            [part / _UNITS[name] if name in _UNITS else part for name, part in flat.items()], axis=0
        )
