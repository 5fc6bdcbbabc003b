"""Signals that come while a temporary file is made or removed leave none behind."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from cisreg import files
from cisreg.delayed_signals import delayed_signals, temporary_folder
from cisreg.files import replace_file

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def exits(number):
    before = signal.signal(number, lambda *words: sys.exit(1))
    try:
        yield
    finally:
        assert signal.signal(number, before) is not before


@contextmanager
def another_thread():
    """One that takes the signals of this process, as those of numpy's libraries do."""
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def sends(number, function, *, first=False):
    """`function`, which a signal to the process follows; or comes before."""

    def result(*words, **options):
        if first:
            os.kill(os.getpid(), number)
        value = function(*words, **options)
        if not first:
            os.kill(os.getpid(), number)
        # Handlers run between the operations of Python.
        for _ in range(1000):
            pass
        return value

    return result


@pytest.mark.parametrize("number", SIGNALS)
def test_a_folder_that_is_made_meanwhile_goes(number, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "mkdtemp", sends(number, tempfile.mkdtemp))
    stopped = pytest.raises(SystemExit)
    with exits(number), another_thread(), stopped, temporary_folder("new-", tmp_path):
        pytest.fail("the signal came before")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_folder_that_is_removed_meanwhile_goes(number, monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "rmtree", sends(number, shutil.rmtree, first=True))
    stopped = pytest.raises(SystemExit)
    with exits(number), another_thread(), stopped, temporary_folder("new-", tmp_path) as folder:
        Path(folder, "file").touch()
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("number", SIGNALS)
def test_a_file_that_is_made_meanwhile_goes(number, monkeypatch, tmp_path):
    opened = os.open
    with exits(number), another_thread(), monkeypatch.context() as patched:
        patched.setattr(files.os, "open", sends(number, opened))
        with pytest.raises(SystemExit), replace_file(tmp_path / "table.txt"):
            pytest.fail("the signal came before")
    assert [*tmp_path.iterdir()] == []


def test_the_handlers_are_there_afterwards_and_the_signal_acts_once():
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    handlers = [signal.getsignal(each) for each in SIGNALS]
    try:
        with delayed_signals():
            with delayed_signals():
                signal.raise_signal(signal.SIGTERM)
                assert came == []
            assert came == []
        assert came == [signal.SIGTERM]
        assert [signal.getsignal(each) for each in SIGNALS] == handlers
    finally:
        signal.signal(signal.SIGTERM, before)


def test_all_handlers_are_back_where_a_signal_comes_meanwhile(monkeypatch):
    """The handler of the first is back, and raises before those of the others are."""
    before = [signal.getsignal(each) for each in SIGNALS]
    with exits(signal.SIGTERM):
        own = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit), delayed_signals():
            set_handler, restored = signal.signal, []

            def interrupted(number, handler):
                result = set_handler(number, handler)
                if not restored:
                    restored.append(number)
                    signal.raise_signal(signal.SIGTERM)
                return result

            monkeypatch.setattr(signal, "signal", interrupted)
        monkeypatch.undo()
        assert restored == [signal.SIGTERM]
        assert [signal.getsignal(each) for each in SIGNALS] == [own, *before[1:]]


def test_who_watches_for_signals_sees_a_delayed_one_once():
    """A second one would end a run that was asked to stop, see `cisreg.processes.watch`."""
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(frame.f_lineno))
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    watched = signal.set_wakeup_fd(writer)
    try:
        with delayed_signals():
            signal.raise_signal(signal.SIGTERM)
        assert os.read(reader, 16) == bytes([signal.SIGTERM])
        assert len(came) == 1
    finally:
        signal.set_wakeup_fd(watched)
        signal.signal(signal.SIGTERM, before)
        os.close(reader)
        os.close(writer)


def test_other_threads_go_on():
    def work():
        with delayed_signals():
            done.append(signal.getsignal(signal.SIGTERM))

    done = []
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [before]


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with delayed_signals():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
