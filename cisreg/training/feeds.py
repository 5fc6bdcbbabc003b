"""Chooses how a run reads its data set: from files, from memory or on the GPU."""

from __future__ import annotations

import logging
from typing import Literal

import numpy as np
import tensorflow as tf
from tensorflow.python.client import device_lib

from cisreg.choices import check_choice
from cisreg.data import Dataset, DatasetFiles, HoldOut
from cisreg.data.feeding.feed import Feed, MemoryFeed
from cisreg.data.feeding.held_out import NotShared, hold_out_rows
from cisreg.data.feeding.stream import FileFeed, RowChoice
from cisreg.data.splitting import sequence_hashes, warn_of_shared
from cisreg.limits import host_memory

logger = logging.getLogger("cisreg.training")

Cache = Literal["auto", "none", "host", "device"]
# What is held out: a share of the rows, rows marked in a column, a separate data set, or nothing.
Validation = float | HoldOut | Dataset | DatasetFiles | None

# Shares of the memory that sequences may take: training and other programs need the rest.
_HOST_SHARE = 0.4
_DEVICE_SHARE = 0.5
# How many rows and row groups are checked for what all sequences have in common.
_SEEN_ROWS = 8192
_SEEN_GROUPS = 8


def make_feed(
    dataset: Dataset | DatasetFiles | Feed,
    validation: Validation,
    seed: int,
    cache: Cache = "auto",
    *,
    progress: bool = True,
) -> tuple[Feed, Dataset | None]:
    """The feed of the training data, and the data that is held out.

    "auto" reads files into memory if their bases take less than two fifths of it, and copies the
    sequences to each GPU if they take less than half of its free memory.

    Args:
        dataset: sequences in memory, files, or a feed, which is used unchanged.
        validation: see `fit`; no share can be held out of a feed.
        seed: of split and order.
        cache: see `fit`.
        progress: whether a long reading shows a bar.

    Raises:
        ValueError: a share that is not between 0 and 1, or a cache that this data set cannot have.
        TypeError: a type that `validation` cannot have.

    Example:
        >>> feed, held_out = make_feed(dataset, 0.1, seed=0)  # doctest: +SKIP
    """
    check_choice("cache", cache, Cache)
    if isinstance(validation, (float, int)):
        validation = HoldOut(_checked_share(validation))
    if isinstance(validation, DatasetFiles):
        validation = validation.load()
    if not isinstance(validation, (HoldOut, Dataset, type(None))):
        raise TypeError(
            "validation: expected a share, a HoldOut, a Dataset, files or None, got "
            f"{type(validation).__name__}; cisreg.Dataset.from_frame makes a dataset of a table"
        )
    if isinstance(dataset, DatasetFiles):
        if cache == "none" or (cache == "auto" and not _fits_host(dataset)):
            return _stream(dataset, validation, seed)
        dataset = dataset.load(progress=progress)
    if not isinstance(dataset, Dataset):
        if isinstance(validation, HoldOut):
            raise ValueError("validation: expected a dataset or None with a feed, got a share")
        return dataset, validation
    if cache == "none":
        raise ValueError(
            'cache: expected "host", "device" or "auto" for a Dataset, which is in memory, got '
            '"none"; give what open_dataset returns'
        )
    training, held_out = dataset, None
    if isinstance(validation, HoldOut):
        training, held_out = validation.split(dataset, seed)
    elif validation is not None:
        held_out = validation
        warn_of_shared(*(sequence_hashes(each.sequence) for each in (training, held_out)))
    on_device = cache == "device" or (cache == "auto" and _fits_device(training))
    return MemoryFeed(training, seed, on_device=on_device), held_out


def some_sequences(feed: Feed) -> np.ndarray:
    """A sample of sequences spread over the feed, the same in every call, uint8 [n, L]."""
    if isinstance(feed, MemoryFeed):
        return _spread(feed.dataset.sequence, _SEEN_ROWS)
    if not isinstance(feed, FileFeed):
        return feed.sample().sequence
    # Several row groups, since in a sorted file the rows of one group are alike.
    groups = np.linspace(0, feed.group_count - 1, _SEEN_GROUPS).astype(np.int64)
    rows = [feed.read_usable(group).sequence for group in np.unique(groups).tolist()]
    return np.concatenate([_spread(each, _SEEN_ROWS // len(rows)) for each in rows])


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the rows, at equal distances."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64))]


def _checked_share(validation: float) -> float:
    if not 0 < validation < 1:
        raise ValueError(
            "validation: expected a share between 0 and 1, a HoldOut, a dataset or None, got "
            f"{validation}"
        )
    return validation


def _fits_host(files: DatasetFiles) -> bool:
    if not files.has_groups:
        return True
    # The total memory, not what is free at the moment: a resumed run must get the same answer, and
    # the system does not count its file cache as free.
    fits = int(files.group_rows.sum()) * files.length < _HOST_SHARE * host_memory()
    if not fits:
        logger.info("the sequences do not fit in memory: files are read as they are wanted")
    return fits


def _fits_device(dataset: Dataset) -> bool:
    """Whether there are GPUs whose memory can hold the data; a second copy on a CPU is useless."""
    if not tf.config.list_logical_devices("GPU"):
        return False
    devices = device_lib.list_local_devices()
    limit = min(each.memory_limit for each in devices if each.device_type == "GPU")
    return dataset.sequence.nbytes + dataset.expression.nbytes < _DEVICE_SHARE * limit


def _stream(
    files: DatasetFiles, validation: HoldOut | Dataset | None, seed: int
) -> tuple[Feed, Dataset | None]:
    groups = np.arange(len(files.group_rows))
    choice: RowChoice | None = None
    held_out = None
    if isinstance(validation, Dataset):
        choice, held_out = NotShared(validation), validation
    elif validation is not None:
        choice, held_out = hold_out_rows(files, validation, seed)
    return FileFeed(files, groups, seed, files.lanes, choice), held_out
