"""2bit files: what py2bit reads from them, in every version and order of bytes."""

from __future__ import annotations

import importlib.util
import struct

import numpy as np
import pytest
from fuzz.damage import damaged, fuzz
from genome.two_bit_files import two_bit
from hypothesis import given, settings
from hypothesis import strategies as st

from cisreg.genome import open_genome
from cisreg.sequences import encode

sequences = st.dictionaries(
    st.text("abcXYZ019._", min_size=1, max_size=9),
    st.text("ACGTacgtNn", max_size=90),
    min_size=1,
    max_size=4,
)
ONE = {"chr1": "ACGTNNNNacgtnnACG", "chr2": "", "chrM": "NNTTTTNN"}


def codes(text, *, masked_unknown=False):
    text = "".join("N" if masked_unknown and each.islower() else each for each in text)
    return np.asarray(encode([text]))[0]


@settings(deadline=None, max_examples=80)
@given(sequences, st.sampled_from("<>"), st.sampled_from([0, 1]), st.booleans(), st.data())
def test_any_stretch_is_that_of_the_text(
    tmp_path_factory, sequences, order, version, masked_unknown, data
):
    path = tmp_path_factory.mktemp("x") / "x.2bit"
    path.write_bytes(two_bit(sequences, order=order, version=version))
    softmasked = "unknown" if masked_unknown else "keep"
    with open_genome(path, softmasked=softmasked) as genome:
        assert genome.names == tuple(sequences)
        assert genome.lengths == tuple(map(len, sequences.values()))
        for name, text in sequences.items():
            start = data.draw(st.integers(0, len(text)))
            end = data.draw(st.integers(start, len(text)))
            expected = codes(text, masked_unknown=masked_unknown)
            np.testing.assert_array_equal(genome.fetch(name, start, end), expected[start:end])
        parts = list(genome.portions(overlap=3, own=7))
        for name, text in sequences.items():
            own = [part.codes[: part.own] for part in parts if part.sequence == name]
            expected = codes(text, masked_unknown=masked_unknown)
            np.testing.assert_array_equal(np.concatenate(own), expected)


@pytest.mark.skipif(importlib.util.find_spec("py2bit") is None, reason="needs py2bit")
def test_what_is_read_is_what_py2bit_reads(tmp_path):
    import py2bit

    random = np.random.default_rng(3)
    text = {
        f"chr{number}": "".join(random.choice(list("ACGTacgtNn"), 5000).tolist())
        for number in range(3)
    }
    path = tmp_path / "x.2bit"
    path.write_bytes(two_bit(text))
    truth = py2bit.open(str(path), True)
    assert truth.chroms() == {name: len(each) for name, each in text.items()}
    for softmasked in ("keep", "unknown"):
        with open_genome(path, softmasked=softmasked) as genome:
            for name in text:
                for start, end in [(0, 5000), (1, 2), (17, 444), (4990, 5000)]:
                    expected = codes(
                        truth.sequence(name, start, end), masked_unknown=softmasked == "unknown"
                    )
                    np.testing.assert_array_equal(genome.fetch(name, start, end), expected)
    truth.close()


def test_blocks_that_overlap_are_filled_whole(tmp_path):
    """A long block that begins before shorter ones."""
    numbers = [20, 2, 0, 2, 12, 2, 0, 0]  # bases 0 to 11 and 2 to 3 are N; no masks
    record = struct.pack("<8I", *numbers) + bytes(5)
    content = struct.pack("<4I", 0x1A412743, 0, 1, 0) + b"\x01a" + struct.pack("<I", 22) + record
    path = tmp_path / "x.2bit"
    path.write_bytes(content)
    with open_genome(path) as genome:
        assert genome.fetch("a", 8, 14).tolist() == [4, 4, 4, 4, 3, 3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-3], "expected 8 bases of chrM"),
        (lambda content: content[:20], "got the end of the file"),
        (lambda content: content[:4] + b"\5" + content[5:], "expected version 0 or 1"),
        (lambda content: content.replace(b"chrM", b"chr1"), "every name once, got 'chr1'"),
        (lambda content: content.replace(b"chrM", b"ch\x1bM"), "expected names without"),
        (lambda content: content[:8] + bytes(4) + content[12:], "at least one sequence"),
    ],
)
def test_damage_is_said_with_the_file(tmp_path, change, message):
    path = tmp_path / "x.2bit"
    path.write_bytes(change(two_bit(ONE)))
    with pytest.raises(ValueError, match=rf"x.2bit: .*{message}"):
        open_genome(path)


@fuzz
@given(damaged(two_bit(ONE)))
def test_damaged_files_are_read_or_refused(tmp_path, content):
    path = tmp_path / "x.2bit"
    path.write_bytes(content)
    try:
        with open_genome(path, softmasked="unknown") as genome:
            for portion in genome.portions(overlap=2, own=1 << 12):
                assert (portion.codes <= 4).all()
    except ValueError as error:
        assert "x.2bit" in str(error)


def test_2bit_is_one_file_and_not_compressed(tmp_path):
    import gzip

    (tmp_path / "x.2bit").write_bytes(two_bit(ONE))
    (tmp_path / "y.fa").write_text(">a\nA\n")
    with pytest.raises(ValueError, match=r"x.2bit: expected one file"):
        open_genome(tmp_path)
    (tmp_path / "z.gz").write_bytes(gzip.compress(two_bit(ONE)))
    with open_genome(tmp_path / "z.gz") as genome, pytest.raises(ValueError, match="like 2bit"):
        list(genome.portions(overlap=0))
