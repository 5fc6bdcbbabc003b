"""Experiments in silico: write sites into sequences, shuffle parts of them, space two sites.

The verbs are those of tangermeme (Schreiber 2025), so that who knows one knows the other; they
take base codes or text instead of one-hot tensors.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from cisreg.choices import check_choice
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import encode_some, sequence_names
from cisreg.interpret.experiment_results import Ablation, Marginalization, Spacing
from cisreg.interpret.placed_sites import (
    FreeBases,
    PlacedSites,
    Run,
    free_bases,
    predict_placed,
    predict_rows,
)
from cisreg.interpret.read_out import between_ends
from cisreg.interpret.sequence_edits import MotifSite, read_motif
from cisreg.interpret.shuffling import dinucleotide_shuffle, shuffle, shuffle_segments
from cisreg.scan import scan

__all__ = ["ablate", "marginalize", "space"]

logger = logging.getLogger("cisreg.interpret")

Strand = Literal["+", "-", "both"]
ORIENTATIONS = ("++", "+-", "-+", "--")
_STRANDS = {"+": ("+",), "-": ("-",), "both": ("+", "-")}


def marginalize(
    model: AnyModel,
    sequences: Any,
    motif: Any = None,
    start: int | Sequence[int] | Literal["all"] | None = None,
    *,
    strand: Strand = "+",
    change_ends: bool = False,
    threads: int | None = None,
    batch_size: int | None = None,
    progress: bool = False,
) -> Marginalization:
    """The effect of a site on expression, when it is written into background sequences.

    tangermeme's verb of this name, with a choice of several motifs, places and strands at once:
    `motif=None, start="all", strand="both"` says which factor acts where. Every combination is
    predicted for every sequence, so take a hundred backgrounds rather than ten thousand.

    Args:
        model: a trained model.
        sequences: N backgrounds, everything that `Model.predict` takes; `random_backgrounds` makes
            some.
        motif: the name of a factor of the model, or a `MotifSet` of one motif, for its strongest
            site; bases as text, where N leaves the base that is there; base codes [width]; or a
            list of these. None: each factor of the model.
        start: the first base of the site, counted from 0 in the model's input (where shorter
            sequences are padded); several; "all" that it can have in all sequences; or None: the
            site's middle is the middle of the input.
        strand: "+", "-" (the reverse complement is written), or "both".
        change_ends: whether bases of constant ends may be replaced.
        threads: how many threads compute; None: one for each core.
        batch_size: sequences computed at a time; None: as many as take a few hundred megabytes.
        progress: whether to show a progress bar on a terminal.

    Returns:
        A `Marginalization` of N sequences and K sites, motifs outermost, then strands, then places.

    Raises:
        ValueError: a motif that is none or could be two, a place in padding or in a constant end,
            or wrong sequences.

    Example:
        >>> found = marginalize(model, backgrounds, "Reb1", strand="both")  # doctest: +SKIP
        >>> found.effect.shape, found.mean_effect  # doctest: +SKIP
        ((100, 2), array([1.31, 1.27]))
    """
    codes, name = _backgrounds(model, sequences)
    free = free_bases(model, codes, change_ends=change_ends)
    if strand not in _STRANDS:
        raise ValueError(f'strand: expected "+", "-" or "both", got {strand!r}')
    placed = PlacedSites.of(
        (site, side, place)
        for site in _sites(model, motif)
        for places in [_starts(start, site, codes.shape[1], free)]
        for side in _STRANDS[strand]
        for place in places
    )
    run = Run(threads, batch_size, progress)
    return Marginalization(
        *(placed.motif, placed.site, placed.strand, placed.start),
        before=_predict(model, codes, run),
        after=predict_placed(model, codes, [placed], run),
        name=name,
        unit=model.unit,
    )


def ablate(
    model: AnyModel,
    sequences: Any,
    start: int | None = None,
    end: int | None = None,
    n: int = 20,
    *,
    factor: str | None = None,
    occupancy: float = 0.1,
    shuffle_fn: Callable[..., np.ndarray] = shuffle,
    seed: int = 0,
    change_ends: bool = False,
    threads: int | None = None,
    batch_size: int | None = None,
    progress: bool = False,
) -> Ablation:
    """The effect of a part of the sequences, or of a factor's sites: they are shuffled.

    tangermeme's verb of this name. With `factor`, the bases under every site that the factor binds
    with at least this occupancy (at its learned concentration) are shuffled, those of touching
    sites together. Windows with unknown bases or over the ends are no sites here. A shuffle may
    leave a site, or make one; a motif of one base repeated cannot be removed by it.

    Args:
        model: a trained model.
        sequences: everything that `Model.predict` takes, N sequences.
        start: the first base to shuffle, counted from 0 in the model's input (where shorter
            sequences are padded).
        end: the base behind the last one.
        n: how many shuffles of each sequence.
        factor: a factor of the model, instead of `start` and `end`.
        occupancy: the least occupancy of a site, above 0 and below 1.
        shuffle_fn: `shuffle`, `dinucleotide_shuffle`, or without a factor any function
            (codes, start, end, n, seed=seed) that gives codes [N, n, L].
        seed: the same seed gives the same shuffles.
        change_ends: whether bases of constant ends may be shuffled. Sites of a factor that reach
            into a constant end are otherwise shuffled up to it.
        threads: how many threads compute; None: one for each core.
        batch_size: sequences computed at a time; None: as many as take a few hundred megabytes.
        progress: whether to show a progress bar on a terminal.

    Returns:
        An `Ablation` of N sequences and n shuffles. Where a factor has no site, the effect is 0.

    Raises:
        ValueError: not either a factor or a part, a part with padding or constant ends, or wrong
            sequences.

    Example:
        >>> ablate(model, promoters, 40, 60).mean_effect  # doctest: +SKIP
        array([-0.82, 0.05])
        >>> ablate(model, promoters, factor="Reb1").to_frame()  # doctest: +SKIP
    """
    of_part = [each is not None for each in (start, end)]
    if any(of_part) == (factor is not None) or any(of_part) != all(of_part):
        raise ValueError(
            f"start, end, factor: expected a part (start and end) or a factor, got start={start}, "
            f"end={end}, factor={factor!r}"
        )
    codes, name = _backgrounds(model, sequences)
    if factor is not None:
        sites, marked = _site_bases(model, codes, factor, occupancy, change_ends=change_ends)
        shuffled = _shuffle_marked(codes, marked, n, shuffle_fn, seed)
        bases = marked.sum(axis=1)
    else:
        assert start is not None and end is not None
        free_bases(model, codes, change_ends=change_ends).check("start, end", start, end)
        shuffled = np.asarray(shuffle_fn(codes, start, end, n, seed=seed))
        if shuffled.shape != (len(codes), n, codes.shape[1]):
            raise ValueError(
                f"shuffle_fn: expected a function that gives base codes of shape "
                f"{[len(codes), n, codes.shape[1]]} (sequences, shuffles, bases), got "
                f"{list(shuffled.shape)}"
            )
        sites, bases = None, np.full(len(codes), end - start)
    run = Run(threads, batch_size, progress)
    rows = shuffled.reshape(-1, codes.shape[1])
    after = predict_rows(model, len(rows), rows.__getitem__, run).reshape(len(codes), n)
    return Ablation(_predict(model, codes, run), after, bases, sites, name, model.unit)


def space(
    model: AnyModel,
    sequences: Any,
    motifs: Sequence[Any],
    spacing: int | Sequence[int],
    start: int | None = None,
    *,
    orientations: Sequence[str] = ORIENTATIONS,
    change_ends: bool = False,
    threads: int | None = None,
    batch_size: int | None = None,
    progress: bool = False,
) -> Spacing:
    """The effect of two sites at distances and orientations, and of each of them alone.

    tangermeme's verb of this name, for two motifs. The interaction is the effect of both minus the
    sum of the effects of each one alone at its place.

    Args:
        model: a trained model.
        sequences: N backgrounds, everything that `Model.predict` takes.
        motifs: the left motif and the right one, see `marginalize`.
        spacing: numbers of bases between the two sites, 0 or more.
        start: the first base of the left site, counted from 0 in the model's input; None: the two
            sites and what lies between have their middle in the middle of the input, so that both
            move with the distance.
        orientations: of "++", "+-", "-+" and "--", the strands of the left and the right site.
        change_ends: whether bases of constant ends may be replaced.
        threads: how many threads compute; None: one for each core.
        batch_size: sequences computed at a time; None: as many as take a few hundred megabytes.
        progress: whether to show a progress bar on a terminal.

    Returns:
        A `Spacing` of N sequences and K arrangements, orientations outermost, then distances.

    Raises:
        ValueError: not two motifs, a wrong distance or orientation, or a place in padding or in a
            constant end.

    Example:
        >>> found = space(model, backgrounds, ["Reb1", "Rap1"], range(0, 50))  # doctest: +SKIP
        >>> found.interaction.mean(axis=0)  # doctest: +SKIP
    """
    if isinstance(motifs, str) or len(motifs) != 2:
        raise ValueError(f"motifs: expected two, the left and the right one, got {motifs!r}")
    codes, name = _backgrounds(model, sequences)
    free = free_bases(model, codes, change_ends=change_ends)
    first, second = (read_motif(each, model) for each in motifs)
    for each in orientations:
        check_choice("orientations", each, Literal["++", "+-", "-+", "--"])
    distance = np.array(_distances(spacing) * len(orientations), np.int64)
    orientation = tuple(each for each in orientations for _ in _distances(spacing))
    widths = len(first.codes), len(second.codes)
    total = sum(widths) + distance
    left = np.full_like(distance, start) if start is not None else codes.shape[1] // 2 - total // 2
    for begin, bases in zip(left, total, strict=True):
        free.check("spacing, start", int(begin), int(begin + bases))
    positions = np.stack([left, left + widths[0] + distance])
    groups = [
        PlacedSites.of((site, both[side], at) for both, at in zip(orientation, places, strict=True))
        for side, (site, places) in enumerate(zip((first, second), positions, strict=True))
    ]
    run = Run(threads, batch_size, progress)
    return Spacing(
        *((first.name, second.name), orientation, distance, positions),
        before=_predict(model, codes, run),
        after=predict_placed(model, codes, groups, run),
        alone=np.stack([_predict_distinct(model, codes, group, run) for group in groups]),
        name=name,
        unit=model.unit,
    )


def _backgrounds(model: AnyModel, sequences: Any) -> tuple[np.ndarray, pa.Array | None]:
    """The sequences as the model's input, and their names."""
    return encode_some(model, sequences), sequence_names(sequences)


def _predict(model: AnyModel, codes: np.ndarray, run: Run) -> np.ndarray:
    return predict_rows(model, len(codes), codes.__getitem__, run._replace(progress=False))


def _predict_distinct(
    model: AnyModel, codes: np.ndarray, placed: PlacedSites, run: Run
) -> np.ndarray:
    """Like `predict_placed` of one group, but equal sites are predicted once."""
    keys = list(zip(placed.strand, placed.start.tolist(), strict=True))
    number = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    chosen = [keys.index(key) for key in number]
    found = predict_placed(model, codes, [placed.chosen(chosen)], run)
    return found[:, [number[key] for key in keys]]


def _sites(model: AnyModel, motif: Any) -> list[MotifSite]:
    if isinstance(motif, list | tuple):
        if not motif:
            raise ValueError("motif: expected at least one, got none")
        return [read_motif(each, model) for each in motif]
    if motif is not None:
        return [read_motif(motif, model)]
    sites = []
    for each in model.motifs:
        try:
            sites.append(read_motif(each))
        except ValueError as error:
            logger.warning("left out: %s", error)
    return sites


def _starts(
    start: int | Sequence[int] | str | None, site: MotifSite, length: int, free: FreeBases
) -> list[int]:
    width = len(site.codes)
    if isinstance(start, str):
        check_choice("start", start, Literal["all"])
        free.check(f"motif {site.name}", free.begin, free.begin + width)
        return list(range(free.begin, free.end - width + 1))
    places = _whole("start", [length // 2 - width // 2] if start is None else start)
    for place in places:
        free.check("start", place, place + width)
    return places


def _distances(spacing: int | Sequence[int]) -> list[int]:
    distances = _whole("spacing", spacing)
    if not distances or min(distances) < 0:
        raise ValueError(f"spacing: expected 0 or more bases between the sites, got {spacing!r}")
    return distances


def _whole(argument: str, numbers: Any) -> list[int]:
    try:
        return [operator.index(each) for each in np.atleast_1d(numbers)]
    except TypeError:
        raise TypeError(f"{argument}: expected whole numbers, got {numbers!r}") from None


def _site_bases(
    model: AnyModel, codes: np.ndarray, factor: str, occupancy: float, *, change_ends: bool
) -> tuple[np.ndarray, np.ndarray]:
    """How many sites of a factor each sequence has, int [N], and the bases under them, [N, L]."""
    if factor not in model.motif_names:
        # The message of the motif set names those that are alike.
        try:
            model.motifs[factor]
        except KeyError as error:
            raise ValueError(f"factor: {error.args[0]}") from None
    number = model.motif_names.index(factor)
    seen, span = between_ends(model.spec, codes)
    hits = scan(
        seen,
        model.motifs[factor],
        occupancy=occupancy,
        log_concentration=model.parameters["log_concentration"][number],
    )
    count, length = codes.shape
    first, behind = np.zeros(count, np.int64), np.full(count, length)
    if span is not None:
        first, behind = span[:, 0], span[:, 1]
    of, begin, end = hits.sequence, hits.position, hits.end
    counted = (end > first[of]) & (begin < behind[of])
    of, begin, end = of[counted], begin[counted], end[counted]
    edges = np.zeros((count, length + 1), np.int64)
    np.add.at(edges, (of, begin), 1)
    np.add.at(edges, (of, end), -1)
    marked = edges.cumsum(axis=1)[:, :length] > 0
    if not change_ends:
        column = np.arange(length)
        marked &= (column >= first[:, np.newaxis]) & (column < behind[:, np.newaxis])
    return np.bincount(of, minlength=count), marked


def _shuffle_marked(
    codes: np.ndarray, marked: np.ndarray, n: int, shuffle_fn: Callable[..., np.ndarray], seed: int
) -> np.ndarray:
    """N shuffles of each run of marked bases by itself, uint8 [N, n, L]."""
    if shuffle_fn not in (shuffle, dinucleotide_shuffle):
        raise ValueError(
            f"shuffle_fn: expected shuffle or dinucleotide_shuffle with a factor, got {shuffle_fn}"
        )
    if n < 1:
        raise ValueError(f"n: expected 1 or more shuffles of each sequence, got {n}")
    change = np.diff(np.pad(marked, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, begin = np.nonzero(change == 1)
    end = np.nonzero(change == -1)[1]
    copies = (row[:, np.newaxis] * n + np.arange(n)).ravel()
    result = np.repeat(codes, n, axis=0)
    shuffle_segments(
        *(result, (copies, np.repeat(begin, n), np.repeat(end, n))),
        np.random.default_rng(seed),
        dinucleotides=shuffle_fn is dinucleotide_shuffle,
    )
    return result.reshape(len(codes), n, -1)
