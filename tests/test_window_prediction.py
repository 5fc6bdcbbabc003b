"""Predictions along a genome: against `Model.predict` of each window's text."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from tiny_model import LENGTH, SPEC, start_parameters

from cisreg.genome import Intervals, Portion
from cisreg.genome.portions import split
from cisreg.sequences import decode, reverse_complement
from cisreg.trained_model import Model
from cisreg.window_prediction import construct_length, predict_intervals, predict_windows

NAMES = ("a", "b", "c")
LEFT, RIGHT = "ACGTA", "GGC"
OPTIONS = {"implementation": "standard"}


class Genome:
    """Sequences in memory, in portions of any size."""

    def __init__(self, codes, own=10**6):
        self.codes, self.own = codes, own
        self.names, self.lengths = tuple(codes), tuple(map(len, codes.values()))

    def portions(self, *, overlap, own=None):
        for name, codes in self.codes.items():
            whole = Portion(name, 0, codes, len(codes), last=True)
            yield from split(whole, overlap=overlap, own=self.own)

    def fetch(self, name, start, end):
        assert 0 <= start <= end <= len(self.codes[name])
        return self.codes[name][start:end]


@pytest.fixture(scope="module")
def codes():
    random = np.random.default_rng(0)
    drawn = {"chr2": 150, "tiny": LENGTH - 1, "chr1": 61}
    return {name: random.integers(0, 4, n).astype(np.uint8) for name, n in drawn.items()}


@pytest.fixture(scope="module")
def plain():
    return Model(SPEC, start_parameters(), NAMES)


@pytest.fixture(scope="module")
def stranded():
    spec = replace(SPEC, stranded=True)
    parameters = start_parameters(spec=spec)
    parameters["activity_difference"] = np.array([1, -2, 3], np.float32)
    return Model(spec, parameters, NAMES)


@pytest.fixture(scope="module")
def with_ends():
    spec = replace(SPEC, constant_left=len(LEFT), constant_right=len(RIGHT))
    ends = {
        "left": {"bases": len(LEFT), "sequence": LEFT},
        "right": {"bases": len(RIGHT), "sequence": RIGHT},
    }
    return Model(spec, start_parameters(), NAMES, {"constant_ends": ends})


def joined(tables):
    return pa.concat_tables(list(tables))


def text(codes):
    return decode(codes[np.newaxis])[0]


def check(table, model, texts):
    """The predictions of a table are those of these texts."""
    expected = model.predict(texts, **OPTIONS)
    np.testing.assert_allclose(table["expression"], expected.expression, rtol=1e-5)
    np.testing.assert_allclose(table["accessibility"], expected.accessibility, rtol=1e-5)


@pytest.mark.parametrize(("own", "batch_size"), [(10**6, 1024), (7, 3), (1, 1), (50, 1024)])
@pytest.mark.parametrize("step", [1, 6, 40])
def test_windows_begin_at_every_step_of_each_sequence(plain, codes, own, batch_size, step):
    source = Genome(codes, own)
    tables = list(predict_windows(plain, source, step=step, batch_size=batch_size, **OPTIONS))
    assert max(map(len, tables)) <= batch_size
    table = joined(tables)
    expected = [
        (name, start, start + LENGTH)
        for name, bases in codes.items()
        for start in range(0, len(bases) - LENGTH + 1, step)
    ]
    places = [table[name].to_pylist() for name in ("sequence", "start", "end")]
    assert list(zip(*places, strict=True)) == expected
    check(table, plain, [text(codes[name][start:end]) for name, start, end in expected])


def test_windows_are_put_between_the_constant_ends(with_ends, codes, caplog):
    between = LENGTH - len(LEFT) - len(RIGHT)
    assert construct_length(with_ends) == between
    with caplog.at_level(logging.INFO):
        table = joined(predict_windows(with_ends, Genome(codes), step=5, **OPTIONS))
    start = table["start"].to_pylist()
    names = table["sequence"].to_pylist()
    inner = [text(codes[name][s : s + between]) for name, s in zip(names, start, strict=True)]
    assert "tiny" in names
    check(table, with_ends, [LEFT + each + RIGHT for each in inner])
    assert "windows of 12 bases are put between the constant ends" in caplog.text


def test_windows_of_the_whole_length_keep_their_own_ends(with_ends, codes):
    source = Genome(codes)
    table = joined(predict_windows(with_ends, source, step=10, length=LENGTH, **OPTIONS))
    starts = table["start"].to_pylist()
    names = table["sequence"].to_pylist()
    whole = [text(codes[name][s : s + LENGTH]) for name, s in zip(names, starts, strict=True)]
    check(table, with_ends, whole)


@pytest.mark.parametrize("length", [0, 11, 13, LENGTH + 1])
def test_windows_of_other_lengths_are_an_error(with_ends, codes, length):
    with pytest.raises(ValueError, match=r"windows of 20 bases.* or 12, put between .* got"):
        list(predict_windows(with_ends, Genome(codes), step=5, length=length))


def places(sequence, start, end, **columns):
    return Intervals.from_table({"sequence": sequence, "start": start, "end": end, **columns})


def intervals(strands="+-."):
    start = [100, 3, 0]
    return places(
        *(["chr2", "chr1", "chr1"], start, [each + LENGTH for each in start]),
        name=["late", "reverse", "first"],
        strand=list(strands),
    )


@pytest.mark.parametrize("batch_size", [1, 2, 1024])
def test_intervals_are_read_on_their_strand(stranded, codes, batch_size):
    source = Genome(codes)
    table = joined(
        predict_intervals(stranded, source, intervals(), batch_size=batch_size, **OPTIONS)
    )
    reverse = reverse_complement(codes["chr1"][np.newaxis, 3:23])[0]
    texts = [text(codes["chr2"][100:120]), text(reverse), text(codes["chr1"][:20])]
    check(table, stranded, texts)
    assert table["name"].to_pylist() == ["late", "reverse", "first"]
    assert table["strand"].to_pylist() == ["+", "-", None]
    # The strand matters.
    other = joined(predict_intervals(stranded, source, intervals("+++"), **OPTIONS))
    difference = np.abs(np.subtract(table["expression"], other["expression"]))
    assert (difference > 1e-3).tolist() == [False, True, False]


def test_the_bases_around_the_centre_are_taken(with_ends, codes, caplog):
    peaks = places(["chr2"] * 4, [50, 47, 0, 145], [53, 57, 4, 150])
    table = joined(predict_intervals(with_ends, Genome(codes), peaks, fit="centre", **OPTIONS))
    assert table["start"].to_pylist() == [45, 46]
    assert table["end"].to_pylist() == [57, 58]
    inner = [text(codes["chr2"][s : s + 12]) for s in (45, 46)]
    check(table, with_ends, [LEFT + each + RIGHT for each in inner])
    assert "2 intervals left out" in caplog.text


@pytest.mark.parametrize("side", ["left", "right"])
def test_shorter_intervals_are_padded_as_in_training(with_ends, codes, side):
    metadata = {**with_ends.metadata, "padding_side": side}
    model = replace(with_ends, metadata=metadata)
    short = places(["chr2", "chr2"], [5, 30], [12, 42], strand=["-", "+"])
    table = joined(predict_intervals(model, Genome(codes), short, fit="pad", **OPTIONS))
    reverse = reverse_complement(codes["chr2"][np.newaxis, 5:12])[0]
    inner = [text(reverse), text(codes["chr2"][30:42])]
    check(table, model, [LEFT + each + RIGHT for each in inner])


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_is_on_the_side_of_the_training(codes, side):
    spec = replace(SPEC, positional=True)
    parameters = start_parameters(spec=spec)
    shape = parameters["position_weight"].shape
    parameters["position_weight"] = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    parameters["activity"] = np.ones(3, np.float32)
    model = Model(spec, parameters, NAMES, {"padding_side": side})
    short = places(["chr2"], [5], [12])
    table = joined(predict_intervals(model, Genome(codes), short, fit="pad", **OPTIONS))
    check(table, model, [text(codes["chr2"][5:12])])


def test_intervals_of_several_lengths_are_an_error(plain, codes):
    several = places(["chr2", "chr2"], [5, 30], [25, 49])
    with pytest.raises(ValueError, match=r"all of one length, got 19 to 20 bases; give fit="):
        predict_intervals(plain, Genome(codes), several)
    with pytest.raises(ValueError, match="expected at least one"):
        predict_intervals(plain, Genome(codes), places([], [], []))


def test_windows_with_unknown_bases_are_left_out_and_counted(plain, codes, caplog):
    gap = {"chr2": codes["chr2"].copy()}
    gap["chr2"][40:45] = 4
    table = joined(predict_windows(plain, Genome(gap), step=1, **OPTIONS))
    starts = table["start"].to_pylist()
    assert starts == [*range(21), *range(45, 131)]
    assert "24 windows left out: more than 0 of their bases are unknown" in caplog.text
    some = joined(predict_windows(plain, Genome(gap), step=1, most_unknown=0.1, **OPTIONS))
    assert some["start"].to_pylist() == [*range(23), *range(43, 131)]
    row = some["start"].to_pylist().index(22)
    assert text(gap["chr2"][22:42]).endswith("NN")
    check(some.slice(row, 1), plain, [text(gap["chr2"][22:42])])


def test_a_genome_without_windows_gives_one_empty_table(plain):
    short = Genome({"tiny": np.zeros(5, np.uint8)})
    (table,) = predict_windows(plain, short, step=1, binding=True, **OPTIONS)
    assert len(table) == 0
    assert table.column_names == [
        *("sequence", "start", "end", "expression", "accessibility"),
        *(f"{strand}_{name}" for name in NAMES for strand in ("forward", "reverse")),
    ]


def test_a_model_has_its_concentrations(plain):
    assert plain.log_concentration.tolist() == [-4.0] * 3


def test_intervals_in_the_order_of_the_genome(plain, codes):
    peaks = places(["chr1", "chr2", "chr2"], [0, 40, 0], [30, 60, 110])
    options = {"fit": "centre", "in_genome_order": True, **OPTIONS}
    table = joined(predict_intervals(plain, Genome(codes), peaks, **options))
    assert table["sequence"].to_pylist() == ["chr2", "chr2", "chr1"]
    assert table["start"].to_pylist() == [40, 45, 5]
    assert table["name"].to_pylist() == ["chr2:40-60", "chr2:0-110", "chr1:0-30"]
