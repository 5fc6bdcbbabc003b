"""The messages on the page of troubleshooting are those of the code."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
MESSAGES = re.findall(r"^> (.+)$", PAGE, re.MULTILINE)


def text_of(node):
    """The text of a string in the code; what is inserted is a zero byte."""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            each.value if isinstance(each, ast.Constant) else "\0" for each in node.values
        )
    return re.sub(r"%[-+\d.,]*[a-z]", "\0", node.value)


@cache
def strings():
    """All text in the code of the package, each string whole."""
    found = []
    for file in sorted((ROOT / "cisreg").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if is_text or isinstance(node, ast.JoinedStr):
                found.append(text_of(node))
    return found


def is_said(message):
    """Whether a string of the code has all parts of a message, in order."""
    parts = [part for part in re.split(r"\s*…\s*", message.strip("… ")) if part]
    pattern = re.compile(".*".join(re.escape(part) for part in parts), re.DOTALL)
    return any(pattern.search(text) for text in strings())


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_one_of_the_code(message):
    assert is_said(message)


def test_other_messages_are_not():
    assert len(MESSAGES) >= 25
    assert not is_said("the loss, its gradient or a parameter is infinite")
    assert not is_said("is not finite … the loss, its gradient or a parameter")
