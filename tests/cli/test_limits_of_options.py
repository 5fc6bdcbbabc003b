"""Options far beyond what makes sense: one sentence before memory is taken."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cisreg import limits
from cisreg.cli.app import app
from cisreg.limits import available_cores

HUGE = str(10**12)
SIMULATE = ("simulate", "--motifs", "demo", "--output", "{new}")
MERGE = ("prepare", "merge-pairs", "{reads}", "{mates}", "--output", "{new}", "--overlap")
SAID = {
    "simulate --train": ((*SIMULATE, "--train", HUGE), "sequence_count, sequence_length: 1,000,"),
    "simulate --test": ((*SIMULATE, "--test", HUGE), "sequence_count, sequence_length: 1,000,"),
    "simulate --length": ((*SIMULATE, "--length", HUGE), "sequence_length: expected at most 16,"),
    "simulate --motif-width": ((*SIMULATE, "--motif-width", HUGE), "width: expected at most 1,000"),
    "merge-pairs --overlap": ((*MERGE, HUGE), "overlap: expected at most 131,070, got 1,000,"),
    "merge-pairs --slack": ((*MERGE, "3", "--slack", HUGE), "slack: expected at most 131,070"),
    "merge-pairs --minimum-overlap": (
        (*MERGE, "3", "--minimum-overlap", HUGE),
        "minimum_overlap: expected at most 131,070",
    ),
    "encode --length": (("encode", "{table}", "--length", HUGE, "--output", "{new}"), "2096128"),
    "convert --rows-per-group": (
        ("convert", "{table}", "--output", "{new}", "--rows-per-group", str(10**30)),
        "rows_per_group: expected at most",
    ),
    "train --workers": (("train", "{table}", "--workers", HUGE, "--output", "{new}"), "64"),
    "train --lanes": (
        ("train", "{table}", "--motifs", "demo", "--lanes", HUGE, "--output", "{new}"),
        "lanes: expected at most 1,024",
    ),
    "train --length": (
        ("train", "{table}", "--motifs", "demo", "--length", HUGE, "--output", "{new}"),
        "length: expected at most 268,435,456",
    ),
    "train --motif-width": (
        ("train", "{table}", "--motifs", "demo", "--motif-width", HUGE, "--output", "{new}"),
        "expected at most 1,000",
    ),
    "train --random-motifs": (
        ("train", "{table}", "--random-motifs", HUGE, "--output", "{new}"),
        "expected at most 100,000",
    ),
}


@pytest.fixture
def files(tmp_path):
    rows = "".join(f"ACGTACGTAC{base}\t{number}\n" for number, base in enumerate("ACGT" * 9))
    found = {"new": tmp_path / "new"}
    for name, text in (
        ("table", "sequence\texpression\n" + rows),
        ("reads", "@r\nACGT\n+\nIIII\n"),
        ("mates", "@r\nACGT\n+\nIIII\n"),
    ):
        found[name] = tmp_path / f"{name}.tsv"
        found[name].write_text(text)
    return found


def run(words, files):
    return CliRunner().invoke(app, [word.format(**files) for word in words])


@pytest.mark.parametrize("name", SAID)
def test_a_huge_option_is_said(name, files):
    words, message = SAID[name]
    result = run(words, files)
    assert result.exit_code in (1, 2), result.output
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["merge-pairs", "collapse"])
def test_threads_beyond_the_cores_are_not_used(command, files):
    limits._say_fewer.cache_clear()  # it is said once in a process
    words = (*MERGE, "3") if command == "merge-pairs" else ("prepare", "collapse", "{table}")
    if command == "collapse":
        files["table"].write_text("ACGT\n")
        words += ("--output", "{new}")
    result = run((*words, "--threads", "100000"), files)
    assert result.exit_code == 0, result.output
    assert f"threads: {available_cores()} are used instead of 100,000" in result.stderr


def native():
    from cisreg import _native

    text = np.zeros(0, np.uint8), np.zeros((2, 10**6), np.int64)
    _native.best_sites(*text, *motifs_of(10**6), threads=1)


def motifs_of(count):
    return np.zeros((1, 4, count), np.float32), np.array([[0] * count, [1] * count], np.int32)


def tensorflow():
    import tensorflow as tf

    tf.zeros((1 << 40, 1 << 10))


def raise_no_thread():
    raise RuntimeError("can't start new thread")


OUT_OF_MEMORY = {
    "Python": lambda: bytearray(1 << 62),
    "NumPy": lambda: np.empty(1 << 59),
    "Arrow": lambda: pa.allocate_buffer(1 << 60),
    "native code": native,
    "TensorFlow": tensorflow,
    "a thread": raise_no_thread,
}


@pytest.mark.parametrize("where", OUT_OF_MEMORY)
def test_memory_that_is_not_there_is_one_sentence(where, monkeypatch):
    monkeypatch.setattr("cisreg.diagnosis.diagnose", lambda *words: OUT_OF_MEMORY[where]())
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    message = " ".join(result.stderr.split())
    assert message.startswith("error: memory: expected enough for this, got too little")
    assert "Traceback" not in message
