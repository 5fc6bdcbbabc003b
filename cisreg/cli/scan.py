"""cisreg scan."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import typer

from cisreg.cli import options
from cisreg.cli import scan_options as choose
from cisreg.cli.outputs import check_files
from cisreg.cli.scan_factors import Factors, load_factors
from cisreg.cli.scan_run import Scanned, Wanted, run_scan
from cisreg.cli.strict_command import WORDS
from cisreg.cli.terminal import new_console
from cisreg.display import counted, printable
from cisreg.file_checks import STANDARD

if TYPE_CHECKING:
    import numpy as np

    from cisreg.genome import GenomeSource
    from cisreg.genome.hit_files import HitFormat

EXAMPLE = "cisreg scan genome.fa --motifs jaspar:fungi --output hits.bed.gz --tabix"

_USUAL_P_VALUE = 1e-4
# Parameters that say what a hit is, with their meaning.
_WAYS = {
    "p_value": "p-value at most",
    "log_kd": "log Kd at most",
    "share_of_best": "score, as a share of the best, at least",
    "relative_score": "relative score at least",
    "occupancy": "occupancy at least",
    "use_file_thresholds": "log Kd at most as the motifs' file states",
}


def scan(
    context: typer.Context,
    genome: choose.Genome,
    motifs: choose.Motifs = None,
    model: choose.Model = None,
    output: choose.Output = None,
    intervals: choose.Intervals = None,
    p_value: choose.PValue = None,
    log_kd: choose.LogKd = None,
    share_of_best: choose.ShareOfBest = None,
    relative_score: choose.RelativeScore = None,
    occupancy: choose.Occupancy = None,
    use_file_thresholds: choose.FileThresholds = False,
    concentrations: choose.Concentrations = None,
    background: choose.Background = "uniform",
    p_values: choose.PValues = True,
    q_values: choose.QValues = False,
    max_q: choose.MaxQ = None,
    strand: choose.Strand = "both",
    best: choose.Best = None,
    per: choose.Per = "sequence",
    unknown: choose.UnknownBases = "skip",
    soft_masked: choose.SoftMasked = "keep",
    format: choose.Format = None,
    tabix: choose.Tabix = False,
    track: choose.Track = None,
    track_total: choose.TrackTotal = False,
    track_position: choose.TrackPosition = "covered",
    track_reduction: choose.TrackReduction = "probability",
    track_floor: choose.TrackFloor = 0.01,
    threads: options.Threads = None,
    model_output: options.ModelOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Find the sites of motifs in a genome, or in intervals of it.

    Hits are sorted by sequence (in the order of GENOME), start, strand and motif; where intervals
    overlap, within each of them. BED and tab-separated text count from 0, GFF3 from 1. Memory is
    bounded whatever the size of the genome and the number of hits.

    Ctrl-C (or SIGTERM) keeps the hits so far, in a file with .incomplete in its name; a second one
    ends the command at once.
    """
    given = context.params
    way = _way(given)
    _check_together(given)
    _check_files(given)
    kind = None if output is None else _check_output(output, format, tabix)
    factors = load_factors(motifs, model, concentrations, model_output)
    if occupancy is not None or track is not None:
        factors.concentrations()
    elif concentrations is not None:
        raise ValueError("--concentrations: expected --occupancy or --track with it, got neither")
    from cisreg.genome import read_background

    with _open(given) as source:
        if track is not None:
            source.hold()
        if output is not None:
            bases = read_background(background, source)
            notes = _notes(context, way, factors, bases)
            settings = _settings(way, factors) | {
                **{"background": bases, "strands": strand, "unknown": unknown, "threads": threads},
                **{"p_values": p_values, "best": best, "best_per": per},
            }
            writing = {
                **{"format": kind, "notes": notes, "tabix": tabix, "threads": threads},
                **{"overwrite": overwrite, "columns": _columns(given)},
            }
            wanted = Wanted(max_q) if q_values or max_q is not None else None
            scanned = run_scan(source, factors.motifs, settings, output, writing, wanted)
            _say(scanned, factors, notes, given)
        if track is not None:
            _write_track(source, factors, given)


def _way(given: Mapping[str, Any]) -> tuple[str, Any] | None:
    """The one parameter that says what a hit is, and its value; --best alone needs none."""
    ways = [(name, given[name]) for name in _WAYS if _is_given(given[name])]
    if len(ways) > 1:
        names = " and ".join(_option(name) for name, _ in ways)
        raise typer.BadParameter(
            f"expected one of {', '.join(map(_option, _WAYS))}, got {names}; leave all but one away"
        )
    usual = None if given["best"] else ("p_value", _USUAL_P_VALUE)
    return ways[0] if ways else usual


def _check_together(given: Mapping[str, Any]) -> None:
    """Checks that no option is given without the one that it belongs to."""
    if given["output"] is None and given["track"] is None:
        raise ValueError("--output: expected it or --track, got neither; name a file for the hits")
    if given["output"] == STANDARD == str(given["track"]):
        raise ValueError("--track: expected another file than --output, got - for both")
    belongs = {
        "format": "output",
        "tabix": "output",
        "q_values": "output",
        "max_q": "output",
        "best": "output",
        "per": "best",
        "track_total": "track",
    }
    for name, other in belongs.items():
        is_usual = name == "per" and given[name] == "sequence"
        if _is_given(given[name]) and not is_usual and given[other] is None:
            raise ValueError(f"{_option(name)}: expected {_option(other)} with it, got none")


def _is_given(value: Any) -> bool:
    # 0, which equals False, is a value.
    return value is not None and value is not False


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _check_files(given: Mapping[str, Any]) -> None:
    """Checks names before slow work begins; those in a folder of tracks are checked later."""
    from cisreg.genome.track_files import track_format

    output, track = given["output"], given["track"]
    indices = [f"{output}.tbi", f"{output}.csi"] if given["tabix"] and output is not None else []
    check_files(
        [output, *indices, track if track is not None and track_format(track) else None],
        inputs=[
            *(given["genome"], given["intervals"], options.motif_source(given["motifs"])),
            *(given["model"], given["concentrations"]),
            given["background"],
        ],
        overwrite=given["overwrite"],
        together=True,
    )


def _check_output(output: str, format: str | None, tabix: bool) -> HitFormat:
    """The format of the hits."""
    from cisreg.genome.hit_files import check_indexable, hit_format

    kind, compressed = hit_format(output, cast("HitFormat | None", format))
    if tabix:
        check_indexable(output, kind, compressed)
    return kind


def _open(given: Mapping[str, Any]) -> GenomeSource:
    """The sequences, or intervals of them in the order of the genome, whatever their own is."""
    from cisreg.genome import Intervals, open_genome
    from cisreg.genome.interval_source import IntervalSource

    genome, intervals = given["genome"], given["intervals"]
    if genome == STANDARD and str(intervals) == STANDARD:
        raise ValueError("--intervals: expected another file than GENOME, got - for both")
    source = open_genome(genome, softmasked=given["soft_masked"])
    if intervals is None:
        return source
    try:
        names = tuple(source.length_of())
        return IntervalSource(source, Intervals.from_bed(intervals).sorted(names))
    except BaseException:
        source.close()
        raise


def _settings(way: tuple[str, Any] | None, factors: Factors) -> dict[str, Any]:
    """The arguments of `scan_portions` that say what a hit is."""
    if way is None:
        return {}
    name, value = way
    if name == "log_kd":
        return {"threshold": value}
    if name == "use_file_thresholds":
        return {"threshold": "motif"}
    if name == "occupancy":
        return {"occupancy": value, "log_concentration": factors.concentrations()}
    return {name: value}


def _columns(given: Mapping[str, Any]) -> tuple[str, ...]:
    from cisreg.genome.hit_lines import COLUMNS

    with_q = given["q_values"] or given["max_q"] is not None
    asked = {
        "p_value": given["p_values"] or with_q,
        "q_value": with_q,
        "region": given["intervals"] is not None,
    }
    return (*COLUMNS, *(name for name, wanted in asked.items() if wanted))


def _notes(
    context: typer.Context, way: tuple[str, Any] | None, factors: Factors, bases: np.ndarray
) -> dict[str, str]:
    """What is kept with the hits."""
    from cisreg.version import __version__

    given = context.params
    words = context.meta.get(WORDS, [])
    intervals = given["intervals"]
    return {
        "cisreg": __version__,
        "command": shlex.join(["cisreg", "scan", *words]),
        "genome": given["genome"] + (f", intervals {intervals}" if intervals else ""),
        "motifs": f"{factors.source}, {counted(len(factors.motifs), 'motif')}",
        "threshold": _threshold(way, given),
        "background": " ".join(
            f"{base} {share:.4g}" for base, share in zip("ACGT", bases, strict=True)
        ),
        "strands": given["strand"],
        "unknown bases": given["unknown"],
        "soft-masked bases": given["soft_masked"],
        **_of_q_values(given),
    }


def _threshold(way: tuple[str, Any] | None, given: Mapping[str, Any]) -> str:
    """What a hit is, in words."""
    words = []
    if way is not None:
        name, value = way
        words.append(_WAYS[name] + ("" if name == "use_file_thresholds" else f" {value:g}"))
    if given["best"] is not None:
        stretch = "sequence" if given["intervals"] is None else "interval"
        each = f" on each {stretch}" if given["per"] == "sequence" else ""
        words.append(f"the {given['best']:,} strongest of each motif{each}")
    return "; ".join(words)


def _of_q_values(given: Mapping[str, Any]) -> dict[str, str]:
    if not given["q_values"] and given["max_q"] is None:
        return {}
    most = "" if given["max_q"] is None else f"; at most {given['max_q']:g}"
    return {"q_value": f"Benjamini-Hochberg, of each motif over all windows{most}"}


def _write_track(source: GenomeSource, factors: Factors, given: Mapping[str, Any]) -> None:
    """Writes occupancy at the factors' concentrations."""
    from cisreg.genome.tracks import write_occupancy_tracks

    track = given["track"]
    files = write_occupancy_tracks(
        source,
        factors.motifs,
        factors.concentrations(),
        track,
        total=given["track_total"],
        position=given["track_position"],
        reduction=given["track_reduction"],
        floor=given["track_floor"],
        strands=given["strand"],
        unknown=given["unknown"],
        threads=given["threads"],
        overwrite=given["overwrite"],
        progress=True,
    )
    new_console(stderr=given["output"] == STANDARD).print(
        f"{counted(len(files), 'track')} of occupancy written to {printable(str(track))}"
    )


def _say(
    scanned: Scanned, factors: Factors, notes: Mapping[str, str], given: Mapping[str, Any]
) -> None:
    """One line of what was done."""
    to_standard_output = given["output"] == STANDARD
    where = "standard output" if to_standard_output else printable(given["output"])
    noun = "sequence" if given["intervals"] is None else "interval"
    new_console(stderr=to_standard_output).print(
        f"{counted(scanned.count, 'hit')} of {counted(len(factors.motifs), 'motif')} in "
        f"{counted(scanned.bases, 'base')} ({counted(scanned.stretches, noun)}) written to {where} "
        f"({notes['threshold']}, background {notes['background']}, strands {notes['strands']}; "
        f"{scanned.speed})"
    )
