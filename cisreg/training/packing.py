"""The state of a training run as JSON values and arrays, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

import numpy as np

from cisreg.training.state import Best, EpochRecord, TrainingState

_Record = TypeVar("_Record", EpochRecord, Best, TrainingState)

# Fields that contain arrays or records; all others are numbers.
_PARAMETERS, _OPTIMIZER, _BEST, _HISTORY = "parameters", "optimizer", "best", "history"


def pack_state(state: TrainingState) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The state as (JSON values, arrays by name).

    Example:
        >>> values, arrays = pack_state(TrainingState({"bias": np.zeros((), np.float32)}))
        >>> values["step"], list(arrays)
        (0, ['parameters/bias'])
    """
    values = _plain(state, {_PARAMETERS, _OPTIMIZER, _BEST, _HISTORY})
    values[_HISTORY] = [_plain(record, set()) for record in state.history]
    values[_BEST] = None
    arrays = {f"{_PARAMETERS}/{name}": value for name, value in state.parameters.items()}
    arrays |= {f"{_OPTIMIZER}/{index}": value for index, value in enumerate(state.optimizer)}
    if state.best is not None:
        values[_BEST] = _plain(state.best, {_PARAMETERS})
        arrays |= {f"{_BEST}/{name}": value for name, value in state.best.parameters.items()}
    return values, arrays


def unpack_state(values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> TrainingState:
    """The state from the values and arrays that `pack_state` returned.

    Raises:
        ValueError, KeyError, TypeError: `pack_state` did not make these values and arrays.

    Example:
        >>> unpack_state(*pack_state(TrainingState({}, step=3))).step
        3
    """
    optimizer = _group(arrays, _OPTIMIZER)
    plain = dict(values)
    best, history = plain.pop(_BEST), plain.pop(_HISTORY)
    return _record(
        TrainingState,
        plain,
        {
            _PARAMETERS: _group(arrays, _PARAMETERS),
            _OPTIMIZER: [optimizer[str(index)] for index in range(len(optimizer))],
            _BEST: best and _record(Best, best, {_PARAMETERS: _group(arrays, _BEST)}),
            _HISTORY: [_record(EpochRecord, record, {}) for record in history],
        },
    )


def _plain(record: Any, others: set[str]) -> dict[str, Any]:
    """The fields of a dataclass that are numbers, by name."""
    names = [field.name for field in dataclasses.fields(record)]
    return {name: getattr(record, name) for name in names if name not in others}


def _record(kind: type[_Record], plain: Mapping[str, Any], others: Mapping[str, Any]) -> _Record:
    """A dataclass made of these numbers and these other fields."""
    hints = {name: hint for name, hint in get_type_hints(kind).items() if name not in others}
    if set(plain) != set(hints):
        names = ", ".join(sorted(set(plain) ^ set(hints)))
        raise ValueError(f"{kind.__name__}: too many or too few fields: {names}")
    for name, value in plain.items():
        if not _fits(value, hints[name]):
            raise ValueError(f"{kind.__name__}.{name}: it is {value!r}")
    return kind(**plain, **others)


def _fits(value: Any, hint: Any) -> bool:
    # An integer is accepted for a float, as everywhere in Python.
    return isinstance(value, hint) or (isinstance(value, int) and isinstance(0.0, hint))


def _group(arrays: Mapping[str, np.ndarray], field: str) -> dict[str, np.ndarray]:
    prefix = f"{field}/"
    return {
        name.removeprefix(prefix): value
        for name, value in arrays.items()
        if name.startswith(prefix)
    }
