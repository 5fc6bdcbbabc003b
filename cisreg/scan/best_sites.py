"""The strongest site of each motif on each sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cisreg.choices import check_choice
from cisreg.display import SHOWN_ROWS, counted, html_table
from cisreg.library import native_module
from cisreg.limits import thread_count
from cisreg.motifs import MotifSet
from cisreg.scan.hits import STRANDS, named
from cisreg.scan.inputs import as_motifs, as_rows
from cisreg.sequences import Unknown

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class BestSites:
    """The strongest site of each motif on each sequence.

    Among equally strong sites it is the leftmost, and at the same position the one on the forward
    strand. A sequence has no site if it is shorter than the motif or every window holds an unknown
    base. Position and strand are then -1 and log Kd is infinite.

    Attributes:
        position: int64 [N, M], leftmost base that the motif's own columns cover, counted from 0 on
            the given (forward) strand of the sequence; padding does not count.
        strand: int8 [N, M], 0 forward, 1 reverse complement.
        log_kd: float32 [N, M], log Kd of the site in nats; lower is stronger.
        motif_widths: int32 [M], the number of each motif's own columns.
        motif_names: names of the motifs; None if they were given as an array.
    """

    position: np.ndarray
    strand: np.ndarray
    log_kd: np.ndarray
    motif_widths: np.ndarray
    motif_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        """N, the number of sequences."""
        return len(self.position)

    def __repr__(self) -> str:
        count, motifs = self.position.shape
        without = int((self.position < 0).sum())
        missing = f", {without:,} of {count * motifs:,} without a site" if without else ""
        return f"BestSites({counted(count, 'sequence')}, {counted(motifs, 'motif')}{missing})"

    def _repr_html_(self) -> str:
        first = slice(-(-SHOWN_ROWS // self.position.shape[1]))
        shown = BestSites(
            *(self.position[first], self.strand[first], self.log_kd[first]),
            *(self.motif_widths, self.motif_names),
        )
        return html_table(repr(self), shown.to_table().to_pydict(), self.position.size)

    def to_table(
        self,
        *,
        sequence_names: Sequence[str] | None = None,
        motif_names: Sequence[str] | None = None,
    ) -> pa.Table:
        """The sites as an Arrow table, one row per sequence and motif.

        Args:
            sequence_names: names to show instead of the sequences' indices.
            motif_names: names of the motifs; None for those of the motif set, or the motifs'
                indices if motifs were given as an array.

        Returns:
            Columns sequence, start, end, motif, strand ("+" or "-") and log_kd, as in
            `Hits.to_table`; start, end, strand and log_kd are null if there is no site.

        Raises:
            ValueError: there are fewer names than sequences or motifs.

        Example:
            >>> table = best.to_table(sequence_names=names)
        """
        count, motifs = self.position.shape
        names = self.motif_names if motif_names is None else motif_names
        none = self.position.ravel() < 0
        sequence = np.repeat(np.arange(count), motifs)
        strand = pa.array(self.strand.ravel(), mask=none)
        return pa.table(
            {
                "sequence": named("sequence_names", sequence, sequence_names),
                "start": pa.array(self.position.ravel(), mask=none),
                "end": pa.array((self.position + self.motif_widths).ravel(), mask=none),
                "motif": named("motif_names", np.tile(np.arange(motifs), count), names),
                "strand": pa.DictionaryArray.from_arrays(strand, pa.array(STRANDS)),
                "log_kd": pa.array(self.log_kd.ravel(), mask=none),
            }
        )

    def to_frame(
        self,
        *,
        sequence_names: Sequence[str] | None = None,
        motif_names: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The sites as a pandas DataFrame; columns and arguments are those of `to_table`.

        Raises:
            ValueError: there are fewer names than sequences or motifs.
            ImportError: pandas is not installed.

        Example:
            >>> best.to_frame().pivot(index="sequence", columns="motif", values="log_kd")
        """
        return self.to_table(sequence_names=sequence_names, motif_names=motif_names).to_pandas()


def best_site(
    sequence: Any,
    motifs: MotifSet | npt.ArrayLike,
    *,
    unknown: Unknown = "skip",
    threads: int | None = None,
) -> BestSites:
    """The strongest site of each motif on each sequence, over both strands.

    Sites are defined as in `scan`, and their log Kd is bit for bit the same. If a sequence has no
    site, position and strand are -1 and log Kd is infinite.

    Args:
        sequence: one sequence as a string, several as a list of strings, a pandas Series or an
            Arrow array; or base codes [N, L], or [L] for one sequence.
        motifs: a motif set, or [W, 4, M] position Kd matrices in nats, all of whose columns count
            as the motif's own.
        unknown: how to treat windows that hold an unknown base; see `scan`.
        threads: number of threads; None for one per available core.

    Returns:
        Position, strand and log Kd, each [N, M]; N is 1 for a sequence of shape [L].

    Raises:
        ValueError: an argument has the wrong shape, dtype or values; the message names it.
        LibraryError: cisreg's compiled module does not load.

    Example:
        >>> motifs = cisreg.MotifSet.from_matrices(["GATA"], [consensus_matrix("GATA")])
        >>> best = cisreg.best_site("TTTTTTATCTT", motifs)
        >>> best.position.tolist(), best.strand.tolist()
        ([[5]], [[1]])
    """
    check_choice("unknown", unknown, Unknown)
    rows = as_rows(sequence)
    arrays = as_motifs(motifs)
    position, strand, lowest = native_module().best_sites(
        rows.codes,
        rows.bounds,
        arrays.log_kd,
        arrays.column_range,
        unknown=unknown,
        threads=thread_count(threads),
    )
    if rows.origin is not None:
        position = np.where(position < 0, position, position + rows.origin[:, np.newaxis])
    return BestSites(position, strand, lowest, arrays.widths, arrays.names)
