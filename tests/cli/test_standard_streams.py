"""Standard streams that are closed, full or left, in any encoding and any width."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from stream_cases import FULL, Case, Cases
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.cli.standard_streams import open_standard_streams
from cisreg.cli.tables import metrics_table
from cisreg.cli.terminal import new_console
from cisreg.metrics import Metrics

full_disk = pytest.mark.skipif(not FULL.exists(), reason=f"{FULL} is missing: a full disk")


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    cases = Cases(tmp_path_factory.mktemp("streams"))
    yield cases
    cases.close()


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("A\t1\nC\t2\n")
    return path


def encode(table, output, *more):
    return ["encode", str(table), "--length", "1", "--output", str(output), *more]


ENCODED = b"1\t1\t0\t0\t0\n2\t0\t1\t0\t0\n"


@full_disk
@pytest.mark.parametrize("stderr", ["closed", "full", "gone"])
def test_a_lost_log_ends_no_command(commands, table, tmp_path, stderr):
    output, counted = tmp_path / "encoded", tmp_path / "counted"
    reads = tmp_path / "reads"
    reads.write_text("A\nA\nC\n")
    collapse = ["prepare", "collapse", str(reads), "--output", str(counted)]
    ended = commands.run(
        Case(["--verbose", *encode(table, output)], stderr=stderr),
        Case(encode(table, "-"), stderr=stderr),
        # What is said of the work is a log too; the results are in a file.
        Case(collapse, stdout=stderr, stderr=stderr),
        Case(encode(tmp_path / "missing", output, "--overwrite"), stderr=stderr),
        Case(["encode"], stderr=stderr),
    )
    assert [each.status for each in ended] == [0, 0, 0, 1, 2]
    assert output.read_bytes() == ENCODED
    # Nothing of the log gets among the results.
    assert [each.output for each in ended] == [b"", ENCODED, b"", b"", b""]
    assert counted.read_text() == "A\t2\nC\t1\n"


@full_disk
@pytest.mark.parametrize(
    ("stdout", "status", "message"),
    [
        ("full", 1, b"error: standard output: No space left on device\n"),
        ("closed", 1, b"error: standard output: it is closed\n"),
        ("gone", 141, b""),
    ],
)
def test_results_that_cannot_be_written_are_an_error(commands, table, stdout, status, message):
    words = (["--quiet", *encode(table, "-")], ["--version"], ["prepare", "collapse", "--help"])
    ended = commands.run(*(Case(each, stdout=stdout) for each in words))
    assert [(each.status, each.errors) for each in ended] == [(status, message)] * len(words)
    # Neither has the error a traceback, nor Python another one at its end, where all is lost.
    (ended,) = commands.run(Case(encode(table, "-"), stdout=stdout, stderr=stdout))
    assert ended.status == status


@full_disk
def test_a_summary_that_is_lost_is_said_once(commands, tmp_path):
    reads, counted, table = (tmp_path / name for name in ("reads", "counted", "table"))
    reads.write_text("A\nA\nC\n")
    table.write_text("AAAA\t2\nCCCC\t1\n")
    collapse = ["prepare", "collapse", str(reads), "--output", str(counted)]
    # This one writes two lines.
    cluster = ["prepare", "cluster", str(table), "--output", str(tmp_path / "out.tsv")]
    ended = commands.run(
        Case(collapse, stdout="full"),
        Case(["--quiet", *cluster], stdout="full"),
        Case([*collapse, "--overwrite"], stdout="gone"),
    )
    assert [each.status for each in ended] == [0, 0, 0]
    warning = b"warning: standard output: No space left on device; the files of the command are "
    assert [each.errors.count(warning) for each in ended] == [1, 1, 0]
    assert ended[2].errors == b""
    assert counted.read_text() == "A\t2\nC\t1\n"


def test_an_input_that_is_closed_is_said(commands, tmp_path):
    (ended,) = commands.run(Case(encode("-", tmp_path / "out"), stdin="closed"))
    assert ended.status == 1
    assert ended.errors.startswith(b"error: standard input: ")
    assert b"it is closed" in ended.errors
    assert not (tmp_path / "out").exists()


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path):
    """What C++ code writes to descriptors 1 and 2 reaches no file, here and in programs."""
    code = (
        "import os, sys, subprocess\n"
        "from cisreg.cli.standard_streams import open_standard_streams\n"
        "open_standard_streams()\n"
        "file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\n"
        "for number in (1, 2):\n"
        "    try: os.write(number, b'a message of C++')\n"
        "    except OSError: pass\n"
        "done = subprocess.run(['sh', '-c', 'echo a message >&2'], check=False)\n"
        "os.write(file, f'{file} {sys.stdin.fileno()} {done.returncode}'.encode())\n"
    )
    path = tmp_path / "file"
    words = ["sh", "-c", '"$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code, str(path)]
    assert subprocess.run(words, check=False).returncode == 0
    number, *others = path.read_text().split()
    assert int(number) > 2
    assert others == ["0", "0"]


ENCODINGS = (
    *("ascii", "latin-1", "cp1252", "cp437", "koi8-r", "shift_jis", "gbk", "euc-kr", "utf-16"),
    *("utf-8", "utf-32", "cp037", "big5", "iso2022_jp", "mac_roman", "hz"),
)


def encoded_output(monkeypatch, encoding):
    """Standard output as commands have it, of this encoding, in memory."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    open_standard_streams()
    errors = sys.stdout.errors
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors)
    monkeypatch.setattr(sys, "stdout", stream)
    return stream


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_results_appear_in_any_encoding(monkeypatch, encoding):
    stream = encoded_output(monkeypatch, encoding)
    metrics = Metrics(pearson=0.5, r_squared=0.25, mean_squared_error=1.5, spearman=0.75)
    console = new_console(results=True)
    console.print(metrics_table("Predicted against", {"measured": metrics}))
    console.print("caf\u00e9 \udcff.tsv \u732b")
    lines = stream.buffer.getvalue().decode(encoding).splitlines()
    assert lines[1].replace("R2", "R²") == "sequences\tr\tR²\tMSE\tSpearman r"
    assert lines[2] == "measured\t0.5000\t0.2500\t1.5000\t0.7500"
    # A byte that is no text, and characters that the encoding has or lacks.
    name, file, cat = lines[-1].split(" ")
    assert name in ("caf\u00e9", r"caf\xe9")
    assert file == r"\udcff.tsv"
    assert cat in ("\u732b", r"\u732b")


def test_commands_write_in_the_encoding_that_was_asked_for(commands, table):
    variables = {"PYTHONIOENCODING": "ascii"}
    shown, missing = commands.run(
        Case(["--help"], environment=variables),
        Case(["--quiet", *encode("caf\u00e9", "-")], environment=variables),
    )
    assert (shown.status, missing.status) == (0, 1)
    assert b"r, R2, mean" in shown.output
    assert b"caf\\xe9: no such file" in missing.errors


WIDTHS = ("0", "1", "20", "39", "100", "9999999999", "-1", "wide", "²", "9" * 5000, "")


@pytest.mark.parametrize("width", WIDTHS, ids=range(len(WIDTHS)))
def test_help_and_errors_in_usage_appear_at_any_width(width):
    variables = {"COLUMNS": width, "LINES": width}
    for words in ([], ["--help"], ["train", "--help"], ["prepare", "--help"], ["nonsense"]):
        result = CliRunner(env=variables).invoke(app, words)
        assert result.exit_code == (0 if "--help" in words else 2)
        assert max(map(len, result.output.splitlines())) < 100
        assert not set(result.output) & set("│╭─…")
        assert "**" not in result.output
        expected = {"train": "--constant-ends", "prepare": "merge-pairs", "nonsense": "nonsense"}
        assert expected.get("".join(words[:1]), "cisreg") in result.output


@pytest.mark.parametrize("width", (*WIDTHS, "50"), ids=range(len(WIDTHS) + 1))
def test_tables_appear_at_any_width_of_a_terminal(monkeypatch, width):
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("TERM", "xterm")
    metrics = Metrics(pearson=0.5, r_squared=0.25, mean_squared_error=1.5, spearman=0.75)
    table = metrics_table("Predicted against", {"measured in the usual way": metrics})
    new_console(results=True).print(table)
    text = screen.getvalue()
    for shown in ("Predicted against", "measured in the usual way", "Spearman r", "0.7500", "R²"):
        assert shown in text
    assert ("─" in text) == (width not in ("1", "20", "39", "50"))


def test_sizes_that_are_none_are_passed_over(commands, table):
    variables = dict.fromkeys(("COLUMNS", "LINES", "TERMINAL_WIDTH"), "²")
    ended = commands.run(
        Case(["--help"], environment=variables),
        Case(["--quiet", *encode(table, "-")], environment=variables),
        Case(["nonsense"], environment=variables | {"COLUMNS": "1"}),
    )
    assert [each.status for each in ended] == [0, 0, 2]
    assert ended[1].output == ENCODED


def test_no_variable_puts_codes_of_terminals_into_files(commands, table, tmp_path):
    names = ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TTY_COMPATIBLE", "CLICOLOR_FORCE")
    variables = dict.fromkeys(names, "1")
    words = (["--help"], encode(table, tmp_path / "out"), ["encode"], encode("missing", "x"))
    ended = commands.run(*(Case(each, environment=variables) for each in words))
    assert [each.status for each in ended] == [0, 0, 2, 1]
    assert b"\x1b" not in b"".join(each.output + each.errors for each in ended)
    assert ended[3].errors.startswith(b"error: ")


def test_a_stream_that_does_not_wait_is_waited_for():
    """As the pipes of some programs are: writing what does not fit fails at once."""
    code = (
        "import os, sys\n"
        "from cisreg.cli.standard_streams import open_standard_streams\n"
        "os.set_blocking(1, False)\n"
        "open_standard_streams()\n"
        "sys.stdout.write('A' * 1_000_000)\n"
        "sys.stdout.flush()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, len(output)) == (0, 1_000_000)


def test_a_shell_gives_commands_the_streams_of_these_tests(commands, table):
    words = [sys.executable, "-m", "cisreg", *encode(table, "-")]
    shell = ["sh", "-c", '"$@" 2>&-', "sh", *words]
    done = subprocess.run(shell, capture_output=True, check=False)
    (ended,) = commands.run(Case(encode(table, "-"), stderr="closed"))
    assert (done.returncode, done.stdout) == (ended.status, ended.output) == (0, ENCODED)
