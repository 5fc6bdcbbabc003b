"""Files of hits: BED, tab-separated text, Parquet and GFF3, written portion after portion.

A file gets its name when it is whole. Tables of hits have the columns of `cisreg.scan_portions`.
"""

from __future__ import annotations

import itertools
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast, get_args

import pyarrow as pa
import pyarrow.parquet

from cisreg.choices import check_choice
from cisreg.file_checks import STANDARD, PathLike
from cisreg.files import publish_together, replace_file
from cisreg.genome.bgzf import compress_blocks
from cisreg.genome.hit_lines import (
    COLUMNS,
    OPTIONAL,
    BedLines,
    GffLines,
    Motifs,
    TableLines,
    comment,
)
from cisreg.genome.tabix import INDEX_ENDINGS, Order, index_ending, load_pysam, write_index
from cisreg.limits import thread_count
from cisreg.streams import BGZF_END, open_output

HitFormat = Literal["bed", "tsv", "parquet", "gff3"]

_ENDINGS: dict[str, HitFormat] = {
    ".bed": "bed",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".gff3": "gff3",
    ".gff": "gff3",
}
_COMPRESSED = (".gz", ".bgz")
_LINES: dict[str, Any] = {"bed": BedLines, "tsv": TableLines, "gff3": GffLines}
# Hits that are formatted at a time, and that a row group of Parquet has.
_LINES_AT_ONCE, _ROW_GROUP = 1 << 16, 1 << 20
_NAMES = pa.dictionary(pa.int32(), pa.string())
_TYPES = {
    **{"sequence": _NAMES, "start": pa.int64(), "end": pa.int64(), "motif": _NAMES},
    **{"strand": pa.dictionary(pa.int8(), pa.string()), "log_kd": pa.float32()},
    **{"p_value": pa.float64(), "q_value": pa.float64(), "region": _NAMES},
}
# Sorted positions and numbers with many digits, as small as without these encodings' rivals.
_ENCODINGS = {
    **dict.fromkeys(("start", "end"), "DELTA_BINARY_PACKED"),
    **dict.fromkeys(("log_kd", "p_value", "q_value"), "BYTE_STREAM_SPLIT"),
}


def hit_format(path: PathLike, format: HitFormat | None = None) -> tuple[HitFormat, bool]:
    """The format of a file of hits, and whether it is compressed by bgzip.

    Args:
        path: the file; its ending says the format, and .gz or .bgz behind it the compression. "-"
            is standard output, as BED.
        format: another format than the ending says.

    Raises:
        ValueError: the ending is none of a format, or of a compression that the format has not.

    Example:
        >>> hit_format("hits.bed.gz"), hit_format("-", "tsv")
        (('bed', True), ('tsv', False))
    """
    if format is not None:
        check_choice("format", format, HitFormat)
    name = Path(path).name.lower()
    stem, ending = os.path.splitext(name)  # noqa: PTH122
    compressed = ending in _COMPRESSED
    ending = os.path.splitext(stem)[1] if compressed else ending  # noqa: PTH122
    found = "bed" if os.fspath(path) == STANDARD else _ENDINGS.get(ending)
    chosen = format or found
    if chosen is None:
        raise ValueError(
            f"{path}: expected a name that ends in {', '.join(_ENDINGS)}, also with .gz, got "
            f"{ending or 'no ending'}; rename it, or give the format: "
            f"{', '.join(get_args(HitFormat))}"
        )
    if compressed and chosen == "parquet":
        raise ValueError(
            f"{path}: expected Parquet without .gz, since it is compressed in itself; rename it"
        )
    return chosen, compressed


def incomplete_name(path: PathLike) -> Path:
    """A new name for a file of hits that ends before all was scanned.

    Example:
        >>> incomplete_name("a new folder/hits.bed.gz").name
        'hits.incomplete.bed.gz'
    """
    path = Path(path)
    stem, endings = path.name, ""
    while (ending := os.path.splitext(stem)[1].lower()) in (*_COMPRESSED, *_ENDINGS):  # noqa: PTH122
        stem, endings = stem[: -len(ending)], stem[-len(ending) :] + endings
    for number in itertools.count(1):
        mark = ".incomplete" if number == 1 else f".incomplete-{number}"
        if not os.path.lexists(name := path.with_name(f"{stem}{mark}{endings}")):
            return name
    raise AssertionError


class HitWriter:
    """Writes tables of hits to a file; `open_hit_writer` makes it.

    Attributes:
        path: the name that the file will get.
        count: number of hits so far.
    """

    def __init__(self, path: PathLike, encoder: _Encoder, threads: int) -> None:
        self.path = path
        self.count = 0
        self._encoder, self._threads = encoder, threads if encoder.in_parallel else 1
        self._pool = ThreadPoolExecutor(self._threads)
        self._running: deque[Future[bytes]] = deque()
        self._rows: list[pa.Table] = []
        self._row_count = 0

    @property
    def end(self) -> int:
        """The largest end of a hit, where an index will be written."""
        return self._encoder.end

    def write(self, hits: pa.Table) -> None:
        """Writes some more hits, behind those before.

        Args:
            hits: a table with the columns that were named to `open_hit_writer`.

        Raises:
            ValueError: it has other columns, or a name that the format cannot hold; or the file is
                to be indexed, and the hits are not in order.
            OSError: the file cannot be written.
        """
        self._encoder.check(hits)
        self.count += len(hits)
        self._rows.append(hits)
        self._row_count += len(hits)
        size = self._encoder.rows_at_once
        if self._row_count < size:
            return
        rows = pa.concat_tables(self._rows)
        whole = self._row_count - self._row_count % size
        for start in range(0, whole, size):
            self._encode(rows.slice(start, size))
        self._rows, self._row_count = [rows.slice(whole)], self._row_count - whole

    def end_early(self, reason: str) -> None:
        """Says that the hits end before all was scanned: the file gets another name.

        Args:
            reason: where the hits end, for the file.
        """
        if os.fspath(self.path) != STANDARD:
            self.path = incomplete_name(self.path)
        self._encoder.remark(f"incomplete: {reason}")

    def finish(self) -> None:
        """Writes what is left."""
        if self._row_count:
            self._encode(pa.concat_tables(self._rows))
        self._rows = []
        while self._running:
            self._encoder.file.write(self._running.popleft().result())
        self._encoder.finish()

    def close(self) -> None:
        """Ends the threads; what is not yet written is dropped."""
        self._pool.shutdown(cancel_futures=True)
        self._encoder.close()

    def _encode(self, rows: pa.Table) -> None:
        """Formats rows in a thread; the file gets the earlier ones meanwhile."""
        if len(self._running) > self._threads:
            self._encoder.file.write(self._running.popleft().result())
        self._running.append(self._pool.submit(self._encoder.encode, rows))


@contextmanager
def open_hit_writer(
    path: PathLike,
    format: HitFormat | None = None,
    *,
    motifs: Motifs,
    columns: Sequence[str] = COLUMNS,
    notes: Mapping[str, str] | None = None,
    tabix: bool = False,
    threads: int | None = None,
    overwrite: bool = False,
) -> Iterator[HitWriter]:
    """Opens a file of hits for writing; it gets its name when it is whole (`replace_file`).

    The order of the hits is that of the tables. Whatever their number, at most a million hits and
    a few blocks of text are in memory.

    BED and tab-separated text count from 0, GFF3 from 1. Texts have comments with what `notes`
    says before the hits; Parquet has it as JSON in the metadata `cisreg`. In texts, log Kd has the
    digits of its float32; p-values and q-values have as many. `.gz` is BGZF, as of bgzip.

    Args:
        path: the file, or "-" for standard output.
        format: see `hit_format`.
        motifs: the motifs that were scanned with.
        columns: of the tables of hits, in their order.
        notes: what is kept with the hits, by name.
        tabix: whether to write an index beside the file: .tbi, or .csi for sequences of more than
            512 million bases.
        threads: that format and compress; None for one per available core.
        overwrite: whether files that exist may be replaced.

    Yields:
        A writer with `write`.

    Raises:
        ValueError: see `hit_format`; other columns; or an index of what cannot have one.
        FileExistsError: a file exists, and `overwrite` is False.
        ImportError: the index needs pysam, which is not installed.
        OSError: the file cannot be written.

    Example:
        >>> with open_hit_writer("hits.bed.gz", motifs=motifs) as writer:  # doctest: +SKIP
        ...     for hits in cisreg.scan_portions("genome.fa", motifs, p_value=1e-4):
        ...         writer.write(hits)
    """
    chosen, compressed = hit_format(path, format)
    if tabix:
        check_indexable(path, chosen, compressed)
    _check_columns(columns)
    is_standard = os.fspath(path) == STANDARD
    with ExitStack() as stack:
        stack.enter_context(publish_together())
        writer: HitWriter

        def other() -> PathLike | None:
            return writer.path if os.fspath(writer.path) != os.fspath(path) else None

        file = cast(
            BinaryIO,
            stack.enter_context(
                open_output(path)
                if is_standard
                else replace_file(path, overwrite=overwrite, instead=other)
            ),
        )
        encoder: _Encoder
        if chosen == "parquet":
            encoder = _ParquetEncoder(file, columns, notes or {})
        else:
            encoder = _TextEncoder(file, chosen, columns, motifs, notes or {}, compressed, tabix)
        writer = HitWriter(path, encoder, thread_count(threads))
        stack.callback(writer.close)
        yield writer
        writer.finish()
        if not is_standard:
            _finish_index(file, writer, chosen, tabix, overwrite and writer.path == path)


def check_indexable(path: PathLike, format: HitFormat, compressed: bool) -> None:
    """Checks that a file of hits can have an index.

    Raises:
        ValueError: it cannot.
        ImportError: pysam is not installed.

    Example:
        >>> check_indexable("hits.bed.gz", "bed", True)
    """
    if os.fspath(path) == STANDARD or not compressed or format not in ("bed", "gff3"):
        raise ValueError(
            f"{path}: expected a compressed BED or GFF3 file to index, such as hits.bed.gz; rename "
            "it, or drop the index"
        )
    load_pysam()


def _finish_index(
    file: BinaryIO, writer: HitWriter, format: HitFormat, tabix: bool, overwrite: bool
) -> None:
    """Writes the index; one of the file that is replaced goes."""
    end = writer.end
    made = f"{os.fspath(writer.path)}{index_ending(end)}" if tabix else None
    if overwrite:
        old = (f"{os.fspath(writer.path)}{ending}" for ending in INDEX_ENDINGS)
        # What `replace_file` replaces is not removed too.
        stale = [name for name in old if os.path.lexists(name) and name != made]
        with publish_together(stale):
            pass
    if made is not None:
        file.flush()
        write_index(file, made, format, end, overwrite=overwrite)


def _check_columns(columns: Sequence[str]) -> None:
    allowed = [*COLUMNS, *(name for name in OPTIONAL if name in columns)]
    if list(columns) != allowed:
        raise ValueError(
            f"columns: expected {', '.join(COLUMNS)}, and then of {', '.join(OPTIONAL)} those that "
            f"there are, got {', '.join(columns)}"
        )


class _Encoder:
    """Makes bytes of tables of hits.

    Attributes:
        file: where the bytes go.
        rows_at_once: rows of a table, except the last one.
        in_parallel: whether several tables can be encoded at a time.
        end: the largest end of a hit, where an index will be written.
    """

    rows_at_once: int
    in_parallel: bool

    def __init__(self, file: BinaryIO, columns: Sequence[str]) -> None:
        self.file = file
        self.end = 0
        self._columns = list(columns)

    def check(self, hits: pa.Table) -> None:
        """Checks the columns of a table."""
        if hits.column_names != self._columns:
            raise ValueError(
                f"hits: expected the columns {', '.join(self._columns)}, got "
                f"{', '.join(hits.column_names)}"
            )

    def encode(self, hits: pa.Table) -> bytes:
        """Bytes for the file."""
        raise NotImplementedError

    def remark(self, text: str) -> None:
        """Says something at the end of the file."""
        raise NotImplementedError

    def finish(self) -> None:
        """Writes the end of the file."""
        raise NotImplementedError

    def close(self) -> None:
        """Gives up what is open, also after an error."""


class _TextEncoder(_Encoder):
    rows_at_once, in_parallel = _LINES_AT_ONCE, True

    def __init__(
        self,
        file: BinaryIO,
        format: HitFormat,
        columns: Sequence[str],
        motifs: Motifs,
        notes: Mapping[str, str],
        compressed: bool,
        ordered: bool,
    ) -> None:
        super().__init__(file, columns)
        self._lines: Any = _LINES[format](columns, motifs)
        self._compress: Callable[[bytes], bytes] = compress_blocks if compressed else bytes
        self._last = BGZF_END if compressed else b""
        self._order = Order() if ordered else None
        self._remark = ""
        file.write(self._compress(self._lines.head(notes).encode()))

    def check(self, hits: pa.Table) -> None:
        super().check(hits)
        if self._order is not None:
            self._order.check(hits)
            self.end = self._order.end

    def encode(self, hits: pa.Table) -> bytes:
        return self._compress(self._lines.format(hits))

    def remark(self, text: str) -> None:
        self._remark += comment(text)

    def finish(self) -> None:
        self.file.write(self._compress(self._remark.encode()) + self._last)


class _ParquetEncoder(_Encoder):
    rows_at_once, in_parallel = _ROW_GROUP, False

    def __init__(self, file: BinaryIO, columns: Sequence[str], notes: Mapping[str, str]) -> None:
        super().__init__(file, columns)
        said = {**notes, "coordinates": "0-based, [start, end)", "log_kd": "nats"}
        self._schema = pa.schema(
            [(name, _TYPES[name]) for name in columns],
            metadata={"cisreg": json.dumps(said)},
        )
        self._writer = pyarrow.parquet.ParquetWriter(
            file,
            self._schema,
            compression="zstd",
            use_dictionary=[name for name in columns if name not in _ENCODINGS],
            column_encoding={name: each for name, each in _ENCODINGS.items() if name in columns},
        )

    def encode(self, hits: pa.Table) -> bytes:
        rows = pa.table(
            {name: _as_type(hits[name], _TYPES[name]) for name in hits.column_names},
            schema=self._schema,
        )
        self._writer.write_table(rows, row_group_size=_ROW_GROUP)
        return b""

    def remark(self, text: str) -> None:
        self._writer.add_key_value_metadata({"cisreg.remark": text})

    def finish(self) -> None:
        self._writer.close()

    def close(self) -> None:
        # Otherwise it would be closed after the file. An error came before, which says more.
        with suppress(OSError, pa.ArrowException):
            self._writer.close()


def _as_type(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if not pa.types.is_dictionary(wanted):
        return column.cast(wanted)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    array = column.unify_dictionaries().combine_chunks()
    return pa.DictionaryArray.from_arrays(array.indices.cast(wanted.index_type), array.dictionary)
