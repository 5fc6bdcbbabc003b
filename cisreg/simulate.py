"""Simulated promoters whose expression follows the model with known parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cisreg.choices import check_choice
from cisreg.limits import LONGEST_SEQUENCE, check_memory, check_range
from cisreg.links import link_value
from cisreg.losses import (
    Gaussian,
    Heteroscedastic,
    Huber,
    NegativeBinomial,
    Noise,
    Poisson,
    SortBins,
    StudentT,
)
from cisreg.motifs import MotifSet
from cisreg.outputs import parameters_of_outputs
from cisreg.simulate_binding import TrueBinding
from cisreg.simulate_pairs import (
    PAIR_DEVIATION,
    Hill,
    curves_of,
    draw_hills,
    draw_pairs,
    pair_binding,
    plant_pairs,
)
from cisreg.simulated_outputs import differing, leave_out
from cisreg.spec import Link, ModelSpec

NoiseName = Literal[
    "gaussian",
    "heteroscedastic",
    "student_t",
    "huber",
    "poisson",
    "negative_binomial",
    "sort_bins",
]

# The parameters are scaled such that expression is mostly within 0 to 17, as in yeast reporter
# assays, and the log odds of accessibility within about (-4, 4), where accessibility seldom
# saturates. The expression of an unbound promoter is near the mean: if it were far from the mean
# and from 0, training could get stuck explaining the mean by open chromatin.
UNBOUND_EXPRESSION = 3.0
EXPRESSION_DEVIATION = 2.0
ACCESSIBILITY_LOG_ODDS_DEVIATION = 1.5
# Behind a link: of the score. A logistic link is curved where many promoters are.
_SCORE_DEVIATIONS = {"logistic": 2.0, "softplus": 0.7, "exponential": 0.7}
# Sites of a factor open chromatin around a place of its own, within this share of the windows.
_POSITION_SHARE = 0.2

_CALIBRATION_PROMOTERS = 2048
# A smaller standard deviation of the log odds, relative to the largest, is rounding.
_SMALLEST_SPREAD = 1e-4
# Smaller shares of noise are this one, where noise cannot be 0.
_LEAST_SHARE = 1e-12
# The standard deviation of a logistic distribution of scale 1.
_LOGISTIC_DEVIATION = np.pi / np.sqrt(3)
# How even a library is: the shape of a gamma distribution of the reads of its sequences.
_UNEVEN = 2.0
# Sites of each factor in pairs, of whose stronger quarter those that are planted are drawn.
_PAIRED_SITES = 200
# Sequences whose binding is computed at a time.
_BATCH = 1024


@dataclass(frozen=True, eq=False)
class Simulation:
    """Simulated data, and the true model that generated it.

    Attributes:
        spec: the true model.
        parameters: its parameters, float32 arrays by the names of `spec.parameter_shapes`.
        motif_names: M names, in the order of the parameters.
        sequence: uint8 [N, L], base codes 0 to 3.
        expression: float32 [N], with noise, as measured; [N, K] for counts in K columns, [N, T] of
            T outputs, NaN where a measurement is missing.
        noiseless_expression: float32 [N], or [N, T], without noise, as the true model predicts it.
        noise: the true noise model; None where there is no noise.
        column_range: int32 [2, M], the columns that a site covers; None without competition.
    """

    spec: ModelSpec
    parameters: dict[str, np.ndarray]
    motif_names: tuple[str, ...]
    sequence: np.ndarray
    expression: np.ndarray
    noiseless_expression: np.ndarray
    noise: Noise | None = None
    column_range: np.ndarray | None = None


def simulate(
    motif_set: MotifSet,
    *,
    sequence_count: int = 12_000,
    sequence_length: int = 110,
    seed: int = 0,
    noise: float = 0.1,
    planted_sites: float = 8.0,
    positional_potentiation: bool = False,
    competition: bool = False,
    nucleosome: bool = False,
    link: Link = "identity",
    measured_as: Noise | NoiseName = "gaussian",
    reads: float = 20.0,
    pairs: int = 0,
    outputs: int = 1,
    differ: Sequence[str] = (),
    missing: float = 0.0,
) -> Simulation:
    """Draws random promoters and factors, and computes expression with the model.

    Promoters are random bases with planted sites, so that every factor has a measurable effect.
    The model has expected binding and a potentiation layer. A third of the factors mostly open
    chromatin, a quarter mostly repress, and the others mostly activate. Potentiations and
    activities are scaled such that each factor matters, accessibility seldom saturates, and
    expression is mostly within 0 to 17. The factors depend on the seed, not on the number of
    sequences.

    Args:
        motif_set: the true motifs.
        sequence_count: N, 1 or more.
        sequence_length: L, at least the widest motif.
        seed: the same seed gives the same simulation.
        noise: the share of the variance of expression that is Gaussian noise, 0 <= noise < 1; no
            model can reach an R² above 1 - noise.
        planted_sites: mean number of sites planted in a promoter.
        positional_potentiation: sites of a factor open or close chromatin mostly around one place,
            another one for each factor.
        competition: sites exclude each other (`cisreg.ModelSpec`), by the columns of their motifs.
        nucleosome: with competition, nucleosomes too exclude sites, with odds at which half of
            those that fit beside each other are bound.
        link: of the true model (`cisreg.ModelSpec`). "exponential": the natural log of expression
            has a standard deviation of 0.7, a factor of 2 either way; counts need it, since they
            cannot have a mean below 0.
        measured_as: the noise, as a noise model of `cisreg.losses` with all of its numbers, in the
            unit of expression; or its name, see `usual_noise`.
        reads: mean reads of a sequence, for counts whose numbers are not given, and for sort bins.
        pairs: number of pairs of factors whose sites act together in one orientation around one
            distance, every other one against each other; sites of each are planted in half of the
            promoters, half of these about where they act, and half anywhere.
        outputs: number of outputs, T, such as conditions, with measurements on a continuous scale.
        differ: the parameters that differ between outputs, see `cisreg.ModelSpec`: in each but the
            first, those of a quarter of the factors, and biases.
        missing: about this share of the measurements of several outputs are missing.

    Returns:
        A Simulation.

    Raises:
        ValueError: an argument is out of range, or no motif prefers any promoter.

    Example:
        >>> from cisreg.motifs import demo_motifs
        >>> simulation = simulate(demo_motifs(), sequence_count=100, seed=1)
        >>> simulation.sequence.shape, simulation.expression.shape
        ((100, 110), (100,))
    """
    _check_arguments(motif_set, sequence_count, sequence_length, noise, planted_sites)
    _check_outputs(outputs, differ, missing)
    check_choice("link", link, Link)
    factors, calibration, promoters, error, library, paired = (
        np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(6)
    )
    spec = ModelSpec(
        *(len(motif_set), motif_set.width, sequence_length),
        positional_potentiation=positional_potentiation,
        competition=competition,
        nucleosome=nucleosome,
        link=link,
        pairs=tuple(draw_pairs(pairs, len(motif_set), paired)),
    )
    some, sequence = (
        _promoters(motif_set, count, sequence_length, planted_sites, random)
        for count, random in (
            (_CALIBRATION_PROMOTERS, calibration),
            (sequence_count, promoters),
        )
    )
    hills = draw_hills(spec, paired)
    for each in (some, sequence):
        _plant_pairs(each, spec, motif_set, hills, paired)
    bind = TrueBinding(spec, motif_set)
    parameters = _true_parameters(bind, motif_set, some, factors)
    if pairs:
        parameters["pair_effect"] = _pair_effect(bind, parameters, some, hills)
    noiseless = _expression(bind, parameters, sequence)
    if link != "identity":
        parameters |= _linked_parameters(link, parameters)
        score = _SCORE_DEVIATIONS[link] * (noiseless - UNBOUND_EXPRESSION) / EXPRESSION_DEVIATION
        noiseless = link_value(link, parameters, score.astype(np.float64)).astype(np.float32)
    if outputs > 1:
        differs, gaps = (
            np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(8)[6:]
        )
        spec, parameters = differing(spec, parameters, outputs, differ, differs)
        noiseless = _of_outputs(spec, bind, parameters, sequence)
    true_noise = (
        measured_as
        if isinstance(measured_as, Noise)
        else usual_noise(measured_as, _centred(noiseless), noise, reads)
    )
    if outputs > 1 and true_noise is not None and true_noise.counts:
        raise ValueError(
            "measured_as: expected noise on a continuous scale for several outputs, got "
            f"{true_noise.name}; simulate counts of one output"
        )
    if isinstance(true_noise, Poisson) and noiseless.min() <= 0:
        raise ValueError(
            f"measured_as: expected expression above 0 for counts, got {noiseless.min():g}; choose "
            'the link "exponential"'
        )
    library_size = library.gamma(_UNEVEN, max(reads - 1, 0.0) / _UNEVEN, sequence_count)
    each = 1 + library.poisson(library_size)
    expression = noiseless if true_noise is None else true_noise.sample(noiseless, error, each)
    if missing:
        expression = leave_out(expression, missing, gaps)
    return Simulation(
        spec=spec,
        parameters=parameters,
        motif_names=motif_set.names,
        sequence=sequence,
        expression=expression.astype(np.float32),
        noiseless_expression=noiseless,
        noise=true_noise,
        column_range=bind.column_range,
    )


def usual_noise(
    name: NoiseName, expression: np.ndarray, share: float, reads: float
) -> Noise | None:
    """A noise model of this name whose numbers suit an expression.

    On a continuous scale, scale or standard deviation is that of normal noise which is this share
    of the variance of what is measured; heteroscedastic noise rises from half to twice of it within
    1.4 standard deviations of the expression, and Student's t has 3 degrees of freedom. Counts are
    those of two libraries of sizes 2 to 1, with the mean `reads` together, and `share` as their
    dispersion. Cells fall in ten bins, each with a tenth of the sequences.

    Args:
        name: of the noise model, as in recipes.
        expression: float [N], without noise.
        share: 0 or more, and below 1.
        reads: mean counts of a sequence.

    Returns:
        None for normal noise of a share of 0.

    Example:
        >>> usual_noise("gaussian", np.array([0.0, 2.0]), 0.5, 20.0)
        Gaussian(deviation=1.0)
    """
    spread = float(expression.std(dtype=np.float64)) or 1.0
    deviation = spread * float(np.sqrt(max(share, _LEAST_SHARE) / (1 - share)))
    mean = float(expression.mean(dtype=np.float64))
    if name == "gaussian":
        if not share:
            return None
        return Gaussian(deviation=deviation)
    if name == "heteroscedastic":
        return Heteroscedastic(mean, spread, (float(np.log(deviation)), 0.5, 0.0))
    if name == "student_t":
        return StudentT(scale=deviation, degrees=3.0)
    if name == "huber":
        return Huber(scale=deviation)
    if name == "sort_bins":
        borders = np.unique(np.quantile(expression.astype(np.float64), np.arange(1, 10) / 10))
        return SortBins(borders=tuple(borders.tolist()), scale=deviation / _LOGISTIC_DEVIATION)
    size = (reads / mean * 2 / 3, reads / mean / 3)
    if name == "poisson":
        return Poisson(library_size=size)
    return NegativeBinomial(library_size=size, dispersion=max(share, _LEAST_SHARE))


def _linked_parameters(link: Link, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Activities, with those of the score and not of expression, and the parameters of the link."""
    numbers = {
        "bias": 0.0,
        **{
            name: _SCORE_DEVIATIONS[link] * parameters[name] / EXPRESSION_DEVIATION
            for name in ("activity", "pair_effect")
            if name in parameters
        },
        **(
            {"link_floor": 0.0, "link_ceiling": 17.0} if link == "logistic" else {"link_scale": 1.0}
        ),
    }
    return {name: np.asarray(value, np.float32) for name, value in numbers.items()}


def _check_arguments(
    motif_set: MotifSet,
    sequence_count: int,
    sequence_length: int,
    noise: float,
    planted_sites: float,
) -> None:
    widest = int(motif_set.widths.max())
    for good, message in (
        (sequence_count >= 1, f"sequence_count: expected 1 or more, got {sequence_count}"),
        (
            sequence_length >= widest,
            f"sequence_length: expected {widest} or more, the widest motif, got {sequence_length}",
        ),
        (0 <= noise < 1, f"noise: expected a share of the variance, 0 <= noise < 1, got {noise}"),
        (
            0 <= planted_sites <= sequence_length,
            f"planted_sites: expected 0 to {sequence_length} per promoter, got {planted_sites}",
        ),
    ):
        if not good:
            raise ValueError(f"{message}; choose another value")
    check_range("sequence_length", sequence_length, widest, LONGEST_SEQUENCE)
    # Codes, their text, planted sites and numbers, and promoters that scale the parameters.
    each = 4 * sequence_length + 200
    check_memory(
        f"sequence_count, sequence_length: {sequence_count:,} sequences of {sequence_length:,} "
        "bases",
        each * (sequence_count + _CALIBRATION_PROMOTERS),
        "ask for fewer or shorter ones",
    )


def _check_outputs(outputs: int, differ: Sequence[str], missing: float) -> None:
    if outputs < 1:
        raise ValueError(f"outputs: expected 1 or more, got {outputs}")
    if outputs == 1 and (differ or missing):
        raise ValueError(
            "differ, missing: expected several outputs beside them, got outputs=1; give more"
        )
    if not 0 <= missing < 1:
        raise ValueError(f"missing: expected a share, 0 <= missing < 1, got {missing}")


def _of_outputs(
    spec: ModelSpec,
    bind: TrueBinding,
    parameters: Mapping[str, np.ndarray],
    sequence: np.ndarray,
) -> np.ndarray:
    """What the true model predicts of each output, float32 [N, T]."""
    expression = [
        link_value(spec.link, own, _expression(bind, own, sequence).astype(np.float64))
        for own in parameters_of_outputs(spec, parameters)
    ]
    return np.stack(expression, axis=1).astype(np.float32)


def _centred(expression: np.ndarray) -> np.ndarray:
    """Expression without differences between the means of outputs, which no noise explains."""
    if expression.ndim == 1:
        return expression
    return (expression - expression.mean(axis=0) + expression.mean()).ravel()


def _promoters(
    motif_set: MotifSet,
    count: int,
    length: int,
    planted_sites: float,
    random: np.random.Generator,
) -> np.ndarray:
    """Uniformly random bases, uint8 [count, length], with sites planted at random."""
    sequence = random.integers(0, 4, size=(count, length), dtype=np.uint8)
    site_count = random.poisson(planted_sites * count / len(motif_set), size=len(motif_set))
    for motif, sites in enumerate(site_count):
        site = _sites(motif_set, motif, sites, random)
        width = site.shape[1]
        start = random.integers(0, length - width + 1, size=(sites, 1))
        promoter = random.integers(0, count, size=(sites, 1))
        sequence[promoter, start + np.arange(width)] = site
    return sequence


def _sites(
    motif_set: MotifSet,
    motif: int,
    count: int,
    random: np.random.Generator,
    *,
    forward: bool = False,
) -> np.ndarray:
    """Sites of one motif, each base drawn with probability ~ exp(-log Kd), on either strand."""
    first = motif_set.first_column[motif]
    log_kd = motif_set.log_kd[first : first + motif_set.widths[motif], :, motif].astype(np.float64)
    weight = np.exp(log_kd.min(axis=1, keepdims=True) - log_kd)
    threshold = np.cumsum(weight / weight.sum(axis=1, keepdims=True), axis=1)[:, :3]
    draw = random.random((count, len(log_kd), 1))
    site = (draw > threshold).sum(axis=2).astype(np.uint8)
    if forward:
        return site
    reverse = random.random((count, 1)) < 0.5
    return np.where(reverse, 3 - site[:, ::-1], site)


def _true_parameters(
    bind: TrueBinding, motif_set: MotifSet, promoters: np.ndarray, random: np.random.Generator
) -> dict[str, np.ndarray]:
    """Parameters of random factors before a link, scaled as described above on `promoters`."""
    spec = bind.spec
    motif_count = len(motif_set)
    log_concentration = motif_set.lowest_log_kd() + random.uniform(0, 2, size=motif_count)
    effects = _factor_effects(motif_count, random)
    values: dict[str, Any] = {"log_kd": motif_set.log_kd, "log_concentration": log_concentration}
    if spec.positional_potentiation:
        values["potentiation_position_weight"] = _position_weight(spec, random)
    if spec.nucleosome:
        values["nucleosome_log_odds"] = bind.nucleosome_log_odds(values, promoters)
    opening, binding = bind(values, promoters)
    # Limits the effect per site of a factor that hardly binds anywhere.
    potentiation, activity = (
        each / np.maximum(bound.std(axis=0), 0.05)
        for each, bound in zip(effects, (opening, binding), strict=True)
    )
    log_odds = opening @ potentiation
    if not log_odds.std() > _SMALLEST_SPREAD * np.abs(log_odds).max():
        raise ValueError(
            "motif_set: expected motifs that bind some promoters better than others, got motifs "
            "whose binding is the same everywhere; give motifs with preferred bases"
        )
    potentiation_scale = ACCESSIBILITY_LOG_ODDS_DEVIATION / log_odds.std()
    potentiation_bias = -potentiation_scale * log_odds.mean()
    accessibility = 1 / (1 + np.exp(-potentiation_scale * log_odds - potentiation_bias))
    activity_scale = EXPRESSION_DEVIATION / (accessibility * (binding @ activity)).std()
    values |= {
        "activity": activity_scale * activity,
        "bias": UNBOUND_EXPRESSION,
        "potentiation": potentiation_scale * potentiation,
        "potentiation_bias": potentiation_bias,
    }
    return {name: np.asarray(value, dtype=np.float32) for name, value in values.items()}


def _position_weight(spec: ModelSpec, random: np.random.Generator) -> np.ndarray:
    """Weights of mean 1 around a place of each factor, [1, P, M]."""
    windows = spec.window_count
    place = random.uniform(0, windows, size=spec.motif_count)
    distance = (np.arange(windows)[:, np.newaxis] - place) / (_POSITION_SHARE * windows)
    weight = np.exp(-(distance**2) / 2)
    return (weight / weight.mean(axis=0))[np.newaxis]


def _factor_effects(motif_count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Potentiations and activities [M] for binding of standard deviation 1, not yet scaled."""
    order = random.permutation(motif_count)
    potentiators, repressors = order[: motif_count // 3], order[motif_count - motif_count // 4 :]
    potentiation = random.uniform(-0.3, 0.3, size=motif_count)
    activity = random.uniform(0.6, 1.4, size=motif_count)
    potentiation[potentiators] = random.uniform(0.6, 1.4, size=len(potentiators))
    activity[potentiators] = random.uniform(-0.3, 0.3, size=len(potentiators))
    activity[repressors] *= -1
    return potentiation, activity


def _plant_pairs(
    sequence: np.ndarray,
    spec: ModelSpec,
    motif_set: MotifSet,
    hills: Sequence[Hill],
    random: np.random.Generator,
) -> None:
    motifs = sorted({motif for pair in spec.pairs for motif in pair})
    site_of = {motif: _strong_sites(motif_set, motif, random) for motif in motifs}
    plant_pairs(sequence, spec, motif_set, hills, site_of, random)


def _strong_sites(motif_set: MotifSet, motif: int, random: np.random.Generator) -> np.ndarray:
    """Forward sites of a motif, the stronger ones of many, uint8 [any, width]."""
    sites = _sites(motif_set, motif, _PAIRED_SITES, random, forward=True)
    column = motif_set.first_column[motif] + np.arange(sites.shape[1])
    log_kd = motif_set.log_kd[column, sites, motif].sum(axis=1)
    return sites[np.argsort(log_kd, kind="stable")[: _PAIRED_SITES // 4]]


def _pair_effect(
    bind: TrueBinding,
    parameters: Mapping[str, np.ndarray],
    promoters: np.ndarray,
    hills: Sequence[Hill],
) -> np.ndarray:
    """Curves of the pairs, scaled on promoters; float32 [Q, 2, K]."""
    curves = curves_of(bind.spec, hills)
    binding = pair_binding(bind.spec, {**parameters, "pair_effect": curves}, promoters)
    accessibility = _accessibility(bind, parameters, promoters)
    spread = (accessibility[:, np.newaxis] * binding).std(axis=0)
    scale = PAIR_DEVIATION / np.maximum(spread, 0.01)
    return np.asarray(curves * scale[:, np.newaxis, np.newaxis], np.float32)


def _accessibility(
    bind: TrueBinding, parameters: Mapping[str, np.ndarray], sequence: np.ndarray
) -> np.ndarray:
    """Of each sequence, float64 [N]."""
    opening, _ = bind(parameters, sequence)
    log_odds = opening @ parameters["potentiation"] + parameters["potentiation_bias"]
    return 1 / (1 + np.exp(-log_odds))


def _expression(
    bind: TrueBinding, parameters: Mapping[str, np.ndarray], sequence: np.ndarray
) -> np.ndarray:
    """What the true model predicts without a link, float32 [N]."""
    expression = np.empty(len(sequence), np.float32)
    for start in range(0, len(sequence), _BATCH):
        rows = slice(start, start + _BATCH)
        opening, binding = bind(parameters, sequence[rows])
        log_odds = opening @ parameters["potentiation"] + parameters["potentiation_bias"]
        accessibility = 1 / (1 + np.exp(-log_odds))
        effect = binding @ parameters["activity"]
        if bind.spec.pairs:
            effect = effect + pair_binding(bind.spec, parameters, sequence[rows]).sum(axis=1)
        effect = accessibility * effect
        expression[rows] = effect + parameters["bias"]
    return expression
