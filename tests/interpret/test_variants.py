"""Effects of variants: against predictions of sequences that are mutated by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from interpret_models import (
    COLUMN_RANGE,
    KINDS,
    LENGTH,
    NAMES,
    WIDTH,
    expression_in_float64,
    make_codes,
    make_model,
)

from cisreg.data import Dataset
from cisreg.interpret import explain_difference, read_out, scan_model, variant_effects
from cisreg.interpret.contributions import change_parts
from cisreg.interpret.read_out import ModelScan, between_ends, site_occupancy
from cisreg.interpret.site_changes import LEFT, site_changes
from cisreg.sequences import decode, encode


def truth(model, sequences):
    return expression_in_float64(model, model.encode(sequences))


def mutated(codes, seed=2, changes=2):
    """The sequences with some other bases."""
    random, new = np.random.default_rng(seed), codes.copy()
    for row in new:
        for place in random.choice(np.flatnonzero(row != 4), changes, replace=False):
            row[place] = (row[place] + random.integers(1, 4)) % 4
    return new


@pytest.mark.parametrize("kind", KINDS)
def test_effects_are_differences_of_predictions_and_parts_add_up(kind):
    model = make_model(**KINDS[kind])
    before = make_codes()
    after = mutated(before)
    found = variant_effects(model, before, after)
    expected = truth(model, before), truth(model, after)
    np.testing.assert_allclose(found.reference, expected[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.alternative, expected[1], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.effect, expected[1] - expected[0], atol=2e-5)
    scores = [read_out(model, scan_model(model, codes)).score for codes in (before, after)]
    np.testing.assert_allclose(found.by_factor.sum(axis=1), scores[1] - scores[0], atol=1e-9)
    assert np.abs(found.effect).max() > 0.01  # far above the tolerance
    if model.spec.potentiation:
        assert np.abs(found.through_accessibility).max() > 1e-3
    else:
        assert not found.through_accessibility.any()


def test_parts_are_those_of_the_difference():
    model, before = make_model(accessibility_activity=True, stranded=True), make_codes()
    after = mutated(before)
    found = variant_effects(model, before, after)
    expected = explain_difference(model, before, after)
    np.testing.assert_allclose(found.through_binding, expected.activity.sum(axis=1))
    np.testing.assert_allclose(found.through_accessibility, expected.opening)


@pytest.mark.parametrize("kind", ["accessibility activity", "expected limit=True"])
@pytest.mark.parametrize("difference", [0.0, 1e-12, 1e-7, 1e-3, 5.0, 900.0])
def test_two_factors_that_nearly_cancel_in_accessibility(kind, difference):
    """One opens what the other closes: both have large parts, even if nothing opens."""
    layers = {"accessibility_activity": True, "binding_limit": "limit" in kind}
    model = make_model(**layers)
    potentiation = model.parameters["potentiation"]
    potentiation[:] = [2.0, -2.0, 0, 0, 0]
    shape = (1, len(NAMES))
    one = np.full(shape, 0.4)
    other = one + np.array([[0.3, 0.3 - difference / 2, 0, 0, 0]])
    scans = [ModelScan(each, np.stack([each, each], axis=1) / 2) for each in (one, other)]
    parts = change_parts(model, *scans)
    binding, opening = parts.activity.sum(axis=1), parts.opening
    effects = [read_out(model, scan).expression for scan in scans]
    total = (binding + opening).sum(axis=1)
    np.testing.assert_allclose(total, effects[1] - effects[0], rtol=1e-9, atol=1e-9)
    assert np.isfinite(opening).all()
    if difference < 1:
        assert abs(opening[0, 0]) > 0.01
        np.testing.assert_allclose(opening[0, 1], -opening[0, 0], rtol=0.02)


@pytest.mark.parametrize(
    "kind",
    [
        *("expected limit=False positional=False stranded=False", "valid", "context", "trim"),
        "competition",
    ],
)
def test_the_site_that_changes_most_is_that_of_all_sites(kind):
    """Against the occupancy of every site of both sequences, window by window."""
    model, before = make_model(**KINDS[kind]), make_codes(30)
    after = mutated(before, changes=1)
    motif = np.tile(np.arange(len(NAMES)), (len(before), 1))
    found = site_changes(model, before, after, motif)
    sites = [site_occupancy(model, *between_ends(model.spec, each)) for each in (before, after)]
    change = sites[1].astype(float) - sites[0]
    offset = (WIDTH - 1) // 2 if model.spec.padding == "same" else 0
    changed = 0
    for row in range(len(before)):
        for each in range(len(NAMES)):
            largest = np.abs(change[row, :, :, each]).max()
            ours = found.after[row, each] - found.before[row, each]
            np.testing.assert_allclose(abs(ours), largest, atol=1e-6)
            if largest < 1e-6:
                continue
            changed += 1
            strand = "+-".index(found.strand[row, each])
            first, end = COLUMN_RANGE[:, each]
            if strand:
                first, end = WIDTH - end, WIDTH - first
            window = found.start[row, each] - first + offset
            assert found.end[row, each] - found.start[row, each] == end - first
            p = [float(each_site[row, strand, window, each]) for each_site in sites]
            np.testing.assert_allclose([found.before[row, each], found.after[row, each]], p, 1e-5)
            low, high = min(p), max(p)
            expected = ("weaker", "loses") if p[0] > p[1] else ("stronger", "gains")
            assert found.kind[row, each] == expected[low < LEFT * high]
    assert changed > 60


SITE, REVERSE = "CGTACC", "GGTACG"
AROUND = "TTTTATTTAA", "AATTTAAA"


def model_of_one_site(side):
    """A model whose first factor, Abf1, binds SITE, and hardly anything else; it activates."""
    model = make_model(potentiation=False)
    model.parameters["log_kd"][:, :, 0] = 5.0
    for column, base in enumerate(SITE):
        model.parameters["log_kd"][column, "ACGT".index(base), 0] = -1.5
    model.parameters["log_concentration"][0] = -6.0
    model.parameters["activity"][:] = [4.0, 0.01, 0.02, -0.01, 0.01]
    model.metadata["padding_side"] = side
    return model


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("shorter", [0, 5])
def test_explanations_say_which_site_is_lost_or_gained(side, shorter):
    model = model_of_one_site(side)
    left = AROUND[0][shorter:]
    texts = [left + SITE + AROUND[1], left + REVERSE + AROUND[1]]
    broken = [left + "CGAACC" + AROUND[1], left + "GGTTCG" + AROUND[1]]
    lost = variant_effects(model, texts, broken)
    gained = variant_effects(model, broken, texts)
    begin = len(left)
    for strand, row in (("+", 0), ("-", 1)):
        size = f"{lost.by_factor[row, 0]:+.3g}"
        where = f"an Abf1 site at {begin}-{begin + 6} ({strand})"
        assert lost.explanations[row].startswith(f"loses {where}: {size}")
        size = f"{gained.by_factor[row, 0]:+.3g}"
        assert gained.explanations[row].startswith(f"gains {where}: {size}")
    assert (lost.effect < -2).all()
    assert lost.to_table()["top_factor"].to_pylist() == ["Abf1", "Abf1"]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("inserted", ["G", "GATTACA"])
def test_a_site_that_an_insertion_breaks_or_only_moves(side, inserted):
    model = model_of_one_site(side)
    whole = AROUND[0] + SITE + AROUND[1]
    assert len(whole) == LENGTH
    places = {"within": len(AROUND[0]) + 3, "before": 4, "behind": len(whole) - 3}
    texts = [whole[:place] + inserted + whole[place:] for place in places.values()]
    found = variant_effects(model, [whole] * 3, texts)
    begin = len(AROUND[0])
    assert found.explanations[0].startswith(f"loses an Abf1 site at {begin}-{begin + 6} (+): -")
    # Where the site is only moved, or cut off by nothing, the factor is no part of the effect.
    assert abs(found.by_factor[1:, 0]).max() < 0.05 * abs(found.by_factor[0, 0])
    np.testing.assert_allclose(found.effect, truth(model, texts) - truth(model, [whole]), atol=1e-5)
    back = variant_effects(model, texts, [whole] * 3)
    assert back.explanations[0].startswith(f"gains an Abf1 site at {begin}-{begin + 6} (+): +")


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("place", [4, LENGTH - 3])
def test_a_site_that_only_moves_is_neither_lost_nor_gained(side, place):
    """Also where the insertion cuts off an end, so that no column is the same."""
    model = model_of_one_site(side)
    whole = AROUND[0] + SITE + AROUND[1]
    texts = [whole, whole[:place] + "GATTACA" + whole[place:]]
    before, after = (model.encode([text]) for text in texts)
    assert SITE in decode(after)[0]
    for pair in ((before, after), (after, before)):
        found = site_changes(model, *pair, np.array([[0]]))
        assert abs(found.after - found.before).max() < 0.1


def test_sequences_that_do_not_differ():
    found = variant_effects(make_model(), ["ACGT" * 6, "NNNN"], ["ACGT" * 6, "NNNN"])
    assert found.explanations == ["no binding changes"] * 2
    assert not found.effect.any()
    assert len(found.factor_table()) == 0


def test_sequences_come_in_every_form_and_keep_their_names():
    model = make_model()
    codes = make_codes(unknown=False)
    other = mutated(codes)
    texts = decode(codes), decode(other)
    expected = variant_effects(model, codes, other)
    forms = [texts, tuple(pa.array(each) for each in texts), tuple(map(pd.Series, texts))]
    for before, after in forms:
        found = variant_effects(model, before, after, batch_size=5)
        np.testing.assert_array_equal(found.by_factor, expected.by_factor)
        assert found.explanations == expected.explanations
        assert found.to_table()["sequence"].to_pylist() == list(range(len(codes)))
    names = [f"v{number}" for number in range(len(codes))]
    dataset = Dataset(encode(texts[0]), np.zeros((12, 1), np.float32), name=pa.array(names))
    found = variant_effects(model, dataset, other)
    assert found.to_frame()["sequence"].tolist() == names
    found = variant_effects(model, texts[0], texts[1], names=names)
    assert found.to_frame()["sequence"].tolist() == names


def test_lists_that_do_not_fit_each_other():
    model = make_model()
    with pytest.raises(ValueError, match="alternative: expected 2 sequences, one for each"):
        variant_effects(model, ["ACGT", "ACGT"], ["ACGA"])
    with pytest.raises(ValueError, match="names: expected a list of 1, one for each pair, got '2'"):
        variant_effects(model, ["ACGT"], ["ACGA"], names=["a", "b"])
    with pytest.raises(TypeError, match="expected several sequences, got one text"):
        variant_effects(model, "ACGT", "ACGA")
    assert len(variant_effects(model, [], [])) == 0


def test_tables_say_what_the_arrays_do():
    model = make_model(accessibility_activity=True)
    before = make_codes()
    found = variant_effects(model, before, mutated(before))
    table = found.factor_table().to_pandas()
    assert table.columns.tolist() == [
        *("sequence", "factor", "effect", "through_binding", "through_accessibility"),
    ]
    np.testing.assert_allclose(
        table.groupby("sequence")["effect"].sum(), found.effect, rtol=1e-9, atol=1e-9
    )
    sizes = table.groupby("sequence")["effect"].apply(
        lambda each: each.abs().is_monotonic_decreasing
    )
    assert sizes.all()
    least = found.factor_table(least=0.1).to_pandas()["effect"].abs()
    assert least.min() > 0.1
    assert len(least) == (np.abs(found.by_factor) > 0.1).sum()
    shown = found._repr_html_()
    assert "Effects of 12 variants, 5 factors" in shown
    assert repr(found) == "VariantEffects(12 variants, 5 factors)"
