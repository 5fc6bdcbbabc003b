"""A comparison is fair only between programs that compute the same numbers.

Each library is imported in a separate process: two of them in one process may conflict.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from forked import Forked

from benchmarks.shared.measure import FORWARD, TRAIN_STEP, Servers
from benchmarks.shared.problem import Point, make_problem
from benchmarks.shared.rivals import IMPLEMENTATIONS, installed
from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient

ROOT = Path(__file__).parents[2]
# Writes the results of every implementation of a library, named by implementation and width.
PROGRAM = """
import sys
import numpy as np
from benchmarks.shared.problem import Point, make_problem
from benchmarks.shared.rivals import ALL, make_functions
computed = {}
for name, implementation in ALL.items():
    if implementation.package != sys.argv[1] or name == "PyTorch compiled" or "no scan" in name:
        continue
    for width in (5, 6):
        functions = make_functions(name, make_problem(Point(name, 4, 20, width, 3)))
        gradient = functions.forward_backward()
        outputs = (functions.forward(), *gradient)
        for output, array in zip(("bound", "log_kd", "log_concentration"), outputs):
            computed[f"{name}/{width}/{output}"] = array
np.savez(sys.argv[2], **computed)
"""


@pytest.mark.parametrize("package", ["tensorflow", "torch", "jax"])
def test_rivals_compute_the_same(package, tmp_path):
    names = [name for name, entry in IMPLEMENTATIONS.items() if entry.package == package]
    if not installed(names[0]):
        pytest.skip(f"{package} is not installed")
    file = tmp_path / "computed.npz"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, package, str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    computed = np.load(file)
    for name in {key.split("/")[0] for key in computed}:
        for width in (5, 6):
            check(name, width, computed)


def check(name, width, computed):
    problem = make_problem(Point(name, 4, 20, width, 3))
    expected, _ = occupancy_oracle(*problem[:3])
    np.testing.assert_allclose(computed[f"{name}/{width}/bound"], expected, rtol=1e-4, atol=1e-5)
    gradient = occupancy_oracle_gradient(*problem[:3], grad_bound=2 * expected)
    if "held" in name or "by width" in name:
        first, end = problem.column_range
        column = np.arange(width)[:, np.newaxis, np.newaxis]
        gradient["log_kd"] = gradient["log_kd"] * ((column >= first) & (column < end))
    for parameter in ("log_kd", "log_concentration"):
        actual = computed[f"{name}/{width}/{parameter}"]
        scale = np.abs(gradient[parameter]).max()
        np.testing.assert_allclose(actual, gradient[parameter], rtol=1e-3, atol=1e-4 * scale)


def test_rivals_train_the_same_model(tmp_path):
    """Losses are not reported, so the trained parameters are compared."""
    program = """
import numpy as np
import benchmarks.shared.rivals_tensorflow as rivals
from benchmarks.shared.problem import Point, make_problem
problem = make_problem(Point("", 8, 24, 6, 3, steps=2), training=True)
losses = []
for original, xla in ((False, False), (False, True), (True, False)):
    step = rivals._make_step(problem, original=original, xla=xla)
    sequence = problem.sequence[:8]
    if original:
        sequence = np.eye(5, 4, dtype="f")[sequence].transpose(0, 2, 1)[..., None]
    losses.append([float(step(sequence, problem.expression[:8])) for _ in range(3)])
import cisreg, tensorflow as tf
spec = cisreg.ModelSpec(3, 6, 24)
start = rivals.initial_parameters(problem)
prediction = cisreg.predict(spec, start, problem.sequence[:8]).expression
first = float(tf.reduce_mean((prediction - problem.expression[:8]) ** 2))
np.testing.assert_allclose(losses, [losses[0]] * 3, rtol=1e-4)
np.testing.assert_allclose(losses[0][0], first, rtol=1e-5)
assert losses[0][2] < losses[0][0]
"""
    script = tmp_path / "train.py"
    script.write_text(program)
    process = Forked(script)
    assert process.wait() == 0, process.communicate()


def test_a_point_is_measured_in_a_process_of_its_own():
    with Servers() as servers:
        point = Point("conv1d graph", 64, 50, 5, 64)
        results = [servers.measure(point, FORWARD, seconds=0.0) for _ in range(2)]
        training = servers.measure(point._replace(steps=2), TRAIN_STEP, seconds=0.0)
        failed = servers.measure(point._replace(dtype="float7"), FORWARD, seconds=0.0)
    for result in results:
        assert len(result["milliseconds"]) == 2
        # Its per-site tensor alone takes 2 * 64 * 50 * 64 * 4 bytes.
        assert result["peak_mebibytes"] > 1.5
    assert len(training["milliseconds"]) == len(training["epoch_seconds"]) == 1
    assert "float7" in failed["missing"]


def test_what_is_not_installed_is_said(monkeypatch):
    monkeypatch.setattr("benchmarks.shared.measure.installed", lambda name: False)
    with Servers() as servers:
        result = servers.measure(Point("JAX jit"), FORWARD, seconds=0.0)
    assert result == {"missing": "not installed"}
