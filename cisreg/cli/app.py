"""The command line: commands, global options, error messages and logging."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import cisreg
from cisreg.cli import (
    check,
    convert,
    datasets,
    doctor,
    encode,
    ensemble,
    evaluate,
    explain,
    export_model,
    import_model,
    motifs,
    predict,
    prepare,
    report,
    scan,
    simulate,
    train,
)
from cisreg.cli.commands import Command, Commands, ResumableCommand
from cisreg.cli.completion import join_split_words
from cisreg.cli.exit_status import listed
from cisreg.cli.log_file import LogFile
from cisreg.cli.standard_streams import log_to, open_standard_streams
from cisreg.cli.terminal import new_console
from cisreg.display import printable


class StandardErrorHandler(logging.Handler):
    """Writes to the current sys.stderr, which a progress bar replaces temporarily."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one line, or loses it."""
        prefix = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        try:
            line = printable(prefix + self.format(record))
        except Exception:
            self.handleError(record)
            return
        with log_to(sys.stderr) as log:
            log.write(line + "\n")


app = typer.Typer(
    name="cisreg",
    cls=Commands,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for name, command, example in (
    ("check", check.check, check.EXAMPLE),
    ("train", train.train, train.EXAMPLE),
    ("predict", predict.predict, predict.EXAMPLE),
    ("evaluate", evaluate.evaluate, evaluate.EXAMPLE),
    ("report", report.report, report.EXAMPLE),
    ("scan", scan.scan, scan.EXAMPLE),
    ("simulate", simulate.simulate, simulate.EXAMPLE),
    ("import", import_model.import_model, import_model.EXAMPLE),
    ("export", export_model.export_model, export_model.EXAMPLE),
    ("encode", encode.encode, encode.EXAMPLE),
    ("convert", convert.convert, convert.EXAMPLE),
    ("doctor", doctor.doctor, doctor.EXAMPLE),
):
    kind = ResumableCommand if command in (train.train, scan.scan) else Command
    app.command(name, cls=kind, epilog=f"**Example:** {example}")(command)
app.add_typer(datasets.app)
app.add_typer(ensemble.app)
app.add_typer(explain.app)
app.add_typer(motifs.app)
app.add_typer(prepare.app)


def _show_version(asked: bool) -> None:
    if asked:
        new_console(results=True).print(cisreg.__version__)
        raise typer.Exit


@app.callback(
    help=f"""Thermodynamic models of gene regulation: how strongly factors bind, and what that does.

    Each row of a table has a DNA sequence and its measured expression.
    **cisreg doctor** checks what works on this machine.

    Exit status: {listed()}.
    """,
    epilog="**Example:** cisreg simulate --motifs demo --output data",
)
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of errors.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Log only warnings and errors.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also log details.")] = False,
    log: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Append the log to this file, which is new or such a log, instead of showing it.",
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Sets up the log."""
    logger = logging.getLogger("cisreg")
    if quiet and verbose:
        raise typer.BadParameter("--quiet and --verbose exclude each other")
    logger.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    for handler in logger.handlers:
        handler.close()
    logger.handlers = [StandardErrorHandler() if log is None else LogFile(log)]


def main() -> None:
    """Runs the command line; ends with a status of `cisreg.cli.exit_status`."""
    open_standard_streams()
    join_split_words(os.environ)
    # Also as `python -m cisreg`, so that the script of --show-completion has the program's name.
    app(prog_name="cisreg")
