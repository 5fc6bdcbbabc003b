"""Activity from counts of barcodes: an independent computation in pandas, and known truths."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks.shared.reporter_assay import design, simulate
from cisreg.cli import app
from cisreg.data import read_dataset
from cisreg.prepare.activity import Barcodes, activity

pytest.importorskip("duckdb")

ONE = "barcode\tname\tdna_count\trna_count\n"
ROWS = "AA\tx\t10\t40\nAC\tx\t12\t36\nAG\ty\t20\t10\nAT\ty\t18\t11\n"


def written(folder, table, name="counts.tsv", **options):
    """Runs `activity` on a table; returns what it wrote and what it counted."""
    if isinstance(table, str):
        (folder / name).write_text(table)
    else:
        table.to_csv(folder / name, sep="\t", index=False)
    done = activity([folder / name], folder / "out.tsv", overwrite=True, **options)
    return pd.read_csv(folder / "out.tsv", sep="\t"), done


def log_ratio(rna, dna, all_rna, all_dna, p=0.5):
    return np.log2((rna + p) / (all_rna + 2 * p)) - np.log2((dna + p) / (all_dna + 2 * p))


def in_pandas(table, replicates, minimum, p=0.5):
    """Expression, observed variances and that by counting, a group at a time."""
    kept, each = [], {}
    for number in replicates:
        rows = table.rename(columns={f"dna_count_{number}": "dna", f"rna_count_{number}": "rna"})
        rows = rows[rows.dna >= 1]
        totals = rows.rna.sum(), rows.dna.sum()
        for name, group in rows.groupby("name"):
            if len(group) < minimum:
                continue
            rna, dna = group.rna.sum(), group.dna.sum()
            each.setdefault(name, []).append((log_ratio(rna, dna, *totals), rna, dna))
            kept.append(
                pd.DataFrame(
                    {
                        "name": name,
                        "unit": group.Barcode,
                        "pull": group.rna / (rna + p) - group.dna / (dna + p),
                        "share": group.dna / (dna + p),
                    }
                )
            )
    found = {}
    pulls = pd.concat(kept).groupby(["name", "unit"])[["pull", "share"]].sum().reset_index()
    for name, rows in each.items():
        values = np.array([row[0] for row in rows])
        count, scale = len(values), (len(values) * np.log(2)) ** 2
        own = pulls[pulls.name == name]
        found[name] = {
            "expression": values.mean(),
            "counting": sum(1 / (rna + p) + 1 / (dna + p) for _, rna, dna in rows) / scale,
            "of_barcodes": (own.pull**2 / (1 - own.share / count)).sum() / scale,
            "of_replicates": values.var(ddof=1) / count if count > 1 else np.nan,
            "barcodes": len(own),
            "replicates": count,
        }
    return pd.DataFrame(found).T


@pytest.mark.parametrize("spread", [0.4, 0.2, 0.0])
def test_against_pandas(tmp_path, spread):
    """With the priors that were found; those are compared in `test_moderation.py`."""
    table, _ = simulate(names=60, depth=4, barcodes=(1, 9), spread=spread)
    found, done = written(tmp_path, table, barcodes=Barcodes(minimum=2))
    expected = in_pandas(table, (1, 2, 3), 2).loc[found.name].reset_index()
    assert len(found) == len(expected) > 40
    assert done.too_few == 60 - len(found)
    for column in ("expression", "barcodes", "replicates"):
        np.testing.assert_allclose(found[column], expected[column], rtol=1e-9, atol=1e-12)
    ratio = 1.0
    for source in ("barcodes", "replicates"):
        seen, prior = expected[f"of_{source}"] / expected.counting, done.priors[source]
        freedom = expected[source] - 1
        share = prior.share(freedom) if np.isfinite(prior.freedom) else 1.0
        ratio += np.maximum(share * prior.variance + (1 - share) * seen.fillna(0), 1) - 1
    np.testing.assert_allclose(
        found.standard_error, np.sqrt((expected.counting * ratio).astype(float)), rtol=1e-6
    )
    assert done.standard_error == "both"
    means = found[["activity_1", "activity_2", "activity_3"]].mean(axis=1)
    np.testing.assert_allclose(means, found.expression, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("assay", "method"),
    [
        ({}, "auto"),
        ({"barcodes": (2, 4)}, "auto"),
        ({"spread": 0.0, "depth": 5.0, "barcodes": (5, 20)}, "auto"),
        ({"spread": 0.0, "barcodes": (5, 20)}, "counts"),
        ({"between": 0.3}, "auto"),
        ({"between": 0.3, "spread": 0.0, "barcodes": (20, 40)}, "replicates"),
        ({"replicates": 1, "spread": 0.8, "barcodes": (5, 60)}, "barcodes"),
    ],
)
def test_known_activities_are_recovered_with_honest_errors(tmp_path, assay, method):
    table, truth = simulate(3, **assay)
    found, _ = written(tmp_path, table, standard_error=method)
    own = truth[[int(name.removeprefix("oligo_")) for name in found.name]]
    error = found.expression - own
    # A constant has no meaning: the truth is not divided by the library.
    z = (error - error.median()) / found.standard_error
    assert 0.85 < z.std() < 1.25
    assert np.corrcoef(found.expression, own)[0, 1] > 0.9


def test_errors_that_leave_something_out_are_too_small(tmp_path):
    """So the test above can fail."""
    table, truth = simulate(3, between=0.3)
    for method in ("barcodes", "replicates", "counts"):
        found, _ = written(tmp_path, table, standard_error=method)
        error = found.expression - truth[[int(name[6:]) for name in found.name]]
        assert ((error - error.median()) / found.standard_error).std() > 1.4


@pytest.mark.parametrize("form", ["csv", "parquet", "a table each", "a column of replicates"])
def test_other_forms_of_the_same_counts_give_the_same(tmp_path, form):
    table, _ = simulate(names=20, replicates=2)
    expected, _ = written(tmp_path, table)
    inputs = [tmp_path / "other"]
    if form == "csv":
        table.rename(columns={"name": "oligo_name", "Barcode": "barcode"}).to_csv(
            inputs[0], index=False
        )
    elif form == "parquet":
        table.to_parquet(inputs[0])
    else:
        parts = []
        for number in "12":
            part = table[["Barcode", "name", f"dna_count_{number}", f"rna_count_{number}"]]
            parts.append(part.set_axis(["Barcode", "name", "dna_counts", "rna_counts"], axis=1))
            parts[-1].to_csv(tmp_path / f"{number}.tsv.gz", sep="\t", index=False)
        inputs = [tmp_path / "1.tsv.gz", tmp_path / "2.tsv.gz"]
        if form == "a column of replicates":
            inputs = [tmp_path / "long.tsv"]
            pd.concat([part.assign(replicate=1 + i) for i, part in enumerate(parts)]).to_csv(
                inputs[0], sep="\t", index=False
            )
    activity(inputs, tmp_path / "found.tsv")
    assert (tmp_path / "found.tsv").read_text() == (tmp_path / "out.tsv").read_text()
    assert len(expected) == 20


def test_a_barcode_that_a_replicate_does_not_have_is_not_counted_there(tmp_path):
    """As pandas and polars join replicates: empty fields, and 3.0 for 3."""
    rows = "barcode\tname\tdna_count_1\trna_count_1\tdna_count_2\trna_count_2\n"
    rows += "AA\tx\t10.0\t40.0\t\t\nAC\tx\t12.0\t36.0\t9.0\t\nAG\ty\t20.0\t10.0\t20.0\t8.0\n"
    found, _ = written(tmp_path, rows)
    x = found.set_index("name").loc["x"]
    assert (x.barcodes, x.dna_count, x.rna_count) == (2, 31, 76)
    assert x.activity_2 == pytest.approx(log_ratio(0, 9, 8, 29))
    # Nor is it one without reads.
    found, _ = written(tmp_path, rows, barcodes=Barcodes(minimum=2, minimum_dna=0))
    assert found.set_index("name").replicates.to_dict() == {"x": 1}


def test_tables_of_whole_sequences(tmp_path):
    """As MPRAflow writes them: standard errors from the replicates."""
    table, truth = simulate(names=80, spread=0.0, between=0.4, barcodes=(10, 20))
    rows = []
    for number in (1, 2, 3):
        group = table.groupby("name")
        part = group[[f"dna_count_{number}", f"rna_count_{number}"]].sum()
        part = part.set_axis(["dna_count", "rna_count"], axis=1).assign(
            condition="HepG2", replicate=number, ratio=1.0, log2=0.0, n_obs_bc=group.size()
        )
        rows.append(part.reset_index())
    found, done = written(tmp_path, pd.concat(rows), barcodes=Barcodes(minimum=12))
    assert done.standard_error == "replicates"
    assert found.barcodes.min() == 12
    own = truth[[int(name[6:]) for name in found.name]]
    assert np.corrcoef(found.expression, own)[0, 1] > 0.95
    twice = pd.concat([*rows, rows[0]])
    with pytest.raises(ValueError, match=r"expected one row for 'oligo_0' in replicate 1"):
        written(tmp_path, twice)
    twice.loc[twice.replicate == 2, "condition"] = "K562"
    with pytest.raises(ValueError, match=r"one condition, got 'HepG2' and 'K562'"):
        written(tmp_path, twice)


def test_dna_that_was_sequenced_once_goes_with_all_replicates(tmp_path):
    table, truth = simulate(spread=0.0, depth=6, barcodes=(5, 15))
    shared = table.drop(columns=["dna_count_2", "dna_count_3"]).rename(
        columns={"dna_count_1": "plasmid"}
    )
    with pytest.raises(ValueError, match=r"expected columns of counts such as dna_count"):
        written(tmp_path, shared)
    found, _ = written(tmp_path, shared.rename(columns={"plasmid": "dna_count"}))
    error = found.expression - truth[[int(name[6:]) for name in found.name]]
    assert 0.85 < ((error - error.median()) / found.standard_error).std() < 1.25
    assert found.dna_count.sum() == table.dna_count_1[table.dna_count_1 >= 1].sum()


def test_sequences_of_the_design_are_joined_by_name_and_train(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    table, _ = simulate(names=12, replicates=1)
    sequences, fasta = design(10)
    (tmp_path / "design.fa").write_text(fasta.lower() + ">unused\nACGT\n")
    found, done = written(tmp_path, table, sequences=tmp_path / "design.fa", weights=True)
    assert dict(zip(found.name, found.sequence, strict=True)) == sequences
    assert done.without_sequence == 2
    assert "2 sequences were left out: their names are not in the design" in caplog.text
    weight = found.standard_error**-2.0
    np.testing.assert_allclose(found.weight, weight / weight.mean(), rtol=1e-5)
    data = read_dataset(tmp_path / "out.tsv")
    assert data.name.to_pylist() == found.name.tolist()
    np.testing.assert_allclose(data.expression, found.expression, rtol=1e-6)
    np.testing.assert_allclose(data.weight, found.weight, rtol=1e-6)
    # Without sequences, the table measures those of the design.
    (tmp_path / "design.fa").write_text(fasta)
    bare, _ = written(tmp_path, table)
    assert "sequence" not in bare
    joined = read_dataset(tmp_path / "design.fa", measurements=tmp_path / "out.tsv")
    assert len(joined) == 10
    expected = bare.set_index("name").expression[joined.name.to_pylist()]
    np.testing.assert_allclose(joined.expression, expected, rtol=1e-6)


def test_rows_that_belong_to_the_sequences_themselves(tmp_path):
    table, _ = simulate(names=6, replicates=1)
    sequences, _ = design(6)
    own = table.assign(sequence=table.name.map(sequences))
    found, _ = written(tmp_path, own)
    assert dict(zip(found.name, found.sequence, strict=True)) == sequences
    bare, _ = written(tmp_path, own.drop(columns="name"))
    assert "name" not in bare
    assert sorted(bare.expression) == pytest.approx(sorted(found.expression))
    own.loc[0, "sequence"] = "ACGT"
    with pytest.raises(ValueError, match="expected one sequence for 'oligo_0', got two"):
        written(tmp_path, own)


def test_what_belongs_to_no_sequence_or_to_several_is_left_out_and_counted(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    more = "TT\tno_BC\t9\t9\nTA\t\t9\t9\nTC\tx\t50\t1\nTC\ty\t50\t1\n\tx\t5\t5\nTG\tx\t0\t70\n"
    found, done = written(tmp_path, ONE + ROWS + more)
    expected, _ = written(tmp_path, ONE + ROWS)
    pd.testing.assert_frame_equal(found, expected)
    assert (done.unassigned, done.shared_barcodes) == (2, 1)
    for said in ("2 rows of no sequence", "1 rows without a barcode", "1 barcodes of several"):
        assert f"{said} " in caplog.text or f"{said} sequences were left out" in caplog.text
    # Barcodes without DNA count where that is asked for.
    found, _ = written(tmp_path, ONE + ROWS + more, barcodes=Barcodes(minimum_dna=0))
    assert found.rna_count.sum() == expected.rna_count.sum() + 70


def test_outlying_barcodes_are_left_out_where_asked_for(tmp_path):
    table, truth = simulate(names=100, barcodes=(8, 12), replicates=1)
    wild = table.groupby("name").head(1).index[:30]
    table.loc[wild, "rna_count_1"] = 50 * (1 + table.loc[wild, "rna_count_1"])
    with_them, _ = written(tmp_path, table)
    without, done = written(tmp_path, table, barcodes=Barcodes(outliers=5))
    assert 28 <= done.outliers <= 45, done.outliers
    own = truth[[int(name[6:]) for name in with_them.name]]
    errors = [np.std(each.expression - own) for each in (with_them, without)]
    assert errors[1] < 0.5 * errors[0]


def test_the_activities_have_the_same_bits_with_every_number_of_threads(tmp_path):
    from cisreg.prepare.database import Resources

    table, _ = simulate(names=200)
    found = [
        written(tmp_path, table, resources=Resources(threads=threads))[0] for threads in (1, 3)
    ]
    assert found[0].expression.tolist() == found[1].expression.tolist()
    assert found[0].standard_error.tolist() == pytest.approx(found[1].standard_error.tolist())


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (ONE + "AA\tx\t1.5\t2\n", {}, r"counts.tsv:2: expected a whole number .*'dna_count', got"),
        (ONE + "AA\tx\t-1\t2\n", {}, r":2: expected a whole number"),
        (ONE + "AA\tx\t1\n", {}, r":2: expected 4 columns"),
        (ONE, {}, "expected rows with counts"),
        ("AA\tx\t1\t2\n", {}, "expected names of the columns in the first line"),
        ("barcode\tname\tdna\ncc\tx\t1\n", {}, "expected columns of counts such as dna_count"),
        (
            "barcode\tname\tdna\tdna_count\trna\nA\tx\t1\t1\t1\n",
            {},
            "one column of DNA for each replicate, got 'dna' and 'dna_count'",
        ),
        ("barcode\tdna\trna\nA\t1\t1\n", {}, "expected a column named name"),
        ("id\taccession\tdna\trna\nA\tx\t1\t1\n", {}, "named name, got 'id', 'accession'"),
        (ONE + "AA\tx\t1\t0\n", {}, "reads of DNA and RNA in every replicate, got 1 and 0"),
        (ONE + ROWS, {"barcodes": Barcodes(minimum=3)}, "some sequence with 3 barcodes or more"),
        (ONE + ROWS, {"barcodes": Barcodes(minimum=0)}, "expected a minimum of 1 or more"),
        (ONE + ROWS, {"barcodes": Barcodes(outliers=0)}, "expected outliers above 0"),
        (ONE + ROWS, {"pseudocount": 0.0}, "pseudocount: expected a number above 0"),
        (ONE + ROWS, {"standard_error": "both"}, "expected barcodes, counts or auto"),
        ("name\tdna\trna\nx\t1\t1\n", {"barcodes": Barcodes(2)}, "expected a column of barcodes"),
        (
            "name\tdna\trna\nx\t1\t1\n",
            {"barcodes": Barcodes(outliers=5)},
            "expected a table of barcodes with outliers",
        ),
    ],
)
def test_what_makes_no_sense_is_an_error(tmp_path, text, options, message):
    with pytest.raises(ValueError, match=message):
        written(tmp_path, text, **options)
    assert not (tmp_path / "out.tsv").exists()


def test_designs_that_do_not_fit_are_an_error(tmp_path):
    (tmp_path / "design.fa").write_text(">x\nACGT\n>x\nACGA\n")
    with pytest.raises(ValueError, match=r"design.fa: expected every name once, got 'x' again"):
        written(tmp_path, ONE + ROWS, sequences=tmp_path / "design.fa")
    (tmp_path / "design.fa").write_text(">q\nACGT\n")
    with pytest.raises(ValueError, match="got none of 2; are they of the same library"):
        written(tmp_path, ONE + ROWS, sequences=tmp_path / "design.fa")
    (tmp_path / "design.tsv").write_text("sequence\nACGT\n")
    with pytest.raises(ValueError, match="expected names beside the sequences"):
        written(tmp_path, ONE + ROWS, sequences=tmp_path / "design.tsv")


def test_standard_errors_say_where_they_come_from(tmp_path, caplog):
    """With one barcode for each sequence there are no differences, whatever the columns are."""
    rows = "barcode\tname\tdna_count\trna_count\nAA\tx\t10\t40\nAC\ty\t20\t10\n"
    for asked in ("auto", "barcodes"):
        _, done = written(tmp_path, rows, standard_error=asked)
        assert (done.standard_error, done.priors) == ("counts", {})
    assert "the standard errors are those of counting alone" in caplog.text
    _, done = written(tmp_path, ONE + ROWS)
    assert done.standard_error == "barcodes" and set(done.priors) == {"barcodes"}
    words = ["prepare", "activity", str(tmp_path / "counts.tsv"), "--output"]
    said = CliRunner().invoke(app, [*words, str(tmp_path / "new.tsv")])
    assert said.exit_code == 0, said.output
    assert said.output.count("dna_count") == 1
    assert "standard errors from differences between barcodes; by barcodes" in said.output
