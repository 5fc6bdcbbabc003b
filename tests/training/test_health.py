"""Messages about measurements and weights from which nothing can be learned."""

from __future__ import annotations

import numpy as np
import pytest

from cisreg.training.health import HealthCheck

MEASURED = np.linspace(0, 12, 50, dtype=np.float32)


def said(caplog, expression, weight=None):
    caplog.clear()
    HealthCheck(expression, weight)
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("weight", [None, np.ones(50), np.full(50, 400.0), np.full(50, 1e-3)])
def test_nothing_is_said_of_any_usual_unit_and_weight(caplog, scale, weight):
    assert said(caplog, np.float32(MEASURED * scale), weight) == []
    assert said(caplog, np.stack([MEASURED, MEASURED + 1000], axis=1), weight) == []


@pytest.mark.parametrize("offset", [1e7, -1e8])
def test_measurements_that_single_precision_rounds_are_said(caplog, offset):
    (message,) = said(caplog, np.float32(MEASURED + offset))
    assert "in single precision; subtract a constant" in message
    assert said(caplog, np.float32(MEASURED + 1e5)) == []


def test_several_measurements_that_are_all_equal_are_said(caplog):
    (message,) = said(caplog, np.full((50, 2), 3.5, np.float32))
    assert message.startswith("all measurements are equal (3.5)")


@pytest.mark.parametrize(
    ("weight", "what"),
    [(0.0, "nothing is learned"), (1e-30, "they multiply the loss"), (1e30, "they multiply")],
)
def test_weights_under_which_nothing_counts_are_said(caplog, weight, what):
    (message,) = said(caplog, MEASURED, np.full(50, weight, np.float32))
    assert f"the mean of the weights is {weight:g}: {what}" in message


@pytest.mark.parametrize(
    ("scale", "advice"), [(1e35, "divide them, or look for outliers"), (1e-37, "multiply them")]
)
def test_measurements_near_the_ends_of_single_precision_are_said(caplog, scale, advice):
    (message,) = said(caplog, np.float32(MEASURED * scale))
    assert message.startswith(f"the measurements, of up to {12 * scale:g} and of a standard")
    assert message.endswith(f"are near the ends of single precision; {advice}")
