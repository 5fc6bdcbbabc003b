"""The written gradient of models without limits against TensorFlow's own."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf

from cisreg.layers import scan_motifs
from cisreg.model import ModelSpec, init_parameters, predict
from cisreg.products import for_this_machine
from cisreg.training.linear import is_linear, linear_expression

SIZES = {"motif_count": 3, "motif_width": 4, "sequence_length": 12}
LAYERS = {
    "basic": {},
    "no potentiation": {"potentiation": False},
    "probability": {"binding": "probability"},
    "stranded": {"stranded": True},
    "positional": {"positional": True},
    "positional and stranded, no potentiation": {
        "positional": True,
        "stranded": True,
        "potentiation": False,
    },
    "probability, stranded": {"binding": "probability", "stranded": True},
    "positional potentiation": {"positional_potentiation": True},
    "positional, both": {"positional": True, "positional_potentiation": True, "position_knots": 4},
    "logistic": {"link": "logistic"},
    "softplus, no potentiation": {"link": "softplus", "potentiation": False},
    "exponential": {"link": "exponential", "positional": True, "positional_potentiation": True},
    "competition": {"competition": True, "positional": True, "stranded": True},
}


def example(layers):
    spec = ModelSpec(**SIZES, **layers)
    random = np.random.default_rng(3)
    start = init_parameters(spec, random.normal(0, 1, (4, 4, 3)), np.full(3, -1.0))
    parameters = {
        name: tf.constant(value + random.normal(0, 0.5, value.shape), tf.float32)
        for name, value in start.items()
    }
    return spec, parameters, tf.constant(random.integers(0, 5, (6, 12)), tf.uint8)


def gradients(compute, parameters):
    upstream = tf.constant(np.random.default_rng(4).normal(size=6), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        expression = compute(parameters)
    return expression, tape.gradient(expression, parameters, output_gradients=upstream)


@pytest.mark.parametrize("products", [for_this_machine, nullcontext], ids=["cpu", "gpu"])
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_the_written_gradient_is_tensorflows(layers, products):
    """With the products of a CPU and with those that are written where a GPU is listed."""
    spec, parameters, sequence = example(layers)

    def written(parameters):
        scan = scan_motifs(spec, parameters, sequence, None, None, "float32", "standard")
        return linear_expression(spec, parameters, scan)

    def own(parameters):
        return predict(spec, parameters, sequence, implementation="standard").expression

    assert is_linear(spec)
    one, first = gradients(own, parameters)
    with products():
        other, second = gradients(written, parameters)
    np.testing.assert_allclose(other, one, rtol=1e-6)
    for name, value in first.items():
        np.testing.assert_allclose(second[name], value, rtol=2e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("layer", ["binding_limit", "accessibility_activity"])
def test_models_with_limits_are_computed_otherwise(layer):
    assert not is_linear(ModelSpec(**SIZES, **{layer: True}))
