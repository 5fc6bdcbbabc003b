"""Constant ends of the sequences: given in the recipe, or found in the sequences."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cisreg.data.ends import ConstantEnds, describe_ends, find_constant_ends, share_with_end
from cisreg.recipes.recipe import Recipe

logger = logging.getLogger("cisreg.recipes")

SIDES = ("left", "right")
_LOWEST_SHARE = 0.5


def settle_ends(
    recipe: Recipe, codes: np.ndarray, trimmed: str | None = None
) -> tuple[Recipe, dict[str, Any]]:
    """The recipe with the length of each constant end, and a description to save with the model.

    If the recipe does not give an end, its length is found from the sequences. The log says what is
    used, and how to change it.

    Args:
        recipe: its model options may include constant_left, constant_right (a number of bases, or
            the bases) and constant_ends.
        codes: uint8 [N, L], a sample of the sequences.
        trimmed: side on which sequences were trimmed, or None. No end is searched on this side,
            since trimmed sequences have lost it.

    Returns:
        (the recipe; for each side the number of bases and, if known, the bases).

    Raises:
        ValueError: fewer than half of the sequences begin or end with the given bases.

    Example:
        >>> recipe, ends = settle_ends(read_recipe("quick"), codes)  # doctest: +SKIP
    """
    found = find_constant_ends(codes)
    how = recipe.model.get("constant_ends", "context")
    if trimmed is not None:
        _say_unknown(how, found, trimmed)
        found = found._replace(**{trimmed: None})
    if how == "keep":
        if found.left or found.right:
            logger.info("%s; they are kept as bases like any other", describe_ends(found))
        return recipe, {}
    asked = {side: recipe.model.get(f"constant_{side}") for side in SIDES}
    bases = {side: _bases(asked[side], found, codes, side) for side in SIDES}
    if any(bases.values()):
        _say(how, found, asked, bases)
    # An end that was neither given nor found stays unset: the recipe may be used for other data.
    named = {f"constant_{side}": bases[side] for side in SIDES if bases[side] or asked[side]}
    return replace(recipe, model={**recipe.model, **named}), {
        side: {"bases": bases[side], "sequence": _text(asked[side], found, bases[side], side)}
        for side in SIDES
        if bases[side]
    }


def _bases(asked: int | str | None, found: ConstantEnds, codes: np.ndarray, side: str) -> int:
    end = getattr(found, side)
    there = 0 if end is None else len(end.sequence)
    if asked is None:
        return there
    if isinstance(asked, int):
        return asked
    share = share_with_end(codes, asked.upper(), left=side == "left")
    if share < _LOWEST_SHARE:
        shown = f"nearly all have {end.sequence}" if end else "they differ there"
        raise ValueError(
            f"constant_{side}: expected bases that the sequences "
            f"{'begin' if side == 'left' else 'end'} with, got {asked}, which {share:.1%} do; "
            f"{shown}"
        )
    return len(asked)


def _say(how: str, found: ConstantEnds, asked: Mapping[str, Any], bases: Mapping[str, int]) -> None:
    what = {
        "context": "motifs may reach into them, and sites that lie wholly inside do not count",
        "trim": "they are trimmed",
    }[how]
    advice = ""
    if any(asked[side] is None and bases[side] for side in SIDES):
        advice = (
            "; they were found, not asked for: --constant-ends keep, in Python "
            'constant_ends="keep", takes them for bases like any other'
        )
    logger.info(
        "constant ends of %d and %d bases: %s (%s)%s",
        *(bases["left"], bases["right"], what, describe_ends(found), advice),
    )
    for side in SIDES:
        end = getattr(found, side)
        if end is not None and asked[side] is not None and bases[side] > len(end.sequence):
            logger.warning(
                "constant_%s is %d bases, of which the sequences share %d only: the others vary, "
                "and sites there do not count",
                *(side, bases[side], len(end.sequence)),
            )


def _say_unknown(how: str, found: ConstantEnds, trimmed: str) -> None:
    """Warns if the end is constant on the side on which sequences were trimmed."""
    end = getattr(found, trimmed)
    if end is not None and how != "keep":
        logger.warning(
            "%s, but longer sequences are trimmed there: sites in these bases count, and a motif "
            "that matches them is bound alike in every sequence; leave --length out, or give a "
            "larger one",
            describe_ends(found._replace(**{side: None for side in SIDES if side != trimmed})),
        )


def _text(asked: int | str | None, found: ConstantEnds, bases: int, side: str) -> str | None:
    """The bases of an end, or None if they are not known."""
    if isinstance(asked, str):
        return asked.upper()
    end = getattr(found, side)
    if end is None or len(end.sequence) < bases:
        return None
    return end.sequence[:bases] if side == "left" else end.sequence[-bases:]
