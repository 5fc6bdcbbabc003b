"""Diagnosis of a trained model: what to keep in mind before its parameters are read as biology."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cisreg.display import counted, html_table
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import encode_some
from cisreg.interpret.diagnosis_checks import (
    Subject,
    check_accessibility,
    check_constant_binding,
    check_dead,
    check_ends,
    check_extrapolation,
    check_extremes,
    check_sequences,
    check_slopes,
    new_subject,
)
from cisreg.interpret.diagnosis_measures import measure, own_measures, trained_on
from cisreg.interpret.diagnosis_motifs import (
    Drift,
    Nearest,
    check_drift,
    check_duplicates,
    check_nearest,
    drift_of,
    nearest_in,
)
from cisreg.interpret.findings import Finding, finding_columns
from cisreg.motifs import MotifSet, read_motifs

if TYPE_CHECKING:
    import pandas as pd

_ORDER = ("warning", "note", "ok")


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What a diagnosis found.

    Attributes:
        findings: warnings first, then notes, then what is in order.
        factors: an Arrow table with a row per factor: `has_effect` and what was measured of it,
            see `diagnose_model`.
        count: number of sequences that were looked at; 0: none were given.
    """

    findings: tuple[Finding, ...]
    factors: pa.Table
    count: int

    def __len__(self) -> int:
        """Number of findings."""
        return len(self.findings)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are warnings."""
        return tuple(each for each in self.findings if each.state == "warning")

    def __repr__(self) -> str:
        return f"Diagnosis({self._title()})"

    def _title(self) -> str:
        notes = sum(each.state == "note" for each in self.findings)
        return (
            f"{counted(len(self.warnings), 'warning')}, {counted(notes, 'note')}; "
            f"{counted(self.factors.num_rows, 'factor')}, {counted(self.count, 'sequence')}"
        )

    def _repr_html_(self) -> str:
        columns = {name: column.to_pylist() for name, column in self.columns().items()}
        shown = {name: columns[name] for name in ("check", "state", "finding")}
        return html_table(self._title(), shown, len(self))

    def columns(self) -> dict[str, pa.Array]:
        """The findings as columns, see `cisreg.interpret.findings.finding_columns`."""
        return finding_columns(self.findings)

    def to_table(self) -> pa.Table:
        """An Arrow table of `columns`, one row per finding.

        Example:
            >>> diagnose_model(model).to_table().column_names[:3]  # doctest: +SKIP
            ['check', 'state', 'finding']
        """
        return pa.table(self.columns())

    def to_frame(self) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table().to_pandas()


def diagnose_model(
    model: AnyModel,
    sequences: Any = None,
    *,
    database: MotifSet | str | PathLike[str] | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Diagnosis:
    """Looks for what makes a model misleading: before its parameters are read as biology.

    The checks, each with a limit that is a named constant of its module:

    - dead factors: without an effect, so that nothing is to be read out of them;
    - duplicates: factors that these sequences or their motifs do not tell apart;
    - accessibility, saturated sites, constant binding: what is the same in every sequence;
    - weak binding: factors of which only activity times concentration is known;
    - extremes: effects and motifs beyond what a measurement could show;
    - drift: motifs that training made into others, against their start and a database;
    - constant ends: ends of the sequences that the model does not know, or that are missing;
    - extrapolation: predictions and sequences unlike those of training.

    Args:
        model: a trained model.
        sequences: whatever `Model.predict` takes; best a thousand or more of those that the model
            is asked about. At most 2,000 are looked at, evenly spaced. None: only what the
            parameters say is checked.
        database: motifs to compare with, a MotifSet or anything that `cisreg.read_motifs` reads,
            such as "jaspar:fungi".
        threads: how many threads compute; None: one for each core.
        progress: whether to show progress bars.

    Returns:
        A Diagnosis. Its table `factors` has the columns factor, has_effect; log_odds (log
        concentration minus log Kd of the strongest site, nats), occupancy (of that site), effect
        (of that site on expression, absolute); with sequences mean_binding, highest_binding,
        variation (standard deviation of the binding by its mean), importance, slope (of log binding
        on log concentration), share_of_ends (share of the binding that needs the bases of constant
        ends); where the start is known distance (mean Euclidean distance of the probabilities of a
        column), correlation (of energies), strongest_site, strongest_site_at_start; with a database
        nearest, nearest_p_value, nearest_at_start, nearest_p_value_at_start.

    Raises:
        ValueError: an empty list of sequences, or sequences that the model does not take.

    Example:
        >>> found = diagnose_model(model, sequences, database="jaspar:fungi")  # doctest: +SKIP
        >>> for finding in found.warnings:  # doctest: +SKIP
        ...     print(finding.sentence)
    """
    target = None
    if database is not None:
        target = database if isinstance(database, MotifSet) else read_motifs(database)
    measures = None
    if sequences is not None:
        codes = encode_some(model, sequences)
        measures = measure(model, codes, threads=threads, progress=progress)
    subject = new_subject(model, own_measures(model), trained_on(model), measures)
    drift = drift_of(subject)
    findings = [
        *check_sequences(subject),
        *check_dead(subject),
        *check_duplicates(subject, progress),
        *check_accessibility(subject),
        *check_constant_binding(subject),
        *check_slopes(subject),
        *check_extremes(subject),
        *check_drift(subject, drift, progress),
        *check_ends(subject),
        *check_extrapolation(subject),
    ]
    nearest = None
    if target is not None:
        nearest = nearest_in(subject, target, progress)
        findings += check_nearest(subject, nearest, len(target))
    findings.sort(key=lambda each: _ORDER.index(each.state))
    table = _factor_table(subject, drift, nearest)
    return Diagnosis(tuple(findings), table, 0 if measures is None else len(measures.codes))


def _factor_table(subject: Subject, drift: Drift | None, nearest: Nearest | None) -> pa.Table:
    own, measures = subject.own, subject.measures
    columns: dict[str, Any] = {
        "factor": pa.array(subject.model.motif_names, pa.string()),
        "has_effect": ~subject.dead,
        "log_odds": own.log_odds,
        "occupancy": own.occupancy,
        "effect": own.effect,
    }
    if measures is not None:
        columns |= {
            "mean_binding": measures.binding.mean(axis=0, dtype=np.float64),
            "highest_binding": measures.binding.max(axis=0).astype(np.float64),
            "variation": measures.variation,
            "importance": measures.importance,
            "slope": measures.slope,
            "share_of_ends": measures.share_of_ends,
        }
    if drift is not None:
        columns |= vars(drift)
    if nearest is not None:
        columns |= {
            "nearest": nearest.name,
            "nearest_p_value": nearest.p_value,
            "nearest_at_start": nearest.name_at_start,
            "nearest_p_value_at_start": nearest.p_value_at_start,
        }
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
