"""Tables of counts of DNA and RNA of a reporter assay: of barcodes, or of whole sequences.

Columns are found by name; any delimiter, compression or Parquet that `cisreg.open_dataset` reads.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute

from cisreg.data.formats.columns import MISSING, RECORD_NAMES, SEQUENCE_NAMES
from cisreg.data.formats.known_tables import plain_name
from cisreg.data.formats.parquet import ParquetReader
from cisreg.data.formats.recognition import PARQUET, TABLE, look
from cisreg.data.formats.rows import Columns
from cisreg.data.formats.sources import find_files
from cisreg.data.formats.text_reader import TableReader
from cisreg.data.formats.usable import RawRows, to_text
from cisreg.names import check_shown
from cisreg.prepare.inputs import refuse_same_file
from cisreg.prepare.reading import input_name, name_of_file

PathLike = str | os.PathLike[str]

BARCODE_NAMES = ("barcode", "barcodes", "bc", "barcode_sequence")
BARCODE_COUNT_NAMES = ("n_bc", "n_obs_bc", "barcodes", "n_barcodes")
# What MPRAflow calls the barcodes that belong to no sequence (no_BC), in lower case.
UNASSIGNED = "no_bc"
# dna_count, dna_counts_2, DNA, RNA_rep1, rna1; not dna_normalized, whose numbers are no counts.
_COUNT = re.compile(
    r"(?P<kind>dna|rna)(?:_(?:counts?|reads|umis?)(?:_(?P<name>.+))?"
    r"|_?(?P<replicate>(?:rep(?:licate)?_?)?[0-9]+))?"
)
_WHOLE = re.compile("[0-9]{1,15}")
_POINT_ZERO = r"^([0-9]+)\.0*$"

SCHEMA = pa.schema(
    {
        **dict.fromkeys(("name", "unit", "replicate", "sequence", "condition"), pa.string()),
        **dict.fromkeys(("dna", "rna", "barcodes"), pa.int64()),
    }
)


@dataclass(frozen=True)
class _Layout:
    """Names of the columns of a table by their roles.

    Attributes:
        name: what the counts of a sequence are summed by: its name, else the sequence itself.
        sequence: the sequence, or None.
        barcode: the barcode, or None where each row is a whole sequence.
        barcodes: number of barcodes of a row that is a whole sequence, or None.
        replicate: the replicate of the row, or None.
        condition: the condition of the row, or None.
        pairs: for each replicate its name and its columns of DNA and RNA.
    """

    name: str
    sequence: str | None
    barcode: str | None
    barcodes: str | None
    replicate: str | None
    condition: str | None
    pairs: tuple[tuple[str, str, str], ...]

    @property
    def shares_dna(self) -> bool:
        """Whether all replicates have one column of DNA."""
        return len(self.pairs) > 1 and len({dna for _, dna, _ in self.pairs}) == 1

    @property
    def described(self) -> str:
        """The roles as text."""
        roles = [("name", self.name), ("sequence", self.sequence), ("barcode", self.barcode)]
        roles += [("number of barcodes", self.barcodes), ("replicate", self.replicate)]
        said = [f"{role} from {column!r}" for role, column in roles if column is not None]
        counts = (f"{label}: {dna!r} and {rna!r}" for label, dna, rna in self.pairs)
        return f"{', '.join(said)}; DNA and RNA of replicate {', '.join(counts)}"


@dataclass
class LeftOut:
    """Rows without a usable name or barcode.

    Attributes:
        unassigned: rows whose name is that of MPRAflow for barcodes of no sequence, or is missing.
        without_barcode: rows of a table of barcodes without one.
    """

    unassigned: int = 0
    without_barcode: int = 0


@dataclass(frozen=True, eq=False)
class ReporterCounts:
    """Opened tables of counts.

    Attributes:
        columns: text for users that says how each column is used.
        has_barcodes: whether a row is a barcode; else it is a whole sequence.
        counts_barcodes: whether rows of whole sequences have the number of their barcodes.
        has_sequences: whether the tables have the sequences.
        has_names: whether the sequences have names.
        shares_dna: whether all replicates have the same counts of DNA.
        left_out: what `batches` has left out so far.
        batches: for one pass, see `SCHEMA`: each row once for every replicate in which it has
            counts.
    """

    columns: str
    has_barcodes: bool
    counts_barcodes: bool
    has_sequences: bool
    has_names: bool
    shares_dna: bool
    left_out: LeftOut
    batches: Iterator[pa.RecordBatch]


def read_reporter_counts(inputs: Sequence[PathLike]) -> ReporterCounts:
    """Opens tables of counts of DNA and RNA; see `cisreg.prepare.activity.activity`.

    Args:
        inputs: one table, or one for each replicate, which is named after its file.

    Raises:
        FileNotFoundError: a file does not exist.
        ValueError: "file:line: reason" for columns whose roles are missing or not clear, and, from
            `batches`, for a count that is not a whole number.
    """
    if not inputs:
        raise ValueError("inputs: expected one table or more, got none; name them")
    refuse_same_file("inputs", inputs, "give one table per replicate")
    tables = [_Table(path) for path in inputs]
    if len(tables) > 1:
        names = _replicate_names(inputs)
        for table, name in zip(tables, names, strict=True):
            table.name_replicate(name)
    first = tables[0].layout
    for table in tables[1:]:
        kinds = [(each.barcode is None, each.sequence is None) for each in (first, table.layout)]
        if kinds[0] != kinds[1]:
            raise ValueError(
                f"{table.place}: expected the same columns as in {tables[0].place}, got "
                f"{table.layout.described}; give tables of one kind"
            )
    left_out = LeftOut()
    return ReporterCounts(
        columns="; ".join(table.layout.described for table in tables),
        has_barcodes=first.barcode is not None,
        counts_barcodes=all(table.layout.barcodes is not None for table in tables),
        has_sequences=first.sequence is not None,
        has_names=first.name != first.sequence,
        shares_dna=first.shares_dna,
        left_out=left_out,
        batches=(batch for table in tables for batch in table.batches(left_out)),
    )


def _replicate_names(inputs: Sequence[PathLike]) -> tuple[str, ...]:
    names = tuple(map(name_of_file, inputs))
    names = names if len({*names}) == len(names) else tuple(os.fspath(path) for path in inputs)
    check_shown("inputs", names, "rename the file")
    return names


class _Table:
    """One table: its columns, then its rows."""

    def __init__(self, path: PathLike) -> None:
        found = find_files(path).files
        if len(found) != 1:
            raise ValueError(f"{input_name(path)}: expected one file, got {len(found)}")
        self._start = look(found[0])
        self.place = found[0].name
        if self._start.kind not in (TABLE, PARQUET):
            raise ValueError(
                f"{self.place}: expected a table with counts of DNA and RNA, got {self._start.kind}"
            )
        self._names, described = self._all_columns()
        self.layout = _find_layout(self.place, self._names, described)
        self._is_one_replicate = False

    def _all_columns(self) -> tuple[tuple[str, ...], str]:
        reader = self._reader(Columns(0, (), weight=False, extra=True))
        first = reader.columns.sequence
        if not isinstance(first, str) or reader.places.names:
            raise ValueError(
                f"{self.place}: expected names of the columns in the first line, each once, got "
                f"{reader.described}; name them, such as barcode, name, dna_count, rna_count"
            )
        return (first, *reader.places.extra_names), reader.described

    def _reader(self, asked: Columns, *, by_name: bool = False) -> ParquetReader | TableReader:
        key: Literal["name", "sequence"] = "name" if by_name else "sequence"
        if self._start.kind == PARQUET:
            return ParquetReader([self._start], asked, key=key)
        return TableReader([self._start], asked, key=key)

    def name_replicate(self, name: str) -> None:
        """Calls the only replicate of this table after its file."""
        layout = self.layout
        if len(layout.pairs) > 1 or layout.replicate is not None:
            raise ValueError(
                f"{self.place}: expected one replicate in each of several tables, got "
                f"{layout.described}; give one table with all replicates, or one table for each"
            )
        self.layout = replace(layout, pairs=((name, *layout.pairs[0][1:]),))

    def batches(self, left_out: LeftOut) -> Iterator[pa.RecordBatch]:
        """The rows; those that belong to no sequence are counted in `left_out`."""
        layout = self.layout
        roles = (layout.sequence, layout.barcode, layout.barcodes, layout.replicate)
        wanted = [*roles, layout.condition, *(each for pair in layout.pairs for each in pair[1:])]
        extra = tuple(dict.fromkeys(each for each in wanted if each not in (None, layout.name)))
        reader = self._reader(
            Columns(None, (), weight=False, name=layout.name, extra=extra), by_name=True
        )
        for part in range(reader.part_count):
            for raw in reader.read(part):
                if raw.faults:
                    raise ValueError(f"{raw.faults[0].place}: {raw.faults[0].message}")
                if len(raw.sequence):
                    yield from self._long(raw, left_out)

    def _long(self, raw: RawRows, left_out: LeftOut) -> Iterator[pa.RecordBatch]:
        """The rows once for each replicate in which they have a count."""
        layout = self.layout
        nothing = pa.nulls(len(raw.sequence), pa.string())
        text: dict[str | None, pa.Array] = {None: nothing}
        for column, values in raw.extra.items():
            text[column] = to_text(values).cast(pa.string())
        text[layout.name] = name = compute.utf8_trim_whitespace(
            to_text(raw.sequence).cast(pa.string())
        )
        counts = {
            column: _counts(raw, column, text[column])
            for column in {*(each for pair in layout.pairs for each in pair[1:]), layout.barcodes}
            if column is not None
        }
        nameless = compute.is_in(compute.ascii_lower(name), pa.array((*MISSING, UNASSIGNED)))
        usable = ~nameless.to_numpy(zero_copy_only=False)
        left_out.unassigned += int((~usable).sum())
        unit = name if layout.barcode is None else compute.ascii_upper(text[layout.barcode])
        if layout.barcode is not None:
            empty = compute.is_in(compute.ascii_lower(unit), pa.array(MISSING)).to_numpy(
                zero_copy_only=False
            )
            left_out.without_barcode += int((usable & empty).sum())
            usable &= ~empty
        for label, dna, rna in layout.pairs:
            there = compute.or_(counts[dna].is_valid(), counts[rna].is_valid()).to_numpy(
                zero_copy_only=False
            )
            named = pa.array([label] * len(name)) if layout.replicate is None else None
            columns = [
                *(name, unit, named if named is not None else text[layout.replicate]),
                *(text[layout.sequence], text[layout.condition]),
                *(counts[dna].fill_null(0), counts[rna].fill_null(0)),
                pa.nulls(len(name), pa.int64())
                if layout.barcodes is None
                else counts[layout.barcodes],
            ]
            yield pa.record_batch(columns, schema=SCHEMA).filter(pa.array(there & usable))


def _counts(raw: RawRows, column: str, text: pa.Array) -> pa.Array:
    """A column as whole numbers, null where there is none."""
    missing = compute.is_in(compute.ascii_lower(text), pa.array(MISSING))
    given = compute.if_else(missing, pa.scalar(None, pa.string()), text)
    # Tables that pandas joined have 3.0 for 3.
    digits = compute.replace_substring_regex(given, _POINT_ZERO, r"\1")
    whole = compute.match_substring_regex(digits, f"^{_WHOLE.pattern}$")
    wrong = np.flatnonzero(
        compute.equal(whole, False).fill_null(False).to_numpy(zero_copy_only=False)
    )
    if wrong.size:
        row = int(wrong[0])
        raise ValueError(
            f"{raw.place(row)}: expected a whole number of 0 or more, such as 12, in {column!r}, "
            f"got {text[row].as_py()!r}; normalised numbers are not counts: give the counts, or "
            "train on the ratio of the table"
        )
    return digits.cast(pa.int64())


def _find_layout(place: str, names: Sequence[str], described: str) -> _Layout:
    """The roles of the columns, by their names."""
    plain = [plain_name(each) for each in names]
    pairs, used = _find_pairs(place, names, described)

    def one(role: str, usual: Sequence[str]) -> str | None:
        found = [names[i] for i, each in enumerate(plain) if each in usual and names[i] not in used]
        if len(found) > 1:
            best = [each for each in found if plain_name(each) == usual[0]]
            if len(best) != 1:
                raise ValueError(
                    f"{place}: expected one column of the {role}, named {usual[0]}, got "
                    f"{', '.join(map(repr, found))}; rename the others"
                )
            found = best
        return found[0] if found else None

    barcode, sequence = one("barcode", BARCODE_NAMES), one("sequence", SEQUENCE_NAMES)
    name = one("name", RECORD_NAMES) or sequence
    if name is None:
        raise ValueError(
            f"{place}: expected a column named name, of the sequence that a row belongs to, got "
            f"{described}; name it"
        )
    return _Layout(
        name,
        sequence,
        barcode,
        None if barcode is not None else one("number of barcodes", BARCODE_COUNT_NAMES),
        one("replicate", ("replicate",)) if len(pairs) == 1 else None,
        one("condition", ("condition",)),
        pairs,
    )


def _find_pairs(
    place: str, names: Sequence[str], described: str
) -> tuple[tuple[tuple[str, str, str], ...], set[str]]:
    """For each replicate its name and its columns of DNA and RNA; and all these columns."""
    found: dict[str, dict[str, str]] = {"dna": {}, "rna": {}}
    for name in names:
        match = _COUNT.fullmatch(plain_name(name))
        if match is None:
            continue
        label = match["name"] or match["replicate"] or "1"
        other = found[match["kind"]].setdefault(label, name)
        if other != name:
            raise ValueError(
                f"{place}: expected one column of {match['kind'].upper()} for each replicate, got "
                f"{other!r} and {name!r}; rename or remove one"
            )
    dna, rna = found["dna"], found["rna"]
    if len(dna) == 1 and len(rna) > 1:
        # The library was sequenced once.
        dna = dict.fromkeys(rna, next(iter(dna.values())))
    if not rna or dna.keys() != rna.keys():
        raise ValueError(
            f"{place}: expected columns of counts such as dna_count and rna_count, or dna_count_1 "
            f"and rna_count_1 and so on for each replicate, got {described}; rename them"
        )
    pairs = tuple((label, dna[label], rna[label]) for label in rna)
    return pairs, {*dna.values(), *rna.values()}
