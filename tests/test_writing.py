"""Tables written in batches and read back."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from cisreg.writing import ENDINGS, open_table

ROWS = {"name": pa.array(["a", "b"]), "number": np.array([1 / 3, -2e-20], np.float32)}


def read(path: Path) -> tuple[list[str], list[float]]:
    if path.suffix == ".parquet":
        table = pyarrow.parquet.read_table(path)
        return table["name"].to_pylist(), table["number"].to_pylist()
    content = path.read_bytes()
    text = gzip.decompress(content).decode() if path.suffix == ".gz" else content.decode()
    delimiter = "," if ".csv" in path.name else "\t"
    header, *lines = [line.split(delimiter) for line in text.splitlines()]
    assert header == ["name", "number"]
    return [line[0] for line in lines], [float(line[1]) for line in lines]


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_written_in_batches_is_read_back_to_the_last_bit(tmp_path, ending):
    path = tmp_path / f"table{ending}"
    with open_table(path) as write:
        write(ROWS)
        write(ROWS)
    names, numbers = read(path)
    assert names == ["a", "b"] * 2
    assert np.array(numbers, np.float32).tobytes() == np.tile(ROWS["number"], 2).tobytes()
    assert list(tmp_path.iterdir()) == [path]


def test_compressed_tables_hold_neither_a_name_nor_a_time(tmp_path):
    with open_table(tmp_path / "table.tsv.gz") as write:
        write(ROWS)
    header = (tmp_path / "table.tsv.gz").read_bytes()[:8]
    assert header == b"\x1f\x8b\x08\x00" + bytes(4)  # no flags: a name would set one


@pytest.mark.parametrize("ending", [".tsv.gz", ".parquet"])
def test_an_error_leaves_the_old_file(tmp_path, ending):
    path = tmp_path / f"table{ending}"
    path.write_text("old")
    with pytest.raises(RuntimeError), open_table(path, overwrite=True) as write:
        write(ROWS)
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_bad_names_and_empty_tables_are_errors(tmp_path):
    with pytest.raises(ValueError, match=r"table\.xlsx: expected a name that ends in \.tsv"):
        open_table(tmp_path / "table.xlsx").__enter__()
    with pytest.raises(ValueError, match="expected rows"), open_table(tmp_path / "table.tsv"):
        pass
    assert not list(tmp_path.iterdir())
