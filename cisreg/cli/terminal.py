"""Text on the terminal: what comes from files and names is shown as it is, and does nothing."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from cisreg.display import printable


class _PlainConsole(Console):
    """Takes no text for markup, and shows control characters as escapes."""

    def __init__(self, *, stderr: bool) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def print(self, *objects: Any, **options: Any) -> None:
        shown = (printable(each) if isinstance(each, str) else each for each in objects)
        super().print(*shown, **options)


def new_console(*, stderr: bool = False) -> Console:
    r"""Where commands print: names such as [b] or with colour codes are shown as they are.

    Example:
        >>> new_console().print("model[b]\x1b[31m written")
        model[b]\x1b[31m written
    """
    return _PlainConsole(stderr=stderr)
