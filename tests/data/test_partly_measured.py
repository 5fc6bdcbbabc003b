"""Rows that lack some of several measurements, and rows that have something else there."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cisreg
from cisreg.data import Columns

OUTPUTS = ("glucose", "galactose")
MISSING = ["", " ", "NA", "na", "N/A", "#N/A", "NaN", "nan", "NULL", "None", "-", "."]
WRONG = ["abc", "inf", "-inf", "1e99", "?", "0x10"]


def opened(path, **options):
    return cisreg.open_dataset(
        path, columns=Columns(expression=OUTPUTS), partly_measured=True, **options
    )


def write(path, fields):
    rows = "".join(f"ACGT\t{field}\t2.5\n" for field in fields)
    path.write_text("sequence\tglucose\tgalactose\n" + rows)
    return path


@pytest.mark.parametrize("field", MISSING)
def test_a_missing_measurement_leaves_the_other_in_use(field, tmp_path):
    data = opened(write(tmp_path / "table.tsv", ["1", field]), strict=True).load()
    np.testing.assert_array_equal(data.expression, [[1, 2.5], [np.nan, 2.5]])


@pytest.mark.parametrize("field", WRONG)
def test_what_is_no_measurement_is_not_taken_for_a_missing_one(field, tmp_path, caplog):
    path = write(tmp_path / "table.tsv", ["1", field, "NA"])
    with caplog.at_level(logging.WARNING):
        data = opened(path).load()
    np.testing.assert_array_equal(data.expression, [[1, 2.5], [np.nan, 2.5]])
    reason = "1 with a measurement that is neither a finite number nor missing"
    assert f"1 rows were left out: {reason} (first: {path}:3)" in caplog.text
    message = f"{path}:3: expected finite numbers, or an empty field or NA for a missing one"
    with pytest.raises(ValueError) as error:
        opened(path, strict=True).load()
    assert str(error.value).startswith(message) and f"got {field!r}" in str(error.value)


def test_infinity_in_columns_of_numbers_is_not_taken_for_a_missing_one(tmp_path):
    columns = {"glucose": [1.0, None, np.nan, np.inf], "galactose": [2.5] * 4}
    table = pa.table({"sequence": ["ACGT"] * 4, **columns})
    pq.write_table(table, tmp_path / "table.parquet")
    expected = [[1, 2.5], [np.nan, 2.5], [np.nan, 2.5]]
    np.testing.assert_array_equal(opened(tmp_path / "table.parquet").load().expression, expected)
    frame = pd.DataFrame({"sequence": ["ACGT"] * 4, **columns})
    roles = ("sequence", OUTPUTS)
    whole = cisreg.Dataset.from_frame(frame[:3], *roles, partly_measured=True)
    np.testing.assert_array_equal(whole.expression, expected)
    with pytest.raises(ValueError, match=r"row 3: expected finite numbers, .*got inf"):
        cisreg.Dataset.from_frame(frame, *roles, partly_measured=True)


def test_rows_without_any_measurement_are_counted_as_before(tmp_path, caplog):
    path = tmp_path / "table.tsv"
    path.write_text("sequence\tglucose\tgalactose\nACGT\t1\t2\nACGT\tNA\t\nACGT\tabc\t\n")
    with caplog.at_level(logging.WARNING):
        assert len(opened(path).load()) == 1
    assert "2 with no finite number as expression" in caplog.text
