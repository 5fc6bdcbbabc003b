"""A small motif set that comes with the package, for demonstrations and tests."""

from __future__ import annotations

from cisreg.motifs.consensus import consensus_matrix
from cisreg.motifs.motif_set import MotifSet

# Consensus sites of well-known budding yeast factors from the literature; compare the matrices
# collected in YeTFaSCo (de Boer and Hughes, 2012).
CONSENSUS = {
    "Abf1": "RTCRYNNNNNACG",
    "Cbf1": "RTCACGTG",
    "Gal4": "CGGNNNNNNNNNNNCCG",
    "Gcn4": "RTGASTCAY",
    "Hap2": "CCAATSA",
    "Mbp1": "ACGCGT",
    "Mcm1": "CCNNWWNNGG",
    "Mig1": "WWWWSYGGGG",
    "Msn2": "MAGGGG",
    "Rap1": "ACCCRNACAY",
    "Reb1": "TTACCCG",
    "Ste12": "TGAAACA",
    "Swi4": "CRCGAAA",
    "TBP": "TATAWAWR",
    "Ume6": "TAGCCGCCGA",
    "poly-dA": "AAAAAAAAAA",
}


def demo_motifs(*, width: int = 20) -> MotifSet:
    """Sixteen well-known motifs of budding yeast, made from their consensus sequences.

    Args:
        width: W, the columns of the result; the widest motif, Gal4, has 17.

    Returns:
        A MotifSet with `log_kd` float32 [width, 4, 16], computed by `consensus_matrix`.

    Raises:
        ValueError: `width` is below 1.

    Example:
        >>> motifs = demo_motifs()
        >>> dict(zip(motifs.names, motifs.strongest_site()))["Reb1"]
        'TTACCCG'
    """
    matrices = [consensus_matrix(consensus) for consensus in CONSENSUS.values()]
    return MotifSet.from_matrices(list(CONSENSUS), matrices, width=width)
