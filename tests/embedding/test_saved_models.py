"""Models as SavedModels: what they compute, and everywhere they are loaded."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, saved_model_pb2
from tensorflow.python.tools import saved_model_cli
from typer.testing import CliRunner

import cisreg
from cisreg.cli import app
from cisreg.saved_model import _Exported
from cisreg.saved_model_folder import FILES, fill_saved_model_folder
from cisreg.spec import ModelSpec
from cisreg.storage import save_model

NAMES = ("ABF1", "REB1", "RAP1")
KINDS = {
    "plain": {},
    "limited": {"binding_limit": True},
    "probability": {"binding": "probability", "binding_limit": True, "stranded": True},
    "positional": {
        **{"positional": True, "position_knots": 4, "stranded": True, "constant_left": 3},
        **{"constant_right": 2, "accessibility_activity": True},
    },
    "sites": {"positional": True, "binding_limit": True, "padding": "valid"},
    "logistic": {
        **{"link": "logistic", "positional": True, "positional_potentiation": True},
        **{"position_knots": 4},
    },
    "softplus": {"link": "softplus", "positional_potentiation": True, "padding": "valid"},
    "exponential": {"link": "exponential"},
    "pairs": {
        **{"pairs": ((0, 1), (2, 2)), "pair_distance": 8, "pair_knots": 3},
        **{"constant_left": 3, "binding_limit": True},
    },
    "competition": {"competition": True, "positional": True, "stranded": True},
    "trimmed": {
        **{"binding_limit": True, "constant_left": 3, "constant_ends": "trim"},
        **{"potentiation": False},
    },
}
LENGTH = 20
CODES = np.random.default_rng(1).integers(0, 5, (7, LENGTH)).astype(np.uint8)
OUTPUTS = ("expression", "accessibility", "binding")


def made(kind="positional", *, column_range=None):
    random = np.random.default_rng(0)
    spec = ModelSpec(motif_count=3, motif_width=5, sequence_length=LENGTH, **KINDS[kind])
    # Limits that some sequences reach and others do not.
    means = {"log_concentration": -2, "log_binding_limit": 1}
    parameters = {
        name: random.normal(means.get(name, 0), 0.4, shape).astype(np.float32)
        for name, shape in spec.parameter_shapes.items()
    }
    parameters["log_kd"][3:] = 0
    columns = np.array([[0] * 3, [3] * 3], np.int32) if column_range is None else column_range
    return cisreg.Model(
        spec,
        parameters,
        NAMES,
        metadata={"seed": 5, "padding_side": "left"},
        column_range=columns,
        table_columns={"sequence": "seq"},
        unit="log2 ratio",
    )


def predicted(model, sequence=CODES, *, standard=False):
    prediction = model.predict(
        sequence, binding=True, implementation="standard" if standard else "fused"
    )
    values = {name: getattr(prediction, name) for name in OUTPUTS}
    return {name: value for name, value in values.items() if value is not None}


def numbers(outputs):
    return {name: np.asarray(value) for name, value in outputs.items()}


def assert_equal(actual, expected):
    assert {*actual} == {*expected}
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, err_msg=name)


def assert_close(actual, expected, rtol=2e-6):
    assert {*actual} == {*expected}
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, rtol=rtol, atol=1e-6, err_msg=name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model as the command exports it: `fused` and `standard`."""
    folder = tmp_path_factory.mktemp("exported")
    save_model(folder / "model", made())
    for name, more in (("fused", ()), ("standard", ("--standard-ops",))):
        words = ["export", folder / "model", "--format", "savedmodel", "--output", folder / name]
        result = CliRunner().invoke(app, [*map(str, words), *more])
        assert result.exit_code == 0, result.output
    return folder


def test_the_command_exports_what_predict_computes_to_the_bit(folder):
    loaded = tf.saved_model.load(str(folder / "fused"))
    expected = predicted(made())
    assert_equal(numbers(loaded.signatures["codes_binding"](codes=CODES)), expected)
    del expected["binding"]
    assert_equal(numbers(loaded.signatures["codes"](codes=CODES)), expected)


# Shorter and longer than the model's sequences, lower case, U, ambiguous letters, blanks; nothing.
TEXT = ["acgUACGTTGCATTACGGTA", "ACGT", "NNRYA" * 7, " TTGACA\n", "", "ACGTACGTACGTACGTACGTACGTT"]


@pytest.mark.parametrize("name", ["fused", "standard"])
def test_text_is_read_as_predict_reads_it(folder, name):
    loaded = tf.saved_model.load(str(folder / name))
    expected = predicted(made(), TEXT, standard=name == "standard")
    assert_equal(numbers(loaded.signatures["binding"](sequence=tf.constant(TEXT))), expected)
    del expected["binding"]
    serve = loaded.signatures["serving_default"]
    assert_equal(numbers(serve(sequence=tf.constant(TEXT))), expected)
    assert serve(sequence=tf.constant([], tf.string))["expression"].shape == (0,)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"nucleotide codes .*EGT.* in row .*1"
    ):
        serve(sequence=tf.constant(["ACGT", "ACEGT"]))


def test_text_is_padded_on_the_side_of_the_model():
    model = made()
    right = replace(model, metadata={"padding_side": "right"})
    assert np.any(predicted(right, TEXT)["expression"] != predicted(model, TEXT)["expression"])
    outputs = _Exported(right, "fused").signatures()["binding"](tf.constant(TEXT))
    assert_equal(numbers(outputs), predicted(right, TEXT))


def test_standard_operations_differ_by_rounding(folder):
    loaded = tf.saved_model.load(str(folder / "standard"))
    outputs = numbers(loaded.signatures["codes_binding"](codes=CODES))
    assert_equal(outputs, predicted(made(), standard=True))
    assert_close(outputs, predicted(made()))
    operations = {each.op for each in operations_of(folder / "standard")}
    assert not any(each.startswith("Cisreg") for each in operations)


def operations_of(path):
    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    return [*graph.node, *(node for each in graph.library.function for node in each.node_def)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_predicts_alike(kind):
    """The graphs that are saved, without saving them."""
    codes = np.random.default_rng(2).integers(0, 5, (150, LENGTH)).astype(np.uint8)
    model = made(kind)
    outputs = _Exported(model, "fused").signatures()["codes_binding"](tf.constant(codes))
    assert_equal(numbers(outputs), predicted(model, codes))


@pytest.mark.parametrize("kind", ["plain", "trimmed"])
def test_columns_that_training_could_not_change_have_no_gradient(kind):
    exported = _Exported(made(kind), "fused")
    with tf.GradientTape() as tape:
        expression = exported.signatures()["codes"](tf.constant(CODES))["expression"]
    gradient = tape.gradient(expression, exported.parameters["log_kd"])
    assert np.abs(gradient[:3]).max() > 0
    assert not np.any(gradient[3:])


def test_the_description_says_what_goes_in_and_comes_out(folder):
    stored = (folder / "fused" / "assets" / "model.json").read_text()
    loaded = tf.saved_model.load(str(folder / "fused"))
    assert Path(loaded.description.asset_path.numpy().decode()).read_text() == stored
    described, model = json.loads(stored), made()
    assert ModelSpec.from_dict(described["spec"]) == model.spec
    assert described["motif_names"] == list(NAMES)
    assert described["unit"] == described["outputs"]["expression"]["unit"] == "log2 ratio"
    assert described["metadata"] == model.metadata
    assert described["operations"] == "fused"
    text = described["inputs"]["sequence"]
    assert (text["length"], text["padding_side"]) == (LENGTH, "left")
    assert {*described["outputs"]} == {*OUTPUTS}
    for name, each in described["signatures"].items():
        signature = loaded.signatures[name]
        assert {*each["inputs"]} == {*signature.structured_input_signature[1]}
        assert {*each["outputs"]} == {*signature.structured_outputs}


def test_codes_of_another_length_or_above_4_are_refused_in_the_graph(folder):
    """As a server runs it: nothing compares shapes with the signature before."""
    for name in ("fused", "standard"):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            tf.compat.v1.saved_model.load(session, ["serve"], str(folder / name))
            names = json.loads((folder / name / "assets" / "model.json").read_text())
            signature = names["signatures"]["codes"]

            # `Session.run` would compare shapes itself.
            run = session._make_callable_from_options(
                config_pb2.CallableOptions(
                    feed=[signature["inputs"]["codes"]],
                    fetch=[signature["outputs"]["expression"]],
                )
            )
            assert run(CODES)[0].shape == (7,)
            assert run(CODES[:0])[0].shape == (0,)
            with pytest.raises(tf.errors.InvalidArgumentError, match=r"expected shape \[\?,20\]"):
                run(CODES[:, :5])
            with pytest.raises(tf.errors.InvalidArgumentError, match="codes 0 to 4"):
                run(CODES + 1)


def test_a_loaded_model_trains_on(folder):
    """Gradients survive loading; columns that training could not change have none."""
    expected = None
    for name in ("fused", "standard"):
        loaded = tf.saved_model.load(str(folder / name))
        assert {*loaded.parameters} == {*made().parameters}
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(loaded.signatures["codes"](codes=CODES)["expression"] ** 2)
        found = tape.gradient(loss, dict(loaded.parameters))
        assert np.abs(found["log_kd"][:3]).max() > 0
        assert not np.any(found["log_kd"][3:])
        if expected is not None:
            assert_close(numbers(found), expected, rtol=1e-4)
        expected = numbers(found)
        before = float(loss)
        for parameter, gradient in found.items():
            loaded.parameters[parameter].assign_sub(1e-3 * gradient)
        after = loaded.signatures["codes"](codes=CODES)["expression"]
        assert float(tf.reduce_sum(after**2)) < before


@pytest.fixture(scope="module")
def loads(folder):
    """What `loads.py` says, in a process without cisreg and in one that imports it first."""
    np.save(folder / "codes.npy", CODES)
    script = Path(__file__).with_name("loads.py")
    found = {}
    for more in ([cisreg.ops_library()], []):
        done = subprocess.run(
            [sys.executable, script, folder, folder / "codes.npy", *more],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        found |= json.loads(done.stdout.splitlines()[-1])
    return found


def outputs_of(result):
    return {name: np.array(value, np.float32) for name, value in result["outputs"].items()}


@pytest.mark.parametrize("order", ["cisreg first", "cisreg last"])
def test_import_cisreg_is_enough(loads, order):
    assert_equal(outputs_of(loads[order]), predicted(made()))
    assert loads[order]["gradient"] > 0


def test_load_op_library_is_enough_to_predict(loads):
    assert_equal(outputs_of(loads["library"]), predicted(made()))
    # What Python registers is not there; TensorFlow says what.
    assert "No gradient defined for operation" in loads["library"]["gradient"]
    assert "Cisreg>Occupancy" in loads["library"]["gradient"]


def test_standard_operations_load_without_cisreg(loads):
    assert_close(outputs_of(loads["standard"]), predicted(made()))
    assert loads["standard"]["gradient"] > 0


def test_without_the_operation_the_error_names_it(loads):
    assert "Cisreg>Occupancy" in loads["not registered"]


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_a_model_for_tflite(folder):
    path = str(folder / "standard")
    converter = tf.lite.TFLiteConverter.from_saved_model(path, signature_keys=["codes_binding"])
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    run = interpreter.get_signature_runner("codes_binding")
    for codes in (CODES, CODES[:1]):
        expected = {name: value[: len(codes)] for name, value in predicted(made()).items()}
        assert_close(run(codes=codes), expected)
    # Nothing can be refused there.
    assert np.isnan(run(codes=CODES + 1)["expression"][(CODES == 4).any(axis=1)]).all()


def test_a_model_for_onnx(folder):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
    words = ["--saved-model", folder / "standard", "--signature_def", "codes_binding"]
    words += ["--tag", "serve", "--opset", "17", "--output", folder / "model.onnx"]
    command = [sys.executable, "-m", "tf2onnx.convert", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    names = [each.name for each in session.get_outputs()]
    outputs = dict(zip(names, session.run(None, {"codes": CODES}), strict=True))
    assert_close(outputs, predicted(made()))


PAGE_FILE = Path(__file__).parents[2] / "docs" / "howto" / "serve.md"
PAGE = PAGE_FILE.read_text(encoding="utf-8")


def block(language):
    """The first block of code of the page in a language."""
    return re.search(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[1]


def test_the_c_program_of_the_page_predicts_to_the_bit(folder, tmp_path):
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    (tmp_path / "predict.c").write_text(block("c"))
    here = Path(tf.sysconfig.get_lib())
    libraries = ["-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"]
    # A faster linker, where there is one, for these large libraries.
    linker = ["-fuse-ld=gold"] if shutil.which("ld.gold") else []
    command = ["gcc", "-Wall", "-Werror", tmp_path / "predict.c", "-o", tmp_path / "predict"]
    command += [f"-I{here}/include", f"-L{here}", *libraries, f"-Wl,-rpath,{here}", *linker]
    subprocess.run(command, check=True)
    signature = described(folder / "fused")["signatures"]["serving_default"]
    names = signature["inputs"]["sequence"], signature["outputs"]["expression"]
    command = [tmp_path / "predict", cisreg.ops_library(), folder / "fused", *names]
    texts = [text for text in TEXT if text]
    assert all(name.removesuffix(":0") in PAGE for name in names), "the command of the page"
    done = subprocess.run([*command, *texts], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = np.array(done.stdout.split(), np.float32)
    np.testing.assert_array_equal(lines, predicted(made(), texts)["expression"])
    refused = subprocess.run([*command, "ACGT", "ACEGT"], capture_output=True, text=True)
    assert refused.returncode == 1
    assert "expected the nucleotide codes" in refused.stderr.splitlines()[-2]


def described(path):
    return json.loads((path / "assets" / "model.json").read_text())


def test_requests_to_a_server_fit_the_signatures(folder):
    """As TensorFlow Serving makes tensors of requests, by the dtypes and shapes of a signature."""
    request = json.loads(block("json"))
    meta = saved_model_pb2.SavedModel.FromString(
        (folder / "standard" / "saved_model.pb").read_bytes()
    ).meta_graphs[0]
    loaded = tf.saved_model.load(str(folder / "standard"))
    instances = {"sequence": request["instances"], "codes": CODES.tolist()}
    for name in ("serving_default", "binding", "codes", "codes_binding"):
        signature = meta.signature_def[name]
        # One input, whose name requests need not say.
        ((argument, wanted),) = signature.inputs.items()
        tensor = tf.constant(instances[argument], tf.as_dtype(wanted.dtype))
        assert tf.TensorShape(wanted.tensor_shape).is_compatible_with(tensor.shape)
        outputs = loaded.signatures[name](**{argument: tensor})
        assert {*outputs} == {*signature.outputs} == {*OUTPUTS[: 3 if "binding" in name else 2]}
        # Answers in rows need a number for each sequence in every output.
        assert all(len(value) == len(tensor) for value in outputs.values())


def test_saved_model_cli_shows_and_runs_a_model(folder, capsys, monkeypatch):
    def said(*words):
        monkeypatch.setattr(sys, "argv", ["saved_model_cli", *words, "--dir", f"{folder}/fused"])
        with pytest.raises(SystemExit) as ended:
            saved_model_cli.main()
        assert not ended.value.code
        return capsys.readouterr().out

    assert "shape: (-1, 2, 3)" in said("show", "--all")
    run = ["run", "--tag_set", "serve", "--signature_def", "binding"]
    results = said(*run, "--input_exprs", 'sequence=["ACGT"]')
    assert all(f"Result for output key {name}:" in results for name in OUTPUTS)


def test_a_loaded_model_is_part_of_another_function(folder):
    loaded = tf.saved_model.load(str(folder / "fused"))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def mean(sequence):
        outputs = loaded.signatures["serving_default"](sequence=sequence)
        return tf.reduce_mean(outputs["expression"])

    expected = predicted(made(), TEXT)["expression"].mean()
    np.testing.assert_allclose(mean(tf.constant(TEXT)), expected, rtol=1e-6)


def fill(folder, content, *, overwrite=False):
    """Has the files of a SavedModel written, all with this content."""
    with fill_saved_model_folder(folder, overwrite=overwrite) as made:
        for name in FILES:
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_text(content)


def texts_in(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_new_folder_appears_complete(tmp_path, monkeypatch):
    seen = []
    rename = Path.rename

    def watched(path, target):
        seen.append((path.parent.parent == target.parent, texts_in(path)))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", watched)
    fill(tmp_path / "served" / "1", "new")
    assert seen == [(True, dict.fromkeys(FILES, "new"))]
    assert texts_in(tmp_path) == {f"served/1/{name}": "new" for name in FILES}
    assert [path.name for path in (tmp_path / "served").iterdir()] == ["1"]


def test_an_export_replaces_its_own_files_and_no_others(tmp_path):
    fill(tmp_path, "old")
    (tmp_path / "assets.extra").mkdir()
    mine = {"assets.extra/warmup": "mine", "notes": "mine", "variables/notes": "mine"}
    for name, text in mine.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(FileExistsError, match=r"saved_model\.pb.*overwrite=True"):
        cisreg.export_saved_model(tmp_path, made())
    assert texts_in(tmp_path) == {**dict.fromkeys(FILES, "old"), **mine}
    fill(tmp_path, "new", overwrite=True)
    assert texts_in(tmp_path) == {**dict.fromkeys(FILES, "new"), **mine}


def test_an_export_does_not_tell_of_the_folder_that_it_fills(tmp_path):
    notices, logger = [], tf.get_logger()
    handler, level = logging.Handler(), logger.level
    handler.emit = lambda record: notices.append(record.getMessage())
    logger.addHandler(handler)
    logger.setLevel("INFO")
    try:
        cisreg.export_saved_model(tmp_path / "model", made())
        assert logger.level == logging.INFO
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert notices == []


@pytest.mark.parametrize("there", [True, False])
def test_an_export_that_fails_leaves_what_was_there(tmp_path, there):
    target = tmp_path / "served"
    if there:
        fill(target, "old")
    with pytest.raises(RuntimeError), fill_saved_model_folder(target, overwrite=True) as made:
        made.mkdir()
        (made / FILES[0]).write_text("half")
        raise RuntimeError
    assert texts_in(tmp_path) == ({f"served/{name}": "old" for name in FILES} if there else {})
    assert target.exists() == there


def test_parameters_that_are_not_finite_are_refused_before_anything_is_written(tmp_path):
    model = made()
    model.parameters["activity"][1] = np.nan
    with pytest.raises(ValueError, match=r"activity, got .*'REB1'"):
        cisreg.export_saved_model(tmp_path / "new", model)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "savedmodel", "--checkpoint"], "--checkpoint is of --format cisregmodels"),
        (["--standard-ops"], "--standard-ops is of --format savedmodel"),
        (["--format", "onnx"], "'onnx' is not one of"),
    ],
)
def test_options_of_another_format_are_refused(tmp_path, words, message):
    result = CliRunner().invoke(app, ["export", str(tmp_path), "--output", "x", *words])
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


def test_the_target_for_servers_has_the_sources_of_the_build():
    """csrc/BUILD.bazel and CMakeLists.txt: what either has and the other lacks would not link."""
    root = PAGE_FILE.parents[2]
    bazel = (root / "csrc" / "BUILD.bazel").read_text()
    built = (root / "CMakeLists.txt").read_text()

    # What Python calls, and XLA.
    others = {"mutations", "python", "reads", "scan", "sequence", "text", "xla"}
    folders = {*re.findall(r"\bcsrc/(\w+)/\w+\.cc", built)} - others
    assert folders == {"exclusive", "occupancy", "pairs", "tensorflow"}

    def units(text):
        return {*re.findall(rf"\b(?:{'|'.join(folders)})/\w+\.cc", text)}

    # The target is for CPUs of x86-64, without XLA.
    elsewhere = re.compile(r"/kernels_neon\.cc|_(?:gpu|xla)_kernels\.cc")
    assert units(bazel) == {unit for unit in units(built) if not elsewhere.search(unit)}
    flags = re.compile(r"-m(?:avx|fma)\w*")
    assert {*flags.findall(bazel)} == {*flags.findall(built.partition("cisreg_scan")[0])}
