"""A reader of TensorFlow's checkpoint files that checks all sizes before it uses them.

PREFIX.index is a sorted table: blocks of entries, each block with a checksum. The last 48 bytes
locate an index block, which locates the others. An entry gives the position of a tensor in
PREFIX.data-00000-of-00001. TensorFlow's own reader aborts the process if an entry has an invalid
shape, and allocates memory for a shape before it checks the length of the file.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import tensor_bundle_pb2

from cisreg.files import open_regular_file, read_regular_file
from cisreg.legacy.text import INDEX

_MAGIC = 0xDB4775248B80FB57
_FOOTER, _TRAILER = 48, 5
# Far more than a model has. Keys share prefixes, so that a short file could declare very long keys.
_MOST_ENTRIES, _LONGEST_KEY, _MOST_AXES = 10_000, 1_000, 32


class Entry(NamedTuple):
    """A float32 tensor of a checkpoint.

    Attributes:
        shape: of the tensor.
        path: the file that holds it.
        offset: where in it.
        checksum: CRC-32C of its bytes, masked.
    """

    shape: tuple[int, ...]
    path: Path
    offset: int
    checksum: int


def read_index(prefix: str | os.PathLike[str]) -> dict[str, Entry]:
    """The float32 tensors that a checkpoint holds, by name.

    Args:
        prefix: PREFIX of PREFIX.index.

    Raises:
        ValueError: the file is not an index, or is damaged.
        OSError: the file cannot be read.

    Example:
        >>> read_index("model.ckpt")["activities"].shape  # doctest: +SKIP
        (250,)
    """
    content = read_regular_file(f"{os.fspath(prefix)}{INDEX}")
    try:
        return _index_entries(os.fspath(prefix), content)
    except (IndexError, struct.error, DecodeError) as error:
        raise ValueError(f"its index is damaged: {error}") from None


def read_tensor(name: str, entry: Entry) -> np.ndarray:
    """A tensor of a checkpoint.

    Raises:
        ValueError: its file is damaged or too short.
        OSError: its file cannot be read.

    Example:
        >>> read_tensor("activities", read_index("model.ckpt")["activities"])  # doctest: +SKIP
    """
    size = 4 * math.prod(entry.shape)
    with open_regular_file(entry.path) as file:
        length = file.seek(0, os.SEEK_END)
        if entry.offset + size > length:
            raise ValueError(
                f"{name} of shape {entry.shape} ends at byte {entry.offset + size} of "
                f"{entry.path.name}, which has {length}"
            )
        file.seek(entry.offset)
        content = file.read(size)
    if _masked_crc32c(content) != entry.checksum:
        raise ValueError(f"{name} is damaged in {entry.path.name} (checksum differs)")
    return np.frombuffer(content, "<f4").reshape(entry.shape).astype(np.float32)


def _index_entries(prefix: str, content: bytes) -> dict[str, Entry]:
    footer = content[-_FOOTER:]
    if len(footer) < _FOOTER or struct.unpack_from("<Q", footer, _FOOTER - 8)[0] != _MAGIC:
        raise ValueError("its index is a different kind of file, or truncated")
    _, at = _place(footer, 0)
    place, _ = _place(footer, at)
    entries: dict[str, Entry] = {}
    shards, last, end = 0, b"", 0
    for _, value in _block_entries(content, place):
        (offset, size), _ = _place(value, 0)
        if offset < end:
            raise ValueError("its index is damaged: parts out of order")
        end = offset + size
        for key, text in _block_entries(content, (offset, size)):
            if not key:
                shards = _shard_count(text)
                continue
            if key <= last or len(entries) == _MOST_ENTRIES:
                raise ValueError("its index is damaged: tensors out of order, or too many")
            last = key
            entry = _entry(prefix, text, shards)
            if entry is not None:
                entries[key.decode()] = entry
    return entries


def _shard_count(text: bytes) -> int:
    header = tensor_bundle_pb2.BundleHeaderProto.FromString(text)
    if header.endianness != header.LITTLE:
        raise ValueError("it was written on a machine with a different byte order")
    return int(header.num_shards)


def _entry(prefix: str, text: bytes, shards: int) -> Entry | None:
    """Parses the entry of a tensor; None if its dtype is not float32."""
    entry = tensor_bundle_pb2.BundleEntryProto.FromString(text)
    if entry.dtype != tf.float32.as_datatype_enum:
        return None
    shape = tuple(int(axis.size) for axis in entry.shape.dim)
    if entry.slices or len(shape) > _MOST_AXES or any(axis < 0 for axis in shape):
        raise ValueError(f"its index is damaged: a tensor of shape {shape}, or stored in slices")
    if 4 * math.prod(shape) != entry.size or entry.offset < 0:
        raise ValueError(f"its index is damaged: {entry.size} bytes for shape {shape}")
    if not 0 <= entry.shard_id < shards:
        raise ValueError(f"its index is damaged: part {entry.shard_id} of {shards}")
    path = Path(f"{prefix}.data-{entry.shard_id:05}-of-{shards:05}")
    return Entry(shape, path, int(entry.offset), int(entry.crc32c))


def _block_entries(content: bytes, place: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of each entry of a block; `place` is its (offset, size)."""
    offset, size = place
    end = offset + size
    block, trailer = content[offset:end], content[end : end + _TRAILER]
    if len(trailer) < _TRAILER or len(block) < 4:
        raise ValueError("its index is damaged: a block extends beyond the end of the file")
    kind, checksum = struct.unpack("<BI", trailer)
    if checksum != _masked_crc32c(block + trailer[:1]):
        raise ValueError("its index is damaged (checksum differs)")
    if kind:
        raise ValueError("its index is compressed; CisRegModels does not write such files")
    end = len(block) - 4 - 4 * struct.unpack_from("<I", block, len(block) - 4)[0]
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or shared + own > _LONGEST_KEY or at + own + length > end:
            raise ValueError("its index is damaged: an entry is too long")
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _place(text: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Reads (offset, size) at position `at`; also returns the position after them."""
    offset, at = _varint(text, at)
    size, at = _varint(text, at)
    return (offset, size), at


def _varint(text: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        byte = text[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("its index is damaged: a number has too many bytes")


def _crc32c_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _crc32c_table()


def _masked_crc32c(content: bytes) -> int:
    """CRC-32C, masked as LevelDB masks stored checksums."""
    table, crc = _TABLE, 0xFFFFFFFF
    for byte in content:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
