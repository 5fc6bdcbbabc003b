"""Every step finds the columns of tables of counts by their names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisreg.prepare.cluster import cluster_file
from cisreg.prepare.collapse import collapse
from cisreg.prepare.count_table import COLUMN_NAMES, read_count_table
from cisreg.prepare.expression import Bins, expression
from cisreg.prepare.ranked_table import read_ranked_table
from cisreg.prepare.translate import translate_counts


def write(folder, text):
    (folder / "table.tsv").write_text(text, newline="")
    return folder / "table.tsv"


def read(path):
    """Names, number of bins, sequences and counts."""
    table = read_count_table(path)
    rows = [row for batch in table.batches for row in zip(*batch.to_pydict().values(), strict=True)]
    return table.names, table.bins, rows


@pytest.mark.parametrize("total", ["total", "Total", "TOTAL ", "sum", "Sum", "totals", ""])
def test_a_total_is_no_bin(tmp_path, total):
    path = write(tmp_path, f"sequence\ta\tb\t{total}\nACGT\t5\t2\t7\nACGA\t0\t1\t1\n")
    assert read(path) == (("a", "b", total), 2, [("ACGT", 5, 2, 7), ("ACGA", 0, 1, 1)])


def test_totals_may_be_anywhere_and_several(tmp_path):
    path = write(tmp_path, "sum\tSequence\ttotal\tbin2\tbin1\n7\tACGT\t7\t5\t2\n")
    names, bins, rows = read(path)
    assert (names, bins, rows) == (("bin2", "bin1", "sum", "total"), 2, [("ACGT", 5, 2, 7, 7)])


@pytest.mark.parametrize("index", ["", "index", "Unnamed: 0", "id", "ID", "row", "name"])
def test_an_index_is_no_bin(tmp_path, index):
    path = write(tmp_path, f"{index}\tsequence\ta\tb\n0\tACGT\t5\t2\n1\tACGA\t0\t1\n")
    assert read(path) == (("a", "b"), 2, [("ACGT", 5, 2), ("ACGA", 0, 1)])
    assert f"left out: {index or 'column 1'}" in read_count_table(path).columns


def test_an_index_may_be_text(tmp_path):
    path = write(tmp_path, "id\tsequence\ta\tb\nYAL001C\tACGT\t5\t2\nä\tACGA\t0\t1\n")
    assert read(path)[2] == [("ACGT", 5, 2), ("ACGA", 0, 1)]


def test_the_only_column_of_sequences_needs_no_usual_name(tmp_path):
    assert read(write(tmp_path, "oligo\tx\ty\nACGT\t1\t2\n")) == (("x", "y"), 2, [("ACGT", 1, 2)])
    # Names of bins may be plain numbers.
    assert read(write(tmp_path, "seq\t1\t10\t2\nACGT\t1\t0\t2\n"))[0] == ("1", "10", "2")
    # A single column of counts is a bin under any name.
    assert read(write(tmp_path, "sequence\ttotal\nACGT\t1\n"))[:2] == (("total",), 1)


def test_commas_separate_columns_where_there_are_no_tabs(tmp_path):
    text = 'sequence,"a, b",total\nACGT,"1",2\n'
    assert read(write(tmp_path, text)) == (("a, b", "total"), 1, [("ACGT", 1, 2)])
    assert read(write(tmp_path, "ACGT,1,2\nACGA,0,1\n")) == (
        *(None, 2),
        [("ACGT", 1, 2), ("ACGA", 0, 1)],
    )
    for row, message in (
        ("ACGA,0x10,1", "got '0x10'"),
        ("ACGA,1", "3 columns as in line 1, got 2"),
    ):
        with pytest.raises(ValueError, match=f":3: expected .*{message}"):
            read(write(tmp_path, f"sequence,a,b\nACGT,1,2\n{row}\n"))


def test_tables_of_mave_nn(tmp_path):
    path = write(tmp_path, "set,ct_1,ct_10,ct_2,x\ntraining,1,0,2,ACGT\ntest,3,4,0,ACGA\n")
    rows = [("ACGT", 1, 0, 2), ("ACGA", 3, 4, 0)]
    assert read(path) == (("ct_1", "ct_10", "ct_2"), 3, rows)
    assert "left out: set" in read_count_table(path).columns
    pytest.importorskip("duckdb")
    done = expression([path], tmp_path / "expression")
    assert done.bin_values == (("ct_1", 0), ("ct_2", 1), ("ct_10", 2))
    # Elsewhere a bin may be called set.
    assert read(write(tmp_path, "seq,set\nACGT,3\n"))[0] == ("set",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "gene\tcount\nYAL001C\t7\n",
            r":1: expected one column of sequences.*'gene' \(as 'YAL001C'",
        ),
        ("tag\toligo\tn\nAC\tACGT\t7\n", r":1: expected .* if these are names"),
        (
            "left\tright\tn\nAC\tACGT\t7\n",
            r":1: expected one column of sequences.*'left' \(as 'AC'\)",
        ),
        ("sequence\tseq\tn\nAC\tACGT\t7\n", ":1: expected one column of sequences"),
        ("sequence\ttotal\tsum\nACGT\t7\t7\n", ":1: expected columns of counts besides sequence"),
        (
            "sequence\tgene\ta\nACGT\tYAL\t7\n",
            r":2: expected a count.*column 2 \('gene'\), got 'YAL'",
        ),
        ("AXC\t1\nACGT\t1\n", ":1: expected a sequence of nucleotide letters, got 'X' at base 2"),
        ("sequence\ta\tb\nr1\tACGT\t1\t2\n", r":2: expected 3 columns.*row names of R"),
        ("sequence a b\nACGT 1 2\n", "separated by tabs or commas, got 'sequence a b'"),
        ('sequence\t"a\nACGT\t1\n', ":1: expected quotes around whole fields"),
        ("A\t1\t2\t3\nC\t2\t2\t4\n", r": expected counts of a bin in column 4, got the sum"),
        ("seq\tx\ty\treads\nA\t1\t2\t3\nC\t0\t2\t2\n", r"column 4 \('reads'\), got the sum"),
    ],
)
def test_what_is_not_clear_is_an_error_that_shows_the_columns(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=message):
        read(path)
    with pytest.raises(
        ValueError, match=message.replace("nucleotide letters", "the letters ACGTN")
    ):
        read_ranked_table(path)


def test_a_last_bin_that_is_no_sum_in_every_row_is_a_bin(tmp_path):
    assert read(write(tmp_path, "A\t1\t2\t3\nC\t2\t2\t5\n"))[1] == 3
    assert read(write(tmp_path, "A\t1\t2\t3\n"))[1] == 3
    assert read(write(tmp_path, "A\t1\t1\nC\t2\t2\n"))[1] == 2


def test_every_step_takes_the_same_columns(tmp_path):
    pytest.importorskip("duckdb")
    path = write(
        tmp_path, "id\ttotal\tseq\tbin2\tbin1\nx\t9\tACGTACGT\t3\t6\ny\t1\tACGTACGA\t1\t0\n"
    )
    (tmp_path / "map").write_text("ACGTACGA\tACGTACGT\n")
    expected = "seq\tbin2\tbin1\ttotal\nACGTACGT\t4\t6\t10\n"
    summary = cluster_file(path, tmp_path / "clustered", progress=False)
    assert (tmp_path / "clustered").read_text() == expected
    assert summary.columns == (
        "sequences in seq; counts in bin2, bin1; total, no bin: total; left out: id"
    )
    done = translate_counts(path, tmp_path / "map", tmp_path / "translated")
    assert (tmp_path / "translated").read_text() == expected
    assert done.columns == summary.columns
    done = expression([path], tmp_path / "expression", bins=Bins(values=(1, 2)))
    assert done.columns == summary.columns
    assert (tmp_path / "expression").read_text().splitlines()[1:] == [
        f"ACGTACGT\t{(6 + 3 * 2) / 9!r}\t9",
        "ACGTACGA\t2\t1",
    ]


def test_quotes_of_other_programs_are_no_part_of_a_field(tmp_path):
    path = write(tmp_path, '"sequence"\t"bin 1"\t"a\tb"\n"ACGT"\t"1"\t2\n')
    assert read(path) == (("bin 1", "a\tb"), 2, [("ACGT", 1, 2)])
    assert len(read_ranked_table(path)) == 1


RESERVED = {name for names in COLUMN_NAMES.values() for name in names}
NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t,\"'"), max_size=9
).filter(lambda name: name.strip().lower() not in RESERVED and "\x85" not in name)


@settings(max_examples=12, deadline=None)
@given(st.lists(NAMES, min_size=2, max_size=3, unique=True))
def test_any_name_of_a_bin_comes_back_from_every_step(tmp_path_factory, names):
    pytest.importorskip("duckdb")
    folder = tmp_path_factory.mktemp("names")
    for index in range(len(names)):
        (folder / str(index)).write_text("ACGTACGT\n" * (index + 1) + "ACGTACGA\n")
    inputs = [folder / str(index) for index in range(len(names))]
    collapse(inputs, folder / "counts.tsv", names=names)
    (folder / "map").write_text("ACGTACGA\tACGTACGT\n")
    translate_counts(folder / "counts.tsv", folder / "map", folder / "translated.tsv")
    cluster_file(folder / "counts.tsv", folder / "clustered.tsv", progress=False)
    for step in ("counts", "translated", "clustered"):
        assert read(folder / f"{step}.tsv")[0] == (*names, "total")
    done = expression([folder / "counts.tsv"], folder / "out.tsv", bins=Bins(names=names[::-1]))
    assert [name for name, _ in done.bin_values] == names[::-1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04\x14\x00[Content_Types].xml xl/workbook.xml\n", "an Excel workbook; save the"),
        (b"PK\x03\x04\x14\x00table.tsv\n", "a zip archive; unpack it"),
        (b"\xfd7zXZ\0\x00\x04\n", "a file compressed with xz; unpack it"),
        (b"@r1\nACGT\n+\nIIII\n", r"reads \(FASTQ\)"),
        ("sequence\tbin1\nACGT\t5\n".encode("utf-16"), "text as UTF-16; save it as UTF-8"),
    ],
)
def test_known_formats_that_are_no_tables_are_named(tmp_path, content, message):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(
        ValueError, match=f"expected a table of sequences and counts, got {message}"
    ):
        read_count_table(tmp_path / "x")


def test_comments_before_the_names_of_the_columns_are_skipped(tmp_path):
    table = "sequence\tbin1\tbin2\nACGT\t2\t3\n"
    commented = read(write(tmp_path, "# made by hand\n#\n" + table))
    assert commented == read(write(tmp_path, table))
    path = write(tmp_path, "# made by hand\nname\tother\nx\ty\n")
    with pytest.raises(ValueError, match=r"table.tsv:2: expected columns of counts"):
        read_count_table(path)
    with pytest.raises(ValueError, match=r"table.tsv:4: "):
        read(write(tmp_path, "# made by hand\n" + table + "ACGT\tx\t3\n"))


HUGE = 2**63 - 1


@pytest.mark.parametrize(
    "text",
    [
        f"A\t{HUGE}\t1\n",
        f"A\t1\t2\nC\t{HUGE}\t0\n",
        f"A\t{2**62}\t{2**62}\n",
        f"sequence\tb1\tb2\ttotal\nA\t1\t1\t{HUGE}\n",
    ],
)
def test_counts_whose_sum_is_too_large_are_an_error_of_every_step(text, tmp_path):
    table, output, dictionary = (tmp_path / name for name in ("table", "out", "map"))
    table.write_text(text)
    dictionary.write_text("C\tA\n")
    for work in (
        lambda: expression([table], output),
        lambda: cluster_file(table, output),
        lambda: translate_counts(table, dictionary, output),
    ):
        with pytest.raises(ValueError, match=r"table: expected sums below 2\^63, got a total of"):
            work()
    assert not output.exists()


def test_the_largest_counts_and_several_tables(tmp_path):
    tables = [tmp_path / f"bin{number}" for number in (1, 2)]
    for table in tables:
        table.write_text(f"A\t{HUGE}\n")
    assert read_ranked_table(tables[0]).totals().tolist() == [HUGE]
    with pytest.raises(ValueError, match=r"counts: expected sums below 2\^63, got a total of 18"):
        expression(tables, tmp_path / "out")
