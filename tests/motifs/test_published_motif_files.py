"""Motif files in the form in which databases and programs publish them, with hand-made truths."""

from __future__ import annotations

import json
import logging
import math

import numpy as np
import pytest

from cisreg.motifs import log_kd_to_probabilities, read_motifs

HOMER = """\
>ATGACTCATC\tAP-1(bZIP)/ThioMac-PU.1-ChIP-Seq(GSE21512)/Homer\t6.049537\t-1.782996e+03\t0\t\
9805.3,5781.0,3085.1,2715.0,0.00e+00
0.419\t0.275\t0.277\t0.028
0.001\t0.001\t0.001\t0.997
0.010\t0.002\t0.965\t0.023
>GATAAGR\t1-GATAAGR,BestGuess:GATA3(Zf)/Homer(0.9)\t7.5\t-55.2\t0\t\
T:17311.0(44.36%),B:2181.5(5.80%),P:1e-24
0.001\t0.001\t0.997\t0.001
0.997\t0.001\t0.001\t0.001
0.001\t0.001\t0.001\t0.997
0.9\t0.03\t0.03\t0.04
"""
HOCOMOCO_PCM = """\
>AHR_HUMAN.H11MO.0.B
40.51343240527031\t18.259112547756697\t56.41253757072521\t38.77363485291994
10.877470982533044\t11.870876719950774\t34.66312982331297\t96.54723985087516
0.0\t0.0\t153.95871737667187\t0.0
>AIRE_HUMAN.H11MO.0.C
8.0\t1.0\t2.0\t0.0
1.0\t8.0\t1.0\t1.0
1.0\t1.0\t1.0\t8.0
9.0\t0.0\t1.0\t1.0
2.0\t3.0\t3.0\t3.0
"""
CISBP_FILE = """\
Pos\tA\tC\tG\tT
1\t0.00961538461538462\t0.00961538461538462\t0.00961538461538462\t0.971153846153846
2\t0.971153846153846\t0.00961538461538462\t0.00961538461538462\t0.00961538461538462
3\t0.25\t0.25\t0.3\t0.2
"""
CISBP_ALL = """\
TF\tT000001_2.00
TF Name\tABF1
Gene\tYKL112W
Motif\tM00001_2.00
Family\tbHLH
Species\tSaccharomyces_cerevisiae
Pos\tA\tC\tG\tT
1\t0.1\t0.2\t0.3\t0.4
2\t0.7\t0.1\t0.1\t0.1

TF\tT000002_2.00
TF Name\tREB1
Gene\tYBR049C
Motif\tM00002_2.00
Family\tMyb/SANT
Species\tSaccharomyces_cerevisiae
Pos\tA\tC\tG\tT
1\t0.4\t0.3\t0.2\t0.1
"""
UNIPROBE = """\
Protein: Gata3\tSeed k-mer: AGATAAGA\tEnrichment Score: 0.499

A:\t0.25\t0.01\t0.97
C:\t0.25\t0.01\t0.01
G:\t0.25\t0.97\t0.01
T:\t0.25\t0.01\t0.01
"""
UNIPROBE_ALL = """\
.AGATAAGA.\t1\t0.4991

Enrichment score matrix

A:\t0.41\t-0.1
C:\t0.1\t0.2
G:\t-0.2\t0.47
T:\t0.3\t-0.4

Energy matrix for enoLOGOS

PO\t1\t2
A:\t4.1\t-1.0
C:\t1.0\t2.0
G:\t-2.0\t4.7
T:\t3.0\t-4.0

Reverse complement matrix for enoLOGOS

PO\t1\t2
A:\t-4.0\t3.0
C:\t4.7\t-2.0
G:\t2.0\t1.0
T:\t-1.0\t4.1

Probability matrix

A:\t0.7\t0.01
C:\t0.1\t0.01
G:\t0.1\t0.97
T:\t0.1\t0.01
"""
TRANSFAC = """\
VV  TRANSFAC MATRIX TABLE, Release 3.3
XX
//
AC  M00001
XX
ID  V$MYOD_01
XX
NA  MyoD
XX
DE  myoblast determination gene product
XX
BF  T00526; MyoD; Species: mouse, Mus musculus.
XX
P0      A      C      G      T
01      1      2      2      0      S
02      2      1      2      0      R
03      3      0      1      1      A
XX
BA  5 functional elements in 3 genes
XX
//
"""
JASPAR_TRANSFAC = """\
AC MA0271.1
XX
ID ARG80
XX
DE MA0271.1 ARG80 ; From JASPAR
PO\tA\tC\tG\tT
01\t2.0\t98.0\t0.0\t0.0
02\t98.0\t0.0\t2.0\t0.0
XX
CC tax_group:fungi
XX
CC tf_family:Responders to external signals
XX
XX
//
"""
MEME = """\
MEME version 5

ALPHABET= ACGT

strands: + -

Background letter frequencies (from uniform background):
A 0.31000 C 0.19000 G 0.19000 T 0.31000

MOTIF MA0271.1 ARG80

letter-probability matrix: alength= 4 w= 2 nsites= 100 E= 4.1e-009
 0.020000  0.980000  0.000000  0.000000
 0.980000  0.000000  0.020000  0.000000

URL http://jaspar.genereg.net/matrix/MA0271.1

MOTIF KRP
letter-probability matrix: alength= 4 w= 1 nsites= 17 E= 4.1e-009
 0.1 0.2 0.3 0.4
"""
MEME_FULL = """\
********************************************************************************
MEME - Motif discovery tool
********************************************************************************
MEME version 5.5.0 (Release date: Wed Sep 7 14:30:32 2022 -0700)

ALPHABET= ACGT
Background letter frequencies (from file dataset with add-one prior applied):
A 0.3 C 0.2 G 0.2 T 0.3
********************************************************************************
MOTIF GAT MEME-1\twidth =   3  sites =  40  llr = 300  E-value = 1.1e-22
********************************************************************************
--------------------------------------------------------------------------------
	Motif GAT MEME-1 position-specific scoring matrix
--------------------------------------------------------------------------------
log-odds matrix: alength= 4 w= 3 n= 400 bayes= 5.5 E= 1.1e-22
  -500   -500    220   -500
   130   -500   -500   -500
  -500   -500   -500    130
--------------------------------------------------------------------------------
	Motif GAT MEME-1 position-specific probability matrix
--------------------------------------------------------------------------------
letter-probability matrix: alength= 4 w= 3 nsites= 40 E= 1.1e-22
 0.000000  0.000000  1.000000  0.000000
 0.900000  0.100000  0.000000  0.000000
 0.000000  0.000000  0.000000  1.000000
--------------------------------------------------------------------------------
"""


@pytest.fixture
def read(tmp_path):
    def read_text(content, name="motif.txt", **options):
        (tmp_path / name).write_text(content)
        return read_motifs(tmp_path / name, **options)

    return read_text


def test_homer(read, tmp_path, caplog):
    motifs = read(HOMER)
    assert motifs.names == (
        "AP-1(bZIP)/ThioMac-PU.1-ChIP-Seq(GSE21512)/Homer",
        "1-GATAAGR,BestGuess:GATA3(Zf)/Homer(0.9)",
    )
    first, second = motifs.details
    assert first.matrix[0] == (0.419, 0.275, 0.277, 0.028) and len(second.matrix) == 4
    assert (first.kind, first.family, second.family) == ("probabilities", "bZIP", "Zf")
    assert (first.site_count, second.site_count) == (None, 17311)
    assert first.description == "ATGACTCATC"
    # A hit has at least this sum of ln(p / 0.25), and so at most its negative as log Kd.
    assert (first.threshold, second.threshold) == (-6.049537, -7.5)
    assert read(HOMER, convention="pkdm").details[1].threshold == pytest.approx(-7.5 / math.log(2))
    caplog.set_level(logging.INFO, "cisreg.motifs")
    assert read(HOMER, background=[0.3, 0.2, 0.2, 0.3]).details[1].threshold is None
    assert "2 motifs of 2 without the threshold of the file, which holds for" in caplog.text
    assert second.source == f"{tmp_path / 'motif.txt'}:5"


def test_homer_with_and_without_thresholds(read):
    """What stands for the consensus may be anything; a threshold is never lost."""
    rows = "0.1\t0.2\t0.3\t0.4\n0.7\t0.1\t0.1\t0.1\n"
    motifs = read(f">AP1-like\tAP-1(bZIP)\t6.05\n{rows}>NA\tGATA3(Zf)\n{rows}>x\tREB1\t\n{rows}")
    assert motifs.names == ("AP-1(bZIP)", "GATA3(Zf)", "REB1")
    assert [each.threshold for each in motifs.details] == [-6.05, None, None]
    assert [each.description for each in motifs.details] == ["AP1-like", "NA", "x"]
    labelled = "A 1 2 3\nC 1 2 3\nG 1 2 3\nT 1 2 4\n"
    sites = read(f">MA0001.1\tAGL3\t1\n{labelled}").details[0]
    assert sites.accession == "MA0001.1" and sites.threshold is None


def test_hocomoco_counts(read):
    motifs = read(HOCOMOCO_PCM, "HOCOMOCOv11_core_pcms_HUMAN_mono.txt")
    assert motifs.names == ("AHR_HUMAN.H11MO.0.B", "AIRE_HUMAN.H11MO.0.C")
    assert [each.kind for each in motifs.details] == ["counts", "counts"]
    assert motifs.details[0].matrix[2] == (0, 0, 153.95871737667187, 0)
    assert [each.site_count for each in motifs.details] == [None, 11]


@pytest.mark.parametrize("head", ["", "A\tC\tG\tT\n"])
@pytest.mark.parametrize(("log", "unit"), [(np.log, "nats"), (np.log2, "bits")])
def test_hocomoco_log_odds_and_labels(read, caplog, head, log, unit):
    """Its .pwm files have ln((count + pseudocount / 4) / ((total + pseudocount) / 4))."""
    counts = np.array([[8, 1, 2, 0], [1, 8, 1, 1], [1, 1, 1, 8]], float)
    pseudocount = math.log(11)
    probabilities = (counts + pseudocount / 4) / (11 + pseudocount)
    rows = "".join("\t".join(map(str, row)) + "\n" for row in log(4 * probabilities).tolist())
    caplog.set_level(logging.INFO, "cisreg.motifs")
    motifs = read(f">AIRE_HUMAN.H11MO.0.C\n{head}{rows}", "AIRE.pwm")
    assert motifs.names == ("AIRE_HUMAN.H11MO.0.C",) and motifs.details[0].kind == "log_odds"
    assert f"HOCOMOCO: log odds in {unit}; log Kd is -ln(odds)" in caplog.text
    np.testing.assert_allclose(motifs.matrices()[0], -np.log(4 * probabilities), rtol=1e-6)
    np.testing.assert_allclose(motifs.probabilities()[0], probabilities, rtol=1e-6)


def test_cis_bp(read, tmp_path, caplog):
    motifs = read(CISBP_ALL, "PWM.txt")
    assert motifs.names == ("ABF1", "REB1")
    details = motifs.details[1]
    assert (details.accession, details.family) == ("M00002_2.00", "Myb/SANT")
    assert details.alternate_names == ("YBR049C", "T000002_2.00")
    assert details.description == "Saccharomyces_cerevisiae"
    assert details.matrix == ((0.4, 0.3, 0.2, 0.1),)
    head = CISBP_ALL.partition("1\t0.1")[0].replace("ABF1", "XYZ1")
    caplog.clear()
    assert read(CISBP_ALL + "\n" + head + "\n" + head, "PWM.txt").names == motifs.names
    assert "PWM.txt: motifs without numbers are left out, in lines 26, 34" in caplog.text
    with pytest.raises(ValueError, match=r"PWM\.txt:7: .* the motif is empty"):
        read(head + "\n" + head, "PWM.txt")
    folder = tmp_path / "pwms_all_motifs"
    folder.mkdir()
    (folder / "M00001_2.00.txt").write_text(CISBP_FILE)
    # Motifs that CIS-BP may not hand on are files without rows.
    (folder / "M00003_2.00.txt").write_text("Pos\tA\tC\tG\tT\n")
    alone = read_motifs(folder)
    assert alone.names == ("M00001_2.00",) and alone.details[0].family is None
    assert alone.details[0].matrix[2] == (0.25, 0.25, 0.3, 0.2)
    (tmp_path / "TF_Information.txt").write_text(
        "TF_ID\tFamily_ID\tMotif_ID\tTF_Name\tTF_Species\tFamily_Name\n"
        "T1\tF1\tM00001_2.00\tABF1\tSaccharomyces_cerevisiae\tABF1\n"
        "T2\tF1\tM00001_2.00\tABF1B\tSaccharomyces_cerevisiae\tABF1\n"
        "T3\tF2\t.\tREB1\tSaccharomyces_cerevisiae\tMyb\n"
    )
    informed = read_motifs(folder).details[0]
    assert informed.alternate_names == ("ABF1", "ABF1B") and informed.family == "ABF1"
    assert informed.description == "Saccharomyces_cerevisiae"


def test_uniprobe(read):
    motifs = read(UNIPROBE, "Gata3_pwm_primary.txt")
    assert motifs.names == ("Gata3",)
    assert motifs.details[0].matrix == (
        (0.25, 0.25, 0.25, 0.25),
        (0.01, 0.01, 0.97, 0.01),
        (0.97, 0.01, 0.01, 0.01),
    )
    several = read(UNIPROBE_ALL, "Gata3_deBruijn_pwm.txt")
    assert len(several) == 1
    assert several.details[0].matrix == ((0.7, 0.1, 0.1, 0.1), (0.01, 0.01, 0.97, 0.01))


def test_transfac(read):
    motifs = read(TRANSFAC, "matrix.dat")
    details = motifs.details[0]
    assert motifs.names == ("MyoD",) and details.accession == "M00001"
    assert details.alternate_names == ("V$MYOD_01",) and details.site_count == 5
    assert details.description == "myoblast determination gene product"
    assert details.matrix == ((1, 2, 2, 0), (2, 1, 2, 0), (3, 0, 1, 1))
    jaspar = read(JASPAR_TRANSFAC)
    assert jaspar.names == ("ARG80",) and jaspar.details[0].accession == "MA0271.1"
    assert jaspar.details[0].family == "Responders to external signals"
    assert jaspar.details[0].matrix == ((2, 98, 0, 0), (98, 0, 2, 0))


def test_meme(read, caplog):
    caplog.set_level(logging.INFO, "cisreg.motifs")
    motifs = read(MEME)
    assert motifs.names == ("ARG80", "KRP")
    assert [each.accession for each in motifs.details] == ["MA0271.1", None]
    assert [each.site_count for each in motifs.details] == [100, 17]
    assert "2 motifs of MEME: probabilities; log Kd is ln(background / p)" in caplog.text
    assert "2 motifs from a file that states another background" in caplog.text
    np.testing.assert_allclose(
        motifs.matrices()[1], -np.log([[0.404, 0.804, 1.204, 1.604]]) + math.log(1.004), rtol=1e-5
    )
    caplog.clear()
    own = read(MEME, background="file", pseudocount=0.01)
    assert "another background" not in caplog.text
    assert "background A 0.31, C 0.19, G 0.19, T 0.31, pseudocount 0.01" in caplog.text
    expected = np.log(np.array([0.31, 0.19, 0.19, 0.31]) / [0.11, 0.21, 0.31, 0.41] * 1.04)
    np.testing.assert_allclose(own.matrices()[1][0], expected, rtol=1e-5)
    full = read(MEME_FULL)
    assert full.names == ("GAT",) and full.strongest_site() == ("GAT",)
    assert full.details[0].alternate_names == ("MEME-1",) and full.details[0].site_count == 40


def test_probound(read):
    coefficients = [-0.5, 0, -1.5, -2, 0, -1, -2, -3]
    modes = [
        {"mononucleotide": [], "dinucleotide": []},
        {"mononucleotide": coefficients, "dinucleotide": [], "activity": [[0]]},
    ]
    model = {
        "modelSettings": {"letterOrder": "ACGT", "bindingModes": [{"size": 0}, {"size": 2}]},
        "coefficients": {"bindingModes": modes},
        "metadata": {"factors": [{"gene_symbol": "EXD", "tax_id": 7227}]},
    }
    motifs = read(json.dumps(model), "fit.16273.json")
    assert motifs.names == ("EXD",) and motifs.strongest_site() == ("CA",)
    np.testing.assert_array_equal(motifs.matrices()[0], -np.array(coefficients).reshape(2, 4))
    del model["metadata"]
    modes[1]["mononucleotide"] = [8 * each for each in coefficients]
    steps = read(json.dumps({"coefficients": {}}) + "\n" + json.dumps(model), "fit.16273.json")
    assert steps.names == ("fit.16273",) and steps.lowest_log_kd() == 0
    modes[1]["dinucleotide"] = [[0.1] * 16]
    with pytest.raises(ValueError, match="binding mode 2: expected coefficients of single bases"):
        read(json.dumps(model))


def test_probabilities_come_back_from_every_convention(read):
    for options in ({}, {"convention": "pkdm"}, {"background": [0.4, 0.1, 0.1, 0.4]}):
        motifs = read(HOCOMOCO_PCM, **options)
        details = motifs.details[1]
        back = log_kd_to_probabilities(
            motifs.matrices()[1], convention=details.convention, background=details.background
        )
        np.testing.assert_allclose(back, (motifs.probabilities()[1] + 0.001) / 1.004, rtol=1e-5)
