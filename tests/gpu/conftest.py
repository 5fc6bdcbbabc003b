"""What the tests inside TensorFlow on a GPU share."""

from __future__ import annotations

import pytest
import tensorflow as tf


@pytest.fixture
def on_gpu():
    """Runs a whole test on the GPU and nothing of it elsewhere; skips it where there is none."""
    if not tf.config.list_physical_devices("GPU"):
        pytest.skip("TensorFlow sees no GPU here")
    soft = tf.config.get_soft_device_placement()
    tf.config.set_soft_device_placement(False)
    with tf.device("GPU:0"):
        yield
    tf.config.set_soft_device_placement(soft)
