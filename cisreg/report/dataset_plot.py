"""Plot of a data set: how measurements, lengths and bases are distributed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cisreg.data.ends import from_first_base
from cisreg.report.plot import draw_density, limits_of, new_figure
from cisreg.report.style import BASE_COLORS, BLUE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = 60
# Positions that are shown from each end.
_POSITIONS = 60
_FEWEST_SEQUENCES = 2


class AnySurvey(Protocol):
    """What is drawn of a survey of `cisreg.checks`, which says what each part means."""

    @property
    def count(self) -> int:
        """Number of usable rows."""

    @property
    def lengths(self) -> Mapping[int, int]:
        """Number of rows by their number of bases."""

    @property
    def expression(self) -> np.ndarray:
        """Mean measurements."""

    @property
    def of_outputs(self) -> Sequence[AnySurvey]:
        """The survey of each of several outputs."""

    @property
    def sample(self) -> np.ndarray:
        """uint8 [S, L], different sequences."""

    @property
    def sample_expression(self) -> np.ndarray:
        """float32 [S]."""


class AnyCheck(Protocol):
    """What is drawn of a `cisreg.checks.DatasetCheck`."""

    @property
    def survey(self) -> AnySurvey | None:
        """What was found in the data set; None if it could not be read."""

    @property
    def outputs(self) -> Sequence[str]:
        """Names of several outputs."""


def plot_dataset(
    path: str | os.PathLike[str] | None, check: AnyCheck, *, overwrite: bool = False
) -> Figure:
    """Draws the distributions of a data set, and its bases by position from both ends.

    Six panels: expression (of each of several outputs), length, GC content, expression (the mean of
    a row) against GC content, and the share of each base by position from the first and from the
    last base. GC content, the fourth panel and the bases are those of the sample of the check, up
    to 16,384 different sequences.

    Args:
        path: file to write, .png, .pdf or .svg; None: none, the figure is only returned.
        check: from `cisreg.check_dataset`.
        overwrite: whether it may replace a file that exists.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is none of a plot, or the data set could not be read or has fewer
            than two different sequences.
        OSError: the file cannot be written.

    Example:
        >>> plot_dataset("train.png", cisreg.check_dataset("train.tsv.gz"))  # doctest: +SKIP
    """
    survey = check.survey
    if survey is None or len(survey.sample) < _FEWEST_SEQUENCES:
        raise ValueError(
            f"check: expected a data set of at least {_FEWEST_SEQUENCES} different sequences to "
            "draw, got one that could not be read, or fewer; see its findings"
        )
    with new_figure(path, (11.0, 6.2), overwrite=overwrite) as figure:
        (first, second, third), (fourth, fifth, sixth) = figure.subplots(2, 3)
        if survey.of_outputs:
            _draw_outputs(first, survey.of_outputs, check.outputs)
        else:
            _draw_expression(first, survey)
        _draw_lengths(second, survey)
        content = gc_content(survey.sample)
        _draw_content(third, content)
        _draw_content_and_expression(fourth, content, survey.sample_expression)
        _draw_bases(fifth, survey.sample, "first")
        _draw_bases(sixth, from_first_base(survey.sample[:, ::-1])[0], "last")
        fifth.legend(ncols=4, frameon=False, loc="upper center", fontsize=8, handlelength=1)
    return figure


def gc_content(codes: np.ndarray) -> np.ndarray:
    """The share of C and G among the known bases of each sequence, float64 [n]; or NaN.

    Example:
        >>> gc_content(np.array([[0, 1, 2, 4]], np.uint8)).round(2).tolist()
        [0.67]
    """
    with np.errstate(invalid="ignore"):
        return ((codes == 1) | (codes == 2)).sum(axis=1) / (codes < 4).sum(axis=1)


def _draw_expression(axes: Axes, survey: AnySurvey) -> None:
    known = survey.expression[np.isfinite(survey.expression)]
    axes.set_xlabel("expression (unit of the table)")
    axes.set_ylabel("rows")
    if len(known):
        axes.hist(known, bins=_BINS, color=BLUE)
        axes.set_title(f"Expression, {survey.count:,} rows")
    else:
        axes.set_title("Expression: none measured")


def _draw_outputs(axes: Axes, surveys: Sequence[AnySurvey], names: Sequence[str]) -> None:
    """The expression of each output, in the same bins."""
    measured = np.concatenate([each.expression for each in surveys])
    axes.set_xlabel("expression (unit of the table)")
    axes.set_ylabel("rows")
    axes.set_title(f"Expression of {len(names)} outputs")
    edges = np.linspace(measured.min(), measured.max(), _BINS + 1).tolist()
    for place, (name, each) in enumerate(zip(names, surveys, strict=True)):
        color, label = f"C{place % 10}", f"{name}, {each.count:,} rows"
        axes.hist(each.expression, bins=edges, histtype="step", color=color, label=label)
    axes.legend(frameon=False, fontsize=8)


def _draw_lengths(axes: Axes, survey: AnySurvey) -> None:
    lengths = np.array(sorted(survey.lengths))
    rows = np.array([survey.lengths[length] for length in lengths.tolist()])
    bins = min(_BINS, int(lengths[-1] - lengths[0]) + 1)
    edges = np.linspace(lengths[0] - 0.5, lengths[-1] + 0.5, bins + 1)
    axes.hist(lengths, bins=edges.tolist(), weights=rows, color=BLUE)
    axes.set_title("Length")
    axes.set_xlabel("bases")
    axes.set_ylabel("rows")


def _draw_content(axes: Axes, content: np.ndarray) -> None:
    # Few bins: the share of a sequence of L bases is a multiple of 1 / L.
    axes.hist(content[np.isfinite(content)], bins=_BINS // 3, color=BLUE)
    axes.set_title("GC content")
    axes.set_xlabel("share of C and G")
    axes.set_ylabel("sequences of the sample")


def _draw_content_and_expression(axes: Axes, content: np.ndarray, expression: np.ndarray) -> None:
    known = np.isfinite(content) & np.isfinite(expression)
    axes.set_title("Expression and GC content")
    axes.set_xlabel("share of C and G")
    axes.set_ylabel("expression (unit of the table)")
    if known.any():
        x, y = content[known], expression[known]
        draw_density(axes, x, y, (*limits_of(x), *limits_of(y)))


def _draw_bases(axes: Axes, codes: np.ndarray, end: str) -> None:
    codes = codes[:, :_POSITIONS]
    known = (codes < 4).sum(axis=0)
    place = np.arange(1, codes.shape[1] + 1)[known > 0]
    for base, (letter, color) in enumerate(BASE_COLORS.items()):
        share = (codes == base).sum(axis=0)[known > 0] / known[known > 0]
        axes.plot(place, share, color=color, label=letter, linewidth=1.4)
    axes.set_ylim(0, 1.12)
    axes.set_title(f"Bases, from the {end} one")
    axes.set_xlabel(f"position from the {end} base")
    axes.set_ylabel("share of the sequences")
    if end == "last":
        axes.invert_xaxis()
