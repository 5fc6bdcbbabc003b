"""Names and columns of the measurements of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cisreg.data import Columns, Dataset, DatasetFiles
from cisreg.data.formats.rows import Column


def with_outputs(asked: Columns, outputs: Sequence[Column]) -> Columns:
    """The columns to read, with those of several outputs.

    Raises:
        ValueError: a single output, or columns of expression beside the outputs.

    Example:
        >>> with_outputs(Columns("seq"), ("glucose", "galactose")).expression
        ('glucose', 'galactose')
    """
    if not outputs:
        return asked
    if len(outputs) == 1 or isinstance(outputs, str):
        raise ValueError(
            f"outputs: expected columns of two or more outputs, got {outputs!r}; name that of one "
            "with columns=Columns(expression=...)"
        )
    if asked.expression is not None:
        raise ValueError(
            "outputs: expected no columns of expression beside them, got "
            f"{asked.expression!r}; give one of them"
        )
    return replace(asked, expression=tuple(outputs))


def measured_names(data: Dataset | DatasetFiles, outputs: Sequence[Column]) -> tuple[str, ...]:
    """Names of the measurements: of outputs, or of the columns of a table, else numbers.

    Raises:
        ValueError: data that were opened with other measurements than these outputs, or without
            rows that lack some.

    Example:
        >>> measured_names(Dataset(["ACGT"], [[1.0, 2.0]]), ())
        ('expression_1', 'expression_2')
    """
    if isinstance(data, DatasetFiles):
        if outputs and (len(data.expression_names) != len(outputs) or not data.partly_measured):
            raise ValueError(
                f"outputs: expected files opened with them, got {data!r}; open them with "
                f"columns=Columns(expression={tuple(outputs)!r}) and partly_measured=True"
            )
        return data.expression_names
    count = 1 if data.expression.ndim == 1 else data.expression.shape[1]
    if outputs:
        if count != len(outputs):
            raise ValueError(
                f"outputs: expected a name for each of the {count} measurements of a row, got "
                f"{len(outputs)}"
            )
        return tuple(map(str, outputs))
    used = data.columns_used.get("expression")
    names = (used,) if isinstance(used, (str, int)) else tuple(used or ())
    if len(names) == count and all(isinstance(name, str) for name in names):
        return names
    return tuple(f"expression_{number + 1}" for number in range(count))
