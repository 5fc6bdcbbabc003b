"""Files of made genomes: FASTA, plain and compressed, and 2bit."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from benchmarks.shared.genomes import UNKNOWN, Genome

FORMS = (".fa", ".fa.gz", ".2bit")
_LINE = 60
_LETTERS = np.frombuffer(b"ACGTN", np.uint8)
# Bases made at a time; whole lines.
_PART = _LINE * 2**18
# 2bit has the bases in the order T C A G.
_TWO_BIT = np.array([2, 1, 3, 0, 0], np.uint8)
_SIGNATURE = 0x1A412743


def write_sequence(path: Path, genome: Genome) -> None:
    """Writes a genome in the form that the file's ending names."""
    if path.suffix == ".2bit":
        with path.open("wb") as file:
            _write_two_bit(file, genome)
    elif path.suffix == ".gz":
        with gzip.open(path, "wb", compresslevel=6) as compressed:
            compressed.writelines(_fasta(genome))
    else:
        with path.open("wb") as file:
            file.writelines(_fasta(genome))


def _fasta(genome: Genome) -> Iterator[bytes]:
    """Lines of 60 letters."""
    for name, length in genome.chromosomes.items():
        yield f">{name}\n".encode()
        for start in range(0, length, _PART):
            letters = _LETTERS[genome.codes(name, start, min(start + _PART, length))]
            whole = len(letters) // _LINE * _LINE
            lines = np.full((whole // _LINE, _LINE + 1), ord("\n"), np.uint8)
            lines[:, :_LINE] = letters[:whole].reshape(-1, _LINE)
            yield lines.tobytes()
            if whole < len(letters):
                yield letters[whole:].tobytes() + b"\n"


def _write_two_bit(file: BinaryIO, genome: Genome) -> None:
    """The format of UCSC: header, index of offsets, records with runs of N and packed bases."""
    names = {name: name.encode() for name in genome.chromosomes}
    file.write(struct.pack("<4I", _SIGNATURE, 0, len(names), 0))
    index = file.tell()
    offset = index + sum(5 + len(name) for name in names.values())
    records = []
    file.seek(offset)
    for name, length in genome.chromosomes.items():
        records.append(file.tell())
        codes = genome.codes(name, 0, length)
        edges = np.flatnonzero(np.diff(np.pad(codes == UNKNOWN, 1).astype(np.int8)))
        starts, sizes = edges[::2], edges[1::2] - edges[::2]
        file.write(struct.pack("<2I", length, len(starts)))
        file.write(starts.astype("<u4").tobytes() + sizes.astype("<u4").tobytes())
        file.write(struct.pack("<2I", 0, 0))
        four = np.pad(_TWO_BIT[codes], (0, -length % 4)).reshape(-1, 4)
        file.write((four << np.array([6, 4, 2, 0], np.uint8)).sum(axis=1, dtype=np.uint8).tobytes())
    file.seek(index)
    for encoded, record in zip(names.values(), records, strict=True):
        file.write(bytes([len(encoded)]) + encoded + struct.pack("<I", record))
