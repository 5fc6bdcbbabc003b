"""Starts TensorFlow without the notices that it writes at every import.

In the commands only `start_tensorflow` may import TensorFlow. It captures what TensorFlow writes to
standard error during the import, drops routine notices and passes everything else on.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, cast

from cisreg.progress import LogStream

# TF_CPP_MIN_LOG_LEVEL: 0 shows all messages of TensorFlow's C++ code, 2 only errors.
_ALL, _ERRORS = "0", "2"
_ROUTINE = re.compile(
    r"^[IW]\d{4} |^\d{4}-\d\d-\d\d [\d:.]+: [IW] |^WARNING: All log messages before absl::|"
    r"^To enable the following instructions"
)
# What TensorFlow reports as an error on every machine without a GPU.
_NO_GPU = re.compile(r"^E\d{4} .*cuInit")
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


def start_tensorflow(*, explain: bool = False) -> list[str]:
    """Imports TensorFlow and makes it look for devices.

    Args:
        explain: return all messages of TensorFlow, including routine notices.

    Returns:
        All messages with `explain`, otherwise those that were passed on to standard error.

    Raises:
        ImportError: TensorFlow cannot be imported; all its messages are passed on.

    Example:
        >>> start_tensorflow()
        []
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _ALL if explain else _ERRORS)
    messages: list[str] = []
    try:
        with _captured_stderr(messages):
            import tensorflow as tf

            tf.get_logger().setLevel("ERROR")
            tf.config.list_physical_devices()
    except BaseException:
        _pass_on(messages)
        raise
    if explain:
        return messages
    remarkable = [message for message in messages if _is_remarkable(message)]
    _pass_on(remarkable)
    return remarkable


def _is_remarkable(message: str) -> bool:
    if _NO_GPU.search(message):
        return NVIDIA_DRIVER.exists()
    return not _ROUTINE.search(message)


def _pass_on(messages: list[str]) -> None:
    for message in messages:
        print(message, file=cast(IO[str], LogStream(sys.stderr)))


@contextmanager
def _captured_stderr(lines: list[str]) -> Iterator[None]:
    """Collects what C++ code writes to file descriptor 2; replacing sys.stderr does not.

    Where there is no standard error, or no room for what is written to it, nothing is collected.
    """
    with ExitStack() as stack:
        try:
            LogStream(sys.stderr).flush()
            captured = stack.enter_context(_unnamed_file())
            original = os.dup(2)
        except OSError:
            yield
            return
        stack.callback(os.close, original)
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(original, 2)
            captured.seek(0)
            lines += captured.read().decode(errors="replace").splitlines()


def _unnamed_file() -> IO[bytes]:
    """A file in memory where there are such files (Linux): the disk may be full."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("stderr"), "w+b")
    return tempfile.TemporaryFile()
