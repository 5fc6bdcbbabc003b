"""Damaged copies of a file's content: readers must report the damage and never crash."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("CISREG_FUZZ_EXAMPLES", "60"))
# The examples are the same on every run, so that a run that fails can be repeated; other ones each
# time are for a search, `make fuzz`.
ARE_NEW = "CISREG_FUZZ_NEW" in os.environ

fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not ARE_NEW,
    database=None,
    print_blob=True,
    # All examples may share one folder, since each one writes its file again.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Values found in text and headers after a program error or an attack.
_SPLICES = (
    b"2147483648",
    b"4294967295",
    b"9223372036854775808",
    b"-1",
    b"0",
    b"NaN",
    b"nan",
    b"inf",
    b"-Infinity",
    b"1e999",
    b"1_0",
    b"1" * 5000,
    b"null",
    b"true",
    b"{}",
    b"[]",
    b'"',
    b"\t",
    b"\n",
    b"\r",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x00\x00\x00\x80",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    "٣".encode(),
    b"../../etc/passwd",
    b"[" * 20_000,
    b'{"a":' * 20_000,
)


@st.composite
def _one_damage(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with one random change."""
    return draw(st.sampled_from(_CHANGES))(draw, content)


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Copies of `content` with one to four changes, as disks, programs and people make them.

    A change flips a bit, sets a byte, cuts off the end, inserts random bytes or a number that is
    far out of range, or repeats, swaps or deletes a range.

    Example:
        >>> @fuzz
        ... @given(damaged(b"#A 1 2 3"))
        ... def test(content): ...
    """
    start = st.just(content)
    one = start.flatmap(_one_damage)
    few = one.flatmap(_one_damage)
    return st.one_of(one, few, few.flatmap(_one_damage).flatmap(_one_damage))


def reads_or_says(path: Path, read: Callable[[], Any], *, named: str | None = None) -> Any:
    """The result of `read`, or None if it raises a ValueError or OSError that names the file.

    Args:
        path: the file that is read, or its folder.
        read: function that reads it.
        named: text that the error must contain; None: the path.
    """
    try:
        return read()
    except (ValueError, OSError) as error:
        assert (named or str(path)) in str(error), f"the error does not name the file: {error!r}"
        return None


def _range(draw: st.DrawFn, content: bytes, longest: int = 64) -> tuple[int, int]:
    start = draw(st.integers(0, len(content)))
    return start, min(len(content), start + draw(st.integers(1, longest)))


def _flip(draw: st.DrawFn, content: bytes) -> bytes:
    if not content:
        return content
    bit = draw(st.integers(0, 8 * len(content) - 1))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _set(draw: st.DrawFn, content: bytes) -> bytes:
    start, _ = _range(draw, content)
    return content[:start] + bytes([draw(st.integers(0, 255))]) + content[start + 1 :]


def _cut(draw: st.DrawFn, content: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content)))]


def _insert(draw: st.DrawFn, content: bytes) -> bytes:
    start, _ = _range(draw, content)
    return content[:start] + draw(st.binary(min_size=1, max_size=16)) + content[start:]


def _splice(draw: st.DrawFn, content: bytes) -> bytes:
    start, stop = _range(draw, content, 8)
    if draw(st.booleans()):
        stop = start
    return content[:start] + draw(st.sampled_from(_SPLICES)) + content[stop:]


def _repeat(draw: st.DrawFn, content: bytes) -> bytes:
    start, stop = _range(draw, content)
    return content[:stop] + content[start:stop] * draw(st.integers(1, 3)) + content[stop:]


def _delete(draw: st.DrawFn, content: bytes) -> bytes:
    start, stop = _range(draw, content)
    return content[:start] + content[stop:]


def _swap(draw: st.DrawFn, content: bytes) -> bytes:
    one, two = sorted([_range(draw, content), _range(draw, content)])
    if one[1] > two[0]:
        return content
    (first, second), (third, fourth) = one, two
    return (
        content[:first]
        + content[third:fourth]
        + content[second:third]
        + content[first:second]
        + content[fourth:]
    )


def _number(draw: st.DrawFn, content: bytes) -> bytes:
    """A text in which one of the numbers is replaced."""
    digits = b"0123456789"
    places = [index for index, byte in enumerate(content) if byte in digits]
    if not places:
        return content
    start = stop = draw(st.sampled_from(places))
    while stop < len(content) and content[stop] in digits:
        stop += 1
    return content[:start] + draw(st.sampled_from(_SPLICES)) + content[stop:]


_CHANGES = (_flip, _set, _cut, _insert, _splice, _number, _repeat, _delete, _swap)
