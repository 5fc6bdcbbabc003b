"""cisreg train."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cisreg.cli import options
from cisreg.cli import train_options as choose
from cisreg.cli.old_commands import run_old_command
from cisreg.cli.outputs import check_folder
from cisreg.cli.tables import show_run
from cisreg.cli.train_start import (
    carried_over,
    check_names,
    choose_motifs,
    initial_concentrations,
    initial_values,
    load_earlier,
)
from cisreg.cli.train_validation import asked_split, chosen_validation, validation_share
from cisreg.cli.train_workers import check_workers, train_in_processes
from cisreg.number_text import is_integer, parse_integer
from cisreg.processes.cluster import this_worker
from cisreg.processes.signals import stop_at_once, stop_signals
from cisreg.quiet import start_tensorflow
from cisreg.run_folder import FILES, check_run_folder, has_lost_its_recipe, recipe_of_run

if TYPE_CHECKING:
    from cisreg.recipes import Recipe
    from cisreg.training.step import Loss

EXAMPLE = "cisreg train train.tsv.gz --motifs motif_list.txt --output model"

_LAYERS = (
    "potentiation",
    "positional",
    "stranded",
    "binding",
    "accessibility_activity",
    "binding_limit",
    "position_knots",
    "padding",
    "constant_left",
    "constant_right",
    "constant_ends",
)
_PENALTIES = (
    "activity_l1",
    "potentiation_l1",
    "motif_l2",
    "motif_pull",
    "position_smoothness",
)
# Options that name files.
_READ = (
    *("table", "recipe", "concentrations", "start", "measurements", "validation", "likelihood"),
    *("initial_activity", "initial_potentiation", "initial_binding_limit"),
)
_OTHERS = ("epochs", "motif_width", "motif_flank", "precision")


def train(
    context: typer.Context,
    table: choose.Table = None,
    motifs: choose.Motifs = None,
    output: choose.Output = None,
    recipe: choose.RecipeSource = None,
    random_motifs: choose.RandomMotifs = 0,
    concentrations: choose.Concentrations = None,
    initial_activity: choose.InitialActivity = None,
    initial_potentiation: choose.InitialPotentiation = None,
    initial_binding_limit: choose.InitialBindingLimit = None,
    start: choose.Start = None,
    length: choose.Length = None,
    side: choose.PaddingSide = "left",
    sequence_column: choose.SequenceColumn = None,
    expression_column: choose.ExpressionColumn = None,
    weight_column: choose.WeightColumn = None,
    measurements: choose.Measurements = None,
    name_column: choose.NameColumn = None,
    decimal_comma: choose.DecimalComma = False,
    strict: choose.Strict = False,
    cache: choose.Cache = "auto",
    lanes: choose.Lanes = 16,
    validation: choose.Validation = None,
    split_column: choose.SplitColumn = None,
    fold: choose.Fold = None,
    group_column: choose.GroupColumn = None,
    potentiation: choose.Potentiation = None,
    positional: choose.Positional = None,
    stranded: choose.Stranded = None,
    binding: choose.Binding = None,
    accessibility_activity: choose.AccessibilityActivity = None,
    binding_limit: choose.BindingLimit = None,
    position_knots: choose.PositionKnots = None,
    padding: choose.Padding = None,
    constant_left: choose.ConstantLeft = None,
    constant_right: choose.ConstantRight = None,
    constant_ends: choose.ConstantEnds = None,
    motif_width: choose.MotifWidth = None,
    motif_flank: choose.MotifFlank = None,
    activity_l1: choose.ActivityL1 = None,
    potentiation_l1: choose.PotentiationL1 = None,
    motif_l2: choose.MotifL2 = None,
    motif_pull: choose.MotifPull = None,
    position_smoothness: choose.PositionSmoothness = None,
    likelihood: choose.Likelihood = None,
    epochs: choose.Epochs = None,
    precision: choose.PrecisionName = None,
    seed: choose.Seed = 0,
    threads: options.Threads = None,
    implementation: options.Implementation = "auto",
    workers: choose.Workers = 1,
    restarts: choose.Restarts = 0,
    strategy: choose.Strategy = "auto",
    resume: choose.Resume = False,
    checkpoint_every: choose.CheckpointEvery = None,
    checkpoint_minutes: choose.CheckpointMinutes = None,
    keep_checkpoints: choose.KeepCheckpoints = 3,
    report_every: choose.ReportEvery = None,
    tensorboard: choose.TensorBoard = False,
    profile: choose.Profile = False,
    like_cisregmodels: choose.LikeCisRegModels = None,
    overwrite: choose.Overwrite = False,
) -> None:
    """Learn how factors bind and act, from sequences and their measured expression.

    Writes to DIR: the model, recipe.toml, metrics.jsonl with a line per epoch, checkpoints, and
    factors.tsv with what each factor does.
    SIGTERM, SIGHUP and Ctrl-C end the run with a checkpoint and status 75; --resume continues it
    and gives the same model as a run without interruption.
    """
    if like_cisregmodels is not None:
        run_old_command(context, like_cisregmodels, overwrite)
        return
    if table is None or output is None:
        raise typer.BadParameter(
            "expected a TABLE and --output, or --like-cisregmodels alone", ctx=context
        )
    if motifs is None and start is None and not random_motifs:
        raise typer.BadParameter(
            "expected motifs to train: --motifs, --random-motifs or the --start of a model",
            ctx=context,
        )
    split_by = asked_split(context.params)
    check_workers(workers, restarts, strategy)
    is_chief = workers > 1 or this_worker(strategy) == 0
    if is_chief:
        # Also checked here, before steps that take time or start processes.
        _check_folder(output, _files_read(context.params), resume=resume, overwrite=overwrite)
    if workers > 1 or restarts:
        train_in_processes(workers, restarts, threads, output)
        return
    heard = stop_signals()
    with stop_at_once(heard):
        start_tensorflow()
        options.set_threads(threads)
        from cisreg.recipes import train as train_model
        from cisreg.training.replicas import find_strategy

        together = find_strategy(strategy)
        chosen = _recipe(recipe or _usual_recipe(output, resume), context.params)
        earlier = load_earlier(start)
        motif_set, random_count = choose_motifs(
            motifs, random_motifs, chosen.motif_width, earlier, seed
        )
        check_names(earlier, motif_set)
        measured = None if expression_column is None else [expression_column]
        columns = options.asked_columns(sequence_column, measured, weight_column, name_column)
        extra = {} if split_by is None else {"extra": (options.column(split_by),)}
        files = options.open_files(
            table,
            columns | extra,
            measurements=measurements,
            decimal_comma=decimal_comma,
            length=length,
            side=side,
            strict=strict,
            lanes=lanes,
        )
        # Text is read into memory, where its length is known from it then.
        dataset = files if files.has_groups or length is not None else files.load()
        base_count = files.length
        names = chosen.spec(len(motif_set), base_count).parameter_shapes
        run = train_model(
            *(dataset, motif_set, chosen),
            output=output,
            log_concentration=initial_concentrations(
                concentrations, motif_set, random_count, base_count
            ),
            start=initial_values(
                *(initial_activity, initial_potentiation, initial_binding_limit),
                *(motif_set, random_count, names),
            )
            | carried_over(earlier, names),
            loss=_loss(likelihood),
            validation=chosen_validation(
                *(context.params, chosen.validation, files),
                lambda path: options.open_files(
                    path,
                    columns,
                    measurements=measurements,
                    decimal_comma=decimal_comma,
                    length=base_count,
                    side=side,
                    strict=strict,
                ),
            ),
            seed=seed,
            cache=cache,
            strategy=together,
            overwrite=overwrite,
            resume=resume,
            checkpoint_every=checkpoint_every,
            checkpoint_minutes=checkpoint_minutes,
            keep_checkpoints=keep_checkpoints,
            stop_signals=heard,
            tensorboard=tensorboard,
            report_every=report_every,
            profile=profile,
            implementation=implementation,
            metadata={"table": str(table), "motifs": motifs},
        )
        if is_chief:
            show_run(run, output)


def _check_folder(
    folder: Path, read: Iterable[str | Path | None], resume: bool, overwrite: bool
) -> None:
    if resume and overwrite:
        raise typer.BadParameter("--resume and --overwrite exclude each other")
    check_run_folder(folder, resume=resume, overwrite=overwrite, prefix="--")
    if not resume:
        check_folder(folder, FILES, inputs=read, overwrite=True)


def _files_read(given: Mapping[str, Any]) -> list[str | Path | None]:
    """Files and folders that the run reads, by the options."""
    return [options.motif_source(given["motifs"]), *(given[name] for name in _READ)]


def _usual_recipe(folder: Path, resume: bool) -> str:
    """The recipe if none is given: that of the run if it is resumed, otherwise the default."""
    if resume and has_lost_its_recipe(folder):
        raise ValueError(
            f"{folder}: expected recipe.toml beside the checkpoints of the run, found none; give "
            "the recipe of that run with --recipe, or --overwrite to train anew"
        )
    own = recipe_of_run(folder) if resume else None
    return "default" if own is None else str(own)


def _recipe(source: str, given: Mapping[str, Any]) -> Recipe:
    """The recipe, with the values that were given as options; the names are the same in both."""
    from cisreg.recipes import read_recipe

    model = {name: given[name] for name in _LAYERS if given[name] is not None}
    for name in ("constant_left", "constant_right"):
        if name in model and is_integer(model[name]):
            model[name] = parse_integer(model[name])
    return read_recipe(source).override(
        model=model,
        penalty={name: given[name] for name in _PENALTIES if given[name] is not None},
        validation=validation_share(given["validation"]),
        **{name: given[name] for name in _OTHERS},
    )


def _loss(table: Path | None) -> Loss:
    from cisreg.losses import (
        mean_squared_error,
        negative_log_likelihood,
        read_mean_standard_deviation,
    )

    if table is None:
        return mean_squared_error
    return functools.partial(negative_log_likelihood, table=read_mean_standard_deviation(table))
