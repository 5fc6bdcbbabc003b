"""Training by a recipe, with everything that is left behind in one folder."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from cisreg.data import Dataset, DatasetFiles
from cisreg.data.feeding.feed import MemoryFeed
from cisreg.files import hold_folder, replace_file
from cisreg.losses import mean_squared_error
from cisreg.model import ModelSpec
from cisreg.motifs import MotifSet, strongest_site_log_concentration
from cisreg.occupancy import Implementation
from cisreg.recipes.recipe import Recipe
from cisreg.recipes.writing import format_recipe
from cisreg.start import StartParameters, init_parameters
from cisreg.storage import Model, save_model
from cisreg.training import FitResult, RunOptions, TrainingPlan, run
from cisreg.training.feeds import Cache, make_feed
from cisreg.training.replicas import Replicas
from cisreg.training.step import Loss

RECIPE_FILE = "recipe.toml"
METRICS_FILE = "metrics.jsonl"
CHECKPOINT_FOLDER = "checkpoint"
TENSORBOARD_FOLDER = "tensorboard"
STEPS_FILE = "steps.jsonl"
PROFILE_FOLDER = "profile"
MODEL_FILE = "model.json"


class RecipeRun(NamedTuple):
    """What `run_recipe` gives.

    Attributes:
        model: the trained model, as it was saved.
        fit: what training gave besides.
        training: what it was trained on; of files that were not cached, some of it.
        validation: what was held out, or None.
    """

    model: Model
    fit: FitResult
    training: Dataset
    validation: Dataset | None


def run_recipe(
    recipe: Recipe,
    motif_set: MotifSet,
    dataset: Dataset | DatasetFiles,
    directory: str | os.PathLike[str],
    *,
    log_concentration: np.ndarray | None = None,
    start: Mapping[str, np.ndarray] | None = None,
    loss: Loss = mean_squared_error,
    seed: int = 0,
    cache: Cache = "auto",
    strategy: tf.distribute.Strategy | None = None,
    resume: bool = False,
    checkpoint_every: int | None = None,
    checkpoint_minutes: float | None = None,
    keep_checkpoints: int = 3,
    stop_signals: Sequence[signal.Signals] = (),
    tensorboard: bool = False,
    report_every: int | None = None,
    profile: bool = False,
    implementation: Implementation = "auto",
    metadata: Mapping[str, Any] | None = None,
) -> RecipeRun:
    """Trains a model as the recipe says and saves it.

    Args:
        recipe: layers, penalties and stages.
        motif_set: the motifs, placed in `recipe.motif_width` columns.
        dataset: sequences and expression in memory, or files of them (`cisreg.open_dataset`).
        directory: folder for the model (see `cisreg.storage`), recipe.toml, metrics.jsonl and the
            checkpoint; made where it is missing.
        log_concentration: float32 [M], where training begins; None: where each motif's strongest
            site is bound half of the time.
        start: float32 arrays by the names of `ModelSpec.parameter_shapes`, in the unit of the
            measurements, where training begins instead of where `cisreg.init_parameters` has it.
        loss: (predicted [N], measured [N]) to a scalar.
        seed: of the initial activities, the validation split and the order of the sequences.
        cache: see `cisreg.training.fit`.
        strategy: see `cisreg.training.fit`; the chief alone writes to `directory`.
        resume: go on from the newest sound checkpoint in `directory`; otherwise an earlier run
            there is replaced.
        checkpoint_every: see `cisreg.training.fit`.
        checkpoint_minutes: see `cisreg.training.fit`.
        keep_checkpoints: see `cisreg.training.fit`.
        stop_signals: see `cisreg.training.fit`.
        tensorboard: write scalars and histograms to the folder's own folder tensorboard.
        report_every: see `cisreg.training.fit`; its records go to the folder's steps.jsonl.
        profile: trace some steps, in the folder's own folder profile, see `cisreg.training.fit`.
        implementation: of the occupancy operation, see `cisreg.occupancy`.
        metadata: anything else to keep with the model.

    Raises:
        ValueError: parts that do not fit together, a checkpoint of another run, or a folder that
            another process trains into.
        ImportError: `tensorboard` is asked for and not installed.
        NonFiniteLossError: training diverged; the last checkpoint stays.
        StoppedError, WorkerLostError: as `cisreg.training.fit`; the run can be resumed.
        OSError: a file cannot be written.

    Example:
        >>> run = run_recipe(read_recipe("quick"), demo_motifs(width=30), dataset, "model")
    """
    if tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ImportError("logs for TensorBoard need its package: run pip install tensorboard")
    directory = Path(directory)
    length = dataset.sequence.shape[1] if isinstance(dataset, Dataset) else dataset.length
    spec = recipe.spec(len(motif_set), length)
    if log_concentration is None:
        log_concentration = strongest_site_log_concentration(motif_set)
    feed, validation = make_feed(dataset, recipe.validation or None, seed, cache)
    flank = recipe.motif_flank
    # Whatever does not fit together is refused here, before the folder's earlier run is gone.
    plan = TrainingPlan(
        spec=spec,
        initial=_initial(spec, motif_set, log_concentration, seed, start or {}),
        training=feed,
        validation=validation,
        stages=recipe.stages_for(spec),
        loss=loss,
        penalty=recipe.penalty,
        column_range=None if flank is None else motif_set.column_range(flank),
        seed=seed,
        implementation=implementation,
        precision=recipe.precision,
        standardize=recipe.standardize,
    )
    training = feed.dataset if isinstance(feed, MemoryFeed) else feed.sample()
    is_chief = Replicas(strategy).is_chief
    with hold_folder(directory) if is_chief else nullcontext():
        if is_chief:
            _begin_folder(directory, recipe, resume)
        result = run(
            plan,
            RunOptions(
                strategy=strategy,
                checkpoint_directory=directory / CHECKPOINT_FOLDER,
                checkpoint_every=checkpoint_every,
                checkpoint_minutes=checkpoint_minutes,
                keep_checkpoints=keep_checkpoints,
                resume=resume,
                stop_signals=stop_signals,
                metrics_path=directory / METRICS_FILE,
                log_directory=directory / TENSORBOARD_FOLDER if tensorboard else None,
                report_every=report_every,
                steps_path=directory / STEPS_FILE,
                profile_directory=directory / PROFILE_FOLDER if profile else None,
            ),
        )
        model = Model(
            spec,
            result.parameters,
            motif_set.names,
            dict(metadata or {}),
            initial_motifs=_initial_motifs(motif_set, plan, start or {}),
            column_range=plan.column_range,
        )
        if is_chief:
            save_model(directory, model)
    return RecipeRun(model, result, training, validation)


def _initial(
    spec: ModelSpec,
    motif_set: MotifSet,
    log_concentration: np.ndarray,
    seed: int,
    start: Mapping[str, np.ndarray],
) -> StartParameters:
    """Where training begins."""
    parameters = init_parameters(spec, motif_set.log_kd, log_concentration, seed=seed)
    for name, value in start.items():
        shape = spec.parameter_shapes.get(name)
        if np.shape(value) != shape:
            raise ValueError(
                f"start: expected {name} of shape {shape}, as the recipe's model with "
                f"{spec.motif_count} motifs has it, got {np.shape(value)}; leave it out, or make "
                "the recipe and the motifs those of its model"
            )
        parameters[name] = np.array(value, np.float32)
    return parameters


def _initial_motifs(
    motif_set: MotifSet, plan: TrainingPlan, start: Mapping[str, np.ndarray]
) -> MotifSet:
    """The motifs as training begins: those given, or others in their place that `start` has."""
    if "log_kd" not in start:
        return motif_set
    return Model(plan.spec, plan.initial, motif_set.names, column_range=plan.column_range).motifs


def _begin_folder(directory: Path, recipe: Recipe, resume: bool) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if resume:
        # The recipe beside a checkpoint is that of its run, or else the checkpoint is refused.
        if (directory / CHECKPOINT_FOLDER).exists() and (directory / RECIPE_FILE).exists():
            return
    else:
        # A run that is stopped must not leave the model of another one beside its recipe.
        for name in (MODEL_FILE, STEPS_FILE):
            (directory / name).unlink(missing_ok=True)
        for folder in (CHECKPOINT_FOLDER, TENSORBOARD_FOLDER, PROFILE_FOLDER):
            shutil.rmtree(directory / folder, ignore_errors=True)
    with replace_file(directory / RECIPE_FILE) as file:
        file.write(format_recipe(recipe).encode())
