"""Plots: file types, and what the plots contain."""

from __future__ import annotations

import html
import sys

import numpy as np
import pytest

from cisreg.report import ParameterComparison, plot_evaluation
from cisreg.report.labels import _box, _shared_area

RANDOM = np.random.default_rng(0)
MEASURED = RANDOM.normal(8, 2, 200)
PREDICTED = MEASURED + RANDOM.normal(0, 1, 200)
COMPARISON = ParameterComparison(
    "activity", ("Abf1", "Reb1", "Rap1"), np.array([1.0, -1.0, 0.1]), np.array([1.1, -2.0, 0.0])
)


@pytest.mark.parametrize(
    ("name", "start"), [("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.SVG", b"<?xml")]
)
def test_the_ending_decides_the_format(tmp_path, name, start):
    pytest.importorskip("matplotlib")
    plot_evaluation(tmp_path / name, PREDICTED, MEASURED)
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["$x$", "a_$\\frac$", "<b>&amp;", "Pitx1:Ebox(Homeobox,bHLH)"])
def test_names_of_motifs_are_drawn_as_they_are(tmp_path, name):
    matplotlib = pytest.importorskip("matplotlib")
    path = tmp_path / "plot.svg"
    comparison = COMPARISON._replace(motif_names=(name, "Reb1", "Rap1"))
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        plot_evaluation(path, PREDICTED, MEASURED, [comparison])
    assert f">{html.escape(name, quote=False)}</text>" in path.read_text()


def test_long_names_of_motifs_are_cut(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    path = tmp_path / "plot.svg"
    comparison = COMPARISON._replace(motif_names=("a" * 40, "b" * 41, "Rap1"))
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        plot_evaluation(path, PREDICTED, MEASURED, [comparison])
    text = path.read_text(encoding="utf-8")
    assert f">{'a' * 40}</text>" in text
    assert f">{'b' * 39}…</text>" in text


@pytest.mark.parametrize("name", ["predicted", "measured"])
def test_numbers_that_are_not_finite_are_not_drawn(tmp_path, name):
    numbers = {"predicted": PREDICTED, "measured": MEASURED}
    numbers[name] = np.append(numbers[name][:-1], np.nan)
    with pytest.raises(ValueError, match=rf"{name}: expected .* finite numbers, got nan at \[199"):
        plot_evaluation(tmp_path / "plot.png", **numbers)
    assert not list(tmp_path.iterdir())


def test_axes_points_and_numbers_are_labelled(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    path = tmp_path / "plot.svg"
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        plot_evaluation(path, PREDICTED, MEASURED, [COMPARISON])
    text = path.read_text()
    r = np.corrcoef(PREDICTED, MEASURED)[0, 1]
    for label in (
        f"r = {r:.3f}",
        "n = 200",
        "measured (unit of the table)",
        "predicted (unit of the table)",
        "true (expression per strongest site)",
        *COMPARISON.motif_names,
    ):
        assert label in text, label


def test_equal_values_can_be_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    plot_evaluation(tmp_path / "plot.png", np.ones(3), np.ones(3))


def test_another_ending_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"plot\.gif: expected a name that ends in \.png"):
        plot_evaluation(tmp_path / "plot.gif", PREDICTED, MEASURED)


def test_missing_matplotlib_is_said_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'cisreg\[plot\]'"):
        plot_evaluation(tmp_path / "plot.png", PREDICTED, MEASURED)


def test_shared_area_of_boxes():
    first, size = _box(np.zeros(2), np.array([4.0, 2.0])), np.array([2.0, 2.0])
    assert _shared_area(first, _box(np.array([2.0, 0.5]), size)) == pytest.approx(1.5)
    assert _shared_area(first, _box(np.array([2.0, 3.0]), size)) == 0.0
