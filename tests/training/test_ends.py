"""`fit` says where all sequences share an end of which the model was told nothing."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from tiny_model import SPEC, STAGES, fit_tiny, make_dataset

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
