"""The table: options of models and losses, one row each, against every tool in tools.py.

A new option is one line in ROWS. Every tool is tried with it and must work; what a tool does not
take, it refuses in a sentence, which the row gives as a regular expression by the tool's name:

    Row("pairs", {"pairs": ((0, 1),)}, refuses={"certainty": "expected a model without pairs"})

A row of a noise model gives the noise that the measurements are drawn from; training starts from
the same kind of noise with nothing given.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cisreg.data import Dataset
from cisreg.losses import (
    Gaussian,
    Heteroscedastic,
    Huber,
    NegativeBinomial,
    Noise,
    Penalty,
    Poisson,
    SortBins,
    StudentT,
    mean_squared_error,
)
from cisreg.motifs import MotifSet
from cisreg.spec import ModelSpec
from cisreg.start import StartParameters, init_parameters
from cisreg.trained_model import Model
from cisreg.training import FitResult, Stage, fit

WIDTH, LENGTH, COUNT = 5, 24, 160
EPOCHS, BATCH = 4, 32
NAMES = ("ABF1", "REB1", "RAP1")
# Two of the motifs are narrower than the columns.
WIDTHS = (5, 4, 3)


@dataclass(frozen=True)
class Row:
    """One option, or several that act on the same numbers.

    Attributes:
        name: how the tests are named.
        layers: options of ModelSpec, beside the sizes.
        noise: the noise of the measurements, with its numbers; None: squared error.
        length: of the sequences, in bases.
        refuses: for each tool that does not take this, by its name in tools.py, what its error
            says, as a regular expression.
    """

    name: str
    layers: Mapping[str, Any] = field(default_factory=dict)
    noise: Noise | None = None
    length: int = LENGTH
    refuses: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


_SITES = {"certainty": "expected one without binding limits where it has position weights"}
_COUNTS = {"certainty": r"expected one of measurements on a continuous scale.*fit_ensemble"}
_ABOVE_0 = {"link": "softplus"}
_PAIRS = {"pairs": ((0, 1), (2, 2)), "pair_distance": 10, "pair_knots": 3}
_LIMITED = {"binding_limit": True, "constant_left": 3, "stranded": True}
_PAIRED = {"certainty": "expected one without pairs of factors"}

_COMPETITION = {"competition": True}
_OUTPUTS = {"output_count": 2, "differ": ("log_concentration", "activity", "bias")}
_ONE = r"model\.output\('output_1'\)"
_SEVERAL = dict.fromkeys(
    ("numpy_read_out", "knock_outs", "contributions", "mutations", "certainty", "report"), _ONE
)

ROWS = (
    Row("plain"),
    Row("no potentiation", {"potentiation": False}),
    Row("accessibility activity", {"accessibility_activity": True}),
    Row("probability", {"binding": "probability"}),
    Row("binding limit", {"binding_limit": True}),
    Row("stranded", {"stranded": True}),
    Row("stranded, probability", {"stranded": True, "binding": "probability"}),
    Row("stranded, binding limit", {"stranded": True, "binding_limit": True}),
    Row("positional", {"positional": True}),
    Row("positional, valid", {"positional": True, "padding": "valid"}),
    Row("knots, stranded", {"positional": True, "position_knots": 4, "stranded": True}),
    Row("limits of sites", {"positional": True, "binding_limit": True}, refuses=_SITES),
    Row("positional potentiation", {"positional_potentiation": True}),
    Row(
        "both positional",
        {"positional": True, "positional_potentiation": True, "position_knots": 4},
    ),
    Row("constant ends, context", {"constant_left": 3, "constant_right": 4}),
    Row("constant ends, trim", {"constant_left": 3, "constant_ends": "trim"}),
    Row("constant ends, keep", {"constant_left": 3, "constant_ends": "keep"}),
    Row("pairs", _PAIRS, refuses=_PAIRED),
    Row("pairs, limits, constant ends", _PAIRS | _LIMITED, refuses=_PAIRED),
    Row("competition", _COMPETITION),
    Row(
        "competition, two sets",
        _COMPETITION | {"positional": True, "positional_potentiation": True, "stranded": True},
    ),
    Row("nucleosome", _COMPETITION | {"nucleosome": True, "constant_left": 3}, length=150),
    Row("outputs", _OUTPUTS, refuses=_SEVERAL),
    Row("outputs, logistic", _OUTPUTS | {"link": "logistic"}, refuses=_SEVERAL),
    Row("logistic", {"link": "logistic"}),
    Row("softplus", {"link": "softplus"}),
    Row("exponential", {"link": "exponential"}),
    Row("gaussian", noise=Gaussian(deviation=0.3)),
    Row(
        "heteroscedastic",
        noise=Heteroscedastic(center=1.0, spread=1.0, coefficients=(-1.0, 0.3, 0.0)),
    ),
    Row("student_t", noise=StudentT(scale=0.3, degrees=3.0)),
    Row("huber", noise=Huber(scale=0.3)),
    Row("poisson", _ABOVE_0, noise=Poisson(), refuses=_COUNTS),
    Row("negative_binomial", _ABOVE_0, noise=NegativeBinomial(dispersion=0.2), refuses=_COUNTS),
    Row("sort_bins", noise=SortBins(borders=(-1.0, 0.0, 1.0), scale=0.5), refuses=_COUNTS),
)
BY_NAME = {row.name: row for row in ROWS}


class Case:
    """What the tools take: a model of a row's options, and measurements of a model like it."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.spec = ModelSpec(len(NAMES), WIDTH, row.length, **row.layers)
        random = np.random.default_rng(0)
        matrices = [random.normal(0, 1.5, (width, 4)) for width in WIDTHS]
        self.motifs = MotifSet.from_matrices(NAMES, matrices, width=WIDTH)
        self.column_range = self.motifs.column_range()
        self.loss = mean_squared_error if row.noise is None else type(row.noise)()

    def start(self) -> StartParameters:
        """Where training starts."""
        # The strongest site of a motif is bound half of the time.
        concentration = self.motifs.lowest_log_kd().astype(np.float32)
        return init_parameters(self.spec, self.motifs.log_kd, concentration, activity_scale=0.3)

    def with_(self, parameters: Mapping[str, np.ndarray], noise: Noise | None) -> Model:
        """A model of these parameters, with all that one keeps."""
        return Model(
            self.spec,
            {name: np.asarray(value, np.float32) for name, value in parameters.items()},
            NAMES,
            metadata={"seed": 3, "padding_side": "left"},
            initial_motifs=self.motifs,
            column_range=self.column_range,
            table_columns={"sequence": "seq", "expression": ["y"]},
            unit="log2 ratio",
            noise=noise,
        )

    @functools.cached_property
    def model(self) -> Model:
        """A model in which every parameter matters, and whose limits are met."""
        random = np.random.default_rng(1)
        parameters = {
            name: value + random.normal(0, 0.3, value.shape) for name, value in self.start().items()
        }
        # Where they differ between outputs: half as much in all but the first.
        activity = np.array([2.0, -1.5, 1.0])
        differs = "activity" in self.spec.differ
        parameters |= {
            "log_kd": self.motifs.log_kd,
            "activity": np.stack([activity, activity / 2]) if differs else activity,
        }
        if self.spec.potentiation:
            parameters |= {"potentiation": np.array([-1.5, 1.0, 0.5])}
        if self.spec.binding_limit:
            parameters["log_binding_limit"] -= np.log(10.0) + 0.5
        return self.with_(parameters, self.row.noise and _with_all_numbers(self.row.noise))

    @functools.cached_property
    def codes(self) -> np.ndarray:
        """Base codes [N, L], some rows padded on the left and with unknown bases."""
        random = np.random.default_rng(2)
        codes = random.integers(0, 4, (COUNT, self.row.length), dtype=np.uint8)
        codes[1::7, :3] = codes[2::7, 11] = 4
        return codes

    @functools.cached_property
    def data(self) -> Dataset:
        """The sequences, measured with the row's noise."""
        expression = self.model.predict(self.codes).expression
        random = np.random.default_rng(3)
        noise = self.model.noise or Gaussian(deviation=0.1)
        reads = np.full(COUNT, 20) if isinstance(noise, SortBins) else None
        measured = noise.sample(expression, random, reads)
        return Dataset(self.codes, measured.astype(np.float32))

    def fit(self, **options: Any) -> FitResult:
        """A short training of all parameters, with everything that a step can have."""
        stage = Stage(
            tuple(self.spec.parameter_shapes),
            epochs=EPOCHS,
            learning_rate=0.05,
            batch_size=BATCH,
            average_decay=0.8,
            penalty=Penalty(activity_l1=0.01, motif_pull=0.1),
        )
        given = {"validation": 0.25, "progress": False, "column_range": self.column_range}
        return fit(
            *(self.spec, self.start(), self.data, (stage,)), loss=self.loss, **(given | options)
        )

    def of(self, result: FitResult) -> Model:
        """The model that a training gave."""
        return self.with_(result.parameters, result.noise)


def _with_all_numbers(noise: Noise) -> Noise:
    """Counts that are drawn need sizes of libraries: one library of 5 reads a unit."""
    return replace(noise, library_size=(5.0,)) if isinstance(noise, Poisson) else noise


@functools.cache
def case_of(name: str) -> Case:
    """The case of a row; its model and measurements are shared by the tools."""
    return Case(BY_NAME[name])
