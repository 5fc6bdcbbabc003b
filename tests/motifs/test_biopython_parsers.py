"""Why the formats have readers of our own: what Biopython's parsers make of correct and cut files.

A parser that drops or changes numbers without a word cannot be used. A test is skipped where
Biopython has become right; then its parser may do for that format.
"""

from __future__ import annotations

import numpy as np
import pytest

from cisreg.motifs import read_motifs

bio_motifs = pytest.importorskip("Bio.motifs")

MEME = (
    "MEME version 4\n\nALPHABET= ACGT\n\nBackground letter frequencies\n"
    "A 0.25 C 0.25 G 0.25 T 0.25\n\n\nMOTIF MA0009.1 ABC\n"
    "letter-probability matrix: alength= 4 w= 2 nsites= 10 E= 0\n"
    "0.04 0.9 0.03 0.03\n0.25 0.25 0.25 0.25\n"
)
JASPAR = ">MA0009.1 ABC\nA [0 8]\nC [0 1]\nG [9 1]\nT [1 0]\n"
TRANSFAC = (
    "AC  M1\nXX\nID  ABC\nXX\nP0      A      C      G      T\n01      0      0      9      1\n"
)
COLUMNS = ">ABC\n0 0 9 1\n8 1 1 0\n8 1 1\n2 2 2 4\n"
NUMBERS = np.array([[0, 0, 9, 1], [8, 1, 1, 0]])
PROBABILITIES = np.array([[0.04, 0.9, 0.03, 0.03], [0.25] * 4])

# Biopython's name of the format, the content, and the numbers or None where it has to be refused.
FILES = {
    "MEME: probabilities become rounded counts": ("minimal", MEME, PROBABILITIES),
    "MEME: a number of sites that is not whole": (
        "minimal",
        MEME.replace("= 10 ", "= 10.5 "),
        PROBABILITIES,
    ),
    "MEME: no background": (
        "minimal",
        MEME.partition("Back")[0] + "MOTIF" + MEME.partition("MOTIF")[2],
        PROBABILITIES,
    ),
    "JASPAR: a comment": ("jaspar", JASPAR.replace("C [", "# comment\nC ["), NUMBERS),
    "JASPAR: lower case": ("jaspar", JASPAR.lower(), NUMBERS),
    "JASPAR: a cut motif is dropped": ("jaspar", JASPAR + JASPAR[:30], None),
    "TRANSFAC: without // a motif is dropped": ("transfac", TRANSFAC, NUMBERS[:1]),
    "four columns: a short row is dropped": ("pfm-four-columns", COLUMNS, None),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_biopython_misreads(tmp_path, what):
    form, content, expected = FILES[what]
    path = tmp_path / "motif.txt"
    path.write_text(content)
    if expected is None:
        with pytest.raises(ValueError, match=r"motif\.txt:\d+: expected"):
            read_motifs(path)
    else:
        np.testing.assert_array_equal(np.array(read_motifs(path).details[0].matrix), expected)
    try:
        with path.open() as file:
            found = [
                np.array([each.counts[b] for b in "ACGT"]).T
                for each in bio_motifs.parse(file, form)
            ]
    except (ValueError, IndexError, TypeError):
        is_right = expected is None
    else:
        # Its counts of MEME are compared as probabilities.
        scale = found[0].sum(axis=1, keepdims=True) if found and form == "minimal" else 1
        is_right = (
            bool(found) and expected is not None and np.array_equal(found[0] / scale, expected)
        )
    if is_right:
        pytest.skip("Biopython reads it as it should: its parser may do for this")
