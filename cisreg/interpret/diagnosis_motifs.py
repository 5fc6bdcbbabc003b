"""The checks of a diagnosis that compare motifs: duplicates, and drift from the start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cisreg.interpret.diagnosis_checks import Subject
from cisreg.interpret.findings import Finding, listed
from cisreg.motifs import MotifSet, compare
from cisreg.motifs.conversion import log_kd_to_probabilities

# Correlation of binding over sequences from which on the effects of two factors are hardly told
# apart: their activities are then known sqrt(1 / (1 - r²)), about 3 times, less well than alone.
MOST_CORRELATED = 0.95
# E-value of two motifs of the model that are alike: so many of its factors by chance.
ALIKE_E_VALUE = 1e-5
# P-values of few motifs are rough, so that even equal ones may not reach that E-value. They are
# alike too if the p-value is at most this many times that of the motif with itself.
AS_ITSELF, LARGEST_P_VALUE = 10.0, 0.001
# Mean Euclidean distance of the probabilities in a column, 0 to 1.41. At 0.25 a column that had one
# base for certain has another one in every sixth site.
DRIFTED = 0.25
# Motifs that moved less are still those that they began as, and are not looked up.
MOVED = 0.05
# A motif whose E-value among the start motifs is above this is not recognised as its own start.
UNRECOGNISED_E_VALUE = 0.01


@dataclass(frozen=True, eq=False)
class Drift:
    """How far each of M motifs is from its start.

    Attributes:
        distance: float64 [M], mean over its columns of the Euclidean distance of the probabilities.
        correlation: float64 [M], Pearson's r of the energies (each column minus its mean); NaN
            where one of them is 0 everywhere.
        strongest_site: the strongest site now.
        strongest_site_at_start: that of the start, in the same columns; a base of a column that
            had no preference is N.
    """

    distance: np.ndarray
    correlation: np.ndarray
    strongest_site: tuple[str, ...]
    strongest_site_at_start: tuple[str, ...]


def check_duplicates(subject: Subject, progress: bool = False) -> list[Finding]:
    """Factors that cannot be told apart, by their binding or by their motifs."""
    living = np.flatnonzero(~subject.dead)
    findings = []
    correlated = _correlated(subject, living)
    if correlated:
        findings.append(_correlated_finding(subject, correlated))
    alike = _alike(subject.model.motifs, living, progress) if len(living) > 1 else {}
    told = {(first, second) for first, second, _ in correlated}
    rest = sorted((value, pair) for pair, value in alike.items() if pair not in told)
    if rest:
        names = subject.model.motif_names
        said = listed(f"{names[a]} and {names[b]} ({value:.0e})" for value, (a, b) in rest)
        factors = dict.fromkeys(names[place] for _, pair in rest for place in pair)
        text = (
            f"Motifs that are alike (E-value): {said}. Data on one say something on the other, and "
            "which of the two is at work in the cell is not known from them: read both together."
        )
        findings.append(
            Finding("similar motifs", "note", text, tuple(factors), rest[0][0], ALIKE_E_VALUE)
        )
    if not findings:
        text = "No two factors with an effect have the same motif or the same binding."
        findings.append(Finding("duplicates", "ok", text, limit=MOST_CORRELATED))
    return findings


def _correlated(subject: Subject, living: np.ndarray) -> list[tuple[int, int, float]]:
    """Pairs of factors whose binding is correlated over the sequences, most of all first."""
    measures = subject.varied
    if measures is None or len(living) < 2:
        return []
    binding = measures.binding[:, living].astype(np.float64)
    binding -= binding.mean(axis=0)
    size = np.sqrt(np.square(binding).sum(axis=0))
    binding /= np.where(size > 0, size, 1.0)
    r = binding.T @ binding
    first, second = np.nonzero(np.triu(r >= MOST_CORRELATED, 1))
    pairs = [
        (int(living[a]), int(living[b]), float(r[a, b])) for a, b in zip(first, second, strict=True)
    ]
    return sorted(pairs, key=lambda pair: -pair[2])


def _correlated_finding(subject: Subject, pairs: list[tuple[int, int, float]]) -> Finding:
    names = subject.model.motif_names
    said = listed(f"{names[a]} and {names[b]} (r {value:.2f})" for a, b, value in pairs)
    factors = dict.fromkeys(names[place] for a, b, _ in pairs for place in (a, b))
    text = (
        f"Bound to the same sequences: {said}. These sequences cannot tell such factors apart, and "
        "their activities may cancel: read the sum of their contributions, or train without one of "
        "them."
    )
    return Finding("duplicates", "warning", text, tuple(factors), pairs[0][2], MOST_CORRELATED)


def _alike(motifs: MotifSet, living: np.ndarray, progress: bool) -> dict[tuple[int, int], float]:
    """E-values of pairs of these motifs that are alike, by their places, the smaller first."""
    found = _by_query(compare(motifs[living], motifs, progress=progress, warn=False))
    place = {motifs.names[each]: int(each) for each in living}
    pairs: dict[tuple[int, int], float] = {}
    for query, targets in found.items():
        itself = AS_ITSELF * dict(targets)[query]
        for target, p_value in targets:
            e_value = p_value * len(motifs)
            is_alike = e_value <= ALIKE_E_VALUE or p_value <= min(itself, LARGEST_P_VALUE)
            if query == target or target not in place or not is_alike:
                continue
            a, b = sorted((place[query], place[target]))
            pairs[a, b] = min(e_value, pairs.get((a, b), np.inf))
    return pairs


def drift_of(subject: Subject) -> Drift | None:
    """How far the motifs are from their start; None where the start is not known."""
    model, start = subject.model, subject.model.initial_motifs
    if start is None:
        return None
    now = model.motifs
    first, end = now.first_column, now.first_column + now.widths
    distance, correlation, sites, sites_at_start = [], [], [], []
    for place, (begin, stop) in enumerate(zip(first, end, strict=True)):
        one, other = (each.log_kd[begin:stop, :, place] for each in (now, start))
        convention = now.details[place].convention or "natural"
        p, q = (log_kd_to_probabilities(each, convention=convention) for each in (one, other))
        distance.append(np.sqrt(np.square(p - q).sum(axis=1)).mean())
        correlation.append(_correlation(one, other))
        sites.append(_site(one))
        sites_at_start.append(_site(other))
    return Drift(np.array(distance), np.array(correlation), tuple(sites), tuple(sites_at_start))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    a, b = (
        (each - each.mean(axis=1, keepdims=True)).astype(np.float64).ravel()
        for each in (one, other)
    )
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else float("nan")


def _site(log_kd: np.ndarray) -> str:
    """The strongest site of a motif [W, 4]; N where all bases are equal."""
    equal = np.ptp(log_kd, axis=1) == 0
    return "".join(
        "N" if same else "ACGT"[base]
        for same, base in zip(equal, log_kd.argmin(axis=1), strict=True)
    )


def check_drift(subject: Subject, drift: Drift | None, progress: bool = False) -> list[Finding]:
    """Motifs that are not those that they began as."""
    if drift is None:
        text = "The motifs at the start of training are not known: drift was not checked."
        return [Finding("drift", "note", text)]
    model, living = subject.model, ~subject.dead
    moved = np.flatnonzero(living & (drift.distance > MOVED))
    findings = _lost(subject, drift, moved, progress) if len(moved) else []
    lost = {name for finding in findings for name in finding.factors}
    far = np.flatnonzero(living & (drift.distance > DRIFTED))
    far = np.array([each for each in far if model.motif_names[each] not in lost], np.int64)
    if len(far):
        far = far[np.argsort(-drift.distance[far], kind="stable")]
        said = listed(
            f"{model.motif_names[each]} (by {drift.distance[each]:.2f}; "
            f"{drift.strongest_site_at_start[each]} became {drift.strongest_site[each]})"
            for each in far
        )
        text = (
            f"Motifs that moved far in training, but are still most like their own start: {said}. "
            "Look at their logos: a factor that took over what another one does keeps its name."
        )
        number = float(drift.distance[far[0]])
        findings.append(Finding("drift", "note", text, subject.names(far), number, DRIFTED))
    if not findings:
        text = "Every motif with an effect is still the one that it began as."
        number = float(drift.distance[living].max(initial=0.0))
        findings.append(Finding("drift", "ok", text, number=number, limit=DRIFTED))
    return findings


def _lost(subject: Subject, drift: Drift, moved: np.ndarray, progress: bool) -> list[Finding]:
    """A warning of motifs that are no longer recognised, or more like another start motif."""
    model, start = subject.model, subject.model.initial_motifs
    assert start is not None
    now = _by_query(compare(model.motifs[moved], start, progress=progress, warn=False))
    before = _by_query(compare(start[moved], start, progress=progress, warn=False))
    said, places, numbers = [], [], []
    for place in moved:
        name = model.motif_names[place]
        (nearest, value), own = now[name][0], dict(now[name])[name] * len(start)
        was_alike = dict(before[name])[nearest] * len(start) <= UNRECOGNISED_E_VALUE
        if own > UNRECOGNISED_E_VALUE:
            said.append(f"{name} (E-value {own:.2g} of its own start, nearest is {nearest})")
        elif nearest != name and value < dict(now[name])[name] and not was_alike:
            said.append(f"{name} (now more like {nearest}, E-value {value * len(start):.1g})")
        else:
            continue
        places.append(place)
        numbers.append(drift.distance[place])
    if not places:
        return []
    order = np.argsort(-np.array(numbers), kind="stable")
    text = (
        f"Motifs that are no longer what they began as: {listed(said[each] for each in order)}. "
        "What the model says of such a factor is about its new motif, not about the protein of "
        "that name: rename it, or train with a stronger motif_pull."
    )
    found = np.array(places)[order]
    return [Finding("drift", "warning", text, subject.names(found), float(max(numbers)), DRIFTED)]


def _by_query(table: pa.Table) -> dict[str, list[tuple[str, float]]]:
    """Targets and p-values of each query, most alike first."""
    found: dict[str, list[tuple[str, float]]] = {}
    columns = (table[name].to_pylist() for name in ("query", "target", "p_value"))
    for query, target, p_value in zip(*columns, strict=True):
        found.setdefault(query, []).append((target, p_value))
    return found


@dataclass(frozen=True, eq=False)
class Nearest:
    """The motif of a database that is nearest to each factor; "" and NaN for dead factors.

    Attributes:
        name: M names.
        p_value: float64 [M].
        name_at_start: of the motif before training; "" where it is not known.
        p_value_at_start: float64 [M].
    """

    name: tuple[str, ...]
    p_value: np.ndarray
    name_at_start: tuple[str, ...]
    p_value_at_start: np.ndarray


def nearest_in(subject: Subject, database: MotifSet, progress: bool = False) -> Nearest:
    """Looks up the motifs of all factors with an effect, as they are and as they began."""
    living = np.flatnonzero(~subject.dead)
    parts: list[tuple[tuple[str, ...], np.ndarray]] = []
    for motifs in (subject.model.motifs, subject.model.initial_motifs):
        found: dict[str, list[tuple[str, float]]] = {}
        if motifs is not None and len(living):
            found = _by_query(compare(motifs[living], database, best=1, progress=progress))
        rows = [found.get(name, [("", np.nan)])[0] for name in subject.model.motif_names]
        parts.append((tuple(name for name, _ in rows), np.array([value for _, value in rows])))
    return Nearest(*parts[0], *parts[1])


def check_nearest(subject: Subject, nearest: Nearest, size: int) -> list[Finding]:
    """Motifs that were one of the database at the start, and are none or another one now."""
    limit = UNRECOGNISED_E_VALUE / size
    living = ~subject.dead
    known = living & (nearest.p_value_at_start <= limit)
    gone = np.flatnonzero(known & (nearest.p_value > limit))
    changed = known & (nearest.p_value <= limit)
    names = zip(nearest.name, nearest.name_at_start, strict=True)
    others = np.flatnonzero(changed & np.array([a != b for a, b in names]))
    findings = []
    if len(gone):
        said = listed(
            f"{subject.model.motif_names[each]} (was {nearest.name_at_start[each]}, p-value now "
            f"{nearest.p_value[each]:.1g})"
            for each in gone
        )
        text = (
            f"Motifs of the database that training changed beyond recognition: {said}. Do not read "
            "them as these proteins."
        )
        number = float(nearest.p_value[gone].max())
        findings.append(Finding("database", "warning", text, subject.names(gone), number, limit))
    if len(others):
        said = listed(
            f"{subject.model.motif_names[each]} (was {nearest.name_at_start[each]}, now "
            f"{nearest.name[each]}, p-value {nearest.p_value[each]:.1g})"
            for each in others
        )
        text = (
            f"Motifs whose nearest motif of the database is another one now: {said}. Within a "
            "family of alike motifs this means little; look at the logos."
        )
        number = float(nearest.p_value[others].min())
        findings.append(Finding("database", "note", text, subject.names(others), number, limit))
    if not findings:
        text = (
            f"{int(known.sum()):,} of {int(living.sum()):,} factors with an effect had a motif of "
            "the database at the start, and have it still."
        )
        findings.append(Finding("database", "ok", text, limit=limit))
    return findings
