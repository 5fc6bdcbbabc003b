"""Hits: sites that pass a threshold, as arrays and as tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from cisreg.display import SHOWN_ROWS, counted, html_table
from cisreg.motifs import MotifSet

if TYPE_CHECKING:
    import pandas as pd

STRANDS = ("+", "-")


@dataclass(frozen=True, eq=False, repr=False)
class Hits:
    """Sites that pass the threshold, sorted by sequence, position, strand and motif.

    Attributes:
        sequence: int64 [hits], index of the sequence.
        position: int64 [hits], leftmost base that the motif's own columns cover, counted from 0 on
            the given (forward) strand of the sequence, also for strand 1; padding does not count.
        strand: int8 [hits], 0 forward, 1 reverse complement.
        motif: int32 [hits], index of the motif.
        log_kd: float32 [hits], log Kd of the site in nats; lower is stronger.
        motif_widths: int32 [M], the number of each motif's own columns.
        motif_names: names of the motifs; None if they were given as an array.
        sequence_names: names of the sequences, where a file gave them.
        p_value: float64 [hits], if p-values were asked for; see `cisreg.scan`.
        q_value: float64 [hits], if q-values were asked for.
    """

    sequence: np.ndarray
    position: np.ndarray
    strand: np.ndarray
    motif: np.ndarray
    log_kd: np.ndarray
    motif_widths: np.ndarray
    motif_names: tuple[str, ...] | None = None
    sequence_names: tuple[str, ...] | None = None
    p_value: np.ndarray | None = None
    q_value: np.ndarray | None = None

    def __len__(self) -> int:
        """The number of hits."""
        return len(self.position)

    @property
    def end(self) -> np.ndarray:
        """int64 [hits], the base behind the rightmost one that the motif's own columns cover."""
        return np.asarray(self.position + self.motif_widths[self.motif])

    def __getitem__(self, chosen: np.ndarray | slice) -> Hits:
        """Some of the hits, chosen by a slice, booleans or indices, as of a NumPy array."""
        fields = ("sequence", "position", "strand", "motif", "log_kd", "p_value", "q_value")
        parts = {name: getattr(self, name) for name in fields}
        return replace(
            self, **{name: part[chosen] for name, part in parts.items() if part is not None}
        )

    def __repr__(self) -> str:
        if not len(self):
            return "Hits(0 sites)"
        return (
            f"Hits({counted(len(self), 'site')} of {counted(len(np.unique(self.motif)), 'motif')} "
            f"on {counted(len(np.unique(self.sequence)), 'sequence')}, log Kd "
            f"{self.log_kd.min():.3f} to {self.log_kd.max():.3f} nats)"
        )

    def _repr_html_(self) -> str:
        return html_table(repr(self), self[:SHOWN_ROWS].to_table().to_pydict(), len(self))

    def to_table(
        self,
        *,
        sequence_names: Sequence[str] | None = None,
        motif_names: Sequence[str] | None = None,
    ) -> pa.Table:
        """The hits as an Arrow table, to write, filter or join.

        Args:
            sequence_names: names to show instead of the sequences' own, or their indices.
            motif_names: names of the motifs; None for those of the motif set, or the motifs'
                indices if motifs were given as an array.

        Returns:
            Columns sequence; start and end of the site, counted from 0, without the base at `end`,
            as in BED; motif, strand ("+" or "-"), log_kd; p_value and q_value if there are any. One
            row per hit.

        Raises:
            ValueError: there are fewer names than sequences or motifs with hits.

        Example:
            >>> table = hits.to_table(sequence_names=["chrI", "chrII"])
            >>> pyarrow.parquet.write_table(table, "hits.parquet")
        """
        sequences = self.sequence_names if sequence_names is None else sequence_names
        motifs = self.motif_names if motif_names is None else motif_names
        columns = {
            "sequence": named("sequence_names", self.sequence, sequences),
            "start": self.position,
            "end": self.end,
            "motif": named("motif_names", self.motif, motifs),
            "strand": named("strand", self.strand, STRANDS),
            "log_kd": self.log_kd,
        }
        for name in ("p_value", "q_value"):
            if getattr(self, name) is not None:
                columns[name] = getattr(self, name)
        return pa.table(columns)

    def to_bed(
        self,
        path: str | os.PathLike[str],
        motifs: MotifSet,
        *,
        sequence_names: Sequence[str] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Writes the hits as BED, compressed as by bgzip if the name ends in .gz.

        Args:
            path: the file, such as hits.bed or hits.bed.gz.
            motifs: the motifs that were scanned with; their strongest and weakest sites scale the
                scores of hits without p-values.
            sequence_names: names of the sequences, if they came from no file.
            overwrite: whether a file that exists may be replaced.

        Raises:
            ValueError: there are too few names, or none.
            FileExistsError: the file exists, and `overwrite` is False.
            OSError: it cannot be written.

        Example:
            >>> hits.to_bed("hits.bed", motifs, sequence_names=["chrI", "chrII"])
        """
        from cisreg.genome.hit_files import open_hit_writer

        if sequence_names is None and self.sequence_names is None and len(self):
            raise ValueError(
                "sequence_names: expected a name for each sequence, got none; BED has names"
            )
        names = (self.sequence_names or ()) if sequence_names is None else sequence_names
        table = self.to_table(sequence_names=names)
        with open_hit_writer(
            path, "bed", motifs=motifs, columns=table.column_names, overwrite=overwrite
        ) as writer:
            writer.write(table)

    def to_frame(
        self,
        *,
        sequence_names: Sequence[str] | None = None,
        motif_names: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The hits as a pandas DataFrame; columns and arguments are those of `to_table`.

        Columns of names are categorical.

        Raises:
            ValueError: there are fewer names than sequences or motifs with hits.
            ImportError: pandas is not installed.

        Example:
            >>> hits.to_frame().groupby("motif", observed=True).size()
        """
        return self.to_table(sequence_names=sequence_names, motif_names=motif_names).to_pandas()


def named(argument: str, index: np.ndarray, names: Sequence[str] | None) -> pa.Array:
    """A column of names as an Arrow dictionary, or of indices if there are no names.

    Raises:
        ValueError: there are fewer names than the largest index needs.

    Example:
        >>> named("strand", np.array([0, 1]), ("+", "-")).to_pylist()
        ['+', '-']
    """
    if names is None:
        return pa.array(index)
    wanted = int(index.max(initial=-1)) + 1
    if len(names) < wanted:
        raise ValueError(
            f"{argument}: expected at least {wanted} names, got {len(names)}; one per index"
        )
    # Names may repeat, but the entries of an Arrow dictionary must not.
    own = pa.array(list(names), pa.string()).dictionary_encode()
    return pa.DictionaryArray.from_arrays(own.indices.to_numpy()[index], own.dictionary)
