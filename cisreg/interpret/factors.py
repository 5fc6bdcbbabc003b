"""What each factor of a model does, in the unit of expression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cisreg.display import counted, html_table
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import batches, encode_some, factor_places
from cisreg.interpret.concentrations import knock_outs
from cisreg.interpret.read_out import (
    limited_contribution,
    position_weight,
    scan_model,
    strand_activity,
)
from cisreg.links import of_score, sigmoid
from cisreg.spec import Link

if TYPE_CHECKING:
    import pandas as pd

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# Numbers that the quantiles are taken of; of more sequences, as many as this allows.
_MOST_OCCUPANCIES = 1 << 25


@dataclass(frozen=True, eq=False)
class FactorEffects:
    """What each of K factors does, in the unit of expression; arrays in the order of `factor`.

    Activity alone does not say it: where binding is weak, half the activity at twice the
    concentration predicts the same. Effects do not change with such a trade.

    Attributes:
        factor: names of the factors.
        consensus: the learned motif as IUPAC letters.
        strongest_site: the sequence that the factor binds best.
        log_concentration: float64 [K], nats.
        site_occupancy: float64 [K], how much of the time the strongest site is bound, 0 to 1.
        effect: float64 [K], what the strongest site adds to the score on the forward strand if all
            chromatin is accessible: activity * occupancy, within the binding limit if there is one.
            In a positional model, with the mean of the position weights.
        effect_reverse: float64 [K], the same on the reverse strand; None if the model does not tell
            strands apart.
        potentiation_effect: float64 [K], what the strongest site adds to the log odds of
            accessibility; None without the potentiation layer. With positional potentiation, at the
            mean of its position weights over strands and windows.
        mean_effect: float64 [K], mean over the sequences of expression minus expression with the
            factor knocked out. None without sequences, as all that follow.
        importance: float64 [K], mean of the absolute difference.
        quantiles: Q shares between 0 and 1.
        occupancy: float64 [K, Q], these quantiles over the sequences of the factor's binding where
            all chromatin is accessible: the expected number of bound sites, or the probability that
            any is bound.
        count: number of sequences; 0: none were given.
        pearson: Pearson's r of predicted and measured expression; None without measurements.
        lost_pearson: float64 [K], how much of it is lost without each factor.
        unit: the unit of expression; empty if it is not known.
        link: how expression follows from the score, see `cisreg.ModelSpec`. `effect` and
            `effect_reverse` are on the scale of the score; `mean_effect`, `importance` and
            `lost_pearson` are about expression.
    """

    factor: tuple[str, ...]
    consensus: tuple[str, ...]
    strongest_site: tuple[str, ...]
    log_concentration: np.ndarray
    site_occupancy: np.ndarray
    effect: np.ndarray
    effect_reverse: np.ndarray | None = None
    potentiation_effect: np.ndarray | None = None
    mean_effect: np.ndarray | None = None
    importance: np.ndarray | None = None
    quantiles: tuple[float, ...] = ()
    occupancy: np.ndarray | None = None
    count: int = 0
    pearson: float | None = None
    lost_pearson: np.ndarray | None = None
    unit: str = ""
    link: Link = "identity"

    def __len__(self) -> int:
        """K, the number of factors."""
        return len(self.factor)

    def __repr__(self) -> str:
        return f"FactorEffects({self._title()})"

    def _title(self) -> str:
        over = f" over {counted(self.count, 'sequence')}" if self.count else ""
        unit = f", expression in {self.unit}" if self.unit else ""
        factors = f"{counted(len(self), 'factor')}{over}{unit}"
        if self.link != "identity":
            factors += f"; effects of sites{of_score(self.link).removeprefix(',')}"
        return factors

    def _repr_html_(self) -> str:
        columns = {name: column.to_pylist() for name, column in self._columns().items()}
        return html_table(self._title(), columns, len(self))

    @property
    def order(self) -> np.ndarray:
        """Places of the factors, the most important first; without sequences by effect, int [K]."""
        size = self.importance
        if size is None:
            strands = [self.effect] if self.effect_reverse is None else self._strands()
            size = np.abs(strands).max(axis=0)
        return np.argsort(-size, kind="stable")

    def _strands(self) -> list[np.ndarray]:
        assert self.effect_reverse is not None
        return [self.effect, self.effect_reverse]

    def _columns(self) -> dict[str, pa.Array]:
        numbers = {
            name: getattr(self, name)
            for name in (
                *("log_concentration", "site_occupancy", "effect", "effect_reverse"),
                *("potentiation_effect", "mean_effect", "importance", "lost_pearson"),
            )
        }
        if self.occupancy is not None:
            for share, each in zip(self.quantiles, self.occupancy.T, strict=True):
                numbers[f"occupancy_{100 * share:g}_percent"] = each
        order = self.order
        text = {name: getattr(self, name) for name in ("factor", "consensus", "strongest_site")}
        return {
            name: pa.array([each[place] for place in order], pa.string())
            for name, each in text.items()
        } | {name: pa.array(each[order]) for name, each in numbers.items() if each is not None}

    def to_table(self) -> pa.Table:
        """An Arrow table with a row for each factor, in the order of `order`.

        Example:
            >>> factor_effects(model).to_table().column_names[:3]  # doctest: +SKIP
            ['factor', 'consensus', 'strongest_site']
        """
        return pa.table(self._columns())

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()


def factor_effects(
    model: AnyModel,
    sequences: Any = None,
    *,
    factors: Sequence[str] | None = None,
    quantiles: Sequence[float] = QUANTILES,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> FactorEffects:
    """What each factor of a model does: alone by its strongest site, and over sequences.

    Args:
        model: a trained model.
        sequences: whatever `Model.predict` takes; None: only what needs no sequences.
        factors: names of the factors; None: all of them.
        quantiles: of the occupancy over the sequences. Of very many sequences, evenly spaced ones
            are taken for the quantiles: as many as make 2^25 occupancies (136,000 for 245 factors).
        batch_size: sequences scanned at a time; None: as many as take a few hundred megabytes.
        threads: how many threads compute; None: one for each core.
        progress: whether to show progress bars.

    Raises:
        ValueError: no sequences, a name that the model does not have, or a quantile outside of 0
            to 1.

    Example:
        >>> factor_effects(model, data).to_frame().head()  # doctest: +SKIP
    """
    shares = tuple(float(share) for share in quantiles)
    for share in shares:
        if not 0 <= share <= 1:
            raise ValueError(f"quantiles: expected shares of 0 to 1, got {share}")
    places = factor_places(model, factors)
    consensus, strongest_site = model.motifs.consensus(), model.motifs.strongest_site()
    occupancy = strongest_site_occupancy(model)
    effects = _site_effects(model, occupancy)[:, places]
    potentiation = None
    if model.spec.potentiation:
        potentiation = (site_potentiation(model) * occupancy)[places]
    of_sequences: dict[str, Any] = {}
    if sequences is not None:
        how: dict[str, Any] = {"batch_size": batch_size, "threads": threads, "progress": progress}
        changes = knock_outs(model, sequences, factors=factors, **how)
        of_sequences = {
            "mean_effect": changes.mean_effect,
            "importance": changes.importance,
            "quantiles": shares,
            "occupancy": _occupancy_quantiles(model, sequences, places, shares, **how),
            "count": changes.count,
            "pearson": changes.pearson,
            "lost_pearson": changes.lost_pearson,
        }
    return FactorEffects(
        tuple(model.motif_names[place] for place in places),
        tuple(consensus[place] for place in places),
        tuple(strongest_site[place] for place in places),
        model.parameters["log_concentration"].astype(np.float64)[places],
        occupancy[places],
        effects[0],
        effects[1] if model.spec.stranded else None,
        potentiation,
        **of_sequences,
        unit=model.unit,
        link=model.spec.link,
    )


def strongest_site_occupancy(model: AnyModel) -> np.ndarray:
    """How much of the time each factor's strongest site is bound, float64 [M].

    Example:
        >>> strongest_site_occupancy(model).max() <= 1  # doctest: +SKIP
        True
    """
    lowest_log_kd = model.parameters["log_kd"].min(axis=1).sum(axis=0, dtype=np.float64)
    return sigmoid(model.parameters["log_concentration"] - lowest_log_kd)


def site_potentiation(model: AnyModel) -> np.ndarray:
    """What one bound site adds to the log odds of accessibility, at the mean position, float64 [M].

    Example:
        >>> site_potentiation(model).shape  # doctest: +SKIP
        (245,)
    """
    spec, parameters = model.spec, model.parameters
    potentiation = parameters["potentiation"].astype(np.float64)
    if not spec.positional_potentiation:
        return potentiation
    weight = position_weight(spec, parameters, "potentiation_position_weight")
    return potentiation * weight.mean(axis=(0, 1), dtype=np.float64)


def _site_effects(model: AnyModel, occupancy: np.ndarray) -> np.ndarray:
    """What the strongest site adds to expression on each strand, float64 [2, M]."""
    spec, parameters = model.spec, model.parameters
    bound = np.broadcast_to(occupancy, (2, len(occupancy)))
    if spec.binding_limit:
        bound = np.minimum(bound, np.exp(parameters["log_binding_limit"].astype(np.float64)))
    if spec.positional:
        bound = bound * position_weight(spec, parameters).mean(axis=1, dtype=np.float64)
    return limited_contribution(model, bound * strand_activity(spec, parameters))


def _occupancy_quantiles(
    model: AnyModel, sequences: Any, places: np.ndarray, shares: tuple[float, ...], **how: Any
) -> np.ndarray:
    """Quantiles of the binding of factors over sequences, float64 [K, Q]."""
    codes, threads = encode_some(model, sequences), how.pop("threads")
    most = max(1, _MOST_OCCUPANCIES // max(1, len(places)))
    codes = codes[:: -(-len(codes) // most)]
    found = np.empty((len(codes), len(places)), np.float32)
    for rows, part in batches(model, codes, description="occupancy", **how):
        found[rows] = scan_model(model, part, threads=threads).binding[:, places]
    return np.quantile(found, shares, axis=0).T
