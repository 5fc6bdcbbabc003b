"""cisreg doctor."""

from __future__ import annotations

import typer

from cisreg.cli.terminal import TextTable, new_console
from cisreg.quiet import start_tensorflow

EXAMPLE = "cisreg doctor"


def doctor() -> None:
    """Check this machine: versions, library, devices, kernels, correct results and speed.

    Each device computes a small problem whose sums are known; where others come out, both are
    shown. The precision of products of float32, which may be TensorFloat-32 on a GPU, is measured.
    The exit status is 1 if the fused operation cannot be used on a device.
    """
    messages = start_tensorflow(explain=True)
    from cisreg.diagnosis import diagnose

    findings = diagnose(messages)
    table = TextTable("", numbers=False, name="findings")
    for finding in findings:
        table.add_row(
            *(finding.subject, finding.state, finding.text),
            record={
                "subject": finding.subject,
                "state": finding.state,
                "finding": finding.text,
            },
        )
    console = new_console(results=True)
    console.print(table)
    states = {finding.state for finding in findings}
    if "error" in states:
        console.print("The fused operation cannot be used here; see the errors above.", style="red")
        raise typer.Exit(1)
    if "warning" in states:
        console.print("The fused operation works; see the warnings above.", style="yellow")
    else:
        console.print("The fused operation works.", style="green")
