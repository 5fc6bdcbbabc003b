"""A command that a signal ends leaves neither temporary files nor programs behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.prepare.fake_bowtie2 import install

SLOW = """#!{python} -IS
import fcntl, sys, time
if "--version" in sys.argv:
    print(sys.argv[0] + "-align-s version 2.5.1")
    raise SystemExit
file = open("HELD", "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write("held")
file.flush()
time.sleep(20)
"""


def start(folder, *words, path=""):
    temporary = folder / "temporary"
    temporary.mkdir()
    environment = {"TMPDIR": str(temporary), "PATH": f"{path}:{os.environ['PATH']}"}
    return subprocess.Popen(
        [sys.executable, "-m", "cisreg", *map(str, words)],
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Also where the tests run under nohup.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )


def wait_for(condition, process):
    limit = time.monotonic() + 60
    while not condition():
        assert process.poll() is None and time.monotonic() < limit, process.communicate()
        time.sleep(0.01)


def end(process, number):
    try:
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == -number, errors
    assert b"Traceback" not in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_it_has_not_finished_goes(number, tmp_path):
    output = tmp_path / "output"
    output.mkdir()
    process = start(tmp_path, "prepare", "collapse", "-", "--output", output / "counts")
    process.stdin.write(b"ACGT\n" * 1000)
    process.stdin.flush()
    wait_for(lambda: [*(tmp_path / "temporary").iterdir()] or [*output.iterdir()], process)
    end(process, number)
    assert [*output.iterdir()] == [*(tmp_path / "temporary").iterdir()] == []


def test_bowtie2_ends_with_it(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    counts, held = tmp_path / "counts", tmp_path / "held"
    counts.write_text("ACGTACGT\t2\nACGTACGA\t1\n")
    programs = install(tmp_path / "programs", build=SLOW.replace("HELD", str(held)))
    words = ("prepare", "cluster", counts, "--method", "bowtie2", "--output", tmp_path / "merged")
    process = start(tmp_path, *words, path=programs)
    wait_for(lambda: held.exists() and held.stat().st_size, process)
    end(process, signal.SIGTERM)
    with held.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the program has ended
    assert [*(tmp_path / "temporary").iterdir()] == []
