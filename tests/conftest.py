"""Setup and cleanup around every test."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# The machine may be busy, so examples have no time limit.
settings.register_profile("cisreg", deadline=None, max_examples=50)
settings.load_profile("cisreg")
# Other processes, including other tests, need GPU memory too.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
# Processes that tests start can import the same modules, in every working folder.
TESTS = Path(__file__).parent
PATHS = [str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH", "")]
# What tests make by name stays out of the cache of who runs them.
os.environ["CISREG_CACHE"] = str(TESTS.parent / "build" / "cache")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, PATHS))


def pytest_configure(config):
    """Sets the same environment for everyone who runs the tests.

    Parallel test processes, and the processes that they start, have one thread each.
    """
    # A background job, or nohup, starts the tests with these signals ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if hasattr(config, "workerinput"):
        for library in ("TF_NUM_INTRAOP", "TF_NUM_INTEROP", "OMP_NUM", "OPENBLAS_NUM"):
            os.environ[f"{library}_THREADS"] = "1"


@contextlib.contextmanager
def _log_kept():
    """Restores the package's log: commands send it to the terminal, later tests expect it quiet."""
    logger = logging.getLogger("cisreg")
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logger.propagate = propagate


@pytest.fixture(autouse=True, scope="module")
def log_as_it_was_before_the_module():
    """Fixtures of a module run before those of its tests, and may run commands too."""
    with _log_kept():
        yield


@pytest.fixture(autouse=True)
def log_as_it_was():
    with _log_kept():
        yield


@pytest.fixture
def eight_cores(monkeypatch):
    """Threads beyond the cores of this machine are used too."""
    monkeypatch.setattr("cisreg.limits.available_cores", lambda: 8)


@pytest.fixture(autouse=True)
def on_the_cpu(request):
    """Runs tests on the CPU unless they are marked for the GPU.

    The GPU kernels do not check the values of their inputs; the other tests expect these checks.
    """
    if importlib.util.find_spec("tensorflow") is None:
        yield
        return
    import tensorflow as tf

    marked = request.node.get_closest_marker("gpu") is not None
    with contextlib.nullcontext() if marked else tf.device("CPU:0"):
        yield
