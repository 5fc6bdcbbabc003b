"""Parsing of the command lines of CisRegModels' two programs, for training and prediction."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from cisreg.number_text import parse_float, parse_integer

MAKE, PREDICT = "makeThermodynamicEnhancosomeModel", "predictThermodynamicEnhancosomeModel"

Program = Literal["make", "predict"]

# Option, name, and type of its value; None: a flag, whose occurrences are counted.
_SHARED: tuple[tuple[str, str, Any], ...] = (
    ("-i", "input", str),
    ("-sl", "sequence_length", int),
    ("-b", "batch", int),
    ("-res", "restore", str),
    ("-nm", "motif_count", int),
    ("-ml", "motif_width", int),
    ("-dm", "motifs", str),
    ("-ic", "concentrations", str),
    ("-ia", "activities", str),
    ("-ip", "potentiations", str),
    ("-eb", "expected_binding", None),
    ("-bl", "binding_limits", None),
    ("-ibl", "initial_binding_limits", str),
    ("-po", "potentiation", None),
    ("-aisa", "accessibility_activity", None),
    ("-posa", "positional", None),
    ("-stra", "stranded", None),
    ("-ntc", "hold_concentrations", None),
    ("-nta", "hold_activities", None),
    ("-ntp", "hold_potentiations", None),
    ("-ntm", "hold_motifs", None),
    ("-ntbl", "hold_binding_limits", None),
    ("-t", "threads", int),
    ("-o", "output", str),
    ("-l", "log", str),
    ("-v", "verbose", None),
)
_MAKE: tuple[tuple[str, str, Any], ...] = (
    ("-raw", "running_average_window", int),
    ("-se", "save_every", int),
    ("-mll", "mean_sd", str),
    ("-ca", "clear_adam", None),
    ("-ae", "adam_epsilon", float),
    ("-ab1", "adam_beta_1", float),
    ("-ab2", "adam_beta_2", float),
    ("-mo", "momentum_optimizer", None),
    ("-mon", "nesterov", None),
    ("-mom", "momentum", float),
    ("-rms", "rmsprop", None),
    ("-rmsd", "rmsprop_decay", float),
    ("-rmse", "rmsprop_epsilon", float),
    ("-r", "runs", int),
    ("-lr", "learning_rate", float),
    ("-lred", "learning_rate_decay", float),
    ("-clr", "learning_rate_cycle", str),
    ("-l1", "l1", float),
    ("-l2", "l2", float),
    ("-l2Pos", "l2_positional", float),
    ("-tb", "tensorboard", str),
    ("-tbf", "tensorboard_every", int),
    ("-trace", "trace", None),
)
_PREDICT: tuple[tuple[str, str, Any], ...] = (
    ("-M", "model", str),
    ("-VARIABLE", "older_name", None),
    ("-ob", "binding", None),
)
OPTIONS: Mapping[Program, tuple[tuple[str, str, Any], ...]] = {
    "make": _SHARED + _MAKE,
    "predict": _SHARED + _PREDICT,
}
_REQUIRED = ("-i", "-sl")


@dataclass(frozen=True)
class OldCommand:
    """A command line of CisRegModels.

    Attributes:
        program: "make" (training) or "predict".
        values: the options by their names in `OPTIONS`. Options that were not given are None, or 0
            for flags.
    """

    program: Program
    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def _as_argument(parse: Callable[[str], float]) -> Callable[[str], float]:
    """A reader of numbers whose message argparse shows, with the name of the option."""

    def read(text: str) -> float:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


_NUMBERS: Mapping[Any, Any] = {int: _as_argument(parse_integer), float: _as_argument(parse_float)}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raises ValueError instead of exiting."""
        raise ValueError(
            f"--like-cisregmodels: expected a command line of CisRegModels: {message}; its options "
            "are " + " ".join(self.known)
        )

    known: tuple[str, ...] = ()


def parse_command(text: str) -> OldCommand:
    """Parses a command line of CisRegModels.

    Args:
        text: the command line as typed; "python", a path before the program's name and .py are
            optional. Without a program's name it is the one that trains models.

    Raises:
        ValueError: an unknown option, a value that is missing or has the wrong type, or a required
            option that is missing.

    Example:
        >>> parse_command("makeThermodynamicEnhancosomeModel.py -i a.ohc -sl 110 -eb").program
        'make'
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"--like-cisregmodels: cannot be split into words: {error}") from None
    program: Program = "make"
    while words and not words[0].startswith("-"):
        program = "predict" if PREDICT in words.pop(0) else program
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.known = tuple(option for option, _, _ in OPTIONS[program])
    for option, name, kind in OPTIONS[program]:
        if kind is None:
            parser.add_argument(option, dest=name, action="count", default=0)
        else:
            read = _NUMBERS.get(kind, kind)
            parser.add_argument(option, dest=name, type=read, required=option in _REQUIRED)
    return OldCommand(program, vars(parser.parse_args(words)))
