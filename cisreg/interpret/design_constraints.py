"""What designed sequences must be like, and how sequences are tested for it."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from cisreg.choices import check_choice
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.design_words import read_words
from cisreg.occupancy_checks import UNKNOWN

GcOf = Literal["variable", "all"]
_C, _G = 1, 2


@dataclass(frozen=True)
class Constraints:
    """What designed sequences must be like.

    Positions count from 0, from the first base of a sequence (padding does not count). A base is
    *protected* if it may not change; all others are *variable*. What lies in protected bases alone
    breaks no constraint, since no design could avoid it: a word, a run or a site counts if it has
    at least one variable base.

    Attributes:
        protect: intervals (begin, end) of bases that stay as they are, end excluded, as in slices:
            (0, 20), (-20, None).
        protect_lower_case: whether lower-case letters of the text of a start stay as they are.
        protect_ends: whether the constant ends of the model stay as they are.
        gc: the smallest and largest share of G and C, for example (0.4, 0.6).
        gc_of: of which bases: "variable", those that may change, or "all".
        forbid: words that no strand may have, in IUPAC letters such as "GGTCTC", or names of
            restriction enzymes such as "EcoRI" (these need Biopython).
        longest_run: the most equal bases in a row.
        changes: the most bases that differ from the start.
        forbid_factors: for names of factors, the occupancy from which on a site is forbidden,
            with all chromatin accessible: {"Reb1": 0.1}. Sites lie within the sequence.

    Raises:
        ValueError: numbers out of range, or a word that cannot be forbidden.
        ImportError: the name of an enzyme, and Biopython is not installed.

    Example:
        >>> Constraints(gc=(0.4, 0.6), forbid=("GGTCTC",), changes=10).changes
        10
    """

    protect: Sequence[tuple[int | None, int | None]] = ()
    protect_lower_case: bool = False
    protect_ends: bool = True
    gc: tuple[float, float] | None = None
    gc_of: GcOf = "variable"
    forbid: Sequence[str] = ()
    longest_run: int | None = None
    changes: int | None = None
    forbid_factors: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice("gc_of", self.gc_of, GcOf)
        object.__setattr__(self, "protect", tuple(map(_interval, self.protect)))
        if isinstance(self.forbid, str):
            raise TypeError(f"forbid: expected a list of words, got one text, {self.forbid!r}")
        object.__setattr__(self, "forbid", tuple(self.forbid))
        for word in self.forbid:
            read_words(word)
        if self.gc is not None:
            object.__setattr__(self, "gc", _bounds(self.gc))
        for name, least in (("longest_run", 1), ("changes", 0)):
            value = getattr(self, name)
            if value is not None and (_integer(name, value) < least):
                raise ValueError(f"{name}: expected {least} or more, or None, got {value}")
        for factor, share in self.forbid_factors.items():
            if not 0 < share < 1:
                raise ValueError(
                    "forbid_factors: expected an occupancy above 0 and below 1, got "
                    f"{share} for {factor}"
                )


def _interval(asked: tuple[int | None, int | None]) -> tuple[int | None, int | None]:
    expected = "protect: expected pairs of begin and end, whole numbers or None"
    try:
        begin, end = asked
        return tuple(None if each is None else operator.index(each) for each in (begin, end))  # type: ignore[return-value]
    except (TypeError, ValueError):
        raise ValueError(f"{expected}, got {asked!r}") from None


def _bounds(gc: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = map(float, gc)
    except (TypeError, ValueError):
        raise ValueError(f"gc: expected two shares, such as (0.4, 0.6), got {gc!r}") from None
    if not 0 <= low <= high <= 1:
        raise ValueError(f"gc: expected two shares from 0 to 1 in order, got {low} and {high}")
    return low, high


def _integer(name: str, value: object) -> int:
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name}: expected a whole number or None, got {value!r}") from None


class Rows(NamedTuple):
    """Sequences with what a constraint compares them with.

    Attributes:
        codes: uint8 [K, L].
        start: uint8 [K, L], the start of each.
        protected: bool [K, L], which of its bases may not change.
    """

    codes: np.ndarray
    start: np.ndarray
    protected: np.ndarray

    @property
    def variable(self) -> np.ndarray:
        """Bool [K, L], which bases may change; padding may not."""
        return ~self.protected & (self.codes != UNKNOWN)


class Rule(NamedTuple):
    """One constraint: its words, and how far rows of sequences are from it.

    Attributes:
        text: for messages.
        broken: of rows, int [K]: 0 where it holds; otherwise about how many bases have to change.
    """

    text: str
    broken: Callable[[Rows], np.ndarray]


@dataclass(frozen=True)
class Rules:
    """Constraints made ready for a model and its starts.

    Attributes:
        rules: each constraint.
        start: uint8 [N, L], the starts.
        protected: bool [N, L], which of their bases may not change.
        most_changes: int [N], how many bases may change.
    """

    rules: tuple[Rule, ...]
    start: np.ndarray
    protected: np.ndarray
    most_changes: np.ndarray

    def broken(self, codes: np.ndarray, of: np.ndarray) -> np.ndarray:
        """How far sequences are from each constraint.

        Args:
            codes: uint8 [K, L].
            of: int [K], the start that each one comes from.

        Returns:
            int [K, constraints], 0 where it holds.
        """
        rows = Rows(codes, self.start[of], self.protected[of])
        counts = [rule.broken(rows) for rule in self.rules]
        return np.stack(counts, axis=1) if counts else np.zeros((len(codes), 0), np.int64)

    def hold(self, codes: np.ndarray, of: np.ndarray) -> np.ndarray:
        """Whether all constraints hold, bool [K]; see `broken`."""
        return np.asarray(self.broken(codes, of).max(axis=1, initial=0) == 0)

    def describe(self, codes: np.ndarray, of: int) -> str:
        """Which constraints a sequence [L] breaks, in words."""
        counts = self.broken(codes[np.newaxis], np.array([of]))[0]
        return "; ".join(
            rule.text for rule, count in zip(self.rules, counts, strict=True) if count > 0
        )


def make_rules(
    model: AnyModel,
    constraints: Constraints,
    start: np.ndarray,
    protected: np.ndarray,
    threads: int | None = None,
) -> Rules:
    """Constraints made ready for a model and its starts.

    Args:
        model: a trained model, for `forbid_factors`.
        constraints: what was asked for.
        start: uint8 [N, L], the starts.
        protected: bool [N, L].
        threads: of the scan for forbidden factors.

    Raises:
        ValueError: a factor that the model does not have, or constraints that no sequence meets.
    """
    rules = []
    for asked in constraints.forbid:
        words = read_words(asked)
        rules.append(Rule(f"no {words[0].text} on either strand", _words_rule(words)))
    if constraints.longest_run is not None:
        longest = constraints.longest_run
        rules.append(Rule(f"at most {longest} equal bases in a row", _run_rule(longest)))
    if constraints.gc is not None:
        low, high = constraints.gc
        of = "of the variable bases" if constraints.gc_of == "variable" else "of all bases"
        text = f"a share of G and C from {low:g} to {high:g} {of}"
        rules.append(Rule(text, _gc_rule(low, high, constraints.gc_of == "all")))
    if constraints.forbid_factors:
        rules += _factor_rules(model, constraints.forbid_factors, threads)
    variable = (~protected & (start != UNKNOWN)).sum(axis=1)
    most = variable
    if constraints.changes is not None:
        most = np.minimum(variable, constraints.changes)
        changes = constraints.changes
        rules.append(Rule(f"at most {changes} changed bases", _changes_rule(changes)))
    made = Rules(tuple(rules), start, protected, most)
    if constraints.gc is not None:
        _check_gc(constraints, start, protected)
    return made


def _words_rule(words: Sequence) -> Callable[[Rows], np.ndarray]:
    def broken(rows: Rows) -> np.ndarray:
        total = np.zeros(len(rows.codes), np.int64)
        for word in words:
            touches = _any_within(rows.variable, len(word.matches))
            total += (word.found(rows.codes) & touches).sum(axis=1)
        return total

    return broken


def _any_within(variable: np.ndarray, width: int) -> np.ndarray:
    """Whether any of the `width` bases from each on is variable, bool [K, L - width + 1]."""
    total = np.cumsum(np.pad(variable, ((0, 0), (1, 0))), axis=1)
    return total[:, width:] > total[:, : max(total.shape[1] - width, 0)]


def _run_rule(longest: int) -> Callable[[Rows], np.ndarray]:
    def broken(rows: Rows) -> np.ndarray:
        # A run that is too long holds a stretch of one base more than is allowed.
        codes, width = rows.codes, longest + 1
        count = max(codes.shape[1] - longest, 0)
        same = codes[:, :count] != UNKNOWN
        for place in range(1, width):
            same &= codes[:, place : place + count] == codes[:, :count]
        return (same & _any_within(rows.variable, width)).sum(axis=1)

    return broken


def _gc_rule(low: float, high: float, whole: bool) -> Callable[[Rows], np.ndarray]:
    def broken(rows: Rows) -> np.ndarray:
        counted = rows.codes != UNKNOWN if whole else rows.variable
        found = (((rows.codes == _C) | (rows.codes == _G)) & counted).sum(axis=1)
        least, most = _gc_counts(counted.sum(axis=1), low, high)
        return np.maximum(least - found, 0) + np.maximum(found - most, 0)

    return broken


def _gc_counts(bases: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and largest numbers of G and C among so many bases."""
    # A share such as 0.3 of 10 bases is 3 of them, whatever its rounding.
    least = np.ceil(np.round(low * bases, 9)).astype(np.int64)
    return least, np.floor(np.round(high * bases, 9)).astype(np.int64)


def _changes_rule(most: int) -> Callable[[Rows], np.ndarray]:
    def broken(rows: Rows) -> np.ndarray:
        return np.maximum((rows.codes != rows.start).sum(axis=1) - most, 0)

    return broken


def _factor_rules(
    model: AnyModel, forbidden: Mapping[str, float], threads: int | None
) -> list[Rule]:
    unknown = [name for name in forbidden if name not in model.motif_names]
    if unknown:
        raise ValueError(
            f"forbid_factors: expected factors of the model, got {', '.join(map(repr, unknown))}"
        )
    return [
        Rule(f"no site of {name} with an occupancy of {share:g} or more", _site_rule(*each))
        for name, share in forbidden.items()
        for each in [(model, name, share, threads)]
    ]


def _site_rule(
    model: AnyModel, name: str, share: float, threads: int | None
) -> Callable[[Rows], np.ndarray]:
    motif = model.motifs[[name]]
    width = int(motif.widths[0])
    level = model.parameters["log_concentration"][model.motif_names.index(name)]
    threshold = float(level) - math.log(share / (1 - share))

    def broken(rows: Rows) -> np.ndarray:
        from cisreg.scan import scan

        hits = scan(rows.codes, motif, threshold, threads=threads)
        touches = _any_within(rows.variable, width)
        counted = touches[hits.sequence, hits.position]
        return np.bincount(hits.sequence[counted], minlength=len(rows.codes))

    return broken


def _check_gc(constraints: Constraints, start: np.ndarray, protected: np.ndarray) -> None:
    """Refuses shares of G and C that the variable bases cannot reach."""
    assert constraints.gc is not None
    low, high = constraints.gc
    known = start != UNKNOWN
    variable, whole = known & ~protected, constraints.gc_of == "all"
    fixed = (known & protected & ((start == _C) | (start == _G))).sum(axis=1) if whole else 0
    counted, free = (known if whole else variable).sum(axis=1), variable.sum(axis=1)
    least, most = _gc_counts(counted, low, high)
    bad = np.flatnonzero((least > most) | (least > fixed + free) | (most < fixed))
    if len(bad):
        row = int(bad[0])
        held = f", {np.broadcast_to(fixed, len(start))[row]} of them protected G or C" * whole
        raise ValueError(
            f"gc: expected shares that {counted[row]} bases can have{held}, got {low:g} to "
            f"{high:g}, which no sequence from start {row} meets"
        )
