"""Bins get values by the numbers in their names, or in an order that the user confirms."""

from __future__ import annotations

import itertools
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.prepare.bins import order_bins
from cisreg.prepare.expression import Bins, expression


def ordered(names, given_names=None):
    return [names[index] for index in order_bins(names, given_names).index]


@pytest.mark.parametrize(
    "names",
    [
        ["bin1", "bin2", "bin10"],
        ["bin01", "bin2", "bin010"],
        ["bin_1", "bin_2", "bin_10"],
        ["Bin 1", "Bin 2", "Bin 10"],
        ["BIN-1", "bin.2", "Bin 10"],
        ["0", "3", "20"],
        ["b0", "b1"],
        ["rep1_bin2", "rep1_bin10"],
        ["S3_bin1_L001", "S1_bin2_L001", "S2_bin10_L001"],
        ["run2/bin1", "run1/bin2"],
        ["gate1_2024", "gate3_2024", "gate11_2024"],
        ["1of3", "2of3", "3of3"],
    ],
)
def test_names_with_one_number_that_differs_are_ordered_by_it(names):
    for arrangement in itertools.permutations(names):
        assert ordered(list(arrangement)) == names


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=12, unique=True))
def test_numbers_are_compared_as_numbers(numbers):
    names = [f"sort_bin{number}.b" for number in numbers]
    assert ordered(names) == [f"sort_bin{number}.b" for number in sorted(numbers)]


@pytest.mark.parametrize(
    "names",
    [
        ["low", "high", "mid"],
        ["bin1", "bin2", "unsorted"],
        ["bin1", "bin01"],
        ["S1_2", "S2_1"],
        ["low1", "high2"],
        ["bin1_bin2", "bin2_bin1"],
        ["A", "B"],
    ],
)
def test_other_names_are_shown_and_have_to_be_confirmed(names):
    with pytest.raises(ValueError, match="confirm this order") as caught:
        order_bins(names)
    assert all(repr(name) in str(caught.value) for name in names)
    assert f"--bins '{','.join(names)}'" in str(caught.value)
    assert ordered(names, names) == names
    assert ordered(names, names[::-1]) == names[::-1]


def test_the_order_given_counts_and_may_leave_bins_out():
    names = ["bin1", "bin2", "bin10", "unsorted"]
    assert ordered(names, ["bin10", "bin1"]) == ["bin10", "bin1"]
    for given_names, message in (
        (["bin1", "bin3"], "got 'bin3': no such bin"),
        (["bin1", "bin1"], "expected each name once, got 'bin1' again"),
        (["bin1"], "expected two names or more"),
    ):
        with pytest.raises(ValueError, match=message):
            order_bins(names, given_names)
    with pytest.raises(ValueError, match="several bins of that name"):
        order_bins(["a", "a", "b"], ["a", "b"])


def write_bins(folder, counts):
    """Writes a table with a single sequence per bin, and its counts."""
    paths = []
    for name, count in counts.items():
        path = folder / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"ACGT\t{count}\n")
        paths.append(path)
    return paths


def result(path):
    return [line.split("\t")[:2] for line in path.read_text().splitlines()[1:]]


def test_files_in_the_order_of_the_shell_get_the_values_of_their_numbers(tmp_path, caplog):
    pytest.importorskip("duckdb")
    caplog.set_level(logging.INFO, "cisreg")
    paths = write_bins(tmp_path, {"bin10": 1, "bin1": 0, "bin2": 3})
    bins = Bins(values=(1, 2, 10), cells=None, pseudocount=(0, 0, 0))
    done = expression(sorted(paths), tmp_path / "out.tsv", bins=bins)
    assert result(tmp_path / "out.tsv") == [["ACGT", str((3 * 2 + 10) // 4)]]
    assert done.bin_values == (("bin1", 1.0), ("bin2", 2.0), ("bin10", 10.0))
    assert done.bin_reads == (0, 3, 1)
    assert "bins: bin1 -> 1, bin2 -> 2, bin10 -> 10" in caplog.text


def test_columns_in_another_order_get_the_values_of_their_numbers(tmp_path, caplog):
    pytest.importorskip("duckdb")
    (tmp_path / "table").write_text("sequence\tbin1\tbin10\tbin2\nACGT\t0\t1\t3\n")
    done = expression([tmp_path / "table"], tmp_path / "out.tsv", bins=Bins(values=(1, 2, 10)))
    assert result(tmp_path / "out.tsv") == [["ACGT", "4"]]
    assert done.bin_values == (("bin1", 1.0), ("bin2", 2.0), ("bin10", 10.0))
    # Cells and pseudocounts are given in the same order.
    numbers = Bins(values=(1, 2, 10), cells=(7, 6, 1), pseudocount=(1, 0, 0))
    with pytest.raises(ValueError, match=r"cells: expected reads of every bin .* bin 1 of 3"):
        expression([tmp_path / "table"], tmp_path / "other.tsv", bins=numbers)
    (tmp_path / "table").write_text("sequence\tbin1\tbin10\tbin2\nACGT\t2\t1\t3\n")
    expression([tmp_path / "table"], tmp_path / "other.tsv", bins=numbers)
    weights = [(2 + 1) * 7 / 2, 3 * 6 / 3, 1 * 1 / 1]
    mean = (1 * weights[0] + 2 * weights[1] + 10 * weights[2]) / sum(weights)
    assert float(result(tmp_path / "other.tsv")[0][1]) == pytest.approx(mean)


def test_a_gap_between_numbers_is_said_where_the_values_are_not(tmp_path, caplog):
    pytest.importorskip("duckdb")
    paths = write_bins(tmp_path, {"bin1": 1, "bin2": 0, "bin4": 1})
    done = expression(paths, tmp_path / "out.tsv")
    assert [value for _, value in done.bin_values] == [0, 1, 2]
    assert "there is no 3, for one" in caplog.text
    caplog.clear()
    expression(paths, tmp_path / "other.tsv", bins=Bins(values=(0, 1, 3)))
    assert "no bin" not in caplog.text


def test_files_of_one_name_in_several_folders(tmp_path):
    pytest.importorskip("duckdb")
    paths = write_bins(tmp_path, {"bin2/counts": 3, "bin1/counts": 1})
    done = expression(paths, tmp_path / "out.tsv", bins=Bins(values=(10, 20)))
    assert result(tmp_path / "out.tsv") == [["ACGT", "17.5"]]
    assert [str(tmp_path / name) for name in ("bin1/counts.txt", "bin2/counts.txt")] == [
        name for name, _ in done.bin_values
    ]


def test_the_command_prints_the_value_of_each_bin_and_asks_for_an_order(tmp_path):
    pytest.importorskip("duckdb")
    (tmp_path / "table").write_text("id\tsequence\tlow, dark\thigh\tsum\n7\tACGT\t1\t3\t4\n")
    words = ["prepare", "expression", str(tmp_path / "table"), "--output", str(tmp_path / "out")]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 1
    said = " ".join(refused.output.split())
    assert "'low, dark', 'high'" in said
    assert """--bins '"low, dark",high'""" in said
    done = CliRunner().invoke(app, [*words, "--bins", 'high,"low, dark"', "--bin-values", "5,1"])
    assert done.exit_code == 0, done.output
    assert "bin → value: high → 5, low, dark → 1" in done.output
    assert "counts in low, dark, high" in done.output
    assert "total, no bin: sum; left out: id" in done.output
    assert result(tmp_path / "out") == [["ACGT", "4"]]
