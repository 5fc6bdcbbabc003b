"""Paths, globs, folders, lists and URLs of files."""

from __future__ import annotations

import os
import sys

import fsspec
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from cisreg.data import open_dataset
from cisreg.data.formats.sources import find_files

NAMES = ["b.tsv", "a.tsv", ".hidden.tsv", "deep/c.tsv", "deep/er/d.tsv", "e[1].tsv", "g[1]/x.csv"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in NAMES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("ACGT\t1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def memory():
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    for name in NAMES:
        filesystem.pipe(f"/set/{name}", b"ACGT\t1\n")
    yield filesystem
    filesystem.store.clear()


def names(source, filesystem=None):
    return [file.name for file in find_files(source, filesystem).files]


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("*.tsv", ["a.tsv", "b.tsv", "e[1].tsv"]),
        ("?.tsv", ["a.tsv", "b.tsv"]),
        ("[!a].tsv", ["b.tsv"]),
        ("deep/*.tsv", ["deep/c.tsv"]),
        ("*/*.tsv", ["deep/c.tsv"]),
        ("**/*.tsv", ["a.tsv", "b.tsv", "deep/c.tsv", "deep/er/d.tsv", "e[1].tsv"]),
        ("deep/**/d.tsv", ["deep/er/d.tsv"]),
        (".*.tsv", [".hidden.tsv"]),
        ("e[1].tsv", ["e[1].tsv"]),
        ("g[1]/*.csv", ["g[1]/x.csv"]),
        ("g[1]/[x].csv", ["g[1]/x.csv"]),
        ("[g][[]1]/x.csv", ["g[1]/x.csv"]),
        (["b.tsv", "deep/*.tsv", "a.tsv"], ["a.tsv", "b.tsv", "deep/c.tsv"]),
    ],
)
def test_globs_and_lists_are_sorted_by_name(folder, memory, glob, expected):
    assert names(glob) == expected
    several = [glob] if isinstance(glob, str) else glob
    absolute = [f"{folder}/{name}" for name in expected]
    assert names([f"{folder}/{each}" for each in several]) == absolute
    within = [f"set/{name}" for name in expected]
    assert names([f"set/{each}" for each in several], memory) == within


def test_urls(folder, memory):
    assert names(f"file://{folder}/*.tsv") == [
        f"file://{folder}/{name}" for name in ("a.tsv", "b.tsv", "e[1].tsv")
    ]
    assert names("memory://set/deep/*.tsv") == ["memory://set/deep/c.tsv"]
    memory.pipe("/top.tsv", b"ACGT\t2\n")
    assert names("memory://*.tsv") == ["memory://top.tsv"]
    assert open_dataset("memory://top.tsv").load().expression.tolist() == [2.0]


@pytest.mark.parametrize("wrap", [False, True])
def test_filesystems_of_arrow_and_fsspec(folder, memory, wrap):
    filesystem = pafs.PyFileSystem(pafs.FSSpecHandler(memory)) if wrap else memory
    data = open_dataset("set/*.tsv", filesystem=filesystem)
    assert len(data.load()) == 3
    local = pafs.SubTreeFileSystem(str(folder), pafs.LocalFileSystem())
    assert len(open_dataset("deep/**/*.tsv", filesystem=local).load()) == 2
    assert len(open_dataset("*.tsv", filesystem=pafs.LocalFileSystem()).load()) == 3


def test_parquet_in_memory_is_read_by_group(memory):
    with memory.open("/set/x.parquet", "wb") as file:
        columns = {"sequence": ["AC", "G", "TT"], "expression": [1.0, 2.0, 3.0]}
        pq.write_table(pa.table(columns), file, row_group_size=2)
    data = open_dataset("set", filesystem=memory)
    assert data.files == ("set/x.parquet",)
    assert data.group_rows.tolist() == [2, 1]
    assert data.load().expression.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("none.tsv", FileNotFoundError, "none.tsv: no such file or folder"),
        ("*.csv", FileNotFoundError, r"\*.csv: expected files of such names, got none"),
        (
            "de*",
            FileNotFoundError,
            r"got 1 folder\(s\); add what is in them, as in de\*/\*.parquet",
        ),
        ("nowhere/*.csv", FileNotFoundError, "expected files of such names, got none"),
        ("memory://none.tsv", FileNotFoundError, "memory://none.tsv: no such file"),
        ("deep", ValueError, "deep: expected a folder with Parquet files, got none"),
        ([], ValueError, "source: expected at least one file"),
        ("", ValueError, "source: expected paths"),
        ("unknown://x", ValueError, "unknown://x: expected a URL that pyarrow or fsspec knows"),
        (["a.tsv", "./a.tsv"], ValueError, r"a.tsv: expected every file once"),
        ("/dev/null", ValueError, "/dev/null: expected a file or a pipe, got something else"),
    ],
)
def test_refusals(folder, memory, source, error, message):
    with pytest.raises(error, match=message):
        find_files(source)


def test_refusals_of_filesystems(memory, monkeypatch):
    with pytest.raises(ValueError, match="filesystem: expected one of pyarrow or fsspec, got int"):
        find_files("x", 3)
    with pytest.raises(ValueError, match="s3://x: expected a path within the filesystem"):
        find_files("s3://x", memory)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(ImportError, match=r"memory://x: expected fsspec.*'cisreg\[remote\]'"):
        find_files("memory://x")


def test_one_file_by_two_names_is_refused(folder):
    (folder / "ü x.tsv").write_text("ACGT\t1\n")
    (folder / "link.tsv").symlink_to("ü x.tsv")
    (folder / "hard.tsv").hardlink_to(folder / "ü x.tsv")
    assert names("link.tsv") == ["link.tsv"]
    url = f"file://{folder}/ü x.tsv"
    assert find_files(url).files[0].is_local
    for other in ("link.tsv", "hard.tsv", url):
        with pytest.raises(ValueError, match="expected every file once, got this one twice"):
            find_files(["ü x.tsv", other])


def test_a_path_stays_the_same_file_in_another_folder(folder, monkeypatch):
    data = open_dataset("a.tsv")
    monkeypatch.chdir("/")
    assert len(data.load()) == 1


def test_hidden_and_marker_files_of_a_folder_are_not_read(folder):
    table = pa.table({"sequence": ["AC"], "expression": [1.0]})
    for name in ("b.parquet", "A.PARQUET", "_temporary.parquet", ".c.parquet"):
        pq.write_table(table, folder / name)
    assert names(str(folder)) == [f"{folder}/A.PARQUET", f"{folder}/b.parquet"]
    assert names(f"{folder}/") == [f"{folder}/A.PARQUET", f"{folder}/b.parquet"]


def test_a_name_that_is_not_utf8_is_said(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.tsv")
    try:
        path.write_text("sequence\texpression\nACGT\t1\n")
    except OSError:
        pytest.skip("this file system takes no such names")
    with pytest.raises(ValueError, match="expected a file name in UTF-8; rename the file"):
        open_dataset(path).load()
