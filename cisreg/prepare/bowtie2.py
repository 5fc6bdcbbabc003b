"""Similar sequences, found by aligning all sequences to each other with bowtie2."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute

# CIGAR operations that consume letters of the reference sequence.
_CIGAR_OF_REFERENCE = re.compile(rb"(\d+)[MDN=X]")
_UNMAPPED, _REVERSE = 4, 16


def bowtie2_parents(
    sequences: pa.Array, candidates: np.ndarray, *, differences: int, threads: int
) -> np.ndarray:
    """The parent of each sequence: the most similar earlier one that bowtie2 aligns it to.

    bowtie2 2.x is run as `bowtie2 -N 1 -L 18 -a --norc`, end to end, with an index of the same
    sequences; its alignments are streamed. The differences of an alignment are its edits (NM) plus
    the letters of the target that it does not cover. bowtie2 only finds alignments that share a
    seed, and none of very short sequences.

    Args:
        sequences: N strings, by decreasing abundance.
        candidates: uint32 [N]; the parent of sequence i is among the first candidates[i].
        differences: maximum differences from the parent.
        threads: of bowtie2.

    Returns:
        int64 [N], index of the parent with the fewest differences, the first of several; the index
        of the sequence itself if it has no parent.

    Raises:
        FileNotFoundError: bowtie2 or bowtie2-build is not installed.
        OSError: one of them failed; the message has its last line.

    Example:
        >>> bowtie2_parents(
        ...     sequences, np.arange(len(sequences)), differences=3, threads=2
        ... )  # doctest: +SKIP
        array([0, 0, 2])
    """
    align, build = (_find_program(name) for name in ("bowtie2", "bowtie2-build"))
    parents = np.arange(len(sequences), dtype=np.int64)
    if len(sequences) < 2:
        return parents
    nearest = np.full(len(sequences), differences, np.int64)
    lengths = compute.binary_length(sequences).to_numpy()
    with tempfile.TemporaryDirectory(prefix="cisreg-") as folder:
        fasta, index = Path(folder, "sequences.fa"), str(Path(folder, "index"))
        _write_fasta(fasta, sequences)
        building = [build, "--quiet", "--threads", str(threads), str(fasta), index]
        with _output_of(building) as output:
            output.read()
        aligning = f"{align} -N 1 -L 18 -a --norc -p {threads} -f --no-sq --no-head -x".split()
        with _output_of([*aligning, index, "-U", str(fasta)]) as output:
            for line in output:
                hit = _read_hit(line, lengths)
                if hit is None:
                    continue
                query, target, count = hit
                # A sequence without a parent has its own index here, larger than any candidate.
                nearer = (count, target) < (nearest[query], parents[query])
                if nearer and target < candidates[query]:
                    nearest[query], parents[query] = count, target
    return parents


def _find_program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise FileNotFoundError(
            f"{name}: not found, and method bowtie2 needs it; install it with apt-get install "
            'bowtie2 or conda install -c bioconda bowtie2, or use the method "embedded"'
        )
    return path


def _write_fasta(path: Path, sequences: pa.Array) -> None:
    with path.open("w") as file:
        for row, sequence in enumerate(sequences):
            file.write(f">{row}\n{sequence.as_py()}\n")


@contextmanager
def _output_of(command: list[str]) -> Iterator[IO[bytes]]:
    """Standard output of a program, which is killed if it still runs at the end of the block."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout is not None  # asked for
        try:
            yield process.stdout
            status = process.wait()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        if status:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines() or ["no message"]
            raise OSError(f"{Path(command[0]).name} failed (status {status}): {lines[-1]}")


def _read_hit(line: bytes, lengths: np.ndarray) -> tuple[int, int, int] | None:
    """Query, target and differences of a SAM line; None if nothing was aligned."""
    fields = line.split(b"\t")
    if int(fields[1]) & (_UNMAPPED | _REVERSE):
        return None
    target = int(fields[2])
    reached = sum(map(int, _CIGAR_OF_REFERENCE.findall(fields[5])))
    edits = next(int(field[5:]) for field in fields[11:] if field.startswith(b"NM:i:"))
    return int(fields[0]), target, edits + int(lengths[target]) - reached
