"""The CUDA kernels against the float64 oracle, on every executor that this machine has."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_cases import CASES, FEW_CASES, Case
from cuda_checks import LARGEST_ERROR, LARGEST_GRADIENT_ERROR, check_gradients, check_sums
from test_occupancy import relative_error

from benchmarks.shared.executors import Device, KernelError, Shim, Simulator

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


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["log_kd", "log_concentration"])
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


def test_what_the_device_cannot_do_is_said():
    """Motifs too wide for shared memory give an error."""
    with pytest.raises(KernelError, match=r"log_kd: .* shared memory"):
        Shim(900).forward(Case(1, 10, 30000, 1))
