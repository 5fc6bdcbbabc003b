"""The benchmark of mutagenesis: all ways find the same effects."""

from __future__ import annotations

import numpy as np

from benchmarks.interpret.mutagenesis import LENGTH, make_model, numpy_mutants, torch_arrays
from benchmarks.shared.problem import LIKE_YEAST
from cisreg.interpret import mutagenesis


def test_mutants_one_by_one_have_the_effects_of_mutagenesis():
    model = make_model(LIKE_YEAST, 8)
    codes = np.random.default_rng(3).integers(0, 4, (1, LENGTH), dtype=np.uint8)
    found = mutagenesis(model, codes).effect
    assert np.abs(found).max() > 1e-3
    np.testing.assert_allclose(found, numpy_mutants(model, codes), atol=1e-5)


def test_the_law_of_the_rival_is_that_of_the_model():
    model = make_model(LIKE_YEAST, 8)
    codes = np.random.default_rng(3).integers(0, 4, (2, LENGTH), dtype=np.uint8)
    law = {name: np.asarray(value, np.float64) for name, value in torch_arrays(model).items()}
    width = law["kernel"].shape[2]
    one_hot = np.pad(np.eye(4)[codes], ((0, 0), ((width - 1) // 2, width // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(one_hot, width, axis=1)
    energy = np.einsum("npbw,mbw->nmp", windows, law["kernel"])
    site = law["counts"] / (1 + np.exp(energy - law["log_concentration"][:, None]))
    opening = site.sum(axis=2) @ law["potentiation"]
    acting = (site * law["weight"]).sum(axis=2) @ law["activity"]
    expected = law["bias"] + acting / (1 + np.exp(-law["potentiation_bias"] - opening))
    np.testing.assert_allclose(mutagenesis(model, codes).reference, expected, rtol=1e-5)
