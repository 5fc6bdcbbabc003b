"""Writing .pkdm files and folders: every bit is read back, and none is left half written."""

from __future__ import annotations

import os
import stat
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from shared_data import shared_data

from cisreg.files import give_new_name
from cisreg.motifs import (
    MotifSet,
    demo_motifs,
    read_motif_values,
    read_motifs,
    read_pkdm,
    write_motifs,
    write_pkdm,
)
from cisreg.motifs.pkdm import pkdm_text

FLOAT32_MAX = float(np.finfo(np.float32).max)


@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.just(4)),
        elements=st.floats(-FLOAT32_MAX, FLOAT32_MAX),
    )
)
def test_every_bit_of_a_matrix_comes_back(tmp_path_factory, matrix):
    path = tmp_path_factory.getbasetemp() / "bits.pkdm"
    write_pkdm(path, matrix, overwrite=True)
    read = read_pkdm(path)
    np.testing.assert_array_equal(read.view(np.uint64), matrix.view(np.uint64))


def test_the_text_is_that_of_the_format(tmp_path):
    write_pkdm(tmp_path / "a.pkdm", [[-1, 0, 1, 2], [2, -2, 0.1, 1e-9]])
    text = "A\t-1.0\t2.0\nC\t0.0\t-2.0\nG\t1.0\t0.1\nT\t2.0\t1e-09\n"
    assert (tmp_path / "a.pkdm").read_bytes() == text.encode()


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((4, 3)), r"log_kd: expected shape \[width, 4\]"),
        (np.zeros(4), r"log_kd: expected one motif.*got \[4\]"),
        ([[np.nan, 0, 0, 0]], "log_kd: expected finite numbers"),
        ([[0, 0, -1e39, 0]], r"log_kd: expected numbers that are finite as float32.*1e\+39"),
    ],
)
def test_what_cannot_be_read_is_not_written(tmp_path, matrix, message):
    path = tmp_path / "a.pkdm"
    path.write_text("before")
    with pytest.raises(ValueError, match=message):
        write_pkdm(path, matrix)
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pkdm"]


def assert_same(one: MotifSet, other: MotifSet) -> None:
    assert one.names == other.names
    np.testing.assert_array_equal(one.log_kd, other.log_kd)
    np.testing.assert_array_equal(one.first_column, other.first_column)
    np.testing.assert_array_equal(one.widths, other.widths)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 99))
def test_a_set_comes_back_in_its_order(tmp_path_factory, widths, seed):
    random = np.random.default_rng(seed)
    matrices = [random.normal(0, 3, (width, 4)) for width in widths]
    names = [f"m {number}.pkdm" for number in random.permutation(len(widths))]
    motifs = MotifSet.from_matrices(names, matrices, width=10)
    listed = write_motifs(tmp_path_factory.mktemp("set") / "motifs", motifs)
    assert_same(read_motifs(listed, width=10), motifs)


def test_the_example_motifs_come_back(tmp_path):
    motifs = read_motifs(shared_data("gpra_example") / "motif_list.txt")
    assert_same(read_motifs(write_motifs(tmp_path / "motifs", motifs)), motifs)
    assert len(read_motifs(tmp_path / "motifs")) == 245


def test_files_of_the_folder(tmp_path):
    motifs = demo_motifs()[["Rap1", "Abf1"]]
    (tmp_path / "a" / "b").mkdir(parents=True)
    for folder in ("a/b", "new/er"):
        listed = write_motifs(tmp_path / folder, motifs)
        assert listed == tmp_path / folder / "motif_list.txt"
        assert listed.read_bytes() == b"Rap1.pkdm\nAbf1.pkdm\n"
        names = sorted(path.name for path in listed.parent.iterdir())
        assert names == ["Abf1.pkdm", "Rap1.pkdm", "motif_list.txt"]
        assert len(list(listed.parent.parent.iterdir())) == 1


@pytest.mark.parametrize("name", ["motifs", "motifs/kept"])
def test_what_is_there_stays(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("before")
    with pytest.raises(FileExistsError, match="motifs: expected a new or an empty folder"):
        write_motifs(tmp_path / "motifs", demo_motifs())
    assert (tmp_path / name).read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["motifs"]


def test_a_failure_leaves_no_folder(tmp_path, monkeypatch):
    written = []

    def fail_at_the_third(path, log_kd, *, name):
        if len(written) == 2:
            raise OSError("no space left")
        written.append(path)
        path.write_text(pkdm_text(log_kd))

    monkeypatch.setattr("cisreg.motifs.writing.write_pkdm", fail_at_the_third)
    with pytest.raises(OSError, match="no space left"):
        write_motifs(tmp_path / "motifs", demo_motifs())
    assert len(written) == 2
    assert list(tmp_path.iterdir()) == []


def test_what_lies_beside_is_neither_in_the_way_nor_touched(tmp_path):
    (tmp_path / "motifs.partial").mkdir()
    (tmp_path / "motifs.partial" / "old.pkdm").write_text("half of")
    motifs = demo_motifs()["Reb1"]
    write_motifs(tmp_path / "motifs", motifs)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["motifs", "motifs.partial"]
    assert (tmp_path / "motifs.partial" / "old.pkdm").read_text() == "half of"
    assert read_motifs(tmp_path / "motifs").names == ("Reb1",)


LONG = ("x" * 300, "x" * 299 + "y", "é/" * 200, "a\tb" * 100)


def test_names_that_no_file_name_can_hold_come_back(tmp_path):
    names = (*LONG, "Abf1", "ABF1", "abf1", "straße", "STRASSE", "cafe\u0301", "caf\u00e9")
    names += ("like~0123456789abcdef", "Abf1~0123456789abcdef")
    # Characters that Python does not call printable, although they may be in names.
    names += ("no\u00a0break", "joined\u200d", "soft\u00adhyphen", "private\ue000", "new\U0001fbff")
    random = np.random.default_rng(0)
    motifs = MotifSet.from_matrices(names, random.normal(0, 3, (len(names), 3, 4)), width=3)
    listed = write_motifs(tmp_path / "motifs", motifs)
    assert_same(read_motifs(listed, width=3), motifs)
    assert set(read_motifs(tmp_path / "motifs").names) == set(names)
    written = [path.name for path in (tmp_path / "motifs").iterdir()]
    # No two are one file for a system that ignores case, and the writer's endings fit behind them.
    assert len({unicodedata.normalize("NFC", name.casefold()) for name in written}) == len(written)
    assert max(len(name.encode()) for name in written) <= 255 - len(".0123456789abcdef.partial")
    assert {"Abf1.pkdm", "straße.pkdm"} <= set(written)
    # The paths of these files stand for the names in a file of values, too.
    values = tmp_path / "values.tsv"
    paths = listed.read_text().splitlines()
    values.write_text("".join(f"{path}\t{row}\n" for row, path in enumerate(paths)))
    assert read_motif_values(values, names).tolist() == list(range(len(names)))


@pytest.mark.parametrize("comment", ["", "# name: another\n", "# name: \n"])
def test_a_file_that_only_looks_cut_is_named_after_itself(tmp_path, comment):
    path = tmp_path / "Abf1~0123456789abcdef.pkdm"
    path.write_text(comment + pkdm_text([[-1, 0, 1, 2]]))
    assert read_motifs(path).names == ("Abf1~0123456789abcdef",)


def test_the_log_says_that_motifs_will_be_centred(tmp_path, caplog):
    motifs = MotifSet(("a", "b"), np.ones((2, 4, 2)) * [[[1, 0]], [[0, 1]]], [0, 1], [1, 1])
    listed = write_motifs(tmp_path / "motifs", motifs)
    assert "1 of 2 motifs are not centred" in caplog.text
    assert read_motifs(listed, width=2).first_column.tolist() == [0, 0]


def test_an_empty_folder_reached_through_a_link_is_filled(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "motifs").symlink_to("disk")
    listed = write_motifs(tmp_path / "motifs", demo_motifs()["Reb1"])
    assert listed == tmp_path / "motifs" / "motif_list.txt"
    assert (tmp_path / "motifs").is_symlink()
    assert read_motifs(tmp_path / "disk").names == ("Reb1",)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "motifs"]


def test_an_empty_folder_stays_the_same(tmp_path, monkeypatch):
    """It may be a mount, shared by a group, or the current folder."""
    folder = tmp_path / "motifs"
    folder.mkdir()
    folder.chmod(0o2775)
    before = folder.stat()
    monkeypatch.chdir(folder)
    listed = write_motifs(".", demo_motifs()["Reb1"])
    after = folder.stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert read_motifs(listed).names == ("Reb1",)
    assert sorted(path.name for path in folder.iterdir()) == ["Reb1.pkdm", "motif_list.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["motifs"]


@pytest.mark.parametrize("when", ["before", "between"])
def test_an_empty_folder_that_is_filled_meanwhile_keeps_what_it_gets(tmp_path, monkeypatch, when):
    def write(path, log_kd, **options):
        if when == "before":
            (tmp_path / "theirs").write_text("theirs")
        path.write_text(pkdm_text(log_kd))

    def give(made, path):
        if path.name == "motif_list.txt":
            (tmp_path / "theirs").write_text("theirs")
            return False
        return give_new_name(made, path)

    monkeypatch.setattr("cisreg.motifs.writing.write_pkdm", write)
    monkeypatch.setattr("cisreg.motifs.writing.give_new_name", give)
    with pytest.raises(FileExistsError, match="filled meanwhile"):
        write_motifs(tmp_path, demo_motifs())
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


@pytest.mark.parametrize("other", ["a file in it", "a file", "a link"])
def test_a_folder_that_another_process_fills_meanwhile_stays(tmp_path, monkeypatch, other):
    folder = tmp_path / "motifs"

    def meanwhile(path, log_kd, **options):
        if not os.path.lexists(folder):
            if other == "a file in it":
                folder.mkdir()
                (folder / "theirs").write_text("theirs")
            elif other == "a file":
                folder.write_text("theirs")
            else:
                folder.symlink_to("elsewhere")
        path.write_text(pkdm_text(log_kd))

    monkeypatch.setattr("cisreg.motifs.writing.write_pkdm", meanwhile)
    with pytest.raises(FileExistsError, match="motifs: expected a new or an empty folder, but it"):
        write_motifs(folder, demo_motifs())
    assert [path.name for path in tmp_path.iterdir()] == ["motifs"]


def test_a_failure_removes_its_own_files_alone(tmp_path, monkeypatch):
    (tmp_path / "precious").write_text("precious")

    def fail(path, log_kd, **options):
        path.symlink_to(tmp_path / "precious")
        (path.parent / "theirs").write_text("theirs")
        raise OSError("no space left")

    monkeypatch.setattr("cisreg.motifs.writing.write_pkdm", fail)
    with pytest.raises(OSError, match="no space left"):
        write_motifs(tmp_path / "motifs", demo_motifs())
    (left,) = tmp_path.glob("motifs.*.partial")
    assert [path.name for path in left.iterdir()] == ["theirs"]
    assert (tmp_path / "precious").read_text() == "precious"


def test_the_mode_of_the_folder_is_that_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        listed = write_motifs(tmp_path / "motifs", demo_motifs()["Reb1"])
    finally:
        os.umask(before)
    assert stat.S_IMODE(listed.parent.stat().st_mode) == 0o750
    assert stat.S_IMODE(listed.stat().st_mode) == 0o640
