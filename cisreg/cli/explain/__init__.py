"""cisreg explain: questions to a trained model."""

from __future__ import annotations

import typer

from cisreg.cli.commands import Command, CommandGroup
from cisreg.cli.explain import (
    ablate,
    certainty,
    contributions,
    design,
    diagnosis,
    dose,
    factors,
    marginalize,
    mutations,
    space,
    variants,
)

app = typer.Typer(
    name="explain",
    cls=CommandGroup,
    no_args_is_help=True,
    help="Ask a trained model: factors, contributions, mutations, variants, experiments, design.",
    epilog="**Example:** cisreg explain factors model",
)
# One (function, example) for each command.
COMMANDS: tuple[tuple[object, str], ...] = (
    (variants.variants, variants.EXAMPLE),
    (marginalize.marginalize, marginalize.EXAMPLE),
    (ablate.ablate, ablate.EXAMPLE),
    (space.space, space.EXAMPLE),
    (factors.factors, factors.EXAMPLE),
    (contributions.sequences, contributions.EXAMPLE),
    (mutations.mutations, mutations.EXAMPLE),
    (dose.dose, dose.EXAMPLE),
    (design.design, design.EXAMPLE),
    (diagnosis.diagnosis, diagnosis.EXAMPLE),
    (certainty.certainty, certainty.EXAMPLE),
)
for command, example in COMMANDS:
    app.command(cls=Command, epilog=f"**Example:** {example}")(command)  # type: ignore[type-var]
