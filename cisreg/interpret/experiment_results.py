"""Results of experiments: expression before and after, for each sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cisreg.display import SHOWN_ROWS, counted, html_table

if TYPE_CHECKING:
    import pandas as pd


def mean_and_error(values: np.ndarray, axis: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The mean along an axis, and its standard error; NaN for the error of a single value.

    The standard error is the standard deviation, with n - 1, divided by the square root of n.

    Example:
        >>> mean, error = mean_and_error(np.array([1.0, 3.0]))
        >>> float(mean), float(error)
        (2.0, 1.0)
    """
    count = values.shape[axis]
    if not count:
        empty = np.full(np.delete(values.shape, axis), np.nan)
        return empty, empty
    mean = values.mean(axis=axis)
    if count == 1:
        return mean, np.full_like(mean, np.nan)
    return mean, values.std(axis=axis, ddof=1) / np.sqrt(count)


class _Result:
    """What the results of all experiments have in common."""

    before: np.ndarray
    name: pa.Array | None

    def columns(self) -> dict[str, Any]:
        """The columns of `to_table`."""
        raise NotImplementedError

    def __len__(self) -> int:
        """N, the number of sequences."""
        return len(self.before)

    def to_table(self) -> pa.Table:
        """An Arrow table of `columns`."""
        return pa.table(self.columns())

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()

    def __repr__(self) -> str:
        rows = counted(self.to_table().num_rows, "row")
        return f"{type(self).__name__}({counted(len(self), 'sequence')}, a table of {rows})"

    def _repr_html_(self) -> str:
        table = self.to_table()
        shown = table.slice(0, SHOWN_ROWS).to_pydict()
        return html_table(repr(self), shown, table.num_rows)

    def _sequence_column(self) -> Any:
        """The names of the sequences, or their numbers."""
        return np.arange(len(self)) if self.name is None else self.name


@dataclass(frozen=True, eq=False, repr=False)
class Marginalization(_Result):
    """Expression of N sequences before and after each of K sites was written into them.

    Attributes:
        motif: K names of factors, or bases.
        site: K texts, the bases that were written, as the forward strand reads them; N stands for
            the base that was there.
        strand: K of "+" and "-".
        position: int64 [K], the first base of the site, counted from 0 on the forward strand.
        before: float64 [N], expression of the sequences as they are.
        after: float64 [N, K], expression with the site.
        name: Arrow strings [N], names of the sequences; None if they have none.
        unit: the unit of expression, as text.
    """

    motif: tuple[str, ...]
    site: tuple[str, ...]
    strand: tuple[str, ...]
    position: np.ndarray
    before: np.ndarray
    after: np.ndarray
    name: pa.Array | None = None
    unit: str = ""

    @property
    def effect(self) -> np.ndarray:
        """Expression after minus before, float64 [N, K]."""
        return self.after - self.before[:, np.newaxis]

    @property
    def mean_effect(self) -> np.ndarray:
        """Mean effect over the sequences, float64 [K]."""
        return mean_and_error(self.effect)[0]

    def columns(self) -> dict[str, Any]:
        """A row for each site: means over the sequences, and the standard error of the effect."""
        effect, error = mean_and_error(self.effect)
        count = len(self.position)
        return {
            "motif": pa.array(self.motif, pa.string()),
            "site": pa.array(self.site, pa.string()),
            "strand": pa.array(self.strand, pa.string()),
            "position": self.position,
            "before": np.repeat(mean_and_error(self.before)[0], count),
            "after": mean_and_error(self.after)[0],
            "effect": effect,
            "standard_error": error,
            "sequences": np.repeat(len(self), count),
        }

    def by_sequence(self) -> pa.Table:
        """An Arrow table with a row for each sequence and site, sequences outermost.

        Example:
            >>> marginalize(model, backgrounds, "Reb1").by_sequence()  # doctest: +SKIP
        """
        count = len(self.position)
        order = pa.array(np.repeat(np.arange(len(self)), count))
        sites = pa.array(np.tile(np.arange(count), len(self)))
        of_site = {name: self.to_table()[name] for name in ("motif", "site", "strand", "position")}
        return pa.table(
            {
                "sequence": pa.array(self._sequence_column()).take(order),
                **{name: column.take(sites) for name, column in of_site.items()},
                "before": np.repeat(self.before, count),
                "after": self.after.ravel(),
                "effect": self.effect.ravel(),
            }
        )


@dataclass(frozen=True, eq=False, repr=False)
class Ablation(_Result):
    """Expression of N sequences before and after n shuffles of a part, or of a factor's sites.

    Attributes:
        before: float64 [N], expression of the sequences as they are.
        after: float64 [N, n], expression after each shuffle.
        bases: int64 [N], how many bases of each sequence were shuffled.
        sites: int64 [N], how many sites of the factor they held; None without a factor.
        name: Arrow strings [N], names of the sequences; None if they have none.
        unit: the unit of expression, as text.
    """

    before: np.ndarray
    after: np.ndarray
    bases: np.ndarray
    sites: np.ndarray | None = None
    name: pa.Array | None = None
    unit: str = ""

    @property
    def effect(self) -> np.ndarray:
        """Expression after minus before, float64 [N, n]."""
        return self.after - self.before[:, np.newaxis]

    @property
    def mean_effect(self) -> np.ndarray:
        """Mean effect over the shuffles, float64 [N]."""
        return mean_and_error(self.effect, axis=1)[0]

    def columns(self) -> dict[str, Any]:
        """A row for each sequence: means over the shuffles, and the effect's standard error."""
        effect, error = mean_and_error(self.effect, axis=1)
        sites = {} if self.sites is None else {"sites": self.sites}
        return {
            "sequence": self._sequence_column(),
            **sites,
            "bases": self.bases,
            "before": self.before,
            "after": mean_and_error(self.after, axis=1)[0],
            "effect": effect,
            "standard_error": error,
        }


@dataclass(frozen=True, eq=False, repr=False)
class Spacing(_Result):
    """Expression of N sequences before and after each of K arrangements of two sites.

    Attributes:
        motifs: the two names of factors, or bases; the first is the left one.
        orientation: K texts such as "+-", the strands of the first and of the second site.
        distance: int64 [K], the number of bases between the two sites.
        positions: int64 [2, K], the first base of each site, counted from 0.
        before: float64 [N], expression of the sequences as they are.
        after: float64 [N, K], expression with both sites.
        alone: float64 [2, N, K], expression with only the first, and only the second site, each
            where it is with both.
        name: Arrow strings [N], names of the sequences; None if they have none.
        unit: the unit of expression, as text.
    """

    motifs: tuple[str, str]
    orientation: tuple[str, ...]
    distance: np.ndarray
    positions: np.ndarray
    before: np.ndarray
    after: np.ndarray
    alone: np.ndarray
    name: pa.Array | None = None
    unit: str = ""

    @property
    def effect(self) -> np.ndarray:
        """Expression with both sites minus that before, float64 [N, K]."""
        return self.after - self.before[:, np.newaxis]

    @property
    def effects_alone(self) -> np.ndarray:
        """The effect of each site alone, float64 [2, N, K]."""
        return self.alone - self.before[:, np.newaxis]

    @property
    def interaction(self) -> np.ndarray:
        """The effect of both minus the sum of the effects of each alone, float64 [N, K]."""
        return self.effect - self.effects_alone.sum(axis=0)

    def columns(self) -> dict[str, Any]:
        """A row for each arrangement: means over the sequences, and standard errors."""
        count = len(self.distance)
        effect, error = mean_and_error(self.effect)
        interaction, interaction_error = mean_and_error(self.interaction)
        first, second = mean_and_error(self.effects_alone, axis=1)[0]
        return {
            "first": pa.array([self.motifs[0]] * count, pa.string()),
            "second": pa.array([self.motifs[1]] * count, pa.string()),
            "orientation": pa.array(self.orientation, pa.string()),
            "distance": self.distance,
            "first_position": self.positions[0],
            "second_position": self.positions[1],
            "before": np.repeat(mean_and_error(self.before)[0], count),
            "after": mean_and_error(self.after)[0],
            "effect": effect,
            "standard_error": error,
            "first_effect": first,
            "second_effect": second,
            "interaction": interaction,
            "interaction_standard_error": interaction_error,
            "sequences": np.repeat(len(self), count),
        }
