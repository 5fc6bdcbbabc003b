"""Weights by name, so that a file of weights does not depend on which of them train."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np


def save_by_name(weights: Mapping[str, Any], store: MutableMapping[str, np.ndarray]) -> None:
    """Saves Keras variables, by name, in the store of `save_own_variables`."""
    for name, variable in weights.items():
        store[name] = np.asarray(variable)


def load_by_name(owner: str, weights: Mapping[str, Any], store: Mapping[str, np.ndarray]) -> None:
    """Loads what `save_by_name` saved.

    Args:
        owner: name of the layer, for errors.
        weights: variables by name.
        store: of `load_own_variables`.

    Raises:
        ValueError: a weight is missing, or there is another one, or a shape differs.
    """
    # What Keras hands over has keys, but is no mapping.
    if set(store.keys()) != set(weights):
        raise ValueError(
            f"{owner}: expected the weights {', '.join(weights)}, got "
            f"{', '.join(sorted(store.keys())) or 'none'}; load them into a layer with "
            "the same options"
        )
    for name, variable in weights.items():
        value = np.asarray(store[name])
        if value.shape != tuple(variable.shape):
            raise ValueError(
                f"{owner}: expected {name} of shape {list(variable.shape)}, got "
                f"{list(value.shape)}; load it into a layer with motifs of the "
                "same number and width"
            )
    for name, variable in weights.items():
        variable.assign(np.asarray(store[name]))
