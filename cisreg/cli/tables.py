"""Results as tables on standard output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cisreg.cli.terminal import TextTable, new_console

if TYPE_CHECKING:
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
    from cisreg.metrics import agreement

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
    console.print(
        metrics_table(
            "Expression, predicted against measured",
            {
                f"{len(part):,} for {name}": agreement(
                    run.model.predict(part).expression, part.mean_expression
                )
                for name, part in used.items()
            },
            records=[{"sequences": name, "count": len(part)} for name, part in used.items()],
        )
    )
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
) -> TextTable:
    """One row of metrics for each set of sequences.

    Args:
        title: a line above the table.
        rows: the metrics of each set by its name.
        records: what JSON says of each set beside its metrics; None: its name.
    """
    table = TextTable(title, ("sequences", *METRIC_NAMES.values()), name="expression")
    named = records or [{"sequences": name} for name in rows]
    for (name, metrics), record in zip(rows.items(), named, strict=True):
        table.add_row(
            *(name, *(f"{getattr(metrics, each):.4f}" for each in METRIC_NAMES)),
            record={**record, **{each: getattr(metrics, each) for each in METRIC_NAMES}},
        )
    return table
