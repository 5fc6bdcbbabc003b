"""Reading .pkdm files, folders and lists, and the error messages."""

from __future__ import annotations

import numpy as np
import pytest

from cisreg.motifs import read_motifs, read_pkdm

ROWS = {"A": "-1\t2\t0.5", "T": "2\t2\t1", "G": "1\t2\t3", "C": "0\t-2\t7"}


def write_pkdm(path, order="ATGC", **changes):
    rows = {**ROWS, **changes}
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{base}\t{rows[base]}\n" for base in order))
    return path


@pytest.mark.parametrize("order", ["ATGC", "ACGT", "TGAC"])
def test_pkdm_rows_are_taken_by_their_label(tmp_path, order):
    read = read_pkdm(write_pkdm(tmp_path / "a.pkdm", order))
    np.testing.assert_array_equal(read, [[-1, 0, 1, 2], [2, -2, 2, 2], [0.5, 7, 3, 1]])


def test_pkdm_skips_comments_and_blank_lines_and_takes_dos_line_ends(tmp_path):
    path = write_pkdm(tmp_path / "a.pkdm")
    expected = read_pkdm(path)
    path.write_bytes(b"# a motif\r\n\r\n" + path.read_bytes().replace(b"\n", b"\r\n"))
    np.testing.assert_array_equal(read_pkdm(path), expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A\t1\nC\t1\nG\t1\nX\t1\n", "a.pkdm:4: expected a row that begins with A, C, G or T.*'X'"),
        ("A\t1\nAC\t1\n", "a.pkdm:2: expected a row that begins with.*'AC'"),
        ("A\t1\nC\t1\nC\t1\nT\t1\n", "a.pkdm:3: expected one row per base, got C again"),
        ("# x\nA\t1\t2\nC\t1\n", "a.pkdm:3: expected 2 numbers after C, got 1"),
        ("A\nC\n", "a.pkdm:1: expected 1 or more numbers after A, got 0"),
        ("A\t1\tx\n", "a.pkdm:1: expected a finite number in column 3, got 'x'"),
        ("A\tnan\n", "a.pkdm:1: expected a finite number in column 2, got 'nan'"),
        ("A\t-inf\n", "a.pkdm:1: expected a finite number"),
        ("A\t1e39\n", "a.pkdm:1: expected a finite number"),
        ("A\t1\nG\t1\n", "a.pkdm: expected four rows.*none for C, T"),
        ("", "a.pkdm: expected four rows.*none for A, C, G, T"),
        ("\x00\xff\n", "a.pkdm:1: expected a row that begins with"),
    ],
)
def test_pkdm_errors_point_at_the_line(tmp_path, text, message):
    path = tmp_path / "a.pkdm"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=message):
        read_pkdm(path)


@pytest.fixture
def folder(tmp_path):
    for name, first in (("b", "1\t1\t1"), ("a", "2\t2\t2"), ("c", "3\t3\t3")):
        write_pkdm(tmp_path / "motifs" / f"{name}.pkdm", A=first)
    (tmp_path / "motifs" / "README.md").write_text("not a motif")
    return tmp_path / "motifs"


def test_one_file_a_folder_and_a_list_of_paths(folder):
    assert read_motifs(folder / "b.pkdm").names == ("b",)
    assert read_motifs(folder).names == ("a", "b", "c")
    motifs = read_motifs([folder / "c.pkdm", str(folder / "a.pkdm")], width=5)
    assert motifs.names == ("c", "a")
    assert motifs.log_kd.shape == (5, 4, 2)
    assert motifs.log_kd[1, 0].tolist() == [3, 2]


def test_list_file_is_relative_to_its_folder_and_reads_the_first_column(folder):
    listed = folder.parent / "log_concentration.tsv"
    listed.write_text("# name\tvalue\nmotifs/c.pkdm\t-3\n\nmotifs/a.pkdm\t-2\n")
    assert read_motifs(listed).names == ("c", "a")
    listed.write_text(f"{folder / 'b.pkdm'}\n")
    assert read_motifs(str(listed)).names == ("b",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("motifs/a.pkdm", "list.txt:2: expected each motif file once, got '.*' again after .*:1"),
        ("motifs/README.md", "list.txt:2: expected the path of a motif file, .* of none of the"),
    ],
)
def test_list_file_errors_point_at_the_line(folder, line, message):
    listed = folder.parent / "list.txt"
    listed.write_text(f"motifs/a.pkdm\n{line}\n")
    with pytest.raises(ValueError, match=message):
        read_motifs(listed)


def test_a_list_may_be_relative_to_the_working_folder(folder, monkeypatch):
    """As in CisRegModels; a file next to the list comes first."""
    (folder.parent / "lists").mkdir()
    listed = folder.parent / "lists" / "list.txt"
    listed.write_text("motifs/c.pkdm\nmotifs/a.pkdm\t-2\n")
    with pytest.raises(FileNotFoundError, match="expected motifs, but neither"):
        read_motifs(listed)
    monkeypatch.chdir(folder.parent)
    assert read_motifs(listed).names == ("c", "a")
    assert read_motifs("lists/list.txt", width=3).log_kd[0, 0].tolist() == [3, 2]
    write_pkdm(listed.parent / "motifs" / "a.pkdm", A="7\t7\t7")
    assert read_motifs(listed, width=3).log_kd[0, 0].tolist() == [3, 7]


def test_both_places_of_a_missing_file_are_named(folder, monkeypatch):
    monkeypatch.chdir(folder)
    listed = folder.parent / "list.txt"
    listed.write_text("b.pkdm\nx/z.pkdm\n")
    expected = (
        rf"list.txt:2: expected motifs, but neither '{folder.parent}/x/z.pkdm' nor 'x/z.pkdm'"
    )
    with pytest.raises(FileNotFoundError, match=expected):
        read_motifs(listed)


@pytest.mark.parametrize("name", [".a.pkdm", "._a.pkdm", ".#a.pkdm"])
def test_hidden_files_are_no_motifs_and_are_named(folder, name, caplog):
    (folder / name).write_bytes(b"\x00\x05\x16\x07")
    (folder / ".DS_Store").write_bytes(b"\x00")
    for backup in ("a.pkdm~", "#a.pkdm#", "a.pkdm.bak", "a.pkdm.swp"):
        (folder / backup).write_text("a backup")
    assert read_motifs(folder).names == ("a", "b", "c")
    assert f"motifs: hidden files are no motifs: {name}\n" in caplog.text
    with pytest.raises(ValueError, match="expected a row that begins with A"):
        read_motifs(folder / name)


def test_a_folder_of_hidden_files_alone_has_no_motif(tmp_path):
    write_pkdm(tmp_path / ".a.pkdm")
    with pytest.raises(ValueError, match=r"expected motif files or a list of them, got none"):
        read_motifs(tmp_path)


def test_missing_files_are_named(folder):
    listed = folder.parent / "list.txt"
    listed.write_text("motifs/a.pkdm\nmotifs/z.pkdm\n")
    with pytest.raises(FileNotFoundError, match=r"list.txt:2: expected motifs, but .*z.pkdm"):
        read_motifs(listed)
    with pytest.raises(FileNotFoundError, match=r"source: expected motifs, but .*nowhere"):
        read_motifs(folder / "nowhere")


def test_sources_without_motifs_are_refused(tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("# nothing\n")
    with pytest.raises(ValueError, match=r"expected motifs or a list of .* got an empty file"):
        read_motifs(empty)
    for source in (tmp_path, []):
        with pytest.raises(ValueError, match="expected motif files or a list of them, got none"):
            read_motifs(source)


def test_equal_names_in_different_folders_are_refused(folder, tmp_path):
    other = write_pkdm(tmp_path / "other" / "a.pkdm")
    with pytest.raises(ValueError, match="names: expected distinct names, got 'a' twice"):
        read_motifs([folder / "a.pkdm", other])


def test_a_list_that_is_no_text_is_not_shown_whole(tmp_path):
    path = tmp_path / "motifs.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0\x00\x00\x00" + b"x" * 500)
    with pytest.raises(ValueError, match="expected text, got bytes of another kind") as error:
        read_motifs(path)
    assert len(str(error.value)) < 300 + len(str(path))


def test_a_folder_among_several_paths_is_called_one(tmp_path):
    write_pkdm(tmp_path / "a.pkdm")
    with pytest.raises(
        IsADirectoryError, match="expected the path of a motif file, got the folder"
    ):
        read_motifs([tmp_path])


@pytest.mark.parametrize("source", [None, 3, [None], b"a.pkdm"])
def test_what_is_no_path_is_refused(source):
    with pytest.raises(TypeError, match="source: expected the path of a motif file"):
        read_motifs(source)
