"""The self-test of a device: right numbers pass, wrong ones are noticed, wherever it is called."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from store_self_test import sums_of_the_oracle

from cisreg import self_test
from cisreg.library import load_ops
from cisreg.self_test import LIMITS, STORED, problem, run_self_test


class Faulty:
    """The operation, with a fault in the results of one of its two calls."""

    def __init__(self, call, fault):
        self._call, self._fault = call, fault

    def __getattr__(self, name):
        operation = getattr(load_ops(), name)
        if name != self._call:
            return operation

        def called(**inputs):
            return self._fault(*operation(**inputs))

        return called


def scaled_element(tensor, at, factor):
    values = tensor.numpy()
    values.flat[at] *= factor
    return tf.constant(values)


FAULTS = {
    "a strand": ("cisreg_occupancy", lambda bound, weighted: (bound[:, ::-1], weighted)),
    "a site": (
        "cisreg_occupancy",
        lambda bound, weighted: (scaled_element(bound, 7, 1.01), weighted),
    ),
    "a row": ("cisreg_occupancy", lambda bound, weighted: (tf.roll(bound, 1, 0), weighted)),
    "no number": (
        "cisreg_occupancy",
        lambda bound, weighted: (scaled_element(bound, 3, np.nan), weighted),
    ),
    "weights": (
        "cisreg_occupancy",
        lambda bound, weighted: (bound, [each * 1.01 for each in weighted]),
    ),
    "a column": (
        "cisreg_occupancy_grad",
        lambda kd, concentration, weight: (tf.roll(kd, 1, 0), concentration, weight),
    ),
    "a base": (
        "cisreg_occupancy_grad",
        lambda kd, concentration, weight: (kd[:, ::-1], concentration, weight),
    ),
    "a slope": (
        "cisreg_occupancy_grad",
        lambda kd, concentration, weight: (kd, concentration * 1.001, weight),
    ),
    "a window": (
        "cisreg_occupancy_grad",
        lambda kd, concentration, weight: (
            kd,
            concentration,
            [tf.roll(each, 1, 1) for each in weight],
        ),
    ),
}


def plant(monkeypatch, name):
    monkeypatch.setattr(self_test, "load_ops", lambda: Faulty(*FAULTS[name]))


def test_what_is_stored_is_what_the_oracle_says():
    stored, expected = json.loads(STORED.read_text()), sums_of_the_oracle()
    assert list(stored) == list(expected)
    for name, values in expected.items():
        for kind, numbers in values.items():
            np.testing.assert_allclose(stored[name][kind], numbers, rtol=1e-12, err_msg=name)


def test_the_problem_has_what_kernels_treat_apart():
    inputs = problem("expected")
    assert set(np.unique(inputs["sequence"])) == {0, 1, 2, 3, 4}
    first, end = inputs["column_range"]
    assert first.max() > 0
    assert end.min() < len(inputs["log_kd"])
    assert len(set(inputs["length"].tolist())) == len(inputs["length"])


@pytest.mark.parametrize("compute_dtype", LIMITS)
def test_this_processor_passes(compute_dtype):
    tested = run_self_test("CPU:0", compute_dtype)
    assert tested.reason == ""
    assert max(each.error for each in tested.compared) < LIMITS["float32"] / 10


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_noticed_and_both_numbers_are_said(monkeypatch, name):
    plant(monkeypatch, name)
    tested = run_self_test("CPU:0")
    wrong = [each for each in tested.compared if not each.error <= LIMITS["float32"]]
    assert wrong
    for each in wrong:
        said = f"{each.name} {each.computed:.6f} instead of {each.expected:.6f}"
        assert said in tested.reason


def test_an_operation_that_fails_gives_its_reason_alone(monkeypatch):
    def fail(*results):
        raise tf.errors.InternalError(
            None, None, "{{function_node x}} cisreg on the GPU, y: no image [Op:Cisreg>Occupancy]"
        )

    monkeypatch.setattr(self_test, "load_ops", lambda: Faulty("cisreg_occupancy_grad", fail))
    assert run_self_test("CPU:0") == ((), "cisreg on the GPU, y: no image")


def test_an_error_of_any_kind_is_a_reason(monkeypatch):
    def fail(function):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(self_test, "in_own_thread", fail)
    found = run_self_test("CPU:0")
    assert found == ((), "the self-test failed: RuntimeError: can't start new thread")


def test_it_runs_while_a_graph_is_traced_and_leaves_it_alone():
    def function(value):
        with tf.GradientTape() as tape:
            tape.watch(value)
            assert run_self_test("CPU:0").reason == ""
        return value

    concrete = tf.function(function).get_concrete_function(tf.constant(1.0))
    assert {each.type for each in concrete.graph.get_operations()} == {"Placeholder", "Identity"}
    assert run_self_test("CPU:0").reason == ""
