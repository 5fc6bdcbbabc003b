"""cisreg ensemble train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cisreg.cli import options
from cisreg.cli import train_options as choose
from cisreg.cli.commands import ResumableCommand
from cisreg.cli.option_groups import spread
from cisreg.cli.outputs import check_folder
from cisreg.cli.terminal import new_console
from cisreg.cli.train_plan import check_options, files_read, make_plan
from cisreg.limits import MOST_WORKERS
from cisreg.processes.signals import stop_at_once, stop_signals
from cisreg.quiet import start_tensorflow

EXAMPLE = "cisreg ensemble train train.tsv.gz --motifs motif_list.txt --members 10 --output models"

_PANEL = "Ensemble"
_GOES_ON = "finished members and checkpoints are kept, and the same command goes on"
# Options of `cisreg train` that are those of a single run, and what to do here.
_OF_ONE_RUN = {
    "--resume": "an ensemble goes on by itself: run the same command again",
    "--overwrite": "an ensemble is not replaced: name another --output, or remove the folder",
    "--workers": "members are trained alone, several at a time: give --processes",
    "--restarts": "run the same command again, which goes on from the checkpoints",
    "--strategy": "members are trained alone, several at a time: give --processes",
    "--profile": "trace a single run of cisreg train",
    "--like-cisregmodels": "train one model of an old command line with cisreg train",
}


class EnsembleCommand(ResumableCommand):
    """The command, which says why options of a single run are not here."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuses options of a single run, then parses the arguments."""
        for word in args[: args.index("--")] if "--" in args else args:
            name = word.partition("=")[0]
            if name in _OF_ONE_RUN:
                raise typer.BadParameter(
                    f"{name} is an option of cisreg train, not of an ensemble; {_OF_ONE_RUN[name]}",
                    ctx=ctx,
                )
        return super().parse_args(ctx, args)


@spread
def train(
    *,
    context: typer.Context,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the members, each a folder of **cisreg train** in it. Required.",
        ),
    ] = None,
    members: Annotated[
        int,
        typer.Option(
            min=2,
            metavar="COUNT",
            help="How many models: 10 give a rough interval, 30 a good one.",
            rich_help_panel=_PANEL,
        ),
    ] = 10,
    resampling: Annotated[
        Literal["bootstrap", "seeds"],
        typer.Option(
            metavar="KIND",
            help="**bootstrap**: each member is trained on rows that are drawn with replacement, "
            "so that their differences are those of other data; **seeds**: all have the same rows, "
            "and differ by what training does by chance.",
            rich_help_panel=_PANEL,
        ),
    ] = "bootstrap",
    family_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="A bootstrap draws whole families: rows with the same value in this column, such "
            "as mutants of one sequence; default: equal sequences.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            max=MOST_WORKERS,
            metavar="COUNT",
            help="Members that are trained at a time, each in a process of its own; --threads is "
            "per process; default: the cores are divided among them.",
            rich_help_panel=_PANEL,
        ),
    ] = 1,
    given: choose.TrainingOptions,
) -> None:
    """Train several models alike; their differences say how sure parameters and predictions are.

    Member i has the seed --seed + i. Each is a model folder of its own, DIR/member_0 and so on, for
    every other command. Run again, with the same options or more members, finished members are
    kept, and others go on from their checkpoints. SIGTERM, SIGHUP and Ctrl-C end the run with
    checkpoints and status 75.
    """
    if given.table is None or output is None:
        raise typer.BadParameter("expected a TABLE and --output", ctx=context)
    if family_column is not None and resampling == "seeds":
        raise typer.BadParameter(
            "expected no --family-column with --resampling seeds, where all members have all rows",
            ctx=context,
        )
    check_options(context, given)
    from cisreg.uncertainty.member_training import ENSEMBLE_FILE, check_ensemble_folder

    check_ensemble_folder(output)
    check_folder(output, (ENSEMBLE_FILE,), inputs=files_read(given), overwrite=True)
    heard = stop_signals()
    with stop_at_once(heard, _GOES_ON):
        start_tensorflow()
        options.set_threads(given.threads)
        from cisreg.data import DatasetFiles
        from cisreg.uncertainty import fit_ensemble

        plan = make_plan(given, given.recipe or "default", family_column)
        arguments = plan.arguments
        if isinstance(arguments["validation"], DatasetFiles):
            # Every member reads it, in processes of their own.
            arguments["validation"] = arguments["validation"].load()
        ensemble = fit_ensemble(
            *(plan.data, plan.motifs, plan.recipe),
            members=members,
            resampling=resampling,
            groups=plan.extra,
            folder=output,
            processes=processes,
            threads=given.threads,
            progress=True,
            stop_signals=heard,
            **arguments,
        )
    new_console().print(
        f"{len(ensemble)} members ({resampling}) written to {output}; cisreg ensemble predict and "
        "evaluate use them, and cisreg explain certainty shows intervals of the parameters"
    )
