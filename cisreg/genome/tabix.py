"""Indices of tabix beside compressed files of hits."""

from __future__ import annotations

import itertools
import os
import shutil
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from cisreg.delayed_signals import temporary_folder
from cisreg.display import printable
from cisreg.file_checks import PathLike
from cisreg.files import replace_file
from cisreg.genome.hit_lines import indices

INDEX_ENDINGS = (".tbi", ".csi")
# Positions that the index .tbi has.
_LARGEST_TBI = 1 << 29
_PRESETS = {"bed": "bed", "gff3": "gff"}


def index_ending(end: int) -> str:
    """The ending of an index: .tbi, or .csi where positions are too large for it.

    Args:
        end: the largest position.

    Example:
        >>> index_ending(248_956_422), index_ending(2**30)
        ('.tbi', '.csi')
    """
    return INDEX_ENDINGS[end > _LARGEST_TBI]


class Order:
    """Checks that hits, table after table, are in the order that tabix wants.

    Attributes:
        end: the largest end of a hit so far.

    Example:
        >>> order = Order()
        >>> order.check(pa.table({"sequence": ["chr1"], "start": [3], "end": [9]}))
        >>> order.end
        9
    """

    def __init__(self) -> None:
        self.end = 0
        self._start = 0
        self._sequences: dict[str, None] = {}

    def check(self, hits: pa.Table) -> None:
        """Checks some more hits.

        Args:
            hits: a table with the columns sequence, start and end.

        Raises:
            ValueError: a sequence begins a second time, or a start is below the one before.
        """
        if not len(hits):
            return
        index, names = indices(hits["sequence"])
        start = hits["start"].to_numpy()
        bounds = [0, *(np.flatnonzero(np.diff(index)) + 1).tolist(), len(index)]
        for first, stop in itertools.pairwise(bounds):
            self._check_sequence(names[index[first]], start[first:stop])
        self.end = max(self.end, int(hits["end"].to_numpy().max()))

    def _check_sequence(self, name: str, start: np.ndarray) -> None:
        is_new = name not in self._sequences
        if is_new:
            self._sequences[name] = None
            self._start = 0
        is_last = next(reversed(self._sequences)) == name
        if not is_last or start[0] < self._start or (np.diff(start) < 0).any():
            raise ValueError(
                f"index: expected hits by sequence and start, got hits of {printable(name)} that "
                "are not; sort the intervals, merge those that overlap, or leave the index away"
            )
        self._start = int(start[-1])


def write_index(
    file: BinaryIO, path: PathLike, format: str, end: int, *, overwrite: bool = False
) -> None:
    """Writes the index of a file that is complete, but may not yet have its name.

    Args:
        file: the file, open.
        path: of the index.
        format: "bed" or "gff3".
        end: the largest position.
        overwrite: whether an index that exists may be replaced.

    Raises:
        ImportError: pysam is not installed.
        OSError: the index cannot be written.
    """
    pysam = load_pysam()
    with temporary_folder("cisreg-") as folder:
        made = os.path.join(folder, "index")  # noqa: PTH118
        pysam.tabix_index(
            f"/dev/fd/{file.fileno()}",
            force=True,
            preset=_PRESETS[format],
            index=made,
            csi=index_ending(end) == INDEX_ENDINGS[1],
            keep_original=True,
        )
        with open(made, "rb") as index, replace_file(path, overwrite=overwrite) as copy:  # noqa: PTH123
            shutil.copyfileobj(index, copy)


def load_pysam(need: str = "an index needs") -> Any:
    """The package that writes indices, and reads files of variants.

    Args:
        need: what it is wanted for, as the beginning of the error.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import pysam
    except ImportError as error:
        raise ImportError(f"{need} pysam ({error}): run pip install 'cisreg[genome]'") from None
    return pysam
