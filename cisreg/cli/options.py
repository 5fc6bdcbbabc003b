"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cisreg.cli.completion import motif_sources
from cisreg.number_text import parse_integer

if TYPE_CHECKING:
    from cisreg.data import DatasetFiles
    from cisreg.data.formats.rows import Counted
    from cisreg.motifs import MotifSet
    from cisreg.trained_model import Model
    from cisreg.uncertainty import Ensemble

Side = Literal["left", "right"]
ImplementationName = Literal["auto", "fused", "standard"]

MOTIFS_HELP = (
    "A file of motifs (JASPAR, MEME, TRANSFAC, HOMER, HOCOMOCO, CIS-BP, UniPROBE, "
    "ProBound, .pkdm or a table), a folder of them, a file that lists them one per line, "
    "**jaspar:fungi** or **jaspar:MA0271.1** of the JASPAR database, or **demo** for the "
    "sixteen that come with cisreg."
)
Motifs = Annotated[
    str,
    typer.Option(
        "--motifs",
        metavar="SOURCE",
        autocompletion=motif_sources,
        help=MOTIFS_HELP,
    ),
]
ModelFolder = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Folder that **cisreg train** wrote.")
]
ModelOutput = Annotated[
    str | None,
    typer.Option(
        "--model-output",
        metavar="NAME",
        help="The output to take of a model of several (train --outputs), by its name.",
    ),
]
EnsembleFolder = Annotated[
    Path, typer.Argument(metavar="ENSEMBLE", help="Folder that **cisreg ensemble train** wrote.")
]
_FOLDERS = "a folder of **cisreg convert**, a pattern such as '*.parquet', or a URL."
MeasuredTable = Annotated[
    str,
    typer.Argument(
        metavar="TABLE",
        help="TSV or CSV (.gz, .bz2, .zst) or Parquet with a sequence and its expression, "
        f"{_FOLDERS}",
    ),
]
SequenceTable = Annotated[
    str | None,
    typer.Argument(
        metavar="TABLE",
        help=f"TSV or CSV (.gz, .bz2, .zst) or Parquet with sequences, FASTA, {_FOLDERS} - is "
        "standard input.",
    ),
]
SequenceColumn = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column with the sequence, by name or number; default: the one with a usual name, "
        "such as sequence or seq, or of two columns the one with sequences.",
    ),
]
ExpressionColumn = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="Column with the expression, by name or number; default: the one called expression, "
        "or of two columns the one that is not the sequence. Given once for each replicate, the "
        "mean of those that a row has counts.",
    ),
]
Outputs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        help="Columns of several outputs, such as conditions or cell types, by name or number: "
        "given once for each, instead of --expression-column, as to **cisreg train**. Missing "
        "measurements leave the others of a row in use.",
    ),
]
NameColumn = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column with the names of the sequences, by name or number; default: the one called "
        "name or id, if there is one. For FASTA it is the first word of the header.",
    ),
]
DecimalComma = Annotated[
    bool, typer.Option("--decimal-comma", help="Numbers in the table have a decimal comma (5,1).")
]
Implementation = Annotated[
    ImplementationName,
    typer.Option(
        metavar="NAME",
        help="Implementation of the occupancy operation: fused, standard (TensorFlow operations), "
        "or auto: fused if possible.",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace files that exist, but never one that is read."),
]
FindingsTable = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Table of the findings to write, .tsv or .csv (.gz) or .parquet; default: shown on "
        "standard output.",
    ),
]
Level = Annotated[
    float, typer.Option(help="Share of the intervals that are meant to hold the truth.")
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, metavar="COUNT", help="Threads to compute with; default: all cores."),
]
ComputeDtype = Annotated[
    Literal["float32", "bfloat16", "float16"],
    typer.Option(
        metavar="NAME",
        help="Data type of binding sites (16 bits are not faster on a CPU); the rest is float32.",
    ),
]


def set_threads(count: int | None) -> None:
    """Sets the number of TensorFlow's threads; must be called before anything is computed."""
    import tensorflow as tf

    from cisreg.limits import thread_count

    if count is not None:
        tf.config.threading.set_intra_op_parallelism_threads(thread_count(count))
        tf.config.threading.set_inter_op_parallelism_threads(1)


def column(text: str) -> int | str:
    """The position of a column from 0 if `text` is a number (from 1), otherwise its name.

    Raises:
        ValueError: the number is 0, or has hundreds of digits.
    """
    if not (text.isascii() and text.isdecimal()):
        return text
    try:
        position = parse_integer(text)
    except ValueError as error:
        raise ValueError(f"column: {error}") from None
    if not position:
        raise ValueError(f"column: expected a name, or a number from 1 on, got {text}")
    return position - 1


def asked_columns(
    sequence: str | None,
    expression: Sequence[str] | None,
    weight: str | None,
    name: str | None = None,
) -> dict[str, Any]:
    """The fields of `cisreg.data.Columns` that were given as options."""
    asked: dict[str, Any] = {}
    if sequence is not None:
        asked["sequence"] = column(sequence)
    if expression:
        asked["expression"] = tuple(map(column, expression))
    if weight is not None:
        asked["weight"] = column(weight)
    if name is not None:
        asked["name"] = column(name)
    return asked


def measured(
    outputs: Sequence[str] | None, expression: Sequence[str] | None
) -> Sequence[str] | None:
    """The columns of measurements: those of several outputs, or those of one.

    Raises:
        typer.BadParameter: both were given, or a single output.
    """
    if outputs and expression:
        raise typer.BadParameter(
            "expected --outputs, columns of several outputs, or --expression-column, columns of "
            "one, got both"
        )
    if outputs and len(outputs) == 1:
        raise typer.BadParameter(
            f"--outputs: expected two or more columns, got {outputs[0]} alone; --expression-column "
            "names that of one output"
        )
    return outputs or expression


def read_model(folder: str | Path, output: str | None, *, several: bool = False) -> Model:
    """The model in a folder, or one output of it.

    Args:
        folder: see `cisreg.load_model`.
        output: name of the output of a model of several; None: the model as it is.
        several: whether the command takes a model of several outputs as it is.

    Raises:
        ValueError: no model, or several outputs of which none is named.
    """
    from cisreg.outputs import check_one_output
    from cisreg.storage import load_model

    model = load_model(folder)
    if output is not None:
        return model.output(output)
    if not several:
        check_one_output(model)
    return model


def read_ensemble(folder: str | Path, output: str | None) -> Ensemble:
    """The ensemble in a folder, or one output of it; see `cisreg.uncertainty.load_ensemble`."""
    from cisreg.uncertainty import load_ensemble

    ensemble = load_ensemble(folder)
    return ensemble if output is None else ensemble.output(output)


def with_own_columns(asked: Mapping[str, Any], model: Model) -> dict[str, Any]:
    """The columns that were asked for, and those of training that have no usual names.

    These are the column of weights, and the columns of outputs if no others were asked for.

    Args:
        asked: from `asked_columns`.
        model: which knows the columns that it was trained on.
    """
    own = model.table_columns.get("weight")
    # A column of the usual name is found where there is one.
    if own is not None and own != "weight":
        asked = {"weight": own, **asked}
    of_outputs = model.spec.output_count > 1 or "output" in model.metadata
    if "expression" in asked or not of_outputs:
        return dict(asked)
    names = model.output_names or (model.metadata["output"],)
    return {**asked, "expression": tuple(model.table_columns.get("expression") or names)}


def counted_by(model: Model) -> Counted | None:
    """What the columns of measurements are for the noise model of a model, if it has one."""
    return None if model.noise is None else model.noise.counted


def open_files(
    source: str | list[str],
    asked: Mapping[str, Any],
    *,
    measurements: str | None = None,
    **settings: Any,
) -> DatasetFiles:
    """Opens a dataset; columns that are not in `asked` are found by their names.

    Args:
        source: see `cisreg.data.open_dataset`; or the name of a data set, see
            `cisreg.datasets.named.dataset_files`.
        asked: some fields of `cisreg.data.Columns`.
        measurements: see `cisreg.data.open_dataset`.
        settings: its other arguments.
    """
    from cisreg.data import Columns, open_dataset
    from cisreg.datasets.named import dataset_files

    names = [source] if isinstance(source, str) else source
    found = dataset_files(names[0]) if len(names) == 1 else source
    return open_dataset(found, columns=Columns(**asked), measurements=measurements, **settings)


def motif_source(source: str | None) -> str | None:
    """The path that `--motifs` names; None for the motifs of cisreg and of JASPAR."""
    is_path = source is not None and source != "demo" and not source.lower().startswith("jaspar:")
    return source if is_path else None


def load_motifs(source: str, width: int | None) -> MotifSet:
    """The motifs that `--motifs` names, in `width` columns; None: in those of the widest."""
    from cisreg.motifs import demo_motifs, read_motifs

    if source == "demo":
        return demo_motifs() if width is None else demo_motifs(width=width)
    if motif_source(source) is not None and not Path(source).exists():
        raise FileNotFoundError(
            f"--motifs: expected a file, a folder, jaspar:... or demo, got {source}, which does "
            "not exist"
        )
    return read_motifs(source, width=width)
