"""Verbs that change sequences, against slices of text."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from interpret_models import make_codes, make_model

from cisreg.interpret import delete, insert, substitute
from cisreg.interpret.sequence_edits import read_motif
from cisreg.sequences import decode, encode

TEXTS = decode(make_codes(5, unknown=False))


@pytest.mark.parametrize("start", [0, 7, 20])
def test_verbs_are_slices_of_text(start):
    assert decode(substitute(TEXTS, "GTCA", start)) == [
        text[:start] + "GTCA" + text[start + 4 :] for text in TEXTS
    ]
    assert decode(insert(TEXTS, "GTCA", start)) == [
        text[:start] + "GTCA" + text[start:] for text in TEXTS
    ]
    assert decode(delete(TEXTS, start, start + 4)) == [
        text[:start] + text[start + 4 :] for text in TEXTS
    ]


def test_what_comes_in_stays_as_it_is_and_may_be_of_many_types():
    codes = np.asarray(encode(TEXTS))
    kept = codes.copy()
    expected = substitute(codes, "GTCA", 3)
    for sequences in (TEXTS, pa.array(TEXTS), codes.tolist(), encode(TEXTS)):
        for motif in ("gtca", "GUCA", np.array([2, 3, 1, 0]), np.array([[2, 3, 1, 0]] * 5)):
            assert (substitute(sequences, motif, 3) == expected).all()
    assert (codes == kept).all()


def test_the_middle_is_where_tangermeme_has_it():
    assert decode(substitute(["AAAAAAAA"], "GGG")) == ["AAAGGGAA"]
    assert decode(insert(["AAAAAAA"], "GG")) == ["AAAGGAAAA"]


def test_n_leaves_the_base_or_is_inserted_as_unknown():
    assert decode(substitute(["ACGTAC"], "TNNT", 1)) == ["ATGTTC"]
    assert decode(insert(["ACGTAC"], "TN", 1)) == ["ATNCGTAC"]


def test_each_sequence_may_have_its_own_motif():
    motifs = np.asarray(encode(["AAA", "CCC", "GGG", "TTT", "ACG"]))
    assert [text[4:7] for text in decode(substitute(TEXTS, motifs, 4))] == decode(motifs)
    with pytest.raises(ValueError, match="motif: expected one for all, or one for each of 5"):
        substitute(TEXTS, motifs[:2], 4)


def test_a_motif_set_stands_for_its_strongest_site():
    motif = make_model().motifs["Rap1"]
    assert read_motif(motif).text() == motif.strongest_site()[0]
    assert read_motif("Rap1", make_model()).text() == motif.strongest_site()[0]
    assert read_motif("AACN").reversed().text() == "NGTT"


def test_wrong_places_and_motifs_are_named():
    for verb, most in ((substitute, 20), (insert, 24)):
        for start in (-1, most + 1):
            with pytest.raises(ValueError, match="start: expected"):
                verb(TEXTS, "ACGT", start)
    with pytest.raises(ValueError, match="motif: expected one that is no longer"):
        substitute(["ACGT"], "ACGTA")
    with pytest.raises(ValueError, match="end: expected a base behind start=3"):
        delete(TEXTS, 3, 3)
    with pytest.raises(ValueError, match="motif: expected bases A C G T"):
        substitute(TEXTS, "Reb1")
    with pytest.raises(ValueError, match="motif: expected base codes 0 to 4, got 7"):
        substitute(TEXTS, np.array([7]))
    with pytest.raises(ValueError, match="sequences: expected codes 0 to 4, got 5"):
        substitute(np.full((1, 4), 5), "A")
    with pytest.raises(TypeError, match="put it in a list"):
        substitute("ACGT", "A")
