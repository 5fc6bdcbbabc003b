"""The one style of all figures: colours that every kind of colour vision tells apart, and text."""

from __future__ import annotations

from typing import Any

# Of Okabe and Ito (2008), https://jfly.uni-koeln.de/color.
BLUE, VERMILION, GREEN, ORANGE, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7"
RAISES, LOWERS = BLUE, VERMILION
BASE_COLORS = {"A": GREEN, "C": BLUE, "G": ORANGE, "T": VERMILION}
# Text and axes; text that is less important; lines that only guide the eye. An HTML report replaces
# them by colours of its theme, light or dark.
INK, MUTED, GUIDE = "#1d2329", "#4f5b66", "#8a949e"
DASHED = (0, (4, 3))
# Inches of a panel that stands alone: a column of a page.
PANEL = (4.4, 3.6)

SETTINGS: dict[Any, Any] = {
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.labelsize": 9.5,
    "legend.fontsize": 8.5,
    "legend.title_fontsize": 8.5,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    "axes.facecolor": "none",
}
