"""Designs by gradients of a soft sequence, which TensorFlow computes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import interpret_models
import numpy as np
import pytest
import tensorflow as tf

from cisreg.interpret import Constraints, Gradient, design
from cisreg.interpret.design_constraints import make_rules
from cisreg.interpret.design_gradient import _SoftSequences
from cisreg.interpret.design_search import Problem
from cisreg.model import predict

_HERE = importlib.util.spec_from_file_location(
    "of_designs", Path(__file__).with_name("test_design.py")
)
of_designs = importlib.util.module_from_spec(_HERE)
_HERE.loader.exec_module(of_designs)


# Gradients are local: among 10 starts one comes close to the best of all sequences.
@pytest.mark.parametrize("target", ["max", 0.25])
def test_the_best_of_all_sequences_is_nearly_found(target):
    model = of_designs.tiny_model(0)
    gap = of_designs.gap_to_the_best(model, target, start=10, method="gradient", steps=40)
    assert gap <= 0.01


def test_constraints_hold_and_seeds_repeat():
    model = interpret_models.make_model(seed=2, constant_left=3, constant_right=2)
    starts = ["ACGTTACCATGACCATTAGCATAC", "TTGACCATTGACCATGACCATAGA"]
    limits = Constraints(gc=(0.3, 0.5), forbid=["GGTCTC", "CGCG"], longest_run=3, changes=6)
    options = {"method": "gradient", "constraints": limits, "steps": 12, "seed": 3}
    found = design(model, starts, "max", **options, threads=1)
    assert (found.expression > found.start_expression).all()
    assert (found.change_count <= 6).all()
    for text, start in zip(found.sequence, starts, strict=True):
        assert (text[:3], text[-2:]) == (start[:3], start[-2:])
        assert 0.3 <= of_designs.share_of_gc(text[3:-2]) <= 0.5
        assert of_designs.longest_run(text) <= 3
        assert not any(word in text for word in ("GGTCTC", "GAGACC", "CGCG"))
    assert design(model, starts, "max", **options, threads=2).sequence == found.sequence


def test_several_searches_of_one_start_are_distinct_and_the_best_comes_first():
    model = interpret_models.make_model(seed=1)
    found = design(model, 1, "min", method="gradient", count=3, steps=4)
    assert 1 < len(set(found.sequence)) == len(found)
    assert (np.diff(found.expression) >= 0).all()


def test_a_step_goes_along_the_gradient_of_the_drawn_sequence():
    """The first step of Adam has the size of the learning rate, in the gradient's direction."""
    model = interpret_models.make_model(seed=3)
    codes = interpret_models.make_codes(1, unknown=False)
    rules = make_rules(model, Constraints(), codes, np.zeros(codes.shape, bool))
    problem = Problem(model, "max", rules)
    how = Gradient(learning_rate=0.05, temperature=0.5)
    soft = _SoftSequences(problem, codes, np.array([0]), how, [np.random.default_rng(0)])
    logits = soft._logits.numpy()
    drawn, expression = soft.step()
    exact = predict(model.spec, model.parameters, drawn, column_range=model.column_range).expression
    assert np.allclose(expression, exact, rtol=1e-5)
    # The softmax's slope times that of the one-hot sequence, and back through the normalization.
    one_hot = tf.Variable(np.eye(4, dtype=np.float32)[drawn])
    with tf.GradientTape() as tape:
        value = predict(
            *(model.spec, model.parameters, one_hot),
            column_range=model.column_range,
            implementation="standard",
        ).expression
    slope = tape.gradient(value, one_hot).numpy()[0].astype(np.float64)
    uphill = numeric_slope(logits[0].astype(np.float64), slope, how.temperature)
    moved = soft._logits.numpy()[0] - logits[0]
    clear = np.abs(uphill) > 1e-3 * np.abs(uphill).max()
    assert np.allclose(moved[clear], 0.05 * np.sign(uphill[clear]), rtol=1e-3)


def numeric_slope(logits, slope, temperature):
    """The derivative of sum(slope * softmax(normalized logits / temperature)) by differences."""

    def value(each):
        centred = each - each.mean(axis=0)
        normalized = centred / np.sqrt((centred**2).mean(axis=0) + 1e-6) / temperature
        odds = np.exp(normalized - normalized.max(axis=1, keepdims=True))
        return (slope * odds / odds.sum(axis=1, keepdims=True)).sum()

    result = np.empty_like(logits)
    for place in np.ndindex(*logits.shape):
        step = np.zeros_like(logits)
        step[place] = 1e-5
        result[place] = (value(logits + step) - value(logits - step)) / 2e-5
    return result


@pytest.mark.parametrize("kind", ["trim", "context, limits of sites", "valid", "no potentiation"])
def test_what_is_drawn_has_the_expression_of_the_model(kind):
    model = interpret_models.make_model(seed=1, **interpret_models.KINDS[kind])
    codes = interpret_models.make_codes(3)
    rules = make_rules(model, Constraints(), codes, np.zeros(codes.shape, bool))
    problem = Problem(model, 1.0, rules)
    random = [np.random.default_rng(each) for each in range(3)]
    soft = _SoftSequences(problem, codes, np.arange(3), Gradient(), random)
    for _ in range(2):
        drawn, expression = soft.step()
        assert np.allclose(expression, problem.expression(drawn), rtol=1e-4, atol=1e-4)
        # Padding and unknown bases stay.
        assert np.array_equal(drawn == 4, codes == 4)
    assert (drawn != codes).any()
