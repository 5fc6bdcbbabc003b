"""Runs programs in processes that start with TensorFlow imported, which saves seconds.

They are forked from a process that has imported TensorFlow and done nothing else. Like any other
process, they have a process ID, streams, an environment and an exit status, and can receive
signals.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

PRELOADED = ["tensorflow", "cisreg.training", "cisreg.cli.app"]


def forking_context():
    """Processes of this context start with TensorFlow imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


class Forked:
    """A program in Python, with the part of the interface of `subprocess.Popen` that tests use.

    `program` is the name of a module, as for `python -m`, or the path of a script. Its output is
    kept in files; `communicate` returns it as text.
    """

    def __init__(self, program, *words, environment: Mapping[str, str] | None = None):
        self.args = [program, *map(str, words)]
        self._folder = tempfile.TemporaryDirectory(prefix="cisreg-forked-")
        self._streams = [Path(self._folder.name) / name for name in ("output", "errors")]
        environment = dict(os.environ if environment is None else environment)
        self._process = forking_context().Process(
            target=_become,
            args=(self.args, environment, Path.cwd(), self._streams),
            daemon=True,  # a test that fails leaves no process behind
        )
        self._process.start()

    @property
    def pid(self):
        return self._process.pid

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self._process.exitcode

    def wait(self, timeout=None):
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def communicate(self, timeout=None):
        """Waits for the end; returns what was written to standard output and standard error."""
        self.wait(timeout)
        return tuple(path.read_text() if path.exists() else "" for path in self._streams)

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def _become(words, environment, folder, streams):
    """In the forked process: runs the program as `python -m program words` would."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for stream, path in zip((1, 2), streams, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    sys.stdin = Path(os.devnull).open()  # noqa: SIM115
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    program, *options = words
    sys.argv = [program, *options]
    if Path(program).is_file():
        sys.orig_argv = [sys.executable, program, *options]
        runpy.run_path(program, run_name="__main__")
    else:
        sys.orig_argv = [sys.executable, "-m", program, *options]
        runpy.run_module(program, run_name="__main__", alter_sys=True)
