"""Plots of a run while it trains, as PNG: in a notebook one that is drawn again, and for logs.

What draws is given from outside (`Plots`), so that training needs no plots.
"""

from __future__ import annotations

import base64
import io
import logging
import math
import struct
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from cisreg.training.result import history_table
from cisreg.training.state import EpochRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger("cisreg.training")

# Pixels per inch of the figure. A notebook shows two of them as one, as dense screens need it.
_DENSITY, _PIXELS_PER_POINT = 160, 2
# Seconds between two drawings: at least so many, and so many times what one takes.
_LEAST_SECONDS, _TIMES_OF_DRAWING = 1.0, 20.0


class Plots(Protocol):
    """Functions that draw a run: those of the module `cisreg.report`, which is such an object."""

    def plot_training(self, path: None, history: pa.Table, /) -> Figure:
        """Draws loss and validation by epoch; `history` is as of `FitResult.to_table`."""

    def plot_evaluation(
        self, path: None, predicted: np.ndarray, measured: np.ndarray, /, *, title: str
    ) -> Figure:
        """Draws predicted against measured expression, float [N]."""


class Pictures:
    """Draws plots as PNG files in memory. After an error, which is logged, nothing is drawn.

    Args:
        plots: what draws; None: nothing is drawn.
        history: the epochs of the run; what is appended to it later is drawn too.

    Example:
        >>> Pictures(None, []).training() is None
        True
    """

    def __init__(self, plots: Plots | None, history: Sequence[EpochRecord]) -> None:
        self._plots = plots
        self._history = history

    @property
    def drawn(self) -> bool:
        """Whether anything is drawn."""
        return self._plots is not None

    def training(self) -> bytes | None:
        """Loss and validation of all epochs so far, or None if nothing is drawn."""
        return self._draw(lambda plots: plots.plot_training(None, history_table(self._history)))

    def evaluation(self, predicted: np.ndarray, measured: np.ndarray, title: str) -> bytes | None:
        """Predicted against measured expression, float [N], or None if nothing is drawn."""
        return self._draw(
            lambda plots: plots.plot_evaluation(None, predicted, measured, title=title)
        )

    def _draw(self, draw: Callable[[Plots], Figure]) -> bytes | None:
        if self._plots is None:
            return None
        try:
            return _png(draw(self._plots))
        except Exception as error:  # the run is worth more than its plots
            self._plots = None
            logger.warning("training goes on without plots: %s: %s", *(type(error).__name__, error))
            return None


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=_DENSITY)
    # Its parts refer to each other, and would wait for the garbage collector.
    figure.clear()
    return content.getvalue()


class LivePlot:
    """A plot of all epochs in the output of a notebook's cell, which new epochs redraw in place.

    Args:
        pictures: draws it.
    """

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._display: Any = None
        self._due = -math.inf
        self._late = ""

    def show(self, text: str) -> bool:
        """Draws the epochs so far, unless that was done just now; then it is done later.

        Args:
            text: what the last epoch came to, for readers who do not see the plot.

        Returns:
            Whether it is drawn, now or later; False after an error.
        """
        self._late = text
        if time.monotonic() >= self._due:
            self._redraw()
        return self._pictures.drawn

    def finish(self) -> None:
        """Draws what was left for later."""
        if self._late:
            self._redraw()

    def _redraw(self) -> None:
        began = time.monotonic()
        picture = self._pictures.training()
        if picture is not None:
            self._put(picture, self._late)
        self._late = ""
        ended = time.monotonic()
        self._due = ended + max(_LEAST_SECONDS, _TIMES_OF_DRAWING * (ended - began))

    def _put(self, picture: bytes, text: str) -> None:
        content = {"image/png": base64.b64encode(picture).decode(), "text/plain": text}
        # Where a PNG file says its size.
        width, height = struct.unpack(">II", picture[16:24])
        size = {"width": width // _PIXELS_PER_POINT, "height": height // _PIXELS_PER_POINT}
        metadata = {"image/png": {**size, "alt": text}}
        if self._display is not None:
            self._display.update(content, raw=True, metadata=metadata)
            return
        from IPython.display import display

        self._display = display(content, raw=True, metadata=metadata, display_id=True)
