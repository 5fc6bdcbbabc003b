"""Files of tracks, bigWig and bedGraph: one number for each run of bases, written in portions."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv

from cisreg.choices import check_choice
from cisreg.file_checks import STANDARD, PathLike
from cisreg.files import replace_file
from cisreg.genome.bgzf import compress_blocks
from cisreg.genome.bigwig import BigWigWriter
from cisreg.genome.run_order import RunOrder
from cisreg.streams import BGZF_END, open_output

TrackFormat = Literal["bigwig", "bedgraph"]

ENDINGS: dict[str, TrackFormat] = {
    ".bw": "bigwig",
    ".bigwig": "bigwig",
    ".bedgraph": "bedgraph",
    ".bdg": "bedgraph",
    ".bg": "bedgraph",
}
COMPRESSED = (".gz", ".bgz")
# The ending of a file that cisreg names itself.
OWN_ENDING: dict[TrackFormat, str] = {"bigwig": ".bw", "bedgraph": ".bedgraph"}
_TEXT = pyarrow.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")


class TrackWriter(Protocol):
    """A track that is being written."""

    def write(self, sequence: str, start: np.ndarray, end: np.ndarray, value: np.ndarray) -> None:
        """Adds runs of bases with one value each, in ascending order."""

    def close(self) -> None:
        """Completes the file."""


def track_format(path: PathLike, format: TrackFormat | None = None) -> TrackFormat | None:
    """The format of a track: the one that was asked for, or that the file's ending says.

    Args:
        path: the file; .gz or .bgz behind the ending of bedGraph is bgzip. "-" is standard output,
            as bedGraph.
        format: another format than the ending says.

    Returns:
        The format; None for an ending that is none of a track, such as that of a folder.

    Raises:
        ValueError: `format` is not known, bigWig on standard output, which cannot be sought, or
            bigWig with .gz, since it is compressed in itself.

    Example:
        >>> track_format("Abf1.bw"), track_format("tracks")
        ('bigwig', None)
    """
    if format is not None:
        check_choice("format", format, TrackFormat)
    if os.fspath(path) == STANDARD:
        if format == "bigwig":
            raise ValueError("output: expected a file for bigWig, got -; write bedGraph there")
        return "bedgraph"
    name = Path(path).with_suffix("") if is_compressed(path) else Path(path)
    found = ENDINGS.get(name.suffix.lower())
    chosen = found and (format or found)
    if chosen == "bigwig" and is_compressed(path):
        raise ValueError(
            f"{path}: expected bigWig without .gz, since it is compressed in itself; rename it"
        )
    return chosen


def is_compressed(path: PathLike) -> bool:
    """Whether the name of a file says that it is compressed by bgzip.

    Example:
        >>> is_compressed("Abf1.bedgraph.gz")
        True
    """
    return Path(path).suffix.lower() in COMPRESSED


@contextmanager
def open_track(
    path: PathLike, format: TrackFormat, lengths: Mapping[str, int], *, overwrite: bool = False
) -> Iterator[TrackWriter]:
    """Opens a new track for writing; it gets its name when it is complete (`replace_file`).

    Args:
        path: the file; "-" is standard output.
        format: "bigwig" or "bedgraph".
        lengths: bases of each sequence by its name, in the order in which values will come.
        overwrite: whether it may replace a file that exists.

    Yields:
        The writer.

    Raises:
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: bigWig cannot hold these sequences.
        OSError: the file cannot be written.

    Example:
        >>> with open_track("Abf1.bw", "bigwig", {"chr1": 1000}) as track:  # doctest: +SKIP
        ...     track.write("chr1", start, end, value)
    """
    is_standard = os.fspath(path) == STANDARD
    with open_output(path) if is_standard else replace_file(path, overwrite=overwrite) as file:
        writer: TrackWriter
        if format == "bigwig":
            writer = BigWigWriter(file, lengths)
        else:
            writer = BedGraphWriter(file, lengths, compressed=is_compressed(path))
        yield writer
        writer.close()


class BedGraphWriter:
    r"""A bedGraph file: sequence, start (from 0), end and value on each line, without a header.

    Values have the digits that float32 needs to be read back exactly.

    Args:
        file: an empty file, open for writing.
        sequences: see `open_track`.
        compressed: whether it is written as blocks of bgzip.

    Example:
        >>> file = io.BytesIO()
        >>> writer = BedGraphWriter(file, {"chr1": 1000})
        >>> writer.write("chr1", np.array([10]), np.array([20]), np.array([0.1]))
        >>> file.getvalue()
        b'chr1\t10\t20\t0.1\n'
    """

    def __init__(
        self, file: BinaryIO, sequences: Mapping[str, int], *, compressed: bool = False
    ) -> None:
        self._file, self._compressed = file, compressed
        self._order = RunOrder(sequences)

    def write(self, sequence: str, start: np.ndarray, end: np.ndarray, value: np.ndarray) -> None:
        """Adds runs; see `BigWigWriter.write`."""
        if not len(start):
            return
        self._order.check(sequence, start, end)
        columns = [
            pa.repeat(sequence, len(start)),
            *map(pa.array, (start, end, np.asarray(value, np.float32))),
        ]
        text = io.BytesIO()
        pyarrow.csv.write_csv(pa.table(columns, list("abcd")), text, write_options=_TEXT)
        content = text.getvalue()
        self._file.write(compress_blocks(content) if self._compressed else content)

    def close(self) -> None:
        """Writes the mark at the end of a bgzip file."""
        if self._compressed:
            self._file.write(BGZF_END)
