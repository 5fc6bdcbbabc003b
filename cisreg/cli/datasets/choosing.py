"""Options that the `cisreg datasets` commands share."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

Registry = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE|URL",
        help="Registry to look in, may be given several times. Default: what comes with cisreg, "
        "and the registries in the variable CISREG_REGISTRIES.",
    ),
]
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name that **cisreg datasets list** shows.")
]
Kind = Annotated[
    Literal["dataset", "model"] | None,
    typer.Option(help="Which is meant, where a data set and a model have the name."),
]
