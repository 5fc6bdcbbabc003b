"""cisreg explain sequences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cisreg.cli import options
from cisreg.cli.explain import tables
from cisreg.cli.outputs import check_files

if TYPE_CHECKING:
    import pyarrow as pa

    from cisreg.data import Dataset
    from cisreg.trained_model import Model

EXAMPLE = "cisreg explain sequences model test.fa --sites --output sites.tsv"


def sequences(
    model: options.ModelFolder,
    table: Annotated[
        str,
        typer.Argument(metavar="SEQUENCES", help="A table, FASTA, or - for standard input."),
    ],
    output: tables.Output = None,
    sites: Annotated[
        bool, typer.Option("--sites", help="A row for each site instead of each factor.")
    ] = False,
    bases: Annotated[
        bool, typer.Option("--bases", help="A row for each base instead of each factor.")
    ] = False,
    versus: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Sequences to compare with, as many as SEQUENCES or one: explain the difference, "
            "expression of SEQUENCES minus that of FILE.",
        ),
    ] = None,
    shapley: Annotated[
        bool,
        typer.Option(
            "--shapley",
            help="Compare with the absence of all factors, and divide accessibility among the "
            "factors that open or close; default: accessibility as it is.",
        ),
    ] = False,
    largest: Annotated[
        int,
        typer.Option(
            min=1, metavar="COUNT", help="Factors or sites of a sequence, the largest effects."
        ),
    ] = 10,
    least_occupancy: Annotated[
        float,
        typer.Option(min=0, max=1, metavar="SHARE", help="Only sites that are bound so much."),
    ] = 0.05,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Plot of the sites and bases of the first sequence, .png, .pdf or .svg (needs "
            "matplotlib).",
        ),
    ] = None,
    sequence_column: options.SequenceColumn = None,
    name_column: options.NameColumn = None,
    threads: options.Threads = None,
    model_output: options.ModelOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Divide the expression of sequences among factors, sites or bases: parts that add up to it.

    Parts: the bias; activity, of each factor on each strand; accessibility, where it has a part of
    its own. "other factors" are those beyond --largest. Positions count from 0 in the model's
    input, padding included.
    """
    if sum((sites, bases, versus is not None)) > 1:
        raise typer.BadParameter("expected one of --sites, --bases and --versus, got several")
    if versus is not None and shapley:
        raise typer.BadParameter(
            "expected no --shapley with --versus: differences are always divided in that way"
        )
    check_files([output, plot], inputs=[model, table, versus], overwrite=overwrite)
    from cisreg.cli.explain.sequences import read_sequences

    tables.check_results(output, plot)
    learned = options.read_model(model, model_output)
    data = read_sequences(learned, table, sequence_column, name_column)
    rule = "shapley" if shapley else "at value"
    how = {"accessibility": rule, "threads": threads}
    if plot is not None:
        _plot(plot, learned, data[:1], how, least_occupancy, overwrite)
    if versus is not None:
        from cisreg.interpret import difference_batches

        others = read_sequences(learned, versus, sequence_column)
        parts = difference_batches(learned, others, data, threads=threads, progress=True)
        differences = (part.to_table(largest) for part in parts)
        tables.write_result(differences, output, plot, overwrite)
        return
    kind = "sites" if sites else "bases" if bases else "factors"
    rows = _tables(kind, learned, data, how, largest, least_occupancy)
    tables.write_result(rows, output, plot, overwrite)


def _tables(
    kind: str,
    model: Model,
    data: Dataset,
    how: dict[str, Any],
    largest: int,
    least_occupancy: float,
) -> Iterator[pa.Table]:
    """The rows of some sequences at a time."""
    from cisreg.interpret import (
        base_contribution_batches,
        contribution_batches,
        site_contribution_batches,
    )

    if kind == "sites":
        for sites in site_contribution_batches(
            model, data, largest=largest, least_occupancy=least_occupancy, progress=True, **how
        ):
            yield sites.to_table()
    elif kind == "bases":
        for bases in base_contribution_batches(model, data, progress=True, **how):
            yield bases.to_table()
    else:
        for batch in contribution_batches(model, data, progress=True, **how):
            yield batch.to_table(largest)


def _plot(
    path: Path,
    model: Model,
    data: Dataset,
    how: dict[str, Any],
    least_occupancy: float,
    overwrite: bool,
) -> None:
    from cisreg.interpret import base_contributions, site_contributions
    from cisreg.report.factors import plot_sequence

    plot_sequence(
        path,
        base_contributions(model, data, **how),
        site_contributions(model, data, least_occupancy=least_occupancy, **how),
        overwrite=overwrite,
    )
