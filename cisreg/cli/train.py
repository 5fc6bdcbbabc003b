"""cisreg train."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import typer

from cisreg.cli import options
from cisreg.cli import train_options as choose
from cisreg.cli.commands import spelled_command
from cisreg.cli.old_commands import run_old_command
from cisreg.cli.option_groups import spread
from cisreg.cli.outputs import check_folder
from cisreg.cli.tables import show_run
from cisreg.cli.train_plan import check_options, files_read, make_plan
from cisreg.cli.train_validation import validation_file
from cisreg.cli.train_workers import check_workers, train_in_processes
from cisreg.processes.cluster import this_worker
from cisreg.processes.signals import stop_at_once, stop_signals
from cisreg.quiet import start_tensorflow
from cisreg.run_folder import FILES, check_run_folder, has_lost_its_recipe, recipe_of_run

EXAMPLE = "cisreg train train.tsv.gz --motifs motif_list.txt --output model"


@spread
def train(
    *,
    context: typer.Context,
    output: choose.Output = None,
    given: choose.TrainingOptions,
    workers: choose.Workers = 1,
    restarts: choose.Restarts = 0,
    strategy: choose.Strategy = "auto",
    resume: choose.Resume = False,
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
    if given.table is None or output is None:
        raise typer.BadParameter(
            "expected a TABLE and --output, or --like-cisregmodels alone", ctx=context
        )
    check_options(context, given)
    check_workers(workers, restarts, strategy)
    is_chief = workers > 1 or this_worker(strategy) == 0
    if is_chief:
        # Also checked here, before steps that take time or start processes.
        _check_folder(output, files_read(given), resume=resume, overwrite=overwrite)
    if workers > 1 or restarts:
        train_in_processes(workers, restarts, given.threads, output)
        return
    heard = stop_signals()
    with stop_at_once(heard):
        start_tensorflow()
        options.set_threads(given.threads)
        from cisreg.recipes import train as train_model
        from cisreg.recipes.origin import describe_source
        from cisreg.training.replicas import find_strategy

        together = find_strategy(strategy)
        plan = make_plan(given, given.recipe or _usual_recipe(output, resume))
        run = train_model(
            *(plan.data, plan.motifs, plan.recipe),
            output=output,
            strategy=together,
            overwrite=overwrite,
            resume=resume,
            stop_signals=heard,
            profile=profile,
            metadata={
                **describe_source(str(given.table), validation_file(given.validation)),
                "motifs": given.motifs,
                "measurements": None if given.measurements is None else str(given.measurements),
                "decimal_comma": given.decimal_comma,
                "command": spelled_command(context),
            },
            **plan.arguments,
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


def _usual_recipe(folder: Path, resume: bool) -> str:
    """The recipe if none is given: that of the run if it is resumed, otherwise the default."""
    if resume and has_lost_its_recipe(folder):
        raise ValueError(
            f"{folder}: expected recipe.toml beside the checkpoints of the run, found none; give "
            "the recipe of that run with --recipe, or --overwrite to train anew"
        )
    own = recipe_of_run(folder) if resume else None
    return "default" if own is None else str(own)
