"""Small compressed files that hold text without end: refused by file and line, in little memory."""

from __future__ import annotations

import bz2
import gzip
import json
import subprocess
import sys

import pytest
import zstandard

# Megabytes of text, and of memory beyond the imported modules: less than the text has. What is
# refused may be as long as the longest line a few times; of what is read only a part is in memory.
REFUSED_TEXT, REFUSED_ROOM = 800, 700
READ_TEXT, READ_ROOM = 320, 300
COMPRESS = {"gz": gzip.compress, "bz2": bz2.compress, "zst": zstandard.compress}


def endless(path, start, unit, megabytes, ending="gz"):
    """Writes `start`, then `unit` again and again."""
    compress = COMPRESS[ending]
    block = compress(unit * ((1 << 20) // len(unit)))
    path.write_bytes(compress(start) + block * megabytes)
    return str(path)


# A call with {file} in it, the start of the file, and what comes after it without end.
COLLAPSE = "collapse([{file}], out, overwrite=True)"
DATASET = "list(open_dataset({file}).blocks())"
PORTIONS = "sum(part.own for part in open_genome({file}).portions(overlap=29))"
REFUSED = {
    "reads, a line": (COLLAPSE, b"ACGT\n", b"A"),
    "FASTQ, a sequence": (COLLAPSE, b"@r\nACGT\n+\nIIII\n@q\n", b"A"),
    "FASTQ, a name": (COLLAPSE, b"@", b"r"),
    "FASTQ, a quality": (COLLAPSE, b"@r\nACGT\n+\n", b"I"),
    "FASTA, a line": (COLLAPSE, b">r\n", b"A"),
    "FASTA, a header": (COLLAPSE, b">", b"r"),
    "FASTA, a record of short lines": (COLLAPSE, b">r\n", b"ACGTACG\n"),
    "FASTA, blank lines behind a record": (COLLAPSE, b">r\nACGT\n", b"\n"),
    "a table of counts to cluster, a line": (
        "cluster_file({file}, out, overwrite=True)",
        b"ACGT\t1\n",
        b"A",
    ),
    "a table of counts, a comment": ("cluster_file({file}, out, overwrite=True)", b"#", b"x"),
    "a table of bins, a header": (
        "expression([{file}], out, overwrite=True)",
        b"sequence\t",
        b"b\t",
    ),
    "a table of bins, a line": (
        "expression([{file}], out, overwrite=True)",
        b"sequence\ta\tb\n",
        b"1\t",
    ),
    "a table of barcodes, a line": (
        "activity([{file}], out + '.tsv', overwrite=True)",
        b"barcode\tname\tdna_count\trna_count\nA\tx\t1\t1\n",
        b"A",
    ),
    "lines to translate": ("translate({file}, map, out, overwrite=True)", b"ACGT\n", b"A"),
    "a dictionary": ("translate(lines, {file}, out, overwrite=True)", b"ACGT\tACGA\n", b"A"),
    "counts to translate": (
        "translate_counts({file}, map, out, overwrite=True)",
        b"ACGT\t1\n",
        b"A",
    ),
    "reads 1, a sequence": (
        "merge_pairs({file}, reads, out, overlap=3, overwrite=True)",
        b"@r\n",
        b"A",
    ),
    "reads 2, a name": ("merge_pairs(reads, {file}, out, overlap=3, overwrite=True)", b"@", b"r"),
    "a motif": ("read_pkdm({file})", b"A\t", b"1\t"),
    "the name of a base": ("read_pkdm({file})", b"A\t1\n", b"C"),
    "a list of motifs": ("read_motifs({file})", b"a.pkdm\n", b"a"),
    "comments of a list of motifs": ("read_motifs({file})", b"", b"# comment\n"),
    "concentrations": ("read_log_concentration({file}, ['a'])", b"a\t", b"1"),
    "a likelihood": ("read_mean_standard_deviation({file})", b"0\t1\n", b"1"),
    "rows of a likelihood": ("read_mean_standard_deviation({file})", b"0\t1\n", b"1\t1\n"),
    "a table, a line": (DATASET, b"sequence\texpression\nACGT\t1\n", b"A"),
    "a table, a header": (DATASET, b"sequence\t", b"a\t"),
    "one-hot text": (DATASET, b"1\t", b"0\t"),
    "a genome, a header": (PORTIONS, b">", b"r"),
    "intervals, a line": ("Intervals.from_bed({file})", b"a\t1\t2\t", b"b"),
    "a background, a line": ("read_background({file})", b"A 0.1", b"0"),
    "comments of a background": ("read_background({file})", b"A 0.1\n", b"#\n"),
    "parameters of CisRegModels": ("read_params({file})", b"i\t", b"a\t"),
    "weights of CisRegModels": ("read_positional({file})", b"i\tj\tk\n", b"1"),
    "the old list of motifs": ("list_motifs({file})", b"", b"a"),
    "the old number of sequences": ("count_sequences({file})", b"1\t0\n", b"0"),
}
READ = {
    "FASTQ, blank lines at the end": (COLLAPSE, b"@r\nACGT\n+\nIIII\n", b"\n"),
    "FASTQ, records of a megabyte": (
        COLLAPSE,
        b"",
        b"@r\n" + b"A" * (1 << 18) + b"\n+\n" + b"I" * (1 << 18) + b"\n",
    ),
    "reads, blank lines": (COLLAPSE, b"ACGT\n", b"\n"),
    "a genome of one line": (PORTIONS, b">a\n", b"ACGT"),
    "a genome, blank lines and comments": (PORTIONS, b">a\nACGT\n", b"\n;x\n"),
}
CHILD = """
import json, logging, resource, sys
from cisreg.data import open_dataset
from cisreg.genome import Intervals, open_genome, read_background
from cisreg.legacy.inputs import count_sequences, list_motifs
from cisreg.legacy.text import read_params, read_positional
from cisreg.losses import read_mean_standard_deviation
from cisreg.motifs import read_log_concentration, read_motifs, read_pkdm
from cisreg.prepare.activity import activity
from cisreg.prepare.cluster import cluster_file
from cisreg.prepare.collapse import collapse
from cisreg.prepare.database import Resources
from cisreg.prepare.expression import expression
from cisreg.prepare.merge_pairs import merge_pairs
from cisreg.prepare.translate import translate, translate_counts
map, lines, reads, out, calls = json.load(sys.stdin)
collapse([lines], out, resources=Resources(threads=1))  # starts the database's threads
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
for name, file, call, room in calls:
    resource.setrlimit(resource.RLIMIT_AS, (taken + (room << 20), -1))
    try:
        result = "read: " + repr(eval(call))[:200]
    except Exception as error:
        named = isinstance(error, (ValueError, OSError)) and str(error).startswith(file)
        result = "said by name" if named else repr(error)[:1000]
    print(json.dumps([name, result]), flush=True)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What one process with little memory says of each file."""
    folder = tmp_path_factory.mktemp("endless")
    for name, text in (("map", "ACGT\tACGA\n"), ("lines", "ACGT\n"), ("reads", "@r\nAC\n+\nII\n")):
        (folder / name).write_text(text)
    calls = []

    def add(name, call, start, unit, ending="gz"):
        sizes = (READ_TEXT, READ_ROOM) if name in READ else (REFUSED_TEXT, REFUSED_ROOM)
        file = endless(folder / f"{len(calls)}.{ending}", start, unit, sizes[0], ending)
        calls.append((name, file, call.format(file=repr(file)), sizes[1]))

    for name, case in (READ | REFUSED).items():
        add(name, *case)
    for ending in ("bz2", "zst"):
        add(ending, COLLAPSE, b"ACGT\n", b"A", ending)
    given = [*(str(folder / each) for each in ("map", "lines", "reads", "out")), calls]
    process = subprocess.run(
        [sys.executable, "-c", CHILD], input=json.dumps(given), capture_output=True, text=True
    )
    lines = [line for line in process.stdout.splitlines() if line.startswith("[")]
    print(process.stdout)
    said = dict(map(json.loads, lines))
    return lambda name: said.get(name, f"the process ended: {process.stderr[-2000:]}")


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux limits memory in this way")


@pytest.mark.parametrize("name", [*REFUSED, "bz2", "zst"])
def test_text_without_end_is_refused(results, name):
    assert results(name) == "said by name"


@pytest.mark.parametrize("name", READ)
def test_text_of_any_size_is_read(results, name):
    assert results(name).startswith("read: ")
