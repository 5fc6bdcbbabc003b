"""What the pages show is there: commands, options, code, files, public names."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import importlib
import inspect
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
import typer.main

import cisreg
from cisreg.cli import app
from cisreg.recipes.reading import SCHEDULES
from cisreg.training.reports import StepRecord
from cisreg.training.state import EpochRecord

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("**/*.md"))]
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?: {2,8})?!?cisreg ((?:[^\n\\]|\\\n)+)$", re.MULTILINE)
PROGRAM = typer.main.get_command(app)
MODULES = ["cisreg", "cisreg.scan"]
MODULES += [f"cisreg.{name}" for name in set(dir(cisreg)) - {*cisreg.__all__, "__version__"}]


def of_pages(pattern):
    return [
        pytest.param(found, id=f"{page.relative_to(ROOT)}-{number}")
        for page in [*PAGES, *sorted(DOCS.glob("tutorials/*.py"))]
        for number, found in enumerate(pattern.findall(page.read_text(encoding="utf-8")))
    ]


def command_of(words):
    """The command that the first words name, its name, and the other words."""
    command, path = PROGRAM, "cisreg"
    while words and words[0] in getattr(command, "commands", {}):
        command, path = command.commands[words[0]], f"{path} {words[0]}"
        words = words[1:]
    return command, path, words


def check(line):
    """Fails if a command, or an option of it, is not there."""
    words = shlex.split(line.replace("\\\n", " "), comments=True)
    command, path, words = command_of(words[: words.index("||")] if "||" in words else words)
    context = command.context_class(command, info_name=path)
    command.make_parser(context).parse_args(args=[word for word in words if word != "..."])


COMMANDS = [each for each in of_pages(COMMAND) if ", " not in each.values[0].split("--")[0]]
BLOCKS = of_pages(PYTHON)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_a_page_has_its_options(line):
    check(line)


def test_other_commands_and_options_are_refused():
    with pytest.raises(Exception, match="--motif-list"):
        check("train train.tsv --motif-list motifs.txt")


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_of_python_is_python(block):
    examples = doctest.DocTestParser().get_examples(block)
    for code in [each.source for each in examples] or [block]:
        ast.parse(code)


def test_how_many_blocks_there_are(capsys):
    with capsys.disabled():
        print(f"\n{len(PAGES)} pages, {len(COMMANDS)} commands, {len(BLOCKS)} blocks of Python")
    assert len(PAGES) > 60 and len(COMMANDS) > 70 and len(BLOCKS) > 30


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_public_name_is_described(module):
    loaded = importlib.import_module(module)
    assert inspect.getdoc(loaded)
    for name in loaded.__all__:
        value = getattr(loaded, name)
        if inspect.isroutine(value):
            assert inspect.getdoc(value), name
        if inspect.isclass(value):
            assert value.__doc__, name
            assert list(undescribed(value)) == [], name


def undescribed(kind):
    """Public methods and properties of a class without a docstring."""
    for name, value in vars(kind).items():
        is_method = inspect.isfunction(value) or isinstance(value, (property, classmethod))
        if is_method and not name.startswith("_") and not inspect.getdoc(getattr(kind, name)):
            yield name


@pytest.fixture(scope="module")
def generators():
    """Modules of the site that write pages from the code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS / "_ext"))
        yield [importlib.import_module(name) for name in ("command_pages", "recipe_pages")]
        for name in ("command_pages", "recipe_pages", "page_links"):
            sys.modules.pop(name)


def test_the_reference_has_every_option_of_every_command(generators):
    pages = generators[0].command_pages()
    assert set(pages) == {"cisreg", *PROGRAM.commands}

    def walk(command, page):
        for parameter in command.params:
            for option in [*parameter.opts, *parameter.secondary_opts]:
                if option.startswith("-"):
                    assert re.search(rf"^\.\. option::.* {option}\b", pages[page], re.MULTILINE)
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, page if page != "cisreg" else name)

    walk(PROGRAM, "cisreg")


def test_the_reference_has_every_key_of_a_recipe(generators):
    page = generators[1].recipe_pages()["keys"]
    kinds = [cisreg.Penalty, cisreg.Stage, *SCHEDULES.values()]
    keys = {each.name for kind in kinds for each in dataclasses.fields(kind)}
    for name in ("default", "quick"):
        text = (ROOT / "cisreg" / "recipes" / f"{name}.toml").read_text()
        keys |= set(re.findall(r"^(\w+) = ", text, re.MULTILINE))
    assert len(keys) > 25
    for key in keys:
        assert f"   * - ``{key}``\n" in page, key


def keys_of(section):
    page = (DOCS / "reference" / "formats.md").read_text(encoding="utf-8")
    text = page.partition(section)[2].split("\n\n")[0]
    cells = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_the_page_of_formats_has_the_keys_of_files(tmp_path):
    epochs, steps = (
        {each.name for each in dataclasses.fields(k)} for k in (EpochRecord, StepRecord)
    )
    assert keys_of("key of metrics.jsonl") == epochs
    assert keys_of("key of steps.jsonl") == steps
    spec = cisreg.ModelSpec(motif_count=1, motif_width=3, sequence_length=5)
    start = cisreg.init_parameters(spec, [[[0.0]] * 4] * 3, [0.0])
    cisreg.save_model(tmp_path, cisreg.Model(spec, start, ["a"]))
    keys = set(json.loads((tmp_path / "model.json").read_text()))
    text = "## model.json and the parameters\n\n| key"
    assert keys_of(text) == keys | {"motif_details", "noise", "output_names", "pairs"}


def test_the_citation_is_of_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert set(re.findall(r"^ *version: (.+)$", text, re.MULTILINE)) == {cisreg.__version__}


def test_the_map_has_the_rows_of_the_rooms():
    tree = ast.parse((ROOT / "tests" / "test_imports.py").read_text(encoding="utf-8"))
    (rows,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ROWS"
    ]
    rooms = eval(compile(ast.Expression(rows), "rows", "eval"))
    page = (DOCS / "project" / "architecture.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| \d+ \| (.+?) \|", page, re.MULTILINE)
    assert [tuple(re.findall(r"`(\w+)`", row)) for row in shown] == rooms
