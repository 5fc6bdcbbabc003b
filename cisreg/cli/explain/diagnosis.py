"""cisreg explain diagnosis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cisreg.cli import options
from cisreg.cli.completion import motif_sources
from cisreg.cli.outputs import check_files
from cisreg.cli.prepare.step_options import destination, tell
from cisreg.cli.terminal import TextTable, new_console

if TYPE_CHECKING:
    from cisreg.interpret.diagnosis import Diagnosis

EXAMPLE = "cisreg explain diagnosis model test.tsv.gz --database jaspar:fungi"


def diagnosis(
    model: options.ModelFolder,
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="[SEQUENCES]",
            help="Sequences that the model is asked about, a thousand or more: a table, FASTA, or "
            "- for standard input. At most 2,000 are looked at. Default: only the parameters are "
            "checked.",
        ),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            autocompletion=motif_sources,
            help="Motifs to compare with, such as **jaspar:fungi** or a file: is each factor still "
            "the one that it began as?",
        ),
    ] = None,
    output: options.FindingsTable = None,
    factors: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Table to write with what was measured of each factor, a row each."
        ),
    ] = None,
    sequence_column: options.SequenceColumn = None,
    threads: options.Threads = None,
    model_output: options.ModelOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Find what makes a model misleading, before its parameters are read as biology.

    Dead and duplicate factors, saturation, factors that act as a constant, parameters beyond what a
    measurement could show, motifs that training made into others, constant ends, and predictions
    beyond the training measurements. Each finding says what to do.
    """
    inputs = [model, table, options.motif_source(database)]
    check_files([output, factors], inputs=inputs, overwrite=overwrite)
    from cisreg.cli.explain.sequences import read_sequences
    from cisreg.interpret.diagnosis import diagnose_model
    from cisreg.writing import check_ending, open_table

    for path in (output, factors):
        if path is not None:
            check_ending(path)
    learned = options.read_model(model, model_output)
    targets = None if database is None else options.load_motifs(database, None)
    sequences = None if table is None else read_sequences(learned, table, sequence_column)
    found = diagnose_model(learned, sequences, database=targets, threads=threads, progress=True)
    if factors is not None:
        with open_table(factors, overwrite=overwrite) as write:
            write(
                {name: found.factors[name].combine_chunks() for name in found.factors.schema.names}
            )
        tell(factors, f"Measures of the factors written to {destination(factors)}")
    if output is None:
        _show(found)
        return
    with open_table(output, overwrite=overwrite) as write:
        write(found.columns())
    tell(
        output,
        f"{len(found.warnings)} warnings among {len(found)} findings; written to "
        f"{destination(output)}",
    )


def _show(found: Diagnosis) -> None:
    console = new_console(results=True)
    title = f"Diagnosis of {found.factors.num_rows:,} factors"
    shown = TextTable(
        title + (f", {found.count:,} sequences" if found.count else ""),
        ("state", "check", "finding"),
        False,
        "findings",
        wraps=True,
    )
    for each in found.findings:
        shown.add_row(
            *(each.state, each.check, each.sentence),
            record={
                "check": each.check,
                "state": each.state,
                "finding": each.sentence,
                "factors": each.factors,
                "number": each.number,
                "limit": each.limit,
            },
        )
    console.print(shown)
