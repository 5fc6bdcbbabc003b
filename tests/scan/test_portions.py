"""Scanning in portions, and sequences of every kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scan_oracle import FIELDS, assert_same, oracle_hits, random_motifs, random_sequence

from cisreg.genome.portions import Portion, split
from cisreg.scan import inputs, scan, scan_portions, scanning, stream
from cisreg.sequences import decode, encode

TEXT = ["ACGTTGACGGATTACA", "GATTACA", "", "CC", "TTGACGTNNACGTTGA"]


def problem(seed=1, lengths=(1000, 3, 0, 300)):
    random = np.random.default_rng(seed)
    motifs = random_motifs(random, [5, 9, 14])
    codes = [random_sequence(random, 1, length, 0.01)[0] for length in lengths]
    return motifs, codes


def whole(codes):
    return [
        Portion(f"chr{index}", 0, each, len(each), last=True) for index, each in enumerate(codes)
    ]


@pytest.mark.parametrize("own", [1, 7, 100, 999, 10_000])
@pytest.mark.parametrize("strands", ["both", "forward", "reverse"])
def test_hits_in_portions_are_those_of_the_whole(own, strands, monkeypatch):
    motifs, codes = problem()
    threshold = np.array([-2, -4, -6], np.float32)
    portions = [part for each in whole(codes) for part in split(each, overlap=13, own=own)]
    if own == 100:
        monkeypatch.setattr(scanning, "PORTION_HITS", 3)
    tables = list(scan_portions(iter(portions), motifs, threshold, strands=strands))
    joined = pa.concat_tables(tables).to_pandas()
    expected = pd.concat(
        [
            scan(each, motifs, threshold, strands=strands).to_frame(sequence_names=[f"chr{index}"])
            for index, each in enumerate(codes)
        ]
    )
    assert len(expected) > 20
    assert joined.astype(object).values.tolist() == expected.astype(object).values.tolist()
    hits = scan(iter(portions), motifs, threshold, strands=strands)
    assert hits.to_frame().astype(object).values.tolist() == expected.astype(object).values.tolist()


@pytest.mark.parametrize("strands", ["forward", "reverse"])
def test_one_strand(strands):
    motifs, codes = problem()
    sequence = codes[0][np.newaxis]
    expected = oracle_hits(sequence, motifs, np.zeros(3))
    chosen = expected[2] == (strands == "reverse")
    hits = scan(sequence, motifs, 0, strands=strands)
    assert_same([getattr(hits, name) for name in FIELDS], [field[chosen] for field in expected])


def test_strings_of_very_different_lengths(monkeypatch):
    motifs = random_motifs(np.random.default_rng(4), [4, 6])
    expected = scan(TEXT, motifs, 0)
    monkeypatch.setattr(inputs, "_MOST_PADDED", -100)
    hits = scan(TEXT, motifs, 0)
    assert_same(*([getattr(each, name) for name in FIELDS] for each in (hits, expected)))


@pytest.mark.parametrize(
    "convert", [list, pd.Series, pa.array, lambda text: np.array(text, object), tuple]
)
def test_text_is_scanned_without_padding(convert):
    motifs = random_motifs(np.random.default_rng(4), [4, 6])
    expected = scan(encode(TEXT), motifs, 0)
    hits = scan(convert(TEXT), motifs, 0)
    assert len(hits) > 10
    assert_same(*([getattr(each, name) for name in FIELDS] for each in (hits, expected)))
    one = scan(TEXT[0], motifs, 0)
    assert_same([one.position], [expected.position[expected.sequence == 0]])


def test_a_string_that_may_be_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    motifs, _ = problem()
    (tmp_path / "ACGT").write_text(">x\nACGT\n")
    with pytest.raises(ValueError, match="'ACGT', which is both; give bases as"):
        scan("ACGT", motifs, 0)
    assert len(scan(["ACGT"], motifs, 0)) == 0


def test_the_column_of_regions():
    motifs, codes = problem()
    portion = Portion("chr1", 1000, codes[0], len(codes[0]), region="peak1", last=True)
    (table,) = scan_portions(portion, motifs, 0.0)
    assert table.column_names == [
        *("sequence", "start", "end", "motif", "strand", "log_kd", "region")
    ]
    assert set(table["region"].to_pylist()) == {"peak1"}
    hits = scan(codes[0], motifs, 0.0)
    np.testing.assert_array_equal(table["start"], hits.position + 1000)
    assert table["sequence"].to_pylist() == ["chr1"] * len(hits)


def test_intervals_of_one_name_are_apart(monkeypatch):
    motifs, codes = problem()
    peaks = [
        Portion("chr1", 100, codes[0][100:200], 100, region="peak", last=True),
        Portion("chr2", 5, codes[0][300:380], 60, region="peak"),
        Portion("chr2", 65, codes[0][360:420], 60, region="peak", last=True),
        Portion("chr2", 10, codes[0][400:500], 100, region="other", last=True),
    ]
    pieces = [codes[0][100:200], codes[0][300:420], codes[0][400:500]]
    expected = scan(pieces_text(pieces), motifs, 0, best=1)
    for batch in (1, 10**6):
        monkeypatch.setattr(stream, "_BATCH_BASES", batch)
        table = pa.concat_tables(scan_portions(iter(peaks), motifs, 0, best=1)).to_pydict()
        place = np.array([100, 5, 10])[expected.sequence]
        assert table["start"] == (expected.position + place).tolist()
        names = np.array(["chr1", "chr2", "chr2"])[expected.sequence]
        assert table["sequence"] == names.tolist()
        regions = np.array(["peak", "peak", "other"])[expected.sequence]
        assert table["region"] == regions.tolist()


def pieces_text(pieces):
    return [decode(each[np.newaxis])[0] for each in pieces]


def test_bed(tmp_path):
    motifs, codes = problem()
    hits = scan(codes[0], motifs, p_value=0.01)
    hits.to_bed(tmp_path / "hits.bed", motifs, sequence_names=["chr1"])
    lines = (tmp_path / "hits.bed").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert [(row[0], int(row[1]), int(row[2]), row[3], row[5]) for row in rows] == [
        ("chr1", start, end, f"m{motif}", "+-"[strand])
        for start, end, motif, strand in zip(
            hits.position, hits.end, hits.motif, hits.strand, strict=True
        )
    ]
    with pytest.raises(ValueError, match="sequence_names: expected a name for each"):
        hits.to_bed(tmp_path / "none.bed", motifs)
