"""The options of `cisreg train`, in the panels of its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

_DATA, _TRAINING, _OUTPUT, _WORKERS = "Data", "Training", "Records", "Several processes"
# Two panels, since the long names of one would leave no room for both forms of the other.
_LAYERS, _DETAILS = "Layers of the model", "Further layers and details"


def _data(text: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=_DATA, **settings)


def _layer(text: str, names: str) -> Any:
    return typer.Option(names, help=text, rich_help_panel=_LAYERS)


def _detail(text: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=_DETAILS, **settings)


def _training(text: str, **settings: Any) -> Any:
    return typer.Option(help=text, rich_help_panel=_TRAINING, **settings)


def _record(text: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=_OUTPUT, **settings)


def _workers(text: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=_WORKERS, **settings)


Table = Annotated[
    str | None,
    typer.Argument(
        metavar="TABLE",
        help="TSV or CSV (.gz, .bz2, .zst) or Parquet with a sequence and its expression, a folder "
        "of **cisreg convert**, a pattern such as '*.parquet', or a URL.",
    ),
]
Motifs = Annotated[
    str | None,
    typer.Option(
        metavar="SOURCE",
        help="A .pkdm file, a folder of them, a file that lists them one per line, or the word "
        "**demo** for the sixteen that come with cisreg.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder for the model and the records of the run. Required."),
]
RecipeSource = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Layers, penalties and stages: **default**, **quick** or a TOML "
        "file such as the recipe.toml that every run leaves; otherwise **default**, "
        "or DIR/recipe.toml with --resume. The options below override it.",
    ),
]

RandomMotifs = Annotated[
    int,
    _data("Train so many random motifs, after those of --motifs or alone.", min=0, metavar="COUNT"),
]
Start = Annotated[
    str | None,
    _data(
        "Go on from the parameters of a model: a folder of **cisreg train**, or what "
        "CisRegModels left (PREFIX, PREFIX.ckpt or PREFIX.Model). They win over all other "
        "initial values.",
        metavar="MODEL",
    ),
]
InitialActivity = Annotated[
    str | None,
    _data(
        "Initial activities, in the unit of the measurements: a number, or a motif and a number "
        "per line.",
        metavar="X|FILE",
    ),
]
InitialPotentiation = Annotated[
    str | None, _data("Initial potentiations, likewise.", metavar="X|FILE")
]
InitialBindingLimit = Annotated[
    str | None, _data("Initial binding limits (bound molecules), likewise.", metavar="X|FILE")
]
Concentrations = Annotated[
    Path | None,
    _data(
        "Initial log concentrations, a motif and a number per line; otherwise each motif's "
        "strongest site begins half bound.",
        metavar="FILE",
    ),
]
Length = Annotated[
    int | None, _data("Bases per sequence; otherwise those of the longest.", min=1, metavar="BASES")
]
PaddingSide = Annotated[
    Literal["left", "right"], _data("Where shorter sequences are padded and longer ones trimmed.")
]
Validation = Annotated[
    str | None,
    _data(
        "Share of the table to hold out, equal sequences together (0: none), or a file of other "
        "sequences to validate with.",
        metavar="SHARE|FILE",
    ),
]
SplitColumn = Annotated[
    str | None,
    _data(
        "Column that says which rows to hold out instead: train, validation, test (left out of "
        "both); or any values with --fold.",
        metavar="COLUMN",
    ),
]
Fold = Annotated[
    str | None,
    _data("Hold out the rows with this value of --split-column.", metavar="VALUE"),
]
GroupColumn = Annotated[
    str | None,
    _data(
        "Hold out whole groups: rows with one value of this column stay together.",
        metavar="COLUMN",
    ),
]

Potentiation = Annotated[
    bool | None,
    _layer("Factors open and close the chromatin.", "--potentiation/--no-potentiation"),
]
Positional = Annotated[
    bool | None, _layer("A site's effect depends on its position.", "--positional/--no-positional")
]
Stranded = Annotated[
    bool | None, _layer("A site's effect depends on its strand.", "--stranded/--no-stranded")
]

Binding = Annotated[
    Literal["expected", "probability"] | None,
    _detail("expected: sites bound on average; probability: that any is bound.", metavar="KIND"),
]
AccessibilityActivity = Annotated[
    bool | None,
    _detail("Open chromatin acts on expression by itself.", "--accessibility-activity"),
]
BindingLimit = Annotated[bool | None, _detail("A factor's effect has a limit.", "--binding-limit")]
PositionKnots = Annotated[
    int | None,
    _detail(
        "Weights of position are a smooth curve through so many knots; 0: each one is free.",
        metavar="KNOTS",
    ),
]
Padding = Annotated[
    Literal["same", "valid"] | None,
    _detail("same: scan windows over the ends too; valid: whole windows alone.", metavar="KIND"),
]

ConstantLeft = Annotated[
    str | None,
    _detail(
        "Bases that all sequences begin with, such as a primer site: their number, or the bases "
        "themselves; 0: none. Otherwise what the sequences show.",
        metavar="BASES",
    ),
]
ConstantRight = Annotated[
    str | None, _detail("Bases that all sequences end with, likewise.", metavar="BASES")
]
ConstantEnds = Annotated[
    Literal["context", "trim", "keep"] | None,
    _detail(
        "What becomes of such bases. context: motifs may reach into them, but sites wholly inside "
        "do not count; trim: they are unknown; keep: they are bases like any other.",
        metavar="KIND",
    ),
]

MotifWidth = Annotated[
    int | None, _training("Columns that each motif is placed in.", min=1, metavar="COLUMNS")
]
MotifFlank = Annotated[
    int | None,
    _training(
        "Columns beside each motif's own that train too; the others stay 0.",
        min=0,
        metavar="COLUMNS",
    ),
]
ActivityL1 = Annotated[
    float | None,
    _training(
        "Penalty on the sum of |activity|, in the standard unit (docs/model.md).", metavar="WEIGHT"
    ),
]
PotentiationL1 = Annotated[
    float | None, _training("Penalty on the sum of |potentiation|.", metavar="WEIGHT")
]
MotifL2 = Annotated[
    float | None, _training("Penalty on half the squared log Kd.", metavar="WEIGHT")
]
MotifPull = Annotated[
    float | None,
    _training("Penalty on half the squared distance from the motifs given.", metavar="WEIGHT"),
]
PositionSmoothness = Annotated[
    float | None,
    _training("Penalty on squared steps of the weights of position.", metavar="WEIGHT"),
]
Likelihood = Annotated[
    Path | None,
    _training(
        "Maximize the likelihood under this table of mean and standard deviation, rather than "
        "minimize the squared error.",
        metavar="FILE",
    ),
]
Epochs = Annotated[int | None, _training("Epochs of each stage, at most.", min=1, metavar="EPOCHS")]
PrecisionName = Annotated[
    Literal["float32", "mixed_bfloat16", "mixed_float16"] | None,
    _training(
        "mixed_bfloat16, mixed_float16: sites may be computed in 16 bits (no faster on a CPU).",
        metavar="NAME",
    ),
]
Seed = Annotated[
    int, _training("Of initial activities, validation split and order.", min=0, metavar="SEED")
]

Resume = Annotated[
    bool, _record("Go on where a run with the same options was stopped.", "--resume")
]
CheckpointMinutes = Annotated[
    float | None,
    _record("Write a checkpoint after so many minutes, too.", min=0.001, metavar="MINUTES"),
]
KeepCheckpoints = Annotated[
    int, _record("Keep so many of the newest checkpoints.", min=1, metavar="COUNT")
]
Cache = Annotated[
    Literal["auto", "none", "host", "device"],
    _data(
        "Where sequences are meanwhile: **none** reads Parquet files as they are wanted, **host** "
        "is memory, **device** that of the GPU; **auto** is the last of them that they fit in.",
        metavar="PLACE",
    ),
]
SequenceColumn = Annotated[
    str | None,
    _data(
        "Name of the column with the sequence, or its number; otherwise the one with a usual "
        "name, such as sequence or seq, or of two columns the one with sequences.",
        metavar="COLUMN",
    ),
]
ExpressionColumn = Annotated[
    str | None,
    _data(
        "Name of the column with the expression, or its number; otherwise the one called "
        "expression, or of two columns the one that is not the sequence.",
        metavar="COLUMN",
    ),
]
WeightColumn = Annotated[
    str | None,
    _data(
        "Name of a column that the loss of each sequence is multiplied by, or its number.",
        metavar="COLUMN",
    ),
]
Measurements = Annotated[
    str | None,
    _data("Of FASTA: what was measured, by the names of its records.", metavar="TABLE"),
]
NameColumn = Annotated[
    str | None,
    _data(
        "Of --measurements: name of the column with the names of the records, or its number.",
        metavar="COLUMN",
    ),
]
DecimalComma = Annotated[
    bool, _data("Numbers in the table have a decimal comma (5,1).", "--decimal-comma")
]
Lanes = Annotated[
    int,
    _data(
        "Row groups of Parquet files that are read at a time with **--cache none**; each batch "
        "draws from all of them.",
        min=1,
        metavar="COUNT",
    ),
]
Strict = Annotated[
    bool, _data("Stop at a row that cannot be used, rather than leave it out.", "--strict")
]
Workers = Annotated[
    int,
    _workers(
        "Train in so many processes of this machine. They need --threads of their own: "
        "otherwise the cores are divided among them.",
        min=1,
        metavar="COUNT",
    ),
]
Restarts = Annotated[
    int,
    _workers(
        "Where a process is lost, go on from the last checkpoint, so many times.",
        min=0,
        metavar="COUNT",
    ),
]
Strategy = Annotated[
    Literal["auto", "none", "mirrored", "workers", "slurm"],
    _workers(
        "What trains together: **mirrored** is all GPUs of this machine, **workers** the "
        "processes that TF_CONFIG lists, **slurm** the tasks of this Slurm step; **auto** finds "
        "out (not slurm).",
        metavar="NAME",
    ),
]
CheckpointEvery = Annotated[
    int | None,
    _record(
        "Write a checkpoint after so many steps at least (up to 64 are taken at a time), not after "
        "each epoch alone.",
        min=1,
        metavar="STEPS",
    ),
]
TensorBoard = Annotated[
    bool, _record("Write scalars and histograms to DIR/tensorboard.", "--tensorboard")
]
ReportEvery = Annotated[
    int | None,
    _record(
        "Tell the mean loss of so many steps whenever they are over, in DIR/steps.jsonl and for "
        "TensorBoard too.",
        min=1,
        metavar="STEPS",
    ),
]
Profile = Annotated[
    bool,
    _record("Trace some steps: DIR/profile/trace.json.gz opens in a browser.", "--profile"),
]
LikeCisRegModels = Annotated[
    str | None,
    typer.Option(
        metavar="COMMAND",
        help="Run an old command line of CisRegModels, quoted, as it stands: says what it means "
        "in the options here, and where it did not do what it said.",
    ),
]
Overwrite = Annotated[bool, _record("Replace the run that is in DIR.", "--overwrite")]
