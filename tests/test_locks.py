"""Locks on folders."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys

import pytest

from cisreg.files import append_to_file, replace_file
from cisreg.locks import check_lock_file, check_locks, hold_folder, hold_result_folder


def test_a_folder_is_held_by_one_process_until_it_ends(tmp_path):
    script = (
        "import sys, time\n"
        "from cisreg.locks import hold_folder\n"
        "with hold_folder(sys.argv[1]):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(1000)\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "run")], stdout=subprocess.PIPE
    )
    assert other.stdout.readline() == b"held\n"
    with (
        pytest.raises(ValueError, match=f"run: expected a folder .* process {other.pid} does"),
        hold_folder(tmp_path / "run"),
    ):
        pass
    os.kill(other.pid, signal.SIGKILL)
    other.communicate()
    with hold_folder(tmp_path / "run"):
        pass
    with hold_folder(tmp_path / "run"):
        pass


def test_one_process_holds_a_folder_once(tmp_path):
    with (
        hold_folder(tmp_path / "run"),
        pytest.raises(ValueError, match=f"process {os.getpid()} does"),
        hold_folder(tmp_path / "run"),
    ):
        pass


def test_the_same_folder_through_a_link_is_held_too(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    with (
        hold_folder(tmp_path / "link"),
        pytest.raises(ValueError, match="no other process"),
        hold_folder(tmp_path / "run"),
    ):
        pass


def test_a_lock_file_that_is_deleted_lets_nobody_in(tmp_path):
    with hold_folder(tmp_path):
        (tmp_path / ".lock").unlink()
        with pytest.raises(ValueError, match="of unknown number"), hold_folder(tmp_path):
            pass
        with replace_file(tmp_path / "x") as file:
            file.write(b"new")
    assert (tmp_path / "x").read_bytes() == b"new"


@pytest.fixture
def folders_cannot_be_locked(monkeypatch):
    """As on network file systems, which lock files alone."""
    flock = fcntl.flock

    def only_files(handle, operation):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", only_files)


def test_where_folders_cannot_be_locked_the_file_is(tmp_path, folders_cannot_be_locked):
    with (
        hold_folder(tmp_path),
        pytest.raises(ValueError, match=f"process {os.getpid()} does"),
        hold_folder(tmp_path),
    ):
        pass


def test_nothing_is_written_once_such_a_lock_is_gone(tmp_path, folders_cannot_be_locked):
    with hold_folder(tmp_path):
        (tmp_path / ".lock").unlink()
        with pytest.raises(ValueError, match="deleted or replaced"), replace_file(tmp_path / "x"):
            pass
        with hold_folder(tmp_path):
            pass
        with pytest.raises(ValueError, match="deleted or replaced"):
            append_to_file(tmp_path / "y", b"line")
    assert [entry.name for entry in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize("through_link", [False, True])
def test_nothing_is_written_into_a_folder_that_took_the_place(tmp_path, through_link):
    run = tmp_path / "run"
    (tmp_path / "first").mkdir()
    if through_link:
        run.symlink_to("first")
    else:
        (tmp_path / "first").rename(run)
    with hold_folder(run):
        run.unlink() if through_link else run.rename(tmp_path / "moved")
        run.mkdir()
        with pytest.raises(ValueError, match="moved, deleted or replaced"), replace_file(run / "x"):
            pass
        with pytest.raises(ValueError, match="moved, deleted or replaced"):
            append_to_file(run / "x", b"line")
        (run / "within").mkdir()
        with pytest.raises(ValueError, match="moved, deleted or replaced"):
            check_locks(run / "within")
    assert sorted(path.name for path in run.iterdir()) == ["within"]


def plant_link(path):
    path.symlink_to("precious")


def plant_link_to_nothing(path):
    path.symlink_to("nothing")


def plant_hard_link(path):
    os.link(path.parent / "number", path)


def plant_pipe(path):
    os.mkfifo(path)


def plant_folder(path):
    path.mkdir()


def plant_file(path):
    path.write_bytes(b"precious")


def plant_long_number(path):
    path.write_bytes(b"1" * 100 + b"\n")


@pytest.mark.parametrize(
    "plant",
    [
        *(plant_link, plant_link_to_nothing, plant_hard_link, plant_pipe, plant_folder),
        *(plant_file, plant_long_number),
    ],
)
def test_what_is_no_lock_file_is_refused_and_stays(tmp_path, plant):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "number").write_bytes(b"123\n")
    plant(tmp_path / ".lock")
    names = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"\.lock: expected a lock file"), hold_folder(tmp_path):
        pass
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (tmp_path / "number").read_bytes() == b"123\n"
    assert sorted(tmp_path.iterdir()) == names


def test_a_lock_file_of_another_user_is_said_before_the_work(tmp_path, monkeypatch):
    check_lock_file(tmp_path)
    check_lock_file(tmp_path / "missing")
    (tmp_path / ".lock").write_bytes(b"123\n")
    real = os.open

    def refuse(path, flags, *mode):
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)
    for check in (check_lock_file, lambda folder: hold_folder(folder).__enter__()):
        with pytest.raises(PermissionError, match="got one of another user; delete it if no run"):
            check(tmp_path)
    assert (tmp_path / ".lock").read_bytes() == b"123\n"


def test_a_link_that_leads_nowhere_is_no_folder(tmp_path):
    (tmp_path / "run").symlink_to("nothing")
    with pytest.raises(FileExistsError, match="leads nowhere"), hold_folder(tmp_path / "run"):
        pass


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(FileExistsError), hold_folder(tmp_path / "x"):
        pass


def test_a_folder_that_is_replaced_while_it_is_locked_is_not_held(tmp_path, monkeypatch):
    path = tmp_path / "run"
    path.mkdir()
    lock = fcntl.flock

    def lock_late(handle, operation):
        if not (tmp_path / "moved").exists():
            path.rename(tmp_path / "moved")
            path.mkdir()
        lock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    with pytest.raises(ValueError, match="was moved, deleted or replaced"), hold_folder(path):
        pass


def test_a_full_disk_is_said_with_the_lock_file(tmp_path, monkeypatch):
    def write(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", write)
    with pytest.raises(OSError, match="No space left") as caught, hold_folder(tmp_path / "run"):
        pass
    assert caught.value.filename == str(tmp_path / "run" / ".lock")


@pytest.mark.parametrize("fails", [False, True])
def test_no_lock_file_is_left_in_a_folder_that_is_a_result(tmp_path, fails):
    """Somebody else who may write there could not lock it."""
    with contextlib.suppress(ZeroDivisionError), hold_result_folder(tmp_path / "data"):
        with pytest.raises(ValueError, match="no other process"), hold_folder(tmp_path / "data"):
            pass
        (tmp_path / "data" / "x").write_text("")
        assert 1 / (not fails)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["x"]
