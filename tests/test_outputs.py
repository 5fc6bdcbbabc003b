"""Models of several outputs: what they predict, what is stored, and what training minimizes.

The truths are models of one output each: in float64 by the read-out in NumPy, and by the fused
operation; losses and penalties are computed by hand.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from cisreg import Dataset, Model, ModelSpec, fit, init_parameters, predict
from cisreg.interpret.read_out import read_out, scan_model
from cisreg.legacy import export_model
from cisreg.losses import (
    Gaussian,
    Heteroscedastic,
    Huber,
    NegativeBinomial,
    Penalty,
    Poisson,
    SortBins,
    StudentT,
    mean_squared_error,
    negative_log_likelihood,
    penalty,
)
from cisreg.recipes import accept_pairs
from cisreg.spec import DIFFERING
from cisreg.storage import load_model, save_model
from cisreg.training import Stage
from cisreg.training.unit import unit_of
from cisreg.uncertainty import refit_ensemble

OPTIONS = {
    "plain": {},
    "no potentiation": {"potentiation": False},
    "probability, stranded": {"binding": "probability", "stranded": True},
    "positions, logistic": {
        "positional": True,
        "positional_potentiation": True,
        "link": "logistic",
    },
    "limits of sites": {"positional": True, "binding_limit": True},
    "limits": {"binding_limit": True, "accessibility_activity": True},
}
NAMES = ("glucose", "galactose", "raffinose")


def several_outputs(options: str, differ: str, seed: int = 0) -> Model:
    """A model of three outputs whose parameters all differ from their start."""
    one = ModelSpec(5, 6, 24, **OPTIONS[options])
    named = {"all": [name for name in DIFFERING if name in one.parameter_shapes]}
    chosen = tuple(named.get(differ, differ.split()))
    spec = ModelSpec(5, 6, 24, output_count=3, differ=chosen, **OPTIONS[options])
    random = np.random.default_rng(seed)
    start = init_parameters(spec, random.normal(size=(6, 4, 5)), random.normal(size=5) - 2)
    parameters = {
        name: (value + 0.3 * random.normal(size=value.shape)).astype(np.float32)
        for name, value in start.items()
    }
    return Model(spec, parameters, tuple("abcde"), output_names=NAMES)


def some_codes(count: int = 7, length: int = 24, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 5, (count, length)).astype(np.uint8)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("differ", ["", "bias activity", "log_concentration", "all"])
def test_each_output_is_a_model_of_its_own(options, differ):
    model, codes = several_outputs(options, differ), some_codes()
    predicted = model.predict(codes, binding=True)
    assert predicted.expression.shape == (7, 3)
    for index, name in enumerate(NAMES):
        one = model.output(name)
        assert one.spec == ModelSpec(5, 6, 24, **OPTIONS[options])
        truth = read_out(one, scan_model(one, codes))
        np.testing.assert_allclose(predicted.expression[:, index], truth.expression, rtol=2e-5)
        alone, of_all = one.predict(codes, binding=True), predicted.output(name)
        np.testing.assert_allclose(of_all.binding, alone.binding, rtol=1e-5, atol=1e-7)
        if model.spec.potentiation:
            np.testing.assert_allclose(of_all.accessibility, truth.accessibility, rtol=2e-5)


def test_what_does_not_differ_is_shared():
    model = several_outputs("plain", "bias")
    expression = model.predict(some_codes()).expression
    shift = model.parameters["bias"] - model.parameters["bias"][0]
    np.testing.assert_allclose(expression - expression[:, :1], shift + np.zeros((7, 1)), atol=1e-5)
    assert np.ptp(several_outputs("plain", "").predict(some_codes()).expression, axis=1).max() == 0


def test_outputs_begin_alike():
    spec = ModelSpec(2, 3, 10, output_count=2, differ=("log_concentration", "activity", "bias"))
    start = init_parameters(spec, np.zeros((3, 4, 2)), [0.0, -1.0])
    one = init_parameters(spec.one_output, np.zeros((3, 4, 2)), [0.0, -1.0])
    for name in spec.differ:
        np.testing.assert_array_equal(start[name], np.stack([one[name]] * 2))
    own = init_parameters(spec, np.zeros((3, 4, 2)), [[0.0, -1.0], [0.0, -2.0]])
    assert own["log_concentration"].tolist() == [[0.0, -1.0], [0.0, -2.0]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"differ": ("bias",)}, "differ: expected an output_count of 2 or more"),
        ({"output_count": 2, "differ": ("log_kd",)}, "differ: expected parameters of this model"),
        ({"output_count": 2, "differ": ("link_scale",)}, "log_concentration, .*'link_scale'"),
        ({"output_count": 2, "differ": ("bias", "bias")}, "each once"),
        ({"output_count": 0}, "output_count: expected an integer of at least 1"),
        ({"output_count": 1001}, "output_count: expected at most 1,000"),
    ],
)
def test_specs_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        ModelSpec(2, 3, 10, **given)


def test_stored_with_names(tmp_path):
    model = several_outputs("plain", "all")
    save_model(tmp_path, model)
    loaded = load_model(tmp_path)
    assert (loaded.spec, loaded.output_names) == (model.spec, NAMES)
    for name, value in model.parameters.items():
        np.testing.assert_array_equal(loaded.parameters[name], value)


def test_names_of_outputs():
    spec = ModelSpec(1, 3, 10, output_count=2)
    start = init_parameters(spec, np.zeros((3, 4, 1)), np.zeros(1))
    assert Model(spec, start, ("a",)).output_names == ("output_1", "output_2")
    with pytest.raises(ValueError, match=r"output_names: expected 2 names .* got 1"):
        Model(spec, start, ("a",), output_names=("x",))
    with pytest.raises(ValueError, match="output_names: expected distinct names"):
        Model(spec, start, ("a",), output_names=("x", "x"))
    with pytest.raises(ValueError, match="expected none for a model of one output"):
        Model(spec.one_output, start, ("a",), output_names=("x",))
    with pytest.raises(ValueError, match=r"output: expected the name of an output \('output_1'"):
        Model(spec, start, ("a",)).output("x")


def test_tables_have_columns_for_each_output():
    model = several_outputs("plain", "activity")
    columns = model.predict(some_codes(), binding=True).to_table().column_names
    assert columns[:6] == [
        f"{kind}_{name}" for kind in ("expression", "accessibility") for name in NAMES
    ]
    assert {"forward_a_glucose", "reverse_e_raffinose"} < set(columns)
    of_motifs = model.to_table().column_names
    assert "activity_galactose" in of_motifs and "potentiation" in of_motifs


def test_questions_to_several_outputs_are_refused_with_what_to_do():
    model = several_outputs("plain", "bias")
    with pytest.raises(ValueError, match=r"model.output\('glucose'\)"):
        model.explain(some_codes())
    assert model.output("glucose").explain(some_codes()).expression.shape == (7,)


@pytest.mark.parametrize("differ", ["", "bias"])
def test_what_takes_one_output_refuses_several(tmp_path, differ):
    model, data = several_outputs("plain", differ), measured_data(4)
    for refused in (
        lambda: export_model(tmp_path / "old", model),
        lambda: accept_pairs(model, data, data, [("a", "b")]),
        lambda: refit_ensemble(model, data),
    ):
        with pytest.raises(ValueError, match=r"model\.output\('glucose'\)"):
            refused()


MEASURED = np.array([[1.0, np.nan], [2.0, 5.0], [np.nan, 0.0]], np.float32)
PREDICTED = np.array([[0.0, 9.0], [2.0, 3.0], [7.0, 1.0]], np.float32)
WEIGHT = np.array([1.0, 2.0, 4.0], np.float32)


def gradient_of(loss, *arguments):
    predicted = tf.constant(arguments[0])
    with tf.GradientTape() as tape:
        tape.watch(predicted)
        value = loss(predicted, *arguments[1:])
    return float(value), tape.gradient(value, predicted).numpy()


def test_squared_error_of_outputs_leaves_missing_measurements_out():
    value, gradient = gradient_of(mean_squared_error, PREDICTED, MEASURED, WEIGHT)
    # Squares 1, 4 and 1 with the weights 1, 2 and 4, divided by 3 sequences and 2 outputs.
    assert value == pytest.approx((1 + 2 * 4 + 4 * 1) / 6)
    expected = np.array([[-2.0, 0.0], [0.0, -8.0], [0.0, 8.0]]) / 6
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)
    assert float(mean_squared_error(PREDICTED, MEASURED)) == pytest.approx(6 / 6)
    # Replicates of one number, one of them missing.
    assert float(mean_squared_error(PREDICTED[:, 0], MEASURED)) == pytest.approx((1 + 9 + 49) / 6)


def test_the_likelihood_of_a_table_takes_outputs():
    table = np.array([[0.0, 1.0], [10.0, 2.0]])

    def loss(*arguments):
        return negative_log_likelihood(*arguments, table=table)

    value, gradient = gradient_of(loss, PREDICTED, MEASURED, WEIGHT)
    columns = [
        float(loss(PREDICTED[there, k], MEASURED[there, k], WEIGHT[there]))
        for k in (0, 1)
        if (there := ~np.isnan(MEASURED[:, k])).any()
    ]
    assert value == pytest.approx(sum(columns))
    assert np.isfinite(gradient).all() and (gradient[np.isnan(MEASURED)] == 0).all()
    with pytest.raises(
        ValueError, match=r"measured: .* or \[N, T\] with predictions \[N, T\], got"
    ):
        loss(PREDICTED, MEASURED[:, 0])


@pytest.mark.parametrize(
    "noise",
    [
        Gaussian(1.5),
        Heteroscedastic(1.0, 2.0, (0.1, 0.2, 0.0)),
        StudentT(1.2, 4.0),
        Huber(0.7),
        Poisson((1.0, 2.0)),
        NegativeBinomial((1.0, 2.0), dispersion=0.4),
    ],
    ids=lambda noise: noise.name,
)
def test_noise_of_outputs_is_that_of_each(noise):
    value, gradient = gradient_of(noise, PREDICTED, MEASURED, WEIGHT)
    total = 0.0
    for k in (0, 1):
        there = ~np.isnan(MEASURED[:, k])
        logs = noise.of_output(k).log_likelihood(PREDICTED[there, k], MEASURED[there, k]).numpy()
        total -= float((logs * WEIGHT[there]).sum())
    assert value == pytest.approx(total / 6, rel=1e-5)
    assert np.isfinite(gradient).all() and (gradient[np.isnan(MEASURED)] == 0).all()


def test_penalties_of_outputs():
    values = {
        "activity": tf.constant([[1.0, -2.0], [3.0, -2.0]]),
        "potentiation": tf.constant([[0.5, 0.0], [0.5, 2.0]]),
        "log_concentration": tf.constant([1.0, 2.0]),
        "bias": tf.constant([0.0, 9.0]),
    }
    # A mean over the outputs: as much as the same activities weigh in a model of one.
    assert float(penalty(values, Penalty(activity_l1=1.0))) == pytest.approx((3 + 5) / 2)
    assert float(penalty(values, Penalty(potentiation_l1=1.0))) == pytest.approx((0.5 + 2.5) / 2)
    # Of the activity of the first factor, and the potentiation of the second, 1 from the mean each.
    assert float(penalty(values, Penalty(difference_l1=0.5))) == pytest.approx(0.5 * 2)


def test_old_checkpoints_know_their_penalty():
    assert "difference_l1" not in repr(Penalty(activity_l1=0.5))
    assert repr(Penalty()) != repr(Penalty(difference_l1=0.5))
    assert repr(Penalty(motif_l2=1.0)) == (
        "Penalty(activity_l1=0.0, potentiation_l1=0.0, motif_l2=1.0, motif_pull=0.0, "
        "position_smoothness=0.0)"
    )


def test_one_unit_of_all_outputs():
    random = np.random.default_rng(0)
    first = random.normal(3.0, 2.0, 1000)
    outputs = np.stack([first, first + 100.0], axis=1)
    unit, alone = unit_of(outputs, outputs=True), unit_of(first)
    # The distance of the outputs is no spread.
    assert unit.scale == pytest.approx(alone.scale, rel=1e-6)
    assert unit.shift == pytest.approx(alone.shift + 50.0, rel=1e-6)
    outputs[::2, 1] = np.nan
    again = unit_of(outputs, outputs=True)
    known = np.array([[first.mean(), first.var()], [first[1::2].mean() + 100, first[1::2].var()]])
    assert again.scale == pytest.approx(np.sqrt(known[:, 1].mean()) / 4.37, rel=1e-6)
    assert again.shift + again.scale * 8.93 == pytest.approx(known[:, 0].mean(), rel=1e-6)


def trained(spec: ModelSpec, data: Dataset, **options) -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    start = init_parameters(spec, random.normal(size=(6, 4, 5)), random.normal(size=5) - 2)
    stages = [Stage(tuple(spec.parameter_shapes), epochs=3, learning_rate=0.02, batch_size=50)]
    return fit(spec, start, data, stages, progress=False, **options).parameters


def measured_data(count: int = 200) -> Dataset:
    random = np.random.default_rng(2)
    codes = some_codes(count)
    signal = (codes == 2).mean(axis=1)
    return Dataset(codes, np.stack([signal, 3 - signal], 1) + 0.1 * random.normal(size=(count, 2)))


def test_outputs_of_which_nothing_differs_are_replicates():
    spec, data = ModelSpec(5, 6, 24), measured_data()
    both = trained(ModelSpec(5, 6, 24, output_count=2), data, standardize=False)
    one = trained(spec, data, standardize=False)
    for name, value in one.items():
        np.testing.assert_allclose(both[name], value, rtol=1e-4, atol=1e-5)


def test_a_measurement_that_is_missing_changes_nothing():
    data = measured_data()
    expression = data.expression.copy()
    expression[::3, 1] = np.nan
    missing = Dataset(data.sequence, expression)
    spec = ModelSpec(5, 6, 24, output_count=2, differ=("activity", "bias"))

    def without(predicted, measured, weight):
        difference = tf.where(weight > 0, predicted[:, 1] - measured[:, 1], 0.0)
        first = tf.square(predicted[:, 0] - measured[:, 0])
        return tf.reduce_mean(first + tf.square(difference)) / 2

    there = (~np.isnan(expression[:, 1])).astype(np.float32)
    masked = Dataset(data.sequence, data.expression, there)
    kept = trained(spec, missing, standardize=False)
    told = trained(spec, masked, standardize=False, loss=without)
    for name, value in told.items():
        np.testing.assert_allclose(kept[name], value, rtol=1e-4, atol=1e-5)


def of_the_first(predicted, measured):
    """A loss that does not say that it takes missing measurements."""
    return tf.reduce_mean(tf.square(predicted - measured[:, 0]))


def test_measurements_that_do_not_fit_the_outputs_are_refused():
    data = measured_data()
    with pytest.raises(
        ValueError, match=r"dataset: expected measurements \[N, 3\] of the model's 3"
    ):
        trained(ModelSpec(5, 6, 24, output_count=3), data)
    gap = data.expression.copy()
    gap[0, 0] = np.nan
    with pytest.raises(ValueError, match="expected 2 measurements of each sequence, got 1 missing"):
        trained(ModelSpec(5, 6, 24), Dataset(data.sequence, gap), loss=of_the_first)
    gap[:, 0] = np.nan
    with pytest.raises(ValueError, match="measurements of every output, got none in column 1"):
        trained(ModelSpec(5, 6, 24, output_count=2), Dataset(data.sequence, gap))
    with pytest.raises(ValueError, match="NaN for some but not all measurements of a row"):
        Dataset(data.sequence, np.full((200, 2), np.nan))
    counts = Dataset(data.sequence, np.ones((200, 2)))
    with pytest.raises(ValueError, match="loss: expected a noise model of one measurement of each"):
        trained(ModelSpec(5, 6, 24, output_count=2), counts, loss=SortBins((0.0,), 1.0))


def test_gradients_reach_the_parameters_of_each_output():
    model = several_outputs("plain", "log_concentration activity bias")
    variables = {name: tf.Variable(value) for name, value in model.parameters.items()}
    with tf.GradientTape() as tape:
        second = tf.reduce_sum(predict(model.spec, variables, some_codes()).expression[:, 1])
    gradients = tape.gradient(second, variables)
    one = model.output("galactose")
    alone = {name: tf.Variable(value) for name, value in one.parameters.items()}
    with tf.GradientTape() as tape:
        of_one = tf.reduce_sum(predict(one.spec, alone, some_codes()).expression)
    for name, expected in tape.gradient(of_one, alone).items():
        found = gradients[name].numpy()
        if name in model.spec.differ:
            assert not found[0].any() and not found[2].any()
            found = found[1]
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-5)
