"""Several conditions and several sets of position weights in one scan."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import tensorflow as tf
from test_occupancy import REDUCTIONS, example, random_range, random_upstream, relative_error
from test_occupancy import value_and_gradient as of_implementation

from cisreg import _native
from cisreg.occupancy import occupancy
from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient

IMPLEMENTATIONS = ["fused", "standard"]
# (sequences, length, width, motifs), conditions, sets of weights.
PROBLEMS = [
    ((3, 20, 5, 7), 2, 1),
    ((2, 23, 7, 9), 1, 2),
    ((5, 13, 30, 8), 3, 2),
    ((4, 1, 6, 2), 4, 3),
    ((0, 10, 3, 2), 2, 2),
    ((9, 37, 30, 17), 5, 0),
]


def several(shape, conditions, sets, padding="same"):
    """Arguments with axes of conditions and of sets of weights; a factor is not everywhere."""
    arguments = example(shape, padding)
    random = np.random.default_rng(5)
    base = arguments["log_concentration"]
    arguments["log_concentration"] = (base + random.normal(0, 2, (conditions, len(base)))).astype(
        np.float32
    )
    if conditions > 1:
        arguments["log_concentration"][0, 0] = -np.inf
        arguments["log_concentration"][:, -1] = -np.inf
    weight = arguments.pop("position_weight")
    if sets > 0:
        weights = random.normal(0, 1, (sets, *weight.shape)).astype(np.float32)
        arguments["position_weight"] = weights
    return arguments


def some_conditions(shape, conditions):
    return np.random.default_rng(6).integers(0, conditions, shape[0]).astype(np.int32)


def parts(found, expected, axes):
    """Both, along each of these axes on its own."""
    for place in itertools.product(*(range(expected.shape[axis]) for axis in axes)):
        index = [slice(None)] * expected.ndim
        for axis, at in zip(axes, place, strict=True):
            index[axis] = at
        yield found[tuple(index)], expected[tuple(index)]


def gradient_of_oracle(arguments, upstream, **options):
    return occupancy_oracle_gradient(
        **arguments, **options, grad_bound=upstream[0], grad_weighted=upstream[1]
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("own", [False, True], ids=["all", "own"])
@pytest.mark.parametrize(("shape", "conditions", "sets"), PROBLEMS)
def test_the_oracle_is_its_conditions_and_sets_one_by_one(shape, conditions, sets, own, reduction):
    arguments = several(shape, conditions, sets)
    condition = some_conditions(shape, conditions) if own else None
    together = occupancy_oracle(**arguments, condition=condition, reduction=reduction)
    upstream = random_upstream(together)
    gradient = gradient_of_oracle(arguments, upstream, condition=condition, reduction=reduction)
    total = {name: np.zeros(value.shape) for name, value in gradient.items()}
    weights = arguments.get("position_weight", [None])
    for row, (at, weight) in itertools.product(range(conditions), enumerate(weights)):
        rows = slice(None) if condition is None else condition == row
        alone = arguments | {
            "sequence": arguments["sequence"][rows],
            "log_concentration": arguments["log_concentration"][row],
        }
        if weight is not None:
            alone["position_weight"] = weight
        sums = occupancy_oracle(**alone, reduction=reduction)
        places = [(rows, row), (rows, row, at)] if condition is None else [(rows,), (rows, at)]
        chosen = [
            None if each is None else each[place]
            for each, place in zip(together, places, strict=True)
        ]
        for found, expected in zip(chosen, sums, strict=True):
            if expected is not None:
                np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
        by_hand = [
            None if each is None else each[place]
            for each, place in zip(upstream, places, strict=True)
        ]
        # The gradient of `bound` is that of one of the sets alone.
        of_one = gradient_of_oracle(
            alone, (by_hand[0] * (at == 0), by_hand[1]), reduction=reduction
        )
        total["log_kd"] += of_one["log_kd"]
        total["log_concentration"][row] += of_one["log_concentration"]
        if weight is not None:
            total["position_weight"][at] += of_one["position_weight"]
    for name, value in gradient.items():
        np.testing.assert_allclose(value, total[name], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("own", [False, True], ids=["all", "own"])
@pytest.mark.parametrize(("shape", "conditions", "sets"), PROBLEMS)
def test_against_oracle(shape, conditions, sets, own, reduction, implementation):
    width, motifs = shape[2:]
    for padding, more in itertools.product(("same", "valid"), (False, True)):
        if padding == "valid" and shape[1] < width:
            continue
        arguments = several(shape, conditions, sets, padding)
        options = {"reduction": reduction, "padding": padding}
        if own:
            options["condition"] = some_conditions(shape, conditions)
        if more:
            random = np.random.default_rng(8)
            options |= {"column_range": random_range(width, motifs), "span": (1, shape[1])}
            options["length"] = random.integers(0, shape[1] + 1, shape[0]).astype(np.int32)
        expected = occupancy_oracle(**arguments, **options)
        upstream = random_upstream(expected)
        expected_gradient = gradient_of_oracle(arguments, upstream, **options)
        outputs, gradient = of_implementation(
            arguments, upstream, implementation=implementation, **options
        )
        assert relative_error(outputs.bound, expected[0]) <= 2e-6
        assert (outputs.weighted is None) == (sets == 0)
        if sets > 0:
            assert relative_error(outputs.weighted, expected[1]) <= 2e-6
        assert gradient.keys() == expected_gradient.keys()
        for name, value in expected_gradient.items():
            assert relative_error(gradient[name], value) <= 1e-5, (name, padding, more)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_factor_that_is_nowhere_in_a_condition_has_no_part_in_it(implementation):
    """Not even where sums of log Kd overflow, or where what comes from above is no number."""
    shape = (3, 20, 5, 7)
    arguments = several(shape, 3, 2)
    # Sites that bind so strongly that a float16 of their log Kd would be infinite.
    arguments["log_kd"][:, :, 0] = -30_000.0
    options = {"implementation": implementation, "compute_dtype": "float16"}
    upstream = [np.full((3, 3, 2, 7), 1.0), np.full((3, 3, 2, 2, 7), 1.0)]
    for each in upstream:
        each[:, 0, ..., 0] = each[..., 6] = np.inf
    outputs, gradient = of_implementation(arguments, upstream, **options)
    for sums in outputs:
        assert np.isfinite(sums).all()
        assert not np.any(sums[:, 0, ..., 0]) and not np.any(sums[..., 6])
        assert np.all(sums[:, 1:, ..., 0] != 0)
    if implementation == "fused":
        assert all(np.isfinite(each).all() for each in gradient.values())
        assert not np.any(gradient["log_kd"][..., 6])
        assert not np.any(gradient["log_concentration"][0, 0])
        assert not np.any(gradient["log_concentration"][:, 6])


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_one_condition_and_one_set_with_their_axes(implementation):
    arguments = several((3, 20, 5, 7), 1, 1)
    plain = arguments | {
        name: arguments[name][0] for name in ("log_concentration", "position_weight")
    }
    expected = occupancy(**plain, implementation=implementation)
    found = occupancy(**arguments, implementation=implementation)
    np.testing.assert_array_equal(found.bound[:, 0], expected.bound)
    np.testing.assert_array_equal(found.weighted[:, 0, 0], expected.weighted)
    own = occupancy(**arguments, condition=[0, 0, 0], implementation=implementation)
    np.testing.assert_array_equal(own.bound, expected.bound)
    np.testing.assert_array_equal(own.weighted[:, 0], expected.weighted)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_concentrations_of_each_sequence(implementation):
    """C is N, and each sequence has its own row."""
    shape = (6, 30, 5, 9)
    arguments = several(shape, 6, 2)
    together = occupancy(**arguments, condition=range(6), implementation=implementation)
    for row in range(6):
        alone = arguments | {
            "sequence": arguments["sequence"][row : row + 1],
            "log_concentration": arguments["log_concentration"][row],
        }
        expected = occupancy_oracle(**alone)
        for found, value in zip(together, expected, strict=True):
            assert relative_error(found[row], value[0]) <= 2e-6


# Next to multiples of three columns, eight motifs and the windows in flight; several segments.
KERNEL_SHAPES = [
    (9, 23, 1, 9),
    (8, 29, 7, 17),
    (5, 13, 30, 8),
    (3, 600, 31, 3),
    (40, 130, 9, 9),
]
NAMES = ("log_kd", "log_concentration", "position_weight")


def native_inputs(arguments):
    return [arguments.get(name) for name in ("sequence", *NAMES)]


def kernel_options(shape, number, padding, reduction):
    """Each number has other optional arguments."""
    count, length, width, motifs = shape
    random = np.random.default_rng(number)
    options = {"padding": padding, "reduction": reduction}
    if number % 2:
        options["column_range"] = random_range(width, motifs)
        edges = random.integers(0, length + 1, (count, 2))
        options["span"] = np.sort(edges, axis=1).astype(np.int32)
    if number % 3 == 2:
        options["length"] = random.integers(0, length + 1, count).astype(np.int32)
    return options


@pytest.mark.parametrize("reduction", ["expected", "log_unbound"])
@pytest.mark.parametrize("own", [False, True], ids=["all", "own"])
@pytest.mark.parametrize(
    ("strength", "spread"),
    [(0, 2), (45, 2), (-20, 40), (20, 40)],
    ids=["products", "logarithms", "far apart", "far apart and strong"],
)
def test_kernels_against_oracle(strength, spread, own, reduction):
    """All instruction sets; each condition and each set on its own, so that none hides another."""
    several_of = [(2, 0), (1, 2), (3, 1), (2, 3)]
    cases = itertools.product(KERNEL_SHAPES, ("same", "valid"))
    for number, (shape, padding) in enumerate(cases):
        if padding == "valid" and shape[1] < shape[2]:
            continue
        conditions, sets = several_of[number % len(several_of)]
        arguments = several(shape, conditions, sets, padding)
        rows = np.linspace(strength, strength + spread, conditions)[:, np.newaxis]
        arguments["log_concentration"] += rows.astype(np.float32)
        options = kernel_options(shape, number, padding, reduction)
        if own:
            options["condition"] = some_conditions(shape, conditions)
        expected = occupancy_oracle(**arguments, **options)
        upstream = random_upstream(expected)
        gradient = gradient_of_oracle(arguments, upstream, **options)
        for instruction_set in _native.instruction_sets():
            case = (shape, padding, conditions, sets, instruction_set)
            native = options | {"instruction_set": instruction_set}
            outputs = _native.occupancy_forward(*native_inputs(arguments), **native)
            of_conditions = [] if own else [1]
            of_sets = [1 + len(of_conditions)]
            for sums, value, more in zip(outputs, expected, ([], of_sets), strict=True):
                if value is None:
                    continue
                for one, of_one in parts(sums, value, of_conditions + more):
                    assert relative_error(one, of_one) <= 3e-6, case
                assert not sums[value == 0].any(), case
            found = _native.occupancy_backward(*native_inputs(arguments), *upstream, **native)
            bound = 3e-5 if strength + spread > 30 else 1e-5
            assert relative_error(found[0], gradient["log_kd"]) <= bound, case
            assert relative_error(found[1], gradient["log_concentration"]) <= bound, case
            # In one condition it may be a single number, where rounding does not even out.
            for one, of_one in parts(found[1], gradient["log_concentration"], [0]):
                assert relative_error(one, of_one) <= 3 * bound, case
            if sets > 0:
                for one, of_one in parts(found[2], gradient["position_weight"], [0]):
                    assert relative_error(one, of_one) <= bound, case
                assert not found[2][gradient["position_weight"] == 0].any(), case


@pytest.mark.parametrize("reduction", ["expected", "log_unbound"])
@pytest.mark.parametrize("least_factor", [-0.5, -20.9, -21.1, -54.9, -55.1], ids=str)
@pytest.mark.parametrize("power", [-40, 0, 29.9, 30.1, 59.9, 60.1], ids=str)
def test_where_sites_share_a_division_no_product_overflows(power, least_factor, reduction):
    """On both sides of each limit of the kernels, where every window has the strongest odds.

    These are 2^power on the forward strand of the first motif, and 1 elsewhere; in the last
    condition they are e^least_factor times as much. A loss may also be small.
    """
    width, motifs = 6, 2
    arguments = example((2, 31, width, motifs))
    arguments.pop("position_weight")
    arguments["sequence"][:] = 0
    arguments["log_kd"] = np.zeros((width, 4, motifs), np.float32)
    arguments["log_kd"][:, 0, 0] = -power * np.log(2) / width
    rows = np.array([0.0, least_factor / 2, least_factor])[:, np.newaxis]
    arguments["log_concentration"] = (rows + np.zeros(motifs)).astype(np.float32)
    expected = occupancy_oracle(**arguments, reduction=reduction)
    for scale in (1.0, 1e-12):
        random = np.random.default_rng(3)
        upstream = (scale * random.normal(size=expected[0].shape)).astype(np.float32)
        gradient = gradient_of_oracle(arguments, (upstream, None), reduction=reduction)
        for instruction_set in _native.instruction_sets():
            native = {"reduction": reduction, "instruction_set": instruction_set}
            bound = _native.occupancy_forward(*native_inputs(arguments), **native)[0]
            for one, of_one in parts(bound, expected[0], [1, 2, 3]):
                assert relative_error(one, of_one) <= 3e-6, instruction_set
            found = _native.occupancy_backward(*native_inputs(arguments), upstream, None, **native)
            assert relative_error(found[0], gradient["log_kd"]) <= 3e-5, instruction_set
            for one, of_one in parts(found[1], gradient["log_concentration"], [0, 1]):
                assert relative_error(one, of_one) <= 1e-4, instruction_set


@pytest.mark.parametrize("own", [False, True], ids=["all", "own"])
@pytest.mark.parametrize("count", [40, 3000], ids=["shared tiles", "own tiles"])
def test_the_number_of_threads_changes_no_bit(count, own):
    shape = (count, 100, 9, 20)
    arguments = several(shape, 3, 2)
    options = {"condition": some_conditions(shape, 3)} if own else {}
    outputs = [
        _native.occupancy_forward(*native_inputs(arguments), **options, threads=threads)
        for threads in (1, 2, 5)
    ]
    upstream = random_upstream(outputs[0])
    gradients = [
        _native.occupancy_backward(*native_inputs(arguments), *upstream, **options, threads=threads)
        for threads in (1, 2, 5)
    ]
    for found in (outputs, gradients):
        for one, two, five in zip(*found, strict=True):
            np.testing.assert_array_equal(one, two)
            np.testing.assert_array_equal(one, five)


def test_many_conditions_take_no_memory_for_sites():
    """A condition for each sequence; the kernels keep factors of motifs, and no sums of sites."""
    shape = (500, 40, 5, 9)
    arguments = several(shape, 500, 1)
    condition = np.random.default_rng(1).permutation(500).astype(np.int32)
    expected = occupancy_oracle(**arguments, condition=condition)
    found = _native.occupancy_forward(*native_inputs(arguments), condition=condition)
    for one, other in zip(found, expected, strict=True):
        assert relative_error(one, other) <= 2e-6


WRONG = [
    ({"log_concentration": np.zeros((2, 3))}, "expected shape [C, M] = [2, 2], got [2, 3]"),
    ({"log_concentration": np.zeros((0, 2))}, "expected [C, M] with C of at least 1, got shape [0"),
    ({"log_concentration": np.zeros((1, 1, 2))}, "log_concentration: expected shape [M] = [2], g"),
    ({"position_weight": np.zeros((3, 2, 6, 2))}, "expected shape [K, 2, P, M] = [3, 2, 7, 2], g"),
    ({"position_weight": np.zeros((0, 2, 7, 2))}, "expected [K, 2, P, M] with K of at least 1, g"),
    ({"condition": [0, 1, 1]}, "condition: expected shape [N] = [2], got [3]"),
    ({"condition": [0.5, 1]}, "condition: expected int64 of shape [...], got 0.5 at [0]"),
    (
        {"condition": [0, 0], "log_concentration": np.zeros(2)},
        "condition: expected log_concentration [C, M], a row for each condition, got [2]; leave",
    ),
]
TWO = {
    "sequence": np.zeros((2, 7), np.uint8),
    "log_kd": np.zeros((3, 4, 2), np.float32),
    "log_concentration": np.zeros((2, 2), np.float32),
}


@pytest.mark.parametrize(("change", "sentence"), WRONG, ids=[f"{i}" for i in range(len(WRONG))])
def test_sizes_that_do_not_fit_are_value_errors(change, sentence):
    for implementation in ("auto", "standard"):
        with pytest.raises(ValueError, match=re.escape(sentence)):
            occupancy(**TWO | change, implementation=implementation)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_conditions_that_are_not_there_are_invalid_arguments(implementation):
    sentence = "condition: expected 0 to C - 1 = 1 for each sequence, got {} for sequence 1; condi"
    for wrong in (2, -1):
        with pytest.raises(tf.errors.InvalidArgumentError, match=sentence.format(wrong)):
            occupancy(**TWO, condition=[0, wrong], implementation=implementation)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_graphs_that_do_not_know_the_sizes(implementation):
    """Of a known rank; where the rank is not known either, standard ops see one condition."""
    shape = (3, 20, 5, 7)
    arguments = several(shape, 3, 2)
    condition = some_conditions(shape, 3)
    expected = [
        occupancy(**arguments, implementation=implementation),
        occupancy(**arguments, condition=condition, implementation=implementation),
    ]

    @tf.function(autograph=False)
    def run(**inputs):
        return occupancy(**inputs, implementation=implementation)

    for own, sums in zip((None, condition), expected, strict=True):
        inputs = arguments if own is None else arguments | {"condition": own}
        specs = {
            name: tf.TensorSpec([None] * np.ndim(value), np.asarray(value).dtype)
            for name, value in inputs.items()
        }
        traced = run.get_concrete_function(**specs)
        shape = [None, None, 2, None] if own is None else [None, 2, None]
        assert traced.structured_outputs.bound.shape.as_list() == shape
        found = traced(**{name: tf.constant(value) for name, value in inputs.items()})
        for one, other in zip(found, sums, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
        for name in ("log_concentration", "position_weight"):
            none = {name: tf.zeros_like(inputs[name])[:0]}
            with pytest.raises(tf.errors.InvalidArgumentError, match="of at least 1, got shape"):
                traced(**{key: tf.constant(value) for key, value in (inputs | none).items()})
