"""`cisreg explain variants`: VCF files and tables of pairs."""

from __future__ import annotations

import csv
import importlib.util

import numpy as np
import pytest
from genome.variant_files import vcf_text, write_genome
from interpret_models import make_model
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.interpret import genome_variant_effects, join_effects, variant_effects
from cisreg.storage import save_model

pytest.importorskip("pysam", reason="reads VCF")

TEXT = "".join(np.random.default_rng(8).choice(list("ACGT"), 150))
MODEL = make_model(accessibility_activity=True)


@pytest.fixture
def files(tmp_path):
    save_model(tmp_path / "model", MODEL)
    write_genome(tmp_path / "genome.fa", {"chrI": TEXT})
    records = [
        f"chrI {position} v{position} {TEXT[position - 1]} "
        + "ACGT"[("ACGT".index(TEXT[position - 1]) + 1) % 4]
        for position in (30, 31, 100)
    ]
    (tmp_path / "x.vcf").write_text(vcf_text(*records))
    (tmp_path / "x.bed").write_text("chrI\t20\t40\tone\t0\t-\nchrI\t90\t114\ttwo\n")
    return tmp_path


def run(files, *words, status=0):
    words = ["explain", "variants", files / "model", *words]
    result = CliRunner().invoke(app, [*map(str, words)])
    assert result.exit_code == status, result.output
    return result


def rows_of(text):
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


def test_a_vcf_file_becomes_a_table_of_effects_and_one_of_factors(files):
    genome = "--genome", files / "genome.fa"
    outputs = "--output", files / "out.tsv", "--by-factor", files / "factors.tsv"
    said = run(files, files / "x.vcf", *genome, "--constructs", files / "x.bed", *outputs)
    assert "3 variants written to" in said.output
    rows = rows_of((files / "out.tsv").read_text())
    expected = join_effects(
        genome_variant_effects(
            MODEL, files / "x.vcf", files / "genome.fa", constructs=files / "x.bed"
        )
    )
    np.testing.assert_allclose([float(row["effect"]) for row in rows], expected.effect)
    assert [row["explanation"] for row in rows] == expected.explanations
    assert [(row["construct"], row["position"], row["identifier"]) for row in rows] == [
        ("one", "30", "v30"),
        ("one", "31", "v31"),
        ("two", "100", "v100"),
    ]
    factors = rows_of((files / "factors.tsv").read_text())
    assert {row["factor"] for row in factors} <= set(MODEL.motif_names)
    total = sum(float(row["effect"]) for row in factors if row["position"] == "31")
    np.testing.assert_allclose(total, expected.effect[1], atol=1e-8)


def test_windows_on_standard_output(files):
    found = run(files, files / "x.vcf", "--genome", files / "genome.fa", "--window", 20)
    assert len(rows_of(found.stdout)) == 3
    assert rows_of(found.stdout)[0]["construct"] == "chrI:19-39"


def test_pairs_of_a_table(files):
    before, after = ["ACGTTGCA" * 3, TEXT[:20]], ["ACGTTGCC" * 3, TEXT[1:20]]
    lines = ["id\tseq\tmutant", *map("\t".join, zip("ab", before, after, strict=True))]
    (files / "pairs.tsv").write_text("\n".join(lines) + "\n")
    columns = "--reference-column", "seq", "--alternative-column", "mutant"
    found = run(files, "--pairs", files / "pairs.tsv", *columns)
    rows = rows_of(found.stdout)
    expected = variant_effects(MODEL, before, after)
    assert [row["sequence"] for row in rows] == ["a", "b"]
    np.testing.assert_allclose([float(row["effect"]) for row in rows], expected.effect)
    assert [row["explanation"] for row in rows] == expected.explanations


def test_the_columns_of_a_pair_are_asked_for_by_their_options(files):
    (files / "pairs.tsv").write_text("name\tbefore\tafter\na\tACGT\tACGA\n")
    found = run(files, "--pairs", files / "pairs.tsv", status=1)
    assert "expected one column named 'reference', got 'name', 'before', 'after'" in found.output
    assert "--reference-column and --alternative-column" in found.output


def test_an_empty_file_gives_an_empty_table(files):
    (files / "x.vcf").write_text(vcf_text())
    found = run(files, files / "x.vcf", "--genome", files / "genome.fa")
    (line,) = found.stdout.splitlines()
    assert line.startswith("construct\tchromosome\tposition\t")


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs matplotlib")
def test_the_largest_effect_is_drawn(files):
    plot = files / "x.png"
    run(files, files / "x.vcf", "--genome", files / "genome.fa", "--plot", plot)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_names_of_files_are_checked_before_anything_is_computed(files):
    genome = "--genome", files / "genome.fa"
    for option, name in (("--plot", "x.txt"), ("--by-factor", "x.txt")):
        outputs = "--output", files / "out.tsv", option, files / name
        found = run(files, files / "x.vcf", *genome, *outputs, status=1)
        assert "expected a name that ends in" in found.output
        assert not (files / "out.tsv").exists()


def test_faults_are_messages(files):
    genome = "--genome", files / "genome.fa"
    for words in ((), (files / "x.vcf",), (files / "x.vcf", "--pairs", "x.tsv"), genome):
        run(files, *words, status=2)
    run(files, files / "x.vcf", *genome, "--window", 9, "--constructs", files / "x.bed", status=2)
    text = (files / "x.vcf").read_text()
    (files / "x.vcf").write_text(text.replace("chrI", "I"))
    found = run(files, files / "x.vcf", *genome, status=1)
    assert "record 1 (I:30" in found.output
    assert "it has 'chrI'" in found.output
    bases = TEXT[29]
    (files / "x.vcf").write_text(vcf_text(f"chrI 31 . {bases * 3} A"))
    found = run(files, files / "x.vcf", *genome, status=1)
    assert "--mismatch skip" in found.output
    run(files, files / "x.vcf", *genome, "--mismatch", "skip")
