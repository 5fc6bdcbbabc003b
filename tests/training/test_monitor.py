"""What a run writes during training: metrics.jsonl, TensorBoard, log lines, progress bar."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tiny_model import STAGES, fit_tiny, start_parameters

from cisreg.training import RunOptions, Stage
from cisreg.training.checkpoint import Checkpoints
from cisreg.training.monitor import Monitor
from cisreg.training.reports import StepRecord
from cisreg.training.state import EpochRecord, TrainingState


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_metrics_hold_one_object_per_epoch(tmp_path):
    path = tmp_path / "new" / "metrics.jsonl"
    result = fit_tiny(metrics_path=path)
    assert read_lines(path) == [asdict(record) for record in result.history]
    fit_tiny(metrics_path=path, stages=STAGES[:1])
    assert len(read_lines(path)) == STAGES[0].epochs


def test_what_is_undefined_is_null(tmp_path):
    """The predictions are constant, so their correlation with the measurements is undefined."""
    parameters = start_parameters() | {"activity": np.zeros(3, np.float32)}
    path = tmp_path / "metrics.jsonl"
    fit_tiny(metrics_path=path, stages=[Stage(("bias",), epochs=1)], parameters=parameters)
    assert read_lines(path)[0]["validation_r"] is None


def test_a_resumed_run_repeats_no_epoch(tmp_path, monkeypatch):
    """The process dies when an epoch is in metrics.jsonl, but not yet in the checkpoint."""
    path = tmp_path / "metrics.jsonl"
    save = Checkpoints.save

    def die_before_the_third_epoch_is_saved(self, state):
        if len(state.history) == 3:
            raise KeyboardInterrupt
        save(self, state)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoints, "save", die_before_the_third_epoch_is_saved)
        fit_tiny(metrics_path=path, checkpoint_directory=tmp_path)
    assert [line["total_epoch"] for line in read_lines(path)] == [1, 2, 3]
    fit_tiny(metrics_path=path, checkpoint_directory=tmp_path, resume=True)
    assert [line["total_epoch"] for line in read_lines(path)] == list(range(1, 8))


def record(monitor, name):
    if name == "steps":
        monitor.report(StepRecord(1, 1, 1, 1, 0.5, 0.1))
    else:
        monitor.end_epoch(EpochRecord(1, 1, 1, 1, *[0.1] * 9), {}, None)


@pytest.mark.parametrize("name", ["metrics", "steps"])
def test_a_full_disk_is_said_with_the_file(tmp_path, monkeypatch, name):
    path, open_file = tmp_path / f"{name}.jsonl", os.open
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full is missing, which stands for a full disk")
    monitor = Monitor(STAGES, 10, RunOptions(**{f"{name}_path": path}), TrainingState({}))

    def opened(name, flags, *mode):
        return open_file("/dev/full" if name == path else name, flags, *mode)

    monkeypatch.setattr(os, "open", opened)
    # The device stands for a file on a full disk.
    monkeypatch.setattr("cisreg.files.check_regular", lambda *_: None)
    with pytest.raises(OSError, match="No space left") as caught:
        record(monitor, name)
    assert caught.value.filename == str(path)


@pytest.mark.parametrize("name", ["metrics", "steps"])
def test_nothing_is_written_through_a_link_or_into_a_pipe(tmp_path, name):
    path, diary = tmp_path / f"{name}.jsonl", tmp_path / "diary"
    diary.write_text("mine\n")
    monitor = Monitor(STAGES, 10, RunOptions(**{f"{name}_path": path}), TrainingState({}))
    path.unlink(missing_ok=True)
    path.symlink_to(diary)
    with pytest.raises(ValueError, match="jsonl: expected a regular file, got a link"):
        record(monitor, name)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ValueError, match="jsonl: expected a regular file, got a named pipe"):
        record(monitor, name)
    with pytest.raises(ValueError, match="jsonl: expected a regular file, got a named pipe"):
        Monitor(STAGES, 10, RunOptions(**{f"{name}_path": path}), TrainingState({}))
    assert diary.read_text() == "mine\n"


@pytest.mark.parametrize("name", ["metrics", "steps"])
def test_a_file_that_no_run_wrote_stays(tmp_path, name):
    path = tmp_path / "measurements"
    options = RunOptions(**{f"{name}_path": path})
    for mine in (b"sequence\texpression\n", b'{"a": 1}\n', b"{"):
        path.write_bytes(mine * 100)
        with pytest.raises(ValueError, match="expected a new file, or one that a run"):
            Monitor(STAGES, 10, options, TrainingState({}))
        assert path.read_bytes() == mine * 100
    # What a run leaves that is killed, or by a power cut.
    for left in (b"", b"{", b'{"stage": 1, "epo', bytes(100)):
        path.write_bytes(left)
        Monitor(STAGES, 10, options, TrainingState({}))
        assert path.read_bytes() == b""


def test_tensorboard_gets_scalars_and_histograms(tmp_path):
    result = fit_tiny(log_directory=tmp_path, stages=STAGES[:1])
    (events,) = tmp_path.iterdir()
    scalars, histograms = {}, set()
    for event in tf.compat.v1.train.summary_iterator(str(events)):
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "scalars":
                scalars[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
            else:
                histograms.add(value.tag)
    for record in result.history:
        for name in ("loss", "validation_loss", "validation_r", "learning_rate", "penalty"):
            logged = scalars[name, record.total_epoch]
            assert logged == pytest.approx(getattr(record, name), rel=1e-5), name
    assert histograms == {"accessibility", *(f"parameters/{name}" for name in start_parameters())}


def test_without_tensorboard_nothing_begins(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    metrics = tmp_path / "metrics.jsonl"
    with pytest.raises(ImportError, match=r"log_directory: .* pip install tensorboard"):
        fit_tiny(log_directory=tmp_path / "log", metrics_path=metrics)
    assert not list(tmp_path.iterdir())


def test_without_a_terminal_each_epoch_is_one_line_of_the_log(caplog, capsys):
    with caplog.at_level(logging.INFO, "cisreg.training"):
        result = fit_tiny(progress=True)
    lines = [line for line in caplog.messages if line.startswith("stage")]
    assert len(lines) == len(result.history)
    last = result.history[-1]
    assert lines[-1].startswith(
        f"stage 2, epoch 4: loss {last.loss:.5g}, validation loss {last.validation_loss:.5g}, "
        f"validation r {last.validation_r:.4f}, "
    )
    assert lines[-1].endswith("sequences/s")
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_there_is_one_bar(monkeypatch, capsys, caplog):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    with caplog.at_level(logging.INFO, "cisreg.training"):
        result = fit_tiny(progress=True)
    output, bar = capsys.readouterr()
    assert output == ""
    assert "stage 2/2 epoch 4/4" in bar
    assert f"loss {result.history[-1].loss:.4g}" in bar
    assert f"r {result.history[-2].validation_r:.4f}" in bar
    assert "sequences/s" in bar
    assert not [line for line in caplog.messages if line.startswith("stage")]


def test_a_terminal_that_is_gone_does_not_end_the_run(monkeypatch, capsys):
    written = []

    def write(text):
        written.append(text)
        if len(written) > 3:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "write", write)
    monkeypatch.setenv("TERM", "xterm")
    result = fit_tiny(progress=True, stages=STAGES[:1])
    assert len(written) > 3
    assert len(result.history) == STAGES[0].epochs


def test_the_bar_can_be_left_out(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fit_tiny(progress=False, stages=STAGES[:1])
    assert capsys.readouterr() == ("", "")
