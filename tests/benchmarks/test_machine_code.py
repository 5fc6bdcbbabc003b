"""Machine instructions counted by executions of PTX lines."""

from __future__ import annotations

import subprocess

import pytest

from benchmarks.gpu import machine_code
from benchmarks.gpu.machine_code import (
    Block,
    blocks_of,
    by_pipe,
    certainty,
    executed,
    executions,
    name_lines,
)
from benchmarks.gpu.static import find_nvcc, find_nvdisasm

PTX = """
.version 8.0
.target sm_90
.address_size 64
	.file	1 "law.cuh"
.visible .entry kernel(
	.param .u64 kernel_param_0
)
{
	.reg .f32 %f<9>;
	.loc	1 20 3, function_name $L__info_string0, inlined_at 1 30 2
	ld.param.u64 	%rd1, [kernel_param_0];
$L__BB0_1:
	.loc	1 21 3
	fma.rn.f32 	%f1, %f1,
		%f2, %f3;
	@%p1 bra 	$L__BB0_1;
	ret;
}
	.section	.debug_str
	{
$L__info_string0:
.b8 99
	}
"""

TEXT = """
        /*0000*/                   MOV R1, c[0x0][0x28] ;
	//## File "kernels.ptx", line 12
        /*0010*/                   S2R R0, SR_TID.X ;
.L_x_1:
	//## File "kernels.ptx", line 20
        /*0020*/                   HMMA.16816.F32 R4, R8, R10, R4 ;
	//## File "kernels.ptx", line 12
        /*0030*/                   IADD3 R0, R0, 0x1, RZ ;
        /*0040*/                   FFMA R2, R2, R3, R3 ;
	//## File "kernels.ptx", line 20
        /*0050*/              @!P0 BRA `(.L_x_1) ;
        /*0060*/                   EXIT ;
.L_x_2:
        /*0070*/                   BRA `(.L_x_2);
        /*0080*/                   NOP;
"""


def test_lines_of_ptx_are_named():
    found = name_lines(PTX).split("\n")
    text = "\n".join(found)
    assert "law.cuh" not in text and "inlined_at" not in text and "info_string0:" not in text
    for words, line in (("ld.param", 12), ("fma.rn", 15), ("@%p1 bra", 17), ("ret;", 18)):
        at = next(i for i, each in enumerate(found) if words in each)
        assert found[at - 1].split() == [".loc", "1", str(line), "0"], words
        assert words.split()[0] in PTX.split("\n")[line - 1]
    # A second line of one instruction has no place of its own.
    at = next(i for i, each in enumerate(found) if each.strip() == "%f2, %f3;")
    assert "fma.rn" in found[at - 1]


def test_blocks_end_at_labels_and_jumps():
    blocks = blocks_of(TEXT)
    assert [[opcode for opcode, _ in block.instructions] for block in blocks] == [
        ["MOV", "S2R"],
        ["HMMA.16816.F32", "IADD3", "FFMA", "BRA"],
        ["EXIT"],
    ]
    assert [line for _, line in blocks[1].instructions] == [20, 12, 12, 20]


def test_products_decide_how_often_a_block_is_executed():
    # Two of the block's instructions come from a line before the loop.
    counts = {12: 4, 20: 400}
    blocks = blocks_of(TEXT)
    assert [executions(block, counts) for block in blocks] == [4, 400, 400]
    assert executed(blocks[:2], counts) == {
        **{"MOV": 4, "S2R": 4},
        **{"HMMA.16816.F32": 400, "IADD3": 400, "FFMA": 400, "BRA": 400},
    }


def test_most_lines_decide_where_nothing_is_fixed():
    block = Block([("FADD", 1), ("FADD", 2), ("FADD", 3), ("MOV", None)])
    assert executions(block, {1: 7, 2: 7, 3: 900}) == 7
    assert executions(block, {1: 7, 3: 900}) == 900
    assert executions(Block([("NOP", None)]), {}) == 0


def test_certainty_is_the_share_of_instructions_that_agree_with_their_block():
    # Of the loop's 4 instructions two come from line 12; in the first block both do.
    counts = {12: 4, 20: 400}
    blocks = blocks_of(TEXT)[:2]
    assert certainty(blocks, counts) == (4 * 1 + 400 * 2) / (4 * 2 + 400 * 4)
    assert certainty([], counts) == 1


def test_pipes():
    found = by_pipe({"FFMA": 5, "IMAD.MOV.U32": 3, "HMMA.SP.16832.F32": 2, "MUFU.EX2": 1, "BRA": 9})
    wanted = {"issue": 20, "fp32": 5, "imad": 3, "alu": 0, "mufu": 1, "lsu": 0, "tensor": 2}
    assert found == wanted


KERNEL = """
__global__ void loop(float* x, int n) {
  float sum = x[threadIdx.x];
  #pragma unroll 1
  for (int i = 0; i < n; ++i) {
    float y;
    asm volatile("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(sum));
    sum = y + x[i];
  }
  x[threadIdx.x] = sum;
}
"""


@pytest.mark.skipif(find_nvcc() is None, reason="nvcc is not here")
@pytest.mark.skipif(find_nvdisasm() is None, reason="nvdisasm is not here")
def test_a_loop_of_the_compiler_is_counted(tmp_path):
    source, ptx = tmp_path / "loop.cu", tmp_path / "loop.ptx"
    source.write_text(KERNEL)
    command = [find_nvcc(), "-ptx", "-arch=sm_90", "-O3", "-lineinfo", source, "-o", ptx]
    subprocess.run(command, check=True)
    lines = ptx.read_text().split("\n")
    inside = next(i for i, line in enumerate(lines, 1) if "ex2.approx" in line)
    loop = max(i for i, line in enumerate(lines[:inside], 1) if line.startswith("$L"))
    end = next(i for i, line in enumerate(lines, 1) if i > inside and "bra" in line)
    # As a simulator would count one warp of ten rounds.
    counts = {i: 10 if loop < i <= end else 1 for i in range(len(lines))}
    with_lines, without = tmp_path / "with.cubin", tmp_path / "without.cubin"
    (blocks,) = machine_code.disassemble(machine_code.assemble(ptx, 90, with_lines)).values()
    found = executed(blocks, counts)
    assert found["MUFU.EX2"] == 10
    assert sum(count for opcode, count in found.items() if opcode.startswith("STG")) == 1
    assert 60 < sum(found.values()) < 200
    # Debug information changes no instruction.
    plain = machine_code.assemble(ptx, 90, without, lines=False)
    (others,) = machine_code.disassemble(plain, lines=False).values()
    assert [[opcode for opcode, _ in each.instructions] for each in others] == [
        [opcode for opcode, _ in each.instructions] for each in blocks
    ]
