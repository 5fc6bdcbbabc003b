"""cisreg doctor."""

from __future__ import annotations

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from cisreg.cli.terminal import new_console
from cisreg.quiet import start_tensorflow

EXAMPLE = "cisreg doctor"

_STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}


def doctor() -> None:
    """Check this machine: versions, library, devices, kernels, correct results and speed.

    The exit status is 1 if the fused operation cannot be used.
    """
    messages = start_tensorflow(explain=True)
    from cisreg.diagnosis import diagnose

    findings = diagnose(messages)
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    for finding in findings:
        style = _STYLES[finding.state]
        table.add_row(finding.subject, Text(finding.state, style), Text(finding.text))
    console = new_console()
    console.print(table)
    states = {finding.state for finding in findings}
    if "error" in states:
        console.print("The fused operation cannot be used here; see the errors above.", style="red")
        raise typer.Exit(1)
    if "warning" in states:
        console.print("The fused operation works; see the warnings above.", style="yellow")
    else:
        console.print("The fused operation works.", style="green")
