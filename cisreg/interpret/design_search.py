"""Search by single substitutions: greedy, and with a beam of the best sequences."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.design_constraints import Rules
from cisreg.interpret.mutagenesis import mutagenesis
from cisreg.interpret.substitutions import expression_of
from cisreg.occupancy_checks import UNKNOWN

Target = Literal["max", "min"] | float

# Candidates whose constraints are tested at first; four times as many each further time.
_FIRST_TESTED = 16


class Step(NamedTuple):
    """How far the search has come.

    Attributes:
        evaluations: sequences whose expression was computed so far.
        expression: of the best design so far.
    """

    evaluations: int
    expression: float


class Found(NamedTuple):
    """What a search found from one start.

    Attributes:
        codes: uint8 [C, L], distinct sequences that meet the constraints, the best first.
        expression: float64 [C].
        steps: the way, from the start on.
    """

    codes: np.ndarray
    expression: np.ndarray
    steps: list[Step]


@dataclass(frozen=True)
class Problem:
    """A model, what is wanted of it, and the constraints.

    Attributes:
        model: a trained model.
        target: "max", "min", or the wanted expression.
        rules: the constraints, with the starts.
        threads: of the kernels; None: one for each core.
    """

    model: AnyModel
    target: Target
    rules: Rules
    threads: int | None = None

    def expression(self, codes: np.ndarray) -> np.ndarray:
        """The expression of sequences [K, L], float64 [K]."""
        return expression_of(self.model, codes, self.threads)

    def score(self, expression: np.ndarray) -> np.ndarray:
        """How good expressions are: the higher the better."""
        if self.target == "max":
            return expression
        if self.target == "min":
            return -expression
        return -np.abs(expression - float(self.target))

    def substituted(self, codes: np.ndarray) -> np.ndarray:
        """The expression after each single substitution, float64 [K, L, 4].

        It is that of the sequence itself for the base that is there, and at unknown bases.
        """
        effect = mutagenesis(self.model, codes, threads=self.threads).effect
        # Where nothing can be substituted, effects are NaN.
        return self.expression(codes)[:, np.newaxis, np.newaxis] + np.nan_to_num(effect)


class Best:
    """The best distinct sequences of a search, and the way to them.

    Args:
        keep: how many sequences are kept.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._rows: dict[bytes, tuple[float, float, np.ndarray]] = {}
        self.steps: list[Step] = []

    @property
    def score(self) -> float:
        """The score of the best sequence; minus infinity if there is none."""
        return max((score for score, _, _ in self._rows.values()), default=-np.inf)

    def add(
        self, codes: np.ndarray, expression: np.ndarray, score: np.ndarray, evaluations: int
    ) -> None:
        """Adds the sequences [K, L] of a step that took so many evaluations."""
        rows = dict(self._rows)
        for row in np.argsort(-score, kind="stable"):
            if len(rows) == len(self._rows) + self._keep:
                break
            value = (float(score[row]), float(expression[row]), codes[row])
            rows.setdefault(codes[row].tobytes(), value)
        # Sorting is stable: of equally good sequences, those that were found first stay.
        ranked = sorted(rows.items(), key=lambda each: -each[1][0])[: self._keep]
        self._rows = dict(ranked)
        before = self.steps[-1].evaluations if self.steps else 0
        self.steps.append(Step(before + evaluations, ranked[0][1][1]))

    def found(self) -> Found:
        """The designs."""
        rows = list(self._rows.values())
        codes = np.stack([codes for _, _, codes in rows])
        return Found(codes, np.array([value for _, value, _ in rows]), self.steps)


class _Climb:
    """The search from one start.

    Attributes:
        of: the number of the start.
        beam: uint8 [B, L], what is substituted next.
        seen: all sequences that have been in the beam.
        best: the best designs.
        waited: steps since the best design was found.
    """

    def __init__(self, of: int, keep: int) -> None:
        self.of, self.best, self.waited = of, Best(keep), 0
        self.beam = np.empty((0, 0), np.uint8)
        self.seen: set[bytes] = set()

    def advance(
        self, beam: np.ndarray, expression: np.ndarray, score: np.ndarray, evaluations: int
    ) -> None:
        """Takes a new beam, whose computation took so many evaluations."""
        before = self.best.score
        self.beam = beam
        self.seen.update(row.tobytes() for row in beam)
        self.best.add(beam, expression, score, evaluations)
        self.waited = 0 if self.best.score > before else self.waited + 1
        if not len(beam):
            # Nothing is left to substitute.
            self.waited = sys.maxsize


def climb(
    problem: Problem,
    codes: np.ndarray,
    of: np.ndarray,
    *,
    width: int = 1,
    patience: int = 1,
    steps: int | None = None,
    keep: int = 1,
    advance: Callable[[], object] = lambda: None,
) -> list[Found]:
    """Substitutes one base at a time, and goes on with the best sequences.

    In every step all single substitutions of the sequences of a beam are computed; the `width` best
    that meet the constraints, and have not been in the beam before, are the next beam. With a width
    of 1 and a patience of 1 this is the greedy search.

    Args:
        problem: the model, the target and the constraints.
        codes: uint8 [N, L], where the searches begin; these meet the constraints.
        of: int [N], the start whose constraints each of them has.
        width: sequences that each search goes on with.
        patience: steps without a better design after which a search ends.
        steps: the most steps; None: no limit.
        keep: designs that each search returns at most.
        advance: is called after every step.

    Returns:
        The designs of each search.
    """
    searches = [_Climb(int(start), keep) for start in of]
    _advance(problem, searches, [row[np.newaxis] for row in codes], [0] * len(codes))
    done = 0
    while searching := [each for each in searches if each.waited < patience]:
        if steps is not None and done >= steps:
            break
        done += 1
        owner = np.repeat(np.arange(len(searching)), [len(each.beam) for each in searching])
        parents = np.concatenate([each.beam for each in searching])
        score = problem.score(problem.substituted(parents))
        start = np.array([each.of for each in searching])[owner]
        score[~_substitutable(problem.rules, parents, start)] = -np.inf
        costs, beams = [], []
        for number, each in enumerate(searching):
            own = score[owner == number]
            costs.append(int(np.isfinite(own).sum()))
            beams.append(_next_beam(problem.rules, each, own, width))
        _advance(problem, searching, beams, costs)
        advance()
    return [each.best.found() for each in searches]


def _substitutable(rules: Rules, parents: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Which substitutions change a variable base, bool [K, L, 4]."""
    variable = ~rules.protected[of] & (parents != UNKNOWN)
    return variable[:, :, np.newaxis] & (parents[:, :, np.newaxis] != np.arange(4))


def _next_beam(rules: Rules, search: _Climb, score: np.ndarray, width: int) -> np.ndarray:
    """The best substitutions that meet the constraints, uint8 [up to width, L]."""
    flat = score.ravel()
    order = np.argsort(-flat, kind="stable")
    order = order[: np.isfinite(flat).sum()]
    chosen: dict[bytes, np.ndarray] = {}
    first, size = 0, max(_FIRST_TESTED, 2 * width)
    while first < len(order) and len(chosen) < width:
        parent, place, base = np.unravel_index(order[first : first + size], score.shape)
        children = search.beam[parent]
        children[np.arange(len(children)), place] = base
        for child in children[rules.hold(children, np.full(len(children), search.of))]:
            key = child.tobytes()
            if key not in search.seen and len(chosen) < width:
                chosen.setdefault(key, child)
        first, size = first + size, 4 * size
    return np.array(list(chosen.values()), np.uint8).reshape(-1, search.beam.shape[1])


def _advance(
    problem: Problem, searches: list[_Climb], beams: list[np.ndarray], costs: list[int]
) -> None:
    """Gives each search its new beam, with the exact expressions of all of them."""
    expression = problem.expression(np.concatenate(beams))
    score, begin = problem.score(expression), 0
    for search, beam, cost in zip(searches, beams, costs, strict=True):
        part = slice(begin, begin + len(beam))
        begin += len(beam)
        search.advance(beam, expression[part], score[part], cost + len(beam))
