"""Files, folders and lists of several formats; names, kinds, conventions and widths."""

from __future__ import annotations

import gzip
import logging
import math

import numpy as np
import pytest

from cisreg.motifs import MotifSet, read_motifs, write_motifs

PKDM = "A\t-1\t2\nC\t1\t2\nG\t1\t2\nT\t1\t-2\n"
MEME = "MEME version 4\nMOTIF {}\nletter-probability matrix:\n0.7 0.1 0.1 0.1\n"
JASPAR = ">{}\nA [7]\nC [1]\nG [1]\nT [1]\n"
PROBABILITIES = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4]])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "c.pkdm").write_text(PKDM)
    (tmp_path / "a.meme").write_text(MEME.format("Abf1") + MEME.format("Rap1").partition("\n")[2])
    (tmp_path / "b.JASPAR.gz").write_bytes(gzip.compress(JASPAR.format("MA0009.1 T").encode()))
    return tmp_path


def test_a_folder_of_several_formats(folder, caplog):
    caplog.set_level(logging.DEBUG, "cisreg.motifs")
    motifs = read_motifs(folder)
    assert motifs.names == ("Abf1", "Rap1", "T", "c")
    assert [each.kind for each in motifs.details] == ["probabilities"] * 2 + ["counts", "log_kd"]
    assert [each.convention for each in motifs.details] == ["natural"] * 3 + ["pkdm"]
    sources = [str(each.source).removeprefix(f"{folder}/") for each in motifs.details]
    assert sources == ["a.meme:2", "a.meme:5", "b.JASPAR.gz:1", "c.pkdm"]
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "2 motifs of MEME: probabilities; log Kd is ln(background / p) (convention 'natural'), "
        "background A 0.25, C 0.25, G 0.25, T 0.25, pseudocount 0.001 added to each probability",
        "1 motif of JASPAR: counts; log Kd is ln(background / p) (convention 'natural'), "
        "background A 0.25, C 0.25, G 0.25, T 0.25, pseudocount 0.001 added to each probability",
        "1 motif of .pkdm: log Kd in nats, taken as it is (convention 'pkdm')",
    ]
    assert motifs.width == 2 and motifs.widths.tolist() == [1, 1, 1, 2]


def test_lists_of_several_formats(folder, monkeypatch):
    listed = folder / "list.txt"
    listed.write_text("c.pkdm\t-3\nb.JASPAR.gz\n# a comment\na.meme\n")
    assert read_motifs(listed).names == ("c", "T", "Abf1", "Rap1")
    monkeypatch.chdir(folder)
    assert read_motifs(["b.JASPAR.gz", folder / "c.pkdm"]).names == ("T", "c")


@pytest.mark.parametrize("name", ["a.PKDM", "a.pkdm.gz", "a.Pkdm.GZ", "a.pkdm.zst"])
@pytest.mark.parametrize("text", [PKDM, PKDM.lower(), PKDM.replace("T", "U")])
def test_pkdm_in_any_case_and_compressed(tmp_path, name, text):
    content = gzip.compress(text.encode()) if "g" in name.lower()[5:] else text.encode()
    (tmp_path / name).write_bytes(content)
    motifs = read_motifs(tmp_path)
    assert motifs.names == ("a",) and motifs.strongest_site() == ("AT",)
    assert motifs.details[0].convention == "pkdm"


def test_our_own_folders_come_back(tmp_path):
    motifs = MotifSet.from_probabilities(
        ["{", "x", ">a b", "MOTIF", "A 1"], [PROBABILITIES[:1]] * 2 + [PROBABILITIES] * 3, width=4
    )
    listed = write_motifs(tmp_path / "written", motifs)
    for source in (listed, tmp_path / "written"):
        read = read_motifs(source, width=4)[list(motifs.names)]
        np.testing.assert_array_equal(read.log_kd, motifs.log_kd)


def test_equal_names_get_accessions_where_there_are_some(tmp_path, caplog):
    caplog.set_level(logging.INFO, "cisreg.motifs")
    path = tmp_path / "a"
    path.write_text("".join(JASPAR.format(name) for name in ("MA0009.1 T", "MA0010.1 T", "X")))
    assert read_motifs(path).names == ("T_MA0009.1", "T_MA0010.1", "X")
    assert "2 of 3 motifs have the name of another one, and get their accession" in caplog.text
    path.write_text(JASPAR.format("MA0009.1 T") * 2)
    with pytest.raises(ValueError, match=r"got 'T_MA0009.1' twice, in .*a:1 and in .*a:6"):
        read_motifs(path)


def write_rows(path, matrix, head=""):
    rows = zip("ACGT", np.asarray(matrix).T.tolist(), strict=True)
    path.write_text(head + "".join(f"{base} {' '.join(map(str, row))}\n" for base, row in rows))
    return path


@pytest.mark.parametrize(("unit", "log"), [("bits", np.log2), ("nats", np.log)])
def test_numbers_tell_log_odds_and_log_kd(tmp_path, caplog, unit, log):
    caplog.set_level(logging.DEBUG, "cisreg.motifs")
    odds = log(4 * PROBABILITIES).round(4)
    expected = -np.log(4 * PROBABILITIES)
    path = write_rows(tmp_path / "a.pwm", odds)
    np.testing.assert_allclose(read_motifs(path).matrices()[0], expected, atol=1e-4)
    assert f"table: log odds in {unit}; log Kd is -ln(odds)" in caplog.text
    bits = read_motifs(path, convention="pkdm").matrices()[0]
    np.testing.assert_allclose(bits, expected / math.log(2), atol=2e-4)
    # Log Kd is never changed; the base of its logarithms tells the convention.
    kd = read_motifs(write_rows(path, -odds), convention=None)
    np.testing.assert_array_equal(kd.matrices()[0], -odds.astype(np.float32))
    assert kd.details[0].convention == {"bits": "pkdm", "nats": "natural"}[unit]
    np.testing.assert_allclose(kd.probabilities()[0], PROBABILITIES, atol=1e-4)


def test_the_kind_that_is_asked_for_wins_unless_it_is_impossible(tmp_path):
    energies = [[0, 2.1, 3, 3.5], [1, 0, 2, 2]]
    path = write_rows(tmp_path / "a.txt", energies)
    with pytest.raises(ValueError, match=r"a.txt:1: .* counts .* is TG\) or log Kd .* is AC\)"):
        read_motifs(path)
    assert read_motifs(path, kind="counts").strongest_site() == ("TG",)
    assert read_motifs(path, kind="log_kd").matrices()[0].tolist() == np.float32(energies).tolist()
    with pytest.raises(ValueError, match=r"a.txt:1: expected log odds, which are below 0"):
        read_motifs(path, kind="log_odds")
    with pytest.raises(ValueError, match=r"a.txt:1: probabilities: expected .* that sum to 1"):
        read_motifs(path, kind="probabilities")
    write_rows(path, energies, head="# log Kd\n")
    assert read_motifs(path).details[0].kind == "log_kd"
    with pytest.raises(ValueError, match=r"kind: expected log_kd, which this file says .* counts"):
        read_motifs(path, kind="counts")
    trained = [[-1, 2, 2.5, 3], [1, -2, 2, 2]]
    write_rows(path, trained)
    assert read_motifs(path, kind="log_kd").strongest_site() == ("AC",)
    assert read_motifs(path, kind="log_odds").strongest_site() == ("TG",)


def test_one_unclear_matrix_is_what_the_rest_of_the_file_is(tmp_path):
    odds = np.log2(4 * PROBABILITIES).round(3)
    text = ""
    for name, matrix in (("clear", odds), ("unclear", odds - 0.3)):
        text += f">{name}\n" + write_rows(tmp_path / "x", matrix).read_text()
    (tmp_path / "x").write_text(text)
    motifs = read_motifs(tmp_path / "x")
    np.testing.assert_allclose(motifs.matrices()[1], -math.log(2) * (odds - 0.3), rtol=1e-6)


def test_nothing_is_cut_without_a_word(tmp_path, caplog):
    wide = np.tile(PROBABILITIES, (20, 1))
    path = write_rows(tmp_path / "a", wide)
    assert read_motifs(path).width == 40 and not caplog.text
    assert read_motifs(path, width=30).width == 30
    assert "1 of 1 motifs are wider than 30 columns and were trimmed (a width of 40" in caplog.text
    assert read_motifs(path, width=50).widths.tolist() == [40]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "pwm"}, "kind: expected"),
        ({"convention": "bits"}, "convention: expected"),
        ({"pseudocount": -1}, "pseudocount: expected"),
        ({"background": [1, 1, 1, 1]}, "background: expected"),
        ({"background": "file"}, "background: expected a file that states one"),
        ({"width": 0}, "width: expected 1 or more"),
    ],
)
def test_options_that_are_none(folder, options, message):
    with pytest.raises(ValueError, match=message):
        read_motifs(folder / "b.JASPAR.gz", **options)
