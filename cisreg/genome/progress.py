"""How far a pass over sequences is, and how fast."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from cisreg.genome.portions import Portion
from cisreg.progress import progress_bar

_UNITS = (("G", 1e9), ("M", 1e6), ("k", 1e3))
_ROUNDED = 0.9995  # what rounds to 1.00


def bases_text(count: float) -> str:
    """A number of bases as it is read at a glance.

    Example:
        >>> bases_text(3.1e9), bases_text(12_300), bases_text(7)
        ('3.10 Gb', '12.3 kb', '7 b')
    """
    for unit, size in _UNITS:
        if count >= _ROUNDED * size:
            digits = len(str(int(count / size)))
            return f"{count / size:.{max(3 - digits, 0)}f} {unit}b"
    return f"{count:.0f} b"


class _Bases(ProgressColumn):
    """Bases read, of all if that is known, and in a second."""

    def render(self, task: Task) -> Text:
        """The text of the column."""
        done = bases_text(task.completed)
        of = "" if task.total is None else f" of {bases_text(task.total)}"
        speed = f", {bases_text(task.speed)}/s" if task.speed else ""
        return Text(f"{done}{of}{speed}")


def with_progress(
    portions: Iterable[Portion],
    *,
    total: int | None = None,
    show: bool = True,
    description: str = "scanning",
) -> Iterator[Portion]:
    """The same portions, with a bar on standard error that shows bases and bases in a second.

    Args:
        portions: what `portions` of a source gives.
        total: bases of all of them, such as `GenomeSource.total`; None where it is not known.
        show: False: no bar.
        description: what is done with them.

    Example:
        >>> list(with_progress([], show=False))
        []
    """
    columns = (TextColumn("{task.description}"), BarColumn(), _Bases(), TimeRemainingColumn())
    with progress_bar(*columns, show=show) as bar:
        task = bar.add_task(description, total=total)
        for portion in portions:
            bar.update(task, description=f"{description} {portion.sequence}")
            yield portion
            bar.advance(task, portion.own)
