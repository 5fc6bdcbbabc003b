"""Files that are replaced as a whole."""

from __future__ import annotations

import errno

import pytest

from cisreg.files import replace_file


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
