"""A training process that is killed and resumed ends as one that ran through.

CISREG_KILLS=30 kills it more often than the tests do by themselves.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from forked import Forked
from tiny_model import assert_same_bits

LAST_EPOCH = 120
KILLS = int(os.environ.get("CISREG_KILLS", "2"))


def start(folder, result, *resume):
    folder.mkdir(exist_ok=True)
    return Forked(Path(__file__).with_name("killable_run.py"), folder, result, *resume)


def run_through(*arguments):
    assert start(*arguments).wait() == 0


def epochs_in(path):
    if not path.exists():
        return []
    # The last line may be half written at this moment.
    return [json.loads(line)["total_epoch"] for line in path.read_text().split("\n")[:-1]]


def kill_somewhere(folder, result, *resume):
    """Kills the run a random moment after a random epoch."""
    process = start(folder, result, *resume)
    metrics = folder / "metrics.jsonl"
    first = len(epochs_in(metrics)) + 1
    kill_after = random.randrange(first, first + LAST_EPOCH // (KILLS + 1))
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


def test_a_killed_run_resumes_to_the_same_bits(tmp_path, unbroken):
    result = tmp_path / "result.npz"
    kill_somewhere(tmp_path, result)
    for _ in range(KILLS - 1):
        kill_somewhere(tmp_path, result, "resume")
    assert not result.exists()
    run_through(tmp_path, result, "resume")
    with np.load(result) as resumed, np.load(unbroken / "result.npz") as whole:
        assert_same_bits(dict(resumed), dict(whole))
    assert epochs_in(tmp_path / "metrics.jsonl") == list(range(1, LAST_EPOCH + 1))
    assert not list(tmp_path.glob("*.partial"))
