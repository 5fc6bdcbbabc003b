"""Spans: a window counts only if one of the motif's own columns lies on a base of the span."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from test_occupancy import example, random_range, random_upstream, relative_error

from cisreg import _native
from cisreg.library import load_ops
from cisreg.occupancy import occupancy
from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient
from cisreg.spec import window_count

REDUCTIONS = ["expected", "probability", "log_unbound"]
# (sequences, length, width, motifs): widths next to multiples of three columns and wider than the
# sequence, motif counts next to multiples of eight, lengths of several segments.
SHAPES = [
    (1, 1, 1, 1),
    (3, 1, 6, 2),
    (2, 23, 1, 9),
    (3, 29, 7, 17),
    (2, 37, 30, 8),
    (5, 13, 30, 9),
    (130, 11, 4, 3),
    (2, 600, 31, 3),
    (1, 300, 280, 2),
]


def spans_of(shape):
    """Shared spans: empty, one base at the ends and in the middle, whole; and one for each row."""
    count, length = shape[:2]
    half = length // 2
    shared = [(0, 0), (half, half), (length, 0), (0, 1), (half, half + 1), (length - 1, length)]
    shared += [(0, length), (length // 3, max(length - length // 5, 1))]
    by_row = np.random.default_rng(3).integers(0, length + 1, (count, 2))
    return [np.array(span, np.int32) for span in [*shared, by_row]]


def ranges_of(shape):
    """No column range; ranges of any kind, some empty; one range for all motifs, at the left."""
    _, _, width, motifs = shape
    left = np.array([[0] * motifs, [(width + 1) // 2] * motifs], np.int32)
    return {"all": None, "random": random_range(width, motifs), "left": left}


CASES = [
    (shape, padding, name, span)
    for shape in SHAPES
    for padding in ("same", "valid")
    if padding == "same" or shape[1] >= shape[2]
    for name in ranges_of(shape)
    for span in spans_of(shape)
]


def check_numbers(arguments, outputs, gradient, upstream, **options):
    """Checks sums and gradients against the oracle; what is 0 there must be exactly 0."""
    expected = occupancy_oracle(**arguments, **options)
    for found, value in zip(outputs, expected, strict=True):
        assert (found is None) == (value is None)
        if value is not None:
            assert relative_error(found, value) <= 3e-6
            assert not np.asarray(found)[value == 0].any()
    expected_gradient = occupancy_oracle_gradient(
        **arguments, **options, grad_bound=upstream[0], grad_weighted=upstream[1]
    )
    for name, value in expected_gradient.items():
        assert relative_error(gradient[name], value) <= 1e-5, name
    for name in ("position_weight", "log_concentration"):
        if name in expected_gradient:
            gone = expected_gradient[name] == 0
            assert not np.asarray(gradient[name])[gone].any(), name


@pytest.mark.parametrize("reduction", ["expected", "log_unbound"])
@pytest.mark.parametrize("strength", [0, 45], ids=["products", "logarithms"])
def test_kernels_against_oracle(reduction, strength):
    """All instruction sets. Tables of strong motifs hold logarithms; different code masks them."""
    for shape, padding, name, span in CASES:
        if strength and shape[2] > 31:
            continue  # sums of hundreds of logarithms are less precise
        arguments = example(shape, padding)
        arguments["log_concentration"] = arguments["log_concentration"] + np.float32(strength)
        options = {"reduction": reduction, "padding": padding, "span": span}
        options["column_range"] = ranges_of(shape)[name]
        expected = occupancy_oracle(**arguments, **options)
        upstream = random_upstream(expected)
        expected_gradient = occupancy_oracle_gradient(
            **arguments, **options, grad_bound=upstream[0], grad_weighted=upstream[1]
        )
        for instruction_set in _native.instruction_sets():
            case = (shape, padding, name, span, instruction_set)
            native = {**options, "instruction_set": instruction_set}
            outputs = _native.occupancy_forward(*arguments.values(), **native)
            for found, value in zip(outputs, expected, strict=True):
                assert relative_error(found, value) <= 3e-6, case
                assert not found[value == 0].any(), case
            gradients = _native.occupancy_backward(*arguments.values(), *upstream, **native)
            names = ["log_kd", "log_concentration", "position_weight"]
            for which, found in zip(names, gradients, strict=True):
                value = expected_gradient[which]
                # As for strong motifs without a span, see test_native.py.
                assert relative_error(found, value) <= (3e-5 if strength else 1e-5), (case, which)
            assert not gradients[2][expected_gradient["position_weight"] == 0].any(), case


def value_and_gradient(arguments, upstream, **options):
    sequence = arguments["sequence"]
    trained = {k: tf.constant(v) for k, v in arguments.items() if k != "sequence"}
    with tf.GradientTape() as tape:
        tape.watch(trained)
        outputs = occupancy(sequence, **trained, **options)
        pairs = zip(outputs, upstream, strict=True)
        total = tf.add_n([tf.reduce_sum(x * weight) for x, weight in pairs if x is not None])
    return outputs, tape.gradient(total, trained)


@pytest.mark.parametrize("implementation", ["fused", "standard"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("held", [False, True], ids=["all-columns", "held"])
def test_operation_against_oracle(implementation, reduction, padding, held):
    shape = (3, 29, 8, 11)
    arguments = example(shape, padding)
    options = {"reduction": reduction, "padding": padding}
    options["column_range"] = random_range(8, 11) if held else None
    for span, weighted in itertools.product(spans_of(shape), (True, False)):
        own = dict(arguments) if weighted else arguments | {"position_weight": None}
        own = {name: value for name, value in own.items() if value is not None}
        options["span"] = span
        upstream = random_upstream(occupancy_oracle(**own, **options))
        found = value_and_gradient(own, upstream, implementation=implementation, **options)
        check_numbers(own, *found, upstream, **options)


def sites_by_hand(sequence, log_kd, log_concentration, column_range, span):
    """Occupancy of every window of one motif, 0 where it does not count, from the definition."""
    width, length = len(log_kd), len(sequence)
    first, end = column_range
    found = np.zeros((2, length))
    for window in range(length):
        positions = [window - (width - 1) // 2 + column for column in range(width)]
        for strand in (0, 1):
            logit, counts = float(log_concentration), False
            for column in range(first, end):
                # The reverse strand reads the window from its other end.
                position = positions[column if strand == 0 else width - 1 - column]
                if not 0 <= position < length:
                    continue
                counts |= span[0] <= position < span[1]
                base = sequence[position]
                if base < 4:
                    logit -= float(log_kd[column, base if strand == 0 else 3 - base])
            found[strand, window] = counts / (1 + np.exp(-logit))
    return found


@pytest.mark.parametrize("implementation", ["fused", "standard"])
@pytest.mark.parametrize("column_range", [(0, 6), (0, 2), (4, 6), (1, 4), (3, 3)])
@pytest.mark.parametrize("span", [(0, 11), (3, 4), (0, 2), (10, 11), (5, 9), (9, 5)])
def test_against_a_sum_by_hand(implementation, column_range, span):
    arguments = example((1, 11, 6, 1), seed=4)
    site = sites_by_hand(
        arguments["sequence"][0],
        arguments["log_kd"][:, :, 0],
        arguments["log_concentration"][0],
        column_range,
        span,
    )
    outputs = occupancy(
        **arguments,
        column_range=np.array(column_range, np.int32)[:, None],
        span=span,
        implementation=implementation,
    )
    weight = arguments["position_weight"][:, :, 0]
    np.testing.assert_allclose(outputs.bound[0, :, 0], site.sum(axis=1), rtol=1e-6)
    weighted = (weight * site).sum(axis=1)
    np.testing.assert_allclose(outputs.weighted[0, :, 0], weighted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("column_range", [None, np.array([[0, 5, 2], [7, 9, 3]], np.int32)])
def test_a_shared_span_is_a_weight_of_0_and_1(column_range):
    """The sum over a span equals the weighted sum with weight 1 where windows count, else 0.

    Whether a window counts is taken from the gradient of its position weight: above 0 if it does.
    """
    arguments = example((4, 40, 9, 3))
    arguments["position_weight"] = tf.ones_like(arguments["position_weight"])
    options = {"column_range": column_range, "implementation": "fused"}
    with tf.GradientTape() as tape:
        tape.watch(arguments["position_weight"])
        spanned = occupancy(**arguments, **options, span=(11, 18))
        total = tf.reduce_sum(spanned.weighted)
    counts = tape.gradient(total, arguments["position_weight"]) > 0
    assert 0 < np.count_nonzero(counts) < counts.numpy().size
    arguments["position_weight"] = tf.cast(counts, tf.float32)
    weighted = occupancy(**arguments, **options).weighted
    np.testing.assert_allclose(spanned.bound, weighted, rtol=1e-5)
    np.testing.assert_allclose(spanned.weighted, weighted, rtol=1e-5)


def test_columns_that_happen_to_be_zero_are_still_the_motifs_own():
    """Zero columns are not scanned, but a window counts even if only they lie on the span."""
    arguments = example((3, 40, 12, 9))
    arguments["log_kd"][:4] = arguments["log_kd"][9:] = 0
    expected = occupancy_oracle(**arguments, span=(20, 21))
    for instruction_set in _native.instruction_sets():
        options = {"span": np.array([20, 21]), "instruction_set": instruction_set}
        found = _native.occupancy_forward(*arguments.values(), **options)
        for one, other in zip(found, expected, strict=True):
            assert relative_error(one, other) <= 3e-6


@pytest.mark.parametrize("column_range", [None, random_range(7, 9)], ids=["all", "held"])
def test_sites_stronger_than_floats_are_masked_too(column_range):
    """Log odds beyond 2^125 go into log_unbound unchanged."""
    arguments = example((3, 40, 7, 9))
    arguments["log_concentration"] += 130
    for span in ((0, 40), (15, 18), (39, 40)):
        options = {"reduction": "log_unbound", "span": np.array(span, np.int32)}
        expected = occupancy_oracle(**arguments, **options, column_range=column_range)
        for instruction_set in _native.instruction_sets():
            native = {"instruction_set": instruction_set, "column_range": column_range}
            found = _native.occupancy_forward(*arguments.values(), **options, **native)
            for one, other in zip(found, expected, strict=True):
                assert relative_error(one, other) <= 3e-6


def test_rows_with_one_span_each_are_rows_alone():
    arguments = example((6, 33, 7, 9))
    spans = np.array([(0, 33), (4, 5), (9, 9), (20, 3), (0, 1), (30, 33)], np.int32)
    held = random_range(7, 9)
    options = {"column_range": held, "implementation": "fused"}
    together = occupancy(**arguments, **options, span=spans)
    for row, span in enumerate(spans):
        alone = occupancy(**arguments, **options, span=span)
        np.testing.assert_array_equal(together.bound[row], alone.bound[row])
        np.testing.assert_array_equal(together.weighted[row], alone.weighted[row])


@given(st.integers(0, 1000), st.integers(1, 60), st.integers(1, 20), st.integers(1, 20))
def test_the_span_of_all_bases_changes_no_bit(seed, length, width, motifs):
    arguments = example((2, length, width, motifs), seed=seed)
    upstream = random_upstream([np.empty((2, 2, motifs))] * 2)
    one = value_and_gradient(arguments, upstream, implementation="fused")
    other = value_and_gradient(arguments, upstream, implementation="fused", span=(0, length))
    tf.nest.map_structure(np.testing.assert_array_equal, one, other)


@given(
    st.integers(0, 1000), st.integers(1, 40), st.integers(1, 12), st.data(), st.sampled_from("sv")
)
def test_two_halves_and_the_windows_over_both_are_the_whole(seed, length, width, data, padding):
    """Windows that reach into either half, minus those that reach into both, are all windows."""
    padding = {"s": "same", "v": "valid"}[padding]
    length = max(length, width)
    cut = data.draw(st.integers(0, length))
    arguments = example((2, length, width, 3), padding, seed=seed)
    windows = window_count(length, width, padding)
    start = np.arange(windows) - ((width - 1) // 2 if padding == "same" else 0)
    both = ((start < cut) & (start + width > cut)).astype(np.float32)
    if cut in (0, length):
        both[:] = 0
    arguments["position_weight"] = np.broadcast_to(both[:, None], (2, windows, 3)).copy()
    options = {"padding": padding, "implementation": "fused"}
    whole = occupancy(**arguments, **options)
    left = occupancy(**arguments, **options, span=(0, cut)).bound
    right = occupancy(**arguments, **options, span=(cut, length)).bound
    np.testing.assert_allclose(left + right, whole.bound + whole.weighted, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("instruction_set", ["portable", "avx2", "avx512"])
@pytest.mark.parametrize("shape", [(300, 60, 9, 40), (1, 900, 5, 100), (700, 40, 6, 3)])
def test_same_bits_for_every_thread_count(instruction_set, shape):
    if instruction_set not in _native.instruction_sets():
        pytest.skip(f"this processor has no {instruction_set} instructions")
    arguments = list(example(shape).values())
    upstream = random_upstream([np.empty((shape[0], 2, shape[3]))] * 2)
    for span in (np.array([7, 31], np.int32), spans_of(shape)[-1]):
        results = []
        for threads in (1, 2, 7):
            options = {"threads": threads, "instruction_set": instruction_set, "span": span}
            options["column_range"] = random_range(shape[2], shape[3])
            outputs = _native.occupancy_forward(*arguments, **options)
            results.append(
                (*outputs, *_native.occupancy_backward(*arguments, *upstream, **options))
            )
        for other in results[1:]:
            for one, two in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(one, two)


def test_a_row_without_a_span_keeps_upstream_gradients_out():
    """If no window of a row counts, even a NaN in its upstream gradient has no effect."""
    arguments = example((2, 20, 5, 3))
    spans = np.array([(3, 12), (6, 6)], np.int32)
    upstream = [np.ones((2, 2, 3), np.float32), np.ones((2, 2, 3), np.float32)]
    expected = _native.occupancy_backward(*arguments.values(), *upstream, span=spans)
    for gradient in upstream:
        gradient[1] = np.nan
    found = _native.occupancy_backward(*arguments.values(), *upstream, span=spans)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("window", [0, 1, 15, 16, 17, 63, 64, 109])
def test_one_base_alone_is_seen_by_its_own_windows_alone(window):
    """Motifs of one column: exactly one window counts, wherever tiles and vectors end."""
    arguments = example((1, 110, 1, 9), seed=6)
    site = occupancy(**arguments, span=(window, window + 1), implementation="fused")
    sequence = arguments["sequence"].copy()
    arguments["sequence"] = sequence[:, window : window + 1]
    weight = arguments["position_weight"]
    arguments["position_weight"] = weight[:, window : window + 1]
    alone = occupancy(**arguments, implementation="fused")
    np.testing.assert_allclose(site.bound, alone.bound, rtol=1e-6)
    np.testing.assert_allclose(site.weighted, alone.weighted, rtol=1e-6)


def test_second_derivative_of_the_standard_implementation():
    arguments = example((2, 15, 4, 2))
    del arguments["position_weight"]
    log_concentration = tf.constant(arguments.pop("log_concentration"))

    def second(**options):
        with tf.GradientTape() as outer:
            outer.watch(log_concentration)
            with tf.GradientTape() as inner:
                inner.watch(log_concentration)
                outputs = occupancy(
                    arguments["sequence"],
                    arguments["log_kd"],
                    log_concentration,
                    implementation="standard",
                    **options,
                )
                total = tf.reduce_sum(outputs.bound)
            gradient = inner.gradient(total, log_concentration)
        return outer.gradient(gradient, log_concentration)

    start = np.arange(15) - 1
    counts = ((start < 9) & (start + 4 > 5)).astype(float)[:, None]
    logits = [_logits(arguments, log_concentration.numpy(), strand) for strand in (0, 1)]
    site = 1 / (1 + np.exp(-np.stack(logits, axis=1)))
    curvature = site * (1 - site) * (1 - 2 * site) * counts
    np.testing.assert_allclose(second(span=(5, 9)), curvature.sum(axis=(0, 1, 2)), rtol=1e-4)


def _logits(arguments, log_concentration, strand):
    """float64 logits [N, P, M] of one strand."""
    log_kd = arguments["log_kd"].astype(float)
    log_kd = log_kd if strand == 0 else log_kd[::-1, ::-1]
    padded = np.pad(arguments["sequence"], ((0, 0), (1, 2)), constant_values=4)
    table = np.concatenate([log_kd, np.zeros((4, 1, 2))], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 4, axis=1)
    return log_concentration - sum(table[column][windows[..., column]] for column in range(4))


def test_soft_sequences_have_spans():
    arguments = example((2, 15, 4, 3))
    soft = np.eye(5, 4, dtype=np.float32)[arguments["sequence"]]
    hard = occupancy(**arguments, span=(3, 6), implementation="standard")
    arguments["sequence"] = soft
    other = occupancy(**arguments, span=(3, 6), implementation="standard")
    np.testing.assert_array_equal(hard.bound, other.bound)


def test_graph_with_unknown_sizes_takes_spans():
    """One trace accepts spans of either rank; their values are given at the call."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.uint8),
            tf.TensorSpec(None, tf.int32),
        ]
    )
    def bound_of(sequence, span):
        return occupancy(sequence, log_kd, concentration, span=span, implementation="fused").bound

    arguments = example((3, 20, 5, 7))
    log_kd, concentration = arguments["log_kd"], arguments["log_concentration"]
    for span in ([4, 9], [[0, 3], [5, 5], [19, 20]]):
        expected = occupancy_oracle(arguments["sequence"], log_kd, concentration, span=span)[0]
        found = bound_of(arguments["sequence"], tf.constant(span))
        assert relative_error(found, expected) <= 2e-6


def test_static_shapes():
    def shape_of(sequence, span):
        with tf.Graph().as_default():
            bound = occupancy(
                tf.compat.v1.placeholder(tf.uint8, sequence),
                tf.zeros([5, 4, 3]),
                tf.zeros([3]),
                span=tf.compat.v1.placeholder(tf.int32, span),
                implementation="fused",
            ).bound
        return bound.shape.as_list()

    assert shape_of([None, 20], [8, 2]) == [8, 2, 3]
    assert shape_of([None, 20], [2]) == [None, 2, 3]
    assert shape_of([4, 20], None) == [4, 2, 3]
    for sequence, span in [([4, 20], [3]), ([4, 20], [5, 2]), ([4, 20], [4, 3]), ([4, 20], [])]:
        with pytest.raises(ValueError):
            shape_of(sequence, span)


@pytest.mark.parametrize("implementation", ["fused", "standard"])
@pytest.mark.parametrize(
    ("span", "message"),
    [
        ((-1, 3), "span: expected begin and end between 0 and L = 7, got -1 and 3( \\[Op|$)"),
        ((0, 8), r"span: .* got 0 and 8( \[Op|$)"),
        ((8, 2), r"span: .* got 8 and 2( \[Op|$)"),
        (((0, 7), (3, 9)), "span: .* got 3 and 9 for sequence 1"),
        (((0, 7), (-2, -1)), "span: .* got -2 and -1 for sequence 1"),
    ],
)
def test_spans_out_of_bounds(implementation, span, message):
    arguments = example((2, 7, 3, 2))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        occupancy(**arguments, span=np.array(span, np.int32), implementation=implementation)


@pytest.mark.parametrize(
    ("span", "message"),
    [
        (np.zeros(3, np.int32), r"span: expected shape \[2\].* got \[3\]"),
        (np.zeros((3, 2), np.int32), r"span: .* \[N, 2\] = \[2, 2\].* got \[3, 2\]"),
        (np.zeros((2, 1, 2), np.int32), r"span: .* got \[2, 1, 2\]"),
        (np.zeros((), np.int32), r"span: .* got \[\]"),
        (np.array([False, True]), "span: expected int32, got bool; cast it"),
        ((0.0, 5.0), "span: expected int32, got float32; cast it"),
    ],
)
def test_spans_of_the_wrong_shape(span, message):
    """Integers are converted, whatever their width; tensors of other types are not."""
    arguments = example((2, 7, 3, 2))
    with pytest.raises(ValueError, match=message):
        occupancy(**arguments, span=tf.constant(span), implementation="fused")


@pytest.mark.parametrize(
    ("span", "message"),
    [
        (np.array([0, 8]), "span: expected begin and end between 0 and L = 7, got 0 and 8$"),
        (np.array([[0, 7], [-1, 2]]), "span: .* got -1 and 2 for sequence 1$"),
        (np.zeros((3, 2)), r"span: expected shape \[2\], .* or \[N, 2\] = \[2,2\]"),
        (np.zeros(3), r"span: expected shape \[2\], .* or \[N, 2\] = \[2,2\]"),
    ],
)
def test_kernels_refuse_spans(span, message):
    with pytest.raises(ValueError, match=message):
        _native.occupancy_forward(**example((2, 7, 3, 2)), span=span)


def test_more_than_one_span_is_refused():
    arguments = example((2, 7, 3, 2))
    arguments["position_weight"], arguments["column_range"] = [], []
    with pytest.raises(tf.errors.InvalidArgumentError, match="span: expected at most one tensor"):
        load_ops().cisreg_occupancy(**arguments, span=[[0, 1], [0, 2]], length=[], condition=[])


def test_no_sequences():
    arguments = example((0, 7, 3, 2))
    for span in (np.array([0, 3], np.int32), np.zeros((0, 2), np.int32)):
        upstream = [np.zeros((0, 2, 2), np.float32)] * 2
        outputs, gradient = value_and_gradient(
            arguments, upstream, span=span, implementation="fused"
        )
        assert outputs.bound.shape == (0, 2, 2)
        assert not any(np.any(value) for value in gradient.values())


def old_graph():
    """A graph from the time before spans: nodes without the attribute."""
    arguments = example((3, 20, 5, 7))
    held = random_range(5, 7)
    with tf.Graph().as_default() as graph:
        inputs = [
            tf.compat.v1.placeholder(tf.as_dtype(value.dtype), value.shape, name)
            for name, value in arguments.items()
        ]
        outputs = occupancy(
            *inputs[:3], position_weight=inputs[3], column_range=held, implementation="fused"
        )
        gradients = tf.gradients(outputs.bound + 2.0 * outputs.weighted, inputs[1:])
    definition = graph.as_graph_def()
    nodes = [node for node in definition.node if node.op.startswith("Cisreg>Occupancy")]
    assert sorted(node.op for node in nodes) == ["Cisreg>Occupancy", "Cisreg>OccupancyGrad"]
    for node in nodes:
        assert node.attr.pop("span_count").i == 0
        assert node.attr.pop("length_count").i == 0
    names = [tensor.name for tensor in (outputs.bound, outputs.weighted, *gradients)]
    return arguments, held, definition, names


def test_a_graph_from_before_spans_keeps_its_meaning():
    arguments, held, definition, names = old_graph()
    definition = tf.compat.v1.GraphDef.FromString(definition.SerializeToString())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
        feed = {f"{name}:0": value for name, value in arguments.items()}
        with tf.compat.v1.Session(graph=graph) as session:
            found = session.run(names, feed)
        # The gradient of an imported operation is built again.
        again = tf.gradients(
            graph.get_tensor_by_name(names[0]), graph.get_tensor_by_name("log_kd:0")
        )
        with tf.compat.v1.Session(graph=graph) as session:
            [of_bound] = session.run(again, feed)
    trained = {name: tf.constant(value) for name, value in arguments.items() if name != "sequence"}
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(trained)
        outputs = occupancy(
            arguments["sequence"], **trained, column_range=held, implementation="fused"
        )
        total = outputs.bound + 2.0 * outputs.weighted
    expected = [outputs.bound, outputs.weighted, *tape.gradient(total, list(trained.values()))]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(of_bound, tape.gradient(outputs.bound, trained["log_kd"]))


def test_vectorized_map():
    arguments = example((6, 20, 5, 7))
    del arguments["position_weight"]
    sequence = arguments.pop("sequence")
    options = {"span": (4, 9), "implementation": "fused"}
    expected = occupancy(sequence, **arguments, **options).bound
    mapped = tf.vectorized_map(
        lambda rows: occupancy(rows, **arguments, **options).bound,
        tf.reshape(sequence, [3, 2, 20]),
    )
    np.testing.assert_array_equal(tf.reshape(mapped, [6, 2, 7]), expected)
