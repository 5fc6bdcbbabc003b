"""Numbers that users write: one reader, wherever they stand."""

from __future__ import annotations

import math
import typing

import numpy as np
import pyarrow as pa
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cisreg.cli import app
from cisreg.cli.options import column
from cisreg.cli.prepare.step_options import numbers
from cisreg.cli.train_start import initial_values
from cisreg.cli.train_validation import validation_share
from cisreg.data.formats.columns import is_number
from cisreg.data.formats.usable import to_float32
from cisreg.legacy.arguments import OPTIONS, parse_command
from cisreg.legacy.inputs import match_values
from cisreg.legacy.text import read_params
from cisreg.legacy.training import _cycle
from cisreg.losses import read_mean_standard_deviation
from cisreg.motifs import demo_motifs, read_motif_values, read_pkdm
from cisreg.number_text import (
    LARGEST_FLOAT32,
    is_float,
    is_integer,
    parse_float,
    parse_integer,
    shown,
)
from cisreg.prepare.bins import order_bins
from cisreg.prepare.count_table import read_count_table
from cisreg.prepare.database import _duckdb_memory
from cisreg.recipes import read_recipe

# What Python's float() reads, and cisreg does not; float() and int() read the first ones.
NO_INTEGERS = ["1_0", "\u0661", "\uff11", "\u00a01", "\u20031"]
NO_FLOATS = [*NO_INTEGERS, "nan", "-NaN", "inf", "+Infinity", "1_0.5", "1e1_0", "1e400"]
NO_NUMBERS = ["", "-", ".", "e5", "1e", "0x10", "1d3", "1,5", "--1", "1 0", "\u00b2", "1\x00"]


@pytest.mark.parametrize("text", [*NO_FLOATS, *NO_NUMBERS, " 1", "1\n"])
def test_texts_that_are_no_numbers(text):
    with pytest.raises(ValueError, match="expected a finite number such as 5"):
        parse_float(text)
    assert not is_float(text)
    with pytest.raises(ValueError, match="expected a whole number such as 5"):
        parse_integer(text)
    assert not is_integer(text)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers())
def test_what_python_writes_is_read(real, whole):
    assert parse_float(repr(real)) == real
    assert parse_integer(str(whole)) == whole
    assert parse_float(f"{whole:+}") == float(whole)


@given(st.text("+-0123456789._eE ,naif\u0661", max_size=12))
def test_a_text_is_read_as_python_does_or_not_at_all(text):
    try:
        expected = float(text)
    except ValueError:
        expected = math.nan
    if is_float(text) and math.isfinite(expected):
        assert parse_float(text) == expected
    # The columns of tables are read by Arrow: exactly the same texts, with blanks around them.
    (found,) = to_float32(pa.array([text]))
    usual = text.strip(" ")
    assert np.isnan(found) == (not is_float(usual) or abs(float(usual)) > LARGEST_FLOAT32)
    assert is_number(text) == is_float(text.replace(",", ".", 1))


def test_numbers_of_any_length():
    assert parse_float("1" * 5000 + "e-5000") == pytest.approx(10 / 9 * 0.1)
    with pytest.raises(ValueError, match=r"got '9{60}…'$"):
        parse_integer("9" * 5000)
    with pytest.raises(ValueError, match=r"got '9{60}…'$"):
        parse_float("9" * 5000)
    assert float(np.finfo(np.float32).max) == LARGEST_FLOAT32
    with pytest.raises(ValueError, match="got '1e39'"):
        parse_float("1e39", largest=LARGEST_FLOAT32)
    assert shown("1") == "'1'"


# Every reader of numbers that users write in files, with a text for the number.
def in_file(read, content):
    def work(text, folder):
        path = folder / "file"
        path.write_text(content.replace("NUMBER", text), encoding="utf-8")
        return read(path)

    return work


STAGE = '[[stage]]\ntrainable = ["activity"]\nepochs = 1\n'
PARAMS = "i\tlogConc\tactivity\n-1\tNA\t0.5\n0\t-9\tNUMBER\n"
FILES = {
    "motif": in_file(read_pkdm, "A\tNUMBER\t2\nC\t0\t-2\nG\t1\t2\nT\t2\t2\n"),
    "values": in_file(lambda path: read_motif_values(path, ["a"]), "a\tNUMBER\n"),
    "params": in_file(read_params, PARAMS),
    "old-values": in_file(
        lambda path: match_values(str(path), "-ia", ["a"], "own", {}, number_allowed=True),
        "a\tNUMBER\n",
    ),
    "deviations": in_file(read_mean_standard_deviation, "0\t1\n1\tNUMBER\n2\t1\n"),
}


@pytest.mark.parametrize("text", [*NO_FLOATS, "x"])
@pytest.mark.parametrize("kind", FILES)
def test_files_name_the_line_of_what_is_no_number(kind, text, tmp_path):
    with pytest.raises(ValueError, match=r"file:\d: expected "):
        FILES[kind](text, tmp_path)


@pytest.mark.parametrize("kind", FILES)
def test_files_may_align_their_numbers_with_blanks(kind, tmp_path):
    FILES[kind](" 1.5 ", tmp_path)


@pytest.mark.parametrize("text", [*NO_INTEGERS, "nan", "1.5", "+1", "0x10", "9" * 5000])
def test_counts_name_the_line_and_column(text, tmp_path):
    path = tmp_path / "counts"
    path.write_text(f"sequence\ta\tb\nAC\t1\t2\nGT\t1\t{text}\n")
    with pytest.raises(
        ValueError, match=r"counts:3: expected a count, .* in column 3 \('b'\), got"
    ):
        list(read_count_table(path).batches)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_recipes_have_finite_numbers(text, tmp_path):
    path = tmp_path / "recipe.toml"
    for content in (
        f"validation = {text}\n{STAGE}",
        f"[penalty]\nmotif_l2 = {text}\n{STAGE}",
        f"{STAGE}learning_rate = {text}\n",
        f'{STAGE}schedule = {{ name = "cosine_warmup", warmup = {text} }}\n',
        f"{STAGE}penalty = {{ activity_l1 = {text} }}\n",
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=f"expected a finite number, got {text}"):
            read_recipe(path)


def test_numbers_of_bins():
    assert order_bins(["bin\u0662", "bin1"], ["bin1", "bin\u0662"]).index == (1, 0)
    with pytest.raises(ValueError, match="bins: expected names that differ in one number"):
        order_bins(["bin\u0662", "bin1"])
    with pytest.raises(ValueError, match="bins: expected a whole number such as 5, got '999"):
        order_bins(["bin" + "9" * 5000, "bin1"])


@pytest.mark.parametrize("text", NO_FLOATS)
def test_options_that_are_numbers_or_texts(text, tmp_path):
    assert validation_share(text) is None  # a file
    with pytest.raises(ValueError, match="--cells: expected numbers separated by commas"):
        numbers("--cells", f"5,{text}")
    message = "--initial-activity: expected a finite number"
    with pytest.raises((ValueError, OSError), match=message):
        initial_values(text, None, None, demo_motifs(), 0)
    with pytest.raises(ValueError, match="memory: expected a size"):
        _duckdb_memory(f"{text}GB")
    with pytest.raises(ValueError, match="-clr: expected LOW,HIGH,PERIOD"):
        _cycle(f"0,1,{text}")


def test_columns_by_number():
    assert (column("7"), column("\u0667"), column("1_0")) == (6, "\u0667", "1_0")
    with pytest.raises(ValueError, match="column: expected a name, or a number from 1 on, got 0"):
        column("0")
    with pytest.raises(ValueError, match="column: expected a whole number such as 5, got '999"):
        column("9" * 5000)


@pytest.mark.parametrize("text", [text for text in NO_FLOATS if text[0] != "-"])
def test_old_command_lines(text):
    kinds = {option: kind for options in OPTIONS.values() for option, _, kind in options}
    for option in (option for option, kind in kinds.items() if kind in (int, float)):
        with pytest.raises(
            ValueError, match=f"argument {option}: expected a (finite|whole) number"
        ):
            parse_command(f"-i a -sl 10 {option} '{text}'")


def number_options():
    """(names of the command, the command, option, kind) of every option that is a number."""

    def below(command, names):
        for name, each in getattr(command, "commands", {}).items():
            yield from below(each, (*names, name))
        hints = typing.get_type_hints(command.callback) if command.callback else {}
        for parameter in command.params:
            hint = hints.get(parameter.name)
            kinds = {int, float} & {hint, *typing.get_args(hint)}
            if kinds:
                yield names, command, parameter.opts[0], kinds.pop()

    return list(below(typer.main.get_command(app), ()))


def test_every_option_of_every_command_is_read_in_this_way():
    found = number_options()
    assert len(found) >= 40
    assert {names[0] for names, *_ in found} >= {"train", "predict", "convert", "prepare"}
    for _, command, option, kind in found:
        for text in ("1_0", " 1", "\u0661", "1.0" if kind is int else "nan"):
            with pytest.raises(typer.BadParameter, match=f"number such as 5.*, got '{text}'"):
                command.make_context("name", [f"{option}={text}"])


def test_the_message_names_the_option():
    words = ("prepare", "collapse", "reads", "--output", "out", "--threads")
    result = CliRunner().invoke(app, [*words, "1_0"])
    assert result.exit_code == 2
    said = " ".join(result.output.replace("│", " ").split())
    assert "Invalid value for '--threads': expected a whole number such as 5, got '1_0'" in said
