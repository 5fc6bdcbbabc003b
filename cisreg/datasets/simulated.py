"""What comes with cisreg: simulated promoters, and a model that was trained on them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from cisreg.data import Columns, open_dataset
from cisreg.datasets.cache import cache_folder
from cisreg.datasets.entries import TRAIN, Entry, RemoteFile
from cisreg.files import publish_together
from cisreg.motifs import demo_motifs
from cisreg.sequences import decode
from cisreg.simulate import Simulation, simulate
from cisreg.writing import open_table

logger = logging.getLogger("cisreg.datasets")

# Sequences of each part; the noise of `simulate`, its other options and the seed are fixed too.
COUNTS = {TRAIN: 10_000, "test": 2_000}
NOISE, SEED, MOTIF_WIDTH = 0.1, 20, 20

DEMO_DATASET = Entry(
    name="yeast_gpra_demo",
    kind="dataset",
    # The name of its folder in caches ends in this: a change of the simulation is a new version.
    version="1",
    description=(
        "Simulated, not measured: 12,000 random promoters of 110 bases with sites of 16 motifs of "
        "yeast factors, whose expression follows the model of cisreg with known parameters; a "
        "tenth of its variance is noise. For demonstrations and tests."
    ),
    licence="Apache-2.0",
    unit="simulated expression",
    columns=Columns("sequence", ("expression",), weight=False),
    files=tuple(RemoteFile(f"simulated_{part}.tsv.gz", (), 0, "", part) for part in COUNTS),
)
DEMO_MODEL = Entry(
    name="demo",
    kind="model",
    version="1",
    description=(
        "Trained on simulated data: the default recipe with the 16 demo motifs on the training "
        "part of yeast_gpra_demo. For demonstrations and tests; it says nothing about yeast."
    ),
    licence="Apache-2.0",
    unit="simulated expression",
)
DEMO_MODEL_FOLDER = Path(__file__).parent / "demo"
ENTRIES = (DEMO_DATASET, DEMO_MODEL)


def simulation() -> Simulation:
    """The simulation behind `yeast_gpra_demo`: training rows first, then those of the test."""
    return simulate(
        demo_motifs(width=MOTIF_WIDTH), sequence_count=sum(COUNTS.values()), noise=NOISE, seed=SEED
    )


def make_demo_dataset() -> dict[str, Path]:
    """The files of `yeast_gpra_demo` in the cache, by part; made at the first call.

    Raises:
        OSError: the cache cannot be written.
    """
    folder = cache_folder() / "datasets" / f"{DEMO_DATASET.name}-{DEMO_DATASET.version}"
    paths = {file.part: folder / file.name for file in DEMO_DATASET.files}
    if all(path.is_file() for path in paths.values()):
        return paths
    folder.mkdir(parents=True, exist_ok=True)
    made, start = simulation(), 0
    with publish_together():
        for part, count in COUNTS.items():
            rows = slice(start, start + count)
            with open_table(paths[part], overwrite=True) as write:
                write(
                    {
                        "sequence": pa.array(decode(made.sequence[rows])),
                        "expression": made.expression[rows],
                    }
                )
            start += count
    logger.info("%s was simulated and is kept in %s", DEMO_DATASET.name, folder)
    return paths


def check_demo_dataset(paths: Mapping[str, Path]) -> None:
    """Compares files of `make_demo_dataset` with the simulation, which is made again.

    Args:
        paths: some of its parts.

    Raises:
        ValueError: a file holds other rows, or is damaged.

    Example:
        >>> check_demo_dataset(make_demo_dataset())
    """
    made, start = simulation(), 0
    for part, count in COUNTS.items():
        rows = slice(start, start + count)
        start += count
        if part not in paths:
            continue
        text = pa.table(
            {"sequence": decode(made.sequence[rows]), "expression": made.expression[rows]}
        )
        if not _holds(paths[part], text):
            raise ValueError(
                f"{paths[part]}: expected the {count:,} rows that were simulated, got others; "
                "delete it, so that it is made again"
            )


def _holds(path: Path, expected: pa.Table) -> bool:
    try:
        data = open_dataset(path, columns=DEMO_DATASET.columns, strict=True).load()
    except (OSError, ValueError):
        return False
    found = pa.table({"sequence": decode(data.sequence), "expression": data.mean_expression})
    return found.equals(expected)


def check_demo_model() -> None:
    """Compares the parameters of the model `demo` with the checksum beside them.

    Raises:
        ValueError: they are others.

    Example:
        >>> check_demo_model()
    """
    stored = json.loads((DEMO_MODEL_FOLDER / "model.json").read_text())["parameters"]
    path = DEMO_MODEL_FOLDER / stored["file"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != stored["sha256"]:
        raise ValueError(
            f"{path}: expected the sha256 {stored['sha256']}, got {digest}; install cisreg again"
        )
