"""cisreg ensemble evaluate."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
) -> None:
    """Compare the mean of the members, and each member, with measured expression.

    Shows r, R², mean squared error and Spearman's r of the mean prediction, and how far those of
    the members lie apart. TABLE should be sequences that no member was trained on.
    """
    from cisreg.uncertainty import load_ensemble

    loaded = load_ensemble(ensemble)
    dataset = read_measured(
        table, loaded.models[0], sequence_column, expression_column, decimal_comma
    )
    start_tensorflow()
    found = loaded.evaluate(dataset)
    console = new_console(results=True)
    title = f"Predicted expression of {len(dataset):,} sequences against measured"
    console.print(metrics_table(title, _rows(found)))
    console.add_rows("members", [each._asdict() for each in found.members])


def _rows(found: EnsembleAgreement) -> dict[str, Metrics]:
    """The metrics of the mean, and the range of each metric over the members."""
    values = np.array(found.members)
    rows = {f"mean of {len(values)} members": found.mean}
    for name, share in (("lowest", 0.0), ("median", 0.5), ("highest", 1.0)):
        rows[f"members, {name}"] = type(found.mean)(*np.quantile(values, share, axis=0).tolist())
    return rows
