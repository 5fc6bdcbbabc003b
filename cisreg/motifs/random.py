"""Random motifs, from which training can find factors that nobody has described."""

from __future__ import annotations

import itertools
from collections.abc import Collection

import numpy as np

from cisreg.motifs.motif_set import MotifSet


def unused_names(known: Collection[str], count: int) -> list[str]:
    """Names for motifs that come after those of `known`: motif_N, N counted from their number on.

    Example:
        >>> unused_names(["Reb1", "motif_2"], 2)
        ['motif_3', 'motif_4']
    """
    names = (f"motif_{index}" for index in itertools.count(len(known)))
    return list(itertools.islice((name for name in names if name not in known), count))


def random_motifs(
    count: int, *, width: int = 30, seed: int = 0, known: Collection[str] = ()
) -> MotifSet:
    """Motifs of standard normal entries, as CisRegModels begins where it is given none.

    Args:
        count: M, 1 or more.
        width: W, all of them the motifs' own.
        seed: of the entries; motif k of a seed is the same whatever `count` is.
        known: names of the motifs that they come after, see `unused_names`.

    Returns:
        A MotifSet with `log_kd` float32 [width, 4, count].

    Raises:
        ValueError: no motif, or no column.

    Example:
        >>> random_motifs(2, width=10, known=["Reb1"]).names
        ('motif_1', 'motif_2')
    """
    entries = np.random.default_rng(seed).standard_normal((count, 4, width))
    return MotifSet(
        tuple(unused_names(known, count)),
        entries.transpose(2, 1, 0),
        np.zeros(count, int),
        np.full(count, width),
    )
