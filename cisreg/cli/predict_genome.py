"""`cisreg predict` for windows and intervals of a genome."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cisreg.cli import options
from cisreg.cli.terminal import new_console
from cisreg.quiet import start_tensorflow

if TYPE_CHECKING:
    import pyarrow as pa

    from cisreg.genome import SequenceSource
    from cisreg.trained_model import Model
    from cisreg.window_prediction import Fit


class Places(NamedTuple):
    """What of a genome is predicted; as the options of `cisreg predict`."""

    intervals: Path | None
    length: int | None
    step: int | None
    fit: Fit
    most_unknown: float


def predict_places(
    learned: Model,
    genome: str,
    output: Path,
    places: Places,
    *,
    threads: int | None,
    overwrite: bool,
    **settings: Any,
) -> None:
    """Predicts the windows or the intervals of a genome, into a table or a track.

    Args:
        learned: the model.
        genome: FASTA.
        output: table or track.
        places: which windows or intervals.
        threads: number of threads.
        overwrite: whether an output that exists may be replaced.
        settings: further arguments of `predict_windows` and `predict_intervals`.
    """
    from cisreg.genome import open_genome
    from cisreg.genome.track_files import track_format
    from cisreg.outputs import check_one_output
    from cisreg.writing import check_ending

    is_track = str(output) != "-" and track_format(output) is not None
    if not is_track:
        check_ending(output)
    else:
        check_one_output(learned)
    if is_track and settings["binding"]:
        raise ValueError("--binding: expected a table as the output, got a track; leave it out")
    with open_genome(genome) as source:
        start_tensorflow()
        options.set_threads(threads)
        tables, span = _tables(learned, source, places, is_track, settings)
        write = _write_track if is_track else _write_table
        count = write(tables, output, source, span, overwrite)
    to_standard_output = str(output) == "-"
    where = "standard output" if to_standard_output else str(output)
    console = new_console(stderr=to_standard_output)
    console.print(f"{count:,} predictions written to {where}")


def _tables(
    model: Model,
    source: SequenceSource,
    places: Places,
    is_track: bool,
    settings: dict[str, Any],
) -> tuple[Iterator[pa.Table], int | None]:
    """The predictions, and the bases of a track that each window gets, if they slide."""
    from cisreg.genome import Intervals
    from cisreg.window_prediction import (
        construct_length,
        predict_intervals,
        predict_windows,
    )

    common = {"most_unknown": places.most_unknown, "progress": True, **settings}
    if places.intervals is not None:
        asked = Intervals.from_bed(places.intervals)
        return (
            predict_intervals(
                *(model, source, asked), fit=places.fit, in_genome_order=is_track, **common
            ),
            None,
        )
    length = construct_length(model) if places.length is None else places.length
    step = length if places.step is None else places.step
    return predict_windows(model, source, step=step, length=length, **common), min(step, length)


def _write_table(
    tables: Iterable[pa.Table], output: Path, _source: Any, _span: Any, overwrite: bool
) -> int:
    from cisreg.writing import open_table

    count = 0
    with open_table(output, overwrite=overwrite) as write:
        for table in tables:
            write({name: table[name].combine_chunks() for name in table.column_names})
            count += len(table)
    return count


def _write_track(
    tables: Iterable[pa.Table],
    output: Path,
    source: SequenceSource,
    span: int | None,
    overwrite: bool,
) -> int:
    from cisreg.genome.track_files import open_track, track_format
    from cisreg.genome.tracks import sequence_lengths
    from cisreg.window_prediction import write_predictions

    chosen = track_format(output)
    assert chosen is not None
    with open_track(output, chosen, sequence_lengths(source), overwrite=overwrite) as track:
        return write_predictions(tables, track, span=span)
