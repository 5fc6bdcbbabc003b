"""BGZF, the gzip of small blocks that bgzip writes: genome tools read such files from anywhere."""

from __future__ import annotations

import struct

from isal import isal_zlib

# As bgzip cuts: also a block that cannot be compressed stays below 64 KiB.
_BLOCK = 0xFF00
_LEVEL = 1
_RAW = -15
# A gzip member with the extra field BC, which holds the size of the block less 1.
_HEADER = struct.Struct("<4BI2BH2B2H")
_FOOTER = struct.Struct("<2I")


def compress_blocks(text: bytes) -> bytes:
    """Whole blocks of BGZF, which can be put behind each other; a file ends in `BGZF_END`.

    Args:
        text: what is compressed.

    Example:
        >>> import gzip
        >>> gzip.decompress(compress_blocks(b"chr1") + compress_blocks(b"chr2"))
        b'chr1chr2'
    """
    whole = memoryview(text)
    return b"".join(_block(whole[start : start + _BLOCK]) for start in range(0, len(whole), _BLOCK))


def _block(text: memoryview) -> bytes:
    content = isal_zlib.compress(text, _LEVEL, _RAW)
    size = _HEADER.size + len(content) + _FOOTER.size
    header = _HEADER.pack(*(0x1F, 0x8B, 8, 4), 0, *(0, 0xFF), 6, *b"BC", 2, size - 1)
    return header + content + _FOOTER.pack(isal_zlib.crc32(text), len(text))
