"""Blocks of code on the pages: which there are, and how they run as a reader would type them."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from cisreg.cli import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
# Those of `make docs` alone, reference/commands and others, are made from the code.
PAGES = sorted(str(path.relative_to(ROOT)) for path in [ROOT / "README.md", *DOCS.glob("**/*.md")])
FENCE = re.compile(r" *```(\{?)(\w*)")
DIRECTIVE = "{"  # of the site, no code
PROGRAMS = re.compile(
    r"(?:cisreg|pip|make|python|curl|tensorflow_model_server|for|export)\b|TF=|#!/bin/bash"
)
# More than a command with its arguments, or one that starts copies of its process.
SHELL = re.compile(r"^(?:for|while|TF=|export|#!)|[>$|;]|--workers", re.MULTILINE)
# Options that name files which a command leaves.
WRITES = re.compile(r"--(?:output|plot|map|by-factor) (?!-)(\S+)")
MAKES = re.compile(r"(?:output=|folder=|save_model\(|report\()\"([\w/.]+)\"")


@dataclass(frozen=True)
class Block:
    """Lines of a page that stand apart as code.

    Attributes:
        page: path of the page in the repository.
        line: number of its first line.
        language: what the fence says; empty without one.
        text: the lines, without their indentation.
    """

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def kind(self) -> str:
        """Python, commands, or what is only shown: formulas, files and what commands print."""
        if self.language == "python":
            return "python"
        is_plain = self.language in ("", "bash")
        return "commands" if is_plain and PROGRAMS.match(self.text) else "shown"


def blocks_of(page: str, text: str | None = None) -> list[Block]:
    """The blocks of a page in their order: between fences, or indented by four or more blanks.

    Args:
        page: path in the repository.
        text: what it says; None: read it.
    """
    if text is None:
        text = (ROOT / page).read_text(encoding="utf-8")
    found: list[Block] = []
    language: str | None = None  # of the fence that is open
    kept: list[str] = []
    first, before = 0, ""

    def end_block(name: str) -> None:
        if "".join(kept).strip() and name != DIRECTIVE:
            lines = textwrap.dedent("\n".join(kept)).strip("\n")
            found.append(Block(page, first, name, lines + "\n"))
        kept.clear()

    for number, line in enumerate([*text.splitlines(), "end"], 1):
        fence = FENCE.match(line)
        if fence and language is not None:
            end_block(language)
            language = None
        elif language is not None:
            kept.append(line)
        elif fence:
            end_block("")
            language = DIRECTIVE if fence[1] else fence[2]
            first = number + 1
        elif line.startswith("    ") and (kept or not before.strip()):
            first = first if kept else number
            kept.append(line)
        elif kept and not line.strip():
            kept.append(line)
        else:
            end_block("")
        before = line
    return found


def needs_shell(text: str) -> bool:
    """Whether a block is more than commands with their arguments."""
    return SHELL.search(re.sub(r"\s#.*", "", text)) is not None


def commands_of(text: str) -> list[str]:
    """The commands of a block, one line each, without what follows a #."""
    lines = text.replace("\\\n", " ").splitlines()
    return [" ".join(shlex.split(line, comments=True, posix=False)) for line in lines if line]


@dataclass
class Reader:
    """Someone who types the blocks of a page, one after the other, in a folder.

    Attributes:
        folder: the working folder.
        smaller: what is replaced in a block, so that it ends soon or asks nothing of a network: a
            regular expression and the new text, each.
        appended: options that are added to a command, by its first words.
        names: what the Python of the page has defined so far.
        said: what each command printed.
    """

    folder: Path
    smaller: tuple[tuple[str, str], ...] = ()
    appended: dict[str, str] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    def type(self, block: Block, without: Sequence[str] = ()) -> None:
        """Runs a block in the working folder, which must be the current one.

        Args:
            block: the block.
            without: commands that are left out, by their beginning.

        Raises:
            AssertionError: it fails, or a file that it names as its output is not there.
        """
        text = block.text
        for old, new in self.smaller:
            text = re.sub(old, new, text)
        if block.kind == "python":
            self._python(block, text)
        elif needs_shell(text):
            self._shell(block, text)
        else:
            for command in commands_of(text):
                if not command.startswith(tuple(without)):
                    self._command(block, command)

    def _python(self, block: Block, text: str) -> None:
        self._make_room(MAKES.findall(text))
        if text.startswith(">>>"):
            parsed = doctest.DocTestParser().get_doctest(text, self.names, block.place, None, 0)
            found = doctest.DocTestRunner().run(parsed, clear_globs=False)
            self.names |= parsed.globs
            assert found.failed == 0, block.place
            return
        # Tracebacks show the lines of the page.
        lines = "\n" * (block.line - 1) + text
        exec(compile(lines, str(ROOT / block.page), "exec"), self.names)

    def _command(self, block: Block, command: str) -> None:
        program, *words = shlex.split(command)
        place = f"{block.place}: {command}"
        assert program == "cisreg", f"{place}: no command that can be run here"
        for start, options in self.appended.items():
            if " ".join(words).startswith(start) and "--like-cisregmodels" not in words:
                words += shlex.split(options)
        written = WRITES.findall(command)
        if "--resume" not in words:
            self._make_room(written)
        result = CliRunner().invoke(app, words, prog_name="cisreg")
        assert result.exit_code == 0, f"{place}: {result.output}{result.exception!r}"
        self.said[command] = result.output
        self._check_written(place, written)

    def _shell(self, block: Block, text: str) -> None:
        for start, options in self.appended.items():
            text = re.sub(rf"^( *cisreg {start}\b[^\n>]*)", rf"\1 {options}", text, flags=re.M)
        written = [name for name in WRITES.findall(text) if "$" not in name]
        self._make_room(written)
        # `cisreg` and `python` of these tests, whatever else is installed.
        python = shlex.quote(sys.executable)
        own = f'python() {{ {python} "$@"; }}\ncisreg() {{ python -m cisreg "$@"; }}\n'
        done = subprocess.run(
            ["bash", "-ec", own + text], cwd=self.folder, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{block.place}: {done.stdout}{done.stderr}"
        self.said[text] = done.stdout
        self._check_written(block.place, written)

    def _make_room(self, written: list[str]) -> None:
        """Removes what is about to be written: a page shows a command for the same file twice."""
        for name in written:
            path = self.folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _check_written(self, place: str, written: list[str]) -> None:
        for name in written:
            assert (self.folder / name).exists(), f"{place}: it left no {name}"
