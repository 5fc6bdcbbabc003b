"""`fit` reports constant ends that all sequences share and that the model was not told of."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny_model import SPEC, STAGES, fit_tiny, make_dataset, start_parameters

import cisreg
from cisreg.model import predict
from cisreg.reference import hold_columns
from cisreg.training import Stage

ONE = [replace(STAGES[0], epochs=1)]


def with_end(bases=6):
    data = make_dataset()
    sequence = np.random.default_rng(1).integers(0, 4, data.sequence.shape, np.uint8)
    sequence[:, :bases] = [2, 0, 3, 3, 0, 1][:bases]
    return replace(data, sequence=sequence)


@pytest.mark.parametrize(
    ("change", "warns"),
    [({}, True), ({"constant_left": 6}, False), ({"constant_ends": "keep"}, False)],
)
def test_ends_that_the_model_was_not_told_of_are_said(caplog, change, warns):
    with caplog.at_level(logging.WARNING, "cisreg.data"):
        fit_tiny(with_end(), ONE, spec=replace(SPEC, **change))
    said = [each for each in caplog.messages if "begin with GATTAC (6 bases)" in each]
    assert len(said) == warns
    assert all("constant_left=6, constant_right=0" in each for each in said)


def test_sequences_that_share_nothing_are_not_warned_of(caplog):
    with caplog.at_level(logging.WARNING, "cisreg.data"):
        fit_tiny(with_end(bases=0), ONE)
    assert not caplog.records


def test_validation_counts_the_sites_that_training_counts():
    spec = replace(SPEC, constant_left=6)
    columns = np.array([[1, 0, 1], [3, 2, 4]], np.int32)
    start = start_parameters(spec=spec) | {"activity": np.array([3.0, -2.0, 4.0], np.float32)}
    start["log_kd"] = hold_columns(start["log_kd"], columns).numpy()
    start["log_concentration"] = np.full(3, -1.0, np.float32)
    data = with_end()
    options = {"spec": spec, "parameters": start, "validation": data, "column_range": columns}
    result = fit_tiny(data, [Stage(("bias",), epochs=1)], **options)
    errors = {}
    for name, each in (("own columns", columns), ("all columns", None)):
        predicted = predict(spec, result.parameters, data.sequence, column_range=each).expression
        errors[name] = float(np.mean((predicted - data.expression) ** 2))
    assert result.history[-1].validation_loss == pytest.approx(errors["own columns"], rel=1e-3)
    assert errors["all columns"] > 1.02 * errors["own columns"]


@pytest.mark.parametrize("cache", ["host", "none"])
def test_sequences_trimmed_at_a_constant_end_are_refused(tmp_path, cache):
    data = with_end()
    pq.write_table(data.to_table(), tmp_path / "train.parquet", row_group_size=16)
    length = SPEC.sequence_length
    options = {"validation": None, "cache": cache}

    def run(longest, side="left"):
        files = cisreg.open_dataset(tmp_path / "train.parquet", length=longest, side=side)
        spec = replace(SPEC, sequence_length=longest, constant_left=3)
        return fit_tiny(files, ONE, spec=spec, parameters=start_parameters(spec=spec), **options)

    with pytest.raises(ValueError, match=r"trimmed on the left: where their 3 constant bases"):
        run(length - 2)
    run(length - 2, side="right")
    run(length)
