"""State of a conversion, kept in its hidden folder: what was asked for, and what is done."""

from __future__ import annotations

import json
import logging
import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cisreg.data.conversion.journal import read_journal
from cisreg.data.conversion.spill import SEQUENCE, WEIGHT, Run, sound_runs
from cisreg.data.formats.manifest import ManifestFile, Order
from cisreg.display import printable
from cisreg.names import ACTING

if TYPE_CHECKING:
    from cisreg.data.files import DatasetFiles

logger = logging.getLogger("cisreg.data")

JOURNAL, SPILL = "journal", "rows.arrow"
# The second number is the beginning of the file's checksum, where an older file had the plain name.
PART = re.compile(r"part-[0-9]{5,}(-[0-9a-f]{12,64})?\.parquet")
# All that a conversion makes in its work folder, apart from the journal.
_WORK_FILES = re.compile(
    rf"({re.escape(SPILL)}|({JOURNAL}|{PART.pattern})\.[0-9a-f]{{16}}\.partial|{PART.pattern})"
)
# Version of the format of journal and spill file; a different version cannot resume from them.
_WORK_VERSION = 3
# Errors upon lines of a journal that are whole, but not as a conversion writes them.
_DAMAGE = (KeyError, TypeError, ValueError, AttributeError)


class ConversionOptions(NamedTuple):
    """The options that, with the rows, determine the files; see `convert`."""

    order: Order
    seed: int
    rows_per_file: int
    rows_per_group: int


def request_of(source: DatasetFiles, options: ConversionOptions) -> dict[str, Any]:
    """Source and options as JSON; conversions with the same request write the same files."""
    columns = source.columns
    request = {
        "version": _WORK_VERSION,
        "source": source.content_fingerprint(),
        "columns": [columns.sequence, columns.name, columns.expression],
        "weight": columns.weight,
        "names": _names(source),
        "partly_measured": source.partly_measured,
        **options._asdict(),
    }
    # In the form in which the journal returns it: lists instead of tuples.
    return json.loads(json.dumps(request))


def _names(source: DatasetFiles) -> list[str]:
    """Names of the expression columns in the new files."""
    names = source.expression_names
    if len(names) == 1:
        return ["expression"]
    lower = {name.lower() for name in names}
    plain = not any(ACTING.search(name) for name in names)
    if plain and len(lower) == len(names) and not lower & {SEQUENCE, WEIGHT, ""}:
        return list(names)
    others = [f"expression_{number}" for number in range(1, len(names) + 1)]
    logger.warning(
        "names of the measurements cannot all be names of columns here, so that these are %s",
        ", ".join(
            f"{other} ({printable(name)})" for other, name in zip(others, names, strict=True)
        ),
    )
    return others


class ConversionState:
    """What is done of a conversion, as recorded in its journal.

    Attributes:
        request: what was asked for.
        runs: the runs in the spill file.
        read: numbers of rows left out, by reason; None until the source is read.
        parts: complete files, by number.
        moving: the files by the names that they get in their folder, once all are complete and are
            being moved there; None before.
        replaced: sizes of the files of the dataset that is replaced, by name.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.runs: list[Run] = []
        self.read: dict[str, int] | None = None
        self.parts: dict[int, ManifestFile] = {}
        self.moving: list[str] | None = None
        self.replaced: dict[str, int] = {}

    def entries(self) -> list[dict[str, Any]]:
        """The lines of a journal with this state."""
        lines: list[dict[str, Any]] = [{"request": self.request}]
        lines += [{"run": run} for run in self.runs]
        lines += [] if self.read is None else [{"read": self.read}]
        lines += [{"part": number, "file": vars(file)} for number, file in self.parts.items()]
        return lines + ([] if self.moving is None else [self.moving_entry()])

    def moving_entry(self) -> dict[str, Any]:
        """The line that says which files are moved, and which they replace."""
        return {"moving": self.moving, "replaced": self.replaced}

    def take_over(self, work: Path) -> None:
        """Loads the state from the work folder.

        Raises:
            ValueError: the request of the folder is a different one, or its journal is damaged.
        """
        entries = read_journal(work / JOURNAL)
        if entries:
            self._check_request(work, entries[0].get("request", {}))
        try:
            self._take(entries[1:])
        except _DAMAGE as error:
            raise ValueError(
                f"{work / JOURNAL}: expected lines of a conversion, got something else "
                f"({error!r}); overwrite to start anew"
            ) from None
        if self.moving is not None:
            return
        self.parts = {
            number: file
            for number, file in self.parts.items()
            if has_size(work / file.name, file.bytes)
        }
        sound = sound_runs(work / SPILL, self.runs)
        if len(sound) < len(self.runs):
            self.runs, self.read = sound, None

    def _take(self, entries: Sequence[dict[str, Any]]) -> None:
        for entry in entries:
            if "run" in entry:
                self.runs.append(Run(*map(_count, entry["run"])))
            elif "read" in entry:
                self.read = {reason: _count(rows) for reason, rows in entry["read"].items()}
            elif "part" in entry:
                file = ManifestFile(**entry["file"])
                _check_names([file.name])
                self.parts[_count(entry["part"])] = file
            else:
                self.moving, self.replaced = list(entry["moving"]), dict(entry["replaced"])
                _check_names([*self.moving, *self.replaced])
                if sorted(self.parts) != list(range(len(self.moving))):
                    raise ValueError("not every part has a name")

    def _check_request(self, work: Path, there: dict[str, Any]) -> None:
        for name, value in self.request.items():
            if there.get(name) == value:
                continue
            expected, got = repr(there.get(name)), repr(value)
            if name == "source":
                expected, got = "the same files", "others, or files that were changed since"
            raise ValueError(
                f"{name}: expected {expected} as in the interrupted conversion in {work.parent}, "
                f"got {got}; ask for the same to resume, or overwrite it to start anew"
            )


def moved_files(work: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Sizes by name of the files that an interrupted conversion moves, and of those they replace.

    Both are empty if it moved nothing, or if its journal cannot be read.
    """
    state = ConversionState({})
    try:
        state._take(read_journal(work / JOURNAL)[1:])
        parts = [state.parts[number] for number in range(len(state.parts))]
    except (OSError, *_DAMAGE):
        return {}, {}
    names = state.moving or []
    return {name: part.bytes for name, part in zip(names, parts, strict=False)}, state.replaced


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no number of 0 or more")
    return value


def _check_names(names: list[str]) -> None:
    for name in names:
        if not PART.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a part")


def has_size(path: Path, size: int) -> bool:
    """Whether there is a file of this size in bytes; a link to one does not count."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size


def remove_parts(folder: Path, sizes: Mapping[str, int]) -> None:
    """Deletes files of a dataset, by name and size; others of these names are kept, and said."""
    for name, size in sizes.items():
        path = folder / name
        if PART.fullmatch(name) and has_size(path, size):
            path.unlink()
        elif os.path.lexists(path):
            logger.warning("%s: kept, since it is not as cisreg convert wrote it", path)


def empty_work(work: Path) -> None:
    """Deletes what conversions made in the work folder, the journal last."""
    for path in work.iterdir():
        if _WORK_FILES.fullmatch(path.name) and not path.is_dir():
            path.unlink()
    (work / JOURNAL).unlink(missing_ok=True)


def remove_work(work: Path) -> None:
    """Deletes the work folder; if it holds anything that no conversion made, that is kept."""
    empty_work(work)
    try:
        work.rmdir()
    except OSError:
        logger.warning("%s: kept, since it holds files that cisreg convert did not make", work)
