"""TOML of files that people may edit: what a parser of TOML would pass on is an error."""

from __future__ import annotations

import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]


def parse_toml(text: str) -> dict[str, Any]:
    """The content of a TOML document.

    Raises:
        ValueError: not TOML, or a whole number of more than 64 bits.
        RecursionError: brackets nested too deeply.

    Example:
        >>> parse_toml("rows = 3")
        {'rows': 3}
    """
    content = tomllib.loads(text)
    _check(content)
    return content


def _check(value: Any) -> None:
    if isinstance(value, dict):
        for each in value.values():
            _check(each)
    elif isinstance(value, list):
        for each in value:
            _check(each)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        # TOML leaves it to parsers to refuse it. Python cannot show one of more than 4,300 digits.
        raise ValueError(
            f"expected whole numbers of 64 bits, got one of {value.bit_length() + 1:,} bits"
        )
