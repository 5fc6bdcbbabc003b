"""Which numbers and figures are in docs/start/reading.md?

    python -m benchmarks.interpret.reading_figures --data FOLDER --model MODEL --figures docs/images

MODEL is the default recipe, trained on train.tsv.gz of the folder. Figures: reading_factors.png
(which factors matter in the promoters of test.tsv.gz), reading_sequence.png (where, in one
promoter), reading_mutations.png (every mutation of it) and reading_differences.png (differences of
promoters a few mutations apart).
The promoter is one of the two, at most three mutations apart, with the largest measured difference.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import cisreg
from benchmarks.interpret.differences import TABLE, find_pairs
from benchmarks.shared.suite import FUSED_COLOUR, print_table, subplots
from cisreg.interpret import (
    base_contributions,
    explain_difference,
    factor_effects,
    mutagenesis,
    site_contributions,
)
from cisreg.report import plot_factors, plot_mutations, plot_sequence

MOST_MUTATIONS, FEW_MUTATIONS, SHOWN = 5, 3, 5


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the promoters")
    parser.add_argument("--model", type=Path, required=True, help="folder that cisreg train wrote")
    parser.add_argument("--figures", type=Path, required=True, help="folder for the figures")
    options = parser.parse_args()
    model = cisreg.load_model(options.model)
    tested = _read(model, options.data / "test.tsv.gz")
    plot_factors(
        options.figures / "reading_factors.png",
        factor_effects(model, tested),
        most=12,
        overwrite=True,
    )
    data = _read(model, options.data / TABLE)
    predicted = model.predict(data).expression.astype(np.float64)
    measured = np.asarray(data.expression, np.float64)
    pairs = find_pairs(data.sequence, MOST_MUTATIONS)
    was, now = (each[pairs.second] - each[pairs.first] for each in (predicted, measured))
    few = pairs.mutations <= FEW_MUTATIONS
    shown = int(np.argmax(np.where(few, np.abs(now), -1.0)))
    places = [int(each[shown]) for each in (pairs.first, pairs.second)]
    first, second = (each.lstrip("N") for each in cisreg.decode(data.sequence[places]))
    if now[shown] > 0:
        first, second = second, first
    _draw_differences(options.figures / "reading_differences.png", was, now, shown)
    plot_sequence(
        options.figures / "reading_sequence.png",
        base_contributions(model, [first]),
        site_contributions(model, [first]),
        overwrite=True,
    )
    plot_mutations(
        options.figures / "reading_mutations.png", mutagenesis(model, [first]), overwrite=True
    )
    _tell(model, first, second, -abs(now[shown]))


def _read(model: cisreg.Model, path: Path) -> cisreg.Dataset:
    """A table as the model's input."""
    length, side = model.spec.sequence_length, model.padding_side
    return cisreg.open_dataset(path, length=length, side=side).load()


def _draw_differences(path: Path, predicted: np.ndarray, measured: np.ndarray, shown: int) -> None:
    figure, axes = subplots(1, 1, 4.2, 4.2)
    panel = axes[0, 0]
    limit = 1.05 * max(np.abs(predicted).max(), np.abs(measured).max())
    panel.plot([-limit, limit], [-limit, limit], color="0.6", linewidth=0.8, linestyle="--")
    panel.scatter(predicted, measured, s=6, color="#1f5a96", alpha=0.5, linewidths=0)
    panel.scatter(predicted[shown], measured[shown], s=40, color=FUSED_COLOUR, zorder=3)
    panel.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    panel.set_xlabel("predicted difference (unit of the table)")
    panel.set_ylabel("measured difference (unit of the table)")
    panel.set_title(
        f"{len(predicted)} pairs up to {MOST_MUTATIONS} mutations apart, "
        f"r = {np.corrcoef(predicted, measured)[0, 1]:.2f}"
    )
    figure.savefig(path, dpi=130)


def _tell(model: Any, first: str, second: str, measured: float) -> None:
    """Prints the pair, and what the difference is made of."""
    differs = [i for i, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
    print(first, second, "mutations", [(i, first[i] + ">" + second[i]) for i in differs], sep="\n")
    found = explain_difference(model, [first], [second])
    by_factor = found.activity[0].sum(axis=0) + found.opening[0]
    order = np.argsort(-np.abs(by_factor))[:SHOWN]
    rows = [[model.motif_names[place], f"{by_factor[place]:+.2f}"] for place in order]
    before, after = model.predict([first, second]).expression
    print(
        f"predicted {before:.2f} to {after:.2f} ({after - before:+.2f}), measured {measured:+.2f}"
    )
    print_table("What the difference is made of", ("factor", "part"), rows)


if __name__ == "__main__":
    main()
