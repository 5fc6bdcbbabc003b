"""Effects of VCF files: against predictions of constructs that are mutated by hand."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest
from genome.variant_files import vcf_text, write_genome
from interpret.test_variants import truth
from interpret_models import LENGTH, make_model

from cisreg.genome import Intervals
from cisreg.interpret import genome_variant_effects, join_effects

pytest.importorskip("pysam", reason="reads VCF")

RANDOM = np.random.default_rng(8)
GENOME = {name: "".join(RANDOM.choice(list("ACGT"), 150)) for name in ("chrI", "chrII")}
COMPLEMENT = str.maketrans("ACGT", "TGCA")
ENDS = {"left": {"bases": 3, "sequence": "TTG"}, "right": {"bases": 4, "sequence": "ACCA"}}


def model_with_ends(**layers):
    model = make_model(constant_left=3, constant_right=4, **layers)
    return dataclasses.replace(model, metadata={"constant_ends": ENDS})


def at(name, position, length=1):
    return GENOME[name][position - 1 : position - 1 + length]


def other(base):
    return "ACGT"[("ACGT".index(base) + 1) % 4]


@pytest.fixture
def files(tmp_path):
    write_genome(tmp_path / "genome.fa", GENOME)
    records = [
        f"chrI 30 a {at('chrI', 30)} {other(at('chrI', 30))}",
        f"chrI 33 b {at('chrI', 33, 3)} {at('chrI', 33)}",
        f"chrII 60 c {at('chrII', 60)} {at('chrII', 60)}GA,{other(at('chrII', 60))}",
        "chrI 5 d * <DEL>",
        f"chrI 120 e {at('chrI', 120)} {other(at('chrI', 120))}",
    ]
    (tmp_path / "x.vcf").write_text(vcf_text(*records[:3], records[4]))
    (tmp_path / "x.bed").write_text("chrI\t20\t37\tone\t0\t+\nchrII\t50\t65\ttwo\t0\t-\n")
    return tmp_path


def run(files, model, **options):
    batches = genome_variant_effects(model, files / "x.vcf", files / "genome.fa", **options)
    return join_effects(batches)


def mutated(name, start, end, position, reference, alternative):
    """The stretch without and with a variant."""
    text = GENOME[name]
    first = position - 1
    assert text[first : first + len(reference)] == reference
    new = text[start:first] + alternative + text[first + len(reference) : end]
    return text[start:end], new


@pytest.mark.parametrize("side", ["left", "right"])
def test_constructs_between_the_ends_that_the_model_knows(files, side, caplog):
    model = model_with_ends()
    model.metadata["padding_side"] = side
    with caplog.at_level(logging.INFO, "cisreg"):
        found = run(files, model, constructs=files / "x.bed", batch_size=2)
    places = found.places.to_pylist()
    assert [(row["construct"], row["position"], row["alternative"]) for row in places] == [
        ("one", 30, other(at("chrI", 30))),
        ("one", 33, at("chrI", 33)),
        ("two", 60, at("chrII", 60) + "GA"),
        ("two", 60, other(at("chrII", 60))),
    ]
    stretch = {"one": (20, 37), "two": (50, 65)}
    pairs = []
    for row in places:
        wanted = row["chromosome"], *stretch[row["construct"]], row["position"]
        pair = mutated(*wanted, row["reference"], row["alternative"])
        if row["construct"] == "two":
            pair = [each.translate(COMPLEMENT)[::-1] for each in pair]
        pairs.append(["TTG" + each + "ACCA" for each in pair])
    before, after = (truth(model, list(each)) for each in zip(*pairs, strict=True))
    np.testing.assert_allclose(found.reference, before, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.alternative, after, rtol=1e-5, atol=1e-5)
    assert np.abs(found.effect).min() > 1e-4
    assert "constructs are put between constant ends of 3 and 4 bases" in caplog.text
    assert "1 variant left out: outside of every construct" in caplog.text
    assert caplog.text.count("and padded on the") == 1


def test_an_insertion_that_makes_a_construct_too_long(files, caplog):
    """The constant ends stay; bases of the construct go, on the side of the padding."""
    model = model_with_ends()
    (files / "x.bed").write_text("chrII\t50\t67\ttwo\t0\t+\n")
    with caplog.at_level(logging.WARNING, "cisreg"):
        found = run(files, model, constructs=files / "x.bed")
    whole, new = mutated("chrII", 50, 67, 60, at("chrII", 60), at("chrII", 60) + "GA")
    assert 3 + len(whole) + 4 == LENGTH
    expected = truth(model, ["TTG" + whole + "ACCA", "TTG" + new[2:] + "ACCA"])
    np.testing.assert_allclose(found.effect[0], expected[1] - expected[0], atol=1e-5)
    assert "1 construct with an insertion longer than the model's 24 bases" in caplog.text


def test_windows_around_variants(files, caplog):
    model = model_with_ends()
    with caplog.at_level(logging.INFO, "cisreg"):
        found = run(files, model)
    assert len(found) == 5
    assert "a window of 17 bases" in caplog.text
    _, new = mutated("chrI", 21, 38, 30, at("chrI", 30), other(at("chrI", 30)))
    texts = [f"TTG{each}ACCA" for each in (GENOME["chrI"][21:38], new)]
    expected = truth(model, texts)
    np.testing.assert_allclose(found.effect[0], expected[1] - expected[0], atol=1e-5)
    assert found.places["construct"][0].as_py() == "chrI:21-38"


def test_constructs_of_the_whole_length_have_ends_of_their_own(files):
    model = model_with_ends()
    (files / "x.bed").write_text("chrI\t20\t44\tone\n")
    found = run(files, model, constructs=files / "x.bed")
    pair = mutated("chrI", 20, 44, 30, at("chrI", 30), other(at("chrI", 30)))
    np.testing.assert_allclose(found.effect[0], np.diff(truth(model, list(pair)))[0], atol=1e-5)


def test_ends_that_are_given(files):
    model = make_model()
    found = run(files, model, constructs=files / "x.bed", left="GGG", right="t")
    pair = mutated("chrI", 20, 37, 30, at("chrI", 30), other(at("chrI", 30)))
    expected = truth(model, [f"GGG{each}T" for each in pair])
    np.testing.assert_allclose(found.effect[0], expected[1] - expected[0], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bed": "chrI\t0\t9\nchrI\t20\t38\n"}, r"x\.bed:2: expected at most 17 bases.*got 18"),
        ({"window": 18}, "window: expected at most 17 bases.*got 18"),
        ({"left": "ACGT" * 6}, "left: expected fewer bases than the model's 24, got 24"),
        ({"left": "A" * 12, "right": "A" * 12}, "left, right: expected fewer bases"),
        ({"left": "ACXGT"}, "expected"),
    ],
)
def test_what_the_model_cannot_read(files, options, message):
    options = dict(options)
    if "bed" in options:
        (files / "x.bed").write_text(options.pop("bed"))
        options["constructs"] = files / "x.bed"
    with pytest.raises(ValueError, match=message):
        run(files, model_with_ends(), **options)


def test_all_variants_of_a_construct_together(files):
    model = make_model()
    (files / "x.bed").write_text("chrI\t20\t44\tone\t0\t-\n")
    found = run(files, model, constructs=files / "x.bed", together=True)
    text = GENOME["chrI"]
    new = text[20:29] + other(text[29]) + text[30:33] + text[35:44]
    pair = [each.translate(COMPLEMENT)[::-1] for each in (text[20:44], new)]
    np.testing.assert_allclose(found.effect, np.diff(truth(model, pair)), atol=1e-5)
    (place,) = found.places.to_pylist()
    assert place["construct"] == "one"
    assert place["variants"].startswith("30:")


def test_haplotypes_of_a_sample_have_an_effect_each(files):
    base = at("chrI", 30)
    record = f"chrI 30 . {base} {other(base)},{other(other(base))} 1|2"
    (files / "x.vcf").write_text(vcf_text(record, samples=("s",)))
    intervals = Intervals.from_bed(files / "x.bed")
    found = run(files, make_model(), constructs=intervals, sample="s")
    assert found.places["haplotype"].to_pylist() == [1, 2]
    alone = run(files, make_model(), constructs=intervals)
    np.testing.assert_array_equal(found.effect, alone.effect)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_batches_make_no_difference(files, batch_size):
    model = make_model()
    found = run(files, model, batch_size=batch_size)
    whole = run(files, model)
    np.testing.assert_array_equal(found.by_factor, whole.by_factor)
    assert found.to_table().equals(whole.to_table())


def test_no_variants_are_an_empty_table(files):
    (files / "x.vcf").write_text(vcf_text())
    table = run(files, make_model()).to_table()
    assert len(table) == 0
    assert table.column_names == [
        *("construct", "chromosome", "position", "identifier", "reference", "alternative"),
        *("reference_expression", "alternative_expression", "effect"),
        *("reference_accessibility", "alternative_accessibility"),
        *("explanation", "top_factor", "top_factor_effect"),
    ]


def test_positions_of_sites_count_from_the_constructs_first_base(files):
    """Whatever ends it is put between, and however it is padded."""
    model = make_model()
    plain = run(files, model, constructs=files / "x.bed").explanations
    for side in ("left", "right"):
        model.metadata["padding_side"] = side
        found = run(files, model, constructs=files / "x.bed")
        for row in range(len(found)):
            kind = found.sites.kind[row, 0]
            start, end = found.site_range(row, 0)
            assert kind
            assert -6 < start < end < 17 + 2 + 6
    assert len(plain) == 4
