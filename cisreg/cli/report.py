"""cisreg report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cisreg.cli import options
from cisreg.cli.outputs import check_files
from cisreg.cli.terminal import new_console
from cisreg.quiet import start_tensorflow

if TYPE_CHECKING:
    import pyarrow as pa

    from cisreg.report.page import Report

EXAMPLE = "cisreg report model --output report.html"


def report(
    model: options.ModelFolder,
    other: Annotated[
        Path | None,
        typer.Argument(
            metavar="[OTHER]", help="Folder of another run, to compare with side by side."
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option("--output", metavar="FILE", help="Page to write, .html."),
    ] = Path("report.html"),
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE",
            help="Measured sequences that training did not see, such as a test set; or the table "
            "of training, if it is no longer where it was. May be repeated. Default: the table "
            "that the model names, split as in training.",
        ),
    ] = None,
    certainty: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE",
            help="Intervals of the effects: the table that **cisreg explain certainty** writes, or "
            "the folder of **cisreg ensemble train**.",
        ),
    ] = None,
    differences: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE",
            help="Of several outputs: intervals of what differs between them, the table that "
            "**cisreg explain differences** writes.",
        ),
    ] = None,
    open_page: Annotated[
        bool, typer.Option("--open", help="Show the page in the browser when it is written.")
    ] = False,
    model_output: options.ModelOutput = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a page that says whether a model is any good, and what to doubt.

    One HTML file that loads nothing: training, predictions and their errors, all factors as a table
    that sorts and filters, example sequences, the diagnosis, settings. With OTHER, two runs side by
    side, compared on sequences that neither was trained on. Of several outputs the page is about
    that of --model-output, and shows what differs between them.
    Needs matplotlib and Jinja: pip install 'cisreg[report]'.
    """
    read = [model, other, certainty, differences, *(data or ())]
    check_files([output], inputs=read, overwrite=overwrite)
    from cisreg.report.page import check_page, write_report

    check_page(output)
    intervals = None if certainty is None else _read_intervals(certainty)
    between = None if differences is None else _read_table(differences, "differences")
    start_tensorflow()
    options.set_threads(threads)
    written = write_report(
        *(output, model, other),
        data=data or (),
        intervals=intervals,
        differences=between,
        output=model_output,
        threads=threads,
        overwrite=overwrite,
        progress=True,
    )
    _tell(written, output)
    if open_page:
        typer.launch(str(output.resolve()))


def _tell(written: Report, output: Path) -> None:
    """Says the three sentences; JSON has all findings as tables."""
    console = new_console(results=True)
    for sentence in written.sentences:
        console.print(sentence)
    for name, rows in written.tables().items():
        console.add_rows(name, rows)
    console.print(f"Report written to {output} ({written.bytes / 1e6:.1f} MB)")


def _read_intervals(path: Path) -> pa.Table:
    """The table of `cisreg explain certainty`, as text or Parquet; or that of an ensemble.

    Raises:
        ValueError: it is neither, or an ensemble that lacks members.
        OSError: it cannot be read.
    """
    if path.is_dir():
        from cisreg.uncertainty.member_training import load_ensemble

        return load_ensemble(path).effects().to_table()
    return _read_table(path, "certainty")


def _read_table(path: Path, of: str) -> pa.Table:
    """The table of `cisreg explain certainty` or `differences`, as text or Parquet.

    Raises:
        ValueError: it is none.
        OSError: it cannot be read.
    """
    import pyarrow.csv
    import pyarrow.parquet

    from cisreg.writing import check_ending

    ending = check_ending(path)
    try:
        if ending == ".parquet":
            return pyarrow.parquet.read_table(path)
        delimiter = "\t" if ending.startswith(".tsv") else ","
        parse = pyarrow.csv.ParseOptions(delimiter=delimiter)
        # A name such as 01 is no number.
        names = ("output", "reference", "parameter", "factor")
        texts = dict.fromkeys(names, pyarrow.string())
        convert = pyarrow.csv.ConvertOptions(column_types=texts)
        return pyarrow.csv.read_csv(path, parse_options=parse, convert_options=convert)
    except ValueError as error:
        raise ValueError(
            f"--{of}: expected the table of cisreg explain {of}, got {path}: {error}"
        ) from None
