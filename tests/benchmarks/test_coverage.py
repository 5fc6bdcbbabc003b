"""The share of intervals that hold the truth, on simulated data."""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
import pytest

from benchmarks.interpret import coverage
from benchmarks.interpret.coverage import NUMBERS, held, known_motifs, make_problem
from cisreg.quantiles import student_width

LEVEL, SIMULATIONS = 0.9, 24


@pytest.mark.slow
@pytest.mark.thorough
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


def test_a_run_ends_when_its_time_is_up_with_the_simulations_done(monkeypatch, capsys):
    """Each takes a minute here: two are always made, and a fourth would not fit into 3.5."""
    clock = iter(range(0, 10_000, 60))
    monkeypatch.setattr(coverage.time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(coverage, "make_problem", lambda seed, *_: seed)
    monkeypatch.setitem(coverage.METHODS, "bootstrap", lambda problem, seed, options: seed)
    monkeypatch.setattr(
        coverage, "held", lambda problem, seed: [(name, 0.5 + 0.1 * seed) for name in NUMBERS]
    )
    for minutes, expected in ((0.0, 2), (3.5, 3), (float("inf"), 5)):
        options = argparse.Namespace(simulations=5, minutes=minutes, motifs=2, sequences=9)
        shares = coverage.simulations("bootstrap", options)
        assert [len(each) for each in shares.values()] == [expected] * len(NUMBERS)
    coverage.show({"method": "bootstrap", "shares": {name: [0.5, 0.7] for name in (*NUMBERS, "r")}})
    shown = " ".join(capsys.readouterr().out.split())
    assert "90 % intervals that hold the truth, 2 simulations" in shown
    # Mean 0.6; a standard deviation of 0.141 over the root of 2.
    assert "60.0 %" in shown and "10.0 %" in shown
    assert "r of predicted with true expression: 0.600, from 0.500 to 0.700" in shown
