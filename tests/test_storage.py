"""Models saved in folders and loaded again."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from tiny_model import MOTIFS, SPEC, assert_same_bits, make_dataset, start_parameters

from cisreg import storage
from cisreg.model import ModelSpec, init_parameters
from cisreg.motifs import MotifSet
from cisreg.scan import scan
from cisreg.sequences import decode, encode
from cisreg.storage import load_model, save_model
from cisreg.trained_model import Model

NAMES = ("ABF1", "RAP1", "REB1 (long)")
INITIAL = MotifSet.from_matrices(NAMES, [np.eye(4)[:2], np.eye(4), np.eye(4)[:1]], width=4)


def make_model(seed=0, **metadata):
    return Model(SPEC, start_parameters(seed), NAMES, metadata)


def test_a_model_comes_back_as_it_was(tmp_path):
    model = make_model(source="train.tsv.gz", epochs=[1, 2], r=0.87)
    save_model(tmp_path / "new" / "model", model)
    loaded = load_model(tmp_path / "new" / "model")
    assert loaded.spec == SPEC
    assert loaded.motif_names == NAMES
    assert loaded.metadata == {"source": "train.tsv.gz", "epochs": [1, 2], "r": 0.87}
    assert_same_bits(dict(loaded.parameters), dict(model.parameters))


def test_every_layer_comes_back(tmp_path):
    spec = ModelSpec(
        motif_count=1,
        motif_width=3,
        sequence_length=9,
        accessibility_activity=True,
        binding_limit=True,
        positional=True,
        positional_potentiation=True,
        stranded=True,
        position_knots=4,
        link="logistic",
    )
    parameters = init_parameters(spec, np.zeros((3, 4, 1)), np.zeros(1))
    save_model(tmp_path, Model(spec, parameters, ("x",)))
    loaded = load_model(tmp_path)
    assert loaded.spec == spec
    assert_same_bits(dict(loaded.parameters), parameters)


def test_saving_again_replaces_the_model_and_leaves_other_files(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("{}\n")
    for seed in (0, 1, 1):
        save_model(tmp_path, make_model(seed))
        assert_same_bits(dict(load_model(tmp_path).parameters), start_parameters(seed))
        names = sorted(path.name.split("-")[0] for path in tmp_path.iterdir())
        assert names == ["metrics.jsonl", "model.json", "parameters"]


def test_saving_again_removes_the_arrays_of_the_previous_model_and_no_other(tmp_path):
    mine = ("best.npz", "0123456789ab.npz", "0123456789ab.npz.partial", "01.npz.0123.partial")
    for name in mine:
        (tmp_path / f"parameters-{name}").write_text("mine")
    for seed in (0, 1):
        save_model(tmp_path, make_model(seed))
        for name in mine:
            assert (tmp_path / f"parameters-{name}").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == len(mine) + 2


@pytest.mark.parametrize("named", ["notes.txt", "../notes.txt", "parameters-best.npz", 3])
def test_a_description_that_names_a_file_of_the_user_removes_none(tmp_path, named):
    folder = tmp_path / "model"
    save_model(folder, make_model(0))
    for path in (folder / "notes.txt", tmp_path / "notes.txt", folder / "parameters-best.npz"):
        path.write_text("mine")
    description = json.loads((folder / "model.json").read_text())
    description["parameters"]["file"] = named
    (folder / "model.json").write_text(json.dumps(description))
    save_model(folder, make_model(1))
    assert (folder / "notes.txt").exists()
    assert (tmp_path / "notes.txt").exists()
    assert (folder / "parameters-best.npz").exists()


@pytest.mark.parametrize("name", ["model.json", "parameters"])
@pytest.mark.parametrize("kind", ["a named pipe", "a device", "a folder"])
def test_what_is_no_file_is_refused_at_once(tmp_path, name, kind):
    save_model(tmp_path, make_model())
    (path,) = tmp_path.glob(f"{name}*")
    path.unlink()
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    for attempt in (lambda: load_model(tmp_path), lambda: save_model(tmp_path, make_model())):
        with pytest.raises(ValueError, match=f"expected a regular file, got {kind}"):
            attempt()


def test_a_model_that_is_replaced_while_it_is_read_is_the_new_one(tmp_path, monkeypatch):
    save_model(tmp_path, make_model(0))
    read, saved = storage.read_regular_file, []

    def replaced(path):
        if path.suffix == ".npz" and not saved:
            saved.append(path)
            save_model(tmp_path, make_model(1))
        return read(path)

    monkeypatch.setattr(storage, "read_regular_file", replaced)
    assert_same_bits(dict(load_model(tmp_path).parameters), start_parameters(1))
    assert saved


@pytest.mark.parametrize("broken_write", [1, 2])
def test_a_save_that_breaks_off_leaves_the_old_model(tmp_path, monkeypatch, broken_write):
    save_model(tmp_path, make_model(0))
    replace, count = Path.replace, 0

    def break_off(self, target):
        nonlocal count
        count += 1
        if count == broken_write:
            raise OSError("the power went")
        return replace(self, target)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="the power went"):
        patch.setattr(Path, "replace", break_off)
        save_model(tmp_path, make_model(1))
    assert_same_bits(dict(load_model(tmp_path).parameters), start_parameters(0))
    save_model(tmp_path, make_model(2))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": {"bias": np.zeros((), np.float32)}}, "parameters: expected log_kd"),
        (
            {"parameters": start_parameters() | {"gain": np.zeros(3, np.float32)}},
            "got gain as well",
        ),
        (
            {"parameters": start_parameters() | {"bias": np.zeros(())}},
            "bias of float32, got float64",
        ),
        ({"motif_names": NAMES[:2]}, "motif_names: expected 3 names .* got 2"),
        ({"motif_names": ("a", "b", "a")}, "motif_names: expected distinct names, got 'a' twice"),
        ({"column_range": np.ones((2, 2))}, r"column_range: expected shape \(2, 3\), got \(2, 2\)"),
        ({"column_range": [[0, 0, 2], [4, 4, 2]]}, "column_range: expected a first column below"),
        ({"column_range": [[0, 0, 0], [4, 4, 5]]}, "column_range: .* both within 0..4"),
        ({"column_range": [[0, 1, 0], [4, 4, 4]]}, "column_range: expected log_kd of zero .*RAP1"),
        ({"initial_motifs": INITIAL[NAMES[::-1]]}, "initial_motifs: expected the 3 motifs"),
    ],
)
def test_parts_that_do_not_fit_make_no_model(change, message):
    parts = {"spec": SPEC, "parameters": start_parameters(), "motif_names": NAMES} | change
    with pytest.raises(ValueError, match=message):
        Model(**parts)


def narrow_parameters():
    """Motifs whose own columns are 1..2, 0..3 and 2; the other columns are zeros."""
    parameters = start_parameters()
    parameters["log_kd"][[0, 3], :, 0] = 0
    parameters["log_kd"][[0, 1, 3], :, 2] = 0
    return parameters


def test_motifs_are_the_trained_ones_with_their_own_columns():
    model = Model(SPEC, narrow_parameters(), NAMES)
    assert model.motifs.names == NAMES
    assert model.motifs.first_column.tolist() == [1, 0, 2]
    assert model.motifs.widths.tolist() == [2, 4, 1]
    np.testing.assert_array_equal(model.motifs.log_kd, model.parameters["log_kd"])
    held = Model(SPEC, narrow_parameters(), NAMES, column_range=[[0, 0, 1], [3, 4, 4]])
    assert held.motifs.first_column.tolist() == [0, 0, 1]
    assert held.motifs.widths.tolist() == [3, 4, 3]


def test_a_motif_of_zeros_has_all_columns():
    parameters = start_parameters()
    parameters["log_kd"][:, :, 1] = 0
    assert Model(SPEC, parameters, NAMES).motifs.widths.tolist() == [4, 4, 4]


def test_motifs_of_a_model_are_scanned_as_they_are():
    model = Model(SPEC, narrow_parameters(), NAMES)
    best = model.motifs.strongest_site()
    hits = scan(
        encode(["T" * 9 + best[1] + "T" * 9]), model.motifs, model.motifs.lowest_log_kd() + 1e-3
    )
    rows = hits.to_table(motif_names=model.motif_names).to_pylist()
    assert {"RAP1"} <= {row["motif"] for row in rows}
    assert any(row["motif"] == "RAP1" and row["start"] == 9 for row in rows)


def test_motifs_columns_and_unit_come_back(tmp_path):
    model = Model(
        SPEC,
        narrow_parameters(),
        NAMES,
        initial_motifs=INITIAL,
        column_range=np.array([[0, 0, 1], [3, 4, 4]]),
        table_columns={"sequence": "seq", "expression": ["ratio"], "weight": None},
        unit="log2 ratio",
    )
    save_model(tmp_path, model)
    loaded = load_model(tmp_path)
    np.testing.assert_array_equal(loaded.column_range, [[0, 0, 1], [3, 4, 4]])
    assert loaded.column_range.dtype == np.int32
    for attribute in ("log_kd", "first_column", "widths"):
        for motifs in ("motifs", "initial_motifs"):
            one, other = (getattr(getattr(each, motifs), attribute) for each in (loaded, model))
            np.testing.assert_array_equal(one, other)
    assert loaded.initial_motifs.names == NAMES
    assert loaded.table_columns == dict(model.table_columns)
    assert loaded.unit == "log2 ratio"
    assert_same_bits(dict(loaded.parameters), dict(model.parameters))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace('"unit": ""', '"unit": 3'), "unit: expected a string, got 3"),
        (lambda text: text.replace('"table_columns"', '"columns"'), "KeyError.'table_columns'"),
    ],
)
def test_damage_to_what_goes_with_the_parameters_is_said(tmp_path, change, message):
    save_model(tmp_path, make_model())
    path = tmp_path / "model.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=message):
        load_model(tmp_path)


def test_metadata_must_be_plain(tmp_path):
    for value in (np.zeros(MOTIFS), float("nan")):
        with pytest.raises(
            ValueError, match="metadata, table_columns: expected values that JSON can hold"
        ):
            save_model(tmp_path, make_model(value=value))
    assert not list(tmp_path.iterdir())


def test_a_folder_without_model(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FileNotFoundError, match=r"expected a folder with model.json"):
            load_model(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:40], "model.json: expected the description of a model"),
        (lambda text: "[" * 10**5, "model.json: expected the description of a model: Recursion"),
        (lambda text: "[1, 2]", "model.json: expected the description of a model"),
        (lambda text: '{"name": "keras"}', "model.json: expected the description of a model"),
        (lambda text: text.replace('"spec"', '"specs"'), "model.json: expected .*'spec'"),
        (
            lambda text: text.replace('"stranded"', '"strand"'),
            "model.json: model options: .*strand",
        ),
        (
            lambda text: text.replace('"stranded": false', '"stranded": "false"'),
            "model.json: stranded: expected true or false, got 'false'",
        ),
        (lambda text: text.replace('"RAP1"', "2"), "model.json: motif_names: expected a list of"),
        (lambda text: text.replace('"RAP1",', ""), "model.json: motif_names: expected 3 names"),
        (
            lambda text: text.replace("RAP1", "ABF1"),
            "motif_names: expected distinct .*'ABF1' twice",
        ),
        (lambda text: text.replace("RAP1", r"\u001b[1m"), r"motif_names: expected .*'\\x1b\[1m'"),
        (lambda text: text.replace("RAP1", r"\ud800"), "motif_names: expected names without line"),
        (lambda text: text.replace("RAP1", ""), "motif_names: expected non-empty strings, got ''"),
        (lambda text: text.replace('"unit"', '"unit": "x", "unit"'), "got 'unit' twice"),
        (
            lambda text: text.replace('"stranded"', '"padding": "same", "stranded"'),
            "'padding' twice",
        ),
        (lambda text: text.replace("{}", '{"a": NaN}'), "expected finite numbers, got NaN"),
        (lambda text: text.replace("{}", '{"a": 1e999}'), "expected finite numbers, got 1e999"),
        (lambda text: text.replace('"format_version": 2', '"format_version": 3'), "got 3; load it"),
    ],
)
def test_a_foreign_or_damaged_description_is_said(tmp_path, change, message):
    save_model(tmp_path, make_model())
    path = tmp_path / "model.json"
    changed = change(path.read_text())
    assert changed != path.read_text()
    path.write_text(changed)
    with pytest.raises(ValueError, match=message):
        load_model(tmp_path)


def test_columns_of_other_roles_are_said(tmp_path):
    save_model(tmp_path, make_model())
    path = tmp_path / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"table_columns": {"foo": "x"}}))
    with pytest.raises(ValueError, match=r"model.json: table_columns: expected the fields of"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"padding_side": 5}, 'metadata: expected padding_side "left" or "right", got 5'),
        ({"standard_unit": {"scale": "x"}}, "metadata: expected standard_unit with the numbers"),
        ({"standard_unit": [1]}, "metadata: expected standard_unit"),
        ({"padding_side": "middle"}, "metadata: expected padding_side .* got 'middle'"),
        *(
            ({"constant_ends": ends}, 'constant_ends: expected for "left" or "right" the number of')
            for ends in (
                *(5, None, [1], {"left": 5}, {"left": {}}, {"left": {"sequence": None}}),
                *({"middle": {"bases": 4, "sequence": "ACGT"}},),
                *({"left": {"bases": "4", "sequence": "ACGT"}},),
                *({"left": {"bases": 4, "sequence": 5}},),
                *({"left": {"bases": 4, "sequence": "\x1b[31m"}},),
            )
        ),
    ],
)
def test_metadata_that_the_model_uses_is_checked(tmp_path, metadata, message):
    save_model(tmp_path, make_model(constant_ends={"left": {"bases": 4, "sequence": "ACGT"}}))
    assert load_model(tmp_path).metadata["constant_ends"]["left"]["bases"] == 4
    path = tmp_path / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"metadata": metadata}))
    with pytest.raises(ValueError, match=f"model.json: {message}") as refused:
        load_model(tmp_path)
    assert str(refused.value).isprintable()


def test_damaged_or_missing_parameters_are_said(tmp_path):
    save_model(tmp_path, make_model())
    (path,) = tmp_path.glob("parameters-*.npz")
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"model.json: the parameters in parameters-.* are damaged"
    ):
        load_model(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match=r"model.json: expected the parameters in parameters-"):
        load_model(tmp_path)


def test_the_description_is_there_for_people_too(tmp_path):
    save_model(tmp_path, make_model(note="first try"))
    description = json.loads((tmp_path / "model.json").read_text())
    assert description["motif_names"] == list(NAMES)
    assert description["spec"]["motif_count"] == MOTIFS
    assert description["metadata"] == {"note": "first try"}
    assert {"cisreg_version", "format_version"} <= set(description)


def change_parameters(folder, content):
    """Replaces the content of the parameters, with a matching name and checksum."""
    digest = hashlib.sha256(content).hexdigest()
    name = f"parameters-{digest[:12]}.npz"
    (folder / name).write_bytes(content)
    description = json.loads((folder / "model.json").read_text())
    description["parameters"] = {"file": name, "sha256": digest}
    (folder / "model.json").write_text(json.dumps(description))


def test_parameters_with_a_checksum_that_goes_are_not_trusted(tmp_path):
    save_model(tmp_path, make_model())
    for arrays in ({"bias": np.array([{}])}, {}):
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{"bias": np.zeros(10**6, np.float32), **arrays})
        change_parameters(tmp_path, buffer.getvalue())
        with pytest.raises(ValueError, match=r"model.json: parameters-.*npz: expected arrays that"):
            load_model(tmp_path)


@pytest.mark.parametrize("absolute", [True, False])
def test_parameters_outside_the_folder_are_not_read(tmp_path, absolute):
    save_model(tmp_path / "model", make_model())
    (inside,) = (tmp_path / "model").glob("parameters-*")
    outside = inside.rename(tmp_path / inside.name)
    path = tmp_path / "model" / "model.json"
    name = str(outside) if absolute else f"../{outside.name}"
    path.write_text(path.read_text().replace(outside.name, name))
    with pytest.raises(ValueError, match=r"model.json: expected a file of this folder"):
        load_model(tmp_path / "model")


def test_equal_models_are_saved_in_equal_files(tmp_path):
    for name in ("one", "other"):
        save_model(tmp_path / name, make_model())
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("one", "other")
    )
    assert one == other


def spoiled(parameter, place, value):
    parameters = dict(start_parameters())
    parameters[parameter] = parameters[parameter].copy()
    parameters[parameter][place] = value
    return parameters


NOT_FINITE = [
    (("activity", 1, np.nan), "in activity, got nan at .1. .1 of 3 numbers .*, of motif 'RAP1'"),
    (("log_kd", (2, slice(1, 3), 2), np.inf), r"got inf at .2, 1, 2. \(2 of 48 .*'REB1 \(long\)'"),
    (("potentiation_bias", (), np.nan), "expected finite numbers in potentiation_bias, got nan$"),
    (("bias", (), -np.inf), "expected finite numbers in bias, got -inf$"),
    (("log_concentration", 0, np.inf), "in log_concentration, got inf at .* of motif 'ABF1'"),
]


@pytest.mark.parametrize(("change", "message"), NOT_FINITE)
def test_no_model_has_numbers_that_are_not_finite(tmp_path, change, message):
    with pytest.raises(ValueError, match="parameters: expected finite numbers in") as made:
        Model(SPEC, spoiled(*change), NAMES)
    assert re.search(message, str(made.value))
    model = make_model()
    changed = spoiled(*change)[change[0]]
    object.__setattr__(model, "parameters", {**model.parameters, change[0]: changed})
    for use in (lambda: save_model(tmp_path / "new", model), lambda: model.predict(["ACGT"])):
        with pytest.raises(ValueError, match="parameters: expected finite") as used:
            use()
        assert str(used.value) == str(made.value)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "given",
    [
        {"log_kd": np.full((4, 4, 3), np.inf)},
        {"log_concentration": [0, np.nan, 0]},
        {"bias": np.nan},
        {"activity_scale": np.inf},
    ],
)
def test_parameters_to_begin_with_are_finite(given):
    arguments = {"log_kd": np.zeros((4, 4, 3)), "log_concentration": np.zeros(3)} | given
    with pytest.raises(ValueError, match="parameters: expected finite numbers in"):
        init_parameters(SPEC, **arguments)


def test_saved_numbers_that_are_not_finite_are_said_with_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr("cisreg.storage.check_finite", lambda *_: None)
    model = make_model()
    model.parameters["activity"][1] = np.nan
    save_model(tmp_path, model)
    with pytest.raises(
        ValueError, match=r"model.json: parameters: expected finite .* motif 'RAP1'"
    ):
        load_model(tmp_path)


@pytest.mark.parametrize("level", [-1000.0, -np.inf])
def test_a_factor_that_is_knocked_out_binds_nothing(level, tmp_path):
    save_model(tmp_path, Model(SPEC, spoiled("log_concentration", 1, level), NAMES))
    model = load_model(tmp_path)
    assert model.parameters["log_concentration"][1] == level
    for implementation in ("standard", "fused"):
        binding = model.predict(["ACGT" * 5], binding=True, implementation=implementation).binding
        assert (binding[:, :, 1] == 0).all()
        assert (binding[:, :, [0, 2]] > 0).all()


def test_predictions_beyond_float32_are_said():
    parameters = spoiled("activity", slice(None), [1.0, 0.0, 0.0])
    parameters["potentiation_bias"] = np.float32(30.0)
    sequences = decode(make_dataset(5).sequence)
    found = Model(SPEC, parameters, NAMES).predict(sequences, implementation="standard").expression
    order = np.argsort(found)
    # Only the prediction of the last sequence, which is the first of its batch, is too large.
    parameters["activity"] *= np.float32(3.4028e38) / found[order[3:]].mean()
    model = Model(SPEC, parameters, NAMES)
    batches = model.predict_batches(
        [sequences[row] for row in order], batch_size=4, implementation="standard"
    )
    assert np.isfinite(next(batches).expression).all()
    with pytest.raises(OverflowError, match=r"got inf for sequence 4, .*\(1 of 1 .* in activity$"):
        next(batches)


def test_the_version_of_a_foreign_model_is_shown_without_effect(tmp_path):
    save_model(tmp_path, make_model())
    path = tmp_path / "model.json"
    description = json.loads(path.read_text())
    description |= {"format_version": 3, "cisreg_version": "\x1b[31mred\nerror: none\u202e"}
    path.write_text(json.dumps(description))
    with pytest.raises(ValueError, match="expected format version 2, got 3") as refused:
        load_model(tmp_path)
    assert str(refused.value).isprintable()
