"""Damaged checkpoints and model folders: each is read, or the error names the file."""

from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import pytest
from fuzz.damage import damaged, fuzz, reads_or_says
from hypothesis import example, given
from hypothesis import strategies as st
from tiny_model import SPEC, start_parameters

from cisreg.arrays import pack_arrays, unpack_arrays
from cisreg.storage import load_model, save_model
from cisreg.trained_model import Model
from cisreg.training.checkpoint import Checkpoints, _header
from cisreg.training.state import Best, EpochRecord, TrainingState

FINGERPRINT = {"seed": "0"}
PARAMETERS = start_parameters()
RECORD = EpochRecord(1, 1, 1, 6, 0.1, 2.0, 0.5, None, 0.3, None, 1.0, 2.5, 80.0)
STATE = TrainingState(
    {"bias": PARAMETERS["bias"], "activity": PARAMETERS["activity"]},
    optimizer=[np.array(3), PARAMETERS["activity"]],
    best=Best(0.5, 1, {"bias": PARAMETERS["bias"]}),
    history=[RECORD, RECORD],
)
CHECKPOINT = Checkpoints(None, FINGERPRINT).pack(STATE)
BODY = CHECKPOINT[CHECKPOINT.index(b"\n") + 1 :]
DESCRIPTION = str(unpack_arrays(BODY)["description"]).encode()


def saved_by_numpy():
    buffer = io.BytesIO()
    np.savez(buffer, **PARAMETERS, names=np.array(["Abf1", "Reb1"]))
    return buffer.getvalue()


ARRAYS = saved_by_numpy()


@fuzz
@given(damaged(ARRAYS))
def test_damaged_arrays(content):
    try:
        arrays = unpack_arrays(content)
    except ValueError:
        return
    assert sum(value.nbytes for value in arrays.values()) <= len(content)
    for value in arrays.values():
        value.tolist()


@fuzz
@given(damaged(CHECKPOINT))
def test_damaged_checkpoints(content):
    try:
        Checkpoints(None, FINGERPRINT).unpack(content)
    except ValueError:
        return
    assert content == CHECKPOINT


@fuzz
@given(damaged(CHECKPOINT), st.booleans())
def test_folders_with_a_damaged_checkpoint(tmp_path, content, another):
    checkpoints = Checkpoints(tmp_path, FINGERPRINT)
    if another:
        checkpoints.save(TrainingState({}, step=1))
    else:
        (tmp_path / "checkpoint-000000000001.ckpt").unlink(missing_ok=True)
    path = tmp_path / "checkpoint-000000000006.ckpt"
    path.write_bytes(content)
    state = reads_or_says(path, checkpoints.load)
    assert state is not None or not another
    assert state is None or state.step == (0 if content == CHECKPOINT else 1)


@fuzz
@given(st.one_of(damaged(BODY), damaged(DESCRIPTION)))
@example(b"[" * 20_000)
def test_checkpoints_of_other_content_with_a_checksum_that_goes(content):
    if content[:1] != b"P":
        text = content.decode("utf-8", "replace").replace("\0", " ")
        content = pack_arrays({**unpack_arrays(BODY), "description": np.array(text)})
    try:
        state = Checkpoints(None, FINGERPRINT).unpack(_header(3, content) + content)
    except ValueError:
        return
    assert isinstance(state.step, int)
    assert all(isinstance(record, EpochRecord) for record in state.history)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, Model(SPEC, PARAMETERS, ("Abf1", "Reb1", "Rap1"), {"r": 0.9}))
    (parameters,) = folder.glob("parameters-*.npz")
    return folder, (folder / "model.json").read_bytes(), parameters, parameters.read_bytes()


@fuzz
@given(st.data())
def test_damaged_descriptions_of_models(model, data):
    folder, description, _, _ = model
    path = folder / "model.json"
    path.write_bytes(data.draw(damaged(description)))
    loaded = reads_or_says(path, lambda: load_model(folder))
    path.write_bytes(description)
    if loaded is not None:
        # A changed digit of the length cannot be noticed, since people may change the length. The
        # other sizes must agree with the shapes.
        assert loaded.spec.parameter_shapes == SPEC.parameter_shapes
        assert all(isinstance(name, str) for name in loaded.motif_names)


@fuzz
@given(st.data())
def test_damaged_parameters_of_models(model, data):
    folder, description, parameters, content = model
    changed = data.draw(damaged(content))
    parameters.write_bytes(changed)
    loaded = reads_or_says(parameters, lambda: load_model(folder), named=parameters.name)
    parameters.write_bytes(content)
    assert loaded is None or changed == content
    # The same damage with a matching checksum.
    digest = hashlib.sha256(changed).hexdigest()
    other = folder / f"parameters-{digest[:12]}.npz"
    other.write_bytes(changed)
    told = json.loads(description) | {"parameters": {"file": other.name, "sha256": digest}}
    (folder / "model.json").write_text(json.dumps(told))
    loaded = reads_or_says(folder / "model.json", lambda: load_model(folder))
    assert loaded is None or loaded.spec == SPEC
    (folder / "model.json").write_bytes(description)
    if changed != content:
        other.unlink()
