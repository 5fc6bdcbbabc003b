"""Every option of CisRegModels' two model commands: its translation acts as the option says."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.csv
import pytest
from legacy.old_data import (
    COUNT,
    LENGTH,
    MAKE,
    MOTIFS,
    PREDICT,
    WIDTH,
    base_options,
    make,
    run_old,
    write_data,
)
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.legacy import import_model
from cisreg.legacy.arguments import OPTIONS, parse_command
from cisreg.legacy.translation import _is_imported, translate
from cisreg.motifs import read_motifs
from cisreg.trained_model import Model
from cisreg.training.checkpoint import Checkpoints

LAYERS = "-bl -aisa -posa -stra"
# Each of these options changes the model that is trained on the same data.
ANOTHER_PATH = {
    "-b": "-b 60",
    "-ae": "-ae 0.1",
    "-ab1": "-ab1 0.5",
    "-ab2": "-ab2 0.9",
    "-mo": "-mo",
    "-rms": "-rms",
    "-r": "-r 3",
    "-lr": "-lr 0.05",
    "-lred": "-lred 0.01",
    "-clr": "-clr 0.001,0.01,3",
    "-l1": "-l1 0.1",
    "-l2": "-l2 0.1",
    "-ia": "-ia 0.3",
    "-ip": "-ip 0.3",
    "-mll": "-mll {folder}/mean_sd.txt",
}
# The second options change the model that the first ones train.
ANOTHER_PATH_BESIDE = {
    "-mom": ("-mo", "-mom 0.5"),
    "-mon": ("-mo -mom 0.5", "-mon"),
    "-rmsd": ("-rms", "-rmsd 0.5"),
    "-rmse": ("-rms", "-rmse 0.1"),
    "-l2Pos": ("-posa", "-l2Pos 10"),
    "-ibl": ("-bl -ntbl", "-ibl {folder}/limits.txt"),
}
HELD = {
    "-ntc": "log_concentration",
    "-nta": "activity",
    "-ntp": "potentiation",
    "-ntm": "log_kd",
    "-ntbl": "log_binding_limit",
}
ADDED = {
    "-po": "potentiation",
    "-bl": "log_binding_limit",
    "-aisa": "accessibility_activity",
    "-posa": "position_weight",
    "-stra": "activity_difference",
}
# Options with separate tests below.
OTHERS = (
    *("-i", "-sl", "-raw", "-se", "-res", "-nm", "-ml", "-dm", "-ic", "-eb", "-ca", "-t", "-o"),
    *("-tb", "-tbf", "-l", "-v", "-trace", "-M", "-VARIABLE", "-ob"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("old")
    write_data(path)
    rows = [f"motif{index}\t{limit}\n" for index, limit in enumerate((0.5, 1.5, 2.5))]
    (path / "limits.txt").write_text("".join(rows))
    return path


@pytest.fixture(scope="module")
def base(folder) -> Model:
    return make(folder, "base")


def same(first: Model, second: Model) -> bool:
    return first.spec == second.spec and all(
        np.array_equal(first.parameters[name], second.parameters[name]) for name in first.parameters
    )


def records(folder, prefix: str, file: str) -> list[dict]:
    path = folder / f"{prefix}.cisreg" / file
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_option_is_tested():
    tested = {*ANOTHER_PATH, *ANOTHER_PATH_BESIDE, *HELD, *ADDED, *OTHERS}
    assert tested == {option for options in OPTIONS.values() for option, _, _ in options}


def test_the_same_command_makes_the_same_model(folder, base):
    assert same(make(folder, "again"), base)


@pytest.mark.parametrize("option", ANOTHER_PATH)
def test_options_that_change_the_path(folder, base, option):
    model = make(folder, f"path{option}", ANOTHER_PATH[option].format(folder=folder))
    assert model.spec == base.spec
    assert not same(model, base)


@pytest.mark.parametrize("option", ANOTHER_PATH_BESIDE)
def test_options_that_change_the_path_of_others(folder, option):
    others, own = ANOTHER_PATH_BESIDE[option]
    without = make(folder, f"without{option}", others)
    model = make(folder, f"with{option}", others, own.format(folder=folder))
    assert model.spec == without.spec
    assert not same(model, without)


@pytest.mark.parametrize("option", HELD)
def test_held_parameters_stay_equal_to_the_bit(folder, option):
    layers = "" if option != "-ntbl" else f"-bl -ibl {folder}/limits.txt"
    start = make(folder, f"start{option}", layers)
    held = make(folder, f"held{option}", layers, option, f"-res {folder}/start{option}.ckpt")
    free = make(folder, f"free{option}", layers, f"-res {folder}/start{option}.ckpt")
    name = HELD[option]
    np.testing.assert_array_equal(held.parameters[name], start.parameters[name])
    assert (free.parameters[name] != start.parameters[name]).any()
    for other in set(start.parameters) - {name, "log_binding_limit"}:
        assert (held.parameters[other] != start.parameters[other]).any(), other


def test_position_weights_and_differences_train_in_every_run(folder):
    model = make(folder, "layers", LAYERS)
    assert (model.parameters["position_weight"] != 1).any()
    assert (model.parameters["activity_difference"] != 0).any()
    assert model.parameters["accessibility_activity"] != 0


@pytest.mark.parametrize("option", ADDED)
def test_layers(folder, option):
    without = make_without_potentiation(folder, "no-po")
    if option == "-po":
        assert "potentiation" not in without.parameters
        assert "potentiation" in make(folder, "po").parameters
    else:
        assert ADDED[option] in make(folder, f"layer{option}", option).parameters


def make_without_potentiation(folder, prefix: str) -> Model:
    command = f"-i {folder}/table.tsv -sl {LENGTH} -nm 3 -ml {WIDTH} -dm {folder}/list.txt"
    run_old(f"{command} -o {folder}/{prefix}", "--overwrite")
    return import_model(f"{folder}/{prefix}", binding="probability", sequence_length=LENGTH)


def test_i_and_sl(folder, base):
    """-i may be the original's one-hot text; -sl trims or pads on the left, like its converter."""
    codes = [line.split("\t") for line in (folder / "table.tsv").read_text().splitlines()]
    lines = []
    for sequence, value in codes:
        bits = ["1" if letter == base else "0" for base in "ACGT" for letter in sequence]
        lines.append("\t".join([value, *bits]) + "\n")
    (folder / "table.ohc").write_text("".join(lines))
    command = (
        f"-i {folder}/table.ohc -sl {LENGTH} -b 30 -nm 3 -ml {WIDTH} -r 2 -eb -po -ia 0.1 -ip 0.1 "
        f"-dm {folder}/list.txt -ic {folder}/concentrations.txt -o {folder}/ohc"
    )
    run_old(f"python {MAKE} {command}")
    ours = import_model(folder / "ohc.ckpt", binding="expected", sequence_length=LENGTH)
    np.testing.assert_array_equal(ours.parameters["log_kd"], base.parameters["log_kd"])


def test_eb(folder, base):
    assert base.spec.binding == "expected"
    without = f"-i {folder}/table.tsv -sl {LENGTH} -nm 3 -ml {WIDTH} -dm {folder}/list.txt"
    run_old(f"{without} -o {folder}/probability")
    recipe = (folder / "probability.recipe.toml").read_text()
    assert 'binding = "probability"' in recipe


def test_dm_ml_and_ic_are_where_training_begins(folder):
    model = make(folder, "motifs", "-ntm -ntc")
    motifs = read_motifs(folder / "list.txt", width=WIDTH)
    assert model.motif_names == MOTIFS
    np.testing.assert_array_equal(model.parameters["log_kd"], motifs.log_kd)
    np.testing.assert_array_equal(model.parameters["log_concentration"], [-4, -4, -4])


def test_ic_by_order_whatever_the_names(folder):
    (folder / "order.txt").write_text("a -1\nb -2\nc -3\n")
    model = make(folder, "order", f"-ntc -ic {folder}/order.txt")
    np.testing.assert_array_equal(model.parameters["log_concentration"], [-1, -2, -3])


def test_nm_beyond_the_list_is_random_but_does_not_saturate(folder, base, caplog):
    model = make(folder, "spare", "-nm 5 -ntm -ntc")
    assert model.motif_names == (*MOTIFS, "motif_3", "motif_4")
    assert model.parameters["log_kd"][:, :, 3:].std() > 0.5
    assert (model.parameters["log_concentration"][3:] < 0).all()
    assert "the other 2 start random" in caplog.text


def test_nm_below_the_list(folder):
    with pytest.raises(AssertionError, match="expected at least the 3 motifs of -dm, got 2"):
        make(folder, "few", "-nm 2")


def test_without_dm_all_motifs_are_random(folder):
    run_old(f"-i {folder}/table.tsv -sl {LENGTH} -nm 4 -ml {WIDTH} -o {folder}/denovo")
    model = import_model(f"{folder}/denovo", binding="probability", sequence_length=LENGTH)
    assert model.spec.motif_count == 4


def test_res_goes_on_from_a_checkpoint_and_ca_is_always_on(folder, base, caplog):
    """With or without -ca, the run starts from the checkpoint with a new optimizer."""
    restored = make(folder, "restored", f"-res {folder}/base.ckpt")
    assert "-res without -ca" in caplog.text
    caplog.clear()
    cleared = make(folder, "cleared", f"-res {folder}/base.ckpt -ca")
    assert "-res without -ca" not in caplog.text
    assert same(restored, cleared)
    tiny = make(folder, "tiny", f"-res {folder}/base.ckpt -lr 1e-9")
    for name, value in base.parameters.items():
        np.testing.assert_allclose(tiny.parameters[name], value, rtol=1e-5, atol=1e-6)


def test_res_adds_layers(folder, base):
    model = make(folder, "more", f"-res {folder}/base.ckpt -posa -stra -lr 1e-9")
    np.testing.assert_allclose(model.parameters["position_weight"], 1, atol=1e-6)
    np.testing.assert_allclose(model.parameters["log_kd"], base.parameters["log_kd"], atol=1e-6)


def test_o_names_all_files(folder, base):
    for suffix in (".params", ".pkdms", ".ckpt.index", ".recipe.toml", ".cisreg/model.json"):
        assert (folder / f"base{suffix}").exists()
    text = import_model(folder / "base", binding="expected", sequence_length=LENGTH)
    checkpoint = import_model(folder / "base.ckpt", binding="expected", sequence_length=LENGTH)
    for name, value in base.parameters.items():
        np.testing.assert_array_equal(checkpoint.parameters[name], value)
        np.testing.assert_allclose(text.parameters[name], value, rtol=5.1e-6)


def test_nothing_is_lost(folder, base):
    with pytest.raises(AssertionError, match=r"recipe\.toml: expected a new file, but it exists"):
        make(folder, "base")


def test_constant_ends_are_bases_like_any_other_as_in_the_original(tmp_path):
    """All windows count: the original's files could not describe constant ends."""
    write_data(tmp_path)
    table = tmp_path / "table.tsv"
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    table.write_text("".join(f"GATTAC{text[6:]}\t{value}\n" for text, value in rows))
    model = make(tmp_path, "ends")
    assert not model.spec.has_span


def test_files_of_the_original_are_seen_before_training(folder):
    (folder / "theirs.params").write_text("theirs")
    with pytest.raises(AssertionError, match=r"theirs\.params: expected a new file"):
        make(folder, "theirs")
    assert (folder / "theirs.params").read_text() == "theirs"
    assert not (folder / "theirs.cisreg").exists()
    assert not (folder / "theirs.recipe.toml").exists()


def test_a_failed_attempt_is_not_in_the_way_of_the_next(folder):
    with pytest.raises(AssertionError, match="-i: expected a file, found no"):
        run_old(base_options(folder, "next").replace("table.tsv", "tabel.tsv"))
    with pytest.raises(AssertionError, match="expected a mean"):
        make(folder, "next", f"-mll {folder}/table.tsv")
    make(folder, "next")


def test_a_recipe_of_the_user_is_not_replaced(folder):
    (folder / "mine.recipe.toml").write_bytes(b"\xffmine")
    with pytest.raises(AssertionError, match=r"mine\.recipe\.toml: expected a new file"):
        make(folder, "mine")
    assert (folder / "mine.recipe.toml").read_bytes() == b"\xffmine"


def test_files_of_the_user_at_the_names_of_new_ones_stay(folder):
    """Also with --overwrite: values, a checkpoint of the stage before, and a named pipe."""
    values = folder / "same.concentrations.tsv"
    values.write_text("any\t1\n")
    options = base_options(folder, "same", f"-ic {values}")
    words = ["train", "--overwrite", "--like-cisregmodels", options]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "same file as the input" in " ".join(result.output.split())
    assert values.read_text() == "any\t1\n"
    for part in (".index", ".meta", ".data-00000-of-00001"):
        (folder / f"same.ckpt{part}").write_text("of the stage before")
    words[-1] = base_options(folder, "same", f"-res {folder}/same.ckpt")
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "same file as the input" in " ".join(result.output.split())
    assert (folder / "same.ckpt.index").read_text() == "of the stage before"
    os.mkfifo(folder / "pipe.recipe.toml")
    words[-1] = base_options(folder, "pipe")
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "expected a regular file, got a named pipe" in " ".join(result.output.split())


@pytest.mark.parametrize("content", [None, "[" * 100_000, "[]", '{"metadata": 1}'])
def test_what_is_no_imported_model_is_not_replaced(tmp_path, content):
    """Nor waited for, if it is a pipe."""
    if content is None:
        os.mkfifo(tmp_path / "model.json")
    else:
        (tmp_path / "model.json").write_text(content)
    assert not _is_imported(str(tmp_path))


def test_other_options_beside_an_old_command_are_refused(folder):
    words = ["train", "--seed", "3", "--like-cisregmodels", base_options(folder, "seed")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "seed" in result.output
    assert not (folder / "seed.cisreg").exists()


def test_options_before_the_command_go_on(folder):
    words = ["--log", f"{folder}/outer.log", "train"]
    result = CliRunner().invoke(app, [*words, "--like-cisregmodels", base_options(folder, "outer")])
    assert result.exit_code == 0, result.output
    assert "stage 1, epoch 2: loss" in (folder / "outer.log").read_text()


def test_layers_of_the_model_before_leave_nothing_behind(folder):
    make(folder, "behind", "-posa")
    run_old(f"{MAKE} {base_options(folder, 'behind')}", "--overwrite")
    assert not import_model(
        folder / "behind", binding="expected", sequence_length=LENGTH
    ).spec.positional


def test_predicting_finds_motifs_and_values_as_training_does(folder, base, monkeypatch):
    """The motifs by paths relative to the current folder, the values by order."""
    (folder / "lists").mkdir()
    (folder / "lists" / "list.txt").write_text("".join(f"PKdMs/{name}.pkdm\n" for name in MOTIFS))
    (folder / "lists" / "by_order.txt").write_text("x -1\ny -2\nz -3\n")
    monkeypatch.chdir(folder)
    model = f"-res {folder}/base.ckpt -eb -ml {WIDTH}"
    table, text = predict(folder, model, "-dm lists/list.txt -ic lists/by_order.txt", "-ob")
    assert "forward_Abf1" in table.column_names
    assert "concentrations.tsv" in text


def test_predicting_with_text_files_and_with_models_of_cisreg(folder, base):
    from_text, own = (
        predict(folder, f"-res {folder}/{name}", "-eb")[0]["expression"].to_numpy()
        for name in ("base", "base.cisreg")
    )
    np.testing.assert_allclose(from_text, own, atol=1e-3)


def test_raw_reports_the_mean_loss_of_so_many_batches(folder):
    make(folder, "raw", "-raw 3 -r 3")
    steps = records(folder, "raw", "steps.jsonl")
    assert [(each["step"], each["steps"]) for each in steps] == [(3, 3), (6, 3), (9, 3), (12, 3)]
    epochs = records(folder, "raw", "metrics.jsonl")
    # An epoch has 4 equal batches, so both are means of the same 12 losses.
    by_steps, by_epochs = (np.mean([each["loss"] for each in of]) for of in (steps, epochs))
    assert np.isclose(by_steps, by_epochs)


def test_se_saves_within_an_epoch(folder, monkeypatch):
    saved = []
    save = Checkpoints.save
    monkeypatch.setattr(
        Checkpoints, "save", lambda self, state: (saved.append(state.step), save(self, state))
    )
    make(folder, "se", "-se 3 -raw 1")
    assert saved == [3, 0, 3, 0]


def test_t_sets_the_threads():
    code = (
        "from cisreg.cli import options; import tensorflow as tf; options.set_threads(1); "
        "tf.zeros(1); print(tf.config.threading.get_intra_op_parallelism_threads())"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["1"]


def test_t_is_passed_on(folder):
    new = translate(parse_command(base_options(folder, "t", "-t 3")))
    train = new.commands[0]
    assert train[train.index("--threads") + 1] == "3"


def test_tb_and_tbf_write_summaries(folder):
    make(folder, "tb", f"-tb {folder}/board -tbf 2")
    files = list((folder / "tb.cisreg" / "tensorboard").rglob("events.*"))
    content = b"".join(path.read_bytes() for path in files)
    assert b"steps/loss" in content
    assert b"parameters/activity" in content
    assert [each["steps"] for each in records(folder, "tb", "steps.jsonl")] == [2, 2, 2, 2]


def test_l_is_a_log_file_and_v_says_more(folder):
    make(folder, "quiet", f"-l {folder}/quiet.log")
    make(folder, "loud", f"-l {folder}/loud.log -v -v -v")
    quiet, loud = (Path(f"{folder}/{name}.log").read_text() for name in ("quiet", "loud"))
    assert "stage 1, epoch 2: loss" in quiet
    assert "DEBUG" not in quiet
    assert "DEBUG" in loud


def test_trace_writes_a_profile(folder, base):
    model = make(folder, "trace", "-trace")
    assert same(model, base)
    with gzip.open(folder / "trace.cisreg" / "profile" / "trace.json.gz") as file:
        events = json.load(file)["traceEvents"]
    names = {event["name"] for event in events}
    assert any("Cisreg" in name for name in names)
    assert all(event["dur"] >= 0 for event in events if event["ph"] == "X")


# Prediction.


def predict(folder, *words: str) -> tuple[pyarrow.Table, str]:
    output = folder / "predicted.tsv"
    command = f"{PREDICT} -i {folder}/table.tsv -sl {LENGTH} -o {output} {' '.join(words)}"
    text = run_old(command, "--overwrite", program="predict")
    return (
        pyarrow.csv.read_csv(output, parse_options=pyarrow.csv.ParseOptions(delimiter="\t")),
        text,
    )


def test_m_and_res_and_ob(folder, base):
    by_folder, _ = predict(folder, f"-M {folder}/base.Model", "-b 7")
    by_checkpoint, _ = predict(folder, f"-res {folder}/base.ckpt", "-eb", "-b 7")
    assert by_folder.column_names == ["sequence", "measured", "expression", "accessibility"]
    assert len(by_folder) == COUNT
    for name in by_folder.column_names:
        assert by_folder[name].equals(by_checkpoint[name])
    bound, _ = predict(folder, f"-M {folder}/base.Model", "-ob")
    assert bound.column_names[4:] == [
        f"{strand}_{name}" for name in MOTIFS for strand in ("forward", "reverse")
    ]


def test_variable(folder, base, caplog):
    predict(folder, f"-M {folder}/base.Model", "-VARIABLE")
    assert "-VARIABLE: not needed, the older name of concentrations is recognised" in caplog.text


def test_predicting_without_a_model(folder):
    with pytest.raises(AssertionError, match="-M, -res: expected a model, got none"):
        predict(folder)
