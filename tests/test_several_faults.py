"""Faults planted in the CPU kernels of several conditions and sets: the checks must notice them.

Each fault is compiled into a program of the portable kernels. The other instruction sets have the
same code, with other vectors.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kernel_program import build_with, check, occupancy_cases, occupancy_problem, results_of, run
from planted_faults import COMPILER, Fault, compiled, parameters_of, sources_with
from test_conditions import several
from test_occupancy import random_upstream

from cisreg.oracle import occupancy_oracle

ROOT = Path(__file__).parents[1]


def two_sets(shape):
    """Two sets of weights, and every motif is there: blocks of motifs that are moved together."""
    arguments = several(shape, 1, 2)
    upstream = random_upstream(occupancy_oracle(**arguments), seed=1)
    return arguments, {"reduction": "expected"}, upstream


def strong_motifs(shape):
    """Odds beyond the range of products, so that logarithms are summed; some motifs are absent."""
    arguments = several(shape, 3, 2)
    arguments["log_kd"] *= np.float32(20)
    upstream = random_upstream(occupancy_oracle(**arguments), seed=1)
    return arguments, {"reduction": "expected"}, upstream


def strong_sites(shape):
    """Every site has odds of 2^40: the product of two stays finite, that of four does not."""
    arguments = several(shape, 3, 0)
    arguments["sequence"][:] = 0
    arguments["log_concentration"] = np.array([[0.0], [-1.0], [-2.0]]) * np.ones(shape[3])
    arguments["log_concentration"] = arguments["log_concentration"].astype(np.float32)
    arguments["log_kd"][:] = np.float32(-40 * np.log(2) / shape[2])
    upstream = random_upstream(occupancy_oracle(**arguments), seed=1)
    return arguments, {"reduction": "expected"}, upstream


# Of each shape the problems with several conditions, with sets and without, some of them with one
# of each row; sequences of several segments without an absent motif; and strong motifs and sites.
CASES = [
    *(case for number, case in enumerate(occupancy_cases()) if number % 3),
    two_sets((2, 1100, 6, 16)),
    strong_sites((5, 23, 12, 9)),
    strong_motifs((5, 60, 12, 9)),
]


FAULTS = [
    Fault(
        "factors of the block's first condition for every sequence",
        "occupancy/several.h",
        "return {own[sequence], own[sequence] + 1};",
        "return {0, 1};",
    ),
    Fault(
        "factors of another block",
        "occupancy/several.h",
        "(block * job.inputs.condition_count + condition) * kBlockSites",
        "condition * kBlockSites",
    ),
    Fault(
        "an absent motif is present where logarithms are summed",
        "occupancy/several.h",
        "simd::Exp2(simd::ClampExponent(site)) * present;",
        "simd::Exp2(simd::ClampExponent(site));",
    ),
    Fault(
        "conditions do not act where logarithms are summed",
        "occupancy/several.h",
        "    site = site + factor;\n",
        "",
    ),
    Fault(
        "sites outside of the span count",
        "occupancy/several.h",
        "    const F odds = site * factor;\n    return {kMasked ? odds * counts : odds, site};",
        "    const F odds = site * factor;\n    return {odds, site};",
    ),
    Fault(
        "weights of the first set for all sets",
        "occupancy/forward_several.h",
        "F::Load(weight + (k * sets + set) * kBlockSites)",
        "F::Load(weight + k * sets * kBlockSites)",
    ),
    Fault(
        "windows behind the end of a sequence are summed",
        "occupancy/forward_several.h",
        "odds[i] = lives ? own.odds : zero;",
        "odds[i] = own.odds;",
    ),
    Fault(
        "sums of the condition before",
        "occupancy/forward_several.h",
        "      sums += (1 + sets) * kBlockSites;\n",
        "",
    ),
    Fault(
        "the second segment of a sequence overwrites the first",
        "occupancy/forward_several.h",
        "if (!neighbours || !is_first) return WriteSums",
        "if (!neighbours) return WriteSums",
    ),
    Fault(
        "the sign of the slope of log unbound",
        "occupancy/backward_several.h",
        "const F bound = kExpected ? F::Load(upstream) : zero - F::Load(upstream);",
        "const F bound = F::Load(upstream);",
    ),
    Fault(
        "gradients of weights without what was there",
        "occupancy/backward_several.h",
        "MultiplyAdd(weighted, p, F::Load(weights.gradient + at)).Store(weights.gradient + at);",
        "(weighted * p).Store(weights.gradient + at);",
    ),
    Fault(
        "concentrations have the gradient of one strand",
        "occupancy/backward_several.h",
        "to[m] += totals[m] + totals[kBlockMotifs + m];",
        "to[m] += totals[m];",
    ),
    Fault(
        "totals of the segment before are added again",
        "occupancy/backward_several.h",
        "    std::memset(scratch.totals, 0, (conditions.end - conditions.first) * kRowBytes);\n",
        "",
    ),
    Fault(
        "four sites share a division where their product is not finite",
        "occupancy/table.h",
        "kStrongestOfFour = 30.0f;",
        "kStrongestOfFour = 60.0f;",
    ),
    Fault(
        "the derivative of a product without the windows before",
        "occupancy/forward_several.h",
        "slope = MultiplyAdd(slope, factor, rest);",
        "slope = MultiplyAdd(slope, factor, coefficient[i]);",
    ),
    Fault(
        "windows behind the end of a sequence are in the product",
        "occupancy/forward_several.h",
        "      if (kKind != Windows::kAll && k >= live) odds[k] = F::Broadcast(0.0f);\n",
        "",
    ),
    Fault(
        "windows behind the end of a sequence are in the gradient of concentrations",
        "occupancy/backward_several.h",
        "    if (kKind != Windows::kAll && k >= live) odds[k] = F::Broadcast(0.0f);\n",
        "",
    ),
    Fault(
        "the slope of log unbound is that of the expected number",
        "occupancy/backward_several.h",
        "kExpected ? unbound[i] * unbound[i] : unbound[i];",
        "unbound[i] * unbound[i];",
    ),
    Fault(
        "the sign of the slope of log unbound where four sites share a division",
        "occupancy/backward_several.h",
        "(kExpected ? upstream : zero - upstream) * factor;",
        "upstream * factor;",
    ),
    Fault(
        "slopes instead of dlogits",
        "occupancy/backward_several.h",
        "dlogit[k] = odds[k] * dlogit[k];",
        "dlogit[k] = dlogit[k];",
    ),
    Fault(
        "weights of the block before",
        "occupancy/sums.h",
        "const int64_t windows = block * job.shape.window_count + window;",
        "const int64_t windows = (block > 0 ? block - 1 : 0) * job.shape.window_count + window;",
    ),
    Fault(
        "later segments are not added",
        "occupancy/sums.h",
        "to[motif[i]] = is_first ? from[i] : to[motif[i]] + from[i];",
        "to[motif[i]] = from[i];",
    ),
]


@pytest.fixture(scope="session")
def other_objects(tmp_path_factory):
    """All of the program but the portable kernels of occupancy, compiled."""
    scan = ("best", "distributions", "filter", "filter_portable", "filter_set", "hits", "kmers")
    sources = [ROOT / "csrc/scan" / f"{name}.cc" for name in (*scan, "site")]
    names = ("checks", "kernels", "launch", "plan", "slices")
    sources += [ROOT / "csrc/occupancy" / f"{name}.cc" for name in names]
    sources.append(ROOT / "tests/aarch64/run_kernels.cc")
    return compiled(sources, tmp_path_factory.mktemp("objects"))


def results_with(folder, other_objects, fault=None):
    """What the program computes with a fault planted."""
    sources, program = sources_with(fault, folder), folder / "program"
    kernels = compiled([sources / "occupancy/kernels_portable.cc"], folder, sources)
    build_with(COMPILER, *kernels, *other_objects, "-o", program, "-lpthread")
    problems = [each for case in CASES for each in occupancy_problem(*case)]
    return results_of(CASES, run([program, "portable"], problems))


def noticed(results):
    try:
        for case, found in zip(CASES, results, strict=True):
            with np.errstate(all="ignore"):
                check(case, found)
    except AssertionError:
        return True
    return False


@pytest.mark.slow
def test_without_a_fault_nothing_is_noticed(tmp_path, other_objects):
    assert not noticed(results_with(tmp_path, other_objects))


@pytest.mark.slow
@pytest.mark.parametrize("fault", parameters_of(FAULTS))
def test_planted_faults_are_noticed(tmp_path, other_objects, fault):
    assert noticed(results_with(tmp_path, other_objects, fault))
