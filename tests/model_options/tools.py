"""The tools that every row of the table is tried with; each is a function of a case.

A tool that a row refuses must raise the error before anything else can fail.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tensorflow as tf
from model_options.rows import EPOCHS, Case
from tiny_model import assert_same_bits

import cisreg
from cisreg.interpret import read_out, scan_model
from cisreg.keras import ThermodynamicModel
from cisreg.links import link_value
from cisreg.report import write_report
from cisreg.saved_model import _Exported
from cisreg.uncertainty import Ensemble, estimate_certainty
from cisreg.uncertainty.jacobian import jacobian

# A tool's float32 against another's, in units of the spread of expression.
_ROUNDING = 1e-5


def _predicted(case: Case, codes=None, *, implementation="standard", **parameters):
    """Expression of the model with some parameters changed; of standard operations."""
    model = replace(case.model, parameters={**case.model.parameters, **parameters})
    sequence = case.codes if codes is None else codes
    return np.asarray(model.predict(sequence, implementation=implementation).expression)


def _assert_close(found, expected, tolerance=_ROUNDING):
    assert np.shape(found) == np.shape(expected)
    # An equal number for all sequences would be equal to anything that is constant, too.
    assert np.std(expected) > 0
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * np.std(expected))


def operation(case: Case) -> None:
    """The fused operation gives what the standard operations give, and the same gradients."""
    numbers = {}
    for implementation in ("standard", "auto"):
        variables = {name: tf.Variable(each) for name, each in case.model.parameters.items()}
        with tf.GradientTape() as tape:
            expression = cisreg.predict(
                *(case.spec, variables, case.codes),
                column_range=case.column_range,
                implementation=implementation,
            ).expression
            total = tf.reduce_sum(expression**2)
        slopes = tape.gradient(total, variables)
        numbers[implementation] = {"expression": expression, **slopes}
    assert set(numbers["auto"]) == {"expression", *case.spec.parameter_shapes}
    for name, expected in numbers["standard"].items():
        largest = np.abs(expected).max()
        assert largest > 0, name
        np.testing.assert_allclose(numbers["auto"][name], expected, rtol=1e-4, atol=1e-5 * largest)


def numpy_read_out(case: Case) -> None:
    """NumPy's read-out gives the predictions of TensorFlow."""
    found = read_out(case.model, scan_model(case.model, case.codes)).expression
    _assert_close(found, _predicted(case))


def resume(case: Case) -> None:
    """A run that goes on from a checkpoint ends with the same bits."""
    with TemporaryDirectory() as folder:
        options = {"checkpoint_directory": folder, "keep_checkpoints": 99}
        whole = case.fit(**options)
        saved = sorted(Path(folder).glob("*.ckpt"))
        assert len(saved) == EPOCHS
        for path in saved[2:]:
            path.unlink()
        resumed = case.fit(resume=True, **options)
    assert_same_bits(whole.parameters, resumed.parameters)
    assert whole.noise == resumed.noise
    losses = [[each.validation_loss for each in run.history] for run in (whole, resumed)]
    assert losses[0] == losses[1]
    assert losses[0][-1] < losses[0][0]


def mixed_precision(case: Case) -> None:
    """Training in 16 bits computes other bits where it can, and ends near where float32 ends."""
    trained = case.fit(implementation="standard")
    # On the CPU only standard operations compute in 16 bits.
    result = case.fit(implementation="standard", precision="mixed_bfloat16")
    assert {value.dtype for value in result.parameters.values()} == {np.dtype(np.float32)}
    start = trained.unit.from_standard(case.start())
    start, expected, found = (
        _predicted(case, **each) for each in (start, trained.parameters, result.parameters)
    )
    assert np.isfinite(found).all()
    if case.spec.competition:
        # Sites that exclude each other are computed in float32, which the log says.
        np.testing.assert_array_equal(found, expected)
    else:
        assert 0 < np.std(found - expected) < 0.1 * np.std(expected - start)


def store(case: Case) -> None:
    """A model that was stored and loaded is the same."""
    with TemporaryDirectory() as folder:
        cisreg.save_model(Path(folder) / "model", case.model)
        loaded = cisreg.load_model(Path(folder) / "model")
    assert loaded.spec == case.spec
    assert_same_bits(dict(case.model.parameters), dict(loaded.parameters))
    assert loaded.noise == case.model.noise
    np.testing.assert_array_equal(loaded.predict(case.codes).expression, _fused(case))


def _fused(case: Case):
    return _predicted(case, implementation="auto")


def saved_model(case: Case) -> None:
    """The graphs of a SavedModel give the bits of `predict`, with and without the operation."""
    for implementation in ("fused", "standard"):
        graph = _Exported(case.model, implementation).signatures()["codes_binding"]
        found = graph(tf.constant(case.codes))
        expected = case.model.predict(case.codes, binding=True, implementation=implementation)
        for name, value in found.items():
            np.testing.assert_array_equal(value, getattr(expected, name), err_msg=name)


def keras_model(case: Case) -> None:
    """A Keras model gives the bits of `predict`, trains, and comes back as it was."""
    made = ThermodynamicModel.from_model(case.model)
    found = made.predict(case.codes, batch_size=256, verbose=0)
    np.testing.assert_array_equal(found.reshape(_fused(case).shape), _fused(case))
    back = made.to_model()
    assert_same_bits(dict(case.model.parameters), dict(back.parameters))
    assert (back.spec, back.noise, back.unit) == (case.spec, case.model.noise, case.model.unit)
    again = ThermodynamicModel.from_config(made.get_config()).to_model()
    assert (again.spec, again.noise) == (back.spec, back.noise)


def knock_outs(case: Case) -> None:
    """Without a factor, expression is that of a model whose factor has no concentration."""
    effects = cisreg.interpret.knock_outs(case.model, case.codes)
    for name, effect in zip(effects.factor, effects.mean_effect, strict=True):
        concentration = case.model.log_concentration.copy()
        concentration[..., case.motifs.names.index(name)] = -np.inf
        change = _predicted(case) - _predicted(case, log_concentration=concentration)
        assert np.std(change) > 0
        np.testing.assert_allclose(effect, change.mean(axis=0), rtol=1e-4, atol=1e-5)


def contributions(case: Case) -> None:
    """The parts of the factors add up to the prediction."""
    parts = case.model.explain(case.codes)
    total = parts.activity.sum(axis=(1, 2)) + parts.opening.sum(axis=1) + parts.direct
    total += parts.baseline
    _assert_close(link_value(case.spec.link, case.model.parameters, total), _predicted(case))


def mutations(case: Case) -> None:
    """The effect of a mutation is the prediction of the mutant minus that of the sequence."""
    codes = case.codes[5:7]
    effect = case.model.mutagenesis(codes).effect
    for place in (0, 4, case.row.length // 2, case.row.length - 1):
        for base in range(4):
            mutant = codes.copy()
            mutant[:, place] = np.where(codes[:, place] == 4, 4, base)
            expected = _predicted(case, mutant)
            np.testing.assert_allclose(
                _predicted(case, codes) + effect[:, place, base], expected, rtol=1e-5, atol=1e-5
            )


def certainty(case: Case) -> None:
    """Every number has an interval, and slopes are those of the predictions."""
    found = estimate_certainty(case.model, case.data, refit=False)
    intervals = found.parameters(0.9)
    held = {"log_kd", "position_weight", "potentiation_position_weight"}
    if case.spec.link == "exponential":
        # The same as another bias.
        held.add("link_scale")
    assert {*intervals.parameter} == {*case.spec.parameter_shapes} - held
    determined = np.isfinite(intervals.standard_error)
    assert determined.mean() > 0.5
    assert (intervals.lower < intervals.upper)[determined].all()
    expression, slopes = jacobian(case.model, case.codes, found.coordinates)
    _assert_close(expression, _predicted(case))
    weight = np.random.default_rng(5).normal(size=expression.shape)
    variables = {name: tf.Variable(each) for name, each in case.model.parameters.items()}
    with tf.GradientTape() as tape:
        predicted = cisreg.predict(
            *(case.spec, variables, case.codes),
            column_range=case.column_range,
            implementation="standard",
        ).expression
        total = tf.reduce_sum(predicted * weight.astype(np.float32))
    expected = tape.gradient(total, variables)
    found_slopes = np.tensordot(weight, slopes, weight.ndim)
    largest = max(np.abs(expected[name]).max() for name in found.coordinates.names)
    for name, place in found.coordinates.places.items():
        np.testing.assert_allclose(
            found_slopes[place], np.ravel(expected[name]), rtol=0, atol=1e-3 * largest
        )


def ensemble(case: Case) -> None:
    """An ensemble predicts the mean of its members, of each output, and an interval around it."""
    higher = case.model.log_concentration + np.float32(0.2)
    other = replace(case.model, parameters={**case.model.parameters, "log_concentration": higher})
    found = Ensemble((case.model, other), "seeds").predict(case.codes)
    each = np.stack([_fused(case), other.predict(case.codes).expression])
    _assert_close(found.expression, each.mean(axis=0))
    _assert_close(found.standard_error, each.std(axis=0, ddof=1) * np.sqrt(1.5), 1e-4)
    assert found.to_table().num_rows == len(case.codes)


def report(case: Case) -> None:
    """The page of a model and its measurements is written, with how well it predicts."""
    from cisreg.report.page.run import Run

    trained = case.fit()
    model = case.of(trained)
    run = Run("model", model, history=trained.to_table(), given={"held out": case.data})
    with TemporaryDirectory() as folder:
        made = write_report(Path(folder) / "report.html", run)
        page = (Path(folder) / "report.html").read_text()
    for name in case.motifs.names:
        assert name in page
    assert f"{len(case.data)}" in made.sentences[0]


# What depends on the layers alone, and is not tried again for every loss.
OF_LAYERS = (
    *(operation, numpy_read_out, knock_outs, contributions, mutations, saved_model, ensemble),
)
OF_EVERY_ROW = (resume, mixed_precision, store, keras_model, certainty, report)
SLOW = (mixed_precision, saved_model, report)
