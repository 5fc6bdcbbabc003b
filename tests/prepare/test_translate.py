"""Translate: lines and tables of counts against a plain dictionary; chains, cycles, conflicts."""

from __future__ import annotations

import gzip
import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisreg.prepare.database import Resources
from cisreg.prepare.translate import translate, translate_counts

pytest.importorskip("duckdb")

SEQUENCE = st.text("ACG", min_size=1, max_size=2)


def root(translation, sequence):
    """The oracle: the end of the chain, or None for a cycle."""
    seen = set()
    while translation.get(sequence, sequence) != sequence:
        if sequence in seen:
            return None
        seen.add(sequence)
        sequence = translation[sequence]
    return sequence


def write_map(path, translation):
    path.write_text("".join(f"{source}\t{target}\n" for source, target in translation.items()))


@settings(max_examples=80, deadline=None)
@given(
    translation=st.dictionaries(SEQUENCE, SEQUENCE, min_size=1),
    lines=st.lists(st.one_of(SEQUENCE, st.just(""), st.just("# é")), min_size=1, max_size=30),
)
def test_lines_keep_their_order(tmp_path_factory, translation, lines):
    folder = tmp_path_factory.mktemp("lines")
    write_map(folder / "map", translation)
    (folder / "lines").write_text("".join(f"{line}\n" for line in lines))
    arguments = (folder / "lines", folder / "map", folder / "out")
    if any(root(translation, source) is None for source in translation):
        with pytest.raises(ValueError, match=r"map:\d+: expected chains of translations that end"):
            translate(*arguments)
        return
    done = translate(*arguments)
    expected = [root(translation, line) for line in lines]
    assert (folder / "out").read_text() == "".join(f"{line}\n" for line in expected)
    changed = sum(before != after for before, after in zip(lines, expected, strict=True))
    assert (done.rows, done.translated, done.written) == (len(lines), changed, len(lines))


def test_the_order_of_many_lines(tmp_path):
    lines = [f"{index * 7919 % 400_009}" for index in range(400_000)]
    translation = {line: f"x{line}" for line in lines[::3]}
    write_map(tmp_path / "map", translation)
    (tmp_path / "lines").write_text("".join(f"{line}\n" for line in lines))
    translate(
        *(tmp_path / "lines", tmp_path / "map", tmp_path / "out"), resources=Resources(threads=2)
    )
    assert (tmp_path / "out").read_text().split() == [translation.get(each, each) for each in lines]


@settings(max_examples=50, deadline=None)
@given(
    translation=st.dictionaries(SEQUENCE, st.text("T", min_size=1, max_size=3), min_size=1),
    table=st.lists(st.tuples(SEQUENCE, st.integers(0, 9), st.integers(0, 9)), min_size=1),
    header=st.sampled_from([None, ("bin0", "bin1"), ("bin0", "total")]),
)
def test_counts_of_what_becomes_equal_are_added(tmp_path_factory, translation, table, header):
    folder = tmp_path_factory.mktemp("counts")
    write_map(folder / "map", translation)
    names = "" if header is None else "\t".join(("sequence", *header)) + "\n"
    (folder / "table").write_text(names + "".join(f"{s}\t{a}\t{b}\n" for s, a, b in table))
    done = translate_counts(folder / "table", folder / "map", folder / "out")
    first, second = Counter(), Counter()
    for sequence, a, b in table:
        first[translation.get(sequence, sequence)] += a
        second[translation.get(sequence, sequence)] += b

    def rank(sequence):
        total = second[sequence]
        return -(total if header == ("bin0", "total") else total + first[sequence]), sequence

    expected = [f"{s}\t{first[s]}\t{second[s]}\n" for s in sorted(first, key=rank)]
    assert (folder / "out").read_text() == names + "".join(expected)
    assert (done.rows, done.written) == (len(table), len(expected))
    assert done.translated == sum(sequence in translation for sequence, _, _ in table)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 8, 9, 100])
def test_long_chains_come_to_their_end(tmp_path, length):
    chain = [f"{index:b}".translate({48: "A", 49: "C"}) for index in range(length + 1)]
    write_map(tmp_path / "map", dict(itertools.pairwise(chain)))
    (tmp_path / "lines").write_text("\n".join(chain))
    assert translate(tmp_path / "lines", tmp_path / "map", tmp_path / "out").translated == length
    assert (tmp_path / "out").read_text() == f"{chain[-1]}\n" * (length + 1)


@pytest.mark.parametrize("length", [2, 3, 4, 7, 8])
def test_cycles_are_refused_and_what_leads_to_an_end_is_not_blamed(tmp_path, length):
    cycle = ["A" * (index + 1) for index in range(length)]
    text = "G\tC\nGG\tG\n"
    text += "".join(f"{a}\t{b}\n" for a, b in zip(cycle, cycle[1:] + cycle[:1], strict=True))
    (tmp_path / "map").write_text(text)
    (tmp_path / "lines").write_text("A\n")
    with pytest.raises(ValueError, match=r"map:3: .* got a cycle after 'A'"):
        translate(tmp_path / "lines", tmp_path / "map", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lines", "map"]


@pytest.mark.parametrize(
    ("dictionary", "message"),
    [
        (b"A\tC\nG\tT\nA\tG\n", r"map:3: expected one translation of 'A'.* line 1;"),
        (b"A\tA\nA\tG\n", r"map:2: expected one translation of 'A'"),
        (b"A\tC\nG\n", r"map:2: expected from<TAB>to, got 'G'"),
        (b"A\tC\tG\n", r"map:1: expected from<TAB>to"),
        (b"A\tC\n\nG\tC\n", r"map:2: expected from<TAB>to, got ''"),
        (b"A\tC\nG\t\n", r"map:2: expected from<TAB>to"),
        (b"A\tC\n\xff\tG\n", r"map:2: expected UTF-8 text, got the byte 0xff"),
        (b"A\tC\rG\tC\n", r"map:1: expected from<TAB>to"),
        (b"A\tC\r\r\n", r"map:1: expected lines that end in LF"),
        (b"", r"map: expected lines of from<TAB>to, got an empty file"),
    ],
)
def test_dictionaries_that_make_no_sense(tmp_path, dictionary, message):
    (tmp_path / "map").write_bytes(dictionary)
    (tmp_path / "lines").write_text("A\n")
    with pytest.raises(ValueError, match=message):
        translate(tmp_path / "lines", tmp_path / "map", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_line_may_come_twice_and_a_quote_is_a_letter(tmp_path):
    (tmp_path / "map").write_bytes(gzip.compress(b'A\tC\r\nA\tC\r\n"\tG\n'))
    (tmp_path / "lines").write_bytes(b'A\r\n"\r\nAA\r')
    translate(tmp_path / "lines", tmp_path / "map", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"C\nG\nAA\n"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("A\t1\nC\t-1\n", r"table:2: expected a count, 0 or more, in column 2, got '-1'"),
        ("A\t1\nC\t1.5\n", r"table:2: expected a count, .* got '1.5'"),
        ("A\t1\nC\tmany\n", r"table:2: expected a count, .* got 'many'"),
        ("A\t1\nC\t\n", r"table:2: expected a count, .* got ''"),
        ("A\t1\nC\t0x1\n", r"table:2: expected a count, .* got '0x1'"),
        (f"A\t1\nC\t{2**63}\n", r"table:2: expected a count"),
        ("A\tmany\n", r"table:1: expected a count"),
        ("A\t1\nC\t1\t1\n", r"table:2: expected 2 columns as in line 1, got 3"),
        ("A\t1\n\nC\t1\n", r"table:2: expected 2 columns as in line 1, got 1"),
        ("A\t1\n\t1\n", r"table:2: expected a sequence, got an empty field"),
        ("sequence\tbin\nAXC\t1\n", r"table:2: .*nucleotide letters, got 'X' at base 2"),
        ("A\nC\n", r"table:1: expected a sequence and one count or more"),
        ("sequence\tbin\n", r"table: expected rows after the names of the columns, got none"),
        ("", r"table: expected lines with a sequence and counts, got an empty file"),
        (f"A\t{2**63 - 1}\nA\t1\n", r"table: expected sums below 2\^63, got a total of 92"),
    ],
)
def test_tables_that_make_no_sense(tmp_path, table, message):
    (tmp_path / "map").write_text("G\tC\n")
    (tmp_path / "table").write_text(table)
    with pytest.raises(ValueError, match=message):
        translate_counts(tmp_path / "table", tmp_path / "map", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map", "table"]


def test_lines_that_are_no_text(tmp_path):
    (tmp_path / "map").write_text("G\tC\n")
    (tmp_path / "lines").write_bytes(b"A\n\xffA\n")
    with pytest.raises(ValueError, match="lines:2: expected UTF-8 text, got the byte 0xff"):
        translate(tmp_path / "lines", tmp_path / "map", tmp_path / "out")
    (tmp_path / "lines").write_bytes(b"")
    with pytest.raises(ValueError, match="lines: expected lines, got an empty file"):
        translate(tmp_path / "lines", tmp_path / "map", tmp_path / "out")
    with pytest.raises(ValueError, match="dictionary: expected each file once, got standard"):
        translate("-", "-", tmp_path / "out")
