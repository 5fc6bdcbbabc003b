"""Training on several devices or processes gives the same as on one, except for rounding."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from forked import Forked

from cisreg.processes.signals import RESUMABLE_STATUS
from cisreg.training.errors import WorkerLostError
from cisreg.training.replicas import Replicas, name_lost_worker

RUN = Path(__file__).with_name("distributed_run.py")
CASES = ("plain", "one row", "weights", "sum", "noise", "outputs", "device", "columns")
# Gradients of half a batch overflow at a different scale, so different steps are skipped.
SCALED = "float16"


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(folder, kind, cases, *arguments, config=None):
    environment = dict(os.environ)
    if config is not None:
        environment["TF_CONFIG"] = json.dumps(config)
    return Forked(RUN, folder, kind, cases, *arguments, environment=environment)


def start_workers(folder, cases, *arguments, count=2):
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(count)]}
    return [
        start(
            *(folder, "workers", cases, *arguments),
            config={"cluster": cluster, "task": {"type": "worker", "index": index}},
        )
        for index in range(count)
    ]


def finish(*processes):
    """Waits for all processes; they must succeed."""
    for process in processes:
        errors = process.communicate(timeout=300)[1]
        assert process.returncode == 0, errors[-3000:]


def results(folder, case):
    """The final results of each process that trained this case."""
    found = []
    for path in sorted((Path(folder) / case.replace(" ", "_")).glob("result*.npz")):
        with np.load(path) as file:
            found.append(dict(file))
    return found


def assert_same_training(one, other, atol=1e-5):
    for name in one.keys() - {"history"}:
        np.testing.assert_allclose(other[name], one[name], rtol=0, atol=atol, err_msg=name)
    histories = [json.loads(str(run["history"])) for run in (one, other)]
    assert len(histories[0]) == len(histories[1])
    for first, second in zip(*histories, strict=True):
        for name in ("loss", "penalty", "validation_loss"):
            assert second[name] == pytest.approx(first[name], rel=1e-4, abs=1e-6), name


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    finish(start(folder, "none", ",".join((*CASES, SCALED))))
    return folder


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirrored")
    finish(start(folder, "mirrored", ",".join((*CASES, SCALED))))
    return folder


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    finish(*start_workers(folder, ",".join((*CASES, SCALED))))
    return folder


@pytest.mark.parametrize("case", CASES)
def test_two_devices_train_as_one(alone, mirrored, case):
    (one,), (other,) = results(alone, case), results(mirrored, case)
    assert_same_training(one, other)


@pytest.mark.parametrize("case", CASES)
def test_two_workers_train_as_one_and_end_alike(alone, workers, case):
    (one,), others = results(alone, case), results(workers, case)
    assert len(others) == 2
    for other in others:
        assert_same_training(one, other)
    for name in one.keys() - {"history"}:
        assert others[0][name].tobytes() == others[1][name].tobytes()


def test_a_loss_scale_is_the_same_for_all_replicas(alone, mirrored, workers):
    (one,), ends = results(alone, SCALED), results(mirrored, SCALED) + results(workers, SCALED)
    for name in one.keys() - {"history"}:
        assert ends[1][name].tobytes() == ends[2][name].tobytes()
    histories = [json.loads(str(end["history"])) for end in (one, *ends)]
    # Some steps overflowed, and training continued.
    assert all(min(each["loss_scale"] for each in history) < 2**15 for history in histories)
    losses = [history[-1]["validation_loss"] for history in histories]
    np.testing.assert_allclose(losses[1:], losses[0], rtol=0.2)


def test_three_workers_with_batches_smaller_than_themselves(tmp_path, alone):
    finish(*start_workers(tmp_path, "one row", count=3))
    assert_same_training(results(alone, "one row")[0], results(tmp_path, "one row")[0])


def wait_for_epochs(folder, count, *processes):
    metrics = folder / "long" / "metrics.jsonl"
    while not metrics.exists() or metrics.read_bytes().count(b"\n") < count:
        assert all(process.poll() is None for process in processes), "it ended too soon"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    finish(*start_workers(folder, "long"))
    return results(folder, "long")[0]


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_worker_ends_the_others_and_the_run_goes_on(tmp_path, long_run, victim):
    processes = start_workers(tmp_path, "long")
    wait_for_epochs(tmp_path, 20 + 13 * victim, *processes)
    processes[victim].send_signal(signal.SIGKILL)
    survivor = processes[1 - victim]
    errors = survivor.communicate(timeout=120)[1]
    processes[victim].communicate()
    assert survivor.returncode == RESUMABLE_STATUS, errors[-3000:]
    assert "another worker is gone" in errors
    finish(*start_workers(tmp_path, "long", "resume"))
    assert_same_training(long_run, results(tmp_path, "long")[0], atol=1e-6)


def test_a_worker_that_is_asked_to_stop_stops_all_after_a_checkpoint(tmp_path, long_run):
    processes = start_workers(tmp_path, "long")
    wait_for_epochs(tmp_path, 10, *processes)
    processes[1].send_signal(signal.SIGTERM)
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [RESUMABLE_STATUS] * 2, errors
    assert "stopped by another worker after step" in errors[0]
    assert "stopped by SIGTERM after step" in errors[1]
    # The run ends with one worker as it would have ended with two.
    finish(start(tmp_path, "none", "long", "resume"))
    assert_same_training(long_run, results(tmp_path, "long")[0], atol=1e-5)


def test_workers_that_were_asked_for_different_things_all_say_so(tmp_path):
    processes = start_workers(tmp_path, "disagreeing")
    for process in processes:
        errors = process.communicate(timeout=120)[1]
        assert process.returncode == 1, errors[-3000:]
        expected = "some have another training set, another validation set, another seed than the"
        assert expected in errors


def of_two_workers():
    replicas = Replicas()
    replicas.workers, replicas.others = 2, ["worker 1"]
    return replicas


@pytest.mark.parametrize("kind", [tf.errors.InternalError, tf.errors.UnavailableError])
@pytest.mark.parametrize(
    "message",
    [
        "cisreg on the GPU, the forward kernel: an illegal memory access was encountered",
        "Collective ops is aborted by: cisreg on the GPU, the gradient kernels: out of memory",
        "Failed to synchronize: CUDA_ERROR_ILLEGAL_ADDRESS",
    ],
)
def test_a_gpu_that_fails_is_no_lost_worker(kind, message):
    with (
        pytest.raises(kind, match=message.rpartition(": ")[2]),
        name_lost_worker(of_two_workers(), lambda: "no checkpoint"),
    ):
        raise kind(None, None, message)


@pytest.mark.parametrize("kind", [tf.errors.InternalError, tf.errors.UnavailableError])
def test_other_errors_of_collective_operations_are_a_lost_worker(kind):
    with (
        pytest.raises(WorkerLostError, match="another worker is gone"),
        name_lost_worker(of_two_workers(), lambda: "no checkpoint"),
    ):
        raise kind(None, None, "Collective ops is aborted by: Connection reset by peer")
