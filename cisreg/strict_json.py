"""JSON of files that people may edit: what `json` would pass over without a word is an error."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from cisreg.number_text import shown


def parse_json(text: str | bytes) -> Any:
    """The content of a JSON document.

    Raises:
        ValueError: not JSON; a name that an object has twice, of which `json` would drop the first
            value; or a number that is not finite, which JSON does not have.
        RecursionError: brackets nested too deeply.

    Example:
        >>> parse_json('{"rows": 3}')
        {'rows': 3}
    """
    return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse, parse_float=_finite)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"expected every name once in an object, got {shown(name)} twice")
        found[name] = value
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"expected finite numbers, got {constant}")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        _refuse(number)
    return value
