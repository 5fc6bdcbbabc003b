"""What the commands of experiments share: their options, and numbers as ranges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cisreg.cli import options
from cisreg.cli.explain import tables
from cisreg.cli.outputs import check_files
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


@dataclass(frozen=True)
class Experiment:
    """The options of every experiment, see `cisreg.cli.option_groups.spread`.

    Attributes:
        model: folder of the model.
        sequences: file of sequences; None with `random`.
        random: how many random sequences; None with `sequences`.
        composition: their shares of bases, as text.
        seed: of all that is random.
        change_ends: whether bases of constant ends may change.
        output: table to write.
        sequence_column: of the file.
        name_column: of the file.
        threads: to compute with.
        model_output: of a model of several.
        overwrite: whether files may be replaced.
    """

    model: options.ModelFolder
    sequences: Sequences = None
    random: Random = None
    composition: Composition = None
    seed: Seed = 0
    change_ends: ChangeEnds = False
    output: tables.Output = None
    sequence_column: options.SequenceColumn = None
    name_column: options.NameColumn = None
    threads: options.Threads = None
    model_output: options.ModelOutput = None
    overwrite: options.Overwrite = False

    def check(self, context: typer.Context, plot: Path | None = None) -> None:
        """Refuses options and files that cannot be, before anything is computed.

        Args:
            context: of the command.
            plot: a plot that the command writes, too.

        Raises:
            typer.BadParameter: neither or both of a table and random sequences, or a composition of
                no random ones.
            ValueError, OSError, ImportError: a file that cannot be written.
        """
        if (self.sequences is None) == (self.random is None):
            raise typer.BadParameter("expected SEQUENCES or --random COUNT, not both", ctx=context)
        if self.composition is not None and self.random is None:
            raise typer.BadParameter("--composition: expected --random beside it", ctx=context)
        files = [self.output, plot]
        check_files(files, inputs=[self.model, self.sequences], overwrite=self.overwrite)
        tables.check_results(self.output, plot)

    def read(self, *factors: str) -> tuple[Model, Dataset | np.ndarray]:
        """The model, and the sequences of the file or random ones.

        Args:
            factors: names that must be factors of the model.

        Raises:
            ValueError, OSError: what cannot be read.
        """
        from cisreg.interpret.batches import factor_places

        model = options.read_model(self.model, self.model_output)
        factor_places(model, factors)
        if self.random is None:
            assert self.sequences is not None
            from cisreg.cli.explain.sequences import read_sequences

            return model, read_sequences(
                model, self.sequences, self.sequence_column, self.name_column
            )
        from cisreg.interpret import random_backgrounds

        shares = numbers("--composition", self.composition)
        return model, random_backgrounds(model, self.random, composition=shares, seed=self.seed)

    def how(self) -> dict[str, Any]:
        """The arguments that the functions of all experiments have."""
        return {"change_ends": self.change_ends, "threads": self.threads, "progress": True}


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
