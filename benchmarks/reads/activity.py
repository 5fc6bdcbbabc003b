"""Activities from counts of barcodes, with the truth known: how near, and are their errors honest?

    python -m benchmarks.reads.activity --rounds 3

Assays are simulated: DNA and RNA of barcodes differ by counting, by an effect of each barcode that
is the same in all replicates, and by an effect of each replicate on a whole sequence. An error over
its standard error has a standard deviation of 1 if that is honest, and is beyond 1.96 in 5 % of
the sequences.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.shared.reporter_assay import simulate
from benchmarks.shared.suite import (
    Row,
    machine,
    make_parser,
    parse,
    print_machine,
    print_table,
    tell_progress,
    write_json,
)
from cisreg.prepare.activity import activity

ASSAYS: dict[str, dict[str, Any]] = {
    "2 to 30 barcodes": {},
    "2 to 4 barcodes": {"barcodes": (2, 4)},
    "barcodes differ by counting alone": {"spread": 0.0, "depth": 5.0, "barcodes": (5, 20)},
    "barcodes differ much": {"spread": 0.8, "barcodes": (5, 60)},
    "replicates differ too": {"between": 0.3},
}
METHODS = ("both", "barcodes", "replicates", "counts")


def measure(assay: dict[str, Any], method: str, arguments: argparse.Namespace) -> Row:
    """Errors of an assay, over all rounds."""
    errors, ratios, seconds, r, rows = [], [], [], [], 0
    for seed in range(arguments.rounds):
        table, truth = simulate(seed, names=arguments.names, **assay)
        with tempfile.TemporaryDirectory() as folder:
            source, output = Path(folder, "counts.tsv"), Path(folder, "activity.tsv")
            table.to_csv(source, sep="\t", index=False)
            begin = time.perf_counter()
            activity([source], output, standard_error=method)  # type: ignore[arg-type]
            seconds.append(time.perf_counter() - begin)
            found = pd.read_csv(output, sep="\t")
        rows += len(table)
        own = truth[[int(name.removeprefix("oligo_")) for name in found.name]]
        error = found.expression - own
        error -= error.median()
        errors.append(error)
        ratios.append(error / found.standard_error)
        r.append(np.corrcoef(found.expression, own)[0, 1])
    z = np.concatenate(ratios)
    return {
        "r": float(np.mean(r)),
        "error": float(np.std(np.concatenate(errors))),
        "z_deviation": float(z.std()),
        "beyond": float((np.abs(z) > 1.96).mean()),
        "barcodes_per_second": rows / sum(seconds),
    }


def main() -> None:
    """Simulates, estimates, prints, writes."""
    parser = make_parser(__doc__, seconds=0.0, rounds=3)
    parser.add_argument("--names", type=int, default=2000, help="sequences (default %(default)s)")
    arguments = parse(parser)
    if arguments.quick:
        arguments.names, arguments.rounds = 60, 1
    facts = machine(arguments.clock)
    print_machine(facts)
    rows: list[Row] = []
    for name, assay in ASSAYS.items():
        for method in METHODS:
            tell_progress(len(rows), len(ASSAYS) * len(METHODS), f"{name}, {method}")
            rows.append(
                {"assay": name, "standard_error": method, **measure(assay, method, arguments)}
            )
    heads = ("", "standard error from", "r", "error", "its deviation", "beyond 1.96", "barcodes/s")
    lines = [
        [
            *(str(row["assay"]), str(row["standard_error"])),
            *(f"{row['r']:.4f}", f"{row['error']:.3f}", f"{row['z_deviation']:.2f}"),
            *(f"{100 * row['beyond']:.1f} %", f"{row['barcodes_per_second']:,.0f}"),
        ]
        for row in rows
    ]
    print_table(f"{arguments.names:,} sequences, {arguments.rounds} seeds", heads, lines)
    write_json(arguments.json, facts, rows)


if __name__ == "__main__":
    main()
