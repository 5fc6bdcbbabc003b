"""What the data do not determine, named: factors that bind alike, saturated accessibility, ..."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from cisreg.data import Dataset
from cisreg.display import counted, html_table
from cisreg.interpret.factors import strongest_site_occupancy
from cisreg.interpret.findings import Finding, finding_columns
from cisreg.interpret.read_out import read_out, scan_model
from cisreg.trained_model import Model
from cisreg.uncertainty.coordinates import Coordinates
from cisreg.uncertainty.jacobian import row_batches
from cisreg.uncertainty.laplace import Certainty, estimate_certainty
from cisreg.uncertainty.normal_equations import Measured

if TYPE_CHECKING:
    import pandas as pd

# Accessibility beyond these shares is saturated: a potentiation changes it by less than 2 %.
_OPEN, _CLOSED = 0.98, 0.02
# A factor that binds so few sites in every sequence has no effect that data can show.
_LEAST_BINDING = 0.01
# The estimates of a concentration and an activity that are known as a product alone have a
# correlation of -1; from this one on the product is known three times as well as either.
_PRODUCT = 0.95
# Motifs are the same if their energies have at least this correlation, on their best alignment.
_SAME_MOTIF = 0.9
# How many parameters a sentence names of a direction that the data do not determine.
_NAMED = 4


@dataclass(frozen=True, repr=False)
class Undetermined:
    """What the data do not determine of a model; made by `undetermined`.

    Attributes:
        findings: the most general first. Their checks are "saturated accessibility", "no binding",
            "alike", "opposite", "concentration against activity" and "direction". A warning is
            about numbers that alone mean nothing, a note about such that are not known well.
    """

    findings: tuple[Finding, ...]

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __repr__(self) -> str:
        return f"Undetermined({counted(len(self), 'finding')})"

    def __str__(self) -> str:
        return "\n".join(each.sentence for each in self.findings)

    def _repr_html_(self) -> str:
        columns = {name: each.to_pylist() for name, each in finding_columns(self.findings).items()}
        shown = {name: columns[name] for name in ("check", "state", "finding")}
        return html_table(repr(self), shown, len(self))

    def to_table(self) -> pa.Table:
        """An Arrow table with the columns check, state, finding, factors, number and limit."""
        return pa.table(finding_columns(self.findings))

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()


def undetermined(
    model: Model,
    dataset: Dataset,
    *,
    correlation: float = 0.9,
    saturated: float = 0.5,
    certainty: Certainty | None = None,
    threads: int | None = None,
) -> Undetermined:
    """What a dataset does not determine of a model, in sentences with numbers.

    Args:
        model: a trained model.
        dataset: what it was trained on.
        correlation: two factors are alike if the binding of one has at least this correlation with
            that of the other over the sequences, and opposite from minus this on. The sentence
            says whether their motifs are the same, too.
        saturated: accessibility is saturated if it is above 0.98, or below 0.02, in at least this
            share of the sequences.
        certainty: of the model, if it has been estimated; None: around the model as it is.
        threads: of the scans; None: one for each core.

    Returns:
        An Undetermined, empty if nothing was found.

    Raises:
        ValueError, TypeError: as `estimate_certainty`.

    Example:
        >>> print(undetermined(model, data))  # doctest: +SKIP
        Reb1 and Rap1 bind alike: the correlation of their binding over the 1,500 sequences ...
    """
    for name, share in (("correlation", correlation), ("saturated", saturated)):
        if not 0 < share <= 1:
            raise ValueError(f"{name}: expected a share above 0 and up to 1, got {share!r}")
    if certainty is None:
        certainty = estimate_certainty(model, dataset, refit=False, threads=threads)
    measured = Measured.of(model, dataset)
    binding, accessibility = _bound(model, measured, threads)
    silent = binding.max(axis=0) < _LEAST_BINDING
    found = [
        *_saturation(accessibility, saturated, model.spec.potentiation),
        *_silent(model, binding, silent),
        *_alike(model, binding, silent, correlation),
        *_products(model, certainty, silent),
        *_directions(certainty, silent),
    ]
    return Undetermined(tuple(found))


def _bound(model: Model, measured: Measured, threads: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The binding of each factor [N, M], float32, and accessibility [N]."""
    binding = np.empty((len(measured), model.spec.motif_count), np.float32)
    accessibility = np.empty(len(measured))
    for rows in row_batches(len(measured), 2 * model.spec.motif_count):
        scan = scan_model(model, measured.codes[rows], threads=threads)
        binding[rows] = scan.binding
        accessibility[rows] = read_out(model, scan).accessibility
    return binding, accessibility


def _saturation(accessibility: np.ndarray, least: float, has_layer: bool) -> Iterator[Finding]:
    if not has_layer:
        return
    for share, what in (
        ((accessibility > _OPEN).mean(), f"above {_OPEN}"),
        ((accessibility < _CLOSED).mean(), f"below {_CLOSED}"),
    ):
        if share >= least:
            yield Finding(
                "saturated accessibility",
                "note",
                f"Accessibility is {what} in {100 * share:.0f} % of the {len(accessibility):,} "
                "sequences: what opens or closes chromatin hardly shows there, and potentiations "
                "are known from the other sequences alone.",
                number=float(share),
                limit=least,
            )


def _silent(model: Model, binding: np.ndarray, silent: np.ndarray) -> Iterator[Finding]:
    for motif in np.flatnonzero(silent).tolist():
        most = float(binding[:, motif].max())
        name = model.motif_names[motif]
        yield Finding(
            "no binding",
            "warning",
            f"{name} binds nowhere: in no sequence are more than {most:.2g} of its sites expected "
            "to be bound. Its activity and potentiation mean nothing.",
            *((name,), most, _LEAST_BINDING),
        )


def _alike(
    model: Model, binding: np.ndarray, silent: np.ndarray, least: float
) -> Iterator[Finding]:
    known = np.flatnonzero(~silent & (binding.std(axis=0) > 0))
    if len(known) < 2:
        return
    correlations = np.corrcoef(binding[:, known], rowvar=False)
    pairs = np.argwhere(np.triu(np.abs(correlations) >= least, 1))
    order = np.argsort([-abs(correlations[tuple(pair)]) for pair in pairs], kind="stable")
    for first, second in pairs[order].tolist():
        number = float(correlations[first, second])
        pair = known[[first, second]]
        names = tuple(model.motif_names[each] for each in pair)
        check, told = ("alike", "sum") if number > 0 else ("opposite", "difference")
        how = "bind alike" if number > 0 else "bind to opposite sequences"
        yield Finding(
            check,
            "warning",
            f"{names[0]} and {names[1]} {how}: the correlation of their binding over the "
            f"{len(binding):,} sequences is {number:.3f}. The data know the {told} of what "
            f"they do, but hardly what each of them does. {_motifs_of_pair(model, *pair)}",
            *(names, number, math.copysign(least, number)),
        )


def _motifs_of_pair(model: Model, first: int, second: int) -> str:
    energies = np.moveaxis(np.asarray(model.parameters["log_kd"], np.float64), -1, 0)
    similarity = motif_similarity(energies[first], energies[second])
    said = f"(correlation of their energies {similarity:.2f})"
    if similarity >= _SAME_MOTIF:
        return f"Their motifs are the same {said}: other sequences would hardly tell them apart."
    return f"Their motifs differ {said}: other sequences could tell them apart."


def motif_similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's r of the energies of two motifs on their best alignment, on either strand.

    Of each column the mean is subtracted, so that columns without a preference, and those beyond
    the other motif, count as 0.

    Args:
        first: float64 [W, 4], such as log Kd.
        second: float64 [V, 4].

    Returns:
        At most 1; 0 where a motif has no preference at all.
    """
    one, other = (each - each.mean(axis=1, keepdims=True) for each in (first, second))
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    shifted = [
        np.sum([np.correlate(one[:, base], strand[:, base], "full") for base in range(4)], axis=0)
        for strand in (other, other[::-1, ::-1])
    ]
    return float(np.max(shifted)) / size if size else 0.0


def _products(model: Model, certainty: Certainty, silent: np.ndarray) -> Iterator[Finding]:
    places = certainty.coordinates.places
    if "activity" not in places or "log_concentration" not in places:
        return
    deviation = np.sqrt(np.maximum(np.diag(certainty.covariance), 1e-300))
    strongest = strongest_site_occupancy(model)
    for motif in np.flatnonzero(~silent).tolist():
        activity, concentration = (
            places[name].start + motif for name in ("activity", "log_concentration")
        )
        number = certainty.covariance[activity, concentration]
        number /= deviation[activity] * deviation[concentration]
        # A larger activity, of either sign, goes with a lower concentration.
        number *= np.sign(certainty.model.parameters["activity"][motif])
        if number > -_PRODUCT:
            continue
        name = model.motif_names[motif]
        yield Finding(
            "concentration against activity",
            "note",
            f"The concentration and the activity of {name} are known only as a product: their "
            f"estimates have a correlation of {number:.3f}. The strongest site is bound "
            f"{100 * strongest[motif]:.2g} % of the time, and where binding is weak, twice the "
            "concentration is the same as twice the activity. The effect of a site is known "
            "better than either.",
            *((name,), float(number), -_PRODUCT),
        )


def _directions(certainty: Certainty, silent: np.ndarray) -> Iterator[Finding]:
    """Directions that the data do not determine at all, but for those of silent factors."""
    coordinates = certainty.coordinates
    of_silent = (coordinates.of_motif >= 0) & silent[coordinates.of_motif]
    for direction in certainty.open_directions.T:
        share = direction**2
        if share[of_silent].sum() > 0.5:
            continue
        largest = np.argsort(-share, kind="stable")[:_NAMED]
        largest = largest[share[largest] > 0.01]
        what = ", ".join(_called(coordinates, int(place)) for place in largest)
        factors = dict.fromkeys(coordinates.factor[place] for place in largest)
        yield Finding(
            "direction",
            "warning",
            f"Together, these can change without a change of any prediction: {what}.",
            tuple(name for name in factors if name),
            float(share[largest].sum()),
        )


def _called(coordinates: Coordinates, place: int) -> str:
    name, factor = coordinates.parameter[place], coordinates.factor[place]
    return f"{name} of {factor}" if factor else name
