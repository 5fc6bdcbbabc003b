"""The writer of files, killed before and after each system call that it makes."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys

import numpy as np
import pytest
from killed import SCENARIOS, content, kill_everywhere

from cisreg.cli import simulate as command
from cisreg.simulate import Simulation
from cisreg.spec import ModelSpec
from cisreg.start import init_parameters
from cisreg.storage import load_model


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_wherever_a_writer_is_killed_files_are_old_or_new_and_whole(tmp_path, scenario):
    words = [sys.executable, "-m", "killed", scenario, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


SPEC = ModelSpec(motif_count=2, motif_width=6, sequence_length=12)
TABLES = ("train.tsv.gz", "test.tsv.gz", "factors.tsv")


def simulated(folder, value, *, overwrite=False):
    """Writes a small simulation in which all numbers are `value`, as the command does."""
    folder.mkdir(exist_ok=True)
    log_kd = np.full((6, 4, 2), float(value), np.float32)
    parameters = init_parameters(SPEC, log_kd, np.zeros(2, np.float32), seed=value)
    numbers = np.full(3, value, np.float32)
    codes = np.full((3, 12), value, np.uint8)
    made = Simulation(SPEC, parameters, ("a", "b"), codes, numbers, numbers)
    command._write(folder, made, 2, overwrite)
    return folder


def test_a_simulation_killed_anywhere_is_of_one_command_or_has_no_truth(tmp_path):
    old, new = simulated(tmp_path / "old", 1), simulated(tmp_path / "new", 2)
    sets = [[content(folder / name) for name in TABLES] for folder in (old, new)]
    numbers = itertools.count()

    def check(folder, moment):
        found = [content(folder / name) for name in TABLES]
        assert any(set(found) <= {*each, None} for each in sets), moment
        if (folder / "truth" / "model.json").exists():
            assert found in sets, moment
            value = load_model(folder / "truth").parameters["log_kd"][0, 0, 0]
            assert value == 1 + sets.index(found), moment
        assert moment != "not killed" or found == sets[1]

    kill_everywhere(
        lambda: shutil.copytree(old, tmp_path / str(next(numbers))),
        lambda folder: simulated(folder, 2, overwrite=True),
        check,
        calls=("unlink", "replace"),
    )
    assert next(numbers) > 12
