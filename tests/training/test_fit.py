"""`fit`: its results, repeatability, when it stops, and which arguments it refuses."""

from __future__ import annotations

import functools
import logging

import numpy as np
import pytest
import tensorflow as tf
from tiny_model import (
    LENGTH,
    MOTIFS,
    SPEC,
    STAGES,
    WIDTH,
    assert_same_bits,
    fit_tiny,
    make_dataset,
    start_parameters,
)

from cisreg.data import Dataset, epoch_order, split
from cisreg.losses import Penalty, mean_squared_error, negative_log_likelihood
from cisreg.metrics import r_squared
from cisreg.model import predict
from cisreg.training import CosineWarmup, NonFiniteLossError, Stage, checkpoint_parameters

ALL = ("activity", "bias")


def expression_of(parameters, dataset):
    return predict(SPEC, parameters, dataset.sequence, implementation="standard").expression


@pytest.fixture(scope="module")
def reference():
    """The result of `fit_tiny` without further options."""
    return fit_tiny()


def test_training_finds_the_activities_that_made_the_data():
    dataset = make_dataset(400)
    schedule = CosineWarmup(warmup=1.0, final=0.01)
    stage = Stage(ALL, epochs=100, learning_rate=1.0, schedule=schedule, batch_size=40)
    result = fit_tiny(dataset, [stage])
    np.testing.assert_allclose(result.parameters["activity"], [3, -2, 1], atol=0.1)
    assert result.history[-1].validation_r_squared > 0.999
    assert result.history[-1].validation_loss < 0.01 * result.history[0].validation_loss


def test_the_same_call_gives_the_same_bits(reference):
    again = fit_tiny()
    assert_same_bits(reference.parameters, again.parameters)
    losses = [[record.loss for record in result.history] for result in (reference, again)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("steps_per_call", [1, 3, 1000])
def test_the_length_of_a_call_does_not_matter(reference, steps_per_call):
    result = fit_tiny(steps_per_call=steps_per_call)
    assert_same_bits(reference.parameters, result.parameters)


def test_the_seed_orders_the_sequences():
    stage = Stage(ALL, epochs=1, batch_size=20)
    first, other = (fit_tiny(stages=[stage], validation=None, seed=seed) for seed in (1, 2))
    assert not np.array_equal(first.parameters["activity"], other.parameters["activity"])


def test_every_epoch_has_an_order_of_its_own(monkeypatch):
    asked = []

    def epoch_order_asked(*arguments):
        asked.append(arguments)
        return epoch_order(*arguments)

    monkeypatch.setattr("cisreg.data.feeding.feed.epoch_order", epoch_order_asked)
    fit_tiny(make_dataset(100), seed=7)
    count = len(split(make_dataset(100), 0.2, seed=7)[0])
    assert asked == [(count, 7, epoch) for epoch in range(1, 8)]


def test_a_stage_trains_what_it_names_and_nothing_else():
    start = start_parameters()
    result = fit_tiny(stages=STAGES[:1])
    for name, value in result.parameters.items():
        assert (name in STAGES[0].trainable) != np.array_equal(value, start[name]), name


def test_a_factor_that_is_knocked_out_stays_so(tmp_path, caplog):
    parameters = start_parameters()
    parameters["log_concentration"][1] = -np.inf
    result = fit_tiny(parameters=parameters, stages=STAGES[:1], checkpoint_directory=tmp_path)
    assert result.parameters["log_concentration"][1] == -np.inf
    assert not np.array_equal(result.parameters["activity"], parameters["activity"])
    assert all(np.isfinite(value[value != -np.inf]).all() for value in result.parameters.values())
    assert "extremes" not in caplog.text
    trained = Stage(("bias", "log_concentration"), epochs=1, learning_rate=0.1)
    with pytest.raises(ValueError, match="which stage 1 trains, got -inf for 1 of 3 motifs; no tr"):
        fit_tiny(parameters=parameters, stages=[trained])


def test_stages_go_on_from_one_another():
    stage = Stage(ALL, epochs=2, optimizer="sgd", learning_rate=0.01, batch_size=200)
    whole = fit_tiny(stages=[stage], validation=None)
    halves = fit_tiny(
        stages=[Stage(ALL, epochs=1, optimizer="sgd", learning_rate=0.01, batch_size=200)] * 2,
        validation=None,
    )
    assert_same_bits(whole.parameters, halves.parameters)
    assert [(r.stage, r.epoch, r.total_epoch) for r in halves.history] == [(1, 1, 1), (2, 1, 2)]


def test_the_record_of_an_epoch():
    dataset = make_dataset(100)
    training, held_out = split(dataset, 0.25, seed=0)
    stage = Stage(ALL, epochs=2, learning_rate=0.01, batch_size=30)
    result = fit_tiny(dataset, [stage], validation=0.25, penalty=Penalty(activity_l1=0.5))
    last = result.history[-1]
    predicted = expression_of(result.parameters, held_out).numpy()
    assert (last.stage, last.epoch, last.total_epoch, last.step) == (1, 2, 2, 6)
    assert last.learning_rate == pytest.approx(0.01)
    assert 0 < last.penalty < 0.5 * np.abs(result.parameters["activity"]).sum()
    assert last.validation_loss == pytest.approx(
        float(mean_squared_error(predicted, held_out.expression)), rel=1e-5
    )
    assert last.validation_r_squared == pytest.approx(
        r_squared(predicted, held_out.expression), rel=1e-5
    )
    assert last.sequences_per_second == pytest.approx(len(training) / last.seconds)
    assert result.seconds == pytest.approx(sum(record.seconds for record in result.history))


def test_a_validation_set_may_be_given_or_left_out():
    dataset, other = make_dataset(80), make_dataset(40, seed=5)
    given = fit_tiny(dataset, STAGES[:1], validation=other)
    without = fit_tiny(dataset, STAGES[:1], validation=None)
    assert_same_bits(given.parameters, without.parameters)
    assert given.history[0].validation_r is not None
    assert without.history[0].validation_r is None
    assert without.best_epoch == 3


def test_early_stopping_ends_with_the_best_parameters():
    """Training on noise: validation is best at the start, and training continues for `patience`."""
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, (60, LENGTH), dtype=np.uint8)
    dataset = Dataset(codes, random.normal(size=60).astype(np.float32))
    stage = Stage((*ALL, "log_kd"), epochs=200, learning_rate=0.05, batch_size=16, patience=6)
    result = fit_tiny(dataset, [stage], validation=0.3, seed=3)
    losses = [record.validation_loss for record in result.history]
    assert len(losses) == result.best_epoch + 6 < 200
    assert result.best_epoch > 0
    assert np.argmin(losses) == result.best_epoch - 1
    held_out = split(dataset, 0.3, 3)[1]
    loss = mean_squared_error(expression_of(result.parameters, held_out), held_out.expression)
    assert float(loss) == pytest.approx(min(losses), rel=1e-5)


def test_a_stage_that_only_makes_it_worse_leaves_the_parameters_as_they_were():
    good = fit_tiny(stages=[Stage(ALL, epochs=40, learning_rate=0.1, batch_size=40)]).parameters
    stage = Stage(ALL, epochs=9, learning_rate=2.0, patience=2)
    result = fit_tiny(stages=[stage], parameters=good)
    assert_same_bits(
        result.parameters, {name: np.asarray(good[name]) for name in SPEC.parameter_shapes}
    )
    assert result.best_epoch == 0
    assert len(result.history) == 2


def test_an_average_stands_for_the_parameters():
    """The mean of SGD's iterates, weighted by powers of the decay, computed by hand."""
    decay, dataset = 0.5, make_dataset(90)
    stages = [
        Stage(("bias",), epochs, learning_rate=0.1, optimizer="sgd", batch_size=90)
        for epochs in (1, 2, 3)
    ]
    iterates = [fit_tiny(dataset, [stage], validation=None).parameters["bias"] for stage in stages]
    average = iterates[0]
    for iterate in iterates[1:]:
        average = decay * average + (1 - decay) * iterate
    averaging = Stage(("bias",), 3, 0.1, optimizer="sgd", batch_size=90, average_decay=decay)
    result = fit_tiny(dataset, [averaging], validation=None)
    np.testing.assert_allclose(result.parameters["bias"], average, rtol=1e-5)


def test_columns_that_are_held_stay():
    start = start_parameters()
    start["log_kd"][0] = 0
    held = np.array([[1] * MOTIFS, [WIDTH] * MOTIFS])
    trained = fit_tiny(parameters=start, column_range=held).parameters["log_kd"]
    assert not trained[0].any()
    assert (trained[1:] != start["log_kd"][1:]).all()


def test_a_pull_keeps_motifs_near_where_they_began():
    start = start_parameters()["log_kd"]
    stage = Stage(("log_kd",), epochs=10, learning_rate=0.05, batch_size=40)

    def distance(**options):
        return np.linalg.norm(fit_tiny(stages=[stage], **options).parameters["log_kd"] - start)

    assert distance(penalty=Penalty(motif_pull=10.0)) < 0.2 * distance()


def test_the_penalty_of_a_stage_replaces_that_of_the_run():
    stage = Stage(ALL, epochs=2, penalty=Penalty())
    penalized = fit_tiny(stages=[stage], penalty=Penalty(activity_l1=1.0))
    assert_same_bits(penalized.parameters, fit_tiny(stages=[stage]).parameters)
    assert penalized.history[-1].penalty == 0.0


def test_training_stops_at_the_first_loss_that_is_not_finite(tmp_path):
    stages = [
        Stage(ALL, epochs=2, learning_rate=0.01),
        Stage(("activity", "log_kd"), epochs=5, learning_rate=1e38, optimizer="sgd", batch_size=20),
    ]
    message = r"stage 2, epoch 1, step \d: .* lower learning_rate \(now 1e\+38.*saved last .*ckpt"
    with pytest.raises(NonFiniteLossError, match=message):
        fit_tiny(stages=stages, checkpoint_directory=tmp_path)
    assert_same_bits(checkpoint_parameters(tmp_path), fit_tiny(stages=stages[:1]).parameters)


def test_parameters_that_overflow_stop_the_fused_operation_too():
    stage = Stage(("log_kd",), epochs=2, learning_rate=3e38, optimizer="sgd", batch_size=20)

    def loss(predicted, measured):
        return 1e6 * tf.reduce_mean(predicted)

    with pytest.raises(NonFiniteLossError, match=r"epoch 1, step 1: .* or a parameter is not"):
        fit_tiny(stages=[stage], loss=loss, implementation="fused")


def test_a_run_that_diverges_at_once_says_that_it_saved_nothing(tmp_path):
    stage = Stage(ALL, epochs=2, learning_rate=1e38, optimizer="sgd", batch_size=20)
    with pytest.raises(NonFiniteLossError, match="There is no checkpoint of this run yet"):
        fit_tiny(stages=[stage], checkpoint_directory=tmp_path)


def test_predictions_that_overflow_after_the_last_step_are_noticed():
    stage = Stage(("activity",), epochs=1, learning_rate=1e38, optimizer="sgd", batch_size=500)
    with pytest.raises(NonFiniteLossError, match=r"stage 1, epoch 1, .*No checkpoint was kept"):
        fit_tiny(stages=[stage], validation=None)


def weighted(weight, count=200):
    dataset = make_dataset(count)
    return Dataset(dataset.sequence, dataset.expression, np.full(count, weight))


def several(count, measurements):
    dataset = make_dataset(count)
    return Dataset(dataset.sequence, np.stack([dataset.expression] * measurements, axis=1))


LIKELIHOOD = functools.partial(
    negative_log_likelihood, table=np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stages": []}, "stages: expected at least one Stage"),
        ({"stages": [Stage(("activty",), 1)]}, r"stage 1 \(log_kd, .*\), got activty"),
        ({"validation": 1.5}, "validation: expected a share between 0 and 1"),
        ({"validation": None}, "validation: expected a fraction .* stage 2 has patience=3"),
        ({"column_range": np.ones((2, 2))}, r"column_range: expected shape \(2, 3\).*\(2, 2\)"),
        ({"column_range": np.ones((2, 3))}, "column_range: expected motifs that are zero outside"),
        ({"seed": -1}, "seed: expected 0 or more, got -1"),
        ({"steps_per_call": 0}, "steps_per_call: expected 1 or more"),
        ({"checkpoint_every": 0}, "checkpoint_every: expected 1 or more"),
        ({"resume": True}, "checkpoint_directory: expected a folder with resume, got None"),
        ({"checkpoint_every": 5}, "checkpoint_directory: expected a folder with checkpoint_every"),
        (
            {"dataset": Dataset(np.eye(4, 7, dtype=np.uint8), np.zeros(4, np.float32))},
            "dataset: expected sequences of 20 bases as the model has, got 7",
        ),
        (
            {"dataset": make_dataset(0), "validation": make_dataset(5)},
            "dataset: expected sequences",
        ),
        ({"parameters": start_parameters() | {"bias": np.float32("nan")}}, "numbers in bias"),
        ({"parameters": {"bias": np.float32(0)}}, "parameters: expected log_kd"),
        (
            {"dataset": weighted(0.0)},
            r"dataset: expected weights of which some are above 0, got 0 for all \d+ seq",
        ),
        ({"validation": weighted(0.0, 9)}, "validation: expected weights of which some .* all 9"),
        ({"validation": several(9, 2)}, r"validation: expected as many .* \[9, 2\] and not \[N\]"),
        (
            {"dataset": several(40, 3), "validation": several(9, 2)},
            r"validation: expected as many measurements .* \[9, 2\] and not \[N, 3\]",
        ),
        (
            {"loss": lambda predicted, measured: tf.square(predicted - measured)},
            r"loss: expected a scalar, the mean over the sequences, got shape \[64\]",
        ),
        ({"dataset": several(40, 2), "validation": 0.2, "loss": LIKELIHOOD}, "measured: expected"),
        ({"parameters": start_parameters() | {"gain": np.zeros(3)}}, "parameters: .* got gain"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit_tiny(**options)


def warnings_of(caplog, stages, **options):
    with caplog.at_level(logging.WARNING, "cisreg.training"):
        fit_tiny(stages=stages, **options)
    said = [record.getMessage() for record in caplog.records if record.name == "cisreg.training"]
    # Messages about layers that no stage trains are not tested here.
    return [message for message in said if not message.startswith("no stage trains")]


def test_saturated_accessibility_is_said_once_per_stage(caplog):
    parameters = start_parameters()
    parameters["potentiation_bias"] = np.float32(30.0)
    said = warnings_of(caplog, [Stage(ALL, epochs=3)] * 2, parameters=parameters)
    assert len(said) == 2
    assert said[1].startswith("stage 2: accessibility is saturated at 1 for 100.0%")
    assert "log_concentration far too high" in said[1]
    parameters["potentiation_bias"] = np.float32(-30.0)
    caplog.clear()
    said = warnings_of(caplog, [Stage(ALL, epochs=1)], parameters=parameters)
    assert "saturated at 0" in said[0]
    assert "strongly negative potentiation_bias" in said[0]
    assert "log_concentration" not in said[0]


def test_equal_measurements_are_said_once(caplog):
    sequence = make_dataset(60).sequence
    dataset = Dataset(sequence, np.full(60, 0.1, np.float32))
    said = warnings_of(caplog, [Stage(ALL, epochs=2)] * 2, dataset=dataset)
    assert len(said) == 1
    assert said[0].startswith("all measurements are equal (0.1)")


def test_parameters_that_run_to_extremes_are_said(caplog):
    parameters = start_parameters()
    parameters["log_kd"][0, 0, 0] = -60.0
    said = warnings_of(caplog, [Stage(ALL, epochs=2)], parameters=parameters)
    assert [line for line in said if "log_kd has run to extremes (up to 60" in line] == said[:1]


def test_an_error_stuck_at_the_variance_is_said(caplog):
    dataset = make_dataset(300)
    shuffled = Dataset(dataset.sequence, np.random.default_rng(0).permutation(dataset.expression))
    start = start_parameters() | {"bias": np.float32(dataset.expression.mean())}
    stage = Stage(("bias",), epochs=6, learning_rate=1e-3)
    said = warnings_of(caplog, [stage], dataset=shuffled, parameters=start, validation=None)
    assert len(said) == 1
    assert "stuck at the variance of the data for 3 epochs" in said[0]


def test_measurements_and_predictions_beyond_the_table_of_a_likelihood_are_said(caplog):
    dataset = make_dataset(60)
    dataset = Dataset(dataset.sequence, dataset.expression - dataset.expression.min() + 1.5)
    beyond = int((dataset.expression > 2).sum())
    stage = Stage(("bias",), epochs=2, learning_rate=1.0)
    said = warnings_of(caplog, [stage], dataset=dataset, loss=LIKELIHOOD, validation=None)
    assert said[0].startswith(f"measurements: {beyond} of 60, of 1.5 to ")
    assert said[1].startswith("stage 1: predictions: ")
    assert len(said) == 2
    table = np.array([[-500.0, 1.0], [500.0, 1.0]])
    wide = functools.partial(negative_log_likelihood, table=table)
    caplog.clear()
    assert not warnings_of(caplog, [stage], dataset=dataset, loss=wide, validation=None)


def test_a_loss_that_compares_every_pair_is_said(caplog):
    def every_pair(predicted, measured):
        return tf.reduce_mean(tf.square(predicted[:, None] - measured))

    def sum_of_pairs(predicted, measured):
        return tf.reduce_sum(tf.square(predicted - measured))

    sum_of_pairs.is_sum = True
    stages = [Stage(("bias",), epochs=1)]
    (said,) = warnings_of(caplog, stages, loss=every_pair)
    assert said.startswith("loss: the loss of 64 sequences, ")
    assert "[N, 1] and [N] are broadcast to [N, N]" in said
    caplog.clear()
    assert not warnings_of(caplog, stages, loss=sum_of_pairs)


def test_a_sound_run_warns_of_nothing(caplog):
    assert warnings_of(caplog, STAGES) == []


def test_keras_must_run_on_tensorflow(monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    with pytest.raises(ValueError, match="KERAS_BACKEND=tensorflow"):
        fit_tiny()


def test_parameters_may_be_tensors():
    arrays = dict(start_parameters())
    tensors = {name: tf.constant(value) for name, value in arrays.items()}
    expected = fit_tiny(parameters=arrays).parameters
    assert_same_bits(fit_tiny(parameters=tensors).parameters, expected)
