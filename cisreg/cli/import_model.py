"""cisreg import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cisreg.cli import options
from cisreg.cli.completion import motif_sources
from cisreg.cli.outputs import check_folder, fill_folder
from cisreg.cli.terminal import new_console
from cisreg.quiet import start_tensorflow
from cisreg.run_folder import check_no_run

_FILES = ("model.json",)
EXAMPLE = "cisreg import old.APCM --binding expected --length 110 --output new"


def import_model(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="PREFIX of the text files PREFIX.params, .pkdms and .positional.gz, or a "
            "checkpoint PREFIX.ckpt, or a folder PREFIX.Model.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", metavar="DIR", help="Folder for the model.")],
    binding: Annotated[
        Literal["expected", "probability"] | None,
        typer.Option(
            metavar="KIND",
            help="expected if CisRegModels was run with -eb, otherwise probability; not needed for "
            "a .Model folder.",
        ),
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="BASES",
            help="Bases per sequence (-sl); not needed with position weights or a .Model folder.",
        ),
    ] = None,
    motifs: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            autocompletion=motif_sources,
            help="The motifs (-dm), for their names, and for their matrices if the model held them "
            "constant (-ntm).",
        ),
    ] = None,
    motif_width: Annotated[
        int, typer.Option(min=1, metavar="COLUMNS", help="Columns for those motifs (-ml).")
    ] = 30,
    concentrations: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Log concentrations (-ic), if the model held them constant (-ntc).",
        ),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Import a trained model of CisRegModels.

    Its layers are recognised from its files; an error names the options for what is missing.
    """
    read = [source, concentrations, options.motif_source(motifs)]
    check_no_run(output)
    check_folder(output, _FILES, inputs=read, overwrite=overwrite)
    from cisreg import legacy
    from cisreg.legacy.model import is_binary
    from cisreg.motifs import read_log_concentration
    from cisreg.storage import save_model

    if is_binary(source):
        start_tensorflow()
    motif_set = None if motifs is None else options.load_motifs(motifs, motif_width)
    if concentrations is not None and motif_set is None:
        raise ValueError("--concentrations: expected --motifs too, for the names of the motifs")
    model = legacy.import_model(
        source,
        binding=binding,
        sequence_length=length,
        motif_set=motif_set,
        log_concentration=None
        if concentrations is None or motif_set is None
        else read_log_concentration(concentrations, motif_set.names),
    )
    with fill_folder(output, _FILES, overwrite):
        save_model(output, model)
    layers = [name for name, value in model.spec.to_dict().items() if value is True]
    new_console().print(
        f"{model.spec.motif_count} motifs of {model.spec.motif_width} columns, sequences of "
        f"{model.spec.sequence_length} bases, {model.spec.binding} binding, layers: "
        f"{', '.join(layers) or 'none'}; model written to {output}",
    )
