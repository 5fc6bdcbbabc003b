"""What a training step launches on a GPU, and what crosses between device and host: no GPU needed.

The tool is tested first, on small functions whose answers are known.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from placement import Placement, placements

import cisreg
from cisreg import devices, products
from cisreg.losses import Penalty
from cisreg.training import Stage, fit, training_run
from cisreg.training.step import make_train_steps

# A call may read its result, and once more.
MOST_CROSSINGS = 2
MOST_LAUNCHES = 45
# A loss scale adds its own update, and for each variable of the optimizer a choice.
MOST_LAUNCHES_SCALED = 75
# Position weights and four penalties.
MOST_LAUNCHES_DEFAULT = 106

INT32, INT64 = tf.TensorSpec([4], tf.int32), tf.TensorSpec([4], tf.int64)
FLOAT, FLAG = tf.TensorSpec([4], tf.float32), tf.TensorSpec([], tf.bool)


def placed(function, *signature) -> list[Placement]:
    return placements(tf.function(function, autograph=False).get_concrete_function(*signature))


def copies(found: list[Placement], to_host: bool) -> list[tuple[str, str]]:
    return [
        (each.name, crossing.dtype)
        for each in found
        for crossing in each.crossings
        if crossing.to_host == to_host
    ]


@pytest.mark.parametrize(
    ("function", "signature", "launches", "to_host", "to_device"),
    [
        (lambda x: x + x, [INT64], ["AddV2"], [], []),
        (lambda x: x + x, [INT32], [], [], []),
        (lambda x: tf.cast(x, tf.float32), [INT64], ["Cast"], [], []),
        (lambda x: tf.cast(x, tf.float32), [INT32], ["Cast"], [], ["int32"]),
        (lambda x: tf.cast(x, tf.int32) + 1, [FLOAT], ["Cast"], ["int32"], []),
        (lambda x: tf.where(x > 0), [FLOAT], ["Greater", "Where"], [], []),
        (lambda x: x[x[0]], [INT32], [], [], []),
        (lambda x, at: x[at[0]], [FLOAT, INT32], ["StridedSlice"], [], []),
        # Shapes are wanted on the host, where only int32 is.
        (lambda x, shape: tf.reshape(x, shape), [FLOAT, INT32], [], [], []),
        (lambda x, shape: tf.reshape(x, shape), [FLOAT, INT64], [], ["int64"], []),
        (lambda x: tf.argmax(x), [FLOAT], ["ArgMax"], [], []),
        (lambda x: tf.argmax(tf.cast(x, tf.uint8)), [FLOAT], ["Cast"], ["uint8"], []),
        (lambda x: tf.strings.as_string(x), [FLOAT], [], ["float32"], []),
        (lambda x: tf.bitcast(x, tf.int32), [FLOAT], [], [], []),
        (lambda x: tf.reshape(x, [2, -1]), [FLOAT], [], [], []),
        (lambda x: tf.reduce_sum(x, axis=tf.size(x) - 4), [FLOAT], ["Sum"], [], []),
        # An operation that nothing needs.
        (lambda x: (tf.sqrt(x), x * 2)[1], [FLOAT], ["Mul"], [], []),
        (
            lambda x, on: tf.cond(on, lambda: x, lambda: x + 1),
            [FLOAT, FLAG],
            ["AddV2"],
            ["bool"],
            [],
        ),
    ],
)
def test_small_functions(function, signature, launches, to_host, to_device):
    found = placed(function, *signature)
    assert sorted(kind for each in found for kind in each.launches) == sorted(launches)
    assert [dtype for _, dtype in copies(found, to_host=True)] == to_host
    assert [dtype for _, dtype in copies(found, to_host=False)] == to_device


@pytest.mark.parametrize(("dtype", "copied"), [(tf.int32, ["int32"]), (tf.int64, [])])
def test_variables_of_int32_lie_on_the_host(dtype, copied):
    variable = tf.Variable(tf.ones([4], dtype))
    found = placed(lambda x: x + tf.cast(variable, tf.float32), FLOAT)
    assert [each for _, each in copies(found, to_host=False)] == copied


def looped(counter: tf.DType, *, reads_values: bool):
    def function(values: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(
            lambda i, x: (i < 3) & (x[0] > 0) if reads_values else i < 3,
            lambda i, x: (i + 1, x * 2),
            (tf.constant(0, counter), values),
        )[1]

    return placed(function, FLOAT)


def test_a_loop_that_the_host_counts_reads_nothing():
    found = looped(tf.int32, reads_values=False)
    assert {each.name.rpartition("/")[2] for each in found} == {"", "cond", "body"}
    assert copies(found, to_host=True) == copies(found, to_host=False) == []


@pytest.mark.parametrize(("counter", "reads_values"), [(tf.int64, False), (tf.int32, True)])
def test_a_condition_on_the_device_is_read_every_time(counter, reads_values):
    found = looped(counter, reads_values=reads_values)
    (read,) = {where.rpartition("/")[2] for where, _ in copies(found, to_host=True)}
    assert read == "cond"


def test_integers_of_the_host_are_copied_to_an_operation_of_our_own():
    """The kernel of the operation reads all its inputs on the device."""
    sequence = tf.TensorSpec([None, 9], tf.uint8)
    columns = np.array([[0, 0], [3, 3]], np.int32)

    def sums(sequence, log_kd):
        return cisreg.occupancy(
            *(sequence, log_kd, tf.zeros([2])), column_range=columns, implementation="fused"
        ).bound

    found = placed(sums, sequence, tf.TensorSpec([3, 4, 2], tf.float32))
    assert [dtype for _, dtype in copies(found, to_host=False)] == ["int32"]
    assert found[0].launches == ["Cisreg>Occupancy"]


def train_steps(monkeypatch, cache, precision, **options) -> list[Placement]:
    """The placement of the compiled steps that `fit` runs."""
    made = []

    def make(*arguments, **keywords):
        made.append(make_train_steps(*arguments, **keywords))
        return made[-1]

    monkeypatch.setattr(training_run, "make_train_steps", make)
    # Products as they are written where a GPU is listed.
    for module in (products, devices):
        monkeypatch.setattr(module, "listed_gpus", lambda: ("/device:GPU:0",))
    spec = cisreg.ModelSpec(3, 5, 20, **options.pop("layers", {}))
    random = np.random.default_rng(0)
    start = cisreg.init_parameters(spec, random.normal(0, 1, (5, 4, 3)), np.full(3, -3.0))
    sequence = random.integers(0, 4, (8, 20)).astype(np.uint8)
    measured = random.normal(9, 4, options.pop("measured", 8))
    stage = Stage(tuple(spec.parameter_shapes), 1, 0.001, batch_size=4)
    fit(
        *(spec, start, cisreg.Dataset(sequence, measured), [stage]),
        progress=False,
        implementation="fused",
        cache=cache,
        precision=precision,
        **options,
    )
    return placements(made[-1].compiled)


# As in the recipes "quick" and "default"; with ends that are trimmed.
ENDS = {"constant_left": 2, "constant_right": 2, "constant_ends": "context"}
COLUMNS = np.array([[0] * 3, [5] * 3], np.int32)
QUICK = {"layers": ENDS, "penalty": Penalty(motif_pull=5e-4), "column_range": COLUMNS}
DEFAULT = {
    "layers": {**ENDS, "positional": True, "position_knots": 6, "stranded": True},
    "penalty": Penalty(
        motif_pull=3e-3, activity_l1=3e-3, potentiation_l1=3e-3, position_smoothness=3e-3
    ),
    "column_range": COLUMNS,
}
TRIMMED = {"layers": {**ENDS, "constant_ends": "trim"}}


@pytest.mark.parametrize("cache", ["host", "device"])
@pytest.mark.parametrize(
    ("precision", "most"),
    [
        ("float32", MOST_LAUNCHES),
        ("mixed_bfloat16", MOST_LAUNCHES),
        ("mixed_float16", MOST_LAUNCHES_SCALED),
    ],
)
@pytest.mark.parametrize("options", [{}, QUICK], ids=["plain", "quick"])
def test_the_budget_of_a_step(monkeypatch, cache, precision, most, options):
    assert_in_budget(train_steps(monkeypatch, cache, precision, **options), most)


@pytest.mark.parametrize(
    ("options", "most"),
    [(DEFAULT, MOST_LAUNCHES_DEFAULT), (TRIMMED, MOST_LAUNCHES)],
    ids=["default", "trimmed"],
)
def test_the_budget_of_other_models(monkeypatch, options, most):
    assert_in_budget(train_steps(monkeypatch, "host", "float32", **options), most)


def test_several_measurements_are_not_waited_for(monkeypatch):
    found = train_steps(monkeypatch, "host", "float32", measured=(8, 3))
    assert copies(found, to_host=True) == []


def assert_in_budget(found: list[Placement], most: int) -> None:
    by_name = {each.name.rpartition("/")[2]: each for each in found}
    assert set(by_name) == {"", "cond", "body"}, [each.name for each in found]
    assert by_name["cond"].crossings == by_name["body"].crossings == []
    # And the caller reads the result.
    assert len(by_name[""].crossings) + 1 <= MOST_CROSSINGS, by_name[""].crossings
    launches = by_name["body"].launches
    print(f"{len(launches)} launches a step, {len(by_name[''].launches)} a call")
    assert len(launches) <= most, f"{len(launches)}: {sorted(launches)}"
    assert by_name["cond"].launches == []
