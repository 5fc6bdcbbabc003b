"""One-hot text: `cisreg encode` against plain Python like the converter of CisRegModels.

    python -m benchmarks.data.one_hot_text --json benchmarks/results/one_hot_text.json

Sequences of 110 bases with their measurements go from a table to one-hot text and back, plain and
compressed. Every run is a separate process, from its start to its end, medians over the rounds;
plain Python is measured on fewer sequences, since it is slow. All must write the same text before
anything is reported. Rates leave out the seconds that a process takes to start, which are measured
on a table of one sequence.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.shared.processes import run
from benchmarks.shared.suite import (
    Row,
    machine,
    make_parser,
    median,
    parse,
    print_machine,
    print_table,
    write_json,
)

LENGTH = 110
CISREG = "from cisreg.cli import main; main()"
# The plain versions: one letter or field at a time, like the original.
PLAIN_ENCODE = """
import gzip, sys
source, target, length = sys.argv[1], sys.argv[2], int(sys.argv[3])
open_ = lambda path, mode: (gzip.open if path.endswith(".gz") else open)(path, mode)
with open_(source, "rt") as lines, open_(target, "wt") as output:
    for line in lines:
        sequence, label = line.rstrip().split("\\t")
        sequence = sequence.upper()[-length:]
        padding = ["0"] * (length - len(sequence))
        fields = [label]
        for base in "ACGT":
            fields += padding
            fields += ["1" if sequence[at] == base else "0" for at in range(len(sequence))]
        output.write("\\t".join(fields) + "\\n")
"""
PLAIN_DECODE = """
import gzip, sys
source, target, length = sys.argv[1], sys.argv[2], int(sys.argv[3])
open_ = lambda path, mode: (gzip.open if path.endswith(".gz") else open)(path, mode)
with open_(source, "rt") as lines, open_(target, "wt") as output:
    for line in lines:
        label, *bits = line.rstrip().split("\\t")
        letters = []
        for position in range(length):
            found = [bits[index * length + position] for index in range(4)]
            letters.append("ACGT"[found.index("1")] if "1" in found else "N")
        output.write("".join(letters).lstrip("N") + "\\t" + label + "\\n")
"""


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = make_parser(__doc__, seconds=0.0, rounds=3)
    parser.add_argument("--sequences", type=int, default=1_000_000, help="(default %(default)s)")
    parser.add_argument("--plain", type=int, default=10_000, help="for plain Python")
    arguments = parse(parser)
    if arguments.quick:
        arguments.sequences = arguments.plain = 200
    return arguments


def write_table(path: Path, count: int) -> None:
    """Random sequences of 98 to 110 bases, and numbers."""
    random = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGT", np.uint8)[random.integers(0, 4, (count, LENGTH))]
    text = letters.tobytes().decode()
    lengths = random.integers(98, LENGTH + 1, count)
    values = random.normal(8, 3, count)
    rows = (
        f"{text[row * LENGTH : row * LENGTH + length]}\t{value:.6f}\n"
        for row, (length, value) in enumerate(zip(lengths.tolist(), values.tolist(), strict=True))
    )
    path.write_text("".join(rows))


def commands(source: Path, target: Path, decode: bool) -> dict[str, list[str]]:
    """By implementation."""
    ours = [*(sys.executable, "-c", CISREG, "encode", str(source), "--output", str(target))]
    ours += ["--overwrite", "--format", "table" if decode else "onehot", "--length", str(LENGTH)]
    plain = PLAIN_DECODE if decode else PLAIN_ENCODE
    return {
        "cisreg encode": ours,
        "plain Python": [sys.executable, "-c", plain, str(source), str(target), str(LENGTH)],
    }


def content(path: Path) -> bytes:
    """Decompressed."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def measure_all(arguments: argparse.Namespace, folder: Path) -> list[Row]:
    """Both ways, plain and compressed.

    Raises:
        RuntimeError: the two write different text.
    """
    write_table(folder / "many.tsv", arguments.sequences)
    write_table(folder / "few.tsv", arguments.plain)
    (folder / "one.tsv").write_text("ACGT\t1\n")
    rows: list[Row] = []
    for ending in ("", ".gz"):
        for size in ("one", "few", "many"):
            made = commands(folder / f"{size}.tsv", folder / f"{size}.ohc{ending}", decode=False)
            run(made["cisreg encode"])
        for decode in (False, True):
            rows += _measure(arguments, folder, ending, decode)
    return rows


def _measure(arguments: argparse.Namespace, folder: Path, ending: str, decode: bool) -> list[Row]:
    rows: list[Row] = []
    texts = []
    for name, size, count in (
        ("cisreg encode", "many", arguments.sequences),
        ("plain Python", "few", arguments.plain),
    ):
        paths = ["{}.tsv", f"{{}}.new.ohc{ending}"]
        if decode:
            paths = [f"{{}}.ohc{ending}", f"{{}}.back.tsv{ending}"]
        measured, starts = [], []
        for _ in range(arguments.rounds):
            for of, results in (("one", starts), (size, measured)):
                source, target = (folder / path.format(of) for path in paths)
                results.append(run(commands(source, target, decode)[name]))
        few = [folder / path.format("few") for path in paths]
        run(commands(*few, decode)[name])
        texts.append(content(few[1]))
        seconds = median([each[0] for each in measured])
        start = median([each[0] for each in starts])
        rows.append(
            {
                "implementation": name,
                "way": "to table" if decode else "to one-hot",
                "compressed": bool(ending),
                "sequences": count,
                "median_seconds": seconds,
                "start_seconds": start,
                "sequences_per_second": count / max(seconds - start, 1e-3),
                "peak_mebibytes": median([each[1] for each in measured]),
            }
        )
    if texts[0] != texts[1]:
        raise RuntimeError(f"expected the same text of both, got others (decode: {decode})")
    return rows


def main() -> None:
    """Measures, prints, writes."""
    arguments = parse_arguments()
    facts = machine()
    print_machine(facts)
    with tempfile.TemporaryDirectory() as name:
        rows = measure_all(arguments, Path(name))
    lines = []
    for ours, plain in zip(rows[::2], rows[1::2], strict=True):
        for row in (ours, plain):
            ratio = row["sequences_per_second"] / plain["sequences_per_second"]
            lines.append(
                (
                    f"{row['way']}{', gzip' if row['compressed'] else ''}: {row['implementation']}",
                    f"{row['sequences']:,}",
                    f"{row['median_seconds']:.2f}",
                    f"{row['sequences_per_second']:,.0f}",
                    f"{ratio:.0f}",
                    f"{row['peak_mebibytes']:,.0f}",
                )
            )
    columns = ("", "sequences", "seconds", "sequences/s", "times", "peak MiB")
    print_table("One-hot text of 110 bases", columns, lines)
    write_json(arguments.json, facts, rows)


if __name__ == "__main__":
    main()
