"""Random motifs, from which training can find factors that nobody has described."""

from __future__ import annotations

import numpy as np

from cisreg.motifs.motif_set import MotifSet


def random_motifs(count: int, *, width: int = 30, seed: int = 0, first: int = 0) -> MotifSet:
    """Motifs of standard normal entries, as CisRegModels begins where it is given none.

    Args:
        count: M, 1 or more.
        width: W, all of them the motifs' own.
        seed: of the entries; motif k of a seed is the same whatever `count` is.
        first: number of the first one; they are named motif_FIRST, ...

    Returns:
        A MotifSet with `log_kd` float32 [width, 4, count].

    Raises:
        ValueError: no motif, or no column.

    Example:
        >>> random_motifs(2, width=10, first=245).names
        ('motif_245', 'motif_246')
    """
    entries = np.random.default_rng(seed).standard_normal((count, 4, width))
    return MotifSet(
        tuple(f"motif_{index}" for index in range(first, first + count)),
        entries.transpose(2, 1, 0),
        np.zeros(count, int),
        np.full(count, width),
    )
