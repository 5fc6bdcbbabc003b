"""A cache of its own for each test, and a server."""

from __future__ import annotations

import pytest

from tests.datasets.served_files import serving


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The folder of the cache, which no test shares with the user or another test."""
    monkeypatch.setenv("CISREG_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CISREG_REGISTRIES", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def server(monkeypatch):
    """A server of this machine; nobody waits between attempts."""
    pytest.importorskip("aiohttp")
    pytest.importorskip("fsspec")
    monkeypatch.setattr("cisreg.datasets.remote._PAUSE", 0.0)
    with serving() as each:
        yield each
