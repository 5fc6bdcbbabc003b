"""Contributions of sites and bases, against sums and loops over single sites."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from interpret_models import COLUMN_RANGE, KINDS, LENGTH, NAMES, WIDTH, make_bound_model, make_codes

from cisreg.data import Dataset
from cisreg.interpret import (
    base_contribution_batches,
    base_contributions,
    contributions,
    site_contribution_batches,
    site_contributions,
)
from cisreg.interpret.sites import site_parts

RULES = ("at value", "shapley")
FEW = ["expected limit=False positional=False stranded=False", "valid", "trim"]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", KINDS)
def test_sites_add_up_to_the_parts_of_factors(kind, rule):
    model, codes = make_bound_model(kind), make_codes()
    parts = site_parts(model, codes, rule)
    whole = contributions(model, codes, accessibility=rule)
    scale = np.abs(whole.by_factor).max()
    activity = parts.activity.sum(axis=2)
    if len(whole.strands) == 1:
        activity = activity.sum(axis=1, keepdims=True)
    # Single sites and the fused scan differ by the rounding of float32.
    np.testing.assert_allclose(activity, whole.activity, atol=1e-5 * scale)
    exact = 1e-5 if model.spec.positional_potentiation else 1e-9
    np.testing.assert_allclose(parts.opening.sum(axis=(1, 2)), whole.opening, atol=exact * scale)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", KINDS)
def test_bases_add_up_to_the_prediction(kind, rule):
    model, codes = make_bound_model(kind), make_codes()
    found = base_contributions(model, codes, accessibility=rule, by_factor=True, batch_size=7)
    whole = contributions(model, codes, accessibility=rule)
    scale = np.abs(whole.by_factor).max()
    total = found.effect.sum(axis=1) + found.outside + whole.baseline + whole.direct
    np.testing.assert_allclose(total, whole.score, atol=1e-9 * scale)
    np.testing.assert_allclose(found.by_factor.sum(axis=2), found.effect, atol=1e-9 * scale)
    touching = whole.by_factor - found.by_factor.sum(axis=1)
    np.testing.assert_allclose(touching.sum(axis=1), found.outside, atol=1e-6 * scale)
    if model.spec.padding == "valid":
        np.testing.assert_allclose(found.outside, 0, atol=1e-5 * scale)


def one_by_one(model, codes, parts):
    """The effect of every base of the first sequence, with a loop over sites and columns."""
    effect = np.zeros((LENGTH, len(NAMES)))
    log_kd = model.parameters["log_kd"].astype(float)
    before = (WIDTH - 1) // 2 if model.spec.padding == "same" else 0
    for strand, window, motif in np.ndindex(parts.activity.shape[1:]):
        touched = {}
        for column in range(*COLUMN_RANGE[:, motif]):
            base = window - before + (WIDTH - 1 - column if strand else column)
            if 0 <= base < LENGTH:
                code = codes[0, base]
                letter = 3 - code if strand and code < 4 else code
                here = log_kd[column, letter, motif] if letter < 4 else 0.0
                touched[base] = max(log_kd[column, :, motif].max() - here, 0.0)
        share = sum(touched.values())
        for base, gain in touched.items():
            part = gain / share if share else 1 / len(touched)
            effect[base, motif] += part * parts.activity[0, strand, window, motif]
    return effect


@pytest.mark.parametrize("kind", FEW[:2])
def test_a_base_has_its_part_of_each_site_by_what_it_gains_over_the_worst(kind):
    model, codes = make_bound_model(kind), make_codes()[1:3]
    found = base_contributions(model, codes, by_factor=True)
    parts = site_parts(model, codes, "at value")
    np.testing.assert_allclose(found.by_factor[0], one_by_one(model, codes, parts), atol=1e-6)


def test_a_motif_without_preference_has_equal_parts():
    model, codes = make_bound_model("valid"), make_codes(unknown=False)[:0]
    codes = make_codes()[3:4]
    model.parameters["log_kd"][..., 0] = 0
    found = base_contributions(model, codes, by_factor=True)
    parts = site_parts(model, codes, "at value")
    np.testing.assert_allclose(found.by_factor[0], one_by_one(model, codes, parts), atol=1e-6)
    assert (found.by_factor[0, :, 0] != 0).all()


def test_a_planted_site_is_found_where_it_is_on_both_strands():
    model = make_bound_model()
    model.parameters["log_concentration"][:] = (
        model.parameters["log_kd"].min(axis=1).sum(axis=0) + 2
    )
    site = model.motifs.strongest_site()[3]
    opposite = site[::-1].translate(str.maketrans("ACGT", "TGCA"))
    background = "N" * LENGTH
    texts = [background[:8] + word + background[8 + len(word) :] for word in (site, opposite)]
    found = site_contributions(model, texts, factors=["Gcn4"], least_occupancy=0.8)
    strand = {
        (row, s): (a, b, text)
        for row, s, a, b, text in zip(
            found.sequence, found.strand, found.start, found.end, found.site, strict=True
        )
    }
    assert strand[0, 0] == (8, 8 + len(site), site)
    assert strand[1, 1] == (8, 8 + len(site), site)
    np.testing.assert_allclose(found.occupancy, 1 / (1 + np.exp(-2)), rtol=1e-5)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", FEW)
def test_shown_and_other_sites_are_all_of_a_factor(kind, rule):
    model, codes = make_bound_model(kind), make_codes()
    found = site_contributions(model, codes, accessibility=rule, least_occupancy=0.3, batch_size=5)
    shown = np.zeros_like(found.other)
    np.add.at(shown, (found.sequence, found.factor), found.effect)
    np.testing.assert_allclose(shown + found.other, found.whole.by_factor, atol=1e-9)
    assert len(found) > 10
    assert found.occupancy.min() >= 0.3
    assert (np.diff(found.sequence) >= 0).all()
    assert ((found.start >= 0) & (found.end <= LENGTH) & (found.start <= found.end)).all()


def test_the_largest_sites_of_each_sequence():
    model, codes = make_bound_model(), make_codes()
    every = site_contributions(model, codes, least_occupancy=0)
    few = site_contributions(model, codes, least_occupancy=0, largest=3)
    for row in range(len(codes)):
        largest = np.sort(np.abs(every.effect[every.sequence == row]))[-3:]
        np.testing.assert_array_equal(np.sort(np.abs(few.effect[few.sequence == row])), largest)
    assert len(every) == 12 * 2 * LENGTH * 5


def test_tables_of_sites_and_bases():
    model, codes = make_bound_model(), make_codes()
    data = Dataset(codes, np.zeros(12), name=[f"p{place}" for place in range(12)])
    sites = site_contributions(model, data, largest=2)
    assert sites.to_table().column_names == [
        *("sequence", "factor", "strand", "start", "end", "site", "occupancy", "effect")
    ]
    assert site_contributions(model, data, accessibility="shapley").to_table().column_names[7:] == [
        *("activity", "accessibility", "effect")
    ]
    assert sites.to_frame()["sequence"][0] == "p0"
    assert "sites in 12 sequences" in repr(sites)
    assert "p0" in sites._repr_html_()
    bases = base_contributions(model, data)
    frame = bases.to_frame()
    assert frame.columns.tolist() == ["sequence", "position", "base", "effect"]
    assert "".join(frame["base"][:LENGTH]) == "".join("ACGTN"[code] for code in codes[0])
    assert "12 sequences of 24 bases" in repr(bases)
    assert "p0" in bases._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"least_occupancy": 2}, "least_occupancy: expected 0 to 1, got 2"),
        ({"largest": 0}, "largest: expected 1 or more"),
        ({"factors": ["x"]}, "factors: expected names"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        site_contributions(make_bound_model(), make_codes(), **arguments)


@pytest.mark.parametrize("named", [False, True])
def test_batches_of_sites_and_bases_are_the_whole_and_count_on(named):
    model, codes = make_bound_model(), make_codes(7)
    data = Dataset(codes, np.zeros(7, np.float32), name=[f"p{n}" for n in range(7)])
    sequences = data if named else codes
    for whole, batches in (
        (site_contributions, site_contribution_batches),
        (base_contributions, base_contribution_batches),
    ):
        parts = list(batches(model, sequences, batch_size=3))
        assert [len(part.whole) for part in parts] == [3, 3, 1]
        joined = pa.concat_tables([part.to_table() for part in parts])
        expected = whole(model, sequences).to_table()
        assert joined.select(["sequence"]) == expected.select(["sequence"])
        np.testing.assert_array_equal(joined["effect"], expected["effect"])
        np.testing.assert_array_equal(
            whole(model, sequences, batch_size=3).to_table()["effect"], expected["effect"]
        )


@pytest.mark.parametrize("question", [site_contributions, base_contributions])
def test_what_does_not_fit_into_memory_is_refused(monkeypatch, question):
    model, codes = make_bound_model(), make_codes()
    monkeypatch.setattr("cisreg.limits.host_memory", lambda: 1000)
    with pytest.raises(ValueError, match=r"contributions of 12 sequences: .*take \w+_batches"):
        question(model, codes)
