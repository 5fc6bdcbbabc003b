"""Parquet: row groups in any order, several threads, data types, and damaged files."""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cisreg.data import Columns, open_dataset, read_dataset
from cisreg.data.formats.manifest import Manifest, ManifestFile, write_manifest
from cisreg.sequences import encode

TEXTS = ["ACGT", "GG", None, "TTTTT", "", "ACX", "C", "NNRY", "A", "GATTACA"]
NUMBERS = [1.0, 2.0, 3.0, float("nan"), 5.0, 6.0, None, 8.0, 1e39, 10.0]
USABLE = [0, 1, 7, 9]
REASONS = {
    "an empty sequence": 2,
    "letters that are no nucleotide codes": 1,
    "no finite number as expression": 3,
}


def write(path, table=None, **options):
    if table is None:
        table = pa.table({"sequence": TEXTS, "expression": NUMBERS})
    options = {"row_group_size": 4, "write_page_checksum": True, **options}
    pq.write_table(table, path, **options)
    return path


def kept(data):
    return [
        (text, *numbers)
        for rows in data.blocks()
        for text, numbers in zip(rows.sequence.to_pylist(), rows.expression.tolist(), strict=True)
    ]


def test_usable_rows_in_order(tmp_path, caplog):
    path = write(tmp_path / "x.parquet")
    data = open_dataset(path, length=5)
    assert data.kind == "Parquet"
    assert kept(data) == [(TEXTS[row], NUMBERS[row]) for row in USABLE]
    assert data.unusable.reasons == REASONS
    assert data.unusable.first["no finite number as expression"] == f"{path}, row 3"
    assert data.group_rows.tolist() == [4, 4, 2]
    assert data.group_rows.dtype == np.int64
    caplog.clear()
    loaded = data.load()
    assert len(caplog.messages) == 2
    assert "3 sequences were padded and 1 trimmed to 5 bases" in caplog.messages[0]
    assert caplog.messages[1].startswith(f"{path}: 6 rows were left out: 2 with an empty sequence")
    expected = encode([TEXTS[row] for row in USABLE], 5)
    np.testing.assert_array_equal(loaded.sequence, expected)
    assert loaded.expression.tolist() == [1.0, 2.0, 8.0, 10.0]
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}, row 2: expected a sequence, "):
        list(open_dataset(path, strict=True).blocks())


@pytest.mark.parametrize("side", ["left", "right"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(random=st.randoms(use_true_random=False), length=st.integers(1, 8))
def test_a_group_in_any_order(tmp_path, side, random, length):
    path = tmp_path / "x.parquet"
    if not path.exists():
        write(path)
    data = open_dataset(path, length=length, side=side)
    for index, count in enumerate(data.group_rows.tolist()):
        order = random.sample(range(count), count)
        rows, kept = data.read_group(index, np.array(order, np.int64))
        raw = [4 * index + row for row in order]
        assert kept.tolist() == [row in USABLE for row in raw]
        chosen = [row for row in raw if row in USABLE]
        expected = encode([TEXTS[row] for row in chosen], length, side=side)
        np.testing.assert_array_equal(rows.sequence, expected)
        assert rows.expression.tolist() == [NUMBERS[row] for row in chosen]
        assert rows.weight is None
    assert data.unusable.reasons == REASONS


def test_groups_by_several_threads(tmp_path):
    rng = np.random.default_rng(1)
    for number in range(3):
        texts = ["".join(rng.choice(list("ACGT"), 30)) for _ in range(500)]
        columns = {
            "sequence": texts,
            "expression": rng.normal(size=500),
            "weight": np.arange(500.0),
        }
        write(tmp_path / f"{number}.parquet", pa.table(columns), row_group_size=70)
    data = open_dataset(tmp_path)
    parts = range(len(data.group_rows))
    orders = [rng.permutation(count) for count in data.group_rows]
    expected = [data.read_group(part, orders[part]) for part in parts]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda part: data.read_group(part, orders[part]), [*parts] * 4))
    for part, (rows, kept) in enumerate(found):
        want, want_kept = expected[part % len(parts)]
        np.testing.assert_array_equal(rows.sequence, want.sequence)
        np.testing.assert_array_equal(rows.expression, want.expression)
        np.testing.assert_array_equal(rows.weight, want.weight)
        np.testing.assert_array_equal(kept, want_kept)
    loaded = data.load()
    in_order = [data.read_group(part)[0] for part in parts]
    np.testing.assert_array_equal(loaded.sequence, np.concatenate([r.sequence for r in in_order]))
    np.testing.assert_array_equal(loaded.weight, np.concatenate([r.weight for r in in_order]))


def test_large_groups_come_in_slices(tmp_path):
    texts, numbers = ["ACGT"] * 150_000, np.arange(150_000.0)
    texts[149_000], texts[1] = "", ""
    columns = {"sequence": texts, "expression": numbers}
    for name in ("a.parquet", "b.parquet"):
        write(tmp_path / name, pa.table(columns), row_group_size=75_000)
    data = open_dataset(tmp_path)
    blocks = [len(rows) for rows in data.blocks()]
    assert sum(blocks) == 300_000 - 4
    assert max(blocks) <= 65_536
    texts[1] = "A"
    path = write(tmp_path / "a.parquet", pa.table(columns), row_group_size=75_000)
    with pytest.raises(ValueError, match=r"a.parquet, row 149000: expected a sequence"):
        list(open_dataset(path, strict=True).blocks())
    data = open_dataset(tmp_path / "a.parquet", length=4)
    for part in range(len(data.group_rows)):
        data.read_group(part)
    assert data.unusable.first == {"an empty sequence": f"{tmp_path}/a.parquet, row 149000"}


def test_orders_and_groups_that_are_none(tmp_path):
    data = open_dataset(write(tmp_path / "x.parquet"), length=3)
    for order in ([0, 1, 2], [0, 1, 2, 2], [0, 1, 2, 4], [-1, 1, 2, 3]):
        with pytest.raises(ValueError, match="order: expected"):
            data.read_group(0, np.array(order, np.int64))
    with pytest.raises(ValueError, match=r"order: expected int64 \[4\], got int32"):
        data.read_group(0, np.arange(4, dtype=np.int32))
    for index in (-1, 3):
        with pytest.raises(ValueError, match=f"index: expected 0 to 2, got {index}"):
            data.read_group(index)
    text = tmp_path / "x.tsv"
    text.write_text("ACGT\t1\n")
    for use in (lambda data: data.group_rows, lambda data: data.read_group(0)):
        with pytest.raises(ValueError, match=r"x.tsv: expected Parquet.*run cisreg convert first"):
            use(open_dataset(text))


@pytest.mark.parametrize(
    "kind",
    [
        *(pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()),
        *(pa.dictionary(pa.int32(), pa.string()), pa.binary_view()),
    ],
)
def test_text_of_every_type(tmp_path, kind):
    text = pa.array(TEXTS, pa.string()).cast(kind)
    path = write(tmp_path / "x.parquet", pa.table({"sequence": text, "expression": NUMBERS}))
    assert kept(open_dataset(path)) == [(TEXTS[row], NUMBERS[row]) for row in USABLE]


def test_text_of_a_fixed_width(tmp_path):
    texts = pa.array([b"ACGT", b"GG!A", None], pa.binary(4))
    path = write(tmp_path / "x.parquet", pa.table({"sequence": texts, "expression": [1, 2, 3]}))
    assert kept(open_dataset(path)) == [("ACGT", 1.0)]


def test_encrypted_files_are_called_so(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PARE" + bytes(100) + b"PARE")
    with pytest.raises(
        ValueError, match=r"x.parquet: expected.*, got an encrypted Parquet file; write it"
    ):
        open_dataset(path)


def test_bytes_that_are_no_text(tmp_path):
    texts = pa.array([b"ACGT", b"AC\xff", None, b"GG"], pa.binary())
    table = pa.table({"sequence": texts, "expression": pa.array([b"1", b"2", b"3", b"\xff1"])})
    path = write(tmp_path / "x.parquet", table)
    data = open_dataset(path, columns=Columns("sequence", ("expression",)))
    assert kept(data) == [("ACGT", 1.0)]
    with pytest.raises(ValueError, match=r"x.parquet, row 1: .*got '\ufffd' at base 3"):
        list(open_dataset(path, columns=Columns(0, (1,)), strict=True).blocks())


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (pa.array(["1", " 2.5 ", "x", None]), [1.0, 2.5]),
        (pa.array([1, 2, 3, None], pa.uint8()), [1.0, 2.0, 3.0]),
        (pa.array([1, 2, 3, None], pa.decimal128(5, 1)), [1.0, 2.0, 3.0]),
        (pa.array([None] * 4, pa.null()), []),
    ],
)
def test_numbers_of_every_type(tmp_path, numbers, expected):
    path = write(tmp_path / "x.parquet", pa.table({"sequence": ["A"] * 4, "expression": numbers}))
    assert [row[1] for row in kept(open_dataset(path))] == expected


def test_columns(tmp_path):
    columns = {"Id": ["a"], "SEQUENCE": ["ACGT"], "expression_1": [1.0], "expression_2": [2]}
    path = write(tmp_path / "x.parquet", pa.table({**columns, "Weight": [0.5], "x.y": [7.0]}))
    data = open_dataset(path)
    assert (data.expression_names, data.weighted) == (("expression_1", "expression_2"), True)
    assert data.load().expression.tolist() == [[1.0, 2.0]]
    assert open_dataset(path, columns=Columns(1, ("x.y",))).load().expression.tolist() == [7.0]
    with pytest.raises(ValueError, match=r"x.parquet: expected text in the column 'x.y' of the se"):
        open_dataset(path, columns=Columns("x.y", (3,)))
    with pytest.raises(ValueError, match=r"x.parquet: expected one column named 'y', got 'Id', "):
        open_dataset(path, columns=Columns(1, ("y",)))
    table = pa.table({"sequence": ["A"], "expression": [True]})
    with pytest.raises(ValueError, match=r"expected numbers in the column 'expression', got bool"):
        open_dataset(write(tmp_path / "b.parquet", table))


def test_a_file_without_measurements(tmp_path):
    path = write(tmp_path / "x.parquet", pa.table({"sequence": ["ACGT", "GG"], "id": ["a", "b"]}))
    data = open_dataset(path)
    assert [rows.expression.shape for rows in data.blocks()] == [(2, 0)]
    assert data.read_group(0)[0].expression.shape == (2, 0)
    with pytest.raises(
        ValueError, match=r"x.parquet: expected a column of numbers as the expression, got 'seq"
    ):
        data.load()


def test_files_of_other_columns_or_kinds(tmp_path):
    write(tmp_path / "a.parquet")
    write(tmp_path / "b.parquet", pa.table({"sequence": ["A"], "level": [1.0]}))
    with pytest.raises(ValueError, match=r"b.parquet: expected one column named 'expression'"):
        open_dataset(tmp_path)
    (tmp_path / "b.parquet").write_text("ACGT\t1\n")
    with pytest.raises(ValueError, match=r"b.parquet: expected a Parquet file, as its name says"):
        open_dataset(tmp_path)
    (tmp_path / "c.tsv").write_text("ACGT\t1\n")
    with pytest.raises(ValueError, match=r"c.tsv: expected Parquet as in .*a.parquet, got table"):
        open_dataset([tmp_path / "a.parquet", tmp_path / "c.tsv"])


def test_a_flipped_bit_is_noticed_by_the_checksum(tmp_path):
    texts = ["ACGT" * 20] * 50
    table = pa.table({"sequence": texts, "expression": np.arange(50.0)})
    path = write(tmp_path / "x.parquet", table, compression="none", use_dictionary=False)
    content = bytearray(path.read_bytes())
    # Changes a base in the value of the first row, which follows its length. The copy of the value
    # in the statistics is not changed: no checksum covers it.
    value = content.index((80).to_bytes(4, "little") + texts[0].encode())
    content[value + 4 + 62] ^= ord("G") ^ ord("T")
    path.write_bytes(content)
    data = open_dataset(path, length=80)
    for read in (data.load, lambda: list(data.blocks()), lambda: data.read_group(0)):
        with pytest.raises(ValueError, match=r"x.parquet: row group 0: cannot be read \(.*CRC"):
            read()
    assert len(data.read_group(1)[0]) == 4


def test_files_that_are_cut_changed_or_gone(tmp_path):
    path = write(tmp_path / "x.parquet")
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    with pytest.raises(ValueError, match=r"x.parquet: cannot be read .*; is the file complete\?"):
        open_dataset(path)
    path.write_bytes(content)
    data = open_dataset(path, length=4)
    path.write_bytes(content + b"more")
    with pytest.raises(ValueError, match=r"x.parquet: expected \d+ bytes as when it was opened"):
        data.read_group(0)
    path.unlink()
    for read in (data.load, lambda: data.read_group(0), data.fingerprint):
        with pytest.raises(FileNotFoundError, match=r"x.parquet: no such file"):
            read()


def test_more_rows_than_the_memory_holds(tmp_path, monkeypatch):
    monkeypatch.setattr("cisreg.data.feeding.loading.host_memory", lambda: 1 << 28)
    data = open_dataset(write(tmp_path / "x.parquet"), length=1 << 28)
    with pytest.raises(ValueError, match=r"x.parquet: expected rows that fit into .* stream them"):
        data.load()


def test_empty_files_among_others(tmp_path):
    columns = {"sequence": pa.array([], pa.string()), "expression": pa.array([], pa.float32())}
    write(tmp_path / "a.parquet", pa.table(columns))
    write(tmp_path / "b.parquet")
    data = open_dataset(tmp_path)
    assert len(data.load()) == 4
    with pytest.raises(ValueError, match=r"a.parquet: expected rows .*, got none; there are no"):
        open_dataset(tmp_path / "a.parquet").load()


def test_why_no_row_is_left_is_said_whether_or_not_the_length_is_known(tmp_path):
    path = write(tmp_path / "x.parquet", pa.table({"sequence": ["!", ""], "expression": [1, 2]}))
    for length in (None, 4):
        with pytest.raises(ValueError, match=r"got none; 1 with an empty .*; 1 with letters"):
            open_dataset(path, length=length).load()


def manifest_of(folder, order="kept", longest=9, columns=None):
    files = []
    for path in sorted(folder.glob("*.parquet"), reverse=True):
        content = path.read_bytes()
        rows = pq.read_metadata(path).num_rows
        digest = hashlib.sha256(content).hexdigest()
        files.append(ManifestFile(path.name, rows, len(content), digest))
    columns = columns or Columns("sequence", ("expression",))
    rows = sum(file.rows for file in files)
    write_manifest(folder, Manifest(rows, order, longest, 1, columns, tuple(files)))


def test_a_folder_with_a_manifest(tmp_path):
    write(tmp_path / "a.parquet", pa.table({"dna": ["AC"], "level": [1.0], "expression": [5.0]}))
    write(tmp_path / "b.parquet", pa.table({"dna": ["GG"], "level": [2.0], "expression": [6.0]}))
    manifest_of(tmp_path, columns=Columns("dna", ("level",)))
    write(tmp_path / "c.parquet")
    data = open_dataset(tmp_path)
    assert data.known_length == 9
    # In the order of the manifest, and only the files that it lists.
    assert kept(data) == [("GG", 2.0), ("AC", 1.0)]
    assert data.load().sequence.shape == (2, 9)
    assert kept(open_dataset(tmp_path, columns=Columns("dna", ("expression",)))) == [
        ("GG", 6.0),
        ("AC", 5.0),
    ]
    assert open_dataset([tmp_path]).manifest == data.manifest
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"a.parquet: no such file, but manifest.json has"):
        open_dataset(tmp_path)


def test_the_fingerprint_is_of_the_content(tmp_path):
    path = write(tmp_path / "x.parquet")
    first = open_dataset(path).fingerprint()
    assert open_dataset(path).fingerprint() == first
    assert re.fullmatch("[0-9a-f]{64}", first)
    table = pa.table({"sequence": TEXTS, "expression": [*NUMBERS[:-1], 11.0]})
    write(path, table)
    assert open_dataset(path).fingerprint() != first
    write(path)
    assert open_dataset(path).fingerprint() == first
    manifest_of(tmp_path)
    of_manifest = open_dataset(tmp_path).fingerprint()
    write(path, table)
    manifest_of(tmp_path)
    assert open_dataset(tmp_path).fingerprint() != of_manifest


@pytest.mark.parametrize("manifest", [False, True])
def test_the_fingerprint_is_of_what_is_read(tmp_path, manifest):
    columns = {"sequence": ["AC", "GT"], "a": [1.0, 2.0], "b": [3.0, 4.0], "weight": [1.0, 2.0]}
    write(tmp_path / "x.parquet", pa.table(columns | {"other": ["GG", "TT"]}))
    if manifest:
        manifest_of(tmp_path)

    def fingerprint(side="left", weight="weight", **asked):
        columns = Columns(weight=weight, **asked)
        return open_dataset(tmp_path, columns=columns, side=side).fingerprint()

    first = fingerprint(expression="a")
    assert fingerprint(expression=("a",), extra=("b",)) == first
    different = [
        fingerprint(expression="b"),
        fingerprint(expression=("a", "b")),
        fingerprint(expression=("b", "a")),
        fingerprint(expression="a", weight=False),
        fingerprint(expression="a", sequence="other"),
        fingerprint(expression="a", side="right"),
    ]
    assert len({first, *different}) == 7


def test_read_dataset_is_strict(tmp_path):
    path = write(tmp_path / "x.parquet", pa.table({"sequence": ["AC", "G"], "level": [1.0, 2.0]}))
    assert read_dataset(path).expression.tolist() == [1.0, 2.0]
    assert read_dataset(tmp_path, 1, side="right").sequence.tolist() == [[0], [2]]
    assert read_dataset(path, columns=Columns(expression="level")).expression.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match=r"x.parquet, row 2: expected a sequence, got none"):
        read_dataset(write(path))
