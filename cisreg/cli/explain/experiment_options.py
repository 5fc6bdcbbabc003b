"""What the commands of experiments share: sequences, and numbers as ranges."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cisreg.cli.prepare.step_options import numbers
from cisreg.number_text import parse_integer

if TYPE_CHECKING:
    import numpy as np

    from cisreg.data import Dataset
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
Plot = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Plot to write, .png, .pdf or .svg.")
]
ChangeEnds = Annotated[
    bool, typer.Option("--change-ends", help="Also change bases of constant ends.")
]


def read_backgrounds(
    folder: Path,
    table: str | None,
    random: int | None,
    composition: str | None,
    seed: int,
    sequence_column: str | None,
) -> tuple[Model, Dataset | np.ndarray]:
    """The model of a folder, and the sequences that the options of `check_source` say.

    Raises:
        ValueError, OSError: what cannot be read.
    """
    from cisreg.storage import load_model

    model = load_model(folder)
    if random is None:
        assert table is not None
        from cisreg.cli.explain.sequences import read_sequences

        return model, read_sequences(model, table, sequence_column)
    from cisreg.interpret import random_backgrounds

    shares = numbers("--composition", composition)
    return model, random_backgrounds(model, random, composition=shares, seed=seed)


def check_source(
    context: typer.Context, table: str | None, random: int | None, composition: str | None
) -> None:
    """Refuses neither or both of a table and random sequences.

    Raises:
        typer.BadParameter: these, or a composition of no random sequences.
    """
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
