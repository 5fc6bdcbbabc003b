"""The share of intervals that hold the truth, on simulated data."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from benchmarks.interpret.coverage import held, known_motifs, make_problem
from cisreg.uncertainty.quantiles import student_width

LEVEL, SIMULATIONS = 0.9, 24


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    """Each simulation is one observation: the intervals of one model err together.

    The mean share of the simulations is within Student's interval of level 0.999 around 0.9, of the
    scatter from simulation to simulation: of seven names one in about 140 correct programs fails.
    """
    shares = defaultdict(list)
    for seed in range(SIMULATIONS):
        problem = make_problem(seed)
        for name, share in held(problem, known_motifs(problem, seed, None)):
            shares[name].append(share)
    width = student_width(0.999, SIMULATIONS - 1)
    for name in (
        "log_concentration",
        "activity",
        "potentiation",
        "effect",
        "potentiation_effect",
        "prediction",
        "difference",
    ):
        error = np.std(shares[name], ddof=1) / np.sqrt(SIMULATIONS)
        # Intervals of half the width would hold 59 % of the truth, which this notices.
        assert width * error < 0.15, name
        assert abs(np.mean(shares[name]) - LEVEL) < width * error, name
