"""A look at a data set before anyone trains on it: what is odd, and what to do about it."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cisreg.ahead import read_ahead
from cisreg.checks.blocks import Block, blocks_of_dataset, blocks_of_rows
from cisreg.checks.column_rules import check_columns, check_left_out
from cisreg.checks.expression_rules import (
    check_outliers,
    check_replicates,
    check_saturation,
    check_scale,
)
from cisreg.checks.findings import STATES, Finding
from cisreg.checks.names import measured_names, with_outputs
from cisreg.checks.of_outputs import check_agreement
from cisreg.checks.sequence_rules import (
    check_complexity,
    check_composition,
    check_ends,
    check_lengths,
    check_relatives,
    check_repeats,
    check_unknown,
)
from cisreg.checks.size_rules import check_size, check_split
from cisreg.checks.survey import Survey, take_survey
from cisreg.data import Columns, Dataset, DatasetFiles, HoldOut, open_dataset
from cisreg.data.formats.rows import Column
from cisreg.datasets.named import dataset_files
from cisreg.display import counted, html_table
from cisreg.motifs import MotifSet, read_motifs
from cisreg.progress import progress_bar

if TYPE_CHECKING:
    import pandas as pd

PathLike = str | os.PathLike[str]

logger = logging.getLogger("cisreg.checks")


@dataclass(frozen=True, eq=False)
class DatasetCheck:
    """What a check of a data set found.

    Attributes:
        findings: errors first, then warnings, notes, and what is in order.
        count: number of rows that can be used.
        survey: the numbers behind the findings; None where the data set could not be read.
        outputs: names of several outputs, in the order of `survey.of_outputs`.
    """

    findings: tuple[Finding, ...]
    count: int
    survey: Survey | None
    outputs: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of findings."""
        return len(self.findings)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are errors: nothing can be trained on the data set as it is."""
        return tuple(each for each in self.findings if each.state == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are warnings."""
        return tuple(each for each in self.findings if each.state == "warning")

    @property
    def title(self) -> str:
        """How many findings of each kind there are, in words."""
        numbers = [sum(each.state == state for each in self.findings) for state in STATES[:3]]
        parts = [counted(number, state) for number, state in zip(numbers, STATES, strict=False)]
        return f"{counted(self.count, 'row')}: {', '.join(parts)}"

    def __repr__(self) -> str:
        return f"DatasetCheck({self.title})"

    def _repr_html_(self) -> str:
        columns = {name: column.to_pylist() for name, column in self.columns().items()}
        shown = {name: columns[name] for name in ("check", "state", "finding", "advice")}
        return html_table(self.title, shown, len(self))

    def columns(self) -> dict[str, pa.Array]:
        """The findings as columns: check, state, finding and advice (sentences), number.

        The number is missing where there is none.
        """
        every = self.findings
        numbers = [None if np.isnan(each.number) else float(each.number) for each in every]
        return {
            "check": pa.array([each.check for each in every], pa.string()),
            "state": pa.array([each.state for each in every], pa.string()),
            "finding": pa.array([each.sentence for each in every], pa.string()),
            "number": pa.array(numbers, pa.float64()),
            "advice": pa.array([each.advice for each in every], pa.string()),
        }

    def to_table(self) -> pa.Table:
        """An Arrow table of `columns`, a row for each finding.

        Example:
            >>> check_dataset(Dataset(["ACGT", "TTGC"], [1, 2])).to_table().num_columns
            5
        """
        return pa.table(self.columns())

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()


def check_dataset(
    source: Dataset | DatasetFiles | PathLike | Sequence[PathLike] | Any,
    *,
    columns: Columns | None = None,
    outputs: Sequence[Column] = (),
    measurements: PathLike | None = None,
    decimal_comma: bool = False,
    validation: float | HoldOut = 0.1,
    motifs: MotifSet | PathLike | None = None,
    families: bool = True,
    filesystem: Any = None,
    progress: bool = False,
) -> DatasetCheck:
    """Looks for what is odd about a data set, in one pass, before anyone trains on it.

    The checks: columns (what was taken as what, and why), rows left out, length, constant ends,
    unknown bases, base composition, low complexity, equal sequences, similar sequences across the
    split, expression (scale), saturation, outliers, replicates (the highest r that any model can
    reach), split and size. docs/howto/check.md says how each is computed, and its limits.

    What the reader refuses, such as columns that are not clear, is a finding too, an error.

    Args:
        source: a Dataset, files opened by `cisreg.open_dataset`, the path, glob or URL of such
            files or a list of them, the name of a data set (`cisreg.datasets`), or a table in
            memory (pandas, Arrow).
        columns: the column of each role, see `cisreg.data.Columns`; None: found by usual names.
        outputs: the columns of several outputs, such as conditions; each is checked by itself, as
            far as it was measured. Of a Dataset, the names of its measurements.
        measurements: for FASTA, a table with the columns name and expression.
        decimal_comma: whether numbers in text have a decimal comma.
        validation: the split that is tried, as `cisreg.train` makes it with the seed 0: the share
            that is held out, or a HoldOut with a column of groups or folds.
        motifs: the motifs that are to be trained, for the number of parameters.
        families: whether to look for similar sequences, which takes about half of the time.
        filesystem: the pyarrow or fsspec filesystem of the paths.
        progress: whether to show a progress bar.

    Returns:
        A DatasetCheck. Memory does not grow with the bases: 17 bytes are kept of each of at most 8
        million rows, 25 more of each of the first 2 million, and the sequences of 16,384.

    Raises:
        OSError: a file does not exist or cannot be read.
        ValueError: `outputs`, `validation` or `motifs` is not what it should be.
        ImportError: a URL that needs fsspec, which is not installed.

    Example:
        >>> found = check_dataset({"sequence": ["ACGT", "ACGT"], "expression": [1.0, 1.0]})
        >>> found.errors[0].sentence
        'All measurements are 1: there is nothing to learn.'
    """
    hold_out = validation if isinstance(validation, HoldOut) else HoldOut(validation)
    chosen = motifs if motifs is None or isinstance(motifs, MotifSet) else read_motifs(motifs)
    asked = with_outputs(columns or Columns(), outputs)
    several = bool(outputs)
    try:
        data = _opened(source, asked, hold_out, measurements, decimal_comma, filesystem)
    except ValueError as error:
        return DatasetCheck((_refused("reading", error),), 0, None)
    names = measured_names(data, outputs)
    findings = [check_columns(data, asked)]
    try:
        survey = _surveyed(data, len(names), hold_out, families, several, progress)
    except ValueError as error:
        return DatasetCheck(_sorted([*findings, _refused("reading", error)]), 0, None)
    if isinstance(data, DatasetFiles):
        findings.append(check_left_out(data.unusable, survey.count))
    if not survey.count and not any(each.state == "error" for each in findings):
        findings.append(_refused("reading", ValueError("expected rows of sequences, got none")))
    if survey.count:
        findings += _of_sequences(survey, hold_out)
        findings += _of_expression(survey, names)
        findings.append(check_split(survey))
        findings.append(check_size(survey.count, max(survey.lengths), chosen))
    return DatasetCheck(_sorted(findings), survey.count, survey, names if several else ())


def _opened(
    source: Any,
    asked: Columns,
    hold_out: HoldOut,
    measurements: PathLike | None,
    decimal_comma: bool,
    filesystem: Any,
) -> Dataset | DatasetFiles:
    if isinstance(source, (Dataset, DatasetFiles)):
        return source
    extra = () if hold_out.column is None else (hold_out.column,)
    if isinstance(source, (str, os.PathLike, list, tuple)):
        one = source[0] if isinstance(source, (list, tuple)) and len(source) == 1 else source
        return open_dataset(
            dataset_files(one),
            columns=Columns(**{**vars(asked), "extra": extra}),
            measurements=measurements,
            decimal_comma=decimal_comma,
            partly_measured=True,
            filesystem=filesystem,
        )
    roles = (asked.sequence, asked.expression, asked.weight, asked.name)
    return Dataset.from_frame(source, *roles, extra=extra, partly_measured=True)


def _surveyed(
    data: Dataset | DatasetFiles,
    measurements: int,
    hold_out: HoldOut,
    families: bool,
    outputs: bool,
    progress: bool,
) -> Survey:
    column = None
    if hold_out.column is not None:
        column = data.extra_names[0] if isinstance(data, DatasetFiles) else str(hold_out.column)
    with (
        progress_bar(show=progress, transient=True, notebook=True) as bar,
        closing(read_ahead(_blocks(data, column))) as blocks,
    ):
        task = bar.add_task("looking", total=_total(data))
        return take_survey(
            blocks,
            measurements,
            hold_out,
            families=families,
            outputs=outputs,
            advance=lambda rows: bar.advance(task, rows),
        )


def _blocks(data: Dataset | DatasetFiles, column: str | None) -> Generator[Block, None, None]:
    if isinstance(data, Dataset):
        yield from blocks_of_dataset(data, column)
        return
    for rows in data.blocks():
        yield from blocks_of_rows(rows, column)


def _total(data: Dataset | DatasetFiles) -> int | None:
    if isinstance(data, Dataset):
        return len(data)
    return int(data.group_rows.sum()) if data.has_groups else None


def _of_sequences(survey: Survey, hold_out: HoldOut) -> list[Finding]:
    return [
        check_lengths(survey),
        check_ends(survey),
        check_unknown(survey),
        check_complexity(survey),
        check_repeats(survey),
        check_relatives(survey, hold_out),
    ]


def _of_expression(survey: Survey, names: Sequence[str]) -> list[Finding]:
    if survey.agreement is not None:
        return [
            check_agreement(survey.agreement, names),
            *(
                replace(each, sentence=f"{name}: {each.sentence}")
                for name, one in zip(names, survey.of_outputs, strict=True)
                for each in (_of_expression(one, [name]) if one.count else [check_scale(one)])
                # That nothing was measured twice is not said of each.
                if each.check != "replicates" or np.isfinite(each.number)
            ),
        ]
    composition = check_composition(survey)
    if not names:
        return [composition]
    scale = check_scale(survey)
    if scale.state == "error":
        return [composition, scale]
    return [
        composition,
        scale,
        *check_saturation(survey),
        check_outliers(survey),
        check_replicates(survey, names),
    ]


def _refused(check: str, error: ValueError) -> Finding:
    """The finding for what a reader refuses; its message says what to do."""
    return Finding(check, "error", str(error))


def _sorted(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda each: STATES.index(each.state)))
