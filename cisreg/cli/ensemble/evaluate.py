"""cisreg ensemble evaluate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cisreg.cli import options
from cisreg.cli.evaluate import read_measured
from cisreg.cli.tables import metrics_table
from cisreg.cli.terminal import new_console
from cisreg.quiet import start_tensorflow

if TYPE_CHECKING:
    from cisreg.metrics import Metrics
    from cisreg.uncertainty import EnsembleAgreement

EXAMPLE = "cisreg ensemble evaluate models test.tsv.gz"


def evaluate(
    ensemble: options.EnsembleFolder,
    table: options.MeasuredTable,
    sequence_column: options.SequenceColumn = None,
    expression_column: options.ExpressionColumn = None,
    decimal_comma: options.DecimalComma = False,
    model_output: options.ModelOutput = None,
) -> None:
    """Compare the mean of the members, and each member, with measured expression.

    Shows r, R², mean squared error and Spearman's r of the mean prediction, and how far those of
    the members lie apart. TABLE should be sequences that no member was trained on. Of several
    outputs, each is compared with its measurements.
    """
    from cisreg.outputs import data_of_outputs

    loaded = options.read_ensemble(ensemble, model_output)
    dataset = read_measured(
        table, loaded.models[0], sequence_column, expression_column, decimal_comma
    )
    start_tensorflow()
    shown: dict[str, Metrics] = {}
    records: list[dict[str, Any]] = []
    members: list[dict[str, Any]] = []
    for name, one, rows in data_of_outputs(loaded, dataset):
        found = one.evaluate(rows)
        of, key = (f"{name}, ", {"output": name, "count": len(rows)}) if name else ("", {})
        for which, metrics in _rows(found).items():
            shown[f"{of}{which}"] = metrics
            records.append({"sequences": which, **key})
        members += [{**key, **each._asdict()} for each in found.members]
    console = new_console(results=True)
    title = f"Predicted expression of {len(dataset):,} sequences against measured"
    console.print(metrics_table(title, shown, records=records))
    console.add_rows("members", members)


def _rows(found: EnsembleAgreement) -> dict[str, Metrics]:
    """The metrics of the mean, and the range of each metric over the members."""
    values = np.array(found.members)
    rows = {f"mean of {len(values)} members": found.mean}
    for name, share in (("lowest", 0.0), ("median", 0.5), ("highest", 1.0)):
        rows[f"members, {name}"] = type(found.mean)(*np.quantile(values, share, axis=0).tolist())
    return rows
