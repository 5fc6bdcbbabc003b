"""Initial values of `cisreg train`: motifs, concentrations, parameters of an earlier model."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cisreg.cli import options
from cisreg.number_text import LARGEST_FLOAT32, is_float, parse_float

if TYPE_CHECKING:
    from cisreg.motifs import MotifSet
    from cisreg.spec import ModelSpec

logger = logging.getLogger("cisreg.cli")

# Initial value of random motifs, which a file of values does not name. Not 0: if activity and
# potentiation were both 0, their motifs would have no gradient.
_SMALL = 0.01


class Earlier(NamedTuple):
    """The model that `--start` names.

    Attributes:
        parameters: float32 arrays by name.
        motifs: the motifs with their names and own columns; None for files of CisRegModels, which
            contain neither.
        spec: its layers; None for files of CisRegModels.
        outputs: the names of its outputs; () for a model of one.
    """

    parameters: Mapping[str, np.ndarray]
    motifs: MotifSet | None
    spec: ModelSpec | None = None
    outputs: tuple[str, ...] = ()


def load_earlier(source: str | None) -> Earlier | None:
    """The parameters that `--start` names: a model of cisreg, or files of CisRegModels."""
    from cisreg.legacy import read_parameters
    from cisreg.storage import load_model

    if source is None:
        return None
    if (Path(source) / "model.json").exists():
        model = load_model(source)
        return Earlier(model.parameters, model.motifs, model.spec, model.output_names)
    return Earlier(read_parameters(source).arrays, None)


def choose_motifs(
    motifs: str | None, random_count: int, width: int, earlier: Earlier | None, seed: int
) -> tuple[MotifSet, int]:
    """The motifs to train, and the number of random ones among them, which come last."""
    from cisreg.motifs import random_motifs

    known = None
    if motifs is not None:
        known = options.load_motifs(motifs, width)
    elif earlier is not None and "log_kd" in earlier.parameters and not random_count:
        known = _motifs_of(earlier, width)
    if random_count:
        names = () if known is None else known.names
        drawn = random_motifs(random_count, width=width, seed=seed, known=names)
        return (drawn if known is None else known.append(drawn)), random_count
    if known is None:
        raise ValueError(
            "--motifs: expected motifs to train, got none; give --motifs, --random-motifs or the "
            "--start of a model that has some"
        )
    return known, 0


def check_names(earlier: Earlier | None, motif_set: MotifSet) -> None:
    """Raises ValueError if the motifs of the earlier model differ in names or order."""
    if earlier is None or earlier.motifs is None or earlier.motifs.names == motif_set.names:
        return
    names = earlier.motifs.names
    if len(names) != len(motif_set):
        raise ValueError(f"--start: expected {len(motif_set)} motifs, got a model of {len(names)}")
    place = next(index for index, name in enumerate(names) if name != motif_set.names[index])
    raise ValueError(
        f"--start: expected a model of the same motifs in the same order, got {names[place]} "
        f"as number {place + 1}, which is {motif_set.names[place]} here; leave --motifs out to use "
        "those of the model"
    )


def _motifs_of(earlier: Earlier, width: int) -> MotifSet:
    from cisreg.motifs import MotifSet

    log_kd = earlier.parameters["log_kd"]
    own_width, _, count = log_kd.shape
    if own_width != width:
        raise ValueError(
            f"--start: expected motifs of {width} columns, as the recipe has them, got "
            f"{own_width}; give --motif-width {own_width}"
        )
    if earlier.motifs is not None:
        return earlier.motifs
    names = tuple(f"motif_{index}" for index in range(count))
    return MotifSet(names, log_kd, np.zeros(count, int), np.full(count, width))


def initial_concentrations(
    path: Path | None, motif_set: MotifSet, random_count: int, length: int
) -> np.ndarray:
    """Log concentrations, nats [M]: from a file, or such that strongest sites are half bound.

    The strongest site of a random motif rarely occurs in any sequence. Random motifs start at a
    concentration where about one site per sequence is half bound.
    """
    from cisreg.motifs import read_log_concentration, strongest_site_log_concentration
    from cisreg.scan import p_value_threshold

    known = len(motif_set) - random_count
    usual = strongest_site_log_concentration(motif_set)
    names = motif_set.names[known:]
    if random_count:
        one_site = p_value_threshold(motif_set[names], 0.5 / length)
        usual[known:] = np.maximum(one_site, usual[known:])
    if path is None:
        return usual
    default = dict(zip(names, usual[known:].tolist(), strict=True))
    return read_log_concentration(path, motif_set.names, default=default)


def check_concentrations(path: Path | None, motif_set: MotifSet, random_count: int) -> None:
    """Refuses a file of concentrations that cannot be read, before the data are."""
    from cisreg.motifs import read_log_concentration

    if path is not None:
        drawn = motif_set.names[len(motif_set) - random_count :]
        read_log_concentration(path, motif_set.names, default=dict.fromkeys(drawn, 0.0))


def initial_values(
    activity: str | None,
    potentiation: str | None,
    binding_limit: str | None,
    motif_set: MotifSet,
    random_count: int,
) -> dict[str, np.ndarray]:
    """Float32 [M] by parameter name, from a number for all motifs or a file with one for each.

    Args:
        activity: a number or a file; None: not given.
        potentiation: a number or a file; None: not given.
        binding_limit: a number or a file; None: not given.
        motif_set: the motifs.
        random_count: number of random motifs, which come last.
    """
    values = {
        name: _values(name, source, motif_set, random_count)
        for name, source in (
            ("activity", activity),
            ("potentiation", potentiation),
            ("binding_limit", binding_limit),
        )
        if source is not None
    }
    if "binding_limit" in values:
        limit = values.pop("binding_limit")
        if not (limit > 0).all():
            raise ValueError(
                f"--initial-binding-limit: expected numbers above 0, got {limit.min():g}"
            )
        values["log_binding_limit"] = np.log(limit)
    return values


def check_layers(values: Collection[str], names: Collection[str]) -> None:
    """Refuses initial values of layers that the model has not.

    Args:
        values: parameters that have initial values.
        names: of the model's parameters.
    """
    for name in values:
        if name not in names:
            option = name.removeprefix("log_").replace("_", "-")
            raise ValueError(
                f"--initial-{option}: expected a model with this layer, got one without; give "
                f"--{option} too, or leave --initial-{option} out"
            )


def _values(name: str, source: str, motif_set: MotifSet, random_count: int) -> np.ndarray:
    from cisreg.motifs import read_motif_values

    if is_float(source):
        try:
            number = parse_float(source, largest=LARGEST_FLOAT32)
        except ValueError as error:
            raise ValueError(f"--initial-{name.replace('_', '-')}: {error}") from None
        return np.full(len(motif_set), number, np.float32)
    if not Path(source).exists():
        raise FileNotFoundError(
            f"--initial-{name.replace('_', '-')}: expected a finite number or a file, got "
            f"{source}, which does not exist"
        )
    drawn = motif_set.names[len(motif_set) - random_count :]
    return read_motif_values(
        source, motif_set.names, name.replace("_", " "), default=dict.fromkeys(drawn, _SMALL)
    )


def carried_over(
    earlier: Earlier | None, spec: ModelSpec, outputs: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """The parameters of the earlier model that the new one has, too.

    Pairs of factors that only the new one has begin at 0, as its others do. Outputs are the same
    by their names, in any order.

    Args:
        earlier: from `load_earlier`.
        spec: the new model.
        outputs: names of its outputs; () for a model of one.

    Raises:
        ValueError: parameters of other outputs than the new model has.
    """
    from cisreg.display import counted
    from cisreg.pairs import carried_pairs

    if earlier is None:
        return {}
    earlier = earlier._replace(parameters=_by_output(earlier, outputs))
    if earlier.spec is not None and earlier.spec.competition != spec.competition:
        logger.warning(
            "--start: sites exclude each other in only one of the earlier and the new model; "
            "concentrations that were fitted to one law do not fit the other"
        )
    names = spec.parameter_shapes
    lost = sorted(set(earlier.parameters) - set(names))
    if lost:
        logger.warning(
            "--start: the new model has no %s, which the earlier one has", ", ".join(lost)
        )
    carried = {name: value for name, value in earlier.parameters.items() if name in names}
    if "pair_effect" in carried and earlier.spec is not None:
        carried["pair_effect"] = carried_pairs(earlier.spec, carried["pair_effect"], spec)
        gone = {frozenset(pair) for pair in earlier.spec.pairs} - set(map(frozenset, spec.pairs))
        if gone:
            logger.warning(
                "--start: the new model lacks %s of factors of the earlier one",
                counted(len(gone), "pair"),
            )
    return carried


def _by_output(earlier: Earlier, outputs: Sequence[str]) -> Mapping[str, np.ndarray]:
    """The parameters, those that differ between outputs in the order of the new model's outputs."""
    differ = () if earlier.spec is None else earlier.spec.differ
    if not differ:
        return earlier.parameters
    if set(outputs) != set(earlier.outputs):
        raise ValueError(
            f"--start: expected a model whose outputs are those that are trained "
            f"({', '.join(outputs) or 'one'}), or in which nothing differs between them, got one "
            f"of {', '.join(earlier.outputs)} that differ in {', '.join(differ)}"
        )
    order = [earlier.outputs.index(name) for name in outputs]
    return {
        name: value[order] if name in differ else value
        for name, value in earlier.parameters.items()
    }


def asked_pairs(texts: Sequence[str], names: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs that `--pair` names as A:B; names may have colons themselves.

    Raises:
        ValueError: no pair of motifs, or two that the text may mean.
    """
    pairs, known = [], set(names)
    for text in texts:
        parts = text.split(":")
        cut = [(":".join(parts[:at]), ":".join(parts[at:])) for at in range(1, len(parts))]
        found = [(a, b) for a, b in cut if a in known and b in known]
        if len(found) == 1:
            pairs += found
            continue
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        what = " or ".join(f"{a} with {b}" for a, b in found) or "no two of them"
        raise ValueError(
            f"--pair: expected two names of motifs ({shown}) with a colon between them, got "
            f"{text!r}, which is {what}; name pairs in the recipe if this is not clear"
        )
    return pairs
