"""Reads the sequences that a model is asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cisreg.cli import options

if TYPE_CHECKING:
    from cisreg.data import Dataset
    from cisreg.trained_model import Model


def read_sequences(
    model: Model,
    table: str,
    sequence_column: str | None = None,
    name_column: str | None = None,
    measured_column: str | None = None,
) -> Dataset:
    """The sequences of a table or FASTA file as the model's input, with their names if any.

    Args:
        model: the model; shorter sequences are padded on its side.
        table: as `cisreg.open_dataset` reads it.
        sequence_column: name or number of the column; None: found by its name.
        name_column: the same for the names of the sequences.
        measured_column: the same for measured expression; None: none is read.

    Raises:
        ValueError: no sequences, or a row without one.
    """
    asked = options.asked_columns(sequence_column, None, None, name_column)
    measured = () if measured_column is None else (options.column(measured_column),)
    files = options.open_files(
        table,
        {"name": True, **asked, "expression": measured, "weight": False},
        length=model.spec.sequence_length,
        side=model.padding_side,
        strict=True,
    )
    dataset = files.load()
    model.warn_of_trimmed(files.trimmed)
    return dataset
