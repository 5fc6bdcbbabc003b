"""Search by gradients of a soft sequence (Bogard et al. 2019; Linder and Seelig 2021).

TensorFlow is imported where it is first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cisreg.interpret.design_search import Best, Found, Problem, climb
from cisreg.occupancy_checks import UNKNOWN

# How far the softmax of a start is from one-hot, before normalization.
_NOISE = 0.1


@dataclass(frozen=True)
class Gradient:
    """A search by gradients: see `cisreg.interpret.design`.

    Each start has logits [L, 4], normalized over its variable bases as by Linder and Seelig (2021,
    "Fast activation maximization for molecular sequence design", BMC Bioinformatics 22:510). In
    each step a sequence is drawn from their softmax; the gradient of its expression goes straight
    through the drawing to the logits (Bogard et al. 2019, Cell 178:91), which Adam changes
    (Kingma and Ba 2015). At the end each base becomes the most probable one; of the changes to the
    start that this makes, the best that the constraints admit are made one after the other. The
    result, or a sequence that was drawn if that is better, is finished by greedy steps.

    Attributes:
        learning_rate: of Adam.
        temperature: divides the logits; lower temperatures draw sequences that are more alike.

    Raises:
        ValueError: a number that is not above 0.
    """

    learning_rate: float = 0.1
    temperature: float = 1.0

    def __post_init__(self) -> None:
        for name in ("learning_rate", "temperature"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name}: expected a number above 0, got {getattr(self, name)}")


def ascend(
    problem: Problem,
    codes: np.ndarray,
    of: np.ndarray,
    how: Gradient,
    generators: Sequence[np.random.Generator],
    *,
    steps: int,
    advance: Callable[[], object] = lambda: None,
) -> list[Found]:
    """A search by gradients from each start; arguments as of `design_genetic.evolve`.

    An evaluation is the expression of a sequence; one with a gradient counts once.

    Raises:
        ImportError: TensorFlow is not installed.
    """
    bests = [Best(1) for _ in codes]
    expression = problem.expression(codes)
    for row, best in enumerate(bests):
        value = expression[row : row + 1]
        best.add(codes[row : row + 1], value, problem.score(value), 1)
    soft = _SoftSequences(problem, codes, of, how, generators)
    for _ in range(steps):
        drawn, expression = soft.step()
        hold = problem.rules.hold(drawn, of)
        for row, best in enumerate(bests):
            # An empty part counts the evaluation of a sequence that breaks a constraint.
            part = slice(row, row + bool(hold[row]))
            value = expression[part]
            best.add(drawn[part], value, problem.score(value), 1)
        advance()
    for row, wanted in enumerate(soft.rounded()):
        _go_towards(problem, codes[row], wanted, int(of[row]), bests[row])
    return _finished(problem, of, bests)


def _finished(problem: Problem, of: np.ndarray, bests: list[Best]) -> list[Found]:
    """What greedy steps make of the best sequences."""
    found = [best.found() for best in bests]
    last = climb(problem, np.concatenate([each.codes for each in found]), of)
    for best, each in zip(bests, last, strict=True):
        score = problem.score(each.expression)
        # What is known of the first step was computed before.
        best.add(each.codes, each.expression, score, each.steps[-1].evaluations - 1)
    return [best.found() for best in bests]


def _go_towards(
    problem: Problem, start: np.ndarray, wanted: np.ndarray, of: int, best: Best
) -> None:
    """Changes the bases of a start to wanted ones, always the best that the constraints admit."""
    codes, places = start, np.flatnonzero(start != wanted)
    while len(places):
        children = np.tile(codes, (len(places), 1))
        children[np.arange(len(places)), places] = wanted[places]
        hold = problem.rules.hold(children, np.full(len(children), of))
        if not hold.any():
            return
        children, places_left = children[hold], places[hold]
        expression = problem.expression(children)
        score = problem.score(expression)
        best.add(children, expression, score, len(children))
        chosen = int(score.argmax())
        codes = children[chosen]
        places = places[places != places_left[chosen]]


class _SoftSequences:
    """Logits of the starts, and Adam for them, in TensorFlow."""

    def __init__(
        self,
        problem: Problem,
        codes: np.ndarray,
        of: np.ndarray,
        how: Gradient,
        generators: Sequence[np.random.Generator],
    ) -> None:
        import tensorflow as tf

        self._codes, self._generators = codes, generators
        self._variable = ~problem.rules.protected[of] & (codes != UNKNOWN)
        self._fixed = (codes[:, :, np.newaxis] == np.arange(4)).astype(np.float32)
        noise = np.stack([each.normal(0, _NOISE, (*codes.shape[1:], 4)) for each in generators])
        self._logits = tf.Variable((self._fixed + noise).astype(np.float32))
        # Scale and shift of each base, as in the normalization of layers.
        self._scale = tf.Variable(np.ones((len(codes), 1, 4), np.float32))
        self._shift = tf.Variable(np.zeros((len(codes), 1, 4), np.float32))
        self._moments: list[Any] = [
            (tf.Variable(tf.zeros_like(each)), tf.Variable(tf.zeros_like(each)))
            for each in self._variables
        ]
        self._count = tf.Variable(0.0)
        self._step = tf.function(self._make_step(problem, how))

    @property
    def _variables(self) -> list[Any]:
        return [self._logits, self._scale, self._shift]

    def step(self) -> tuple[np.ndarray, np.ndarray]:
        """Draws a sequence for each start, and changes the logits.

        Returns:
            (the sequences, uint8 [N, L]; their expression, float64 [N]).
        """
        # The largest logit after Gumbel noise is a draw from the softmax.
        noise = np.stack([each.gumbel(size=self._fixed.shape[1:]) for each in self._generators])
        drawn, expression = self._step(noise.astype(np.float32))
        codes = np.where(self._variable, drawn.numpy().astype(np.uint8), self._codes)
        return codes, expression.numpy().astype(np.float64)

    def rounded(self) -> np.ndarray:
        """The most probable sequences, uint8 [N, L]."""
        likely = self._normalized().numpy().argmax(axis=2).astype(np.uint8)
        return np.where(self._variable, likely, self._codes)

    def _normalized(self) -> Any:
        import tensorflow as tf

        counted = self._variable[:, :, np.newaxis].astype(np.float32)
        count = counted.sum(axis=1, keepdims=True)
        mean = tf.reduce_sum(counted * self._logits, axis=1, keepdims=True) / count
        centred = self._logits - mean
        variance = tf.reduce_sum(counted * centred**2, axis=1, keepdims=True) / count
        return self._scale * centred * tf.math.rsqrt(variance + 1e-6) + self._shift

    def _make_step(self, problem: Problem, how: Gradient) -> Callable[[Any], tuple[Any, Any]]:
        import tensorflow as tf

        from cisreg.model import predict

        model = problem.model
        variable = tf.constant(self._variable[:, :, np.newaxis])
        parameters = {name: tf.constant(each) for name, each in model.parameters.items()}

        def step(noise: Any) -> tuple[Any, Any]:
            with tf.GradientTape() as tape:
                logits = self._normalized() / how.temperature
                drawn = tf.argmax(logits + noise, axis=2)
                soft = tf.nn.softmax(logits)
                # The value is the drawn sequence, the gradient that of the softmax.
                passed = tf.one_hot(drawn, 4) + soft - tf.stop_gradient(soft)
                sequence = tf.where(variable, passed, self._fixed)
                expression = predict(
                    *(model.spec, parameters, sequence),
                    column_range=model.column_range,
                    implementation="standard",
                ).expression
                loss = tf.reduce_sum(_loss(problem, expression))
            gradients = tape.gradient(loss, self._variables)
            self._adam(gradients, how.learning_rate)
            return drawn, expression

        return step

    def _adam(self, gradients: list[Any], learning_rate: float) -> None:
        import tensorflow as tf

        self._count.assign_add(1.0)
        for each, gradient, (mean, square) in zip(
            self._variables, gradients, self._moments, strict=True
        ):
            mean.assign(0.9 * mean + 0.1 * gradient)
            square.assign(0.999 * square + 0.001 * gradient**2)
            corrected = mean / (1 - 0.9**self._count)
            root = tf.sqrt(square / (1 - 0.999**self._count))
            # Where a gradient has always been 0, nothing changes.
            each.assign_sub(learning_rate * tf.math.divide_no_nan(corrected, root))


def _loss(problem: Problem, expression: Any) -> Any:
    if problem.target == "max":
        return -expression
    if problem.target == "min":
        return expression
    return (expression - float(problem.target)) ** 2
