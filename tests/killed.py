"""Kills a process before and after each system call of the writer of files.

Without TensorFlow, so that a fork takes a millisecond: `python -m killed FOLDER` runs the scenarios
of `test_killed_writer.py` that need none.
"""

from __future__ import annotations

import io
import itertools
import os
import re
import signal
import sys
import traceback
from pathlib import Path

from cisreg.files import append_to_file, publish_together, replace_file

# Functions that change something on the disk. `os.fsync` and `os.close` change nothing that is
# seen, but they are system calls of the writer.
CALLS = (
    *("open", "write", "flush", "close", "fsync", "link", "unlink", "rename", "replace", "mkdir"),
    *("truncate", "ftruncate", "pwrite", "flock"),
)
OLD, NEW = b"old\n" * 3, b"new content\n" * 1_000
OTHER = NEW[::-1]
OWN = re.compile(r"[a-z.]+\.[0-9a-f]{16}\.(partial|old)")
MINE = {"x.partial": b"mine", "x.0123456789abcdef.partial": b"mine too", "notes": b"notes"}


def kill_everywhere(prepare, work, check, calls=CALLS):
    """Runs `work` again and again, killed one moment later each time, until it is not killed.

    Args:
        prepare: called before each run; returns the argument of the others.
        work: called in a process of its own, a fork.
        check: called after each run, with a second argument that says where it was killed, or
            "not killed".
        calls: before and after which functions it is killed.

    Returns:
        The moments, such as "before fsync" and "after fsync".
    """
    moments = []
    while True:
        given = prepare()
        moment = _run(work, given, len(moments), calls)
        check(given, moment)
        if moment == "not killed":
            return moments
        moments.append(moment)
        assert len(moments) < 1000


def _run(work, given, survived, calls):
    """Runs `work` in a fork that dies after `survived` moments; returns where it died."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _die_later(writing, survived, calls)
            work(given)
            sys.setprofile(None)
            os.write(writing, b"not killed")
        except BaseException:
            sys.setprofile(None)
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as report:
        moment = report.read().decode()
    _, status = os.waitpid(child, 0)
    assert moment, "the writer failed"
    assert os.WIFSIGNALED(status) == (moment != "not killed")
    return moment


def _die_later(report, survived, calls):
    left = survived
    write, kill, process = os.write, os.kill, os.getpid()

    def observe(frame, event, function):
        nonlocal left
        if not event.startswith("c_") or not _is_one_of(function, calls):
            return
        if left == 0:
            sys.setprofile(None)
            when = "before" if event == "c_call" else "after"
            write(report, f"{when} {function.__name__}".encode())
            kill(process, signal.SIGKILL)
        left -= 1

    sys.setprofile(observe)


def _is_one_of(function, calls):
    owner = getattr(function, "__self__", None)
    belongs = getattr(owner, "__name__", "") in (os.name, "fcntl") or isinstance(owner, io.IOBase)
    return belongs and function.__name__ in calls


def content(path):
    return path.read_bytes() if path.exists() else None


def write_new(path, overwrite, new=NEW):
    with replace_file(path, overwrite=overwrite) as file:
        file.write(new)


def new_folders(parent, old, names):
    """A function that makes a folder with files of the user, and the old files, at each call."""
    numbers = itertools.count()

    def make():
        folder = parent / f"{'old' if old else 'empty'}{next(numbers)}"
        folder.mkdir(parents=True)
        files = {**MINE, **(dict.fromkeys(names, OLD) if old else {})}
        for name, text in files.items():
            (folder / name).write_bytes(text)
        return folder

    return make


def check_mine(folder, names):
    """What the user has is as it was, and what else there is has a temporary name of the writer."""
    for name, text in MINE.items():
        assert (folder / name).read_bytes() == text
    for path in folder.iterdir():
        assert path.name in {*MINE, *names} or OWN.fullmatch(path.name), path.name


def one_file(parent, old, overwrite):
    """The old file or the new one is whole, and the new one is there from one moment on."""
    seen = []

    def check(folder, moment):
        found = content(folder / "x")
        assert found in (OLD if old else None, NEW), moment
        check_mine(folder, ["x"])
        seen.append(found == NEW)
        write_new(folder / "x", found is not None)
        assert content(folder / "x") == NEW

    def work(folder):
        write_new(folder / "x", overwrite)

    moments = kill_everywhere(new_folders(parent, old, ["x"]), work, check)
    assert seen == sorted(seen)
    assert True in seen and False in seen
    publish = ("replace",) if overwrite else ("link", "unlink")
    for call in ("open", "write", "flush", "fsync", "close", *publish):
        assert {f"before {call}", f"after {call}"} <= {*moments}, (call, moments)
    # On the disk before it has its name.
    assert moments.index("after fsync") < moments.index(f"before {publish[0]}")


def a_set(parent, old):
    """All files are of one set; no file is lost."""

    def work(folder):
        with publish_together([folder / "stale"]):
            write_new(folder / "x", old)
            write_new(folder / "y", old, OTHER)

    def check(folder, moment):
        found = [content(folder / name) for name in ("x", "y", "stale")]
        check_mine(folder, ["x", "y", "stale"])
        before = [OLD if old else None] * 3
        if NEW in found or OTHER in found:
            assert found[0] in (NEW, None) and found[1] in (OTHER, None), moment
            assert found[2] is None, moment
        if found != before:
            # What has not its name yet has its temporary one.
            there = [path.read_bytes() for path in folder.iterdir()]
            assert {NEW, OTHER} <= {*there}, moment
            # Old files go when all new ones have their names.
            assert found[:2] == [NEW, OTHER] or there.count(OLD) == (3 if old else 0), moment
        assert moment != "not killed" or found == [NEW, OTHER, None]

    # The files themselves are written as in the other scenarios.
    calls = ("fsync", "link", "unlink", "rename", "replace", "flock")
    moments = kill_everywhere(new_folders(parent, old, ["x", "y", "stale"]), work, check, calls)
    named = ("rename", "unlink", "replace") if old else ("link", "unlink")
    for call in ("fsync", "flock", *named):
        assert f"before {call}" in moments, (call, moments)


def lines(parent):
    """A line that is appended is there or not; those before it stay."""

    def check(folder, moment):
        assert content(folder / "x") in (OLD, OLD + NEW), moment
        check_mine(folder, ["x"])

    make = new_folders(parent, True, ["x"])
    kill_everywhere(make, lambda folder: append_to_file(folder / "x", NEW), check)


SCENARIOS = {
    "one file, new": lambda folder: one_file(folder, old=False, overwrite=False),
    "one file, new, may be replaced": lambda folder: one_file(folder, old=False, overwrite=True),
    "one file, replaced": lambda folder: one_file(folder, old=True, overwrite=True),
    "a set, new": lambda folder: a_set(folder, old=False),
    "a set, replaced": lambda folder: a_set(folder, old=True),
    "lines": lines,
}

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]](Path(sys.argv[2]))
