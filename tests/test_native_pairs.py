"""The kernels of pairs of factors of every instruction set against the float64 oracle."""

from __future__ import annotations

import numpy as np
import pytest
from test_native import INSTRUCTION_SETS
from test_occupancy import relative_error

from cisreg import _native
from cisreg.pairs_oracle import pair_oracle, pair_oracle_gradient

# (sequences, length, width, motifs): no sequence and one, lengths and widths of 1, motifs wider
# than the sequences, motif counts next to every multiple of a block, sequences that are cut into
# several segments and tiles, and so many that there are several chunks and slices.
SHAPES = [
    (0, 10, 3, 2),
    (1, 1, 1, 1),
    (3, 1, 6, 2),
    (2, 5, 12, 2),
    (5, 13, 30, 9),
    (3, 20, 4, 8),
    (2, 33, 3, 17),
    (130, 11, 2, 9),
    (300, 20, 4, 3),
    (2, 700, 31, 3),
]
# (distance, knots): knots at every distance, a few bases apart, with none at 0, further apart than
# any sequence of the small ones, and one knot.
CURVES = [(4, 7), (10, 3), (9, 2), (60, 23), (300, 5), (3, 1)]


@pytest.fixture(params=INSTRUCTION_SETS)
def instruction_set(request):
    if request.param not in _native.instruction_sets():
        pytest.skip(f"this processor has no {request.param} instructions")
    return request.param


def random_problem(shape, curve=(10, 3), *, seed=0, options=(), pairs=None):
    """Random arguments of the kernels; `options` names the optional ones that are given."""
    count, length, width, motifs = shape
    random = np.random.default_rng(seed)
    first = random.integers(0, width, motifs)
    end = random.integers(first + 1, width + 1)
    begin = random.integers(0, length + 1, count)
    # Chains of neighbours, and some with themselves.
    pairs = pairs or [(i, (i + i % 3) % motifs) for i in range(motifs)]
    optional = {
        "column_range": np.stack([first, end]).astype(np.int32),
        "span": np.stack([begin, random.integers(begin, length + 1)], axis=1).astype(np.int32),
    }
    return {
        "sequence": random.integers(0, 5, (count, length)).astype(np.uint8),
        "log_kd": random.normal(0, 1, (width, 4, motifs)).astype(np.float32),
        "log_concentration": random.normal(0, 1, motifs).astype(np.float32),
        "effect": random.normal(0, 1, (len(pairs), 2, curve[1])).astype(np.float32),
        "pair": np.array(pairs, np.int32),
        "distance": curve[0],
        **{name: optional[name] for name in options},
    }


def expected_of(problem, upstream, padding="same"):
    """Score and gradients in float64, by the names of the kernel's arguments."""
    options = {name: problem[name] for name in ("column_range", "span") if name in problem}
    score, gradients = pair_oracle_gradient(
        *(problem["sequence"], problem["log_kd"], problem["log_concentration"]),
        *(problem["pair"].tolist(), problem["effect"], problem["distance"]),
        grad_score=upstream,
        padding=padding,
        **options,
    )
    gradients["effect"] = gradients.pop("pair_effect")
    return score, gradients


def upstream_of(problem, seed=3):
    count = len(problem["sequence"])
    return np.random.default_rng(seed).normal(size=count).astype(np.float32)


def gradients_of(problem, upstream, **options):
    gradients = _native.pair_backward(**problem, score_gradient=upstream, **options)
    return dict(zip(("log_kd", "log_concentration", "effect"), gradients, strict=True))


def check(problem, padding="same", **options):
    """Compares score and gradients with the oracle's."""
    upstream = upstream_of(problem)
    score, expected = expected_of(problem, upstream, padding)
    actual = _native.pair_forward(**problem, padding=padding, **options)
    assert relative_error(actual, score) <= 1e-5
    gradients = gradients_of(problem, upstream, padding=padding, **options)
    for name, value in expected.items():
        assert relative_error(gradients[name], value) <= 2e-5, name


def test_the_gradient_of_the_oracle_is_that_of_its_pairs_one_by_one():
    problem = random_problem((2, 7, 3, 3), (4, 3), options=("column_range", "span"))
    upstream = upstream_of(problem)
    score, gradients = expected_of(problem, upstream)

    def scores(changed):
        values = {**problem, **changed}
        options = {name: values[name] for name in ("column_range", "span")}
        found = pair_oracle(
            *(values["sequence"], values["log_kd"], values["log_concentration"]),
            *(values["pair"].tolist(), values["effect"], values["distance"]),
            **options,
        )
        return found.sum(axis=1)

    np.testing.assert_allclose(score, scores({}), rtol=1e-12)
    for name, gradient in gradients.items():
        start = problem[name].astype(float)
        found = np.zeros(start.shape)
        for at in np.ndindex(start.shape):
            moved = []
            for step in (-1e-5, 1e-5):
                changed = start.copy()
                changed[at] += step
                moved.append(upstream @ scores({name: changed}))
            found[at] = (moved[1] - moved[0]) / 2e-5
        np.testing.assert_allclose(gradient, found, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("options", [(), ("column_range", "span")], ids=["none", "all"])
@pytest.mark.parametrize("shape", SHAPES)
def test_against_oracle(instruction_set, shape, options):
    check(random_problem(shape, options=options), instruction_set=instruction_set)


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("shape", [(3, 20, 4, 8), (2, 70, 5, 3)])
def test_curves_against_oracle(instruction_set, shape, curve):
    check(random_problem(shape, curve), instruction_set=instruction_set)


@pytest.mark.parametrize("shape", [(3, 20, 4, 8), (2, 9, 9, 2), (2, 600, 31, 3)])
def test_valid_windows_against_oracle(instruction_set, shape):
    problem = random_problem(shape, options=("column_range",))
    check(problem, "valid", instruction_set=instruction_set)


def test_every_window_count_near_a_vector(instruction_set):
    for length in range(1, 36):
        check(random_problem((2, length, 3, 2), (6, 5)), instruction_set=instruction_set)


@pytest.mark.parametrize("knots", [1, 6, 7, 8, 9, 15, 16, 17])
def test_every_number_of_taps(instruction_set, knots):
    curve = (knots + 1, knots)  # Two bases apart.
    pairs = [(0, 1), (1, 1), (1, 0)]
    check(random_problem((3, 40, 3, 2), curve, pairs=pairs), instruction_set=instruction_set)


def test_more_pairs_than_a_vector_has_lanes(instruction_set):
    pairs = [(a, b) for a in range(7) for b in range(a, 7)]
    check(random_problem((4, 30, 4, 7), pairs=pairs), instruction_set=instruction_set)


@pytest.mark.parametrize("strongest", [-30, 0, 59.9, 60.1, 100])
def test_weak_and_strong_motifs(instruction_set, strongest):
    """Log2 odds of the strongest sites; below 60 odds are products, above exponentials of sums."""
    problem = random_problem((4, 60, 8, 5), options=("span",))
    own = np.minimum(problem["log_kd"].min(axis=1), 0).sum(axis=0)
    problem["log_concentration"] = (strongest * np.log(2) + own).astype(np.float32)
    check(problem, instruction_set=instruction_set)


def test_odds_beyond_a_float_count_as_bound(instruction_set):
    problem = random_problem((2, 30, 3, 3))
    problem["log_concentration"] += 200
    upstream = upstream_of(problem)
    score, expected = expected_of(problem, upstream)
    actual = _native.pair_forward(**problem, instruction_set=instruction_set)
    assert relative_error(actual, score) <= 1e-5
    gradients = gradients_of(problem, upstream, instruction_set=instruction_set)
    assert relative_error(gradients["effect"], expected["effect"]) <= 2e-5
    assert np.abs(gradients["log_kd"]).max() < 1e-30


def test_a_strong_site_hides_no_weak_ones_of_a_pair_with_itself(instruction_set):
    """What two sites in one window would do is left out, not subtracted."""
    problem = random_problem((1, 30, 1, 1), (10, 3), pairs=[(0, 0)])
    problem["sequence"][:] = 0
    problem["sequence"][0, 15] = 1
    problem["log_kd"][0, :, 0] = [20, -20, 40, 40]
    problem["log_concentration"][:] = 0
    problem["effect"][:] = 1
    check(problem, instruction_set=instruction_set)


def test_absent_factors(instruction_set):
    problem = random_problem((3, 25, 4, 9), options=("column_range",))
    absent = [0, 4, 8]
    problem["log_concentration"][absent] = -np.inf
    check(problem, instruction_set=instruction_set)
    gradients = gradients_of(problem, upstream_of(problem), instruction_set=instruction_set)
    assert not gradients["log_kd"][:, :, absent].any()
    assert not gradients["log_concentration"][absent].any()
    among = np.isin(problem["pair"], absent).any(axis=1)
    assert among.any() and not gradients["effect"][among].any()


def test_the_same_bits_for_every_number_of_threads(instruction_set):
    problem = random_problem((300, 40, 6, 19), options=("column_range", "span"))
    upstream = upstream_of(problem)
    results = []
    for threads in (1, 2, 3):
        options = {"instruction_set": instruction_set, "threads": threads}
        gradients = gradients_of(problem, upstream, **options)
        results.append([_native.pair_forward(**problem, **options), *gradients.values()])
    for other in results[1:]:
        for first, again in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, again)


def test_rows_of_a_batch_are_the_rows_alone(instruction_set):
    problem = random_problem((67, 40, 6, 9), options=("column_range", "span"))
    together = _native.pair_forward(**problem, instruction_set=instruction_set)
    for row in (0, 1, 33, 66):
        rows = slice(row, row + 1)
        alone = {**problem, "sequence": problem["sequence"][rows], "span": problem["span"][rows]}
        score = _native.pair_forward(**alone, instruction_set=instruction_set)
        np.testing.assert_array_equal(score[0], together[row])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"pair": [[0, 2]]}, r"pair: expected places of motifs, 0 to 1, got 2 in pair 0"),
        ({"pair": [[-1, 0]]}, r"pair: expected places of motifs, 0 to 1, got -1 in pair 0"),
        ({"pair": [0, 1]}, r"pair: expected shape \[Q, 2\], got \[2\]"),
        ({"pair": [[0, 1], [1, 1]]}, r"effect: expected shape \[Q, 2, K\] with Q = 2, got \[1,2,3"),
        ({"effect": np.zeros((1, 2, 0))}, r"effect: expected shape \[Q, 2, K\] with Q = 1"),
        ({"distance": 0}, "distance: expected 1 to 536870912 bases, got 0"),
        ({"distance": 5}, r"distance: expected knots a whole number of bases apart.*2 \* 5 / 4"),
        ({"log_concentration": np.zeros((3, 2))}, r"log_concentration: expected shape \[M\]"),
    ],
)
def test_what_is_refused(changed, message):
    problem = random_problem((2, 10, 4, 2), pairs=[(0, 1)])
    with pytest.raises(ValueError, match=message):
        _native.pair_forward(**{**problem, **changed})


def test_a_gradient_of_another_size_is_refused():
    problem = random_problem((2, 10, 4, 2))
    with pytest.raises(ValueError, match=r"score_gradient: expected shape \[2\], got \[3\]"):
        _native.pair_backward(**problem, score_gradient=np.zeros(3))
