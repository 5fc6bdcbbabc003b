"""Reads registries: TOML files that list data sets and models with their URLs and checksums."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from cisreg.data import Columns
from cisreg.datasets.entries import Entry, Kind, RemoteFile
from cisreg.names import check_shown
from cisreg.number_text import shown
from cisreg.strict_toml import parse_toml

FORMAT_VERSION = 1
_KIND = "cisreg registry"
_MOST_ENTRIES, _MOST_FILES = 10_000, 10_000
_LARGEST_FILE = 2**50
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_PART = re.compile(r"[a-z0-9_-]{0,32}")
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ROLES = ("sequence", "expression", "weight", "name")
# What the tables may hold; a name in the first tuple must be there.
_TOP = (("format_version", "kind"), ("dataset", "model"))
_ENTRY = (("name", "version", "description", "licence", "file"), ("citation", "unit", "columns"))
_FILE = (("name", "url", "size", "sha256"), ("part",))


def parse_registry(text: str, place: str) -> tuple[Entry, ...]:
    r"""The entries of a registry.

    Args:
        text: its content.
        place: its path or URL, for errors, and to which URLs of files may be relative.

    Raises:
        ValueError: not TOML, of another format version, or an entry with a name that is missing,
            not known or of another kind than it should be. The message names place and entry.

    Example:
        >>> parse_registry('kind = "cisreg registry"\nformat_version = 1', "lab.toml")
        ()
    """
    try:
        content = parse_toml(text)
    except (ValueError, RecursionError) as error:
        # Also of a number with more digits than Python reads.
        raise ValueError(f"{place}: expected a registry in TOML, got none ({error})") from None
    _check_names(place, content, *_TOP)
    if content["kind"] != _KIND or content["format_version"] != FORMAT_VERSION:
        raise ValueError(
            f'{place}: expected kind = "{_KIND}" and format_version = {FORMAT_VERSION}, got '
            f"{content['kind']!r:.60} and {content['format_version']!r:.60}; a newer version of "
            "cisreg may read it"
        )
    kinds: tuple[Kind, ...] = ("dataset", "model")
    found = [
        _entry(place, kind, table)
        for kind in kinds
        for table in _tables(place, content.get(kind, []), kind, _MOST_ENTRIES)
    ]
    for (kind, name), number in Counter((entry.kind, entry.name) for entry in found).items():
        if number > 1:
            raise ValueError(f"{place}: expected one {kind} {name!r}, got several; rename one")
    return tuple(found)


def _tables(place: str, value: Any, name: str, most: int) -> list[dict[str, Any]]:
    is_list = isinstance(value, list) and all(isinstance(each, dict) for each in value)
    if not is_list or len(value) > most:
        raise ValueError(f"{place}: expected tables [[{name}]], {most:,} at most, got another")
    return value


def _check_names(
    place: str, table: Mapping[str, Any], needed: Iterable[str], other: Iterable[str]
) -> None:
    missing = [name for name in needed if name not in table]
    unknown = [name for name in table if name not in (*needed, *other)]
    if missing or unknown:
        got = f"none of {missing[0]}" if missing else f"{shown(unknown[0])} too"
        raise ValueError(f"{place}: expected {', '.join((*needed, *other))}, got {got}")


def _entry(place: str, kind: Kind, table: dict[str, Any]) -> Entry:
    here = f"{place}: {kind} {shown(str(table.get('name', '')))}"
    _check_names(here, table, *_ENTRY)
    name = _text(here, table, "name", NAME)
    texts = {
        each: _text(here, table, each)
        for each in ("version", "description", "licence", "citation", "unit")
        if each in table
    }
    files = tuple(
        _file(f"{here}: file {shown(str(each.get('name', '')))}", each, place, kind)
        for each in _tables(here, table["file"], f"{kind}.file", _MOST_FILES)
    )
    folded = [file.name.lower() for file in files]
    if not files or len(set(folded)) < len(folded):
        raise ValueError(f"{here}: expected files with names of their own, got none or one twice")
    if kind == "model" and "model.json" not in folded:
        raise ValueError(f"{here}: expected the files of a model with model.json, got others")
    columns = _columns(here, table["columns"]) if "columns" in table else None
    if columns is not None and kind == "model":
        raise ValueError(f"{here}: expected columns of a dataset, got some of a model")
    return Entry(name, kind, columns=columns, files=files, source=place, **texts)


def _text(
    here: str, table: Mapping[str, Any], name: str, pattern: re.Pattern[str] | None = None
) -> str:
    value = table[name]
    if not isinstance(value, str) or (pattern is not None and not pattern.fullmatch(value)):
        what = "text" if pattern is None else f"text such as {_EXAMPLES[name]}"
        raise ValueError(f"{here}: expected {what} as {name}, got {shown(str(value))}")
    # Lines of a description are one paragraph.
    text = " ".join(value.split())
    check_shown(f"{here}: {name}", [text], "remove these characters")
    return text


_EXAMPLES = {
    "name": "my_mpra-2",
    "file name": "train.tsv.gz (without folders)",
    "sha256": "the 64 digits that sha256sum prints",
    "part": "train",
}


def _file(here: str, table: dict[str, Any], place: str, kind: Kind) -> RemoteFile:
    _check_names(here, table, *_FILE)
    name, size = table["name"], table["size"]
    if not isinstance(name, str) or not _FILENAME.fullmatch(name):
        raise ValueError(
            f"{here}: expected a name such as {_EXAMPLES['file name']}, got {shown(str(name))}"
        )
    if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= _LARGEST_FILE:
        raise ValueError(f"{here}: expected the size in bytes, got {shown(str(size))}")
    urls = table["url"] if isinstance(table["url"], list) else [table["url"]]
    if not urls or not all(isinstance(url, str) and url for url in urls):
        raise ValueError(f"{here}: expected a URL, or a list of URLs, got {shown(str(urls))}")
    part = _text(here, table, "part", _PART) if "part" in table else ""
    if part and kind == "model":
        raise ValueError(f"{here}: expected a part of a dataset, got one of a model")
    sha256 = _text(here, table, "sha256", _SHA256)
    return RemoteFile(name, tuple(_url(here, place, url) for url in urls), size, sha256, part)


def _url(here: str, place: str, url: str) -> str:
    """The URL of a file; what is relative is so to the registry."""
    check_shown(f"{here}: url", [url], "remove these characters")
    remote = "://" in place
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    # Without //, what is before the first colon of a relative URL may still name a scheme.
    other = remote and not scheme and ":" in url.partition("/")[0]
    if "::" in url or other or (remote and scheme in ("file", "local")):
        raise ValueError(
            f"{here}: expected a URL of one file that others can reach, got {shown(url)}"
        )
    if scheme:
        return url
    if not remote:
        return str(Path(place).absolute().parent / url)
    if place.lower().startswith(("http://", "https://")):
        return urljoin(place, url)
    base, _, path = place.partition("://")
    return f"{base}://{posixpath.join(posixpath.dirname(path), url)}"


def _columns(here: str, table: Any) -> Columns:
    if not isinstance(table, dict):
        raise ValueError(f"{here}: expected columns = {{ sequence = ... }}, got {table!r:.60}")
    _check_names(f"{here}: columns", table, (), _ROLES)
    for role, value in table.items():
        values = value if isinstance(value, list) and role == "expression" else [value]
        if not values or not all(isinstance(each, str) and each for each in values):
            raise ValueError(f"{here}: columns: expected a name as {role}, got {value!r:.60}")
    given = dict(table)
    if isinstance(given.get("expression"), list):
        given["expression"] = tuple(given["expression"])
    try:
        return Columns(**{"name": True, **given})
    except ValueError as error:
        raise ValueError(f"{here}: {error}") from None
