"""Design of sequences with a wanted expression."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from cisreg.data import Dataset
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.design_constraints import Constraints, make_rules
from cisreg.interpret.design_genetic import Genetic, evolve
from cisreg.interpret.design_gradient import Gradient, ascend
from cisreg.interpret.design_range import reasons_of_extrapolation, what_training_saw
from cisreg.interpret.design_result import Designs, changes_between
from cisreg.interpret.design_search import Found, Problem, Target, climb
from cisreg.interpret.design_starts import Starts, is_count, read_starts, repair
from cisreg.limits import thread_count
from cisreg.progress import progress_bar

logger = logging.getLogger("cisreg.interpret")

_UNIFORM = (0.25, 0.25, 0.25, 0.25)
# Generations and steps of gradients, if none are given.
_STEPS = 200
# Starts that are searched from at a time.
_BATCH = 32


@dataclass(frozen=True)
class Greedy:
    """A greedy search: see `cisreg.interpret.design`.

    In each step, of all single substitutions that the constraints admit, the best is made, until
    none makes the design better.
    """


@dataclass(frozen=True)
class Beam:
    """A beam search: see `cisreg.interpret.design`.

    In each step all single substitutions of `width` sequences are computed; the best ones that the
    constraints admit, and that have not been there before, are substituted next, even if they are
    worse than before.

    Attributes:
        width: sequences that go on from one step to the next.
        patience: steps without a better design after which the search ends.

    Raises:
        ValueError: a number below 1.
    """

    width: int = 10
    patience: int = 3

    def __post_init__(self) -> None:
        for name in ("width", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected 1 or more, got {getattr(self, name)}")


MethodName = Literal["greedy", "beam", "genetic", "gradient"]
Method = Greedy | Beam | Genetic | Gradient
METHODS: dict[str, Callable[..., Method]] = {
    "greedy": Greedy,
    "beam": Beam,
    "genetic": Genetic,
    "gradient": Gradient,
}


def design(
    model: AnyModel,
    start: Any,
    target: Target = "max",
    *,
    method: MethodName | Method = "greedy",
    constraints: Constraints | None = None,
    count: int = 1,
    steps: int | None = None,
    seed: int = 0,
    composition: Sequence[float] = _UNIFORM,
    repair_starts: bool = False,
    names: Sequence[str] | None = None,
    training: Dataset | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Designs:
    """Designs sequences whose predicted expression is as high, as low, or as wanted.

    Bases are substituted; nothing is inserted or deleted. The constraints hold in all designs. The
    expression in the result is that of the model itself, whatever a search uses.

    A model is right where it was trained. A search goes where the prediction is extreme, which may
    be beyond anything that training saw; the result says of each design whether it is, and why:
    expression beyond the measurements, or, with `training`, accessibility beyond that of the
    training sequences, or a factor that binds more than to any of them.

    Args:
        model: a trained model.
        start: sequences as `Model.predict` takes them, in which N becomes a random base. Or the
            number of random sequences to start from; these have the constant ends of the training
            sequences.
        target: "max", "min", or the wanted expression.
        method: "greedy", "beam", "genetic" or "gradient"; or `Greedy()`, `Beam(...)`,
            `Genetic(...)` or `Gradient(...)` with options.
        constraints: what designs must be like; None: only the constant ends stay.
        count: designs of each start at most: the best that a beam or genetic search found, or those
            of so many searches by gradients.
        steps: the most steps of each search; generations of a genetic search. None: greedy and beam
            search end by themselves, the others after 200.
        seed: of all random numbers. Each start has its own, by its number.
        composition: probabilities of A, C, G and T in random bases.
        repair_starts: whether starts that break a constraint are changed at random until they meet
            it; random starts always are. Changes count from before.
        names: names of the starts; None: those of a Dataset, or else their numbers.
        training: the training data, to tell extrapolation. None: only the range of the measurements
            is used, if the model has it.
        threads: how many threads compute; None: one for each core. No search depends on it, except
            for rounding of the gradients in TensorFlow.
        progress: whether to show a progress bar.

    Returns:
        The designs.

    Raises:
        ValueError: arguments out of range, a start that breaks a constraint, or constraints that no
            sequence was found to meet; the message says which.
        TypeError: an argument of another type.
        ImportError: "gradient" without TensorFlow, or the name of an enzyme without Biopython.

    Example:
        >>> found = design(  # doctest: +SKIP
        ...     model, 20, "max", constraints=Constraints(gc=(0.4, 0.6), forbid=["EcoRI"])
        ... )
        >>> found.to_frame()  # doctest: +SKIP
    """
    how = _method(method)
    constraints = Constraints() if constraints is None else constraints
    _check(target, how, count, steps)
    threads = None if threads is None else thread_count(threads)
    given = read_starts(model, start, constraints, composition, _generators(seed, 0))
    if names is not None:
        given = replace(given, name=_names(names, len(given.codes)))
    if is_count(start):
        given = _admitted(model, replace(constraints, changes=None), given, seed, True, threads)
    starts = _admitted(model, constraints, given, seed, repair_starts, threads)
    rules = make_rules(model, constraints, given.codes, given.protected, threads)
    seen = what_training_saw(model, training, threads)
    problem = Problem(model, target, rules, threads)
    found = _search(problem, starts, how, count, steps, seed, progress)
    if any(len(each.codes) < count for each in found):
        logger.warning("fewer than %d different designs were found from some starts", count)
    result = _result(problem, given, found, how)
    if seen is None:
        return result
    reasons = reasons_of_extrapolation(model, seen, result.codes, threads)
    return replace(result, extrapolation=tuple(reasons))


def _names(names: Sequence[str], count: int) -> tuple[str, ...]:
    if isinstance(names, str) or len(names) != count:
        raise ValueError(f"names: expected a list of {count}, one for each start, got {names!r}")
    return tuple(map(str, names))


def _admitted(
    model: AnyModel,
    constraints: Constraints,
    given: Starts,
    seed: int,
    repairs: bool,
    threads: int | None,
) -> Starts:
    """Starts that meet the constraints: as given, or repaired."""
    rules = make_rules(model, constraints, given.codes, given.protected, threads)
    count = len(given.codes)
    broken = np.flatnonzero(~rules.hold(given.codes, np.arange(count)))
    if repairs:
        return repair(given, rules, broken, _generators(seed, 1)(count))
    if len(broken):
        row = int(broken[0])
        raise ValueError(
            f"start: expected sequences that meet the constraints, but {len(broken):,} of "
            f"{count:,} do not; sequence {given.name[row]} breaks: "
            f"{rules.describe(given.codes[row], row)}; change it, loosen the constraints, or give "
            "repair_starts=True (--repair)"
        )
    return given


def _method(method: MethodName | Method) -> Method:
    if isinstance(method, str) and method in METHODS:
        return METHODS[method]()
    if isinstance(method, tuple(METHODS.values())):  # type: ignore[arg-type]
        return method  # type: ignore[return-value]
    raise ValueError(
        f"method: expected one of {', '.join(METHODS)}, or one of their options such as "
        f"Beam(width=10), got {method!r}"
    )


def _check(target: Target, how: Method, count: int, steps: int | None) -> None:
    is_number = isinstance(target, (int, float, np.number)) and not isinstance(target, bool)
    if not (target in ("max", "min") if isinstance(target, str) else is_number):
        raise ValueError(f'target: expected "max", "min" or an expression, got {target!r}')
    if is_number and not math.isfinite(float(target)):
        raise ValueError(f"target: expected a finite expression, got {target}")
    if steps is not None and steps < 0:
        raise ValueError(f"steps: expected 0 or more, or None, got {steps}")
    if count < 1:
        raise ValueError(f"count: expected 1 or more designs of each start, got {count}")
    if isinstance(how, Greedy) and count > 1:
        raise ValueError(
            f"count: expected 1, since a greedy search has one result for each start, got {count}; "
            "take more starts, or another method"
        )
    if isinstance(how, Beam) and count > how.width:
        raise ValueError(f"count: expected {how.width} at most, the width of the beam, got {count}")
    if isinstance(how, Genetic) and count > how.population:
        raise ValueError(f"count: expected {how.population} at most, the population, got {count}")


def _generators(seed: int, purpose: int) -> Callable[[int], list[np.random.Generator]]:
    """A function that makes a random generator for each start, by its number."""
    return lambda count: [np.random.default_rng([seed, purpose, each]) for each in range(count)]


def _search(
    problem: Problem,
    starts: Starts,
    how: Method,
    count: int,
    steps: int | None,
    seed: int,
    progress: bool,
) -> list[Found]:
    """What was found from each start, in portions of starts."""
    random = _generators(seed, 2)(len(starts.codes) * count)
    parts = range(0, len(starts.codes), _BATCH)
    most = _STEPS if steps is None and isinstance(how, (Genetic, Gradient)) else steps
    found: list[Found] = []
    with progress_bar(show=progress, transient=True) as bar:
        total = None if most is None else len(parts) * most
        task = bar.add_task("designing", total=total)
        for number, first in enumerate(parts):
            rows = np.arange(first, min(first + _BATCH, len(starts.codes)))
            own = [random[row * count + each] for row in rows for each in range(count)]
            found += _search_part(
                problem, starts.codes[rows], rows, how, count, most, own, lambda: bar.advance(task)
            )
            if total is not None:
                bar.update(task, completed=(number + 1) * (most or 0))
    return found


def _search_part(
    problem: Problem,
    codes: np.ndarray,
    of: np.ndarray,
    how: Method,
    count: int,
    steps: int | None,
    random: list[np.random.Generator],
    advance: Callable[[], object],
) -> list[Found]:
    if isinstance(how, Genetic):
        return evolve(
            *(problem, codes, of, how, random[::count]),
            steps=_STEPS if steps is None else steps,
            keep=count,
            advance=advance,
        )
    if isinstance(how, Gradient):
        every = ascend(
            *(problem, np.repeat(codes, count, axis=0), np.repeat(of, count), how, random),
            steps=_STEPS if steps is None else steps,
            advance=advance,
        )
        return [
            _joined(problem, every[first : first + count]) for first in range(0, len(every), count)
        ]
    width, patience = (how.width, how.patience) if isinstance(how, Beam) else (1, 1)
    return climb(
        *(problem, codes, of),
        width=width,
        patience=patience,
        steps=steps,
        keep=count,
        advance=advance,
    )


def _joined(problem: Problem, runs: list[Found]) -> Found:
    """Several runs from one start as one: the distinct designs, and the way to the best."""
    codes = np.concatenate([each.codes for each in runs])
    expression = problem.expression(codes)
    score = problem.score(expression)
    order = np.argsort(-score, kind="stable")
    _, first = np.unique(codes[order], axis=0, return_index=True)
    order = order[np.sort(first)]
    return Found(codes[order], expression[order], runs[int(score.argmax())].steps)


def _result(problem: Problem, given: Starts, found: list[Found], how: Method) -> Designs:
    row = np.repeat(np.arange(len(found)), [len(each.codes) for each in found])
    codes = np.concatenate([each.codes for each in found])
    of = given.take(row)
    sequence, start = of.text(codes), of.text(of.codes)
    return Designs(
        name=tuple(f"design{number}" for number in range(len(row))),
        sequence=tuple(sequence),
        codes=codes,
        # Computed anew, since some searches have approximate numbers.
        expression=problem.expression(codes),
        start=of.name,
        start_sequence=tuple(start),
        start_expression=problem.expression(given.codes)[row],
        changes=tuple(map(changes_between, start, sequence)),
        extrapolation=None,
        steps=tuple(tuple(found[each].steps) for each in row),
        target=problem.target,
        method=type(how).__name__.lower(),
        unit=problem.model.unit,
    )
