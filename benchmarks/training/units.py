"""Does the unit of expression change the model?

    python -m benchmarks.training.units --data ../shared/data/gpra_example

Trains on the promoters of a folder (train.tsv.gz, motif_list.txt, log_concentration.tsv) with
expression in several units, and prints r on the rows held out and on the promoters of test.tsv.gz.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import cisreg
from benchmarks.shared.suite import machine, print_table, write_json
from cisreg.metrics import pearson_correlation
from cisreg.motifs import read_log_concentration

# Scale and shift of the measurements.
UNITS = {
    "as measured": (1.0, 0.0),
    "x 1000": (1e3, 0.0),
    "/ 1000": (1e-3, 0.0),
    "+ 1000": (1.0, 1e3),
    "/ 18": (1 / 18, 0.0),
}


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the promoters")
    parser.add_argument("--seeds", type=int, default=1, help="seeds, from 0 (%(default)s)")
    parser.add_argument("--recipe", default="default", help="(%(default)s)")
    parser.add_argument("--json", type=Path, help="file for the measurements")
    options = parser.parse_args()
    results = []
    for seed in range(options.seeds):
        for unit in UNITS:
            results.append({"seed": seed, "unit": unit, **_train(options, seed, *UNITS[unit])})
            print(results[-1], file=sys.stderr)
    rows = [
        [str(each["seed"]), each["unit"], f"{each['validation_r']:.4f}", f"{each['test_r']:.4f}"]
        for each in results
    ]
    print_table("Units of expression", ("seed", "expression", "validation r", "test r"), rows)
    write_json(options.json, machine(), results)


def _train(options: argparse.Namespace, seed: int, scale: float, shift: float) -> dict[str, Any]:
    """Validation r of the last epoch and test r of one run."""
    data = cisreg.read_dataset(options.data / "train.tsv.gz")
    test = cisreg.read_dataset(options.data / "test.tsv.gz", length=data.sequence.shape[1])
    motifs = cisreg.read_motifs(options.data / "motif_list.txt")
    trained = cisreg.train(
        replace(data, expression=np.float32(data.expression * scale + shift)),
        motifs,
        options.recipe,
        log_concentration=read_log_concentration(
            options.data / "log_concentration.tsv", motifs.names
        ),
        seed=seed,
    )
    test_r = pearson_correlation(trained.model.predict(test).expression, test.expression)
    last = trained.fit.history[-1]
    return {"validation_r": last.validation_r, "test_r": float(test_r)}


if __name__ == "__main__":
    main()
