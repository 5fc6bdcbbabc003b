"""From the binding of motifs to expression, in NumPy float64: the base of all questions to a model.

The law is that of `cisreg.model.predict`. The scan comes from the fused kernels, in float32; what
follows is small, and is computed here in float64 without TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.exclusive_sites import exclusive_site_occupancy
from cisreg.links import link_value, sigmoid
from cisreg.numpy import exclusive_occupancy, occupancy
from cisreg.occupancy_checks import UNKNOWN
from cisreg.outputs import check_one_output
from cisreg.pairs import by_strands, pair_motifs, pair_sums
from cisreg.spec import (
    NUCLEOSOME_WIDTH,
    ModelSpec,
    check_finite,
    check_overflow,
    scanned_weights,
)
from cisreg.spline import spline_basis


class ModelScan(NamedTuple):
    """The binding of a model's motifs to N sequences, where all chromatin is accessible.

    Attributes:
        opening: float64 [N, M], the binding that acts on accessibility: the expected number of
            bound sites on both strands, or the probability that any site is bound; with positional
            potentiation, the expected number weighted by position.
        acting: float64 [N, S, M], the binding that acts on expression, weighted by position in a
            positional model. S is 2, the strands, or 1 where a probability is that of both strands.
        site: float32 [N, 2, P, M], the occupancy of every single site, for models with position
            weights and binding limits, whose limits apply to each site; None for all others.
        unweighted: float64 [N, M], where positional potentiation weighs `opening`, what that would
            be without weights; None for all others.
        paired: float64 [N, 2, 2, Q, K], what the knots of pairs of factors are multiplied by
            (`cisreg.pairs.pair_sums`); None for models without pairs.
    """

    opening: np.ndarray
    acting: np.ndarray
    site: np.ndarray | None = None
    unweighted: np.ndarray | None = None
    paired: np.ndarray | None = None

    @property
    def binding(self) -> np.ndarray:
        """The binding of each factor without position weights, float64 [N, M]."""
        return self.opening if self.unweighted is None else self.unweighted

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> ModelScan:
        """The scan with all of its arrays changed by a function."""
        others = (None if each is None else change(each) for each in self[2:])
        return ModelScan(change(self.opening), change(self.acting), *others)

    def scaled(self, spec: ModelSpec, share: np.ndarray) -> ModelScan:
        """The scan with the binding of each factor multiplied by its share, [M]."""
        made = self._replace(paired=None).changed(lambda each: each * share)
        if self.paired is None:
            return made
        together = share[np.array(spec.pairs)].prod(axis=1)
        return made._replace(paired=self.paired * together[:, np.newaxis])


class ReadOut(NamedTuple):
    """What a model makes of the binding; score = bias + contribution + direct, summed.

    Attributes:
        expression: float64 [N], as `cisreg.model.predict` gives it in float32: the link of the
            score.
        accessibility: float64 [N], between 0 and 1; 1 without the potentiation layer.
        contribution: float64 [N, M], what each motif adds to the score at this accessibility.
        direct: float64 [N], the effect of accessibility itself on the score; 0 without that layer.
        score: float64 [N], equal to expression with the link "identity".
    """

    expression: np.ndarray
    accessibility: np.ndarray
    contribution: np.ndarray
    direct: np.ndarray
    score: np.ndarray


def scan_model(model: AnyModel, codes: np.ndarray, *, threads: int | None = None) -> ModelScan:
    """The binding of a model's motifs to sequences, by the fused kernels.

    Args:
        model: a trained model.
        codes: uint8 [N, L], as `Model.encode` gives them. Memory is needed for N * 2 * M numbers:
            take long lists in parts.
        threads: how many threads compute; None: one for each core. The result does not depend on
            it.

    Raises:
        ValueError: codes of the wrong shape, a parameter that is not finite, or a model of several
            outputs.

    Example:
        >>> scan_model(model, model.encode(["ACGT" * 27])).opening.shape  # doctest: +SKIP
        (1, 245)
    """
    check_one_output(model)
    spec = model.spec
    if codes.ndim != 2 or codes.shape[1] != spec.sequence_length:
        raise ValueError(
            f"codes: expected shape [N, {spec.sequence_length}] as the model was made for, got "
            f"{list(codes.shape)}; Model.encode makes them"
        )
    # The arrays of a model can be changed after it was made.
    check_finite(model.parameters, model.motif_names)
    scan = scan_of_sums(spec, *site_sums(model, codes, threads))
    if not spec.fused:
        scan = scan._replace(site=site_occupancy(model, *between_ends(spec, codes)))
    if not spec.pairs:
        return scan
    motifs = pair_motifs(spec).motifs
    site = scan.site[..., motifs] if scan.site is not None else None
    if site is None:
        site = site_occupancy(model, *between_ends(spec, codes), motifs)
    return scan._replace(paired=pair_sums(spec, site))


def scan_arguments(model: AnyModel, codes: np.ndarray) -> dict[str, Any]:
    """The arguments of the fused kernels for these sequences, and those of their mutations.

    All but the position weights, which are those of `scan_weights`.
    """
    check_one_output(model)
    spec, parameters = model.spec, model.parameters
    codes, span = between_ends(spec, codes)
    return {
        "sequence": codes,
        "log_kd": parameters["log_kd"],
        "log_concentration": parameters["log_concentration"],
        "column_range": model.column_range,
        "span": span,
        "reduction": "expected" if spec.binding == "expected" else "log_unbound",
        "padding": spec.padding,
    }


def scan_weights(model: AnyModel) -> dict[str, np.ndarray]:
    """The position weights of the scan, [2, P, M] each, by the names of their parameters."""
    return {
        name: position_weight(model.spec, model.parameters, name)
        for name in scanned_weights(model.spec)
    }


# Binding weighted by position, [N, 2, M] each, by the names of the weights.
Weighted = Mapping[str, np.ndarray]


def site_sums(
    model: AnyModel, codes: np.ndarray, threads: int | None = None
) -> tuple[np.ndarray, Weighted]:
    """What the fused kernels give: float64 [N, 2, M], and the same weighted by position."""
    if model.spec.competition:
        return exclusive_sums(model, codes, threads)
    arguments = scan_arguments(model, codes)
    sets = scan_weights(model)
    if not sets:
        return occupancy(**arguments, threads=threads).bound.astype(np.float64), {}
    weights = np.stack(list(sets.values()))
    bound, weighted = occupancy(**arguments, position_weight=weights, threads=threads)
    assert weighted is not None  # with weights there is one
    by_set = np.moveaxis(weighted.astype(np.float64), 1, 0)
    return bound.astype(np.float64), dict(zip(sets, by_set, strict=True))


def exclusive_arguments(model: AnyModel, codes: np.ndarray) -> dict[str, Any]:
    """The arguments of `cisreg.numpy.exclusive_occupancy`, all but the position weights."""
    arguments = scan_arguments(model, codes)
    del arguments["reduction"]
    if model.spec.nucleosome:
        log_odds = np.asarray(model.parameters["nucleosome_log_odds"], np.float32)
        arguments["competitor_width"] = np.array([NUCLEOSOME_WIDTH], np.int32)
        arguments["competitor_log_odds"] = log_odds.reshape(1)
    return arguments


def exclusive_sums(
    model: AnyModel, codes: np.ndarray, threads: int | None
) -> tuple[np.ndarray, Weighted]:
    """`site_sums` where sites exclude each other: a scan for each set of weights."""
    arguments = exclusive_arguments(model, codes)
    sets: dict[str, Any] = {**scan_weights(model)}
    scans = {
        name: exclusive_occupancy(**arguments, position_weight=sets.get(name), threads=threads)
        for name in sets or ("",)
    }
    weighted = {
        name: scan.weighted.astype(np.float64)
        for name, scan in scans.items()
        if scan.weighted is not None
    }
    return next(iter(scans.values())).bound.astype(np.float64), weighted


def scan_of_sums(spec: ModelSpec, bound: np.ndarray, weighted: Weighted) -> ModelScan:
    """The binding, without that of single sites, from what the kernels give (see `site_sums`)."""
    if spec.binding == "expected":
        either, by_strand = bound.sum(axis=1), bound
    else:
        either, by_strand = -np.expm1(bound.sum(axis=1)), -np.expm1(bound)
    one = spec.binding == "probability" and not spec.stranded and spec.fused
    acting = weighted.get("position_weight", either[:, np.newaxis] if one else by_strand)
    if not spec.positional_potentiation:
        return ModelScan(either, acting)
    opening = weighted["potentiation_position_weight"].sum(axis=1)
    return ModelScan(opening, acting, unweighted=either)


@np.errstate(over="ignore", invalid="ignore")
def read_out(model: AnyModel, scan: ModelScan) -> ReadOut:
    """Expression, accessibility and contributions, from the binding.

    Args:
        model: the model that was scanned. Another model of the same motifs and concentrations (for
            example with other activities) gives what it would make of this binding.
        scan: from `scan_model`, or changed: where a factor's columns are 0, it is knocked out.

    Raises:
        OverflowError: expression, or what a motif adds to it, is beyond float32.
        ValueError: the model has several outputs.

    Example:
        >>> scan = scan_model(model, model.encode(["ACGT" * 27]))  # doctest: +SKIP
        >>> read_out(model, scan).expression  # doctest: +SKIP
        array([7.31])
    """
    check_one_output(model)
    spec = model.spec
    values = _float64(model.parameters)
    accessibility = np.ones(len(scan.opening))
    if spec.potentiation:
        accessibility = sigmoid(values["potentiation_bias"] + scan.opening @ values["potentiation"])
    by_strand = _unlimited(spec, values, scan, accessibility)
    contribution = limited_contribution(model, by_strand.sum(axis=1))
    if scan.paired is not None:
        together = paired_contribution(spec, values, scan).sum(axis=1)
        contribution = contribution + accessibility[:, np.newaxis] * together
    direct = np.zeros_like(accessibility)
    if spec.accessibility_activity:
        direct = values["accessibility_activity"] * accessibility
    score = values["bias"] + contribution.sum(axis=1) + direct
    expression = link_value(spec.link, values, score)
    # All questions come through here, and are refused what predictions are.
    check_overflow("contribution to expression", contribution, model.parameters)
    check_overflow("expression", expression, model.parameters)
    return ReadOut(expression, accessibility, contribution, direct, score)


def strand_contribution(model: AnyModel, scan: ModelScan, accessibility: np.ndarray) -> np.ndarray:
    """What each motif adds to the score through each strand, float64 [N, S, M].

    Where a limit caps a motif, its strands share what is left in proportion to what they would add
    without the limit. So the sum over strands is the `contribution` of `read_out`. What two sites
    of a pair of factors do together belongs to each of them by half.

    Args:
        model: the model that was scanned.
        scan: from `scan_model`.
        accessibility: float64 [N]; or [N, M], another one for each motif.

    Example:
        >>> strand_contribution(model, scan, np.ones(1)).shape  # doctest: +SKIP
        (1, 2, 245)
    """
    values = _float64(model.parameters)
    by_strand = _unlimited(model.spec, values, scan, accessibility)
    if model.spec.binding_limit:
        total = by_strand.sum(axis=1)
        limited = limited_contribution(model, total)
        share = np.divide(limited, total, out=np.ones_like(total), where=total != 0)
        by_strand = by_strand * share[:, np.newaxis]
    if scan.paired is None:
        return by_strand
    together = paired_contribution(model.spec, values, scan)
    if by_strand.shape[1] == 1:
        together = together.sum(axis=1, keepdims=True)
    return by_strand + _accessible(accessibility) * together


def paired_effects(
    spec: ModelSpec, values: Mapping[str, np.ndarray], scan: ModelScan
) -> np.ndarray:
    """What each pair of factors does by the strands of both sites, float64 [N, 2, 2, Q].

    Where all chromatin is accessible.

    Args:
        spec: a model with pairs.
        values: its parameters.
        scan: of the model.
    """
    assert scan.paired is not None  # models with pairs have it
    knots = by_strands(values["pair_effect"])
    return np.einsum("nstqk,stqk->nstq", scan.paired, knots)


def paired_contribution(
    spec: ModelSpec, values: Mapping[str, np.ndarray], scan: ModelScan
) -> np.ndarray:
    """What each factor does in pairs, half of each, where all is accessible: float64 [N, 2, M]."""
    effects = paired_effects(spec, values, scan) / 2
    found = np.zeros((len(effects), 2, spec.motif_count))
    for number, (a, b) in enumerate(spec.pairs):
        found[..., a] += effects[..., number].sum(axis=2)
        found[..., b] += effects[..., number].sum(axis=1)
    return found


def _float64(parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The parameters of the read-out: all but the large table of energies."""
    return {
        name: np.asarray(value, np.float64)
        for name, value in parameters.items()
        if name != "log_kd"
    }


def _unlimited(
    spec: ModelSpec, values: Mapping[str, np.ndarray], scan: ModelScan, accessibility: np.ndarray
) -> np.ndarray:
    """What each motif would add through each strand without the limit of motifs, [N, S, M]."""
    accessible = _accessible(accessibility)
    if scan.site is None:
        return accessible * scan.acting * strand_activity(spec, values)
    limit = np.exp(values["log_binding_limit"])
    sites = np.minimum(accessible[:, np.newaxis] * scan.site, limit)
    return (sites * position_weight(spec, values)).sum(axis=2) * strand_activity(spec, values)


def _accessible(accessibility: np.ndarray) -> np.ndarray:
    """Accessibility [N], or [N, M], to multiply arrays [N, S, M]."""
    return np.expand_dims(accessibility, (1, 2) if accessibility.ndim == 1 else 1)


def limited_contribution(model: AnyModel, contribution: np.ndarray) -> np.ndarray:
    """Contributions kept within the limits of the factors, if the model has limits.

    Args:
        model: the model.
        contribution: float64 [..., M], what each factor would add without its limit.
    """
    if not model.spec.binding_limit:
        return contribution
    values = _float64(model.parameters)
    most = values["activity"] * np.exp(values["log_binding_limit"])
    return np.clip(contribution, np.minimum(most, 0.0), np.maximum(most, 0.0))


def strand_activity(spec: ModelSpec, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
    """The activity of each motif, [M], or on each strand, [2, M], in a stranded model."""
    activity = np.asarray(parameters["activity"])
    if not spec.stranded:
        return activity
    return np.stack([activity, activity + parameters["activity_difference"]])


def position_weight(
    spec: ModelSpec, parameters: Mapping[str, np.ndarray], name: str = "position_weight"
) -> np.ndarray:
    """The position weights of both strands, [2, P, M]; for models that have this parameter."""
    weight = np.asarray(parameters[name])
    if spec.position_knots is not None:
        weight = spline_basis(spec.window_count, spec.position_knots) @ weight
    return np.broadcast_to(weight, (2, *weight.shape[1:]))


def between_ends(spec: ModelSpec, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The sequences to scan, and the span of bases that a site must overlap to count.

    Returns:
        (the sequences, with constant ends set to unknown if they are trimmed; int32 [N, 2], begin
        and end of the bases between the constant ends of each row, or None if all windows count).
    """
    if not spec.has_span:
        return codes, None
    known, length = codes != UNKNOWN, spec.sequence_length
    begin, end = np.zeros(len(codes), np.int32), np.full(len(codes), length, np.int32)
    if spec.constant_left:
        begin = np.minimum(known.argmax(axis=1) + spec.constant_left, length)
    if spec.constant_right:
        end = np.maximum(length - known[:, ::-1].argmax(axis=1) - spec.constant_right, 0)
    span = np.stack([begin, np.maximum(begin, end)], axis=1).astype(np.int32)
    if spec.constant_ends == "context":
        return codes, span
    column = np.arange(length)
    inside = (column >= span[:, :1]) & (column < span[:, 1:])
    return np.where(inside, codes, np.uint8(UNKNOWN)), span


def site_occupancy(
    model: AnyModel,
    codes: np.ndarray,
    span: np.ndarray | None,
    motifs: np.ndarray | slice = slice(None),
) -> np.ndarray:
    """The occupancy of every single site, float32 [N, 2, P, M]; a site that does not count has 0.

    Args:
        model: a trained model.
        codes: uint8 [N, L], from `between_ends`, like `span`.
        span: int32 [N, 2], or None.
        motifs: the places of some of the motifs; all by default.
    """
    spec = model.spec
    if spec.competition:
        arguments = exclusive_arguments(model, codes) | {"sequence": codes, "span": span}
        return exclusive_site_occupancy(spec, arguments)[..., motifs]
    log_kd = model.parameters["log_kd"][..., motifs].astype(np.float64)
    table = np.concatenate([log_kd, np.zeros_like(log_kd[:, :1])], axis=1)
    windows = windows_of(codes, spec)
    exponent = np.zeros((*windows.shape[:3], log_kd.shape[2]))
    for of_base, under in zip(table, np.moveaxis(windows, 3, 0), strict=True):
        exponent += of_base[under]
    exponent -= model.parameters["log_concentration"][motifs]
    site = np.exp(-np.logaddexp(0.0, exponent)).astype(np.float32)
    if span is None:
        return site
    column = np.arange(spec.sequence_length)
    inside = (column >= span[:, :1]) & (column < span[:, 1:])
    marked = windows_of(np.where(inside, 0, UNKNOWN).astype(np.uint8), spec) != UNKNOWN
    own = np.ones((spec.motif_width, log_kd.shape[2]), bool)
    if model.column_range is not None:
        columns = np.arange(spec.motif_width)[:, np.newaxis]
        first, end = model.column_range[:, motifs]
        own = (columns >= first) & (columns < end)
    return np.where(marked.astype(np.float32) @ own.astype(np.float32) > 0, site, 0)


def windows_of(codes: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """Base codes under each window as each strand reads them, uint8 [N, 2, P, W].

    Args:
        codes: uint8 [N, L], from `between_ends`.
        spec: the layers.
    """
    before = (spec.motif_width - 1) // 2 if spec.padding == "same" else 0
    position = np.arange(spec.window_count)[:, np.newaxis] + np.arange(spec.motif_width)
    behind = max(0, position.max() + 1 - before - codes.shape[1])
    padded = np.pad(codes, ((0, 0), (before, behind)), constant_values=UNKNOWN)
    forward = padded[:, position]
    reverse = np.where(forward == UNKNOWN, UNKNOWN, 3 - forward)[..., ::-1]
    return np.stack([forward, reverse], axis=1)
