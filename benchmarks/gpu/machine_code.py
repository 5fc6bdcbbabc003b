"""Machine instructions that a launch executes: the assembler's code, weighted by counts of PTX.

A simulator of PTX counts how often each line of PTX is executed; nobody here executes machine code.
So the PTX is assembled with debug information that names, for each machine instruction, the line of
PTX that it comes from. All instructions of a basic block are executed equally often: as often as
most of their lines. Where a block has instructions that an assembler neither moves to other blocks
nor makes up (products of tensor cores, special functions, barriers), these alone decide.

The check: products and special functions are the same ones in both, so that their totals must
agree. What an assembler unrolls, or moves out of a loop, would show there.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.gpu.static import OPCODE, SECTION, find_nvcc, find_nvdisasm

# Lines of PTX that are no instructions: directives, labels, braces, comments.
NO_INSTRUCTION = re.compile(r"\s*(\.|//|\{?\s*$|\}|[$\w]+:\s*$|\))")
DEBUG_STRINGS = re.compile(r"^\s*\.section\s+\.debug_str\s*\{.*?^\s*\}", re.DOTALL | re.MULTILINE)
LINE = re.compile(r'^\s*//## File ".*", line (\d+)')
LABEL = re.compile(r"^\s*\.L\w*:")
# What ends a basic block, whether it has a predicate or not.
JUMPS = ("BRA", "BRX", "JMP", "EXIT", "RET", "CALL", "BREAK", "BSYNC")
# What an assembler leaves in its block.
FIXED = ("HMMA", "MUFU", "MOVM", "BAR", "SHFL", "STG", "STS", "ATOM", "RED")

# Pipes of a multiprocessor by the beginnings of opcodes; what is in none takes an issue slot alone.
PIPES = {
    "fp32": ("FFMA", "FMUL", "FADD"),
    "imad": ("IMAD",),
    "alu": (
        *("IADD3", "LOP3", "SHF", "ISETP", "FSETP", "SEL", "FSEL", "FMNMX", "IMNMX", "VIMNMX"),
        *("PRMT", "LEA", "PLOP3", "IABS", "VIADD", "LOP", "P2R", "R2P", "BMSK", "FCHK", "SGXT"),
    ),
    "mufu": ("MUFU",),
    "lsu": (
        "LDS",
        "STS",
        "LDG",
        "STG",
        "LDSM",
        "LD",
        "ST",
        "SHFL",
        "ATOM",
        "RED",
        "MOVM",
        "LDL",
        "STL",
    ),
    "tensor": ("HMMA",),
}


@dataclasses.dataclass
class Block:
    """A basic block: opcodes, each with the line of PTX that it comes from, or None."""

    instructions: list[tuple[str, int | None]] = dataclasses.field(default_factory=list)


def name_lines(ptx: str) -> str:
    """The same PTX, in which each instruction's place in the source is its own line of PTX."""
    kept = DEBUG_STRINGS.sub(lambda found: "\n" * found[0].count("\n"), ptx)
    lines, inside, complete = [], 0, True
    header = True
    for number, line in enumerate(kept.split("\n"), 1):
        if re.match(r"\s*\.(loc|file)\b", line):
            lines.append("")
            continue
        if header and re.match(r"\s*\.address_size", line):
            lines.append(f'{line}\n.file 1 "kernels.ptx"')
            header = False
            continue
        instruction = inside > 0 and not NO_INSTRUCTION.match(line)
        if instruction and complete:
            lines.append(f"\t.loc 1 {number} 0")
        if instruction:
            complete = line.rstrip().endswith((";", "{", "}"))
        inside += line.count("{") - line.count("}")
        lines.append(line)
    return "\n".join(lines)


def assemble(ptx: Path, architecture: int, target: Path, *, lines: bool = True) -> Path:
    """A cubin of PTX; with `lines` its instructions name their lines of PTX."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernels.ptx"
        text = ptx.read_text()
        source.write_text(name_lines(text) if lines else text)
        command = [find_nvcc() or "nvcc", f"-arch=sm_{architecture}", "-O3", "-cubin"]
        command += [*(["-lineinfo"] if lines else []), str(source), "-o", str(target)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return target


def disassemble(cubin: Path, *, lines: bool = True) -> dict[str, list[Block]]:
    """The basic blocks of each kernel, by its mangled name; `lines`: with lines of PTX."""
    command = [find_nvdisasm() or "nvdisasm", "-c", *(["-g"] if lines else []), str(cubin)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    _, *parts = SECTION.split(said)
    return {name: blocks_of(text) for name, text in zip(parts[::2], parts[1::2], strict=True)}


def blocks_of(text: str) -> list[Block]:
    """Basic blocks of a kernel's disassembly."""
    blocks, line = [Block()], None
    for each in text.splitlines():
        place = LINE.match(each)
        if place:
            line = int(place[1])
            continue
        if LABEL.match(each):
            blocks.append(Block())
            continue
        found = OPCODE.match(each)
        if not found:
            continue
        blocks[-1].instructions.append((found[1], line))
        if found[1].split(".")[0] in JUMPS:
            blocks.append(Block())
    blocks = [block for block in blocks if block.instructions]
    # Behind the last instruction, a jump to itself and what fills the kernel up.
    while blocks and {opcode for opcode, _ in blocks[-1].instructions} <= {"BRA", "NOP"}:
        del blocks[-1]
    return blocks


def executions(block: Block, counts: Mapping[int, int]) -> int:
    """How often a block is executed, from how often lines of PTX are."""
    known = [(opcode, counts.get(line, 0)) for opcode, line in block.instructions if line]
    fixed = [count for opcode, count in known if opcode.split(".")[0] in FIXED]
    votes = Counter(fixed or [count for _, count in known])
    # The larger of two counts with as many votes: code that is executed is not to be forgotten.
    return max(votes, key=lambda count: (votes[count], count)) if votes else 0


def executed(blocks: Iterable[Block], counts: Mapping[int, int]) -> Counter[str]:
    """Executed machine instructions of a kernel by opcode, in warps."""
    total: Counter[str] = Counter()
    for block in blocks:
        times = executions(block, counts)
        if times:
            for opcode, number in Counter(opcode for opcode, _ in block.instructions).items():
                total[opcode] += times * number
    return total


def certainty(blocks: Iterable[Block], counts: Mapping[int, int]) -> float:
    """Share of executed instructions whose own line is executed as often as their block.

    The others were moved into a block of another count, or stand for several lines of PTX.
    """
    same = every = 0
    for block in blocks:
        times = executions(block, counts)
        every += times * len(block.instructions)
        own = [counts.get(line, 0) for _, line in block.instructions if line]
        same += times * own.count(times)
    return same / every if every else 1.0


@functools.cache
def pipe_of(opcode: str) -> str | None:
    """The pipe of an instruction, or None."""
    base = opcode.split(".")[0]
    return next((pipe for pipe, names in PIPES.items() if base in names), None)


def by_pipe(opcodes: Mapping[str, int]) -> dict[str, int]:
    """Warp instructions of each pipe, and of all together as "issue"."""
    total = {"issue": sum(opcodes.values()), **dict.fromkeys(PIPES, 0)}
    for opcode, number in opcodes.items():
        pipe = pipe_of(opcode)
        if pipe is not None:
            total[pipe] += number
    return total


def line_counts(stats: Any) -> dict[int, int]:
    """Executions of each line of PTX in a launch of the simulator, in warps."""
    counts: Counter[int] = Counter()
    for row in stats["instructions"]:
        counts[row["line"]] = max(counts[row["line"]], row["warp"])
    return dict(counts)
