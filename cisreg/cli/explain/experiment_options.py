"""What the commands of experiments share: sequences, places, and the table that is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cisreg.cli import options
from cisreg.cli.prepare.step_options import destination, numbers, tell
from cisreg.cli.terminal import TextTable, new_console
from cisreg.number_text import parse_integer

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from cisreg.trained_model import Model

Sequences = Annotated[
    str | None,
    typer.Argument(
        metavar="SEQUENCES",
        help="Table or FASTA of sequences, as for **cisreg predict**; or give **--random**.",
    ),
]
Random = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="COUNT",
        help="Take so many random sequences, between the constant ends of the training sequences.",
    ),
]
Composition = Annotated[
    str | None,
    typer.Option(
        metavar="SHARES",
        help="Shares of A,C,G,T in random sequences, such as 0.3,0.2,0.2,0.3; default: equal.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of all that is random.")]
Output = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Table to write, .tsv or .csv (.gz) or .parquet; default: shown on standard output.",
    ),
]
Plot = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Plot to write, .png, .pdf or .svg.")
]
ChangeEnds = Annotated[
    bool, typer.Option("--change-ends", help="Also change bases of constant ends.")
]


@dataclass(frozen=True)
class Backgrounds:
    """The sequences of an experiment.

    Attributes:
        model: the model.
        codes: uint8 [N, L], as its input.
        name: Arrow strings [N]; None if they have no names.
    """

    model: Model
    codes: np.ndarray
    name: pa.Array | None

    def named(self, result: Any) -> Any:
        """The result with the names of the sequences."""
        return replace(result, name=self.name)


def read_backgrounds(
    context: typer.Context,
    folder: Path,
    table: str | None,
    random: int | None,
    composition: str | None,
    seed: int,
    sequence_column: str | None,
) -> Backgrounds:
    """The model of a folder, and the sequences that the options say.

    Raises:
        typer.BadParameter: neither or both of a table and random sequences.
        ValueError, OSError: what cannot be read.
    """
    check_source(context, table, random, composition)
    from cisreg.storage import load_model

    model = load_model(folder)
    if random is not None:
        from cisreg.interpret import random_backgrounds

        shares = numbers("--composition", composition)
        codes = random_backgrounds(model, random, composition=shares, seed=seed)
        return Backgrounds(model, codes, None)
    assert table is not None
    import pyarrow as pa

    asked = {"name": True, **options.asked_columns(sequence_column, None, None)}
    files = options.open_files(
        table, {**asked, "expression": (), "weight": False, "extra": ()}, strict=True
    )
    blocks = list(files.blocks())
    if not blocks:
        raise ValueError(files.unusable.none_left(table))
    names = [rows.name for rows in blocks if rows.name is not None]
    codes = model.encode(pa.concat_arrays([rows.sequence for rows in blocks]))
    return Backgrounds(model, codes, pa.concat_arrays(names) if names else None)


def check_source(
    context: typer.Context, table: str | None, random: int | None, composition: str | None
) -> None:
    """Refuses neither or both of a table and random sequences."""
    if (table is None) == (random is None):
        raise typer.BadParameter("expected SEQUENCES or --random COUNT, not both", ctx=context)
    if composition is not None and random is None:
        raise typer.BadParameter("--composition: expected --random beside it", ctx=context)


def whole_numbers(option: str, texts: list[str]) -> list[int]:
    """Numbers, and ranges FROM:TO with both ends, in the order given.

    Raises:
        ValueError: a text that is neither, or a range that runs backwards.

    Example:
        >>> whole_numbers("--distance", ["3", "10:12"])
        [3, 10, 11, 12]
    """
    found: list[int] = []
    for text in texts:
        first, colon, last = text.partition(":")
        try:
            begin = parse_integer(first)
            end = parse_integer(last) if colon else begin
        except ValueError:
            raise ValueError(
                f"{option}: expected a number, or FROM:TO such as 0:50, got {text!r}"
            ) from None
        if end < begin:
            raise ValueError(f"{option}: expected FROM:TO with TO not below FROM, got {text!r}")
        found += range(begin, end + 1)
    return found


def write_result(
    table: pa.Table, summary: str, output: Path | None, plot: Path | None, *, overwrite: bool
) -> None:
    """Writes or shows the table of an experiment, and says what was found and written."""
    drawn = f"; plot written to {plot}" if plot is not None else ""
    if output is None:
        new_console(results=True).print(_shown(table))
        new_console(stderr=True).print(summary + drawn)
        return
    from cisreg.writing import open_table

    with open_table(output, overwrite=overwrite) as write:
        write({name: table[name].combine_chunks() for name in table.column_names})
    tell(output, f"{summary}; written to {destination(output)}{drawn}")


def _shown(table: pa.Table) -> TextTable:
    shown = TextTable("", [name.replace("_", " ") for name in table.column_names])
    for row in table.to_pylist():
        shown.add_row(
            *(f"{each:.4g}" if isinstance(each, float) else str(each) for each in row.values())
        )
    return shown
