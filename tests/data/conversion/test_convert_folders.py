"""Conversions into folders that hold files of others, links, pipes and other surprises."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from conversion_case import (
    contents,
    converted,
    dataset_of,
    interrupted,
    make_small,
    numbered,
)

from cisreg.data import open_dataset
from cisreg.data.conversion.journal import Journal
from cisreg.data.formats.manifest import MANIFEST, WORK_FOLDER

JOURNAL, SPILL = f"{WORK_FOLDER}/journal", f"{WORK_FOLDER}/rows.arrow"


@pytest.fixture(autouse=True)
def small_runs(monkeypatch):
    make_small(monkeypatch.setattr)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "a.tsv"
    numbered(path, 1500)
    return path


@pytest.fixture(scope="module")
def unbroken(table):
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch.setattr)
        converted(table, table.parent / "unbroken")
    return dataset_of(table.parent / "unbroken")


OPTIONS = pytest.mark.parametrize(
    "options", [{}, {"resume": True}, {"overwrite": True}], ids=["new", "resume", "overwrite"]
)


@OPTIONS
def test_a_link_in_place_of_the_work_folder_is_not_followed(table, tmp_path, options):
    victim = tmp_path / "victim"
    (victim / "folder").mkdir(parents=True)
    for name in ("thesis", "journal", "rows.arrow", "part-00000.parquet"):
        (victim / name).write_text("mine")
    before = contents(victim)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / WORK_FOLDER).symlink_to(victim)
    with pytest.raises(ValueError, match=r"\.cisreg-convert: expected a folder, .* got a link"):
        converted(table, tmp_path / "out", **options)
    assert contents(victim) == before


@OPTIONS
def test_a_file_in_place_of_the_work_folder_is_refused(table, tmp_path, options):
    (tmp_path / WORK_FOLDER).write_text("mine")
    with pytest.raises(ValueError, match=r"\.cisreg-convert: expected a folder, .* got a file"):
        converted(table, tmp_path, **options)
    assert contents(tmp_path) == {WORK_FOLDER: b"mine"}


@OPTIONS
def test_files_of_others_in_the_work_folder_stay(table, unbroken, tmp_path, caplog, options):
    mine = {
        f"{WORK_FOLDER}/{name}": b"mine"
        for name in ("notes", "part-1.parquet", "rows.arrow.bak", "x.partial", "folder/journal")
    }
    for name, content in mine.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    converted(table, tmp_path, **options)
    assert dataset_of(tmp_path) == unbroken
    assert contents(tmp_path).items() >= mine.items()
    assert f"{tmp_path / WORK_FOLDER}: kept, since it holds files" in caplog.text
    assert len(open_dataset(tmp_path).load()) == 1500


@pytest.mark.parametrize("options", [{"resume": True}, {"overwrite": True}], ids=str)
def test_a_part_of_others_beside_an_interrupted_conversion_stays(
    table, unbroken, tmp_path, monkeypatch, caplog, options
):
    interrupted(table, tmp_path, monkeypatch, 4)
    for name in ("part-00000.parquet", "part-00077.parquet"):
        (tmp_path / name).write_text("mine")
    converted(table, tmp_path, **options)
    assert dataset_of(tmp_path) == unbroken
    for name in ("part-00000.parquet", "part-00077.parquet"):
        assert (tmp_path / name).read_text() == "mine"
    assert "is no part of the dataset: part-00000.parquet, part-00077.parquet" in caplog.text


def test_only_the_files_of_the_older_dataset_go_with_it(table, unbroken, tmp_path, caplog):
    converted(table, tmp_path, order="sorted", rows_per_file=200)
    changed = tmp_path / "part-00001.parquet"
    changed.write_text("made by another program since")
    (tmp_path / "part-77777.parquet").write_text("mine")
    (tmp_path / "part-00003.parquet").unlink()
    (tmp_path / "part-00003.parquet").mkdir()
    converted(table, tmp_path, overwrite=True)
    assert dataset_of(tmp_path) == unbroken
    parts = {path.name for path in tmp_path.glob("part-*")} - set(names_in(tmp_path))
    assert parts == {"part-00001.parquet", "part-77777.parquet", "part-00003.parquet"}
    assert "part-00001.parquet: kept, since it is not as cisreg convert wrote it" in caplog.text


def names_in(folder):
    return [Path(file).name for file in open_dataset(folder).files]


def test_a_manifest_that_names_files_of_others_removes_none(table, unbroken, tmp_path):
    converted(table, tmp_path)
    (tmp_path / "thesis.txt").write_text("mine")
    manifest = (tmp_path / MANIFEST).read_text()
    (size,) = {path.stat().st_size for path in [tmp_path / "part-00002.parquet"]}
    (tmp_path / MANIFEST).write_text(
        manifest.replace("part-00002.parquet", "thesis.txt").replace(f": {size},", ": 4,")
    )
    converted(table, tmp_path, overwrite=True)
    assert dataset_of(tmp_path) == unbroken
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_files_of_a_damaged_manifest_are_kept_and_that_is_said(table, unbroken, tmp_path, caplog):
    converted(table, tmp_path)
    (tmp_path / MANIFEST).write_text("{")
    before = contents(tmp_path)
    converted(table, tmp_path, overwrite=True)
    assert dataset_of(tmp_path) == unbroken
    before.pop(MANIFEST)
    assert contents(tmp_path).items() >= before.items()
    assert "manifest.json: expected JSON" in caplog.text


def test_datasets_replace_each_other_and_leave_nothing(table, unbroken, tmp_path):
    before = None
    for _ in range(3):
        converted(table, tmp_path, overwrite=True)
        assert dataset_of(tmp_path) == unbroken
        assert len(contents(tmp_path)) == 4
        fingerprint = open_dataset(tmp_path).content_fingerprint()
        assert before in (None, fingerprint)
        before = fingerprint


def test_a_folder_reached_through_a_link_is_filled(table, unbroken, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to("disk")
    converted(table, tmp_path / "out")
    assert dataset_of(tmp_path / "disk") == unbroken
    converted(table, tmp_path / "out", overwrite=True)
    assert dataset_of(tmp_path / "disk") == unbroken
    assert (tmp_path / "out").is_symlink()


def plant_pipe(path):
    os.mkfifo(path)


def plant_link(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("plant", [plant_pipe, plant_link], ids=lambda plant: plant.__name__)
@pytest.mark.parametrize("name", [JOURNAL, SPILL, MANIFEST])
def test_pipes_and_devices_are_refused_at_once(table, tmp_path, monkeypatch, name, plant):
    if name == MANIFEST:
        converted(table, tmp_path)
    else:
        interrupted(table, tmp_path, monkeypatch, 4)
    (tmp_path / name).unlink()
    plant(tmp_path / name)
    before = sorted(tmp_path.rglob("*"))
    refused = "expected a regular file, got"
    with pytest.raises(ValueError, match=f"{Path(name).name}: {refused}"):
        converted(table, tmp_path, **({"overwrite" if name == MANIFEST else "resume": True}))
    assert sorted(tmp_path.rglob("*")) == before
    if name == MANIFEST:
        with pytest.raises(ValueError, match=r"manifest\.json: (expected a regular|cannot be)"):
            open_dataset(tmp_path)


@pytest.mark.parametrize("kind", ["link", "hard link"])
def test_rows_are_not_written_into_a_file_elsewhere(table, tmp_path, monkeypatch, kind):
    interrupted(table, tmp_path / "out", monkeypatch, 4)
    thesis = tmp_path / "thesis"
    thesis.write_text("mine" * 100)
    spill = tmp_path / "out" / SPILL
    spill.unlink()
    if kind == "link":
        spill.symlink_to(thesis)
    else:
        os.link(thesis, spill)
    with pytest.raises(ValueError, match=r"rows\.arrow: expected a (regular file|file with one)"):
        converted(table, tmp_path / "out", resume=True)
    assert thesis.read_text() == "mine" * 100
    converted(table, tmp_path / "out", overwrite=True)
    assert thesis.read_text() == "mine" * 100


def test_a_linked_part_is_made_again(table, unbroken, tmp_path, monkeypatch):
    interrupted(table, tmp_path / "out", monkeypatch, 6)
    part = tmp_path / "out" / WORK_FOLDER / "part-00000.parquet"
    part.rename(tmp_path / "elsewhere")
    part.symlink_to(tmp_path / "elsewhere")
    converted(table, tmp_path / "out", resume=True)
    assert dataset_of(tmp_path / "out") == unbroken
    assert not any(path.is_symlink() for path in (tmp_path / "out").iterdir())


def test_a_journal_with_names_elsewhere_is_refused(table, tmp_path, monkeypatch):
    interrupted(table, tmp_path / "out", monkeypatch, 6)
    (tmp_path / "thesis").write_text("mine")
    journal = tmp_path / "out" / JOURNAL
    before = journal.read_bytes()
    request = {"version": 3}
    part = {"name": "../../thesis", "rows": 1, "bytes": 4, "sha256": "0" * 64}
    moving = {"moving": ["../thesis"], "replaced": {"../thesis": 4}}
    others = ({"moving": 3}, {"moving": [], "replaced": {}}, {"part": 0}, {"run": 1}, {"read": 1})
    for entry in ({"part": 0, "file": part}, moving, *others, {"run": ["0"] * 7}):
        journal.write_bytes(before)
        Journal.append(_journal_at(journal), entry)
        with pytest.raises(ValueError, match="journal: expected lines of a conversion"):
            converted(table, tmp_path / "out", resume=True)
    Journal(journal, [request, {"part": 0, "file": part}, moving])
    converted(table, tmp_path / "out", overwrite=True)
    assert (tmp_path / "thesis").read_text() == "mine"


def _journal_at(path):
    """A journal that appends to a file as it is."""
    journal = Journal(path.with_name("other"), [])
    journal._path = path
    path.with_name("other").unlink()
    return journal


def test_a_source_in_the_work_folder_is_refused(table, tmp_path, monkeypatch):
    interrupted(table, tmp_path, monkeypatch, 6)
    source = tmp_path / WORK_FOLDER / "part-00000.parquet"
    (tmp_path / "link.parquet").symlink_to(source)
    before = contents(tmp_path)
    for path in (source, tmp_path / "link.parquet"):
        with pytest.raises(ValueError, match="directory: expected another folder than that of the"):
            converted(path, tmp_path, overwrite=True)
    assert contents(tmp_path) == before


def test_a_pipe_among_the_files_of_a_folder_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "part-00000.parquet")
    with pytest.raises(ValueError, match=r"part-00000\.parquet: expected a regular file"):
        open_dataset(tmp_path)


def test_a_conversion_that_ended_meanwhile_is_not_replaced(table, tmp_path, monkeypatch):
    """Another process converts into the folder after it was seen to be empty."""
    folder = tmp_path / "out"
    fingerprint = type(open_dataset(table)).content_fingerprint
    first = True

    def meanwhile(self):
        nonlocal first
        if first:
            first = False
            converted(table, folder, order="sorted")
        return fingerprint(self)

    monkeypatch.setattr(type(open_dataset(table)), "content_fingerprint", meanwhile)
    with pytest.raises(ValueError, match="expected a new folder, but it holds a dataset"):
        converted(table, folder)
    assert dataset_of(folder)[0]["order"] == "sorted"


def test_a_name_taken_in_the_middle_of_the_move_is_not_overwritten(
    table, unbroken, tmp_path, monkeypatch
):
    link = os.link

    def taken(source, target, **options):
        if Path(target).name == "part-00001.parquet":
            Path(target).write_text("mine")
        link(source, target, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", taken)
        with pytest.raises(ValueError, match=r"part-00001\.parquet: expected no such file"):
            converted(table, tmp_path)
    assert (tmp_path / "part-00001.parquet").read_text() == "mine"
    (tmp_path / "part-00001.parquet").rename(tmp_path / "mine")
    converted(table, tmp_path, resume=True)
    assert dataset_of(tmp_path) == unbroken


def test_without_hard_links_the_files_are_moved_too(table, unbroken, tmp_path, monkeypatch):
    def refuse(*names, **options):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    for _ in range(2):
        converted(table, tmp_path, overwrite=True)
        assert dataset_of(tmp_path) == unbroken
        assert len(contents(tmp_path)) == 4


def test_a_folder_that_was_replaced_gets_no_manifest(table, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    append = Journal.append

    def replaced(self, entry):
        append(self, entry)
        if "moving" in entry:
            folder.rename(tmp_path / "moved")
            folder.mkdir()

    monkeypatch.setattr(Journal, "append", replaced)
    with pytest.raises(ValueError, match="was moved, deleted or replaced meanwhile"):
        converted(table, folder)
    assert not contents(folder)


@pytest.fixture(autouse=True)
def all_said(caplog):
    caplog.set_level(logging.WARNING)
