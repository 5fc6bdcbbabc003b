"""The folder of a training run: its names, and how a run takes the place of an earlier one.

The model of the earlier run stays where it is, and can be loaded, until `save_model` replaces it.
All else that the earlier run made is moved into a folder `replaced-<8 digits>` in the same folder,
and removed when the new model is there. Until then `replacing.json` says so. Only files with the
names that runs make are moved and removed, and no link is followed.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from cisreg.file_checks import check_own_file, check_own_folder
from cisreg.files import open_regular_file, remove_leftovers, replace_file
from cisreg.limits import read_description
from cisreg.locks import check_lock_file

logger = logging.getLogger("cisreg.training")

RECIPE_FILE = "recipe.toml"
METRICS_FILE = "metrics.jsonl"
STEPS_FILE = "steps.jsonl"
MODEL_FILE = "model.json"
FACTORS_FILE = "factors.tsv"
CHECKPOINT_FOLDER = "checkpoint"
TENSORBOARD_FOLDER = "tensorboard"
PROFILE_FOLDER = "profile"
REPLACING_FILE = "replacing.json"
PARAMETERS = re.compile(r"parameters-[0-9a-f]{12}\.npz")
CHECKPOINT = re.compile(r"checkpoint-([0-9]{12,})\.ckpt")

FILES = (RECIPE_FILE, METRICS_FILE, STEPS_FILE, MODEL_FILE, FACTORS_FILE)
_FOLDERS = (CHECKPOINT_FOLDER, TENSORBOARD_FOLDER, PROFILE_FOLDER)
# Where TensorFlow's profiler writes, within its folder, to one named by the time.
TRACES = ("plugins", "profile")
# What a run makes apart from the model: patterns of the names from the folder of the run on.
_MADE = (
    *((re.escape(name),) for name in FILES if name != MODEL_FILE),
    (CHECKPOINT_FOLDER, CHECKPOINT.pattern),
    (TENSORBOARD_FOLDER, r"events\.out\.tfevents\.\d+\..+"),
    (PROFILE_FOLDER, r"trace\.json\.gz"),
    (PROFILE_FOLDER, *TRACES, r"\d{4}(_\d\d){5}", r".+\.xplane\.pb"),
)
# A killed process leaves a file under a temporary name, see `replace_file`.
_LEFT = r"(\.[0-9a-f]{16}\.partial)?"
# All files of a run in its folder itself, with those of the model.
_OWN_FILES = re.compile("|".join((*map(re.escape, (*FILES, REPLACING_FILE)), PARAMETERS.pattern)))
_REPLACED = re.compile(r"replaced-[0-9a-f]{8}")
# Files of the user that a message names.
_MOST_NAMED = 5
_SHA256 = re.compile("[0-9a-f]{64}")


class _Replacing(NamedTuple):
    """The content of replacing.json.

    Attributes:
        folders: names of the folders that hold what earlier runs made.
        parameters: SHA-256 of the parameters of the model that is replaced; None: there is none.
        begun: whether all that belonged to the earlier run is in these folders.
    """

    folders: tuple[str, ...]
    parameters: str | None
    begun: bool


def check_run_folder(
    folder: Path,
    *,
    resume: bool,
    overwrite: bool,
    prefix: str = "",
) -> None:
    """Checks that a run may begin, or be resumed, in a folder.

    Args:
        folder: the folder; it may be missing.
        resume: whether a run is resumed.
        overwrite: whether a run is replaced.
        prefix: of the names of options in messages: "--" in a command.

    Raises:
        ValueError: the folder holds a run that is neither resumed nor replaced, or a link, pipe or
            other thing under a name that the run needs.

    Example:
        >>> from pathlib import Path
        >>> check_run_folder(Path("a new folder"), resume=False, overwrite=False)
    """
    if resume and overwrite:
        raise ValueError("resume, overwrite: expected one of them, got both")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: expected a folder, or a new name for one, got a file")
    for name in (*FILES, REPLACING_FILE):
        check_own_file(folder / name)
    for name in _FOLDERS:
        check_own_folder(folder / name)
    check_trace_folders(folder / PROFILE_FOLDER)
    check_lock_file(folder)
    check_lock_file(folder / CHECKPOINT_FOLDER)
    if overwrite:
        # Others are not moved away, and would be mixed with those of the new run.
        for path in _checkpoints(folder):
            check_own_file(path)
        return
    other = f"{prefix}overwrite to replace it, or another {prefix}output"
    if resume and (there := _resumes_nothing(folder)):
        raise ValueError(
            f"{folder}: expected a run to resume, or a new folder, but it holds {there} and no "
            f"checkpoint; give {other}"
        )
    if not resume and (there := _run_in(folder)):
        raise ValueError(
            f"{folder}: expected a new folder, but it holds {there}; give {prefix}resume to go on "
            f"with that run, {other}"
        )


def check_no_run(folder: Path) -> None:
    """Checks that a folder that gets another model holds no training run, which would replace it.

    Raises:
        ValueError: there is one.

    Example:
        >>> from pathlib import Path
        >>> check_no_run(Path("a new folder"))
    """
    if there := _run_in(folder, (RECIPE_FILE, REPLACING_FILE, METRICS_FILE, STEPS_FILE)):
        raise ValueError(
            f"{folder}: expected a folder without a training run, but it holds {there}; name "
            "another --output"
        )


def check_trace_folders(directory: Path) -> None:
    """Applies `check_own_folder` to the folders in which the profiler writes.

    Example:
        >>> from pathlib import Path
        >>> check_trace_folders(Path("a new folder"))
    """
    for name in TRACES:
        directory = directory / name
        check_own_folder(directory)


def _run_in(folder: Path, names: Sequence[str] = (*FILES, REPLACING_FILE)) -> str | None:
    """The first of these files or else of the checkpoints in the folder, or None."""
    for name in names:
        if os.path.lexists(folder / name):
            return name
    return _a_checkpoint(folder)


def _resumes_nothing(folder: Path) -> str | None:
    """What would be lost if a run that is resumed began anew, without a checkpoint; or None."""
    if _a_checkpoint(folder) or os.path.lexists(folder / REPLACING_FILE):
        return None
    begun = os.path.lexists(folder / RECIPE_FILE)
    names = (MODEL_FILE,) if begun else (MODEL_FILE, METRICS_FILE, STEPS_FILE, FACTORS_FILE)
    return next((name for name in names if os.path.lexists(folder / name)), None)


def _a_checkpoint(folder: Path) -> str | None:
    """The path of a checkpoint within the folder, or None if there is none."""
    paths = _checkpoints(folder)
    return f"{CHECKPOINT_FOLDER}/{paths[0].name}" if paths else None


def _checkpoints(folder: Path) -> list[Path]:
    """Whatever has the name of a checkpoint."""
    with suppress(FileNotFoundError, NotADirectoryError):
        paths = (folder / CHECKPOINT_FOLDER).iterdir()
        return sorted(path for path in paths if CHECKPOINT.fullmatch(path.name))
    return []


def has_lost_its_recipe(folder: Path) -> bool:
    """Whether there are checkpoints of the run in a folder, but no recipe.toml.

    Example:
        >>> from pathlib import Path
        >>> has_lost_its_recipe(Path("a new folder"))
        False
    """
    there = _a_checkpoint(folder) is not None and not os.path.lexists(folder / RECIPE_FILE)
    return there and _begun(folder)


def recipe_of_run(folder: Path) -> Path | None:
    """recipe.toml of the run in a folder, or None if there is no run that has begun.

    Example:
        >>> from pathlib import Path
        >>> recipe_of_run(Path("a new folder"))
    """
    path = folder / RECIPE_FILE
    return path if path.exists() and _begun(folder) else None


def _begun(folder: Path) -> bool:
    """Whether what is in the folder is all of one run, not partly of one that is replaced."""
    replacing = _read(folder)
    return replacing is None or replacing.begun


def begin_run(folder: Path, recipe: bytes, *, resume: bool, overwrite: bool) -> None:
    """Prepares a folder that this process holds; what an earlier run made is moved aside.

    If the process dies in between, the same call goes on from there, also with `resume`.

    Args:
        folder: the folder.
        recipe: the content of recipe.toml.
        resume: whether the run in the folder is resumed, if there is one.
        overwrite: whether it is replaced.

    Raises:
        OSError: a file cannot be moved or written.

    Example:
        >>> begin_run(folder, b"...", resume=False, overwrite=False)  # doctest: +SKIP
    """
    remove_leftovers(folder, _OWN_FILES)
    unfinished = not _begun(folder)
    if resume and not unfinished and _a_checkpoint(folder):
        # Keep the recipe: if it is not that of the checkpoint's run, the checkpoint is refused.
        if not os.path.lexists(folder / RECIPE_FILE):
            _write(folder / RECIPE_FILE, recipe)
        return
    if overwrite or unfinished:
        _move_aside(folder)
    _write(folder / RECIPE_FILE, recipe)
    if (replacing := _read(folder)) is not None and not replacing.begun:
        _write_record(folder, replacing._replace(begun=True))


def _move_aside(folder: Path) -> None:
    """Moves what an earlier run made, except for the model, into a new folder."""
    made = list(_made_by_runs(folder))
    digest = _model_digest(folder)
    earlier = _read(folder)
    if not made and digest is None and earlier is None:
        return
    aside = f"replaced-{secrets.token_hex(4)}"
    folders = () if earlier is None else earlier.folders
    _write_record(folder, _Replacing((*folders, aside), digest, begun=False))
    (folder / aside).mkdir()
    for path in made:
        target = folder / aside / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    _remove_empty(folder)
    if kept := [path for name in _FOLDERS for path in _others(folder, name)]:
        more = f" and {len(kept) - _MOST_NAMED} more" if len(kept) > _MOST_NAMED else ""
        logger.warning(
            "%s: kept what no run makes: %s%s", folder, ", ".join(kept[:_MOST_NAMED]), more
        )


def _others(folder: Path, name: str) -> Iterator[str]:
    """Files in a folder of the run that no run makes."""
    for path in sorted((folder / name).rglob("*")):
        if path.name != ".lock" and not path.is_dir():
            yield os.fspath(path.relative_to(folder))


def finish_run(folder: Path) -> None:
    """Removes what earlier runs made from a folder that this process holds and whose model is new.

    Raises:
        OSError: a file cannot be removed.

    Example:
        >>> finish_run(folder)  # doctest: +SKIP
    """
    remove_leftovers(folder, _OWN_FILES)
    replacing = _read(folder)
    if replacing is None:
        return
    for name in replacing.folders:
        aside = folder / name
        if aside.is_symlink() or not aside.is_dir():
            continue
        for path in list(_made_by_runs(aside)):
            path.unlink()
        _remove_empty(aside)
        try:
            aside.rmdir()
        except OSError:
            logger.warning("%s: kept, since it holds files that no run of cisreg made", aside)
    if replacing.parameters not in (None, _model_digest(folder)):
        # It is still there if the process died before `save_model` could remove it.
        (folder / f"parameters-{str(replacing.parameters)[:12]}.npz").unlink(missing_ok=True)
    (folder / REPLACING_FILE).unlink()


def warn_of_earlier_model(folder: Path, parameters: str) -> None:
    """Warns if the model in a folder is of an earlier run that a later one has yet to replace.

    Args:
        folder: the folder.
        parameters: SHA-256 of the model's parameters, from model.json.

    Example:
        >>> from pathlib import Path
        >>> warn_of_earlier_model(Path("a new folder"), "0" * 64)
    """
    try:
        replacing = _read(folder)
    except (ValueError, OSError) as error:
        logger.warning("%s", error)
        return
    if replacing is not None and replacing.parameters == parameters:
        logger.warning(
            "%s: this model is of an earlier run; the run that replaces it is not complete (train "
            "with --resume goes on with it)",
            folder,
        )


def _made_by_runs(folder: Path) -> Iterator[Path]:
    """The files that runs make, apart from the model."""
    for *folders, name in _MADE:
        pattern = re.compile(f"(?:{name}){_LEFT}")
        for parent in _folders(folder, folders):
            for path in sorted(parent.iterdir()):
                mode = path.lstat().st_mode
                if pattern.fullmatch(path.name) and (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                    yield path


def _folders(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """The folders whose names match the patterns, one for each level; links do not count."""
    found = [folder]
    for pattern in patterns:
        within = (path for parent in found for path in sorted(parent.iterdir()))
        found = [
            path
            for path in within
            if re.fullmatch(pattern, path.name) and stat.S_ISDIR(path.lstat().st_mode)
        ]
    return found


def _remove_empty(folder: Path) -> None:
    """Removes the empty ones among the folders in which runs write, from inside to outside."""
    levels = {tuple(folders[: depth + 1]) for *folders, _ in _MADE for depth in range(len(folders))}
    for patterns in sorted(levels, key=len, reverse=True):
        for path in _folders(folder, patterns):
            with suppress(OSError):
                path.rmdir()


def _model_digest(folder: Path) -> str | None:
    """SHA-256 of the parameters of the model in the folder; None without a sound description."""
    try:
        digest = _read_json(folder / MODEL_FILE)["parameters"]["sha256"]
        return digest if _SHA256.fullmatch(digest) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _read_json(path: Path) -> Any:
    with open_regular_file(path) as file:
        return json.loads(read_description(file, path))


def _write(path: Path, content: bytes) -> None:
    with replace_file(path) as file:
        file.write(content)


def _write_record(folder: Path, replacing: _Replacing) -> None:
    _write(folder / REPLACING_FILE, json.dumps(replacing._asdict(), indent=2).encode() + b"\n")


def _read(folder: Path) -> _Replacing | None:
    path = folder / REPLACING_FILE
    if not os.path.lexists(path):
        return None
    try:
        return _parsed(_read_json(path))
    except (ValueError, KeyError, TypeError, RecursionError, FileNotFoundError) as error:
        raise ValueError(
            f"{path}: expected the record of a run that replaces another, got something else "
            f"({error}); move it away"
        ) from None


def _parsed(fields: dict[str, Any]) -> _Replacing:
    folders, parameters, begun = fields["folders"], fields["parameters"], fields["begun"]
    if not (
        isinstance(folders, list)
        and all(isinstance(name, str) and _REPLACED.fullmatch(name) for name in folders)
        and (parameters is None or _SHA256.fullmatch(parameters))
        and isinstance(begun, bool)
    ):
        raise ValueError("a field is not as a run writes it")
    return _Replacing(tuple(folders), parameters, begun)
