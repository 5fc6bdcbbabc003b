"""Arrays from everything that holds numbers, and safe reading of bytes in NumPy's format."""

from __future__ import annotations

import decimal
import io
import pickle
import struct
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cisreg.arrays import as_array, pack_arrays, unpack_arrays

ARRAYS = {
    "parameter/log_kd": np.arange(24, dtype=np.float32).reshape(2, 4, 3),
    "bias": np.float32(2.5),
    "count": np.int64(-3),
    "columns first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "every other": np.arange(10, dtype=np.uint8)[::2],
    "none": np.zeros((0, 5), np.float16),
    "truth": np.array([True, False]),
    "text": np.array(["Abf1", "Räp1"]),
    "letters": np.array([b"ACGT", b"AC"]),
}


def archive(members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


def member(header, data=b"", version=b"\x01\x00"):
    length = struct.pack("<H" if version == b"\x01\x00" else "<I", len(header))
    return b"\x93NUMPY" + version + length + header + data


def header(descr="'<f4'", order="False", shape="(2,)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()


def assert_same(first, second):
    assert list(first) == list(second)
    for name, value in first.items():
        value = np.asarray(value)
        assert (value.dtype, value.shape) == (second[name].dtype, second[name].shape), name
        assert value.tobytes() == second[name].tobytes(), name


def test_arrays_come_back_with_memory_of_their_own():
    back = unpack_arrays(pack_arrays(ARRAYS))
    assert_same(ARRAYS, back)
    assert all(value.flags.writeable for value in back.values())


def test_numpy_reads_what_is_packed():
    with np.load(io.BytesIO(pack_arrays(ARRAYS)), allow_pickle=False) as file:
        assert_same(ARRAYS, dict(file))


def test_what_numpy_saves_is_read():
    buffer = io.BytesIO()
    np.savez(buffer, **ARRAYS)
    assert_same(ARRAYS, unpack_arrays(buffer.getvalue()))


def test_both_versions_of_a_header_are_read():
    data = struct.pack("<2f", 1, 2)
    for version in (b"\x01\x00", b"\x02\x00"):
        content = archive([("x.npy", member(header(), data, version))])
        assert unpack_arrays(content)["x"].tolist() == [1, 2]


def test_equal_arrays_give_equal_bytes_at_any_time_and_on_any_system():
    content = pack_arrays(ARRAYS)
    assert pack_arrays({name: np.array(value) for name, value in ARRAYS.items()}) == content
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        of_members = {(each.date_time, each.create_system) for each in file.infolist()}
    assert of_members == {((1980, 1, 1, 0, 0, 0), 3)}


def test_numbers_of_another_byte_order_are_turned():
    back = unpack_arrays(pack_arrays({"x": np.array([1, 2], ">i4")}))
    assert back["x"].dtype == np.dtype("<i4")
    assert back["x"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "value",
    [np.array([{}]), np.zeros(2, "f4,i4"), np.zeros(2, complex), np.array(["2020"], "M8[Y]")],
)
def test_arrays_that_cannot_be_read_back_are_not_packed(value):
    with pytest.raises(ValueError, match=r"arrays: expected booleans, .* as x, got"):
        pack_arrays({"x": value})


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_names_that_would_be_lost_are_not_packed(name):
    with pytest.raises(ValueError, match="arrays: expected names"):
        pack_arrays({name: np.zeros(1)})


def test_no_pickle_is_loaded():
    class Harm:
        def __reduce__(self):
            return pytest.fail, ("a pickle was loaded",)

    harm = pickle.dumps(Harm())
    for content in (harm, archive([("x.npy", harm)]), archive([("x.npy", member(header("'|O'")))])):
        with pytest.raises(ValueError, match="expected an"):
            unpack_arrays(content)


EIGHT = bytes(8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an npz file"),
        (b"text", "expected an npz file"),
        (archive([("x.npy", member(header(), EIGHT))])[:-9], "expected an npz file"),
        (archive([("x.txt", EIGHT)]), "of different names ending in .npy, got x.txt"),
        (
            archive([("x.npy", member(header(), EIGHT))], zipfile.ZIP_DEFLATED),
            "not compressed, but x.npy is",
        ),
        (archive([("x.npy", b"")]), "x.npy: expected an array in NumPy's format"),
        (archive([("x.npy", member(header(), EIGHT, b"\x03\x00"))]), "in NumPy's format"),
        (archive([("x.npy", b"\x93NUMPY\x01\x00\xff\xff{")]), "header of 1 bytes .* got 65535"),
        (archive([("x.npy", member(header(shape="(3,)"), EIGHT))]), "12 bytes for shape .* got 8"),
        (archive([("x.npy", member(header(shape="(1,)"), EIGHT))]), "4 bytes for shape .* got 8"),
        (
            archive([("x.npy", member(header(shape="(1000000000, 1000000)"), EIGHT))]),
            "4000000000000000 bytes for shape",
        ),
        (archive([("x.npy", member(header(shape=f"({'1, ' * 40})")))]), "32 axes at most, got 40"),
        (archive([("x.npy", member(header(shape="(-2,)"), EIGHT))]), "expected an array of"),
        (archive([("x.npy", member(header(shape="(" * 900), EIGHT))]), "expected an array of"),
        (archive([("x.npy", member(header(shape="(exit(),)"), EIGHT))]), "expected an array of"),
        (archive([("x.npy", member(header("'<c8'", shape="(1,)"), EIGHT))]), "expected an array"),
        (archive([("x.npy", member(header("[('a', '<f4')]"), EIGHT))]), "expected an array of"),
        (archive([("x.npy", member(header("'<U1'"), b"\xff" * 8))]), "got a number that is no"),
    ],
)
def test_anything_else_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        unpack_arrays(content)


def test_a_name_given_twice_is_refused():
    one = ("x.npy", member(header(), EIGHT))
    with pytest.warns(UserWarning, match="Duplicate"):
        content = archive([one, one])
    with pytest.raises(ValueError, match="of different names"):
        unpack_arrays(content)


def test_a_member_that_is_compressed_to_its_own_size_is_refused():
    content = bytearray(archive([("x.npy", member(header(), EIGHT))]))
    # The compression method, in the header of the member and in the directory.
    for place in (8, content.index(b"PK\x01\x02") + 10):
        content[place] = zipfile.ZIP_DEFLATED
    with pytest.raises(ValueError, match=r"not compressed, but x.npy is"):
        unpack_arrays(bytes(content))


def test_members_that_lie_over_one_another_are_refused():
    """Each member is within the file, but all together are many times as large as the file."""
    count = 50
    names = [f"{index:02}.npy" for index in range(count)]
    content = archive([(names[0], member(header(shape="(1000,)"), bytes(4000)))])
    start = content.index(b"PK\x01\x02")
    entry, end = content[start:-22], content[-22:]
    entries = b"".join(entry.replace(b"00.npy", name.encode()) for name in names)
    end = end[:8] + struct.pack("<HHII", count, count, len(entries), start) + end[20:]
    with pytest.raises(ValueError, match="bytes at most in all, got 20"):
        unpack_arrays(content[:start] + entries + end)


def test_every_flipped_byte_of_the_numbers_is_noticed():
    content = pack_arrays({"x": np.arange(5, dtype=np.float32)})
    first = content.index(np.float32(1).tobytes() + np.float32(2).tobytes())
    for index in range(first, first + 16):
        changed = bytearray(content)
        changed[index] ^= 1
        with pytest.raises(ValueError, match="damaged"):
            unpack_arrays(bytes(changed))


SHUFFLED = pd.Series([1.5, 2.0, -3.0], index=[2, 0, 1])


@pytest.mark.parametrize(
    "value",
    [
        [1.5, 2, -3],
        (1.5, np.float32(2), -3.0),
        np.array([1.5, 2, -3], ">f8"),
        SHUFFLED,
        SHUFFLED.astype(object),
        SHUFFLED.astype("Float32"),
        pa.array([1.5, 2, -3], pa.float32()),
        pa.chunked_array([[1.5], [2.0, -3.0]]),
        pa.array([decimal.Decimal("1.5"), decimal.Decimal(2), decimal.Decimal(-3)]),
    ],
)
def test_numbers_are_taken_by_position_from_whatever_holds_them(value):
    array = as_array(value, "expression", np.float32, ("N",))
    assert array.dtype == np.float32
    assert array.tolist() == [1.5, 2.0, -3.0]


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2, 3], [4, 0, 1]],
        pd.DataFrame([[1, 2, 3], [4, 0, 1]], index=[7, 3]),
        pa.table({"a": [1, 4], "b": [2, 0], "c": [3, 1]}),
        pd.Series([[1, 2, 3], np.array([4, 0, 1])], index=[1, 0]),
        pa.array([[1, 2, 3], [4, 0, 1]], pa.list_(pa.uint8(), 3)),
        np.array([[1, 2, 3], [4, 0, 1]], float),
    ],
)
def test_rows_are_taken_from_whatever_holds_them(value):
    array = as_array(value, "sequence", np.uint8, ("N", 3))
    assert array.dtype == np.uint8
    assert array.tolist() == [[1, 2, 3], [4, 0, 1]]


def test_an_array_that_is_right_is_not_copied():
    value = np.zeros((2, 3), np.uint8)
    assert as_array(value, "sequence", np.uint8, ("N", "L")) is value


@pytest.mark.parametrize(
    ("value", "dtype", "shape", "message"),
    [
        (["a", "b"], np.float32, ("N",), r"expected float32 of shape \[N\], got <U1 such as 'a'"),
        (pd.Series(["1", 2]), np.float32, ("N",), "got '1' in place 0"),
        (pd.Series([1, None], dtype="Int64"), np.int32, ("N",), r"got nan at \[1\]"),
        (pa.array([1, None]), np.float32, ("N",), "got 1 missing values"),
        ([[1], [1, 2]], np.float32, ("N", "L"), "got rows of different lengths"),
        ([[1, 2]], np.float32, ("N",), r"got shape \[1, 2\]"),
        ([[1, 2]], np.float32, ("N", 3), r"of shape \[N, 3\], got shape \[1, 2\]"),
        (np.zeros((2, 3)), np.float32, ("M", "M"), r"got shape \[2, 3\]"),
        ([0, -1], np.uint8, ("N",), r"got -1 at \[1\], which it cannot hold"),
        ([0, 256], np.uint8, ("N",), r"got 256 at \[1\]"),
        ([0.5], np.int32, ("N",), r"got 0.5 at \[0\]"),
        ([float("nan")], np.int32, ("N",), r"got nan at \[0\]"),
        ([1e300], np.float32, ("N",), r"got 1e\+300 at \[0\]"),
        ([1j], np.float32, ("N",), "got complex128 such as 1j"),
        (pd.Series(pd.to_datetime(["2020-01-01"])), np.float32, ("N",), "got datetime64"),
    ],
)
def test_what_is_no_number_or_does_not_fit_is_refused(value, dtype, shape, message):
    with pytest.raises(ValueError, match=f"^argument: .*{message}"):
        as_array(value, "argument", dtype, shape)


def test_numbers_that_are_not_finite_pass_unless_refused():
    value = [[1.0, 2.0], [np.inf, 3.0]]
    assert as_array(value, "x", np.float32, ("N", 2))[1, 0] == np.inf
    with pytest.raises(ValueError, match=r"x: .* of finite numbers, got inf at \[1, 0\]"):
        as_array(value, "x", np.float32, ("N", 2), finite=True)
