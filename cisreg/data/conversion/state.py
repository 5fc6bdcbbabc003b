"""What was asked of a conversion and what of it is done, as its hidden folder has it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cisreg.data.conversion.journal import read_journal
from cisreg.data.conversion.spill import SEQUENCE, WEIGHT, Run, sound_runs
from cisreg.data.formats.manifest import ManifestFile, Order
from cisreg.files import LOCK_FILE

if TYPE_CHECKING:
    from cisreg.data.files import DatasetFiles

JOURNAL, SPILL = "journal", "rows.arrow"
PART = re.compile(r"part-[0-9]{5,}\.parquet")
# Of what the journal and the spill file hold; another one cannot go on with them.
_WORK_VERSION = 1


class ConversionOptions(NamedTuple):
    """What the files are a function of, beside the rows; see `convert`."""

    order: Order
    seed: int
    rows_per_file: int
    rows_per_group: int


def request_of(source: DatasetFiles, options: ConversionOptions) -> dict[str, Any]:
    """What two conversions have in common whose files are the same."""
    columns = source.columns
    request = {
        "version": _WORK_VERSION,
        "source": source.content_fingerprint(),
        "columns": [columns.sequence, columns.name, columns.expression],
        "weight": columns.weight,
        "names": _names(source),
        **options._asdict(),
    }
    # As the journal gives it back: lists for tuples.
    return json.loads(json.dumps(request))


def _names(source: DatasetFiles) -> list[str]:
    """Names for the columns of the expression."""
    names = source.expression_names
    if len(names) == 1:
        return ["expression"]
    lower = {name.lower() for name in names}
    if len(lower) == len(names) and not lower & {SEQUENCE, WEIGHT, ""}:
        return list(names)
    return [f"expression_{number}" for number in range(1, len(names) + 1)]


class ConversionState:
    """What is done of a conversion, as its journal has it.

    Attributes:
        request: what was asked for.
        runs: in the spill file.
        read: rows that were left out by reason, once the source is read.
        parts: files that are whole, by number.
        moving: whether they are all whole, and on their way to their folder.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.runs: list[Run] = []
        self.read: dict[str, int] | None = None
        self.parts: dict[int, ManifestFile] = {}
        self.moving = False

    def entries(self) -> list[dict[str, Any]]:
        """The lines of a journal that says all this."""
        lines: list[dict[str, Any]] = [{"request": self.request}]
        lines += [{"run": run} for run in self.runs]
        lines += [] if self.read is None else [{"read": self.read}]
        lines += [{"part": number, "file": vars(file)} for number, file in self.parts.items()]
        return lines + ([{"moving": True}] if self.moving else [])

    def take_over(self, work: Path) -> None:
        """Goes on from what is in the folder.

        Raises:
            ValueError: something else was asked for there, or its journal is damaged.
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
    """Whether there is a file of so many bytes."""
    return path.exists() and path.stat().st_size == size


def empty_work(work: Path) -> None:
    """Deletes the files of the work, the journal last, and keeps the lock."""
    for path in work.iterdir():
        if path.name not in (JOURNAL, LOCK_FILE):
            path.unlink()
    (work / JOURNAL).unlink(missing_ok=True)


def remove_work(work: Path) -> None:
    """Deletes the folder of the work."""
    empty_work(work)
    (work / LOCK_FILE).unlink(missing_ok=True)
    work.rmdir()
