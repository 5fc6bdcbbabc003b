"""Other scanners of motifs, by one form of call: lightmotif, MOODS, and memelite's FIMO.

Motifs are scoring matrices, float32 [width, 4], bases in the order A C G T; high is strong, as
these libraries have it (score = -log Kd). Windows with an N are no sites, as in `cisreg.scan`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from cisreg.motifs import MotifSet

LIGHTMOTIF, MOODS, MEMELITE = "lightmotif", "MOODS", "memelite"
# Packages to install, by the name of the scanner.
PACKAGES = {LIGHTMOTIF: "lightmotif", MOODS: "MOODS-python", MEMELITE: "memelite"}
_LETTERS = "ACGT"
_UNKNOWN = 4
# MOODS looks up this many columns at once; its own scripts take 7.
_MOODS_WINDOW = 7


class Sites(NamedTuple):
    """Hits of one motif on one strand, by position.

    Attributes:
        position: int64 [hits], leftmost base on the forward strand.
        score: float64 [hits].
    """

    position: np.ndarray
    score: np.ndarray


def scoring_matrices(motifs: MotifSet) -> list[np.ndarray]:
    """Each motif's own columns as scores in nats, float32 [width, 4]."""
    return [
        np.ascontiguousarray(-motifs.log_kd[first:end, :, motif])
        for motif, (first, end) in enumerate(motifs.column_range().T)
    ]


def reverse_complement(matrix: np.ndarray) -> np.ndarray:
    """The matrix that gives a window the score of its reverse complement."""
    return np.ascontiguousarray(matrix[::-1, ::-1])


def lightmotif_matrix(matrix: np.ndarray) -> Any:
    """A lightmotif.ScoringMatrix. N scores as the weakest base: a low number would be coarse."""
    import lightmotif

    columns = {base: matrix[:, code].tolist() for code, base in enumerate(_LETTERS)}
    return lightmotif.ScoringMatrix({**columns, "N": matrix.min(axis=1).tolist()})


def lightmotif_sites(
    codes: np.ndarray, matrix: np.ndarray, threshold: float, *, striped: Any = None
) -> Sites:
    """Windows whose score is at least the threshold, in any order of addition of lightmotif's.

    Args:
        codes: uint8 [L].
        matrix: float32 [width, 4]; the reverse complement for the reverse strand.
        threshold: in nats.
        striped: lightmotif's form of `codes`, where it was made before.
    """
    import lightmotif

    striped = lightmotif.stripe(to_text(codes)) if striped is None else striped
    found = lightmotif.scan(lightmotif_matrix(matrix), striped, threshold=threshold)
    pairs = sorted((hit.position, hit.score) for hit in found)
    position = np.array([position for position, _ in pairs], np.int64)
    score = np.array([score for _, score in pairs], np.float64)
    # It also lists windows with N, and some over the end of the sequence.
    whole = whole_windows(codes, len(matrix))
    inside = position < len(whole)
    inside[inside] = whole[position[inside]]
    return Sites(position[inside], score[inside])


def moods_sites(
    codes: np.ndarray, matrices: Sequence[np.ndarray], thresholds: Sequence[float]
) -> list[Sites]:
    """Windows of every matrix whose score, summed in float64, is at least its threshold."""
    import MOODS.scan

    window = min([_MOODS_WINDOW, *map(len, matrices)])
    found = MOODS.scan.scan_dna(
        to_text(codes),
        [moods_matrix(matrix) for matrix in matrices],
        [0.25] * 4,
        [float(threshold) for threshold in thresholds],
        window,
    )
    sites = []
    for hits in found:
        pairs = sorted((hit.pos, hit.score) for hit in hits)
        position = np.array([position for position, _ in pairs], np.int64)
        sites.append(Sites(position, np.array([score for _, score in pairs], np.float64)))
    return sites


def moods_matrix(matrix: np.ndarray) -> list[list[float]]:
    """A row per base, as MOODS wants it."""
    return [row.tolist() for row in matrix.T.astype(np.float64)]


def to_text(codes: np.ndarray) -> str:
    """Letters of base codes [L]."""
    return np.frombuffer(b"ACGTN", np.uint8)[codes].tobytes().decode()


def whole_windows(codes: np.ndarray, width: int) -> np.ndarray:
    """Bool [L - width + 1]: the window holds no N."""
    before = np.cumsum(np.pad(codes == _UNKNOWN, (1, 0)))
    windows = max(len(codes) - width + 1, 0)
    return before[width : width + windows] == before[:windows]


def spread(work: Callable[[int], None], threads: int) -> None:
    """Calls `work` with 0 to threads - 1, each in a thread of its own."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
