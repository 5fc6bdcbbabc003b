"""Random motifs, from which training can find unknown factors."""

from __future__ import annotations

import itertools
from collections.abc import Collection

import numpy as np

from cisreg.limits import MOST_MOTIFS, WIDEST_MOTIF, check_memory, check_range
from cisreg.motifs.motif_set import MotifSet


def unused_names(known: Collection[str], count: int) -> list[str]:
    """Names motif_N that are not in `known`; N starts after the number of known names.

    Example:
        >>> unused_names(["Reb1", "motif_2"], 2)
        ['motif_3', 'motif_4']
    """
    names = (f"motif_{index}" for index in itertools.count(len(known)))
    return list(itertools.islice((name for name in names if name not in known), count))


def random_motifs(
    count: int, *, width: int = 30, seed: int = 0, known: Collection[str] = ()
) -> MotifSet:
    """Motifs with entries drawn from the standard normal distribution, as a start for training.

    CisRegModels initialises motifs in this way if none are given.

    Args:
        count: M, 1 or more.
        width: W, the width of every motif.
        seed: seed of the random numbers; a larger `count` does not change the first motifs.
        known: names that are already used, see `unused_names`.

    Returns:
        A MotifSet with `log_kd` float32 [width, 4, count].

    Raises:
        ValueError: no motif, or no column.

    Example:
        >>> random_motifs(2, width=10, known=["Reb1"]).names
        ('motif_1', 'motif_2')
    """
    check_range("width", width, 1, WIDEST_MOTIF)
    check_range("count", count, 1, MOST_MOTIFS)
    check_memory(f"count: {count:,} motifs", 16 * 4 * count * width, "ask for fewer")
    entries = np.random.default_rng(seed).standard_normal((count, 4, width))
    return MotifSet(
        tuple(unused_names(known, count)),
        entries.transpose(2, 1, 0),
        np.zeros(count, int),
        np.full(count, width),
    )
