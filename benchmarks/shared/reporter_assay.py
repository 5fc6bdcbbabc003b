"""A simulated reporter assay of barcodes, with known activities."""

from __future__ import annotations

import numpy as np
import pandas as pd


def simulate(
    seed=0, *, names=300, barcodes=(2, 30), replicates=3, depth=30.0, spread=0.4, between=0.0
):
    """Counts of barcodes, and the true activity of each sequence in log2.

    Args:
        seed: of everything.
        names: number of sequences.
        barcodes: smallest and largest number of barcodes of a sequence.
        replicates: their number; each has its own depth of RNA.
        depth: mean reads of DNA of a barcode.
        spread: standard deviation of the log effect of a barcode, the same in all replicates.
        between: standard deviation of the log2 effect of a replicate on a sequence.
    """
    random = np.random.default_rng(seed)
    truth = random.normal(0, 1.2, names)
    owner = np.repeat(np.arange(names), random.integers(barcodes[0], barcodes[1] + 1, names))
    molecules = random.lognormal(np.log(depth), 0.5, len(owner))
    effect = np.exp(random.normal(-(spread**2) / 2, spread, len(owner)))
    codes = random.permutation(4**9)[: len(owner)]
    letters = ["".join("ACGT"[(code >> 2 * at) & 3] for at in range(9)) for code in codes]
    columns = {"Barcode": letters, "name": [f"oligo_{each}" for each in owner]}
    for number in range(1, replicates + 1):
        activity = truth + random.normal(0, between, names)
        columns[f"dna_count_{number}"] = random.poisson(molecules)
        columns[f"rna_count_{number}"] = random.poisson(
            molecules * effect * 2 ** activity[owner] * (1 + 0.3 * number)
        )
    return pd.DataFrame(columns), truth


def design(names):
    """FASTA of a design; the sequence of each name."""
    random = np.random.default_rng(1)
    found = {f"oligo_{each}": "".join(random.choice(list("ACGT"), 20)) for each in range(names)}
    return found, "".join(f">{name} more\n{each}\n" for name, each in found.items())
