"""The columns of sequence and measurement: found by name, or an error that shows all columns."""

from __future__ import annotations

import gzip
import json
import re

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from cisreg.data import Columns, open_dataset, read_dataset

SEQUENCES = ("ACGTACGTAC", "ACGATTGCAC")


def table(header, *rows):
    return "\n".join([header, *rows, ""])


# Text, and the columns that are used, or part of the error.
CLEAR = {
    "an id first": ("id\tsequence\texpression\na\tACGT\t5.1\nb\tTTGA\t7.2\n", ("sequence", "expr")),
    "a count between": (
        "sequence\treads\texpression\nACGT\t120\t5.1\nTTGA\t80\t7.2\n",
        ("sequence", "expression"),
    ),
    "another order": ("Expression,reads,Seq\n5.1,9,ACGT\n7.2,9,TTGA\n", ("Seq", "Expression")),
    "spelled with blanks": (
        "no,DNA sequence,mean-expression\n1,ACGT,5.1\n2,TTGA,7.2\n",
        ("DNA sequence", "mean-expression"),
    ),
    "two columns of any name": ("y,insert\n5.1,ACGT\n7.2,TTGA\n", ("insert", "y")),
    "two columns without names": ("5.1,ACGT\n7.2,TTGA\n", (1, 0)),
    "two columns numbered by pandas": ("0,1\nACGT,5.1\nTTGA,7.2\n", ("0", "1")),
    "a missing number first": ("ACGT,NA\nTTGA,5.1\nTTGA,7.2\n", (0, 1)),
    "names like bases": ("strand,seq,expression\n1,ACGT,5.1\n1,TTGA,7.2\n", ("seq", "expression")),
    "a number called sequence": (
        "sequence,seq,expression\n1,ACGT,5.1\n2,TTGA,7.2\n",
        ("seq", "expression"),
    ),
    "MAVE-NN": (
        "set,tot_ct,ex_ct,y,x\ntraining,28,2,5.1,GGAGUGAUG\ntest,315,7,7.2,AGUGUGCAA\n",
        ("x", "y"),
    ),
    "MAVE-NN with errors": (
        "set,dist,y,dy,x\ntraining,1,5.1,0.2,ACGT\nvalidation,1,7.2,0.1,TTGA\n",
        ("x", "y"),
    ),
    "MPRAflow with sequences": (
        "name,dna_count,rna_count,ratio,log2,n_obs_bc,sequence\na,3,9,3,5.1,7,ACGT\n"
        "b,1,9,9,7.2,7,TTGA\n",
        ("sequence", "log2"),
    ),
    "names of Vaishnav": (
        "sequence\texpression\nACGTN\t5.1\nTTGAN\t7.2\n",
        ("sequence", "expression"),
    ),
    "short names of bases": ("A\tACGTACGTACGT\nG\tTTGAACGTACGT\n", None),
}
UNCLEAR = {
    "an index of pandas": (
        ",sequence,y\n0,ACGT,5.1\n1,TTGA,7.2\n",
        r"one column named expression, .*'' \(0\), 'sequence' \(ACGT\), 'y' \(5.1\)",
    ),
    "an index of pandas alone": (
        ",sequence\n0,ACGT\n1,TTGA\n",
        r"one column named expression, .*'' \(0\), 'sequence' \(ACGT\)",
    ),
    "an index that was read and written": (
        "Unnamed: 0,sequence\n0,ACGT\n1,TTGA\n",
        r"one column named expression, .*'Unnamed: 0' \(0\), 'sequence' \(ACGT\)",
    ),
    "an index of pandas in Parquet": (
        "sequence,__index_level_0__\nACGT,7\nTTGA,3\n",
        r"one column named expression, .*'__index_level_0__' \(7\)",
    ),
    "numbers as names": (
        "id,sequence\n17,ACGT\n18,TTGA\n",
        r"one column named expression, .*'id' \(17\), 'sequence' \(ACGT\)",
    ),
    "positions in a genome": (
        "chrom,start,sequence,expr\nchr1,100,ACGT,5.1\n",
        r"'chrom' \(chr1\), 'start' \(100\), 'sequence' \(ACGT\), 'expr' \(5.1\)",
    ),
    "x and y": (
        "group,tot_ct,ex_ct,y,x\ntraining,28,2,0.023,GGAG\n",
        r"one column named sequence, .*'group' \(training\), .*'x' \(GGAG\); say which is the seq",
    ),
    "a set that marks no parts": (
        "set,y,x\n1,0.023,GGAG\n2,0.5,GGAG\n",
        r"one column named sequence, .*'set' \(1\), .*'x' \(GGAG\); say which is the sequence",
    ),
    "proteins of MAVE-NN": (
        "set,dist,y,x\ntraining,1,0.5,MQYKLILNGK\ntest,1,0.5,MQYKLILNGW\n",
        r"one column named sequence, .*'x' \(MQYKLILNGK\)",
    ),
    "MAVE-NN and an expression": (
        "set,y,x,expression\ntraining,0.5,GGAG,3\n",
        r"one column named expression, .*'y' \(0.5\), .*'expression' \(3\)",
    ),
    "MAVE-NN and a sequence": (
        "set,y,x,sequence\ntraining,0.5,GGAG,ACGT\n",
        r"one column named sequence, .*'x' \(GGAG\), 'sequence' \(ACGT\)",
    ),
    "bins of MAVE-NN": (
        "set,ct_0,ct_1,ct_2,x\ntraining,0,1,2,GGAG\n",
        r"one column named expression, .*'ct_0' \(0\).*; these are counts of sorting bins: train "
        r"on them with the loss sort_bins .*, or compute the expression with cisreg prepare",
    ),
    "MPRAflow": (
        "name,dna_count,rna_count,ratio,log2,n_obs_bc\na,3,9,3,1.58,7\n",
        r"one column named sequence, .*'log2' \(1.58\).*in the FASTA file of the design",
    ),
    "barcodes of MPRAsnakeflow": (
        "barcode,oligo_name,dna_count_1,rna_count_1\nACGT,a,3,9\n",
        r"one column named sequence, .*'barcode' \(ACGT\).*; from counts of DNA and RNA, cisreg "
        "prepare activity",
    ),
    "three columns without names": (
        "ACGT\t120\t5.1\nTTGA\t80\t7.2\n",
        r"column 1 \(ACGT\), column 2 \(120\), column 3 \(5.1\)",
    ),
    "two measurements": (
        "sequence,expression,mean_expression\nACGT,1,2\n",
        r"'expression' \(1\), 'mean_expression' \(2\); say which is the expression",
    ),
    "a mean and its replicates": (
        "sequence,expression,expression_1,expression_2\nACGT,1,2,3\n",
        r"'expression' \(1\), 'expression_1' \(2\)",
    ),
    "two sequences": (
        "sequence,seq,expression\nACGT,TTGA,1\n",
        r"one column named sequence.*'sequence' \(ACGT\), 'seq' \(TTGA\)",
    ),
    "two columns of sequences": (
        "first,second\nACGT,TTGA\n",
        r"'first' \(ACGT\), 'second' \(TTGA\)",
    ),
    "two weights": (
        "sequence,expression,weight,Weight\nACGT,1,1,1\n",
        r"'weight' \(1\), 'Weight' \(1\); say which is the weight",
    ),
    "regions": ("chr1\t100\t200\tACGT\t5.1\n", r"sequence .*it looks like regions of a genome"),
}


@pytest.mark.parametrize("kind", ["text", "gzip", "parquet"])
@pytest.mark.parametrize("case", [name for name, (_, used) in CLEAR.items() if used])
def test_columns_that_are_clear(tmp_path, case, kind):
    text, used = CLEAR[case]
    path = tmp_path / "x.csv"
    if kind == "parquet":
        if isinstance(used[0], int):
            pytest.skip("columns of Parquet have names")
        options = pa.csv.ParseOptions(delimiter="\t" if "\t" in text else ",")
        pq.write_table(pa.csv.read_csv(pa.BufferReader(text.encode()), parse_options=options), path)
    else:
        path.write_bytes(gzip.compress(text.encode()) if kind == "gzip" else text.encode())
    data = open_dataset(path)
    sequence, expression = used
    assert data.columns_used["sequence"] == sequence
    assert str(data.columns_used["expression"][0]).startswith(str(expression))
    assert data.load().expression.tolist() == pytest.approx([5.1, 7.2])
    # The result can be saved as JSON; read back, it selects the same columns.
    again = Columns(**json.loads(json.dumps(data.columns_used)))
    assert open_dataset(path, columns=again).columns_used == data.columns_used


def test_the_longer_of_two_columns_of_bases_is_the_sequence(tmp_path):
    (tmp_path / "x.tsv").write_text(CLEAR["short names of bases"][0])
    assert open_dataset(tmp_path / "x.tsv", columns=Columns(expression=())).columns.sequence == 1


@pytest.mark.parametrize("kind", ["text", "parquet"])
@pytest.mark.parametrize("case", UNCLEAR)
def test_columns_that_are_not_clear_are_shown(tmp_path, case, kind):
    text, message = UNCLEAR[case]
    path = tmp_path / "x.csv"
    path.write_text(text)
    if kind == "parquet":
        if "column 1" in message or case == "regions":
            pytest.skip("columns of Parquet have names")
        pq.write_table(pa.csv.read_csv(path), path)
    with pytest.raises(ValueError, match=re.escape(str(path)) + f".*{message}") as error:
        read_dataset(path)
    assert "columns=Columns(" in str(error.value)


def test_what_is_asked_for_is_read(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(UNCLEAR["x and y"][0])
    data = open_dataset(path, columns=Columns("x", "y"))
    assert data.load().expression.tolist() == pytest.approx([0.023])
    assert data.columns_used == {
        **{"sequence": "x", "expression": ["y"], "weight": None, "name": None, "extra": []}
    }
    path.write_text(UNCLEAR["three columns without names"][0])
    assert read_dataset(path, columns=Columns(0, 2)).expression.tolist() == pytest.approx(
        [5.1, 7.2]
    )
    # The sequence column need not be given if its name is a usual one.
    path.write_text(UNCLEAR["positions in a genome"][0])
    assert read_dataset(path, columns=Columns(expression="expr")).expression == pytest.approx(5.1)
    with pytest.raises(ValueError, match="say which is the sequence"):
        path.write_text(UNCLEAR["x and y"][0])
        open_dataset(path, columns=Columns(expression="y"))


def test_what_was_used_is_logged_once(tmp_path, caplog):
    path = tmp_path / "x.tsv"
    path.write_text("id\tseq\tmean expression\tweight\na\tACGT\t5\t1\n")
    with caplog.at_level("INFO", "cisreg.data"):
        data = open_dataset(path, columns=Columns(name=True))
        data.load()
    said = "sequence from 'seq', expression from 'mean expression', weight from 'weight'"
    assert caplog.messages == [f"{path}: {said}, name from 'id'"]
    assert said in repr(data)


def test_further_columns_and_names_go_with_their_rows(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_text("id\tseq\texpression\tfold\na\tACGT\t5\tx\nb\tAC1T\t6\ty\nc\tGG\t7\tz\n")
    data = open_dataset(path, columns=Columns(name=True, extra=("fold", "seq")))
    (rows,) = data.blocks()
    assert rows.name.to_pylist() == ["a", "c"]
    assert rows.extra["seq"].to_pylist() == ["ACGT", "GG"]
    loaded = data.load()
    assert loaded[1].name == "c"
    assert loaded.extra["fold"].to_pylist() == ["x", "z"]
    pq.write_table(
        pa.csv.read_csv(path, parse_options=pa.csv.ParseOptions(delimiter="\t")), tmp_path / "p"
    )
    parquet = open_dataset(tmp_path / "p", columns=Columns(name="id", extra=True)).load()
    assert parquet.name.to_pylist() == ["a", "c"]
    assert parquet.extra["fold"].to_pylist() == ["x", "z"]
    assert open_dataset(path).load().name is None


def test_measurements_of_fasta_follow_the_same_rule(tmp_path):
    fasta, measured = tmp_path / "x.fa", tmp_path / "x.csv"
    fasta.write_text(">a one\nACGT\n>b two\nGG\n")
    for text in (
        "reads,id,expression\n9,a,5\n9,b,7\n",
        "level,probe\n5,a\n7,b\n",
        "a,5\nb,7\n",
    ):
        measured.write_text(text)
        data = read_dataset(fasta, measurements=measured)
        assert data.expression.tolist() == [5, 7]
        assert data.name.to_pylist() == ["a", "b"]
    measured.write_text("probe,reads,y\na,9,5\nb,9,7\n")
    with pytest.raises(ValueError, match=r"one column named name.*'probe' \(a\), 'reads' \(9\)"):
        open_dataset(fasta, measurements=measured)
    with pytest.raises(ValueError, match=r"one column named expression.*'reads' \(9\), 'y' \(5\)"):
        open_dataset(fasta, measurements=measured, columns=Columns(name="probe"))
    asked = Columns(name="probe", expression="y", extra=("reads",))
    data = open_dataset(fasta, measurements=measured, columns=asked)
    assert data.load().extra["reads"].to_pylist() == ["9", "9"]


@pytest.mark.parametrize("kind", ["text", "parquet"])
def test_rows_that_mave_nn_marks_are_not_read_alike_without_a_word(tmp_path, caplog, kind):
    path = tmp_path / "x.csv"
    path.write_text(CLEAR["MAVE-NN"][0])
    if kind == "parquet":
        pq.write_table(pa.csv.read_csv(path), path)
    data = open_dataset(path)
    assert data.load().expression.tolist() == pytest.approx([5.1, 7.2])
    assert "the column 'set' says which rows are for training, validation and test" in caplog.text
    caplog.clear()
    data = open_dataset(path, columns=Columns(extra=("set",)))
    assert data.load().extra["set"].to_pylist() == ["training", "test"]
    # Nothing is measured.
    open_dataset(path, columns=Columns(expression=()))
    assert not caplog.text


@pytest.mark.parametrize(
    "text",
    [
        "name\tdna_count\trna_count\tratio\tlog2\tn_obs_bc\na\t3\t9\t3\t5\t7\nb\t1\t9\t9\t7\t7\n",
        "oligo_name\tdna_counts\trna_counts\tratio\tlog2FoldChange\tn_bc\na\t3\t9\t3\t5\t7\n"
        "b\t1\t9\t9\t7\t7\n",
        "oligo_name\treplicates\tdna_counts\trna_counts\tlog2FoldChange\tmean_log2FoldChange\n"
        "a\t3\t9\t3\t5\t0\nb\t1\t9\t9\t7\t0\n",
    ],
)
def test_oligos_of_mpraflow_measure_the_fasta_of_their_design(tmp_path, text, caplog):
    (tmp_path / "design.fa").write_text(">a one\nACGT\n>b two\nGG\n")
    (tmp_path / "counts.tsv").write_text(text)
    with caplog.at_level("INFO", "cisreg.data"):
        data = read_dataset(tmp_path / "design.fa", measurements=tmp_path / "counts.tsv")
    assert data.expression.tolist() == [5, 7]
    assert "expression from 'log2" in caplog.text


def test_tables_of_vaishnav_have_no_names(tmp_path):
    (tmp_path / "x.txt").write_text("TGCATTTTTTTCACATC\t8.0\nTGCATTTTTTTCANNTC\t11.5\n")
    assert read_dataset(tmp_path / "x.txt").expression.tolist() == [8.0, 11.5]
