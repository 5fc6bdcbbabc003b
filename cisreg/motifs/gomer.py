"""Occupancy of single sites, and the GOMER score: the probability that any site is bound."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cisreg.motifs.checking import check_one_motif
from cisreg.motifs.motif_set import MotifSet

_UNKNOWN = 4


def site_occupancy(
    sequence: np.ndarray,
    log_kd: npt.ArrayLike,
    log_concentration: float,
    *,
    scale: float = 1.0,
) -> np.ndarray:
    """The probability that each site is bound, p = sigmoid(scale (log concentration - log Kd)).

    Sites are windows that hold the whole motif, on both strands. The scale is an inverse
    temperature: above 1 sites are bound or free more clearly. (CisRegModels, de Boer et al., 2020,
    takes its logarithm, so exp of its kdScale is the scale.)

    Args:
        sequence: uint8 [N, L] base codes; unknown bases (code 4) add nothing to log Kd.
        log_kd: [width, 4], nats.
        log_concentration: nats.
        scale: above 0.

    Returns:
        float64 [N, 2, L - width + 1], the windows by their leftmost base; strand 0 is forward, 1
        the reverse complement of the same window. No window where the sequence is too short.

    Raises:
        ValueError: an argument has the wrong shape, dtype or values.

    Example:
        >>> from cisreg.sequences import encode
        >>> site_occupancy(encode(["AAT"]), [[-1, 1, 1, 1], [-1, 1, 1, 1]], -2).round(3)
        array([[[0.5  , 0.119],
                [0.018, 0.119]]])
    """
    codes = _base_codes(sequence)
    matrix = check_one_motif("log_kd", log_kd)
    if not np.isfinite(log_concentration):
        raise ValueError(
            f"log_concentration: expected a finite number of nats, got {log_concentration}"
        )
    if not 0 < scale < np.inf:
        raise ValueError(f"scale: expected a finite number above 0, got {scale}; 1 changes nothing")
    width = len(matrix)
    windows = max(codes.shape[1] - width + 1, 0)
    logit = np.full((len(codes), 2, windows), log_concentration, np.float64)
    for strand, entries in enumerate((matrix, matrix[::-1, ::-1])):
        table = np.concatenate([entries, np.zeros((width, 1))], axis=1)
        for column in range(width):
            logit[:, strand] -= table[column][codes[:, column : column + windows]]
    # Neither overflows, nor rounds weak sites to nothing.
    return np.exp(-np.logaddexp(0, -scale * logit))


def gomer_score(
    sequence: np.ndarray, motifs: MotifSet, log_concentration: npt.ArrayLike
) -> np.ndarray:
    """The probability that at least one site is bound, 1 - product over sites of (1 - p).

    This is the score of GOMER (Granek and Clarke, 2005, Genome Biology 6, R87): sites are windows
    on both strands that hold all of the motif's own columns, bound independently of each other with
    p = sigmoid(log concentration - log Kd). Computed by `cisreg.occupancy`, motifs of equal width
    together. `cisreg.occupancy(..., reduction="probability")` itself is the same over windows of
    W columns; with its default padding they reach over the ends of the sequence.

    Padding counts as unknown bases: its windows have log Kd 0. Where that is not far above the log
    concentration, score sequences of one length together rather than padded ones.

    Args:
        sequence: uint8 [N, L] base codes; unknown bases (code 4) add nothing to log Kd.
        motifs: the M motifs.
        log_concentration: nats, one number or [M].

    Returns:
        float32 [N, M]; 0 for motifs that are wider than the sequence.

    Raises:
        ValueError: an argument has the wrong shape, dtype or values.

    Example:
        >>> from cisreg.sequences import encode
        >>> motifs = MotifSet.from_matrices(["a"], [[[-1, 1, 1, 1], [-1, 1, 1, 1]]])
        >>> gomer_score(encode(["AAT", "CGC"]), motifs, -2).round(3)
        array([[0.619],
               [0.07 ]], dtype=float32)
    """
    from cisreg.occupancy import occupancy

    codes = _base_codes(sequence)
    concentration = np.asarray(log_concentration, np.float32)
    if concentration.shape not in ((), (len(motifs),)) or not np.isfinite(concentration).all():
        raise ValueError(
            f"log_concentration: expected one finite number of nats or shape [{len(motifs)}], one "
            f"per motif, got {concentration.tolist()}"
        )
    concentration = np.broadcast_to(concentration, len(motifs))
    matrices = motifs.matrices()
    score = np.zeros((len(codes), len(motifs)), np.float32)
    for width in np.unique(motifs.widths):
        if width > codes.shape[1]:
            continue
        index = np.flatnonzero(motifs.widths == width)
        score[:, index] = occupancy(
            codes,
            np.stack([matrices[motif] for motif in index], axis=2),
            concentration[index],
            reduction="probability",
            padding="valid",
        ).bound
    return score


def _base_codes(sequence: np.ndarray) -> np.ndarray:
    codes = np.asarray(sequence)
    if codes.dtype != np.uint8 or codes.ndim != 2:
        raise ValueError(
            f"sequence: expected uint8 base codes of shape [N, L], got {codes.dtype} "
            f"{list(codes.shape)}; encode text with cisreg.encode"
        )
    if codes.size and codes.max() > _UNKNOWN:
        raise ValueError(f"sequence: expected codes 0 to {_UNKNOWN}, got {codes.max()}")
    return codes
