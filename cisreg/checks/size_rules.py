"""Whether there are enough sequences for the recipes, and rows on both sides of the split."""

from __future__ import annotations

import math

import numpy as np

from cisreg.checks.findings import Finding, percent
from cisreg.checks.survey import Survey
from cisreg.data.folds import HELD_OUT, NEITHER
from cisreg.display import counted
from cisreg.limits import LONGEST_SEQUENCE
from cisreg.motifs import MotifSet
from cisreg.recipes.reading import RECIPES, read_recipe
from cisreg.recipes.recipe import Recipe

# Columns of a motif where no motifs are given.
_USUAL_COLUMNS = 10
# Fewer sequences than this for each motif, or fewer than this in all, tell little of a factor.
_FEWEST_FOR_MOTIF, _FEWEST = 10, 500


def check_split(survey: Survey) -> Finding:
    """Whether training can hold out rows as asked; the number is that of rows held out."""
    held_out, every = int(survey.rows_by_side[HELD_OUT]), int(survey.rows_by_side.sum())
    if survey.split_problem:
        return Finding(
            "split",
            "error",
            f"Training would refuse this split: {survey.split_problem}.",
            held_out,
            "--split-column with --fold, --group-column or --validation choose another.",
        )
    if not survey.rows_by_side[:NEITHER].all():
        return Finding(
            "split",
            "warning",
            f"Of {counted(every, 'row')}, those of one sequence or group would be alone on a side.",
            held_out,
            "--validation with another share, or --group-column with smaller groups.",
        )
    text = f"{held_out:,} of {counted(every, 'row')} ({percent(held_out, every)}) would be held out"
    unused = int(survey.rows_by_side[NEITHER])
    text += f", {unused:,} would not be used." if unused else "."
    return Finding("split", "ok", text, held_out)


def check_size(count: int, longest: int, motifs: MotifSet | None) -> Finding:
    """The number of sequences against the number of parameters that the recipes train.

    Args:
        count: number of rows.
        longest: bases of the longest sequence.
        motifs: the motifs that are to be trained; None: the numbers are said for one motif.
    """
    length = min(longest, LONGEST_SEQUENCE)
    motif_count = 1 if motifs is None else len(motifs)
    sizes: dict[str, int] = {}
    for name in RECIPES:
        try:
            sizes[name] = trained_parameters(read_recipe(name), length, motifs)
        except ValueError as error:
            return Finding(
                "size",
                "warning",
                f"{counted(count, 'row')} of {counted(length, 'base')}: the recipe {name} cannot "
                f"be used ({error}).",
                count,
                "--recipe quick, or another --position-knots.",
            )
    shown = ", ".join(f"{size:,} in the recipe {name}" for name, size in sizes.items())
    most = sizes[RECIPES[0]]
    if motifs is None:
        text = (
            f"{counted(count, 'row')}. A motif of {_USUAL_COLUMNS} columns has numbers to learn: "
            f"{shown}. With {counted(max(count // most, 1), 'motif')} there are as many of them as "
            "rows."
        )
    else:
        text = f"{counted(count, 'row')} for {counted(motif_count, 'motif')}, which have numbers "
        text += f"to learn: {shown}; {count / most:.2g} rows for each."
    if count < max(_FEWEST, _FEWEST_FOR_MOTIF * motif_count):
        return Finding(
            "size",
            "warning",
            text,
            count,
            "So few sequences tell little of each factor: fewer motifs, --recipe quick, and "
            "cisreg explain certainty afterwards.",
        )
    if motifs is not None and count < most:
        return Finding(
            "size",
            "note",
            text,
            count,
            "The penalties of the recipe decide what is learned of weak factors; cisreg explain "
            "certainty says of which.",
        )
    return Finding("size", "ok", text, count)


def trained_parameters(recipe: Recipe, length: int, motifs: MotifSet | None) -> int:
    """How many numbers a recipe trains; of the motifs, only those of the columns that train.

    Args:
        recipe: the recipe.
        length: bases of a sequence.
        motifs: the motifs; None: one motif of 10 columns.

    Example:
        >>> trained_parameters(read_recipe("quick"), 110, None)
        51
    """
    count = 1 if motifs is None else len(motifs)
    names = () if motifs is None else motifs.names
    if motifs is None:
        recipe = recipe.override(model={"pairs": ()})
    shapes = dict(recipe.spec(count, length, names).parameter_shapes)
    flank = recipe.motif_flank
    if flank is None:
        columns = recipe.motif_width * count
    elif motifs is None:
        columns = min(_USUAL_COLUMNS + 2 * flank, recipe.motif_width)
    else:
        columns = int(np.minimum(motifs.widths + 2 * flank, recipe.motif_width).sum())
    del shapes["log_kd"]
    scalars = 0 if motifs is not None else sum(shape == () for shape in shapes.values())
    return 4 * columns + sum(math.prod(shape) for shape in shapes.values()) - scalars
