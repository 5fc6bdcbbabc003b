"""What the pages say about the tests is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
# What `make docs` writes into docs/ is checked when it builds the site.
WRITTEN = [DOCS / "reference" / each for each in ("api", "commands", "recipes")]
PAGES = [*(DOCS.parent / f"{name}.md" for name in ("README", "CONTRIBUTING"))]
PAGES += sorted(DOCS.glob("**/*.md"))


def named_tests(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"`([\w/]+\.py)::(test_\w+)`", text)


@pytest.mark.parametrize(
    ("file", "name"),
    [*named_tests("measurements/faults.md"), *named_tests("measurements/programs.md")],
)
def test_a_row_of_the_tables_is_a_test(file, name):
    assert f"\ndef {name}(" in (TESTS / file).read_text(encoding="utf-8")


def test_the_table_has_as_many_faults_as_it_should():
    assert len(set(named_tests("measurements/faults.md"))) >= 200


LINK = re.compile(r"\]\(([\w./#-]+)\)")


def anchors(page):
    """What a link to a part of a page can name: its headings in lower case, with hyphens."""
    text = page.read_text(encoding="utf-8")
    if (other := re.match(r"```\{include\} (\S+)", text)) is not None:
        return anchors(page.parent / other[1])
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS.parent)))
def test_links_between_pages_lead_somewhere(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        name, _, part = link.partition("#")
        target = (page.parent / name) if name else page
        if target.suffix == ".rst" and target.resolve().parent in WRITTEN:
            continue
        assert target.exists(), link
        assert not part or part in anchors(target), link


@pytest.mark.parametrize("folder", ["howto", "explanation", "measurements", "tutorials", "project"])
def test_an_index_describes_all_pages_of_its_folder(folder):
    text = (DOCS / folder / "index.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[.+?\]\(([\w/]+)\.(?:md|py)\) \| .+ \|$", text, re.MULTILINE)
    menu = text.partition("```{toctree}\n:hidden:\n\n")[2].split("\n```")[0].split("\n")
    assert rows == menu
    pages = [*(DOCS / folder).glob("*.md"), *(DOCS / folder).glob("*.py")]
    assert {page.stem for page in pages} == {*menu, "index"}


def test_no_file_has_the_marks_of_a_merge():
    root = DOCS.parent
    folders = ("docs", "cisreg", "csrc", "cuda", "cmake", "tests", "benchmarks", ".ci")
    files = [
        *root.glob("*.*"),
        *(file for folder in folders for file in (root / folder).rglob("*")),
    ]
    suffixes = {
        ".md",
        ".py",
        ".pyi",
        ".cc",
        ".h",
        ".cu",
        ".cuh",
        ".cmake",
        ".txt",
        ".toml",
        ".json",
    }
    marks = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)
    texts = [file for file in files if file.suffix in suffixes and file.is_file()]
    assert len(texts) > 400
    assert [file for file in texts if marks.search(file.read_text(encoding="utf-8"))] == []
