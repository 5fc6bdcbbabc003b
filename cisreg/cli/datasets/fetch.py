"""cisreg datasets fetch."""

from __future__ import annotations

from typing import Annotated

import typer

from cisreg.cli.datasets import choosing
from cisreg.cli.terminal import new_console

EXAMPLE = "cisreg datasets fetch yeast_gpra_demo --part test"


def fetch(
    name: choosing.Name,
    part: Annotated[
        str | None,
        typer.Option(help="Part of a data set, such as train or test; default: all parts."),
    ] = None,
    registry: choosing.Registry = None,
    kind: choosing.Kind = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare checksums of files that are there already.")
    ] = False,
) -> None:
    """Download a data set or model, verify it, and print the paths of its files.

    A download that was interrupted goes on where it stopped. Files are kept in CISREG_CACHE,
    otherwise in cisreg in XDG_CACHE_HOME or ~/.cache, and need no network afterwards.
    """
    from cisreg.datasets import fetch as fetch_entry

    output = new_console(results=True)
    for path in fetch_entry(name, part, kind=kind, registry=registry, check=check):
        output.print(str(path))
        output.add_rows("files", [{"path": path}])
