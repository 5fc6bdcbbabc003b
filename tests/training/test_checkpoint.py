"""Checkpoints: complete or absent, refused for a different run, and resumed bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from full_disk import full_disk
from tiny_model import (
    MOTIFS,
    STAGES,
    WIDTH,
    assert_same_bits,
    fit_tiny,
    make_dataset,
    start_parameters,
)

from cisreg.data import Dataset
from cisreg.locks import hold_folder
from cisreg.losses import Penalty, mean_squared_error
from cisreg.training import Schedule, Stage, checkpoint_parameters
from cisreg.training.checkpoint import Checkpoints

# Saves of the tiny run: one for each of its 7 epochs. With checkpoint_every=2 there are two more
# within each of the 3 epochs of 6 steps, and one within each of the 4 epochs of 4 steps.
SAVES_WITHIN_EPOCHS = 7 + 2 * 3 + 1 * 4


class KilledError(Exception):
    """Stands for a process that dies."""


def die_after_save(monkeypatch, number):
    """The process ends right after save `number`; with None, never. Returns a counter of saves."""
    save, count = Checkpoints.save, 0

    def save_and_die(self, state):
        nonlocal count
        save(self, state)
        count += 1
        if count == number:
            raise KilledError

    monkeypatch.setattr(Checkpoints, "save", save_and_die)
    return lambda: count


@pytest.fixture(scope="module")
def unbroken():
    return fit_tiny()


@pytest.mark.parametrize("number", [1, 2, 3, 5, 9, 12, 16, SAVES_WITHIN_EPOCHS])
def test_a_run_broken_after_any_save_ends_with_the_same_bits(
    tmp_path, monkeypatch, unbroken, number
):
    options = {"checkpoint_directory": tmp_path, "checkpoint_every": 2, "steps_per_call": 1}
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        die_after_save(patch, number)
        fit_tiny(**options)
    resumed = fit_tiny(**options, resume=True)
    assert_same_bits(resumed.parameters, unbroken.parameters)
    assert resumed.best_epoch == unbroken.best_epoch
    for one, other in zip(resumed.history, unbroken.history, strict=True):
        assert replace(one, seconds=0, sequences_per_second=0) == replace(
            other, seconds=0, sequences_per_second=0
        )


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("number", [1, 5, 9])
def test_a_broken_run_in_mixed_precision_ends_with_the_same_bits(
    tmp_path, monkeypatch, precision, number
):
    unbroken = fit_tiny(precision=precision)
    options = {"checkpoint_directory": tmp_path, "checkpoint_every": 2, "steps_per_call": 1}
    options |= {"precision": precision}
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        die_after_save(patch, number)
        fit_tiny(**options)
    resumed = fit_tiny(**options, resume=True)
    assert_same_bits(resumed.parameters, unbroken.parameters)
    scales = [[record.loss_scale for record in run.history] for run in (resumed, unbroken)]
    assert scales[0] == scales[1]
    if precision == "mixed_float16":
        # Some steps overflowed, so there was a changed loss scale to restore.
        assert min(scales[0]) < 2**15


def test_a_run_saves_as_often_as_asked(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        saves = die_after_save(patch, None)
        fit_tiny(checkpoint_directory=tmp_path, checkpoint_every=2, steps_per_call=1)
        assert saves() == SAVES_WITHIN_EPOCHS


def test_a_resumed_run_saves_as_often_as_asked(tmp_path, monkeypatch):
    options = {"checkpoint_directory": tmp_path, "checkpoint_every": 2, "steps_per_call": 1}
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        die_after_save(patch, 1)
        fit_tiny(**options)
    with monkeypatch.context() as patch:
        saves = die_after_save(patch, None)
        fit_tiny(**options, resume=True)
        assert saves() == SAVES_WITHIN_EPOCHS - 1


def test_a_finished_run_is_not_run_again(tmp_path, monkeypatch, unbroken):
    fit_tiny(checkpoint_directory=tmp_path)
    monkeypatch.setattr("cisreg.training.training_run.make_train_steps", None)
    again = fit_tiny(checkpoint_directory=tmp_path, resume=True)
    assert_same_bits(again.parameters, unbroken.parameters)
    assert len(again.history) == len(unbroken.history)


def test_resuming_where_nothing_was_saved_begins_at_the_start(tmp_path, unbroken):
    result = fit_tiny(checkpoint_directory=tmp_path / "new" / "folder", resume=True)
    assert_same_bits(result.parameters, unbroken.parameters)


def test_without_resume_a_folder_with_checkpoints_is_refused(tmp_path):
    fit_tiny(seed=3, stages=STAGES[:1], checkpoint_directory=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.ckpt")}
    for seed in (3, 4):
        with pytest.raises(ValueError, match="expected a folder without checkpoints, but it holds"):
            fit_tiny(seed=seed, stages=STAGES[:1], checkpoint_directory=tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.ckpt")} == before


def test_a_folder_that_another_process_saves_to_is_refused(tmp_path):
    with hold_folder(tmp_path), pytest.raises(ValueError, match="no other process writes to"):
        fit_tiny(checkpoint_directory=tmp_path)
    assert not list(tmp_path.glob("*.ckpt"))


def other_loss(predicted, measured):
    return 2.0 * mean_squared_error(predicted, measured)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    fit_tiny(checkpoint_directory=folder)
    return folder


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"stages": STAGES[:1]}, "another list of stages;"),
        (
            {"stages": (replace(STAGES[0], learning_rate=0.06), STAGES[1])},
            "another list of stages;",
        ),
        ({"seed": 1}, "another training set, another validation set, another seed;"),
        ({"dataset": make_dataset(200, seed=1)}, "another training set, another validation set;"),
        ({"parameters": start_parameters(seed=1)}, "another set of initial parameters;"),
        ({"penalty": Penalty(motif_pull=1e-3)}, "another penalty;"),
        ({"loss": other_loss}, "another loss;"),
        ({"column_range": np.array([[0] * MOTIFS, [WIDTH] * MOTIFS])}, "another column range;"),
        ({"implementation": "auto"}, "another implementation;"),
    ],
)
def test_another_run_is_not_resumed(finished, options, parts):
    with pytest.raises(ValueError, match=rf"checkpoint-\d+\.ckpt: .* it was made with {parts}"):
        fit_tiny(checkpoint_directory=finished, resume=True, **options)


class Halving(Schedule):
    """A schedule written by a user, without a repr."""

    def __init__(self, start):
        self.start = start

    def factor(self, passed, total):
        return self.start * 0.5**passed


def test_a_run_with_a_schedule_of_ones_own_is_resumed(tmp_path):
    own, equal, other = (
        [Stage(("bias",), epochs=1, schedule=Halving(start))] for start in (1.0, 1.0, 0.9)
    )
    first = fit_tiny(stages=own, checkpoint_directory=tmp_path)
    again = fit_tiny(stages=equal, checkpoint_directory=tmp_path, resume=True)
    assert_same_bits(again.parameters, first.parameters)
    with pytest.raises(ValueError, match="another list of stages;"):
        fit_tiny(stages=other, checkpoint_directory=tmp_path, resume=True)


def test_what_does_not_change_the_result_may_change(finished, tmp_path, unbroken):
    result = fit_tiny(
        checkpoint_directory=finished,
        resume=True,
        steps_per_call=1,
        checkpoint_every=1,
        metrics_path=tmp_path / "metrics.jsonl",
    )
    assert_same_bits(result.parameters, unbroken.parameters)


@pytest.mark.parametrize("damage", ["cut", "flip", "text", "empty"])
def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(tmp_path, unbroken, caplog, damage):
    fit_tiny(checkpoint_directory=tmp_path)
    path = sorted(tmp_path.iterdir())[-1]
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle] ^= 255
    path.write_bytes(
        {"cut": content[:middle], "flip": content, "text": b"parameters", "empty": b""}[damage]
    )
    resumed = fit_tiny(checkpoint_directory=tmp_path, resume=True)
    assert_same_bits(resumed.parameters, unbroken.parameters)
    assert f"{path}: expected a checkpoint, got a damaged or foreign file" in caplog.text
    assert checkpoint_parameters(tmp_path).keys() == unbroken.parameters.keys()


def test_a_run_without_a_whole_checkpoint_is_not_resumed(tmp_path):
    fit_tiny(stages=STAGES[:1], checkpoint_directory=tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"no checkpoint before is whole: .* train anew"):
        fit_tiny(stages=STAGES[:1], checkpoint_directory=tmp_path, resume=True)


def test_a_save_that_fails_leaves_the_previous_checkpoints(tmp_path):
    steps = 4  # of an epoch
    path = tmp_path / f"checkpoint-{2 * steps:012}.ckpt"
    with full_disk(path), pytest.raises(OSError, match="No space left"):
        fit_tiny(stages=STAGES[1:], checkpoint_directory=tmp_path)
    assert {path.name for path in tmp_path.glob("ch*")} == {f"checkpoint-{steps:012}.ckpt"}
    assert checkpoint_parameters(tmp_path)


@pytest.mark.parametrize("kind", ["weights", "measurements"])
def test_a_loss_of_weights_or_several_measurements_can_be_resumed(tmp_path, kind):
    data = make_dataset(60)
    if kind == "weights":
        data = Dataset(data.sequence, data.expression, np.ones(60, np.float32))
    else:
        data = Dataset(data.sequence, np.stack([data.expression] * 2, axis=1))

    def of_weights(predicted, measured, weight):
        return tf.reduce_mean(weight * (predicted - measured) ** 2)

    def of_measurements(predicted, measured):
        return tf.reduce_mean((predicted - tf.reduce_mean(measured, axis=1)) ** 2)

    options = {"loss": of_weights if kind == "weights" else of_measurements, "stages": STAGES[:1]}
    first = fit_tiny(data, checkpoint_directory=tmp_path, **options)
    again = fit_tiny(data, checkpoint_directory=tmp_path, resume=True, **options)
    assert_same_bits(first.parameters, again.parameters)
