"""Faults planted into a copy of the kernels: the tests of the kernels must notice each of them.

Each fault replaces one piece of the source text by another. If the piece is no longer found, the
kernels have been rewritten and the fault must be adapted.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path

import pytest
from cuda_cases import CASES, Case
from cuda_checks import check_gradients, check_sums

from benchmarks.shared.executors import CUDA, KernelError, Shim, Simulator, scratch

WRONG_NUMBERS = None


@dataclasses.dataclass(frozen=True)
class Fault:
    """`error` is a pattern of the expected message, or WRONG_NUMBERS."""

    name: str
    file: str
    old: str
    new: str
    executor: str
    error: str | None = WRONG_NUMBERS

    def __str__(self):
        return self.name.replace(" ", "-")


EXECUTORS = {
    "shim": lambda cuda: [Shim(900, cuda=cuda)],
    "shim 7.5": lambda cuda: [Shim(750, cuda=cuda)],
    "shim in any order": lambda cuda: [Shim(900, seed=seed, cuda=cuda) for seed in range(8)],
    "sanitized": lambda cuda: [Shim(900, sanitized=True, cuda=cuda)],
    "simulator": lambda cuda: [Simulator(900, cuda=cuda)],
}
# The simulator is slow; these few cases are enough for it to notice the faults.
SIMULATED_CASES = [
    Case(2, 30, 9, 9, "expected", "same", "float32", "weighted"),
    Case(9, 130, 5, 9, "log_unbound", "same", "float32"),
]

FAULTS = [
    # Operands.
    Fault(
        "fragments of the scan in the wrong order",
        "one_hot.cuh",
        "ptx::MmaSparseHalf<0>(sums[i], a[0], a[1], a[2], a[3], energies, e);",
        "ptx::MmaSparseHalf<0>(sums[i], a[0], a[2], a[1], a[3], energies, e);",
        "shim",
    ),
    Fault(
        "fragments of dense products shifted",
        "one_hot.cuh",
        "ptx::MmaHalf(sums[i], a[2][0], a[2][1], a[3][0], a[3][1],",
        "ptx::MmaHalf(sums[i], a[2][0], a[2][1], a[3][0], a[2][1],",
        "shim 7.5",
    ),
    Fault(
        "metadata of rows behind",
        "one_hot.cuh",
        "from[16 * q + 8 * Tall] << 16",
        "from[16 * q + 8 * Tall - 1] << 16",
        "shim",
    ),
    Fault(
        "metadata that do not rise",
        "one_hot.cuh",
        "(12 + min(static_cast<int>(codes[at + i]), 2))",
        "(12 + min(static_cast<int>(codes[at + i]), 3))",
        "shim",
        "mma.sp: metadata of row .* do not rise",
    ),
    Fault(
        "low terms forgotten",
        "scan.cuh",
        "if (Terms == 2) ScanTerm<Tall, Terms>(sums, strip, energies, 1, steps, lane);",
        "",
        "shim",
    ),
    Fault(
        "reverse strand without complement",
        "prepare.cu",
        "    base = kBases - 1 - base;\n",
        "",
        "shim",
    ),
    Fault(
        "bases of the second product",
        "backward.cu",
        "pairs + (g & 3) * pair_stride",
        "pairs",
        "shim",
    ),
    # Tails.
    Fault(
        "rows behind the last window are bound",
        "scan.cuh",
        "if (8 * k + (lane >> 2) < rows) continue;",
        "if (8 * k < rows) continue;",
        "shim",
    ),
    Fault(
        "weights behind the last window",
        "forward.cu",
        "return row + 8 * k < rows ?",
        "return rows > 0 ?",
        "sanitized",
        "AddressSanitizer: heap-buffer-overflow",
    ),
    Fault(
        "held columns move",
        "finish.cu",
        "if (params.column_range == nullptr) return false;",
        "return false;",
        "shim",
    ),
    # Spans.
    Fault(
        "a span's first window comes one too early",
        "span.cuh",
        "(span.begin - columns[h].end + 1 - row + 7) >> 3",
        "(span.begin - columns[h].end - row + 7) >> 3",
        "shim",
    ),
    Fault(
        "a span's last window is one too many",
        "span.cuh",
        "(span.end - columns[h].first - row + 7) >> 3",
        "(span.end - columns[h].first + 1 - row + 7) >> 3",
        "shim",
    ),
    Fault(
        "columns of the reverse strand not mirrored for a span",
        "prepare.cu",
        "return {params.shape.width - own.train_end, params.shape.width - own.train_first};",
        "return {own.train_first, own.train_end};",
        "shim",
    ),
    Fault(
        "all columns of the window count for a span",
        "prepare.cu",
        "if (tile % 2 == 0) return {own.train_first, own.train_end};",
        "return {0, params.shape.width};",
        "shim",
    ),
    Fault(
        "the gradient knows no span",
        "backward.cu",
        "MaskSites(log_odds, tiles.sites",
        "if (index < 0) MaskSites(log_odds, tiles.sites",
        "shim",
    ),
    Fault(
        "one span for all sequences",
        "span.cuh",
        "span.edges + sequence * span.stride",
        "span.edges",
        "shim",
    ),
    Fault(
        "strips that a span reaches are left out",
        "span.cuh",
        "row + rows + width - 1 > begin",
        "row + rows > begin",
        "shim",
    ),
    Fault(
        "an empty span is one between two bases",
        "span.cuh",
        "if (begin >= end) return {kFarBase, -kFarBase};",
        "",
        "shim",
    ),
    # Sums.
    Fault(
        "only the last strip counts",
        "forward.cu",
        "to[motif] = first_strip ? sum : to[motif] + sum;",
        "to[motif] = sum;",
        "shim",
    ),
    Fault(
        "a partial sum is skipped",
        "finish.cu",
        "for (int64_t part = 0; part < parts; ++part)",
        "for (int64_t part = 0; part < parts && part < 3; ++part)",
        "shim",
    ),
    Fault(
        "the scale of float16 gradients stays",
        "finish.cu",
        "return motifs.scale == nullptr ? 1.0f :",
        "return motifs.scale != nullptr ? 1.0f :",
        "shim 7.5",
    ),
    Fault(
        "slopes scaled for sites that are not there",
        "prepare.cu",
        "upstream * fminf(params.expected[at], 1.0f)",
        "upstream",
        "shim 7.5",
    ),
    # Synchronisation.
    Fault(
        "lanes leave the loop over tiles",
        "forward.cu",
        "if (lane >= kTileMotifs) continue;",
        "if (lane >= kTileMotifs) break;",
        "shim",
        "have left the kernel|leaves the kernel|meet at different places|nobody can run",
    ),
    Fault(
        "no barrier after the slice is copied",
        "forward.cu",
        "CopySlice(params, shared, first_tile, tiles);\n  __syncthreads();",
        "CopySlice(params, shared, first_tile, tiles);",
        "shim in any order",
    ),
    Fault(
        "no barrier between sequences",
        "backward.cu",
        "    __syncthreads();\n  }\n  if (!HasTiles(params)) return;",
        "  }\n  if (!HasTiles(params)) return;",
        "simulator",
        "RaceError|UninitError",
    ),
    Fault(
        "words before all codes are there",
        "forward.cu",
        "params.shape.length, start + i);\n  }\n  __syncwarp();",
        "params.shape.length, start + i);\n  }",
        "simulator",
        "RaceError|UninitError",
    ),
]


def plant(fault):
    """A copy of the kernels with the fault in it."""
    folder = Path(tempfile.mkdtemp(dir=scratch())) / "cuda"
    shutil.copytree(CUDA, folder)
    text = (folder / fault.file).read_text()
    count = text.count(fault.old)
    assert count == 1, f"{fault.file} has this fault's text {count} times; adapt it to the new text"
    (folder / fault.file).write_text(text.replace(fault.old, fault.new))
    return folder


def first_sign(executors, cases):
    """The first sign of a fault: the error of a kernel, or WRONG_NUMBERS."""
    for case in cases:
        for executor in executors:
            try:
                check_sums(case, executor.forward(case))
                check_gradients(case, executor.backward(case))
            except KernelError as error:
                return str(error)
            except AssertionError:
                return WRONG_NUMBERS
    return pytest.fail("nobody noticed")


def fault_parameters():
    """All faults are slow tests, except one in a .cu file for each executor.

    A fault in a header is slow because all .cu files are compiled again.
    """
    parameters, seen = [], set()
    for fault in FAULTS:
        fast = fault.file.endswith(".cu") and fault.executor not in seen
        marks = [] if fast else [pytest.mark.slow]
        parameters.append(pytest.param(fault, id=str(fault), marks=marks))
        seen |= {fault.executor} if fast else set()
    return parameters


@pytest.mark.parametrize("fault", fault_parameters())
def test_planted_faults_are_noticed(fault):
    cases = SIMULATED_CASES if fault.executor == "simulator" else CASES
    sign = first_sign(EXECUTORS[fault.executor](plant(fault)), cases)
    if fault.error is WRONG_NUMBERS:
        assert sign is WRONG_NUMBERS, sign
    else:
        with pytest.raises(KernelError, match=fault.error):
            raise KernelError(sign or "only wrong numbers")


def test_without_a_fault_nothing_is_noticed():
    """An unchanged copy of the kernels passes the checks."""
    nothing = Fault("nothing", "launch.h", "namespace cisreg {", "namespace cisreg {", "shim")
    with pytest.raises(pytest.fail.Exception, match="nobody noticed"):
        first_sign(EXECUTORS["shim"](plant(nothing)), CASES)
