"""The most that is taken of a machine: its memory and cores; and the largest sizes accepted.

A file of a few megabytes can hold a line without end, and an option any number. Both are compared
with these limits before memory is taken.
"""

from __future__ import annotations

import functools
import logging
import operator
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

logger = logging.getLogger("cisreg")

# Bytes of a line of any text file. One-hot text has 8 for each base.
LONGEST_LINE = 1 << 24
# Letters of a record of FASTA in a dataset: the largest human chromosome has 249 million bases.
LONGEST_RECORD = 1 << 28
# Bases of a sequence that is simulated, encoded or modelled.
LONGEST_SEQUENCE = LONGEST_LINE
# Fields of a line of a table.
MOST_FIELDS = 1 << 16
# Lines of a file that is read for its motifs or numbers.
MOST_LINES = 1 << 20
# Columns of a motif matrix. The widest of known factors have about 35.
WIDEST_MOTIF = 1000
MOST_MOTIFS = 100_000
# Outputs of a model, such as conditions or cell types.
MOST_OUTPUTS = 1000
# Rows computed at a time, row groups read at a time, and processes of one command.
MOST_ROWS_AT_ONCE = 1 << 16
MOST_LANES = 1 << 10
MOST_WORKERS = 64
# Files of one dataset.
MOST_FILES = 100_000
# Bytes of a file that is read as a whole: recipes and descriptions of models.
LARGEST_DESCRIPTION = 1 << 24

_NO_THREAD = "can't start new thread"
# Share of the memory that one array may take.
_SHARE = 0.5
# Files in which Linux states the memory limit of a container.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def host_memory() -> int:
    """Bytes of memory of the machine, or the limit of the container if that is lower.

    Example:
        >>> host_memory() > 1 << 20
        True
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in _LIMITS:
        # Without a limit the file holds "max" or does not exist.
        with suppress(OSError, ValueError):
            memory = min(memory, int(Path(path).read_text()))
    return memory


def check_memory(what: str, size: int, remedy: str) -> None:
    """Refuses what would take more than half of the memory, before it is taken.

    Args:
        what: what takes it, for the error.
        size: bytes.
        remedy: what to do, for the error.

    Raises:
        ValueError: it is more.

    Example:
        >>> check_memory("sequence_count: 10 sequences of 110 bases", 1100, "give fewer")
    """
    most = int(_SHARE * host_memory())
    if size > most:
        raise ValueError(
            f"{what}: expected at most {most / 1e9:.1f} GB, half of this machine's memory, got "
            f"{size / 1e9:,.1f} GB; {remedy}"
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, or a thread, could not be had.

    Python, NumPy, Arrow and native code raise a MemoryError or a class derived from it; TensorFlow
    has an error of its own.

    Example:
        >>> is_out_of_memory(MemoryError()), is_out_of_memory(ValueError())
        (True, False)
    """
    no_thread = isinstance(error, RuntimeError) and _NO_THREAD in str(error)
    of_tensorflow = type(error).__name__ == "ResourceExhaustedError"
    return isinstance(error, MemoryError) or no_thread or of_tensorflow


def out_of_memory(error: BaseException) -> str:
    """The message for an error of which `is_out_of_memory` is true.

    Example:
        >>> out_of_memory(MemoryError("cannot allocate 8 GB"))[:65]
        'memory: expected enough for this, got too little (cannot allocate'
    """
    reason = str(error).strip().partition("\n")[0][:200]
    return (
        f"memory: expected enough for this, got too little{f' ({reason})' if reason else ''}; "
        "close other programs, or use fewer threads, smaller batches or less data at once"
    )


def check_range(name: str, value: int, least: int, most: int) -> None:
    """Refuses a number that is out of its range.

    Raises:
        ValueError: it is below `least` or above `most`.

    Example:
        >>> check_range("slack", 5, 0, 100)
    """
    if value < least:
        raise ValueError(f"{name}: expected {least} or more, got {value}")
    if value > most:
        raise ValueError(f"{name}: expected at most {most:,}, got {value:,}")


def read_description(file: BinaryIO, path: str | os.PathLike[str]) -> bytes:
    """The content of a file that describes something and is therefore small.

    Args:
        file: the file, opened.
        path: its path, for the error.

    Raises:
        ValueError: it has more than 16 MiB.

    Example:
        >>> import io
        >>> read_description(io.BytesIO(b"{}"), "model.json")
        b'{}'
    """
    content = file.read(LARGEST_DESCRIPTION + 1)
    if len(content) > LARGEST_DESCRIPTION:
        raise ValueError(
            f"{os.fspath(path)}: expected {LARGEST_DESCRIPTION:,} bytes at most, got more; is it "
            "the right file?"
        )
    return content


def check_columns(place: str, count: int) -> None:
    """Refuses a table with far too many columns.

    Raises:
        ValueError: there are more than 65,536; the message begins with `place`.

    Example:
        >>> check_columns("x.tsv:1", 3)
    """
    if count > MOST_FIELDS:
        raise ValueError(
            f"{place}: expected {MOST_FIELDS:,} columns at most, got more; is it the right file?"
        )


def available_cores() -> int:
    """Number of cores that this process may use.

    Example:
        >>> available_cores() >= 1
        True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS


def thread_count(threads: int | None) -> int:
    """Number of threads to compute with: more than there are cores do not help.

    Args:
        threads: how many are wanted; None: one for each available core.

    Returns:
        As many as wanted, but not more than `available_cores`; the log says once that there are
        fewer.

    Raises:
        TypeError: it is no whole number.
        ValueError: fewer than 1 are wanted.

    Example:
        >>> thread_count(1)
        1
    """
    cores = available_cores()
    if threads is None:
        return cores
    try:
        threads = operator.index(threads)
    except TypeError:
        raise TypeError(f"threads: expected a whole number, or None, got {threads!r}") from None
    if threads < 1:
        raise ValueError(f"threads: expected 1 or more, or None, got {threads}")
    if threads > cores:
        _say_fewer(threads, cores)
    return min(threads, cores)


@functools.cache
def _say_fewer(threads: int, cores: int) -> None:
    logger.warning(
        "threads: %d are used instead of %s, since this process may use that many cores and more "
        "threads do not help",
        *(cores, f"{threads:,}"),
    )
