"""Outputs of commands: what exists, what is read and what is no file is refused, by every command.

Commands are enumerated, so that a new command or option must be added to `COMMANDS` or
`NO_FILES` below.
"""

from __future__ import annotations

import errno
import inspect
import io
import json
import os
import re
import shlex
import typing
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Literal

import pytest
import typer
from held_folder import held

from cisreg.cli import app
from cisreg.cli import prepare as prepare_commands
from cisreg.files import publish_together, replace_file
from cisreg.saved_model_folder import FILES

# How each command is called; names in braces are its parameters, those of files alone.
COMMANDS = {
    "check": "{table} --motifs {motifs} --measurements {measurements} --output {output} "
    "--plot {plot}",
    "train": "{table} --motifs {motifs} --recipe {recipe} --concentrations {concentrations} "
    "--initial-activity {initial_activity} --initial-potentiation {initial_potentiation} "
    "--initial-binding-limit {initial_binding_limit} --start {start} --likelihood {likelihood} "
    "--measurements {measurements} --validation {validation} --output {output}",
    "predict": "{model} {table} --intervals {intervals} --output {output}",
    "evaluate": "{model} {table} --truth {truth} --plot {plot}",
    "ensemble train": "{table} --motifs {motifs} --recipe {recipe} "
    "--concentrations {concentrations} --initial-activity {initial_activity} "
    "--initial-potentiation {initial_potentiation} "
    "--initial-binding-limit {initial_binding_limit} --start {start} --likelihood {likelihood} "
    "--measurements {measurements} --validation {validation} --output {output}",
    "ensemble predict": "{ensemble} {table} --output {output}",
    "ensemble evaluate": "{ensemble} {table}",
    "report": "{model} {other} --data {data} --certainty {certainty} "
    "--differences {differences} --output {output}",
    "scan": "{genome} --motifs {motifs} --model {model} --intervals {intervals} "
    "--background {background} --occupancy 0.5 --concentrations {concentrations} "
    "--output {output}",
    "simulate": "--motifs {motifs} --output {output}",
    "import": "{source} --binding expected --length 9 --motifs {motifs} "
    "--concentrations {concentrations} --output {output}",
    "export": "{model} --output {output}",
    "encode": "{table} --length 5 --output {output}",
    "convert": "{sources} --measurements {measurements} --check {check} --output {output}",
    "doctor": "",
    "datasets list": "",
    "datasets describe": "demo",
    "datasets fetch": "demo",
    "explain variants": "{model} {vcf} --genome {genome} --constructs {constructs} "
    "--output {output} --by-factor {by_factor} --plot {plot}",
    "explain factors": "{model} {table} --output {output} --plot {plot}",
    "explain sequences": "{model} {table} --versus {versus} --output {output} --plot {plot}",
    "explain mutations": "{model} {table} --output {output} --plot {plot}",
    "explain pairs": "{model} {table} --output {output} --plot {plot}",
    "explain cooperativity": "{model} {table} --held-out {held_out} --recipe {recipe} "
    "--output {output} --plot {plot}",
    "explain dose": "{model} {table} --factor Reb1 --output {output} --plot {plot}",
    "explain design": "{model} {starts} --training {training} --output {output} --plot {plot}",
    "explain marginalize": "{model} {sequences} --output {output} --plot {plot}",
    "explain ablate": "{model} {sequences} --factor Reb1 --output {output}",
    "explain space": "{model} {sequences} --motif Reb1 --motif Rap1 --distance 3 --output {output} "
    "--plot {plot}",
    "explain diagnosis": "{model} {table} --database {database} --output {output} "
    "--factors {factors}",
    "explain differences": "{model} {table} --output {output}",
    "explain certainty": "{model} {table} --profile bias --output {output} --plot {plot}",
    "motifs convert": "{motifs} {output} --format meme",
    "motifs info": "{motifs} --output {output}",
    "motifs logo": "{motifs} --output {output}",
    "motifs compare": "{query} {target} --output {output}",
    "prepare merge-pairs": "{forward} {reverse} --overlap 5 --output {output}",
    "prepare collapse": "{inputs} --output {output}",
    "prepare cluster": "{counts} --output {output} --map {map_output}",
    "prepare translate": "{sequences} {dictionary} --output {output}",
    "prepare expression": "{inputs} --output {output}",
    "prepare activity": "{inputs} --sequences {sequences} --output {output}",
}
ALL_COMMANDS = typer.main.get_command(app)
OUTPUTS = ("output", "map_output", "plot", "factors", "by_factor")
FOLDERS = ("model", "truth", "start", "ensemble", "other")
# Texts that name no file, and the temporary folder, in which nothing has a name of the user. A
# track is a file or a folder of files: see `test_scan.py` and `genome/test_tracks.py`.
NO_FILES = (
    *("model_output", "outputs", "differ", "reference"),
    *("sequence_column", "expression_column", "weight_column", "name_column", "measured_column"),
    *(
        "label_column",
        "exposure_column",
        "split_column",
        "group_column",
        "family_column",
        "fold",
        "names",
        "bins",
        "bin_values",
    ),
    *("cells", "pseudocount", "memory", "temporary_folder", "like_cisregmodels"),
    "track",
    *("constant_left", "constant_right", "position_knots"),
    *("name", "background"),
    "pair",
    *("factor", "times", "profile", "values"),
    *("motif", "position", "distance", "composition"),
    *("target", "protect", "gc", "forbid", "forbid_factor"),
    # Pairs of sequences are given instead of VARIANTS.
    *("left", "right", "sample", "pairs", "reference_column", "alternative_column"),
    # Of a data set; a registry is only read.
    *("part", "registry"),
)
# The first file that a command writes into its folder, or after its prefix.
IN_FOLDER = {
    "train": "/recipe.toml",
    "simulate": "/train.tsv.gz",
    "import": "/model.json",
    "export": ".params",
}
# `convert` writes a whole folder, see `data/conversion/test_convert_folders.py`. An ensemble is
# never replaced, see `uncertainty/test_ensemble_commands.py`.
WRITERS = [name for name in COMMANDS if name not in ("doctor", "convert", "ensemble train")]
FILE_WRITERS = [name for name in WRITERS if name not in IN_FOLDER]


def commands(group, prefix=""):
    for each in group.registered_commands:
        yield prefix + (each.name or each.callback.__name__.replace("_", "-")), each.callback
    for each in group.registered_groups:
        yield from commands(each.typer_instance, f"{prefix}{each.typer_instance.info.name} ")


def parameters(command, outputs):
    names = re.findall("{(.*?)}", COMMANDS[command])
    return [name for name in names if (name in OUTPUTS) == outputs]


def texts(callback):
    """Parameters of a command that are a text or a path, which may name a file."""
    hints = typing.get_type_hints(callback)
    for name in inspect.signature(callback).parameters:
        kinds = {hints[name], *typing.get_args(hints[name])}
        kinds |= {inner for kind in kinds for inner in typing.get_args(kind)}
        if {str, Path} & kinds and not any(typing.get_origin(kind) is Literal for kind in kinds):
            yield name


def test_every_command_and_option_that_may_name_a_file_is_tried_here():
    found = dict(commands(app))
    assert {*found} == {*COMMANDS}
    for name, callback in found.items():
        unknown = {*texts(callback)} - {*NO_FILES, *re.findall("{(.*?)}", COMMANDS[name])}
        assert not unknown, f"{name}: add {unknown} to COMMANDS or to NO_FILES"
        writes = parameters(name, True)
        replaces = "overwrite" in inspect.signature(callback).parameters
        assert bool(writes) == (replaces or name == "ensemble train"), name
    assert [name for name, _ in commands(prepare_commands.app)]


class Files:
    """Files for all parameters of a command, with a content that no command can read."""

    def __init__(self, folder, command):
        self.folder, self.command, self.paths = folder, command, {}
        for name in parameters(command, False):
            path = folder / name
            if name in FOLDERS:
                path.mkdir()
                (path / "model.json").write_text(name)
            else:
                path.write_text(name)
            self.paths[name] = path
        for name in parameters(command, True):
            ending = ".png" if name == "plot" else ".tsv"
            self.paths[name] = folder / f"new {name}{'' if command in IN_FOLDER else ending}"

    def read(self, name):
        """The file of an input."""
        return self.paths[name] / "model.json" if name in FOLDERS else self.paths[name]

    def written(self, name):
        """The file of an output."""
        path = Path(f"{self.paths[name]}{IN_FOLDER.get(self.command, '')}")
        path.parent.mkdir(exist_ok=True)
        return path

    def refused(self, *more, before=(), **changed):
        """Runs the command, which must end with an error; returns its message.

        Args:
            more: words after the command.
            before: words before it.
            changed: other values of its parameters.
        """
        words = {name: shlex.quote(str(path)) for name, path in {**self.paths, **changed}.items()}
        line = COMMANDS[self.command].format(**words)
        words = [*before, *self.command.split(), *shlex.split(line), *more]
        content = self.content()
        # As `CliRunner().invoke(app, words)`, which would make all commands anew each time.
        output = io.StringIO()
        with redirect_stdout(output), redirect_stderr(output), pytest.raises(SystemExit) as ended:
            ALL_COMMANDS.main(words, prog_name="cisreg")
        assert ended.value.code == 1, output.getvalue()
        assert self.content() == content
        return " ".join(output.getvalue().split())

    def document(self):
        """What the command prints with --json, when its inputs cannot be read."""
        words = {name: shlex.quote(str(path)) for name, path in self.paths.items()}
        line = COMMANDS[self.command].format(**words)
        output = io.StringIO()
        with redirect_stdout(output), redirect_stderr(io.StringIO()), pytest.raises(SystemExit):
            words = [*self.command.split(), *shlex.split(line), "--json"]
            ALL_COMMANDS.main(words, prog_name="cisreg")
        return json.loads(output.getvalue())

    def content(self):
        return {
            path: (path.lstat().st_ino, path.lstat().st_mtime_ns, path.read_bytes())
            for path in self.folder.rglob("*")
            if path.is_file()
        }


# The others read and write no files that are named, and would do their work.
@pytest.mark.parametrize("command", [name for name, words in COMMANDS.items() if "{" in words])
def test_with_json_an_error_is_one_document(tmp_path, command):
    found = Files(tmp_path, command).document()
    assert found["command"] == command
    assert found["exit_status"] in (1, 2)
    if command != "check":  # there what cannot be read is a finding
        assert found["error"]["message"]
        assert found["results"] == {}


def pairs(names):
    return [(name, output) for name in names for output in parameters(name, True)]


@pytest.mark.parametrize(("command", "output"), pairs(WRITERS))
def test_what_exists_is_refused(tmp_path, command, output):
    files = Files(tmp_path, command)
    files.written(output).write_text("mine")
    assert "--overwrite" in files.refused()
    # A link that leads nowhere is something of the user's, too.
    files.written(output).unlink()
    files.written(output).symlink_to("nowhere")
    assert "--overwrite" in files.refused()
    assert files.written(output).readlink() == Path("nowhere")


@pytest.mark.parametrize(("command", "output"), pairs(WRITERS))
def test_an_output_that_is_an_input_is_refused_even_with_overwrite(tmp_path, command, output):
    for number, name in enumerate(parameters(command, False)):
        folder = tmp_path / str(number)
        folder.mkdir()
        files = Files(folder, command)
        read, written = files.read(name), files.written(output)
        for link in (os.link, os.symlink):
            link(read, written)
            assert "same file as the input" in files.refused("--overwrite"), name
            written.unlink()
        # And where the input is named through links of its own and of its folder.
        (folder / "beside").symlink_to(folder)
        os.link(read, written)
        through = folder / "beside" / read.parent.relative_to(folder)
        through /= "" if name in FOLDERS else read.name
        assert "same file as the input" in files.refused("--overwrite", **{name: through}), name


def test_files_of_several_beginnings_are_inputs_of_import(tmp_path):
    files = Files(tmp_path, "import")
    (tmp_path / "old.params").write_text("mine")
    os.link(tmp_path / "old.params", files.written("output"))
    said = files.refused("--overwrite", source=tmp_path / "old")
    assert "same file as the input" in said


def test_what_is_in_the_place_of_a_saved_model_is_refused(tmp_path):
    files = Files(tmp_path, "export")
    words, folder = ("--format", "savedmodel"), files.paths["output"]
    for name in FILES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
        assert "--overwrite" in files.refused(*words), name
        path.unlink()
        for link in (os.link, os.symlink):
            link(files.read("model"), path)
            assert "same file as the input" in files.refused(*words, "--overwrite"), name
            path.unlink()
        os.mkfifo(path)
        assert "expected a regular file, got a named pipe" in files.refused(*words, "--overwrite")
        path.unlink()
    (folder / "variables").rmdir()
    (folder / "variables").symlink_to(tmp_path)
    assert "variables: expected a folder, or nothing" in files.refused(*words, "--overwrite")
    nowhere = tmp_path / "link"
    nowhere.symlink_to("nowhere")
    assert "a link that leads nowhere" in files.refused(*words, "--overwrite", output=nowhere)


def test_a_saved_model_is_not_written_into_a_folder_in_use(tmp_path):
    files = Files(tmp_path, "export")
    files.paths["output"].mkdir()
    with held(files.paths["output"]):
        said = files.refused("--format", "savedmodel", "--overwrite")
    assert "expected a folder that no other process writes to" in said


def test_a_model_is_exported_to_files_of_its_own_name(tmp_path):
    files = Files(tmp_path, "export")
    (tmp_path / "model.params").write_text("of an earlier export")
    said = files.refused("--overwrite", output=tmp_path / "model")
    assert "model.json: expected the description of a model" in said


@pytest.mark.parametrize("command", ["encode", "predict", "evaluate"])
def test_a_pattern_or_folder_of_inputs_may_hold_the_output(tmp_path, command):
    files = Files(tmp_path, command)
    (output,) = parameters(command, True)
    for table in (tmp_path / "*.*", tmp_path, f"file://{tmp_path}/*.*"):
        files.written(output).write_text("mine")
        assert "same file as the input" in files.refused("--overwrite", table=table)


@pytest.mark.parametrize(("command", "output"), pairs(FILE_WRITERS))
def test_the_log_is_no_output(tmp_path, command, output):
    files = Files(tmp_path, command)
    files.written(output).touch()
    said = files.refused("--overwrite", before=["--log", str(files.written(output))])
    assert "--log: expected a file of its own" in said


@contextmanager
def stream(number, path, flags):
    """Makes a file a standard stream of this process."""
    kept, new = os.dup(number), os.open(path, flags)
    os.dup2(new, number)
    try:
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)
        os.close(new)


STREAMED = {"encode": "table", "predict": "table", "prepare collapse": "inputs"}


@pytest.mark.parametrize("command", STREAMED)
def test_standard_streams_are_inputs_and_outputs_too(tmp_path, command):
    files = Files(tmp_path, command)
    read, written = STREAMED[command], files.written("output")
    written.write_text("ACGT\t1\n")
    with stream(0, written, os.O_RDONLY):
        assert "same file as the input -" in files.refused("--overwrite", **{read: "-"})
    with stream(1, files.paths[read], os.O_WRONLY | os.O_APPEND):
        assert "same file as the input" in files.refused("--overwrite", output="-")


@pytest.mark.parametrize(("command", "output"), pairs(FILE_WRITERS))
def test_what_is_no_file_is_refused_with_what_to_do(tmp_path, command, output):
    files = Files(tmp_path, command)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(os.devnull)
    reading, writing = os.pipe()
    try:
        for name in (pipe, link, os.devnull, "/dev/stdout", f"/dev/fd/{writing}", tmp_path):
            said = files.refused("--overwrite", **{output: name})
            assert f"{name}: expected a regular file, got" in said
            assert ("name a file in it" if name == tmp_path else "with - as the name") in said
    finally:
        os.close(reading)
        os.close(writing)
    assert pipe.is_fifo() and link.is_symlink()


def test_two_outputs_are_two_files(tmp_path):
    files = Files(tmp_path, "prepare cluster")
    (tmp_path / "there").write_text("1")
    os.link(tmp_path / "there", tmp_path / "hard")
    (tmp_path / "beside").symlink_to(tmp_path)
    for one, other in (("new", "new"), ("new", "beside/new"), ("there", "hard"), ("-", "-")):
        names = [each if each == "-" else tmp_path / each for each in (one, other)]
        said = files.refused("--overwrite", output=names[0], map_output=names[1])
        assert "expected outputs that are different files" in said


def write_all(folder, names, *, overwrite=True):
    for name in names:
        with replace_file(folder / name, overwrite=overwrite) as file:
            file.write(name.encode())


@pytest.mark.parametrize("command", ["train", "simulate", "import"])
def test_a_folder_in_use_is_refused_before_the_work_also_through_links(tmp_path, command):
    files = Files(tmp_path, command)
    folder = files.paths["output"]
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "link of a link").symlink_to("link")
    with held(folder):
        for name in (folder, tmp_path / "link", tmp_path / "link of a link"):
            for more in ((), ("--overwrite",)):
                said = files.refused(*more, output=name)
                assert "expected a folder that no other process writes to" in said


@pytest.mark.parametrize("kind", ["link", "link to nothing", "pipe", "file"])
def test_what_is_in_place_of_the_truth_of_simulate_stays(tmp_path, kind):
    """A link to another model would have that replaced."""
    files = Files(tmp_path, "simulate")
    truth = files.paths["output"] / "truth"
    truth.parent.mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("mine")
    plants = {"link": tmp_path / "model", "link to nothing": tmp_path / "nothing"}
    if kind in plants:
        truth.symlink_to(plants[kind])
    else:
        os.mkfifo(truth) if kind == "pipe" else truth.touch()
    for more in ((), ("--overwrite",)):
        assert "truth: expected a folder, or nothing, of this name, got" in files.refused(*more)
    assert (tmp_path / "model" / "model.json").read_text() == "mine"


def test_import_does_not_fill_the_folder_of_a_run(tmp_path):
    files = Files(tmp_path, "import")
    folder = files.paths["output"]
    folder.mkdir()
    (folder / "recipe.toml").touch()
    for more in ((), ("--overwrite",)):
        said = files.refused(*more)
        assert "expected a folder without a training run, but it holds recipe.toml" in said


def test_a_set_is_not_published_into_a_folder_in_use(tmp_path, monkeypatch):
    monkeypatch.setattr("cisreg.locks.time.monotonic", iter(range(0, 1000, 3)).__next__)
    refused = pytest.raises(ValueError, match="no other process writes")
    with held(tmp_path), refused as caught, publish_together():
        write_all(tmp_path, ["model.params"])
    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes() == b"model.params"
    assert str(kept) in str(caught.value)


def test_a_set_of_which_a_file_was_made_meanwhile_gets_no_names(tmp_path, monkeypatch):
    link = os.link

    def made_meanwhile(source, target):
        if Path(target).name == "second":
            Path(target).write_bytes(b"another's")
        link(source, target)

    monkeypatch.setattr(os, "link", made_meanwhile)
    refused = pytest.raises(FileExistsError, match=r"second: .* made it meanwhile")
    with refused as caught, publish_together():
        write_all(tmp_path, ["first", "second"], overwrite=False)
    assert (tmp_path / "second").read_bytes() == b"another's"
    kept = {path: path.read_bytes() for path in tmp_path.glob("*.partial")}
    assert sorted(kept.values()) == [b"first", b"second"]
    assert all(str(path) in str(caught.value) for path in kept)
    assert not (tmp_path / "first").exists()


@pytest.mark.parametrize("refused", ["rename", "replace"])
def test_a_set_that_cannot_replace_one_of_its_files_replaces_none(tmp_path, monkeypatch, refused):
    """As in a folder like /tmp, where a file of another user can be neither moved nor removed."""
    for name in ("first", "second", "stale"):
        (tmp_path / name).write_bytes(b"old")
    for call in ("rename", "unlink", "replace"):
        real = getattr(Path, call)

        def attempt(path, *target, call=call, real=real, **options):
            names = {path.name, *(Path(each).name for each in target)}
            if call in (refused, "unlink") and "second" in names:
                raise PermissionError(errno.EPERM, "Operation not permitted", str(path))
            return real(path, *target, **options)

        monkeypatch.setattr(Path, call, attempt)
    with pytest.raises(PermissionError) as caught, publish_together([tmp_path / "stale"]):
        write_all(tmp_path, ["first", "second"])
    there = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {name: there.pop(name) for name in tuple(there) if name.endswith(".partial")}
    assert caught.value.filename == str(tmp_path / "second")
    assert there == dict.fromkeys(("first", "second", "stale"), b"old")
    assert sorted(kept.values()) == [b"first", b"second"]
    assert all(name in str(caught.value) for name in kept)


def test_a_set_that_fails_leaves_the_old_one_and_nothing_else(tmp_path):
    for name in ("first", "second", "stale"):
        (tmp_path / name).write_bytes(b"old")
    with pytest.raises(RuntimeError), publish_together([tmp_path / "stale"]):
        write_all(tmp_path, ["first", "second"])
        raise RuntimeError
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == dict.fromkeys(
        ("first", "second", "stale"), b"old"
    )
