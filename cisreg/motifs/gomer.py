"""Occupancy of single sites, and the GOMER score: the probability that at least one is bound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from cisreg.arrays import as_array
from cisreg.choices import check_choice
from cisreg.motifs.checking import check_one_motif
from cisreg.motifs.motif_set import MotifSet
from cisreg.sequences import SequenceRows, Unknown, sequence_rows

_UNKNOWN_BASE = 4
_COMPLEMENT = [3, 2, 1, 0, _UNKNOWN_BASE]


def site_occupancy(
    sequence: npt.ArrayLike,
    log_kd: npt.ArrayLike,
    log_concentration: float,
    *,
    scale: float = 1.0,
    unknown: Unknown = "skip",
) -> np.ndarray:
    """The probability that each site is bound, p = sigmoid(scale (log concentration - log Kd)).

    Sites are windows that hold the whole motif, on both strands. The scale is an inverse
    temperature: above 1, occupancies are closer to 0 or 1. (The kdScale of CisRegModels, de Boer et
    al., 2020, is the logarithm of this scale.)

    Args:
        sequence: base codes [N, L], or [L] for one sequence.
        log_kd: [width, 4], nats.
        log_concentration: nats.
        scale: above 0.
        unknown: how to treat windows that hold an unknown base (code 4): "skip", they are not
            sites; "neutral", the base adds 0 to log Kd; "worst", it adds as much as the weakest
            base.

    Returns:
        float64 [N, 2, L - width + 1]. Windows are indexed by their leftmost base in the row; strand
        0 is forward, 1 is the reverse complement of the same window. Windows that are not sites,
        such as those over padding, have 0. There are no windows if the rows are too short.

    Raises:
        ValueError: an argument has the wrong shape, type or values.

    Example:
        >>> from cisreg.sequences import encode
        >>> site_occupancy(encode(["AAT"]), [[-1, 1, 1, 1], [-1, 1, 1, 1]], -2).round(3)
        array([[[0.5  , 0.119],
                [0.018, 0.119]]])
    """
    check_choice("unknown", unknown, Unknown)
    rows = sequence_rows("sequence", sequence)
    matrix = check_one_motif("log_kd", log_kd)
    if not np.isfinite(log_concentration):
        raise ValueError(
            f"log_concentration: expected a finite number of nats, got {log_concentration}"
        )
    if not 0 < scale < np.inf:
        raise ValueError(f"scale: expected a finite number above 0, got {scale}; 1 changes nothing")
    width = len(matrix)
    windows = max(rows.codes.shape[1] - width + 1, 0)
    logit = np.full((len(rows.codes), 2, windows), log_concentration, np.float64)
    of_unknown = matrix.max(axis=1, keepdims=True) if unknown == "worst" else np.zeros((width, 1))
    table = np.concatenate([matrix, of_unknown], axis=1)
    for strand, entries in enumerate((table, table[::-1, _COMPLEMENT])):
        for column in range(width):
            logit[:, strand] -= entries[column][rows.codes[:, column : column + windows]]
    # This form does not overflow, and does not round weak sites to 0.
    bound = np.exp(-np.logaddexp(0, -scale * logit))
    is_site = _windows_within(_usable_bases(rows, unknown), width)
    return np.where(is_site[:, np.newaxis], bound, 0)


def gomer_score(
    sequence: npt.ArrayLike,
    motifs: MotifSet,
    log_concentration: npt.ArrayLike,
    *,
    unknown: Unknown = "skip",
) -> np.ndarray:
    """The probability that at least one site is bound, 1 - product over sites of (1 - p).

    This is the score of GOMER (Granek and Clarke, 2005, Genome Biology 6, R87): sites are windows
    on both strands that hold all of the motif's own columns, bound independently of each other with
    p = sigmoid(log concentration - log Kd). Sequences may differ in length: windows over the
    padding that `cisreg.encode` added are not sites.

    It is computed by `cisreg.occupancy`, together for motifs of equal width and sequences of equal
    length. `cisreg.occupancy(..., reduction="probability")` differs in two ways: windows have W
    columns for every motif, and unknown bases are neutral. With its default padding, windows also
    reach over the row's ends.

    Args:
        sequence: base codes [N, L], or [L] for one sequence.
        motifs: the M motifs.
        log_concentration: nats, one number or [M].
        unknown: how to treat windows that hold an unknown base (code 4): "skip", they are not
            sites; "neutral", the base adds 0 to log Kd; "worst", it adds as much as the weakest
            base.

    Returns:
        float32 [N, M]; 0 for a sequence without sites, such as one shorter than the motif.

    Raises:
        ValueError: an argument has the wrong shape, type or values.

    Example:
        >>> from cisreg.sequences import encode
        >>> motifs = MotifSet.from_matrices(["a"], [[[-1, 1, 1, 1], [-1, 1, 1, 1]]])
        >>> gomer_score(encode(["AAT", "CGC"]), motifs, -2).round(3)
        array([[0.619],
               [0.07 ]], dtype=float32)
    """
    from cisreg.occupancy import occupancy

    check_choice("unknown", unknown, Unknown)
    rows = sequence_rows("sequence", sequence)
    concentration = as_array(log_concentration, "log_concentration", np.float32, (...,))
    if concentration.shape not in ((), (len(motifs),)) or not np.isfinite(concentration).all():
        raise ValueError(
            f"log_concentration: expected one finite number of nats or shape [{len(motifs)}], one "
            f"per motif, got {concentration.tolist()}"
        )
    groups = [
        (motif, *_motifs_of_one_width(motifs, motif, concentration, unknown))
        for motif in _equal(motifs.widths)
    ]
    log_unbound = np.zeros((len(rows.codes), len(motifs)))
    for row, codes in _stretches(rows, unknown, shortest=int(motifs.widths.min())):
        for motif, log_kd, log_of_group in groups:
            if len(log_kd) <= codes.shape[1]:
                strands = occupancy(
                    codes, log_kd, log_of_group, reduction="log_unbound", padding="valid"
                ).bound
                np.add.at(log_unbound, np.ix_(row, motif), np.asarray(strands).sum(axis=1))
    return -np.expm1(log_unbound).astype(np.float32)


def _motifs_of_one_width(
    motifs: MotifSet, index: np.ndarray, log_concentration: np.ndarray, unknown: str
) -> tuple[np.ndarray, np.ndarray]:
    """Log Kd [width, 4, motifs] and log concentrations of motifs of equal width.

    `cisreg.occupancy` adds 0 for an unknown base. For "worst", every column is shifted so that its
    weakest base adds 0, and the log concentration is shifted by the sum of these shifts. Occupancy
    depends only on the difference of the two, which stays the same.
    """
    matrices = motifs.matrices()
    log_kd = np.stack([matrices[motif] for motif in index], axis=2)
    concentration = np.broadcast_to(log_concentration, len(motifs))[index]
    if unknown != "worst":
        return log_kd, concentration
    weakest = log_kd.astype(np.float64).max(axis=1)
    shifted = concentration - weakest.sum(axis=0)
    return (log_kd - weakest[:, np.newaxis]).astype(np.float32), shifted.astype(np.float32)


def _equal(values: np.ndarray) -> Iterator[np.ndarray]:
    """For each value that occurs, the indices of its elements."""
    for value in np.unique(values):
        yield np.flatnonzero(values == value)


def _stretches(
    rows: SequenceRows, unknown: str, *, shortest: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Finds stretches of sequence in which every window is a site; groups them by length.

    Yields:
        (row of each stretch, codes uint8 [stretches, length]).
    """
    usable = _usable_bases(rows, unknown)
    if usable.all():
        yield np.arange(len(rows.codes)), rows.codes
        return
    edges = np.diff(usable.astype(np.int8), axis=1, prepend=0, append=0)
    row, begin = np.nonzero(edges == 1)
    length = np.nonzero(edges == -1)[1] - begin
    for index in _equal(length):
        columns = np.arange(length[index[0]])
        if len(columns) >= shortest:
            yield row[index], rows.codes[row[index, np.newaxis], begin[index, np.newaxis] + columns]


def _usable_bases(rows: SequenceRows, unknown: str) -> np.ndarray:
    """Which codes [N, L] may be part of a site."""
    count, length = rows.codes.shape
    usable = rows.codes < _UNKNOWN_BASE if unknown == "skip" else np.ones((count, length), bool)
    if rows.row_range is None:
        return usable
    first, end = rows.row_range[..., np.newaxis]
    column = np.arange(length)
    return usable & (first <= column) & (column < end)


def _windows_within(usable: np.ndarray, width: int) -> np.ndarray:
    """Whether all bases of each window [N, L - width + 1] may be part of a site."""
    if usable.shape[1] < width:
        return np.zeros((len(usable), 0), bool)
    return np.all(np.lib.stride_tricks.sliding_window_view(usable, width, axis=1), axis=2)
