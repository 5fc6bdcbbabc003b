"""What every command is made of: numbers on the command line are read as everywhere in cisreg."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand

from cisreg.number_text import parse_float, parse_integer

# What a context keeps of the command line: the words behind the command's name.
WORDS = "cisreg.words"
_READERS: Mapping[Any, Callable[[str], float]] = {int: parse_integer, float: parse_float}


class StrictCommand(TyperCommand):
    """A command that refuses numbers such as 1_0, "1.0" for a whole number, nan or infinity.

    typer converts the text by rules of its own, which accept these. So the text is checked before.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Checks the text of all numbers, then parses the arguments."""
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        readers = _readers(self.callback)
        parameters: list[Any] = self.params
        for parameter in parameters:
            reader, text = readers.get(parameter.name), given.get(parameter.name)
            if reader is None or not isinstance(text, str):
                continue
            try:
                reader(text)
            except ValueError as error:
                # As typer shows it: status 2, with the name of the option.
                raise typer.BadParameter(str(error), ctx=ctx, param=parameter) from None
        ctx.meta[WORDS] = list(args)
        return super().parse_args(ctx, args)


def _readers(function: Callable[..., Any] | None) -> dict[str | None, Callable[[str], float]]:
    """The reader of each parameter of a function that is a number or None."""
    found: dict[str | None, Callable[[str], float]] = {}
    for name, hint in get_type_hints(function).items():
        kinds = set(get_args(hint) if get_origin(hint) else (hint,)) & set(_READERS)
        if kinds:
            found[name] = _READERS[kinds.pop()]
    return found
