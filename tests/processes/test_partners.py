"""Workers wait for each other before TensorFlow does, and say who is missing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from cisreg.processes.signals import RESUMABLE_STATUS

STAND_IN = Path(__file__).with_name("stand_in.py")


@pytest.fixture
def addresses():
    """Of three workers on this machine."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        ports = [each.getsockname()[1] for each in sockets]
    return [f"127.0.0.1:{port}" for port in ports]


@pytest.fixture
def start(addresses):
    processes = []

    def start(number, *options, listed=addresses):
        config = {"cluster": {"worker": listed}, "task": {"type": "worker", "index": number}}
        process = subprocess.Popen(
            [sys.executable, STAND_IN, "meet", *options],
            env=os.environ | {"TF_CONFIG": json.dumps(config)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout.readline() == "ready\n", process.communicate()
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def end(process, status=0):
    output, errors = process.communicate(timeout=60)
    assert process.returncode == status, (output, errors)
    return output + errors


def test_workers_that_come_one_after_the_other_all_go_on(start, addresses):
    processes = [start(number) for number in (2, 0, 1)]
    assert [end(process) for process in processes] == ["together\n"] * 3
    # Their addresses are free for TensorFlow.
    for address in addresses:
        socket.create_server(("127.0.0.1", int(address.partition(":")[2]))).close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_names_the_worker_that_never_came(start, addresses, number):
    processes = [start(0, "silent=0.5"), start(1, "silent=0.5")]
    missing = f"worker 3 of 3 ({addresses[2]}): Connection refused"
    for process in processes:
        # Not before the other one has come.
        while process.stderr.readline() != f"waiting for {missing}\n":
            assert process.poll() is None
    for process in processes:
        process.send_signal(number)
    errors = [end(process, RESUMABLE_STATUS) for process in processes]
    expected = f"stopped: by {number.name} while waiting for {missing}; checkpoints are kept"
    assert any(expected in text for text in errors), errors
    assert all(missing in text for text in errors), errors


def test_a_worker_that_ended_is_missing(start, addresses):
    first, second = start(0), start(1, "silent=0.1")
    # Until it waits for the third one alone.
    while "worker 1 of 3" in second.stderr.readline():
        pass
    first.kill()
    while f"worker 1 of 3 ({addresses[0]}): " not in second.stderr.readline():
        assert second.poll() is None
    # The third one alone is not enough, then.
    third = start(2, "seconds=2")
    assert "TimeoutError: waited 2 seconds for worker 1 of 3" in end(third, 1)
    second.terminate()
    assert f"worker 1 of 3 ({addresses[0]})" in end(second, RESUMABLE_STATUS)


def test_a_worker_waits_no_longer_than_it_may(start, addresses):
    errors = end(start(1, "seconds=0.5"), 1)
    assert f"TimeoutError: waited 0.5 seconds for worker 1 of 3 ({addresses[0]})" in errors
    assert f"worker 3 of 3 ({addresses[2]})" in errors


def test_a_worker_that_was_killed_and_started_again_is_waited_for(start):
    first, second = start(0), start(1, "silent=0.5")
    while "worker 1 of 3" in second.stderr.readline():
        pass
    first.kill()
    first.wait()
    third = start(2)
    again = start(0)
    assert [end(process) for process in (again, third)] == ["together\n"] * 2
    assert "together" in end(second)


def test_a_program_that_is_no_worker_is_named(start, addresses):
    with socket.create_server(("127.0.0.1", int(addresses[1].partition(":")[2]))) as stranger:
        process = start(0)
        # When the second one is here, the answer to the first was read.
        for _ in range(2):
            connection, _ = stranger.accept()
            with connection:
                # What is not read would reset the connection, before the answer is read.
                assert connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n".ljust(100))
        process.terminate()
        errors = end(process, RESUMABLE_STATUS)
    assert f"({addresses[1]}): what listens there is no worker that waits" in errors


def test_what_a_stranger_sends_does_not_count(start, addresses):
    port = int(addresses[0].partition(":")[2])
    process = start(0)
    for content in (b"", b"GET / HTTP/1.1\r\n\r\n", bytes(60), b"cisreg 1" + bytes(52)):
        connect(port, content).close()
    process.terminate()
    # The last one is a greeting from a worker with other addresses.
    assert process.wait(60) in (1, RESUMABLE_STATUS)


def connect(port, content):
    deadline = time.monotonic() + 30
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), 5)
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    connection.sendall(content)
    return connection


def test_workers_with_other_addresses_all_say_so(start, addresses):
    processes = [start(0), start(1, listed=[*addresses[:2], "127.0.0.1:9"])]
    errors = [end(process, 1) for process in processes]
    for number, text in enumerate(errors):
        expected = f"worker {2 - number} has others than worker {number + 1}"
        assert f"TF_CONFIG: expected the same addresses in all workers, but {expected}" in text


def test_an_address_that_is_in_use_is_said(start, addresses):
    port = int(addresses[0].partition(":")[2])
    with socket.create_server(("", port)):
        errors = end(start(0), 1)
    assert f"worker 1 of 3 ({addresses[0]}): expected a port at which this process" in errors
    assert f"got {port} (Address already in use)" in errors


def test_names_that_nobody_knows_are_those_of_missing_workers(start, addresses):
    process = start(0, "silent=1", listed=[addresses[0], "nobody.invalid:1"])
    process.stderr.readline()
    process.terminate()
    assert "worker 2 of 2 (nobody.invalid:1)" in end(process, RESUMABLE_STATUS)
