"""The result of a question as a table: written to a file, or shown on standard output."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cisreg.cli.prepare.step_options import destination
from cisreg.cli.terminal import TextTable, new_console
from cisreg.display import counted

if TYPE_CHECKING:
    import pyarrow as pa

Output = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Table to write, .tsv or .csv (.gz) or .parquet; default: shown on standard output.",
    ),
]
Factors = Annotated[
    list[str] | None,
    typer.Option("--factor", metavar="NAME", help="Only this factor. May be repeated."),
]


def check_results(output: Path | None, plot: Path | None) -> None:
    """Checks that a command can write its files, before it computes anything.

    Raises:
        ValueError: an ending that no table or plot has.
        ImportError: a plot was asked for, and matplotlib is not installed.
    """
    from cisreg.report.plot import check_plot, import_figure
    from cisreg.writing import check_ending

    if output is not None:
        check_ending(output)
    if plot is not None:
        check_plot(plot)
        import_figure()


def write_result(
    tables: Iterable[pa.Table], output: Path | None, plot: Path | None, overwrite: bool
) -> None:
    """Writes or shows the rows of tables with the same columns, and says what was written.

    Args:
        tables: one or more.
        output: the file; None: shown on standard output.
        plot: a plot that was written; None: none was.
        overwrite: whether the file may replace another.
    """
    from cisreg.writing import open_table

    tell = new_console(stderr=output is None or str(output) == "-")
    if output is None:
        for number, table in enumerate(tables):
            new_console(results=True).print(_shown(table, with_names=number == 0))
    else:
        rows = 0
        with open_table(output, overwrite=overwrite) as write:
            for table in tables:
                write({name: table[name].combine_chunks() for name in table.column_names})
                rows += len(table)
        tell.print(f"{counted(rows, 'row')} written to {destination(output)}")
    if plot is not None:
        tell.print(f"Plot written to {plot}")


def _shown(table: pa.Table, *, with_names: bool) -> TextTable:
    names = tuple(name.replace("_", " ") for name in table.column_names)
    shown = TextTable("", names if with_names else (), False)
    for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
        shown.add_row(*map(_cell, row), record=dict(zip(table.column_names, row, strict=True)))
    return shown


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
