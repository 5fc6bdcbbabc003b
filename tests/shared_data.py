"""The data that tests share. It is stored next to the repository and never copied into it."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def shared_data(name: str) -> Path:
    """The folder or file of this name in the shared data; skips the test if it is missing."""
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"shared data are not here: {path}")
    return path
