"""Whole training, in sequences per second, against the original's formulation.

    python -m benchmarks.training.train_throughput --plot docs/images/train_throughput.png

All parameters of one model (motifs, concentrations, activities, potentiations) train by Adam on
random sequences and measurements, as many as the example data of CisRegModels hold: 8,982 of 110
bases, 245 motifs stored in 30 columns. Timed are whole epochs from end to end, after a first one
that compiles: shuffling, steps, and what is evaluated and logged between epochs. The original's
formulation (CisRegModels) is two convolutions and exp, one call per batch, one-hot batches fed from
host memory, the loss fetched; conv1d XLA takes base codes and is a modern way to write it.
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.shared.measure import TRAIN_STEP, Servers
from benchmarks.shared.problem import Point
from benchmarks.shared.rivals import FUSED, FUSED_HELD, ORIGINAL
from benchmarks.shared.suite import (
    FUSED_COLOUR,
    HELD_COLOUR,
    RIVAL_COLOURS,
    Row,
    add_data_option,
    describe_motifs,
    machine,
    make_parser,
    median,
    motif_source,
    number,
    parse,
    print_machine,
    print_table,
    quartiles,
    save,
    subplots,
    tell_progress,
    write_json,
)

COLOURS = {
    FUSED: FUSED_COLOUR,
    FUSED_HELD: HELD_COLOUR,
    ORIGINAL: RIVAL_COLOURS[0],
    "conv2d XLA": RIVAL_COLOURS[1],
    "conv1d XLA": RIVAL_COLOURS[2],
}
BATCHES = (128, 1024)
SEQUENCES = 8982


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = make_parser(__doc__, seconds=3.0, rounds=2)
    add_data_option(parser)
    parser.add_argument(
        "--sequences", type=int, default=SEQUENCES, help="per epoch (default %(default)s)"
    )
    return parse(parser)


def measure_all(arguments: argparse.Namespace) -> list[Row]:
    """A row per batch size and implementation, these in turn."""
    rows = []
    with Servers() as servers:
        batches = BATCHES[:1] if arguments.quick else BATCHES
        for done, batch in enumerate(batches):
            tell_progress(done, len(batches), f"batch {batch}")
            base = Point("", batch, threads=arguments.threads, motifs=motif_source(arguments))
            base = base._replace(steps=max(1, arguments.sequences // batch))
            if arguments.quick:
                base = base._replace(
                    sequence_count=8, length=24, motif_count=6, width=8, steps=batch // 64
                )
            results: dict[str, list[dict[str, Any]]] = {name: [] for name in COLOURS}
            for _ in range(arguments.rounds):
                for name in COLOURS:
                    point = base._replace(implementation=name)
                    result = servers.measure(point, TRAIN_STEP, seconds=arguments.seconds)
                    results[name].append(result)
            for name, of_point in results.items():
                rows.append(summarise(base._replace(implementation=name), of_point))
    return rows


def summarise(point: Point, results: list[dict[str, Any]]) -> Row:
    """Sequences per second, and the time of steps alone."""
    row = {**point._asdict(), "motifs": describe_motifs(point.motifs)}
    reasons = [result["missing"] for result in results if "missing" in result]
    if reasons:
        return {**row, "missing": reasons[0]}
    count = point.sequence_count * point.steps
    rates = [count / seconds for result in results for seconds in result["epoch_seconds"]]
    steps = [step for result in results for step in result["milliseconds"]]
    return {
        **row,
        "sequences_per_epoch": count,
        "epochs": len(rates),
        "median_sequences_per_second": median(rates),
        "quartiles_sequences_per_second": quartiles(rates),
        "median_step_milliseconds": median(steps),
        "peak_mebibytes": median([result["peak_mebibytes"] for result in results]),
    }


def by_batch(rows: list[Row]) -> list[list[Row]]:
    """The rows of each batch size."""
    steps = dict.fromkeys(row["steps"] for row in rows)
    return [[row for row in rows if row["steps"] == count] for count in steps]


def title_of(group: list[Row]) -> str:
    """Of a batch size's table and panel."""
    first = group[0]
    return f"batch {first['sequence_count']}, {first['steps'] * first['sequence_count']} sequences"


def print_rows(rows: list[Row]) -> None:
    """A table per batch size, with each row's ratio to the original's formulation."""
    columns = ("", "sequences/s", "quartiles", "epochs", "ms per step", "times the original")
    for group in by_batch(rows):
        original = next(row for row in group if row["implementation"] == ORIGINAL)
        lines = []
        for row in group:
            if "missing" in row:
                lines.append([row["implementation"], row["missing"], "", "", "", ""])
                continue
            low, high = row["quartiles_sequences_per_second"]
            rate = row["median_sequences_per_second"]
            lines.append(
                [
                    row["implementation"],
                    f"{rate:,.0f}",
                    f"{low:,.0f} to {high:,.0f}",
                    str(row["epochs"]),
                    number(row["median_step_milliseconds"]),
                    f"{rate / original['median_sequences_per_second']:.1f}x",
                ]
            )
        print_table(f"whole training, {title_of(group)}, {group[0]['motifs']}", columns, lines)


def draw(rows: list[Row], arguments: argparse.Namespace, facts: dict[str, Any]) -> None:
    """Sequences per second as bars, a panel per batch size."""
    groups = by_batch(rows)
    figure, axes = subplots(1, len(groups), 9, 2.6, sharey=True, sharex=True)
    for axis, group in zip(axes[0], groups, strict=True):
        shown = [row for row in group if "missing" not in row][::-1]
        names = [row["implementation"] for row in shown]
        values = [row["median_sequences_per_second"] for row in shown]
        bars = axis.barh(names, values, color=[COLOURS[name] for name in names])
        axis.bar_label(bars, [f"{value:,.0f}" for value in values], padding=3, fontsize=8)
        axis.set(title=title_of(group), xlabel="sequences per second")
    fastest = max(row.get("median_sequences_per_second", 0) for row in rows)
    axes[0, 0].set_xlim(0, fastest * 1.2)
    save(figure, arguments.plot, facts)


def main() -> None:
    """Measures, prints, writes."""
    arguments = parse_arguments()
    facts = machine(arguments.clock)
    print_machine(facts)
    rows = measure_all(arguments)
    print_rows(rows)
    write_json(arguments.json, facts, rows)
    if arguments.plot:
        draw(rows, arguments, facts)


if __name__ == "__main__":
    main()
