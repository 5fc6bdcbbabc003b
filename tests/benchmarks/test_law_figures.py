"""The figures of the law: drawn, and the valley of weak binding is that of the law."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmarks.interpret import law_figures


def test_weak_binding_knows_the_product_of_concentration_and_activity_alone():
    change = np.array([-1.0, 0.0, 1.0])
    weak, strong = law_figures.misfit(-8.0, change), law_figures.misfit(3.0, change)
    for misfit in (weak, strong):
        assert misfit[1, 1] == 0
        assert misfit[1, 2] > 0.5
    # Along the valley the one rises as the other falls.
    assert max(weak[0, 2], weak[2, 0]) < 0.01
    assert min(strong[0, 2], strong[2, 0]) > 0.5


def test_openers_let_an_activator_act():
    none, some = (
        law_figures.read_promoters(
            -4.0, openers=np.full(2, openers), activators=np.arange(2)
        ).expression
        for openers in (0, 3)
    )
    assert 0 < none[1] - none[0] < 0.2
    assert some[1] - some[0] > 2


def test_two_sites_share_where_they_overlap():
    at = np.array([law_figures.COVERED - 1, law_figures.COVERED])
    np.testing.assert_allclose(law_figures.two_sites(at, exclusive=False), 3 / 4, rtol=1e-5)
    np.testing.assert_allclose(law_figures.two_sites(at, exclusive=True), [3 / 7, 3 / 4], rtol=1e-5)


def test_bases_run_out():
    independent, exclusive = (
        law_figures.bound_molecules(np.array([-8.0, 6.0]), each) for each in (False, True)
    )
    assert independent[0] == pytest.approx(exclusive[0], rel=0.02)
    assert exclusive[1] < 0.7 * independent[1]


def test_it_draws_its_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["law_figures", "--figures", str(tmp_path)])
    monkeypatch.setattr(law_figures, "ALL_SITES", 8.0)
    law_figures.main()
    names = {
        f"law_{each}.png" for each in ("occupancy", "chromatin", "undetermined", "competition")
    }
    assert {path.name for path in tmp_path.iterdir()} == names
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())
