"""A few sequences and motifs in the formats of CisRegModels, and its commands run on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.storage import load_model
from cisreg.trained_model import Model

COUNT, LENGTH, WIDTH = 120, 24, 6
MOTIFS = ("Abf1", "Reb1", "Rap1")
MAKE = "./makeThermodynamicEnhancosomeModel.py"
PREDICT = "predictThermodynamicEnhancosomeModel.py"


def write_data(folder: Path) -> None:
    """Writes table.tsv, list.txt with its motifs, concentrations.txt and mean_sd.txt."""
    random = np.random.default_rng(3)
    letters = np.array(list("ACGT"))[random.integers(0, 4, (COUNT, LENGTH))]
    texts = ["".join(row) for row in letters]
    noise = random.normal(size=COUNT)
    rows = [
        f"{text}\t{text.count('ACG') * 2 + 5 + noise[index]:.5f}\n"
        for index, text in enumerate(texts)
    ]
    (folder / "table.tsv").write_text("".join(rows))
    (folder / "PKdMs").mkdir()
    for name in MOTIFS:
        matrix = random.normal(0, 2, (4, 5)).round(4)
        lines = [
            "\t".join([base, *map(str, row)]) for base, row in zip("ATGC", matrix, strict=True)
        ]
        (folder / "PKdMs" / f"{name}.pkdm").write_text("\n".join(lines) + "\n")
    paths = [f"PKdMs/{name}.pkdm" for name in MOTIFS]
    (folder / "list.txt").write_text("".join(f"{path}\n" for path in paths))
    (folder / "concentrations.txt").write_text("".join(f"{path}\t-4\n" for path in paths))
    (folder / "mean_sd.txt").write_text("".join(f"{mean}\t{1 + mean / 4}\n" for mean in range(18)))


def base_options(folder: Path, prefix: str, *extra: str) -> str:
    """An old command line that trains a model quickly."""
    words = (
        f"-i {folder}/table.tsv -sl {LENGTH} -b 30 -nm {len(MOTIFS)} -ml {WIDTH} -r 2 -eb -po "
        f"-dm {folder}/list.txt -ic {folder}/concentrations.txt -ia 0.1 -ip 0.1 "
        f"-o {folder}/{prefix}"
    )
    return " ".join([words, *extra])


def run_old(command: str, *options: str, program: str = "train") -> str:
    """Runs an old command line; returns its output."""
    result = CliRunner().invoke(app, [program, "--like-cisregmodels", command, *options])
    assert result.exit_code == 0, result.output
    return result.output


def make(folder: Path, prefix: str, *extra: str) -> Model:
    """Runs an old command line that trains a model; returns the model."""
    run_old(f"{MAKE} {base_options(folder, prefix, *extra)}")
    return load_model(folder / f"{prefix}.cisreg")
