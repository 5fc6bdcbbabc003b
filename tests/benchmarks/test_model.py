"""The model of the time on GPUs: what follows from counts, counted by hand."""

from __future__ import annotations

import typing

import pytest

from benchmarks.gpu import model
from benchmarks.gpu.limit import PLAIN
from benchmarks.gpu.model import BASE, DENSE, PEAK
from benchmarks.gpu.work import CHIPS, Launch
from benchmarks.shared.problem import Point

# Rates of a chip with two multiprocessors, as the simulator's table has them.
RATES = {
    **{"sms": 2, "clock": 2e9, "mma_clock": 1.8e9, "mma_sync": 0.5, "sparse": 2, "dram": 1e9},
    **{"fp32": 128, "imul": 64, "alu": 64, "mufu": 16, "lsu": 32, "issue": 4},
    "mma": {"F16": 4096, "BF16": 4096},
}


class Simulator:
    """In place of the simulator: its table, and what it says of a launch."""

    GPUS: typing.ClassVar = {"H100": RATES}

    @staticmethod
    def roofline(stats, chip):
        return {"sms_used": 1, "resources": {"dram": 3e-6, "shared": 4e-6, "issue": 9e-6}}


STATS = {
    "kernel": "ForwardKernel(ForwardParams)",
    "blocks": 1,
    "mma": {"flops_by_type": {"F16.sp": 3.6864e9, "BF16": 3.6864e9}},
    "classes": {"mma": {"warp": 7}},
    "instructions": [
        {"line": 3, "cls": "mma", "warp": 7, "sectors": 0, "text": "mma.sp.sync.aligned"},
        {"line": 4, "cls": "mufu", "warp": 5, "sectors": 0, "text": "ex2.approx.ftz.f32 %f1, %f2;"},
        {"line": 5, "cls": "ld_global", "warp": 2, "sectors": 64, "text": "ld.global.v4.u32"},
        {"line": 6, "cls": "st_shared", "warp": 2, "sectors": 8, "text": "st.shared.u32"},
    ],
}
LAUNCH = Launch("kernel", STATS)
OPCODES = {"HMMA.SP.16832": 7, "MUFU.EX2": 5, "MUFU.RCP": 3, "FFMA": 100, "IMAD": 60, "LDG.E": 2}


def test_seconds_of_units():
    units = model.unit_seconds(Simulator, "H100", LAUNCH, OPCODES, PEAK)
    # 4096 operations a cycle, half of them through mma.sync, 1.8 GHz, two multiprocessors.
    dense = 3.6864e9 / (4096 * 0.5 * 1.8e9 * 2)
    assert units["mma"] == pytest.approx(1.5 * dense)
    assert units["issue"] == pytest.approx(177 / (4 * 2e9 * 2))
    assert units["mufu"] == pytest.approx(32 * 8 / (16 * 2e9 * 2))
    # Integer products take the same pipe as sums, and half of its lanes.
    assert units["fp32"] == pytest.approx(32 * max(160 / 128, 60 / 64) / (2e9 * 2))
    # What goes through one of two multiprocessors takes half as long on both; memory does not.
    assert (units["shared"], units["dram"]) == (2e-6, 3e-6)
    slow = model.unit_seconds(Simulator, "H100", LAUNCH, OPCODES, DENSE)
    assert slow["mma"] == pytest.approx(2 * dense)
    assert {**slow, "mma": 0} == {**units, "mma": 0}


def test_without_machine_code_instructions_are_those_of_ptx():
    units = model.unit_seconds(Simulator, "H100", LAUNCH, None, PEAK)
    assert units["issue"] == 4.5e-6


def test_motifs_are_prepared_once_and_by_few_blocks():
    counted = model.Counted(
        *(Simulator, "H100", Point("fused"), False, PLAIN),
        [LAUNCH, Launch("_ZN6cisreg3gpu14EnergiesKernelENS0_13PrepareParamsE", STATS)],
        [OPCODES, OPCODES],
        10.0,
    )
    forward, energies = counted.kernels(PEAK)
    assert forward["issue"] == pytest.approx(1e6 * 10 * 177 / (4 * 2e9 * 2))
    # One block keeps one multiprocessor at work.
    assert energies["issue"] == pytest.approx(1e6 * 177 / (4 * 2e9))
    assert energies["shared"] == pytest.approx(4.0)


def test_at_the_base_clock_all_but_memory_takes_longer():
    units = {"dram": 1.0, "mma": 1.0, "issue": 1.0}
    assert model.at_clock(RATES, "H100", units, PEAK) == units
    base = CHIPS["H100"].base_ghz
    found = model.at_clock(RATES, "H100", units, BASE)
    assert found == {"dram": 1.0, "mma": 1.8 / base, "issue": 2.0 / base}


def test_kernels_follow_each_other_and_units_overlap():
    kernels = [{"mma": 3.0, "issue": 2.0}, {"issue": 1.0}]
    assert model.bound_seconds(kernels) == 4.0
    assert model.total_seconds(kernels) == {"mma": 3.0, "issue": 3.0}


def test_limits_counted_by_hand():
    point = Point("fused", width=30)
    found = model.limit_seconds(RATES, 1e6, point, True, PEAK)
    operations = 2 * 4 * 30 * 2 * 1e6
    assert found["tensor cores"] == pytest.approx(1.5 * operations / (4096 * 0.5 * 1.8e9 * 2))
    assert found["special functions"] == pytest.approx(1.25e6 / (16 * 2e9 * 2))
    dense = model.limit_seconds(RATES, 1e6, point, True, DENSE)
    assert dense["tensor cores"] == pytest.approx(2 * operations / (4096 * 0.5 * 1.8e9 * 2))
    # Without sparse products, it does not matter how fast they would be.
    old = {name: value for name, value in RATES.items() if name != "sparse"}
    assert model.limit_seconds(old, 1e6, point, True, PEAK) == model.limit_seconds(
        old, 1e6, point, True, DENSE
    )


def test_the_cache_is_counted_at_most():
    assert model.cache_seconds("H100", LAUNCH) == 32 * 64 / CHIPS["H100"].cache_bytes


def test_counts_that_cannot_be_right_are_named():
    right = {"agreement": [model.agreement(LAUNCH, OPCODES)], "share": 0.9, "dense_share": 0.9}
    assert right["agreement"] == [{"products": [7, 7], "exponentials": [5, 5]}]
    assert model.fault_of(right) is None
    # As if the assembler had unrolled a loop by two.
    twice = {opcode: 2 * count for opcode, count in OPCODES.items()}
    wrong = {**right, "agreement": [model.agreement(LAUNCH, twice)]}
    assert "disagree" in model.fault_of(wrong)
    # As if the motifs had not been prepared, so that no column is scanned.
    for name in ("share", "dense_share"):
        assert "products are missing" in model.fault_of({**right, name: 1.05})
