"""Conversion of numbers of any type to arrays, and of arrays to bytes in NumPy's npz format.

All functions that take arrays convert them with `as_array`. `unpack_arrays` is safe for untrusted
bytes: it does not rely on the sizes that they state.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_SUFFIX = ".npy"
# A fixed time, so that equal arrays give equal bytes: the earliest that the zip format can hold.
_TIME = (1980, 1, 1, 0, 0, 0)
_MAGIC = b"\x93NUMPY"
# Number of bytes of the header's length field, by the version of the format. Version 3.0 differs
# only in names of fields, which do not occur here.
_LENGTH_BYTES = {b"\x01\x00": 2, b"\x02\x00": 4}
_LONGEST_HEADER = 10_000
_DTYPE = re.compile(r"\|b1|\|[iu]1|<[iu][248]|<f[248]|\|S[1-9]\d{0,8}|<U[1-9]\d{0,8}")
# Exactly what np.save writes. NumPy evaluates this text as Python, which is not done here.
_HEADER = re.compile(
    r"\{'descr': '([^']+)', 'fortran_order': (True|False), "
    r"'shape': \(((?:\d{1,18}, ?)*(?:\d{1,18})?)\), \} *\n"
)
_MOST_AXES = 32
_LAST_CHARACTER = 0x10FFFF
# All exceptions that zipfile raises for bytes that are not an archive, or a damaged one.
_UNREADABLE = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    OverflowError,
    IndexError,
    struct.error,
)


def as_array(
    value: Any,
    name: str,
    dtype: npt.DTypeLike,
    shape: tuple[Any, ...],
    *,
    finite: bool = False,
) -> np.ndarray:
    """Converts numbers to an array of this type and shape, by position.

    Args:
        value: NumPy array, list, pandas Series or DataFrame (the index is ignored), Arrow array,
            table or column, or a TensorFlow tensor.
        name: name of the argument, for errors.
        dtype: type of the result. Floating-point numbers are rounded to it. Integers must not
            change: 2.0 becomes the integer 2, and 2.5 is an error.
        shape: one entry for each axis: the length it must have, or a letter such as "N" for any
            length; axes with the same letter must have the same length. `...` in front stands for
            any number of axes.
        finite: whether NaN and infinite numbers are an error.

    Returns:
        The array; `value` itself if nothing has to change.

    Raises:
        ValueError: text or missing values instead of numbers, a different shape, or numbers that
            the type cannot hold.

    Example:
        >>> as_array([1, 2, 3], "expression", np.float32, ("N",))
        array([1., 2., 3.], dtype=float32)
    """
    wanted = np.dtype(dtype)
    axes = ", ".join("..." if axis is ... else str(axis) for axis in shape)
    expected = f"{name}: expected {wanted} of shape [{axes}]"
    array = numbers(value, expected)
    if shape[:1] == (...,):
        shape = (*array.shape[: max(array.ndim - len(shape) + 1, 0)], *shape[1:])
    sizes: dict[int | str, int] = {}
    fits = len(shape) == array.ndim and all(
        size == (axis if isinstance(axis, int) else sizes.setdefault(axis, size))
        for axis, size in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{expected}, got shape {list(array.shape)}")
    if finite and (fault := not_finite(array)):
        raise ValueError(f"{expected} of finite numbers, got {fault}")
    return _converted(array, wanted, expected)


def not_finite(array: np.ndarray) -> str:
    """The first number that is not finite, its place and how many there are; "" if there is none.

    Example:
        >>> not_finite(np.array([[0.0, np.nan], [1.0, np.inf]])), not_finite(np.zeros(3))
        ('nan at [0, 1] (2 of 4 numbers are not finite)', '')
    """
    array = np.asarray(array)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return ""
    bad = np.argwhere(~np.isfinite(array))
    place = bad[0].tolist()
    value = array[tuple(place)]
    if not place:
        return f"{value}"
    are = "is" if len(bad) == 1 else "are"
    return f"{value} at {place} ({len(bad):,} of {array.size:,} numbers {are} not finite)"


def numbers(value: Any, expected: str) -> np.ndarray:
    """The numbers as an array, in the type in which they were given; see `as_array`.

    Args:
        value: as for `as_array`.
        expected: the beginning of messages: the argument and what was expected.

    Raises:
        ValueError: text or missing values instead of numbers.

    Example:
        >>> numbers([1, 2, 3], "codes: expected integers")
        array([1, 2, 3])
    """
    if isinstance(value, pa.Table | pa.RecordBatch):
        columns = [numbers(column, expected) for column in value.columns]
        return np.stack(columns, axis=-1) if columns else np.empty((value.num_rows, 0))
    if isinstance(value, np.ma.MaskedArray) and np.ma.getmaskarray(value).any():
        raise ValueError(f"{expected}, got a masked value; remove it, or fill it in")
    if isinstance(value, pa.Array | pa.ChunkedArray) and value.null_count:
        raise ValueError(f"{expected}, got {value.null_count} missing values; remove them")
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{expected}, got rows of different lengths") from None
    if array.dtype.kind == "O":
        array = _from_objects(array, expected)
    if array.dtype.kind not in "biuf":
        example = array.ravel()[:1].tolist()
        such_as = f" such as {example[0]!r}" if example else ""
        raise ValueError(f"{expected}, got {array.dtype}{such_as}")
    return array


def _from_objects(array: np.ndarray, expected: str) -> np.ndarray:
    """Converts an array of Python numbers, or of rows that are arrays, as in a column of lists."""
    flat = array.ravel()
    for index, each in enumerate(flat):
        if isinstance(each, (str, bytes)) or each is None or type(each).__name__ == "NAType":
            raise ValueError(f"{expected}, got {each!r} in place {index}")
    try:
        rows = [np.asarray(each) for each in flat]
        stacked = np.stack(rows) if rows else np.empty(0)
        if stacked.dtype.kind == "O":  # such as decimal.Decimal
            stacked = stacked.astype(np.float64)
    except (ValueError, TypeError):
        raise ValueError(f"{expected}, got rows of different lengths or other objects") from None
    return stacked.reshape(array.shape + stacked.shape[1:])


def _converted(array: np.ndarray, wanted: np.dtype, expected: str) -> np.ndarray:
    if array.dtype == wanted:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        result = array.astype(wanted)
        changed = result != array
    if wanted.kind == "f":
        changed = np.isinf(result) & np.isfinite(array)
    if changed.any():
        place = tuple(np.argwhere(changed)[0].tolist())
        raise ValueError(f"{expected}, got {array[place]} at {list(place)}, which it cannot hold")
    return result


def pack_arrays(arrays: Mapping[str, npt.ArrayLike]) -> bytes:
    """Arrays as the bytes of an npz file, which `np.load` can read; equal arrays give equal bytes.

    Args:
        arrays: arrays by name: booleans, integers, floats up to 64 bits, or text of a fixed width
            (NumPy's S and U).

    Returns:
        The content of the file, not compressed.

    Raises:
        ValueError: an array of a different type, such as one of Python objects, or an empty name.

    Example:
        >>> unpack_arrays(pack_arrays({"bias": np.float32(2)}))["bias"]
        array(2., dtype=float32)
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, value in arrays.items():
            if not name or "\0" in name:
                raise ValueError(f"arrays: expected names without the character 0, got {name!r}")
            member = zipfile.ZipInfo(name + _SUFFIX, _TIME)
            member.create_system = 3  # the default would differ on Windows
            archive.writestr(member, _pack_array(name, np.asarray(value)))
    return buffer.getvalue()


def unpack_arrays(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of an npz file, by name.

    The sizes that the file states are compared with its length before memory is allocated, so that
    no file takes more memory than a few times its length. Nothing is decompressed, and nothing that
    could run code is loaded.

    Args:
        content: bytes from `pack_arrays` or `np.savez`; not from `np.savez_compressed`.

    Returns:
        Arrays by name, each in its own memory.

    Raises:
        ValueError: the content is of a different format or damaged, or has compressed members,
            Python objects or sizes that do not agree with its length.

    Example:
        >>> from pathlib import Path
        >>> unpack_arrays(Path("parameters.npz").read_bytes())  # doctest: +SKIP
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            _check_members(members, len(content))
            return {
                member.filename.removesuffix(_SUFFIX): _unpack_array(
                    member.filename, archive.read(member)
                )
                for member in members
            }
    except _UNREADABLE as error:
        raise ValueError(f"expected an npz file, got a damaged or foreign one ({error})") from None


def _pack_array(name: str, value: np.ndarray) -> bytes:
    value = value.astype(value.dtype.newbyteorder("<"), order="C", copy=False)
    if not _DTYPE.fullmatch(value.dtype.str):
        raise ValueError(
            f"arrays: expected booleans, integers, floats or text of a fixed width as {name}, got "
            f"{value.dtype}"
        )
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, value, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _check_members(members: list[zipfile.ZipInfo], length: int) -> None:
    seen = set()
    for member in members:
        name = member.filename
        if not name.endswith(_SUFFIX) or name in seen:
            raise ValueError(f"expected arrays of different names ending in {_SUFFIX}, got {name}")
        seen.add(name)
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise ValueError(f"expected arrays that are not compressed, but {name} is")
    # Members may overlap: each fits into the content, but their sum may be far larger.
    total = sum(member.file_size for member in members)
    if total > length:
        raise ValueError(f"expected arrays of {length} bytes at most in all, got {total}")


def _unpack_array(name: str, member: bytes) -> np.ndarray:
    header, start = _header(name, member)
    match = _HEADER.fullmatch(header)
    if match is None or not _DTYPE.fullmatch(match[1]):
        raise ValueError(
            f"{name}: expected an array of booleans, integers, floats or text of a fixed width, "
            f"got {header[:100].strip()!r}"
        )
    dtype = np.dtype(match[1])
    shape = tuple(int(axis) for axis in match[3].replace(",", " ").split())
    if len(shape) > _MOST_AXES:
        raise ValueError(f"{name}: expected {_MOST_AXES} axes at most, got {len(shape)}")
    size = math.prod(shape) * dtype.itemsize
    if size != len(member) - start:
        raise ValueError(
            f"{name}: expected {size} bytes for shape {shape} of {dtype}, got {len(member) - start}"
        )
    flat = np.frombuffer(member, dtype, offset=start)
    if dtype.kind == "U" and flat.size and flat.view("<u4").max() > _LAST_CHARACTER:
        raise ValueError(f"{name}: expected text, got a number that is no character")
    return flat.reshape(shape, order="F" if match[2] == "True" else "C").copy(order="K")


def _header(name: str, member: bytes) -> tuple[str, int]:
    """The header text of an array, and the offset at which its numbers begin."""
    magic, version = member[: len(_MAGIC)], member[len(_MAGIC) : len(_MAGIC) + 2]
    if magic != _MAGIC or version not in _LENGTH_BYTES:
        raise ValueError(f"{name}: expected an array in NumPy's format 1.0 or 2.0, got another one")
    start = len(_MAGIC) + 2 + _LENGTH_BYTES[version]
    length = int.from_bytes(member[start - _LENGTH_BYTES[version] : start], "little")
    longest = min(_LONGEST_HEADER, len(member) - start)
    if length > longest:
        raise ValueError(f"{name}: expected a header of {longest} bytes at most, got {length}")
    return member[start : start + length].decode("latin-1"), start + length
