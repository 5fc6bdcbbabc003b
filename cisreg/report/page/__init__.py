"""The report of a run as one HTML page, and of two runs side by side.

From a run to a page: `run.py` what is left of it, `data.py` its sequences, `compute.py`,
`verdict.py` and `compare.py` what there is to say, as the plain values of `content.py`;
`figures.py` draws, `html.py` fills the templates.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cisreg.file_checks import check_output
from cisreg.files import replace_file
from cisreg.report.differences import learned_differences
from cisreg.report.page.compare import compare_runs
from cisreg.report.page.compute import describe_run, read_intervals
from cisreg.report.page.content import Comparison, Report, RunContent
from cisreg.report.page.data import check_output_of, find_parts, of_output
from cisreg.report.page.html import comparison_page, run_page
from cisreg.report.page.run import Run, open_run
from cisreg.report.plot import import_figure
from cisreg.trained_model import Model

__all__ = ["Report", "Run", "write_report"]

_ENDINGS = (".html", ".htm")


def write_report(
    path: str | os.PathLike[str],
    run: str | os.PathLike[str] | Model | Run,
    other: str | os.PathLike[str] | Model | Run | None = None,
    *,
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    intervals: Any = None,
    differences: Any = None,
    output: str | None = None,
    threads: int | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Report:
    """Writes an HTML page that says whether a model is any good, and what to doubt.

    The page is one file that loads nothing. It begins with three sentences and a table; then come
    training, predictions and their errors, factors, example sequences, the diagnosis and settings.
    It compares with the rows that were held out of training: they are read again from the table
    that the model names, and are the same ones only if their checksum says so.

    Args:
        path: the file, .html.
        run: the folder of a run or a model, or a model.
        other: another one, to compare with; None: the page is about one run.
        data: further tables of measured sequences that training did not see, such as a test set.
        intervals: intervals of effects: the table of `cisreg.uncertainty.Certainty.effects`, or
            one with the columns parameter, factor, lower and upper. Of `run`, not of `other`.
        differences: of a `run` of several outputs, intervals of what differs between them: the
            table of `cisreg.uncertainty.difference_intervals`. What the outputs learned is shown
            without it, too.
        output: name of the output that the page is about, of models of several.
        threads: how many threads compute; None: one for each core.
        overwrite: whether it may replace a file that exists.
        progress: whether to show progress bars.

    Returns:
        A Report: the sentences, and all findings as `to_json`.

    Raises:
        ImportError: matplotlib or Jinja is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        FileNotFoundError: a folder without a model, or a table that is not there.
        ValueError: another ending, a damaged model or table, intervals of another kind, or models
            of several outputs of which none is named.
        OSError: the file cannot be written.

    Example:
        >>> report = write_report("report.html", "model")  # doctest: +SKIP
        >>> print(report.sentences[0])  # doctest: +SKIP
        The model predicts well: on 908 sequences that were held out of training, ...
    """
    check_page(path)
    check_output(path, overwrite=overwrite)
    import_figure()
    tables = [data] if isinstance(data, (str, os.PathLike)) else list(data)
    content: RunContent | Comparison
    how: dict[str, Any] = {"threads": threads, "progress": progress}
    first = open_run(run)
    second = None if other is None else open_run(other)
    # Before the data are read.
    check_output_of(first, output)
    own = None
    if second is not None:
        own = output if second.model.spec.output_count > 1 else None
        check_output_of(second, own)
    if intervals is not None:
        read_intervals(intervals)
    learned = None
    if first.model.output_names or differences is not None:
        learned = learned_differences(first.model, differences)
    first, found = of_output(first, find_parts(first, tables), output)
    content = describe_run(first, found, intervals=intervals, differences=learned, **how)
    if second is None:
        text = run_page(content)
    else:
        second, others = of_output(second, find_parts(second, tables), own)
        content = compare_runs(content, describe_run(second, others, **how), (found, others))
        text = comparison_page(content)
    written = text.encode()
    with replace_file(path, overwrite=overwrite) as file:
        file.write(written)
    return Report(content, len(written))


def check_page(path: str | os.PathLike[str]) -> None:
    """Checks the name of a page.

    Raises:
        ValueError: it does not end in .html.

    Example:
        >>> check_page("report.html")
    """
    if Path(path).suffix.lower() not in _ENDINGS:
        raise ValueError(f"{path}: expected a name that ends in .html")
