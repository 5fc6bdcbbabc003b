"""Names of motifs and columns are read back unchanged from every place that writes them."""

from __future__ import annotations

import csv
import io
import os

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import SPEC, start_parameters

from cisreg.batch_prediction import BatchPrediction
from cisreg.data import Dataset
from cisreg.motifs import MotifSet, motif_name, read_log_concentration, read_motifs, write_motifs
from cisreg.names import file_stem, join_fields, name_of_stem, split_fields
from cisreg.scan import scan
from cisreg.sequences import encode
from cisreg.trained_model import Model
from cisreg.writing import open_table

HOMER = "Pitx1:Ebox(Homeobox,bHLH)"
ODD = (
    *(HOMER, "Sox2/Oct4", "../up", "/root", "a\tb", 'the "best"', "'a'", '"', "#1", "~", "x~"),
    *(".hidden", "..", "50%", "a%2Fb", "%25", "[red]b[/red]", "a,b;c", " a ", "ä β", "a\\b", "$x$"),
)
# Characters that Python calls printable, and characters used in tables and paths.
NAMES = st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from("\t ,;\"'/\\.#%~"))
NAMES = NAMES.filter(lambda name: name.isprintable() or "\t" in name).filter(bool)


@given(st.lists(NAMES, min_size=1, max_size=5), st.sampled_from("\t,;"))
def test_fields_of_a_line(names, delimiter):
    line = join_fields(names, delimiter)
    assert split_fields(line, delimiter) == names
    assert next(csv.reader([line], delimiter=delimiter)) == names


def test_plain_fields_have_no_quotes():
    assert join_fields(["bin 1", "it's", "a,b"]) == "bin 1\tit's\ta,b"
    with pytest.raises(ValueError, match="expected quotes around whole fields"):
        split_fields('"a\tb')
    assert len(split_fields("A" * 200_000 + "\t1")) == 2


def test_quoted_fields_may_be_longer_than_the_csv_module_takes():
    long = "A" * 200_000 + ","
    assert split_fields(join_fields([long, "1"], ","), ",") == [long, "1"]


@given(st.text('a,"\té', min_size=1, max_size=12), st.sampled_from(",\t"))
def test_fields_are_split_as_by_the_csv_module(line, delimiter):
    lenient = next(csv.reader([line], delimiter=delimiter))
    assert split_fields(line, delimiter, strict=False) == lenient
    try:
        strict = next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        with pytest.raises(ValueError, match="expected quotes around whole fields"):
            split_fields(line, delimiter)
    else:
        assert split_fields(line, delimiter) == strict


@given(NAMES)
def test_a_file_of_any_name_is_in_its_folder_and_not_hidden(name):
    stem = file_stem(name)
    assert name_of_stem(stem) == name
    assert "/" not in stem
    assert not stem.startswith((".", "#"))
    assert motif_name(f"{stem}.pkdm") == name


def test_usual_names_of_files_stay_as_they_are():
    for name in (HOMER, "YIL056W_2091", "MA0139.1", "50%", "a%20b", "GATA1 (2)", "x.y"):
        assert file_stem(name) == name
        assert name_of_stem(name) == name


def motifs_named(names):
    random = np.random.default_rng(len(names))
    return MotifSet.from_matrices(names, random.normal(0, 3, (len(names), 4, 4)), width=4)


def assert_written_and_read(folder, motifs):
    listed = write_motifs(folder, motifs)
    read = read_motifs(listed, width=4)
    assert read.names == motifs.names
    np.testing.assert_array_equal(read.log_kd, motifs.log_kd)
    assert sorted(read_motifs(folder).names) == sorted(motifs.names)
    assert {path.parent for path in folder.rglob("*")} == {folder}


def test_folders_of_motifs_with_odd_names(tmp_path):
    assert_written_and_read(tmp_path / "motifs", motifs_named(ODD))
    assert (tmp_path / "motifs" / f"{HOMER}.pkdm").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["motifs"]


@settings(max_examples=30, deadline=None)
@given(st.lists(NAMES.filter(lambda name: len(name) < 40), min_size=1, max_size=4, unique=True))
def test_folders_of_motifs_with_any_printable_names(tmp_path_factory, names):
    assert_written_and_read(tmp_path_factory.mktemp("names") / "motifs", motifs_named(names))


@settings(max_examples=50, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=4, unique=True))
def test_values_of_motifs_by_name(tmp_path_factory, names):
    # A line that begins with # is a comment.
    names = [name.removeprefix("#") or "x" for name in dict.fromkeys(names) if name[:2] != "##"]
    names = list(dict.fromkeys(names)) or ["x"]
    path = tmp_path_factory.getbasetemp() / "values.tsv"
    lines = [join_fields([name, str(index)]) for index, name in enumerate(names)]
    path.write_text("\n".join(lines), "utf-8")
    read = read_log_concentration(path, names[::-1])
    assert read.tolist() == list(range(len(names)))[::-1]


@pytest.mark.parametrize("ending", [".tsv", ".csv", ".tsv.gz", ".parquet"])
def test_tables_keep_names_of_columns_and_texts(tmp_path, ending):
    path = tmp_path / f"table{ending}"
    columns = {"sequence": pa.array(["ACGT", "ACGA"]), "motif": pa.array(ODD[:2])}
    columns |= {name: np.array([0.1, 1.0], np.float32) for name in ODD}
    with open_table(path) as write:
        write(columns)
        write({**columns, "motif": pa.array(["plain", None])})
        write({**columns, "motif": pa.array(ODD[4:6])})
    if ending == ".parquet":
        table = pa.parquet.read_table(path)
    else:
        delimiter = "\t" if "tsv" in ending else ","
        table = pyarrow.csv.read_csv(
            path, parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter)
        )
    assert table.column_names == ["sequence", "motif", *ODD]
    motifs = [value or "" for value in table["motif"].to_pylist()]
    assert motifs == [*ODD[:2], "plain", "", *ODD[4:6]]
    assert all(table[name].to_pylist()[::2] == pytest.approx([0.1] * 3) for name in ODD)


@settings(max_examples=50, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), st.sampled_from([".tsv", ".csv"]))
def test_any_printable_name_is_read_back_from_a_table(tmp_path_factory, names, ending):
    path = tmp_path_factory.getbasetemp() / f"names{ending}"
    with open_table(path, overwrite=True) as write:
        write(
            {
                "motif": pa.array(names),
                **{f"forward_{name}": np.arange(len(names)) for name in names},
            }
        )
    with path.open(newline="", encoding="utf-8") as lines:
        header, *rows = csv.reader(lines, delimiter="\t" if ending == ".tsv" else ",")
    assert header == ["motif", *(f"forward_{name}" for name in names)]
    assert [row[0] for row in rows] == names


def test_binding_of_motifs_and_hits_are_written_by_their_names(tmp_path):
    binding = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    names = (HOMER, "a\tb", 'c "d"')
    prediction = BatchPrediction(np.zeros(2, np.float32), binding=binding, motif_names=names)
    with open_table(tmp_path / "binding.csv") as write:
        write(prediction.columns())
    table = pyarrow.csv.read_csv(tmp_path / "binding.csv")
    assert table.column_names == [
        "expression",
        *(f"{strand}_{name}" for name in names for strand in ("forward", "reverse")),
    ]
    assert table[f"reverse_{names[1]}"].to_pylist() == [4, 10]
    motifs = motifs_named(names)
    hits = scan(encode(["ACGTACGTAA"]), motifs, 100.0).to_table()
    with open_table(tmp_path / "hits.csv") as write:
        write({name: hits[name].combine_chunks() for name in hits.column_names})
    read = pyarrow.csv.read_csv(tmp_path / "hits.csv")
    assert set(read["motif"].to_pylist()) == set(names)
    assert read.num_rows == hits.num_rows


# A name that acts on a terminal or in a table, or that nobody can see as it is.
ACTING = (
    *("\x1b[31mred", "two\nlines", "a\rb", "bell\x07", "nul\0", "turned\u202eround", "del\x7f"),
    *("csi\x9b", "isolate\u2066", "mark\u200f", "line\u2028", "\ufeffbom", "half\udcff", "\x0b"),
)


@pytest.mark.parametrize("name", ACTING, ids=ascii)
def test_names_that_act_are_refused_wherever_names_enter(tmp_path, name):
    matrix = np.zeros((4, 4, 1), np.float32)
    binding = BatchPrediction(np.zeros(1), binding=np.zeros((1, 2, 1)), motif_names=(name,))
    model = (SPEC, start_parameters(), ("Abf1", name, "Reb1"))
    for argument, use in (
        ("names", lambda: MotifSet((name,), matrix, [0], [4])),
        ("motif_names", lambda: Model(*model)),
        ("motif_names", binding.columns),
        ("motif_names", binding.to_frame),
    ):
        with pytest.raises(
            ValueError, match=f"^{argument}: expected names without line"
        ) as refused:
            use()
        assert repr(name) in str(refused.value)
    for ending in (".tsv", ".csv.gz"):
        with (
            pytest.raises(ValueError, match="columns: expected names without line ends"),
            open_table(tmp_path / f"table{ending}") as write,
        ):
            write({name: np.zeros(1)})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "a"), "motif_names: expected distinct names, got 'a' twice"),
        (("a",), "motif_names: expected 2 names, one for each motif of binding, got 1"),
        ((), "motif_names: expected 2 names, one for each motif of binding, got 0"),
        (("a", ""), "motif_names: expected non-empty strings, got ''"),
        (("a", 1), "motif_names: expected non-empty strings, got 1"),
    ],
)
def test_no_column_of_binding_is_lost(names, message):
    binding = np.zeros((1, 2, 2), np.float32)
    with pytest.raises(ValueError, match=message):
        BatchPrediction(np.zeros(1), binding=binding, motif_names=names).to_table()


def test_files_of_motifs_whose_names_act_are_refused(tmp_path):
    for name in ("a\x1b[31m", "b\nc", os.fsdecode(b"d\xff")):
        path = tmp_path / f"{name}.pkdm"
        path.write_text("A\t-1\nC\t1\nG\t1\nT\t1\n")
        with pytest.raises(ValueError, match="names: expected names without line ends") as refused:
            read_motifs(tmp_path)
        assert repr(name) in str(refused.value)
        path.unlink()


@pytest.mark.parametrize("text", ["two\nlines", "a\rb", "\r\n", "\n"])
def test_line_ends_in_a_field_are_quoted(tmp_path, text):
    for delimiter in "\t,":
        line = join_fields([text, "next"], delimiter)
        assert next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter)) == [
            text,
            "next",
        ]
    with open_table(tmp_path / "table.csv") as write:
        write({"text": pa.array(["plain", text]), "number": np.arange(2)})
    with (tmp_path / "table.csv").open(newline="") as lines:
        assert list(csv.reader(lines)) == [["text", "number"], ["plain", "0"], [text, "1"]]


def test_text_of_a_dataset_is_shown_without_effect():
    extra = {"\x1b[31mred": ["\x1b[1m\u202e"], "two\nlines": ["<b>"]}
    data = Dataset(["ACGT"], [1.0], extra=extra)
    for shown in (repr(data), data._repr_html_()):
        assert shown.isprintable()
    assert r"\x1b[31mred, two\nlines" in repr(data)
    assert "<td>&lt;b&gt;</td>" in data._repr_html_()
