"""Manifests of datasets: written, read, and checked against the files that they list."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cisreg.data import Columns
from cisreg.data.formats.manifest import (
    Manifest,
    ManifestFile,
    read_manifest,
    verify,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path):
    files = []
    for number, texts in enumerate((["ACG", "T"], ["GG"])):
        path = tmp_path / f"part-{number:05}.parquet"
        columns = {"sequence": texts, "expression": pa.array([1.0] * len(texts), pa.float32())}
        pq.write_table(pa.table(columns), path)
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        files.append(ManifestFile(path.name, len(texts), len(content), digest))
    columns = Columns("sequence", ("expression",), weight=False)
    write_manifest(
        tmp_path,
        Manifest(3, "kept", 3, 1, columns, tuple(files), {"an empty sequence": 2}),
    )
    return tmp_path


def change(folder, **fields):
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content.update(fields)
    path.write_text(json.dumps(content))


def change_file(folder, **fields):
    content = json.loads((folder / "manifest.json").read_text())
    content["files"][0].update(fields)
    change(folder, files=content["files"])


def test_what_is_written_is_read(folder):
    manifest = read_manifest(folder)
    assert (manifest.rows, manifest.order, manifest.longest, manifest.shortest) == (3, "kept", 3, 1)
    assert manifest.columns == Columns("sequence", ("expression",), weight=False)
    assert manifest.unusable == {"an empty sequence": 2}
    assert [(file.name, file.rows) for file in manifest.files] == [
        ("part-00000.parquet", 2),
        ("part-00001.parquet", 1),
    ]
    assert verify(folder) == manifest
    assert list(folder.glob("*.partial")) == []
    written = json.loads((folder / "manifest.json").read_text())
    assert written["format_version"] == 1
    assert written["kind"] == "cisreg dataset"
    assert written["columns"] == {
        "sequence": "sequence",
        "expression": ["expression"],
        "weight": None,
    }
    write_manifest(folder, replace(manifest, order="sorted"))
    assert read_manifest(folder).order == "sorted"


@pytest.mark.parametrize(
    "name", ["../part", "/etc/passwd", "a/b", "..", ".", "", "a\\b", "c:part", "nul\0"]
)
def test_names_that_are_not_of_the_folder_itself(folder, name):
    change_file(folder, name=name)
    with pytest.raises(ValueError, match=r"manifest.json: name: expected that of a file in the"):
        read_manifest(folder)


def test_a_link_out_of_the_folder(folder, tmp_path_factory):
    part = folder / "part-00000.parquet"
    outside = tmp_path_factory.mktemp("outside") / part.name
    part.rename(outside)
    part.symlink_to(outside)
    with pytest.raises(ValueError, match=r"part-00000.parquet: expected a file of the folder its"):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format_version": 2}, r"format_version: expected 1, got 2; a later cisreg may read it"),
        ({"format_version": True}, "format_version: expected 1, got True"),
        ({"kind": "other"}, "kind: expected 'cisreg dataset', got 'other'"),
        ({"rows": 4}, "rows: expected those of its files, 3, got 4"),
        ({"rows": "3"}, "rows: expected int, got '3'"),
        ({"rows": 3.0}, "rows: expected int, got 3.0"),
        ({"rows": True}, "rows: expected int, got True"),
        ({"rows": 10**30}, "rows: expected a number of 0 or more"),
        ({"longest": -1}, "longest: expected a number of 0 or more, got -1"),
        ({"shortest": 4}, "shortest: expected at most the longest, 3, got 4"),
        ({"order": "random"}, "order: expected one of"),
        ({"order": ["kept"]}, "order: expected str"),
        ({"columns": []}, "columns: expected dict"),
        ({"columns": {"expression": []}}, "sequence: expected such a field, got none"),
        ({"columns": {"sequence": "a", "expression": [1]}}, "columns: expression: expected str"),
        ({"columns": {"sequence": "a", "expression": ["a"]}}, "columns: expected another column"),
        ({"files": {}}, "files: expected list"),
        ({"files": [1]}, "files: expected dict, got 1"),
        ({"files": []}, "rows: expected those of its files, 0, got 3"),
        ({"unusable": {"x": -1}}, "unusable: x: expected a number of 0 or more"),
    ],
)
def test_fields_that_no_manifest_has(folder, fields, message):
    change(folder, **fields)
    with pytest.raises(ValueError, match=rf"manifest.json: {message}"):
        read_manifest(folder)


def test_a_name_that_is_there_twice(folder):
    content = json.loads((folder / "manifest.json").read_text())
    change(folder, files=[content["files"][0]] * 2, rows=4)
    with pytest.raises(ValueError, match="files: expected every name once"):
        read_manifest(folder)


@pytest.mark.parametrize("digest", ["0" * 63, "0" * 65, "G" + "0" * 63, "A" * 64, 5])
def test_checksums_that_are_none(folder, digest):
    change_file(folder, sha256=digest)
    with pytest.raises(ValueError, match=r"part-00000.parquet: sha256|sha256: expected str"):
        read_manifest(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"[]", b"NaN"])
def test_text_that_is_no_manifest(folder, content):
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"manifest\.json: "):
        read_manifest(folder)


def test_a_field_that_is_there_twice(folder):
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"rows": 3', '"rows": 9, "rows": 3'))
    with pytest.raises(ValueError, match=r"manifest\.json: expected JSON.*got 'rows' twice"):
        read_manifest(folder)


def test_files_that_are_not_as_stated(folder):
    part = folder / "part-00001.parquet"
    content = part.read_bytes()
    part.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"part-00001.parquet: expected a file of \d+ bytes as in"):
        read_manifest(folder)
    part.write_bytes(content[:4] + bytes([content[4] ^ 1]) + content[5:])
    read_manifest(folder)
    with pytest.raises(ValueError, match=r"part-00001.parquet: expected the checksum .* copy it"):
        verify(folder)
    part.write_bytes(content)
    change_file(folder, rows=1)
    change(folder, rows=2)
    with pytest.raises(ValueError, match=r"part-00000.parquet: expected 1 rows as in .*, got 2"):
        read_manifest(folder)
    part.unlink()
    with pytest.raises(FileNotFoundError, match=r"part-00001.parquet: no such file, but manifest"):
        read_manifest(folder)


def test_a_folder_without_manifest(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"manifest.json: no such file; a folder that"):
        read_manifest(tmp_path)


def test_a_manifest_too_large_to_be_one(folder):
    with (folder / "manifest.json").open("wb") as file:
        file.truncate(1 << 27)
    with pytest.raises(ValueError, match=r"manifest.json: expected a manifest of at most"):
        read_manifest(folder)
