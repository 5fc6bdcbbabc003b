"""The method bowtie2, with small scripts in the place of bowtie2."""

from __future__ import annotations

import fcntl
import os
import tempfile

import numpy as np
import pytest
from prepare.fake_bowtie2 import ALIGN, BUILD, install

from cisreg.prepare.bowtie2 import read_alignments
from cisreg.prepare.cluster import cluster_file, cluster_sequences

SEQUENCES = ["ACGTACGTAC", "ACGTACGTAG", "TTTTGGGGCC", "ACGTACGAAG", "GGGGCCCCAA"]
COUNTS = [9, 5, 4, 2, 1]
ROOTS = [0, 0, 2, 0, 4]


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A function that makes programs the bowtie2 of this process."""

    def use(align=ALIGN, build=BUILD, folder="programs", wrapped=False):
        installed = install(tmp_path / folder, align, build, wrapped=wrapped)
        monkeypatch.setenv("PATH", os.pathsep.join((str(installed), os.environ["PATH"])))
        return installed

    return use


def cluster():
    return cluster_sequences(SEQUENCES, COUNTS, method="bowtie2", threads=1).tolist()


def fails():
    with pytest.raises(OSError, match="bowtie2") as caught:
        cluster()
    return str(caught.value)


@pytest.mark.parametrize(
    "name", ["plain", "my programs", "a,b", "$(touch planted)", "a;touch planted", 'quo"te', "`id`"]
)
def test_folders_of_programs_and_of_temporary_files_may_have_any_name(
    name, programs, tmp_path, monkeypatch
):
    programs(folder=name if {*name}.isdisjoint('"$`') else "other", wrapped=True)
    (tmp_path / "temporary" / name).mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary" / name))
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert cluster() == ROOTS == cluster_sequences(SEQUENCES, COUNTS, threads=1).tolist()
    assert sorted(tmp_path.iterdir()) == before
    assert not list((tmp_path / "temporary" / name).iterdir())


@pytest.mark.parametrize("name", ["$(touch planted)", 'quo"te', "`id`", "back\\slash"])
def test_the_script_is_not_run_where_a_shell_would_read_its_folder(
    name, programs, tmp_path, monkeypatch
):
    folder = programs(folder=name, wrapped=True)
    assert f"{folder / 'bowtie2'}: expected a folder without the marks" in fails()
    # The script looks for its programs where the link leads.
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "bowtie2").symlink_to(folder / "bowtie2")
    monkeypatch.setenv("PATH", f"{tmp_path / 'link'}{os.pathsep}{os.environ['PATH']}")
    assert f"{tmp_path / 'link' / 'bowtie2'}: expected a folder without the marks" in fails()


def test_a_relative_folder_in_path(programs, tmp_path, monkeypatch):
    programs()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"programs{os.pathsep}{os.environ['PATH'].split(os.pathsep, 1)[1]}")
    assert cluster() == ROOTS


def test_a_table_is_clustered_by_programs_in_a_folder_with_a_blank(programs, tmp_path):
    programs(folder="my programs")
    table, output = tmp_path / "counts.tsv", tmp_path / "merged.tsv"
    table.write_text("".join(f"{a}\t{b}\n" for a, b in zip(SEQUENCES, COUNTS, strict=True)))
    summary = cluster_file(table, output, method="bowtie2", threads=1)
    assert (summary.clusters, summary.merged_reads) == (3, 7)
    assert output.read_text() == "ACGTACGTAC\t16\nTTTTGGGGCC\t4\nGGGGCCCCAA\t1\n"


VERSION = """if "--version" in sys.argv:
    print("bowtie2-align-s version 2.5.1")
    raise SystemExit
"""
HEAD = "#!{python} -IS\nimport os, signal, sys\n"
REST = r"\t4\t*\t0\t255\t*\t*\t0\t0\tA\tI"
LAST = "".join(f"print('{row}{REST}')\n" for row in range(5))


def read(query="1", flag="0", target="0", cigar="10M", tag="NM:i:1"):
    """The parents by one line of SAM."""
    line = f"{query}\t{flag}\t{target}\t1\t255\t{cigar}\t*\t0\t0\tA\tI\t{tag}\n".encode()
    parents, seen = read_alignments(iter([line]), np.full(5, 10), np.arange(5), 3)
    assert seen.tolist() == [False, True, False, False, False]
    return parents.tolist()


def test_a_line_of_sam():
    assert read() == read(cigar="9M1I") == read(tag="NM:i:3") == [0, 0, 2, 3, 4]
    assert read(tag="NM:i:4") == read(cigar="6M") == read(flag="16") == read(target="2")
    assert read(flag="4", target="*", cigar="*", tag="YT:Z:UU") == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("query", "5"), ("query", "-1"), ("query", "1_0"), ("query", "9" * 30), ("query", "")),
        *(("flag", "0x10"), ("flag", "\u0661"), ("target", "5"), ("target", "*")),
        *(("cigar", "11M"), ("cigar", "10Q"), ("cigar", "*"), ("cigar", "\u0661M")),
        *(("tag", "XS:i:1"), ("tag", "NM:i:1_0"), ("tag", "NM:i:-3"), ("tag", "NM:i:1\tNM:i:2")),
    ],
)
def test_a_line_that_is_no_alignment_of_the_sequences_is_an_error(field, value):
    with pytest.raises(OSError, match=r"alignments of the 5 sequences \(SAM\), got the line '"):
        read(**{field: value})


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("", "expected bowtie2 2.x, got nothing as its version"),
        ("print('samtools 1.9')", "expected bowtie2 2.x, got 'samtools 1.9' as its version"),
        ("print('bowtie-align version 1.2.3')", "got 'bowtie-align version 1.2.3' as its version"),
        ("sys.exit('no libtbb.so.12')", "failed (status 1): no libtbb.so.12"),
        ("while True: print('y')", "expected bowtie2 2.x, got 'y' as its version"),
        ("while True: print('y', end='')", "expected bowtie2 2.x, got 'yyyy"),
        (VERSION, "expected lines of all 5 sequences, got none of 5"),
        (
            VERSION + LAST[: LAST.index("print('2")],
            "expected lines of all 5 sequences, got none of 3",
        ),
        (VERSION + LAST + "sys.exit('a\\nb\\nc\\nfull')", "bowtie2 failed (status 1): b; c; full"),
        (VERSION + LAST + "sys.exit(3)", "bowtie2 failed (status 3): no message"),
        (
            VERSION + "print('0\\t4', end='', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)",
            "bowtie2 failed (ended by signal 9): no message",
        ),
        (VERSION + "while True: print('y')", "(SAM), got the line 'y'; is it bowtie2 2.x?"),
        (VERSION + "while True: print('y', end='')", "got the line 'yyyy"),
    ],
    ids=[
        *("silent", "other", "old", "missing-library", "endless", "endless-line", "silent-later"),
        *("half", "late-error", "late-status", "killed", "endless-lines", "endless-long-lines"),
    ],
)
def test_what_is_not_bowtie2_or_does_not_work_is_an_error(program, message, programs):
    programs(HEAD + program)
    assert message in fails()


def test_the_program_of_the_index_is_checked_too(programs):
    programs(build=HEAD + "print('samtools 1.9')")
    assert "bowtie2-build: expected bowtie2 2.x, got 'samtools 1.9'" in fails()


def test_an_index_that_cannot_be_built_is_an_error(programs):
    programs(
        build=HEAD + VERSION + "print('x' * 2**20)\nsys.exit('Error: no space\\nError: index')"
    )
    assert "bowtie2-build failed (status 1): Error: no space; Error: index" in fails()


def test_an_empty_sequence_has_no_line(programs):
    programs(HEAD + VERSION + LAST[LAST.index("print('1") :])
    found = cluster_sequences(["", *SEQUENCES[1:]], COUNTS, method="bowtie2", threads=1)
    assert found.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [("#!/no/such/perl\n", "No such file or directory"), ("\x00\x01", "Exec format error")],
    ids=["interpreter", "format"],
)
def test_a_program_that_cannot_be_run_is_an_error(text, message, programs):
    path = programs() / "bowtie2"
    path.write_text(text)
    assert f"{path}: cannot be run ({message})" in fails()


def test_what_the_script_has_started_ends_with_it(programs, tmp_path):
    # The child holds the lock as long as it lives.
    held, late = tmp_path / "held", tmp_path / "late"
    child = f"file = open({str(held)!r}, 'w')\nfcntl.flock(file, fcntl.LOCK_EX)\n"
    child += "print('y', flush=True)\n"
    child += f"time.sleep(20)\nopen({str(late)!r}, 'w')"
    program = HEAD + VERSION + f"import fcntl, time\nif not os.fork():\n    exec({child!r})\n"
    programs(program + "time.sleep(20)")
    assert "got the line 'y'" in fails()
    with held.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
    assert not late.exists()
