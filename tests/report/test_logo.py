"""Logos: heights, letters, pages and files."""

from __future__ import annotations

import re

import numpy as np
import pytest

from cisreg.motifs import MotifDetails, MotifSet, demo_motifs, random_motifs
from cisreg.report import logo, plot_logos

pytest.importorskip("matplotlib")


def drawn(motifs, **options):
    """The axes of the only page that `plot_logos` would draw."""
    page = logo._page(int(motifs.widths.max()), len(motifs), 1, None, "png")
    logos = list(logo._logos(motifs, options.get("both_strands", False), None))
    return logo._draw_page(logo.import_figure(), page, logos).axes[0]


def letters(axes):
    """Colour, left edge, bottom and top of every letter, in inches."""
    from matplotlib.colors import to_hex
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    for patch in axes.artists + axes.patches:
        if isinstance(patch, PathPatch):
            color = to_hex(patch.get_facecolor()).upper()
            outline, codes = logo._outline(
                next(b for b, c in logo.BASE_COLORS.items() if c == color)
            )
            for part in patch.get_path().vertices.reshape(-1, len(outline), 2):
                told = part[codes != Path.CLOSEPOLY]
                yield color, told[:, 0].min(), told[:, 1].min(), told[:, 1].max()


def test_letters_share_the_information_of_their_column():
    probabilities = np.array([[0.5, 0.5, 0, 0], [1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]])
    details = MotifDetails(matrix=tuple(map(tuple, probabilities.tolist())), kind="probabilities")
    motifs = MotifSet.from_matrices(["a"], [np.zeros((3, 4))], width=3, details=[details])
    found = sorted(letters(drawn(motifs)), key=lambda each: (each[1], each[2]))
    heights = [(top - bottom) / logo._LOGO_HEIGHT * 2 for _, _, bottom, top in found]
    # One bit for A and C alike, two for A alone, none where all are alike.
    np.testing.assert_allclose(heights, [0.5, 0.5, 2.0], rtol=1e-6)
    base = min(bottom for _, _, bottom, _ in found)
    assert found[0][3] == pytest.approx(found[1][2]) and found[2][2] == pytest.approx(base)
    assert [color for color, *_ in found][2] == "#009E73"
    assert {color for color, *_ in found[:2]} == {"#009E73", "#0072B2"}


def test_highest_letter_is_on_top():
    probabilities = ((0.1, 0.2, 0.6, 0.1),)
    details = MotifDetails(matrix=probabilities, kind="probabilities")
    motifs = MotifSet.from_matrices(["a"], [np.zeros((1, 4))], width=1, details=[details])
    found = sorted(letters(drawn(motifs)), key=lambda each: each[2])
    shares = np.array([top - bottom for _, _, bottom, top in found])
    np.testing.assert_allclose(shares / shares.sum(), [0.1, 0.1, 0.2, 0.6], rtol=1e-6)
    assert found[-1][0] == "#E69F00"


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_equal_logos_are_equal_files(tmp_path, ending):
    first, second = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    for path in (first, second):
        assert plot_logos(path, demo_motifs()[:2], both_strands=True) == 1
    assert first.read_bytes() == second.read_bytes()
    head = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[ending]
    assert first.read_bytes().startswith(head)


def test_titles_are_text_whatever_they_hold():
    motifs = MotifSet.from_matrices(["$a_1$ <b>&"], [[[-1, 1, 1, 1]]], width=1)
    title = next(each for each in drawn(motifs).texts if "a_1" in each.get_text())
    assert title.get_text().startswith("$a_1$ <b>&  (") and not title.get_parse_math()


def test_titles_name_accession_information_and_strand():
    details = [MotifDetails(accession="MA0271.1")]
    motifs = MotifSet.from_matrices(["ARG80"], [[[-9, 9, 9, 9]] * 3], width=3, details=details)
    titles = [each.title for each in logo._logos(motifs, True, None)]
    assert titles == ["ARG80  MA0271.1  (6.0 bits)", "ARG80  MA0271.1  reverse complement"]
    forward, reverse = logo._logos(motifs, True, None)
    np.testing.assert_array_equal(reverse.heights, forward.heights[::-1, ::-1])


def test_long_names_are_cut():
    motifs = MotifSet.from_matrices(["x" * 300], [[[-1, 1, 1, 1]]], width=1)
    title = max((each.get_text() for each in drawn(motifs).texts), key=len)
    assert title.endswith("…") and len(title) < 60


def test_many_logos_need_a_pdf_with_pages(tmp_path):
    motifs = random_motifs(logo.MOST_ON_PAGE + 1, width=4)
    with pytest.raises(ValueError, match=r"480 logos at most .* got 481 logos; .* write a \.pdf"):
        plot_logos(tmp_path / "a.svg", motifs)
    assert not list(tmp_path.iterdir())
    # Twelve rows of four on each page.
    assert plot_logos(tmp_path / "a.pdf", motifs[:100], columns=4) == 3
    assert len(re.findall(rb"/Type /Page\b", (tmp_path / "a.pdf").read_bytes())) == 3


def test_files_that_exist_are_kept(tmp_path):
    path = tmp_path / "a.svg"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        plot_logos(path, demo_motifs())
    assert path.read_text() == "mine"
    with pytest.raises(ValueError, match=r"expected a name that ends in \.png, \.pdf, \.svg"):
        plot_logos(tmp_path / "a.txt", demo_motifs())
    with pytest.raises(ValueError, match="columns: expected 1 or more"):
        plot_logos(tmp_path / "b.svg", demo_motifs(), columns=0)
