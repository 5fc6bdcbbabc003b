"""Files that are replaced as a whole."""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
import sys

import pytest

from cisreg.file_checks import check_output
from cisreg.files import (
    append_to_file,
    open_regular_file,
    read_regular_file,
    remove_leftovers,
    replace_file,
)
from cisreg.locks import hold_folder


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "x"
    for content in (b"first", b"second"):
        with replace_file(path) as file:
            file.write(content)
        assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with replace_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_errors_of_the_disk_name_the_path_asked_for(tmp_path):
    missing = tmp_path / "folder" / "x"
    with pytest.raises(FileNotFoundError) as caught, replace_file(missing):
        pass
    assert caught.value.filename == str(missing)
    full = tmp_path / "x"
    with pytest.raises(OSError, match="No space") as caught, replace_file(full):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(full)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(error), replace_file(path) as file:
        file.write(b"half of")
        raise error
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_a_write_that_the_system_refuses_leaves_the_old_file(tmp_path):
    """A limit on the size of files simulates a full disk."""
    path = tmp_path / "x"
    path.write_bytes(b"old")
    script = (
        "import resource, signal, sys\n"
        "from cisreg.files import replace_file\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with replace_file(sys.argv[1]) as file:\n"
        "    file.write(bytes(2000))\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    assert process.returncode == 1
    assert f"File too large: '{path}'" in process.stderr
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_a_name_that_is_too_long_is_one_error(tmp_path):
    path = tmp_path / ("x" * 300)
    with pytest.raises(OSError, match="name too long") as caught, replace_file(path):
        pass
    assert caught.value.filename == str(path)
    assert caught.value.__context__ is None


def partials(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(".partial"))


def test_two_writers_of_one_path_never_mix(tmp_path):
    path = tmp_path / "x"
    with replace_file(path) as one, replace_file(path) as other:
        one.write(b"1" * 100_000)
        other.write(b"2")
        assert len(partials(tmp_path)) == 2
    assert path.read_bytes() == b"1" * 100_000
    assert partials(tmp_path) == []


def test_the_mode_is_that_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with replace_file(tmp_path / "x"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_without_overwrite_a_file_that_exists_stays(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError, match="--overwrite"), replace_file(path, overwrite=False):
        raise AssertionError("not reached")
    assert path.read_bytes() == b"old"


def test_without_overwrite_a_file_made_meanwhile_stays_and_the_work_is_kept(tmp_path):
    path = tmp_path / "x"
    with (
        pytest.raises(FileExistsError, match="meanwhile") as caught,
        replace_file(path, overwrite=False) as file,
    ):
        file.write(b"work of hours")
        path.write_bytes(b"another's")
    assert path.read_bytes() == b"another's"
    (kept,) = partials(tmp_path)
    assert str(tmp_path / kept) in str(caught.value)
    assert (tmp_path / kept).read_bytes() == b"work of hours"


def test_a_file_that_did_not_become_whole_gets_another_name(tmp_path):
    path, other = tmp_path / "file", tmp_path / "part"
    path.write_text("mine")
    with replace_file(path, instead=lambda: other) as file:
        file.write(b"half")
    assert (path.read_text(), other.read_text()) == ("mine", "half")
    with replace_file(path, instead=lambda: None) as file:
        file.write(b"all")
    assert path.read_text() == "all"
    # Whatever has the other name stays.
    with pytest.raises(FileExistsError), replace_file(path, instead=lambda: other) as file:
        file.write(b"a quarter")
    (kept,) = tmp_path.glob("*.partial")
    assert (other.read_text(), kept.read_text()) == ("half", "a quarter")


def test_without_hard_links_a_new_file_is_renamed(tmp_path, monkeypatch):
    def refuse(*names):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "x"
    with replace_file(path, overwrite=False) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    with pytest.raises(FileExistsError), replace_file(tmp_path / "y", overwrite=False) as file:
        (tmp_path / "y").write_bytes(b"another's")
    assert (tmp_path / "y").read_bytes() == b"another's"


def test_a_link_that_was_made_but_reported_as_an_error_is_no_error(tmp_path, monkeypatch):
    """NFS repeats requests whose answer was lost."""
    link = os.link

    def link_twice(*names):
        link(*names)
        link(*names)

    monkeypatch.setattr(os, "link", link_twice)
    with replace_file(tmp_path / "x", overwrite=False) as file:
        file.write(b"new")
    assert (tmp_path / "x").read_bytes() == b"new"
    assert partials(tmp_path) == []


@pytest.mark.parametrize("target", ["file", "nothing"])
def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path, target):
    (tmp_path / "file").write_bytes(b"precious")
    path = tmp_path / "x"
    path.symlink_to(target)
    with pytest.raises(FileExistsError), replace_file(path, overwrite=False):
        pass
    with replace_file(path) as file:
        file.write(b"new")
    assert not path.is_symlink()
    assert path.read_bytes() == b"new"
    assert (tmp_path / "file").read_bytes() == b"precious"
    assert not (tmp_path / "nothing").exists()


def make_pipe(path):
    os.mkfifo(path)


def make_folder(path):
    path.mkdir()


def make_link_to_device(path):
    path.symlink_to(os.devnull)


SPECIAL = pytest.mark.parametrize(
    ("make", "kind"),
    [(make_pipe, "a named pipe"), (make_folder, "a folder"), (make_link_to_device, "a device")],
    ids=lambda value: getattr(value, "__name__", ""),
)


@SPECIAL
def test_what_is_no_regular_file_is_refused_and_stays(tmp_path, make, kind):
    path = tmp_path / "x"
    make(path)
    before = path.lstat()
    for attempt in (
        lambda: replace_file(path).__enter__(),
        lambda: check_output(path, overwrite=True),
        lambda: open_regular_file(path),
        lambda: read_regular_file(path),
    ):
        with pytest.raises(ValueError, match=f"expected a regular file, got {kind}"):
            attempt()
    with pytest.raises(ValueError, match="expected a regular file, got a"):
        append_to_file(path, b"line")
    assert path.lstat().st_ino == before.st_ino
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_a_finished_file_that_cannot_get_its_name_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "x"
    with (
        pytest.raises(ValueError, match="what was written is in") as caught,
        replace_file(path) as file,
    ):
        file.write(b"hours of work")
        path.mkdir()
    (partial,) = partials(tmp_path)
    assert partial in str(caught.value)
    assert (tmp_path / partial).read_bytes() == b"hours of work"

    # As in a folder like /tmp, where only its owner may replace a file.
    def refuse(own, target):
        raise PermissionError(errno.EPERM, "Operation not permitted", str(own), None, str(target))

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(PermissionError) as caught, replace_file(tmp_path / "y") as file:
        file.write(b"more")
    (_, partial) = partials(tmp_path)
    assert partial in caught.value.strerror
    assert caught.value.filename == str(tmp_path / "y")
    assert (tmp_path / partial).read_bytes() == b"more"


def test_a_folder_as_output_is_said_with_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="got a folder; name a file in it"):
        check_output(tmp_path)


def test_a_planted_temporary_name_is_neither_used_nor_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 2 * count)
    (tmp_path / "precious").write_bytes(b"precious")
    planted = tmp_path / f"x.{'0' * 16}.partial"
    planted.symlink_to("precious")
    with pytest.raises(FileExistsError), replace_file(tmp_path / "x"):
        pass
    assert planted.is_symlink()
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_temporary_file_that_was_replaced_is_neither_published_nor_removed(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="was replaced"), replace_file(path) as file:
        file.write(b"new")
        (partial,) = partials(tmp_path)
        (tmp_path / partial).unlink()
        (tmp_path / partial).write_bytes(b"another's")
    assert path.read_bytes() == b"old"
    assert (tmp_path / partial).read_bytes() == b"another's"


def test_files_of_the_user_that_look_like_ours_stay(tmp_path):
    (tmp_path / "x.partial").write_bytes(b"mine")
    with replace_file(tmp_path / "x") as file:
        file.write(b"new")
    assert (tmp_path / "x.partial").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127])
def test_the_longest_names_can_be_written(tmp_path, name):
    with replace_file(tmp_path / name) as file:
        file.write(b"new")
    assert (tmp_path / name).read_bytes() == b"new"


def test_lines_are_appended(tmp_path):
    path = tmp_path / "x"
    append_to_file(path, b"1\n")
    append_to_file(path, b"2\n")
    assert path.read_bytes() == b"1\n2\n"


def test_nothing_is_appended_through_a_link(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "x").symlink_to("precious")
    with pytest.raises(ValueError, match="expected a regular file, got a link"):
        append_to_file(tmp_path / "x", b"line")
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_regular_file_is_read_through_a_link(tmp_path):
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "x").symlink_to("file")
    assert read_regular_file(tmp_path / "x") == b"text"


def test_an_output_that_is_an_input_is_refused_by_any_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "table.tsv"
    table.write_bytes(b"measurements")
    (tmp_path / "link").symlink_to(table)
    os.link(table, tmp_path / "hard")
    (tmp_path / "folder").mkdir()
    for name in ("table.tsv", "link", "hard", "folder/../table.tsv", table):
        with pytest.raises(ValueError, match="none of the inputs"):
            check_output(name, inputs=["s3://bucket/file", "missing", table], overwrite=True)
    check_output("table.tsv", inputs=["s3://bucket/file", "missing"], overwrite=True)


def test_the_output_of_a_command_is_checked_before_its_work(tmp_path):
    check_output("-", inputs=["-"])
    check_output(tmp_path / "new")
    (tmp_path / "old").touch()
    check_output(tmp_path / "old", overwrite=True)
    with pytest.raises(FileExistsError, match="--overwrite"):
        check_output(tmp_path / "old")
    with pytest.raises(FileNotFoundError, match=r"expected an existing folder .*missing"):
        check_output(tmp_path / "missing" / "x")


def test_leftovers_are_removed_by_who_holds_the_folder_alone(tmp_path):
    leftover, other = f"x.{'0' * 16}.partial", f"y.{'0' * 16}.partial"
    for name in (leftover, other, "x.partial"):
        (tmp_path / name).touch()
    (tmp_path / f"x.{'1' * 16}.partial").symlink_to("x.partial")
    remove_leftovers(tmp_path, re.compile("x"))
    assert leftover in partials(tmp_path)
    with hold_folder(tmp_path):
        remove_leftovers(tmp_path, re.compile("x"))
    assert partials(tmp_path) == ["x." + "1" * 16 + ".partial", "x.partial", other]
