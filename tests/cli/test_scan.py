"""`cisreg scan`: the hits of a scan in plain Python, in every format and from every file.

Signals and memory are in `test_scan_process.py`.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from tiny_model import SPEC, start_parameters
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.motifs import MotifSet, read_motifs, write_motifs
from cisreg.storage import save_model
from cisreg.trained_model import Model

RANDOM = random.Random(3)
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def bases(count):
    return "".join(RANDOM.choices("ACGT", [3, 2, 2, 3], k=count))


GENOME = {
    "chr2": bases(400) + "NNNNN" + bases(300) + bases(200).lower() + "n" + bases(91),
    "chr10": bases(3),
    "empty": "",
    "chr1": bases(700),
}
NAMES = ("Abf1", "Pitx1:Ebox(Homeobox,bHLH)", "two words")


@pytest.fixture(scope="module")
def motifs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motifs") / "set"
    numbers = np.random.default_rng(5)
    matrices = [numbers.normal(0, 2, (width, 4)).astype(np.float32) for width in (5, 7, 4)]
    write_motifs(folder, MotifSet.from_matrices(NAMES, matrices, width=9))
    return folder


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_text(fasta())
    return path


def fasta(width=60):
    lines = []
    for name, text in GENOME.items():
        lines += [f">{name} a comment"]
        lines += [text[start : start + width] for start in range(0, len(text), width)]
    return "\n".join(lines) + "\n"


def own_matrices(motifs):
    """Names and own columns of the motifs, in their order."""
    found = read_motifs(motifs)
    first, end = found.column_range()
    return {name: found.log_kd[first[i] : end[i], :, i] for i, name in enumerate(found.names)}


def naive(motifs, limit, *, strands="+-", masked=False, within=None):
    """Rows (sequence, start, end, motif, strand, log Kd), window by window."""
    matrices, rows = own_matrices(motifs), []
    for sequence, text in GENOME.items():
        text = text if masked else text.upper()
        for start in range(len(text)):
            for strand in strands:
                for motif, matrix in matrices.items():
                    end = start + len(matrix)
                    window = text[start:end]
                    if len(window) < len(matrix) or set(window) - set("ACGT"):
                        continue
                    if within and not any(
                        name == sequence and a <= start and end <= b for name, a, b in within
                    ):
                        continue
                    if strand == "-":
                        window = window.translate(COMPLEMENT)[::-1]
                    total = np.float32(0)
                    for column, base in zip(matrix, window, strict=True):
                        total = np.float32(total + column["ACGT".index(base)])
                    most = limit[motif] if isinstance(limit, dict) else limit
                    if total <= np.float32(most):
                        rows.append((sequence, start, end, motif, strand, total))
    return rows


def scan(*words, given=None, status=0):
    result = CliRunner().invoke(app, ["scan", *map(str, words)], input=given)
    assert result.exit_code == status, result.output
    return result


def rows_of(text):
    """Rows as of `naive` in the text of a BED file, and what is behind them."""
    lines = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    rows = [
        (name, int(start), int(end), motif, strand, np.float32(log_kd))
        for name, start, end, motif, _, strand, log_kd, *_ in lines
    ]
    return rows, [line[7:] for line in lines]


def scanned(genome, motifs, tmp_path, *words, name="hits.bed", **options):
    path = tmp_path / name
    scan(genome, "--motifs", motifs, "--output", path, *words, **options)
    content = path.read_bytes()
    return rows_of((gzip.decompress(content) if name.endswith(".gz") else content).decode())[0]


def test_hits_are_those_of_a_scan_in_plain_python(genome, motifs, tmp_path):
    expected = naive(motifs, -3)
    assert len(expected) > 50 and {row[3] for row in expected} == set(NAMES)
    assert {row[4] for row in expected} == {"+", "-"}
    assert scanned(genome, motifs, tmp_path, "--log-kd", -3) == expected


@pytest.mark.parametrize(("strand", "sign"), [("forward", "+"), ("reverse", "-")])
def test_one_strand(genome, motifs, tmp_path, strand, sign):
    found = scanned(genome, motifs, tmp_path, "--log-kd", -7, "--strand", strand)
    assert found == naive(motifs, -7, strands=sign)


def test_soft_masked_bases_are_bases_or_unknown(genome, motifs, tmp_path):
    found = scanned(genome, motifs, tmp_path, "--log-kd", -6, "--soft-masked", "unknown")
    assert found == naive(motifs, -6, masked=True) != naive(motifs, -6)


@pytest.mark.parametrize("kind", ["plain", "gz", "bgz", "narrow", "windows"])
def test_every_kind_of_fasta(motifs, tmp_path, kind):
    path = tmp_path / "genome.fa"
    text = fasta(7 if kind == "narrow" else 60).replace("\n", "\r\n" if kind == "windows" else "\n")
    if kind == "gz":
        path = path.with_suffix(".fa.gz")
        path.write_bytes(gzip.compress(text.encode()))
    elif kind == "bgz":
        pysam = pytest.importorskip("pysam")
        path = path.with_suffix(".fa.gz")
        with pysam.BGZFile(str(path), "w") as file:
            file.write(text.encode())
    else:
        path.write_bytes(text.encode())
    assert scanned(path, motifs, tmp_path, "--log-kd", -7) == naive(motifs, -7)


def test_all_formats_have_the_same_hits(genome, motifs, tmp_path):
    expected = naive(motifs, -7)
    words = (genome, "--motifs", motifs, "--log-kd", -7, "--output")
    scan(*words, tmp_path / "hits.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "hits.parquet")
    columns = ["sequence", "start", "end", "motif", "strand", "log_kd"]
    assert [tuple(row[name] for name in columns) for row in table.to_pylist()] == expected
    scan(*words, tmp_path / "hits.tsv")
    lines = [line for line in (tmp_path / "hits.tsv").read_text().splitlines() if line[0] != "#"]
    assert lines[0].split("\t")[:6] == columns
    assert [tuple(line.split("\t")[:5]) for line in lines[1:]] == [
        tuple(map(str, row[:5])) for row in expected
    ]
    scan(*words, tmp_path / "hits.gff3")
    lines = [
        line.split("\t")
        for line in (tmp_path / "hits.gff3").read_text().splitlines()
        if line[0] != "#"
    ]
    assert [(row[0], int(row[3]) - 1, int(row[4]), row[6]) for row in lines] == [
        (*row[:3], row[4]) for row in expected
    ]
    assert scanned(genome, motifs, tmp_path, "--log-kd", -7, name="hits.bed.gz") == expected
    said = json.loads(table.schema.metadata[b"cisreg"])
    assert said["threshold"] == "log Kd at most -7" and "--log-kd -7" in said["command"]


def test_an_index_is_written_beside_the_hits(genome, motifs, tmp_path):
    pysam = pytest.importorskip("pysam")
    path = tmp_path / "hits.bed.gz"
    scan(genome, "--motifs", motifs, "--log-kd", -6, "--output", path, "--tabix")
    with pysam.TabixFile(str(path)) as file:
        found = [tuple(line.split("\t")[:3]) for line in file.fetch("chr1", 100, 250)]
    expected = [
        (name, str(start), str(end))
        for name, start, end, *_ in naive(motifs, -6)
        if name == "chr1" and start < 250 and end > 100
    ]
    assert found == expected and expected


def test_thresholds_by_every_option(genome, motifs, tmp_path):
    weakest = {name: matrix.max(axis=1).sum() for name, matrix in own_matrices(motifs).items()}
    best = {name: matrix.min(axis=1).sum() for name, matrix in own_matrices(motifs).items()}
    half = {name: weakest[name] + 0.9 * (best[name] - weakest[name]) for name in best}
    found = scanned(genome, motifs, tmp_path, "--relative-score", 0.9)
    assert found == naive(motifs, half) and found
    share = {name: 0.8 * best[name] for name in best}
    found = scanned(genome, motifs, tmp_path, "--share-of-best", 0.8, "--overwrite")
    assert found == naive(motifs, share) and found
    values = tmp_path / "concentrations.tsv"
    values.write_text("".join(f"{name}\t{-7 - i}\n" for i, name in enumerate(NAMES)))
    words = ("--occupancy", 0.6, "--concentrations", values, "--overwrite")
    found = scanned(genome, motifs, tmp_path, *words)
    bound = {name: -7 - i - np.log(0.6 / 0.4) for i, name in enumerate(NAMES)}
    assert found == naive(motifs, bound) and found


def test_a_threshold_of_0_is_one(genome, motifs, tmp_path):
    found = scanned(genome, motifs, tmp_path, "--log-kd", 0)
    assert found == naive(motifs, 0) and found
    words = (genome, "--motifs", motifs, "--output", tmp_path / "hits.bed", "--overwrite")
    said = scan(*words, "--log-kd", 0, "--p-value", 0, status=2).output
    assert "got --p-value and --log-kd" in " ".join(said.split())
    said = scan(*words, "--p-value", 0, status=1).output
    assert "p_value: expected a number above 0 and below 1, got 0" in " ".join(said.split())
    for most in (-0.1, 1.5):
        assert "--max-q" in scan(*words, "--max-q", most, status=2).output


def test_thresholds_of_the_file(genome, tmp_path):
    """HOMER states the log odds that a hit must have."""
    rows = "0.7\t0.1\t0.1\t0.1\n0.1\t0.1\t0.7\t0.1\n0.1\t0.7\t0.1\t0.1\n0.1\t0.1\t0.1\t0.7\n"
    (tmp_path / "one.motif").write_text(f">AGCT\tfactor\t3.0\n{rows}")
    motif_set = read_motifs(tmp_path / "one.motif")
    found = scanned(genome, tmp_path / "one.motif", tmp_path, "--use-file-thresholds")
    assert found == naive(tmp_path / "one.motif", motif_set.details[0].threshold) and found


def test_options_that_exclude_each_other_are_said(genome, motifs, tmp_path):
    words = (genome, "--motifs", motifs, "--output", tmp_path / "hits.bed")
    said = scan(*words, "--p-value", 1e-3, "--log-kd", -7, status=2).output
    assert "got --p-value and --log-kd" in " ".join(said.split())
    said = scan(*words, "--occupancy", 0.5, status=1).output
    assert "--concentrations: expected it, or --model" in said
    values = tmp_path.parent / "concentrations.tsv"
    values.write_text("".join(f"{name}\t-7\n" for name in NAMES))
    said = scan(*words, "--concentrations", values, "--p-value", 1e-3, status=1).output
    assert "expected --occupancy or --track with it" in " ".join(said.split())
    said = scan(*words, "--model-output", "a", "--log-kd", -7, status=1).output
    assert "--model-output: expected it with --model, got it with --motifs" in said
    said = scan(*words, "--model", tmp_path, status=1).output
    assert "--motifs, --model: expected one of them, got both" in " ".join(said.split())
    said = scan(genome, "--motifs", motifs, status=1).output
    assert "--output: expected it or --track, got neither" in " ".join(said.split())
    said = scan(*words[:-1], tmp_path / "hits.vcf", status=1).output
    assert "expected a name that ends in .bed" in " ".join(said.split())
    for alone, other in ((("--per", "motif"), "--best"), (("--track-total",), "--track")):
        said = scan(*words, *alone, status=1).output
        assert f"{alone[0]}: expected {other} with it, got none" in " ".join(said.split())
    track = (*words[:-2], "--track", tmp_path / "tracks", "--concentrations", values)
    of_hits = ("--tabix",), ("--format", "bed"), ("--q-values",), ("--max-q", 0), ("--best", 1)
    for alone in of_hits:
        said = scan(*track, *alone, status=1).output
        assert f"{alone[0]}: expected --output with it, got none" in " ".join(said.split())
    said = scan(*words[:-1], "-", "--track", "-", "--concentrations", values, status=1).output
    assert "--track: expected another file than --output, got - for both" in " ".join(said.split())
    said = scan(*words, "--tabix", status=1).output
    assert "expected a compressed BED or GFF3 file to index" in " ".join(said.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.3,0.2,0.5", "background: expected"),
        ("0.3,0.2,0.2,x", "which is no file"),
        ("missing.txt", "which is no file"),
        ("0.9,0.2,0.2,0.9", "background"),
    ],
)
def test_a_background_that_is_none_is_refused(genome, motifs, tmp_path, text, message):
    words = (genome, "--motifs", motifs, "--output", tmp_path / "hits.bed", "--background", text)
    assert message in " ".join(scan(*words, status=1).output.split())


def test_backgrounds_that_mean_the_same(genome, motifs, tmp_path):
    text = "".join(GENOME.values()).upper()
    counts = [text.count(base) for base in "ACGT"]
    shares = [count / sum(counts) for count in counts]
    file = tmp_path / "background.txt"
    lines = [f"{base} {share!r}" for base, share in zip("acgt", shares, strict=True)]
    file.write_text("# order 1\n" + "\n".join(lines) + "\nAA 0.1\nAC 0.1\n")
    given = ",".join(map(repr, shares))
    found = [
        scanned(genome, motifs, tmp_path, "--p-value", 0.002, "--background", each, "--overwrite")
        for each in ("sequences", given, file)
    ]
    assert found[0] == found[1] == found[2] and found[0]


def test_what_was_chosen_is_kept_and_said(genome, motifs, tmp_path):
    path = tmp_path / "hits.bed"
    said = scan(genome, "--motifs", motifs, "--output", path, "--share-of-best", 0.8).output
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
    for wanted in (
        f"# genome: {genome}",
        f"# motifs: {motifs}, 3 motifs",
        "# threshold: score, as a share of the best, at least 0.8",
        "# background: A 0.25 C 0.25 G 0.25 T 0.25",
        "# strands: both",
        "# unknown bases: skip",
    ):
        assert wanted in comments
    assert any(line.startswith("# command: cisreg scan ") for line in comments)
    count = sum(map(len, GENOME.values()))
    assert f"of 3 motifs in {count:,} bases (4 sequences) written to" in " ".join(said.split())


def test_sites_lie_within_intervals(genome, motifs, tmp_path):
    bed = tmp_path / "peaks.bed"
    bed.write_text("chr2\t10\t60\tpeak 1\nchr2\t390\t480\tpeak2\nchr1\t0\t700\tlast\n")
    path = tmp_path / "hits.bed"
    said = scan(
        *(genome, "--motifs", motifs, "--log-kd", -6, "--intervals", bed, "--output", path)
    ).output
    rows, rest = rows_of(path.read_text())
    within = [("chr2", 10, 60), ("chr2", 390, 480), ("chr1", 0, 700)]
    assert rows == naive(motifs, -6, within=within) and rows
    names = {("chr2", True): "peak 1", ("chr2", False): "peak2"}
    expected = [names.get((row[0], row[1] < 60), "last") for row in rows]
    assert [fields[-1] for fields in rest] == expected
    assert "in 840 bases (3 intervals)" in " ".join(said.split())
    # In another order.
    lines = bed.read_text().splitlines()
    bed.write_text("\n".join(lines[::-1]) + "\n")
    words = ("--log-kd", -6, "--intervals", bed, "--output", path, "--overwrite")
    scan(genome, "--motifs", motifs, *words)
    assert rows_of(path.read_text()) == (rows, rest)
    # Intervals without names.
    bed.write_text("chr2\t10\t60\n")
    scan(genome, "--motifs", motifs, *words)
    unnamed, rest = rows_of(path.read_text())
    assert unnamed == [row for row in rows if row[0] == "chr2" and row[1] < 60]
    assert {fields[-1] for fields in rest} == {"chr2:10-60"}


def track_of(path):
    """The value of each base of a bedGraph."""
    found = {name: np.zeros(len(text)) for name, text in GENOME.items()}
    for line in path.read_text().splitlines():
        if not line.startswith(("#", "track")):
            name, start, end, value = line.split("\t")
            found[name][int(start) : int(end)] = float(value)
    return found


@pytest.fixture
def concentrations(tmp_path):
    path = tmp_path / "concentrations.tsv"
    path.write_text("".join(f"{name}\t-7\n" for name in NAMES))
    return path


def test_a_track_of_occupancy(genome, motifs, concentrations, tmp_path):
    path = tmp_path / "total.bedgraph"
    words = (genome, "--motifs", motifs, "--concentrations", concentrations, "--track")
    scan(*words, path, "--track-total")
    unbound = {name: np.ones(len(text)) for name, text in GENOME.items()}
    for name, start, end, _, _, log_kd in naive(motifs, -7 - np.log(0.01 / 0.99)):
        unbound[name][start:end] *= 1 - 1 / (1 + np.exp(log_kd + 7))
    found = track_of(path)
    for name, expected in unbound.items():
        np.testing.assert_allclose(found[name], 1 - expected, atol=1e-5)
    scan(*words, tmp_path / "tracks", "--output", tmp_path / "hits.bed", "--log-kd", -8)
    assert len(list((tmp_path / "tracks").iterdir())) == len(NAMES)
    assert rows_of((tmp_path / "hits.bed").read_text())[0] == naive(motifs, -8)
    said = scan(*words, path, "--track-total", status=1).output
    assert "--overwrite" in said


def test_a_track_counts_sites_as_it_is_told(genome, motifs, concentrations, tmp_path):
    path = tmp_path / "total.bedgraph"
    words = ("--track-position", "start", "--track-reduction", "expected", "--track-floor", 0.2)
    words = ("--concentrations", concentrations, "--track", path, "--track-total", *words)
    scan(genome, "--motifs", motifs, *words)
    bound = {name: np.zeros(len(text)) for name, text in GENOME.items()}
    for name, start, _, _, _, log_kd in naive(motifs, -7 - np.log(0.2 / 0.8)):
        bound[name][start] += 1 / (1 + np.exp(log_kd + 7))
    assert any(values.any() for values in bound.values())
    found = track_of(path)
    for name, expected in bound.items():
        np.testing.assert_allclose(found[name], expected, atol=1e-5)


def test_a_model_has_motifs_and_concentrations(genome, tmp_path):
    save_model(tmp_path / "model", Model(SPEC, start_parameters(), NAMES))
    path = tmp_path / "hits.bed"
    scan(genome, "--model", tmp_path / "model", "--occupancy", 0.4, "--output", path)
    model = Model(SPEC, start_parameters(), NAMES)
    limits = model.parameters["log_concentration"] - np.log(0.4 / 0.6)
    write_motifs(tmp_path / "set", model.motifs)
    rows = rows_of(path.read_text())[0]
    limit = dict(zip(NAMES, limits, strict=True))
    assert sorted(rows) == sorted(naive(tmp_path / "set", limit)) and rows


def test_sites_that_exclude_each_other_have_no_occupancy_of_their_own(genome, tmp_path):
    spec = dataclasses.replace(SPEC, competition=True)
    columns = np.tile([[0], [spec.motif_width]], spec.motif_count)
    model = Model(spec, start_parameters(), NAMES, column_range=columns)
    save_model(tmp_path / "model", model)
    path = tmp_path / "hits.bed"
    found = scan(
        *(genome, "--model", tmp_path / "model", "--occupancy", 0.4, "--output", path), status=1
    )
    assert "--model: expected a model of independent sites" in " ".join(found.output.split())
    scan(genome, "--model", tmp_path / "model", "--log-kd", -2, "--output", path)
    assert path.exists()


def test_the_example_of_the_help_has_its_options():
    result = CliRunner().invoke(app, ["scan", "--help"])
    assert "cisreg scan genome.fa --motifs jaspar:fungi --output hits.bed.gz" in result.output


def test_genome_of_nothing_is_an_error(motifs, tmp_path):
    path = Path(tmp_path / "empty.fa")
    path.write_text("")
    scan(path, "--motifs", motifs, "--output", tmp_path / "hits.bed", status=1)
    assert [each.name for each in tmp_path.iterdir()] == ["empty.fa"]
