"""A process forked after TensorFlow computed something gives an error instead of hanging."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf
from tiny_model import SPEC, fit_tiny, make_dataset, start_parameters

from cisreg.forking import ForkedError, check_not_forked
from cisreg.model import predict

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def message_in_child(act) -> str:
    """The message of the error that a forked process raises in `act`; "" for none."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # Ends the child process if it waits for threads that do not exist in it.
        signal.alarm(20)
        text = b""
        try:
            act()
        except ForkedError as error:
            text = str(error).encode()
        finally:
            os.write(writing, text)
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    assert status == 0
    return text


@pytest.fixture(scope="module")
def data():
    dataset = make_dataset()
    tf.reduce_sum(tf.ones([2])).numpy()  # from now on TensorFlow has its threads
    return dataset


@pytest.mark.parametrize("name", ["fit", "predict", "occupancy"])
def test_a_process_forked_after_use_says_so_at_once(data, name):
    act = {
        "fit": lambda: fit_tiny(data),
        "predict": lambda: predict(SPEC, start_parameters(), data.sequence),
        "occupancy": check_not_forked,
    }[name]
    message = message_in_child(act)
    assert "forked after TensorFlow had computed something" in message
    assert 'get_context("spawn")' in message


def test_other_work_goes_on_in_such_a_process(data):
    """Work that needs no TensorFlow, such as scanning, is not refused."""

    def scan():
        import cisreg

        motifs = cisreg.MotifSet.from_matrices(["a"], [-np.eye(4)], width=4)
        assert len(cisreg.scan("ACGTACGT", motifs, -3.5).position) > 0

    assert message_in_child(scan) == ""


def test_a_process_forked_before_use_computes():
    script = """
        import os, signal
        import cisreg.occupancy
        import tensorflow as tf
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            bound = cisreg.occupancy(
                tf.zeros([2, 5], tf.uint8), tf.zeros([2, 4, 1]), tf.zeros([1]),
                implementation="standard",
            ).bound
            os._exit(0 if bound.shape == (2, 2, 1) else 1)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert ended.returncode == 0
