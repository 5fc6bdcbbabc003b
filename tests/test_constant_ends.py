"""Models of sequences with constant ends: which sites count, in layers and in predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from test_model import SIZES, SPECS, expected_expression, label, random_parameters

from cisreg.model import ModelSpec, predict, strand_binding
from cisreg.reference import site_occupancy_standard

# First column of each motif, and the column after its last.
COLUMNS = np.array([[0, 1, 2], [4, 3, 3]], np.int32)
LEFT, RIGHT = 3, 2
SEQUENCES = [
    [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3],
    [2, 2, 1, 0, 3, 3, 1, 0, 2, 1],
    [3, 1, 0, 0, 2, 1],
    [1, 0, 3, 2],  # shorter than its ends
    [0, 4, 1, 4, 2, 3, 3, 1],  # unknown bases that are not padding
]
ENDS = [spec for spec in SPECS if spec.stranded == spec.positional]


def rows(side):
    codes = np.full((len(SEQUENCES), 12), 4, np.uint8)
    for row, bases in zip(codes, SEQUENCES, strict=True):
        row[slice(12 - len(bases), None) if side == "left" else slice(len(bases))] = bases
    return codes


def held(parameters):
    """Motifs that are zero outside their own columns."""
    column = np.arange(SIZES["motif_width"])[:, None, None]
    inside = (column >= COLUMNS[0]) & (column < COLUMNS[1])
    return {**parameters, "log_kd": np.where(inside, parameters["log_kd"], 0).astype(np.float32)}


def counted(spec, side, left, right):
    """Which sites count, checked window by window and column by column, [N, 2, P, M]."""
    width = spec.motif_width
    shape = (len(SEQUENCES), 2, spec.window_count, spec.motif_count)
    counts = np.zeros(shape, bool)
    for n, bases in enumerate(SEQUENCES):
        first = 12 - len(bases) if side == "left" else 0
        # Without constant bases at an end, all counts up to the border of the row, also padding.
        begin = first + left if left else 0
        end = first + len(bases) - right if right else 12
        for strand, window, m in np.ndindex(shape[1:]):
            start = window - (width - 1) // 2 if spec.padding == "same" else window
            own = range(COLUMNS[0, m], COLUMNS[1, m])
            places = {start + (width - 1 - column if strand else column) for column in own}
            counts[n, strand, window, m] = any(begin <= place < end for place in places)
    return counts


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("left", "right"), [(LEFT, RIGHT), (LEFT, 0), (0, RIGHT)])
@pytest.mark.parametrize("spec", ENDS, ids=label)
def test_sites_wholly_inside_constant_ends_do_not_count(spec, left, right, side):
    spec = replace(spec, constant_left=left, constant_right=right)
    parameters, codes = held(random_parameters(spec)), rows(side)
    prediction = predict(spec, parameters, codes, column_range=COLUMNS, implementation="standard")
    sites = site_occupancy_standard(
        codes, parameters["log_kd"], parameters["log_concentration"], padding=spec.padding
    )
    sites = np.where(counted(spec, side, left, right), sites.numpy().astype(float), 0.0)
    expected = [expected_expression(spec, parameters, site) for site in sites]
    expression, accessibility = map(np.array, zip(*expected, strict=True))
    np.testing.assert_allclose(prediction.expression, expression, rtol=1e-4, atol=1e-5)
    if spec.potentiation:
        np.testing.assert_allclose(prediction.accessibility, accessibility, rtol=1e-5)
    bound = strand_binding(
        *(spec, parameters, codes), column_range=COLUMNS, implementation="standard"
    )
    if spec.binding == "expected":
        per_strand = sites.sum(axis=2) * np.reshape(accessibility, (-1, 1, 1))
        np.testing.assert_allclose(bound, per_strand, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("spec", [ENDS[0], ENDS[-1]], ids=label)
def test_the_fused_operation_gives_the_same(spec):
    spec = replace(spec, constant_left=LEFT, constant_right=RIGHT)
    parameters = held(random_parameters(spec))
    fused, standard = (
        predict(spec, parameters, rows("left"), column_range=COLUMNS, implementation=kind)
        for kind in ("fused", "standard")
    )
    np.testing.assert_allclose(fused.expression, standard.expression, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_trimmed_ends_do_not_matter(side):
    spec = ModelSpec(**SIZES, constant_left=LEFT, constant_right=RIGHT, constant_ends="trim")
    parameters, codes = held(random_parameters(spec)), rows(side)
    other = codes.copy()
    for row, bases in zip(other, SEQUENCES, strict=True):
        first = 12 - len(bases) if side == "left" else 0
        row[first : first + min(LEFT, len(bases))] = 1
        row[first + max(len(bases) - RIGHT, 0) : first + len(bases)] = 2
    same, context = (
        [
            predict(each, parameters, sequence, column_range=COLUMNS, implementation="standard")
            for sequence in (codes, other)
        ]
        for each in (spec, replace(spec, constant_ends="context"))
    )
    np.testing.assert_array_equal(same[0].expression, same[1].expression)
    assert (np.abs(context[0].expression - context[1].expression) > 1e-4).any()
    # The remaining sites give the same as sequences without these bases.
    trimmed = np.where(other != codes, 4, codes)
    for row, bases in zip(trimmed, SEQUENCES, strict=True):
        first = 12 - len(bases) if side == "left" else 0
        row[first : first + min(LEFT, len(bases))] = 4
        row[first + max(len(bases) - RIGHT, 0) : first + len(bases)] = 4
    sites = site_occupancy_standard(
        trimmed, parameters["log_kd"], parameters["log_concentration"]
    ).numpy()
    sites = np.where(counted(spec, side, LEFT, RIGHT), sites, 0.0)
    expected = [expected_expression(spec, parameters, site)[0] for site in sites]
    np.testing.assert_allclose(same[0].expression, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("how", ["context", "trim"])
def test_soft_sequences_are_treated_alike(how):
    spec = ModelSpec(**SIZES, constant_left=LEFT, constant_right=RIGHT, constant_ends=how)
    parameters, codes = random_parameters(spec), rows("left")
    soft = tf.one_hot(codes, 4)
    hard, weighted = (
        predict(spec, parameters, each, implementation="standard").expression
        for each in (codes, soft)
    )
    np.testing.assert_allclose(weighted, hard, rtol=1e-5)


def test_kept_ends_are_bases_like_any_other():
    spec = ModelSpec(**SIZES)
    kept = replace(spec, constant_left=LEFT, constant_right=RIGHT, constant_ends="keep")
    parameters, codes = random_parameters(spec), rows("left")
    first, second = (
        predict(each, parameters, codes, implementation="standard") for each in (spec, kept)
    )
    np.testing.assert_array_equal(first.expression, second.expression)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"constant_left": -1}, "constant_left: expected 0 or more bases, got -1"),
        ({"constant_right": 2.5}, "constant_right: expected 0 or more bases, got 2.5"),
        ({"constant_right": True}, "constant_right: expected 0 or more bases, got True"),
        ({"constant_left": 7, "constant_right": 5}, "fewer bases together than the 12 of"),
        ({"constant_ends": "cut"}, "constant_ends: expected one of 'context', 'trim', 'keep'"),
    ],
)
def test_ends_that_make_no_model_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        ModelSpec(**SIZES, **change)
    assert ModelSpec.from_dict(ModelSpec(**SIZES, constant_left=3).to_dict()).constant_left == 3
