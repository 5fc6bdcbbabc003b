"""Without TensorFlow, what does not need it works, and everything else says how to install it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cisreg.library import NO_TENSORFLOW

SCRIPT = Path(__file__).with_name("without_tensorflow.py")
NEEDS = (
    *("train", "Training", "fit", "Occupancy", "occupancy", "Prediction", "predict"),
    *("ExclusiveOccupancy", "exclusive_occupancy"),
    *(
        "sequence_codes",
        "SequenceCodes",
        "export_saved_model",
        "model",
        "keras",
        "a loss",
        "a prediction",
    ),
)
COMMANDS = (
    "train data/train.tsv.gz --motifs demo --output model",
    "predict data/truth data/test.tsv.gz --output predicted.tsv",
    "evaluate data/truth data/test.tsv.gz",
    "doctor",
)
OF_A_FOLDER = "predict missing data/test.tsv.gz --output predicted.tsv"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    done = subprocess.run(
        [sys.executable, SCRIPT],
        cwd=tmp_path_factory.mktemp("without"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_needs_tensorflow_says_how_to_install_it(found):
    for name in NEEDS:
        assert found[name] == f"ModuleNotFoundError: {NO_TENSORFLOW}"
    for words in COMMANDS:
        status, _, text = found[words].partition(": ")
        assert status == "1", words
        assert text.splitlines()[-1] == f"error: {NO_TENSORFLOW}", words
        assert "Traceback" not in text


def test_everything_else_works(found):
    assert "missing: expected a folder with model.json" in found[OF_A_FOLDER]
    rest = set(found) - {*NEEDS, *COMMANDS, OF_A_FOLDER}
    assert {name: found[name] for name in rest if found[name]} == {}
    assert len(rest) > 50
