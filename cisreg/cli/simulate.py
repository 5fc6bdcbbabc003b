"""cisreg simulate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pyarrow as pa
import typer

from cisreg.cli import options
from cisreg.cli.terminal import new_console
from cisreg.quiet import start_tensorflow

if TYPE_CHECKING:
    from cisreg.simulate import Simulation

EXAMPLE = "cisreg simulate --motifs demo --output data"

_TRAIN, _TEST, _TRUTH, _FACTORS = "train.tsv.gz", "test.tsv.gz", "truth", "factors.tsv"


def simulate(
    motifs: options.Motifs,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Output folder.")],
    train_count: Annotated[
        int, typer.Option("--train", min=1, metavar="N", help="Sequences in train.tsv.gz.")
    ] = 10_000,
    test_count: Annotated[
        int, typer.Option("--test", min=1, metavar="N", help="Sequences in test.tsv.gz.")
    ] = 2_000,
    length: Annotated[int, typer.Option(min=1, help="Bases per sequence.")] = 110,
    noise: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Share of the variance of expression that is noise."),
    ] = 0.1,
    planted_sites: Annotated[
        float,
        typer.Option(min=0, metavar="SITES", help="Mean number of planted sites per sequence."),
    ] = 6.0,
    motif_width: Annotated[
        int, typer.Option(min=1, metavar="COLUMNS", help="Columns that each motif is placed in.")
    ] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Seed of factors, sequences and noise.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing simulation in DIR.")
    ] = False,
) -> None:
    """Simulate sequences and their expression with a model of known parameters.

    Writes to DIR: train.tsv.gz, test.tsv.gz, the true model (the folder truth), and factors.tsv
    with the true log concentration, activity and potentiation of each motif.
    """
    if not overwrite:
        options.refuse_used_folder(
            output, (_TRAIN, _TEST, _TRUTH), "give --overwrite to replace it, or another --output"
        )
    start_tensorflow()
    from cisreg.simulate import simulate as run_simulation
    from cisreg.storage import save_model
    from cisreg.trained_model import Model

    simulation = run_simulation(
        options.load_motifs(motifs, motif_width),
        sequence_count=train_count + test_count,
        sequence_length=length,
        seed=seed,
        noise=noise,
        planted_sites=planted_sites,
    )
    output.mkdir(parents=True, exist_ok=True)
    _write_sequences(output / _TRAIN, simulation, slice(train_count))
    _write_sequences(output / _TEST, simulation, slice(train_count, None))
    _write_factors(output / _FACTORS, simulation)
    names = simulation.motif_names
    save_model(output / _TRUTH, Model(simulation.spec, simulation.parameters, names))
    new_console().print(
        f"{train_count:,} and {test_count:,} sequences of {length} bases, made by {len(names)} "
        f"factors, written to {output}: {_TRAIN}, {_TEST}, {_FACTORS} and {_TRUTH}/",
        soft_wrap=True,
    )


def _write_sequences(path: Path, simulation: Simulation, rows: slice) -> None:
    from cisreg.sequences import decode
    from cisreg.writing import open_table

    with open_table(path) as write:
        write(
            {
                "sequence": pa.array(decode(simulation.sequence[rows])),
                "expression": simulation.expression[rows],
            }
        )


def _write_factors(path: Path, simulation: Simulation) -> None:
    from cisreg.writing import open_table

    columns = {"motif": pa.array(simulation.motif_names)}
    for name in ("log_concentration", "activity", "potentiation"):
        columns[name] = simulation.parameters[name]
    with open_table(path) as write:
        write(columns)
