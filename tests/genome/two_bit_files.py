"""Writes 2bit files by the description of the form, for tests."""

from __future__ import annotations

import re
import struct

PAIRS = {"T": 0, "C": 1, "A": 2, "G": 3}


def blocks(pattern, text):
    found = [match.span() for match in re.finditer(pattern, text)]
    return [start for start, _ in found], [end - start for start, end in found]


def two_bit(sequences, *, order="<", version=0):
    """The bytes of a 2bit file of sequences of A, C, G, T and N in either case, by name."""
    offset = "Q" if version else "I"
    width = struct.calcsize(offset)
    at = 16 + sum(1 + len(name) + width for name in sequences)
    index, records = b"", b""
    for name, text in sequences.items():
        index += bytes([len(name)]) + name.encode() + struct.pack(order + offset, at + len(records))
        record = [len(text)]
        for pattern in ("[Nn]+", "[a-z]+"):
            starts, sizes = blocks(pattern, text)
            record += [len(starts), *starts, *sizes]
        records += struct.pack(f"{order}{len(record) + 1}I", *record, 0)
        padded = text.upper() + "T" * (-len(text) % 4)
        for four in range(0, len(padded), 4):
            byte = 0
            for letter in padded[four : four + 4]:
                byte = byte << 2 | PAIRS.get(letter, 0)
            records += bytes([byte])
    return struct.pack(order + "4I", 0x1A412743, version, len(sequences), 0) + index + records
