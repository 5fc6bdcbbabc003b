"""cisreg export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cisreg.cli import options
from cisreg.cli.outputs import check_files
from cisreg.cli.terminal import new_console
from cisreg.quiet import start_tensorflow

_ENDINGS = (".params", ".pkdms", ".positional.gz", ".ckpt.index", ".ckpt.meta")
EXAMPLE = "cisreg export model --output test.model.APCM"


def export_model(
    model: options.ModelFolder,
    output: Annotated[
        Path,
        typer.Option(
            "--output", metavar="PREFIX", help="Writes PREFIX.params, .pkdms and .positional.gz."
        ),
    ],
    checkpoint: Annotated[
        bool,
        typer.Option("--checkpoint", help="Also write PREFIX.ckpt, for CisRegModels' option -res."),
    ] = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a model as text files of CisRegModels.

    Text files have six digits per number; a checkpoint has full precision.
    """
    files = [f"{output}{ending}" for ending in _ENDINGS]
    check_files(files, inputs=[model], overwrite=overwrite)
    start_tensorflow()
    from cisreg import legacy
    from cisreg.storage import load_model

    written = legacy.export_model(
        output, load_model(model), checkpoint=checkpoint, overwrite=overwrite
    )
    new_console().print(f"Model written to {', '.join(written)}")
