"""The checks of a diagnosis that need no motif to be compared with another one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cisreg.data.ends import describe_ends, find_constant_ends, share_with_end
from cisreg.display import counted
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.design_range import measured_range, with_margin
from cisreg.interpret.diagnosis_measures import Measures, OwnMeasures, Trained
from cisreg.interpret.findings import Finding, State, listed
from cisreg.occupancy_checks import UNKNOWN

# A factor is dead if knocking it out changes expression by a smaller share of the standard
# deviation of expression: a tenth of what the third digit of r shows.
DEAD_SHARE = 0.001
# Of fewer sequences, quantiles and correlations say little; the same holds for sequences in which
# the usual position has the same base in so large a share.
FEWEST_SEQUENCES = 50
MOST_ALIKE = 0.75
# Accessibility closer to 0 or 1 than this has a slope below 0.01: potentiations hardly act, and
# training could not change them. A model is saturated if so many sequences are, or if the middle 90
# % of the sequences differ by less than NARROW.
SATURATED_SITE, SATURATED_SHARE, NARROW = 0.99, 0.9, 0.02
# Binding acts as a constant if what varies between sequences (standard deviation) is so small a
# share of its mean, and it matters if its mean contribution is so large a share of the standard
# deviation of expression.
CONSTANT_VARIATION, CONSTANT_EFFECT = 0.25, 0.1
# Share of the binding of such a factor that needs the bases of the constant ends.
MOSTLY_ENDS = 0.5
# Slope of log binding on log concentration. At 0.95, sites are at most about 5 % bound: activity
# and concentration trade for each other within the errors of usual measurements. At 0.1, twice the
# concentration gives 7 % more binding.
WEAK_SLOPE, SATURATED_SLOPE = 0.95, 0.1
# One site that adds more than this many standard deviations would span nearly all measurements
# (99.7 % of a normal distribution lie within 3 on both sides).
LARGEST_EFFECT = 6.0
# A base that weakens a site by more nats (a factor of a million) is beyond every measurement.
LARGEST_BASE = 14.0
# Standard deviations from the mean of the factors that have an effect: of 1,000 numbers with a
# normal distribution, one would be farther away once in a thousand times.
FAR = 5.0
# Predictions farther from the mean of the training set, in its standard deviations, are beyond all
# measurements, if their range is not known: even of an exponential distribution only 0.25 % lie
# there. Four times that is no chance.
BEYOND_DEVIATIONS, BEYOND_SHARE = 5.0, 0.01
# Share of unknown bases (padding too) from which on a prediction rests on what is not there.
MOST_UNKNOWN = 0.5
# Fewer sequences with the constant ends of training: they are other constructs.
LEAST_WITH_ENDS = 0.5


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and what was measured of it.

    Attributes:
        model: the model.
        own: measures of its parameters.
        trained: the measurements it was trained on, or None.
        measures: over sequences, or None.
        scale: the standard deviation of expression that effects are compared with.
        dead: bool [M], the factors without an effect.
    """

    model: AnyModel
    own: OwnMeasures
    trained: Trained | None
    measures: Measures | None
    scale: float
    dead: np.ndarray

    def names(self, places: np.ndarray) -> tuple[str, ...]:
        """The names of factors."""
        return tuple(self.model.motif_names[place] for place in places)

    @property
    def varied(self) -> Measures | None:
        """The measures, if there are enough sequences that differ enough."""
        if self.measures is None or are_alike(self.measures.codes):
            return None
        return self.measures


def new_subject(
    model: AnyModel, own: OwnMeasures, trained: Trained | None, measures: Measures | None
) -> Subject:
    """The subject, with the factors that are dead."""
    if trained is not None and trained.deviation > 0:
        scale = trained.deviation
    elif measures is not None and measures.expression.std() > 0:
        scale = float(measures.expression.std())
    else:
        scale = float(own.effect.max()) or 1.0
    if measures is not None:
        dead = measures.importance <= DEAD_SHARE * scale
    else:
        dead = (own.effect <= DEAD_SHARE * scale) & (own.opening <= DEAD_SHARE)
    return Subject(model, own, trained, measures, scale, dead)


def are_alike(codes: np.ndarray) -> bool:
    """Whether sequences are too few or too alike to say what varies."""
    if len(np.unique(codes, axis=0)) < FEWEST_SEQUENCES:
        return True
    counts = np.stack([(codes == base).sum(axis=0) for base in range(4)])
    known = counts.sum(axis=0)
    most = counts.max(axis=0)[known > 0] / known[known > 0]
    return bool(len(most) == 0 or np.median(most) > MOST_ALIKE)


def check_sequences(subject: Subject) -> list[Finding]:
    """What could not be checked for want of sequences."""
    if subject.measures is None:
        text = (
            "No sequences were given: saturation, constant binding, weak binding, correlated "
            "factors and extrapolation were not checked. Give a thousand or more of those that the "
            "model is asked about."
        )
        return [Finding("sequences", "note", text)]
    if subject.varied is None:
        text = (
            f"The sequences are fewer than {FEWEST_SEQUENCES} different ones, or too alike: what "
            "is constant or correlated in them says nothing about the model, and was not checked. "
            "Give a thousand or more that differ."
        )
        return [Finding("sequences", "note", text)]
    return []


def check_dead(subject: Subject) -> list[Finding]:
    """Factors without an effect."""
    names, dead = subject.model.motif_names, subject.dead
    if subject.measures is None:
        size = np.maximum(subject.own.effect / subject.scale, subject.own.opening)
        means = "their strongest site changes expression and chromatin by less"
    else:
        size = subject.measures.importance / subject.scale
        means = "knocked out, each changes the expression of these sequences by less"
    if not dead.any():
        return [
            Finding(
                *("dead factors", "ok", f"All {counted(len(names), 'factor')} have an effect."),
                number=float(size.min()),
                limit=DEAD_SHARE,
            )
        ]
    order = np.flatnonzero(dead)[np.argsort(size[dead], kind="stable")]
    every = bool(dead.all())
    text = (
        f"{int(dead.sum()):,} of {counted(len(names), 'factor')} have no effect: {means} than "
        f"{DEAD_SHARE:.1%} of the standard deviation of expression "
        f"({listed(subject.names(order))}). "
        + (
            "The model predicts a constant: train it again, with more epochs or weaker penalties."
            if every
            else "Read nothing out of their motifs, concentrations and activities."
        )
    )
    state: State = "warning" if every else "note"
    return [
        Finding(
            "dead factors", state, text, subject.names(order), float(size[order[0]]), DEAD_SHARE
        )
    ]


def check_accessibility(subject: Subject) -> list[Finding]:
    """Accessibility that is nearly the same everywhere."""
    measures = subject.varied
    if measures is None or not subject.model.spec.potentiation:
        return []
    values = measures.accessibility
    share = float(((values > SATURATED_SITE) | (values < 1 - SATURATED_SITE)).mean())
    low, high = np.quantile(values, [0.05, 0.95])
    what = (
        f"Accessibility is {low:.2g} to {high:.2g} in the middle 90 % of the sequences, and within "
        f"{1 - SATURATED_SITE:.2g} of 0 or 1 in {share:.0%} of them"
    )
    if share < SATURATED_SHARE and high - low >= NARROW:
        text = f"{what}: it tells sequences apart."
        return [
            Finding("accessibility", "ok", text, number=float(high - low), limit=NARROW),
        ]
    text = (
        f"{what}: it is saturated, so potentiations act on nothing and were not learned. Train "
        "with a lower potentiation_bias at the start, weaker initial concentrations, or "
        "potentiation = false."
    )
    return [Finding("accessibility", "warning", text, number=float(high - low), limit=NARROW)]


def check_constant_binding(subject: Subject) -> list[Finding]:
    """Factors that are bound nearly alike in every sequence, so that they act as a constant."""
    measures = subject.varied
    if measures is None:
        return []
    variation = measures.variation
    contribution = measures.contribution / subject.scale
    found = (variation < CONSTANT_VARIATION) & (contribution > CONSTANT_EFFECT)
    if not found.any():
        matters = contribution > CONSTANT_EFFECT
        text = "No factor that matters is bound alike in every sequence."
        number = float(variation[matters].min()) if matters.any() else float("nan")
        return [
            Finding("constant binding", "ok", text, number=number, limit=CONSTANT_VARIATION),
        ]
    order = np.flatnonzero(found)[np.argsort(-contribution[found], kind="stable")]
    said = [
        f"{subject.model.motif_names[place]} (mean binding "
        f"{measures.binding[:, place].mean():.2g}, it varies by {variation[place]:.0%} of that, "
        f"mean contribution {measures.contribution[place]:.2g}"
        + _of_ends(measures.share_of_ends[place])
        for place in order
    ]
    text = (
        f"Bound nearly alike in every sequence: {listed(said)}. Most of such a contribution is a "
        "constant, like the bias, and says nothing about the factor: compare sequences by its "
        "differences, not by its size. Where the site reaches into a constant end, --constant-ends "
        "trim keeps it from reading the end (predictions become a little less accurate)."
    )
    return [
        Finding(
            *("constant binding", "warning", text, subject.names(order)),
            *(float(variation[order].min()), CONSTANT_VARIATION),
        )
    ]


def _of_ends(share: float) -> str:
    return f", {share:.0%} of it by bases of the constant ends)" if share > MOSTLY_ENDS else ")"


def check_slopes(subject: Subject) -> list[Finding]:
    """Factors whose sites are rarely bound, or always."""
    measures = subject.measures
    if measures is None:
        return []
    slope, living = measures.slope, ~subject.dead & np.isfinite(measures.slope)
    findings = []
    full = np.flatnonzero(living & (slope < SATURATED_SLOPE))
    if len(full):
        full = full[np.argsort(slope[full], kind="stable")]
        text = (
            f"Always bound: {listed(subject.names(full))}. Ten per cent more of the factor gives "
            f"less than {SATURATED_SLOPE:.0%} of that in binding: its concentration is not known, "
            "and one site more or less says little. Start training at a lower concentration."
        )
        findings.append(
            Finding(
                *("saturated sites", "warning", text, subject.names(full)),
                *(float(slope[full[0]]), SATURATED_SLOPE),
            )
        )
    else:
        number = float(slope[living].min()) if living.any() else float("nan")
        text = "No factor is always bound: binding follows the concentrations."
        findings.append(
            Finding("saturated sites", "ok", text, number=number, limit=SATURATED_SLOPE)
        )
    weak = np.flatnonzero(living & (slope > WEAK_SLOPE))
    weak = weak[np.argsort(-slope[weak], kind="stable")]
    if len(weak):
        text = (
            f"Rarely bound: {listed(subject.names(weak))}. Twice the concentration at half the "
            "activity (and half the potentiation) predicts the same: read the effect of the "
            "strongest site, not concentration and activity alone."
        )
        findings.append(
            Finding(
                *("weak binding", "note", text, subject.names(weak)),
                *(float(slope[weak[0]]), WEAK_SLOPE),
            )
        )
    else:
        number = float(slope[living].max()) if living.any() else float("nan")
        text = "Every factor with an effect has sites that are often bound."
        findings.append(Finding("weak binding", "ok", text, number=number, limit=WEAK_SLOPE))
    return findings


def check_extremes(subject: Subject) -> list[Finding]:
    """Parameters beyond what a measurement could say, or far from those of the other factors."""
    effect = subject.own.effect / subject.scale
    bases = np.ptp(subject.model.parameters["log_kd"], axis=1).max(axis=0).astype(np.float64)
    findings = []
    large = np.flatnonzero(effect > LARGEST_EFFECT)
    if len(large):
        large = large[np.argsort(-effect[large], kind="stable")]
        text = (
            f"One strongest site of {listed(subject.names(large))} adds more to expression than "
            f"{LARGEST_EFFECT:g} of its standard deviations, more than all measurements span. Such "
            "sites are rare in the training sequences, or other factors cancel them: do not "
            "predict sequences that have them."
        )
        findings.append(
            Finding(
                *("extreme effects", "warning", text, subject.names(large)),
                *(float(effect[large[0]]), LARGEST_EFFECT),
            )
        )
    wide = np.flatnonzero(~subject.dead & (bases > LARGEST_BASE))
    if len(wide):
        wide = wide[np.argsort(-bases[wide], kind="stable")]
        text = (
            f"In the motifs of {listed(subject.names(wide))} a single base weakens a site more "
            "than a million times. No measurement says so: read such entries as forbidden bases, "
            "and start with larger pseudocounts or train with motif_pull."
        )
        findings.append(
            Finding(
                *("extreme motifs", "warning", text, subject.names(wide)),
                *(float(bases[wide[0]]), LARGEST_BASE),
            )
        )
    findings += _far(subject)
    if not findings:
        text = "No effect and no entry of a motif is beyond what a measurement could show."
        findings.append(
            Finding("extremes", "ok", text, number=float(effect.max()), limit=LARGEST_EFFECT)
        )
    return findings


def _far(subject: Subject) -> list[Finding]:
    """Factors far from the other ones that have an effect."""
    living = np.flatnonzero(~subject.dead)
    parameters = subject.model.parameters
    measured = {"log odds of the strongest site": subject.own.log_odds}
    for name in ("activity", "activity_difference", "potentiation"):
        if name in parameters:
            measured[name] = parameters[name].astype(np.float64)
    scores: dict[int, tuple[float, str]] = {}
    for name, values in measured.items():
        some = values[living]
        spread = some.std() if len(some) and np.isfinite(some).all() else 0.0
        if spread == 0:
            continue
        for place, value in zip(living, (some - some.mean()) / spread, strict=True):
            if abs(value) > max(FAR, scores.get(int(place), (0.0, ""))[0]):
                scores[int(place)] = (abs(float(value)), name)
    if not scores:
        return []
    order = np.array(sorted(scores, key=lambda place: -scores[place][0]))
    said = [
        f"{subject.model.motif_names[place]} ({scores[place][1]}, {scores[place][0]:.1f})"
        for place in order
    ]
    text = (
        f"Farther than {FAR:g} standard deviations from the other factors: {listed(said)}. A few "
        "strong regulators are so by nature; check that such a factor is known for it."
    )
    number = scores[int(order[0])][0]
    return [Finding("extremes", "note", text, subject.names(order), number, FAR)]


def check_ends(subject: Subject) -> list[Finding]:
    """Constant ends that the model does not know, or that the sequences do not have."""
    spec, measures = subject.model.spec, subject.measures
    if measures is None:
        if not spec.ends_unsaid:
            return []
        text = (
            "The model was made without a word on constant ends. If its sequences share an end, "
            "such as a primer site, factors that match it act as a constant: give sequences to see."
        )
        return [Finding("constant ends", "note", text)]
    found = find_constant_ends(measures.codes)
    bases = {side: 0 if end is None else len(end.sequence) for side, end in found._asdict().items()}
    if not spec.has_span and any(bases.values()):
        how = (
            "and the model counts sites in them (constant_ends = keep)"
            if spec.constant_ends == "keep"
            else "and the model was not told"
        )
        text = (
            f"{describe_ends(found)}, {how}: a motif that matches them is bound alike in every "
            "sequence and acts as a constant. Train with --constant-left "
            f"{bases['left']} --constant-right {bases['right']}."
        )
        return [Finding("constant ends", "warning", text, number=float(sum(bases.values())))]
    return _known_ends(subject, measures)


def _known_ends(subject: Subject, measures: Measures) -> list[Finding]:
    shares = {
        side: share_with_end(measures.codes, end["sequence"], left=side == "left")
        for side, end in subject.model.metadata.get("constant_ends", {}).items()
        if end["sequence"] is not None
    }
    lowest = min(shares.values(), default=1.0)
    if lowest < LEAST_WITH_ENDS:
        side = min(shares, key=shares.__getitem__)
        end = subject.model.metadata["constant_ends"][side]
        text = (
            f"Only {lowest:.0%} of the sequences {'begin' if side == 'left' else 'end'} with "
            f"{end['sequence']}, the constant end of the training sequences. The model counts no "
            f"site inside the {'first' if side == 'left' else 'last'} {end['bases']} bases, "
            "whatever they are: add the ends of the construct to the sequences."
        )
        return [Finding("constant ends", "warning", text, number=lowest, limit=LEAST_WITH_ENDS)]
    text = (
        "The sequences have the constant ends of the training sequences. No site inside of them "
        "counts; one that reaches out of them does (see constant binding)."
        if shares
        else "The sequences have no constant ends that the model was not told about."
    )
    return [Finding("constant ends", "ok", text, number=lowest, limit=LEAST_WITH_ENDS)]


def check_extrapolation(subject: Subject) -> list[Finding]:
    """Sequences and predictions unlike those of training."""
    measures = subject.measures
    if measures is None:
        return []
    short = _mostly_unknown(measures.codes)
    beyond = _beyond_training(subject, measures.expression)
    return short if short and beyond.state == "ok" else [*short, beyond]


def _mostly_unknown(codes: np.ndarray) -> list[Finding]:
    """Sequences of which the model sees less than half."""
    share = float(((codes == UNKNOWN).mean(axis=1) > MOST_UNKNOWN).mean())
    if share == 0:
        return []
    text = (
        f"{share:.0%} of the sequences are shorter than half of the model's "
        f"{codes.shape[1]} bases, or unknown there. Predictions for them say what the "
        "bases that are there would do in the place where the model puts them: give sequences "
        "of the length of the training sequences."
    )
    return [Finding("extrapolation", "warning", text, number=share, limit=0.0)]


def _beyond_training(subject: Subject, expression: np.ndarray) -> Finding:
    """Predictions beyond what was measured in training.

    The range of the measurements says it; where the model does not know it, their mean and
    standard deviation do.
    """
    measured, trained = measured_range(subject.model.metadata), subject.trained
    if measured is not None:
        (low, high), (lowest, highest) = measured, with_margin(measured)
        known = f"the training measurements are {low:.3g} to {high:.3g}"
        outside, where = (expression < lowest) | (expression > highest), "outside of these"
    elif trained is not None and trained.deviation > 0:
        known = (
            f"the training measurements have the mean {trained.mean:.3g} and the standard "
            f"deviation {trained.deviation:.3g}"
        )
        outside = np.abs(expression - trained.mean) > BEYOND_DEVIATIONS * trained.deviation
        where = f"farther than {BEYOND_DEVIATIONS:g} standard deviations from the mean"
    else:
        text = (
            "The range of the training measurements is not known for this model: predictions were "
            "not compared with it."
        )
        return Finding("extrapolation", "note", text)
    what = f"Predictions are {expression.min():.3g} to {expression.max():.3g}; {known}"
    share = float(outside.mean())
    if share <= BEYOND_SHARE:
        return Finding("extrapolation", "ok", f"{what}.", number=share, limit=BEYOND_SHARE)
    text = (
        f"{what}: {share:.0%} are {where}, where nothing was measured. Take them for 'high' or "
        "'low', not as numbers."
    )
    return Finding("extrapolation", "warning", text, number=share, limit=BEYOND_SHARE)
