"""Odd motif files, and what comes of each: the motifs, or an error that says what is wrong."""

from __future__ import annotations

import bz2
import gzip

import numpy as np
import pytest
import zstandard

from cisreg.motifs import read_motifs

# The columns of the motif that most files below hold.
MOTIF = [[0, 0, 9, 1], [8, 1, 1, 0], [2, 2, 2, 4]]
HALVES = (np.array(MOTIF) / 2).tolist()
SHARES = (np.array(MOTIF) / 10).tolist()
JASPAR = b">MA0009.1 ABC\nA [0 8 2]\nC [0 1 2]\nG [9 1 2]\nT [1 0 4]\n"
MEME = (
    b"MEME version 4\n\nMOTIF ABC\nletter-probability matrix: alength= 4 w= 3 nsites= 10 E= 0\n"
    b"0.0 0.0 0.9 0.1\n0.8 0.1 0.1 0.0\n0.2 0.2 0.2 0.4\n"
)
TRANSFAC = (
    b"AC  M1\nXX\nID  ABC\nP0      A C G T\n01  0 0 9 1 G\n02  8 1 1 0 A\n03  2 2 2 4 N\nXX\n//\n"
)
HOMER = (
    b">GAN\tABC(bZIP)/Homer\t2.5\t-10.1\t0\tT:17.0(44%),B:2.0(5%),P:1e-9\n"
    b"0.0\t0.0\t0.9\t0.1\n0.8\t0.1\t0.1\t0.0\n0.2\t0.2\t0.2\t0.4\n"
)
HOMER_ROWS = HOMER.partition(b"\n")[2]
BARS = b"A | 0 8 2\nC | 0 1 2\nG | 9 1 2\nT | 1 0 4\n"
LOG_ODDS = np.log2(4 * (np.array(SHARES) + 0.01) / 1.04).round(4)
WIDE = np.tile(MOTIF, (13, 1))


def text_of(matrix, separator=" "):
    return "".join(separator.join(map(str, row)) + "\n" for row in np.asarray(matrix).tolist())


def rows_of(matrix, labels="ACGT"):
    rows = zip(labels, np.asarray(matrix).T.tolist(), strict=True)
    return "".join(f"{label} {' '.join(map(str, row))}\n" for label, row in rows)


# File name, content, and the names and numbers (counts, or probabilities) that come of it.
READ = {
    "DOS line ends": ("a.jaspar", JASPAR.replace(b"\n", b"\r\n"), ["ABC"], MOTIF),
    "line ends of old Macintoshes": ("a.jaspar", JASPAR.replace(b"\n", b"\r"), ["ABC"], MOTIF),
    "tabs": ("a.jaspar", JASPAR.replace(b" ", b"\t"), ["ABC"], MOTIF),
    "blanks before and after": ("a.jaspar", JASPAR.replace(b"\n", b"  \n  "), ["ABC"], MOTIF),
    "no line end at the end": ("a.jaspar", JASPAR.rstrip(), ["ABC"], MOTIF),
    "a byte-order mark": ("a.jaspar", b"\xef\xbb\xbf" + JASPAR, ["ABC"], MOTIF),
    "comments": ("a.jaspar", b"# a\n" + JASPAR.replace(b"C [", b"# b\nC ["), ["ABC"], MOTIF),
    "blank lines": ("a.jaspar", JASPAR.replace(b"\n", b"\n\n"), ["ABC"], MOTIF),
    "no header": ("ABC.pfm", JASPAR.partition(b"\n")[2], ["ABC"], MOTIF),
    "no labels": ("a", b">MA0009.1 ABC\n0 8 2\n0 1 2\n9 1 2\n1 0 4\n", ["ABC"], MOTIF),
    "a name with blanks": ("a", JASPAR.replace(b"ABC", b"ABC (alt)"), ["ABC (alt)"], MOTIF),
    "no name": ("a", JASPAR.replace(b" ABC", b""), ["MA0009.1"], MOTIF),
    "RNA": ("ABC.pfm", rows_of(MOTIF, "ACGU").encode(), ["ABC"], MOTIF),
    "lower case": ("ABC.pfm", rows_of(MOTIF, "acgt").encode(), ["ABC"], MOTIF),
    "bases in another order": (
        "ABC.pfm",
        rows_of(np.array(MOTIF)[:, [3, 0, 2, 1]], "TAGC").encode(),
        ["ABC"],
        MOTIF,
    ),
    "a row of N": (
        "ABC.pfm",
        rows_of(np.pad(MOTIF, ((0, 0), (0, 1))), "ACGTN").encode(),
        ["ABC"],
        MOTIF,
    ),
    "counts that are no whole numbers": ("ABC.pfm", rows_of(HALVES).encode(), ["ABC"], HALVES),
    "counts with other sums": (
        "ABC.pfm",
        b"A 1 2\nC 0 2\nG 0 2\nT 0 4\n",
        ["ABC"],
        [[1, 0, 0, 0], [2, 2, 2, 4]],
    ),
    "39 columns": ("ABC.pfm", rows_of(WIDE).encode(), ["ABC"], WIDE),
    "one column": ("ABC.pfm", b"A 7\nC 1\nG 1\nT 1\n", ["ABC"], [[7, 1, 1, 1]]),
    "columns of N": (
        "ABC.ppm",
        b"0.25 0.25 0.25 0.25\n0.7 0.1 0.1 0.1\n",
        ["ABC"],
        [[0.25] * 4, [0.7, 0.1, 0.1, 0.1]],
    ),
    "columns as rows": ("ABC.pcm", text_of(MOTIF).encode(), ["ABC"], MOTIF),
    "commas": ("ABC.csv", text_of(MOTIF, ",").encode(), ["ABC"], MOTIF),
    "quotes of R": (
        "ABC.txt",
        b'"A" "C" "G" "T"\n"1" 0 0 9 1\n"2" 8 1 1 0\n"3" 2 2 2 4\n',
        ["ABC"],
        MOTIF,
    ),
    "Windows tables": (
        "ABC.csv",
        b"Pos,A,C,G,T\r\n1,0,0,9,1\r\n2,8,1,1,0\r\n3,2,2,2,4\r\n",
        ["ABC"],
        MOTIF,
    ),
    "columns of RNA in another order": (
        "ABC.txt",
        ("U A G C\n" + text_of(np.array(MOTIF)[:, [3, 0, 2, 1]])).encode(),
        ["ABC"],
        MOTIF,
    ),
    "bases of TRANSFAC in another order": (
        "a",
        b"ID ABC\nP0 T A G C\n01 1 0 9 0\n02 0 8 1 1\n03 4 2 2 2\n",
        ["ABC"],
        MOTIF,
    ),
    "bars": ("ABC.tab", BARS, ["ABC"], MOTIF),
    "no version": ("a.meme", MEME.partition(b"\n\n")[2], ["ABC"], SHARES),
    "no w, nsites and E": (
        "a",
        MEME.replace(b" alength= 4 w= 3 nsites= 10 E= 0", b""),
        ["ABC"],
        SHARES,
    ),
    "sites that are no whole number": ("a", MEME.replace(b"10", b"10.5"), ["ABC"], SHARES),
    "an alternate name": ("a", MEME.replace(b"ABC", b"ABC xyz"), ["ABC"], SHARES),
    "an accession and a name": ("a", MEME.replace(b"ABC", b"MA0009.1 ABC"), ["ABC"], SHARES),
    "no consensus": (
        "a.transfac",
        TRANSFAC.replace(b" G\n", b"\n").replace(b" A\n", b"\n").replace(b" N\n", b"\n"),
        ["ABC"],
        MOTIF,
    ),
    "no end": ("a.transfac", TRANSFAC.partition(b"XX\n//")[0], ["ABC"], MOTIF),
    "PO and rows from 0": (
        "a",
        b"ID ABC\nPO A C G T\n0 0 0 9 1\n1 8 1 1 0\n2 2 2 2 4\n//\n",
        ["ABC"],
        MOTIF,
    ),
    "the wrong ending": ("a.transfac", MEME, ["ABC"], SHARES),
    "no ending": ("ABC", rows_of(MOTIF).encode(), ["ABC"], MOTIF),
    "columns that the head of TRANSFAC names": (
        "a",
        b"//\nNA ABC\nPO A C G T cons inf\n01 0 0 9 1 G 1.2\n02 8 1 1 0 A 0.9\n03 2 2 2 4 N 0\n",
        ["ABC"],
        MOTIF,
    ),
    "STAMP": ("a", b"DE\tABC\n0\t0\t0\t9\t1\n1\t8\t1\t1\t0\n2\t2\t2\t2\t4\nXX\n", ["ABC"], MOTIF),
    "STAMP with a consensus": (
        "a",
        b"DE ABC unknown\n0 0 0 9 1 G\n1 8 1 1 0 A\n2 2 2 2 4 X\nXX\n",
        ["ABC"],
        MOTIF,
    ),
    "comments of RSAT": ("ABC.tab", b"; RSAT\n" + BARS + b"//\n", ["ABC"], MOTIF),
    "HOMER without a threshold": ("a", b">GAN\tABC\n" + HOMER_ROWS, ["ABC"], SHARES),
    "HOMER without a consensus": ("a", b">\tABC\t6.1\n" + HOMER_ROWS, ["ABC"], SHARES),
    "an accession and a name after a tab": ("a", b">MA0009.1\tABC\n" + HOMER_ROWS, ["ABC"], SHARES),
    "gzip": ("ABC.PFM.gz", gzip.compress(rows_of(MOTIF).encode()), ["ABC"], MOTIF),
    "zstd": ("a", zstandard.compress(MEME), ["ABC"], SHARES),
    "bzip2": ("a", bz2.compress(HOMER), ["ABC(bZIP)/Homer"], SHARES),
}

# The lowest is that of the strongest site, but no number is below 0.
ENERGIES = "A 2.1 0 1.3\nC 1.9 3.2 0\nG 0 2.2 0.4\nT 3.1 1.1 0.9\n"

# File name, content, and the error.
REFUSED = {
    "empty": ("a.meme", b"", r"a\.meme: expected motifs or a list of motif files, got an empty"),
    "blanks": ("a.meme", b"\n \n", "got an empty file"),
    "a page of the web": ("a", b"<!DOCTYPE html>\n<html>404</html>", "got a page of the web"),
    "XML": ("a.xml", b'<?xml version="1.0"?>\n<MEME/>', "got XML; download the text file"),
    "cut gzip": ("a.gz", gzip.compress(MEME * 99)[:-9], "cannot be decompressed"),
    "UTF-16": ("a", JASPAR.decode().encode("utf-16"), "UTF-16 has to be saved as UTF-8"),
    "FASTA": (
        "a.fa",
        b">MA0009.1\nACGT\n",
        "a.fa:1: expected motifs in one of the formats .* such as sequences; count the bases",
    ),
    "four by four": (
        "a.pfm",
        b"9 0 0 1\n0 0 9 1\n9 1 0 0\n0 8 1 1\n",
        r"a\.pfm:1: .* one row per base they are ATCA .* one column per base AGAC",
    ),
    "five by four": ("a.pfm", b"1 9 0 0 1\n2 0 0 9 1\n3 9 1 0 0\n4 0 8 1 1\n", "TATCA .* AGAC"),
    "a cut motif": ("a", JASPAR.rpartition(b"T [")[0], r"a:2: expected four rows .* none for T"),
    "a cut motif without labels": (
        "a",
        b">a\n0 8 2\n0 1 2\n9 1 2\n",
        "a:2: expected 4 rows, or rows of 4 numbers, .* got 3 of 3",
    ),
    "a motif without rows": ("a", JASPAR + b">MA0009.2 DEF\n", "a:6: expected the rows of a motif"),
    "a row twice": ("a", JASPAR.replace(b"T [", b"G ["), "a:5: expected one row per base, got G"),
    "a short row": (
        "a",
        JASPAR.replace(b"9 1 2", b"9 1"),
        "a:4: expected 3 numbers after G, got 2",
    ),
    "a word": ("a", JASPAR.replace(b"9 1 2", b"9 x 2"), "a:4: expected a finite number in .* 'x'"),
    "not a number": ("a", JASPAR.replace(b"9 1 2", b"9 nan 2"), "a:4: expected a finite number"),
    "decimal commas": ("a.pfm", b"A 0,5 0,1\nC 0,5 0,1\nG 0 0,8\nT 0 0\n", "got '0,5'"),
    "zero columns": (
        "a",
        JASPAR.replace(b"8 2", b"0 2").replace(b"1 2", b"0 2"),
        "a:1: counts: expected a sum above 0 in every column",
    ),
    "N that is counted": ("a.pfm", b"A 1\nC 1\nG 1\nT 1\nN 1\n", "expected zeros in the row of N"),
    "some labels": ("a.pfm", b"A 0 8 2\nC 0 1 2\n9 1 2\n1 0 4\n", "a.pfm:3: .* row without label"),
    "one name twice": (
        "a",
        JASPAR.replace(b"MA0009.1 ", b"") * 2,
        "distinct names, got 'ABC' twice, in .*a:1 and in .*a:6",
    ),
    "more rows than w": ("a", MEME.replace(b"w= 3", b"w= 2"), "a:4: expected 2 rows .*, got 3"),
    "fewer rows than w": ("a", MEME.replace(b"w= 3", b"w= 4"), "a:4: expected 4 rows .*, got 3"),
    "proteins": ("a", b"MEME version 4\nALPHABET= ACDEFGHIKLMNPQRSTVWY\n" + MEME[15:], "proteins"),
    "another alphabet": (
        "a",
        MEME.replace(b"alength= 4", b"alength= 20"),
        "a:4: expected the alphabet ACGT or ACGU, got one of 20 letters; motifs of proteins",
    ),
    "an archive": ("a.zip", b"PK\x03\x04\0\0", r"a\.zip: .* got an archive .*; unpack it first"),
    "energies": (
        "a.txt",
        ENERGIES.encode(),
        r"counts \(the strongest site is TCA\) or log Kd .* \(it is GAC\); give kind='counts' or",
    ),
    "energies in brackets": ("a", b">ABC\n" + ENERGIES.encode(), "a:1: .* give kind='counts' or"),
    "energies beside log odds": (
        "a.txt",
        ("x\n" + rows_of(LOG_ODDS) + "y\n" + ENERGIES).encode(),
        "a.txt:7: expected numbers that tell what they are",
    ),
    "probabilities that sum to 0.97": (
        "a.ppm",
        b"0.25 0.25 0.25 0.25\n0.67 0.1 0.1 0.1\n",
        "a.ppm:1: expected probabilities, .* sums from 0.97 to 1; .* kind='counts', which divides",
    ),
    "sums after four rows": (
        "a",
        b">ABC\n0 0 9 1 10\n8 1 1 0 10\n2 2 2 4 10\n0 5 5 0 10\n",
        "a:2: .* got rows that end in the sum of the four numbers before; remove the sums",
    ),
    "sums and numbers of four rows": (
        "a.txt",
        b"Pos A C G T Sum\n1 0 0 9 1 10\n2 8 1 1 0 10\n3 2 2 2 4 10\n4 0 5 5 0 10\n",
        "a.txt:2: .* remove the sums",
    ),
    "sums without a head": (
        "a.txt",
        b"A C G T\n0 0 9 1 10\n8 1 1 0 10\n2 2 2 4 10\n",
        "a.txt:2: expected 4 numbers, as the bases before them, got 5 .* such as sums",
    ),
    "numbers of bases": (
        "a.txt",
        b"1 0 8 2 5 0\n2 0 1 2 5 0\n3 9 1 2 0 3\n4 1 0 4 0 7\n",
        "a.txt:1: .* got 4 rows that begin with 1, 2, 3, 4; .* put A, C, G and T in their place",
    ),
    "a letter for a digit": (
        "a.ppm",
        text_of(SHARES).replace("0.8", "O.8").encode(),
        "a.ppm:2: expected a number in column 1, .* got 'O.8'; correct it",
    ),
    "names of rows": (
        "a.txt",
        b"A C G T\npos1 0 0 9 1\npos2 8 1 1 0\n",
        "a.txt:2: expected a number in column 1, .* got 'pos1'; .* remove such names of rows",
    ),
    "another minus": (
        "a.txt",
        rows_of(LOG_ODDS).replace("-", "\u2212").encode(),
        r"a.txt:1: expected a finite number in column 2, got '\u2212",
    ),
    "a threshold that is no number": (
        "a",
        HOMER + HOMER.replace(b"ABC", b"DEF").replace(b"\t2.5", b"\t2,5"),
        "a:5: expected the log-odds threshold, a number, in the third field, got '2,5'",
    ),
    "counts for probabilities": (
        "a",
        MEME.replace(b"0.9 0.1", b"9 1"),
        "a:3: probabilities: expected probabilities that sum to 1",
    ),
    "no matrix": ("a", MEME + b"MOTIF DEF\n", "a:8: expected a line 'letter-probability matrix:'"),
    "a missing row": ("a", TRANSFAC.replace(b"02  8 1 1 0 A\n", b""), "a:6: expected row 2, got"),
    "no end between": (
        "a",
        TRANSFAC.replace(b"//\n", b"").replace(b"AC  M1\n", b"") * 2,
        "expected // before the next matrix",
    ),
    "rows for columns": (
        "a",
        HOMER.partition(b"\n")[0] + b"\n" + text_of(np.array(SHARES).T).encode(),
        "a:2: expected bases as columns",
    ),
    "log odds or log Kd": (
        "a.pwm",
        b"A -1 2 3\nC 2 -1 1\nG 2 2 -3\nT 2 2 2\n",
        r"log odds \(the strongest site is CAA\) or log Kd \(it is ACG\)",
    ),
    "counts and log odds": (
        "a",
        JASPAR + b">b\n" + rows_of(LOG_ODDS).encode(),
        r"one kind, got numbers that look like counts \(.*a:1\), log_odds",
    ),
    "other JSON": ("a.json", b'{"name": "ABC"}', "expected a model of ProBound, .* other JSON"),
    "no list": ("list.txt", b"nowhere.meme\n", "list.txt:1: expected motifs, but"),
}


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("what", READ)
def test_odd_files_that_are_read(tmp_path, what):
    name, content, names, matrix = READ[what]
    motifs = read_motifs(written(tmp_path, name, content))
    assert list(motifs.names) == names
    assert motifs.width == len(matrix)
    np.testing.assert_array_equal(motifs.details[0].matrix, matrix)
    probabilities = np.array(matrix) / np.sum(matrix, axis=1, keepdims=True)
    expected = -np.log(4 * (probabilities + 0.001) / 1.004)
    np.testing.assert_allclose(motifs.matrices()[0], expected, rtol=1e-5)


@pytest.mark.parametrize("what", REFUSED)
def test_odd_files_that_are_refused(tmp_path, what):
    name, content, message = REFUSED[what]
    path = written(tmp_path, name, content)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        read_motifs(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("what", ["gzip", "zstd", "bzip2", "the wrong ending"])
def test_odd_files_beside_each_other_in_a_folder(tmp_path, caplog, what):
    """Other files are named and left out, as are motifs without numbers."""
    name, content, names, _ = READ[what]
    written(tmp_path, name, content)
    written(tmp_path, "page.pfm", REFUSED["a page of the web"][1])
    written(tmp_path, "README.md", b"Motifs of yeast.\n")
    written(tmp_path, "README", b"1. Motifs of yeast\n2. of 2024\n")
    written(tmp_path, "genome.fa", REFUSED["FASTA"][1])
    written(tmp_path, "meta.json", REFUSED["other JSON"][1])
    written(tmp_path, "others.zip", REFUSED["an archive"][1])
    written(tmp_path, "M1.txt", b"Pos\tA\tC\tG\tT\n")
    written(tmp_path, "image.png", b"\x89PNG\r\n\x1a\n\0\0\0")
    assert list(read_motifs(tmp_path).names) == names
    assert "files without motifs are left out: M1.txt" in caplog.text
    assert (
        "files that hold no motifs are left out: README, README.md, genome.fa, image.png, "
        "meta.json, others.zip, page.pfm"
    ) in caplog.text
    (tmp_path / "M1.txt").write_bytes(b"Pos\tA\tC\tG\tT\n1\t0.1\t0.2\t0.3\n")
    with pytest.raises(ValueError, match=r"M1.txt:2: expected 5 fields.* got 4"):
        read_motifs(tmp_path)
