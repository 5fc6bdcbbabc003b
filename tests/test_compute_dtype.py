"""Sites computed in 16 bits: the difference from the float64 oracle and from float32."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf
import trained_reference
from shared_data import shared_data
from test_occupancy import example, random_range, random_upstream, value_and_gradient

from cisreg import _native
from cisreg.data import read_dataset
from cisreg.library import load_ops
from cisreg.model import ModelSpec, predict
from cisreg.motifs import read_log_concentration, read_motifs
from cisreg.occupancy import occupancy
from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient
from cisreg.reference import hold_columns, site_occupancy_standard

REDUCTIONS = ["expected", "probability", "log_unbound"]
SIXTEEN_BITS = ["bfloat16", "float16"]
# (sequences, length, width, motifs), with enough sites that no error is small by chance.
SHAPES = [(130, 60, 9, 40), (40, 110, 30, 33), (300, 25, 3, 64), (2, 1100, 12, 24)]
# The rule: at most twice the error of the plain operations at that dtype. These are limits for the
# plain operations on these problems; without them, the rule could become meaningless.
IN_FLOAT32 = 1e-6
LARGEST_PLAIN_ERROR = {"bfloat16": 0.08, "float16": 0.02}


def errors(actual, expected):
    """Relative errors: of the whole, of its largest number, and of each motif.

    The first two depend on strong sites alone. The last one gives each motif the same weight, also
    if it binds weakly.
    """
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected)
    assert actual.shape == expected.shape
    difference = actual - expected
    of_motif = np.linalg.norm(expected.reshape(-1, expected.shape[-1]), axis=0)
    own = np.linalg.norm(difference.reshape(-1, expected.shape[-1]), axis=0)
    bound = of_motif > 0
    return {
        "root mean square": np.linalg.norm(difference) / np.linalg.norm(expected),
        "largest": np.abs(difference).max() / np.abs(expected).max(),
        "of motifs": np.sqrt(np.mean((own[bound] / of_motif[bound]) ** 2)),
    }


@functools.cache
def yeast():
    """Real promoters and motifs, with position weights."""
    folder = shared_data("gpra_example")
    motifs = read_motifs(folder / "motif_list.txt", width=30)
    random = np.random.default_rng(0)
    return {
        "sequence": read_dataset(folder / "test.tsv.gz", 110).sequence[:24],
        "log_kd": motifs.log_kd,
        "log_concentration": read_log_concentration(folder / "log_concentration.tsv", motifs.names),
        "position_weight": random.normal(1, 0.3, (2, 110, len(motifs))).astype(np.float32),
    }


def problem(name):
    return yeast() if name == "yeast" else example(name)


@functools.cache
def oracle(name, reduction):
    """Outputs, upstream gradients and gradients of the oracle."""
    arguments = problem(name)
    outputs = occupancy_oracle(**arguments, reduction=reduction)
    upstream = random_upstream(outputs)
    gradient = occupancy_oracle_gradient(
        **arguments, reduction=reduction, grad_bound=upstream[0], grad_weighted=upstream[1]
    )
    return outputs, upstream, gradient


def all_errors(name, reduction, **options):
    outputs, upstream, gradient = oracle(name, reduction)
    found, found_gradient = value_and_gradient(
        problem(name), upstream, reduction=reduction, **options
    )
    assert all(value.dtype == tf.float32 for value in (*found, *found_gradient.values()))
    results = {"bound": errors(found.bound, outputs[0])}
    results["weighted"] = errors(found.weighted, outputs[1])
    return results | {
        f"gradient of {key}": errors(found_gradient[key], value) for key, value in gradient.items()
    }


@pytest.mark.parametrize("compute_dtype", SIXTEEN_BITS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", [*SHAPES, "yeast"], ids=str)
def test_error_is_at_most_twice_that_of_plain_operations(name, reduction, compute_dtype):
    options = {"reduction": reduction, "compute_dtype": compute_dtype}
    plain = all_errors(name, **options, implementation="standard")
    fused = all_errors(name, **options, implementation="fused")
    for output, measures in fused.items():
        for measure, error in measures.items():
            assert error <= 2 * plain[output][measure] + IN_FLOAT32, f"{output}, {measure}"


@pytest.mark.parametrize("compute_dtype", SIXTEEN_BITS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", [*SHAPES, "yeast"], ids=str)
def test_plain_operations_are_as_exact_as_their_dtype_allows(name, reduction, compute_dtype):
    options = {"reduction": reduction, "implementation": "standard"}
    results = all_errors(name, compute_dtype=compute_dtype, **options)
    for output, measures in results.items():
        assert measures["root mean square"] <= LARGEST_PLAIN_ERROR[compute_dtype], output
    # The plain operations do compute in 16 bits.
    for output in ("weighted", "gradient of log_kd"):
        assert results[output]["root mean square"] > 50 * IN_FLOAT32, output


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("compute_dtype", SIXTEEN_BITS)
def test_every_width_is_as_exact(compute_dtype, padding):
    # TensorFlow's convolution in bfloat16 is wrong for some of them on processors with AMX.
    random = np.random.default_rng(4)
    codes = random.integers(0, 5, (20, 60)).astype(np.uint8)
    for width in range(1, 49):
        log_kd = random.normal(0, 3 / width**0.5, (width, 4, 8)).astype(np.float32)
        arguments = codes, log_kd, np.full(8, -2, np.float32)
        exact, _ = occupancy_oracle(*arguments, padding=padding)
        options = {"padding": padding, "compute_dtype": compute_dtype}
        found = occupancy(*arguments, **options, implementation="standard").bound
        limit = LARGEST_PLAIN_ERROR[compute_dtype]
        assert max(errors(found, exact).values()) < limit, width


@pytest.mark.parametrize("compute_dtype", SIXTEEN_BITS)
def test_soft_sequences_and_single_sites_in_16_bits(compute_dtype):
    arguments = example((3, 20, 5, 7))
    del arguments["position_weight"]
    codes = arguments.pop("sequence")
    soft = tf.one_hot(codes, 4)
    options = {"compute_dtype": compute_dtype, "implementation": "standard"}
    with tf.GradientTape() as tape:
        tape.watch(soft)
        bound = occupancy(soft, **arguments, **options).bound
    assert tape.gradient(bound, soft).dtype == tf.float32
    np.testing.assert_array_equal(bound, occupancy(codes, **arguments, **options).bound)
    site = site_occupancy_standard(codes, **arguments, compute_dtype=compute_dtype)
    assert site.dtype == tf.float32
    np.testing.assert_allclose(tf.reduce_sum(site, axis=2), bound, rtol=1e-6)


@pytest.mark.parametrize("compute_dtype", SIXTEEN_BITS)
def test_held_columns_in_16_bits(compute_dtype):
    """Values outside a motif's columns do not count."""
    arguments = example((40, 30, 9, 20))
    held = random_range(9, 20)
    inside = dict(arguments, log_kd=hold_columns(arguments["log_kd"], held).numpy())
    outputs = occupancy_oracle(**inside)
    upstream = random_upstream(outputs)
    options = {"compute_dtype": compute_dtype, "column_range": held}
    found, gradient = value_and_gradient(arguments, upstream, **options)
    plain, _ = value_and_gradient(arguments, upstream, implementation="standard", **options)
    for one, other, expected in zip(found, plain, outputs, strict=True):
        error = errors(one, expected)["root mean square"]
        assert error <= 2 * errors(other, expected)["root mean square"]
    np.testing.assert_array_equal(gradient["log_kd"], hold_columns(gradient["log_kd"], held))


@pytest.mark.parametrize("compute_dtype", SIXTEEN_BITS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_no_sequences_and_no_bases_in_16_bits(reduction, compute_dtype):
    for shape in ((0, 10, 3, 2), (2, 0, 3, 2)):
        arguments = example(shape)
        outputs = occupancy(
            **arguments, reduction=reduction, compute_dtype=compute_dtype, implementation="fused"
        )
        assert not outputs.bound.numpy().any()
        assert not outputs.weighted.numpy().any()


@pytest.mark.parametrize("compute_dtype", SIXTEEN_BITS)
@pytest.mark.parametrize("model", ["positional_stranded", "second_stage"])
def test_a_trained_model_predicts_alike(model, compute_dtype):
    spec, parameters = getattr(trained_reference, model)()
    table = shared_data("gpra_example") / "expression.tsv.gz"
    sequence = read_dataset(table, trained_reference.LENGTH).sequence
    in_float32 = predict(spec, parameters, sequence, implementation="fused").expression
    expression = predict(
        spec, parameters, sequence, compute_dtype=compute_dtype, implementation="fused"
    ).expression
    # In units of expression, which is between 0 and 17.
    assert np.abs(expression - in_float32).max() < 0.01


def test_the_trained_model_is_the_one_that_was_published():
    spec, parameters = trained_reference.positional_stranded()
    table = shared_data("gpra_example") / "expression.tsv.gz"
    sequence = read_dataset(table, trained_reference.LENGTH).sequence
    expression = predict(spec, parameters, sequence).expression
    assert np.abs(expression - trained_reference.predictions()).max() < 1e-3


@pytest.mark.parametrize(
    "layers",
    [{}, {"binding": "probability"}, {"positional": 1}, {"positional": 1, "binding_limit": 1}],
    ids=str,
)
def test_every_kind_of_model_takes_a_compute_dtype(layers):
    spec = ModelSpec(motif_count=7, motif_width=5, sequence_length=20, **layers)
    random = np.random.default_rng(0)
    parameters = {
        name: random.normal(-0.5, 0.5, shape).astype(np.float32)
        for name, shape in spec.parameter_shapes.items()
    }
    # Weak sites and positive weights; otherwise all motifs are bound for certain, or held at 0.
    parameters["log_concentration"] -= 5
    if "position_weight" in parameters:
        parameters["position_weight"] = np.abs(parameters["position_weight"])
    sequence = example((30, 20, 5, 7))["sequence"]

    def expression(compute_dtype):
        return predict(
            spec, parameters, sequence, compute_dtype=compute_dtype, implementation="standard"
        ).expression.numpy()

    exact = expression("float32")
    spread = np.abs(exact).max()
    for compute_dtype, largest in LARGEST_PLAIN_ERROR.items():
        difference = np.abs(expression(compute_dtype) - exact).max()
        assert 0 < difference < largest * spread


def test_the_gradient_computes_as_the_operation_does():
    arguments = example((3, 20, 5, 7))

    @tf.function
    def gradient(log_kd):
        with tf.GradientTape() as tape:
            tape.watch(log_kd)
            bound = occupancy(
                arguments["sequence"],
                log_kd,
                arguments["log_concentration"],
                compute_dtype="bfloat16",
                implementation="fused",
            ).bound
        return tape.gradient(bound, log_kd)

    graph = gradient.get_concrete_function(tf.constant(arguments["log_kd"])).graph
    dtypes = {
        op.type: op.get_attr("compute_dtype").decode()
        for op in graph.get_operations()
        if op.type.startswith("Cisreg>")
    }
    assert dtypes == {"Cisreg>Occupancy": "bfloat16", "Cisreg>OccupancyGrad": "bfloat16"}


@pytest.mark.parametrize("compute_dtype", SIXTEEN_BITS)
def test_the_cpu_computes_in_float32_whatever_is_asked_for(compute_dtype):
    """As the documentation of `occupancy` says."""
    arguments = example((20, 40, 9, 17))
    upstream = random_upstream([np.empty((20, 2, 17))] * 2)
    asked = value_and_gradient(arguments, upstream, compute_dtype=compute_dtype)
    plain = value_and_gradient(arguments, upstream)
    for actual, expected in zip(tf.nest.flatten(asked), tf.nest.flatten(plain), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_other_dtypes_are_refused():
    arguments = example((2, 7, 3, 2))
    message = "compute_dtype: expected one of 'float32', 'bfloat16', 'float16', got 'int8'"
    for implementation in ("fused", "standard"):
        with pytest.raises(ValueError, match=message):
            occupancy(**arguments, compute_dtype="int8", implementation=implementation)
    with pytest.raises(ValueError, match=r"compute_dtype: expected 'float32', .* got 'int8'"):
        _native.occupancy_forward(*arguments.values(), compute_dtype="int8")
    upstream = np.ones((2, 2, 2), np.float32)
    with pytest.raises(ValueError, match=r"compute_dtype: expected 'float32', .* got 'half'"):
        _native.occupancy_backward(
            *arguments.values(), upstream, weighted_gradient=upstream, compute_dtype="half"
        )


def test_the_operation_itself_refuses_other_dtypes():
    arguments = example((2, 7, 3, 2))
    inputs = [arguments[name] for name in ("sequence", "log_kd", "log_concentration")]
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="compute_dtype"):
        load_ops().cisreg_occupancy(
            *inputs,
            position_weight=[],
            column_range=[],
            span=[],
            length=[],
            condition=[],
            compute_dtype="float64",
        )
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="compute_dtype"):
        load_ops().cisreg_occupancy_grad(
            *inputs,
            position_weight=[],
            column_range=[],
            span=[],
            length=[],
            condition=[],
            bound_gradient=np.zeros((2, 2, 2), np.float32),
            weighted_gradient=[],
            compute_dtype="float64",
        )
