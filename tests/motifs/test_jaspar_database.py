"""Motifs of the JASPAR database, and equality with pyjaspar and Biopython for all of CORE."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from cisreg.motifs import read_motifs

pyjaspar = pytest.importorskip("pyjaspar")
bio_motifs = pytest.importorskip("Bio.motifs")


def counts_of(motif):
    return np.array([motif.counts[base] for base in "ACGT"]).T


@pytest.fixture(scope="module")
def core():
    """All motifs of JASPAR 2024 CORE, the latest version of each, from pyjaspar itself."""
    return pyjaspar.jaspardb(release="JASPAR2024").fetch_motifs(collection="CORE")


@pytest.fixture(scope="module")
def ours():
    return read_motifs("jaspar:2024:core")


def test_every_motif_of_core_has_the_counts_of_pyjaspar(core, ours):
    assert len(core) == len(ours) > 1000 and ours.width == max(len(each) for each in core)
    for motif, details in zip(core, ours.details, strict=True):
        assert details.accession == motif.matrix_id and details.kind == "counts"
        np.testing.assert_array_equal(np.array(details.matrix), counts_of(motif))
    names = [motif.name for motif in core]
    for motif, name in zip(core, ours.names, strict=True):
        single = names.count(motif.name) == 1
        assert name == (motif.name if single else f"{motif.name}_{motif.matrix_id}")


@pytest.mark.parametrize("form", ["jaspar", "transfac"])
def test_every_motif_of_core_through_a_file_of_biopython(core, ours, tmp_path, form):
    """Biopython's parser and its log odds agree with ours on the files that it writes."""
    path = tmp_path / "core.txt"
    path.write_text(bio_motifs.write(core if form == "jaspar" else for_transfac(core), form))
    # Biopython's pseudocount is added to counts, ours to probabilities; so hardly any here.
    read = read_motifs(path, pseudocount=1e-9)
    with path.open() as file:
        parsed = bio_motifs.parse(file, form)
    assert read.names == ours.names and len(parsed) == len(core)
    for number, (motif, log_kd) in enumerate(zip(parsed, read.matrices(), strict=True)):
        counts = counts_of(motif)
        np.testing.assert_array_equal(np.array(read.details[number].matrix), counts)
        normalised = motif.counts.normalize()
        bits = np.array([normalised.log_odds()[base] for base in "ACGT"]).T[counts > 0]
        np.testing.assert_allclose(log_kd[counts > 0], -np.log(2) * bits, rtol=1e-4, atol=1e-5)


def for_transfac(motifs):
    from Bio.motifs import transfac

    converted = [transfac.Motif(alphabet="ACGT", counts=dict(motif.counts)) for motif in motifs]
    for motif, each in zip(motifs, converted, strict=True):
        each.update({"AC": motif.matrix_id, "ID": motif.name})
    return converted


def test_groups_accessions_factors_and_releases(core, ours, caplog):
    caplog.set_level(logging.INFO, "cisreg.motifs")
    fungi = read_motifs("jaspar:2024:Fungi")
    expected = [motif.matrix_id for motif in core if motif.tax_group == "fungi"]
    assert [each.accession for each in fungi.details] == expected
    assert fungi.details[0].source == "JASPAR 2024, CORE"
    assert f"jaspar:2024:Fungi: {len(expected)} motifs of JASPAR 2024" in caplog.text
    one = read_motifs("jaspar:MA0271.1")
    newest = max(pyjaspar.jaspar_releases).removeprefix("JASPAR")
    assert one.names == ("ARG80",) and one.details[0].source == f"JASPAR {newest}, CORE"
    assert read_motifs("JASPAR:ma0271").details == one.details
    several = read_motifs("jaspar:JASPAR2024: MA0271.1, ctcf ,MA0271.1")
    assert several.names[0] == "ARG80" and len(several) > 2
    assert {name.partition("_")[0] for name in several.names[1:]} == {"CTCF"}


def test_the_database_beside_files(tmp_path):
    (tmp_path / "a.pkdm").write_text("A\t-1\nC\t1\nG\t1\nT\t2\n")
    both = read_motifs([tmp_path / "a.pkdm", "jaspar:2024:MA0271.1"])
    assert both.names == ("a", "ARG80")
    assert [each.convention for each in both.details] == ["pkdm", "natural"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("jaspar:2024:fish", r"got 'fish'; give a group \(.*vertebrates\), a collection \(CORE, "),
        ("jaspar:2024:MA0271.7", r"got 'MA0271.7'; there are MA0271.1; give a group"),
        ("jaspar:2011:fungi", "expected a release .* one of 2026, 2024, .*, got 2011"),
        ("jaspar:newest:fungi", "expected a release such as 2024 before ':', got 'newest'"),
        ("jaspar:", "expected what to take, got nothing; give a group"),
    ],
)
def test_what_jaspar_does_not_have(source, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_motifs(source)
    assert str(caught.value).startswith(source)


def test_without_pyjaspar(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyjaspar", None)
    with pytest.raises(ImportError, match=r"jaspar:fungi: .* pip install 'cisreg\[motifs\]'"):
        read_motifs("jaspar:fungi")
