"""What every test begins and ends with."""

from __future__ import annotations

import contextlib
import logging
import os

import pytest

# Other processes, those of tests among them, want memory of a GPU as well.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


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
