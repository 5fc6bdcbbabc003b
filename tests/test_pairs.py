"""The effects of pairs of factors, against the oracle and cases that are counted by hand."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest
import tensorflow as tf
from test_occupancy import relative_error

from cisreg import pair_operation
from cisreg.contract import as_inputs
from cisreg.interpret.read_out import ModelScan
from cisreg.layers import between_ends
from cisreg.model import ModelSpec, init_parameters, predict
from cisreg.pair_layer import pair_score
from cisreg.pair_operation import PairSizes, pair_effects, takes_fused_pairs
from cisreg.pairs import by_strands, named_pairs, pair_curves, pair_motifs, pair_sums, site_effects
from cisreg.pairs_oracle import pair_oracle, pair_oracle_gradient
from cisreg.self_test import SelfTest

A, C, G, T = range(4)
PAIRS = ((0, 1), (2, 0), (1, 1))


def letter_motifs(*letters):
    """Motifs of one column; at concentration e^-20 they bind their letter, and nothing else."""
    log_kd = np.full((1, 4, len(letters)), 40.0, np.float32)
    log_kd[0, letters, range(len(letters))] = -40.0
    return log_kd


def effect_of_letters(text, letters, pairs, effect, **sizes):
    """What pairs add to expression if nothing else does."""
    sequence = np.array([["ACGTN".index(letter) for letter in text]], np.uint8)
    spec = ModelSpec(*(len(letters), 1, len(text)), potentiation=False, pairs=pairs, **sizes)
    parameters = dict(init_parameters(spec, letter_motifs(*letters), np.full(len(letters), -20.0)))
    parameters |= {"activity": np.zeros(len(letters), "f4"), "pair_effect": np.float32(effect)}
    expected = pair_oracle(
        *(sequence, parameters["log_kd"], parameters["log_concentration"]),
        *(pairs, parameters["pair_effect"], spec.pair_distance),
    )
    actual = predict(spec, parameters, sequence).expression.numpy()
    np.testing.assert_allclose(actual, expected.sum(axis=1), rtol=1e-6, atol=1e-6)
    return float(actual[0])


# Knots at distances -2, -1, 0, 1, 2.
KNOTS = {"pair_distance": 3, "pair_knots": 5}
SAME, OPPOSITE = [[1, 2, 4, 8, 16], [0] * 5], [[0] * 5, [1, 2, 4, 8, 16]]


@pytest.mark.parametrize(
    ("text", "same", "opposite"),
    [
        # C binds the first factor, A the second; G and T do so on the reverse strand.
        ("NNNCANNNN", 8, 0),
        ("NNNCNANNN", 16, 0),
        ("NNACNNNNN", 2, 0),
        ("NNNCNNANN", 0, 0),
        ("NNNCTNNNN", 0, 8),
        ("NNTNCNNNN", 0, 1),
        # Reverse complements: downstream of a G is on its left.
        ("NNNNTGNNN", 8, 0),
        ("NNNGNTNNN", 1, 0),
        ("NNNAGNNNN", 0, 8),
        # Two pairs of sites.
        ("NNACANNNN", 2 + 8, 0),
    ],
)
def test_orientation_and_distance_counted_by_hand(text, same, opposite):
    found = [
        effect_of_letters(text, (C, A), ((0, 1),), [each], **KNOTS) for each in (SAME, OPPOSITE)
    ]
    assert found == pytest.approx([same, opposite], abs=1e-5)


@pytest.mark.parametrize(
    ("text", "same", "opposite"),
    [
        ("NNCNNNN", 0, 0),  # no pair with itself
        ("NNCCNNN", (8 + 2) / 2, 0),  # either may be called the first
        ("NNCCCNN", 2 * (8 + 2) / 2 + (16 + 1) / 2, 0),
        ("NNGGNNN", (8 + 2) / 2, 0),
        ("NNCGNNN", 0, 8),  # facing each other
        ("NNGCNNN", 0, 2),  # back to back
    ],
)
def test_a_factor_with_itself_counts_two_sites_once(text, same, opposite):
    found = [effect_of_letters(text, (C,), ((0, 0),), [each], **KNOTS) for each in (SAME, OPPOSITE)]
    assert found == pytest.approx([same, opposite], abs=1e-5)


def test_sites_at_one_place_count_between_factors_but_not_within_one():
    # A motif without a preference binds both strands of the one window.
    spec = ModelSpec(2, 1, 1, potentiation=False, pairs=((0, 1), (1, 1)), **KNOTS)
    sums = pair_sums(spec, np.ones((1, 2, 1, 2)))
    assert sums[0, :, :, 0, 2].tolist() == [[1, 1], [1, 1]] and not sums[..., 1, :].any()


def random_case(length=17, seed=0, **options):
    random = np.random.default_rng(seed)
    spec = ModelSpec(3, 4, length, pairs=PAIRS, pair_distance=9, pair_knots=5, **options)
    shapes = spec.parameter_shapes
    parameters = {
        name: random.normal(0, 1, shape).astype(np.float32) for name, shape in shapes.items()
    }
    sequence = random.integers(0, 5, (3, length)).astype(np.uint8)
    column_range = np.array([[0, 1, 0], [4, 3, 2]], np.int32)
    return spec, parameters, sequence, column_range


def expected_effects(spec, parameters, sequence, column_range, **how):
    return pair_oracle(
        *(sequence, parameters["log_kd"], parameters["log_concentration"]),
        *(spec.pairs, parameters["pair_effect"], spec.pair_distance),
        column_range=column_range,
        padding=spec.padding,
        **how,
    )


def effect_of_pairs(spec, parameters, sequence, column_range):
    """What `predict` adds for the pairs, before the link."""
    none = {**parameters, "pair_effect": np.zeros_like(parameters["pair_effect"])}
    found = [
        predict(spec, each, sequence, column_range=column_range).expression.numpy().astype(float)
        for each in (parameters, none)
    ]
    return found[0] - found[1]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": "valid"},
        {"constant_left": 3, "constant_right": 4},
        {"positional": True, "stranded": True},
        {"binding": "probability"},
        {"binding_limit": True},
        {"binding_limit": True, "positional": True},
        {"accessibility_activity": True, "positional_potentiation": True},
    ],
)
def test_every_layer_agrees_with_the_oracle(options):
    spec, parameters, sequence, column_range = random_case(**options)
    sequence[:, 0], sequence[:, -1] = A, C  # known bases at both ends: constant ends begin there
    span = (3, 13) if spec.has_span else None
    effects = expected_effects(spec, parameters, sequence, column_range, span=span)
    accessibility = predict(spec, parameters, sequence, column_range=column_range).accessibility
    expected = accessibility.numpy() * effects.sum(axis=1)
    actual = effect_of_pairs(spec, parameters, sequence, column_range)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("length", [17, 300])
def test_sums_site_effects_and_gradient(length):
    """`pair_sums` by `pair_effect` is the effect, and the gradient; site by site it adds up."""
    spec, parameters, sequence, column_range = random_case(length, potentiation=False)
    sequence = sequence[:1] if length > 100 else sequence
    from cisreg.reference import hold_columns, site_occupancy_standard

    held = hold_columns(tf.constant(parameters["log_kd"]), column_range)
    site = site_occupancy_standard(sequence, held, parameters["log_concentration"]).numpy()
    chosen = site[..., pair_motifs(spec).motifs]
    sums = pair_sums(spec, chosen)
    knots = by_strands(parameters["pair_effect"])
    effects = (sums * knots).sum(axis=(1, 2, 4))
    if length < 100:
        expected = expected_effects(spec, parameters, sequence, column_range)
        np.testing.assert_allclose(effects, expected, rtol=1e-5)
    actual = effect_of_pairs(spec, parameters, sequence, column_range)
    np.testing.assert_allclose(actual, effects.sum(axis=1), rtol=1e-4, atol=1e-3)
    by_site = site_effects(spec, chosen, parameters["pair_effect"])
    np.testing.assert_allclose(by_site.sum(axis=(1, 2, 3)), effects.sum(axis=1), rtol=1e-6)
    effect = tf.constant(parameters["pair_effect"])
    with tf.GradientTape() as tape:
        tape.watch(effect)
        score = predict(
            spec, {**parameters, "pair_effect": effect}, sequence, column_range=column_range
        ).expression
    same, opposite = sums[:, [0, 1], [0, 1]].sum(axis=1), sums[:, [0, 1], [1, 0]].sum(axis=1)
    np.testing.assert_allclose(
        tape.gradient(score, effect), np.stack([same, opposite], 2).sum(axis=0), rtol=1e-4
    )


def test_gradient_of_motifs_is_that_of_finite_differences():
    spec, parameters, sequence, column_range = random_case(potentiation=False)
    parameters["activity"] *= 0
    concentration = tf.constant(parameters["log_concentration"])
    with tf.GradientTape() as tape:
        tape.watch(concentration)
        values = {**parameters, "log_concentration": concentration}
        score = predict(spec, values, sequence, column_range=column_range).expression
    gradient = tape.gradient(score, concentration).numpy()
    for motif in range(3):
        moved = []
        for step in (-1e-3, 1e-3):
            changed = parameters["log_concentration"].astype(float)
            changed[motif] += step
            values = {**parameters, "log_concentration": changed}
            moved.append(expected_effects(spec, values, sequence, column_range).sum())
        assert gradient[motif] == pytest.approx((moved[1] - moved[0]) / 2e-3, rel=1e-4, abs=1e-4)


IMPLEMENTATIONS = ["fused", "standard"]


def scores_and_gradients(spec, parameters, sequence, column_range, **how):
    """`pair_score`, and the gradients of its sum by weights."""
    names = ("log_kd", "log_concentration", "pair_effect")
    values = {name: tf.convert_to_tensor(parameters[name]) for name in names}
    codes, span = between_ends(spec, tf.convert_to_tensor(sequence))
    with tf.GradientTape() as tape:
        tape.watch(values)
        score = pair_score(
            *(spec, values, codes, span, column_range),
            how.get("compute_dtype", "float32"),
            how["implementation"],
        )
        weight = tf.range(1.0, len(sequence) + 1.0)
        total = tf.reduce_sum(score * weight)
    return score, {
        name: tf.convert_to_tensor(each) for name, each in tape.gradient(total, values).items()
    }


def check_implementation(implementation, length=17, known=True, **options):
    """Scores and gradients against the oracle; `known`: the columns are, when it is traced."""
    spec, parameters, sequence, column_range = random_case(length, **options)
    sequence[:, 0], sequence[:, -1] = A, C  # known bases at both ends: constant ends begin there
    how = {"implementation": implementation}
    columns = column_range if known else tf.constant(column_range)
    score, gradients = scores_and_gradients(spec, parameters, sequence, columns, **how)
    trimmed = sequence.copy()
    span = (3, length - 4) if spec.has_span else None
    if spec.has_span and spec.constant_ends == "trim":
        trimmed[:, :3] = trimmed[:, length - 4 :] = 4
    expected, of_parameters = pair_oracle_gradient(
        *(trimmed, parameters["log_kd"], parameters["log_concentration"]),
        *(spec.pairs, parameters["pair_effect"], spec.pair_distance),
        grad_score=np.arange(1.0, len(sequence) + 1),
        column_range=column_range,
        padding=spec.padding,
        span=span,
    )
    np.testing.assert_allclose(score, expected, rtol=1e-4, atol=1e-4)
    for name, value in of_parameters.items():
        assert relative_error(gradients[name], value) <= 2e-5, name


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": "valid"},
        {"constant_left": 3, "constant_right": 4},
        {"constant_left": 3, "constant_right": 4, "constant_ends": "context"},
        {"length": 300},
        {"known": False},
    ],
)
def test_both_implementations_against_the_oracle(implementation, options):
    check_implementation(implementation, **options)


def test_the_reverse_complement_has_the_same_effects():
    spec, parameters, sequence, _ = random_case(potentiation=False, padding="valid")
    turned = np.where(sequence < 4, 3 - sequence, 4)[:, ::-1]
    one, two = (effect_of_pairs(spec, parameters, each, None) for each in (sequence, turned))
    np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-4)


def test_xla_and_soft_sequences_agree():
    spec, parameters, sequence, column_range = random_case()

    def of(codes):
        return predict(spec, parameters, codes, column_range=column_range).expression

    expected = of(sequence).numpy()
    compiled = tf.function(of, jit_compile=True)
    np.testing.assert_allclose(compiled(tf.constant(sequence)), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(of(tf.one_hot(sequence, 4)), expected, rtol=1e-4, atol=1e-5)


def graph_operations(function, *arguments):
    """The kinds of operations of a traced function."""
    graph = tf.function(function).get_concrete_function(*arguments).graph
    return {each.type for each in graph.get_operations()}


@pytest.mark.parametrize("compute_dtype", ["float32", "bfloat16", "float16"])
def test_the_fused_operation_is_used_where_it_can_be_and_computes_in_float32(compute_dtype):
    case = random_case()
    single = scores_and_gradients(*case, implementation="fused")
    how = {"implementation": "auto", "compute_dtype": compute_dtype}

    def computed():
        return scores_and_gradients(*case, **how)

    assert {"Cisreg>PairEffects", "Cisreg>PairEffectsGrad"} <= graph_operations(computed)
    tf.nest.map_structure(np.testing.assert_array_equal, tf.function(computed)(), single)


@pytest.mark.parametrize("implementation", ["auto", "fused"])
def test_standard_operations_for_soft_sequences_and_under_xla(implementation):
    spec, parameters, sequence, column_range = random_case()

    def of(codes):
        codes = tf.convert_to_tensor(codes)
        arguments = (spec, parameters, codes, None, column_range, "float32")
        return pair_score(*arguments, implementation)

    expected = of(sequence)
    soft = tf.one_hot(sequence, 4)
    assert "Cisreg>PairEffects" in graph_operations(of, sequence)
    assert "Cisreg>PairEffects" not in graph_operations(of, soft)
    np.testing.assert_allclose(of(soft), expected, rtol=1e-4, atol=1e-5)
    compiled = tf.function(of, jit_compile=True)
    np.testing.assert_allclose(compiled(sequence), expected, rtol=1e-4, atol=1e-5)


def test_standard_operations_where_the_library_does_not_load(monkeypatch):
    case = random_case()
    fused = scores_and_gradients(*case, implementation="auto")
    monkeypatch.setattr("cisreg.pair_operation.fused_available", lambda: False)
    found = scores_and_gradients(*case, implementation="auto")

    def without():
        return scores_and_gradients(*case, implementation="auto")

    assert "Cisreg>PairEffects" not in graph_operations(without)
    np.testing.assert_allclose(found[0], fused[0], rtol=1e-4, atol=1e-5)


GPU_SIZES = PairSizes(17, 3, 2, 1, KNOTS["pair_knots"], KNOTS["pair_distance"], "same")


def on_a_gpu(monkeypatch, caplog, *, devices=("CPU", "GPU"), examined="", wrong="", refused=""):
    """Whether the fused operation is taken on a GPU of which this is found, and what is said."""
    pair_operation._say_standard.cache_clear()
    pair_operation._refusal.cache_clear()
    caplog.set_level(logging.INFO, "cisreg")
    monkeypatch.setattr("cisreg.pair_operation.gpu_here", lambda: "GPU:0")
    monkeypatch.setattr("cisreg.pair_operation.registered_devices", lambda _: list(devices))
    monkeypatch.setattr("cisreg.pair_operation.examine", lambda gpu, dtype: SelfTest((), examined))
    monkeypatch.setattr("cisreg.pair_operation.why_wrong_on", lambda gpu: wrong)
    monkeypatch.setattr("cisreg.pair_operation.gpu_limits", lambda gpu: (90, 132, 227 << 10))
    asked = []

    class Native:
        @staticmethod
        def cuda_pair_refusal(*sizes, **options):
            asked.append((sizes, options))
            return refused

    monkeypatch.setattr("cisreg.pair_operation.native_module", lambda: Native)
    codes = tf.zeros([1, 17], tf.uint8)
    taken = {takes_fused_pairs(GPU_SIZES, codes, each) for each in ("auto", "fused")}
    assert len(taken) == 1
    return taken.pop(), asked


def test_the_fused_operation_on_a_gpu(monkeypatch, caplog):
    taken, asked = on_a_gpu(monkeypatch, caplog)
    assert taken and "standard operations" not in caplog.text
    sizes, options = asked[0]
    assert sizes == ((90, 132, 227 << 10), (1024, 17, 3, 2), (1, KNOTS["pair_knots"]))
    assert options == {"distance": KNOTS["pair_distance"], "padding": "same"}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"devices": ["CPU"]}, "this build of cisreg has no CUDA kernels"),
        ({"examined": "wrong numbers"}, "wrong numbers"),
        ({"wrong": "the score of a small"}, "the score of a small"),
        ({"refused": "log_kd: too wide"}, "log_kd: too wide"),
    ],
)
def test_standard_operations_on_a_gpu_that_cannot(monkeypatch, caplog, found, said):
    taken, _ = on_a_gpu(monkeypatch, caplog, **found)
    assert not taken
    text = f"the fused operation of pairs of factors: {said}: standard operations are used"
    assert caplog.text.count(text) == 1


def test_wrong_numbers_on_a_device_are_noticed(monkeypatch):
    right = pair_operation._small_problem("CPU:0")
    for name, value in right.items():
        wrong = {**right, name: value * 1.001}
        answers = iter([wrong, right])
        monkeypatch.setattr(
            "cisreg.pair_operation._small_problem", lambda _, answers=answers: next(answers)
        )
        pair_operation.why_wrong_on.cache_clear()
        assert pair_operation.why_wrong_on("CPU:0").startswith(
            f"{name} of a small problem is wrong"
        )
    pair_operation.why_wrong_on.cache_clear()


def test_the_fused_operation_in_a_graph_of_unknown_sizes():
    spec, parameters, sequence, column_range = random_case()
    names = ("log_kd", "log_concentration")
    effect, pair = parameters["pair_effect"], np.array(PAIRS, np.int32)
    arguments = [sequence, *(parameters[name] for name in names), effect, pair, column_range]
    unknown = [tf.TensorSpec([None] * each.ndim, each.dtype) for each in arguments]

    @tf.function(input_signature=unknown)
    def score(sequence, log_kd, log_concentration, effect, pair, column_range):
        inputs = as_inputs(sequence, log_kd, log_concentration, column_range=column_range)
        return pair_effects(inputs, effect, pair, distance=spec.pair_distance, padding="same")

    expected = expected_effects(spec, parameters, sequence, column_range).sum(axis=1)
    np.testing.assert_allclose(score(*arguments), expected, rtol=1e-4, atol=1e-5)


def test_fused_refuses_second_derivatives_and_wrong_numbers():
    spec, parameters, sequence, _ = random_case()
    concentration = tf.constant(parameters["log_concentration"])
    with tf.GradientTape() as outer:
        outer.watch(concentration)
        with tf.GradientTape() as inner:
            inner.watch(concentration)
            values = {**parameters, "log_concentration": concentration}
            arguments = (spec, values, tf.constant(sequence), None, None, "float32")
            score = pair_score(*arguments, "fused")
        slope = tf.convert_to_tensor(inner.gradient(score, concentration))
    with pytest.raises(LookupError, match=r'use implementation="standard" for second derivatives'):
        outer.gradient(slope, concentration)
    inputs = as_inputs(sequence, parameters["log_kd"], parameters["log_concentration"])
    for pair, message in ((3, "expected places of motifs, 0 to 2, got 3"), (-1, "got -1")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            pair_effects(inputs, tf.zeros([1, 2, 1]), [[0, pair]], distance=2, padding="same")


def test_a_saved_graph_loads_where_only_the_package_is_imported(tmp_path):
    spec, parameters, sequence, _ = random_case()

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 17], tf.uint8)])
        def score(self, codes):
            return pair_score(spec, parameters, codes, None, None, "float32", "fused")

    module = Module()
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    np.testing.assert_array_equal(loaded.score(sequence), module.score(sequence))


def test_curves_are_lines_between_knots_and_symmetric_for_one_factor():
    spec = ModelSpec(2, 3, 20, pairs=((0, 1), (1, 1)), **KNOTS)
    distance, curves = pair_curves(spec, np.array([SAME, SAME]))
    assert distance.tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert curves[0, 0].tolist() == [0, 1, 2, 4, 8, 16, 0]
    assert curves[1, 0].tolist() == [0, 8.5, 5, 4, 5, 8.5, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pairs": ((0, 3),)}, "two places of motifs each, 0 to 2"),
        ({"pairs": ((0,),)}, "two places of motifs each"),
        ({"pairs": ((0, 1), (1, 0))}, r"each pair once, in either order, got \[1, 0\]"),
        ({"pairs": ((1, 1), (1, 1))}, "each pair once"),
        ({"pair_knots": 5}, "expected pairs beside them"),
        ({"pairs": ((0, 1),), "competition": True}, "expected none with competition=True"),
        (
            {"pairs": ((0, 1),), "output_count": 2, "differ": ("log_concentration",)},
            "expected no log_concentration in a model with pairs",
        ),
        ({"pairs": ((0, 1),), "pair_distance": 50}, "pair_distance=50 has pair_knots=19"),
        ({"pairs": ((0, 1),), "pair_knots": 0}, "pair_knots: expected an integer of 1"),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ModelSpec(3, 4, 20, **options)


def test_the_spec_is_stored_and_names_are_found():
    spec = ModelSpec(3, 4, 20, pairs=((0, 1),), pair_distance=10, pair_knots=3)
    stored = {**spec.to_dict(), "pairs": [[0, 1]]}
    assert ModelSpec.from_dict(stored) == spec
    assert dataclasses.replace(spec, pairs=[[0, 1]]).pairs == ((0, 1),)
    assert named_pairs([["b", "a"]], ["a", "b"]) == ((1, 0),)
    with pytest.raises(ValueError, match=r"names of motifs \(a, b\), got 'c'"):
        named_pairs([["c", "a"]], ["a", "b"])
    with pytest.raises(ValueError, match="expected each pair once, in either order, got b:a again"):
        named_pairs([["a", "b"], ["b", "a"]], ["a", "b"])


def test_a_pair_is_bound_as_much_less_as_both_of_its_factors():
    spec = ModelSpec(3, 4, 20, pairs=PAIRS)
    paired = np.ones((2, 2, 2, 3, spec.pair_knots))
    scan = ModelScan(np.ones((2, 3)), np.ones((2, 2, 3)), paired=paired)
    scaled = scan.scaled(spec, np.array([0.5, 0.2, 1.0]))
    assert scaled.opening.tolist() == [[0.5, 0.2, 1.0]] * 2
    np.testing.assert_allclose(scaled.paired[0, 0, 0, :, 0], [0.5 * 0.2, 1.0 * 0.5, 0.2**2])


@pytest.mark.parametrize("width", [6, 7])
@pytest.mark.parametrize("constant", [0, 3])
def test_columns_that_no_motif_has_are_not_scanned_and_change_nothing(width, constant):
    random = np.random.default_rng(width)
    spec = ModelSpec(
        *(3, width, 20), pairs=PAIRS, pair_distance=9, pair_knots=5, constant_right=constant
    )
    columns = np.array([[2, 3, 2], [4, width - 1, 3]], np.int32)
    own = np.arange(width)[:, np.newaxis]
    own = (own >= columns[0]) & (own < columns[1])
    log_kd = random.normal(0, 2, (width, 4, 3)) * own[:, np.newaxis]
    parameters = dict(init_parameters(spec, log_kd, np.zeros(3)))
    parameters["pair_effect"] = random.normal(0, 1, (3, 2, 5)).astype(np.float32)
    sequence = random.integers(0, 5, (40, 20)).astype(np.uint8)

    @tf.function(input_signature=[tf.TensorSpec([2, 3], tf.int32)])
    def with_any_columns(columns):
        return predict(spec, parameters, sequence, column_range=columns).expression

    known = predict(spec, parameters, sequence, column_range=columns).expression
    np.testing.assert_allclose(known, with_any_columns(columns), rtol=1e-6, atol=1e-6)
    if not constant:
        whole = predict(spec, parameters, sequence).expression
        np.testing.assert_allclose(known, whole, rtol=1e-6, atol=1e-6)
