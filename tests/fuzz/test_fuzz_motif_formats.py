"""Damaged motif files of every format: they are read, or an error names the file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cisreg.motifs import read_motifs

FILES = {
    "jaspar": b">MA0009.1 ABC\nA [0 8 2]\nC [0 1 2]\nG [9 1 2]\nT [1 0 4]\n>MA0010.1 D\nA [1]\n",
    "meme": b"MEME version 4\nBackground letter frequencies\nA 0.3 C 0.2 G 0.2 T 0.3\nMOTIF ABC x\n"
    b"letter-probability matrix: alength= 4 w= 2 nsites= 10 E= 0\n0 0 0.9 0.1\n0.8 0.1 0.1 0\n",
    "transfac": b"AC  M1\nXX\nID  ABC\nP0      A C G T\n01  0 0 9 1 G\n02  8 1 1 0 A\nXX\n//\n",
    "homer": b">GAN\tABC(bZIP)/Homer\t2.5\t-1\t0\tT:17.0(44%)\n0\t0\t0.9\t0.1\n0.8\t0.1\t0.1\t0\n",
    "hocomoco": b">ABC\n1 -1 0.5 -0.1\n-2 1 -1 0\n0 0 0 0\n0.1 1 1 1\n1 1 1 1\n",
    "cisbp": b"TF Name\tABF1\nMotif\tM1_2.00\nPos\tA\tC\tG\tT\n1\t0.1\t0.2\t0.3\t0.4\n",
    "uniprobe": b"Protein: Gata3\n\nA:\t0.25\t0.01\nC:\t0.25\t0.01\nG:\t0.25\t0.97\nT:\t0.25\t0\n",
    "table": b'"A" "C" "G" "T"\n"1" 0 0 9 1\n"2" 8 1 1 0\n',
    "probound": b'{"coefficients":{"bindingModes":[{"mononucleotide":[-1,0,-2,-3]}]}}',
}


@st.composite
def damaged(draw):
    content = bytearray(FILES[draw(st.sampled_from(sorted(FILES)))])
    for _ in range(draw(st.integers(0, 4))):
        first = draw(st.integers(0, len(content)))
        end = min(first + draw(st.integers(0, 12)), len(content))
        piece = st.one_of(
            st.binary(max_size=3),
            st.sampled_from(
                [b"\n", b"\t", b">", b"A", b"-", b"1e400", b"nan", b"[", b"{", b"//\n"]
            ),
            st.sampled_from([content[first:end], content[first:end] * 2]),
        )
        content[first:end] = bytes(draw(piece))
    return bytes(content)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(damaged(), st.sampled_from([None, "counts", "probabilities", "log_odds", "log_kd"]))
def test_damaged_files_are_read_or_refused(tmp_path, content, kind):
    path = tmp_path / "motif.txt"
    path.write_bytes(content)
    try:
        motifs = read_motifs(path, kind=kind)
    except (ValueError, FileNotFoundError) as error:
        # Names of motifs are checked when they are all there, without a file.
        assert str(path) in str(error) or str(error).startswith(("names:", "width:", "log_kd:"))
    else:
        assert np.isfinite(motifs.log_kd).all()
        assert all(
            len(each) == len(details.matrix)
            for each, details in zip(motifs.matrices(), motifs.details, strict=True)
        )


@pytest.mark.parametrize("form", sorted(set(FILES) - {"jaspar"}))
def test_the_files_themselves_are_read(tmp_path, form):
    (tmp_path / "motif.txt").write_bytes(FILES[form])
    kind = "log_odds" if form == "hocomoco" else None
    assert len(read_motifs(tmp_path / "motif.txt", kind=kind)) == 1
