"""FASTA files of every kind: the same sequences, from the start and from the middle."""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
import zstandard

from cisreg.genome import open_genome
from cisreg.sequences import encode

pysam = pytest.importorskip("pysam")
pyfaidx = pytest.importorskip("pyfaidx")

LENGTHS = {"chrI": 200_003, "chrII": 61, "chrIII": 60, "empty": 0, "chrM": 70_001}


def sequences(seed=5):
    random = np.random.default_rng(seed)
    letters = np.frombuffer(b"ACGTacgtNnRyK", np.uint8)
    share = np.array([20] * 4 + [8] * 4 + [4, 1, 0.1, 0.1, 0.1])
    return {
        name: letters[random.choice(13, length, p=share / share.sum())].tobytes().decode()
        for name, length in LENGTHS.items()
    }


SEQUENCES = sequences()
CODES = {name: np.asarray(encode([text]))[0] for name, text in SEQUENCES.items()}


def fasta(width=60, ending="\n", only=tuple(LENGTHS)):
    lines = []
    for name in only:
        text = SEQUENCES[name]
        lines.append(f">{name} chromosome of nothing")
        lines += [text[i : i + width] for i in range(0, len(text), width)]
    return (ending.join(lines) + ending).encode()


def bgzip(path, content):
    plain = path.with_suffix(".plain")
    plain.write_bytes(content)
    pysam.tabix_compress(str(plain), str(path), force=True)
    plain.unlink()


WRITE = {
    "plain": lambda path: path.write_bytes(fasta()),
    "one line": lambda path: path.write_bytes(fasta(width=10**9)),
    "CRLF": lambda path: path.write_bytes(fasta(ending="\r\n")),
    "gzip": lambda path: path.write_bytes(gzip.compress(fasta())),
    "bgzip": lambda path: bgzip(path, fasta()),
    "zstd": lambda path: path.write_bytes(zstandard.compress(fasta())),
    "bzip2": lambda path: path.write_bytes(bz2.compress(fasta())),
}


@pytest.fixture(params=WRITE)
def file(request, tmp_path):
    path = tmp_path / "genome.fa"
    WRITE[request.param](path)
    return path


def whole(genome, **sizes):
    """The sequences, and the most bases of a portion."""
    parts = list(genome.portions(**{"overlap": 30, "own": 10_000} | sizes))
    names = dict.fromkeys(part.sequence for part in parts)
    return {
        name: np.concatenate([part.codes[: part.own] for part in parts if part.sequence == name])
        for name in names
    }


def assert_equal(found, codes=CODES):
    assert list(found) == list(codes)
    for name, expected in codes.items():
        np.testing.assert_array_equal(found[name], expected)


def test_every_kind_of_file_gives_the_same_sequences(file):
    with open_genome(file) as genome:
        assert genome.names is None
        assert genome.lengths is None
        assert_equal(whole(genome))
        assert_equal(whole(genome))  # as often as one likes


def test_stretches_from_anywhere_are_those_of_the_whole(file):
    random = np.random.default_rng(1)
    with open_genome(file) as genome:
        for name, length in LENGTHS.items():
            ends = [(0, length), (0, 0), (length, length)]
            ends += np.sort(random.integers(0, length + 1, (40, 2))).tolist()
            for start, end in ends:
                np.testing.assert_array_equal(
                    genome.fetch(name, start, end), CODES[name][start:end]
                )
        assert genome.names == tuple(LENGTHS)
        assert genome.lengths == tuple(LENGTHS.values())
        assert_equal(whole(genome))
    assert list(file.parent.iterdir()) == [file], "no index file is written"


@pytest.mark.parametrize("kind", ["plain", "one line", "CRLF", "bgzip"])
def test_stretches_are_those_of_pysam_and_pyfaidx(tmp_path, kind):
    path = tmp_path / ("genome.fa.gz" if kind == "bgzip" else "genome.fa")
    WRITE[kind](path)
    pysam.faidx(str(path))
    index = Path(f"{path}.fai").stat()
    with open_genome(path) as genome, pysam.FastaFile(str(path)) as truth:
        assert genome.names == tuple(truth.references)
        assert genome.lengths == tuple(truth.lengths)
        other = pyfaidx.Fasta(str(path)) if kind != "bgzip" else None
        for name in truth.references:
            for start, end in [(0, 50), (59, 61), (60, 120), (13, 14), (0, 10**6)]:
                end = min(end, LENGTHS[name])
                start = min(start, end)
                expected = truth.fetch(name, start, end)
                found = genome.fetch(name, start, end)
                np.testing.assert_array_equal(found, np.asarray(encode([expected]))[0])
                if other is not None and end > start:
                    assert str(other[name][start:end]) == expected
    assert Path(f"{path}.fai").stat().st_mtime_ns == index.st_mtime_ns


def test_soft_masked_letters_may_be_unknown(file):
    masked = {
        name: np.where([letter.islower() for letter in text], 4, CODES[name])
        for name, text in SEQUENCES.items()
    }
    with open_genome(file, softmasked="unknown") as genome:
        assert_equal(whole(genome), masked)
        np.testing.assert_array_equal(genome.fetch("chrI", 55, 999), masked["chrI"][55:999])


def test_several_files_a_folder_and_a_pattern_are_read_in_their_order(tmp_path):
    for number, name in [(1, "chrI"), (2, "chrII"), (10, "chrM")]:
        (tmp_path / f"chr{number}.fa").write_bytes(fasta(only=[name]))
    (tmp_path / "notes.txt").write_text("x")
    codes = {name: CODES[name] for name in ("chrI", "chrII", "chrM")}
    one_by_one = [tmp_path / f"chr{number}.fa" for number in (1, 2, 10)]
    for source in (tmp_path, tmp_path / "chr*.fa", one_by_one):
        with open_genome(source) as genome:
            assert_equal(whole(genome), codes)
            np.testing.assert_array_equal(genome.fetch("chrM", 5, 99), codes["chrM"][5:99])


def test_a_name_in_two_files_is_refused_with_both_places(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.fa").write_bytes(fasta(only=["chrII", "chrI"]))
    with open_genome(tmp_path) as genome:
        with pytest.raises(ValueError, match=r"b.fa:1: .* got 'chrII' again, .*a.fa:1 too"):
            whole(genome)
        with pytest.raises(ValueError, match=r"b.fa:1: .* got 'chrII' again, .*a.fa:1 too"):
            genome.fetch("chrI", 0, 1)


def test_an_index_of_another_file_is_refused(tmp_path):
    path = tmp_path / "x.fa"
    path.write_bytes(fasta())
    pysam.faidx(str(path))
    path.write_bytes(fasta(width=50))
    os.utime(tmp_path / "x.fa.fai", (path.stat().st_mtime + 5,) * 2)
    with open_genome(path) as genome:
        for name in ("chrI", "chrIII", "chrM"):
            with pytest.raises(ValueError, match=r"x.fa.fai: expected the sequence .* remove it"):
                genome.fetch(name, 1, 9)


def test_an_index_with_long_headers_is_used(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(f">a {'x' * 9000}\nACGT\n>b {'y' * 90000}\nGGG\n")
    pysam.faidx(str(path))
    with open_genome(path) as genome:
        assert genome.names == ("a", "b")
        assert genome.fetch("a", 1, 4).tolist() == [1, 2, 3]
        assert genome.fetch("b", 0, 3).tolist() == [2, 2, 2]


def test_an_older_index_is_not_used_and_the_log_says_so(tmp_path, caplog):
    path = tmp_path / "x.fa"
    path.write_bytes(fasta())
    (tmp_path / "x.fa.fai").write_text("nothing\n")
    os.utime(tmp_path / "x.fa.fai", (1, 1))
    with open_genome(path) as genome:
        assert genome.names is None
    assert "is older than the file itself" in caplog.text


def test_a_damaged_index_is_refused_with_its_line(tmp_path):
    path = tmp_path / "x.fa"
    path.write_bytes(fasta())
    for line in ["chrI\t5\t6\t60", "chrI\t-5\t6\t60\t61", "chrI\t5\t6\t0\t0", "chrI\t5\t6\t61\t60"]:
        (tmp_path / "x.fa.fai").write_text(line + "\n")
        with pytest.raises(ValueError, match=r"x.fa.fai:1: expected a name of its own"):
            open_genome(path)


def test_unknown_names_and_stretches_outside_are_refused(tmp_path):
    path = tmp_path / "x.fa"
    path.write_bytes(fasta())
    with open_genome(path) as genome:
        with pytest.raises(ValueError, match=r"got 'I'; it has 'chrI'"):
            genome.fetch("I", 0, 1)
        for start, end in [(-1, 5), (5, 4), (0, 62)]:
            with pytest.raises(ValueError, match="the length of chrII"):
                genome.fetch("chrII", start, end)


def test_what_is_copied_to_read_from_the_middle_is_said_and_deleted(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    path = tmp_path / "x.fa.gz"
    path.write_bytes(gzip.compress(fasta()))
    with caplog.at_level(logging.INFO, "cisreg.genome"), open_genome(path) as genome:
        genome.fetch("chrI", 0, 9)
        assert len(list((tmp_path / "temporary").iterdir())) == 1
    assert not list((tmp_path / "temporary").iterdir())
    assert "x.fa.gz cannot be read from the middle: it was copied to a temporary" in caplog.text


PROGRAM = """
import sys
from cisreg.genome import open_genome
with open_genome("-") as genome:
    if sys.argv[1] == "hold":
        genome.hold()
    for again in range(int(sys.argv[2])):
        for part in genome.portions(overlap=0):
            print(part.sequence, part.codes.sum())
"""


@pytest.mark.parametrize(("hold", "times"), [("no", 1), ("hold", 2), ("no", 2)])
def test_standard_input_is_read_once_unless_it_is_held(hold, times):
    command = [sys.executable, "-c", PROGRAM, hold, str(times)]
    done = subprocess.run(command, input=gzip.compress(fasta()), capture_output=True)
    lines = [f"{name} {codes.sum()}" for name, codes in CODES.items()]
    if hold == "no" and times == 2:
        assert b"standard input: expected a file that can be read again" in done.stderr
    else:
        assert done.stdout.decode().split("\n") == [*lines * times, ""], done.stderr


def test_reading_ahead_ends_with_its_user(tmp_path):
    path = tmp_path / "x.fa"
    path.write_bytes(fasta())
    before = set(threading.enumerate())
    with open_genome(path) as genome:
        portions = genome.portions(overlap=3, own=100)
        next(portions)
        portions.close()
    assert set(threading.enumerate()) <= before


def test_a_cut_file_is_noticed(tmp_path):
    content = gzip.compress(fasta())
    path = tmp_path / "x.fa.gz"
    path.write_bytes(content[: len(content) // 2])
    with (
        open_genome(path) as genome,
        pytest.raises(ValueError, match=r"x.fa.gz: cannot be decompr"),
    ):
        whole(genome)
    bgzip(path, fasta())
    path.write_bytes(path.read_bytes()[:-5000])
    with open_genome(path) as genome, pytest.raises(ValueError, match=r"x.fa.gz: "):
        genome.fetch("chrI", 0, 9)


def test_a_damaged_block_of_bgzf_is_noticed(tmp_path):
    path = tmp_path / "x.fa.gz"
    bgzip(path, fasta())
    pysam.faidx(str(path))
    content = bytearray(path.read_bytes())
    content[300:310] = bytes(10)
    fai = Path(f"{path}.fai")
    path.write_bytes(content)
    os.utime(fai, (path.stat().st_mtime + 5,) * 2)
    with open_genome(path) as genome, pytest.raises(ValueError, match="block of BGZF at byte 0"):
        genome.fetch("chrI", 0, 9)


def test_paths_that_lead_nowhere(tmp_path):
    for source in (tmp_path / "no.fa", tmp_path / "no*.fa", tmp_path):
        with pytest.raises(FileNotFoundError, match=str(tmp_path)):
            open_genome(source)
    with pytest.raises(ValueError, match="source: expected at least one file"):
        open_genome([])
    with pytest.raises(ValueError, match="softmasked: expected"):
        open_genome(tmp_path, softmasked="yes")


def test_memory_does_not_grow_with_the_line(tmp_path):
    """A sequence of one line, many times the portion."""
    path = tmp_path / "x.fa"
    with path.open("wb") as file:
        file.write(b">a\n")
        for _ in range(64):
            file.write(b"ACGTTGCA" * (1 << 17))
    program = (
        "import resource, sys; from cisreg.genome import open_genome\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10\n"
        "before = peak()\n"
        "count = sum(p.own for p in open_genome(sys.argv[1]).portions(overlap=29, own=1 << 20))\n"
        "print(count, peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, check=True)
    count, grown = map(int, done.stdout.split())
    assert count == 64 << 20
    assert grown < 32  # MB; the file has 64


def test_a_stream_that_ends_within_a_header(tmp_path):
    path = tmp_path / "x.fa"
    path.write_bytes(io.BytesIO(b">a\nACGT\n>b").getvalue())
    with open_genome(path) as genome:
        assert {name: len(codes) for name, codes in whole(genome).items()} == {"a": 4, "b": 0}
