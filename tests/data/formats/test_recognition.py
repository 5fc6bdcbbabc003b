"""Files of other formats, and tables in other styles: errors name them, none is misread."""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import pickle
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pytest

from cisreg.data import Columns, open_dataset, read_dataset
from cisreg.streams import decompressed, open_input

ROWS = b"sequence\texpression\nACGTACGTAC\t5.1\nACGATTGCAC\t7.2\n"
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def packed(*members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in members:
            archive.writestr(name, ROWS)
    return stream.getvalue()


def tar():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("x.tsv")
        member.size = len(ROWS)
        archive.addfile(member, io.BytesIO(ROWS))
    return stream.getvalue()


def arrow(write):
    stream = io.BytesIO()
    write(pa.table({"sequence": ["ACGT"], "expression": [5.1]}), stream)
    return stream.getvalue()


def arrow_stream(table, stream):
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)


def numpy_file():
    stream = io.BytesIO()
    np.save(stream, np.zeros((3, 4)))
    return stream.getvalue()


def xz():
    lzma = pytest.importorskip("lzma")
    return lzma.compress(ROWS)


FOREIGN = {
    "xlsx": (lambda: packed("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook"),
    "zip": (lambda: packed("x.tsv"), "a zip archive; .*unzip -p .* | cisreg"),
    "npz": (lambda: packed("sequence.npy"), "arrays of NumPy"),
    "xz": (xz, "compressed with xz; .*xz -dc"),
    "old Excel": (
        lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        "an old Excel workbook",
    ),
    "tar": (tar, "a tar archive"),
    "tar.gz": (lambda: gzip.compress(tar()), "a tar archive"),
    "FASTQ": (lambda: b"@read/1\nACGTACGT\n+\nIIIIIIII\n", r"reads \(FASTQ\); .*cisreg prepare"),
    "SAM": (lambda: b"@HD\tVN:1.6\n@SQ\tSN:chr1\tLN:99\n", r"alignments \(SAM\)"),
    "BAM": (lambda: gzip.compress(b"BAM\x01" + bytes(99)), r"alignments \(BAM\)"),
    "VCF": (lambda: b"##fileformat=VCFv4.2\n#CHROM\tPOS\n", r"variants \(VCF\)"),
    "GFF": (lambda: b"##gff-version 3\nchr1\tx\tgene\t1\t9\n", r"annotations \(GFF\)"),
    "a web page": (lambda: b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page"),
    "XML": (lambda: b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "XML"),
    "JSON": (lambda: json.dumps([{"sequence": "ACGT"}]).encode(), "JSON"),
    "LFS": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "UTF-16": (lambda: ROWS.decode().encode("utf-16"), "text as UTF-16; save it as UTF-8"),
    "UTF-16 without mark": (lambda: ROWS.decode().encode("utf-16-le"), "text as UTF-16"),
    "UTF-32": (lambda: ROWS.decode().encode("utf-32"), "text as UTF-32"),
    "npy": (numpy_file, r"an array of NumPy .*cisreg.Dataset"),
    "feather": (lambda: arrow(pa.feather.write_feather), "an Arrow file .*Parquet"),
    "IPC stream": (lambda: arrow(arrow_stream), "an Arrow stream; .*Parquet"),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file"),
    "pickle": (lambda: pickle.dumps({"sequence": ["ACGT"]}), "a pickle of Python"),
    "RData": (lambda: gzip.compress(b"RDX3\nX\n\0\0\0\3" + bytes(99)), "data of R"),
    "blanks": (lambda: b"sequence expression\nACGTACGT 5.1\n", "blanks between them"),
    "binary": (lambda: np.random.default_rng(0).bytes(4000), "binary data|line|columns"),
}


@pytest.mark.parametrize("case", FOREIGN)
@pytest.mark.parametrize("ending", ["tsv", "csv.gz"])
def test_a_file_of_another_format_is_called_by_its_name(tmp_path, case, ending):
    make, message = FOREIGN[case]
    path = tmp_path / f"x.{ending}"
    path.write_bytes(make())
    with pytest.raises(ValueError, match=rf"x\.{ending}: expected .*, got .*{message}"):
        open_dataset(path)


# Text, and part of the error without decimal_comma; with it, the numbers are read.
DECIMALS = {
    "semicolons": ("sequence;expression\nACGT;5,1\nTTGA;7,2\n", "decimal commas and semicolons"),
    "semicolons without names": ("ACGT;5,1\nTTGA;7,2\n", "decimal commas and semicolons"),
    "tabs": ("sequence\texpression\nACGT\t5,1\nTTGA\t7,2\n", "decimal commas"),
    "quotes": ('sequence,expression\nACGT,"5,1"\nTTGA,"7,2"\n', "decimal commas"),
    "thousands or decimals": ("ACGT;5,100\nTTGA;7,200\n", "decimal commas"),
    "weights": (
        "sequence;expression;weight\nACGT;5,1;1\nTTGA;7,2;0,5\n",
        "decimal commas",
    ),
}


@pytest.mark.parametrize("case", DECIMALS)
def test_decimal_commas_are_read_where_they_are_said(tmp_path, case):
    text, message = DECIMALS[case]
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"x\.csv:1: .*{message}.*--decimal-comma, in Python dec"):
        read_dataset(path)
    data = read_dataset(path, decimal_comma=True)
    assert data.expression.tolist() == pytest.approx([5.1, 7.2])


def test_a_point_among_decimal_commas_is_no_number(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("ACGT;1.234,5\nTTGA;7,2\nTTGA;7.2\nAC;3\n")
    data = open_dataset(path, decimal_comma=True)
    assert data.load().expression.tolist() == pytest.approx([7.2, 3])
    assert data.unusable.count == 2


@pytest.mark.parametrize(
    "text",
    [
        "ACGTACGTAC,5,76\nACGATTGCAC,7,21\n",
        "sequence,expression\nACGTACGTAC,5,76\nACGATTGCAC,7,21\n",
        "sequence,expression\nACGTACGTAC,5,76\nACGATTGCAC,7\nACGATTGCAC,7,5\n",
        "ACGTACGTAC,5\nACGTACGTAC,5,76\nACGATTGCAC,7,21\n",
    ],
)
def test_an_unquoted_decimal_comma_is_never_read_as_a_whole_number(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(text)
    for decimal_comma in (False, True):
        with pytest.raises(ValueError, match=r"x\.csv:1: .*decimal comma"):
            open_dataset(path, decimal_comma=decimal_comma)


@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_row_names_of_r(tmp_path, delimiter, quote):
    rows = [("sequence", "expression"), ("1", "ACGT", "5.1"), ("2", "TTGA", "7.2")]
    quoted = [[f"{quote}{field}{quote}" for field in row] for row in rows]
    path = tmp_path / "x.txt"
    path.write_text("".join(delimiter.join(row) + "\n" for row in quoted))
    with pytest.raises(ValueError, match=r"x\.txt:1: .*row names of R; .*row.names = FALSE"):
        open_dataset(path)


def bgzf(text, *, whole):
    """One block as bgzip writes it."""
    member = bytearray(gzip.compress(text, mtime=0))
    extra = b"\x06\x00BC\x02\x00"
    member[3] = 4
    size = len(member) + len(extra) + 2 - 1
    block = bytes(member[:10]) + extra + size.to_bytes(2, "little") + bytes(member[10:])
    return block + (BGZF_END if whole else b"")


def test_bgzf_that_was_cut_between_its_blocks(tmp_path, caplog):
    path = tmp_path / "x.tsv.gz"
    path.write_bytes(bgzf(ROWS, whole=True))
    assert len(read_dataset(path)) == 2
    path.write_bytes(bgzf(ROWS, whole=True) + bgzf(b"TTTT\t1\n", whole=True))
    assert len(read_dataset(path)) == 3
    path.write_bytes(bgzf(ROWS, whole=False))
    # This file is too long for its end to be checked when it is opened.
    larger = tmp_path / "y.tsv.gz"
    letters = np.random.default_rng(0).choice(np.frombuffer(b"ACGT", np.uint8), (400, 20_000))
    blocks = [bgzf(each.tobytes() + b"\t1\n", whole=False) for each in letters]
    larger.write_bytes(b"".join([bgzf(ROWS, whole=False), *blocks]))
    data = open_dataset(larger)
    with pytest.raises(ValueError, match=r"y\.tsv\.gz: .*BGZF .*the file was cut"):
        data.load()
    for read in (read_dataset, lambda path: list(open_dataset(path).blocks())):
        with pytest.raises(ValueError, match=r"x\.tsv\.gz: .*BGZF .*the file was cut"):
            read(path)
    caplog.clear()
    # Here it is only a warning, given once, and everything is read.
    with caplog.at_level(logging.WARNING), open_input(path) as stream:
        assert stream.read() == ROWS
        assert not stream.read()
    assert [each.levelname for each in caplog.records] == ["WARNING"]
    # Plain gzip has no such end marker.
    assert decompressed(io.BytesIO(gzip.compress(ROWS)), "x", whole=True).read() == ROWS


@pytest.mark.parametrize(
    "content",
    [ROWS, gzip.compress(ROWS, mtime=0), b">a\nACGT\n>b\nGG\n"],
    ids=["table", "gzip", "FASTA"],
)
def test_standard_input_is_read_once(tmp_path, content):
    program = (
        "import sys; from cisreg.data import *;"
        "d = open_dataset('-', columns=Columns(expression=(), name=True));"
        "print(d.kind, d.files, [len(r) for r in d.blocks()], len(d.load()))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], input=content, capture_output=True, check=True
    )
    kind = "FASTA" if content[:1] == b">" else "table"
    assert result.stdout.decode().strip() == f"{kind} ('standard input',) [2] 2"


def test_a_pipe_is_read_once(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(ROWS,))
    writer.start()
    data = open_dataset(path)
    writer.join()
    assert len(data.load()) == len(data.load()) == 2
    assert data.files == (str(path),)
    spooled = data.local_paths[0]
    assert Path(spooled).exists()
    del data
    assert not Path(spooled).exists()


@pytest.mark.parametrize("asked", [None, Columns(expression="expression")])
def test_a_table_is_opened_twice(tmp_path, asked):
    """Once to recognise it, and once to read it, with and without given columns."""
    fsspec = pytest.importorskip("fsspec")
    opened = []

    class Counted(fsspec.get_filesystem_class("file")):
        def _open(self, path, *args, **options):
            opened.append(path)
            return super()._open(path, *args, **options)

    path = tmp_path / "x.tsv"
    path.write_bytes(ROWS)
    data = open_dataset(str(path), columns=asked, filesystem=Counted(skip_instance_cache=True))
    assert len(opened) == 1
    assert len(data.load()) == 2
    assert len(opened) == 2
