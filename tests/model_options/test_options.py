"""Every option of a model and every loss against every tool: it works, or is refused as said."""

from __future__ import annotations

import pytest
from model_options import tools
from model_options.rows import ROWS, case_of


def pairs():
    """Each tool with each row that it is tried with; the numbers of a loss are in no layer."""
    for row in ROWS:
        for tool in tools.OF_EVERY_ROW + (() if row.noise else tools.OF_LAYERS):
            marks = pytest.mark.slow if tool in tools.SLOW else ()
            yield pytest.param(row, tool, marks=marks, id=f"{row}-{tool.__name__}")


@pytest.mark.parametrize(("row", "tool"), pairs())
def test_it_works_or_is_refused(row, tool):
    refused = row.refuses.get(tool.__name__)
    if refused is None:
        tool(case_of(row.name))
        return
    with pytest.raises(ValueError, match=refused):
        tool(case_of(row.name))


def test_what_is_refused_names_tools():
    names = {tool.__name__ for tool in tools.OF_EVERY_ROW + tools.OF_LAYERS}
    assert {name for row in ROWS for name in row.refuses} <= names
    assert len({row.name for row in ROWS}) == len(ROWS)
