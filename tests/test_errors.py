"""The package's own exceptions: programs around it can raise them again with their own message."""

from __future__ import annotations

import importlib
import pickle
import pkgutil

import cisreg


def own_exceptions():
    """Every exception class of every module, private ones too."""
    found = set()
    for module in pkgutil.walk_packages(cisreg.__path__, "cisreg."):
        if module.name.rpartition(".")[2].startswith(("_", "lib")):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if (
                isinstance(value, type)
                and issubclass(value, BaseException)
                and value.__module__.startswith("cisreg")
            ):
                found.add(value)
    return sorted(found, key=lambda each: each.__qualname__)


def test_every_exception_is_made_of_one_message():
    """Keras and AutoGraph raise `type(error)(message)`; processes send errors to each other."""
    exceptions = own_exceptions()
    names = {each.__name__ for each in exceptions}
    assert names >= {"DuplicateError", "FitInterrupt", "LibraryError", "StoppedError"}
    for kind in exceptions:
        error = kind("what was expected, and what came")
        assert str(error) == "what was expected, and what came"
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (kind, str(error))


def test_keras_raises_errors_of_the_operation_again():
    import keras
    import numpy as np
    import pytest
    import tensorflow as tf

    class Bound(keras.layers.Layer):
        def call(self, rows):
            return cisreg.occupancy(rows, np.zeros((3, 4, 2)), np.zeros(2)).bound

    for rows, kind, message in [
        (tf.zeros((2, 7)), ValueError, "sequence: expected integer base codes"),
        (tf.fill((2, 7), 9), tf.errors.InvalidArgumentError, "got 9 in sequence 0 at base 0"),
    ]:
        with pytest.raises(kind, match=message) as caught:
            Bound()(rows)
        assert "Arguments received by Bound.call" in str(caught.value)
