"""Reads recipes from TOML."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from cisreg.limits import read_description
from cisreg.losses import Noise, Penalty
from cisreg.losses.named import NOISES, noise_from_dict
from cisreg.recipes.checking import check_types, check_value
from cisreg.recipes.recipe import VARIANT_OPTIONS, Recipe, check_keys
from cisreg.spec import ModelSpec
from cisreg.strict_toml import parse_toml
from cisreg.training.schedules import Constant, CosineWarmup, ExponentialDecay, TriangularCycle
from cisreg.training.stages import Stage

RECIPES = ("default", "quick", "best")
SCHEDULES: dict[str, Any] = {
    "constant": Constant,
    "exponential_decay": ExponentialDecay,
    "triangular_cycle": TriangularCycle,
    "cosine_warmup": CosineWarmup,
}

_FOLDER = Path(__file__).parent
# The name of the loss without a noise model.
SQUARED_ERROR = "squared_error"
LOSSES = (SQUARED_ERROR, *NOISES)
_TOP = (
    *("validation", "precision", "standardize", "outputs", "motifs", "model", "loss", "penalty"),
    *("stage", "variant"),
)


def read_recipe(source: str | os.PathLike[str]) -> Recipe:
    """Reads a recipe.

    Args:
        source: the name of a recipe that comes with cisreg ("default", "quick" or "best"), or the
            path of a TOML file. Its keys are `validation`, `precision`, `standardize` and
            `outputs` (the columns of several outputs); the tables `[motifs]` (width, flank),
            `[model]` (options of `cisreg.model.ModelSpec`), `[loss]` (its name, and what is given
            of a noise model of `cisreg.losses`) and `[penalty]` (fields of
            `cisreg.losses.Penalty`); and one `[[stage]]` for each stage (fields of
            `cisreg.training.Stage`; a schedule is a table with its name and its own fields, and a
            stage may have its own penalty). The members of an ensemble take turns in
            `[[variant]]`, options of `[model]` that replace those there.

    Returns:
        A Recipe.

    Raises:
        FileNotFoundError: `source` is not the name of a recipe, and there is no such file.
        ValueError: the file is not TOML, a key is unknown, or a value has the wrong type or is out
            of range; the message names file, table and key.
        TypeError: `source` is neither text nor a path.

    Example:
        >>> len(read_recipe("quick").stages)
        2
    """
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(
            f"recipe: expected {', '.join(RECIPES)}, the path of a TOML file or a Recipe, got "
            f"{source!r:.80}; change single options with read_recipe(...).override(...)"
        )
    path = _FOLDER / f"{source}.toml" if source in RECIPES else Path(source)
    try:
        with path.open("rb") as file:
            content = read_description(file, path)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path}: expected {', '.join(RECIPES)} or the path of a recipe, found no such file"
        ) from None
    try:
        return _recipe(parse_toml(content.decode()))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: {error}") from None


def _recipe(content: Mapping[str, Any]) -> Recipe:
    check_keys("recipe", content, _TOP)
    motifs = content.get("motifs", {})
    check_types("motifs", motifs, {"width": int, "flank": int})
    model = content.get("model", {})
    # Ends are numbers or text, and pairs have names; the recipe checks them.
    checked_there = {"constant_left": object, "constant_right": object, "pairs": object}
    hints = {**get_type_hints(ModelSpec), **checked_there}
    check_types("model", model, hints)
    check_value("validation", content.get("validation", Recipe.validation), float)
    check_value("precision", content.get("precision", Recipe.precision), str)
    check_value("standardize", content.get("standardize", Recipe.standardize), bool)
    check_value("outputs", content.get("outputs", []), tuple)
    stages = content.get("stage", [])
    check_value("stage", stages, list)
    variants = content.get("variant", [])
    check_value("variant", variants, list)
    for number, table in enumerate(variants, start=1):
        check_types(f"variant {number}", table, {name: hints[name] for name in VARIANT_OPTIONS})
    return Recipe(
        stages=tuple(
            _stage(table, f"stage {number}") for number, table in enumerate(stages, start=1)
        ),
        model=model,
        motif_width=motifs.get("width", Recipe.motif_width),
        motif_flank=motifs.get("flank"),
        validation=content.get("validation", Recipe.validation),
        penalty=_penalty(content.get("penalty", {}), "penalty"),
        loss=loss_of(content.get("loss", {"name": SQUARED_ERROR})),
        precision=content.get("precision", Recipe.precision),
        standardize=content.get("standardize", Recipe.standardize),
        outputs=tuple(content.get("outputs", ())),
        variants=tuple(variants),
    )


def loss_of(table: Any) -> Noise | None:
    """The noise model of a table with its name and numbers; None for the squared error.

    Raises:
        ValueError: another name, an unknown key, or a value of another type or out of range.

    Example:
        >>> loss_of({"name": "huber"})
        Huber(scale=None, threshold=1.345)
    """
    if isinstance(table, Mapping) and table.get("name") not in NOISES:
        if dict(table) == {"name": SQUARED_ERROR}:
            return None
        raise ValueError(f"loss: expected a name among {', '.join(LOSSES)}, got {dict(table)!r}")
    return noise_from_dict(table)


def _penalty(table: Mapping[str, Any], place: str) -> Penalty:
    check_types(place, table, get_type_hints(Penalty))
    return Penalty(**table)


def _stage(table: Mapping[str, Any], place: str) -> Stage:
    check_types(place, table, get_type_hints(Stage))
    missing = {"trainable", "epochs"} - set(table)
    if missing:
        raise ValueError(f"{place}: expected {', '.join(sorted(missing))}, got none")
    options = dict(table)
    if "schedule" in options:
        options["schedule"] = _schedule(options["schedule"], place)
    if "penalty" in options:
        options["penalty"] = _penalty(options["penalty"], f"{place}, penalty")
    try:
        return Stage(**options)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{place}: {error}") from None


def _schedule(table: Any, place: str) -> Any:
    name = table.get("name") if isinstance(table, Mapping) else table
    if not isinstance(table, Mapping) or name not in SCHEDULES:
        raise ValueError(
            f'{place}: expected a schedule such as {{ name = "cosine_warmup" }}, its name one of '
            f"{', '.join(SCHEDULES)}, got {table!r}"
        )
    options = {key: value for key, value in table.items() if key != "name"}
    schedule = SCHEDULES[name]
    check_types(f"{place}, schedule", options, get_type_hints(schedule))
    return schedule(**options)
