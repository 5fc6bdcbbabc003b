"""Lengths of rows: a padded batch equals its rows one by one. Motifs without a concentration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example as also
from hypothesis import given
from hypothesis import strategies as st
from test_occupancy import example, random_range, random_upstream, relative_error

from cisreg import _native
from cisreg.library import load_ops
from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient
from cisreg.spec import window_count

NAMES = ("log_kd", "log_concentration", "position_weight")
# (sequences, length, width, motifs): widths next to multiples of three columns and wider than the
# sequence, motif counts next to multiples of eight, rows of several segments and tiles.
SHAPES = [
    (3, 1, 1, 1),
    (4, 1, 6, 2),
    (9, 23, 1, 9),
    (8, 29, 7, 17),
    (9, 37, 30, 8),
    (5, 13, 30, 9),
    (140, 11, 4, 3),
    (6, 600, 31, 3),
    (40, 130, 9, 9),
]


def lengths_of(shape):
    """One length for each row: 0, 1, all, next to the width, and random ones."""
    count, length, width = shape[:3]
    odd = np.array([length, 0, 1, width - 1, width, width + 1, length // 2, length])
    random = np.random.default_rng(7).integers(0, length + 1, count)
    return np.where(np.arange(count) < len(odd), np.resize(odd, count), random).clip(0, length)


def spans_of(shape):
    count, length = shape[:2]
    by_row = np.random.default_rng(3).integers(0, length + 1, (count, 2))
    shared = [(0, length), (length // 3, max(length - length // 5, 1))]
    return [None, *(np.array(span, np.int32) for span in [*shared, by_row])]


CASES = [
    (shape, padding, held, span)
    for shape in SHAPES
    for padding in ("same", "valid")
    if padding == "same" or shape[1] >= shape[2]
    for held in (None, random_range(shape[2], shape[3]))
    for span in spans_of(shape)
]


def span_of(span, row):
    return span if span is None or span.ndim == 1 else span[row]


def row_alone(arguments, row, length, span, padding):
    """Arguments of one row without its padding; None if it has no windows that may be asked for."""
    width = len(arguments["log_kd"])
    if padding == "valid" and length < width:
        return None
    alone = dict(arguments, sequence=arguments["sequence"][row : row + 1, :length])
    if arguments.get("position_weight") is not None:
        windows = window_count(length, width, padding)
        alone["position_weight"] = arguments["position_weight"][:, :windows]
    if span is not None:
        alone["span"] = np.minimum(span_of(span, row), length)
    return alone


def whole(gradient, shape):
    """A gradient of position weights with zeros for the windows that the row does not have."""
    return np.pad(gradient, [(0, to - own) for own, to in zip(gradient.shape, shape, strict=True)])


@pytest.mark.parametrize("reduction", ["expected", "log_unbound", "probability"])
def test_the_oracle_is_its_rows_one_by_one(reduction):
    for shape, padding, held, span in CASES:
        if shape[1] > 40 or shape[0] > 10 or held is None:
            continue
        arguments = example(shape, padding)
        options = {"column_range": held, "reduction": reduction, "padding": padding}
        lengths = lengths_of(shape)
        batch = options | {"span": span, "length": lengths}
        bound, weighted = occupancy_oracle(**arguments, **batch)
        upstream = random_upstream((bound, weighted))
        gradient = occupancy_oracle_gradient(
            **arguments, **batch, grad_bound=upstream[0], grad_weighted=upstream[1]
        )
        total = dict.fromkeys(gradient, 0.0)
        for row, length in enumerate(lengths):
            alone = row_alone(arguments, row, length, span, padding)
            if alone is None:
                assert not bound[row].any() and not weighted[row].any()
                continue
            sums = occupancy_oracle(**alone, **options)
            np.testing.assert_allclose(bound[row], sums[0][0], rtol=1e-12)
            np.testing.assert_allclose(weighted[row], sums[1][0], rtol=1e-12, atol=1e-12)
            of_row = occupancy_oracle_gradient(
                **alone,
                **options,
                grad_bound=upstream[0][row : row + 1],
                grad_weighted=upstream[1][row : row + 1],
            )
            for name, value in of_row.items():
                total[name] = total[name] + whole(value, gradient[name].shape)
        for name, value in gradient.items():
            np.testing.assert_allclose(value, total[name], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("reduction", ["expected", "log_unbound"])
@pytest.mark.parametrize("strength", [0, 45], ids=["products", "logarithms"])
def test_kernels_against_oracle(reduction, strength):
    """All instruction sets; sums and gradients of position weights that are 0 are exactly 0."""
    for shape, padding, held, span in CASES:
        arguments = example(shape, padding)
        arguments["log_concentration"] = arguments["log_concentration"] + np.float32(strength)
        options = {"reduction": reduction, "padding": padding, "column_range": held}
        options |= {"span": span, "length": lengths_of(shape)}
        expected = occupancy_oracle(**arguments, **options)
        upstream = random_upstream(expected)
        expected_gradient = occupancy_oracle_gradient(
            **arguments, **options, grad_bound=upstream[0], grad_weighted=upstream[1]
        )
        for instruction_set in _native.instruction_sets():
            case = (shape, padding, held, span, instruction_set)
            native = options | {"instruction_set": instruction_set}
            outputs = _native.occupancy_forward(*arguments.values(), **native)
            for found, value in zip(outputs, expected, strict=True):
                assert relative_error(found, value) <= 3e-6, case
                assert not found[value == 0].any(), case
            gradients = _native.occupancy_backward(*arguments.values(), *upstream, **native)
            for name, found in zip(NAMES, gradients, strict=True):
                value = expected_gradient[name]
                assert relative_error(found, value) <= (3e-5 if strength else 1e-5), (case, name)
            assert not gradients[2][expected_gradient["position_weight"] == 0].any(), case


def check_rows(arguments, lengths, span, **options):
    """Rows of a padded batch are the rows alone: to the bit; of a batch of one, gradients too."""
    names = ("sequence", *NAMES)
    padding = options["padding"]
    together = _native.occupancy_forward(
        *map(arguments.get, names), span=span, length=lengths, **options
    )
    for row, length in enumerate(lengths):
        alone = row_alone(arguments, row, length, span, padding)
        padded = dict(arguments, sequence=arguments["sequence"][row : row + 1])
        upstream = random_upstream([sums if sums is None else sums[:1] for sums in together])
        keys = ("sequence", *NAMES)
        gradient = _native.occupancy_backward(
            *map(padded.get, keys),
            *upstream,
            span=span_of(span, row),
            length=lengths[row : row + 1],
            **options,
        )
        if alone is None:
            assert not any(sums[row].any() for sums in together if sums is not None)
            assert not any(each.any() for each in gradient if each is not None)
            continue
        inputs = [*map(alone.get, keys)]
        sums = _native.occupancy_forward(*inputs, span=alone.get("span"), **options)
        of_row = _native.occupancy_backward(*inputs, *upstream, span=alone.get("span"), **options)
        for batch, one in zip(together, sums, strict=True):
            if one is not None:
                np.testing.assert_array_equal(batch[row], one[0])
        for batch, one in zip(gradient, of_row, strict=True):
            if one is not None:
                np.testing.assert_array_equal(batch, whole(one, batch.shape))


@pytest.mark.parametrize("instruction_set", ["portable", "avx2", "avx512"])
def test_a_padded_batch_is_its_rows_to_the_bit(instruction_set):
    if instruction_set not in _native.instruction_sets():
        pytest.skip(f"this processor has no {instruction_set} instructions")
    for number, (shape, padding, held, span) in enumerate(CASES):
        if shape[0] > 50:
            continue
        arguments = example(shape, padding)
        if number % 3 == 0:
            arguments["position_weight"] = None
        reduction = ("expected", "log_unbound")[number % 2]
        check_rows(
            arguments,
            lengths_of(shape),
            span,
            column_range=held,
            reduction=reduction,
            padding=padding,
            instruction_set=instruction_set,
        )


@st.composite
def batches(draw):
    """Shapes of batches with a length and a span for each row, from one draw to the next."""
    width = draw(st.integers(1, 40))
    padding = draw(st.sampled_from(["same", "valid"]))
    length = draw(st.integers(width if padding == "valid" else 1, 90))
    count = draw(st.integers(1, 6))
    base = st.integers(0, length)
    lengths = draw(st.lists(base, min_size=count, max_size=count))
    spans = draw(st.none() | st.tuples(base, base) | st.just("rows"))
    if spans == "rows":
        spans = draw(st.lists(st.tuples(base, base), min_size=count, max_size=count))
    return (count, length, width, draw(st.integers(1, 18))), padding, lengths, spans


@given(batches(), st.integers(0, 1000), st.booleans(), st.sampled_from([0, 45, -50]))
@also(((2, 30, 7, 3), "valid", [6, 7], None), 0, True, 0)
@also(((3, 4, 9, 3), "same", [0, 4, 1], (3, 4)), 0, False, 45)
def test_any_padded_batch_is_its_rows(batch, seed, weighted, strength):
    shape, padding, lengths, span = batch
    arguments = example(shape, padding, seed=seed)
    arguments["log_concentration"] += np.float32(strength)
    arguments["sequence"] = np.random.default_rng(seed).integers(0, 5, shape[:2]).astype(np.uint8)
    if not weighted:
        arguments["position_weight"] = None
    check_rows(
        arguments,
        np.array(lengths),
        None if span is None else np.array(span),
        column_range=random_range(*shape[2:]) if seed % 2 else None,
        reduction=("expected", "log_unbound")[seed // 2 % 2],
        padding=padding,
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("span", [None, (5, 40)])
def test_codes_behind_a_sequence_have_no_effect(weighted, span):
    shape = (9, 47, 6, 5)
    arguments = list(example(shape).values())
    arguments[3] = arguments[3] if weighted else None
    lengths = np.arange(9) * 5
    behind = np.arange(47) >= lengths[:, None]
    upstream = random_upstream([np.empty((9, 2, 5)), np.empty((9, 2, 5)) if weighted else None])
    options = {"span": span and np.array(span), "length": lengths}
    results = []
    for code in range(5):
        arguments[0] = np.where(behind, code, arguments[0]).astype(np.uint8)
        outputs = _native.occupancy_forward(*arguments, **options)
        results.append((*outputs, *_native.occupancy_backward(*arguments, *upstream, **options)))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("shape", [(300, 60, 9, 40), (90, 900, 5, 9), (700, 40, 6, 3)])
def test_same_bits_for_every_thread_count(shape):
    """Short rows together: slices of sequences that have as many windows differ in their number."""
    arguments = list(example(shape).values())
    upstream = random_upstream([np.empty((shape[0], 2, shape[3]))] * 2)
    for length in (lengths_of(shape), np.sort(lengths_of(shape)), np.zeros(shape[0])):
        results = []
        for threads in (1, 2, 7):
            options = {"threads": threads, "length": length}
            outputs = _native.occupancy_forward(*arguments, **options)
            results.append(
                (*outputs, *_native.occupancy_backward(*arguments, *upstream, **options))
            )
        for other in results[1:]:
            for one, two in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("span", [None, (3, 11), "rows"])
def test_lengths_of_all_bases_change_no_bit(span):
    shape = (300, 37, 6, 9)
    if span == "rows":
        span = spans_of(shape)[-1]
    arguments = list(example(shape).values())
    upstream = random_upstream([np.empty((300, 2, 9))] * 2)
    options = {"span": None if span is None else np.array(span)}
    results = []
    for length in (None, np.full(300, 37)):
        outputs = _native.occupancy_forward(*arguments, **options, length=length)
        gradients = _native.occupancy_backward(*arguments, *upstream, **options, length=length)
        results.append((*outputs, *gradients))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_row_without_windows_keeps_upstream_gradients_out():
    arguments = example((3, 20, 5, 3), "valid")
    options = {"length": np.array([20, 4, 0]), "padding": "valid"}
    upstream = [np.ones((3, 2, 3), np.float32), np.ones((3, 2, 3), np.float32)]
    expected = _native.occupancy_backward(*arguments.values(), *upstream, **options)
    for gradient in upstream:
        gradient[1:] = np.nan
    found = _native.occupancy_backward(*arguments.values(), *upstream, **options)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_thousands_of_rows_without_a_window():
    """More rows than a tile has room for windows, and a last row that has some."""
    arguments = example((5000, 9, 1, 3))
    length = np.zeros(5000)
    length[-1] = 9
    upstream = random_upstream([np.empty((5000, 2, 3))] * 2)
    expected = _native.occupancy_forward(*arguments.values())
    found = _native.occupancy_forward(*arguments.values(), length=length)
    for one, other in zip(found, expected, strict=True):
        assert not one[:-1].any()
        np.testing.assert_array_equal(one[-1], other[-1])
    last = [arguments["sequence"][-1:], *list(arguments.values())[1:]]
    of_last = _native.occupancy_backward(*last, *(each[-1:] for each in upstream))
    gradients = _native.occupancy_backward(*arguments.values(), *upstream, length=length)
    for one, other in zip(gradients, of_last, strict=True):
        np.testing.assert_array_equal(one, other)


def test_rows_without_a_window_behind_a_full_tile():
    """Where a tile of 2048 rows is full, nothing of it belongs to the rows without a window.

    Motifs that begin far inside the width: their gradients lie as far behind a window's first row.
    """
    # Each row takes 29 more than it has windows, as does the begin of a tile.
    full = [512, 512, 512, 2048 - 4 * 29 - 29 - 3 * 512]
    length = np.array([*full, 0, *full, 0, 0])
    arguments = example((len(length), 512, 30, 1))
    arguments["sequence"] %= 4
    upstream = random_upstream([np.empty((len(length), 2, 1))] * 2)
    options = {"column_range": np.array([[12], [18]], np.int32)}
    found = _native.occupancy_backward(*arguments.values(), *upstream, **options, length=length)
    some = length > 0
    arguments["sequence"] = arguments["sequence"][some]
    upstream = [each[some] for each in upstream]
    options["length"] = length[some]
    expected = _native.occupancy_backward(*arguments.values(), *upstream, **options)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


ABSENT = {"one": [3], "a whole block": range(9, 17), "most": [0, *range(2, 20)], "all": range(20)}


@pytest.mark.parametrize("instruction_set", ["portable", "avx2", "avx512"])
@pytest.mark.parametrize("reduction", ["expected", "log_unbound"])
@pytest.mark.parametrize("strength", [0, 70, -50], ids=["products", "logarithms", "weak"])
@pytest.mark.parametrize("absent", ABSENT)
def test_absent_factors_bind_nowhere(instruction_set, reduction, strength, absent):
    """Their sums and gradients are 0 whatever their energies and upstream; no other bit changes."""
    if instruction_set not in _native.instruction_sets():
        pytest.skip(f"this processor has no {instruction_set} instructions")
    shape = (6, 50, 7, 20)
    absent = list(ABSENT[absent])
    others = np.setdiff1d(np.arange(20), absent)
    arguments = example(shape)
    arguments["log_concentration"] += np.float32(strength)
    options = {"reduction": reduction, "instruction_set": instruction_set}
    upstream = random_upstream([np.empty((6, 2, 20))] * 2)
    held, span, length = random_range(7, 20), np.array([9, 30]), np.array([50, 0, 12, 31, 6, 50])
    for more in ({}, {"length": length}, {"span": span, "column_range": held, "length": length}):
        options |= more
        present = _native.occupancy_forward(*arguments.values(), **options)
        present_gradient = _native.occupancy_backward(*arguments.values(), *upstream, **options)
        expected = occupancy_oracle(**with_absent(arguments, absent), reduction=reduction, **more)
        for extreme in (0, 3e38, -3e38):
            changed = with_absent(arguments, absent)
            if extreme:
                changed["log_kd"][:, 1, absent] = extreme
                changed["log_kd"][2, :, absent] = -extreme
            sums = _native.occupancy_forward(*changed.values(), **options)
            for found, before, value in zip(sums, present, expected, strict=True):
                assert not found[..., absent].any()
                np.testing.assert_array_equal(found[..., others], before[..., others])
                assert relative_error(found, value) <= 3e-6
            for odd in (0, np.inf, np.nan):
                bad = [gradient.copy() for gradient in upstream]
                for gradient in bad:
                    gradient[..., absent] += np.float32(odd)
                gradients = _native.occupancy_backward(*changed.values(), *bad, **options)
                for found, before in zip(gradients, present_gradient, strict=True):
                    assert not found[..., absent].any()
                    np.testing.assert_array_equal(found[..., others], before[..., others])


def with_absent(arguments, absent):
    """A copy in which these motifs have no concentration."""
    changed = {name: value.copy() for name, value in arguments.items()}
    changed["log_concentration"][absent] = -np.inf
    return changed


def of_operation(arguments, upstream, *, padding="same", reduction="expected", **lists):
    """Outputs and gradients of the operation itself; `lists` are its optional inputs."""
    names = ("position_weight", "column_range", "span", "length", "condition")
    inputs = {name: [] if lists.get(name) is None else [lists[name]] for name in names}
    first = {name: arguments[name] for name in ("sequence", "log_kd", "log_concentration")}
    options = {"padding": padding, "reduction": reduction}
    outputs = load_ops().cisreg_occupancy(**first, **inputs, **options)
    gradients = load_ops().cisreg_occupancy_grad(
        **first,
        **inputs,
        bound_gradient=upstream[0],
        weighted_gradient=upstream[1:],
        **options,
    )
    return outputs, gradients


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("spanned", [False, True])
def test_the_operation_has_the_bits_of_the_kernels(padding, spanned):
    shape = (9, 37, 8, 11)
    arguments = example(shape, padding)
    arguments["log_concentration"][4] = -np.inf
    upstream = random_upstream([np.empty((9, 2, 11))] * 2)
    lists = {"column_range": random_range(8, 11), "length": lengths_of(shape).astype(np.int32)}
    lists["span"] = spans_of(shape)[-1].astype(np.int32) if spanned else None
    weight = arguments["position_weight"]
    outputs, gradients = of_operation(
        arguments, upstream, padding=padding, position_weight=weight, **lists
    )
    expected = _native.occupancy_forward(*arguments.values(), padding=padding, **lists)
    of_kernels = _native.occupancy_backward(
        *arguments.values(), *upstream, padding=padding, **lists
    )
    for found, value in zip(tf.nest.flatten(outputs), expected, strict=True):
        np.testing.assert_array_equal(found, value)
    for found, value in zip(tf.nest.flatten(gradients), of_kernels, strict=True):
        np.testing.assert_array_equal(found, value)


@pytest.mark.parametrize(
    ("length", "message"),
    [
        ([7, -1], "length: expected 0 to L = 7 bases for each sequence, got -1 for sequence 1"),
        ([8, 7], "length: .* got 8 for sequence 0; count the bases before the padding"),
        ([7], r"length: expected shape \[N\] = \[2\], got \[1\]"),
        ([[7, 7]], r"length: expected shape \[N\] = \[2\], got \[1,2\]"),
        (7, r"length: expected shape \[N\] = \[2\], got \[\]"),
    ],
)
def test_the_operation_refuses_lengths(length, message):
    arguments = example((2, 7, 3, 2))
    upstream = [np.zeros((2, 2, 2), np.float32)]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        of_operation(arguments, upstream, length=np.array(length, np.int32))
    ops = load_ops()
    first = {name: arguments[name] for name in ("sequence", "log_kd", "log_concentration")}
    lists = {"position_weight": [], "column_range": [], "span": [], "length": [length]}
    lists["condition"] = []
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ops.cisreg_occupancy_grad(
            **first, **lists, bound_gradient=upstream[0], weighted_gradient=[]
        )
    with pytest.raises(ValueError, match=message):
        _native.occupancy_forward(*arguments.values(), length=np.array(length))


def test_more_than_one_list_of_lengths_is_refused():
    arguments = example((2, 7, 3, 2))
    arguments["position_weight"], lists = [], {"column_range": [], "span": [], "condition": []}
    with pytest.raises(tf.errors.InvalidArgumentError, match="length: expected at most one tensor"):
        load_ops().cisreg_occupancy(**arguments, **lists, length=[[7, 7], [7, 7]])


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_other_numbers_are_no_concentrations(value):
    arguments = example((2, 7, 3, 2))
    arguments["log_concentration"][1] = value
    message = "log_concentration: expected finite numbers, or -inf where there is no factor, got"
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{message} {value} at flat index 1"):
        of_operation(arguments, [np.zeros((2, 2, 2), np.float32)])


def test_no_sequences():
    arguments = example((0, 7, 3, 2))
    length, upstream = np.zeros(0, np.int32), [np.zeros((0, 2, 2), np.float32)]
    outputs, gradients = of_operation(arguments, upstream, length=length)
    assert outputs[0].shape == (0, 2, 2)
    assert not any(gradient.numpy().any() for gradient in gradients[:2])


def test_static_shapes():
    def shape_of(sequence, length):
        with tf.Graph().as_default():
            bound, _ = load_ops().cisreg_occupancy(
                sequence=tf.compat.v1.placeholder(tf.uint8, sequence),
                log_kd=tf.zeros([5, 4, 3]),
                log_concentration=tf.zeros([3]),
                position_weight=[],
                column_range=[],
                span=[],
                length=[tf.compat.v1.placeholder(tf.int32, length)],
                condition=[],
            )
        return bound.shape.as_list()

    assert shape_of([None, 20], [8]) == [8, 2, 3]
    assert shape_of([4, None], [None]) == [4, 2, 3]
    assert shape_of([4, 20], None) == [4, 2, 3]
    for sequence, length in itertools.product([[4, 20]], ([3], [4, 1], [])):
        with pytest.raises(ValueError):
            shape_of(sequence, length)
