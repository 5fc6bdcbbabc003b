"""What differs between the outputs of a model, with intervals."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cisreg.data import Dataset
from cisreg.display import counted
from cisreg.outputs import output_index
from cisreg.trained_model import Model
from cisreg.uncertainty.coordinates import Coordinates
from cisreg.uncertainty.intervals import Intervals
from cisreg.uncertainty.laplace import certainty_of, holds_learned_motifs

logger = logging.getLogger("cisreg.uncertainty")


@dataclass(frozen=True, eq=False, repr=False)
class Differences(Intervals):
    """Intervals of the differences between each output and another one, K numbers.

    `estimate` is the parameter of the output minus that of the reference; the attributes of
    `Intervals` are those of the differences.

    Attributes:
        output: K names of outputs.
        reference: the output that they are compared with.
    """

    output: Sequence[str]
    reference: str

    def __repr__(self) -> str:
        return (
            f"Differences({counted(len(self), 'number')} from {self.reference!r}, "
            f"{int(self.clear.sum()):,} clear, level {self.level:g})"
        )

    @property
    def clear(self) -> np.ndarray:
        """Bool [K], whether the interval leaves 0 out."""
        return (self.lower > 0) | (self.upper < 0)

    def columns(self) -> dict[str, pa.Array]:
        """The columns output and reference, and those of `Intervals`."""
        return {
            "output": pa.array(list(self.output), pa.string()),
            "reference": pa.array([self.reference] * len(self), pa.string()),
            **super().columns(),
        }


def difference_intervals(
    model: Model,
    dataset: Dataset,
    *,
    level: float = 0.9,
    reference: str | None = None,
    parameters: Sequence[str] | None = None,
    refit: bool = True,
    robust: bool = False,
    threads: int | None = None,
    progress: bool = False,
) -> Differences:
    """The differences between the outputs of a model, with intervals.

    All outputs are in one least squares: the parameters that they share and those that each has of
    its own vary together, as in `estimate_certainty`, whose intervals these are. So what both
    outputs leave open alike, such as activity against concentration, may leave their difference
    certain. The motifs are taken for known: where they were trained, the intervals tell which
    factors differ, but are too narrow to say by how much (docs/measurements/model_options.md has
    the numbers); the log says so.

    Args:
        model: a trained model of several outputs, of which something differs.
        dataset: what it was trained on, with measurements [N, T], NaN where one is missing.
        level: the share of such intervals that are meant to hold the true difference.
        reference: name of the output that the others are compared with; None: the first.
        parameters: names of the parameters that vary, see `estimate_certainty`; None: all but the
            motifs (log_kd) and the position weights.
        refit: see `estimate_certainty`.
        robust: see `estimate_certainty`; measurements of equal sequences, of any output, are one
            family, so that their noise need not be independent.
        threads: of the scans; None: one for each core.
        progress: whether to show a progress bar on a terminal.

    Returns:
        Differences of the parameters that differ, output by output.

    Raises:
        ValueError: a model of one output, or of which nothing differs that varies; otherwise as
            `estimate_certainty`.

    Example:
        >>> differences = difference_intervals(model, data)  # doctest: +SKIP
        >>> differences.to_frame()[differences.clear]  # doctest: +SKIP
    """
    index = check_outputs(model, reference)
    coordinates = Coordinates.of(model, parameters, several=True)
    differ = [name for name in coordinates.names if name in model.spec.differ]
    if not differ:
        raise ValueError(
            "model: expected parameters that differ between its outputs among those that vary "
            f"({', '.join(coordinates.names)}), got differ={model.spec.differ!r}"
        )
    if holds_learned_motifs(model, coordinates):
        logger.warning(
            "difference_intervals: the motifs were trained and are taken for known: the intervals "
            "tell which factors differ, but are too narrow to say by how much"
        )
    found = certainty_of(
        *(model, dataset, coordinates),
        refit=refit,
        robust=robust,
        threads=threads,
        progress=progress,
    )
    chosen = [place for place in range(model.spec.output_count) if place != index]
    first = _own(coordinates, differ, index)
    own = [_own(coordinates, differ, place) for place in chosen]
    slopes = np.zeros((len(first) * len(chosen), len(coordinates)))
    rows = np.arange(len(slopes))
    slopes[rows, np.concatenate(own)] = 1.0
    slopes[rows, np.tile(first, len(chosen))] = -1.0
    estimate = slopes @ coordinates.values(found.model)
    error, reach = found.intervals_of(slopes, level)
    return Differences(
        [coordinates.parameter[place] for place in first] * len(chosen),
        [coordinates.factor[place] for place in first] * len(chosen),
        *(estimate, error, estimate - reach, estimate + reach, level),
        output=[model.output_names[place] for place in chosen for _ in first],
        reference=model.output_names[index],
    )


def check_outputs(model: Model, reference: str | None) -> int:
    """The place of the output that the others are compared with; None: of the first.

    Raises:
        ValueError: a model of one output, or no output of this name.
    """
    if model.spec.output_count == 1:
        raise ValueError(
            "model: expected one of several outputs, got one of a single output; train it with "
            "outputs (cisreg train --outputs), or see estimate_certainty"
        )
    return 0 if reference is None else output_index(model.output_names, reference)


def _own(coordinates: Coordinates, differ: Sequence[str], output: int) -> np.ndarray:
    """Where the numbers lie that an output has of its own."""
    one, places = coordinates.of_output(output)
    return np.concatenate([places[one.places[name]] for name in differ])
