"""A process that is killed while it saves leaves a complete checkpoint."""

from __future__ import annotations

import random
import signal
import time

import pytest
from forked import forking_context
from training.saving import save_without_end

from cisreg.training.checkpoint import Checkpoints

KILLS, MOST_KILLS = 20, 200


@pytest.fixture(scope="module")
def processes():
    return forking_context()


def save_and_be_killed(processes, folder):
    """Kills a process while it saves; returns the last step that it reported."""
    receive, send = processes.Pipe(duplex=False)
    process = processes.Process(target=save_without_end, args=(folder, send))
    process.start()
    send.close()
    step = 0
    for _ in range(random.randint(1, 5)):
        assert receive.poll(60), "the process saved nothing"
        step = receive.recv()
    time.sleep(random.uniform(0, 0.02))
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    try:
        while True:
            step = receive.recv()
    except EOFError:
        return step


def test_whatever_moment_a_process_is_killed_at_nothing_saved_is_lost(tmp_path, processes, caplog):
    kills, killed_while_writing = 0, 0
    while kills < KILLS or (not killed_while_writing and kills < MOST_KILLS):
        last = save_and_be_killed(processes, tmp_path)
        state = Checkpoints(tmp_path, {}).load()
        assert state.step in (last, last + 1)
        assert (state.parameters["x"] == state.step).all()
        # Two that are kept, a new one, one that was being written, and the lock.
        assert len(list(tmp_path.iterdir())) <= 5
        kills += 1
        killed_while_writing += bool(list(tmp_path.glob("*.partial")))
    assert killed_while_writing
    assert not caplog.records, "a checkpoint was damaged"
