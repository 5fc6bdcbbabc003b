"""How exact the CUDA kernels must be.

The limits are the same for all cases and executors. They follow from the number formats that the
kernels compute in, and are not tuned to measured errors. Run as a program, this file prints the
errors of the shim:

    PYTHONPATH=.:tests python tests/cuda/cuda_checks.py
"""

from __future__ import annotations

import functools

import numpy as np
from test_compute_dtype import IN_FLOAT32
from test_occupancy import relative_error, value_and_gradient

# The relative error of smaller sums is not checked.
LEAST_SUM = 1e-12
LARGEST_ERROR = 3e-6
LARGEST_GRADIENT_ERROR = 1e-5


@functools.cache
def plain_errors(case):
    """Errors of TensorFlow's plain operations for the same law, at the case's dtype."""
    outputs, gradient = value_and_gradient(
        case.plain_arguments,
        case.upstream,
        implementation="standard",
        compute_dtype=case.compute_dtype,
        **case.options,
        **case.limits,
    )
    errors = {
        name: relative_error(found, expected)
        for name, found, expected in zip(["bound", "weighted"], outputs, case.expected, strict=True)
        if expected is not None
    }
    for name, expected in case.expected_gradient.items():
        found = np.where(case.trained, gradient[name], 0) if name == "log_kd" else gradient[name]
        errors[f"gradient of {name}"] = relative_error(found, expected)
    return errors


def allowed(case, name):
    """The allowed error in 16 bits: twice that of the plain operations."""
    if case.sequences == 0:
        return 0
    return 2 * plain_errors(case)[name] + IN_FLOAT32


def largest_sum_error(actual, expected, terms):
    """The largest error relative to the sum of the terms' absolute values, without tiny sums."""
    large = terms >= LEAST_SUM
    return (np.abs(actual - expected)[large] / terms[large]).max(initial=0)


def check_sums(case, found):
    """Checks the sums; in float32, to 3e-6 of the sum of their terms' absolute values.

    This holds for each sum, and for the norm of all sums together.
    """
    for name, actual, expected, terms in zip(
        ["bound", "weighted"], found, case.expected, case.terms, strict=True
    ):
        assert (actual is None) == (expected is None), name
        if expected is None:
            continue
        assert actual.shape == expected.shape and actual.dtype == np.float32, name
        assert np.isfinite(actual).all(), f"{name} holds NaN or infinity"
        assert not actual[terms == 0].any(), f"{name} holds sites that do not count"
        if case.compute_dtype != "float32":
            assert relative_error(actual, expected) <= allowed(case, name), name
            continue
        assert largest_sum_error(actual, expected, terms) <= LARGEST_ERROR, name
        assert np.linalg.norm(actual - expected) <= LARGEST_ERROR * np.linalg.norm(terms), name


def check_gradients(case, found):
    """Checks the gradients; in float32, to 1e-5 of their norm. Held columns have none at all."""
    assert found.keys() == case.expected_gradient.keys()
    for name, expected in case.expected_gradient.items():
        assert found[name].shape == expected.shape and found[name].dtype == np.float32, name
        assert np.isfinite(found[name]).all(), f"{name} holds NaN or infinity"
        largest = LARGEST_GRADIENT_ERROR
        if case.compute_dtype != "float32":
            largest = allowed(case, f"gradient of {name}")
        assert relative_error(found[name], expected) <= largest, name
    if case.weighted and case.limits:
        gone = case.expected_gradient["position_weight"] == 0
        assert not found["position_weight"][gone].any(), "weights of no window have moved"
    for name, gradient in found.items():
        assert not gradient[..., case.absent].any(), f"{name} of absent factors is not 0"
    assert not np.where(case.trained, 0, found["log_kd"]).any(), "columns that are held have moved"


def print_largest_errors(executor, cases):
    """Prints the largest errors over all cases in float32 mode."""
    sums, gradients = [], []
    for case in cases:
        if case.compute_dtype != "float32":
            continue
        sums += [
            largest_sum_error(*numbers)
            for numbers in zip(executor.forward(case), case.expected, case.terms, strict=True)
            if numbers[0] is not None
        ]
        found = executor.backward(case)
        gradients += [
            relative_error(found[name], value) for name, value in case.expected_gradient.items()
        ]
    print(f"{executor}: sums {max(sums):.1e}, gradients {max(gradients):.1e}")


if __name__ == "__main__":
    from benchmarks.shared.cuda_cases import CASES
    from benchmarks.shared.executors import Shim

    for capability in (900, 750):
        print_largest_errors(Shim(capability), CASES)
