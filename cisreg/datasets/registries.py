"""Registries: where they are, and what is in them, also without a network."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

from cisreg.datasets.cache import cache_folder
from cisreg.datasets.entries import Entry
from cisreg.datasets.registry_file import parse_registry
from cisreg.datasets.remote import open_url
from cisreg.display import printable
from cisreg.files import open_regular_file, replace_file

logger = logging.getLogger("cisreg.datasets")

PathLike = str | os.PathLike[str]
VARIABLE = "CISREG_REGISTRIES"
_LARGEST = 4 << 20


def registries(given: PathLike | Sequence[PathLike] | None) -> tuple[str, ...]:
    """Paths and URLs of the registries that are asked.

    Args:
        given: one or several; None: those in the variable CISREG_REGISTRIES, with blanks between.

    Example:
        >>> registries("lab.toml")
        ('lab.toml',)
    """
    if given is None:
        return tuple(os.environ.get(VARIABLE, "").split())
    several = [given] if isinstance(given, (str, os.PathLike)) else given
    return tuple(os.fspath(place) for place in several)


def read_registry(place: PathLike) -> tuple[Entry, ...]:
    """The entries of a registry.

    A copy of what a URL held is kept, and is read where the URL cannot be; a warning says so.

    Args:
        place: path or URL of a TOML file, see docs/reference/registries.md.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no registry, or larger than 4 MiB; the message names it.
        OSError: the URL cannot be reached, and there is no copy.
        ImportError: fsspec, or its package for this kind of URL, is not installed.

    Example:
        >>> [entry.name for entry in read_registry("lab.toml")]  # doctest: +SKIP
        ['my_mpra', 'my_model']
    """
    place = os.fspath(place)
    if "://" not in place:
        try:
            with open_regular_file(place) as file:
                return _parsed(file.read(_LARGEST + 1), place)
        except FileNotFoundError:
            raise FileNotFoundError(f"{place}: no such registry; check the path") from None
    copy = cache_folder() / "registries" / f"{hashlib.sha256(place.encode()).hexdigest()}.toml"
    try:
        with open_url(place) as file:
            content = file.read(_LARGEST + 1)
    except ImportError:
        raise
    except Exception as error:  # every filesystem has errors of its own
        return _from_copy(place, copy, error)
    entries = _parsed(content, place)
    _keep_copy(copy, content)
    return entries


def _keep_copy(copy: Path, content: bytes) -> None:
    """Keeps what a URL held, where it can be kept: the registry itself was read."""
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(copy) as file:
            file.write(content)
    except OSError as error:
        logger.warning("no copy of the registry is kept: %s", error)


def _parsed(content: bytes, place: str) -> tuple[Entry, ...]:
    if len(content) > _LARGEST:
        raise ValueError(f"{place}: expected a registry of {_LARGEST:,} bytes at most, got more")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{place}: expected a registry in UTF-8, got other bytes") from None
    return parse_registry(text, place)


def _from_copy(place: str, copy: Path, error: Exception) -> tuple[Entry, ...]:
    why = printable(str(error).partition("\n")[0]) or type(error).__name__
    if not copy.is_file():
        raise OSError(
            f"{printable(place)}: the registry cannot be reached ({why}), and there is no copy of "
            "it; check the URL and the network"
        ) from None
    with open_regular_file(copy) as file:
        when = time.strftime("%Y-%m-%d", time.localtime(os.fstat(file.fileno()).st_mtime))
        logger.warning(
            "%s cannot be reached (%s); a copy of %s is read", printable(place), why, when
        )
        return _parsed(file.read(_LARGEST + 1), place)
