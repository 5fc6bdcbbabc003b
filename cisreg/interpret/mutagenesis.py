"""Mutagenesis in the computer: the effect of every mutation of one base on expression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cisreg.display import SHOWN_ROWS, counted, html_table
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import rows_at_once, sequence_column, sequence_names
from cisreg.interpret.indels import deletion_effects, insertion_effects
from cisreg.interpret.substitutions import made_substitutions, substitutions
from cisreg.limits import check_memory
from cisreg.progress import progress_bar

if TYPE_CHECKING:
    import pandas as pd

# Name of what accessibility itself adds, beside the names of the factors.
BY_ACCESSIBILITY = "accessibility"
_LETTERS = "ACGT"
_NONE = "-"


@dataclass(frozen=True, eq=False)
class Mutagenesis:
    """The effects of mutations of one base of N sequences of L bases, in the unit of expression.

    An effect is the expression of the mutant minus that of the sequence. Not a number (NaN) marks
    mutations that cannot be made: those of unknown bases, such as padding.

    Attributes:
        codes: uint8 [N, L], the base codes of the sequences (0 to 3 A C G T, 4 unknown).
        reference: float32 [N], the expression of the sequences.
        effect: float32 [N, L, 4], of each base in the place of the one that is there; 0 for itself.
        by_factor: float32 [N, L, 4, M], the change of each factor's contribution to expression at
            the accessibility of the sequence and of the mutant. Together with `by_accessibility`
            they add up to `effect`; in a model with another link than "identity", to the change of
            the score, on whose scale they are. None if it was not asked for.
        by_accessibility: float32 [N, L, 4], the change of what accessibility itself adds; like
            `by_factor`.
        deletion: float32 [N, L], of the deletion of each base; None if it was not asked for.
        insertion: float32 [N, L + 1, 4], of the insertion of each base before each position, and
            at the end; None if it was not asked for.
        name: Arrow strings [N], names of the sequences; None if they have no names.
        motif_names: M names of the factors.
        begin: the place of the first of these sequences among all that were asked about.
    """

    codes: np.ndarray
    reference: np.ndarray
    effect: np.ndarray
    by_factor: np.ndarray | None = None
    by_accessibility: np.ndarray | None = None
    deletion: np.ndarray | None = None
    insertion: np.ndarray | None = None
    name: pa.Array | None = None
    motif_names: tuple[str, ...] = ()
    begin: int = 0

    def __len__(self) -> int:
        """N, the number of sequences."""
        return len(self.reference)

    def __repr__(self) -> str:
        each = "mutations" if len(self) == 1 else "mutations each"
        return f"Mutagenesis({counted(len(self), 'sequence')}, {self._per_sequence()} {each})"

    def _per_sequence(self) -> int:
        kinds = (self.deletion, self.insertion)
        others = sum(each[0].size for each in kinds if each is not None and len(each))
        return int(3 * self.codes.shape[1] + others)

    def _repr_html_(self) -> str:
        # As many sequences as are sure to have the rows that are shown.
        known = np.cumsum((self.codes < 4).sum(axis=1))
        shown = 1 + int(np.searchsorted(known, SHOWN_ROWS))
        rows = self._part(slice(0, shown)).to_table().slice(0, SHOWN_ROWS)
        count = int(known[-1]) * 3 if len(known) else 0
        title = f"Mutations of {counted(len(self), 'sequence')}"
        return html_table(title, rows.to_pydict(), max(count, len(rows)))

    def _part(self, rows: slice) -> Mutagenesis:
        arrays = {
            key: value[rows]
            for key, value in vars(self).items()
            if key not in ("motif_names", "begin") and value is not None
        }
        begin = self.begin + rows.indices(len(self))[0]
        return Mutagenesis(**arrays, motif_names=self.motif_names, begin=begin)

    def to_table(self, *, by_factor: bool = False) -> pa.Table:
        """An Arrow table with one row for each mutation, those of a sequence together.

        Columns: sequence (name, or index from 0), position (from 0; of an insertion, that of the
        base behind it), reference and alternative (letters; - in an insertion and a deletion),
        effect. Mutations that cannot be made have no row.

        Args:
            by_factor: one row for each factor of each substitution instead, with its part of the
                effect in the column effect, and its name in the column factor; the last factor is
                "accessibility", what accessibility itself adds.

        Raises:
            ValueError: `by_factor` without arrays by factor.

        Example:
            >>> codes = np.array([[0, 4]], np.uint8)
            >>> effect = np.zeros((1, 2, 4), np.float32)
            >>> table = Mutagenesis(codes, np.zeros(1, np.float32), effect).to_table()
            >>> table["alternative"].to_pylist()
            ['C', 'G', 'T']
        """
        if by_factor:
            return self._factor_table()
        tables = [self._substitution_table()]
        if self.deletion is not None:
            tables.append(self._deletion_table())
        if self.insertion is not None:
            tables.append(self._insertion_table())
        if len(tables) == 1:
            return self._named(tables[0])
        return self._named(pa.concat_tables(tables).sort_by([("sequence", "ascending")]))

    def to_frame(self, *, by_factor: bool = False) -> pd.DataFrame:
        """A pandas DataFrame of `to_table`.

        Raises:
            ImportError: pandas is not installed.
            ValueError: as for `to_table`.

        Example:
            >>> mutagenesis(model, sequences).to_frame()  # doctest: +SKIP
        """
        return self.to_table(by_factor=by_factor).to_pandas()

    def _substitution_table(self) -> pa.Table:
        chosen = np.nonzero(made_substitutions(self.codes))
        sequence, position, base = chosen
        there = self.codes[sequence, position]
        return _table(sequence, position, _letters(there), _letters(base), self.effect[chosen])

    def _deletion_table(self) -> pa.Table:
        assert self.deletion is not None
        chosen = np.nonzero(~np.isnan(self.deletion))
        sequence, position = chosen
        there = _letters(self.codes[chosen])
        none = _letters(np.full(len(there), len(_LETTERS)))
        return _table(sequence, position, there, none, self.deletion[chosen])

    def _insertion_table(self) -> pa.Table:
        assert self.insertion is not None
        chosen = np.nonzero(~np.isnan(self.insertion))
        sequence, position, base = chosen
        none = _letters(np.full(len(base), len(_LETTERS)))
        return _table(sequence, position, none, _letters(base), self.insertion[chosen])

    def _factor_table(self) -> pa.Table:
        if self.by_factor is None or self.by_accessibility is None:
            raise ValueError(
                "by_factor: expected mutations by factor, got total effects only; pass "
                "by_factor=True to mutagenesis"
            )
        table = self._substitution_table()
        chosen = np.nonzero(made_substitutions(self.codes))
        parts = np.concatenate(
            [self.by_factor[chosen], self.by_accessibility[chosen][:, np.newaxis]], axis=1
        )
        factors = (*self.motif_names, BY_ACCESSIBILITY)
        long = table.take(pa.array(np.repeat(np.arange(len(table)), len(factors))))
        factor = pa.DictionaryArray.from_arrays(
            np.tile(np.arange(len(factors), dtype=np.int32), len(table)), list(factors)
        )
        long = long.set_column(long.column_names.index("effect"), "effect", pa.array(parts.ravel()))
        return self._named(long.add_column(4, "factor", factor))

    def _named(self, table: pa.Table) -> pa.Table:
        rows = np.asarray(table["sequence"])
        return table.set_column(0, "sequence", sequence_column(self.name, rows, self.begin))


def mutagenesis(
    model: AnyModel,
    sequences: Any,
    *,
    deletions: bool = False,
    insertions: bool = False,
    by_factor: bool = False,
    names: Sequence[str] | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Mutagenesis:
    """The effect of every mutation of one base on the expression of sequences.

    Substitutions are exact and fast: only the windows that the base touches are computed again,
    in native code. Deletions and insertions shift the sequence, which is padded or trimmed as
    `Model.encode` does it, so every mutant is predicted; that takes about as long as `predict`
    of 5 L sequences each.

    Args:
        model: a trained model.
        sequences: as for `Model.predict`: text, base codes [N, L] or a `cisreg.Dataset`.
        deletions: also delete each base.
        insertions: also insert each base at each place.
        by_factor: also give the change of each factor's contribution to expression, which takes
            N * L * 4 * M numbers of memory; pass few sequences at a time.
        names: N names of the sequences; default: those of a `Dataset`, if it has them.
        batch_size: sequences computed at a time; None: as many as take a few hundred megabytes.
        threads: how many threads compute; None: one for each core. The result does not depend on
            it.
        progress: whether to show a progress bar on a terminal.

    Returns:
        A `Mutagenesis` of all sequences. Expression and effects of float32 parameters; the sums
        are those of `cisreg.model.predict` within 1e-5 of the scale of expression.

    Raises:
        ValueError, TypeError: sequences that `Model.encode` refuses, a batch size below 1, or more
            sequences than fit into memory (take `mutagenesis_batches`).

    Example:
        >>> found = mutagenesis(model, ["ACGT" * 27])  # doctest: +SKIP
        >>> found.effect.shape, np.nanargmin(found.effect)  # doctest: +SKIP
        ((1, 110, 4), 215)
    """
    _check_memory(model, len(model.encode(sequences)), by_factor, insertions)
    parts = list(
        mutagenesis_batches(
            *(model, sequences),
            deletions=deletions,
            insertions=insertions,
            by_factor=by_factor,
            names=names,
            batch_size=batch_size,
            threads=threads,
            progress=progress,
        )
    )
    arrays = ("codes", "reference", "effect", "by_factor", "by_accessibility")
    joined = {
        key: _joined([getattr(part, key) for part in parts])
        for key in (*arrays, "deletion", "insertion")
    }
    names = [part.name for part in parts if part.name is not None]
    name = pa.concat_arrays(names) if names else None
    return Mutagenesis(**joined, name=name, motif_names=model.motif_names)  # type: ignore[arg-type]


def _check_memory(model: AnyModel, count: int, by_factor: bool, insertions: bool) -> None:
    """Refuses results that do not fit: 4 bytes for each effect, twice while batches are joined."""
    arrays = 1 + insertions + by_factor * (1 + model.spec.motif_count)
    size = 2 * 4 * 4 * arrays * count * model.spec.sequence_length
    fewer = "take mutagenesis_batches, or fewer sequences at once"
    check_memory(f"mutations of {counted(count, 'sequence')}", size, fewer)


def mutagenesis_batches(
    model: AnyModel,
    sequences: Any,
    *,
    deletions: bool = False,
    insertions: bool = False,
    by_factor: bool = False,
    names: Sequence[str] | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Iterator[Mutagenesis]:
    """Like `mutagenesis`, but yields batch after batch, in the order of the sequences.

    Example:
        >>> for part in mutagenesis_batches(model, codes, batch_size=100):  # doctest: +SKIP
        ...     print(np.nanmax(np.abs(part.effect)))
    """
    spec = model.spec
    numbers = 4 * spec.sequence_length * (spec.motif_count if by_factor else 1)
    batch_size = rows_at_once(spec, batch_size, numbers=numbers)
    codes = np.asarray(model.encode(sequences))
    name = sequence_names(sequences)
    if names is not None:
        name = pa.array(names, pa.string())
        if len(name) != len(codes):
            raise ValueError(
                f"names: expected {len(codes)}, one for each sequence, got {len(name)}"
            )
    begins = range(0, max(1, len(codes)), batch_size)
    with progress_bar(show=progress, transient=True) as bar:
        for begin in bar.track(begins, description="mutating"):
            rows = slice(begin, begin + batch_size)
            batch = _mutate(model, codes[rows], deletions, insertions, by_factor, threads)
            named = None if name is None else name[begin : begin + batch_size]
            yield Mutagenesis(**batch, name=named, motif_names=model.motif_names, begin=begin)


def _mutate(
    model: AnyModel,
    codes: np.ndarray,
    deletions: bool,
    insertions: bool,
    by_factor: bool,
    threads: int | None,
) -> dict[str, Any]:
    found = substitutions(model, codes, by_factor=by_factor, threads=threads)
    unknown = codes > 3
    arrays: dict[str, Any] = {"codes": codes, "reference": found.reference.astype(np.float32)}
    for key in ("effect", "by_factor", "by_accessibility"):
        values = getattr(found, key)
        if values is not None:
            arrays[key] = values.astype(np.float32, copy=False)
            arrays[key][unknown] = np.nan
    if deletions:
        arrays["deletion"] = deletion_effects(model, codes, found.reference, threads)
    if insertions:
        arrays["insertion"] = insertion_effects(model, codes, found.reference, threads)
    return arrays


def _joined(arrays: list[np.ndarray | None]) -> np.ndarray | None:
    there = [array for array in arrays if array is not None]
    return np.concatenate(there) if there else None


def _letters(code: np.ndarray) -> pa.Array:
    return pa.array([*_LETTERS, _NONE]).take(pa.array(code.astype(np.int32)))


def _table(
    sequence: np.ndarray,
    position: np.ndarray,
    reference: pa.Array,
    alternative: pa.Array,
    effect: np.ndarray,
) -> pa.Table:
    return pa.table(
        {
            "sequence": sequence,
            "position": position.astype(np.int32),
            "reference": reference,
            "alternative": alternative,
            "effect": effect,
        }
    )
