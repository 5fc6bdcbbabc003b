"""What a run finds, leaves and removes in its folder, above all when it replaces an earlier one."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from full_disk import full_disk

from cisreg.data import Dataset
from cisreg.locks import hold_folder
from cisreg.motifs import demo_motifs
from cisreg.recipes import read_recipe, run, train
from cisreg.run_folder import (
    begin_run,
    check_no_run,
    check_run_folder,
    finish_run,
    recipe_of_run,
)
from cisreg.storage import load_model, save_model
from cisreg.training import NonFiniteLossError, StoppedError
from cisreg.training.checkpoint import Checkpoints

SHORT = read_recipe("quick").override(epochs=1)
LONGER = read_recipe("quick").override(epochs=2)


@pytest.fixture(scope="module")
def motifs():
    return demo_motifs(width=30)[["Rap1", "Abf1"]]


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(0)
    sequence = random.integers(0, 4, (60, 40), dtype=np.uint8)
    return Dataset(sequence, random.normal(300, 20, size=60).astype(np.float32))


@pytest.fixture(scope="module")
def earlier(tmp_path_factory, motifs, dataset):
    """The folder of a run with everything that a run can write."""
    folder = tmp_path_factory.mktemp("earlier") / "model"
    train(dataset, motifs, SHORT, output=folder, tensorboard=True, profile=True, report_every=1)
    return folder


@pytest.fixture(scope="module")
def fresh(motifs, dataset):
    """The model of a run with LONGER and another seed."""
    return train(dataset, motifs, LONGER, seed=1).model


@pytest.fixture
def folder(earlier, tmp_path):
    """A copy of it, with files of the user among those of the run."""
    shutil.copytree(earlier, tmp_path / "model")
    for name in MINE:
        (tmp_path / "model" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "model" / name).write_text("mine")
    return tmp_path / "model"


MINE = (
    "notes.txt",
    "metrics.jsonl.partial",
    "parameters-best.npz",
    "parameters-0123456789ab.npz",
    "parameters-0123456789ab.npz.partial",
    "checkpoint/mine",
    "checkpoint/checkpoint-best.ckpt",
    "checkpoint/checkpoint-1.ckpt.partial",
    "checkpoint/old/checkpoint-000000000001.ckpt",
    "tensorboard/mine.tfevents.1",
    "profile/mine",
    "profile/plugins/profile/mine/vm.xplane.pb",
    "replaced-01234567/recipe.toml",
)


def assert_mine_is_there(folder):
    for name in MINE:
        assert (folder / name).read_text() == "mine"


def names(folder):
    """Paths of all files but those of the user and the lock."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in found - set(MINE) if Path(name).name != ".lock"}


def same_model(one, other):
    for name, value in one.parameters.items():
        np.testing.assert_array_equal(value, other.parameters[name])


def infinite_loss(predicted, measured):
    return tf.reduce_mean(predicted - measured) * float("inf")


def at_the_first_save(monkeypatch, action):
    save = Checkpoints.save

    def saved(self, state):
        save(self, state)
        monkeypatch.setattr(Checkpoints, "save", save)
        action()

    monkeypatch.setattr(Checkpoints, "save", saved)


class KilledError(BaseException):
    """Stands for the death of the process."""


def kill():
    raise KilledError


@pytest.mark.parametrize("end", ["diverges", "is stopped", "is killed", "fails to save"])
def test_the_earlier_model_stays_whatever_ends_the_run_that_replaces_it(
    folder, motifs, dataset, fresh, monkeypatch, caplog, end
):
    earlier = load_model(folder)
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    options = {"output": folder, "overwrite": True, "seed": 1}
    error = {"diverges": NonFiniteLossError, "is stopped": StoppedError, "is killed": KilledError}
    with monkeypatch.context() as patch, pytest.raises(error.get(end, OSError)):
        if end == "diverges":
            options["loss"] = infinite_loss
        elif end == "is stopped":
            options["stop_signals"] = (signal.SIGTERM,)
            at_the_first_save(patch, lambda: os.kill(os.getpid(), signal.SIGTERM))
        elif end == "is killed":
            at_the_first_save(patch, kill)
        else:
            patch.setattr(run, "save_model", lambda *_: (_ for _ in ()).throw(OSError("full")))
        train(dataset, motifs, LONGER, **options)
    assert "this model is of an earlier run" not in caplog.text
    same_model(load_model(folder), earlier)
    assert caplog.text.count(f"{folder}: this model is of an earlier run; the run that repl") == 1
    assert_mine_is_there(folder)
    # All that the earlier run made is still there, aside.
    (aside,) = json.loads((folder / "replacing.json").read_text())["folders"]
    moved = {name: (folder / aside / name).read_bytes() for name in names(folder / aside)}
    assert moved == {
        name: content
        for name, content in before.items()
        if name != "model.json" and not name.startswith("parameters-")
    }
    # Nobody else's checkpoints are taken up.
    options.pop("loss", None)
    resumed = train(dataset, motifs, LONGER, **(options | {"overwrite": False, "resume": True}))
    same_model(resumed.model, fresh)
    caplog.clear()
    same_model(load_model(folder), fresh)
    assert "earlier run" not in caplog.text
    assert_mine_is_there(folder)
    assert not [name for name in names(folder) if name.startswith("repl")]


def test_a_run_that_replaces_another_removes_what_that_made_and_nothing_else(
    folder, motifs, dataset, caplog
):
    train(dataset, motifs, LONGER, output=folder, overwrite=True, seed=1)
    steps = sorted(name for name in names(folder) if name.startswith("checkpoint/"))
    assert [int(name[-9:-5]) for name in steps] == [4, 6, 8]
    rest = names(folder) - set(steps)
    (parameters,) = (name for name in rest if name.startswith("parameters-"))
    assert rest == {"recipe.toml", "metrics.jsonl", "model.json", "factors.tsv", parameters}
    assert_mine_is_there(folder)
    assert f"{folder}: kept what no run makes: checkpoint/checkpoint-1.ckpt.par" in caplog.text
    assert "and 2 more" in caplog.text


def die_at(patch, calls):
    """The process dies at one of the calls that change names in the folder."""
    left = calls

    def counted(call):
        def called(*arguments, **options):
            nonlocal left
            if not left:
                raise KilledError
            left -= 1
            return call(*arguments, **options)

        return called

    for name in ("mkdir", "rename", "replace", "unlink", "rmdir"):
        patch.setattr(Path, name, counted(getattr(Path, name)))


def test_killed_at_any_moment_of_its_beginning_it_begins_anew(earlier, tmp_path):
    """Never with checkpoints of the earlier run, whether it is asked to resume or to replace it."""
    model = (earlier / "model.json").read_bytes()
    for calls in itertools.count():
        folder = tmp_path / str(calls)
        shutil.copytree(earlier, folder)
        began = False
        with hold_folder(folder):
            with pytest.MonkeyPatch.context() as patch, suppress(KilledError):
                die_at(patch, calls)
                begin_run(folder, b"new", resume=False, overwrite=True)
                began = True
            assert load_model(folder)
            checkpoints = list((folder / "checkpoint").glob("*.ckpt"))
            if recipe_of_run(folder):
                assert bool(checkpoints) == ((folder / "recipe.toml").read_bytes() != b"new")
            resume = (folder / "replacing.json").exists() and calls % 2 == 0
            begin_run(folder, b"new", resume=resume, overwrite=not resume)
            assert (folder / "recipe.toml").read_bytes() == b"new"
            assert not list((folder / "checkpoint").glob("*.ckpt"))
            assert (folder / "model.json").read_bytes() == model
            finish_run(folder)
        rest = {name for name in names(folder) if not name.startswith("parameters-")}
        assert rest == {"recipe.toml", "model.json"}
        if began:
            break
    assert calls > 10


def test_killed_at_any_moment_of_its_end_the_old_or_the_new_model_is_there(
    earlier, tmp_path, caplog
):
    old, new = (load_model(earlier) for _ in range(2))
    new.parameters["activity"][:] = 3
    first = {float(model.parameters["activity"][0]) for model in (old, new)}
    for calls in itertools.count():
        folder, ended = tmp_path / str(calls), False
        shutil.copytree(earlier, folder)
        with hold_folder(folder):
            begin_run(folder, b"new", resume=False, overwrite=True)
            with pytest.MonkeyPatch.context() as patch, suppress(KilledError):
                die_at(patch, calls)
                save_model(folder, new)
                finish_run(folder)
                ended = True
            caplog.clear()
            found = float(load_model(folder).parameters["activity"][0])
            assert found in first
            # The old model with the warning that it is, the new one without.
            assert bool(caplog.messages) == (found != 3)
            save_model(folder, new)
            finish_run(folder)
        caplog.clear()
        same_model(load_model(folder), new)
        assert not caplog.messages
        assert len(names(folder)) == 3
        if ended:
            break
    assert calls > 10


@pytest.mark.parametrize("name", ["replacing.json", "recipe.toml"])
def test_a_full_disk_at_its_beginning_leaves_a_run_that_can_begin_again(folder, name):
    with full_disk(folder / name), pytest.raises(OSError, match="No space left") as caught:
        begin_run(folder, b"new", resume=False, overwrite=True)
    assert caught.value.filename == str(folder / name)
    assert load_model(folder)
    begin_run(folder, b"new", resume=name == "recipe.toml", overwrite=name != "recipe.toml")
    assert (folder / "recipe.toml").read_bytes() == b"new"
    assert not list((folder / "checkpoint").glob("checkpoint-0*"))
    finish_run(folder)
    assert_mine_is_there(folder)
    assert load_model(folder)


def test_what_replaced_runs_left_goes_with_the_one_that_is_complete(
    folder, motifs, dataset, monkeypatch
):
    earlier = load_model(folder)
    for seed in (1, 2):
        with monkeypatch.context() as patch, pytest.raises(KilledError):
            at_the_first_save(patch, kill)
            train(dataset, motifs, SHORT, output=folder, overwrite=True, seed=seed)
        same_model(load_model(folder), earlier)
    assert len(list(folder.glob("replaced-*"))) == 3
    (aside, other) = json.loads((folder / "replacing.json").read_text())["folders"]
    (folder / aside / "checkpoint" / "saved by me").write_text("mine")
    train(dataset, motifs, SHORT, output=folder, overwrite=True, seed=3)
    assert not (folder / other).exists()
    assert {path.name for path in (folder / aside).rglob("*")} == {"checkpoint", "saved by me"}
    assert_mine_is_there(folder)


@pytest.mark.parametrize(
    "name", ["recipe.toml", "metrics.jsonl", "model.json", "steps.jsonl", "factors.tsv"]
)
def test_a_pipe_in_the_folder_of_a_run_is_refused_at_once(tmp_path, motifs, dataset, name):
    os.mkfifo(tmp_path / name)
    for options in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(ValueError, match=f"{name}: expected a regular file, got a named pipe"):
            train(dataset, motifs, SHORT, output=tmp_path, **options)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "name", ["checkpoint", "tensorboard", "profile", "profile/plugins", "profile/plugins/profile"]
)
def test_a_linked_folder_within_that_of_a_run_is_refused(earlier, tmp_path, motifs, dataset, name):
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "model"
    shutil.copytree(earlier, elsewhere)
    before = {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()}
    (folder / name).parent.mkdir(parents=True)
    (folder / name).symlink_to(elsewhere / name)
    for options in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(ValueError, match=f"{name}: expected a folder, .* got a link"):
            train(dataset, motifs, SHORT, output=folder, tensorboard=True, **options)
    assert {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()} == before


def test_linked_files_are_replaced_and_what_they_lead_to_stays(folder, tmp_path, motifs, dataset):
    for name in ("recipe.toml", "metrics.jsonl", "steps.jsonl", "factors.tsv"):
        (folder / name).rename(tmp_path / name)
        (folder / name).symlink_to(tmp_path / name)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    train(dataset, motifs, SHORT, output=folder, resume=True, report_every=1)
    train(dataset, motifs, SHORT, output=folder, overwrite=True, report_every=1)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert not any(path.is_symlink() for path in folder.iterdir())


def test_a_link_that_leads_nowhere_in_place_of_the_steps_is_replaced(
    folder, tmp_path, motifs, dataset
):
    (folder / "steps.jsonl").unlink()
    (folder / "steps.jsonl").symlink_to(tmp_path / "nothing")
    train(dataset, motifs, SHORT, output=folder, resume=True, report_every=1)
    assert not (folder / "steps.jsonl").is_symlink()
    assert not (tmp_path / "nothing").exists()


def test_no_other_model_gets_into_the_folder_of_a_run(earlier, tmp_path):
    check_no_run(tmp_path)
    for name in ("recipe.toml", "metrics.jsonl", "steps.jsonl", "checkpoint"):
        folder = tmp_path / f"with {name}"
        folder.mkdir()
        copy = shutil.copytree if (earlier / name).is_dir() else shutil.copy
        copy(earlier / name, folder / name)
        with pytest.raises(ValueError, match=f"without a training run, but it holds {name}"):
            check_no_run(folder)


def test_a_link_that_leads_nowhere_is_no_record_of_a_run(folder, tmp_path, motifs, dataset):
    (folder / "replacing.json").symlink_to(tmp_path / "nothing")
    for options in ({"resume": True}, {"overwrite": True}):
        with pytest.raises(ValueError, match="expected the record of a run"):
            train(dataset, motifs, SHORT, output=folder, **options)


@pytest.mark.parametrize("plant", [Path.mkdir, os.mkfifo])
def test_what_only_has_the_name_of_a_checkpoint_is_refused_before_anything_is_moved(
    folder, motifs, dataset, plant
):
    plant(folder / "checkpoint" / "checkpoint-000000000099.ckpt")
    before = sorted(folder.rglob("*"))
    with pytest.raises(ValueError, match=r"99\.ckpt: expected a regular file, .* move it away"):
        train(dataset, motifs, SHORT, output=folder, overwrite=True)
    assert sorted(folder.rglob("*")) == before


def test_no_folders_are_made_where_that_of_a_run_was_deleted(
    tmp_path, motifs, dataset, monkeypatch
):
    save = Checkpoints.save

    def save_late(self, state):
        shutil.rmtree(tmp_path / "model")
        save(self, state)

    monkeypatch.setattr(Checkpoints, "save", save_late)
    with pytest.raises(ValueError, match="moved, deleted or replaced"):
        train(dataset, motifs, SHORT, output=tmp_path / "model")
    assert not any(tmp_path.iterdir())


def test_a_folder_reached_through_a_link_is_trained_into(tmp_path, motifs, dataset):
    (tmp_path / "disk").mkdir()
    (tmp_path / "model").symlink_to("disk")
    for options in ({}, {"overwrite": True}):
        train(dataset, motifs, SHORT, output=tmp_path / "model", **options)
    assert (tmp_path / "model").is_symlink()
    assert load_model(tmp_path / "disk")


@pytest.mark.parametrize(
    "name", ["metrics.jsonl", "steps.jsonl", "checkpoint", "model.json", "factors.tsv"]
)
def test_a_run_whose_recipe_was_lost_is_not_taken_for_a_new_folder(
    earlier, tmp_path, motifs, dataset, name
):
    (tmp_path / "model").mkdir()
    if (earlier / name).is_dir():
        shutil.copytree(earlier / name, tmp_path / "model" / name)
    else:
        shutil.copy(earlier / name, tmp_path / "model")
    before = names(tmp_path)
    with pytest.raises(ValueError, match=f"expected a new folder, but it holds {name}"):
        train(dataset, motifs, SHORT, output=tmp_path / "model")
    if name != "checkpoint":
        with pytest.raises(ValueError, match=f"it holds {name} and no checkpoint; give overwrite"):
            train(dataset, motifs, SHORT, output=tmp_path / "model", resume=True)
    assert names(tmp_path) == before


def test_a_lost_recipe_is_written_anew_only_if_it_is_that_of_the_checkpoints(
    folder, motifs, dataset, caplog
):
    recipe = (folder / "recipe.toml").read_bytes()
    (folder / "recipe.toml").unlink()
    before = names(folder)
    with pytest.raises(ValueError, match="expected a checkpoint of the same run"):
        train(dataset, motifs, LONGER, output=folder, resume=True)
    assert names(folder) == before
    train(dataset, motifs, SHORT, output=folder, resume=True)
    assert (folder / "recipe.toml").read_bytes() == recipe
    assert "recipe.toml was lost, and is written anew" in caplog.text


def test_a_run_that_ended_meanwhile_is_not_replaced(
    earlier, tmp_path, motifs, dataset, monkeypatch
):
    """Another run ends in the folder after it was seen to be empty."""
    plan = run._plan

    def meanwhile(*arguments, **options):
        shutil.copytree(earlier, tmp_path / "model")
        return plan(*arguments, **options)

    monkeypatch.setattr(run, "_plan", meanwhile)
    with pytest.raises(ValueError, match=r"expected a new folder, but it holds recipe\.toml"):
        train(dataset, motifs, SHORT, output=tmp_path / "model", seed=1)
    same_model(load_model(tmp_path / "model"), load_model(earlier))


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"folders": ["../victim"], "parameters": null, "begun": true}',
        '{"folders": ["notes"], "parameters": null, "begun": true}',
        '{"folders": [], "parameters": 3, "begun": true}',
        '{"folders": [], "parameters": null}',
    ],
)
def test_a_record_that_no_run_wrote_is_said_and_removes_nothing(folder, caplog, text):
    (folder / "replacing.json").write_text(text)
    (folder.parent / "victim").mkdir()
    (folder.parent / "victim" / "recipe.toml").write_text("mine")
    for attempt in (
        lambda: begin_run(folder, b"", resume=False, overwrite=True),
        lambda: finish_run(folder),
    ):
        with pytest.raises(ValueError, match=r"replacing\.json: expected the record of a run"):
            attempt()
    assert load_model(folder)
    assert "replacing.json: expected the record of a run" in caplog.text
    assert (folder.parent / "victim" / "recipe.toml").exists()


def test_links_within_and_in_place_of_a_replaced_folder_are_not_followed(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "other")
    before = names(tmp_path / "other")
    (stamp,) = (tmp_path / "other/profile/plugins/profile").glob("2*")
    (folder / "profile/plugins/profile/2999_01_01_00_00_00").symlink_to(stamp)
    begin_run(folder, b"", resume=False, overwrite=True)
    assert names(tmp_path / "other") == before
    (aside,) = json.loads((folder / "replacing.json").read_text())["folders"]
    shutil.rmtree(folder / aside / "checkpoint")
    (folder / aside / "checkpoint").symlink_to(tmp_path / "other" / "checkpoint")
    finish_run(folder)
    assert names(tmp_path / "other") == before
    begin_run(folder, b"", resume=False, overwrite=True)
    (aside,) = json.loads((folder / "replacing.json").read_text())["folders"]
    (folder / aside).rename(tmp_path / "moved")
    (folder / aside).symlink_to(tmp_path / "other")
    finish_run(folder)
    assert names(tmp_path / "other") == before


def test_to_resume_and_to_replace_exclude_each_other(tmp_path):
    with pytest.raises(ValueError, match="resume, overwrite: expected one of them"):
        check_run_folder(tmp_path, resume=True, overwrite=True)
