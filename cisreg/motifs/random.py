"""Random motifs, from which training can find factors that nobody has described."""

from __future__ import annotations

import itertools
from collections.abc import Collection

import numpy as np

from cisreg.motifs.motif_set import MotifSet


def unused_names(known: Collection[str], count: int) -> list[str]:
    """Names motif_N that `known` does not hold; N counts on from the number of known names.

    Example:
        >>> unused_names(["Reb1", "motif_2"], 2)
        ['motif_3', 'motif_4']
    """
    names = (f"motif_{index}" for index in itertools.count(len(known)))
    return list(itertools.islice((name for name in names if name not in known), count))


def random_motifs(
    count: int, *, width: int = 30, seed: int = 0, known: Collection[str] = ()
) -> MotifSet:
    """Motifs whose entries are drawn from the standard normal distribution, to train from.

    CisRegModels initialises motifs in this way where it is not given any.

    Args:
        count: M, 1 or more.
        width: W; every motif is as wide.
        seed: of the random numbers; the first motifs of a seed are the same whatever `count` is.
        known: names that are taken, see `unused_names`.

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
