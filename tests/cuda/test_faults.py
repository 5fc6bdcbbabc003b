"""Faults planted into a copy of the kernels: the tests of the kernels must notice each of them.

Each fault replaces one piece of the source text by another. If the piece is no longer found, the
kernels have been rewritten and the fault must be adapted.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from cuda_checks import check_gradients, check_sums

from benchmarks.shared.cuda_cases import CASES, Case
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
    Case(2, 30, 9, 9, "expected", "same", "float32", "weighted", sets=2, conditions=2),
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
        "from[16 * q + 8 * RowTiles] << 16",
        "from[16 * q + 8 * RowTiles - 1] << 16",
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
        "if (Terms == 2) ScanTerm<RowTiles, Terms>(sums, strip, energies, 1, steps);",
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
        "(g & 3) * params.shared.pair_stride + 2 * t",
        "2 * t",
        "shim",
    ),
    # The order of motifs.
    Fault(
        "the last motif of a sorted run is not counted",
        "sort.cu",
        "if (end <= min(run_keys, count - begin) &&",
        "if (end < min(run_keys, count - begin) &&",
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
        "forward_block.cuh",
        "to[i] = i < windows * kRow ? from[i] : make_float4(0.0f, 0.0f, 0.0f, 0.0f);",
        "to[i] = from[i];",
        "sanitized",
        "AddressSanitizer: heap-buffer-overflow",
    ),
    Fault(
        "weights in the workspace without those of the last window",
        "strip_sums.cuh",
        "if (j < count && row + 8 * (k + j) < rows) {",
        "if (j < count && row + 8 * (k + j) < rows - 1) {",
        "shim",
    ),
    Fault(
        "weights of rows behind the last window not cleared",
        "forward_block.cuh",
        "to[i] = i < windows * kRow ? from[i] : make_float4(0.0f, 0.0f, 0.0f, 0.0f);",
        "if (i < windows * kRow) to[i] = from[i];",
        "shim",
    ),
    Fault(
        "weights of the first strip for all",
        "forward.cu",
        "shared.weight + (i * params.weight_rows + static_cast<int>(first)) * kTileMotifs + own",
        "shared.weight + i * params.weight_rows * kTileMotifs + own",
        "shim",
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
        "MaskSites(log_odds[u], sites,",
        "if (index < 0) MaskSites(log_odds[u], sites,",
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
    # Lengths.
    Fault(
        "codes behind a sequence are read",
        "strip_words.cuh",
        "const int64_t length = OwnLength(params.shape, n);",
        "const int64_t length = params.shape.length;",
        "shim",
    ),
    Fault(
        "windows behind a sequence are bound",
        "forward.cu",
        "const int64_t windows = OwnWindows(params.shape, place.n);",
        "const int64_t windows = params.shape.window_count;",
        "shim",
    ),
    Fault(
        "sums of a sequence without windows are not written",
        "forward.cu",
        "    WriteZeros(params, shared, place);\n",
        "",
        "shim",
    ),
    Fault(
        "the gradient reads codes behind a sequence",
        "gradient_items.cuh",
        "OwnLength(shape, sequence) - start",
        "shape.length - start",
        "shim",
    ),
    Fault(
        "the gradient knows no lengths",
        "gradient_items.cuh",
        "OwnWindows(shape, sequence) - strip",
        "shape.window_count - strip",
        "shim",
    ),
    Fault(
        "a span reaches behind a sequence",
        "span.cuh",
        "OwnLength(shape, sequence)",
        "shape.length",
        "shim",
    ),
    Fault(
        "a concentration of 0 is an error",
        "energy.cuh",
        "return log_concentration < INFINITY ?",
        "return isfinite(log_concentration) ?",
        "shim",
    ),
    # Sums.
    Fault(
        "only the last strip counts",
        "sum_rows.cu",
        "total.Add(from[row * params.columns]);",
        "total.sum = from[row * params.columns];",
        "shim",
    ),
    Fault(
        "the last strip of a group is left out",
        "sum_rows.cu",
        "min(params.rows - first, params.group_rows);",
        "min(params.rows - first, params.group_rows - 1);",
        "shim",
    ),
    # Who does what.
    Fault(
        "units between two warps are nobody's",
        "plan_forward.h",
        "return {begin, begin + each + (index < more ? 1 : 0)};",
        "return {begin, begin + each};",
        "shim",
    ),
    Fault(
        "offsets of the next slice's tiles",
        "forward_block.cuh",
        "const int tile = slice + i / kTileMotifs * stride;",
        "const int tile = slice + i / kTileMotifs;",
        "shim",
    ),
    Fault(
        "the next item of a warp is another one",
        "plan_forward.h",
        "item.sequence += split.stride;",
        "item.sequence += 1;",
        "shim",
    ),
    Fault(
        "short strips follow at their own height",
        "plan_forward.h",
        "return {strips.tall * kRows + (index - strips.tall) * kRowsShort, kRowsShort};",
        "return {index * kRowsShort, kRowsShort};",
        "shim",
    ),
    Fault(
        "no barrier before the next slice",
        "forward.cu",
        "      // The next slice takes the place of this one.\n      __syncthreads();\n      units",
        "      units",
        "shim in any order",
    ),
    Fault(
        "a partial sum is skipped",
        "finish.cu",
        "part < parts.end; ++part",
        "part < parts.end && part < parts.first + 3; ++part",
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
        "slope = fmaf(upstream, fminf(params.expected[at], 1.0f), slope);",
        "slope += upstream;",
        "shim 7.5",
    ),
    # Shares of the gradient's work.
    Fault(
        "shares end one item early",
        "plan_backward.h",
        "share * least + (share < longer ? share : longer)",
        "share * least",
        "shim",
    ),
    Fault(
        "a part for two blocks of tiles",
        "finish.cu",
        "return {split.shares.Of(first) + piece, split.shares.Of(end - 1) + piece + 1};",
        "return {split.shares.Of(first), split.shares.Of(end - 1) + 1};",
        "shim",
    ),
    Fault(
        "all items are those of the first strip",
        "gradient_items.cuh",
        "const bool wraps = item.strip + 1 == params.split.strip_count;",
        "const bool wraps = true;",
        "shim",
    ),
    Fault(
        "position weights stay those of the first strip",
        "gradient_block.cuh",
        "if (before == strip) return;",
        "if (before >= 0) return;",
        "shim",
    ),
    Fault(
        "gradients of weights go on with the next strip",
        "gradient_block.cuh",
        "*reinterpret_cast<float4*>(to + WeightGradientsAt(params) + table * numbers + i) =\n"
        "          make_float4(0, 0, 0, 0);",
        "if (strip == 0) "
        "*reinterpret_cast<float4*>(to + WeightGradientsAt(params) + table * numbers + i) =\n"
        "          make_float4(0, 0, 0, 0);",
        "shim",
    ),
    Fault(
        "upstream gradients of the sequence before",
        "gradient_block.cuh",
        "state.upstream[index & 1][0][i] = ahead.bound;",
        "state.upstream[(index + 1) & 1][0][i] = ahead.bound;",
        "shim",
    ),
    Fault(
        "long strips lose the end of their codes",
        "gradient_block.cuh",
        "FillCodes(params, item, words, threadIdx.x + Ahead::kCodes * blockDim.x);",
        "",
        "shim",
    ),
    Fault(
        "totals begin at what was there",
        "gradient_block.cuh",
        "state.total[i / 2][i % 2][threadIdx.x] = 0.0f;",
        ";",
        "simulator",
        "UninitError",
    ),
    # Several sets of position weights.
    Fault(
        "weights of the first set for all",
        "prepare.cu",
        "(set * kStrands + tile % 2) * windows",
        "(tile % 2) * windows",
        "shim",
    ),
    Fault(
        "the second of a pair of sets is the first",
        "forward_conditions.cuh",
        "row * sets + set + 1, weighted[1]",
        "row * sets + set + 1, weighted[0]",
        "shim",
    ),
    Fault(
        "weights of the first pair for all pairs",
        "forward_conditions.cuh",
        "i * params.weight_rows + set * params.set_rows + first",
        "i * params.weight_rows + first",
        "shim",
    ),
    Fault(
        "the gradient of a pair is that of its first set",
        "slopes.cuh",
        "if (s > other) break;",
        "if (s > 0) break;",
        "shim",
    ),
    Fault(
        "upstream gradients of the first set for all",
        "gradient_block.cuh",
        "sums * motifs.weight_sets + kind - kUpstreamKinds",
        "sums * motifs.weight_sets",
        "shim",
    ),
    Fault(
        "gradients of weights of the first set for all",
        "finish.cu",
        "set * set_numbers +",
        "0 * set_numbers +",
        "shim",
    ),
    # Conditions.
    Fault(
        "the concentrations of the first condition for all",
        "forward_conditions.cuh",
        "static_cast<int64_t>(condition) * params.motifs.tile_count + tile",
        "tile",
        "shim",
    ),
    Fault(
        "the condition of the first sequence for all",
        "forward_conditions.cuh",
        "conditions.own[n]",
        "conditions.own[0]",
        "shim",
    ),
    Fault(
        "the smallest concentration for the largest",
        "conditions.cu",
        "return a != a || a >= b ? a : b;",
        "return a != a || a <= b ? a : b;",
        "shim",
    ),
    Fault(
        "a factor that is never there",
        "conditions.cu",
        "params.largest[motif] != -INFINITY",
        "params.largest[motif] != 1.0f",
        "shim",
    ),
    Fault(
        "log2 of a part for the part",
        "conditions.cu",
        "if (!as_part || own == -INFINITY) return",
        "if (as_part || own == -INFINITY) return",
        "shim",
    ),
    Fault(
        "divisions without a condition's factor",
        "law.cuh",
        "for (int k = 0; k < count; ++k) d[k] = fmaf(factor, odds[k], 1.0f);",
        "for (int k = 0; k < count; ++k) d[k] = 1.0f + odds[k];",
        "shim",
    ),
    Fault(
        "sums of the first condition alone are zero",
        "forward.cu",
        "c < (place.row + 1) * conditions; ++c",
        "c < place.row * conditions + 1; ++c",
        "shim",
    ),
    Fault(
        "upstream gradients of the first condition for all",
        "slopes.cuh",
        "c * kinds * columns + place.Motif(u)",
        "place.Motif(u)",
        "shim",
    ),
    Fault(
        "slopes of the item before",
        "gradient_block.cuh",
        "        own[h] = total;\n        total = 0.0f;",
        "        own[h] = total;",
        "shim",
    ),
    Fault(
        "sums of slopes go on with the next condition",
        "conditions.cu",
        "      total = {};\n",
        "",
        "shim",
    ),
    Fault(
        "a part for two conditions",
        "conditions.cu",
        "params.parts[(blockIdx.x + rows[i].condition) * columns + column]",
        "params.parts[blockIdx.x * columns + column]",
        "shim",
    ),
    Fault(
        "sequences in their own order",
        "conditions.cu",
        "const uint64_t condition = ConditionOf(params.conditions, sequence);",
        "const uint64_t condition = 0;",
        "shim",
    ),
    Fault(
        "the place of a strip before it is there",
        "forward.cu",
        "shared.strip->rows = rows;\n    }\n    __syncwarp();",
        "shared.strip->rows = rows;\n    }",
        "simulator",
        "RaceError|UninitError",
    ),
    # Synchronisation.
    Fault(
        "lanes leave the loop over tiles",
        "forward.cu",
        "const int32_t at = lane < kTileMotifs ?",
        "if (lane >= kTileMotifs) break;\n      const int32_t at = lane < kTileMotifs ?",
        "shim",
        "have left the kernel|leaves the kernel|meet at different places|nobody can run",
    ),
    Fault(
        "no barrier after the slice is copied",
        "forward.cu",
        "CopySlice(params, shared, slice);\n      __syncthreads();\n      SumUnits<",
        "CopySlice(params, shared, slice);\n      SumUnits<",
        "shim in any order",
    ),
    Fault(
        "no barrier between sequences",
        "backward.cu",
        "(params, memory, index + 1, ahead);\n    __syncthreads();",
        "(params, memory, index + 1, ahead);",
        "shim in any order",
        "metadata of row",
    ),
    Fault(
        "no barrier before the next block of tiles",
        "backward.cu",
        "AddSegment<Terms, kLaw, Weighted, Several>(params, memory);\n    __syncthreads();",
        "AddSegment<Terms, kLaw, Weighted, Several>(params, memory);",
        "shim in any order",
    ),
    Fault(
        "words before all codes are there",
        "strip_words.cuh",
        "CodeAt(sequence, length, start + i);\n  }\n  __syncwarp();",
        "CodeAt(sequence, length, start + i);\n  }",
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
        marks = [] if fast else [pytest.mark.slow, pytest.mark.thorough]
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


def test_the_page_names_as_many_problems_and_faults_as_there_are():
    page = (Path(__file__).parents[2] / "docs" / "measurements" / "gpu.md").read_text(
        encoding="utf-8"
    )
    assert [int(each) for each in re.findall(r"One table of (\d+) problems", page)] == [len(CASES)]
    assert [int(each) for each in re.findall(r"(\d+) faults planted", page)] == [len(FAULTS)]
    assert len(CASES) >= 110 and len(FAULTS) >= 25
