"""Motifs of JASPAR's size class: its CORE collection of 2018, or random ones like it.

JASPAR 2018 CORE has 1,404 motifs, and scanners have been measured with these since. pyjaspar has
them in its package, so nothing is downloaded.
"""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

import numpy as np

from cisreg.motifs import MotifSet

RELEASE = "JASPAR2018"
# Widths of the motifs of JASPAR 2018 CORE at every tenth of them, from the narrowest to the widest.
_WIDTHS = (5, 7, 8, 9, 10, 11, 11, 13, 15, 17, 30)
# Columns are drawn from Dirichlet distributions with these parameters: some say much, others
# little; 1.1 bits a column on average, as in JASPAR.
_SHARP, _FLAT, _SHARP_SHARE = 0.08, 0.7, 0.6


class Profiles(NamedTuple):
    """Probabilities of bases.

    Attributes:
        names: of the motifs.
        probabilities: of each, float64 [width, 4].
        source: what they are, for titles of tables.
    """

    names: list[str]
    probabilities: list[np.ndarray]
    source: str

    def motif_set(self) -> MotifSet:
        """Log Kd against a uniform background, with a pseudocount of 0.001 in the probabilities."""
        width = max(map(len, self.probabilities))
        return MotifSet.from_probabilities(self.names, self.probabilities, width=width)


def jaspar_profiles(count: int) -> Profiles:
    """So many motifs, taken evenly from JASPAR's where pyjaspar is installed.

    Raises:
        ValueError: more than JASPAR has.
    """
    if importlib.util.find_spec("pyjaspar") is None:
        return _random_profiles(count)
    from pyjaspar import jaspardb

    database = jaspardb(release=RELEASE)
    found = database.fetch_motifs(collection="CORE", all_versions=False)
    if count > len(found):
        raise ValueError(f"expected at most {len(found)} motifs, which {RELEASE} has, got {count}")
    chosen = [found[index * len(found) // count] for index in range(count)]
    counts = [np.array([motif.counts[base] for base in "ACGT"], np.float64).T for motif in chosen]
    return Profiles(
        [motif.matrix_id for motif in chosen],
        [each / each.sum(axis=1, keepdims=True) for each in counts],
        "motifs of JASPAR 2018 CORE",
    )


def _random_profiles(count: int) -> Profiles:
    random = np.random.default_rng(0)
    places = np.linspace(0, 1, len(_WIDTHS))
    widths = np.interp((np.arange(count) + 0.5) / count, places, _WIDTHS).round().astype(int)
    matrices = []
    for width in widths:
        parameter = np.where(random.random(width) < _SHARP_SHARE, _SHARP, _FLAT)
        matrices.append(np.array([random.dirichlet([each] * 4) for each in parameter]))
    names = [f"motif {index}" for index in range(count)]
    return Profiles(names, matrices, "random motifs like JASPAR's")
