"""The effects of all substitutions of one base, exact: only windows that a base touches change.

In models whose expression is linear in the binding, up to accessibility, the kernel of mutations
adds up the motifs itself. For others it gives the change of each motif's binding, which is read
out here. Where limits apply to single sites, sites exclude each other, or factors act in pairs,
every mutant is scanned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.read_out import (
    ModelScan,
    ReadOut,
    read_out,
    scan_arguments,
    scan_model,
    scan_of_sums,
    scan_weights,
    site_sums,
    strand_activity,
)
from cisreg.library import native_module
from cisreg.limits import thread_count
from cisreg.links import link_value, sigmoid
from cisreg.occupancy_checks import UNKNOWN
from cisreg.spec import ModelSpec, check_overflow

BASES = 4
# Numbers that a batch of mutants may take in one array.
_NUMBERS = 1 << 22


class Substitutions(NamedTuple):
    """Effects of the substitutions of N sequences; 0 for the base that is there.

    Attributes:
        reference: float64 [N], the expression of the sequences.
        effect: float64 [N, L, 4].
        by_factor: float32 [N, L, 4, M], the change of each factor's contribution to the score;
            None if it was not asked for.
        by_accessibility: float32 [N, L, 4], the change of what accessibility itself adds; like
            `by_factor`, with which it adds up to the change of the score: to `effect`, with the
            link "identity".
    """

    reference: np.ndarray
    effect: np.ndarray
    by_factor: np.ndarray | None = None
    by_accessibility: np.ndarray | None = None


def substitutions(
    model: AnyModel, codes: np.ndarray, *, by_factor: bool = False, threads: int | None = None
) -> Substitutions:
    """The effects of all substitutions of a batch of sequences.

    Args:
        model: a trained model.
        codes: uint8 [N, L], as `Model.encode` gives them.
        by_factor: also give the change of each factor's contribution.
        threads: how many threads compute; None: one for each core.

    Raises:
        OverflowError: the expression of a sequence or mutant is beyond float32.
    """
    if not by_factor and is_linear(model.spec):
        found = _linear(model, codes, threads)
        mutants = found.reference[:, np.newaxis, np.newaxis] + found.effect
        check_overflow("expression of mutants", mutants, model.parameters)
        return found
    length, motifs = model.spec.sequence_length, model.spec.motif_count
    rows = max(1, _NUMBERS // (length * BASES * 2 * motifs))
    parts = [
        _read_out_mutants(model, codes[begin : begin + rows], by_factor, threads)
        for begin in range(0, max(1, len(codes)), rows)
    ]
    joined = (
        None if arrays[0] is None else np.concatenate(arrays) for arrays in zip(*parts, strict=True)
    )
    return Substitutions(*joined)  # type: ignore[arg-type]


def is_linear(spec: ModelSpec) -> bool:
    """Whether, at given accessibility, expression is linear in the binding of each motif alone."""
    return spec.binding == "expected" and not spec.binding_limit and _of_sums(spec)


def _linear(model: AnyModel, codes: np.ndarray, threads: int | None) -> Substitutions:
    spec, parameters = model.spec, model.parameters
    activity = strand_activity(spec, parameters)
    opening = parameters["potentiation"] if spec.potentiation else np.zeros(spec.motif_count)
    signal_change, acting_change = _sums_changes(model, codes, opening, activity, threads)
    scan = scan_model(model, codes, threads=threads)
    before = read_out(model, scan)
    change = acting_change
    if spec.potentiation:
        acting = (scan.acting * activity.astype(np.float64)).sum(axis=(1, 2))
        direct = float(parameters["accessibility_activity"]) if spec.accessibility_activity else 0.0
        signal = parameters["potentiation_bias"] + scan.opening @ opening.astype(np.float64)
        after = sigmoid(signal[:, np.newaxis, np.newaxis] + signal_change)
        # Both terms are 0 where nothing changes.
        opened = after - sigmoid(signal)[:, np.newaxis, np.newaxis]
        change = after * acting_change + opened * (acting + direct)[:, np.newaxis, np.newaxis]
    if spec.link == "identity":
        return Substitutions(before.expression, change)
    expression, score = (
        each[:, np.newaxis, np.newaxis] for each in (before.expression, before.score)
    )
    effect = link_value(spec.link, parameters, score + change) - expression
    return Substitutions(before.expression, effect)


def _sums_changes(
    model: AnyModel,
    codes: np.ndarray,
    opening: np.ndarray,
    activity: np.ndarray,
    threads: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """The change of the sum that opens chromatin, and of that which acts, float64 [N, L, 4]."""
    by_strand = (2, model.spec.motif_count)
    factors = [np.broadcast_to(each, by_strand) for each in (opening, activity)]
    arguments = scan_arguments(model, codes) | {"threads": thread_count(threads)}
    sums, weights = native_module().mutation_sums, scan_weights(model)
    acting_weight = weights.get("position_weight")
    of_bound, of_acting = sums(
        bound_factor=factors[0],
        acting_factor=factors[1],
        position_weight=acting_weight,
        **arguments,
    )
    if "potentiation_position_weight" not in weights:
        return of_bound, of_acting
    weight = weights["potentiation_position_weight"]
    none = np.zeros_like(factors[0])
    _, of_bound = sums(
        bound_factor=none, acting_factor=factors[0], position_weight=weight, **arguments
    )
    return of_bound, of_acting


def _read_out_mutants(
    model: AnyModel, codes: np.ndarray, by_factor: bool, threads: int | None
) -> Substitutions:
    before = read_out(model, scan_model(model, codes, threads=threads))
    made = made_substitutions(codes)
    effect = np.zeros(made.shape)
    of_factors = of_access = None
    if by_factor:
        of_factors = np.zeros((*made.shape, model.spec.motif_count), np.float32)
        of_access = np.zeros(made.shape, np.float32)
    for chosen, after in _mutants(model, codes, made, threads):
        own = chosen[0]
        effect[chosen] = after.expression - before.expression[own]
        if of_factors is not None and of_access is not None:
            of_factors[chosen] = after.contribution - before.contribution[own]
            of_access[chosen] = after.direct - before.direct[own]
    return Substitutions(before.expression, effect, of_factors, of_access)


def made_substitutions(codes: np.ndarray) -> np.ndarray:
    """Which substitutions there are, bool [N, L, 4]: of known bases, by another one."""
    base = np.arange(BASES)
    return (codes[..., np.newaxis] != UNKNOWN) & (codes[..., np.newaxis] != base)


# The sequence, position and base of each of some substitutions.
_Chosen = tuple[np.ndarray, np.ndarray, np.ndarray]


def _mutants(
    model: AnyModel, codes: np.ndarray, made: np.ndarray, threads: int | None
) -> Iterator[tuple[_Chosen, ReadOut]]:
    """The read-outs of all mutants, in parts."""
    spec = model.spec
    sequence, position, base = np.nonzero(made)
    of_sums = _of_sums(spec)
    if of_sums:
        bound, weighted = site_sums(model, codes, threads)
        change, weighted_changes = _binding_changes(model, codes, threads)
    rows = _rows_at_once(spec)
    for begin in range(0, len(sequence), rows):
        part = slice(begin, begin + rows)
        chosen = sequence[part], position[part], base[part]
        if not of_sums:
            scan = _scan_mutants(model, codes, chosen, threads)
        else:
            changed = {
                name: weighted[name][chosen[0]] + each[chosen]
                for name, each in weighted_changes.items()
            }
            scan = scan_of_sums(spec, bound[chosen[0]] + change[chosen], changed)
        yield chosen, read_out(model, scan)


def _of_sums(spec: ModelSpec) -> bool:
    """Whether the change of each motif's sums is all that a mutation does."""
    return spec.fused and not spec.competition and not spec.pairs


def _rows_at_once(spec: ModelSpec) -> int:
    sites = 1 if _of_sums(spec) else spec.window_count
    return max(1, _NUMBERS // (2 * spec.motif_count * sites))


def _binding_changes(
    model: AnyModel, codes: np.ndarray, threads: int | None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The change of the sums of `site_sums` by each substitution, [N, L, 4, 2, M] each."""
    arguments = scan_arguments(model, codes) | {"threads": thread_count(threads)}
    changes, sets = native_module().mutation_changes, scan_weights(model)
    if not sets:
        return changes(**arguments)[0], {}
    found = {name: changes(position_weight=each, **arguments) for name, each in sets.items()}
    return next(iter(found.values()))[0], {name: each[1] for name, each in found.items()}


def _scan_mutants(
    model: AnyModel, codes: np.ndarray, chosen: _Chosen, threads: int | None
) -> ModelScan:
    sequence, position, base = chosen
    mutants = codes[sequence]
    mutants[np.arange(len(mutants)), position] = base
    return scan_model(model, mutants, threads=threads)


def expression_of(model: AnyModel, codes: np.ndarray, threads: int | None = None) -> np.ndarray:
    """The expression of many sequences, float64 [N], in bounded memory."""
    rows = _rows_at_once(model.spec)
    parts = [
        read_out(model, scan_model(model, codes[begin : begin + rows], threads=threads)).expression
        for begin in range(0, max(1, len(codes)), rows)
    ]
    return np.concatenate(parts)
