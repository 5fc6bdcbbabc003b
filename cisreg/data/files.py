"""Datasets in files of any size: as a whole in memory, or in batches."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cisreg.data.dataset import Dataset
from cisreg.data.feeding.batching import bucketed
from cisreg.data.feeding.feed import Steps
from cisreg.data.feeding.loading import load_groups, load_text
from cisreg.data.feeding.stream import FileFeed
from cisreg.data.feeding.tensors import to_tf
from cisreg.data.identity import identities
from cisreg.data.reading import FileRows

if TYPE_CHECKING:
    import tensorflow as tf

_STEPS_PER_CHUNK = 16


class DatasetFiles(FileRows):
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
        for part in identities(self._reader, self.manifest):
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


def _check_at_least(least: int, **numbers: int) -> None:
    for name, number in numbers.items():
        if number < least:
            raise ValueError(f"{name}: expected {least} or more, got {number}")
