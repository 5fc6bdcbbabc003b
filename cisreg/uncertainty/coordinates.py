"""The numbers of a model that vary, as one vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cisreg.limits import check_memory
from cisreg.outputs import check_one_output
from cisreg.spec import OF_FACTORS, ModelSpec
from cisreg.trained_model import Model

# What can vary: all parameters but position weights, in the order of the vector.
VARIABLE = (
    *("log_kd", "log_concentration", "nucleosome_log_odds"),
    *("potentiation", "potentiation_bias", "log_binding_limit"),
    *("activity", "activity_difference", "accessibility_activity", "bias"),
    *("link_floor", "link_ceiling", "link_scale"),
)
# Three directions in which the four entries of a motif's column vary while their sum stays.
CONTRASTS = np.array(
    [[3.0, -1.0, -1.0, -1.0], [0.0, 2.0, -1.0, -1.0], [0.0, 0.0, 1.0, -1.0]]
) / np.sqrt([[12.0], [6.0], [2.0]])


@dataclass(frozen=True, eq=False)
class Coordinates:
    """The numbers of a model that vary, as one vector [K].

    Of each column of a motif, the sum of the four entries stays: a number added to all four is
    the same as another concentration. So there are three coordinates for each of a motif's own
    columns.

    Attributes:
        names: of the parameters, in the order of `VARIABLE`.
        shapes: their shapes by name.
        motif_names: M names.
        own: bool [W, M], the columns of each motif that vary.
        differ: of a model of several outputs, the parameters that each has of its own; those have
            the numbers of one output after those of another.
    """

    names: tuple[str, ...]
    shapes: Mapping[str, tuple[int, ...]]
    motif_names: tuple[str, ...]
    own: np.ndarray
    differ: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, model: Model, names: Sequence[str] | None = None, *, several: bool = False
    ) -> Coordinates:
        """The coordinates of parameters of a model.

        Args:
            model: the model.
            names: of the parameters; None: all but log_kd and position weights.
            several: whether the model may have several outputs.

        Raises:
            ValueError: the model has no such parameter, or it cannot vary here.
        """
        if not several:
            check_one_output(model)
        spec = model.spec
        if not spec.fused:
            raise ValueError(
                "model: expected one without binding limits where it has position weights, whose "
                "slopes need every single site, got both; cisreg.uncertainty.fit_ensemble takes "
                "such models"
            )
        if spec.pairs:
            raise ValueError(
                "model: expected one without pairs of factors, whose slopes need every single "
                f"site, got {len(spec.pairs)} pairs; cisreg.uncertainty.fit_ensemble takes such "
                "models"
            )
        own = np.ones((spec.motif_width, spec.motif_count), bool)
        if model.column_range is not None:
            column = np.arange(spec.motif_width)[:, np.newaxis]
            own = (column >= model.column_range[0]) & (column < model.column_range[1])
        chosen = _chosen(spec, names)
        made = cls(
            chosen,
            {name: spec.parameter_shapes[name] for name in chosen},
            model.motif_names,
            own,
            spec.differ,
        )
        check_memory(
            f"parameters: {len(made):,} numbers that vary",
            3 * 8 * len(made) ** 2,
            "leave out log_kd, or use cisreg.uncertainty.fit_ensemble",
        )
        return made

    def __len__(self) -> int:
        return sum(self.sizes.values())

    @cached_property
    def sizes(self) -> dict[str, int]:
        """How many coordinates each parameter has."""
        varying = len(CONTRASTS) * int(self.own.sum())
        return {
            name: varying if name == "log_kd" else int(np.prod(shape, dtype=int))
            for name, shape in self.shapes.items()
        }

    @cached_property
    def places(self) -> dict[str, slice]:
        """Where each parameter lies in the vector."""
        ends = np.cumsum([0, *self.sizes.values()]).tolist()
        return {name: slice(*ends[i : i + 2]) for i, name in enumerate(self.names)}

    @cached_property
    def of_motif(self) -> np.ndarray:
        """Int [K], the index of the factor that each coordinate belongs to; -1: to none."""
        parts = []
        for name in self.names:
            if name == "log_kd":
                parts.append(np.tile(np.nonzero(self.own)[1], (len(CONTRASTS), 1)).ravel())
            else:
                motifs = range(len(self.motif_names)) if name in OF_FACTORS else [-1]
                parts.append(np.tile(motifs, self.sizes[name] // len(motifs)))
        return np.concatenate(parts).astype(int)

    @cached_property
    def parameter(self) -> tuple[str, ...]:
        """K names of parameters."""
        return tuple(name for name in self.names for _ in range(self.sizes[name]))

    @cached_property
    def factor(self) -> tuple[str, ...]:
        """K names of factors; empty for those of no factor."""
        return tuple("" if i < 0 else self.motif_names[i] for i in self.of_motif.tolist())

    def index(self, parameter: str, factor: str | None = None) -> int:
        """The place of one number in the vector.

        Raises:
            ValueError: the number does not vary here, or is not named in full.
        """
        if parameter not in self.names or parameter == "log_kd":
            one = ", ".join(name for name in self.names if name != "log_kd")
            raise ValueError(f"parameter: expected one of {one}, got {parameter!r}")
        begin = self.places[parameter].start
        if not self.shapes[parameter]:
            if factor is not None:
                raise ValueError(
                    f"factor: expected None with {parameter}, which belongs to no factor, got "
                    f"{factor!r}"
                )
            return int(begin)
        if factor not in self.motif_names:
            shown = ", ".join(self.motif_names[:5]) + (", ..." if len(self.motif_names) > 5 else "")
            raise ValueError(f"factor: expected one of {shown}, got {factor!r}")
        return int(begin) + self.motif_names.index(factor)

    def of_output(self, output: int) -> tuple[Coordinates, np.ndarray]:
        """The coordinates of one output, from 0, alone, and int [K'] where they lie among all."""
        shapes = {
            name: shape[1:] if name in self.differ else shape for name, shape in self.shapes.items()
        }
        one = Coordinates(self.names, shapes, self.motif_names, self.own)
        begins = [
            self.places[name].start + (output * one.sizes[name] if name in self.differ else 0)
            for name in self.names
        ]
        sizes = one.sizes.values()
        places = [np.arange(begin, begin + size) for begin, size in zip(begins, sizes, strict=True)]
        return one, np.concatenate(places)

    def values(self, model: Model) -> np.ndarray:
        """The numbers of a model, float64 [K]; of log_kd the parts along the contrasts."""
        return np.concatenate(
            [
                self._of_log_kd(model.parameters[name])
                if name == "log_kd"
                else np.asarray(model.parameters[name], np.float64).ravel()
                for name in self.names
            ]
        )

    def _of_log_kd(self, log_kd: np.ndarray) -> np.ndarray:
        along = np.einsum("kb,wbm->kwm", CONTRASTS, log_kd.astype(np.float64))
        return along[:, self.own].ravel()

    def log_kd_step(self, step: np.ndarray) -> np.ndarray:
        """The change [W, 4, M] of log_kd that is `step` along its coordinates."""
        along = np.zeros((len(CONTRASTS), *self.own.shape))
        along[:, self.own] = step.reshape(len(CONTRASTS), -1)
        return np.einsum("kb,kwm->wbm", CONTRASTS, along)

    def moved(self, model: Model, step: np.ndarray) -> Model:
        """The model with a step [K] added to its numbers."""
        changed = dict(model.parameters)
        for name in self.names:
            part = step[self.places[name]]
            change = self.log_kd_step(part) if name == "log_kd" else part.reshape(self.shapes[name])
            changed[name] = np.asarray(model.parameters[name] + change, np.float32)
        return replace(model, parameters=changed)


def variable_names(spec: ModelSpec) -> list[str]:
    """The parameters of a model that can vary, in the order of `VARIABLE`."""
    there = [name for name in VARIABLE if name in spec.parameter_shapes]
    if spec.link == "exponential":
        # It is the same as another bias.
        there.remove("link_scale")
    return there


def _chosen(spec: ModelSpec, names: Sequence[str] | None) -> tuple[str, ...]:
    there = variable_names(spec)
    if names is None:
        return tuple(name for name in there if name != "log_kd")
    if isinstance(names, str):
        raise TypeError(f"parameters: expected a list of names, got the text {names!r}")
    for name in names:
        if name not in there:
            raise ValueError(f"parameters: expected some of {', '.join(there)}, got {name!r}")
    if not names:
        raise ValueError(f"parameters: expected some of {', '.join(there)}, got none")
    return tuple(name for name in there if name in names)
