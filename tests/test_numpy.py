"""`cisreg.numpy` against the TensorFlow operation, to the bit, and against the float64 oracle."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from test_occupancy import CASES, example, random_range, random_upstream, relative_error

import cisreg
import cisreg.numpy
from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient

# TensorFlow's exponential and NumPy's are each within 2 units of the last place.
LAST_BITS = 4 * np.finfo(np.float32).eps


def value_and_gradient(arguments, upstream, **options):
    """Outputs of the TensorFlow operation, and its gradients."""
    trained = {k: tf.constant(v) for k, v in arguments.items() if k != "sequence"}
    with tf.GradientTape() as tape:
        tape.watch(trained)
        outputs = cisreg.occupancy(
            arguments["sequence"], **trained, implementation="fused", **options
        )
    given = [each for each in outputs if each is not None]
    return outputs, tape.gradient(given, trained, [each for each in upstream if each is not None])


def same_bits(actual, expected):
    assert actual.dtype == np.float32
    assert actual.shape == tuple(expected.shape)
    np.testing.assert_array_equal(actual.view(np.int32), np.asarray(expected).view(np.int32))


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("reduction", ["expected", "log_unbound", "probability"])
@pytest.mark.parametrize(("shape", "padding"), CASES)
def test_the_bits_of_the_operation(shape, padding, reduction, weighted):
    arguments = example(shape, padding)
    if not weighted:
        del arguments["position_weight"]
    options = {"reduction": reduction, "padding": padding}
    outputs = cisreg.numpy.occupancy(**arguments, **options)
    upstream = random_upstream(outputs)
    expected, expected_gradient = value_and_gradient(arguments, upstream, **options)
    gradient = cisreg.numpy.occupancy_gradient(
        arguments.pop("sequence"),
        arguments.pop("log_kd"),
        arguments.pop("log_concentration"),
        *upstream,
        **arguments,
        **options,
    )
    assert (outputs.weighted is None) == (gradient.position_weight is None) == (not weighted)
    if weighted:
        same_bits(outputs.weighted, expected.weighted)
        same_bits(gradient.position_weight, expected_gradient["position_weight"])
    if reduction == "probability":
        np.testing.assert_allclose(outputs.bound, expected.bound, rtol=LAST_BITS)
    else:
        same_bits(outputs.bound, expected.bound)
    for name in ("log_kd", "log_concentration"):
        actual, value = getattr(gradient, name), expected_gradient[name]
        if reduction == "probability":
            assert relative_error(actual, value) <= 1e-5
        else:
            same_bits(actual, value)


def test_columns_and_spans_against_the_operation_and_the_oracle():
    arguments = example((5, 23, 7, 33))
    options = {
        "column_range": random_range(7, 33),
        "span": np.array([[0, 23], [3, 9], [7, 7], [22, 23], [0, 1]]),
    }
    expected = occupancy_oracle(**arguments, **options)
    outputs = cisreg.numpy.occupancy(**arguments, **options)
    upstream = random_upstream(outputs)
    of_operation, gradient_of_operation = value_and_gradient(arguments, upstream, **options)
    position_weight = arguments.pop("position_weight")
    gradient = cisreg.numpy.occupancy_gradient(
        *arguments.values(), *upstream, position_weight=position_weight, **options
    )
    truth = occupancy_oracle_gradient(
        **arguments,
        position_weight=position_weight,
        grad_bound=upstream[0],
        grad_weighted=upstream[1],
        **options,
    )
    for actual, same, value in zip(outputs, of_operation, expected, strict=True):
        same_bits(actual, same)
        assert relative_error(actual, value) <= 2e-6
    for name, value in truth.items():
        same_bits(getattr(gradient, name), gradient_of_operation[name])
        assert relative_error(getattr(gradient, name), value) <= 1e-5, name


@pytest.mark.parametrize("reduction", ["expected", "log_unbound", "probability"])
def test_a_batch_of_several_lengths_is_its_rows(reduction):
    arguments = example((5, 23, 7, 33))
    del arguments["position_weight"]
    arguments["log_concentration"][::4] = -np.inf
    length = np.array([23, 0, 1, 9, 22])
    bound = cisreg.numpy.occupancy(**arguments, length=length, reduction=reduction).bound
    assert (bound[..., ::4] == 0).all()
    expected = occupancy_oracle(**arguments, length=length, reduction=reduction)[0]
    assert relative_error(bound, expected) <= 2e-6
    upstream = random_upstream([bound])[0]
    options = {"length": length, "reduction": reduction}
    gradient = cisreg.numpy.occupancy_gradient(*arguments.values(), upstream, **options)
    truth = occupancy_oracle_gradient(**arguments, grad_bound=upstream, **options)
    for name, value in truth.items():
        assert relative_error(getattr(gradient, name), value) <= 1e-5, name
        assert (getattr(gradient, name)[..., ::4] == 0).all()
    if reduction != "probability":
        outputs, gradients = value_and_gradient(arguments, [upstream, None], **options)
        same_bits(bound, outputs.bound)
        same_bits(gradient.log_kd, gradients["log_kd"])
    for row, bases in enumerate(length):
        alone = {**arguments, "sequence": arguments["sequence"][row : row + 1, :bases]}
        same_bits(bound[row : row + 1], cisreg.numpy.occupancy(**alone, reduction=reduction).bound)


def as_other_kinds():
    """The same numbers in every way in which programs keep them."""
    given = example((6, 20, 5, 3))
    codes, log_kd = given["sequence"], given["log_kd"]
    rows = np.zeros((12, 40), np.int64)
    rows[::2, ::-2] = codes
    frozen = codes.copy()
    frozen.flags.writeable = False
    return {
        "int8": dict(given, sequence=codes.astype(np.int8)),
        "uint64": dict(given, sequence=codes.astype(np.uint64)),
        "big-endian": dict(given, sequence=codes.astype(">i4"), log_kd=log_kd.astype(">f4")),
        "whole floats": dict(given, sequence=codes.astype(np.float64)),
        "strided": dict(given, sequence=rows[::2, ::-2]),
        "of Fortran": dict(given, sequence=np.asfortranarray(codes), log_kd=log_kd.copy("F")),
        "read-only": dict(given, sequence=frozen),
        "double": dict(given, log_kd=log_kd.astype(np.float64)),
        "lists": {name: value.tolist() for name, value in given.items()},
        "pandas": dict(
            given,
            sequence=pd.DataFrame(codes),
            log_concentration=pd.Series(given["log_concentration"], index=["c", "a", "b"]),
        ),
        "Arrow": dict(
            given,
            sequence=pa.table({str(base): column for base, column in enumerate(codes.T)}),
            log_concentration=pa.chunked_array([given["log_concentration"]]),
        ),
        "encoded text": dict(given, sequence=cisreg.encode(cisreg.decode(codes))),
        "tensors": {name: tf.constant(value) for name, value in given.items()},
    }


@pytest.mark.parametrize("kind", as_other_kinds())
def test_numbers_of_every_kind(kind):
    expected = cisreg.numpy.occupancy(**example((6, 20, 5, 3)))
    for actual, value in zip(
        cisreg.numpy.occupancy(**as_other_kinds()[kind]), expected, strict=True
    ):
        same_bits(actual, value)


@pytest.mark.parametrize("reduction", ["expected", "probability"])
def test_any_number_of_threads(reduction, eight_cores):
    arguments = example((300, 60, 9, 40))
    del arguments["position_weight"]
    expected = cisreg.numpy.occupancy(**arguments, reduction=reduction, threads=1)
    upstream = random_upstream(expected)[0]
    gradient = cisreg.numpy.occupancy_gradient(
        *arguments.values(), upstream, reduction=reduction, threads=1
    )
    for threads in (None, 3, np.int64(8)):
        options = {"reduction": reduction, "threads": threads}
        same_bits(cisreg.numpy.occupancy(**arguments, **options).bound, expected.bound)
        again = cisreg.numpy.occupancy_gradient(*arguments.values(), upstream, **options)
        same_bits(again.log_kd, gradient.log_kd)
        same_bits(again.log_concentration, gradient.log_concentration)


def test_only_large_problems_are_shared_among_threads(monkeypatch):
    asked = []
    monkeypatch.setattr("cisreg.numpy.thread_count", lambda threads: asked.append(threads) or 2)
    cisreg.numpy.occupancy(**example((3, 20, 5, 7)))
    assert asked == []
    cisreg.numpy.occupancy(**example((300, 60, 9, 65)))
    assert asked == [None]
    cisreg.numpy.occupancy(**example((3, 20, 5, 7)), threads=2)
    assert asked == [None, 2]


def faulty(**changes):
    """Arguments of which one does not fit."""
    return {**example((3, 20, 5, 7)), **changes}


def with_value(name, place, value):
    array = example((3, 20, 5, 7))[name]
    array[place] = value
    return {name: array}


ZEROS = np.zeros
FAULTS = {
    "codes of one axis": faulty(sequence=ZEROS(20, np.uint8)),
    "codes of three axes": faulty(sequence=ZEROS((3, 20, 1), np.uint8)),
    "a number": faulty(sequence=3),
    "log Kd of two axes": faulty(log_kd=ZEROS((5, 4))),
    "log Kd of five bases": faulty(log_kd=ZEROS((5, 5, 7))),
    "no columns": faulty(log_kd=ZEROS((0, 4, 7))),
    "no motifs": faulty(log_kd=ZEROS((5, 4, 0)), log_concentration=ZEROS(0)),
    "other motifs": faulty(log_concentration=ZEROS(6)),
    "one concentration": faulty(log_concentration=0.5),
    "other positions": faulty(position_weight=ZEROS((2, 19, 7))),
    "one strand": faulty(position_weight=ZEROS((1, 20, 7))),
    "wide motifs": faulty(log_kd=ZEROS((21, 4, 7)), position_weight=None, padding="valid"),
    "ranges of other motifs": faulty(column_range=ZEROS((2, 6))),
    "span of three": faulty(span=(1, 2, 3)),
    "spans of other sequences": faulty(span=ZEROS((4, 2))),
    "lengths of other sequences": faulty(length=ZEROS(4)),
    "one length": faulty(length=20),
    "length beyond": faulty(length=[0, 21, 20]),
    "negative length": faulty(length=[-1, 20, 20]),
    "code 5": faulty(**with_value("sequence", (2, 1), 5)),
    "NaN": faulty(**with_value("log_kd", (1, 2, 3), np.nan)),
    "infinite concentration": faulty(**with_value("log_concentration", 4, np.inf)),
    "infinite weight": faulty(**with_value("position_weight", (1, 19, 6), -np.inf)),
    "end before first": faulty(column_range=[[0, 0, 3, 0, 0, 0, 0], [5, 5, 2, 5, 5, 5, 5]]),
    "columns beyond": faulty(column_range=[[0] * 7, [5, 6, 5, 5, 5, 5, 5]]),
    "negative column": faulty(column_range=[[-1] * 7, [5] * 7]),
    "span beyond": faulty(span=(0, 21)),
    "negative span of a sequence": faulty(span=[[0, 20], [0, 20], [-1, 20]]),
}


def said(error):
    """A message as this package wrote it: TensorFlow puts names of functions around it."""
    return re.sub(r"^\{\{.*?\}\} | \[Op:.*$", "", str(error.value)).replace(", ", ",")


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named_as_in_the_operation(fault):
    with pytest.raises(ValueError, match="expect") as error:
        cisreg.numpy.occupancy(**FAULTS[fault])
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)) as of_operation:
        cisreg.occupancy(**FAULTS[fault], implementation="fused")
    if fault != "codes of three axes":  # which are soft sequences there
        # That one also has advice for soft sequences.
        assert said(of_operation).startswith(said(error))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequence": ["ACGT"]}, "sequence: expected base codes .* got <U4 such as 'ACGT'.*encode"),
        ({"sequence": [[-1, 0]]}, r"sequence: expected base codes .* got -1 at \[0, 0\]"),
        ({"sequence": [[0, 1], [0]]}, "sequence: .*rows of different lengths"),
        ({"sequence": [[0.5, 1]]}, "sequence: .*got 0.5"),
        ({"sequence": pa.array([1, None])}, "sequence: .*1 missing values"),
        ({"log_kd": None}, "log_kd: expected float32"),
        ({"log_kd": 1j * np.ones((5, 4, 7))}, "log_kd: expected float32.*complex"),
        ({"span": (0.5, 3)}, "span: expected int32.*0.5"),
        ({"reduction": "sum"}, "reduction: expected one of"),
        ({"padding": "full"}, "padding: expected one of"),
        ({"threads": 0}, "threads: expected 1 or more"),
    ],
)
def test_other_faults(changes, message):
    with pytest.raises(ValueError, match=message):
        cisreg.numpy.occupancy(**faulty(**changes))


@pytest.mark.parametrize(
    ("upstream", "options", "message"),
    [
        ([ZEROS((3, 7))], {}, r"bound_gradient: expected float32 of shape \[3, 2, 7\], got"),
        ([ZEROS((3, 2, 7))], {"reduction": "probability"}, r"bound_gradient.*\[3, 7\], got"),
        ([ZEROS((3, 2, 7))] * 2, {}, "position_weight, weighted_gradient: expected both"),
        (
            [ZEROS((3, 2, 7)), ZEROS((3, 7))],
            {"position_weight": ZEROS((2, 20, 7))},
            r"weighted_gradient: expected float32 of shape \[3, 2, 7\], got",
        ),
    ],
)
def test_gradients_that_do_not_fit(upstream, options, message):
    arguments = example((3, 20, 5, 7))
    del arguments["position_weight"]
    with pytest.raises(ValueError, match=message):
        cisreg.numpy.occupancy_gradient(*arguments.values(), *upstream, **options)
