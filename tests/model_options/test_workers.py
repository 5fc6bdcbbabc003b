"""Two workers train every row of the table as one process does."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import numpy as np
import pytest
from forked import Forked
from model_options.rows import ROWS

RUN = Path(__file__).with_name("worker_run.py")


def start(folder, config=None):
    given = {} if config is None else {"TF_CONFIG": json.dumps(config)}
    return Forked(RUN, folder, environment={**os.environ, **given})


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """What one process trained, and what two workers did."""
    alone, together = (tmp_path_factory.mktemp(name) for name in ("alone", "together"))
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    tasks = [{"type": "worker", "index": index} for index in range(2)]
    processes = [start(together, {"cluster": cluster, "task": task}) for task in tasks]
    for process in [*processes, start(alone)]:
        errors = process.communicate(timeout=400)[1]
        assert process.returncode == 0, errors[-3000:]
    return alone, together


def numbers(path):
    with np.load(path) as file:
        return dict(file)


@pytest.mark.slow
@pytest.mark.parametrize("row", [row.name for row in ROWS if "workers" not in row.refuses])
def test_two_workers_train_as_one_process(folders, row):
    (one,), others = (
        [numbers(each) for each in folder.glob(f"{row} [0-9]*.npz")] for folder in folders
    )
    assert len(others) == 2
    for name, expected in one.items():
        first, second = (other[name] for other in others)
        assert first.tobytes() == second.tobytes(), name
        np.testing.assert_allclose(first, expected, rtol=1e-3, atol=1e-4, err_msg=name)
