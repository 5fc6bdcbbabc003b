"""Checkpoint files as TensorFlow writes them, and invalid ones."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from legacy.bundles import block, bundle_of, entry, header, index, row, write_bundle
from tensorflow.core.framework import tensor_slice_pb2

from cisreg.legacy.bundle import _masked_crc32c, read_index, read_tensor

# Checksum of the bytes of two float32 zeros.
ZEROS = _masked_crc32c(bytes(8))


def read(folder, content, data=bytes(8)):
    write_bundle(folder / "model.ckpt", content, data)
    entries = read_index(folder / "model.ckpt")
    return {name: read_tensor(name, each) for name, each in entries.items()}


def test_the_checksum_is_that_of_the_standard():
    # RFC 3720, B.4: the checksum of 32 zeros is 0x8A9136AA; masked as in LevelDB.
    crc = 0x8A9136AA
    assert _masked_crc32c(bytes(32)) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_what_tensorflow_saves_is_read(tmp_path):
    """There are so many tensors that names share prefixes and fill several blocks."""
    random = np.random.default_rng(0)
    shapes = [(), (3,), (0, 2), (4, 5, 2)]
    saved = {
        f"layer/{index:04}/{'weights' * 20}": random.normal(size=shapes[index % 4])
        for index in range(3000)
    }
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "model.ckpt"),
        tensor_names=[*saved, "step"],
        shape_and_slices=[""] * (len(saved) + 1),
        tensors=[*(tf.constant(value, tf.float32) for value in saved.values()), tf.constant(7)],
    )
    entries = read_index(tmp_path / "model.ckpt")
    assert list(entries) == list(saved)
    for name, value in saved.items():
        tensor = read_tensor(name, entries[name])
        assert tensor.dtype == np.float32
        np.testing.assert_array_equal(tensor, value.astype(np.float32))


def test_an_index_of_one_tensor_is_read(tmp_path):
    assert read(tmp_path, bundle_of(entry(crc32c=ZEROS)))["activities"].tolist() == [0, 0]


SLICE = tensor_slice_pb2.TensorSliceProto(extent=[{"start": 0, "length": 1}])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (entry((10**9, 10**6)), "8 bytes for shape"),
        (entry((10**9, 10**6), size=4 * 10**15), r"ends at byte 4000000000000000 of .*which has 8"),
        (entry(offset=2**62), r"ends at byte \d+ of model.ckpt.data-00000-of-00001, which has 8"),
        (entry((-2,)), r"shape \(-2,\)"),
        (entry((2**62, 2**62)), "8 bytes for shape"),
        (entry((1,) * 300, size=4), "a tensor of shape"),
        (entry(offset=-1), "8 bytes for shape"),
        (entry(shard_id=3), "part 3 of 1"),
        (entry(slices=[SLICE]), "stored in slices"),
        (entry(crc32c=1), "activities is damaged in model.ckpt.data.*checksum differs"),
        (b"\xff\xff\xff", "its index is damaged: "),
    ],
)
def test_entries_that_lie_are_said(tmp_path, value, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, bundle_of(value))


GOOD = [row(b"", header()), row(b"activities", entry(crc32c=ZEROS))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a different kind of file, or truncated"),
        (bytes(100), "a different kind of file, or truncated"),
        (index([block(GOOD, kind=1)]), "compressed"),
        (index([block(GOOD)])[1:], "checksum differs|extends beyond"),
        (index([block(GOOD), block([row(b"a", entry())])]), "tensors out of order"),
        (index([block(GOOD)], [0, 0]), "parts out of order"),
        (index([block([*GOOD, row(b"b", entry(), shared=100)])]), "an entry is too long"),
        (index([block([row(b"b" * 1001, entry())])]), "an entry is too long"),
        (index([block([b"\xff" * 20])]), "a number has too many bytes"),
        (index([block([b"\0\1\xff\xff\xff\xff\x0fb"])]), "an entry is too long"),
        (index([block([row(b"", header(endianness=1))])]), "different byte order"),
        (index([block([row(b"", b"\xff")])]), "its index is damaged: "),
        (index([block([row(b"a", entry())])]), "part 0 of 0"),
    ],
)
def test_an_index_that_lies_is_said(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content)


def test_more_tensors_than_any_model_has_are_said(tmp_path):
    rows = [row(b"%08d" % number, entry(dtype=3)) for number in range(10_001)]
    assert read(tmp_path, index([block([*GOOD[:1], *rows])])) == {}
    floats = [row(b"%08d" % number, entry(crc32c=ZEROS)) for number in range(10_001)]
    with pytest.raises(ValueError, match="or too many"):
        read(tmp_path, index([block([*GOOD[:1], *floats])]))
