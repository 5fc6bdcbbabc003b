"""Motifs as files have them to log Kd; what is done is said once in the log."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cisreg.choices import check_choice
from cisreg.display import counted
from cisreg.motifs.bases import BASES
from cisreg.motifs.checking import check_background, check_probabilities, check_pseudocount
from cisreg.motifs.conversion import (
    LogKdConvention,
    LogOddsUnit,
    counts_to_probabilities,
    log_odds_to_log_kd,
    probabilities_to_log_kd,
)
from cisreg.motifs.details import MotifDetails
from cisreg.motifs.formats.found import FoundMotif, MotifFile
from cisreg.motifs.kinds import MatrixKind, Told, tell_kind

logger = logging.getLogger("cisreg.motifs")

# The unit of log odds that has the numbers of log Kd, by convention.
_BITS_OR_NATS: dict[LogKdConvention, LogOddsUnit] = {"natural": "nats", "pkdm": "bits"}
_LOG: dict[LogKdConvention, str] = {"natural": "ln", "pkdm": "log2"}
_AS_IT_IS = "log Kd in nats, taken as it is"


@dataclass(frozen=True, eq=False)
class Options:
    """How numbers are read; see `cisreg.motifs.read_motifs`."""

    kind: MatrixKind | None = None
    convention: LogKdConvention | None = None
    pseudocount: float = 0.001
    background: npt.ArrayLike | Literal["file"] | None = None

    def __post_init__(self) -> None:
        if self.kind is not None:
            check_choice("kind", self.kind, MatrixKind)
        if self.convention is not None:
            check_choice("convention", self.convention, LogKdConvention)
        check_pseudocount(self.pseudocount)
        if not self.is_of_file:
            check_background(self.background)

    @property
    def is_of_file(self) -> bool:
        """Whether each file's own background is asked for."""
        return isinstance(self.background, str) and self.background == "file"


class Converted(NamedTuple):
    """A motif as log Kd, float64 [own width, 4], and what is known of it."""

    log_kd: np.ndarray
    details: MotifDetails


def convert_files(files: Sequence[MotifFile], options: Options) -> list[Converted]:
    """All motifs of some files as log Kd; one line of the log for each kind of conversion.

    Raises:
        ValueError: numbers of which the kind is not clear, or that contradict the format, the rest
            of the file or the kind that was asked for; the message names the file.
    """
    done: Counter[str] = Counter()
    converted = []
    for file in files:
        for motif, told in zip(file.motifs, _kinds(file, options), strict=True):
            one, what = _convert(file, motif, told, options)
            converted.append(one)
            done[what] += 1
    for what, count in done.items():
        # Nothing is done to log Kd; what is done to other numbers is said.
        level = logging.DEBUG if _AS_IT_IS in what else logging.INFO
        logger.log(level, "%s of %s", counted(count, "motif"), what)
    found = [motif for file in files for motif in file.motifs]
    dropped = sum(
        motif.score_threshold is not None and one.details.threshold is None
        for motif, one in zip(found, converted, strict=True)
    )
    if dropped:
        logger.info(
            "%s of %d without the threshold of the file, which holds for a uniform background only",
            *(counted(dropped, "motif"), len(found)),
        )
    ignored = sum(_states_another(each, options) for each in found)
    if ignored:
        logger.info(
            "%s from a file that states another background; background='file' takes it",
            counted(ignored, "motif"),
        )
    return converted


def _states_another(motif: FoundMotif, options: Options) -> bool:
    """Whether the file's background is not the one that is used."""
    if motif.background is None or options.is_of_file:
        return False
    return bool(np.abs(check_background(options.background) - motif.background).max() > 1e-3)


def _kinds(file: MotifFile, options: Options) -> list[Told]:
    """What the numbers of each motif of a file are."""
    if options.kind is not None:
        return [_asked(motif, options.kind) for motif in file.motifs]
    told = [
        tell_kind(motif.matrix) if motif.kind is None else Told(motif.kind, motif.unit)
        for motif in file.motifs
    ]
    found = {each.kind for each in told} - {None}
    # Counts may stand beside probabilities, nothing beside what can be below 0.
    if len(found) > 1 and found & {"log_odds", "log_kd"}:
        raise _mixed(file, told)
    clear = next((each for each in told if each.kind in ("log_odds", "log_kd")), None)
    for number, each in enumerate(told):
        if each.kind is None:
            is_signed = bool((file.motifs[number].matrix < 0).any())
            if clear is None or (clear.kind == "log_odds" and not is_signed):
                raise _unclear(file.motifs[number])
            told[number] = clear
    return told


def _asked(motif: FoundMotif, kind: MatrixKind) -> Told:
    """The kind that was asked for, with the unit that format or numbers tell."""
    if kind == "log_odds":
        if (motif.matrix >= 0).all():
            raise ValueError(
                f"{motif.place}: expected log odds, which are below 0 for bases that are rare in "
                "sites, got no number below 0; give another kind"
            )
        told = tell_kind(motif.matrix)
        return Told(kind, motif.unit or (told.unit if told.kind == "log_odds" else None) or "bits")
    if kind != "log_kd" and motif.kind in ("log_odds", "log_kd"):
        raise ValueError(
            f"{motif.place}: kind: expected {motif.kind}, which this file says that it holds, got "
            f"{kind}"
        )
    return Told(kind, None)


def _mixed(file: MotifFile, told: Sequence[Told]) -> ValueError:
    examples: dict[MatrixKind | None, str] = {}
    for motif, each in zip(file.motifs, told, strict=True):
        examples.setdefault(each.kind, motif.place)
    found = ", ".join(f"{kind} ({place})" for kind, place in examples.items() if kind)
    return ValueError(
        f"{file.name}: expected motifs of one kind, got numbers that look like {found}; give "
        "kind= if they are all the same"
    )


def _unclear(motif: FoundMotif) -> ValueError:
    sums = motif.matrix.sum(axis=1)
    if (motif.matrix >= 0).all() and sums.min() > 0.5 and sums.max() < 1.5:
        return ValueError(
            f"{motif.place}: expected probabilities, which sum to 1 in every column, got sums from "
            f"{sums.min():.4g} to {sums.max():.4g}; correct the numbers, or give kind='counts', "
            "which divides each column by its sum"
        )
    log_odds = "".join(BASES[base] for base in motif.matrix.argmax(axis=1))
    log_kd = "".join(BASES[base] for base in motif.matrix.argmin(axis=1))
    if (motif.matrix >= 0).all():
        return ValueError(
            f"{motif.place}: expected numbers that tell what they are, got some that are not whole "
            f"in columns of unequal sums, that may be counts (the strongest site is {log_odds}) or "
            f"log Kd or another energy (it is {log_kd}); give kind='counts' or kind='log_kd' (in "
            "nats)"
        )
    return ValueError(
        f"{motif.place}: expected numbers that tell what they are, got some below 0 that may be "
        f"log odds (the strongest site is {log_odds}) or log Kd (it is {log_kd}); give "
        "kind='log_odds' (in bits) or kind='log_kd' (in nats)"
    )


def _convert(
    file: MotifFile, motif: FoundMotif, told: Told, options: Options
) -> tuple[Converted, str]:
    """One motif as log Kd, and a text that says how, the same for all motifs alike."""
    convention = options.convention or told.convention or file.convention
    background = _background(motif, options)
    stated = ", ".join(f"{base} {value:.3g}" for base, value in zip(BASES, background, strict=True))
    try:
        if told.kind == "log_kd":
            log_kd = motif.matrix
            what = f"{_AS_IT_IS} (convention {convention!r})"
        elif told.kind == "log_odds":
            unit = told.unit or "bits"
            log_kd = log_odds_to_log_kd(motif.matrix, unit=unit, convention=convention)
            what = f"log odds in {unit}; log Kd is -{_LOG[convention]}(odds) (convention "
            what += f"{convention!r})"
        else:
            probabilities = _probabilities(motif, told)
            log_kd = probabilities_to_log_kd(
                probabilities,
                background=background,
                pseudocount=options.pseudocount,
                convention=convention,
            )
            what = f"{told.kind}; log Kd is {_LOG[convention]}(background / p) (convention "
            what += f"{convention!r}), background {stated}, pseudocount {options.pseudocount:g} "
            what += "added to each probability"
    except ValueError as error:
        raise ValueError(f"{motif.place}: {error}") from None
    uniform = bool(np.abs(background - 0.25).max() < 1e-9)
    details = replace(
        motif.details,
        source=motif.details.source or motif.place,
        site_count=_site_count(motif, told),
        threshold=_threshold(motif, convention) if uniform else None,
        matrix=tuple(map(tuple, motif.matrix.tolist())),
        kind=told.kind,
        convention=convention,
        background=tuple(background.tolist()),
    )
    return Converted(log_kd, details), f"{file.format}: {what}"


def _probabilities(motif: FoundMotif, told: Told) -> np.ndarray:
    if told.kind == "probabilities":
        return check_probabilities("probabilities", motif.matrix)
    return counts_to_probabilities(motif.matrix)


def _background(motif: FoundMotif, options: Options) -> np.ndarray:
    if not options.is_of_file:
        return check_background(options.background)
    if motif.background is None:
        raise ValueError(
            f"{motif.place}: background: expected a file that states one (MEME) for "
            "background='file', got none there; give four probabilities"
        )
    try:
        return check_background(motif.background)
    except ValueError as error:
        raise ValueError(f"{motif.place}: {error}") from None


def _site_count(motif: FoundMotif, told: Told) -> float | None:
    """The number that the file states, or the largest sum of a column of whole counts."""
    if motif.details.site_count is not None or told.kind != "counts":
        return motif.details.site_count
    is_whole = bool((motif.matrix == np.round(motif.matrix)).all())
    return float(motif.matrix.sum(axis=1).max()) if is_whole else None


def _threshold(motif: FoundMotif, convention: LogKdConvention) -> float | None:
    """The threshold as log Kd; its log odds are in nats."""
    if motif.score_threshold is None:
        return None
    log_odds = np.full((1, 4), motif.score_threshold)
    return float(log_odds_to_log_kd(log_odds, unit="nats", convention=convention)[0, 0])
