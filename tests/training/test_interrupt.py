"""An interrupt (Ctrl-C) keeps the results of training so far."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_model import SPEC, STAGES, assert_same_bits, fit_tiny

from cisreg.training import FitInterrupt, Stage, StoppedError
from cisreg.training.monitor import Monitor

# The second step of the third epoch: the first stage has three epochs of six steps each.
STEP = 14


@contextlib.contextmanager
def interrupted_at(step, times=1):
    """Sends SIGINT while this step is reported."""
    advance = Monitor.advance
    seen = []

    def interrupt(self, done, loss):
        seen.append(done)
        if len(seen) == step:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        advance(self, done, loss)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Monitor, "advance", interrupt)
        yield


@pytest.fixture
def notebook(monkeypatch):
    """A simulated IPython kernel, as far as training needs it; gives the texts that it displays."""
    shown = []

    def display(content, *, raw, display_id):
        assert raw and display_id
        shown.append(content["text/plain"])
        return SimpleNamespace(update=lambda content, raw: shown.append(content["text/plain"]))

    shell = SimpleNamespace(kernel=object())
    module = SimpleNamespace(get_ipython=lambda: shell, display=SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", module.display)
    return shown


def one_at_a_time(**options):
    return fit_tiny(steps_per_call=1, **options)


def test_in_a_notebook_the_result_holds_the_parameters_so_far(notebook, caplog):
    with interrupted_at(STEP):
        result = one_at_a_time()
    assert result.interrupted
    assert result.best_epoch == len(result.history) == 2
    assert "interrupted" in repr(result)
    assert any("interrupted after 15 steps (2 whole epochs)" in each for each in caplog.messages)
    assert set(result.parameters) == set(SPEC.parameter_shapes)
    # The parameters include the steps after the last whole epoch.
    two = fit_tiny(stages=[Stage(STAGES[0].trainable, epochs=1)], parameters=result.parameters)
    assert np.isfinite(two.history[0].validation_loss)


def test_in_a_stage_that_stops_early_it_holds_the_best_ones(notebook):
    stages = [Stage(("bias", "activity"), epochs=9, learning_rate=0.5, batch_size=30, patience=9)]
    whole = one_at_a_time(stages=stages)
    with interrupted_at(6 * 8 + 2):
        result = one_at_a_time(stages=stages)
    best = min(whole.history[:8], key=lambda record: record.validation_loss)
    assert result.best_epoch == best.total_epoch
    assert len(result.history) == 8


def test_in_a_program_the_exception_holds_the_result():
    with interrupted_at(STEP), pytest.raises(FitInterrupt, match="interrupted") as caught:
        one_at_a_time()
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.result.interrupted
    assert len(caught.value.result.history) == 2


def test_an_interrupted_run_can_be_resumed_to_the_same_bits(notebook, tmp_path):
    unbroken = one_at_a_time()
    with interrupted_at(STEP):
        one_at_a_time(checkpoint_directory=tmp_path)
    resumed = one_at_a_time(checkpoint_directory=tmp_path, resume=True)
    assert not resumed.interrupted
    assert_same_bits(resumed.parameters, unbroken.parameters)


def test_an_interrupt_in_the_last_steps_is_not_lost(notebook):
    stages = [Stage(("bias",), epochs=1, batch_size=40)]
    with interrupted_at(4):
        assert one_at_a_time(stages=stages).interrupted


def test_the_second_interrupt_ends_training_at_once():
    with interrupted_at(STEP, times=2), pytest.raises(KeyboardInterrupt) as caught:
        one_at_a_time()
    assert not isinstance(caught.value, FitInterrupt)


def test_a_stop_signal_stops_as_before(notebook, tmp_path):
    with interrupted_at(STEP), pytest.raises(StoppedError, match="stopped by SIGINT"):
        one_at_a_time(checkpoint_directory=tmp_path, stop_signals=[signal.SIGINT])


def test_a_handler_of_the_program_is_left_alone():
    came = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        with interrupted_at(STEP):
            assert not one_at_a_time().interrupted
    finally:
        signal.signal(signal.SIGINT, before)
    assert came == [signal.SIGINT]


def test_outside_of_the_main_thread_training_runs_as_it_is():
    results = []
    thread = threading.Thread(target=lambda: results.append(fit_tiny(stages=STAGES[:1])))
    thread.start()
    thread.join()
    assert not results[0].interrupted


def test_a_notebook_shows_a_bar_and_a_line_for_each_epoch(notebook, capsys, monkeypatch, caplog):
    monkeypatch.setattr("cisreg.training.monitor._NOTEBOOK_SECONDS", 0.0)
    with caplog.at_level(logging.INFO, "cisreg.training"):
        result = fit_tiny(progress=True, steps_per_call=1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(result.history)
    assert lines[-1].startswith("stage 2, epoch 4: loss ")
    assert any("stage 1/2 epoch 2/3" in text and "█" in text for text in notebook)
    assert notebook[-1] == ""
    assert not [line for line in caplog.messages if line.startswith("stage")]


def test_a_notebook_is_not_flooded(notebook):
    fit_tiny(progress=True, steps_per_call=1)
    assert len(notebook) < 40


def test_a_notebook_may_stay_quiet(notebook, capsys):
    fit_tiny(progress=False)
    assert (notebook, capsys.readouterr().out) == ([], "")
