"""Which candidates for pairs of factors predict better: trained with and without, then judged.

Both models start from the same parameters and train on the same rows. Rows that neither they, nor
the model, nor the screen that proposed the pairs have seen decide: a pair is accepted where the
log likelihood of these rows is higher with it, by more than two standard errors of the difference,
which is paired over the rows.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cisreg.choices import PAIR_DISTANCE, PAIR_KNOTS
from cisreg.data import Dataset
from cisreg.data.splitting import sequence_hashes
from cisreg.display import counted, html_table
from cisreg.losses import Noise
from cisreg.outputs import check_one_output
from cisreg.pairs import carried_pairs, pair_names
from cisreg.recipes.reading import read_recipe
from cisreg.recipes.recipe import LAYER_OPTIONS, Recipe
from cisreg.recipes.run import train
from cisreg.spec import ModelSpec
from cisreg.trained_model import Model

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger("cisreg.recipes")

# Standard errors by which a gain is above 0.
CLEARLY = 2.0


@dataclass(frozen=True)
class Gain:
    """By how much rows are more likely, in nats per row.

    Attributes:
        mean: over the rows.
        standard_error: of the mean; the rows are paired.
    """

    mean: float
    standard_error: float

    @property
    def is_clear(self) -> bool:
        """Whether it is above 0 by more than two standard errors."""
        return self.mean > CLEARLY * self.standard_error


@dataclass(frozen=True, eq=False)
class AcceptedPairs:
    """What training with candidates for pairs gave.

    Attributes:
        candidates: names of both factors of each.
        gains: of each candidate: the model with all of them against the same model without this
            one's effects.
        accepted: those with a clear gain; none if a model that is trained with these alone has no
            clear gain over the model without.
        gain: of the model with the accepted pairs over that without; None if there are none.
        without: the model that was trained without the candidates.
        model: the one that was trained with those that were accepted; `without` if none were.
        count: number of rows that decided.
    """

    candidates: tuple[tuple[str, str], ...]
    gains: tuple[Gain, ...]
    accepted: tuple[tuple[str, str], ...]
    gain: Gain | None
    without: Model
    model: Model
    count: int

    def __repr__(self) -> str:
        return f"AcceptedPairs({self._title()})"

    def _title(self) -> str:
        return (
            f"{len(self.accepted)} of {counted(len(self.candidates), 'candidate')} accepted on "
            f"{counted(self.count, 'sequence')}"
        )

    def _repr_html_(self) -> str:
        columns = {name: column.to_pylist() for name, column in self._columns().items()}
        return html_table(self._title(), columns, len(self.candidates))

    def _columns(self) -> dict[str, pa.Array]:
        first, second = zip(*self.candidates, strict=True) if self.candidates else ((), ())
        return {
            "first": pa.array(first, pa.string()),
            "second": pa.array(second, pa.string()),
            "gain": pa.array([each.mean for each in self.gains], pa.float64()),
            "standard_error": pa.array([each.standard_error for each in self.gains], pa.float64()),
            "accepted": pa.array([each in self.accepted for each in self.candidates], pa.bool_()),
        }

    def to_table(self) -> pa.Table:
        """An Arrow table with a row for each candidate; gains are in nats per row."""
        return pa.table(self._columns())

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()


def accept_pairs(
    model: Model,
    training: Dataset,
    held_out: Dataset,
    candidates: Sequence[tuple[str, str]],
    *,
    recipe: Recipe | str | os.PathLike[str] = "default",
    epochs: int | None = None,
    pair_distance: int = PAIR_DISTANCE,
    pair_knots: int = PAIR_KNOTS,
    seed: int = 0,
    progress: bool = False,
) -> AcceptedPairs:
    """Trains with and without candidates for pairs of factors, and accepts those that help.

    Args:
        model: where training starts; its layers stay.
        training: the rows to train on.
        held_out: the rows that decide: in neither `training`, nor the screen, nor what `model` was
            trained on. A warning says how many have the sequence of a row of `training`. Rows of
            weight 0 decide nothing.
        candidates: names of two factors each, such as from `PairScreen.candidates`.
        recipe: its last stage, penalties and precision are used, and its loss where the model has
            no noise model.
        epochs: at most so many; None: as in the recipe.
        pair_distance: as in `cisreg.ModelSpec`; of a model with pairs, that of the model.
        pair_knots: the same.
        seed: of the order of the rows.
        progress: whether to show progress bars.

    Raises:
        ValueError: no candidates or rows, a pair that the model has already, or a model of several
            outputs.

    Example:
        >>> found = screen_pairs(model, training).candidates()  # doctest: +SKIP
        >>> accept_pairs(model, training, held_out, found).to_frame()  # doctest: +SKIP
    """
    held_out = held_out.rows_that_count()
    _check(model, held_out, candidates)
    _warn_of_shared(training.rows_that_count(), held_out)
    chosen = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    if model.spec.pairs:
        pair_distance, pair_knots = model.spec.pair_distance, model.spec.pair_knots
    sizes = {"pair_distance": pair_distance, "pair_knots": pair_knots}
    known = pair_names(model.spec, model.motif_names)

    def trained(pairs: Sequence[tuple[str, str]]) -> Model:
        return _trained(
            *(model, training, [*known, *pairs], sizes),
            chosen.override(epochs=epochs),
            seed=seed,
            progress=progress,
        )

    without = trained([])
    candidates = tuple((a, b) for a, b in candidates)
    everything = trained(candidates)
    deviation = _deviation(without, held_out)
    likely = row_log_likelihood(everything, held_out, deviation)
    gains = []
    for number in range(len(known), len(known) + len(candidates)):
        effect = everything.parameters["pair_effect"].copy()
        effect[number] = 0
        parameters = {**everything.parameters, "pair_effect": effect}
        less = row_log_likelihood(replace(everything, parameters=parameters), held_out, deviation)
        gains.append(_gain(likely - less))
    accepted = tuple(pair for pair, gain in zip(candidates, gains, strict=True) if gain.is_clear)
    final, gain = without, None
    if accepted:
        final = everything if len(accepted) == len(candidates) else trained(accepted)
        before = row_log_likelihood(without, held_out, deviation)
        gain = _gain(row_log_likelihood(final, held_out, deviation) - before)
        if not gain.is_clear:
            accepted, final, gain = (), without, None
    return AcceptedPairs(candidates, tuple(gains), accepted, gain, without, final, len(held_out))


def check_takes_pairs(model: Model, recipe: Recipe, pair_distance: int, pair_knots: int) -> None:
    """Checks, before a screen, that a model can be trained with pairs of factors.

    Args:
        model: where training starts.
        recipe: as of `accept_pairs`.
        pair_distance: the same.
        pair_knots: the same.

    Raises:
        ValueError: a model of several outputs or of layers that take no pairs, or sizes of curves
            that do not fit it.

    Example:
        >>> check_takes_pairs(model, read_recipe("quick"), 30, 7)  # doctest: +SKIP
    """
    check_one_output(model)
    if model.spec.pairs:
        return
    name = model.motif_names[0]
    sizes = {"pair_distance": pair_distance, "pair_knots": pair_knots}
    one = _recipe_with(model, [(name, name)], sizes, recipe)
    one.spec(len(model.motif_names), model.spec.sequence_length, model.motif_names)


def _check(model: Model, held_out: Dataset, candidates: Sequence[tuple[str, str]]) -> None:
    check_one_output(model)
    if not candidates:
        raise ValueError("candidates: expected pairs of names of factors, got none")
    if not len(held_out) or not held_out.expression.size:
        raise ValueError(
            "held_out: expected sequences with a weight above 0 and their expression, got none"
        )
    known = {frozenset(pair) for pair in pair_names(model.spec, model.motif_names)}
    for pair in candidates:
        if frozenset(pair) in known:
            raise ValueError(
                f"candidates: expected pairs that the model has not, got {':'.join(pair)}"
            )


def _warn_of_shared(training: Dataset, held_out: Dataset) -> None:
    hashes = sequence_hashes(training.sequence)
    shared = int(np.isin(sequence_hashes(held_out.sequence), hashes).sum())
    if shared:
        logger.warning(
            "%d of %d held-out rows have the sequence, or its reverse complement, of a row to "
            "train on: pairs look better than they are; take these rows out of one of the tables",
            *(shared, len(held_out)),
        )


def _trained(
    model: Model,
    training: Dataset,
    pairs: Sequence[tuple[str, str]],
    sizes: dict[str, int],
    recipe: Recipe,
    *,
    seed: int,
    progress: bool,
) -> Model:
    """The model, trained further with these pairs."""
    own = _recipe_with(model, pairs, sizes, recipe)
    start = dict(model.parameters)
    start.pop("pair_effect", None)
    if model.spec.pairs:
        spec = own.spec(len(model.motif_names), model.spec.sequence_length, model.motif_names)
        start["pair_effect"] = carried_pairs(model.spec, model.parameters["pair_effect"], spec)
    return train(
        *(training, model.motifs, own),
        log_concentration=model.parameters["log_concentration"],
        start=start,
        loss=model.noise,
        seed=seed,
        progress=progress,
    ).model


def _recipe_with(
    model: Model, pairs: Sequence[tuple[str, str]], sizes: dict[str, int], recipe: Recipe
) -> Recipe:
    """The last stage of a recipe, with the layers of a model and these pairs."""
    layers: dict[str, Any] = {
        each.name: getattr(model.spec, each.name)
        for each in fields(ModelSpec)
        if each.name in LAYER_OPTIONS and getattr(model.spec, each.name) != each.default
    }
    layers |= {"pairs": [list(pair) for pair in pairs], **sizes}
    if not model.spec.has_span:
        layers["constant_ends"] = "keep"
    return replace(
        recipe,
        stages=recipe.stages[-1:],
        model={},
        motif_width=model.spec.motif_width,
        motif_flank=None if model.column_range is None else 0,
        validation=0.0,
        variants=(),
    ).override(model=layers)


def row_log_likelihood(model: Model, data: Dataset, deviation: float) -> np.ndarray:
    """The log likelihood of each row, of all of its measurements: float64 [N], nats.

    Args:
        model: with its noise model; without one, noise is normal.
        data: sequences and measurements, with weights above 0 where there are any. The likelihood
            of a noise model is multiplied by them, divided by their mean, as in training.
        deviation: of normal noise, of the mean of all replicates of a row of weight 1.
    """
    predicted = model.predict(data.sequence).expression
    if isinstance(model.noise, Noise):
        import tensorflow as tf

        found = model.noise.log_likelihood(tf.constant(predicted), tf.constant(data.expression))
        likely = np.asarray(found, np.float64).reshape(len(data), -1).sum(axis=1)
        return likely if data.weight is None else likely * (data.weight / data.weight.mean())
    # A mean of fewer replicates, or of a smaller weight, scatters more.
    own = deviation / np.sqrt(data.mean_weight)
    distance = (data.mean_expression.astype(np.float64) - predicted) / own
    return -0.5 * distance**2 - np.log(own * np.sqrt(2 * np.pi))


def _deviation(model: Model, data: Dataset) -> float:
    residual = data.mean_expression.astype(np.float64) - model.predict(data.sequence).expression
    return float(np.sqrt(np.mean(data.mean_weight * residual**2))) or 1.0


def _gain(difference: np.ndarray) -> Gain:
    deviation = difference.std(ddof=1) if len(difference) > 1 else np.inf
    return Gain(float(difference.mean()), float(deviation / np.sqrt(len(difference))))
