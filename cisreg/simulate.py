"""Simulated promoters whose expression follows the model with known parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cisreg.limits import LONGEST_SEQUENCE, check_memory, check_range
from cisreg.motifs import MotifSet
from cisreg.numpy import occupancy
from cisreg.spec import ModelSpec

# The parameters are scaled such that expression is mostly within 0 to 17, as in yeast reporter
# assays, and the log odds of accessibility within about (-4, 4), where accessibility seldom
# saturates. The expression of an unbound promoter is near the mean: if it were far from the mean
# and from 0, training could get stuck explaining the mean by open chromatin.
UNBOUND_EXPRESSION = 3.0
EXPRESSION_DEVIATION = 2.0
ACCESSIBILITY_LOG_ODDS_DEVIATION = 1.5

_CALIBRATION_PROMOTERS = 2048
# A smaller standard deviation of the log odds, relative to the largest, is rounding.
_SMALLEST_SPREAD = 1e-4
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
        expression: float32 [N], with noise, as measured.
        noiseless_expression: float32 [N], without noise, as the true model predicts it.
    """

    spec: ModelSpec
    parameters: dict[str, np.ndarray]
    motif_names: tuple[str, ...]
    sequence: np.ndarray
    expression: np.ndarray
    noiseless_expression: np.ndarray


def simulate(
    motif_set: MotifSet,
    *,
    sequence_count: int = 12_000,
    sequence_length: int = 110,
    seed: int = 0,
    noise: float = 0.1,
    planted_sites: float = 8.0,
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
    factors, calibration, promoters, error = (
        np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(4)
    )
    parameters = _true_parameters(
        motif_set,
        _promoters(motif_set, _CALIBRATION_PROMOTERS, sequence_length, planted_sites, calibration),
        factors,
    )
    sequence = _promoters(motif_set, sequence_count, sequence_length, planted_sites, promoters)
    spec = ModelSpec(len(motif_set), motif_set.width, sequence_length)
    noiseless = _expression(motif_set, parameters, sequence)
    deviation = noiseless.std(dtype=np.float64) * np.sqrt(noise / (1 - noise))
    expression = noiseless + deviation * error.standard_normal(sequence_count)
    return Simulation(
        spec=spec,
        parameters=parameters,
        motif_names=motif_set.names,
        sequence=sequence,
        expression=expression.astype(np.float32),
        noiseless_expression=noiseless,
    )


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


def _sites(motif_set: MotifSet, motif: int, count: int, random: np.random.Generator) -> np.ndarray:
    """Sites of one motif, each base drawn with probability ~ exp(-log Kd), on either strand."""
    first = motif_set.first_column[motif]
    log_kd = motif_set.log_kd[first : first + motif_set.widths[motif], :, motif].astype(np.float64)
    weight = np.exp(log_kd.min(axis=1, keepdims=True) - log_kd)
    threshold = np.cumsum(weight / weight.sum(axis=1, keepdims=True), axis=1)[:, :3]
    draw = random.random((count, len(log_kd), 1))
    site = (draw > threshold).sum(axis=2).astype(np.uint8)
    reverse = random.random((count, 1)) < 0.5
    return np.where(reverse, 3 - site[:, ::-1], site)


def _true_parameters(
    motif_set: MotifSet, promoters: np.ndarray, random: np.random.Generator
) -> dict[str, np.ndarray]:
    """Parameters of random factors, scaled as described above on `promoters`."""
    motif_count = len(motif_set)
    log_concentration = motif_set.lowest_log_kd() + random.uniform(0, 2, size=motif_count)
    binding = _binding(motif_set, log_concentration, promoters)
    # Limits the effect per site of a factor that hardly binds anywhere.
    spread = np.maximum(binding.std(axis=0), 0.05)
    potentiation, activity = (each / spread for each in _factor_effects(motif_count, random))
    log_odds = binding @ potentiation
    if not log_odds.std() > _SMALLEST_SPREAD * np.abs(log_odds).max():
        raise ValueError(
            "motif_set: expected motifs that bind some promoters better than others, got motifs "
            "whose binding is the same everywhere; give motifs with preferred bases"
        )
    potentiation_scale = ACCESSIBILITY_LOG_ODDS_DEVIATION / log_odds.std()
    potentiation_bias = -potentiation_scale * log_odds.mean()
    accessibility = 1 / (1 + np.exp(-potentiation_scale * log_odds - potentiation_bias))
    activity_scale = EXPRESSION_DEVIATION / (accessibility * (binding @ activity)).std()
    values = {
        "log_kd": motif_set.log_kd,
        "log_concentration": log_concentration,
        "activity": activity_scale * activity,
        "bias": UNBOUND_EXPRESSION,
        "potentiation": potentiation_scale * potentiation,
        "potentiation_bias": potentiation_bias,
    }
    return {name: np.asarray(value, dtype=np.float32) for name, value in values.items()}


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


def _binding(
    motif_set: MotifSet, log_concentration: np.ndarray, sequence: np.ndarray
) -> np.ndarray:
    """Expected occupancy of each factor where all chromatin is open, float64 [N, M]."""
    bound = occupancy(sequence, motif_set.log_kd, log_concentration).bound
    return bound.sum(axis=1, dtype=np.float64)


def _expression(
    motif_set: MotifSet, parameters: Mapping[str, np.ndarray], sequence: np.ndarray
) -> np.ndarray:
    """What the true model predicts, float32 [N]."""
    expression = np.empty(len(sequence), np.float32)
    for start in range(0, len(sequence), _BATCH):
        rows = slice(start, start + _BATCH)
        binding = _binding(motif_set, parameters["log_concentration"], sequence[rows])
        log_odds = binding @ parameters["potentiation"] + parameters["potentiation_bias"]
        accessibility = 1 / (1 + np.exp(-log_odds))
        effect = accessibility * (binding @ parameters["activity"])
        expression[rows] = effect + parameters["bias"]
    return expression
