"""Sequence logos of motifs on a page; they need matplotlib (`pip install 'cisreg[plot]'`)."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cisreg.display import counted, printable
from cisreg.file_checks import check_output
from cisreg.files import replace_file
from cisreg.motifs import MotifSet, information_content
from cisreg.motifs.bases import BASES
from cisreg.motifs.conversion import LogKdConvention
from cisreg.progress import progress_bar
from cisreg.report.plot import check_plot, import_figure
from cisreg.report.style import BASE_COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

logger = logging.getLogger("cisreg.report")

_BITS = 2
# More logos than this on one page are no longer a picture; PDF has further pages.
MOST_ON_PAGE = 480
_ROWS_OF_PDF_PAGE = 12
# Inches.
_LETTER_WIDTH, _LOGO_HEIGHT = 0.17, 0.62
_ABOVE, _BELOW, _LEFT, _RIGHT, _MARGIN = 0.28, 0.22, 0.36, 0.2, 0.15
_NARROWEST_CELL, _PAGE_WIDTH = 2.3, 11.0
_FONT_SIZE, _NAME_SIZE = 6.0, 8.0
# Mean width of a letter of a name as a share of the font size.
_NAME_LETTER = 0.62
_POINTS_PER_INCH = 72.0
_DOTS_PER_INCH = 150
# How codes of outlines are written in SVG, and their number of points.
_PATH_WORDS = {1: ("M", 1), 2: ("L", 1), 3: ("Q", 2), 4: ("C", 3), 79: ("Z", 0)}
# Letters lower than this, in inches, cannot be seen.
_LOWEST_LETTER = 1e-3


class Logo(NamedTuple):
    """One logo: a motif, or its reverse complement.

    Attributes:
        title: the line above it.
        heights: float64 [width, 4], of each base's letter, bits.
    """

    title: str
    heights: np.ndarray


def plot_logos(
    path: str | os.PathLike[str],
    motifs: MotifSet,
    *,
    both_strands: bool = False,
    columns: int | None = None,
    convention: LogKdConvention | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> int:
    """Draws sequence logos of motifs, in their order, in rows from the top left.

    The height of a column is its information in bits, relative to equal frequencies of the bases,
    and that of a letter is the base's share of it (Schneider and Stephens, 1990, Nucleic Acids
    Res. 18, 6097-6100); there is no correction for small numbers of sites. Probabilities are those
    of `MotifSet.probabilities`. Colours can be told apart with every kind of colour vision.

    Args:
        path: file to write, .svg, .png or .pdf. SVG and PNG have one page, of 480 logos at most;
            PDF has as many pages as needed.
        motifs: the motifs.
        both_strands: whether the reverse complement is drawn beside each motif.
        columns: motifs in a row; None for as many as fit into 11 inches.
        convention: of log Kd, for motifs that hold no probabilities.
        overwrite: whether it may replace a file that exists.
        progress: whether to show a progress bar on a terminal.

    Returns:
        The number of pages.

    Raises:
        ImportError: matplotlib is not installed.
        FileExistsError: the file exists, and `overwrite` is False.
        ValueError: the ending is not that of a plot, too many logos for a page, or no columns.
        OSError: the file cannot be written.

    Example:
        >>> from cisreg.motifs import demo_motifs
        >>> plot_logos("logos.svg", demo_motifs(), both_strands=True)  # doctest: +SKIP
        1
    """
    ending = check_plot(path)
    check_output(path, overwrite=overwrite)
    if columns is not None and columns < 1:
        raise ValueError(f"columns: expected 1 or more motifs in a row, got {columns}")
    strands = 2 if both_strands else 1
    if ending != "pdf" and len(motifs) * strands > MOST_ON_PAGE:
        raise ValueError(
            f"{path}: expected {MOST_ON_PAGE} logos at most on the page of a .{ending} file, got "
            f"{counted(len(motifs) * strands, 'logo')}; choose fewer motifs, or write a .pdf, "
            "which has several pages"
        )
    page = _page(int(motifs.widths.max()), len(motifs), strands, columns, ending)
    logos = list(_logos(motifs, both_strands, convention))
    with replace_file(path, overwrite=overwrite) as file:
        return _write_pages(file, ending, page, logos, progress)


def _logos(
    motifs: MotifSet, both_strands: bool, convention: LogKdConvention | None
) -> Iterator[Logo]:
    probabilities = motifs.probabilities(convention)
    for name, details, each in zip(motifs.names, motifs.details, probabilities, strict=True):
        information = np.maximum(information_content(each), 0)
        heights = each * information[:, np.newaxis]
        accession = details.accession
        shown = name if accession is None or accession in name else f"{name}  {accession}"
        yield Logo(f"{shown}  ({information.sum():.1f} bits)", heights)
        if both_strands:
            yield Logo(f"{shown}  reverse complement", heights[::-1, ::-1])


def logo_heights(motifs: MotifSet) -> list[np.ndarray]:
    """The heights of the letters of each logo, from log Kd, in bits: M arrays [own width, 4].

    Unlike `MotifSet.probabilities` they never come from what a motif was read from, so that motifs
    before and after training are on one scale.

    Example:
        >>> from cisreg.motifs import demo_motifs
        >>> logo_heights(demo_motifs())[0].shape[1]
        4
    """
    details = tuple(each.of_other_numbers() for each in motifs.details)
    own = replace(motifs, details=details)
    return [
        each * np.maximum(information_content(each), 0)[:, np.newaxis]
        for each in own.probabilities()
    ]


def letter_paths() -> dict[str, str]:
    """The outline of each base's letter in the unit square, as the path of an SVG, y downwards.

    Raises:
        ImportError: matplotlib is not installed.

    Example:
        >>> letter_paths()["T"][:1]  # doctest: +SKIP
        'M'
    """
    import_figure()
    found = {}
    for letter in BASES:
        outline, codes = _outline(letter)
        words, place = [], 0
        while place < len(codes):
            word, count = _PATH_WORDS[int(codes[place])]
            numbers = outline[place : place + count] * (1, -1) + (0, 1)
            words.append(word + " ".join(f"{each:.3g}" for each in numbers.ravel()))
            place += max(count, 1)
        found[letter] = "".join(words)
    return found


class _Page(NamedTuple):
    """The grid of a page: logos in a row, rows of the fullest page, and the size of a cell."""

    in_row: int
    rows: int
    cell_width: float
    cell_height: float


def _page(widest: int, count: int, strands: int, columns: int | None, ending: str) -> _Page:
    cell_width = max(_NARROWEST_CELL, _LEFT + widest * _LETTER_WIDTH + _RIGHT)
    fitting = max(1, int(_PAGE_WIDTH / (cell_width * strands)))
    in_row = min(columns or fitting, count)
    rows = -(-count // in_row)
    if ending == "pdf":
        rows = min(rows, _ROWS_OF_PDF_PAGE)
    return _Page(in_row * strands, rows, cell_width, _ABOVE + _LOGO_HEIGHT + _BELOW)


def _write_pages(
    file: IO[bytes], ending: str, page: _Page, logos: Sequence[Logo], progress: bool
) -> int:
    figure_class = import_figure()
    import matplotlib

    on_page = page.in_row * page.rows
    parts = [logos[start : start + on_page] for start in range(0, len(logos), on_page)]
    # No dates and no random names, so that equal logos are equal files.
    with (
        matplotlib.rc_context({"svg.hashsalt": "cisreg"}),
        progress_bar(show=progress, transient=True) as bar,
    ):
        figures = (
            _draw_page(figure_class, page, part) for part in bar.track(parts, description="drawing")
        )
        if ending == "pdf":
            _save_pdf(file, figures)
        else:
            metadata = {"Date": None} if ending == "svg" else {}
            figure = next(figures)
            figure.savefig(file, format=ending, dpi=_DOTS_PER_INCH, metadata=metadata)
            list(figures)
    return len(parts)


def _save_pdf(file: IO[bytes], figures: Iterator[Figure]) -> None:
    from matplotlib.backends.backend_pdf import PdfPages

    with PdfPages(file, metadata={"CreationDate": None}) as pages:
        for figure in figures:
            pages.savefig(figure)


def _draw_page(figure_class: type[Figure], page: _Page, logos: Sequence[Logo]) -> Figure:
    """The figure of one page; the unit of its axes is one inch."""
    rows = -(-len(logos) // page.in_row)
    width = page.in_row * page.cell_width + 2 * _MARGIN
    height = rows * page.cell_height + 2 * _MARGIN
    figure = figure_class(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    for number, logo in enumerate(logos):
        row, place = divmod(number, page.in_row)
        left = _MARGIN + place * page.cell_width + _LEFT
        base = height - _MARGIN - (row + 1) * page.cell_height + _BELOW
        _draw_logo(axes, logo, left, base, page.cell_width - _LEFT)
    return figure


def _draw_logo(axes: Axes, logo: Logo, left: float, base: float, room: float) -> None:
    """Letters, the scale in bits, numbers of columns and the title; the corner is (left, base)."""
    from matplotlib.collections import LineCollection

    inches_per_bit, top = _LOGO_HEIGHT / _BITS, base + _LOGO_HEIGHT
    _draw_letters(axes, logo.heights * inches_per_bit, left, base)
    right = left + len(logo.heights) * _LETTER_WIDTH
    lines = [[(left, base), (right, base)], [(left - 0.04, base), (left - 0.04, top)]]
    text: dict[str, Any] = {"fontsize": _FONT_SIZE, "color": "0.3"}
    for bits in range(_BITS + 1):
        y = base + bits * inches_per_bit
        lines.append([(left - 0.07, y), (left - 0.04, y)])
        axes.text(left - 0.1, y, f"{bits}", ha="right", va="center", **text)
    axes.add_artist(LineCollection(lines, colors="0.4", linewidths=0.6))
    axes.text(left - 0.22, (base + top) / 2, "bits", rotation=90, ha="center", va="center", **text)
    last = len(logo.heights)
    for column in [1, *range(5, last + 1, 5)]:
        x = left + (column - 0.5) * _LETTER_WIDTH
        axes.text(x, base - 0.03, f"{column}", ha="center", va="top", **text)
    title = _cut(printable(logo.title), room)
    # Dollar signs in a name are not math.
    text = {"ha": "left", "va": "bottom", "fontsize": _NAME_SIZE, "color": "0.1"}
    axes.text(left, top + 0.06, title, parse_math=False, **text)


def _cut(title: str, room: float) -> str:
    """The title, or as much of it as fits into so many inches."""
    fitting = int(room * _POINTS_PER_INCH / (_NAME_SIZE * _NAME_LETTER))
    return title if len(title) <= fitting else f"{title[: fitting - 1]}…"


def _draw_letters(axes: Axes, heights: np.ndarray, left: float, base: float) -> None:
    """Each column's letters upon each other, the highest on top; heights in inches [width, 4]."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    order = np.argsort(heights, axis=1, kind="stable")
    ascending = np.take_along_axis(heights, order, axis=1)
    bottoms = np.empty_like(heights)
    np.put_along_axis(bottoms, order, np.cumsum(ascending, axis=1) - ascending, axis=1)
    for number, letter in enumerate(BASES):
        at = np.flatnonzero(heights[:, number] > _LOWEST_LETTER)
        if not len(at):
            continue
        outline, codes = _outline(letter)
        size = np.column_stack([np.full(len(at), _LETTER_WIDTH), heights[at, number]])
        corner = np.column_stack([left + at * _LETTER_WIDTH, base + bottoms[at, number]])
        vertices = corner[:, np.newaxis] + size[:, np.newaxis] * outline
        path = Path(vertices.reshape(-1, 2), np.tile(codes, len(at)))
        # Not add_patch, which measures every curve for limits that are given.
        axes.add_artist(PathPatch(path, facecolor=BASE_COLORS[letter], linewidth=0))


@cache
def _outline(letter: str) -> tuple[np.ndarray, np.ndarray]:
    """The outline of a letter that fills the unit square but for a gap beside it."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path
    from matplotlib.textpath import TextPath

    font = FontProperties(family="DejaVu Sans", weight="bold")
    path = TextPath((0, 0), letter, size=1, prop=font)
    vertices, codes = np.asarray(path.vertices), np.asarray(path.codes)
    # The vertex that closes a curve says nothing.
    told = vertices[codes != Path.CLOSEPOLY]
    low, high = told.min(axis=0), told.max(axis=0)
    unit = (vertices - low) / (high - low)
    return unit * [0.94, 1] + [0.03, 0], codes
