"""A disk that is full, for one file."""

from __future__ import annotations

from pathlib import Path

import pytest

_FULL = Path("/dev/full")


def fill_disk(path: Path) -> None:
    """Whatever `replace_file` writes for this path ends as on a full disk."""
    if not _FULL.exists():
        pytest.skip(f"{_FULL} is missing, which stands for a full disk")
    path.with_name(path.name + ".partial").symlink_to(_FULL)
