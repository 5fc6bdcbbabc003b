"""The operation in programs that XLA compiles: everywhere with the bits that it has outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_length import lengths_of
from test_occupancy import example, random_range, relative_error

import cisreg
from cisreg import xla
from cisreg.keras import MotifOccupancy
from cisreg.library import LibraryError, XlaSupport, build_info, ops_library, xla_support
from cisreg.oracle import occupancy_oracle
from cisreg.spec import window_count

# Without the XLA kernels the operation still works, in standard operations: the last tests.
needs_kernels = pytest.mark.skipif(
    not xla_support().platforms, reason=f"XLA does not compile it: {xla_support().reason}"
)
ROOT = Path(__file__).parents[2]
SHAPE = (37, 50, 9, 19)  # sequences, bases, columns, motifs
NAMES = ("position_weight", "column_range", "span", "length")
# Inputs, padding and reduction.
CASES = [
    ((), "same", "expected"),
    ((), "valid", "log_unbound"),
    (("position_weight",), "same", "log_unbound"),
    (("column_range",), "same", "expected"),
    (("span",), "valid", "expected"),
    (("length",), "same", "log_unbound"),
    (NAMES, "same", "expected"),
    (NAMES, "valid", "log_unbound"),
]


def test_xla_takes_what_was_built():
    """Otherwise the tests below would skip without a word."""
    assert "Host" in xla_support().platforms, xla_support().reason


def compiled(function):
    return tf.function(function, jit_compile=True, autograph=False)


def tensors(shape=SHAPE, padding="same"):
    arguments = example(shape, padding)
    return [tf.constant(arguments[name]) for name in ("sequence", "log_kd", "log_concentration")]


def optional_inputs(shape=SHAPE, padding="same"):
    """All optional inputs by name."""
    count, length, width, motifs = shape
    random = np.random.default_rng(0)
    windows = window_count(length, width, padding)
    return {
        "position_weight": tf.constant(random.normal(1, 1, (2, windows, motifs)), tf.float32),
        "column_range": tf.constant(random_range(width, motifs), tf.int32),
        "span": tf.constant(random.integers(0, length + 1, (count, 2)), tf.int32),
        "length": tf.constant(lengths_of(shape), tf.int32),
    }


def upstream(sums):
    """Weights of sums that differ, exact in float32."""
    return tf.reshape(tf.cast(tf.range(tf.size(sums)) % 7 - 3, tf.float32), tf.shape(sums))


def sums_and_gradients(sequence, log_kd, log_concentration, optional=None, **options):
    """Sums of the operation, and gradients of a number that depends on all of them."""
    optional = optional or {}
    trained = [log_kd, log_concentration]
    trained += [optional[name] for name in ("position_weight",) if name in optional]
    with tf.GradientTape() as tape:
        tape.watch(trained)
        bound, weighted = cisreg.occupancy(
            sequence, log_kd, log_concentration, **optional, **options
        )
        sums = [bound] if weighted is None else [bound, weighted]
        total = tf.add_n([tf.reduce_sum(each * upstream(each)) for each in sums])
    return sums + tape.gradient(total, trained)


def assert_same_bits(actual, expected):
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@needs_kernels
@pytest.mark.parametrize(("names", "padding", "reduction"), CASES)
def test_bits_are_those_outside(names, padding, reduction):
    given = optional_inputs(padding=padding)
    inputs = (*tensors(padding=padding), {name: given[name] for name in names})
    options = {"padding": padding, "reduction": reduction}
    assert_same_bits(
        compiled(lambda *inputs: sums_and_gradients(*inputs, **options))(*inputs),
        sums_and_gradients(*inputs, **options),
    )


@needs_kernels
def test_a_shared_span_and_types_of_sites():
    inputs = tensors()
    optional = {"span": tf.constant([5, 30])}
    for dtype in ("float32", "bfloat16"):
        function = compiled(
            lambda *inputs, dtype=dtype: sums_and_gradients(*inputs, compute_dtype=dtype)
        )
        assert_same_bits(function(*inputs, optional), sums_and_gradients(*inputs, optional))


@needs_kernels
@pytest.mark.parametrize("own", [False, True], ids=["all", "own"])
def test_conditions_and_sets_of_weights(own):
    sequence, log_kd, log_concentration = tensors()
    several = tf.stack([log_concentration, log_concentration - 1, 0.5 * log_concentration])
    weight = optional_inputs()["position_weight"]
    optional = {"position_weight": tf.stack([weight, 1 - weight])}
    if own:
        optional["condition"] = tf.range(SHAPE[0]) % 3
    inputs = (sequence, log_kd, several, optional)
    assert_same_bits(compiled(sums_and_gradients)(*inputs), sums_and_gradients(*inputs))


@needs_kernels
def test_any_number_of_sequences():
    """A function is traced for sizes of None, and compiled for each size; 0 and 1 are sizes too."""
    sequence, *parameters = tensors()
    function = tf.function(
        lambda sequence: sums_and_gradients(sequence, *parameters),
        jit_compile=True,
        reduce_retracing=True,
    )
    for count, length in ((37, 50), (5, 3), (1, 50), (0, 50)):
        rows = sequence[:count, :length]
        assert_same_bits(function(rows), sums_and_gradients(rows, *parameters))
    assert function.experimental_get_tracing_count() == 2


@needs_kernels
def test_large_enough_for_all_threads():
    inputs = tensors((700, 110, 12, 90))
    assert_same_bits(compiled(sums_and_gradients)(*inputs), sums_and_gradients(*inputs))


@needs_kernels
@pytest.mark.parametrize("names", [(), NAMES], ids=["plain", "all"])
def test_a_number_of_sequences_that_only_the_program_knows(names):
    """XLA compiles for the bound; what lies beyond the number must neither count nor be checked."""
    optional = {name: each for name, each in optional_inputs().items() if name in names}
    sequence, *parameters = tensors()
    kept = tf.constant(np.random.default_rng(1).random(SHAPE[0]) < 0.4)

    def masked(sequence, kept, optional):
        optional = {
            name: tf.boolean_mask(value, kept) if name in ("span", "length") else value
            for name, value in optional.items()
        }
        return sums_and_gradients(tf.boolean_mask(sequence, kept), *parameters, optional)

    # What the padding of XLA holds is not defined: codes that are none, here.
    wrong = tf.where(kept[:, tf.newaxis], sequence, tf.constant(9, tf.uint8))
    assert_same_bits(compiled(masked)(wrong, kept, optional), masked(wrong, kept, optional))


@needs_kernels
def test_other_sizes_that_only_the_program_knows_are_refused():
    sequence, *parameters = tensors()
    kept = tf.constant(np.arange(SHAPE[1]) % 2 == 0)

    def masked(kept):
        columns = tf.boolean_mask(sequence, kept, axis=1)
        return cisreg.occupancy(columns, *parameters).bound

    with pytest.raises(tf.errors.UnimplementedError, match="only a bound for dimension 1 of input"):
        compiled(masked)(kept)


@needs_kernels
def test_an_unknown_number_of_other_things_than_sequences_is_refused():
    """In words of ours that name the input: XLA's own would only say that it is not supported."""
    sequence, *parameters = tensors()
    weight = optional_inputs()["position_weight"]

    def masked(kept):
        kept_weight = tf.ensure_shape(tf.boolean_mask(weight, kept), [None, *weight.shape[1:]])
        return cisreg.occupancy(sequence, *parameters, position_weight=kept_weight).weighted

    with pytest.raises(tf.errors.UnimplementedError, match="only a bound for dimension 0 of input"):
        compiled(masked)(tf.constant([True, False]))


@needs_kernels
def test_control_flow():
    sequence, log_kd, log_concentration = tensors()

    def loop(sequence):
        def body(step, log_kd, log_concentration):
            _, by_kd, by_concentration = sums_and_gradients(sequence, log_kd, log_concentration)
            # Scaled by powers of two: no rounding, which XLA may do otherwise.
            return step + 1, log_kd + 2**-7 * by_kd, log_concentration + 2**-7 * by_concentration

        start = (0, log_kd, log_concentration)
        return tf.while_loop(lambda step, *_: step < 3, body, start)[1:]

    def branches(index):
        reductions = ("expected", "log_unbound")
        return tf.switch_case(
            index,
            [
                lambda reduction=reduction: sums_and_gradients(
                    sequence, log_kd, log_concentration, reduction=reduction
                )
                for reduction in reductions
            ],
        )

    def rows(sequence):
        each = lambda row: cisreg.occupancy(row[tf.newaxis], log_kd, log_concentration).bound[0]  # noqa: E731
        return [tf.map_fn(each, sequence, fn_output_signature=tf.float32)]

    for function, argument in ((branches, tf.constant(1)), (rows, sequence)):
        assert_same_bits(compiled(function)(argument), function(argument))
    for one, other in zip(compiled(loop)(sequence), loop(sequence), strict=True):
        assert relative_error(one, other) < 1e-6


@needs_kernels
def test_errors_are_those_outside():
    sequence, log_kd, log_concentration = tensors()
    shape = tf.TensorSpec(None, tf.uint8)
    wrong = tf.tensor_scatter_nd_update(sequence, [[2, 3]], [tf.constant(7, tf.uint8)])
    infinite = tf.where(log_kd == log_kd[0, 0, 0], np.float32(np.inf), log_kd)
    optional = {name: {name: value} for name, value in optional_inputs().items()}
    calls = [
        (wrong, log_kd, log_concentration, {}),
        (sequence, infinite, log_concentration, {}),
        (sequence, log_kd, log_concentration * np.nan, {}),
        (sequence, log_kd, log_concentration, {"span": tf.constant([0, 51])}),
        (sequence, log_kd, log_concentration, {"length": tf.fill([SHAPE[0]], 51)}),
        (sequence, log_kd, log_concentration, {"column_range": tf.fill([2, SHAPE[3]], 10)}),
        (sequence, log_kd, log_concentration,
         {"position_weight": optional["position_weight"]["position_weight"] * np.nan}),
    ]  # fmt: skip
    for inputs in calls:
        messages = []
        for function in (compiled(sums_and_gradients), tf.function(sums_and_gradients)):
            with pytest.raises(tf.errors.InvalidArgumentError) as raised:
                function(*inputs)
            messages.append(raised.value.message.partition("expected")[2].split(" [Op:")[0])
        assert messages[0].splitlines()[0] == messages[1].splitlines()[0]
    # Sizes that are known when XLA compiles, but not when the function is traced.
    unknown = tf.function(
        lambda sequence, log_kd: cisreg.occupancy(sequence, log_kd, log_concentration).bound,
        input_signature=[shape, tf.TensorSpec(None, tf.float32)],
        jit_compile=True,
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="log_concentration: expected"):
        unknown(sequence, log_kd[:, :, :4])


@needs_kernels
def test_second_derivatives_are_refused():
    inputs = tensors()

    @compiled
    def twice():
        with tf.GradientTape() as outer:
            outer.watch(inputs[1])
            gradient = sums_and_gradients(*inputs)[1]
        return outer.gradient(gradient, inputs[1])

    with pytest.raises(LookupError, match="first derivatives in reverse mode only"):
        twice()


@needs_kernels
def test_what_xla_is_given():
    function = compiled(lambda *inputs: sums_and_gradients(*inputs))
    # For a GPU too where there is none.
    platforms = {"Host": "CPU", "CUDA": "GPU"}
    for platform in xla_support().platforms:
        program = function.experimental_get_compiler_ir(*tensors())
        text = program(stage="hlo", platform_name=platforms[platform])
        assert text.count("custom-call") == text.count("API_VERSION_TYPED_FFI") == 2
        for target in ("cisreg.occupancy", "cisreg.occupancy_gradient"):
            assert f'custom_call_target="{target}"' in text
        assert "reduction = 0 : i32" in text


DAMAGED_CALLS = {
    "no attributes": "position_weight is not an attribute from 0 to 1",
    "attribute compute_type": "compute_type is not an attribute from 0 to 2",
    **{
        f"attribute {name}": f"{name} is not an attribute from 0 to 1"
        for name in ("reduction", "same_padding", *NAMES, "condition")
    },
    "two arguments": "log_concentration is missing",
    "four arguments": "arguments are more than the attributes tell",
    "double argument": "log_kd has an unexpected type",
    "no result": "results: expected 1, got 0",
    "more results": "results: expected 2, got 3",
    "double result": "result 0: expected float32 of shape [60,2,40]",
    "flat result": "result 0: expected float32 of shape [9,4,40]",
}


def test_the_handlers_whatever_xla_gives_them(tmp_path):
    """`xla_calls.cc`: any number of threads at any time, and programs stored by another build."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    program, folder = tmp_path / "xla_calls", ROOT / "cisreg"
    major, minor = tf.__version__.split(".")[:2]
    subprocess.run(
        [
            *("g++", "-std=c++17", "-Wall", "-Wextra", "-o", program),
            *(f"-DTF_MAJOR_VERSION={major}", f"-DTF_MINOR_VERSION={minor}"),
            *(f"-I{ROOT / 'csrc'}", f"-I{ROOT}", "-isystem", tf.sysconfig.get_include()),
            Path(__file__).with_name("xla_calls.cc"),
            *(ROOT / "csrc/xla" / f"{name}.cc" for name in ("call", "host", "pool", "problem")),
            *(folder / "libcisreg_kernels.so", f"-Wl,-rpath,{folder}", "-pthread"),
        ],
        check=True,
    )
    done = subprocess.run([program], check=True, capture_output=True, text=True, timeout=300)
    same = "fine, fine, same bits"
    assert dict(line.split("\t") for line in done.stdout.splitlines()) == {
        "no pool": same,
        "threads": same,
        "the calling thread": same,
        "when all is done": f"{same}, late helpers",
        "a single helper": same,
        **{
            call: f"{said}; compile the program with this build of cisreg"
            for call, said in DAMAGED_CALLS.items()
        },
        "errors left": "0",
    }


@needs_kernels
def test_a_build_with_cuda_has_handlers_for_it():
    expected = ("Host",) if build_info()["cuda"] == "off" else ("Host", "CUDA")
    assert xla_support().platforms == expected


def keras_model(*, jit_compile, policy="float32"):
    keras.utils.set_random_seed(0)
    log_kd = example((1, 1, 7, 5))["log_kd"]
    model = keras.Sequential(
        [
            keras.Input((30,), dtype="uint8"),
            MotifOccupancy(log_kd, position_weight=True, output="weighted", dtype=policy),
            keras.layers.Flatten(),
            keras.layers.Dense(1, dtype="float32"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=jit_compile)
    return model


@needs_kernels
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_keras_fit(policy):
    random = np.random.default_rng(0)
    x = random.integers(0, 5, (50, 30)).astype(np.uint8)  # the last batch is smaller
    y = random.normal(size=(50, 1)).astype(np.float32)
    histories, weights = [], []
    for jit_compile in (True, False):
        model = keras_model(jit_compile=jit_compile, policy=policy)
        histories.append(model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0))
        weights.append(model.get_weights())
    losses = [each.history["loss"] for each in histories]
    # The rest of the step is rounded otherwise.
    tolerance = 1e-5 if policy == "float32" else 1e-2
    np.testing.assert_allclose(losses[0], losses[1], rtol=tolerance)
    assert losses[0][1] < losses[0][0]
    for one, other in zip(*weights, strict=True):
        assert relative_error(one, other) < tolerance
    x[3, 4] = 6
    with pytest.raises(tf.errors.InvalidArgumentError, match="in sequence 3 at base 4"):
        keras_model(jit_compile=True).fit(x, y, batch_size=16, shuffle=False, verbose=0)


@needs_kernels
def test_a_saved_function_is_compiled_where_it_is_loaded(tmp_path):
    sequence, log_kd, log_concentration = tensors()
    module = tf.Module()
    module.log_kd = tf.Variable(log_kd)

    @tf.function(input_signature=[tf.TensorSpec([None, SHAPE[1]], tf.uint8)], jit_compile=True)
    def bound(sequence):
        return cisreg.occupancy(sequence, module.log_kd, log_concentration).bound

    module.bound = bound
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    expected = cisreg.occupancy(sequence, log_kd, log_concentration).bound
    for rows in (sequence, sequence[:4]):
        assert_same_bits([loaded.bound(rows)], [expected[: len(rows)]])
    assert "custom-call" in loaded.bound.experimental_get_compiler_ir(sequence)(stage="hlo")


# In processes of their own: TensorFlow reads flags and numbers of threads once.
CLUSTERED = """
import glob, sys
import numpy as np, tensorflow as tf
tf.function(lambda x: x + 1, jit_compile=True)(1.0)  # before the kernels are loaded
import cisreg
data = np.load(sys.argv[1])
@tf.function
def function(sequence, log_kd, log_concentration):
    return cisreg.occupancy(sequence, 2 * log_kd, log_concentration / 2).bound * 2
bound = function(data["sequence"], data["log_kd"] / 2, data["log_concentration"] * 2) / 2
np.testing.assert_array_equal(bound, data["bound"])
texts = [open(name).read() for name in glob.glob(sys.argv[2] + "/*before_optimizations.txt")]
assert any('custom_call_target="cisreg.occupancy"' in text for text in texts), texts
"""
ONE_THREAD = """
import sys, threading
import numpy as np, tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
ops = tf.load_op_library(sys.argv[3])  # as a program that is not ours
tf.load_library(sys.argv[3].replace("_ops_", "_xla_"))
data = np.load(sys.argv[1])
inputs = [tf.constant(data[name]) for name in ("sequence", "log_kd", "log_concentration")]
def occupancy(*inputs):
    none = dict(position_weight=[], column_range=[], span=[], length=[], condition=[])
    return ops.cisreg_occupancy(*inputs, **none)[0]
@tf.function(jit_compile=True)
def function(sequence, *parameters):
    sums = occupancy(sequence, *parameters)
    others = occupancy(sequence[::-1], *parameters)
    return sums, others[::-1]
def work():
    for _ in range(5):
        results.append([each.numpy() for each in function(*inputs)])
results = []
threads = [threading.Thread(target=work) for _ in range(8)]
for each in threads: each.start()
for each in threads: each.join()
assert len(results) == 40
for each in results:
    for bound in each:
        np.testing.assert_array_equal(bound, data["bound"])
"""


@pytest.fixture
def stored(tmp_path):
    """A file of inputs and sums, large enough to be shared among threads."""
    inputs = tensors((300, 60, 12, 40))
    sums = cisreg.occupancy(*inputs).bound
    names = ("sequence", "log_kd", "log_concentration", "bound")
    path = tmp_path / "stored.npz"
    np.savez(path, **dict(zip(names, [*inputs, sums], strict=True)))
    return path


@needs_kernels
@pytest.mark.parametrize("program", [CLUSTERED, ONE_THREAD], ids=["clustered", "one_thread"])
def test_in_a_process_of_its_own(program, stored, tmp_path):
    """Automatic clustering; and no deadlock where the pool has one thread, which waits."""
    dump = tmp_path / "dump"
    flags = {}
    if program is CLUSTERED:
        flags = {
            "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit "
            "--tf_xla_min_cluster_size=2",
            "XLA_FLAGS": f"--xla_dump_to={dump}",
        }
    script = tmp_path / "program.py"
    script.write_text(program)
    done = subprocess.run(
        [sys.executable, str(script), str(stored), str(dump), ops_library()],
        env={**os.environ, "PYTHONPATH": str(ROOT), **flags},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture
def no_kernels(monkeypatch):
    support = XlaSupport((), "_xla.so is missing")
    monkeypatch.setattr(xla, "xla_support", lambda: support)
    monkeypatch.setattr(xla, "_said", set())


def test_standard_operations_where_xla_does_not_know_it(no_kernels, caplog):
    inputs = tensors()

    def function(*inputs):
        return cisreg.occupancy(*inputs).bound

    for _ in range(2):  # two traces, one line
        bound = compiled(function)(*inputs)
        assert relative_error(bound, occupancy_oracle(*map(np.asarray, inputs))[0]) < 1e-5
    said = [record.message for record in caplog.records if "XLA" in record.message]
    assert len(said) == 1
    assert said[0].endswith(
        "standard operations are used under jit_compile=True: _xla.so is missing"
    )
    graph = tf.function(function).get_concrete_function(*inputs).graph
    assert "Cisreg>Occupancy" in {each.type for each in graph.get_operations()}
    with pytest.raises(LibraryError, match=r"XLA cannot compile .*_xla\.so is missing"):
        compiled(lambda *inputs: cisreg.occupancy(*inputs, implementation="fused").bound)(*inputs)


def test_a_gpu_and_a_build_without_cuda(monkeypatch):
    devices = {"GPU": ["GPU:0"]}
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: devices.get(kind, []))
    monkeypatch.setattr(xla, "xla_support", lambda: XlaSupport(("Host",), ""))
    assert "no CUDA kernels" in xla.why_not_compiled()
    monkeypatch.setattr(xla, "xla_support", lambda: XlaSupport(("Host", "CUDA"), ""))
    assert xla.why_not_compiled() == ""
