"""Motif scanning by looking at every site, and examples for it."""

from __future__ import annotations

import numpy as np

from cisreg.motifs import MotifSet

FIELDS = ["sequence", "position", "strand", "motif", "log_kd"]
UNKNOWN = 4


def site_log_kd(sequence: np.ndarray, motifs: MotifSet, index: int) -> np.ndarray:
    """Log Kd of every site of one motif, float32 [N, 2, P], added in the documented order."""
    first, end = motifs.column_range()[:, index]
    width, length = end - first, sequence.shape[1]
    table = np.zeros((width, 5), np.float32)
    table[:, :4] = motifs.log_kd[first:end, :, index]
    windows = max(length - width + 1, 0)
    total = np.zeros((len(sequence), 2, windows), np.float32)
    complement = np.array([3, 2, 1, 0, UNKNOWN])
    for column in range(width):
        total[:, 0] += table[column][sequence[:, column : column + windows]]
        right = width - 1 - column
        total[:, 1] += table[column][complement[sequence[:, right : right + windows]]]
    return total


def oracle_hits(sequence: np.ndarray, motifs: MotifSet, threshold: np.ndarray) -> list[np.ndarray]:
    """The fields of Hits, found by looking at every site."""
    rows = []
    for index in range(len(motifs)):
        log_kd = site_log_kd(sequence, motifs, index)
        number, strand, position = np.nonzero(log_kd <= threshold[index])
        motif = np.full_like(number, index)
        rows.append([number, position, strand, motif, log_kd[number, strand, position]])
    fields = [np.concatenate(field) for field in zip(*rows, strict=True)]
    order = np.lexsort(fields[3::-1])
    return [field[order] for field in fields]


def oracle_best(sequence: np.ndarray, motifs: MotifSet) -> list[np.ndarray]:
    """The fields of BestSites, found by looking at every site."""
    shape = (len(sequence), len(motifs))
    position, strand = np.full(shape, -1), np.full(shape, -1)
    value = np.full(shape, np.inf, np.float32)
    for index in range(len(motifs)):
        log_kd = site_log_kd(sequence, motifs, index)
        if log_kd.size:
            # Position first, then strand, decides among equals.
            flat = log_kd.transpose(0, 2, 1).reshape(len(sequence), -1)
            lowest = flat.argmin(axis=1)
            position[:, index], strand[:, index] = np.divmod(lowest, 2)
            value[:, index] = flat.min(axis=1)
    return [position, strand, value]


def random_motifs(random: np.random.Generator, widths: list[int], spread: float = 2) -> MotifSet:
    matrices = [random.normal(0, spread, (width, 4)) for width in widths]
    return MotifSet.from_matrices(
        [f"m{index}" for index in range(len(widths))], matrices, width=max(widths) + 3
    )


def random_sequence(
    random: np.random.Generator, count: int, length: int, unknown: float = 0.0
) -> np.ndarray:
    sequence = random.integers(0, 4, (count, length)).astype(np.uint8)
    sequence[random.random(sequence.shape) < unknown] = UNKNOWN
    return sequence


def thresholds_of_share(sequence: np.ndarray, motifs: MotifSet, share: float) -> np.ndarray:
    """For each motif a log Kd that some site has exactly, and about this share is below."""
    values = [np.sort(site_log_kd(sequence, motifs, i), axis=None) for i in range(len(motifs))]
    return np.array(
        [each[int(share * (each.size - 1))] if each.size else 0 for each in values], np.float32
    )


def assert_same(actual, expected) -> None:
    for name, one, other in zip(FIELDS, actual, expected, strict=False):
        np.testing.assert_array_equal(one, other, err_msg=name)
