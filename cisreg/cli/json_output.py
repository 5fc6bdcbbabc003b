"""What a command prints as one JSON document, for `--json`: docs/howto/scripts.md has its fields.

Every command has the option, and commands print as without it: whatever they write to standard
output by `cisreg.cli.terminal` is collected here, and written when they end, also with an error.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from cisreg.progress import LogStream
from cisreg.version import __version__

OPTION = "--json"
HELP = (
    "Print one JSON document to standard output, also after an error: tables with all digits, and "
    "what is said of the files written."
)


class Document:
    """What a command has printed so far.

    Args:
        command: its name, such as "explain factors"; "" if the command line names none.

    Attributes:
        error: the message of its error, or "".
    """

    def __init__(self, command: str) -> None:
        self.command = command
        self.error = ""
        self._results: dict[str, list[Mapping[str, Any]]] = {}
        self._messages: list[str] = []

    def add_rows(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds rows of a table; further rows under the same name belong to the same table."""
        self._results.setdefault(name, []).extend(rows)

    def add_message(self, text: str) -> None:
        """Adds text: what ends with a line end is a message; text before it is continued."""
        self._messages.append(text)

    def add_document(self, text: str | bytes) -> None:
        """Adds what another process printed for the same command; other text is passed over."""
        try:
            other = json.loads(text)
            self._results.update(other["results"])
            self._messages += [f"{message}\n" for message in other["messages"]]
            self.error = self.error or (other["error"] or {}).get("message", "")
        except (ValueError, KeyError, TypeError, AttributeError):
            return

    def text(self, status: int) -> str:
        r"""The document.

        Args:
            status: the exit status.

        Example:
            >>> document = Document("train")
            >>> document.add_rows("stages", [{"loss": float("nan")}])
            >>> json.loads(document.text(0))["results"]
            {'stages': [{'loss': None}]}
        """
        content = {
            "command": self.command,
            "cisreg": __version__,
            "exit_status": status,
            "results": self._results,
            "messages": "".join(self._messages).splitlines(),
            "error": {"message": self.error} if self.error else None,
        }
        return json.dumps(plain(content), indent=2, allow_nan=False) + "\n"


class _NoText(io.TextIOBase):
    """Standard output while a document is collected: other text goes to standard error."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        """Writes to standard error."""
        return LogStream(sys.stderr).write(text)

    @property
    def buffer(self) -> Any:
        """What tables are written to with `--output -`; there is none.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            f"--output: expected a file with {OPTION}, since standard output then has the JSON "
            "document alone, got -; name a file"
        )


_state: dict[str, Document | None] = {"document": None}


def current() -> Document | None:
    """The document that is collected now, or None without `--json`."""
    return _state["document"]


def note_error(message: str) -> None:
    """Notes the message of an error, which is shown on standard error, for the document."""
    if (document := current()) is not None:
        document.error = document.error or message.strip()


@contextmanager
def collected(command: str) -> Iterator[Document]:
    """Collects what is printed in the block; standard output gets nothing of it.

    Args:
        command: the name of the command.
    """
    before = sys.stdout
    document = Document(command)
    _state["document"], sys.stdout = document, _NoText()
    try:
        yield document
    finally:
        _state["document"], sys.stdout = None, before


def asks_for_json(words: Sequence[str]) -> bool:
    """Whether a command line asks for JSON, and not for help.

    Example:
        >>> asks_for_json(["doctor", "--json"]), asks_for_json(["predict", "--", "--json"])
        (True, False)
    """
    options = list(words[: words.index("--")] if "--" in words else words)
    return OPTION in options and not {"--help", "-h", "--version"} & set(options)


def plain(value: Any) -> Any:
    """A value as JSON has it: numbers that are not finite are None, other things are text.

    Example:
        >>> plain({"r": np.float32("nan"), "n": np.arange(2)})
        {'r': None, 'n': [0, 1]}
    """
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
