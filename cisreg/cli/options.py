"""Arguments that several commands share, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from cisreg.data import Columns, Dataset
    from cisreg.motifs import MotifSet
    from cisreg.storage import Model

Side = Literal["left", "right"]
ImplementationName = Literal["auto", "fused", "standard"]

Motifs = Annotated[
    str,
    typer.Option(
        "--motifs",
        metavar="SOURCE",
        help="A .pkdm file, a folder of them, a file that lists them one per line, or the word "
        "**demo** for the sixteen that come with cisreg.",
    ),
]
ModelFolder = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Folder that **cisreg train** wrote.")
]
MeasuredTable = Annotated[
    Path,
    typer.Argument(
        metavar="TABLE", help="TSV or CSV (.gz, .bz2, .zst) with a sequence and its expression."
    ),
]
SequenceColumn = Annotated[
    str,
    typer.Option(metavar="COLUMN", help="Name of the column with the sequence, or its number."),
]
ExpressionColumn = Annotated[
    str,
    typer.Option(metavar="COLUMN", help="Name of the column with the expression, or its number."),
]
Implementation = Annotated[
    ImplementationName,
    typer.Option(
        metavar="NAME",
        help="fused is the custom operation, standard the same in TensorFlow's own; auto is fused "
        "where it can be.",
    ),
]


Threads = Annotated[
    int | None,
    typer.Option(min=1, metavar="COUNT", help="Threads to compute with; otherwise all cores."),
]
ComputeDtype = Annotated[
    Literal["float32", "bfloat16", "float16"],
    typer.Option(
        metavar="NAME",
        help="What sites may be computed in (no faster on a CPU); all else is float32.",
    ),
]


def set_threads(count: int | None) -> None:
    """Has TensorFlow compute with so many threads; call it before anything is computed."""
    import tensorflow as tf

    if count is not None:
        tf.config.threading.set_intra_op_parallelism_threads(count)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def column(text: str) -> int | str:
    """A column's position from 0 where `text` is its number from 1, else its name."""
    return int(text) - 1 if text.isdecimal() else text


def columns(sequence: str | None, expression: str | None, weight: str | None) -> Columns | None:
    """The columns that options name; None where they name none, and the file's names decide."""
    from cisreg.data import Columns

    given = {
        "sequence": None if sequence is None else column(sequence),
        "expression": None if expression is None else (column(expression),),
        "weight": None if weight is None else column(weight),
    }
    named: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return Columns(**named) if named else None


def load_motifs(source: str, width: int) -> MotifSet:
    """The motifs that `--motifs` names, placed in `width` columns."""
    from cisreg.motifs import demo_motifs, read_motifs

    if source == "demo":
        return demo_motifs(width=width)
    if not Path(source).exists():
        raise FileNotFoundError(
            f"--motifs: expected a file, a folder or the word demo, got {source}, which does not "
            "exist"
        )
    return read_motifs(source, width=width)


def load_dataset(
    table: Path,
    length: int | None,
    side: Side,
    sequence_column: str,
    expression_column: str,
) -> Dataset:
    """The sequences and measurements of `table`."""
    from cisreg.data import read_dataset

    return read_dataset(
        table,
        length,
        side=side,
        sequence_column=column(sequence_column),
        expression_column=column(expression_column),
    )


def padding_side(model: Model) -> Side:
    """The side on which the model's training sequences were padded or trimmed."""
    return model.metadata.get("padding_side", "left")


def refuse_used_folder(folder: Path, marks: tuple[str, ...], advice: str) -> None:
    """Raises ValueError where `folder` holds one of the files that a run begins with."""
    for mark in marks:
        if (folder / mark).exists():
            raise ValueError(f"{folder}: expected a new folder, but it holds {mark}; {advice}")
