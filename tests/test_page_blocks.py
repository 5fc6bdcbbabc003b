"""Every block of code on the pages runs as typed, or is listed with the reason why it cannot."""

from __future__ import annotations

from collections import Counter

import pytest
from page_blocks import PAGES, ROOT, Block, Reader, blocks_of
from page_folder import copy_folder, write_folder
from page_plans import (
    APPENDED,
    ELSEWHERE,
    NOT_RUN,
    PLANS,
    SLOW,
    SMALLER,
    Plan,
    reason_of,
    runner_of,
)

BLOCKS = [block for page in PAGES for block in blocks_of(page) if block.kind != "shown"]
RUN = [block for block in BLOCKS if reason_of(block) is None and runner_of(block) is None]
NOT_RUNNABLE = [block for block in BLOCKS if reason_of(block) is not None]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The folder with all files that pages name."""
    folder = tmp_path_factory.mktemp("pages") / "prepared"
    folder.mkdir()
    write_folder(folder)
    return folder


@pytest.fixture
def reader(request, prepared, tmp_path, monkeypatch):
    """A reader of the page that the test names, in a copy of that folder."""
    plan = PLANS.get(getattr(request, "param", ""), Plan())
    folder = copy_folder(prepared, tmp_path / "page")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CISREG_CACHE", str(tmp_path / "cache"))
    # Processes that shells start have the threads of these tests, and no GPU.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = Reader(folder, (*plan.smaller, *SMALLER), APPENDED)
    exec(compile(plan.before, "before the page", "exec"), found.names)
    return found


@pytest.mark.parametrize(
    ("reader", "page"),
    [
        pytest.param(page, page, id=page, marks=[pytest.mark.slow] if page in SLOW else [])
        for page in dict.fromkeys(block.page for block in RUN)
    ],
    indirect=["reader"],
)
def test_blocks_of_a_page_run(reader, page):
    for block in RUN:
        if block.page == page:
            reader.type(block, without=NOT_RUN)
    PLANS.get(page, Plan()).after(reader)


@pytest.mark.parametrize("block", NOT_RUNNABLE, ids=lambda block: block.place)
def test_blocks_that_cannot_run(block):
    pytest.skip(reason_of(block))


def test_how_many_blocks_there_are(capsys):
    kinds = Counter(
        (block.kind, "run" if reason_of(block) is None else "not run") for block in BLOCKS
    )
    with capsys.disabled():
        print("\n" + ", ".join(f"{count} of {' '.join(kind)}" for kind, count in kinds.items()))
    # Pages of measurements show the commands of benchmarks, which take long.
    guides, listed = (
        [block for block in each if not block.page.startswith("docs/measurements/")]
        for each in (BLOCKS, NOT_RUNNABLE)
    )
    assert len(guides) > 100 and len(listed) < len(guides) / 6


def test_the_lists_name_blocks_and_tests():
    for page, start, test in ELSEWHERE:
        assert any(each.page == page and each.text.startswith(start) for each in BLOCKS), page
        name = page.rpartition("/")[2]
        assert name in (ROOT / test).read_text(encoding="utf-8") or start.startswith("cisreg --")
    for start in NOT_RUN:
        assert any(f"\n{start}" in f"\n{block.text}" for block in BLOCKS), start
    assert set(PLANS) <= {block.page for block in RUN}


BROKEN = [
    ("python", "cisreg.no_such_name", "no_such_name"),
    ("python", ">>> 1 + 1\n3", "page.md:7"),
    ("", "cisreg check none.tsv", "none.tsv"),
    ("", "cisreg check train.tsv.gz --no-such-option", "no-such-option"),
    ("", "cisreg explain factors model test.tsv.gz --plot factors.txt", "factors.txt"),
    ("bash", "cisreg check none.tsv > found.txt", "none.tsv"),
    ("bash", "for each in none; do cisreg check $each; done", "none"),
]


@pytest.mark.parametrize(("language", "text", "said"), BROKEN)
def test_a_broken_block_is_noticed(reader, language, text, said):
    reader.names["cisreg"] = pytest.importorskip("cisreg")
    with pytest.raises((AssertionError, AttributeError), match=said):
        reader.type(Block("page.md", 7, language, f"{text}\n"))


def test_a_file_that_a_command_does_not_leave_is_noticed(reader, monkeypatch):
    monkeypatch.setattr("page_blocks.CliRunner.invoke", lambda *_, **__: type("", (), DONE)())
    with pytest.raises(AssertionError, match=r"it left no out\.tsv"):
        reader.type(Block("page.md", 7, "", "cisreg predict model test.fa --output out.tsv\n"))


DONE = {"exit_code": 0, "output": "", "exception": None}
PAGE = """# Title

    cisreg check a \\
        b

text
    that goes on

```python
import cisreg
```

```{toctree}
x
```

1. A list

       cisreg check c

and

    p = 1 / 2

```
cisreg check d
```
"""


def test_the_blocks_of_a_page_are_found():
    found = [(each.line, each.kind, each.text) for each in blocks_of("page.md", PAGE)]
    assert found == [
        (3, "commands", "cisreg check a \\\n    b\n"),
        (10, "python", "import cisreg\n"),
        (19, "commands", "cisreg check c\n"),
        (23, "shown", "p = 1 / 2\n"),
        (26, "commands", "cisreg check d\n"),
    ]
