"""cisreg train in one process and in several: the same model, also when a process dies."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import typer
from forked import Forked

from cisreg.cli import train_workers
from cisreg.cli.train_workers import (
    check_workers,
    train_in_processes,
    with_options,
    without_options,
)
from cisreg.files import replace_file
from cisreg.processes.cluster import this_worker
from cisreg.processes.signals import RESUMABLE_STATUS
from cisreg.processes.workers import Workers, WorkersResult
from cisreg.storage import load_model

# CISREG_KILLS=30 with CISREG_EPOCHS=120 kills a worker more often than `make test-all` does.
KILLS = int(os.environ.get("CISREG_KILLS", "5"))
EPOCHS = int(os.environ.get("CISREG_EPOCHS", "30"))
RECIPE = f"""
[motifs]
flank = 1

[[stage]]
trainable = ["activity", "potentiation", "potentiation_bias", "bias"]
epochs = {EPOCHS // 3}
learning_rate = 0.04

[[stage]]
trainable = ["activity", "potentiation", "potentiation_bias", "bias", "log_concentration", "log_kd"]
epochs = {EPOCHS - EPOCHS // 3}
learning_rate = 0.01
"""


def start(*arguments):
    return Forked("cisreg", *arguments)


def finish(process, status=0):
    output, errors = process.communicate(timeout=300)
    assert process.returncode == status, (output + errors)[-3000:]
    return output + errors


def train(table, folder, *options):
    return start(
        *("train", table, "--motifs", "demo", "--recipe", table.parent / "recipe.toml"),
        *("--checkpoint-every", 1, "--output", folder, *options),
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "data"
    simulate = ("simulate", "--motifs", "demo", "--train", 300, "--test", 5, "--length", 40)
    finish(start(*simulate, "--output", folder))
    (folder / "recipe.toml").write_text(RECIPE)
    return folder / "train.tsv.gz"


@pytest.fixture(scope="module")
def one(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("one") / "model"
    finish(train(table, folder))
    return folder


def assert_close(first, second, atol):
    first, second = load_model(first), load_model(second)
    for name, value in first.parameters.items():
        np.testing.assert_allclose(second.parameters[name], value, rtol=0, atol=atol, err_msg=name)


def epochs_in(folder):
    metrics = folder / "metrics.jsonl"
    return metrics.read_bytes().count(b"\n") if metrics.exists() else 0


def wait_for_epochs(process, folder, count):
    while epochs_in(folder) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def children(process):
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()


@pytest.fixture(scope="module")
def two(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two") / "model"
    output = finish(train(table, folder, "--workers", 2))
    assert output.count("Model written to") == 1
    return folder


def test_two_workers_leave_the_model_of_one(one, two):
    folder = two
    assert_close(one, folder, 1e-4)
    assert epochs_in(folder) == epochs_in(one)
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [record["total_epoch"] for record in records] == list(range(1, len(records) + 1))


def kill_one_of(process, folder):
    """Kills a random worker at a random moment after one of the next two epochs."""
    wait_for_epochs(process, folder, epochs_in(folder) + random.randrange(1, 3))
    time.sleep(random.uniform(0, 0.05))
    os.kill(int(random.choice(children(process))), signal.SIGKILL)


@pytest.mark.parametrize("kills", [1, pytest.param(KILLS, marks=pytest.mark.slow)])
def test_a_lost_worker_is_replaced_and_the_run_goes_on_to_the_same_bits(
    table, two, tmp_path, kills
):
    folder = tmp_path / "model"
    process = train(table, folder, "--workers", 2, "--restarts", kills)
    for kill in range(kills):
        kill_one_of(process, folder)
        if kill < kills - 1:
            # The other workers end, and all are started again.
            wait_for_new_children(process)
    output = finish(process)
    assert output.count("was ended by SIGKILL; continuing from the last checkpoint") == kills
    assert_close(two, folder, 0)
    assert epochs_in(folder) == epochs_in(two)


def wait_for_new_children(process):
    before = children(process)
    while set(children(process)) & set(before) or len(children(process)) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def test_without_restarts_the_work_is_kept_and_the_status_says_so(table, one, tmp_path):
    folder = tmp_path / "model"
    process = train(table, folder, "--workers", 2)
    wait_for_epochs(process, folder, 5)
    os.kill(int(children(process)[1]), signal.SIGKILL)
    output = finish(process, RESUMABLE_STATUS)
    assert "worker 2 of 2 was ended by SIGKILL; checkpoints are kept, --resume continues" in output
    # One worker resumes the run of two workers.
    finish(train(table, folder, "--resume"))
    assert_close(one, folder, 1e-4)


@pytest.mark.parametrize(
    ("workers", "number"),
    [
        (1, signal.SIGTERM),
        (1, signal.SIGHUP),
        (2, signal.SIGINT),
        pytest.param(1, signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(2, signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_a_signal_stops_with_a_checkpoint(table, one, tmp_path, workers, number):
    folder = tmp_path / "model"
    process = train(table, folder, "--workers", workers)
    wait_for_epochs(process, folder, 5)
    process.send_signal(number)
    output = finish(process, RESUMABLE_STATUS)
    name = "SIGTERM" if workers == 2 else number.name
    assert f"stopped: stopped by {name} after step" in output or "by another worker" in output
    assert not (folder / "model.json").exists()
    finish(train(table, folder, "--resume"))
    assert_close(one, folder, 0 if workers == 1 else 1e-4)


def train_as(number, addresses, table, folder, *options):
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CONFIG", json.dumps(config))
        return train(table, folder, "--threads", 1, *options)


def free_addresses(count):
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def wait_for_listener(process, address):
    """Until the worker listens at its address, where it waits for the others."""
    host, _, port = address.partition(":")
    while True:
        assert process.poll() is None, process.communicate()
        try:
            socket.create_connection((host, int(port)), 5).close()
            return
        except OSError:
            time.sleep(0.02)


@pytest.mark.parametrize("number", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_worker_whose_partner_never_comes_ends_by_a_signal(table, tmp_path, number):
    addresses = free_addresses(2)
    process = train_as(number, addresses, table, tmp_path / "model")
    wait_for_listener(process, addresses[number])
    process.send_signal(signal.SIGTERM)
    output = finish(process, RESUMABLE_STATUS)
    missing = f"worker {2 - number} of 2 ({addresses[1 - number]})"
    assert f"stopped: by SIGTERM while waiting for {missing}" in output


@pytest.mark.slow
def test_a_worker_that_waits_for_one_that_loads_data_ends_by_a_signal(table, tmp_path):
    """Both are connected; TensorFlow waits in C++ code, where no handler of Python runs."""
    recipe = tmp_path / "waiting.toml"
    os.mkfifo(recipe)
    addresses = free_addresses(2)
    folder = tmp_path / "model"
    waiting = train_as(0, addresses, table, folder)
    loading = train_as(1, addresses, table, folder, "--recipe", recipe)
    pipe = wait_for_reader(loading, recipe)
    while not (folder / "checkpoint").exists():
        assert waiting.poll() is None, waiting.communicate()
        time.sleep(0.1)
    # Until it waits for the other one.
    time.sleep(1)
    for process in (waiting, loading):
        process.send_signal(signal.SIGTERM)
        assert "stopped: by SIGTERM" in finish(process, RESUMABLE_STATUS)
    os.close(pipe)


def test_tasks_of_slurm_find_each_other(table, one, tmp_path):
    """Sets the variables that Slurm sets for two tasks of a step on one machine."""
    slurm = {
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_TASKS_PER_NODE": "2",
        "SLURM_NTASKS": "2",
    }
    folder = tmp_path / "model"
    processes = []
    for task in ("1", "0"):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (slurm | {"SLURM_PROCID": task}).items():
                patch.setenv(name, value)
            processes.append(train(table, folder, "--strategy", "slurm", "--threads", 1))
    outputs = [finish(process) for process in processes]
    assert ["Model written to" in output for output in outputs] == [False, True]
    assert_close(one, folder, 1e-4)


def run_workers(script, count):
    with Workers(count) as workers:
        return workers.run([sys.executable, "-c", script])


def test_an_error_of_one_worker_ends_all_and_is_shown(tmp_path):
    script = (
        "import json, os, sys, time\n"
        "if json.loads(os.environ['TF_CONFIG'])['task']['index'] == 1:\n"
        "    sys.exit('the second one cannot')\n"
        "time.sleep(0.5)\n"
    )
    result = run_workers(script, 3)
    assert (result.status, result.worker) == (1, 1)
    assert result.message == "the second one cannot"


def test_a_worker_that_does_not_end_is_ended(monkeypatch):
    monkeypatch.setattr("cisreg.processes.workers._PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr("cisreg.processes.workers._TERMINATION_SECONDS", 0.2)
    script = (
        "import json, os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if json.loads(os.environ['TF_CONFIG'])['task']['index'] == 0:\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "time.sleep(1000)\n"
    )
    result = run_workers(script, 2)
    assert (result.status, result.worker) == (-signal.SIGKILL, 0)


def test_options_are_taken_out_with_their_values():
    command = ["train", "x", "--workers", "2", "--restarts=1", "--seed", "3"]
    assert without_options(command, ("--workers", "--restarts")) == ["train", "x", "--seed", "3"]
    command = ["train", "--resume", "--workers=2", "--", "--workers", "x"]
    left = without_options(command, ["--workers"], flags=["--resume"])
    assert left == ["train", "--", "--workers", "x"]
    assert with_options(left, "--seed", "3") == ["train", "--seed", "3", "--", "--workers", "x"]


@pytest.mark.parametrize("begun", [False, True])
def test_a_restart_goes_on_with_no_run_that_was_to_be_replaced(tmp_path, monkeypatch, begun):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("the earlier run's")
    commands = []

    def run(self, command):
        commands.append(command[command.index("train") :])
        if begun:
            with replace_file(recipe) as file:
                file.write(b"its own")
        return WorkersResult(-9 if len(commands) == 1 else 0, 0, "")

    monkeypatch.setattr(train_workers.Workers, "run", run)
    arguments = ["python", "cisreg", "train", "--overwrite", "--restarts", "1", "--", "x"]
    monkeypatch.setattr(sys, "orig_argv", arguments)
    train_in_processes(1, 1, 4, tmp_path)
    again = "--resume" if begun else "--overwrite"
    assert commands == [["train", "--overwrite", "--", "x"], ["train", again, "--", "x"]]


def test_processes_that_would_not_train_together_are_refused(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    check_workers(2, 1, "auto")
    for strategy in ("none", "mirrored", "slurm"):
        check_workers(1, 1, strategy)
        with pytest.raises(typer.BadParameter, match=f"expected 1 with --strategy {strategy}"):
            check_workers(2, 0, strategy)
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    check_workers(1, 0, "auto")
    for workers, restarts in (2, 0), (1, 1):
        with pytest.raises(typer.BadParameter, match="TF_CONFIG already lists the workers"):
            check_workers(workers, restarts, "auto")
    assert (this_worker(), this_worker("none"), this_worker("mirrored")) == (1, 0, 0)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_workers_end_with_the_process_that_started_them(tmp_path, number):
    if sys.platform != "linux":
        pytest.skip("only Linux tells a process that its parent is gone")
    worker = f"import os, time; open(f'{tmp_path}/{{os.getpid()}}', 'w'); time.sleep(1000)"
    script = (
        "import signal, sys; from cisreg.processes.workers import Workers\n"
        # The process that runs the tests may ignore SIGHUP, for example under nohup.
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        f"with Workers(2) as workers: workers.run([sys.executable, '-c', {worker!r}])"
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    while len(list(tmp_path.iterdir())) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    process.wait(timeout=60)
    deadline = time.monotonic() + 60
    while any(is_running(path.name) for path in tmp_path.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(number):
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    # If no process waits for orphans, they stay in the process list as zombies.
    return state != "Z"


@pytest.mark.parametrize("late", [0, 1])
def test_the_cause_is_named_rather_than_a_worker_that_lost_it(late):
    """The result is the same whichever of the two ends first."""
    script = (
        "import json, os, sys, time\n"
        "index = json.loads(os.environ['TF_CONFIG'])['task']['index']\n"
        f"time.sleep(1 if index == {late} else 0)\n"
        "sys.exit(75 if index == 0 else 'the cause')"
    )
    result = run_workers(script, 2)
    assert (result.status, result.worker, result.message) == (1, 1, "the cause")


def wait_for_reader(process, pipe):
    """Until the process waits for what a pipe gives; returns its other end."""
    while True:
        assert process.poll() is None, process.communicate()
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_training_has_the_status_of_a_run_to_resume(table, tmp_path, number):
    recipe = tmp_path / "waiting.toml"
    os.mkfifo(recipe)
    options = ("--motifs", "demo", "--recipe", recipe, "--output", tmp_path / "model")
    process = start("train", table, *options)
    pipe = wait_for_reader(process, recipe)
    process.send_signal(number)
    output = finish(process, RESUMABLE_STATUS)
    os.close(pipe)
    assert f"stopped: by {number.name}; checkpoints are kept" in output
