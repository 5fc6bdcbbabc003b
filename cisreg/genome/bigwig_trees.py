"""The two indices of a bigWig: sequences by name (B+ tree), and sections by place (R tree)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import BinaryIO

import numpy as np

# First and last sequence and base of a section, its place in the file and its size.
ENTRY = np.dtype(
    [
        *(("sequence", "<u4"), ("start", "<u4"), ("last", "<u4"), ("end", "<u4")),
        *(("place", "<u8"), ("size", "<u8")),
    ]
)
_INNER = np.dtype(ENTRY.descr[:5])
_CHILDREN = 256
_NAMES_MAGIC, _PLACES_MAGIC = 0x78CA8C91, 0x2468ACE0
_NAMES_HEAD = struct.Struct("<IIIIQQ")
_PLACES_HEAD = struct.Struct("<IIQIIIIQII")
_NODE = struct.Struct("<BBH")


def write_names(file: BinaryIO, lengths: Mapping[str, int]) -> int:
    """Writes the tree of the sequences' names; their numbers are those of the order of `lengths`.

    Returns:
        Where it begins in the file.

    Example:
        >>> import io
        >>> write_names(io.BytesIO(), {"chr2": 500, "chr1": 700})
        0
    """
    place = file.tell()
    names = np.array([name.encode() for name in lengths])
    key, number = ("key", names.dtype), ("number", "<u4")
    leaves = np.empty(len(names), np.dtype([key, number, ("length", "<u4")]))
    leaves["key"], leaves["number"] = names, np.arange(len(names))
    leaves["length"] = list(lengths.values())
    # Readers look names up by halving.
    leaves = leaves[np.argsort(names)]
    inner = np.dtype([key, ("place", "<u8")])

    def parents(level: np.ndarray) -> np.ndarray:
        nodes = np.zeros(-(-len(level) // _CHILDREN), inner)
        nodes["key"] = level["key"][::_CHILDREN]
        return nodes

    children = min(_CHILDREN, len(leaves))
    size = names.dtype.itemsize
    file.write(_NAMES_HEAD.pack(_NAMES_MAGIC, children, size, 8, len(leaves), 0))
    _write_tree(file, leaves, parents)
    return place


def write_places(file: BinaryIO, entries: np.ndarray, *, items: int, end: int) -> None:
    """Writes the R tree of sections.

    Args:
        file: where to write.
        entries: `ENTRY` [n], in the order of sequence and base.
        items: the largest number of items of a section.
        end: where the sections end in the file.

    Example:
        >>> import io
        >>> write_places(io.BytesIO(), np.zeros(0, ENTRY), items=1024, end=0)
    """
    whole = _parents(entries, len(entries))[0].item()[:4] if len(entries) else (0, 0, 0, 0)
    file.write(_PLACES_HEAD.pack(_PLACES_MAGIC, _CHILDREN, len(entries), *whole, end, items, 0))
    _write_tree(file, entries, _parents)


def _parents(level: np.ndarray, children: int = _CHILDREN) -> np.ndarray:
    """An entry for each node of so many children: the stretch that they cover."""
    first = np.arange(0, len(level), children)
    last = np.minimum(first + children, len(level)) - 1
    nodes = np.zeros(len(first), _INNER)
    nodes["sequence"], nodes["start"] = level["sequence"][first], level["start"][first]
    # Sections follow each other without overlap, so the last one reaches farthest.
    nodes["last"], nodes["end"] = level["last"][last], level["end"][last]
    return nodes


def _write_tree(
    file: BinaryIO, leaves: np.ndarray, parents: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Writes the nodes of a tree, level by level, the topmost first.

    Args:
        file: where to write.
        leaves: the items of the lowest level.
        parents: the items of the level above some items; their field `place` is filled here.
    """
    levels = [leaves]
    while len(levels[-1]) > _CHILDREN:
        levels.append(parents(levels[-1]))
    place = file.tell()
    for number in range(len(levels) - 1, -1, -1):
        level = levels[number]
        nodes = range(0, max(len(level), 1), _CHILDREN)
        place += len(nodes) * _NODE.size + level.nbytes
        if number:
            # The nodes of the level below follow each other from here on.
            node = _NODE.size + _CHILDREN * levels[number - 1].itemsize
            level["place"] = place + node * np.arange(len(level))
        for first in nodes:
            part = level[first : first + _CHILDREN]
            file.write(_NODE.pack(not number, 0, len(part)) + part.tobytes())
