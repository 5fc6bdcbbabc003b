"""The scan of `cisreg scan`: portions in, hits out, until the end or a signal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cisreg.cli.scan_watch import Clock, Watch, watch_scan
from cisreg.display import printable
from cisreg.file_checks import STANDARD, PathLike
from cisreg.processes.signals import StopRequest, signal_name, stop_signals

if TYPE_CHECKING:
    import pyarrow as pa

    from cisreg.genome import Portion, SequenceSource
    from cisreg.genome.hit_files import HitWriter
    from cisreg.motifs import MotifSet


class Stopped(Exception):  # noqa: N818
    """A signal ended the scan.

    Attributes:
        exit_status: what a shell shows of a program that the signal ended.
    """

    exit_status = 128


def _stopped(number: int, message: str) -> Stopped:
    error = Stopped(f"by {signal_name(number)}; {message}")
    error.exit_status = 128 + number
    return error


@dataclass(frozen=True)
class Scanned:
    """What a scan did.

    Attributes:
        count: hits that were written.
        bases: that were scanned.
        stretches: sequences, or intervals, that were scanned.
        speed: time and bases a second, for the user.
    """

    count: int
    bases: int
    stretches: int
    speed: str


@dataclass(frozen=True)
class Wanted:
    """Which q-values are asked for.

    Attributes:
        most: the largest q-value of a hit; None: all hits are kept.
    """

    most: float | None


def run_scan(
    source: SequenceSource,
    motifs: MotifSet,
    settings: Mapping[str, Any],
    output: str,
    writing: Mapping[str, Any],
    q_values: Wanted | None = None,
) -> Scanned:
    """Scans a source and writes its hits.

    Args:
        source: the sequences.
        motifs: the motifs.
        settings: of `cisreg.scan_portions`.
        output: the file of hits, or "-".
        writing: arguments of `open_hit_writer`.
        q_values: whether hits get q-values.

    Raises:
        Stopped: a signal came; the message says where the hits before it are.
        ValueError, OSError: as of `scan_portions` and `open_hit_writer`.
    """
    from cisreg.genome.hit_files import open_hit_writer
    from cisreg.scan import scan_portions

    clock, columns = Clock(), list(writing["columns"])
    first, end = motifs.column_range()
    overlap = int((end - first).max()) - 1
    with ExitStack() as stack:
        request = stack.enter_context(StopRequest(stop_signals()))
        writer = stack.enter_context(open_hit_writer(output, motifs=motifs, **writing))
        watch = stack.enter_context(watch_scan(source, request))
        portions = watch.pass_on(source.portions(overlap=overlap))
        if q_values is None:
            for hits in scan_portions(portions, motifs, **settings):
                writer.write(hits.select(columns))
        else:
            spilled = _with_q_values(portions, motifs, settings, output, q_values)
            for hits in spilled:
                writer.write(hits.select(columns))
        if watch.missing is not None:
            whole = settings.get("best") is None and q_values is None
            _end_early(writer, watch, request, whole)
    if watch.missing is not None and request.received is not None:
        where = "standard output" if output == STANDARD else printable(str(writer.path))
        raise _stopped(
            request.received, f"{writer.count:,} hits so far are in {where}: {watch.where()}"
        )
    return Scanned(writer.count, watch.bases, watch.stretches, clock.speed(watch.bases))


def _with_q_values(
    portions: Iterable[Portion],
    motifs: MotifSet,
    settings: Mapping[str, Any],
    output: PathLike,
    wanted: Wanted,
) -> Iterator[pa.Table]:
    """Hits, which wait in a temporary file until their q-values are known."""
    import pyarrow as pa

    from cisreg.genome.hit_spill import spill_hits
    from cisreg.scan import QValues, scan_portions

    counts = QValues(len(motifs))
    with spill_hits(output) as spilled:
        for hits in scan_portions(portions, motifs, **settings, q_values=counts):
            spilled.write(hits)
        for hits in spilled.tables():
            q_value = counts.of_table(hits)
            hits = hits.append_column("q_value", pa.array(q_value))
            yield hits if wanted.most is None else hits.filter(pa.array(q_value <= wanted.most))


def _end_early(writer: HitWriter, watch: Watch, request: StopRequest, whole: bool) -> None:
    """Keeps the hits so far, if there can be any.

    Args:
        writer: of the hits.
        watch: of the portions.
        request: the signal.
        whole: whether what is missing does not change the hits before it.
    """
    if not watch.bases:
        raise _stopped(request.received or 0, "nothing was scanned yet")
    more = "" if whole else "; the strongest hits and q-values are those of what was scanned"
    writer.end_early(watch.where() + more)
