"""How every command of cisreg is run: its help, its errors and its exit status."""

from __future__ import annotations

import logging
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cisreg.cli import json_output
from cisreg.cli.exit_status import ExitStatus
from cisreg.cli.log_file import LogFile, check_log
from cisreg.cli.standard_streams import give_up_output, is_of_output, spelled
from cisreg.cli.strict_command import StrictCommand
from cisreg.cli.terminal import new_console
from cisreg.limits import is_out_of_memory, out_of_memory
from cisreg.processes.signals import end_by_signals
from cisreg.progress import is_terminal, terminal_width

# Errors with a message for the user; any other exception is a bug and shows a traceback.
_EXPECTED = (ValueError, OSError, ImportError, ArithmeticError)
# What TensorFlow puts before and after the message of an operation.
_AROUND_MESSAGE = re.compile(r"^\{\{function_node [^}]*\}\} | \[Op:[^\]]*\].*$", re.DOTALL)
_BOLD = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
# Columns that the help needs for its boxes.
_HELP_WIDTH = 60
# Options whose text is never the name of a file, by their placeholder in the help.
_NO_FILES = ("COLUMN", "NAME", "COMMAND", "KIND", "FORMAT", "SIZE")


class _PlainHelp:
    """Help and errors in usage: drawn by rich on terminals, plain text elsewhere."""

    @property
    def rich_markup_mode(self) -> Any:
        """What typer asks to decide who writes the help."""
        both = is_terminal(sys.stdout) and is_terminal(sys.stderr)
        return "markdown" if both and terminal_width(sys.stdout) >= _HELP_WIDTH else None

    @rich_markup_mode.setter
    def rich_markup_mode(self, value: Any) -> None:
        """Nothing: it depends on the terminal."""

    def get_help(self, ctx: Any) -> str:
        """The help, as plain text without the marks of Markdown."""
        # What writes it takes ASCII for a mistake, and writes UTF-8 instead.
        return spelled(_BOLD.sub(r"\1", super().get_help(ctx)), sys.stdout)  # type: ignore[misc]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, and options by their groups, with their whole text; then the commands."""
        groups: dict[str, list[tuple[str, str]]] = {}
        every = self.get_params(ctx)  # type: ignore[attr-defined]
        for parameter in sorted(every, key=lambda each: each.param_type_name != "argument"):
            if (record := parameter.get_help_record(ctx)) is not None:
                usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
                name = getattr(parameter, "rich_help_panel", None) or usual
                groups.setdefault(name, []).append(record)
        for name, command in getattr(self, "commands", {}).items():
            first, _, _ = (command.help or "").partition("\n\n")
            groups.setdefault("Commands", []).append((name, " ".join(first.split())))
        for name, rows in groups.items():
            with formatter.section(name):
                formatter.write_dl([(_BOLD.sub(r"\1", a), _BOLD.sub(r"\1", b)) for a, b in rows])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The example, in one line that can be copied."""
        if self.epilog:  # type: ignore[attr-defined]
            formatter.write(f"\n  {self.epilog}\n")  # type: ignore[attr-defined]


class Command(_PlainHelp, StrictCommand):
    """A command, which leaves no temporary files behind when a signal ends it."""

    def __init__(self, *words: Any, **settings: Any) -> None:
        super().__init__(*words, **settings)
        self.params.append(_json_option())

    def invoke(self, ctx: Any) -> Any:
        """Begins the log that `--log` names, and runs the command."""
        with end_by_signals():
            return self._run(ctx)

    def _run(self, ctx: Any) -> Any:
        for handler in logging.getLogger("cisreg").handlers:
            if isinstance(handler, LogFile):
                check_log(handler.path, dict(_files(self.params, ctx.params)))
                handler.begin()
        return super().invoke(ctx)


class ResumableCommand(Command):
    """A command that says itself what signals do."""

    def invoke(self, ctx: Any) -> Any:
        """Begins the log that `--log` names, and runs the command."""
        return self._run(ctx)


@cache
def _json_option() -> Any:
    """The option `--json`, which is read from the command line before it is parsed."""
    asked = typer.Typer(add_completion=False)

    @asked.command()
    def _ask(
        as_json: Annotated[bool, typer.Option(json_output.OPTION, help=json_output.HELP)] = False,
    ) -> None:
        pass

    (option,) = typer.main.get_command(asked).params
    option.expose_value = False
    return option


def spelled_command(context: Any) -> str:
    """The command of a context as one line of a shell, with the options that were given.

    Options that only say what becomes of an earlier run are left out: --resume, --overwrite.
    """
    words = context.command_path.split()
    for each in context.command.params:
        value, given = context.params.get(each.name), context.get_parameter_source(each.name)
        if value is None or given is None or given.name != "COMMANDLINE":
            continue
        if each.name in ("resume", "overwrite"):
            continue
        if each.param_type_name == "argument":
            words += map(str, value) if isinstance(value, (list, tuple)) else [str(value)]
        elif getattr(each, "is_flag", False):
            words.append(each.opts[0] if value else (each.secondary_opts or each.opts)[0])
        else:
            for item in value if isinstance(value, (list, tuple)) else [value]:
                words += [each.opts[0], str(item)]
    return shlex.join(words)


class CommandGroup(_PlainHelp, TyperGroup):
    """Commands below one name."""


class Commands(CommandGroup):
    """All commands; their errors become a message and an exit status."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **settings: Any) -> Any:
        """Runs the command line; with `--json`, what is printed becomes one document."""
        words = list(sys.argv[1:] if args is None else args)
        # An old command line runs several commands, the results of which are one document.
        if not json_output.asks_for_json(words) or json_output.current() is not None:
            return super().main(args, *others, **settings)
        result, ended = None, None
        with json_output.collected(_name_of(self, words)) as document:
            try:
                result = super().main(args, *others, **settings)
            except BaseException as error:
                ended = error
                if not isinstance(error, SystemExit):
                    json_output.note_error(f"{type(error).__name__}: {error}")
        status = _status_of(ended) if ended is not None else result or ExitStatus.DONE
        _print_document(document, status)
        if ended is not None:
            raise ended
        return result

    def make_context(self, *words: Any, **settings: Any) -> Any:
        """Reads the command line, which may be enough: --help, --version."""
        with _reported(debug=False):
            return super().make_context(*words, **settings)

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        with _reported(ctx.params.get("debug", False)):
            return super().invoke(ctx)


def _status_of(error: BaseException) -> int:
    """The exit status that an exception leads to."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return ExitStatus.FAILED


def _print_document(document: json_output.Document, status: int) -> None:
    if status > ExitStatus.USAGE and not document.error:
        known = status in list(ExitStatus)
        document.error = ExitStatus(status).meaning if known else f"status {status}"
    try:
        with _reported(debug=False):
            sys.stdout.write(document.text(int(status)))
    except typer.Exit as error:
        sys.exit(error.exit_code)


def _name_of(group: Any, words: Sequence[str]) -> str:
    """The name of the command of a command line, such as "explain factors"; "" if it has none."""
    names = []
    for word in words:
        commands = getattr(group, "commands", {})
        if word in commands:
            names.append(word)
            group = commands[word]
    return " ".join(names)


def _files(parameters: Any, values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What may be names of files among the values of a command, by what the user calls them."""
    for each in parameters:
        if each.metavar not in _NO_FILES:
            is_argument = each.param_type_name == "argument"
            yield each.metavar if is_argument else each.opts[0], values.get(each.name)


@contextmanager
def _reported(debug: bool) -> Iterator[None]:
    """Makes errors of the block a message and an exit status."""
    try:
        try:
            yield
        except typer.Exit:
            sys.stdout.flush()
            raise
        # What is not yet written may be results.
        sys.stdout.flush()
    except Exception as error:
        broken_pipe = isinstance(error, BrokenPipeError) and is_of_output(error)
        if not broken_pipe and (_is_expected(error) or hasattr(error, "format_message")):
            json_output.note_error(message_of(error))
        if not broken_pipe and (debug or not _is_expected(error)):
            raise
        if not broken_pipe:
            _show(error)
        # What is left would be such an error again when Python ends.
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        if isinstance(error, OSError) and is_of_output(error):
            give_up_output()
        # If whoever reads the output has enough of it, as `| head` has, that is no fault.
        status = ExitStatus.NO_READER if broken_pipe else ExitStatus.FAILED
        raise typer.Exit(int(getattr(error, "exit_status", status))) from None


def _show(error: Exception) -> None:
    console = new_console(stderr=True)
    # An exception that has an exit status is not an error: the command can be resumed.
    label = "stopped:" if hasattr(error, "exit_status") else "error:"
    console.print(label, style="bold red", end=" ")
    console.print(message_of(error))


def _is_expected(error: Exception) -> bool:
    from_tensorflow = type(error).__module__.startswith("tensorflow.")
    known = isinstance(error, _EXPECTED) or from_tensorflow or is_out_of_memory(error)
    return known or hasattr(error, "exit_status")


def message_of(error: Exception) -> str:
    """The message that is shown of an error."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    if is_out_of_memory(error):
        return out_of_memory(error)
    # Errors of the command line say the name of the option in another way.
    of_usage = getattr(error, "format_message", None)
    text = str(error) if of_usage is None else of_usage()
    if type(error).__module__.startswith("tensorflow."):
        text = " ".join(_AROUND_MESSAGE.sub("", text).split())
    return text or type(error).__name__
