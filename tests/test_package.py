"""The package's public names."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

import cisreg
from cisreg.data import Dataset


def test_every_public_name_is_there_and_documented():
    for name in cisreg.__all__:
        assert getattr(cisreg, name).__doc__, name
        assert name in dir(cisreg)


def test_functions_keep_their_names_when_their_modules_are_imported():
    importlib.import_module("cisreg.occupancy")
    importlib.import_module("cisreg.simulate")
    assert callable(cisreg.occupancy)
    assert callable(cisreg.simulate)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="'cisreg' has no attribute 'ocupancy'"):
        _ = cisreg.ocupancy


def test_import_does_not_wait_for_tensorflow():
    code = "import sys, cisreg, cisreg.spec; print('tensorflow' in sys.modules, cisreg.__version__)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", cisreg.__version__]


MODULES = (
    *("checks", "data", "datasets", "genome", "interpret", "keras", "legacy", "losses", "metrics"),
    *("model", "motifs", "numpy", "recipes", "report", "sequences", "training", "uncertainty"),
)


def test_modules_are_attributes_after_the_package_is_imported():
    code = (
        "import sys, cisreg; before = set(sys.modules); cisreg.motifs.demo_motifs; "
        "print('cisreg.motifs' in before, 'tensorflow' in sys.modules, cisreg.recipes.__name__, "
        "callable(cisreg.train))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False", "cisreg.recipes", "True"]


def test_tab_completion_shows_what_is_public_alone():
    assert set(dir(cisreg)) == {*cisreg.__all__, *MODULES, "__version__"}
    for name in MODULES:
        module = getattr(cisreg, name)
        assert dir(module) == sorted(module.__all__), name
        for public in module.__all__:
            assert hasattr(module, public), (name, public)
            assert not public.startswith("_")


def test_training_by_a_recipe_comes_first():
    assert cisreg.__all__[0] == "train"
    assert cisreg.train is cisreg.recipes.train


HOSTILE = ("<script>alert(1)</script>", "a & b", 'x"y')


def test_short_and_escaped_text_for_people():
    spec = cisreg.ModelSpec(3, 4, 20, stranded=True)
    assert repr(spec) == (
        "ModelSpec(motif_count=3, motif_width=4, sequence_length=20, stranded=True)"
    )
    parameters = cisreg.init_parameters(spec, np.ones((4, 4, 3)), np.zeros(3))
    model = cisreg.Model(spec, parameters, HOSTILE)
    assert repr(model) == f"Model(3 motifs, {spec!r})"
    data = Dataset(np.zeros((3, 20), np.uint8), np.zeros(3, np.float32), name=pa.array(HOSTILE))
    prediction = model.predict(data)
    assert repr(prediction) == "BatchPrediction(3 sequences: name, expression, accessibility)"
    for page in (model._repr_html_(), prediction._repr_html_()):
        assert "<script>" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "a &amp; b" in page
    table, frame = model.to_table(), model.to_frame()
    assert table.column_names == [
        *("motif", "log_concentration", "potentiation", "activity", "activity_difference")
    ]
    assert frame["motif"].tolist() == list(HOSTILE)
    np.testing.assert_array_equal(frame["activity"], parameters["activity"])
