"""Skips tests of an executor if this machine lacks something for it, and says what is missing."""

from __future__ import annotations

import pytest

from benchmarks.shared.executors import MissingError


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    except MissingError as error:
        pytest.skip(str(error))
