"""`cisreg scan` as a process: standard streams, signals, memory."""

from __future__ import annotations

import array
import gzip
import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

fcntl = pytest.importorskip("fcntl")
termios = pytest.importorskip("termios")

LINE = 100
# Far more than a reader holds back, so that the first sequences are scanned while more come.
MEGABASES = 6


def sequence(name, bases, seed):
    letters = random.Random(seed)
    lines = ["".join(letters.choices("ACGT", k=LINE)) for _ in range(200)]
    text = "\n".join(lines) + "\n"
    return f">{name}\n".encode() + text.encode() * (bases // (LINE * len(lines)))


@pytest.fixture(scope="module")
def sequences():
    return [sequence(f"chr{i}", MEGABASES * 1_000_000, i) for i in range(3)]


def start(*words, **streams):
    command = [sys.executable, "-m", "cisreg", "scan", *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **streams)


def lines_of(path):
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    lines = text.splitlines()
    hits = [line for line in lines if not line.startswith("#")]
    return [line for line in lines if line.startswith("#")], hits


def wait_until_read(pipe, process):
    """Until the process has taken all that was written to its standard input."""
    left, limit = array.array("i", [1]), time.monotonic() + 60
    while left[0]:
        fcntl.ioctl(pipe, termios.FIONREAD, left)
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole(sequences, tmp_path_factory):
    """The hits of all sequences, from standard input to standard output."""
    process = start(
        *("-", "--motifs", "demo", "--output", "-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    output, errors = process.communicate(b"".join(sequences), timeout=120)
    assert process.returncode == 0, errors
    assert b"written to standard output" in errors
    path = tmp_path_factory.mktemp("whole") / "hits.bed"
    path.write_bytes(output)
    return lines_of(path)[1]


@pytest.mark.parametrize("name", ["hits.bed", "hits.bed.gz"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_is_whole(sequences, whole, tmp_path, name, number):
    output = tmp_path / name
    process = start("-", "--motifs", "demo", "--output", output, stdin=subprocess.PIPE)
    try:
        for text in sequences[:2]:
            process.stdin.write(text)
        process.stdin.flush()
        wait_until_read(process.stdin, process)
        process.send_signal(number)
        time.sleep(0.1)
        _, errors = process.communicate(sequences[2], timeout=120)
    finally:
        process.kill()
    errors = errors.decode()
    assert process.returncode == 128 + number, errors
    assert f"stopped: by {signal.Signals(number).name}" in errors and "Traceback" not in errors
    kept = tmp_path / name.replace("hits", "hits.incomplete")
    assert list(tmp_path.iterdir()) == [kept]
    comments, hits = lines_of(kept)
    found = re.fullmatch(r"# incomplete: (\w+) from start ([\d,]+) on.*", comments[-1])
    missing = (found[1], int(found[2].replace(",", "")))
    assert found[1] in errors and str(kept) in " ".join(errors.split())
    expected = [line for line in whole if (line.split("\t")[0], int(line.split("\t")[1])) < missing]
    assert hits == expected and 0 < len(hits) < len(whole)


def test_q_values_of_what_was_scanned_are_said_to_be(sequences, tmp_path):
    words = ("--motifs", "demo", "--q-values", "--output", tmp_path / "hits.tsv")
    process = start("-", *words, stdin=subprocess.PIPE)
    try:
        for text in sequences[:2]:
            process.stdin.write(text)
        process.stdin.flush()
        wait_until_read(process.stdin, process)
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        _, errors = process.communicate(sequences[2], timeout=120)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGINT, errors
    (kept,) = tmp_path.iterdir()
    comments, hits = lines_of(kept)
    assert comments[-1].endswith("q-values are those of what was scanned")
    assert hits[0].endswith("log_kd\tp_value\tq_value") and len(hits) > 1


def test_a_signal_before_the_first_portion_leaves_nothing(tmp_path):
    output = tmp_path / "hits.bed"
    process = start("-", "--motifs", "demo", "--output", output, stdin=subprocess.PIPE)
    try:
        process.stdin.write(b">chr1\nACGT\n")
        process.stdin.flush()
        wait_until_read(process.stdin, process)
        limit = time.monotonic() + 60
        while not list(tmp_path.iterdir()):  # the temporary file, once the scan began
            assert process.poll() is None and time.monotonic() < limit
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        _, errors = process.communicate(b"ACGT" * 10, timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGINT, errors
    assert b"nothing was scanned yet" in errors
    assert not list(tmp_path.iterdir())


MEASURED = """
import resource, sys
from cisreg.cli import app
try:
    app(sys.argv[1:])
except SystemExit as end:
    status = end.code
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
sys.exit(status)
"""


@pytest.mark.parametrize("ending", ["bed", "parquet"])
def test_memory_is_bounded_whatever_the_number_of_hits(tmp_path, ending):
    """Three times as many hits, each of 45 bytes in a table, take about the same memory."""
    genome = tmp_path / "genome.fa"
    peaks, sizes = [], []
    for megabases in (8, 24):
        genome.write_bytes(sequence("chr1", megabases * 1_000_000, 1))
        output = tmp_path / f"{megabases}.{ending}"
        words = ["scan", genome, "--motifs", "demo", "--output", output, "--p-value", "0.02"]
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *map(str, words)],
            capture_output=True,
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        peaks.append(int(done.stdout.split()[-1]))
        sizes.append(int(re.search(rb"([\d,]+) hits", done.stdout)[1].replace(b",", b"")))
        output.unlink()
    # The hits more, as a table.
    more = 45 * (sizes[1] - sizes[0])
    assert more > 150e6
    assert peaks[1] - peaks[0] < more / 3, (peaks, sizes)
