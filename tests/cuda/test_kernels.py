"""The CUDA kernels against the float64 oracle, on every executor that this machine has."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from cuda_checks import LARGEST_ERROR, LARGEST_GRADIENT_ERROR, check_gradients, check_sums
from test_occupancy import relative_error

from benchmarks.shared import executors
from benchmarks.shared.cuda_cases import CASES, FEW_CASES, Case
from benchmarks.shared.executors import CUDA, DEVICES, Device, KernelError, Shim, Simulator

EXECUTORS = [
    Shim(900, sanitized=True),
    Shim(750, sanitized=True),
    Simulator(900),
    Simulator(800),
    Simulator(750),
    Device(),
]


def slow_unless(fast):
    return [] if fast else pytest.mark.slow


# A simulator takes far longer for a case than the other executors.
EXECUTIONS = [
    pytest.param(
        *(executor, case),
        id=f"{executor}-{case}",
        marks=slow_unless(case in FEW_CASES or not isinstance(executor, Simulator)),
    )
    for executor in EXECUTORS
    for case in CASES
]


@pytest.mark.parametrize(("executor", "case"), EXECUTIONS)
def test_forward(executor, case):
    check_sums(case, executor.forward(case))


@pytest.mark.parametrize(("executor", "case"), EXECUTIONS)
def test_backward(executor, case):
    check_gradients(case, executor.backward(case))


def everything(executor, case):
    """All results as bytes."""
    bound, weighted = executor.forward(case)
    results = {"bound": bound, "weighted": weighted, **executor.backward(case)}
    return {name: None if value is None else value.tobytes() for name, value in results.items()}


@pytest.mark.parametrize(
    "case", [pytest.param(x, id=str(x), marks=slow_unless(x in FEW_CASES)) for x in CASES]
)
@pytest.mark.parametrize("arch", [900, 750])
def test_same_bits_in_every_order_of_fibers(arch, case):
    first = everything(Shim(arch, seed=0), case)
    for seed in range(1, 5):
        assert everything(Shim(arch, seed=seed), case) == first, f"seed {seed}"


# Cases of each kind: strips, chunks of columns, slices of sequences, blocks of motifs, and the
# kernels for each reduction, with and without weights.
REPEATED = [
    Case(2, 17, 17, 7, "expected", "valid", "float32", "weighted held"),
    Case(2, 130, 40, 33, "log_unbound", "same", "float32", "weighted"),
    Case(9, 20, 6, 70, "expected", "same", "float32"),
    Case(9, 33, 5, 9, "log_unbound", "valid", "bfloat16", "held"),
    Case(5, 130, 9, 9, "expected", "same", "float32", "weighted", sets=2, conditions=2),
    Case(9, 33, 5, 9, "log_unbound", "same", "float32", "assigned", conditions=3),
]
ORDERS = [
    {"order": "reverse", "schedule": "serial", "fill": 0x00},
    {"order": "random", "schedule": "serial", "fill": 0x7F, "seed": 1},
    {"order": "random", "schedule": "lockstep", "fill": 0x3C, "seed": 2},
]


@pytest.mark.parametrize("case", REPEATED, ids=str)
@pytest.mark.parametrize("arch", [900, 750])
def test_same_bits_in_every_order_of_the_simulator(arch, case):
    """The initial content of the memory does not matter either."""
    first = everything(Simulator(arch), case)
    for options in ORDERS:
        assert everything(Simulator(arch, **options), case) == first, options


# Several strips, groups of strips, slices; sets of position weights, which have to lie in shared
# memory, under several conditions.
CUTS = [
    Case(3, 330, 9, 17, "log_unbound", "same", "float32", "weighted lengths spans"),
    Case(2, 7300, 5, 8, "expected", "valid", "float32", "lengths"),
    Case(13, 30, 9, 100, "expected", "same", "float32", "narrow"),
    Case(3, 230, 9, 17, "expected", "same", "float32", "weighted lengths", sets=3, conditions=2),
    Case(3, 250, 9, 17, "expected", "same", "float32", "weighted lengths", sets=2, conditions=2),
]


def with_constant(folder, name, value):
    """A copy of the kernels with another value of a constant."""
    cuda = folder / "cuda"
    shutil.copytree(CUDA, cuda)
    text, count = re.subn(
        rf"(int {name} = )[^;]+;", rf"\g<1>{value};", (cuda / "tiles.h").read_text()
    )
    assert count == 1
    (cuda / "tiles.h").write_text(text)
    return cuda


@pytest.mark.parametrize("case", CUTS, ids=str)
@pytest.mark.parametrize("arch", [900, 750])
def test_sums_do_not_depend_on_who_computes_them(monkeypatch, tmp_path, arch, case):
    """To the bit: neither on the device nor on the memory for the sums of strips."""
    bound, weighted = Shim(arch).forward(case)
    found = [Shim(arch, cuda=with_constant(tmp_path, "kForwardScratch", 1 << 12)).forward(case)]
    # In little memory, some motifs still fit, and so do the weights of one tile if there are sets.
    little = (56 if case.sets else 40) << 10
    for multiprocessors, shared in [(1, 64 << 10), (7, little), (150, 60 << 10)]:
        monkeypatch.setitem(DEVICES, arch, (arch // 10, multiprocessors, shared))
        found.append(Shim(arch).forward(case))
    for other_bound, other_weighted in found:
        np.testing.assert_array_equal(other_bound, bound)
        if weighted is not None:
            np.testing.assert_array_equal(other_weighted, weighted)


def with_arguments(case, **changed):
    """The case with different arguments, and the same upstream gradients."""
    other = Case(**{name: getattr(case, name) for name in case.__dataclass_fields__})
    other.__dict__["arguments"] = case.arguments | changed
    other.__dict__["upstream"] = case.upstream
    return other


def sites_that_show(case, wrong, columns):
    """Whether a site has one of the `wrong` positions [N, L] in its own columns [W, M].

    Returns [N, 2, P, M].
    """
    first = -((case.width - 1) // 2) if case.padding == "same" else 0
    padded = np.pad(wrong, ((0, 0), (case.width, case.width + case.windows)))
    shown = np.zeros((case.sequences, 2, case.windows, case.motifs), bool)
    for column in range(case.width):
        for strand, own in enumerate((columns[column], columns[case.width - 1 - column])):
            at = case.width + first + column
            shown[:, strand] |= padded[:, at : at + case.windows, None] & own
    return shown


ODD = [
    Case(5, 20, 5, 9, "expected", "same", "float32", "weighted"),
    Case(5, 120, 5, 9, "log_unbound", "same", "float32"),
    Case(5, 40, 35, 9, "log_unbound", "same", "float32", "weighted held"),
]


def check_nan(actual, must, may, name):
    assert np.isnan(actual[must]).all(), f"{name} hides an invalid code"
    assert np.isfinite(actual[~may]).all(), f"{name} holds a code that it does not show"


@pytest.mark.parametrize("case", ODD, ids=str)
@pytest.mark.parametrize("executor", EXECUTORS, ids=str)
def test_sites_that_show_codes_that_are_none_are_nan(executor, case):
    sequence = case.arguments["sequence"].copy()
    sequence[2, 0], sequence[3, -1] = 5, 255
    bad = with_arguments(case, sequence=sequence)
    try:
        found, gradients = executor.forward(bad), executor.backward(bad)
    except ValueError as error:
        # Executors that have the sequences on the host check them there.
        assert "sequence" in str(error)
        return
    own = case.held(case.arguments["log_kd"]).any(axis=1)
    must = sites_that_show(case, sequence > 4, own)
    may = sites_that_show(case, sequence > 4, np.ones_like(own))
    for name, actual in zip(["bound", "weighted"], found, strict=True):
        if actual is not None:
            check_nan(actual, must.any(axis=2), may.any(axis=2), name)
    others = [0, 1, 4]
    for actual, whole in zip(found, executor.forward(case), strict=True):
        if actual is not None:
            np.testing.assert_array_equal(actual[others], whole[others])
    must_motif, may_motif = must.any(axis=(0, 1, 2)), may.any(axis=(0, 1, 2))
    for name in ("log_kd", "log_concentration"):
        of_motif = np.moveaxis(gradients[name], -1, 0).reshape(case.motifs, -1)
        check_nan(of_motif.sum(axis=1), must_motif, may_motif, name)
    assert not np.where(case.trained, 0, gradients["log_kd"]).any()
    if case.weighted:
        name = "position_weight"
        # If sites of a strand share a division, a NaN in one of them affects all of them.
        near = np.broadcast_to(may.any(axis=(0, 2), keepdims=True)[0], gradients[name].shape)
        check_nan(gradients[name], must.any(axis=0), near, name)


# A log concentration of -inf is no error: its factor is not there.
NOT_FINITE = [("log_kd", np.nan), ("log_kd", np.inf), ("log_kd", -np.inf)]
NOT_FINITE += [("log_concentration", np.nan), ("log_concentration", np.inf)]


@pytest.mark.parametrize(("where", "value"), NOT_FINITE)
@pytest.mark.parametrize("case", ODD, ids=str)
@pytest.mark.parametrize("executor", EXECUTORS, ids=str)
def test_motifs_that_are_not_finite_are_nan(executor, case, where, value):
    """The other motifs are not affected."""
    motif = int(np.argmax(case.trained.sum(axis=(0, 1)) * np.ones(case.motifs, int)))
    column = int(np.argmax((case.trained[:, 0] & np.ones(case.motifs, bool))[:, motif]))
    parameters = case.arguments[where].copy()
    # The value belongs to a single base. Not all sites contain it, but the whole motif must be NaN.
    parameters[(column, 1, motif) if where == "log_kd" else motif] = value
    bad = with_arguments(case, **{where: parameters})
    try:
        found, gradients = executor.forward(bad), executor.backward(bad)
    except ValueError as error:
        assert where in str(error)
        return
    others = np.arange(case.motifs) != motif
    for name, actual, expected in zip(["bound", "weighted"], found, case.expected, strict=True):
        if actual is not None:
            assert np.isnan(actual[..., motif]).all(), name
            error = relative_error(actual[..., others], expected[..., others])
            assert error <= LARGEST_ERROR, name
    assert np.isnan(gradients["log_kd"][..., motif]).any()
    assert np.isnan(gradients["log_concentration"][motif])
    for name, expected in case.expected_gradient.items():
        error = relative_error(gradients[name][..., others], expected[..., others])
        assert error <= LARGEST_GRADIENT_ERROR, name


@pytest.mark.parametrize("spans", [(-7, 99), (3, 1 << 30), (-(1 << 31), 12), (25, -3)])
@pytest.mark.parametrize("arch", [900, 750])
def test_spans_are_cut_to_the_sequence(arch, spans):
    """Spans are clipped, since a device cannot raise an error without waiting.

    Columns outside the sequence do not count, even if they are on the span.
    """
    case = Case(3, 40, 9, 9, "expected", "same", "float32", "weighted held", span=(0, 40))
    wild, cut = with_arguments(case), with_arguments(case)
    wild.__dict__["spans"] = np.array(spans, np.int32)
    cut.__dict__["spans"] = np.clip(spans, 0, 40).astype(np.int32)
    assert everything(Shim(arch), wild) == everything(Shim(arch), cut)


@pytest.mark.parametrize("marks", ["assigned", "assigned weighted"])
@pytest.mark.parametrize("executor", EXECUTORS[:2], ids=str)
def test_sequences_of_conditions_that_do_not_exist_are_nan(executor, marks):
    """The others are not affected, and nothing is read or written out of bounds."""
    case = Case(6, 40, 9, 9, "expected", "same", "float32", marks, conditions=3)
    wild = with_arguments(case)
    wild.__dict__["condition"] = case.condition.copy()
    wild.__dict__["condition"][[1, 4, 5]] = -1, 3, 1 << 30
    gone = np.isin(np.arange(6), [1, 4, 5])
    for found, expected in zip(executor.forward(wild), executor.forward(case), strict=True):
        if found is not None:
            assert np.isnan(found[gone]).all()
            np.testing.assert_array_equal(found[~gone], expected[~gone])
    assert np.isnan(executor.backward(wild)["log_kd"]).all()


def with_lengths(case, own_length, **changed):
    """The case with other lengths and arguments, and the same upstream gradients."""
    other = with_arguments(case, **changed)
    other.__dict__["own_length"] = None if own_length is None else np.array(own_length, np.int32)
    return other


@pytest.mark.parametrize("arch", [900, 750])
def test_lengths_are_cut_to_the_row(arch):
    """Lengths are clipped too, and one of all bases is as good as none."""
    case = Case(5, 40, 9, 9, "expected", "valid", "float32", "weighted held lengths")
    wild = with_lengths(case, [-1, 41, -(1 << 31), (1 << 31) - 1, 17])
    cut = with_lengths(case, [0, 40, 0, 40, 17])
    assert everything(Shim(arch), wild) == everything(Shim(arch), cut)
    whole, none = with_lengths(case, [40] * 5), with_lengths(case, None)
    assert everything(Shim(arch), whole) == everything(Shim(arch), none)


# One strip and several, with and without a span.
GARBAGE = [
    Case(6, 40, 9, 9, "expected", "same", "float32", "weighted held lengths"),
    Case(6, 130, 9, 9, "log_unbound", "valid", "float32", "weighted lengths spans"),
]


@pytest.mark.parametrize("case", GARBAGE, ids=str)
@pytest.mark.parametrize("executor", EXECUTORS[:5], ids=str)
def test_codes_behind_a_sequence_do_not_matter(executor, case):
    """Not even if they are no codes."""
    sequence = case.arguments["sequence"].copy()
    behind = np.arange(case.length) >= case.own_length[:, None]
    sequence[behind] = np.arange(behind.sum()) % 256
    garbage = with_arguments(case, sequence=sequence)
    assert everything(executor, garbage) == everything(executor, case)


def alone(case, row):
    """A row of a case as a problem of its own, without what lies behind the sequence."""
    length = int(case.own_length[row])
    one = Case(1, length, case.width, case.motifs, **case.options, marks="weighted")
    one.__dict__["arguments"] = case.arguments | {
        "sequence": case.arguments["sequence"][row : row + 1, :length],
        "position_weight": case.arguments["position_weight"][:, : one.windows],
    }
    one.__dict__["column_range"] = case.column_range
    one.__dict__["spans"] = None if case.spans is None else np.minimum(case.spans[row], length)
    return one


@pytest.mark.parametrize("case", GARBAGE, ids=str)
@pytest.mark.parametrize("arch", [900, 750])
def test_a_padded_batch_is_its_sequences_one_by_one(arch, case):
    """To the bit: how its windows are divided depends on the length of a sequence alone."""
    batch = Shim(arch).forward(case)
    for row, length in enumerate(case.own_length):
        if length < (case.width if case.padding == "valid" else 1):
            assert not batch[0][row].any() and not batch[1][row].any()
            continue
        one = alone(case, row)
        for found, expected in zip(Shim(arch).forward(one), batch, strict=True):
            np.testing.assert_array_equal(found[0], expected[row])


@pytest.mark.parametrize("marks", ["", "weighted"])
def test_sums_of_long_shares_go_on_to_the_parts(monkeypatch, marks):
    """On a single multiprocessor, a block adds what it has to its part more than once."""
    monkeypatch.setitem(executors.DEVICES, 900, (90, 1, 64 << 10))
    case = Case(1, 90_000, 5, 3, "expected", "same", "float32", marks)
    check_gradients(case, Shim(900).backward(case))


def test_what_the_device_cannot_do_is_said():
    """Motifs too wide for shared memory give an error."""
    with pytest.raises(KernelError, match=r"log_kd: .* shared memory"):
        Shim(900).forward(Case(1, 10, 4096, 1))
