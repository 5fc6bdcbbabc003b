"""How should constant ends of sequences be treated: kept, as context, or trimmed?

    python -m benchmarks.training.constant_ends --data ../shared/data/gpra_example

Trains the default recipe on the promoters of a folder (train.tsv.gz, motif_list.txt,
log_concentration.tsv) with several seeds, evaluates on test.tsv.gz, and finds the strongest
activators that sit on the constant ends.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import cisreg
from benchmarks.shared.suite import machine, print_table, write_json
from cisreg.data.ends import find_constant_ends
from cisreg.trained_model import Model

KINDS = ("keep", "context", "trim")
SHOWN = 3


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the promoters")
    parser.add_argument("--seeds", type=int, default=5, help="seeds, from 0")
    parser.add_argument("--json", type=Path, help="file for the measurements")
    options = parser.parse_args()
    table = cisreg.open_dataset(options.data / "test.tsv.gz").load()
    ends = [end.sequence for end in find_constant_ends(table.sequence) if end is not None]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            for seed in range(options.seeds):
                output = Path(folder, f"{kind}-{seed}")
                results.append(
                    {"ends": kind, "seed": seed, "test_r": _train(options.data, output, kind, seed)}
                    | {"on_the_ends": _on_the_ends(cisreg.load_model(output), ends)}
                )
                print(results[-1], file=sys.stderr)
    _show(results)
    write_json(options.json, machine(), results)


def _train(data: Path, output: Path, kind: str, seed: int) -> float:
    """Test r of one run."""
    cisreg_command = [sys.executable, "-m", "cisreg", "--quiet"]
    motifs = ["--motifs", data / "motif_list.txt"]
    concentrations = ["--concentrations", data / "log_concentration.tsv"]
    options = ["--output", output, "--constant-ends", kind, "--seed", str(seed)]
    train = [*cisreg_command, "train", data / "train.tsv.gz", *motifs, *concentrations, *options]
    subprocess.run(list(map(str, train)), check=True, stdout=subprocess.DEVNULL)
    evaluate = [*cisreg_command, "evaluate", output, data / "test.tsv.gz", "--json"]
    printed = subprocess.run(list(map(str, evaluate)), check=True, capture_output=True, text=True)
    return json.loads(printed.stdout)["results"]["expression"][0]["pearson"]


def _on_the_ends(model: Model, ends: list[str]) -> list[str]:
    """The activators with the largest effect of a site wholly inside an end, as text."""
    assert model.column_range is not None  # the default recipe holds most columns
    parameters, (first, stop) = model.parameters, model.column_range
    activity = parameters["activity"]
    activity = np.maximum(activity, activity + parameters.get("activity_difference", 0.0))
    bound, place = _best_occupancy(parameters, first, stop, ends)
    order = np.argsort(-activity * bound)[:SHOWN]
    return [
        f"{model.motif_names[m]} activity {activity[m]:.2f}, bound {bound[m]:.2f} {place[m]}"
        for m in order
    ]


def _best_occupancy(
    parameters: Mapping[str, np.ndarray], first: np.ndarray, stop: np.ndarray, ends: list[str]
) -> tuple[np.ndarray, list[str]]:
    """The largest occupancy of each motif's own columns within an end, and where that is."""
    count = len(first)
    bound, place = np.zeros(count), [""] * count
    for text in ends:
        codes = cisreg.encode([text])[0].astype(int)
        for m, begin in np.ndindex(count, len(codes)):
            width = stop[m] - first[m]
            if begin + width > len(codes):
                continue
            own = parameters["log_kd"][first[m] : stop[m], :, m]
            for strand, motif in (("+", own), ("-", own[::-1, ::-1])):
                energy = motif[np.arange(width), codes[begin : begin + width]].sum()
                logit = parameters["log_concentration"][m] - energy
                occupancy = float(np.exp(-np.logaddexp(0.0, -logit)))
                if occupancy > bound[m]:
                    bound[m] = occupancy
                    place[m] = f"at {text[begin : begin + width]} ({strand})"
    return bound, place


def _show(results: list[dict[str, Any]]) -> None:
    rows = []
    for kind in KINDS:
        runs = [each for each in results if each["ends"] == kind]
        rows += [
            [kind, str(each["seed"]), f"{each['test_r']:.4f}", each["on_the_ends"][0]]
            for each in runs
        ]
        rows.append([kind, "mean", f"{statistics.mean(each['test_r'] for each in runs):.4f}", ""])
    columns = ("ends", "seed", "test r", "strongest activator on the ends")
    print_table("Constant ends", columns, rows)


if __name__ == "__main__":
    main()
