"""Options that several commands share, as fields of a dataclass that each of them takes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the fields of its dataclasses as options of its own.

    typer makes an option of each parameter. A parameter that is a dataclass becomes one option for
    each of its fields, with their types and defaults, in its place. So a list of options is written
    once, and the function gets it as one value.

    Args:
        command: the function of a command. Its parameters should be keywords, as a dataclass has no
            default.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Numbers:
        ...     seed: int = 0
        ...     count: int = 10
        >>> def draw(*, model: str, numbers: Numbers) -> None:
        ...     print(model, numbers.seed, numbers.count)
        >>> spread(draw)(model="a", seed=3, count=10)
        a 3 10
        >>> list(inspect.signature(spread(draw)).parameters)
        ['model', 'seed', 'count']
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {}
    spread_out: dict[str, inspect.Parameter] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        group = hints[name]
        if not is_dataclass(group):
            spread_out[name] = parameter.replace(annotation=group, kind=_KEYWORD)
            continue
        groups[name] = group
        own = get_type_hints(group, include_extras=True)
        for field in fields(group):
            default = inspect.Parameter.empty if field.default is MISSING else field.default
            spread_out[field.name] = inspect.Parameter(
                field.name, _KEYWORD, default=default, annotation=own[field.name]
            )

    @functools.wraps(command)
    def run(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        command(**given)

    run.__signature__ = inspect.Signature(list(spread_out.values()))  # type: ignore[attr-defined]
    run.__annotations__ = {name: each.annotation for name, each in spread_out.items()}
    return run


_KEYWORD = inspect.Parameter.KEYWORD_ONLY
