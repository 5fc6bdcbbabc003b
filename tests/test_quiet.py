"""TensorFlow's messages at startup: routine ones are dropped, all others are passed on."""

from __future__ import annotations

import errno
import io
import os
import sys
import tempfile

import pytest

from cisreg import quiet

ROUTINE = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1795384092.233599   14249 cudart_stub.cc:31] Could not find cuda drivers",
    "2026-11-22 21:42:11.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] This binary",
    "To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow",
)
NO_GPU = "E0000 00:00:1795384095.973623   14249 cuda_platform.cc:52] failed call to cuInit: 303"
ERROR = "E0000 00:00:1795384095.973623   14249 somewhere.cc:1] the disk is on fire"


@pytest.fixture
def says(monkeypatch, capfd):
    """Makes TensorFlow write these lines to file descriptor 2 when it looks for devices."""

    def say(*lines: str) -> None:
        def list_physical_devices() -> None:
            os.write(2, "".join(line + "\n" for line in lines).encode())

        import tensorflow as tf

        monkeypatch.setattr(tf.config, "list_physical_devices", list_physical_devices)

    return say


def test_routine_is_dropped_and_errors_are_passed_on(says, capfd, monkeypatch, tmp_path):
    monkeypatch.setattr(quiet, "NVIDIA_DRIVER", tmp_path / "missing")
    says(*ROUTINE, NO_GPU, ERROR)
    assert quiet.start_tensorflow() == [ERROR]
    assert capfd.readouterr().err == ERROR + "\n"


def test_a_gpu_that_does_not_start_is_no_routine(says, capfd, monkeypatch, tmp_path):
    driver = tmp_path / "version"
    driver.write_text("driver")
    monkeypatch.setattr(quiet, "NVIDIA_DRIVER", driver)
    says(*ROUTINE, NO_GPU)
    assert quiet.start_tensorflow() == [NO_GPU]


def test_explain_returns_everything_and_prints_nothing(says, capfd):
    says(*ROUTINE, ERROR)
    assert quiet.start_tensorflow(explain=True) == [*ROUTINE, ERROR]
    assert capfd.readouterr().err == ""


def test_a_full_disk_hides_no_message(says, capfd, monkeypatch):
    def full(*arguments, **options):
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    says(*ROUTINE, ERROR)
    assert quiet.start_tensorflow(explain=True) == [*ROUTINE, ERROR]
    # Neither where there are no files in memory; then the routine messages are seen too.
    monkeypatch.delattr(os, "memfd_create", raising=False)
    assert quiet.start_tensorflow() == []
    assert capfd.readouterr().err == "".join(line + "\n" for line in (*ROUTINE, ERROR))


def test_without_standard_error_tensorflow_starts(says, monkeypatch, capfd):
    says(*ROUTINE)
    monkeypatch.setattr(sys, "stderr", None)
    original = os.dup(2)
    try:
        os.close(2)
        assert quiet.start_tensorflow() == []
    finally:
        os.dup2(original, 2)
        os.close(original)


def test_messages_that_cannot_be_written_are_lost(says, monkeypatch):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(errno.ENOSPC, "No space left on device")

    says(ERROR)
    monkeypatch.setattr(sys, "stderr", Full())
    assert quiet.start_tensorflow() == [ERROR]


def test_what_was_said_before_a_failure_is_passed_on(monkeypatch, capfd):
    import tensorflow as tf

    def fail() -> None:
        os.write(2, (ROUTINE[0] + "\n").encode())
        raise RuntimeError("no devices")

    monkeypatch.setattr(tf.config, "list_physical_devices", fail)
    with pytest.raises(RuntimeError, match="no devices"):
        quiet.start_tensorflow()
    assert ROUTINE[0] in capfd.readouterr().err
    os.write(2, b"standard error is back\n")
    assert "standard error is back" in capfd.readouterr().err
