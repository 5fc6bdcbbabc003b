"""Training of the members of an ensemble: which rows, which folders, what they are made of."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from cisreg.choices import check_choice
from cisreg.data import Dataset, DatasetFiles
from cisreg.data.splitting import as_texts, sequence_hashes, text_hashes
from cisreg.file_checks import check_own_file
from cisreg.files import replace_file
from cisreg.locks import hold_folder
from cisreg.losses import mean_squared_error
from cisreg.motifs import MotifSet, read_motifs
from cisreg.progress import progress_bar
from cisreg.run_folder import MODEL_FILE
from cisreg.storage import load_model
from cisreg.strict_json import parse_json
from cisreg.trained_model import Model
from cisreg.training.step import Loss
from cisreg.uncertainty.ensemble import Ensemble, Resampling
from cisreg.uncertainty.member_processes import Task, train_all

logger = logging.getLogger("cisreg.uncertainty")

ENSEMBLE_FILE = "ensemble.json"
# Arguments of `cisreg.train` that each member has its own of.
_OWN = ("output", "resume", "overwrite", "strategy", "metadata")
# Arguments that change no model, which may differ when an ensemble goes on.
_RECORDS = (
    *("stop_signals", "checkpoint_every", "checkpoint_minutes", "keep_checkpoints"),
    *("report_every", "tensorboard", "profile"),
)


def fit_ensemble(
    data: Any,
    motifs: MotifSet | str | os.PathLike[str],
    recipe: Any = "default",
    *,
    members: int = 10,
    resampling: Resampling = "bootstrap",
    groups: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    processes: int = 1,
    threads: int | None = None,
    seed: int = 0,
    progress: bool = False,
    **options: Any,
) -> Ensemble:
    """Trains several models as `cisreg.train` trains one, to see how sure their numbers are.

    With "bootstrap" each member is trained on families of rows that are drawn from all families
    with replacement, as many as there are. Rows of the same sequence, or of its reverse complement,
    are one family: near copies would otherwise make a model look surer than it is. Where sequences
    have mutants of each other, name their family with `groups`. With "seeds" all members have the
    same rows. In both, member i is trained with `seed` + i, so that the members also differ in
    their initial activities, in what is held out and in the order of rows. Where the recipe has
    variants, members take turns in them, and have no parameters in common.

    The members show the scatter of training, not its bias: where training ends before the least
    squares, intervals hold the truth far less often than they say.

    Args:
        data: as for `cisreg.train`. A bootstrap holds the rows in memory.
        motifs: as for `cisreg.train`.
        recipe: as for `cisreg.train`; member i is trained with `recipe.member(i)`.
        members: how many models, 2 or more; 10 give a rough interval, 30 a good one.
        resampling: "bootstrap" or "seeds".
        groups: column of the data, read in addition, whose values are the families; only of a
            bootstrap.
        folder: each member gets a model folder in it, member_0, member_1, ... Called again, with
            the same arguments or more members, finished members are kept and others go on from
            their checkpoints. None: nothing is written.
        processes: how many members are trained at a time, each in a process of its own with its
            share of the cores. Scripts then need `if __name__ == "__main__":`.
        threads: of each process, where there are several; None: its share of the cores.
        seed: of the first member.
        progress: whether to show a progress bar on a terminal.
        options: further arguments of `cisreg.train`, but not output, resume, overwrite, strategy
            or metadata.

    Returns:
        An Ensemble.

    Raises:
        ValueError: an argument out of its range, a folder that holds other things or an ensemble
            of other data or arguments; and as `cisreg.train`.
        TypeError: options that `cisreg.train` does not have, or that members have their own of.
        OSError: a file cannot be read or written.
        RuntimeError: a process of a member died, or one of `stop_signals` came (then it has the
            attribute exit_status); finished members and checkpoints are kept in `folder`.

    Example:
        >>> ensemble = fit_ensemble(data, motifs, "quick", folder="ensemble")  # doctest: +SKIP
        >>> ensemble.effects(0.9).to_frame()  # doctest: +SKIP
    """
    from cisreg.recipes import Recipe, read_recipe
    from cisreg.recipes.writing import format_recipe

    check_choice("resampling", resampling, Resampling)
    _check(members, processes, groups, resampling, options)
    recipe = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    outputs = tuple(options.get("outputs") or recipe.outputs)
    if not isinstance(motifs, MotifSet):
        motifs = read_motifs(motifs, width=recipe.motif_width)
    loss = options.get("loss") or recipe.loss or mean_squared_error
    opened = _open(data, groups, loss, outputs, in_memory=resampling == "bootstrap")
    families = _families(opened, groups) if isinstance(opened, Dataset) else None
    tasks = [
        Task(
            number,
            opened,
            _drawn(families, seed, number) if resampling == "bootstrap" else None,
            {
                "motifs": motifs,
                "recipe": recipe.member(number),
                "seed": seed + number,
                **options,
            },
        )
        for number in range(members)
    ]
    description = {
        "resampling": resampling,
        "seed": seed,
        "families": _families_shown(families, groups),
        "data": opened.fingerprint(),
        "motifs": _digest(repr(motifs.names).encode(), motifs.log_kd.tobytes()),
        "recipe": _digest(format_recipe(recipe).encode()),
        "options": ", ".join(
            f"{name}={_shown(options[name])}" for name in sorted(set(options) - set(_RECORDS))
        ),
    }
    place = None if folder is None else Path(folder)
    with nullcontext() if place is None else hold_folder(place):
        if place is not None:
            _begin(place, description)
        models = _trained(tasks, place, processes, threads, progress)
    return Ensemble(tuple(models), resampling)


def load_ensemble(folder: str | os.PathLike[str]) -> Ensemble:
    """The ensemble that `fit_ensemble` wrote; members that are not finished are left out.

    Raises:
        ValueError: the folder holds no ensemble, or fewer than 2 finished members.
        OSError: a file cannot be read.

    Example:
        >>> load_ensemble("ensemble").predict(["ACGT" * 27]).to_frame()  # doctest: +SKIP
    """
    place = Path(folder)
    description = _described(place)
    if description is None:
        raise ValueError(
            f"{place}: expected a folder of cisreg.uncertainty.fit_ensemble or of cisreg ensemble "
            f"train, which holds {ENSEMBLE_FILE}, found none"
        )
    found = {}
    for path in place.glob("member_*"):
        number = path.name.removeprefix("member_")
        if number.isdecimal() and (model := _finished(path)) is not None:
            found[int(number)] = model
    return Ensemble(tuple(found[number] for number in sorted(found)), description["resampling"])


def is_ensemble(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is one that `fit_ensemble` wrote.

    Example:
        >>> is_ensemble("model")
        False
    """
    return (Path(folder) / ENSEMBLE_FILE).is_file()


def check_ensemble_folder(folder: str | os.PathLike[str]) -> None:
    """Checks that an ensemble can be trained, or go on, in a folder.

    Raises:
        ValueError: the folder is a file, or holds other things.

    Example:
        >>> check_ensemble_folder("a new folder")
    """
    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise ValueError(f"{place}: expected a folder, or a new name for one, got a file")
    check_own_file(place / ENSEMBLE_FILE)
    if _described(place) is not None:
        return
    if there := sorted(path.name for path in place.glob("member_*")):
        raise ValueError(
            f"{place}: expected a new folder, but it holds {there[0]} and no {ENSEMBLE_FILE}; "
            "name another folder"
        )
    if (place / MODEL_FILE).exists():
        raise ValueError(
            f"{place}: expected a new folder, or one of an ensemble, got that of a single model; "
            "name another folder"
        )


def _check(
    members: int,
    processes: int,
    groups: str | None,
    resampling: Resampling,
    options: Mapping[str, Any],
) -> None:
    if members < 2:
        raise ValueError(f"members: expected 2 or more, got {members}")
    if processes < 1:
        raise ValueError(f"processes: expected 1 or more, got {processes}")
    if groups is not None and resampling == "seeds":
        raise ValueError(
            'groups: expected None with resampling "seeds", where all members have all rows, got '
            f"{groups!r}; to hold out whole groups, give validation=HoldOut(0.1, groups={groups!r})"
        )
    own = [name for name in options if name in _OWN]
    if own:
        raise TypeError(
            f"{own[0]}: expected only what all members share, got an argument that each has its "
            "own of; `folder` says where they are written"
        )


def _open(
    data: Any,
    groups: str | None,
    loss: Loss,
    outputs: tuple[str, ...],
    *,
    in_memory: bool,
) -> Dataset | DatasetFiles:
    from cisreg.recipes.opened import open_data

    opened = open_data(data, groups, loss, outputs)
    if isinstance(opened, DatasetFiles) and (in_memory or not opened.has_groups):
        return opened.load(progress=True)
    return opened


def _families(data: Dataset, groups: str | None) -> np.ndarray:
    """The family of each row, int [N]."""
    if groups is None:
        hashes = sequence_hashes(data.sequence)
    elif groups not in data.extra:
        raise ValueError(
            f"groups: expected a column among {', '.join(data.extra) or 'none'}, which the data "
            f"set has as extra ones, got {groups!r}; open it with "
            f"columns=Columns(extra=({groups!r},))"
        )
    else:
        hashes = text_hashes(as_texts(data.extra[groups], "groups", len(data)))
    return np.unique(hashes, return_inverse=True)[1]


def _families_shown(families: np.ndarray | None, groups: str | None) -> str:
    if groups is None or families is None:
        return groups or "equal sequences"
    return f"{groups} {_digest(families.tobytes())}"


def _drawn(families: np.ndarray | None, seed: int, number: int) -> np.ndarray:
    """Rows of families that are drawn with replacement, as many families as there are."""
    assert families is not None  # a bootstrap has its rows in memory
    count = int(families.max()) + 1
    times = np.bincount(
        np.random.default_rng([seed, number]).integers(0, count, count), minlength=count
    )
    return np.repeat(np.arange(len(families)), times[families])


def _trained(
    tasks: Sequence[Task],
    place: Path | None,
    processes: int,
    threads: int | None,
    progress: bool,
) -> list[Model]:
    """The models of all tasks; those that are finished in the folder are read."""
    folders = [None if place is None else place / f"member_{each.number}" for each in tasks]
    done = {
        number: model
        for number, folder in enumerate(folders)
        if folder is not None and (model := _finished(folder)) is not None
    }
    left = [task for task in tasks if task.number not in done]
    if done:
        logger.info("%d of %d members are finished, and are kept", len(done), len(tasks))
    with progress_bar(show=progress, transient=True) as bar:
        shown = bar.add_task("members", total=len(tasks), completed=len(done))
        for number, model in train_all(left, folders, processes, threads):
            done[number] = model
            bar.advance(shown)
    return [done[task.number] for task in tasks]


def _finished(folder: Path) -> Model | None:
    """The model of a member that was trained to its end, or None."""
    if not (folder / MODEL_FILE).exists():
        return None
    model = load_model(folder)
    return None if model.metadata.get("interrupted") else model


def _described(place: Path) -> dict[str, Any] | None:
    path = place / ENSEMBLE_FILE
    if not path.exists():
        return None
    content = parse_json(path.read_bytes())
    if not isinstance(content, dict) or content.get("resampling") not in ("bootstrap", "seeds"):
        raise ValueError(f"{path}: expected the description of an ensemble, got something else")
    return content


def _begin(place: Path, description: Mapping[str, str | int]) -> None:
    """Writes what the ensemble is made of; raises ValueError if another one is there."""
    check_ensemble_folder(place)
    earlier = _described(place)
    if earlier is None:
        with replace_file(place / ENSEMBLE_FILE) as file:
            file.write(json.dumps(dict(description), indent=2).encode() + b"\n")
        return
    for name, value in description.items():
        if earlier.get(name) != value:
            raise ValueError(
                f"{place}: expected an ensemble of the same {name}, got one of {name} "
                f"{earlier.get(name)!r}, and not {value!r}; name another folder"
            )


def _digest(*parts: bytes) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()[:16]


def _shown(value: Any) -> str:
    """An option as text that is the same in every process."""
    if isinstance(value, np.ndarray):
        return _digest(value.tobytes())
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_shown(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, (Dataset, DatasetFiles)):
        return value.fingerprint()
    if isinstance(value, functools.partial):
        return (
            f"{_shown(value.func)}({', '.join(map(_shown, value.args))} {_shown(value.keywords)})"
        )
    return getattr(value, "__qualname__", None) or repr(value)
