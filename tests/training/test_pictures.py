"""Plots while a run trains: one in the output of a notebook's cell, and images for TensorBoard."""

from __future__ import annotations

import base64
import logging
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from tiny_model import SPEC, fit_tiny, make_dataset

from cisreg import report
from cisreg.data import Dataset
from cisreg.model import predict
from cisreg.motifs import demo_motifs
from cisreg.recipes import read_recipe, train
from cisreg.training import Stage
from cisreg.training.checkpoint import Checkpoints

pytest.importorskip("matplotlib")
QUICK = (Stage(("bias", "activity"), epochs=3, learning_rate=0.05, batch_size=50),)


class Recorder:
    """Draws with `cisreg.report`, and keeps what it was asked to draw."""

    def __init__(self, fails_at=None):
        self.epochs, self.evaluations, self._fails_at = [], [], fails_at

    def plot_training(self, path, history):
        self.epochs.append(history["total_epoch"].to_pylist())
        if len(self.epochs) == self._fails_at:
            raise RuntimeError("no font")
        return report.plot_training(path, history)

    def plot_evaluation(self, path, predicted, measured, *, title):
        self.evaluations.append((predicted, measured, title))
        return report.plot_evaluation(path, predicted, measured, title=title)


@pytest.fixture
def outputs(monkeypatch):
    """What IPython's own functions send to a notebook: (kind of message, display id, content)."""
    pytest.importorskip("IPython")
    import IPython
    from IPython.core.interactiveshell import InteractiveShell

    sent = []

    class Publisher(SimpleNamespace):
        def publish(self, data, metadata=None, *, transient=None, update=False, **_):
            sent.append((update, (transient or {}).get("display_id"), data, metadata or {}))

    shell = SimpleNamespace(kernel=object(), display_pub=Publisher())
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setattr(InteractiveShell, "initialized", classmethod(lambda cls: True))
    monkeypatch.setattr(InteractiveShell, "instance", classmethod(lambda cls: shell))
    return sent


def every_epoch(monkeypatch):
    monkeypatch.setattr("cisreg.training.pictures._LEAST_SECONDS", 0.0)
    monkeypatch.setattr("cisreg.training.pictures._TIMES_OF_DRAWING", 0.0)


def plots_in(outputs):
    return [each for each in outputs if "image/png" in each[2]]


def pixels_of(content):
    return tf.io.decode_png(base64.b64decode(content["image/png"]), channels=3).numpy()


def test_a_notebook_shows_one_plot_that_every_epoch_redraws(outputs, monkeypatch, capsys):
    every_epoch(monkeypatch)
    recorder = Recorder()
    result = fit_tiny(progress=True, plots=recorder)
    shown = plots_in(outputs)
    count = len(result.history)
    assert recorder.epochs == [list(range(1, last + 1)) for last in range(1, count + 1)]
    assert [update for update, *_ in shown] == [False] + [True] * (count - 1)
    assert len({name for _, name, *_ in shown}) == 1 and shown[0][1]
    # The line that the bar is drawn in is another output.
    assert shown[0][1] != outputs[0][1]
    first, last = pixels_of(shown[0][2]), pixels_of(shown[-1][2])
    assert len(np.unique(last.reshape(-1, 3), axis=0)) > 10
    assert first.shape == last.shape and (first != last).any()
    size = shown[-1][3]["image/png"]
    assert (2 * size["height"], 2 * size["width"]) == last.shape[:2]
    assert size["alt"].startswith(f"stage 2, epoch {result.history[-1].epoch}: loss ")
    assert capsys.readouterr().out == ""


def test_the_plot_is_drawn_seldom_and_at_the_end(outputs, monkeypatch):
    monkeypatch.setattr("cisreg.training.pictures._LEAST_SECONDS", 1e6)
    recorder = Recorder()
    fit_tiny(progress=True, plots=recorder, stages=QUICK)
    assert [len(epochs) for epochs in recorder.epochs] == [1, 3]
    assert len(plots_in(outputs)) == 2


def test_an_error_of_drawing_is_said_once_and_lines_follow(outputs, monkeypatch, caplog, capsys):
    every_epoch(monkeypatch)
    recorder = Recorder(fails_at=2)
    result = fit_tiny(progress=True, plots=recorder, stages=QUICK)
    assert len(result.history) == 3
    said = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert said.count("training goes on without plots: RuntimeError: no font") == 1
    assert len(plots_in(outputs)) == 1
    assert [line[:17] for line in capsys.readouterr().out.splitlines()] == [
        "stage 1, epoch 2:",
        "stage 1, epoch 3:",
    ]


def test_a_resumed_run_continues_the_curves(outputs, monkeypatch, tmp_path):
    every_epoch(monkeypatch)
    save = Checkpoints.save

    def die_after_two_epochs(self, state):
        save(self, state)
        if len(state.history) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoints, "save", die_after_two_epochs)
        fit_tiny(stages=QUICK, checkpoint_directory=tmp_path)
    recorder = Recorder()
    options = {"checkpoint_directory": tmp_path, "resume": True, "plots": recorder}
    fit_tiny(stages=QUICK, progress=True, **options)
    assert recorder.epochs == [[1, 2, 3]]


def test_train_draws_where_matplotlib_is_installed(outputs, monkeypatch, capsys):
    dataset = make_dataset(60)
    recipe = read_recipe("quick").override(epochs=1)
    motifs = demo_motifs(width=30)
    data = Dataset(np.tile(dataset.sequence, (1, 2)), dataset.expression)
    train(data, motifs, recipe)
    assert plots_in(outputs)
    assert "epoch 1" not in capsys.readouterr().out
    outputs.clear()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    train(data, motifs, recipe)
    assert not plots_in(outputs)
    assert "stage 1, epoch 1: loss" in capsys.readouterr().out


def test_nothing_is_drawn_outside_of_notebooks_or_unasked(outputs, monkeypatch):
    recorder = Recorder()
    fit_tiny(progress=False, plots=recorder, stages=QUICK)
    fit_tiny(progress=True, stages=QUICK)
    monkeypatch.setattr("cisreg.training.monitor.in_notebook", lambda: False)
    fit_tiny(progress=True, plots=recorder, stages=QUICK)
    assert (recorder.epochs, plots_in(outputs)) == ([], [])


def images_in(folder):
    """Pixels of the images in files of events, by (name, step)."""
    images = {}
    for events in folder.iterdir():
        for event in tf.compat.v1.train.summary_iterator(str(events)):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "images":
                    content = tf.make_ndarray(value.tensor)[2]
                    images[value.tag, event.step] = tf.io.decode_png(content).numpy()
    return images


def test_tensorboard_gets_images_at_the_end_of_each_stage(tmp_path):
    recorder = Recorder()
    data = make_dataset()
    # Another unit than the standard one, and two measurements of each sequence.
    several = np.stack([data.expression * 30 + 500, data.expression * 30 + 700], axis=1)
    data = Dataset(data.sequence, several.astype(np.float32))
    train, held_out = data[:150], data[150:]
    result = fit_tiny(train, validation=held_out, log_directory=tmp_path, plots=recorder)
    ends = [sum(each.stage <= stage for each in result.history) for stage in (1, 2)]
    images = images_in(tmp_path)
    assert set(images) == {(f"plots/{n}", end) for n in ("training", "validation") for end in ends}
    for pixels in images.values():
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10
    assert [len(epochs) for epochs in recorder.epochs] == ends
    titles = [title for *_, title in recorder.evaluations]
    assert titles == ["Validation after stage 1", "Validation after stage 2"]
    predicted, measured, _ = recorder.evaluations[-1]
    np.testing.assert_allclose(measured, held_out.expression.mean(axis=1))
    # The model that the run returns, which is the best one of the last stage.
    model = predict(SPEC, result.parameters, held_out.sequence, implementation="standard")
    np.testing.assert_allclose(predicted, model[0].numpy(), rtol=1e-4)


def test_of_a_stage_that_never_improves_tensorboard_gets_its_start(tmp_path):
    stage = Stage(("bias", "activity"), epochs=2, learning_rate=50.0, batch_size=50, patience=1)
    recorder = Recorder()
    result = fit_tiny(stages=[stage], log_directory=tmp_path, plots=recorder)
    assert result.best_epoch == 0
    (predicted, measured, _) = recorder.evaluations[0]
    assert np.mean((predicted - measured) ** 2) < result.history[-1].validation_loss


def test_without_validation_there_is_the_course_alone(tmp_path):
    fit_tiny(stages=QUICK, validation=None, log_directory=tmp_path, plots=report)
    assert [name for name, _ in images_in(tmp_path)] == ["plots/training"]
