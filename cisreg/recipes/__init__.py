"""Recipes: the settings of a training run, everything but data and motifs, in a TOML file."""

from cisreg.recipes.reading import RECIPES, read_recipe
from cisreg.recipes.recipe import Recipe
from cisreg.recipes.run import Training, train
from cisreg.recipes.writing import format_recipe

__all__ = ["RECIPES", "Recipe", "Training", "format_recipe", "read_recipe", "train"]


def __dir__() -> list[str]:
    return __all__
