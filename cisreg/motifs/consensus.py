"""Position Kd matrices from IUPAC consensus sequences."""

from __future__ import annotations

import numpy as np

from cisreg.motifs.motif_set import BASES

IUPAC = {
    **{base: base for base in BASES},
    **{"R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC"},
    **{"B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": BASES},
}


def consensus_matrix(consensus: str, *, mismatch_probability: float = 0.02) -> np.ndarray:
    """The position Kd matrix of an IUPAC consensus sequence.

    At each position every base that the letter excludes occurs with `mismatch_probability` and the
    bases that it allows share the rest evenly; log Kd is the log odds of the background against
    that, ln(0.25 / probability) (the log-odds matrix of Stormo, 2000, negated). N adds nothing.

    Args:
        consensus: letters of the IUPAC nucleotide code.
        mismatch_probability: between 0 and 0.25, both excluded.

    Returns:
        float64 [letters, 4], nats, bases in the order A C G T.

    Raises:
        ValueError: an empty consensus, another letter, or a probability out of range.

    Example:
        >>> consensus_matrix("AN").round(2)
        array([[-1.32,  2.53,  2.53,  2.53],
               [ 0.  ,  0.  ,  0.  ,  0.  ]])
    """
    unknown = sorted(set(consensus) - IUPAC.keys())
    if unknown or not consensus:
        raise ValueError(
            f"consensus: expected letters of {''.join(IUPAC)}, got {consensus!r}; "
            "write the consensus in upper-case IUPAC letters"
        )
    if not 0 < mismatch_probability < 0.25:
        raise ValueError(
            f"mismatch_probability: expected 0 < probability < 0.25, got {mismatch_probability}; "
            "try 0.02"
        )
    allowed = np.array([[base in IUPAC[letter] for base in BASES] for letter in consensus])
    count = allowed.sum(axis=1, keepdims=True)
    shared = (1 - (4 - count) * mismatch_probability) / count
    return np.log(0.25 / np.where(allowed, shared, mismatch_probability))
