"""What the pages say about the tests is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reliability.md"


def named_tests():
    return re.findall(r"`([\w/]+\.py)::(test_\w+)`", PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("file", "name"), named_tests())
def test_a_fault_of_the_table_is_a_test(file, name):
    assert f"\ndef {name}(" in (TESTS / file).read_text(encoding="utf-8")


def test_the_table_has_as_many_faults_as_it_should():
    assert len(set(named_tests())) >= 200
