"""Collapse: against a dictionary of counts, from lines, FASTA and FASTQ, in little memory."""

from __future__ import annotations

import gzip
import random
from collections import Counter

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from cisreg.prepare.collapse import collapse
from cisreg.prepare.database import Resources, open_database
from cisreg.prepare.reading import line_array, read_blocks
from cisreg.streams import open_input

pytest.importorskip("duckdb")

SEQUENCES = st.lists(st.text("ACGTNacgtn", min_size=1, max_size=4), min_size=1, max_size=40)


def counted(sequences):
    """The oracle: rows of sequence and count, the most abundant first."""
    return sorted(Counter(sequences).items(), key=lambda row: (-row[1], row[0]))


def rows(path):
    return [tuple(line.split("\t")) for line in path.read_text().splitlines()]


@settings(max_examples=30, deadline=None)
@given(SEQUENCES, st.booleans())
def test_counts_of_one_input(tmp_path_factory, sequences, keep_case):
    folder = tmp_path_factory.mktemp("one")
    (folder / "reads.txt").write_text("".join(f"{each}\n" for each in sequences))
    done = collapse([folder / "reads.txt"], folder / "out.tsv", keep_case=keep_case)
    expected = counted(sequences if keep_case else [each.upper() for each in sequences])
    assert rows(folder / "out.tsv") == [(each, str(count)) for each, count in expected]
    assert (done.reads, done.unique) == ((len(sequences),), len(expected))
    assert sorted(path.name for path in folder.iterdir()) == ["out.tsv", "reads.txt"]


@settings(max_examples=20, deadline=None)
@given(st.lists(SEQUENCES, min_size=2, max_size=4))
def test_counts_of_several_inputs(tmp_path_factory, bins):
    folder = tmp_path_factory.mktemp("several")
    paths = [folder / f"bin.{index}.fa" for index in range(len(bins))]
    for path, sequences in zip(paths, bins, strict=True):
        path.write_text("".join(f">name\n{each}\n" for each in sequences))
    collapse(paths, folder / "out.tsv")
    counts = [Counter(each.upper() for each in sequences) for sequences in bins]
    expected = [
        (each, *(str(count[each]) for count in counts), str(total))
        for each, total in counted(each.upper() for sequences in bins for each in sequences)
    ]
    names = [f"bin.{index}" for index in range(len(bins))]
    assert rows(folder / "out.tsv") == [("sequence", *names, "total"), *expected]


def test_lines_fasta_and_fastq_are_told_apart_by_their_content(tmp_path):
    contents = {
        "lines": b"\xef\xbb\xbf# a comment\nACGT\r\n\n  acgt\t\nTT",
        "fasta": b">one\nAC\nGT\n>two\nacgt\n>three\nTT\n",
        "fastq": b"@one\nACGT\n+\nIIII\n@two\nacgt\n+\nIIII\n@three\nTT\n+\nII\n",
    }
    for name, content in contents.items():
        for compress in (bytes, gzip.compress, zstandard.compress):
            (tmp_path / name).write_bytes(compress(content))
            collapse([tmp_path / name], tmp_path / "out", overwrite=True)
            assert rows(tmp_path / "out") == [("ACGT", "2"), ("TT", "1")], name


@pytest.mark.parametrize("content", [b"AC\n\nAC\n", b"\nAC\nAC", b"AC\r\nAC\r", b"AC\nAC\n\n\n"])
def test_empty_lines_and_last_lines(tmp_path, content):
    (tmp_path / "reads").write_bytes(content)
    collapse([tmp_path / "reads"], tmp_path / "out")
    assert rows(tmp_path / "out") == [("AC", "2")]


def test_one_input_with_a_name_is_a_table(tmp_path):
    (tmp_path / "a").write_text("AC\n")
    collapse([tmp_path / "a"], tmp_path / "out", names=["first"])
    assert rows(tmp_path / "out") == [("sequence", "first", "total"), ("AC", "1", "1")]


def test_standard_streams(tmp_path, monkeypatch, capfdbinary):
    (tmp_path / "reads").write_text("AC\nAC\n")
    with (tmp_path / "reads").open() as file:
        monkeypatch.setattr("sys.stdin", file)
        collapse(["-"], "-")
    assert capfdbinary.readouterr().out == b"AC\t2\n"


def test_letters_that_are_no_nucleotides(tmp_path, caplog):
    lines, fasta, fastq = (tmp_path / name for name in ("lines", "fasta", "fastq"))
    lines.write_text("ACGT\n\n#\nAC GT\nAXT\n")
    fasta.write_text(">a\nAC\n>b\nA\nX\n")
    fastq.write_text("@a\nAC\n+\nII\n@b\nAX\n+\nII\n")
    for path, message in (
        (lines, r"lines:4: expected a sequence of nucleotide letters .*got ' ' at base 3"),
        (fasta, r"fasta: record 2: .*got 'X' at base 2"),
        (fastq, r"fastq:6: .*got 'X' at base 2"),
    ):
        with pytest.raises(ValueError, match=message):
            collapse([path], tmp_path / "out")
        assert not (tmp_path / "out").exists()
    done = collapse([lines, fasta, fastq], tmp_path / "out", drop_foreign=True)
    assert (done.reads, done.dropped) == ((1, 1, 1), (2, 1, 1))
    assert "lines: 2 sequences were dropped" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"@a\nACGT\n+\nIII\n", r"reads:4: is not FASTQ: Length"),
        (b"@a\nACGT\n+\nIIII\n@b\nAC\n", r"reads:7: is not FASTQ: Premature end"),
        (b"", r"reads: expected sequences, got none"),
        (b"# nothing\n\n", r"reads: expected sequences, got none"),
        (gzip.compress(b"ACGT\n" * 9999)[:-9], r"reads: cannot be decompressed"),
    ],
)
def test_damaged_and_empty_files(tmp_path, content, message):
    (tmp_path / "reads").write_bytes(content)
    (tmp_path / "out").write_text("before")
    with pytest.raises(ValueError, match=message):
        collapse([tmp_path / "reads"], tmp_path / "out", overwrite=True)
    assert (tmp_path / "out").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "reads"]


def test_records_without_a_base_are_left_out(tmp_path, caplog):
    (tmp_path / "reads").write_text("@a\n\n+\n\n@b\nAC\n+\nII\n")
    assert collapse([tmp_path / "reads"], tmp_path / "out").reads == (1,)
    assert "reads: 1 records without a base were dropped" in caplog.text


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a"], "names: expected 2, one per input, got 1"),
        (["a", "a"], "names: expected different ones, got 'a'"),
        (["a", "total"], "names: expected text .* got 'total'"),
        (["a", "b\nc"], r"names: expected names without line ends.*'b\\nc'; give other names"),
        (["a\x1b[31m", "b"], r"names: expected names without .*'a\\x1b\[31m'; give other"),
        (["Sum", "a"], "names: expected text"),
        (["a", " id"], "names: expected text"),
        (["", "a"], "names: expected text"),
    ],
)
def test_names(tmp_path, names, message):
    with pytest.raises(ValueError, match=message):
        collapse(["a.txt", "b.txt"], tmp_path / "out", names=names)


def test_files_of_one_name_want_names(tmp_path):
    with pytest.raises(ValueError, match="got 'x' for two inputs; give names"):
        collapse(["one/x.txt", "two/x.fq.gz"], tmp_path / "out")
    with pytest.raises(ValueError, match="once"):
        collapse(["-", "-"], tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="none: no such file"):
        collapse([tmp_path / "none"], tmp_path / "out")


@pytest.mark.parametrize("memory", ["100MB", "much", "4", "-4GB"])
def test_memory_that_makes_no_sense(tmp_path, memory):
    (tmp_path / "reads").write_text("AC\n")
    with pytest.raises(ValueError, match="memory: expected a size of 500MB or more"):
        collapse([tmp_path / "reads"], tmp_path / "out", resources=Resources(memory))


def test_a_temporary_folder_that_is_not_there(tmp_path):
    (tmp_path / "reads").write_text("AC\n")
    for output, folder, what in (
        (tmp_path / "out", tmp_path / "no", "temporary folder"),
        (tmp_path / "no" / "out", None, "out"),
    ):
        with pytest.raises(FileNotFoundError, match=f"{what}: expected an existing folder"):
            resources = Resources(temporary_folder=folder)
            collapse([tmp_path / "reads"], output, resources=resources)


def test_one_file_for_any_number_of_threads_and_more_rows_than_memory(tmp_path):
    # The rows take 150 MB in DuckDB. The smallest memory setting leaves as much for it.
    generator = random.Random(1)
    unique = ["".join(generator.choices("ACGT", k=200)) for _ in range(1000)]
    with (tmp_path / "reads").open("w") as file:
        for index in range(700_000):
            file.write(f"{unique[index % 999]}{index % 691:b}\n".translate({48: "A", 49: "C"}))
    outputs, spilled = [], []
    for threads in (1, 2):
        seen = tmp_path / f"temporary{threads}"
        seen.mkdir()
        resources = Resources("500MB", threads, seen)
        outputs.append(tmp_path / f"out{threads}")
        done = collapse([tmp_path / "reads"], outputs[-1], resources=resources)
        assert done.reads == (700_000,)
        spilled.append(list(seen.iterdir()))
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    assert spilled == [[], []]
    with (tmp_path / "reads").open() as file:
        expected = counted(line.rstrip("\n") for line in file)
    assert rows(outputs[0]) == [(each, str(count)) for each, count in expected]


def test_rows_beyond_the_memory_go_to_the_disk_and_are_removed(tmp_path):
    with open_database(Resources("500MB", 2), tmp_path / "out") as database:
        [(folder,)] = [tuple(tmp_path.iterdir())]
        rows = database.stream(
            "SELECT hash(i) AS value, repeat('x', 100) || i AS text FROM range(3000000) AS t(i) "
            "ORDER BY text"
        )
        next(rows)
        assert sum(path.stat().st_size for path in folder.rglob("*")) > 10**8
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=50, deadline=None)
@given(
    lines=st.lists(st.text("AC\r", max_size=5), max_size=20),
    ending=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
    size=st.integers(1, 9),
)
def test_blocks_are_whole_lines_with_their_number(tmp_path_factory, lines, ending, last, size):
    lines = [line.rstrip("\r") for line in lines]
    text = ending.join(lines) + (ending if last and lines else "")
    path = tmp_path_factory.mktemp("blocks") / "text"
    path.write_bytes(text.encode())
    expected = text.replace("\r\n", "\n").split("\n")
    expected = expected[:-1] if expected[-1] == "" else expected
    found = []
    with pytest.MonkeyPatch.context() as patch, open_input(path) as stream:
        patch.setattr("cisreg.prepare.reading._BLOCK_BYTES", size)
        for first, block in read_blocks(stream):
            assert first == len(found) + 1
            assert block.endswith(b"\n")
            found += line_array(block).to_pylist()
    assert found == expected
