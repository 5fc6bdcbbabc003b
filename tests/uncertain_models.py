"""Simulated data with known truth, shared by the tests of uncertainty."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cisreg.data import Dataset
from cisreg.motifs import random_motifs
from cisreg.simulate import simulate
from cisreg.trained_model import Model


def simulated(seed=0, *, motifs=4, count=800, length=40, width=8, noise=0.1):
    """(the true model, measured sequences) of a few random motifs."""
    made = simulate(
        random_motifs(motifs, width=width, seed=seed),
        sequence_count=count,
        sequence_length=length,
        seed=seed,
        noise=noise,
        planted_sites=3,
    )
    truth = Model(made.spec, made.parameters, made.motif_names)
    return truth, Dataset(made.sequence, made.expression)


def linear(seed=0, **options):
    """Like `simulated`, of a model without accessibility: expression is linear in activities."""
    truth, data = simulated(seed, **options)
    spec = replace(truth.spec, potentiation=False)
    kept = {name: truth.parameters[name] for name in spec.parameter_shapes}
    truth = replace(truth, spec=spec, parameters=kept)
    random = np.random.default_rng(seed)
    expression = truth.predict(data).expression + random.normal(0, 1, len(data))
    return truth, Dataset(data.sequence, expression)


def disturbed(model, size=0.3, seed=0):
    """The model with other numbers, apart from its motifs."""
    random = np.random.default_rng(seed)
    changed = {
        name: np.asarray(value + (name != "log_kd") * random.normal(0, size, value.shape), "f4")
        for name, value in model.parameters.items()
    }
    return replace(model, parameters=changed)
