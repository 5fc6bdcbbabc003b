"""Sequencing errors: against all pairs compared in plain Python."""

from __future__ import annotations

import functools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisreg import _native
from cisreg.prepare.cluster import DuplicateError, cluster_sequences


@functools.lru_cache(10_000)
def edit_distance(a, b):
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        above, row = row, [i]
        for j, other in enumerate(b, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (letter != other)))
    return row[-1]


def oracle(sequences, counts, differences, ratio=1):
    """The roots, computed as the documentation defines them."""
    ranks = sorted(range(len(sequences)), key=lambda i: -counts[i])
    roots = {}
    for rank, i in enumerate(ranks):
        near = [
            (distance, place, j)
            for place, j in enumerate(ranks[:rank])
            if counts[j] >= ratio * counts[i]
            and (distance := edit_distance(sequences[i], sequences[j])) <= differences
        ]
        roots[i] = roots[min(near)[2]] if near else i
    return [roots[i] for i in range(len(sequences))]


@st.composite
def libraries(draw):
    """Different sequences with common flanks, many of them similar, and counts with ties."""
    letters = draw(st.sampled_from(["A", "AC", "ACGT", "ACGTN"]))
    flanks = draw(st.tuples(*[st.text("ACGT", max_size=6)] * 2))
    middles = draw(st.lists(st.text(letters, max_size=12), unique=True, max_size=25))
    sequences = [flanks[0] + middle + flanks[1] for middle in middles]
    counts = st.lists(st.integers(0, 12), min_size=len(middles), max_size=len(middles))
    return sequences, draw(counts)


@given(libraries(), st.integers(1, 5), st.sampled_from([1, 1.5, 2, 1.1]), st.integers(1, 3))
def test_roots_are_those_of_all_pairs(library, differences, ratio, threads):
    sequences, counts = library
    numbers = np.array(counts, np.int64)
    roots = cluster_sequences(
        *(sequences, numbers), differences=differences, minimum_ratio=ratio, threads=threads
    )
    assert roots.dtype == np.int64
    assert roots.tolist() == oracle(sequences, counts, differences, Fraction(str(ratio)))


@given(st.text("ACGTN", max_size=20), st.text("ACGTN", max_size=20), st.integers(0, 10))
def test_edit_distance(a, b, limit):
    assert _native.edit_distance(a, b, limit) == min(edit_distance(a, b), limit + 1)


@given(st.randoms(use_true_random=False), st.integers(1, 10))
def test_edit_distance_of_near_long_texts(chance, edits):
    a = "".join(chance.choices("ACGT", k=chance.randrange(40, 80)))
    b = with_errors(a, edits, chance)
    expected = edit_distance(a, b)
    assert _native.edit_distance(a, b, 10) == expected
    assert _native.edit_distance(a, b, max(expected - 1, 0)) == expected


def with_errors(sequence, edits, chance):
    letters = list(sequence)
    for _ in range(edits):
        place = chance.randrange(len(letters))
        kind = chance.choice(["substituted", "deleted", "inserted"])
        if kind == "substituted":
            letters[place] = chance.choice("ACGT")
        elif kind == "deleted":
            del letters[place]
        else:
            letters.insert(place, chance.choice("ACGT"))
    return "".join(letters)


def promoters(roots, copies, seed=0):
    """Sequences as long as real promoters, with flanks and errors, and decreasing counts."""
    chance = random.Random(seed)
    ends = "TGCATTTTTTTCACATC", "GGTTACGGCTGTT"
    found = {ends[0] + "".join(chance.choices("ACGT", k=80)) + ends[1]: None for _ in range(roots)}
    for root in list(found):
        for _ in range(copies):
            found[with_errors(root, chance.randrange(1, 5), chance)] = None
    sequences = list(found)
    return sequences, np.arange(len(sequences), 0, -1)


@pytest.mark.parametrize("differences", [1, 2, 3, 4])
def test_promoters(differences):
    sequences, counts = promoters(7, 5)
    found = cluster_sequences(sequences, counts, differences=differences)
    assert found.tolist() == oracle(sequences, counts.tolist(), differences)
    assert 7 <= len(set(found.tolist())) < len(sequences)


@pytest.mark.usefixtures("eight_cores")
def test_threads_do_not_matter():
    sequences, counts = promoters(150, 20, seed=1)
    one, *others = (cluster_sequences(sequences, counts, threads=threads) for threads in (1, 2, 5))
    assert len(set(one.tolist())) < 1000 < len(one)
    for other in others:
        np.testing.assert_array_equal(one, other)


def test_chains_end_in_one_root():
    chain = ["AAAAAAAAAA", "AAAAAAAAAC", "AAAAAAAACC", "AAAAAAACCC", "AAAAAACCCC"]
    found = cluster_sequences(chain, [5, 4, 3, 2, 1], differences=1)
    assert found.tolist() == [0] * 5


def test_the_nearest_counts_more_than_the_most_abundant():
    sequences = ["AAAATTTT", "CCAATTGG", "CCAATTTG"]
    assert cluster_sequences(sequences, [90, 10, 1], differences=3).tolist() == [0, 1, 1]


def test_of_equal_counts_the_first_stays():
    assert cluster_sequences(["ACGTA", "ACGTC"], [3, 3]).tolist() == [0, 0]
    assert cluster_sequences(["ACGTA", "ACGTC"], [3, 4]).tolist() == [1, 1]


def test_minimum_ratio_is_the_number_that_was_written():
    sequences = ["ACGTA", "ACGTC"]
    assert cluster_sequences(sequences, [11, 10], minimum_ratio=1.1).tolist() == [0, 0]
    assert cluster_sequences(sequences, [10, 10], minimum_ratio=1.1).tolist() == [0, 1]
    assert cluster_sequences(sequences, [9, 1], minimum_ratio=1e300).tolist() == [0, 1]


def test_n_is_a_letter_of_its_own():
    found = cluster_sequences(["ACNTACGT", "ACNTACGA", "ACGTACGA"], [9, 5, 1], differences=1)
    assert found.tolist() == [0, 0, 0]
    found = cluster_sequences(["ACGTACGT", "ANNTACGT"], [9, 5], differences=1)
    assert found.tolist() == [0, 1]


def test_the_other_strand_is_another_sequence():
    assert cluster_sequences(["AAAACCCGT", "ACGGGTTTT"], [9, 1]).tolist() == [0, 1]


@pytest.mark.parametrize("sequences", [[], ["ACGT"], [""]])
def test_fewer_than_two(sequences):
    found = cluster_sequences(sequences, np.ones(len(sequences), int))
    assert found.tolist() == list(range(len(sequences)))


@pytest.mark.parametrize("counts", [[1, 5, 9, 1], [9, 1, 5, 9]])
def test_duplicates_are_an_error_with_their_rows(counts):
    with pytest.raises(DuplicateError, match="the one of row 1 in row 3 again") as caught:
        cluster_sequences(["AAAA", "ACGT", "CCCC", "ACGT"], counts)
    assert caught.value.rows == (3, 1)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_arrow_text(kind):
    sequences, counts = promoters(3, 5)
    expected = cluster_sequences(sequences, counts)
    padded = pa.array(["TT", *sequences, "TT"], kind)
    found = cluster_sequences(padded.slice(1, len(sequences)), counts)
    np.testing.assert_array_equal(found, expected)
    chunks = pa.chunked_array([sequences[:4], sequences[4:]], kind)
    np.testing.assert_array_equal(cluster_sequences(chunks, counts), expected)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"counts": [1]}, ValueError, r"counts: expected shape \[2\].*got \[1\]"),
        ({"counts": [1, -2]}, ValueError, "counts: expected 0 to .*got -2 in row 1"),
        ({"counts": [1.0, 2.0]}, TypeError, "counts: expected whole numbers, got float64"),
        ({"sequences": "ACGT"}, TypeError, "got one string"),
        ({"sequences": ["A", 5]}, TypeError, "sequences: expected strings"),
        ({"sequences": ["A", None]}, ValueError, "got none in row 1"),
        ({"sequences": pa.array([1, 2])}, TypeError, "got one of int64"),
        ({"sequences": ["A" * 65536, "C"]}, ValueError, "at most 65535 letters.*65536 in row"),
        ({"differences": 0}, ValueError, "differences: expected 1 to 10, got 0"),
        ({"differences": 11}, ValueError, "differences: expected 1 to 10, got 11"),
        ({"minimum_ratio": 0.5}, ValueError, "minimum_ratio: expected a number of 1 or more"),
        ({"minimum_ratio": float("nan")}, ValueError, "minimum_ratio: expected a number"),
        ({"method": "blast"}, ValueError, 'method: expected "embedded" or "bowtie2"'),
        ({"threads": 0}, ValueError, "threads: expected 1 or more, or None, got 0"),
    ],
)
def test_wrong_arguments(changed, error, message):
    arguments = {"sequences": ["ACGT", "ACGA"], "counts": [2, 1]} | changed
    with pytest.raises(error, match=message):
        cluster_sequences(**arguments)


def crowded():
    """Many sequences of few letters: nearly all pairs share a segment, which takes minutes."""
    binary = str.maketrans("01", "CG")
    sequences = [format(number, "016b").translate(binary) for number in range(2**16)]
    return sequences, np.arange(len(sequences), 0, -1)


def test_progress_rises_and_its_errors_end_the_work():
    shares = []

    def show(share):
        shares.append(share)
        if len(shares) == 2:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        cluster_sequences(*crowded(), differences=10, threads=2, progress=show)
    assert 0 <= shares[0] <= shares[1] < 1


def own_arrays(sequences):
    """Letters, offsets and candidates in memory of NumPy, as the native code takes them."""
    letters = np.frombuffer("".join(sequences).encode(), np.uint8).copy()
    offsets = np.cumsum([0, *map(len, sequences)])
    return {
        "letters": letters,
        "offsets": offsets,
        "candidates": np.arange(len(sequences)).astype("u4"),
    }


CHANGES = {
    "zeros": lambda array: array.fill(0),
    "largest": lambda array: array.fill(np.iinfo(array.dtype).max),
    "resized": lambda array: array.resize(0, refcheck=False),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("changed", ["letters", "offsets", "candidates"])
def test_arrays_that_are_changed_meanwhile_do_not_matter(changed, change):
    sequences, _ = promoters(20, 20)
    expected, *_ = _native.cluster_parents(
        *own_arrays(sequences).values(), differences=3, threads=2
    )
    arrays = own_arrays(sequences)
    calls = []

    def progress(share):
        CHANGES[change](arrays[changed])
        calls.append(share)

    found, *_ = _native.cluster_parents(
        *arrays.values(), differences=3, threads=2, progress=progress
    )
    assert calls
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("changed", ["letters", "offsets", "counts"])
def test_memory_of_an_arrow_array_that_is_changed_meanwhile_does_not_matter(changed):
    sequences, counts = promoters(20, 20)
    arrays = own_arrays(sequences) | {"counts": counts}
    text = pa.LargeStringArray.from_buffers(
        len(sequences), pa.py_buffer(arrays["offsets"]), pa.py_buffer(arrays["letters"])
    )
    calls = []

    def progress(share):
        arrays[changed].fill(65)
        calls.append(share)

    expected = cluster_sequences(sequences, counts.copy())
    found = cluster_sequences(text, counts, progress=progress)
    assert calls
    np.testing.assert_array_equal(found, expected)


INTERRUPTED = """
import signal
import test_cluster
# Whoever runs the tests may have it ignored, as a shell does for what runs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
from cisreg.prepare.cluster import cluster_sequences
arguments = test_cluster.crowded()
print("ready", flush=True)
cluster_sequences(*arguments, differences=10)
print("finished")
"""


def test_control_c_ends_it():
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
    )
    assert process.stdout.readline() == b"ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert b"finished" not in output
    assert b"KeyboardInterrupt" in errors


bowtie2 = pytest.mark.skipif(
    shutil.which("bowtie2") is None, reason="bowtie2 is not installed: its method is not tested"
)


@bowtie2
def test_bowtie2_finds_substitutions():
    promoter, *others = promoters(6, 0, seed=2)[0]
    place = {"A": "C", "C": "G", "G": "T", "T": "A"}
    wrong = [promoter[:i] + place[promoter[i]] + promoter[i + 1 :] for i in (5, 40, 50, 60, 105)]
    sequences = [promoter, *others, *wrong]
    counts = [90, *[80] * len(others), *[1] * len(wrong)]
    found = cluster_sequences(sequences, counts, method="bowtie2")
    assert found.tolist() == [*range(6), *[0] * len(wrong)]


@bowtie2
def test_bowtie2_counts_ends_edits_and_one_strand():
    root = promoters(1, 0)[0][0]
    complement = root[::-1].translate(str.maketrans("ACGT", "TGCA"))
    sequences = [root, root[2:-1], root[2:-2], complement]
    found = cluster_sequences(sequences, [9, 3, 2, 1], differences=3, method="bowtie2")
    # The third is 4 letters shorter than the first, but only one shorter than the second.
    assert found.tolist() == [0, 0, 0, 3]
    found = cluster_sequences(sequences, [9, 2, 3, 1], differences=3, method="bowtie2")
    assert found.tolist() == [0, 0, 2, 3]


@bowtie2
def test_bowtie2_that_fails_says_why():
    with pytest.raises(OSError, match=r"bowtie2-build failed \(status 1\): "):
        cluster_sequences(["", "N"], [2, 1], method="bowtie2")


def test_bowtie2_that_is_missing(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(FileNotFoundError, match=r"bowtie2: not found.*conda install -c bioconda"):
        cluster_sequences(["ACGT", "ACGA"], [2, 1], method="bowtie2")
