"""What model.json says of the origin of a model: the rows of training, and the programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from typing import Any

from cisreg.data import Dataset, HoldOut
from cisreg.data.feeding.feed import Feed, MemoryFeed
from cisreg.version import __version__


def describe_data(training: Feed, held_out: Dataset | None, how: Any) -> dict[str, Any]:
    """The rows of training and validation, so that a report finds the same ones again.

    Args:
        training: the feed.
        held_out: the rows of validation, or None.
        how: what was asked to be held out: a share, a HoldOut, or something else.

    Returns:
        JSON values: `training` and `validation`, each with its number of rows and the fingerprint
        of `Dataset.fingerprint` (None for rows that are streamed), and `held_out`, the arguments of
        the `HoldOut` that chose them; None where there is no such thing.

    Example:
        >>> import numpy as np
        >>> data = Dataset(["ACGT", "TTGC"], [1, 2])
        >>> describe_data(MemoryFeed(data, 0), None, None)["training"]["rows"]
        2
    """
    if isinstance(how, (int, float)) and not isinstance(how, bool):
        how = HoldOut(how)
    known = training.dataset.fingerprint() if isinstance(training, MemoryFeed) else None
    return {
        "training": {
            "rows": training.count,
            "fingerprint": known,
        },
        "validation": None
        if held_out is None
        else {"rows": len(held_out), "fingerprint": held_out.fingerprint()},
        "held_out": asdict(how) if isinstance(how, HoldOut) else None,
    }


def describe_source(data: Any, validation: Any) -> dict[str, Any]:
    """The files of the data as they were named, and the folder that the names start from.

    Args:
        data: a path or a list of paths; anything else has no name.
        validation: a path, or anything else.

    Example:
        >>> describe_source(["a.tsv"], 0.1)["table"]
        ['a.tsv']
    """
    found: dict[str, Any] = {}
    for role, value in (("table", data), ("validation_table", validation)):
        if isinstance(value, (str, os.PathLike)):
            found[role] = os.fspath(value)
        elif isinstance(value, list) and value and all(map(_is_path, value)):
            found[role] = [os.fspath(each) for each in value]
    return found | ({"working_folder": os.getcwd()} if found else {})  # noqa: PTH109


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def versions() -> Mapping[str, str]:
    """The versions of the programs that train, by their names.

    Example:
        >>> sorted(versions())
        ['cisreg', 'numpy', 'python', 'tensorflow']
    """
    import tensorflow as tf

    return {
        "cisreg": __version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "numpy": metadata.version("numpy"),
    }
