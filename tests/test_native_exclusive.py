"""The kernels of competition of every instruction set against the float64 oracle."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from planted_faults import ROOT, compiled, library_of
from test_exclusive_oracle import COMPETITORS, OPTIONS, random_problem
from test_native import INSTRUCTION_SETS
from test_occupancy import relative_error

from cisreg import _native
from cisreg.exclusive_oracle import MOST_LOG_ODDS, exclusive_oracle, exclusive_oracle_gradient

# (sequences, length, width, motifs): lengths and widths of 1, motifs wider than the sequences,
# motif counts next to every multiple of a vector, a sequence that is cut into several segments and
# tiles, and sequences that make several chunks.
SHAPES = [
    (0, 10, 3, 2),
    (1, 1, 1, 1),
    (3, 1, 6, 2),
    (2, 5, 12, 2),
    (5, 13, 30, 9),
    (3, 20, 4, 8),
    (3, 20, 3, 31),
    (2, 23, 7, 33),
    (130, 11, 2, 17),
    (2, 1100, 31, 3),
    (1, 5000, 6, 2),
]
MANY = [*OPTIONS, ("position_weight", "footprint"), ("span",)]


@pytest.fixture(params=INSTRUCTION_SETS)
def instruction_set(request):
    if request.param not in _native.instruction_sets():
        pytest.skip(f"this processor has no {request.param} instructions")
    return request.param


def upstream_of(problem, seed=3):
    """Random gradients of the outputs, by the oracle's names."""
    random = np.random.default_rng(seed)
    sums = (len(problem["sequence"]), 2, problem["log_kd"].shape[2])
    upstream = {
        "grad_bound": random.normal(size=sums).astype(np.float32),
        "grad_log_partition": random.normal(size=sums[0]).astype(np.float32),
    }
    if "position_weight" in problem:
        upstream["grad_weighted"] = random.normal(size=sums).astype(np.float32)
    if "competitor_width" in problem:
        upstream["grad_competitors"] = random.normal(size=(sums[0], 3)).astype(np.float32)
    return upstream


def gradients_of(problem, upstream, **options):
    names = ("log_kd", "log_concentration", "position_weight", "competitor_log_odds")
    gradients = _native.exclusive_backward(
        **{"position_weight": None, **problem},
        bound_gradient=upstream["grad_bound"],
        weighted_gradient=upstream.get("grad_weighted"),
        log_partition_gradient=upstream["grad_log_partition"],
        competitor_gradient=upstream.get("grad_competitors"),
        **options,
    )
    return {name: value for name, value in zip(names, gradients, strict=True) if value is not None}


def check(problem, padding="same", **options):
    """Compares outputs and gradients with the oracle's."""
    expected = exclusive_oracle(**problem, padding=padding)
    outputs = _native.exclusive_forward(**problem, padding=padding, **options)
    for place in (0, 1, 3):
        actual, value = outputs[place], expected[place]
        assert (actual is None) == (value is None)
        if value is not None:
            assert relative_error(actual, value) <= 5e-6
    # The log of a sum of at least 1 in float64, which has no digits below 2e-16.
    np.testing.assert_allclose(outputs[2], expected.log_partition, rtol=5e-6, atol=1e-15)
    upstream = upstream_of(problem)
    expected = exclusive_oracle_gradient(**problem, **upstream, padding=padding)
    gradients = gradients_of(problem, upstream, padding=padding, **options)
    assert gradients.keys() == expected.keys()
    for name, value in expected.items():
        assert relative_error(gradients[name], value) <= 2e-5, name


@pytest.mark.parametrize("options", MANY, ids="-".join)
@pytest.mark.parametrize("shape", SHAPES)
def test_against_oracle(instruction_set, shape, options):
    check(random_problem(shape, options=options), instruction_set=instruction_set)


@pytest.mark.parametrize("shape", [(3, 20, 4, 8), (2, 600, 31, 3)])
def test_valid_windows_against_oracle(instruction_set, shape):
    problem = random_problem(shape, options=("position_weight", "column_range"), padding="valid")
    check(problem, "valid", instruction_set=instruction_set)


# Log2 odds of the strongest site. Below 60, odds are products; above, exponentials of sums; far
# above 100 they count as 2^100, and the sums over configurations are beyond a double.
@pytest.mark.parametrize("strongest", [[-100], [0], [59.9], [60.1], [99], [-90, 0, 30, 59, 90]])
def test_weak_and_strong_motifs(instruction_set, strongest):
    motifs = 11
    problem = random_problem((4, 90, 8, motifs), options=("column_range",))
    log_kd = problem["log_kd"] = 4 * problem["log_kd"]
    first, end = problem["column_range"]
    column = np.arange(len(log_kd))[:, None]
    own = np.where((column >= first) & (column < end), np.minimum(log_kd.min(axis=1), 0), 0)
    problem["log_concentration"] = (
        np.resize(strongest, motifs) * np.log(2) + own.sum(axis=0)
    ).astype(np.float32)
    check(problem, instruction_set=instruction_set)


def test_sums_beyond_a_double(instruction_set):
    problem = random_problem((2, 400, 3, 2))
    problem["log_concentration"] += 60
    assert exclusive_oracle(**problem).log_partition.min() > 2000
    check(problem, instruction_set=instruction_set)


def test_odds_above_the_limit_count_as_the_limit(instruction_set):
    problem = random_problem((2, 30, 3, 2))
    problem["log_kd"] *= 0.01
    problem["log_concentration"] += 200
    outputs = _native.exclusive_forward(**problem, instruction_set=instruction_set)
    expected = exclusive_oracle(**problem)
    assert relative_error(outputs[0], expected.bound) <= 5e-6
    assert relative_error(outputs[2], expected.log_partition) <= 1e-6
    # Ten sites cover the bases.
    assert 9 * MOST_LOG_ODDS < outputs[2][0] < 12 * MOST_LOG_ODDS


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("log_odds", [-3.0, 2.0, 40.0, 100.0])
def test_a_nucleosome_among_sites(instruction_set, log_odds, padding):
    options = ("position_weight", "column_range", "length")
    problem = random_problem((5, 400, 8, 9), options=options, padding=padding)
    problem["length"][:3] = [146, 147, 200]
    problem["log_concentration"] -= 5
    problem["competitor_width"] = np.array([147, 10, 147], np.int32)
    problem["competitor_log_odds"] = np.array([log_odds, 0.5, -np.inf], np.float32)
    check(problem, padding, instruction_set=instruction_set)
    found = _native.exclusive_forward(**problem, padding=padding, instruction_set=instruction_set)
    assert found[3][0, 0] == 0 and found[3][1, 0] > 0
    assert not found[3][:, 2].any()
    options = {"padding": padding, "competitor_sites": True, "instruction_set": instruction_set}
    sites = _native.exclusive_forward(**problem, **options)[4]
    expected = exclusive_oracle(**problem, padding=padding).competitor_site
    assert sites.shape == expected.shape and relative_error(sites, expected) <= 5e-6


def test_a_nucleosome_where_motifs_read_the_middle_of_their_windows(instruction_set):
    # Sites alone would reach none of the first and the last bases.
    problem = random_problem((3, 200, 30, 4), padding="valid")
    problem["log_kd"][:10] = problem["log_kd"][20:] = 0
    problem["column_range"] = np.array([[10] * 4, [20] * 4], np.int32)
    problem |= {
        "competitor_width": np.array([147, 200, 1], np.int32),
        "competitor_log_odds": np.array([1.0, 3.0, -1.0], np.float32),
    }
    check(problem, "valid", instruction_set=instruction_set)


def test_absent_factors(instruction_set):
    problem = random_problem((3, 25, 4, 9), options=("position_weight", "column_range"))
    absent = [0, 4, 8]
    problem["log_concentration"][absent] = -np.inf
    check(problem, instruction_set=instruction_set)
    bound = _native.exclusive_forward(**problem, instruction_set=instruction_set)[0]
    assert not bound[:, :, absent].any()
    gradients = gradients_of(problem, upstream_of(problem), instruction_set=instruction_set)
    assert not gradients["log_kd"][:, :, absent].any()
    assert not gradients["log_concentration"][absent].any()


def test_the_same_bits_for_every_number_of_threads(instruction_set):
    problem = random_problem(
        (300, 40, 6, 19), options=("position_weight", "column_range", "length", *COMPETITORS)
    )
    upstream = upstream_of(problem)
    results = []
    for threads in (1, 2, 3):
        options = {"instruction_set": instruction_set, "threads": threads}
        results.append(
            [
                *_native.exclusive_forward(**problem, **options, competitor_sites=True),
                *gradients_of(problem, upstream, **options).values(),
            ]
        )
    for other in results[1:]:
        for first, again in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, again)


def test_rows_of_a_batch_are_the_rows_alone(instruction_set):
    problem = random_problem((7, 40, 6, 19), options=("column_range", "length", *COMPETITORS))
    together = _native.exclusive_forward(**problem, instruction_set=instruction_set)
    for row in range(7):
        alone = {**problem, "sequence": problem["sequence"][row : row + 1]}
        alone["length"] = problem["length"][row : row + 1]
        outputs = _native.exclusive_forward(**alone, instruction_set=instruction_set)
        np.testing.assert_array_equal(outputs[0][0], together[0][row])
        np.testing.assert_array_equal(outputs[2][0], together[2][row])
        np.testing.assert_array_equal(outputs[3][0], together[3][row])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"footprint": [[0, 0], [2, 0]]}, r"footprint: .*first < end.*got 0 and 0 for motif 1"),
        ({"footprint": [[-20000, 0], [2, 1]]}, r"footprint: expected -10000 <= first"),
        ({"footprint": [0, 0]}, r"footprint: expected shape \[2, M\] = \[2,2\], got \[2\]"),
        (
            {"column_range": [[0, 2], [3, 2]]},
            r"column_range: expected first < end, .*, got 2 and 2 for motif 1; or give",
        ),
        ({"competitor_width": [3]}, "competitor_width, competitor_log_odds: expected both"),
        (
            {"competitor_width": [3], "competitor_log_odds": [0.0, 1.0]},
            r"expected shape \[Q\] both, got \[1\] and \[2\]",
        ),
        (
            {"competitor_width": [3, 0], "competitor_log_odds": [0.0, 1.0]},
            "competitor_width: expected 1 to 10000 bases, got 0 for competitor 1",
        ),
        (
            {"competitor_width": [3], "competitor_log_odds": [np.inf]},
            "competitor_log_odds: expected finite numbers or minus infinity, got inf",
        ),
    ],
)
def test_what_is_refused(changed, message):
    problem = random_problem((2, 10, 4, 2))
    with pytest.raises(ValueError, match=message):
        _native.exclusive_forward(**problem, **changed)


@pytest.fixture(scope="module")
def why_wrong(tmp_path_factory):
    """What is said of a column range and a footprint on every device, where no sequence is read."""
    folder = tmp_path_factory.mktemp("checks")
    checks = [ROOT / "csrc" / name / "checks.cc" for name in ("exclusive", "occupancy")]
    objects = compiled([ROOT / "tests" / "exclusive_checks.cc", *checks], folder)
    check = library_of(objects, folder).CheckFootprints
    check.restype = ctypes.c_char_p

    def said(column_range=None, footprint=None, width=5):
        arrays = [x if x is None else np.array(x, np.int32) for x in (column_range, footprint)]
        given = [x if x is None else x.ctypes.data_as(ctypes.c_void_p) for x in arrays]
        motifs = next(x.shape[1] for x in arrays if x is not None)
        return check(*given, ctypes.c_int64(width), ctypes.c_int64(motifs)).decode()

    return said


def test_where_sites_lie_is_checked_on_every_device(why_wrong):
    assert why_wrong([[0, 2], [5, 3]]) == why_wrong(footprint=[[-2], [7]]) == ""
    assert why_wrong([[1], [1]], [[-2], [7]]) == ""
    columns = "column_range: expected 0 <= first <= end <= W = 5, got "
    assert why_wrong([[-2], [7]]) == f"{columns}-2 and 7 for motif 0"
    assert why_wrong([[-20000], [5]]) == f"{columns}-20000 and 5 for motif 0"
    assert why_wrong([[0, 4], [5, 6]], [[0, 0], [5, 5]]) == f"{columns}4 and 6 for motif 1"
    assert why_wrong([[1], [1]]).startswith("column_range: expected first < end, since")
    assert why_wrong(footprint=[[-20000], [5]]).startswith("footprint: expected -10000 <= first")
