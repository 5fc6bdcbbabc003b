"""The file of --log: never another file than a log, and no reason to end a command."""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from typer.testing import CliRunner

from cisreg.cli import app, log_file
from cisreg.cli.app import StandardErrorHandler
from cisreg.cli.log_file import LogFile

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO cisreg.data: .*column 1")


def encode(folder, *words, log="log.txt", output="encoded"):
    """Runs a command with --log in a folder with a table."""
    words = ["--log", log, "encode", "table.tsv", "--length", "1", "--output", output, *words]
    return CliRunner().invoke(app, words)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.tsv").write_text("A\t1\nC\t2\n")
    return tmp_path


@pytest.fixture
def logger(folder):
    """A log with a name, as commands have it, and how to write to it."""
    handler = LogFile(folder / "logs" / "log.txt")
    logger = logging.Logger("cisreg.test")
    logger.addHandler(handler)
    handler.begin()
    return logger


def test_a_log_is_made_with_its_folder_and_continued(folder):
    for count in (1, 2):
        result = encode(folder, "--overwrite", log="new/folder/log.txt")
        assert (result.exit_code, result.stderr) == (0, "2 sequences written to encoded\n")
        lines = (folder / "new/folder/log.txt").read_text().splitlines()
        assert [bool(LINE.fullmatch(line)) for line in lines] == [True] * count


def test_an_empty_file_becomes_a_log(folder):
    (folder / "log.txt").touch(mode=0o600)
    assert encode(folder).exit_code == 0
    assert LINE.fullmatch((folder / "log.txt").read_text().rstrip())
    assert (folder / "log.txt").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"A\t1\nC\t2\n",
        b"\x1f\x8b\x08",
        b"2026-11-28 20:28:35,043 INFO other.program: started\n",
        b"2026-11-28\t4.5\nthe measurements of a day\n",
        b"1",
        b"\n",
        b"\x00" * 200,
    ],
)
def test_a_file_with_other_content_is_never_changed(folder, content):
    (folder / "log.txt").write_bytes(content)
    result = encode(folder)
    assert result.exit_code == 1
    assert "log.txt: expected a new file, or a log of cisreg to continue" in result.stderr
    assert (folder / "log.txt").read_bytes() == content
    assert not (folder / "encoded").exists()


def make_pipe(path):
    os.mkfifo(path)


def make_link(path):
    path.with_name("other.tsv").write_text("A\t1\n")
    path.symlink_to("other.tsv")


def make_link_to_nothing(path):
    path.symlink_to("elsewhere")


def make_device(path):
    path.symlink_to("/dev/null")


def make_folder(path):
    path.mkdir()


@pytest.mark.parametrize(
    "make", [make_pipe, make_link, make_link_to_nothing, make_device, make_folder]
)
def test_what_is_no_regular_file_is_refused_at_once(folder, make):
    make(folder / "log.txt")
    result = encode(folder)
    assert result.exit_code == 1
    assert "log.txt: expected a regular file, got " in result.stderr
    assert (folder / "table.tsv").read_text() == "A\t1\nC\t2\n"
    assert not (folder / "elsewhere").exists()
    assert not (folder / "encoded").exists()


@pytest.mark.parametrize("name", ["/dev/null", "/dev/zero", "/dev/stderr"])
def test_devices_are_no_logs(folder, name):
    result = encode(folder, log=name)
    assert result.exit_code == 1
    assert f"{name}: expected a regular file, got " in result.stderr


@pytest.mark.parametrize(
    ("log", "words", "named"),
    [
        ("encoded", (), "--output"),
        ("./sub/../encoded", (), "--output"),
        ("table.tsv", (), "TABLE"),
        ("hard", (), "TABLE"),
    ],
)
def test_a_log_is_no_input_and_no_output(folder, log, words, named):
    (folder / "sub").mkdir()
    (folder / "hard").hardlink_to(folder / "table.tsv")
    result = encode(folder, log=log)
    assert result.exit_code == 1
    assert f"--log: expected a file of its own, got {os.path.normpath(log)}" in result.stderr or (
        f"which the command has as {named} too" in result.stderr
    )
    assert f"as {named} too" in result.stderr
    assert (folder / "table.tsv").read_text() == "A\t1\nC\t2\n"
    assert not (folder / "encoded").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("convert", "part_*.tsv", "--output", "out"),
        ("convert", "table.tsv", "part_9.tsv", "--output", "out"),
        ("prepare", "cluster", "table.tsv", "--output", "out", "--map", "part_9.tsv"),
        ("evaluate", "model", "table.tsv", "--plot", "part_9.tsv"),
        ("train", "table.tsv", "--motifs", "part_9.tsv", "--output", "model"),
    ],
)
def test_neither_one_of_several_nor_one_of_a_pattern(folder, words):
    result = CliRunner().invoke(app, ["--log", "part_9.tsv", *words])
    assert result.exit_code == 1
    assert "--log: expected a file of its own, got part_9.tsv" in result.stderr
    assert not (folder / "part_9.tsv").exists()


def test_a_column_may_have_the_name_of_the_log(folder):
    (folder / "table.tsv").write_text("log.txt\tvalue\nA\t1\n")
    result = encode(folder, "--sequence-column", "log.txt", "--label-column", "value")
    assert result.exit_code == 0, result.output


def test_standard_output_is_no_log(folder):
    result = encode(folder, log="-")
    assert result.exit_code == 1
    assert "--log: expected a file, got -" in result.stderr
    assert not (folder / "-").exists()


def test_a_folder_that_cannot_be_made_is_said_before_the_work(folder):
    (folder / "file").write_text("no folder")
    result = encode(folder, log="file/log.txt")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: file")
    assert not (folder / "encoded").exists()


def test_a_full_disk_is_one_message_and_the_run_goes_on(folder, logger, monkeypatch, capsys):
    path = folder / "logs" / "log.txt"
    logger.info("first")
    append, full = log_file.append_to_file, True

    def append_if_room(where, content):
        if full:
            append(where, content[:8])  # the disk takes the beginning of the line
            raise OSError(errno.ENOSPC, "No space left on device", str(where))
        append(where, content)

    monkeypatch.setattr(log_file, "append_to_file", append_if_room)
    for step in range(100):
        logger.info("step %d", step)
    assert capsys.readouterr() == (
        "",
        f"warning: --log: {path}: No space left on device; the command goes on, and what cannot "
        "be logged is lost\n",
    )
    full = False
    logger.info("last")
    first, *cut, last = path.read_text().splitlines()
    assert first.endswith("cisreg.test: first")
    assert re.fullmatch(r"[-\d :,]{23} INFO cisreg.test: last", last)
    assert all(len(line) <= 8 for line in cut)


def test_a_disk_that_is_full_at_the_start_ends_no_command(folder, monkeypatch):
    def full(where, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(where))

    monkeypatch.setattr(log_file, "append_to_file", full)
    result = encode(folder)
    assert result.exit_code == 0
    assert result.stderr.count("No space left on device") == 1
    assert (folder / "encoded").exists()


def test_a_log_whose_first_line_was_lost_stays_a_log(folder, logger, monkeypatch):
    path = folder / "logs" / "log.txt"

    def full(where, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(where))

    with monkeypatch.context() as patch:
        patch.setattr(log_file, "append_to_file", full)
        logger.info("lost")
    for text in ("second", "third"):
        logger.info(text)
        assert path.read_text().endswith(f"cisreg.test: {text}\n")


def test_a_folder_that_vanishes_ends_no_run(folder, logger, capsys):
    logger.info("first")
    (folder / "logs").rename(folder / "moved")
    logger.info("lost")
    logger.info("lost too")
    assert capsys.readouterr().err.count("warning: --log: ") == 1
    (folder / "logs").mkdir()
    logger.info("back")
    assert (folder / "logs" / "log.txt").read_text().endswith("cisreg.test: back\n")
    assert (folder / "moved" / "log.txt").read_text().endswith("cisreg.test: first\n")


def test_a_log_that_is_rotated_is_followed_by_a_new_one(folder, logger, capsys):
    path = folder / "logs" / "log.txt"
    logger.info("first")
    path.rename(folder / "logs" / "log.txt.1")
    logger.info("second")
    assert (folder / "logs" / "log.txt.1").read_text().endswith(": first\n")
    assert path.read_text().endswith(": second\n")
    # As `copytruncate` of logrotate does.
    os.truncate(path, 0)
    logger.info("third")
    assert path.read_text().endswith(": third\n")
    assert b"\x00" not in path.read_bytes()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("plant", ["file", "link", "pipe"])
def test_what_takes_the_place_of_a_log_is_not_written_to(folder, logger, capsys, plant):
    path = folder / "logs" / "log.txt"
    logger.info("first")
    path.unlink()
    if plant == "file":
        path.write_text("A\t1\n")
    elif plant == "link":
        path.symlink_to(folder / "table.tsv")
    else:
        os.mkfifo(path)
    logger.info("second")
    assert capsys.readouterr().err.count("warning: --log: ") == 1
    assert (folder / "table.tsv").read_text() == "A\t1\nC\t2\n"
    if plant == "file":
        assert path.read_text() == "A\t1\n"


def test_a_record_is_one_line_whatever_is_in_names(folder, logger):
    logger.info("read %s", "a\nb\x1b[31m \udcff")
    text = (folder / "logs" / "log.txt").read_text()
    assert text.endswith("read a\\nb\\x1b[31m \\udcff\n")
    assert text.count("\n") == 1


class Full:
    """Standard error on a full disk."""

    encoding = "utf-8"

    def write(self, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("stream", [Full(), None])
def test_neither_log_needs_a_standard_error(folder, logger, monkeypatch, capsys, stream):
    logger.addHandler(StandardErrorHandler())
    monkeypatch.setattr(sys, "stderr", stream)
    (folder / "logs").rename(folder / "moved")
    logger.info("lost")
    logger.info("wrong %d", "format")
    # Python prints to standard output where there is no standard error.
    assert capsys.readouterr().out == ""


def test_several_commands_write_whole_lines_into_one_log(folder, logger):
    """As the workers of a run do."""
    loggers = [logging.Logger("cisreg.test") for _ in range(4)]
    for each in loggers:
        each.addHandler(LogFile(folder / "logs" / "log.txt"))

    def write(each):
        for step in range(50):
            each.info("step %d %s", step, "x" * 500)

    with ThreadPoolExecutor(len(loggers)) as threads:
        list(threads.map(write, loggers))
    lines = (folder / "logs" / "log.txt").read_text().splitlines()
    assert len(lines) == 200
    assert all(re.fullmatch(r"[-\d :,]+ INFO cisreg.test: step \d+ x{500}", line) for line in lines)
