"""Motif scanning by examining every site, and examples for it."""

from __future__ import annotations

import numpy as np

from cisreg.motifs import MotifSet

FIELDS = ["sequence", "position", "strand", "motif", "log_kd"]
UNKNOWN = 4


def site_log_kd(
    sequence: np.ndarray,
    motifs: MotifSet,
    index: int,
    unknown: str = "skip",
    row_range: np.ndarray | None = None,
) -> np.ndarray:
    """Log Kd of every window of one motif, float32 [N, 2, P], added in the documented order.

    NaN where a window is not a site.
    """
    first, end = motifs.column_range()[:, index]
    width, length = end - first, sequence.shape[1]
    table = np.zeros((width, 5), np.float32)
    table[:, :4] = motifs.log_kd[first:end, :, index]
    if unknown == "worst":
        table[:, UNKNOWN] = table[:, :4].max(axis=1)
    windows = max(length - width + 1, 0)
    total = np.zeros((len(sequence), 2, windows), np.float32)
    complement = np.array([3, 2, 1, 0, UNKNOWN])
    for column in range(width):
        total[:, 0] += table[column][sequence[:, column : column + windows]]
        right = width - 1 - column
        total[:, 1] += table[column][complement[sequence[:, right : right + windows]]]
    start = np.arange(windows)
    is_site = np.ones((len(sequence), windows), bool)
    if unknown == "skip":
        before = np.cumsum(np.pad(sequence == UNKNOWN, ((0, 0), (1, 0))), axis=1)
        is_site &= before[:, start + width] == before[:, start]
    if row_range is not None:
        is_site &= (start >= row_range[0, :, None]) & (start + width <= row_range[1, :, None])
    total[np.broadcast_to(~is_site[:, np.newaxis], total.shape)] = np.nan
    return total


def oracle_hits(
    sequence: np.ndarray,
    motifs: MotifSet,
    threshold: np.ndarray,
    unknown: str = "skip",
    row_range: np.ndarray | None = None,
) -> list[np.ndarray]:
    """The fields of Hits, found by examining every site."""
    rows = []
    for index in range(len(motifs)):
        log_kd = site_log_kd(sequence, motifs, index, unknown, row_range)
        number, strand, position = np.nonzero(log_kd <= threshold[index])
        motif = np.full_like(number, index)
        rows.append([number, position, strand, motif, log_kd[number, strand, position]])
    fields = [np.concatenate(field) for field in zip(*rows, strict=True)]
    order = np.lexsort(fields[3::-1])
    return [field[order] for field in fields]


def oracle_best(
    sequence: np.ndarray,
    motifs: MotifSet,
    unknown: str = "skip",
    row_range: np.ndarray | None = None,
) -> list[np.ndarray]:
    """The fields of BestSites, found by examining every site."""
    shape = (len(sequence), len(motifs))
    position, strand = np.full(shape, -1), np.full(shape, -1)
    value = np.full(shape, np.inf, np.float32)
    for index in range(len(motifs)):
        log_kd = site_log_kd(sequence, motifs, index, unknown, row_range)
        if log_kd.size:
            # Ties are decided by position, then by strand.
            flat = log_kd.transpose(0, 2, 1).reshape(len(sequence), -1)
            some = ~np.isnan(flat).all(axis=1)
            lowest = np.nanargmin(flat[some], axis=1)
            position[some, index], strand[some, index] = np.divmod(lowest, 2)
            value[some, index] = np.nanmin(flat[some], axis=1)
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


def thresholds_of_share(
    sequence: np.ndarray, motifs: MotifSet, share: float, unknown: str = "skip"
) -> np.ndarray:
    """For each motif, the exact log Kd of one of its sites; about this share of sites is below."""
    found = [site_log_kd(sequence, motifs, i, unknown) for i in range(len(motifs))]
    values = [np.sort(each[~np.isnan(each)]) for each in found]
    return np.array(
        [each[int(share * (each.size - 1))] if each.size else 0 for each in values], np.float32
    )


def assert_same(actual, expected) -> None:
    for name, one, other in zip(FIELDS, actual, expected, strict=False):
        np.testing.assert_array_equal(one, other, err_msg=name)
