"""Models of gene regulation as Keras models: the numbers of the package's own, and its training."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_model import LENGTH, SPEC, make_dataset, start_parameters

import cisreg
from cisreg.data import Dataset
from cisreg.keras import ThermodynamicModel
from cisreg.losses import Penalty, mean_squared_error
from cisreg.model import ModelSpec, init_parameters, predict
from cisreg.motifs import demo_motifs
from cisreg.prediction import predict_all
from cisreg.trained_model import Model
from cisreg.training import Stage, fit

MOTIFS = demo_motifs(width=10)
CODES = np.random.default_rng(0).integers(0, 5, (40, LENGTH), dtype=np.uint8)
SPECS = {
    "plain": {},
    "no accessibility": {"potentiation": False},
    "probability": {"binding": "probability", "accessibility_activity": True},
    "positional, stranded": {"positional": True, "stranded": True, "position_knots": 5},
    "limits": {"binding_limit": True, "padding": "valid"},
    "limits of sites": {"binding_limit": True, "positional": True},
    "constant ends": {"constant_left": 4, "constant_right": 3},
    "logistic": {"link": "logistic", "positional_potentiation": True, "position_knots": 5},
    "softplus": {"link": "softplus"},
    "competition": {"competition": True, "positional": True},
}


def make_parts(options):
    spec = ModelSpec(len(MOTIFS), MOTIFS.width, LENGTH, **options)
    start = init_parameters(spec, MOTIFS.log_kd, MOTIFS.lowest_log_kd(), activity_scale=1.0)
    random = np.random.default_rng(1)
    noisy = {name: value + random.normal(0, 0.1, value.shape) for name, value in start.items()}
    noisy["log_kd"] = start["log_kd"]
    return spec, {name: np.float32(value) for name, value in noisy.items()}


@pytest.mark.parametrize("options", SPECS.values(), ids=SPECS)
def test_the_bits_of_predict(options):
    spec, parameters = make_parts(options)
    columns = MOTIFS.column_range(flank=1)
    model = ThermodynamicModel(spec, parameters, column_range=columns)
    expected = predict_all(spec, parameters, CODES, column_range=columns, batch_size=32).expression
    predicted = model.predict(CODES, batch_size=32, verbose=0)
    assert predicted.shape == (40, 1)
    np.testing.assert_array_equal(predicted[:, 0], expected)
    eager = predict(spec, parameters, CODES, column_range=columns).expression
    np.testing.assert_array_equal(model(CODES.astype(np.float32))[:, 0], eager)
    assert [weight.name for weight in model.weights] == list(spec.parameter_shapes)


def trained_model():
    """A model as it is loaded, with all that it keeps."""
    spec, parameters = make_parts({"positional": True})
    return Model(
        spec,
        parameters,
        MOTIFS.names,
        {"seed": 3, "padding_side": "right", "nested": {"list": [1, None, "a"]}},
        MOTIFS,
        MOTIFS.column_range(),
        {"sequence": "seq", "expression": ["y"], "weight": None},
        "log2 ratio",
    )


def assert_same_model(first, second):
    assert (first.spec, first.motif_names, first.unit) == (
        *(second.spec, second.motif_names, second.unit),
    )
    assert first.metadata == second.metadata and first.table_columns == second.table_columns
    np.testing.assert_array_equal(first.column_range, second.column_range)
    np.testing.assert_array_equal(first.initial_motifs.log_kd, second.initial_motifs.log_kd)
    assert list(first.parameters) == list(second.parameters)
    for name, value in first.parameters.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, second.parameters[name], err_msg=name)


def test_trained_models_become_keras_models_and_come_back():
    model = trained_model()
    assert_same_model(ThermodynamicModel.from_model(model).to_model(), model)


def test_a_saved_model_trains_on(tmp_path):
    """Folder of cisreg to Keras, .keras, and back to a folder, with the parameters as they are."""
    cisreg.save_model(tmp_path / "before", trained_model())
    model = ThermodynamicModel.from_model(
        cisreg.load_model(tmp_path / "before"),
        penalty=Penalty(motif_pull=0.1),
        trainable_parameters=["activity", "log_kd"],
    )
    model.compile("adam", "mse")
    model.fit(CODES, np.ones(40), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded.predict(CODES, verbose=0), model.predict(CODES, verbose=0))
    assert_same_model(loaded.to_model(), model.to_model())
    changed = {
        name
        for name, value in loaded.to_model().parameters.items()
        if not np.array_equal(value, trained_model().parameters[name])
    }
    assert changed == {"activity", "log_kd"}
    cisreg.save_model(tmp_path / "after", loaded.to_model())
    np.testing.assert_array_equal(
        cisreg.load_model(tmp_path / "after").predict(CODES).expression,
        model.predict(CODES, verbose=0)[:, 0],
    )
    loaded.fit(CODES, np.ones(40), verbose=0)


@pytest.mark.parametrize(
    "copied",
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: ThermodynamicModel.from_config(json.loads(json.dumps(model.get_config()))),
    ],
    ids=["deepcopy", "pickle", "config"],
)
def test_copies_are_the_same_model(copied):
    options = {"penalty": Penalty(activity_l1=0.5), "trainable_parameters": ["bias"]}
    model = ThermodynamicModel.from_model(trained_model(), dtype="mixed_float16", **options)
    again = copied(model)
    assert again.get_config() == model.get_config()
    assert_same_model(again.to_model(), model.to_model())
    assert [weight.name for weight in again.trainable_weights] == ["bias"]
    assert again(CODES).dtype == "float16"


def test_it_is_part_of_other_models(tmp_path):
    inner = ThermodynamicModel.from_model(trained_model())
    inputs = keras.Input((LENGTH,))
    model = keras.Model(inputs, keras.layers.Rescaling(2.0)(inner(inputs)))
    expected = 2 * inner.predict(CODES, verbose=0)
    np.testing.assert_array_equal(model.predict(CODES, verbose=0), expected)
    clone = keras.models.clone_model(model)
    np.testing.assert_array_equal(clone.predict(CODES, verbose=0), expected)
    inner.export(tmp_path / "exported")
    loaded = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_array_equal(2 * loaded.serve(CODES.astype(np.float32)), expected)


def test_the_steps_of_fit():
    """Keras and `fit` with batches of all sequences, which have no order, from the same start."""
    data, start, weights = make_dataset(), start_parameters(), Penalty(0.01, motif_pull=0.05)
    columns = np.array([[0, 1, 0], [4, 4, 3]])
    start["log_kd"][0, :, 1] = start["log_kd"][3, :, 2] = 0
    names = ("activity", "bias", "log_kd", "potentiation")
    stage = Stage(names, epochs=8, learning_rate=0.02, batch_size=len(data))
    result = fit(
        *(SPEC, start, data, (stage,)),
        penalty=weights,
        column_range=columns,
        standardize=False,
        progress=False,
    )
    model = ThermodynamicModel(
        SPEC, start, column_range=columns, trainable_parameters=names, penalty=weights
    )
    model.compile(keras.optimizers.Adam(0.02), "mse")
    rows = {"batch_size": len(data), "epochs": 8, "verbose": 0}
    history = model.fit(data.sequence, data.expression, **rows)
    assert history.history["loss"][-1] < 0.9 * history.history["loss"][0]
    found = model.to_model().parameters
    for name, value in result.parameters.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-4, atol=2e-5, err_msg=name)
        assert np.array_equal(value, start[name]) == (name not in names)
    held = found["log_kd"][0, :, 1], found["log_kd"][3, :, 2]
    assert not np.any(held)


def test_penalties_are_losses_of_keras():
    parameters = start_parameters()
    model = ThermodynamicModel(SPEC, parameters, penalty=Penalty(activity_l1=2.0))
    model(CODES)
    expected = 2 * np.abs(parameters["activity"]).sum()
    np.testing.assert_allclose([float(loss) for loss in model.losses], [expected], rtol=1e-6)


def test_other_parameters_can_be_trained_later():
    model = ThermodynamicModel(SPEC, start_parameters(), trainable_parameters=["bias"])
    model.train_only("activity", "bias")
    assert {weight.name for weight in model.trainable_weights} == {"activity", "bias"}
    assert model.get_config()["trainable_parameters"] == ["activity", "bias"]
    with pytest.raises(ValueError, match="trainable_parameters: expected some of log_kd, "):
        model.train_only("actvity")


def test_held_parameters_stay_held_when_all_training_is_switched_off_and_on():
    model = ThermodynamicModel(SPEC, start_parameters())
    model.train_only("bias")
    outer = keras.Sequential([keras.Input((LENGTH,)), model])
    outer.trainable = False
    model.train_only("activity", "bias")
    assert not outer.trainable_weights
    outer.trainable = True
    assert {weight.name for weight in outer.trainable_weights} == {"activity", "bias"}


def test_weights_have_one_order_whatever_trains():
    spec, parameters = make_parts({"potentiation": False})
    names = ["log_kd", "activity"]
    model = ThermodynamicModel(spec, parameters, trainable_parameters=names)
    other = ThermodynamicModel(spec, {name: 0 * each for name, each in parameters.items()})
    other.set_weights(model.get_weights())
    for name, value in other.to_model().parameters.items():
        np.testing.assert_array_equal(value, parameters[name], err_msg=name)
    assert [weight.name for weight in model.trainable_weights] == names


def test_configurations_without_what_has_a_default():
    model = ThermodynamicModel(SPEC, start_parameters())
    config = {name: model.get_config()[name] for name in ("spec", "parameters", "name")}
    assert ThermodynamicModel.from_config(config).get_config() == model.get_config()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"parameters": {}}, "parameters: expected log_kd"),
        ({"motif_names": ["a"]}, "motif_names: expected 3 names"),
        ({"column_range": [[0], [1]]}, "column_range: expected shape"),
        ({"trainable_parameters": "bias"}, "trainable_parameters: expected"),
        ({"site_dtype": "float64"}, "site_dtype: expected"),
    ],
)
def test_wrong_parts_are_named(changes, expected):
    parts = {"spec": SPEC, "parameters": start_parameters(), **changes}
    with pytest.raises(ValueError, match=expected):
        ThermodynamicModel(**parts)


def test_measurements_and_weights_are_those_of_each_sequence():
    """[N], [N, 1], several for each sequence, and weights, against the project's own loss."""
    data = make_dataset(60)
    several = np.stack([data.expression, data.expression + 1, data.expression], axis=1)
    weight = np.random.default_rng(2).uniform(0, 2, 60).astype(np.float32)
    predicted = predict_all(SPEC, start_parameters(), data.sequence).expression
    for measured in (data.expression, data.expression[:, np.newaxis], several):
        flat = measured[:, 0] if measured.shape[1:] == (1,) else measured
        model = ThermodynamicModel(SPEC, start_parameters())
        model.compile("sgd", "mse")
        found = model.evaluate(
            data.sequence, measured, sample_weight=weight, batch_size=60, verbose=0
        )
        expected = mean_squared_error(predicted, flat, weight)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_data_of_the_package_goes_into_fit():
    data = Dataset(["ACGTTGCA" * 2 + "ACGT", "TTTTACGTAA"], [1, 2])
    model = ThermodynamicModel(SPEC, start_parameters())
    model.compile("sgd", "mse")
    model.fit(np.asarray(data.sequence), data.expression, verbose=0)


@pytest.mark.parametrize("side", ["left", "right"])
def test_text_is_padded_as_the_model_does(side):
    model = dataclasses.replace(trained_model(), metadata={"padding_side": side})
    text = ["ACGTTGCAACGTTGCATTAGGACATTT", "TTACGNNACG", "acguacgt"]
    found = ThermodynamicModel.from_model(model).predict(tf.constant(text), verbose=0)
    np.testing.assert_array_equal(found[:, 0], model.predict(text).expression)
