"""Motif files are read back to the digit, by cisreg and by Biopython."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisreg.motifs import (
    MotifDetails,
    MotifSet,
    counts_to_probabilities,
    demo_motifs,
    probabilities_to_log_kd,
    random_motifs,
    read_motifs,
    trim_motifs,
    write_motif_file,
)

FORMATS = ("meme", "jaspar", "transfac", "homer")
COUNTS = np.array([[4, 16, 0, 0], [19, 0, 1, 0], [0.5, 19.25, 0.25, 0], [7, 5, 5, 3]], float)


def of_kind(kind, matrices, **details):
    """A set of motifs that were read from files of counts or probabilities."""
    names = [f"m{number}" for number in range(len(matrices))]
    known = [
        MotifDetails(matrix=tuple(map(tuple, each.tolist())), kind=kind, **details)
        for each in matrices
    ]
    log_kd = [probabilities_to_log_kd(counts_to_probabilities(each)) for each in matrices]
    return MotifSet.from_matrices(names, log_kd, width=max(map(len, matrices)), details=known)


def by_biopython(path, format):
    """Names and matrices, float64 [width, 4]."""
    motifs = pytest.importorskip("Bio.motifs")
    with Path(path).open() as file:
        parsed = motifs.parse(file, {"meme": "minimal"}.get(format, format))
    return [np.array([each.counts[base] for base in "ACGT"]).T for each in parsed]


@pytest.mark.parametrize("format", ["jaspar", "transfac"])
def test_counts_keep_their_digits(tmp_path, format):
    path = tmp_path / f"a.{format}"
    motifs = of_kind("counts", [COUNTS, COUNTS[:2] * 1e5 / 3])
    write_motif_file(path, motifs)
    read = read_motifs(path)
    assert read.names == motifs.names
    assert [each.matrix for each in read.details] == [each.matrix for each in motifs.details]
    np.testing.assert_array_equal(read.log_kd, motifs.log_kd)
    for parsed, details in zip(by_biopython(path, format), motifs.details, strict=True):
        np.testing.assert_array_equal(parsed, details.matrix)


@pytest.mark.parametrize("format", ["meme", "homer"])
def test_probabilities_keep_their_digits(tmp_path, format):
    path = tmp_path / f"a.{format}"
    rounded = np.round(counts_to_probabilities(COUNTS), 6)
    motifs = of_kind("probabilities", [rounded, rounded[1:]], site_count=20.0, threshold=-3.5)
    write_motif_file(path, motifs)
    read = read_motifs(path)
    assert read.names == motifs.names
    assert [each.matrix for each in read.details] == [each.matrix for each in motifs.details]
    assert [each.site_count for each in read.details] == [20.0, 20.0]
    if format == "homer":
        assert [each.threshold for each in read.details] == [-3.5, -3.5]


@given(
    st.lists(
        st.lists(st.integers(0, 999), min_size=4, max_size=4).filter(any), min_size=1, max_size=12
    ),
    st.sampled_from(FORMATS),
)
def test_counts_give_the_same_probabilities_through_every_format(tmp_path_factory, counts, format):
    path = tmp_path_factory.mktemp("a") / f"a.{format}"
    motifs = of_kind("counts", [np.array(counts, float)])
    write_motif_file(path, motifs, threshold=0)
    (read,) = read_motifs(path).probabilities()
    np.testing.assert_allclose(read, motifs.probabilities()[0], rtol=1e-15)


@given(st.integers(1, 500), st.integers(3, 17), st.randoms(use_true_random=False))
def test_counts_come_back_from_rounded_probabilities(tmp_path_factory, sites, digits, random):
    """As from JASPAR's MEME files, which have six digits and the number of sites."""
    rows = []
    for _ in range(5):
        cuts = sorted(random.randint(0, sites) for _ in range(3))
        rows.append(np.diff([0, *cuts, sites]))
    counts = np.array(rows, float)
    path = tmp_path_factory.mktemp("a") / "a.jaspar"
    motifs = of_kind("probabilities", [np.round(counts / sites, digits)], site_count=float(sites))
    write_motif_file(path, motifs)
    (details,) = read_motifs(path).details
    if sites * 10.0**-digits < 0.5:
        np.testing.assert_array_equal(details.matrix, counts)
    else:
        np.testing.assert_allclose(details.matrix, counts, atol=sites * 10.0**-digits)


def test_a_product_of_unknown_counts_is_exact(tmp_path):
    path = tmp_path / "a.jaspar"
    motifs = of_kind("probabilities", [np.array([[0.123456, 0.376544, 0.1, 0.4]])])
    write_motif_file(path, motifs)
    assert path.read_text().split("[ ")[1:] == [
        *("12.3456 ]\nC  ", "37.6544 ]\nG  ", "     10 ]\nT  ", "     40 ]\n")
    ]
    write_motif_file(path, motifs, site_count=50, overwrite=True)
    assert "[  6.1728 ]" in path.read_text()


def test_what_is_assumed_is_said_in_the_log_and_in_the_file(tmp_path, caplog):
    motifs = of_kind("probabilities", [np.array([[0.1, 0.2, 0.3, 0.4]])])
    with caplog.at_level(logging.INFO, "cisreg.motifs"):
        write_motif_file(tmp_path / "a.transfac", motifs)
        write_motif_file(tmp_path / "a.meme", demo_motifs(), comments=["from the demo"])
    said = "is not known, are probabilities times 100"
    assert said in caplog.text and said in (tmp_path / "a.transfac").read_text()
    meme = (tmp_path / "a.meme").read_text()
    for said in ("probabilities of 16 motifs are computed from log Kd", "from the demo"):
        assert said in caplog.text and f"# {said}" in meme


def test_meme_states_the_background_that_all_motifs_share(tmp_path):
    background = (0.31, 0.19, 0.19, 0.31)
    motifs = of_kind("probabilities", [np.array([[0.1, 0.2, 0.3, 0.4]])], background=background)
    write_motif_file(tmp_path / "a.meme", motifs)
    assert "A 0.31 C 0.19 G 0.19 T 0.31" in (tmp_path / "a.meme").read_text()
    read = read_motifs(tmp_path / "a.meme", background="file")
    np.testing.assert_allclose(read.details[0].background, background)
    other = MotifSet.from_matrices(["b"], [np.zeros((1, 4))], width=1)
    write_motif_file(tmp_path / "b.meme", motifs.append(other))
    assert "A 0.25 C 0.25 G 0.25 T 0.25" in (tmp_path / "b.meme").read_text()


@pytest.mark.parametrize("format", FORMATS)
def test_accession_and_name_come_back(tmp_path, format):
    details = {"accession": "MA0271.1", "family": "MADS", "description": "yeast"}
    motifs = of_kind("counts", [COUNTS], **details)
    write_motif_file(tmp_path / "a", motifs, format=format, threshold=0)
    read = read_motifs(tmp_path / "a")
    assert read.names == ("m0",)
    if format != "homer":
        assert read.details[0].accession == "MA0271.1"
    if format == "transfac":
        assert (read.details[0].family, read.details[0].description) == ("MADS", "yeast")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "name", ["Sox2/Oct4", "EWSR1-FLI1", "ñandú", "a[b]", "$x$", "NKX2-5(var.2)"]
)
def test_names_come_back(tmp_path, format, name):
    motifs = MotifSet.from_matrices([name], random_motifs(1, width=6).matrices(), width=6)
    write_motif_file(tmp_path / "a", motifs, format=format, threshold=0)
    assert read_motifs(tmp_path / "a").names == (name,)


def test_blanks_in_names_are_kept_or_replaced_with_a_word(tmp_path, caplog):
    motifs = of_kind("counts", [COUNTS, COUNTS])
    blanks = MotifSet.from_matrices(
        ["Zfp 423", "b"], motifs.matrices(), width=4, details=motifs.details
    )
    write_motif_file(tmp_path / "a.transfac", blanks)
    assert read_motifs(tmp_path / "a.transfac").names == blanks.names
    with caplog.at_level(logging.INFO, "cisreg.motifs"):
        write_motif_file(tmp_path / "a.meme", blanks)
    assert "blanks in 1 name are _: 'Zfp 423'" in caplog.text
    assert read_motifs(tmp_path / "a.meme").names == ("Zfp_423", "b")
    equal = MotifSet.from_matrices(["a b", "a_b"], motifs.matrices(), width=4)
    with pytest.raises(ValueError, match=r"expected names that differ in more than blanks.*'a_b'"):
        write_motif_file(tmp_path / "b.jaspar", equal)


@pytest.mark.parametrize("format", FORMATS)
def test_motifs_without_counts_come_back_as_near_as_float32(tmp_path, format):
    motifs = random_motifs(3, width=9)
    write_motif_file(tmp_path / "a", motifs, format=format, threshold=0)
    for read, own in zip(
        read_motifs(tmp_path / "a").probabilities(), motifs.probabilities(), strict=True
    ):
        np.testing.assert_allclose(read, own, rtol=3e-7)


def test_homer_states_the_lowest_score_of_a_hit(tmp_path):
    motifs = demo_motifs()[:2]
    with pytest.raises(ValueError, match=r"expected a threshold of each motif .* such as 'Abf1'"):
        write_motif_file(tmp_path / "a.homer", motifs)
    assert not list(tmp_path.iterdir())
    write_motif_file(tmp_path / "a.homer", motifs, threshold=[-4.5, -6])
    lines = [each for each in (tmp_path / "a.homer").read_text().splitlines() if each[0] == ">"]
    assert lines == [">RTCRYNNNNNACG\tAbf1\t4.5", ">RTCACGTG\tCbf1\t6"]
    # Log Kd in units of log2 are log odds in bits; the file's are in nats.
    write_motif_file(tmp_path / "b.homer", motifs, threshold=-1, convention="pkdm")
    assert f"\tAbf1\t{math.log(2)!r}\n" in (tmp_path / "b.homer").read_text()


def test_pkdm_keeps_every_bit(tmp_path):
    motifs = random_motifs(2, width=7)
    write_motif_file(tmp_path / "a.pkdm", motifs[0])
    np.testing.assert_array_equal(read_motifs(tmp_path / "a.pkdm").log_kd, motifs[0].log_kd)
    text = "A\t-1.25\t0.1\nC\t0.1\t-2\nG\t1\t1\nT\t1\t1\n"
    (tmp_path / "b.pkdm").write_text(text)
    write_motif_file(tmp_path / "c.pkdm", read_motifs(tmp_path / "b.pkdm"))
    assert (tmp_path / "c.pkdm").read_text().split()[1] == "-1.25"
    with pytest.raises(ValueError, match=r"expected one motif for a \.pkdm file, got 2 motifs"):
        write_motif_file(tmp_path / "d.pkdm", motifs)


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_files_are_compressed_as_their_names_say(tmp_path, ending):
    path = tmp_path / f"a.jaspar{ending}"
    write_motif_file(path, of_kind("counts", [COUNTS]))
    assert path.read_bytes()[:2] == {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5"}[ending]
    assert read_motifs(path).details[0].matrix == tuple(map(tuple, COUNTS.tolist()))


def test_wrong_options_are_named(tmp_path):
    motifs = demo_motifs()
    with pytest.raises(ValueError, match=r"expected a name that ends in \.meme, .* or say the"):
        write_motif_file(tmp_path / "a.txt", motifs)
    with pytest.raises(ValueError, match="format: expected one of 'meme'"):
        write_motif_file(tmp_path / "a.txt", motifs, format="xml")
    with pytest.raises(ValueError, match="site_count: expected a number above 0, got 0"):
        write_motif_file(tmp_path / "a.jaspar", motifs, site_count=0)
    (tmp_path / "a.meme").write_text("mine")
    with pytest.raises(FileExistsError):
        write_motif_file(tmp_path / "a.meme", motifs)
    assert (tmp_path / "a.meme").read_text() == "mine"


def test_trimmed_motifs_keep_their_counts():
    flat = np.array([[5, 5, 5, 5]], float)
    motifs = of_kind("counts", [np.concatenate([flat, COUNTS[:2], flat])], threshold=-2.0)
    trimmed = trim_motifs(motifs, 0.5)
    assert trimmed.details[0].matrix == tuple(map(tuple, COUNTS[:2].tolist()))
    assert trimmed.details[0].threshold is None and trimmed.width == 2
    np.testing.assert_array_equal(trimmed.matrices()[0], motifs.matrices()[0][1:3])
    assert trim_motifs(trimmed, 0.5).details == trimmed.details
    with pytest.raises(ValueError, match=r"2\.5 bits or more, but motif 'm0' has 1\.71 at most"):
        trim_motifs(motifs, 2.5)


def test_all_of_jaspar_comes_back(tmp_path):
    """JASPAR 2024 CORE, each way."""
    pytest.importorskip("pyjaspar")
    pytest.importorskip("Bio")
    motifs = read_motifs("jaspar:2024:CORE")
    assert len(motifs) > 2000
    for format in ("jaspar", "transfac"):
        path = tmp_path / f"a.{format}"
        write_motif_file(path, motifs)
        read = read_motifs(path)
        assert read.names == motifs.names
        parsed = by_biopython(path, format)
        for own, other, biopython in zip(motifs.details, read.details, parsed, strict=True):
            assert own.matrix == other.matrix and own.accession == other.accession
            np.testing.assert_array_equal(biopython, own.matrix)
    write_motif_file(tmp_path / "a.meme", motifs)
    read = read_motifs(tmp_path / "a.meme")
    assert read.names == motifs.names
    whole = 0
    parsed = by_biopython(tmp_path / "a.meme", "meme")
    for own, again, details, biopython in zip(
        motifs.probabilities(), read.probabilities(), motifs.details, parsed, strict=True
    ):
        np.testing.assert_allclose(again, own, rtol=1e-15)
        counts = np.array(details.matrix)
        # Biopython multiplies with the number of sites and rounds.
        if (counts == np.round(counts)).all() and len(set(counts.sum(axis=1))) == 1:
            np.testing.assert_array_equal(biopython, counts)
            whole += 1
    assert whole > 1000


def test_a_number_of_sites_that_is_not_whole_comes_back_through_transfac(tmp_path):
    path = tmp_path / "a.transfac"
    motifs = of_kind("probabilities", [np.array([[0.1, 0.2, 0.3, 0.4]])], site_count=10.5)
    write_motif_file(path, motifs)
    assert read_motifs(path).details[0].site_count == 10.5
