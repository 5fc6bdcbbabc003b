"""Pairs of mutations: how the effect of both differs from the sum of each alone (epistasis)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cisreg.display import counted
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import rows_at_once
from cisreg.interpret.mutagenesis import Mutagenesis, mutagenesis
from cisreg.interpret.substitutions import BASES, made_substitutions
from cisreg.limits import check_memory
from cisreg.progress import progress_bar

if TYPE_CHECKING:
    import pandas as pd

_LETTERS = np.array(list("ACGT-"))
# Arrays of the size of all effects that there are at a time.
_COPIES = 4


@dataclass(frozen=True, eq=False)
class MutationPairs:
    """The effects of all pairs of substitutions of one sequence of L bases.

    Attributes:
        codes: uint8 [L], the base codes of the sequence.
        reference: the expression of the sequence.
        single: float32 [L, 4], the effect of each substitution alone, as `Mutagenesis.effect`.
        effect: float32 [L, 4, L, 4], the effect of both substitutions, symmetric. Where a base is
            in the place of itself it is that of the other substitution alone; not a number for
            unknown bases and for two bases at one position.
    """

    codes: np.ndarray
    reference: float
    single: np.ndarray
    effect: np.ndarray

    def __repr__(self) -> str:
        return f"MutationPairs({counted(len(self.codes), 'base')})"

    @property
    def epistasis(self) -> np.ndarray:
        """float32 [L, 4, L, 4]: the effect of both minus the effects of each alone."""
        alone = self.single[:, :, np.newaxis, np.newaxis] + self.single
        return self.effect - alone

    def dependency(self) -> np.ndarray:
        """The largest absolute epistasis of any two bases at two positions, float32 [L, L].

        0 on the diagonal and for unknown bases. Such maps of all pairs of positions are those of
        Tomaz da Silva et al. (2025), Nature Genetics, with the effect on expression in the place
        of that on the probability of bases.
        """
        size = np.nan_to_num(np.abs(self.epistasis))
        largest: np.ndarray = size.max(axis=(1, 3))
        return largest

    def to_table(self) -> pa.Table:
        """An Arrow table with one row for each pair of substitutions.

        Columns: position_1, reference_1, alternative_1, the same of the second, behind the first;
        effect and epistasis.
        """
        made = made_substitutions(self.codes)
        position, base = np.nonzero(made)
        first, second = np.triu_indices(len(position), 1)
        two = position[first] < position[second]
        first, second = first[two], second[two]
        columns: dict[str, Any] = {}
        for number, which in ((1, first), (2, second)):
            columns[f"position_{number}"] = position[which].astype(np.int32)
            columns[f"reference_{number}"] = _LETTERS[self.codes[position[which]]]
            columns[f"alternative_{number}"] = _LETTERS[base[which]]
        at = position[first], base[first], position[second], base[second]
        return pa.table({**columns, "effect": self.effect[at], "epistasis": self.epistasis[at]})

    def position_table(self) -> pa.Table:
        """An Arrow table with one row for each two positions with known bases, the first one first.

        Columns: position_1, position_2 and epistasis, the largest of any two bases as in
        `dependency`.
        """
        known = np.flatnonzero(self.codes < BASES).astype(np.int32)
        first, second = (known[which] for which in np.triu_indices(len(known), 1))
        epistasis = self.dependency()[first, second]
        return pa.table({"position_1": first, "position_2": second, "epistasis": epistasis})

    def to_frame(self) -> pd.DataFrame:
        """A pandas DataFrame of `to_table`.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()


def mutation_pairs(model: AnyModel, sequence: Any, *, threads: int | None = None) -> MutationPairs:
    """The effects of all pairs of substitutions of one sequence.

    They are found as the substitutions of each mutant, so that all pairs of a sequence take about
    as long as the substitutions of 3 L sequences. The result takes 16 L * L numbers.

    Args:
        model: a trained model.
        sequence: one sequence, in a list or as base codes [1, L].
        threads: how many threads compute; None: one for each core.

    Raises:
        ValueError: more or fewer than one sequence, one whose pairs do not fit into memory, or what
            `Model.encode` refuses.

    Example:
        >>> pairs = mutation_pairs(model, ["ACGT" * 27])  # doctest: +SKIP
        >>> np.nanmax(np.abs(pairs.epistasis))  # doctest: +SKIP
        0.31
    """
    codes = np.asarray(model.encode(sequence))
    if len(codes) != 1:
        raise ValueError(
            f"sequence: expected one sequence, got {len(codes)}; take them one by one, or use "
            "dependency_map"
        )
    size = _COPIES * 4 * (codes.shape[1] * BASES) ** 2
    check_memory(f"pairs of mutations of {codes.shape[1]:,} bases", size, "take shorter sequences")
    alone = mutagenesis(model, codes, threads=threads)
    made = made_substitutions(codes)[0]
    position, base = np.nonzero(made)
    effect = np.full((*made.shape, *made.shape), np.nan, np.float32)
    at_once = rows_at_once(model.spec)
    for begin in range(0, len(position), at_once):
        part = slice(begin, begin + at_once)
        both = _second_mutations(model, codes[0], position[part], base[part], threads)
        # Expression of the double mutants, less that of the sequence.
        change = (both.reference - alone.reference)[:, np.newaxis, np.newaxis] + both.effect
        effect[position[part], base[part]] = change
    _complete(effect, alone.effect[0], codes[0])
    return MutationPairs(codes[0], float(alone.reference[0]), alone.effect[0], effect)


def _second_mutations(
    model: AnyModel,
    codes: np.ndarray,
    position: np.ndarray,
    base: np.ndarray,
    threads: int | None,
) -> Mutagenesis:
    mutants = np.repeat(codes[np.newaxis], len(position), axis=0)
    mutants[np.arange(len(position)), position] = base
    return mutagenesis(model, mutants, threads=threads)


def _complete(effect: np.ndarray, single: np.ndarray, codes: np.ndarray) -> None:
    """Fills in bases in the place of themselves, and makes both halves the same."""
    place = np.arange(len(codes))
    known = place[codes < BASES]
    effect[known, codes[known]] = single
    effect[:, :, known, codes[known]] = single[:, :, np.newaxis]
    lower = np.tril(np.ones((len(codes), len(codes)), bool), -1)
    swapped = effect.transpose(2, 3, 0, 1)
    np.copyto(effect, swapped.copy(), where=lower[:, np.newaxis, :, np.newaxis])
    effect[place, :, place] = np.nan


def dependency_map(
    model: AnyModel, sequences: Any, *, threads: int | None = None, progress: bool = False
) -> np.ndarray:
    """How much the effect of mutating one position depends on another one, for all pairs.

    Args:
        model: a trained model.
        sequences: as for `Model.predict`; each takes about as long as the substitutions of 3 L.
        threads: how many threads compute; None: one for each core.
        progress: whether to show a progress bar on a terminal.

    Returns:
        float32 [N, L, L], symmetric, in the unit of expression: the largest absolute epistasis of
        any two bases at both positions, see `MutationPairs.dependency`.

    Raises:
        ValueError, TypeError: sequences that `Model.encode` refuses.

    Example:
        >>> dependency_map(model, ["ACGT" * 27]).shape  # doctest: +SKIP
        (1, 110, 110)
    """
    codes = np.asarray(model.encode(sequences))
    length = codes.shape[1]
    maps = np.zeros((len(codes), length, length), np.float32)
    with progress_bar(show=progress, transient=True) as bar:
        for index in bar.track(range(len(codes)), description="mutating pairs"):
            maps[index] = mutation_pairs(
                model, codes[index : index + 1], threads=threads
            ).dependency()
    return maps
