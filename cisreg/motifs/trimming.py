"""Drops the ends of motifs that carry little information."""

from __future__ import annotations

import numpy as np

from cisreg.motifs.information import information_content
from cisreg.motifs.motif_set import MotifSet


def trim_motifs(motifs: MotifSet, minimum_information: float = 0.1) -> MotifSet:
    """Drops columns at both ends of each motif until each end column has enough information.

    Details follow, but for thresholds of hits, which hold for whole motifs.

    Args:
        motifs: the motifs.
        minimum_information: smallest information of an end column that stays, bits, relative to
            equal frequencies of the bases.

    Returns:
        The motifs in as many columns as the widest of them has left.

    Raises:
        ValueError: a motif in which no column has enough information.

    Example:
        >>> from cisreg.motifs import demo_motifs
        >>> trim_motifs(demo_motifs()["Abf1"], 1.0).consensus()
        ('TCRYNNNNNACG',)
    """
    matrices, details = [], []
    parts = (motifs.names, motifs.probabilities(), motifs.matrices(), motifs.details)
    for name, probabilities, matrix, detail in zip(*parts, strict=True):
        information = information_content(probabilities)
        kept = np.flatnonzero(information >= minimum_information)
        if not len(kept):
            raise ValueError(
                f"minimum_information: expected columns with {minimum_information:g} bits or more, "
                f"but motif {name!r} has {information.max():.3g} at most; lower it, or leave the "
                "motif out"
            )
        first, end = int(kept[0]), int(kept[-1]) + 1
        matrices.append(matrix[first:end])
        whole = len(matrix) == end - first
        details.append(detail if whole else detail.trimmed(first, end))
    width = max(map(len, matrices))
    return MotifSet.from_matrices(motifs.names, matrices, width=width, details=details)
