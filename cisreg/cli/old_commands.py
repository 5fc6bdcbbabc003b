"""Runs command lines of CisRegModels as commands of cisreg."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import typer

from cisreg.cli.outputs import check_files
from cisreg.cli.terminal import new_console

# Options of CisRegModels that name what is written.
_WRITTEN = ("output", "log", "tensorboard")
logger = logging.getLogger("cisreg.cli")


def run_old_command(context: typer.Context, text: str, overwrite: bool) -> None:
    """Translates an old command line into new commands, prints them, and runs them.

    Args:
        context: of the new command that was called with the old command line.
        text: the old command line.
        overwrite: let the new commands replace existing files.

    Raises:
        ValueError: not a command line of CisRegModels, or options that exclude each other.
        OSError: a file cannot be read or written.
    """
    _check_alone(context)
    from cisreg.legacy.arguments import parse_command
    from cisreg.legacy.translation import describe, translate, write_files

    old = parse_command(text)
    new = translate(old, overwrite=overwrite)
    console = new_console(results=True)
    console.print("In the commands of cisreg:", style="bold")
    for arguments in new.commands:
        console.print(describe(arguments))
    for note in new.notes:
        logger.warning("%s", note)
    values = old.values.items()
    read = [text for name, text in values if isinstance(text, str) and name not in _WRITTEN]
    # The checkpoint of -res stays, also where the new one would have its name.
    there = [path for path in new.outputs if Path(path).exists()]
    check_files(there, inputs=read, overwrite=True)
    write_files(new, read, overwrite=overwrite)
    app = context.find_root().command
    for arguments in new.commands:
        words = [*_global_options(context, arguments), *arguments]
        status = app.main(words, prog_name="cisreg", standalone_mode=False)
        if status:
            raise typer.Exit(status)


def _check_alone(context: typer.Context) -> None:
    """Raises BadParameter if options were given that the old command line does not have."""
    for name in context.params:
        source = context.get_parameter_source(name)
        given = source is not None and source.name == "COMMANDLINE"
        if given and name not in ("like_cisregmodels", "overwrite"):
            raise typer.BadParameter(
                f"expected --like-cisregmodels with no option except --overwrite, got {name} too; "
                "to use other options, run the commands that it prints",
                ctx=context,
            )


def _global_options(context: typer.Context, arguments: Sequence[str]) -> list[str]:
    """The global options, which each command resets and therefore must be repeated."""
    given = context.parent.params if context.parent is not None else {}
    words = ["--debug"] if given.get("debug") else []
    if "--verbose" not in arguments:
        words += [f"--{name}" for name in ("quiet", "verbose") if given.get(name)]
    if given.get("log") is not None and "--log" not in arguments:
        words += ["--log", str(given["log"])]
    return words
