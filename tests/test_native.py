"""The kernels of every instruction set, without TensorFlow, against the float64 oracle."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from test_occupancy import CASES, example, random_upstream, relative_error

from cisreg import _native
from cisreg.reference import occupancy_oracle, occupancy_oracle_gradient

INSTRUCTION_SETS = ["portable", "avx2"]


@pytest.fixture(params=INSTRUCTION_SETS)
def instruction_set(request):
    if request.param not in _native.instruction_sets():
        pytest.skip(f"this processor has no {request.param} instructions")
    return request.param


@pytest.mark.parametrize("reduction", ["expected", "log_unbound"])
@pytest.mark.parametrize(("shape", "padding"), CASES)
def test_against_oracle(instruction_set, shape, padding, reduction):
    arguments = example(shape, padding)
    options = {"reduction": reduction, "padding": padding}
    native = {**options, "instruction_set": instruction_set}
    expected = occupancy_oracle(**arguments, **options)
    outputs = _native.occupancy_forward(*arguments.values(), **native)
    for actual, value in zip(outputs, expected, strict=True):
        assert relative_error(actual, value) <= 2e-6
    upstream = random_upstream(expected)
    gradients = _native.occupancy_backward(*arguments.values(), *upstream, **native)
    expected_gradients = occupancy_oracle_gradient(
        **arguments, **options, grad_bound=upstream[0], grad_weighted=upstream[1]
    )
    names = ["log_kd", "log_concentration", "position_weight"]
    for name, actual in zip(names, gradients, strict=True):
        assert relative_error(actual, expected_gradients[name]) <= 1e-5, name


@pytest.mark.parametrize("shape", [(300, 60, 9, 40), (1, 900, 5, 100), (700, 40, 6, 3)])
def test_same_bits_for_every_thread_count(instruction_set, shape):
    arguments = list(example(shape).values())
    upstream = random_upstream([np.empty((shape[0], 2, shape[3]))] * 2)
    results = []
    for threads in (1, 2, 7):
        options = {"threads": threads, "instruction_set": instruction_set}
        outputs = _native.occupancy_forward(*arguments, **options)
        gradients = _native.occupancy_backward(*arguments, *upstream, **options)
        results.append((*outputs, *gradients))
    for one, other in itertools.pairwise(results):
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_unknown_instruction_set_is_refused():
    arguments = list(example((2, 7, 3, 2)).values())
    with pytest.raises(ValueError, match="no 'sse9' kernels"):
        _native.occupancy_forward(*arguments, instruction_set="sse9")
