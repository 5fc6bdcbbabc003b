"""What every test begins and ends with."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# A machine may be busy: no example has a time limit.
settings.register_profile("cisreg", deadline=None, max_examples=50)
settings.load_profile("cisreg")
# Other processes, those of tests among them, want memory of a GPU as well.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
# What tests start imports what they import, whatever folder it runs in.
TESTS = Path(__file__).parent
PATHS = [str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH", "")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, PATHS))


def pytest_configure(config):
    """The same surroundings whoever runs the tests.

    Test processes beside each other, and what they start, have one thread each.
    """
    # Ignored where the tests are a job in the background, or of nohup.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if hasattr(config, "workerinput"):
        for library in ("TF_NUM_INTRAOP", "TF_NUM_INTEROP", "OMP_NUM", "OPENBLAS_NUM"):
            os.environ[f"{library}_THREADS"] = "1"


@contextlib.contextmanager
def _log_kept():
    """The commands send the package's log to the terminal; tests after them expect it quiet."""
    logger = logging.getLogger("cisreg")
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logger.propagate = propagate


@pytest.fixture(autouse=True, scope="module")
def log_as_it_was_before_the_module():
    """Fixtures of a module run before those of its tests, and may run commands as well."""
    with _log_kept():
        yield


@pytest.fixture(autouse=True)
def log_as_it_was():
    with _log_kept():
        yield


@pytest.fixture(autouse=True)
def on_the_cpu(request):
    """A GPU is for the tests that are marked so: it looks at no numbers, which others expect."""
    import tensorflow as tf

    marked = request.node.get_closest_marker("gpu") is not None
    with contextlib.nullcontext() if marked else tf.device("CPU:0"):
        yield
