"""cisreg export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cisreg.cli import options
from cisreg.cli.terminal import new_console
from cisreg.quiet import start_tensorflow

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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Write a model as text files of CisRegModels.

    Text files have six digits per number; a checkpoint has full precision.
    """
    if not overwrite:
        for suffix in (".params", ".pkdms", ".positional.gz", ".ckpt.index", ".ckpt.meta"):
            path = Path(f"{output}{suffix}")
            if path.exists():
                raise ValueError(
                    f"{path}: expected a new file, but it exists; give --overwrite to replace it, "
                    "or another --output"
                )
    start_tensorflow()
    from cisreg import legacy
    from cisreg.storage import load_model

    written = legacy.export_model(output, load_model(model), checkpoint=checkpoint)
    new_console().print(f"Model written to {', '.join(written)}", soft_wrap=True)
