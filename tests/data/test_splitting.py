"""Which rows are held out: equal sequences on one side, the same rows in memory and streamed."""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cisreg
from cisreg.data import Dataset, split
from cisreg.data.splitting import sequence_hashes, text_hashes
from cisreg.library import native_module
from cisreg.sequences import reverse_complement

ROWS = st.lists(st.lists(st.integers(0, 4), min_size=0, max_size=20), min_size=1, max_size=6)


def padded(rows, length, side="left"):
    codes = np.full((len(rows), length), 4, np.uint8)
    for place, row in zip(codes, rows, strict=True):
        place[slice(length - len(row), None) if side == "left" else slice(len(row))] = row
    return codes


def random_dataset(count, length=30, seed=0):
    sequence = np.random.default_rng(seed).integers(0, 4, (count, length), np.uint8)
    return Dataset(sequence, np.arange(count, dtype=np.float32))


def sequences_of(dataset):
    """Codes of each row as bytes without padding, of the strand that is first in sort order."""
    codes = dataset.sequence
    pairs = zip(codes, reverse_complement(codes), strict=True)
    return [min(each.tobytes().strip(b"\4") for each in pair) for pair in pairs]


@given(ROWS, st.integers(0, 5), st.sampled_from(["left", "right"]), st.integers(0, 2**63))
def test_a_hash_is_the_same_on_both_strands_and_with_any_padding(rows, more, side, seed):
    hashes = sequence_hashes(padded(rows, 20), seed)
    wider = padded(rows, 20 + more, side)
    np.testing.assert_array_equal(sequence_hashes(wider, seed), hashes)
    np.testing.assert_array_equal(sequence_hashes(reverse_complement(wider), seed), hashes)


@given(ROWS)
def test_sequences_that_differ_have_other_hashes(rows):
    codes = padded(rows, 20)
    texts = sequences_of(Dataset(codes, np.zeros(len(codes), np.float32)))
    assert len(set(sequence_hashes(codes).tolist())) == len(set(texts))


def plain_hash(data, seed):
    """A second implementation of the hash, in Python's integers."""
    word_size, ones = 8, (1 << 64) - 1

    def mix(x):
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & ones
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB & ones
        return x ^ (x >> 31)

    value = mix(mix((seed + 0x9E3779B97F4A7C15) & ones) ^ len(data))
    for start in range(0, len(data), word_size):
        word = int.from_bytes(data[start : start + word_size], "little")
        value = (mix(value ^ word) + 0x9E3779B97F4A7C15) & ones
    return mix(value)


@given(ROWS, st.integers(0, 2**64 - 1))
def test_native_hashes_are_those_of_plain_python(rows, seed):
    data = Dataset(padded(rows, 20), np.zeros(len(rows), np.float32))
    expected = [plain_hash(codes, seed) for codes in sequences_of(data)]
    assert sequence_hashes(data.sequence, seed).tolist() == expected
    texts = cisreg.decode(data.sequence)
    expected = [plain_hash(text.encode(), seed) for text in texts]
    assert text_hashes(pa.array(texts, pa.string()), seed).tolist() == expected


def test_hashes_differ_by_length_seed_and_a_single_base():
    runs = padded([[0] * size for size in range(21)], 20)
    assert len(set(sequence_hashes(runs).tolist())) == 21
    base = random_dataset(1, 110).sequence
    mutants = np.repeat(base, 111, axis=0)
    mutants[np.arange(110), np.arange(110)] ^= 1
    hashes = sequence_hashes(mutants)
    assert len(set(hashes.tolist())) == 111
    # Every bit of a hash changes in about half of the mutants.
    changed = np.unpackbits((hashes[:-1] ^ hashes[-1]).view(np.uint8).reshape(110, 8), axis=1)
    share = changed.mean(axis=0)
    # 5 standard deviations of a binomial distribution with 110 trials.
    assert share.min() > 0.26
    assert share.max() < 0.74
    assert sequence_hashes(base, 1) != sequence_hashes(base, 2)


def test_hashes_are_fixed_for_good():
    """Fixed numbers: a newer version must hold out the same rows when it resumes a run."""
    codes = cisreg.encode(["ACGTACGTAA", "TTTT", ""], length=10)
    assert sequence_hashes(codes, seed=7).tolist() == [
        12742903879536668275,
        10731359901049518677,
        1213277729458912176,
    ]
    assert text_hashes(pa.array(["clone 1", ""]), seed=7).tolist() == [
        17326282884202948729,
        1213277729458912176,
    ]


def test_native_hashes_refuse_what_is_no_sequence():
    with pytest.raises(ValueError, match="codes: expected 2 dimensions, got 1"):
        native_module().sequence_hashes(np.zeros(3, np.uint8), 0)
    with pytest.raises(ValueError, match="codes: expected 0 to 4, got 9 in row 1"):
        native_module().sequence_hashes(np.array([[0, 1], [2, 9]], np.uint8), 0)
    assert sequence_hashes(np.zeros((0, 4), np.uint8)).shape == (0,)
    assert len(set(sequence_hashes(np.zeros((3, 0), np.uint8)).tolist())) == 1


def test_the_fraction_held_out_is_about_what_was_asked_for():
    data = random_dataset(20_000)
    for fraction in (0.02, 0.1, 0.5, 0.9):
        _, part = split(data, fraction)
        # 5 standard deviations of a binomial distribution.
        spread = 5 * np.sqrt(20_000 * fraction * (1 - fraction))
        assert abs(len(part) - fraction * 20_000) < spread


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.8])
def test_equal_sequences_and_reverse_complements_are_on_one_side(fraction, caplog):
    single = random_dataset(200).sequence
    shuffle = np.random.default_rng(1).permutation(800)
    together = np.concatenate([single, single, reverse_complement(single), single])[shuffle]
    data = Dataset(together, np.arange(800, dtype=np.float32))
    with caplog.at_level(logging.INFO, "cisreg.data"):
        rest, part = split(data, fraction, seed=3)
    assert not set(sequences_of(rest)) & set(sequences_of(part))
    assert len(rest) + len(part) == 800
    assert len(part) % 4 == 0
    assert f"held out: {len(part)} of 800 rows" in caplog.text
    assert "800 rows share their sequence with another row" in caplog.text
    for side in (rest, part):
        assert (np.diff(side.expression) > 0).all()


def test_sequences_of_several_lengths_meet_wherever_they_are_padded():
    text = ["ACGTTA", "GGC", "TAACGT", "GCC", "TTTTTTT"]
    for side in ("left", "right"):
        codes = cisreg.encode(text, side=side)
        data = Dataset(codes, np.arange(5, dtype=np.float32))
        for seed in range(20):
            sides = [set(part.expression.astype(int).tolist()) for part in split(data, 0.4, seed)]
            for pair in ({0, 2}, {1, 3}):
                assert any(pair <= each for each in sides)


def test_a_split_depends_on_its_seed_and_on_the_row_alone():
    data = random_dataset(300)
    first, again, other = (split(data, 0.2, seed)[1].expression for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    # The side of a row depends neither on the order nor on the other rows.
    few = np.random.default_rng(0).permutation(300)[:120]
    _, part = split(data.take(few), 0.2, seed=1)
    assert set(part.expression.tolist()) == set(first.tolist()) & set(few.tolist())


def test_there_is_a_row_on_each_side():
    for count, fraction in ((2, 0.9), (2, 0.001), (100, 0.0001), (100, 0.9999)):
        sizes = [len(part) for part in split(random_dataset(count), fraction)]
        assert min(sizes) >= 1
        assert sum(sizes) == count


def test_a_split_refuses_what_cannot_be_split():
    for fraction in (0, 1, -0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="fraction: expected a number between 0 and 1"):
            split(random_dataset(10), fraction)
    with pytest.raises(ValueError, match="at least 2 rows"):
        split(random_dataset(1), 0.5)
    same = Dataset(np.zeros((5, 3), np.uint8), np.zeros(5, np.float32))
    with pytest.raises(ValueError, match="at least 2 different sequences to split"):
        split(same, 0.5)
    with pytest.raises(ValueError, match="expected a fraction or folds, got both or neither"):
        split(random_dataset(10))
    with pytest.raises(ValueError, match="got both or neither"):
        split(random_dataset(10), 0.5, folds=[1] * 10)
    with pytest.raises(ValueError, match="groups: expected a value for each of 10 rows, got 9"):
        split(random_dataset(10), 0.5, groups=[1] * 9)
    with pytest.raises(ValueError, match="groups: expected a value in every row, got 1 without"):
        split(random_dataset(3), 0.5, groups=["a", None, "b"])


@pytest.mark.parametrize("kind", ["list", "numpy", "arrow", "pandas", "numbers"])
def test_rows_of_a_group_stay_together(kind):
    data = random_dataset(400)
    numbers = np.arange(400) % 40
    names = [f"clone {number}" for number in numbers]
    groups = {
        "list": lambda: names,
        "numpy": lambda: np.array(names),
        "arrow": lambda: pa.array(names),
        # A Series is taken by position; its index is ignored.
        "pandas": lambda: pytest.importorskip("pandas").Series(names, index=range(400, 0, -1)),
        "numbers": lambda: numbers,
    }[kind]()
    rest, part = split(data, 0.3, groups=groups)
    sides = [set((each.expression.astype(int) % 40).tolist()) for each in (rest, part)]
    assert not sides[0] & sides[1]
    assert len(part) == 10 * len(sides[1])


def test_numbers_of_groups_are_the_same_as_integers_and_as_floats():
    data, numbers = random_dataset(50), np.arange(50) % 10
    parts = [split(data, 0.3, groups=each)[1] for each in (numbers, numbers.astype(float))]
    np.testing.assert_array_equal(parts[0].expression, parts[1].expression)


def test_groups_that_share_sequences_are_said(caplog):
    single = random_dataset(100)
    data = Dataset(
        np.concatenate([single.sequence, reverse_complement(single.sequence)]),
        np.zeros(200, np.float32),
    )
    split(data, 0.3, groups=np.arange(200))
    warned = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warned) == 1
    assert "rows to train on have the sequence" in warned[0].getMessage()
    caplog.clear()
    split(single, 0.3, groups=np.arange(100))
    assert not caplog.records


FOLDS = ["train", "Validation", "test", "TRAINING", " val", "dev", "train", "testing"]


def test_folds_say_the_side_of_every_row():
    data = random_dataset(8)
    rest, part = split(data, folds=FOLDS)
    assert rest.expression.tolist() == [0, 3, 6]
    assert part.expression.tolist() == [1, 4, 5]
    for folds, fold in (([3, 1, 2, 3], 3), (["x", "y", "z", "x"], "x"), ([3.0, 1.0, 0.0, 3.0], 3)):
        rest, part = split(random_dataset(4), folds=folds, fold=fold)
        assert rest.expression.tolist() == [1, 2]
        assert part.expression.tolist() == [0, 3]


@pytest.mark.parametrize(
    ("folds", "fold", "message"),
    [
        ([0, 1, 0, 1], None, r"got 0 \(2 rows\), 1 \(2 rows\); where these are folds, say which"),
        (["train", "val", "3", "3"], None, "expected train, validation and test, got train"),
        ([True, False, True, True], None, "got true"),
        (["train", "test", "test", "train"], None, "expected rows to hold out, got train"),
        (["val", "test", "test", "val"], None, "expected rows to train on"),
        ([1, 2, 3, 4], 7, r"fold: expected one of 1 \(1 rows\), 2 .*, got 7"),
        ([2, 2, 2, 2], 2, "expected rows to train on"),
        (["train", None, "val", "val"], None, "expected a value in every row, got 1 without"),
        (["train", "", "val", "val"], None, "got train .*no value"),
        (["1", "", "2", "1"], 1, "expected a value in every row, got .*no value .1 rows"),
        (["1", "  ", "2", "1"], 1, "expected a value in every row, got .*no value .1 rows"),
        ([(1, 2)] * 4, 1, "folds: expected text or numbers"),
    ],
)
def test_folds_that_can_mean_two_things_are_refused(folds, fold, message):
    with pytest.raises(ValueError, match=message):
        split(random_dataset(4), folds=folds, fold=fold)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["a", "", "b", " "], "groups: expected a value in every row, got 2 without"),
        (["a", None, "b", "b"], "groups: expected a value in every row, got 1 without"),
        ([1, "1", 2, "2"], "groups: expected text or numbers, and not both"),
        ([(1, 2)] * 4, "groups: expected text or numbers"),
    ],
)
def test_rows_without_a_group_are_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        split(random_dataset(4), 0.5, groups=groups)


def test_a_column_of_groups_is_not_taken_for_folds():
    count = 1001
    with pytest.raises(ValueError, match="1000 different values at most, got 1001"):
        split(random_dataset(count), folds=[f"clone {row}" for row in range(count)])


def test_folds_that_share_sequences_are_said(caplog):
    sequence = np.zeros((4, 5), np.uint8)
    sequence[1:] = random_dataset(3, 5).sequence
    sequence[3] = 3  # the reverse complement of row 0
    data = Dataset(sequence, np.zeros(4, np.float32))
    split(data, folds=["train", "train", "val", "val"])
    assert "1 rows to train on have the sequence" in caplog.text
