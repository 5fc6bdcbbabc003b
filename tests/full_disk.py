"""Simulates a full disk for one file."""

from __future__ import annotations

from pathlib import Path

import pytest

_FULL = Path("/dev/full")


def fill_disk(path: Path) -> None:
    """Makes `replace_file` fail for this path as on a full disk."""
    if not _FULL.exists():
        pytest.skip(f"{_FULL} is missing, which stands for a full disk")
    path.with_name(path.name + ".partial").symlink_to(_FULL)
