"""The options of `cisreg train`, grouped as in its help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cisreg.choices import PAIR_DISTANCE, PAIR_KNOTS
from cisreg.cli import options
from cisreg.cli.completion import motif_sources, recipe_names
from cisreg.limits import MOST_WORKERS

_DATA, _TRAINING, _OUTPUT, _WORKERS = "Data", "Training", "Records", "Several processes"
# Two panels: the long option names of one would make the column of the other too narrow.
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
        autocompletion=motif_sources,
        help=options.MOTIFS_HELP,
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
        autocompletion=recipe_names,
        help="Layers, penalties and stages: **default**, **quick**, **best** (for ensembles) or a "
        "TOML file, such as the recipe.toml that every run writes. Default: **default**, or that "
        "of the run that is resumed. The options below override it.",
    ),
]

RandomMotifs = Annotated[
    int,
    _data(
        "Number of random motifs to train, in addition to those of --motifs or alone.",
        min=0,
        metavar="COUNT",
    ),
]
Start = Annotated[
    str | None,
    _data(
        "Start from the parameters of a model: a folder of **cisreg train**, or output of "
        "CisRegModels (PREFIX, PREFIX.ckpt or PREFIX.Model). They override all other initial "
        "values. Without --motifs, the motifs of the model are trained further.",
        metavar="MODEL",
    ),
]
InitialActivity = Annotated[
    str | None,
    _data(
        "Initial activities, in the unit of the measurements (with --link: of the score): one "
        "number, or a file with a motif and a number per line.",
        metavar="X|FILE",
    ),
]
InitialPotentiation = Annotated[
    str | None, _data("Initial potentiations: one number or a file.", metavar="X|FILE")
]
InitialBindingLimit = Annotated[
    str | None,
    _data("Initial binding limits (bound molecules): one number or a file.", metavar="X|FILE"),
]
Concentrations = Annotated[
    Path | None,
    _data(
        "File of initial log concentrations, a motif and a number per line; default: the strongest "
        "site of each motif is half bound.",
        metavar="FILE",
    ),
]
Length = Annotated[
    int | None, _data("Bases per sequence; default: the longest.", min=1, metavar="BASES")
]
PaddingSide = Annotated[
    Literal["left", "right"],
    _data("Side where shorter sequences are padded and longer ones trimmed."),
]
Validation = Annotated[
    str | None,
    _data(
        "Share of the table to hold out (0: none; equal sequences stay together), or a file with "
        "separate validation sequences.",
        metavar="SHARE|FILE",
    ),
]
SplitColumn = Annotated[
    str | None,
    _data(
        "Column that assigns each row to train, validation or test (not used); or to folds, with "
        "--fold.",
        metavar="COLUMN",
    ),
]
Fold = Annotated[
    str | None,
    _data("Value of --split-column whose rows are held out.", metavar="VALUE"),
]
GroupColumn = Annotated[
    str | None,
    _data(
        "Hold out whole groups: rows with the same value in this column stay together.",
        metavar="COLUMN",
    ),
]
SplitSeed = Annotated[
    int | None,
    _data(
        "Seed that chooses the share to hold out, so that runs of different --seed can be compared "
        "by their validation losses; default: --seed.",
        min=0,
        metavar="SEED",
    ),
]

Potentiation = Annotated[
    bool | None,
    _layer("Factors open and close the chromatin.", "--potentiation/--no-potentiation"),
]
Positional = Annotated[
    bool | None, _layer("A site's effect depends on its position.", "--positional/--no-positional")
]
PositionalPotentiation = Annotated[
    bool | None,
    _layer(
        "What a site does to chromatin depends on its position too.",
        "--positional-potentiation/--no-positional-potentiation",
    ),
]
Competition = Annotated[
    bool | None,
    _layer("Sites exclude each other: no base is covered twice.", "--competition/--no-competition"),
]
Nucleosome = Annotated[
    bool | None,
    _layer("With --competition, a nucleosome too excludes sites.", "--nucleosome/--no-nucleosome"),
]
Link = Annotated[
    Literal["identity", "logistic", "softplus", "exponential"] | None,
    _detail(
        "How expression follows from the sum of effects. identity: it is the sum; logistic: "
        "between a trained floor and ceiling; softplus, exponential: above 0, for counts.",
        metavar="KIND",
    ),
]
Stranded = Annotated[
    bool | None, _layer("A site's effect depends on its strand.", "--stranded/--no-stranded")
]

Binding = Annotated[
    Literal["expected", "probability"] | None,
    _detail(
        "expected: mean number of bound sites; probability: that at least one is bound.",
        metavar="KIND",
    ),
]
AccessibilityActivity = Annotated[
    bool | None,
    _detail("Accessibility also acts on expression directly.", "--accessibility-activity"),
]
BindingLimit = Annotated[bool | None, _detail("A factor's effect has a limit.", "--binding-limit")]
PositionKnots = Annotated[
    int | None,
    _detail(
        "Position weights are a smooth curve through this many knots; 0: one free weight each.",
        metavar="KNOTS",
    ),
]
Pair = Annotated[
    list[str] | None,
    _detail(
        "Two motifs whose sites act together, an effect for each orientation and distance, such as "
        "REB1:ABF1; may be repeated. **cisreg explain cooperativity** finds candidates.",
        metavar="A:B",
    ),
]
PairDistance = Annotated[
    int | None,
    _detail(
        "Centres of two sites that are so far apart, or farther, do not act together. "
        f"Default: {PAIR_DISTANCE}.",
        metavar="BASES",
    ),
]
PairKnots = Annotated[
    int | None,
    _detail(
        "Knots of the effect of a pair over the distance, 2 * BASES / (KNOTS + 1) bases apart. "
        f"Default: {PAIR_KNOTS}, one every 5 bases.",
        metavar="KNOTS",
    ),
]
Padding = Annotated[
    Literal["same", "valid"] | None,
    _detail(
        "same: also scan windows that extend beyond the ends; valid: only whole windows.",
        metavar="KIND",
    ),
]

ConstantLeft = Annotated[
    str | None,
    _detail(
        "Constant bases at the left end of all sequences, such as a primer site: their number or "
        "the bases; 0: none. Default: detected from the sequences.",
        metavar="BASES",
    ),
]
ConstantRight = Annotated[str | None, _detail("The same at the right end.", metavar="BASES")]
ConstantEnds = Annotated[
    Literal["context", "trim", "keep"] | None,
    _detail(
        "Treatment of constant ends. context: motifs may reach into them, but sites completely "
        "inside do not count; trim: their bases are unknown; keep: they are bases like any other.",
        metavar="KIND",
    ),
]

Differ = Annotated[
    list[str] | None,
    _detail(
        "With --outputs: a parameter that each output has of its own, such as log_concentration, "
        "activity or bias, given once for each; **nothing**: all are shared.",
        metavar="NAME",
    ),
]
MotifWidth = Annotated[
    int | None, _training("Columns that each motif is placed in.", min=1, metavar="COLUMNS")
]
MotifFlank = Annotated[
    int | None,
    _training(
        "Columns on each side of a motif's own that are trained too; the others stay 0.",
        min=0,
        metavar="COLUMNS",
    ),
]
ActivityL1 = Annotated[
    float | None,
    _training(
        "Penalty on the sum of |activity|, in the standard unit (docs/explanation/training.md).",
        metavar="WEIGHT",
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
    _training("Penalty on half the squared distance from the initial motifs.", metavar="WEIGHT"),
]
PositionSmoothness = Annotated[
    float | None,
    _training("Penalty on squared differences of neighbouring position weights.", metavar="WEIGHT"),
]
PairL1 = Annotated[
    float | None,
    _training("Penalty on the sum of |effect| over the knots of all pairs.", metavar="WEIGHT"),
]
PairSmoothness = Annotated[
    float | None,
    _training("Penalty on squared differences of neighbouring knots of pairs.", metavar="WEIGHT"),
]
DifferenceL1 = Annotated[
    float | None,
    _training(
        "With --outputs: penalty on the distance of parameters of factors from their mean over "
        "the outputs.",
        metavar="WEIGHT",
    ),
]
Loss = Annotated[
    Literal[
        "squared_error",
        "gaussian",
        "heteroscedastic",
        "student_t",
        "huber",
        "poisson",
        "negative_binomial",
        "sort_bins",
    ]
    | None,
    _training(
        "Noise of the measurements, whose likelihood is maximized; its numbers are trained too, or "
        "given in a recipe. **poisson**, **negative_binomial**: counts; **sort_bins**: counts of "
        "sorting bins, an --expression-column for each. Default: squared_error.",
        metavar="NAME",
    ),
]
Likelihood = Annotated[
    Path | None,
    _training(
        "Maximize the likelihood under this table of mean and standard deviation instead of "
        "minimizing the squared error.",
        metavar="FILE",
    ),
]
Epochs = Annotated[int | None, _training("Maximum epochs per stage.", min=1, metavar="EPOCHS")]
Patience = Annotated[
    int | None,
    _training(
        "In the last stage, stop after so many epochs without a better validation loss, and end "
        "with the best ones. As many as the stage has: run all of them.",
        min=1,
        metavar="EPOCHS",
    ),
]
PrecisionName = Annotated[
    Literal["float32", "mixed_bfloat16", "mixed_float16"] | None,
    _training(
        "mixed_bfloat16, mixed_float16: sites may be computed in 16 bits (not faster on a CPU).",
        metavar="NAME",
    ),
]
Seed = Annotated[
    int,
    _training("Seed of initial activities, validation split and order.", min=0, metavar="SEED"),
]

Resume = Annotated[bool, _record("Continue a stopped run with the same options.", "--resume")]
CheckpointMinutes = Annotated[
    float | None,
    _record("Also write a checkpoint every MINUTES.", min=0.001, metavar="MINUTES"),
]
KeepCheckpoints = Annotated[
    int, _record("Number of newest checkpoints to keep.", min=1, metavar="COUNT")
]
Cache = Annotated[
    Literal["auto", "none", "host", "device"],
    _data(
        "Where sequences are kept during training: **none** streams them from Parquet files, "
        "**host** is main memory, **device** is GPU memory; **auto** is the fastest that is large "
        "enough.",
        metavar="PLACE",
    ),
]
SequenceColumn = Annotated[
    str | None,
    _data(
        "Column with the sequence, by name or number; default: the one with a usual name, such as "
        "sequence or seq, or of two columns the one with sequences.",
        metavar="COLUMN",
    ),
]
ExpressionColumn = Annotated[
    list[str] | None,
    _data(
        "Column with the expression, by name or number; default: the one called expression, or of "
        "two columns the one that is not the sequence. Given once for each replicate, their mean "
        "counts.",
        metavar="COLUMN",
    ),
]
Outputs = Annotated[
    list[str] | None,
    _data(
        "Columns of several outputs, such as conditions or cell types, by name or number: given "
        "once for each, instead of --expression-column. One model is trained for all; --differ "
        "says what differs between them. Missing measurements leave the others of a row in use.",
        metavar="COLUMN",
    ),
]
ExposureColumn = Annotated[
    str | None,
    _data(
        "For --loss poisson and negative_binomial: column with counts that those of "
        "--expression-column are relative to, such as DNA to RNA.",
        metavar="COLUMN",
    ),
]
WeightColumn = Annotated[
    str | None,
    _data(
        "Column with weights, by name or number; they multiply the loss of each sequence.",
        metavar="COLUMN",
    ),
]
Measurements = Annotated[
    str | None,
    _data("For FASTA: table of measurements, by record name.", metavar="TABLE"),
]
NameColumn = Annotated[
    str | None,
    _data(
        "Column with the names of the sequences, by name or number; for FASTA that of "
        "--measurements.",
        metavar="COLUMN",
    ),
]
DecimalComma = Annotated[
    bool, _data("Numbers in the table have a decimal comma (5,1).", "--decimal-comma")
]
Lanes = Annotated[
    int,
    _data(
        "Number of Parquet row groups that are read in parallel with **--cache none**; each batch "
        "is drawn from all of them.",
        min=1,
        metavar="COUNT",
    ),
]
Strict = Annotated[
    bool, _data("Stop at the first unusable row instead of leaving such rows out.", "--strict")
]
Workers = Annotated[
    int,
    _workers(
        "Number of processes on this machine that train together. --threads is per process; "
        "default: the cores are divided among them.",
        min=1,
        max=MOST_WORKERS,
        metavar="COUNT",
    ),
]
Restarts = Annotated[
    int,
    _workers(
        "How many times to restart from the last checkpoint after a process is lost.",
        min=0,
        metavar="COUNT",
    ),
]
Strategy = Annotated[
    Literal["auto", "none", "mirrored", "workers", "slurm"],
    _workers(
        "Devices or processes that train together: **mirrored**: all GPUs of this machine; "
        "**workers**: the processes in TF_CONFIG; **slurm**: the tasks of this Slurm step; "
        "**auto** chooses (but never slurm).",
        metavar="NAME",
    ),
]
CheckpointEvery = Annotated[
    int | None,
    _record(
        "Also write a checkpoint every STEPS steps within an epoch (rounded up to the next chunk "
        "of up to 64 steps).",
        min=1,
        metavar="STEPS",
    ),
]
TensorBoard = Annotated[
    bool, _record("Write scalars, histograms and plots to DIR/tensorboard.", "--tensorboard")
]
ReportEvery = Annotated[
    int | None,
    _record(
        "Report the mean loss every STEPS steps, in the log, DIR/steps.jsonl and TensorBoard.",
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
        help="Run a command line of CisRegModels (in quotes, unchanged). Prints the equivalent "
        "commands of cisreg, and the differences.",
    ),
]
Overwrite = Annotated[
    bool,
    _record(
        "Replace the run in DIR; its model stays until the new one is complete.", "--overwrite"
    ),
]


@dataclass(frozen=True)
class TrainingOptions:
    """What is trained, and how: options of every command that trains, each above with its help.

    See `cisreg.cli.option_groups.spread`. What is left out belongs to a single run: its folder,
    its processes, and how it is resumed.
    """

    table: Table = None
    motifs: Motifs = None
    recipe: RecipeSource = None
    random_motifs: RandomMotifs = 0
    concentrations: Concentrations = None
    initial_activity: InitialActivity = None
    initial_potentiation: InitialPotentiation = None
    initial_binding_limit: InitialBindingLimit = None
    start: Start = None
    length: Length = None
    side: PaddingSide = "left"
    sequence_column: SequenceColumn = None
    expression_column: ExpressionColumn = None
    outputs: Outputs = None
    exposure_column: ExposureColumn = None
    weight_column: WeightColumn = None
    measurements: Measurements = None
    name_column: NameColumn = None
    decimal_comma: DecimalComma = False
    strict: Strict = False
    cache: Cache = "auto"
    lanes: Lanes = 16
    validation: Validation = None
    split_column: SplitColumn = None
    fold: Fold = None
    group_column: GroupColumn = None
    split_seed: SplitSeed = None
    potentiation: Potentiation = None
    positional: Positional = None
    positional_potentiation: PositionalPotentiation = None
    competition: Competition = None
    nucleosome: Nucleosome = None
    stranded: Stranded = None
    binding: Binding = None
    accessibility_activity: AccessibilityActivity = None
    binding_limit: BindingLimit = None
    position_knots: PositionKnots = None
    link: Link = None
    padding: Padding = None
    pair: Pair = None
    pair_distance: PairDistance = None
    pair_knots: PairKnots = None
    constant_left: ConstantLeft = None
    constant_right: ConstantRight = None
    constant_ends: ConstantEnds = None
    differ: Differ = None
    motif_width: MotifWidth = None
    motif_flank: MotifFlank = None
    activity_l1: ActivityL1 = None
    potentiation_l1: PotentiationL1 = None
    motif_l2: MotifL2 = None
    motif_pull: MotifPull = None
    position_smoothness: PositionSmoothness = None
    pair_l1: PairL1 = None
    pair_smoothness: PairSmoothness = None
    difference_l1: DifferenceL1 = None
    loss: Loss = None
    likelihood: Likelihood = None
    epochs: Epochs = None
    patience: Patience = None
    precision: PrecisionName = None
    seed: Seed = 0
    threads: options.Threads = None
    implementation: options.Implementation = "auto"
    checkpoint_every: CheckpointEvery = None
    checkpoint_minutes: CheckpointMinutes = None
    keep_checkpoints: KeepCheckpoints = 3
    report_every: ReportEvery = None
    tensorboard: TensorBoard = False
