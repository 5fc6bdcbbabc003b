"""The command line: commands, global options, error messages and logging."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import cisreg
from cisreg.cli import (
    convert,
    doctor,
    encode,
    evaluate,
    export_model,
    import_model,
    predict,
    prepare,
    simulate,
    train,
)
from cisreg.cli.command import Command
from cisreg.cli.terminal import new_console
from cisreg.display import printable

_ERROR_STATUS = 1
# What a shell shows of a program that SIGPIPE ended.
_BROKEN_PIPE_STATUS = 141
# Errors with a message for the user; any other exception is a bug and shows a traceback.
_EXPECTED = (ValueError, OSError, ImportError, ArithmeticError)
# What TensorFlow puts before and after the message of an operation.
_AROUND_MESSAGE = re.compile(r"^\{\{function_node [^}]*\}\} | \[Op:[^\]]*\].*$", re.DOTALL)


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        """Runs the command; its errors become a message and an exit status."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read the output has enough of it, as `| head` has: no fault, and no message.
            # What is still to be written when Python ends would be another such error.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(_BROKEN_PIPE_STATUS) from None
        except Exception as error:
            if ctx.params.get("debug") or not _is_expected(error):
                raise
            console = new_console(stderr=True)
            # An exception that has an exit status is not an error: the command can be resumed.
            label = "stopped:" if hasattr(error, "exit_status") else "error:"
            console.print(label, style="bold red", end=" ")
            console.print(_message(error), soft_wrap=True)
            raise typer.Exit(getattr(error, "exit_status", _ERROR_STATUS)) from None


def _is_expected(error: Exception) -> bool:
    from_tensorflow = type(error).__module__.startswith("tensorflow.")
    return isinstance(error, _EXPECTED) or from_tensorflow or hasattr(error, "exit_status")


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    text = str(error)
    if type(error).__module__.startswith("tensorflow."):
        text = " ".join(_AROUND_MESSAGE.sub("", text).split())
    return text or type(error).__name__


class _StandardErrorHandler(logging.Handler):
    """Writes to the current sys.stderr, which a progress bar replaces temporarily."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one line."""
        prefix = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        print(printable(prefix + self.format(record)), file=sys.stderr)


class _OneLineFormatter(logging.Formatter):
    """Writes a record as one line, whatever names are in it."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return printable(super().format(record))


def _file_handler(path: Path) -> logging.Handler:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(_OneLineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    return handler


app = typer.Typer(
    name="cisreg",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for name, command, example in (
    ("train", train.train, train.EXAMPLE),
    ("predict", predict.predict, predict.EXAMPLE),
    ("evaluate", evaluate.evaluate, evaluate.EXAMPLE),
    ("simulate", simulate.simulate, simulate.EXAMPLE),
    ("import", import_model.import_model, import_model.EXAMPLE),
    ("export", export_model.export_model, export_model.EXAMPLE),
    ("encode", encode.encode, encode.EXAMPLE),
    ("convert", convert.convert, convert.EXAMPLE),
    ("doctor", doctor.doctor, doctor.EXAMPLE),
):
    app.command(name, cls=Command, epilog=f"**Example:** {example}")(command)
app.add_typer(prepare.app)


def _show_version(asked: bool) -> None:
    if asked:
        print(cisreg.__version__)
        raise typer.Exit


@app.callback(epilog="**Example:** cisreg simulate --motifs demo --output data")
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of errors.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Log only warnings and errors.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also log details.")] = False,
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Append the log to this file instead of showing it."),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Thermodynamic models of gene regulation: how strongly factors bind, and what that does.

    Each row of a table has a DNA sequence and its measured expression.
    **cisreg doctor** checks what works on this machine.
    """
    logger = logging.getLogger("cisreg")
    if quiet and verbose:
        raise typer.BadParameter("--quiet and --verbose exclude each other")
    logger.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
    for handler in logger.handlers:
        handler.close()
    logger.handlers = [_StandardErrorHandler() if log is None else _file_handler(log)]


def main() -> None:
    """Runs the command line; exit status 0, 1 after an error, 2 after a usage error."""
    app()
