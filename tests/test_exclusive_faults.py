"""Faults planted in the CPU kernels of sites that exclude each other: the checks must notice them.

Each fault is compiled into the portable kernels. The other instruction sets have the same code,
with other vectors.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from kernel_arrays import exclusive_cases, is_noticed
from planted_faults import Fault, compiled, parameters_of

ROOT = Path(__file__).parents[1]
OTHERS = (
    *(f"occupancy/{name}.cc" for name in ("checks", "kernels", "kernels_portable", "launch")),
    *("occupancy/plan.cc", "exclusive/checks.cc", "exclusive/kernels.cc"),
)
FAULTY = (
    *(f"exclusive/{name}.cc" for name in ("kernels_portable", "launch", "layout")),
    "occupancy/slices.cc",
)

FAULTS = [
    Fault(
        "sites of the reverse strand cover what those of the forward strand do",
        "exclusive/footprints.h",
        "return {{first, width - end}, end - first};",
        "return {{first, first}, end - first};",
    ),
    Fault(
        "motifs that only fill up a block have sites",
        "exclusive/layout.cc",
        "if (place >= shape.motif_count) continue;",
        "",
    ),
    Fault(
        "competitors are as wide as the narrowest",
        "exclusive/layout.cc",
        "{width, footprints.WidthIndex(width), static_cast",
        "{width, 0, static_cast",
    ),
    Fault(
        "sums of the chunk before",
        "exclusive/chunk.h",
        "if (sums == nullptr) continue;",
        "if (sums == nullptr || index > 0) continue;",
    ),
    Fault(
        "competitors have no gain",
        "exclusive/chunk.h",
        "for (int64_t i = 0; i < count; ++i) chunk.gain[at + i] += gain;",
        "",
    ),
    Fault(
        "competitors do not know the gains of others",
        "exclusive/chunk.h",
        "chunk.odds[at + i] * gain + chunk.gain[at + i]",
        "chunk.odds[at + i] * gain",
    ),
    Fault(
        "windows behind the end of a sequence are summed",
        "exclusive/forward.h",
        "    if (k >= live) odds[k] = V::Broadcast(0.0f);\n",
        "",
    ),
    Fault(
        "sites outside of the span count",
        "exclusive/forward.h",
        "    if (kKind == Windows::kMasked) odds[k] = odds[k] * sites.At(k);\n",
        "",
    ),
    Fault(
        "only the first site of a group excludes others",
        "exclusive/forward.h",
        "site < group.site_count",
        "site < 1",
    ),
    Fault(
        "groups of the first vector for all vectors of a block",
        "exclusive/forward.h",
        "job.part_group + block * V::kParts + first_part;",
        "job.part_group + block * V::kParts;",
    ),
    Fault(
        "weights of the first window in flight for all",
        "exclusive/forward.h",
        "const F w = F::Load(weight + k * kBlockSites + i * F::kLanes);",
        "const F w = F::Load(weight + i * F::kLanes);",
    ),
    Fault(
        "gains without position weights",
        "exclusive/backward.h",
        "MultiplyAdd(F::Load(weight + site) * of_weighted, factor[k], of_odds);",
        "of_odds;",
    ),
    Fault(
        "the mean gain of others is not taken off",
        "exclusive/backward.h",
        "      slope[k] = MultiplyAdd(live, F::Broadcast(chunk.gain[at + k]), slope[k]);\n",
        "",
    ),
    Fault(
        "gradients of weights without what was there",
        "exclusive/backward.h",
        "MultiplyAdd(of_weighted, p, F::Load(weight_gradient + site))",
        "(of_weighted * p)",
    ),
    Fault(
        "gains of wide sites are not summed",
        "exclusive/recursion.h",
        "    AddProducts(of.sums.gain + site, sum + from, &gains);\n",
        "",
    ),
    Fault(
        "narrow sites do not exclude each other",
        "exclusive/recursion.h",
        "        total += of.sums.odds[site] * sum[from];\n",
        "",
    ),
    Fault(
        "terms of wide sites stay on the old scale",
        "exclusive/recursion.h",
        "        Rescale(terms.sum, kTogether);\n",
        "",
    ),
    Fault(
        "the gradient of the log partition function is lost",
        "exclusive/recursion.h",
        "const double others = before[of.places] - upstream;",
        "const double others = before[of.places];",
    ),
    Fault(
        "gradients of the first slice alone",
        "occupancy/slices.cc",
        "sum += from[slice * stride_];",
        "sum += slice > 0 ? 0.0f : from[0];",
    ),
]


@pytest.fixture(scope="session")
def other_objects(tmp_path_factory):
    """All that has no fault planted, compiled."""
    sources = [ROOT / "csrc" / each for each in OTHERS]
    return compiled(
        [*sources, ROOT / "tests/exclusive_kernels.cc"], tmp_path_factory.mktemp("objects")
    )


@pytest.fixture(scope="session")
def cases():
    return exclusive_cases()


@pytest.mark.slow
def test_without_a_fault_nothing_is_noticed(tmp_path, other_objects, cases):
    assert not is_noticed(None, tmp_path, FAULTY, other_objects, cases)


@pytest.mark.slow
@pytest.mark.parametrize("fault", parameters_of(FAULTS))
def test_planted_faults_are_noticed(tmp_path, other_objects, cases, fault):
    assert is_noticed(fault, tmp_path, FAULTY, other_objects, cases)
