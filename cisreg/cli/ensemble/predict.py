"""cisreg ensemble predict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cisreg.cli import options
from cisreg.cli.outputs import check_files
from cisreg.cli.predict import read_columns
from cisreg.cli.prepare.step_options import destination, tell
from cisreg.display import counted
from cisreg.quiet import start_tensorflow

EXAMPLE = "cisreg ensemble predict models sequences.tsv.gz --output intervals.tsv"

# Sequences of which the predictions of all members are held at a time.
_ROWS = 1 << 15


def predict(
    ensemble: options.EnsembleFolder,
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="Sequences: a table or FASTA, as for **cisreg predict**."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Table to write, .tsv, .csv (also with .gz) or .parquet; - is standard output, as "
            "tab-separated text. Required.",
        ),
    ],
    level: options.Level = 0.9,
    members: Annotated[
        bool, typer.Option("--members", help="Add a column for what each member predicts.")
    ] = False,
    sequence_column: options.SequenceColumn = None,
    name_column: options.NameColumn = None,
    threads: options.Threads = None,
    model_output: options.ModelOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Predict expression with intervals, from what the members of an ensemble predict.

    The columns are name (if there are names), sequence, expression (the mean of the members),
    standard_deviation (of the members), lower and upper: the interval, mean ± t · standard
    deviation · √(1 + 1/B) of B members. Of a bootstrap it is what other data would change; it holds
    the true expression only where training is not biased. Of seeds it is where one more training
    would end. Of several outputs there are expression_NAME and so on of each.
    """
    check_files([output], inputs=[ensemble, table], overwrite=overwrite)
    from cisreg.quantiles import check_level
    from cisreg.uncertainty.intervals import columns_of_outputs
    from cisreg.writing import check_ending, open_table

    check_ending(output)
    check_level(level)
    loaded = options.read_ensemble(ensemble, model_output)
    kept = read_columns(table, sequence_column, name_column)
    codes = loaded.models[0].encode(kept["sequence"])
    start_tensorflow()
    options.set_threads(threads)
    with open_table(output, overwrite=overwrite) as write:
        for begin in range(0, len(codes), _ROWS):
            rows = slice(begin, begin + _ROWS)
            values = loaded.expression(codes[rows])
            found = loaded.intervals_of(values, level)
            each = {f"member_{number}": row for number, row in enumerate(values) if members}
            columns = {
                "expression": found.expression,
                "standard_deviation": values.std(axis=0, ddof=1),
                "lower": found.lower,
                "upper": found.upper,
                **each,
            }
            write(
                {
                    **{name: column[rows] for name, column in kept.items()},
                    **columns_of_outputs(columns, loaded.output_names),
                }
            )
    tell(
        output,
        f"{counted(len(codes), 'prediction')} of {counted(len(loaded), 'member')}, with "
        f"{100 * level:g} % intervals, written to {destination(output)}",
    )
