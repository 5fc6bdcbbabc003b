"""Which problems the kernels are checked on where there is no TensorFlow, and what counts as right.

In float32 the limits are those of the tests: they follow from the number formats. In 16 bits the
tests compare with TensorFlow's own operations at that type; here the limits are wide, and only
problems count in which no single site dominates the error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.shared.cuda_cases import CASES, FEW_CASES, Case

# Relative to the sum of the terms' absolute values; that of smaller sums is not checked.
LARGEST_SUM_ERROR, LEAST_SUM = 3e-6, 1e-12
# Relative to the gradient's norm.
LARGEST_GRADIENT_ERROR = 1e-5
# Relative to the norms of both.
LARGEST_ERRORS_IN_16_BITS = {"float16": 0.02, "bfloat16": 0.08}
FEWEST_SEQUENCES_IN_16_BITS = 30

# Too large for the shim and the simulator: the headline's motifs, blocks and slices by the dozen,
# sequences of a whole chromosome's length.
LARGE_CASES = (
    Case(40, 110, 30, 245, "expected", "same", "float32", "weighted"),
    Case(40, 110, 30, 245, "log_unbound", "same", "float32", "held"),
    Case(40, 110, 30, 245, "expected", "same", "bfloat16"),
    Case(40, 110, 30, 245, "expected", "same", "float16", "weighted held"),
    Case(1000, 25, 12, 70, "expected", "valid", "float32", "weighted"),
    Case(1057, 110, 12, 24, "expected", "same", "float32"),
    Case(2200, 60, 9, 17, "log_unbound", "same", "float32", "weighted lengths spans"),
    Case(2, 1100, 31, 1000, "expected", "same", "float32", "narrow"),
    Case(3, 20_000, 30, 33, "log_unbound", "same", "float32", "weighted lengths"),
    Case(1, 100_000, 12, 17, "expected", "same", "float32", "weighted"),
    Case(1, 1_000_000, 8, 8, "expected", "same", "float32"),
    Case(2, 50, 8, 10_000, "expected", "same", "float32", "weighted"),
    Case(40, 110, 30, 245, "expected", "same", "float32", "weighted", sets=2),
    Case(40, 110, 30, 245, "log_unbound", "same", "float32", "absent", conditions=4),
    Case(
        300, 110, 30, 64, "expected", "same", "float32", "weighted assigned", sets=2, conditions=9
    ),
    Case(1000, 40, 12, 24, "expected", "same", "float32", "assigned", conditions=1000),
    Case(2, 20_000, 9, 17, "expected", "same", "float32", "lengths", conditions=3),
)


def is_checked(case: Case) -> bool:
    """Whether the limits hold for a case's type and size."""
    return case.compute_dtype == "float32" or case.sequences >= FEWEST_SEQUENCES_IN_16_BITS


def first_cases() -> list[Case]:
    """One case of every kind."""
    return [case for case in FEW_CASES if is_checked(case)]


def other_cases() -> list[Case]:
    """All the rest, large ones last."""
    few = {str(case) for case in FEW_CASES}
    return [case for case in (*CASES, *LARGE_CASES) if str(case) not in few and is_checked(case)]


def reference(case: Case) -> dict[str, Any]:
    """What the float64 oracle says of a case, by the names of the case's own properties."""
    names = ("expected", "terms", "expected_gradient")
    return {name: getattr(case, name) for name in names}


def relative_norm(found: np.ndarray, expected: np.ndarray, unit: np.ndarray) -> float:
    """Norm of the error in units of another norm; NaN where a number is none."""
    norm = float(np.linalg.norm(unit)) or 1.0
    return float(np.linalg.norm(found.astype(np.float64) - expected)) / norm


def sum_error(case: Case, found: Sequence[np.ndarray | None]) -> float:
    """The largest error of the outputs; NaN where a number is none."""
    errors = [0.0]
    for actual, expected, terms in zip(found, case.expected, case.terms, strict=True):
        if actual is None or expected is None:
            continue
        errors.append(relative_norm(actual, expected, terms))
        large = terms >= LEAST_SUM
        if case.compute_dtype == "float32" and large.any():
            errors.append(float((np.abs(actual - expected)[large] / terms[large]).max()))
    return worst(errors)


def gradient_error(case: Case, found: Mapping[str, np.ndarray]) -> float:
    """The largest error of the gradients; NaN where a number is none."""
    pairs = [(found[name], expected) for name, expected in case.expected_gradient.items()]
    return worst([relative_norm(actual, expected, expected) for actual, expected in pairs])


def worst(errors: Sequence[float]) -> float:
    """The largest; unlike max(), NaN where any is."""
    return float(np.max(errors)) if errors else 0.0


def judge(
    case: Case, sums: Sequence[np.ndarray | None], gradients: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Errors of a case, and whether they are small enough.

    Returns:
        "sums" and "gradients", errors; "right".
    """
    of_sums, of_gradients = sum_error(case, sums), gradient_error(case, gradients)
    limits = (LARGEST_SUM_ERROR, LARGEST_GRADIENT_ERROR)
    if case.compute_dtype != "float32":
        limits = (LARGEST_ERRORS_IN_16_BITS[case.compute_dtype],) * 2
    right = of_sums <= limits[0] and of_gradients <= limits[1]
    right &= not np.where(case.trained, 0, gradients["log_kd"]).any()
    return {"sums": of_sums, "gradients": of_gradients, "right": bool(right)}


def same_bits(first: Sequence[np.ndarray | None], second: Sequence[np.ndarray | None]) -> bool:
    """Whether two runs gave the same numbers to the bit."""
    return all(
        a is b or (a is not None and b is not None and a.tobytes() == b.tobytes())
        for a, b in zip(first, second, strict=True)
    )
