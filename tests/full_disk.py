"""Simulates a full disk for one file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_FULL = "/dev/full"


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """In the block, what is written to become the file at `path` meets a full disk."""
    if not Path(_FULL).exists():
        pytest.skip(f"{_FULL} is missing, which stands for a full disk")
    open_file = os.open

    def opened(name, flags, *others, **named):
        text = os.fsdecode(name)
        if text.startswith(f"{path}.") and text.endswith(".partial"):
            name, flags = _FULL, flags & ~(os.O_EXCL | os.O_CREAT)
        return open_file(name, flags, *others, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", opened)
        yield
