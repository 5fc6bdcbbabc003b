"""Validation data of `cisreg train`: a share, groups, folds, or a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import typer

from cisreg.number_text import is_float, parse_float

if TYPE_CHECKING:
    from cisreg.data import DatasetFiles, HoldOut


def validation_share(validation: str | None) -> float | None:
    """The share given by --validation; None if it is a file or was not given."""
    if validation is None or not is_float(validation):
        return None
    try:
        return parse_float(validation)
    except ValueError as error:
        raise ValueError(f"--validation: {error}") from None


def validation_file(validation: str | None) -> str | None:
    """The file that --validation names; None if it is a share, or was not given."""
    return None if validation_share(validation) is not None else validation


def asked_split(given: Mapping[str, Any]) -> str | None:
    """The column given by --split-column or --group-column, or None.

    Raises:
        typer.BadParameter: options contradict each other.
    """
    by_fold, by_group = given["split_column"], given["group_column"]
    if given["fold"] is not None and by_fold is None:
        raise typer.BadParameter("--fold is a value of --split-column: give --split-column too")
    if by_fold is not None and by_group is not None:
        raise typer.BadParameter("expected --split-column or --group-column, got both")
    if by_fold is not None and given["validation"] is not None:
        raise typer.BadParameter(
            "expected --validation or --split-column, got both; each determines what is held out"
        )
    is_file = given["validation"] is not None and validation_share(given["validation"]) is None
    if by_group is not None and is_file:
        raise typer.BadParameter("expected a file for --validation or --group-column, got both")
    return by_group if by_fold is None else by_fold


def check_split_seed(given: Mapping[str, Any], share: float) -> None:
    """Refuses --split-seed where no seed chooses rows.

    Args:
        given: the options of the command.
        share: the share of the recipe, or of --validation if given.

    Raises:
        typer.BadParameter: another option or the recipe says what is held out.
    """
    if given["split_seed"] is None:
        return
    if given["split_column"] is not None or validation_file(given["validation"]) is not None:
        raise typer.BadParameter(
            "expected no --split-seed beside --split-column or a file for --validation, which say "
            "what is held out"
        )
    if not share:
        raise typer.BadParameter(
            "--split-seed: expected a share to hold out, got 0; give --validation 0.1 too"
        )


def chosen_validation(
    given: Mapping[str, Any],
    share: float,
    files: DatasetFiles,
    open_like: Callable[[str], DatasetFiles],
) -> HoldOut | DatasetFiles | None:
    """The validation data; None: the share of the recipe.

    Args:
        given: the options of the command.
        share: the share of the recipe, or of --validation if given.
        files: the training table, opened with the split or group column as last extra column.
        open_like: opens another file in the same way.
    """
    from cisreg.data import HoldOut

    if asked_split(given) is None:
        path = given["validation"]
        if path is None or validation_share(path) is not None:
            seed = given["split_seed"]
            return None if seed is None else HoldOut(share, seed=seed)
        try:
            return open_like(path)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"--validation: expected a share or a file: {error}") from None
    name = files.extra_names[-1]
    if given["group_column"] is None:
        return HoldOut(folds=name, fold=given["fold"])
    if not share:
        raise typer.BadParameter("expected a --validation share above 0 with --group-column")
    return HoldOut(share, groups=name, seed=given["split_seed"])
