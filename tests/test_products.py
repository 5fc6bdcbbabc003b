"""Products keep the precision of float32 where TensorFlow would multiply in TensorFloat-32."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensor_float_32 import rounded_factors, run_rounded

from cisreg import products
from cisreg.losses import mean_squared_error
from cisreg.model import ModelSpec, init_parameters, predict
from cisreg.oracle import occupancy_oracle
from cisreg.reference import occupancy_standard

SEQUENCES, LENGTH, MOTIFS, WIDTH = 40, 60, 30, 12
OPTIONS = {
    "linear": {},
    "stranded": {"stranded": True, "potentiation": False},
    "positional": {"positional": True, "stranded": True},
    "knots": {"positional": True, "position_knots": 5},
    "limits": {"binding_limit": True, "positional": True},
    "positional potentiation": {"positional_potentiation": True, "link": "logistic"},
}


@pytest.fixture
def listed_gpu(monkeypatch):
    """TensorFlow lists a GPU when products are called or traced."""
    monkeypatch.setattr(products, "listed_gpus", lambda: ("/device:GPU:0",))


def codes_of(count=SEQUENCES, seed=0):
    return tf.constant(np.random.default_rng(seed).integers(0, 5, (count, LENGTH)), tf.uint8)


def model_of(name):
    spec = ModelSpec(motif_count=MOTIFS, motif_width=WIDTH, sequence_length=LENGTH, **OPTIONS[name])
    random = np.random.default_rng(1)
    log_kd = random.normal(0, 1.5, (WIDTH, 4, MOTIFS)).astype(np.float32)
    start = init_parameters(spec, log_kd, random.normal(-3, 1, MOTIFS).astype(np.float32))
    return spec, {
        key: tf.constant(value + random.normal(0, 0.1, np.shape(value)), tf.float32)
        for key, value in start.items()
    }


def expression_and_gradients(name, implementation):
    """A function of codes and parameters, and what it is called with."""
    spec, parameters = model_of(name)

    def function(codes, *values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            given = dict(zip(parameters, values, strict=True))
            expression = predict(spec, given, codes, implementation=implementation).expression
            loss = mean_squared_error(expression, tf.ones_like(expression))
        return [expression, *tape.gradient(loss, values)]

    return function, (codes_of(), *parameters.values())


def relative_errors(actual, expected):
    return [
        float(np.linalg.norm(one - other) / max(np.linalg.norm(other), 1e-30))
        for one, other in zip(actual, expected, strict=True)
    ]


@pytest.mark.parametrize("implementation", ["fused", "standard"])
@pytest.mark.parametrize("name", OPTIONS)
def test_a_model_and_its_gradient_have_no_product_in_tensor_float_32(
    name, implementation, listed_gpu
):
    function, arguments = expression_and_gradients(name, implementation)
    graph = tf.function(function, autograph=False).get_concrete_function(*arguments).graph
    assert rounded_factors(graph.as_graph_def()) == []
    expected = [each.numpy() for each in function(*arguments)]
    errors = relative_errors(run_rounded(function, *arguments), expected)
    assert max(errors) < 1e-5, errors


@pytest.mark.parametrize("implementation", ["fused", "standard"])
def test_without_protection_expression_is_off_and_the_test_notices(implementation):
    function, arguments = expression_and_gradients("linear", implementation)

    def unprotected(*arguments):
        with products.for_this_machine():
            return function(*arguments)

    expected = unprotected(*arguments)[0].numpy()
    graph = tf.function(unprotected, autograph=False).get_concrete_function(*arguments).graph
    assert rounded_factors(graph.as_graph_def())
    error = np.abs(run_rounded(unprotected, *arguments)[0] - expected).max() / expected.std()
    assert error > 1e-3


def test_training_steps_have_no_product_in_tensor_float_32(listed_gpu):
    from training.test_step import Steps

    assert rounded_factors(Steps().compiled.compiled.graph.as_graph_def()) == []


def test_training_steps_without_protection_have_some():
    from training.test_step import Steps

    assert rounded_factors(Steps().compiled.compiled.graph.as_graph_def())


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("soft", [False, True], ids=["codes", "soft"])
def test_standard_operations_are_as_close_to_the_oracle_as_without(soft, padding, listed_gpu):
    random = np.random.default_rng(2)
    log_kd = random.normal(0, 2, (WIDTH, 4, MOTIFS)).astype(np.float32)
    concentration = random.normal(-3, 1, MOTIFS).astype(np.float32)
    codes = codes_of()
    sequence = tf.one_hot(tf.cast(codes, tf.int32), 4) if soft else codes
    expected, _ = occupancy_oracle(codes.numpy(), log_kd, concentration, padding=padding)

    def bound(sequence, log_kd, concentration):
        return [occupancy_standard(sequence, log_kd, concentration, padding=padding)[0]]

    arguments = sequence, tf.constant(log_kd), tf.constant(concentration)
    (rounded,) = run_rounded(bound, *arguments)
    np.testing.assert_allclose(rounded, expected, rtol=2e-5, atol=1e-7)


def soft_example():
    random = np.random.default_rng(3)
    soft = tf.constant(random.dirichlet(np.ones(4), (5, 14)), tf.float32)
    log_kd = tf.constant(random.normal(0, 1, (4, 4, 3)), tf.float32)
    return soft, log_kd, tf.constant([-1.0, 0.0, -2.0])


def first_and_second_derivatives(soft, log_kd, concentration):
    """Gradients of a sum, and of the sum of their squares."""
    watched = [soft, log_kd]
    with tf.GradientTape() as outer:
        outer.watch(watched)
        with tf.GradientTape() as inner:
            inner.watch(watched)
            total = tf.reduce_sum(occupancy_standard(soft, log_kd, concentration)[0] ** 2)
        first = inner.gradient(total, watched)
        squares = tf.add_n([tf.reduce_sum(each**2) for each in first])
    return [*first, *outer.gradient(squares, watched)]


def test_first_and_second_derivatives_are_those_of_tensorflow(monkeypatch):
    arguments = soft_example()
    expected = [each.numpy() for each in first_and_second_derivatives(*arguments)]
    monkeypatch.setattr(products, "listed_gpus", lambda: ("/device:GPU:0",))
    assert max(relative_errors(first_and_second_derivatives(*arguments), expected)) < 1e-5
    rounded = run_rounded(first_and_second_derivatives, *arguments)
    assert max(relative_errors(rounded, expected)) < 1e-5
    compiled = tf.function(first_and_second_derivatives, jit_compile=True)(*arguments)
    assert max(relative_errors(compiled, expected)) < 1e-5


def test_derivatives_without_protection_are_off():
    arguments = soft_example()
    expected = [each.numpy() for each in first_and_second_derivatives(*arguments)]
    errors = relative_errors(run_rounded(first_and_second_derivatives, *arguments), expected)
    assert min(errors) > 1e-5


def test_forward_mode_is_that_of_tensorflow(monkeypatch):
    soft, log_kd, concentration = soft_example()

    def tangent():
        direction = tf.ones_like(log_kd)
        with tf.autodiff.ForwardAccumulator(log_kd, direction) as accumulator:
            bound = occupancy_standard(soft, log_kd, concentration)[0]
        return accumulator.jvp(bound).numpy()

    expected = tangent()
    monkeypatch.setattr(products, "listed_gpus", lambda: ("/device:GPU:0",))
    np.testing.assert_allclose(tangent(), expected, rtol=1e-5)


def test_terms_are_the_number_and_have_11_bits():
    random = np.random.default_rng(4)
    values = (random.normal(0, 1, 1000) * 10.0 ** random.integers(-20, 20, 1000)).astype(np.float32)
    terms = [each.numpy() for each in products._terms(tf.constant(values))]
    np.testing.assert_array_equal(np.sum(terms, axis=0, dtype=np.float64), values)
    for term in terms:
        assert not (term.view(np.int32) & 0x1FFF).any()


@pytest.mark.parametrize("shapes", [((3, 7), (7, 2)), ((4, 7), (5, 7, 2)), ((1, 1), (1, 1))])
def test_matrix_products_are_those_of_tensorflow(shapes, listed_gpu):
    random = np.random.default_rng(5)
    first, second = (tf.constant(random.normal(0, 1, shape), tf.float32) for shape in shapes)
    expected = tf.matmul(first, second)
    np.testing.assert_allclose(products.matrix_product(first, second), expected, rtol=1e-5)
    turned = products.matrix_product(first, tf.linalg.matrix_transpose(second), transpose_b=True)
    np.testing.assert_allclose(turned, expected, rtol=1e-5)
    if first.shape.rank == second.shape.rank:
        turned = products.matrix_product(tf.transpose(first), second, transpose_a=True)
        np.testing.assert_allclose(turned, expected, rtol=1e-5)


@pytest.mark.parametrize("gpus", [(), ("/device:GPU:0",)])
def test_products_of_stacks_are_those_of_tensorflow(gpus, monkeypatch):
    monkeypatch.setattr(products, "listed_gpus", lambda: gpus)
    random = np.random.default_rng(6)
    shapes = ((3, 5, 7), (3, 7, 2))
    first, second = (tf.constant(random.normal(0, 1, shape), tf.float32) for shape in shapes)
    with tf.GradientTape() as tape:
        tape.watch([first, second])
        product = products.products_of_stack(first, second)
        total = tf.reduce_sum(product**2)
    np.testing.assert_allclose(product, first.numpy() @ second.numpy(), rtol=1e-5, atol=1e-6)
    expected = 2 * np.einsum("sij,skj->sik", product, second)
    np.testing.assert_allclose(tape.gradient(total, first), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("gpus", [(), ("/device:GPU:0",)])
def test_tensorflow_multiplies_only_in_training_on_a_machine_without_a_gpu(gpus, monkeypatch):
    monkeypatch.setattr(products, "listed_gpus", lambda: gpus)
    first, second = tf.ones([2, 3]), tf.ones([3, 4])

    def products_of(function):
        graph = tf.function(function).get_concrete_function(first, second).graph
        return [each.type for each in graph.get_operations() if each.type == "MatMul"]

    def in_training(first, second):
        with products.for_this_machine():
            return products.matrix_product(first, second)

    assert products_of(products.matrix_product) == []
    assert products_of(in_training) == [] if gpus else ["MatMul"]
