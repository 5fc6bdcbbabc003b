"""Sums of occupancy at the bases: against sums that are written out base by base."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisreg.genome.site_sums import END, SiteSums, bases_of_sites

LENGTH = 60


def naive(sites, reduction):
    """The value at each base, float64, of (start, end, logit)."""
    unbound, expected = np.ones(LENGTH), np.zeros(LENGTH)
    for start, end, logit in sites:
        bound = 1 / (1 + np.exp(-logit))
        unbound[start:end] *= 1 - bound
        expected[start:end] += bound
    return 1 - unbound if reduction == "probability" else expected


def runs_of(sites, reduction, cuts=()):
    """All runs; the sites are added in parts, which end at these positions."""
    sums = SiteSums(reduction, most_sites=max(len(sites), 1))
    parts, left = [], list(sites)
    for cut in (*sorted(cuts), END):
        now = [site for site in left if site[0] < cut]
        left = [site for site in left if site[0] >= cut]
        start, end, logit = np.array(now).reshape(-1, 3).T
        parts.append(sums.add(start.astype(np.int64), end.astype(np.int64), logit, complete=cut))
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


SITES = st.lists(
    st.tuples(st.integers(0, 50), st.integers(1, 10), st.floats(-25, 60)).map(
        lambda site: (site[0], site[0] + site[1], site[2])
    ),
    max_size=40,
)


@pytest.mark.parametrize("reduction", ["probability", "expected"])
@given(sites=SITES, cuts=st.sets(st.integers(0, LENGTH), max_size=4))
def test_values_are_those_of_every_base(reduction, sites, cuts):
    start, end, value = runs_of(sites, reduction, cuts)
    dense = np.zeros(LENGTH)
    for first, last, number in zip(start, end, value, strict=True):
        assert not dense[first:last].any()
        dense[first:last] = number
    np.testing.assert_allclose(dense, naive(sites, reduction), rtol=2e-7, atol=1e-14)
    assert value.dtype == np.float32
    # Runs are as long as can be, and in order.
    assert (start < end).all()
    assert (start[1:] >= end[:-1]).all()
    assert not ((start[1:] == end[:-1]) & (value[1:] == value[:-1])).any()


@given(sites=SITES, cuts=st.sets(st.integers(0, LENGTH), max_size=4), order=st.randoms())
def test_parts_and_order_change_no_bit(sites, cuts, order):
    shuffled = list(sites)
    order.shuffle(shuffled)
    for each, other in zip(
        runs_of(sites, "probability"), runs_of(shuffled, "probability", cuts), strict=True
    ):
        assert each.tobytes() == other.tobytes()


def test_what_a_strong_site_adds_is_gone_behind_it():
    weak, strong = (0, 30, -25.0), (10, 20, 40.0)
    start, end, value = runs_of([weak, strong], "expected")
    assert (start.tolist(), end.tolist()) == ([0, 10, 20], [10, 20, 30])
    assert value[0] == value[2] == pytest.approx(np.exp(-25), rel=1e-6)


def test_thousands_of_saturated_sites_do_not_overflow():
    sites = [(0, 5, 700.0)] * 5000
    assert runs_of(sites, "probability")[2].tolist() == [1.0]
    assert runs_of(sites, "expected")[2].tolist() == [5000.0]


@pytest.mark.parametrize(
    ("position", "width", "bases"),
    [("covered", 5, range(8, 13)), ("centre", 5, [10]), ("centre", 6, [10]), ("start", 5, [8])],
)
def test_bases_at_which_a_site_counts(position, width, bases):
    start, end = bases_of_sites(np.array([8]), width, position)
    assert list(range(start[0], end[0])) == list(bases)
