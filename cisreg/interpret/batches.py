"""What all questions to a model share: sequences in batches, their names, factors by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from cisreg.data import Dataset
from cisreg.display import counted
from cisreg.interpret.any_model import AnyModel
from cisreg.limits import MOST_ROWS_AT_ONCE, check_range
from cisreg.outputs import check_one_output
from cisreg.progress import progress_bar
from cisreg.spec import ModelSpec

# Sequences computed at a time, and numbers of an array of them: a few such arrays are a few hundred
# megabytes.
_MOST_ROWS, _MOST_NUMBERS = 1024, 1 << 23


class Batch(NamedTuple):
    """Some of the sequences.

    Attributes:
        rows: their places among all sequences.
        codes: uint8 [n, L].
    """

    rows: slice
    codes: np.ndarray


def rows_at_once(
    spec: ModelSpec, batch_size: int | None = None, *, every_site: bool = False, numbers: int = 0
) -> int:
    """Sequences of a batch, of every question to a model.

    Args:
        spec: the layers of the model.
        batch_size: what was asked for; None: as many as take a few hundred megabytes.
        every_site: whether arrays with a number for every site are computed; they always are in
            models whose limits apply to single sites.
        numbers: of the largest further array, for each sequence.

    Raises:
        ValueError: a batch size below 1, or above 65,536.

    Example:
        >>> rows_at_once(ModelSpec(motif_count=245, motif_width=30, sequence_length=110))
        1024
        >>> spec = ModelSpec(motif_count=245, motif_width=30, sequence_length=110)
        >>> rows_at_once(spec, every_site=True)
        155
    """
    if batch_size is not None:
        check_range("batch_size", batch_size, 1, MOST_ROWS_AT_ONCE)
        return batch_size
    each = 2 * spec.motif_count
    if every_site or not spec.fused:
        each *= spec.window_count
    return min(_MOST_ROWS, max(1, _MOST_NUMBERS // max(each, numbers)))


def batches(
    model: AnyModel,
    codes: np.ndarray,
    *,
    batch_size: int | None = None,
    every_site: bool = False,
    progress: bool = False,
    description: str = "sequences",
) -> Iterator[Batch]:
    """The sequences in batches, with a progress bar if it is asked for and there is a terminal.

    Args:
        model: the model that they are for.
        codes: uint8 [N, L], from `Model.encode`.
        batch_size: sequences of a batch; None: as many as take a few hundred megabytes.
        every_site: whether arrays with a number for every site are computed.
        progress: whether to show progress.
        description: what is done with them.

    Raises:
        ValueError: a batch size below 1.
    """
    batch_size = rows_at_once(model.spec, batch_size, every_site=every_site)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with progress_bar(*columns, TimeRemainingColumn(), show=progress) as bar:
        task = bar.add_task(description, total=len(codes))
        for begin in range(0, len(codes), batch_size):
            rows = slice(begin, min(begin + batch_size, len(codes)))
            yield Batch(rows, codes[rows])
            bar.advance(task, rows.stop - begin)


def encode_some(model: AnyModel, sequences: Any) -> np.ndarray:
    """The codes of one or more sequences, uint8 [N, L].

    Raises:
        ValueError: there are none, or the model has several outputs.
    """
    check_one_output(model)
    codes = model.encode(sequences)
    if not len(codes):
        raise ValueError("sequences: expected one or more, got none")
    return codes


def sequence_names(sequences: Any) -> pa.Array | None:
    """The names of the sequences, if they are a Dataset that has names."""
    return sequences.name if isinstance(sequences, Dataset) else None


def sequence_column(name: pa.Array | None, rows: np.ndarray, begin: int = 0) -> pa.Array:
    """The column `sequence` of a table: names, or places from 0 where there are no names.

    Args:
        name: Arrow strings [N], or None.
        rows: int [K], the places of the sequences among the N.
        begin: the place of the first of the N.
    """
    if name is None:
        return pa.array(rows + begin, pa.int64())
    return name.take(pa.array(rows, pa.int64()))


def factor_places(model: AnyModel, factors: Sequence[str] | None) -> np.ndarray:
    """The places of factors among the motifs of a model, int [K].

    Args:
        model: the model.
        factors: names; None: all factors.

    Raises:
        ValueError: the model has no factor of this name, or it is given twice; or the model has
            several outputs.
        TypeError: one text instead of a list.
    """
    check_one_output(model)
    if factors is None:
        return np.arange(len(model.motif_names))
    if isinstance(factors, str):
        raise TypeError(f"factors: expected a list of names, got one text; give [{factors!r}]")
    names = list(factors)
    for name in names:
        if name not in model.motif_names:
            count = counted(len(model.motif_names), "factor")
            close = difflib.get_close_matches(name, model.motif_names)
            advice = (
                f"did you mean {' or '.join(map(repr, close))}?"
                if close
                else f"they are {', '.join(model.motif_names[:5])} ..."
            )
            raise ValueError(
                f"factors: expected names of the model's {count}, got {name!r}; {advice}"
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"factors: expected each name once, got {twice!r} twice; leave one out")
    return np.array([model.motif_names.index(name) for name in names], np.int64)
