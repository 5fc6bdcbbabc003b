"""Several processes of one command: how they end, and what a signal does at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import typer

from cisreg.cli import train_workers
from cisreg.cli.train_workers import train_in_processes
from cisreg.processes import workers as workers_module
from cisreg.processes.signals import RESUMABLE_STATUS
from cisreg.processes.workers import Workers

INDEX = (
    "import json, os, signal, sys, time; "
    "index = json.loads(os.environ['TF_CONFIG'])['task']['index']\n"
)
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def run(script, count=2):
    with Workers(count) as workers:
        return workers.run([sys.executable, "-c", INDEX + script])


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Runs a script as the command that trains; gives the exit status and what was shown."""

    def train(script, restarts=0):
        monkeypatch.setattr(
            train_workers, "own_command", lambda: [sys.executable, "-c", INDEX + script]
        )
        monkeypatch.chdir(tmp_path)
        try:
            train_in_processes(2, restarts, 1, tmp_path)
        except typer.Exit as error:
            return error.exit_code
        return 0

    return train


def numbers():
    named = [signal.SIGKILL, signal.SIGUSR1, signal.SIGSEGV]
    if hasattr(signal, "SIGRTMIN"):
        named += [signal.SIGRTMIN, signal.SIGRTMIN + 1, signal.SIGRTMAX - 1, signal.SIGRTMAX]
    return sorted(map(int, named))


@pytest.mark.parametrize("number", numbers())
def test_a_worker_that_any_signal_ended_uses_up_one_restart(train, caplog, capfd, number):
    """The first time the second worker is ended by the signal, the second time none is."""
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "if index == 1 and not os.path.exists('once'):\n"
        "    open('once', 'w'); os.kill(os.getpid(), int(sys.argv[1]))\n"
    )
    command = f"import sys; sys.argv[1:] = ['{number}']\n" + script
    caplog.set_level("WARNING")
    assert train(command, restarts=1) == 0
    assert len(caplog.messages) == 1
    assert "worker 2 of 2 was ended by SIG" in caplog.messages[0]
    Path("once").unlink()
    assert train(command) == RESUMABLE_STATUS
    assert "checkpoints are kept, --resume continues" in capfd.readouterr().err


@pytest.mark.parametrize("status", [1, 2, 129, 141, 143, 192, 255])
def test_an_exit_status_is_no_signal(train, capfd, caplog, status):
    assert train(f"sys.exit({status} if index == 1 else 0)", restarts=3) == status
    assert f"worker 2 of 2 ended with status {status}" in capfd.readouterr().err
    assert not caplog.messages


def test_no_file_is_needed_for_what_workers_write():
    """Where temporary files cannot be made, or find no room."""
    worker = INDEX + (
        "if index == 1:\n"
        "    for number in range(5_000): print(number, 1000 * 'x', flush=True)\n"
        "    sys.exit('the end')"
    )
    supervisor = (
        "import resource, sys, tempfile; from cisreg.processes.workers import Workers\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "tempfile.tempdir = '/nonexistent'\n"
        "with Workers(2) as workers:\n"
        f"    print(workers.run([sys.executable, '-c', {worker!r}]))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", supervisor], capture_output=True, timeout=60, text=True
    )
    assert result.stdout.startswith("WorkersResult(status=1, worker=1, message='"), result.stderr
    assert "the end" in result.stdout
    assert result.stdout.count("xx\\n") == 19


def test_of_a_long_output_the_end_is_kept():
    reader, writer = os.pipe()
    tail = workers_module._Tail(os.fdopen(reader, "rb"))
    with os.fdopen(writer, "wb") as output:
        for number in range(3000):
            output.write(b"%d %s\n" % (number, bytes(1000)))
    assert tail.text().endswith("2999 " + "\0" * 1000)
    assert len(tail._kept) == 65_536


def test_without_standard_error_workers_run_as_ever():
    worker = INDEX + "sys.stderr and sys.stderr.write('hello'); sys.exit(3 if index == 1 else 0)"
    supervisor = (
        "import sys; from cisreg.processes.workers import Workers\n"
        "with Workers(3) as workers:\n"
        f"    print(*workers.run([sys.executable, '-c', {worker!r}]))"
    )
    result = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, supervisor],
        stdout=subprocess.PIPE,
        timeout=60,
        text=True,
    )
    assert result.stdout == "3 1 hello\n"


def raise_later(seconds, *signals):
    def send():
        for number in signals:
            time.sleep(seconds)
            os.kill(os.getpid(), number)

    threading.Thread(target=send, daemon=True).start()


def raise_when_ready(folder, *signals, seconds=0.5, count=2):
    """Sends the signals once all workers have passed the line of code that this returns."""

    def send():
        while len(list(folder.glob("ready-*"))) < count:
            time.sleep(0.05)
        for number in signals:
            os.kill(os.getpid(), number)
            time.sleep(seconds)

    threading.Thread(target=send, daemon=True).start()
    return f"open({str(folder / 'ready-')!r} + str(index), 'w').close()\n"


STOPPED = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_before_any_worker_starts_starts_none(train, monkeypatch, capfd, number):
    def ports(count):
        pytest.fail("workers were started")

    cores = workers_module.Workers.__enter__

    def enter(self):
        cores(self)
        signal.raise_signal(number)
        return self

    monkeypatch.setattr(workers_module, "_free_ports", ports)
    monkeypatch.setattr(workers_module.Workers, "__enter__", enter)
    assert train("", restarts=3) == RESUMABLE_STATUS
    assert f"stopped: by {number.name}; checkpoints are kept" in capfd.readouterr().err


def test_a_signal_while_workers_are_started_reaches_all(train, monkeypatch, capfd):
    """Also the one that had been started, but was not on the list."""
    start = workers_module._start
    started = []

    def start_and_raise(*arguments):
        started.append(start(*arguments))
        if len(started) == 1:
            signal.raise_signal(signal.SIGTERM)
        return started[-1]

    monkeypatch.setattr(workers_module, "_start", start_and_raise)
    assert train("time.sleep(1000)", restarts=3) == RESUMABLE_STATUS
    assert [process.returncode for process in started] == [-signal.SIGTERM] * 2
    assert "stopped: by SIGTERM" in capfd.readouterr().err


def test_a_signal_between_two_starts_is_not_lost(train, monkeypatch, capfd):
    run_once = workers_module.Workers.run
    results = []

    def run_and_raise(self, command):
        results.append(run_once(self, command))
        if len(results) == 1:
            signal.raise_signal(signal.SIGTERM)
        return results[-1]

    monkeypatch.setattr(workers_module.Workers, "run", run_and_raise)
    assert train("os.kill(os.getpid(), signal.SIGKILL)", restarts=3) == RESUMABLE_STATUS
    assert len(results) == 1
    assert "stopped: by SIGTERM" in capfd.readouterr().err


def test_a_signal_after_the_last_worker_ended_changes_nothing(train, monkeypatch):
    run_once = workers_module.Workers.run

    def run_and_raise(self, command):
        result = run_once(self, command)
        signal.raise_signal(signal.SIGTERM)
        return result

    monkeypatch.setattr(workers_module.Workers, "run", run_and_raise)
    assert train("") == 0


def test_the_second_signal_ends_workers_that_are_deaf(tmp_path, monkeypatch):
    monkeypatch.setattr(workers_module, "_HURRY_SECONDS", 0.2)
    ready = raise_when_ready(tmp_path, signal.SIGINT, signal.SIGINT)
    result = run(f"{DEAF}{ready}time.sleep(1000)")
    assert result.status == -signal.SIGKILL


def test_a_worker_that_is_stopped_ends_too(tmp_path):
    """As by SIGSTOP, Ctrl-Z or a debugger."""
    ready = raise_when_ready(tmp_path, signal.SIGTERM)
    stop = "os.kill(os.getpid(), signal.SIGSTOP) if index else time.sleep(1000)"
    result = run(f"{STOPPED}{ready}{stop}")
    assert result.status == RESUMABLE_STATUS


def test_a_worker_that_fails_after_a_signal_is_shown(train, tmp_path, capfd):
    ready = raise_when_ready(tmp_path, signal.SIGTERM)
    script = "signal.signal(signal.SIGTERM, lambda *_: sys.exit('cannot' if index else 75))\n"
    assert train(f"{script}{ready}time.sleep(1000)") == 1
    errors = capfd.readouterr().err
    assert "worker 2 of 2 ended with status 1" in errors and "cannot" in errors


def test_under_nohup_no_signal_is_passed_on(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        raise_later(0.3, signal.SIGHUP)
        assert run("time.sleep(1)").status == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_broken_pipe_does_not_end_the_supervisor():
    raise_later(0.3, signal.SIGPIPE)
    assert run("time.sleep(1)").status == 0
