"""Rows of files of any size: in order, a part at a time, or by row group."""

from __future__ import annotations

import html
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from cisreg.data.dataset import Dataset
from cisreg.data.feeding.batching import encode_rows
from cisreg.data.feeding.lengths import Lengths
from cisreg.data.feeding.loading import core_count
from cisreg.data.formats.manifest import Manifest
from cisreg.data.formats.parquet import ParquetReader
from cisreg.data.formats.rows import Rows, Unusable
from cisreg.data.formats.usable import check_rows, usable_rows
from cisreg.data.identity import Reader, all_files
from cisreg.data.passes import PassCounts
from cisreg.data.row_places import RowPlaces, Unit
from cisreg.sequences import Side

logger = logging.getLogger("cisreg.data")


class FileRows:
    """Rows in files, as they are read; `DatasetFiles` says what its attributes are."""

    def __init__(
        self,
        reader: Reader,
        *,
        length: int | None = None,
        side: Side = "left",
        strict: bool = False,
        manifest: Manifest | None = None,
        lanes: int = 16,
        without_expression: bool = False,
        partly_measured: bool = False,
        exposure: bool = False,
    ) -> None:
        self._reader = reader
        self._is_without_expression = without_expression
        self.lanes = lanes
        self.side: Side = side
        self.strict = strict
        self.partly_measured = partly_measured
        self._exposure = exposure
        self.manifest = manifest
        if length is None and isinstance(reader, ParquetReader):
            length = _stated_length(reader, manifest)
        self._length = length
        self._lengths: Lengths | None = None
        self._finding_length = threading.Lock()
        self._counts = PassCounts(partly_measured)
        self._why_whole: str | None = None
        self.kind = reader.kind
        self.files = tuple(file.name for file in reader.files)
        self.columns = reader.columns
        self.expression_names = reader.places.names
        self.extra_names = reader.places.extra_names
        self.weighted = reader.places.weight is not None

    @property
    def local_paths(self) -> tuple[str, ...]:
        """Paths of the files on this machine, including the file of measurements."""
        return tuple(file.path for file in all_files(self._reader) if file.is_local)

    @property
    def length(self) -> int:
        """L, bases of every encoded sequence; if it was not given, the first use finds it."""
        with self._finding_length:
            if self._length is None:
                self._length = self._longest()
            return self._length

    @property
    def columns_used(self) -> dict[str, Any]:
        """The columns that are read, as JSON values; `Columns(**columns_used)` restores them.

        Example:
            >>> open_dataset("train.tsv.gz").columns_used["sequence"]  # doctest: +SKIP
            'sequence'
        """
        return self.columns.to_json()

    @property
    def all_columns(self) -> str:
        """All columns of the first file with a value of each, for errors."""
        return self._reader.described

    @property
    def known_length(self) -> int | None:
        """L if it is known without a pass over the files, else None."""
        return self._length

    @property
    def has_groups(self) -> bool:
        """Whether the files are Parquet, which has row groups."""
        return isinstance(self._reader, ParquetReader)

    @property
    def group_rows(self) -> np.ndarray:
        """Rows of every row group of all files, int64 [G], including unusable rows.

        Raises:
            ValueError: text has no row groups.
        """
        return self._parquet().group_rows

    @property
    def unusable(self) -> Unusable:
        """The rows left out; see the class."""
        return self._counts.unusable

    def blocks(self) -> Iterator[Rows]:
        """All usable rows in order, a few megabytes at a time.

        Raises:
            FileNotFoundError, ValueError: a file was removed or is damaged; under strict,
                "file:line: expected …, got …; …" for a row that cannot be used.

        Example:
            >>> longest = max(len(text) for rows in data.blocks()
            ...               for text in rows.sequence.to_pylist())  # doctest: +SKIP
        """
        self.begin_pass()
        for part in range(self._reader.part_count):
            yield from self.part_blocks(part)
        self.end_pass()

    @property
    def trimmed(self) -> int:
        """How many of the sequences read since the pass began were longer than L."""
        return self._counts.trimmed

    def refuse_longer(self, why: str) -> None:
        """From now on, a sequence longer than L is an error; its message ends with `why`.

        Raises:
            ValueError: a longer sequence was read already.
        """
        self._why_whole = why
        self._check_whole()

    def _check_whole(self) -> None:
        if self._why_whole is not None and self.trimmed:
            raise ValueError(
                f"{self.files[0]}: expected sequences of {self.length} bases at most, got "
                f"{self.trimmed} longer ones, which would be trimmed on the {self.side}: "
                f"{self._why_whole}"
            )

    def begin_pass(self) -> None:
        """Starts a pass: resets the counts of the previous one."""
        self._counts.begin()

    def note_fit(self, part: int, padded: int, trimmed: int) -> None:
        """Counts sequences of a part that were padded and trimmed."""
        self._counts.fit(part, padded, trimmed)
        self._check_whole()

    def end_pass(self) -> None:
        """Logs the rows that this pass left out; logs once how many were padded and trimmed."""
        fitted_to = f"{self._length} bases, on the {self.side}"
        self._counts.tell(self._called, fitted_to, len(self.expression_names))

    @property
    def _called(self) -> str:
        return self.files[0] if len(self.files) == 1 else f"{len(self.files)} files"

    def __repr__(self) -> str:
        length = self.known_length
        parts = [self.kind, "length not known yet" if length is None else f"{length:,} bases"]
        if self.has_groups:
            parts.insert(1, f"{int(self.group_rows.sum()):,} rows")
        return (
            f"{type(self).__name__}({self._called}: {', '.join(parts)}; {self.columns.described})"
        )

    def _repr_html_(self) -> str:
        """The same text as `repr`, for notebooks."""
        return f"<p>{html.escape(repr(self))}</p>"

    @property
    def part_count(self) -> int:
        """Number of parts that can be read separately: row groups, or files of text."""
        return self._reader.part_count

    def places(self, part: int, number: np.ndarray) -> RowPlaces:
        """The places of rows of a part, by their numbers in its file, int64 [n]."""
        unit: Unit = "row" if self.has_groups else "line"
        return RowPlaces.numbered(number, unit, self._reader.file_name(part))

    def part_blocks(self, part: int) -> Iterator[Rows]:
        """The usable rows of one part, in blocks like those of `blocks`."""
        left_out = Unusable()
        self._counts.leave_out(part, left_out)
        return self._part_blocks(part, left_out)

    @property
    def _kept(self) -> dict[str, bool]:
        """Which rows are used, as `check_rows` takes it."""
        return {
            "strict": self.strict,
            "partly_measured": self.partly_measured,
            "exposure": self._exposure,
        }

    def _part_blocks(self, part: int, left_out: Unusable) -> Iterator[Rows]:
        self._counts.begin_gaps(part)
        for raw in self._reader.read(part):
            rows = usable_rows(raw, left_out, **self._kept)
            self._counts.gaps(part, rows.expression)
            if len(rows):
                yield rows

    def read_group(
        self, index: int, order: np.ndarray | None = None, *, out: np.ndarray | None = None
    ) -> tuple[Dataset, np.ndarray]:
        """Reads and encodes a row group; may be called by several threads at once.

        Args:
            index: number of the group, 0 to G - 1.
            order: int64 [n], a permutation of the group's n rows; None: the order of the file.
            out: uint8 [n, L], to whose first rows the codes are written; None: a new array.

        Returns:
            (the usable rows in that order, which entries of `order` are usable, bool [n]).

        Raises:
            ValueError: an index or order out of range; text, which has no row groups.
            FileNotFoundError, ValueError: as `blocks`.

        Example:
            >>> rows, kept = data.read_group(0)  # doctest: +SKIP
            >>> rows.sequence.shape  # doctest: +SKIP
            (65536, 110)
        """
        reader, length = self._parquet(), self.length
        if not 0 <= index < reader.part_count:
            raise ValueError(f"index: expected 0 to {reader.part_count - 1}, got {index}")
        count = int(reader.group_rows[index])
        rows = np.arange(count) if order is None else _checked_order(order, count)
        left_out = Unusable()
        checked, usable = check_rows(reader.read_whole(index), left_out, **self._kept)
        self._counts.leave_out(index, left_out)
        kept = usable[rows]
        rows = rows[kept]
        data, padded, trimmed = encode_rows(
            checked,
            length,
            pad_left=self.side == "left",
            index=None if order is None and kept.all() else rows,
            out=None if out is None else out[: len(rows)],
            placed=partial(self.places, index),
        )
        self._counts.fit_whole(index, padded, trimmed)
        self._counts.begin_gaps(index)
        self._counts.gaps(index, data.expression)
        self._check_whole()
        return data, kept

    def _parquet(self) -> ParquetReader:
        if not isinstance(self._reader, ParquetReader):
            raise ValueError(
                f"{self.files[0]}: expected Parquet, whose row groups can be read in any order, "
                f"got {self.kind}; run cisreg convert first"
            )
        return self._reader

    def _longest(self) -> int:
        """Bases of the longest usable sequence; see `Lengths.check`."""
        logger.info("looking for the longest sequence, length not being given")
        lengths = self._all_lengths()
        lengths.check()
        logger.info("the longest sequence has %d bases", lengths.longest)
        return lengths.longest

    def _all_lengths(self) -> Lengths:
        """The lengths of all usable rows, from a pass over the files at the first call.

        Raises:
            ValueError: there are none.
        """
        if self._lengths is not None:
            return self._lengths
        parts = self._reader.part_count
        with ThreadPoolExecutor(core_count()) as threads:
            lengths, left_out = Lengths(), Unusable()
            for part, found in enumerate(threads.map(self._lengths_of, range(parts)), start=1):
                lengths.add_all(found[0])
                left_out.add_all(found[1])
                if part % max(parts // 10, 1) == 0:
                    logger.info("looked at %d of %d parts", part, parts)
        if not lengths.longest:
            raise ValueError(left_out.none_left(self.files[0]))
        self._lengths = lengths
        return lengths

    def _lengths_of(self, part: int) -> tuple[Lengths, Unusable]:
        # `left_out` is not logged here; the pass that reads the rows for use logs it.
        lengths, left_out = Lengths(), Unusable()
        for rows in self._part_blocks(part, left_out):
            lengths.add(rows)
        return lengths, left_out


def _checked_order(order: np.ndarray, count: int) -> np.ndarray:
    order = np.asarray(order)
    if order.dtype != np.int64 or order.shape != (count,):
        raise ValueError(
            f"order: expected int64 [{count}], got {order.dtype} with shape {order.shape}"
        )
    seen = np.zeros(count, np.bool_)
    if count and order.min() >= 0 and order.max() < count:
        seen[order] = True
    if not seen.all():
        raise ValueError(f"order: expected every row from 0 to {count - 1} once")
    return order


def _stated_length(reader: ParquetReader, manifest: Manifest | None) -> int | None:
    """The length of the longest sequence by the manifest, if it is for the column that is read."""
    if manifest is None or not manifest.rows:
        return None
    return manifest.longest if reader.columns.sequence == manifest.columns.sequence else None
