"""What is scanned and how, for processes that measure it: one file, and a source of sequences."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import cisreg
from benchmarks.shared.genomes import Genome
from benchmarks.shared.jaspar import Profiles
from cisreg.genome import Portion
from cisreg.motifs import MotifSet


class ScanProblem(NamedTuple):
    """Motifs and thresholds, computed once for all processes.

    Attributes:
        motifs: the motifs.
        threshold: float32 [M], largest log Kd of a hit.
        probabilities: of each motif, float64 [width, 4].
        p_value: what the thresholds are for.
    """

    motifs: MotifSet
    threshold: np.ndarray
    probabilities: list[np.ndarray]
    p_value: float

    @classmethod
    def make(cls, profiles: Profiles, p_value: float) -> ScanProblem:
        """Log Kd and thresholds against a uniform background: memelite's FIMO knows no other."""
        motifs = profiles.motif_set()
        threshold = cisreg.p_value_threshold(motifs, p_value)
        return cls(motifs, threshold, profiles.probabilities, p_value)

    def save(self, path: Path) -> None:
        """As an .npz file."""
        motifs = self.motifs
        np.savez(
            path,
            names=np.array(motifs.names),
            log_kd=motifs.log_kd,
            first_column=motifs.first_column,
            widths=motifs.widths,
            threshold=self.threshold,
            probabilities=np.concatenate(self.probabilities),
            p_value=self.p_value,
        )

    @classmethod
    def load(cls, path: Path) -> ScanProblem:
        """What `save` wrote."""
        with np.load(path) as stored:
            widths = stored["widths"]
            motifs = MotifSet(
                tuple(stored["names"].tolist()), stored["log_kd"], stored["first_column"], widths
            )
            matrices = np.split(stored["probabilities"], np.cumsum(widths)[:-1])
            return cls(motifs, stored["threshold"], matrices, float(stored["p_value"]))

    @property
    def overlap(self) -> int:
        """Bases that portions share: one less than the widest motif."""
        return int(self.motifs.widths.max()) - 1


class MadeSource:
    """A made genome as a source of sequences; counts the seconds that making it takes.

    Attributes:
        seconds: spent in making sequence so far.
    """

    def __init__(self, genome: Genome) -> None:
        self._genome = genome
        self.seconds = 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """Of the chromosomes."""
        return tuple(self._genome.chromosomes)

    @property
    def lengths(self) -> tuple[int, ...]:
        """In bases."""
        return tuple(self._genome.chromosomes.values())

    def portions(self, *, overlap: int, own: int = 2**22) -> Iterator[Portion]:
        """All chromosomes, in order."""
        for name, length in self._genome.chromosomes.items():
            for start in range(0, length, own):
                end = min(start + own + overlap, length)
                last = end == length
                yield Portion(
                    name,
                    start,
                    self.fetch(name, start, end),
                    end - start if last else own,
                    last=last,
                )
                if last:
                    break

    def fetch(self, name: str, start: int, end: int) -> np.ndarray:
        """Base codes of a stretch."""
        before = time.perf_counter()
        codes = self._genome.codes(name, start, end)
        self.seconds += time.perf_counter() - before
        return codes

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> MadeSource:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
