"""A folder in which another process trains."""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest


@contextmanager
def held(folder):
    """Locks a folder as another process does that trains in it."""
    fcntl = pytest.importorskip("fcntl")
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)
