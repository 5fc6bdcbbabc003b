"""Signals end a process with status 75 within seconds, whatever it waits for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cisreg.processes.signals import (
    RESUMABLE_STATUS,
    StopRequest,
    signal_name,
    stop_at_once,
    stop_signals,
)

STAND_IN = Path(__file__).with_name("stand_in.py")
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def start(*words, environment=None, **streams):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    process = subprocess.Popen(
        [sys.executable, STAND_IN, *words], env=os.environ | (environment or {}), **options
    )
    assert process.stdout.readline() == b"ready\n", process.communicate()
    return process


def end(process, *, status=RESUMABLE_STATUS):
    try:
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    expected = status if isinstance(status, tuple) else (status,)
    assert process.returncode in expected, (output, errors)
    return (errors or b"").decode()


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_ends_a_process_that_waits_in_c_before_training(number):
    process = start("strict")
    process.send_signal(number)
    assert end(process) == (
        f"stopped: by {number.name}; checkpoints are kept, --resume continues\n"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_that_waits_in_c(number):
    process = start("command")
    process.send_signal(number)
    # A shell shows both alike; the first where the signal comes before the call into C.
    assert end(process, status=(-number, 128 + number)) == ""


def test_a_signal_ends_a_run_that_waits_for_a_worker_that_does_not_answer():
    process = start("together")
    process.send_signal(signal.SIGTERM)
    assert "stopped: by SIGTERM" in end(process)


def test_a_run_that_was_asked_to_stop_may_compute_on():
    process = start("together", "busy=1.0")
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == b"computed\n"
    end(process)


def test_a_run_on_its_own_ends_with_the_second_signal():
    process = start("patient", "idle=0")
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGINT)
    assert "stopped: by SIGINT" in end(process)


def test_a_handler_that_tensorflow_replaced_is_back():
    process = start("strict", "replaced=yes")
    process.send_signal(signal.SIGTERM)
    assert "stopped: by SIGTERM" in end(process)


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT"])
def test_a_signal_that_was_ignored_stays_ignored(name):
    """As SIGHUP under nohup, and SIGINT in the background of a script."""
    ignoring = f"import os, signal, sys; signal.signal(signal.{name}, signal.SIG_IGN); "
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", ignoring + "os.execv(sys.argv[1], sys.argv[1:])"),
            *(sys.executable, STAND_IN, "strict"),
        ],
        env=os.environ | {"IGNORED": name},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(getattr(signal, name))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.terminate()
    assert "stopped: by SIGTERM" in end(process)


def test_a_standard_error_that_nobody_reads_holds_nothing_up():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writer, bytes(65_536))
    os.set_blocking(writer, True)
    full = start("strict", stderr=writer)
    full.terminate()
    end(full)
    broken = start("strict", stderr=writer)
    os.close(reader)
    broken.terminate()
    end(broken)
    os.close(writer)


def test_without_standard_error_the_status_is_the_same():
    process = subprocess.Popen(
        ["sh", "-c", f'exec "{sys.executable}" "{STAND_IN}" strict 2>&-'], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    end(process)


def test_a_broken_pipe_is_no_reason_to_stop():
    process = start("strict")
    process.send_signal(signal.SIGPIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.terminate()
    assert "stopped: by SIGTERM" in end(process)


def test_every_signal_has_a_name():
    names = [signal_name(number) for number in range(1, signal.NSIG)]
    assert len(set(names)) == len(names)
    assert signal_name(signal.SIGKILL) == "SIGKILL"
    assert signal_name(127) == f"SIGRTMIN+{127 - signal.SIGRTMIN}"
    if sys.platform == "linux":
        assert signal_name(signal.SIGRTMIN) == "SIGRTMIN"
        assert signal_name(signal.SIGRTMIN + 3) == "SIGRTMIN+3"


def test_a_run_can_be_asked_to_stop_by_signals_without_a_name():
    number = getattr(signal, "SIGRTMIN", signal.SIGUSR1) + 1
    with StopRequest([number]) as request:
        signal.raise_signal(number)
    assert request.received == number


def test_handlers_are_as_before_afterwards(capfd):
    before = [signal.getsignal(each) for each in STOPPING]
    with pytest.raises(SystemExit) as caught, stop_at_once(stop_signals()):
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.code == RESUMABLE_STATUS
    assert [signal.getsignal(each) for each in STOPPING] == before
    assert signal.set_wakeup_fd(-1) == -1
    assert capfd.readouterr().err.startswith("stopped: by SIGTERM")


def test_a_program_that_listens_for_signals_itself_goes_on_to():
    """As asyncio does in a notebook."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    try:
        with stop_at_once([signal.SIGTERM]):
            pass
        assert signal.set_wakeup_fd(-1) == writer
    finally:
        signal.set_wakeup_fd(-1)
        os.close(reader)
        os.close(writer)
