"""Faults planted in the CPU kernels of pairs of factors: the checks must notice them.

Each fault is compiled into the portable kernels. The other instruction sets have the same code,
with other vectors.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from kernel_arrays import is_noticed, pair_cases
from planted_faults import Fault, compiled, parameters_of

ROOT = Path(__file__).parents[1]
OTHERS = (
    *(f"occupancy/{name}.cc" for name in ("checks", "kernels", "kernels_portable", "launch")),
    *("occupancy/plan.cc", "occupancy/slices.cc", "pairs/checks.cc", "pairs/kernels.cc"),
)
FAULTY = tuple(f"pairs/{name}.cc" for name in ("kernels_portable", "launch", "layout"))

FAULTS = [
    Fault(
        "sites of a factor with itself count twice",
        "pairs/layout.cc",
        "pair.weight = pair.itself ? 0.5f : 1.0f;",
        "pair.weight = 1.0f;",
    ),
    Fault(
        "a site acts with itself",
        "pairs/layout.cc",
        "if (pair.itself && tap.place == 0) return 0.0f;",
        "",
    ),
    Fault(
        "the gradient of what a site does with itself",
        "pairs/backward.h",
        "if (pair.itself && tap.place == 0) continue;",
        "",
    ),
    Fault(
        "effects between knots are those of the knot before",
        "pairs/layout.cc",
        "tap.share[0] = 1.0f - of_right;",
        "tap.share[0] = 1.0f;",
    ),
    Fault(
        "knots that only widened sites reach are left out",
        "pairs/layout.cc",
        "if (std::abs(place) > windows + spacing - 2) continue;",
        "if (std::abs(place) > windows - 1) continue;",
    ),
    Fault(
        "absent factors have pairs",
        "pairs/layout.cc",
        "if (IsAbsent(first) || IsAbsent(second)) return;",
        "",
    ),
    Fault(
        "the second orientation has the effects of the first",
        "pairs/layout.cc",
        "inputs_.effect + (number * kOrientations + orientation) * inputs_.knot_count;",
        "inputs_.effect + number * kOrientations * inputs_.knot_count;",
    ),
    Fault(
        "sites are widened on one side",
        "pairs/taps.h",
        "F::Load(site + window - away) + F::Load(site + window + away)",
        "F::Load(site + window - away)",
    ),
    Fault(
        "sites on the reverse strand see as those on the forward strand do",
        "pairs/taps.h",
        "const int64_t turned = others.mirrored ? taps.count - 1 - tap : tap;",
        "const int64_t turned = tap;",
    ),
    Fault(
        "gradients of effects of the reverse strand are not turned",
        "pairs/taps.h",
        "const int64_t tap = first + i, turned = taps.count - 1 - tap;",
        "const int64_t tap = first + i, turned = tap;",
    ),
    Fault(
        "sites outside of the span act",
        "pairs/forward.h",
        "      if (kKind == Windows::kMasked) odds[k] = odds[k] * counted.Part(i).At(first + k);\n",
        "",
    ),
    Fault(
        "windows behind the end of a sequence act",
        "pairs/forward.h",
        "      if (kKind != Windows::kAll && first + k >= live) odds[k] = F::Broadcast(0.0f);\n",
        "",
    ),
    Fault(
        "sites of the chunk before stay where none counts",
        "pairs/forward.h",
        "    std::memset(chunk->site, 0, floats * sizeof(float));\n",
        "",
    ),
    Fault(
        "the reverse strand of the first factor does nothing",
        "pairs/forward.h",
        "        total = MultiplyAdd(F::Load(own_reverse + at), reverse[i], total);\n",
        "",
    ),
    Fault(
        "the slope of an occupancy is that of its odds",
        "pairs/forward.h",
        "slope[first + k] = site[first + k] * unbound[k];",
        "slope[first + k] = site[first + k];",
    ),
    Fault(
        "sites of the second factor have no gradient",
        "pairs/backward.h",
        "    AddGains<F>(taps, sequence.firsts(pair), end, gain(pair.second_row[0]),\n"
        "                gain(pair.second_row[1]));\n",
        "",
    ),
    Fault(
        "effects are summed without the gradient of the score",
        "pairs/backward.h",
        "sequence.of(pair.second_source[1])};\n"
        "    AddAllProducts(taps, 0, partners, end, F::Broadcast(upstream),",
        "sequence.of(pair.second_source[1])};\n"
        "    AddAllProducts(taps, 0, partners, end, F::Broadcast(1.0f),",
    ),
    Fault(
        "effects have the gradients of the first slice alone",
        "pairs/launch.cc",
        "slice < job_.chunks.slices; ++slice",
        "slice < 1; ++slice",
    ),
]


@pytest.fixture(scope="session")
def other_objects(tmp_path_factory):
    """All that has no fault planted, compiled."""
    sources = [ROOT / "csrc" / each for each in OTHERS]
    return compiled([*sources, ROOT / "tests/pair_kernels.cc"], tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="session")
def cases():
    return pair_cases()


@pytest.mark.slow
def test_without_a_fault_nothing_is_noticed(tmp_path, other_objects, cases):
    assert not is_noticed(None, tmp_path, FAULTY, other_objects, cases)


@pytest.mark.slow
@pytest.mark.parametrize("fault", parameters_of(FAULTS))
def test_planted_faults_are_noticed(tmp_path, other_objects, cases, fault):
    assert is_noticed(fault, tmp_path, FAULTY, other_objects, cases)
