"""Training of several outputs: resumed, in 16 bits, from files, and with a start of one output."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import tensorflow as tf
from tiny_model import (
    SPEC,
    STAGES,
    assert_same_bits,
    fit_tiny,
    make_dataset,
    start_parameters,
)

from cisreg.data import Columns, Dataset, convert, open_dataset
from cisreg.losses import Gaussian, mean_squared_error
from cisreg.model import predict
from cisreg.sequences import decode
from cisreg.training import Stage

TWO = replace(SPEC, output_count=2, differ=("log_concentration", "activity", "bias"))
STAGE = Stage(
    ("activity", "bias", "log_concentration"), epochs=60, learning_rate=0.1, batch_size=50
)


def two_conditions(count: int = 300, share_missing: float = 0.2) -> tuple[Dataset, np.ndarray]:
    """Measurements of the tiny model in two conditions, some missing, and all without noise."""
    data, random = make_dataset(count), np.random.default_rng(4)
    truth = start_parameters(spec=TWO)
    truth["activity"] = np.array([[3.0, -2.0, 1.0], [3.0, 1.5, 1.0]], np.float32)
    truth["bias"] = np.array([1.0, 2.0], np.float32)
    expression = predict(TWO, truth, data.sequence, implementation="standard")[0].numpy()
    measured = expression.copy()
    first = random.random(count) < share_missing
    measured[np.arange(count)[first], random.integers(2, size=first.sum())] = np.nan
    return Dataset(data.sequence, measured), expression


def fit_two(data: Dataset, stages=(STAGE,), **options):
    start = start_parameters(spec=TWO)
    return fit_tiny(data, stages, spec=TWO, parameters=start, **options)


@pytest.mark.parametrize("loss", [mean_squared_error, Gaussian()])
def test_what_differs_is_found(loss):
    data, expression = two_conditions(600)
    stage = replace(STAGE, trainable=("activity", "bias"), epochs=250)
    errors = []
    for differ in (("activity", "bias"), ("bias",)):
        spec = replace(TWO, differ=differ)
        start = start_parameters(spec=spec)
        found = fit_tiny(data, (stage,), spec=spec, parameters=start, loss=loss)
        predicted = predict(spec, found.parameters, data.sequence, implementation="standard")[0]
        errors.append(float(np.std(predicted.numpy() - expression)))
        if differ != ("bias",):
            # The second factor alone does something else in the second condition.
            change = np.diff(found.parameters["activity"], axis=0)[0]
            np.testing.assert_allclose(change, [0, 3.5, 0], atol=0.2)
            assert found.history[-1].validation_r > 0.99
    assert errors[0] < 0.2 * errors[1]


def test_a_resumed_run_gives_the_same_bits(tmp_path):
    data, _ = two_conditions(200)
    whole = fit_two(data, STAGES)
    options = {"checkpoint_directory": tmp_path, "keep_checkpoints": 20}
    fit_two(data, STAGES, **options)
    for path in sorted(tmp_path.iterdir())[3:]:
        path.unlink()
    resumed = fit_two(data, STAGES, resume=True, **options)
    assert_same_bits(whole.parameters, resumed.parameters)
    with pytest.raises(ValueError, match="another model"):
        other = replace(TWO, differ=("bias",))
        start = start_parameters(spec=other)
        fit_tiny(data, STAGES[:1], spec=other, parameters=start, resume=True, **options)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_precision(precision):
    data, _ = two_conditions(600)
    assert fit_two(data, precision=precision).history[-1].validation_r > 0.97


@pytest.mark.parametrize("cache", ["none", "host"])
def test_files_with_missing_measurements(tmp_path, caplog, cache):
    data, _ = two_conditions(300)
    missing = data.expression.copy()
    missing[7] = np.nan
    columns = {
        "sequence": decode(data.sequence),
        "glucose": missing[:, 0],
        "raffinose": missing[:, 1],
    }
    path = tmp_path / "two.parquet"
    pyarrow.parquet.write_table(pa.table(columns), path, row_group_size=50)
    asked = Columns("sequence", ("glucose", "raffinose"))
    files = open_dataset(path, columns=asked, partly_measured=True)
    lacking = int(np.isnan(np.delete(data.expression, 7, axis=0)).any(axis=1).sum())
    with caplog.at_level(logging.INFO, logger="cisreg"):
        result = fit_two(files, cache=cache, validation=None)
    assert "1 rows were left out: 1 with no finite number as expression" in caplog.text
    assert f"{lacking} rows lack some of the 2 measurements" in caplog.text
    assert result.history[-1].loss < 0.2 * result.history[0].loss
    # Without being told, only whole rows are read.
    assert len(open_dataset(path, columns=asked).load()) == 299 - lacking


def test_training_from_converted_files_is_training_from_the_table(tmp_path):
    data, _ = two_conditions(300)
    names = ("glucose", "raffinose")
    table = tmp_path / "two.parquet"
    columns = {
        "sequence": decode(data.sequence),
        **dict(zip(names, data.expression.T, strict=True)),
    }
    pyarrow.parquet.write_table(pa.table(columns), table, row_group_size=50)
    asked = Columns(expression=names)
    opened = open_dataset(table, columns=asked, partly_measured=True)
    convert(opened, tmp_path / "files", order="kept", rows_per_group=50)
    converted = open_dataset(tmp_path / "files", columns=asked, partly_measured=True)
    assert converted.manifest.rows == 300 and not converted.manifest.unusable
    np.testing.assert_array_equal(converted.load().expression, data.expression)
    for cache in ("host", "none"):
        runs = [fit_two(files, STAGES, cache=cache).parameters for files in (opened, converted)]
        assert_same_bits(*runs)


def test_streamed_replicates_are_refused_where_missing_ones_may_come_after_the_sample(tmp_path):
    data = make_dataset(120)
    columns = {"sequence": decode(data.sequence), "a": data.expression}
    columns["b"] = np.where(np.arange(len(data)) < 100, data.expression, np.nan)
    path = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(pa.table(columns), path, row_group_size=50)
    asked = Columns("sequence", ("a", "b"))

    def loss(predicted, measured):
        return tf.reduce_mean((predicted - tf.reduce_mean(measured, axis=1)) ** 2)

    files = open_dataset(path, columns=asked, partly_measured=True)
    with pytest.raises(ValueError, match=r"takes_missing.*open them without partly_measured"):
        fit_tiny(files, (STAGE,), loss=loss, cache="none", validation=None)
    whole = open_dataset(path, columns=asked)
    stage = replace(STAGE, epochs=1)
    found = fit_tiny(whole, (stage,), loss=loss, cache="none", validation=None)
    assert np.isfinite(found.history[0].loss)
