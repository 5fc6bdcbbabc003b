"""TensorFlow's checkpoint files with arbitrary entries and correct checksums."""

from __future__ import annotations

import struct
from pathlib import Path

from tensorflow.core.protobuf import tensor_bundle_pb2

from cisreg.legacy.bundle import _MAGIC, _masked_crc32c

FLOAT32 = 1


def number(value: int) -> bytes:
    content = b""
    while value > 127:
        content += bytes([value & 127 | 128])
        value >>= 7
    return content + bytes([value])


def entry(shape=(2,), *, size: int = 8, offset: int = 0, **fields) -> bytes:
    message = tensor_bundle_pb2.BundleEntryProto(
        **({"dtype": FLOAT32, "size": size, "offset": offset} | fields)
    )
    for axis in shape:
        message.shape.dim.add(size=axis)
    return message.SerializeToString()


def header(shards: int = 1, **fields) -> bytes:
    return tensor_bundle_pb2.BundleHeaderProto(num_shards=shards, **fields).SerializeToString()


def row(key: bytes, value: bytes, shared: int = 0) -> bytes:
    return number(shared) + number(len(key)) + number(len(value)) + key + value


def block(rows: list[bytes], kind: int = 0) -> bytes:
    content = b"".join(rows) + struct.pack("<II", 0, 1)
    return content + struct.pack("<BI", kind, _masked_crc32c(content + bytes([kind])))


def place(offset: int, content: bytes) -> bytes:
    return number(offset) + number(len(content) - 5)


def index(blocks: list[bytes], listed: list[int] | None = None) -> bytes:
    """An index of blocks, in which only the requested ones are listed."""
    offsets = [sum(map(len, blocks[:count])) for count in range(len(blocks))]
    numbers = range(len(blocks)) if listed is None else listed
    places = block([row(b"z", place(offsets[each], blocks[each])) for each in numbers])
    content = b"".join(blocks)
    footer = number(0) + number(0) + place(len(content), places)
    return content + places + footer.ljust(40, b"\0") + struct.pack("<Q", _MAGIC)


def write_bundle(prefix: Path, content: bytes, data: bytes = bytes(8)) -> None:
    prefix.with_name(prefix.name + ".index").write_bytes(content)
    prefix.with_name(prefix.name + ".data-00000-of-00001").write_bytes(data)


def bundle_of(value: bytes, name: bytes = b"activities") -> bytes:
    """An index of one tensor."""
    return index([block([row(b"", header()), row(name, value)])])
