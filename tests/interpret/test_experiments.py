"""Experiments against sequences that were changed by hand and predicted by the model itself."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from experiment_models import half_open_model
from interpret_models import KINDS, LENGTH, NAMES, expression_in_float64, make_codes, make_model

from cisreg.data import Dataset
from cisreg.interpret import (
    ablate,
    dinucleotide_shuffle,
    marginalize,
    random_backgrounds,
    shuffle,
    space,
)
from cisreg.interpret.experiments import ORIENTATIONS
from cisreg.sequences import decode, encode

# Factors contribute up to 75 with either sign, and the kernels sum their sites in float32, where
# numbers of this size are 8e-6 apart. Effects are about 10.
TOLERANCE = 1e-4
POSITIONAL = {"positional": True, "stranded": True}
SOME_KINDS = {
    "plain": {},
    "positional stranded": POSITIONAL,
    "limits of sites": {"positional": True, "binding_limit": True},
    "probability": {"binding": "probability"},
    "context": {"constant_left": 3, "constant_right": 4},
    "trim": {"constant_left": 3, "constant_right": 4, "constant_ends": "trim"},
}


@pytest.fixture(params=SOME_KINDS)
def model(request):
    return half_open_model(**SOME_KINDS[request.param])


def truth(model, texts):
    return expression_in_float64(model, np.asarray(encode(texts, LENGTH)))


def turned(text):
    return text[::-1].translate(str.maketrans("ACGTN", "TGCAN"))


def written(text, site, start):
    """The text with a site in it; N leaves the base."""
    kept = [old if new == "N" else new for new, old in zip(site, text[start:], strict=False)]
    return text[:start] + "".join(kept) + text[start + len(site) :]


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_marginalize_predicts_sequences_with_the_site(model):
    texts = decode(make_codes(4, unknown=False))
    places = [5, 9, 12]
    found = marginalize(model, texts, ["Reb1", "ACNT"], places, strand="both")
    sites = [model.motifs["Reb1"].strongest_site()[0], "ACNT"]
    by_hand = [
        written(text, turn(site), place)
        for text in texts
        for site in sites
        for turn in (str, turned)
        for place in places
    ]
    *after, before = np.split(truth(model, by_hand + texts), range(12, 49, 12))
    assert_close(found.after, after)
    assert_close(found.before, before)
    assert_close(found.effect, np.array(after) - before[:, np.newaxis])
    assert np.abs(found.effect).max() > 0.05
    assert found.motif == ("Reb1",) * 6 + ("ACNT",) * 6
    assert found.strand == (("+",) * 3 + ("-",) * 3) * 2
    assert found.position.tolist() == places * 4
    assert found.site[6] == "ACNT" and found.site[9] == "ANGT"


def test_a_site_is_in_the_middle_unless_a_place_is_given():
    found = marginalize(make_model(), make_codes(2, unknown=False), ["ACGT", "ACGTA"])
    assert found.position.tolist() == [10, 10]
    assert found.after.shape == (2, 2)


def test_all_factors_at_all_places_are_what_each_alone_is():
    model = half_open_model(**POSITIONAL)
    codes = make_codes(3, unknown=False)
    found = marginalize(model, codes, start="all", strand="both", batch_size=64)
    widths = model.motifs.widths
    assert len(found.position) == 2 * sum(LENGTH - width + 1 for width in widths)
    assert set(found.motif) == set(NAMES)
    for k in range(0, len(found.position), 29):
        alone = marginalize(
            model, codes, found.motif[k], int(found.position[k]), strand=found.strand[k]
        )
        assert_close(found.after[:, k], alone.after[:, 0])


def test_all_places_leave_out_constant_ends_and_padding():
    model = make_model(constant_left=3, constant_right=4)
    codes = make_codes(3, unknown=False)
    assert marginalize(model, codes, "ACGT", "all").position.tolist() == list(range(3, 17))
    codes[1, :2] = 4
    assert marginalize(model, codes, "ACGT", "all").position.tolist() == list(range(5, 17))
    allowed = marginalize(model, codes, "ACGT", "all", change_ends=True)
    assert allowed.position.tolist() == list(range(2, 21))


def test_constant_ends_and_padding_are_protected():
    model = make_model(constant_left=3, constant_right=4)
    codes = make_codes(3, unknown=False)
    message = r"start: expected bases among 3 to 19, between the constant ends.*got 17 to 20"
    with pytest.raises(ValueError, match=message):
        marginalize(model, codes, "ACGT", 17)
    with pytest.raises(ValueError, match=r"start, end: expected bases among 3 to 19"):
        ablate(model, codes, 2, 9)
    with pytest.raises(ValueError, match=r"spacing, start: expected bases among 3 to 19"):
        space(model, codes, ["ACGT", "ACGT"], 10)
    texts = [written(text, "ACGT", 17) for text in decode(codes)]
    assert_close(
        marginalize(model, codes, "ACGT", 17, change_ends=True).after[:, 0], truth(model, texts)
    )
    padded = make_codes(3)
    with pytest.raises(ValueError, match=r"expected bases among 5 to 23, which no sequence lacks"):
        marginalize(make_model(), padded, "ACGT", 4)


@pytest.mark.parametrize("verb", [shuffle, dinucleotide_shuffle])
def test_ablate_predicts_shuffled_sequences(model, verb):
    codes = make_codes(4, unknown=False)
    found = ablate(model, codes, 5, 15, n=3, shuffle_fn=verb, seed=4)
    rows = verb(codes, 5, 15, 3, seed=4).reshape(12, LENGTH)
    assert (rows != np.repeat(codes, 3, axis=0)).any()
    *after, before = np.split(truth(model, decode(rows) + decode(codes)), range(3, 13, 3))
    assert_close(found.after, after)
    assert_close(found.before, before)
    assert_close(found.effect, np.array(after) - before[:, np.newaxis])
    assert found.bases.tolist() == [10] * 4 and found.sites is None


def planted(model, places, factor="Reb1"):
    """Sequences of A with the strongest site of a factor at places of each."""
    site = model.motifs[factor].strongest_site()[0]
    texts = ["A" * LENGTH for _ in places]
    for number, of_one in enumerate(places):
        for place in of_one:
            texts[number] = written(texts[number], site, place)
    return texts, len(site)


def test_the_sites_of_a_factor_are_shuffled_and_nothing_else():
    model = make_model()
    texts, width = planted(model, [(4,), (2, 14), ()])
    # Strong enough that the planted sites alone are above the threshold.
    log_kd = model.parameters["log_kd"] * np.float32(3)
    lowest = model.motifs["Reb1"].lowest_log_kd()[0] * 3
    concentration = np.full(len(NAMES), lowest + 1, np.float32)
    parameters = {**model.parameters, "log_kd": log_kd, "log_concentration": concentration}
    model = dataclasses.replace(model, parameters=parameters)
    found = ablate(model, texts, factor="Reb1", occupancy=0.5, n=30)
    assert found.sites.tolist() == [1, 2, 0]
    assert found.bases.tolist() == [width, 2 * width, 0]
    assert_close(found.before, truth(model, texts))
    assert (found.after[2] == found.before[2]).all() and found.effect[2].max() == 0
    site = texts[0][4 : 4 + width]
    possible = {text for order in permuted(site) for text in [written(texts[0], order, 4)]}
    values = truth(model, sorted(possible))
    assert all(np.abs(values - each).min() < 2e-4 for each in found.after[0])
    assert len(np.unique(found.after[0].round(3))) > 1


def permuted(text):
    import itertools

    return {"".join(each) for each in itertools.permutations(text)}


def test_sites_that_reach_into_constant_ends_are_shuffled_up_to_them():
    model = make_model(constant_left=6, constant_right=4)
    texts, width = planted(model, [(4,), (0,)])
    kept = {**model.parameters, "log_kd": model.parameters["log_kd"] * np.float32(3)}
    lowest = model.motifs["Reb1"].lowest_log_kd()[0] * 3
    kept["log_concentration"] = np.full(len(NAMES), lowest + 1, np.float32)
    model = dataclasses.replace(model, parameters=kept)
    found = ablate(model, texts, factor="Reb1", occupancy=0.5, n=2)
    # The site from 0 on lies wholly in the constant end and counts nowhere.
    assert (found.sites.tolist(), found.bases.tolist()) == ([1, 0], [4 + width - 6, 0])
    found = ablate(model, texts, factor="Reb1", occupancy=0.5, n=2, change_ends=True)
    assert (found.sites.tolist(), found.bases.tolist()) == ([1, 0], [width, 0])


def test_space_predicts_both_sites_and_each_alone(model):
    texts = decode(make_codes(3, unknown=False))
    found = space(model, texts, ["Reb1", "GATTA"], [0, 2, 3])
    site = model.motifs["Reb1"].strongest_site()[0]
    by_hand = []
    for orientation in ORIENTATIONS:
        left = site if orientation[0] == "+" else turned(site)
        right = "GATTA" if orientation[1] == "+" else turned("GATTA")
        for distance in (0, 2, 3):
            start = LENGTH // 2 - (len(left) + distance + 5) // 2
            second = start + len(left) + distance
            k = len(by_hand) // 9
            with_left = [written(text, left, start) for text in texts]
            by_hand += [written(text, right, second) for text in with_left] + with_left
            by_hand += [written(text, right, second) for text in texts]
            assert (found.orientation[k], found.distance[k]) == (orientation, distance)
            assert found.positions[:, k].tolist() == [start, second]
    expected = truth(model, by_hand + texts)
    both, left, right = expected[:-3].reshape(-1, 3, 3).transpose(1, 2, 0)
    assert_close(found.after, both)
    assert_close(found.alone, [left, right])
    assert_close(found.interaction, both - left - right + expected[-3:, np.newaxis])


def test_sites_do_not_interact_where_the_model_is_a_sum():
    """Without accessibility, sites far apart add up; with it they do not."""
    codes = make_codes(4, unknown=False)
    sites = ["ACGT", "GGAC"]
    sum_of_sites = make_model(potentiation=False)
    apart = space(sum_of_sites, codes, sites, [12], 1, orientations=["++"])
    np.testing.assert_allclose(apart.interaction, 0, atol=1e-5)
    assert np.abs(apart.effect).min() > 1e-3
    together = space(make_model(), codes, sites, [12], 1, orientations=["++"])
    assert np.abs(together.interaction).max() > 1e-2


def test_names_units_and_tables():
    model = dataclasses.replace(make_model(), unit="log2")
    codes = make_codes(3, unknown=False)
    data = Dataset(codes, np.zeros((3, 1), np.float32), name=pa.array(["a", "b", "c"]))
    found = marginalize(model, data, "ACGT", [3, 6])
    table = found.to_table().to_pydict()
    assert found.unit == "log2" and table["sequences"] == [3, 3]
    np.testing.assert_allclose(table["effect"], found.effect.mean(axis=0))
    error = found.effect.std(axis=0, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(table["standard_error"], error)
    rows = found.by_sequence().to_pydict()
    assert rows["sequence"] == ["a", "a", "b", "b", "c", "c"]
    assert rows["position"] == [3, 6] * 3
    np.testing.assert_allclose(rows["effect"], found.effect.ravel())
    ablated = ablate(model, data, 3, 9, n=4)
    table = ablated.to_table().to_pydict()
    assert table["sequence"] == ["a", "b", "c"] and "sites" not in table
    np.testing.assert_allclose(table["effect"], ablated.effect.mean(axis=1))
    spaced = space(model, codes, ["ACGT", "ACGT"], 3).to_table()
    assert spaced["orientation"].to_pylist() == list(ORIENTATIONS)
    both = spaced["first_effect"].to_numpy() + spaced["second_effect"].to_numpy()
    np.testing.assert_allclose(
        spaced["interaction"].to_numpy(), spaced["effect"].to_numpy() - both, atol=1e-12
    )
    assert "3 sequences" in repr(found) and "<table>" in found._repr_html_()
    assert found.to_frame().shape == (2, 9)


def test_one_sequence_has_no_standard_error():
    table = marginalize(make_model(), make_codes(1, unknown=False), "ACGT").to_table()
    assert np.isnan(table["standard_error"].to_numpy()).all()


def test_batches_and_threads_make_no_difference():
    model, codes = half_open_model(**POSITIONAL), make_codes(5, unknown=False)
    first = marginalize(model, codes, "Reb1", "all", strand="both")
    second = marginalize(model, codes, "Reb1", "all", strand="both", batch_size=3, threads=1)
    assert (first.after == second.after).all()


def test_a_name_that_could_be_bases_is_refused():
    model = make_model()
    model = dataclasses.replace(model, motif_names=("CAT", *NAMES[1:]))
    codes = make_codes(2, unknown=False)
    with pytest.raises(ValueError, match=r"'CAT' is a factor .* could also be the bases CAT"):
        marginalize(model, codes, "CAT")
    by_factor = marginalize(model, codes, model.motifs["CAT"])
    assert by_factor.motif == ("CAT",)
    assert by_factor.site == model.motifs["CAT"].strongest_site()
    assert marginalize(model, codes, np.asarray(encode(["CAT"]))[0]).site == ("CAT",)
    # Of all factors, none is named by text.
    assert marginalize(model, codes).motif == model.motif_names


def shuffles_outermost(codes, start, end, n, seed):
    return shuffle(codes, start, end, n, seed=seed).swapaxes(0, 1)


def test_wrong_arguments_are_named():
    model, codes = make_model(), make_codes(2, unknown=False)
    with pytest.raises(ValueError, match=r"motif: expected the name.*'Reb2'; did you mean 'Reb1'"):
        marginalize(model, codes, "Reb2")
    with pytest.raises(ValueError, match=r"motif: expected .* got 'ACRT'"):
        marginalize(model, codes, "ACRT")
    with pytest.raises(ValueError, match=r"motif: expected at least one of the bases"):
        marginalize(model, codes, "NNN")
    with pytest.raises(ValueError, match="motif: expected a set of one motif"):
        marginalize(model, codes, model.motifs)
    with pytest.raises(ValueError, match=r'strand: expected "[+]", "-" or "both"'):
        marginalize(model, codes, "ACGT", strand="forward")
    with pytest.raises(ValueError, match="start: expected one of 'all'"):
        marginalize(model, codes, "ACGT", "middle")
    with pytest.raises(TypeError, match="start: expected whole numbers"):
        marginalize(model, codes, "ACGT", 1.5)
    with pytest.raises(ValueError, match="start, end, factor: expected a part"):
        ablate(model, codes, 3)
    with pytest.raises(ValueError, match="start, end, factor: expected a part"):
        ablate(model, codes, 3, 9, factor="Reb1")
    for part in ({"start": 3}, {"end": 9}):
        with pytest.raises(ValueError, match="start, end, factor: expected a part"):
            ablate(model, codes, factor="Reb1", **part)
    with pytest.raises(ValueError, match=r"shuffle_fn: expected .*\[2, 5, 24\].*got \[5, 2, 24\]"):
        ablate(model, codes, 3, 9, 5, shuffle_fn=shuffles_outermost)
    with pytest.raises(ValueError, match=r"factor: expected a name.*did you mean 'Reb1'"):
        ablate(model, codes, factor="Reb")
    with pytest.raises(ValueError, match="motifs: expected two"):
        space(model, codes, ["ACGT"], 3)
    with pytest.raises(ValueError, match="spacing: expected 0 or more bases"):
        space(model, codes, ["ACGT", "ACGT"], [-1, 2])
    with pytest.raises(ValueError, match="orientations: expected one of"):
        space(model, codes, ["ACGT", "ACGT"], 3, orientations=["+"])
    with pytest.raises(ValueError, match="sequences: expected one or more"):
        marginalize(model, codes[:0], "ACGT")
    with pytest.raises(ValueError, match="batch_size: expected 1 or more"):
        marginalize(model, codes, "ACGT", batch_size=0)


def test_random_backgrounds_have_the_composition_and_the_constant_ends():
    model = make_model(constant_left=3, constant_right=4)
    with pytest.raises(ValueError, match=r"expected the 3 bases of its constant left end"):
        random_backgrounds(model, 2)
    ends = {"left": {"bases": 3, "sequence": "ACG"}, "right": {"bases": 4, "sequence": "TTTT"}}
    model = dataclasses.replace(model, metadata={"constant_ends": ends})
    codes = random_backgrounds(model, 2000, composition=[0.4, 0.3, 0.2, 0.1])
    assert all(text.startswith("ACG") and text.endswith("TTTT") for text in decode(codes))
    shares = np.bincount(codes[:, 3:20].ravel(), minlength=4) / (2000 * 17)
    np.testing.assert_allclose(shares, [0.4, 0.3, 0.2, 0.1], atol=0.015)
    assert (random_backgrounds(model, 5) == random_backgrounds(model, 5)).all()
    assert (random_backgrounds(model, 5) != random_backgrounds(model, 5, seed=1)).any()


def test_every_kind_of_model_takes_part():
    for kind in KINDS.values():
        model, codes = make_model(**kind), make_codes(2, unknown=False)
        found = marginalize(model, codes, "Reb1")
        text = [written(each, found.site[0], int(found.position[0])) for each in decode(codes)]
        assert_close(found.after[:, 0], truth(model, text))
