"""Damaged files of genomes and what goes with them: read, or refused by name, and never a crash."""

from __future__ import annotations

import os

import pytest
from fuzz.damage import damaged, fuzz
from hypothesis import example, given

from cisreg.genome import Intervals, open_genome, read_background

TEXT = "".join(f">s{number} x\n" + "ACGTNacgtnRY\n" * 7 + "ACG\n" for number in range(5))
FAI = "".join(f"s{number}\t87\t{6 + number * 101}\t12\t13\n" for number in range(5))
BED = "# x\ns0\t0\t50\ts\t0\t+\n\ns1\t3\t87\nbrowser\ns4\t80\t87\ta b\t0\t.\t1\t2\n"
MEME = "# order 0\nA 3.0e-01\nC 2.0e-01\nG 2.0e-01\nT 3.0e-01\n# order 1\nAA 0.1\n"


def reads_or_says(call, file):
    """Calls; an error must be a ValueError that names the file."""
    try:
        return call()
    except ValueError as error:
        assert str(file) in str(error), error


def read_all(path):
    with open_genome(path) as genome:
        for part in genome.portions(overlap=3, own=40):
            assert (part.codes <= 4).all()


def fetch_all(path):
    with open_genome(path) as genome:
        for name, length in genome.length_of().items():
            end = min(length, 1 << 16)
            assert len(genome.fetch(name, end // 2, end)) == end - end // 2


@fuzz
@given(damaged(TEXT.encode()))
def test_fasta(tmp_path, content):
    path = tmp_path / "x.fa"
    path.write_bytes(content)
    reads_or_says(lambda: read_all(path), path)
    reads_or_says(lambda: fetch_all(path), path)


@example(FAI.replace("\t87\t", f"\t{2**64}\t", 1).encode())
@example(FAI.replace("\t12\t13", f"\t12\t{2**63}", 1).encode())
@example(FAI.replace("\t6\t", f"\t{2**70}\t", 1).encode())
@fuzz
@given(damaged(FAI.encode()))
def test_indices(tmp_path, content):
    path = tmp_path / "x.fa"
    path.write_text(TEXT)
    (tmp_path / "x.fa.fai").write_bytes(content)
    os.utime(tmp_path / "x.fa.fai", (path.stat().st_mtime + 5,) * 2)
    reads_or_says(lambda: fetch_all(path), path)


@fuzz
@given(damaged(TEXT.encode()))
def test_fasta_of_another_index(tmp_path, content):
    path = tmp_path / "x.fa"
    path.write_bytes(content)
    (tmp_path / "x.fa.fai").write_text(FAI)
    os.utime(tmp_path / "x.fa.fai", (path.stat().st_mtime + 5,) * 2)
    reads_or_says(lambda: fetch_all(path), path)


@pytest.fixture(scope="module")
def bgzipped(tmp_path_factory):
    pysam = pytest.importorskip("pysam")
    folder = tmp_path_factory.mktemp("bgzip")
    (folder / "x.fa").write_text(TEXT * 1 + ">long\n" + "ACGTTGCATN" * 15_000 + "\n")
    pysam.tabix_compress(str(folder / "x.fa"), str(folder / "x.gz"))
    return (folder / "x.gz").read_bytes()


def test_bgzf(tmp_path, bgzipped):
    # A block that says it has one byte.
    @example(bgzipped[:16] + b"\0\0" + bgzipped[18:])
    @fuzz
    @given(damaged(bgzipped))
    def damage(content):
        path = tmp_path / "x.fa.gz"
        path.write_bytes(content)
        reads_or_says(lambda: read_all(path), path)
        reads_or_says(lambda: fetch_all(path), path)

    damage()


@fuzz
@given(damaged(BED.encode()))
def test_bed(tmp_path, content):
    path = tmp_path / "x.bed"
    path.write_bytes(content)
    (tmp_path / "x.fa").write_text(TEXT)
    found = reads_or_says(lambda: Intervals.from_bed(path), path)
    if found is not None:
        reads_or_says(lambda: open_genome(tmp_path / "x.fa", intervals=found).close(), path)


@example(MEME.replace("2.0", "1" * 5000, 1).encode())
@example(MEME.replace("2.0e-01", "1e999", 1).encode())
@fuzz
@given(damaged(MEME.encode()))
def test_background(tmp_path, content):
    path = tmp_path / "x.bg"
    path.write_bytes(content)
    found = reads_or_says(lambda: read_background(path), path)
    assert found is None or abs(found.sum() - 1) < 1e-12
