"""Initial log concentrations from files and from the strongest sites."""

from __future__ import annotations

import numpy as np
import pytest

from cisreg.motifs import (
    MotifSet,
    read_log_concentration,
    read_motif_values,
    strongest_site_log_concentration,
)


def test_the_strongest_site_is_half_bound():
    motifs = MotifSet.from_matrices(
        ["a", "b"], [[[-1, 2, 3, 4], [5, -2, 0, 1]], [[0.5, 1, 2, 3]]], width=4
    )
    np.testing.assert_array_equal(strongest_site_log_concentration(motifs), np.float32([-3, 0.5]))


def test_a_file_is_matched_by_name(tmp_path):
    path = tmp_path / "log_concentration.tsv"
    path.write_text("# name\tnats\nmotifs/b.pkdm\t-2.5\na\t-1\n")
    read = read_log_concentration(path, ["a", "b"])
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, [-1, -2.5])


def test_a_factor_may_be_knocked_out(tmp_path):
    path = tmp_path / "log_concentration.tsv"
    path.write_text("a\t-inf\nb\t-1\n")
    np.testing.assert_array_equal(read_log_concentration(path, ["a", "b"]), [-np.inf, -1])
    with pytest.raises(ValueError, match="expected a finite number in column 2, got '-inf'"):
        read_motif_values(path, ["a", "b"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\t-1\nb\n", r"file.tsv:2: expected a motif name, a tab and .*got 1 field"),
        ("a\t-1\t3\n", r"file.tsv:1: .*got 3 field"),
        ("a\t-1\nb\tlow\n", "file.tsv:2: expected a finite number in column 2, got 'low'"),
        ("a\t-1\nfolder/a.pkdm\t-1\n", "file.tsv:2: expected each motif once, got 'a' again"),
        ("a\t-1\n", "got 'b' missing and none unknown"),
        ("a\t-1\nb\t-1\nc\t-1\n", "got none missing and 'c' unknown"),
        ("".join(f"{i}\t0\n" for i in range(7)), "'0', '1', '2', '3', '4', and 2 more unknown"),
    ],
)
def test_errors_say_which_line_or_name(tmp_path, text, message):
    path = tmp_path / "file.tsv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_log_concentration(path, ["a", "b"])
