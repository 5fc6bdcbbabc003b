"""The oracle of competition against every configuration, one by one."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import pytest

from cisreg.exclusive_oracle import exclusive_oracle, exclusive_oracle_gradient
from cisreg.spec import window_count

# (sequences, length, width, motifs)
SHAPES = [(2, 3, 2, 1), (2, 4, 3, 2), (1, 5, 3, 1), (2, 1, 4, 1), (2, 4, 1, 2)]


def random_problem(shape, *, seed=0, options=(), padding="same"):
    """Random arguments; `options` names the optional ones that are given."""
    count, length, width, motifs = shape
    random = np.random.default_rng(seed)
    first = random.integers(0, width, motifs)
    end = random.integers(first + 1, width + 1)
    windows = window_count(length, width, padding)
    optional = {
        "position_weight": random.normal(1, 1, (2, windows, motifs)).astype(np.float32),
        "column_range": np.stack([first, end]).astype(np.int32),
        "footprint": np.stack([first - 1, end + random.integers(0, 2, motifs)]).astype(np.int32),
        "span": np.array([length // 4, length - length // 4], np.int32),
        "length": random.integers(0, length + 1, count).astype(np.int32),
        "competitor_width": np.array([2, max(1, length - 1), 2], np.int32),
        "competitor_log_odds": random.normal(0, 1, 3).astype(np.float32),
    }
    return {
        "sequence": random.integers(0, 5, (count, length)).astype(np.uint8),
        "log_kd": random.normal(0, 1, (width, 4, motifs)).astype(np.float32),
        "log_concentration": random.normal(0, 1, motifs).astype(np.float32),
        **{name: optional[name] for name in options},
    }


def listed_sites(problem, row, padding):
    """(strand, window, motif, first base, one past the last base, log odds), by plain loops."""
    sequence, log_kd = problem["sequence"][row].tolist(), problem["log_kd"].astype(float)
    width, _, motifs = log_kd.shape
    length = len(sequence) if "length" not in problem else int(problem["length"][row])
    windows = length if padding == "same" else length - width + 1
    start = -((width - 1) // 2) if padding == "same" else 0
    columns = problem.get("column_range", [[0] * motifs, [width] * motifs])
    footprint = problem.get("footprint", columns)
    for strand, window, motif in itertools.product(range(2), range(windows), range(motifs)):

        def bases(first, end, strand=strand, window=window):
            if strand:
                first, end = width - end, width - first
            return start + window + first, start + window + end

        own = range(*bases(columns[0][motif], columns[1][motif]))
        begin, stop = problem.get("span", (None, None))
        if begin is not None and not any(begin <= at < min(stop, length) for at in own):
            continue
        log_odds = float(problem["log_concentration"][motif])
        for at in own:
            if 0 <= at < length and sequence[at] < 4:
                column = at - start - window
                if strand:
                    log_odds -= log_kd[width - 1 - column, 3 - sequence[at], motif]
                else:
                    log_odds -= log_kd[column, sequence[at], motif]
        yield strand, window, motif, *bases(footprint[0][motif], footprint[1][motif]), log_odds
    for number, bases in enumerate(problem.get("competitor_width", ())):
        log_odds = float(problem["competitor_log_odds"][number])
        for begin in range(length - int(bases) + 1):
            yield None, begin, number, begin, begin + int(bases), log_odds


def configurations(sites):
    """Every set of sites that share no base, each as a list of indices."""
    sites = sorted(enumerate(sites), key=lambda each: each[1][4])

    def extended(chosen, free_from, rest):
        yield chosen
        for at, (index, site) in enumerate(rest):
            if site[3] >= free_from:
                yield from extended([*chosen, index], site[4], rest[at + 1 :])

    yield from extended([], -np.inf, sites)


class Enumerated(NamedTuple):
    """Sums over all configurations: occupancy, log Z and, with gains, d sum / d log odds."""

    site: np.ndarray  # [N, 2, P, M]
    log_partition: np.ndarray  # [N]
    slope: np.ndarray  # [N, 2, P, M]
    competitor: np.ndarray  # [N, Q, L], by the first base
    competitor_slope: np.ndarray  # [N, Q, L]


def enumerated(problem, padding, gain=None, competitor_gain=None):
    count = len(problem["sequence"])
    shape = (count, 2, window_count(problem["sequence"].shape[1], len(problem["log_kd"]), padding))
    site = np.zeros((*shape, problem["log_kd"].shape[2]))
    slope, log_partition = np.zeros_like(site), np.zeros(count)
    competitor = np.zeros(
        (count, len(problem.get("competitor_width", ())), problem["sequence"].shape[1])
    )
    competitor_slope = np.zeros_like(competitor)
    for row in range(count):
        sites = list(listed_sites(problem, row, padding))
        sets = list(configurations(sites))
        weight = np.exp([sum(sites[index][5] for index in chosen) for chosen in sets])
        share = weight / weight.sum()
        log_partition[row] = np.log(weight.sum())
        bound = np.zeros((len(sets), len(sites)))
        for at, chosen in enumerate(sets):
            bound[at, chosen] = 1
        gains = [_gain_of(each, row, gain, competitor_gain) for each in sites]
        total = bound @ gains
        covariance = (share * (total - share @ total)) @ bound
        for index, (strand, window, motif, *_) in enumerate(sites):
            if strand is None:
                competitor[row, motif, window] = share @ bound[:, index]
                competitor_slope[row, motif, window] = covariance[index]
                continue
            site[row, strand, window, motif] = share @ bound[:, index]
            slope[row, strand, window, motif] = covariance[index]
    return Enumerated(site, log_partition, slope, competitor, competitor_slope)


def _gain_of(site, row, gain, competitor_gain):
    strand, window, motif = site[:3]
    if strand is None:
        return 0.0 if competitor_gain is None else competitor_gain[row, motif]
    return 0.0 if gain is None else gain[row, strand, window, motif]


COMPETITORS = ("competitor_width", "competitor_log_odds")
OPTIONS = [
    (),
    ("column_range",),
    ("position_weight", "column_range", "footprint"),
    ("length",),
    ("position_weight", "span", "column_range", "length"),
    COMPETITORS,
    ("position_weight", "footprint", "span", "length", *COMPETITORS),
]


@pytest.mark.parametrize("options", OPTIONS, ids="-".join)
@pytest.mark.parametrize("shape", SHAPES)
def test_against_every_configuration(shape, options):
    problem = random_problem(shape, options=options)
    expected = enumerated(problem, "same")
    sums = exclusive_oracle(**problem)
    close = {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(sums.bound, expected.site.sum(axis=2), **close)
    np.testing.assert_allclose(sums.log_partition, expected.log_partition, **close)
    if "position_weight" in options:
        weighted = (expected.site * problem["position_weight"]).sum(axis=2)
        np.testing.assert_allclose(sums.weighted, weighted, **close)
    if "competitor_width" in options:
        np.testing.assert_allclose(sums.competitor_site, expected.competitor, **close)
        np.testing.assert_allclose(sums.competitors, expected.competitor.sum(axis=2), **close)
    else:
        assert sums.competitors is None


def test_valid_windows_against_every_configuration():
    problem = random_problem((2, 6, 3, 1), options=("column_range", *COMPETITORS))
    expected = enumerated(problem, "valid")
    sums = exclusive_oracle(**problem, padding="valid")
    np.testing.assert_allclose(sums.bound, expected.site.sum(axis=2), rtol=1e-9)
    np.testing.assert_allclose(sums.log_partition, expected.log_partition, rtol=1e-9)
    np.testing.assert_allclose(sums.competitor_site, expected.competitor, rtol=1e-9)


@pytest.mark.parametrize("options", OPTIONS, ids="-".join)
@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_is_the_covariance_over_every_configuration(shape, options):
    problem = random_problem(shape, options=options)
    random = np.random.default_rng(1)
    by_strand = (shape[0], 2, shape[3])
    upstream = {"grad_bound": random.normal(size=by_strand)}
    gain = upstream["grad_bound"][:, :, None]
    if "position_weight" in options:
        upstream["grad_weighted"] = random.normal(size=by_strand)
        gain = gain + upstream["grad_weighted"][:, :, None] * problem["position_weight"]
    gain = np.broadcast_to(gain, (*by_strand[:2], shape[1], shape[3]))
    if "competitor_width" in options:
        upstream["grad_competitors"] = random.normal(size=(shape[0], 3))
    found = enumerated(problem, "same", gain, upstream.get("grad_competitors"))
    gradient = exclusive_oracle_gradient(**problem, **upstream)
    expected = found.slope.sum(axis=(0, 1, 2))
    close = {"rtol": 1e-8, "atol": 1e-12}
    np.testing.assert_allclose(gradient["log_concentration"], expected, **close)
    if "competitor_width" in options:
        expected = found.competitor_slope.sum(axis=(0, 2))
        np.testing.assert_allclose(gradient["competitor_log_odds"], expected, **close)


@pytest.mark.parametrize("options", OPTIONS, ids="-".join)
def test_gradient_is_the_slope_of_the_sums(options):
    problem = random_problem((3, 9, 4, 3), options=options)
    random = np.random.default_rng(2)
    upstream = {
        "grad_bound": random.normal(size=(3, 2, 3)),
        "grad_log_partition": random.normal(size=3),
    }
    if "position_weight" in options:
        upstream["grad_weighted"] = random.normal(size=(3, 2, 3))
    if "competitor_width" in options:
        upstream["grad_competitors"] = random.normal(size=(3, 3))

    def total(**changed):
        sums = exclusive_oracle(**{**problem, **changed})._asdict()
        return sum(
            (sums[name.removeprefix("grad_")] * given).sum() for name, given in upstream.items()
        )

    gradient = exclusive_oracle_gradient(**problem, **upstream)
    for name, slope in gradient.items():
        for at in np.ndindex(slope.shape):
            low, high = (problem[name].astype(np.float64) for _ in range(2))
            low[at] -= 1e-5
            high[at] += 1e-5
            numeric = (total(**{name: high}) - total(**{name: low})) / 2e-5
            assert abs(slope[at] - numeric) <= 1e-7 * max(1, abs(numeric)), (name, at)


def test_occupancy_is_the_slope_of_the_log_partition():
    problem = random_problem((2, 9, 4, 3))
    zeros = np.zeros((2, 2, 3))
    gradient = exclusive_oracle_gradient(**problem, grad_bound=zeros, grad_log_partition=np.ones(2))
    bound = exclusive_oracle(**problem).bound
    np.testing.assert_allclose(gradient["log_concentration"], bound.sum(axis=(0, 1)))


def test_far_apart_sites_are_independent_and_overlapping_ones_share():
    # One base is read: a strong factor at A, at bases 0 and 9, or at bases 0 and 1.
    log_kd = np.full((3, 4, 1), 0.0)
    log_kd[1, 1:, 0] = 50.0
    far, near = np.full((1, 10), 1), np.full((1, 10), 1)
    far[0, [0, 9]] = near[0, [0, 1]] = 0
    bound = [
        exclusive_oracle(sequence, log_kd, np.zeros(1)).bound[0, 0, 0] for sequence in (far, near)
    ]
    np.testing.assert_allclose(bound, [1.0, 2 / 3])
