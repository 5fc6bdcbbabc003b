"""The n strongest hits of each motif, against sorting all hits."""

from __future__ import annotations

import numpy as np
import pytest
from scan_oracle import FIELDS, assert_same, random_motifs, random_sequence

from cisreg.genome.portions import Portion, split
from cisreg.motifs import MotifSet
from cisreg.scan import best_site, scan, scan_portions, scanning
from cisreg.sequences import encode


def strongest(hits, best, per):
    """Indices of the hits that are kept, by sorting."""
    kept = []
    groups = {}
    for index in range(len(hits)):
        group = (hits.motif[index], hits.sequence[index] if per == "sequence" else 0)
        groups.setdefault(group, []).append(index)
    for members in groups.values():
        key = [
            (hits.log_kd[i], hits.sequence[i], hits.position[i], hits.strand[i]) for i in members
        ]
        kept += [members[i] for i in sorted(range(len(key)), key=key.__getitem__)[:best]]
    return np.sort(kept)


@pytest.mark.parametrize("per", ["sequence", "motif"])
@pytest.mark.parametrize("best", [1, 1000])
@pytest.mark.parametrize("enough", [50, 10**6])
def test_best_hits_of_rows_and_portions(per, best, enough, monkeypatch):
    monkeypatch.setattr(scanning, "ENOUGH", enough)
    random = np.random.default_rng(1)
    # Few distinct values, so that many sites are equally strong.
    matrices = [random.integers(0, 3, (width, 4)) for width in (3, 5)]
    motifs = MotifSet.from_matrices(["a", "b"], matrices)
    sequence = random_sequence(random, 2, 20_000, 0.01)
    for threshold in (None, 2):
        every = scan(sequence, motifs, np.inf if threshold is None else threshold)
        expected = every[strongest(every, best, per)]
        hits = scan(sequence, motifs, threshold, best=best, best_per=per)
        assert_same(*([getattr(each, name) for name in FIELDS] for each in (hits, expected)))
        portions = [
            part
            for row, codes in enumerate(sequence)
            for part in split(
                Portion(f"s{row}", 0, codes, 20_000, last=True), overlap=4, own=17_000
            )
        ]
        again = scan(iter(portions), motifs, threshold, best=best, best_per=per)
        assert_same(*([getattr(each, name) for name in FIELDS] for each in (again, expected)))
        tables = list(scan_portions(iter(portions), motifs, threshold, best=best, best_per=per))
        if per == "motif":
            assert len(tables) == 1
        starts = np.concatenate([table["start"] for table in tables])
        np.testing.assert_array_equal(starts, expected.position)


@pytest.mark.parametrize("best", [1, 3])
@pytest.mark.parametrize("per", ["sequence", "motif"])
@pytest.mark.parametrize("last", [True, False])
def test_sequences_of_all_lengths_in_one_text(best, per, last, monkeypatch):
    """What is strong on one sequence says nothing of the next one."""
    monkeypatch.setattr(scanning, "ENOUGH", 50)
    random = np.random.default_rng(4)
    motifs = random_motifs(random, [4, 9, 6])
    sequences = [
        random.integers(0, 4, length).astype(np.uint8)
        for length in (30_000, 300, 5, 20_000, 0, 20_000, 40, 0)
    ]
    texts = ["".join("ACGT"[code] for code in codes) for codes in sequences]
    every = scan(texts, motifs, np.inf)
    expected = every[strongest(every, best, per)]
    hits = scan(texts, motifs, best=best, best_per=per)
    assert_same(*([getattr(each, name) for name in FIELDS] for each in (hits, expected)))
    portions = [
        part
        for row, codes in enumerate(sequences)
        for part in split(
            Portion(f"s{row}", 0, codes, len(codes), last=last), overlap=8, own=18_000
        )
    ]
    again = scan(iter(portions), motifs, best=best, best_per=per)
    fields = [name for name in FIELDS if name != "sequence"]
    assert_same(*([getattr(each, name) for name in fields] for each in (again, expected)))
    tables = list(scan_portions(iter(portions), motifs, best=best, best_per=per))
    starts = np.concatenate([table["start"] for table in tables])
    np.testing.assert_array_equal(starts, expected.position)
    names = [name for table in tables for name in table["sequence"].to_pylist()]
    assert names == [f"s{row}" for row in expected.sequence]


def test_one_strongest_hit_is_the_best_site():
    random = np.random.default_rng(2)
    motifs = random_motifs(random, [4, 9, 15])
    sequence = random_sequence(random, 4, 40_000, 0.001)
    hits = scan(sequence, motifs, best=1)
    sites = best_site(sequence, motifs)
    place = hits.sequence, hits.motif
    assert len(hits) == sites.position.size
    np.testing.assert_array_equal(sites.position[place], hits.position)
    np.testing.assert_array_equal(sites.log_kd[place], hits.log_kd)
    np.testing.assert_array_equal(sites.strand[place], hits.strand)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"best": 0}, "best: expected 1 or more, got 0"),
        ({"best": 1, "best_per": "chromosome"}, "best_per: expected one of 'sequence', 'motif'"),
        ({}, "expected exactly one of the following"),
    ],
)
def test_refusals(options, message):
    motifs = random_motifs(np.random.default_rng(3), [4])
    with pytest.raises(ValueError, match=message):
        scan(encode(["ACGTACGT"]), motifs, **options)
