"""Small versions of the measurements in docs/measurements/noise.md."""

from __future__ import annotations

import pytest

from benchmarks.training.noise import informed, recovered, told_apart
from cisreg.recipes import read_recipe

pytestmark = pytest.mark.slow
QUICK = read_recipe("quick")


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("gaussian", 0.1),
        ("heteroscedastic", 0.15),
        ("student_t", 0.2),
        ("huber", 0.1),
        ("negative_binomial", 0.3),
        ("sort_bins", 0.15),
    ],
)
def test_the_noise_is_found(kind, error):
    found = recovered(kind, 0, 10_000, QUICK)
    assert found["r"] > 0.95
    assert found["worst"] < error


def test_a_wrong_noise_model_is_told():
    gains = list(told_apart(range(1), 3000, QUICK))
    assert len(gains) == 6
    assert all(each["gain"] > 0 for each in gains)


def test_the_information_is_that_of_the_truth():
    found = informed("sort-seq", 0, 12_000, QUICK)
    assert found["learned_variational"] == pytest.approx(found["true_variational"], rel=0.05)
