"""How frequent the bases are: counted in sequences, from a file, or given."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from cisreg.genome.portions import Portion
from cisreg.motifs.checking import check_background
from cisreg.number_text import is_float, parse_float, shown
from cisreg.streams import text_lines

logger = logging.getLogger("cisreg.genome")

_BASES = "ACGT"
_UNIFORM = "uniform"
_SEQUENCES = "sequences"
_COUNTED = 1 << 16  # codes that stay in the cache of the processor


class _Sequences(Protocol):
    def portions(self, *, overlap: int) -> Iterable[Portion]: ...

    def hold(self) -> None: ...


def base_composition(source: _Sequences) -> np.ndarray:
    """The shares of A, C, G and T in sequences, on their forward strand.

    The sequences are read once, in portions. Unknown bases do not count.

    Args:
        source: what `open_genome` gives. What can be read only once, such as standard input, is
            copied to a temporary file first, so that it can be read again.

    Returns:
        float64 [4], which sum to 1.

    Raises:
        ValueError: no base is known; or as `GenomeSource.portions`.

    Example:
        >>> from cisreg.genome import open_genome
        >>> with open_genome("genome.fa") as genome:  # doctest: +SKIP
        ...     background = base_composition(genome)
    """
    counts = np.zeros(4, np.int64)
    source.hold()
    for portion in source.portions(overlap=0):
        counts += _count(portion.codes)
    if not counts.sum():
        raise ValueError("background: expected sequences with known bases, got none to count")
    return counts / counts.sum()


def _count(codes: np.ndarray) -> np.ndarray:
    counts = np.zeros(4, np.int64)
    for first in range(0, len(codes), _COUNTED):
        part = codes[first : first + _COUNTED]
        counts += [np.count_nonzero(part == base) for base in range(4)]
    return counts


def read_background(background: Any, source: _Sequences | None = None) -> np.ndarray:
    """The probabilities of A, C, G and T, however they are given.

    Args:
        background: four probabilities as numbers, or as text such as "0.3,0.2,0.2,0.3" or
            "0.3 0.2 0.2 0.3"; "uniform", 1/4 each; "sequences", their shares in `source`; or the
            path of a file as MEME reads it: lines such as `A 0.3`, of which those of more than one
            base (higher orders) are not used. A file is meant where it exists.
        source: the sequences, for "sequences".

    Returns:
        float64 [4], which sum to 1.

    Raises:
        FileNotFoundError: no such file, and no other form either.
        ValueError: not four probabilities of 0 or more that sum to 1 within 0.02; the message names
            the file and line.

    Example:
        >>> read_background("0.3,0.2,0.2,0.3")
        array([0.3, 0.2, 0.2, 0.3])
    """
    if not isinstance(background, str | os.PathLike):
        return check_background(background, zero_allowed=True)
    text = os.fspath(background)
    is_file = Path(text).is_file()
    if text == _UNIFORM and not is_file:
        return np.full(4, 0.25)
    if text == _SEQUENCES and not is_file:
        if source is None:
            raise ValueError('background: expected sequences to count for "sequences", got none')
        return _said(base_composition(source), "the sequences")
    parts = text.replace(",", " ").split()
    if not is_file and all(map(is_float, parts)) and parts:
        return check_background([parse_float(part) for part in parts], zero_allowed=True)
    if not is_file:
        raise FileNotFoundError(
            f'background: expected "{_UNIFORM}", "{_SEQUENCES}", four numbers such as '
            f"0.3,0.2,0.2,0.3, or a file, got {shown(text)}, which is no file; check the path"
        )
    return _said(_read_file(text), text)


def _said(background: np.ndarray, where: str) -> np.ndarray:
    shares = ", ".join(
        f"{base} {share:.4f}" for base, share in zip(_BASES, background, strict=True)
    )
    logger.info("background from %s: %s", where, shares)
    return background


def _read_file(path: str) -> np.ndarray:
    shares: dict[str, float] = {}
    higher = False
    for number, line in enumerate(text_lines(path), start=1):
        fields = line.partition("#")[0].split()
        if not fields:
            continue
        letters = fields[0].upper().replace("U", "T")
        if len(fields) != 2 or not set(letters) <= set(_BASES) or not is_float(fields[1]):
            raise ValueError(
                f"{path}:{number}: expected a base and its probability, such as A 0.3, got "
                f"{shown(line.strip())}; is it a background file of MEME for DNA?"
            )
        if len(letters) > 1:
            higher = True
        elif letters in shares:
            raise ValueError(f"{path}:{number}: expected every base once, got {letters} again")
        else:
            shares[letters] = parse_float(fields[1])
    if set(shares) != set(_BASES):
        raise ValueError(
            f"{path}: expected the probabilities of A, C, G and T, got {_listed(sorted(shares))}"
        )
    if higher:
        logger.info("%s: probabilities of more than one base are not used", path)
    try:
        return check_background([shares[base] for base in _BASES], zero_allowed=True)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _listed(bases: Sequence[str]) -> str:
    return f"those of {', '.join(bases)}" if bases else "none"
