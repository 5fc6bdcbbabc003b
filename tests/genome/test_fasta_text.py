"""FASTA text of any layout as portions of base codes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisreg.genome import open_genome
from cisreg.genome.fasta_text import FastaText, Names, fasta_portions

CODE = {letter: code for code, letter in enumerate("ACGT")} | {"U": 3}
LETTERS = "ACGTUNRYSWKMBDHVacgtunryswkmbdhv"


def portions(text, *, overlap=0, own=1 << 16, block=1 << 20, masked_unknown=False):
    reader = FastaText(io.BytesIO(text).read, "x.fa", masked_unknown=masked_unknown, block=block)
    names = Names()
    names.start("x.fa")
    return list(fasta_portions(reader, names, overlap=overlap, own=own))


def joined(parts):
    """The whole sequences, from what each portion alone has."""
    whole = {}
    for part in parts:
        codes = whole.setdefault(part.sequence, [])
        assert part.start == len(codes)
        codes += part.codes[: part.own].tolist()
    return whole


def expected(sequence, masked_unknown=False):
    """Codes by the definition, letter by letter."""
    return [
        4 if masked_unknown and letter.islower() else CODE.get(letter.upper(), 4)
        for letter in sequence
    ]


@st.composite
def layouts(draw):
    """Sequences by name, and a FASTA text of them."""
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    blank = st.sampled_from(["", " ", "\t", " \t"])
    between = st.lists(st.sampled_from(["", "  ", "; a comment > x", "# ACGT", " ;"]), max_size=2)
    sequences = draw(st.lists(st.text(LETTERS, max_size=50), min_size=1, max_size=5))
    lines = draw(between)
    for number, sequence in enumerate(sequences):
        lines.append(f"{draw(blank)}>s{number}{draw(st.sampled_from(['', ' of a > b', ' ; é']))}")
        rest = sequence
        while rest:
            lines += draw(between)
            size = draw(st.integers(1, 20))
            lines.append(draw(blank) + rest[:size] + draw(blank))
            rest = rest[size:]
        lines += draw(between)
    text = ending.join(lines) + draw(st.sampled_from(["", ending]))
    mark = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    return {f"s{number}": each for number, each in enumerate(sequences)}, mark + text.encode()


@settings(deadline=None, max_examples=300)
@given(layouts(), st.integers(4, 64), st.integers(1, 30), st.integers(0, 20), st.booleans())
def test_any_layout_gives_the_same_codes(layout, block, own, overlap, masked_unknown):
    sequences, text = layout
    parts = portions(text, overlap=overlap, own=own, block=block, masked_unknown=masked_unknown)
    whole = {name: expected(each, masked_unknown) for name, each in sequences.items()}
    assert joined(parts) == whole
    for part in parts:
        np.testing.assert_array_equal(part.codes, whole[part.sequence][part.start : part.end])
        assert len(part.codes) <= own + overlap
        assert part.last == (part.end == len(whole[part.sequence]))
        assert part.last or (part.own, len(part.codes)) == (own, own + overlap)


@settings(deadline=None, max_examples=200)
@given(layouts(), st.integers(4, 64), st.data())
def test_stretches_of_any_layout_are_read_from_any_mark(tmp_path_factory, layout, block, data):
    """Marks fall into comments, blanks, headers and line ends."""
    sequences, text = layout
    path = tmp_path_factory.mktemp("x") / "x.fa"
    path.write_bytes(text)
    with pytest.MonkeyPatch.context() as patch, open_genome(path) as genome:
        patch.setattr("cisreg.genome.fasta_index._MARK_BYTES", block)
        assert genome.length_of() == {name: len(each) for name, each in sequences.items()}
        for name, each in sequences.items():
            start = data.draw(st.integers(0, len(each)))
            end = data.draw(st.integers(start, len(each)))
            assert genome.fetch(name, start, end).tolist() == expected(each)[start:end]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "x.fa: expected FASTA, got no sequence"),
        (b"\n;x\n", "x.fa: expected FASTA, got no sequence"),
        (b"\nACGT\n>a\n", "x.fa:2: is not FASTA: expected a header that begins with >, got 'ACGT'"),
        (b"@r\nACGT\n+\nIIII\n", "x.fa:1: .* got '@r'; it looks like FASTQ"),
        (b"<!DOCTYPE html>\n", "x.fa:1: .* it looks like a web page"),
        (
            b">a\nACGT\nMELK\n",
            "x.fa:3: expected the nucleotide codes .* sequence a, got 'E' in 'MELK'",
        ),
        (b">a\nACGT\nAC GT\n", "x.fa:3: .* got a blank inside a line, 'AC GT'"),
        (b">a\nAC-GT\n", "x.fa:2: .* got '-' in 'AC-GT'"),
        (
            b">a\nAC\n>b\nAC\n> a c\n",
            "x.fa:5: expected every name once, got 'a' again, .* x.fa:1 too",
        ),
        (b">a\nAC\n>\nAC\n", "x.fa:3: expected a name behind >, got ''"),
        (b">a\rACGT\r>b\rACGT\n", "x.fa:1: .* got CR alone"),
        (b">a\x1b[2J\nACGT\n", "x.fa:1: expected names without"),
        (b">a\nAC\0GT\n", r"x.fa:2: .* got '\\x00'"),
        (b">" + b"a" * (3 << 20), "x.fa:1: expected a header of 1,048,576 bytes"),
    ],
)
@pytest.mark.parametrize("block", [64, 1 << 20])
def test_what_is_no_dna_is_refused_with_its_line(text, message, block):
    with pytest.raises(ValueError, match=f"^{message}"):
        portions(text, block=block)


def test_sequences_without_bases_are_there():
    parts = portions(b">a\n>b\n\n>c\nA")
    assert [(part.sequence, part.own, len(part.codes), part.last) for part in parts] == [
        ("a", 0, 0, True),
        ("b", 0, 0, True),
        ("c", 1, 1, True),
    ]
