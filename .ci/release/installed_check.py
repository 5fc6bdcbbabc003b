"""What `install_matrix.py` runs in an environment into which the wheel was installed.

    python installed_check.py alone             # an environment without TensorFlow
    python installed_check.py write FOLDER      # checks, and a SavedModel with its numbers
    python installed_check.py read FOLDER ...   # SavedModels that other environments wrote

Prints a JSON object; a check that fails is an exception.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import numpy as np

SHAPE = (6, 40, 9, 5)  # N, L, W, M
# Of the fused operation against float64: sums of L numbers in float32, relative to the largest.
TOLERANCE = 2e-5


class Messages(logging.Handler):
    """The warnings of cisreg, as users read them."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []

    def emit(self, record):
        """Keeps a message."""
        self.texts.append(record.getMessage())


def problem():
    """Codes, log Kd and log concentration, the same in every environment."""
    count, length, width, motifs = SHAPE
    random = np.random.default_rng(0)
    return (
        random.integers(0, 5, (count, length)).astype(np.uint8),
        random.normal(0, 1, (width, 4, motifs)).astype(np.float32),
        random.normal(-2, 1, motifs).astype(np.float32),
    )


def expected(upstream):
    """The law in float64, and its gradient by log Kd as central differences."""
    from cisreg.oracle import occupancy_oracle

    codes, log_kd, log_concentration = problem()

    def loss(kd):
        bound, _ = occupancy_oracle(codes, kd, log_concentration.astype(np.float64))
        return float(np.sum(bound * upstream))

    step, kd = 1e-5, log_kd.astype(np.float64)
    gradient = np.zeros_like(kd)
    for index in np.ndindex(kd.shape):
        kd[index] += step
        above = loss(kd)
        kd[index] -= 2 * step
        gradient[index] = (above - loss(kd)) / (2 * step)
        kd[index] += step
    return occupancy_oracle(codes, kd, log_concentration.astype(np.float64))[0], gradient


def compare(name, got, wanted, tolerance=TOLERANCE):
    """Raises where numbers differ by more than the tolerance, relative to the largest."""
    difference = float(np.max(np.abs(np.asarray(got) - wanted)) / np.max(np.abs(wanted)))
    if not difference <= tolerance:
        raise AssertionError(f"{name}: differs by {difference:.1e}, expected {tolerance:.0e}")


def check_numpy():
    """Kernels, motifs and scanning, which need no TensorFlow."""
    import cisreg
    import cisreg.numpy
    from cisreg.motifs import demo_motifs

    upstream = np.random.default_rng(1).normal(size=(SHAPE[0], 2, SHAPE[3])).astype(np.float32)
    bound, gradient = expected(upstream)
    compare("cisreg.numpy.occupancy", cisreg.numpy.occupancy(*problem()).bound, bound)
    codes, log_kd, log_concentration = problem()
    got = cisreg.numpy.occupancy_gradient(codes, log_kd, log_concentration, upstream)
    compare("cisreg.numpy.occupancy_gradient", got.log_kd, gradient)
    motifs = demo_motifs()
    hits = cisreg.scan(
        cisreg.encode(["ACGTTGCATTTTACGTAACC" * 20]), motifs, cisreg.p_value_threshold(motifs, 1e-2)
    )
    assert len(hits.position) > 0
    assert "tensorflow" not in sys.modules


def alone():
    """An environment without TensorFlow."""
    import cisreg

    check_numpy()
    try:
        _ = cisreg.occupancy
    except ImportError as error:
        assert "pip install 'cisreg[tensorflow]'" in str(error), error
    else:
        raise AssertionError("occupancy without TensorFlow")
    return {"numpy": "ok", "said": "pip install 'cisreg[tensorflow]'"}


def check_gradient(cisreg, tf):
    """The fused operation against the law in float64, and under XLA."""
    codes, log_kd, log_concentration = map(tf.constant, problem())
    upstream = np.random.default_rng(1).normal(size=(SHAPE[0], 2, SHAPE[3])).astype(np.float32)

    def sums_and_gradient(log_kd, implementation):
        with tf.GradientTape() as tape:
            tape.watch(log_kd)
            bound = cisreg.occupancy(
                codes, log_kd, log_concentration, implementation=implementation
            ).bound
            loss = tf.reduce_sum(bound * upstream)
        return bound, tape.gradient(loss, log_kd)

    bound, gradient = expected(upstream)
    fused = sums_and_gradient(log_kd, "fused")
    compare("occupancy", fused[0], bound)
    compare("gradient", fused[1], gradient)
    compiled = tf.function(lambda kd: sums_and_gradient(kd, "auto"), jit_compile=True)
    jitted = compiled(log_kd)
    compare("occupancy under XLA", jitted[0], bound)
    compare("gradient under XLA", jitted[1], gradient)
    compiled(log_kd)


def check_training():
    """A small simulation and a training on it, whose loss falls."""
    import cisreg

    motifs = cisreg.motifs.demo_motifs()
    simulation = cisreg.simulate(motifs, sequence_count=400)
    rows = cisreg.Dataset(simulation.sequence, simulation.expression)
    spec = cisreg.ModelSpec(len(motifs), motifs.width, simulation.sequence.shape[1])
    start = cisreg.init_parameters(spec, motifs.log_kd, motifs.lowest_log_kd())
    stage = cisreg.Stage(tuple(start), epochs=3, learning_rate=0.02, batch_size=64)
    result = cisreg.fit(spec, start, rows, [stage], validation=0.2, progress=False)
    losses = [record.loss for record in result.history]
    assert losses[-1] < losses[0], losses
    return losses


def write(folder):
    """All checks; leaves a SavedModel of the operation and its gradient, and its numbers."""
    messages = Messages()
    logging.getLogger("cisreg").addHandler(messages)
    check_numpy()
    import cisreg

    import tensorflow as tf  # isort: skip, cisreg first

    from cisreg.library import xla_support

    check_gradient(cisreg, tf)
    losses = check_training()
    codes, log_kd, log_concentration = problem()

    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.log_kd = tf.Variable(log_kd)

        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.uint8)])
        def bound(self, sequence):
            return cisreg.occupancy(sequence, self.log_kd, log_concentration).bound

    module = Module()
    tf.saved_model.save(module, str(folder / "model"))
    np.savez(folder / "numbers.npz", bound=module.bound(codes).numpy())
    return {
        "tensorflow": tf.__version__,
        "keras": tf.keras.__version__,
        "numpy": np.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "xla": ", ".join(xla_support().platforms) or xla_support().reason,
        "losses": losses,
        "warnings": messages.texts,
    }


def read(folders):
    """Loads SavedModels of others: the same bits, and a gradient."""
    import tensorflow as tf

    import cisreg  # noqa: F401, registers the operation

    codes, log_kd, _ = problem()
    results = {}
    for folder in folders:
        try:
            module = tf.saved_model.load(str(folder / "model"))
            with tf.GradientTape() as tape:
                bound = module.bound(codes)
            assert tape.gradient(bound, module.log_kd).shape == log_kd.shape
            same = np.array_equal(bound, np.load(folder / "numbers.npz")["bound"])
            results[folder.name] = "ok" if same else "other numbers"
        except Exception as error:
            results[folder.name] = f"{type(error).__name__}: {error}".splitlines()[0]
    return results


if __name__ == "__main__":
    command, paths = sys.argv[1], [Path(word) for word in sys.argv[2:]]
    answer = {"alone": alone, "write": lambda: write(*paths), "read": lambda: read(paths)}[
        command
    ]()
    print(json.dumps(answer))
