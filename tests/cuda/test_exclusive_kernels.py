"""The CUDA kernels of competition against the float64 oracle, on every executor here."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from test_exclusive_oracle import COMPETITORS, random_problem
from test_kernels import with_constant
from test_native_exclusive import upstream_of
from test_occupancy import relative_error

from benchmarks.shared import executors
from benchmarks.shared.exclusive_executors import (
    ExclusiveDevice,
    ExclusiveShim,
    ExclusiveSimulator,
)
from benchmarks.shared.executors import CUDA, KernelError
from cisreg.exclusive_oracle import exclusive_oracle, exclusive_oracle_gradient

# As the kernels of CPUs are held to, tests/test_native_exclusive.py.
LARGEST_ERROR = 5e-6
LARGEST_GRADIENT_ERROR = 2e-5

EXECUTORS = [
    ExclusiveShim(sanitized=True),
    ExclusiveSimulator(900),
    pytest.param(ExclusiveSimulator(800), marks=pytest.mark.slow),
    ExclusiveDevice(),
]
WEIGHTED = ("position_weight", "column_range")
# (sequences, length, width, motifs), optional arguments, padding. One site; motifs wider than the
# sequences; motifs that fill up tiles and do not; strips of windows that are full, and next to it;
# several chunks of columns; sequences without bases; more widths than a warp has lanes; footprints
# that reach far beyond windows.
CASES = [
    ((0, 10, 3, 2), (), "same"),
    ((1, 1, 1, 1), (), "same"),
    ((3, 1, 6, 2), (*WEIGHTED, "length", *COMPETITORS), "same"),
    ((2, 5, 12, 2), ("footprint",), "same"),
    ((3, 20, 3, 31), WEIGHTED, "same"),
    ((2, 23, 7, 33), ("position_weight", "footprint", *COMPETITORS), "same"),
    ((5, 13, 30, 9), ("column_range", "span", "length"), "same"),
    ((2, 63, 4, 8), ("span",), "same"),
    ((2, 64, 5, 9), WEIGHTED, "same"),
    ((6, 130, 6, 9), (*WEIGHTED, "length", *COMPETITORS), "same"),
    ((1, 150, 35, 9), ("column_range", "span"), "valid"),
    ((2, 40, 45, 40), WEIGHTED, "same"),
    ((2, 300, 9, 17), (*WEIGHTED, "span", "length", *COMPETITORS), "valid"),
    ((0, 10, 3, 2), (*WEIGHTED, *COMPETITORS), "same"),
]
SIMULATED = [CASES[i] for i in (2, 5, 9)]


def name_of(case):
    shape, options, padding = case
    return "-".join(["x".join(map(str, shape)), *options, padding])


def problem_of(case):
    return random_problem(case[0], options=case[1], padding=case[2])


def check(executor, problem, padding="same"):
    expected = exclusive_oracle(**problem, padding=padding)
    for name, actual in executor.forward(problem, padding).items():
        value = getattr(expected, name)
        assert actual.shape == value.shape and np.isfinite(actual).all(), name
        # Of the sum over configurations, which is at least 1, float64 has no digits below 2e-16.
        assert np.linalg.norm(actual - value) <= LARGEST_ERROR * np.linalg.norm(value) + 1e-15, name
    upstream = upstream_of(problem)
    expected = exclusive_oracle_gradient(**problem, **upstream, padding=padding)
    found = executor.backward(problem, upstream, padding)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].shape == value.shape and np.isfinite(found[name]).all(), name
        assert relative_error(found[name], value) <= LARGEST_GRADIENT_ERROR, name
    if "column_range" in problem:
        first, end = problem["column_range"]
        column = np.arange(len(problem["log_kd"]))[:, None]
        held = (column < first) | (column >= end)
        assert not found["log_kd"].transpose(0, 2, 1)[held].any()


def everything(executor, problem, padding="same"):
    """All results as bytes."""
    gradients = executor.backward(problem, upstream_of(problem), padding)
    found = {**executor.forward(problem, padding), **{f"d {k}": v for k, v in gradients.items()}}
    return {name: value.tobytes() for name, value in found.items()}


@pytest.mark.parametrize("case", CASES, ids=name_of)
@pytest.mark.parametrize("executor", EXECUTORS, ids=str)
def test_against_oracle(executor, case):
    if isinstance(executor, ExclusiveSimulator) and case not in SIMULATED:
        pytest.skip("the simulator takes a few cases")
    check(executor, problem_of(case), case[-1])


def strong_sites(strongest, motifs=11):
    """Sites of two widths, whose motifs' strongest ones have these log2 odds in turn."""
    problem = random_problem((3, 200, 8, motifs), options=WEIGHTED)
    problem["log_kd"] *= 4
    first, end = problem["column_range"]
    column = np.arange(len(problem["log_kd"]))[:, None]
    own = np.minimum(problem["log_kd"].min(axis=1), 0)
    own = np.where((column >= first) & (column < end), own, 0).sum(axis=0)
    problem["log_concentration"] = (np.resize(strongest, motifs) * np.log(2) + own).astype(
        np.float32
    )
    return problem


# Odds above 2^100 count as 2^100, and sums over configurations are beyond a double.
@pytest.mark.parametrize("strongest", [[-60], [24], [99], [130], [-90, 0, 30, 59, 90, 110]])
def test_weak_and_strong_motifs(strongest):
    problem = strong_sites(strongest)
    if max(strongest) > 99:
        assert exclusive_oracle(**problem).log_partition.max() > 1024 * np.log(2)
    check(ExclusiveShim(), problem)


def sites_beyond_the_limit():
    """Nearly every site has odds above 2^100."""
    problem = random_problem((2, 200, 3, 2))
    problem["log_concentration"] += 80
    return problem


def test_odds_count_as_two_to_the_power_of_100_at_most():
    check(ExclusiveShim(), sites_beyond_the_limit())


def test_absent_factors_and_competitors():
    problem = random_problem((3, 40, 5, 9), options=(*WEIGHTED, *COMPETITORS))
    problem["log_concentration"][[0, 4, 8]] = -np.inf
    problem["competitor_log_odds"][1] = -np.inf
    check(ExclusiveShim(sanitized=True), problem)


def test_each_sequence_has_a_span():
    problem = random_problem((6, 90, 7, 9), options=(*WEIGHTED, "length", *COMPETITORS))
    random = np.random.default_rng(5)
    problem["span"] = np.sort(random.integers(0, 91, (6, 2)), axis=1).astype(np.int32)
    check(ExclusiveShim(sanitized=True), problem)


# Motifs in one part, in parts of several tiles, and in a part for each tile.
# Gradients of competitors are sums of groups of sequences, the last of which is not full.
@pytest.mark.parametrize("shape", [(2100, 1, 1, 3), (1000, 2, 2, 20)])
def test_many_sequences(shape):
    check(ExclusiveShim(), random_problem(shape, options=(*WEIGHTED, "length", *COMPETITORS)))


@pytest.mark.slow
@pytest.mark.parametrize(("constant", "value"), [("kExclusiveUnits", 1), ("kExclusiveUnits", 37)])
def test_motifs_in_other_parts(tmp_path, constant, value):
    problem = random_problem((9, 70, 6, 40), options=(*WEIGHTED, *COMPETITORS))
    check(ExclusiveShim(cuda=with_constant(tmp_path, constant, value)), problem)


REPEATED = [CASES[5], CASES[9]]


@pytest.mark.parametrize("case", REPEATED, ids=name_of)
def test_same_bits_in_every_order_of_fibers(case):
    first = everything(ExclusiveShim(seed=0), problem_of(case))
    for seed in range(1, 4):
        assert everything(ExclusiveShim(seed=seed, fill=seed), problem_of(case)) == first, seed


ORDERS = [
    {"order": "reverse", "schedule": "serial", "fill": 0x00},
    {"order": "random", "schedule": "lockstep", "fill": 0x3C, "seed": 2},
]


@pytest.mark.slow
def test_same_bits_in_every_order_of_the_simulator():
    problem = problem_of(CASES[5])
    first = everything(ExclusiveSimulator(900), problem)
    for options in ORDERS:
        assert everything(ExclusiveSimulator(900, **options), problem) == first, options


@pytest.mark.parametrize("multiprocessors", [1, 200])
def test_sums_do_not_depend_on_the_device(monkeypatch, multiprocessors):
    problem = problem_of(CASES[9])
    expected = ExclusiveShim().forward(problem)
    monkeypatch.setitem(executors.DEVICES, 900, (90, multiprocessors, 64 << 10))
    for name, value in ExclusiveShim().forward(problem).items():
        np.testing.assert_array_equal(value, expected[name])
    check(ExclusiveShim(), problem)


def test_a_sequence_with_a_code_that_is_none_is_nan():
    """The others are not affected."""
    problem = random_problem((4, 40, 6, 9), options=(*WEIGHTED, *COMPETITORS))
    whole = ExclusiveShim().forward(problem)
    problem["sequence"][2, 7] = 5
    found = ExclusiveShim().forward(problem)
    for name, value in whole.items():
        assert np.isnan(found[name][2]).all(), name
        np.testing.assert_array_equal(found[name][[0, 1, 3]], value[[0, 1, 3]])
    gradients = ExclusiveShim().backward(problem, upstream_of(problem))
    assert np.isnan(gradients["log_concentration"]).all()


@pytest.mark.parametrize(("where", "value"), [("log_kd", np.inf), ("log_concentration", np.nan)])
def test_a_motif_that_is_not_finite_is_seen_in_all_sums(where, value):
    problem = random_problem((2, 30, 5, 9))
    problem[where][..., 4] = value
    for name, found in ExclusiveShim().forward(problem).items():
        assert np.isnan(found).all(), name


def test_lengths_and_spans_are_cut_and_codes_behind_them_do_not_matter():
    """Values are not checked: a device cannot raise an error without waiting."""
    problem = random_problem((4, 40, 6, 9), options=("position_weight", *COMPETITORS))
    cut = {**problem, "length": np.array([0, 40, 17, 1], np.int32)}
    cut["span"] = np.array([[0, 40], [3, 40], [0, 0], [0, 12]], np.int32)
    wild = {**problem, "length": np.array([-5, 1 << 30, 17, 1], np.int32)}
    wild["span"] = np.array([[-7, 99], [3, 1 << 30], [25, -3], [-(1 << 31), 12]], np.int32)
    wild["sequence"] = problem["sequence"].copy()
    wild["sequence"][2, 17:], wild["sequence"][3, 1:], wild["sequence"][0] = 77, 255, 5
    assert everything(ExclusiveShim(), wild) == everything(ExclusiveShim(), cut)


def test_many_motifs_in_more_numbers_than_one_launch_brings():
    """Where sites lie comes from the host in several pieces."""
    check(ExclusiveShim(), random_problem((1, 12, 4, 700), options=("column_range", "footprint")))


def test_no_number_is_kept_for_each_site():
    """The workspace of many sequences is far smaller than their sites."""
    problem = random_problem((4096, 110, 12, 96), options=("column_range",))
    sites = 4 * problem["sequence"].size * 2 * 96
    for upstream in (None, upstream_of(problem)):
        assert ExclusiveShim().workspace(problem, upstream=upstream) < sites / 3


def with_text(folder, file, old, new):
    """A copy of the kernels with another text at one place."""
    cuda = folder / "cuda"
    shutil.copytree(CUDA, cuda)
    text = (cuda / file).read_text()
    assert text.count(old) == 1
    (cuda / file).write_text(text.replace(old, new))
    return cuda


def test_a_gradient_that_cannot_be_planned_is_an_error(monkeypatch, tmp_path):
    """Also where it could be when the workspace was asked for: no gradients of zero."""
    problem = problem_of(CASES[9])
    upstream = upstream_of(problem)
    size = ExclusiveShim().workspace(problem, upstream=upstream)
    silent = with_text(
        tmp_path,
        "run.h",
        "  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(",
        "  return cudaErrorInvalidValue;\n  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(",
    )
    with pytest.raises(KernelError, match="asking how many blocks of the gradient kernel fit"):
        ExclusiveShim(cuda=silent)._call(problem, "same", upstream, size, True)
    monkeypatch.setitem(executors.DEVICES, 900, (90, 12, 1 << 10))
    with pytest.raises(KernelError, match=r"log_kd: .* shared memory"):
        ExclusiveShim()._call(problem, "same", upstream, size, True)


def test_what_a_device_cannot_do_is_said(monkeypatch):
    wide = random_problem((1, 1, 2, 4000))
    wide["sequence"] = np.zeros((1, 300_000), np.uint8)
    wide["footprint"] = np.stack([np.zeros(4000), np.arange(1, 4001)]).astype(np.int32)
    with pytest.raises(KernelError, match=r"sequence: .* 2\^30 places times widths"):
        ExclusiveShim().workspace(wide)
    monkeypatch.setitem(executors.DEVICES, 900, (90, 12, 64 << 10))
    with pytest.raises(KernelError, match=r"log_kd: .* shared memory"):
        ExclusiveShim().workspace(random_problem((1, 10, 4096, 1)))
    monkeypatch.setitem(executors.DEVICES, 900, (75, 8, 64 << 10))
    with pytest.raises(KernelError, match=r"capability 8\.0 or later .* got 7\.5") as refused:
        ExclusiveShim().workspace(random_problem((1, 10, 3, 2)))
    assert 'load a stored graph under tf.device("CPU:0")' in str(refused.value)
    assert "export it with standard_ops=True" in str(refused.value)
