"""Effects of mutations against predictions of every mutant in float64."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from interpret_models import (
    KINDS,
    LENGTH,
    MOTIFS,
    NAMES,
    expression_in_float64,
    make_codes,
    make_model,
)

import cisreg
from cisreg.data import Dataset
from cisreg.interpret import (
    dependency_map,
    mutagenesis,
    mutagenesis_batches,
    mutation_pairs,
    read_out,
    scan_model,
)
from cisreg.links import link_value


def brute_force(model, codes):
    """The effects of all substitutions, each mutant predicted."""
    mutants = np.repeat(codes[:, None, None], 4, axis=2).repeat(codes.shape[1], axis=1)
    place = np.arange(codes.shape[1])
    for base in range(4):
        mutants[:, place, base, place] = base
    before = expression_in_float64(model, codes)
    after = expression_in_float64(model, mutants.reshape(-1, codes.shape[1]))
    effect = after.reshape(*codes.shape, 4) - before[:, None, None]
    effect[codes > 3] = np.nan
    return effect


def scale(model, codes):
    return max(1.0, np.abs(expression_in_float64(model, codes)).max())


@pytest.mark.parametrize("kind", KINDS)
def test_substitutions_are_those_of_brute_force(kind):
    model, codes = make_model(**KINDS[kind]), make_codes(5)
    found = mutagenesis(model, codes)
    expected = brute_force(model, codes)
    assert np.nanmax(np.abs(expected)) > 0.01
    np.testing.assert_allclose(found.effect, expected, rtol=1e-5, atol=1e-5 * scale(model, codes))
    np.testing.assert_allclose(
        found.reference, expression_in_float64(model, codes), rtol=1e-5, atol=1e-5
    )
    there = np.take_along_axis(found.effect[3:], codes[3:, :, None], axis=2)
    assert (there == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_parts_by_factor_add_up_and_are_those_of_the_mutants(kind):
    model, codes = make_model(**KINDS[kind]), make_codes(3)
    found = mutagenesis(model, codes, by_factor=True)
    score = read_out(model, scan_model(model, codes)).score[:, None, None]
    changed = score + found.by_factor.sum(axis=3) + found.by_accessibility
    before, after = (
        link_value(model.spec.link, model.parameters, each) for each in (score, changed)
    )
    np.testing.assert_allclose(
        after - before, found.effect, atol=1e-5 * scale(model, codes), equal_nan=True
    )
    np.testing.assert_allclose(
        found.effect, mutagenesis(model, codes).effect, atol=1e-5 * scale(model, codes)
    )
    mutant = codes.copy()
    mutant[:, 9] = (codes[:, 9] + 1) % 4
    before = read_out(model, scan_model(model, codes))
    after = read_out(model, scan_model(model, mutant))
    for row in range(len(codes)):
        np.testing.assert_allclose(
            found.by_factor[row, 9, mutant[row, 9]],
            after.contribution[row] - before.contribution[row],
            atol=1e-5,
        )


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("kind", ["context", "trim", "knots", "context, limits of sites"])
def test_deletions_and_insertions_are_those_of_the_encoded_text(kind, side):
    model = make_model(**KINDS[kind])
    model = dataclasses.replace(model, metadata={**model.metadata, "padding_side": side})
    assert model.padding_side == side
    text = ["ACGTTGCATTACGATCAGGTACCA", "ACGTTGCATTACGATCAGG"]
    found = mutagenesis(model, text, deletions=True, insertions=True)
    before = expression_in_float64(model, model.encode(text))
    for row, each in enumerate(text):
        first = 0 if side == "right" else LENGTH - len(each)
        deleted = [each[:i] + each[i + 1 :] for i in range(len(each))]
        inserted = [each[:i] + base + each[i:] for i in range(len(each) + 1) for base in "ACGT"]
        kinds = (deleted, found.deletion), (inserted, found.insertion)
        for mutants, effects in kinds:
            codes = model.encode(mutants)
            effect = effects[row, first : first + len(each) + 1].reshape(-1)[: len(mutants)]
            np.testing.assert_allclose(
                effect,
                expression_in_float64(model, codes) - before[row],
                rtol=0,
                atol=1e-5 * scale(model, codes),
            )
    padding = np.isnan(found.deletion[1])
    assert padding.sum() == LENGTH - len(text[1])
    assert np.isnan(found.insertion[1]).all(axis=1).sum() == LENGTH - len(text[1])


@pytest.mark.parametrize(
    "kind",
    ["accessibility activity", "probability limit=True positional=True stranded=True"],
)
def test_pairs_are_those_of_brute_force(kind):
    model, codes = make_model(**KINDS[kind]), make_codes(3)[2:3]
    pairs = mutation_pairs(model, codes)
    random = np.random.default_rng(0)
    tolerance = 2e-5 * scale(model, codes)
    for _ in range(40):
        one, two = random.choice(np.flatnonzero(codes[0] < 4), 2, replace=False)
        mutant = codes.copy()
        mutant[0, [one, two]] = random.integers(0, 4, 2)
        change = expression_in_float64(model, mutant)[0] - expression_in_float64(model, codes)[0]
        place = one, mutant[0, one], two, mutant[0, two]
        assert pairs.effect[place] == pytest.approx(change, abs=tolerance)
        alone = pairs.single[place[:2]] + pairs.single[place[2:]]
        assert pairs.epistasis[place] == pytest.approx(change - alone, abs=tolerance)
    np.testing.assert_array_equal(pairs.effect, pairs.effect.transpose(2, 3, 0, 1))
    assert np.isnan(pairs.effect[11]).all()
    one_map = dependency_map(model, codes)
    assert one_map.shape == (1, LENGTH, LENGTH)
    np.testing.assert_array_equal(one_map[0], one_map[0].T)
    assert one_map.max() == pytest.approx(np.nanmax(np.abs(pairs.epistasis)))
    table = pairs.to_table()
    known = LENGTH - 1
    assert len(table) == 9 * known * (known - 1) // 2
    row = table.slice(500, 1).to_pylist()[0]
    letters = "ACGT"
    place = (
        row["position_1"],
        letters.index(row["alternative_1"]),
        row["position_2"],
        letters.index(row["alternative_2"]),
    )
    assert row["effect"] == pairs.effect[place]
    with pytest.raises(ValueError, match="expected one sequence, got 3"):
        mutation_pairs(model, make_codes(3))


def test_bases_of_trimmed_ends_and_unknown_ones_have_no_effect():
    model, codes = make_model(**KINDS["trim"]), make_codes(4)
    effect = mutagenesis(model, codes).effect
    assert (effect[3, :3] == 0).all()
    assert (effect[3, -4:] == 0).all()
    assert np.isnan(effect[1, :5]).all()
    assert np.isnan(effect[2, 11]).all()
    assert not np.isnan(effect[2, 12]).any()


def test_tables_have_a_row_for_each_mutation():
    model, codes = make_model(), make_codes(4)
    data = Dataset(codes, np.zeros(4, np.float32), name=pa.array(["a", "b", "c", "d"]))
    found = mutagenesis(model, data, deletions=True, insertions=True, by_factor=True)
    table = found.to_table()
    assert table.column_names == ["sequence", "position", "reference", "alternative", "effect"]
    frame = table.to_pandas()
    assert not frame.isna().any().any()
    known = int((codes < 4).sum())
    assert (frame.reference == "-").sum() + 4 * known == len(frame)
    one = frame[(frame.sequence == "c") & (frame.position == 7) & (frame.reference != "-")]
    assert list(one.reference) == ["ACGT"[codes[2, 7]]] * 4
    for row in one.itertuples():
        expected = (
            found.deletion[2, 7]
            if row.alternative == "-"
            else found.effect[2, 7, "ACGT".index(row.alternative)]
        )
        assert row.effect == expected
    parts = found.to_frame(by_factor=True)
    assert list(parts.columns) == [
        *("sequence", "position", "reference", "alternative", "factor", "effect")
    ]
    assert len(parts) == 3 * known * (MOTIFS + 1)
    assert list(parts.factor[: MOTIFS + 1]) == [*NAMES, "accessibility"]
    one = parts[(parts.sequence == "c") & (parts.position == 7) & (parts.factor == "Rap1")]
    for row in one.itertuples():
        assert row.effect == found.by_factor[2, 7, "ACGT".index(row.alternative), 2]
    assert "c" in found._repr_html_() or "a" in found._repr_html_()
    assert repr(found).startswith("Mutagenesis(4 sequences")
    with pytest.raises(ValueError, match="pass by_factor=True"):
        mutagenesis(model, codes).to_table(by_factor=True)


def test_batches_are_the_whole_and_none_is_none():
    model, codes = make_model(), make_codes(7)
    whole = mutagenesis(model, codes)
    parts = list(mutagenesis_batches(model, codes, batch_size=3))
    assert [len(part) for part in parts] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate([part.effect for part in parts]), whole.effect)
    for options in ({}, {"by_factor": True, "deletions": True, "insertions": True}):
        none = mutagenesis(model, codes[:0], **options)
        assert none.effect.shape == (0, LENGTH, 4)
        assert none._repr_html_()
        assert len(none.to_table()) == 0
    with pytest.raises(ValueError, match="batch_size: expected 1 or more"):
        mutagenesis(model, codes, batch_size=0)
    with pytest.raises(ValueError, match="names: expected 7, one for each sequence, got 1"):
        mutagenesis(model, codes, names=["a"])


def test_the_same_bits_for_every_number_of_threads():
    model, codes = make_model(positional=True), make_codes(9)
    one, four = (mutagenesis(model, codes, threads=count).effect for count in (1, 4))
    np.testing.assert_array_equal(one, four)


def test_text_is_encoded_as_for_predictions():
    model = make_model()
    found = mutagenesis(model, ["ACGTTGCATTACGATCAGGTACCA"])
    codes = np.asarray(cisreg.encode(["ACGTTGCATTACGATCAGGTACCA"]))
    np.testing.assert_array_equal(found.effect, mutagenesis(model, codes).effect)
    assert found.name is None


@pytest.mark.parametrize("named", [False, True])
def test_tables_of_batches_count_on(named):
    model, codes = make_model(), make_codes(7)
    names = list("abcdefg") if named else None
    options = {"names": names, "deletions": True}
    parts = list(mutagenesis_batches(model, codes, batch_size=3, **options))
    joined = pa.concat_tables([part.to_table() for part in parts])
    assert joined["sequence"] == mutagenesis(model, codes, **options).to_table()["sequence"]
    assert parts[1]._part(slice(1, 3)).begin == 4


@pytest.mark.parametrize("options", [{}, {"by_factor": True}])
def test_what_does_not_fit_into_memory_is_refused(monkeypatch, options):
    model, codes = make_model(), make_codes(12)
    numbers = codes.size * 4 * (MOTIFS if options else 1)
    monkeypatch.setattr("cisreg.limits.host_memory", lambda: 4 * numbers)
    with pytest.raises(ValueError, match=r"mutations of 12 sequences: .*take mutagenesis_batches"):
        mutagenesis(model, codes, **options)
