"""CisRegModels' models in and out: text files, checkpoints, SavedModels, and damaged ones."""

from __future__ import annotations

import dataclasses
import gzip
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import trained_reference
from hypothesis import given, settings
from hypothesis import strategies as st
from legacy.original_graph import save_original
from shared_data import shared_data

from cisreg.data import read_dataset
from cisreg.legacy import export_model, import_model
from cisreg.legacy.checkpoint import read_checkpoint, write_checkpoint
from cisreg.legacy.model import read_parameters
from cisreg.legacy.text import read_params, write_params
from cisreg.model import ModelSpec, init_parameters
from cisreg.motifs import MotifSet
from cisreg.trained_model import Model

M, W, L = 3, 4, 12
# Rounding each parameter to six digits changes expression by up to 3e-4. The predictions for
# comparison also have six digits; above 10, that adds up to 5e-5.
TEXT_PRECISION = 3e-4 + 5e-5


def random_model(seed: int = 0, **layers) -> Model:
    spec = ModelSpec(M, W, L, **layers)
    random = np.random.default_rng(seed)
    parameters = {
        name: random.normal(0, 2, shape).astype(np.float32)
        for name, shape in spec.parameter_shapes.items()
    }
    return Model(spec, parameters, tuple(f"motif_{index}" for index in range(M)))


LAYERS = {
    "plain": {"potentiation": False},
    "potentiation": {},
    "accessibility": {"accessibility_activity": True},
    "limit": {"binding_limit": True},
    "stranded": {"stranded": True},
    "positional": {"positional": True},
    "all": {
        "binding": "probability",
        "accessibility_activity": True,
        "binding_limit": True,
        "positional": True,
        "stranded": True,
    },
}


@pytest.mark.parametrize("name", LAYERS)
def test_text_files_come_back(tmp_path, name):
    model = random_model(**LAYERS[name])
    export_model(tmp_path / "model", model)
    back = import_model(tmp_path / "model", binding=model.spec.binding, sequence_length=L)
    assert back.spec == model.spec
    assert back.motif_names == model.motif_names
    for parameter, value in model.parameters.items():
        np.testing.assert_allclose(back.parameters[parameter], value, rtol=5.1e-6)
    export_model(tmp_path / "again", back)
    for path in tmp_path.glob("model.*"):
        again = path.with_name(path.name.replace("model", "again"))
        assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", LAYERS)
def test_checkpoints_come_back_to_the_bit(tmp_path, name):
    model = random_model(**LAYERS[name])
    export_model(tmp_path / "model", model, checkpoint=True)
    back = import_model(
        tmp_path / "model.ckpt", binding=model.spec.binding, sequence_length=model.spec.window_count
    )
    assert back.spec == model.spec
    for parameter, value in model.parameters.items():
        np.testing.assert_array_equal(back.parameters[parameter], value)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.floats(-7, 7, width=32), min_size=1, max_size=5))
def test_binding_limits_are_the_same_text_again(tmp_path_factory, log_limits):
    folder = tmp_path_factory.mktemp("limits")
    arrays = {
        "log_concentration": np.float32(log_limits),
        "activity": np.float32(log_limits),
        "bias": np.float32(0.5),
        "log_binding_limit": np.float32(log_limits),
    }
    write_params(folder / "a.params", arrays)
    write_params(folder / "b.params", read_params(folder / "a.params"))
    assert (folder / "a.params").read_bytes() == (folder / "b.params").read_bytes()


def test_weights_on_knots_are_written_for_each_position(tmp_path):
    model = random_model(positional=True, position_knots=3, stranded=True)
    export_model(tmp_path / "model", model)
    back = import_model(tmp_path / "model", binding="expected")
    assert back.parameters["position_weight"].shape == (2, L, M)
    codes = np.random.default_rng(0).integers(0, 4, (20, L), np.uint8)
    np.testing.assert_allclose(
        back.predict(codes).expression, model.predict(codes).expression, rtol=1e-4, atol=1e-4
    )


def competing(model):
    """The model with sites that cover all columns and exclude each other."""
    columns = np.tile([[0], [model.spec.motif_width]], model.spec.motif_count)
    spec = dataclasses.replace(model.spec, competition=True)
    return dataclasses.replace(model, spec=spec, column_range=columns)


def test_a_model_that_the_original_cannot_express(tmp_path):
    with pytest.raises(ValueError, match='padding: expected "same"'):
        export_model(tmp_path / "model", random_model(padding="valid"))
    with pytest.raises(ValueError, match="positional_potentiation: expected a model without it"):
        export_model(tmp_path / "model", random_model(positional_potentiation=True))
    with pytest.raises(ValueError, match="competition: expected a model without it"):
        export_model(tmp_path / "model", competing(random_model()))
    with pytest.raises(ValueError, match=r"link: expected .identity.*got 'logistic'"):
        export_model(tmp_path / "model", random_model(link="logistic"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("parameter", ["log_kd", "log_concentration", "activity", "bias"])
def test_numbers_that_are_not_finite_neither_come_nor_go(tmp_path, parameter):
    model = random_model()
    value = model.parameters[parameter]
    place = tuple(size - 1 for size in value.shape)
    value[place] = np.nan
    message = f"parameters: expected finite numbers in {parameter}, got nan"
    with pytest.raises(ValueError, match=message):
        export_model(tmp_path / "model", model, checkpoint=True)
    assert not list(tmp_path.iterdir())
    write_checkpoint(tmp_path / "model.ckpt", model.parameters)
    for read in (import_model, read_parameters):
        with pytest.raises(ValueError, match=rf"model.ckpt: {message}"):
            read(tmp_path / "model.ckpt")


@pytest.mark.parametrize("constant", [False, True])
def test_a_graph_with_numbers_that_are_not_finite(tmp_path, constant):
    variables = original_variables(random_model())
    variables["potents"][1] = np.inf
    held = {"potents": variables.pop("potents")} if constant else {}
    for source in save_original(tmp_path, variables, held, length=L, expected=True):
        with pytest.raises(ValueError, match=r"in potentiation, got inf at \[1\] \(1 of 3"):
            import_model(source)


@pytest.mark.parametrize("limit", [120.0, -120.0])
def test_binding_limits_that_could_not_be_read_back_are_not_written(tmp_path, limit):
    model = random_model(binding_limit=True)
    model.parameters["log_binding_limit"][1] = limit
    with pytest.raises(ValueError, match=rf"log_binding_limit: .* got {limit:g} at \[1\] \(1 such"):
        export_model(tmp_path / "model", model)
    assert not list(tmp_path.iterdir())


def test_weights_between_knots_that_overflow_are_not_written(tmp_path):
    model = random_model(positional=True, position_knots=4)
    model.parameters["position_weight"][:] = np.float32([-3e38, 3e38, 3e38, -3e38])[:, None]
    with pytest.raises(ValueError, match="expected finite numbers in position_weight, got"):
        export_model(tmp_path / "model", model)
    assert not list(tmp_path.iterdir())


# Variables as the original saves them, with its own graph.


def original_variables(model: Model) -> dict[str, np.ndarray]:
    values = model.parameters
    return {
        "motifs": values["log_kd"].transpose(1, 0, 2),
        "concentrations": values["log_concentration"].reshape(1, 1, 1, M),
        "activities": values["activity"],
        "potents": values["potentiation"],
        "constantPot": values["potentiation_bias"].reshape(1),
        "constant": values["bias"].reshape(1),
    }


@pytest.mark.parametrize("held", [(), ("motifs", "concentrations"), ("concentrations", "potents")])
@pytest.mark.parametrize("binding", ["expected", "probability"])
def test_the_graph_tells_everything(tmp_path, binding, held):
    model = random_model(binding=binding)
    variables = original_variables(model)
    constants = {name: variables.pop(name) for name in held}
    checkpoint, folder = save_original(
        tmp_path, variables, constants, length=L, expected=binding == "expected"
    )
    for source in (checkpoint, folder):
        back = import_model(source)
        assert back.spec == model.spec
        for parameter, value in model.parameters.items():
            np.testing.assert_array_equal(back.parameters[parameter], value)
    with pytest.raises(ValueError, match="expected sequence_length 12, as its files say, got 13"):
        import_model(folder, sequence_length=13)
    with pytest.raises(ValueError, match=f"expected binding {binding}, as its files say, got"):
        import_model(folder, binding="expected" if binding == "probability" else "probability")


def test_a_checkpoint_alone_lacks_what_was_held(tmp_path):
    model = random_model()
    variables = original_variables(model)
    held = {name: variables.pop(name) for name in ("motifs", "concentrations")}
    checkpoint, _ = save_original(tmp_path, variables, held, length=L, expected=True)
    Path(checkpoint + ".meta").unlink()
    said = {"binding": "expected", "sequence_length": L}
    with pytest.raises(ValueError, match=r"expected log_kd, found none; .* --motifs \(-dm\)"):
        import_model(checkpoint, **said)
    motifs = MotifSet(("a", "b", "c"), model.parameters["log_kd"], np.zeros(M, int), np.full(M, W))
    with pytest.raises(ValueError, match=r"log_concentration, .* --concentrations \(-ic\)"):
        import_model(checkpoint, motif_set=motifs, **said)
    back = import_model(
        checkpoint,
        motif_set=motifs,
        log_concentration=model.parameters["log_concentration"],
        **said,
    )
    assert back.motif_names == ("a", "b", "c")
    for parameter, value in model.parameters.items():
        np.testing.assert_array_equal(back.parameters[parameter], value)


def test_the_older_name_of_concentrations(tmp_path):
    model = random_model()
    variables = original_variables(model)
    variables["Variable"] = variables.pop("concentrations")
    _, folder = save_original(tmp_path, variables, {}, length=L, expected=True)
    np.testing.assert_array_equal(
        import_model(folder).parameters["log_concentration"],
        model.parameters["log_concentration"],
    )


def test_position_weights_of_a_checkpoint(tmp_path):
    model = random_model(positional=True, stranded=True)
    variables = original_variables(model) | {
        "activityDiffs": model.parameters["activity_difference"],
        "positionalActivities": model.parameters["position_weight"][0],
        "positionalActivitiesRC": model.parameters["position_weight"][1],
    }
    _, folder = save_original(tmp_path, variables, {}, length=L, expected=True)
    back = import_model(folder)
    assert back.spec == model.spec
    for parameter, value in model.parameters.items():
        np.testing.assert_array_equal(back.parameters[parameter], value)


# The trained model that is stored next to the repository.


def test_the_trained_reference_predicts_what_the_original_did():
    model = import_model(
        shared_data("trained_reference") / "positional_stranded", binding="expected"
    )
    data = read_dataset(shared_data("gpra_example") / "expression.tsv.gz", 110)
    difference = model.predict(data.sequence).expression - trained_reference.predictions()
    assert np.abs(difference).max() <= TEXT_PRECISION


def test_text_and_checkpoint_of_stage_2_are_the_same_model(tmp_path):
    folder = shared_data("trained_reference")
    said = {"binding": "expected", "sequence_length": 110}
    text = import_model(folder / "stage2", **said)
    checkpoint = import_model(folder / "stage2.ckpt", **said)
    assert text.spec == checkpoint.spec
    for name, value in checkpoint.parameters.items():
        np.testing.assert_allclose(text.parameters[name], value, rtol=5.1e-6, atol=1e-30)
    for model in (text, checkpoint):
        export_model(tmp_path / "stage2", model, overwrite=True)
        for suffix in (".params", ".pkdms"):
            ours, theirs = tmp_path / f"stage2{suffix}", folder / f"stage2{suffix}"
            assert ours.read_bytes() == theirs.read_bytes()


def test_export_of_the_imported_positional_model_is_the_same_text(tmp_path):
    folder = shared_data("trained_reference")
    export_model(
        tmp_path / "positional_stranded",
        import_model(folder / "positional_stranded", binding="expected"),
    )
    for suffix in (".params", ".pkdms"):
        name = f"positional_stranded{suffix}"
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    name = "positional_stranded.positional.gz"
    with gzip.open(tmp_path / name) as ours, gzip.open(folder / name) as theirs:
        assert ours.read() == theirs.read()


# Damaged files: one clear error each.


@pytest.fixture
def exported(tmp_path):
    export_model(tmp_path / "model", random_model(**LAYERS["all"]), checkpoint=True)
    return tmp_path


def damage_line(path: Path, number: int, change) -> None:
    """Changes line `number` (from 1); `change` returns its new text, or None to delete the line."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as file:
        lines = file.read().split("\n")
    changed = change(lines[number - 1])
    lines[number - 1 : number] = [] if changed is None else [changed]
    with opener(path, "wt") as file:
        file.write("\n".join(lines))


def replace_field(index: int, text: str):
    def change(line: str) -> str:
        fields = line.split("\t")
        fields[index] = text
        return "\t".join(fields)

    return change


DAMAGES = [
    (".params", 1, lambda line: line.replace("activity\t", "active\t"), r"params:1: .*columns i"),
    (".params", 1, lambda line: line + "\tmore", r"params:1: expected the columns"),
    (".params", 2, lambda line: None, r"params:2: expected row -1, got 0"),
    (".params", 3, lambda line: line.rpartition("\t")[0], r"params:3: expected 6 fields, got 5"),
    (".params", 4, replace_field(2, "much"), r"params:4: .*column 3, got 'much'"),
    (".params", 4, replace_field(2, "nan"), r"params:4: .*column 3, got 'nan'"),
    (".params", 4, replace_field(4, "-2"), r"params:4: expected a binding limit above 0, got -2"),
    (".params", 4, lambda line: None, r"params:4: expected row 1, got 2; is the file complete"),
    (".params", 5, lambda line: None, r"pkdms: expected 2 motifs as in .*params, got 3; are both"),
    (".pkdms", 1, lambda line: None, r"pkdms:1: expected a line that begins with #Motif 0"),
    (".pkdms", 3, lambda line: None, r"pkdms:3: expected a line that begins with #C, got #G"),
    (".pkdms", 4, lambda line: line.rpartition("\t")[0], r"pkdms:4: expected 5 fields, got 4"),
    (".pkdms", 5, replace_field(1, "1,5"), r"pkdms:5: .*column 2, got '1,5'"),
    (".positional.gz", 1, lambda line: None, r"positional.gz:1: expected the columns TF, pos"),
    (".positional.gz", 3, replace_field(3, ""), r"positional.gz:3: .*column 4, got ''"),
    (".positional.gz", 5, lambda line: None, r"gz:5: expected motif 0, position 3, got 0, 4"),
    (".positional.gz", 1 + L, lambda line: None, r"gz:13: expected 12|:\d+: expected .* positions"),
]


@pytest.mark.parametrize(("suffix", "number", "change", "message"), DAMAGES)
def test_damaged_lines(exported, suffix, number, change, message):
    damage_line(exported / f"model{suffix}", number, change)
    with pytest.raises(ValueError, match=message):
        import_model(exported / "model", binding="expected", sequence_length=L)


@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        (".params", r"params:5: |pkdms: expected 2 motifs"),
        (".pkdms", r"pkdms:\d+: expected .*(fields|the end of the file)"),
        (".positional.gz", r"positional\.gz: cannot be decompressed .*is the file complete"),
    ],
)
def test_files_cut_in_the_middle(exported, suffix, message):
    path = exported / f"model{suffix}"
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 6])
    with pytest.raises(ValueError, match=message):
        import_model(exported / "model", binding="expected", sequence_length=L)


@pytest.mark.parametrize("suffix", [".params", ".pkdms", ".positional.gz"])
def test_empty_files(exported, suffix):
    (exported / f"model{suffix}").write_bytes(b"")
    with pytest.raises(ValueError, match=f"{suffix}: expected "):
        import_model(exported / "model", binding="expected", sequence_length=L)


@pytest.mark.parametrize("suffix", [".params", ".pkdms"])
def test_files_cut_within_their_last_number(exported, suffix):
    path = exported / f"model{suffix}"
    path.write_bytes(path.read_bytes().rstrip(b"\n")[:-1])
    with pytest.raises(ValueError, match=rf"{suffix}:\d+: expected a whole line, got .* complete"):
        import_model(exported / "model", binding="expected", sequence_length=L)


def test_the_graph_of_an_earlier_model_goes_with_it(tmp_path):
    model = random_model(binding="probability")
    checkpoint, _ = save_original(tmp_path, original_variables(model), {}, length=L, expected=False)
    export_model(tmp_path / "model", random_model(seed=1), checkpoint=True, overwrite=True)
    back = import_model(checkpoint, binding="expected", sequence_length=L)
    assert back.spec.binding == "expected"


def test_files_of_different_models(tmp_path):
    export_model(tmp_path / "model", random_model(**LAYERS["all"]))
    export_model(tmp_path / "other", random_model(positional=True))
    shutil.copy(tmp_path / "other.positional.gz", tmp_path / "model.positional.gz")
    with pytest.raises(ValueError, match=r"expected two column.* activityDiffs, got 1; are both"):
        import_model(tmp_path / "model", binding="expected")


@pytest.mark.parametrize("part", [".ckpt.index", ".ckpt.data-00000-of-00001"])
def test_damaged_checkpoints(exported, part):
    path = exported / f"model{part}"
    content = path.read_bytes()
    for wrong in (content[: len(content) // 2], b"", pickle.dumps({"a": 1})):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=r"model\.ckpt: expected (a checkpoint|the variables)"):
            import_model(exported / "model.ckpt", binding="expected", sequence_length=L)
    path.unlink()
    with pytest.raises((ValueError, FileNotFoundError), match=r"model\.ckpt: expected "):
        import_model(exported / "model.ckpt", binding="expected", sequence_length=L)


def test_checkpoints_of_other_programs(tmp_path):
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "a.ckpt"),
        tensor_names=["weights"],
        shape_and_slices=[""],
        tensors=[tf.zeros(3)],
    )
    with pytest.raises(ValueError, match=r"expected the variables of CisRegModels .*got weights"):
        read_checkpoint(tmp_path / "a.ckpt")


def test_checkpoints_whose_parts_do_not_fit(tmp_path):
    model = random_model()
    variables = original_variables(model) | {"activities": np.zeros(M + 1, np.float32)}
    _, folder = save_original(tmp_path, variables, {}, length=L, expected=True)
    with pytest.raises(ValueError, match=r"expected log_kd of shape .* beside 4 activities"):
        import_model(folder)


@pytest.mark.parametrize("ending", [".index", ".meta", ".data-00000-of-00001"])
def test_a_pipe_among_the_files_of_a_checkpoint_is_refused_at_once(tmp_path, ending):
    export_model(tmp_path / "old", random_model(), checkpoint=True)
    path = tmp_path / f"old.ckpt{ending}"
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises((ValueError, OSError), match=r"named pipe|found none of them"):
        read_parameters(tmp_path / "old.ckpt")


def test_damaged_graphs(tmp_path):
    _, folder = save_original(
        tmp_path, original_variables(random_model()), {}, length=L, expected=True
    )
    path = Path(folder) / "saved_model.pb"
    content = path.read_bytes()
    for wrong in (content[: len(content) // 2], b"", b"text"):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=r"saved_model\.pb: expected the graph of "):
            import_model(folder)


@pytest.mark.parametrize("missing", ["binding", "sequence_length"])
def test_what_text_does_not_tell_is_asked_for(tmp_path, missing):
    export_model(tmp_path / "model", random_model())
    said = {"binding": "expected", "sequence_length": L}
    said.pop(missing)
    with pytest.raises(ValueError, match=f"expected {missing}, which .*; give --"):
        import_model(tmp_path / "model", **said)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing: expected PREFIX of PREFIX\.params"):
        import_model(tmp_path / "nothing")


def test_init_parameters_still_knows_every_parameter():
    """A parameter that is added to the model must be imported and exported too."""
    spec = ModelSpec(M, W, L, **LAYERS["all"])
    known = set(init_parameters(spec, np.zeros((W, 4, M)), np.zeros(M)))
    assert known == set(random_model(**LAYERS["all"]).parameters)
