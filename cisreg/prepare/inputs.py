"""Inputs that must be different files."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cisreg.locks import identity_of
from cisreg.prepare.reading import input_name
from cisreg.streams import STANDARD

PathLike = str | os.PathLike[str]


def refuse_same_file(argument: str, paths: Sequence[PathLike], advice: str) -> None:
    """Raises ValueError if two of the paths are the same file, also through links.

    Standard input ("-") is compared by what it is connected to: a redirected file, or /dev/stdin.
    Paths that cannot be looked up are compared as text; who opens them says what is wrong.

    Args:
        argument: the argument that the paths were given as, for the error.
        paths: of the files.
        advice: what to do, for the error.

    Example:
        >>> refuse_same_file("inputs", ["bin1.txt", "bin1.txt"], "give each once")
        Traceback (most recent call last):
        ValueError: inputs: expected each file once, got bin1.txt twice; give each once
    """
    first: dict[object, str] = {}
    for path in paths:
        identity, name = _identity(path), input_name(path)
        if identity in first:
            other = first[identity]
            got = f"{name} twice" if name == other else f"{other} and {name}, the same file"
            raise ValueError(f"{argument}: expected each file once, got {got}; {advice}")
        first[identity] = name


def _identity(path: PathLike) -> object:
    """Equal for two paths exactly if they are the same file."""
    text = os.fspath(path)
    try:
        status = os.fstat(sys.stdin.fileno()) if text == STANDARD else os.stat(text)  # noqa: PTH116
    except (OSError, ValueError, AttributeError):
        return text
    return identity_of(status)
