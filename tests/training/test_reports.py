"""Reports between epochs, and traces."""

from __future__ import annotations

import gzip
import json
import os

import numpy as np
import pytest
from tiny_model import STAGES, fit_tiny

from cisreg.training import Stage
from cisreg.training.checkpoint import Checkpoints
from cisreg.training.reports import StepWindow, Trace


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_reports_change_nothing_and_add_up(tmp_path):
    plain = fit_tiny()
    path = tmp_path / "new" / "steps.jsonl"
    reported = fit_tiny(report_every=1, steps_path=path)
    for name, value in plain.parameters.items():
        np.testing.assert_array_equal(reported.parameters[name], value)
    steps = read_lines(path)
    assert [each["step"] for each in steps] == list(range(1, plain.history[-1].step + 1))
    assert {each["stage"] for each in steps} == {1, 2}
    for record in plain.history:
        of_epoch = [
            each for each in steps if (each["stage"], each["epoch"]) == (record.stage, record.epoch)
        ]
        assert of_epoch[-1]["learning_rate"] == pytest.approx(record.learning_rate)
        # The batches of an epoch differ in size by one sequence at most.
        mean = np.mean([each["loss"] for each in of_epoch])
        assert mean == pytest.approx(record.loss, rel=0.05)


def test_windows_go_on_over_the_ends_of_epochs(tmp_path):
    path = tmp_path / "steps.jsonl"
    result = fit_tiny(report_every=5, steps_path=path, steps_per_call=2)
    total = result.history[-1].step
    assert [each["step"] for each in read_lines(path)] == list(range(5, total + 1, 5))
    assert {each["steps"] for each in read_lines(path)} == {5}


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize("left", [b'{"stage": 1, "ep', b"\0\0\0\n", b"17\n"])
def test_a_resumed_run_reports_each_step_once(tmp_path, monkeypatch, every, left):
    options = {"report_every": every, "checkpoint_directory": tmp_path / "checkpoint"}
    whole, path = tmp_path / "whole.jsonl", tmp_path / "steps.jsonl"
    fit_tiny(report_every=every, steps_path=whole)
    save = Checkpoints.save

    def die(self, state):
        if len(state.history) == 3:
            raise KeyboardInterrupt
        save(self, state)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoints, "save", die)
        fit_tiny(steps_path=path, **options)
    with path.open("ab") as file:
        file.write(left)
    fit_tiny(steps_path=path, resume=True, **options)
    assert read_lines(path) == read_lines(whole)


def test_a_window_is_a_mean_over_sequences():
    window = StepWindow(3)
    assert window.add(1, 10, 10.0) is None
    assert window.room == 2
    assert window.add(2, 30, 90.0) == pytest.approx(100 / 40)
    assert window.room == 3
    assert StepWindow(None).add(100, 1, 1.0) is None
    # A resumed run may ask for windows that differ from those before.
    assert StepWindow(3, 2, 30, 60.0).add(1, 10, 20.0) == pytest.approx(80 / 40)
    assert StepWindow(3, 4, 40, 80.0).room == 3


@pytest.mark.parametrize("every", [0, -1])
def test_impossible_windows(every):
    with pytest.raises(ValueError, match=f"report_every: expected 1 or more, got {every}"):
        fit_tiny(report_every=every)


@pytest.mark.parametrize("stages", [STAGES, [Stage(("bias",), epochs=1, batch_size=1000)]])
def test_a_trace_of_the_second_call_or_of_the_only_one(tmp_path, stages):
    # Of files that were there before, even a pipe that would be the newest is not read.
    theirs = tmp_path / "profile/plugins/profile/2999_01_01_00_00_00/vm.xplane.pb"
    theirs.parent.mkdir(parents=True)
    os.mkfifo(theirs)
    fit_tiny(profile_directory=tmp_path / "profile", stages=stages, validation=0.2)
    with gzip.open(tmp_path / "profile" / "trace.json.gz") as file:
        events = json.load(file)["traceEvents"]
    spans = [event for event in events if event["ph"] == "X"]
    assert any("Sigmoid" in event["name"] for event in spans)
    assert all(event["dur"] >= 0 for event in spans)
    assert {event["pid"] for event in spans} <= {e["pid"] for e in events if e["ph"] == "M"}


def test_without_a_folder_nothing_is_traced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Trace(None, 1).watch():
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["plugins", "plugins/profile"])
def test_no_trace_is_written_through_a_link(tmp_path, name):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "profile" / name).parent.mkdir(parents=True)
    (tmp_path / "profile" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"{name}: expected a folder, .* got a link"):
        Trace(tmp_path / "profile", 1)
