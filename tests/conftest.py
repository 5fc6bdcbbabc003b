"""What every test begins and ends with."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def log_as_it_was():
    """The commands send the package's log to the terminal; tests after them expect it quiet."""
    logger = logging.getLogger("cisreg")
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logger.propagate = propagate
