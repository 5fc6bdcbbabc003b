"""Information content of motifs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cisreg.motifs.checking import check_background, check_probabilities, check_pseudocount


def information_content(
    probabilities: npt.ArrayLike,
    *,
    background: npt.ArrayLike | None = None,
    pseudocount: float = 0.0,
) -> np.ndarray:
    """Information content of each column, sum over bases of p log2((p + pseudocount) / background).

    This is the relative entropy of the column to the background (Schneider et al., 1986, J. Mol.
    Biol. 188, 415-431; Stormo, 2000), with 0 log 0 = 0. For a uniform background it is between 0
    and 2 bits. The information content of a motif is the sum over its columns. CisRegModels (de
    Boer et al., 2020) uses a pseudocount of 0.001 only inside the logarithm; this can raise a
    column slightly above 2 bits.

    Args:
        probabilities: [..., 4], each column summing to 1.
        background: [4], probabilities of A, C, G and T; None for 1/4 each.
        pseudocount: 0 or more, added inside the logarithm.

    Returns:
        float64 [...], bits.

    Raises:
        ValueError: bad probabilities, background or pseudocount.

    Example:
        >>> columns = information_content([[1, 0, 0, 0], [0.5, 0, 0.5, 0], [0.25] * 4])
        >>> columns, float(columns.sum())
        (array([2., 1., 0.]), 3.0)
    """
    array = check_probabilities("probabilities", probabilities)
    ratio = (array + check_pseudocount(pseudocount)) / check_background(background)
    logarithm = np.log2(ratio, where=ratio > 0, out=np.zeros_like(ratio))
    return (array * logarithm).sum(axis=-1)
