"""cisreg export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cisreg.cli import options
from cisreg.cli.outputs import check_files, check_folder
from cisreg.cli.terminal import new_console
from cisreg.quiet import start_tensorflow
from cisreg.saved_model_folder import FILES, check_saved_model_folder

_ENDINGS = (".params", ".pkdms", ".positional.gz", ".ckpt.index", ".ckpt.meta")
EXAMPLE = "cisreg export model --format savedmodel --output served/1"


def export_model(
    context: typer.Context,
    model: options.ModelFolder,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            metavar="NAME",
            help="PREFIX of PREFIX.params, .pkdms and .positional.gz; or the folder of the "
            "SavedModel.",
        ),
    ],
    format: Annotated[
        Literal["cisregmodels", "savedmodel"],
        typer.Option(
            metavar="FORMAT",
            help="cisregmodels, text files; or savedmodel, for TensorFlow in any language, its "
            "servers, TFLite and ONNX.",
        ),
    ] = "cisregmodels",
    checkpoint: Annotated[
        bool,
        typer.Option("--checkpoint", help="Also write PREFIX.ckpt, for CisRegModels' option -res."),
    ] = False,
    standard_ops: Annotated[
        bool,
        typer.Option(
            "--standard-ops",
            help="A SavedModel of TensorFlow's own operations, which loads without cisreg; slower.",
        ),
    ] = False,
    model_output: options.ModelOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a model as text files of CisRegModels, or as a SavedModel.

    Text files have six digits per number; a checkpoint and a SavedModel have full precision. A
    SavedModel predicts from text or codes; its assets/model.json says what its outputs are.
    """
    if format == "savedmodel":
        if checkpoint:
            raise typer.BadParameter("--checkpoint is of --format cisregmodels", ctx=context)
        _write_saved_model(model, model_output, output, standard_ops, overwrite)
        return
    if standard_ops:
        raise typer.BadParameter("--standard-ops is of --format savedmodel", ctx=context)
    files = [f"{output}{ending}" for ending in _ENDINGS]
    check_files(files, inputs=[model], overwrite=overwrite, together=True)
    if checkpoint:
        start_tensorflow()
    from cisreg import legacy

    written = legacy.export_model(
        output, options.read_model(model, model_output), checkpoint=checkpoint, overwrite=overwrite
    )
    new_console().print(f"Model written to {', '.join(written)}")


def _write_saved_model(
    model: Path, model_output: str | None, output: Path, standard_ops: bool, overwrite: bool
) -> None:
    check_folder(output, FILES, inputs=[model], overwrite=overwrite)
    check_saved_model_folder(output, overwrite=overwrite)
    start_tensorflow()
    from cisreg.saved_model import export_saved_model

    learned = options.read_model(model, model_output, several=True)
    export_saved_model(output, learned, standard_ops=standard_ops, overwrite=overwrite)
    kind = "TensorFlow's own operations" if standard_ops else "the operation of cisreg"
    new_console().print(f"SavedModel with {kind} written to {output}")
