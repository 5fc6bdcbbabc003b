"""A program that loads SavedModels in several ways and prints what came of each, as JSON.

    python loads.py FOLDER CODES LIBRARY     without cisreg, until the last step
    python loads.py FOLDER CODES             `import cisreg` before TensorFlow

FOLDER has the SavedModels `fused` and `standard`; CODES is a file of NumPy.
"""

from __future__ import annotations

import json
import sys

import numpy as np


def load(tf, folder, codes):
    """What a SavedModel computes, and the greatest gradient of its motifs."""
    loaded = tf.saved_model.load(folder)
    predict = loaded.signatures["codes_binding"]
    outputs = predict(codes=tf.constant(codes))
    return {
        "outputs": {name: value.numpy().tolist() for name, value in outputs.items()},
        "gradient": error_of(gradient, tf, loaded, codes),
    }


def gradient(tf, loaded, codes):
    with tf.GradientTape() as tape:
        expression = loaded.signatures["codes"](codes=tf.constant(codes))["expression"]
    found = tape.gradient(expression, loaded.parameters["log_kd"])
    return float(tf.reduce_max(tf.abs(found)))


def error_of(call, *arguments):
    try:
        return call(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def without_cisreg(folder, codes, library):
    sys.modules["cisreg"] = None  # it cannot be imported
    import tensorflow as tf

    results = {
        "standard": load(tf, f"{folder}/standard", codes),
        "not registered": error_of(load, tf, f"{folder}/fused", codes),
    }
    tf.load_op_library(library)
    results["library"] = load(tf, f"{folder}/fused", codes)
    assert not any(name.startswith("cisreg.") for name in sys.modules)
    del sys.modules["cisreg"]
    import cisreg  # noqa: F401

    return {**results, "cisreg last": load(tf, f"{folder}/fused", codes)}


def cisreg_first(folder, codes):
    import cisreg  # noqa: F401

    assert "tensorflow" not in sys.modules
    import tensorflow as tf

    return {"cisreg first": load(tf, f"{folder}/fused", codes)}


if __name__ == "__main__":
    folder, codes, *library = sys.argv[1:]
    run = without_cisreg if library else cisreg_first
    print(json.dumps(run(folder, np.load(codes), *library)))
