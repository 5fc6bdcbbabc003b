"""Results as tables on standard output."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cisreg.cli.terminal import TextTable, new_console

if TYPE_CHECKING:
    from cisreg.information import Information
    from cisreg.losses import Noise
    from cisreg.losses.judged import NoiseMetrics
    from cisreg.metrics import Metrics
    from cisreg.recipes import Training
    from cisreg.training import EpochRecord

METRIC_NAMES = {
    "pearson": "r",
    "r_squared": "R²",
    "mean_squared_error": "MSE",
    "spearman": "Spearman r",
}


def show_run(run: Training, folder: Path) -> None:
    """Prints the last losses of each stage, the metrics of the model, and its folder."""
    from cisreg.data.replicates import highest_r
    from cisreg.metrics import agreement
    from cisreg.outputs import data_of_outputs

    console = new_console()
    stages = TextTable(
        "Stages",
        ("stage", "epochs", "seconds", "loss", "validation loss", "validation r"),
        name="stages",
    )
    last = {record.stage: record for record in run.fit.history}
    for stage, record in last.items():
        seconds = sum(each.seconds for each in run.fit.history if each.stage == stage)
        stages.add_row(
            *(str(stage), str(record.epoch), f"{seconds:.1f}", *_losses(record)),
            record={
                "stage": stage,
                "epochs": record.epoch,
                "seconds": seconds,
                "loss": record.loss,
                "validation_loss": record.validation_loss,
                "validation_r": record.validation_r,
            },
        )
    console.print(stages)
    parts = {"training": run.training, "validation": run.validation}
    used = {name: part for name, part in parts.items() if part is not None}
    rows, records, highest = {}, [], []
    for name, part in used.items():
        for output, model, data in data_of_outputs(run.model, part):
            levels = model.with_levels(data)
            of = f", {output}" if output else ""
            predicted = model.predict(levels).expression
            rows[f"{len(levels):,} for {name}{of}"] = agreement(predicted, levels.expression)
            records.append(
                {"sequences": name, "count": len(levels), **({"output": output} if output else {})}
            )
            highest.append(highest_r(data.sequence, model.levels(data)))
    title = "Expression, predicted against measured"
    console.print(metrics_table(title, rows, records=records, highest=highest))
    console.print(f"Model written to {folder} (epoch {run.fit.best_epoch} of the run)")


def _losses(record: EpochRecord) -> tuple[str, str, str]:
    return (
        f"{record.loss:.4g}",
        "" if record.validation_loss is None else f"{record.validation_loss:.4g}",
        "" if record.validation_r is None else f"{record.validation_r:.4f}",
    )


def metrics_table(
    title: str,
    rows: Mapping[str, Metrics],
    *,
    records: Sequence[Mapping[str, Any]] | None = None,
    highest: Sequence[float] = (),
) -> TextTable:
    """One row of metrics for each set of sequences.

    Args:
        title: a line above the table.
        rows: the metrics of each set by its name.
        records: what JSON says of each set beside its metrics; None: its name.
        highest: the highest r of each set that its replicates leave to a model, NaN where there
            are none; shown beside r where it is known of any set.
    """
    known = [each if math.isfinite(each) else None for each in highest] or [None] * len(rows)
    shown = [*METRIC_NAMES.values()]
    if any(each is not None for each in known):
        shown.insert(1, "highest r")
    table = TextTable(title, ("sequences", *shown), name="expression")
    named = records or [{"sequences": name} for name in rows]
    for (name, metrics), record, most in zip(rows.items(), named, known, strict=True):
        cells = [f"{getattr(metrics, each):.4f}" for each in METRIC_NAMES]
        if len(shown) > len(METRIC_NAMES):
            cells.insert(1, "" if most is None else f"{most:.4f}")
        numbers = {each: getattr(metrics, each) for each in METRIC_NAMES}
        table.add_row(
            *(name, *cells),
            record={**record, **numbers, **({} if most is None else {"highest_pearson": most})},
        )
    return table


def noise_table(metrics: NoiseMetrics, noise: Noise, output: str = "") -> TextTable:
    """Likelihood and information of measurements under the noise model of a model.

    Args:
        metrics: what was found.
        noise: the noise model.
        output: the name of the output, of a model of several.
    """
    from cisreg.losses import SortBins

    each = "read" if isinstance(noise, SortBins) else "measurement"
    of = f" of {output}" if output else ""
    title = f"Noise {noise.name}{of}, nats per measurement; information in bits per {each}"
    columns = ("quantity", "value", "standard error", "of")
    table = TextTable(title, columns, name="noise")
    count = f"{metrics.measurements:,} measurements"
    table.add_row(
        *("log likelihood", f"{metrics.log_likelihood:.4f}", "", count),
        record={
            "quantity": "log_likelihood",
            "nats": metrics.log_likelihood,
            "measurements": metrics.measurements,
        },
    )
    for name in ("variational", "predictive"):
        found: Information | None = getattr(metrics, name)
        if found is None:
            continue
        error = found.standard_error / math.log(2)
        table.add_row(
            *(f"{name} information", f"{found.bits:.4f}", f"{error:.4f}", count),
            record={
                "quantity": f"{name}_information",
                "nats": found.nats,
                "standard_error": found.standard_error,
                "measurements": metrics.measurements,
            },
        )
    return table
