"""The code that nvcc generates: everything in registers, and no unwanted instructions.

Instructions are counted in the disassembly. It contains two versions of the law: for sites that
share divisions, and for sites of any strength. The counts follow from the tile sizes alone, unless
something is compiled twice.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
from pathlib import Path

import pytest

from benchmarks.gpu import static
from benchmarks.gpu.static import (
    ARCHITECTURES,
    CUDA,
    count,
    find_nvcc,
    find_nvdisasm,
    is_clean,
    kind_of,
    resident_warps,
    resources,
)
from benchmarks.shared.executors import CACHE, ROOT, digest_of, made_once

# The gradient kernel divides twice to find a segment of its share, by code for 32 bits or by a
# function for 64 bits that both call.
INTEGER_DIVISIONS = 3
# A lane has two motifs of a tile.
LANE_MOTIFS = 2


def constants():
    """The integers of the table of tile sizes; some are computed from earlier ones."""
    found = {}
    text = (CUDA / "tiles.h").read_text()
    for name, value in re.findall(r"constexpr int (k\w+) = ([\w */+-]+);", text):
        found[name] = eval(value.replace("/", "//"), {}, found)
    return found


SIZES = constants()


# One architecture with sparse products and one without stand for all; each takes a minute.
ARCHITECTURE_PARAMETERS = [
    pytest.param(each, marks=[] if each in (75, 90) else pytest.mark.slow) for each in ARCHITECTURES
]
of_each_architecture = pytest.mark.parametrize("architecture", ARCHITECTURE_PARAMETERS)


@functools.cache
def rows_for(architecture):
    """Compiled once, whichever of several processes runs the tests of an architecture."""
    sources = [*CUDA.glob("*"), *(ROOT / "csrc").rglob("*.h"), Path(static.__file__)]
    tools = [str(tool).encode() for tool in (find_nvcc(), find_nvdisasm())]
    digest = digest_of(*tools, *(path.read_bytes() for path in sorted(sources)))
    target = CACHE / f"static-{architecture}-{digest}.json"
    made_once(target, lambda path: path.write_text(json.dumps(resources([architecture]))))
    return json.loads(target.read_text())


@pytest.fixture
def compiled(architecture):
    """All rows of an architecture."""
    if find_nvcc() is None:
        pytest.skip("kernels are compiled by nvcc, which is not here")
    return rows_for(architecture)


def rows_of(compiled, architecture, name=""):
    """Kernels whose names begin with `name`."""
    rows = [row for row in compiled if row["architecture"] == architecture]
    rows = [row for row in rows if row["kernel"].startswith(name)]
    assert rows, f"no {name} for sm_{architecture}"
    return rows


def counted_rows(compiled, architecture, name):
    if find_nvdisasm() is None:
        pytest.skip("instructions are counted by nvdisasm, which is not here")
    if shutil.which("c++filt") is None:
        pytest.skip("kernels are told apart by names from c++filt, which is not here")
    return rows_of(compiled, architecture, name)


def is_sparse(architecture):
    return architecture >= SIZES["kSparseCapability"]


def template_arguments(row):
    """The template arguments in a kernel's short name, as numbers and booleans."""
    inside = re.search(r"<(.*)>", row["kernel"])[1]
    words = {"true": True, "false": False}
    return [words[each] if each in words else int(each) for each in inside.split(",")]


def check_products(row, scan, gradient):
    """Checks the number of sparse products of the scan and of dense products of the gradient.

    Without sparse products all are dense, and more are needed, since each one is smaller.
    """
    if is_sparse(row["architecture"]):
        wanted = {"HMMA.SP": scan, "HMMA": gradient}
    else:
        wanted = {"HMMA.SP": 0, "HMMA": 4 * scan + 2 * gradient}
    assert {kind: count(row, kind) for kind in wanted} == wanted, row


def divisions(sites):
    """Divisions: one for every four sites that share it, then one for each site of any strength."""
    return -(-sites // 4) + sites


# ------------------------------------------------------------------------ what ptxas tells


@of_each_architecture
def test_everything_is_in_registers(compiled, architecture):
    assert [row for row in rows_of(compiled, architecture) if not is_clean(row)] == []


@of_each_architecture
def test_registers_allow_the_blocks_that_are_wanted(compiled, architecture):
    for row in rows_of(compiled, architecture, "ForwardKernel"):
        assert row["blocks"] >= 1, row
    for row in rows_of(compiled, architecture, "GradientKernel"):
        _, _, weighted, several = template_arguments(row)
        held = is_sparse(architecture) and architecture < SIZES["kUnboundedCapability"]
        bounded = held and not weighted and not several
        assert row["blocks"] >= (SIZES["kBackwardBlocks"] if bounded else 2), row


def test_a_planted_spill_is_noticed(tmp_path):
    # Launch bounds for two blocks where only one fits: nvcc obeys them above all else.
    if find_nvcc() is None:
        pytest.skip("kernels are compiled by nvcc, which is not here")
    cuda = tmp_path / "cuda"
    shutil.copytree(CUDA, cuda, ignore=lambda _, names: {x for x in names if x.endswith(".cu")})
    text = (CUDA / "forward.cu").read_text()
    bounds = re.compile(r"(__launch_bounds__\(.*kWarp), 1\)")
    assert len(bounds.findall(text)) == 1, "adapt the fault to the new text"
    (cuda / "forward.cu").write_text(bounds.sub(r"\1, 2)", text))
    rows = resources([90], cuda)
    spilled = [row for row in rows if not is_clean(row)]
    assert spilled
    assert all(row["spill_store_bytes"] and row["spill_load_bytes"] for row in spilled)
    if find_nvdisasm() is not None:
        assert all(count(row, "LDL") and count(row, "STL") for row in spilled)


# ------------------------------------------------------------------- what nvdisasm tells


@pytest.mark.parametrize("name", ["ForwardKernel", "GradientKernel"])
@of_each_architecture
def test_scans_on_tensor_cores(compiled, architecture, name):
    wanted = "HMMA.SP.16832" if is_sparse(architecture) else "HMMA.1688"
    for row in counted_rows(compiled, architecture, name):
        assert any(f"{opcode}.".startswith(f"{wanted}.") for opcode in row["opcodes"]), row
        assert count(row, "LDL") == count(row, "STL") == 0, row


@of_each_architecture
def test_forward_counted_by_hand(compiled, architecture):
    # RowTiles strips need sparse products.
    heights = [
        SIZES["kForwardRowTilesShort"],
        *([SIZES["kForwardRowTiles"]] if is_sparse(architecture) else []),
    ]
    rows = counted_rows(compiled, architecture, "ForwardKernel")
    # Divisions of whole numbers, which find a warp's work, take reciprocals too, each of a number
    # that was converted. On 12.0 a conversion may serve several; what they take is seen where the
    # law takes logarithms alone.
    logarithms_alone = {
        template_arguments(row)[0]: count(row, "MUFU.RCP")
        for row in rows
        if template_arguments(row)[1:] == [True, False, False]
    }
    for row in rows:
        terms, log_unbound, weighted, several = template_arguments(row)
        # Rows g and g + 8 of each tile of windows, for each of the lane's motifs.
        sites = [2 * tall for tall in heights]
        # Counted twice: code for all steps of a chunk, and code for the steps in use alone.
        check_products(row, 2 * terms * SIZES["kChunkSteps"] * sum(heights), 0)
        if several:
            # One exponential serves all conditions and sets where sites share divisions. Others
            # take one in each of the sums: of p with weights and without, and of logarithms.
            laws = 3 if log_unbound and weighted else 2
            assert count(row, "MUFU.EX2") == LANE_MOTIFS * laws * sum(sites), row
            continue
        assert count(row, "MUFU.EX2") == LANE_MOTIFS * 2 * sum(sites), row
        shared = LANE_MOTIFS * sum(map(divisions, sites))
        converted = count(row, "I2F")
        whole = logarithms_alone[terms] if architecture == 120 else converted
        assert 0 < converted <= whole, row
        reciprocals = count(row, "MUFU.RCP") - whole
        assert reciprocals == (shared if weighted or not log_unbound else 0), row
        assert count(row, "MUFU.LG2") == (shared if log_unbound else 0), row


@of_each_architecture
def test_gradient_counted_by_hand(compiled, architecture):
    groups = SIZES["kBackwardRowTiles"], SIZES["kBackwardRowTilesShort"]
    laws = LANE_MOTIFS * SIZES["kWarpTiles"]
    for row in counted_rows(compiled, architecture, "GradientKernel"):
        terms, *_, several = template_arguments(row)
        # Also under several conditions: there, sites of any strength are in a loop over them.
        assert count(row, "MUFU.EX2") == laws * sum(2 * 2 * tall for tall in groups), row
        reciprocals = laws * sum(divisions(2 * tall) for tall in groups)
        whole = count(row, "MUFU.RCP") - reciprocals
        # Several conditions and sets take more divisions, to find upstream gradients.
        assert whole >= INTEGER_DIVISIONS if several else whole == INTEGER_DIVISIONS, row
        assert count(row, "MUFU.LG2") == 0, row
        tiles = SIZES["kWarpTiles"] * sum(groups)
        assert count(row, "MOVM") == 2 * terms * tiles, row
        # Counted twice: code for all rows of the gradient, and code for the trained rows alone.
        gradient = 2 * SIZES["kGradientRows"] * terms * tiles
        check_products(row, terms * SIZES["kChunkSteps"] * tiles, gradient)


def test_the_longest_name_counts():
    assert kind_of("HMMA.SP.16832.F32") == "HMMA.SP"
    assert kind_of("HMMA.16816.F32.BF16") == "HMMA"
    assert kind_of("LDS.U.128") == "LDS"
    assert kind_of("LDSM.16.M88") is None


@pytest.mark.parametrize(
    ("architecture", "registers", "threads", "blocks", "warps"),
    [
        (90, 128, 512, 1, 16),
        (90, 168, 384, 1, 12),
        (90, 168, 128, 3, 12),
        (90, 169, 128, 2, 8),
        (90, 32, 128, 16, 64),
        (86, 32, 128, 12, 48),
        (75, 32, None, None, 32),
    ],
)
def test_residents_counted_by_hand(architecture, registers, threads, blocks, warps):
    found = resident_warps(architecture, registers, threads)
    assert found == {"blocks": blocks, "warps": warps}
