"""cisreg simulate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import pyarrow as pa
import typer

from cisreg.cli import options
from cisreg.cli.outputs import check_folder, fill_folder
from cisreg.cli.terminal import new_console
from cisreg.file_checks import check_own_folder

if TYPE_CHECKING:
    from cisreg.simulate import Simulation

EXAMPLE = "cisreg simulate --motifs demo --output data"

# Counts whose mean cannot be below 0.
_ABOVE_0 = ("poisson", "negative_binomial")
_TRAIN, _TEST, _FACTORS = "train.tsv.gz", "test.tsv.gz", "factors.tsv"
_TRUTH, _TRUE_MODEL = "truth", "truth/model.json"
_FILES = (_TRAIN, _TEST, _FACTORS, _TRUE_MODEL)


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
    measured_as: Annotated[
        Literal[
            "gaussian",
            "heteroscedastic",
            "student_t",
            "huber",
            "poisson",
            "negative_binomial",
            "sort_bins",
        ],
        typer.Option(
            metavar="NAME",
            help="Noise of the measurements, as in **train --loss**. Counts are those of two "
            "libraries, or of ten sorting bins, in the columns expression_1, expression_2 ...",
        ),
    ] = "gaussian",
    link: Annotated[
        Literal["identity", "logistic", "softplus", "exponential"] | None,
        typer.Option(
            metavar="KIND",
            help="How expression follows from the sum of effects, as in **train --link**. Default: "
            "identity, for counts of libraries exponential.",
        ),
    ] = None,
    positional_potentiation: Annotated[
        bool,
        typer.Option(
            "--positional-potentiation", help="Sites open chromatin mostly around one place."
        ),
    ] = False,
    competition: Annotated[
        bool,
        typer.Option("--competition", help="Sites exclude each other, as in **train**."),
    ] = False,
    nucleosome: Annotated[
        bool,
        typer.Option(
            "--nucleosome",
            help="With --competition, nucleosomes too exclude sites; needs --length 147 or more.",
        ),
    ] = False,
    reads: Annotated[
        float, typer.Option(min=1, metavar="COUNT", help="Mean reads of a sequence, for counts.")
    ] = 20.0,
    planted_sites: Annotated[
        float,
        typer.Option(min=0, metavar="SITES", help="Mean number of planted sites per sequence."),
    ] = 6.0,
    pairs: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="COUNT",
            help="Pairs of factors whose sites act together, in one orientation around one "
            "distance; sites of them are planted in half of the sequences.",
        ),
    ] = 0,
    motif_width: Annotated[
        int, typer.Option(min=1, metavar="COLUMNS", help="Columns that each motif is placed in.")
    ] = 30,
    outputs: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="COUNT",
            help="Number of outputs, such as conditions, in the columns output_1, output_2 ...",
        ),
    ] = 1,
    differ: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A parameter that differs between outputs, as in **train --differ**, given once "
            "for each: of a quarter of the factors.",
        ),
    ] = None,
    missing: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Share of the measurements of outputs that are missing.",
        ),
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of factors, sequences and noise.")] = 0,
    overwrite: options.Overwrite = False,
) -> None:
    """Simulate sequences and their expression with a model of known parameters.

    Writes to DIR: train.tsv.gz, test.tsv.gz, the true model (the folder truth), and factors.tsv
    with the true log concentration, activity and potentiation of each motif, those that differ for
    each output. The truth is written
    last: where there is one, all files are of one simulation.
    """
    read = [options.motif_source(motifs)]
    check_own_folder(output / _TRUTH)
    check_folder(output, _FILES, inputs=read, overwrite=overwrite)
    from cisreg.simulate import simulate as run_simulation

    simulation = run_simulation(
        options.load_motifs(motifs, motif_width),
        sequence_count=train_count + test_count,
        sequence_length=length,
        seed=seed,
        noise=noise,
        planted_sites=planted_sites,
        positional_potentiation=positional_potentiation,
        competition=competition,
        nucleosome=nucleosome,
        measured_as=measured_as,
        link=link or ("exponential" if measured_as in _ABOVE_0 else "identity"),
        reads=reads,
        pairs=pairs,
        outputs=outputs,
        differ=tuple(differ or ()),
        missing=missing,
    )
    with fill_folder(output, _FILES, overwrite):
        check_own_folder(output / _TRUTH)
        _write(output, simulation, train_count, overwrite)
    new_console().print(
        f"{train_count:,} and {test_count:,} sequences of {length} bases, made by "
        f"{len(simulation.motif_names)} factors, written to {output}: {_TRAIN}, {_TEST}, "
        f"{_FACTORS} and {_TRUTH}/"
    )


def _write(folder: Path, simulation: Simulation, train_count: int, overwrite: bool) -> None:
    """Writes all files; the truth comes last, so that a folder with a truth is complete."""
    from cisreg.files import publish_together
    from cisreg.storage import save_model, saved_files
    from cisreg.trained_model import Model

    with publish_together(saved_files(folder / _TRUTH)):
        _write_sequences(folder / _TRAIN, simulation, slice(train_count), overwrite)
        _write_sequences(folder / _TEST, simulation, slice(train_count, None), overwrite)
        _write_factors(folder / _FACTORS, simulation, overwrite)
    truth = Model(
        *(simulation.spec, simulation.parameters, simulation.motif_names),
        noise=simulation.noise,
        column_range=simulation.column_range,
    )
    save_model(folder / _TRUTH, truth)


def _write_sequences(path: Path, simulation: Simulation, rows: slice, overwrite: bool) -> None:
    from cisreg.outputs import default_output_names
    from cisreg.sequences import decode
    from cisreg.writing import open_table

    measured = simulation.expression[rows]
    columns = {"expression": measured}
    several = default_output_names(simulation.spec.output_count)
    if len(several) > 1:
        columns = dict(zip(several, np.ascontiguousarray(measured.T), strict=True))
    elif measured.ndim == 2:
        numbered = enumerate(np.ascontiguousarray(measured.T), start=1)
        columns = {f"expression_{number}": each for number, each in numbered}
    with open_table(path, overwrite=overwrite) as write:
        write({"sequence": pa.array(decode(simulation.sequence[rows])), **columns})


def _write_factors(path: Path, simulation: Simulation, overwrite: bool) -> None:
    from cisreg.outputs import default_output_names
    from cisreg.writing import open_table

    columns = {"motif": pa.array(simulation.motif_names)}
    spec = simulation.spec
    for name in ("log_concentration", "activity", "potentiation"):
        value = simulation.parameters[name]
        if name in spec.differ:
            of_outputs = zip(default_output_names(spec.output_count), value, strict=True)
            columns |= {f"{name}_{output}": own for output, own in of_outputs}
        else:
            columns[name] = value
    with open_table(path, overwrite=overwrite) as write:
        write(columns)
