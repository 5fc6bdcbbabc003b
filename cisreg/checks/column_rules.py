"""Which columns of a table are read, why these, and which rows could not be used."""

from __future__ import annotations

from collections.abc import Sequence

from cisreg.checks.findings import Finding, State, percent
from cisreg.data import Columns, Dataset, DatasetFiles
from cisreg.data.formats.columns import is_usual
from cisreg.data.formats.rows import Column, Unusable
from cisreg.display import counted

# Rows that are left out beyond this share are more than a few faults.
_MANY_LEFT_OUT = 0.05


def check_columns(data: Dataset | DatasetFiles, asked: Columns) -> Finding:
    """Which columns were taken as what, and why."""
    if isinstance(data, Dataset):
        used = data.columns_used
        if not used:
            return Finding("columns", "ok", "The arrays of the data set, as they were given.")
        return Finding("columns", "ok", _sentence(_roles(Columns(**used), asked, "table")))
    text = _roles(data.columns, asked, data.kind, by_manifest=data.manifest is not None)
    text = f"{_sentence(text)} The columns are {data.all_columns}."
    if not data.expression_names:
        return Finding(
            "columns",
            "error",
            f"{text} None of them is a measurement.",
            0,
            "--expression-column names it; --measurements gives the table for FASTA.",
        )
    return Finding("columns", "ok", text, len(data.expression_names))


def _roles(columns: Columns, asked: Columns, kind: str, *, by_manifest: bool = False) -> str:
    parts = []
    for role in ("sequence", "expression", "weight", "name"):
        given = bool(_of_role(getattr(asked, role)))
        for column in _of_role(getattr(columns, role)):
            why = "as asked" if given else _why(column, kind, by_manifest)
            parts.append(f"{role} from {_called(column)} ({why})")
    return ", ".join(parts)


def _of_role(value: Column | Sequence[Column] | bool | None) -> Sequence[Column]:
    if value is None or isinstance(value, bool):
        return ()
    return (value,) if isinstance(value, int | str) else tuple(value)


def _why(column: Column, kind: str, by_manifest: bool) -> str:
    if by_manifest:
        return "by the manifest of cisreg convert"
    if kind == "one-hot text":
        return "its place in one-hot text"
    if isinstance(column, str) and is_usual(column):
        return "by its name"
    return "by what it holds"


def _called(column: Column) -> str:
    return repr(column) if isinstance(column, str) else f"column {column + 1}"


def check_left_out(unusable: Unusable, count: int) -> Finding:
    """How many rows could not be used, and why.

    Args:
        unusable: the rows that were left out.
        count: number of rows that can be used.
    """
    if not unusable.count:
        return Finding("rows left out", "ok", "All rows can be used.", 0)
    total = unusable.count + count
    text = f"{counted(unusable.count, 'row')} of {total:,} ({percent(unusable.count, total)}) "
    text += f"cannot be used: {unusable}."
    advice = "train leaves them out; --strict makes them an error. Correct or remove them."
    if not count:
        return Finding("rows left out", "error", text, unusable.count, advice)
    state: State = "warning" if unusable.count >= _MANY_LEFT_OUT * total else "note"
    return Finding("rows left out", state, text, unusable.count, advice)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
