"""cisreg prepare: from sequencing reads to a table that trains."""

from __future__ import annotations

import typer

from cisreg.cli.commands import Command, CommandGroup
from cisreg.cli.prepare import activity, cluster, collapse, expression, merge_pairs, translate

app = typer.Typer(
    name="prepare",
    cls=CommandGroup,
    no_args_is_help=True,
    help="Turn sequencing reads into a table of sequences and their expression.",
    epilog="**Example:** cisreg prepare merge-pairs R1.fastq.gz R2.fastq.gz --overlap 40 "
    "--output sequences.txt",
)
# One (function, example) for each command, in the order in which a run of sequencing uses them.
COMMANDS: tuple[tuple[object, str], ...] = (
    (merge_pairs.merge_pairs, merge_pairs.EXAMPLE),
    (collapse.collapse, collapse.EXAMPLE),
    (cluster.cluster, cluster.EXAMPLE),
    (translate.translate, translate.EXAMPLE),
    (expression.expression, expression.EXAMPLE),
    (activity.activity, activity.EXAMPLE),
)
for command, example in COMMANDS:
    app.command(cls=Command, epilog=f"**Example:** {example}")(command)  # type: ignore[type-var]
