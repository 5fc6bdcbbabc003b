"""Conversions: against plain Python, back and forth, on real motifs, and the error messages."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_data import shared_data

from cisreg.motifs import (
    MotifSet,
    counts_to_probabilities,
    log_kd_to_log_odds,
    log_kd_to_probabilities,
    log_odds_to_log_kd,
    log_odds_to_probabilities,
    probabilities_to_counts,
    probabilities_to_log_kd,
    probabilities_to_log_odds,
    read_pkdm,
)

YEAST = [0.31, 0.19, 0.19, 0.31]
CONVENTIONS = ["natural", "pkdm"]
UNITS = ["bits", "nats"]
BASE = {"bits": 2, "nats": math.e}
COUNTS = [[3, 0, 7, 10], [1, 1, 1, 1], [0, 0, 0, 2], [1000, 1, 0, 0.5]]

columns = st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(any)
matrices = st.lists(columns, min_size=1, max_size=12)
backgrounds = st.lists(st.integers(1, 50), min_size=4, max_size=4).map(
    lambda numbers: [number / sum(numbers) for number in numbers]
)


def normalised(column):
    return [number / sum(column) for number in column]


def with_pseudocount(column, pseudocount):
    return normalised([number + pseudocount for number in normalised(column)])


def oracle_log_odds(counts, background, base, pseudocount):
    return [
        [
            math.log(p / b, base)
            for p, b in zip(with_pseudocount(column, pseudocount), background, strict=True)
        ]
        for column in counts
    ]


def oracle_probabilities(log_odds, background, base):
    """Probabilities from log odds to a base: prior * base ** odds, normalised."""
    return [
        normalised([b * base**x for x, b in zip(column, background, strict=True)])
        for column in log_odds
    ]


@pytest.mark.parametrize("pseudocount", [0, 0.001, 0.5])
def test_probabilities_are_shares_with_the_pseudocount_added_to_them(pseudocount):
    expected = [with_pseudocount(column, pseudocount) for column in COUNTS]
    result = counts_to_probabilities(COUNTS, pseudocount=pseudocount)
    np.testing.assert_allclose(result, expected, rtol=1e-14)


@pytest.mark.parametrize("background", [[0.25] * 4, YEAST])
@pytest.mark.parametrize("unit", UNITS)
def test_log_odds(unit, background):
    probabilities = counts_to_probabilities(COUNTS)
    result = probabilities_to_log_odds(
        probabilities, background=background, unit=unit, pseudocount=0.01
    )
    expected = oracle_log_odds(COUNTS, background, BASE[unit], 0.01)
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-13)
    back = log_odds_to_probabilities(result, background=background, unit=unit)
    expected = oracle_probabilities(expected, background, BASE[unit])
    np.testing.assert_allclose(back, expected, rtol=1e-12)


def test_what_stands_in_for_the_arguments_left_out():
    probabilities = counts_to_probabilities(COUNTS)
    log_odds = oracle_log_odds(COUNTS, [0.25] * 4, 2, 0.001)
    np.testing.assert_allclose(probabilities_to_log_odds(probabilities), log_odds, atol=1e-12)
    nats = [[-x * math.log(2) for x in column] for column in log_odds]
    np.testing.assert_allclose(probabilities_to_log_kd(probabilities), nats, atol=1e-12)
    np.testing.assert_allclose(log_odds_to_log_kd(log_odds), nats, atol=1e-12)
    np.testing.assert_allclose(log_kd_to_log_odds(nats), log_odds, atol=1e-12)
    for back in (log_odds_to_probabilities(log_odds), log_kd_to_probabilities(nats)):
        np.testing.assert_allclose(back, [with_pseudocount(c, 0.001) for c in COUNTS], atol=1e-12)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("unit", UNITS)
def test_log_kd_is_the_negative_log_odds_to_the_base_of_the_convention(unit, convention):
    log_odds = oracle_log_odds(COUNTS, YEAST, BASE[unit], 0.001)
    base = {"natural": math.e, "pkdm": 2}[convention]
    expected = [[-x for x in column] for column in oracle_log_odds(COUNTS, YEAST, base, 0.001)]
    by_way = log_odds_to_log_kd(log_odds, unit=unit, convention=convention)
    np.testing.assert_allclose(by_way, expected, rtol=1e-12, atol=1e-13)
    direct = probabilities_to_log_kd(
        counts_to_probabilities(COUNTS), background=YEAST, convention=convention
    )
    np.testing.assert_allclose(direct, expected, rtol=1e-12, atol=1e-13)
    back = log_kd_to_log_odds(by_way, unit=unit, convention=convention)
    np.testing.assert_allclose(back, log_odds, rtol=1e-12, atol=1e-13)


@given(matrices, backgrounds, st.sampled_from(UNITS), st.sampled_from(CONVENTIONS))
def test_counts_to_log_kd_and_back(counts, background, unit, convention):
    probabilities = counts_to_probabilities(counts, pseudocount=0.01)
    log_odds = probabilities_to_log_odds(
        probabilities, background=background, unit=unit, pseudocount=0
    )
    log_kd = log_odds_to_log_kd(log_odds, unit=unit, convention=convention)
    back = log_kd_to_probabilities(log_kd, background=background, convention=convention)
    np.testing.assert_allclose(back, probabilities, rtol=1e-12)
    sites = 7 + np.arange(len(counts))
    again = counts_to_probabilities(probabilities_to_counts(back, sites))
    np.testing.assert_allclose(again, probabilities, rtol=1e-12)


def test_counts_are_probability_times_sites():
    probabilities = [[0.5, 0.25, 0.25, 0], [0, 0, 0, 1]]
    assert probabilities_to_counts(probabilities).tolist() == [[50, 25, 25, 0], [0, 0, 0, 100]]
    assert probabilities_to_counts(probabilities, [8, 3]).tolist() == [[4, 2, 2, 0], [0, 0, 0, 3]]


def test_leading_dimensions_and_single_columns():
    stack = np.array([COUNTS, COUNTS[::-1]])
    result = probabilities_to_log_kd(counts_to_probabilities(stack), background=YEAST)
    assert result.shape == (2, 4, 4)
    one = probabilities_to_log_kd(counts_to_probabilities(COUNTS[0]), background=YEAST)
    np.testing.assert_array_equal(result[0, 0], one)
    np.testing.assert_array_equal(result[1, 3], one)


def test_energies_of_any_size_do_not_overflow():
    back = log_kd_to_probabilities([[-5000, 5000, 0, -5000]], convention="pkdm")
    np.testing.assert_allclose(back, [[0.5, 0, 0, 0.5]])


def test_published_columns_that_are_rounded_are_normalised():
    log_odds = probabilities_to_log_odds([[0.33, 0.33, 0.33, 0]], pseudocount=0.001)
    expected = math.log2((1 / 3 + 0.001) / 1.004 / 0.25)
    np.testing.assert_allclose(log_odds[0, :3], expected, rtol=1e-12)


def test_real_motifs_have_a_uniform_background_and_come_back():
    files = sorted((shared_data("gpra_example") / "motifs").glob("*.pkdm"))
    assert len(files) > 200
    for path in files:
        log_kd = read_pkdm(path)
        probabilities = log_kd_to_probabilities(log_kd, convention="pkdm")
        np.testing.assert_allclose(probabilities, 0.25 / 2**log_kd, rtol=1e-12, err_msg=path.name)
        back = probabilities_to_log_kd(probabilities, convention="pkdm", pseudocount=0)
        np.testing.assert_allclose(back, log_kd, rtol=1e-12, atol=1e-12, err_msg=path.name)


def test_a_motif_set_of_probabilities():
    probabilities = [counts_to_probabilities(COUNTS), counts_to_probabilities(COUNTS[2:])]
    options = {"background": YEAST, "pseudocount": 0.02, "convention": "pkdm"}
    motifs = MotifSet.from_probabilities(["a", "b"], probabilities, width=6, **options)
    expected = MotifSet.from_matrices(
        ["a", "b"], [probabilities_to_log_kd(each, **options) for each in probabilities], width=6
    )
    np.testing.assert_array_equal(motifs.log_kd, expected.log_kd)
    assert motifs.widths.tolist() == [4, 2]


BAD_MATRICES = [
    (np.zeros((4, 3)), r"expected shape \[width, 4\].*got \[4, 3\]; transpose"),
    (np.zeros((0, 4)), r"got \[0, 4\]"),
    (0.25, r"got \[\]"),
    ([[1, 0, 0, 0], [np.nan, 0, 0, 1]], r"finite numbers.*got \[nan, .*in column 1, counted from"),
    ([[np.inf, 0, 0, 0]], "finite numbers.*in column 0"),
]


@pytest.mark.parametrize(("matrix", "message"), BAD_MATRICES)
@pytest.mark.parametrize(
    ("function", "argument"),
    [
        (counts_to_probabilities, "counts"),
        (probabilities_to_counts, "probabilities"),
        (probabilities_to_log_odds, "probabilities"),
        (probabilities_to_log_kd, "probabilities"),
        (log_odds_to_probabilities, "log_odds"),
        (log_odds_to_log_kd, "log_odds"),
        (log_kd_to_log_odds, "log_kd"),
    ],
)
def test_bad_matrices_are_named(function, argument, matrix, message):
    with pytest.raises(ValueError, match=f"{argument}: .*{message}"):
        function(matrix)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: counts_to_probabilities([[1] * 4, [5, -1, 0, 0]]),
            "counts: expected numbers of 0",
        ),
        (lambda: counts_to_probabilities([[1] * 4, [0] * 4]), r"counts: expected a sum.*column 1"),
        (lambda: counts_to_probabilities([[[1] * 4, [0] * 4]]), "column 0, 1, counted"),
        (
            lambda: counts_to_probabilities([1] * 4, pseudocount=-1),
            "pseudocount: expected 0 or mor",
        ),
        (lambda: counts_to_probabilities([1] * 4, pseudocount=np.nan), "pseudocount: .*got nan"),
        (lambda: probabilities_to_log_odds([[1, 1, 0, 0]]), "sum to 1.*with counts_to_probabili"),
        (lambda: probabilities_to_log_odds([[0.5, 0.47, 0, 0]]), "sum to 1"),
        (lambda: probabilities_to_log_odds([[1.1, -0.1, 0, 0]]), "probabilities: .*numbers of 0"),
        (lambda: probabilities_to_log_odds([[1, 0, 0, 0]], pseudocount=0), "got a 0, whose"),
        (lambda: probabilities_to_counts([[1, 0, 0, 0]], 0), "site_count: expected a number above"),
        (lambda: probabilities_to_counts([[1, 0, 0, 0]], [1, 2]), r"of shape \[1\], got \[1.0, 2"),
        (lambda: log_odds_to_log_kd([0] * 4, unit="bit"), "unit: expected one of 'bits', 'nats'"),
        (lambda: log_odds_to_probabilities([0] * 4, unit="e"), "unit: expected one of"),
        (lambda: probabilities_to_log_odds([1, 0, 0, 0], unit="e"), "unit: expected one of"),
        (lambda: log_odds_to_log_kd([0] * 4, convention="e"), "convention: expected one of 'natur"),
        (lambda: probabilities_to_log_kd([1, 0, 0, 0], convention="e"), "convention: expected one"),
    ],
)
def test_other_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "background",
    [[0.25] * 3, [0.3] * 4, [0.5, 0.5, 0, 0], [1.2, -0.4, 0.1, 0.1], [np.nan] * 4, [[0.25] * 4]],
)
def test_bad_backgrounds(background):
    for function in (log_kd_to_probabilities, log_odds_to_probabilities):
        with pytest.raises(ValueError, match="background: expected the probabilities of A, C, G"):
            function([[0, 0, 0, 0]], background=background)
    with pytest.raises(ValueError, match="background: expected"):
        probabilities_to_log_odds([[1, 0, 0, 0]], background=background)
