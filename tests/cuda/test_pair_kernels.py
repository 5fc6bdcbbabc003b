"""The CUDA kernels of pairs of factors against the float64 oracle, on every executor here."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from test_native_pairs import expected_of, random_problem, upstream_of
from test_occupancy import relative_error

from benchmarks.shared.executors import CUDA, KernelError
from benchmarks.shared.pair_executors import PairDevice, PairShim, PairSimulator

# As the kernels of CPUs are held to, tests/test_native_pairs.py.
LARGEST_ERROR = 1e-5
LARGEST_GRADIENT_ERROR = 2e-5

EXECUTORS = [
    PairShim(sanitized=True),
    PairSimulator(900),
    pytest.param(PairSimulator(800), marks=pytest.mark.slow),
    pytest.param(PairSimulator(750), marks=pytest.mark.slow),
    PairDevice(),
]
# (sequences, length, width, motifs), (distance, knots), pairs, optional arguments, padding. One
# pair; a factor with itself; motifs in several pairs, in both places; curves that reach beyond a
# sequence, over several blocks of taps, and one base; strips and chunks of columns that are full,
# and next to it; windows that lie beside the sequence on both sides.
CASES = [
    ((0, 10, 3, 2), (10, 3), None, (), "same"),
    ((1, 1, 1, 1), (10, 3), [(0, 0)], (), "same"),
    ((3, 1, 6, 2), (1, 1), [(0, 1)], ("span",), "same"),
    ((2, 5, 12, 2), (300, 5), [(1, 0)], ("column_range",), "same"),
    ((3, 20, 4, 4), (4, 7), [(0, 1), (1, 2), (2, 2), (2, 1), (0, 1)], (), "same"),
    ((2, 9, 9, 2), (10, 3), [(0, 1), (1, 1)], ("column_range",), "valid"),
    ((2, 45, 14, 3), (33, 1), None, ("column_range", "span"), "valid"),
    ((2, 127, 31, 2), (32, 7), [(0, 1), (1, 1)], ("span",), "same"),
    ((1, 128, 32, 2), (33, 21), [(0, 1)], ("column_range",), "same"),
    ((2, 129, 33, 2), (60, 23), [(0, 1), (1, 0)], (), "same"),
    ((1, 300, 70, 3), (200, 7), [(2, 0), (1, 1)], ("column_range",), "same"),
]
SIMULATED = [CASES[i] for i in (1, 4, 6, 9)]


def name_of(case):
    shape, curve, pairs, options, padding = case
    sizes = "x".join(map(str, (*shape, *curve, len(pairs or ()))))
    return "-".join([sizes, *options, padding])


def problem_of(case):
    shape, curve, pairs, options, _ = case
    return random_problem(shape, curve, pairs=pairs, options=options)


def check(executor, problem, padding="same"):
    upstream = upstream_of(problem)
    score, expected = expected_of(problem, upstream, padding)
    found = executor.forward(problem, padding)
    assert found.shape == score.shape and np.isfinite(found).all()
    assert relative_error(found, score) <= LARGEST_ERROR
    gradients = executor.backward(problem, upstream, padding)
    for name, value in expected.items():
        assert gradients[name].shape == value.shape and np.isfinite(gradients[name]).all()
        assert relative_error(gradients[name], value) <= LARGEST_GRADIENT_ERROR, name
    if "column_range" in problem:
        first, end = problem["column_range"]
        column = np.arange(len(problem["log_kd"]))[:, None]
        held = (column < first) | (column >= end)
        assert not gradients["log_kd"].transpose(0, 2, 1)[held].any()


def everything(executor, problem, padding="same"):
    """All results as bytes."""
    gradients = executor.backward(problem, upstream_of(problem), padding)
    return [each.tobytes() for each in (executor.forward(problem, padding), *gradients.values())]


@pytest.mark.parametrize("case", CASES, ids=name_of)
@pytest.mark.parametrize("executor", EXECUTORS, ids=str)
def test_against_oracle(executor, case):
    if isinstance(executor, PairSimulator) and case not in SIMULATED:
        pytest.skip("the simulator takes a few cases")
    check(executor, problem_of(case), case[-1])


@pytest.mark.parametrize("strongest", [-30, 0, 30, 100])
def test_weak_and_strong_motifs(strongest):
    problem = random_problem((4, 60, 8, 3), options=("span",))
    own = np.minimum(problem["log_kd"].min(axis=1), 0).sum(axis=0)
    problem["log_concentration"] = (strongest * np.log(2) + own).astype(np.float32)
    check(PairShim(), problem)


def test_one_span_for_all_sequences():
    problem = random_problem((3, 40, 7, 2), options=("column_range",))
    problem["span"] = np.array([11, 23], np.int32)
    check(PairShim(), problem)


def test_a_strong_site_hides_no_weak_ones_of_a_pair_with_itself():
    problem = random_problem((1, 30, 1, 1), (10, 3), pairs=[(0, 0)])
    problem["sequence"][:] = 0
    problem["sequence"][0, 15] = 1
    problem["log_kd"][0, :, 0] = [20, -20, 40, 40]
    problem["log_concentration"][:] = 0
    problem["effect"][:] = 1
    check(PairShim(), problem)


def test_absent_factors():
    problem = random_problem((3, 25, 4, 5), options=("column_range",))
    absent = [0, 4]
    problem["log_concentration"][absent] = -np.inf
    check(PairShim(), problem)
    gradients = PairShim().backward(problem, upstream_of(problem))
    assert not gradients["log_kd"][:, :, absent].any()
    assert not gradients["log_concentration"][absent].any()
    among = np.isin(problem["pair"], absent).any(axis=1)
    assert among.any() and not gradients["effect"][among].any()


@pytest.mark.parametrize("case", [CASES[6], CASES[9]], ids=name_of)
def test_the_same_bits_in_every_order_of_fibers(case):
    """The initial content of the memory does not matter either."""
    problem = problem_of(case)
    first = everything(PairShim(seed=0), problem, case[-1])
    for seed in range(1, 5):
        again = PairShim(seed=seed, fill=(0x00, 0x7F)[seed % 2])
        assert everything(again, problem, case[-1]) == first, f"seed {seed}"


@pytest.mark.parametrize("arch", [900, pytest.param(750, marks=pytest.mark.slow)])
def test_the_same_bits_in_every_order_of_the_simulator(arch):
    case = CASES[9]
    problem = problem_of(case)
    first = everything(PairSimulator(arch), problem, case[-1])
    for options in (
        {"order": "reverse", "schedule": "serial", "fill": 0x00},
        {"order": "random", "schedule": "lockstep", "fill": 0x7F, "seed": 2},
    ):
        assert everything(PairSimulator(arch, **options), problem, case[-1]) == first, options


def with_constants(folder, **values):
    """A copy of the kernels with other values of constants."""
    cuda = folder / "cuda"
    shutil.copytree(CUDA, cuda)
    text = (cuda / "tiles.h").read_text()
    for name, value in values.items():
        text, count = re.subn(rf"(int {name} = )[^;]+;", rf"\g<1>{value};", text)
        assert count == 1
    (cuda / "tiles.h").write_text(text)
    return cuda


def test_few_sequences_at_a_time_and_few_slices(tmp_path):
    """Sequences in several launches, and strips of several sequences in a slice."""
    problem = random_problem((7, 140, 9, 3), (40, 9), options=("span",))
    cut = PairShim(cuda=with_constants(tmp_path, kPairSites="2000", kPairSlices="3"))
    check(cut, problem)
    np.testing.assert_array_equal(cut.forward(problem), PairShim().forward(problem))
    assert cut.workspace(problem, backward=True) < PairShim().workspace(problem, backward=True)


def test_rows_of_a_batch_are_the_rows_alone():
    problem = random_problem((5, 140, 6, 3), options=("column_range", "span"))
    together = PairShim().forward(problem)
    for row in (0, 3, 4):
        rows = slice(row, row + 1)
        alone = {**problem, "sequence": problem["sequence"][rows], "span": problem["span"][rows]}
        np.testing.assert_array_equal(PairShim().forward(alone)[0], together[row])


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_no_windows(padding):
    problem = random_problem((2, 0 if padding == "same" else 4, 5, 2))
    shim = PairShim(sanitized=True)
    assert not shim.forward(problem, padding).any()
    gradients = shim.backward(problem, upstream_of(problem), padding)
    assert not any(each.any() for each in gradients.values())


def test_no_pairs():
    problem = random_problem((3, 20, 4, 2), pairs=[(0, 1)])
    problem["effect"] = np.zeros((0, 2, 3), np.float32)
    problem["pair"] = np.zeros((0, 2), np.int32)
    assert not PairShim(sanitized=True).forward(problem).any()
    gradients = PairShim(sanitized=True).backward(problem, upstream_of(problem))
    assert not gradients["log_kd"].any() and not gradients["log_concentration"].any()


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("log_kd", (1, 2, 0), np.nan),
        ("log_kd", (1, 2, 0), -np.inf),
        ("log_concentration", 0, np.nan),
        ("log_concentration", 0, np.inf),
        ("pair", (0, 0), -1),
        ("pair", (0, 1), 4),
        ("sequence", (slice(None), 3), 5),
        ("sequence", (slice(None), 3), 255),
    ],
)
def test_what_is_wrong_is_not_a_number(name, at, value):
    """Values are on the device, where nothing raises an error; the other pair is as it was."""
    problem = random_problem((2, 20, 4, 4), pairs=[(0, 1), (2, 3)])
    problem[name] = problem[name].copy()
    problem[name][at] = value
    shim = PairShim(sanitized=True)
    assert np.isnan(shim.forward(problem)).all()
    gradients = shim.backward(problem, upstream_of(problem))
    assert np.isnan(gradients["log_kd"][..., :2]).any()
    if name != "sequence":
        assert np.isfinite(gradients["log_kd"][..., 2:]).all()
        assert np.isfinite(gradients["effect"][1]).all()
    if name == "pair":
        assert np.isnan(gradients["effect"][0]).all()


@pytest.mark.parametrize("spans", [(-7, 99), (3, 1 << 30), (-(1 << 31), 12), (25, -3)])
def test_spans_and_columns_are_cut(spans):
    problem = random_problem((2, 40, 9, 2), options=("column_range",))
    wild = {**problem, "span": np.array(spans, np.int32)}
    wild["column_range"] = np.array([[-3, 2], [50, 9]], np.int32)
    cut = {**wild, "span": np.clip(spans, 0, 40).astype(np.int32)}
    cut["column_range"] = np.array([[0, 2], [9, 9]], np.int32)
    shim = PairShim(sanitized=True)
    assert everything(shim, wild) == everything(shim, cut)


@pytest.mark.parametrize(
    ("changes", "capability", "message"),
    [
        ({}, 70, "GPU: expected compute capability 7.5 or later, got 7.0"),
        ({"log_kd": np.zeros((3, 4, 0), np.float32)}, 90, "pair: expected places of motifs"),
        ({"log_kd": np.zeros((4097, 4, 1), np.float32)}, 90, "log_kd: the GPU kernels expect"),
    ],
)
def test_what_is_refused(changes, capability, message):
    problem = {**random_problem((2, 20, 3, 2)), **changes}
    with pytest.raises(KernelError, match=message):
        PairShim().workspace(problem, capability=capability)


def test_long_curves_on_long_sequences_take_little_memory():
    """Sites of the two factors and sums by distance, but no table of every two windows."""
    problem = random_problem((1, 20, 9, 2), (1 << 20, 15), pairs=[(0, 1)])
    length = 1_000_000
    problem["sequence"] = np.zeros((1, length), np.uint8)
    sites, taps = 2 * 2 * length, 2 * length
    bytes_taken = PairShim().workspace(problem, backward=True)
    assert bytes_taken <= 4 * (2 * sites + (2 + 2 * 4) * taps) + (1 << 20)


def print_largest_errors(executor):
    """The largest errors of all cases, as parts of the norm."""
    scores, gradients = [], []
    for case in CASES:
        problem, padding = problem_of(case), case[-1]
        upstream = upstream_of(problem)
        score, expected = expected_of(problem, upstream, padding)
        scores.append(relative_error(executor.forward(problem, padding), score))
        found = executor.backward(problem, upstream, padding)
        gradients += [relative_error(found[name], value) for name, value in expected.items()]
    print(f"{executor}: scores {max(scores):.1e}, gradients {max(gradients):.1e}")


if __name__ == "__main__":
    print_largest_errors(PairShim())
