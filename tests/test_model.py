"""The model's layers against a formula written sequence by sequence and motif by motif."""

from __future__ import annotations

import itertools
import json
import logging

import numpy as np
import pytest
import tensorflow as tf

from cisreg import layers
from cisreg.model import ModelSpec, init_parameters, predict, strand_binding
from cisreg.reference import site_occupancy_standard

SIZES = {"motif_count": 3, "motif_width": 4, "sequence_length": 12}
OPTIONS = ["potentiation", "accessibility_activity", "binding_limit", "positional", "stranded"]
SPECS = [
    ModelSpec(**SIZES, binding=binding, padding=padding, **dict(zip(OPTIONS, flags, strict=True)))
    for binding, padding in [("expected", "same"), ("probability", "valid")]
    for flags in itertools.product([False, True], repeat=len(OPTIONS))
    if flags[0] or not flags[1]
] + [
    ModelSpec(**SIZES, positional_potentiation=True, **layers)
    for layers in (
        {},
        {"positional": True, "stranded": True},
        {"stranded": True, "binding": "probability", "padding": "valid"},
        {"positional": True, "binding_limit": True, "accessibility_activity": True},
    )
]


def label(spec):
    options = [*OPTIONS, "positional_potentiation"]
    return "-".join([spec.binding, *(option for option in options if getattr(spec, option))])


# Scale and shift of random parameters. They give binding of the order of 1, accessibility that is
# neither 0 nor 1, and limits that some sequences reach and others do not.
SPREAD = {
    "log_kd": (2.0, 0.0),
    "log_concentration": (0.5, -4.0),
    "potentiation": (0.2, 0.0),
    "potentiation_bias": (0.1, 1.0),
    "log_binding_limit": (0.5, -0.9),
}


def random_parameters(spec, seed=0):
    random = np.random.default_rng(seed)
    parameters = {}
    for name, shape in spec.parameter_shapes.items():
        scale, shift = SPREAD.get(name, (1.0, 0.0))
        parameters[name] = random.normal(shift, scale, shape).astype(np.float32)
    return parameters


def random_sequence(count, length=12, seed=1):
    return np.random.default_rng(seed).integers(0, 5, (count, length)).astype(np.uint8)


def bind(site):
    """Expected occupancy and probability of being bound; sites may have any shape."""
    return {"expected": site.sum(), "probability": 1 - np.prod(1 - site)}


def expected_expression(spec, parameters, sites):
    """Expression and accessibility of one sequence; sites [2, P, M] in float64."""
    parameters = {name: value.astype(float) for name, value in parameters.items()}
    motifs = range(spec.motif_count)
    accessibility = 1.0
    if spec.potentiation:
        signal = sum(
            parameters["potentiation"][m] * opening(spec, parameters, sites[:, :, m], m)
            for m in motifs
        )
        accessibility = 1 / (1 + np.exp(-parameters["potentiation_bias"] - signal))
    expression = parameters["bias"] + sum(
        contribution(spec, parameters, sites[:, :, m], accessibility, m) for m in motifs
    )
    if spec.accessibility_activity:
        expression += parameters["accessibility_activity"] * accessibility
    return expression, accessibility


def opening(spec, parameters, site, m):
    if not spec.positional_potentiation:
        return bind(site)[spec.binding]
    return (site * parameters["potentiation_position_weight"][:, :, m]).sum()


def contribution(spec, parameters, site, accessibility, m):
    activity = parameters["activity"][m]
    reverse_activity = activity
    if spec.stranded:
        reverse_activity = activity + parameters["activity_difference"][m]
    limit = np.exp(parameters["log_binding_limit"][m]) if spec.binding_limit else np.inf
    if spec.positional:
        weight = parameters["position_weight"][:, :, m]
        forward, reverse = (np.minimum(accessibility * site, limit) * weight).sum(axis=1)
    elif spec.stranded:
        forward, reverse = (accessibility * bind(strand)[spec.binding] for strand in site)
    else:
        forward, reverse = accessibility * bind(site)[spec.binding], 0.0
    total = activity * forward + reverse_activity * reverse
    if spec.binding_limit:
        total = activity * np.clip(total / activity, 0, limit)
    return total


@pytest.mark.parametrize("spec", SPECS, ids=label)
def test_predict_against_formula(spec):
    parameters, sequence = random_parameters(spec), random_sequence(6)
    prediction = predict(spec, parameters, sequence, implementation="standard")
    sites = site_occupancy_standard(
        sequence, parameters["log_kd"], parameters["log_concentration"], padding=spec.padding
    )
    expected = [expected_expression(spec, parameters, site) for site in sites.numpy().astype(float)]
    expression, accessibility = map(np.array, zip(*expected, strict=True))
    np.testing.assert_allclose(prediction.expression, expression, rtol=1e-4, atol=1e-5)
    if spec.potentiation:
        np.testing.assert_allclose(prediction.accessibility, accessibility, rtol=1e-5)
    else:
        assert prediction.accessibility is None


@pytest.mark.parametrize("spec", SPECS, ids=label)
def test_every_parameter_has_a_gradient(spec):
    variables = {name: tf.Variable(value) for name, value in random_parameters(spec).items()}
    with tf.GradientTape() as tape:
        prediction = predict(spec, variables, random_sequence(20), implementation="standard")
        loss = tf.reduce_sum(prediction.expression)
    for name, gradient in tape.gradient(loss, variables).items():
        gradient = tf.convert_to_tensor(gradient).numpy()
        assert np.isfinite(gradient).all() and gradient.any(), name


def test_fused_says_what_needs_standard_operations(caplog):
    for spec in SPECS:
        assert spec.fused == (not (spec.positional and spec.binding_limit))
    spec = ModelSpec(**SIZES, positional=True, binding_limit=True)
    layers._say_standard.cache_clear()
    with caplog.at_level(logging.WARNING, "cisreg.model"):
        for _ in range(2):
            predict(spec, random_parameters(spec), random_sequence(2), implementation="standard")
    assert [message[:14] for message in caplog.messages] == ["binding limits"]


def test_limited_motifs_never_act_against_their_activity():
    spec = ModelSpec(**SIZES, potentiation=False, binding_limit=True, stranded=True)
    parameters = random_parameters(spec)
    parameters["activity"] = np.array([0.1, -0.1, 0.0], np.float32)
    parameters["activity_difference"] = np.array([-9.0, 9.0, 9.0], np.float32)
    parameters["bias"] = np.float32(0)
    sequence = random_sequence(50)
    for motif in range(3):
        alone = dict(parameters)
        for name in ("activity", "activity_difference"):
            alone[name] = np.where(np.arange(3) == motif, parameters[name], 0).astype(np.float32)
        expression = predict(spec, alone, sequence, implementation="standard").expression.numpy()
        most = parameters["activity"][motif] * np.exp(parameters["log_binding_limit"][motif])
        assert expression.min() >= min(most, 0) and expression.max() <= max(most, 0)


def test_strands_alike_are_no_strands():
    spec = ModelSpec(**SIZES, stranded=True)
    parameters = random_parameters(spec)
    parameters["activity_difference"][:] = 0
    sequence = random_sequence(6)
    plain = predict(ModelSpec(**SIZES), parameters, sequence, implementation="standard")
    stranded = predict(spec, parameters, sequence, implementation="standard")
    np.testing.assert_allclose(stranded.expression, plain.expression, rtol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(stranded.binding, axis=1), plain.binding, rtol=1e-5)


def test_binding_by_kind_of_model():
    sequence = random_sequence(6)
    shapes = {}
    for spec in SPECS:
        parameters = random_parameters(spec)
        binding = predict(spec, parameters, sequence, implementation="standard").binding
        shapes[spec.positional, spec.stranded] = None if binding is None else tuple(binding.shape)
        by_strand = strand_binding(spec, parameters, sequence, implementation="standard")
        assert by_strand.shape == (6, 2, 3)
        if spec.stranded and not spec.positional:
            np.testing.assert_allclose(by_strand, binding, rtol=1e-6)
    assert shapes == {
        (False, False): (6, 3),
        (False, True): (6, 2, 3),
        (True, False): None,
        (True, True): None,
    }


def test_reported_binding_keeps_to_the_limit():
    spec = ModelSpec(**SIZES, binding_limit=True)
    parameters = random_parameters(spec)
    parameters["log_binding_limit"][:] = [-2, 0, 5]
    binding = predict(spec, parameters, random_sequence(50), implementation="standard").binding
    free = predict(ModelSpec(**SIZES), parameters, random_sequence(50), implementation="standard")
    assert (free.binding.numpy() > np.exp(parameters["log_binding_limit"])).any()
    np.testing.assert_allclose(
        binding, np.minimum(free.binding, np.exp(parameters["log_binding_limit"])), rtol=1e-6
    )


@pytest.mark.parametrize("stranded", [False, True])
def test_position_knots(stranded):
    free = ModelSpec(**SIZES, positional=True, stranded=stranded)
    knotted = ModelSpec(**SIZES, positional=True, stranded=stranded, position_knots=4)
    assert knotted.parameter_shapes["position_weight"] == (1 + stranded, 4, 3)
    parameters, sequence = random_parameters(free), random_sequence(6)
    # Knots on a straight line give weights on this line.
    ends = parameters["position_weight"][:, :2]
    line = np.linspace(0, 1, 12)[:, None]
    knots = np.linspace(0, 1, 4)[:, None]
    predictions = []
    for spec, at in ((free, line), (knotted, knots)):
        weight = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * at
        parameters["position_weight"] = weight.astype(np.float32)
        predictions.append(predict(spec, parameters, sequence, implementation="standard"))
    np.testing.assert_allclose(predictions[0].expression, predictions[1].expression, rtol=1e-5)


def test_graph_with_unknown_batch_gives_the_same():
    spec = ModelSpec(**SIZES, positional=True, stranded=True)
    parameters, sequence = random_parameters(spec), random_sequence(6)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.uint8)])
    def compiled(sequence):
        return predict(spec, parameters, sequence, implementation="standard").expression

    expected = predict(spec, parameters, sequence, implementation="standard").expression
    np.testing.assert_allclose(compiled(sequence), expected, rtol=1e-5)
    np.testing.assert_allclose(compiled(sequence[:1]), expected[:1], rtol=1e-5)
    assert compiled(sequence[:0]).shape == (0,)


def test_initial_parameters():
    spec = ModelSpec(**SIZES, binding_limit=True, positional=True, stranded=True)
    log_kd, log_concentration = np.random.default_rng(0).normal(size=(4, 4, 3)), np.arange(3.0)
    parameters = init_parameters(spec, log_kd, log_concentration, bias=2.0)
    assert {name: value.shape for name, value in parameters.items()} == spec.parameter_shapes
    assert {value.dtype for value in parameters.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(parameters["log_kd"], log_kd.astype(np.float32))
    np.testing.assert_array_equal(parameters["position_weight"], 1.0)
    np.testing.assert_array_equal(parameters["activity_difference"], 0.0)
    np.testing.assert_allclose(np.exp(parameters["log_binding_limit"]), 10.0, rtol=1e-6)
    assert parameters["bias"] == 2.0 and parameters["potentiation_bias"] == 0.0
    assert len({*parameters["activity"], *parameters["potentiation"]}) == 6

    again = init_parameters(spec, log_kd, log_concentration, bias=2.0)
    other = init_parameters(spec, log_kd, log_concentration, bias=2.0, seed=1)
    for name in parameters:
        np.testing.assert_array_equal(parameters[name], again[name])
    assert not np.array_equal(parameters["activity"], other["activity"])
    assert np.isfinite(
        predict(spec, parameters, random_sequence(3), implementation="standard").expression
    ).all()


def test_parameters_that_do_not_fit_are_refused():
    spec = ModelSpec(**SIZES)
    with pytest.raises(
        ValueError, match=r"log_kd: expected float32 of shape \[4, 4, 3\], got shape \[4, 3"
    ):
        init_parameters(spec, np.zeros((4, 3, 4)), np.zeros(3))
    with pytest.raises(ValueError, match=r"log_concentration: expected float32 of shape \[3\]"):
        init_parameters(spec, np.zeros((4, 4, 3)), 0.0)
    parameters = random_parameters(spec)
    del parameters["activity"]
    with pytest.raises(ValueError, match=r"expected activity of shape \(3,\), got none"):
        predict(spec, parameters, random_sequence(2))


def test_sequences_of_another_length_are_refused():
    spec = ModelSpec(**SIZES)
    with pytest.raises(ValueError, match=r"expected 12 bases each.*got 11; encode them with"):
        predict(spec, random_parameters(spec), random_sequence(2, length=11))


@pytest.mark.parametrize("unknown", [[None, None], None])
def test_other_lengths_than_a_graph_knows_are_refused_when_it_runs(unknown):
    spec = ModelSpec(**SIZES)
    parameters = random_parameters(spec)
    signature = [tf.TensorSpec(unknown, tf.uint8)]
    graph = tf.function(lambda codes: predict(spec, parameters, codes)[0], signature)
    found = graph(random_sequence(2))
    np.testing.assert_array_equal(found, predict(spec, parameters, random_sequence(2)).expression)
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected 12 bases each, as the mod"):
        graph(random_sequence(2, length=11))
    if unknown:
        compiled = tf.function(graph.python_function, signature, jit_compile=True)
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"expected shape \[\?,12\]"):
            compiled(random_sequence(2, length=11))


def test_spec_survives_json():
    for spec in SPECS:
        assert ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"motif_count": 0}, "motif_count: expected an integer of at least 1, got 0"),
        ({"sequence_length": 1.5}, "sequence_length: expected an integer .* got 1.5"),
        ({"binding": "sum"}, 'binding: expected "expected" or "probability", got \'sum\''),
        ({"padding": "full"}, "padding: expected one of"),
        ({"padding": "valid", "motif_width": 13}, "width <= length"),
        ({"potentiation": False, "accessibility_activity": True}, "expected potentiation=True"),
        ({"position_knots": 4}, "position_knots: expected positional=True"),
        ({"positional": True, "position_knots": 1}, "position_knots: expected 2 to 12 .*got 1"),
        ({"positional": True, "position_knots": 13}, "position_knots: expected 2 to 12 .*got 13"),
        ({"colour": "red"}, r"unknown: \['colour'\]; missing: none"),
    ],
)
def test_refused_specs(change, message):
    with pytest.raises(ValueError, match=message):
        ModelSpec.from_dict(SIZES | change)


def test_missing_sizes_are_named():
    with pytest.raises(ValueError, match=r"missing: \['motif_width', 'sequence_length'\]"):
        ModelSpec.from_dict({"motif_count": 1})
