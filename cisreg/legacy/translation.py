"""Translation of a command line of CisRegModels into commands and recipes of cisreg."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cisreg.file_checks import check_output
from cisreg.files import open_regular_file, read_regular_file, replace_file
from cisreg.legacy.arguments import OldCommand
from cisreg.legacy.inputs import (
    count_sequences,
    list_motifs,
    match_motif_list,
    match_values,
)
from cisreg.legacy.text import META, SAVED_MODEL
from cisreg.legacy.training import make_recipe
from cisreg.limits import read_description
from cisreg.motifs.random import unused_names
from cisreg.recipes.writing import format_recipe
from cisreg.strict_json import parse_json
from cisreg.writing import ENDINGS

# Endings of the outputs of the new commands; the old ones wrote to PREFIX.
MODEL_SUFFIX, RECIPE_SUFFIX, IMPORTED_SUFFIX = ".cisreg", ".recipe.toml", ".imported"
_OLD_MODEL_SUFFIX, _MODEL_FILE = ".Model", "model.json"
_DEFAULT_MOTIF_COUNT = 400
# The first line of the files written here; files that have it may be replaced.
_OWN = "# Written for an old command line of CisRegModels.\n"
_MOST_WORDS = 3  # the highest verbosity: -v -v -v


@dataclass
class NewCommands:
    """The commands of cisreg that replace an old command.

    Attributes:
        commands: arguments of `cisreg`, one list per command, to be run in this order.
        files: text by path of files that the commands read and that must be written first.
        outputs: files that the commands will write and that must not exist yet.
        notes: differences from CisRegModels.
    """

    commands: list[list[str]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def translate(old: OldCommand, *, overwrite: bool = False) -> NewCommands:
    """Translates an old command line into new commands.

    Args:
        old: the old command line, see `cisreg.legacy.arguments.parse_command`.
        overwrite: let the new commands replace existing files.

    Returns:
        Commands, files and notes; nothing is written or run yet.

    Raises:
        ValueError: options exclude each other, or input files do not match the options.
        OSError: an input file cannot be read.

    Example:
        >>> new = translate(parse_command("-i train.ohc.gz -sl 110 -dm motifs.txt -eb -o model"))
    """
    if not Path(old["input"]).is_file():
        raise FileNotFoundError(f"-i: expected a file, found no {old['input']}; check the path")
    new = _translate_make(old) if old.program == "make" else _translate_predict(old)
    for command in new.commands:
        if overwrite and "--overwrite" not in command:
            command.append("--overwrite")
        command[:0] = _global_options(old)
    there = [path for path in new.outputs if Path(path).exists()]
    if there and not overwrite:
        raise ValueError(
            f"{there[0]}: expected a new file, but it exists; give --overwrite beside "
            "--like-cisregmodels to replace it, or another -o"
        )
    return new


def _translate_make(old: OldCommand) -> NewCommands:
    prefix = old["output"]
    if prefix is None:
        raise ValueError("-o: expected a prefix for the model's files, got none; give -o PREFIX")
    if prefix.endswith("/"):
        raise ValueError(f"-o: expected a prefix of file names, got the folder {prefix}")
    new = NewCommands()
    recipe = make_recipe(old, new.notes, lambda: count_sequences(old["input"]))
    new.files[prefix + RECIPE_SUFFIX] = format_recipe(recipe)
    new.outputs = [
        prefix + suffix
        for suffix in (
            *(f"{MODEL_SUFFIX}/recipe.toml", f"{MODEL_SUFFIX}/model.json"),
            *(".params", ".pkdms", ".positional.gz", ".ckpt.index", ".ckpt.meta"),
        )
    ]
    train = ["train", old["input"], "--length", str(old["sequence_length"])]
    train += _motif_options(old, prefix, new)
    if old["restore"] is not None:
        train += ["--start", old["restore"]]
        if not old["clear_adam"]:
            new.notes.append(
                "-res without -ca also restored the averages of Adam in CisRegModels; here every "
                "run starts with new ones, as with -ca"
            )
    train += ["--recipe", prefix + RECIPE_SUFFIX]
    if old["mean_sd"] is not None:
        train += ["--likelihood", old["mean_sd"]]
    train += _record_options(old, prefix, new)
    train += ["--output", prefix + MODEL_SUFFIX]
    new.commands = [
        train,
        ["export", prefix + MODEL_SUFFIX, "--output", prefix, "--checkpoint"],
    ]
    new.notes += [
        f"{prefix}{_OLD_MODEL_SUFFIX} is not written: the model is {prefix}{MODEL_SUFFIX}; "
        f"{prefix}.params, .pkdms, .positional.gz and .ckpt are written as by CisRegModels",
        "every epoch visits the sequences in a new random order (by the seed); CisRegModels used "
        "the order of the file",
    ]
    return new


def _global_options(old: OldCommand) -> list[str]:
    words = []
    if old["log"] is not None:
        words += ["--log", old["log"]]
    if old["verbose"] >= _MOST_WORDS:
        words.append("--verbose")
    return words


def _motif_options(old: OldCommand, prefix: str, new: NewCommands) -> list[str]:
    count = old["motif_count"] or _DEFAULT_MOTIF_COUNT
    words, names = [], []
    if old["motifs"] is not None:
        paths = list_motifs(old["motifs"])
        words += ["--motifs", match_motif_list(old["motifs"], paths, prefix, new.files)]
        names = [name for name, _ in paths]
    spare = count - len(names)
    if spare < 0:
        raise ValueError(
            f"-nm: expected at least the {len(names)} motifs of -dm, got {count}; give "
            f"-nm {len(names)}"
        )
    if spare:
        words += ["--random-motifs", str(spare)]
        if names and old["restore"] is None:
            new.notes.append(
                f"-nm {count}: {len(names)} motifs are in -dm, the other {spare} start random. "
                "CisRegModels gave these a concentration of 1, at which they bind everywhere and "
                "accessibility is exactly 1; here they start with about one bound site per sequence"
            )
    names += unused_names(names, spare)
    for option, name, flag in (
        ("-ic", "concentrations", "--concentrations"),
        ("-ia", "activities", "--initial-activity"),
        ("-ip", "potentiations", "--initial-potentiation"),
        ("-ibl", "initial_binding_limits", "--initial-binding-limit"),
    ):
        if old[name] is not None and not _is_left_out(old, name):
            words += [flag, _values(old, option, name, names, prefix, new)]
    return words


def _values(
    old: OldCommand, option: str, name: str, names: list[str], prefix: str, new: NewCommands
) -> str:
    number_allowed = option in ("-ia", "-ip")
    return match_values(
        *(old[name], option, names, f"{prefix}.{name}", new.files), number_allowed=number_allowed
    )


def _is_left_out(old: OldCommand, name: str) -> bool:
    """Whether an initial value belongs to a layer that the model does not have."""
    layers = {"potentiations": "potentiation", "initial_binding_limits": "binding_limits"}
    return name in layers and not old[layers[name]]


def _record_options(old: OldCommand, prefix: str, new: NewCommands) -> list[str]:
    words = []
    if old["threads"] is not None:
        words += ["--threads", str(old["threads"])]
        new.notes.append(
            "-t: CisRegModels gave TensorFlow one thread less, and all cores with -t 1; here it "
            f"gets {old['threads']}"
        )
    if old["save_every"] is not None:
        words += ["--checkpoint-every", str(old["save_every"])]
    every = old["running_average_window"]
    if old["tensorboard"] is not None:
        words.append("--tensorboard")
        every = old["tensorboard_every"] or every
        new.notes.append(
            f"-tb: the files are in {prefix}{MODEL_SUFFIX}/tensorboard, not in {old['tensorboard']}"
        )
    if every is not None:
        words += ["--report-every", str(every)]
    if old["trace"]:
        words.append("--profile")
        new.notes.append(
            f"-trace: the trace is {prefix}{MODEL_SUFFIX}/profile/trace.json.gz, and training "
            "continues after it; CisRegModels stopped"
        )
    return words


def _translate_predict(old: OldCommand) -> NewCommands:
    new = NewCommands()
    output = _table_name(old, new)
    model = _model_folder(old, output, new)
    new.outputs.append(output)
    predict = ["predict", model, old["input"], "--measured-column", "2"]
    if old["binding"]:
        predict.append("--binding")
    if old["batch"] is not None:
        predict += ["--batch-size", str(old["batch"])]
    if old["threads"] is not None:
        predict += ["--threads", str(old["threads"])]
    new.commands.append([*predict, "--output", output])
    new.notes.append(
        "the columns are sequence, measured, expression, accessibility (pred_openness, which "
        "CisRegModels did not write with -M) and, with -ob, forward_NAME and reverse_NAME for each "
        "motif"
    )
    return new


def _table_name(old: OldCommand, new: NewCommands) -> str:
    name = old["output"]
    if name is None:
        raise ValueError("-o: expected a file for the predictions, got none; give -o FILE")
    if name.lower().endswith(ENDINGS):
        return name
    compressed = name.endswith(".gz")
    table = f"{name.removesuffix('.gz')}.tsv{'.gz' if compressed else ''}"
    new.notes.append(f"-o {name}: the table is written to {table}; its ending gives the format")
    return table


def _model_folder(old: OldCommand, output: str, new: NewCommands) -> str:
    """The folder of the model to predict with; a CisRegModels model is imported first."""
    source = old["model"] or old["restore"]
    if source is None:
        raise ValueError("-M, -res: expected a model, got none; give -M FOLDER or -res CHECKPOINT")
    if old["older_name"]:
        new.notes.append("-VARIABLE: not needed, the older name of concentrations is recognised")
    if (Path(source) / _MODEL_FILE).exists():
        return source
    own = source.rstrip("/").removesuffix(_OLD_MODEL_SUFFIX) + MODEL_SUFFIX
    has_own = (Path(own) / _MODEL_FILE).exists()
    if old["model"] is not None and not (Path(source) / SAVED_MODEL).exists():
        if not has_own:
            raise FileNotFoundError(
                f"-M: expected a model, found neither {source}/{SAVED_MODEL} nor {own}; check the "
                "path"
            )
        return own
    if old["model"] is not None and has_own:
        new.notes.append(
            f"the model of CisRegModels in {source} is used; to use the one that cisreg trained, "
            f"give -M {own}"
        )
    return _imported(old, source, output, new)


def _imported(old: OldCommand, source: str, output: str, new: NewCommands) -> str:
    """The folder of the imported model; adds the command that imports it from CisRegModels."""
    stem = output
    for ending in sorted(ENDINGS, key=len, reverse=True):
        stem = stem.removesuffix(ending)
    folder = stem + IMPORTED_SUFFIX
    words = ["import", source]
    tells = (Path(source) / SAVED_MODEL).exists() or Path(source + META).exists()
    if not tells:
        words += ["--binding", "expected" if old["expected_binding"] else "probability"]
        words += ["--length", str(old["sequence_length"])]
    if old["motifs"] is not None:
        paths = list_motifs(old["motifs"])
        words += ["--motifs", match_motif_list(old["motifs"], paths, stem, new.files)]
        words += ["--motif-width", str(old["motif_width"] or 20)]
        if old["concentrations"] is not None:
            names = [name for name, _ in paths]
            values = _values(old, "-ic", "concentrations", names, stem, new)
            words += ["--concentrations", values]
    words += ["--output", folder]
    if _is_imported(folder):
        words.append("--overwrite")
    new.commands.append(words)
    return folder


def _is_imported(folder: str) -> bool:
    """Whether the folder holds an imported model, which may be replaced."""
    try:
        path = Path(folder) / _MODEL_FILE
        with open_regular_file(path) as file:
            description = parse_json(read_description(file, path))
        return "imported_from" in description["metadata"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def write_files(new: NewCommands, read: Sequence[str], *, overwrite: bool) -> None:
    """Writes the files that the commands read.

    Args:
        new: the commands.
        read: files that the old command reads.
        overwrite: whether files that exist may be replaced; those written here before always are.

    Raises:
        FileExistsError: a file exists and may not be replaced.
        ValueError: a file is one that the old command reads, or is no regular file.
        OSError: a file cannot be written.
    """
    for path, content in new.files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        check_output(path, inputs=read, overwrite=True)
        may_replace = overwrite or _is_own(path)
        check_output(path, overwrite=may_replace)
        with replace_file(path, overwrite=may_replace) as file:
            file.write((_OWN + content).encode())


def _is_own(path: str) -> bool:
    """Whether a file was written here before."""
    return Path(path).exists() and read_regular_file(path).startswith(_OWN.encode())


def describe(arguments: Sequence[str]) -> str:
    """A command as one would type it."""
    return "cisreg " + shlex.join(os.fspath(word) for word in arguments)
