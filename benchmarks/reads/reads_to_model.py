"""From a simulated sequencing run to a trained model, step by step, against the truth.

    python -m benchmarks.reads.reads_to_model --pairs 1000000

The run (`sequencing_run.py`) has 18 bins, each with two files of reads. Every step is
what a user types, a separate process: `cisreg prepare merge-pairs` for each bin, `collapse` of
all bins, `cluster`, `expression`, then `cisreg train`. Beside time and peak memory stand what was
recovered and what is true.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from benchmarks.reads.sequencing_run import BINS, LENGTH, READ_LENGTH, Run, make_library, sequence
from benchmarks.shared.processes import run
from benchmarks.shared.suite import machine, print_machine, print_table, write_json

OVERLAP = 2 * READ_LENGTH - LENGTH
SLACK = 14
MINIMUM_READS = 10


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=1_000_000, help="of reads (%(default)s)")
    parser.add_argument(
        "--promoters", type=int, default=20_000, help="in the library (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recipe", default="default", help="for cisreg train (%(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser.parse_args()


class Steps:
    """Runs commands and keeps their time and peak memory by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.mebibytes: dict[str, float] = {}

    def run(self, step: str, *words: object) -> None:
        """Runs a command of cisreg as part of a step."""
        code = "from cisreg.cli import main; main()"
        seconds, mebibytes = run([sys.executable, "-c", code, *map(str, words)])
        self.seconds[step] = self.seconds.get(step, 0.0) + seconds
        self.mebibytes[step] = max(self.mebibytes.get(step, 0.0), mebibytes)


def prepare_and_train(folder: Path, steps: Steps, recipe: str) -> None:
    """All steps."""
    merged = []
    for index in range(BINS):
        reads = [folder / f"bin{index:02d}_R{read}.fastq.gz" for read in (1, 2)]
        merged.append(folder / f"bin{index:02d}.txt")
        steps.run(
            *("merge-pairs", "prepare", "merge-pairs", *reads, "--overlap", OVERLAP),
            *("--slack", SLACK, "--output", merged[-1]),
        )
    steps.run("collapse", "prepare", "collapse", *merged, "--output", folder / "counts.tsv")
    steps.run(
        *("cluster", "prepare", "cluster", folder / "counts.tsv"),
        *("--output", folder / "clustered.tsv", "--map", folder / "map.tsv"),
    )
    steps.run(
        *("expression", "prepare", "expression", folder / "clustered.tsv"),
        *("--minimum-reads", MINIMUM_READS, "--output", folder / "expression.tsv"),
    )
    steps.run(
        *("train", "train", folder / "expression.tsv", "--motifs", "demo", "--length", LENGTH),
        *("--recipe", recipe, "--output", folder / "model"),
    )


def counts_of(path: Path) -> tuple[list[str], np.ndarray]:
    """Sequences and their counts by bin, of a table that collapse or cluster wrote."""
    options = pyarrow.csv.ParseOptions(delimiter="\t")
    table = pyarrow.csv.read_csv(path, parse_options=options)
    columns = [table[name].to_numpy() for name in table.column_names[1 : 1 + BINS]]
    return table[0].to_pylist(), np.stack(columns, axis=1)


def recovered(run: Run, path: Path) -> dict[str, Any]:
    """Compares the counts in a file with the true ones."""
    sequences, counts = counts_of(path)
    place = {text: row for row, text in enumerate(run.library.sequences)}
    rows = np.array([place.get(text, -1) for text in sequences])
    found = np.zeros_like(run.good_counts)
    np.add.at(found, rows[rows >= 0], counts[rows >= 0])
    true, seen = run.good_counts, run.good_counts.sum(axis=1) > 0
    return {
        "sequences": len(sequences),
        "foreign_sequences": int((rows < 0).sum()),
        "reads": int(counts.sum()),
        "reads_of_promoters": int(found.sum()),
        "promoters_found": int((found.sum(axis=1) > 0).sum()),
        "promoters_sequenced": int(seen.sum()),
        "share_of_true_reads": float(np.minimum(found, true).sum() / true.sum()),
        "reads_too_many": int(np.maximum(found - true, 0).sum()),
    }


def expression_of(run: Run, path: Path) -> dict[str, float]:
    """Compares the training table with the true expression."""
    options = pyarrow.csv.ParseOptions(delimiter="\t")
    table: pa.Table = pyarrow.csv.read_csv(path, parse_options=options)
    place = dict(zip(run.library.sequences, run.library.expression.tolist(), strict=True))
    pairs = [
        (place[text], value)
        for text, value in zip(
            table["sequence"].to_pylist(), table["expression"].to_pylist(), strict=True
        )
        if text in place
    ]
    true, measured = np.array(pairs).T
    return {
        "rows": len(table),
        "foreign_rows": len(table) - len(pairs),
        "r_with_truth": float(np.corrcoef(true, measured)[0, 1]),
    }


def main() -> None:
    """Simulates, runs, compares, prints."""
    arguments = parse_arguments()
    facts = machine()
    print_machine(facts)
    steps = Steps()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sequenced = sequence(
            make_library(arguments.promoters, arguments.seed),
            *(arguments.pairs, folder, arguments.seed),
        )
        prepare_and_train(folder, steps, arguments.recipe)
        records = (folder / "model" / "metrics.jsonl").read_text().splitlines()
        validation_r = json.loads(records[-1])["validation_r"]
        stages = {
            file: recovered(sequenced, folder / file) for file in ("counts.tsv", "clustered.tsv")
        }
        expression = expression_of(sequenced, folder / "expression.tsv")
    show(sequenced, steps, stages, expression)
    print(f"cisreg train: r = {validation_r:.4f} on the validation set")
    rows = [
        {"step": step, "seconds": seconds, "peak_mebibytes": steps.mebibytes[step]}
        for step, seconds in steps.seconds.items()
    ]
    rows.append({"step": "truth", "stages": stages, "expression": expression, "r": validation_r})
    write_json(arguments.json, facts, rows)


def show(
    run: Run, steps: Steps, stages: dict[str, dict[str, Any]], expression: dict[str, float]
) -> None:
    """Tables on the terminal."""
    print_table(
        f"{run.pairs:,} pairs of reads in {BINS} bins",
        ("step", "seconds", "pairs/s", "peak MiB"),
        [
            (step, f"{seconds:.1f}", f"{run.pairs / seconds:,.0f}", f"{steps.mebibytes[step]:,.0f}")
            for step, seconds in steps.seconds.items()
        ],
    )
    good = int(run.good_counts.sum())
    names = {
        "sequences": "different sequences",
        "foreign_sequences": "of these, no promoter",
        "reads": "reads",
        "reads_of_promoters": "of these, of a promoter's exact sequence",
        "promoters_found": f"promoters found ({stages['counts.tsv']['promoters_sequenced']:,})",
        "reads_too_many": "reads beyond a promoter's true count in a bin",
    }
    rows = [
        (text, f"{stages['counts.tsv'][key]:,}", f"{stages['clustered.tsv'][key]:,}")
        for key, text in names.items()
    ]
    shares = [f"{stage['share_of_true_reads']:.4f}" for stage in stages.values()]
    rows.append((f"share of {good:,} true reads recovered", shares[0], shares[1]))
    print_table("Against the truth", ("", "collapse", "cluster"), rows)
    print(
        f"Of {run.pairs:,} pairs {run.short_inserts:,} are of short inserts and {run.junk:,} of "
        f"two molecules. The table that trains has {expression['rows']:,} sequences, "
        f"{expression['foreign_rows']:,} of them no promoter; r with true expression "
        f"{expression['r_with_truth']:.4f}."
    )


if __name__ == "__main__":
    main()
