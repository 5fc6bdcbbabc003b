"""Expression: the formula for each bin in plain Python, rows left out, and training on it."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisreg.data import read_dataset
from cisreg.prepare.expression import Bins, bin_expression, expression
from cisreg.sequences import decode

pytest.importorskip("duckdb")


def formula(counts, values, cells, pseudocounts, reads):
    """The oracle for one sequence."""
    weights = []
    for count, cell, pseudocount, read in zip(counts, cells, pseudocounts, reads, strict=True):
        weights.append((count + pseudocount) * (1 if cell is None else cell / read))
    total = math.fsum(weights)
    mean = math.fsum(v * w for v, w in zip(values, weights, strict=True)) / total
    square = math.fsum(w * (v - mean) ** 2 for v, w in zip(values, weights, strict=True)) / total
    return mean, math.sqrt(square)


@st.composite
def tables(draw):
    """Rows of (sequence, counts), and bins; every bin has reads."""
    count = draw(st.integers(2, 5))
    row = st.tuples(
        st.text("ACG", min_size=1, max_size=2), st.tuples(*[st.integers(0, 20)] * count)
    )
    rows = [*draw(st.lists(row, max_size=30)), ("T", (1,) * count)]
    number = st.floats(-5, 5).map(lambda value: round(value, 3))
    values = draw(st.one_of(st.none(), st.tuples(*[number] * count)))
    cells = draw(st.one_of(st.none(), st.tuples(*[st.floats(1, 1e6)] * count)))
    pseudocount = draw(st.one_of(st.just(0.0), st.tuples(*[st.floats(0, 3)] * count)))
    return rows, Bins(values, cells, pseudocount)


def expected_rows(rows, bins, minimum):
    count = len(rows[0][1])
    counts = {sequence: [0] * count for sequence, _ in rows}
    for sequence, own in rows:
        counts[sequence] = [a + b for a, b in zip(counts[sequence], own, strict=True)]
    reads = [sum(own[index] for own in counts.values()) for index in range(count)]
    values = range(count) if bins.values is None else bins.values
    cells = [None] * count if bins.cells is None else bins.cells
    pseudocounts = bins.pseudocount if bins.pseudocount else [0] * count
    kept = [sequence for sequence, own in counts.items() if sum(own) >= minimum]
    return [
        (
            sequence,
            *formula(counts[sequence], values, cells, pseudocounts, reads),
            sum(counts[sequence]),
        )
        for sequence in sorted(kept, key=lambda each: (-sum(counts[each]), each))
    ], counts


@settings(max_examples=60, deadline=None)
@given(tables(), st.integers(1, 5), st.booleans(), st.sampled_from(["bare", "named", "separate"]))
def test_against_the_formula(tmp_path_factory, table, minimum, deviation, form):
    rows, bins = table
    folder = tmp_path_factory.mktemp("expression")
    expected, counts = expected_rows(rows, bins, minimum)
    paths = write_tables(folder, rows, form)
    arguments = {"bins": bins, "minimum_reads": minimum, "standard_deviation": deviation}
    if not expected:
        with pytest.raises(ValueError, match="minimum_reads: expected some sequence with"):
            expression(paths, folder / "out", **arguments)
        return
    done = expression(paths, folder / "out", **arguments)
    header, *lines = [line.split("\t") for line in (folder / "out").read_text().splitlines()]
    assert header == ["sequence", "expression", "reads", "standard_deviation"][: 3 + deviation]
    assert [(line[0], int(line[2])) for line in lines] == [(row[0], row[3]) for row in expected]
    for line, (_, mean, spread, _) in zip(lines, expected, strict=True):
        assert float(line[1]) == pytest.approx(mean, rel=1e-12, abs=1e-12)
        if deviation:
            # The square root magnifies the rounding error of a variance of 0.
            assert float(line[3]) == pytest.approx(spread, rel=1e-9, abs=1e-7)
    few = [sum(own) for own in counts.values() if sum(own) < minimum]
    assert (done.sequences, done.dropped) == (len(expected), len(few))
    assert done.dropped_reads == sum(few)
    assert done.bin_reads == tuple(np.sum([own for _, own in rows], axis=0).tolist())


def write_tables(folder, rows, form):
    """Writes one table of all bins, without or with names and the total, or one table per bin."""
    if form == "separate":
        paths = [folder / f"bin{index}" for index in range(len(rows[0][1]))]
        for index, path in enumerate(paths):
            path.write_text("".join(f"{each}\t{counts[index]}\n" for each, counts in rows))
        return paths
    lines = []
    if form == "named":
        lines.append("\t".join(("sequence", *(f"b{index}" for index in range(len(rows[0][1]))))))
        lines[0] += "\ttotal"
    for sequence, counts in rows:
        totals = [sum(counts)] if form == "named" else []
        lines.append("\t".join((sequence, *map(str, [*counts, *totals]))))
    (folder / "table").write_text("\n".join(lines) + "\n")
    return [folder / "table"]


def test_separate_tables_may_have_different_sequences(tmp_path):
    bins = [{"AC": 1, "GG": 4}, {"GG": 4, "TT": 3}, {"TT": 1}]
    for index, counts in enumerate(bins):
        text = "".join(f"{sequence}\t{count}\n" for sequence, count in counts.items())
        (tmp_path / f"bin{index}").write_text(text)
    expression([tmp_path / f"bin{index}" for index in range(3)], tmp_path / "out")
    assert (tmp_path / "out").read_text().splitlines()[1:] == [
        "GG\t0.5\t8",
        "TT\t1.25\t4",
        "AC\t0\t1",
    ]


@pytest.mark.parametrize("form", ["one", "separate"])
def test_upper_and_lower_case_are_one_sequence_as_in_collapse(tmp_path, form):
    rows = {"one": {"table": "ACGT\t1\t0\nacgt\t0\t9\n"}}
    rows["separate"] = {"bin0": "ACGT\t1\n", "bin1": "acgt\t9\n"}
    for name, text in rows[form].items():
        (tmp_path / name).write_text(text)
    paths = [tmp_path / name for name in rows[form]]
    expression(paths, tmp_path / "out")
    assert (tmp_path / "out").read_text().splitlines()[1:] == ["ACGT\t0.9\t10"]
    expression(paths, tmp_path / "kept", keep_case=True)
    assert (tmp_path / "kept").read_text().splitlines()[1:] == ["acgt\t1\t9", "ACGT\t0\t1"]


def test_the_output_is_a_table_to_train_on(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "table").write_text("ACGT\t3\t1\nACGA\t1\t0\nTTTT\t0\t5\n")
    expression([tmp_path / "table"], tmp_path / "out.tsv.gz", minimum_reads=2)
    data = read_dataset(tmp_path / "out.tsv.gz")
    assert decode(data.sequence) == ["TTTT", "ACGT"]
    assert data.expression.tolist() == [1.0, 0.25]
    assert "1 sequences with 1 reads were dropped: fewer than 2 reads each" in caplog.text


def test_a_bin_without_reads_is_told(tmp_path, caplog):
    (tmp_path / "table").write_text("A\t3\t0\t1\n")
    expression([tmp_path / "table"], tmp_path / "out")
    assert "bin 2 of 3 (column 3) has no reads" in caplog.text
    with pytest.raises(ValueError, match=r"cells: expected reads of every bin.* bin 2 of 3"):
        expression([tmp_path / "table"], tmp_path / "other", bins=Bins(cells=(1, 1, 1)))
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        (Bins(values=(1, 2, 3)), "bin values: expected 2, one per bin, got 3"),
        (Bins(values=(1, math.nan)), "bin values: expected finite numbers"),
        (Bins(cells=(1,)), "cells: expected 2 numbers, one per bin, got 1"),
        (Bins(values=(1, 1e39)), r"bin values: expected finite numbers, 3.4e\+38 at most, got"),
        (Bins(cells=(1, 1e39)), r"cells: expected numbers above 0, 3.4e\+38 at most"),
        (Bins(cells=(1, 1e-39)), "cells: expected numbers above 0"),
        (Bins(pseudocount=1e39), "pseudocount: expected numbers of 0 or more"),
        (Bins(cells=(1, 0)), "cells: expected numbers above 0"),
        (Bins(cells=(1, math.inf)), "cells: expected numbers above 0"),
        (Bins(pseudocount=(1, 2, 3)), "pseudocount: expected one number or 2, one per bin, got 3"),
        (Bins(pseudocount=-1), "pseudocount: expected numbers of 0 or more"),
    ],
)
def test_bins_that_make_no_sense(tmp_path, bins, message):
    (tmp_path / "table").write_text("A\t3\t1\n")
    with pytest.raises(ValueError, match=message):
        expression([tmp_path / "table"], tmp_path / "out", bins=bins)
    with pytest.raises(ValueError, match=message):
        bin_expression([[3, 1]], bins)


def test_tables_that_disagree_about_bins(tmp_path):
    (tmp_path / "one").write_text("A\t3\n")
    (tmp_path / "two").write_text("A\t3\t4\n")
    for inputs, message in (
        ([tmp_path / "one"], "one: expected a column of counts for each bin, two or more, got 1"),
        ([tmp_path / "one", tmp_path / "two"], "two: expected one column of counts.* got 2"),
        ([], "inputs: expected one table or more"),
        (["-", "-"], "once"),
    ):
        with pytest.raises(ValueError, match=message):
            expression(inputs, tmp_path / "out")
    with pytest.raises(ValueError, match="minimum_reads: expected 1 or more, got 0"):
        expression([tmp_path / "two"], tmp_path / "out", minimum_reads=0)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("A\t1\t2\nC\t1\t-2\n", "table:2: expected a count, 0 or more, in column 3, got '-2'"),
        ("A\t1\t2\nC\t1\n", "table:2: expected 3 columns as in line 1, got 2"),
        ("A\t0\t0\n", "minimum_reads: expected some sequence with 1 reads or more, got 1"),
        ("", "table: expected lines with a sequence and counts, got an empty file"),
    ],
)
def test_tables_that_make_no_sense(tmp_path, table, message):
    (tmp_path / "table").write_text(table)
    with pytest.raises(ValueError, match=message):
        expression([tmp_path / "table"], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["table"]


def test_counts_that_make_no_sense():
    for counts, message in (
        ([1, 2], r"counts: expected shape \[N, B\], got \[2\]"),
        ([[1, -2]], "counts: expected finite numbers of 0 or more"),
        ([[1, math.nan]], "counts: expected finite numbers of 0 or more"),
    ):
        with pytest.raises(ValueError, match=message):
            bin_expression(counts)
    with pytest.raises(ValueError, match="bin_reads: expected 2 numbers"):
        bin_expression([[1, 2]], Bins(cells=(1, 1)), bin_reads=[1])
    assert np.isnan(bin_expression([[0, 0]])[0]).all()
