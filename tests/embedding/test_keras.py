"""The layer and the model in Keras, used in every way that Keras has."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.testing import TestCase

import cisreg
from cisreg.keras import MotifOccupancy
from cisreg.motifs import demo_motifs
from cisreg.xla import why_not_compiled

MOTIFS = demo_motifs(width=12)
COUNT, LENGTH = len(MOTIFS), 24
CODES = np.random.default_rng(0).integers(0, 5, (6, LENGTH), dtype=np.uint8)
TARGET = np.random.default_rng(1).normal(size=(6, 1)).astype(np.float32)
MIXED = ("float32", "mixed_float16", "mixed_bfloat16", "float64")


def op(**options):
    """What the operation gives for the motifs as they start."""
    return cisreg.occupancy(
        CODES,
        MOTIFS.log_kd,
        MOTIFS.lowest_log_kd(),
        column_range=MOTIFS.column_range(),
        **options,
    )


def with_head(layer, *, dtype=None):
    return keras.Sequential([layer, keras.layers.Dense(1, dtype=dtype)])


def trained(model, codes=CODES, **options):
    """Compiles and fits a model for an epoch; all its numbers must be finite."""
    model.compile(optimizer="adam", loss="mse", **options)
    history = model.fit(codes, TARGET, batch_size=3, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    return model


@pytest.fixture
def listed_gpu(monkeypatch):
    """TensorFlow lists a GPU, so that compile() turns XLA on as it does on such a machine."""
    listed = tf.config.list_physical_devices
    gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")

    def devices(device_type=None):
        return [*listed(device_type), *([gpu] if device_type in (None, "GPU") else [])]

    monkeypatch.setattr(tf.config, "list_physical_devices", devices)


# What goes in


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "int32", "int64", "float16", "float32", "float64"]
)
def test_codes_of_every_dtype_are_the_same_sequences(dtype):
    layer = MotifOccupancy(MOTIFS)
    np.testing.assert_array_equal(layer(CODES.astype(dtype)), op().bound)


@pytest.mark.parametrize("wrong", [0.5, 5.0, -1.0, np.nan, np.inf])
def test_numbers_that_are_no_codes_are_refused(wrong):
    codes = CODES.astype(np.float32)
    codes[2, 3] = wrong
    layer = MotifOccupancy(MOTIFS)
    expected = "sequence: expected base codes as whole numbers from 0 to 4, got"
    with pytest.raises(tf.errors.InvalidArgumentError, match=expected):
        layer(codes)
    with pytest.raises(tf.errors.InvalidArgumentError, match=expected):
        tf.function(layer)(tf.constant(codes))


def test_one_hot_sequences_give_the_occupancy_of_their_bases():
    one_hot = np.eye(5, dtype=np.float32)[CODES][:, :, :4]
    bound = MotifOccupancy(MOTIFS)(one_hot)
    np.testing.assert_allclose(bound, op().bound, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("reduction", ["expected", "log_unbound", "probability"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_options_are_those_of_the_operation(reduction, padding):
    layer = MotifOccupancy(MOTIFS, reduction=reduction, padding=padding, span=(3, 20))
    expected = op(reduction=reduction, padding=padding, span=(3, 20)).bound
    np.testing.assert_array_equal(layer(CODES), expected)
    assert layer.compute_output_shape(CODES.shape) == tuple(expected.shape)


def test_a_span_for_each_row_replaces_that_of_the_layer():
    span = np.array([[0, 10], [5, 24], [0, 0], [1, 2], [3, 9], [0, 24]])
    layer = MotifOccupancy(MOTIFS, span=(3, 20))
    np.testing.assert_array_equal(layer(CODES, span=span), op(span=span.astype(np.int32)).bound)


def test_strands_are_added_up_on_request():
    layer = MotifOccupancy(MOTIFS, sum_strands=True)
    np.testing.assert_array_equal(layer(CODES), tf.reduce_sum(op().bound, axis=1))
    assert layer.compute_output_shape((None, LENGTH)) == (None, COUNT)


def test_position_weights_weigh_the_sites():
    weight = np.random.default_rng(2).normal(size=(2, LENGTH, COUNT)).astype(np.float32)
    bound, weighted = op(position_weight=weight)
    np.testing.assert_array_equal(MotifOccupancy(MOTIFS, position_weight=weight)(CODES), weighted)
    both = MotifOccupancy(MOTIFS, position_weight=weight, output="both")
    np.testing.assert_array_equal(both(CODES)[0], bound)
    np.testing.assert_array_equal(both(CODES)[1], weighted)
    assert [name.name for name in both.weights] == [
        "log_kd",
        "log_concentration",
        "position_weight",
    ]
    ones = MotifOccupancy(MOTIFS, position_weight=True, padding="valid")
    np.testing.assert_allclose(ones(CODES), op(padding="valid").bound, rtol=1e-6)
    assert ones.position_weight.shape == (2, LENGTH - 12 + 1, COUNT)


def test_new_motifs_start_half_bound_at_their_strongest_site():
    layer = MotifOccupancy(3, 8, motif_initializer=keras.initializers.RandomNormal(seed=4))
    layer.build((None, LENGTH))
    motifs = layer.to_motif_set()
    assert motifs.names == ("motif_0", "motif_1", "motif_2") and motifs.width == 8
    np.testing.assert_allclose(layer.log_concentration, motifs.lowest_log_kd(), rtol=1e-6)
    assert MotifOccupancy(motifs.log_kd).motif_names == motifs.names
    held = MotifOccupancy(3, 8, column_range=[[2, 0, 0], [6, 8, 0]])
    held.build((None, LENGTH))
    assert not np.asarray(held.log_kd)[:2, :, 0].any() and np.asarray(held.log_kd)[2:6, :, 0].all()
    assert held.to_motif_set().widths.tolist() == [4, 8, 1]


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        ((3,), {}, "width: expected"),
        ((0, 4), {}, "motifs: expected"),
        ((MOTIFS, 12), {}, "width, motif_initializer: expected"),
        ((np.zeros((3, 5, 2)),), {}, r"motifs: expected float32 of shape \[W, 4, M\]"),
        ((MOTIFS,), {"log_concentration": [1.0, 2.0]}, "log_concentration: expected"),
        ((MOTIFS,), {"log_concentration": np.nan}, "log_concentration: expected finite"),
        ((MOTIFS,), {"position_weight": np.ones((1, 2, 3))}, "position_weight: expected"),
        ((MOTIFS,), {"column_range": "all"}, "column_range: expected"),
        ((MOTIFS,), {"column_range": [[0], [99]]}, "column_range: expected"),
        ((MOTIFS,), {"output": "weighted"}, "output: expected"),
        ((MOTIFS,), {"reduction": "sum"}, "reduction: expected"),
        ((MOTIFS,), {"site_dtype": "float64"}, "site_dtype: expected"),
        ((MOTIFS,), {"windows": 3}, "windows"),
    ],
)
def test_wrong_arguments_are_named(arguments, options, expected):
    with pytest.raises(ValueError, match=expected):
        MotifOccupancy(*arguments, **options)


@pytest.mark.parametrize("shape", [(3, 4, 5), (LENGTH, 5)])
def test_shapes_of_inputs_are_refused_when_a_model_is_made(shape):
    with pytest.raises(ValueError, match=r"binding: expected base codes \[N, L\], soft sequences"):
        MotifOccupancy(MOTIFS, name="binding")(keras.Input(shape))


def test_the_operation_names_the_layer_in_functional_models():
    with pytest.raises(ValueError, match=r"got a KerasTensor; .* cisreg.keras.MotifOccupancy"):
        cisreg.occupancy(keras.Input((LENGTH,)), MOTIFS.log_kd, MOTIFS.lowest_log_kd())


def test_a_factor_that_is_absent_stays_absent():
    concentration = np.where(np.arange(COUNT) == 1, -np.inf, MOTIFS.lowest_log_kd())
    layer = MotifOccupancy(MOTIFS, log_concentration=concentration, sum_strands=True)
    assert MotifOccupancy.from_config(layer.get_config())._concentration[1] == -np.inf
    trained(with_head(layer))
    bound = layer(CODES).numpy()
    assert not bound[:, 1].any() and bound[:, 0].all()
    np.testing.assert_array_equal(np.asarray(layer.log_kd)[:, :, 1], MOTIFS.log_kd[:, :, 1])


@pytest.mark.parametrize("sum_strands", [False, True])
@pytest.mark.parametrize("reduction", ["expected", "probability"])
def test_sets_of_position_weights(reduction, sum_strands):
    weight = np.random.default_rng(1).normal(size=(3, 2, LENGTH, COUNT)).astype(np.float32)
    options = {"reduction": reduction, "sum_strands": sum_strands, "output": "both"}
    layer = MotifOccupancy(MOTIFS, position_weight=weight, **options)
    copy = MotifOccupancy.from_config(layer.get_config())
    for each in (layer, copy):
        bound, weighted = each(CODES)
        expected = each.compute_output_shape(CODES.shape)
        assert [tuple(sums.shape) for sums in (bound, weighted)] == [*expected]
        for at in range(3):
            alone = MotifOccupancy(MOTIFS, position_weight=weight[at], **options)(CODES)
            np.testing.assert_allclose(bound, alone[0], rtol=1e-6)
            np.testing.assert_allclose(weighted[:, at], alone[1], rtol=1e-5, atol=1e-6)


def test_position_weights_need_a_length():
    with pytest.raises(ValueError, match="position_weight: expected sequences of a known length"):
        MotifOccupancy(MOTIFS, position_weight=True).build((None, None))
    MotifOccupancy(MOTIFS, position_weight=True, sequence_length=30).build((None, None))


def test_a_mask_ends_sequences_and_hides_bases():
    """Padding behind the end, and an unknown base that the mask hides in the middle."""
    one_hot = np.eye(5, dtype=np.float32)[CODES][:, :, :4]
    one_hot[:, 20:] = 0
    masked = keras.Sequential([keras.layers.Masking(0.0), MotifOccupancy(MOTIFS, padding="valid")])
    bound = masked(one_hot)
    short = MotifOccupancy(MOTIFS, padding="valid")(one_hot[:, :20])
    known = CODES[:, 19] != 4
    np.testing.assert_allclose(bound[known], short[known], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 1), (6,), (1, LENGTH), (6, LENGTH + 1), (6, LENGTH, 1)])
def test_masks_of_other_shapes_are_refused(shape):
    layer, mask = MotifOccupancy(MOTIFS, name="binding"), np.ones(shape, bool)
    with pytest.raises(
        ValueError, match=r"binding: expected a mask \[N, L\], one for each base of"
    ):
        layer(CODES, mask=mask)


def test_masks_of_sizes_that_a_graph_does_not_know_are_checked_when_it_runs():
    layer, every = MotifOccupancy(MOTIFS), np.ones((6, LENGTH), bool)
    unknown = tf.TensorSpec([None, None], tf.uint8), tf.TensorSpec([None, None], tf.bool)
    masked = tf.function(lambda codes, mask: layer(codes, mask=mask), input_signature=unknown)
    np.testing.assert_array_equal(masked(CODES, every), op().bound)
    with pytest.raises(tf.errors.InvalidArgumentError, match="one for each base"):
        masked(CODES, every[:, :1])


# Kinds of models


def test_sequential_without_input():
    trained(with_head(MotifOccupancy(MOTIFS, sum_strands=True)), CODES.astype(np.float64))


def test_functional():
    for dtype in ("uint8", "int32", "float32"):
        inputs = keras.Input((LENGTH,), dtype=dtype)
        bound = MotifOccupancy(MOTIFS, sum_strands=True)(inputs)
        assert bound.shape == (None, COUNT) and bound.dtype == "float32"
    trained(keras.Model(inputs, keras.layers.Dense(1)(bound)))


def test_functional_with_lengths():
    inputs = keras.Input((None,), dtype="uint8")
    length = keras.Input((), dtype="int32")
    model = keras.Model([inputs, length], MotifOccupancy(MOTIFS)(inputs, length=length))
    lengths = np.array([24, 20, 13, 1, 0, 24])
    bound = model.predict([CODES, lengths], verbose=0)
    for row, end in enumerate(lengths):
        alone = (
            MotifOccupancy(MOTIFS)(CODES[row : row + 1, :end]) if end else np.zeros((1, 2, COUNT))
        )
        np.testing.assert_allclose(bound[row], alone[0], rtol=1e-6, atol=1e-7)


def test_subclassed():
    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            self.occupancy = MotifOccupancy(MOTIFS, sum_strands=True)
            self.head = keras.layers.Dense(1)

        def call(self, sequence):
            return self.head(self.occupancy(sequence))

    model = trained(Network())
    assert [weight.path.split("/")[-1] for weight in model.trainable_weights][:2] == [
        "log_kd",
        "log_concentration",
    ]


def test_time_distributed():
    windows = CODES.reshape(2, 3, LENGTH)
    layer = keras.layers.TimeDistributed(MotifOccupancy(MOTIFS, sum_strands=True))
    inputs = keras.Input((3, LENGTH), dtype="uint8")
    bound = keras.Model(inputs, layer(inputs)).predict(windows, verbose=0)
    expected = tf.reduce_sum(op().bound, axis=1).numpy().reshape(2, 3, COUNT)
    np.testing.assert_array_equal(bound, expected)


@pytest.mark.parametrize("policy", MIXED)
def test_policies_keep_float32_inside(policy):
    layer = MotifOccupancy(MOTIFS, dtype=policy, position_weight=True, output="bound")
    bound = layer(CODES)
    assert bound.dtype == layer.compute_dtype
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    np.testing.assert_array_equal(bound, tf.cast(op().bound, layer.compute_dtype))
    soft = np.random.default_rng(3).dirichlet(np.ones(4), (2, LENGTH)).astype(np.float32)
    expected = MotifOccupancy(MOTIFS)(soft)
    np.testing.assert_array_equal(layer(soft), tf.cast(expected, layer.compute_dtype))


@pytest.mark.parametrize("policy", ["mixed_float16", "float64"])
def test_policies_train(policy):
    layer = MotifOccupancy(MOTIFS, sum_strands=True, dtype=policy)
    trained(with_head(layer, dtype=policy))
    assert not np.array_equal(layer.log_kd, MOTIFS.log_kd)


def test_what_is_fixed_stays():
    layer = MotifOccupancy(
        MOTIFS,
        sum_strands=True,
        trainable_motifs=False,
        position_weight=True,
        trainable_position_weight=False,
    )
    trained(with_head(layer))
    assert [weight.name for weight in layer.trainable_weights] == ["log_concentration"]
    np.testing.assert_array_equal(layer.log_kd, MOTIFS.log_kd)
    assert not np.array_equal(layer.log_concentration, MOTIFS.lowest_log_kd())


def test_columns_outside_of_a_motif_stay_zero():
    layer = MotifOccupancy(MOTIFS, sum_strands=True, column_range=MOTIFS.column_range(flank=1))
    trained(with_head(layer))
    first, end = MOTIFS.column_range(flank=1)
    column = np.arange(12)[:, np.newaxis, np.newaxis]
    outside = np.broadcast_to((column < first) | (column >= end), MOTIFS.log_kd.shape)
    assert outside.any() and not np.asarray(layer.log_kd)[outside].any()
    motifs = layer.to_motif_set()
    assert motifs.names == MOTIFS.names
    np.testing.assert_array_equal(motifs.log_kd, layer.log_kd)
    np.testing.assert_array_equal(motifs.column_range(), MOTIFS.column_range(flank=1))


def test_regularizers_and_constraints_are_those_of_keras():
    layer = MotifOccupancy(
        MOTIFS,
        log_kd_regularizer=keras.regularizers.L2(0.5),
        log_concentration_constraint=keras.constraints.NonNeg(),
        position_weight=True,
        position_weight_regularizer="l1",
    )
    layer(CODES)
    penalties = [0.5 * float(tf.reduce_sum(layer.log_kd.value**2)), 0.01 * 2 * LENGTH * COUNT]
    np.testing.assert_allclose([float(loss) for loss in layer.losses], penalties, rtol=1e-5)
    trained(keras.Sequential([layer, keras.layers.Flatten(), keras.layers.Dense(1)]))
    assert (np.asarray(layer.log_concentration) >= 0).all()


# Saved and copied

OPTIONS = {
    "log_concentration": -3.25,
    "position_weight": True,
    "output": "both",
    "span": (2, 20),
    "reduction": "log_unbound",
    "trainable_motifs": False,
    "log_kd_regularizer": keras.regularizers.L1(0.25),
    "dtype": "mixed_bfloat16",
    "name": "binding",
}


def assert_same_layer(first, second):
    assert first.get_config() == second.get_config()
    for one, other in zip(first.weights, second.weights, strict=True):
        assert one.path == other.path and one.trainable == other.trainable
        np.testing.assert_array_equal(one, other)


def changed(layer):
    """The layer with other weights than at its start."""
    layer.build((None, LENGTH))
    for weight in layer.weights:
        weight.assign(weight + 0.375)
    return layer


@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["default", "all"])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_are_the_same_layer(options, copied):
    layer = changed(MotifOccupancy(MOTIFS, **options))
    assert_same_layer(copied(layer), layer)


@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["default", "all"])
def test_a_configuration_makes_the_layer_as_it_started(options):
    layer = MotifOccupancy(MOTIFS, **options)
    config = json.loads(json.dumps(layer.get_config()))
    again = MotifOccupancy.from_config(config)
    assert_same_layer(changed(again), changed(layer))
    whole = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert whole.get_config() == layer.get_config()


def make_model():
    inputs = keras.Input((LENGTH,), dtype="uint8")
    bound = MotifOccupancy(MOTIFS, sum_strands=True, name="binding")(inputs)
    return keras.Model(inputs, keras.layers.Dense(1, name="head")(bound))


def test_models_are_saved_and_loaded(tmp_path):
    model = trained(make_model())
    expected = model.predict(CODES, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(CODES, verbose=0), expected)
    loaded.fit(CODES, TARGET, verbose=0)
    model.save_weights(tmp_path / "model.weights.h5")
    fresh = make_model()
    fresh.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(fresh.predict(CODES, verbose=0), expected)


def test_weights_are_saved_by_name(tmp_path):
    """A layer that trains other weights keeps them in another order."""
    layer = changed(MotifOccupancy(MOTIFS, trainable_motifs=False))
    first = keras.Sequential([keras.Input((LENGTH,)), layer])
    first.save_weights(tmp_path / "layer.weights.h5")
    other = MotifOccupancy(MOTIFS)
    model = keras.Sequential([keras.Input((LENGTH,)), other])
    model.load_weights(tmp_path / "layer.weights.h5")
    np.testing.assert_array_equal(other.log_kd, layer.log_kd)
    np.testing.assert_array_equal(other.log_concentration, layer.log_concentration)
    fewer = keras.Sequential([keras.Input((LENGTH,)), MotifOccupancy(MOTIFS[:2])])
    with pytest.raises(ValueError, match="expected log_kd of shape"):
        fewer.load_weights(tmp_path / "layer.weights.h5")
    weighted = MotifOccupancy(MOTIFS, position_weight=True)
    with pytest.raises(ValueError, match="expected the weights log_kd, log_concentration, posi"):
        keras.Sequential([keras.Input((LENGTH,)), weighted]).load_weights(
            tmp_path / "layer.weights.h5"
        )


def test_models_are_exported(tmp_path):
    model = make_model()
    model.export(tmp_path / "exported")
    loaded = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_array_equal(loaded.serve(tf.constant(CODES)), model.predict(CODES, verbose=0))


def test_clones_start_as_the_model_did():
    model = trained(make_model())
    clone = keras.models.clone_model(model)
    np.testing.assert_array_equal(clone.get_layer("binding").log_kd, MOTIFS.log_kd)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone.predict(CODES, verbose=0), model.predict(CODES, verbose=0))


@pytest.mark.parametrize(
    ("options", "trained_weights", "other_weights"),
    [
        ({"motifs": 3, "width": 5}, 2, 0),
        ({"motifs": 3, "width": 5, "position_weight": True, "output": "both"}, 3, 0),
        ({"motifs": MOTIFS, "trainable_motifs": False, "sum_strands": True}, 1, 1),
    ],
    ids=["new", "weighted", "fixed"],
)
def test_the_test_of_layers_that_keras_has(options, trained_weights, other_weights):
    TestCase().run_layer_test(
        MotifOccupancy,
        init_kwargs=options,
        input_data=keras.ops.convert_to_tensor(CODES.astype(np.float32)),
        expected_num_trainable_weights=trained_weights,
        expected_num_non_trainable_weights=other_weights,
        expected_num_seed_generators=0,
        expected_num_losses=0,
        supports_masking=True,
    )


# Other kinds of Keras


def in_new_python(program, **environment):
    """What a program says on standard error, and its exit status."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
    )
    return done.stderr, done.returncode


@pytest.mark.parametrize("backend", ["jax", "torch", "numpy"])
def test_other_backends_are_refused_at_the_import(backend, tmp_path):
    """By the variable, and by the file of Keras; before TensorFlow or the backend is imported."""
    (tmp_path / "keras.json").write_text(json.dumps({"backend": backend}))
    program = "import sys, cisreg.keras"
    for environment in (
        {"KERAS_BACKEND": backend},
        {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": ""},
    ):
        errors, status = in_new_python(program, **environment)
        assert status == 1
        expected = "ImportError: cisreg.keras: expected the Keras backend 'tensorflow', got "
        assert errors.splitlines()[-1].startswith(f"{expected}'{backend}'")


# XLA


def make_predictions(jit_compile):
    keras.utils.set_random_seed(0)
    model = trained(make_model(), jit_compile=jit_compile)
    assert model.jit_compile == bool(jit_compile)
    return model.predict(CODES, verbose=0)


def test_jit_compile_trains_as_without(listed_gpu):
    """By request, and by what compile() chooses where a GPU is listed."""
    expected = make_predictions(False)
    for jit_compile in (True, "auto"):
        np.testing.assert_allclose(make_predictions(jit_compile), expected, rtol=1e-5, atol=1e-6)


def test_a_default_fit_works_where_a_gpu_is_listed(listed_gpu):
    """Nothing here says anything of XLA."""
    codes = CODES.astype(np.float32)
    assert trained(with_head(MotifOccupancy(MOTIFS, sum_strands=True)), codes).jit_compile
    length = np.array([24, 20, 13, 1, 0, 24], np.int32)
    inputs = [keras.Input((LENGTH,), dtype="uint8"), keras.Input((), dtype="int32")]
    layer = MotifOccupancy(MOTIFS, position_weight=True, sum_strands=True)
    model = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs[0], length=inputs[1])))
    assert trained(model, [CODES, length]).jit_compile


def test_jit_compile_with_a_policy():
    layer = MotifOccupancy(MOTIFS, sum_strands=True, dtype="mixed_float16")
    trained(with_head(layer, dtype="mixed_float16"), jit_compile=True)


def test_numbers_that_are_no_codes_are_refused_under_xla():
    codes = CODES.astype(np.float32)
    codes[2, 3] = 0.5
    compiled = tf.function(MotifOccupancy(MOTIFS), jit_compile=True)
    if why_not_compiled():  # standard operations, which cannot refuse there
        assert np.isnan(compiled(tf.constant(codes))[2]).all()
        return
    with pytest.raises(tf.errors.InvalidArgumentError, match="sequence: expected base codes 0 to"):
        compiled(tf.constant(codes))


# Text

TEXT = ["ACGTTGCAACGTTGCATTAGGACA", "TTACGNNACG", "acguacgtacgtacg"]


def alone(text, **options):
    """What each sequence gives alone."""
    rows = [MotifOccupancy(MOTIFS, **options)(cisreg.encode([each])) for each in text]
    return np.concatenate(rows)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_text_gives_what_each_sequence_gives_alone(padding):
    text = [each for each in TEXT if padding == "same" or len(each) >= MOTIFS.width]
    layer = MotifOccupancy(MOTIFS, padding=padding)
    expected = alone(text, padding=padding)
    for given in (np.array(text), tf.constant(text), tf.constant(text)[:, tf.newaxis]):
        np.testing.assert_array_equal(layer(given), expected)
    longer = MotifOccupancy(MOTIFS, padding=padding, sequence_length=40)
    np.testing.assert_array_equal(longer(tf.constant(text)), expected)


def test_text_shorter_than_a_window_has_no_sites():
    assert not np.any(MotifOccupancy(MOTIFS, padding="valid")(tf.constant(["ACG", ""])))


def test_models_of_text(listed_gpu, tmp_path):
    """Trained, saved, exported; XLA, which has no text, is left out also where a GPU is listed."""
    inputs = keras.Input((1,), dtype="string")
    layer = MotifOccupancy(
        MOTIFS, sum_strands=True, position_weight=True, sequence_length=24, name="binding"
    )
    model = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))
    text = tf.constant(TEXT * 2)[:, tf.newaxis]
    trained(model, text)
    assert not model.jit_compile
    expected = model.predict(text, verbose=0)
    np.testing.assert_array_equal(expected[:3], expected[3:])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(text, verbose=0), expected)
    model.export(tmp_path / "exported")
    served = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_array_equal(served.serve(text), expected)


def test_text_that_cannot_be_computed_is_refused():
    layer = MotifOccupancy(MOTIFS)
    with pytest.raises(tf.errors.InvalidArgumentError, match="got '!T' in row 1"):
        layer(tf.constant(["ACGT", "AC!T"]))
    with pytest.raises(ValueError, match="expected no length with text"):
        layer(tf.constant(TEXT), length=[1, 2, 3])
    with pytest.raises(ValueError, match="expected base codes under jit_compile=True, got text"):
        tf.function(layer, jit_compile=True)(tf.constant(TEXT))
    with pytest.raises(ValueError, match="expected sequence_length for text and position weights"):
        MotifOccupancy(MOTIFS, position_weight=True)(tf.constant(TEXT)[:, tf.newaxis])
    # Without an input that says so, Keras takes text for numbers.
    model = with_head(MotifOccupancy(MOTIFS, sum_strands=True))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r'begins with keras.Input\(\(\), dtype="string"\)'):
        model.fit(tf.constant(TEXT), TARGET[:3], verbose=0)
    layers = with_head(MotifOccupancy(MOTIFS, sum_strands=True)).layers
    trained(keras.Sequential([keras.Input((), dtype="string"), *layers]), tf.constant(TEXT * 2))
