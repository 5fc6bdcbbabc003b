"""The fragments of matrix products in the shim, against the formulas of the PTX manual.

`ptx_host.h` of the shim says where each lane's registers lie in the matrices. This file states the
same independently, in the notation of the manual ("Matrix Fragments for mma.m16n8k16", "... for
sparse mma.m16n8k32", "movmatrix"): element i of a lane, groupID = lane >> 2,
threadID_in_group = lane % 4. The tests arrange matrices of distinct numbers by these formulas and
check the product.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.shared.executors import KernelError, shim_library, worker

KERNELS = Path(__file__).with_name("layout_kernels.cu")
HALF, BFLOAT, SPARSE, TRANSPOSE = 0, 1, 2, 4


def a_dense(group, thread, i):
    """Row and column of element i of A, m16n8k16: a0 to a7."""
    row = group if 0 <= i < 2 or 4 <= i < 6 else group + 8
    column = thread * 2 + (i & 1) if i < 4 else thread * 2 + (i & 1) + 8
    return row, column


def b_dense(group, thread, i):
    """Row and column of element i of B, m16n8k16: b0 to b3; b4 to b7 of m16n8k32 continue them."""
    return thread * 2 + (i & 1) + 8 * (i >> 1), group


def sums(group, thread, i):
    """Row and column of c0 to c3."""
    return (group if i < 2 else group + 8), thread * 2 + (i & 1)


def a_sparse(group, thread, i):
    """For element i of sparse A, m16n8k32: its row, its group of four columns, which of the two."""
    row = group if 0 <= i < 2 or 4 <= i < 6 else group + 8
    first_column = thread * 4 if i < 4 else thread * 4 + 16
    return row, first_column // 4, i & 1


def metadata_place(row, chunk, selector):
    """Lane and lowest bit of the four bits that describe four columns of a row.

    A row of m16n8k32 has 32 bits of metadata, in two of its four lanes. The selector chooses these
    two lanes. Each lane holds 16 bits of row groupID, then 16 bits of row groupID + 8.
    """
    lane = (row % 8) * 4 + 2 * selector + chunk // 4
    return lane, 16 * (row // 8) + 4 * (chunk % 4)


def bits_of(values, kind):
    """float16 or bfloat16 numbers as bits, in uint32."""
    if kind == BFLOAT:
        return np.asarray(values, np.float32).view(np.uint32) >> 16
    return np.asarray(values, np.float16).view(np.uint16).astype(np.uint32)


def pack(elements):
    """[32, 2 k] bits of elements to [32, 4] registers, the even element in the low half."""
    packed = elements[:, ::2] | elements[:, 1::2] << 16
    registers = np.zeros((32, 4), np.uint32)
    registers[:, : packed.shape[1]] = packed
    return registers


def fragment(matrix, place, count, kind=HALF):
    elements = np.zeros((32, count), np.float32)
    for lane in range(32):
        for i in range(count):
            elements[lane, i] = matrix[place(lane >> 2, lane % 4, i)]
    return pack(bits_of(elements, kind))


def spread(matrix):
    """Sums as lanes hold them, [32, 4]."""
    return np.array(
        [[matrix[sums(lane >> 2, lane % 4, i)] for i in range(4)] for lane in range(32)], np.float32
    )


def run(wrapper, accumulators, a, b, metadata, arch=900):
    library = shim_library(arch, own=(KERNELS,))
    request = {
        "function": "cisreg_shim_wrapper",
        "arrays": [accumulators, a, b, metadata],
        "numbers": [wrapper],
        "seed": 1,
    }
    arrays = worker(library).ask("call", request)["arrays"]
    return arrays[0], arrays[3]


NO_METADATA = np.zeros(32, np.uint32)


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.mark.parametrize(("wrapper", "arch"), [(HALF, 900), (HALF, 750), (BFLOAT, 900)])
def test_dense_products(wrapper, arch, random):
    """Small integers: the sums are exact in every order."""
    a = random.integers(-8, 9, (16, 16)).astype(np.float32)
    b = random.integers(-8, 9, (16, 8)).astype(np.float32)
    c = random.integers(-99, 99, (16, 8)).astype(np.float32)
    registers = fragment(a, a_dense, 8, wrapper), fragment(b, b_dense, 4, wrapper)
    found, _ = run(wrapper, spread(c), *registers, NO_METADATA, arch)
    np.testing.assert_array_equal(found, spread(c + a @ b))


def sparse_operand(random):
    """A [16, 32] with two numbers in every four columns; their columns; the numbers."""
    pairs = np.array([(i, j) for i in range(4) for j in range(i + 1, 4)])
    chosen = pairs[random.integers(0, len(pairs), (16, 8))]
    values = random.integers(1, 9, (16, 8, 2)).astype(np.float32)
    a = np.zeros((16, 8, 4), np.float32)
    np.put_along_axis(a, chosen, values, axis=2)
    return a.reshape(16, 32), chosen, values


def metadata_words(chosen, selector, rest):
    """The metadata of every lane; lanes that are not read hold `rest`."""
    words = np.full(32, rest, np.uint32)
    read = {metadata_place(row, chunk, selector)[0] for row in range(16) for chunk in range(8)}
    words[sorted(read)] = 0
    for row in range(16):
        for chunk in range(8):
            lane, shift = metadata_place(row, chunk, selector)
            words[lane] |= np.uint32((chosen[row, chunk, 0] | chosen[row, chunk, 1] << 2) << shift)
    return words


@pytest.mark.parametrize("selector", [0, 1])
def test_sparse_products(selector, random):
    a, chosen, values = sparse_operand(random)
    b = random.integers(-8, 9, (32, 8)).astype(np.float32)
    c = random.integers(-99, 99, (16, 8)).astype(np.float32)
    metadata = metadata_words(chosen, selector, rest=0)
    registers = fragment(values, a_sparse, 8), fragment(b, b_dense, 8)
    found, _ = run(SPARSE + selector, spread(c), *registers, metadata)
    np.testing.assert_array_equal(found, spread(c + a @ b))


@pytest.mark.parametrize("pair", [(0, 0), (1, 0), (3, 2), (2, 2)])
def test_metadata_must_rise(pair, random):
    _, chosen, values = sparse_operand(random)
    chosen[11, 5] = pair
    registers = fragment(values, a_sparse, 8), fragment(np.ones((32, 8)), b_dense, 8)
    with pytest.raises(KernelError, match="row 11, group 5 names columns"):
        run(SPARSE, spread(np.zeros((16, 8))), *registers, metadata_words(chosen, 0, 0))


def test_transpose():
    matrix = np.arange(64, dtype=np.uint32).reshape(8, 8)
    # From the manual: lane 4 i + j holds elements 2 j and 2 j + 1 of row i.
    given = (matrix[:, ::2] | matrix[:, 1::2] << 16).reshape(32)
    expected = (matrix.T[:, ::2] | matrix.T[:, 1::2] << 16).reshape(32)
    zeros = np.zeros((32, 4), np.uint32)
    _, found = run(TRANSPOSE, spread(np.zeros((16, 8))), zeros, zeros, given)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("wrapper", [HALF, BFLOAT])
def test_sums_are_truncated(wrapper):
    """Sums are truncated towards zero, after the last place of the largest number."""
    a, b = np.zeros((16, 16), np.float32), np.zeros((16, 8), np.float32)
    ones = np.ones((16, 8), np.float32)
    a[:, :4] = 1
    last = np.float32(2.0**-23)

    def product(c):
        registers = fragment(a, a_dense, 8, wrapper), fragment(b, b_dense, 4, wrapper)
        return run(wrapper, spread(c), *registers, NO_METADATA)[0]

    b[0] = 1.5 * last
    np.testing.assert_array_equal(product(ones), spread((1 + last) * ones))
    np.testing.assert_array_equal(product(-ones), spread((last - 1) * ones))
    b[:4] = last / 2
    np.testing.assert_array_equal(product(ones), spread(ones))
    np.testing.assert_array_equal(product(0 * ones), spread(2 * last * ones))
    b[0], b[1] = np.inf, -np.inf
    assert np.isnan(product(ones)).all()


def numbers(values):
    """2^x, 1/x, log2 x and float16 x of each number."""
    values = np.asarray(values, np.float32)
    table = np.zeros((len(values), 4), np.float32)
    table[:, 0] = values
    library = shim_library(900, own=(KERNELS,))
    request = {
        "function": "cisreg_shim_numbers",
        "arrays": [table],
        "numbers": [len(values)],
        "seed": 0,
    }
    return worker(library).ask("call", request)["arrays"][0].T


def test_special_functions_flush_denormals():
    denormal = np.float32(1e-39)
    power, inverse, logarithm, _ = numbers([denormal, -denormal, -126, -126.5, -1000, 3e38, 0.75])
    np.testing.assert_array_equal(power[:5], [1, 1, 2.0**-126, 0, 0])
    assert np.isposinf(inverse[0]) and np.isneginf(inverse[1]) and inverse[5] == 0
    assert np.isneginf(logarithm[0]) and np.isneginf(logarithm[1]) and np.isnan(logarithm[2])
    np.testing.assert_allclose([power[6], logarithm[6]], [2**0.75, np.log2(0.75)], rtol=1e-7)


def test_float16_rounds_to_nearest(random):
    values = np.concatenate(
        [
            random.normal(size=1000) * 2.0 ** random.integers(-28, 17, 1000),
            [0, 65504, 65519.9, 65520, 1e9, -1e9, 2.0**-24, 2.0**-25, 3 * 2.0**-26, 2.0**-14],
            np.arange(64) / 2048 + 1,
        ]
    ).astype(np.float32)
    with np.errstate(over="ignore"):
        expected = values.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(numbers(values)[3], expected)
