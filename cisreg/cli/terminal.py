"""Console output: text from files and names is escaped, so that it has no effect on a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from cisreg.display import printable


class _PlainConsole(Console):
    """Prints text without markup, and control characters as escapes."""

    def __init__(self, *, stderr: bool) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def print(self, *objects: Any, **options: Any) -> None:
        shown = (printable(each) if isinstance(each, str) else each for each in objects)
        super().print(*shown, **options)


def new_console(*, stderr: bool = False) -> Console:
    r"""The console for output of commands; names such as [b] or with colour codes are plain text.

    Example:
        >>> new_console().print("model[b]\x1b[31m written")
        model[b]\x1b[31m written
    """
    return _PlainConsole(stderr=stderr)
