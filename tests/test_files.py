"""Files that are replaced as a whole."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest

from cisreg.files import hold_folder, replace_file


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


def test_a_folder_is_held_by_one_process_until_it_ends(tmp_path):
    script = (
        "import sys, time\n"
        "from cisreg.files import hold_folder\n"
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
