"""Keras models with the operation on several devices and in several processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from forked import Forked

RUN = Path(__file__).with_name("distributed_keras.py")
MODELS = ("layer", "model")


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(role, folder, *arguments, config=None, threads=None):
    environment = {**os.environ, "TF_CONFIG": json.dumps(config)} if config else dict(os.environ)
    if threads is not None:
        environment["TF_NUM_INTEROP_THREADS"] = str(threads)
    return Forked(RUN, role, folder, *arguments, environment=environment)


def finish(*processes):
    for process in processes:
        errors = process.communicate(timeout=300)[1]
        assert process.returncode == 0, errors[-3000:]


def weights(path):
    with np.load(path) as file:
        return [file[name] for name in file.files]


def assert_same_training(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=2e-6)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A folder with what one process trained: alone, mirrored and with Keras' own distribution."""
    folder = tmp_path_factory.mktemp("alone")
    finish(start("devices", folder))
    return folder


@pytest.mark.parametrize("name", MODELS)
def test_mirrored_devices_train_as_one(alone, name):
    assert_same_training(
        weights(alone / f"alone_{name}.npz"), weights(alone / f"mirrored_{name}.npz")
    )


@pytest.mark.parametrize("name", MODELS)
def test_data_parallel_of_keras_trains_as_one(alone, name):
    parallel = weights(alone / f"data_parallel_{name}.npz")
    assert_same_training(weights(alone / f"alone_{name}.npz"), parallel)


def test_several_workers_train_as_one(alone, tmp_path):
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    finish(
        *(
            start(
                "worker",
                tmp_path,
                config={"cluster": cluster, "task": {"type": "worker", "index": index}},
            )
            for index in range(2)
        )
    )
    for name in MODELS:
        found = sorted(tmp_path.glob(f"worker_{name}_*.npz"))
        assert len(found) == 2
        for path in found:
            assert_same_training(weights(alone / f"alone_{name}.npz"), weights(path))


def start_servers(folder):
    """A cluster of a parameter server and a worker, which listen, and a port for its chief.

    Another process may take a port before its server does; then there are new ones. With one thread
    between operations, as parallel tests have, TensorFlow's worker waits for itself for ever.
    """
    for _ in range(5):
        ports = free_ports(3)
        cluster = {
            name: [f"127.0.0.1:{port}"]
            for name, port in zip(("chief", "ps", "worker"), ports, strict=True)
        }
        servers = [
            start(
                *("server", folder),
                config={"cluster": cluster, "task": {"type": task, "index": 0}},
                threads=2,
            )
            for task in ("ps", "worker")
        ]
        signs = [folder / f"{task}-listens" for task in ("ps", "worker")]
        while not all(sign.exists() for sign in signs):
            if any(server.poll() is not None for server in servers):
                break
            time.sleep(0.05)
        else:
            return cluster, servers
        for server in servers:
            server.kill()
            server.wait()
        for sign in signs:
            sign.unlink(missing_ok=True)
    raise AssertionError(servers[0].communicate()[1] + servers[1].communicate()[1])


def test_parameter_servers_train_as_one_process(tmp_path):
    """The process of a worker registers the operation before its server starts."""
    cluster, servers = start_servers(tmp_path)
    task = {"type": "chief", "index": 0}
    finish(start("chief", tmp_path, config={"cluster": cluster, "task": task}))
    (tmp_path / "done").touch()
    finish(*servers)
    finish(start("steps", tmp_path))
    assert_same_training(weights(tmp_path / "steps.npz"), weights(tmp_path / "chief.npz"))


PLAIN_SERVER = """
import sys, time, pathlib, tensorflow as tf
cluster = {"worker": ["127.0.0.1:%s" % sys.argv[1]]}
server = tf.distribute.Server(cluster, job_name="worker", task_index=0)
while not pathlib.Path(sys.argv[2]).exists():
    time.sleep(0.1)
"""


def test_a_worker_without_the_operation_is_named(tmp_path):
    """What happens where the recipe is not followed: TensorFlow says which operation is missing."""
    (port,) = free_ports(1)
    server = subprocess.Popen([sys.executable, "-c", PLAIN_SERVER, str(port), tmp_path / "done"])
    try:
        finish(start("remote", tmp_path, port))
    finally:
        (tmp_path / "done").touch()
        server.wait(timeout=60)
    said = (tmp_path / "remote.txt").read_text()
    assert said.startswith("NotFoundError: ") and "'Cisreg>Occupancy'" in said, said
    assert "registered in the binary running in this process" in said
