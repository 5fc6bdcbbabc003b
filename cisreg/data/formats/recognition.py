"""Recognises the format of a file by its first bytes.

For a format that is not read here, the error names the format and says what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import pyarrow.parquet as pq

from cisreg.data.formats.one_hot import starts_one_hot
from cisreg.data.formats.sources import SourceFile
from cisreg.streams import decompressed

PARQUET, TABLE, ONE_HOT, FASTA = "Parquet", "table", "one-hot text", "FASTA"

UTF8_MARK = b"\xef\xbb\xbf"
_PARQUET_MAGIC = b"PAR1"
_HEAD = 1 << 20
_PARQUET_ENDINGS = (".parquet", ".pq", ".parq")
_FASTA_ENDINGS = (".fa", ".fasta", ".fna", ".ffn", ".fas")
_COMPRESSED_ENDINGS = (".gz", ".zst", ".bz2")

_UNPACK = "unpack it, or pass its text on: {command} {name} | cisreg … -"
_EXPORT = "save the table as CSV or TSV"
_PYTHON = "in Python, load it and pass what it holds to cisreg.Dataset or Dataset.from_frame"
_ARROW = "write it as Parquet, for example with pyarrow.parquet.write_table"
_REGIONS = "give the sequences of its regions, for example by bedtools getfasta"
_AGAIN = "download it again"
_SPACED = "write its columns with tabs or commas between them"

# Formats that are not read here, by the first bytes of the file.
_MAGICS: dict[bytes, tuple[str, str]] = {
    b"PARE": ("an encrypted Parquet file", "write it without encryption"),
    b"\xfd7zXZ\0": ("a file compressed with xz", _UNPACK.replace("{command}", "xz -dc")),
    b"7z\xbc\xaf\x27\x1c": ("a 7-Zip archive", "unpack it first"),
    b"Rar!\x1a\x07": ("a RAR archive", "unpack it first"),
    b"\x04\x22\x4d\x18": ("a file compressed with lz4", _UNPACK.replace("{command}", "lz4 -dc")),
    b"LZIP\x01": ("a file compressed with lzip", _UNPACK.replace("{command}", "lzip -dc")),
    b"\x1f\x9d": ("a file compressed with compress", _UNPACK.replace("{command}", "zcat")),
    b"\xff\x06\x00\x00sNaPpY": ("a file compressed with Snappy", "unpack it first"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("an old Excel workbook (.xls)", _EXPORT),
    b"SQLite format 3\0": ("an SQLite database", _EXPORT),
    b"ARROW1\0\0": ("an Arrow file (Feather)", _ARROW),
    b"\xff\xff\xff\xff": ("an Arrow stream", _ARROW),
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file (.h5, .h5ad)", _PYTHON),
    b"\x93NUMPY": ("an array of NumPy (.npy)", _PYTHON),
    b"Obj\x01": ("an Avro file", "write it as Parquet"),
    b"RDX2\n": ("data of R (.RData)", _EXPORT),
    b"RDX3\n": ("data of R (.RData)", _EXPORT),
    b"X\n\0\0\0": ("data of R (.rds)", _EXPORT),
    b"%PDF": ("a PDF document", _EXPORT),
    b"{\\rtf": ("a Rich Text document", _EXPORT),
    b"\x89PNG": ("a picture (PNG)", "is it the right file?"),
    b"\xff\xd8\xff": ("a picture (JPEG)", "is it the right file?"),
    b"\x7fELF": ("a program", "is it the right file?"),
    b"BAM\x01": ("alignments (BAM)", "write their sequences, for example by samtools fasta"),
    b"CRAM\x03": ("alignments (CRAM)", "write their sequences, for example by samtools fasta"),
    b"BCF\x02": ("variants (BCF)", _REGIONS),
    b"\x43\x27\x41\x1a": ("a genome in 2bit format", "write it as FASTA by twoBitToFa"),
    b"\x1a\x41\x27\x43": ("a genome in 2bit format", "write it as FASTA by twoBitToFa"),
    b"\x26\xfc\x8f\x88": ("a bigWig file", _REGIONS),
    b"\xeb\xf2\x89\x87": ("a bigBed file", _REGIONS),
    b"version https://git-lfs": ("a pointer of Git LFS", "fetch the file by git lfs pull"),
    b"/annex/objects/": ("a pointer of git-annex", "fetch the file by git annex get"),
    b"LOCUS  ": ("a GenBank file", "write its sequences as FASTA"),
    b"CLUSTAL": ("an alignment of Clustal", "write its sequences as FASTA"),
    b"# STOCKHOLM": ("an alignment in Stockholm format", "write its sequences as FASTA"),
    b"%%MatrixMarket": ("a matrix in Matrix Market format", _EXPORT),
    b"MEME version": ("motifs of MEME", "motifs go to --motifs"),
    b"##fileformat=VCF": ("variants (VCF)", _REGIONS),
    b"##gff-version": ("annotations (GFF)", _REGIONS),
    b"##maf": ("an alignment (MAF)", "write its sequences as FASTA"),
}
_PICKLE = re.compile(rb"\x80[\x02-\x05][\s\S]")
_TEXTS: tuple[tuple[re.Pattern[bytes], str, str], ...] = (
    (
        re.compile(rb"<!doctype html|<html", re.IGNORECASE),
        "a web page, where a download should be",
        _AGAIN,
    ),
    (re.compile(rb"<\?xml|<error>", re.IGNORECASE), "XML, such as a server's error", _AGAIN),
    (re.compile(rb'[{\[]\s*["{\[\]}]'), "JSON", _EXPORT),
    (re.compile(rb"@(HD|SQ|RG|PG|CO)\t"), "alignments (SAM)", _MAGICS[b"BAM\x01"][1]),
    (
        re.compile(rb"@[^\n]*\n[A-Za-z.*-]+\r?\n\+"),
        "reads (FASTQ)",
        "reads become a table by cisreg prepare; plain sequences are FASTA",
    ),
    (re.compile(rb"(track|browser) [^\n]*\n"), "a track of a genome browser", _REGIONS),
    (
        re.compile(rb"([^\t\n]* +[^\t\n]*\n)?[ACGTNacgtn]{4,} +[-+0-9.eE]+\r?\n"),
        "columns with blanks between them",
        _SPACED,
    ),
)
_TAR = (b"ustar", 257)
# A file is binary if at least this share of its first bytes never occurs in text. A single damaged
# byte is not enough.
_BINARY_BYTES, _BINARY_SHARE = 1 << 12, 0.1
_CONTROLS = frozenset(map(chr, (*range(9), *range(14, 32), 0xFFFD)))


class Start(NamedTuple):
    """A file and what its beginning shows; it is read only once.

    Attributes:
        file: the file.
        kind: "Parquet", "table", "one-hot text" or "FASTA".
        head: for text, the first megabyte, decompressed, up to the end of a line; else empty.
        footer: for Parquet, its footer; else None.
    """

    file: SourceFile
    kind: str
    head: bytes
    footer: pq.FileMetaData | None = None


def look(file: SourceFile) -> Start:
    """Opens a file once and recognises its kind by its content.

    Raises:
        FileNotFoundError, ValueError: the file cannot be read, has a format that is not read here,
            or is not Parquet although its name says so. The message names the file.
    """
    with file.open() as stream:
        if stream.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC:
            return Start(file, PARQUET, b"", pq.read_metadata(stream))
        stream.seek(0)
        text = decompressed(stream, file.name, whole=True)
        head = text.read(_HEAD)
        refuse_foreign(file.name, head, "a table, Parquet, FASTA or one-hot text")
        # A line of FASTA may be a chromosome.
        if not head.endswith(b"\n") and not _is_fasta(file.name, head):
            head += text.readline()
    return Start(file, _text_kind(file.name, head), head)


def _text_kind(path: str, head: bytes) -> str:
    if path.lower().endswith(_PARQUET_ENDINGS):
        raise ValueError(f"{path}: expected a Parquet file, as its name says, got another")
    if _is_fasta(path, head):
        return FASTA
    return ONE_HOT if starts_one_hot(head) else TABLE


def _is_fasta(path: str, head: bytes) -> bool:
    name = path.lower()
    for ending in _COMPRESSED_ENDINGS:
        name = name.removesuffix(ending)
    return head.removeprefix(UTF8_MARK).lstrip().startswith(b">") or name.endswith(_FASTA_ENDINGS)


def refuse_foreign(name: str, head: bytes, expected: str) -> None:
    """Raises ValueError for a file of a known format that is not a table of sequences as text.

    Args:
        name: name of the file.
        head: its beginning, decompressed.
        expected: the formats that are read here, for the error.
    """
    found = _foreign(head)
    if found is not None:
        what, todo = found
        raise ValueError(f"{name}: expected {expected}, got {what}; {todo.replace('{name}', name)}")


def _foreign(head: bytes) -> tuple[str, str] | None:
    if head.startswith(b"PK\x03\x04"):
        return _archive(head)
    for magic, found in _MAGICS.items():
        if head.startswith(magic):
            return found
    if head[_TAR[1] :].startswith(_TAR[0]):
        return "a tar archive", "unpack it first"
    if encoding := _wide_encoding(head):
        return f"text as {encoding}", "save it as UTF-8"
    text = head.removeprefix(UTF8_MARK).lstrip()
    if _PICKLE.match(head):
        return "a pickle of Python", _PYTHON
    if _is_binary(head[:_BINARY_BYTES]):
        return "binary data", "is it the right file?"
    for pattern, what, todo in _TEXTS:
        if pattern.match(text):
            return what, todo
    return None


def _archive(head: bytes) -> tuple[str, str]:
    contents: tuple[tuple[Callable[[bytes], bool], str, str], ...] = (
        (lambda text: b"xl/" in text or b"[Content_Types]" in text, "an Excel workbook", _EXPORT),
        (lambda text: b"opendocument" in text, "a spreadsheet (OpenDocument)", _EXPORT),
        (lambda text: b".npy" in text[:256], "arrays of NumPy (.npz)", _PYTHON),
    )
    for is_it, what, todo in contents:
        if is_it(head):
            return what, todo
    return "a zip archive", _UNPACK.replace("{command}", "unzip -p")


def _is_binary(start: bytes) -> bool:
    text = start.decode("utf-8", "replace")
    return sum(each in _CONTROLS for each in text) > _BINARY_SHARE * len(text)


def _wide_encoding(head: bytes) -> str | None:
    """The encoding if the text is in UTF-16 or UTF-32, else None."""
    if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "UTF-32"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    # Without a byte order mark: every second byte of Latin letters is 0.
    start = head[:64]
    if len(start) >= 4 and (not any(start[1::2]) or not any(start[::2])):
        return "UTF-16"
    return None
