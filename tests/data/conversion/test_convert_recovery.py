"""Conversions that are interrupted at any moment, and the state of the folder afterwards."""

from __future__ import annotations

import errno
import fcntl
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import conversion_case
import pyarrow as pa
import pytest
from conversion_case import (
    SIZES,
    Died,
    contents,
    converted,
    dataset_of,
    interrupted,
    make_small,
    numbered,
    rows_of,
)

import cisreg
from cisreg.data import Columns, open_dataset
from cisreg.data.conversion import journal, spill, stages
from cisreg.data.conversion.convert import convert
from cisreg.data.conversion.journal import Journal, read_journal
from cisreg.data.files import DatasetFiles
from cisreg.data.formats.manifest import MANIFEST, WORK_FOLDER, verify
from cisreg.files import append_to_file
from cisreg.locks import LOCK_FILE

COUNT = 3000
# Number of runs and parts that COUNT rows give. The numbered steps below depend on them.
RUNS, PARTS = 6, 5


@pytest.fixture(autouse=True)
def small_runs(monkeypatch):
    make_small(monkeypatch.setattr)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "a.tsv"
    numbered(path, COUNT)
    return path


@pytest.fixture(scope="module")
def unbroken(table):
    folder = table.parent / "unbroken"
    convert(open_dataset(table), folder, **SIZES)
    return contents(folder)


@pytest.fixture(scope="module")
def steps(table):
    """The kinds of the journal's lines in order, without the request."""
    lines = []
    append = Journal.append

    def noted(self, entry):
        lines.append(next(iter(entry)))
        append(self, entry)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "append", noted)
        make_small(patch.setattr)
        converted(table, table.parent / "counted")
    return lines


def test_after_an_end_at_any_step_it_goes_on_to_the_same_bytes(
    table, unbroken, steps, tmp_path, monkeypatch
):
    assert (steps.count("run"), steps.count("part"), len(steps)) == (RUNS, PARTS, RUNS + PARTS + 2)
    for step in range(1, len(steps) + 1):
        for after in (False, True):
            folder = tmp_path / f"{step}{after}"
            interrupted(table, folder, monkeypatch, step, after=after)
            assert {path.name for path in folder.iterdir()} <= {WORK_FOLDER}
            converted(table, folder, resume=True)
            assert contents(folder) == unbroken


@pytest.mark.parametrize("step", [2, RUNS, RUNS + 1, RUNS + 3, RUNS + 1 + PARTS])
def test_what_is_finished_is_not_made_again(table, unbroken, tmp_path, monkeypatch, step):
    folder, made = tmp_path / "out", []
    interrupted(table, folder, monkeypatch, step)
    done = [next(iter(entry)) for entry in read_journal(folder / WORK_FOLDER / "journal")]
    assert len(done) >= step + 1

    def noted(module, name):
        original = getattr(module, name)

        def call(*arguments, **options):
            made.append(name)
            return original(*arguments, **options)

        monkeypatch.setattr(module, name, call)

    noted(stages, "write_run")
    noted(stages.pq, "ParquetWriter")
    if "read" in done:
        monkeypatch.setattr(DatasetFiles, "blocks", None)
    converted(table, folder, resume=True)
    assert made.count("write_run") == RUNS - done.count("run")
    assert made.count("ParquetWriter") == PARTS - done.count("part")
    assert contents(folder) == unbroken


def start(table, folder):
    paths = [str(Path(cisreg.__file__).parents[1]), str(Path(conversion_case.__file__).parent)]
    return subprocess.Popen(
        [sys.executable, conversion_case.__file__, table, folder],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])},
    )


def lines_in(folder):
    journal = folder / WORK_FOLDER / "journal"
    try:
        return journal.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def test_killed_again_and_again_it_ends_in_the_same_bytes(tmp_path):
    table, folder = tmp_path / "a.tsv", tmp_path / "out"
    numbered(table, 20_000)
    assert start(table, tmp_path / "unbroken").wait() == 0
    generator, kills = random.Random(0), 0
    for _ in range(100):
        process = start(table, folder)
        first = lines_in(folder)
        wanted = first + generator.randrange(1, 8)
        while lines_in(folder) < wanted and process.poll() is None:
            time.sleep(0.0005)
        time.sleep(generator.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0 or (folder / MANIFEST).exists():
            break
        kills += 1
        # Nothing in the folder looks like a dataset.
        with pytest.raises(ValueError, match=r"has not finished|folder with Parquet"):
            open_dataset(folder)
    assert kills >= 5
    # Without a journal the dataset is whole: the work folder was being deleted.
    if (folder / WORK_FOLDER / "journal").exists():
        assert start(table, folder).wait() == 0
    whole = {name: each for name, each in contents(folder).items() if WORK_FOLDER not in name}
    assert whole == contents(tmp_path / "unbroken")
    verify(folder)


@pytest.mark.parametrize("place", ["runs", "parts", "journal"])
def test_a_full_disk_is_said_and_leaves_what_is_done(table, unbroken, tmp_path, monkeypatch, place):
    folder = tmp_path / "out"
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    # The runs take 76,512 bytes, each file about 6,500.
    left = {"runs": 60_000, "parts": 90_000, "journal": 5}[place]
    with monkeypatch.context() as patch:
        if place == "journal":

            def appended(path, content):
                nonlocal left
                left -= 1
                append_to_file(path, content if left >= 0 else content[:9])
                if left < 0:
                    full.filename = str(path)
                    raise full

            patch.setattr(journal, "append_to_file", appended)
        else:
            write = spill._Summed.write

            def written(self, data):
                nonlocal left
                left -= len(data)
                if left < 0:
                    raise full
                return write(self, data)

            patch.setattr(spill._Summed, "write", written)
        with pytest.raises(OSError, match="No space left") as error:
            converted(table, folder)
    assert error.value.errno == errno.ENOSPC
    name = {"runs": "rows.arrow", "parts": "part-0000", "journal": "journal"}[place]
    assert name in str(error.value.filename)
    done = read_journal(folder / WORK_FOLDER / "journal")
    assert len(done) > 1
    assert {path.name for path in folder.iterdir()} == {WORK_FOLDER}
    converted(table, folder, resume=True)
    assert contents(folder) == unbroken


def test_a_journal_whose_end_is_cut_is_taken_as_far_as_it_goes(
    table, unbroken, tmp_path, monkeypatch
):
    folder = tmp_path / "out"
    interrupted(table, folder, monkeypatch, 9)
    journal = folder / WORK_FOLDER / "journal"
    content = journal.read_bytes()
    last = content.rstrip(b"\n").rfind(b"\n") + 1
    for stop in (last + 1, last + 20, len(content) - 1):
        journal.write_bytes(content[:stop])
        assert len(read_journal(journal)) == content.count(b"\n") - 1
    converted(table, folder, resume=True)
    assert contents(folder) == unbroken


def test_a_damaged_journal_is_an_error_that_names_it(table, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    interrupted(table, folder, monkeypatch, 9)
    journal = folder / WORK_FOLDER / "journal"
    content = journal.read_bytes()
    for position in range(0, len(content) - 1, 37):
        damaged = bytearray(content)
        damaged[position] ^= 1
        journal.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"journal:\d+: expected a line as it was written"):
            converted(table, folder, resume=True)
    converted(table, folder, overwrite=True)
    verify(folder)


def test_a_damaged_run_or_part_is_made_again(table, unbroken, tmp_path, monkeypatch):
    for step, name in (
        (3, "rows.arrow"),
        (RUNS + 3, "rows.arrow"),
        (RUNS + 3, "part-00000.parquet"),
    ):
        folder = tmp_path / f"{step}{name}"
        interrupted(table, folder, monkeypatch, step)
        path = folder / WORK_FOLDER / name
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        converted(table, folder, resume=True)
        assert contents(folder) == unbroken


@pytest.mark.parametrize(
    "options",
    [{"order": "sorted"}, {"seed": 1}, {"rows_per_file": 701}, {"rows_per_group": 101}],
)
def test_other_options_are_refused_on_resuming(table, unbroken, tmp_path, monkeypatch, options):
    folder = tmp_path / "out"
    interrupted(table, folder, monkeypatch, 5)
    before = contents(folder)
    (name,) = options
    with pytest.raises(ValueError, match=f"{name}: expected .* as in the interrupted conversion"):
        converted(table, folder, resume=True, **options)
    assert contents(folder) == before
    converted(table, folder, resume=True)
    assert contents(folder) == unbroken


def test_another_source_is_refused_on_resuming(tmp_path, monkeypatch):
    path, folder = tmp_path / "a.tsv", tmp_path / "out"
    lines = [f"ACGT\t{row}\t{row + 1}\n" for row in range(2000)]
    header = "sequence\texpression\tother\n"
    path.write_text(header + "".join(lines))
    interrupted(path, folder, monkeypatch, 2)
    with pytest.raises(ValueError, match="columns: expected"):
        columns = Columns(0, (2,))
        convert(open_dataset(path, columns=columns), folder, resume=True, **SIZES)
    path.write_text(header + "".join(reversed(lines)))
    with pytest.raises(ValueError, match="source: expected the same files"):
        converted(path, folder, resume=True)


def test_an_interrupted_conversion_is_not_overlooked(table, unbroken, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    interrupted(table, folder, monkeypatch, 5)
    before = contents(folder)
    with pytest.raises(ValueError, match="holds an interrupted conversion"):
        converted(table, folder)
    assert contents(folder) == before
    converted(table, folder, overwrite=True)
    assert contents(folder) == unbroken


def test_nothing_to_resume_is_a_beginning(table, unbroken, tmp_path):
    converted(table, tmp_path / "out", resume=True)
    assert contents(tmp_path / "out") == unbroken
    with pytest.raises(ValueError, match="holds a dataset, and nothing to resume"):
        converted(table, tmp_path / "out", resume=True)
    assert contents(tmp_path / "out") == unbroken


def older_dataset(folder, table):
    """A dataset with more files than the next one, and a file that does not belong to it."""
    converted(table, folder, order="sorted", rows_per_file=300)
    (folder / "notes.txt").write_text("mine")
    return contents(folder)


def test_a_dataset_is_replaced_once_the_new_one_is_whole(
    table, unbroken, steps, tmp_path, monkeypatch
):
    folder = tmp_path / "out"
    before = older_dataset(folder, table)
    with pytest.raises(ValueError, match="holds a dataset"):
        converted(table, folder)
    assert contents(folder) == before
    interrupted(table, folder, monkeypatch, len(steps), after=False, overwrite=True)
    there = {name: content for name, content in contents(folder).items() if "/" not in name}
    assert there == before
    verify(folder)
    converted(table, folder, resume=True)
    assert dataset_of(folder) == dataset_of(table.parent / "unbroken")
    assert (folder / "notes.txt").read_text() == "mine"
    assert len(contents(folder)) == len(unbroken) + 1


def stop_after(patch, calls):
    """The process dies after so many calls that change names in a folder, from the move on."""
    left = calls

    def counted(call):
        def called(*arguments, **options):
            nonlocal left
            if not left:
                raise Died
            left -= 1
            return call(*arguments, **options)

        return called

    def begin(self, begin=stages.Conversion._begin_moving):
        begin(self)
        for name in ("rename", "replace", "unlink", "rmdir"):
            patch.setattr(Path, name, counted(getattr(Path, name)))
        patch.setattr(os, "link", counted(os.link))

    patch.setattr(stages.Conversion, "_begin_moving", begin)


def test_at_every_moment_of_the_move_the_old_or_the_new_dataset_is_whole(
    table, unbroken, tmp_path, monkeypatch
):
    new, seen = dataset_of(table.parent / "unbroken"), []
    before = older_dataset(tmp_path / "older", table)
    old = dataset_of(tmp_path / "older")
    for calls in itertools.count():
        folder = tmp_path / f"{calls}"
        shutil.copytree(tmp_path / "older", folder)
        with monkeypatch.context() as patch:
            stop_after(patch, calls)
            with suppress(Died):
                converted(table, folder, overwrite=True)
        verify(folder)
        seen.append(dataset_of(folder))
        assert seen[-1] in (old, new)
        if not (folder / WORK_FOLDER).exists():
            break
        resumes = (folder / WORK_FOLDER / "journal").exists() and calls % 3 > 0
        if not resumes:
            # To throw the conversion away leaves the dataset that is there.
            interrupted(table, folder, monkeypatch, 1, overwrite=True)
            verify(folder)
            assert dataset_of(folder) == seen[-1]
        converted(table, folder, resume=resumes, overwrite=not resumes)
        assert dataset_of(folder) == new
        assert len(contents(folder)) == PARTS + 2
        assert contents(folder)["notes.txt"] == before["notes.txt"]
    # Two calls for each part, one for the manifest, one for each older file and some more.
    assert (seen.count(old), seen.count(new) > 10) == (2 * PARTS + 1, True)


def test_a_half_moved_conversion_can_be_thrown_away(table, tmp_path, monkeypatch):
    folder, empty = tmp_path / "out", tmp_path / "empty.tsv"
    empty.write_text("ACGT\tx\n")
    with monkeypatch.context() as patch:
        patch.setattr(stages, "write_manifest", lambda *_: (_ for _ in ()).throw(Died()))
        with pytest.raises(Died):
            converted(table, folder)
    assert (folder / "part-00000.parquet").exists()
    with pytest.raises(ValueError, match="expected rows that can be used"):
        converted(empty, folder, overwrite=True)
    assert not contents(folder)


def test_folders_with_anything_else_are_refused(table, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "part-00000.parquet").write_text("mine")
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(ValueError, match=r"but it holds part-00000\.parquet"):
            converted(table, folder, **options)
    assert contents(folder) == {"part-00000.parquet": b"mine"}


def test_the_folder_of_the_source_is_refused(table, tmp_path):
    folder = tmp_path / "out"
    converted(table, folder)
    before = contents(folder)
    for source in (folder, f"file://{folder}"):
        with pytest.raises(ValueError, match="directory: expected another folder than that of the"):
            convert(open_dataset(source), folder, overwrite=True)
    assert contents(folder) == before


def test_two_processes_do_not_write_one_folder(table, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    interrupted(table, folder, monkeypatch, 5)
    (folder / LOCK_FILE).write_text("12345\n")
    before = contents(folder)
    # A lock through a second open file acts like that of a different process.
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for options in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(ValueError, match="no other process writes to, but process 12345"):
                converted(table, folder, **options)
    finally:
        os.close(handle)
    assert contents(folder) == before


@pytest.mark.parametrize("strict", [False, True])
def test_a_source_of_no_use_leaves_nothing(tmp_path, strict):
    (tmp_path / "a.tsv").write_text("ACGT\t1\nACGT\tx\n" if strict else "ACGT\tx\nACGT\ty\n")
    message = r"a\.tsv:2: expected a finite number" if strict else "rows that can be used, got none"
    with pytest.raises(ValueError, match=message):
        convert(open_dataset(tmp_path / "a.tsv", strict=strict), tmp_path / "out")
    assert not contents(tmp_path / "out")


def test_a_group_of_too_many_bases_is_an_error(table, tmp_path, monkeypatch):
    def too_large(*_):
        raise pa.ArrowInvalid("offset overflow")

    monkeypatch.setattr(stages, "without_key", too_large)
    with pytest.raises(ValueError, match="rows_per_group: expected row groups of less than"):
        converted(table, tmp_path / "out")


def test_the_manifest_is_json_with_what_was_asked(table, tmp_path):
    converted(table, tmp_path / "out", order="sorted")
    fields = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert (fields["order"], fields["rows"]) == ("sorted", COUNT)
    assert rows_of(tmp_path / "out")[1] == [file["name"] for file in fields["files"]]
