"""What a check finds of several outputs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cisreg
from cisreg.checks import check_dataset
from cisreg.data import Columns, Dataset
from cisreg.metrics import pearson_correlation


def random_texts(count, length=60):
    letters = np.array(list("ACGT"))
    codes = np.random.default_rng(0).integers(0, 4, (count, length))
    return ["".join(row) for row in letters[codes]]


def outputs_of(count=900, seed=5):
    """Two outputs of which one is 3 plus half of the other, and a third that no row shares."""
    random = np.random.default_rng(seed)
    first = random.normal(9.0, 2.0, count)
    measured = np.stack([first, 3 + first / 2 + random.normal(0, 0.5, count), first], axis=1)
    measured[:300, 0] = measured[200:300, 1] = np.nan
    measured[300:, 2] = np.nan
    return random_texts(count), measured


NAMES = ("glucose", "galactose", "raffinose")


def test_outputs_are_checked_one_by_one():
    sequence, measured = outputs_of()
    measured[:, 1] = np.where(measured[:, 1] > 10, 10, measured[:, 1])
    data = Dataset(sequence, measured)
    every = check_dataset(data, outputs=NAMES)
    assert every.count == 900 and every.outputs == NAMES
    by_check = {each.check: each for each in every.findings if each.check != "saturation"}
    agreement = by_check["outputs"]
    both = np.isfinite(measured[:, :2]).all(axis=1)
    r = pearson_correlation(*measured[both, :2].T)
    assert agreement.state == "note"
    assert agreement.sentence.startswith(
        "glucose lacks 300 of 900 rows (33.3 %); galactose lacks 100 of 900 rows (11.1 %); "
        "raffinose lacks 600 of 900 rows (66.7 %). Where two were measured, they agree with r = "
    )
    assert "Hardly any row has both glucose and raffinose: whether" in agreement.sentence
    assert agreement.number == pytest.approx(1000 / 2700)
    np.testing.assert_allclose(every.survey.agreement.correlation[0, 1], r, rtol=1e-6)
    # What is found of an output is what is found of its measurements alone.
    for name, column in zip(NAMES, measured.T, strict=True):
        there = np.isfinite(column)
        alone = check_dataset(
            Dataset([sequence[at] for at in np.flatnonzero(there)], column[there])
        )
        for check in ("base composition", "expression", "saturation", "outliers"):
            expected = [each for each in alone.findings if each.check == check]
            own = [
                each
                for each in every.findings
                if each.check == check and each.sentence.startswith(f"{name}: ")
            ]
            assert [each.sentence for each in own] == [f"{name}: {e.sentence}" for e in expected]
            assert [(e.state, e.number) for e in own] == [(e.state, e.number) for e in expected]
    saturated = [each for each in every.findings if each.check == "saturation"]
    assert [each.state != "ok" for each in saturated].count(True) == 1
    assert "replicates" not in by_check


def test_repeated_rows_of_an_output_tell_its_highest_r():
    sequence, measured = (each[300:] for each in outputs_of())
    twice = np.concatenate([measured, measured + 0.1])[:, :2]
    twice[-500:, 0] = np.nan
    found = check_dataset(Dataset(sequence * 2, twice), outputs=NAMES[:2], families=False)
    said = {
        each.sentence.split(":")[0]: each for each in found.findings if each.check == "replicates"
    }
    # Rows of one sequence differ by 0.1 in both; 100 sequences have glucose twice.
    assert set(said) == {"glucose", "galactose"}
    assert "Rows of one sequence differ by 0.0707 (standard deviation)" in said["glucose"].sentence


def test_an_output_that_does_not_vary_is_an_error():
    sequence, measured = outputs_of()
    measured[:, 1] = 4.0
    found = check_dataset(Dataset(sequence, measured), outputs=NAMES)
    assert [each.sentence for each in found.errors] == [
        "galactose: All measurements are 4: there is nothing to learn."
    ]


def test_an_output_without_measurements_is_an_error():
    sequence, measured = (each[300:] for each in outputs_of())
    table = pa.table({"seq": sequence, **dict(zip(NAMES, measured.T.tolist(), strict=True))})
    found = check_dataset(table, outputs=NAMES)
    assert [each.sentence for each in found.errors] == [
        "raffinose: No row has a measurement: there is nothing to learn."
    ]
    assert {each.sentence.split(":")[0] for each in found.findings} >= {"glucose", "galactose"}


def test_outputs_agree_in_the_rows_that_are_said():
    sequence, measured = outputs_of()
    # The first two share no row, and neither the first and the third: r is that of the others.
    measured[300:, 0], measured[:300, 1], measured[:, 2] = np.nan, np.nan, measured[:, 1] + 1
    measured[:300, 0], measured[:300, 2] = np.arange(300), np.nan
    (finding,) = (
        each
        for each in check_dataset(Dataset(sequence, measured), outputs=NAMES).findings
        if each.check == "outputs"
    )
    assert "they agree with r = 1.00 (600 rows)" in finding.sentence


def test_outputs_of_files_and_frames_are_the_same(tmp_path):
    sequence, measured = outputs_of()
    columns = {"seq": sequence, **dict(zip(NAMES, measured.T.tolist(), strict=True))}
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns), path)
    opened = cisreg.open_dataset(path, columns=Columns(expression=NAMES), partly_measured=True)
    cisreg.data.convert(opened, tmp_path / "files", order="kept")
    results = [
        check_dataset(source, outputs=NAMES, families=False).findings
        for source in (path, tmp_path / "files", opened, pa.table(columns))
    ]
    passed = ("columns", "rows left out")
    shown = [[each for each in result if each.check not in passed] for result in results]
    assert shown[0] == shown[1] == shown[2] == shown[3] and len(shown[0]) > 10


def test_outputs_that_do_not_fit_are_refused():
    sequence, measured = outputs_of()
    data = Dataset(sequence, measured)
    with pytest.raises(ValueError, match="a name for each of the 3 measurements of a row, got 2"):
        check_dataset(data, outputs=NAMES[:2])
    with pytest.raises(ValueError, match="expected columns of two or more outputs"):
        check_dataset(data, outputs=NAMES[:1])
    with pytest.raises(ValueError, match="expected no columns of expression beside them"):
        check_dataset(data, outputs=NAMES, columns=Columns(expression=NAMES))
