"""From the options of a command that trains to the arguments of `cisreg.train`."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from cisreg.cli import options
from cisreg.cli.train_options import TrainingOptions
from cisreg.cli.train_start import (
    asked_pairs,
    carried_over,
    check_concentrations,
    check_layers,
    check_names,
    choose_motifs,
    initial_concentrations,
    initial_values,
    load_earlier,
)
from cisreg.cli.train_validation import (
    asked_split,
    check_split_seed,
    chosen_validation,
    validation_share,
)
from cisreg.number_text import is_integer, parse_integer

if TYPE_CHECKING:
    from cisreg.data import Dataset, DatasetFiles
    from cisreg.losses import Noise
    from cisreg.motifs import MotifSet
    from cisreg.recipes import Recipe
    from cisreg.spec import ModelSpec
    from cisreg.training.step import Loss

logger = logging.getLogger("cisreg.cli")

_LAYERS = (
    "potentiation",
    "positional",
    "positional_potentiation",
    "competition",
    "nucleosome",
    "link",
    "stranded",
    "binding",
    "accessibility_activity",
    "binding_limit",
    "position_knots",
    "padding",
    "constant_left",
    "constant_right",
    "constant_ends",
    "pair_distance",
    "pair_knots",
)
_PENALTIES = (
    "activity_l1",
    "potentiation_l1",
    "motif_l2",
    "motif_pull",
    "position_smoothness",
    "pair_l1",
    "pair_smoothness",
    "difference_l1",
)
# Options that name files.
_READ = (
    *("table", "recipe", "concentrations", "start", "measurements", "validation", "likelihood"),
    *("initial_activity", "initial_potentiation", "initial_binding_limit"),
)
_OTHERS = ("epochs", "patience", "motif_width", "motif_flank", "precision")
# Options that `cisreg.train` has, too.
_PASSED = (
    *("seed", "cache", "implementation", "checkpoint_every", "checkpoint_minutes"),
    *("keep_checkpoints", "tensorboard", "report_every"),
)


class TrainingPlan(NamedTuple):
    """What is trained.

    Attributes:
        data: the rows; those of Parquet files are not read yet.
        motifs: where they start.
        recipe: layers, penalties and stages.
        extra: the column that was asked for in addition, by name or position.
        arguments: the further arguments of `cisreg.train`.
    """

    data: Dataset | DatasetFiles
    motifs: MotifSet
    recipe: Recipe
    extra: str | int | None
    arguments: dict[str, Any]


def check_options(context: typer.Context, given: TrainingOptions) -> None:
    """Refuses options that contradict each other, and those without motifs.

    Raises:
        typer.BadParameter: these.
    """
    if given.motifs is None and given.start is None and not given.random_motifs:
        raise typer.BadParameter(
            "expected motifs to train: --motifs, --random-motifs or the --start of a model",
            ctx=context,
        )
    if given.likelihood is not None and given.loss is not None:
        raise typer.BadParameter(
            "expected one of --loss and --likelihood, which is a loss too", ctx=context
        )
    if given.exposure_column is not None and not given.expression_column:
        raise typer.BadParameter(
            "--exposure-column: expected --expression-column with the counts that are relative to "
            "it as well",
            ctx=context,
        )
    if given.outputs and given.expression_column:
        raise typer.BadParameter(
            "expected --outputs, columns of several outputs, or --expression-column, columns of "
            "one, got both",
            ctx=context,
        )
    asked_split(vars(given))


def files_read(given: TrainingOptions) -> list[str | Path | None]:
    """Files and folders that are read, by the options."""
    return [options.motif_source(given.motifs), *(getattr(given, name) for name in _READ)]


def make_plan(given: TrainingOptions, recipe: str, extra: str | None = None) -> TrainingPlan:
    """Reads what the options name.

    Args:
        given: the options, with a table.
        recipe: name or file of the recipe, which the options override.
        extra: a column to read in addition.

    Raises:
        ValueError, OSError: what cannot be read, or does not fit together.
    """
    from cisreg.recipes.run import check_tensorboard

    check_tensorboard(given.tensorboard)
    chosen = _recipe(recipe, given)
    check_split_seed(vars(given), chosen.validation)
    earlier = load_earlier(given.start)
    motif_set, random_count = choose_motifs(
        given.motifs, given.random_motifs, chosen.motif_width, earlier, given.seed
    )
    check_names(earlier, motif_set)
    if given.pair:
        pairs = asked_pairs(given.pair, motif_set.names)
        chosen = chosen.override(model={"pairs": pairs})
    _refuse_columns_beside_outputs(chosen, given)
    # Whatever needs no sequences is read before they are.
    loss = _table_loss(given.likelihood)
    check_concentrations(given.concentrations, motif_set, random_count)
    start = initial_values(
        *(given.initial_activity, given.initial_potentiation, given.initial_binding_limit),
        *(motif_set, random_count),
    )
    files, open_alike = _open_table(given, chosen, extra)
    if chosen.outputs:
        chosen = chosen.override(outputs=files.expression_names)
    # Text is read into memory, where its length is known from it then.
    data = files if files.has_groups or given.length is not None else files.load()
    length = files.length
    spec = chosen.spec(len(motif_set), length, motif_set.names)
    _warn_of_idle_penalties(given, spec)
    check_layers(start, spec.parameter_shapes)
    arguments = {
        "log_concentration": initial_concentrations(
            given.concentrations, motif_set, random_count, length
        ),
        "start": start | carried_over(earlier, spec, chosen.outputs),
        "loss": loss,
        "validation": chosen_validation(
            *(vars(given), chosen.validation, files),
            functools.partial(open_alike, length=length),
        ),
        **{name: getattr(given, name) for name in _PASSED},
    }
    added = files.extra_names[0] if extra is not None else None
    return TrainingPlan(data, motif_set, chosen, added, arguments)


def _refuse_columns_beside_outputs(chosen: Recipe, given: TrainingOptions) -> None:
    if chosen.outputs and given.expression_column:
        raise ValueError(
            f"--expression-column: expected none beside the outputs {', '.join(chosen.outputs)} of "
            "the recipe, which are columns of their own, got "
            f"{', '.join(given.expression_column)}; give --outputs, or leave outputs and differ "
            "out of the recipe"
        )


def _open_table(
    given: TrainingOptions, chosen: Recipe, extra: str | None
) -> tuple[DatasetFiles, Callable[..., DatasetFiles]]:
    """The table, and what opens another one in the same way, given its path and a length."""
    assert given.table is not None
    # The columns of outputs are in the recipe, by name or number, until the table is open.
    measured = list(chosen.outputs) or _measured(given)
    columns = options.asked_columns(
        *(given.sequence_column, measured, given.weight_column, given.name_column)
    )
    if chosen.loss is not None:
        columns["counted"] = chosen.loss.counted
    split_by = asked_split(vars(given))
    further = dict.fromkeys(options.column(each) for each in (extra, split_by) if each is not None)
    how: dict[str, Any] = {
        "measurements": given.measurements,
        "decimal_comma": given.decimal_comma,
        "side": given.side,
        "strict": given.strict,
        "partly_measured": True,
    }
    files = options.open_files(
        given.table,
        columns | ({"extra": tuple(further)} if further else {}),
        length=given.length,
        lanes=given.lanes,
        **how,
    )
    return files, functools.partial(options.open_files, asked=columns, **how)


def _warn_of_idle_penalties(given: TrainingOptions, spec: ModelSpec) -> None:
    """Says which penalties were asked for on parameters that the model does not have."""
    from cisreg.spec import OF_FACTORS

    there = {
        "potentiation_l1": spec.potentiation,
        "position_smoothness": spec.positional or spec.positional_potentiation,
        "pair_l1": spec.pairs,
        "pair_smoothness": spec.pairs,
        "difference_l1": set(spec.differ) & set(OF_FACTORS),
    }
    for name, penalized in there.items():
        if getattr(given, name) and not penalized:
            logger.warning(
                "--%s: the model has no parameters for this penalty, which changes nothing",
                name.replace("_", "-"),
            )


def _recipe(source: str, given: TrainingOptions) -> Recipe:
    """The recipe, with the values that were given as options; the names are the same in both."""
    from cisreg.recipes import read_recipe

    values = vars(given)
    model = {name: values[name] for name in _LAYERS if values[name] is not None}
    for name in ("constant_left", "constant_right"):
        if name in model and is_integer(model[name]):
            model[name] = parse_integer(model[name])
    if given.differ:
        model["differ"] = _differ(given.differ)
    recipe = read_recipe(source)
    # Not by override, which leaves what is None unchanged: that is the squared error.
    return replace(recipe, loss=_noise(recipe.loss, given)).override(
        model=model,
        penalty={name: values[name] for name in _PENALTIES if values[name] is not None},
        validation=validation_share(given.validation),
        outputs=tuple(given.outputs or ()) or None,
        **{name: values[name] for name in _OTHERS},
    )


def _differ(names: Sequence[str]) -> list[str]:
    """The parameters that --differ names."""
    from cisreg.spec import DIFFERING

    names = [] if list(names) == ["nothing"] else list(names)
    unknown = [name for name in names if name not in DIFFERING]
    if unknown:
        raise ValueError(
            f"--differ: expected nothing alone, or among {', '.join(DIFFERING)}, got "
            f"{', '.join(unknown)}"
        )
    return names


def _measured(given: TrainingOptions) -> list[str] | None:
    """The columns of measurements; that of the exposure comes first."""
    if given.exposure_column is None or given.expression_column is None:
        return given.expression_column
    return [given.exposure_column, *given.expression_column]


def _noise(own: Noise | None, given: TrainingOptions) -> Noise | None:
    """The noise model of a recipe, with what was given as options."""
    from cisreg.losses import Poisson
    from cisreg.recipes.reading import loss_of

    chosen = own
    if given.loss is not None and (own is None or own.name != given.loss):
        chosen = loss_of({"name": given.loss})
    if given.exposure_column is None:
        return chosen
    if not isinstance(chosen, Poisson):
        raise ValueError(
            "--exposure-column: expected --loss poisson or negative_binomial, got "
            f"{'squared_error' if chosen is None else chosen.name}"
        )
    return replace(chosen, exposure=True)


def _table_loss(table: Path | None) -> Loss | None:
    from cisreg.losses import negative_log_likelihood, read_mean_standard_deviation

    if table is None:
        return None
    return functools.partial(negative_log_likelihood, table=read_mean_standard_deviation(table))
