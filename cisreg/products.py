"""Products of matrices and convolutions with the precision of float32 on every device.

On NVIDIA GPUs since Ampere, TensorFlow multiplies float32 matrices, and convolves, in
TensorFloat-32: it rounds both factors to 10 bits behind the leading one. Whether it does is one
setting of the whole process, `tf.config.experimental.enable_tensor_float_32_execution`, which is on
by default and is read when a kernel runs, or when XLA compiles. No operation has a setting of its
own, and the setting belongs to the user. So the functions here give TensorFlow nothing to round: a
product of matrices is multiplied and added element by element, and where a GPU is listed, the
factors of a convolution are cut into terms of 11 bits, which TensorFloat-32 represents exactly.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import tensorflow as tf

from cisreg.devices import gpu_here, listed_gpus

# float32 has 24 bits: two terms of 11 and one of the 2 that are left.
_TERMS = 3
# Sign, exponent and the first 10 bits behind the leading one.
_KEPT_BITS = -(1 << 13)


class _Tracing(threading.local):
    for_this_machine = False


_tracing = _Tracing()


@contextmanager
def for_this_machine() -> Iterator[None]:
    """Within it, this thread traces graphs that run nowhere else, as those of training.

    Where no GPU is listed, products of matrices are TensorFlow's there: 0.1 ms of a training step
    with 128 sequences and 245 motifs on 2 cores, instead of 0.2.

    Example:
        >>> with for_this_machine():
        ...     product = matrix_product(tf.ones([2, 3]), tf.ones([3, 4]))
    """
    before, _tracing.for_this_machine = _tracing.for_this_machine, True
    try:
        yield
    finally:
        _tracing.for_this_machine = before


def matrix_product(
    first: tf.Tensor, second: tf.Tensor, *, transpose_a: bool = False, transpose_b: bool = False
) -> tf.Tensor:
    """`tf.matmul` of float32 matrices, with the precision of float32 on every device.

    It needs memory for I * K * J numbers: for small matrices.

    Args:
        first: float32 [..., I, K]; with transpose_a [..., K, I].
        second: float32 [..., K, J]; with transpose_b [..., J, K].
        transpose_a: whether the first is transposed before.
        transpose_b: whether the second is; not both.

    Returns:
        float32 [..., I, J].

    Example:
        >>> float(matrix_product(tf.constant([[1.0, 2.0]]), tf.constant([[3.0], [4.0]])))
        11.0
    """
    if _tracing.for_this_machine and not listed_gpus():
        return tf.matmul(first, second, transpose_a=transpose_a, transpose_b=transpose_b)
    if transpose_a:
        product = tf.expand_dims(first, -1) * tf.expand_dims(second, -2)
        return tf.reduce_sum(product, axis=-3)
    if transpose_b:
        return tf.reduce_sum(tf.expand_dims(first, -2) * tf.expand_dims(second, -3), axis=-1)
    return tf.reduce_sum(tf.expand_dims(first, -1) * tf.expand_dims(second, -3), axis=-2)


def products_of_stack(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """`tf.matmul` of two stacks of float32 matrices, with the precision of float32 on every device.

    For matrices too large for `matrix_product`.

    Args:
        first: float32 [S, I, K].
        second: float32 [S, K, J].

    Returns:
        float32 [S, I, J].

    Example:
        >>> products_of_stack(tf.ones([5, 2, 3]), tf.ones([5, 3, 4])).shape
        TensorShape([5, 2, 4])
    """
    if not listed_gpus():
        return tf.matmul(first, second)
    # A product of matrices is a convolution of width 1.
    pairs = zip(tf.unstack(first), tf.unstack(second), strict=True)
    products = [
        convolution(one[tf.newaxis], other[tf.newaxis], "VALID", one_hot=False)
        for one, other in pairs
    ]
    return tf.concat(products, axis=0)


def convolution(
    sequence: tf.Tensor, kernel: tf.Tensor, padding: Literal["SAME", "VALID"], *, one_hot: bool
) -> tf.Tensor:
    """`tf.nn.conv1d` with stride 1; float32 keeps its precision on every device.

    Differentiable any number of times, with the same precision. On a CPU, bfloat16 is convolved in
    float32 and rounded: on processors with AMX, TensorFlow 2.21 gives wrong numbers for kernels of
    16, 24, 32 or more columns, in multiples of 8.

    Args:
        sequence: [N, L, C].
        kernel: [W, C, M], of the same dtype; float16 is left to TensorFlow.
        padding: as for `tf.nn.conv1d`.
        one_hot: that `sequence` has numbers 0 and 1 only, and needs no gradient.

    Returns:
        [N, P, M].

    Example:
        >>> sequence = tf.one_hot([[0, 1, 2]], 4)
        >>> convolution(sequence, tf.ones([2, 4, 5]), "VALID", one_hot=True).shape
        TensorShape([1, 2, 5])
    """
    if kernel.dtype == tf.bfloat16 and not gpu_here():
        wide, wide_kernel = (tf.cast(each, tf.float32) for each in (sequence, kernel))
        return tf.cast(convolution(wide, wide_kernel, padding, one_hot=one_hot), tf.bfloat16)
    if kernel.dtype != tf.float32 or not listed_gpus():
        return tf.nn.conv1d(sequence, kernel, stride=1, padding=padding)
    image, kernel = sequence[:, tf.newaxis], kernel[tf.newaxis]
    result = _OfTerms(padding, one_hot).convolved(image, kernel)
    return tf.squeeze(result, axis=1)


class _OfTerms:
    """A convolution and its gradients, each a sum of products of terms.

    All three are linear in both factors, so that the gradients of one are the others.

    Images are [N, 1, L, C], kernels [1, W, C, M], results [N, 1, P, M].
    """

    def __init__(self, padding: str, one_hot: bool) -> None:
        self._options: dict[str, Any] = {"strides": [1, 1, 1, 1], "padding": padding}
        self._one_hot = one_hot

    def convolved(self, image: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        def compute(image: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
            return tf.nn.conv2d(image, kernel, **self._options)

        def gradient(upstream: tf.Tensor) -> list[tf.Tensor | None]:
            to_image = None
            if not self._one_hot:
                to_image = self.to_image(kernel, upstream, tf.shape(image))
            return [to_image, self.to_kernel(image, upstream, tf.shape(kernel))]

        return _sum_of_products(compute, gradient, image, kernel, exact_first=self._one_hot)

    def to_image(self, kernel: tf.Tensor, result: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
        def compute(kernel: tf.Tensor, result: tf.Tensor) -> tf.Tensor:
            return tf.raw_ops.Conv2DBackpropInput(
                input_sizes=sizes, filter=kernel, out_backprop=result, **self._options
            )

        def gradient(upstream: tf.Tensor) -> list[tf.Tensor | None]:
            to_kernel = self.to_kernel(upstream, result, tf.shape(kernel))
            return [to_kernel, self.convolved(upstream, kernel)]

        return _sum_of_products(compute, gradient, kernel, result)

    def to_kernel(self, image: tf.Tensor, result: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
        def compute(image: tf.Tensor, result: tf.Tensor) -> tf.Tensor:
            return tf.raw_ops.Conv2DBackpropFilter(
                input=image, filter_sizes=sizes, out_backprop=result, **self._options
            )

        def gradient(upstream: tf.Tensor) -> list[tf.Tensor | None]:
            to_image = None
            if not self._one_hot:
                to_image = self.to_image(upstream, result, tf.shape(image))
            return [to_image, self.convolved(image, upstream)]

        return _sum_of_products(compute, gradient, image, result, exact_first=self._one_hot)


def _sum_of_products(
    compute: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    gradient: Callable[[tf.Tensor], list[tf.Tensor | None]],
    *factors: tf.Tensor,
    exact_first: bool = False,
) -> tf.Tensor:
    """`compute` of two factors, which is linear in both, as a sum over pairs of their terms.

    What is left out is below 2^-33 of the product.
    """

    @tf.custom_gradient
    def of_terms(first: tf.Tensor, second: tf.Tensor) -> tuple[tf.Tensor, Any]:
        firsts, seconds = [first] if exact_first else _terms(first), _terms(second)
        total = None
        # The smallest products first.
        for smallness in reversed(range(_TERMS)):
            for at, one in enumerate(firsts[: smallness + 1]):
                product = compute(one, seconds[smallness - at])
                total = product if total is None else total + product
        return total, gradient

    return of_terms(*factors)


def _terms(value: tf.Tensor) -> list[tf.Tensor]:
    """Terms of 11 bits, the largest first, whose sum is the float32 value."""
    terms = []
    for _ in range(_TERMS):
        bits = tf.bitwise.bitwise_and(tf.bitcast(value, tf.int32), _KEPT_BITS)
        terms.append(tf.bitcast(bits, tf.float32))
        value = value - terms[-1]
    return terms
