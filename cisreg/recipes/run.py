"""`train`: trains a model from data, motifs and a recipe, with all output in one folder."""

from __future__ import annotations

import importlib.util
import logging
import signal
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import tensorflow as tf

from cisreg.choices import ConstantEnds
from cisreg.data import Dataset, DatasetFiles, HoldOut
from cisreg.data.feeding.feed import MemoryFeed
from cisreg.interpret.factors import factor_effects
from cisreg.locks import hold_folder
from cisreg.losses import Noise, mean_squared_error
from cisreg.model import ModelSpec
from cisreg.motifs import MotifSet, read_motifs, strongest_site_log_concentration
from cisreg.occupancy import Implementation
from cisreg.outputs import each_output
from cisreg.processes.session import in_notebook
from cisreg.recipes.ends import settle_ends
from cisreg.recipes.opened import by_name, check_columns, is_paths, open_data, open_like
from cisreg.recipes.origin import describe_data, describe_source, versions
from cisreg.recipes.reading import read_recipe
from cisreg.recipes.recipe import Recipe
from cisreg.recipes.writing import format_recipe
from cisreg.run_folder import (
    CHECKPOINT_FOLDER,
    FACTORS_FILE,
    METRICS_FILE,
    PROFILE_FOLDER,
    STEPS_FILE,
    TENSORBOARD_FOLDER,
    begin_run,
    check_run_folder,
    finish_run,
    has_lost_its_recipe,
)
from cisreg.start import StartParameters, init_parameters
from cisreg.storage import save_model
from cisreg.trained_model import Model
from cisreg.training import FitResult, RunOptions, TrainingPlan, run
from cisreg.training.checkpoint import Checkpoints
from cisreg.training.feeds import Cache, Validation, make_feed, some_sequences
from cisreg.training.options import PathLike
from cisreg.training.pictures import Plots
from cisreg.training.replicas import Replicas
from cisreg.training.step import Loss
from cisreg.writing import open_table

if TYPE_CHECKING:
    from cisreg.report.page.content import Report

logger = logging.getLogger("cisreg.training")

# At most so many sequences are averaged over for factors.tsv; fewer where every site is computed.
_FACTOR_ROWS, _FACTOR_ROWS_OF_SITES = 4096, 256


class Training(NamedTuple):
    """The result of `train`.

    Attributes:
        model: the trained model, equal to the saved one.
        fit: the history of training, and how it ended.
        training: the training data; only a sample if they were streamed from files.
        validation: the data that were held out, or None.
    """

    model: Model
    fit: FitResult
    training: Dataset
    validation: Dataset | None

    def report(self, path: PathLike, **options: Any) -> Report:
        """Writes an HTML report that says whether the model is any good, and what to doubt.

        Args:
            path: the file, .html.
            options: see `cisreg.report.write_report`.

        Example:
            >>> trained.report("report.html").sentences[0]  # doctest: +SKIP
            'The model predicts well: ...'
        """
        from cisreg.report.page import write_report
        from cisreg.report.page.run import Run

        given = {"training": self.training, "held out": self.validation}
        run = Run(
            "model",
            self.model,
            history=self.fit.to_table(),
            given={name: data for name, data in given.items() if data is not None},
        )
        return write_report(path, run, **options)

    def __repr__(self) -> str:
        rows = f"{len(self.training):,} sequences"
        if self.validation is not None:
            rows += f" and {len(self.validation):,} held out"
        return f"Training({len(self.model.motif_names)} motifs, {rows}, {self.fit!r})"

    def _repr_html_(self) -> str:
        return self.fit._repr_html_()


def train(
    data: Dataset | DatasetFiles | PathLike | Any,
    motifs: MotifSet | PathLike,
    recipe: Recipe | PathLike = "default",
    *,
    outputs: Sequence[str] = (),
    output: PathLike | None = None,
    validation: Validation | PathLike | Any = None,
    constant_left: int | str | None = None,
    constant_right: int | str | None = None,
    constant_ends: ConstantEnds | None = None,
    log_concentration: np.ndarray | None = None,
    start: Mapping[str, np.ndarray] | None = None,
    loss: Loss | None = None,
    seed: int = 0,
    cache: Cache = "auto",
    strategy: tf.distribute.Strategy | None = None,
    overwrite: bool = False,
    resume: bool = False,
    checkpoint_every: int | None = None,
    checkpoint_minutes: float | None = None,
    keep_checkpoints: int = 3,
    stop_signals: Sequence[signal.Signals] = (),
    tensorboard: bool = False,
    report_every: int | None = None,
    profile: bool = False,
    progress: bool = True,
    implementation: Implementation = "auto",
    metadata: Mapping[str, Any] | None = None,
) -> Training:
    """Trains a model with a recipe; saves it if a folder is given.

    Args:
        data: sequences and their measurements: a Dataset, files opened by `cisreg.open_dataset`,
            the path of such files or a list of paths, the name of a data set (`cisreg.datasets`),
            or a table in memory (pandas, Arrow) whose columns have the usual names.
        motifs: a MotifSet, which is placed in the recipe's motif_width columns and may not be
            wider; or anything that `cisreg.read_motifs` reads.
        recipe: layers, penalties and stages: "default", "quick", "best", the path of a TOML file or
            a Recipe. Its variants are for ensembles, and play no role here.
        outputs: names of several outputs, such as conditions: the columns of their measurements in
            files and tables, or names for the columns of a Dataset. `differ` of the recipe's model
            says what differs between them. A measurement that is missing (NaN) leaves the others of
            its row in use. (): those of the recipe, if it has any; without, several columns are
            replicates of one number.
        output: folder for the model (see `cisreg.storage`), recipe.toml, metrics.jsonl, checkpoints
            and factors.tsv (what each factor does, for each output, see
            `cisreg.interpret.factor_effects`, over at most 4,096 sequences that were held out, or
            of training if none were), created if missing; None: nothing is written.
        validation: what is held out, see `cisreg.training.fit`; or a file or table of separate
            sequences, which is read like `data`. None: the share in the recipe. If a HoldOut names
            a column, that column is also read from paths and tables.
        constant_left: bases that all sequences begin with, such as a primer site: their number or
            the bases. None: from the recipe, or else found in the sequences.
        constant_right: bases that all sequences end with; given in the same way.
        constant_ends: how constant ends are treated, see `cisreg.ModelSpec`; None: as in the
            recipe.
        log_concentration: float32 [M], nats, where training starts; None: where each motif's
            strongest site is bound half of the time.
        start: float32 arrays by the names of `ModelSpec.parameter_shapes`, in the unit of the
            measurements; they replace the initial values of `cisreg.init_parameters`.
        loss: a noise model (`cisreg.losses`), or (predicted [N], measured [N]) to a scalar; None:
            that of the recipe.
        seed: of the initial activities, the validation split and the order of the sequences.
        cache: see `cisreg.training.fit`.
        strategy: see `cisreg.training.RunOptions`; only the chief writes to `output`.
        overwrite: replace an earlier run in `output`. Its model stays, and can be loaded, until the
            new one is complete; see docs/howto/interrupted_runs.md.
        resume: continue from the newest undamaged checkpoint in `output`.
        checkpoint_every: see `cisreg.training.RunOptions`.
        checkpoint_minutes: see `cisreg.training.RunOptions`.
        keep_checkpoints: see `cisreg.training.RunOptions`.
        stop_signals: see `cisreg.training.RunOptions`.
        tensorboard: write scalars and histograms to the folder tensorboard in `output`; where
            matplotlib is installed, also plots at the end of each stage.
        report_every: see `cisreg.training.RunOptions`; the reports are written to steps.jsonl.
        profile: write a trace of some steps to the folder profile in `output`.
        progress: draw a progress bar if standard error is a terminal. In a notebook, a bar and a
            plot of all epochs, which is drawn again at the end of an epoch; without matplotlib, one
            line per epoch.
        implementation: of the occupancy operation, see `cisreg.occupancy`.
        metadata: anything else to save with the model.

    Returns:
        A Training. After an interrupt in a notebook it has the current model, see
        `cisreg.training.run`.

    Raises:
        ValueError: the parts do not fit together, a checkpoint belongs to a different run, another
            process is training in the folder, or the folder contains a run and neither `overwrite`
            nor `resume` is given.
        ImportError: `tensorboard` is given, but the package is not installed.
        NonFiniteLossError: training diverged; the last checkpoint is kept.
        StoppedError, WorkerLostError: as for `cisreg.training.fit`; the run can be resumed.
        OSError: a file cannot be read or written.

    Example:
        >>> from cisreg.motifs import demo_motifs
        >>> simulated = cisreg.simulate(demo_motifs(width=30), sequence_count=500)
        >>> recipe = cisreg.read_recipe("quick").override(epochs=1)
        >>> data = cisreg.Dataset(simulated.sequence, simulated.expression)
        >>> trained = cisreg.train(data, demo_motifs(width=30), recipe)
        >>> trained.model.spec.motif_count
        16
    """
    check_tensorboard(tensorboard)
    wants_folder = {"resume": resume, "tensorboard": tensorboard, "profile": profile}
    for name, wanted in wants_folder.items():
        if wanted and output is None:
            raise ValueError(f"output: expected a folder with {name}, got None")
    folder = None if output is None else Path(output)
    is_chief = Replicas(strategy).is_chief
    if folder is not None and is_chief:
        check_run_folder(folder, resume=resume, overwrite=overwrite)
    recipe = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    ends = {
        "constant_left": constant_left,
        "constant_right": constant_right,
        "constant_ends": constant_ends,
    }
    given = {name: value for name, value in ends.items() if value is not None}
    if recipe.variants:
        logger.info(
            "recipe: its %d variants are for members of an ensemble (cisreg ensemble train); one "
            "model has the layers of [model]",
            len(recipe.variants),
        )
    recipe = recipe.override(model=given, outputs=tuple(outputs) or None)
    recipe = replace(recipe, variants=())
    if loss is not None:
        recipe = replace(recipe, loss=loss if isinstance(loss, Noise) else None)
    loss = loss or recipe.loss or mean_squared_error
    motif_set = _motifs(motifs, recipe)
    opened = open_data(
        data,
        validation.column if isinstance(validation, HoldOut) else None,
        loss,
        recipe.outputs,
    )
    check_columns(opened, recipe.outputs, loss)
    source = describe_source(data, validation)
    if isinstance(validation, HoldOut) and opened is not data:
        validation = by_name(validation, opened)
    plan, recipe, origin = _plan(
        *(opened, motif_set, recipe, validation, log_concentration, start or {}),
        loss=loss,
        seed=seed,
        cache=cache,
        implementation=implementation,
        progress=progress,
    )

    def place(name: str, wanted: bool = True) -> Path | None:
        return folder / name if folder is not None and wanted else None

    options = RunOptions(
        strategy=strategy,
        checkpoint_directory=place(CHECKPOINT_FOLDER),
        checkpoint_every=checkpoint_every,
        checkpoint_minutes=checkpoint_minutes,
        keep_checkpoints=keep_checkpoints,
        resume=resume,
        stop_signals=stop_signals,
        metrics_path=place(METRICS_FILE),
        log_directory=place(TENSORBOARD_FOLDER, tensorboard),
        report_every=report_every,
        steps_path=place(STEPS_FILE),
        profile_directory=place(PROFILE_FOLDER, profile),
        plots=_plots() if tensorboard or (progress and in_notebook()) else None,
        progress=progress,
    )
    with hold_folder(folder) if folder is not None and is_chief else nullcontext():
        if folder is not None and is_chief:
            _begin_folder(folder, recipe, plan, resume=resume, overwrite=overwrite)
        result = run(plan, options)
        side = {"padding_side": opened.side}
        model = Model(
            plan.spec,
            result.parameters,
            motif_set.names,
            metadata=_metadata(plan, result, origin | source) | side | dict(metadata or {}),
            initial_motifs=_initial_motifs(motif_set, plan, start or {}),
            column_range=plan.column_range,
            table_columns=opened.columns_used,
            noise=result.noise,
            output_names=recipe.outputs,
        )
        if folder is not None and is_chief:
            save_model(folder, model)
            _write_factors(folder / FACTORS_FILE, model, plan)
            finish_run(folder)
    feed = plan.training
    training = feed.dataset if isinstance(feed, MemoryFeed) else feed.sample()
    return Training(model, result, training, plan.validation)


def check_tensorboard(wanted: bool) -> None:
    """Raises ImportError where logs for TensorBoard are wanted and its package is not installed.

    Example:
        >>> check_tensorboard(False)
    """
    if wanted and importlib.util.find_spec("tensorboard") is None:
        raise ImportError("logs for TensorBoard need its package: run pip install tensorboard")


def _plots() -> Plots | None:
    """What draws the run, or None where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return None
    from cisreg import report

    return report


def _write_factors(path: Path, model: Model, plan: TrainingPlan) -> None:
    """Writes what each factor does over the sequences that were held out, or else some others."""
    known = plan.validation
    sequences = (
        known.sequence if known is not None and len(known) else some_sequences(plan.training)
    )
    most = _FACTOR_ROWS if model.spec.fused else _FACTOR_ROWS_OF_SITES
    chosen = np.asarray(sequences[:: -(-len(sequences) // most)], np.uint8)
    with open_table(path, overwrite=True) as write:
        for output, one in each_output(model):
            table = factor_effects(one, chosen).to_table()
            own = {"output": pa.array([output] * len(table))} if output else {}
            write(own | {name: table[name].combine_chunks() for name in table.column_names})


def _motifs(motifs: MotifSet | PathLike, recipe: Recipe) -> MotifSet:
    if not isinstance(motifs, MotifSet):
        if not is_paths(motifs):
            raise TypeError(
                "motifs: expected a MotifSet, or the path of a folder or list of motif files, got "
                f"{type(motifs).__name__}; MotifSet.from_matrices makes a set of matrices"
            )
        return read_motifs(motifs, width=recipe.motif_width)
    widest = int(motifs.widths.max())
    if widest > recipe.motif_width:
        raise ValueError(
            f"motifs: expected {recipe.motif_width} columns at most, as the recipe has them, got "
            f"{widest}; change the recipe's motif_width to {widest}, or cut the motifs with "
            f"in_columns({recipe.motif_width})"
        )
    same = motifs.width == recipe.motif_width
    return motifs if same else motifs.in_columns(recipe.motif_width)


def _plan(
    opened: Dataset | DatasetFiles,
    motif_set: MotifSet,
    recipe: Recipe,
    validation: Validation | PathLike | Any,
    log_concentration: np.ndarray | None,
    start: Mapping[str, np.ndarray],
    *,
    loss: Loss,
    seed: int,
    cache: Cache,
    implementation: Implementation,
    progress: bool,
) -> tuple[TrainingPlan, Recipe, dict[str, Any]]:
    """The plan; raises ValueError if parts do not fit together.

    It also returns the recipe with the constant ends of the sequences, and a description of these
    ends and of the rows that are held out.
    """
    # Text files of any size are read into memory, which gives the length of the sequences.
    streams = isinstance(opened, DatasetFiles) and opened.has_groups
    dataset = opened if streams or isinstance(opened, Dataset) else opened.load(progress=progress)
    length = dataset.sequence.shape[1] if isinstance(dataset, Dataset) else dataset.length
    # Refuse an impossible model before the sequences are read.
    recipe.spec(len(motif_set), length, motif_set.names)
    if log_concentration is None:
        log_concentration = strongest_site_log_concentration(motif_set)
    if validation is None:
        validation = recipe.validation or None
    elif not isinstance(validation, (int, float, HoldOut, Dataset, DatasetFiles)):
        validation = open_like(*(opened, validation, length), loss=loss, outputs=recipe.outputs)
    feed, held_out = make_feed(dataset, validation, seed, cache, progress=progress)
    some = some_sequences(feed)
    trimmed = opened.side if opened.trimmed else None
    recipe, ends = settle_ends(recipe, some, trimmed)
    spec = recipe.spec(len(motif_set), length, motif_set.names)
    flank = recipe.motif_flank
    plan = TrainingPlan(
        spec=spec,
        initial=_initial(spec, motif_set, log_concentration, seed, start),
        training=feed,
        validation=held_out,
        stages=recipe.stages_for(spec, early_stopping=held_out is not None),
        loss=loss,
        penalty=recipe.penalty,
        column_range=None if flank is None else motif_set.column_range(flank),
        seed=seed,
        implementation=implementation,
        precision=recipe.precision,
        standardize=recipe.standardize,
    )
    data = describe_data(feed, held_out, validation)
    return plan, recipe, {"constant_ends": ends, "data": data}


def _metadata(plan: TrainingPlan, result: FitResult, origin: Mapping[str, Any]) -> dict[str, Any]:
    """The part of model.json that says how the model was trained."""
    return {
        "seed": plan.seed,
        "standard_unit": {"scale": result.unit.scale, "shift": result.unit.shift},
        "measured_range": _measured_range(plan),
        "interrupted": result.interrupted,
        "versions": dict(versions()),
        **origin,
    }


def _measured_range(plan: TrainingPlan) -> list[float] | None:
    """The smallest and largest measurement; None if the rows are streamed from files.

    Several measurements of a sequence count by their mean.
    """
    feed = plan.training
    if not isinstance(feed, MemoryFeed):
        return None
    measured = plan.levels(plan.noise_start())(feed.dataset.expression)
    return [float(np.nanmin(measured)), float(np.nanmax(measured))]


def _initial(
    spec: ModelSpec,
    motif_set: MotifSet,
    log_concentration: np.ndarray,
    seed: int,
    start: Mapping[str, np.ndarray],
) -> StartParameters:
    """The parameters at the start of training."""
    parameters = init_parameters(spec, motif_set.log_kd, log_concentration, seed=seed)
    for name, value in start.items():
        shape = spec.parameter_shapes.get(name)
        if name in spec.differ and shape is not None and np.shape(value) == shape[1:]:
            # Of a model of one output: all begin alike.
            value = np.broadcast_to(value, shape)
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
    """The motifs at the start of training: the given ones, or those in `start` if it has any."""
    if "log_kd" not in start:
        return motif_set
    return Model(plan.spec, plan.initial, motif_set.names, column_range=plan.column_range).motifs


def _begin_folder(
    folder: Path, recipe: Recipe, plan: TrainingPlan, *, resume: bool, overwrite: bool
) -> None:
    # Again, since another run may have ended here while the data were read.
    check_run_folder(folder, resume=resume, overwrite=overwrite)
    if resume and has_lost_its_recipe(folder):
        # Only the recipe of the checkpoints may take its place; another one is refused here.
        Checkpoints(folder / CHECKPOINT_FOLDER, plan.fingerprint()).load()
        logger.warning("%s: recipe.toml was lost, and is written anew", folder)
    begin_run(folder, format_recipe(recipe).encode(), resume=resume, overwrite=overwrite)
