"""Files of checkpoints: how many are kept, and how damaged ones are handled."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace

import numpy as np
import pytest
from full_disk import full_disk

from cisreg.arrays import pack_arrays
from cisreg.locks import hold_folder
from cisreg.training import checkpoint_parameters, packing
from cisreg.training.checkpoint import Checkpoints, _header
from cisreg.training.state import Best, EpochRecord, TrainingState

# What a killed process leaves has such a name after that of the file.
LEFT = f".{'0' * 16}.partial"
FINGERPRINT = {"seed": "0", "list of stages": "one"}
RECORD = EpochRecord(1, 1, 1, 6, 0.1, 2.0, 0.5, None, 0.3, None, 1.0, 2.5, 80.0)
DAMAGED = "expected a checkpoint, got a damaged or foreign file"


def make_state(step: int = 2, history: int = 1, mark: float = 0.0) -> TrainingState:
    """A state with 6 steps in each epoch of its history, and `step` more steps."""
    random = np.random.default_rng(step)
    arrays = [random.normal(size=shape).astype(np.float32) for shape in ((2, 4, 3), (3,), ())]
    names = ("log_kd", "activity", "bias")
    return TrainingState(
        parameters=dict(zip(names, arrays, strict=True)),
        optimizer=[np.array(7), *(array * 2 for array in arrays), *map(np.float32, range(9))],
        best=Best(0.25, 1, {name: array + 1 for name, array in zip(names, arrays, strict=True)}),
        stage=1,
        step=step,
        loss_sum=mark,
        penalty_sum=0.1 + 0.2,
        history=[replace(RECORD, step=6 * (epoch + 1)) for epoch in range(history)],
    )


def saved(folder, *steps, **options):
    checkpoints = Checkpoints(folder, FINGERPRINT, **options)
    for step in steps:
        checkpoints.save(make_state(step))
    return checkpoints


def load(folder, **options):
    return Checkpoints(folder, FINGERPRINT, **options).load()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def files(*steps):
    return [f"checkpoint-{step:012}.ckpt" for step in steps]


def assert_same_state(one, other):
    first, second = (packing.pack_state(state) for state in (one, other))
    assert first[0] == second[0]
    assert list(first[1]) == list(second[1])
    for name, value in first[1].items():
        value, same = np.asarray(value), np.asarray(second[1][name])
        assert (value.dtype, value.shape) == (same.dtype, same.shape), name
        assert value.tobytes() == same.tobytes(), name


@pytest.mark.parametrize("best", [True, False])
def test_a_state_comes_back_as_it_was(tmp_path, best):
    state = make_state()
    state.best = state.best if best else None
    checkpoints = Checkpoints(tmp_path / "new" / "folder", FINGERPRINT)
    assert checkpoints.load() is None
    checkpoints.save(state)
    assert_same_state(load(tmp_path / "new" / "folder"), state)


def test_every_field_is_saved():
    """A new field of the state is saved without extra code."""

    @dataclass
    class Longer(TrainingState):
        more_rows: int = 0

    values, arrays = packing.pack_state(Longer({}, more_rows=5))
    assert values["more_rows"] == 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "TrainingState", Longer)
        assert packing.unpack_state(json.loads(json.dumps(values)), arrays).more_rows == 5
    with pytest.raises(ValueError, match="too many or too few fields: more_rows"):
        packing.unpack_state(values, arrays)


def test_a_state_is_sent_to_other_workers():
    chief, worker = (Checkpoints(None, FINGERPRINT) for _ in range(2))
    assert_same_state(worker.unpack(chief.pack(make_state())), make_state())
    with pytest.raises(
        ValueError, match=r"content: expected a checkpoint of the same run .* seed;"
    ):
        Checkpoints(None, FINGERPRINT | {"seed": "1"}).unpack(chief.pack(make_state()))
    with pytest.raises(ValueError, match=f"content: {DAMAGED}"):
        worker.unpack(b"")


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_newest_stay(tmp_path, keep):
    saved(tmp_path, 1, 2, 3, 4, 5, keep=keep)
    assert names(tmp_path) == files(*range(12 - keep, 12))
    assert load(tmp_path).step == 5


def test_an_older_one_goes_only_when_the_new_one_is_whole(tmp_path, monkeypatch):
    saved(tmp_path, 1, keep=1)
    checkpoints = Checkpoints(tmp_path, FINGERPRINT, keep=1)
    checkpoints.load()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(
            Checkpoints, "_delete_others", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        checkpoints.save(make_state(2))
    assert names(tmp_path) == files(7, 8)
    assert load(tmp_path).step == 2


def test_a_resumed_run_counts_what_was_there(tmp_path):
    saved(tmp_path, 1, 2, 3)
    checkpoints = Checkpoints(tmp_path, FINGERPRINT)
    checkpoints.load()
    checkpoints.save(make_state(4))
    assert names(tmp_path) == files(8, 9, 10)


def test_the_last_of_two_states_of_as_many_steps_stays(tmp_path):
    checkpoints = Checkpoints(tmp_path, FINGERPRINT)
    checkpoints.save(make_state(6, history=1, mark=1.0))
    checkpoints.save(make_state(0, history=2, mark=2.0))
    assert names(tmp_path) == files(12)
    assert load(tmp_path).loss_sum == 2.0


def test_more_steps_than_digits(tmp_path):
    state = make_state(0)
    state.history[-1] = replace(RECORD, step=10**12)
    saved(tmp_path, 1).save(state)
    assert load(tmp_path).history[-1].step == 10**12


def test_checkpoints_of_other_runs_and_files_of_the_user_stay(tmp_path):
    other = Checkpoints(tmp_path, {"seed": "1"})
    for step in (1, 5):
        other.save(make_state(step))
    mine = ["checkpoint-best.ckpt", "checkpoint-1.ckpt.partial", "mine", *files(12)]
    for name in mine:
        (tmp_path / name).write_text("mine")
    checkpoints = Checkpoints(tmp_path, FINGERPRINT, keep=1)
    assert checkpoints.advice() == "There is no checkpoint of this run yet"
    with pytest.raises(ValueError, match=r"holds checkpoint-000000000012\.ckpt; give resume"):
        checkpoints.check_unused()
    for step in (2, 3):
        checkpoints.save(make_state(step))
    assert names(tmp_path) == sorted([*files(7, 9, 11), *mine])
    said = f"The parameters saved last are in {tmp_path / files(9)[0]} (see checkpoint_parameters)"
    assert checkpoints.advice() == said
    assert checkpoints.advice(diverged=True).startswith(f"{said}; they are finite, but may")


def test_a_resumed_run_removes_its_own_checkpoints_alone(tmp_path):
    saved(tmp_path, 1, 2)
    Checkpoints(tmp_path, {"seed": "1"}).save(make_state(0))
    checkpoints = Checkpoints(tmp_path, FINGERPRINT, keep=1)
    checkpoints.load()
    checkpoints.save(make_state(4))
    assert names(tmp_path) == files(6, 10)


def test_a_pipe_or_folder_with_the_name_of_a_checkpoint_does_not_hang(tmp_path, caplog):
    saved(tmp_path, 1)
    os.mkfifo(tmp_path / files(8)[0])
    (tmp_path / files(9)[0]).mkdir()
    checkpoints = Checkpoints(tmp_path, FINGERPRINT)
    assert_same_state(checkpoints.load(), make_state(1))
    for name, kind in zip(files(8, 9), ("a named pipe", "a folder"), strict=True):
        assert f"{name}: expected a regular file, got {kind}" in caplog.text
    with pytest.raises(ValueError, match=r"008\.ckpt: expected a regular file, got a named pipe"):
        checkpoints.save(make_state(2))
    checkpoints.save(make_state(4))
    assert names(tmp_path) == files(7, 8, 9, 10)


def test_due_after_so_many_steps():
    checkpoints = Checkpoints(None, {}, every=3)
    assert [checkpoints.due(step) for step in range(5)] == [False, False, False, True, True]
    checkpoints.save(make_state(4))
    assert [checkpoints.due(step) for step in (5, 6, 7)] == [False, False, True]
    checkpoints.save(make_state(0))
    assert [checkpoints.due(step) for step in (2, 3)] == [False, True]
    assert not Checkpoints(None, {}).due(10**9)


@pytest.mark.parametrize("every", [None, 100])
def test_due_after_so_many_minutes(tmp_path, every):
    now = 1000.0
    checkpoints = Checkpoints(tmp_path, {}, every=every, minutes=0.5, clock=lambda: now)
    assert not checkpoints.due(1)
    now = 1029.0
    assert not checkpoints.due(2)
    assert checkpoints.due(100) == (every is not None)
    now = 1030.0
    assert checkpoints.due(2)
    checkpoints.save(make_state(2))
    assert not checkpoints.due(3)
    now = 1061.0
    assert checkpoints.due(3)
    checkpoints.load()
    assert not checkpoints.due(3)


@pytest.mark.parametrize(
    "options", [{"every": 0}, {"keep": 0}, {"minutes": 0.0}, {"minutes": float("nan")}]
)
def test_numbers_that_are_too_low(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}: expected"):
        Checkpoints(None, {}, **options)


def test_the_one_before_a_damaged_one_is_used(tmp_path, caplog):
    saved(tmp_path, 1, 2, 3)
    third, second = tmp_path / files(9)[0], tmp_path / files(8)[0]
    third.write_bytes(third.read_bytes()[:-1])
    second.write_bytes(b"")
    assert_same_state(load(tmp_path), make_state(1))
    told = [record.message for record in caplog.records if record.name == "cisreg.training"]
    assert [
        message.startswith(f"{path}: {DAMAGED}")
        for message, path in zip(told, (third, second), strict=True)
    ] == [True, True]
    assert all("the checkpoint before it is used" in message for message in told)
    np.testing.assert_equal(checkpoint_parameters(tmp_path), make_state(1).parameters)


def test_a_damaged_one_of_later_steps_goes_when_the_run_is_saved_again(tmp_path):
    saved(tmp_path, 1, 5)
    (tmp_path / files(11)[0]).write_bytes(b"text")
    checkpoints = Checkpoints(tmp_path, FINGERPRINT)
    assert checkpoints.load().step == 1
    checkpoints.save(make_state(3))
    assert names(tmp_path) == files(7, 9)


def test_where_all_are_damaged_each_is_named(tmp_path):
    saved(tmp_path, 1, 2)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    for read in (load, checkpoint_parameters):
        with pytest.raises(ValueError, match="delete them and train anew") as caught:
            read(tmp_path)
        for name in files(7, 8):
            assert f"{tmp_path / name}: {DAMAGED}" in str(caught.value)
    assert names(tmp_path) == files(7, 8)


def test_another_run_is_not_resumed(tmp_path):
    saved(tmp_path, 1)
    with pytest.raises(
        ValueError, match=r"007.ckpt: expected a checkpoint of the same run .*another seed;"
    ):
        Checkpoints(tmp_path, FINGERPRINT | {"seed": "1"}).load()


def test_every_changed_byte_is_noticed():
    checkpoints = Checkpoints(None, FINGERPRINT)
    content = checkpoints.pack(make_state())
    for index in range(len(content)):
        for change in (1, 32, 255):
            changed = bytearray(content)
            changed[index] ^= change
            with pytest.raises(ValueError, match=DAMAGED):
                checkpoints.unpack(bytes(changed))


def test_every_cut_is_noticed():
    checkpoints = Checkpoints(None, FINGERPRINT)
    content = checkpoints.pack(make_state())
    for length in range(len(content)):
        with pytest.raises(ValueError, match=DAMAGED):
            checkpoints.unpack(content[:length])
    with pytest.raises(ValueError, match=r"it has \d+ bytes instead of \d+"):
        checkpoints.unpack(content[:-1])
    with pytest.raises(ValueError, match=DAMAGED):
        checkpoints.unpack(content + b"\0")


def checkpoint_of(description, version=4, **arrays):
    body = pack_arrays({"description": np.array(json.dumps(description)), **arrays})
    return _header(version, body) + body


VALUES, _ = packing.pack_state(TrainingState({}, history=[RECORD]))


@pytest.mark.parametrize(
    "description",
    [
        [1, 2],
        {"fingerprint": {}},
        {"fingerprint": 3, "state": VALUES},
        {"fingerprint": {}, "state": VALUES | {"step": "2"}},
        {"fingerprint": {}, "state": VALUES | {"step": 0.5}},
        {"fingerprint": {}, "state": VALUES | {"gain": 2}},
        {"fingerprint": {}, "state": {"step": 2}},
        {"fingerprint": {}, "state": VALUES | {"history": [{"loss": 2.0}]}},
        {"fingerprint": {}, "state": VALUES | {"history": 2}},
        {"fingerprint": {}, "state": VALUES | {"best": [1]}},
    ],
)
def test_what_another_program_wrote_is_said(description):
    good = {"fingerprint": {}, "state": VALUES}
    assert Checkpoints(None, {}).unpack(checkpoint_of(good)).history == [RECORD]
    with pytest.raises(ValueError, match=DAMAGED):
        Checkpoints(None, {}).unpack(checkpoint_of(description))


def test_checkpoints_of_another_format_are_said(tmp_path):
    message = "expected a checkpoint of format 4, got format 99; resume with the version of cisreg"
    saved(tmp_path, 1)
    (tmp_path / files(8)[0]).write_bytes(checkpoint_of({}, version=99))
    for read in (load, checkpoint_parameters):
        with pytest.raises(ValueError, match=f"008.ckpt: {message}"):
            read(tmp_path)


def test_a_checkpoint_of_an_earlier_format_is_said(tmp_path):
    (tmp_path / "checkpoint.npz").write_bytes(b"whatever")
    for read in (load, checkpoint_parameters):
        with pytest.raises(ValueError, match=r"checkpoint.npz: .* got format 2 or earlier; resume"):
            read(tmp_path)


def test_a_missing_checkpoint_has_no_parameters(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(
            FileNotFoundError, match="expected a folder with checkpoints, found none"
        ):
            checkpoint_parameters(folder)


def test_what_a_killed_process_left_is_passed_over_and_goes_with_the_next_save(tmp_path):
    saved(tmp_path, 1)
    (tmp_path / (files(9)[0] + LEFT)).write_bytes(b"half of")
    assert load(tmp_path).step == 1
    checkpoints = Checkpoints(tmp_path, FINGERPRINT)
    checkpoints.load()
    with hold_folder(tmp_path):
        checkpoints.save(make_state(2))
    assert names(tmp_path) == [".lock", *files(7, 8)]


def test_a_worker_that_loads_deletes_nothing(tmp_path):
    """The chief may be writing at that moment."""
    saved(tmp_path, 1, 2)
    (tmp_path / files(8)[0]).write_bytes(b"")
    (tmp_path / (files(9)[0] + LEFT)).write_bytes(b"half of")
    before = names(tmp_path)
    load(tmp_path)
    assert names(tmp_path) == before


def test_a_file_that_goes_while_it_is_looked_for_is_passed_over(tmp_path, monkeypatch, caplog):
    saved(tmp_path, 1, 2)
    gone = tmp_path / files(8)[0]
    listed = list(tmp_path.iterdir())
    gone.unlink()
    monkeypatch.setattr(type(tmp_path), "iterdir", lambda _: iter(listed))
    assert load(tmp_path).step == 1
    assert str(gone) in caplog.text


def test_a_full_disk_leaves_the_earlier_ones(tmp_path):
    checkpoints = saved(tmp_path, 1, 2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    path = tmp_path / files(9)[0]
    with full_disk(path), pytest.raises(OSError, match="No space left") as caught:
        checkpoints.save(make_state(3))
    assert caught.value.filename == str(path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    checkpoints.save(make_state(3))
    assert load(tmp_path).step == 3


def test_a_folder_that_is_none_is_said(tmp_path):
    folder = tmp_path / "file"
    folder.write_text("mine")
    for act in (load, checkpoint_parameters, lambda path: saved(path, 1)):
        with pytest.raises(OSError, match=str(folder)):
            act(folder)
    assert folder.read_text() == "mine"


def test_a_file_that_cannot_be_read_is_said(tmp_path, monkeypatch):
    """It is not damage: the file may be readable later, and it is newer than the others."""
    saved(tmp_path, 1, 2)

    def fail(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(PermissionError, match=files(8)[0]):
        load(tmp_path)


def test_without_a_folder_nothing_is_kept():
    checkpoints = Checkpoints(None, FINGERPRINT)
    checkpoints.save(make_state())
    assert checkpoints.load() is None
    assert checkpoints.advice().startswith("No checkpoint was kept")


@pytest.mark.parametrize("best", [False, True])
def test_parameters_that_are_not_finite_are_not_resumed(tmp_path, best, caplog):
    checkpoints = saved(tmp_path, 1)
    state = make_state(2)
    (state.best.parameters if best else state.parameters)["activity"][1] = np.nan
    checkpoints.save(state)
    assert load(tmp_path).step == 1
    assert "expected finite numbers in activity, got nan at [1]" in caplog.text
    assert "the checkpoint before it is used" in caplog.text
