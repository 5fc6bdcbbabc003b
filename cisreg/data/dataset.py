"""Encoded sequences with their measurements."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, overload

import numpy as np
import pyarrow as pa

from cisreg.arrays import as_array
from cisreg.data.formats.one_hot import decode_padded
from cisreg.data.formats.rows import Column, Columns
from cisreg.data.formats.usable import to_text
from cisreg.data.frames import rows_of_frame, table_of, to_pandas
from cisreg.data.row_places import RowPlaces, joined_places
from cisreg.display import html_table, printable
from cisreg.sequences import EncodedSequences, Side, encode

logger = logging.getLogger("cisreg.data")

_SHOWN_ROWS, _SHOWN_BASES = 5, 60
# Stands for the places of rows that are made from arrays: their own numbers. None is not known.
_OWN_NUMBERS = RowPlaces(-1)


class Row(NamedTuple):
    """One row of a Dataset.

    Attributes:
        sequence: as text, N for unknown bases and padding.
        expression: a number, or float32 [K] for K measurements.
        weight: a number, or None.
        name: or None.
    """

    sequence: str
    expression: Any
    weight: float | None
    name: str | None


@dataclass(frozen=True, eq=False)
class Dataset:
    """N sequences and the measurements of each.

    All fields may be given as lists, NumPy, pandas, Arrow or TensorFlow arrays; they are taken by
    position and converted. `data[5:10]` and `data.take(rows)` are Datasets, `data[5]` is a `Row`.

    Attributes:
        sequence: uint8 [N, L], base codes 0 A, 1 C, 2 G, 3 T, 4 unknown or padding. Text is encoded
            as by `cisreg.encode`.
        expression: float32 [N], finite; [N, K] for K measurements, which are replicates or those
            of K outputs, with NaN where one is missing, but not all of a row; [N, 1] becomes [N].
        weight: float32 [N], finite and 0 or more: factors of the loss of each sequence; None: 1 for
            all.
        name: Arrow strings [N], or None.
        extra: further columns by name, Arrow arrays [N].
        side: "left" or "right", where shorter sequences were padded and longer ones trimmed; None:
            the side that `cisreg.encode` used, otherwise left. A model that is trained on the
            dataset pads and trims text on the same side.
        columns_used: the columns of the source table, by role; a trained model keeps them.
        trimmed: whether sequences longer than L were cut, on `side`. If so, it is not known where
            their constant end begins.
        places: which lines or rows of the files, or rows of the arrays, these are, also after some
            were left out, chosen or put in another order; `place` says it. None: not known.

    Raises:
        ValueError: a different shape, a code above 4, or numbers that are missing or not finite.
        TypeError: one string instead of a list, or sequences that are not strings.

    Example:
        >>> data = Dataset(["ACGT", "TTGC"], [1, 2])
        >>> data.sequence.tolist(), len(data[:1])
        ([[0, 1, 2, 3], [3, 3, 2, 1]], 1)
    """

    sequence: np.ndarray
    expression: np.ndarray
    weight: np.ndarray | None = None
    name: pa.Array | None = None
    extra: Mapping[str, pa.Array] = field(default_factory=dict)
    side: Side | None = None
    columns_used: Mapping[str, Any] = field(default_factory=dict)
    trimmed: bool = False
    places: RowPlaces | None = _OWN_NUMBERS

    def __post_init__(self) -> None:
        if self.side not in ("left", "right", None):
            raise ValueError(f'side: expected "left" or "right", got {self.side!r}')
        known = self.sequence.side if isinstance(self.sequence, EncodedSequences) else None
        object.__setattr__(self, "side", self.side or known or "left")
        object.__setattr__(self, "trimmed", self.trimmed or _is_trimmed(self.sequence))
        sequence = _codes(self.sequence)
        if sequence.size and sequence.max() > 4:
            raise ValueError(f"sequence: expected codes 0 to 4, got {sequence.max()}")
        shape = ("N", "K") if _rank(self.expression) == 2 else ("N",)
        expression = as_array(
            self.expression, "expression", np.float32, shape, finite=len(shape) == 1
        )
        _check_measured(expression)
        if expression.ndim == 2 and expression.shape == (len(sequence),) * 2 and len(sequence) > 1:
            logger.warning(
                "expression: as many measurements as sequences, %d: each row is taken for the "
                "measurements of a sequence; transpose it if each column is",
                len(sequence),
            )
        fields: dict[str, Any] = {"sequence": sequence, "expression": _flat(expression)}
        if self.weight is not None:
            weight = as_array(self.weight, "weight", np.float32, ("N",), finite=True)
            if weight.size and weight.min() < 0:
                raise ValueError(f"weight: expected 0 or more, got {weight.min()}")
            fields["weight"] = weight
        if self.name is not None:
            fields["name"] = to_text(_arrow(self.name))
        fields["extra"] = {name: _arrow(each) for name, each in self.extra.items()}
        for name, each in {**fields, **fields["extra"]}.items():
            if name != "extra" and len(each) != len(sequence):
                raise ValueError(
                    f"{name}: expected one for each of {len(sequence)} sequences, got {len(each)}"
                )
        if self.places is _OWN_NUMBERS:
            fields["places"] = RowPlaces(len(sequence))
        elif self.places is not None and self.places.count != len(sequence):
            fields["places"] = None
        for name, each in fields.items():
            object.__setattr__(self, name, each)

    @classmethod
    def unchecked(
        cls,
        sequence: np.ndarray,
        expression: np.ndarray,
        weight: np.ndarray | None = None,
        name: pa.Array | None = None,
        extra: Mapping[str, pa.Array] | None = None,
        places: RowPlaces | None = None,
    ) -> Dataset:
        """A Dataset of arrays that are known to be valid; the numbers are not checked again."""
        data = object.__new__(cls)
        data.__dict__.update(
            sequence=sequence,
            expression=_flat(expression),
            weight=weight,
            name=name,
            extra=extra or {},
            side="left",
            columns_used={},
            trimmed=False,
            places=places,
        )
        return data

    def read_with(
        self, side: Side | None, columns_used: Mapping[str, Any], trimmed: bool
    ) -> Dataset:
        """The same rows, with a record of how they were read."""
        data = copy(self)
        data.__dict__.update(side=side, columns_used=dict(columns_used), trimmed=trimmed)
        return data

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        sequence: Column | None = None,
        expression: Column | Sequence[Column] | None = None,
        weight: Column | bool = True,
        name: Column | bool = True,
        *,
        extra: Sequence[Column] | Literal[True] = (),
        length: int | None = None,
        side: Side = "left",
        partly_measured: bool = False,
    ) -> Dataset:
        """The rows of a table in memory. Every row must be usable.

        Args:
            frame: pandas or polars DataFrame, Arrow table, or arrays by name. Rows are taken by
                position: an index is ignored.
            sequence: name or position of the column; None: found as in files, see `Columns`.
            expression: name or position of the column, or several of them.
            weight: name or position; True: the column named weight, if there is one; False: none.
            name: name or position; True: the column with a usual name, if there is one; False:
                none.
            extra: further columns to keep; True: all others.
            length: L; None: the length of the longest sequence.
            side: where shorter sequences are padded and longer ones trimmed.
            partly_measured: whether one of several measurements of a row is enough, NaN or a
                missing value among them being one that is missing.

        Raises:
            ValueError: "frame, row N: expected …" for a row that cannot be used, N from 0; columns
                that are missing, not clear or of a different type.
            TypeError: not a table.

        Example:
            >>> data = Dataset.from_frame({"seq": ["ACGT"], "y": [5]}, expression="y")
            >>> data.expression
            array([5.], dtype=float32)
        """
        several = expression is not None and not isinstance(expression, int | str)
        asked = Columns(
            sequence,
            tuple(expression) if several else expression,  # type: ignore[arg-type]
            weight,
            name,
            extra if extra is True else tuple(extra),
        )
        rows, used = rows_of_frame(frame, asked, partly_measured=partly_measured)
        encoded = encode(rows.sequence, length, side=side)
        codes = np.asarray(encoded)
        places = RowPlaces(len(codes))
        data = cls.unchecked(codes, rows.expression, rows.weight, rows.name, rows.extra, places)
        return data.read_with(side, used.to_json(), _is_trimmed(encoded))

    def __len__(self) -> int:
        return len(self.sequence)

    def __iter__(self) -> Iterator[Row]:
        return (self[row] for row in range(len(self)))

    @overload
    def __getitem__(self, rows: int) -> Row: ...

    @overload
    def __getitem__(self, rows: slice | np.ndarray | Sequence[int]) -> Dataset: ...

    def __getitem__(self, rows: Any) -> Row | Dataset:
        """One row, or a Dataset of several. A slice is a view; for a list of rows see `take`."""
        if isinstance(rows, int | np.integer):
            if not -len(self) <= rows < len(self):
                raise IndexError(f"rows: expected a row of {len(self)}, counted from 0, got {rows}")
            return self._row(range(len(self))[rows])
        if not isinstance(rows, slice):
            return self.take(rows)
        begin, end, step = rows.indices(len(self))
        # Arrow's slices have no steps.
        some = slice(begin, max(end, begin))
        return self._of(
            lambda array: (
                array[rows] if isinstance(array, np.ndarray) or step != 1 else array[some]
            ),
            None if self.places is None else self.places.slice(rows),
        )

    def _row(self, row: int) -> Row:
        return Row(
            decode_padded(self.sequence[row : row + 1])[0].as_py(),
            self.expression[row].item() if self.expression.ndim == 1 else self.expression[row],
            None if self.weight is None else self.weight[row].item(),
            None if self.name is None else self.name[row].as_py(),
        )

    def take(self, rows: Any) -> Dataset:
        """The Dataset of these rows, in this order; `rows` are integers [K] or booleans [N]."""
        rows = np.asarray(rows)
        if rows.size and rows.dtype.kind not in "bui":
            raise TypeError(
                f"rows: expected integers or booleans, got {rows.dtype}; columns are fields of the "
                "dataset, such as data.expression and data.extra"
            )
        if rows.dtype == np.bool_ and len(rows) != len(self):
            raise ValueError(f"rows: expected {len(self)} booleans, got {len(rows)}")
        rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.int64)
        rows = np.where(rows < 0, rows + len(self), rows)
        index = pa.array(rows)
        return self._of(
            lambda array: array[rows] if isinstance(array, np.ndarray) else array.take(index),
            None if self.places is None else self.places.take(rows),
        )

    def copy(self) -> Dataset:
        """A copy of the rows. Unlike a view, it does not keep other rows in memory."""
        index = pa.array(np.arange(len(self)))
        return self._of(
            lambda array: array.copy() if isinstance(array, np.ndarray) else array.take(index),
            self.places,
        )

    def without_sequences(self) -> Dataset:
        """The same rows with sequences of length 0."""
        codes = self.sequence[:, :0]
        rest = (self.expression, self.weight, self.name, self.extra, self.places)
        return Dataset.unchecked(codes, *rest)

    def place(self, row: int) -> str:
        """Where a row comes from: "file:line" of text, "file, row N" of Parquet, "row N" of arrays.

        Lines are counted from 1, rows of Parquet and of arrays from 0, as errors do. Rows that were
        left out count, too.

        Raises:
            IndexError: there is no such row.
            ValueError: it is not known, as of batches, or after a change of the number of rows.

        Example:
            >>> Dataset(["ACGT", "TTGC"], [1, 2])[1:].place(0)
            'row 1'
        """
        if not -len(self) <= row < len(self):
            raise IndexError(f"row: expected a row of {len(self)}, counted from 0, got {row}")
        if self.places is None:
            raise ValueError(
                "places: expected rows whose places are known, got rows of batches, or another "
                "number of rows; load them, read a row group, or choose rows with take"
            )
        return self.places.of(range(len(self))[row])

    def _of(self, chosen: Any, places: RowPlaces | None) -> Dataset:
        return Dataset.unchecked(
            chosen(self.sequence),
            chosen(self.expression),
            None if self.weight is None else chosen(self.weight),
            None if self.name is None else chosen(self.name),
            {name: chosen(array) for name, array in self.extra.items()},
            places,
        ).read_with(self.side, self.columns_used, self.trimmed)

    @property
    def mean_expression(self) -> np.ndarray:
        """float32 [N], the mean of the K measurements of each sequence, without those missing."""
        if self.expression.ndim == 1:
            return self.expression
        # In float64, since the sum may be beyond float32 where the mean is not.
        mean = np.nanmean(self.expression, axis=1, dtype=np.float64)
        return np.asarray(mean, np.float32)

    def rows_that_count(self) -> Dataset:
        """The rows with a weight above 0; all where there are no weights.

        Example:
            >>> len(Dataset(["ACGT", "TTGC"], [1, 2], weight=[0, 1]).rows_that_count())
            1
        """
        if self.weight is None or np.all(self.weight > 0):
            return self
        return self.take(np.flatnonzero(self.weight > 0))

    @property
    def mean_weight(self) -> np.ndarray:
        """float64 [N], the weight of the mean of each sequence's measurements in least squares.

        The mean of k of K replicates is as sure as k / K of the means of all. So it weighs k / K
        times the row's own weight, in training too.

        Example:
            >>> Dataset(["ACGT", "TTGC"], [[1, 2], [3, float("nan")]]).mean_weight.tolist()
            [1.0, 0.5]
        """
        weight = np.ones(len(self)) if self.weight is None else self.weight.astype(np.float64)
        if self.expression.ndim == 1:
            return weight
        return weight * np.isfinite(self.expression).mean(axis=1)

    def fingerprint(self) -> str:
        """A hexadecimal checksum of the sequences and numbers; names do not count."""
        total = hashlib.sha256()
        arrays = (self.sequence, self.expression, self.weight)
        for array in (np.ascontiguousarray(each) for each in arrays if each is not None):
            total.update(f"{array.dtype.str} {array.shape} ".encode())
            total.update(array.reshape(-1).view(np.uint8).data)
        return total.hexdigest()

    def to_table(self) -> pa.Table:
        """An Arrow table with the columns name, sequence, expression and weight, and further ones.

        Sequences are text of L letters, N for unknown bases and padding. Several measurements are
        expression_1, expression_2 … Columns that the dataset does not have are left out.

        Raises:
            ValueError: a further column with the name of one of these.

        Example:
            >>> Dataset(["ACGT"], [5]).to_table().to_pylist()
            [{'sequence': 'ACGT', 'expression': 5.0}]
        """
        one = self.expression.ndim == 1
        columns = {"name": self.name, "sequence": decode_padded(self.sequence)}
        for number, values in enumerate(self.expression.reshape(len(self), -1).T, start=1):
            columns["expression" if one else f"expression_{number}"] = np.ascontiguousarray(values)
        return table_of({**columns, "weight": self.weight}, self.extra)

    def to_frame(self) -> Any:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
            ValueError: as `to_table`.

        Example:
            >>> Dataset(["ACGT"], [5]).to_frame().expression.tolist()  # doctest: +SKIP
            [5.0]
        """
        return to_pandas(self.to_table())

    def __repr__(self) -> str:
        return f"Dataset({self._summary()})"

    def _summary(self) -> str:
        parts = [f"{len(self):,} sequences of {self.sequence.shape[1]:,} bases"]
        if self.expression.size:
            low, high = float(np.nanmin(self.expression)), float(np.nanmax(self.expression))
            several = f"{self.expression.shape[1]} x " if self.expression.ndim == 2 else ""
            parts.append(f"{several}expression {low:.4g} to {high:.4g}")
            missing = int(np.isnan(self.expression).sum())
            parts += [f"{missing:,} measurements missing"] * (missing > 0)
        parts += ["weights"] * (self.weight is not None) + ["names"] * (self.name is not None)
        return ", ".join([*parts, *map(printable, self.extra)])

    def _repr_html_(self) -> str:
        """The summary and the first rows, for notebooks."""
        table = self[:_SHOWN_ROWS].to_table()
        columns = {
            name: [_cell(value) for value in table[name].to_pylist()] for name in table.column_names
        }
        return html_table(repr(self), columns, table.num_rows)


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _SHOWN_BASES else f"{text[:_SHOWN_BASES]}…"


def _flat(expression: np.ndarray) -> np.ndarray:
    """Measurements as losses take them: [N] for one per sequence, else [N, K]."""
    one = expression.ndim == 2 and expression.shape[1] == 1
    return expression[:, 0] if one else expression


def _check_measured(expression: np.ndarray) -> None:
    """Refuses several measurements of a row of which none is a number, or one is infinite."""
    if expression.ndim == 1 or np.isfinite(expression).all():
        return
    none = np.isnan(expression).all(axis=1)
    wrong = np.isinf(expression).any(axis=1) | (none & (expression.shape[1] > 0))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            "expression: expected finite numbers, NaN for some but not all measurements of a row, "
            f"got {expression[row].tolist()} in row {row}; leave this row out"
        )


def _rank(value: Any) -> int:
    return 2 if isinstance(value, pa.Table | pa.RecordBatch) else np.ndim(value)


def _is_trimmed(sequence: Any) -> bool:
    """Whether some of the sequences were longer than their rows, if their lengths are known."""
    if not isinstance(sequence, EncodedSequences) or sequence.length is None:
        return False
    return bool((sequence.length > sequence.shape[-1]).any())


def _codes(value: Any) -> np.ndarray:
    """Base codes of text; codes are returned unchanged."""
    if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 2:
        return value
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return np.asarray(encode(value))
    if isinstance(value, str):
        raise TypeError("sequence: expected a list of sequences, got one; put it in a list")
    array = np.asarray(value)
    if array.dtype.kind in "OUT" and array.ndim == 1 and len(array):
        return np.asarray(encode(array.tolist()))
    return as_array(array, "sequence", np.uint8, ("N", "L"))


def _arrow(values: Any) -> pa.Array:
    """A column as one Arrow array, by position."""
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks()
    return values if isinstance(values, pa.Array) else pa.array(np.asarray(values).tolist())


def join(parts: Sequence[Dataset]) -> Dataset:
    """Concatenates datasets of the same sequence length.

    Weights, names and further columns are kept if all parts have them. The record of how rows were
    read is that of the first part.

    Raises:
        ValueError: no part, different lengths, or different numbers of measurements.

    Example:
        >>> data = Dataset(["ACGT", "TTGC"], [1, 2])
        >>> len(join([data, data[:1]]))
        3
    """
    if len(parts) == 1:
        return parts[0]
    if len({(part.sequence.shape[1], part.expression.shape[1:]) for part in parts}) != 1:
        raise ValueError(
            "parts: expected datasets of one length and number of measurements, got "
            f"{', '.join(f'{p.sequence.shape} {p.expression.shape}' for p in parts) or 'none'}"
        )
    weights = [part.weight for part in parts if part.weight is not None]
    names = [part.name for part in parts if part.name is not None]
    extra = [name for name in parts[0].extra if all(name in part.extra for part in parts)]
    return Dataset.unchecked(
        np.concatenate([part.sequence for part in parts]),
        np.concatenate([part.expression for part in parts]),
        np.concatenate(weights) if len(weights) == len(parts) else None,
        pa.concat_arrays(names) if len(names) == len(parts) else None,
        {name: pa.concat_arrays([part.extra[name] for part in parts]) for name in extra},
        joined_places([part.places for part in parts]),
    ).read_with(parts[0].side, parts[0].columns_used, any(part.trimmed for part in parts))
