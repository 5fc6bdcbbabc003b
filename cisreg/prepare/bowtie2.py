"""Similar sequences, found by aligning all sequences to each other with bowtie2."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute

from cisreg.delayed_signals import temporary_folder
from cisreg.number_text import shown

# Names in the temporary folder, in which the programs run. bowtie2 is a script that joins its
# arguments into a command for a shell, and commas separate its input files: so no argument may have
# a blank, a comma or a mark of the shell, and no path is given, since folders may have them.
_FASTA, _INDEX = "sequences.fa", "index"
# What a shell reads within quotation marks, between which the script puts its own path.
_SHELL_MARKS = frozenset('"$`\\')
_VERSION = re.compile(rb"bowtie2\S* version 2\.")
_CIGAR = re.compile(rb"(?:[0-9]{1,9}[MIDNSHP=X])+")
# CIGAR operations that consume letters of the reference sequence.
_CIGAR_OF_REFERENCE = re.compile(rb"([0-9]+)[MDN=X]")
_UNMAPPED, _REVERSE = 4, 16
_SAM_FIELDS = 11  # before the optional ones
_MOST_DIGITS = 18
# Of output: a line of SAM has sequence, qualities and differences, 65,535 letters each at most.
_LONGEST_LINE = 1 << 20
_MESSAGE_BYTES = 1 << 10
_MESSAGE_LINES = 3  # the script adds one or two to the message of the program


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
        OSError: one of them cannot be run, is not bowtie2 2.x, failed, or printed other lines than
            alignments of each sequence; the message has its last lines.

    Example:
        >>> bowtie2_parents(
        ...     sequences, np.arange(len(sequences)), differences=3, threads=2
        ... )  # doctest: +SKIP
        array([0, 0, 2])
    """
    align, build = (_find_program(name) for name in ("bowtie2", "bowtie2-build"))
    if len(sequences) < 2:
        return np.arange(len(sequences), dtype=np.int64)
    with temporary_folder("cisreg-") as folder:
        for program in (align, build):
            _check_version(program, folder)
        _write_fasta(Path(folder, _FASTA), sequences)
        _build_index([build, "--quiet", "--threads", str(threads), _FASTA, _INDEX], folder)
        options = ("-N", "1", "-L", "18", "-a", "--norc", "-p", str(threads))
        files = ("-f", "--no-sq", "--no-head", "-x", _INDEX, "-U", _FASTA)
        lengths = compute.binary_length(sequences).to_numpy()
        with _output_of([align, *options, *files], folder) as output:
            parents, seen = read_alignments(_lines(output), lengths, candidates, differences)
    missing = ~seen & (lengths > 0)  # bowtie2 passes over empty sequences
    if missing.any():
        # Some versions of bowtie2 end with status 0 although the aligner died.
        raise OSError(
            f"bowtie2: expected lines of all {len(sequences)} sequences, got none of "
            f"{missing.sum()}; does it run on its own?"
        )
    return parents


def read_alignments(
    lines: Iterator[bytes], lengths: np.ndarray, candidates: np.ndarray, differences: int
) -> tuple[np.ndarray, np.ndarray]:
    """The parents from lines of SAM, and which sequences had a line.

    Args:
        lines: of SAM, whose names are the indices of the sequences; one that has no end is left
            out, since the program died, but not one of a mebibyte.
        lengths: of the N sequences.
        candidates: as of `bowtie2_parents`.
        differences: as of `bowtie2_parents`.

    Returns:
        Parents int64 [N], and bool [N].

    Raises:
        OSError: a line is no alignment of these sequences.
    """
    parents = np.arange(len(lengths), dtype=np.int64)
    nearest = np.full(len(lengths), differences, np.int64)
    seen = np.zeros(len(lengths), bool)
    for line in lines:
        if not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
            continue
        try:
            query, hit = _read_line(line, lengths)
        except ValueError:
            raise OSError(
                f"bowtie2: expected alignments of the {len(lengths)} sequences (SAM), got the line "
                f"{shown(line.decode(errors='replace').rstrip())}; is it bowtie2 2.x?"
            ) from None
        seen[query] = True
        if hit is None:
            continue
        target, count = hit
        # A sequence without a parent has its own index here, larger than any candidate.
        nearer = (count, target) < (nearest[query], parents[query])
        if nearer and target < candidates[query]:
            nearest[query], parents[query] = count, target
    return parents, seen


def _find_program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise FileNotFoundError(
            f"{name}: not found, and method bowtie2 needs it; install it with apt-get install "
            'bowtie2 or conda install -c bioconda bowtie2, or use the method "embedded"'
        )
    # Absolute, since the programs run in another folder.
    path = os.path.abspath(path)  # noqa: PTH100, keeps links as they are
    if _SHELL_MARKS & {*os.path.realpath(path)}:
        raise OSError(
            f"{path}: expected a folder without the marks {' '.join(sorted(_SHELL_MARKS))} in its "
            "name, which the script of bowtie2 gives to a shell; install bowtie2 in another folder"
        )
    return path


def _check_version(program: str, folder: str) -> None:
    """Raises OSError if a program is not one of bowtie2 2.x."""
    with _output_of([program, "--version"], folder) as output:
        first = next(_lines(output), b"")
        if first and not _VERSION.search(first):
            raise _not_bowtie2(program, first)
        _read_to_end(output)
    if not first:
        raise _not_bowtie2(program, first)


def _not_bowtie2(program: str, version: bytes) -> OSError:
    got = shown(version.decode(errors="replace").rstrip()) if version else "nothing"
    return OSError(
        f"{program}: expected bowtie2 2.x, got {got} as its version; put the right program first "
        "in PATH"
    )


def _build_index(command: Sequence[str], folder: str) -> None:
    with _output_of(command, folder) as output:
        _read_to_end(output)


def _write_fasta(path: Path, sequences: pa.Array) -> None:
    with path.open("w") as file:
        for row, sequence in enumerate(sequences):
            file.write(f">{row}\n{sequence.as_py()}\n")


@contextmanager
def _output_of(command: Sequence[str], folder: str) -> Iterator[IO[bytes]]:
    """Standard output of a program that runs in a folder.

    If it still runs at the end of the block, it is killed, and so is what it has started.

    Raises:
        OSError: it cannot be run, or failed.
    """
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            raise OSError(
                f"{command[0]}: cannot be run ({error.strerror}); does it run on its own?"
            ) from None
        assert process.stdout is not None  # asked for
        try:
            yield process.stdout
            status = process.wait()
        finally:
            _kill(process)
            process.stdout.close()
        if status:
            how = f"status {status}" if status > 0 else f"ended by signal {-status}"
            raise OSError(f"{Path(command[0]).name} failed ({how}): {_last_lines(errors)}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends a program, if it runs, with the programs that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_lines(errors: IO[bytes]) -> str:
    errors.seek(max(errors.seek(0, os.SEEK_END) - _MESSAGE_BYTES, 0))
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return "; ".join(line.strip() for line in lines[-_MESSAGE_LINES:]) or "no message"


def _lines(output: IO[bytes]) -> Iterator[bytes]:
    """The lines; a longer one comes in pieces, so that no output takes the memory."""
    return iter(lambda: output.readline(_LONGEST_LINE), b"")


def _read_to_end(output: IO[bytes]) -> None:
    while output.read(_LONGEST_LINE):
        pass


def _read_line(line: bytes, lengths: np.ndarray) -> tuple[int, tuple[int, int] | None]:
    """The query of a line of SAM; target and differences, or None if nothing was aligned.

    Raises:
        ValueError: not such a line, or not of these sequences.
    """
    fields = line.split(b"\t")
    if len(fields) < _SAM_FIELDS:
        raise ValueError
    query = _index(fields[0], len(lengths))
    if _number(fields[1]) & (_UNMAPPED | _REVERSE):
        return query, None
    target, cigar = _index(fields[2], len(lengths)), fields[5]
    reached = sum(map(_number, _CIGAR_OF_REFERENCE.findall(cigar)))
    edits = [field[5:] for field in fields[_SAM_FIELDS:] if field.startswith(b"NM:i:")]
    if not (_CIGAR.fullmatch(cigar) and reached <= lengths[target] and len(edits) == 1):
        raise ValueError
    return query, (target, _number(edits[0].rstrip(b"\n")) + int(lengths[target]) - reached)


def _index(text: bytes, count: int) -> int:
    if (index := _number(text)) >= count:
        raise ValueError
    return index


def _number(text: bytes) -> int:
    if not (text.isdigit() and len(text) <= _MOST_DIGITS):
        raise ValueError
    return int(text)
