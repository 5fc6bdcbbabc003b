"""Datasets from lists, NumPy, pandas and Arrow, always by position, and back to tables."""

from __future__ import annotations

import html

import numpy as np
import pyarrow as pa
import pytest

from cisreg.data import Columns, Dataset, open_dataset, read_dataset
from cisreg.data.dataset import Row
from cisreg.data.frames import to_pandas
from cisreg.sequences import decode, encode
from cisreg.writing import open_table

TEXTS = ["ACGT", "TTGA", "GGNC"]
NUMBERS = [5.5, -1.0, 7.25]

pandas = pytest.importorskip("pandas")
# After a shuffle, the labels of a Series differ from the positions.
INDEX = [2, 0, 1]


def series(values, **options):
    return pandas.Series(values, index=INDEX, **options)


@pytest.mark.parametrize(
    ("sequence", "expression", "weight"),
    [
        (encode(TEXTS), np.array(NUMBERS, np.float32), np.ones(3, np.float32)),
        (TEXTS, NUMBERS, [1, 1, 1]),
        (tuple(TEXTS), np.array(NUMBERS), np.ones(3, np.int8)),
        (np.array(TEXTS), np.array(NUMBERS, np.float16), np.ones(3, bool)),
        (series(TEXTS), series(NUMBERS), series([1, 1, 1])),
        (series(TEXTS, dtype="string"), series(NUMBERS, dtype="Float64"), series([1.0] * 3)),
        (series(TEXTS, dtype="category"), series(NUMBERS, dtype=object), None),
        (pa.array(TEXTS), pa.array(NUMBERS), pa.array([1, 1, 1], pa.uint8())),
        (pa.chunked_array([TEXTS[:1], TEXTS[1:]]), pa.chunked_array([NUMBERS[:2], [7.25]]), None),
        (encode(TEXTS).astype(np.int64).tolist(), [[each] for each in NUMBERS], None),
        (pandas.DataFrame(encode(TEXTS), index=INDEX), pandas.DataFrame({"y": NUMBERS}), None),
    ],
)
def test_arrays_of_every_kind_are_taken_by_position(sequence, expression, weight):
    data = Dataset(sequence, expression, weight, name=series(["a", "b", "c"]))
    np.testing.assert_array_equal(data.sequence, encode(TEXTS))
    assert data.sequence.dtype == np.uint8
    assert data.expression.tolist() == NUMBERS
    assert data.expression.dtype == np.float32
    assert weight is None or data.weight.tolist() == [1, 1, 1]
    assert data.name.to_pylist() == ["a", "b", "c"]
    part = data.take([2, 0])
    assert part.expression.tolist() == [7.25, 5.5]
    assert part.name.to_pylist() == ["c", "a"]


@pytest.mark.parametrize(
    ("sequence", "expression", "message"),
    [
        ("ACGT", [1], "a list of sequences, got one"),
        (TEXTS, ["5.5", "x", "1"], "expression: expected float32"),
        (TEXTS, [1, None, 2], "expression: expected float32"),
        (TEXTS, series([1, None, 2], dtype="Float64"), "expression: expected float32"),
        (TEXTS, [1, 2, 1e39], "expression: expected float32.*1e[+]39"),
        (TEXTS, [1, 2], "expression: expected one for each of 3 sequences, got 2"),
        (["ACGT", "PRO!", "A"], NUMBERS, "PRO|row 1"),
    ],
)
def test_what_is_no_measurement_is_refused(sequence, expression, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Dataset(sequence, expression)


def make_frame(kind):
    columns = {
        **{"id": ["x,1", 'y"', "z\t"], "reads": [9, 9, 9], "seq": TEXTS, "expression": NUMBERS},
        **{"weight": [1, 0, 2], "fold": ["a", "b", "a"]},
    }
    if kind == "pandas":
        return pandas.DataFrame(columns, index=INDEX)
    return pa.table(columns) if kind == "arrow" else columns


@pytest.mark.parametrize("kind", ["pandas", "arrow", "mapping"])
def test_a_frame_is_read_by_the_names_of_its_columns(kind):
    data = Dataset.from_frame(make_frame(kind), extra=("fold",))
    assert decode(data.sequence) == TEXTS
    assert data.expression.tolist() == NUMBERS
    assert data.weight.tolist() == [1, 0, 2]
    assert data.name.to_pylist() == ["x,1", 'y"', "z\t"]
    assert data.extra["fold"].to_pylist() == ["a", "b", "a"]
    other = Dataset.from_frame(
        make_frame(kind), "seq", ["reads", "expression"], weight=False, name="fold", length=3
    )
    assert other.expression.tolist() == [[9, each] for each in NUMBERS]
    assert other.sequence.shape == (3, 3)
    assert other.weight is None
    assert other.name.to_pylist() == ["a", "b", "a"]


def test_frames_that_are_not_clear():
    frame = pandas.DataFrame({"no": [1, 2], "sequence": ["ACGT", "GG"], "y": [0.1, 0.2]})
    with pytest.raises(ValueError, match=r"frame: .*'no' \(1\), 'sequence' \(ACGT\), 'y' \(0.1\)"):
        Dataset.from_frame(frame)
    assert Dataset.from_frame(frame, expression="y").expression == pytest.approx([0.1, 0.2])
    with pytest.raises(ValueError, match="frame: expected one column named 'z', got 'no', "):
        Dataset.from_frame(frame, expression="z")
    frame["y"] = ["1", "high"]
    with pytest.raises(ValueError, match=r"frame, row 1: expected a finite number .* got 'high'"):
        Dataset.from_frame(frame, expression="y")
    frame["sequence"] = ["ACGT", None]
    with pytest.raises(ValueError, match="frame, row 1: expected a sequence, got none"):
        Dataset.from_frame(frame, expression="no")
    with pytest.raises(ValueError, match="expected text in the column 'no' of the sequence"):
        Dataset.from_frame(frame, sequence="no", expression="y")
    with pytest.raises(ValueError, match="expected columns with text as names, got 5"):
        Dataset.from_frame(pandas.DataFrame({5: ["ACGT"], "y": [1]}))
    with pytest.raises(TypeError, match="frame: expected a pandas or polars DataFrame"):
        Dataset.from_frame(TEXTS)


def test_to_a_frame_and_back():
    data = Dataset.from_frame(make_frame("pandas"), extra=("fold",))
    frame = data.to_frame()
    assert list(frame.columns) == ["name", "sequence", "expression", "weight", "fold"]
    again = Dataset.from_frame(frame.sample(frac=1, random_state=0).sort_index(), extra=("fold",))
    assert again.fingerprint() == data.fingerprint()
    assert again.name.equals(data.name)
    two = Dataset(TEXTS, np.zeros((3, 2)))
    assert two.to_table().column_names == ["sequence", "expression_1", "expression_2"]
    assert Dataset.from_frame(two.to_table()).fingerprint() == two.fingerprint()
    twice = Dataset(TEXTS, NUMBERS, extra={"sequence": TEXTS})
    with pytest.raises(ValueError, match="'sequence' twice"):
        twice.to_table()


def test_without_pandas_the_error_says_what_to_do():
    class Table:
        def to_pandas(self):
            raise ModuleNotFoundError("No module named 'pandas'")

    with pytest.raises(ImportError, match=r"to_frame: .*pip install pandas, or take to_table"):
        to_pandas(Table())


@pytest.mark.parametrize("ending", [".tsv", ".csv.gz", ".parquet"])
def test_names_of_any_letters_are_read_back(tmp_path, ending):
    names = ["a,b", 'say "x"', "tab\there", "semi;colon", "é", " plain", "<b>"]
    path = tmp_path / f"x{ending}"
    with open_table(path) as write:
        write({"id": pa.array(names), "sequence": pa.array(["ACGT"] * 7), "y": np.arange(7.0)})
    data = read_dataset(path, columns=Columns(name="id", expression="y"))
    expected = names if ending == ".parquet" else [name.strip() for name in names]
    assert data.name.to_pylist() == expected
    assert data.expression.tolist() == list(range(7))


def test_rows_and_their_text():
    data = Dataset(TEXTS, NUMBERS, name=["a", "b", "<c>"])
    assert data[-1] == Row("GGNC", 7.25, None, "<c>")
    assert [row.expression for row in data] == NUMBERS
    with pytest.raises(IndexError):
        data[3]
    assert repr(data) == "Dataset(3 sequences of 4 bases, expression -1 to 7.25, names)"
    page = data._repr_html_()
    assert html.escape("<c>") in page
    assert "<c>" not in page
    assert repr(data[:0]) == "Dataset(0 sequences of 4 bases, names)"


def test_files_are_shown_short(tmp_path):
    path = tmp_path / "a<b>.tsv"
    path.write_text("sequence\texpression\nACGT\t1\n")
    data = open_dataset(path)
    assert repr(data) == (
        f"DatasetFiles({path}: table, length not known yet; sequence from 'sequence', expression "
        "from 'expression')"
    )
    assert "<b>" not in data._repr_html_()
    data.load()
    assert "4 bases" in repr(data)


def test_the_columns_of_a_frame_are_said_and_kept(caplog):
    frame = {"dna": TEXTS, "level": NUMBERS, "batch": [1, 2, 3]}
    with pytest.raises(ValueError, match=r"with expression=... of cisreg.Dataset.from_frame"):
        Dataset.from_frame(frame)
    with caplog.at_level("INFO", "cisreg.data"):
        data = Dataset.from_frame(frame, expression="level")
    assert "frame: sequence from 'dna', expression from 'level'" in caplog.text
    assert data[1:].columns_used["expression"] == ["level"]


def test_the_side_of_a_dataset_is_a_side():
    with pytest.raises(ValueError, match='side: expected "left" or "right"'):
        Dataset(TEXTS, NUMBERS, side="up")
