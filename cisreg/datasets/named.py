"""Data sets and models by name: those that come with cisreg, and those of registries."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

from cisreg.data import Columns, Dataset, open_dataset
from cisreg.datasets.cache import fetch_files
from cisreg.datasets.entries import Entry, Kind, chosen_part
from cisreg.datasets.registries import VARIABLE, PathLike, read_registry, registries
from cisreg.datasets.registry_file import NAME
from cisreg.datasets.simulated import (
    DEMO_MODEL_FOLDER,
    ENTRIES,
    check_demo_dataset,
    check_demo_model,
    make_demo_dataset,
)

logger = logging.getLogger("cisreg.datasets")

Registries = PathLike | Sequence[PathLike] | None
# A name, and with a colon the part of a data set.
_REFERENCE = re.compile(rf"({NAME.pattern})(?::([a-z0-9_-]{{1,32}}))?")


def available(registry: Registries = None) -> tuple[Entry, ...]:
    """All data sets and models that have a name.

    Args:
        registry: path or URL of a registry, or several: then only what they list. None: what comes
            with cisreg, and what the registries in the variable CISREG_REGISTRIES list.

    Raises:
        FileNotFoundError, ValueError, OSError, ImportError: as `read_registry`.

    Example:
        >>> [entry.name for entry in available()]
        ['yeast_gpra_demo', 'demo']
    """
    own = ENTRIES if registry is None else ()
    return (*own, *(entry for place in registries(registry) for entry in read_registry(place)))


def find_entry(name: str, kind: Kind | None = None, registry: Registries = None) -> Entry | None:
    """The entry of a name, or None. What comes with cisreg is found without a network.

    Args:
        name: of a data set or model.
        kind: which of them; None: either.
        registry: see `available`.

    Raises:
        ValueError: several entries that differ have the name.
        FileNotFoundError, ValueError, OSError, ImportError: as `read_registry`.
    """

    def fits(entry: Entry) -> bool:
        return entry.name == name and kind in (None, entry.kind)

    if not NAME.fullmatch(name):
        return None
    if registry is None:
        for entry in ENTRIES:
            if fits(entry):
                return entry
    found = [entry for entry in available(registry) if fits(entry)]
    if len({(entry.kind, entry.digest) for entry in found}) > 1:
        listed = ", ".join(f"a {entry.kind} of {entry.source}" for entry in found)
        raise ValueError(
            f"name: expected one entry {name!r}, got {listed}; say which with registry, in "
            "commands --registry"
        )
    return found[0] if found else None


def describe(name: str, kind: Kind | None = None, registry: Registries = None) -> Entry:
    """What is known of a data set or model; nothing of it is downloaded.

    Args:
        name: of a data set or model.
        kind: "dataset" or "model", where both have the name.
        registry: see `available`.

    Raises:
        ValueError: there is none of that name, or several that differ.
        FileNotFoundError, ValueError, OSError, ImportError: as `read_registry`.

    Example:
        >>> describe("yeast_gpra_demo").parts
        ('train', 'test')
    """
    entry = find_entry(name, kind, registry)
    if entry is None:
        known = sorted({each.name for each in available(registry) if kind in (None, each.kind)})
        raise ValueError(
            f"name: expected a {kind or 'dataset or model'} among {', '.join(known) or 'none'}, "
            f"got {name!r}; name a registry that lists it, with registry, in commands --registry, "
            f"or in the variable {VARIABLE}"
        )
    return entry


def fetch(
    name: str,
    part: str | None = None,
    *,
    kind: Kind | None = None,
    registry: Registries = None,
    check: bool = False,
    progress: bool = True,
) -> tuple[Path, ...]:
    """The files of a data set or model on this machine; what is missing is downloaded or made.

    Downloads are of the size and the checksum that the registry says, or an error. One that was
    interrupted goes on where it stopped. What is complete is used without a network.

    Args:
        name: of a data set or model.
        part: of a data set, such as "test"; None: all parts.
        kind: "dataset" or "model", where both have the name.
        registry: see `available`.
        check: compare the checksums of what was downloaded before, and what was simulated with the
            simulation.
        progress: show a bar on standard error if that is a terminal.

    Returns:
        The paths, in the order of the registry.

    Raises:
        ValueError: no such name or part; a file that is not as the registry says.
        OSError: nothing can be downloaded; the disk is full.
        ImportError: fsspec, or its package for this kind of URL, is not installed.

    Example:
        >>> [path.name for path in fetch("yeast_gpra_demo", "test")]
        ['simulated_test.tsv.gz']
    """
    entry = describe(name, kind, registry)
    if part is not None:
        chosen_part(entry, part)
    if entry.source == "cisreg":
        return _own_files(entry, part, check)
    files = entry.files if part is None else entry.files_of(part)
    return fetch_files(entry, files, check=check, progress=progress)


def _own_files(entry: Entry, part: str | None, check: bool) -> tuple[Path, ...]:
    """The files of what comes with cisreg."""
    if entry.kind == "model":
        if check:
            check_demo_model()
        return tuple(sorted(path for path in DEMO_MODEL_FOLDER.iterdir() if path.is_file()))
    made = make_demo_dataset()
    paths = made if part is None else {part: made[part]}
    if check:
        check_demo_dataset(paths)
    return tuple(paths.values())


def load(
    name: str,
    part: str | None = None,
    *,
    registry: Registries = None,
    length: int | None = None,
    check: bool = False,
    progress: bool = True,
) -> Dataset:
    """Loads a data set by its name.

    Rows that cannot be used are left out and counted, as by `cisreg.open_dataset`; columns are
    those that the registry names, else found by their usual names.

    Args:
        name: of a data set; `available` lists them.
        part: such as "test"; None: "train", or the only part.
        registry: path or URL of a registry, or several; None: see `available`.
        length: L, bases per sequence; None: the length of the longest.
        check: see `fetch`.
        progress: see `fetch`.

    Returns:
        Sequences uint8 [N, L] and their expression, in the unit that `describe` says.

    Raises:
        ValueError, OSError, ImportError: as `fetch` and `cisreg.open_dataset`.

    Example:
        >>> data = load("yeast_gpra_demo", "test")
        >>> data.sequence.shape
        (2000, 110)
    """
    entry = describe(name, "dataset", registry)
    _tell_simulated(entry)
    paths = fetch(
        name,
        chosen_part(entry, part),
        kind="dataset",
        registry=registry,
        check=check,
        progress=progress,
    )
    columns = entry.columns or Columns(name=True)
    return open_dataset([str(path) for path in paths], length=length, columns=columns).load()


def model_folder(name: str, registry: Registries = None) -> Path | None:
    """The folder of a model by its name, downloaded if it must be; None if no model has it."""
    entry = find_entry(name, "model", registry)
    if entry is None:
        return None
    _tell_simulated(entry)
    return fetch(name, kind="model", registry=registry)[0].parent


def dataset_files(source: PathLike | Sequence[PathLike]) -> PathLike | Sequence[PathLike]:
    """Where a table may be named: the files of a data set for its name; anything else unchanged.

    A file or folder comes before a data set of the same name, which the log says.

    Args:
        source: as of `cisreg.open_dataset`; a name, or a name and a part such as
            `yeast_gpra_demo:test`. Without a part: "train", or the only one.

    Raises:
        ValueError, OSError, ImportError: as `fetch`.

    Example:
        >>> dataset_files("train.tsv")
        'train.tsv'
        >>> [path.name for path in dataset_files("yeast_gpra_demo:test")]
        ['simulated_test.tsv.gz']
    """
    match = _REFERENCE.fullmatch(source) if isinstance(source, str) else None
    if match is None or not isinstance(source, str):
        return source
    name, part = match.groups()
    if os.path.lexists(source):
        if any(entry.name == name and entry.kind == "dataset" for entry in ENTRIES):
            logger.warning("the file %s is read, not the data set of that name", source)
        return source
    entry = find_entry(name, "dataset")
    if entry is None:
        return source
    _tell_simulated(entry)
    return [*fetch(name, chosen_part(entry, part), kind="dataset")]


def _tell_simulated(entry: Entry) -> None:
    if entry in ENTRIES:
        logger.info("%s: %s", entry.name, entry.description.partition(":")[0])
