"""Datasets in files of any size: read in order, by row group, or as a whole."""

from __future__ import annotations

import hashlib
import html
import itertools
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from cisreg.data.dataset import Dataset
from cisreg.data.feeding.batching import bucketed, encode_rows
from cisreg.data.feeding.feed import Steps
from cisreg.data.feeding.lengths import Lengths
from cisreg.data.feeding.loading import core_count, load_groups, load_text
from cisreg.data.feeding.stream import FileFeed
from cisreg.data.feeding.tensors import to_tf
from cisreg.data.formats.fasta import FastaReader
from cisreg.data.formats.manifest import Manifest
from cisreg.data.formats.parquet import ParquetReader
from cisreg.data.formats.rows import Rows, Unusable
from cisreg.data.formats.sources import SourceFile
from cisreg.data.formats.text_reader import OneHotReader, TableReader
from cisreg.data.formats.usable import check_rows, usable_rows
from cisreg.sequences import Side

if TYPE_CHECKING:
    import tensorflow as tf

logger = logging.getLogger("cisreg.data")

_STEPS_PER_CHUNK = 16

Reader = ParquetReader | TableReader | OneHotReader | FastaReader


class DatasetFiles:
    """Rows in files; made by `open_dataset`.

    Attributes:
        kind: "Parquet", "table", "one-hot text" or "FASTA".
        files: names of the files, in the order in which they are read.
        side: where shorter sequences are padded and longer ones trimmed.
        strict: whether a row that cannot be used is an error.
        partly_measured: whether rows that lack some of several measurements are kept.
        manifest: the manifest that `cisreg convert` wrote, or None.
        lanes: number of row groups that training reads at a time when it streams.
        columns: the columns that are read, by name if names are unique; for FASTA, columns of the
            measurements.
        expression_names: names of the K measurements.
        extra_names: names of further columns.
        weighted: whether there are weights.
        unusable: rows left out so far in the current or last pass. Row groups that are read one by
            one count as one pass until the next pass begins.

    Example:
        >>> data = open_dataset("train.tsv.gz")  # doctest: +SKIP
        >>> sum(map(len, data.blocks()))  # doctest: +SKIP
        8982
    """

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
    ) -> None:
        self._reader = reader
        self._is_without_expression = without_expression
        self.lanes = lanes
        self.side: Side = side
        self.strict = strict
        self.partly_measured = partly_measured
        self.manifest = manifest
        if length is None and isinstance(reader, ParquetReader):
            length = _stated_length(reader, manifest)
        self._length = length
        self._lengths: Lengths | None = None
        self._finding_length = threading.Lock()
        # By part, since several threads read parts at once.
        self._left_out: dict[int, Unusable] = {}
        self._fitted: dict[int, tuple[int, int]] = {}
        self._gaps: dict[int, int] = {}
        self._why_whole: str | None = None
        self.kind = reader.kind
        self.files = tuple(file.name for file in reader.files)
        self.columns = reader.columns
        self.expression_names = reader.places.names
        self.extra_names = reader.places.extra_names
        self.weighted = reader.places.weight is not None
        self._fit_is_said = False

    @property
    def local_paths(self) -> tuple[str, ...]:
        """Paths of the files on this machine, including the file of measurements."""
        return tuple(file.path for file in _all_files(self._reader) if file.is_local)

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
        total = Unusable()
        for _, part in sorted(self._left_out.items()):
            total.add_all(part)
        return total

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
        return sum(trimmed for _, trimmed in self._fitted.values())

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
        self._left_out, self._fitted, self._gaps = {}, {}, {}

    def note_fit(self, part: int, padded: int, trimmed: int) -> None:
        """Counts sequences of a part that were padded and trimmed."""
        before = self._fitted.get(part, (0, 0))
        self._fitted[part] = (before[0] + padded, before[1] + trimmed)
        self._check_whole()

    def _note_gaps(self, part: int, expression: np.ndarray) -> None:
        """Counts rows of a part that lack some of several measurements."""
        if self.partly_measured:
            lacking = int(np.isnan(expression).any(axis=-1).sum()) if expression.ndim == 2 else 0
            self._gaps[part] = self._gaps.get(part, 0) + lacking

    def end_pass(self) -> None:
        """Logs the rows that this pass left out; logs once how many were padded and trimmed."""
        padded, trimmed = (sum(each) for each in zip((0, 0), *self._fitted.values(), strict=True))
        if (padded or trimmed) and not self._fit_is_said:
            self._fit_is_said = True
            logger.warning(
                "%s: %s sequences were padded and %s trimmed to %d bases, on the %s",
                *(self._called, f"{padded:,}", f"{trimmed:,}", self.length, self.side),
            )
        lacking = sum(self._gaps.values())
        if lacking:
            logger.info(
                "%s: %s rows lack some of the %d measurements; the others of these rows are used",
                *(self._called, f"{lacking:,}", len(self.expression_names)),
            )
        unusable = self.unusable
        if unusable.count:
            logger.warning(
                "%s: %s rows were left out: %s", self._called, f"{unusable.count:,}", unusable
            )

    @property
    def _called(self) -> str:
        return self.files[0] if len(self.files) == 1 else f"{len(self.files)} files"

    def __repr__(self) -> str:
        length = self.known_length
        parts = [self.kind, "length not known yet" if length is None else f"{length:,} bases"]
        if self.has_groups:
            parts.insert(1, f"{int(self.group_rows.sum()):,} rows")
        return f"DatasetFiles({self._called}: {', '.join(parts)}; {self.columns.described})"

    def _repr_html_(self) -> str:
        """The same text as `repr`, for notebooks."""
        return f"<p>{html.escape(repr(self))}</p>"

    @property
    def part_count(self) -> int:
        """Number of parts that can be read separately: row groups, or files of text."""
        return self._reader.part_count

    def part_blocks(self, part: int) -> Iterator[Rows]:
        """The usable rows of one part, in blocks like those of `blocks`."""
        self._left_out[part] = left_out = Unusable()
        return self._part_blocks(part, left_out)

    @property
    def _kept(self) -> dict[str, bool]:
        """Which rows are used, as `check_rows` takes it."""
        return {"strict": self.strict, "partly_measured": self.partly_measured}

    def _part_blocks(self, part: int, left_out: Unusable) -> Iterator[Rows]:
        self._gaps.pop(part, None)
        for raw in self._reader.read(part):
            rows = usable_rows(raw, left_out, **self._kept)
            self._note_gaps(part, rows.expression)
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
        self._left_out[index] = left_out
        kept = usable[rows]
        rows = rows[kept]
        data, padded, trimmed = encode_rows(
            checked,
            length,
            pad_left=self.side == "left",
            index=None if order is None and kept.all() else rows,
            out=None if out is None else out[: len(rows)],
        )
        self._fitted[index] = (padded, trimmed)
        self._gaps.pop(index, None)
        self._note_gaps(index, data.expression)
        self._check_whole()
        return data, kept

    def load(self, *, groups: np.ndarray | None = None, progress: bool = False) -> Dataset:
        """Loads all usable rows in order into host memory, with 1 byte per base.

        Args:
            groups: int64, numbers of the row groups to load; None: all rows.
            progress: whether to show a progress bar on standard error.

        Returns:
            sequence uint8 [N, L]; expression float32 [N], or [N, K] for K measurements above 1.

        Raises:
            ValueError: no measurement, unless none was asked for (`expression=()`); no usable row,
                or more rows than fit into memory.
            FileNotFoundError, ValueError: as `blocks`.

        Example:
            >>> len(open_dataset("train.tsv.gz").load())  # doctest: +SKIP
            8982
        """
        if not self.expression_names and not self._is_without_expression:
            raise ValueError(
                f"{self.files[0]}: expected a column of numbers as the expression, got "
                f"{self._reader.described}; say which with --expression-column, in Python "
                "columns=Columns(expression=...), or give measurements"
            )
        self.begin_pass()
        if groups is not None or self.has_groups:
            chosen = np.arange(len(self.group_rows)) if groups is None else groups
            rows = load_groups(self, chosen, progress=progress)
        else:
            rows = load_text(self, progress=progress)
        if not len(rows):
            raise ValueError(self.unusable.none_left(self.files[0]))
        self._length = rows.sequence.shape[1]
        self.end_pass()
        return rows.read_with(self.side, self.columns_used, self.trimmed > 0)

    def fingerprint(self) -> str:
        """A checksum (64 hexadecimal digits) of the files and of how they are read.

        The latter is: the columns of sequence, expression and weight, and the side of padding.

        Raises:
            FileNotFoundError, ValueError: as `content_fingerprint`.
        """
        columns = self.columns
        # The names of sequences count only if measurements are joined by them.
        key = columns.name if columns.sequence is None else columns.sequence
        read = (key, columns.expression, columns.weight, self.side)
        return hashlib.sha256(f"{self.content_fingerprint()}\n{read}".encode()).hexdigest()

    def content_fingerprint(self) -> str:
        """A checksum (64 hexadecimal digits) of the content of the files.

        With a manifest it is computed from the manifest's checksums. Without one it is computed
        from names, sizes and footers of Parquet files, or from names, sizes and modification times
        of text files.

        Raises:
            FileNotFoundError, ValueError: a file was removed or cannot be read.
        """
        digest = hashlib.sha256(self.kind.encode())
        for part in self._identities():
            digest.update(f"\n{part}".encode())
        return digest.hexdigest()

    def batches(
        self, batch_size: int, *, bucket_lengths: Sequence[int] | None = None
    ) -> Iterator[Dataset]:
        """All usable rows in order, encoded, in batches; the last batch may be smaller.

        Args:
            batch_size: rows of a batch.
            bucket_lengths: lengths in increasing order. Each row goes to the first length that
                holds it, or is trimmed to the last; all rows of a batch have the same length.
                None: all batches have the dataset's length.

        Raises:
            ValueError: a size or length below 1, or lengths that are not in increasing order.
            FileNotFoundError, ValueError: as `blocks`.

        Example:
            >>> for rows in data.batches(1024, bucket_lengths=(100, 150)):  # doctest: +SKIP
            ...     print(rows.sequence.shape)
        """
        _check_at_least(1, batch_size=batch_size)
        lengths = None if bucket_lengths is None else list(bucket_lengths)
        if lengths is not None and (
            not lengths or lengths[0] < 1 or any(a >= b for a, b in itertools.pairwise(lengths))
        ):
            raise ValueError(f"bucket_lengths: expected rising lengths, got {lengths}")
        return bucketed(
            self.blocks(), batch_size, lengths or [self.length], pad_left=self.side == "left"
        )

    def shuffled_batches(
        self, batch_size: int, *, seed: int, epochs: int = 1, first_epoch: int = 1
    ) -> Iterator[Dataset]:
        """Batches in the order in which training reads files that it streams.

        Args:
            batch_size: largest number of rows of a batch; batches of an epoch differ by a few rows.
            seed: seed of the order, 0 or more. The order differs in every epoch.
            epochs: number of passes over the files.
            first_epoch: number of the first pass, 1 or more; seed and number determine the order.

        Raises:
            ValueError: text, which has no row groups, or a number out of its range.
            FileNotFoundError, ValueError: as `blocks`.

        Example:
            >>> for rows in data.shuffled_batches(1024, seed=0):  # doctest: +SKIP
            ...     print(rows.sequence.shape)
        """
        _check_at_least(1, batch_size=batch_size, epochs=epochs, first_epoch=first_epoch)
        _check_at_least(0, seed=seed)
        feed = FileFeed(self, np.arange(len(self.group_rows)), seed, self.lanes)
        return self._shuffled(feed, batch_size, range(first_epoch, first_epoch + epochs))

    def _shuffled(self, feed: FileFeed, batch_size: int, epochs: range) -> Iterator[Dataset]:
        steps = -(-feed.count // batch_size)
        for epoch in epochs:
            for chunk in feed.chunks(Steps(epoch, steps, 0, _STEPS_PER_CHUNK)):
                for begin, end in itertools.pairwise(chunk.start):
                    weight = chunk.weight[begin:end] if self.weighted else None
                    yield Dataset.unchecked(
                        chunk.sequence[begin:end], chunk.expression[begin:end], weight
                    )

    def as_tf(
        self,
        batch_size: int,
        *,
        seed: int | None = None,
        epochs: int = 1,
        bucket_lengths: Sequence[int] | None = None,
    ) -> tf.data.Dataset:
        """The same batches as a TensorFlow dataset, for `model.fit` and other loops.

        Each iteration of it, and each repetition by `repeat`, is the next of the passes, whose
        order with a seed differs: the seed and the number of the pass determine it. So
        `model.fit(data.as_tf(1024, seed=0), epochs=10)` sees ten orders. (Keras begins a pass for
        the first batch of a model that has no weights yet.)

        It knows how many batches it has. Without a seed, and without a manifest by
        `cisreg convert`, this call counts the rows that can be used in a pass over the files.

        Args:
            batch_size: rows of a batch.
            seed: for the order of `shuffled_batches`; None: the order of the files.
            epochs: number of passes over the files in one iteration.
            bucket_lengths: as in `batches`; not with a seed.

        Returns:
            A tf.data.Dataset of (uint8 [B, L], float32 [B] or [B, K]), with a third float32 [B]
            if there are weights.

        Raises:
            ValueError: a number out of its range, buckets with a seed, or a seed for text.
            FileNotFoundError, ValueError: as `blocks`.

        Example:
            >>> for sequence, expression in data.as_tf(1024):  # doctest: +SKIP
            ...     print(sequence.shape)
        """
        _check_at_least(1, batch_size=batch_size, epochs=epochs)
        if seed is not None and bucket_lengths is not None:
            raise ValueError("bucket_lengths: expected none with a seed; leave one of them out")
        # Whatever is wrong is said here and not at the first batch.
        if seed is None:
            self.batches(batch_size, bucket_lengths=bucket_lengths)
            count = self._batch_count(batch_size, bucket_lengths)
        else:
            self.shuffled_batches(batch_size, seed=seed)
            count = -(-int(self.group_rows.sum()) // batch_size)

        def passes(number: int) -> Iterator[Dataset]:
            if seed is None:
                for _ in range(epochs):
                    yield from self.batches(batch_size, bucket_lengths=bucket_lengths)
            else:
                yield from self.shuffled_batches(
                    batch_size, seed=seed, epochs=epochs, first_epoch=1 + number * epochs
                )

        return to_tf(
            passes,
            length=self.length if bucket_lengths is None else None,
            measurements=len(self.expression_names),
            weighted=self.weighted,
            count=epochs * count,
        )

    def _batch_count(self, batch_size: int, bucket_lengths: Sequence[int] | None) -> int:
        """Number of batches of `batches`."""
        if bucket_lengths is not None:
            counts = self._all_lengths().by_bucket(bucket_lengths)
        elif self.manifest is not None and self.manifest.columns == self.columns:
            counts = [self.manifest.rows]
        else:
            counts = [self._all_lengths().count]
        return sum(-(-count // batch_size) for count in counts)

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

    def _identities(self) -> Iterator[str]:
        if self.manifest is not None:
            # Not the names: a dataset that was converted anew is the same with others.
            for stated in self.manifest.files:
                yield stated.sha256
            return
        reader = self._reader
        for index, file in enumerate(_all_files(reader)):
            name = os.path.basename(file.path)  # noqa: PTH119, of any filesystem
            if isinstance(reader, ParquetReader):
                yield f"{name} {file.size} {reader.file_identity(index)}"
            else:
                yield f"{name} {file.size} {file.modified}"


def _check_at_least(least: int, **numbers: int) -> None:
    for name, number in numbers.items():
        if number < least:
            raise ValueError(f"{name}: expected {least} or more, got {number}")


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


def _all_files(reader: Reader) -> Iterator[SourceFile]:
    yield from reader.files
    if isinstance(reader, FastaReader) and reader.measurements is not None:
        yield reader.measurements.file
