"""The kernels of mutations, each instruction set, against the float64 oracle on every mutant."""

from __future__ import annotations

import numpy as np
import pytest

from cisreg import _native
from cisreg.oracle import occupancy_oracle

INSTRUCTION_SETS = ["portable", "avx2", "avx512"]
# Width, motifs, length, sequences.
SHAPES = [(6, 5, 24, 3), (9, 17, 5, 2), (1, 1, 1, 1), (7, 2, 131, 1), (30, 9, 41, 1), (3, 2, 9, 0)]


@pytest.fixture(params=INSTRUCTION_SETS)
def instruction_set(request):
    if request.param not in _native.instruction_sets():
        pytest.skip(f"this processor has no {request.param} instructions")
    return request.param


def example(shape, padding, seed=0, strength=2.0):
    width, motifs, length, count = shape
    random = np.random.default_rng(seed)
    windows = length if padding == "same" else length - width + 1
    # The first motif has columns of its own, others may have none.
    first = random.integers(0, width, motifs)
    end = np.where(np.arange(motifs) > 0, random.integers(first, width + 1), width)
    return {
        "sequence": random.integers(0, 5, (count, length)).astype(np.uint8),
        "log_kd": random.normal(0, strength, (width, 4, motifs)).astype(np.float32),
        "log_concentration": random.normal(-3, 2, motifs).astype(np.float32),
        "position_weight": random.normal(0, 1, (2, windows, motifs)).astype(np.float32),
        "column_range": np.stack([first, end]).astype(np.int32),
    }


def brute_force(arguments, options, law=occupancy_oracle):
    """(bound, weighted) of all mutants less that of the sequences."""
    codes = arguments["sequence"]
    count, length = codes.shape
    mutants = np.broadcast_to(codes[:, None, None], (count, length, 4, length)).copy()
    place = np.arange(length)
    for base in range(4):
        known = np.broadcast_to(codes < 4, codes.shape)
        mutants[:, place, base, place] = np.where(known, base, codes)
    if np.ndim(options.get("span")) == 2:
        options = {**options, "span": np.repeat(options["span"], 4 * length, axis=0)}
    given = {**options, **arguments}
    after = law(**{**given, "sequence": mutants.reshape(count * length * 4, length)})
    before = law(**{**given, "sequence": np.repeat(codes, 4 * length, axis=0)})
    motifs = arguments["log_kd"].shape[2]
    return [
        None if one is None else (one - two).reshape(count, length, 4, 2, motifs)
        for one, two in zip(after, before, strict=True)
    ]


def check(arguments, options, tolerance=3e-6, law=occupancy_oracle):
    found = _native.mutation_changes(**arguments, **options)
    given = {name: value for name, value in options.items() if name != "instruction_set"}
    expected = brute_force(arguments, given, law)
    for one, two in zip(found, expected, strict=True):
        if two is None:
            assert one is None
            continue
        size = max(1.0, np.abs(two).max(initial=0))
        np.testing.assert_allclose(one, two, rtol=0, atol=tolerance * size)
    sums = _native.mutation_sums(
        bound_factor=factors_of(found[0].shape[-1], 1),
        acting_factor=factors_of(found[0].shape[-1], 2),
        **arguments,
        **options,
    )
    for values, seed, total in zip(
        (found[0], found[0] if found[1] is None else found[1]), (1, 2), sums, strict=True
    ):
        product = values.astype(np.float64) * factors_of(values.shape[-1], seed)
        size = max(1.0, np.abs(values).max(initial=0))
        np.testing.assert_allclose(total, product.sum(axis=(3, 4)), rtol=0, atol=1e-5 * size)
    return found


def factors_of(motifs, seed):
    return np.random.default_rng(seed).normal(0, 1, (2, motifs)).astype(np.float32)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("reduction", ["expected", "log_unbound"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("shape", SHAPES)
def test_against_the_oracle(instruction_set, shape, padding, reduction, weighted):
    if padding == "valid" and shape[2] < shape[0]:
        pytest.skip("no window")
    arguments = example(shape, padding)
    if not weighted:
        arguments["position_weight"] = None
    options = {"padding": padding, "reduction": reduction, "instruction_set": instruction_set}
    found = check(arguments, options)
    if shape[0] > 5 and shape[3]:
        assert np.abs(found[0]).max() > 0.05
    if shape[2] > 30 and weighted:
        length = shape[2]
        check(arguments, {**options, "span": np.array([length // 3, length // 2], np.int32)})
        spans = np.sort(np.random.default_rng(3).integers(0, length, (shape[3], 2)), axis=1)
        check(arguments, {**options, "span": spans.astype(np.int32)})
        check({**arguments, "column_range": None}, {**options, "span": spans.astype(np.int32)})


@pytest.mark.parametrize("reduction", ["expected", "log_unbound"])
@pytest.mark.parametrize("strength", [4.0, 12.0, 80.0])
def test_strong_and_absent_motifs(instruction_set, strength, reduction):
    arguments = example((8, 19, 30, 2), "same", strength=strength)
    random = np.random.default_rng(7)
    if strength == 80:
        arguments["log_kd"] = np.where(arguments["log_kd"] > 0, 80, -80).astype(np.float32)
    arguments["log_concentration"] += random.choice([0, 20, 40], 19).astype(np.float32)
    arguments["log_concentration"][[3, 18]] = -np.inf
    options = {"reduction": reduction, "instruction_set": instruction_set}
    # Sums of energies in float32 are exact to about 1e-7 of the largest, as in the fused kernels.
    found = check(arguments, options, 1e-4, _native.occupancy_forward)
    for each in found:
        assert np.isfinite(each).all()
        assert (each[..., [3, 18]] == 0).all()


def test_weak_sites_keep_their_precision(instruction_set):
    arguments = example((6, 5, 24, 3), "same")
    arguments["log_concentration"][:] = -30
    found = _native.mutation_changes(**arguments, instruction_set=instruction_set)[0]
    expected = brute_force(arguments, {})[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_the_same_bits_for_every_number_of_threads(instruction_set):
    arguments = example((7, 40, 150, 5), "same")
    one, three = (
        _native.mutation_changes(**arguments, threads=count, instruction_set=instruction_set)
        for count in (1, 3)
    )
    for first, second in zip(one, three, strict=True):
        np.testing.assert_array_equal(first, second)


def test_arguments_that_do_not_fit_are_refused():
    arguments = example((6, 5, 24, 3), "same")
    factors = {"bound_factor": factors_of(5, 1), "acting_factor": factors_of(5, 2)}
    for name in factors:
        wrong = {**factors, name: factors_of(4, 1)}
        with pytest.raises(ValueError, match=rf"{name}: expected \[2, M\], M = 5"):
            _native.mutation_sums(**arguments, **wrong)
    with pytest.raises(ValueError, match="threads: expected 1 to 1024"):
        _native.mutation_sums(**arguments, **factors, threads=0)
    with pytest.raises(ValueError, match=r"instruction_set: .* no 'mmx'"):
        _native.mutation_changes(**arguments, instruction_set="mmx")
    arguments["sequence"][1, 2] = 5
    with pytest.raises(ValueError, match="sequence: expected"):
        _native.mutation_changes(**arguments)
