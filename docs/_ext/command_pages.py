"""Pages of the commands: every command with every option, from the program itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer.main
from page_links import link_pages

from cisreg.cli import app

_BOLD = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
_MARKS = re.compile(r"([\\*|`]|_(?!\w))")


def command_pages() -> dict[str, str]:
    """The reStructuredText of a page for the program and each of its commands, by file name."""
    program: Any = typer.main.get_command(app)
    pages = {"cisreg": _title("cisreg", "=") + "".join(_of_command(program, "cisreg"))}
    for name, command in program.commands.items():
        title = f"cisreg {name}"
        parts = [_title(title, "="), *_of_command(command, title)]
        for inner, each in getattr(command, "commands", {}).items():
            parts += [_title(f"{title} {inner}", "-"), *_of_command(each, f"{title} {inner}")]
        pages[name] = "".join(parts)
    return pages


def _title(text: str, line: str) -> str:
    return f"\n{text}\n{line * len(text)}\n\n"


def _text(text: str) -> str:
    """Help as reStructuredText: what is bold in a terminal is code."""
    pieces = _BOLD.split(text)
    for number, piece in enumerate(pieces):
        text = link_pages(_MARKS.sub(r"\\\1", piece))
        pieces[number] = f"``{piece}``" if number % 2 else text
    # Code that touches letters needs an escape between them.
    return re.sub(r"``(?=[\w(])(?<=[^\s]``)(?=\w)", r"``\\ ", "".join(pieces))


def _of_command(command: Any, path: str) -> Iterator[str]:
    context = command.context_class(command, info_name=path)
    first, _, rest = command.help.partition("\n\n")
    yield f".. program:: {path}\n\n{_text(first)}\n\n"
    usage = command.get_usage(context).removeprefix("Usage: ")
    example = re.sub(r"^\*\*Example:\*\* ", "", command.epilog or "")
    yield ".. code-block:: text\n\n   " + " ".join(usage.split()) + "\n\n"
    if rest:
        yield _text(rest) + "\n\n"
    if example:
        yield f"**Example**\n\n.. code-block:: bash\n\n   {example}\n\n"
    yield from _parameters(command, context)


def _parameters(command: Any, context: Any) -> Iterator[str]:
    choices = _choices(command)
    groups: dict[str, list[str]] = {}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None:
            continue
        is_argument = parameter.param_type_name == "argument"
        usual = "Arguments" if is_argument else "Options"
        group = getattr(parameter, "rich_help_panel", None) or usual
        names, text = record
        if is_argument:
            head = f"``{parameter.metavar or parameter.name}``\n"
        else:
            spelled = [*parameter.opts, *parameter.secondary_opts]
            last = max(names.rfind(each) + len(each) for each in spelled)
            head = f".. option:: {', '.join(each + names[last:] for each in spelled)}\n\n"
        said = choices.get(parameter.name)
        more = f" One of {', '.join(f'``{each}``' for each in said)}." if said else ""
        body = _text(" ".join(text.split())) + more
        groups.setdefault(group, []).append(f"{head}   {body}\n\n")
    for group in sorted(groups, key=lambda each: each != "Arguments"):
        yield f".. rubric:: {group}\n\n" + "".join(groups[group])


def _choices(command: Any) -> dict[str, tuple[Any, ...]]:
    """The words that an option takes, by its name in Python."""
    found = {}
    for name, hint in get_type_hints(command.callback).items() if command.callback else ():
        for each in (hint, *get_args(hint)):
            if get_origin(each) is Literal:
                found[name] = get_args(each)
    return found
