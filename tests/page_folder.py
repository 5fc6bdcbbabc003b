"""The files that commands and Python of the pages name, small and simulated, in one folder."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
from pathlib import Path

import numpy as np
from page_blocks import blocks_of

import cisreg
from cisreg.motifs import demo_motifs, write_motifs

LENGTH = 110
FACTORS = ("Abf1", "Rap1", "Reb1")
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def write_folder(folder: Path) -> cisreg.simulate.Simulation:
    """Fills a folder; returns the simulation whose true model is in `model`."""
    motifs = demo_motifs()[list(FACTORS)]
    made = cisreg.simulate(motifs, sequence_count=120, sequence_length=LENGTH, seed=3)
    model = cisreg.Model(made.spec, made.parameters, motifs.names, initial_motifs=motifs)
    cisreg.save_model(folder / "model", model)
    write_motifs(folder / "motifs", motifs)
    files = sorted(path.name for path in (folder / "motifs").glob("*.pkdm"))
    (folder / "motif_list.txt").write_text("".join(f"motifs/{name}\n" for name in files))
    concentrations = zip(motifs.names, motifs.lowest_log_kd(), strict=True)
    lines = "".join(f"{name}\t{value}\n" for name, value in concentrations)
    (folder / "log_concentration.tsv").write_text(lines)
    texts, values = cisreg.decode(made.sequence), made.expression.tolist()
    _write_tables(folder, texts, values)
    _write_fasta(folder, texts)
    _write_genome(folder, texts)
    _write_counts(folder, texts)
    _write_noisy(folder, texts, values)
    _write_conditions(folder, texts, values)
    _write_reads(folder, texts)
    for name in ("my_recipe.toml", "small.toml"):
        (folder / name).write_text(_small("default"))
    _write_old_files(folder)
    _write_registry(folder / "lab", texts, values)
    return made


def _small(recipe: str) -> str:
    """A recipe whose stages end after one epoch."""
    text = (Path(cisreg.__file__).parent / "recipes" / f"{recipe}.toml").read_text()
    lines = ["epochs = 1" if line.startswith("epochs = ") else line for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def _write_conditions(folder: Path, texts: list[str], values: list[float]) -> None:
    """Sequences measured in two conditions, one of them not everywhere."""
    for name, rows in (("conditions.tsv", slice(80)), ("conditions_test.tsv", slice(80, None))):
        lines = ["sequence\tglucose\tgalactose"]
        for number, (text, value) in enumerate(zip(texts[rows], values[rows], strict=True)):
            second = "NA" if number % 7 == 0 else f"{value + number % 5 / 10:.3f}"
            lines.append(f"{text}\t{value:.3f}\t{second}")
        (folder / name).write_text("\n".join(lines) + "\n")


def _write_tables(folder: Path, texts: list[str], values: list[float]) -> None:
    def write(name, rows, head="sequence\texpression"):
        (folder / name).write_text("\n".join([head, *("\t".join(row) for row in rows)]) + "\n")

    rows = [(text, str(value)) for text, value in zip(texts, values, strict=True)]
    train, test = rows[:80], rows[80:]
    write("train.tsv.gz", train)
    write("test.tsv.gz", test)
    write("library_1.tsv.gz", train[:40])
    write("library_2.tsv.gz", train[40:])
    write("sequences.tsv", [row[:1] for row in test[:5]], "sequence")
    write("promoters.tsv", [row[:1] for row in test[:3]], "sequence")
    twice = [
        (text, value, f"{float(value) + 0.1:.4f}", f"locus{index % 20}")
        for index, (text, value) in enumerate(train)
    ]
    write("replicates.tsv.gz", twice, "sequence\treplicate_1\treplicate_2\tlocus")
    pairs = [(f"v{i}", text, f"{text[:60]}TTACCCG{text[67:]}") for i, (text, _) in enumerate(test)]
    write("pairs.tsv", pairs[:3], "name\treference\talternative")
    comma = [
        (f"P{i:05}", text, str(len(text)), *[f"{float(v):.3f}".replace(".", ",")] * 2, "2")
        for i, (text, v) in enumerate(train)
    ]
    head = "Promoter ID;Insert Seq (5'-3');Length;Rep1 log2(YFP/RFP);Rep2 log2(YFP/RFP);Plate"
    lines = [head, *(";".join(row) for row in comma)]
    (folder / "export.csv").write_text("\n".join(lines) + "\n")
    lines = ["plate,insert,log2_ratio", *(f"1,{text},{value}" for text, value in train)]
    (folder / "screen.csv").write_text("\n".join(lines) + "\n")
    cisreg.data.convert(cisreg.open_dataset(folder / "train.tsv.gz"), folder / "shards")


def _write_fasta(folder: Path, texts: list[str]) -> None:
    def write(name, given):
        lines = [f">P{index}\n{text}\n" for index, text in enumerate(given)]
        (folder / name).write_text("".join(lines))

    for name in ("test.fa", "promoters.fa", "promoters.fasta", "wild_type.fa"):
        write(name, texts[80:82])
    write("mutants.fa", [f"{text[:60]}TTACCCG{text[67:]}" for text in texts[80:82]])


def _write_genome(folder: Path, texts: list[str]) -> None:
    """A genome of two chromosomes, constructs of it, and variants within them."""
    bases = random.Random(1)
    genome = {name: "".join(bases.choices("ACGT", k=2000)) for name in ("chrI", "chrII")}
    for name in ("genome.fa", "yeast.fa"):
        lines = [f">{chromosome}\n{text}\n" for chromosome, text in genome.items()]
        (folder / name).write_text("".join(lines))
    rows = [("chrI", 500, 610, "first", "+"), ("chrII", 900, 1010, "second", "-")]
    bed = ["\t".join(map(str, (*row[:4], 0, row[4]))) for row in rows]
    (folder / "promoters.bed").write_text("\n".join(bed) + "\n")
    head = "##fileformat=VCFv4.2\n##contig=<ID=chrI>\n##contig=<ID=chrII>\n"
    head += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    variants = []
    for chromosome, position in (("chrI", 551), ("chrII", 961)):
        reference = genome[chromosome][position - 1]
        other = "ACGT"[("ACGT".index(reference) + 1) % 4]
        variants.append(f"{chromosome}\t{position}\t.\t{reference}\t{other}\t.\t.\t.\n")
    (folder / "strain.vcf.gz").write_text(head + "".join(variants))


def _write_counts(folder: Path, texts: list[str]) -> None:
    """Counts of barcodes in DNA and RNA, and the design with the sequences."""
    counts = random.Random(2)
    design = [f">oligo{index}\n{text}\n" for index, text in enumerate(texts[:30])]
    (folder / "design.fa").write_text("".join(design))
    head = "barcode\toligo_name\tdna_count_1\trna_count_1\tdna_count_2\trna_count_2"
    rows = []
    for index in range(30):
        for _ in range(12):
            barcode = "".join(counts.choices("ACGT", k=15))
            reads = [str(counts.randint(5, 20 + 5 * index)) for _ in range(4)]
            rows.append("\t".join([barcode, f"oligo{index}", *reads]))
    (folder / "HepG2_barcodes.tsv.gz").write_text("\n".join([head, *rows]) + "\n")


def _write_noisy(folder: Path, texts: list[str], values: list[float]) -> None:
    """Counts of four sorting bins, one of them in a table of MAVE-NN, and counts of libraries."""
    drawn = np.random.default_rng(4)
    borders = np.quantile(values, (0.25, 0.5, 0.75))
    noisy = np.add.outer(values, drawn.normal(scale=np.std(values) / 2, size=20))
    found = np.searchsorted(borders, noisy)
    bins = np.stack([(found == each).sum(axis=1) for each in range(4)], axis=1)
    dna = drawn.poisson(40.0, len(texts)) + 1
    levels = np.exp((np.array(values) - np.mean(values)) / np.std(values))
    rna = drawn.poisson(np.outer(dna * levels, (0.5, 1.0, 0.7)))

    def write(name, head, rows, between):
        lines = [head, *(between.join(map(str, row)) for row in rows)]
        (folder / name).write_text("\n".join(lines) + "\n")

    shares = ["training"] * 80 + ["validation"] * 10 + ["test"] * 30
    mave_nn = zip(shares, *bins.T, texts, strict=True)
    write("sortseq.csv.gz", "set,ct_0,ct_1,ct_2,ct_3,x", mave_nn, ",")
    named = zip(texts, *bins.T, strict=True)
    write("bins.tsv", "sequence\tbin1\tbin2\tbin3\tbin4", named, "\t")
    counted = zip(texts, dna, *rna.T, strict=True)
    write("counts.tsv", "sequence\tdna\trna_1\trna_2\trna", counted, "\t")


def _write_reads(folder: Path, texts: list[str]) -> None:
    """Pairs of reads of four bins; both reads are 75 bases of promoters of 110."""
    drawn = random.Random(3)
    for number in range(4):
        pairs = [text for index, text in enumerate(texts[:30]) for _ in range(drawn.randint(3, 9))]
        for read, name in ((1, "R1"), (2, "R2")):
            bases = [
                text[:75] if read == 1 else text.translate(COMPLEMENT)[::-1][:75] for text in pairs
            ]
            records = [f"@r{i}\n{each}\n+\n{'I' * 75}\n" for i, each in enumerate(bases)]
            (folder / f"bin0{number}_{name}.fastq.gz").write_text("".join(records))


def _write_old_files(folder: Path) -> None:
    """What CisRegModels names: a list of motifs and their concentrations."""
    paths = (folder / "motif_list.txt").read_text()
    (folder / "motifs.txt").write_text(paths)
    lines = "".join(f"{path}\t-4\n" for path in paths.splitlines())
    (folder / "minKds.txt").write_text(lines)


def _write_registry(lab: Path, texts: list[str], values: list[float]) -> None:
    """The registry of its page, with files beside it, and their sizes and checksums."""
    lab.mkdir()
    head = "insert\tlog2_ratio\tprecision\n"
    rows = [f"{text}\t{value}\t1\n" for text, value in zip(texts, values, strict=True)]
    (lab / "train.tsv.gz").write_text(head + "".join(rows[:80]))
    (lab / "test.tsv.gz").write_text(head + "".join(rows[80:]))
    shutil.copytree(lab.parent / "model", lab / "my_model")
    (arrays,) = (lab / "my_model").glob("parameters-*.npz")
    (page,) = (
        each for each in blocks_of("docs/reference/registries.md") if each.language == "toml"
    )
    text = re.sub(r"parameters-\w+\.npz", arrays.name, page.text)

    def with_numbers(entry: re.Match[str]) -> str:
        (url,) = re.findall(r'^url = \[?"([^"]+)"', entry[0], re.MULTILINE)
        content = (lab / url).read_bytes()
        found = re.sub(r"^size = \d+", f"size = {len(content)}", entry[0], flags=re.MULTILINE)
        digest = hashlib.sha256(content).hexdigest()
        return re.sub(r'^sha256 = "[^"]*"', f'sha256 = "{digest}"', found, flags=re.MULTILINE)

    entry = re.compile(r"^\[\[\w+\.file\]\].*?(?=^\[\[|\Z)", re.MULTILINE | re.DOTALL)
    (lab / "registry.toml").write_text(entry.sub(with_numbers, text))


def copy_folder(source: Path, target: Path) -> Path:
    """A copy, for one page alone."""
    return Path(shutil.copytree(source, target))
