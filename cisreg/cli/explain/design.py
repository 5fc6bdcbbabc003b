"""cisreg explain design."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cisreg.cli import options
from cisreg.cli.explain.tables import check_results
from cisreg.cli.outputs import check_files
from cisreg.cli.prepare.step_options import destination, tell
from cisreg.cli.terminal import TextTable, new_console
from cisreg.display import counted

if TYPE_CHECKING:
    from cisreg.interpret.design_constraints import Constraints
    from cisreg.interpret.design_result import Designs

EXAMPLE = (
    "cisreg explain design model --target max --gc 0.4:0.6 --forbid EcoRI --count 20 "
    "--output designs.fasta"
)

_FASTA = (".fasta", ".fa")
_INTERVAL = re.compile(r"(-?\d{1,9})?:(-?\d{1,9})?")


def design(
    context: typer.Context,
    model: options.ModelFolder,
    starts: Annotated[
        str | None,
        typer.Argument(
            metavar="[STARTS]",
            help="Sequences to start from: a table, FASTA, or - for standard input; N becomes a "
            "random base. Default: --count random sequences with the constant ends of the "
            "training sequences.",
        ),
    ] = None,
    target: Annotated[
        str, typer.Option(metavar="EXPRESSION", help="**max**, **min** or a number.")
    ] = "max",
    method: Annotated[
        Literal["greedy", "beam", "genetic", "gradient"],
        typer.Option(
            metavar="NAME",
            help="greedy: the best single substitution, again and again; beam: those of several "
            "sequences; genetic: crossed and mutated sequences; gradient: of a soft sequence.",
        ),
    ] = "greedy",
    count: Annotated[
        int,
        typer.Option(
            min=1, metavar="COUNT", help="Random starts; with STARTS, designs of each of them."
        ),
    ] = 1,
    steps: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="COUNT",
            help="Most steps of each search (generations). Default: greedy and beam end by "
            "themselves, the others after 200.",
        ),
    ] = None,
    width: Annotated[
        int | None, typer.Option(min=1, metavar="COUNT", help="Sequences in a beam; default: 10.")
    ] = None,
    population: Annotated[
        int | None,
        typer.Option(min=2, metavar="COUNT", help="Sequences of a genetic search; default: 100."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Of random numbers.")] = 0,
    protect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BEGIN:END",
            help="Bases that stay as they are, counted from 0, END excluded; -20: are the last 20. "
            "**lower**: lower-case letters of STARTS. Can be repeated.",
        ),
    ] = None,
    free_ends: Annotated[
        bool, typer.Option("--free-ends", help="The model's constant ends may change too.")
    ] = False,
    gc: Annotated[
        str | None,
        typer.Option(metavar="LOW:HIGH", help="Share of G and C of the bases that may change."),
    ] = None,
    gc_of: Annotated[
        Literal["variable", "all"],
        typer.Option(
            "--gc-of", metavar="BASES", help="all: the share of all bases, protected ones too."
        ),
    ] = "variable",
    forbid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD",
            help="Letters (IUPAC) that neither strand may have, or an enzyme such as **EcoRI** "
            "(needs Biopython). Can be repeated.",
        ),
    ] = None,
    longest_run: Annotated[
        int | None,
        typer.Option(min=1, metavar="COUNT", help="Most equal bases in a row."),
    ] = None,
    changes: Annotated[
        int | None,
        typer.Option(min=0, metavar="COUNT", help="Most bases that differ from the start."),
    ] = None,
    forbid_factor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FACTOR=OCCUPANCY",
            help="No site of this factor with so much occupancy, such as Reb1=0.1; repeatable.",
        ),
    ] = None,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Change STARTS at random where they break a constraint; else an error."
        ),
    ] = False,
    training: Annotated[
        str | None,
        typer.Option(
            metavar="TABLE",
            help="The training table, with the columns that the model was trained on: tells "
            "designs beyond what training saw by binding and accessibility too.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table to write, .tsv or .csv (.gz) or .parquet, or .fasta; default: shown on "
            "standard output.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Plot of expression by step, .png, .pdf or .svg (matplotlib)."
        ),
    ] = None,
    sequence_column: options.SequenceColumn = None,
    name_column: options.NameColumn = None,
    threads: options.Threads = None,
    model_output: options.ModelOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Design sequences whose predicted expression is as high, as low or as wanted.

    Bases are substituted until the target is reached or nothing gets better. Every design says
    whether it lies beyond what training saw, where the model may be wrong.
    """
    check_files([output, plot], inputs=[model, starts, training], overwrite=overwrite)
    _check_options(context, method, width, population, output, plot)
    constraints = _constraints(
        protect, free_ends, gc, gc_of, forbid, longest_run, changes, forbid_factor
    )
    from cisreg.interpret.design import METHODS
    from cisreg.interpret.design import design as find_designs

    aim = _target(target)
    learned = options.read_model(model, model_output)
    start: Any = count
    names = None
    if starts is not None:
        start, names = _read_starts(starts, sequence_column, name_column)
    sizes = {"width": width, "population": population}
    found = find_designs(
        *(learned, start, aim),
        method=METHODS[method](**{name: size for name, size in sizes.items() if size is not None}),
        constraints=constraints,
        count=1 if starts is None else count,
        steps=steps,
        seed=seed,
        repair_starts=repair,
        names=names,
        training=None if training is None else _read_training(learned, training),
        threads=threads,
        progress=True,
    )
    _write(found, output, plot, overwrite)


def _check_options(
    context: typer.Context,
    method: str,
    width: int | None,
    population: int | None,
    output: Path | None,
    plot: Path | None,
) -> None:
    """Refuses options that do not go together, and files that cannot be written."""
    for name, value, owner in (("width", width, "beam"), ("population", population, "genetic")):
        if value is not None and method != owner:
            raise typer.BadParameter(
                f"expected --{name} with --method {owner} alone, got {method}", ctx=context
            )
    is_fasta = output is not None and output.suffix.lower() in _FASTA
    check_results(None if is_fasta else output, plot)


def _constraints(
    protect: list[str] | None,
    free_ends: bool,
    gc: str | None,
    gc_of: Literal["variable", "all"],
    forbid: list[str] | None,
    longest_run: int | None,
    changes: int | None,
    forbid_factor: list[str] | None,
) -> Constraints:
    from cisreg.interpret.design_constraints import Constraints

    intervals = [each for each in protect or () if each != "lower"]
    return Constraints(
        protect=tuple(map(_interval, intervals)),
        protect_lower_case="lower" in (protect or ()),
        protect_ends=not free_ends,
        gc=None if gc is None else _shares(gc),
        gc_of=gc_of,
        forbid=tuple(forbid or ()),
        longest_run=longest_run,
        changes=changes,
        forbid_factors=dict(map(_factor, forbid_factor or ())),
    )


def _interval(text: str) -> tuple[int | None, int | None]:
    found = _INTERVAL.fullmatch(text)
    if found is None or text == ":":
        raise ValueError(
            f"--protect: expected BEGIN:END such as 0:20 or -20:, or lower, got {text}"
        )
    begin, end = (None if each is None else int(each) for each in found.groups())
    return begin, end


def _shares(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(":"))
    except ValueError:
        raise ValueError(f"--gc: expected LOW:HIGH such as 0.4:0.6, got {text}") from None
    return low, high


def _factor(text: str) -> tuple[str, float]:
    name, sign, share = text.rpartition("=")
    try:
        return name, float(share if sign else "")
    except ValueError:
        raise ValueError(
            f"--forbid-factor: expected FACTOR=OCCUPANCY such as Reb1=0.1, got {text}"
        ) from None


def _target(text: str) -> Any:
    if text in ("max", "min"):
        return text
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"--target: expected max, min or a number, got {text}") from None


def _read_starts(
    table: str, sequence_column: str | None, name_column: str | None
) -> tuple[list[str], list[str] | None]:
    """The sequences as text, since letters in lower case may be protected, and their names."""
    asked = options.asked_columns(sequence_column, None, None, name_column)
    files = options.open_files(
        table, {"name": True, **asked, "expression": (), "weight": False}, strict=True
    )
    blocks = list(files.blocks())
    if not blocks:
        raise ValueError(files.unusable.none_left(table))
    texts = [text for rows in blocks for text in rows.sequence.to_pylist()]
    names = [name for rows in blocks if rows.name is not None for name in rows.name.to_pylist()]
    return texts, names or None


def _read_training(model: Any, table: str) -> Any:
    from cisreg.data import Columns, open_dataset

    columns = replace(
        Columns(**model.table_columns), extra=(), name=False, counted=options.counted_by(model)
    )
    return open_dataset(
        table,
        columns=columns,
        length=model.spec.sequence_length,
        side=model.padding_side,
        partly_measured=True,
    ).load(progress=True)


def _write(found: Designs, output: Path | None, plot: Path | None, overwrite: bool) -> None:
    if plot is not None:
        from cisreg.report import plot_designs

        plot_designs(plot, found, overwrite=overwrite)
    summary = f"{counted(len(found), 'design')}, {_beyond(found)}"
    if output is None:
        new_console(results=True).print(_shown(found))
        new_console(stderr=True).print(summary)
        return
    if output.suffix.lower() in _FASTA:
        from cisreg.files import replace_file

        with replace_file(output, overwrite=overwrite) as file:
            file.write(found.to_fasta().encode())
    else:
        from cisreg.writing import open_table

        with open_table(output, overwrite=overwrite) as write:
            write(found.columns())
    tell(output, f"{summary}; written to {destination(output)}")


def _beyond(found: Designs) -> str:
    if found.extrapolation is None:
        return "it is not known which lie beyond what training saw"
    return f"{sum(map(bool, found.extrapolation)):,} of them beyond what training saw"


def _shown(found: Designs) -> TextTable:
    columns = found.columns()
    shown = TextTable("", tuple(columns), False, "designs")
    for row in zip(*(column.to_pylist() for column in columns.values()), strict=True):
        shown.add_row(*map(_cell, row), record=dict(zip(columns, row, strict=True)))
    return shown


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
