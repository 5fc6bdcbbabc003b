"""Damaged datasets: readers give valid rows or an error that names the file, and never crash.

For more examples than usual: CISREG_FUZZ_NEW=1 CISREG_FUZZ_EXAMPLES=100000 pytest tests/fuzz
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from fuzz.damage import damaged, fuzz, reads_or_says
from hypothesis import example, given
from hypothesis import strategies as st

from cisreg.data import Columns, open_dataset, read_dataset
from cisreg.data.formats.manifest import (
    Manifest,
    ManifestFile,
    read_manifest,
    verify,
    write_manifest,
)
from cisreg.data.formats.one_hot import format_one_hot
from cisreg.datasets import read_registry
from cisreg.prepare.reporter_counts import read_reporter_counts

LENGTH = 20
TEXTS = ["ACGTACGTAC", "GGTTNNRYAC", "TTTTTTTTTT", "CAGCAGCAGC"]
TABLE = "sequence\texpression\tweight\n" + "".join(
    f"{text}\t{row + 0.5}\t1\n" for row, text in enumerate(TEXTS)
)
QUOTED = "\ufeffid,Sequence,expression\r\n" + "".join(
    f'"a ""{row}""","{text}",{row}e0\r\n' for row, text in enumerate(TEXTS)
)
BARCODES = "barcode\tname\tdna_count_1\trna_count_1\tdna_count_2\trna_count_2\n" + "".join(
    f"{text}\toligo{row % 2}\t{row}\t{9 * row}\t\t{row}.0\n" for row, text in enumerate(TEXTS)
)
REGISTRY = f"""kind = "cisreg registry"
format_version = 1
[[dataset]]
name = "mpra"
version = "1"
description = "Of a test."
licence = "CC0"
columns = {{ sequence = "x", expression = ["y"] }}
[[dataset.file]]
name = "train.tsv"
url = ["train.tsv", "https://example.org/train.tsv"]
size = 12
sha256 = "{"0" * 64}"
"""
FASTA = "".join(f">record{row} of the run\n{text}\n{text}\n" for row, text in enumerate(TEXTS))
MEASURED = "name\texpression\n" + "".join(f"record{row}\t{row}\n" for row in range(4))
ONE_HOT = format_one_hot(
    np.array([[0, 1, 2, 3], [3, 4, 4, 0], [2, 2, 2, 2]], np.uint8), pa.array(["1", "2", "-3e1"])
)


def compressed_by_gzip(content: bytes) -> bytes:
    # Without a time stamp, the same examples give the same bytes.
    return gzip.compress(content, mtime=0)


def compressed_by_zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


def check_rows(sequence, expression, weight):
    assert sequence.dtype == np.uint8
    assert sequence.max(initial=0) <= 4
    assert np.isfinite(expression).all()
    assert weight is None or (np.isfinite(weight) & (weight >= 0)).all()
    assert len(sequence) == len(expression)


def read_all(source, **options):
    """Reads the file in every way; each way may report that the file is damaged."""
    for strict in (False, True):
        data = open_dataset(source, length=LENGTH, strict=strict, **options)
        data.fingerprint()
        for rows in data.blocks():
            assert set("".join(rows.sequence.to_pylist()).upper()) <= set("ACGTUNRYSWKMBDHV")
            assert "" not in rows.sequence.to_pylist()
        for batch in data.batches(3, bucket_lengths=(5, LENGTH)):
            check_rows(batch.sequence, batch.expression, batch.weight)
        if data.kind == "Parquet":
            for group in range(min(len(data.group_rows), 4)):
                rows, _ = data.read_group(group, np.arange(data.group_rows[group])[::-1].copy())
                check_rows(rows.sequence, rows.expression, rows.weight)
        if data.expression_names:
            loaded = data.load()
            check_rows(loaded.sequence, loaded.expression, loaded.weight)


def try_file(folder, name, content, **options):
    path = folder / name
    path.write_bytes(content)
    reads_or_says(path, lambda: read_all(path, **options))
    reads_or_says(path, lambda: read_dataset(path, LENGTH))
    reads_or_says(path, lambda: open_dataset(path, **options).length)


@fuzz
@given(damaged(TABLE.encode()))
def test_tables(tmp_path, content):
    try_file(tmp_path, "x.tsv", content)


@fuzz
@given(damaged(QUOTED.encode()))
def test_quoted_tables(tmp_path, content):
    try_file(tmp_path, "x.csv", content)


@fuzz
@given(damaged(BARCODES.encode()))
def test_counts_of_barcodes(tmp_path, content):
    path = tmp_path / "x.tsv"
    path.write_bytes(content)

    def read():
        for batch in read_reporter_counts([path]).batches:
            for column in ("dna", "rna"):
                assert min(batch[column].to_pylist(), default=0) >= 0

    reads_or_says(path, read)


@fuzz
@given(damaged(REGISTRY.encode()))
@example(REGISTRY.replace("= 1", "= 0x" + "f" * 5000, 1).encode())
def test_registries(tmp_path, content):
    path = tmp_path / "registry.toml"
    path.write_bytes(content)

    def read():
        for entry in read_registry(path):
            for file in entry.files:
                assert file.name == Path(file.name).name
                assert len(file.sha256) == 64
                assert file.size > 0

    reads_or_says(path, read)


@pytest.mark.parametrize("compress", [compressed_by_gzip, compressed_by_zstd], ids=["gz", "zst"])
@fuzz
@given(data=st.data())
def test_compressed_tables(tmp_path, compress, data):
    # Damage of the content before compression, and of the compressed file.
    content = data.draw(st.one_of(st.just(TABLE.encode()), damaged(TABLE.encode())))
    try_file(tmp_path, "x.tsv.gz", data.draw(damaged(compress(content))))


@fuzz
@given(damaged(ONE_HOT))
def test_one_hot_text(tmp_path, content):
    try_file(tmp_path, "x.ohc", content)


@fuzz
@given(damaged(FASTA.encode()))
def test_fasta(tmp_path, content):
    (tmp_path / "x.tsv").write_text(MEASURED)
    path = tmp_path / "x.fa"
    path.write_bytes(content)
    reads_or_says(path, lambda: read_all(path))
    reads_or_says(path, lambda: read_all(path, measurements=tmp_path / "x.tsv"))


@fuzz
@given(damaged(MEASURED.encode()))
def test_measurements_of_fasta(tmp_path, content):
    (tmp_path / "x.fa").write_text(FASTA)
    table = tmp_path / "x.tsv"
    table.write_bytes(content)
    # The error is about the table, or about the records for which it has no measurements.
    reads_or_says(
        table, lambda: read_all(tmp_path / "x.fa", measurements=table), named=f"{tmp_path}/x."
    )


def parquet_bytes(**options):
    sink = pa.BufferOutputStream()
    columns = {
        "sequence": TEXTS,
        "expression": pa.array([1.0, 2.0, 3.0, 4.0], pa.float32()),
        "weight": [0.5, 1.0, 1.0, 1.0],
    }
    pq.write_table(pa.table(columns), sink, row_group_size=2, **options)
    return sink.getvalue().to_pybytes()


PARQUET = {
    "plain": parquet_bytes(compression="none", use_dictionary=False, store_schema=False),
    "checked": parquet_bytes(compression="zstd", use_dictionary=False, write_page_checksum=True),
    "dictionary": parquet_bytes(compression="snappy"),
    "pages": parquet_bytes(data_page_version="2.0", compression="gzip", data_page_size=1),
    "lengths": parquet_bytes(
        use_dictionary=False, column_encoding={"sequence": "DELTA_LENGTH_BYTE_ARRAY"}
    ),
}


@pytest.mark.parametrize("kind", PARQUET)
@fuzz
@given(data=st.data())
def test_parquet(tmp_path, kind, data):
    try_file(tmp_path, "x.parquet", data.draw(damaged(PARQUET[kind])))


@pytest.mark.parametrize("kind", PARQUET)
@fuzz
@given(data=st.data())
def test_parquet_footers(tmp_path, kind, data):
    # The footer has most of what can go wrong: counts, offsets, sizes, types.
    content = PARQUET[kind]
    length = int.from_bytes(content[-8:-4], "little")
    footer = data.draw(damaged(content[-8 - length : -8]))
    whole = content[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1"
    try_file(tmp_path, "x.parquet", whole)


def make_dataset(folder):
    content = PARQUET["checked"]
    for name in ("a.parquet", "b.parquet"):
        (folder / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    files = [ManifestFile(name, 4, len(content), digest) for name in ("a.parquet", "b.parquet")]
    columns = Columns("sequence", ("expression",), "weight")
    write_manifest(folder, Manifest(8, "shuffled", 10, 10, columns, tuple(files), {"none": 0}))


@fuzz
@given(data=st.data())
def test_manifests(tmp_path, data):
    make_dataset(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    manifest = reads_or_says(tmp_path, lambda: read_manifest(tmp_path))
    if manifest is not None:
        assert {file.name for file in manifest.files} <= {"a.parquet", "b.parquet"}
    reads_or_says(tmp_path, lambda: verify(tmp_path))
    reads_or_says(tmp_path, lambda: read_all(tmp_path))


@fuzz
@given(data=st.data())
def test_files_of_a_manifest(tmp_path, data):
    make_dataset(tmp_path)
    path = tmp_path / "b.parquet"
    content = data.draw(damaged(path.read_bytes()))
    path.write_bytes(content)
    changed = content != PARQUET["checked"]
    verified = reads_or_says(path, lambda: verify(tmp_path))
    assert (verified is None) == changed
    reads_or_says(tmp_path, lambda: read_all(tmp_path))
