"""Small files of variants and genomes, written by hand."""

from __future__ import annotations

HEADER = "##fileformat=VCFv4.2\n"
FORMAT = '##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">\n'


def vcf_text(*records, samples=()):
    """The text of a VCF file; a record is "chr1 5 id A G" with genotypes behind."""
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    columns += ["FORMAT", *samples] if samples else []
    lines = ["\t".join(columns)]
    for record in records:
        fields = record.split(" ")
        genotypes = ["GT", *fields[5:]] if samples else []
        lines.append("\t".join([*fields[:5], ".", "PASS", ".", *genotypes]))
    return HEADER + FORMAT * bool(samples) + "\n".join(lines) + "\n"


def write_genome(path, texts, width=50):
    """A FASTA file of texts by name."""
    lines = []
    for name, text in texts.items():
        lines += [f">{name}", *(text[i : i + width] for i in range(0, len(text), width))]
    path.write_text("\n".join(lines) + "\n")
    return path
