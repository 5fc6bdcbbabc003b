"""Hits that wait in a temporary file."""

from __future__ import annotations

import pyarrow as pa
import pytest
from genome.hit_tables import P_VALUES, hits, random_hits

from cisreg.genome.hit_spill import spill_hits


def test_tables_come_back_in_their_order_from_beside_the_output(tmp_path):
    tables = [
        hits(p_value=P_VALUES),
        random_hits(0),
        random_hits(70_000),
        random_hits(3, 1, "chr9"),
    ]
    with spill_hits(tmp_path / "hits.bed") as spilled:
        for table in tables:
            spilled.write(table)
        (folder,) = tmp_path.iterdir()
        assert [each.name for each in folder.iterdir()] == ["hits.arrow"]
        read = [row for table in spilled.tables() for row in table.to_pylist()]
    assert read == [row for table in tables for row in table.to_pylist()]
    assert spilled.count == 70_008
    assert not list(tmp_path.iterdir())


def test_without_tables_there_are_none(tmp_path):
    with spill_hits(tmp_path / "hits.bed") as spilled:
        assert list(spilled.tables()) == []


def test_for_standard_output_it_lies_where_temporary_files_do(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with spill_hits("-") as spilled:
        spilled.write(hits())
        assert len(list(tmp_path.iterdir())) == 1
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path):
    with spill_hits(tmp_path / "hits.bed") as spilled:
        spilled._file.close()
        spilled._file = open("/dev/full", "wb", buffering=0)  # noqa: PTH123, SIM115
        with pytest.raises(OSError, match="No space left"):
            spilled.write(pa.concat_tables([random_hits(100_000)]))
