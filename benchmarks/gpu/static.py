"""What the compiler made of the CUDA kernels: registers, spills, and counts of instructions.

    python -m benchmarks.gpu.static

Wants nvcc, but no GPU. Instructions are counted where nvdisasm is: beside nvcc, in PATH, or from
the package nvidia-cuda-nvdisasm. Counts are static: of the kernel's text, whatever runs how often.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.shared.suite import Row, print_machine, print_table, write_json

ROOT = Path(__file__).parents[2]
CUDA = ROOT / "cuda"
ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
# Instructions that are counted; if two names match, the longer one counts.
INSTRUCTIONS = (
    *("HMMA", "HMMA.SP", "MUFU.EX2", "MUFU.RCP", "MUFU.LG2"),
    *("LDL", "STL", "LDS", "MOVM", "I2F"),
)

# Of a multiprocessor: registers, its quarters (with registers of their own), and the number of
# registers that a warp gets at a time.
REGISTERS = 65536
QUARTERS = 4
REGISTER_UNIT = 256
WARP = 32
MOST_WARPS = {75: 32, 80: 64, 86: 48, 89: 48, 90: 64, 100: 64, 120: 48}
MOST_BLOCKS = {75: 16, 80: 32, 86: 16, 89: 24, 90: 32, 100: 32, 120: 24}

# Output of ptxas for a function; functions that are no kernels have no line of registers.
PROPERTIES = re.compile(
    r"Function properties for (?P<name>\S+)\n"
    r"\s*(?P<stack_bytes>\d+) bytes stack frame, (?P<spill_store_bytes>\d+) bytes spill stores, "
    r"(?P<spill_load_bytes>\d+) bytes spill loads"
    r"(?:\nptxas info\s*: Used (?P<registers>\d+) registers(?P<others>.*))?"
)
BLOCK_THREADS = re.compile(r"\.entry (\w+)\([^)]*\)\s*\.maxntid (\d+)")
SECTION = re.compile(r"^\.text\.(\S+):", re.MULTILINE)
# Address, perhaps a predicate, and the instruction.
OPCODE = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:\{\s*)?(?:@!?\w+\s+)?([A-Z][\w.]*)", re.MULTILINE)


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "architectures",
        type=int,
        nargs="*",
        default=ARCHITECTURES,
        metavar="architecture",
        help=f"such as 90; default: {' '.join(map(str, ARCHITECTURES))}",
    )
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--markdown", action="store_true", help="print tables as Markdown")
    arguments = parser.parse_args()
    for architecture in arguments.architectures:
        if architecture not in ARCHITECTURES:
            parser.error(f"expected architectures of {ARCHITECTURES}, got {architecture}")
    return arguments


def find_nvcc() -> str | None:
    """Of the environment variable NVCC, of PATH, or in its usual place; None where it is not."""
    for nvcc in (os.environ.get("NVCC"), shutil.which("nvcc"), "/usr/local/bin/nvcc"):
        if nvcc and Path(nvcc).exists():
            return nvcc
    return None


def find_nvdisasm() -> str | None:
    """Of PATH, beside nvcc, or from its package; None where it is not."""
    folders = [Path(nvcc).resolve().parent for nvcc in (find_nvcc(),) if nvcc]
    folders += sorted(Path(sysconfig.get_path("purelib")).glob("nvidia/*/bin"))
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)])
    return shutil.which("nvdisasm", path=path)


def resources(
    architectures: Iterable[int] = ARCHITECTURES, cuda: Path = CUDA, units: str = "*.cu"
) -> list[Row]:
    """Compiles units of a folder for each architecture: a row per kernel and architecture.

    `opcodes` of a row counts those of `INSTRUCTIONS` by their full names; None without nvdisasm.
    """
    jobs = [(unit, each) for each in architectures for unit in sorted(cuda.glob(units))]
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = pool.map(lambda job: _compile(*job), jobs)
        return [row for rows in found for row in rows]


def is_clean(row: Row) -> bool:
    """Whether a kernel uses only registers: no spills and no local memory, according to ptxas."""
    kinds = ("stack_bytes", "spill_store_bytes", "spill_load_bytes", "local_bytes")
    return not any(row[kind] for kind in kinds)


def count(row: Row, instruction: str) -> int:
    """How many instructions of one kind of `INSTRUCTIONS` a kernel has."""
    return sum(n for opcode, n in row["opcodes"].items() if kind_of(opcode) == instruction)


@functools.cache
def kind_of(opcode: str) -> str | None:
    """The longest of `INSTRUCTIONS` that an instruction's full name begins with."""
    kinds = [kind for kind in INSTRUCTIONS if f"{opcode}.".startswith(f"{kind}.")]
    return max(kinds, key=len, default=None)


def resident_warps(architecture: int, registers: int, block_threads: int | None) -> Row:
    """Blocks and warps of a multiprocessor, for all that its registers and its limits allow.

    Blocks are None where the kernel does not bound its threads.
    """
    of_warp = -(-registers * WARP // REGISTER_UNIT) * REGISTER_UNIT
    fitting = REGISTERS // QUARTERS // max(of_warp, 1) * QUARTERS
    warps = min(fitting, MOST_WARPS[architecture])
    if block_threads is None:
        return {"blocks": None, "warps": warps}
    block_warps = -(-block_threads // WARP)
    blocks = min(warps // block_warps, MOST_BLOCKS[architecture])
    return {"blocks": blocks, "warps": blocks * block_warps}


def _compile(unit: Path, architecture: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / f"{unit.stem}.cubin"
        command = [find_nvcc() or "nvcc", "-std=c++17", "-O3", f"-I{ROOT / 'csrc'}"]
        command += [f"-I{unit.parent}", f"-arch=sm_{architecture}", "-cubin", "-Xptxas=-v"]
        # PTX is kept, since only it has the launch bounds.
        command += ["--keep", f"--keep-dir={folder}", str(unit), "-o", str(cubin)]
        said = _run(command)
        threads = dict(BLOCK_THREADS.findall(cubin.with_suffix(".ptx").read_text()))
        opcodes = _count_opcodes(cubin)
    found = [match.groupdict() for match in PROPERTIES.finditer(said)]
    names = _short_names([each["name"] for each in found])
    return [
        {
            "kernel": name,
            **_describe(each, architecture, threads.get(each["name"])),
            "opcodes": None if opcodes is None else opcodes.get(each["name"], {}),
        }
        for name, each in zip(names, found, strict=True)
    ]


def _describe(properties: dict[str, str], architecture: int, threads: str | None) -> Row:
    registers, others = int(properties["registers"] or 0), properties["others"] or ""
    block_threads = int(threads) if threads else None
    return {
        "architecture": architecture,
        "registers": registers,
        "shared_bytes": _bytes_of("smem", others),
        "local_bytes": _bytes_of("lmem", others),
        **{key: int(properties[key]) for key in properties if key.endswith("_bytes")},
        "block_threads": block_threads,
        **resident_warps(architecture, registers, block_threads),
    }


def _bytes_of(kind: str, said: str) -> int:
    found = re.search(rf"(\d+) bytes {kind}", said)
    return int(found[1]) if found else 0


def _count_opcodes(cubin: Path) -> dict[str, Counter[str]] | None:
    nvdisasm = find_nvdisasm()
    if nvdisasm is None:
        return None
    # Text before the first kernel, then names and texts in turn.
    _, *parts = SECTION.split(_run([nvdisasm, "-c", str(cubin)]))
    texts = zip(parts[::2], parts[1::2], strict=True)
    return {name: Counter(filter(kind_of, OPCODE.findall(text))) for name, text in texts}


def _short_names(mangled: Sequence[str]) -> list[str]:
    """Without namespaces and parameters, where c++filt is; ForwardKernel<7,2,false,false>."""
    if not mangled or shutil.which("c++filt") is None:
        return list(mangled)
    names = _run(["c++filt", *mangled]).splitlines()
    return [re.sub(r"^void |\w+::|\(.*| ", "", name) for name in names]


def _run(command: Sequence[str]) -> str:
    """What a program says, on both of its streams."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}")
    return done.stdout


def _version(program: str | None) -> str:
    if program is None:
        return "not found"
    found = re.search(r"V([\d.]+)", _run([program, "--version"]))
    return found[1] if found else "unknown"


def make_table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Columns and cells of the kernels of one architecture."""
    columns = ["kernel", "regs", "static\nshared", "stack", "spill\nst/ld", "blocks", "warps"]
    counted = INSTRUCTIONS if all(row["opcodes"] is not None for row in rows) else ()
    cells = [[*_cells(row), *(str(count(row, kind)) for kind in counted)] for row in rows]
    return columns + [kind.replace(".", "\n") for kind in counted], cells


def _cells(row: Row) -> list[str]:
    numbers = [row["registers"], row["shared_bytes"], row["stack_bytes"]]
    spills = f"{row['spill_store_bytes']}/{row['spill_load_bytes']}"
    blocks = "" if row["blocks"] is None else str(row["blocks"])
    return [row["kernel"], *map(str, numbers), spills, blocks, str(row["warps"])]


def print_markdown(title: str, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """The first column left, the others right."""
    lines = [
        [column.replace("\n", " ") for column in columns],
        ["---", *["--:"] * (len(columns) - 1)],
        *([f"`{name}`", *others] for name, *others in cells),
    ]
    print(f"**{title}**\n")
    print("\n".join(f"| {' | '.join(line)} |" for line in lines), end="\n\n")


def main() -> None:
    """Compiles, and prints a table for each architecture."""
    arguments = parse_arguments()
    if find_nvcc() is None:
        sys.exit("nvcc is not here: name it in the environment variable NVCC")
    facts = {"nvcc": _version(find_nvcc()), "nvdisasm": _version(find_nvdisasm())}
    rows = resources(arguments.architectures)
    if not arguments.markdown:
        print_machine(facts)
    for architecture in arguments.architectures:
        table = make_table([row for row in rows if row["architecture"] == architecture])
        show = print_markdown if arguments.markdown else print_table
        show(f"sm_{architecture}", *table)
    if find_nvdisasm() is None:
        print("Instructions are not counted: nvdisasm is not here (pip: nvidia-cuda-nvdisasm)")
    write_json(arguments.json, facts, rows)


if __name__ == "__main__":
    main()
