"""Calls `cisreg.occupancy` with whatever a program may hand to it, and compares implementations.

`python occupancy_calls.py SEED FIRST END LOG` makes the calls of cases FIRST to END - 1 and writes
each to LOG before, so that whoever started it knows which case ended the process.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from cisreg.occupancy import occupancy
from cisreg.oracle import occupancy_oracle

DTYPES = [
    *("float16", "bfloat16", "float32", "float64", "int8", "uint8", "int16", "uint16", "int32"),
    *("uint32", "int64", "uint64", "bool", "complex64", "string", "qint8", "quint8", "qint32"),
]
FLOATS = ("log_kd", "log_concentration", "position_weight")
INTEGERS = ("column_range", "span", "length", "condition")
MODES = ["eager", "graph", "unknown sizes", "unknown ranks", "jit", "jit, unknown sizes"]
MODE_WEIGHTS = [0.66, 0.1, 0.06, 0.1, 0.05, 0.03]
ERRORS = (ValueError, tf.errors.InvalidArgumentError)


class FindingError(Exception):
    """A call that did what no call should."""


def valid(random):
    """Arguments that fit together, as arrays, and options."""
    count, length = random.integers(0, 5), random.integers(0, 21)
    width, motifs = random.integers(1, 9), random.integers(1, 10)
    padding = str(random.choice(["same", "valid"]))
    if padding == "valid":
        length = max(length, width)
    windows = length if padding == "same" else length - width + 1
    arguments = {
        "sequence": random.integers(0, 5, (count, length)).astype(np.uint8),
        "log_kd": random.normal(0, 1, (width, 4, motifs)).astype(np.float32),
        "log_concentration": random.normal(-1, 1, motifs).astype(np.float32),
    }
    optional = {
        "position_weight": random.normal(0, 1, (2, windows, motifs)).astype(np.float32),
        "column_range": np.sort(random.integers(0, width + 1, (2, motifs)), axis=0),
        "span": random.integers(0, length + 1, (count, 2) if random.random() < 0.5 else 2),
        "length": random.integers(0, length + 1, count),
    }
    for name, value in optional.items():
        if random.random() < 0.4:
            arguments[name] = value if name == "position_weight" else value.astype(np.int32)
    if random.random() < 0.1:
        arguments["log_concentration"][random.integers(motifs)] = -np.inf
    _add_axes(random, arguments)
    options = {
        "padding": padding,
        "reduction": str(random.choice(["expected", "log_unbound", "probability"])),
    }
    return arguments, options


def _add_axes(random, arguments):
    """Now and then conditions and sets of position weights."""
    if "position_weight" in arguments and random.random() < 0.3:
        weight, sets = arguments["position_weight"], random.integers(1, 4)
        noise = random.normal(0, 1, (sets, *weight.shape))
        arguments["position_weight"] = (weight + noise).astype(np.float32)
    if random.random() < 0.3:
        conditions, count = random.integers(1, 4), len(arguments["sequence"])
        noise = random.normal(0, 1, (conditions, *arguments["log_concentration"].shape))
        noisy = arguments["log_concentration"] + noise
        arguments["log_concentration"] = noisy.astype(np.float32)
        if random.random() < 0.5:
            arguments["condition"] = random.integers(0, conditions, count).astype(np.int32)


def of_another_type(random, name, value):
    dtype = str(random.choice(DTYPES))
    if dtype == "string":
        return tf.fill(np.shape(value), "A")
    if dtype.startswith(("q", "quint")):
        return tf.quantization.quantize(tf.cast(value, tf.float32), 0.0, 9.0, dtype).output
    return tf.cast(value, dtype)


def of_another_rank(random, name, value):
    kind = random.integers(4)
    if kind == 0 and value.ndim:
        return value[..., 0] if value.shape[-1] else np.zeros(value.shape[:-1], value.dtype)
    if kind == 1:
        return value[np.newaxis]
    return value[..., np.newaxis] if kind == 2 else np.reshape(value, [-1])


def of_another_size(random, name, value):
    if not value.ndim:
        return value
    axis, shape = random.integers(value.ndim), list(value.shape)
    shape[axis] = int(random.choice([0, 1, shape[axis] + 1, max(shape[axis] - 1, 0), 4, 2**33]))
    if shape[axis] == 2**33:
        # As large as it may be, without a number in it.
        shape[(axis + 1) % len(shape)] = 0
        if len(shape) == 1:
            shape = [3]
        return tf.zeros(shape, tf.as_dtype(value.dtype))
    return np.resize(value, shape).astype(value.dtype)


def of_another_number(random, name, value):
    value = np.array(value, np.float64 if name in FLOATS else np.int64)
    if value.size:
        numbers = [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e30, 1e300]
        integers = [5, -1, 255, 256, 260, 2**31, 2**32, -(2**31), 2**40, 4, 0]
        value.flat[random.integers(value.size)] = random.choice(
            numbers if name in FLOATS else integers
        )
    if name in FLOATS and np.abs(value[np.isfinite(value)]).max(initial=0) > 3.4e38:
        return value
    return value.astype(np.float32) if name in FLOATS else value


def of_another_kind(random, name, value):
    rows = np.asarray(value)
    makers = [
        lambda: tf.constant(rows),
        lambda: tf.Variable(rows),
        lambda: rows.tolist(),
        lambda: rows.copy(order="F")[::-1][::-1] if rows.ndim else rows,
        lambda: np.asfortranarray(rows),
        lambda: rows.astype(np.float64),
        lambda: None if name in ("sequence", "log_kd", "log_concentration") else rows,
        lambda: "ACGT",
        lambda: {"a": rows},
        lambda: tf.RaggedTensor.from_tensor(rows) if rows.ndim > 1 else rows,
        lambda: tf.sparse.from_dense(rows),
        lambda: [tf.constant(each) for each in rows] if rows.ndim else rows,
        lambda: tf.TensorSpec(rows.shape),
    ]
    return makers[random.integers(len(makers))]()


def of_soft_bases(random, name, value):
    if name != "sequence" or value.ndim != 2:
        return value
    if random.random() < 0.5:
        return np.eye(5, 4, dtype=random.choice(["float32", "int32", "bool"]))[np.minimum(value, 4)]
    return random.random((*value.shape, 4)).astype(random.choice(["float32", "float64"]))


CHANGES = [of_another_type, of_another_rank, of_another_size, of_another_number, of_another_number]


def case(seed, index):
    """Arguments, options and the mode of a case."""
    random = np.random.default_rng([seed, index])
    arguments, options = valid(random)
    if random.random() < 0.25:
        arguments["sequence"] = of_soft_bases(random, "sequence", arguments["sequence"])
    for _ in range(random.choice([0, 1, 2], p=[0.3, 0.5, 0.2])):
        name = str(random.choice(list(arguments)))
        if isinstance(arguments[name], np.ndarray):
            change = CHANGES[random.integers(len(CHANGES))]
            arguments[name] = change(random, name, arguments[name])
    if random.random() < 0.3:
        name = str(random.choice(list(arguments)))
        if isinstance(arguments[name], np.ndarray):
            arguments[name] = of_another_kind(random, name, arguments[name])
    mode = str(random.choice(MODES, p=MODE_WEIGHTS))
    return arguments, options, mode, bool(random.random() < 0.4)


def computed(arguments, options, gradient):
    """Sums, and gradients by the parameters that are floating-point tensors."""
    if not gradient:
        return [each for each in occupancy(**arguments, **options) if each is not None]
    watched = {
        name: value
        for name, value in arguments.items()
        if name in FLOATS and tf.is_tensor(value) and value.dtype == tf.float32
    }
    with tf.GradientTape() as tape:
        tape.watch(watched)
        sums = [each for each in occupancy(**arguments, **options) if each is not None]
        total = tf.add_n([tf.reduce_sum(tf.sin(each)) for each in sums])
    return [*sums, *tape.gradient(total, list(watched.values()))]


def outcome(arguments, options, mode, gradient):
    """What a call gives: arrays, or an error."""
    tensors = {
        name: tf.constant(value)
        for name, value in arguments.items()
        if isinstance(value, np.ndarray)
        and not (value.dtype == np.float64 and name in FLOATS)
        and value.dtype.kind in "biuf"
    }
    others = {name: value for name, value in arguments.items() if name not in tensors}
    if mode == "eager":
        given = {**others, **(tensors if gradient else {n: arguments[n] for n in tensors})}
        return [each.numpy() for each in computed(given, options, gradient)]
    if "unknown" in mode:
        ranks = mode == "unknown ranks"
        shapes = {n: None if ranks else [None] * value.ndim for n, value in tensors.items()}
    else:
        shapes = {name: value.shape for name, value in tensors.items()}
    signature = [tf.TensorSpec(shapes[name], value.dtype) for name, value in tensors.items()]

    @tf.function(input_signature=signature, autograph=False, jit_compile=mode.startswith("jit"))
    def run(*values):
        return computed({**others, **dict(zip(tensors, values, strict=True))}, options, gradient)

    return [each.numpy() for each in run(*tensors.values())]


def kind_of(result):
    return "sums" if isinstance(result, list) else type(result).__name__


def told(arguments, options, mode, gradient):
    """A case in words."""
    shown = []
    for name, value in arguments.items():
        dtype = getattr(value, "dtype", type(value).__name__)
        shape = getattr(value, "shape", "")
        shown.append(f"{name} {getattr(dtype, 'name', dtype)} {shape}")
    return f"{mode}, {'gradients, ' * gradient}{options}: {'; '.join(shown)}"


def close(one, other):
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if one.shape != other.shape or not np.array_equal(np.isnan(one), np.isnan(other)):
        return False
    one, other = np.nan_to_num(one), np.nan_to_num(other)
    return np.linalg.norm(one - other) <= 2e-5 * np.linalg.norm(other) + 1e-5


def is_moderate(arguments):
    """Whether rounding does not decide: sums of log Kd around 1e30 are all rounding."""
    try:
        values = [np.asarray(arguments[name], np.float64) for name in FLOATS if name in arguments]
    except (ValueError, TypeError):
        return False
    return all(np.abs(each[np.isfinite(each)]).max(initial=0) < 1e3 for each in values)


def check(arguments, options, mode, gradient):
    """Makes the calls of a case, and returns how many."""
    results = {}
    for implementation in ("fused", "standard", "auto"):
        # Soft sequences are for standard operations alone.
        try:
            results[implementation] = outcome(
                arguments, {**options, "implementation": implementation}, mode, gradient
            )
        except ERRORS as error:
            results[implementation] = error
        except Exception as error:
            raise FindingError(f"{implementation}: {type(error).__name__}: {error}") from error
    kinds = {name: kind_of(result) for name, result in results.items()}
    fused, standard, auto = results.values()
    refused_soft = "soft sequences need the standard" in str(fused)
    # XLA has no checks of numbers in standard operations; the fused operation has its own.
    unchecked = mode.startswith("jit") and kinds["standard"] == "sums"
    pair = (auto, standard) if refused_soft else (fused, standard)
    if kind_of(pair[0]) != kind_of(pair[1]) and not unchecked:
        raise FindingError(f"outcomes differ: {kinds}: {fused!s:.300} | {standard!s:.300}")
    for one, other in ((fused, standard), (auto, standard)):
        if isinstance(one, list) and isinstance(other, list) and is_moderate(arguments):
            for value, expected in zip(one, other, strict=True):
                if not close(value, expected):
                    raise FindingError(f"answers differ: {value} | {expected}")
    if isinstance(standard, list) and mode == "eager" and is_moderate(arguments):
        compare_with_oracle(arguments, options, auto)
    return len(results)


def compare_with_oracle(arguments, options, sums):
    plain = all(isinstance(value, np.ndarray) for value in arguments.values())
    if not plain or arguments["sequence"].ndim != 2:
        return
    expected = occupancy_oracle(**arguments, **options)
    for value, other in zip(sums, [each for each in expected if each is not None], strict=False):
        if not close(value, other):
            raise FindingError(f"the oracle differs: {value} | {other}")


def main(seed, first, end, log):
    calls = 0
    with Path(log).open("a") as file:
        for index in range(first, end):
            made = case(seed, index)
            file.write(f"{index} begins: {told(*made)}\n")
            file.flush()
            try:
                calls += check(*made)
            except FindingError as error:
                file.write(f"{index} finding: {error!s:.600}".replace("\n", " ") + "\n")
        file.write(f"{calls} calls\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]), sys.argv[4])
