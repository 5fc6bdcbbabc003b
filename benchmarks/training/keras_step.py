"""A whole training step of Keras, with and without XLA.

    python -m benchmarks.training.keras_step --plot docs/images/keras_step.png

One model, occupancy of 245 motifs, then Dense(1), trained by `model.compile` and `model.fit` with
Adam on random sequences of 110 bases. Timed are whole epochs of `fit`, after a first one that
compiles, divided by their steps: what Keras does around the step counts, batches are made before.
The rivals are layers of standard operations: conv1d over both strands and sigmoid; the same in
three groups of motifs of like widths, each convolution as wide as its widest motif; the original's
conv2d and exp. "No scan" is a step whose layer reads no site: nothing can be faster.
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.shared.measure import TRAIN_STEP, Servers
from benchmarks.shared.problem import Point
from benchmarks.shared.rivals import KERAS
from benchmarks.shared.suite import (
    FUSED_COLOUR,
    HELD_COLOUR,
    RIVAL_COLOURS,
    Row,
    add_data_option,
    describe_motifs,
    log_scale,
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

BATCHES = (32, 128, 1024)
FUSED, HELD, FLOOR = "Keras fused", "Keras fused, zero columns held", "Keras no scan"
# Those that hold the columns outside of motifs, as `HELD` does, which the others train.
HELD_RIVALS = ("Keras conv1d by width",)
COLOURS = {
    FUSED: FUSED_COLOUR,
    HELD: HELD_COLOUR,
    "Keras conv1d": RIVAL_COLOURS[0],
    "Keras conv1d by width": RIVAL_COLOURS[1],
    "Keras conv2d": RIVAL_COLOURS[2],
    FLOOR: RIVAL_COLOURS[6],
}


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = make_parser(__doc__, seconds=3.0, rounds=3)
    add_data_option(parser)
    parser.add_argument(
        "--batches", type=int, nargs="+", default=BATCHES, help="sizes (default %(default)s)"
    )
    return parse(parser)


def family(name: str) -> str:
    """The name of an implementation without its compiler."""
    return name.rpartition(" ")[0]


def compiler(name: str) -> str:
    """The last word of an implementation, graph or XLA."""
    return name.rpartition(" ")[2]


def measure_all(arguments: argparse.Namespace) -> list[Row]:
    """A row per batch size and implementation, these in turn."""
    rows = []
    with Servers() as servers:
        batches = BATCHES[:1] if arguments.quick else arguments.batches
        for done, batch in enumerate(batches):
            tell_progress(done, len(batches), f"batch {batch}")
            base = Point("", batch, threads=arguments.threads, motifs=motif_source(arguments))
            # Few steps of a large batch, many of a small one.
            base = base._replace(steps=max(8, 2048 // batch))
            if arguments.quick:
                base = base._replace(sequence_count=8, length=24, motif_count=6, width=8, steps=2)
            results: dict[str, list[dict[str, Any]]] = {name: [] for name in KERAS}
            for _ in range(arguments.rounds):
                for name in KERAS:
                    result = servers.measure(
                        base._replace(implementation=name),
                        TRAIN_STEP,
                        seconds=arguments.seconds,
                        time_limit=180.0,
                    )
                    results[name].append(result)
            rows += [
                summarise(base._replace(implementation=name), of_name)
                for name, of_name in results.items()
            ]
    return rows


def summarise(point: Point, results: list[dict[str, Any]]) -> Row:
    """Milliseconds of a step."""
    row = {**point._asdict(), "motifs": describe_motifs(point.motifs)}
    reasons = [result["missing"] for result in results if "missing" in result]
    if reasons:
        return {**row, "missing": reasons[0]}
    steps = [step for result in results for step in result["milliseconds"]]
    return {
        **row,
        "epochs": len(steps),
        "median_milliseconds": median(steps),
        "quartiles_milliseconds": quartiles(steps),
        "peak_mebibytes": median([result["peak_mebibytes"] for result in results]),
    }


def fastest_rival(group: list[Row], ours: str) -> Row | None:
    """The fastest standard formulation that trains the same columns as ours."""
    held = family(ours) == HELD
    rivals = [
        row
        for row in group
        if "missing" not in row
        and family(row["implementation"]) not in (FUSED, HELD, FLOOR)
        and (held or family(row["implementation"]) not in HELD_RIVALS)
    ]
    return min(rivals, key=lambda row: row["median_milliseconds"], default=None)


def comparison(group: list[Row], row: Row) -> tuple[str, str]:
    """How much faster than conv1d under the same compiler, and than the fastest rival."""
    if family(row["implementation"]) not in (FUSED, HELD):
        return "", ""
    own = row["median_milliseconds"]
    same = [
        each["median_milliseconds"]
        for each in group
        if each["implementation"] == f"Keras conv1d {compiler(row['implementation'])}"
        and "missing" not in each
    ]
    fastest = fastest_rival(group, row["implementation"])
    return (
        f"{same[0] / own:.1f}x" if same else "",
        f"{fastest['median_milliseconds'] / own:.1f}x {fastest['implementation'][6:]}"
        if fastest
        else "",
    )


def by_batch(rows: list[Row]) -> list[list[Row]]:
    """The rows of each batch size."""
    batches = dict.fromkeys(row["sequence_count"] for row in rows)
    return [[row for row in rows if row["sequence_count"] == batch] for batch in batches]


def print_rows(rows: list[Row]) -> None:
    """A table per batch size."""
    columns = (
        *("", "ms per step", "quartiles", "epochs", "MiB"),
        *("conv1d, same compiler, takes", "the fastest rival takes"),
    )
    for group in by_batch(rows):
        lines = []
        for row in group:
            if "missing" in row:
                lines.append([row["implementation"], row["missing"], "", "", "", "", ""])
                continue
            low, high = row["quartiles_milliseconds"]
            lines.append(
                [
                    row["implementation"],
                    number(row["median_milliseconds"]),
                    f"{number(low)} to {number(high)}",
                    str(row["epochs"]),
                    f"{row['peak_mebibytes']:,.0f}",
                    *comparison(group, row),
                ]
            )
        title = f"training step of Keras, batch {group[0]['sequence_count']}, {group[0]['motifs']}"
        print_table(title, columns, lines)


def draw(rows: list[Row], arguments: argparse.Namespace, facts: dict[str, Any]) -> None:
    """Milliseconds of a step as bars, a panel per batch size; pale without XLA."""
    groups = by_batch(rows)
    figure, axes = subplots(1, len(groups), 3.4 * len(groups) + 2, 3.4, sharey=True)
    for axis, group in zip(axes[0], groups, strict=True):
        shown = [row for row in group if "missing" not in row][::-1]
        names = [row["implementation"].removeprefix("Keras ") for row in shown]
        values = [row["median_milliseconds"] for row in shown]
        bars = axis.barh(names, values)
        for bar, row in zip(bars, shown, strict=True):
            bar.set_color(COLOURS[family(row["implementation"])])
            bar.set_alpha(1.0 if compiler(row["implementation"]) == "XLA" else 0.5)
        axis.bar_label(bars, [number(value, 2) for value in values], padding=3, fontsize=8)
        axis.set_xscale("log")
        log_scale(axis.xaxis)
        axis.set_xlim(min(values) / 2, max(values) * 3)
        axis.set(title=f"batch {group[0]['sequence_count']}", xlabel="ms per step")
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
