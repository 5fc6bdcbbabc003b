"""A test of an executor that this machine has not all for skips, and says what is missing."""

from __future__ import annotations

import pytest

from benchmarks.shared.executors import MissingError


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    except MissingError as error:
        pytest.skip(str(error))
