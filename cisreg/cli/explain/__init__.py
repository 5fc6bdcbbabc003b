"""cisreg explain: questions to a trained model."""

from __future__ import annotations

import typer

from cisreg.cli.commands import Command, CommandGroup
from cisreg.cli.explain import (
    ablate,
    certainty,
    contributions,
    cooperativity,
    design,
    diagnosis,
    differences,
    dose,
    factors,
    marginalize,
    mutations,
    pairs,
    space,
    variants,
)

app = typer.Typer(
    name="explain",
    cls=CommandGroup,
    no_args_is_help=True,
    help="Ask a trained model: is it to be trusted, which factors matter, where, what mutations "
    "and variants do, experiments, design, how sure it is, and what differs between outputs.",
    epilog="**Example:** cisreg explain factors model",
)
# One (function, example) for each command.
COMMANDS: tuple[tuple[object, str], ...] = (
    (diagnosis.diagnosis, diagnosis.EXAMPLE),
    (factors.factors, factors.EXAMPLE),
    (contributions.sequences, contributions.EXAMPLE),
    (mutations.mutations, mutations.EXAMPLE),
    (pairs.pairs, pairs.EXAMPLE),
    (variants.variants, variants.EXAMPLE),
    (cooperativity.cooperativity, cooperativity.EXAMPLE),
    (dose.dose, dose.EXAMPLE),
    (marginalize.marginalize, marginalize.EXAMPLE),
    (ablate.ablate, ablate.EXAMPLE),
    (space.space, space.EXAMPLE),
    (design.design, design.EXAMPLE),
    (certainty.certainty, certainty.EXAMPLE),
    (differences.differences, differences.EXAMPLE),
)
for command, example in COMMANDS:
    app.command(cls=Command, epilog=f"**Example:** {example}")(command)  # type: ignore[type-var]
