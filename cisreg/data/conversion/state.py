"""State of a conversion, kept in its hidden folder: what was asked for, and what is done."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cisreg.data.conversion.journal import read_journal
from cisreg.data.conversion.spill import SEQUENCE, WEIGHT, Run, sound_runs
from cisreg.data.formats.manifest import ManifestFile, Order
from cisreg.locks import LOCK_FILE
from cisreg.names import ACTING

if TYPE_CHECKING:
    from cisreg.data.files import DatasetFiles

JOURNAL, SPILL = "journal", "rows.arrow"
PART = re.compile(r"part-[0-9]{5,}\.parquet")
# Version of the format of journal and spill file; a different version cannot resume from them.
_WORK_VERSION = 1


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
    return [f"expression_{number}" for number in range(1, len(names) + 1)]


class ConversionState:
    """What is done of a conversion, as recorded in its journal.

    Attributes:
        request: what was asked for.
        runs: the runs in the spill file.
        read: numbers of rows left out, by reason; None until the source is read.
        parts: complete files, by number.
        moving: whether all files are complete and are being moved into their folder.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.runs: list[Run] = []
        self.read: dict[str, int] | None = None
        self.parts: dict[int, ManifestFile] = {}
        self.moving = False

    def entries(self) -> list[dict[str, Any]]:
        """The lines of a journal with this state."""
        lines: list[dict[str, Any]] = [{"request": self.request}]
        lines += [{"run": run} for run in self.runs]
        lines += [] if self.read is None else [{"read": self.read}]
        lines += [{"part": number, "file": vars(file)} for number, file in self.parts.items()]
        return lines + ([{"moving": True}] if self.moving else [])

    def take_over(self, work: Path) -> None:
        """Loads the state from the work folder.

        Raises:
            ValueError: the request of the folder is a different one, or its journal is damaged.
        """
        entries = read_journal(work / JOURNAL)
        if entries:
            self._check_request(work, entries[0].get("request", {}))
        for entry in entries[1:]:
            if "run" in entry:
                self.runs.append(Run(*entry["run"]))
            elif "read" in entry:
                self.read = entry["read"]
            elif "part" in entry:
                self.parts[entry["part"]] = ManifestFile(**entry["file"])
            else:
                self.moving = True
        if self.moving:
            return
        self.parts = {
            number: file
            for number, file in self.parts.items()
            if has_size(work / file.name, file.bytes)
        }
        sound = sound_runs(work / SPILL, self.runs)
        if len(sound) < len(self.runs):
            self.runs, self.read = sound, None

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


def has_size(path: Path, size: int) -> bool:
    """Whether the file exists and has this size in bytes."""
    return path.exists() and path.stat().st_size == size


def empty_work(work: Path) -> None:
    """Deletes the files in the work folder, the journal last; keeps the lock."""
    for path in work.iterdir():
        if path.name not in (JOURNAL, LOCK_FILE):
            path.unlink()
    (work / JOURNAL).unlink(missing_ok=True)


def remove_work(work: Path) -> None:
    """Deletes the work folder."""
    empty_work(work)
    (work / LOCK_FILE).unlink(missing_ok=True)
    work.rmdir()
