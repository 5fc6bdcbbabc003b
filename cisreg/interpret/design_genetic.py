"""Search by a population of sequences that are crossed and mutated (Holland 1975)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cisreg.interpret.design_constraints import Rules
from cisreg.interpret.design_search import Best, Found, Problem
from cisreg.occupancy_checks import UNKNOWN


@dataclass(frozen=True)
class Genetic:
    """A genetic search: see `cisreg.interpret.design`.

    In each generation, the `elite` best sequences stay. All others are children: each of their two
    parents is the best of `tournament` random members of the population; with the probability
    `crossover` the child has a stretch of bases from the second parent; then each variable base
    mutates with the probability `mutation_rate`, at least one of them in a child that is not
    crossed. A child that breaks a constraint is replaced by its first parent.

    Attributes:
        population: sequences of each start.
        elite: how many of the best stay.
        tournament: members that compete to be a parent.
        crossover: probability from 0 to 1.
        mutation_rate: probability from 0 to 1; None: 1 / number of variable bases.

    Raises:
        ValueError: a number out of its range.
    """

    population: int = 100
    elite: int = 5
    tournament: int = 3
    crossover: float = 0.7
    mutation_rate: float | None = None

    def __post_init__(self) -> None:
        if self.population < 2:
            raise ValueError(f"population: expected 2 or more sequences, got {self.population}")
        if not 0 <= self.elite < self.population:
            raise ValueError(f"elite: expected 0 to {self.population - 1}, got {self.elite}")
        if self.tournament < 1:
            raise ValueError(f"tournament: expected 1 or more members, got {self.tournament}")
        for name in ("crossover", "mutation_rate"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name}: expected a probability, got {value}")


def evolve(
    problem: Problem,
    codes: np.ndarray,
    of: np.ndarray,
    how: Genetic,
    generators: Sequence[np.random.Generator],
    *,
    steps: int,
    keep: int = 1,
    advance: Callable[[], object] = lambda: None,
) -> list[Found]:
    """A genetic search from each start; arguments as of `cisreg.interpret.design_search.climb`.

    Args:
        problem: the model, the target and the constraints.
        codes: uint8 [N, L], the starts.
        of: int [N], their numbers.
        how: the options.
        generators: of random numbers, one for each start.
        steps: generations.
        keep: designs that each search returns at most.
        advance: is called after every generation.
    """
    families = [
        _Family(problem.rules, row, int(start), how, random)
        for row, start, random in zip(codes, of, generators, strict=True)
    ]
    children = [family.first_children() for family in families]
    bests = [Best(keep) for _ in families]
    for step in range(steps + 1):
        expression = problem.expression(np.concatenate(children))
        begin = 0
        for family, best, own in zip(families, bests, children, strict=True):
            values = expression[begin : begin + len(own)]
            begin += len(own)
            score = problem.score(values)
            best.add(own, values, score, len(own))
            family.take(own, score)
        if step < steps:
            children = [family.children() for family in families]
            advance()
    return [best.found() for best in bests]


class _Family:
    """The population of one start."""

    def __init__(
        self,
        rules: Rules,
        start: np.ndarray,
        of: int,
        how: Genetic,
        random: np.random.Generator,
    ) -> None:
        self._rules, self._of, self._how, self._random = rules, of, how, random
        self._variable = np.flatnonzero(~rules.protected[of] & (start != UNKNOWN))
        rate = how.mutation_rate
        self._rate = 1 / len(self._variable) if rate is None else rate
        self._population = start[np.newaxis]
        self._score = np.zeros(1)

    def first_children(self) -> np.ndarray:
        """The start and mutants of it."""
        start = np.repeat(self._population, self._how.population, axis=0)
        mutants = self._mutated(start[1:], np.ones(len(start) - 1, bool))
        return np.concatenate([start[:1], self._admitted(mutants, start[1:])])

    def take(self, children: np.ndarray, score: np.ndarray) -> None:
        """The next population: the elite and the children."""
        elite = np.argsort(-self._score, kind="stable")[: self._how.elite]
        if len(children) == self._how.population:
            elite = elite[:0]
        self._population = np.concatenate([self._population[elite], children])
        self._score = np.concatenate([self._score[elite], score])

    def children(self) -> np.ndarray:
        """Children of the population, which meet the constraints."""
        count = self._how.population - self._how.elite
        first, second = (self._population[self._parents(count)] for _ in range(2))
        crossed = self._random.random(count) < self._how.crossover
        places = len(self._variable)
        ends = np.sort(self._random.integers(0, places + 1, (count, 2)), axis=1)
        inside = (np.arange(places) >= ends[:, :1]) & (np.arange(places) < ends[:, 1:])
        mixed = first.copy()
        mixed[:, self._variable] = np.where(
            inside & crossed[:, np.newaxis], second[:, self._variable], first[:, self._variable]
        )
        return self._admitted(self._mutated(mixed, ~crossed), first)

    def _parents(self, count: int) -> np.ndarray:
        """The best of some random members, `count` times."""
        shape = (count, self._how.tournament)
        members = self._random.integers(0, len(self._population), shape)
        best = self._score[members].argmax(axis=1)
        return members[np.arange(count), best]

    def _mutated(self, codes: np.ndarray, at_least_one: np.ndarray) -> np.ndarray:
        """Codes with random substitutions; in some rows at least one."""
        shape = (len(codes), len(self._variable))
        mutates = self._random.random(shape) < self._rate
        forced = self._random.integers(0, shape[1], len(codes))
        mutates[np.arange(len(codes)), forced] |= at_least_one & ~mutates.any(axis=1)
        step = self._random.integers(1, 4, shape).astype(np.uint8)
        mutants = codes.copy()
        own = mutants[:, self._variable]
        mutants[:, self._variable] = np.where(mutates, (own + step) % 4, own)
        return mutants

    def _admitted(self, children: np.ndarray, instead: np.ndarray) -> np.ndarray:
        """The children, with those that break a constraint replaced."""
        children = self._fewer_changes(children)
        of = np.full(len(children), self._of)
        return np.where(self._rules.hold(children, of)[:, np.newaxis], children, instead)

    def _fewer_changes(self, children: np.ndarray) -> np.ndarray:
        """Children with too many changed bases get some of the start's, at random."""
        start, most = self._rules.start[self._of], int(self._rules.most_changes[self._of])
        changed = children != start
        # Changed bases come first, in a random order.
        order = np.argsort(self._random.random(children.shape) + ~changed, axis=1)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(children.shape[1])[np.newaxis], axis=1)
        return np.where(changed & (rank >= most), start, children)
