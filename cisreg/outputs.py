"""The outputs of a model of several: their names, and what tools of a single output say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import numpy as np

from cisreg.data import Dataset
from cisreg.spec import ModelSpec


class _HasOutputs(Protocol):
    """A `cisreg.Model` or an ensemble of them, which are above this module."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of several outputs."""

    def output(self: _Model, name: str) -> _Model:
        """The model of one output."""


_Model = TypeVar("_Model", bound=_HasOutputs)


def default_output_names(count: int) -> tuple[str, ...]:
    """Names of outputs that were given none.

    Example:
        >>> default_output_names(2)
        ('output_1', 'output_2')
    """
    return tuple(f"output_{number}" for number in range(1, count + 1))


def output_index(names: Sequence[str], name: str) -> int:
    """The place of an output among the names of all, from 0.

    Raises:
        ValueError: there is no output of that name.

    Example:
        >>> output_index(("glucose", "galactose"), "galactose")
        1
    """
    if name not in names:
        known = ", ".join(map(repr, names)) or "none, since the model has a single output"
        raise ValueError(f"output: expected the name of an output ({known}), got {name!r}")
    return list(names).index(name)


def parameters_of_outputs(
    spec: ModelSpec, parameters: Mapping[str, np.ndarray]
) -> list[dict[str, np.ndarray]]:
    """The parameters of each output, arrays by name, as of a model of that output alone.

    Example:
        >>> spec = ModelSpec(2, 3, 10, output_count=2, differ=("bias",))
        >>> [float(each["bias"]) for each in parameters_of_outputs(spec, {"bias": np.arange(2)})]
        [0.0, 1.0]
    """
    return [
        {
            name: value[output] if name in spec.differ else value
            for name, value in parameters.items()
        }
        for output in range(spec.output_count)
    ]


def check_one_output(model: Any, what: str = "model") -> None:
    """Refuses a model of several outputs, for what takes a model of one.

    Args:
        model: a `cisreg.Model`, an ensemble, or a `cisreg.ModelSpec`.
        what: "model", or "ensemble".

    Raises:
        ValueError: it has several; the message names them.

    Example:
        >>> check_one_output(ModelSpec(motif_count=2, motif_width=3, sequence_length=10))
    """
    if isinstance(model, ModelSpec):
        names = default_output_names(model.output_count) if model.output_count > 1 else ()
    else:
        names = model.output_names
    if names:
        article = "an" if what[0] in "aeiou" else "a"
        raise ValueError(
            f"{what}: expected {article} {what} of one output, got one of {len(names)} "
            f"({', '.join(names)}); take one of them with {what}.output({names[0]!r}), on the "
            f"command line with --model-output {names[0]}"
        )


def each_output(model: _Model) -> list[tuple[str, _Model]]:
    """The name and the model of each output; of a model of one output, "" and the model itself.

    Example:
        >>> [name for name, one in each_output(model)]  # doctest: +SKIP
        ['glucose', 'galactose']
    """
    if not model.output_names:
        return [("", model)]
    return [(name, model.output(name)) for name in model.output_names]


def data_of_outputs(model: _Model, dataset: Dataset) -> list[tuple[str, _Model, Dataset]]:
    """The name, the model and the measured rows of each output, each as if it were the only one.

    Args:
        model: a model.
        dataset: its measurements, [N, T] for T outputs.

    Raises:
        ValueError: measurements of another number of outputs.

    Example:
        >>> for name, one, rows in data_of_outputs(model, test):  # doctest: +SKIP
        ...     print(name, agreement(one.predict(rows).expression, rows.expression))
    """
    outputs = each_output(model)
    if len(outputs) == 1:
        return [(name, one, dataset) for name, one in outputs]
    measured = dataset.expression
    if measured.ndim != 2 or measured.shape[1] != len(outputs):
        raise ValueError(
            f"dataset: expected measurements of the {len(outputs)} outputs "
            f"{', '.join(name for name, _ in outputs)}, [N, {len(outputs)}], got "
            f"{list(measured.shape)}; name their columns in this order"
        )
    found = []
    for index, (name, one) in enumerate(outputs):
        rows = dataset.take(np.isfinite(measured[:, index]))
        found.append((name, one, replace(rows, expression=rows.expression[:, index])))
    return found
