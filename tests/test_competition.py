"""Models whose sites exclude each other: against the float64 oracle, and in training."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from interpret_models import COLUMN_RANGE, expression_in_float64, make_codes, make_model

import cisreg
from cisreg.competition import _say_float32
from cisreg.exclusive_oracle import exclusive_oracle
from cisreg.interpret import nucleosome_occupancy
from cisreg.interpret.read_out import exclusive_arguments, read_out, scan_model
from cisreg.model import ModelSpec, predict, strand_binding
from cisreg.motifs import demo_motifs
from cisreg.uncertainty.coordinates import Coordinates
from cisreg.uncertainty.jacobian import jacobian

LAYERS = {
    "plain": {},
    "stranded": {"stranded": True, "accessibility_activity": True},
    "positional": {"positional": True, "position_knots": 4},
    "two sets": {"positional": True, "positional_potentiation": True, "stranded": True},
    "limits": {"binding_limit": True, "link": "softplus"},
    "valid": {"padding": "valid", "positional_potentiation": True},
    "context": {"constant_left": 3, "constant_right": 4},
    "trim": {"constant_left": 3, "constant_ends": "trim", "positional": True},
}


@pytest.mark.parametrize("implementation", ["fused", "standard"])
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_predictions_are_those_of_the_oracle(layers, implementation):
    model, codes = make_model(competition=True, **layers), make_codes()
    expected = expression_in_float64(model, codes)
    options = {"column_range": COLUMN_RANGE, "implementation": implementation}
    found = predict(model.spec, model.parameters, codes, **options)
    np.testing.assert_allclose(found.expression, expected, rtol=2e-5, atol=2e-5)
    independent = make_model(**layers)
    there = predict(independent.spec, independent.parameters, codes, **options).expression
    assert np.abs(there - expected).max() > 0.01


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_the_read_out_and_the_model_agree(layers):
    model, codes = make_model(competition=True, **layers), make_codes()
    found = read_out(model, scan_model(model, codes)).expression
    np.testing.assert_allclose(found, expression_in_float64(model, codes), rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(model.predict(codes).expression, found, rtol=2e-5, atol=2e-5)


def gradient_of(model, codes, implementation):
    parameters = {name: tf.constant(value) for name, value in model.parameters.items()}
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        expression = predict(
            *(model.spec, parameters, codes),
            column_range=COLUMN_RANGE,
            implementation=implementation,
        ).expression
        total = tf.reduce_sum(expression * np.linspace(-1, 1, len(codes)).astype(np.float32))
    return tape.gradient(total, parameters)


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_gradients_of_both_implementations_agree(layers):
    model, codes = make_model(competition=True, **layers), make_codes()
    fused, standard = (gradient_of(model, codes, each) for each in ("fused", "standard"))
    for name, value in standard.items():
        size = np.abs(value).max()
        np.testing.assert_allclose(fused[name], value, rtol=1e-3, atol=1e-4 * size, err_msg=name)


def test_under_xla_and_of_soft_sequences():
    model, codes = make_model(competition=True, positional=True), make_codes()
    expected = expression_in_float64(model, codes)

    @tf.function(jit_compile=True)
    def compiled(codes):
        return predict(model.spec, model.parameters, codes, column_range=COLUMN_RANGE).expression

    np.testing.assert_allclose(compiled(codes), expected, rtol=2e-5, atol=2e-5)
    soft = tf.one_hot(codes, 4)
    found = predict(model.spec, model.parameters, soft, column_range=COLUMN_RANGE).expression
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


def test_binding_by_strand_is_the_oracles():
    model, codes = make_model(competition=True, potentiation=False), make_codes()
    expected = exclusive_oracle(**exclusive_arguments(model, codes)).bound
    found = strand_binding(model.spec, model.parameters, codes, column_range=COLUMN_RANGE)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_what_has_no_exact_meaning_is_refused():
    sizes = (2, 3, 10)
    with pytest.raises(ValueError, match='binding: expected "expected" with competition=True'):
        ModelSpec(*sizes, competition=True, binding="probability")
    with pytest.raises(ValueError, match="binding_limit: expected False with competition=True"):
        ModelSpec(*sizes, competition=True, binding_limit=True, positional=True)


def test_a_model_says_what_its_sites_cover():
    model = make_model(competition=True)
    with pytest.raises(ValueError, match="column_range: expected the columns that each motif"):
        replace(model, column_range=None)


def test_several_outputs_share_the_scan():
    layers = {"output_count": 2, "differ": ("activity", "bias")}
    model, codes = make_model(competition=True, **layers), make_codes()
    found = model.predict(codes).expression
    for output, name in enumerate(model.output_names):
        expected = expression_in_float64(model.output(name), codes)
        np.testing.assert_allclose(found[:, output], expected, rtol=2e-5, atol=2e-5)
    with pytest.raises(ValueError, match="differ: expected no log_concentration with competition"):
        make_model(competition=True, output_count=2, differ=("log_concentration",))


NUCLEOSOME = {"competition": True, "nucleosome": True, "sequence_length": 160}


def nucleosome_model(**layers):
    """A model of weak sites, so that a nucleosome takes the place of some of them."""
    model = make_model(**NUCLEOSOME, **layers)
    model.parameters["log_kd"][:] /= 2
    model.parameters["log_concentration"][:] -= 4
    model.parameters["potentiation"][:] /= 4
    model.parameters["nucleosome_log_odds"] = np.float32(10)
    return model


def long_codes(count=6, seed=2):
    codes = np.random.default_rng(seed).integers(0, 4, (count, 160), dtype=np.uint8)
    codes[1, :30] = 4
    return codes


@pytest.mark.parametrize("implementation", ["fused", "standard"])
@pytest.mark.parametrize("layers", [{}, LAYERS["two sets"], LAYERS["context"]])
def test_a_nucleosome_excludes_sites(layers, implementation):
    model, codes = nucleosome_model(**layers), long_codes()
    expected = expression_in_float64(model, codes)
    options = {"column_range": COLUMN_RANGE, "implementation": implementation}
    found = predict(model.spec, model.parameters, codes, **options).expression
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    read = read_out(model, scan_model(model, codes)).expression
    np.testing.assert_allclose(read, expected, rtol=1e-4, atol=1e-4)
    model.parameters["nucleosome_log_odds"] = np.float32(-30)
    without = predict(model.spec, model.parameters, codes, **options).expression
    assert np.abs(without - expected).max() > 0.1


def test_where_nucleosomes_lie():
    model, codes = nucleosome_model(), long_codes()
    site = exclusive_oracle(**exclusive_arguments(model, codes)).competitor_site[:, 0]
    expected = np.stack([site[:, max(0, i - 146) : i + 1].sum(axis=1) for i in range(160)], axis=1)
    found = nucleosome_occupancy(model, codes, batch_size=4)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    # The middle lies under each nucleosome, an end under the outermost one alone.
    assert (found[:, 80] > found[:, 0]).all() and found[:, 80].max() > 0.3
    with pytest.raises(ValueError, match="model: expected one with nucleosomes"):
        nucleosome_occupancy(make_model(competition=True), make_codes())


def test_slopes_by_the_odds_of_a_nucleosome():
    model, codes = nucleosome_model(positional=True), long_codes()
    names = ["log_kd", "log_concentration", "nucleosome_log_odds", "activity"]
    coordinates = Coordinates.of(model, names)
    expression, slopes = jacobian(model, codes, coordinates)
    place = coordinates.index("nucleosome_log_odds")
    changed = []
    for step in (-0.02, 0.02):
        odds = np.float32(10 + step)
        parameters = {**model.parameters, "nucleosome_log_odds": odds}
        changed.append(expression_in_float64(replace(model, parameters=parameters), codes))
    numeric = (changed[1] - changed[0]) / (np.float64(np.float32(10.02)) - np.float32(9.98))
    np.testing.assert_allclose(slopes[:, place], numeric, rtol=2e-3, atol=2e-3)
    assert np.abs(numeric).max() > 0.1
    np.testing.assert_allclose(expression, expression_in_float64(model, codes), rtol=1e-4)


def test_a_nucleosome_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="nucleosome: expected competition=True beside it"):
        ModelSpec(2, 3, 200, nucleosome=True)
    with pytest.raises(ValueError, match=r"sequence_length of at least 147 .* got 146"):
        ModelSpec(2, 3, 146, competition=True, nucleosome=True)


def small_data(count=400):
    made = cisreg.simulate(demo_motifs(width=20), sequence_count=count, sequence_length=40)
    return cisreg.Dataset(made.sequence, made.expression)


def recipe(**layers):
    kept = {"constant_ends": "keep", **layers}
    return cisreg.read_recipe("quick").override(model=kept, motif_width=20, epochs=2)


def test_a_recipe_trains_it_and_its_loss_falls():
    layers = {"competition": True, "positional_potentiation": True}
    trained = cisreg.train(small_data(), demo_motifs(width=20), recipe(**layers), progress=False)
    assert trained.model.spec.competition and trained.model.column_range is not None
    history = trained.fit.to_table()["loss"].to_pylist()
    assert history[-1] < history[0]


def test_training_needs_to_know_what_sites_cover():
    chosen = recipe(competition=True)
    without = cisreg.Recipe(chosen.stages, model=chosen.model, motif_width=20, motif_flank=None)
    with pytest.raises(ValueError, match=r"column_range: expected the columns .* got None"):
        cisreg.train(small_data(), demo_motifs(width=20), without, progress=False)


def test_sixteen_bits_change_nothing_and_the_log_says_so_once(caplog):
    model, codes = make_model(competition=True), make_codes()
    _say_float32.cache_clear()
    with caplog.at_level(logging.WARNING, logger="cisreg.model"):
        found = [
            predict(
                model.spec, model.parameters, codes, column_range=COLUMN_RANGE, compute_dtype=dtype
            ).expression.numpy()
            for dtype in ("float32", "bfloat16", "bfloat16")
        ]
    np.testing.assert_array_equal(found[0], found[1])
    assert [each.message.split(":")[0] for each in caplog.records] == [
        "sites that exclude each other are computed in float32, not in bfloat16"
    ]
