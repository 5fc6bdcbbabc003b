"""Files that are replaced as a whole."""

from __future__ import annotations

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


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(error), replace_file(path) as file:
        file.write(b"half of")
        raise error
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]
