"""Diagnosis of other machines than this one: no library, unused GPU, wrong numbers."""

from __future__ import annotations

import json
import re

import pytest
import tensorflow as tf
from test_self_test import FAULTS, Faulty
from typer.testing import CliRunner

from cisreg import diagnosis, products, self_test
from cisreg.cli import app
from cisreg.library import LibraryError, build_info


def find(findings, subject):
    (finding,) = (finding for finding in findings if finding.subject == subject)
    return finding


def test_registered_devices_knows_an_operation_of_tensorflow_and_none_that_is_unknown():
    assert "CPU" in diagnosis.registered_devices("MatMul")
    assert diagnosis.registered_devices("Cisreg>NoSuchOperation") == []


def test_a_library_that_does_not_load_is_an_error_with_status_1(monkeypatch):
    def load_ops():
        raise LibraryError("_ops.so is missing")

    monkeypatch.setattr(diagnosis, "load_ops", load_ops)
    assert find(diagnosis.diagnose(), "library").state == "error"
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "_ops.so is missing" in " ".join(result.output.split())


def test_a_gpu_without_kernels_is_said(monkeypatch):
    gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [gpu])
    monkeypatch.setattr(diagnosis, "registered_devices", lambda operation: ["CPU"])
    details = {"device_name": "Some GPU", "compute_capability": (9, 0)}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: details)
    findings = diagnosis.diagnose()
    assert find(findings, "GPU").text == "Some GPU, compute capability 9.0"
    kernels = find(findings, "kernels")
    assert kernels.state == "warning"
    assert "no GPU kernel" in kernels.text
    assert "CISREG_CUDA=on" in kernels.text


def test_an_xla_that_does_not_know_the_operation_is_said(monkeypatch):
    assert find(diagnosis.diagnose(), "XLA").state == "ok"
    monkeypatch.setattr(diagnosis, "why_not_compiled", lambda: "_xla.so is missing")
    finding = find(diagnosis.diagnose(), "XLA")
    assert finding.state == "warning"
    assert finding.text.startswith("_xla.so is missing; functions with jit_compile=True are")


def test_compilers_of_xla_are_no_devices():
    tf.function(tf.matmul, jit_compile=True)(tf.ones((1, 1)), tf.ones((1, 1)))
    devices = diagnosis.registered_devices("MatMul")
    assert "CPU" in devices
    assert not any("XLA" in device for device in devices)


def test_kernels_are_built_for_the_gpu_where_they_are_built_with_cuda():
    expected = ["CPU"] if build_info()["cuda"] == "off" else ["CPU", "GPU"]
    for operation in diagnosis.OPERATIONS:
        assert diagnosis.registered_devices(operation) == expected


def test_an_operation_that_fails_is_said(monkeypatch):
    def occupancy(*arguments, **options):
        raise tf.errors.UnimplementedError(None, None, "GPU: expected compute capability 7.5")

    monkeypatch.setattr(diagnosis, "occupancy", occupancy)
    findings = diagnosis.diagnose()
    assert find(findings, "agreement").state == "error"
    assert "expected compute capability 7.5" in find(findings, "agreement").text


def test_a_driver_without_a_gpu_in_tensorflow_is_a_warning_that_repeats_why(monkeypatch, tmp_path):
    driver = tmp_path / "version"
    driver.write_text("driver")
    monkeypatch.setattr(diagnosis, "NVIDIA_DRIVER", driver)
    message = "W0000 00:00:1.0 1 gpu_device.cc:1] Cannot dlopen some GPU libraries."
    finding = find(diagnosis.diagnose([message, "nothing about it"]), "GPU")
    assert finding.state == "warning"
    assert 'it says "Cannot dlopen some GPU libraries."; but this' in finding.text
    assert "tensorflow[and-cuda]" in finding.text


@pytest.mark.parametrize(("tolerance", "state"), [(1e-4, "ok"), (0.0, "error")])
def test_agreement_is_judged(monkeypatch, tolerance, state):
    monkeypatch.setattr(diagnosis, "_TOLERANCE", tolerance)
    assert find(diagnosis.diagnose(), "agreement").state == state


def test_a_self_test_that_fails_shows_both_sets_of_numbers(monkeypatch):
    monkeypatch.setattr(self_test, "load_ops", lambda: Faulty(*FAULTS["a strand"]))
    finding = find(diagnosis.diagnose(), "self-test, CPU:0")
    assert finding.state == "error"
    stored = json.loads(self_test.STORED.read_text())
    # Those that are right too.
    for name, values in stored.items():
        expected = rf"{re.escape(name)} -?[\d.]+ instead of {sum(values['sums']):.6f}"
        assert re.search(expected, finding.text)


def test_a_gpu_that_refuses_the_operation_is_said_with_its_reason(monkeypatch):
    def refused(device):
        reason = "" if device == "CPU:0" else "GPU: expected compute capability 7.5"
        compared = () if reason else (self_test.Compared("bound", 1.0, 1.0, 0.0),)
        return self_test.SelfTest(compared, reason)

    monkeypatch.setattr(diagnosis, "run_self_test", refused)
    monkeypatch.setattr(diagnosis, "registered_devices", lambda operation: ["CPU", "GPU"])
    monkeypatch.setattr(diagnosis, "listed_gpus", lambda: ("/device:GPU:0",))
    monkeypatch.setattr(diagnosis.pair_operation, "why_wrong_on", lambda gpu: "")
    monkeypatch.setattr(diagnosis.exclusive, "why_wrong_on", lambda gpu: f"{gpu} is too old")
    findings = diagnosis.diagnose()
    assert find(findings, "self-test, CPU:0").state == "ok"
    assert find(findings, "pairs, GPU:0").state == "ok"
    finding = find(findings, "competition, GPU:0")
    assert finding.state == "warning"
    assert finding.text == "standard operations are used there: /device:GPU:0 is too old"
    finding = find(findings, "self-test, GPU:0")
    assert finding.state == "error"
    assert finding.text.endswith("not used there: GPU: expected compute capability 7.5")


def test_tensor_float_32_is_measured_and_named(monkeypatch):
    finding = find(diagnosis.diagnose(), "float32 products")
    assert finding.state == "ok"
    assert "TensorFlow multiplies in float32 here" in finding.text
    matmul = tf.matmul

    def rounded(first, second, **options):
        return matmul(tf.round(first * 1024) / 1024, tf.round(second * 1024) / 1024, **options)

    monkeypatch.setattr(tf, "matmul", rounded)
    finding = diagnosis._check_products()
    assert finding.state == "ok"
    assert "errors of TensorFlow's 2.4e-04, of cisreg's 0.0e+00" in finding.text
    assert "TensorFloat-32 (TF32)" in finding.text
    with products.for_this_machine():
        assert diagnosis._check_products().state == "error"
