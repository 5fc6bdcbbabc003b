"""Streams: compression is recognised by content; files are written completely or not at all."""

from __future__ import annotations

import bz2
import gzip
import io
import random
import sys

import pytest
import zstandard

from cisreg.streams import bounded, open_input, open_output

RANDOM = random.Random(1)
TEXT = b"".join(b"%d\tACGT\n" % RANDOM.randrange(10**9) for _ in range(50_000))
COMPRESS = {
    "plain": lambda text: text,
    "gzip": gzip.compress,
    "members": lambda text: gzip.compress(text[:1000]) + gzip.compress(text[1000:]),
    "bz2": bz2.compress,
    "zstd": zstandard.compress,
    "frames": lambda text: zstandard.compress(text[:1000]) + zstandard.compress(text[1000:]),
}


@pytest.mark.parametrize("name", ["reads.txt", "reads.gz"])
@pytest.mark.parametrize("compression", COMPRESS)
def test_the_content_tells_the_compression(tmp_path, compression, name):
    path = tmp_path / name
    path.write_bytes(COMPRESS[compression](TEXT))
    with open_input(path) as stream:
        assert stream.readline() == TEXT[: TEXT.index(b"\n") + 1]
        assert stream.read() == TEXT[TEXT.index(b"\n") + 1 :]


def test_an_empty_file(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    with open_input(tmp_path / "empty") as stream:
        assert stream.read() == b""


def test_standard_input(monkeypatch):
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(gzip.compress(TEXT))))
    monkeypatch.setattr(sys, "stdin", stdin)
    with open_input("-") as stream:
        assert stream.read() == TEXT


@pytest.mark.parametrize("compression", ["gzip", "members", "bz2", "zstd", "frames"])
def test_a_cut_file_is_an_error(tmp_path, compression):
    path = tmp_path / "cut.gz"
    path.write_bytes(COMPRESS[compression](TEXT)[:-2000])
    with open_input(path) as stream, pytest.raises(ValueError, match=r"cut\.gz: cannot be decom"):
        stream.read()


def test_no_such_file(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="missing: no such file"),
        open_input(tmp_path / "missing"),
    ):
        pass


@pytest.mark.parametrize("name", ["out.txt", "out.txt.gz", "out.txt.zst"])
def test_what_was_written_is_read(tmp_path, name):
    with open_output(tmp_path / name) as stream:
        stream.write(TEXT)
    with open_input(tmp_path / name) as stream:
        assert stream.read() == TEXT
    assert ((tmp_path / name).stat().st_size < len(TEXT)) == (name != "out.txt")


@pytest.mark.parametrize("name", ["out.txt", "out.txt.gz", "out.txt.zst"])
def test_an_error_leaves_what_was_there(tmp_path, name):
    (tmp_path / name).write_bytes(b"before")
    with pytest.raises(RuntimeError), open_output(tmp_path / name, overwrite=True) as stream:
        stream.write(TEXT)
        raise RuntimeError
    assert (tmp_path / name).read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_standard_output(capfdbinary):
    with open_output("-") as stream:
        stream.write(b"ACGT\n")
    assert capfdbinary.readouterr().out == b"ACGT\n"


def test_lines(tmp_path):
    path = tmp_path / "lines.gz"
    path.write_bytes(gzip.compress(TEXT + b"\n\nlast"))
    with open_input(path) as stream:
        lines = list(stream)
    assert lines == [*TEXT.splitlines(keepends=True), b"\n", b"\n", b"last"]


@pytest.mark.parametrize("block", [1, 2, 3, 5, 64])
@pytest.mark.parametrize(
    ("text", "line", "record"),
    [
        (b"", None, None),
        (b">ACG\n>AC\n", None, None),
        (b">ACGT\n>ACGT\n>ACGT", None, None),
        (b">A\nAC\n>ACGTA\n", 3, None),
        (b">ACGTAC", 1, 1),
        (b">\n>ACG\n>ACGTACG", 3, 3),
        (b">A\nC\n>A\nC\nG\nT\n>A\n", None, 3),
        (b">A\nC\n\n\n\n\n", None, 1),
        (b"\n\n\n>A\n", None, None),
    ],
)
def test_text_without_end_is_found_wherever_blocks_end(text, line, record, block, monkeypatch):
    """Limits of 5 bytes, and blocks that end at any place of marks."""
    monkeypatch.setattr("cisreg.streams._BLOCK", block)
    for what, mark, place in (("line", b"\n", line), ("record", b"\n>", record)):
        stream = bounded(io.BytesIO(text), "x", what, 5, mark)
        if place is None:
            assert stream.read() == text
        else:
            with pytest.raises(ValueError, match=f"x:{place}: expected a {what} of 5 bytes at"):
                stream.read()


def test_a_line_without_end_is_said(tmp_path):
    path = tmp_path / "lines.gz"
    for more, message in ((0, None), (1, r"lines.gz:2: expected a line of 16,777,216 bytes")):
        path.write_bytes(gzip.compress(b"ACGT\n" + b"A" * (2**24 + more), compresslevel=1))
        with open_input(path) as stream:
            if message is None:
                assert len(list(stream)) == 2
            else:
                with pytest.raises(ValueError, match=message):
                    list(stream)
