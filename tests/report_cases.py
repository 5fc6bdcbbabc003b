"""Motifs whose names try to act on a page, for the tests of reports."""

from __future__ import annotations

from cisreg.motifs import MotifSet, demo_motifs

# Names of factors and sequences that a page must show as they are.
EVIL = "<script>alert(1)</script>"
FORMULA = '=SUM(1,"2")'
QUOTED = '"\' onmouseover=alert(2) id="x" &amp;'


def evil_motifs():
    """The demo motifs, three of them under names that try to act, and one of them twice."""
    motifs = demo_motifs(width=20)
    twice = [*range(len(motifs)), len(motifs) - 1]
    names = (EVIL, QUOTED, FORMULA, *motifs.names[3:], "again")
    return MotifSet(
        names, motifs.log_kd[..., twice], motifs.first_column[twice], motifs.widths[twice]
    )
