"""Recipes: the settings of a training run, everything but data and motifs, in a TOML file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cisreg.lazy import names_at_first_use

if TYPE_CHECKING:
    from cisreg.recipes.cooperativity import AcceptedPairs, accept_pairs
    from cisreg.recipes.reading import RECIPES, read_recipe
    from cisreg.recipes.recipe import Recipe
    from cisreg.recipes.run import Training, train
    from cisreg.recipes.writing import format_recipe

_MODULES = {
    "cisreg.recipes.cooperativity": ("AcceptedPairs", "accept_pairs"),
    "cisreg.recipes.reading": (
        "RECIPES",
        "read_recipe",
    ),
    "cisreg.recipes.recipe": ("Recipe",),
    "cisreg.recipes.run": (
        "Training",
        "train",
    ),
    "cisreg.recipes.writing": ("format_recipe",),
}
__all__ = [
    "RECIPES",
    "AcceptedPairs",
    "Recipe",
    "Training",
    "accept_pairs",
    "format_recipe",
    "read_recipe",
    "train",
]

__getattr__ = names_at_first_use(__name__, _MODULES)


def __dir__() -> list[str]:
    return __all__
