"""Programs that take the place of bowtie2 in tests: small scripts in a folder of PATH."""

from __future__ import annotations

import sys
from pathlib import Path

# As the scripts of bowtie2 2.x do, they join their arguments into the command of a shell.
WRAPPER = """#!/bin/sh
exec sh -c "exec '$0-program' $*"
"""
# Aligns each sequence to all of its length that differ by substitutions: lines of SAM, as bowtie2
# prints them with -a. Commas separate files of reads.
ALIGN = """#!{python} -IS
import sys
if "--version" in sys.argv:
    print(sys.argv[0] + "-align-s version 2.5.1\\n64-bit")
    raise SystemExit
folder, index, reads = "", *(sys.argv[sys.argv.index(name) + 1] for name in ("-x", "-U"))
assert open(index + ".1.bt2").read() == "index"
texts = "".join(open(name).read() for name in reads.split(",")).split()
names, sequences = [name[1:] for name in texts[::2]], texts[1::2]
for name, sequence in zip(names, sequences):
    fields = ["255", "*", "0", "0", sequence, "I" * len(sequence)]
    found = 0
    for other, target in zip(names, sequences):
        edits = sum(a != b for a, b in zip(sequence, target))
        if len(target) == len(sequence) and edits <= 3:
            found += 1
            aligned = ["0", other, "1", *fields[:1], str(len(target)) + "M", *fields[1:]]
            print(name, *aligned, "AS:i:0", "NM:i:" + str(edits), sep="\\t")
    if not found:
        print(name, "4", "*", "0", *fields[:1], "*", *fields[1:], "YT:Z:UU", sep="\\t")
"""
BUILD = """#!{python} -IS
import sys
if "--version" in sys.argv:
    print(sys.argv[0] + "-build-s version 2.5.1")
    raise SystemExit
*_, fasta, index = sys.argv
assert "".join(open(name).read() for name in fasta.split(",")).startswith(">0\\n")
open(index + ".1.bt2", "w").write("index")
"""


def install(folder: Path, align: str = ALIGN, build: str = BUILD, *, wrapped: bool = False) -> Path:
    """Writes both programs into a folder, each as it is or behind a wrapper."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, program in (("bowtie2", align), ("bowtie2-build", build)):
        texts = {f"{name}-program": program, name: WRAPPER} if wrapped else {name: program}
        for file, text in texts.items():
            (folder / file).write_text(text.format(python=sys.executable))
            (folder / file).chmod(0o755)
    return folder
