"""Promoters of factors of which some act in pairs, shared by tests and benchmarks of pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cisreg.motifs import MotifSet
from cisreg.simulate import Simulation, simulate
from cisreg.trained_model import Model


def sharp_motifs(count=6, width=9, columns=12, seed=7):
    """Motifs that read one strand only: none is like another or its own reverse complement."""
    random = np.random.default_rng(seed)
    matrices = []
    for _ in range(count):
        matrix = 1.5 + random.exponential(1.5, (width, 4))
        matrix[np.arange(width), random.integers(0, 4, width)] = 0
        matrices.append(matrix)
    return MotifSet.from_matrices([f"F{each}" for each in range(count)], matrices, width=columns)


def simulated(pairs=1, *, sequence_count=2000, seed=0, **options) -> Simulation:
    return simulate(
        sharp_motifs(),
        sequence_count=sequence_count,
        sequence_length=80,
        seed=seed,
        pairs=pairs,
        **options,
    )


def without_pairs(made: Simulation) -> Model:
    """The true model, but for its pairs."""
    parameters = {name: each for name, each in made.parameters.items() if name != "pair_effect"}
    spec = replace(made.spec, pairs=())
    return Model(spec, parameters, made.motif_names)
