"""A screen for pairs of factors whose sites act together, in what a model does not explain.

Residuals, measured minus predicted, less what the binding of all factors explains linearly, are
compared with the product of the binding of every two factors, each less its mean, where chromatin
is accessible. The statistic of a pair is the sum over the sequences of residual times product, by
the standard deviation that it has if the two are independent: a score test. A model that is wrong
in other ways makes all z-scores larger. They are therefore divided by their own spread, 1.48 times
the median of their sizes but at least 1 (an empirical null; Efron 2004, JASA 99:96).

The product of two bindings says nothing about distances: an effect at few of them is diluted. So
the best 200 pairs have a profile: the same z-score of the sums over sites that are so far apart,
one for each orientation and knot (`cisreg.pairs.pair_sums`). Where fewer than 5 sequences make up
such a sum it is 0. The p-value of a pair is that of the larger of both, two-sided and times the
number of z-scores it is the largest of (Bonferroni); q-values are those of Benjamini and Hochberg
(1995) over all pairs, of which those without a profile have the p-value of their product. All sums
are those of weighted least squares: a weight is taken for 1 / variance of the noise of a row. With
weights that are something else, z-scores can be too large.

An effect that changes its sign with the distance may be missed where it cancels. A pair that is
found is a candidate; `cisreg.recipes.accept_pairs` trains with and without it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cisreg.choices import PAIR_DISTANCE, PAIR_KNOTS
from cisreg.data import Dataset
from cisreg.display import counted, html_table
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import batches, encode_some, factor_places
from cisreg.interpret.read_out import between_ends, read_out, scan_model, site_occupancy
from cisreg.limits import check_range
from cisreg.links import link_slope
from cisreg.pairs import ORIENTATIONS, pair_motifs, pair_sums
from cisreg.spec import ModelSpec
from cisreg.spline import knot_places

if TYPE_CHECKING:
    import pandas as pd

# Pairs that have a profile, and sequences that a z-score of one needs.
_PROFILES, _LEAST_SEQUENCES = 200, 5
# The median size of a normal number, by its standard deviation.
_MEDIAN_SIZE = 0.6744897501960817


@dataclass(frozen=True, eq=False)
class PairScreen:
    """Pairs of factors that residuals speak for, the best first.

    Attributes:
        factors: K pairs of names.
        z: float64 [K], the z-score of the product of both bindings: above 0 where both together do
            more than the model says.
        p_value: float64 [K], of it and of the profile.
        q_value: float64 [K], the false discovery rate among all pairs down to this one.
        spread: what the z-scores were divided by; well above 1 where the model is wrong in many
            ways.
        tested: how many pairs were tested.
        pair_distance: where the profile ends, in bases.
        distance: float64 [D], distances of the profile, in bases, as of `cisreg.pairs`.
        profile: float64 [K, 2, D], z-scores by orientation ("same", "opposite") and distance.
        count: number of sequences.
    """

    factors: tuple[tuple[str, str], ...]
    z: np.ndarray
    p_value: np.ndarray
    q_value: np.ndarray
    spread: float
    tested: int
    pair_distance: int
    distance: np.ndarray
    profile: np.ndarray
    count: int

    def __len__(self) -> int:
        """K, the number of pairs."""
        return len(self.factors)

    def __repr__(self) -> str:
        return f"PairScreen({self._title()})"

    def _title(self) -> str:
        return (
            f"the best {len(self)} of {counted(self.tested, 'pair')} of factors, "
            f"{counted(self.count, 'sequence')}"
        )

    def _repr_html_(self) -> str:
        columns = {name: column.to_pylist() for name, column in self._columns().items()}
        return html_table(self._title(), columns, len(self))

    def candidates(self, q_value: float = 0.05, most: int = 10) -> list[tuple[str, str]]:
        """The names of the best pairs up to this false discovery rate."""
        chosen = self.q_value <= q_value
        return [pair for pair, good in zip(self.factors, chosen, strict=True) if good][:most]

    def _columns(self) -> dict[str, pa.Array]:
        flat = np.abs(self.profile).reshape(len(self), -1)
        best = flat.argmax(axis=1) if len(self) else np.zeros(0, int)
        orientation, place = np.divmod(best, len(self.distance))
        there = self.profile[np.arange(len(self)), orientation, place]
        first, second = zip(*self.factors, strict=True) if self.factors else ((), ())
        unknown = there == 0
        names = np.array(ORIENTATIONS)[orientation]
        return {
            "first": pa.array(first, pa.string()),
            "second": pa.array(second, pa.string()),
            "z": pa.array(self.z),
            "p_value": pa.array(self.p_value),
            "q_value": pa.array(self.q_value),
            "orientation": pa.array(names, pa.string(), mask=unknown),
            "distance": pa.array(self.distance[place], mask=unknown),
            "z_there": pa.array(there, mask=unknown),
        }

    def to_table(self) -> pa.Table:
        """An Arrow table with a row for each pair, the best first.

        `orientation`, `distance` and `z_there` are those of the largest z-score of the profile, and
        missing where no place has sites in enough sequences.
        """
        return pa.table(self._columns())

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()


def screen_pairs(
    model: AnyModel,
    data: Dataset,
    *,
    most: int = 20,
    factors: Sequence[str] | None = None,
    pair_distance: int = PAIR_DISTANCE,
    pair_knots: int = PAIR_KNOTS,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> PairScreen:
    """The pairs of factors, each with itself too, that explain most of what a model does not.

    Pairs that the model has already are left out.

    Args:
        model: a trained model.
        data: sequences and measurements; those that the model was trained on are good for it. A row
            counts by its weight times the share of its replicates that are there.
        most: how many pairs to return, with their profiles.
        factors: only pairs of these factors; None: of all.
        pair_distance: of the profile, as in `cisreg.ModelSpec`.
        pair_knots: of the profile.
        batch_size: sequences scanned at a time; None: as many as take a few hundred megabytes.
        threads: how many threads compute; None: one for each core.
        progress: whether to show a progress bar.

    Raises:
        ValueError: no sequences, no measured expression or no weight above 0, an argument that is
            out of its range, or a model of several outputs.

    Example:
        >>> screen_pairs(model, data).to_frame().head()  # doctest: +SKIP
    """
    check_range("most", most, 1, 1 << 20)
    if model.spec.competition:
        raise ValueError(
            "model: expected one of independent sites, got one with competition, whose sites are "
            "not computed one by one; screen a model that was trained without competition"
        )
    places = np.asarray(factor_places(model, factors), np.int64)
    codes, measured, root_weight = _rows(model, data)
    how: dict[str, Any] = {"batch_size": batch_size, "progress": progress}
    binding = np.empty((len(codes), len(places)), np.float32)
    residual, sensitivity = np.empty((2, len(codes)))
    for rows, part in batches(model, codes, description="pairs", **how):
        scan = scan_model(model, part, threads=threads)
        made = read_out(model, scan)
        binding[rows] = scan.binding[:, places]
        residual[rows] = measured[rows] - made.expression
        # What a small effect on the score, where all is accessible, does to expression.
        slope = link_slope(model.spec.link, model.parameters, made.score)
        sensitivity[rows] = made.accessibility * slope
    # Least squares with weights are those of rows times the root of their weight.
    residual, sensitivity = residual * root_weight, sensitivity * root_weight
    residual = _unexplained(
        residual, binding * sensitivity[:, np.newaxis], sensitivity, root_weight
    )
    z = _of_products(binding.astype(np.float64), residual, sensitivity, root_weight)
    first, second = np.triu_indices(len(places))
    known = {frozenset(pair) for pair in model.spec.pairs}
    new = [frozenset(pair) not in known for pair in zip(places[first], places[second], strict=True)]
    first, second = first[new], second[new]
    found = z[first, second]
    spread = max(float(np.median(np.abs(found))) / _MEDIAN_SIZE, 1.0) if len(found) else 1.0
    found = found / spread
    closer = np.argsort(-np.abs(found), kind="stable")[: max(most, _PROFILES)]
    pairs = np.stack([places[first[closer]], places[second[closer]]], axis=1).tolist()
    spec = replace(
        model.spec,
        pairs=tuple((a, b) for a, b in pairs),
        pair_distance=pair_distance,
        pair_knots=pair_knots,
    )
    profile = _profile(model, spec, codes, residual, sensitivity, root_weight, how) / spread
    p_value = _two_sided(found)
    of_profile = _two_sided(np.abs(profile).max(axis=(1, 2))) * profile[0].size if pairs else 0.0
    p_value[closer] = np.minimum(2 * np.minimum(p_value[closer], of_profile), 1.0)
    order = np.argsort(p_value[closer], kind="stable")[:most]
    best = closer[order]
    return PairScreen(
        tuple(tuple(model.motif_names[each] for each in pairs[row]) for row in order),
        found[best],
        p_value[best],
        _q_values(p_value)[best],
        spread,
        len(found),
        pair_distance,
        knot_places(pair_knots, pair_distance),
        profile[order],
        len(codes),
    )


def _rows(model: AnyModel, data: Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes, measurements and roots of weights, of mean square 1, of the rows that say something.

    Counts without exposure, or without reads, say nothing, and rows of weight 0 neither.
    """
    codes, measured = encode_some(model, data), _measured(model, data)
    weight = _mean_weight(model, data)
    rows = np.isfinite(measured) & (weight > 0)
    if not rows.any():
        raise ValueError(
            "data: expected rows that are measured, with a weight above 0, got none of "
            f"{len(data):,}"
        )
    weight = weight[rows]
    return codes[rows], measured[rows], np.sqrt(weight / weight.mean())


def _mean_weight(model: AnyModel, data: Dataset) -> np.ndarray:
    """`Dataset.mean_weight`, of counts that of their levels: an exposure is no replicate."""
    if model.noise is None or not model.noise.counts:
        return data.mean_weight
    levels = model.noise.levels(data.expression).reshape(len(data), -1)
    own = 1.0 if data.weight is None else data.weight.astype(np.float64)
    return own * np.isfinite(levels).mean(axis=1)


def _measured(model: AnyModel, data: Dataset) -> np.ndarray:
    if not isinstance(data, Dataset) or not data.expression.size:
        raise ValueError(
            "data: expected a Dataset with measured expression, got none; cisreg.read_dataset "
            "reads one"
        )
    if model.noise is not None and model.noise.counts:
        return model.noise.mean_level(data.expression).astype(np.float64)
    return data.mean_expression.astype(np.float64)


def _unexplained(
    residual: np.ndarray, binding: np.ndarray, sensitivity: np.ndarray, root_weight: np.ndarray
) -> np.ndarray:
    """Residuals less what a sum over factors explains, by least squares: of weighted mean 0."""
    design = np.column_stack([root_weight, sensitivity, binding])
    solution, *_ = np.linalg.lstsq(design, residual, rcond=None)
    return residual - design @ solution


def _of_products(
    binding: np.ndarray, residual: np.ndarray, sensitivity: np.ndarray, root_weight: np.ndarray
) -> np.ndarray:
    """The z-score of every two columns of a binding [N, M], float64 [M, M]."""
    centred = binding - root_weight**2 @ binding / len(binding)
    size = np.sqrt(np.abs(sensitivity))
    own = centred * size[:, np.newaxis]
    # Products have a mean, of which a residual of mean 0 knows nothing.
    mean = own.T @ (own * root_weight[:, np.newaxis]) / len(own)
    total = own.T @ (own * residual[:, np.newaxis])
    square = (own**2).T @ own**2 - len(own) * mean**2
    return _z_scores(total, square, residual)


def _z_scores(total: np.ndarray, square: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Sums of residual times product, by their standard deviation if the two are independent."""
    variance = np.maximum(square, 0) * np.mean(residual**2)
    return np.divide(total, np.sqrt(variance), out=np.zeros_like(total), where=variance > 0)


def _profile(
    model: AnyModel,
    spec: ModelSpec,
    codes: np.ndarray,
    residual: np.ndarray,
    sensitivity: np.ndarray,
    root_weight: np.ndarray,
    how: dict[str, Any],
) -> np.ndarray:
    """Z-scores of the sums over sites by orientation and knot, float64 [K, 2, D]."""
    if not spec.pairs:
        return np.zeros((0, 2, spec.pair_knots))
    motifs = pair_motifs(spec).motifs
    sums = np.zeros((4, len(spec.pairs), 2, spec.pair_knots))
    for rows, part in batches(model, codes, description="distances", **how):
        site = site_occupancy(model, *between_ends(model.spec, part), motifs)
        by_strand = pair_sums(spec, site)
        both = np.stack(
            [
                by_strand[:, 0, 0] + by_strand[:, 1, 1],
                by_strand[:, 0, 1] + by_strand[:, 1, 0],
            ],
            axis=2,
        ) * sensitivity[rows].reshape(-1, 1, 1, 1)
        left, own = (each[rows].reshape(-1, 1, 1, 1) for each in (residual, root_weight))
        sums += np.stack([each.sum(axis=0) for each in (own * both, left * both, both**2, both**4)])
    square = sums[2] - sums[0] ** 2 / len(codes)
    enough = sums[2] ** 2 >= _LEAST_SEQUENCES * sums[3]
    return np.where(enough, _z_scores(sums[1], square, residual), 0.0)


def _two_sided(z: np.ndarray) -> np.ndarray:
    """P-values of normal numbers."""
    return np.array([math.erfc(abs(each) / math.sqrt(2)) for each in z.tolist()])


def _q_values(p_value: np.ndarray) -> np.ndarray:
    """Benjamini and Hochberg's."""
    order = np.argsort(p_value, kind="stable")
    rate = p_value[order] * len(order) / np.arange(1, len(order) + 1)
    q_value = np.empty(len(order))
    q_value[order] = np.minimum(np.minimum.accumulate(rate[::-1])[::-1], 1.0)
    return q_value
