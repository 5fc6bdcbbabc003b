"""Faults planted in the CPU kernels of sites that exclude each other: the checks must notice them.

Each fault is compiled into the portable kernels. The other instruction sets have the same code,
with other vectors.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from kernel_program import build_with
from test_exclusive_oracle import COMPETITORS, random_problem
from test_native_exclusive import upstream_of
from test_occupancy import relative_error
from test_several_faults import Fault

from cisreg.exclusive_oracle import exclusive_oracle, exclusive_oracle_gradient

ROOT = Path(__file__).parents[1]
COMPILER = os.environ.get("CXX", "c++")
OPTIONS = ("-std=c++17", "-O0", "-fPIC", "-ffp-contract=off", "-Wno-psabi", "-w")
SOURCES = (
    *(f"occupancy/{name}.cc" for name in ("checks", "kernels", "kernels_portable", "launch")),
    *("occupancy/plan.cc", "exclusive/checks.cc", "exclusive/kernels.cc"),
)
FAULTY = (
    *(f"exclusive/{name}.cc" for name in ("kernels_portable", "launch", "layout")),
    "occupancy/slices.cc",
)

INPUTS = (
    *("sequence", "log_kd", "log_concentration", "position_weight", "column_range", "span"),
    *("length", "footprint", "competitor_width", "competitor_log_odds"),
)
UPSTREAM = ("grad_bound", "grad_weighted", "grad_log_partition", "grad_competitors")
OUTPUTS = ("bound", "weighted", "log_partition", "competitors")
GRADIENTS = ("log_kd", "log_concentration", "position_weight", "competitor_log_odds")
ARRAYS = (*INPUTS, *UPSTREAM, *OUTPUTS, *GRADIENTS)


def strong_sites():
    """Sums beyond a double, of sites of two widths."""
    problem = random_problem((2, 300, 9, 3), options=("position_weight",))
    problem["column_range"] = np.array([[0, 2, 3], [9, 5, 5]], np.int32)
    column = np.arange(9)[:, None]
    held = (column < problem["column_range"][0]) | (column >= problem["column_range"][1])
    problem["log_kd"] = np.where(held[:, None], 0, problem["log_kd"]).astype(np.float32)
    problem["log_concentration"] += 40
    return problem


CASES = [
    random_problem((60, 40, 6, 19), options=("position_weight", "column_range", *COMPETITORS)),
    random_problem((2, 600, 8, 17), options=("column_range", "span", "length"), seed=1),
    random_problem((3, 25, 30, 5), options=("position_weight", "footprint"), seed=2),
    strong_sites(),
]

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


def compiling(headers, source, output):
    return (COMPILER, *OPTIONS, f"-I{headers}", f"-I{ROOT}", "-c", source, "-o", output)


@pytest.fixture(scope="session")
def other_objects(tmp_path_factory):
    """All that has no fault planted, compiled."""
    folder = tmp_path_factory.mktemp("objects")
    sources = [ROOT / "csrc" / each for each in SOURCES]
    objects = []
    for source in [*sources, ROOT / "tests/exclusive_kernels.cc"]:
        objects.append(folder / f"{source.parent.name}_{source.stem}.o")
        build_with(*compiling(ROOT / "csrc", source, objects[-1]))
    return objects


@pytest.fixture(scope="session")
def expected():
    """Outputs and gradients of each case, by the oracle."""
    found = []
    for problem in CASES:
        outputs = dict(zip(OUTPUTS, exclusive_oracle(**problem), strict=False))
        gradients = exclusive_oracle_gradient(**problem, **upstream_of(problem))
        found.append(({k: v for k, v in outputs.items() if v is not None}, gradients))
    return found


def kernels_with(folder, other_objects, fault=None):
    """The kernels with a fault planted."""
    headers = folder / "csrc"
    shutil.copytree(ROOT / "csrc", headers)
    if fault is not None:
        path = headers / fault.file
        text = path.read_text()
        assert text.count(fault.old) == 1, f"{fault.file}: adapt this fault to the new text"
        path.write_text(text.replace(fault.old, fault.new))
    objects = []
    for name in FAULTY:
        objects.append(folder / f"{Path(name).stem}.o")
        build_with(*compiling(headers, headers / name, objects[-1]))
    library = folder / "kernels.so"
    bound_here = "-Wl,-Bsymbolic"  # not to what another library of this process has
    build_with(COMPILER, "-shared", bound_here, *objects, *other_objects, "-o", library)
    return ctypes.CDLL(str(library)).RunExclusive


def run(kernels, problem, like):
    """Outputs and gradients: two dicts of arrays of the shapes of `like`."""
    given = {**problem, **upstream_of(problem)}
    count, length = problem["sequence"].shape
    if "span" in given:
        given["span"] = np.broadcast_to(given["span"], (count, 2))
    width, _, motifs = problem["log_kd"].shape
    results = [{k: np.empty(np.shape(v), np.float32) for k, v in each.items()} for each in like]
    places = [(*INPUTS, *UPSTREAM), OUTPUTS, GRADIENTS]
    arrays = [
        np.ascontiguousarray(values[name]) if name in values else None
        for names, values in zip(places, [given, *results], strict=True)
        for name in names
    ]
    pointers = (ctypes.c_void_p * len(ARRAYS))(
        *(None if each is None else each.ctypes.data for each in arrays)
    )
    competitors = len(problem.get("competitor_width", ()))
    sizes = (ctypes.c_int64 * 6)(count, length, width, motifs, 1, competitors)
    kernels(sizes, pointers)
    return results


def noticed(kernels, expected):
    """Whether any number differs by more than test_native_exclusive.py allows."""
    for problem, like in zip(CASES, expected, strict=True):
        found = run(kernels, problem, like)
        for actual, right, limit in zip(found, like, (5e-6, 2e-5), strict=True):
            with np.errstate(all="ignore"):
                errors = [relative_error(actual[name], right[name]) for name in right]
            if not all(each <= limit for each in errors):
                return True
    return False


@pytest.mark.slow
def test_without_a_fault_nothing_is_noticed(tmp_path, other_objects, expected):
    assert not noticed(kernels_with(tmp_path, other_objects), expected)


# The first one shows that faults are planted and noticed; `make test-all` has the others.
@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(each, id=str(each), marks=pytest.mark.thorough if number else ())
        for number, each in enumerate(FAULTS)
    ],
)
def test_planted_faults_are_noticed(tmp_path, other_objects, expected, fault):
    assert noticed(kernels_with(tmp_path, other_objects, fault), expected)
