"""A training process that is killed and resumed ends like an uninterrupted one."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from forked import Forked
from tiny_model import assert_same_bits

LAST_EPOCH = 120


def start(folder, result, *resume):
    folder.mkdir(exist_ok=True)
    return Forked(Path(__file__).with_name("killable_run.py"), folder, result, *resume)


def run_through(*arguments):
    process = start(*arguments)
    assert process.wait() == 0, process.communicate()


def epochs_in(path):
    if not path.exists():
        return []
    # The last line may be only partly written at this moment.
    return [json.loads(line)["total_epoch"] for line in path.read_text().split("\n")[:-1]]


def kill_somewhere(epochs, folder, result, *resume):
    """Kills the run at a random moment after one of its next `epochs` epochs."""
    process = start(folder, result, *resume)
    metrics = folder / "metrics.jsonl"
    first = len(epochs_in(metrics)) + 1
    kill_after = random.randrange(first, first + epochs)
    while len(epochs_in(metrics)) < kill_after:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.001)
    time.sleep(random.uniform(0, 0.02))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    run_through(folder, folder / "result.npz")
    return folder


@pytest.mark.parametrize(
    "kills", [2, pytest.param(30, marks=[pytest.mark.slow, pytest.mark.thorough])]
)
def test_a_killed_run_resumes_to_the_same_bits(tmp_path, unbroken, kills):
    result = tmp_path / "result.npz"
    for kill in range(kills):
        resume = ["resume"] if kill else []
        kill_somewhere(LAST_EPOCH // (kills + 1), tmp_path, result, *resume)
    assert not result.exists()
    run_through(tmp_path, result, "resume")
    with np.load(result) as resumed, np.load(unbroken / "result.npz") as whole:
        assert_same_bits(dict(resumed), dict(whole))
    assert epochs_in(tmp_path / "metrics.jsonl") == list(range(1, LAST_EPOCH + 1))
    assert not list(tmp_path.glob("*.partial"))
