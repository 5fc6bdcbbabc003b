"""The unit of the measurements changes only the unit of the results."""

from __future__ import annotations

import copy
import dataclasses
import functools
import logging
import pickle

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from pyarrow import parquet
from tiny_model import SPEC, STAGES, assert_same_bits, fit_tiny, make_dataset, start_parameters

from cisreg.data import Dataset, open_dataset
from cisreg.data.feeding.feed import MemoryFeed
from cisreg.data.feeding.stream import FileFeed
from cisreg.losses import Penalty, mean_squared_error, negative_log_likelihood
from cisreg.model import ModelSpec, init_parameters, predict
from cisreg.sequences import decode
from cisreg.start import STANDARD_DEVIATION, STANDARD_MEAN, chosen_parameters
from cisreg.training import Stage, checkpoint_parameters
from cisreg.training.unit import Unit, standard_loss, unit_of

LINEAR = ("activity", "potentiation", "potentiation_bias", "bias")
EXPRESSION = ("activity", "activity_difference", "accessibility_activity")
# The penalty is on activities, which have the unit of expression. With a scale that is a power of
# 2, every number of training is the same to the bit.
STAGE = Stage(LINEAR, epochs=4, learning_rate=0.1, penalty=Penalty(activity_l1=0.1))
# The second stage has early stopping, a different penalty and a different optimizer.
RUN = (STAGE, STAGES[1])
TABLE = np.stack([np.linspace(0, 12, 25), np.linspace(0.5, 2, 25)], axis=1)


def converted(dataset, scale, shift=0.0):
    """The same measurements in a different unit."""
    expression = dataset.expression.astype(np.float64) * scale + shift
    return Dataset(dataset.sequence, expression.astype(np.float32), dataset.weight)


def with_weights(dataset):
    weight = np.random.default_rng(1).uniform(0, 2, len(dataset)).astype(np.float32)
    return Dataset(dataset.sequence, dataset.expression, weight)


def with_replicates(dataset):
    noise = np.random.default_rng(1).normal(0, 0.3, (len(dataset), 3)).astype(np.float32)
    return Dataset(dataset.sequence, dataset.expression[:, None] + noise)


KINDS = {"plain": lambda dataset: dataset, "weights": with_weights, "replicates": with_replicates}


@pytest.fixture(scope="module")
def plain():
    """Data of each kind, and the result of training on them."""
    datasets = {name: kind(make_dataset()) for name, kind in KINDS.items()}
    return {name: (data, fit_tiny(data, RUN)) for name, data in datasets.items()}


def predictions(result):
    sequence = make_dataset(50, seed=5).sequence
    return predict(SPEC, result.parameters, sequence, implementation="standard").expression.numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_a_power_of_two_gives_the_same_bits(plain, kind):
    dataset, expected = plain[kind]
    # With the last scale, squares exceed the range of float32.
    scale = {"plain": 2.0**-10, "weights": 4.0, "replicates": 2.0**70}[kind]
    result = fit_tiny(converted(dataset, scale), RUN)
    for name, value in expected.parameters.items():
        factor = scale if name in (*EXPRESSION, "bias") else 1.0
        np.testing.assert_array_equal(result.parameters[name], value * factor, name)
    for record, before in zip(result.history, expected.history, strict=True):
        assert record.validation_r == pytest.approx(before.validation_r, abs=1e-12)
        assert record.loss == pytest.approx(scale**2 * before.loss, rel=1e-6)
        assert record.penalty == pytest.approx(scale**2 * before.penalty, rel=1e-6)
        assert record.validation_loss == pytest.approx(scale**2 * before.validation_loss, rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "scale", "shift"),
    [
        ("plain", 1000.0, 0.0),
        ("plain", 1e-3, 0.0),
        ("plain", 1 / 18, 0.0),
        ("plain", 1.0, 1000.0),
        ("weights", 1e-3, -5.0),
        ("replicates", 1e6, 1e7),
    ],
)
def test_any_unit_gives_the_same_model(plain, kind, scale, shift):
    dataset, expected = plain[kind]
    result = fit_tiny(converted(dataset, scale, shift), RUN)
    np.testing.assert_allclose(
        (predictions(result) - shift) / scale, predictions(expected), atol=0.02
    )
    assert result.history[-1].validation_r == pytest.approx(
        expected.history[-1].validation_r, abs=0.002
    )


def test_without_standardizing_the_unit_matters():
    """Shows that the tests above can find an effect of the unit."""
    results = [
        fit_tiny(converted(make_dataset(), scale), [STAGE], standardize=False)
        for scale in (1.0, 1000.0)
    ]
    first, second = (result.history[-1].validation_r_squared for result in results)
    assert abs(first - second) > 0.1


@pytest.mark.parametrize(("scale", "shift"), [(8.0, 0.0), (100.0, 1000.0), (0.01, -3.0)])
def test_the_table_of_the_likelihood_is_in_the_unit_too(scale, shift):
    def trained(scale, shift):
        table = TABLE * [scale, scale] + [shift, 0.0]
        loss = functools.partial(negative_log_likelihood, table=table)
        return fit_tiny(converted(make_dataset(), scale, shift), [STAGE], loss=loss)

    expected, result = trained(1.0, 0.0), trained(scale, shift)
    np.testing.assert_allclose(
        (predictions(result) - shift) / scale, predictions(expected), atol=0.02
    )
    # The loss itself has no unit here.
    assert result.history[-1].loss == pytest.approx(expected.history[-1].loss, rel=0.01)


def test_a_loss_that_does_not_say_its_unit_is_computed_in_that_of_the_measurements():
    seen = []

    def loss(predicted, measured):
        seen.append(measured)
        return tf.reduce_mean(tf.abs(predicted - measured))

    computed = standard_loss(loss, Unit(scale=10.0, shift=5.0))
    value = computed(tf.constant([1.0]), tf.constant([25.0]))
    assert (float(value), computed.factor, float(seen[0][0])) == (10.0, 1.0, 25.0)


def test_a_loss_that_says_its_unit_is_computed_in_the_standard_one():
    computed = standard_loss(mean_squared_error, Unit(scale=10.0, shift=5.0))
    assert float(computed(tf.constant([1.0]), tf.constant([25.0]))) == 1.0
    assert computed.factor == 100.0


def test_penalties_act_in_the_standard_unit():
    """A penalty on activities has the same weight relative to the loss in every unit."""
    shares = []
    for scale in (1.0, 1000.0):
        result = fit_tiny(converted(make_dataset(), scale), [STAGE])
        shares.append(result.history[-1].penalty / result.history[-1].loss)
    assert shares[0] == pytest.approx(shares[1], rel=0.02)
    assert shares[0] > 1e-3


def test_training_goes_on_from_parameters_in_the_unit_of_the_measurements():
    dataset = converted(make_dataset(), 1000.0, 500.0)
    first = fit_tiny(dataset)
    held = Stage(("bias",), epochs=1, learning_rate=1e-12)
    again = fit_tiny(dataset, [held], parameters=first.parameters)
    last = first.history[first.best_epoch - 1]
    assert again.history[0].validation_loss == pytest.approx(last.validation_loss, rel=1e-3)
    for name in ("activity", "bias"):
        np.testing.assert_allclose(again.parameters[name], first.parameters[name], rtol=1e-5)


def test_checkpoints_show_the_unit_of_the_measurements_and_go_on_in_it(tmp_path):
    dataset = converted(make_dataset(), 1000.0, 500.0)
    unbroken = fit_tiny(dataset, STAGES, checkpoint_directory=tmp_path / "unbroken")
    assert_same_bits(checkpoint_parameters(tmp_path / "unbroken"), unbroken.parameters)

    def stop(self, *arguments):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("cisreg.training.training_run.TrainingRun._stage_is_over", stop)
        fit_tiny(dataset, STAGES, checkpoint_directory=tmp_path / "broken", checkpoint_every=1)
    resumed = fit_tiny(dataset, STAGES, checkpoint_directory=tmp_path / "broken", resume=True)
    assert_same_bits(resumed.parameters, unbroken.parameters)


def test_a_run_in_another_unit_is_not_resumed(tmp_path):
    fit_tiny(stages=STAGES[:1], checkpoint_directory=tmp_path)
    with pytest.raises(ValueError, match="made with another unit of training"):
        fit_tiny(stages=STAGES[:1], checkpoint_directory=tmp_path, resume=True, standardize=False)


@pytest.mark.parametrize("value", [0.0, 7.0, 1e6, 0.1])
def test_measurements_that_are_all_equal_are_learned(value):
    dataset = Dataset(make_dataset(60).sequence, np.full(60, value, np.float32))
    result = fit_tiny(dataset, [Stage(("bias",), epochs=60, learning_rate=0.5)], validation=None)
    np.testing.assert_allclose(predictions(result), value, atol=0.5)


def test_a_start_for_other_measurements_is_said(caplog):
    start = start_parameters()
    with caplog.at_level(logging.WARNING, "cisreg.training"):
        fit_tiny(converted(make_dataset(), 1.0, 1000.0), STAGES[:1], parameters=dict(start))
    assert any("parameters: the bias begins at 0" in message for message in caplog.messages)


def test_unit_of_measurements():
    random = np.random.default_rng(0)
    values = random.normal(50, 9, 1000)
    unit = unit_of(values)
    np.testing.assert_allclose(unit.measured(values).mean(), STANDARD_MEAN, rtol=1e-6)
    np.testing.assert_allclose(unit.measured(values).std(), STANDARD_DEVIATION, rtol=1e-6)
    assert unit_of(np.stack([values, values], axis=1)) == unit
    assert unit_of(np.concatenate([values, [1e9]]), np.append(np.ones(1000), 0.0)) == unit
    assert unit_of(np.repeat(values, 2)) == unit_of(values, np.full(1000, 2.0))
    assert unit_of(values, np.zeros(1000)) == unit
    assert unit_of(np.array([1.0, np.nan])) == Unit()


def test_parameters_go_to_the_standard_unit_and_back():
    spec = ModelSpec(3, 4, 20, stranded=True, accessibility_activity=True, positional=True)
    random = np.random.default_rng(0)
    parameters = {
        name: random.normal(0, 1, shape).astype(np.float32)
        for name, shape in spec.parameter_shapes.items()
    }
    unit = Unit(scale=20.0, shift=-300.0)
    sequence = random.integers(0, 4, (5, 20), dtype=np.uint8)
    standard = unit.to_standard(parameters)
    inside, outside = (
        predict(spec, each, sequence, implementation="standard").expression.numpy()
        for each in (standard, parameters)
    )
    np.testing.assert_allclose(inside * 20.0 - 300.0, outside, rtol=1e-5, atol=1e-4)
    for name, value in unit.from_standard(standard).items():
        np.testing.assert_allclose(value, parameters[name], rtol=1e-5, atol=1e-5)


def test_what_a_user_sets_is_in_the_users_unit():
    start = start_parameters()
    assert set(chosen_parameters(start)) == set(start) - {"log_kd", "log_concentration"}
    start["bias"] = np.zeros((), np.float32)  # the default value, but given
    start["activity"][0] = 3.0
    assert set(chosen_parameters(start)) == {"potentiation", "potentiation_bias"}
    assert chosen_parameters(dict(start)) == {}
    spec = ModelSpec(2, 3, 10, binding_limit=True)
    given = init_parameters(spec, np.zeros((3, 4, 2)), np.zeros(2), bias=1.0, log_binding_limit=0.0)
    assert not {"bias", "log_binding_limit"} & set(chosen_parameters(given))


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_keep_what_was_chosen(duplicate):
    start = start_parameters()
    assert set(chosen_parameters(duplicate(start))) == set(chosen_parameters(start))


def test_all_rows_in_memory_tell_the_unit():
    """The unit comes from all rows: those examined after an epoch may be sorted and all alike."""
    dataset = make_dataset(3000)
    dataset = Dataset(dataset.sequence, np.sort(dataset.expression))
    expression, weight = MemoryFeed(dataset, seed=0).measurements()
    assert len(expression) == 3000
    assert weight is None


def stream_of(folder, dataset):
    """Row groups of 20, sorted by expression: none of them resembles the whole."""
    order = np.argsort(dataset.expression)
    columns = {
        "sequence": decode(dataset.sequence[order]),
        "expression": dataset.expression[order],
    }
    path = folder / "train.parquet"
    parquet.write_table(pa.table(columns), path, row_group_size=20)
    return open_dataset(path, length=dataset.sequence.shape[1], lanes=4)


def test_sorted_files_that_are_streamed_have_nearly_the_unit_of_all_rows(tmp_path):
    dataset = make_dataset()
    files = stream_of(tmp_path, dataset)
    feed = FileFeed(files, np.arange(len(files.group_rows)), seed=0, lanes=4)
    first = unit_of(feed.sample().expression)
    unit, whole = unit_of(*feed.measurements()), unit_of(dataset.expression)
    assert unit.scale == pytest.approx(whole.scale, rel=0.15)
    assert first.scale < 0.5 * whole.scale


def test_a_stream_trains_alike_in_any_unit(tmp_path):
    results = []
    for scale in (1.0, 2.0**-10):
        folder = tmp_path / str(scale)
        folder.mkdir()
        files = stream_of(folder, converted(make_dataset(), scale))
        results.append(fit_tiny(files, [STAGE], cache="none", validation=None))
    first, second = (result.parameters for result in results)
    np.testing.assert_array_equal(second["activity"], first["activity"] * 2.0**-10)
    assert results[1].unit.scale == results[0].unit.scale * 2.0**-10


LINKS = ("logistic", "softplus", "exponential")


def linked_spec(link):
    return dataclasses.replace(SPEC, link=link)


@pytest.mark.parametrize("link", LINKS)
def test_a_converted_model_predicts_in_the_other_unit(link):
    spec, sequence = linked_spec(link), make_dataset(50, seed=5).sequence
    standard = dict(start_parameters(3, spec))
    standard["activity"] += 0.5
    unit = Unit(scale=7.0, shift=30.0 if link == "logistic" else 0.0)
    shown = unit.from_standard(standard)
    for name in ("activity", "bias", "potentiation"):
        np.testing.assert_array_equal(shown[name], standard[name])
    before, after = (
        predict(spec, each, sequence, implementation="standard").expression.numpy()
        for each in (standard, shown)
    )
    np.testing.assert_allclose(after, unit.scale * before + unit.shift, rtol=1e-5)
    back = unit.to_standard(shown)
    for name, value in standard.items():
        np.testing.assert_allclose(back[name], value, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("link", LINKS)
def test_the_unit_does_not_matter_with_a_link(link):
    spec, found = linked_spec(link), []
    names = (*LINEAR, *(name for name in spec.parameter_shapes if "link_" in name))
    stage = Stage(names, epochs=4, learning_rate=0.1, penalty=Penalty(activity_l1=0.1))
    lowest = make_dataset().expression.min()
    for scale in (1.0, 2.0**-6):
        data = converted(make_dataset(), scale, scale * (1 - lowest))
        found.append(fit_tiny(data, [stage], spec=spec, parameters=start_parameters(0, spec)))
    first, second = found
    assert second.history[-1].validation_r == pytest.approx(first.history[-1].validation_r)
    assert second.history[-1].validation_r > 0.3
    for name, value in first.parameters.items():
        factor = 2.0**-6 if "link_" in name else 1.0
        np.testing.assert_allclose(
            second.parameters[name], value * factor, rtol=1e-4, atol=1e-5, err_msg=name
        )


def test_floor_and_ceiling_begin_on_either_side_of_the_measurements():
    spec, data = linked_spec("logistic"), converted(make_dataset(), 3.0, 50.0)
    stage = Stage(("activity",), epochs=1, learning_rate=1e-9)
    start = start_parameters(0, spec)
    result = fit_tiny(data, [stage], spec=spec, parameters=start, validation=None)
    mean, deviation = data.expression.mean(), data.expression.std()
    assert result.parameters["link_floor"] == pytest.approx(mean - 2 * deviation, rel=1e-4)
    assert result.parameters["link_ceiling"] == pytest.approx(mean + 2 * deviation, rel=1e-4)
    start["link_floor"] = np.float32(42.0)
    result = fit_tiny(data, [stage], spec=spec, parameters=start, validation=None)
    assert result.parameters["link_floor"] == pytest.approx(42.0)


@pytest.mark.parametrize("link", ["softplus", "exponential"])
def test_a_link_above_zero_needs_measurements_above_zero(link):
    data = converted(make_dataset(), 1.0, -100.0)
    spec = linked_spec(link)
    with pytest.raises(ValueError, match=f'link: expected measurements.*"{link}".*a mean of -9'):
        fit_tiny(data, [STAGE], spec=spec, parameters=start_parameters(0, spec))


@pytest.mark.parametrize("link", LINKS)
def test_a_checkpoint_of_a_model_with_a_link_has_its_unit(link, tmp_path):
    spec, data = linked_spec(link), converted(make_dataset(), 5.0, 400.0)
    options = {"spec": spec, "parameters": start_parameters(0, spec)}
    whole = fit_tiny(data, [STAGE], checkpoint_directory=tmp_path / "whole", **options)
    assert_same_bits(checkpoint_parameters(tmp_path / "whole"), whole.parameters)
