"""The package's public names."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import cisreg


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
    code = "import sys, cisreg; print('tensorflow' in sys.modules, cisreg.__version__)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", cisreg.__version__]
