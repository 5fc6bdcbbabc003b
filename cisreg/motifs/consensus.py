"""Position Kd matrices from IUPAC consensus sequences."""

from __future__ import annotations

import numpy as np

from cisreg.motifs.bases import BASES

IUPAC = {
    **{base: base for base in BASES},
    **{"R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC"},
    **{"B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": BASES},
}


def consensus_matrix(consensus: str, *, mismatch_probability: float = 0.02) -> np.ndarray:
    """The position Kd matrix of an IUPAC consensus sequence.

    At each position, every base that the letter excludes has the probability
    `mismatch_probability`, and the bases that it allows share the rest equally. Log Kd is
    ln(0.25 / probability), the negative of the log-odds matrix of Stormo (2000). N adds 0.

    Args:
        consensus: letters of the IUPAC nucleotide code, in upper or lower case; U counts as T.
            Blanks and ends of lines around it are dropped.
        mismatch_probability: between 0 and 0.25, both excluded.

    Returns:
        float64 [letters, 4], nats, bases in the order A C G T.

    Raises:
        ValueError: an empty consensus, a letter that is not in the code, or a probability out of
            range.
        TypeError: something other than a string.

    Example:
        >>> consensus_matrix("AN").round(2)
        array([[-1.32,  2.53,  2.53,  2.53],
               [ 0.  ,  0.  ,  0.  ,  0.  ]])
    """
    if not isinstance(consensus, str):
        raise TypeError(f"consensus: expected a string, got {consensus!r}")
    text = consensus.strip()
    # Only ASCII: the upper case of some other letters is one or two ASCII letters.
    letters = [letter.upper().replace("U", "T") if letter.isascii() else "" for letter in text]
    place = next((place for place, letter in enumerate(letters) if letter not in IUPAC), None)
    if place is not None or not letters:
        got = "none" if place is None else f"{text[place]!r} at position {place} of {text!r}"
        raise ValueError(f"consensus: expected letters of {''.join(IUPAC)}, got {got}")
    if not 0 < mismatch_probability < 0.25:
        raise ValueError(
            f"mismatch_probability: expected 0 < probability < 0.25, got {mismatch_probability}; "
            "try 0.02"
        )
    allowed = np.array([[base in IUPAC[letter] for base in BASES] for letter in letters])
    count = allowed.sum(axis=1, keepdims=True)
    shared = (1 - (4 - count) * mismatch_probability) / count
    return np.log(0.25 / np.where(allowed, shared, mismatch_probability))
