"""Damaged files of CisRegModels: each is read, or the error names the file."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from fuzz.damage import damaged, fuzz, reads_or_says
from hypothesis import example, given
from legacy.original_graph import save_original

from cisreg.legacy import export_model, import_model
from cisreg.legacy.inputs import count_sequences, list_motifs, match_values
from cisreg.legacy.text import read_params, read_pkdms, read_positional
from cisreg.model import ModelSpec
from cisreg.trained_model import Model

M, W, L = 2, 3, 5
SPEC = ModelSpec(M, W, L, positional=True, stranded=True, binding_limit=True)
RANDOM = np.random.default_rng(1)
PARAMETERS = {
    name: RANDOM.normal(size=shape).astype(np.float32)
    for name, shape in SPEC.parameter_shapes.items()
}
READERS = {".params": read_params, ".pkdms": read_pkdms, ".positional.gz": read_positional}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("legacy") / "model"
    export_model(prefix, Model(SPEC, PARAMETERS, ("Abf1", "Reb1")))
    return {suffix: prefix.with_name(prefix.name + suffix) for suffix in READERS}


def all_finite(arrays):
    return all(np.isfinite(value).all() for value in arrays.values())


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_text(exported, suffix, compressed):
    path = exported[suffix]
    original = path.read_bytes()
    text = gzip.decompress(original) if suffix.endswith(".gz") else original

    @fuzz
    @given(damaged(gzip.compress(text, mtime=0) if compressed else text))
    def read_damaged(content):
        path.write_bytes(content)
        value = reads_or_says(path, lambda: READERS[suffix](path))
        if value is not None:
            assert all_finite(value if isinstance(value, dict) else {"x": value})
        prefix = exported[".params"].with_suffix("")
        model = reads_or_says(
            prefix, lambda: import_model(prefix, binding="expected", sequence_length=L)
        )
        assert model is None or all_finite(model.parameters)

    read_damaged()
    path.write_bytes(original)


@fuzz
@example(b"A" * 5000)
@given(damaged(b"PKdMs/Abf1.pkdm\t-9.5\n# and\nPKdMs/Reb1.pkdm\t-12\n"))
def test_damaged_inputs_of_old_commands(tmp_path, content):
    (tmp_path / "PKdMs").mkdir(exist_ok=True)
    for name in ("Abf1", "Reb1"):
        (tmp_path / "PKdMs" / f"{name}.pkdm").touch()
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    reads_or_says(path, lambda: list_motifs(str(path)))
    reads_or_says(path, lambda: count_sequences(str(path)))
    files: dict[str, str] = {}
    reads_or_says(
        path,
        lambda: match_values(str(path), "-ic", ("Abf1", "Reb1"), "own", files, number_allowed=True),
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The files of a checkpoint and of a SavedModel by name, and their locations."""
    folder = tmp_path_factory.mktemp("original")
    variables = {
        "motifs": RANDOM.normal(size=(4, W, M)).astype(np.float32),
        "concentrations": RANDOM.normal(size=(1, 1, 1, M)).astype(np.float32),
        "activities": RANDOM.normal(size=M).astype(np.float32),
    }
    constants = {"constant": np.zeros(1, np.float32)}
    checkpoint, saved = save_original(folder, variables, constants, length=L, expected=True)
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "checkpoint"]
    return checkpoint, saved, {path: path.read_bytes() for path in paths}


@pytest.mark.parametrize("name", [".index", ".data-00000-of-00001", ".meta", "saved_model.pb"])
def test_damaged_checkpoints_and_graphs(original, name):
    checkpoint, saved, files = original
    source = saved if name == "saved_model.pb" else checkpoint
    (path,) = [each for each in files if str(each) in (f"{checkpoint}{name}", f"{saved}/{name}")]

    @fuzz
    @given(damaged(files[path]))
    def read_damaged(content):
        path.write_bytes(content)
        model = reads_or_says(path, lambda: import_model(source), named=source)
        assert model is None or model.parameters["log_kd"].shape == (W, 4, M)

    read_damaged()
    path.write_bytes(files[path])
    assert import_model(source).spec.sequence_length == L
