"""`auto` takes standard operations where the fused one cannot be used on a GPU, and says so once.

No GPU is here: TensorFlow lists one, and what CUDA and the kernels would do on it is put in place.
"""

from __future__ import annotations

import contextlib
import logging
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_self_test import FAULTS, Faulty

import cisreg
from cisreg import devices, implementation, self_test
from cisreg.devices import asked_device, for_any_device, gpu_here
from cisreg.keras import MotifOccupancy
from cisreg.oracle import occupancy_oracle
from cisreg.self_test import SelfTest

GPU = "/device:GPU:0"
T4, H100 = (75, 40, 65536), (90, 132, 232448)
DRIVER = (
    "cisreg on the GPU, reading the GPU's properties: CUDA driver version is insufficient for CUDA "
    "runtime version; update the driver"
)
OLD = "GPU: expected compute capability 7.5 or later, got 3.7; place the operation on the CPU"
NO_KERNELS = (
    "cisreg on the GPU, finding kernels for this GPU (CISREG_CUDA_ARCHITECTURES of the build): no "
    "kernel image is available for execution on the device"
)


class Native:
    """What `cisreg._native` of a build with CUDA says of a T4."""

    def __init__(self, most_columns=128):
        self.most_columns, self.asked = most_columns, []

    def cuda_limits(self, device):
        assert device == 0
        return T4

    def cuda_refusal(self, limits, sizes, **options):
        self.asked.append((limits, sizes, options))
        return f"log_kd: {sizes[2]} columns do not fit" if sizes[2] > self.most_columns else ""


@pytest.fixture
def gpu(monkeypatch):
    """A GPU is listed, the kernels are built for it and pass the self-test, which the CPU runs."""
    for cached in (implementation._warn_once, implementation._refusal, implementation.gpu_limits):
        cached.cache_clear()
    tested = []

    def on_cpu(device, compute_dtype):
        tested.append((device, compute_dtype))
        return self_test.run_self_test("CPU:0", compute_dtype)

    native = Native()
    monkeypatch.setattr(devices, "listed_gpus", lambda: (GPU,))
    monkeypatch.setattr(implementation, "listed_gpus", lambda: (GPU,))
    monkeypatch.setattr(devices, "asked_device", lambda: "")
    monkeypatch.setattr(implementation, "asked_device", lambda: "")
    monkeypatch.setattr(implementation, "has_gpu_kernels", lambda: True)
    monkeypatch.setattr(implementation, "native_module", lambda: native)
    monkeypatch.setattr(implementation, "run_self_test", on_cpu)
    monkeypatch.setattr(implementation, "_examined", {})
    native.tested = tested
    yield native
    for cached in (implementation._warn_once, implementation._refusal, implementation.gpu_limits):
        cached.cache_clear()


def refuse(monkeypatch, reason):
    monkeypatch.setattr(implementation, "run_self_test", lambda *arguments: SelfTest((), reason))


def example(width=5):
    random = np.random.default_rng(0)
    codes = random.integers(0, 5, (4, 30)).astype(np.uint8)
    return codes, random.normal(0, 1, (width, 4, 3)).astype(np.float32), np.zeros(3, np.float32)


def operations_of(function, *arguments):
    concrete = tf.function(function, autograph=False).get_concrete_function(*arguments)
    return {each.type for each in concrete.graph.get_operations()}


def bound(codes, log_kd, log_concentration, **options):
    return cisreg.occupancy(codes, log_kd, log_concentration, **options).bound


def takes_fused(**options):
    return "Cisreg>Occupancy" in operations_of(lambda: bound(*example(), **options))


def test_a_gpu_that_passes_is_used_and_tested_once(gpu, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert takes_fused()
            bound(*example(), implementation="fused")
    assert gpu.tested == [(GPU, "float32")]
    assert not caplog.messages
    assert takes_fused(compute_dtype="float16")
    assert gpu.tested == [(GPU, "float32"), (GPU, "float16")]


@pytest.mark.parametrize("reason", [DRIVER, OLD, NO_KERNELS])
def test_standard_operations_where_the_gpu_or_its_driver_is_too_old(
    gpu, monkeypatch, caplog, reason
):
    refuse(monkeypatch, reason)
    expected, _ = occupancy_oracle(*example())
    with caplog.at_level(logging.WARNING):
        np.testing.assert_allclose(bound(*example()), expected, rtol=1e-5)
        assert not takes_fused()
        bound(*example())
    said = f"standard operations are used instead of the fused one: GPU:0: {reason}"
    assert caplog.messages == [said]


def test_threads_that_ask_at_the_same_time_say_it_once(gpu, monkeypatch, caplog):
    refuse(monkeypatch, OLD)
    both = threading.Barrier(2)

    def slow(message, *arguments):
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(timeout=0.2)
        logging.getLogger("cisreg.occupancy").error(message, *arguments)

    monkeypatch.setattr(implementation.logger, "warning", slow)
    threads = [threading.Thread(target=lambda: bound(*example())) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("name", FAULTS)
def test_standard_operations_where_the_self_test_finds_other_numbers(
    gpu, monkeypatch, caplog, name
):
    monkeypatch.setattr(self_test, "load_ops", lambda: Faulty(*FAULTS[name]))
    with caplog.at_level(logging.WARNING):
        assert not takes_fused()
    (message,) = caplog.messages
    assert "GPU:0: the self-test got other numbers than expected: " in message
    assert "run cisreg doctor for all numbers, and build cisreg again" in message


def test_a_gpu_without_memory_is_tested_at_the_next_use(gpu, monkeypatch):
    passing = implementation.run_self_test

    def exhausted(*arguments):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(implementation, "run_self_test", exhausted)
    assert takes_fused()
    monkeypatch.setattr(implementation, "run_self_test", passing)
    assert takes_fused()
    assert gpu.tested == [(GPU, "float32")]


def test_fused_says_why_it_cannot(gpu, monkeypatch):
    refuse(monkeypatch, OLD)
    for call in (bound, tf.function(bound)):
        with pytest.raises(tf.errors.UnimplementedError, match="GPU:0: GPU: expected compute cap"):
            call(*example(), implementation="fused")
    assert not takes_fused(implementation="standard")


def test_fused_says_that_motifs_are_too_wide(gpu):
    with pytest.raises(tf.errors.UnimplementedError, match="GPU:0: log_kd: 129 columns do not"):
        bound(*example(129), implementation="fused")


def test_motifs_that_are_too_wide_are_standard_and_others_fused(gpu, caplog):
    with caplog.at_level(logging.WARNING):
        assert "Cisreg>Occupancy" in operations_of(lambda: bound(*example(128)))
        assert "Conv2D" in operations_of(lambda: bound(*example(129)))
    assert caplog.messages == [
        "standard operations are used instead of the fused one: GPU:0: log_kd: 129 columns do not "
        "fit"
    ]
    assert gpu.asked[0][:2] == (T4, (4, 30, 128, 3))


def test_sizes_that_a_graph_does_not_know(gpu):
    codes, log_kd, concentration = example()
    weight = np.ones((2, 30, 3), np.float32)
    unknown = tf.TensorSpec([None, None], tf.uint8)

    def weighted(codes):
        return cisreg.occupancy(codes, log_kd, concentration, position_weight=weight)

    assert "Cisreg>Occupancy" in operations_of(weighted, unknown)
    ((_, sizes, options),) = gpu.asked
    assert sizes[0] > 100
    assert sizes[1] > 1000
    assert options == {
        "weight_sets": 1,
        "condition_count": 1,
        "assigned": False,
        "padding": "same",
        "compute_dtype": "float32",
    }
    of_any_motif = tf.TensorSpec([None, 4, None], tf.float32)
    operations = operations_of(lambda log_kd: bound(codes, log_kd, concentration), of_any_motif)
    assert "Cisreg>Occupancy" in operations


def test_gradients_training_and_xla_take_what_works(gpu, monkeypatch):
    refuse(monkeypatch, OLD)
    codes, log_kd, concentration = (tf.constant(each) for each in example())

    def gradient(log_kd, **options):
        with tf.GradientTape() as tape:
            tape.watch(log_kd)
            total = tf.reduce_sum(bound(codes, log_kd, concentration, **options) ** 2)
        return tape.gradient(total, log_kd)

    expected = gradient(log_kd, implementation="standard")
    for function in (gradient, tf.function(gradient), tf.function(gradient, jit_compile=True)):
        np.testing.assert_allclose(function(log_kd), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("jit_compile", ["auto", False, True])
def test_keras_takes_what_works(gpu, monkeypatch, jit_compile):
    refuse(monkeypatch, OLD)
    codes, log_kd, _ = example()
    predictions = {}
    for name in ("standard", "auto"):
        layer = MotifOccupancy(log_kd, sum_strands=True, implementation=name)
        model = keras.Sequential([keras.Input((30,), dtype="uint8"), layer])
        model.compile("sgd", "mse", jit_compile=jit_compile)
        model.fit(codes, np.ones((4, 3)), epochs=2, verbose=0)
        predictions[name] = model.predict(codes, verbose=0)
    np.testing.assert_array_equal(predictions["auto"], predictions["standard"])


def test_a_build_without_cuda_computes_on_the_cpu(gpu, monkeypatch, caplog):
    monkeypatch.setattr(implementation, "has_gpu_kernels", lambda: False)
    assert takes_fused()
    assert gpu.tested == []
    monkeypatch.setattr(implementation, "asked_device", lambda: GPU)
    assert takes_fused()
    monkeypatch.setattr(tf.config, "get_soft_device_placement", lambda: False)
    assert not takes_fused()
    assert "this build of cisreg has no CUDA kernels" in caplog.messages[-1]


def test_graphs_for_other_machines_keep_the_fused_operation(gpu, monkeypatch):
    refuse(monkeypatch, OLD)
    with for_any_device():
        assert takes_fused()
        assert takes_fused(implementation="fused")
    assert not takes_fused()


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_where_an_operation_is_placed(monkeypatch, graph):
    gpus = ("/device:GPU:0", "/device:GPU:1")
    assert gpu_here() == ""
    monkeypatch.setattr(devices, "listed_gpus", lambda: gpus)

    def here():
        if not graph:
            return gpu_here()
        found = []
        tf.function(lambda: found.append(gpu_here())).get_concrete_function()
        return found[0]

    with tf.device(None):
        assert here() == gpus[0]
        with tf.device("GPU:1"):
            assert here() == gpus[1]
        with tf.device("CPU:0"):
            assert here() == ""
        strategy = tf.distribute.MirroredStrategy(["CPU:0"])
        assert strategy.run(here) == ""


def test_a_device_of_a_scope_is_known_in_graphs():
    found = []

    def function():
        with tf.device("GPU:1"):
            found.append(asked_device())

    tf.function(function).get_concrete_function()
    assert found[0].endswith("GPU:1")
    with tf.Graph().as_default():
        function()
    assert found[1].endswith("GPU:1")
