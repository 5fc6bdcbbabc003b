"""The shim that replaces CUDA: kernels that it must run, and mistakes that it must notice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.shared.executors import KernelError, shim_library, worker

KERNELS = ["sum", "race", "deadlock", "divergence", "exit", "shared", "global", "misaligned"]
KERNELS += ["last"]


def selftest(kernel, *, seed=0, sanitized=False, count=500):
    """The kernel's sums, one for each block of 96 numbers."""
    library = shim_library(900, sanitized, own=(Path(__file__).with_name("selftest.cu"),))
    numbers = np.arange(count, dtype=np.float32)
    request = {
        "function": "cisreg_shim_selftest",
        "arrays": [numbers, np.zeros(-(-count // 96), np.float32)],
        "numbers": [count, KERNELS.index(kernel)],
        "seed": seed,
    }
    return worker(library, sanitized).ask("call", request)["arrays"][1]


def expected_sums(count=500):
    numbers = np.arange(count, dtype=np.float64)
    return [sum(numbers[at : at + 96]) for at in range(0, count, 96)]


@pytest.mark.parametrize("sanitized", [False, True])
def test_a_sum_is_right_in_every_order(sanitized):
    for seed in range(8):
        np.testing.assert_array_equal(
            selftest("sum", seed=seed, sanitized=sanitized), expected_sums()
        )


def test_a_missing_barrier_shows():
    for seed in range(1, 5):
        assert not np.array_equal(selftest("race", seed=seed), expected_sums())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("kernel", "messages"),
    [
        ("deadlock", ["nobody can run", "warp 0, lanes 0-31 wait at __syncthreads", "warp 1"]),
        ("divergence", ["meet at different places", "__any_sync", "__shfl_xor_sync"]),
        ("exit", ["have left the kernel|leaves the kernel", "warp 0"]),
    ],
)
def test_wrong_meetings_are_named(kernel, messages, seed):
    for message in ["cisreg::gpu::", r"block \(", *messages]:
        with pytest.raises(KernelError, match=message):
            selftest(kernel, seed=seed)
    # The shim still works afterwards.
    np.testing.assert_array_equal(selftest("sum"), expected_sums())


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ("shared", "AddressSanitizer"),
        ("global", "AddressSanitizer: heap-buffer-overflow"),
        ("misaligned", "runtime error: .*misaligned address"),
    ],
)
def test_the_sanitizer_sees_bad_accesses(kernel, message):
    with pytest.raises(KernelError, match=message):
        selftest(kernel, sanitized=True)
    np.testing.assert_array_equal(selftest("sum", sanitized=True), expected_sums())


def test_orders_differ():
    """The first number shows the order of blocks, the others show that of threads."""
    found = [selftest("last", seed=seed) for seed in range(6)]
    np.testing.assert_array_equal(found[0], [5, 95, 95, 95, 95, 95])
    assert len({values[0] for values in found}) > 2
    assert len({tuple(values[1:]) for values in found}) == len(found)
    np.testing.assert_array_equal(selftest("last", seed=3), found[3])
