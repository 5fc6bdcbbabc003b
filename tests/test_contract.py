"""The contract of the operation: the same inputs, errors and sentences for both implementations."""

from __future__ import annotations

import functools
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf

from cisreg import one_hot
from cisreg.model import predict
from cisreg.occupancy import occupancy
from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient
from cisreg.reference import site_occupancy_standard
from cisreg.spec import ModelSpec
from cisreg.start import init_parameters

IMPLEMENTATIONS = ["fused", "standard"]
RANDOM = np.random.default_rng(3)
SEQUENCE = RANDOM.integers(0, 5, (2, 7)).astype(np.uint8)
ARGUMENTS = {
    "sequence": SEQUENCE,
    "log_kd": RANDOM.normal(0, 1, (3, 4, 2)).astype(np.float32),
    "log_concentration": RANDOM.normal(0, 1, 2).astype(np.float32),
    "position_weight": RANDOM.normal(0, 1, (2, 7, 2)).astype(np.float32),
    "column_range": np.array([[0, 1], [3, 2]], np.int32),
    "span": np.array([[0, 7], [1, 5]], np.int32),
}
SOFT = RANDOM.random((2, 7, 4)).astype(np.float32)
HOT = np.eye(5, 4, dtype=np.float32)[SEQUENCE]


def zeros(*shape, dtype=tf.float32):
    return tf.zeros(shape, dtype)


# What no numbers could make right, and the sentence that says so.
WRONG = [
    ({"sequence": tf.cast(SEQUENCE, tf.float32)}, "got float32 of shape [2, 7]; cast codes with"),
    ({"sequence": tf.cast(SEQUENCE, tf.float64)}, "sequence: expected integer base codes [N, L]"),
    ({"sequence": tf.cast(SEQUENCE, tf.bool)}, "sequence: expected integer base codes [N, L], got"),
    ({"sequence": SEQUENCE > 1}, "sequence: expected integer base codes [N, L], got bool"),
    ({"sequence": tf.cast(SEQUENCE, tf.complex64)}, "sequence: expected integer base codes"),
    ({"sequence": tf.constant([["A"]])}, "got a tensor of text; use cisreg.sequence_codes"),
    ({"sequence": tf.bitcast(SEQUENCE, tf.quint8)}, "soft sequences [N, L, 4], got quint8"),
    (
        {"sequence": "ACGT"},
        "sequence: expected base codes 0 to 4 of shape [N, L], which cisreg.enc",
    ),
    ({"sequence": SEQUENCE[0]}, "[N, L], got shape [7]; one sequence is a batch of one"),
    ({"sequence": SEQUENCE[0, 0]}, "sequence: expected base codes [N, L], got shape []"),
    ({"sequence": zeros(2, 7, 3)}, "sequence: expected base codes [N, L], got shape [2, 7, 3]"),
    ({"sequence": zeros(2, 7, 5, dtype=tf.int32)}, "sequence: expected base codes [N, L], got"),
    ({"sequence": zeros(1, 2, 7, 4)}, "sequence: expected integer base codes [N, L], got float32"),
    ({"sequence": zeros(1, 1, 1, 1, dtype=tf.uint8)}, "sequence: expected base codes [N, L], got"),
    (
        {"sequence": zeros(2**31, 0, dtype=tf.uint8), "position_weight": None, "span": None},
        "expected sizes below 2**31",
    ),
    (
        {"sequence": tf.sparse.from_dense(SEQUENCE)},
        "sequence: expected numbers, got a SparseTensor",
    ),
    ({"sequence": None}, "sequence: expected numbers, got NoneType"),
    ({"sequence": {"a": 1}}, "sequence: expected numbers, got a dict"),
    ({"sequence": [[0, 1], [2]]}, "got rows of different lengths"),
    (
        {"sequence": [tf.constant([0, 1]), tf.constant([0])]},
        "sequence: expected a tensor, got none",
    ),
    ({"log_kd": ARGUMENTS["log_kd"][0]}, "log_kd: expected [W, 4, M] with W and M of at least 1"),
    ({"log_kd": zeros(3, 5, 2)}, "log_kd: expected [W, 4, M]"),
    ({"log_kd": zeros(0, 4, 2)}, "log_kd: expected [W, 4, M]"),
    ({"log_kd": zeros(3, 4, 0)}, "log_kd: expected [W, 4, M]"),
    (
        {"log_kd": zeros(3, 4, 2, dtype=tf.float64)},
        "log_kd: expected float32, got float64; cast it",
    ),
    ({"log_kd": zeros(3, 4, 2, dtype=tf.bfloat16)}, "log_kd: expected float32, got bfloat16; cast"),
    ({"log_kd": zeros(3, 4, 2, dtype=tf.int32)}, "log_kd: expected float32, got int32; cast it"),
    ({"log_kd": tf.constant("A")}, "log_kd: expected float32, got string"),
    ({"log_kd": tf.ragged.constant([[1.0]])}, "log_kd: expected numbers, got a RaggedTensor"),
    ({"log_kd": np.full((3, 4, 2), 1e300)}, "log_kd: expected float32 of shape [...], got 1e+300"),
    ({"log_concentration": zeros(3)}, "log_concentration: expected shape [M] = [2], got [3]"),
    ({"log_concentration": zeros(1)}, "log_concentration: expected shape [M] = [2], got [1]"),
    ({"log_concentration": zeros()}, "log_concentration: expected shape [M] = [2], got []"),
    ({"position_weight": zeros(2, 6, 2)}, "position_weight: expected shape [2, P, M] = [2, 7, 2]"),
    ({"position_weight": zeros(2, 1, 2)}, "position_weight: expected shape [2, P, M] = [2, 7, 2]"),
    ({"position_weight": zeros(5)}, "position_weight: expected shape [2, P, M] = [2, 7, 2]"),
    ({"column_range": np.zeros((2, 3), np.int32)}, "column_range: expected shape [2, M] = [2, 2]"),
    ({"column_range": np.zeros((3, 2), np.int32)}, "column_range: expected shape [2, M] = [2, 2]"),
    ({"column_range": np.zeros(2, np.int32)}, "column_range: expected shape [2, M] = [2, 2]"),
    ({"column_range": 3}, "column_range: expected shape [2, M] = [2, 2], got []"),
    ({"column_range": zeros(2, 2)}, "column_range: expected int32, got float32"),
    ({"span": [1, 2, 3]}, "span: expected shape [2], begin and end for all sequences, or [N, 2]"),
    ({"span": np.zeros((1, 2), int)}, "span: expected shape [2], begin and end for all sequences"),
    ({"span": np.zeros((2, 1, 2), int)}, "span: expected shape [2], begin and end for all"),
    ({"length": [1, 2, 3]}, "length: expected shape [N] = [2], got [3]"),
    ({"length": 7}, "length: expected shape [N] = [2], got []"),
    ({"length": [1.5, 2]}, "length: expected int64 of shape [...], got 1.5 at [0]"),
    ({"log_kd": zeros(8, 4, 2), "padding": "valid"}, "got L = 7 and W = 8; use padding = 'same'"),
]


def called(implementation, **change):
    return occupancy(**{**ARGUMENTS, **change}, implementation=implementation)


@pytest.mark.parametrize(("change", "sentence"), WRONG, ids=[f"{i}" for i in range(len(WRONG))])
def test_what_is_wrong_whatever_the_numbers_is_a_value_error(change, sentence):
    for implementation in IMPLEMENTATIONS:
        call = functools.partial(called, implementation, **change)
        for each in (call, tf.function(lambda call=call: call(), autograph=False)):
            with pytest.raises(ValueError, match=re.escape(sentence)):
                each()


# Numbers that are not allowed, and the end of the sentence: each is first checked by its sizes.
REFUSED = [
    ({"sequence": np.full((2, 7), 5, np.uint8)}, "got 5 in sequence 0 at base 0; encode text with"),
    ({"sequence": SEQUENCE.astype(np.int64) + 256}, "in sequence 0 at base 0; encode text"),
    (
        {"sequence": np.where(np.arange(7) == 3, -1, SEQUENCE.astype(int))},
        "got -1 in sequence 0 at base 3",
    ),
    ({"sequence": np.where(np.arange(7) == 3, -1.0, SEQUENCE)}, "got -1 in sequence 0 at base 3"),
    ({"log_kd": np.full((3, 4, 2), np.nan, np.float32)}, "nan at flat index 0 of shape [3,4,2]"),
    ({"log_kd": np.full((3, 4, 2), -np.inf, np.float32)}, "expected finite numbers, got -inf at"),
    ({"log_concentration": np.array([0, np.inf], np.float32)}, "got inf at flat index 1"),
    (
        {"position_weight": np.full((2, 7, 2), np.nan, np.float32)},
        "position_weight: expected finite",
    ),
    ({"column_range": [[0, 2], [3, 1]]}, "<= end <= W = 3, got 2 and 1 for motif 1"),
    ({"column_range": [[0, 0], [3, 4]]}, "<= end <= W = 3, got 0 and 4 for motif 1"),
    ({"column_range": [[-1, 0], [3, 3]]}, "<= end <= W = 3, got -1 and 3 for motif 0"),
    ({"span": [0, 8]}, "span: expected begin and end between 0 and L = 7, got 0 and 8"),
    ({"span": [[0, 7], [-2, -1]]}, "L = 7, got -2 and -1 for sequence 1"),
    ({"span": tf.constant([0, 2**40], tf.int64)}, "L = 7, got 0 and 2147483647"),
    (
        {"length": [7, 8]},
        "length: expected 0 to L = 7 bases for each sequence, got 8 for sequence 1",
    ),
    ({"length": [-1, 7]}, "bases for each sequence, got -1 for sequence 0; count the bases before"),
]


def sentence_of(error):
    """The message without what TensorFlow puts around it; numbers of a graph are in brackets."""
    text = re.sub(r"^\{\{function_node .*?\}\} | \[Op:.*", "", error.message)
    found = re.search(r"assertion failed: \[(.*)\]\n", text)
    if not found:
        # A graph that does not know the rank of a span says which of one pair it is.
        return text.removesuffix(" for sequence 0")
    text = found[1].replace("] [", "").removesuffix(" for sequence 0")
    return re.sub(
        r"of shape (\d.*)", lambda shape: f"of shape [{shape[1].replace(' ', ',')}]", text
    )


@pytest.mark.parametrize(("change", "sentence"), REFUSED, ids=[f"{i}" for i in range(len(REFUSED))])
def test_numbers_that_are_not_allowed_are_invalid_arguments_in_the_same_words(change, sentence):
    sentences = set()
    for implementation in IMPLEMENTATIONS:
        with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape(sentence)) as caught:
            called(implementation, **change)
        sentences.add(sentence_of(caught.value))
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        of_unknown_sizes(**{"length": [7, 7], **ARGUMENTS, **change})
    sentences.add(sentence_of(caught.value))
    assert len(sentences) == 1


TYPES = {
    **dict.fromkeys(("log_kd", "log_concentration", "position_weight"), np.float32),
    **dict.fromkeys(("column_range", "span", "length"), np.int32),
}


@functools.cache
def traced(*types):
    """Standard operations in a graph that knows no sizes."""

    @tf.function(autograph=False, input_signature=[tf.TensorSpec(None, each) for each in types])
    def run(sequence, *others):
        named = dict(zip(TYPES, others, strict=True))
        return occupancy(sequence, **named, implementation="standard")

    return run


def of_unknown_sizes(sequence, **others):
    sequence = np.asarray(sequence)
    sequence = sequence if sequence.dtype == np.uint8 else sequence.astype(np.int64)
    others = [np.array(others[name]) for name in TYPES]
    others = [np.where(each == 2**40, 2**31 - 1, each) for each in others]
    others = [each.astype(of) for each, of in zip(others, TYPES.values(), strict=True)]
    return traced(*(each.dtype for each in (sequence, *others)))(sequence, *others)


def test_what_is_no_tensor_is_refused_in_a_sentence():
    import keras

    for value, sentence in [
        (
            keras.Input((7,), dtype="uint8"),
            "got a KerasTensor; it stands for a batch in a functional",
        ),
        (tf.TensorSpec([2, 7]), "sequence: expected numbers, got a TensorSpec"),
        (tf.data.Dataset.range(3), "sequence: expected numbers, got a _RangeDataset"),
        (object(), "sequence: expected base codes 0 to 4 of shape"),
        (["ACGT", "GGG"], "which cisreg.encode makes of text, got <U4 such as 'ACGT'"),
        (pa.array(["ACGT"]), "which cisreg.encode makes of text, got 'ACGT' in place 0"),
        (pd.Series(["ACGT"]), "which cisreg.encode makes of text"),
    ]:
        with pytest.raises(ValueError, match=re.escape(sentence)):
            called("auto", sequence=value)


def test_sizes_that_a_graph_does_not_know_are_checked_when_it_runs():
    """Without these checks, standard operations abort the process or broadcast."""
    unknown = {"length": [7, 7], **ARGUMENTS}
    assert of_unknown_sizes(**unknown).bound.shape == (2, 2, 2)
    for change, sentence in [
        ({"sequence": SEQUENCE[0]}, "sequence: expected base codes [N, L], got shape ] [7"),
        ({"log_kd": zeros(4, 2)}, "log_kd: expected [W, 4, M] with W and M of at least 1, got sh"),
        ({"log_kd": zeros(3, 5, 2)}, "log_kd: expected [W, 4, M] with W and M of at least 1"),
        ({"log_kd": zeros(0, 4, 2)}, "log_kd: expected [W, 4, M] with W and M of at least 1"),
        ({"log_kd": zeros(3, 4, 0)}, "log_kd: expected [W, 4, M] with W and M of at least 1"),
        ({"log_concentration": zeros(1)}, "log_concentration: expected shape [M] = ] [2] [, got ]"),
        ({"log_concentration": zeros()}, "log_concentration: expected shape [M], got ] []"),
        (
            {"position_weight": zeros(2, 1, 2)},
            "position_weight: expected shape [2, P, M] = ] [2 7 2",
        ),
        (
            {"column_range": zeros(3, 2)},
            "column_range: expected shape [2, M] = ] [2 2] [, got ] [3 2",
        ),
        ({"column_range": zeros(2)}, "column_range: expected shape [2, M], got ] [2]"),
        ({"span": zeros(1, 2)}, "or [N, 2] = ] [2 2] [, one pair for each, got ] [1 2]"),
        ({"span": zeros(3)}, "or [N, 2] = ] [2 2] [, one pair for each, got ] [3]"),
        ({"span": zeros()}, "or [N, 2] = ] [2 2] [, one pair for each, got ] []"),
        ({"span": zeros(2, 1, 2)}, "or [N, 2] = ] [2 2] [, one pair for each, got ] [2 1 2]"),
        ({"length": zeros(3)}, "length: expected shape [N] = ] [2] [, got ] [3]"),
    ]:
        with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape(sentence)):
            of_unknown_sizes(**{**unknown, **change})


def test_soft_sequences_of_unknown_size():
    run = traced(np.float32, *TYPES.values())
    others = [np.asarray({"length": [7, 7], **ARGUMENTS}[name], of) for name, of in TYPES.items()]
    assert run(SOFT, *others).bound.shape == (2, 2, 2)
    for wrong in (zeros(2, 7), zeros(2, 7, 3), zeros(1, 2, 7, 4)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="expected soft sequences"):
            run(wrong, *others)
    with pytest.raises(tf.errors.InvalidArgumentError, match="sequence: expected finite"):
        run(SOFT * np.nan, *others)


def test_sites_direct_are_checked_too():
    for sequence in (tf.cast(SEQUENCE, tf.float32), SEQUENCE[0]):
        with pytest.raises(ValueError, match="sequence: expected"):
            site_occupancy_standard(sequence, ARGUMENTS["log_kd"], ARGUMENTS["log_concentration"])


def test_models_take_the_sequences_of_the_operation():
    spec = ModelSpec(motif_count=2, motif_width=3, sequence_length=7, constant_left=1)
    parameters = init_parameters(spec, ARGUMENTS["log_kd"], ARGUMENTS["log_concentration"])
    expected = predict(spec, parameters, SEQUENCE).expression
    for sequence in (tf.cast(SEQUENCE, tf.int64), HOT.astype(np.float64), tf.cast(HOT, tf.int32)):
        found = predict(spec, parameters, sequence).expression
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="got 260 in sequence 0 at base 0"):
        predict(spec, parameters, tf.fill((2, 7), 260))


INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_integers_of_every_width(implementation):
    expected = called(implementation).bound
    for dtype in INTEGERS:
        codes = SEQUENCE.astype(dtype)
        for sequence in (codes, tf.constant(codes), tf.Variable(codes)):
            np.testing.assert_array_equal(called(implementation, sequence=sequence).bound, expected)
        calls = [lambda codes: called(implementation, sequence=codes).bound]
        if dtype in ("int8", "uint64"):
            calls.append(tf.function(calls[0], autograph=False))
            np.testing.assert_array_equal(calls[1](tf.constant(codes)), expected)
        most = np.iinfo(dtype).max
        for bad in (most, most // 2 + 1, 5):
            codes[1, 2] = bad
            for call in calls:
                with pytest.raises(tf.errors.InvalidArgumentError, match=rf"{bad}\b.*\b1\b.*\b2\b"):
                    call(tf.constant(codes))
    for dtype in ("int16", "int64", "uint64"):
        span = tf.constant(ARGUMENTS["span"].astype(dtype))
        np.testing.assert_array_equal(called(implementation, span=span).bound, expected)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16", "int32", "bool"])
def test_one_hot_is_codes_and_keeps_its_gradient(dtype, caplog):
    one_hot._say_codes.cache_clear()
    expected = called("fused")
    hot = tf.cast(HOT, dtype)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(hot)
        for implementation in ("auto", "fused"):
            sums = called(implementation, sequence=hot)
            tf.nest.map_structure(np.testing.assert_array_equal, sums, expected)
        soft = called("standard", sequence=hot)
    np.testing.assert_allclose(soft.bound, expected.bound, rtol=2e-6)
    assert caplog.text.count("one-hot sequences are turned into base codes") == 1
    if hot.dtype.is_floating:
        for one, other in zip(sums, soft, strict=True):
            gradient = tape.gradient(one, hot)
            assert gradient.dtype == dtype
            assert np.abs(tf.cast(gradient, tf.float32)).sum() > 0
            np.testing.assert_array_equal(gradient, tape.gradient(other, hot))


def test_one_hot_arrays_are_codes_in_graphs_too():
    run = tf.function(lambda: called("auto", sequence=HOT).bound)
    operations = {each.type for each in run.get_concrete_function().graph.get_operations()}
    assert "Cisreg>Occupancy" in operations
    np.testing.assert_array_equal(run(), called("fused").bound)


@pytest.mark.parametrize("implementation", ["auto", "standard"])
def test_soft_sequences_are_standard_everywhere(implementation):
    expected = called("standard", sequence=SOFT)
    hot = called("standard", sequence=HOT)
    run = tf.function(lambda soft: called(implementation, sequence=soft))
    for sequence, sums in ((SOFT, expected), (HOT, hot)):
        for each in (run, lambda soft: called(implementation, sequence=soft)):
            for one, other in zip(each(tf.constant(sequence)), sums, strict=True):
                np.testing.assert_allclose(one, other, rtol=2e-6, atol=1e-6)


def test_fused_takes_one_hot_in_a_graph_and_refuses_soft():
    @tf.function
    def run(sequence):
        with tf.GradientTape() as tape:
            tape.watch(sequence)
            bound = called("fused", sequence=sequence).bound
        return bound, tape.gradient(bound, sequence)

    bound, gradient = run(tf.constant(HOT))
    np.testing.assert_array_equal(bound, called("fused").bound)
    assert np.abs(gradient).sum() > 0
    for call in (run, lambda sequence: called("fused", sequence=sequence)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="need the standard implem"):
            call(tf.constant(SOFT))


def test_second_derivative_by_a_one_hot_sequence_and_a_motif():
    """The gradient of a sequence is itself differentiable by the motifs."""
    log_kd = tf.constant(ARGUMENTS["log_kd"])

    def penalty(implementation):
        with tf.GradientTape() as outer:
            outer.watch(log_kd)
            hot = tf.constant(HOT)
            with tf.GradientTape() as inner:
                inner.watch(hot)
                bound = called(implementation, sequence=hot, log_kd=log_kd).bound
            total = tf.reduce_sum(inner.gradient(bound, hot) ** 2)
        return outer.gradient(total, log_kd)

    np.testing.assert_allclose(penalty("auto"), penalty("standard"), rtol=1e-5)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("reduction", ["expected", "log_unbound", "probability"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_padded_batch_is_its_rows_one_by_one(padding, reduction, implementation):
    lengths = np.array([0, 1, 2, 3, 7, 11], np.int32)
    codes = RANDOM.integers(0, 5, (6, 11)).astype(np.uint8)
    windows = 11 if padding == "same" else 9
    weight = RANDOM.normal(0, 1, (2, windows, 2)).astype(np.float32)
    spans = np.array([[0, 0], [0, 1], [1, 2], [0, 3], [3, 11], [5, 9]], np.int32)
    common = {name: ARGUMENTS[name] for name in ("log_kd", "log_concentration", "column_range")}
    common |= {"padding": padding, "reduction": reduction}
    for span in (None, spans, np.array([1, 11], np.int32)):
        options = {"position_weight": weight, "span": span, "implementation": implementation}
        together = occupancy(codes, **common, **options, length=lengths)
        padded = np.where(np.arange(11) < lengths[:, None], codes, 4).astype(np.int64)
        again = occupancy(padded, **common, **options, length=tf.constant(lengths, tf.int64))
        assert_equal_sums(together, again)
        for row, length in enumerate(lengths):
            found = [sums[row] for sums in together]
            if padding == "valid" and length < 3:
                assert not any(np.any(each) for each in found)
                continue
            expected = occupancy_oracle(
                codes[row : row + 1, :length],
                **common,
                position_weight=weight[:, : length if padding == "same" else length - 2],
                span=span if span is None else np.broadcast_to(span, (6, 2))[row].clip(0, length),
            )
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_allclose(one, other[0], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("reduction", ["expected", "probability"])
def test_gradients_with_lengths(padding, reduction):
    """Standard operations give the gradients of the oracle, which the fused operation gives too."""
    windows = 7 if padding == "same" else 5
    options = {"padding": padding, "reduction": reduction}
    common = {"column_range": ARGUMENTS["column_range"], "span": [1, 6], "length": [6, 2]}
    trained = {
        "log_kd": tf.constant(ARGUMENTS["log_kd"]),
        "log_concentration": tf.constant([-np.inf, 0.3], tf.float32),
        "position_weight": tf.constant(ARGUMENTS["position_weight"][:, :windows]),
    }
    with tf.GradientTape() as tape:
        tape.watch(trained)
        sums = occupancy(SEQUENCE, **trained, **common, **options, implementation="standard")
        total = tf.reduce_sum(sums.bound) + 2 * tf.reduce_sum(sums.weighted)
    expected = occupancy_oracle_gradient(
        SEQUENCE,
        **{name: value.numpy() for name, value in trained.items()},
        **{name: np.array(value) for name, value in common.items()},
        **options,
        grad_bound=np.ones(sums.bound.shape),
        grad_weighted=np.full((2, 2, 2), 2.0),
    )
    for name, value in tape.gradient(total, trained).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-6)


def assert_equal_sums(one, other):
    tf.nest.map_structure(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize("implementation", ["auto", "standard"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_ragged_rows_are_a_batch_with_lengths(padding, implementation):
    rows = [SEQUENCE[0, :5].tolist(), [], SEQUENCE[1].tolist(), [3]]
    common = {name: ARGUMENTS[name] for name in ("log_kd", "log_concentration")}
    options = {"padding": padding, "implementation": implementation}
    padded = np.array([row + [4] * (7 - len(row)) for row in rows], np.uint8)
    expected = occupancy(padded, **common, length=[5, 0, 7, 1], **options)
    ragged = tf.ragged.constant(rows, dtype=tf.int64)
    assert_equal_sums(occupancy(ragged, **common, **options), expected)
    spec = tf.RaggedTensorSpec([None, None], tf.int64, ragged_rank=1)
    run = tf.function(lambda ragged: occupancy(ragged, **common, **options), input_signature=[spec])
    assert_equal_sums(run(ragged), expected)
    soft = tf.RaggedTensor.from_row_splits(np.eye(5, 4)[ragged.values], ragged.row_splits)
    for one, other in zip(occupancy(soft, **common, **options), expected, strict=True):
        assert one is other is None or np.allclose(one, other, rtol=1e-5)
    # Rows that are all narrower than a motif have no whole window.
    short = tf.ragged.constant([[0], []], dtype=tf.uint8)
    assert occupancy(short, **common, **options).bound.shape == (2, 2, 2)
    with pytest.raises(ValueError, match="length: expected None beside ragged sequences"):
        occupancy(ragged, **common, length=[1, 2, 3, 4])
    for wrong in (tf.ragged.constant([[0.0], []]), tf.ragged.constant([[[0]]], dtype=tf.uint8)):
        with pytest.raises(ValueError, match="sequence: expected ragged rows of integer"):
            occupancy(wrong, **common)


@pytest.mark.parametrize("implementation", ["auto", *IMPLEMENTATIONS])
@pytest.mark.parametrize("sequence", [SEQUENCE, HOT], ids=["codes", "one-hot"])
def test_graphs_of_sessions(implementation, sequence):
    # There, == of tensors asks whether they are the same object, and nothing is computed at once.
    arrays = ARGUMENTS | {"sequence": sequence, "log_concentration": np.float32([-np.inf, 0.5])}
    expected = occupancy(**arrays, implementation=implementation)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        known = tuple(occupancy(**arrays, implementation=implementation))
        placeholders = {
            name: tf.compat.v1.placeholder(value.dtype, [None] * value.ndim)
            for name, value in arrays.items()
        }
        unknown = tuple(occupancy(**placeholders, implementation=implementation))
        given = {placeholders[name]: value for name, value in arrays.items()}
        for found in session.run([known, unknown], given):
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("size", [2**31, 2**62])
def test_sizes_that_a_trace_does_not_know_do_not_overflow(size, jit_compile):
    def run(codes):
        return occupancy(codes, ARGUMENTS["log_kd"], ARGUMENTS["log_concentration"]).bound

    signature = [tf.TensorSpec([None, None], tf.uint8)]
    run = tf.function(run, input_signature=signature, jit_compile=jit_compile)
    for shape in ((size, 0), (0, size)):
        message = rf"expected sizes below 2\*\*31, got shape \[{shape[0]},{shape[1]}\]"
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            run(zeros(*shape, dtype=tf.uint8))


@pytest.mark.parametrize("implementation", ["auto", "standard"])
def test_ragged_rows_under_xla_are_refused_in_a_sentence(implementation):
    def run(ragged):
        motifs = ARGUMENTS["log_kd"], ARGUMENTS["log_concentration"]
        return occupancy(ragged, *motifs, implementation=implementation).bound

    ragged = tf.ragged.constant([[0, 1], [2]], dtype=tf.uint8)
    with pytest.raises(ValueError, match="under jit_compile=True, got ragged rows"):
        tf.function(run, jit_compile=True)(ragged)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("reduction", ["expected", "log_unbound", "probability"])
@pytest.mark.parametrize("strongest", [None, -3e38], ids=["usual", "overflowing"])
def test_a_factor_of_minus_infinity_is_bound_nowhere(reduction, implementation, strongest):
    level = tf.constant([-np.inf, 0.5])
    log_kd = ARGUMENTS["log_kd"].copy()
    if strongest is not None:
        log_kd[..., 0] = strongest
    trained = {
        "log_kd": tf.constant(log_kd),
        "log_concentration": level,
        "position_weight": tf.constant(ARGUMENTS["position_weight"]),
    }
    with tf.GradientTape() as tape:
        tape.watch(trained)
        sums = called(implementation, **trained, reduction=reduction)
        total = tf.reduce_sum(sums.bound) + tf.reduce_sum(sums.weighted)
    for each in (*sums, *tape.gradient(total, trained).values()):
        assert not np.any(each[..., 0])
        assert np.all(np.isfinite(each)) and np.any(each[..., 1])


def test_what_xla_cannot_refuse_is_nan():
    """XLA drops checks: numbers that are refused elsewhere spoil their sites, and only these."""
    run = tf.function(
        lambda sequence, **change: called("standard", sequence=sequence, **change),
        jit_compile=True,
        autograph=False,
    )
    clean = run(SEQUENCE, span=[0, 7])
    for dtype in (np.uint8, np.int64):
        codes = SEQUENCE.astype(dtype)
        codes[1, 3] = 7
        spoilt = run(codes, span=[0, 7])
        assert np.isnan(spoilt.bound[1]).all() and np.isnan(spoilt.weighted[1]).all()
        np.testing.assert_array_equal(spoilt.bound[0], clean.bound[0])
    for name in ("log_kd", "log_concentration"):
        values = ARGUMENTS[name].copy()
        values[..., 1] = np.inf
        spoilt = run(SEQUENCE, span=[0, 7], **{name: values})
        assert np.isnan(spoilt.bound[..., 1]).all() and not np.isnan(spoilt.bound[..., 0]).any()
    assert not np.isnan(run(SEQUENCE, span=[-5, 70]).bound).any()
