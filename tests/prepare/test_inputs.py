"""Inputs of preparation that are one file, and names that look like something else."""

from __future__ import annotations

import logging
import os
import sys

import pytest

from cisreg.prepare.collapse import collapse
from cisreg.prepare.database import Resources
from cisreg.prepare.expression import expression
from cisreg.prepare.inputs import refuse_same_file
from cisreg.prepare.merge_pairs import merge_pairs
from cisreg.prepare.translate import translate, translate_counts

READS = "@r\nACGTACGTACGTTTGACCATGCAAGT\n+\nIIIIIIIIIIIIIIIIIIIIIIIIII\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder of the test, as working folder, with one file under several names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "2.fq").write_text(READS)
    (tmp_path / "link.fq").symlink_to("2.fq")
    (tmp_path / "hard.fq").hardlink_to(tmp_path / "2.fq")
    (tmp_path / "folder").mkdir()
    return tmp_path


NAMES = ["2.fq", "./2.fq", "folder/../2.fq", "link.fq", "hard.fq", "{here}/2.fq"]


@pytest.mark.parametrize("other", NAMES)
def test_one_file_under_two_names_is_refused(other, here):
    other = other.format(here=here)
    work = {
        "reverse": lambda: merge_pairs("2.fq", other, "out", overlap=10),
        "inputs": lambda: collapse(["2.fq", other], "out", names=["a", "b"]),
        "dictionary": lambda: translate("2.fq", other, "out"),
    }
    for argument, run in work.items():
        with pytest.raises(ValueError, match=rf"^{argument}: expected each file once, got .*2\.fq"):
            run()
    with pytest.raises(ValueError, match=r"^dictionary: expected each file once"):
        translate_counts("2.fq", other, "out")
    (here / "2.fq").write_text("ACGT\t1\n")
    with pytest.raises(ValueError, match=r"^inputs: expected each file once"):
        expression(["2.fq", other], "out")
    assert not (here / "out").exists()


@pytest.mark.parametrize("other", ["2.fq", "/dev/stdin", "-"])
def test_standard_input_is_compared_by_what_it_is(other, here, monkeypatch):
    with (here / "link.fq").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        before = os.dup(0)
        os.dup2(stream.fileno(), 0)
        try:
            with pytest.raises(ValueError, match=r"reverse: expected .*, got standard input"):
                merge_pairs("-", other, "out", overlap=10)
        finally:
            os.dup2(before, 0)
            os.close(before)


def test_different_files_and_files_that_are_not_there_pass(here):
    (here / "copy.fq").write_text(READS)
    refuse_same_file("inputs", ["2.fq", "copy.fq", "none", "none2", "-"], "")
    with pytest.raises(ValueError, match="got none twice"):
        refuse_same_file("inputs", ["none", "2.fq", "none"], "")


def test_that_nothing_was_merged_is_said(here, caplog):
    (here / "copy.fq").write_text(READS)
    with caplog.at_level(logging.INFO, "cisreg"):
        assert merge_pairs("2.fq", "copy.fq", "out", overlap=10).pairs == 1
    assert "none of 1 pairs was merged (1 without an overlap); check that reads 1" in caplog.text
    caplog.clear()
    (here / "none.fq").write_text("")
    (here / "empty.fq").write_text("")
    assert merge_pairs("none.fq", "empty.fq", "out2", overlap=10).pairs == 0
    assert "none of" not in caplog.text


@pytest.mark.parametrize("as_output", [True, False], ids=["output", "temporary-folder"])
@pytest.mark.parametrize(
    "name",
    [
        *("md:x.tsv", ":memory:", ":memory:x", "s3:x", "postgres:dbname=x", "[x]*?.tsv", "it's"),
        *("%41?a=b;", "n" * 200),
    ],
)
def test_names_that_the_database_could_take_for_something_else(name, as_output, here):
    (here / "a").write_text("AC\nAC\n")
    (here / "b").write_text("AC\nGG\n")
    output, folder = (name, None) if as_output else ("out", name)
    if folder:
        (here / folder).mkdir()
    collapse(["a", "b"], output, resources=Resources(threads=1, temporary_folder=folder))
    lines = "sequence\ta\tb\ttotal", "AC\t2\t1\t3", "GG\t0\t1\t1"
    assert (here / output).read_text().splitlines() == [*lines]
    assert not list(here.rglob("*temporary*"))
